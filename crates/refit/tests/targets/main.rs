//! What `refit compile --apply` writes into the root of a machine, read by the programs that it is for: the real unattended-upgrades and
//! dnf-automatic, with real packages.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use refit_testbed::{
    BaseRoot, Device, Outcome, Package, Repository, Root, Suite,
    rpm::{RpmDevice, RpmPackage},
};
use std::{collections::BTreeMap, sync::Arc};

const NAMES: [&str; 5] = ["alpha", "delta", "epsilon", "gamma", "zeta"];

/// A world of one machine that has all packages in one version, where there is another one.
fn world(os: &str, namespace: &str, scheme: &str, versions: [&str; 2]) -> String {
    let [old, new] = versions;
    let mut text = "{\"format\":\"refit-world\",\"version\":1,\"now\":\"2026-11-23T09:00:00Z\"}\n".to_owned();
    for name in NAMES {
        text += &format!(
            "{{\"title\":\"{namespace}/{name}\",\"scheme\":\"{scheme}\",\"releases\":[\
             {{\"version\":\"{old}\",\"published\":\"2026-01-01T00:00:00Z\",\"security\":true}},\
             {{\"version\":\"{new}\",\"published\":\"2026-11-16T00:00:00Z\",\"security\":true}}]}}\n"
        );
    }
    let installed: Vec<usize> = (0..NAMES.len()).map(|number| number * 2).collect();
    text + &format!(
        "{{\"device\":\"one\",\"seen\":\"2026-11-23T08:00:00Z\",\"seen_by\":\"agent\",\"enrolled\":\"2026-01-01T00:00:00Z\",\
         \"zone\":\"UTC\",\"facts\":[{{\"values\":{{\"device.platform\":\"linux\",\"device.os\":\"{os}\",\"device.kind\":\"server\"}}}}],\
         \"installs\":[[1767225600,{installed:?}]]}}\n"
    )
}

/// Everything is upgraded, but for one version of gamma, and delta altogether.
fn policy(kind: &str, namespace: &str, version: &str, settings: &str) -> String {
    format!(
        "organization: acme\ndefaults: {{ mode: enforce }}\n---\n\
         policy: packages\nsoftware: [\"os/*\"]\ndeadline: [{{ within: 14d }}]\n---\n\
         block: bad gamma\ntitle: {namespace}/gamma\nreleases: \"={version}\"\n---\n\
         block: delta\ntitle: {namespace}/delta\nreleases: \">={version}\"\n---\n\
         target: machine\nkind: {kind}\nsettings: {{ folder: ., root: true{settings} }}\n"
    )
}

fn equip(root: &mut Root, policy: &str, world: &str) {
    root.with_binary(env!("CARGO_BIN_EXE_refit"));
    root.write("/policy/refit.yaml", policy);
    root.write("/world.jsonl", world);
}

fn compile(root: &Root) -> Outcome {
    root.run("refit", ["compile", "/policy", "--world", "/world.jsonl", "--folders", "/", "--apply"])
}

#[test]
fn unattended_upgrades_takes_what_was_written_for_it() {
    let Some(base) = BaseRoot::behind() else { return };
    let beside = |codename: &str, of: &str| Suite {
        codename: codename.to_owned(),
        origin: of.to_owned(),
        label: of.to_owned(),
        ..Suite::archive()
    };
    let suites = [Suite::archive(), Suite::security(), beside("bookworm-updates", "Debian"), beside("acme", "Acme")];
    let repository = Repository::new(suites);
    repository.publish("bookworm", NAMES.map(|name| Package::new(name, "1.0")));
    let mut device = Device::attached(Root::overlay(&base), Arc::new(repository), NAMES.map(str::to_owned));
    device.publish_security(["alpha", "delta", "gamma"].map(|name| Package::new(name, "2.0")));
    device.repository.publish("bookworm-updates", [Package::new("epsilon", "2.0")]);
    device.repository.publish("acme", [Package::new("zeta", "2.0")]);
    equip(&mut device.root, &policy("apt", "deb", "2.0", ""), &world("debian", "deb", "dpkg", ["1.0", "2.0"]));
    compile(&device.root).success();
    for what in ["update", "install"] {
        // As the timers start it.
        device.root.run("/usr/lib/apt/apt.systemd.daily", [what]).success();
    }
    let log = device.root.read("/var/log/unattended-upgrades/unattended-upgrades.log");
    let installed = device.root.dpkg();
    let versions: BTreeMap<&str, &str> = NAMES.map(|name| (name, installed[name].version.as_str())).into();
    let wanted = [("alpha", "2.0"), ("delta", "1.0"), ("epsilon", "2.0"), ("gamma", "1.0"), ("zeta", "1.0")];
    assert_eq!(versions, wanted.into(), "{log}");
    // apt and systemd find nothing wrong with the files.
    device.root.run("apt-get", ["check"]).success();
    compile(&device.root).success().says("nothing to write");
}

#[test]
fn dnf_automatic_takes_what_was_written_into_its_file() {
    let Some(base) = BaseRoot::rpm() else { return };
    let mut device = RpmDevice::new(&base, NAMES.map(|name| RpmPackage::new(name, "1.0")));
    device.offer(NAMES.map(|name| RpmPackage::new(name, "2.0")));
    let policy = |settings| policy("dnf", "rpm", "2.0-1", settings);
    equip(&mut device.root, &policy(""), &world("almalinux", "rpm", "rpm", ["1.0-1", "2.0-1"]));
    // The distribution's own file says `apply_updates = no`.
    let theirs = device.root.read("/etc/dnf/automatic.conf");
    compile(&device.root).exit(1).says("set by somebody else");
    assert_eq!(device.root.read("/etc/dnf/automatic.conf"), theirs);
    device.root.write("/policy/refit.yaml", policy(", foreign: take"));
    compile(&device.root).success();
    let written = device.root.read("/etc/dnf/automatic.conf");
    let mut kept = theirs.lines().filter(|line| line.starts_with('#') || line.contains("email"));
    assert!(kept.clone().count() > 10 && kept.all(|line| written.contains(line)), "{written}");
    let automatic = "import sys, dnf.automatic.main; sys.exit(dnf.automatic.main.main(['--timer']))";
    let ran = device.root.run("python3", ["-c", automatic]).success();
    let installed = device.rpm();
    let versions: BTreeMap<&str, &str> = NAMES.map(|name| (name, installed[name].version.as_str())).into();
    let wanted = [("alpha", "2.0-1"), ("delta", "1.0-1"), ("epsilon", "2.0-1"), ("gamma", "1.0-1"), ("zeta", "2.0-1")];
    assert_eq!(versions, wanted.into(), "{ran}");
}
