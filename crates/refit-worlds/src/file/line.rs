//! The lines of a world file.

use jiff::{SignedDuration, Timestamp};
use refit_core::facts::Value;
use refit_model::{BranchName, DeviceId, Scheme, TitleId, entry::AdvisoryEntry};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub format: SmolStr,
    pub version: u32,
    pub now: Timestamp,
}

/// A title with its releases. Releases are numbered through all titles, in the order of lines, from 0 on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TitleLine {
    pub title: TitleId,
    pub scheme: Scheme,
    pub releases: Vec<ReleaseLine>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseLine {
    pub version: SmolStr,
    pub published: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<BranchName>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub security: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdvisoryLine {
    pub advisory: AdvisoryEntry,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<TitleId>,
    /// The scheme of the ranges, which is upstream's where that is another title.
    pub scheme: Scheme,
}

/// What devices are offered otherwise than published. Universes are numbered in the order of lines, from 1 on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UniverseLine {
    /// By title: versions, with since when they are offered; null is never.
    pub universe: BTreeMap<TitleId, Vec<(SmolStr, Scheme, Option<Timestamp>)>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceLine {
    pub device: DeviceId,
    pub seen: Timestamp,
    pub seen_by: SmolStr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub identity_in_doubt: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<SaidLine>,
    /// 0 is: everything as published.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub universe: u32,
    /// Releases by their numbers, under the time at which they were first observed, in seconds since 1970; null is long ago.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub installs: Vec<(Option<i64>, Vec<u32>)>,
    /// Installs of releases that no title line has, or in profiles, or whose time has fractions of a second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<InstallLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absences: Vec<(Timestamp, Timestamp, SignedDuration)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spells: Vec<(SlotLine, Timestamp)>,
}

/// What one source said at one time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SaidLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Timestamp>,
    pub values: BTreeMap<SmolStr, ValueLine>,
}

/// A value, with its kind where JSON does not tell it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum ValueLine {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(SmolStr),
    List(Vec<SmolStr>),
    Of(OfKind),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OfKind {
    Time(Timestamp),
    Version(SmolStr),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstallLine {
    pub title: TitleId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<BranchName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<SmolStr>,
    pub version: SmolStr,
    pub scheme: Scheme,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlotLine {
    pub title: TitleId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<BranchName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<SmolStr>,
}

impl ValueLine {
    /// `None` for a length of time, which no field has.
    pub fn of(value: &Value) -> Option<ValueLine> {
        Some(match value {
            Value::Bool(truth) => ValueLine::Bool(*truth),
            Value::Int(number) => ValueLine::Int(*number),
            Value::Float(number) => ValueLine::Float(*number),
            Value::Text(text) => ValueLine::Text(text.clone()),
            Value::List(items) => ValueLine::List(items.clone()),
            Value::Time(time) => ValueLine::Of(OfKind::Time(*time)),
            Value::Version(version) => ValueLine::Of(OfKind::Version(version.as_str().into())),
            Value::Duration(_) => return None,
        })
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
