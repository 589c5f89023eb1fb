//! The declarations themselves: types and keys of `apple/device-management`, `declarative/declarations/`.

use super::time;
use crate::object::{Identity, MARKER, Object, fingerprint, word};
use jiff::{SignedDuration, civil::DateTime};
use refit_core::policy::repository::Policy;
use serde_json::{Map, Value, json};
use smol_str::SmolStr;

/// What sort of object a declaration is.
pub const KIND: &str = "declaration";

/// The longest identifier in bytes (`DeclarationBase`: "shouldn't exceed 64 octets").
const IDENTIFIER_MOST: usize = 64;

/// The status items that say what became of an update.
const STATUS: [&str; 13] = [
    "device.identifier.serial-number",
    "device.identifier.udid",
    "device.model.family",
    "device.model.identifier",
    "device.operating-system.build-version",
    "device.operating-system.supplemental.build-version",
    "device.operating-system.supplemental.extra-version",
    "device.operating-system.version",
    "softwareupdate.device-id",
    "softwareupdate.failure-reason",
    "softwareupdate.install-reason",
    "softwareupdate.install-state",
    "softwareupdate.pending-version",
];

/// A platform of Apple's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// What Refit calls it.
    pub name: &'static str,
    /// What `device.model.family` says there.
    pub family: &'static str,
    /// The first version that enforces dates.
    pub enforces_from: &'static str,
    /// The first version that takes settings of updates.
    pub settings_from: &'static str,
}

/// Those that are configured: `supportedOS` of the declarations.
pub const PLATFORMS: [Platform; 3] = [
    Platform { name: "macos", family: "Mac", enforces_from: "14.0", settings_from: "15.0" },
    Platform { name: "ios", family: "iPhone", enforces_from: "17.0", settings_from: "18.0" },
    Platform { name: "ipados", family: "iPad", enforces_from: "17.0", settings_from: "18.0" },
];

/// Whose settings or dates a declaration holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The policy.
    pub policy: SmolStr,
    /// The title.
    pub title: SmolStr,
    /// Its branch, where it has several.
    pub branch: Option<SmolStr>,
    /// The rollout.
    pub rollout: Option<SmolStr>,
    /// The ring.
    pub ring: Option<SmolStr>,
    /// Whether updates may install by themselves.
    pub automatic: bool,
}

impl Group {
    fn fingerprint(&self, more: &str) -> String {
        let texts =
            [Some(&self.policy), Some(&self.title), self.branch.as_ref(), self.rollout.as_ref(), self.ring.as_ref()];
        let by_hand = (!self.automatic).then_some("by hand");
        fingerprint(texts.into_iter().map(|text| text.map_or("-", SmolStr::as_str)).chain([more]).chain(by_hand), 8)
    }

    fn identifier(&self, what: &str, when: &str, more: &str) -> String {
        let ring = self.ring.as_deref().map_or_else(|| "all".to_owned(), |ring| word(ring, 10));
        let mut parts = vec![MARKER.to_owned(), what.to_owned(), word(&self.title, 12), ring];
        parts.extend((!when.is_empty()).then(|| when.to_owned()));
        parts.push(self.fingerprint(more));
        let name = parts.join(".");
        debug_assert!(name.len() <= IDENTIFIER_MOST, "{name}");
        name
    }

    /// The ring in words: `ring early of standard`, `everybody`.
    pub fn words(&self) -> String {
        match (&self.ring, &self.rollout) {
            (Some(ring), Some(rollout)) => format!("ring {ring} of {rollout}"),
            _ => "everybody".to_owned(),
        }
    }
}

/// The date by which a version is enforced. Its identifier says when and for whom; the version may change under it, since due times do not
/// slide. `apart` is empty but where devices of one group and date get different versions.
pub fn enforcement(group: &Group, version: &str, at: DateTime, apart: &str) -> Object {
    let identifier = group.identifier("enforce", &time::in_a_name(at), apart);
    let payload = json!({ "TargetLocalDateTime": time::written(at), "TargetOSVersion": version });
    let about = format!(
        "{} {version} by {} on the device's clock, {}",
        group.title,
        at.strftime("%-d %b %Y %H:%M"),
        group.words()
    );
    declaration("com.apple.configuration.softwareupdate.enforcement.specific", identifier, payload, about)
}

/// What a device does by itself, and what people may do.
pub fn settings(group: &Group, platform: Platform, policy: &Policy, wait: SignedDuration) -> Object {
    let install = if group.automatic { "Allowed" } else { "AlwaysOff" };
    let mut payload = Map::new();
    if platform.name == "macos" {
        payload.insert("AllowStandardUserOSUpdates".to_owned(), json!(true));
    }
    payload.insert(
        "AutomaticActions".to_owned(),
        json!({ "Download": "AlwaysOn", "InstallOSUpdates": install, "InstallSecurityUpdate": "AlwaysOn" }),
    );
    if let Some(days) = time::deferral(wait) {
        let deferrals = match platform.name {
            "macos" => json!({ "MajorPeriodInDays": days, "MinorPeriodInDays": days }),
            _ => json!({ "CombinedPeriodInDays": days }),
        };
        payload.insert("Deferrals".to_owned(), deferrals);
    }
    let early = policy.experience.notify.is_none_or(|notify| notify.0 > SignedDuration::from_hours(1));
    payload.insert("Notifications".to_owned(), json!(early));
    payload.insert(
        "RapidSecurityResponse".to_owned(),
        json!({ "Enable": true, "EnableRollback": policy.allow_downgrade }),
    );
    let about = format!("what {} does by itself, {}", group.title, group.words());
    let identifier = group.identifier("settings", "", platform.name);
    declaration("com.apple.configuration.softwareupdate.settings", identifier, Value::Object(payload), about)
}

/// What a device reports.
pub fn subscriptions() -> Object {
    let items: Vec<Value> = STATUS.iter().map(|name| json!({ "Name": name })).collect();
    let about = "what devices report of their updates".to_owned();
    let identifier = format!("{MARKER}.status");
    let payload = json!({ "StatusItems": items });
    declaration("com.apple.configuration.management.status-subscriptions", identifier, payload, about)
}

/// What makes configurations count, on one family of devices.
pub fn activation(platform: Platform, configurations: &[&Object]) -> Object {
    let mut names: Vec<&str> = configurations.iter().map(|object| object.id.name.as_str()).collect();
    names.sort_unstable();
    let identifier = format!("{MARKER}.activate.{}.{}", platform.name, fingerprint(names.iter().copied(), 16));
    let predicate = format!("@status(device.model.family) == '{}'", platform.family);
    let payload = json!({ "Predicate": predicate, "StandardConfigurations": names });
    let about = format!("makes {} count", names.join(", "));
    declaration("com.apple.activation.simple", identifier, payload, about)
}

fn declaration(kind: &str, identifier: String, payload: Value, about: String) -> Object {
    let canonical = serde_json::to_string(&payload).unwrap_or_default();
    // "Servers must compute the token over the entire declaration content" (DeclarationItemsResponse).
    let token = fingerprint([kind, &identifier, &canonical], 32);
    Object::new(Identity::new(KIND, identifier.clone()), about)
        .with("Identifier", identifier)
        .with("Payload", payload)
        .with("ServerToken", token)
        .with("Type", kind)
}
