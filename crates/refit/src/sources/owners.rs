//! Who answers for what sources say: whom it is for where they contradict each other.

use super::syncing::{self, Policy};
use crate::repository::Read;
use refit_core::facts::{
    FieldRef,
    mapping::{
        Connector,
        document::{DetailedSourceDocument, SourceDocument, Subject},
    },
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Who answers for what each source says.
#[derive(Default)]
pub struct Owners(BTreeMap<SmolStr, Answers>);

struct Answers {
    /// Whom the policy names for all that the source says.
    owner: Option<String>,
    /// What names somebody for each part of it, where the policy names nobody.
    connector: Option<Connector>,
}

impl Owners {
    /// As a policy repository says it of its sources, and connectors of what they read.
    pub fn of(read: &Read) -> Owners {
        let policy =
            Policy { files: &read.files, fields: &read.repository.fields, zone: None, folder: Some(&read.folder) };
        let answers = read.documents.sources.iter().map(|written| {
            let source = &written.document;
            // What is wrong with a connector is said where it is to be read.
            let connector = syncing::connector(source, policy).ok().map(|(connector, _)| connector);
            (SmolStr::from(source.source.as_str()), Answers { owner: source.owner.clone(), connector })
        });
        Owners(answers.collect())
    }

    /// Who answers for a field as a source says it.
    pub fn field(&self, source: &str, field: &FieldRef) -> Option<&str> {
        let answers = self.0.get(source)?;
        if let Some(owner) = &answers.owner {
            return Some(owner);
        }
        let name = field.to_string();
        answers.connector.as_ref()?.document.records.iter().find_map(|records| match records.fields.get(&name)? {
            SourceDocument::Detailed(DetailedSourceDocument { owner: Some(owner), .. }) => Some(owner.as_str()),
            _ => records.owner.as_deref(),
        })
    }

    /// Who answers for a source's records of devices or people.
    pub fn records(&self, source: &str, of: Subject) -> BTreeSet<&str> {
        let Some(answers) = self.0.get(source) else { return BTreeSet::new() };
        if let Some(owner) = &answers.owner {
            return BTreeSet::from([owner.as_str()]);
        }
        let records = answers.connector.iter().flat_map(|connector| &connector.document.records);
        records.filter(|records| records.of == of).filter_map(|records| records.owner.as_deref()).collect()
    }
}
