//! `refit explain`

use super::plan::make;
use crate::{
    Exit, Refused,
    cli::{Cli, ExplainArgs},
    local::{Present, required},
    repository, terminal,
};
use anyhow::Result;
use refit_core::{
    decide::{self, Decision, Entry, Explanation, Tone, View},
    policy::diagnostic::did_you_mean,
};
use refit_model::TitleId;
use std::collections::BTreeMap;

pub fn run(cli: &Cli, args: &ExplainArgs) -> Result<Exit> {
    if args.at.is_some() {
        return Err(Refused::usage("`--at` asks a server, which keeps what was so: add `--server`"));
    }
    let read = repository::read_in_order(&repository::given_or_here(args.policy.as_deref())?)?;
    let made = make(cli, &read, &args.facts)?;
    let names = ["local", made.plan.hostname.as_str(), made.plan.device.as_str()];
    if !names.contains(&args.device.as_str()) {
        return Err(Refused::usage(format!(
            "this machine is `{}`; write `local`, and no other device is known here",
            made.plan.hostname
        )));
    }
    // `openssl` is what people say; the package is `deb/openssl`.
    let title = TitleId::new(&args.title);
    let has = |title: &TitleId| made.situation.device.installs.iter().any(|install| install.title == *title);
    let as_package = ["deb", "rpm"].map(|namespace| TitleId::new(format!("{namespace}/{}", args.title)));
    let as_package = as_package.into_iter().find(|package| has(package)).filter(|_| title.package().is_none());
    let title = as_package.filter(|_| !has(&title)).unwrap_or(title);
    let known = has(&title) || required(&read.repository).contains(&title) || read.catalog.contains_key(&title);
    if !known && made.situation.world.releases(&title).is_empty() {
        let titles: Vec<&str> = made.situation.device.installs.iter().map(|install| install.title.as_str()).collect();
        // `opnssl` is near `openssl`, and that is `deb/openssl`.
        let names: BTreeMap<&str, &str> =
            titles.iter().map(|id| (id.split_once('/').map_or(*id, |(_, name)| name), *id)).collect();
        let near = did_you_mean(title.as_str(), titles.iter().copied())
            .or_else(|| names.get(did_you_mean(title.as_str(), names.keys().copied())?).copied());
        let help = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(Refused::usage(format!("`{title}` is not installed, and no policy or catalog knows it{help}")));
    }
    let now = made.plan.made_at;
    let decisions = decide::decide_title(&read.repository, &made.situation.world, &made.situation.device, &title, now);
    let unfinished = made.present.get(&title).filter(|present| present.state.is_some());
    if cli.json {
        terminal::json(&as_json(&decisions, unfinished)?)?;
        return Ok(Exit::Done);
    }
    let view = View { now, zone: made.situation.device.zone() };
    for mut decision in decisions {
        // People know their machine by its name.
        decision.device = made.plan.hostname.as_str().into();
        let text = painted(&decide::explain(&decision, &view));
        let shown = unfinished.zip(decision.installed.as_ref()).map(|(present, stands_for_it)| {
            let real = format!("{} ({})", present.version, present.state.unwrap_or_default());
            text.replace(stands_for_it.as_str(), &real)
        });
        terminal::print(shown.as_deref().unwrap_or(&text))?;
    }
    if let Some(said) = read.repository.carried_in_words(&title, has) {
        terminal::print(&format!("\n{said}\n"))?;
    }
    let obstacles = made.plan.groups.iter().flat_map(|group| &group.later).filter(|item| item.title == title);
    for why in obstacles.flat_map(|item| &item.not_now) {
        terminal::print(&format!("\nNot now: {why}\n"))?;
    }
    Ok(Exit::Done)
}

/// Decisions with the version and the state that a package has which is not in order.
fn as_json(decisions: &[Decision], unfinished: Option<&Present>) -> Result<Vec<serde_json::Value>> {
    let mut values = Vec::new();
    for decision in decisions {
        let mut value = serde_json::to_value(decision)?;
        if let Some(fields) = value.as_object_mut() {
            let state = unfinished.and_then(|present| present.state);
            if let (Some(present), true) = (unfinished, decision.installed.is_some()) {
                fields.insert("installed".to_owned(), present.version.clone().into());
            }
            fields.insert("state".to_owned(), state.into());
        }
        values.push(value);
    }
    Ok(values)
}

/// An explanation with its headings in bold, and what is urgent, waits or is free to go in its colour.
pub fn painted(explanation: &Explanation) -> String {
    let entry = |entry: &Entry| match entry.tone {
        Tone::Plain => entry.text.clone(),
        Tone::Good => terminal::paint(terminal::ADD, &entry.text),
        Tone::Waiting => terminal::paint(terminal::CHANGE, &entry.text),
        Tone::Bad => terminal::paint(terminal::REMOVE, &entry.text),
    };
    let mut text = format!("{}\n", terminal::paint(terminal::HEADING, entry(&explanation.headline)));
    for next in &explanation.next {
        text.push_str(&format!("{}\n", entry(next)));
    }
    for section in &explanation.sections {
        text.push_str(&format!("\n{}\n", terminal::paint(terminal::HEADING, section.heading)));
        for said in &section.entries {
            text.push_str(&format!("  {}\n", entry(said)));
            for detail in &said.details {
                text.push_str(&format!("    {}\n", terminal::paint(terminal::FAINT, detail)));
            }
        }
    }
    text
}
