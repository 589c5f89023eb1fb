//! A plan as people read it: grouped by policy, what is urgent first, a summary at the end.

use crate::terminal::{ADD, CHANGE, FAINT, HEADING, REMOVE, URGENT, paint};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    decide::Compliance,
    plan::{Action, Closed, Item, Plan, moment},
    policy::document::policy::Mode,
};
use std::fmt::Write;

/// How many titles of one list are shown where nobody asked for all.
const SHOWN: usize = 40;

/// The plan as text, with colours.
pub fn render(plan: &Plan, zone: &TimeZone, all: bool) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", paint(HEADING, format!("Plan for {}", plan.hostname)));
    for note in &plan.notes {
        let _ = writeln!(text, "  {} {note}", paint(CHANGE, "note:"));
    }
    for group in &plan.groups {
        let mode = match group.mode {
            Mode::Enforce => "",
            Mode::Notify => ", notifies only",
            Mode::Observe => ", observes only",
        };
        let origin = format!("({}:{}{mode})", group.origin.file, group.origin.line);
        let _ = writeln!(text, "\n{} {}", paint(HEADING, &group.policy), paint(FAINT, origin));
        let most = if all { usize::MAX } else { SHOWN };
        for item in group.changes.iter().take(most) {
            text += &change(item, plan.made_at, zone);
        }
        text += &more(group.changes.len(), most);
        if !group.later.is_empty() {
            let _ = writeln!(text, "  {}", paint(FAINT, "not now:"));
            for item in group.later.iter().take(most) {
                text += &later(item, plan.made_at, zone);
            }
            text += &more(group.later.len(), most);
        }
    }
    text += &summary(plan);
    text
}

fn more(number: usize, most: usize) -> String {
    match number.checked_sub(most) {
        Some(more) if more > 0 => format!("    {}\n", paint(FAINT, format!("… and {more} more (--all lists them)"))),
        _ => String::new(),
    }
}

fn change(item: &Item, now: Timestamp, zone: &TimeZone) -> String {
    let (sign, style) = match item.action {
        Action::Install => ("+", ADD),
        Action::Upgrade => ("~", CHANGE),
        Action::Downgrade => ("v", CHANGE),
        Action::Repair => ("!", CHANGE),
        Action::Remove => ("-", REMOVE),
        Action::None => (" ", FAINT),
    };
    let mut line = format!("  {} {}  {}", paint(style, sign), paint(style, &item.title), versions(item));
    if item.compliance == Compliance::Unmanaged {
        let why = match (&item.needed_by, &item.because) {
            (Some(other), _) if item.action == Action::Remove => format!("(gives way to {other})"),
            (Some(other), _) => format!("(needed by {other})"),
            (None, because) => format!("({})", because.as_deref().unwrap_or_default()),
        };
        let _ = writeln!(line, "  {}", paint(FAINT, why));
        return line;
    }
    let _ = writeln!(line, "  {}", due(item, now, zone));
    line + &reasons(item)
}

/// `1.0 → 2.0`; what is there and not in order says so.
fn versions(item: &Item) -> String {
    let from = match (&item.from, &item.state) {
        (Some(from), Some(state)) => Some(format!("{from} ({state})")),
        (from, _) => from.clone(),
    };
    match (from, &item.to) {
        (Some(from), _) if item.action == Action::Repair => from,
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (Some(from), None) => from,
        (None, to) => to.clone().unwrap_or_else(|| "absent".to_owned()),
    }
}

fn later(item: &Item, now: Timestamp, zone: &TimeZone) -> String {
    let mut line = format!("  · {}  {}  {}\n", item.title, versions(item), due(item, now, zone));
    for why in &item.not_now {
        let _ = writeln!(line, "      {}", paint(CHANGE, why));
    }
    line + &reasons(item)
}

/// By when, in words.
fn due(item: &Item, now: Timestamp, zone: &TimeZone) -> String {
    match (item.compliance, item.due) {
        (Compliance::Unsupported, Some(at)) => {
            paint(URGENT, format!("unsupported: no release will be offered; to be replaced by {}", moment(at, zone)))
        }
        (_, None) => paint(FAINT, "no due time"),
        (_, Some(at)) if at <= now => {
            paint(URGENT, format!("overdue since {} ({})", moment(at, zone), length(now.duration_since(at))))
        }
        (_, Some(at)) => {
            format!("due {} {}", moment(at, zone), paint(FAINT, format!("(in {})", length(at.duration_since(now)))))
        }
    }
}

fn reasons(item: &Item) -> String {
    let mut text = String::new();
    if !item.closes.is_empty() {
        let shown: Vec<String> = item.closes.iter().take(4).map(closed).collect();
        let more = item.closes.len().saturating_sub(4);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "      closes {}{more}", shown.join(", "));
    } else if let Some(because) = &item.because {
        let _ = writeln!(text, "      {}", paint(FAINT, because));
    }
    text
}

fn closed(closed: &Closed) -> String {
    let score = closed.cvss.map(|cvss| format!(" {cvss:.1}")).unwrap_or_default();
    if closed.kev {
        paint(URGENT, format!("{}{score} exploited", closed.id))
    } else {
        format!("{}{}", closed.id, paint(FAINT, score))
    }
}

/// A length of time in its two largest units: `2 d 4 h`.
pub fn length(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) if minutes > 0 => format!("{hours} h {minutes} min"),
        (0, _) => format!("{hours} h"),
        (_, 0) => format!("{days} d"),
        _ => format!("{days} d {hours} h"),
    }
}

fn summary(plan: &Plan) -> String {
    let summary = &plan.summary;
    let mut text = String::from("\n");
    if plan.is_empty() {
        let _ = write!(text, "{}", paint(HEADING, "Nothing to change now."));
    } else {
        let _ = write!(
            text,
            "{} {} to add, {} to change, {} to remove",
            paint(HEADING, "Plan:"),
            summary.install,
            summary.upgrade,
            summary.remove
        );
        if summary.closes > 0 {
            let exploited = match summary.closes_kev {
                0 => String::new(),
                number => paint(URGENT, format!(", {number} of them exploited")),
            };
            let _ = write!(text, "; closes {} exposure{}{exploited}", summary.closes, plural(summary.closes));
        }
        text.push('.');
    }
    let mut rest = Vec::new();
    if summary.overdue > 0 {
        rest.push(paint(URGENT, format!("{} overdue", summary.overdue)));
    }
    if summary.later > 0 {
        rest.push(format!("{} not now", summary.later));
    }
    rest.push(format!("{} compliant", summary.compliant));
    if summary.unmanaged > 0 {
        rest.push(format!("{} unmanaged", summary.unmanaged));
    }
    if summary.undetermined > 0 {
        rest.push(format!("{} undetermined", summary.undetermined));
    }
    let _ = writeln!(text, " {}", rest.join(", "));
    text
}

fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}
