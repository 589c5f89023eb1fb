//! Semantic Versioning 2.0.0, strictly: `1.2.3-rc.1+build`.
//!
//! Source: <https://semver.org>, read by the crate `semver`. Build metadata does not order, so `1.0.0+a` and `1.0.0+b` are
//! equal. Major, minor and patch hold 64 bits; numbers in a pre-release may have any length.

use super::key::Key;
use smol_str::{SmolStr, format_smolstr};

/// Ends a pre-release: of two that start alike, the longer is the later.
const END: u8 = 0;
const NUMBER: u8 = 1;
const WORD: u8 = 2;
/// A release is later than all its pre-releases.
const RELEASE: u8 = 3;

pub(super) fn key(text: &str) -> Result<Key, SmolStr> {
    let version = semver::Version::parse(text).map_err(|error| format_smolstr!("{error} (it is written as 1.2.3)"))?;
    let mut key = Key::for_text(text.len() + 16);
    for number in [version.major, version.minor, version.patch] {
        key.bytes(&number.to_be_bytes());
    }
    if version.pre.is_empty() {
        key.byte(RELEASE);
        return Ok(key);
    }
    for identifier in version.pre.split('.') {
        if identifier.bytes().all(|byte| byte.is_ascii_digit()) {
            key.byte(NUMBER);
            key.digits(identifier.as_bytes());
        } else {
            key.byte(WORD);
            key.bytes(identifier.as_bytes());
            key.byte(0);
        }
    }
    key.byte(END);
    Ok(key)
}
