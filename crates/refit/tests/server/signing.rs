//! Keys and mandates against a server, as the person who signs reads it.

use super::{
    commands::Session,
    running::{Running, start},
};
use refit_api::{Enrol, NewObservation, NewReleases};
use std::fs;

const POLICY: &str = "organization: acme
defaults: { mode: enforce }
fields: { device.tier: text }
rollouts:
  standard: { rings: [{ name: canary, where: 'device.tier == \"canary\"', soak: 1d }, { name: rest }] }
---
policy: browsers
software: [google-chrome]
rollout: standard
deadline: [{ within: 7d }]
---
mandate: acme
sources:
  google: { system: deb, keys: [EB4C1BFD4F042F6DDDCCEC917721F63BD38B4796], titles: [google-chrome] }
";

fn fleet(server: &Running) {
    for (id, tier) in [("d1", "canary"), ("d2", "office"), ("d3", "canary")] {
        server.client.enrol(&Enrol { id: Some(id.into()), name: None }).unwrap();
        let observation: NewObservation = serde_json::from_value(serde_json::json!({
            "source": "agent",
            "facts": { "device.platform": "linux", "device.tier": tier },
            "installs": { "all": [{ "title": "google-chrome", "version": "129.0.6668.58" }] },
        }))
        .unwrap();
        server.client.observe(id, &observation).unwrap();
    }
    let releases: NewReleases = serde_json::from_value(serde_json::json!({
        "source": "test",
        "releases": [{ "title": "google-chrome", "version": "130.0.6723.58", "published": "2026-11-20T00:00:00Z" }],
    }))
    .unwrap();
    server.client.publish_releases(&releases).unwrap();
}

/// Without what differs each time: keys, digests, times, plans.
fn timeless(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', ',']) {
        let (body, end) = word.split_at(word.trim_end_matches([' ', '\n', ',', '?']).len());
        let hex = body.len() >= 12 && body.bytes().all(|byte| byte.is_ascii_hexdigit()) && !body.starts_with("EB4C");
        let time = body.len() >= 20 && body.starts_with("20") && body.ends_with('Z');
        let masked = match body {
            _ if body.starts_with("ed25519:") => "ed25519:…",
            _ if hex || time => "…",
            _ => body,
        };
        out.push_str(masked);
        out.push_str(end);
    }
    out
}

#[test]
fn a_mandate_is_signed_and_widened_and_hurried() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = start(&data);
    fleet(&server);
    fs::create_dir(folder.path().join("policy")).unwrap();
    let policy = folder.path().join("policy/refit.yaml");
    fs::write(&policy, POLICY).unwrap();
    let mut session = Session { folder: folder.path(), text: String::new() };

    session.says("Before there are keys, nothing can be signed.");
    session.types("refit key show --server");
    session.types("refit mandate show --server");
    session.says("The first root; its server key is asked of the server.");
    session.types("refit key init keys --organization acme --server --no-passphrase >/dev/null && refit key publish keys/root.json --server");
    session.says("The first mandate.");
    session.types("refit mandate sign policy --server --sign-with keys/policy-1.key");
    session.types("refit mandate sign policy --server --sign-with keys/policy-1.key --yes");
    session.says("The same again differs in nothing but its time.");
    session.types("refit mandate diff policy --server --root keys/root.json");
    session.says("Somebody trusts another source, and applies it with the signature.");
    let wider = POLICY.replace(
        "titles: [google-chrome] }\n",
        "titles: [google-chrome] }\n  other: { system: deb, keys: [0000000000000000000000000000000000000666], titles: [google-chrome] }\n",
    );
    fs::write(&policy, &wider).unwrap();
    session.types("refit plan policy --server --out plan.json >/dev/null");
    session.types("refit apply plan.json --server --sign-with keys/policy-1.key --yes");
    session.says("What somebody else prepared is not signed where it is wider than the repository at hand.");
    session
        .types("refit mandate sign policy --server --sign-with keys/policy-1.key --yes --out prepared.json >/dev/null");
    fs::write(&policy, POLICY).unwrap();
    session.types("refit mandate sign policy --server --sign-with keys/policy-1.key --yes --add-to prepared.json");
    session.says("A key that the root does not name signs nothing.");
    session.types("refit key new stray.key --no-passphrase >/dev/null 2>&1");
    session
        .types("refit mandate sign policy --server --sign-with stray.key --root keys/root.json --yes 2>&1 | tail -1");
    session.says("At night, one release is let through.");
    session.types("refit key expedite google-chrome 130.0.6723.58-1 --until 2099-01-01 --why 'CVE-2026-1111 is exploited' --server --sign-with keys/policy-1.key --yes");
    session
        .types("refit key expedite slack 4.0 --until 2099-01-01 --why x --server --sign-with keys/policy-1.key --yes");
    insta::assert_snapshot!(timeless(&session.text));
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// A stolen server may publish what it likes at itself; it gets no signature that goes on from there.
#[test]
fn a_mandate_of_somebody_else_is_not_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(&folder.path().join("data"));
    fleet(&server);
    fs::create_dir(folder.path().join("policy")).unwrap();
    fs::write(folder.path().join("policy/refit.yaml"), POLICY).unwrap();
    let mut session = Session { folder: folder.path(), text: String::new() };
    session.says("Two organisations' worth of keys: ours, and the thief's, whose root the server publishes.");
    session.types("refit key init ours --organization acme --server --no-passphrase >/dev/null");
    session.types("refit key init theirs --organization acme --server --no-passphrase >/dev/null");
    session.types("refit key publish theirs/root.json --server >/dev/null");
    session.types("refit mandate sign policy --server --sign-with theirs/policy-1.key --yes >/dev/null");
    session.says("Ours is not signed on top of that, nor published to a server that does not know our root.");
    session.types("refit mandate sign policy --server --sign-with ours/policy-1.key --yes");
    session.types(
        "refit key expedite google-chrome 1 --until 2099-01-01 --why x --server --sign-with ours/policy-1.key --yes",
    );
    insta::assert_snapshot!(timeless(&session.text));
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}
