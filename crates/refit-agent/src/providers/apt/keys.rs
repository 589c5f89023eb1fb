//! The keys that have signed what is stored of a source. apt has verified the signatures when it fetched them, and refuses
//! a file with a bad one; here it is only looked up which of the keys that it trusts for this source they name.

use super::{sources::Source, stanzas::stanzas};
use crate::providers::{
    available::SourceHealth,
    openpgp::{Key, issuers, keys},
};
use std::{collections::BTreeSet, fs, path::Path};

/// Where apt keeps keys that it trusts for every source.
const TRUSTED: [&str; 2] = ["/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d"];

/// The fingerprints of the primary keys, sorted; none where what is stored is not signed by a key that apt trusts.
pub(super) fn signing_keys(source: &Source) -> Vec<String> {
    if source.health == SourceHealth::Unsigned {
        return Vec::new();
    }
    let Some(signature) = source.signed_file.as_ref().and_then(|path| fs::read(path).ok()) else { return Vec::new() };
    let configured = source.configured_in.rsplit_once(':').and_then(|(file, entry)| {
        let entry = entry.parse().ok()?;
        signed_by(file, &fs::read_to_string(file).ok()?, entry)
    });
    let trusted = trusted_keys(configured.as_deref());
    let named = issuers(&signature);
    let signers = trusted.into_iter().filter(|key| named.iter().any(|id| key.is_named_by(id)));
    signers.map(|key| key.fingerprint).collect::<BTreeSet<_>>().into_iter().collect()
}

/// `Signed-By` of one entry of a source list: stanza N of a `.sources` file, line N of a `.list` file.
fn signed_by(file: &str, text: &str, entry: usize) -> Option<String> {
    if file.ends_with(".sources") {
        let text: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        return stanzas(&text).get(entry.checked_sub(1)?)?.get("Signed-By").map(str::to_owned);
    }
    let line = text.lines().nth(entry.checked_sub(1)?)?;
    let options = line.split_once('[')?.1.split_once(']')?.0;
    options.split_whitespace().find_map(|option| option.strip_prefix("signed-by=")).map(str::to_owned)
}

/// The keys that apt trusts for a source: those in the files that `Signed-By` names, those of all that it trusts which it
/// names by fingerprint, the one that it holds; without it all.
fn trusted_keys(signed_by: Option<&str>) -> Vec<Key> {
    let Some(signed_by) = signed_by else { return all_trusted() };
    if let Some(at) = signed_by.find("-----BEGIN PGP") {
        return keys(inline(signed_by.get(at..).unwrap_or_default()).as_bytes());
    }
    let mut found = Vec::new();
    for word in signed_by.split([',', ' ']).filter(|word| !word.is_empty()) {
        if word.starts_with('/') {
            found.extend(fs::read(word).map(|bytes| keys(&bytes)).unwrap_or_default());
        } else {
            let id = word.trim_end_matches('!');
            found.extend(all_trusted().into_iter().filter(|key| key.is_named_by(id)));
        }
    }
    found
}

/// A key that stands in the field itself: its lines have been joined with blanks, and an empty line was a full stop.
fn inline(text: &str) -> String {
    let text = text.replace("-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n");
    let text = text.replace("-----END", "\n-----END");
    text.replace(" . ", "\n\n")
        .lines()
        .map(|line| if line.starts_with("-----") { line.to_owned() } else { line.replace(' ', "\n") } + "\n")
        .collect()
}

fn all_trusted() -> Vec<Key> {
    let mut found = Vec::new();
    for path in TRUSTED.map(Path::new) {
        let inside = fs::read_dir(path).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        for file in inside.unwrap_or_else(|_| vec![path.to_owned()]) {
            found.extend(fs::read(file).map(|bytes| keys(&bytes)).unwrap_or_default());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keyring_of_an_entry_is_found_in_both_kinds_of_lists() {
        let sources = "# comment\nTypes: deb\nURIs: http://a.example\nSigned-By: /a.gpg\n\n# other\nTypes: deb\nURIs: http://b.example\nSigned-By: /b.gpg\n";
        assert_eq!(signed_by("x.sources", sources, 2).as_deref(), Some("/b.gpg"));
        let list = "# comment\ndeb [arch=amd64 signed-by=/c.gpg] http://c.example stable main\n";
        assert_eq!(signed_by("x.list", list, 2).as_deref(), Some("/c.gpg"));
        assert_eq!(signed_by("x.list", "deb http://c.example stable main\n", 1), None);
    }
}
