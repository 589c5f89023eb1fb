//! `refit sources sync` of a company of 100,000 people and 150,000 devices: six systems, of which five answer over HTTP, page by page, and one is
//! lists that people keep. Everything for the first time, everything again, and what one in a hundred changed.
//!
//! `cargo bench -p refit --bench sources [-- PEOPLE]` prints the table of docs/benchmarks.md. The company is that of
//! `refit-core/tests/company`, with 600 of each defect; whether everybody is found is asserted there. The doubles are in this process, so
//! that "own CPU" is Refit's alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

#[path = "../../../refit-core/tests/company/defects.rs"]
mod defects;
mod doubles;
#[path = "../../../refit-core/tests/company/made.rs"]
mod made;
#[path = "../../../refit-core/tests/company/payloads.rs"]
mod payloads;
#[path = "../../../refit-connect/tests/systems/server.rs"]
#[allow(dead_code, reason = "the tests of the client use all of it")]
mod server;

use doubles::Systems;
use made::{Company, Size};
use refit_testbed::cost::{head, line, run};
use serde_json::Value;
use server::Server;
use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, RwLock},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(1800);

/// What of connectors is another for doubles: the vendor's hosts, and how Okta's app signs.
const INSTEAD: [(&str, &[(&str, &str)]); 3] = [
    ("okta", &[("    key: private_key\n", "    key: private_key\n    algorithm: ES256\n")]),
    ("entra-id", &OF_GRAPH),
    ("intune", &OF_GRAPH),
];
const OF_GRAPH: [(&str, &str); 3] = [
    ("settings:\n", "settings:\n  url: { about: The double. }\n"),
    ("address: https://graph.microsoft.com/v1.0\n", "address: \"{url}/v1.0\"\n"),
    ("https://login.microsoftonline.com/", "{url}/"),
];
const SECRETS: [&str; 5] = [
    "workday.password",
    "okta.private_key",
    "entra-id.client_secret",
    "jamf-pro.client_secret",
    "intune.client_secret",
];

fn main() -> Result<(), Box<dyn Error>> {
    let people = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(100_000);
    let size = Size { people, devices: people * 3 / 2, of_each_defect: 600.min(people / 100) };
    let mut company = Company::new(size, 7);
    company.a_month_later();
    let systems = Arc::new(RwLock::new(Systems::new(company)));
    let doubles = doubles::start(&systems);
    let bench = Bench { home: tempfile::tempdir()?, doubles };
    bench.write_policy()?;
    systems.read().unwrap().write_lists(&bench.policy())?;
    let records = systems.read().unwrap().records();
    println!("{people} people, {} devices, {records} records in six systems", size.devices);
    println!("{}", head());

    bench.cost("everything, for the first time", bench.sync(&[]))?;
    let kept = bench.kept()?;
    println!("  {kept} records kept, {} requests", bench.asked());
    // What systems say is gone is kept otherwise: disabled accounts are some.
    assert!(kept > records * 9 / 10, "{kept} of {records} records are kept");
    bench.cost("everything again, nothing has changed", bench.sync(&["--full"]))?;
    let before = bench.asked();
    {
        let mut systems = systems.write().unwrap();
        systems.change();
        systems.write_lists(&bench.policy())?;
    }
    bench.cost("what one in a hundred changed", bench.sync(&[]))?;
    println!("  {} requests", bench.asked() - before);
    bench.cost("HR's report alone, one in a hundred changed", bench.sync(&["--only", "workday"]))?;
    bench.cost("the same again, nothing has changed", bench.sync(&["--only", "workday"]))?;
    let serial = systems.read().unwrap().serial().to_owned();
    bench.cost("refit device", bench.refit(&["device", &serial, "--policy", "acme"]))?;
    Ok(())
}

/// The company's policy repository and data folder, and the doubles that it reads.
struct Bench {
    home: tempfile::TempDir,
    doubles: BTreeMap<&'static str, Server>,
}

impl Bench {
    fn policy(&self) -> PathBuf {
        self.home.path().join("acme")
    }

    fn write_policy(&self) -> Result<(), Box<dyn Error>> {
        fs::create_dir(self.policy())?;
        for (vendor, instead) in INSTEAD {
            double(&self.policy(), vendor, instead)?;
        }
        let graph = "settings: { tenant: acme.example, client_id: me }";
        let documents = [
            "organization: acme".to_owned(),
            format!("source: workday\nsettings: {{ report: \"{}/report\", user: isu }}", self.doubles["workday"].url),
            "source: okta\nconnector: okta-double\nsettings: { client_id: me }".to_owned(),
            format!("source: entra-id\nconnector: entra-id-double\n{graph}"),
            "source: jamf-pro\nsettings: { client_id: me }".to_owned(),
            format!("source: intune\nconnector: intune-double\n{graph}"),
            "source: assets\nconnector: csv\nsettings: { path: assets.csv }".to_owned(),
            "source: cards\nconnector: csv\nsettings: { path: cards.csv }".to_owned(),
        ];
        fs::write(self.policy().join("refit.yaml"), documents.join("\n---\n"))?;
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?.serialize_pem();
        for secret in SECRETS {
            let text = if secret == "okta.private_key" { key.as_str() } else { "hush" };
            fs::write(self.home.path().join(secret), text)?;
        }
        Ok(())
    }

    fn refit(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(arguments).current_dir(self.home.path()).env("NO_PROXY", "*");
        command.env("REFIT_DATA", self.home.path().join("data"));
        command
    }

    fn sync(&self, more: &[&str]) -> Command {
        let mut command = self.refit(&["sources", "sync", "acme"]);
        for (source, double) in &self.doubles {
            command.args(["--connect", &format!("{source}={}", double.url)]);
        }
        for secret in SECRETS {
            command.args(["--secret", &format!("{secret}={secret}")]);
        }
        command.args(more);
        command
    }

    fn cost(&self, name: &str, mut command: Command) -> Result<(), Box<dyn Error>> {
        let cost = run(&mut command, LIMIT)?;
        println!("{}", line(name, &cost));
        if cost.failed || cost.stopped {
            let status = self.refit(&["sources", "status"]).output()?;
            panic!("{name}: {command:?}\n{}", String::from_utf8_lossy(&status.stdout));
        }
        Ok(())
    }

    /// How many records are kept.
    fn kept(&self) -> Result<usize, Box<dyn Error>> {
        let output = self.refit(&["--json", "sources", "status"]).output()?;
        let status: Vec<Value> = serde_json::from_slice(&output.stdout)?;
        let counts = status.iter().filter_map(|source| source["records"].as_object()).flat_map(|kinds| kinds.values());
        Ok(counts.filter_map(Value::as_u64).sum::<u64>().try_into()?)
    }

    fn asked(&self) -> usize {
        self.doubles.values().map(|double| double.paths().len()).sum()
    }
}

/// A copy of a connector that comes with Refit, for a double.
fn double(policy: &Path, vendor: &str, instead: &[(&str, &str)]) -> Result<(), Box<dyn Error>> {
    let connector = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../connectors/{vendor}/connector.yaml"));
    let mut text = fs::read_to_string(connector)?;
    text = text.replacen(&format!("connector: {vendor}\n"), &format!("connector: {vendor}-double\n"), 1);
    for (what, instead) in instead {
        assert!(text.contains(what), "{vendor} has another `{what}` now");
        text = text.replacen(what, instead, 1);
    }
    let folder = policy.join(format!("{vendor}-double"));
    fs::create_dir(&folder)?;
    fs::write(folder.join("connector.yaml"), text)?;
    Ok(())
}
