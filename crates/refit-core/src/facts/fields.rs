//! The fields of devices, people and exposures: what an expression may ask, and what a source may say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// All fields that a repository knows: the built-in ones, and those that the organisation adds.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    fields: BTreeMap<FieldRef, Field>,
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Of what, and its name.
    pub name: FieldRef,
    /// What its values are.
    pub kind: Kind,
    /// What it says, in one sentence, and for an exposure what it means that it is unknown.
    pub doc: SmolStr,
    /// Values that are known, in the order in which messages list them; empty where there is no such list.
    pub values: Vec<SmolStr>,
    /// Whether `values` are all that there are, so that another one is a mistake.
    pub closed: bool,
    /// The least and the greatest number that it can be; `None` where there is no limit.
    pub range: Option<(f64, f64)>,
}

/// A field by its name, `device.platform`. That it exists is not promised: ask [`Fields::get`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRef {
    /// What it is a field of.
    pub root: Root,
    /// Its name there.
    pub name: SmolStr,
}

/// What has fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Root {
    /// A managed endpoint.
    Device,
    /// The primary person of the device.
    Person,
    /// One exposure of the device.
    Exposure,
    /// A business event: what filters of the event stream ask. Nobody says facts of it, and no policy names it.
    Event,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// True or false.
    Bool,
    /// A whole number.
    Int,
    /// A number.
    Float,
    /// A text.
    Text,
    /// A point in time.
    Time,
    /// A version; it is compared as one, never letter by letter.
    Version,
    /// A list of texts.
    List,
}

/// Why a field can't be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The name is not of the form `device.rack` or `person.badge`.
    #[error("`{0}` is no name for a field: write `device.` or `person.` and a name of small letters, digits and `_`")]
    Name(String),
    /// Refit's own fields can't be defined anew, nor can one be defined twice.
    #[error("there is a field `{0}` already")]
    Exists(FieldRef),
    /// Values can only be added to fields that are there.
    #[error("there is no field `{0}`")]
    Missing(FieldRef),
    /// Only texts have lists of known values.
    #[error("`{0}` has no texts as values")]
    NotText(FieldRef),
}

impl Fields {
    /// Refit's own fields.
    pub fn builtin() -> Fields {
        let fields = BUILTIN.iter().map(|row| {
            let field = row.field();
            (field.name.clone(), field)
        });
        Fields { fields: fields.collect() }
    }

    /// The fields of business events, which filters of the event stream ask, and nothing else. `types` and `departments` are all that there
    /// are.
    pub fn of_events(types: &[&'static str], departments: &[&'static str]) -> Fields {
        let fields = EVENT.iter().map(|row| {
            let mut field = row.field();
            let known = match field.name.name.as_str() {
                "type" => types,
                "department" => departments,
                _ => &[],
            };
            if !known.is_empty() {
                field.values = known.iter().map(|value| SmolStr::new_static(value)).collect();
                field.closed = true;
            }
            (field.name.clone(), field)
        });
        Fields { fields: fields.collect() }
    }

    /// The field of that name.
    pub fn get(&self, name: &FieldRef) -> Option<&Field> {
        self.fields.get(name)
    }

    /// All fields, sorted by root and name.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.fields.values()
    }

    /// The fields of one root, sorted by name.
    pub fn of(&self, root: Root) -> impl Iterator<Item = &Field> {
        self.iter().filter(move |field| field.name.root == root)
    }

    /// Adds a field of the organisation: `device.rack`. Exposures have no others than Refit's own.
    pub fn add(&mut self, name: &str, kind: Kind) -> Result<(), FieldError> {
        let reference = name.parse::<FieldRef>().map_err(|_| FieldError::Name(name.to_owned()))?;
        if !matches!(reference.root, Root::Device | Root::Person) {
            return Err(FieldError::Name(name.to_owned()));
        }
        if self.fields.contains_key(&reference) {
            return Err(FieldError::Exists(reference));
        }
        let field = Field {
            name: reference.clone(),
            kind,
            doc: "A field of the organisation.".into(),
            values: Vec::new(),
            closed: false,
            range: None,
        };
        self.fields.insert(reference, field);
        Ok(())
    }

    /// Adds known values to a field whose values are texts. Another value in an expression is then worth a warning.
    pub fn add_values(&mut self, name: &FieldRef, values: impl IntoIterator<Item = SmolStr>) -> Result<(), FieldError> {
        let field = self.fields.get_mut(name).ok_or_else(|| FieldError::Missing(name.clone()))?;
        if !matches!(field.kind, Kind::Text | Kind::List) {
            return Err(FieldError::NotText(name.clone()));
        }
        for value in values {
            if !field.values.contains(&value) {
                field.values.push(value);
            }
        }
        Ok(())
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self::builtin()
    }
}

impl FieldRef {
    /// The field `name` of `root`.
    pub fn new(root: Root, name: impl AsRef<str>) -> FieldRef {
        FieldRef { root, name: SmolStr::new(name.as_ref()) }
    }

    /// The field `name` of the device.
    pub fn device(name: impl AsRef<str>) -> FieldRef {
        Self::new(Root::Device, name)
    }

    /// The field `name` of the person.
    pub fn person(name: impl AsRef<str>) -> FieldRef {
        Self::new(Root::Person, name)
    }

    /// Whether it says a day, not an instant: `since` and `until` count from midnight where the person is.
    pub fn is_day(&self) -> bool {
        self.root == Root::Person && DAYS.contains(&self.name.as_str())
    }

    /// The field `name` of the exposure.
    pub fn exposure(name: impl AsRef<str>) -> FieldRef {
        Self::new(Root::Exposure, name)
    }
}

impl fmt::Display for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.root.name(), self.name)
    }
}

impl fmt::Debug for FieldRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Reads `device.platform`; whether there is such a field is not asked.
impl FromStr for FieldRef {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Self, FieldError> {
        let wrong = || FieldError::Name(text.to_owned());
        let (root, name) = text.split_once('.').ok_or_else(wrong)?;
        let root = Root::from_name(root).ok_or_else(wrong)?;
        let mut letters = name.chars();
        let starts_well = letters.next().is_some_and(|c| c.is_ascii_lowercase());
        let goes_on_well = letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !starts_well || !goes_on_well || RESERVED.contains(&name) {
            return Err(wrong());
        }
        Ok(FieldRef::new(root, name))
    }
}

impl Serialize for FieldRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SmolStr::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Root {
    /// What policies may name.
    pub const ALL: [Root; 3] = [Root::Device, Root::Person, Root::Exposure];

    /// As expressions write it.
    pub fn name(self) -> &'static str {
        match self {
            Root::Device => "device",
            Root::Person => "person",
            Root::Exposure => "exposure",
            Root::Event => "event",
        }
    }

    /// The root of that name.
    pub fn from_name(name: &str) -> Option<Root> {
        Root::ALL.into_iter().chain([Root::Event]).find(|root| root.name() == name)
    }
}

impl Kind {
    /// For messages: `a text`.
    pub fn described(self) -> &'static str {
        match self {
            Kind::Bool => "true or false",
            Kind::Int => "a whole number",
            Kind::Float => "a number",
            Kind::Text => "a text",
            Kind::Time => "a time",
            Kind::Version => "a version",
            Kind::List => "a list of texts",
        }
    }
}

/// Words that CEL's grammar keeps for itself, so that no field can have them as its name.
const RESERVED: [&str; 4] = ["in", "true", "false", "null"];

/// The fields of people that say days.
const DAYS: [&str; 2] = ["first_day", "last_day"];

/// One line of the table below.
struct Row(Root, &'static str, Kind, Known, &'static str);

enum Known {
    Any,
    /// Some, of many more.
    Such(&'static [&'static str]),
    /// All there are.
    Only(&'static [&'static str]),
    Range(f64, f64),
}

impl Row {
    fn field(&self) -> Field {
        let Row(root, name, kind, known, doc) = self;
        let (values, closed, range) = match known {
            Known::Any => (&[][..], false, None),
            Known::Such(values) => (*values, false, None),
            Known::Only(values) => (*values, true, None),
            Known::Range(least, greatest) => (&[][..], false, Some((*least, *greatest))),
        };
        Field {
            name: FieldRef::new(*root, name),
            kind: *kind,
            doc: SmolStr::new_static(doc),
            values: values.iter().map(|value| SmolStr::new_static(value)).collect(),
            closed,
            range,
        }
    }
}

use Known::{Any, Only, Range, Such};
use Root::{Device, Exposure, Person};

const PLATFORMS: &[&str] = &["macos", "windows", "linux", "ios", "ipados", "android", "chromeos"];
const SYSTEMS: &[&str] = &[
    "macos",
    "windows",
    "debian",
    "ubuntu",
    "fedora",
    "rhel",
    "centos",
    "rocky",
    "almalinux",
    "opensuse",
    "sles",
    "amazon",
    "oracle",
    "arch",
    "alpine",
    "ios",
    "ipados",
    "android",
    "chromeos",
];
const MACHINES: &[&str] = &["laptop", "desktop", "workstation", "server", "vm", "container", "phone", "tablet"];
const UPDATES: &[&str] = &["none", "waiting", "downloading", "prepared", "installing", "failed"];
const PHASES: &[&str] = &["provisioning", "new", "active", "absent", "retired"];
const ASSIGNMENTS: &[&str] = &["primary", "shared", "kiosk", "loaner", "spare"];
const EMPLOYMENTS: &[&str] = &["starting", "active", "leave", "contractor", "left"];

#[rustfmt::skip]
const BUILTIN: &[Row] = &[
    Row(Device, "id", Kind::Text, Any, "Refit's id of the device; it survives re-imaging."),
    Row(Device, "serial", Kind::Text, Any, "The serial number that the manufacturer gave it."),
    Row(Device, "hardware_uuid", Kind::Text, Any, "The UUID that its firmware gives it."),
    Row(Device, "hostname", Kind::Text, Any, "Its name on the network."),
    Row(Device, "platform", Kind::Text, Only(PLATFORMS), "The family of its operating system."),
    Row(Device, "os", Kind::Text, Such(SYSTEMS), "Its operating system or distribution."),
    Row(Device, "os_version", Kind::Version, Any, "The version of its operating system."),
    Row(Device, "os_build", Kind::Text, Any, "The build of its operating system, as the vendor counts it, such as `25B78`."),
    Row(Device, "codename", Kind::Text, Any, "The name of its distribution's release, such as `bookworm`."),
    Row(Device, "arch", Kind::Text, Such(&["amd64", "arm64"]), "The architecture of its processor, in Debian's words."),
    Row(Device, "manufacturer", Kind::Text, Any, "Who built it."),
    Row(Device, "model", Kind::Text, Any, "Its model, in the manufacturer's words."),
    Row(Device, "board", Kind::Text, Any, "What its vendor calls it where updates are offered, such as `J314sAP`."),
    Row(Device, "kind", Kind::Text, Only(MACHINES), "What sort of machine it is."),
    Row(Device, "update_state", Kind::Text, Only(UPDATES), "How far an update of its operating system is, as the system says."),
    Row(Device, "update_pending", Kind::Version, Any, "The version of its operating system that waits to be installed."),
    Row(Device, "update_failure", Kind::Text, Any, "Why the update that waits has failed, as the system says."),
    Row(Device, "phase", Kind::Text, Only(PHASES), "Where it is in its life: being set up, new, in use, unseen, retired."),
    Row(Device, "assignment", Kind::Text, Only(ASSIGNMENTS), "How it is assigned to people."),
    Row(Device, "tags", Kind::List, Any, "Labels that somebody gave it."),
    Row(Device, "site", Kind::Text, Any, "The office or data centre that it belongs to."),
    Row(Device, "country", Kind::Text, Any, "Where it is, as two letters (ISO 3166-1), such as `DE`."),
    Row(Device, "timezone", Kind::Text, Any, "Its time zone, such as `Europe/Berlin`."),
    Row(Device, "cluster", Kind::Text, Any, "The group of servers that serve together."),
    Row(Device, "enrolled", Kind::Time, Any, "When it first enrolled."),
    Row(Device, "seen", Kind::Time, Any, "When it was last seen."),
    Row(Person, "id", Kind::Text, Any, "Refit's id of the person."),
    Row(Person, "email", Kind::Text, Any, "The address at work."),
    Row(Person, "department", Kind::Text, Any, "The department, as the most trusted source calls it."),
    Row(Person, "division", Kind::Text, Any, "What the person's department is part of: a division, or the department above it."),
    Row(Person, "departments", Kind::List, Any, "The department and all that it is part of, its own first."),
    Row(Person, "title", Kind::Text, Any, "The job title."),
    Row(Person, "site", Kind::Text, Any, "The office."),
    Row(Person, "country", Kind::Text, Any, "Where the person works, as two letters (ISO 3166-1)."),
    Row(Person, "timezone", Kind::Text, Any, "The time zone in which the person works, such as `Europe/Berlin`."),
    Row(Person, "manager", Kind::Text, Any, "The address of the person's manager."),
    Row(Person, "cost_centre", Kind::Text, Any, "The cost centre."),
    Row(Person, "groups", Kind::List, Any, "Groups in the identity provider."),
    Row(Person, "employment", Kind::Text, Only(EMPLOYMENTS), "How the person is employed at present."),
    Row(Person, "on_call", Kind::Bool, Any, "Whether the person is on call now."),
    Row(Person, "on_leave", Kind::Bool, Any, "Whether the person is on leave now."),
    Row(Person, "vip", Kind::Bool, Any, "Whether the organisation wants particular care."),
    Row(Person, "first_day", Kind::Time, Any, "The first day of employment, which begins at midnight in `person.timezone`."),
    Row(Person, "last_day", Kind::Time, Any, "The last day of employment, which begins at midnight in `person.timezone`."),
    Row(Exposure, "id", Kind::Text, Any, "The id of the advisory, such as `CVE-2026-1111`. Never unknown."),
    Row(Exposure, "kev", Kind::Bool, Any, "Whether CISA lists it as exploited. Never unknown: not listed is false."),
    Row(Exposure, "ransomware", Kind::Bool, Any, "Whether CISA knows of ransomware that uses it. Never unknown."),
    Row(Exposure, "cvss", Kind::Float, Range(0.0, 10.0), "The CVSS base score, 0 to 10. Unknown: nobody has scored it."),
    Row(Exposure, "epss", Kind::Float, Range(0.0, 1.0), "The EPSS probability, 0 to 1. Unknown: FIRST gives none."),
    Row(Exposure, "known_at", Kind::Time, Any, "When the advisory became known. Never unknown."),
];

/// The fields of business events: attributes of CloudEvents, and what their data has. What an event does not have is unknown.
#[rustfmt::skip]
const EVENT: &[Row] = &[
    Row(Root::Event, "type", Kind::Text, Any, "What has happened, such as `device.overdue`. Never unknown."),
    Row(Root::Event, "department", Kind::Text, Any, "The department that owns the type. Never unknown."),
    Row(Root::Event, "subject", Kind::Text, Any, "What it is about: the id of the one device, the title and release, the plan."),
    Row(Root::Event, "time", Kind::Time, Any, "When it was written down. Never unknown."),
    Row(Root::Event, "devices", Kind::List, Any, "The ids of the devices that it lists."),
    Row(Root::Event, "count", Kind::Int, Any, "How many devices it speaks of."),
    Row(Root::Event, "title", Kind::Text, Any, "The title."),
    Row(Root::Event, "branch", Kind::Text, Any, "The branch of the slot."),
    Row(Root::Event, "version", Kind::Text, Any, "The release."),
    Row(Root::Event, "platform", Kind::Text, Any, "The platform that a rollout speaks of; unknown where it is every one."),
    Row(Root::Event, "rollout", Kind::Text, Any, "The rollout."),
    Row(Root::Event, "ring", Kind::Text, Any, "The ring."),
    Row(Root::Event, "compliance", Kind::Text, Any, "How the slot stands."),
    Row(Root::Event, "was", Kind::Text, Any, "How the slot stood."),
    Row(Root::Event, "due", Kind::Time, Any, "The due time."),
    Row(Root::Event, "obligations", Kind::List, Any, "What obliges: advisories, `stale`, `missing`, `forbidden`."),
    Row(Root::Event, "advisories", Kind::List, Any, "The advisories."),
    Row(Root::Event, "kev", Kind::Bool, Any, "Whether any of its advisories is known to be exploited."),
    Row(Root::Event, "result", Kind::Text, Any, "What came of a change."),
    Row(Root::Event, "plan", Kind::Text, Any, "The plan."),
    Row(Root::Event, "source", Kind::Text, Any, "The source of facts."),
    Row(Root::Event, "person", Kind::Text, Any, "The id of the person."),
    Row(Root::Event, "change", Kind::Text, Any, "What has changed of a person's place."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_listed_once_under_a_name_that_can_be_written() {
        let fields = Fields::builtin();
        assert_eq!(fields.iter().count(), BUILTIN.len());
        for field in fields.iter() {
            assert_eq!(field.name.to_string().parse::<FieldRef>().as_ref(), Ok(&field.name));
            assert!(field.doc.ends_with('.'), "{}", field.name);
            assert!(!field.closed || !field.values.is_empty(), "{}", field.name);
        }
        assert!(fields.of(Root::Exposure).all(|field| field.doc.contains("nknown")));
    }

    #[test]
    fn an_organisation_adds_fields_but_does_not_redefine_them() {
        let mut fields = Fields::builtin();
        fields.add("device.rack", Kind::Text).unwrap();
        assert_eq!(fields.get(&FieldRef::device("rack")).map(|field| field.kind), Some(Kind::Text));
        assert_eq!(fields.add("device.rack", Kind::Int), Err(FieldError::Exists(FieldRef::device("rack"))));
        assert_eq!(fields.add("device.os", Kind::Int), Err(FieldError::Exists(FieldRef::device("os"))));
        for name in
            ["rack", "host.rack", "device.", "device.Rack", "device.a-b", "device.1a", "exposure.x", "device.in"]
        {
            assert_eq!(fields.add(name, Kind::Text), Err(FieldError::Name(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn an_organisation_adds_known_values() {
        let mut fields = Fields::builtin();
        let platform = FieldRef::device("platform");
        fields.add_values(&platform, ["zos".into(), "macos".into()]).unwrap();
        let values = &fields.get(&platform).unwrap().values;
        assert_eq!(values.iter().filter(|value| *value == "macos").count(), 1);
        assert!(values.contains(&"zos".into()));
        assert!(fields.add_values(&FieldRef::exposure("cvss"), ["high".into()]).is_err());
        assert!(fields.add_values(&FieldRef::device("nothing"), []).is_err());
    }
}
