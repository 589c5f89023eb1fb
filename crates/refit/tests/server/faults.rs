//! What goes wrong between a server and a device, each with real programs: a device in a root with its package manager, the
//! agent, and a server that runs as a process.

use super::{
    agent::{device, equipped, organization, organization_at, policy, receipts, until_done},
    commands::{Session, settle},
    running::{Running, command, signal, start_again},
};
use refit_testbed::{
    BaseRoot, Lan, Outcome, Root, Running as Program,
    family::{AnyDevice, Family, Software, Spoiled},
    scenarios,
};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// A device whose upgrade of `alpha` and `omega` waits in a maintainer script until it is let go on.
fn that_waits() -> Option<AnyDevice> {
    let base = BaseRoot::minimal()?;
    Some(equipped(AnyDevice::Apt(scenarios::upgrade_that_waits(&base))))
}

fn enroll(root: &Root, token: &str) {
    root.command("refit-agent").args(["enroll", "-"]).input(token).run().success();
}

/// The agent at work, in the middle of the upgrade.
fn in_the_middle(root: &Root, server: &Running) -> Program {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        let mut running = root.command("refit-agent").arg("once").start();
        while !running.has_ended() {
            if root.exists("/run/waiting") {
                return running;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // The server had not decided yet.
        settle(server);
    }
    panic!("the upgrade has not begun");
}

fn once(root: &Root) -> Outcome {
    root.run("refit-agent", ["once"])
}

fn version(device: &AnyDevice, name: &str) -> String {
    device.database()[name].version.clone()
}

fn stop(server: &mut Running) {
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

fn unconfirmed(said: &Outcome, count: usize) {
    assert!(said.stdout.contains(&format!("receipts      {count} not yet confirmed")), "{said}");
}

const BOTH: [&str; 2] = ["deb/alpha: 1.0 -> 2.0, succeeded", "deb/omega: 1.0 -> 2.0, succeeded"];

/// The receipts are in the log, each once, and stay so when the agent comes again.
fn told_once(root: &Root, server: &Running) {
    for _ in 0..3 {
        once(root);
        let mut said = receipts(server);
        said.sort();
        assert_eq!(said, BOTH);
    }
}

#[test]
fn a_server_that_is_killed_half_way_is_told_once_when_it_is_back() {
    let Some(device) = that_waits() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    let running = in_the_middle(root, &server);
    stop(&mut server);
    scenarios::let_go_on(root);
    let said = running.wait();
    assert_eq!((version(&device, "alpha"), version(&device, "omega")), ("2.0".into(), "2.0".into()), "{said}");
    unconfirmed(&said, 2);
    assert!(said.stdout.contains("server        not reached: "), "{said}");

    let mut server = start_again(&server, &folder.path().join("data"));
    told_once(root, &server);
    stop(&mut server);
}

#[test]
fn a_link_that_is_cut_while_packages_change_stops_nothing_and_it_is_told_once() {
    let Some(mut device) = that_waits() else { return };
    let Some(lan) = Lan::new() else { return };
    let (here, there) = (lan.plug_in(), lan.plug_in());
    device.root_mut().plug_in(&here);
    let folder = tempfile::tempdir().unwrap();
    let mut serve = command(&folder.path().join("data"));
    serve.arg("--public").arg(format!("https://{}:7443", there.address()));
    let (mut server, token) = organization_at(folder.path(), &policy(&device), serve);
    let address = server.client.address().trim_start_matches("https://").parse().unwrap();
    there.show(7443, address);
    let root = device.root();
    enroll(root, &token);
    let running = in_the_middle(root, &server);
    here.pull();
    scenarios::let_go_on(root);
    let begun = Instant::now();
    while version(&device, "omega") != "2.0" || version(&device, "alpha") != "2.0" {
        assert!(begun.elapsed() < Duration::from_secs(30), "what had begun is not finished");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(receipts(&server), Vec::<String>::new());
    // Nobody waits until a connection has given up.
    running.kill();
    here.plug();
    told_once(root, &server);
    stop(&mut server);
}

/// A small file system of its own, unmounted at the end.
struct Small(std::path::PathBuf);

impl Small {
    fn new(folder: &Path, bytes: u64) -> Small {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={bytes},mode=0755");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).status().unwrap();
        assert!(mounted.success(), "no tmpfs can be mounted");
        Small(folder.to_owned())
    }

    /// Takes all that is free.
    fn fill(&self) {
        let block = vec![0; 4096];
        let mut file = std::fs::File::create(self.0.join("ballast")).unwrap();
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn an_agent_that_can_write_nothing_down_keeps_its_journal_and_goes_on_when_there_is_room() {
    let Some(mut device) = that_waits() else { return };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let disk = Small::new(&state, 1 << 20);
    device.root_mut().bind_writable(&state, "/var/lib/refit-agent");
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    let running = in_the_middle(root, &server);
    let journal = std::fs::read(state.join("journal.json")).unwrap();
    disk.fill();
    scenarios::let_go_on(root);
    running.wait().exit(3).says("journal.json can't be written");
    assert_eq!(std::fs::read(state.join("journal.json")).unwrap(), journal, "whole, as it was");
    once(root).exit(3).says("No space left");
    assert_eq!(receipts(&server), Vec::<String>::new());

    disk.make_room();
    told_once(root, &server);
    drop(disk);
    stop(&mut server);
}

#[test]
fn a_server_whose_disk_is_full_says_so_and_loses_nothing() {
    let Some(device) = that_waits() else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let disk = Small::new(&data, 64 << 20);
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    let running = in_the_middle(root, &server);
    disk.fill();
    scenarios::let_go_on(root);
    let said = running.wait();
    assert_eq!((version(&device, "alpha"), version(&device, "omega")), ("2.0".into(), "2.0".into()), "{said}");
    unconfirmed(&said, 2);
    assert!(said.stdout.contains("the server refuses (503 unavailable)"), "{said}");

    disk.make_room();
    if server.child.try_wait().unwrap().is_some() {
        println!("the server had ended");
        server = start_again(&server, &data);
    }
    told_once(root, &server);
    stop(&mut server);
    drop(disk);
}

#[test]
fn a_device_without_room_changes_nothing_and_says_so() {
    let Some(device) = AnyDevice::with_disk(Family::Apt, 256 << 20, [Software::new("alpha", "1.0")]) else { return };
    let device = equipped(device);
    device.offer([Software::new("alpha", "2.0").large(24 << 20)]);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    root.fill_disk(8 << 20);
    once(root);
    settle(&server);
    let said = once(root);
    assert_eq!(version(&device, "alpha"), "1.0", "{said}");
    assert!(said.stdout.contains("problem       package_manager: "), "{said}");
    println!("{said}");
    assert_eq!(receipts(&server).iter().filter(|line| line.contains("succeeded")).count(), 0);
    assert_eq!(root.run("dpkg", ["--audit"]).success().stdout, "");

    // With room, what comes next goes at once; what failed is tried again an hour later.
    root.free_disk();
    device.offer([Software::new("alpha", "3.0")]);
    let mut said = once(root);
    for _ in 0..2 {
        settle(&server);
        said = once(root);
    }
    assert_eq!(version(&device, "alpha"), "3.0", "{said}");
    stop(&mut server);
}

/// What a device makes of a repository that somebody has changed.
fn tampered(family: Family, spoil: impl FnOnce(&AnyDevice), words: &str) {
    let Some(device) = device(family, [Software::new("alpha", "1.0")]) else { return };
    device.offer([Software::new("alpha", "2.0")]);
    device.publish([Software::new("alpha", "3.0")]);
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    spoil(&device);
    for _ in 0..3 {
        once(root);
        settle(&server);
    }
    let said = once(root);
    assert_ne!(version(&device, "alpha"), "3.0", "{said}");
    assert!(said.stdout.contains("problem ") && said.stdout.contains(words), "{said}");
    println!("{said}");
    stop(&mut server);
}

#[test]
fn a_package_that_was_changed_is_refused() {
    let package = |device: &AnyDevice| {
        device.offer([]);
        device.tamper_with_package(&Software::new("alpha", "3.0"));
    };
    tampered(Family::Apt, package, "package_manager: ");
}

#[test]
fn a_list_that_was_changed_is_refused_and_the_reason_is_told() {
    tampered(Family::Apt, |device| device.spoil(Spoiled::Tampered), "Do not install from this source");
}

#[test]
fn a_list_that_a_stranger_signed_is_refused_and_the_reason_is_told() {
    tampered(Family::Apt, |device| device.spoil(Spoiled::SignedByStranger), "publisher's key by a trusted way");
}

#[test]
fn a_list_of_dnf_that_a_stranger_signed_is_refused_and_the_reason_is_told() {
    tampered(Family::Dnf, |device| device.spoil(Spoiled::SignedByStranger), "package_source: ");
}

/// A certificate that ended ten days ago, signed by the server's authority.
fn expired(data: &Path, key: &rcgen::KeyPair, name: &str, usage: rcgen::ExtendedKeyUsagePurpose) -> String {
    let read = |name: &str| std::fs::read_to_string(data.join("tls").join(name)).unwrap();
    let authority = rcgen::KeyPair::from_pem(&read("ca.key")).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&read("ca.pem"), authority).unwrap();
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let day = Duration::from_secs(86_400);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + (now - 40 * day);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (now - 10 * day);
    params.signed_by(key, &issuer).unwrap().pem()
}

#[test]
fn a_device_whose_certificate_has_expired_says_so_and_is_enrolled_again() {
    let Some(device) = device(Family::Apt, [Software::new("alpha", "1.0")]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    once(root).success();
    let network = "/var/lib/refit-agent/network";
    let key = rcgen::KeyPair::from_pem(&root.read(&format!("{network}/key.pem"))).unwrap();
    let id = server.client.devices(&Default::default()).unwrap()[0].id.to_string();
    let pem = expired(&data, &key, &id, rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    root.write(&format!("{network}/certificate.pem"), pem);
    device.offer([Software::new("alpha", "2.0")]);
    once(root).exit(3).says("this device's certificate has expired").says("refit-agent enroll --again TOKEN");
    assert_eq!(version(&device, "alpha"), "1.0");

    let mut session = Session { folder: folder.path(), text: String::new() };
    let token = session.types("refit enrolment create again").trim().to_owned();
    root.command("refit-agent").args(["enroll", "--again", "-"]).input(token).run().success();
    until_done(&server, &device);
    until_done(&server, &device);
    assert_eq!(version(&device, "alpha"), "2.0");
    let devices = server.client.devices(&Default::default()).unwrap();
    assert_eq!(devices.iter().map(|device| device.id.to_string()).collect::<Vec<_>>(), [id], "the same device");
    stop(&mut server);
}

#[test]
fn a_server_whose_certificate_has_expired_is_named_and_makes_another_when_it_starts() {
    let Some(device) = device(Family::Apt, [Software::new("alpha", "1.0")]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    once(root).success();
    stop(&mut server);
    // Somebody gave the server a certificate, and nobody has renewed it.
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = expired(&data, &key, "server", rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    let (cert, private) = (folder.path().join("given.pem"), folder.path().join("given.key"));
    std::fs::write(&cert, pem).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    let listen = server.client.address().trim_start_matches("https://").to_owned();
    let mut serve = super::running::command_on(&listen, &data);
    serve.arg("--tls-cert").arg(&cert).arg("--tls-key").arg(&private);
    let mut child = serve.stderr(std::process::Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while std::net::TcpStream::connect(&listen).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    once(root).exit(3).says("the server's certificate has expired");
    signal(&child, nix::sys::signal::Signal::SIGTERM);
    child.wait().unwrap();

    let mut server = start_again(&server, &data);
    once(root).success();
    stop(&mut server);
}

/// The program that shows other times to a program of the root.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[test]
fn a_wrong_clock_is_reported_and_nothing_is_done_until_it_is_right() {
    if !Path::new(FAKETIME).exists() {
        return refit_testbed::skip("missing here; run: apt-get install libfaketime");
    }
    let Some(mut device) = device(Family::Apt, [Software::new("alpha", "1.0")]) else { return };
    device.root_mut().bind(FAKETIME, "/usr/local/lib/libfaketime.so.1");
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    until_done(&server, &device);
    let with_clock = |offset: &str| {
        // The first program makes memory that the others share; the network process is another user's.
        let opened = "chmod 666 /dev/shm/*faketime* && exec refit-agent once";
        let said = root
            .command("bash")
            .args(["-c", opened])
            .env("LD_PRELOAD", "/usr/local/lib/libfaketime.so.1")
            .env("FAKETIME", offset)
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .run();
        settle(&server);
        said
    };
    device.offer([Software::new("alpha", "2.0")]);
    for (offset, words) in [
        ("-12h", "problem       clock: "),
        ("+1d", "problem       clock: "),
        ("-365d", "the server's certificate is not valid yet"),
        ("+365d", "the server's certificate has expired"),
    ] {
        with_clock(offset);
        let said = with_clock(offset);
        assert!(said.stdout.contains(words), "{offset}: {said}");
        assert_eq!(version(&device, "alpha"), "1.0", "{offset}: {said}");
    }
    for _ in 0..3 {
        once(root);
        settle(&server);
    }
    assert_eq!(version(&device, "alpha"), "2.0", "{}", once(root));
    stop(&mut server);
}

#[test]
fn devices_do_not_go_back_with_a_server_that_was_restored() {
    let Some(device) = device(Family::Apt, [Software::new("alpha", "1.0"), Software::new("beta", "1.0")]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (mut server, token) = organization(folder.path(), &policy(&device));
    let root = device.root();
    enroll(root, &token);
    until_done(&server, &device);
    let refit = |args: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_refit")).args(args).arg("--data").arg(&data).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let backup = folder.path().join("backup");
    refit(&["backup", "--to", backup.to_str().unwrap()]);
    let order = || -> (u64, u64) {
        let journal: serde_json::Value = serde_json::from_str(&root.read("/var/lib/refit-agent/journal.json")).unwrap();
        serde_json::from_value(journal["state"]["order"].clone()).unwrap()
    };
    device.offer([Software::new("alpha", "2.0")]);
    until_done(&server, &device);
    until_done(&server, &device);
    assert_eq!(receipts(&server), ["deb/alpha: 1.0 -> 2.0, succeeded"]);
    let before = order();

    stop(&mut server);
    refit(&["restore", "--replace", "--from", backup.to_str().unwrap()]);
    let mut server = start_again(&server, &data);
    assert_eq!(receipts(&server), Vec::<String>::new(), "the log is that of the backup");
    until_done(&server, &device);
    until_done(&server, &device);
    let after = order();
    assert!(after.0 > before.0, "{before:?} {after:?}: the epoch was raised");
    assert_eq!(version(&device, "alpha"), "2.0");
    // What the server had confirmed is not told again: the inventory says what is there.
    assert_eq!(receipts(&server), Vec::<String>::new());

    device.offer([Software::new("beta", "2.0")]);
    until_done(&server, &device);
    until_done(&server, &device);
    assert_eq!(version(&device, "beta"), "2.0");
    assert_eq!(receipts(&server), ["deb/beta: 1.0 -> 2.0, succeeded"]);
    stop(&mut server);
}
