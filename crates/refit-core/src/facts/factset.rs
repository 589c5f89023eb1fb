//! Whom to believe: what several sources say of one device or person, and what counts.

use super::{FieldRef, Lookup, Root, Value};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use smol_str::SmolStr;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is said of one device and its person. A field may be said by several sources, each of which says one thing: its newest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FactSet {
    facts: BTreeMap<FieldRef, Vec<Fact>>,
}

/// One value of one field, and who says so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    /// What it is. That a list is empty is a value; that nobody supplies it is no fact.
    pub value: Value,
    /// Who says so; `None` for what needs no source (a test's bare value, Refit's own id).
    pub source: Option<SmolStr>,
    /// When it was observed; `None` is always fresh.
    pub observed: Option<Timestamp>,
}

/// Whom to believe, field by field: `authority:` of refit.yaml.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Authority {
    /// For a field its sources, the most trusted first.
    pub order: BTreeMap<FieldRef, Vec<SmolStr>>,
}

/// How old a fact may be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Staleness {
    /// `stale_after` of sources; others have [`DEVICE_STALE_AFTER`] and [`PERSON_STALE_AFTER`].
    pub stale_after: BTreeMap<SmolStr, SignedDuration>,
}

/// What a field is, after all sources have been heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved<'f> {
    /// Its value; `None` is unknown.
    pub value: Option<&'f Value>,
    /// Who says so; where it is unknown because what was said is too old, who said it.
    pub source: Option<&'f SmolStr>,
    /// When that was observed.
    pub observed: Option<Timestamp>,
    /// Why it is unknown; `None` where it is known.
    pub unknown_because: Option<Absent>,
    /// When it becomes unknown by age, unless it is said again; `None`: never, or it is unknown already.
    pub fresh_until: Option<Timestamp>,
}

/// Why a field is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Absent {
    /// No source has ever said it.
    NeverSaid,
    /// It was said, and is too old since that time.
    TooOldSince(Timestamp),
}

/// How long what is said of a device counts, where its source has no `stale_after`.
pub const DEVICE_STALE_AFTER: SignedDuration = SignedDuration::from_hours(14 * 24);

/// How long what is said of a person counts, where its source has no `stale_after`.
pub const PERSON_STALE_AFTER: SignedDuration = SignedDuration::from_hours(2 * 24);

impl FactSet {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what a source says. It replaces what the same source said before, unless that was observed later.
    pub fn insert(&mut self, field: FieldRef, fact: Fact) {
        let facts = self.facts.entry(field).or_default();
        match facts.iter_mut().find(|known| known.source == fact.source) {
            // What has no time is fresh, and so newer than what has one.
            Some(known) if age(&fact) >= age(known) => *known = fact,
            Some(_) => {}
            None => {
                facts.push(fact);
                facts.sort_by(|a, b| a.source.cmp(&b.source));
            }
        }
    }

    /// Adds a value that needs no source and is always fresh.
    pub fn set(&mut self, field: FieldRef, value: Value) {
        self.insert(field, Fact { value, source: None, observed: None });
    }

    /// All that is said of a field, sorted by source.
    pub fn said(&self, field: &FieldRef) -> &[Fact] {
        self.facts.get(field).map(Vec::as_slice).unwrap_or_default()
    }

    /// All fields of which anything is said, sorted.
    pub fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        self.facts.keys()
    }

    /// What a field is at `now`: of the facts that are not too old, that of the most trusted source. Sources that the order does
    /// not name come after those that it names, the newest observation first.
    pub fn resolve(
        &self,
        field: &FieldRef,
        authority: &Authority,
        staleness: &Staleness,
        now: Timestamp,
    ) -> Resolved<'_> {
        let facts = self.said(field);
        let end = |fact: &Fact| staleness.end(field, fact);
        let fresh = facts.iter().filter(|fact| end(fact).is_none_or(|end| now <= end));
        if let Some(fact) = fresh.min_by(|a, b| authority.precedence(field, a).cmp(&authority.precedence(field, b))) {
            return Resolved {
                value: Some(&fact.value),
                source: fact.source.as_ref(),
                observed: fact.observed,
                unknown_because: None,
                fresh_until: end(fact),
            };
        }
        // The one that lasted longest says since when it is unknown.
        let last = facts.iter().filter_map(|fact| Some((end(fact)?, fact))).max_by_key(|(end, _)| *end);
        let because = last.map_or(Absent::NeverSaid, |(end, _)| Absent::TooOldSince(end));
        Resolved {
            value: None,
            source: last.and_then(|(_, fact)| fact.source.as_ref()),
            observed: last.and_then(|(_, fact)| fact.observed),
            unknown_because: Some(because),
            fresh_until: None,
        }
    }

    /// The facts as expressions ask for them.
    pub fn view<'v>(&'v self, authority: &'v Authority, staleness: &'v Staleness, now: Timestamp) -> FactView<'v> {
        FactView { facts: self, authority, staleness, now }
    }
}

/// A [`FactSet`] at one time, under one authority.
#[derive(Clone, Copy, Debug)]
pub struct FactView<'v> {
    facts: &'v FactSet,
    authority: &'v Authority,
    staleness: &'v Staleness,
    now: Timestamp,
}

impl<'v> FactView<'v> {
    /// As [`FactSet::resolve`].
    pub fn resolve(&self, field: &FieldRef) -> Resolved<'v> {
        self.facts.resolve(field, self.authority, self.staleness, self.now)
    }
}

impl Lookup for FactView<'_> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        self.resolve(field).value.map(Cow::Borrowed)
    }
}

impl Authority {
    /// Sorts the most trusted fact first: rank of its source, then age, then name.
    fn precedence<'a>(
        &self,
        field: &FieldRef,
        fact: &'a Fact,
    ) -> (usize, std::cmp::Reverse<Timestamp>, Option<&'a SmolStr>) {
        let order = self.order.get(field).map(Vec::as_slice).unwrap_or_default();
        let rank = fact.source.as_ref().and_then(|source| order.iter().position(|listed| listed == source));
        // What needs no source stands for itself: nobody is trusted more.
        let rank = if fact.source.is_none() { 0 } else { rank.map_or(order.len() + 1, |rank| rank + 1) };
        (rank, std::cmp::Reverse(age(fact)), fact.source.as_ref())
    }
}

impl Staleness {
    /// How long what `source` says of a device counts.
    pub fn device(&self, source: &SmolStr) -> SignedDuration {
        self.stale_after.get(source).copied().unwrap_or(DEVICE_STALE_AFTER)
    }

    /// How long what `source` says of a person counts.
    pub fn person(&self, source: &SmolStr) -> SignedDuration {
        self.stale_after.get(source).copied().unwrap_or(PERSON_STALE_AFTER)
    }

    /// The last instant at which a fact still counts; `None`: it always does.
    fn end(&self, field: &FieldRef, fact: &Fact) -> Option<Timestamp> {
        let observed = fact.observed?;
        let known = fact.source.as_ref().and_then(|source| self.stale_after.get(source)).copied();
        let after = known.unwrap_or(match field.root {
            Root::Person => PERSON_STALE_AFTER,
            Root::Device | Root::Exposure | Root::Event => DEVICE_STALE_AFTER,
        });
        Some(observed.checked_add(after).unwrap_or(Timestamp::MAX))
    }
}

/// When it was observed; what is always fresh counts as newest.
fn age(fact: &Fact) -> Timestamp {
    fact.observed.unwrap_or(Timestamp::MAX)
}

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Absent::NeverSaid => f.write_str("nobody has said"),
            Absent::TooOldSince(since) => write!(f, "too old since {since}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        super::super::parse_time(text).unwrap()
    }

    fn fact(value: &str, source: &str, observed: &str) -> Fact {
        Fact { value: Value::text(value), source: Some(source.into()), observed: Some(time(observed)) }
    }

    fn department() -> FieldRef {
        FieldRef::person("department")
    }

    fn authority(sources: &[&str]) -> Authority {
        Authority { order: BTreeMap::from([(department(), sources.iter().map(SmolStr::new).collect())]) }
    }

    fn said(facts: &[Fact]) -> FactSet {
        let mut set = FactSet::new();
        facts.iter().for_each(|fact| set.insert(department(), fact.clone()));
        set
    }

    fn department_of(set: &FactSet, authority: &Authority, now: &str) -> Option<String> {
        let resolved = set.resolve(&department(), authority, &Staleness::default(), time(now));
        resolved.value.map(|value| value.to_string())
    }

    #[test]
    fn the_most_trusted_source_wins_over_a_newer_one() {
        let set = said(&[fact("IT", "workday", "2026-11-22"), fact("HR", "okta", "2026-11-23")]);
        assert_eq!(department_of(&set, &authority(&["workday", "okta"]), "2026-11-23").as_deref(), Some("\"IT\""));
        assert_eq!(department_of(&set, &authority(&["okta", "workday"]), "2026-11-23").as_deref(), Some("\"HR\""));
    }

    #[test]
    fn a_listed_source_comes_before_others_and_the_newest_of_the_others_wins() {
        let set = said(&[fact("IT", "workday", "2026-11-22"), fact("HR", "okta", "2026-11-23")]);
        assert_eq!(department_of(&set, &authority(&["workday"]), "2026-11-23").as_deref(), Some("\"IT\""));
        assert_eq!(department_of(&set, &authority(&[]), "2026-11-23").as_deref(), Some("\"HR\""));
    }

    #[test]
    fn a_trusted_source_that_is_too_old_gives_way_to_the_next() {
        let set = said(&[fact("IT", "workday", "2026-11-20"), fact("HR", "okta", "2026-11-22")]);
        assert_eq!(department_of(&set, &authority(&["workday", "okta"]), "2026-11-23").as_deref(), Some("\"HR\""));
    }

    #[test]
    fn facts_of_people_last_two_days_and_of_devices_a_fortnight() {
        let mut set = said(&[fact("IT", "workday", "2026-11-01")]);
        set.insert(FieldRef::device("site"), fact("Rome", "jamf", "2026-11-01"));
        let resolve = |field: &FieldRef, now: &str| {
            let resolved = set.resolve(field, &Authority::default(), &Staleness::default(), time(now));
            (resolved.value.is_some(), resolved.unknown_because, resolved.fresh_until)
        };
        let end = time("2026-11-03");
        assert_eq!(resolve(&department(), "2026-11-03T00:00:00Z"), (true, None, Some(end)));
        assert_eq!(resolve(&department(), "2026-11-03T00:00:01Z"), (false, Some(Absent::TooOldSince(end)), None));
        assert!(resolve(&FieldRef::device("site"), "2026-11-15").0);
        assert!(!resolve(&FieldRef::device("site"), "2026-11-16").0);
        assert_eq!(resolve(&FieldRef::device("country"), "2026-11-01"), (false, Some(Absent::NeverSaid), None));
    }

    #[test]
    fn a_source_says_itself_how_long_its_facts_last() {
        let set = said(&[fact("IT", "workday", "2026-11-01")]);
        let week = Staleness { stale_after: BTreeMap::from([("workday".into(), SignedDuration::from_hours(168))]) };
        assert!(set.resolve(&department(), &Authority::default(), &week, time("2026-11-07")).value.is_some());
        assert!(set.resolve(&department(), &Authority::default(), &week, time("2026-11-09")).value.is_none());
    }

    #[test]
    fn what_has_no_source_is_fresh_and_comes_first() {
        let mut set = said(&[fact("IT", "workday", "2026-11-23")]);
        set.set(department(), Value::text("Legal"));
        assert_eq!(department_of(&set, &authority(&["workday"]), "2026-11-23").as_deref(), Some("\"Legal\""));
        assert_eq!(department_of(&set, &authority(&["workday"]), "2030-01-01").as_deref(), Some("\"Legal\""));
    }

    #[test]
    fn a_source_replaces_what_it_said_but_not_by_something_older() {
        let mut set = said(&[fact("IT", "workday", "2026-11-22"), fact("HR", "workday", "2026-11-23")]);
        set.insert(department(), fact("Legal", "workday", "2026-11-21"));
        assert_eq!(set.said(&department()), [fact("HR", "workday", "2026-11-23")]);
    }

    #[test]
    fn an_empty_list_is_known_and_one_that_nobody_supplies_is_not() {
        let tags = FieldRef::device("tags");
        let mut set = FactSet::new();
        let authority = Authority::default();
        let staleness = Staleness::default();
        assert!(set.view(&authority, &staleness, time("2026-11-23")).get(&tags).is_none());
        set.set(tags.clone(), Value::List(Vec::new()));
        let view = set.view(&authority, &staleness, time("2026-11-23"));
        assert_eq!(view.get(&tags).as_deref(), Some(&Value::List(Vec::new())));
    }
}
