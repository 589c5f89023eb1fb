//! The files of a Munki repository.

use super::{
    super::{File, Imported},
    predicate, texts, wall,
};
use crate::targets::{munki::NOTE, plist};
use jiff::civil;
use refit_model::{Scheme, Version};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The items and manifests of a repository.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// Items, by the order of files.
    pub items: Vec<Item>,
    /// Items by catalog.
    catalogs: BTreeMap<String, Vec<usize>>,
    /// Manifests by name.
    pub manifests: BTreeMap<String, Manifest>,
}

/// A manifest.
#[derive(Debug)]
pub(super) struct Manifest {
    pub fields: Value,
}

/// An item.
#[derive(Debug)]
pub(super) struct Item {
    pub name: String,
    pub version: String,
    pub fields: Value,
    /// Where it stands.
    pub from: String,
}

/// The catalog that has what all have.
const ALL: &str = "all";

/// Keys of items that policies have no say about: what an item is, how it is installed, and what people see of it. They stay in the
/// repository.
const STAYS: [&str; 57] = [
    "_metadata",
    "apple_item",
    "blocking_applications",
    "catalogs",
    "category",
    "copy_local",
    "description",
    "developer",
    "display_name",
    "force_install_after_date",
    "forced_install",
    "forced_uninstall",
    "icon_hash",
    "icon_name",
    "installable_condition",
    "installcheck_script",
    "installed_size",
    "installer_choices_xml",
    "installer_environment",
    "installer_item_hash",
    "installer_item_location",
    "installer_item_size",
    "installer_type",
    "installs",
    "items_to_copy",
    "items_to_remove",
    "licensed_seat_info_available",
    "localized_strings",
    "maximum_os_version",
    "minimum_os_version",
    "name",
    "notes",
    "package_complete_url",
    "package_path",
    "payloads",
    "postinstall_script",
    "postuninstall_script",
    "precache",
    "preinstall_alert",
    "preinstall_script",
    "preuninstall_alert",
    "preuninstall_script",
    "preupgrade_alert",
    "receipts",
    "requires",
    "RestartAction",
    "supported_architectures",
    "suppress_bundle_relocation",
    "unattended_install",
    "unattended_uninstall",
    "uninstall_method",
    "uninstall_script",
    "uninstallable",
    "uninstallcheck_script",
    "update_for",
    "version",
    "version_script",
];

impl Item {
    /// The moment at which it is forced, on the Mac's own clock.
    pub fn date(&self) -> Option<civil::DateTime> {
        wall(&self.fields["force_install_after_date"])
    }

    /// On which Macs it can be installed. Where that can't be said, the key that is in the way, and why.
    pub fn conditions(&self) -> Result<Vec<String>, (&'static str, String)> {
        let mut conditions = Vec::new();
        for (key, sign) in [("minimum_os_version", ">="), ("maximum_os_version", "<=")] {
            match self.fields[key].as_str() {
                None | Some("") => {}
                Some(version) if Version::parse(Scheme::Apple, version).is_ok() => {
                    conditions.push(format!("device.os_version {sign} \"{version}\""));
                }
                Some(version) => return Err((key, format!("`{version}` is no version of macOS"))),
            }
        }
        let processors = texts(&self.fields, "supported_architectures");
        let known: BTreeSet<&str> = processors
            .iter()
            .filter_map(|processor| match processor.as_str() {
                "arm64" => Some("arm64"),
                "x86_64" => Some("amd64"),
                _ => None,
            })
            .collect();
        match known.len() {
            0 if processors.is_empty() => {}
            0 => return Err(("supported_architectures", format!("no Mac has {}", processors.join(", ")))),
            1 => conditions.extend(known.iter().map(|processor| format!("device.arch == \"{processor}\""))),
            _ => {}
        }
        if let Some(text) = self.fields["installable_condition"].as_str().filter(|text| !text.is_empty()) {
            conditions.push(predicate::condition(text).map_err(|why| ("installable_condition", why))?);
        }
        Ok(conditions)
    }

    /// What it says that the documents do not.
    pub fn unsaid(&self) -> Vec<(&str, &'static str)> {
        let Value::Object(entries) = &self.fields else { return Vec::new() };
        let keys = entries.keys().map(String::as_str).filter(|key| !STAYS.contains(key));
        let mut unsaid: Vec<(&str, &str)> = keys
            .map(|key| {
                let why = match key {
                    "OnDemand" => "it is run whenever somebody asks for it: a policy says what has to be",
                    "autoremove" => {
                        "Munki removes it where no manifest names it any more: write `presence: forbidden` for them"
                    }
                    "minimum_munki_version" | "minimum_update_version" => "it is taken for fulfilled",
                    "unused_software_removal_info" => "that software is unused is not known",
                    "allow_untrusted" | "uninstaller_item_location" => "it stays in the repository",
                    _ => "it is not known what this does",
                };
                (key, why)
            })
            .collect();
        match self.fields["RestartAction"].as_str() {
            None | Some("None" | "RequireRestart") => {}
            Some("RecommendRestart") => unsaid.push(("RestartAction", "a restart that is recommended is asked for")),
            Some("RequireLogout") => {
                unsaid.push(("RestartAction", "no policy asks people to log out: the item itself does so"))
            }
            Some(_) => unsaid.push(("RestartAction", "no policy switches a Mac off: the item itself does so")),
        }
        unsaid
    }

    fn number(&self) -> Option<Version> {
        Version::parse(Scheme::Generic, &self.version).ok()
    }
}

impl Repository {
    /// Reads files by their paths: `catalogs/NAME`, `manifests/NAME`, and `pkgsinfo/…` where there are no catalogs.
    pub fn read(files: &[File], imported: &mut Imported) -> Repository {
        let mut repository = Repository::default();
        let is_catalog = |path: &str| path.strip_prefix("catalogs/").is_some_and(|name| name != ALL);
        let has_catalogs = files.iter().any(|file| is_catalog(&file.path));
        for File { path, text } in files {
            let manifest = path.strip_prefix("manifests/");
            let item = path.starts_with("pkgsinfo/") && !has_catalogs;
            if manifest.is_none() && !item && !is_catalog(path) {
                continue;
            }
            let fields = match plist::read(text) {
                Ok(fields) => fields,
                Err(error) => {
                    imported.leave_out(path, "", format!("it is no property list in XML: {error}"));
                    continue;
                }
            };
            match (manifest, path.strip_prefix("catalogs/"), fields) {
                (Some(name), _, fields @ Value::Object(_)) => {
                    repository.manifests.insert(name.to_owned(), Manifest { fields });
                }
                (None, Some(catalog), Value::Array(items)) => {
                    repository.catalogs.entry(catalog.to_owned()).or_default();
                    for fields in items {
                        repository.item(fields, path, &[catalog.to_owned()], imported);
                    }
                }
                (None, None, fields @ Value::Object(_)) => {
                    let catalogs = texts(&fields, "catalogs");
                    repository.item(fields, path, &catalogs, imported);
                }
                _ => imported.leave_out(path, "", "it is a property list of something else"),
            }
        }
        repository
    }

    fn item(&mut self, fields: Value, path: &str, catalogs: &[String], imported: &mut Imported) {
        let part = |key: &str| fields[key].as_str().map(str::to_owned);
        let (Some(name), Some(version)) = (part("name"), part("version")) else {
            return imported.leave_out(path, "", "an item has no name or no version: Munki passes it over");
        };
        // What Refit wrote there goes by a policy already.
        if fields["notes"].as_str() == Some(NOTE) {
            return;
        }
        let from = if path.starts_with("catalogs/") { format!("{path}: {name} {version}") } else { path.to_owned() };
        if !fields["force_install_after_date"].is_null() && wall(&fields["force_install_after_date"]).is_none() {
            imported.leave_out(&from, "force_install_after_date", "it is no date");
        }
        for catalog in catalogs.iter().filter(|catalog| *catalog != ALL) {
            self.catalogs.entry(catalog.clone()).or_default().push(self.items.len());
        }
        self.catalogs.entry(ALL.to_owned()).or_default().push(self.items.len());
        self.items.push(Item { name, version, fields, from });
    }

    /// Those of some catalogs that are not there, or could not be read.
    pub fn missing<'c>(&self, catalogs: &'c [String]) -> Vec<&'c str> {
        catalogs.iter().map(String::as_str).filter(|catalog| !self.catalogs.contains_key(*catalog)).collect()
    }

    /// The items that a reference may mean: catalog by catalog, the newest of each first.
    pub fn offered<'r>(
        &'r self,
        name: &'r str,
        version: Option<&'r str>,
        catalogs: &'r [String],
    ) -> impl Iterator<Item = &'r Item> + use<'r> {
        catalogs.iter().flat_map(move |catalog| {
            let numbers = self.catalogs.get(catalog).into_iter().flatten();
            let mut items: Vec<&Item> = numbers
                .filter_map(|number| self.items.get(*number))
                .filter(|item| item.name == name && version.is_none_or(|version| item.version == version))
                .collect();
            items.sort_by_key(|item| std::cmp::Reverse(item.number()));
            items
        })
    }

    /// The name of an item for people, by its newest version.
    pub fn display_name<'r>(&'r self, name: &'r str) -> &'r str {
        let items = self.items.iter().filter(|item| item.name == name);
        let newest = items.max_by_key(|item| item.number());
        newest.and_then(|item| item.fields["display_name"].as_str()).filter(|shown| !shown.is_empty()).unwrap_or(name)
    }

    /// Manifests that may be a Mac's own: those that no other includes, and `site_default`. Refit's own are no configuration of Munki's.
    pub fn own_manifests(&self) -> Vec<String> {
        let mut included = BTreeSet::new();
        let mut open: Vec<&Value> = self.manifests.values().map(|manifest| &manifest.fields).collect();
        while let Some(fields) = open.pop() {
            included.extend(texts(fields, "included_manifests"));
            open.extend(fields["conditional_items"].as_array().into_iter().flatten());
        }
        let own = |name: &&String| {
            (*name == "site_default" || !included.contains(*name)) && !name.starts_with(&format!("{}/", crate::MARKER))
        };
        self.manifests.keys().filter(own).cloned().collect()
    }
}
