//! What Windows Update for Business makes of each intent.

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy, Refused},
};

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Emitted("A group of devices for each ring and each pin, by assignment."),
        Intent::Undetermined => {
            Emitted("A device of which it is unknown whether the policy applies is in a group that is paused.")
        }
        Intent::IfPresent => Emitted("An operating system is always there."),
        Intent::Required => Emitted("An operating system is always there."),
        Intent::Forbidden => Refused("An operating system can't be taken off a device."),
        Intent::Profile => Refused("An operating system is in no profile."),
        Intent::Provisioning => Lossy("Updates during the set-up are the enrolment status page's."),
        Intent::Latest => {
            Lossy("Windows installs the newest cumulative update that its deferral allows, not one by its number.")
        }
        Intent::Behind => Refused("Cumulative updates are not chosen by number."),
        Intent::Range => Refused("Cumulative updates are not chosen by number."),
        Intent::Branch => Emitted("`featureUpdateVersion` is the branch."),
        Intent::Accept => Emitted("What is tolerated keeps its branch by its pin."),
        Intent::Downgrade => Refused("Windows goes back within its roll-back window only, and by hand."),
        Intent::Block => Lossy(
            "A cumulative update can't be left out: while a block holds a device, its group is paused, for 35 days at the most.",
        ),
        Intent::HoldAt => Lossy("While an exception holds a device, its group is paused, for 35 days at the most."),
        Intent::Named => Emitted("The operating system alone."),
        Intent::Packages => Emitted("An operating system brings no packages along."),
        Intent::MinAge => {
            Emitted("`qualityUpdatesDeferralPeriodInDays`, in whole days, with what the rings before soak.")
        }
        Intent::Due => {
            Lossy("A deadline is a number of whole days after a device is offered the update, not a moment.")
        }
        Intent::DueByExposure => Lossy("The shortest deadline of the rollout counts for every update of the ring."),
        Intent::PhaseIn => Lossy("The days count from the first offer on."),
        Intent::AtDue => Emitted("What waits for a gate is paused."),
        Intent::ExceptionDue => {
            Lossy("The days are the ring's for all of its devices; the exception's time is not written.")
        }
        Intent::Window => {
            Lossy("Active hours keep restarts out, where a window is open once every day; updates install at any time.")
        }
        Intent::WindowYields => Emitted("After a deadline a device restarts, active hours or not."),
        Intent::WindowWaits => Lossy("After a deadline a device restarts, active hours or not."),
        Intent::ExceptionWindow => Emitted("Devices with another window have an update ring of their own."),
        Intent::ExceptionRestart => Emitted("Devices with another restart have an update ring of their own."),
        Intent::Freeze => Lossy(
            "While a freeze holds devices, their group is paused: that takes up to eight hours to arrive, and ends after 35 days.",
        ),
        Intent::FreezeUnless => Emitted("Where a freeze yields the group goes on."),
        Intent::Grace => Emitted("`deadlineGracePeriodInDays`: a day after the device is back."),
        Intent::Rings => Emitted(
            "An update ring and a group for each ring; deferrals keep it back until it can open, and a pause until it has.",
        ),
        Intent::Snapshots => Refused("Cumulative updates are no archive."),
        Intent::Gates => Lossy(
            "A ring that waits for a gate is paused: that takes up to eight hours to arrive, and ends after 35 days.",
        ),
        Intent::Hurry => Lossy(
            "An update ring without deferral and with a short deadline. Where restarts are forced, and the day of the release is known, the \
             update is expedited besides, and restarts after two days at the most.",
        ),
        Intent::Budgets => Emitted("What a budget holds is paused."),
        Intent::Disruption => Refused("Devices restart by themselves: nobody can let one of a group wait for another."),
        Intent::Brake => {
            Lossy("Rings are paused: that takes up to eight hours to arrive; what is downloaded by then installs.")
        }
        Intent::Observe => Emitted("Nothing is written."),
        Intent::NotifyOnly => {
            Lossy("Nothing is written: Windows updates as it does by itself, and tells people of its own updates only.")
        }
        Intent::Notice => Lossy("`scheduleRestartWarningInHours` is 2, 4, 8, 12 or 24."),
        Intent::Defer => Lossy("There are no counted deferrals: people choose any time before the deadline."),
        Intent::RelaunchAsk => Emitted("The restart of the system is the relaunch."),
        Intent::RelaunchAtDue => Emitted("The restart of the system is the relaunch."),
        Intent::RelaunchNever => Emitted("The restart of the system is the relaunch: see `reboot`."),
        Intent::Busy => Lossy("A restart at the deadline looks at no call and no calendar."),
        Intent::RebootAsk => Emitted("No deadline: the device asks."),
        Intent::RebootAtDue => {
            Emitted("`postponeRebootUntilAfterDeadline`: not before the deadline, and then without asking.")
        }
        Intent::RebootNever => {
            Lossy("No deadline; Windows restarts by itself outside active hours when it has waited long enough.")
        }
        Intent::Observed => Lossy("Intune's own report says what was installed; what runs is seen by inventory."),
    }
}
