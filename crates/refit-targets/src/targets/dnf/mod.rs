//! dnf: dnf-automatic on machines of Fedora and of those that are built like Red Hat Enterprise Linux, that have no agent.
//!
//! Two files for each group of machines: `automatic.conf` (dnf-automatic(8), dnf5-automatic(8)) and a drop-in of the timer. `automatic.conf`
//! has no drop-ins: in a folder for a group it is written whole, in the root of a machine its values are set in the machine's own.

mod matrix;

use super::{
    ini,
    linux::{self, Group},
};
use crate::{
    cost::{Cost, Load},
    files::{Files, NoFields, Placed, Shared},
    intent::Intent,
    object::{Fields, Identity, Object},
    target::{Answer, Desired, Document, Input, Target},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// dnf.
#[derive(Clone, Copy, Debug)]
pub struct Dnf;

const CONFIGURATION: &str = "automatic.conf";
const TIMER: &str = "timer drop-in";

/// Where they stand on a machine.
const PLACES: [(&str, &str); 2] =
    [(CONFIGURATION, "/etc/dnf/automatic.conf"), (TIMER, "/etc/systemd/system/dnf-automatic.timer.d/refit.conf")];

/// The operating systems whose packages dnf installs, as `device.os` has them.
const SYSTEMS: [&str; 7] = ["almalinux", "amazon", "centos", "fedora", "oracle", "rhel", "rocky"];

impl Target for Dnf {
    fn kind(&self) -> &'static str {
        "dnf"
    }

    fn name(&self) -> &'static str {
        "dnf (dnf-automatic)"
    }

    fn about(&self) -> &'static str {
        "Files for machines of Fedora, RHEL and their kin without the agent, where dnf-automatic runs: what it takes, what it keeps back, \
         when, and whether it restarts. Options: dnf-automatic(8), dnf5-automatic(8), dnf.conf(5), systemd.timer(5). On dnf 5 the timer is \
         called `dnf5-automatic.timer`; link its drop-in there."
    }

    fn reach(&self) -> &'static str {
        "As long as configuration management takes to bring the files, and then until the next run of the timer. A stop that does not \
         arrive stops nothing."
    }

    fn tried(&self) -> &'static str {
        "In tests the dnf-automatic of dnf 4.14 is given what was written into a machine's own file, and upgrades just that. dnf 5 has not read \
         such files yet, and timers are compared only."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        for group in linux::groups(self, input, &SYSTEMS, "rpm", &mut desired) {
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
        let head = linux::head("#", object);
        let text = match object.id.kind.as_str() {
            TIMER => linux::timer_text(&object.fields, &head),
            _ => configuration_text(object, &head),
        };
        Document { path: object.id.name.clone(), text }
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        let bytes = desired.objects.values().map(|object| self.document(object).text.len() as u64).sum();
        Cost { once: Load { calls: desired.objects.len() as u64, bytes }, each: Load::default(), ..Cost::default() }
    }
}

impl Files for Dnf {
    fn identity(&self, path: &str) -> Option<Identity> {
        linux::identity(path, &PLACES)
    }

    fn fields(&self, kind: &str, text: &str) -> Result<Fields, NoFields> {
        if kind == TIMER { linux::timer_fields(text) } else { ini::read(text) }
    }

    /// `automatic.conf` has no drop-ins: on a machine it is the machine's own, and values in it are Refit's.
    fn in_root(&self, object: &Object) -> Option<Placed> {
        linux::in_root(object, (object.id.kind == CONFIGURATION).then_some(Shared::Ini))
    }

    fn afterwards(&self) -> Option<&'static str> {
        Some("where timers have changed, run `systemctl daemon-reload` on the machines")
    }
}

fn objects(input: &Input<'_>, group: &Group<'_>) -> Vec<Object> {
    let folder = group.folder();
    let named = |(kind, path): (&str, &str)| Object::new(Identity::new(kind, format!("{folder}{path}")), group.words());
    let [configuration, timer] = PLACES;
    let taken = group.taken("rpm");
    let yes = |truth: bool| if truth { "yes" } else { "no" };
    let mut object = named(configuration)
        .with("commands.apply_updates", yes(group.stopped.is_none()))
        .with("commands.download_updates", yes(group.stopped.is_none()))
        .with("commands.network_online_timeout", "60")
        // The timer spreads starts.
        .with("commands.random_sleep", "0")
        .with("commands.reboot", if group.restarts() { "when-needed" } else { "never" })
        .with("commands.upgrade_type", if taken.security && !taken.everything { "security" } else { "default" })
        .with("emitters.emit_via", "stdio");
    if taken.only_named() {
        let prefixes = taken.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let names: Vec<String> = taken.names.iter().cloned().chain(prefixes).collect();
        object = object.with("base.includepkgs", names.join(" "));
    }
    let blocked: Vec<String> = linux::blocked(&input.repository.blocks, "rpm", input.cohorts.now)
        .into_iter()
        .map(|(name, version)| version.map_or_else(|| name.to_owned(), |version| format!("{name}-{version}")))
        .collect();
    if !blocked.is_empty() {
        object = object.with("base.excludepkgs", blocked.join(" "));
    }
    let mut objects = vec![object];
    if let Some(when) = group.window().and_then(linux::timer) {
        let mut object = named(timer);
        object.fields = when.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        objects.push(object);
    }
    objects
}

fn configuration_text(object: &Object, head: &str) -> String {
    let mut sections: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (path, value) in &object.fields {
        let (section, name) = path.split_once('.').unwrap_or(("commands", path));
        sections.entry(section).or_default().push((name, value.as_str().unwrap_or_default()));
    }
    let mut text = head.to_owned();
    for (section, values) in sections {
        text += &format!("\n[{section}]\n");
        for (name, value) in values {
            text += &format!("{name} = {value}\n");
        }
    }
    text
}
