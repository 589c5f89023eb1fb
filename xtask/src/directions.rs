//! `cargo xtask directions`: a crate is a firewall, and this is the test of the walls.

use super::process::{cargo, output, workspace};
use anyhow::{Result, ensure};
use std::{fs, path::Path};

/// A crate, and what must not be among all that it is built from.
const WALLS: &[(&str, &[&str], &str)] = &[
    ("refit-model", IO, "the vocabulary does no IO"),
    ("refit-model", &["refit-core", "refit-connect", "refit-agent", "refit"], "the vocabulary stands below everything"),
    ("refit-wire", IO, "agent and server run the same pure code on what is signed"),
    ("refit-wire", &["refit-core", "refit-connect", "refit-agent", "refit"], "the wire knows the vocabulary only"),
    ("refit-core", IO, "the core is pure"),
    ("refit-core", &["refit-connect", "refit-agent", "refit"], "the core stands below IO"),
    ("refit-targets", IO, "what is compiled for other systems is a function of decisions"),
    (
        "refit-targets",
        &["refit-connect", "refit-agent", "refit-store", "refit-server", "refit"],
        "whoever writes to other systems observes them first, and hands in what was found",
    ),
    ("refit-core", &["refit-targets"], "targets stand above the core"),
    ("refit-api", &["tokio", "sqlx", "axum", "refit-store", "refit-server", "refit"], "the API's types know no server"),
    (
        "refit-agent",
        &["refit-core", "refit-connect", "refit-store", "refit-api", "refit-server", "refit"],
        "the endpoint links neither policy nor planner nor server",
    ),
    (
        "refit-agent",
        &["tokio", "openssl-sys", "native-tls", "aws-lc-sys"],
        "the agent is small: no runtime, TLS is rustls with ring",
    ),
    ("refit-connect", &["refit-core", "refit-agent", "refit"], "connections know the vocabulary only"),
    (
        "refit-store",
        &["refit-model", "refit-core", "refit-connect", "refit-agent", "refit"],
        "the log keeps bytes and knows no policy",
    ),
    ("refit", &["openssl-sys", "native-tls", "aws-lc-sys"], "TLS is rustls with ring"),
    ("refit", &["refit-testbed", "refit-sim"], "the testbed and the simulator are not shipped"),
    ("refit-core", &["refit-sim"], "the simulator drives the core"),
    ("refit-sim", IO, "the simulator is its seed"),
    ("refit-worlds", IO, "a fleet that is made up is its seed"),
    ("refit-core", &["refit-worlds"], "worlds in files stand above the core"),
];

/// Crates that do IO, wait, or draw random numbers.
const IO: &[&str] =
    &["tokio", "async-std", "mio", "socket2", "reqwest", "ureq", "hyper", "rustls", "rand", "tempfile", "sqlx"];

/// A folder that is pure, and what its files must not name.
const APART: &[(&str, &str, &str)] = &[
    ("crates/refit-core/src/decide", "crate::engine", "the plain decision is the oracle of the engine"),
    ("crates/refit-core/src/engine", "crate::decide", "the engine is held against the plain decision"),
    ("crates/refit-agent/src/machine", "crate::providers", "the machine is pure: the program asks package managers"),
    ("crates/refit-agent/src/machine", "crate::program", "the machine is pure: the program drives it"),
    ("crates/refit-agent/src/machine", "std::fs", "the machine is pure: what it keeps is an effect"),
    ("crates/refit-agent/src/machine", "std::process", "the machine is pure: what it runs is an effect"),
    ("crates/refit-agent/src/machine", "std::net", "the machine is pure: what it asks is an effect"),
    ("crates/refit-agent/src/machine", "std::thread", "the machine is pure: it has one thread, its caller's"),
];

pub fn run() -> Result<()> {
    let mut broken = Vec::new();
    for (package, forbidden, why) in WALLS {
        let tree = output(cargo().args([
            "tree",
            "--package",
            package,
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]))?;
        for line in tree.lines() {
            let name = line.split(' ').next().unwrap_or_default();
            if name != *package && forbidden.contains(&name) {
                broken.push(format!("{package} is built from {name}: {why}"));
            }
        }
    }
    for (folder, name, why) in APART {
        for file in sources(&workspace().join(folder)) {
            if names(&fs::read_to_string(&file)?, name) {
                broken.push(format!("{} names {name}: {why}", file.display()));
            }
        }
    }
    broken.sort();
    broken.dedup();
    ensure!(broken.is_empty(), "dependencies point the wrong way:\n  {}", broken.join("\n  "));
    println!("dependencies point downwards");
    Ok(())
}

/// Whether a source names a module, alone or among others: `crate::engine`, `crate::{engine::Fleet, world::World}`.
fn names(source: &str, module: &str) -> bool {
    let grouped = |(root, name): (&str, &str)| grouped(source, root).iter().any(|word| word == name);
    source.contains(module) || module.rsplit_once("::").is_some_and(grouped)
}

/// What stands first in each path of the groups that begin with `root::{`.
fn grouped(source: &str, root: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for group in source.split(&format!("{root}::{{")).skip(1) {
        let (mut depth, mut path) = (0, String::new());
        for sign in group.chars() {
            match sign {
                '}' if depth == 0 => break,
                ',' if depth == 0 => paths.push(std::mem::take(&mut path)),
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 0 => path.push(sign),
                _ => {}
            }
        }
        paths.push(path);
    }
    let first = |path: &String| path.trim().split([':', ' ']).next().map(str::to_owned);
    paths.iter().filter_map(first).collect()
}

fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_alone_and_among_others() {
        let source = "use crate::{\n    facts::{Fact, engine},\n    decide as plain, world::World,\n};\nuse std::{fs};\nlet it = crate::plan::make();";
        let named = ["crate::facts", "crate::decide", "crate::world", "crate::plan", "std::fs"];
        assert!(named.iter().all(|module| names(source, module)));
        assert!(
            ["crate::engine", "crate::Fact", "std::net", "crate::world_of"].iter().all(|module| !names(source, module))
        );
    }
}
