//! All that a policy can say of a title on a device, as other systems may or may not be able to do it.
//!
//! The list follows the documents (`refit_core::policy::document`) and the rules of decision (`docs/reference/rules.md`). Every target
//! answers for every intent ([`crate::target::Target::answer`]); a new one does not compile before all have.

use serde::{Serialize, Serializer};
use std::fmt;

macro_rules! intents {
    ($($name:ident $key:literal $words:literal;)*) => {
        /// One thing that a policy can say.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Intent {
            $(#[doc = $words] $name,)*
        }

        impl Intent {
            /// All of them, in the order in which tables list them.
            pub const ALL: &[Intent] = &[$(Intent::$name,)*];

            /// How it is written in a policy, as far as it is.
            pub fn key(self) -> &'static str {
                match self { $(Intent::$name => $key,)* }
            }

            /// What it means.
            pub fn words(self) -> &'static str {
                match self { $(Intent::$name => $words,)* }
            }
        }
    };
}

intents! {
    // Whom and what.
    Where "where" "Only these devices.";
    Undetermined "(unknown facts)" "Nothing is forced where it is unknown whether the policy applies.";
    IfPresent "presence: if_present" "Where the title is installed.";
    Required "presence: required" "The title has to be there.";
    Forbidden "presence: forbidden" "The title has to go.";
    Profile "(a profile)" "A copy that somebody installed for themselves.";
    Provisioning "provisioning" "Also while a device is being set up.";
    // Which release.
    Latest "target: latest" "The newest release of the installed branch.";
    Behind "target: latest-n" "So many releases behind the newest.";
    Range "target: a range" "A release in a range, or just one.";
    Branch "target: { branch }" "Another branch than the installed one.";
    Accept "accept" "What is tolerated besides, perhaps until a day.";
    Downgrade "allow_downgrade" "Back to a pin, where a device is above it.";
    Block "block" "Not this release, here.";
    HoldAt "exception: hold_at" "To stay in a range for a time.";
    Named "software: names" "What is named, and nothing else.";
    Packages "packages" "What a package manager may change besides.";
    // When it may be, and when it must be.
    MinAge "min_age" "A release must have been out for a while.";
    Due "deadline: within" "By when it has to be done.";
    DueByExposure "deadline: if" "Sooner, because of what is open on the device.";
    PhaseIn "phase_in" "Nothing is due at once when a policy is new.";
    AtDue "deadline: at_due" "What happens at the due time where a gate has not answered.";
    ExceptionDue "exception: due" "Another due time for some devices.";
    Window "window" "When changes may be made.";
    WindowYields "window: after_due: run" "After the due time also outside the window.";
    WindowWaits "window: after_due: wait" "After the due time in the next window.";
    ExceptionWindow "exception: window" "Another window for some devices.";
    ExceptionRestart "exception: restart" "Another answer to a restart for some devices.";
    Freeze "freezes" "Days on which nothing changes.";
    FreezeUnless "freezes: unless" "A freeze that yields to what is exploited.";
    Grace "(a return)" "Time to work after a leave, before anything is forced.";
    // How it goes round.
    Rings "rollout" "Rings, one after the other.";
    Snapshots "rollout: every" "A dated snapshot of an archive goes through the rings as one.";
    Gates "gates" "A release that breaks something stops.";
    Hurry "deadline: rollout" "A faster rollout for what is urgent.";
    Budgets "budgets" "No more devices than so many in a day.";
    Disruption "disruption" "Only so many of a group at once.";
    Brake "refit halt" "Everything stops at once.";
    // What people meet.
    Observe "mode: observe" "Only to be looked at.";
    NotifyOnly "mode: notify" "People are told, and nothing is forced.";
    Notice "experience: notify" "People are told so long before.";
    Defer "experience: defer" "People may put it off, so often and for so long.";
    RelaunchAsk "relaunch: ask" "Programs are started anew when people agree.";
    RelaunchAtDue "relaunch: at_due" "Programs are started anew at the due time.";
    RelaunchNever "relaunch: never" "Refit starts no program anew.";
    Busy "relaunch: not_while" "Not during a call, a presentation, a meeting.";
    RebootAsk "reboot: ask" "The machine is restarted when people agree.";
    RebootAtDue "reboot: at_due" "The machine is restarted at the due time.";
    RebootNever "reboot: never" "Refit does not restart the machine.";
    // And afterwards.
    Observed "(done means observed)" "Done is what is seen to run.";
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.key())
    }
}

impl Serialize for Intent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_intent_has_words_of_its_own() {
        let keys: BTreeSet<&str> = Intent::ALL.iter().map(|intent| intent.key()).collect();
        let words: BTreeSet<&str> = Intent::ALL.iter().map(|intent| intent.words()).collect();
        assert_eq!((keys.len(), words.len()), (Intent::ALL.len(), Intent::ALL.len()));
    }
}
