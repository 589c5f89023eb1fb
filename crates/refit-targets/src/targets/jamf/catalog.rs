//! What a Jamf Pro server can install: patch titles with their definitions and packages, the App Catalog, releases of macOS.

use serde::Deserialize;
use std::collections::BTreeMap;

/// What a server can install.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// Patch titles that are configured, by what they are called.
    pub titles: BTreeMap<String, PatchTitle>,
    /// What the App Catalog has, by what it is called.
    pub apps: BTreeMap<String, App>,
    /// The releases of macOS that can be planned.
    pub macos: Vec<String>,
}

/// A patch title that is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchTitle {
    /// The id of its configuration.
    pub id: String,
    /// The versions that it has definitions of, with the name of the package where one is assigned.
    pub versions: BTreeMap<String, Option<String>>,
}

/// An app of the App Catalog, which has one version of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct App {
    /// Its id there.
    pub id: String,
    /// The version that it has.
    pub version: String,
}

/// A patch software title configuration, as `/v2/patch-software-title-configurations` has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Configuration {
    pub id: String,
    #[serde(default)]
    display_name: String,
    #[serde(default)]
    software_title_name: String,
    #[serde(default)]
    packages: Vec<Package>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Package {
    version: String,
    #[serde(default)]
    display_name: String,
}

/// What is missing for a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it is.
    pub what: String,
    /// Who has to bring it, where that is nobody of the organisation's.
    pub owner: Option<&'static str>,
}

impl Catalog {
    /// Adds a patch title with the versions that it has definitions of.
    pub(super) fn title(&mut self, configuration: Configuration, definitions: impl Iterator<Item = String>) {
        let Configuration { id, display_name, software_title_name, packages } = configuration;
        let mut versions: BTreeMap<String, Option<String>> = definitions.map(|version| (version, None)).collect();
        for Package { version, display_name } in packages {
            versions.insert(version, Some(display_name));
        }
        let title = PatchTitle { id, versions };
        // People may call it otherwise; what the patch source calls it stays.
        self.titles.insert(software_title_name, title.clone());
        self.titles.insert(display_name, title);
    }

    /// The id of the configuration of a patch title that has a package of a version.
    pub fn patch(&self, names: &[String], version: &str) -> Result<&str, Missing> {
        let named = names.join("” or “");
        let found = names.iter().find_map(|name| Some((name, self.titles.get(name)?)));
        let Some((name, title)) = found else {
            let what = format!("no patch title “{named}” is configured (Computers, Patch Management)");
            return Err(Missing { what, owner: None });
        };
        match title.versions.get(version) {
            None => Err(Missing {
                what: format!("the patch title “{name}” has no definition of {version}"),
                owner: Some("Jamf, or whoever keeps the patch source"),
            }),
            Some(None) => Err(Missing {
                what: format!("no package is assigned to {version} of the patch title “{name}”"),
                owner: None,
            }),
            Some(Some(_)) => Ok(&title.id),
        }
    }

    /// The id of an app of which the App Catalog has a version.
    pub fn app(&self, names: &[String], version: &str) -> Result<&str, Missing> {
        const JAMF: Option<&str> = Some("Jamf; a patch policy with a package of your own can have it");
        let found = names.iter().find_map(|name| Some((name, self.apps.get(name)?)));
        match found {
            None => {
                Err(Missing { what: format!("the App Catalog has no “{}”", names.join("” or “")), owner: JAMF })
            }
            Some((name, app)) if app.version != version => Err(Missing {
                what: format!("the App Catalog has “{name}” in {} alone, and not in {version}", app.version),
                owner: JAMF,
            }),
            Some((_, app)) => Ok(&app.id),
        }
    }

    /// Whether a release of macOS can be planned.
    pub fn macos(&self, version: &str) -> Result<(), Missing> {
        if self.macos.iter().any(|known| known == version) {
            return Ok(());
        }
        let what = format!("macOS {version} is not among the updates that can be planned");
        Err(Missing { what, owner: Some("Apple; whoever owns the policy may admit another release") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let configuration = r#"{ "id": "7", "displayName": "Chrome (IT)", "softwareTitleName": "Google Chrome",
                                 "packages": [{ "packageId": "3", "version": "131.0", "displayName": "Chrome.pkg" }] }"#;
        let mut catalog = Catalog { macos: vec!["26.1".to_owned()], ..Catalog::default() };
        let versions = ["131.0", "132.0"].map(str::to_owned);
        catalog.title(serde_json::from_str(configuration).unwrap(), versions.into_iter());
        catalog.apps.insert("Slack".to_owned(), App { id: "0AB".to_owned(), version: "4.41".to_owned() });
        catalog
    }

    #[test]
    fn what_is_missing_is_said_with_who_has_to_bring_it() {
        let catalog = catalog();
        let names = |name: &str| [name.to_owned()];
        assert_eq!(catalog.patch(&names("Google Chrome"), "131.0"), Ok("7"));
        assert_eq!(catalog.patch(&names("Chrome (IT)"), "131.0"), Ok("7"));
        let told = |missing: Missing| (missing.what, missing.owner.is_some());
        assert_eq!(
            told(catalog.patch(&names("Google Chrome"), "132.0").unwrap_err()),
            ("no package is assigned to 132.0 of the patch title “Google Chrome”".to_owned(), false)
        );
        assert!(told(catalog.patch(&names("Google Chrome"), "133.0").unwrap_err()).1);
        assert!(catalog.patch(&names("Firefox"), "133.0").unwrap_err().what.contains("“Firefox” is configured"));
        assert_eq!(catalog.app(&names("Slack"), "4.41"), Ok("0AB"));
        for (name, version) in [("Slack", "4.40"), ("Zoom", "6.0")] {
            assert!(catalog.app(&names(name), version).unwrap_err().owner.is_some());
        }
        assert!(catalog.macos("26.1").is_ok() && catalog.macos("26.0").is_err());
    }
}
