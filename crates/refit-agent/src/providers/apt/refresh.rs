//! Fetching the lists of what the sources offer: `apt-get update`.
//!
//! apt keeps the old lists where it can't get new ones, and ends with success in some of these cases. What went wrong is in
//! what it prints.

use super::locks::{LISTS_LOCK, wait_for_locks};
use crate::providers::{
    Manager,
    command::{CommandError, ask_within},
    faults::{Fault, FaultKind, Refresh},
    locks::LockHolder,
};
use std::time::{Duration, Instant};

/// How long fetching may take; apt itself gives up on a server that does not answer long before.
const FETCH_LIMIT: Duration = Duration::from_secs(1800);

/// Fetches the lists of all sources, as root, waiting up to `lock_limit` for another program that does the same, which
/// `on_wait` is told.
pub fn refresh(lock_limit: Duration, on_wait: impl FnMut(&LockHolder)) -> Result<Refresh, CommandError> {
    let begun = Instant::now();
    let done = |faults| Ok(Refresh { faults, duration_ms: begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX) });
    if let Err(holder) = wait_for_locks(&[LISTS_LOCK], lock_limit, &|| false, on_wait) {
        let (source, message) = (holder.file.clone(), format!("{holder}."));
        return done(vec![Fault { manager: Manager::Apt, kind: FaultKind::Locked, source, message }]);
    }
    let answer = ask_within("apt-get", &["update", "-q", "-o", "APT::Update::Error-Mode=any"], FETCH_LIMIT)?;
    let faults = parse(&answer.stdout, &answer.stderr);
    if faults.is_empty() && !answer.status.success() { Err(answer.failure()) } else { done(faults) }
}

fn parse(stdout: &str, stderr: &str) -> Vec<Fault> {
    let mut faults = faults_in(stderr);
    // Where a source fails for good, apt does not sum up what else failed: that is only in its log.
    let mut lines = stdout.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((_, about)) = line.strip_prefix("Err:").and_then(|rest| rest.split_once(' ')) else { continue };
        let Some(reason) = lines.peek().and_then(|next| next.strip_prefix("  ")) else { continue };
        let (kind, address) = (classify(reason), about.split(' ').next().unwrap_or(about));
        if !faults.iter().any(|fault| fault.source.starts_with(address)) {
            faults.push(Fault {
                manager: Manager::Apt,
                kind,
                source: about.to_owned(),
                message: as_sentence(&format!("{about}: {reason}")),
            });
        }
    }
    faults
}

/// The errors and warnings that apt prints at the end.
pub(super) fn faults_in(stderr: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for line in stderr.lines() {
        let Some(text) = line.strip_prefix("E: ").or_else(|| line.strip_prefix("W: ")) else { continue };
        let kind = classify(text);
        // Errors that only sum up others, and warnings of no consequence for what was fetched.
        let summary = text.starts_with("Some index files failed")
            || text.starts_with("Some files failed to download")
            || text.starts_with("Unable to lock directory");
        if summary || (kind == FaultKind::Other && line.starts_with('W')) {
            continue;
        }
        let fault = Fault { manager: Manager::Apt, kind, source: source_of(text), message: as_sentence(text) };
        // apt says twice of a source with an unknown key that it is not signed: the first says more.
        let known = faults.iter().any(|other| {
            other.source == fault.source
                && (other.kind == kind || (kind == FaultKind::Unsigned && other.kind != FaultKind::Unreachable))
        });
        if !known {
            faults.push(fault);
        }
    }
    faults
}

fn classify(text: &str) -> FaultKind {
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    match () {
        () if has(&["No space left"]) => FaultKind::DiskFull,
        () if has(&["Could not get lock"]) => FaultKind::Locked,
        () if has(&["NO_PUBKEY", "public key is not available", "Missing key"]) => FaultKind::UnknownKey,
        () if has(&["EXPKEYSIG", "REVKEYSIG", "KEYEXPIRED"]) => FaultKind::ExpiredKey,
        () if has(&[
            "BADSIG",
            "Hash Sum mismatch",
            "unexpected size",
            "Clearsigned file isn't valid",
            "invalid: BAD",
        ]) =>
        {
            FaultKind::Tampered
        }
        () if has(&["is expired"]) => FaultKind::Expired,
        () if has(&["is not valid yet"]) => FaultKind::NotYetValid,
        () if has(&[
            "does not have a Release file",
            "no longer has a Release file",
            "404  Not Found",
            "File not found",
            "No such file or directory",
            "410  Gone",
        ]) =>
        {
            FaultKind::Gone
        }
        () if has(&["is not signed", "no longer signed"]) => FaultKind::Unsigned,
        () if has(&["changed its '"]) => FaultKind::Renamed,
        () if has(&[
            "Could not resolve",
            "ould not connect",
            "Unable to connect",
            "Temporary failure",
            "Connection failed",
            "timed out",
            "Connection refused",
            "Network is unreachable",
        ]) =>
        {
            FaultKind::Unreachable
        }
        () if has(&["GPG error", "OpenPGP", "signature", "temporary file", "mkstemp"]) => FaultKind::Unverifiable,
        () => FaultKind::Other,
    }
}

/// What a message is about: `http://site suite` of a source, or the address of a file.
fn source_of(text: &str) -> String {
    let quoted = text.strip_prefix("The repository '").and_then(|rest| rest.split_once('\'')).map(|(name, _)| name);
    let after = |prefix: &str, end: &str| {
        text.find(prefix)
            .and_then(|at| text.get(at + prefix.len()..))
            .map(|rest| rest.split(end).next().unwrap_or(rest))
    };
    let named = quoted
        .or_else(|| after("GPG error: ", ": "))
        .or_else(|| after("Failed to fetch ", "  "))
        .or_else(|| after("Release file for ", " is "))
        .or_else(|| after("Repository '", "'"))
        .or_else(|| after("Could not get lock ", ". "))
        .unwrap_or_default();
    // The address of a suite's release file means the suite.
    if let Some((site, rest)) = named.split_once("/dists/") {
        let suite = rest.strip_suffix("/InRelease").or_else(|| rest.strip_suffix("/Release"));
        if let Some(suite) = suite {
            return format!("{site} {suite}");
        }
    }
    named.strip_suffix(" InRelease").or_else(|| named.strip_suffix(" Release")).unwrap_or(named).trim().to_owned()
}

fn as_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.ends_with(['.', '!']) { text } else { format!("{text}.") }
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
