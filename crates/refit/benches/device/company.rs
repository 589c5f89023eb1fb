//! An organisation with a server and a policy in force, and devices with an agent.

use refit_api::client::{Client, Connection};
use refit_core::control::Wanted;
use refit_testbed::{BaseRoot, Device, Package, Process, Repository, Root, Suite};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

const REFIT: &str = env!("CARGO_BIN_EXE_refit");

/// A server that runs on this machine until it is dropped.
pub struct Company {
    folder: tempfile::TempDir,
    server: Child,
    pub client: Client,
}

impl Company {
    /// With a policy for all packages, from sources of these keys.
    pub fn found(keys: &[String]) -> Company {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut command = Command::new(REFIT);
        command.args(["serve", "--listen", "127.0.0.1:0", "--approvals", "0", "--data"]).arg(&data);
        let mut server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let client = loop {
            assert!(server.try_wait().unwrap().is_none(), "the server has ended");
            let connection = Connection { data: Some(data.clone()), ..Connection::default() };
            match Client::find(&connection) {
                Ok(client) if client.health().is_ok() => break client,
                _ => thread::sleep(Duration::from_millis(20)),
            }
        };
        let company = Company { folder, server, client };
        let policy = format!(
            "organization: bench
defaults: {{ mode: enforce }}
---
policy: all updates
software: [\"os/*\"]
deadline: [{{ within: 14d }}]
packages: {{ upgrade_others: true, install_new: true }}
---
mandate: bench
sources:
  archive: {{ system: deb, keys: [{}], titles: [\"os/*\"] }}
",
            keys.join(", ")
        );
        fs::create_dir(company.folder.path().join("policy")).unwrap();
        fs::write(company.folder.path().join("policy/refit.yaml"), policy).unwrap();
        company.types("refit key init keys --organization bench --server --no-passphrase");
        company.types("refit key publish keys/root.json --server");
        company.types("refit plan policy --server --out plan.json");
        company.types("refit apply plan.json --server --sign-with keys/policy-1.key --yes");
        company
    }

    fn types(&self, line: &str) -> String {
        let programs = Path::new(REFIT).parent().unwrap();
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("REFIT_DATA", self.folder.path().join("data"))
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{line}` says {complained}{said}");
        said
    }

    /// Enrols devices.
    pub fn enrol<'r>(&self, roots: impl IntoIterator<Item = &'r Root>) {
        let token = self.types("refit enrolment create bench --uses 100");
        for (number, root) in roots.into_iter().enumerate() {
            root.write("/etc/machine-id", format!("5ca1ab1e{number:024x}\n"));
            root.command("refit-agent").args(["enroll", "-"]).input(token.trim()).run().success();
        }
    }

    /// Waits until everything is decided and published.
    pub fn settle(&self) {
        let begun = Instant::now();
        loop {
            let all = self.client.devices(&Default::default()).unwrap();
            let settled = all.iter().all(|device| {
                let said = self.client.decisions(&device.id).unwrap();
                !said.behind && said.revision > 0
            });
            if settled {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "nothing is decided");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many changes are waiting, on all devices.
    pub fn changes(&self) -> usize {
        let all = self.client.devices(&Default::default()).unwrap();
        let directives = all.iter().flat_map(|device| self.client.directives(&device.id).unwrap().directives);
        directives.filter(|directive| matches!(directive.admitted, Wanted::Release(_))).count()
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The agent's program, beside `refit`. Cargo builds no program of another package for a bench.
fn agent() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(REFIT).parent().unwrap();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(name);
            }
        }
        cargo.args(["build", "--quiet", "--release", "--locked", "--package", "refit-agent", "--bin", "refit-agent"]);
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        assert!(cargo.status().unwrap().success(), "refit-agent can't be built");
        folder.join("refit-agent")
    })
}

/// Gives a root the agent's program and its user, and the machine's network, on which the server is.
pub fn equip(root: &mut Root) {
    root.with_binary(agent());
    root.share_network();
    root.shell("useradd --system --no-create-home --shell /usr/sbin/nologin refit-agent").success();
}

/// Debian 12 of its archive, a hundred packages behind, whose lists are not fetched again; `None` after `skipped:` was
/// printed.
pub fn behind() -> Option<Root> {
    let mut root = Root::overlay(&BaseRoot::behind()?);
    equip(&mut root);
    Some(root)
}

/// The keys of Debian 12's archives.
pub fn debian() -> Vec<String> {
    ["B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8", "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0"]
        .into_iter()
        .chain(["4D64FEC119C2029067D6E791F8D2585B8783D481"])
        .map(str::to_owned)
        .collect()
}

/// Devices with ten packages of an archive of their own, besides what the base root has.
pub struct Small {
    pub devices: Vec<Device>,
    repository: Arc<Repository>,
}

/// The packages that have something newer in the end.
const PACKAGES: [&str; 10] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"];

impl Small {
    /// `None` after `skipped:` was printed.
    pub fn new(base: &BaseRoot, count: usize) -> Small {
        let repository = Arc::new(Repository::new([Suite::archive(), Suite::security()]));
        let small = Small { devices: Vec::new(), repository: repository.clone() };
        small.publish("1.0");
        let device = || {
            let mut root = Root::overlay(base);
            equip(&mut root);
            Device::attached(root, repository.clone(), PACKAGES.map(str::to_owned))
        };
        Small { devices: (0..count).map(|_| device()).collect(), repository: repository.clone() }
    }

    /// Publishes all packages in a version.
    pub fn publish(&self, version: &str) {
        self.repository.publish("bookworm", PACKAGES.map(|name| Package::new(name, version)));
    }

    pub fn keys(&self) -> Vec<String> {
        vec![self.repository.fingerprint()]
    }

    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        self.devices.iter().map(|device| &device.root)
    }
}

/// Writes what is configured on an enrolled device, with other intervals; package lists stay as they are.
pub fn configure(root: &Root, seconds: u64) {
    let mut config: serde_json::Value = serde_json::from_str(&root.read("/etc/refit-agent/agent.json")).unwrap();
    config["fetch_lists"] = false.into();
    config["least_interval_seconds"] = seconds.into();
    config["most_interval_seconds"] = seconds.into();
    root.write("/etc/refit-agent/agent.json", config.to_string());
}

/// The agent's two processes, once both are there: the executor, and the one that talks to the network.
pub fn processes() -> (Process, Process) {
    loop {
        let all = Process::of("refit-agent");
        let (network, executor): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|process| process.arguments.iter().any(|word| word == "network"));
        if let ([executor], [network]) = (&executor[..], &network[..]) {
            return (executor.clone(), network.clone());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// What the agent remembers.
pub fn journal(root: &Root) -> serde_json::Value {
    serde_json::from_str(&root.read("/var/lib/refit-agent/journal.json")).unwrap_or_default()
}

/// The number of check-ins so far.
pub fn check_ins(root: &Root) -> u64 {
    journal(root)["counter"].as_u64().unwrap_or_default()
}
