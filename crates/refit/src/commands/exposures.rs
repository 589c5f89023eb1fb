//! `refit exposures`

use crate::{
    Exit,
    cli::{Cli, ExposuresArgs},
    local::{Memory, data_folder, draft, gather, read_facts},
    repository,
    terminal::{self, CHANGE, FAINT, HEADING, URGENT, paint},
};
use anyhow::Result;
use jiff::Timestamp;
use refit_core::decide::Cause;
use refit_model::{Advisory, AdvisoryId, TitleId};
use serde::Serialize;
use std::collections::BTreeMap;

/// `refit exposures --json`
#[derive(Serialize)]
struct Report {
    exposures: Vec<Exposure>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Exposure {
    device_title: TitleId,
    installed: String,
    advisory: AdvisoryId,
    /// The versions that are affected; the end of the range is the version that fixes it.
    affected: Vec<String>,
    fixed: bool,
    kev: Option<Timestamp>,
    ransomware: bool,
    cvss: Option<f64>,
    epss: Option<f64>,
    known_at: Timestamp,
    said_by: Vec<String>,
    due: Option<Timestamp>,
    policy: Option<String>,
}

pub fn run(cli: &Cli, args: &ExposuresArgs) -> Result<Exit> {
    let data = data_folder(cli.data.as_deref())?;
    let now = Timestamp::now();
    let (gathered, due) = match &args.policy {
        None => (gather(&data, &[], now)?, BTreeMap::new()),
        Some(folder) => {
            let read = repository::read_in_order(folder)?;
            read_facts(&read.repository, &args.facts)?;
            let mut memory = Memory::read(&data, now)?;
            let gathered = gather(&data, &[], now)?;
            let made = draft(&read, &gathered, &mut memory, &args.facts, now)?;
            let mut due = BTreeMap::new();
            for decision in &made.decisions {
                for obligation in &decision.derivation.obligations {
                    if let Cause::Exposure { advisory, .. } = &obligation.cause {
                        let key = (decision.slot.title.clone(), advisory.clone());
                        due.insert(key, (obligation.due, decision.policy.clone()));
                    }
                }
            }
            (gathered, due)
        }
    };
    let report = &gathered.report;
    let open = report.open_without_fix.iter().map(|open| (&open.advisory, false));
    let mut exposures: Vec<Exposure> = report
        .advisories
        .iter()
        .map(|advisory| (advisory, true))
        .chain(open.filter(|_| args.unfixed))
        .filter(|(advisory, _)| !args.kev || advisory.kev.is_some())
        .filter_map(|(advisory, fixed)| {
            let installed = gathered.installs.packages.get(&advisory.title)?.version.to_string();
            let found = due.get(&(advisory.title.clone(), advisory.id.clone()));
            Some(exposure(
                advisory,
                fixed,
                installed,
                found.and_then(|found| found.0),
                found.and_then(|found| found.1.clone()),
            ))
        })
        .collect();
    exposures.sort_by(|a, b| {
        let score = |exposure: &Exposure| (exposure.cvss.unwrap_or(0.0), exposure.epss.unwrap_or(0.0));
        b.kev
            .is_some()
            .cmp(&a.kev.is_some())
            .then(score(b).0.total_cmp(&score(a).0))
            .then(score(b).1.total_cmp(&score(a).1))
            .then_with(|| a.advisory.cmp(&b.advisory))
            .then_with(|| a.device_title.cmp(&b.device_title))
    });
    let mut notes = gathered.notes.clone();
    if !report.undetermined.is_empty() {
        notes.push(format!(
            "{} may or may not concern this machine: the feeds leave it open",
            repository::counted(report.undetermined.len(), "advisory").replace("advisorys", "advisories")
        ));
    }
    if !args.unfixed && !report.open_without_fix.is_empty() {
        notes.push(format!(
            "{} more have no fix in this distribution (--unfixed lists them)",
            report.open_without_fix.len()
        ));
    }
    if cli.json {
        terminal::json(&Report { exposures, notes })?;
        return Ok(Exit::Done);
    }
    for exposure in &exposures {
        terminal::print(&line(exposure))?;
    }
    for note in &notes {
        terminal::note(format_args!("{} {note}", paint(CHANGE, "note:")));
    }
    let exploited = exposures.iter().filter(|exposure| exposure.kev.is_some()).count();
    let advisories: std::collections::BTreeSet<_> = exposures.iter().map(|exposure| &exposure.advisory).collect();
    terminal::print(&format!(
        "{} {} by {} known vulnerabilities, {} known to be exploited\n",
        paint(HEADING, "Open:"),
        repository::counted(exposures.len(), "exposure"),
        advisories.len(),
        if exploited > 0 { paint(URGENT, exploited) } else { "none".to_owned() }
    ))?;
    Ok(Exit::Done)
}

fn exposure(
    advisory: &Advisory,
    fixed: bool,
    installed: String,
    due: Option<Timestamp>,
    policy: Option<smol_str::SmolStr>,
) -> Exposure {
    Exposure {
        device_title: advisory.title.clone(),
        installed,
        advisory: advisory.id.clone(),
        affected: advisory.affected.iter().map(ToString::to_string).collect(),
        fixed,
        kev: advisory.kev,
        ransomware: advisory.ransomware,
        cvss: advisory.cvss,
        epss: advisory.epss,
        known_at: advisory.known_at,
        said_by: advisory.said_by.iter().map(ToString::to_string).collect(),
        due,
        policy: policy.map(|name| name.to_string()),
    }
}

fn line(exposure: &Exposure) -> String {
    let score = exposure.cvss.map_or_else(|| "   –".to_owned(), |cvss| format!("{cvss:>4.1}"));
    let id = if exposure.kev.is_some() {
        paint(URGENT, format!("{:<18}", exposure.advisory))
    } else {
        format!("{:<18}", exposure.advisory)
    };
    let affected = if exposure.fixed { exposure.affected.join(" or ") } else { "no fix yet".to_owned() };
    let exploited = if exposure.kev.is_some() { paint(URGENT, " exploited") } else { String::new() };
    let due = exposure.due.map(|at| format!("  due {}", at.strftime("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
    format!(
        "{id} {score}  {} {}  {}{exploited}{due} {}\n",
        exposure.device_title,
        exposure.installed,
        affected,
        paint(FAINT, format!("({})", exposure.said_by.join(", ")))
    )
}
