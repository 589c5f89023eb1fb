//! Facts with their sources, and which of them is believed.

use super::{FieldRef, Root, Value};
use jiff::{SignedDuration, Timestamp};
use smol_str::SmolStr;
use std::{collections::BTreeMap, fmt};

/// One value of one field: what it is, who says so, and when it was observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The value.
    pub value: Value,
    /// Who says so; `None` where nobody is named, which is never too old.
    pub source: Option<SmolStr>,
    /// When it was observed; `None` is now.
    pub observed: Option<Timestamp>,
}

/// What is said of one device and its person, by every source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FactSet {
    facts: BTreeMap<FieldRef, Vec<Fact>>,
}

/// Whom to believe, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    order: BTreeMap<FieldRef, Vec<SmolStr>>,
}

/// From when on what a source says is too old to count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staleness {
    limits: BTreeMap<SmolStr, SignedDuration>,
}

/// What a field is believed to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved<'a> {
    /// The value; `None` is unknown.
    pub value: Option<&'a Value>,
    /// Who says so, or said so last.
    pub source: Option<&'a SmolStr>,
    /// When it was observed.
    pub observed: Option<Timestamp>,
    /// Why it is unknown.
    pub unknown_because: Option<Absent>,
}

/// Why a field is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Nobody has said.
    NeverSaid,
    /// What was said last is too old, since then.
    TooOld {
        /// Since when.
        since: Timestamp,
    },
}

impl FactSet {
    /// Adds what one source says of a field.
    pub fn insert(&mut self, field: FieldRef, fact: Fact) {
        self.facts.entry(field).or_default().push(fact);
    }

    /// The fields of which anything was ever said.
    pub fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        self.facts.keys()
    }

    /// All that was said of a field.
    pub fn said(&self, field: &FieldRef) -> &[Fact] {
        self.facts.get(field).map_or(&[], Vec::as_slice)
    }

    /// The value of the most trusted source that is fresh enough; of sources that nobody ranks, the newest.
    pub fn resolve(
        &self,
        field: &FieldRef,
        authority: &Authority,
        staleness: &Staleness,
        now: Timestamp,
    ) -> Resolved<'_> {
        let said = self.said(field);
        let stale_since = |fact: &Fact| {
            let limit = staleness.limit(field.root, fact.source.as_ref()?);
            fact.observed?.checked_add(limit).ok().filter(|end| *end < now)
        };
        // Sources in the order of trust; then what was observed last; then the value, so that the order of arrival is nothing.
        let key = |fact: &&Fact| {
            (
                authority.rank(field, fact.source.as_ref()),
                std::cmp::Reverse(fact.observed.unwrap_or(Timestamp::MAX)),
                fact.source.clone(),
                format!("{:?}", fact.value),
            )
        };
        if let Some(fact) = said.iter().filter(|fact| stale_since(fact).is_none()).min_by_key(key) {
            return Resolved {
                value: Some(&fact.value),
                source: fact.source.as_ref(),
                observed: fact.observed,
                unknown_because: None,
            };
        }
        let newest = said.iter().max_by_key(|fact| fact.observed);
        Resolved {
            value: None,
            source: newest.and_then(|fact| fact.source.as_ref()),
            observed: newest.and_then(|fact| fact.observed),
            unknown_because: Some(match newest.and_then(stale_since) {
                Some(since) => Absent::TooOld { since },
                None => Absent::NeverSaid,
            }),
        }
    }
}

impl Authority {
    /// Says whom to believe of a field, most trusted first.
    pub fn set(&mut self, field: FieldRef, sources: Vec<SmolStr>) {
        self.order.insert(field, sources);
    }

    /// A source's place in the order of trust: 0 for the first, and for those that nobody ranks a place behind the last.
    pub fn rank(&self, field: &FieldRef, source: Option<&SmolStr>) -> usize {
        let Some(order) = self.order.get(field) else { return 0 };
        source.and_then(|source| order.iter().position(|ranked| ranked == source)).unwrap_or(order.len())
    }
}

impl Staleness {
    /// Sets the limit of a source.
    pub fn set(&mut self, source: SmolStr, limit: SignedDuration) {
        self.limits.insert(source, limit);
    }

    /// How old a device may be seen by a source; 14 days where nobody says otherwise.
    pub fn device(&self, source: &SmolStr) -> SignedDuration {
        self.limit(Root::Device, source)
    }

    /// How old what a source says may be: 14 days for devices and 2 days for people, where nobody says otherwise.
    pub fn limit(&self, root: Root, source: &SmolStr) -> SignedDuration {
        self.limits.get(source).copied().unwrap_or(match root {
            Root::Person => SignedDuration::from_hours(2 * 24),
            _ => SignedDuration::from_hours(14 * 24),
        })
    }
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absent::NeverSaid => f.write_str("nobody has said"),
            Absent::TooOld { since } => write!(f, "too old since {since}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(value: &str, source: &str, observed: &str) -> Fact {
        let observed = Some(observed.parse().unwrap());
        Fact { value: Value::Text(value.into()), source: Some(source.into()), observed }
    }

    fn resolve(facts: &[Fact], order: &[&str]) -> Option<String> {
        let field = FieldRef::person("department");
        let mut set = FactSet::default();
        facts.iter().for_each(|fact| set.insert(field.clone(), fact.clone()));
        let mut authority = Authority::default();
        authority.set(field.clone(), order.iter().map(SmolStr::new).collect());
        let now = "2026-11-23T09:00:00Z".parse().unwrap();
        match set.resolve(&field, &authority, &Staleness::default(), now).value {
            Some(Value::Text(text)) => Some(text.to_string()),
            _ => None,
        }
    }

    #[test]
    fn the_most_trusted_source_with_a_fresh_value_wins() {
        let hr = fact("IT", "workday", "2026-11-22T09:00:00Z");
        let newer = fact("Sales", "okta", "2026-11-23T08:00:00Z");
        let stale = fact("IT", "workday", "2026-11-20T09:00:00Z");
        assert_eq!(resolve(&[newer.clone(), hr], &["workday", "okta"]).unwrap(), "IT");
        assert_eq!(resolve(&[stale.clone(), newer.clone()], &["workday", "okta"]).unwrap(), "Sales");
        assert_eq!(resolve(&[newer.clone(), stale.clone()], &["okta"]).unwrap(), "Sales");
        assert_eq!(resolve(&[stale], &["workday"]), None);
        assert_eq!(resolve(&[], &["workday"]), None);
    }

    #[test]
    fn a_fact_is_stale_once_it_is_older_than_the_limit() {
        assert_eq!(resolve(&[fact("IT", "workday", "2026-11-21T09:00:00Z")], &[]).unwrap(), "IT");
        assert_eq!(resolve(&[fact("IT", "workday", "2026-11-21T08:59:59Z")], &[]), None);
    }
}
