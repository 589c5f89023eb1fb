//! Debian's versions, as `dpkg` reads and orders them: `[epoch:]upstream[-revision]`.
//!
//! Source: Debian Policy 5.6.12 and deb-version(7). A version is refused if `dpkg --validate-version` refuses it, be it as an
//! error or as a warning; only control characters before an epoch, which dpkg happens to skip, are refused as well.
//!
//! Upstream version and revision are each a sequence of text and number, and compare in turns. In text, `~` orders before
//! the end, the end before letters, letters before everything else. Numbers may have any length; one that is missing is
//! zero, and so is a missing revision: `1.0`, `1.0-0` and `01.0` are equal.

use super::key::{Key, split_run};
use smol_str::{SmolStr, format_smolstr};

/// Orders `~` before the end of text.
const TILDE: u8 = 1;
/// Ends every text, and the version after its last number.
const END: u8 = 2;

pub(super) fn key(text: &str) -> Result<Key, SmolStr> {
    if text.contains([' ', '\t']) {
        return Err("it has blanks within".into());
    }
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (epoch_number(epoch)?, rest),
        None => (0, text),
    };
    if rest.is_empty() {
        return Err("nothing follows the epoch's colon".into());
    }
    let (upstream, revision) = match rest.rsplit_once('-') {
        Some((_, "")) => return Err("nothing follows the last `-`, where the revision belongs".into()),
        Some((upstream, revision)) => (upstream, revision),
        None => (rest, ""),
    };
    if !upstream.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("its upstream part must start with a digit".into());
    }
    check_characters(upstream, ".+~-:", "the upstream part")?;
    check_characters(revision, ".+~", "the revision")?;

    let mut key = Key::for_text(text.len());
    key.u32(epoch);
    write_part(&mut key, upstream.as_bytes());
    write_part(&mut key, revision.as_bytes());
    Ok(key)
}

/// dpkg reads an epoch with C's `strtol`, which takes a sign, and permits what a C `int` holds.
fn epoch_number(text: &str) -> Result<u32, SmolStr> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return Err("the epoch before the first colon is missing".into());
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format_smolstr!("what stands before the first colon, `{text}`, must be the epoch, a number"));
    }
    match digits.parse::<i32>() {
        Ok(0) => Ok(0),
        _ if negative => Err("its epoch is negative".into()),
        Ok(epoch) => Ok(epoch.unsigned_abs()),
        Err(_) => Err(format_smolstr!("its epoch is larger than {}", i32::MAX)),
    }
}

fn check_characters(part: &str, signs: &str, name: &str) -> Result<(), SmolStr> {
    match part.chars().find(|c| !c.is_ascii_alphanumeric() && !signs.contains(*c)) {
        Some(wrong) => Err(format_smolstr!("{name} holds {wrong:?}; letters, digits and `{signs}` may stand there")),
        None => Ok(()),
    }
}

/// Pairs of text and number until nothing is left, but at least one: an empty part is one empty text and zero.
fn write_part(key: &mut Key, mut part: &[u8]) {
    loop {
        let (text, rest) = split_run(part, |byte| !byte.is_ascii_digit());
        let (number, rest) = split_run(rest, |byte| byte.is_ascii_digit());
        for byte in text {
            match byte {
                b'~' => key.byte(TILDE),
                letter if letter.is_ascii_alphabetic() => key.byte(*letter),
                // All signs are ASCII and so below 0x80; letters are too.
                sign => key.byte(0x80 | sign),
            }
        }
        key.byte(END);
        key.digits(number);
        if rest.is_empty() {
            break;
        }
        part = rest;
    }
    key.byte(END);
}
