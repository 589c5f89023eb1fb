//! A company with a policy repository, a fleet, and a tenant.

use super::{
    graph::Graph,
    server::{Asked, Server},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, MutexGuard},
};

/// What the tests have in common: two rings, and a window at night.
const ORGANIZATION: &str = r#"
organization: acme
defaults: { mode: enforce }
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '"canary" in device.tags', soak: 1d }
      - { name: rest }
  fast:
    rings:
      - { name: rest }
gates: { default: { failure_rate: 2% } }
windows:
  overnight: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 11h }
"#;

pub const WINDOWS: &str = "policy: windows laptops\nsoftware: [windows-11]\nmin_age: 2d\nrollout: standard\nwindow: overnight\n\
                           deadline: [{ within: 10d }]\nexperience: { notify: 48h, reboot: { mode: at_due } }\n";

pub const TARGET: &str = "target: windows\nkind: intune\nwhere: device.platform == \"windows\"\n\
                          settings: { connector: intune-double, tenant: acme.example, client_id: me }\n";

/// What of Intune's connector is another for the double: the vendor's hosts.
const INSTEAD: [(&str, &str); 4] = [
    ("connector: intune\n", "connector: intune-double\n"),
    ("settings:\n", "settings:\n  url: { about: The double. }\n"),
    ("address: https://graph.microsoft.com/v1.0\n", "address: \"{url}/v1.0\"\n"),
    ("https://login.microsoftonline.com/", "{url}/"),
];

/// A company, and the double of its tenant.
pub struct Company {
    pub home: tempfile::TempDir,
    pub graph: Arc<Mutex<Graph>>,
    pub server: Server,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn ends(self, exit: i32) -> Said {
        assert_eq!(self.exit, exit, "{self:#?}");
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Said {
        assert!(self.out.contains(text) || self.err.contains(text), "{text}\n{}\n{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn says_not(self, text: &str) -> Said {
        assert!(!self.out.contains(text) && !self.err.contains(text), "{text}\n{}\n{}", self.out, self.err);
        self
    }
}

impl Company {
    /// A company with a Windows laptop in each of two rings.
    pub fn new(policy: &str, target: &str) -> Company {
        let mut graph = Graph { expeditable: ["2026-11-10T00:00:00Z"].into(), ..Graph::default() };
        (1..=3).for_each(|number| graph.device(number));
        let graph = Arc::new(Mutex::new(graph));
        let of_server = Arc::clone(&graph);
        let server = Server::start(move |asked: &Asked| of_server.lock().unwrap().answer(asked));
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("acme/intune-double")).unwrap();
        fs::write(home.path().join("acme/refit.yaml"), ORGANIZATION).unwrap();
        fs::write(home.path().join("secret"), "hush\n").unwrap();
        fs::write(home.path().join("fleet.jsonl"), world(&[("win-1", 1, "canary"), ("win-2", 2, "rest")])).unwrap();
        let connector = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors/intune/connector.yaml");
        let mut text = fs::read_to_string(connector).unwrap();
        for (what, instead) in INSTEAD {
            assert!(text.contains(what), "the connector has another `{what}` now");
            text = text.replacen(what, instead, 1);
        }
        fs::write(home.path().join("acme/intune-double/connector.yaml"), text).unwrap();
        let company = Company { home, graph, server };
        company.write("policies.yaml", policy);
        company.write("targets.yaml", target);
        company
    }

    pub fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap()
    }

    /// Writes a file of the policy repository.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.home.path().join("acme").join(name), text).unwrap();
    }

    pub fn devices(&self, devices: &[(&str, u32, &str)]) {
        fs::write(self.home.path().join("fleet.jsonl"), world(devices)).unwrap();
    }

    pub fn record(&self) -> PathBuf {
        self.home.path().join("data/targets/windows.json")
    }

    /// Runs `refit compile` with the ring `opened`, and with more.
    pub fn compile(&self, opened: &str, more: &[&str]) -> Said {
        let connect = format!("windows={}", self.server.url);
        let always =
            ["compile", "acme", "--world", "fleet.jsonl", "--opened", opened, "--systems", "--connect", &connect];
        let secret = ["--secret", "windows.client_secret=secret"];
        self.refit(&[&always[..], &secret, more].concat())
    }

    /// Runs `refit`.
    pub fn refit(&self, args: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_refit"))
            .args(args)
            .current_dir(self.home.path())
            .env("REFIT_DATA", self.home.path().join("data"))
            .env("NO_PROXY", "*")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { exit: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub fn apply(&self, opened: &str) -> Said {
        self.compile(opened, &["--apply"]).ends(0)
    }

    /// What was written since it was last asked.
    pub fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.graph().kept.writes)
    }
}

/// A fleet of Windows laptops, of which Intune knows the serial numbers.
fn world(devices: &[(&str, u32, &str)]) -> String {
    let mut text = "{\"format\":\"refit-world\",\"version\":1,\"now\":\"2026-11-23T09:00:00Z\"}\n\
        {\"title\":\"google-chrome\",\"scheme\":\"chrome\",\"releases\":[\
        {\"version\":\"130.0.6723.58\",\"published\":\"2026-10-15T00:00:00Z\"},{\"version\":\"131.0.6778.70\",\"published\":\"2026-11-16T00:00:00Z\"}]}\n\
        {\"title\":\"windows-11\",\"scheme\":\"windows\",\"releases\":[\
        {\"version\":\"10.0.26200.2314\",\"published\":\"2026-10-14T17:00:00Z\",\"branch\":\"25H2\"},\
        {\"version\":\"10.0.26200.2605\",\"published\":\"2026-11-10T17:00:00Z\",\"branch\":\"25H2\"}]}\n"
        .to_owned();
    text += "{\"advisory\":{\"id\":\"CVE-2026-2222\",\"title\":\"windows-11\",\"affected\":[\"<10.0.26200.2605\"],\
             \"known_at\":\"2026-11-10T17:00:00Z\",\"cvss\":8.8,\"kev\":\"2026-11-18T00:00:00Z\"},\"scheme\":\"windows\"}\n";
    for (id, serial, tag) in devices {
        text += &format!(
            "{{\"device\":\"{id}\",\"seen\":\"2026-11-23T08:00:00Z\",\"seen_by\":\"agent\",\"enrolled\":\"2026-01-01T00:00:00Z\",\
             \"zone\":\"Europe/Berlin\",\"facts\":[{{\"values\":{{\"device.platform\":\"windows\",\"device.os\":\"windows\",\
             \"device.kind\":\"laptop\",\"device.serial\":\"s-{serial}\",\"device.tags\":[\"{tag}\"]}}}}],\
             \"installs\":[[1767225600,[0,2]]]}}\n"
        );
    }
    text
}
