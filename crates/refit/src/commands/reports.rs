//! `refit reports`: what people say is broken, and what is answered.

use crate::{
    Exit,
    cli::{Cli, ReportsArgs, ReportsCommand},
    remote::{self, connect},
    terminal,
};
use anyhow::Result;
use refit_api::{CloseReport, NewReport, Written};
use refit_core::control::{ReportOutcome, ReportStatus};

pub fn run(cli: &Cli, args: &ReportsArgs) -> Result<Exit> {
    let client = connect(cli)?;
    match &args.command {
        None => {
            let mut reports = client.reports(None, args.title.as_deref())?;
            reports.retain(|report| args.all || report.status != ReportStatus::Closed);
            match cli.json {
                true => terminal::json(&serde_json::json!({ "reports": reports }))?,
                false => terminal::print(&remote::reports(&reports))?,
            }
        }
        Some(ReportsCommand::Show { report }) => {
            let report = client.report(report)?;
            match cli.json {
                true => terminal::json(&report)?,
                false => terminal::print(&remote::report(&report))?,
            }
        }
        Some(ReportsCommand::Open { words, device, person, title }) => {
            let report = NewReport {
                device: device.clone(),
                person: person.clone(),
                title: title.clone(),
                since: None,
                words: words.clone(),
            };
            let written = client.open_report(&report)?;
            let id = written.id.clone().unwrap_or_default();
            said(cli, &written, &format!("report {id} is open"))?;
        }
        Some(ReportsCommand::Acknowledge { report }) => {
            said(cli, &client.acknowledge_report(report)?, &format!("you look at report {report}"))?;
        }
        Some(ReportsCommand::Close { report, outcome, why, title, version }) => {
            let close = CloseReport {
                outcome: (*outcome).into(),
                title: title.clone(),
                version: version.clone(),
                why: why.clone(),
            };
            let closed = client.close_report(report, &close)?;
            if cli.json {
                terminal::json(&closed)?;
                return Ok(Exit::Done);
            }
            let already = if closed.changed { "" } else { " (it was so before)" };
            let halted = if closed.halted { "; the release is halted" } else { "" };
            terminal::print(&format!("report {report} is closed{already}{halted}\n"))?;
            if close.outcome == ReportOutcome::Block {
                terminal::print(&format!("Block it for good:  refit reports patch {report} | git apply\n"))?;
            }
        }
        Some(ReportsCommand::Patch { report }) => {
            let patch = client.report_patch(report)?;
            match cli.json {
                true => terminal::json(&patch)?,
                false => terminal::print(&patch.diff)?,
            }
        }
    }
    Ok(Exit::Done)
}

fn said(cli: &Cli, written: &Written, what: &str) -> Result<()> {
    if cli.json {
        return terminal::json(written);
    }
    let already = if written.changed { "" } else { " (it was so before)" };
    terminal::print(&format!("{what}{already}\n"))
}
