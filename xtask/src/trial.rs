//! `cargo xtask try`: the main job on this machine, without changing it.

use super::process::{self, cargo, output, program, target, workspace};
use anyhow::{Context, Result};
use std::{path::Path, process::Command};

/// The policy that is tried.
const POLICY: &str = "examples/workstation";
/// Public data that ships with the project, for machines without a network.
const SNAPSHOT: &str = "crates/refit-connect/snapshot";

pub fn run() -> Result<()> {
    println!("== Building Refit (some minutes the first time)");
    process::run(cargo().args(["build", "--release", "--quiet", "--package", "refit"]))?;
    let binary = target().join("release/refit");
    let data = target().join("try");
    std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
    let refit = || {
        let mut command = program(&binary.display().to_string());
        command.arg("--data").arg(&data);
        command
    };

    println!("\n== Feeds of vulnerabilities: refit feeds sync --needed");
    let fresh = refit().args(["feeds", "sync", "--needed", "--attempts", "1"]).status();
    if !fresh.is_ok_and(|status| status.success()) {
        println!("\nNot every feed can be reached from here. What is missing comes from the snapshot in {SNAPSHOT}:");
        process::run(refit().args(["feeds", "sync", "--missing", "--from", SNAPSHOT]))?;
    }

    step("check", &[POLICY]);
    process::run(refit().args(["check", POLICY]))?;
    step("plan", &[POLICY, "--local"]);
    process::run(refit().args(["plan", POLICY, "--local"]))?;

    if let Some(title) = first_title(&mut refit())? {
        step("explain", &["local", &title, "--policy", POLICY]);
        process::run(refit().args(["explain", "local", &title, "--policy", POLICY]))?;
    }
    apply_next(&binary, &data);
    Ok(())
}

fn step(verb: &str, arguments: &[&str]) {
    println!("\n== refit {verb} {}", arguments.join(" "));
}

/// The title at the top of the plan.
fn first_title(refit: &mut Command) -> Result<Option<String>> {
    let json = output(refit.args(["plan", POLICY, "--local", "--json"]))?;
    let plan: serde_json::Value = serde_json::from_str(&json).context("the plan is no JSON")?;
    let groups = plan["groups"].as_array().cloned().unwrap_or_default();
    let items = groups.iter().flat_map(|group| ["changes", "later"].map(|list| group[list].clone()));
    Ok(items.filter_map(|list| list[0]["device_title"].as_str().map(str::to_owned)).next())
}

fn apply_next(binary: &Path, data: &Path) {
    let binary = binary.strip_prefix(workspace()).unwrap_or(binary).display();
    let data = data.strip_prefix(workspace()).unwrap_or(data).display();
    println!(
        "\nNothing was changed. To carry it out:\n  \
         sudo {binary} --data {data} plan {POLICY} --local --out plan.json\n  \
         sudo {binary} --data {data} apply plan.json"
    );
}
