//! What a browser of a group is told, and the keys in which it is told that on each platform.

use super::{
    known::{Browser, Family},
    time::{Daily, milliseconds, whole_hours},
};
use crate::object::Fields;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

/// What a browser is told, in no browser's words yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The version that it stays at or goes to; `None` is whatever the vendor has.
    pub pin: Option<String>,
    /// Whether it goes back to the pin.
    pub back: bool,
    /// Whether people are asked to start it anew, or have to.
    pub relaunch: Option<Relaunch>,
    /// How long after it has the update that is.
    pub period: Option<SignedDuration>,
    /// When it may be.
    pub window: Option<Daily>,
}

/// How a new start is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relaunch {
    /// It is recommended.
    Recommended,
    /// It is required.
    Required,
}

/// The policies of the browser itself.
pub fn of_browser(browser: &Browser, settings: &Settings, updated_here: bool) -> Map<String, Value> {
    let mut values = Map::new();
    let mut put = |name: &str, value: Value| drop(values.insert(name.to_owned(), value));
    match browser.family {
        Family::Chromium { .. } => {
            if let Some(relaunch) = settings.relaunch {
                put("RelaunchNotification", json!(if relaunch == Relaunch::Required { 2 } else { 1 }));
                if let Some(period) = settings.period {
                    put("RelaunchNotificationPeriod", json!(milliseconds(period)));
                }
                if let Some(Daily { hour, minute, minutes }) = settings.window {
                    let start = json!({ "hour": hour, "minute": minute });
                    put("RelaunchWindow", json!({ "entries": [{ "duration_mins": minutes, "start": start }] }));
                }
            }
        }
        Family::Firefox => {
            if updated_here {
                put("AppAutoUpdate", json!(true));
                if let Some(pin) = settings.pin.as_deref().and_then(major_and_minor) {
                    put("AppUpdatePin", json!(pin));
                }
                put("BackgroundAppUpdate", json!(true));
            }
            if let (Some(Relaunch::Required), Some(period)) = (settings.relaunch, settings.period) {
                let mut required = Map::new();
                required.insert("NotificationPeriodHours".to_owned(), json!(whole_hours(period)));
                if let Some(Daily { hour, minute, .. }) = settings.window {
                    required.insert("RestartTimeOfDay".to_owned(), json!({ "Hour": hour, "Minute": minute }));
                }
                put("RelaunchRequired", Value::Object(required));
            }
        }
    }
    values
}

/// The policies of the updater on Windows.
pub fn of_updater_on_windows(guid: &str, settings: &Settings) -> Map<String, Value> {
    let mut values = Map::new();
    if let Some(pin) = &settings.pin {
        values.insert(format!("RollbackToTargetVersion{guid}"), json!(i32::from(settings.back)));
        values.insert(format!("TargetVersionPrefix{guid}"), json!(pin));
    }
    // Updates are always made: a computer that was told otherwise is told anew.
    values.insert(format!("Update{guid}"), json!(1));
    values
}

/// The managed preferences of the updater on macOS.
pub fn of_updater_on_macos(bundle: &str, settings: &Settings) -> Map<String, Value> {
    let mut values = Map::new();
    if let Some(pin) = &settings.pin {
        values.insert("RollbackToTargetVersion".to_owned(), json!(settings.back));
        values.insert("TargetVersionPrefix".to_owned(), json!(pin));
    }
    values.insert("UpdateDefault".to_owned(), json!(0));
    let mut bundles = Map::new();
    bundles.insert(bundle.to_owned(), Value::Object(values));
    let mut policies = Map::new();
    policies.insert("updatePolicies".to_owned(), Value::Object(bundles));
    policies
}

/// `131.` or `131.0.`, which is as exactly as Firefox pins (`AppUpdatePin`).
fn major_and_minor(version: &str) -> Option<String> {
    let mut parts = version.split('.').map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>());
    let major = parts.next().filter(|part| !part.is_empty())?;
    Some(match parts.next().filter(|part| !part.is_empty()) {
        Some(minor) => format!("{major}.{minor}."),
        None => format!("{major}."),
    })
}

/// Values as the registry has them: a number is a `REG_DWORD`, a text a `REG_SZ`, true and false are 1 and 0. What has parts is a key of
/// its own to Firefox, and JSON in a text to Chrome and Edge.
pub fn in_registry(key: &str, family: Family, values: &Map<String, Value>, fields: &mut Fields) {
    for (name, value) in values {
        let typed = match value {
            Value::Bool(truth) => json!({ "REG_DWORD": u32::from(*truth) }),
            Value::Number(number) => json!({ "REG_DWORD": number }),
            Value::String(text) => json!({ "REG_SZ": text }),
            Value::Object(inner) if family == Family::Firefox => {
                in_registry(&format!(r"{key}\{name}"), family, inner, fields);
                continue;
            }
            other => json!({ "REG_SZ": other.to_string() }),
        };
        fields.insert(format!(r"{key}\{name}"), typed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firefox_is_pinned_to_major_and_minor() {
        assert_eq!(major_and_minor("140.3.1esr").as_deref(), Some("140.3."));
        assert_eq!(major_and_minor("131").as_deref(), Some("131."));
        assert_eq!(major_and_minor("131.0b2").as_deref(), Some("131.0."));
        assert_eq!(major_and_minor("nightly"), None);
    }
}
