//! What was expected, against what was decided.

use crate::{
    decide::{Decision, Goal, View, explain},
    policy::{
        diagnostic::Files,
        document::test::{Expectation, TestDocument},
        load::Written,
        repository::{Origin, Repository},
        syntax::Node,
    },
};
use jiff::tz::TimeZone;
use refit_model::{DeviceId, TitleId, Version};
use serde::Serialize;
use smol_str::SmolStr;
use std::fmt::Display;

/// The slot of an expectation: `temurin-jdk@17`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The title.
    pub title: TitleId,
    /// The branch, where the device has the title in several.
    pub branch: Option<SmolStr>,
}

/// Something that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The device.
    pub device: String,
    /// The slot as it is written.
    pub slot: String,
    /// What was compared: `due`.
    pub field: &'static str,
    /// What was expected.
    pub expected: String,
    /// What was decided.
    pub actual: String,
    /// Where it was expected.
    pub origin: Origin,
    /// Why it was decided so.
    pub explanation: String,
}

impl Slot {
    /// Reads `TITLE` or `TITLE@BRANCH`.
    pub fn parse(text: &str) -> Slot {
        match text.rsplit_once('@') {
            Some((title, branch)) => Slot { title: TitleId::new(title), branch: Some(branch.into()) },
            None => Slot { title: TitleId::new(text), branch: None },
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.branch {
            Some(branch) => write!(f, "{}@{branch}", self.title),
            None => write!(f, "{}", self.title),
        }
    }
}

/// Where an expectation is.
pub struct Context<'a> {
    pub test: &'a Written<TestDocument>,
    pub files: &'a Files,
    pub device: &'a DeviceId,
    pub slot: &'a Slot,
    pub node: &'a Node,
    pub view: View,
}

impl Context<'_> {
    fn mismatch(&self, field: &'static str, expected: String, actual: String, explanation: String) -> Mismatch {
        let node = self.node.get(field).unwrap_or(self.node);
        let part = Written {
            document: (),
            file: self.test.file,
            node: node.clone(),
            line: None,
            mistakes: Default::default(),
        };
        Mismatch {
            device: self.device.to_string(),
            slot: self.slot.to_string(),
            field,
            expected,
            actual,
            origin: part.origin(&[], self.files),
            explanation,
        }
    }
}

impl Mismatch {
    /// A slot that the device does not have, or has several times.
    pub fn no_slot(
        test: &Written<TestDocument>,
        files: &Files,
        device: &DeviceId,
        slot: &Slot,
        node: &Node,
    ) -> Mismatch {
        let context = Context {
            test,
            files,
            device,
            slot,
            node,
            view: View { now: test.document.world.now.0, zone: TimeZone::UTC },
        };
        let actual = "none, or several: write TITLE@BRANCH".to_owned();
        context.mismatch("slot", "one slot of this name".to_owned(), actual, String::new())
    }
}

/// Everything in which a decision is not as expected.
pub fn compare(
    context: &Context<'_>,
    expected: &Expectation,
    decision: &Decision,
    repository: &Repository,
) -> Vec<Mismatch> {
    let mut comparison = Comparison { context, decision, mismatches: Vec::new() };
    if let Some(compliance) = &expected.compliance {
        comparison.equal("compliance", compliance.map(word), Some(word(decision.compliance)));
    }
    if let Some(due) = &expected.due {
        comparison.equal("due", due.map(|due| due.0), decision.due);
    }
    // Versions are compared in their scheme: `3.0` is `3.0.0` where the scheme says so.
    let scheme = repository.scheme(&context.slot.title);
    let same_version = |text: &str, version: &Version| Version::parse(scheme, text).is_ok_and(|read| read == *version);
    if let Some(goal) = &expected.goal {
        let actual = decision.goal.as_ref().map(|goal| match goal {
            Goal::Release { version, .. } => version.to_string(),
            Goal::Absent => "absent".to_owned(),
        });
        let same = match (goal, &decision.goal) {
            (None, None) => true,
            (Some(text), Some(Goal::Absent)) => text == "absent",
            (Some(text), Some(Goal::Release { version, .. })) => same_version(text, version),
            _ => false,
        };
        comparison.check("goal", same, goal.as_ref(), actual.as_ref());
    }
    if let Some(admitted) = &expected.admitted {
        let same = match (admitted, &decision.admitted) {
            (None, None) => true,
            (Some(text), Some(version)) => same_version(text, version),
            _ => false,
        };
        comparison.check("admitted", same, admitted.as_ref(), decision.admitted.as_ref());
    }
    if let Some(rollout) = &expected.rollout {
        comparison.equal("rollout", rollout.as_deref(), decision.rollout.as_deref());
    }
    if let Some(ring) = &expected.ring {
        comparison.equal("ring", ring.as_deref(), decision.ring.as_deref());
    }
    if let Some(gate) = &expected.gate {
        comparison.equal("gate", gate.map(word), decision.gate.map(word));
    }
    if let Some(progress) = &expected.progress {
        comparison.equal("progress", progress.map(word), Some(word(decision.progress)));
    }
    if let Some(policy) = &expected.policy {
        comparison.equal("policy", policy.as_deref(), decision.policy.as_deref());
    }
    if let Some(holds) = &expected.holds {
        comparison.equal("holds", Some(set(holds)), Some(set(&decision.holds)));
    }
    if let Some(marks) = &expected.marks {
        comparison.equal("marks", Some(set(marks)), Some(set(&decision.marks)));
    }
    comparison.mismatches
}

struct Comparison<'a> {
    context: &'a Context<'a>,
    decision: &'a Decision,
    mismatches: Vec<Mismatch>,
}

impl Comparison<'_> {
    fn equal<T: PartialEq + Display>(&mut self, field: &'static str, expected: Option<T>, actual: Option<T>) {
        let same = expected == actual;
        self.check(field, same, expected.as_ref(), actual.as_ref());
    }

    fn check(
        &mut self,
        field: &'static str,
        same: bool,
        expected: Option<&impl Display>,
        actual: Option<&impl Display>,
    ) {
        if !same {
            let text = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
            let mismatch = self.context.mismatch(
                field,
                text(expected.map(ToString::to_string)),
                text(actual.map(ToString::to_string)),
                explain(self.decision, &self.context.view).to_string(),
            );
            self.mismatches.push(mismatch);
        }
    }
}

/// The word under which a value is written in documents.
fn word<T: Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

fn set<'v, T: Serialize + 'v>(values: impl IntoIterator<Item = &'v T>) -> String {
    let mut words: Vec<String> = values.into_iter().map(word).collect();
    words.sort();
    words.dedup();
    format!("[{}]", words.join(", "))
}
