//! `cargo xtask lab`: the lab of the tests, at its full size, and its report.

use super::{
    process::{self, cargo, workspace},
    tests,
};
use anyhow::{Context, Result, bail};

/// How many hosts: 16 with apt and 8 with dnf.
const FULL: &str = "16+8";
/// As many as the tests have.
const SMALL: &str = "8+4";

/// Runs all scenarios; `--small` those that the tests run, with half as many hosts. `--report FILE` writes what happened, `--only
/// NAME,NAME` runs some scenarios, and `--hosts APT+DNF` says how many hosts. What is missing is installed, where this runs as root.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut command = cargo();
    command.args(["test", "--package", "refit", "--test", "server", "lab::", "--", "--nocapture"]);
    let (mut hosts, mut only) = (FULL.to_owned(), "all".to_owned());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("`{argument}` wants a value"));
        match argument.as_str() {
            "--small" => (hosts, only) = (SMALL.to_owned(), "small".to_owned()),
            "--hosts" => value()?.clone_into(&mut hosts),
            "--only" => value()?.clone_into(&mut only),
            "--report" => drop(command.env("REFIT_LAB_REPORT", workspace().join(value()?))),
            other => bail!("`cargo xtask lab` knows no `{other}`"),
        }
    }
    let missing = refit_testbed::missing_packages();
    if !missing.is_empty() && !tests::install(&missing)? {
        println!("== Not root: the lab can't run");
    }
    process::run(command.env("REFIT_LAB_HOSTS", hosts).env("REFIT_LAB_ONLY", only))
}
