//! apt: unattended-upgrades on machines of Debian and Ubuntu that have no agent.
//!
//! Three files for each group of machines: what is taken and what comes after (`apt.conf`), versions that are kept away (`preferences`), and
//! when (a drop-in of the timer). Options are those of unattended-upgrades' own `50unattended-upgrades`; later files win, and lists add up:
//! what the machine's own files take and keep back stays so (decision 0177).

mod matrix;
mod read;

use super::linux::{self, Group};
use crate::{
    cost::{Cost, Load},
    files::{Files, NoFields, Placed},
    intent::Intent,
    object::{Fields, Identity, Object},
    target::{Answer, Desired, Document, Input, Target},
};
use serde_json::{Value, json};

/// apt.
#[derive(Clone, Copy, Debug)]
pub struct Apt;

const CONFIGURATION: &str = "apt.conf";
const PREFERENCES: &str = "apt preferences";
const TIMER: &str = "timer drop-in";

/// Where they stand on a machine.
const PLACES: [(&str, &str); 3] = [
    (CONFIGURATION, "/etc/apt/apt.conf.d/52refit-unattended-upgrades"),
    (PREFERENCES, "/etc/apt/preferences.d/refit"),
    (TIMER, "/etc/systemd/system/apt-daily-upgrade.timer.d/refit.conf"),
];

impl Target for Apt {
    fn kind(&self) -> &'static str {
        "apt"
    }

    fn name(&self) -> &'static str {
        "apt (unattended-upgrades)"
    }

    fn about(&self) -> &'static str {
        "Files for machines of Debian and Ubuntu without the agent, where unattended-upgrades runs: what it takes besides what the machine's \
         own files say, what it keeps back, when, and whether it restarts. What the machine takes and keeps back by itself stays so. \
         Options: unattended-upgrades(8), apt.conf(5), apt_preferences(5), systemd.timer(5)."
    }

    fn reach(&self) -> &'static str {
        "As long as configuration management takes to bring the files, and then until the next run of the timer. A stop that does not \
         arrive stops nothing."
    }

    fn tried(&self) -> &'static str {
        "In tests the unattended-upgrades of Debian 12 is given what was written into a machine's root, and upgrades just that. Ubuntu's has not \
         read such files yet, and timers are compared only."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        for group in linux::groups(self, input, &["debian", "ubuntu"], "deb", &mut desired) {
            for mut object in objects(input, &group) {
                object.from = group.from();
                object.losses = group.losses();
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

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        let bytes = desired.objects.values().map(|object| self.document(object).text.len() as u64).sum();
        Cost { once: Load { calls: desired.objects.len() as u64, bytes }, each: Load::default(), ..Cost::default() }
    }
}

impl Files for Apt {
    fn identity(&self, path: &str) -> Option<Identity> {
        linux::identity(path, &PLACES)
    }

    fn fields(&self, kind: &str, text: &str) -> Result<Fields, NoFields> {
        match kind {
            PREFERENCES => read::preferences(text),
            TIMER => linux::timer_fields(text),
            _ => read::configuration(text),
        }
    }

    fn in_root(&self, object: &Object) -> Option<Placed> {
        linux::in_root(object, None)
    }

    fn afterwards(&self) -> Option<&'static str> {
        Some("where timers have changed, run `systemctl daemon-reload` on the machines")
    }
}

fn objects(input: &Input<'_>, group: &Group<'_>) -> Vec<Object> {
    let folder = group.folder();
    let named = |(kind, path): (&str, &str)| Object::new(Identity::new(kind, format!("{folder}{path}")), group.words());
    let [configuration, preferences, timer] = PLACES;
    let mut objects = Vec::new();
    let taken = group.taken("deb");
    let mut object = named(configuration);
    let runs = if group.stopped.is_some() { "0" } else { "1" };
    let restarts = group.restarts().to_string();
    object = object
        .with("APT::Periodic::Update-Package-Lists", "1")
        .with("APT::Periodic::Unattended-Upgrade", runs)
        .with("Unattended-Upgrade::Automatic-Reboot", restarts.as_str())
        .with("Unattended-Upgrade::Automatic-Reboot-WithUsers", restarts.as_str())
        .with("Unattended-Upgrade::MinimalSteps", "true");
    // Packages by name come from where the machine takes from by itself: a whitelist of them would end all that it takes besides, and no
    // pattern of origins asks for a name.
    if !taken.only_named() {
        object = object.with("Unattended-Upgrade::Origins-Pattern", origins(&group.os, !taken.everything));
    }
    let blocked = linux::blocked(&input.repository.blocks, "deb", input.cohorts.now);
    let whole: Vec<String> = blocked
        .iter()
        .filter(|(_, version)| version.is_none())
        .map(|(name, _)| format!("^{}$", escaped(name)))
        .collect();
    if !whole.is_empty() {
        object = object.with("Unattended-Upgrade::Package-Blacklist", whole);
    }
    let defer = group.policies.first().and_then(|one| one.policy.experience.defer.as_ref());
    if let Some(defer) = defer.filter(|_| group.os == "ubuntu") {
        let hours = defer.length.0.as_hours().saturating_mul(i64::from(defer.times));
        object = object.with("Unattended-Upgrade::Postpone-For-Days", (hours.saturating_add(23) / 24).to_string());
    }
    objects.push(object);
    let mut pins = named(preferences);
    for (name, version) in blocked {
        if let Some(version) = version {
            let versions = pins.fields.entry(name.to_owned()).or_insert_with(|| json!([]));
            versions.as_array_mut().into_iter().for_each(|list| list.push(json!(version)));
        }
    }
    if !pins.fields.is_empty() {
        objects.push(pins);
    }
    if let Some(when) = group.window().and_then(linux::timer) {
        let mut object = named(timer);
        object.fields = when.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        objects.push(object);
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
