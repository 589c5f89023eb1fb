//! What Munki makes of each intent.

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy, Refused},
};

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Emitted("A manifest for each group of Macs; whose own manifest includes it is beside it."),
        Intent::Undetermined => Emitted("A Mac of which it is unknown whether the policy applies is in no group."),
        Intent::IfPresent => Emitted("`managed_updates`."),
        Intent::Required => Emitted("`managed_installs`."),
        Intent::Forbidden => Emitted("`managed_uninstalls`, where the item can be taken away (`uninstallable`)."),
        Intent::Profile => Refused("Munki installs for the machine."),
        Intent::Provisioning => Lossy("What is installed at the first start is for Munki's own bootstrapping to say."),
        Intent::Latest => Emitted("An item of the admitted release, in a catalog of the group."),
        Intent::Behind => Emitted("An item of the admitted release, in a catalog of the group."),
        Intent::Range => Emitted("An item of the admitted release, in a catalog of the group."),
        Intent::Branch => Lossy(
            "Munki compares versions and knows no branches: an item of a newer branch takes the place of an older one.",
        ),
        Intent::Accept => Emitted("What is tolerated moves nobody."),
        Intent::Downgrade => Lossy(
            "Munki installs what is newer: an older item is installed only after the newer one was taken away by hand.",
        ),
        Intent::Block => Emitted("It is in no catalog of the group."),
        Intent::HoldAt => Emitted("What is above the range is in no catalog of the group."),
        Intent::Named => Emitted("The item, and what it requires."),
        Intent::Packages => Lossy(
            "What an item requires (`requires`) comes along, at the newest that the repository has of it: no policy is asked about that.",
        ),
        Intent::MinAge => Emitted("A release that is too young is in no catalog of the group."),
        Intent::Due => Emitted("`force_install_after_date`, on the Mac's own clock."),
        Intent::DueByExposure => Emitted("Refit works out the due time of each Mac; groups have the same."),
        Intent::PhaseIn => Emitted("It is part of the due time."),
        Intent::AtDue => Emitted("What waits for a gate is in no catalog of the group."),
        Intent::ExceptionDue => Emitted("It is the due time that is written."),
        Intent::Window => {
            Lossy("Munki installs in the background whenever nothing blocks it; only the forced moment is ours.")
        }
        Intent::WindowYields => Emitted("The forced moment is the due time."),
        Intent::WindowWaits => Emitted("The forced moment is the first opening of the window after the due time."),
        Intent::ExceptionWindow => Emitted("The forced moment goes by the window that counts for the Mac."),
        Intent::ExceptionRestart => Lossy("Whether a restart comes after it is the item's own `RestartAction`."),
        Intent::Freeze => {
            Emitted("What would be forced in it is dated for its end; while it holds a Mac, the Mac is in no group.")
        }
        Intent::FreezeUnless => Lossy("That it yields is known when it has begun: until then its end is dated."),
        Intent::Grace => Lossy(
            "Munki warns for an hour at the least before it forces. Refit leaves a Mac out while its own grace runs.",
        ),
        Intent::Rings => Emitted("A catalog for each group of a ring; who is in none of them gets nothing."),
        Intent::Snapshots => Refused("A Munki repository is no archive of a distribution."),
        Intent::Gates => Emitted("A release that was halted is in no catalog."),
        Intent::Hurry => Emitted("Its rings open sooner."),
        Intent::Budgets => Emitted("What a budget holds is not published, and in no catalog."),
        Intent::Disruption => Refused("Macs install by themselves: nobody can let one of a group wait for another."),
        Intent::Brake => {
            Lossy("Items leave their catalogs; a Mac that has downloaded one installs it before it looks again.")
        }
        Intent::Observe => Emitted("Nothing is written."),
        Intent::NotifyOnly => Lossy(
            "Items are offered (`optional_installs`), for people to choose: Managed Software Center tells nobody of them. What has to go stays.",
        ),
        Intent::Notice => {
            Lossy("Munki tells people of what it forces by its own schedule, and an hour before at the latest.")
        }
        Intent::Defer => Lossy("There are no counted deferrals: people choose any time before the forced moment."),
        Intent::RelaunchAsk => Emitted(
            "No date: what is open is replaced when it is closed (`blocking_applications`), or when people agree.",
        ),
        Intent::RelaunchAtDue => Emitted("At the forced moment what is open is closed."),
        Intent::RelaunchNever => Emitted("No date, and nothing is closed."),
        Intent::Busy => Lossy("A forced installation looks at no call and no calendar."),
        Intent::RebootAsk => {
            Lossy("An item whose `RestartAction` wants a restart is installed at log-out, as people choose.")
        }
        Intent::RebootAtDue => Lossy("Whether a restart comes after it is the item's own `RestartAction`."),
        Intent::RebootNever => Lossy("Whether a restart comes after it is the item's own `RestartAction`."),
        Intent::Observed => Lossy("Munki's own report says what was installed; what runs is seen by other means."),
    }
}
