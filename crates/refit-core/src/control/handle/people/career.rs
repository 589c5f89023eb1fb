//! Joiners, movers and leavers: what an observation changes of somebody's place in the organisation.
//!
//! What is believed before is compared with what is believed afterwards, whatever its age: that a source has said nothing for a while
//! changes nobody's place. Unknown is no value: whoever becomes unknown has not left, and whoever becomes known has not moved.

use crate::control::{
    Plain,
    event::{PersonChange, PersonObserved},
    input::Personal,
    read_fact as read,
    state::{PersonRecord, State},
};
use crate::facts::{FieldRef, Kind, Root, Value};
use jiff::{SignedDuration, Timestamp};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// So long after their first day somebody who was not known counts as having begun; whoever began earlier was there before the source
/// was read.
const BEGAN_WITHIN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What changes, sorted. `record` is what was known of the person, and `personal` are the values that are new.
pub(super) fn changes(
    state: &State,
    record: Option<&PersonRecord>,
    event: &PersonObserved,
    personal: &[Personal],
) -> Vec<PersonChange> {
    if event.values.is_empty() {
        return Vec::new();
    }
    let facts = Before { state, record };
    let now = After { before: &facts, event, personal };
    let employed = |text: &Option<SmolStr>| matches!(text.as_deref(), Some("active" | "contractor" | "leave"));
    let (was, is) = (text(facts.believed("employment")), text(now.believed("employment")));
    let mut changes = Vec::new();
    let began = match was.as_deref() {
        Some("starting" | "left") => employed(&is),
        None => employed(&is) && now.began_lately(event.observed),
        Some(_) => false,
    };
    if began {
        changes.push(PersonChange::Began);
    }
    if is.as_deref() == Some("left") && was.is_some() && was != is {
        changes.push(PersonChange::Ended);
    }
    for (field, change) in [("department", PersonChange::Department), ("site", PersonChange::Site)] {
        let (was, now) = (text(facts.believed(field)), text(now.believed(field)));
        // Whoever has left is nowhere any more, whatever lists say.
        if was.is_some() && now.is_some() && was != now && is.as_deref() != Some("left") {
            changes.push(change);
        }
    }
    changes
}

/// What was believed.
struct Before<'s> {
    state: &'s State,
    record: Option<&'s PersonRecord>,
}

/// What is believed once the event counts.
struct After<'s> {
    before: &'s Before<'s>,
    event: &'s PersonObserved,
    personal: &'s [Personal],
}

impl<'s> Before<'s> {
    /// What sources say of a field.
    fn said(&self, field: &str) -> BTreeMap<&'s SmolStr, &'s Plain> {
        let said = self.record.and_then(|record| record.facts.get(field)).into_iter().flatten();
        said.filter_map(|(source, reference)| Some((source, self.state.personal.get(reference)?))).collect()
    }

    fn believed(&self, field: &str) -> Option<&'s Plain> {
        self.most_trusted(field, self.said(field))
    }

    /// Sources that the order does not name come after those that it names.
    fn most_trusted(&self, field: &str, said: BTreeMap<&'s SmolStr, &'s Plain>) -> Option<&'s Plain> {
        let field = FieldRef::new(Root::Person, field);
        let order = self.state.policy.as_ref().and_then(|policy| policy.repository.authority.order.get(&field));
        let rank = |source: &SmolStr| {
            order.and_then(|order| order.iter().position(|listed| listed == source)).unwrap_or(usize::MAX)
        };
        said.into_iter().min_by_key(|(source, _)| rank(source)).map(|(_, value)| value)
    }
}

impl<'s> After<'s> {
    fn believed(&self, field: &str) -> Option<&'s Plain> {
        let mut said = self.before.said(field);
        match self.event.values.get(field) {
            None => {}
            Some(None) => drop(said.remove(&self.event.source)),
            Some(Some(reference)) => {
                let value = self.personal.iter().find(|value| value.reference == *reference);
                said.extend(value.map(|value| (&self.event.source, &value.value)));
            }
        }
        self.before.most_trusted(field, said)
    }

    /// Whether the first day was lately.
    fn began_lately(&self, now: Timestamp) -> bool {
        let first = self.believed("first_day").and_then(|plain| read(plain, Kind::Time));
        matches!(first, Some(Value::Time(first)) if now.duration_since(first) <= BEGAN_WITHIN)
    }
}

fn text(plain: Option<&Plain>) -> Option<SmolStr> {
    plain.map(|plain| plain.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Actor, Event, Ground, Input, handle};
    use crate::policy::resolve::Titles;
    use refit_model::PersonId;

    /// What an observation of one source changes; what it says counts from then on.
    fn says(state: &mut State, source: &str, values: &[(&str, Option<&str>)]) -> Vec<PersonChange> {
        let observed: Timestamp = "2026-11-26T08:00:00Z".parse().unwrap();
        let seq = state.seq + 1;
        let values = values.iter().map(|(field, value)| {
            let reference = SmolStr::from(format!("{source} {field} {seq}"));
            ((*field).into(), value.map(|value| (reference, Plain::Text(value.into()))))
        });
        let input = Input::ObservePerson {
            person: PersonId::new("p1"),
            source: source.into(),
            observed,
            values: values.collect(),
        };
        let outcome = handle(state, &Actor::server(), input, observed).unwrap();
        for value in outcome.personal {
            state.personal.insert(value.reference, value.value);
        }
        let mut changes = Vec::new();
        for event in outcome.events {
            match &event {
                Event::PersonObserved(_) => {
                    let titles = Titles::default();
                    let contents: BTreeMap<SmolStr, std::sync::Arc<[u8]>> = BTreeMap::new();
                    let ground = Ground { catalog: &titles, contents: &contents };
                    state.apply(seq, observed, &event, &ground).unwrap();
                }
                Event::PersonChanged(changed) => changes.push(changed.change),
                other => panic!("{other:?}"),
            }
        }
        state.pass_over(seq, observed);
        changes
    }

    #[test]
    fn a_joiner_a_mover_and_a_leaver_are_told_each_once() {
        let mut state = State::default();
        let first = ("first_day", Some("2026-12-01T00:00:00Z"));
        assert_eq!(says(&mut state, "hr", &[("employment", Some("starting")), first, ("site", Some("Kiel"))]), []);
        assert_eq!(says(&mut state, "hr", &[("employment", Some("active"))]), [PersonChange::Began]);
        assert_eq!(says(&mut state, "hr", &[("employment", Some("active"))]), []);
        // A department that becomes known is no move; another one is.
        assert_eq!(says(&mut state, "hr", &[("department", Some("Sales"))]), []);
        assert_eq!(says(&mut state, "hr", &[("department", Some("Finance"))]), [PersonChange::Department]);
        assert_eq!(says(&mut state, "hr", &[("site", Some("Bonn")), ("department", None)]), [PersonChange::Site]);
        assert_eq!(says(&mut state, "hr", &[("employment", Some("leave"))]), []);
        let gone = [("employment", Some("left")), ("site", Some("nowhere"))];
        assert_eq!(says(&mut state, "hr", &gone), [PersonChange::Ended]);
        assert_eq!(says(&mut state, "hr", &[("employment", Some("contractor"))]), [PersonChange::Began]);
    }

    #[test]
    fn whoever_was_there_before_a_source_was_read_has_not_just_begun() {
        let mut state = State::default();
        let long_ago = [("employment", Some("active")), ("first_day", Some("2019-01-01T00:00:00Z"))];
        assert_eq!(says(&mut state, "hr", &long_ago), []);
        let mut state = State::default();
        assert_eq!(says(&mut state, "hr", &[("employment", Some("active"))]), []);
        let mut state = State::default();
        let lately = [("employment", Some("active")), ("first_day", Some("2026-11-24T00:00:00Z"))];
        assert_eq!(says(&mut state, "hr", &lately), [PersonChange::Began]);
    }

    #[test]
    fn a_source_that_is_not_believed_moves_nobody() {
        let mut state = State::default();
        // Of two that no order names, the first by its name is believed.
        assert_eq!(says(&mut state, "hr", &[("department", Some("Sales"))]), []);
        assert_eq!(says(&mut state, "okta", &[("department", Some("sales-emea"))]), []);
        assert_eq!(says(&mut state, "okta", &[("department", Some("finance"))]), []);
        // Whoever is not known any more has not left.
        assert_eq!(says(&mut state, "hr", &[("employment", Some("active"))]), []);
        assert_eq!(says(&mut state, "hr", &[("employment", None)]), []);
    }
}
