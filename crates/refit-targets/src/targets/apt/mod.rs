//! apt: unattended-upgrades on machines of Debian and Ubuntu that have no agent.
//!
//! Three files for each group of machines: what is taken and what comes after (`apt.conf`), versions that are kept away (`preferences`), and
//! when (a drop-in of the timer). Options are those of unattended-upgrades' own `50unattended-upgrades`; later files win, and lists are
//! cleared first, since apt adds to them.

mod matrix;

use super::linux::{self, Group};
use crate::{
    cost::{Cost, Load},
    intent::Intent,
    object::{Identity, Object},
    target::{Answer, Desired, Document, Input, Target},
};
use serde_json::{Value, json};

/// apt.
#[derive(Clone, Copy, Debug)]
pub struct Apt;

const CONFIGURATION: &str = "apt.conf";
const PREFERENCES: &str = "apt preferences";
const TIMER: &str = "timer drop-in";

/// The lists that have to be cleared before they are written.
const LISTS: [&str; 4] = [
    "Unattended-Upgrade::Allowed-Origins",
    "Unattended-Upgrade::Origins-Pattern",
    "Unattended-Upgrade::Package-Blacklist",
    "Unattended-Upgrade::Package-Whitelist",
];

impl Target for Apt {
    fn kind(&self) -> &'static str {
        "apt"
    }

    fn name(&self) -> &'static str {
        "apt (unattended-upgrades)"
    }

    fn about(&self) -> &'static str {
        "Files for machines of Debian and Ubuntu without the agent, where unattended-upgrades runs: what it takes, what it keeps back, when, \
         and whether it restarts. Options: unattended-upgrades(8), apt.conf(5), apt_preferences(5), systemd.timer(5)."
    }

    fn reach(&self) -> &'static str {
        "As long as configuration management takes to bring the files, and then until the next run of the timer. A stop that does not \
         arrive stops nothing."
    }

    fn tried(&self) -> &'static str {
        "Files are compared in tests. unattended-upgrades itself has not read them yet."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        for group in linux::groups(self, input, &["debian", "ubuntu"], "deb", &mut desired) {
            for mut object in objects(input, &group, &mut desired) {
                object.from = group.from();
                object.losses.clone_from(&group.losses);
                object.devices.clone_from(&group.devices);
                desired.add(object);
            }
        }
        desired
    }

    fn document(&self, object: &Object) -> Document {
        let path = object.id.name.clone();
        let text = match object.id.kind.as_str() {
            PREFERENCES => preferences_text(object),
            TIMER => linux::timer_text(&object.fields, &linux::head("#", object)),
            _ => configuration_text(object),
        };
        Document { path, text }
    }

    fn cost(&self, desired: &Desired) -> Cost {
        let bytes = desired.objects.values().map(|object| self.document(object).text.len() as u64).sum();
        Cost { once: Load { calls: desired.objects.len() as u64, bytes }, each: Load::default() }
    }
}

fn objects(input: &Input<'_>, group: &Group<'_>, desired: &mut Desired) -> Vec<Object> {
    let folder = group.folder();
    let named = |kind: &str, path: &str| Object::new(Identity::new(kind, format!("{folder}{path}")), group.words());
    let mut objects = Vec::new();
    let taken = group.taken("deb");
    if let Some(named) = taken.besides_security() {
        desired.notes.insert(format!(
            "{}: only the security archive is taken from, so that {named} comes from there or not at all",
            group.words()
        ));
    }
    let mut object = named(CONFIGURATION, "/etc/apt/apt.conf.d/52refit-unattended-upgrades");
    let runs = if group.stopped.is_some() { "0" } else { "1" };
    let restarts = group.restarts().to_string();
    object = object
        .with("APT::Periodic::Update-Package-Lists", "1")
        .with("APT::Periodic::Unattended-Upgrade", runs)
        .with("Unattended-Upgrade::Automatic-Reboot", restarts.as_str())
        .with("Unattended-Upgrade::Automatic-Reboot-WithUsers", restarts.as_str())
        .with("Unattended-Upgrade::MinimalSteps", "true")
        .with("Unattended-Upgrade::Origins-Pattern", origins(&group.os, taken.security && !taken.everything));
    if taken.only_named() {
        desired.notes.insert(format!(
            "{}: nothing else is upgraded on these machines, security updates neither; and only what the distribution's own archive has",
            group.words()
        ));
        let names = taken.names.iter().map(|name| format!("^{}$", escaped(name)));
        let prefixes = taken.prefixes.iter().map(|prefix| format!("^{}", escaped(prefix)));
        let install_new = group.policies.iter().any(|policy| policy.packages.install_new);
        object = object
            .with("Unattended-Upgrade::Package-Whitelist", names.chain(prefixes).collect::<Vec<_>>())
            .with("Unattended-Upgrade::Package-Whitelist-Strict", (!install_new).to_string());
    }
    let blocked = linux::blocked(&input.repository.blocks, "deb", input.cohorts.now);
    let whole: Vec<String> = blocked
        .iter()
        .filter(|(_, version)| version.is_none())
        .map(|(name, _)| format!("^{}$", escaped(name)))
        .collect();
    object = object.with("Unattended-Upgrade::Package-Blacklist", whole);
    let defer = group.policies.first().and_then(|policy| policy.experience.defer.as_ref());
    if let Some(defer) = defer.filter(|_| group.os == "ubuntu") {
        let hours = defer.length.0.as_hours().saturating_mul(i64::from(defer.times));
        object = object.with("Unattended-Upgrade::Postpone-For-Days", (hours.saturating_add(23) / 24).to_string());
    }
    objects.push(object);
    let mut pins = named(PREFERENCES, "/etc/apt/preferences.d/refit");
    for (name, version) in blocked {
        if let Some(version) = version {
            let versions = pins.fields.entry(name.to_owned()).or_insert_with(|| json!([]));
            versions.as_array_mut().into_iter().for_each(|list| list.push(json!(version)));
        }
    }
    if !pins.fields.is_empty() {
        objects.push(pins);
    }
    if let Some(window) = group.window() {
        match linux::timer(window) {
            Some(timer) => {
                let mut object = named(TIMER, "/etc/systemd/system/apt-daily-upgrade.timer.d/refit.conf");
                object.fields = timer.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
                objects.push(object);
            }
            None => {
                let rule = window.window.text();
                desired.notes.insert(format!(
                    "window {} ({rule}) can't be said by a timer: machines upgrade every day at their own hour",
                    window.name
                ));
            }
        }
    }
    objects
}

/// What may come from where: Debian's security archive has a label of its own, Ubuntu's a suite. As in Ubuntu's own
/// `50unattended-upgrades`, security is also what extended maintenance has, where a machine is attached to it, and the release as it came
/// out, which never changes and has what security updates newly depend on.
fn origins(os: &str, security_only: bool) -> Vec<&'static str> {
    match (os, security_only) {
        ("debian", true) => vec!["origin=Debian,codename=${distro_codename}-security,label=Debian-Security"],
        ("debian", false) => vec![
            "origin=Debian,codename=${distro_codename},label=Debian",
            "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
            "origin=Debian,codename=${distro_codename}-updates,label=Debian",
        ],
        (_, security_only) => {
            let mut origins = vec![
                "origin=Ubuntu,archive=${distro_codename}",
                "origin=Ubuntu,archive=${distro_codename}-security",
                "origin=UbuntuESMApps,archive=${distro_codename}-apps-security",
                "origin=UbuntuESM,archive=${distro_codename}-infra-security",
            ];
            if !security_only {
                origins.push("origin=Ubuntu,archive=${distro_codename}-updates");
            }
            origins
        }
    }
}

/// A package's name in a regular expression of Python's; names have letters, digits, `+`, `-` and `.`.
fn escaped(name: &str) -> String {
    name.replace('.', r"\.").replace('+', r"\+")
}

fn configuration_text(object: &Object) -> String {
    let mut text = linux::head("//", object);
    for list in LISTS {
        text += &format!("#clear {list};\n");
    }
    for (name, value) in &object.fields {
        match value {
            Value::Array(items) => {
                text += &format!("{name} {{\n");
                for item in items {
                    text += &format!("    \"{}\";\n", item.as_str().unwrap_or_default());
                }
                text += "};\n";
            }
            other => text += &format!("{name} \"{}\";\n", other.as_str().unwrap_or_default()),
        }
    }
    text
}

fn preferences_text(object: &Object) -> String {
    let mut text = linux::head("Explanation:", object);
    let mut first = true;
    for (name, versions) in &object.fields {
        for version in versions.as_array().into_iter().flatten() {
            // An explanation belongs to the stanza that follows it.
            let gap = if std::mem::take(&mut first) { "" } else { "\n" };
            let version = version.as_str().unwrap_or_default();
            text += &format!("{gap}Package: {name}\nPin: version {version}\nPin-Priority: -1\n");
        }
    }
    text
}
