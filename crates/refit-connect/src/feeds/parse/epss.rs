//! EPSS scores as a table: FIRST's own (`cve,epss,percentile` below a comment with model and date), and tables with further
//! columns: a CVSS 3 score, or a day of observation, of which the last for each CVE counts.

use super::{Gathering, ParseError, column};
use crate::feeds::{
    content::WholeLines,
    statement::{Facts, instant, is_cve},
};
use std::{
    collections::BTreeMap,
    io::{BufRead, Read},
};

pub(super) fn parse(mut text: impl BufRead, gathering: &mut Gathering) -> Result<(), ParseError> {
    // `#model_version:v2025.03.14,score_date:2026-08-22T12:55:00Z`; the offset is also written `+0000`.
    if text.fill_buf()?.first() == Some(&b'#') {
        let mut comment = Vec::new();
        text.by_ref().take(4096).read_until(b'\n', &mut comment)?;
        let comment = String::from_utf8_lossy(&comment);
        let date = comment.trim().split(',').find_map(|part| part.trim().strip_prefix("score_date:"));
        if let Some(date) = date.and_then(|date| instant(&date.replace("+0000", "Z"))) {
            gathering.gathered.dated_itself(date);
        }
    }
    let mut table = csv::ReaderBuilder::new().flexible(false).from_reader(WholeLines::new(text));
    let headers = table.headers()?.clone();
    let (cve, epss) = (column(&headers, "cve")?, column(&headers, "epss")?);
    let cvss = headers.iter().position(|header| header.trim() == "cvss3");
    let day = headers.iter().position(|header| header.trim() == "observed_date");
    let mut latest: BTreeMap<String, (String, Facts)> = BTreeMap::new();
    let mut row = csv::StringRecord::new();
    while table.read_record(&mut row)? {
        let field = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default().trim();
        let number = |text: &str, range: std::ops::RangeInclusive<f64>| {
            text.parse::<f64>().ok().filter(|number| range.contains(number))
        };
        let id = field(Some(cve));
        let Some(epss) = number(field(Some(epss)), 0.0..=1.0).filter(|_| is_cve(id)) else {
            gathering.skip(|| format!("`{}`", row.iter().collect::<Vec<_>>().join(",")));
            continue;
        };
        let facts = Facts { epss: Some(epss), cvss: number(field(cvss), 0.0..=10.0), ..Facts::default() };
        let day = field(day);
        match latest.get_mut(id) {
            Some(known) if known.0.as_str() <= day => *known = (day.to_owned(), facts),
            Some(_) => {}
            None => _ = latest.insert(id.to_owned(), (day.to_owned(), facts)),
        }
    }
    table.get_ref().check()?;
    gathering.gathered.records = latest.len() as u64;
    for (cve, (day, facts)) in latest {
        if let Some(day) = instant(&day) {
            gathering.gathered.dated_itself(day);
        }
        gathering.gathered.fact(&cve, facts);
    }
    Ok(())
}
