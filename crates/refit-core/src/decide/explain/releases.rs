//! The releases, newest first, and why each is or is not admitted; the device's ring.

use super::{
    Entry, Tone, View, gate,
    words::{because, count, for_want_of, list, percent, utc},
};
use crate::{
    decide::decision::{
        Decision, ExceptionVerdict, GateDerivation, Goal, Mark, PassedOver, ReleaseConsidered, ReleaseVerdict,
        RingDerivation, RingReason,
    },
    policy::document::test::GateAnswer,
};
use smol_str::SmolStr;

/// How many releases are shown beside the admitted one; the rest is counted.
const SHOWN: usize = 5;

/// The releases that the slot may be moved to, newest first.
pub(super) fn releases(decision: &Decision, view: &View) -> Vec<Entry> {
    let releases = &decision.derivation.releases;
    let goal = decision.goal.as_ref().and_then(Goal::version);
    let shown =
        |index: &usize, release: &ReleaseConsidered| *index < SHOWN || release.verdict == ReleaseVerdict::Admitted;
    let mut entries: Vec<Entry> = Vec::new();
    let mut skipped = 0;
    for (index, release) in releases.iter().enumerate() {
        if shown(&index, release) {
            entries.push(entry(decision, release, goal == Some(&release.version), view));
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        entries.push(Entry::plain(format!("and {}", count(skipped, "other", "others"))));
    }
    entries
}

fn entry(decision: &Decision, release: &ReleaseConsidered, is_goal: bool, view: &View) -> Entry {
    let branch = release.branch.as_ref().map_or_else(String::new, |branch| format!(", branch {branch}"));
    let goal = if is_goal { ", the goal" } else { "" };
    let what = format!("{} (published {}{branch}{goal})", release.version, utc(release.published));
    match &release.verdict {
        ReleaseVerdict::Admitted => Entry::new(Tone::Good, format!("{what}: admitted")),
        ReleaseVerdict::Superseded => Entry::plain(format!("{what}: could be admitted, but a newer one is")),
        ReleaseVerdict::PassedOver(_) => match reasons(decision, &release.verdict, view).as_slice() {
            [reason] => Entry::new(Tone::Waiting, format!("{what}: {reason}")),
            several => Entry::new(Tone::Waiting, format!("{what}: not admitted, for {} reasons", several.len()))
                .with(several.iter().cloned()),
        },
    }
}

/// Every reason why a release is not admitted; empty where it is.
pub(super) fn reasons(decision: &Decision, verdict: &ReleaseVerdict, view: &View) -> Vec<String> {
    let ReleaseVerdict::PassedOver(reasons) = verdict else { return Vec::new() };
    reasons.iter().map(|reason| self::reason(decision, reason, view)).collect()
}

fn reason(decision: &Decision, reason: &PassedOver, view: &View) -> String {
    match reason {
        PassedOver::Installed => "it is installed already".to_owned(),
        PassedOver::NotWanted => "the policy does not ask for it".to_owned(),
        PassedOver::NewerThanGoal => "it is newer than the goal".to_owned(),
        PassedOver::OlderThanInstalled => "it is older than what is installed".to_owned(),
        PassedOver::NotOffered { until: Some(until) } => {
            format!("not offered to this device before {}", view.soon(*until))
        }
        PassedOver::NotOffered { until: None } => "not offered to this device yet".to_owned(),
        PassedOver::NeverOffered => "will never be offered to this device".to_owned(),
        PassedOver::TooYoung { until } => format!("too young until {}", view.soon(*until)),
        PassedOver::NextSnapshot { until } => format!("it moves with the snapshot of {}", view.soon(*until)),
        PassedOver::Blocked { block, unknown } => {
            let cited = decision.derivation.blocks.iter().find(|cited| cited.block == *block);
            let why = because(cited.and_then(|cited| cited.why.as_ref()));
            let until = cited.and_then(|cited| cited.until);
            let until = until.map_or_else(String::new, |until| format!(" until {}", view.soon(until)));
            if *unknown {
                let wanting = for_want_of(cited.map_or(&[], |cited| &cited.wanting));
                format!(
                    "blocked by `{block}`{until}, as long as it is unknown whether that applies here, {wanting}{why}"
                )
            } else {
                format!("blocked by `{block}`{until}{why}")
            }
        }
        PassedOver::HeldAt { exception } => {
            let cited = decision.derivation.exceptions.iter().find(|cited| cited.exception == *exception);
            let range = cited.and_then(|cited| cited.hold_at.as_ref());
            let range = range.map_or_else(String::new, |range| format!(" at {range}"));
            let until = match cited.map(|cited| &cited.verdict) {
                Some(ExceptionVerdict::Acts { until, .. }) => format!(" until {}", view.soon(*until)),
                Some(ExceptionVerdict::Unknown { wanting }) => {
                    format!(", as long as it is unknown whether that applies here, {}", for_want_of(wanting))
                }
                _ => String::new(),
            };
            format!("exception `{exception}` holds the device{range}{until}")
        }
        PassedOver::Undetermined if decision.marks.contains(&Mark::Conflict) => {
            "what was admitted before stays, as long as two policies contradict each other".to_owned()
        }
        PassedOver::Undetermined => {
            "what was admitted before stays, as long as it is unknown whether another policy applies".to_owned()
        }
        PassedOver::Halted(halt) => gate::halted(decision, halt, view),
        PassedOver::RingNotOpen { rollout, snapshot, ring, gate, asks } => {
            let gate = match gate {
                // That it was halted is a reason of its own.
                None | Some(GateAnswer::Halt) => "",
                Some(GateAnswer::Pass) => ", although the gate before it has passed",
                Some(GateAnswer::Inconclusive) => ", because the gate before it has not passed",
            };
            let it = snapshot.as_ref().map_or_else(|| "it".to_owned(), |snapshot| format!("snapshot {snapshot}"));
            let asks = asks.map_or_else(String::new, |due| {
                format!("; it was due on {}, and the policy then asks a person (`at_due: ask`)", utc(due))
            });
            format!("ring {ring} of rollout `{rollout}` has not opened for {it}{gate}{asks}")
        }
    }
}

/// The device's ring and the gate after the last open one.
pub(super) fn ring_and_gate(decision: &Decision, view: &View) -> Vec<Entry> {
    let Some(ring) = &decision.derivation.rings else { return Vec::new() };
    // Nothing is to be introduced where nothing is to be moved to.
    if decision.derivation.releases.is_empty() {
        return Vec::new();
    }
    let why = ring_reason(decision, ring);
    let mut entries = vec![Entry::plain(format!("ring {} of rollout `{}`: {why}", ring.ring, ring.rollout))];
    if let Some(version) = &ring.version {
        entries.push(opened(ring, &moves(version.as_str(), ring.snapshot.as_ref())));
    }
    // After the last ring nothing waits for a gate any more; what it has to say, it still says.
    let waited_for = |gate: &&GateDerivation| {
        ring.order.last() != Some(&gate.after) || gate.evidence.is_some() || gate.answer != GateAnswer::Inconclusive
    };
    entries.extend(ring.gate.as_ref().filter(waited_for).map(|gate| gate::gate(gate, view)));
    entries
}

/// What moves: the release, or the snapshot that it moves with.
fn moves(version: &str, snapshot: Option<&SmolStr>) -> String {
    snapshot.map_or_else(|| version.to_owned(), |snapshot| format!("snapshot {snapshot}, with {version},"))
}

fn opened(ring: &RingDerivation, version: &str) -> Entry {
    let (open, shut): (Vec<&str>, Vec<&str>) =
        ring.order.iter().map(|ring| ring.as_str()).partition(|name| ring.open.iter().any(|open| open == name));
    let rings = |names: &[&str]| match names {
        [only] => format!("ring {only}"),
        names => format!("rings {}", list(names)),
    };
    match (open.as_slice(), shut.as_slice()) {
        ([], _) => Entry::new(Tone::Waiting, format!("{version} has not started: no ring is open")),
        (open, []) => Entry::new(Tone::Good, format!("{version} has reached every ring: {}", list(open))),
        (open, shut) => {
            let tone = if open.contains(&ring.ring.as_str()) { Tone::Good } else { Tone::Waiting };
            Entry::new(
                tone,
                format!("{version} has reached {}; {} not open yet", rings(open), {
                    let verb = if shut.len() == 1 { "is" } else { "are" };
                    format!("{} {verb}", rings(shut))
                }),
            )
        }
    }
}

fn ring_reason(decision: &Decision, ring: &RingDerivation) -> String {
    match &ring.because {
        RingReason::Holds => match (&ring.condition, ring.share) {
            (Some(condition), None) => format!("its condition holds: {condition}"),
            (condition, Some(share)) => {
                let and = condition.as_ref().map_or_else(String::new, |condition| format!(", and {condition} holds"));
                format!(
                    "the device's position, {}, is in the ring's share, {} to {}{and}",
                    percent(share.position),
                    percent(share.from),
                    percent(share.to)
                )
            }
            (None, None) => match ring.order.len() {
                1 => "it takes every device".to_owned(),
                _ => "it takes every device that no earlier ring takes".to_owned(),
            },
        },
        RingReason::Member => "the device was in it when it opened".to_owned(),
        RingReason::Unknown { ring, wanting } => {
            format!("the last, because it is unknown whether ring {ring} takes the device, {}", for_want_of(wanting))
        }
        RingReason::IdentityInDoubt => "the last, because two histories claim this device's identity".to_owned(),
        RingReason::Undetermined if decision.marks.contains(&Mark::Conflict) => {
            "the last, because two policies contradict each other".to_owned()
        }
        RingReason::Undetermined => "the last, because it is unknown whether another policy applies".to_owned(),
        RingReason::OnHaltedRelease => {
            "the first, because the device runs a halted release, and this one follows it".to_owned()
        }
        RingReason::Last => "the last, because no ring before it takes the device".to_owned(),
    }
}
