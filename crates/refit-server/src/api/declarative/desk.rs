//! What is worked out for devices that ask, and what is remembered of them. All of it is forgotten when the server ends: what devices report of
//! themselves is in the log, and what is declared follows from it.

use super::offers::{Offers, Read};
use crate::api::{
    Api,
    problem::{Code, Problem},
};
use crate::shell::View;
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{DeviceRecord, Evaluator, State as World};
use refit_model::DeviceId;
use refit_targets::{
    Offered,
    target::Desired,
    targets::apple::{report::Report, serve::declared},
};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Semaphore;

/// How long something that was worked out is given again where nothing but the time has changed. A device asks for its declarations one by one.
const KEPT: SignedDuration = SignedDuration::from_secs(30);
/// For how many devices it is kept.
const KEPT_MOST: usize = 4_096;
/// How many of those whom nobody knows are remembered.
const STRANGERS_MOST: usize = 1_000;
/// For how many devices it is worked out at once.
const AT_ONCE: usize = 2;

/// What is worked out and remembered.
pub(in super::super) struct Desk {
    offers: Offers,
    evaluator: Mutex<Evaluator>,
    working: Semaphore,
    kept: Mutex<BTreeMap<DeviceId, Kept>>,
    talks: Mutex<BTreeMap<DeviceId, Talk>>,
    strangers: Mutex<BTreeMap<SmolStr, Stranger>>,
}

/// What was worked out for a device, and from what.
struct Kept {
    record: Arc<DeviceRecord>,
    offered: Arc<Offered>,
    /// The last event that changed what decisions read.
    revised: u64,
    stopped: bool,
    at: Timestamp,
    desired: Arc<Desired>,
}

/// What was said between a device and the server since that started.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk {
    /// When it asked last.
    pub asked: Option<Timestamp>,
    /// The token that it was answered with.
    pub token: Option<String>,
    /// When it reported last.
    pub heard: Option<Timestamp>,
    /// The declaration that asked for the update that waits, as it says.
    pub asked_by: Option<String>,
    /// Declarations that do not count there, each with the codes of the reasons.
    pub refused: BTreeMap<String, Vec<String>>,
    /// Status items that it can't report.
    pub errors: BTreeMap<String, Vec<String>>,
}

/// Somebody whom nobody knows.
#[derive(Clone, Debug)]
pub(super) struct Stranger {
    /// How often it has asked or reported.
    pub times: u64,
    /// When last.
    pub last: Timestamp,
    /// Why nobody knows it.
    pub why: String,
}

impl Desk {
    pub fn new(apple_versions: Option<PathBuf>) -> Desk {
        Desk {
            offers: Offers::new(apple_versions),
            evaluator: Mutex::default(),
            working: Semaphore::new(AT_ONCE),
            kept: Mutex::default(),
            talks: Mutex::default(),
            strangers: Mutex::default(),
        }
    }

    /// What Apple offers by now, and whether that can be believed.
    pub(super) fn offers(&self, now: Timestamp) -> Read {
        self.offers.look(now)
    }

    /// What is declared to a device by what is published. Where nothing but a little time has passed, what was worked out counts.
    pub(super) async fn declared(
        &self,
        api: &Api,
        view: &Arc<View>,
        record: &Arc<DeviceRecord>,
        now: Timestamp,
    ) -> Result<Arc<Desired>, Problem> {
        let _leave = self.working.acquire().await.map_err(|_| Problem::new(Code::Internal, "nobody works here"))?;
        let (there, view, record) = (api.clone(), view.clone(), record.clone());
        api.beside(move || there.desk().work_out(&view.state, &record, now)).await
    }

    fn work_out(&self, state: &World, record: &Arc<DeviceRecord>, now: Timestamp) -> Arc<Desired> {
        let offered = self.offers.look(now).offered;
        let revised = state.revised_for(record).max(state.revised_for_all());
        let stopped = state.brake.is_some();
        if let Some(kept) = locked(&self.kept).get(&record.id)
            && Arc::ptr_eq(&kept.record, record)
            && Arc::ptr_eq(&kept.offered, &offered)
            && (kept.revised, kept.stopped) == (revised, stopped)
            && kept.at <= now
            && now.duration_since(kept.at) < KEPT
        {
            return kept.desired.clone();
        }
        let desired = Arc::new(self.desired(state, record, &offered, now));
        let mut kept = locked(&self.kept);
        if kept.len() >= KEPT_MOST {
            kept.clear();
        }
        let worked_out = Kept { record: record.clone(), offered, revised, stopped, at: now, desired: desired.clone() };
        kept.insert(record.id.clone(), worked_out);
        desired
    }

    fn desired(&self, state: &World, record: &Arc<DeviceRecord>, offered: &Offered, now: Timestamp) -> Desired {
        // Nothing is published for a device of which there are two.
        let Some(policy) = state.policy.as_ref().filter(|_| record.quarantined.is_none()) else {
            return Desired::default();
        };
        let cohorts = locked(&self.evaluator).cohorts(state, record, now);
        cohorts.map(|cohorts| declared(&policy.repository, &cohorts, offered)).unwrap_or_default()
    }

    /// A device was answered.
    pub(super) fn asked(&self, device: &DeviceId, token: String, now: Timestamp) {
        let mut talks = locked(&self.talks);
        let talk = talks.entry(device.clone()).or_default();
        (talk.asked, talk.token) = (Some(now), Some(token));
    }

    /// A device has reported.
    pub(super) fn heard(&self, device: &DeviceId, report: &Report, now: Timestamp) {
        let mut talks = locked(&self.talks);
        let talk = talks.entry(device.clone()).or_default();
        talk.heard = Some(now);
        if let Some(asked_by) = report.asked_by() {
            talk.asked_by = Some(asked_by.to_owned());
        }
        if let Some(refused) = report.refused() {
            talk.refused = refused;
        }
        talk.errors = report.errors();
    }

    /// What was said between a device and the server.
    pub(super) fn talk(&self, device: &DeviceId) -> Talk {
        locked(&self.talks).get(device).cloned().unwrap_or_default()
    }

    /// How many devices have asked or reported.
    pub(super) fn known(&self) -> u64 {
        locked(&self.talks).len() as u64
    }

    /// Somebody asks or reports whom nobody knows.
    pub(super) fn stranger(&self, enrolment: &SmolStr, why: String, now: Timestamp) {
        let mut strangers = locked(&self.strangers);
        if strangers.len() >= STRANGERS_MOST && !strangers.contains_key(enrolment) {
            let oldest = strangers.iter().min_by_key(|(_, stranger)| stranger.last).map(|(name, _)| name.clone());
            oldest.iter().for_each(|name| drop(strangers.remove(name)));
        }
        let known = strangers.entry(enrolment.clone()).or_insert(Stranger { times: 0, last: now, why: String::new() });
        (known.times, known.last, known.why) = (known.times + 1, now, why);
    }

    /// Whom nobody knows, of those who asked last.
    pub(super) fn strangers(&self) -> Vec<(SmolStr, Stranger)> {
        locked(&self.strangers).iter().map(|(name, stranger)| (name.clone(), stranger.clone())).collect()
    }

    /// How many they are.
    pub fn stranger_count(&self) -> usize {
        locked(&self.strangers).len()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
