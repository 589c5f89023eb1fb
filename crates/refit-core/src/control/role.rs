//! Roles: what the people of a department may see and do. A role is a set of scopes with a name; who has several has the scopes of all.
//!
//! Roles are Refit's own, so that every server means the same by them; which people have which is said by groups of the identity provider.

use super::token::Scope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees what is open and until when, stops and halts, publishes advisories.
    Security,
    /// Sees devices and people, says who there is, asks how devices stand.
    Identity,
    /// Says who is there and who is away; sees no exposures.
    PeopleOperations,
    /// Sees the fleet without exposures and people, and proposes changes such as a freeze.
    Finance,
    /// Sees the evidence, approves, and sees who has read what is personal.
    Compliance,
    /// Sees what happened to the device in front of them.
    Support,
    /// Proposes, approves and applies policy, and moves releases through the rings.
    Engineering,
    /// May do everything.
    Administrator,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 8] = [
        Role::Security,
        Role::Identity,
        Role::PeopleOperations,
        Role::Finance,
        Role::Compliance,
        Role::Support,
        Role::Engineering,
        Role::Administrator,
    ];

    /// As configuration writes it: `people_operations`.
    pub fn name(self) -> &'static str {
        match self {
            Role::Security => "security",
            Role::Identity => "identity",
            Role::PeopleOperations => "people_operations",
            Role::Finance => "finance",
            Role::Compliance => "compliance",
            Role::Support => "support",
            Role::Engineering => "engineering",
            Role::Administrator => "administrator",
        }
    }

    /// The role of a name; `None` where there is none.
    pub fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it is for, in words.
    pub fn about(self) -> &'static str {
        match self {
            Role::Security => "sees what is open and until when; halts and stops; publishes advisories",
            Role::Identity => "sees devices and people, says who there is, asks how devices stand",
            Role::PeopleOperations => "says who is there and who is away; sees no exposures",
            Role::Finance => "sees the fleet without exposures and people; proposes changes such as a freeze",
            Role::Compliance => "sees the evidence, approves, and sees who has read what is personal",
            Role::Support => {
                "sees what happened to the device in front of them, and whose it is; passes on what people say is broken"
            }
            Role::Engineering => "proposes, approves and applies policy, and moves releases through the rings",
            Role::Administrator => "may do everything",
        }
    }

    /// What it permits.
    pub fn scopes(self) -> BTreeSet<Scope> {
        let scopes: &[Scope] = match self {
            Role::Security => &[
                Scope::Read,
                Scope::ReadPeople,
                Scope::Catalogue,
                Scope::Plan,
                Scope::Approve,
                Scope::Signals,
                Scope::Rollouts,
                Scope::Brake,
            ],
            Role::Identity => {
                &[Scope::ReadFleet, Scope::ReadPeople, Scope::Facts, Scope::Posture, Scope::SharedSignals]
            }
            Role::PeopleOperations => &[Scope::ReadFleet, Scope::ReadPeople, Scope::ReadSensitive, Scope::Facts],
            Role::Finance => &[Scope::ReadFleet, Scope::Plan],
            Role::Compliance => &[Scope::Read, Scope::ReadPeople, Scope::Approve, Scope::Audit],
            Role::Support => &[Scope::Read, Scope::ReadPeople, Scope::Posture, Scope::Reports],
            Role::Engineering => &[
                Scope::Read,
                Scope::Catalogue,
                Scope::Plan,
                Scope::Approve,
                Scope::Apply,
                Scope::Signals,
                Scope::Rollouts,
                Scope::Brake,
                Scope::Reports,
            ],
            Role::Administrator => &Scope::ALL,
        };
        scopes.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_documents() {
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        assert_eq!(Role::from_name("root"), None);
    }

    #[test]
    fn departments_see_what_concerns_them() {
        let may = |role: Role, scope: Scope| scope.is_in(&role.scopes());
        for role in Role::ALL {
            let (exposures, sensitive) = (may(role, Scope::ReadExposures), may(role, Scope::ReadSensitive));
            let by_all = role == Role::Administrator;
            assert_eq!(sensitive, by_all || role == Role::PeopleOperations, "{role:?}");
            assert_eq!(exposures, !matches!(role, Role::PeopleOperations | Role::Finance | Role::Identity), "{role:?}");
            assert_eq!(may(role, Scope::Admin), by_all, "{role:?}");
            assert!(may(role, Scope::ReadFleet), "{role:?}");
            // Whoever sees no exposures is told none by other ways: the log, hooks and explanations need the whole of `read`.
            assert_eq!(may(role, Scope::Read), exposures, "{role:?}");
        }
        assert!(may(Role::Compliance, Scope::Audit) && !may(Role::Security, Scope::Audit));
    }
}
