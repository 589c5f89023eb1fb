//! What a device reports: status items of Apple's declarative protocol (`StatusReport`), as far as they speak of updates.
//!
//! A report holds what has changed since the last one, and a full one all that there is. It becomes facts of the device, which stand until the
//! device says otherwise; they are kept beside what an agent or an inventory says, and never in its place.

use super::declarations::{PLATFORMS, Platform};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The source of what devices report so.
pub const SOURCE: &str = "apple-declarative";

/// The longest text, in bytes.
const TEXT_LONGEST: usize = 1_024;
/// How many of the declarations, status items and reasons of a report are kept.
const LISTED_MOST: usize = 100;
/// How many characters of each of them are kept.
const TEXT_MOST: usize = 256;

/// Where a report has dictionaries. serde would take a list for one.
const DICTIONARIES: [&str; 15] = [
    "",
    "/StatusItems",
    "/StatusItems/device",
    "/StatusItems/device/identifier",
    "/StatusItems/device/model",
    "/StatusItems/device/operating-system",
    "/StatusItems/device/operating-system/supplemental",
    "/StatusItems/softwareupdate",
    "/StatusItems/softwareupdate/install-reason",
    "/StatusItems/softwareupdate/pending-version",
    "/StatusItems/softwareupdate/failure-reason",
    "/StatusItems/management",
    "/StatusItems/management/declarations",
    "/StatusItems/management/client-capabilities",
    "/StatusItems/mdm",
];

/// One report.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Report {
    status_items: Items,
    #[serde(default)]
    errors: Vec<ItemError>,
    #[serde(default)]
    full_report: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Items {
    device: Device,
    softwareupdate: Update,
    management: Management,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Device {
    identifier: Identifier,
    model: Model,
    operating_system: System,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Identifier {
    serial_number: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Model {
    family: Option<String>,
    identifier: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct System {
    version: Option<String>,
    build_version: Option<String>,
    supplemental: Supplemental,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Supplemental {
    build_version: Option<String>,
    extra_version: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Update {
    install_state: Option<String>,
    install_reason: Option<InstallReason>,
    pending_version: Option<PendingVersion>,
    failure_reason: Option<FailureReason>,
    device_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct InstallReason {
    declaration_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct PendingVersion {
    os_version: String,
}

#[derive(Clone, Debug, Deserialize)]
struct FailureReason {
    count: u64,
    reason: Option<String>,
    timestamp: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Management {
    /// By category: `activations`, `configurations`…
    declarations: Option<BTreeMap<String, Vec<Processed>>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Processed {
    identifier: String,
    valid: String,
    #[serde(default)]
    reasons: Vec<Reason>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ItemError {
    status_item: String,
    #[serde(default)]
    reasons: Vec<Reason>,
}

#[derive(Clone, Debug, Deserialize)]
struct Reason {
    #[serde(alias = "Code")]
    code: String,
}

/// A failure of the update that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// How often it has failed.
    pub count: u64,
    /// What the device says of it.
    pub reason: Option<String>,
    /// When it failed last; `None` where the device does not say, or says no time.
    pub at: Option<Timestamp>,
    /// The version that was to come, where this report says it.
    pub version: Option<String>,
}

/// Why a text is no status report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(serde_json::Error),
    /// It is not what Apple's protocol has.
    #[error("it is no status report: {0}")]
    Shape(String),
}

impl Report {
    /// Reads a report. Items that say nothing of updates are passed over.
    pub fn read(text: &[u8]) -> Result<Report, ReportError> {
        let report: Value = serde_json::from_slice(text).map_err(ReportError::Json)?;
        for path in DICTIONARIES {
            if report.pointer(path).is_some_and(|value| !value.is_object()) {
                let place = if path.is_empty() { "the body" } else { path };
                return Err(ReportError::Shape(format!("{place} is no dictionary")));
            }
        }
        let report: Report = serde_json::from_value(report).map_err(|error| ReportError::Shape(error.to_string()))?;
        let long = report.texts().find(|text| text.len() > TEXT_LONGEST);
        let long: Option<String> = long.map(|text| text.chars().take(40).collect());
        match long {
            Some(begin) => Err(ReportError::Shape(format!("a text is longer than {TEXT_LONGEST} bytes: {begin}…"))),
            None => Ok(report),
        }
    }

    /// What is kept of the texts.
    fn texts(&self) -> impl Iterator<Item = &String> {
        let Items { device, softwareupdate: update, .. } = &self.status_items;
        let (model, system) = (&device.model, &device.operating_system);
        let said = [
            device.identifier.serial_number.as_ref(),
            model.family.as_ref(),
            model.identifier.as_ref(),
            system.version.as_ref(),
            system.build_version.as_ref(),
            system.supplemental.build_version.as_ref(),
            system.supplemental.extra_version.as_ref(),
            update.install_state.as_ref(),
            update.pending_version.as_ref().map(|pending| &pending.os_version),
            update.failure_reason.as_ref().and_then(|failure| failure.reason.as_ref()),
            update.device_id.as_ref(),
        ];
        said.into_iter().flatten()
    }

    /// The serial number that the device says it has.
    pub fn serial(&self) -> Option<&str> {
        self.status_items.device.identifier.serial_number.as_deref().filter(|serial| !serial.is_empty())
    }

    /// The platform, by the family of the model.
    pub fn platform(&self) -> Option<Platform> {
        let family = self.status_items.device.model.family.as_deref()?;
        PLATFORMS.into_iter().find(|platform| platform.family == family)
    }

    /// The version that runs, with its supplement where there is one: `13.3.1`, `13.3.1 (a)`. A report may speak of the one without the
    /// other: `before` is what ran by then.
    pub fn version(&self, before: Option<&str>) -> Option<String> {
        let System { version, supplemental, .. } = &self.status_items.device.operating_system;
        let base = |text: &str| text.split(" (").next().unwrap_or_default().to_owned();
        match (version.as_deref().filter(|version| !version.is_empty()), supplemental.extra_version.as_deref()) {
            (None, None) => None,
            (Some(version), None) => {
                // That the same runs says nothing of the supplement.
                Some(before.filter(|before| base(before) == version).unwrap_or(version).to_owned())
            }
            (version, Some(extra)) => {
                let version = version.map(str::to_owned).or_else(|| before.map(base))?;
                let letter = extra.trim_matches(['(', ')', ' ']);
                Some(if letter.is_empty() { version } else { format!("{version} ({letter})") })
            }
        }
    }

    /// The failure of the update that waits; `None` where there is none, or this report does not speak of it.
    pub fn failure(&self) -> Option<Failure> {
        let said = self.status_items.softwareupdate.failure_reason.as_ref().filter(|failure| failure.count > 0)?;
        Some(Failure {
            count: said.count,
            reason: said.reason.clone(),
            at: said.timestamp.as_ref().and_then(|at| at.parse().ok()),
            version: self.pending().flatten().map(str::to_owned),
        })
    }

    /// The version that waits, where the report speaks of it: that none does is said with an empty text.
    fn pending(&self) -> Option<Option<&str>> {
        let pending = self.status_items.softwareupdate.pending_version.as_ref()?;
        Some(Some(pending.os_version.as_str()).filter(|version| !version.is_empty()))
    }

    /// Facts by field; `None` is: no longer said. What is not named is as before. `before` is the version that ran by then.
    pub fn facts(&self, before: Option<&str>) -> BTreeMap<&'static str, Option<String>> {
        let Items { device, softwareupdate: update, .. } = &self.status_items;
        let Device { model, operating_system: system, .. } = device;
        let platform = self.platform().map(|platform| platform.name.to_owned());
        let supplement = system.supplemental.build_version.clone().filter(|build| !build.is_empty());
        let failure = update.failure_reason.as_ref().map(|failure| match failure.count {
            0 => None,
            count => Some(failure.reason.clone().unwrap_or_else(|| format!("it failed {count} times"))),
        });
        let said: [(&'static str, Option<Option<String>>); 9] = [
            ("device.platform", platform.clone().map(Some)),
            ("device.os", platform.map(Some)),
            ("device.os_version", self.version(before).map(Some)),
            ("device.os_build", supplement.or_else(|| system.build_version.clone()).map(Some)),
            ("device.model", model.identifier.clone().map(Some)),
            ("device.board", update.device_id.clone().map(Some)),
            ("device.update_state", update.install_state.clone().map(Some)),
            ("device.update_pending", self.pending().map(|version| version.map(str::to_owned))),
            ("device.update_failure", failure),
        ];
        // A full report says all that there is.
        let said = said.into_iter().filter_map(|(field, said)| match said {
            None if self.full_report => Some((field, None)),
            said => Some((field, said?.filter(|text| !text.is_empty()))),
        });
        said.collect()
    }

    /// The declaration that asked for the update that waits, where this report says it.
    pub fn asked_by(&self) -> Option<&str> {
        self.status_items.softwareupdate.install_reason.as_ref()?.declaration_id.as_deref().map(cut)
    }

    /// Declarations that do not count on the device, each with the codes of the reasons; `None` where this report does not speak of
    /// declarations.
    pub fn refused(&self) -> Option<BTreeMap<String, Vec<String>>> {
        let declarations = self.status_items.management.declarations.as_ref()?;
        let invalid =
            declarations.values().flatten().filter(|processed| processed.valid == "invalid").take(LISTED_MOST);
        Some(invalid.map(|it| (cut(&it.identifier).to_owned(), codes(&it.reasons))).collect())
    }

    /// Status items that the device can't report, each with the codes of the reasons.
    pub fn errors(&self) -> BTreeMap<String, Vec<String>> {
        let errors = self.errors.iter().take(LISTED_MOST);
        errors.map(|error| (cut(&error.status_item).to_owned(), codes(&error.reasons))).collect()
    }
}

fn codes(reasons: &[Reason]) -> Vec<String> {
    reasons.iter().take(LISTED_MOST).map(|reason| cut(&reason.code).to_owned()).collect()
}

/// The beginning of a text of a device.
fn cut(text: &str) -> &str {
    text.char_indices().nth(TEXT_MOST).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(report: &Value) -> Report {
        Report::read(report.to_string().as_bytes()).unwrap()
    }

    fn text(facts: &BTreeMap<&'static str, Option<String>>) -> Vec<String> {
        facts.iter().map(|(field, value)| format!("{field}={}", value.as_deref().unwrap_or("-"))).collect()
    }

    #[test]
    fn of_long_lists_and_texts_the_beginning_is_kept() {
        assert_eq!((cut("abc"), cut(&"é".repeat(300))), ("abc", "é".repeat(256).as_str()));
        let reasons: Vec<Reason> = (0..200).map(|n| Reason { code: n.to_string() }).collect();
        assert_eq!(codes(&reasons).len(), LISTED_MOST);
    }

    #[test]
    fn a_report_says_what_has_changed_and_nothing_of_the_rest() {
        let first = read(&json!({ "Errors": [], "StatusItems": {
            "device": {
                "identifier": { "serial-number": "C02XK1" },
                "model": { "family": "Mac", "identifier": "Macmini9,1" },
                "operating-system": {
                    "version": "13.3.1", "build-version": "22E261",
                    "supplemental": { "extra-version": "(a)", "build-version": "22E772610a" },
                },
            },
            "softwareupdate": { "install-state": "none", "failure-reason": { "count": 0 }, "device-id": "J274AP" },
        }}));
        assert_eq!((first.serial(), first.failure()), (Some("C02XK1"), None));
        assert_eq!(
            text(&first.facts(None)),
            [
                "device.board=J274AP",
                "device.model=Macmini9,1",
                "device.os=macos",
                "device.os_build=22E772610a",
                "device.os_version=13.3.1 (a)",
                "device.platform=macos",
                "device.update_failure=-",
                "device.update_state=none",
            ]
        );
        let second = read(&json!({ "StatusItems": { "softwareupdate": {
            "install-state": "failed",
            "install-reason": { "reason": ["declaration"], "declaration-id": "refit.enforce.macos.rest.20261130T180000.1a2b3c4d" },
            "pending-version": { "os-version": "13.4", "build-version": "22F66" },
            "failure-reason": { "count": 2, "reason": "battery too low", "timestamp": "2026-11-30T18:00:00Z" },
        }}}));
        assert_eq!(
            text(&second.facts(Some("13.3.1 (a)"))),
            ["device.update_failure=battery too low", "device.update_pending=13.4", "device.update_state=failed"]
        );
        let failure = second.failure().unwrap();
        assert_eq!((failure.count, failure.version.as_deref()), (2, Some("13.4")));
        assert_eq!(failure.at, Some("2026-11-30T18:00:00Z".parse().unwrap()));
        assert!(second.asked_by().is_some_and(|id| id.starts_with("refit.enforce.")));
    }

    #[test]
    fn a_full_report_takes_back_what_it_does_not_say() {
        let full = read(&json!({ "FullReport": true, "Errors": [], "StatusItems": {
            "device": { "operating-system": { "version": "26.1" } }
        }}));
        let facts = full.facts(Some("26.0"));
        assert_eq!(facts["device.os_version"].as_deref(), Some("26.1"));
        assert_eq!((facts.len(), facts["device.update_state"].as_deref()), (9, None));
    }

    #[test]
    fn a_version_and_its_supplement_may_be_told_apart() {
        let version = |system: Value, before: Option<&str>| {
            read(&json!({ "StatusItems": { "device": { "operating-system": system } } })).version(before)
        };
        let supplement = |extra: &str| json!({ "supplemental": { "extra-version": extra } });
        for (system, before, expected) in [
            (supplement("(b)"), Some("13.3.1 (a)"), Some("13.3.1 (b)")),
            (supplement("b"), Some("13.3.1"), Some("13.3.1 (b)")),
            (supplement(""), Some("13.3.1 (a)"), Some("13.3.1")),
            (supplement("(a)"), None, None),
            (json!({ "version": "13.3.1" }), Some("13.3.1 (a)"), Some("13.3.1 (a)")),
            (json!({ "version": "13.4" }), Some("13.3.1 (a)"), Some("13.4")),
            (json!({ "version": "13.4", "supplemental": { "extra-version": "" } }), Some("13.3"), Some("13.4")),
            (json!({ "build-version": "22F66" }), Some("13.4"), None),
        ] {
            assert_eq!(version(system.clone(), before).as_deref(), expected, "{system} {before:?}");
        }
    }

    #[test]
    fn declarations_that_do_not_count_and_items_that_cannot_be_told_are_told() {
        let report = read(&json!({
            "Errors": [{ "StatusItem": "softwareupdate.device-id", "Reasons": [{ "Code": "Error.UnsupportedStatus" }] }],
            "StatusItems": { "management": { "declarations": {
                "activations": [{ "active": true, "identifier": "refit.activate.macos.1", "valid": "valid", "server-token": "1" }],
                "configurations": [{
                    "active": false, "identifier": "refit.settings.macos.rest.1", "valid": "invalid", "server-token": "1",
                    "reasons": [{ "code": "Error.ConfigurationNotSupported" }],
                }],
            }}},
        }));
        let codes = vec!["Error.ConfigurationNotSupported".to_owned()];
        assert_eq!(report.refused(), Some(BTreeMap::from([("refit.settings.macos.rest.1".to_owned(), codes)])));
        let codes = vec!["Error.UnsupportedStatus".to_owned()];
        assert_eq!(report.errors(), BTreeMap::from([("softwareupdate.device-id".to_owned(), codes)]));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for text in ["", "{", "nonsense"] {
            assert!(matches!(Report::read(text.as_bytes()), Err(ReportError::Json(_))), "{text}");
        }
        let long = json!({ "StatusItems": { "softwareupdate": { "install-state": "x".repeat(2_000) } } });
        for report in [
            json!([]),
            json!({}),
            json!({ "StatusItems": [] }),
            json!({ "StatusItems": null }),
            json!({ "StatusItems": { "device": [] } }),
            json!({ "StatusItems": { "device": { "operating-system": { "version": 26 } } } }),
            json!({ "StatusItems": { "softwareupdate": { "failure-reason": { "count": -1 } } } }),
            json!({ "StatusItems": { "softwareupdate": { "pending-version": { "os-version": null } } } }),
            json!({ "StatusItems": {}, "Errors": "none" }),
            json!({ "StatusItems": {}, "Errors": [{}] }),
            json!({ "StatusItems": {}, "FullReport": "yes" }),
            long,
        ] {
            let read = Report::read(report.to_string().as_bytes());
            assert!(matches!(read, Err(ReportError::Shape(_))), "{report}");
        }
        assert!(Report::read(&[0xff, 0xfe]).is_err());
    }
}
