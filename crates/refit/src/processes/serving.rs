//! Processes of a server: those of the policy in force, told what is so whenever that changes.

use super::{
    calling::Caller,
    running::{self, Running},
    templates,
};
use crate::sources::syncing::Places;
use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use refit_core::{
    control::{Actor, ApprovalAnswered, InForce, Input, PolicyFiles, State},
    facts::mapping::expr::Expr,
    policy::{diagnostic::Renderer, document::outside::ProcessDocument, load::load, syntax::Limits},
    process::{Approval, Process, Stands, compile_condition, rollout_key, situations},
};
use refit_server::shell::Shell;
use smol_str::SmolStr;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How often to look whether anything has changed.
const LOOK: Duration = Duration::from_secs(2);
/// How often what is so is held against what was told though nothing has happened: time alone makes devices overdue.
const ANEW: Duration = Duration::from_secs(60);
/// How many calls are made for one process before others have their turn.
const CALLS_MOST: usize = 50;

/// The processes of a server.
pub struct Serving {
    /// The data folder.
    pub data: PathBuf,
    /// Where systems and their secrets are.
    pub places: Places,
}

/// What is remembered from one look to the next.
#[derive(Default)]
struct Memory {
    /// The files of the policy whose processes run.
    policy: Option<SmolStr>,
    running: BTreeMap<SmolStr, One>,
    /// What went wrong of a process the last time, so that the log has it once.
    troubles: BTreeMap<SmolStr, String>,
}

/// One process that runs.
struct One {
    running: Running,
    condition: Option<Expr>,
    /// The last entry of the log by which it was told what is so, and when that was.
    told: Option<(u64, Timestamp)>,
    /// When it has something to do though nothing happens.
    next: Option<Timestamp>,
}

/// Runs processes, for as long as the server lives.
pub async fn run(shell: Shell, serving: Serving) {
    let mut memory = Memory::default();
    loop {
        if let Err(error) = look(&shell, &serving, &mut memory).await {
            said(&mut memory.troubles, "", Some(format!("{error:#}")));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(shell: &Shell, serving: &Serving, memory: &mut Memory) -> Result<()> {
    let view = shell.view();
    let Some(in_force) = view.state.policy.clone() else { return Ok(()) };
    if memory.policy.as_ref() != Some(&in_force.files) {
        begin(shell, serving, memory, &in_force).await?;
        memory.policy = Some(in_force.files.clone());
    }
    let names: Vec<SmolStr> = memory.running.keys().cloned().collect();
    for name in names {
        let now = shell.now();
        let Some(mut one) = memory.running.remove(&name) else { continue };
        let state = shell.view().state.clone();
        let is_new = one.told.is_none_or(|(seq, at)| {
            let long = now.duration_since(at) >= jiff::SignedDuration::try_from(ANEW).unwrap_or_default();
            seq < state.seq || long
        });
        if !is_new && one.next.is_none_or(|next| next > now) {
            memory.running.insert(name, one);
            continue;
        }
        let work = tokio::task::spawn_blocking(move || {
            let done = turn(&mut one, &state, is_new, now);
            (one, done)
        });
        let (one, done) = work.await.context("a mistake in the program")?;
        let trouble = match &done {
            Err(error) => Some(format!("{error:#}")),
            Ok(_) => troubles(&one, shell.now()),
        };
        memory.running.insert(name.clone(), one);
        said(&mut memory.troubles, &name, trouble);
        for approval in done.unwrap_or_default() {
            answer(shell, &name, approval).await;
        }
    }
    Ok(())
}

/// Begins with the processes of a policy. Those that it no longer has stay as they are in the other system.
async fn begin(shell: &Shell, serving: &Serving, memory: &mut Memory, in_force: &InForce) -> Result<()> {
    let blob = shell.store().blob(&in_force.files).await?;
    let blob = blob.ok_or_else(|| anyhow!("the files of the policy in force are missing in the data folder"))?;
    let files: PolicyFiles = serde_json::from_slice(blob.body()).context("the files of the policy in force")?;
    let files = files.files();
    // What is wrong with them was shown when the plan was made.
    let (documents, _) = load(&files, &Limits::default());
    let organization = in_force.repository.organization.clone();
    memory.running.clear();
    memory.troubles.clear();
    for written in &documents.processes {
        let document = &written.document;
        let name = SmolStr::from(document.process.as_str());
        let read = templates::of_policy(document.template.as_deref().unwrap_or(&document.process), &files);
        let begun = read.and_then(|read| {
            let wrong = || Renderer::new(&read.files).render_all(&read.diagnostics);
            let process = read.process.clone().ok_or_else(|| anyhow!("its template is wrong:\n{}", wrong()))?;
            one(serving, &organization, document, process, read.built_in, shell.now())
        });
        match begun {
            Ok(one) => drop(memory.running.insert(name, one)),
            Err(error) => said(&mut memory.troubles, &name, Some(format!("{error:#}"))),
        }
    }
    Ok(())
}

fn one(
    serving: &Serving,
    organization: &str,
    document: &ProcessDocument,
    process: Process,
    built_in: bool,
    now: Timestamp,
) -> Result<One> {
    let name = SmolStr::from(document.process.as_str());
    let condition = document.condition.as_ref().map(|text| {
        compile_condition(&text.0).map_err(|errors| {
            let said: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.message, error.label)).collect();
            anyhow!("its `where`: {}", said.join("; "))
        })
    });
    let places = &serving.places;
    let (connect, secrets) = (places.address(&name), places.secrets(&name)?);
    let caller = Caller::new(&name, &process, built_in, &document.settings, connect, secrets)?;
    let file = running::file(&serving.data, &name);
    let line = running::kept(&file, organization, &name, &process, now)?;
    let running = Running { process, caller, line, file: Some(file) };
    Ok(One { running, condition: condition.transpose()?, told: None, next: None })
}

fn turn(one: &mut One, state: &State, is_new: bool, now: Timestamp) -> Result<Vec<Approval>> {
    let running = &mut one.running;
    if is_new {
        let so = situations(running.process.document.one_for, state, now);
        running.line.want(&running.process, one.condition.as_ref(), so, now);
        one.told = Some((state.seq, now));
    }
    let done = running.turn(&Timestamp::now, CALLS_MOST)?;
    one.next = done.next;
    Ok(done.approvals)
}

/// What is wrong with a process, in one sentence.
fn troubles(one: &One, now: Timestamp) -> Option<String> {
    let line = &one.running.line;
    let failing = line.objects().iter().filter_map(|(key, object)| Some((key, object.why.as_ref()?)));
    let failing: Vec<_> = failing.collect();
    let mut said = Vec::new();
    if let Some((key, why)) = failing.first() {
        let more = failing.len() - 1;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        said.push(format!("{key}: {why}{more}"));
    }
    if line.left_out() > 0 {
        let open = line.objects().values().filter(|object| object.stands == Stands::There).count();
        said.push(format!("{} things wait, because {open} are open already (`at_most`)", line.left_out()));
    }
    if line.rests(now).is_some() && !said.is_empty() {
        said.push("the system is left alone for a while".to_owned());
    }
    (!said.is_empty()).then(|| said.join("; "))
}

/// Once is enough for the program's log.
fn said(known: &mut BTreeMap<SmolStr, String>, name: &str, trouble: Option<String>) {
    match trouble {
        None => drop(known.remove(name)),
        Some(trouble) if known.get(name) == Some(&trouble) => {}
        Some(trouble) => {
            tracing::warn!(process = name, %trouble, "a process does not get on; it is tried again");
            known.insert(name.into(), trouble);
        }
    }
}

/// Tells the log what people answered of a rollout.
async fn answer(shell: &Shell, process: &SmolStr, approval: Approval) {
    let view = shell.view();
    let found = view.state.rollouts.under_way.iter().find_map(|(title, records)| {
        let record = records.iter().find(|record| rollout_key(title, record) == approval.key)?;
        Some((title.clone(), record.clone()))
    });
    let Some((title, record)) = found else { return };
    let answered = ApprovalAnswered {
        title,
        version: record.version,
        rollout: record.rollout,
        platform: record.platform,
        process: process.clone(),
        agrees: approval.agrees,
        why: approval.says.into(),
    };
    if let Err(error) = shell.tell(&Actor::server(), Input::AnswerApproval(answered), None).await {
        tracing::warn!(%process, %error, "an answer was not taken");
    }
}
