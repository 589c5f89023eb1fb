//! Okta's hooks: that Okta calls Refit's server when something happens to an account, and before it makes a token, registers or imports somebody.
//!
//! No policy is compiled into them: which hooks there are is written in the target's document, and what is answered follows from the policies when
//! Okta asks. What an answer at a sign-in can't say of a policy is said here, as for any other target.
//!
//! - `settings.rs` The target's document. `api.rs` Hooks as Okta's API keeps them.

mod api;
mod matrix;
pub(in crate::targets) mod settings;

use crate::{
    api::{Api, SECRET, mark, secret_named},
    cost::{Cost, Load},
    intent::Intent,
    object::{Identity, MARKER, Object, Source},
    stated::Subject,
    target::{Answer, Desired, Document, Input, Lost, Said, Target},
    terms::Terms,
};
use refit_core::policy::repository::{Policy, TargetSystem};
use serde_json::json;
use settings::{Events, Inline, Settings, short};
use std::collections::BTreeSet;

/// Okta's hooks.
#[derive(Clone, Copy, Debug)]
pub struct OktaHooks;

/// What sorts of objects there are.
const EVENT: &str = "event hook";
const INLINE: &str = "inline hook";

/// The only version of channels, and of the types of inline hooks, that Okta's document has.
const VERSION: &str = "1.0.0";

/// The header in which Okta shows who it is. Okta's answers have it in small letters, however it was written.
const HEADER: &str = "authorization";

impl Target for OktaHooks {
    fn kind(&self) -> &'static str {
        "okta-hooks"
    }

    fn name(&self) -> &'static str {
        "Okta hooks"
    }

    fn about(&self) -> &'static str {
        "The event hook by which Okta tells what happens to accounts (`/api/v1/eventHooks`), and the inline hooks by which it asks before it makes a \
         token or an assertion, registers or imports somebody (`/api/v1/inlineHooks`). `settings: { server: https://refit.acme.example, \
         events: { secret: NAME }, inline: { token: NAME, saml: NAME, registration: NAME, import: NAME } }` says which there are to be, and the name \
         of the secret that each carries; `source` and `events: { source, types }` say in whose name, and of what. A hook that others are to use \
         (in an access policy, an application, an enrolment policy) is chosen there by hand, once."
    }

    fn reach(&self) -> &'static str {
        "An event hook begins within a minute after Okta has verified it. An inline hook counts from the next sign-in, registration or import on, \
         where it was chosen. What Refit answers follows the policies at once: a stop needs no change here."
    }

    fn tried(&self) -> &'static str {
        "Every request is held against the types of Okta's own OpenAPI document in tests. A double that keeps hooks, and refuses what that document \
         and Okta's pages say that Okta refuses, was asked and changed by `refit compile --systems --apply`. Nothing has been sent to a tenant yet."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        lost(self, input, &mut desired);
        match Settings::of(input.target) {
            Ok(settings) => write(&settings, input, &mut desired),
            Err(error) => {
                // What can't be read asks for nothing to be taken away.
                desired.keeps = all(input.target);
                desired.notes.insert(format!("`settings` can't be read, and nothing is written: {error}"));
            }
        }
        desired
    }

    fn document(&self, object: &Object) -> Document {
        Document::json(object)
    }

    fn api(&self) -> Option<&dyn Api> {
        Some(self)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        let bytes = desired.objects.values().map(Object::bytes).sum();
        let verified = desired.objects.keys().filter(|id| id.kind == EVENT).count();
        // Both lists are read first; an event hook is verified.
        let calls = 2 + (desired.objects.len() + verified) as u64;
        Cost { once: Load { calls, bytes }, each: Load::default(), ..Cost::default() }
    }
}

/// The names of all objects that a target could have.
fn all(target: &TargetSystem) -> BTreeSet<Identity> {
    let inline = Inline::ALL.map(|hook| named(INLINE, target, hook.key()));
    inline.into_iter().chain([named(EVENT, target, "events")]).collect()
}

fn named(kind: &str, target: &TargetSystem, what: &str) -> Identity {
    Identity::new(kind, format!("{MARKER}-{}-{what}", short(&target.name)))
}

fn write(settings: &Settings, input: &Input<'_>, desired: &mut Desired) {
    let object = |id: Identity, about: String, path: String, secret: &str| {
        let mut config = json!({
            "authScheme": { "key": HEADER, "type": "HEADER" }, "uri": format!("{}/okta/{path}", settings.server),
        });
        if id.kind == INLINE {
            config["method"] = "POST".into();
        }
        let name = id.name.clone();
        let mut object = Object::new(id, about)
            .with("channel", json!({ "config": config, "type": "HTTP", "version": VERSION }))
            .with("name", name)
            .with(SECRET, secret_named(secret))
            .with("status", "ACTIVE");
        object.devices = input.devices.clone();
        object
    };
    if let Some(Events { secret, source, types }) = &settings.events {
        let id = named(EVENT, input.target, "events");
        let about = format!("tells the source {source} what happens to accounts");
        let object = object(id, about, format!("{source}/events"), secret)
            .with("description", mark(&input.repository.organization, &input.target.name))
            .with("events", json!({ "items": types, "type": "EVENT_TYPE" }))
            .with("verificationStatus", "VERIFIED");
        desired.add(object);
    }
    for (hook, secret) in &settings.inline {
        let id = named(INLINE, input.target, hook.key());
        let about = match hook {
            Inline::Token => "asks how somebody's devices stand before a token is made",
            Inline::Saml => "asks how somebody's devices stand before an assertion is made",
            Inline::Registration => "asks whether somebody may register",
            Inline::Import => "asks whose an imported account is",
        };
        let path = format!("{}/{}", settings.source, hook.key());
        let object = object(id, about.to_owned(), path, secret).with("type", hook.kind()).with("version", VERSION);
        desired.add(object);
    }
}

/// Notes what the policies of the target's devices say and an answer at a sign-in does not.
pub(in crate::targets) fn lost(target: &dyn Target, input: &Input<'_>, desired: &mut Desired) {
    let note = |desired: &mut Desired, policy: &Policy, said: Said| {
        let from = Source::from(policy);
        desired.lost.extend(said.losses.into_iter().map(|loss| Lost { from: from.clone(), loss }));
        desired.refused.extend(said.refused);
    };
    for cohort in &input.cohorts.titles {
        let policy = cohort.outcome.policy.as_ref().and_then(|name| input.repository.policy(name));
        let (Some(policy), false) = (policy, cohort.devices.is_disjoint(input.devices)) else { continue };
        let terms = Terms::of_cohort(input.repository, policy, cohort);
        let said = Said::of(target, input.repository, policy, Subject::Slot(&cohort.slot), &cohort.place, &terms);
        note(desired, policy, said);
    }
    for packages in &input.cohorts.packages {
        let policy = input.repository.policy(&packages.policy);
        let (Some(policy), false) = (policy, packages.devices.is_disjoint(input.devices)) else { continue };
        let is_debian = packages.place.os.as_deref().is_some_and(|os| ["debian", "ubuntu"].contains(&os));
        let subject = Subject::Packages(if is_debian { "deb" } else { "rpm" });
        let terms = Terms::own(policy, &packages.place);
        note(desired, policy, Said::of(target, input.repository, policy, subject, &packages.place, &terms));
    }
}
