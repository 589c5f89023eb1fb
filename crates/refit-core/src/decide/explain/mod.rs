//! A decision in words, for people: why, why not yet, and what would change it.
//!
//! [`explain`] computes nothing: it reads the decision and its derivation, and says what is there. The result is plain data, so
//! that a command line can colour it; its `Display` is plain text.

mod answer;
mod change;
mod cited;
mod duties;
mod gate;
mod releases;
mod words;

pub(crate) use words::rough;

#[cfg(test)]
mod tests;

use super::decision::Decision;
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use std::fmt;

/// A decision in words.
///
/// Sections without anything to say are left out. Where a slot has very many exposures or releases, the most urgent ones are
/// shown and the rest is counted; the decision itself has them all.
pub fn explain(decision: &Decision, view: &View) -> Explanation {
    let sections = [
        Section { heading: "Policy", entries: cited::policies(decision) },
        Section { heading: "Has to do", entries: duties::obligations(decision, view) },
        Section { heading: "Exposures that oblige nothing", entries: duties::open_exposures(decision) },
        Section { heading: "Releases", entries: releases::releases(decision, view) },
        Section { heading: "Ring and gate", entries: releases::ring_and_gate(decision, view) },
        Section { heading: "Held by", entries: cited::holds(decision, view) },
        Section { heading: "Exceptions", entries: cited::exceptions(decision, view) },
        Section { heading: "Facts", entries: cited::facts(decision, view) },
        Section { heading: "What would change this", entries: change::would_change(decision, view) },
    ];
    Explanation {
        headline: answer::headline(decision, view),
        next: answer::next(decision, view),
        sections: sections.into_iter().filter(|section| !section.entries.is_empty()).collect(),
    }
}

/// From where a decision is looked at.
#[derive(Clone, Debug)]
pub struct View {
    /// The time of the decision: times are also given relative to it.
    pub now: Timestamp,
    /// The device's zone: times are given in UTC, and in this zone too where that differs.
    pub zone: TimeZone,
}

/// A decision in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The answer in a sentence.
    pub headline: Entry,
    /// What happens next, or why nothing does.
    pub next: Vec<Entry>,
    /// Why, part by part.
    pub sections: Vec<Section>,
}

/// A part of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// What it is about.
    pub heading: &'static str,
    /// What it says; never empty.
    pub entries: Vec<Entry>,
}

/// One thing that an explanation says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// How it is meant.
    pub tone: Tone,
    /// A line.
    pub text: String,
    /// Lines below it, which say more.
    pub details: Vec<String>,
}

/// How an entry is meant: what colours go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// It is so.
    Plain,
    /// As it should be, or free to go.
    Good,
    /// It has to wait.
    Waiting,
    /// It is not as it should be.
    Bad,
}

impl Entry {
    fn new(tone: Tone, text: impl Into<String>) -> Entry {
        Entry { tone, text: text.into(), details: Vec::new() }
    }

    fn plain(text: impl Into<String>) -> Entry {
        Entry::new(Tone::Plain, text)
    }

    fn with(mut self, details: impl IntoIterator<Item = String>) -> Entry {
        self.details.extend(details);
        self
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline.text)?;
        for entry in &self.next {
            writeln!(f, "{}", entry.text)?;
        }
        for section in &self.sections {
            writeln!(f, "\n{}", section.heading)?;
            for entry in &section.entries {
                writeln!(f, "  {}", entry.text)?;
                for detail in &entry.details {
                    writeln!(f, "    {detail}")?;
                }
            }
        }
        Ok(())
    }
}
