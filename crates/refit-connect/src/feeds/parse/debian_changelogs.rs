//! What the changelogs of Debian 12's packages say that they fix: `source,version,distribution,urgency,date,cves,kev_cves`.
//!
//! The lines of one source are the history of its package in bookworm, which began in unstable; so the first version that
//! names a CVE as fixed is, for a bookworm machine, the fixed one. One quirk: where an upload for another release
//! (`140.17.0esr-1~deb13u1`) names the CVEs and its rebuild for bookworm (`…~deb12u1`) does not, the rebuild has the fix.

use super::{Gathering, ParseError, column};
use crate::feeds::{
    content::WholeLines,
    space::EcosystemName,
    statement::{Bounds, End, Statement, Verdict, instant, is_cve},
};
use refit_model::{Scheme, Version};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead,
};

/// The release whose packages' changelogs these are; the table does not say it.
const RELEASE: &str = "bookworm";

pub(super) fn parse(text: impl BufRead, gathering: &mut Gathering) -> Result<(), ParseError> {
    let mut table = csv::Reader::from_reader(WholeLines::new(text));
    let headers = table.headers()?.clone();
    let (source, version) = (column(&headers, "source")?, column(&headers, "version")?);
    let (date, cves) = (column(&headers, "date")?, column(&headers, "cves")?);
    let distribution = column(&headers, "distribution")?;
    let mut mentions: Vec<Mention> = Vec::new();
    let mut uploads: BTreeMap<(SmolStr, SmolStr), Vec<(i64, Version)>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut row = csv::StringRecord::new();
    while table.read_record(&mut row)? {
        let field = |at: usize| row.get(at).unwrap_or_default().trim();
        let day = instant(field(date));
        let (Ok(parsed), Some(day), false) =
            (Version::parse(Scheme::Dpkg, field(version)), day, field(source).is_empty())
        else {
            gathering.skip(|| format!("`{}`", row.iter().collect::<Vec<_>>().join(",")));
            continue;
        };
        let source = SmolStr::from(field(source));
        let here = field(distribution).starts_with(RELEASE);
        gathering.gathered.dated_itself(day);
        let day = day.as_second();
        for cve in field(cves).split_whitespace().filter(|id| is_cve(id)) {
            gathering.gathered.dated(cve, Some(day));
            mentions.push(Mention { source: source.clone(), cve: cve.into(), version: parsed.clone(), day, here });
        }
        if here {
            let base = base(parsed.as_str()).into();
            uploads.entry((source.clone(), base)).or_default().push((day, parsed.clone()));
        }
        if seen.insert((source, SmolStr::from(parsed.as_str()))) {
            gathering.gathered.records += 1;
        }
    }
    table.get_ref().check()?;
    let mut fixed: BTreeMap<(SmolStr, SmolStr), Version> = BTreeMap::new();
    for mention in mentions {
        let version = mention.arrives(&uploads);
        let key = (mention.source.clone(), mention.cve.clone());
        match fixed.get_mut(&key) {
            Some(known) if version < known => *known = version.clone(),
            Some(_) => {}
            None => _ = fixed.insert(key, version.clone()),
        }
    }
    for ((source, cve), version) in fixed {
        let bounds = Bounds { introduced: None, end: End::Fixed(version.as_str().into()) };
        let verdict = Verdict::Affected(vec![bounds]);
        let statement = Statement { ids: vec![cve], verdict, unimportant: false, withdrawn: None, module: None };
        gathering.gathered.state(&EcosystemName::debian(RELEASE), &source, &statement);
    }
    Ok(())
}

/// An upload that names a CVE as fixed.
struct Mention {
    source: SmolStr,
    cve: SmolStr,
    version: Version,
    /// In seconds since 1970.
    day: i64,
    /// Whether it went to the release itself.
    here: bool,
}

impl Mention {
    /// The version in which the fix is in the release: this one, or its rebuild on the same day or later.
    fn arrives<'a>(&'a self, uploads: &'a BTreeMap<(SmolStr, SmolStr), Vec<(i64, Version)>>) -> &'a Version {
        if self.here {
            return &self.version;
        }
        let rebuilds = uploads.get(&(self.source.clone(), base(self.version.as_str()).into()));
        let later = rebuilds.into_iter().flatten().filter(|(day, _)| *day >= self.day).map(|(_, version)| version);
        later.min().map_or(&self.version, |rebuilt| rebuilt.min(&self.version))
    }
}

/// A version without the mark of a rebuild for a release: `1:140.17.0esr-1` of `1:140.17.0esr-1~deb13u1`.
fn base(version: &str) -> &str {
    let Some((base, mark)) = version.rsplit_once("~deb") else { return version };
    let rebuilt = mark.split_once('u').is_some_and(|(release, count)| {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits(release) && digits(count)
    });
    if rebuilt { base } else { version }
}
