//! Who a person reports to, and who to them, up to the top.

use super::{Assigned, Estate, Of, Rules};
use crate::facts::FieldRef;
use crate::facts::mapping::document::{RelationKind, Subject};
use serde::Serialize;
use smol_str::SmolStr;

/// Who a person reports to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// The person's manager, that one's manager and so on.
    pub managers: Vec<Of>,
    /// How it ends.
    pub ends: ChainEnd,
}

/// How a chain of managers ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainEnd {
    /// Of the last no source names a manager.
    Top,
    /// A source names somebody who is nobody that is known, or more than one.
    Unknown {
        /// Whom, as the source names them.
        named: String,
        /// The source.
        source: SmolStr,
    },
    /// The last reports to somebody who stands in the chain already.
    Circle {
        /// To whom.
        person: SmolStr,
    },
}

impl Estate {
    /// Who a person reports to, as the most trusted source for `person.manager` says at each step.
    pub fn managers(&self, person: &str, rules: &Rules<'_>) -> Chain {
        let mut managers: Vec<Of> = Vec::new();
        let mut of = SmolStr::from(person);
        loop {
            let Some(said) = self.manager(&of, rules) else { return Chain { managers, ends: ChainEnd::Top } };
            let Some(manager) = said.person else {
                return Chain { managers, ends: ChainEnd::Unknown { named: said.named, source: said.source } };
            };
            if manager == person || managers.iter().any(|known| known.id == manager) {
                return Chain { managers, ends: ChainEnd::Circle { person: manager } };
            }
            let name = self.name(Subject::Person, &manager, rules);
            managers.push(Of { id: manager.clone(), name, source: said.source });
            of = manager;
        }
    }

    /// How many people report to one.
    pub fn reports(&self, person: &str, rules: &Rules<'_>) -> usize {
        let of = |other: &&SmolStr| {
            self.manager(other, rules).and_then(|said| said.person).is_some_and(|manager| manager == person)
        };
        self.registry.entities(Subject::Person).into_iter().filter(of).count()
    }

    /// What is believed of who somebody's manager is.
    pub(super) fn manager(&self, person: &str, rules: &Rules<'_>) -> Option<Assigned> {
        let nodes = self.registry.records(person);
        let said = self.related(&nodes, RelationKind::Manager);
        rules.most_trusted(&said, &FieldRef::person("manager")).cloned()
    }
}
