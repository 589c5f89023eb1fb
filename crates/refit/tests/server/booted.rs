//! A booted device with the agent's Debian package: it restarts itself when that is due, and it reaches its server through the
//! proxy that its environment names.

use super::{
    agent::{organization, organization_at, policy, receipts},
    commands::settle,
    package::device_to_boot,
    running::{Process, Running, command},
};
use refit_testbed::{Booted, Lan, Package, Script, family::AnyDevice, missing_packages, skip};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

#[track_caller]
fn wait(what: &str, booted: &Booted<'_>, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > Duration::from_secs(90) {
            let said = "refit-agent status; journalctl -b -u refit-agent -u refit-agent-network --no-pager || true";
            panic!("not {what}:\n{}", booted.shell(said));
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Enrols a device whose agent comes every few seconds, and starts it.
fn start(booted: &Booted<'_>, token: &str) {
    booted.shell(&format!(
        "echo '{token}' | refit-agent enroll -; \
         sed -i -E 's/(least_interval_seconds\": )[0-9]+/\\12/; s/(most_interval_seconds\": )[0-9]+/\\15/' /etc/refit-agent/agent.json; \
         systemctl start refit-agent"
    ));
}

fn journal(booted: &Booted<'_>) -> serde_json::Value {
    serde_json::from_str(&booted.shell("cat /var/lib/refit-agent/journal.json")).unwrap()
}

/// A check-in at once, and what follows from it.
fn once(booted: &Booted<'_>, server: &Running) {
    booted.shell("for i in $(seq 100); do if refit-agent once; then exit 0; fi; sleep 0.2; done; exit 1");
    settle(server);
}

/// Whether the device has really started anew is seen by what the kernel and systemd say of this boot, and by what only lasts until a
/// restart. Its kernel is this machine's: that another one runs afterwards can't be shown in a container.
#[test]
fn a_device_restarts_itself_when_it_is_due_and_tells_what_runs_then() {
    let Some(device) = device_to_boot() else { return };
    let mut device = device;
    device.root.share_network();
    let asks = "touch /run/reboot-required; echo alpha >>/run/reboot-required.pkgs";
    device.offer([Package::new("alpha", "2.0").script(Script::Postinst, asks)]);
    let device = AnyDevice::Apt(device);
    let policy = policy(&device).replace(
        "deadline: [{ within: 14d }]",
        "deadline: [{ within: 20s }]\nphase_in: 0d\nexperience: { reboot: { mode: at_due } }",
    );
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy);

    let booted = Booted::boot_on_the_machines_network(device.root());
    booted.shell("dpkg -i /srv/refit-agent.deb");
    start(&booted, &token);
    let first = booted.shell("cat /proc/sys/kernel/random/boot_id");
    // The server hears first that it waits; at the due time the machine goes down by itself.
    wait("changed", &booted, || !receipts(&server).is_empty());
    wait("going down", &booted, || !booted.is_up());
    assert!(booted.wait_for_end(), "it was powered off, and not restarted");
    assert_eq!(receipts(&server), ["deb/alpha: 1.0 -> 2.0, restart_pending"]);
    let left: serde_json::Value =
        serde_json::from_str(&device.root().read("/var/lib/refit-agent/journal.json")).unwrap();
    assert_eq!(left["restarts"].as_array().unwrap().len(), 1, "{left}");
    assert_eq!(left["restart"]["waiting"].as_array().unwrap().len(), 1, "{left}");

    let booted = Booted::boot_on_the_machines_network(device.root());
    let second = booted.shell("cat /proc/sys/kernel/random/boot_id");
    assert_ne!(first, second);
    wait("told", &booted, || receipts(&server).len() == 2);
    assert_eq!(
        receipts(&server),
        ["deb/alpha: 1.0 -> 2.0, restart_pending", "deb/alpha: 1.0 -> 2.0, succeeded"],
        "{}",
        booted.shell("refit-agent status")
    );
    // Nothing is left to wait for, and it does not restart again.
    once(&booted, &server);
    once(&booted, &server);
    let kept = journal(&booted);
    assert_eq!((&kept["restart"], &kept["boot"]), (&serde_json::Value::Null, &second.trim().into()), "{kept}");
    assert_eq!(kept["restarts"].as_array().unwrap().len(), 1, "{kept}");
    let said = booted.shell("refit-agent status");
    assert!(!said.contains("restart ") && !said.contains("problem"), "{said}");
    assert!(booted.is_up());
    drop(booted);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// A package says that the machine has to restart, and still says so after it has: the machine is not restarted for it again and
/// again.
#[test]
fn a_restart_that_does_not_help_is_not_tried_again_at_once() {
    let Some(device) = device_to_boot() else { return };
    let mut device = device;
    device.root.share_network();
    // systemd-tmpfiles puts the marker back each time.
    let asks = "printf 'f /run/reboot-required\\nw /run/reboot-required.pkgs - - - - alpha\\nf /run/reboot-required.pkgs - - - - alpha\\n' >/etc/tmpfiles.d/alpha.conf; \
                touch /run/reboot-required; echo alpha >/run/reboot-required.pkgs";
    device.offer([Package::new("alpha", "2.0").script(Script::Postinst, asks)]);
    let device = AnyDevice::Apt(device);
    let policy = policy(&device).replace(
        "deadline: [{ within: 14d }]",
        "deadline: [{ within: 20s }]\nphase_in: 0d\nexperience: { reboot: { mode: at_due } }",
    );
    let folder = tempfile::tempdir().unwrap();
    let (mut server, token) = organization(folder.path(), &policy);
    let booted = Booted::boot_on_the_machines_network(device.root());
    booted.shell("dpkg -i /srv/refit-agent.deb");
    start(&booted, &token);
    wait("changed", &booted, || !receipts(&server).is_empty());
    wait("going down", &booted, || !booted.is_up());
    assert!(booted.wait_for_end());

    let booted = Booted::boot_on_the_machines_network(device.root());
    wait("heard of", &booted, || booted.shell("refit-agent status || true").contains("restarted"));
    once(&booted, &server);
    once(&booted, &server);
    assert_eq!(receipts(&server), ["deb/alpha: 1.0 -> 2.0, restart_pending"]);
    assert_eq!(journal(&booted)["restarts"].as_array().unwrap().len(), 1);
    assert!(booted.is_up(), "it went down again");
    drop(booted);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// A device that has no way to its server but a proxy, which its environment names: at enrolment that of the person who types it, later that
/// of the units.
#[test]
fn a_proxy_of_the_environment_is_the_way_to_the_server() {
    if missing_packages().contains(&"tinyproxy-bin") {
        return skip("missing here; run: apt-get install tinyproxy-bin");
    }
    let Some(mut device) = device_to_boot() else { return };
    let Some(lan) = Lan::new() else { return };
    let (here, there) = (lan.plug_in(), lan.plug_in());
    device.root.plug_in(&here);
    device.offer([Package::new("alpha", "2.0")]);
    let device = AnyDevice::Apt(device);
    let folder = tempfile::tempdir().unwrap();
    // The server has an address that leads nowhere in the device's network; the proxy stands outside of it.
    let (mut server, token) = organization_at(folder.path(), &policy(&device), command(&folder.path().join("data")));
    let (mut proxy, address, log) = tinyproxy(folder.path());
    there.show(3128, address);

    let booted = Booted::boot(device.root(), &here);
    booted.shell("dpkg -i /srv/refit-agent.deb");
    let refused = booted.command("refit-agent").args(["enroll", &token]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("can't be reached"), "{said}");
    let by = format!("HTTPS_PROXY=http://{}:3128", there.address());
    booted.shell(&format!("{by} refit-agent enroll '{token}'"));
    assert!(!booted.shell("cat /etc/refit-agent/agent.json").contains("3128"), "the environment's proxy is not kept");
    let enrolling = connections(&log);
    assert!(enrolling > 0);

    booted.shell(&format!("echo '{by}' >>/etc/default/refit-agent; systemctl start refit-agent"));
    wait("updated", &booted, || device.database()["alpha"].version == "2.0");
    once(&booted, &server);
    assert_eq!(receipts(&server), ["deb/alpha: 1.0 -> 2.0, succeeded"]);
    assert!(connections(&log) > enrolling);

    // What NO_PROXY names is asked for without it, and not reached here.
    booted.shell("echo 'NO_PROXY=127.0.0.1' >>/etc/default/refit-agent; systemctl restart refit-agent");
    let before = connections(&log);
    wait("cut off", &booted, || booted.shell("refit-agent once || true").contains("server        not reached"));
    assert_eq!(connections(&log), before);
    booted.shell("sed -i /NO_PROXY/d /etc/default/refit-agent; systemctl restart refit-agent");
    once(&booted, &server);

    // A proxy that has gone is named.
    proxy.kill().unwrap();
    proxy.wait().unwrap();
    let named = format!("(through the proxy {}:3128)", there.address());
    wait("without a proxy", &booted, || booted.shell("refit-agent once || true").contains(&named));
    drop(booted);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// A proxy on this machine, its address, and the file that it writes its log into.
fn tinyproxy(folder: &std::path::Path) -> (Process, SocketAddr, std::path::PathBuf) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (config, log) = (folder.join("tinyproxy.conf"), folder.join("tinyproxy.log"));
    let text = format!("Port {port}\nListen 127.0.0.1\nTimeout 600\nLogLevel Connect\nLogFile \"{}\"\n", log.display());
    fs::write(&config, text).unwrap();
    let mut proxy = Command::new("tinyproxy");
    proxy.arg("-d").arg("-c").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
    let proxy = Process::new(proxy.spawn().unwrap());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the proxy does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    (proxy, address, log)
}

/// How many connections a proxy has made for others.
fn connections(log: &std::path::Path) -> usize {
    fs::read_to_string(log).unwrap_or_default().matches("Request (file descriptor").count()
}
