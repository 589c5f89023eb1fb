//! What an organisation signs: keys, roots, mandates, directives.

use super::*;

pub const GOOGLE: &str = "EB4C1BFD4F042F6DDDCCEC917721F63BD38B4796";
pub const DEBIAN: &str = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8";
pub const EVIL: &str = "0000000000000000000000000000000000000666";

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn name(package: &str) -> PackageName {
    PackageName { system: System::Deb, name: package.into() }
}

/// 1, 2, 3 sign roots (two of them), 4 mandates, 5 is the server's.
pub fn root(version: u64) -> Root {
    let role = |threshold, seeds: &[u8]| RoleKeys {
        threshold,
        keys: seeds.iter().map(|seed| (key(*seed).public().id(), None)).collect(),
    };
    Root {
        organization: "acme".into(),
        version,
        issued: at("2026-11-01T00:00:00Z"),
        expires: at("2027-11-01T00:00:00Z"),
        keys: [1, 2, 3, 4, 5, 6, 7].map(|seed| (key(seed).public().id(), key(seed).public())).into(),
        root: role(2, &[1, 2, 3]),
        policy: role(1, &[4]),
        server: role(1, &[5]),
    }
}

pub fn role(threshold: u32, seeds: &[u8]) -> RoleKeys {
    RoleKeys { threshold, keys: seeds.iter().map(|seed| (key(*seed).public().id(), None)).collect() }
}

pub fn signed<T: refit_wire::Document>(document: &T, seeds: &[u8]) -> Envelope {
    let keys: Vec<SigningKey> = seeds.iter().map(|seed| key(*seed)).collect();
    Envelope::sign(document, &keys.iter().collect::<Vec<_>>()).unwrap()
}

pub fn mandate() -> Mandate {
    let source = |key: &str| Source { system: System::Deb, keys: [SmolStr::new(key)].into() };
    let chrome = TitlePermit {
        policies: ["browsers".into()].into(),
        packages: vec![name("google-chrome-stable")],
        sources: ["google".into()].into(),
        verbs: [Verb::Upgrade, Verb::Install].into(),
        floors: [(System::Deb, "120.0-1".into())].into(),
    };
    let ring = |name: &str, members: Option<&str>, hours: u64| Ring {
        name: name.into(),
        members: members.map(|id| [DeviceId::new(id)].into()),
        share: None,
        soak_seconds: hours * 3_600,
    };
    Mandate {
        organization: "acme".into(),
        number: 1,
        issued: at("2026-11-01T00:00:00Z"),
        expires: at("2027-02-01T00:00:00Z"),
        policy: "0".repeat(64).into(),
        sources: [("debian".into(), source(DEBIAN)), ("google".into(), source(GOOGLE))].into(),
        policies: [
            ("browsers".into(), PolicyPermit { rollout: Some("standard".into()), ..PolicyPermit::default() }),
            (
                "linux".into(),
                PolicyPermit {
                    beyond: Beyond { upgrade_others: true, install_new: false, remove: false },
                    ..PolicyPermit::default()
                },
            ),
        ]
        .into(),
        titles: [(TitleId::new("google-chrome"), chrome)].into(),
        distributions: vec![DistributionPermit {
            policies: ["linux".into()].into(),
            system: System::Deb,
            sources: ["debian".into()].into(),
            prefixes: Default::default(),
        }],
        // The device is in the first ring, unless a test says otherwise.
        rollouts: [("standard".into(), vec![ring("canary", Some("d1"), 24), ring("rest", None, 0)])].into(),
        known: BTreeMap::new(),
        expedited: Vec::new(),
        limits: Limits::default(),
    }
}

pub fn directive(id: &str, title: &str, action: Action) -> Directive {
    Directive {
        id: id.into(),
        title: TitleId::new(title),
        branch: None,
        action,
        due: None,
        closes: Vec::new(),
        grace_seconds: 0,
        terms: u32::from(title.starts_with("deb/")),
    }
}

pub fn upgrade(package: &str, version: &str) -> Action {
    Action::Upgrade(Package { system: System::Deb, name: package.into(), version: version.into(), downgrade: false })
}

pub fn chrome(version: &str) -> Directive {
    directive(&format!("chrome {version}"), "google-chrome", upgrade("google-chrome-stable", version))
}

pub fn deb(package: &str, version: &str) -> Directive {
    directive(&format!("{package} {version}"), &format!("deb/{package}"), upgrade(package, version))
}

/// What is due then.
pub fn due(mut directive: Directive, due: &str) -> Directive {
    directive.due = Some(at(due));
    directive
}
