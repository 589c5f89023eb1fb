//! What a policy revision would change, worked out on a view that does not change, on a thread of its own: a long plan keeps
//! nobody waiting.

use super::{Shell, TellError};
use refit_core::{
    control::{FleetPlan, fleet_plan},
    policy::repository::Repository,
};
use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// How far a plan has come, and a way to stop it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct PlanProgress {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    done: AtomicU64,
    of: AtomicU64,
    cancelled: AtomicBool,
}

impl PlanProgress {
    /// Devices that have been looked at, and how many there are.
    pub fn devices(&self) -> (u64, u64) {
        (self.inner.done.load(Ordering::Relaxed), self.inner.of.load(Ordering::Relaxed))
    }

    /// Stops the plan before its next device.
    pub fn cancel(&self) {
        self.inner.cancelled.store(true, Ordering::Relaxed);
    }

    fn note(&self, done: u64, of: u64) -> ControlFlow<()> {
        self.inner.done.store(done, Ordering::Relaxed);
        self.inner.of.store(of, Ordering::Relaxed);
        if self.inner.cancelled.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Stops the plan when whoever waits for it has gone.
struct CancelOnDrop(Option<PlanProgress>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(progress) = self.0.take() {
            progress.cancel();
        }
    }
}

impl Shell {
    /// Works out what a policy repository would change if it were applied now; `None` if `progress` was told to stop.
    /// Dropping the future stops it too.
    pub async fn plan_fleet(
        &self,
        repository: Arc<Repository>,
        policy_hash: String,
        progress: PlanProgress,
    ) -> Result<Option<FleetPlan>, TellError> {
        let (view, now) = (self.view(), self.now());
        let mut guard = CancelOnDrop(Some(progress.clone()));
        let work = move || {
            crate::background::yield_to_others();
            // What was granted acts under the next revision too, where that does not say it itself.
            let repository = view.state.exceptions.granted_into(repository);
            fleet_plan(&view.state, repository, &policy_hash, now, |done, of| progress.note(done, of))
        };
        let (reply, answer) = tokio::sync::oneshot::channel();
        let started = std::thread::Builder::new().name("plan".into()).spawn(move || {
            let _ = reply.send(work());
        });
        started.map_err(|error| TellError::Other(format!("no thread for the plan: {error}")))?;
        let plan = answer.await.map_err(|_| TellError::Other("working out the plan failed".into()))?;
        guard.0 = None;
        Ok(plan)
    }
}
