//! Devices with an agent, from the first key to the receipt: real package managers in throw-away roots, against a server that
//! runs as a process.

use super::{
    commands::{Session, settle},
    running::{Running, command, wait_for},
};
use refit_core::control::Plain;
use refit_testbed::{
    BaseRoot, Installed, Outcome, Root, Running as Program, differences,
    family::{AnyDevice, Family, Software},
    scenarios,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::{Duration, Instant},
};

/// The agent's program. Cargo builds no program of another package for a test, so that the test asks it to.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_refit")).parent().unwrap();
        let mut cargo = cargo();
        cargo.args(["build", "--quiet", "--locked", "--package", "refit-agent", "--bin", "refit-agent"]);
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "refit-agent can't be built");
        folder.join("refit-agent")
    })
}

/// Cargo, without what it tells a test of the test's own package: build scripts of dependencies would take that for a change.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// A device with the agent's program, its user, and an id.
pub fn device(family: Family, installed: impl IntoIterator<Item = Software>) -> Option<AnyDevice> {
    Some(equipped(AnyDevice::new(family, installed)?))
}

pub fn equipped(mut device: AnyDevice) -> AnyDevice {
    equip(&mut device);
    device.root_mut().share_network();
    let id = match device.family() {
        Family::Apt => "5ca1ab1e000000000000000000000001\n",
        Family::Dnf => "5ca1ab1e000000000000000000000002\n",
    };
    device.root().write("/etc/machine-id", id);
    device
}

/// Gives a device the agent's program and its user.
pub fn equip(device: &mut AnyDevice) {
    device.root_mut().with_binary(program());
    if device.family() == Family::Dnf {
        // The testbed's dnf runs on Debian; what a system says that it is decides.
        device.root().remove("/etc/os-release");
        device.root().write("/etc/os-release", "ID=almalinux\nVERSION_ID=9.4\nID_LIKE=\"rhel centos fedora\"\n");
    }
    device.root().shell("useradd --system --no-create-home --shell /usr/sbin/nologin refit-agent").success();
}

pub fn policy(device: &AnyDevice) -> String {
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
pub fn organization(folder: &Path, policy: &str) -> (Running, String) {
    let data = folder.join("data");
    organization_at(folder, policy, command(&data))
}

/// The same, with this command for the server.
pub fn organization_at(folder: &Path, policy: &str, server: Command) -> (Running, String) {
    let server = wait_for(server, &folder.join("data"));
    let token = found(folder, policy);
    (server, token)
}

/// Gives a new server keys, a mandate and a policy in force; the token for devices.
pub fn found(folder: &Path, policy: &str) -> String {
    fs::create_dir(folder.join("policy")).unwrap();
    fs::write(folder.join("policy/refit.yaml"), policy).unwrap();
    let mut session = Session { folder, text: String::new() };
    session.types("refit key init keys --organization acme --server --no-passphrase");
    session.types("refit key publish keys/root.json --server");
    session.types("refit plan policy --server --out plan.json");
    session.types("refit apply plan.json --server --sign-with keys/policy-1.key --yes");
    let token = session.types("refit enrolment create laptops --uses 100");
    assert!(token.starts_with("refit-enrol-1."), "{}", session.text);
    token.trim().to_owned()
}

/// What the agent says to one check-in and what follows from it.
#[track_caller]
fn once(device: &AnyDevice) -> Outcome {
    device.root().run("refit-agent", ["once"]).success()
}

/// Check-ins until the server has decided on what the device says and the device has done it.
#[track_caller]
pub fn until_done(server: &Running, device: &AnyDevice) -> Outcome {
    once(device);
    settle(server);
    let said = once(device);
    settle(server);
    said
}

/// Every receipt in the log, as `title: before -> after, result`.
pub fn receipts(server: &Running) -> Vec<String> {
    receipts_by_device(server).into_iter().map(|(_, receipt)| receipt).collect()
}

/// The same, each with the device that it comes from.
pub fn receipts_by_device(server: &Running) -> Vec<(String, String)> {
    let page = server.client.events(0, Some("receipt.received"), Duration::ZERO).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("none").to_owned();
    let receipt = |body: &serde_json::Value| {
        let (before, after) = (text(&body["before"]), text(&body["after"]));
        let said = format!("{}: {before} -> {after}, {}", text(&body["slot"]["title"]), text(&body["result"]));
        (text(&body["device"]), said)
    };
    page.items.iter().map(|event| receipt(&event.body)).collect()
}

/// What the package manager itself says that has changed, in the same words.
pub fn changes(before: &BTreeMap<String, Installed>, device: &AnyDevice) -> Vec<String> {
    let version = |state: Option<&Installed>| state.map_or("none".to_owned(), |state| state.version.clone());
    let title = |name: &str| device.family().title(name);
    differences(before, &device.database())
        .iter()
        .map(|(name, change)| {
            let (before, after) = (version(change.before.as_ref()), version(change.after.as_ref()));
            format!("{}: {before} -> {after}, succeeded", title(name))
        })
        .collect()
}

fn patched_end_to_end(family: Family) {
    let software = ["alpha", "beta", "gamma"].map(|name| Software::new(name, "1.0"));
    let Some(device) = device(family, software) else { return };
    device.offer([Software::new("alpha", "2.0")]);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let before = device.database();

    // The device appears, with what it is and has.
    device.root().command("refit-agent").args(["enroll", "-"]).input(token).run().success().says("enrolled as");
    until_done(&server, &device);
    let known = server.client.devices(&Default::default()).unwrap();
    assert_eq!(known.len(), 1, "{known:?}");
    let said = server.client.device(known[0].id.as_ref()).unwrap();
    assert_eq!(said.installs.len(), before.len());
    let os = said.facts.iter().find(|fact| fact.field == "device.os").and_then(|fact| fact.value.clone());
    let expected = if family == Family::Apt { "debian" } else { "almalinux" };
    assert_eq!(os, Some(Plain::Text(expected.into())));

    // It has done what the policy says, nothing else, and told it once.
    assert_eq!(
        changes(&before, &device),
        [format!("{}: {} -> {}, succeeded", family.title("alpha"), family.version("1.0"), family.version("2.0"))]
    );
    assert_eq!(receipts(&server), changes(&before, &device));

    // What is published later comes as well, although the server heard of it from nobody else.
    let before = device.database();
    device.offer([Software::new("beta", "1.1"), Software::new("gamma", "1.1")]);
    until_done(&server, &device);
    assert_eq!(changes(&before, &device).len(), 2);
    assert_eq!(receipts(&server)[1..], changes(&before, &device));

    // Nothing is left to do.
    let mut session = Session { folder: folder.path(), text: String::new() };
    assert!(session.types("refit plan policy --server --detailed-exitcode").contains("Nothing changes"));
    assert!(!session.text.contains("exit status"), "{}", session.text);
    let devices = session.types("refit devices");
    assert!(devices.contains("compliant") && !devices.contains("due"), "{devices}");
    once(&device);
    assert_eq!(receipts(&server).len(), 3);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// Nobody has the package, and nobody but its source knows that it is to be had.
fn what_is_required_is_installed(family: Family) {
    let Some(device) = device(family, [Software::new("alpha", "1.0")]) else { return };
    device.offer([Software::new("sensor", "2.0"), Software::new("other", "1.0")]);
    let required = format!(
        "\n---\npolicy: sensor\npriority: 10\nsoftware: [{}, deb/nowhere, rpm/nowhere]\npresence: required\ndeadline: [{{ within: 1d }}]\n---\nmandate:",
        family.title("sensor")
    );
    let policy = policy(&device).replace("\n---\nmandate:", &required);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy);
    device.root().command("refit-agent").args(["enroll", "-"]).input(token).run().success();
    for _ in 0..3 {
        until_done(&server, &device);
    }
    let sensor = device.database().get("sensor").map(|state| state.version.clone());
    assert_eq!(sensor, Some(family.version("2.0")), "{}", once(&device));
    assert!(!device.database().contains_key("other"));
    let receipt = format!("{}: none -> {}, succeeded", family.title("sensor"), family.version("2.0"));
    assert_eq!(receipts(&server), [receipt]);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

#[test]
fn what_is_required_is_installed_with_apt() {
    what_is_required_is_installed(Family::Apt);
}

#[test]
fn what_is_required_is_installed_with_dnf() {
    what_is_required_is_installed(Family::Dnf);
}

#[test]
fn a_device_with_apt_is_patched_from_the_first_key_to_the_receipt() {
    patched_end_to_end(Family::Apt);
}

#[test]
fn a_device_with_dnf_is_patched_from_the_first_key_to_the_receipt() {
    patched_end_to_end(Family::Dnf);
}

/// A machine that loses power between dpkg's unpacking and configuring: the next life of the agent looks what became of it, the
/// package manager repairs it, and each package's success is told once.
#[test]
fn what_was_killed_half_way_is_finished_and_told_once() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = AnyDevice::Apt(scenarios::upgrade_that_waits(&base));
    let device = equipped(device);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    root.command("refit-agent").args(["enroll", "-"]).input(token).run().success();
    // The first check-ins; a server that is quick has decided by the last of them.
    let first = root.command("refit-agent").arg("once").start();
    let first = match waits_in(root, first) {
        Ok(running) => running,
        Err(outcome) => {
            outcome.success();
            settle(&server);
            root.command("refit-agent").arg("once").start()
        }
    };
    scenarios::kill_while_waiting(root, first);
    assert_eq!(root.dpkg()["alpha"].status, "iU");
    assert_eq!(receipts(&server), Vec::<String>::new());

    for _ in 0..4 {
        root.run("refit-agent", ["once"]);
        settle(&server);
    }
    let state = |name: &str| format!("{} {}", root.dpkg()[name].status, root.dpkg()[name].version);
    assert_eq!((state("alpha"), state("omega")), ("ii 2.0".to_owned(), "ii 2.0".to_owned()), "{:?}", receipts(&server));
    assert_eq!(root.run("dpkg", ["--audit"]).success().stdout, "");
    let succeeded: Vec<String> = receipts(&server).into_iter().filter(|line| line.ends_with("succeeded")).collect();
    assert_eq!(succeeded.len(), 2, "{:?}", receipts(&server));
    assert_eq!(receipts(&server).len(), 2, "{:?}", receipts(&server));
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// Whether a program comes to wait in a maintainer script; else how it ended.
fn waits_in(root: &Root, mut running: Program) -> Result<Program, Outcome> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if root.exists("/run/waiting") {
            return Ok(running);
        }
        if running.has_ended() {
            return Err(running.wait());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("neither ended nor waiting")
}

/// One call stops every device within one check-in, and says which have heard it.
#[test]
fn everything_can_be_stopped() {
    let Some(device) = device(Family::Apt, [Software::new("alpha", "1.0")]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    device.root().command("refit-agent").args(["enroll", "-"]).input(token).run().success();
    until_done(&server, &device);
    let mut session = Session { folder: folder.path(), text: String::new() };
    session.types("refit halt --everything --why 'the new release breaks printing'");
    device.offer([Software::new("alpha", "2.0")]);
    until_done(&server, &device);
    let said = once(&device);
    assert!(said.stdout.contains("the server says: the new release breaks printing"), "{said}");
    assert_eq!(device.database()["alpha"].version, "1.0");
    // The server writes down who honours it every ten seconds.
    let begun = Instant::now();
    loop {
        let status = session.types("refit halt --status");
        if status.contains("1 of 1 devices with an agent honour it") {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{status}");
        std::thread::sleep(Duration::from_millis(500));
    }
    session.types("refit resume --everything --why mended");
    until_done(&server, &device);
    until_done(&server, &device);
    assert_eq!(device.database()["alpha"].version, "2.0", "{}", session.text);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// Who talks to the network may do nothing else: another user, no capabilities, no way to more, and no file of the executor.
#[test]
fn the_network_process_has_no_rights() {
    let Some(device) = device(Family::Apt, [Software::new("alpha", "1.0")]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    device.root().command("refit-agent").args(["enroll", "-"]).input(token).run().success();
    let said = device
        .root()
        .shell(
            r#"refit-agent run >/run/said 2>&1 & running=$!
            # Without a running agent `once` would do the work itself, and `run` could not start beside it.
            for i in $(seq 300); do
                if [ -S /run/refit-agent/control.sock ] && refit-agent once >/dev/null 2>&1; then break; fi
                sleep 0.1
            done
            for process in /proc/[0-9]*; do
                if tr '\0' ' ' <$process/cmdline | grep -q 'refit-agent .*network $'; then
                    echo "user $(stat -c %U $process)"
                    grep -E '^(Uid|Groups|CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs):' $process/status
                fi
            done
            as_network() { setpriv --reuid refit-agent --regid refit-agent --clear-groups --no-new-privs "$@"; }
            as_network find / -xdev \( -path /proc -o -path /dev -o -path /sys -o -path /tmp -o -path /var/tmp \) -prune \
                -o ! -type l -writable -print 2>/dev/null | sort
            as_network find /run -writable -print 2>/dev/null | sort
            as_network cat /var/lib/refit-agent/journal.json 2>&1 || true
            kill $running; wait $running"#,
        )
        .success();
    let lines: Vec<String> =
        said.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let uid = device.root().run("id", ["-u", "refit-agent"]).success().stdout.trim().to_owned();
    let expected = [
        "user refit-agent".to_owned(),
        format!("Uid: {uid} {uid} {uid} {uid}"),
        "Groups:".to_owned(),
        "CapInh: 0000000000000000".to_owned(),
        "CapPrm: 0000000000000000".to_owned(),
        "CapEff: 0000000000000000".to_owned(),
        "CapAmb: 0000000000000000".to_owned(),
        "NoNewPrivs: 1".to_owned(),
        "/var/lib/refit-agent/network".to_owned(),
        "/var/lib/refit-agent/network/certificate.pem".to_owned(),
        "/var/lib/refit-agent/network/key.pem".to_owned(),
        "/run/lock".to_owned(),
        "/run/refit-agent/control.sock".to_owned(),
        "/run/refit-agent/executor.sock".to_owned(),
        "cat: /var/lib/refit-agent/journal.json: Permission denied".to_owned(),
    ];
    assert_eq!(lines, expected, "{said}");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// An agent that is idle asks neither apt nor dnf: only where files say that something has changed.
fn asks_nobody_while_nothing_changes(family: Family, program: &str) {
    let Some(device) = device(family, [Software::new("alpha", "1.0")]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    root.command("refit-agent").args(["enroll", "-"]).input(token).run().success();
    let real = root.run("sh", ["-c", &format!("command -v {program}")]).success().stdout;
    let script = format!("#!/bin/sh\necho \"$*\" >>/run/asked\nexec {} \"$@\"\n", real.trim());
    root.write(&format!("/usr/local/bin/{program}"), script).shell(&format!("chmod 755 /usr/local/bin/{program}"));
    let mut running = root.command("refit-agent").arg("run").start();
    running.wait_until("listening", || root.exists("/run/refit-agent/control.sock"));
    let asked = || root.try_read("/run/asked").unwrap_or_default().lines().count();
    for _ in 0..3 {
        once(&device);
        settle(&server);
    }
    let before = asked();
    assert!(before > 0, "the test sees what the agent asks");
    for _ in 0..3 {
        once(&device);
    }
    assert_eq!(asked(), before, "{}", root.read("/run/asked"));
    device.offer([Software::new("alpha", "2.0")]);
    for _ in 0..3 {
        once(&device);
        settle(&server);
    }
    assert_eq!(device.database()["alpha"].version, family.version("2.0"));
    running.kill();
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

#[test]
fn an_idle_agent_does_not_ask_apt() {
    asks_nobody_while_nothing_changes(Family::Apt, "apt-get");
}

#[test]
fn an_idle_agent_does_not_ask_dnf() {
    asks_nobody_while_nothing_changes(Family::Dnf, "dnf");
}
