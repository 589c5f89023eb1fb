//! `refit plan --local` with all feeds loaded, beside `apt-get -s dist-upgrade` and unattended-upgrades' dry run: on this
//! machine, and in a throw-away root that is more than a hundred packages behind.
//!
//! `cargo bench -p refit --bench plan` prints the table of docs/benchmarks.md. Nothing is changed on the machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

use refit_testbed::{
    BaseRoot, Root,
    cost::{head, least, line, run},
    feeds,
};
use std::{
    error::Error,
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

const REFIT: &str = env!("CARGO_BIN_EXE_refit");
const RUNS: usize = 5;
/// unattended-upgrades takes minutes where much is waiting.
const LIMIT: Duration = Duration::from_secs(300);

const POLICY: &str = r#"organization: bench
defaults: { mode: enforce }
---
policy: security updates
software: ["os/security"]
deadline:
  - { if: exposure.kev, within: 2d }
  - { if: exposure.epss >= 0.5, within: 4d }
  - { within: 7d }
---
policy: everything else
priority: -10
software: ["os/*"]
deadline: [{ within: 30d }]
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, data, policy, ..] = arguments.as_slice()
        && verb == "measure"
    {
        return measure_here(data, policy);
    }
    let work = tempfile::tempdir()?;
    let (data, policy) = (work.path().join("data"), work.path().join("policy"));
    fs::create_dir_all(&policy)?;
    fs::write(policy.join("refit.yaml"), POLICY)?;
    let base = BaseRoot::behind();
    let mut sources = sources_of(&Command::new("dpkg-query").args(QUERY).output()?);
    if let Some(base) = &base {
        sources.extend(Root::overlay(base).run("dpkg-query", QUERY).success().stdout.lines().map(str::to_owned));
    }
    // The kernel comes first: it has more vulnerabilities than all others together.
    sources.retain(|source| !source.is_empty() && source != "linux");
    sources.sort();
    sources.dedup();
    sources.insert(0, "linux".to_owned());
    let folder = work.path().join("feeds");
    feeds::write(&folder, sources)?;
    let synced = Command::new(REFIT).arg("--data").arg(&data).args(["feeds", "sync", "--from"]).arg(folder).output()?;
    print!("feeds:\n{}{}", String::from_utf8_lossy(&synced.stdout), String::from_utf8_lossy(&synced.stderr));

    println!("\nthis machine");
    let (data_text, policy_text) = (data.display().to_string(), policy.display().to_string());
    measure_here(&data_text, &policy_text)?;
    if let Some(base) = &base {
        println!("\na root that is behind");
        let mut root = Root::overlay(base);
        root.with_binary(REFIT).bind(std::env::current_exe()?, "/usr/local/bin/bench");
        root.bind_writable(&data, "/data").bind(&policy, "/policy");
        let limit = Duration::from_secs(1800);
        let measured = root.command("bench").args(["measure", "/data", "/policy"]).limit(limit).run();
        print!("{}", measured.success().stdout);
    }
    Ok(())
}

const QUERY: [&str; 3] = ["-W", "-f", "${source:Package}\n"];

fn sources_of(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The table for the machine, or the root, that this runs in.
fn measure_here(data: &str, policy: &str) -> Result<(), Box<dyn Error>> {
    let refit = if Path::new(REFIT).exists() { REFIT } else { "/usr/local/bin/refit" };
    let plan = || {
        let mut command = Command::new(refit);
        command.args(["--data", data, "plan", "--local", policy]);
        command
    };
    let said = plan().output()?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    println!("{}{}", text.lines().last().unwrap_or_default(), String::from_utf8_lossy(&said.stderr));
    println!("{}", head());
    let mut simulated = Command::new("apt-get");
    simulated.args(["-s", "dist-upgrade"]);
    let mut rows = vec![("refit plan --local", plan(), RUNS), ("apt-get -s dist-upgrade", simulated, RUNS)];
    if Path::new("/usr/bin/unattended-upgrade").exists() {
        let mut dry = Command::new("/usr/bin/unattended-upgrade");
        dry.arg("--dry-run");
        rows.push(("unattended-upgrade --dry-run", dry, 1));
    } else {
        println!(
            "unattended-upgrade: skipped, `apt-get install --no-install-recommends unattended-upgrades` brings it"
        );
    }
    // One run of each in turn: what else the machine does falls on all of them.
    let mut costs = vec![Vec::new(); rows.len()];
    for turn in 0..RUNS {
        for ((_, command, runs), costs) in rows.iter_mut().zip(&mut costs) {
            if turn < *runs {
                costs.push(run(command, LIMIT)?);
            }
        }
    }
    for ((name, _, _), costs) in rows.iter().zip(&costs) {
        println!("{}", least(costs).map(|cost| line(name, &cost)).unwrap_or_default());
    }
    Ok(())
}
