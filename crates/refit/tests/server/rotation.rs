//! Keys that are replaced while a server and an agent run: with the command line as a person types it, and a device that follows.

use super::{
    agent::{device, organization, policy},
    commands::{Session, settle},
    running::{Running, start_again},
};
use refit_testbed::{
    Running as Program,
    family::{AnyDevice, Family, Software},
};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// An organisation of one device, on which the agent runs.
struct Company<'d> {
    device: &'d AnyDevice,
    server: Running,
    session: Session<'d>,
    agent: Program,
}

impl<'d> Company<'d> {
    fn found(device: &'d AnyDevice, folder: &'d Path) -> Company<'d> {
        let (server, token) = organization(folder, &policy(device));
        let root = device.root();
        root.command("refit-agent").args(["enroll", "-"]).input(token).run().success();
        // The test fetches package lists, and nobody else at the same time.
        let config = "/etc/refit-agent/agent.json";
        root.write(config, root.read(config).replace("\"fetch_lists\": true", "\"fetch_lists\": false"));
        let mut agent = root.command("refit-agent").arg("run").start();
        agent.wait_until("listening", || root.exists("/run/refit-agent/control.sock"));
        Company { device, server, session: Session { folder, text: String::new() }, agent }
    }

    fn offer(&self, version: &str) {
        self.device.offer([Software::new("alpha", version)]);
        self.come(2);
    }

    /// The device checks in, and the server decides.
    fn come(&self, times: usize) {
        for _ in 0..times {
            self.device.root().run("refit-agent", ["once"]);
            settle(&self.server);
        }
        self.device.root().run("refit-agent", ["once"]);
    }

    #[track_caller]
    fn has(&self, version: &str) {
        let begun = Instant::now();
        while self.device.database()["alpha"].version != version {
            assert!(begun.elapsed() < Duration::from_secs(60), "{}\n{}", self.status(), self.session.text);
            self.come(1);
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Some check-ins later nothing has changed, and this is why.
    #[track_caller]
    fn stays(&self, version: &str, why: &str) {
        self.come(3);
        assert_eq!(self.device.database()["alpha"].version, version, "{}", self.session.text);
        assert!(self.status().contains(why), "{}", self.status());
    }

    fn status(&self) -> String {
        self.device.root().run("refit-agent", ["status"]).stdout
    }

    /// The number of the root that the device believes.
    fn root(&self) -> u64 {
        let journal = self.device.root().read("/var/lib/refit-agent/journal.json");
        serde_json::from_str::<serde_json::Value>(&journal).unwrap()["root"]["order"].as_u64().unwrap()
    }

    #[track_caller]
    fn types(&mut self, line: &str) -> String {
        let said = self.session.types(line);
        assert!(!self.last_complaint().contains("exit status"), "{}", self.session.text);
        said
    }

    /// What is refused, and in which words.
    #[track_caller]
    fn refused(&mut self, line: &str, words: &str) {
        self.session.types(line);
        let said = self.last_complaint();
        assert!(said.contains("exit status") && said.contains(words), "not refused with `{words}`:\n{said}");
    }

    fn last_complaint(&self) -> &str {
        self.session.text.rsplit_once("\n$ ").map_or(&self.session.text, |(_, last)| last)
    }

    fn end(mut self) {
        self.agent.kill();
        self.server.child.kill().unwrap();
        self.server.child.wait().unwrap();
    }
}

/// Somebody leaves: a root key and the policy key are replaced. The running device follows, stops believing what the old key
/// has signed, and goes on with what the new one signs.
#[test]
fn a_running_device_follows_a_root_and_stops_at_the_mandate_of_a_key_that_was_removed() {
    let Some(device) = device(Family::Apt, [Software::new("alpha", "1.0")]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut company = Company::found(&device, folder.path());
    company.offer("2.0");
    company.has("2.0");
    assert_eq!(company.root(), 1);

    company.types("refit key new policy-2.key --no-passphrase");
    company.types("refit key new root-4.key --no-passphrase");
    let next = "refit key root --root keys/root.json --out next.json --server";
    company.types(&format!("{next} --add-policy policy-2.key --remove keys/policy-1.key --add-root root-4.key --remove keys/root-2.key --threshold 3"));
    let sign = |key: &str| format!("refit key sign next.json --after keys/root.json --key {key} --yes");
    // Two of the old keys and three of the new ones have to have signed.
    company.types(&sign("keys/root-1.key"));
    company.refused("refit key publish next.json --server", "signature");
    company.types(&sign("keys/root-3.key"));
    company.refused("refit key publish next.json --server", "signature");
    company.refused(&sign("keys/policy-1.key"), "root key");
    company.types(&sign("root-4.key"));
    company.types("refit key publish next.json --server");

    // The old mandate no longer counts, neither for the running agent nor for one that starts anew.
    company.offer("3.0");
    company.stays("2.0", "mandate");
    assert_eq!(company.root(), 2);
    let root = device.root();
    root.remove("/run/refit-agent/control.sock");
    let agent = root.command("refit-agent").arg("run").start();
    std::mem::replace(&mut company.agent, agent).kill();
    let begun = Instant::now();
    while !root.exists("/run/refit-agent/control.sock") {
        assert!(begun.elapsed() < Duration::from_secs(60));
        if company.agent.has_ended() {
            company.agent = root.command("refit-agent").arg("run").start();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    company.stays("2.0", "mandate");

    // The removed key signs nothing any more; the new one has to be told the number.
    let mandate = "refit mandate sign policy --server --root next.json --yes";
    company.refused(&format!("{mandate} --sign-with keys/policy-1.key --number 2"), "is no policy key of root 2");
    company.refused(&format!("{mandate} --sign-with policy-2.key"), "--number N");
    company.types(&format!("{mandate} --sign-with policy-2.key --number 2"));
    company.has("3.0");

    // A mandate that is signed again and says the same stands in nobody's way.
    company.types(&format!("{mandate} --sign-with policy-2.key"));
    company.offer("4.0");
    company.has("4.0");
    company.end();
}

/// The server's key was lost, or stolen: the server makes another one, and a root names it in place of the old one.
#[test]
fn a_running_device_follows_to_another_key_of_the_server() {
    let Some(device) = device(Family::Apt, [Software::new("alpha", "1.0")]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut company = Company::found(&device, folder.path());
    company.offer("2.0");
    company.has("2.0");

    let key_of = |said: &str| {
        let word = said.split_whitespace().find(|word| word.starts_with("ed25519:")).expect(said);
        word.trim_end_matches([',', '.']).to_owned()
    };
    let before = key_of(&company.types("refit key show --server"));
    company.server.child.kill().unwrap();
    company.server.child.wait().unwrap();
    let data = folder.path().join("data");
    fs::remove_file(data.join("keys/server.key")).unwrap();
    company.server = start_again(&company.server, &data);
    let after = key_of(&company.types("refit key show --server"));
    assert_ne!(before, after);

    // Nobody believes it yet.
    company.offer("3.0");
    company.stays("2.0", "signature");

    company.types(&format!(
        "refit key root --root keys/root.json --out next.json --server --add-server {after} --remove {before}"
    ));
    for key in ["root-2", "root-3"] {
        company.types(&format!("refit key sign next.json --after keys/root.json --key keys/{key}.key --yes"));
    }
    company.types("refit key publish next.json --server");
    company.has("3.0");
    assert_eq!(company.root(), 2);
    company.end();
}
