//! Content is read before the writer takes the event that names it: many megabytes of it would keep everybody waiting.

use super::{Shell, TellError};
use refit_core::control::{Input, PlanKind, PlanStatus, Prepared};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What a content is.
#[derive(Clone, Copy)]
enum Kind {
    Repository,
    Advisories,
}

impl Shell {
    /// Reads what the events that will come of an input will name, on a thread of its own. What can't be read is left to the
    /// writer, who says so.
    pub(super) async fn prepare(&self, input: &Input) -> Result<BTreeMap<SmolStr, Prepared>, TellError> {
        let Some((digest, kind)) = self.named(input) else { return Ok(BTreeMap::new()) };
        let Some(blob) = self.store().blob(&digest).await? else { return Ok(BTreeMap::new()) };
        let catalog = self.catalog().clone();
        let (reply, answer) = tokio::sync::oneshot::channel();
        let work = move || {
            crate::background::yield_to_others();
            let read = match kind {
                Kind::Repository => Prepared::repository(blob.body(), &catalog),
                Kind::Advisories => Prepared::advisories(blob.body()),
            };
            let _ = reply.send(read);
        };
        let started = std::thread::Builder::new().name("content".into()).spawn(work);
        started.map_err(|error| TellError::Other(format!("no thread to read content: {error}")))?;
        let read = answer.await.map_err(|_| TellError::Other("reading a content has failed".into()))?;
        Ok(read.map(|read| (digest, read)).into_iter().collect())
    }

    /// The content that will be named, where it has to be read.
    fn named(&self, input: &Input) -> Option<(SmolStr, Kind)> {
        let view = self.view();
        match input {
            Input::Matched { distribution, content, .. } => {
                let known = view.state.distributions.get(distribution).is_some_and(|known| known.content == *content);
                (!known).then(|| (content.clone(), Kind::Advisories))
            }
            Input::Apply { plan, .. } => {
                let plan = view.state.plans.get(plan)?;
                let may_be_applied = matches!(plan.status, PlanStatus::Open | PlanStatus::Approved);
                match &plan.kind {
                    PlanKind::Policy { files, .. } if may_be_applied => Some((files.clone(), Kind::Repository)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
