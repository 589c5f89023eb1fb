//! Windows builds: `10.0.26100.2314`, that is major, minor, build and revision (the update).
//!
//! Windows itself shows the last two, `26100.2314`. That is the same build and equal to the long form: all builds from
//! [`FIRST_SHORT`] on are of Windows 10.0. Earlier ones (6.3.9600) must be written out. A revision that is missing is 0, so
//! `10.0.26100` is the build without any update. Names of feature updates (`24H2`) are no builds.
//!
//! One build is one branch: `10.0.22631.4460` is later than `10.0.19045.5131` but no update of it.

use super::key::Key;
use smol_str::{SmolStr, format_smolstr};

/// The first public build of Windows 10, of July 2015.
const FIRST_SHORT: u32 = 10_240;

pub(super) fn key(text: &str) -> Result<Key, SmolStr> {
    let numbers = text.split('.').map(number).collect::<Result<Vec<u32>, SmolStr>>()?;
    let [major, minor, build, revision] = match numbers[..] {
        [build] if build >= FIRST_SHORT => [10, 0, build, 0],
        [build, revision] if build >= FIRST_SHORT => [10, 0, build, revision],
        [major, minor, build] if major < FIRST_SHORT => [major, minor, build, 0],
        [major, minor, build, revision] if major < FIRST_SHORT => [major, minor, build, revision],
        _ => return Err("it must be written as 10.0.26100.2314, or 26100.2314 from Windows 10 on".into()),
    };
    let mut key = Key::for_text(8);
    for number in [major, minor, build, revision] {
        key.u32(number);
    }
    Ok(key)
}

fn number(part: &str) -> Result<u32, SmolStr> {
    if part.is_empty() {
        return Err("a number is missing beside a dot".into());
    }
    if !part.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format_smolstr!("`{part}` is no number; a build is written as 10.0.26100.2314"));
    }
    part.parse().map_err(|_| format_smolstr!("`{part}` is larger than {}", u32::MAX))
}
