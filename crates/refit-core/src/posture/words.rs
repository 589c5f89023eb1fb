//! Reasons for people.

use super::{
    Access, Open,
    answer::{DeviceAnswer, Finding, Reason, ReasonCode, Tolerated},
    known::Undecided,
    weigh::is_unknown,
};
use crate::{
    control::Quarantine,
    decide::Compliance,
    policy::{document::posture::HowMany, repository::Strategy},
};
use std::fmt::Write as _;

/// How many titles are named in a sentence.
const NAMED: usize = 3;

/// Why nothing is decided.
pub(super) fn undecided(undecided: Undecided) -> Reason {
    let text = match undecided {
        Undecided::NoPolicy => "no policy is in force: nothing obliges this device",
        Undecided::NotYet => {
            "nothing is decided of this device yet: the server has just started, or the device has just arrived"
        }
        Undecided::Failed => "this device could not be decided, because of a mistake in the program",
    };
    Reason::new(ReasonCode::Starting, text.to_owned())
}

/// What is not known of a device.
pub(super) fn stale(open: &[Open]) -> Reason {
    let unseen = open.iter().any(|open| open.outcome.compliance == Compliance::Unseen);
    let text = if unseen {
        "this device was seen too long ago to say how it stands".to_owned()
    } else {
        let unknown = open.iter().filter(|open| open.outcome.compliance == Compliance::Undetermined);
        let titles = unknown.map(|open| open.outcome.slot.title.as_str());
        format!("whether a policy applies is unknown, for want of a fact: {}", named(titles))
    };
    Reason::new(ReasonCode::Stale, text)
}

/// That two machines report as one device.
pub(super) fn quarantined(quarantine: &Quarantine) -> Reason {
    let text = format!("two machines report as this device since {:.0} ({})", quarantine.since, quarantine.because);
    Reason::new(ReasonCode::Quarantined, text)
}

/// What is overdue, and what of it is tolerated; what policies only observe is listed, and is no reason.
pub(super) fn overdue(findings: &[Finding]) -> Vec<Reason> {
    let known = findings.iter().filter(|finding| !is_unknown(finding.compliance));
    let counting = known.filter(|finding| finding.tolerated != Some(Tolerated::Observed));
    let (tolerated, overdue): (Vec<&Finding>, Vec<&Finding>) =
        counting.partition(|finding| finding.tolerated.is_some());
    let mut reasons = Vec::new();
    if !overdue.is_empty() {
        reasons.push(Reason::new(ReasonCode::Overdue, since(&overdue)));
    }
    if !tolerated.is_empty() {
        let mut text = since(&tolerated);
        let until = tolerated.iter().filter_map(|finding| finding.tolerated_until).min();
        let all = |why: Tolerated| tolerated.iter().all(|finding| finding.tolerated == Some(why));
        let _ = match until {
            Some(until) => write!(text, "; tolerated until {until:.0}"),
            None if all(Tolerated::Grace) => write!(text, "; tolerated for a while: the device has just returned"),
            None => write!(text, "; tolerated, because something keeps it from being put right"),
        };
        reasons.push(Reason::new(ReasonCode::Tolerated, text));
    }
    reasons
}

/// `firefox is overdue since 2026-11-20T08:00:00Z`.
fn since(findings: &[&Finding]) -> String {
    let first = findings.iter().filter_map(|finding| finding.due).min();
    let first = first.map(|first| format!(" since {first:.0}")).unwrap_or_default();
    let mut sorted: Vec<&&Finding> = findings.iter().collect();
    sorted.sort_by(|a, b| (a.due, &a.slot).cmp(&(b.due, &b.slot)));
    let titles = named(sorted.iter().map(|finding| finding.slot.title.as_str()));
    match findings {
        [_] => format!("{titles} is overdue{first}"),
        _ => format!("{} titles are overdue, the first{first}: {titles}", findings.len()),
    }
}

/// The first few, and how many more.
fn named<'t>(titles: impl Iterator<Item = &'t str>) -> String {
    let mut titles: Vec<&str> = titles.collect();
    // A title that is there several times is named once.
    titles.dedup();
    let more = titles.len().saturating_sub(NAMED);
    titles.truncate(NAMED);
    let first = titles.join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// How several devices count together.
pub(super) fn several(devices: &[DeviceAnswer], which: HowMany) -> Reason {
    let count = |access: Access| devices.iter().filter(|device| device.access == access).count();
    let counted = match which {
        HowMany::All => "the worst counts",
        HowMany::Any => "the best counts",
    };
    let (allow, warn, block) = (count(Access::Allow), count(Access::Warn), count(Access::Block));
    let text = format!("of {} devices {counted}: {allow} to allow, {warn} to warn, {block} to block", devices.len());
    Reason::new(ReasonCode::SeveralDevices, text)
}

/// That the strategy permits less than would follow.
pub(super) fn softened(strategy: Strategy, most: Access) -> Reason {
    let text = match (strategy, most) {
        (Strategy::WarnThenBlock(day), _) => format!("nobody is kept out before {day}"),
        (_, Access::Allow) => "the strategy is to tell: everybody is let in".to_owned(),
        (_, _) => "the strategy is to warn: nobody is kept out".to_owned(),
    };
    Reason::new(ReasonCode::Strategy, text)
}

/// A text as the value of a query: what means something there is escaped.
pub(super) fn in_query(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut query, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            query.push(char::from(byte));
        } else {
            let _ = write!(query, "%{byte:02X}");
        }
        query
    })
}
