//! Sources of a server: those of the policy in force, read as often as they say, and what they say told to the log.
//!
//! What was read lies in the data folder, as it does for `refit sources sync`. The log gets facts, merges and splits like any other
//! input, and the alarm of a source that keeps its last good state.

use super::{
    data::{self, Stored, Traces},
    reading::Wanted,
    syncing::{self, How, Places, Policy, Synced},
};
use anyhow::{Context as _, Result, anyhow};
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{
        Actor, InForce, Input, PolicyFiles, SourceAlarm, SourceRead, SourceTrouble, State,
        sources::{own, same_keys, steps},
    },
    facts::estate::{Alarm, Estate, Rules, Source},
    policy::{
        diagnostic::Files,
        document::outside::SourceDocument,
        load::{Documents, load},
        syntax::Limits,
    },
};
use refit_server::shell::{Shell, TellError};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinSet;

/// How often to look whether something is to be read.
const LOOK: Duration = Duration::from_secs(10);
/// How often a source is read that does not say how often.
const EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How soon a source that is not believed is read again, where it would rest for longer.
const RETRY: SignedDuration = SignedDuration::from_mins(5);
/// How many inputs wait for the writer at once: it makes them durable together.
const AT_ONCE: usize = 256;
/// So many bytes of what was read stay in memory; more is read from the data folder each time that it is needed.
const KEPT_MOST: u64 = 256 << 20;
/// How much of what was set aside is logged of one reading.
const SHOWN: usize = 3;

/// The sources of a server, and its targets.
#[derive(Clone)]
pub struct Serving {
    /// The data folder.
    pub data: PathBuf,
    /// Where systems, their secrets and files are.
    pub places: Places,
}

/// What is remembered from one look to the next.
#[derive(Default)]
struct Memory {
    /// The policy that was read last, by its files.
    policy: Option<(SmolStr, Arc<Read>)>,
    /// When sources are to be read again.
    again: BTreeMap<SmolStr, Timestamp>,
    /// What the server knew when it was last held against the sources, or what is the same for that.
    held: Option<State>,
    /// What lies in the data folder, as it was left there.
    kept: Option<Kept>,
    /// What went wrong the last time.
    trouble: Option<String>,
}

/// What lies in the data folder: it is read again where somebody else has written there.
struct Kept {
    estate: Estate,
    /// Each source, without what it says: `estate` has that.
    stored: BTreeMap<SmolStr, Stored>,
    traces: Traces,
}

/// What the policy in force says of sources.
pub struct Read {
    /// Its files.
    pub files: Files,
    documents: Documents,
}

/// Reads sources, for as long as the server lives.
pub async fn run(shell: Shell, serving: Serving) {
    let serving = Arc::new(serving);
    let mut memory = Memory::default();
    loop {
        match look(&shell, &serving, &mut memory).await {
            Ok(()) => memory.trouble = None,
            Err(error) => {
                let trouble = format!("{error:#}");
                // Once is enough for the program's log.
                if memory.trouble.as_ref() != Some(&trouble) {
                    tracing::error!(%trouble, "the sources could not be read; it is tried again");
                }
                memory.trouble = Some(trouble);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Looks once whether something is to be read, reads it, and tells what it says.
async fn look(shell: &Shell, serving: &Arc<Serving>, memory: &mut Memory) -> Result<()> {
    let view = shell.view();
    let Some(in_force) = view.state.policy.clone() else { return Ok(()) };
    let is_new = memory.policy.as_ref().is_none_or(|(files, _)| *files != in_force.files);
    if is_new {
        let read = Arc::new(policy(shell, &in_force).await?);
        unknown_places(&serving.places, &read.documents, &in_force);
        memory.policy = Some((in_force.files.clone(), read));
        memory.again.clear();
        // Other fields, and other people who were settled to be one.
        memory.kept = None;
    }
    let Some((_, read)) = memory.policy.clone() else { return Ok(()) };
    let names: BTreeSet<SmolStr> =
        syncing::sources(&read.documents).map(|source| source.source.as_str().into()).collect();
    // Two that tell by themselves may speak of one person.
    let telling = read.documents.sources.iter().filter(|source| syncing::tells_by_itself(&source.document)).count();
    if names.is_empty() && telling < 2 {
        return Ok(());
    }
    let now = shell.now();
    let due: BTreeSet<SmolStr> =
        names.iter().filter(|name| memory.again.get(*name).is_none_or(|at| *at <= now)).cloned().collect();
    let same = || memory.held.as_ref().is_some_and(|held| same_keys(held, &view.state, &names));
    if due.is_empty() && !is_new && same() {
        memory.held = Some(view.state.clone());
        return Ok(());
    }
    let state = view.state.clone();
    drop(view);
    let kept = memory.kept.take();
    let work = Work { shell: shell.clone(), serving: serving.clone(), read, in_force, names, due, now, kept };
    let Some(done) = tokio::task::spawn_blocking(move || work.run()).await.context("a mistake in the program")?? else {
        // `refit sources sync` does it just now.
        return Ok(());
    };
    for step in done.steps {
        tell_all(shell, step).await?;
    }
    memory.again.extend(done.again);
    memory.kept = done.kept;
    memory.held = Some(state);
    Ok(())
}

/// Reads the documents of the policy in force.
pub async fn policy(shell: &Shell, in_force: &InForce) -> Result<Read> {
    let blob = shell.store().blob(&in_force.files).await?;
    let blob = blob.ok_or_else(|| anyhow!("the files of the policy in force are missing in the data folder"))?;
    let files: PolicyFiles = serde_json::from_slice(blob.body()).context("the files of the policy in force")?;
    let files = files.files();
    // What is wrong with them was shown when the plan was made.
    let (documents, _) = load(&files, &Limits::default());
    Ok(Read { files, documents })
}

/// Says which options name no source, target or process, where there are some: a name that was mistyped reads nothing.
fn unknown_places(places: &Places, documents: &Documents, in_force: &InForce) {
    let processes = documents.processes.iter().map(|written| written.document.process.as_str());
    let sources = documents.sources.iter().map(|written| written.document.source.as_str());
    let targets = in_force.repository.targets.iter().map(|target| target.name.as_str());
    let names: BTreeSet<&str> = sources.chain(targets).chain(processes).collect();
    let secrets =
        places.secret.iter().map(|(name, _)| name.split_once('.').map_or(name.as_str(), |(source, _)| source));
    let files = places.file.iter().map(|(name, _)| name.as_str());
    for name in files.chain(secrets).filter(|name| !names.contains(name)) {
        tracing::warn!(
            source = name,
            "an option names a source, target or process that the policy in force does not have"
        );
    }
}

/// Tells the writer all of a step, as fast as it takes it.
async fn tell_all(shell: &Shell, step: Vec<Input>) -> Result<()> {
    let mut waiting = JoinSet::new();
    for input in step {
        if waiting.len() >= AT_ONCE
            && let Some(told) = waiting.join_next().await
        {
            taken(told?)?;
        }
        let shell = shell.clone();
        waiting.spawn(async move { shell.tell(&Actor::server(), input, None).await.map(drop) });
    }
    while let Some(told) = waiting.join_next().await {
        taken(told?)?;
    }
    Ok(())
}

fn taken(told: Result<(), TellError>) -> Result<()> {
    match told {
        // One value that is refused keeps no other from being known.
        Err(TellError::Refused(refusal)) => {
            tracing::warn!(%refusal, "something that a source says was refused");
            Ok(())
        }
        told => Ok(told?),
    }
}

/// One reading of what is due, on a thread that may wait.
struct Work {
    shell: Shell,
    serving: Arc<Serving>,
    read: Arc<Read>,
    in_force: Arc<InForce>,
    /// All sources of the policy.
    names: BTreeSet<SmolStr>,
    /// Those that are to be read now.
    due: BTreeSet<SmolStr>,
    now: Timestamp,
    /// What was in the data folder the last time.
    kept: Option<Kept>,
}

/// What came of it.
struct Done {
    steps: Vec<Vec<Input>>,
    again: BTreeMap<SmolStr, Timestamp>,
    kept: Option<Kept>,
}

impl Work {
    /// Reads; nothing where somebody else does just now.
    fn run(mut self) -> Result<Option<Done>> {
        let kept = self.kept.take();
        let data = &self.serving.data;
        let Some(_alone) = data::lock(data)? else { return Ok(None) };
        let repository = &self.in_force.repository;
        let traces = Traces::of(data)?;
        let (mut estate, mut stored) = match kept.filter(|kept| kept.traces == traces) {
            Some(kept) => (kept.estate, kept.stored),
            None => {
                let (estate, mut stored) = data::read(data, repository.identities.clone())?;
                stored.values_mut().for_each(|stored| stored.source = Source::default());
                (estate, stored)
            }
        };
        self.know_own(&mut estate)?;
        let mut done = Done { steps: Vec::new(), again: BTreeMap::new(), kept: None };
        for source in syncing::sources(&self.read.documents) {
            let name = SmolStr::from(source.source.as_str());
            if !self.due.contains(&name) {
                continue;
            }
            let mut kept = stored.remove(&name).unwrap_or_else(|| Stored::new(&name));
            kept.source = estate.sources.get(&name).cloned().unwrap_or_default();
            let every = source.every.map_or(EVERY, |every| every.0);
            let wait = match syncing::rests(source, &kept, self.now) {
                // It was read before the server started.
                Some((_, again)) => again,
                None => match self.sync(source, &mut estate, &mut kept)?.raises_alarm() {
                    true => every.min(RETRY),
                    false => every,
                },
            };
            kept.source = Source::default();
            stored.insert(name.clone(), kept);
            done.again.insert(name, self.now.saturating_add(wait)?);
        }
        let view = self.shell.view();
        let read = estate.sources.iter().filter(|(name, _)| self.names.contains(*name));
        let readings: Vec<Input> = read.map(|(name, source)| reading(name, source)).collect();
        for input in &readings {
            said_of_alarm(&view.state, input);
        }
        let rules = Rules {
            fields: &repository.fields,
            authority: &repository.authority,
            staleness: &repository.staleness,
            zones: &repository.zones,
            now: self.now,
        };
        // Of a source that was never read before it is known first that it is: what it says is what it has heard.
        let is_new = |input: &Input| match input {
            Input::SourceRead(read) => read.read.is_some() && !view.state.is_read(&read.source),
            _ => false,
        };
        let (new, known): (Vec<Input>, Vec<Input>) = readings.into_iter().partition(is_new);
        done.steps.push(new);
        done.steps.extend(steps(&view.state, &estate, &rules, || {
            // A reference is used once, and says nothing of the value.
            uuid::Uuid::now_v7().simple().to_string().into()
        }));
        done.steps.push(known);
        let traces = Traces::of(data)?;
        done.kept = (traces.bytes() <= KEPT_MOST).then_some(Kept { estate, stored, traces });
        Ok(Some(done))
    }

    /// Holds what the server itself knows beside what sources say.
    fn know_own(&self, estate: &mut Estate) -> Result<()> {
        let view = self.shell.view();
        let read = self.names.iter().chain(estate.sources.keys()).cloned().collect();
        let own = own(&view.state, &estate.registry, &read, self.now);
        let mut changes = estate.registry.observe_own(own.sightings);
        changes.extend(estate.registry.gone(&own.gone));
        data::write_identity(&self.serving.data, estate, &changes, self.now)
    }

    fn sync(&self, source: &SourceDocument, estate: &mut Estate, kept: &mut Stored) -> Result<Synced> {
        let policy = Policy {
            files: &self.read.files,
            fields: &self.in_force.repository.fields,
            zone: self.in_force.repository.zones.otherwise(),
            folder: None,
        };
        let how = How { wanted: Wanted::WhatIsTime, believe: false };
        let synced = syncing::sync(source, policy, &self.serving.places, how, estate, kept, self.now);
        let synced = synced.unwrap_or_else(|error| {
            // Whoever runs the server has to say something else first.
            syncing::failed(&source.source, format!("{error:#}"), estate, kept, self.now)
        });
        data::write(&self.serving.data, kept, estate, &synced.changes, self.now)?;
        let name = &synced.source;
        if synced.result == "read" {
            let (records, quarantined) = (synced.records, synced.quarantined.len());
            tracing::info!(source = %name, records, quarantined, whole = synced.whole, "a source was read");
        }
        for note in &synced.notes {
            tracing::warn!(source = %name, %note, "a source was not read as it usually is");
        }
        for set_aside in synced.quarantined.iter().take(SHOWN) {
            tracing::warn!(source = %name, at = %set_aside.at, why = %set_aside.why, "a record is set aside");
        }
        Ok(synced)
    }
}

/// How a source stands.
fn reading(name: &SmolStr, source: &Source) -> Input {
    let alarm = source.alarm.as_ref().map(|alarm| SourceAlarm {
        kind: match alarm {
            Alarm::Failed { .. } => SourceTrouble::Failed,
            Alarm::Shrunk { .. } => SourceTrouble::Shrunk,
        },
        since: alarm.since(),
        why: alarm.to_string().into(),
    });
    let (set_aside, uncovered) = source.unfit_counts();
    let purposes = source.purposes.iter().map(|(field, purpose)| (field.to_string().into(), purpose.clone()));
    Input::SourceRead(SourceRead {
        source: name.clone(),
        read: source.read,
        records: source.records.len() as u64,
        alarm,
        was: None,
        set_aside: set_aside as u64,
        uncovered: uncovered as u64,
        purposes: purposes.collect(),
    })
}

/// Writes into the program's log that a source keeps its last good state, or is believed again.
fn said_of_alarm(state: &State, input: &Input) {
    let Input::SourceRead(read) = input else { return };
    let before = state.readings.get(&read.source).and_then(|known| known.alarm.as_ref());
    let source = &read.source;
    match (before.map(|alarm| alarm.kind), &read.alarm) {
        (before, Some(alarm)) if before != Some(alarm.kind) => {
            tracing::warn!(%source, why = %alarm.why, "a source keeps its last good state");
        }
        (Some(_), None) => tracing::info!(%source, "a source is believed again"),
        _ => {}
    }
}
