//! Rollouts: `/api/v1/rollouts`.

use super::{
    Api, answer,
    extract::{Caller, Posted, Query},
    problem::Problem,
};
use axum::{extract::State, http::StatusCode, response::Response};
use jiff::Timestamp;
use refit_api::{
    AskedSaid, GateAnswered, GateSaid, MomentSaid, OpenRing, Page, ReleaseAndWhy, ReleaseMoved, RingSaid, RolloutSaid,
    Why, Written,
};
use refit_core::{
    control::{Happened, Input, Moment, RolloutRecord, Scope, State as World, Status, because},
    policy::document::test::GateAnswer,
};
use refit_model::TitleId;
use serde::Deserialize;
use smol_str::SmolStr;
use std::sync::Arc;
use utoipa::IntoParams;

/// Which rollouts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only those of this title, by itself or with others.
    title: Option<String>,
}

/// Lists the releases that have begun in a rollout, with how far they are and what they wait for.
#[utoipa::path(
    get, path = "/api/v1/rollouts", tag = "rollouts", params(Which),
    responses((status = 200, description = "All rollouts.", body = refit_api::RolloutPage)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let now = api.shell().now();
    Ok(answer::json(StatusCode::OK, &Page::whole(rollouts(&api.shell().view().state, &which, now))))
}

fn rollouts(state: &World, which: &Which, now: Timestamp) -> Vec<RolloutSaid> {
    let wanted = |title: &TitleId| which.title.as_ref().is_none_or(|wanted| title.as_str() == wanted);
    let mut said = Vec::new();
    for (title, records) in &state.rollouts.under_way {
        // A title's releases may move with others.
        let ours = records.iter().filter(|record| wanted(title) || record.titles(title).any(wanted));
        said.extend(ours.filter_map(|record| rollout(state, title, record, now)));
    }
    said
}

fn rollout(state: &World, title: &TitleId, record: &RolloutRecord, now: Timestamp) -> Option<RolloutSaid> {
    let status = Status::of(state, title, record, now)?;
    let platform = record.platform.as_deref();
    let rings = state.policy.as_ref().and_then(|policy| policy.repository.rollouts.get(&record.rollout));
    let rings = rings.iter().flat_map(|rollout| &rollout.rings).map(|ring| &ring.name);
    let gates = state.rollouts.answers(title).iter().filter(|gate| {
        let here = gate.answer == GateAnswer::Halt || gate.rollout.as_ref().is_none_or(|of| *of == record.rollout);
        here && gate.speaks_of(&record.version, platform)
    });
    Some(RolloutSaid {
        title: title.to_string(),
        version: record.version.to_string(),
        releases: record.releases.iter().map(|(title, version)| release(state, title, version)).collect(),
        rollout: record.rollout.to_string(),
        platform: text(record.platform.as_ref()),
        stage: status.course.stage(),
        says: status.sentence(now),
        open: (record.open.iter())
            .map(|open| RingSaid {
                ring: open.ring.to_string(),
                opened: open.at,
                devices: open.members.as_ref().map(|members| members.len()),
                first_result: open.first_result,
            })
            .collect(),
        waiting: rings.filter(|ring| record.ring(ring).is_none()).map(ToString::to_string).collect(),
        gates: gates
            .map(|gate| GateSaid {
                rollout: text(gate.rollout.as_ref()),
                after: gate.after.to_string(),
                platform: text(gate.platform.as_ref()),
                answer: gate.answer,
                at: gate.at,
                until: gate.until,
                why: Some(because(gate)).filter(|why| !why.is_empty()),
            })
            .collect(),
        asks: (status.asks.iter())
            .map(|asked| AskedSaid {
                after: asked.after.to_string(),
                at: asked.at,
                because: asked.because,
                says: asked.because.sentence(now),
            })
            .collect(),
        evidence: status.evidence,
        verdict: status.verdict,
        expedited: state.rollouts.is_expedited(title, &record.version, platform),
    })
}

fn release(state: &World, title: &TitleId, version: &SmolStr) -> ReleaseMoved {
    let trial = state.rollouts.trial(title, version).unwrap_or_default();
    ReleaseMoved {
        title: title.to_string(),
        version: version.to_string(),
        fine: trial.fine.len(),
        failed: trial.failed.len(),
    }
}

fn text(name: Option<&SmolStr>) -> Option<String> {
    name.map(ToString::to_string)
}

/// Of which releases.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Of {
    /// The title.
    title: String,
    /// Only this release.
    version: Option<String>,
}

/// Lists what has happened to a title's releases: rings that opened, gates that answered, what people said. Oldest first; the
/// last 256 moments of a title are kept here, and all in the log.
#[utoipa::path(
    get, path = "/api/v1/rollouts/timeline", tag = "rollouts", params(Of),
    responses((status = 200, description = "The moments.", body = refit_api::TimelinePage)),
)]
pub(super) async fn timeline(
    State(api): State<Api>,
    caller: Caller,
    Query(of): Query<Of>,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadFleet)?;
    let view = api.shell().view();
    let mut said: Vec<MomentSaid> = Vec::new();
    if let Some(moments) = view.state.rollouts.timelines.get(&TitleId::new(&of.title)) {
        for (index, moment) in moments.iter().enumerate() {
            if of.version.as_ref().is_none_or(|version| moment.version == *version) {
                said.push(moment_said(moment, moments.iter().take(index).map(Arc::as_ref)));
            }
        }
    }
    Ok(answer::json(StatusCode::OK, &Page::whole(said)))
}

/// A moment, and what it says after those `before` it.
fn moment_said<'m>(moment: &Moment, before: impl Iterator<Item = &'m Moment>) -> MomentSaid {
    let (ring, answer, evidence) = match &moment.what {
        Happened::Opened { ring, .. } => (Some(ring), None, None),
        Happened::Answered { after, answer, evidence, .. } => (Some(after), *answer, evidence.clone()),
        Happened::HaltEnded { after, .. } => (Some(after), None, None),
        Happened::Asked { after, evidence, .. } => (Some(after), None, evidence.clone()),
        Happened::Expedited { .. } | Happened::Approved { .. } => (None, None, None),
    };
    MomentSaid {
        seq: moment.seq,
        at: moment.at,
        version: moment.version.to_string(),
        platform: text(moment.platform.as_ref()),
        says: moment.says(before),
        ring: text(ring),
        answer,
        evidence,
    }
}

/// Halts a release: it goes no further for three days. A block in the policy repository stops it for good.
#[utoipa::path(
    post, path = "/api/v1/rollouts/halt", tag = "rollouts", request_body = ReleaseAndWhy,
    responses((status = 200, description = "It is halted.", body = Written)),
)]
pub(super) async fn halt(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<ReleaseAndWhy>,
) -> Result<Response, Problem> {
    let (title, version, platform, why) = named(body)?;
    let input = Input::HaltRelease { title, version, platform, why };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// Lets a halted release go on. What came of it until now no longer speaks against it.
#[utoipa::path(
    post, path = "/api/v1/rollouts/resume", tag = "rollouts", request_body = ReleaseAndWhy,
    responses((status = 200, description = "It goes on.", body = Written)),
)]
pub(super) async fn resume(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<ReleaseAndWhy>,
) -> Result<Response, Problem> {
    let (title, version, platform, why) = named(body)?;
    let input = Input::ResumeRelease { title, version, platform, why };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// Lets a release wait for no gate. It is halted all the same if it breaks something. An agent still waits for as long as its
/// mandate says, unless a policy key has signed otherwise (`refit mandate`).
#[utoipa::path(
    post, path = "/api/v1/rollouts/expedite", tag = "rollouts", request_body = ReleaseAndWhy,
    responses((status = 200, description = "It waits no longer. `changed` is false where it did not before.", body = Written)),
)]
pub(super) async fn expedite(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<ReleaseAndWhy>,
) -> Result<Response, Problem> {
    let (title, version, platform, why) = named(body)?;
    let input = Input::ExpediteRelease { title, version, platform, why };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

type Named = (TitleId, SmolStr, Option<SmolStr>, SmolStr);

fn named(body: ReleaseAndWhy) -> Result<Named, Problem> {
    let why = super::brake::reason(Why { why: body.why })?;
    Ok((TitleId::new(body.title), body.version.into(), body.platform.map(Into::into), why.into()))
}

/// Opens a ring by hand.
#[utoipa::path(
    post, path = "/api/v1/rollouts/rings", tag = "rollouts", request_body = OpenRing,
    responses((status = 200, description = "It is open. `changed` is false where it was before.", body = Written)),
)]
pub(super) async fn open_ring(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<OpenRing>,
) -> Result<Response, Problem> {
    let input = Input::OpenRing {
        title: TitleId::new(body.title),
        version: body.version.into(),
        rollout: body.rollout.into(),
        ring: body.ring.into(),
        platform: body.platform.map(Into::into),
        members: None,
        releases: Vec::new(),
    };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}

/// Answers a gate by hand, or takes back what was answered. What is halted goes on by `/api/v1/rollouts/resume` alone.
#[utoipa::path(
    post, path = "/api/v1/rollouts/gates", tag = "rollouts", request_body = GateAnswered,
    responses((status = 200, description = "It is answered.", body = Written)),
)]
pub(super) async fn answer_gate(
    State(api): State<Api>,
    caller: Caller,
    Posted { body, repeat }: Posted<GateAnswered>,
) -> Result<Response, Problem> {
    let why = body.why.map(|why| super::brake::reason(Why { why })).transpose()?;
    // A reason would say that what came of the release no longer speaks against it.
    if why.is_some() && body.answer.is_none() {
        return Err(Problem::field("why", "what is taken back needs no reason: leave this out"));
    }
    let input = Input::AnswerGate {
        title: TitleId::new(body.title),
        version: body.version.into(),
        rollout: body.rollout.map(Into::into),
        after: body.after.into(),
        platform: body.platform.map(Into::into),
        answer: body.answer,
        until: None,
        why: why.map(Into::into),
        found: None,
    };
    api.post(&caller, repeat, StatusCode::OK, input, super::written).await
}
