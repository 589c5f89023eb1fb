//! What device assurance makes of each intent.
//!
//! It moves nothing: it lets people sign in on devices that are new enough. So most of what a policy says is not its business, and is right
//! as it is; what matters is whether somebody is kept out who should not be, or let in.

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy, Refused},
};

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => {
            Lossy("One floor for each platform: it holds for all devices on which the sign-in policy asks for it.")
        }
        Intent::Undetermined => Emitted(
            "A device of which it is unknown whether the policy applies is kept out by nobody: the floor is below it.",
        ),
        Intent::IfPresent => Emitted("An operating system is always there."),
        Intent::Required => Emitted("An operating system is always there."),
        Intent::Forbidden => Refused("A floor keeps nothing away: it asks for a version."),
        Intent::Profile => Refused("An operating system is in no profile."),
        Intent::Provisioning => Emitted("Whoever is not overdue may sign in."),
        Intent::Latest => Emitted("The floor is below everybody who is not overdue, and rises with them."),
        Intent::Behind => Emitted("The floor is below everybody who is not overdue, and rises with them."),
        Intent::Range => Lossy("There is no ceiling: what is above the range may sign in."),
        Intent::Branch => Lossy("One floor for all branches: an overdue device of a newer branch is above it."),
        Intent::Accept => {
            Lossy("One floor for all branches: what is tolerated of an older one lowers it for the newer ones.")
        }
        Intent::Downgrade => Lossy("There is no ceiling: who is above a pin may sign in."),
        Intent::Block => Lossy("A release that is blocked is not kept out."),
        Intent::HoldAt => Emitted("Who is held is not overdue, and the floor is below."),
        Intent::Named => Emitted("The operating system alone."),
        Intent::Packages => Emitted("An operating system brings no packages along."),
        Intent::MinAge => Emitted("Nobody is overdue for what is too young."),
        Intent::Due => Emitted("The floor rises above a version when all who have it are overdue."),
        Intent::DueByExposure => Emitted("The floor rises above a version when all who have it are overdue."),
        Intent::PhaseIn => Emitted("Nobody is overdue before it ends."),
        Intent::AtDue => Emitted("Who waits for a gate is held, and not kept out."),
        Intent::ExceptionDue => Lossy("One device with a later time keeps the floor below it for all."),
        Intent::Window => Emitted("A sign-in changes no device."),
        Intent::WindowYields => Emitted("A sign-in changes no device."),
        Intent::WindowWaits => Emitted("A sign-in changes no device."),
        Intent::ExceptionWindow => Emitted("A sign-in changes no device."),
        Intent::ExceptionRestart => Emitted("A sign-in restarts no machine."),
        Intent::Freeze => Emitted("Who is held by a freeze is not kept out."),
        Intent::FreezeUnless => Emitted("Where a freeze yields it holds nobody."),
        Intent::Grace => Emitted("`gracePeriod` of a day; who is in Refit's own grace is not kept out."),
        Intent::Rings => Emitted("Whose ring has not opened is not overdue, or held."),
        Intent::Snapshots => Refused("An operating system's releases are no archive."),
        Intent::Gates => Emitted("Nobody is kept out for want of a release that was halted."),
        Intent::Hurry => Emitted("It is part of the due time."),
        Intent::Budgets => Emitted("What a budget holds is not published, and nobody is kept out for it."),
        Intent::Disruption => Emitted("A sign-in takes no device away."),
        Intent::Brake => Emitted(
            "While everything is stopped nobody is kept out for what they may not install: the floor is below all.",
        ),
        Intent::Observe => Emitted("Nothing is written."),
        Intent::NotifyOnly => {
            Lossy("Nothing is written, since a floor is more than a notice: nobody is told anything.")
        }
        Intent::Notice => Lossy("People are told at the sign-in (`displayRemediationMode`), when they are late."),
        Intent::Defer => Emitted("Putting off ends at the due time."),
        Intent::RelaunchAsk => Emitted("A sign-in starts no program."),
        Intent::RelaunchAtDue => Emitted("A sign-in starts no program."),
        Intent::RelaunchNever => Emitted("A sign-in starts no program."),
        Intent::Busy => Emitted("A sign-in disturbs nobody who is signed in."),
        Intent::RebootAsk => Emitted("A sign-in restarts no machine."),
        Intent::RebootAtDue => Emitted("A sign-in restarts no machine."),
        Intent::RebootNever => Emitted("A sign-in restarts no machine."),
        Intent::Observed => {
            Lossy("Okta goes by what its own agent or the browser says of the version, not by what Refit saw.")
        }
    }
}
