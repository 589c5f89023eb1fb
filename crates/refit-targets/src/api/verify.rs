//! Trying a target on a live system: harmless objects that are made, read, changed and taken away again, and the record of it.
//!
//! Whoever does IO makes the [`Sample`]s of [`super::Api::samples`] by the same calls as any other object, reads them as any other is read, and
//! holds what came back against what was written ([`differences`]). No sample is for anybody: what is assigned is assigned to a group of
//! the verification's own, in which nobody is. The [`Record`] has no secrets in it; ids in paths are left out.

use super::{There, plan::pruned};
use crate::{
    diff::fields,
    object::{Fields, Identity, MARKER, Object, fingerprint},
    target::Offered,
};
use jiff::{SignedDuration, Timestamp, civil::Weekday, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// A part of a path that has digits in it and is so long is an id: no part of an address of a vendor's is.
const LONG_ID: usize = 16;

/// Raised when a record changes its meaning.
pub const FORMAT: u32 = 1;

/// What is known before objects are made up.
#[derive(Clone, Copy, Debug)]
pub struct Sampling<'a> {
    /// The text that stands in them.
    pub mark: &'a str,
    /// What they are called, or what their names begin with.
    pub name: &'a str,
    /// The time now.
    pub now: Timestamp,
    /// The settings of the target's document.
    pub settings: &'a BTreeMap<String, Value>,
    /// What the system says that it can install.
    pub offered: &'a Offered,
}

/// An object that does nothing to anybody.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it is called there.
    pub id: Identity,
    /// Its fields, all that the target writes of this kind.
    pub fields: Fields,
    /// The same with one of them changed.
    pub changed: Fields,
}

/// What can be tried, and what can't.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Objects, in the order in which they are made.
    pub samples: Vec<Sample>,
    /// What is not tried.
    pub not_tried: Vec<NotTried>,
}

/// What a target was seen to do on a live system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`FORMAT`] of whoever wrote it.
    pub format: u32,
    /// The target's kind.
    pub kind: SmolStr,
    /// The host of the system.
    pub host: String,
    /// When.
    pub at: Timestamp,
    /// The version of Refit.
    pub refit: String,
    /// What came of it.
    pub verdict: Verdict,
    /// What was done, one after the other.
    pub steps: Vec<Done>,
    /// What was not tried, and why.
    #[serde(default)]
    pub not_tried: Vec<NotTried>,
    /// What could not be taken away again.
    #[serde(default)]
    pub left: Vec<LeftBehind>,
}

/// What came of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything was taken, and came back as it was written.
    AsWritten,
    /// Everything was taken, and some of it came back otherwise.
    Differs,
    /// Something was refused, or could not be done.
    Failed,
    /// Something could not be taken away again.
    LeftBehind,
    /// There is nothing of the target that could be tried without harm.
    NothingTried,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// What.
    pub step: StepKind,
    /// With what sort of object; `None` where it is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<SmolStr>,
    /// What was called for it.
    pub calls: Vec<Called>,
    /// What came back otherwise than it was written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub otherwise: Vec<Otherwise>,
    /// Why it could not be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// What is there is looked at.
    Look,
    /// Something that an earlier verification left is taken away.
    CleanUp,
    /// An object is made.
    Make,
    /// What was made is held against what was written.
    Compare,
    /// A field is changed.
    Change,
    /// What was changed is held against what was written.
    CompareAgain,
    /// It is taken away.
    TakeAway,
    /// It is looked whether it is gone.
    Gone,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Called {
    /// How.
    pub method: SmolStr,
    /// Where, without ids and parameters.
    pub path: String,
    /// What was answered; `None` where nothing was.
    pub status: Option<u16>,
}

/// A field that came back otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otherwise {
    /// Its path.
    pub field: String,
    /// What was written; `None` where it was not.
    pub written: Option<Value>,
    /// What came back; `None` where nothing did.
    pub came_back: Option<Value>,
}

/// What was not tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotTried {
    /// What.
    pub what: String,
    /// Why.
    pub because: String,
}

/// An object that is still there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftBehind {
    /// Which.
    pub id: Identity,
    /// Its id in the system, where that is known.
    pub remote: Option<String>,
}

/// The text in what a verification makes.
pub fn mark(organization: &str, target: &str) -> String {
    let of = if organization.is_empty() { String::new() } else { format!(" of {organization}") };
    format!("Made by a verification of Refit for target {target}{of}: for nobody, and may be taken away.")
}

/// What the objects of a run are called: no two runs have the same.
pub fn name(organization: &str, target: &str, now: Timestamp) -> String {
    format!("{MARKER}-verification-{}", fingerprint([organization, target, now.to_string().as_str()], 8))
}

impl Sample {
    /// An object, and another value of one of its fields.
    pub fn new(object: Object, field: &str, value: impl Into<Value>) -> Sample {
        let Object { id, fields, .. } = object;
        let mut changed = fields.clone();
        changed.insert(field.to_owned(), value.into());
        Sample { id, fields, changed }
    }
}

/// What came back otherwise than it was written, of that which was; `unseen` are fields that the system never shows.
pub fn differences(written: &Fields, there: &There, unseen: &[&str]) -> Vec<Otherwise> {
    let own = there.fields.iter().filter(|(name, _)| written.contains_key(*name));
    let came_back = pruned(own.map(|(name, value)| (name.clone(), value.clone())));
    let shown = written.iter().filter(|(name, _)| !unseen.contains(&name.as_str()));
    let changes = fields(&pruned(shown.map(|(name, value)| (name.clone(), value.clone()))), &came_back, &[]);
    changes
        .into_iter()
        .map(|change| Otherwise { field: change.path, written: change.before, came_back: change.after })
        .collect()
}

/// A path without the ids in it.
pub fn pattern(path: &str, ids: &BTreeSet<String>) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let is_id = |part: &str| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        ids.contains(part) || (digits > 0 && (digits == part.len() || part.len() >= LONG_ID))
    };
    path.split('/').map(|part| if is_id(part) { "{id}" } else { part }).collect::<Vec<_>>().join("/")
}

/// The host of an address.
pub fn host(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    host.rsplit('@').next().unwrap_or_default().to_owned()
}

/// The last day on which Microsoft published its updates of the month, the second Tuesday of one, at least a week ago.
pub fn patch_day(now: Timestamp) -> Timestamp {
    const SETTLED: SignedDuration = SignedDuration::from_hours(24 * 7);
    let last = TimeZone::UTC.to_datetime(now.saturating_sub(SETTLED).unwrap_or(now)).date();
    let in_month = |first: jiff::civil::Date| first.nth_weekday_of_month(2, Weekday::Tuesday).ok();
    let this = in_month(last.first_of_month()).filter(|day| *day <= last);
    let before = || last.first_of_month().yesterday().ok().and_then(in_month);
    let day = this.or_else(before).unwrap_or(last);
    day.to_zoned(TimeZone::UTC).map_or(now, |day| day.timestamp())
}

impl Record {
    /// What steps and what is left come to.
    pub fn judged(mut self) -> Record {
        self.verdict = if !self.left.is_empty() {
            Verdict::LeftBehind
        } else if self.steps.iter().any(|step| step.failed.is_some()) {
            Verdict::Failed
        } else if !self.steps.iter().any(|step| step.step == StepKind::Make) {
            Verdict::NothingTried
        } else if self.steps.iter().any(|step| !step.otherwise.is_empty()) {
            Verdict::Differs
        } else {
            Verdict::AsWritten
        };
        self
    }

    /// In a line: `2026-11-27, graph.microsoft.com, Refit 0.1.0: everything came back as it was written`.
    pub fn line(&self) -> String {
        let day = TimeZone::UTC.to_datetime(self.at).date();
        format!("{day}, {}, Refit {}: {}", self.host, self.refit, self.verdict.words())
    }

    /// The record for people.
    pub fn text(&self) -> String {
        let mut text = format!("{} at {}\n", self.kind, self.host);
        for Done { step, object, calls, otherwise, failed } in &self.steps {
            let object = object.as_ref().map_or(String::new(), |object| format!(" {object}"));
            let _ = writeln!(text, "  {}{object}", step.words());
            for Called { method, path, status } in calls.iter().filter(|call| call.method != "GET") {
                let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
                let _ = writeln!(text, "    {method} {path}: {status}");
            }
            for Otherwise { field, written, came_back } in otherwise {
                let said = |value: &Option<Value>| {
                    value.as_ref().map_or_else(|| "nothing".to_owned(), |value| value.to_string())
                };
                let _ = writeln!(text, "    {field}: {} was written, and {} came back", said(written), said(came_back));
            }
            if let Some(why) = failed {
                let _ = writeln!(text, "    failed: {why}");
            }
        }
        for NotTried { what, because } in &self.not_tried {
            let _ = writeln!(text, "  not tried: {what}: {because}");
        }
        for LeftBehind { id, remote } in &self.left {
            let remote = remote.as_ref().map_or(String::new(), |remote| format!(" (id {remote})"));
            let _ = writeln!(text, "  still there: {id}{remote}");
        }
        let _ = writeln!(text, "Verdict: {}.", self.verdict.words());
        text
    }
}

impl Verdict {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::AsWritten => "everything was taken, and came back as it was written",
            Verdict::Differs => "everything was taken, and some of it came back otherwise",
            Verdict::Failed => "something was refused, or could not be done",
            Verdict::LeftBehind => "something could not be taken away again",
            Verdict::NothingTried => "nothing of it can be tried without harm",
        }
    }
}

impl StepKind {
    fn words(self) -> &'static str {
        match self {
            StepKind::Look => "look what is there",
            StepKind::CleanUp => "take away what an earlier verification left:",
            StepKind::Make => "make",
            StepKind::Compare => "compare",
            StepKind::Change => "change",
            StepKind::CompareAgain => "compare again",
            StepKind::TakeAway => "take away",
            StepKind::Gone => "look whether all is gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        target::registry,
        targets::jamf::{App, Catalog, PatchTitle},
    };
    use serde_json::json;

    fn there(fields: Value) -> There {
        let Value::Object(fields) = fields else { panic!("{fields}") };
        There {
            id: Identity::new("ring", "refit-verification-1".to_owned()),
            remote: "7".to_owned(),
            fields: fields.into_iter().collect(),
            is_marked: true,
            version: None,
        }
    }

    #[test]
    fn what_comes_back_otherwise_is_told_and_what_is_the_systems_own_is_not() {
        let written = there(json!({ "days": 3, "how": { "a": true }, "to": ["g"] })).fields;
        let same = there(json!({ "days": 3, "how": { "a": true, "b": null }, "to": ["g"], "createdDateTime": "now" }));
        assert_eq!(differences(&written, &same, &[]), []);
        let other = there(json!({ "days": 4, "how": { "a": true, "b": 1 }, "to": null }));
        let told: Vec<(String, Option<Value>, Option<Value>)> =
            differences(&written, &other, &[]).into_iter().map(|it| (it.field, it.written, it.came_back)).collect();
        let expected = [
            ("days".to_owned(), Some(json!(3)), Some(json!(4))),
            ("how.b".to_owned(), None, Some(json!(1))),
            ("to".to_owned(), Some(json!(["g"])), None),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn ids_and_parameters_are_in_no_record() {
        let ids = BTreeSet::from(["a-b-c".to_owned()]);
        assert_eq!(pattern("/v1.0/groups/a-b-c/members/7/$ref?x=a-b-c", &ids), "/v1.0/groups/{id}/members/{id}/$ref");
        assert_eq!(host("https://me:hush@acme.okta.com/x?y"), "acme.okta.com");
    }

    #[test]
    fn updates_of_the_month_come_on_its_second_tuesday() {
        for (now, day) in [
            ("2026-11-27T10:00:00Z", "2026-11-10T00:00:00Z"),
            ("2026-11-17T00:00:00Z", "2026-11-10T00:00:00Z"),
            ("2026-11-16T23:00:00Z", "2026-10-13T00:00:00Z"),
            ("2027-01-05T00:00:00Z", "2026-12-08T00:00:00Z"),
        ] {
            assert_eq!(patch_day(now.parse().unwrap()), day.parse().unwrap(), "{now}");
        }
    }

    #[test]
    fn no_sample_is_for_anybody_and_each_is_refits_and_says_so() {
        let settings = BTreeMap::new();
        let title =
            PatchTitle { id: "7".to_owned(), versions: [("4.41.0".to_owned(), Some("Slack.pkg".to_owned()))].into() };
        let catalog = Catalog {
            titles: [("Slack".to_owned(), title)].into(),
            apps: [("Teams".to_owned(), App { id: "0AB".to_owned(), version: "2.0".to_owned() })].into(),
            macos: vec!["26.1".to_owned()],
        };
        let offered = Offered { jamf: Some(catalog), ..Offered::default() };
        let now = "2026-11-27T10:00:00Z".parse().unwrap();
        let mark = mark("acme", "it");
        let name = name("acme", "it", now);
        let sampling = Sampling { mark: &mark, name: &name, now, settings: &settings, offered: &offered };
        for target in registry() {
            let Some(api) = target.api() else { continue };
            let Samples { samples, not_tried } = api.samples(&sampling);
            let kinds: BTreeSet<&str> = samples.iter().map(|sample| sample.id.kind.as_str()).collect();
            // Every kind is tried, or it is said why it is not.
            for kind in api.order() {
                let said = not_tried.iter().any(|it| it.what.contains(*kind));
                assert!(kinds.contains(kind) || said, "{}: {kind}", target.kind());
            }
            for sample in &samples {
                assert!(sample.id.is_owned() && sample.id.name.starts_with(&name), "{}", sample.id);
                let differ: Vec<&String> =
                    sample.fields.keys().filter(|name| sample.fields[*name] != sample.changed[*name]).collect();
                assert_eq!(differ.len(), 1, "{}: {differ:?}", sample.id);
                assert_eq!(sample.fields.get(super::super::MEMBERS).unwrap_or(&json!([])), &json!([]), "{}", sample.id);
                let text = serde_json::to_string(&sample.fields).unwrap();
                assert!(!text.contains("allDevices") && !text.contains("allLicensedUsers"), "{text}");
                if target.kind() != "okta-device-assurance" {
                    assert!(text.contains(&mark), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record {
            format: FORMAT,
            kind: "intune".into(),
            host: "graph.microsoft.com".to_owned(),
            at: "2026-11-27T10:00:00Z".parse().unwrap(),
            refit: "0.1.0".to_owned(),
            verdict: Verdict::AsWritten,
            steps: vec![Done {
                step: StepKind::Make,
                object: Some("group".into()),
                calls: vec![Called { method: "POST".into(), path: "/v1.0/groups".to_owned(), status: Some(201) }],
                otherwise: Vec::new(),
                failed: None,
            }],
            not_tried: Vec::new(),
            left: Vec::new(),
        };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        assert_eq!(record.clone().judged().verdict, Verdict::AsWritten);
        let mut failed = record.clone();
        failed.steps[0].failed = Some("no".to_owned());
        assert_eq!(failed.clone().judged().verdict, Verdict::Failed);
        failed.left.push(LeftBehind { id: Identity::new("group", "refit-verification-1".to_owned()), remote: None });
        assert_eq!(failed.judged().verdict, Verdict::LeftBehind);
        assert!(record.text().contains("POST /v1.0/groups: 201"), "{}", record.text());
    }
}
