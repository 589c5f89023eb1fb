//! Lists that a server answers with, as people read them.

use super::{Names, word};
use crate::{
    repository::counted,
    terminal::{CHANGE, FAINT, HEADING, URGENT, paint},
};
use jiff::Timestamp;
use refit_api::{
    BrakeReach, Device, DeviceDecisions, DeviceSummary, Enrolment, Event, Exposure, PlanIs, PlanSummary, SlotDecision,
    Token,
};
use refit_core::{
    control::{PlanStatus, Wanted},
    decide::{Compliance, Hold},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// One device a line, the worst first.
pub fn devices(devices: &[DeviceSummary], now: Timestamp) -> String {
    let mut text = String::new();
    let width = devices.iter().map(|device| title(device).len()).max().unwrap_or(0);
    let mut sorted: Vec<&DeviceSummary> = devices.iter().collect();
    let count = |device: &DeviceSummary, compliance| device.compliance.get(&compliance).copied().unwrap_or(0);
    sorted.sort_by_key(|device| {
        let (overdue, due) = (count(device, Compliance::Overdue), count(device, Compliance::Due));
        (std::cmp::Reverse(overdue), std::cmp::Reverse(due), title(device))
    });
    for device in sorted {
        let _ = writeln!(
            text,
            "{:width$}  {}  {}{}{}  seen {}",
            title(device),
            device.platform.as_deref().unwrap_or("-"),
            stands(&device.compliance),
            waits(&device.holds),
            if device.quarantined { format!("; {}", paint(URGENT, "quarantined")) } else { String::new() },
            ago(device.seen, now)
        );
    }
    let _ = writeln!(text, "{}", counted(devices.len(), "device"));
    text
}

fn title(device: &DeviceSummary) -> String {
    match &device.name {
        Some(name) => format!("{name} ({})", device.id),
        None => device.id.clone(),
    }
}

/// `2 overdue, 3 due, 120 compliant`.
fn stands(compliance: &BTreeMap<Compliance, u64>) -> String {
    let part = |which: Compliance, word: &str| {
        let count = compliance.get(&which).copied().filter(|count| *count > 0)?;
        let text = format!("{count} {word}");
        Some(match which {
            Compliance::Overdue => paint(URGENT, text),
            Compliance::Due => paint(CHANGE, text),
            _ => text,
        })
    };
    let parts = [
        (Compliance::Overdue, "overdue"),
        (Compliance::Due, "due"),
        (Compliance::Unsupported, "unsupported"),
        (Compliance::Unseen, "unseen"),
        (Compliance::Undetermined, "undetermined"),
        (Compliance::Compliant, "compliant"),
        (Compliance::Unmanaged, "unmanaged"),
    ];
    let said: Vec<String> = parts.iter().filter_map(|(which, word)| part(*which, word)).collect();
    if said.is_empty() { "not decided yet".to_owned() } else { said.join(", ") }
}

/// `; 2 held by budget`: what waits for a person. What ends by itself stands with the device.
fn waits(holds: &BTreeMap<Hold, u64>) -> String {
    let for_people = [Hold::KillSwitch, Hold::Mandate, Hold::Disruption, Hold::Budget, Hold::Envelope];
    let said: Vec<String> = for_people
        .iter()
        .filter_map(|hold| holds.get(hold).map(|count| format!("{count} held by {}", word(hold))))
        .collect();
    if said.is_empty() { String::new() } else { format!("; {}", paint(CHANGE, said.join(", "))) }
}

/// One device, with what is said of it.
pub fn device_text(device: &Device, decisions: &DeviceDecisions, all: bool, now: Timestamp) -> String {
    let called = device.name.as_ref().map_or_else(|| device.id.clone(), |name| format!("{name} ({})", device.id));
    let mut text = format!("{}\n", paint(HEADING, called));
    let _ = writeln!(
        text,
        "  enrolled {:.0}, seen {} by {}",
        device.enrolled,
        ago(device.presence.seen, now),
        device.presence.seen_by
    );
    if let Some(quarantine) = &device.quarantine {
        let (since, because) = (quarantine.since, &quarantine.because);
        let _ = writeln!(text, "  {} since {since:.0}: {because}", paint(URGENT, "quarantined"));
        let _ = writeln!(
            text,
            "      Two machines report under this id: nothing is taken from either, and nothing new is published for it.\n      \
             Switch one of them off, or give it an id of its own; then, as a person: refit quarantine lift {} --why …",
            device.id
        );
    }
    if let Some(person) = &device.person {
        let _ = writeln!(text, "  person {person}");
    }
    for fact in &device.facts {
        let value = fact.value.as_ref().map_or_else(|| "(not shown to this token)".to_owned(), ToString::to_string);
        let _ = writeln!(text, "  {} = {value}  {}", fact.field, paint(FAINT, format!("({})", fact.source)));
        if let Some(problem) = &fact.problem {
            let _ = writeln!(text, "      {}", paint(CHANGE, problem));
        }
    }
    if let Some(agent) = &device.agent {
        let _ = writeln!(text, "  agent {}, enrolled {:.0}", agent.version, agent.joined);
        for standing in &agent.standing {
            let until = standing.until.map_or_else(String::new, |until| format!(" until {until:.0}"));
            let _ = writeln!(text, "  {}: waits for {}{until}", standing.directive, word(&standing.waits_for));
        }
        for problem in &agent.problems {
            let _ = writeln!(text, "  {} {} (since {:.0})", paint(URGENT, &problem.code), problem.what, problem.since);
        }
    }
    let urgent = |compliance| matches!(compliance, Compliance::Overdue | Compliance::Due | Compliance::Unsupported);
    let shown = |slot: &&SlotDecision| all || urgent(slot.compliance) || !slot.held_by.is_empty();
    let mut slots: Vec<_> = decisions.slots.iter().filter(shown).collect();
    slots.sort_by_key(|slot| (slot.due.unwrap_or(Timestamp::MAX), slot.slot.clone()));
    let _ = writeln!(
        text,
        "\n{} {}",
        paint(HEADING, format!("Under policy revision {}", decisions.revision)),
        paint(FAINT, format!("(decided {} s ago)", decisions.age_seconds))
    );
    for slot in &slots {
        let to = match slot.decided.as_ref().map(|key| (&key.admitted, &key.goal)) {
            Some((Wanted::Release(version), _)) => format!(" → {version}"),
            Some((Wanted::Absent, _)) => " has to go".to_owned(),
            Some((Wanted::Nothing, Wanted::Release(goal))) if urgent(slot.compliance) => format!(" (goal {goal})"),
            _ => String::new(),
        };
        let due = slot.due.map_or_else(String::new, |due| format!("  due {due:.0}"));
        let standing = word(&slot.compliance);
        let standing = if slot.compliance == Compliance::Overdue { paint(URGENT, standing) } else { standing };
        let kev = slot.exposures.iter().filter(|exposure| exposure.kev).count();
        let exposed = match slot.exposures.len() {
            0 => String::new(),
            open if kev > 0 => {
                format!("  {}, {}", counted(open, "exposure"), paint(URGENT, format!("{kev} exploited")))
            }
            open => format!("  {}", counted(open, "exposure")),
        };
        let holds: Vec<String> = slot.holds.iter().map(word).collect();
        let holds = if holds.is_empty() { String::new() } else { format!("  held by {}", holds.join(", ")) };
        let _ = writeln!(
            text,
            "  {standing}  {}  {}{to}{due}{exposed}{holds}",
            slot.slot,
            slot.installed.as_deref().unwrap_or("-")
        );
    }
    let mut said: BTreeSet<(Hold, &str)> = BTreeSet::new();
    for held in decisions.slots.iter().flat_map(|slot| &slot.held_by) {
        if said.insert((held.hold, &held.because)) {
            let lifted = held
                .lifted_by
                .as_deref()
                .map_or_else(|| "a person rejected it".to_owned(), |command| format!("`{command}` lets it go"));
            let _ = writeln!(text, "  held by {}: {}; {lifted}", word(&held.hold), held.because);
        }
    }
    let rest = decisions.slots.len() - slots.len();
    if rest > 0 {
        let others = if rest == 1 { "other has" } else { "others have" };
        let _ = writeln!(text, "  {rest} {others} nothing to do; `--all` lists them");
    }
    text
}

/// Open vulnerabilities over the fleet, the exploited ones first.
pub fn exposures(exposures: &[Exposure], names: &Names) -> String {
    let mut text = String::new();
    for exposure in exposures {
        let kev = if exposure.kev { paint(URGENT, " exploited") } else { String::new() };
        let cvss = exposure.cvss.map_or_else(String::new, |score| format!(" {score:.1}"));
        let overdue = match exposure.overdue {
            0 => String::new(),
            overdue => paint(URGENT, format!(", {overdue} overdue")),
        };
        let _ = writeln!(
            text,
            "{}{cvss}{kev}  {}  {}{overdue}  {}",
            exposure.advisory,
            exposure.title,
            counted(exposure.devices as usize, "device"),
            paint(FAINT, exposure.examples.iter().map(|id| names.named(id)).collect::<Vec<_>>().join(", "))
        );
    }
    let kev = exposures.iter().filter(|exposure| exposure.kev).count();
    let _ = writeln!(text, "{} open, {kev} of them exploited", counted(exposures.len(), "exposure"));
    text
}

/// One entry of the log on one line.
pub fn event(event: &Event) -> String {
    let mut body = event.body.to_string();
    if body.chars().count() > BODY_SHOWN {
        body = body.chars().take(BODY_SHOWN).chain(['…']).collect();
    }
    let at = paint(FAINT, format!("{:.0}", event.at));
    let origin = event.origin.as_deref().filter(|origin| *origin != "local");
    let origin = origin.map_or_else(String::new, |origin| format!(" from {origin}"));
    format!("{:>8}  {at}  {}  {}{origin}  {}\n", event.seq, event.kind, event.actor, paint(FAINT, body))
}

/// How much of an event's body is shown, in characters; `--json` has all of it.
const BODY_SHOWN: usize = 120;

/// One plan a line, the newest last.
pub fn plans(plans: &[PlanSummary]) -> String {
    let mut text = String::new();
    for plan in plans {
        let what = match plan.kind {
            PlanIs::Policy => revision(plan.status, plan.replaces.unwrap_or(0)),
            PlanIs::Held if plan.status == PlanStatus::Open => "moves that wait for a person".to_owned(),
            PlanIs::Held => "moves that were held".to_owned(),
        };
        let _ = writeln!(text, "{}  {}  {:.0}  by {}  {what}", plan.id, word(&plan.status), plan.made, plan.author);
    }
    let _ = writeln!(text, "{}", counted(plans.len(), "plan"));
    text
}

/// What a plan did to the policy in force, or would do.
fn revision(status: PlanStatus, replaces: u64) -> String {
    match (status, replaces) {
        (PlanStatus::Applied, _) => format!("policy revision {}", replaces + 1),
        (_, 0) => "a first policy".to_owned(),
        _ => format!("a policy in place of revision {replaces}"),
    }
}

/// One token a line.
pub fn tokens(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        // As `refit tokens create --scope` takes them.
        let scopes: Vec<String> = token.scopes.iter().map(|scope| word(scope).replace(' ', "_")).collect();
        let _ = writeln!(
            text,
            "{}  {}  {} of {}  until {:.0}  {}",
            token.id,
            token.name,
            word(&token.bearer),
            token.owner,
            token.expires,
            scopes.join(", ")
        );
    }
    let _ = writeln!(text, "{}", counted(tokens.len(), "token"));
    text
}

pub fn enrolments(enrolments: &[Enrolment], now: Timestamp) -> String {
    let mut text = String::new();
    for enrolment in enrolments {
        let stands = match enrolment.revoked {
            Some(revoked) => format!("revoked {revoked:.0}"),
            None if enrolment.expires <= now => format!("expired {:.0}", enrolment.expires),
            None => format!("until {:.0}", enrolment.expires),
        };
        let _ = writeln!(
            text,
            "{}  {}  {} of {} used  {stands}",
            enrolment.id, enrolment.name, enrolment.used, enrolment.uses
        );
    }
    let _ = writeln!(text, "{}", counted(enrolments.len(), "enrolment token"));
    text
}

/// How far the kill switch has come.
pub fn reach(reach: &BrakeReach) -> String {
    let mut text = format!("{} of {} devices with an agent honour it", reach.honour, reach.agents);
    if let Some(half) = reach.half_seconds {
        let _ = write!(text, "; half of them within {half} s");
    }
    if let Some(slowest) = reach.slowest_seconds {
        let _ = write!(text, "; the slowest so far took {slowest} s");
    }
    text.push('\n');
    let silent = reach.agents.saturating_sub(reach.honour);
    if silent > 0 {
        let some = reach.silent.iter().take(10).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if silent > 10 { ", …" } else { "" };
        let _ = writeln!(text, "not heard from yet: {some}{more}");
    }
    text
}

/// `3 min ago`.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
