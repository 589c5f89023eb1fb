//! Releases, advisories, installs and facts as they are written in the log and sent over the wire: versions are text, which
//! is read in the title's scheme when a decision is made.

use crate::{Advisory, AdvisoryId, BranchName, Scheme, TitleId, VersionRange, versions::RangeError};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, ToSmolStr};
use std::fmt;

/// A slot of some device, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotName {
    /// The title.
    #[schemars(with = "String")]
    pub title: TitleId,
    /// Its branch, where the title has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub branch: Option<BranchName>,
    /// The profile that it is installed in; the machine where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub profile: Option<SmolStr>,
}

/// A release that is present on a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallEntry {
    /// The title.
    #[schemars(with = "String")]
    pub title: TitleId,
    /// Its branch, where the title has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub branch: Option<BranchName>,
    /// The profile that it is installed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub profile: Option<SmolStr>,
    /// Its version.
    #[schemars(with = "String")]
    pub version: SmolStr,
    /// The package manager's word where it is not in order: `half-configured`. What is not in order does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub state: Option<SmolStr>,
    /// What a distribution's package was built from, where the device says. Feeds speak of sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<PackageSource>,
}

/// The source package that a binary package was built from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageSource {
    /// Its name: `openssl` for `libssl3`.
    #[schemars(with = "String")]
    pub name: SmolStr,
    /// Its version, where it is not the binary package's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub version: Option<SmolStr>,
}

/// A release that somebody published, or that a universe offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseEntry {
    /// The title.
    #[schemars(with = "String")]
    pub title: TitleId,
    /// Its branch, where the title has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub branch: Option<BranchName>,
    /// Its version.
    #[schemars(with = "String")]
    pub version: SmolStr,
    /// When it was published.
    #[schemars(with = "String")]
    pub published: Timestamp,
    /// Whether a distribution's security archive carries it.
    #[serde(default)]
    pub security: bool,
    /// Whether the universe withholds it for now (a pin, a source that can't be trusted); only in a universe's offers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

/// A published vulnerability, as far as it concerns one title.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvisoryEntry {
    /// Its id.
    #[schemars(with = "String")]
    pub id: AdvisoryId,
    /// The title that it concerns.
    #[schemars(with = "String")]
    pub title: TitleId,
    /// Ranges of affected versions (`<130.0.6723.69`): any of them; `*` is every version.
    #[schemars(with = "Vec<String>")]
    pub affected: Vec<SmolStr>,
    /// When it became known.
    #[schemars(with = "String")]
    pub known_at: Timestamp,
    /// CVSS base score, 0 to 10; absent where nobody has given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvss: Option<f64>,
    /// EPSS probability, 0 to 1; absent where nobody has given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<f64>,
    /// When CISA listed it as known to be exploited; absent is: not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kev: Option<Timestamp>,
    /// Whether ransomware campaigns are known to use it.
    #[serde(default)]
    pub ransomware: bool,
    /// Since when it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub withdrawn: Option<Timestamp>,
    /// Which feeds said so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub said_by: Vec<SmolStr>,
}

impl From<&Advisory> for AdvisoryEntry {
    /// An advisory as the log has it, which knows no title upstream. What has no fix affects every version.
    fn from(advisory: &Advisory) -> AdvisoryEntry {
        let affected: Vec<SmolStr> = advisory.affected.iter().map(ToSmolStr::to_smolstr).collect();
        AdvisoryEntry {
            id: advisory.id.clone(),
            title: advisory.title.clone(),
            affected: if affected.is_empty() { vec!["*".into()] } else { affected },
            known_at: advisory.known_at,
            cvss: advisory.cvss,
            epss: advisory.epss,
            kev: advisory.kev,
            ransomware: advisory.ransomware,
            withdrawn: advisory.withdrawn,
            said_by: advisory.said_by.clone(),
        }
    }
}

impl AdvisoryEntry {
    /// The advisory that it says, with its ranges in the title's scheme; it knows no title upstream.
    ///
    /// # Errors
    ///
    /// The first range that is none there.
    pub fn read(&self, scheme: Scheme) -> Result<Advisory, RangeError> {
        let range = |range: &SmolStr| match range.as_str() {
            "*" => Ok(VersionRange::between(scheme, None, None)),
            range => VersionRange::parse(scheme, range),
        };
        Ok(Advisory {
            id: self.id.clone(),
            title: self.title.clone(),
            upstream: None,
            affected: self.affected.iter().map(range).collect::<Result<_, _>>()?,
            known_at: self.known_at,
            cvss: self.cvss,
            epss: self.epss,
            kev: self.kev,
            ransomware: self.ransomware,
            withdrawn: self.withdrawn,
            said_by: self.said_by.clone(),
        })
    }
}

/// What came of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptResult {
    /// The device was seen running the release.
    Succeeded,
    /// It was tried, and the device does not run it.
    Failed,
    /// It is installed, and a restart is still needed.
    RestartPending,
}

/// A fact's value as JSON writes it; the field says what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Plain {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text, a time, a version.
    Text(#[schemars(with = "String")] SmolStr),
    /// A list of texts.
    List(#[schemars(with = "Vec<String>")] Vec<SmolStr>),
}

/// As people write it.
impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Plain::Bool(value) => write!(f, "{value}"),
            Plain::Int(value) => write!(f, "{value}"),
            Plain::Float(value) => write!(f, "{value}"),
            Plain::Text(value) => f.write_str(value),
            Plain::List(values) => f.write_str(&values.join(",")),
        }
    }
}

impl InstallEntry {
    /// The slot that it is in.
    pub fn slot(&self) -> SlotName {
        SlotName { title: self.title.clone(), branch: self.branch.clone(), profile: self.profile.clone() }
    }
}

impl SlotName {
    /// The slot of a title that has one branch, on the machine.
    pub fn of(title: TitleId) -> SlotName {
        SlotName { title, branch: None, profile: None }
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.title)?;
        if let Some(branch) = &self.branch {
            write!(f, "@{branch}")?;
        }
        if let Some(profile) = &self.profile {
            write!(f, " ({profile})")?;
        }
        Ok(())
    }
}
