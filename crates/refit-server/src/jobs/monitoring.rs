//! Asks monitoring systems for the signals that gates listen to while a release is under way, and that leases of disruption groups wait
//! for.

use super::Pace;
use crate::{connections::Connections, shell::Shell};
use jiff::{SignedDuration, Timestamp};
use refit_connect::prometheus::{self, Sample};
use refit_core::{
    control::{Actor, Input, Signals, State, disruption::awaited},
    policy::repository::{Monitoring, SignalQuery},
};
use refit_model::DeviceId;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// How long after its last ring has opened a release is watched: as long as people's reports are put down to it.
const WATCHED: SignedDuration = SignedDuration::from_hours(72);
/// How often a reading that says the same as the last is written down: it shows that the signal is alive.
const SAME_AGAIN: SignedDuration = SignedDuration::from_mins(15);
/// How many names of unknown devices are told.
const NAMES_MOST: usize = 3;

/// How asking went last, by source and signal. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Mutex<BTreeMap<(SmolStr, SmolStr), String>>>);

impl Troubles {
    /// What went wrong when a signal was asked for last; `None` where nothing did.
    pub fn of(&self, source: &SmolStr, signal: &SmolStr) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(source.clone(), signal.clone())).cloned()
    }

    fn note(&self, source: &SmolStr, signal: &SmolStr, trouble: Option<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (source.clone(), signal.clone());
        match trouble {
            // Once is enough for the program's log.
            Some(trouble) if all.get(&key) == Some(&trouble) => {}
            Some(trouble) => {
                tracing::warn!(%source, %signal, %trouble, "a signal could not be read; gates that listen to it wait");
                all.insert(key, trouble);
            }
            None => drop(all.remove(&key)),
        }
    }
}

/// Asks, each source as often as the policy says.
pub(crate) async fn monitoring(shell: Shell, connections: Connections, troubles: Troubles, pace: Pace) {
    let mut asked: BTreeMap<SmolStr, Timestamp> = BTreeMap::new();
    loop {
        tokio::time::sleep(pace.tick).await;
        let now = shell.now();
        let view = shell.view();
        let Some(policy) = view.state.policy.clone() else { continue };
        let wanted = listened(&view.state, now);
        drop(view);
        for (source, Monitoring { every, signals }) in &policy.repository.monitoring {
            if asked.get(source).is_some_and(|last| now.duration_since(*last) < *every) {
                continue;
            }
            for (signal, query) in
                signals.iter().filter(|(name, _)| wanted.contains(&(source.clone(), (*name).clone())))
            {
                asked.insert(source.clone(), now);
                let trouble = read(&shell, &connections, source, signal, query).await;
                troubles.note(source, signal, trouble.err());
            }
        }
    }
}

/// The signals that gates of releases under way listen to, and that leases wait for.
fn listened(state: &State, now: Timestamp) -> BTreeSet<(SmolStr, SmolStr)> {
    let Some(policy) = &state.policy else { return BTreeSet::new() };
    let records = state.rollouts.under_way.values().flat_map(|list| list.iter());
    let gates = records.filter_map(|record| {
        let rollout = policy.repository.rollouts.get(&record.rollout)?;
        let over = record.furthest(rollout).is_some_and(|(open, ring)| {
            rollout.rings.last().is_some_and(|last| last.name == ring.name) && now.duration_since(open.at) >= WATCHED
        });
        (!over).then_some(rollout.gate.as_ref()?)
    });
    let gates = gates.flat_map(|gate| &gate.signals).map(|signal| (signal.source.clone(), signal.name.clone()));
    gates.chain(awaited(state)).collect()
}

/// Asks for one signal, and tells the writer what it says.
async fn read(
    shell: &Shell,
    connections: &Connections,
    source: &SmolStr,
    signal: &SmolStr,
    query: &SignalQuery,
) -> Result<(), String> {
    let connection = connections.get(source)?.clone();
    let text = query.query.clone();
    let at = shell.now();
    let samples = tokio::task::spawn_blocking(move || {
        crate::background::yield_to_others();
        let secret = connection.secret()?;
        prometheus::ask(&connection.address, secret.as_deref(), &text).map_err(|error| error.to_string())
    });
    let samples = samples.await.map_err(|_| "a mistake in the program".to_owned())??;
    let view = shell.view();
    let Said { devices, unknown } = said(&view.state, &samples, &query.device);
    // Whoever waits for it wants to hear it again, though it says the same.
    let says_nothing_new = same(&view.state.rollouts.signals, &view.state, (source, signal), &devices, at)
        && !awaited(&view.state).contains(&(source.clone(), signal.clone()));
    drop(view);
    if !says_nothing_new {
        let input = Input::Signal { source: source.clone(), signal: signal.clone(), at, whole: true, devices };
        shell.tell(&Actor::server(), input, None).await.map_err(|error| error.to_string())?;
    }
    match unknown.len() {
        0 => Ok(()),
        more => {
            let names: Vec<&str> = unknown.iter().take(NAMES_MOST).map(String::as_str).collect();
            let rest = if more > NAMES_MOST { ", …" } else { "" };
            Err(format!(
                "no single device is called {}{rest}: {more} of {} samples count for nothing",
                names.join(", "),
                samples.len()
            ))
        }
    }
}

/// What samples say of devices.
struct Said {
    devices: BTreeMap<DeviceId, bool>,
    /// What is called by no device, or by several.
    unknown: Vec<String>,
}

/// Anything but 0 is bad, also what is no number: a query that divides by zero is no good sign. Where several samples speak of a
/// device, it is bad if one of them says so.
fn said(state: &State, samples: &[Sample], label: &SmolStr) -> Said {
    let mut said = Said { devices: BTreeMap::new(), unknown: Vec::new() };
    for sample in samples {
        let Some(name) = sample.labels.get(label.as_str()) else {
            said.unknown.push(format!("(a sample without the label `{label}`)"));
            continue;
        };
        let device = state.device_called(name).or_else(|| state.device_called(name.rsplit_once(':')?.0));
        match device {
            Some(device) => *said.devices.entry(device.id.clone()).or_default() |= sample.value != 0.0,
            None => said.unknown.push(format!("`{name}`")),
        }
    }
    said
}

fn same(
    signals: &Signals,
    state: &State,
    (source, signal): (&SmolStr, &SmolStr),
    devices: &BTreeMap<DeviceId, bool>,
    at: Timestamp,
) -> bool {
    let Some(record) = signals.get(source, signal) else { return false };
    let Some(last) = record.whole.as_ref().filter(|last| at.duration_since(last.at) < SAME_AGAIN) else { return false };
    let says = |(id, bad): (&DeviceId, &bool)| {
        let index = state.device(id).map(|device| device.index);
        index.is_some_and(|index| if *bad { last.bad.contains(index) } else { last.fine.contains(index) })
    };
    record.single.is_empty() && last.bad.len() + last.fine.len() == devices.len() as u64 && devices.iter().all(says)
}
