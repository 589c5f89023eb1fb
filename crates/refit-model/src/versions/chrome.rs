//! Chrome and its kin (Edge, Brave, Electron's engine): exactly four numbers, `130.0.6723.58`.
//!
//! Source: Chromium's version numbers, MAJOR.MINOR.BUILD.PATCH. Each is at most 32 bits and has no leading zeros.

use super::key::Key;
use smol_str::{SmolStr, format_smolstr};

pub(super) fn key(text: &str) -> Result<Key, SmolStr> {
    let count = text.split('.').count();
    if count != 4 {
        return Err(format_smolstr!("it must be four numbers, such as 130.0.6723.58; it has {count}"));
    }
    let mut key = Key::for_text(8);
    for part in text.split('.') {
        if part.is_empty() {
            return Err("a number is missing beside a dot".into());
        }
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format_smolstr!("`{part}` is no number; it must be four, such as 130.0.6723.58"));
        }
        if part.len() > 1 && part.starts_with('0') {
            return Err(format_smolstr!("`{part}` starts with a zero"));
        }
        key.u32(part.parse().map_err(|_| format_smolstr!("`{part}` is larger than {}", u32::MAX))?);
    }
    Ok(key)
}
