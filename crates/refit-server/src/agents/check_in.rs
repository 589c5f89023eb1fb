//! A device says how it is.
//!
//! Where nothing has changed, nobody is asked: what the device says is compared with what is remembered, and that it was
//! here goes into a bitmap. Everything else goes to the writer, and is acknowledged when it is durable.

use super::{
    Agents,
    peer::{self, Asking, actor},
    refused::{Code, Refused},
    seen::Memory,
};
use crate::shell::{TellError, View};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::future::join_all;
use jiff::Timestamp;
use refit_core::control::{
    AgentInput, ComplaintReceived, Continuation, DeviceRecord, DeviceStands, Input, LeaseInput, State as World,
    disruption, document, report,
};
use refit_wire::{
    Digest, limits,
    protocol::{CheckIn, Receipt, ReportAnswer, Want},
};
use serde::Serialize;
use smol_str::SmolStr;
use std::time::Duration;

/// The most receipts, or complaints, that are taken at once; the device keeps the others until next time.
const BATCH_MOST: usize = 256;
/// How long a decision takes at most, as a rule.
const DECIDED: Duration = Duration::from_secs(20);
/// The longest words of a complaint, in characters.
const COMPLAINT_LONGEST: usize = 500;
/// The longest id of a receipt or a complaint, in bytes.
const ID_LONGEST: usize = 128;

/// The answer, but for the lease.
#[derive(Serialize)]
struct Answer {
    root: u64,
    mandate: Option<Digest>,
    state: Digest,
    want: Want,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    receipts: Vec<SmolStr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    complaints: Vec<SmolStr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    answers: Vec<ReportAnswer>,
    next_seconds: u64,
    renew: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    recorded: bool,
}

/// What an input was about, for the answer.
enum About {
    Report,
    Receipt(SmolStr),
    Complaint(SmolStr),
    Standing,
}

/// Takes a check-in.
pub(super) async fn check_in(
    State(agents): State<Agents>,
    asking: Asking,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let said: CheckIn = peer::body(&headers, body, limits::CHECK_IN).await?;
    let Asking { mut view, mut record, renew, now, origin, .. } = asking;
    // By the agent and not by the device: one that takes another's place counts its own check-ins.
    let entry = agents.inner.seen.entry(view.state.identity.agents_id(&record.id));
    let mut memory = entry.lock().await;
    if let Err(refused) = in_order(&mut memory, &said) {
        return Err(agents.out_of_order(&record, refused).await);
    }
    let known = digest(&view.state, &record, &mut memory);
    let history = said.history.as_ref().map(Into::into);
    let report::Heard { mut want, input: report, continues } =
        report::hear(&view.state, &record, said.report, history.as_ref(), known, now);
    if continues == Continuation::Earlier {
        return Err(Refused::new(Code::Replayed, "a later check-in has come already"));
    }
    let (mut receipts, mut complaints) = (Vec::new(), Vec::new());
    let mut inputs: Vec<(About, Input)> = report.into_iter().map(|report| (About::Report, report)).collect();
    agents.take(&record, said.receipts, &mut inputs).await?;
    agents.take_complaints(&record, said.complaints, &mut inputs).await?;
    // Only what is waited for is worth an entry of the log.
    let unshown = view.state.reports.unshown(&record.id);
    let shown: Vec<SmolStr> = said.answered.into_iter().take(BATCH_MOST).collect();
    if unshown.iter().any(|(complaint, _)| shown.contains(complaint)) {
        let answered = AgentInput::Answered { device: record.id.clone(), complaints: shown };
        inputs.push((About::Standing, Input::Agents(answered)));
    }
    let standing = said.standing.clone();
    let stands =
        DeviceStands { device: record.id.clone(), agent: said.agent, standing: said.standing, problems: said.problems };
    if report::differs(&view.state, &stands) {
        inputs.push((About::Standing, Input::Agents(AgentInput::Stands(stands))));
    }
    if !inputs.is_empty() {
        let actor = actor(&record.id, origin.clone());
        let shell = agents.shell();
        let (about, inputs): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
        // They are queued in this order, and become durable together.
        let told = join_all(inputs.into_iter().map(|input| shell.tell(&actor, input, None))).await;
        for (about, told) in about.into_iter().zip(told) {
            match (about, told) {
                (About::Receipt(id), Ok(_)) => receipts.push(id),
                (About::Complaint(id), Ok(_)) => complaints.push(id),
                (_, Ok(_)) => {}
                (About::Report, Err(error @ TellError::Refused(_))) => return Err(error.into()),
                (_, Err(TellError::Refused(refusal))) => {
                    tracing::warn!(device = %record.id, %refusal, "something that a device said was refused");
                }
                (_, Err(error)) => return Err(error.into()),
            }
        }
        view = agents.shell().view();
        record = view.state.device_now(&record.id).cloned().unwrap_or(record);
    }
    if let Some(quarantine) = &record.quarantined {
        let what =
            format!("two devices have reported under one id ({}): a person has to look first", quarantine.because);
        return Err(Refused::new(Code::Quarantined, what));
    }
    agents.inner.seen.note(record.index);
    if let Some((_, since)) = view.state.brake.as_ref().filter(|_| said.holds.stopped)
        && memory.honours != Some(*since)
    {
        memory.honours = Some(*since);
        agents.inner.seen.note_brake(record.index, *since, now);
    }
    if want == Want::Nothing && report::wants_offers(&view.state, &record) {
        want = Want::Offers;
    }
    let mut told = agents.refresh(&view, &record, &mut memory)?;
    let of_lease = disruption::Said { standing: &standing, holds_told: said.holds.state == Some(told.digest) };
    let row = view.board.row(&record.id).map(|row| &**row);
    if let Some(step) = disruption::consider(&view.state, &record, row, of_lease, now) {
        let input = Input::Leases(LeaseInput::Device { device: record.id.clone(), step });
        agents.shell().tell(&actor(&record.id, origin), input, None).await?;
        view = agents.shell().view();
        record = view.state.device_now(&record.id).cloned().unwrap_or(record);
        told = agents.refresh(&view, &record, &mut memory)?;
    }
    drop(memory);
    let trust = &view.state.agents;
    let answer = Answer {
        root: trust.root().map_or(0, |(version, _)| version),
        mandate: trust.mandate().and_then(|(_, mandate)| mandate.digest.parse().ok()),
        state: told.digest,
        want,
        receipts,
        complaints,
        answers: (view.state.reports.unshown(&record.id).into_iter())
            .map(|(complaint, outcome)| ReportAnswer { complaint, outcome: outcome.said() })
            .collect(),
        next_seconds: next(&view, &record, agents.options().interval, now).as_secs(),
        renew,
        recorded: report::recorded(&record, history.as_ref()),
    };
    written(&agents, &view, now, &answer)
}

/// When a device is to come again: soon, where what it has just said is not decided yet, or its lease goes on.
fn next(view: &View, record: &DeviceRecord, interval: Duration, now: Timestamp) -> Duration {
    let row = view.board.row(&record.id).map(|row| &**row);
    let decided = row.is_some_and(|row| row.basis >= record.revised) || view.state.policy.is_none();
    let by_lease = disruption::again(&view.state, record, row, now);
    let undecided = (!decided).then_some(DECIDED);
    [Some(interval), by_lease, undecided].into_iter().flatten().min().unwrap_or(interval)
}

fn written(agents: &Agents, view: &View, now: Timestamp, answer: &Answer) -> Result<Response, Refused> {
    let lease = agents.lease(view, now);
    let mut bytes = Vec::with_capacity(lease.bytes.len() + 384);
    bytes.extend_from_slice(b"{\"lease\":");
    bytes.extend_from_slice(&lease.bytes);
    let rest = serde_json::to_vec(answer).map_err(|error| Refused::new(Code::Internal, error.to_string()))?;
    bytes.push(b',');
    bytes.extend_from_slice(rest.get(1..).unwrap_or_default());
    let mut response = bytes.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// What is wrong with the number of a check-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutOfOrder {
    /// It came before.
    Replayed,
    /// Somebody else has the same certificate.
    Cloned,
}

/// Notes the number of a check-in, or says what is wrong with it.
///
/// A device counts on disk before it sends, and draws a new run when its agent starts. So the same number of another run, or
/// an earlier one, is told by a copy of the device. An earlier number of the same run is an old message.
fn in_order(memory: &mut Memory, said: &CheckIn) -> Result<(), OutOfOrder> {
    if let Some((counter, run)) = &memory.newest {
        if said.counter < *counter && said.run == *run {
            return Err(OutOfOrder::Replayed);
        }
        if said.counter <= *counter && said.run != *run {
            return Err(OutOfOrder::Cloned);
        }
        if said.counter == *counter {
            // The answer was lost: everything in it counts once.
            return Ok(());
        }
    }
    memory.newest = Some((said.counter, said.run.clone()));
    Ok(())
}

impl Agents {
    /// Two histories for one certificate: neither of them counts from now on.
    async fn out_of_order(&self, record: &DeviceRecord, wrong: OutOfOrder) -> Refused {
        if wrong == OutOfOrder::Replayed {
            return Refused::new(Code::Replayed, "a later check-in has come already");
        }
        tracing::error!(device = %record.id, "two machines check in with one certificate: both are locked out");
        let why = "two machines checked in with one certificate".into();
        let input = Input::Agents(AgentInput::Revoke { device: record.id.clone(), why });
        let server = refit_core::control::Actor::server();
        if let Err(error) = self.shell().tell(&server, input, None).await {
            return error.into();
        }
        let what = "two machines have checked in with this certificate: it counts no more; enrol each of them again";
        Refused::new(Code::Cloned, what)
    }

    /// Receipts that have not counted yet, with their output kept; those that have are acknowledged again.
    async fn take(
        &self,
        record: &DeviceRecord,
        receipts: Vec<Receipt>,
        inputs: &mut Vec<(About, Input)>,
    ) -> Result<(), Refused> {
        for receipt in receipts.into_iter().take(BATCH_MOST) {
            if receipt.id.is_empty() || receipt.id.len() > ID_LONGEST {
                return Err(Refused::new(Code::Invalid, format!("a receipt's id has 1 to {ID_LONGEST} bytes")));
            }
            let from = receipt.output.len().saturating_sub(limits::OUTPUT);
            let from = receipt.output.ceil_char_boundary(from);
            let output = receipt.output.get(from..).filter(|output| !output.is_empty());
            let output = match output {
                Some(output) if !record.counted.contains(&receipt.id) => {
                    Some(self.shell().put(output.as_bytes().to_vec()).await?)
                }
                _ => None,
            };
            let input = Input::Receipt {
                device: record.id.clone(),
                receipt: receipt.id.clone(),
                slot: receipt.slot,
                wanted: document::version(&receipt.directive).map(Into::into),
                result: receipt.result,
                before: receipt.before,
                after: receipt.after,
                at: receipt.at,
                duration_ms: receipt.duration_ms,
                output: output.map(Into::into),
            };
            inputs.push((About::Receipt(receipt.id), input));
        }
        Ok(())
    }

    async fn take_complaints(
        &self,
        record: &DeviceRecord,
        complaints: Vec<refit_wire::protocol::Complaint>,
        inputs: &mut Vec<(About, Input)>,
    ) -> Result<(), Refused> {
        for complaint in complaints.into_iter().take(BATCH_MOST) {
            if complaint.id.is_empty() || complaint.id.len() > ID_LONGEST {
                return Err(Refused::new(Code::Invalid, format!("a complaint's id has 1 to {ID_LONGEST} bytes")));
            }
            let words: String = complaint.text.chars().take(COMPLAINT_LONGEST).collect();
            let text = self.shell().put(words.into_bytes()).await?;
            let event = ComplaintReceived {
                device: record.id.clone(),
                complaint: complaint.id.clone(),
                at: complaint.at,
                title: complaint.title.map(|title| title.chars().take(128).collect()),
                text: text.into(),
            };
            inputs.push((About::Complaint(complaint.id), Input::Agents(AgentInput::Complaint(event))));
        }
        Ok(())
    }
}

/// The digest of what the server has of a device. It is worked out where the device has changed since.
fn digest(state: &World, record: &DeviceRecord, memory: &mut Memory) -> Digest {
    let distribution = report::distribution(state, record);
    if let Some((revised, of, digest)) = &memory.inventory
        && (*revised, of) == (record.revised, &distribution)
    {
        return *digest;
    }
    let digest = report::digest(state, record);
    memory.inventory = Some((record.revised, distribution, digest));
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(counter: u64, run: &str) -> CheckIn {
        serde_json::from_value(serde_json::json!({
            "agent": "0", "counter": counter, "run": run, "at": "2026-11-25T08:00:00Z",
            "report": { "is": "same", "digest": "0".repeat(64) }, "holds": { "root": 0 }
        }))
        .unwrap()
    }

    #[test]
    fn two_histories_are_told_apart_from_restarts_and_repetitions() {
        let mut memory = Memory::default();
        let mut told = |counter, run| in_order(&mut memory, &said(counter, run));
        assert_eq!(told(5, "a"), Ok(()));
        // The answer was lost; the next one; the agent has restarted.
        assert_eq!((told(5, "a"), told(6, "a"), told(7, "b")), (Ok(()), Ok(()), Ok(())));
        assert_eq!(told(6, "b"), Err(OutOfOrder::Replayed));
        // A copy that was made at 6.
        assert_eq!(told(7, "c"), Err(OutOfOrder::Cloned));
        assert_eq!(told(2, "c"), Err(OutOfOrder::Cloned));
    }
}
