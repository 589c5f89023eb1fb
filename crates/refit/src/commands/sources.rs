//! `refit sources sync` and `refit sources status`

use crate::{
    Exit, Refused,
    cli::{Cli, SourcesStatusArgs, SourcesSyncArgs},
    connectors,
    local::data_folder,
    repository::{self, counted, paint},
    sources::{
        asking::Asking,
        data::{self, Stored},
        reading::{self, Answer, Wanted},
    },
    terminal::{self, ADD, CHANGE, FAINT, HEADING, URGENT},
};
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    facts::{
        FieldRef,
        estate::{Alarm, Estate, Incoming, SHRINK_LIMIT},
        identity::{Change, RecordId},
        mapping::{
            Connector, Maps, Quarantined,
            document::{PayloadKind, Subject},
        },
    },
    policy::{
        diagnostic::{Renderer, Severity},
        document::outside::SourceDocument,
    },
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

/// What of a source's reading is shown at most.
const SHOWN: usize = 5;

/// One source of `refit sources sync --json`.
#[derive(Serialize)]
struct Synced {
    source: SmolStr,
    /// `read`, `failed`, `not_believed`, or `resting`: it was read so lately that it is not asked yet.
    result: &'static str,
    records: usize,
    whole: bool,
    requests: u32,
    quarantined: Vec<Quarantined>,
    uncovered: Vec<UncoveredValue>,
    changes: Vec<Change>,
    /// What is to be known of how it was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Whether it was never read before.
    #[serde(skip)]
    never: bool,
}

#[derive(Serialize)]
struct UncoveredValue {
    field: String,
    value: String,
    records: usize,
}

pub fn sync(cli: &Cli, args: &SourcesSyncArgs) -> Result<Exit> {
    let policy = repository::read(&args.policy)?;
    let wrong = policy.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    if wrong > 0 {
        let renderer = Renderer::new(&policy.files);
        policy.diagnostics.iter().for_each(|found| terminal::note(paint(&renderer, found)));
        return Err(Refused::no(format!("{}: {}; nothing is read", args.policy.display(), counted(wrong, "mistake"))));
    }
    let folder = data_folder(cli.data.as_deref())?;
    let (mut estate, mut stored) = data::read(&folder, policy.repository.identities.clone())?;
    let sources: Vec<&SourceDocument> = policy.documents.sources.iter().map(|written| &written.document).collect();
    // A monitoring system that gates listen to is asked by the server.
    let sources: Vec<&SourceDocument> =
        sources.into_iter().filter(|it| it.connector.is_some() || it.signals.is_empty()).collect();
    if sources.is_empty() {
        let why = "names no system to read: add a document `source: NAME` with its `connector:`";
        return Err(Refused::no(format!("the policy repository {} {why}", args.policy.display())));
    }
    known(args, &sources)?;
    let (mut exit, mut report) = (Exit::Done, Vec::new());
    for source in sources {
        if !args.only.is_empty() && !args.only.contains(&source.source) {
            continue;
        }
        let name = SmolStr::from(source.source.as_str());
        let mut kept = stored.remove(&name).unwrap_or_else(|| Stored::new(&name));
        let now = Timestamp::now();
        if let Some(again) = rests(args, source, &kept, now) {
            let resting = failed(&name, "resting", again);
            if !cli.json {
                show(&resting)?;
            }
            report.push(resting);
            continue;
        }
        let spinner = terminal::spinner("reading");
        spinner.set_message(name.to_string());
        let answer = read(args, source, &policy, &kept, now);
        spinner.finish_and_clear();
        let synced = match answer {
            // What was asked for is wrong: nothing is the source's fault.
            Err(error) if error.is::<Refused>() => return Err(error),
            Err(error) => {
                estate.fail(&name, now, format!("{error:#}"));
                exit = Exit::No;
                Synced { never: kept.source.read.is_none(), ..failed(&name, "failed", format!("{error:#}")) }
            }
            Ok(answer) if !answer.is_file && answer.asked.is_empty() => {
                failed(&name, "resting", "each of its lists was asked so lately that it is not asked yet".to_owned())
            }
            Ok(answer) => take(args, source, answer, &mut estate, &mut kept, now, &mut exit),
        };
        kept.source = estate.sources.get(&name).cloned().unwrap_or_default();
        data::write(&folder, &kept, &estate, &synced.changes, now)?;
        if !cli.json {
            show(&synced)?;
        }
        report.push(synced);
    }
    if cli.json {
        terminal::json(&report)?;
    } else {
        let conflicts = estate.registry.conflicts().len();
        let devices = estate.registry.entities(Subject::Device).len();
        let people = estate.registry.entities(Subject::Person).len();
        terminal::print(&format!("{}, {}\n", counted(devices, "device"), counted_people(people)))?;
        if conflicts > 0 {
            terminal::note(terminal::paint(
                CHANGE,
                format!("{}: `refit conflicts` shows them", counted(conflicts, "conflict")),
            ));
        }
    }
    Ok(exit)
}

/// Why a source is not asked now: it was read less than its `every` ago. Whoever names it wants it all the same.
fn rests(args: &SourcesSyncArgs, source: &SourceDocument, kept: &Stored, now: Timestamp) -> Option<String> {
    let every = source.every?.0;
    let read = kept.source.read.filter(|_| kept.source.alarm.is_none() && !args.full && args.only.is_empty())?;
    let ago = now.duration_since(read);
    (ago < every).then(|| format!("read {} ago; again in {}", age(ago), age(every - ago)))
}

fn counted_people(people: usize) -> String {
    if people == 1 { "1 person".to_owned() } else { format!("{people} people") }
}

/// Whether what the options name is there.
fn known(args: &SourcesSyncArgs, sources: &[&SourceDocument]) -> Result<()> {
    let there = |name: &str| sources.iter().any(|source| source.source == name);
    let of_secret =
        args.secret.iter().map(|(name, _)| name.split_once('.').map_or(name.as_str(), |(source, _)| source));
    let named = args.only.iter().chain(&args.believe).map(String::as_str);
    let named = named.chain(args.connect.iter().chain(&args.file).map(|(name, _)| name.as_str())).chain(of_secret);
    for name in named {
        if !there(name) {
            let known: Vec<&str> = sources.iter().map(|source| source.source.as_str()).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
            return Err(Refused::usage(format!("the policy repository has no source `{name}`; {known}")));
        }
    }
    Ok(())
}

fn read(
    args: &SourcesSyncArgs,
    source: &SourceDocument,
    policy: &repository::Read,
    kept: &Stored,
    now: Timestamp,
) -> Result<Answer> {
    let name = source.source.as_str();
    let (connector, built_in) = connector(source, policy)?;
    let maps = maps(source)?;
    let of = |list: &[(String, String)]| list.iter().find(|(named, _)| named == name).map(|(_, value)| value.clone());
    let mut secrets = BTreeMap::new();
    for (named, file) in &args.secret {
        match named.split_once('.') {
            Some((of, secret)) if of == name => {
                secrets.insert(secret.to_owned(), PathBuf::from(file));
            }
            None if named == name => {
                return Err(Refused::usage(format!("`--secret {named}=…`: say which secret, `{named}.SECRET=FILE`")));
            }
            _ => {}
        }
    }
    let asking = Asking::new(source, &connector.document, built_in, of(&args.connect).as_deref(), secrets)?;
    let file = match (of(&args.file), asking.file()) {
        (Some(path), _) => Some(PathBuf::from(path)),
        (None, Some(path)) => Some(beside(&policy.folder, path)?),
        (None, None) => None,
    };
    let wanted = match (args.full, args.only.is_empty()) {
        (true, _) => Wanted::Everything,
        // Who names a source wants it now.
        (false, false) => Wanted::Changes,
        (false, true) => Wanted::WhatIsTime,
    };
    let no_file = || Refused::usage(format!("say which file the source `{name}` is: `--file {name}=FILE`"));
    if connector.document.reads == PayloadKind::Sql {
        if file.is_none() && connector.document.address.is_none() {
            return Err(no_file());
        }
        return reading::database(&connector, &asking, file, &maps, kept, wanted, now);
    }
    if reading::is_file(&connector) {
        return reading::file(&connector, &file.ok_or_else(no_file)?, &maps);
    }
    reading::system(&connector, &asking, &maps, kept, wanted, now)
}

/// A file that the policy repository names: one of its own. Any other has to be named by whoever runs this.
fn beside(folder: &Path, path: &str) -> Result<PathBuf> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = folder.join(path);
    match file.canonicalize() {
        Ok(real) if inside && real.starts_with(folder) => Ok(file),
        Err(_) if inside => Ok(file),
        _ => Err(Refused::usage(format!(
            "`path: {path}` leads out of the policy repository; give the file with `--file SOURCE=FILE`"
        ))),
    }
}

/// A source's connector, and whether it is one that comes with Refit.
fn connector(source: &SourceDocument, policy: &repository::Read) -> Result<(Connector, bool)> {
    let name = source.connector.as_deref().unwrap_or(&source.source);
    // A connector of the organisation's own lies beside its policies.
    let beside = policy.folder.join(name);
    let built_in = connectors::names().contains(&name);
    let own = !built_in && beside.join("connector.yaml").is_file();
    let found = if own { beside.display().to_string() } else { name.to_owned() };
    let read = connectors::read(&found, &policy.repository.fields)?;
    match read.connector {
        Some(connector) => Ok((connector, built_in)),
        None => {
            let renderer = Renderer::new(&read.files);
            read.diagnostics.iter().for_each(|found| terminal::note(paint(&renderer, found)));
            Err(Refused::no(format!("the connector `{name}` can't be used")))
        }
    }
}

fn maps(source: &SourceDocument) -> Result<Maps> {
    let mut maps = Maps::new();
    for (field, names) in &source.maps {
        let field = field.parse::<FieldRef>().map_err(|error| Refused::no(format!("{}: {error}", source.source)))?;
        maps.entry(field).or_default().extend(names.clone());
    }
    Ok(maps)
}

fn failed(name: &SmolStr, result: &'static str, why: String) -> Synced {
    Synced {
        source: name.clone(),
        result,
        records: 0,
        whole: false,
        requests: 0,
        quarantined: Vec::new(),
        uncovered: Vec::new(),
        changes: Vec::new(),
        notes: Vec::new(),
        why: Some(why),
        never: false,
    }
}

fn take(
    args: &SourcesSyncArgs,
    source: &SourceDocument,
    answer: Answer,
    estate: &mut Estate,
    kept: &mut Stored,
    now: Timestamp,
    exit: &mut Exit,
) -> Synced {
    let name = SmolStr::from(source.source.as_str());
    let limit = source.shrink_limit.map_or(SHRINK_LIMIT, |share| share.0);
    let shrink_limit = (!args.believe.contains(&source.source)).then_some(limit);
    let Answer { records, quarantined, uncovered, whole, partial, resting, .. } = answer;
    let Answer { marks, unmarked, is_file, asked, notes, requests, .. } = answer;
    let (count, all) = (records.len(), is_file || asked.values().all(|whole| *whole));
    let incoming = Incoming { source: &name, records, whole, partial, resting, at: now, shrink_limit };
    match estate.take(incoming, mint) {
        Err(alarm) => {
            *exit = Exit::No;
            failed(&name, "not_believed", alarm.to_string())
        }
        Ok(changes) => {
            kept.marks.retain(|list, _| !unmarked.contains(list));
            kept.marks.extend(marks);
            if is_file {
                kept.whole = Some(now);
            } else {
                kept.asked(asked, now);
            }
            let uncovered = uncovered.into_iter();
            Synced {
                source: name,
                result: "read",
                records: count,
                whole: all,
                requests,
                quarantined,
                uncovered: uncovered
                    .map(|((field, value), records)| UncoveredValue { field, value, records })
                    .collect(),
                changes,
                notes,
                why: None,
                never: false,
            }
        }
    }
}

/// The id of a record that was not known: the same wherever it is worked out.
fn mint(record: &RecordId, generation: u32) -> SmolStr {
    let kind = match record.of {
        Subject::Device => "device",
        Subject::Person => "person",
    };
    let digest = Sha256::digest(format!("{kind}\n{}\n{}\n{generation}", record.source, record.id));
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hex}", &kind[..1]).into()
}

fn show(synced: &Synced) -> Result<()> {
    let name = terminal::paint(HEADING, &synced.source);
    if let Some(why) = synced.why.as_ref().filter(|_| synced.result == "resting") {
        return terminal::print(&format!("{name}  {}\n", terminal::paint(FAINT, why)));
    }
    if let Some(why) = &synced.why {
        let kept = if synced.never { "nothing is known of it yet" } else { "its last good state stays" };
        let help = if synced.result == "not_believed" {
            format!("; `--believe {}` believes it", synced.source)
        } else {
            String::new()
        };
        return terminal::print(&format!("{name}  {}; {kept}{help}\n", terminal::paint(URGENT, why)));
    }
    let all = if synced.whole { "" } else { " that changed" };
    let mut text = format!("{name}  {}{all}", counted(synced.records, "record"));
    if synced.requests > 0 {
        text += &terminal::paint(FAINT, format!(", {}", counted(synced.requests as usize, "request")));
    }
    text.push('\n');
    for note in &synced.notes {
        text += &format!("  {}\n", terminal::paint(CHANGE, note));
    }
    for set_aside in synced.quarantined.iter().take(SHOWN) {
        text += &format!("  {}  {}  {}\n", terminal::paint(URGENT, "set aside"), set_aside.at, set_aside.why);
    }
    more(&mut text, synced.quarantined.len(), "set aside");
    for value in synced.uncovered.iter().take(SHOWN) {
        let what = terminal::paint(CHANGE, "no map covers");
        text += &format!("  {what}  {} {:?} in {}\n", value.field, value.value, counted(value.records, "record"));
    }
    more(&mut text, synced.uncovered.len(), "values that no map covers");
    let told = |change: &&Change| !matches!(change, Change::Known { .. } | Change::Joined { .. });
    for change in synced.changes.iter().filter(told).take(SHOWN) {
        text += &format!("  {}  {change}\n", terminal::paint(ADD, "who is who"));
    }
    more(&mut text, synced.changes.iter().filter(told).count(), "changes of who is who");
    terminal::print(&text)
}

fn more(text: &mut String, all: usize, what: &str) {
    if all > SHOWN {
        *text += &terminal::paint(FAINT, format!("  {} more {what}\n", all - SHOWN));
    }
}

/// One source of `refit sources status --json`.
#[derive(Serialize)]
struct Status {
    source: SmolStr,
    read: Option<Timestamp>,
    whole: Option<Timestamp>,
    records: BTreeMap<SmolStr, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<Alarm>,
}

pub fn status(cli: &Cli, args: &SourcesStatusArgs) -> Result<Exit> {
    let folder = data_folder(cli.data.as_deref())?;
    let (_, mut stored) = data::read(&folder, Default::default())?;
    if let Some(policy) = &args.policy {
        for written in &repository::read(policy)?.documents.sources {
            let document = &written.document;
            if document.connector.is_some() || document.signals.is_empty() {
                let name = document.source.as_str();
                stored.entry(name.into()).or_insert_with(|| Stored::new(name));
            }
        }
    }
    let all: Vec<Status> = stored
        .into_values()
        .map(|stored| Status {
            read: stored.source.read,
            whole: stored.whole,
            records: stored.source.counts().into_iter().map(|(kind, count)| (kind.clone(), count)).collect(),
            alarm: stored.source.alarm,
            source: stored.name,
        })
        .collect();
    let alarms = all.iter().any(|status| status.alarm.is_some());
    let exit = if alarms { Exit::No } else { Exit::Done };
    if cli.json {
        terminal::json(&all)?;
        return Ok(exit);
    }
    if all.is_empty() {
        terminal::note("no source was ever read; `refit sources sync POLICY` reads them");
        return Ok(exit);
    }
    let now = Timestamp::now();
    let mut text = String::new();
    for status in all {
        let records: Vec<String> = status.records.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let read = status
            .read
            .map_or_else(|| "never read".to_owned(), |read| format!("read {} ago", age(now.duration_since(read))));
        text += &format!("{}  {read}", terminal::paint(HEADING, &status.source));
        if !records.is_empty() {
            text += &format!("  {}", records.join(", "));
        }
        text.push('\n');
        if let Some(alarm) = status.alarm {
            let since = age(now.duration_since(alarm.since()));
            text += &format!("  {}\n", terminal::paint(URGENT, format!("for {since}: {alarm}")));
        }
    }
    terminal::print(&text)?;
    Ok(exit)
}

/// A time that has passed, as people say it.
fn age(duration: SignedDuration) -> String {
    let minutes = duration.as_mins().max(0);
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}
