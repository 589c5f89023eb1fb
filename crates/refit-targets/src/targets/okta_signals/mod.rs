//! Refit as a provider of security events in Okta: that Okta believes what Refit signs of devices (Shared Signals Framework).
//!
//! The stream itself is made at Refit's server, since Okta makes none by itself. It tells that a device complies no longer, or does again; what of
//! a policy that can't carry is said here.

mod api;
mod matrix;

use super::okta_hooks::{
    lost,
    settings::{SERVER, server, short},
};
use crate::{
    api::Api,
    cost::{Cost, Load},
    intent::Intent,
    object::{Identity, MARKER, Object},
    target::{Answer, Desired, Document, Input, Target},
};
use refit_core::policy::repository::TargetSystem;
use serde::Deserialize;
use serde_json::json;

/// Refit as a provider of security events in Okta.
#[derive(Clone, Copy, Debug)]
pub struct OktaSignals;

/// What sort of object there is.
const KIND: &str = "security events provider";

/// The setting that says by what Okta knows Refit's keys.
const BY: &str = "known_by";

/// The settings that are this target's own.
const OWN: [&str; 2] = [SERVER, BY];

/// By what Okta knows Refit's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    /// By the address of the transmitter's configuration, which names them.
    WellKnownUrl,
    /// By the issuer and the address of the keys, each by itself.
    IssuerAndKeys,
    /// It does not know them: there is no provider.
    Nobody,
}

impl Target for OktaSignals {
    fn kind(&self) -> &'static str {
        "okta-shared-signals"
    }

    fn name(&self) -> &'static str {
        "Okta security events provider"
    }

    fn about(&self) -> &'static str {
        "Refit as a security events provider (`/api/v1/security-events-providers`): Okta believes what Refit signs of devices that comply no longer, or \
         do again. `settings: { server: https://refit.acme.example }` says where Refit is; `known_by: well_known_url` (as it comes) or \
         `issuer_and_keys` by what Okta knows its keys; `nobody` takes it away. It needs Identity Threat Protection with Okta AI. The stream by which events are sent is \
         made at Refit's server."
    }

    fn reach(&self) -> &'static str {
        "A provider counts once it is there and active. What a stream tells follows the policies within seconds: a stop needs no change here."
    }

    fn tried(&self) -> &'static str {
        "Every request is held against the types of Okta's own OpenAPI document in tests. A double that keeps providers, and refuses what that \
         document says that Okta refuses, was asked and changed by `refit compile --systems --apply`. Nothing has been sent to a tenant yet."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        lost(self, input, &mut desired);
        match settings(input.target) {
            Ok((server, by)) => {
                let settings = match by {
                    By::WellKnownUrl => json!({ "well_known_url": format!("{server}/.well-known/ssf-configuration") }),
                    By::IssuerAndKeys => {
                        json!({ "issuer": server, "jwks_url": format!("{server}/.well-known/jwks.json") })
                    }
                    By::Nobody => return desired,
                };
                let id = named(input.target);
                let name = id.name.clone();
                let about = "believes what Refit signs of devices that comply no longer, or do again".to_owned();
                let mut object = Object::new(id, about)
                    .with("name", name)
                    .with("settings", settings)
                    .with("status", "ACTIVE")
                    .with("type", "okta");
                object.devices = input.devices.clone();
                desired.add(object);
            }
            Err(error) => {
                desired.keeps.insert(named(input.target));
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
        // The list is read first.
        Cost { once: Load { calls: 1 + desired.objects.len() as u64, bytes }, each: Load::default(), ..Cost::default() }
    }
}

fn named(target: &TargetSystem) -> Identity {
    Identity::new(KIND, format!("{MARKER}-{}", short(&target.name)))
}

fn settings(target: &TargetSystem) -> Result<(String, By), String> {
    let server = server(target)?;
    let by = target.settings.get(BY).map_or(Ok(By::WellKnownUrl), |value| {
        By::deserialize(value).map_err(|_| format!("`{BY}` is `well_known_url`, `issuer_and_keys` or `nobody`"))
    })?;
    Ok((server, by))
}
