//! `refit sources sync` and `refit sources status`

use crate::{
    Exit, Refused,
    cli::{Cli, SourcesStatusArgs, SourcesSyncArgs},
    local::data_folder,
    repository::{self, counted, paint},
    sources::{
        data::{self, Stored},
        reading::Wanted,
        syncing::{self, How, Places, Policy, Synced},
    },
    terminal::{self, ADD, CHANGE, FAINT, HEADING, URGENT},
};
use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    facts::{
        estate::{Alarm, Estate, UncoveredValue, Unfit},
        identity::Change,
        mapping::document::Subject,
    },
    policy::{
        diagnostic::{Renderer, Severity},
        document::outside::SourceDocument,
        load::Documents,
    },
};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What of a source's reading is shown at most.
const SHOWN: usize = 5;

pub fn sync(cli: &Cli, args: &SourcesSyncArgs) -> Result<Exit> {
    let policy = repository::read(&args.policy)?;
    let wrong = policy.diagnostics.iter().filter(|found| found.severity == Severity::Error).count();
    if wrong > 0 {
        let renderer = Renderer::new(&policy.files);
        policy.diagnostics.iter().for_each(|found| terminal::note(paint(&renderer, found)));
        return Err(Refused::no(format!("{}: {}; nothing is read", args.policy.display(), counted(wrong, "mistake"))));
    }
    let folder = data_folder(cli.data.as_deref())?;
    let Some(_alone) = data::lock(&folder)? else {
        let why = "another program reads the sources of this data folder just now; a server does that by itself";
        return Err(Refused::no(format!("{}: {why}", folder.display())));
    };
    let (mut estate, mut stored) = data::read(&folder, policy.repository.identities.clone())?;
    let sources: Vec<&SourceDocument> = syncing::sources(&policy.documents).collect();
    if sources.is_empty() {
        let why = "names no system to read: add a document `source: NAME` with its `connector:`";
        return Err(Refused::no(format!("the policy repository {} {why}", args.policy.display())));
    }
    known(args, &sources, &policy.documents)?;
    let places = Places {
        connect: args.connect.clone(),
        secret: args.secret.clone(),
        file: args.file.clone(),
        folder: args.files.as_deref().map(syncing::folder).transpose()?,
    };
    let read = Policy {
        files: &policy.files,
        fields: &policy.repository.fields,
        zone: policy.repository.zones.otherwise(),
        folder: Some(&policy.folder),
    };
    let wanted = match (args.full, args.only.is_empty()) {
        (true, _) => Wanted::Everything,
        // Who names a source wants it now.
        (false, false) => Wanted::Changes,
        (false, true) => Wanted::WhatIsTime,
    };
    let (mut exit, mut report) = (Exit::Done, Vec::new());
    for source in sources {
        if !args.only.is_empty() && !args.only.contains(&source.source) {
            continue;
        }
        let name = SmolStr::from(source.source.as_str());
        let mut kept = stored.remove(&name).unwrap_or_else(|| Stored::new(&name));
        let now = Timestamp::now();
        if let Some(again) = rests(args, source, &kept, now) {
            let resting = Synced::without(&name, "resting", again);
            if !cli.json {
                show(&resting)?;
            }
            report.push(resting);
            continue;
        }
        let spinner = terminal::spinner("reading");
        spinner.set_message(name.to_string());
        let how = How { wanted, believe: args.believe.contains(&source.source) };
        let synced = syncing::sync(source, read, &places, how, &mut estate, &mut kept, now);
        spinner.finish_and_clear();
        let synced = synced?;
        if synced.raises_alarm() {
            exit = Exit::No;
        }
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
        let (devices, devices_gone) = there(&estate, Subject::Device);
        let (people, people_gone) = there(&estate, Subject::Person);
        let mut text = format!("{}, {}", counted(devices, "device"), counted_people(people));
        let gone = [(devices_gone, counted(devices_gone, "device")), (people_gone, counted_people(people_gone))];
        let gone: Vec<String> = gone.into_iter().filter(|(count, _)| *count > 0).map(|(_, text)| text).collect();
        if !gone.is_empty() {
            text += &terminal::paint(FAINT, format!("; gone: {}", gone.join(", ")));
        }
        terminal::print(&format!("{text}\n"))?;
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
    if args.full || !args.only.is_empty() {
        return None;
    }
    let (ago, again) = syncing::rests(source, kept, now)?;
    Some(format!("read {} ago; again in {}", age(ago), age(again)))
}

/// How many devices or people there are, and how many of which every source that named them says that they are gone, or names them no more.
fn there(estate: &Estate, of: Subject) -> (usize, usize) {
    let entities = estate.registry.entities(of);
    let there = entities.iter().filter(|id| estate.registry.records(id).iter().any(|node| !node.gone)).count();
    (there, entities.len() - there)
}

fn counted_people(people: usize) -> String {
    if people == 1 { "1 person".to_owned() } else { format!("{people} people") }
}

/// Whether what the options name is there.
fn known(args: &SourcesSyncArgs, sources: &[&SourceDocument], documents: &Documents) -> Result<()> {
    let there = |name: &str| sources.iter().any(|source| source.source == name);
    let of_secret =
        args.secret.iter().map(|(name, _)| name.split_once('.').map_or(name.as_str(), |(source, _)| source));
    let named = args.only.iter().chain(&args.believe).map(String::as_str);
    let named = named.chain(args.connect.iter().chain(&args.file).map(|(name, _)| name.as_str())).chain(of_secret);
    for name in named {
        let tells = |document: &SourceDocument| document.source == name && syncing::tells_by_itself(document);
        if documents.sources.iter().any(|written| tells(&written.document)) {
            let why = "tells a server by itself what it knows (`connector: scim`): there is nothing to read";
            return Err(Refused::usage(format!("the source `{name}` {why}")));
        }
        if !there(name) {
            let known: Vec<&str> = sources.iter().map(|source| source.source.as_str()).collect();
            let known =
                if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
            return Err(Refused::usage(format!("the policy repository has no source `{name}`; {known}")));
        }
    }
    Ok(())
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
        let mut text = format!("{name}  {}; {kept}{help}\n", terminal::paint(URGENT, why));
        let aside = synced.quarantined.iter().map(|aside| (aside.at.as_str(), aside.why.as_str()));
        unfit(&mut text, aside, synced.quarantined.len(), &[]);
        return terminal::print(&text);
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
    let aside = synced.quarantined.iter().map(|aside| (aside.at.as_str(), aside.why.as_str()));
    unfit(&mut text, aside, synced.quarantined.len(), &synced.uncovered.iter().collect::<Vec<_>>());
    let told = |change: &&Change| !matches!(change, Change::Known { .. } | Change::Joined { .. });
    for change in synced.changes.iter().filter(told).take(SHOWN) {
        text += &format!("  {}  {change}\n", terminal::paint(ADD, "who is who"));
    }
    more(&mut text, synced.changes.iter().filter(told).count(), "changes of who is who");
    terminal::print(&text)
}

/// What did not fit: where what was set aside was, and why; and the values that no map covers.
fn unfit<'a>(
    text: &mut String,
    aside: impl Iterator<Item = (&'a str, &'a str)>,
    all: usize,
    uncovered: &[&UncoveredValue],
) {
    for (at, why) in aside.take(SHOWN) {
        *text += &format!("  {}  {at}  {why}\n", terminal::paint(URGENT, "set aside"));
    }
    more(text, all, "set aside");
    for value in uncovered.iter().take(SHOWN) {
        let what = terminal::paint(CHANGE, "no map covers");
        let records = counted(value.records, "record");
        *text += &match &value.value {
            Some(said) => format!("  {what}  {} {said:?} in {records}\n", value.field),
            None => format!("  {what}  {} in {records}: sensitive, so that it is not shown\n", value.field),
        };
    }
    more(text, uncovered.len(), "values that no map covers");
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
    /// What did not fit, by list; `""` is a file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unfit: BTreeMap<SmolStr, Unfit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<Alarm>,
}

pub fn status(cli: &Cli, args: &SourcesStatusArgs) -> Result<Exit> {
    let folder = data_folder(cli.data.as_deref())?;
    let (_, mut stored) = data::read(&folder, Default::default())?;
    if let Some(policy) = &args.policy {
        for written in syncing::sources(&repository::read(policy)?.documents) {
            let name = written.source.as_str();
            stored.entry(name.into()).or_insert_with(|| Stored::new(name));
        }
    }
    let all: Vec<Status> = stored
        .into_values()
        .map(|stored| Status {
            read: stored.source.read,
            whole: stored.whole,
            records: stored.source.counts().into_iter().map(|(kind, count)| (kind.clone(), count)).collect(),
            unfit: stored.source.unfit,
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
        let aside = status.unfit.values().flat_map(|unfit| &unfit.first);
        let all = status.unfit.values().map(|unfit| unfit.set_aside).sum();
        let uncovered: Vec<&UncoveredValue> = status.unfit.values().flat_map(|unfit| &unfit.uncovered).collect();
        unfit(&mut text, aside.map(|aside| (aside.at.as_str(), aside.why.as_str())), all, &uncovered);
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
