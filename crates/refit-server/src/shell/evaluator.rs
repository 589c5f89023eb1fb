//! The thread that decides devices, on views that do not change meanwhile. What it finds goes to the writer as an input; the
//! board follows once the writer has taken it.

use super::{
    Shared, TellError,
    writer::{Asked, Job},
};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Actor, Board, Evaluation, Evaluator, Input, PlanId, Terms};
use refit_model::DeviceId;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// The most devices that are handed to the writer at once.
const DEVICES_MOST: usize = 64;
/// The most devices that are looked for at once.
const DUE_MOST: usize = 4_096;
/// How long one batch is worked on at most, unless a single device takes longer: what is new is seen soon.
const BATCH_MOST: Duration = Duration::from_millis(250);
/// How long the writer may be busy with a batch: if it takes longer, the next is smaller.
const WRITER_MOST: Duration = Duration::from_millis(5);
/// How long to wait at most before looking again.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait after a look, in multiples of how long it took: with many devices, looking is not all that is done.
const REST: u32 = 4;

/// Starts the thread.
pub(super) fn start(shared: Arc<Shared>, jobs: mpsc::WeakSender<Job>) -> Result<(), TellError> {
    let failed = |error: std::io::Error| TellError::Other(format!("the evaluator can't be started: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(failed)?;
    let deciding = Deciding {
        shared,
        jobs,
        board: Board::default(),
        evaluator: Evaluator::default(),
        batch: DEVICES_MOST,
        last: None,
    };
    let run = move || {
        crate::background::yield_to_others();
        runtime.block_on(deciding.run());
    };
    std::thread::Builder::new().name("evaluator".into()).spawn(run).map_err(failed)?;
    Ok(())
}

struct Deciding {
    shared: Arc<Shared>,
    jobs: mpsc::WeakSender<Job>,
    board: Board,
    evaluator: Evaluator,
    /// How many devices are handed over at once.
    batch: usize,
    /// The last device that was found to be due: the next look begins after it.
    last: Option<DeviceId>,
}

/// The shell has ended.
struct Ended;

impl Deciding {
    async fn run(mut self) {
        let mut head = self.shared.head.subscribe();
        let mut ended = self.shared.ended.subscribe();
        loop {
            head.mark_unchanged();
            let begun = Instant::now();
            let view = self.shared.view();
            let now = self.shared.now(&view.state);
            let due = self.board.due_after(&view.state, now, DUE_MOST, self.last.as_ref());
            let looked = begun.elapsed();
            self.shared.metrics.due.set(i64::try_from(due.len()).unwrap_or(i64::MAX));
            if let Some(last) = due.last() {
                self.last = Some(last.clone());
                drop(view);
                if self.decide(due).await.is_err() {
                    return;
                }
                continue;
            }
            self.shared.settled.send_replace(view.state.seq);
            let wait = self.wait(now);
            drop(view);
            tokio::select! {
                _ = ended.wait_for(Option::is_some) => return,
                () = tokio::time::sleep(wait) => {}
                changed = head.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(looked * REST).await;
        }
    }

    /// How long nothing will happen by itself.
    fn wait(&self, now: Timestamp) -> Duration {
        // What lies in the past and is not due belongs to devices that are gone.
        let wake = self.board.wake().map(|at| at.duration_since(now)).filter(|wait| wait.is_positive());
        let wait = wake.unwrap_or(SignedDuration::MAX);
        Duration::try_from(wait).map_or(LOOK_EVERY, |wait| wait.min(LOOK_EVERY))
    }

    /// Decides these devices, in batches, each on what is newest then.
    async fn decide(&mut self, due: Vec<DeviceId>) -> Result<(), Ended> {
        let mut due = due.into_iter().peekable();
        while due.peek().is_some() {
            if self.shared.ended.borrow().is_some() {
                return Err(Ended);
            }
            let begun = Instant::now();
            let view = self.shared.view();
            let now = self.shared.now(&view.state);
            let Some(terms) = Terms::in_force(&view.state) else { return Ok(()) };
            let mut decided: Vec<Evaluation> = Vec::new();
            while decided.len() < self.batch
                && (decided.is_empty() || begun.elapsed() < BATCH_MOST)
                && let Some(id) = due.next()
            {
                if let Some(record) = view.state.device(&id) {
                    decided.push(self.evaluator.evaluate(&view.state, &terms, record, now));
                }
            }
            drop(view);
            if decided.is_empty() {
                continue;
            }
            self.hand_over(decided).await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self, decided: Vec<Evaluation>) -> Result<(), Ended> {
        let plan = PlanId::new(uuid::Uuid::now_v7().to_string());
        let input = Input::Evaluated { plan, devices: decided.clone() };
        let (reply, answer) = oneshot::channel();
        let asked = Asked { actor: Actor::server(), input, request: None, queued: Instant::now(), reply };
        let jobs = self.jobs.upgrade().ok_or(Ended)?;
        jobs.send(Job::Tell(Box::new(asked))).await.map_err(|_| Ended)?;
        drop(jobs);
        match answer.await {
            Ok(Ok(done)) => {
                self.shared.metrics.evaluated.inc_by(decided.len() as u64);
                if done.took > WRITER_MOST {
                    self.batch = (self.batch / 2).max(1);
                } else if done.took < WRITER_MOST / 4 {
                    self.batch = (self.batch * 2).min(DEVICES_MOST);
                }
                self.board.update(&decided);
                self.shared.show(|view| view.board = self.board.clone());
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "what was decided could not be logged; it is decided again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(_) => return Err(Ended),
        }
        Ok(())
    }
}
