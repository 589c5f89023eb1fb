//! What dnf's history says of how packages came here: whether a script of theirs failed, and whether the transaction came
//! to its end. rpm's own database has none of that.

use super::run::{Network, Place};
use crate::providers::command::{CommandError, ask};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::sync::PoisonError;

/// How many of the last transactions with something to tell are looked at. A package that failed before that and was not
/// touched since is taken for well.
const LOOKED_AT: usize = 60;

/// One transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub id: u64,
    pub began: Option<Timestamp>,
    /// `None` where it was broken off.
    pub ended: Option<Timestamp>,
    /// What it brought.
    pub brought: Vec<String>,
    pub output: Vec<String>,
}

/// What is to be said of installed packages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Marks {
    entries: Vec<Entry>,
}

impl Marks {
    /// What the package's post-install script left behind when it failed: its lines. `installed` is when rpm says that it was
    /// put there; another installation of the same version is not meant.
    pub fn script_failure(&self, nevra: &str, installed: Option<Timestamp>) -> Option<Vec<String>> {
        let entry = self.entries.iter().find(|entry| entry.covers(installed) && entry.failed(nevra))?;
        Some(entry.output.clone())
    }

    /// Whether the transaction that brought it was broken off: then nobody knows which of its scripts have run.
    pub fn was_cut_short(&self, nevra: &str, installed: Option<Timestamp>) -> bool {
        self.entries.iter().any(|entry| {
            // What came later is the work of the next one.
            let later = self.entries.iter().filter(|other| other.id > entry.id).min_by_key(|other| other.id);
            let is_later =
                later.and_then(|later| later.began).is_some_and(|began| installed.is_some_and(|at| at >= began));
            let is_its_own = entry.covers(installed) && !is_later;
            entry.ended.is_none() && is_its_own && entry.brought.iter().any(|brought| brought == nevra)
        })
    }
}

impl Entry {
    fn covers(&self, moment: Option<Timestamp>) -> bool {
        moment.is_some_and(|moment| {
            self.began.is_some_and(|began| began <= moment) && self.ended.is_none_or(|ended| moment <= ended)
        })
    }

    fn failed(&self, nevra: &str) -> bool {
        self.output
            .iter()
            .any(|line| failing_script(line).is_some_and(|(script, of)| of == nevra && is_configuring(script)))
    }
}

/// Script and package of `warning: %post(alpha-2.0-1.noarch) scriptlet failed, exit status 3`.
pub(super) fn failing_script(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(": %")?;
    let (script, rest) = rest.split_once('(')?;
    let (package, rest) = rest.split_once(')')?;
    rest.contains("scriptlet failed").then(|| (script, package.split(',').next().unwrap_or(package)))
}

/// Whether a package does not work as intended when this script of its failed, although rpm counts it as installed.
pub(super) fn is_configuring(script: &str) -> bool {
    ["post", "posttrans", "triggerin", "filetriggerin", "transfiletriggerin"].contains(&script)
}

/// Asks dnf; nothing where there is no history yet, or this user may not read it.
pub(super) fn marks(place: &Place) -> Result<Marks, CommandError> {
    // Before the question: what is written meanwhile is asked for the next time.
    let state = place.history_state();
    let mut known = place.history.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, marks)) = known.as_ref()
        && *of == state
    {
        return Ok(marks.clone());
    }
    let marks = ask_for_marks(place)?;
    *known = Some((state, marks.clone()));
    Ok(marks)
}

fn ask_for_marks(place: &Place) -> Result<Marks, CommandError> {
    let listing = place.dnf(&["history", "list"])?;
    if !listing.status.success() {
        return Ok(Marks::default());
    }
    let ids: Vec<String> = listed(&listing.stdout).into_iter().take(LOOKED_AT).map(|id| id.to_string()).collect();
    if ids.is_empty() {
        return Ok(Marks::default());
    }
    let mut question = vec!["history", "info"];
    question.extend(ids.iter().map(String::as_str));
    let words = place.words(Network::Never, &question);
    // Its dates are the machine's local time otherwise, without saying so.
    let args: Vec<&str> = ["TZ=UTC", "dnf"].into_iter().chain(words.iter().map(String::as_str)).collect();
    let answer = ask("env", &args)?.success()?;
    Ok(Marks { entries: answer.split("\n-----").filter_map(info).collect() })
}

/// The transactions with scripts that said something (`E`), those that did not end (`#`) with the one after each, and the
/// newest of all; the newest first.
fn listed(text: &str) -> Vec<u64> {
    let mut ids = Vec::new();
    let mut after = None;
    for line in text.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let (Some(first), Some(last)) = (fields.first(), fields.last().filter(|_| fields.len() >= 5)) else { continue };
        let Ok(id) = first.trim().parse() else { continue };
        if last.contains(['#', '*']) {
            ids.extend(after.filter(|after| !ids.contains(after)));
        }
        if ids.is_empty() || last.contains(['E', '#', '*']) {
            ids.push(id);
        }
        after = Some(id);
    }
    ids
}

fn info(text: &str) -> Option<Entry> {
    let mut entry = Entry::default();
    let mut part = "";
    for line in text.lines() {
        if line == "Packages Altered:" || line == "Scriptlet output:" {
            part = line;
        } else if let Some((name, value)) = line.split_once(':').filter(|_| part.is_empty() && !line.starts_with(' ')) {
            match name.trim() {
                "Transaction ID" => entry.id = value.trim().parse().ok()?,
                "Begin time" => entry.began = date(value),
                // One that was broken off has the beginning of time.
                "End time" => entry.ended = date(value).filter(|ended| ended.as_second() > 0),
                _ => {}
            }
        } else if part == "Packages Altered:" {
            let words: Vec<&str> = line.split_whitespace().filter(|word| *word != "**").collect();
            if let [action, nevra, _] = words.as_slice()
                && ["Install", "Upgrade", "Downgrade", "Reinstall", "Dep-Install"].contains(action)
            {
                entry.brought.push((*nevra).to_owned());
            }
        } else if part == "Scriptlet output:"
            && let Some((_, said)) = line.trim_start().split_once(' ')
        {
            entry.output.push(said.to_owned());
        }
    }
    (entry.id > 0).then_some(entry)
}

/// `Wed Nov 25 12:33:26 2026`, perhaps with a duration behind it.
fn date(text: &str) -> Option<Timestamp> {
    let text = text.split('(').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    let moment = DateTime::strptime("%a %b %d %H:%M:%S %Y", text).ok()?;
    Some(moment.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
