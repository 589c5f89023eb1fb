//! What parsers make of a feed: statements of packages, and facts of vulnerabilities.

use super::space::EcosystemName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What one feed says of some vulnerabilities in one package of one distribution or ecosystem.
///
/// Generic over its text: owned while it is gathered, borrowed from the page while it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statement<S> {
    /// Of which vulnerabilities: CVE ids where there are any, else the advisory's own id. Never empty.
    pub ids: Vec<S>,
    /// What it says.
    pub verdict: Verdict<S>,
    /// Whether the distribution holds it to be no security problem of its package (Debian's urgency `unimportant`).
    pub unimportant: bool,
    /// Since when it no longer counts, in seconds since 1970.
    pub withdrawn: Option<i64>,
    /// The module stream (`nodejs:20`) of a modular RPM to which it is limited.
    pub module: Option<S>,
}

/// Whether, and up to which version, a package is affected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Verdict<S> {
    /// In any of these ranges.
    Affected(Vec<Bounds<S>>),
    /// In no version.
    NotAffected,
    /// In every version so far: there is no fixed one.
    Open(WhyOpen),
    /// Nobody has found out yet, or the feed says it in a form that no version can be compared with.
    Undetermined,
}

/// One range of versions, in the text of the package's own scheme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bounds<S> {
    /// The first affected version; `None` is from the beginning.
    pub introduced: Option<S>,
    /// Where it ends.
    pub end: End<S>,
}

/// The end of a range of versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum End<S> {
    /// Before this version.
    Fixed(S),
    /// With this version.
    Last(S),
    /// Nowhere yet.
    Never,
}

/// Why a known vulnerability has no fixed version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyOpen {
    /// There is no fix yet.
    NoFixYet,
    /// The distribution will fix it with a later update, not with one of its own.
    Postponed,
    /// The distribution holds it to be too minor for an advisory; a point release may fix it.
    Minor,
    /// The distribution will not fix it.
    Ignored,
    /// The distribution no longer supports the package.
    EndOfLife,
}

/// What a feed knows of a vulnerability, whatever software it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The earliest date that the feed gives, in seconds since 1970.
    pub known: Option<i64>,
    /// CVSS base score.
    pub cvss: Option<f64>,
    /// EPSS probability.
    pub epss: Option<f64>,
    /// Its entry in KEV.
    pub kev: Option<KevListing>,
}

/// A vulnerability's entry in CISA's catalogue of those known to be exploited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KevListing {
    /// When it was added, midnight UTC, in seconds since 1970.
    pub added: i64,
    /// CISA's own due date as printed (midnight UTC), never derived: its rules changed in 2026 and it is edited at times.
    pub due: Option<i64>,
    /// Whether ransomware campaigns are known to use it.
    pub ransomware: bool,
}

impl Facts {
    /// Joins what the same feed says in two places: the earliest date, the higher scores.
    fn join(&mut self, other: Facts) {
        let higher = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        self.known = [self.known, other.known].into_iter().flatten().min();
        self.cvss = higher(self.cvss, other.cvss);
        self.epss = higher(self.epss, other.epss);
        self.kev = self.kev.or(other.kev);
    }
}

/// All that a feed says, sorted and without repetitions: the input of the index.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Distinct records, counted as the feed counts: catalogue entries, advisories, (package, CVE) pairs, uploads.
    pub records: u64,
    /// Records that could not be understood and were left out.
    pub skipped: u64,
    /// What was wrong with the first of them.
    pub first_skipped: Option<String>,
    /// The date that the feed gives for itself.
    pub snapshot: Option<Timestamp>,
    /// Encoded statements by (ecosystem, package).
    pub(crate) statements: BTreeMap<(EcosystemName, SmolStr), BTreeSet<Vec<u8>>>,
    pub(crate) facts: BTreeMap<SmolStr, Facts>,
    /// Vulnerabilities for which the feed gives no date.
    pub(crate) undated: BTreeSet<SmolStr>,
}

impl Gathered {
    /// Adds what is said of `package` in `ecosystem`; saying it twice is saying it once.
    pub(crate) fn state(&mut self, ecosystem: &EcosystemName, package: &str, statement: &Statement<SmolStr>) {
        // Writing into a vector fails for no statement.
        if let Ok(bytes) = postcard::to_stdvec(statement) {
            self.statements.entry((ecosystem.clone(), package.into())).or_default().insert(bytes);
        }
    }

    /// Adds facts of the vulnerability `id`.
    pub(crate) fn fact(&mut self, id: &str, facts: Facts) {
        match self.facts.get_mut(id) {
            Some(known) => known.join(facts),
            None => {
                self.facts.insert(id.into(), facts);
            }
        }
    }

    /// Adds the date at which a feed first spoke of `id`.
    pub(crate) fn dated(&mut self, id: &str, known: Option<i64>) {
        if known.is_some() {
            self.fact(id, Facts { known, ..Facts::default() });
        }
    }

    /// Notes the newest of the dates that a feed gives of itself.
    pub(crate) fn dated_itself(&mut self, date: Timestamp) {
        self.snapshot = Some(self.snapshot.map_or(date, |known| known.max(date)));
    }
}

/// Whether `text` is a CVE id.
pub(crate) fn is_cve(text: &str) -> bool {
    text.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')).is_some_and(|(year, number)| {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        year.len() == 4 && digits(year) && number.len() >= 4 && number.len() <= 12 && digits(number)
    })
}

/// Midnight UTC of an ISO date, or the instant of an RFC 3339 time, in seconds since 1970.
pub(crate) fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(date) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        return date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp().as_second());
    }
    text.parse::<Timestamp>().ok().map(|time| time.as_second())
}

/// As [`seconds`], as a time.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    seconds(text).and_then(|seconds| Timestamp::from_second(seconds).ok())
}

/// The index key under which the statements of a package are.
pub(crate) fn package_key(ecosystem: &EcosystemName, package: &str) -> Vec<u8> {
    // No ecosystem has a zero byte in its name, so no two pairs share a key.
    [b"p".as_slice(), ecosystem.as_str().as_bytes(), b"\0", package.as_bytes()].concat()
}

/// The index key under which the facts of a vulnerability are, and the time when it was first seen.
pub(crate) fn vulnerability_key(id: &str) -> Vec<u8> {
    [b"v".as_slice(), id.as_bytes()].concat()
}

/// The statements of a value of the index; `None` where it is not one.
pub(crate) fn statements(mut value: &[u8]) -> Option<Vec<Statement<&str>>> {
    let mut statements = Vec::new();
    while !value.is_empty() {
        let (statement, rest) = postcard::take_from_bytes(value).ok()?;
        statements.push(statement);
        value = rest;
    }
    Some(statements)
}
