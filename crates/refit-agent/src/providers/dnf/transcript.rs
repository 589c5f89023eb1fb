//! What dnf prints while it makes a transaction: which package each line is about.

use super::{history::failing_script, inventory::Inventory, simulate::title_in};
use crate::providers::transaction::Step;
use refit_model::TitleId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many lines are kept of the whole.
const TAIL: usize = 60;
/// How many lines are kept for each package.
const PACKAGE_TAIL: usize = 20;

/// The output so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    tail: VecDeque<String>,
    packages: BTreeMap<TitleId, VecDeque<String>>,
    /// The NEVRAs of which a script failed, with the script.
    failed: BTreeMap<String, String>,
    not_installed: BTreeSet<TitleId>,
    current: Option<TitleId>,
    running: bool,
    disk_full: bool,
    kept_conffiles: Vec<String>,
    replaced_conffiles: Vec<String>,
}

impl Transcript {
    /// Takes a line; tells which step it begins, if it does.
    pub fn take(&mut self, inventory: &Inventory, line: &str) -> Option<(TitleId, Step)> {
        // Bars are drawn over and over on one line.
        let line = line.rsplit('\r').next().unwrap_or(line);
        self.disk_full |= line.contains("No space left on device")
            || (line.contains("needs") && line.contains("more space"))
            || line.contains("on the / filesystem");
        push(&mut self.tail, line, TAIL);
        if line == "Running transaction" {
            self.running = true;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["warning:", file, "created", "as", copy] = words.as_slice()
            && copy.ends_with(".rpmnew")
        {
            self.kept_conffiles.push((*file).to_owned());
        } else if let ["warning:", file, "saved", "as", copy] = words.as_slice()
            && copy.ends_with(".rpmsave")
        {
            self.replaced_conffiles.push((*file).to_owned());
        }
        if let Some((script, package)) = failing_script(line) {
            self.failed.insert(package.to_owned(), script.to_owned());
            if let Some(title) = title_in(inventory, package) {
                self.current = Some(title);
            }
        } else if let Some(package) =
            line.strip_prefix("error: ").and_then(|rest| rest.strip_suffix(": install failed"))
        {
            self.not_installed.extend(title_in(inventory, package));
        }
        let step = if self.running { step_of(inventory, line) } else { None };
        if let Some((title, _)) = &step {
            self.current = Some(title.clone());
        } else if line.starts_with("  Verifying ") {
            self.current = None;
        }
        if let Some(title) = &self.current {
            push(self.packages.entry(title.clone()).or_default(), line.trim_end(), PACKAGE_TAIL);
        }
        step
    }

    /// The last lines of all.
    pub fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    /// What dnf calls errors, among the last lines.
    pub fn errors(&self) -> Vec<&str> {
        self.tail.iter().filter_map(|line| line.strip_prefix("Error: ")).collect()
    }

    /// The last lines about a package; `None` where there was none.
    pub fn about(&self, title: &TitleId) -> Option<Vec<String>> {
        self.packages.get(title).map(|lines| lines.iter().filter(|line| !line.is_empty()).cloned().collect())
    }

    /// The script of this very package that failed: `post`.
    pub fn failed_script(&self, nevra: &str) -> Option<&str> {
        self.failed.get(nevra).map(String::as_str)
    }

    /// All scripts that failed, as package and script.
    pub fn failed_scripts(&self) -> impl Iterator<Item = (&String, &String)> {
        self.failed.iter()
    }

    /// Whether rpm said that it could not install the package.
    pub fn is_not_installed(&self, title: &TitleId) -> bool {
        self.not_installed.contains(title)
    }

    /// Whether the transaction itself was begun.
    pub fn was_running(&self) -> bool {
        self.running
    }

    /// Configuration files that people have edited and that were kept; the new ones lie beside them, as `.rpmnew`.
    pub fn kept_conffiles(&self) -> Vec<String> {
        self.kept_conffiles.clone()
    }

    /// Configuration files that people had edited and whose package replaces them all the same; what they said lies beside
    /// them, as `.rpmsave`.
    pub fn replaced_conffiles(&self) -> &[String] {
        &self.replaced_conffiles
    }

    /// Whether anything complained that the disk is full.
    pub fn disk_full(&self) -> bool {
        self.disk_full
    }
}

fn push(lines: &mut VecDeque<String>, line: &str, limit: usize) {
    if lines.len() == limit {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

/// `  Upgrading        : alpha-2.0-1.noarch                           2/4 `.
fn step_of(inventory: &Inventory, line: &str) -> Option<(TitleId, Step)> {
    let (verb, rest) = line.strip_prefix("  ")?.split_once(':')?;
    let step = match verb.trim() {
        "Installing" | "Upgrading" | "Downgrading" | "Reinstalling" => Step::Unpack,
        "Running scriptlet" => Step::Configure,
        "Cleanup" | "Erasing" | "Obsoleting" => Step::Remove,
        _ => return None,
    };
    Some((title_in(inventory, rest.split_whitespace().next()?)?, step))
}

#[cfg(test)]
#[path = "transcript_tests.rs"]
mod tests;
