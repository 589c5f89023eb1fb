//! The root document: which keys an organisation signs with.
//!
//! Roots are numbered from 1 and form a chain: each is signed by enough keys of the one before and by enough of its own, as in
//! The Update Framework (<https://theupdateframework.github.io/specification/latest/>, section 5.3). A device gets the
//! fingerprint of one root with its enrolment token, follows the chain from there, and never goes back.

use crate::{
    Digest,
    envelope::{Document, Envelope, Rejected},
    key::{KeyId, PublicKey},
    lease::Lease,
    limits,
    mandate::Mandate,
    state::State,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Which keys an organisation signs with, and how many of them each kind of document needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// The organisation.
    #[schemars(with = "String")]
    pub organization: SmolStr,
    /// Its number, from 1 on; each next one is larger by one.
    pub version: u64,
    /// When it was made.
    #[schemars(with = "String")]
    pub issued: Timestamp,
    /// From when on nothing may be done on its word.
    #[schemars(with = "String")]
    pub expires: Timestamp,
    /// All keys, by name.
    #[schemars(with = "BTreeMap<String, PublicKey>")]
    pub keys: BTreeMap<KeyId, PublicKey>,
    /// Offline keys, which sign roots.
    pub root: RoleKeys,
    /// Delegated keys of short life, which sign mandates.
    pub policy: RoleKeys,
    /// The server's own keys, which sign leases and states.
    pub server: RoleKeys,
}

/// The keys of one role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleKeys {
    /// How many different keys have to sign.
    pub threshold: u32,
    /// The keys, each with the time from which on it counts no more; null is until the root expires.
    #[schemars(with = "BTreeMap<String, Option<String>>")]
    pub keys: BTreeMap<KeyId, Option<Timestamp>>,
}

/// What keys are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Signing roots.
    Root,
    /// Signing mandates.
    Policy,
    /// Signing leases and states.
    Server,
}

impl Document for Root {
    const TYPE: &'static str = "application/vnd.refit.root+json";
    const NAME: &'static str = "root";
    const LIMIT: usize = limits::ROOT;
}

/// A document that one role signs.
pub trait SignedBy: Document {
    /// The role.
    const ROLE: Role;
}

impl SignedBy for Mandate {
    const ROLE: Role = Role::Policy;
}

impl SignedBy for Lease {
    const ROLE: Role = Role::Server;
}

impl SignedBy for State {
    const ROLE: Role = Role::Server;
}

/// Why a root is not followed. The one that was trusted before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// It is not signed, or can't be read.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// It is not the one that the device was told of.
    #[error("the root has the fingerprint {found}, and the enrolment token names {pinned}")]
    OtherRoot {
        /// The fingerprint that the token names.
        pinned: Digest,
        /// The fingerprint of what came.
        found: Digest,
    },
    /// It does not follow the trusted one.
    #[error("root {found} does not follow root {trusted}: the next one is {}", trusted + 1)]
    OtherNumber {
        /// The number of the trusted root.
        trusted: u64,
        /// The number of what came.
        found: u64,
    },
    /// It is somebody else's.
    #[error("the root is that of `{found}`, not of `{trusted}`")]
    OtherOrganization {
        /// Whose root is trusted.
        trusted: SmolStr,
        /// Whose came.
        found: SmolStr,
    },
    /// It contradicts itself.
    #[error("the root contradicts itself: {0}")]
    Inconsistent(String),
}

impl Root {
    /// The root that an enrolment token names by its fingerprint, which is the digest of its payload.
    pub fn pinned(envelope: &Envelope, fingerprint: Digest) -> Result<Root, RootError> {
        let found = envelope.digest();
        if found != fingerprint {
            return Err(RootError::OtherRoot { pinned: fingerprint, found });
        }
        // What the fingerprint names is what was signed; that its own keys signed it says that they exist.
        let root: Root = serde_json::from_slice(&envelope.payload)
            .map_err(|error| Rejected::Unreadable { name: Root::NAME, why: error.to_string() })?;
        root.consistent()?;
        let (keys, needed) = root.signers();
        Ok(envelope.open(&keys, needed)?)
    }

    /// The root that follows this one.
    pub fn next(&self, envelope: &Envelope) -> Result<Root, RootError> {
        let (keys, needed) = self.signers();
        let next: Root = envelope.open(&keys, needed)?;
        if next.organization != self.organization {
            return Err(RootError::OtherOrganization { trusted: self.organization.clone(), found: next.organization });
        }
        if self.version.checked_add(1) != Some(next.version) {
            return Err(RootError::OtherNumber { trusted: self.version, found: next.version });
        }
        next.consistent()?;
        let (keys, needed) = next.signers();
        Ok(envelope.open(&keys, needed)?)
    }

    /// Whether it says what a root has to say, whoever signed it.
    pub fn consistent(&self) -> Result<(), RootError> {
        let wrong = |what: String| Err(RootError::Inconsistent(what));
        if self.version == 0 {
            return wrong("roots are numbered from 1 on".into());
        }
        if let Some((id, _)) = self.keys.iter().find(|(id, key)| key.id() != **id) {
            return wrong(format!("{id} is not the name of the key beside it"));
        }
        for (role, keys) in [("root", &self.root), ("policy", &self.policy), ("server", &self.server)] {
            let known = keys.keys.len();
            if keys.threshold == 0 || usize::try_from(keys.threshold).map_or(true, |needed| needed > known) {
                return wrong(format!("`{role}` needs {} signatures and has {known} keys", keys.threshold));
            }
            if let Some(id) = keys.keys.keys().find(|id| !self.keys.contains_key(id)) {
                return wrong(format!("`{role}` names the key {id}, which is not there"));
            }
        }
        let shared = |a: &RoleKeys, b: &RoleKeys| a.keys.keys().find(|id| b.keys.contains_key(id)).copied();
        if let Some(id) = shared(&self.server, &self.root).or_else(|| shared(&self.server, &self.policy)) {
            return wrong(format!("the server holds the key {id}, so it can't be one for roots or mandates"));
        }
        Ok(())
    }

    /// The document, if the keys of its role that count at `now` have signed it.
    pub fn open<T: SignedBy>(&self, envelope: &Envelope, now: Timestamp) -> Result<T, Rejected> {
        let role = self.role(T::ROLE);
        envelope.open(&self.counting(role, Some(now)), threshold(role))
    }

    /// The keys of a role.
    pub fn role(&self, role: Role) -> &RoleKeys {
        match role {
            Role::Root => &self.root,
            Role::Policy => &self.policy,
            Role::Server => &self.server,
        }
    }

    /// Who signs roots. Their own terms do not end: a chain must be followed after years.
    fn signers(&self) -> (Vec<&PublicKey>, usize) {
        (self.counting(&self.root, None), threshold(&self.root))
    }

    fn counting(&self, role: &RoleKeys, now: Option<Timestamp>) -> Vec<&PublicKey> {
        let counts = |until: &Option<Timestamp>| until.zip(now).is_none_or(|(until, now)| now < until);
        role.keys.iter().filter(|(_, until)| counts(until)).filter_map(|(id, _)| self.keys.get(id)).collect()
    }
}

fn threshold(role: &RoleKeys) -> usize {
    role.threshold.try_into().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SigningKey;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn role(threshold: u32, seeds: &[u8]) -> RoleKeys {
        RoleKeys { threshold, keys: seeds.iter().map(|seed| (key(*seed).public().id(), None)).collect() }
    }

    /// A root of two of the keys 1, 2, 3; policy key 4; server key 5.
    fn root(version: u64) -> Root {
        let keys = [1, 2, 3, 4, 5, 6].map(|seed| (key(seed).public().id(), key(seed).public())).into();
        Root {
            organization: "acme".into(),
            version,
            issued: "2026-11-01T00:00:00Z".parse().unwrap(),
            expires: "2027-11-01T00:00:00Z".parse().unwrap(),
            keys,
            root: role(2, &[1, 2, 3]),
            policy: role(1, &[4]),
            server: role(1, &[5]),
        }
    }

    fn signed(root: &Root, seeds: &[u8]) -> Envelope {
        let keys: Vec<SigningKey> = seeds.iter().map(|seed| key(*seed)).collect();
        Envelope::sign(root, &keys.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn only_the_root_that_the_token_names_is_believed() {
        let envelope = signed(&root(3), &[1, 2]);
        assert_eq!(Root::pinned(&envelope, envelope.digest()), Ok(root(3)));
        let other = Digest::of(b"other");
        assert!(matches!(Root::pinned(&envelope, other), Err(RootError::OtherRoot { .. })));
        let unsigned = signed(&root(3), &[1]);
        assert!(matches!(Root::pinned(&unsigned, unsigned.digest()), Err(RootError::Rejected(_))));
    }

    #[test]
    fn a_root_follows_where_old_and_new_keys_have_signed() {
        let mut next = root(2);
        next.root = role(2, &[2, 3, 6]);
        assert_eq!(root(1).next(&signed(&next, &[2, 3])), Ok(next.clone()));
        // Enough of the old keys, too few of the new ones; and the other way round.
        assert!(matches!(root(1).next(&signed(&next, &[1, 2])), Err(RootError::Rejected(_))));
        assert!(matches!(root(1).next(&signed(&next, &[2, 6])), Err(RootError::Rejected(_))));
    }

    /// `tough` did not always check the number of the next root (CVE-2025-2885).
    #[test]
    fn a_root_follows_only_by_its_number() {
        for version in [1, 3, u64::MAX] {
            let error = root(1).next(&signed(&root(version), &[1, 2])).unwrap_err();
            assert_eq!(error, RootError::OtherNumber { trusted: 1, found: version });
        }
        assert!(matches!(root(5).next(&signed(&root(4), &[1, 2])), Err(RootError::OtherNumber { .. })));
    }

    #[test]
    fn another_organizations_root_is_refused() {
        let mut other = root(2);
        other.organization = "evil".into();
        assert!(matches!(root(1).next(&signed(&other, &[1, 2])), Err(RootError::OtherOrganization { .. })));
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let mut misnamed = root(2);
        misnamed.keys.insert(key(1).public().id(), key(9).public());
        let mut impossible = root(2);
        impossible.policy.threshold = 2;
        let mut open = root(2);
        open.server.threshold = 0;
        let mut shared = root(2);
        shared.policy = role(1, &[5]);
        let mut missing = root(2);
        missing.policy = role(1, &[9]);
        for wrong in [misnamed, impossible, open, shared, missing] {
            assert!(matches!(wrong.consistent(), Err(RootError::Inconsistent(_))), "{wrong:?}");
            assert!(matches!(
                root(1).next(&signed(&wrong, &[1, 2])),
                Err(RootError::Inconsistent(_) | RootError::Rejected(_))
            ));
        }
    }

    #[test]
    fn a_delegated_key_counts_until_its_time() {
        let mut root = root(1);
        let until = "2026-12-01T00:00:00Z".parse().unwrap();
        root.server.keys.insert(key(5).public().id(), Some(until));
        let lease = Lease {
            organization: "acme".into(),
            epoch: 1,
            issued: "2026-11-25T10:00:00Z".parse().unwrap(),
            until: "2026-11-25T11:00:00Z".parse().unwrap(),
            brake: None,
        };
        let envelope = Envelope::sign(&lease, &[&key(5)]).unwrap();
        assert_eq!(root.open(&envelope, "2026-11-30T23:59:59Z".parse().unwrap()), Ok(lease));
        assert!(root.open::<Lease>(&envelope, until).is_err());
        // The server's key signs no mandates, and a policy key no leases.
        let envelope = Envelope::sign(&root, &[&key(4)]).unwrap();
        assert!(matches!(envelope.open::<Lease>(&[&key(4).public()], 1), Err(Rejected::OtherType { .. })));
    }
}
