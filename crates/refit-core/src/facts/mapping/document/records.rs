//! What records mean.

use super::Formula;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// A kind of records, and what its parts mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordsDocument {
    /// Its name: `computers`.
    pub records: String,
    /// Whether they are devices or people.
    pub of: Subject,
    /// Where in a payload they are, as JSON pointers; the first that leads to a list or an object counts. `""` is the payload itself.
    #[serde(default = "itself")]
    pub from: Vec<String>,
    /// What has to hold for a record to be of this kind.
    #[serde(default)]
    pub when: Option<Formula>,
    /// A list in the record, each entry of which is a record; the one around it is then `parent`.
    #[serde(default)]
    pub each: Option<Formula>,
    /// The id that the system knows it by: a text or a number.
    pub id: Formula,
    /// When the system observed what it says; the time of reading where nothing is said.
    #[serde(default)]
    pub observed: Option<SourceDocument>,
    /// Whether the system says that it is gone.
    #[serde(default)]
    pub deleted: Option<Formula>,
    /// What of it is sensitive, such as `record.leave.kind`, and the purpose that the answer is for which is kept of it. What it is itself is
    /// kept and told nowhere.
    #[serde(default)]
    pub sensitive: BTreeMap<String, Option<String>>,
    /// What identifies it, by kind.
    #[serde(default)]
    pub keys: BTreeMap<String, KeySourceDocument>,
    /// What is said of it, by field.
    #[serde(default)]
    pub fields: BTreeMap<String, SourceDocument>,
    /// What holds of everybody of whom there is no such record, by field: the list names those of whom something else holds just now, such
    /// as who is on call. How many there are may change as it will.
    #[serde(default)]
    pub unlisted: BTreeMap<String, bool>,
    /// What is installed on it.
    #[serde(default)]
    pub installs: Vec<InstallsDocument>,
    /// What it has to do with others.
    #[serde(default)]
    pub relations: Vec<RelationDocument>,
    /// Which department answers for what is said: conflicts go to it.
    #[serde(default)]
    pub owner: Option<String>,
    /// How fresh it is.
    #[serde(default)]
    pub fresh: Option<String>,
    /// What the system means by such a record, where that differs from what Refit means.
    #[serde(default)]
    pub meaning: Option<String>,
}

fn itself() -> Vec<String> {
    vec![String::new()]
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A device.
    Device,
    /// A person.
    Person,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SourceDocument {
    /// From the record as it is.
    From(Formula),
    /// From the record, with more to say.
    Detailed(DetailedSourceDocument),
}

/// Where a value comes from, and what has to be known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailedSourceDocument {
    /// From the record.
    pub from: Formula,
    /// What the system's values are called here; letters may be small or capital. One that says nothing of the
    /// field is `~`.
    #[serde(default)]
    pub values: BTreeMap<String, Option<String>>,
    /// What a value is that is not among them; without it an open field keeps it, and a field with a closed list has none.
    #[serde(default)]
    pub otherwise: Option<String>,
    /// How times are written: `unix`, `unix_ms`, `windows`, or as `strftime` has it.
    #[serde(default)]
    pub time: Option<String>,
    /// Texts that mean that there is no value, besides the empty one.
    #[serde(default)]
    pub never: Vec<String>,
    /// What the system means by it, where that differs from what Refit means.
    #[serde(default)]
    pub meaning: Option<String>,
    /// How fresh it is.
    #[serde(default)]
    pub fresh: Option<String>,
    /// Which department answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The fact is sensitive, and this is what policies need it for: of what it is read from the answer alone is kept.
    #[serde(default, deserialize_with = "said")]
    pub purpose: Option<String>,
}

/// A text that is empty where nothing stands behind its name: whoever writes the name means something by it.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| Some(text.unwrap_or_default()))
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum KeySourceDocument {
    /// From the record as it is.
    From(Formula),
    /// From the record, with more to say.
    Detailed(DetailedKeyDocument),
}

/// Where a key comes from, and how far it is to be believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetailedKeyDocument {
    /// From the record: a text, a number, or a list of them.
    pub from: Formula,
    /// What has to hold for it to be a strong key; it is a weak one otherwise.
    #[serde(default)]
    pub strong_if: Option<Formula>,
    /// What has to be known of it.
    #[serde(default)]
    pub meaning: Option<String>,
}

/// What is installed on a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallsDocument {
    /// The list, each entry of which is `item`; the record itself where nothing is said.
    #[serde(default)]
    pub each: Option<Formula>,
    /// What has to hold for an entry to count.
    #[serde(default)]
    pub when: Option<Formula>,
    /// What the title is called.
    pub title: TitleSourceDocument,
    /// Its version.
    #[serde(default)]
    pub version: Option<Formula>,
    /// Where it is.
    #[serde(default)]
    pub path: Option<Formula>,
    /// Whether the list is all that is installed, so that what is not in it is not there. Where each record is one install of a device, all of
    /// them together are.
    #[serde(default)]
    pub complete: bool,
    /// It is all that is installed where this holds of the record.
    #[serde(default)]
    pub complete_if: Option<Formula>,
    /// What has to be known of it.
    #[serde(default)]
    pub meaning: Option<String>,
}

/// What the title of an install is called, in any of these ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TitleSourceDocument {
    /// Its bundle identifier on Apple's platforms.
    #[serde(default)]
    pub bundle_id: Option<Formula>,
    /// Its name as a package.
    #[serde(default)]
    pub package: Option<Formula>,
    /// Its product code (Windows Installer).
    #[serde(default)]
    pub product_code: Option<Formula>,
    /// Its display name.
    #[serde(default)]
    pub name: Option<Formula>,
    /// Who makes it.
    #[serde(default)]
    pub publisher: Option<Formula>,
}

/// What a record has to do with others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelationDocument {
    /// What.
    pub relation: RelationKind,
    /// A list in the record, each entry of which is `item`, if there are several.
    #[serde(default)]
    pub each: Option<Formula>,
    /// What has to hold for it to count.
    #[serde(default)]
    pub when: Option<Formula>,
    /// How a device is assigned.
    #[serde(default)]
    pub assignment: Option<AssignmentDocument>,
    /// With whom or what: keys of the other, by kind. `id` is the id that this system knows it by.
    pub keys: BTreeMap<String, KeySourceDocument>,
    /// What has to be known of it.
    #[serde(default)]
    pub meaning: Option<String>,
}

/// What a record has to do with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RelationKind {
    /// The device is assigned to a person, or the person has the device.
    Assigned,
    /// The person's manager.
    Manager,
    /// The department that it belongs to.
    Department,
    /// The site that it belongs to.
    Site,
}

/// How a device is assigned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AssignmentDocument {
    /// Always so.
    Always(AssignmentKind),
    /// As the record says.
    Detailed(Box<DetailedSourceDocument>),
}

/// How a device is assigned to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentKind {
    /// It is this person's.
    Primary,
    /// Several use it.
    Shared,
    /// Nobody in particular uses it.
    Kiosk,
    /// For a while.
    Loaner,
    /// In reserve.
    Spare,
}

impl SourceDocument {
    /// The whole of what is said of it.
    pub fn detailed(&self) -> DetailedSourceDocument {
        match self {
            SourceDocument::Detailed(detailed) => detailed.clone(),
            SourceDocument::From(from) => DetailedSourceDocument {
                from: from.clone(),
                values: BTreeMap::new(),
                otherwise: None,
                time: None,
                never: Vec::new(),
                meaning: None,
                fresh: None,
                owner: None,
                purpose: None,
            },
        }
    }
}

impl AssignmentKind {
    /// As `device.assignment` has it.
    pub fn name(self) -> &'static str {
        match self {
            AssignmentKind::Primary => "primary",
            AssignmentKind::Shared => "shared",
            AssignmentKind::Kiosk => "kiosk",
            AssignmentKind::Loaner => "loaner",
            AssignmentKind::Spare => "spare",
        }
    }
}

impl RelationKind {
    /// As documents write it.
    pub fn name(self) -> &'static str {
        match self {
            RelationKind::Assigned => "assigned",
            RelationKind::Manager => "manager",
            RelationKind::Department => "department",
            RelationKind::Site => "site",
        }
    }
}
