//! What is left out of answers for whom it is not, in one place, and how that shows: what is redacted says so (`redacted`), so that nobody takes it for
//! something that is not known.
//!
//! | kept from whoever lacks | is |
//! | --- | --- |
//! | `read_exposures` | the exposures of decisions and what they oblige to; in the stream, events of exposures and advisories, and what others say of them |
//! | `read_people` | values of people, also in explanations; in the stream, events about people |
//! | `read_sensitive` | of those the values that are kept for a purpose, and who is on leave |
//!
//! Whole answers that consist of such things (exposures, advisories, explanations, the log) are for whoever has the scope: [`super::access`].

use super::extract::Caller;
use crate::stream::Wanted;
use refit_api::{FactSaid, SlotDecision};
use refit_core::{
    business::Filter,
    control::{Plain, Scope},
};

/// Fields of people that are sensitive whatever source says them.
const SENSITIVE: &[&str] = &["on_leave"];

/// What somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Exposures.
    pub exposures: bool,
    /// Values of people.
    pub people: bool,
    /// Sensitive values of people.
    pub sensitive: bool,
}

impl Sight {
    /// What a caller may see.
    pub fn of(caller: &Caller) -> Sight {
        let may = |scope| caller.actor.may(scope);
        Sight {
            exposures: may(Scope::ReadExposures),
            people: may(Scope::ReadPeople),
            sensitive: may(Scope::ReadSensitive),
        }
    }

    /// Whether a field of a person is sensitive. Its name is without `person.`; a purpose is what a sensitive value is kept for.
    pub fn is_sensitive(field: &str, purpose: Option<&str>) -> bool {
        purpose.is_some() || SENSITIVE.contains(&field)
    }

    /// Whether a field of a person may be seen.
    pub fn shows(self, field: &str, purpose: Option<&str>) -> bool {
        if Sight::is_sensitive(field, purpose) { self.sensitive } else { self.people }
    }

    /// What a source says of a person, with the value or without it.
    pub fn of_person(self, fact: FactSaid, value: Option<Plain>) -> FactSaid {
        if self.shows(&fact.field, fact.purpose.as_deref()) {
            return FactSaid { value, ..fact };
        }
        // What no policy can read is told with the value that it is.
        FactSaid { redacted: value.is_some(), value: None, problem: None, ..fact }
    }

    /// A decision, with what it says of exposures or without it.
    pub fn decision(self, mut decision: SlotDecision) -> SlotDecision {
        if self.exposures {
            return decision;
        }
        decision.exposures.clear();
        decision.redacted.push("exposures".to_owned());
        // What obliges is an advisory, or a word that says nothing of one.
        if decision.due_by.as_ref().is_some_and(|by| !["stale", "missing", "forbidden"].contains(&by.as_str())) {
            decision.due_by = None;
            decision.redacted.push("due_by".to_owned());
        }
        decision
    }

    /// The events of the stream that pass a filter, as far as they may be seen. The filter is held against what is shown: else it could be asked what is
    /// not.
    pub fn wanted(self, filter: Filter) -> Wanted {
        Wanted { filter, personal: self.people, exposures: self.exposures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(field: &str, purpose: Option<&str>) -> FactSaid {
        FactSaid {
            field: field.to_owned(),
            source: "hr".to_owned(),
            value: None,
            observed: None,
            problem: Some("`x` is not a time".to_owned()),
            purpose: purpose.map(str::to_owned),
            redacted: false,
        }
    }

    #[test]
    fn a_redacted_value_is_told_apart_from_one_that_is_missing() {
        let nobody = Sight { exposures: true, people: false, sensitive: false };
        let security = Sight { people: true, ..nobody };
        let people = Sight { exposures: false, people: true, sensitive: true };
        let said = |sight: Sight, field: &str, purpose: Option<&str>, value: Option<&str>| {
            let said = sight.of_person(fact(field, purpose), value.map(|text| Plain::Text(text.into())));
            (said.value.is_some(), said.redacted, said.problem.is_some())
        };
        assert_eq!(said(nobody, "department", None, Some("IT")), (false, true, false));
        assert_eq!(said(nobody, "department", None, None), (false, false, false));
        assert_eq!(said(security, "department", None, Some("IT")), (true, false, true));
        assert_eq!(said(security, "on_leave", None, Some("yes")), (false, true, false));
        assert_eq!(said(security, "away", Some("updates"), Some("yes")), (false, true, false));
        assert_eq!(said(people, "away", Some("updates"), Some("yes")), (true, false, true));
        // Sensitive values alone are no reason to see the others.
        let only = Sight { sensitive: true, ..nobody };
        assert_eq!(said(only, "department", None, Some("IT")), (false, true, false));
    }
}
