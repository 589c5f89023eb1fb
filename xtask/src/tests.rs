//! `cargo xtask test`: everything that the tests need, and the tests.

use super::process::{self, cargo, is_root, program, target};
use anyhow::Result;

/// The version of schemathesis that the API is held against.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Installs what is missing, where that is possible, and runs all tests; `arguments` go to `cargo test`.
pub fn run(arguments: &[String]) -> Result<()> {
    let missing = refit_testbed::missing_packages();
    if !missing.is_empty() && is_root() {
        println!("== Installing what the tests need: {}", missing.join(" "));
        process::run(program("apt-get").args(["update", "--quiet"]))?;
        process::run(
            program("apt-get")
                .args(["install", "--yes", "--quiet", "--no-install-recommends"])
                .args(&missing)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )?;
    } else if !missing.is_empty() {
        println!("== Not root: tests that need {} are skipped", missing.join(", "));
    }
    if let Err(error) = schemathesis() {
        println!("== No schemathesis ({error}): the test that needs it is skipped");
    }
    println!("== Running the tests");
    process::run(cargo().args(["test", "--workspace", "--no-fail-fast"]).args(arguments))
}

/// Installs schemathesis into an environment of its own in the target folder, where it is not there yet.
fn schemathesis() -> Result<()> {
    let folder = target().join("schemathesis");
    if folder.join("bin/schemathesis").is_file() {
        return Ok(());
    }
    println!("== Installing schemathesis");
    process::run(program("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = folder.join("bin/pip").display().to_string();
    process::run(program(&pip).args(["install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS]))
}
