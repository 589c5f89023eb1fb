//! Apple's two ways to name a release: product versions and builds. They have no order between them.
//!
//! **Product versions**: one to four numbers, then a supplement (Rapid Security Response, Background Security Improvement)
//! in parentheses: `14.2 < 14.2.1 < 14.2.1 (a) < 14.2.1 (b) < 14.2.2`. Zeros at the end do not count: `14` is `14.0`.
//!
//! **Builds**: `23C71` is the major number of the system's core, a train (about one per minor release) and a count within
//! the train, in that order. Apple does not document the count; with these rules all releases and seeds of the public feeds
//! of 2021 to 2026 order as their dates within a train, but for the limits listed below:
//!
//! - The thousands of a count of four digits are a variant for other hardware or channels; hundreds and less go on counting.
//!   `24B2083` is `24B83` for newer Macs, `23F6077` is `23F77`; each pair is equal.
//! - A seed is such a variant with a small letter, `23D5114d`; it precedes the release of the same count, and seeds of one
//!   count follow their letter.
//! - The build of a supplement is 77, the count of its base in three digits, 0, and a letter: `22F770820b` comes after
//!   `22F82` and before `22F83`. Other builds with a letter (`23C71a`) follow the one without.
//! - On macOS the count of a long-lived train goes on past 999: `20G1427`. Therefore counts from 1000 to 1999 and of five
//!   digits are taken as they are, as are those of the last trains of macOS 10.10 to 10.15 (see [`counts_on`]).
//!
//! Limits: `23M8340` (visionOS 26.0.1 for a new model) came out after `23M341` but counts as before, and `23R8352` (watchOS
//! 26.0.1 for one model) is equal to `23R352` (26.0), on which it is based. Seeds of a minor release can count in the train of
//! the one before, so `23S5600d` (26.3 beta 2) is later than `23S314` (26.2.1), which came out after it. The systems share
//! major numbers and trains: builds order within one system only.

use super::key::{Key, split_run};
use smol_str::{SmolStr, format_smolstr};

const PRODUCT: u8 = 0;
const BUILD: u8 = 1;

/// What a build with a count is, in the order of release.
const SEED: u8 = 0;
const RELEASE: u8 = 1;
const AFTER_RELEASE: u8 = 2;

pub(super) fn key(text: &str) -> Result<Key, SmolStr> {
    let (first, rest) = split_run(text.as_bytes(), |byte| byte.is_ascii_digit());
    match rest.first() {
        _ if first.is_empty() => {
            Err("it starts with no number; a version is written as 14.2.1, a build as 23C71".into())
        }
        Some(train) if train.is_ascii_uppercase() => build_key(text),
        _ => product_key(text),
    }
}

/// Whether both keys are of product versions or both of builds.
pub(super) fn same_kind(a: &[u8], b: &[u8]) -> bool {
    a.first() == b.first()
}

fn product_key(text: &str) -> Result<Key, SmolStr> {
    let (numbers, supplement) = match text.split_once('(') {
        Some((numbers, supplement)) => {
            let letter = supplement.strip_suffix(')').map(str::as_bytes);
            let Some([letter @ b'a'..=b'z']) = letter else {
                return Err(format_smolstr!("`({supplement}` is no supplement, which is one small letter: (a)"));
            };
            (numbers.strip_suffix(' ').unwrap_or(numbers), *letter)
        }
        None => (text, 0),
    };
    let mut parts = Vec::with_capacity(4);
    for part in numbers.split('.') {
        parts.push(number(part)?);
    }
    if parts.len() > 4 {
        return Err("it has more than four numbers".into());
    }
    // Four bytes each: zeros at the end need no other care.
    parts.resize(4, 0);
    let mut key = Key::for_text(16);
    key.byte(PRODUCT);
    parts.into_iter().for_each(|part| key.u32(part));
    key.byte(supplement);
    Ok(key)
}

fn build_key(text: &str) -> Result<Key, SmolStr> {
    let wrong = || SmolStr::from("a build is a number, a capital letter, a number and at most one small letter: 23C71");
    let (major, rest) = split_run(text.as_bytes(), |byte| byte.is_ascii_digit());
    let (train, rest) = rest.split_first().ok_or_else(wrong)?;
    let (count, letter) = split_run(rest, |byte| byte.is_ascii_digit());
    let letter = match letter {
        [] => None,
        [letter @ b'a'..=b'z'] => Some(*letter),
        _ => return Err(wrong()),
    };
    if count.is_empty() {
        return Err(wrong());
    }
    let read = |digits: &[u8]| number(&String::from_utf8_lossy(digits));
    let (major, count) = (read(major)?, read(count)?);
    let variant = (2_000..10_000).contains(&count);
    let (count, kind) = match letter {
        None if variant && !counts_on(major, *train, count) => (count % 1_000, RELEASE),
        None => (count, RELEASE),
        Some(_) if (770_000..780_000).contains(&count) => (count / 10 % 1_000, AFTER_RELEASE),
        Some(_) if variant => (count % 1_000, SEED),
        Some(_) => (count, AFTER_RELEASE),
    };
    let mut key = Key::for_text(8);
    key.byte(BUILD);
    key.u32(major);
    key.byte(*train);
    key.u32(count);
    key.byte(kind);
    key.byte(letter.unwrap_or(0));
    Ok(key)
}

/// Whether this train is the last of a macOS of 2014 to 2019, whose security updates went on counting by thousands:
/// `17G65`, `17G2112`, `17G14042`. (The last train of 10.15 shares its name with that of iOS 15, whose variants are 6000s.)
fn counts_on(major: u32, train: u8, count: u32) -> bool {
    matches!((major, train), (14, b'F') | (15..=18, b'G')) || ((major, train) == (19, b'H') && count < 5_000)
}

fn number(part: &str) -> Result<u32, SmolStr> {
    if part.is_empty() {
        return Err("a number is missing beside a dot".into());
    }
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format_smolstr!(
            "`{part}` is no number; a version is written as 14.2.1 or 14.2.1 (a), a build as 23C71"
        ));
    }
    part.parse().map_err(|_| format_smolstr!("`{part}` is larger than {}", u32::MAX))
}
