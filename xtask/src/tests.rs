//! `cargo xtask test`: everything that the tests need, and the tests.

use super::process::{self, cargo, is_root, program};
use anyhow::Result;

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
    println!("== Running the tests");
    process::run(cargo().args(["test", "--workspace", "--no-fail-fast"]).args(arguments))
}
