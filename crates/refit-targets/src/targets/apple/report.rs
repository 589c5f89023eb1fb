//! What a device reports: status items of Apple's declarative protocol (`StatusReport`), as far as they speak of updates.
//!
//! A report holds what has changed since the last one, so that reports are put on top of each other. What the device says of itself is
//! kept beside what an agent or an inventory observed, and never in its place.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How a device stands, by its reports so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// Its serial number.
    pub serial: Option<String>,
    /// The version that runs: `13.3.1`, with its supplement where there is one: `13.3.1 (a)`.
    pub version: Option<String>,
    /// The build that runs, the supplement's where there is one.
    pub build: Option<String>,
    /// The version that waits to be installed.
    pub pending: Option<String>,
    /// How far that is: `none`, `waiting`, `downloading`, `prepared`, `installing`, `failed`.
    pub state: Option<String>,
    /// Why it is installed: `declaration`, `install-tonight`…
    pub reasons: Vec<String>,
    /// The declaration that asked for it.
    pub declaration: Option<String>,
    /// The last failure.
    pub failure: Option<Failure>,
    /// Declarations that do not count on the device, each with the reasons that it gives.
    pub refused: BTreeMap<String, Vec<String>>,
}

/// A failure of an update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// How often this update has failed.
    pub count: u64,
    /// What the device says of it.
    pub reason: Option<String>,
    /// When; `None` where the device does not say, or says no time.
    pub at: Option<Timestamp>,
}

/// Why a text is no status report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is no JSON.
    #[error("it is no JSON")]
    Json(#[from] serde_json::Error),
    /// It has no status items.
    #[error("it is no status report: it has no `StatusItems`")]
    NoItems,
}

impl Reported {
    /// Puts a report on top of those before.
    pub fn hear(&mut self, report: &str) -> Result<(), ReportError> {
        let report: Value = serde_json::from_str(report)?;
        let items = report.get("StatusItems").filter(|items| items.is_object()).ok_or(ReportError::NoItems)?;
        let text = |path: &[&str]| at(items, path).and_then(Value::as_str).map(str::to_owned);
        let hear = |known: &mut Option<String>, heard: Option<String>| {
            if heard.is_some() {
                *known = heard;
            }
        };
        hear(&mut self.serial, text(&["device", "identifier", "serial-number"]));
        let system = ["device", "operating-system"];
        if let Some(version) = text(&[system[0], system[1], "version"]) {
            let extra =
                text(&[system[0], system[1], "supplemental", "extra-version"]).filter(|extra| !extra.is_empty());
            self.version = Some(extra.map_or_else(|| version.clone(), |extra| format!("{version} {extra}")));
        }
        let supplement =
            text(&[system[0], system[1], "supplemental", "build-version"]).filter(|build| !build.is_empty());
        hear(&mut self.build, supplement.or_else(|| text(&[system[0], system[1], "build-version"])));
        if at(items, &["softwareupdate", "pending-version"]).is_some() {
            let pending = text(&["softwareupdate", "pending-version", "os-version"]);
            self.pending = pending.filter(|version| !version.is_empty());
        }
        hear(&mut self.state, text(&["softwareupdate", "install-state"]));
        if let Some(reason) = at(items, &["softwareupdate", "install-reason"]) {
            let reasons = reason["reason"].as_array().into_iter().flatten();
            self.reasons = reasons.filter_map(Value::as_str).map(str::to_owned).collect();
            self.declaration = reason["declaration-id"].as_str().map(str::to_owned);
        }
        if let Some(failure) = at(items, &["softwareupdate", "failure-reason"]) {
            let count = failure["count"].as_u64().unwrap_or(0);
            let reason = failure["reason"].as_str().map(str::to_owned);
            let at = failure["timestamp"].as_str().and_then(|at| at.parse().ok());
            self.failure = (count > 0).then_some(Failure { count, reason, at });
        }
        if let Some(declarations) = at(items, &["management", "declarations"]).and_then(Value::as_object) {
            self.refused = declarations.values().filter_map(Value::as_array).flatten().filter_map(refused).collect();
        }
        Ok(())
    }
}

/// A declaration that does not count, with the codes of the reasons.
fn refused(declaration: &Value) -> Option<(String, Vec<String>)> {
    if declaration["valid"] != "invalid" {
        return None;
    }
    let reasons = declaration["reasons"].as_array().into_iter().flatten();
    let codes = reasons.filter_map(|reason| reason["code"].as_str()).map(str::to_owned).collect();
    Some((declaration["identifier"].as_str()?.to_owned(), codes))
}

fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reports_are_put_on_top_of_each_other() {
        let mut device = Reported::default();
        let first = json!({ "Errors": [], "StatusItems": {
            "device": {
                "identifier": { "serial-number": "C02XK1" },
                "operating-system": {
                    "version": "13.3.1", "build-version": "22E261",
                    "supplemental": { "extra-version": "(a)", "build-version": "22E772610a" },
                },
            },
            "softwareupdate": { "install-state": "none", "failure-reason": { "count": 0 } },
        }});
        device.hear(&first.to_string()).unwrap();
        assert_eq!(device.version.as_deref(), Some("13.3.1 (a)"));
        assert_eq!(device.build.as_deref(), Some("22E772610a"));
        assert_eq!(device.failure, None);
        let second = json!({ "StatusItems": { "softwareupdate": {
            "install-state": "failed",
            "install-reason": { "reason": ["declaration"], "declaration-id": "refit.enforce.macos.rest.20261130T180000.1a2b3c4d" },
            "pending-version": { "os-version": "13.4", "build-version": "22F66" },
            "failure-reason": { "count": 2, "reason": "battery too low", "timestamp": "2026-11-30T18:00:00Z" },
        }}});
        device.hear(&second.to_string()).unwrap();
        assert_eq!(device.serial.as_deref(), Some("C02XK1"));
        assert_eq!((device.state.as_deref(), device.pending.as_deref()), (Some("failed"), Some("13.4")));
        assert!(device.declaration.as_deref().is_some_and(|id| id.starts_with("refit.enforce.")));
        assert_eq!(device.failure.as_ref().map(|failure| failure.count), Some(2));
        device
            .hear(&json!({ "StatusItems": { "softwareupdate": { "failure-reason": { "count": 0 } } } }).to_string())
            .unwrap();
        assert_eq!(device.failure, None);
    }

    #[test]
    fn declarations_that_do_not_count_are_told() {
        let mut device = Reported::default();
        let report = json!({ "StatusItems": { "management": { "declarations": {
            "activations": [{ "active": true, "identifier": "refit.activate.macos.1", "valid": "valid", "server-token": "1" }],
            "configurations": [{
                "active": false, "identifier": "refit.settings.macos.rest.1", "valid": "invalid", "server-token": "1",
                "reasons": [{ "code": "Error.ConfigurationNotSupported" }],
            }],
        }}}});
        device.hear(&report.to_string()).unwrap();
        let codes = vec!["Error.ConfigurationNotSupported".to_owned()];
        assert_eq!(device.refused, BTreeMap::from([("refit.settings.macos.rest.1".to_owned(), codes)]));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for text in ["", "[]", "{}", r#"{"StatusItems": []}"#] {
            assert!(Reported::default().hear(text).is_err(), "{text}");
        }
    }
}
