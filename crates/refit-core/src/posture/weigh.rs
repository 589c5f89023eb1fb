//! One device, title by title.

use super::{
    Access, FINDINGS_MOST, Holds, Known, Open, Question,
    answer::{DeviceAnswer, Finding, Fix, FixAction, PolicyPlace, Reason, ReasonCode, Tolerated},
    known::{Decided, Undecided},
    words,
};
use crate::{
    control::{SlotOutcome, Wanted},
    decide::{Compliance, Hold, Progress},
    policy::document::{policy::Mode, posture::HeldUpdates},
};
use jiff::Timestamp;
use std::cmp::Reverse;

/// What the titles of a device come to.
#[derive(Default)]
struct Sum {
    /// What is overdue, also where nobody knows whether it still is.
    overdue: Vec<Finding>,
    /// What is not.
    due: Vec<Finding>,
    /// The harshest answer for any title of which it is known how it stands.
    known: Option<Access>,
    /// The same for the others, by what was known last.
    unknown: Option<Access>,
    /// Whether something is surely overdue.
    is_overdue: bool,
}

impl Question<'_> {
    /// How a device stands.
    pub(super) fn device(&self, known: &Known, holds: &mut Holds) -> DeviceAnswer {
        let answers = &self.posture.answers;
        let (most, changes) = self.most(&known.zone);
        holds.changes_at(changes, self.now);
        let mut reasons = Vec::new();
        let mut sum = Sum::default();
        let (mut wanted, mut compliant) = (Access::Allow, None);
        match &known.decided {
            Err(undecided) => {
                holds.soon = true;
                reasons.push(words::undecided(*undecided));
                wanted = match undecided {
                    // Nothing that is written obliges anybody.
                    Undecided::NoPolicy => Access::Allow,
                    Undecided::NotYet | Undecided::Failed => answers.starting,
                };
            }
            Ok(decided) => {
                holds.changes_at(decided.next_change, self.now);
                holds.soon |= decided.behind;
                holds.decided = holds.decided.max(Some(decided.at));
                sum = self.sum(known, decided, most, holds);
                let stale = sum.unknown.is_some();
                if let Some(last) = sum.unknown {
                    reasons.push(words::stale(&decided.open));
                    wanted = answers.stale.access().unwrap_or(last);
                }
                wanted = wanted.max(sum.known.unwrap_or(Access::Allow));
                reasons.extend(words::overdue(&sum.overdue));
                if reasons.is_empty() {
                    reasons.push(Reason::new(ReasonCode::Compliant, "nothing is overdue".to_owned()));
                }
                compliant = if sum.is_overdue { Some(false) } else { (!stale).then_some(true) };
            }
        }
        if self.read_only {
            holds.soon = true;
            wanted = answers.read_only.access().unwrap_or(wanted);
            let text = "the server can write nothing, and hears nothing new".to_owned();
            reasons.insert(0, Reason::new(ReasonCode::ReadOnly, text));
        }
        if let Some(quarantine) = &known.quarantined {
            wanted = answers.quarantined.access().unwrap_or(wanted);
            // Nobody knows of which of the two machines it is so.
            compliant = None;
            reasons.insert(0, words::quarantined(quarantine));
        }
        reasons.extend(self.softened(wanted, most));
        let Sum { mut overdue, mut due, .. } = sum;
        let (overdue_count, due_count) = (overdue.len() as u64, due.len() as u64);
        let access = wanted.min(most);
        // What is not known to be so keeps nobody out by its time.
        let by_time = overdue.iter().chain(&due).filter(|finding| !is_unknown(finding.compliance));
        let tolerated_until = by_time.filter_map(|finding| finding.tolerated_until).min();
        overdue.sort_by(|a, b| (Reverse(a.access), a.due, &a.slot).cmp(&(Reverse(b.access), b.due, &b.slot)));
        due.sort_by(|a, b| (a.due.is_none(), a.due, &a.slot).cmp(&(b.due.is_none(), b.due, &b.slot)));
        overdue.truncate(FINDINGS_MOST);
        due.truncate(FINDINGS_MOST);
        let decided = known.decided.as_ref().ok();
        DeviceAnswer {
            device: known.device.to_string(),
            name: known.name.as_ref().map(ToString::to_string),
            access,
            compliant,
            reasons,
            tolerated_until: tolerated_until.filter(|_| access != Access::Block),
            overdue,
            overdue_count,
            due,
            due_count,
            decided_at: decided.map(|decided| decided.at),
            behind: decided.is_some_and(|decided| decided.behind),
        }
    }

    fn sum(&self, known: &Known, decided: &Decided, most: Access, holds: &mut Holds) -> Sum {
        let mut sum = Sum::default();
        for open in &decided.open {
            let outcome = &open.outcome;
            let unknown = is_unknown(outcome.compliance);
            let is_overdue = self.is_overdue(outcome);
            let (wanted, finding) = self.finding(known, open, is_overdue, most);
            holds.changes_at(finding.due, self.now);
            holds.changes_at(finding.tolerated_until, self.now);
            let side = if unknown { &mut sum.unknown } else { &mut sum.known };
            *side = Some(side.map_or(wanted, |other| other.max(wanted)));
            sum.is_overdue |= is_overdue && !unknown && finding.tolerated != Some(Tolerated::Observed);
            if is_overdue {
                sum.overdue.push(finding);
            } else if !unknown || finding.due.is_some() {
                sum.due.push(finding);
            }
        }
        sum
    }

    /// Whether its time has come. What was decided before that may not say so yet.
    fn is_overdue(&self, outcome: &SlotOutcome) -> bool {
        outcome.compliance == Compliance::Overdue || outcome.due.is_some_and(|due| due <= self.now)
    }

    /// What follows for a title, before the strategy limits it, and what is said of it.
    fn finding(&self, known: &Known, open: &Open, is_overdue: bool, most: Access) -> (Access, Finding) {
        let outcome = &open.outcome;
        let mode = outcome.key.as_ref().map(|key| key.mode);
        let blocks = self.blocks_at(known, outcome.due);
        let tolerated = match is_overdue {
            false => None,
            true if mode == Some(Mode::Observe) => Some(Tolerated::Observed),
            true if open.holds.contains(&Hold::Grace) => Some(Tolerated::Grace),
            true if self.posture.held == HeldUpdates::Tolerate && is_held(open) => Some(Tolerated::Held),
            true => blocks.filter(|blocks| *blocks > self.now).map(|_| Tolerated::Time),
        };
        let wanted = match (is_overdue, tolerated) {
            (false, _) | (_, Some(Tolerated::Observed)) => Access::Allow,
            (true, None) => Access::Block,
            (true, Some(_)) => Access::Warn,
        };
        let by_time = mode != Some(Mode::Observe) && matches!(tolerated, None | Some(Tolerated::Time));
        let title = &outcome.slot.title;
        let finding = Finding {
            slot: outcome.slot.clone(),
            installed: outcome.installed.as_ref().map(ToString::to_string),
            compliance: outcome.compliance,
            due: outcome.due,
            because: outcome.due_by.as_ref().map(|by| by.obligation.to_string()),
            exploited: outcome.exposures.iter().any(|(_, exploited)| *exploited),
            fix: fix(open),
            progress: open.progress,
            holds: open.holds.clone(),
            access: wanted.min(most),
            tolerated,
            tolerated_until: blocks.filter(|blocks| by_time && *blocks > self.now),
            policy: outcome.key.as_ref().and_then(|key| self.place(&key.policy)),
            explanation: format!(
                "/api/v1/devices/{}/explanation?title={}",
                known.device,
                words::in_query(title.as_str())
            ),
        };
        (wanted, finding)
    }

    /// From when on something that is due then blocks; `None` is never.
    fn blocks_at(&self, known: &Known, due: Option<Timestamp>) -> Option<Timestamp> {
        let tolerated = due?.checked_add(self.posture.tolerate).unwrap_or(Timestamp::MAX);
        self.blocks_from(&known.zone).map(|from| from.max(tolerated))
    }

    fn place(&self, policy: &str) -> Option<PolicyPlace> {
        let policy = self.repository?.policy(policy)?;
        Some(PolicyPlace {
            name: policy.name.to_string(),
            file: policy.origin.file.to_string(),
            line: policy.origin.line as u64,
            owner: policy.owner.as_ref().map(ToString::to_string),
            why: policy.why.as_ref().map(ToString::to_string),
        })
    }
}

/// Whether nobody knows how it stands.
pub(super) fn is_unknown(compliance: Compliance) -> bool {
    matches!(compliance, Compliance::Unseen | Compliance::Undetermined)
}

/// Whether something keeps it from being done that nobody at the device can change.
fn is_held(open: &Open) -> bool {
    !open.holds.is_empty() || matches!(open.progress, Progress::Waiting | Progress::AwaitingContent)
}

/// What puts a title right.
fn fix(open: &Open) -> Fix {
    let outcome = &open.outcome;
    let title = outcome.slot.title.as_str();
    let said = |action, version: Option<String>, text: String| Fix { action, version, text };
    let (goal, admitted) =
        outcome.key.as_ref().map_or((&Wanted::Nothing, &Wanted::Nothing), |key| (&key.goal, &key.admitted));
    if is_unknown(outcome.compliance) {
        return said(FixAction::Report, None, "the device has to report what is on it".to_owned());
    }
    if open.progress == Progress::RestartPending {
        return said(FixAction::Restart, None, format!("restart the device: the update of {title} is there"));
    }
    if outcome.compliance == Compliance::Unsupported {
        let text = format!("replace the device: no release of {title} that satisfies will be offered to it");
        return said(FixAction::Replace, None, text);
    }
    match (goal, admitted) {
        (Wanted::Absent, _) => said(FixAction::Remove, None, format!("remove {title}")),
        (_, Wanted::Release(version)) => {
            let (action, verb) = match outcome.installed {
                Some(_) => (FixAction::Update, "update"),
                None => (FixAction::Install, "install"),
            };
            let to = if outcome.installed.is_some() {
                format!("{title} to {version}")
            } else {
                format!("{title} {version}")
            };
            said(action, Some(version.to_string()), format!("{verb} {to}"))
        }
        (Wanted::Release(version), _) => {
            let text = format!("wait: {title} {version} may not come onto this device yet");
            said(FixAction::Wait, Some(version.to_string()), text)
        }
        (Wanted::Nothing, _) => said(FixAction::Wait, None, format!("wait: no release of {title} satisfies yet")),
    }
}
