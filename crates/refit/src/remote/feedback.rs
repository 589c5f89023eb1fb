//! Reports and exceptions, as people read them.

use super::word;
use crate::{
    repository::counted,
    terminal::{CHANGE, FAINT, HEADING, URGENT, paint},
};
use refit_api::{ExceptionSaid, ReportSaid};
use std::fmt::Write as _;

/// Each report in two lines: what it is about, and the likeliest cause.
pub fn reports(reports: &[ReportSaid]) -> String {
    let mut text = String::new();
    for report in reports {
        let _ = writeln!(text, "{} {}", paint(HEADING, &report.report), headline(report));
        let cause = report.changes.first().map_or("nothing was changed in the 72 hours before", |it| it.says.as_str());
        let _ = writeln!(text, "  {}", paint(FAINT, cause));
    }
    let _ = writeln!(text, "{}", counted(reports.len(), "report"));
    text
}

fn headline(report: &ReportSaid) -> String {
    let about = report.title.as_ref().map_or_else(String::new, |title| format!(" about {title}"));
    let owner = report.owner.as_ref().map_or_else(|| "nobody answers for it".to_owned(), |who| format!("for {who}"));
    let status = paint(CHANGE, word(&report.status));
    format!("{status}: {}{about} on {} since {:.0}", owner, report.device, report.since)
}

/// A report with all that is known of it.
pub fn report(report: &ReportSaid) -> String {
    let mut text = format!("{} {}\n", paint(HEADING, &report.report), headline(report));
    if let Some(words) = &report.words {
        let line: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(text, "  said: {line}");
    }
    if let Some(by) = &report.by {
        let _ = writeln!(text, "  passed on by {by}");
    }
    for (place, change) in report.changes.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", place + 1, change.says);
    }
    if report.changes.is_empty() {
        let _ = writeln!(text, "  nothing was changed in the 72 hours before");
    }
    if let Some(by) = &report.acknowledged_by {
        let _ = writeln!(text, "  {by} looks at it");
    }
    if let Some(closed) = &report.closed {
        let release = match (&closed.title, &closed.version) {
            (Some(title), Some(version)) => format!(" of {title} {version}"),
            (Some(title), None) => format!(" of {title}"),
            _ => String::new(),
        };
        let what = paint(CHANGE, word(&closed.outcome));
        let _ = writeln!(text, "  closed by {} with {what}{release} at {:.0}: {}", closed.by, closed.at, closed.why);
        let shown =
            report.shown.map_or("not shown on the device yet".to_owned(), |at| format!("shown there at {at:.0}"));
        let _ = writeln!(text, "  {}", paint(FAINT, shown));
    }
    text
}

/// Each exception in a line.
pub fn exceptions(exceptions: &[ExceptionSaid]) -> String {
    let mut text = String::new();
    for exception in exceptions {
        let _ = writeln!(text, "{}", line(exception));
    }
    let _ = writeln!(text, "{}", counted(exceptions.len(), "exception"));
    text
}

fn line(exception: &ExceptionSaid) -> String {
    let name = paint(HEADING, &exception.exception);
    let slots = counted(usize::try_from(exception.acts_on).unwrap_or(usize::MAX), "slot");
    let how = match (&exception.request, exception.in_repository) {
        (_, true) => "in the repository".to_owned(),
        (Some(request), false) => paint(CHANGE, word(&request.status)),
        (None, false) => "in force".to_owned(),
    };
    format!("{name}: {how}, until {}, acts on {slots}", exception.until)
}

/// An exception with all that is known of it.
pub fn exception(exception: &ExceptionSaid) -> String {
    let mut text = format!("{}\n", line(exception));
    if let Some(why) = &exception.why {
        let _ = writeln!(text, "  {why}");
    }
    let Some(request) = &exception.request else { return text };
    let _ = writeln!(text, "  asked for by {} at {:.0}, under the rule `{}`", request.by, request.at, request.rule);
    for (who, at) in &request.approvals {
        let _ = writeln!(text, "  {who} agreed at {at:.0}");
    }
    if request.kev {
        let _ = writeln!(text, "  {}", paint(URGENT, "something that is known to be exploited was open"));
    }
    if request.decided.is_none() && !request.approvers.is_empty() {
        let _ = writeln!(text, "  may be granted by {}", request.approvers.join(", "));
    }
    if let (Some(who), Some(why)) = (&request.ended_by, &request.because) {
        let _ = writeln!(text, "  ended by {who}: {why}");
    }
    let _ = write!(text, "\n{}", request.document);
    text
}
