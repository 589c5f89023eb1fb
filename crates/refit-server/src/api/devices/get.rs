use super::super::{
    Api,
    extract::{Caller, Path},
    problem::Problem,
};
use axum::{extract::State, http::HeaderMap, response::Response};
use refit_api::{
    AbsenceSaid, AgentSaid, Device, FactSaid, InstallSaid, Presence, ProblemSaid, QuarantineSaid, ReceiptSaid,
};
use refit_core::control::{self, AgentRecord, DeviceRecord, unread};

/// One device: what sources say of it, what is installed, whom it belongs to.
#[utoipa::path(
    get, path = "/api/v1/devices/{id}", tag = "devices",
    params(("id" = String, Path, description = "The device's id.", example = "d1")),
    responses(
        (status = 200, description = "The device.", body = Device),
        (status = 304, description = "It is what the client has."),
    ),
)]
pub(in super::super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    api.one(&caller, &headers, |view| {
        // A device that is no longer managed is still shown: the log speaks of it.
        let record = view.state.devices.get(id.as_str()).ok_or_else(|| Problem::missing("device", &id))?;
        let mut device =
            device(record, &view.state, view.state.agents.devices.get(id.as_str()).map(|agent| said(agent)));
        let identity = &view.state.identity;
        if identity.device_merged_into(&record.id).is_some() {
            device.merged_into = Some(identity.device(&record.id).to_string());
        }
        device.former_ids = identity.former_ids(&record.id).iter().map(ToString::to_string).collect();
        Ok(device)
    })
}

fn said(agent: &AgentRecord) -> AgentSaid {
    AgentSaid {
        version: agent.agent.to_string(),
        joined: agent.joined,
        certificate_until: agent.certificates.last().map(|certificate| certificate.until),
        standing: agent.standing.clone(),
        problems: agent
            .problems
            .iter()
            .map(|problem| ProblemSaid {
                code: problem.code.to_string(),
                what: problem.what.clone(),
                since: problem.since,
            })
            .collect(),
    }
}

/// What sources say of a device.
pub(super) fn facts(record: &DeviceRecord, state: &control::State) -> Vec<FactSaid> {
    let fields = state.fields();
    let facts = record.facts.iter().flat_map(|(field, said)| {
        said.iter().map(|(source, value)| FactSaid {
            field: field.to_string(),
            source: source.to_string(),
            value: Some(value.clone()),
            observed: record.reported.get(source).copied(),
            problem: field.parse().ok().and_then(|field| unread(fields, &field, value)).map(|why| why.to_string()),
            purpose: state.purpose(source, field).map(ToString::to_string),
            redacted: false,
        })
    });
    facts.collect()
}

fn device(record: &DeviceRecord, state: &control::State, agent: Option<AgentSaid>) -> Device {
    let installs = record.installs.iter().map(|(slot, installed)| InstallSaid {
        slot: slot.clone(),
        version: installed.version.to_string(),
        state: installed.state.as_ref().map(ToString::to_string),
        since: installed.since,
    });
    let absences = record.absences.iter().map(|absence| AbsenceSaid {
        away: absence.away,
        back: absence.back,
        used_seconds: absence.used_seconds,
    });
    let receipts = record.receipts.iter().map(|(slot, receipt)| ReceiptSaid {
        id: receipt.id.to_string(),
        slot: slot.clone(),
        result: receipt.result,
        before: receipt.before.as_ref().map(ToString::to_string),
        after: receipt.after.as_ref().map(ToString::to_string),
        at: receipt.at,
        seq: receipt.seq,
    });
    Device {
        id: record.id.to_string(),
        name: record.name.as_ref().map(ToString::to_string),
        enrolled: record.enrolled,
        retired: record.retired,
        merged_into: None,
        former_ids: Vec::new(),
        person: record.person.as_ref().map(ToString::to_string),
        presence: Presence {
            seen: record.seen,
            seen_by: record.seen_by.to_string(),
            reported: record.reported.iter().map(|(source, at)| (source.to_string(), *at)).collect(),
        },
        facts: facts(record, state),
        installs: installs.collect(),
        universe: record.universe.as_ref().map(ToString::to_string),
        absences: absences.collect(),
        receipts: receipts.collect(),
        agent,
        quarantine: record
            .quarantined
            .as_ref()
            .map(|quarantine| QuarantineSaid { since: quarantine.since, because: quarantine.because.to_string() }),
    }
}
