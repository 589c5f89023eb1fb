//! What the policies of browsers make of each intent.

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy, Refused},
};

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Emitted("A document for each group of devices; who is in it is beside the document."),
        Intent::Undetermined => {
            Emitted("A device of which it is unknown whether the policy applies gets no new version.")
        }
        Intent::IfPresent => Emitted("Devices that have the browser."),
        Intent::Required => Refused("Policies of a browser install none."),
        Intent::Forbidden => Refused("Policies of a browser take none away."),
        Intent::Profile => Lossy("Policies of the machine hold for copies in profiles too: both are moved alike."),
        Intent::Provisioning => Emitted("Policies hold from the first start on."),
        Intent::Latest => Emitted("The browser moves itself to what its pin allows."),
        Intent::Behind => Emitted("The pin is the admitted release."),
        Intent::Range => Emitted("The pin is the admitted release of the range."),
        Intent::Branch => Lossy("A browser stays in its own channel; only the version is pinned."),
        Intent::Accept => Emitted("What is tolerated moves nobody."),
        Intent::Downgrade => Lossy(
            "Chrome and Edge go back to the pin (`RollbackToTargetVersion`) and lose the profile's newer data; Firefox does not.",
        ),
        Intent::Block => Emitted("The pin stays below it."),
        Intent::HoldAt => Emitted("The pin stays in the range."),
        Intent::Named => Emitted("The browser alone."),
        Intent::Packages => Emitted("A browser brings no packages along."),
        Intent::MinAge => Lossy(
            "The pin moves when the release is old enough. Where nothing is pinned yet, the vendor's own pace counts.",
        ),
        Intent::Due => Lossy(
            "Browsers count from when they have the update, not to a moment: the time that the policy leaves is written.",
        ),
        Intent::DueByExposure => Lossy("The shortest deadline of the rollout counts for every update that it brings."),
        Intent::PhaseIn => Lossy("The period counts from the first update on."),
        Intent::AtDue => Emitted("What waits for a gate is not admitted: the pin stays."),
        Intent::ExceptionDue => {
            Lossy("The period is the policy's for all devices of a ring; the exception's time is not written.")
        }
        Intent::Window => Lossy(
            "Downloads are made at any time; the window holds the new start alone, where it opens once every day.",
        ),
        Intent::WindowYields => Lossy(
            "Chrome and Edge move the end of their period into the window, also after the due time: by a day at the most.",
        ),
        Intent::WindowWaits => Emitted("The end of the period is moved into the window."),
        Intent::ExceptionWindow => Emitted("Devices with another window have policies of their own."),
        Intent::ExceptionRestart => Emitted("A browser restarts no machine."),
        Intent::Freeze => Emitted("The pin does not move while a freeze holds a device's group."),
        Intent::FreezeUnless => Emitted("The pin moves when the freeze yields."),
        Intent::Grace => Lossy(
            "The period begins again when the browser runs: whoever returns has all of it, and more than the grace.",
        ),
        Intent::Rings => Emitted("Each ring has its pin, which moves when the ring opens."),
        Intent::Snapshots => Refused("A browser is no archive."),
        Intent::Gates => Emitted("A release that was halted is nobody's pin. Who has it keeps it."),
        Intent::Hurry => Emitted("The faster rollout's rings open sooner, and its period is shorter."),
        Intent::Budgets => Emitted("What a budget holds is not published: the pin stays."),
        Intent::Disruption => Refused("Browsers start anew by themselves: nobody can let one wait for another."),
        Intent::Brake => Lossy("The pin goes back; a browser that has the update keeps it."),
        Intent::Observe => Emitted("Nothing is written."),
        Intent::NotifyOnly => Emitted(
            "Chrome and Edge tell people that a new start is recommended, Firefox does so by itself; no version is pinned, and updaters are left as they are.",
        ),
        Intent::Notice => Lossy("People are told from when the update is there on: that may be longer before."),
        Intent::Defer => Lossy(
            "There are no counted deferrals: people close the notice as often as they like, until the period ends.",
        ),
        Intent::RelaunchAsk => Emitted("`RelaunchNotification` 1: recommended. Firefox asks by itself."),
        Intent::RelaunchAtDue => {
            Emitted("`RelaunchNotification` 2, Firefox's `RelaunchRequired`: at the end of the period.")
        }
        Intent::RelaunchNever => Emitted("Nobody is told: the next start is the new version."),
        Intent::Busy => {
            Lossy("A new start that is required looks at no call; open tabs come back, what was typed does not.")
        }
        Intent::RebootAsk => Emitted("A browser restarts no machine."),
        Intent::RebootAtDue => Emitted("A browser restarts no machine."),
        Intent::RebootNever => Emitted("A browser restarts no machine."),
        Intent::Observed => {
            Lossy("Browsers report to nobody here: what runs is seen by an agent, or by device management's inventory.")
        }
    }
}
