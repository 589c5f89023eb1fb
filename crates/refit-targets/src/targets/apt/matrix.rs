//! What unattended-upgrades makes of each intent.

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy, Refused},
};

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Emitted("A folder of files for each group of machines; who is in it is beside them."),
        Intent::Undetermined => Lossy("A machine keeps its files until it is known."),
        Intent::IfPresent => Emitted("Only installed packages are upgraded."),
        Intent::Required => Refused("unattended-upgrades installs nothing that is not there."),
        Intent::Forbidden => Refused("unattended-upgrades takes nothing away."),
        Intent::Profile => Refused("Packages are the machine's."),
        Intent::Provisioning => Lossy("The timer runs from the first start on."),
        Intent::Latest => Emitted("What the archive offers."),
        Intent::Behind => Refused("An archive has the newest release only."),
        Intent::Range => Lossy("What the archive offers, whether it is in the range or not."),
        Intent::Branch => {
            Refused("A suite is changed by an upgrade of the distribution, which nobody does unattended.")
        }
        Intent::Accept => Lossy("What is tolerated is upgraded as well."),
        Intent::Downgrade => Lossy("Nothing goes back by itself."),
        Intent::Block => Lossy(
            "One version is pinned away; of a range the package is kept back whole, on all machines of the group.",
        ),
        Intent::HoldAt => Lossy("An exception's range is not looked at: keep the package back with a block."),
        Intent::Named => Lossy(
            "What is named comes from where the machine takes from by itself or for another policy, and what else it takes goes on: a list that allows the named alone would end security updates.",
        ),
        Intent::Packages => Lossy("What is needed besides is installed, since apt decides that."),
        Intent::MinAge => Lossy("What the archive has is taken on the day: nobody looks at its age."),
        Intent::Due => Lossy("There are no due times: what is there is taken in every window, or every day."),
        Intent::DueByExposure => Lossy("There are no due times: what is there is taken in every window, or every day."),
        Intent::PhaseIn => Lossy("It begins with the first window."),
        Intent::AtDue => Lossy("There are no gates: nobody waits for one."),
        Intent::ExceptionDue => Lossy("There are no due times: an exception changes nothing."),
        Intent::Window => Emitted(
            "`OnCalendar` of `apt-daily-upgrade.timer`. A rule that no timer can say is refused, and so is a second window on one machine.",
        ),
        Intent::WindowYields => Lossy("Nothing runs outside the window, also after a due time."),
        Intent::WindowWaits => Emitted("Nothing runs outside the window."),
        Intent::ExceptionWindow => Lossy(
            "The timer's window is the exception's, also for what `unless` leaves out. For some of a policy's packages it is refused: a machine has one timer.",
        ),
        Intent::ExceptionRestart => Lossy(
            "The restart is the exception's, also for what `unless` leaves out. For some of a policy's packages it makes no machine restart by itself.",
        ),
        Intent::Freeze => Lossy(
            "All upgrades are switched off when the freeze begins, and on when it ends: a machine that hears neither goes on as it was.",
        ),
        Intent::FreezeUnless => Lossy("A freeze holds whatever is exploited."),
        Intent::Grace => Lossy("A machine that returns upgrades in its next window."),
        Intent::Rings => Lossy("Rings are advisory: machines without the agent take what the archive has on the day."),
        Intent::Snapshots => {
            Lossy("Snapshots are advisory: machines without the agent take what the archive has on the day.")
        }
        Intent::Gates => Lossy("Nobody asks a gate: block the package to stop it."),
        Intent::Hurry => Lossy("What is urgent comes with everything else."),
        Intent::Budgets => Lossy("All machines of the group take what is there on the same day."),
        Intent::Disruption => {
            Refused("Machines restart by themselves: nobody can let one of a group wait for another. Use the agent.")
        }
        Intent::Brake => Lossy("It is switched off by the next write; a machine that does not get it goes on."),
        Intent::Observe => Emitted("Nothing is written."),
        Intent::NotifyOnly => {
            Lossy("Nothing is written: what the machine does by itself goes on, and nobody is told anything.")
        }
        Intent::Notice => Lossy("Nobody is told before."),
        Intent::Defer => Lossy(
            "There are no counted deferrals; from Ubuntu 25.04 on, people may put it off for as many days (`Postpone-For-Days`).",
        ),
        Intent::RelaunchAsk => {
            Lossy("Services start anew when their package says so; programs go on with what they have.")
        }
        Intent::RelaunchAtDue => {
            Lossy("Services start anew when their package says so; programs go on with what they have.")
        }
        Intent::RelaunchNever => Lossy("Services start anew when their package says so."),
        Intent::Busy => Lossy("Nobody looks whether somebody is busy."),
        Intent::RebootAsk => Emitted("`Automatic-Reboot` is off; the machine says that it wants a restart."),
        Intent::RebootAtDue => Lossy("`Automatic-Reboot` restarts as soon as it is needed, not at the due time."),
        Intent::RebootNever => Emitted("`Automatic-Reboot` is off."),
        Intent::Observed => Lossy("Nobody reports: what runs is seen by other means."),
    }
}
