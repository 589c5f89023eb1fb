//! `refit device` and `refit person`

use crate::{
    Exit, Refused,
    cli::{Cli, EntityArgs},
    local::data_folder,
    repository,
    sources::{data, owners::Owners},
    terminal::{self, CHANGE, FAINT, HEADING, URGENT},
};
use anyhow::Result;
use jiff::Timestamp;
use refit_core::{
    facts::{
        FieldRef,
        estate::{Chain, ChainEnd, Estate, FieldSaid, Profile, Rules, Standing},
        mapping::{Strength, document::Subject},
    },
    policy::{diagnostic::did_you_mean, repository::Repository},
};
use serde::Serialize;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// Whom it is for that sources contradict each other, by field.
type Disputes<'a> = BTreeMap<&'a FieldRef, BTreeSet<&'a str>>;

/// `refit device --json` and `refit person --json`
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    profile: &'a Profile,
    /// Who answers for what sources say differently, by field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    disputes: Disputes<'a>,
}

pub fn device(cli: &Cli, args: &EntityArgs) -> Result<Exit> {
    run(cli, args, Subject::Device)
}

pub fn person(cli: &Cli, args: &EntityArgs) -> Result<Exit> {
    run(cli, args, Subject::Person)
}

fn run(cli: &Cli, args: &EntityArgs, of: Subject) -> Result<Exit> {
    let (repository, owners) = match &args.policy {
        Some(policy) => {
            let read = repository::read(policy)?;
            let owners = Owners::of(&read);
            (read.repository, owners)
        }
        None => (Repository::default(), Owners::default()),
    };
    let folder = data_folder(cli.data.as_deref())?;
    let (estate, stored) = data::read(&folder, repository.identities.clone())?;
    if stored.is_empty() {
        return Err(Refused::usage("no source was ever read; `refit sources sync POLICY` reads them"));
    }
    let rules = Rules {
        fields: &repository.fields,
        authority: &repository.authority,
        staleness: &repository.staleness,
        zones: &repository.zones,
        now: args.now.unwrap_or_else(Timestamp::now),
    };
    let found = estate.find(of, &args.key);
    let what = if of == Subject::Device { "device" } else { "person" };
    let mut ids = found.iter();
    let id = match (ids.next(), ids.next()) {
        (Some(id), None) => id,
        (None, _) => {
            let near = nearest(&estate, of, &args.key);
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(Refused::usage(format!("no source has a {what} `{}`{near}", args.key)));
        }
        (Some(_), Some(_)) => {
            let named: Vec<String> = found.iter().map(|id| format!("  {}", line(&estate, of, id, &rules))).collect();
            let what = if of == Subject::Device { "devices have" } else { "people have" };
            return Err(Refused::usage(format!(
                "{} {what} `{}`; say which by its id:\n{}",
                found.len(),
                args.key,
                named.join("\n")
            )));
        }
    };
    let Some(profile) = profile(&estate, of, id, &rules) else {
        return Err(Refused::usage(format!("no source has a {what} `{}`", args.key)));
    };
    let disputes = disputes(&profile, &owners);
    if cli.json {
        terminal::json(&Report { profile: &profile, disputes })?;
    } else {
        terminal::print(&shown(&profile, &disputes))?;
    }
    Ok(Exit::Done)
}

fn profile(estate: &Estate, of: Subject, id: &str, rules: &Rules<'_>) -> Option<Profile> {
    match of {
        Subject::Device => estate.device(id, rules),
        Subject::Person => estate.person(id, rules),
    }
}

/// What was meant by a text that names nobody: a record of that id, or a key that is nearly the same.
fn nearest(estate: &Estate, of: Subject, text: &str) -> Option<String> {
    let nodes = || estate.registry.nodes().iter().filter(|node| node.record.of == of && !node.gone);
    if let Some(node) = nodes().find(|node| node.record.id == text) {
        return Some(node.record.to_string());
    }
    let keys = nodes().flat_map(|node| &node.keys).map(|key| key.value.as_str());
    match text.rsplit_once('@') {
        None => did_you_mean(text, keys).map(str::to_owned),
        // Two addresses of one domain are alike in most of their letters.
        Some((name, domain)) => {
            let of_domain =
                |key: &'_ str| key.rsplit_once('@').is_some_and(|(_, other)| other.eq_ignore_ascii_case(domain));
            let names = keys.filter(|key| of_domain(key)).filter_map(|key| key.rsplit_once('@')).map(|(name, _)| name);
            did_you_mean(name, names).map(|near| format!("{near}@{}", domain.to_lowercase()))
        }
    }
}

/// One of several that were found.
fn line(estate: &Estate, of: Subject, id: &str, rules: &Rules<'_>) -> String {
    let Some(profile) = profile(estate, of, id, rules) else { return id.to_owned() };
    let records: Vec<String> = profile.records.iter().map(|it| format!("{}/{}", it.source, it.id)).collect();
    format!("{id}  {}  {}", profile.name().unwrap_or_default(), records.join(", "))
}

fn disputes<'a>(profile: &'a Profile, owners: &'a Owners) -> Disputes<'a> {
    let disputed = profile.fields.iter().filter(|field| field.disputed);
    let of = |field: &'a FieldSaid| {
        let fresh = field.said.iter().filter(|said| said.standing != Standing::TooOld);
        let answer: BTreeSet<&str> = fresh.filter_map(|said| owners.field(&said.source, &field.field)).collect();
        (!answer.is_empty()).then_some((&field.field, answer))
    };
    disputed.filter_map(of).collect()
}

fn shown(profile: &Profile, disputes: &Disputes<'_>) -> String {
    let mut text = String::new();
    let name = profile.name().map_or_else(String::new, |name| format!("{name}  "));
    let _ = writeln!(text, "{}{}", terminal::paint(HEADING, name), terminal::paint(FAINT, &profile.id));
    if !profile.former_ids.is_empty() {
        let _ = writeln!(text, "{}", terminal::paint(FAINT, format!("also {}", profile.former_ids.join(", "))));
    }
    if profile.of == Subject::Device {
        let person = profile.person.as_ref().map_or_else(
            || "nobody that is known".to_owned(),
            |person| format!("{}  {} ({})", person.name.as_deref().unwrap_or("?"), person.id, person.source),
        );
        let _ = writeln!(text, "person  {person}");
        for assigned in &profile.assigned {
            let kind = assigned.assignment.as_deref().unwrap_or("assigned");
            let known = if assigned.person.is_some() { "" } else { ", who is nobody that is known" };
            let said = format!("  {} says {kind} to {}{known}", assigned.source, assigned.named);
            let _ = writeln!(text, "{}", terminal::paint(FAINT, said));
        }
    }
    if let Some(chain) = &profile.managers {
        managers(&mut text, chain);
    }
    if profile.reports > 0 {
        let people = if profile.reports == 1 { "1 person".to_owned() } else { format!("{} people", profile.reports) };
        let _ = writeln!(text, "reports  {people}");
    }
    for device in &profile.devices {
        let _ = writeln!(text, "device  {}  {} ({})", device.name.as_deref().unwrap_or("?"), device.id, device.source);
    }
    text.push('\n');
    for field in &profile.fields {
        self::field(&mut text, field, disputes.get(&field.field));
    }
    if !profile.installs.is_empty() {
        let counts: Vec<String> =
            profile.installs.iter().map(|(source, count)| format!("{count} by {source}")).collect();
        let _ = writeln!(text, "{:<22} {}", "installs", counts.join(", "));
    }
    text.push('\n');
    for record in &profile.records {
        let gone = if record.gone { terminal::paint(URGENT, "  gone") } else { String::new() };
        let strong = record.keys.iter().filter(|key| key.strength == Strength::Strong);
        let keys: Vec<String> = strong.map(|key| format!("{} {}", key.kind.name(), key.value)).collect();
        let _ = writeln!(text, "{}/{}{gone}  {}", record.source, record.id, terminal::paint(FAINT, keys.join(", ")));
    }
    if !profile.conflicts.is_empty() {
        let _ = writeln!(text, "\n{}", terminal::paint(URGENT, "held apart"));
        for conflict in &profile.conflicts {
            let _ = write!(text, "{conflict}");
        }
    }
    text
}

/// Who somebody reports to, each above the one before.
fn managers(text: &mut String, chain: &Chain) {
    let mut word = "manager";
    let mut line = |who: String| {
        let _ = writeln!(text, "{word}  {who}");
        word = "  above";
    };
    for manager in &chain.managers {
        line(format!("{}  {} ({})", manager.name.as_deref().unwrap_or("?"), manager.id, manager.source));
    }
    match &chain.ends {
        ChainEnd::Top => {}
        ChainEnd::Unknown { named, source } => line(format!("{named}, who is nobody that is known ({source})")),
        ChainEnd::Circle { person } => line(terminal::paint(CHANGE, format!("{person} again: a circle"))),
    }
}

fn field(text: &mut String, field: &FieldSaid, owners: Option<&BTreeSet<&str>>) {
    let value = field.value.as_ref().map_or_else(|| terminal::paint(FAINT, "unknown"), ToString::to_string);
    let source = field.source.as_ref().filter(|_| field.value.is_some());
    let by = source.map_or_else(String::new, |source| format!("  {}", terminal::paint(FAINT, source)));
    let names: Vec<&str> = owners.into_iter().flatten().copied().collect();
    let whose = if names.is_empty() { String::new() } else { format!(", for {}", names.join(", ")) };
    let mark = if field.disputed { terminal::paint(CHANGE, format!("  disputed{whose}")) } else { String::new() };
    let _ = writeln!(text, "{:<22} {value}{by}{mark}", field.field.to_string());
    // What is kept of something sensitive is kept for something.
    let purposes: BTreeSet<&SmolStr> = field.said.iter().filter_map(|said| said.purpose.as_ref()).collect();
    for purpose in purposes {
        let _ = writeln!(text, "{:<22} {}", "", terminal::paint(FAINT, format!("kept for: {purpose}")));
    }
    for said in &field.said {
        let what = match said.standing {
            Standing::Believed => continue,
            // The same again says nothing new.
            Standing::Outranked if Some(&said.value) == field.value.as_ref() => continue,
            Standing::Outranked => "says",
            Standing::TooOld => "said, too long ago:",
        };
        let observed = said.observed.map_or_else(String::new, |at| format!(" ({at})"));
        let line = format!("{} {what} {}{observed}", said.source, said.value);
        let _ = writeln!(text, "{:<22} {}", "", terminal::paint(FAINT, line));
    }
}
