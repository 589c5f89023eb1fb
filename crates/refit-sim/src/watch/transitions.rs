//! What can happen to a release on its way, and which of it has happened under which faults.

use super::{
    fold::Fold,
    rollouts::{in_force, place, rings},
};
use crate::{policies::RINGS, quality::PLATFORMS, store::Entry};
use refit_core::{
    control::Event,
    policy::document::test::GateAnswer,
    rollout::{HaltedBy, Measure, PassedBy, Verdict},
};
use std::fmt;

/// Declares the transitions with their names.
macro_rules! transitions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Something that happens to a release on its way.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Transition { $($(#[$doc])* $variant,)* }

        impl Transition {
            /// All of them.
            pub const ALL: &'static [Transition] = &[$(Transition::$variant),*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Transition::$variant => $name,)* }
            }
        }
    };
}

transitions! {
    /// The first ring opens.
    FirstRing = "first-ring-opens",
    /// A ring between the first and the last opens.
    NextRing = "next-ring-opens",
    /// The last ring opens.
    LastRing = "last-ring-opens",
    /// The first ring of a release opens, and one before it is halted.
    SuccessorsFirstRing = "successors-first-ring-opens",
    /// A ring of an expedited release opens though its gate has not passed.
    OpensExpedited = "ring-opens-expedited",
    /// A person opens a ring.
    OpenedByPerson = "ring-opened-by-a-person",
    /// A ring opens although a freeze is on.
    OpensInFreeze = "ring-opens-in-a-freeze",
    /// A gate passes, because the failure rate is surely below the threshold.
    PassedByBound = "gate-passes-by-bound",
    /// A gate passes, because enough have reported and none failed.
    PassedByEnough = "gate-passes-by-enough",
    /// A person lets a gate pass.
    PassedByPerson = "gate-passed-by-a-person",
    /// A release is halted, because it fails.
    HaltedByFailures = "halted-by-failures",
    /// A release is halted, because devices fall silent.
    HaltedBySilence = "halted-by-silence",
    /// A release is halted, because people complain.
    HaltedByReports = "halted-by-reports",
    /// A release is halted, because monitoring sees more of a signal.
    HaltedBySignal = "halted-by-a-signal",
    /// A person halts a release.
    HaltedByPerson = "halted-by-a-person",
    /// A release is halted after its first ring.
    HaltedLater = "halted-after-a-later-ring",
    /// A halt by a person is over.
    HaltEnds = "halt-ends-by-itself",
    /// A person lets a halted release go on.
    Resumed = "halted-release-resumed",
    /// A person wants a release to wait for no gate.
    Expedited = "expedited",
    /// A due time carries devices past a gate that is inconclusive.
    GoesAhead = "due-time-goes-ahead-of-a-gate",
    /// A person is asked, because a gate has not been clear for too long, or somebody behind it is overdue.
    Asked = "a-person-is-asked",
    /// A policy blocks a release that is halted.
    Blocked = "halted-release-blocked",
    /// The policy is changed while a release is on its way.
    PolicyChanges = "policy-changes-on-the-way",
    /// A policy adds, removes or renames rings while a release is on its way.
    RingsChange = "rings-change-on-the-way",
    /// Everything is stopped while a release is on its way.
    Stopped = "everything-stopped-on-the-way",
    /// What was stopped goes on while a release is on its way.
    GoesOn = "everything-goes-on-on-the-way",
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What an event does to releases, by what the log said before it.
pub fn transitions(fold: &Fold, truth: &super::Truth, entry: &Entry, event: &Event) -> Vec<Transition> {
    let mut found = Vec::new();
    let releases = &fold.releases;
    match event {
        Event::RingOpened(it) => {
            let names = rings(in_force(fold, truth), &it.rollout);
            let place = place(names, &it.ring);
            found.push(match place {
                Some(0) => Transition::FirstRing,
                Some(place) if place + 1 == names.len() => Transition::LastRing,
                _ => Transition::NextRing,
            });
            let mut halted = releases.ever_halted(&it.title);
            if place == Some(0) && halted.any(|version| releases.is_halted(&it.title, version, it.platform.as_ref())) {
                found.push(Transition::SuccessorsFirstRing);
            }
            if entry.actor != "server" {
                found.push(Transition::OpenedByPerson);
            }
            let before = place.and_then(|place| place.checked_sub(1)).map(|before| names[before].into());
            let passed = before.is_some_and(|before| {
                releases.lets_pass(&it.title, &it.version, it.platform.as_ref(), (&it.rollout, &before))
            });
            if place > Some(0) && !passed && releases.is_expedited(&it.title, &it.version, it.platform.as_ref()) {
                found.push(Transition::OpensExpedited);
            }
            let spec = in_force(fold, truth);
            let day = entry.at.to_zoned(jiff::tz::TimeZone::UTC).date();
            if spec.is_some_and(|spec| spec.freezes.iter().any(|(from, to, _)| *from < day && day < *to)) {
                found.push(Transition::OpensInFreeze);
            }
        }
        Event::GateAnswered(it) => {
            let halted = releases.is_halted(&it.title, &it.version, it.platform.as_ref());
            found.extend(match (&it.answer, &it.verdict) {
                (Some(GateAnswer::Pass), Some(Verdict::Passes(PassedBy::Bound))) => Some(Transition::PassedByBound),
                (Some(GateAnswer::Pass), Some(_)) => Some(Transition::PassedByEnough),
                (Some(GateAnswer::Pass), None) => Some(Transition::PassedByPerson),
                (Some(GateAnswer::Halt), Some(Verdict::Halts(HaltedBy::Measure(Measure::Silence)))) => {
                    Some(Transition::HaltedBySilence)
                }
                (Some(GateAnswer::Halt), Some(Verdict::Halts(HaltedBy::Measure(Measure::Reports)))) => {
                    Some(Transition::HaltedByReports)
                }
                (Some(GateAnswer::Halt), Some(Verdict::Halts(HaltedBy::Measure(Measure::Signal(_))))) => {
                    Some(Transition::HaltedBySignal)
                }
                (Some(GateAnswer::Halt), Some(_)) => Some(Transition::HaltedByFailures),
                (Some(GateAnswer::Halt), None) => Some(Transition::HaltedByPerson),
                (None, _) if halted && it.why.is_none() => Some(Transition::HaltEnds),
                (None, _) if halted => Some(Transition::Resumed),
                _ => None,
            });
            let names = it.rollout.as_ref().map_or(&RINGS[..], |rollout| rings(in_force(fold, truth), rollout));
            if it.answer == Some(GateAnswer::Halt) && place(names, &it.after) > Some(0) {
                found.push(Transition::HaltedLater);
            }
        }
        Event::MovesPublished(moves) => {
            let ahead = moves.cohorts.iter().any(|cohort| super::rollouts::ahead(fold, cohort).is_some());
            found.extend(ahead.then_some(Transition::GoesAhead));
        }
        Event::ReleaseExpedited(_) => found.push(Transition::Expedited),
        Event::GateAsked(_) => found.push(Transition::Asked),
        Event::PolicyApplied(applied) if releases.any() => {
            found.push(Transition::PolicyChanges);
            let next = truth.specs.get(&applied.files);
            let changes = in_force(fold, truth).zip(next).is_some_and(|(before, after)| {
                let mut rollouts = before.rollouts.iter();
                rollouts.any(|(name, rollout)| after.rollouts.get(name).is_none_or(|it| it.names != rollout.names))
            });
            found.extend(changes.then_some(Transition::RingsChange));
            let blocked = truth.specs.get(&applied.files).and_then(|spec| spec.block.as_ref());
            let halted =
                |title, version| PLATFORMS.iter().any(|on| releases.is_halted(title, version, Some(&(*on).into())));
            if blocked.is_some_and(|(title, version)| halted(title, version)) {
                found.push(Transition::Blocked);
            }
        }
        Event::BrakePulled(_) if releases.any() => found.push(Transition::Stopped),
        Event::BrakeReleased(_) if releases.any() && fold.stopped => found.push(Transition::GoesOn),
        _ => {}
    }
    found
}
