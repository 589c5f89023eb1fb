//! The organisation's keys, and what it signs: roots, mandates, leases and states. Keys follow from numbers; what is signed is kept
//! by content, because the same leases and states are asked for again and again.

use super::policies::{RINGS, ROLLOUTS, shares};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, TitleId};
use refit_wire::{
    Digest, Document, Envelope, Mandate, Root, SigningKey,
    mandate::{Beyond, DistributionPermit, Limits, PolicyPermit, Ring, Source, TitlePermit, Verb},
    root::RoleKeys,
    state::{PackageName, System},
};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// The organisation.
pub const ORGANIZATION: &str = "acme";
/// The key that signs the vendors' source.
pub const VENDOR: &str = "EB4C1BFD4F042F6DDDCCEC917721F63BD38B4796";
/// The key that signs the distribution's source.
pub const DISTRIBUTION: &str = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8";
/// The key of a source that nobody asked for.
pub const STRANGER: &str = "0000000000000000000000000000000000000666";
/// How many restarts in a day the mandate permits.
pub const RESTARTS_PER_DAY: u32 = 1;

/// Signs roots, mandates, and for the server.
static KEYS: LazyLock<[SigningKey; 3]> = LazyLock::new(|| [1, 4, 5].map(|seed| SigningKey::from_seed(&[seed; 32])));
/// What was signed, by its type and payload.
static SIGNED: LazyLock<Mutex<HashMap<Digest, Arc<Vec<u8>>>>> = LazyLock::new(Mutex::default);
/// How much is kept at most.
const SIGNED_MOST: usize = 4_096;

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The root's keys.
    Root = 0,
    /// Policy's keys.
    Policy = 1,
    /// The server's.
    Server = 2,
}

/// A package of the one package manager that there is.
pub fn package(name: &str) -> PackageName {
    PackageName { system: System::Deb, name: name.into() }
}

/// A document in its envelope, as it travels.
pub fn signed<T: Document>(document: &T, signer: Signer) -> Result<Arc<Vec<u8>>, String> {
    let payload = serde_json::to_vec(document).map_err(|error| error.to_string())?;
    let of = Digest::of(&[T::TYPE.as_bytes(), &[signer as u8], &payload[..]].concat());
    let mut known = SIGNED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = known.get(&of) {
        return Ok(bytes.clone());
    }
    let key = &KEYS[signer as usize];
    let envelope = Envelope::sign(document, &[key]).map_err(|error| error.to_string())?;
    let bytes = Arc::new(envelope.to_bytes());
    if known.len() >= SIGNED_MOST {
        known.clear();
    }
    known.insert(of, bytes.clone());
    Ok(bytes)
}

/// The root of a number.
pub fn root(version: u64, now: Timestamp) -> Root {
    let role = |key: &SigningKey| RoleKeys { threshold: 1, keys: [(key.public().id(), None)].into() };
    Root {
        organization: ORGANIZATION.into(),
        version,
        issued: now,
        expires: later(now, 24 * 1_000),
        keys: KEYS.iter().map(|key| (key.public().id(), key.public())).collect(),
        root: role(&KEYS[Signer::Root as usize]),
        policy: role(&KEYS[Signer::Policy as usize]),
        server: role(&KEYS[Signer::Server as usize]),
    }
}

/// The mandate of a number.
pub fn mandate(number: u64, now: Timestamp) -> Mandate {
    let source = |key: &str| Source { system: System::Deb, keys: [SmolStr::new(key)].into() };
    let title = |title: &str, policies: &[&str], verbs: &[Verb]| {
        let permit = TitlePermit {
            policies: policies.iter().map(SmolStr::new).collect(),
            packages: vec![package(title)],
            sources: ["vendor".into()].into(),
            verbs: verbs.iter().copied().collect(),
            floors: BTreeMap::new(),
        };
        (TitleId::new(title), permit)
    };
    let policy = |name: &str, rollout: Option<&str>, upgrade_others: bool| {
        let beyond = Beyond { upgrade_others, ..Beyond::default() };
        (name.into(), PolicyPermit { rollout: rollout.map(Into::into), beyond, ..PolicyPermit::default() })
    };
    let ring = |name: &str, members: Option<&str>, share: Option<f64>| Ring {
        name: name.into(),
        members: members.map(|id| [DeviceId::new(id)].into()),
        share,
        soak_seconds: 4 * 3_600,
    };
    Mandate {
        organization: ORGANIZATION.into(),
        number,
        issued: now,
        expires: later(now, 24 * 200),
        policy: "0".repeat(64).into(),
        sources: [("distribution".into(), source(DISTRIBUTION)), ("vendor".into(), source(VENDOR))].into(),
        policies: [
            policy("editors", Some("staged"), false),
            policy("special", None, false),
            policy("browsers", Some("staged"), false),
            policy("guards", None, false),
            policy("packages", None, true),
        ]
        .into(),
        titles: [
            title("editor", &["editors", "special"], &[Verb::Upgrade, Verb::Install]),
            title("browser", &["browsers"], &[Verb::Upgrade, Verb::Install]),
            title("guard", &["guards"], &[Verb::Upgrade, Verb::Install, Verb::Remove]),
        ]
        .into(),
        distributions: vec![DistributionPermit {
            policies: ["packages".into()].into(),
            system: System::Deb,
            sources: ["distribution".into()].into(),
            prefixes: Default::default(),
        }],
        rollouts: ROLLOUTS
            .map(|name| {
                let rings =
                    vec![ring("canary", Some("d0"), None), ring("early", None, Some(0.4)), ring("rest", None, None)];
                (name.into(), rings)
            })
            .into(),
        known: BTreeMap::new(),
        expedited: Vec::new(),
        limits: Limits { restarts_per_day: RESTARTS_PER_DAY, ..Limits::default() },
    }
}

/// The mandate of a number in a fleet of that size: the rings of its policies, each with a shorter soak.
pub fn mandate_of_fleet(number: u64, now: Timestamp, fleet: usize) -> Mandate {
    let rings = RINGS.iter().zip(shares(fleet)).map(|(name, share)| Ring {
        name: (*name).into(),
        members: None,
        share,
        soak_seconds: 4 * 3_600,
    });
    let rings: Vec<Ring> = rings.collect();
    Mandate { rollouts: ROLLOUTS.map(|name| (name.into(), rings.clone())).into(), ..mandate(number, now) }
}

fn later(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(hours)).unwrap_or(at)
}
