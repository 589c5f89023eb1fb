//! What the tests need of the machine, in one place.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::scratch::Scratch;

/// The Debian packages that Refit's tests, and the peers in its benchmarks, need. The README's test command and CI
/// install exactly these; a test for which something is missing says `skipped:`.
pub const PACKAGES: &[&str] = &[
    "apt-utils",         // apt-ftparchive, for local repositories
    "bubblewrap",        // isolates what runs in a root
    "createrepo-c",      // makes local rpm repositories
    "debsecan",          // the peer for matching advisories
    "gpg",               // signs local repositories
    "gpg-agent",         // without it gpg makes no keys
    "gpgv",              // apt verifies with it
    "iproute2",          // networks of their own for devices
    "libfaketime",       // shows devices another time
    "mmdebstrap",        // makes base roots
    "postgresql",        // a server to read inventories from
    "python3-rpm",       // rpm's own version comparison, for conformance
    "python3-venv",      // schemathesis and a SCIM client get environments of their own
    "rpm",               // the same, as a program; builds and signs packages
    "systemd-container", // boots devices
    "tinyproxy-bin",     // a proxy between agents and their server
    "valgrind",          // counts the instructions of the fleet engine
];

/// The programs among [`PACKAGES`] without which no root can be made, and what to install for each.
const PROGRAMS: &[(&str, &str)] = &[
    ("apt-get", "apt"),
    ("apt-ftparchive", "apt-utils"),
    ("bwrap", "bubblewrap"),
    ("dpkg-deb", "dpkg"),
    ("gpg", "gpg"),
    ("gpg-agent", "gpg-agent"),
    ("gpgconf", "gpgconf"),
    ("ip", "iproute2"),
    ("systemd-nspawn", "systemd-container"),
    ("mmdebstrap", "mmdebstrap"),
];

/// Whether devices can be had here; otherwise the reason, fit to stand after `skipped: `.
///
/// Tried once per process, by really mounting an overlay: containers differ in what they permit.
pub fn available() -> Result<(), String> {
    static ANSWER: OnceLock<Result<(), String>> = OnceLock::new();
    ANSWER.get_or_init(look).clone()
}

/// Whether rpm repositories can be made here; otherwise the reason.
pub(crate) fn rpm_tools() -> Result<(), String> {
    let tools = [("rpmbuild", "rpm"), ("rpmsign", "rpm"), ("createrepo_c", "createrepo-c")];
    let absent: Vec<&str> =
        tools.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| *package).collect();
    match absent.is_empty() {
        true => Ok(()),
        false => Err(format!("missing here; run: apt-get install {}", absent.join(" "))),
    }
}

/// Those of [`PACKAGES`] that dpkg does not have installed on this machine.
pub fn missing_packages() -> Vec<&'static str> {
    let installed = |package: &&&str| {
        Command::new("dpkg-query")
            .args(["-W", "-f", "${db:Status-Status}", package])
            .output()
            .is_ok_and(|output| output.stdout == b"installed")
    };
    PACKAGES.iter().filter(|package| !installed(package)).copied().collect()
}

/// Prints `skipped: REASON`, and panics instead where nothing may be skipped (`REFIT_NO_SKIP=1`).
pub fn skip(reason: &str) {
    if std::env::var_os("REFIT_NO_SKIP").is_some_and(|value| value == "1") {
        panic!("this test may not be skipped here (REFIT_NO_SKIP=1), but: {reason}");
    }
    println!("skipped: {reason}");
}

fn look() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("throw-away roots need root".to_owned());
    }
    let absent: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| *package).collect();
    if !absent.is_empty() {
        return Err(format!("missing here; run: apt-get install {}", absent.join(" ")));
    }
    Scratch::current().map(drop)
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_sorted_and_named_once() {
        assert!(PACKAGES.is_sorted_by(|a, b| a < b));
    }
}
