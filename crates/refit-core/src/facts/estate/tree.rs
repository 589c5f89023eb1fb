//! Which department is part of which, as sources say it of people.

use super::{Estate, Rules, derived::known};
use crate::facts::mapping::document::Subject;
use crate::facts::{FieldRef, Value};
use smol_str::SmolStr;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Which department is part of which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Departments {
    above: BTreeMap<SmolStr, SmolStr>,
}

impl Departments {
    /// Whether nobody says of any department what it is part of.
    pub fn is_empty(&self) -> bool {
        self.above.is_empty()
    }

    /// A department and all that it is part of, its own first. It ends with the one of which nobody says what it is part of, or before the
    /// one that is in the list already.
    pub fn up(&self, department: &str) -> Vec<SmolStr> {
        let mut up = vec![SmolStr::from(department)];
        while let Some(above) = up.last().and_then(|last| self.above.get(last)).filter(|above| !up.contains(above)) {
            up.push(above.clone());
        }
        up
    }
}

impl Estate {
    /// Which department is part of which: of each what most of its people have as `person.division`; where as many have one as another, the
    /// one that comes first in the alphabet. Only what is believed counts.
    pub fn departments(&self, rules: &Rules<'_>) -> Departments {
        let (department, division) = (FieldRef::person("department"), FieldRef::person("division"));
        let says = |kept: &super::Kept| kept.facts.get(&division).is_some_and(Option::is_some);
        if !self.sources.values().any(|source| source.records.values().any(says)) {
            return Departments::default();
        }
        let mut counted: BTreeMap<SmolStr, BTreeMap<SmolStr, usize>> = BTreeMap::new();
        for person in self.registry.entities(Subject::Person) {
            let facts = self.facts(person, rules.fields);
            let text = |field: &FieldRef| match known(&facts, field, rules) {
                Some((Value::Text(text), _)) => Some(text.clone()),
                _ => None,
            };
            // A department that has no name of its own is called like its division.
            if let (Some(own), Some(above)) = (text(&department), text(&division))
                && own != above
            {
                *counted.entry(own).or_default().entry(above).or_default() += 1;
            }
        }
        let most = |above: BTreeMap<SmolStr, usize>| {
            above.into_iter().max_by_key(|(name, people)| (*people, Reverse(name.clone()))).map(|(name, _)| name)
        };
        Departments { above: counted.into_iter().filter_map(|(own, above)| Some((own, most(above)?))).collect() }
    }
}
