//! What apps of the Microsoft Store in Intune make of each intent.

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy, Refused},
};

/// What becomes of everything that would hold back a version: the Store moves who has the app.
const STORE: &str = "The Store brings a new version to whoever has the app, when it likes; only the assignment waits.";

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Emitted("A group of devices for each ring and due time, by assignment."),
        Intent::Undetermined => Emitted("A device of which it is unknown whether the policy applies is in no group."),
        Intent::IfPresent => Emitted("`required` for the devices that have it."),
        Intent::Required => Emitted("`required` for all devices of the policy."),
        Intent::Forbidden => Emitted("`uninstall` for the devices that have it."),
        Intent::Profile => Refused("What is assigned to devices is installed for the machine."),
        Intent::Provisioning => Lossy("What is installed during the set-up is the enrolment status page's."),
        Intent::Latest => Emitted("The Store has one version: the newest."),
        Intent::Behind => Refused("The Store has one version: the newest."),
        Intent::Range => Refused("The Store has one version: the newest."),
        Intent::Branch => Lossy("A product of the Store is one branch: which one, its id says."),
        Intent::Accept => Emitted("What is tolerated moves nobody."),
        Intent::Downgrade => Refused("The Store has one version: the newest."),
        Intent::Block => {
            Lossy("It can't be left out: the Store brings it to whoever has the app; only the assignment is withheld.")
        }
        Intent::HoldAt => Lossy(STORE),
        Intent::Named => Emitted("The app, and nothing else."),
        Intent::Packages => Emitted("An app of the Store brings no packages along."),
        Intent::MinAge => Lossy(STORE),
        Intent::Due => Emitted("`deadlineDateTime`, on the device's own clock."),
        Intent::DueByExposure => Emitted("Refit works out the due time of each device; groups have the same."),
        Intent::PhaseIn => Emitted("It is part of the due time."),
        Intent::AtDue => Emitted("What waits for a gate is assigned to nobody."),
        Intent::ExceptionDue => Emitted("It is the due time that is written."),
        Intent::Window => Lossy("Intune installs when the device has heard of it; only the deadline is ours."),
        Intent::WindowYields => Emitted("The deadline is the due time."),
        Intent::WindowWaits => Emitted("The deadline is the first opening of the window after the due time."),
        Intent::ExceptionWindow => Emitted("The deadline goes by the window that counts for the device."),
        Intent::ExceptionRestart => Lossy("Whether a restart comes after it is the app's own."),
        Intent::Freeze => Lossy(
            "The deadline is moved to its end, and nothing new is assigned; what is assigned goes on to be installed.",
        ),
        Intent::FreezeUnless => Lossy("That it yields is known when it has begun: until then its end is the deadline."),
        Intent::Grace => {
            Lossy("A deadline that has passed counts at once. Refit leaves a device out while its own grace runs.")
        }
        Intent::Rings => Lossy(STORE),
        Intent::Snapshots => Refused("The Store is no archive of a distribution."),
        Intent::Gates => Lossy(STORE),
        Intent::Hurry => Emitted("Its rings open sooner, and its deadline is short."),
        Intent::Budgets => Lossy(STORE),
        Intent::Disruption => Refused("Devices install by themselves: nobody can let one of a group wait for another."),
        Intent::Brake => {
            Lossy("Assignments are taken away, which takes up to eight hours to arrive; the Store goes on.")
        }
        Intent::Observe => Emitted("Nothing is written."),
        Intent::NotifyOnly => {
            Lossy("Nothing is written: what is assigned to devices is installed, and nobody is only told.")
        }
        Intent::Notice => {
            Lossy("`notifications` is `showAll`: people are told when it is installed, at no time of ours.")
        }
        Intent::Defer => Lossy("There are no counted deferrals."),
        Intent::RelaunchAsk => Emitted("No deadline: what is open is replaced when it is closed."),
        Intent::RelaunchAtDue => {
            Lossy("At the deadline it is installed; whether what is open is closed is the installer's own.")
        }
        Intent::RelaunchNever => Emitted("No deadline, and nothing is closed."),
        Intent::Busy => Lossy("An installation at the deadline looks at no call and no calendar."),
        Intent::RebootAsk => Lossy("Whether a restart comes after it is the app's own."),
        Intent::RebootAtDue => Lossy("Whether a restart comes after it is the app's own."),
        Intent::RebootNever => Lossy("Whether a restart comes after it is the app's own."),
        Intent::Observed => Lossy("Intune's own report says what was installed; what runs is seen by inventory."),
    }
}
