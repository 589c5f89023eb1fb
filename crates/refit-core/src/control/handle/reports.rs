//! What people say is broken, and what is answered.

use super::{
    super::{
        event::{ReportAcknowledged, ReportClosed, ReportOpened, ReportShown},
        input::{Outcome, Refusal},
        reports::{ReportInput, ReportOutcome, ReportRecord, ReportStatus, suspects},
        state::State,
        token::{Actor, Scope},
    },
    devices::managed,
    operations::one,
    rollouts::{self, Named},
};
use jiff::Timestamp;
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;
use std::{collections::BTreeSet, sync::Arc};

/// The longest name of a title or a release, in bytes.
const WORD_LONGEST: usize = 128;

/// What is needed for it: to say what is so, and, for an answer, what answering a gate takes: gates count reports.
pub(super) fn scope(input: &ReportInput) -> Scope {
    match input {
        ReportInput::Open { .. } | ReportInput::Acknowledge { .. } => Scope::Reports,
        ReportInput::Close { .. } => Scope::Rollouts,
    }
}

pub(super) fn handle(state: &State, actor: &Actor, input: ReportInput, now: Timestamp) -> Result<Outcome, Refusal> {
    match input {
        ReportInput::Open { report, device, person, at, title, text } => {
            managed(state, &device)?;
            if state.reports.get(&report).is_some() {
                return Err(Refusal::Exists { what: "report", id: report });
            }
            if let Some(person) = person.as_ref().filter(|person| !state.people.contains_key(*person)) {
                return Err(Refusal::Missing { what: "person", id: person.as_str().into() });
            }
            short("title", title.as_deref())?;
            let by = actor.owner.clone();
            Ok(one(ReportOpened { report, device, person, by, at: at.min(now), title, text }))
        }
        ReportInput::Acknowledge { report } => {
            let record = find(state, &report)?;
            match record.status() {
                ReportStatus::Open => {
                    Ok(one(ReportAcknowledged { report, device: record.device.clone(), by: actor.owner.clone() }))
                }
                ReportStatus::Acknowledged => Ok(Outcome::default()),
                ReportStatus::Closed => Err(closed(&report, record)),
            }
        }
        ReportInput::Close { report, outcome, title, version, why } => {
            close(state, actor, report, (outcome, title, version), why, now)
        }
    }
}

fn close(
    state: &State,
    actor: &Actor,
    report: SmolStr,
    (outcome, title, version): (ReportOutcome, Option<TitleId>, Option<SmolStr>),
    why: SmolStr,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let record = find(state, &report)?;
    if let Some(known) = &record.closed {
        // Saying the same again changes nothing.
        let same = known.outcome == outcome
            && title.as_ref().is_none_or(|title| known.title.as_ref() == Some(title))
            && version.as_ref().is_none_or(|version| known.version.as_ref() == Some(version));
        return if same { Ok(Outcome::default()) } else { Err(closed(&report, record)) };
    }
    short("title", title.as_ref().map(TitleId::as_str))?;
    short("version", version.as_deref())?;
    if title.is_none() && version.is_some() {
        return Err(Refusal::Invalid("a version is one of a title: name that too".into()));
    }
    let (title, version) = match (outcome, title, version) {
        (ReportOutcome::NotUs, Some(_), _) => {
            return Err(Refusal::Invalid("what is no fault of an update names no title".into()));
        }
        (ReportOutcome::Block, title, None) => {
            let of_title =
                |it: &&super::super::reports::Suspect| title.as_ref().is_none_or(|title| it.change.title == *title);
            let all = suspects(state, record);
            let suspect = all.iter().find(of_title).ok_or_else(|| {
                Refusal::Invalid(
                    "nothing was changed on the device before: name the title and the version to block".into(),
                )
            })?;
            (Some(suspect.change.title.clone()), Some(suspect.change.version.clone()))
        }
        (_, title, version) => (title, version),
    };
    let device = record.device.clone();
    let by = actor.owner.clone();
    let closed = ReportClosed { report, device, outcome, title, version, why: why.clone(), by };
    let mut outcome = one(closed.clone());
    if let (ReportOutcome::Block, Some(title), Some(version)) = (closed.outcome, closed.title, closed.version) {
        // It is stopped at once, where rollouts bring it; the block in the repository stops it for good.
        let release = Named { title, version, platform: None };
        if let Ok(halt) = rollouts::halt(state, release, why, now) {
            outcome.events.extend(halt.events);
        }
    }
    Ok(outcome)
}

/// The answers that a device has shown, by the names that its agent gave to the reports.
pub(super) fn shown(state: &State, device: DeviceId, complaints: &[SmolStr]) -> Result<Outcome, Refusal> {
    managed(state, &device)?;
    let named: BTreeSet<&SmolStr> = complaints.iter().collect();
    let is_news = |record: &Arc<ReportRecord>| {
        let of_device = record.complaint.as_ref().is_some_and(|complaint| named.contains(complaint));
        of_device && record.closed.is_some() && record.shown.is_none()
    };
    let reports: Vec<SmolStr> =
        state.reports.of(&device).filter(|(_, record)| is_news(record)).map(|(id, _)| id.clone()).collect();
    Ok(if reports.is_empty() { Outcome::default() } else { one(ReportShown { device, reports }) })
}

fn find<'s>(state: &'s State, report: &SmolStr) -> Result<&'s Arc<ReportRecord>, Refusal> {
    state.reports.get(report).ok_or_else(|| Refusal::Missing { what: "report", id: report.clone() })
}

fn closed(report: &SmolStr, record: &ReportRecord) -> Refusal {
    let by = record.closed.as_ref().map_or("somebody", |closed| closed.by.as_str());
    Refusal::Conflict(format!("report {report} was closed by {by}: whoever has more to say opens another one"))
}

fn short(what: &str, word: Option<&str>) -> Result<(), Refusal> {
    match word.filter(|word| word.is_empty() || word.len() > WORD_LONGEST) {
        Some(_) => Err(Refusal::Invalid(format!("a {what} has 1 to {WORD_LONGEST} bytes"))),
        None => Ok(()),
    }
}
