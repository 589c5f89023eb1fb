//! Debian's list of security advisories, the text that the security team edits by hand.
//!
//! ```text
//! [29 Mar 2023] DSA-5380-1 xorg-server - security update
//!         {CVE-2023-1393}
//!         [bullseye] - xorg-server 2:1.20.11-1+deb11u6
//! ```
//!
//! An advisory without CVEs (a regression, an end of support) stands for itself. Instead of a version there may be
//! `<not-affected>`, `<unfixed>` or `<end-of-life>`, and a remark may follow. Some lines are indented by spaces. Later
//! advisories for the same CVE complete an incomplete fix, so the highest version of a release counts.

use super::{Gathering, ParseError};
use crate::feeds::{
    content::each_line,
    space::EcosystemName,
    statement::{Bounds, End, Statement, Verdict, WhyOpen, is_cve},
};
use jiff::Timestamp;
use refit_model::{Scheme, Version};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead,
};

/// What an advisory says of one release and source, with the version where there is one.
type Fix = (Verdict<SmolStr>, Option<Version>);

#[derive(Default)]
struct Advisory {
    id: SmolStr,
    date: Option<i64>,
    cves: Vec<SmolStr>,
    fixes: Vec<(SmolStr, SmolStr, Fix)>,
}

pub(super) fn parse(text: impl BufRead, gathering: &mut Gathering) -> Result<(), ParseError> {
    let mut fixes: BTreeMap<(SmolStr, SmolStr, SmolStr), Fix> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut advisory = Advisory::default();
    let mut close = |advisory: Advisory, gathering: &mut Gathering| {
        if advisory.id.is_empty() {
            return;
        }
        if let Some(date) = advisory.date.and_then(|date| Timestamp::from_second(date).ok()) {
            gathering.gathered.dated_itself(date);
        }
        let ids = if advisory.cves.is_empty() { vec![advisory.id.clone()] } else { advisory.cves };
        for id in &ids {
            gathering.gathered.dated(id, advisory.date);
            for (release, source, fix) in &advisory.fixes {
                let key = (release.clone(), source.clone(), id.clone());
                match fixes.get_mut(&key) {
                    Some(known) if known.1 < fix.1 => *known = fix.clone(),
                    Some(_) => {}
                    None => _ = fixes.insert(key, fix.clone()),
                }
            }
        }
        if seen.insert(advisory.id) {
            gathering.gathered.records += 1;
        }
    };
    each_line(text, |number, line| {
        let line = String::from_utf8_lossy(line);
        let body = line.trim();
        if body.is_empty() || body.starts_with("NOTE:") {
        } else if line.starts_with('[') {
            let done = std::mem::take(&mut advisory);
            close(done, gathering);
            match heading(body) {
                Some(next) => advisory = next,
                None => gathering.skip(|| format!("line {number}: `{body}`")),
            }
        } else if let Some(cves) = body.strip_prefix('{').and_then(|rest| rest.split('}').next()) {
            advisory.cves.extend(cves.split_whitespace().filter(|id| is_cve(id)).map(SmolStr::from));
        } else if let Some(fix) = fix(body) {
            advisory.fixes.push(fix);
        } else if !advisory.id.is_empty() {
            gathering.skip(|| format!("line {number}: `{body}`"));
        }
        Ok(())
    })?;
    close(advisory, gathering);
    for ((release, source, id), (verdict, _)) in fixes {
        let statement = Statement { ids: vec![id], verdict, unimportant: false, withdrawn: None, module: None };
        gathering.gathered.state(&EcosystemName::debian(&release), &source, &statement);
    }
    Ok(())
}

/// `[29 Mar 2023] DSA-5380-1 xorg-server - security update`.
fn heading(line: &str) -> Option<Advisory> {
    let (date, rest) = line.strip_prefix('[')?.split_once(']')?;
    let id = rest.split_whitespace().next().filter(|id| id.starts_with("DSA-") || id.starts_with("DLA-"))?;
    let date = jiff::civil::Date::strptime("%d %b %Y", date.trim()).ok();
    let date = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|day| day.timestamp().as_second());
    date.is_some().then(|| Advisory { id: id.into(), date, ..Advisory::default() })
}

/// `[bullseye] - xorg-server 2:1.20.11-1+deb11u6`.
fn fix(line: &str) -> Option<(SmolStr, SmolStr, Fix)> {
    let (release, rest) = line.strip_prefix('[')?.split_once(']')?;
    let mut words = rest.trim().strip_prefix('-')?.split_whitespace();
    let (source, version) = (words.next()?, words.next()?);
    let fix = match version {
        "<not-affected>" => (Verdict::NotAffected, None),
        "<unfixed>" => (Verdict::Open(WhyOpen::NoFixYet), None),
        "<end-of-life>" => (Verdict::Open(WhyOpen::EndOfLife), None),
        "<undetermined>" => (Verdict::Undetermined, None),
        "<no-dsa>" => (Verdict::Open(WhyOpen::Minor), None),
        version => {
            let parsed = Version::parse(Scheme::Dpkg, version).ok()?;
            (Verdict::Affected(vec![Bounds { introduced: None, end: End::Fixed(version.into()) }]), Some(parsed))
        }
    };
    Some((release.into(), source.into(), fix))
}
