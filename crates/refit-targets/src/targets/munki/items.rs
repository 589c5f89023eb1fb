//! What is in a Munki repository: its catalog `all`.

use crate::targets::plist;
use serde_json::Value;

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
}
