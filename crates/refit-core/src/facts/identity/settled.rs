//! What people have settled: `identities:` documents.

use super::{Node, RecordId};
use crate::facts::mapping::KeyKind;
use crate::policy::document::outside::IdentitiesDocument;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Which records people have said are one, and which are not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    same: Vec<Vec<Named>>,
    different: Vec<Vec<Named>>,
    /// For each name the lists of `same` that it is in.
    of_same: BTreeMap<Named, Vec<usize>>,
    /// For each name the lists of `different` that it is in.
    of_different: BTreeMap<Named, Vec<usize>>,
}

/// Records as a document names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// All that have or had a key: `serial:C02XK1`.
    Key(KeyKind, SmolStr),
    /// One record, by its source and the source's id: `id:jamf-pro/123`.
    Record(SmolStr, SmolStr),
}

/// What a name of records should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamedError {
    /// It has no kind in front.
    #[error("`{0}` has no kind: write one such as `serial:C02XK1`, `email:ada@acme.example` or `id:jamf-pro/123`")]
    NoKind(String),
    /// There is no such kind, or it identifies nobody.
    #[error("`{kind}` identifies nothing by itself: write one of {known}")]
    NoKey {
        /// The kind.
        kind: String,
        /// Those that do.
        known: String,
    },
    /// The id of a record has no source.
    #[error("`{0}` does not say of which source the id is: write `id:SOURCE/ID`")]
    NoSource(String),
    /// The value is none.
    #[error("`{text}`: {why}")]
    Value {
        /// It.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Settled {
    /// What documents settle. Names that can't be read are left out: `check` shows them.
    pub fn of<'d>(documents: impl IntoIterator<Item = &'d IdentitiesDocument>) -> Settled {
        let mut settled = Settled::default();
        for document in documents {
            let read = |names: &Vec<String>| names.iter().filter_map(|name| name.parse().ok()).collect::<Vec<Named>>();
            settled.same.extend(document.same.iter().map(read));
            settled.different.extend(document.different.iter().map(read));
        }
        // The order of documents does not matter.
        for lists in [&mut settled.same, &mut settled.different] {
            lists.iter_mut().for_each(|names| names.sort());
            lists.sort();
        }
        settled.of_same = places(&settled.same);
        settled.of_different = places(&settled.different);
        settled
    }

    /// The lists of names that are one.
    pub(super) fn same(&self) -> &[Vec<Named>] {
        &self.same
    }

    /// The lists that a record is in by what it has or had.
    pub(super) fn same_of(&self, node: &Node) -> BTreeSet<usize> {
        if self.same.is_empty() {
            return BTreeSet::new();
        }
        names(node).filter_map(|name| self.of_same.get(&name)).flatten().copied().collect()
    }

    /// Values of a kind that were settled to be one, list by list.
    pub(super) fn same_values(&self, kind: KeyKind) -> impl Iterator<Item = impl Iterator<Item = &SmolStr>> {
        self.same.iter().map(move |names| {
            names.iter().filter_map(move |name| match name {
                Named::Key(of, value) if *of == kind => Some(value),
                _ => None,
            })
        })
    }

    /// Two names of one list of those that differ, which these records have.
    pub(super) fn differ(&self, nodes: &[&Node]) -> Option<(Named, Named)> {
        if self.different.is_empty() {
            return None;
        }
        // By list the names that the records have; a record that has two of them says that itself.
        let mut found: BTreeMap<usize, BTreeMap<Named, BTreeSet<usize>>> = BTreeMap::new();
        for (at, node) in nodes.iter().enumerate() {
            for name in names(node) {
                for list in self.of_different.get(&name).into_iter().flatten() {
                    found.entry(*list).or_default().entry(name.clone()).or_default().insert(at);
                }
            }
        }
        found.into_values().find_map(|names| {
            let mut pairs = names.iter().enumerate().flat_map(|(at, one)| {
                let others = names.iter().skip(at + 1);
                others.map(move |other| (one, other))
            });
            let (one, other) = pairs.find(|(one, other)| one.1 != other.1)?;
            Some((one.0.clone(), other.0.clone()))
        })
    }
}

fn places(lists: &[Vec<Named>]) -> BTreeMap<Named, Vec<usize>> {
    let mut places: BTreeMap<Named, Vec<usize>> = BTreeMap::new();
    for (at, names) in lists.iter().enumerate() {
        for name in names {
            let of_name = places.entry(name.clone()).or_default();
            if of_name.last() != Some(&at) {
                of_name.push(at);
            }
        }
    }
    places
}

/// All that a record can be named by. What it was before the source gave its id to something else is named by its keys only.
fn names(node: &Node) -> impl Iterator<Item = Named> {
    let RecordId { source, id, .. } = &node.record;
    let itself = (!node.handed_on).then(|| Named::Record(source.clone(), id.clone()));
    itself.into_iter().chain(node.indexed().map(|(kind, value)| Named::Key(kind, value.clone())))
}

impl std::str::FromStr for Named {
    type Err = NamedError;

    fn from_str(text: &str) -> Result<Named, NamedError> {
        let (kind, value) = text.split_once(':').ok_or_else(|| NamedError::NoKind(text.to_owned()))?;
        let (kind, value) = (kind.trim(), value.trim());
        if kind == KeyKind::Id.name() {
            return match value.split_once('/') {
                Some((source, id)) if !source.is_empty() && !id.is_empty() => {
                    Ok(Named::Record(source.into(), id.into()))
                }
                _ => Err(NamedError::NoSource(text.to_owned())),
            };
        }
        let known = KeyKind::named(kind).filter(|kind| super::node::is_strong_kind(*kind));
        let Some(known) = known else {
            let strong = KeyKind::ALL.into_iter().filter(|kind| super::node::is_strong_kind(*kind));
            let known: Vec<&str> = strong.map(KeyKind::name).chain(["id"]).collect();
            return Err(NamedError::NoKey { kind: kind.to_owned(), known: known.join(", ") });
        };
        let value = known.written(value).map_err(|why| NamedError::Value { text: text.to_owned(), why })?;
        Ok(Named::Key(known, value))
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Named::Key(kind, value) => write!(f, "{}:{value}", kind.name()),
            Named::Record(source, id) => write!(f, "id:{source}/{id}"),
        }
    }
}
