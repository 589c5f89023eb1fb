//! Devices with an agent, from the first key to the receipt: real package managers in throw-away roots, against a server that
//! runs as a process.

use super::{
    commands::{Session, settle},
    running::{Running, start},
};
use refit_testbed::{
    Outcome, differences,
    family::{AnyDevice, Family, Software},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

/// The agent's program. Cargo builds no program of another package for a test, so that the test asks it to.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_refit")).parent().unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--locked", "--package", "refit-agent", "--bin", "refit-agent"]);
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "refit-agent can't be built");
        folder.join("refit-agent")
    })
}

/// A device with the agent's program, its user, and an id.
fn device(family: Family, installed: impl IntoIterator<Item = Software>) -> Option<AnyDevice> {
    let mut device = AnyDevice::new(family, installed)?;
    device.root_mut().with_binary(program()).share_network();
    let id = match family {
        Family::Apt => "5ca1ab1e000000000000000000000001\n",
        Family::Dnf => "5ca1ab1e000000000000000000000002\n",
    };
    device.root().write("/etc/machine-id", id);
    device.root().shell("useradd --system --no-create-home --shell /usr/sbin/nologin refit-agent").success();
    Some(device)
}

fn policy(device: &AnyDevice) -> String {
    let system = match device.family() {
        Family::Apt => "deb",
        Family::Dnf => "rpm",
    };
    format!(
        "organization: acme
defaults: {{ mode: enforce }}
---
policy: all updates
software: [\"os/*\"]
deadline: [{{ within: 14d }}]
---
mandate: acme
sources:
  testbed: {{ system: {system}, keys: [{}], titles: [\"os/*\"] }}
",
        device.fingerprint()
    )
}

/// A server with keys, a mandate and a policy in force, and the token for devices.
fn organization(folder: &Path, policy: &str) -> (Running, String) {
    let server = start(&folder.join("data"));
    fs::create_dir(folder.join("policy")).unwrap();
    fs::write(folder.join("policy/refit.yaml"), policy).unwrap();
    let mut session = Session { folder, text: String::new() };
    session.types("refit key init keys --organization acme --server --no-passphrase");
    session.types("refit key publish keys/root.json --server");
    session.types("refit plan policy --server --out plan.json");
    session.types("refit apply plan.json --server --sign-with keys/policy-1.key --yes");
    let token = session.types("refit enrolment create laptops");
    assert!(token.starts_with("refit-enrol-1."), "{}", session.text);
    (server, token.trim().to_owned())
}

/// What the agent says to one check-in and what follows from it.
fn once(device: &AnyDevice) -> Outcome {
    device.root().run("refit-agent", ["once"])
}

fn version_of(device: &AnyDevice, name: &str) -> String {
    device.database().get(name).map(|installed| installed.version.clone()).unwrap_or_default()
}

fn patched_end_to_end(family: Family) {
    let Some(device) = device(family, ["alpha", "beta"].map(|name| Software::new(name, "1.0"))) else { return };
    device.offer([Software::new("alpha", "2.0")]);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));

    let before = device.database();
    device.root().command("refit-agent").args(["enroll", "-"]).input(token).run().success().says("enrolled as");
    once(&device).success();
    let known = server.client.devices(&Default::default()).unwrap();
    assert_eq!(known.len(), 1, "{known:?}");
    let id = known[0].id.to_string();
    let _ = &id;

    // The server decides, and the next check-in brings what it decided.
    settle(&server);
    let session = once(&device);
    eprintln!("{session}");
    let mut look = Session { folder: folder.path(), text: String::new() };
    look.types("refit devices; refit explain 'testbed' alpha --server; refit events --kind moves.; refit events | grep -v token | tail -30");
    eprintln!("{}", look.text);
    let changes = differences(&before, &device.database());
    assert_eq!(changes.keys().collect::<Vec<_>>(), ["alpha"], "{session}");
    assert_eq!(version_of(&device, "alpha"), family.version("2.0"));

    let receipts = server.client.events(0, Some("receipt."), Duration::ZERO).unwrap();
    eprintln!("{receipts:#?}");
    settle(&server);
    let mut session = Session { folder: folder.path(), text: String::new() };
    session.types("refit plan policy --server --detailed-exitcode");
    session.types("refit devices");
    eprintln!("{}", session.text);
    once(&device).success();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

#[test]
fn a_device_with_apt_is_patched_from_the_first_key_to_the_receipt() {
    patched_end_to_end(Family::Apt);
}

#[test]
fn a_device_with_dnf_is_patched_from_the_first_key_to_the_receipt() {
    patched_end_to_end(Family::Dnf);
}
