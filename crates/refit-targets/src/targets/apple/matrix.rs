//! What Apple's declarations make of each intent.

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy, Refused},
};

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Emitted("A device is served the declarations of its cohorts and no others."),
        Intent::Undetermined => {
            Emitted("No date is declared to a device of which it is unknown whether the policy applies.")
        }
        Intent::IfPresent => Emitted("An operating system is always there."),
        Intent::Required => Emitted("An operating system is always there."),
        Intent::Forbidden => Refused("An operating system can't be taken off a device."),
        Intent::Profile => Refused("An operating system is in no profile."),
        Intent::Provisioning => {
            Lossy("The enrolment decides what is installed in Setup Assistant; a date counts from the first sync on.")
        }
        Intent::Latest => Emitted("`TargetOSVersion` is the admitted release, and changes with it."),
        Intent::Behind => Emitted("`TargetOSVersion` is the admitted release, so many behind the newest."),
        Intent::Range => Emitted("`TargetOSVersion` is the admitted release of the range."),
        Intent::Branch => Emitted("`TargetOSVersion` is a release of that branch."),
        Intent::Accept => Emitted("What is tolerated obliges nobody, so that no date is declared for it."),
        Intent::Downgrade => Lossy(
            "Apple's systems go back to no older release; only a background security improvement can be taken back, which is allowed (`EnableRollback`).",
        ),
        Intent::Block => {
            Lossy("It is not declared; whoever looks for updates by hand still finds it after `Deferrals`.")
        }
        Intent::HoldAt => {
            Lossy("Nothing above it is declared; whoever looks for updates by hand still finds it after `Deferrals`.")
        }
        Intent::Named => Emitted("The operating system alone."),
        Intent::Packages => Emitted("An operating system brings no packages along."),
        Intent::MinAge => Emitted("Nothing is declared earlier, and `Deferrals` hide it until then, in whole days."),
        Intent::Due => Emitted("`TargetLocalDateTime`, on the device's own clock."),
        Intent::DueByExposure => Emitted("Refit works out the due time of each device; the earliest is declared."),
        Intent::PhaseIn => Emitted("It is part of the due time."),
        Intent::AtDue => Emitted("What waits for a gate is not admitted, and not declared."),
        Intent::ExceptionDue => Emitted("It is the due time that is declared."),
        Intent::Window => {
            Lossy("A person may install it at any time from when it is declared on; only the enforced moment is ours.")
        }
        Intent::WindowYields => Emitted("The enforced moment is the due time."),
        Intent::WindowWaits => Emitted("The enforced moment is the first opening of the window after the due time."),
        Intent::ExceptionWindow => Emitted("The enforced moment goes by the window that counts for the device."),
        Intent::ExceptionRestart => Emitted("Dates and settings go by the restart that counts for the device."),
        Intent::Freeze => Emitted(
            "What would be enforced in it is declared for its end; while it holds a device, nothing is declared.",
        ),
        Intent::FreezeUnless => Lossy("That it yields is known when it has begun: until then its end is declared."),
        Intent::Grace => Lossy(
            "A device that was off at the enforced moment installs about an hour after it is on again. Refit withholds the declaration while its own grace runs.",
        ),
        Intent::Rings => {
            Emitted("A device is served a release when its ring has opened; `Deferrals` hide it until that can be.")
        }
        Intent::Snapshots => Refused("Apple's releases are no archive."),
        Intent::Gates => Emitted("A release that was halted is declared to nobody."),
        Intent::Hurry => Emitted("Its rings open sooner. `Deferrals` do not bind what is enforced."),
        Intent::Budgets => Emitted("What a budget holds is not published, and not declared."),
        Intent::Disruption => Refused("Devices enforce by themselves: nobody can let one of a group wait for another."),
        Intent::Brake => {
            Lossy("Declarations are taken back at a device's next sync; one that is off then, or has begun, goes on.")
        }
        Intent::Observe => Emitted("Nothing but the status subscription is declared."),
        Intent::NotifyOnly => Lossy(
            "There is no notice without a date: nothing but the status subscription is declared, and Software Update badges by itself.",
        ),
        Intent::Notice => Lossy(
            "`Notifications` is on or off: Apple decides when they begin. A notice of an hour and less turns the early ones off.",
        ),
        Intent::Defer => Lossy(
            "There are no counted deferrals: people choose any time before the enforced moment, and none after it.",
        ),
        Intent::RelaunchAsk => Emitted("The restart of the system is the relaunch."),
        Intent::RelaunchAtDue => Emitted("The restart of the system is the relaunch."),
        Intent::RelaunchNever => Emitted("The restart of the system is the relaunch: see `reboot`."),
        Intent::Busy => Lossy("A restart that is enforced looks at no call and no calendar."),
        Intent::RebootAsk => Lossy(
            "A date that is declared restarts without asking: only settings are declared, and people install it themselves.",
        ),
        Intent::RebootAtDue => Emitted("The enforced moment restarts."),
        Intent::RebootNever => {
            Lossy("A date that is declared restarts: only settings are declared, with automatic installation off.")
        }
        Intent::Observed => Emitted("Status subscriptions: version, build, state, reason and failure of the update."),
    }
}
