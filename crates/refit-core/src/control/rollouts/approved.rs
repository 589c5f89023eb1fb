//! What people answered, in other systems, of releases that wait for them.

use super::{
    super::event::ApprovalAnswered,
    record::{Happened, Moment, Rollouts},
};
use jiff::Timestamp;
use refit_model::TitleId;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// What people answered in a process; the last answer counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// The release.
    pub version: SmolStr,
    /// The rollout.
    pub rollout: SmolStr,
    /// The platform; `None` is every platform.
    pub platform: Option<SmolStr>,
    /// The process.
    pub process: SmolStr,
    /// Whether they agree.
    pub agrees: bool,
    /// What is written down of it there.
    pub why: SmolStr,
    /// When it was heard.
    pub at: Timestamp,
}

impl Rollouts {
    /// What people answered of a release in a rollout, in a process; `None` where they have not.
    pub fn approval(
        &self,
        (title, version): (&TitleId, &str),
        (rollout, platform): (&str, Option<&str>),
        process: &str,
    ) -> Option<&ApprovalRecord> {
        self.approvals.get(title)?.iter().find(|known| {
            (known.version.as_str(), known.rollout.as_str(), known.process.as_str()) == (version, rollout, process)
                && known.platform.as_deref() == platform
        })
    }

    pub(in super::super) fn approval_answered(&mut self, seq: u64, at: Timestamp, answered: &ApprovalAnswered) {
        let ApprovalAnswered { title, version, rollout, platform, process, agrees, why } = answered.clone();
        let what = Happened::Approved { rollout: rollout.clone(), process: process.clone(), agrees, why: why.clone() };
        self.note(&title, Moment { seq, at, version: version.clone(), platform: platform.clone(), what });
        let list = Arc::make_mut(self.approvals.entry(title).or_default());
        list.retain(|known| {
            (&known.version, &known.rollout, &known.platform, &known.process)
                != (&version, &rollout, &platform, &process)
        });
        list.push(ApprovalRecord { version, rollout, platform, process, agrees, why, at });
    }
}
