//! RPM's versions: `[epoch:]version[-release]`, ordered as rpm 4.18 orders them.
//!
//! Source: rpm-version(7) and rpm's `rpmvercmp`. A missing epoch is 0. A missing release orders before every release, even
//! `~1`, as in rpm's own comparison of whole versions: `1.0 < 1.0-~1 < 1.0-1`. (In the requirements of packages rpm ignores
//! a release that one side lacks; a range here does not.)
//!
//! Version and release are sequences of numbers, words, `~` and `^`; all other characters only divide. `~` orders before the
//! end, the end before `^`, `^` before words, words before numbers. Words compare byte by byte, numbers may have any length.
//!
//! rpm compares whatever it gets. Refused here is what it would not build: an epoch that is no 32-bit number, an empty
//! version or release, and characters that neither may hold.

use super::key::{Key, split_run};
use smol_str::{SmolStr, format_smolstr};

const NO_RELEASE: u8 = 0;
const TILDE: u8 = 1;
const END: u8 = 2;
const CARET: u8 = 3;
const WORD: u8 = 4;
const NUMBER: u8 = 5;

pub(super) fn key(text: &str) -> Result<Key, SmolStr> {
    let (epoch, rest) = match text.split_once(':') {
        Some((epoch, rest)) => (epoch_number(epoch)?, rest),
        None => (0, text),
    };
    let (version, release) = match rest.split_once('-') {
        Some((version, release)) => (version, Some(release)),
        None => (rest, None),
    };
    check_part(version, "version")?;
    let mut key = Key::for_text(text.len());
    key.u32(epoch);
    write_part(&mut key, version.as_bytes());
    match release {
        Some(release) => {
            check_part(release, "release")?;
            write_part(&mut key, release.as_bytes());
        }
        None => key.byte(NO_RELEASE),
    }
    Ok(key)
}

fn epoch_number(text: &str) -> Result<u32, SmolStr> {
    if text.is_empty() {
        return Err("the epoch before the colon is missing".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format_smolstr!("what stands before the colon, `{text}`, must be the epoch, a number"));
    }
    text.parse().map_err(|_| format_smolstr!("its epoch is larger than {}", u32::MAX))
}

fn check_part(part: &str, name: &str) -> Result<(), SmolStr> {
    if part.is_empty() {
        return Err(format_smolstr!("its {name} is empty"));
    }
    match part.chars().find(|c| !c.is_ascii_alphanumeric() && !"._+~^".contains(*c)) {
        Some('-') => Err("it has more than one `-`; one divides version and release".into()),
        Some(wrong) => Err(format_smolstr!("its {name} holds {wrong:?}; letters, digits and `._+~^` may stand there")),
        None => Ok(()),
    }
}

fn write_part(key: &mut Key, mut part: &[u8]) {
    while let Some((first, rest)) = part.split_first() {
        part = match first {
            b'~' => {
                key.byte(TILDE);
                rest
            }
            b'^' => {
                key.byte(CARET);
                rest
            }
            digit if digit.is_ascii_digit() => {
                let (number, rest) = split_run(part, |byte| byte.is_ascii_digit());
                key.byte(NUMBER);
                key.digits(number);
                rest
            }
            letter if letter.is_ascii_alphabetic() => {
                let (word, rest) = split_run(part, |byte| byte.is_ascii_alphabetic());
                key.byte(WORD);
                key.bytes(word);
                key.byte(0);
                rest
            }
            _ => rest,
        };
    }
    key.byte(END);
}
