//! `refit import`: what other systems have, as policy. Here a calendar; configurations in `import/configuration.rs`.

mod configuration;

pub use configuration::{intune, jamf, munki, unattended_upgrades};

use crate::{
    Exit, Refused,
    calendar_days::{Days, LeftOut, days},
    cli::{Cli, ImportCalendarArgs},
    repository::counted,
    terminal::{self, URGENT},
};
use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
};

/// So large a calendar may be: the holidays of all countries for a century are a tenth of it.
const LARGEST: u64 = 16 << 20;

/// `refit import calendar --json`
#[derive(Serialize)]
struct Report {
    from: Date,
    to: Date,
    freezes: Vec<Freeze>,
    left_out: Vec<LeftOut>,
}

/// A freeze as `refit.yaml` has it.
#[derive(Serialize)]
struct Freeze {
    name: String,
    from: Date,
    to: Date,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unless: Option<String>,
}

pub fn calendar(cli: &Cli, args: &ImportCalendarArgs) -> Result<Exit> {
    args.condition.as_deref().map_or(Ok(()), configuration::is_condition)?;
    let name = args.calendar.display().to_string();
    let text = read(&name)?;
    let from = args.from.unwrap_or_else(|| TimeZone::UTC.to_datetime(Timestamp::now()).date());
    let to = args.to.unwrap_or_else(|| from.saturating_add(1.year()));
    if to < from {
        return Err(Refused::usage(format!("--to {to} is before --from {from}")));
    }
    let Some(found) = days(&text, from, to) else {
        return Err(Refused::no(format!(
            "{name}: there is no calendar in it (iCalendar begins with `BEGIN:VCALENDAR`)"
        )));
    };
    // Each freeze has a name of its own, the same whenever this is run: with the day. Of two that share it the longer has the other in it.
    let mut wanted: BTreeMap<(Date, String), Date> = BTreeMap::new();
    for days in found.days.into_iter().filter(|days| is_wanted(days, &args.only)) {
        let to = wanted.entry((days.from, days.name)).or_insert(days.to);
        *to = days.to.max(*to);
    }
    let freezes = wanted.into_iter().map(|((from, name), to)| Freeze {
        name: format!("{name} {from}"),
        from,
        to,
        condition: args.condition.clone(),
        unless: args.unless.clone(),
    });
    let report = Report { from, to, freezes: freezes.collect(), left_out: found.left_out };
    // Half a calendar is no calendar: whoever uses what is printed has to see that something is missing.
    let exit = if report.left_out.is_empty() { Exit::Done } else { Exit::No };
    if cli.json {
        terminal::json(&report)?;
        return Ok(exit);
    }
    terminal::print(&yaml(&name, &report, found.events)?)?;
    for LeftOut { event, why } in &report.left_out {
        terminal::note(format!("{}  {event}: {why}", terminal::paint(URGENT, "left out")));
    }
    Ok(exit)
}

fn is_wanted(days: &Days, only: &[String]) -> bool {
    let name = days.name.to_lowercase();
    let is = |text: &String| {
        let text = text.to_lowercase();
        name.contains(&text) || days.categories.iter().any(|category| category.to_lowercase() == text)
    };
    only.is_empty() || only.iter().any(is)
}

/// Texts are written as JSON has them, which is YAML too.
fn yaml(name: &str, report: &Report, events: usize) -> Result<String> {
    let Report { from, to, freezes, .. } = report;
    let name = name.replace(char::is_control, " ");
    let mut text = format!("# Days of {name} from {from} to {to}, of {}.\n", counted(events, "event"));
    text += if freezes.is_empty() { "freezes: []\n" } else { "freezes:\n" };
    for freeze in freezes {
        let mut entry = format!("name: {}, from: {}, to: {}", quoted(&freeze.name)?, freeze.from, freeze.to);
        for (key, condition) in [("where", &freeze.condition), ("unless", &freeze.unless)] {
            if let Some(condition) = condition {
                entry += &format!(", {key}: {}", quoted(condition)?);
            }
        }
        text += &format!("  - {{ {entry} }}\n");
    }
    Ok(text)
}

fn quoted(text: &str) -> Result<String> {
    Ok(serde_json::to_string(text)?)
}

fn read(name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let read = if name == "-" {
        std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)
    } else {
        match File::open(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Refused::usage(format!("there is no file `{name}`")));
            }
            file => file.with_context(|| name.to_owned())?.take(LARGEST + 1).read_to_end(&mut bytes),
        }
    };
    read.with_context(|| name.to_owned())?;
    if bytes.len() as u64 > LARGEST {
        return Err(Refused::no(format!("{name}: it is larger than {} MiB, which no calendar is", LARGEST >> 20)));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
