use super::*;
use crate::{
    policy::{
        diagnostic::Files,
        document::policy::{Mode, Presence},
        load::load,
        repository::{Repository, Selector},
        resolve::{Titles, resolve},
        syntax::Limits,
    },
    world::Device,
};
use insta::assert_snapshot;
use jiff::Timestamp;
use proptest::prelude::*;
use refit_model::{DeviceId, TitleId};
use refit_wire::{
    Mandate,
    mandate::{
        Expedited,
        check::{Asked, Floors, Step},
    },
    state::{Action, Directive, Package, PackageName, System},
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

const DEBIAN: &str = "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8";
const GOOGLE: &str = "EB4C1BFD4F042F6DDDCCEC917721F63BD38B4796";
const EVIL: &str = "0000000000000000000000000000000000000666";

const TITLES: &str = r#"
title: google-chrome
identifiers: { deb: [google-chrome-stable], rpm: [google-chrome-stable] }
---
title: firefox
identifiers: { deb: [firefox, firefox-esr] }
---
title: macos-only
---
"#;

const REPOSITORY: &str = r#"
organization: acme
defaults: { mode: enforce }
rollouts:
  standard: { rings: [{ name: canary, where: '"canary" in device.tags', soak: 1d }, { name: early, share: 10%, soak: 2d }, { name: rest }] }
  fast: { rings: [{ name: canary, where: '"canary" in device.tags', soak: 2h }, { name: rest }] }
  unused: { rings: [{ name: rest }] }
---
policy: browsers
software: [google-chrome, firefox, macos-only]
rollout: standard
min_age: 1d
deadline: [{ if: exposure.kev, within: 2d, rollout: fast, min_age: 0h }, { within: 14d }]
---
policy: kernels
priority: 2
software: ["deb/linux-image-*", "deb/linux-headers-*"]
packages: { install_new: true }
---
policy: everything
software: ["os/*"]
min_age: 3d
---
policy: gone
priority: 5
where: '"x" in device.tags'
software: [firefox]
presence: forbidden
---
policy: watched
mode: observe
priority: 7
software: [deb/nmap]
---
mandate: acme
sources:
  debian: { system: deb, keys: [B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8], titles: ["os/*", firefox] }
  google: { system: deb, keys: [EB4C1BFD4F042F6DDDCCEC917721F63BD38B4796], titles: [google-chrome] }
urgent: { rollouts: [fast] }
floors: { google-chrome: { deb: 120.0-1 } }
"#;

fn repository(text: &str) -> Repository {
    let text = format!("{TITLES}---{text}");
    let mut files = Files::default();
    files.add("refit.yaml", text.as_bytes(), &Limits::default()).unwrap();
    let (documents, mut found) = load(&files, &Limits::default());
    let (repository, resolved) = resolve(&documents, &files, &Titles::default());
    found.extend(resolved);
    let errors: Vec<_> = found.iter().map(|found| (&found.code, &found.message, &found.label)).collect();
    assert!(errors.is_empty(), "{errors:?}");
    repository
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn offered(versions: &[(&str, &str)]) -> BTreeMap<TitleId, BTreeSet<SmolStr>> {
    let mut offered: BTreeMap<TitleId, BTreeSet<SmolStr>> = BTreeMap::new();
    for (title, version) in versions {
        offered.entry(TitleId::new(title)).or_default().insert((*version).into());
    }
    offered
}

/// A mandate of a repository with two members of the canary ring.
fn signed(text: &str, previous: Option<&Mandate>, versions: &[(&str, &str)], day: &str) -> Mandate {
    let repository = repository(text);
    let canaries = BTreeSet::from([DeviceId::new("d1"), DeviceId::new("d2")]);
    let mut members = Members::new();
    for rollout in ["standard", "fast"] {
        members.insert((rollout.into(), "canary".into()), canaries.clone());
    }
    let number = previous.map_or(1, |previous| previous.number + 1);
    mandate(&Signing {
        repository: &repository,
        policy_hash: "0",
        members: &members,
        offered: &offered(versions),
        previous,
        number,
        issued: at(day),
        expedited: &[],
    })
    .unwrap()
}

fn listed(differences: &[Difference]) -> String {
    let line = |it: &Difference| {
        let sign = match it.sign {
            Sign::Added => '+',
            Sign::Changed => '~',
            Sign::Removed => '-',
        };
        format!("{sign} {} {}: {}", it.what, it.name, it.text)
    };
    differences.iter().map(line).collect::<Vec<_>>().join("\n")
}

const DAY: &str = "2026-11-25T10:00:00Z";
const NEXT: &str = "2026-11-26T10:00:00Z";

#[test]
fn a_mandate_says_what_the_policies_ask_for_and_no_more() {
    let mandate = signed(REPOSITORY, None, &[("google-chrome", "130.0-1"), ("deb/openssl", "3.0-1")], DAY);
    assert_eq!(mandate.expires, at("2027-02-23T10:00:00Z"));
    assert_snapshot!(listed(&difference(None, &mandate)));
    // The same inputs, the same bytes.
    let again = signed(REPOSITORY, None, &[("google-chrome", "130.0-1"), ("deb/openssl", "3.0-1")], DAY);
    assert_eq!(serde_json::to_string(&mandate).unwrap(), serde_json::to_string(&again).unwrap());
}

#[test]
fn what_changes_is_put_into_words() {
    let before = signed(REPOSITORY, None, &[("google-chrome", "129.0-1"), ("google-chrome", "130.0-1")], DAY);
    let text = REPOSITORY
        .replace("deb: 120.0-1", "deb: 125.0-1")
        .replace("soak: 2d", "soak: 12h")
        .replace("[google-chrome, firefox, macos-only]", "[google-chrome]")
        .replace("urgent: { rollouts: [fast] }", "urgent: { min_age: true }\nlimits: { restarts_per_day: 5 }")
        .replace("titles: [google-chrome] }", "titles: [google-chrome] }\n  evil: { system: deb, keys: [0000000000000000000000000000000000000666], titles: [\"os/*\"] }");
    let versions = [("google-chrome", "130.0-1"), ("google-chrome", "131.0-1")];
    let after = signed(&text, Some(&before), &versions, NEXT);
    assert_snapshot!(listed(&difference(Some(&before), &after)));
    assert_eq!(difference(Some(&after), &after), []);
}

#[test]
fn known_versions_keep_their_time_while_they_are_offered() {
    let chrome = TitleId::new("google-chrome");
    let before = signed(REPOSITORY, None, &[("google-chrome", "129.0-1"), ("google-chrome", "130.0-1")], DAY);
    let versions = [("google-chrome", "130.0-1"), ("google-chrome", "131.0-1"), ("macos-only", "1.0")];
    let after = signed(REPOSITORY, Some(&before), &versions, NEXT);
    let known = [("130.0-1".into(), at(DAY)), ("131.0-1".into(), at(NEXT))].into();
    assert_eq!(after.known, BTreeMap::from([(chrome, known)]));
}

#[test]
fn what_is_expedited_lasts_until_its_end() {
    let repository = repository(REPOSITORY);
    let entry = |title: &str, until: &str| Expedited {
        title: TitleId::new(title),
        version: Some("1".into()),
        until: at(until),
        why: "exploited".into(),
    };
    let sign = |previous: Option<&Mandate>, expedited: &[Expedited], issued| {
        mandate(&Signing {
            repository: &repository,
            policy_hash: "0",
            members: &Members::new(),
            offered: &BTreeMap::new(),
            previous,
            number: previous.map_or(1, |previous| previous.number + 1),
            issued: at(issued),
            expedited,
        })
    };
    let both = [entry("google-chrome", "2026-11-26T00:00:00Z"), entry("deb/openssl", "2026-12-01T00:00:00Z")];
    let first = sign(None, &both, DAY).unwrap();
    assert_eq!(first.expedited.len(), 2);
    assert_eq!(sign(Some(&first), &[], NEXT).unwrap().expedited, both[1..]);
    let unknown = [entry("nmap", "2026-12-01T00:00:00Z")];
    assert_eq!(sign(None, &unknown, DAY), Err(CantSign::NotManaged(TitleId::new("nmap"))));
    let older = mandate(&Signing {
        repository: &repository,
        policy_hash: "0",
        members: &Members::new(),
        offered: &BTreeMap::new(),
        previous: Some(&first),
        number: 1,
        issued: at(NEXT),
        expedited: &[],
    });
    assert_eq!(older, Err(CantSign::OtherNumber { previous: 1, number: 1 }));
}

/// Decision 0075.
#[test]
fn who_names_a_title_signs_for_the_packages_that_only_its_vendor_builds() {
    let text = "
organization: acme
defaults: { mode: enforce }
---
title: edge
identifiers: { deb: [microsoft-edge-stable], rpm: [microsoft-edge-stable] }
vendor_packages: [deb/microsoft-edge-stable, rpm/microsoft-edge-stable]
---
policy: browsers
software: [edge]
---
policy: everything
software: [\"os/*\"]
---
mandate: acme
sources:
  debian: { system: deb, keys: [B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8], titles: [\"os/*\"] }
  microsoft: { system: deb, keys: [EB4C1BFD4F042F6DDDCCEC917721F63BD38B4796], titles: [edge] }
floors: { edge: { deb: 120.0-1 } }
";
    let mandate = signed(text, None, &[], DAY);
    let package = TitleId::new("deb/microsoft-edge-stable");
    let permit = &mandate.titles[&package];
    assert!(permit.policies.contains("browsers"), "{permit:?}");
    assert!(permit.sources.contains("microsoft"), "{permit:?}");
    assert_eq!(permit.floors[&System::Deb], "120.0-1");
    assert!(!permit.verbs.contains(&refit_wire::mandate::Verb::Install), "{permit:?}");
    let required = signed(&text.replace("software: [edge]", "software: [edge]\npresence: required"), None, &[], DAY);
    assert!(required.titles[&package].verbs.contains(&refit_wire::mandate::Verb::Install));
    // No source has packages for dnf.
    assert!(!mandate.titles.contains_key(&TitleId::new("rpm/microsoft-edge-stable")));

    let name = PackageName { system: System::Deb, name: "microsoft-edge-stable".into() };
    let version = Package { system: System::Deb, name: name.name.clone(), version: "131.0-1".into(), downgrade: false };
    let directive = Directive {
        id: "x".into(),
        title: package,
        branch: None,
        action: Action::Upgrade(version),
        due: None,
        closes: Vec::new(),
        grace_seconds: 0,
        terms: 0,
    };
    let check = |key: &str| {
        let keys = [SmolStr::new(key)].into();
        let before = Some("130.0-1".into());
        let step = Step { package: name.clone(), before, after: Some("131.0-1".into()), keys };
        mandate.check(&[Asked { directive: &directive, policy: "browsers" }], &[step], &Floors::new())
    };
    assert_eq!(check(GOOGLE), []);
    assert_eq!(check(EVIL).len(), 1, "whoever builds it, its source decides");

    let expedited = Expedited { title: TitleId::new("edge"), version: None, until: at(NEXT), why: "x".into() };
    let repository = repository(text);
    let signing = Signing {
        repository: &repository,
        policy_hash: "0",
        members: &Members::new(),
        offered: &BTreeMap::new(),
        previous: None,
        number: 1,
        issued: at(DAY),
        expedited: &[expedited],
    };
    let hurried: Vec<_> = super::mandate(&signing).unwrap().expedited.into_iter().map(|entry| entry.title).collect();
    assert_eq!(hurried, ["deb/microsoft-edge-stable", "edge"].map(TitleId::new));
}

#[test]
fn members_are_those_for_whom_a_condition_surely_holds() {
    use crate::facts::{Fact, FieldRef, Value};
    let repository = repository(REPOSITORY);
    let device = |id: &str, tags: Option<&str>| {
        let mut device = Device::new(DeviceId::new(id), at(DAY));
        if let Some(tag) = tags {
            let value = Value::List([SmolStr::new(tag)].into_iter().collect());
            device.facts.insert(
                FieldRef::device("tags"),
                Fact { value, source: Some("agent".into()), observed: Some(at(DAY)) },
            );
        }
        device
    };
    let devices = [device("in", Some("canary")), device("out", Some("lab")), device("unknown", None)];
    let members = members(&repository, &devices, at(DAY));
    let canary = BTreeSet::from([DeviceId::new("in")]);
    assert_eq!(members[&("standard".into(), "canary".into())], canary);
    assert_eq!(members.len(), 2);
}

#[test]
fn nothing_is_wider_than_itself_and_every_widening_is_noticed() {
    let narrow = signed(REPOSITORY, None, &[("google-chrome", "130.0-1")], DAY);
    assert_eq!(wider(&narrow, &narrow), NOTHING);
    let mut evil = narrow.clone();
    evil.sources.get_mut("google").unwrap().keys.insert(EVIL.into());
    evil.policies.get_mut("kernels").unwrap().beyond.remove = true;
    evil.policies.get_mut("everything").unwrap().min_age_seconds = 0;
    evil.policies.get_mut("browsers").unwrap().rollout = Some("fast".into());
    let chrome = evil.titles.get_mut(&TitleId::new("google-chrome")).unwrap();
    chrome.sources.insert("debian".into());
    chrome.packages.push(PackageName { system: System::Deb, name: "netcat".into() });
    chrome.verbs.insert(refit_wire::mandate::Verb::Downgrade);
    chrome.floors.clear();
    evil.distributions.iter_mut().for_each(|permit| permit.prefixes.clear());
    evil.limits.restarts_per_day = 100;
    evil.limits.hold_seconds = u64::MAX;
    evil.known.insert(TitleId::new("firefox"), [("999".into(), at("2020-01-01T00:00:00Z"))].into());
    evil.expires = Timestamp::MAX;
    let expedited = Expedited { title: TitleId::new("firefox"), version: None, until: at(NEXT), why: "x".into() };
    evil.expedited.push(expedited);
    evil.rollouts.get_mut("standard").unwrap()[0].soak_seconds = 0;
    assert_snapshot!(wider(&evil, &narrow).join("\n"));
    // The other way round only what is another is refused, such as a floor that would be missing there.
    assert_eq!(wider(&narrow, &evil).len(), 1, "{:?}", wider(&narrow, &evil));
}

const NOTHING: [String; 0] = [];

/// A line of `software` or of a source.
fn line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "google-chrome",
        "firefox",
        "deb/openssl",
        "deb/linux-image-amd64",
        "deb/linux-*",
        "deb/linux-image-*",
        "os/*",
        "os/security",
    ])
}

#[derive(Clone, Debug)]
struct Drawn {
    policies: Vec<(Vec<&'static str>, &'static str, &'static str)>,
    sources: Vec<Vec<&'static str>>,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let lines = || prop::collection::btree_set(line(), 1..4).prop_map(|lines| lines.into_iter().collect::<Vec<_>>());
    let mode = prop::sample::select(vec!["enforce", "enforce", "enforce", "notify", "observe"]);
    let presence = prop::sample::select(vec!["if_present", "if_present", "required", "forbidden"]);
    let policy = (lines(), mode, presence).prop_map(|(lines, mode, presence)| {
        let named = lines.iter().all(|line| !line.contains('*') && !line.starts_with("os/"));
        (lines, mode, if named { presence } else { "if_present" })
    });
    let (policies, sources) = (prop::collection::vec(policy, 1..4), prop::collection::vec(lines(), 1..3));
    (policies, sources).prop_map(|(policies, sources)| Drawn { policies, sources })
}

const KEYS: [&str; 2] = [DEBIAN, GOOGLE];

impl Drawn {
    fn text(&self) -> String {
        let mut text = "\norganization: acme\n".to_owned();
        for (index, (lines, mode, presence)) in self.policies.iter().enumerate() {
            text += &format!(
                "---\npolicy: p{index}\npriority: {index}\nmode: {mode}\npresence: {presence}\nsoftware: {lines:?}\n"
            );
        }
        text += "---\nmandate: acme\nsources:\n";
        for (index, lines) in self.sources.iter().enumerate() {
            text += &format!("  s{index}: {{ system: deb, keys: [{}], titles: {lines:?} }}\n", KEYS[index]);
        }
        text
    }
}

/// What a repository lets a policy do with a title from a source, told from the documents alone.
fn may(repository: &Repository, policy: &str, title: &TitleId, verb: &str, key: &str) -> bool {
    let policy = repository.policy(policy).unwrap();
    let selects = |lines: &[Selector]| lines.iter().any(|line| line.selects(title, || true));
    let terms = repository.mandate.as_ref().unwrap();
    let from = terms.sources.values().any(|source| source.keys.contains(key) && selects(&source.titles));
    let verbs: &[&str] = match policy.presence {
        Presence::IfPresent => &["upgrade"],
        Presence::Required => &["upgrade", "install"],
        Presence::Forbidden => &["remove"],
    };
    policy.mode == Mode::Enforce && selects(&policy.software) && verbs.contains(&verb) && (from || verb == "remove")
}

fn transaction(title: &TitleId, package: &str, verb: &str, key: &str) -> (Directive, Step) {
    let name = PackageName { system: System::Deb, name: package.into() };
    let (before, after) = match verb {
        "install" => (None, Some("2.0-1")),
        "upgrade" => (Some("1.0-1"), Some("2.0-1")),
        "remove" => (Some("1.0-1"), None),
        _ => (Some("3.0-1"), Some("2.0-1")),
    };
    let wanted =
        Package { system: System::Deb, name: package.into(), version: "2.0-1".into(), downgrade: verb == "downgrade" };
    let action = match verb {
        "install" => Action::Install(wanted),
        "remove" => Action::Remove(name.clone()),
        _ => Action::Upgrade(wanted),
    };
    let directive = Directive {
        id: "x".into(),
        title: title.clone(),
        branch: None,
        action,
        due: None,
        closes: Vec::new(),
        grace_seconds: 0,
        terms: 0,
    };
    let keys = BTreeSet::from([SmolStr::new(key)]);
    (directive, Step { package: name, before: before.map(Into::into), after: after.map(Into::into), keys })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The law of mandates: what a policy asks for passes, and what no policy asks for does not.
    #[test]
    fn a_mandate_permits_what_its_repository_asks_for_and_nothing_else(drawn in drawn()) {
        let repository = repository(&drawn.text());
        let mandate = mandate(&Signing {
            repository: &repository,
            policy_hash: "0",
            members: &Members::new(),
            offered: &BTreeMap::new(),
            previous: None,
            number: 1,
            issued: at(DAY),
            expedited: &[],
        })
        .unwrap();
        let titles = [
            ("google-chrome", "google-chrome-stable"),
            ("firefox", "firefox-esr"),
            ("deb/openssl", "openssl"),
            ("deb/linux-image-amd64", "linux-image-amd64"),
            ("deb/nmap", "nmap"),
        ];
        let policies: Vec<String> = (0..drawn.policies.len()).map(|index| format!("p{index}")).collect();
        for (title, package) in titles {
            let title = TitleId::new(title);
            for verb in ["upgrade", "install", "remove", "downgrade"] {
                for key in [DEBIAN, GOOGLE, EVIL] {
                    // Conditions are not bound, so what some policy may do with a title that it names, each may that meets it by name.
                    let named = |name: &&String| {
                        let line = Selector::Title(title.clone());
                        let policy = repository.policy(name).unwrap();
                        let sources = &repository.mandate.as_ref().unwrap().sources;
                        let by_source = sources.values().any(|source| source.titles.contains(&line));
                        policy.software.contains(&line) || (by_source && policy.software.iter().any(|own| own.selects(&title, || true)))
                    };
                    let some = policies.iter().filter(named).any(|policy| may(&repository, policy, &title, verb, key));
                    for policy in &policies {
                        let (directive, step) = transaction(&title, package, verb, key);
                        let asked = [Asked { directive: &directive, policy }];
                        let floors = Floors::new();
                        let check = |steps: &[Step]| {
                            mandate.check_directive(asked[0]).is_ok() && mandate.check(&asked, steps, &floors).is_empty()
                        };
                        let passes = check(std::slice::from_ref(&step));
                        if may(&repository, policy, &title, verb, key) {
                            prop_assert!(passes, "{policy} {title} {verb} {key}\n{}", drawn.text());
                            // Another package, one more, another version, none of the organisation's keys.
                            let mut other = step.clone();
                            other.package.name = "netcat".into();
                            prop_assert!(!check(&[other.clone()]));
                            prop_assert!(!check(&[step.clone(), other]));
                            let mut unsigned = step.clone();
                            unsigned.keys.clear();
                            prop_assert!(step.after.is_none() || !check(&[unsigned]));
                            let mut moved = step.clone();
                            moved.after = Some("2.0-2".into());
                            prop_assert!(!check(&[moved]));
                        } else if !some || repository.policy(policy).unwrap().mode != Mode::Enforce {
                            prop_assert!(!passes, "{policy} {title} {verb} {key}\n{}", drawn.text());
                        }
                    }
                }
            }
        }
    }
}
