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
    let mut fixed: BTreeMap<(SmolStr, SmolStr), Version> = BTreeMap::new();
    let mut rebuilds: BTreeMap<(SmolStr, SmolStr), Version> = BTreeMap::new();
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
        gathering.gathered.dated_itself(day);
        for cve in field(cves).split_whitespace().filter(|id| is_cve(id)) {
            gathering.gathered.dated(cve, Some(day.as_second()));
            lower(&mut fixed, (source.clone(), cve.into()), &parsed);
        }
        if field(distribution).starts_with(RELEASE) {
            lower(&mut rebuilds, (source.clone(), base(parsed.as_str()).into()), &parsed);
        }
        if seen.insert((source, SmolStr::from(parsed.as_str()))) {
            gathering.gathered.records += 1;
        }
    }
    table.get_ref().check()?;
    for ((source, cve), version) in fixed {
        let rebuilt = rebuilds.get(&(source.clone(), base(version.as_str()).into()));
        let version = rebuilt.map_or(&version, |rebuilt| rebuilt.min(&version));
        let bounds = Bounds { introduced: None, end: End::Fixed(version.as_str().into()) };
        let verdict = Verdict::Affected(vec![bounds]);
        let statement = Statement { ids: vec![cve], verdict, unimportant: false, withdrawn: None, module: None };
        gathering.gathered.state(&EcosystemName::debian(RELEASE), &source, &statement);
    }
    Ok(())
}

fn lower(map: &mut BTreeMap<(SmolStr, SmolStr), Version>, key: (SmolStr, SmolStr), version: &Version) {
    match map.get_mut(&key) {
        Some(known) if version < known => *known = version.clone(),
        Some(_) => {}
        None => _ = map.insert(key, version.clone()),
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
