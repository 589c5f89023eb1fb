//! What of a source's records does not fit, so that whoever reads the source can see it after the reading too.

use crate::facts::mapping::{Quarantined, Uncovered};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// How much of what was set aside is kept in words.
const ASIDE_MOST: usize = 20;
/// How many values that no map covers are kept by name.
const UNCOVERED_MOST: usize = 100;

/// What of a list's records does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfit {
    /// How much was set aside: records, and parts of them.
    pub set_aside: usize,
    /// The first of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<Aside>,
    /// The first values that no map covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<UncoveredValue>,
}

/// Something that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aside {
    /// Where it was in the payload.
    pub at: String,
    /// Why, in words.
    pub why: String,
}

/// A value that no map covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncoveredValue {
    /// The field.
    pub field: SmolStr,
    /// It; nothing where it is sensitive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// How many records have it.
    pub records: usize,
}

impl Unfit {
    /// Whether all of it fits.
    pub fn is_empty(&self) -> bool {
        self.set_aside == 0 && self.uncovered.is_empty()
    }

    /// Takes in what does not fit of a page.
    pub fn note(&mut self, quarantined: &[Quarantined], uncovered: &[Uncovered]) {
        let first = quarantined.iter().take(ASIDE_MOST);
        let first = first.map(|aside| Aside { at: aside.at.clone(), why: aside.why.clone() }).collect();
        let uncovered = uncovered.iter().map(|uncovered| UncoveredValue {
            field: uncovered.field.to_string().into(),
            value: uncovered.value.clone(),
            records: uncovered.records,
        });
        self.add(Unfit { set_aside: quarantined.len(), first, uncovered: uncovered.collect() });
    }

    /// Takes in what does not fit of other records of the list.
    pub fn add(&mut self, more: Unfit) {
        self.set_aside += more.set_aside;
        let free = ASIDE_MOST.saturating_sub(self.first.len());
        self.first.extend(more.first.into_iter().take(free));
        for value in more.uncovered {
            let is_full = self.uncovered.len() >= UNCOVERED_MOST;
            let same = |known: &&mut UncoveredValue| known.field == value.field && known.value == value.value;
            match self.uncovered.iter_mut().find(same) {
                Some(known) => known.records += value.records,
                None if is_full => {}
                None => self.uncovered.push(value),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::FieldRef;
    use crate::facts::mapping::SetAside;

    #[test]
    fn what_does_not_fit_is_counted_and_the_first_of_it_is_kept() {
        let aside = |at: usize| Quarantined {
            records: None,
            at: format!("/{at}"),
            what: SetAside::Record,
            why: "it is none".to_owned(),
            sensitive: false,
        };
        let uncovered = |value: &str| Uncovered {
            field: FieldRef::person("department"),
            value: Some(value.to_owned()),
            records: 2,
            sensitive: false,
        };
        let mut unfit = Unfit::default();
        assert!(unfit.is_empty());
        unfit.note(&(0..15).map(aside).collect::<Vec<_>>(), &[uncovered("Sales")]);
        unfit.note(&(15..30).map(aside).collect::<Vec<_>>(), &[uncovered("Sales"), uncovered("IT")]);
        assert_eq!((unfit.set_aside, unfit.first.len()), (30, ASIDE_MOST));
        assert_eq!(unfit.first.last().map(|aside| aside.at.as_str()), Some("/19"));
        let said: Vec<_> =
            unfit.uncovered.iter().map(|it| (it.value.as_deref().unwrap_or_default(), it.records)).collect();
        assert_eq!(said, [("Sales", 4), ("IT", 2)]);
        unfit.note(&[], &(0..200).map(|at| uncovered(&at.to_string())).collect::<Vec<_>>());
        assert_eq!(unfit.uncovered.len(), UNCOVERED_MOST);
    }
}
