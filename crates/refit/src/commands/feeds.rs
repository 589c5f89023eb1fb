//! `refit feeds sync` and `refit feeds list`

use crate::{
    Exit, Refused,
    cli::{Cli, FeedsSyncArgs},
    local::{data_folder, provider, universe},
    terminal::{self, ADD, CHANGE, FAINT, URGENT},
};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_connect::feeds::{
    Change, FeedError, FeedKind, FeedOutcome, FeedState, FeedStatus, FeedStore, NetworkOptions, Progress, SyncFrom,
    SyncOptions, passed_over, sync as sync_feeds,
};
use refit_core::policy::diagnostic::did_you_mean;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// One line of `refit feeds sync --json`.
#[derive(Serialize)]
struct Synced {
    feed: &'static str,
    result: &'static str,
    records: Option<u64>,
    before: Option<u64>,
    skipped: Option<u64>,
    error: Option<String>,
}

/// One line of `refit feeds list --json`.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    status: FeedStatus,
    age_seconds: Option<i64>,
    damage: Option<String>,
}

pub fn sync(cli: &Cli, args: &FeedsSyncArgs) -> Result<Exit> {
    let mut kinds = Vec::new();
    for name in &args.feeds {
        let Some(kind) = FeedKind::from_name(name) else { return Err(unknown(name)) };
        kinds.push(kind);
    }
    if kinds.is_empty() {
        kinds = if args.needed { needed()? } else { FeedKind::ALL.to_vec() };
        // Without a folder only what somebody publishes can be had.
        if args.from.is_none() {
            kinds.retain(|kind| kind.default_url().is_some());
        }
    }
    let mut urls = BTreeMap::new();
    for line in &args.urls {
        let parts = line.split_once('=').map(|(name, url)| (FeedKind::from_name(name), name, url));
        match parts {
            Some((Some(kind), _, url)) => {
                urls.insert(kind, url.to_owned());
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            Some((None, name, _)) => return Err(unknown(name)),
            None => {
                return Err(Refused::usage(format!(
                    "`--url {line}`: write FEED=URL, such as `kev=https://mirror.example/kev.json`"
                )));
            }
        }
    }
    let data = data_folder(cli.data.as_deref())?;
    std::fs::create_dir_all(&data).with_context(|| format!("the data folder {} can't be made", data.display()))?;
    let from = match &args.from {
        Some(folder) => SyncFrom::Folder(
            folder.canonicalize().with_context(|| format!("the folder `{}` can't be read", folder.display()))?,
        ),
        None => {
            SyncFrom::Network { urls, network: NetworkOptions { attempts: args.attempts, ..NetworkOptions::default() } }
        }
    };
    let options = SyncOptions { from, now: Timestamp::now(), force: args.force, limits: BTreeMap::new() };
    let store = FeedStore::open(&data);
    if args.missing {
        let there = store.status().into_iter().filter(|status| status.state == FeedState::Ready);
        let there: Vec<&str> = there.map(|status| status.feed).collect();
        kinds.retain(|kind| !there.contains(&kind.name()));
        if kinds.is_empty() {
            return nothing_to_do(cli);
        }
    }
    let bar = terminal::spinner("feeds");
    let outcomes = sync_feeds(&store, &kinds, &options, &mut |progress| match progress {
        Progress::Started(feed) => bar.set_message(feed.name()),
        Progress::Received { feed, bytes, of } => bar.set_message(match of {
            Some(of) => format!("{}: {} of {}", feed.name(), size(bytes), size(of)),
            None => format!("{}: {}", feed.name(), size(bytes)),
        }),
        Progress::Again { feed, wait, why } => {
            bar.suspend(|| terminal::note(format_args!("{}: {why}; again in {} s", feed.name(), wait.as_secs())));
        }
        Progress::Reading(feed) => bar.set_message(format!("{}: reading", feed.name())),
        Progress::Done(_) => {}
    });
    bar.finish_and_clear();
    // A folder need not hold every feed.
    let told: Vec<&FeedOutcome> = outcomes
        .iter()
        .filter(|outcome| !(args.feeds.is_empty() && matches!(outcome.result, Err(FeedError::NotInFolder { .. }))))
        .collect();
    if let Some(FeedOutcome { result: Err(busy @ FeedError::Busy { .. }), .. }) = outcomes.first() {
        return Err(Refused::no(busy.to_string()));
    }
    let failed = told.iter().filter(|outcome| outcome.result.is_err()).count();
    if let (true, Some(folder)) = (told.is_empty(), &args.from) {
        return Err(Refused::no(format!(
            "`{}` holds no feed; it has to have files such as kev/known_exploited_vulnerabilities.json",
            folder.display()
        )));
    }
    if cli.json {
        terminal::json(&told.iter().map(|outcome| synced(outcome)).collect::<Vec<_>>())?;
    } else {
        for outcome in &told {
            terminal::print(&line(outcome))?;
        }
        if told.iter().any(|outcome| matches!(outcome.result, Err(FeedError::Fetch(_)))) {
            terminal::note(
                "without a network, `refit feeds sync --from DIR` reads them from a folder that was brought along",
            );
        }
        if let (true, SyncFrom::Folder(folder)) = (args.feeds.is_empty(), &options.from) {
            tell_passed_over(folder)?;
        }
        let there = store.status().into_iter().filter(|status| status.state == FeedState::Ready);
        let there: Vec<&str> = there.map(|status| status.feed).collect();
        let kept: Vec<&str> = told
            .iter()
            .filter(|outcome| outcome.result.is_err() && there.contains(&outcome.feed.name()))
            .map(|outcome| outcome.feed.name())
            .collect();
        if !kept.is_empty() {
            terminal::note(format_args!("what was there before is kept: {}", kept.join(", ")));
        }
    }
    Ok(if failed > 0 || told.is_empty() { Exit::No } else { Exit::Done })
}

/// Says what lies in a folder of feeds and was not read.
fn tell_passed_over(folder: &Path) -> Result<()> {
    const SHOWN: usize = 6;
    let passed = passed_over(folder).with_context(|| format!("the folder `{}` can't be read", folder.display()))?;
    if let Some(shown) = passed.get(..passed.len().min(SHOWN)).filter(|shown| !shown.is_empty()) {
        let more = if passed.len() > SHOWN { format!(" and {} more", passed.len() - SHOWN) } else { String::new() };
        terminal::note(format_args!("passed over, since no feed is kept there: {}{more}", shown.join(", ")));
    }
    Ok(())
}

fn nothing_to_do(cli: &Cli) -> Result<Exit> {
    if cli.json {
        terminal::json(&Vec::<Synced>::new())?;
    } else {
        terminal::print("no feed is missing\n")?;
    }
    Ok(Exit::Done)
}

fn needed() -> Result<Vec<FeedKind>> {
    let machine = provider()?.machine().context("this machine can't be read")?;
    Ok(FeedKind::for_universe(&universe(&machine)))
}

fn unknown(name: &str) -> anyhow::Error {
    let known: Vec<&str> = FeedKind::ALL.iter().map(|kind| kind.name()).collect();
    let help = did_you_mean(name, known.iter().copied())
        .map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
    Refused::usage(format!("there is no feed `{name}`; {help}"))
}

fn line(outcome: &FeedOutcome) -> String {
    let name = outcome.feed.name();
    match &outcome.result {
        Ok(Change::UpToDate { records }) => format!("{name:<18} up to date, {records} records\n"),
        Ok(Change::Same { records }) => format!("{name:<18} unchanged, {records} records\n"),
        Ok(Change::Replaced { before, records, skipped, first_skipped }) => {
            let before = before.map_or_else(|| "new".to_owned(), |before| format!("{before} before"));
            let skipped = match (skipped, first_skipped) {
                (0, _) => String::new(),
                (1, Some(first)) => format!(", 1 left out, which made no sense: {first}"),
                (_, Some(first)) => format!(", {skipped} left out, which made no sense, the first: {first}"),
                (_, None) => format!(", {skipped} left out, which made no sense"),
            };
            format!("{name:<18} {} ({before}{skipped})\n", terminal::paint(ADD, format!("{records} records")))
        }
        Err(error) => format!("{name:<18} {} {error}\n", terminal::paint(URGENT, "failed:")),
    }
}

fn synced(outcome: &FeedOutcome) -> Synced {
    let mut synced = Synced {
        feed: outcome.feed.name(),
        result: "failed",
        records: None,
        before: None,
        skipped: None,
        error: outcome.result.as_ref().err().map(ToString::to_string),
    };
    match &outcome.result {
        Ok(Change::UpToDate { records }) => (synced.result, synced.records) = ("up_to_date", Some(*records)),
        Ok(Change::Same { records }) => (synced.result, synced.records) = ("same", Some(*records)),
        Ok(Change::Replaced { before, records, skipped, .. }) => {
            (synced.result, synced.records, synced.skipped) = ("replaced", Some(*records), Some(*skipped));
            synced.before = *before;
        }
        Err(_) => {}
    }
    synced
}

pub fn list(cli: &Cli, verify: bool) -> Result<Exit> {
    let store = FeedStore::open(&data_folder(cli.data.as_deref())?);
    let now = Timestamp::now();
    let damaged: BTreeMap<FeedKind, String> = match verify {
        true => store.verify().into_iter().map(|(kind, error)| (kind, error.to_string())).collect(),
        false => BTreeMap::new(),
    };
    let listed: Vec<Listed> = store
        .status()
        .into_iter()
        .map(|status| Listed {
            age_seconds: status.current_at.map(|at| now.duration_since(at).as_secs()),
            damage: FeedKind::from_name(status.feed).and_then(|kind| damaged.get(&kind).cloned()),
            status,
        })
        .collect();
    let broken =
        listed.iter().any(|listed| listed.damage.is_some() || matches!(listed.status.state, FeedState::Damaged(_)));
    if cli.json {
        terminal::json(&listed)?;
    } else {
        for listed in &listed {
            terminal::print(&listed_line(listed))?;
        }
    }
    Ok(if broken { Exit::No } else { Exit::Done })
}

fn listed_line(listed: &Listed) -> String {
    let status = &listed.status;
    let name = status.feed;
    let damage = match (&status.state, &listed.damage) {
        (FeedState::Damaged(what), _) => Some(what),
        (_, damage) => damage.as_ref(),
    };
    if let Some(what) = damage {
        return format!("{name:<18} {} {what}\n", terminal::paint(URGENT, "damaged:"));
    }
    if status.state == FeedState::Missing {
        return format!("{name:<18} {}\n", terminal::paint(FAINT, "not there"));
    }
    let age = listed.age_seconds.unwrap_or_default();
    let age_text = match age {
        ..3_600 => format!("{} min old", age / 60),
        3_600..172_800 => format!("{} h old", age / 3_600),
        _ => format!("{} days old", age / 86_400),
    };
    // Three days: the limit from which `plan` says so, too.
    let style = if age > 3 * 86_400 { CHANGE } else { ADD };
    let skipped = if status.skipped > 0 { format!(", {} left out", status.skipped) } else { String::new() };
    format!(
        "{name:<18} {:>9} records, {}, {}{skipped} {}\n",
        status.records,
        terminal::paint(style, age_text),
        size(status.bytes),
        terminal::paint(FAINT, status.source.as_deref().unwrap_or_default()),
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.0} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}
