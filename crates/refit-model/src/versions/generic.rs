//! The scheme for every title without one of its own: numbers and words, read the way people write versions.
//!
//! A version is a sequence of numbers and words, compared one by one, and the first difference decides. What follows a
//! common beginning orders like this, and everything else in this scheme is how a text becomes that sequence:
//!
//! | order | what follows | example |
//! | --- | --- | --- |
//! | 1 | `~`, as in Debian | `1.0~1 < 1.0` |
//! | 2 | a word for what comes before a release | `1.0-beta < 1.0` |
//! | 3 | nothing | `1.0` |
//! | 4 | a number in parentheses: the build | `24.1.2 < 24.1.2 (4567) < 24.1.3` |
//! | 5 | a number after `+`: the build | `17.0.12 < 17.0.12+7 < 17.0.12.1` |
//! | 6 | a number after any other sign but a dot: the revision | `1.0 < 1.0-1 < 1.0-2 < 1.0.1` |
//! | 7 | any other word | `9.2 < 9.2p1 < 9.2.1`, `1.0.2 < 1.0.2a < 1.0.2za` |
//! | 8 | a number after a dot | `1.0.9 < 1.0.10` |
//!
//! - **Numbers** have any length and no leading zeros that count: `24.04` is `24.4`. Zeros at the end of a run of numbers do
//!   not count either: `3.0` is `3.0.0`, `1.0-beta` is `1.0.0-beta`, `1.0-0` is `1.0`.
//! - **Words before a release**, from the earliest: dev, nightly, canary, snapshot; alpha; beta; milestone, m; preview, pre, ea;
//!   rc, cr, candidate. `a` and `b` are alpha and beta if a number follows at once (`3.13.0a1`), and patch letters if none does
//!   (`1.0.2a`); after an update, a `b` is Java's build (`8u392-b08`). Words of one kind are equal: `1.0a1` is `1.0-alpha.1`.
//! - **Other words** compare as text without regard to case, so `1.0-CU2 < 1.0-SP1`; a word that nobody listed here counts
//!   as something added to the release. A number behind a word belongs to it: `rc < rc1 < rc2`, `p9 < p10`.
//! - **Words that say nothing** are passed over: `v`, version, release, final, ga, stable, lts (`v1.0` is `1.0`, and so is
//!   `1.0.Final`).
//! - **Dates** order if the year comes first: `2024-01-15 < 2024-02-01`, `20240115 < 20240201`.
//!
//! Refused are texts without a number, characters other than ASCII letters, digits, blanks and `. - _ + ~ : / ( ) [ ] #`,
//! and branches (`3.7.x`). Limits: commit hashes and names in the place of versions get some order, but one that says
//! nothing; a title that mixes two ways of writing (`1.0.1` and `1.0-1`) needs a scheme of its own.

use super::key::{Key, split_run};
use smol_str::{SmolStr, format_smolstr};

/// What may follow a common beginning, in order. Words before a release take [`EARLY`] and up.
const TILDE: u8 = 0x01;
const EARLY: u8 = 0x10;
const END: u8 = 0x20;
const IN_PARENTHESES: u8 = 0x30;
const AFTER_PLUS: u8 = 0x31;
const AFTER_SIGN: u8 = 0x32;
const WORD: u8 = 0x40;
const NUMBER: u8 = 0x50;

/// The words for what comes before a release, earliest first; those of a line are equal.
const EARLY_WORDS: [&[&str]; 6] = [
    &["dev", "devel", "nightly", "canary", "snapshot"],
    &["alpha"],
    &["beta"],
    &["milestone"],
    &["preview", "pre", "prerelease", "ea"],
    &["rc", "cr", "candidate"],
];

/// The words that say nothing about the order.
const SILENT_WORDS: [&str; 8] = ["v", "ver", "version", "release", "final", "ga", "stable", "lts"];

pub(super) fn key(text: &str) -> Result<Key, SmolStr> {
    check(text)?;
    let mut sequence = Sequence { key: Key::for_text(text.len()), zeros: Vec::new() };
    // The strongest sign since the last number or word.
    let mut sign = Sign::Dot;
    // A number belongs to the word before it, and at the beginning there is nothing that a sign could set it apart from.
    let mut after_word = true;
    let mut after_update = false;
    let mut after_digit = false;
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if first.is_ascii_digit() {
            let (digits, tail) = split_run(rest, |byte| byte.is_ascii_digit());
            if !after_word || sign > Sign::Other {
                sequence.sign(sign);
            }
            sequence.number(digits);
            (sign, after_word, rest) = (Sign::Dot, false, tail);
        } else if first.is_ascii_alphabetic() {
            let (word, tail) = split_run(rest, |byte| byte.is_ascii_alphabetic());
            let word = String::from_utf8_lossy(word).to_ascii_lowercase();
            let before_digit = tail.first().is_some_and(u8::is_ascii_digit);
            rest = tail;
            match meaning(&word, Place { after_digit, before_digit, after_update }) {
                Meaning::Nothing => {}
                Meaning::Early(rank) => {
                    sequence.early(rank);
                    (sign, after_word) = (Sign::Dot, true);
                }
                Meaning::Other => {
                    sequence.word(&word);
                    (sign, after_word) = (Sign::Dot, true);
                    after_update |= matches!(&*word, "u" | "update");
                }
            }
        } else if *first == b'~' {
            sequence.early(TILDE);
            (sign, after_word, rest) = (Sign::Dot, true, tail);
        } else {
            (sign, rest) = (sign.max(Sign::of(*first)), tail);
        }
        after_digit = first.is_ascii_digit();
    }
    Ok(sequence.end())
}

fn check(text: &str) -> Result<(), SmolStr> {
    if let Some(wrong) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !" .-_+~:/()[]#".contains(*c)) {
        return Err(format_smolstr!("{wrong:?} may not stand in it"));
    }
    if text.split('.').skip(1).any(|part| part.eq_ignore_ascii_case("x")) {
        return Err("it names a branch, not one version of it".into());
    }
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return Err("it has no number".into());
    }
    Ok(())
}

/// What divides a number from what stands before it, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Dot,
    Other,
    Plus,
    Parenthesis,
}

impl Sign {
    fn of(byte: u8) -> Sign {
        match byte {
            b'.' => Sign::Dot,
            b'+' => Sign::Plus,
            b'(' | b'[' => Sign::Parenthesis,
            _ => Sign::Other,
        }
    }
}

/// What a word says about the order.
enum Meaning {
    Nothing,
    /// It comes before the release, at this place among such words.
    Early(u8),
    Other,
}

/// Where a word stands.
struct Place {
    /// A digit stands directly before it: the `a` of `1.0a`.
    after_digit: bool,
    /// A digit stands directly behind it: the `a` of `a1`.
    before_digit: bool,
    /// The word update, or `u`, was read before: `8u392-b08`.
    after_update: bool,
}

fn meaning(word: &str, place: Place) -> Meaning {
    let word = match word {
        "b" if place.after_update => return Meaning::Other,
        "a" if place.before_digit => "alpha",
        "b" if place.before_digit => "beta",
        "m" if place.before_digit => "milestone",
        // The patch letter of OpenSSL's 1.1.1v.
        "v" | "ver" | "version" if place.after_digit => return Meaning::Other,
        // The beginning of a hash or of some other name.
        "ga" | "final" | "release" | "stable" | "lts" if place.before_digit => return Meaning::Other,
        word => word,
    };
    if SILENT_WORDS.contains(&word) {
        return Meaning::Nothing;
    }
    match (EARLY..).zip(EARLY_WORDS).find(|(_, words)| words.contains(&word)) {
        Some((rank, _)) => Meaning::Early(rank),
        None => Meaning::Other,
    }
}

/// The key while the sequence is written; zeros wait until something shows that they count.
struct Sequence {
    key: Key,
    /// Zeros and the signs between them, each as the byte that it takes in the key.
    zeros: Vec<u8>,
}

impl Sequence {
    fn sign(&mut self, sign: Sign) {
        let byte = match sign {
            Sign::Dot => return,
            Sign::Other => AFTER_SIGN,
            Sign::Plus => AFTER_PLUS,
            Sign::Parenthesis => IN_PARENTHESES,
        };
        while self.zeros.pop_if(|zero| *zero == NUMBER).is_some() {}
        self.zeros.push(byte);
    }

    fn number(&mut self, digits: &[u8]) {
        if digits.iter().all(|digit| *digit == b'0') {
            self.zeros.push(NUMBER);
            return;
        }
        for byte in self.zeros.drain(..) {
            self.key.byte(byte);
            if byte == NUMBER {
                self.key.digits(&[]);
            }
        }
        self.key.byte(NUMBER);
        self.key.digits(digits);
    }

    fn early(&mut self, rank: u8) {
        self.zeros.clear();
        self.key.byte(rank);
    }

    fn word(&mut self, word: &str) {
        self.zeros.clear();
        self.key.byte(WORD);
        self.key.bytes(word.as_bytes());
        self.key.byte(0);
    }

    fn end(mut self) -> Key {
        self.key.byte(END);
        self.key
    }
}
