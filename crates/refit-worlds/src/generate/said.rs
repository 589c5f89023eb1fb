//! What sources say of devices and of their people: the agent or the management system, the personnel system, the identity provider.

use super::{Draft, Synthetic, WITHOUT_DEPARTMENT, places::PLACES};
use crate::rng::Rng;
use jiff::Timestamp;
use refit_core::{
    facts::{Fact, FieldRef, Value},
    world::Device,
};
use refit_model::Version;
use smol_str::{SmolStr, format_smolstr};

/// What a machine is, as its source says.
pub(super) struct Shape {
    platform: &'static str,
    os: &'static str,
    os_version: Option<Version>,
    kind: &'static str,
    arch: &'static str,
    person: bool,
}

const DEPARTMENTS: [&str; 16] = [
    "Engineering",
    "Engineering",
    "Engineering",
    "Engineering",
    "Sales",
    "Sales",
    "Sales",
    "Operations",
    "Operations",
    "Support",
    "Support",
    "Finance",
    "Marketing",
    "People",
    "Legal",
    "IT",
];
const LAPTOPS: [(&str, &str); 6] = [
    ("Dell", "Latitude 7450"),
    ("Dell", "Latitude 5550"),
    ("Lenovo", "ThinkPad X1"),
    ("Lenovo", "ThinkPad T14"),
    ("HP", "EliteBook 840"),
    ("Microsoft", "Surface Laptop 6"),
];
const MACS: [&str; 4] = ["MacBookPro18,3", "Mac15,3", "Mac14,2", "Mac16,1"];

impl Shape {
    pub fn laptop(windows: bool, os_version: Option<Version>) -> Shape {
        let (platform, arch) = if windows { ("windows", "amd64") } else { ("macos", "arm64") };
        let os_version =
            os_version.and_then(|version| Version::parse(refit_model::Scheme::Generic, version.as_str()).ok());
        Shape { platform, os: platform, os_version, kind: "laptop", arch, person: true }
    }

    pub fn linux(debian: bool, os_version: Option<Version>, rng: &mut Rng) -> Shape {
        let kind = ["server", "server", "vm", "vm", "vm", "workstation"].get(rng.below(6)).copied().unwrap_or("vm");
        let os = if debian { "debian" } else { "rocky" };
        Shape { platform: "linux", os, os_version, kind, arch: "amd64", person: kind == "workstation" }
    }
}

impl Synthetic {
    pub(super) fn say(&self, draft: &mut Draft, device: &mut Device, place: usize, shape: &Shape) {
        let (serial, cloned) = self.serial(draft.number);
        device.identity_in_doubt = cloned;
        let Some(place) = PLACES.get(place) else { return };
        let seen = device.seen;
        let mut say = |field: FieldRef, value: Value, source: &'static str, observed: Timestamp| {
            device
                .facts
                .insert(field, Fact { value, source: Some(SmolStr::new_static(source)), observed: Some(observed) });
        };
        let source = if draft.laptop { "mdm" } else { "agent" };
        let (manufacturer, model) = match shape.platform {
            "macos" => ("Apple", draft.rng.of(&MACS).unwrap_or_default()),
            "windows" => draft.rng.of(&LAPTOPS).unwrap_or_default(),
            _ => ("QEMU", "Standard PC"),
        };
        let machine = [
            ("platform", Value::text(shape.platform)),
            ("os", Value::text(shape.os)),
            ("kind", Value::text(shape.kind)),
            ("arch", Value::text(shape.arch)),
            ("manufacturer", Value::text(manufacturer)),
            ("model", Value::text(model)),
            ("serial", Value::Text(format_smolstr!("S{serial:08X}"))),
            ("hostname", Value::Text(format_smolstr!("{}-{:07}", shape.os, draft.number))),
        ];
        for (name, value) in machine {
            say(FieldRef::device(name), value, source, seen);
        }
        if let Some(version) = &shape.os_version {
            say(FieldRef::device("os_version"), Value::Version(version.clone()), source, seen);
        }
        // The list of assets is read every night.
        let night = self.ago(0.25);
        say(FieldRef::device("site"), Value::text(place.site), "assets", night);
        say(FieldRef::device("country"), Value::text(place.country), "assets", night);
        let tags = [("canary", 20), ("kiosk", 10), ("lab", 10), ("developer", 200), ("pilot", 50)];
        let tags: Vec<&str> = tags.into_iter().filter(|(_, of)| draft.rng.permille(*of)).map(|(tag, _)| tag).collect();
        say(FieldRef::device("tags"), Value::list(tags), "assets", night);
        if shape.person {
            let department = if draft.rng.permille(WITHOUT_DEPARTMENT) { None } else { draft.rng.of(&DEPARTMENTS) };
            if let Some(department) = department {
                say(FieldRef::person("department"), Value::text(department), "workday", night);
            }
            let employment = match draft.rng.below(20) {
                0 => "leave",
                1..4 => "contractor",
                _ => "active",
            };
            say(FieldRef::person("employment"), Value::text(employment), "workday", night);
            let vip = draft.rng.permille(8);
            say(FieldRef::person("vip"), Value::Bool(vip), "okta", night);
            say(
                FieldRef::person("email"),
                Value::Text(format_smolstr!("p{:07}@acme.example", draft.number)),
                "okta",
                night,
            );
        }
        device.facts.set(FieldRef::device("enrolled"), Value::Time(draft.enrolled));
    }
}
