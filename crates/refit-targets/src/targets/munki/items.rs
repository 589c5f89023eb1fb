//! What is in a Munki repository: its catalog `all`.

use crate::targets::plist;
use refit_model::{Scheme, Version};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The items of a repository.
#[derive(Clone, Debug, Default)]
pub struct Items(Vec<Value>);

/// Why a text is no catalog.
#[derive(Debug, thiserror::Error)]
pub enum ItemsError {
    /// It is no property list.
    #[error("it is no property list")]
    Plist(#[from] ::plist::Error),
    /// It is one of something else.
    #[error("it is no catalog: a catalog is a list of items with `name` and `version` (run `makecatalogs`)")]
    NoCatalog,
}

/// What an item requires and a repository does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// As the item has it.
    pub reference: String,
    /// The item: its name and version.
    pub by: String,
}

impl Items {
    /// Reads `catalogs/all`.
    pub fn parse(text: &str) -> Result<Items, ItemsError> {
        let Value::Array(items) = plist::read(text)? else { return Err(ItemsError::NoCatalog) };
        let is_item = |item: &Value| item["name"].is_string() && item["version"].is_string();
        if !items.iter().all(is_item) {
            return Err(ItemsError::NoCatalog);
        }
        Ok(Items(items))
    }

    /// The item of one of several names in a version. What Refit wrote itself is not one.
    pub fn find(&self, names: &[String], version: &str) -> Option<&Value> {
        let named = |item: &&Value| names.iter().any(|name| item["name"] == name.as_str());
        let theirs = |item: &&Value| item["notes"].as_str() != Some(super::NOTE);
        self.0.iter().filter(named).filter(theirs).find(|item| item["version"] == version)
    }

    /// All that an item requires, and what that requires, in the order of references. Of each the newest that the repository has for each
    /// system and processor: where the catalogs of who requires it have any, from these, as a Mac in them would get it.
    pub fn required<'i>(&'i self, item: &'i Value) -> Result<Vec<&'i Value>, Vec<Missing>> {
        let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
        let own = &item["name"];
        let mut open = vec![item];
        while let Some(item) = open.pop() {
            for reference in texts(item, "requires") {
                // Another version of the item itself must not come into its catalog.
                if found.contains_key(reference) || *own == split(reference).0 {
                    continue;
                }
                let matching = self.matching(reference, item);
                if matching.is_empty() {
                    let part = |name: &str| item[name].as_str().unwrap_or_default();
                    let by = format!("{} {}", part("name"), part("version"));
                    missing.push(Missing { reference: reference.to_owned(), by });
                }
                open.extend(&matching);
                found.insert(reference, matching);
            }
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        // Two references may mean one item.
        let mut required: Vec<&Value> = Vec::new();
        for item in found.into_values().flatten() {
            if !required.iter().any(|known| std::ptr::eq(*known, item)) {
                required.push(item);
            }
        }
        Ok(required)
    }

    fn matching<'i>(&'i self, reference: &str, by: &Value) -> Vec<&'i Value> {
        let (name, version) = split(reference);
        let named: Vec<&Value> = self
            .0
            .iter()
            .filter(|item| item["name"] == name && version.is_none_or(|version| item["version"] == version))
            .filter(|item| item["notes"].as_str() != Some(super::NOTE))
            .collect();
        let catalogs: BTreeSet<&str> = texts(by, "catalogs").collect();
        let beside: Vec<&Value> =
            named.iter().copied().filter(|item| texts(item, "catalogs").any(|it| catalogs.contains(it))).collect();
        let items = if beside.is_empty() { named } else { beside };
        let mut newest: BTreeMap<String, &Value> = BTreeMap::new();
        for item in items {
            let known = newest.entry(conditions(item)).or_insert(item);
            if number(known) < number(item) {
                *known = item;
            }
        }
        newest.into_values().collect()
    }
}

/// For which Macs an item is, as one text.
pub(super) fn conditions(item: &Value) -> String {
    const KEYS: [&str; 4] =
        ["installable_condition", "maximum_os_version", "minimum_os_version", "supported_architectures"];
    KEYS.map(|key| item[key].to_string()).join(" ")
}

/// A reference as Munki reads it: a name, or a name and a version that begins with a digit, after one hyphen or two.
pub(crate) fn split(reference: &str) -> (&str, Option<&str>) {
    let mut parted = ["--", "-"].into_iter().filter_map(|hyphen| reference.rsplit_once(hyphen));
    match parted.find(|(_, version)| version.starts_with(|first: char| first.is_ascii_digit())) {
        Some((name, version)) => (name, Some(version)),
        None => (reference, None),
    }
}

fn number(item: &Value) -> Option<Version> {
    Version::parse(Scheme::Generic, item["version"].as_str()?).ok()
}

fn texts<'v>(item: &'v Value, key: &str) -> impl Iterator<Item = &'v str> {
    item[key].as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_may_have_a_version() {
        for (reference, name, version) in [
            ("Rosetta", "Rosetta", None),
            ("Helper-2.0", "Helper", Some("2.0")),
            ("Helper-Tool--2.0-beta", "Helper-Tool", Some("2.0-beta")),
            ("Remote-Control", "Remote-Control", None),
            ("Office-16.80-Home", "Office-16.80-Home", None),
        ] {
            assert_eq!(split(reference), (name, version), "{reference}");
        }
    }
}
