//! Tokens: who may do what.

use super::role::Role;
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
    /// The roles that its scopes come of, where a person signed in; empty where somebody chose the scopes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<Role>,
    /// How many requests it may make in a minute; `None` is as many as any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
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
    /// Reading everything but personal values: `read_fleet` and `read_exposures`, and the log.
    Read,
    /// Reading personal values too: `read_people` and `read_sensitive`.
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
    /// Making and revoking tokens, erasing people, changing settings; reading who has read what is personal.
    Admin,
    /// Reading devices, what is decided of them, policies, plans and rollouts, without exposures and personal values.
    ReadFleet,
    /// Reading advisories, and what is open on devices.
    ReadExposures,
    /// Reading personal values that are not sensitive.
    ReadPeople,
    /// Reading sensitive values: those that are kept for a purpose, and who is on leave.
    ReadSensitive,
    /// Reading who has read what is personal.
    Audit,
    /// Passing on what people say is broken, and saying that one looks at it.
    Reports,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 22] = [
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
        Scope::ReadFleet,
        Scope::ReadExposures,
        Scope::ReadPeople,
        Scope::ReadSensitive,
        Scope::Audit,
        Scope::Reports,
    ];

    /// Whether these permit what this does. Some scopes are made of others: `read` of `read_fleet` and `read_exposures`, `read_personal` of
    /// `read_people` and `read_sensitive`; who has both parts has the whole, and the other way round.
    pub fn is_in(self, scopes: &BTreeSet<Scope>) -> bool {
        let has = |scope: Scope| scopes.contains(&scope);
        has(self)
            || match self {
                Scope::ReadFleet | Scope::ReadExposures => has(Scope::Read),
                Scope::ReadPeople | Scope::ReadSensitive => has(Scope::ReadPersonal),
                Scope::Read => has(Scope::ReadFleet) && has(Scope::ReadExposures),
                Scope::ReadPersonal => has(Scope::ReadPeople) && has(Scope::ReadSensitive),
                Scope::Audit => has(Scope::Admin),
                _ => false,
            }
    }

    /// As documents write it: `read_fleet`.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::ReadPersonal => "read_personal",
            Scope::Facts => "facts",
            Scope::Catalogue => "catalogue",
            Scope::Plan => "plan",
            Scope::Approve => "approve",
            Scope::Apply => "apply",
            Scope::Signals => "signals",
            Scope::Rollouts => "rollouts",
            Scope::FleetLock => "fleet_lock",
            Scope::Posture => "posture",
            Scope::DeclarativeManagement => "declarative_management",
            Scope::Hooks => "hooks",
            Scope::SharedSignals => "shared_signals",
            Scope::Brake => "brake",
            Scope::Admin => "admin",
            Scope::ReadFleet => "read_fleet",
            Scope::ReadExposures => "read_exposures",
            Scope::ReadPeople => "read_people",
            Scope::ReadSensitive => "read_sensitive",
            Scope::Audit => "audit",
            Scope::Reports => "reports",
        }
    }
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
        scope.is_in(&self.scopes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_made_of_others_is_those_and_no_more() {
        let of = |scopes: &[Scope]| -> Vec<Scope> {
            let scopes = scopes.iter().copied().collect();
            Scope::ALL.into_iter().filter(|scope| scope.is_in(&scopes)).collect()
        };
        assert_eq!(of(&[Scope::Read]), [Scope::Read, Scope::ReadFleet, Scope::ReadExposures]);
        assert_eq!(of(&[Scope::ReadPersonal]), [Scope::ReadPersonal, Scope::ReadPeople, Scope::ReadSensitive]);
        assert_eq!(of(&[Scope::ReadFleet]), [Scope::ReadFleet]);
        assert_eq!(
            of(&[Scope::ReadFleet, Scope::ReadExposures]),
            [Scope::Read, Scope::ReadFleet, Scope::ReadExposures]
        );
        assert_eq!(of(&[Scope::ReadPeople]), [Scope::ReadPeople]);
        assert_eq!(of(&[Scope::Admin]), [Scope::Admin, Scope::Audit]);
    }

    #[test]
    fn names_are_those_of_documents() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::to_value(scope).unwrap(), scope.name());
        }
    }

    #[test]
    fn a_token_of_before_roles_and_limits_is_what_it_was() {
        let text = r#"{"hash":"00","name":"a","owner":"o","bearer":"program","scopes":["read"],"expires":"2027-01-01T00:00:00Z"}"#;
        let record: TokenRecord = serde_json::from_str(text).unwrap();
        assert!(record.roles.is_empty() && record.requests_per_minute.is_none());
        assert_eq!(serde_json::to_string(&record).unwrap(), text);
    }
}
