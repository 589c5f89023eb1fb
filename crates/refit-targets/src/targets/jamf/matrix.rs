//! What Jamf Pro makes of each intent: patch policies and App Installers of applications, update plans of macOS.

use super::Way;
use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy, Refused},
};

/// The answer for an intent, that of the way that loses more.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Emitted("A static group for each ring of a policy, with its Macs."),
        Intent::Undetermined => Emitted("A Mac of which it is unknown whether the policy applies is in no group."),
        Intent::IfPresent => Emitted("The groups hold only Macs that have the title, and `patch_unknown` is false."),
        Intent::Required => Lossy(
            "A patch policy updates what is there and brings nothing that is not; an App Installer does (`settings: { titles }`).",
        ),
        Intent::Forbidden => Refused("Neither patch policies nor App Installers take anything away."),
        Intent::Profile => Refused("Jamf Pro installs for the machine."),
        Intent::Provisioning => Lossy("What is installed at enrolment is for the PreStage to say."),
        Intent::Latest => Emitted("`target_version`, `selectedVersion` or `specificVersion` is the admitted release."),
        Intent::Behind => Emitted(
            "`target_version` or `specificVersion` is the admitted release; the App Catalog has the newest alone, so that others are awaited there.",
        ),
        Intent::Range => Emitted(
            "`target_version` or `specificVersion` is the admitted release; the App Catalog has the newest alone, so that others are awaited there.",
        ),
        Intent::Branch => Lossy("Patch titles know no branches: a branch has a title of its own there, or none."),
        Intent::Accept => Emitted("What is tolerated moves nobody."),
        Intent::Downgrade => Lossy(
            "`allow_downgrade` of a patch policy; App Installers and macOS go back to no older release, and who would have to is left out.",
        ),
        Intent::Block => Emitted("No policy, deployment or plan names it."),
        Intent::HoldAt => Emitted("No policy, deployment or plan names what is above the range."),
        Intent::Named => Emitted("A title each."),
        Intent::Packages => Emitted("A package brings nothing along but what its maker put into it."),
        Intent::MinAge => Emitted("A release that is too young is in no policy, deployment or plan."),
        Intent::Due => Lossy(
            "Whole days (patch policies) or hours (App Installers) after a Mac is offered the update, not a moment; update plans of macOS have the moment.",
        ),
        Intent::DueByExposure => Lossy(
            "The shortest deadline of the rollout counts for every update of the ring; update plans of macOS have the due time of each Mac.",
        ),
        Intent::PhaseIn => {
            Lossy("The days count from the first offer on; in the dates of update plans it is contained.")
        }
        Intent::AtDue => Emitted("What waits for a gate is in no group."),
        Intent::ExceptionDue => {
            Lossy("The days are the ring's for all of its Macs; only update plans of macOS have the exception's time.")
        }
        Intent::Window => Lossy(
            "Updates are installed whenever a Mac checks in, and people may install them at any time; only the forced moment of macOS is ours.",
        ),
        Intent::WindowYields => {
            Emitted("After the deadline it is installed at the next check-in, whatever the window.")
        }
        Intent::WindowWaits => Lossy(
            "After the deadline it is installed at the next check-in; update plans of macOS are dated for the first opening after the due time.",
        ),
        Intent::ExceptionWindow => Lossy(
            "Updates of applications keep to no window; update plans of macOS go by the window that counts for the Mac.",
        ),
        Intent::ExceptionRestart => Lossy(
            "Whether an application's update restarts is what its definition says; update plans of macOS go by it.",
        ),
        Intent::Freeze => Lossy(
            "While a freeze holds a Mac, it is in no group, once that is written; update plans of macOS are dated for its end.",
        ),
        Intent::FreezeUnless => {
            Lossy("For macOS, that it yields is known when it has begun: until then its end is dated.")
        }
        Intent::Grace => Lossy(
            "Who returns gets at the next check-in what is past its deadline. Refit leaves a Mac out while its own grace runs.",
        ),
        Intent::Rings => Emitted("A static group for each ring; who is in none of them gets nothing."),
        Intent::Snapshots => Refused("Patch titles are no archive of a distribution."),
        Intent::Gates => Emitted("A release that was halted is in no policy, deployment or plan."),
        Intent::Hurry => Emitted("Its rings open sooner, and have its deadline."),
        Intent::Budgets => Emitted("What a budget holds is not published, and in no group."),
        Intent::Disruption => Refused("Macs install by themselves: nobody can let one of a group wait for another."),
        Intent::Brake => Lossy(
            "Policies and deployments go, and a Mac that has begun goes on; an update plan can't be taken back by a call, only by hand.",
        ),
        Intent::Observe => Emitted("Nothing is written."),
        Intent::NotifyOnly => Lossy(
            "Applications are offered in Self Service, with a notice and without a deadline. Of macOS nothing is written.",
        ),
        Intent::Notice => Lossy(
            "People are told from the offer on, once a day; of macOS Apple tells them by its own schedule, before the forced moment.",
        ),
        Intent::Defer => Lossy("There are no counted deferrals: people choose any time before the deadline."),
        Intent::RelaunchAsk => Emitted("In Self Service, without a deadline: programs are closed when people agree."),
        Intent::RelaunchAtDue => Emitted("After the deadline programs are closed, 15 minutes after a notice."),
        Intent::RelaunchNever => {
            Emitted("In Self Service, without a deadline: nothing is closed that nobody asked for.")
        }
        Intent::Busy => Lossy("After a deadline nobody looks at calls or calendars."),
        Intent::RebootAsk => Lossy(
            "A plan of macOS restarts without asking: none is made. Whether an application's update restarts is what its definition says.",
        ),
        Intent::RebootAtDue => Lossy(
            "A plan of macOS restarts at the forced moment. Whether an application's update restarts is what its definition says.",
        ),
        Intent::RebootNever => Lossy(
            "A plan of macOS restarts: none is made. Whether an application's update restarts is what its definition says.",
        ),
        Intent::Observed => {
            Lossy("Patch reports and inventory say what is installed; what runs is seen by other means.")
        }
    }
}

/// Whether an intent that is lossy is lost on one of the ways.
pub(super) fn is_lost(intent: Intent, way: Way) -> bool {
    match way {
        Way::UpdatePlan => !matches!(
            intent,
            Intent::Required
                | Intent::Branch
                | Intent::Due
                | Intent::DueByExposure
                | Intent::PhaseIn
                | Intent::ExceptionDue
                | Intent::WindowWaits
                | Intent::ExceptionWindow
                | Intent::ExceptionRestart
                | Intent::Freeze
                | Intent::RebootAtDue
        ),
        Way::AppInstaller => !matches!(intent, Intent::Required | Intent::FreezeUnless),
        Way::PatchPolicy => !matches!(intent, Intent::Downgrade | Intent::FreezeUnless),
    }
}
