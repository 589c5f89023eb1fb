//! Fetching what the repositories offer: `dnf makecache`, one repository after the other, so that each is told of by itself.

use super::{
    locks::lock_holder,
    repositories::{Source, sources},
    run::{Network, Place},
};
use crate::providers::{
    Manager,
    command::CommandError,
    faults::{Fault, FaultKind, Refresh},
    locks::{LockHolder, wait_while_held},
};
use std::time::{Duration, Instant};

/// How long fetching one repository may take.
const FETCH_LIMIT: Duration = Duration::from_secs(1800);

/// Fetches the lists of all repositories that are in use.
///
/// dnf imports the keys that a repository's configuration names. Those that are files on this machine somebody has put there;
/// those on the network nobody has seen, and they are not taken.
pub(super) fn refresh(
    place: &Place,
    lock_limit: Duration,
    on_wait: &mut dyn FnMut(&LockHolder),
) -> Result<Refresh, CommandError> {
    let begun = Instant::now();
    let mut faults = Vec::new();
    match wait_while_held(&|| lock_holder(place), lock_limit, &|| false, on_wait) {
        Err(holder) => faults.push(Fault {
            manager: Manager::Dnf,
            kind: FaultKind::Locked,
            source: holder.file.clone(),
            message: format!("{holder}."),
        }),
        Ok(()) => {
            for source in sources(place)? {
                faults.extend(fetch(place, &source)?);
            }
        }
    }
    Ok(Refresh { faults, duration_ms: begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX) })
}

fn fetch(place: &Place, source: &Source) -> Result<Option<Fault>, CommandError> {
    let id = &source.repository.id;
    let repository = format!("--repo={id}");
    let keys = key_setting(source);
    let strict = format!("--setopt={id}.skip_if_unavailable=0");
    let mut args = vec!["-y", &repository, &strict];
    args.extend(keys.as_deref());
    args.push("makecache");
    let answer = place.dnf_unless(Network::Everything, &args, FETCH_LIMIT, &|| false)?;
    if answer.status.success() {
        return Ok(None);
    }
    let text = format!("{}\n{}", answer.stdout, answer.stderr);
    Ok(Some(Fault {
        manager: Manager::Dnf,
        kind: classify(&text),
        source: id.clone(),
        message: message(id, &answer.stderr),
    }))
}

/// The setting by which dnf is given those of a repository's keys that are on this machine; `None` where all are.
pub(super) fn key_setting(source: &Source) -> Option<String> {
    source.local_keys.as_ref().map(|keys| format!("--setopt={}.gpgkey={keys}", source.repository.id))
}

/// What went wrong, by what dnf says.
pub(super) fn classify(text: &str) -> FaultKind {
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    match () {
        () if has(&["No space left", "more space needed"]) => FaultKind::DiskFull,
        () if has(&["Failed to obtain the transaction lock", "already locked by"]) => FaultKind::Locked,
        () if has(&["GPG signature is not available", "is not signed"]) => FaultKind::Unsigned,
        () if has(&["key expired", "expired key", "Key expired", "EXPKEYSIG"]) => FaultKind::ExpiredKey,
        () if has(&[
            "keys listed for the",
            "Public key for",
            "not correct for this package",
            "NOKEY",
            "No public key",
        ]) =>
        {
            FaultKind::UnknownKey
        }
        () if has(&["Bad GPG signature", "checksum doesn't match", "incorrect checksum", "BAD", "Checksum error"]) => {
            FaultKind::Tampered
        }
        () if has(&[
            "Could not resolve host",
            "Couldn't connect to server",
            "Failed to connect",
            "Timeout was reached",
            "Connection refused",
            "Couldn't resolve host",
        ]) =>
        {
            FaultKind::Unreachable
        }
        () if has(&["Couldn't read a file://", "Status code: 404", "Status code: 410", "Couldn't open file"]) => {
            FaultKind::Gone
        }
        () if has(&["GPG signature verification error", "gpgme"]) => FaultKind::Unverifiable,
        () => FaultKind::Other,
    }
}

/// dnf's last error, as a sentence that names the repository.
fn message(id: &str, stderr: &str) -> String {
    let errors: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("Error: ")).collect();
    let text = errors.last().copied().unwrap_or_else(|| stderr.lines().last().unwrap_or("dnf did not say why"));
    let text = text.trim().trim_end_matches('.');
    match text.contains(id) {
        true => format!("{text}."),
        false => format!("{id}: {text}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dnf_says_has_a_cause() {
        let cases = [
            (include_str!("testdata/makecache-gone.err"), FaultKind::Gone),
            (include_str!("testdata/makecache-unsigned.err"), FaultKind::Unsigned),
            (include_str!("testdata/makecache-stranger.err"), FaultKind::Tampered),
            (include_str!("testdata/makecache-tampered.err"), FaultKind::Tampered),
            (include_str!("testdata/makecache-unreachable.err"), FaultKind::Unreachable),
            (include_str!("testdata/download-stranger.err"), FaultKind::UnknownKey),
            (include_str!("testdata/download-tampered.err"), FaultKind::Tampered),
            (include_str!("testdata/download-unsigned.err"), FaultKind::Unsigned),
        ];
        for (text, kind) in cases {
            assert_eq!(classify(text), kind, "{text}");
        }
        let text = message("base", include_str!("testdata/makecache-stranger.err"));
        assert_eq!(
            text,
            "Failed to download metadata for repo 'base': repomd.xml GPG signature verification error: Bad GPG signature."
        );
    }
}
