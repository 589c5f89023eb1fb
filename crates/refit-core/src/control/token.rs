//! Tokens: who may do what.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// What is kept of a token. The secret is not among it, only its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// SHA-256 of the secret, in hexadecimal.
    pub hash: SmolStr,
    /// What it is for.
    pub name: SmolStr,
    /// Who answers for it: approvals by the same owner as the author's do not count.
    pub owner: SmolStr,
    /// Whether a person or a program uses it.
    pub bearer: Bearer,
    /// What it permits.
    pub scopes: BTreeSet<Scope>,
    /// From when on it no longer counts.
    pub expires: Timestamp,
}

/// Who uses a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bearer {
    /// A person, who can approve.
    Person,
    /// A program, which can't.
    Program,
}

/// What a token permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Reading everything but personal values.
    Read,
    /// Reading personal values too.
    ReadPersonal,
    /// Saying what is so: devices, installs, facts, people, receipts.
    Facts,
    /// Publishing releases and advisories.
    Catalogue,
    /// Making plans.
    Plan,
    /// Approving and rejecting plans.
    Approve,
    /// Applying plans.
    Apply,
    /// Saying what monitoring systems say: what gates listen to.
    Signals,
    /// Opening rings and answering gates by hand.
    Rollouts,
    /// Restarting by the FleetLock protocol, one after the other: nothing else.
    FleetLock,
    /// Asking how a device, or a person's devices, stand before somebody is let in: nothing else.
    Posture,
    /// Asking what is declared to Apple devices and passing on what they report, as their management does: nothing else.
    DeclarativeManagement,
    /// Telling what happens to accounts as an identity provider's hooks do, and asking for decisions of the server: nothing else.
    Hooks,
    /// Streams of Shared Signals: making one's own, and being sent who no longer complies: nothing else.
    SharedSignals,
    /// Stopping everything, and going on.
    Brake,
    /// Making and revoking tokens, erasing people, changing settings.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 16] = [
        Scope::Read,
        Scope::ReadPersonal,
        Scope::Facts,
        Scope::Catalogue,
        Scope::Plan,
        Scope::Approve,
        Scope::Apply,
        Scope::Signals,
        Scope::Rollouts,
        Scope::FleetLock,
        Scope::Posture,
        Scope::DeclarativeManagement,
        Scope::Hooks,
        Scope::SharedSignals,
        Scope::Brake,
        Scope::Admin,
    ];
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What the log writes: `token:ID`, `server`, `device:ID`.
    pub name: SmolStr,
    /// Who answers for it.
    pub owner: SmolStr,
    /// Whether it is a person.
    pub bearer: Bearer,
    /// What it may do.
    pub scopes: BTreeSet<Scope>,
    /// Where it asks from: a network address, or [`Actor::LOCAL`].
    pub origin: SmolStr,
}

impl Actor {
    /// Where the server itself asks from, and whoever is in the same process.
    pub const LOCAL: SmolStr = SmolStr::new_static("local");

    /// The server itself, which may do everything but approve.
    pub fn server() -> Actor {
        let scopes = Scope::ALL.into_iter().filter(|scope| *scope != Scope::Approve).collect();
        Actor { name: "server".into(), owner: "server".into(), bearer: Bearer::Program, scopes, origin: Actor::LOCAL }
    }

    /// Whether it may do what a scope permits.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}
