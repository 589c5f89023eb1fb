//! What Apple offers: the answer of its lookup service (`https://gdmf.apple.com/v2/pmv`), as it is or as SOFA keeps it.
//!
//! A declaration of a version that is not listed schedules nothing, and one that has expired never will.

use jiff::civil::Date;
use serde::Deserialize;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Apple's releases by platform, as Refit calls platforms.
#[derive(Clone, Debug, Default)]
pub struct Versions {
    releases: BTreeMap<SmolStr, Vec<Release>>,
}

/// One release, as Apple offers it.
#[derive(Clone, Debug)]
struct Release {
    version: SmolStr,
    posted: Date,
    expires: Option<Date>,
    models: BTreeSet<SmolStr>,
}

/// Whether a version is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is.
    Offered,
    /// Not any more, since this day.
    Expired(Date),
    /// It is not listed; the newest that is, where there is one.
    Unlisted(Option<SmolStr>),
}

/// Why a text is not the answer of Apple's lookup service.
#[derive(Debug, thiserror::Error)]
#[error("this is no list of Apple's versions (https://gdmf.apple.com/v2/pmv, or SOFA's copy of it): {0}")]
pub struct VersionsError(String);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lists {
    #[serde(default)]
    public_asset_sets: BTreeMap<String, Vec<Asset>>,
    #[serde(default)]
    asset_sets: BTreeMap<String, Vec<Asset>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asset {
    product_version: String,
    posting_date: String,
    expiration_date: Option<String>,
    #[serde(default)]
    supported_devices: Vec<String>,
}

#[derive(Deserialize)]
struct Kept {
    data: Lists,
}

impl Versions {
    /// Reads the answer.
    pub fn parse(text: &str) -> Result<Versions, VersionsError> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| VersionsError(error.to_string()))?;
        let lists = if value.get("data").is_some() {
            serde_json::from_value::<Kept>(value).map(|kept| kept.data)
        } else {
            serde_json::from_value::<Lists>(value)
        };
        let lists = lists.map_err(|error| VersionsError(error.to_string()))?;
        let mut versions = Versions::default();
        for (name, assets) in lists.public_asset_sets.into_iter().chain(lists.asset_sets) {
            for asset in assets {
                let day = |text: &str| text.parse::<Date>().map_err(|error| VersionsError(error.to_string()));
                let release = Release {
                    version: asset.product_version.as_str().into(),
                    posted: day(&asset.posting_date)?,
                    expires: asset.expiration_date.as_deref().map(day).transpose()?,
                    models: asset.supported_devices.iter().map(SmolStr::from).collect(),
                };
                for platform in platforms(&name) {
                    versions.releases.entry((*platform).into()).or_default().push(release.clone());
                }
            }
        }
        if versions.releases.is_empty() {
            return Err(VersionsError("it has no `PublicAssetSets` and no `AssetSets` of a platform".to_owned()));
        }
        Ok(versions)
    }

    /// Whether a version is offered on `day` to anybody.
    pub fn find(&self, platform: &str, version: &str, day: Date) -> Found {
        let list = self.releases.get(platform).map(Vec::as_slice).unwrap_or_default();
        let of_version = list.iter().filter(|release| release.version == version);
        if of_version.clone().any(|release| release.is_offered(day)) {
            return Found::Offered;
        }
        if let Some(ended) = of_version.filter_map(|release| release.expires.filter(|end| *end <= day)).max() {
            return Found::Expired(ended);
        }
        let newest =
            list.iter().filter(|release| release.is_offered(day)).max_by_key(|release| numbers(&release.version));
        Found::Unlisted(newest.map(|release| release.version.clone()))
    }

    /// Whether a version is offered for a model; `None` where Apple lists no such model, so that nobody knows.
    pub fn supports(&self, platform: &str, version: &str, model: &str) -> Option<bool> {
        let list = self.releases.get(platform)?;
        let named = |release: &&Release| release.models.contains(model);
        list.iter().find(named)?;
        Some(list.iter().filter(named).any(|release| release.version == version))
    }
}

impl Release {
    fn is_offered(&self, day: Date) -> bool {
        self.posted <= day && self.expires.is_none_or(|end| day < end)
    }
}

/// What Refit calls the platforms of one of Apple's lists: that of `iOS` holds iPads too.
fn platforms(list: &str) -> &'static [&'static str] {
    match list {
        "macOS" => &["macos"],
        "iOS" => &["ios", "ipados"],
        _ => &[],
    }
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cut from Apple's answer of 2026-08-22.
    const KEPT: &str = r#"{"etag": "x", "data": {"PublicAssetSets": {"macOS": [
        {"ProductVersion": "26.6.2", "Build": "25G83", "PostingDate": "2026-08-17", "ExpirationDate": "2026-11-20",
         "SupportedDevices": ["J152FAP", "J314sAP"]}]}, "AssetSets": {"macOS": [
        {"ProductVersion": "26.5", "Build": "25F71", "PostingDate": "2026-05-18", "ExpirationDate": "2026-08-30",
         "SupportedDevices": ["J152FAP"]},
        {"ProductVersion": "15.7.9", "Build": "24G830", "PostingDate": "2026-08-06", "ExpirationDate": "2026-11-20",
         "SupportedDevices": ["J680AP"]}]}}}"#;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_version_is_offered_from_its_posting_to_its_end() {
        let versions = Versions::parse(KEPT).unwrap();
        assert_eq!(versions.find("macos", "26.5", day("2026-08-29")), Found::Offered);
        assert_eq!(versions.find("macos", "26.5", day("2026-08-30")), Found::Expired(day("2026-08-30")));
        let newest = Some("26.6.2".into());
        assert_eq!(versions.find("macos", "26.4", day("2026-08-22")), Found::Unlisted(newest));
        assert_eq!(versions.find("ios", "26.6", day("2026-08-22")), Found::Unlisted(None));
    }

    #[test]
    fn a_model_that_apple_does_not_list_is_unknown() {
        let versions = Versions::parse(KEPT).unwrap();
        assert_eq!(versions.supports("macos", "26.6.2", "J152FAP"), Some(true));
        assert_eq!(versions.supports("macos", "26.6.2", "J680AP"), Some(false));
        assert_eq!(versions.supports("macos", "26.6.2", "MacBook Pro"), None);
    }

    #[test]
    fn what_is_no_such_list_is_refused() {
        for text in ["", "[]", "{}", r#"{"data": {}}"#, r#"{"AssetSets": {"macOS": [{"ProductVersion": "1"}]}}"#] {
            assert!(Versions::parse(text).is_err(), "{text}");
        }
    }
}
