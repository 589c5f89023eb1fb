//! `template.yaml`, as it is written. These types are the only source of its JSON Schema and of the checks of its shape.

use crate::{
    facts::mapping::document::{AuthenticationDocument, Formula, LimitsDocument, PagingDocument, SettingDocument},
    policy::document::scalars::Duration,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A process: one object of another system for each thing of a kind here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateDocument {
    /// Its name, which is also that of its folder: `servicenow-change`.
    pub template: String,
    /// What it is called, for people.
    pub name: String,
    /// What it does, and for whom.
    #[serde(default)]
    pub about: Option<String>,
    /// Pages of the vendor's that say what is called here.
    #[serde(default)]
    pub docs: Vec<String>,
    /// What there is one object of.
    pub one_for: Subject,
    /// What somebody who uses it has to say, by name; addresses name them as `{name}`, expressions as `settings.name`.
    #[serde(default)]
    pub settings: BTreeMap<String, SettingDocument>,
    /// Secrets that it needs, by name. What they are is never written in a policy repository.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Where its addresses begin: `{url}`.
    pub address: String,
    /// How Refit shows who it is.
    #[serde(default)]
    pub authentication: Option<AuthenticationDocument>,
    /// Headers of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How much may be asked.
    #[serde(default)]
    pub limits: Option<LimitsDocument>,
    /// Parts of bodies, by name: `{ part: NAME }` stands for one.
    #[serde(default)]
    pub parts: BTreeMap<String, serde_json::Value>,
    /// How many objects are open at the same time at most; 500 where nothing is said. More things wait until others are closed.
    #[serde(default)]
    pub at_most: Option<u32>,
    /// How long after a lost answer the system surely finds what it had made; 30s where nothing is said.
    #[serde(default)]
    pub settle: Option<Duration>,
    /// How an object is found that is there already, by a mark in it. It has to remember `id` where there is one.
    pub find: Vec<CallDocument>,
    /// How it is made. It has to remember `id`.
    pub create: Vec<CallDocument>,
    /// How it is brought up to date; made again and again, these calls have to do no more than once.
    #[serde(default)]
    pub update: Vec<CallDocument>,
    /// How it is closed.
    #[serde(default)]
    pub close: Vec<CallDocument>,
    /// How it is asked for people's answer.
    #[serde(default)]
    pub look: Option<LookDocument>,
}

/// What there is one object of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A release in a rollout on a platform.
    Rollout,
    /// What one person has to put right of one title.
    Campaign,
    /// What is due on a device.
    Device,
    /// A plan, as `refit plan --json` prints it.
    Plan,
}

impl Subject {
    /// As templates write it.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Rollout => "rollout",
            Subject::Campaign => "campaign",
            Subject::Device => "device",
            Subject::Plan => "plan",
        }
    }
}

/// One request. Paths, parameters and texts of bodies may have expressions in them, `${subject.title}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallDocument {
    /// The path of a GET, after the template's address.
    #[serde(default)]
    pub get: Option<String>,
    /// Of a POST.
    #[serde(default)]
    pub post: Option<String>,
    /// Of a PUT.
    #[serde(default)]
    pub put: Option<String>,
    /// Of a PATCH.
    #[serde(default)]
    pub patch: Option<String>,
    /// Of a DELETE.
    #[serde(default)]
    pub delete: Option<String>,
    /// Parameters of the address. One that has no value is left out.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// What is sent, as JSON. A key whose value is missing is left out.
    #[serde(default)]
    pub body: Option<serde_json::Value>,
    /// It is made only where this holds.
    #[serde(default)]
    pub when: Option<Formula>,
    /// Where in the answer a list is, as a JSON pointer; `answer` is then the first entry for which `is` holds.
    #[serde(default)]
    pub list: Option<String>,
    /// Which entry of the list is meant; the first where nothing is said.
    #[serde(default)]
    pub is: Option<Formula>,
    /// Whether it is an error that the list has no such entry.
    #[serde(default)]
    pub required: bool,
    /// How the next page of the list is asked for.
    #[serde(default)]
    pub paging: Option<PagingDocument>,
    /// Where this holds of the answer it is a refusal, whatever its status.
    #[serde(default)]
    pub fails: Option<Formula>,
    /// What the system says of that.
    #[serde(default)]
    pub why: Option<Formula>,
    /// Statuses that are as good as yes.
    #[serde(default)]
    pub fine: Vec<u16>,
    /// Whether it does no harm to send it twice; without it, that is so of all but POST and PATCH.
    #[serde(default)]
    pub repeatable: Option<bool>,
    /// What is remembered of the answer, by name; `object.NAME` from then on. What is missing is not remembered.
    #[serde(default)]
    pub remember: BTreeMap<String, Formula>,
}

/// How an object is asked for people's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookDocument {
    /// How often.
    pub every: Duration,
    /// The calls.
    pub calls: Vec<CallDocument>,
    /// When people have agreed.
    pub approved: Formula,
    /// When they have refused.
    #[serde(default)]
    pub refused: Option<Formula>,
    /// What is written down of their answer.
    #[serde(default)]
    pub says: Option<String>,
}
