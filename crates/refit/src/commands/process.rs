//! `refit process test` and `refit process run`

use crate::{
    Exit, Refused,
    cli::{Cli, ProcessRunArgs, ProcessTestArgs},
    processes::{
        calling::Caller,
        running::Running,
        templates::{self, Read},
    },
    terminal,
};
use anyhow::{Context as _, Result, anyhow};
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    policy::diagnostic::{Record, Renderer, records},
    process::{Answer, Call, Doing, Ended, Line, Next, Process, Situation, Stands},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    io::{ErrorKind, Read as _},
    path::Path,
    time::{Duration, Instant},
};

/// More calls than that for one situation are a circle.
const CALLS_MOST: usize = 100;
/// How long a system is waited for that asks for it, or does not yet find what it has made.
const WAITS_MOST: Duration = Duration::from_secs(300);

/// How many characters of a text are handed on: a comment of GitHub's has 65,536 at most.
const TEXT_MOST: usize = 60_000;

/// A situation in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    key: String,
    #[serde(default)]
    over: bool,
    facts: Value,
    /// What the system answers, by the name under which it is remembered.
    #[serde(default)]
    answers: BTreeMap<String, Value>,
}

/// A call that would be made; `refit process test --json`.
#[derive(Serialize)]
struct Shown {
    key: String,
    doing: Doing,
    #[serde(flatten)]
    call: Call,
}

/// What is wrong with a template.
#[derive(Serialize)]
struct Failure {
    diagnostics: Vec<Record>,
}

pub fn test(cli: &Cli, args: &ProcessTestArgs) -> Result<Exit> {
    let read = templates::read(&args.template)?;
    let Some(process) = read.process.as_ref() else { return refuse(cli, &read) };
    let json = file(&args.situations)?;
    let list = if json.is_array() { json } else { Value::Array(vec![json]) };
    let situations: Vec<Written> = serde_json::from_value(list)
        .map_err(|error| Refused::usage(format!("{}: this is no situation: {error}", args.situations.display())))?;
    let given = given(process, &args.set)?;
    let mut line = Line::new("Acme", process.document.template.as_str());
    let mut now = Timestamp::now();
    for written in situations {
        let Written { key, over, facts, answers } = written;
        // Whatever was waited for has passed.
        now = now.checked_add(SignedDuration::from_hours(1))?;
        line.want(process, None, vec![Situation { key: key.as_str().into(), over, facts }], now);
        if !cli.json {
            terminal::print(&format!("# {key}{}\n", if over { ", which is over" } else { "" }))?;
        }
        for _ in 0..CALLS_MOST {
            let Next::Call { key, doing, call } = line.next(process, &given, now) else { break };
            match cli.json {
                true => terminal::json_line(&Shown { key: key.to_string(), doing, call: (*call).clone() })?,
                false => terminal::print(&format!("{}: {call}\n", word(doing)))?,
            }
            let said = pretended(&line.remembers(process, &key), &answers);
            // Nothing is there; what is asked before it is looked for is answered.
            let answer = match doing == Doing::Find && said.contains_key("id") {
                true => Answer::NotHere { entries: 0 },
                false => Answer::Says(said),
            };
            let ended = Ended::Answered(answer);
            if let Some(approval) = line.ended(process, &given, &key, ended, now)
                && !cli.json
            {
                let said = if approval.agrees { "people agree" } else { "people refuse" };
                terminal::print(&format!("# {said}: {}\n", approval.says))?;
            }
        }
        if let Some((key, why)) = line.objects().iter().find_map(|(key, object)| Some((key, object.why.as_ref()?))) {
            return Err(Refused::no(format!("{key}: {why}")));
        }
    }
    Ok(Exit::Done)
}

/// What a system might answer: what the file says, and the names of the rest.
fn pretended(names: &[String], answers: &BTreeMap<String, Value>) -> Map<String, Value> {
    names
        .iter()
        .map(|name| (name.clone(), answers.get(name).cloned().unwrap_or_else(|| name.as_str().into())))
        .collect()
}

pub fn run(cli: &Cli, args: &ProcessRunArgs) -> Result<Exit> {
    let read = templates::read(&args.template)?;
    let Some(process) = read.process.clone() else { return refuse(cli, &read) };
    let name = process.document.template.clone();
    let situation = situation(args, &name)?;
    let settings: BTreeMap<String, Value> =
        args.set.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    let mut secrets = BTreeMap::new();
    for (secret, file) in &args.secret {
        secrets.insert(secret.clone(), file.into());
    }
    let caller = Caller::new(&name, &process, read.built_in, &settings, args.connect.as_deref(), secrets)?;
    let mut line = Line::new("", name.as_str());
    line.want(&process, None, vec![situation.clone()], Timestamp::now());
    let mut running = Running { process, caller, line, file: None };
    let started = Instant::now();
    loop {
        let turn = running.turn(&Timestamp::now, CALLS_MOST)?;
        let object = running.line.objects().get(&situation.key);
        let why = object.and_then(|object| object.why.clone());
        let is_told =
            object.is_none_or(|object| matches!(object.stands, Stands::There | Stands::Closed)) && why.is_none();
        if is_told {
            if cli.json {
                let remembered = object.map(|object| &object.remembered);
                terminal::json(&remembered)?;
            }
            return Ok(Exit::Done);
        }
        let wait = turn.next.map(|next| Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or_default());
        let why = why.map_or_else(|| "the system does not say why".to_owned(), |why| why.to_string());
        match wait.filter(|wait| started.elapsed() + *wait < WAITS_MOST) {
            Some(wait) => {
                terminal::note(format!("{why}; trying again in {} s", wait.as_secs()));
                std::thread::sleep(wait.max(Duration::from_millis(50)));
            }
            None => return Err(anyhow!("{why}")),
        }
    }
}

fn situation(args: &ProcessRunArgs, name: &str) -> Result<Situation> {
    let json = file(&args.situation)?;
    let has = |key: &str| json.get(key).is_some();
    let (key, over, mut facts) = if has("key") && has("facts") {
        let written: Written = serde_json::from_value(json)
            .map_err(|error| Refused::usage(format!("{}: this is no situation: {error}", args.situation.display())))?;
        (Some(written.key), written.over, written.facts)
    } else {
        (None, false, json)
    };
    let Some(fields) = facts.as_object_mut() else {
        return Err(Refused::usage(format!("{}: the facts are an object of JSON", args.situation.display())));
    };
    for (name, value) in &args.fact {
        fields.insert(name.clone(), value.as_str().into());
    }
    if let Some(path) = &args.text {
        let text =
            std::fs::read_to_string(path).map_err(|error| Refused::usage(format!("{}: {error}", path.display())))?;
        let cut: String = text.chars().take(TEXT_MOST).collect();
        let more = if cut.len() < text.len() { "\n\n… the rest is too long for a comment" } else { "" };
        fields.insert("text".to_owned(), format!("{cut}{more}").into());
    }
    let key = args.key.clone().or(key).unwrap_or_else(|| name.to_owned());
    Ok(Situation { key: key.into(), over, facts })
}

/// The settings, with what is so where nobody says.
fn given(process: &Process, set: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    let known = &process.document.settings;
    if let Some((name, _)) = set.iter().find(|(name, _)| !known.contains_key(name)) {
        let known: Vec<&str> = known.keys().map(String::as_str).collect();
        return Err(Refused::usage(format!("the template has no setting `{name}`; it has {}", known.join(", "))));
    }
    let mut given: BTreeMap<String, String> = set.iter().cloned().collect();
    for (name, document) in known {
        let plain = || document.default.clone().unwrap_or_else(|| name.to_uppercase());
        given.entry(name.clone()).or_insert_with(plain);
    }
    Ok(given)
}

fn word(doing: Doing) -> &'static str {
    match doing {
        Doing::Find => "find",
        Doing::Create => "create",
        Doing::Update => "update",
        Doing::Close => "close",
        Doing::Look => "look",
    }
}

fn file(path: &Path) -> Result<Value> {
    let name = path.display().to_string();
    let text = if name == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text)?;
        text
    } else {
        match std::fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Refused::usage(format!("there is no file `{name}`")));
            }
            read => read.with_context(|| name.clone())?,
        }
    };
    serde_json::from_str(&text).map_err(|error| Refused::usage(format!("{name}: this is no JSON: {error}")))
}

fn refuse(cli: &Cli, read: &Read) -> Result<Exit> {
    match cli.json {
        true => terminal::json(&Failure { diagnostics: records(&read.diagnostics, &read.files) })?,
        false => terminal::print(&(Renderer::new(&read.files).render_all(&read.diagnostics) + "\n"))?,
    }
    Ok(Exit::No)
}
