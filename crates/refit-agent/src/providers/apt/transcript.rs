//! What apt and dpkg print while they change packages: which package each line is about.

use super::inventory::Inventory;
use crate::providers::transaction::Step;
use refit_model::TitleId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How many lines are kept of the whole, enough to see what led to an error.
const TAIL: usize = 60;
/// How many lines are kept for each package.
const PACKAGE_TAIL: usize = 20;

/// The output so far.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    tail: VecDeque<String>,
    packages: BTreeMap<TitleId, VecDeque<String>>,
    failed: BTreeSet<TitleId>,
    current: Option<TitleId>,
    disk_full: bool,
    /// The configuration file that dpkg asks itself about.
    in_question: Option<String>,
    kept_conffiles: Vec<String>,
}

impl Transcript {
    /// Takes a line; tells which step it begins, if it does.
    pub fn take(&mut self, inventory: &Inventory, line: &str) -> Option<(TitleId, Step)> {
        self.disk_full |= line.contains("No space left on device");
        push(&mut self.tail, line, TAIL);
        if let Some(file) = line.strip_prefix("Configuration file '").and_then(|rest| rest.strip_suffix('\'')) {
            self.in_question = Some(file.to_owned());
        } else if [" ==> Keeping old config file", " ==> Using current old file"]
            .iter()
            .any(|kept| line.starts_with(kept))
        {
            self.kept_conffiles.extend(self.in_question.take());
        }
        let step = step_of(line).map(|(name, step)| (inventory.title(name), step));
        if let Some((title, _)) = &step {
            self.current = Some(title.clone());
        } else if let Some(name) = prepared_package(line) {
            self.current = Some(inventory.title(name));
        } else if let Some(name) = failing_package(line) {
            self.current = Some(inventory.title(name));
            self.failed.extend(self.current.clone());
        } else if ["Errors were encountered", "Selecting previously", "E: "].iter().any(|end| line.starts_with(end)) {
            self.current = None;
        }
        if let Some(title) = &self.current {
            push(self.packages.entry(title.clone()).or_default(), line, PACKAGE_TAIL);
        }
        step
    }

    /// The last lines of all.
    pub fn tail(&self) -> Vec<String> {
        self.tail.iter().cloned().collect()
    }

    /// What apt calls errors, among the last lines, apart from what only sums up what dpkg said of packages.
    pub fn errors(&self) -> Vec<&str> {
        let errors = self.tail.iter().filter_map(|line| line.strip_prefix("E: "));
        errors.filter(|text| self.failed.is_empty() || !text.starts_with("Sub-process ")).collect()
    }

    /// The last lines about a package; `None` where there was none.
    pub fn about(&self, title: &TitleId) -> Option<Vec<String>> {
        self.packages.get(title).map(|lines| lines.iter().cloned().collect())
    }

    /// Whether dpkg reported an error about the package.
    pub fn has_failed(&self, title: &TitleId) -> bool {
        self.failed.contains(title)
    }

    /// Configuration files that people have edited and that were kept; the new ones lie beside them, as `.dpkg-dist`.
    pub fn kept_conffiles(&self) -> Vec<String> {
        self.kept_conffiles.clone()
    }

    /// Whether anything complained that the disk is full.
    pub fn disk_full(&self) -> bool {
        self.disk_full
    }
}

fn push(lines: &mut VecDeque<String>, line: &str, limit: usize) {
    // dpkg's percentage of files read ends in carriage returns: what follows the last one is what a person would see.
    let line = line.rsplit('\r').next().unwrap_or(line);
    if lines.len() == limit {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

fn step_of(line: &str) -> Option<(&str, Step)> {
    let (rest, step) = [
        ("Unpacking ", Step::Unpack),
        ("Setting up ", Step::Configure),
        ("Removing ", Step::Remove),
        ("Purging configuration files for ", Step::Remove),
        ("Processing triggers for ", Step::Trigger),
    ]
    .iter()
    .find_map(|(prefix, step)| Some((line.strip_prefix(prefix)?, *step)))?;
    let (name, rest) = rest.split_once(' ')?;
    (rest.starts_with('(') && rest.ends_with("...")).then_some((name, step))
}

/// `foo` of `dpkg: error processing package foo (--configure):`, or of the archive's file name while it is unpacked.
fn failing_package(line: &str) -> Option<&str> {
    let line = line.strip_prefix("dpkg: ")?;
    if let Some(rest) = line.strip_prefix("error processing package ") {
        return rest.split(' ').next();
    }
    if let Some(rest) = line.strip_prefix("dependency problems prevent configuration of ") {
        return rest.strip_suffix(':');
    }
    package_of_archive(line.strip_prefix("error processing archive ")?.split(' ').next()?)
}

/// `foo` of `Preparing to unpack .../foo_1.2_amd64.deb ...`: from here on its maintainer scripts speak.
fn prepared_package(line: &str) -> Option<&str> {
    package_of_archive(line.strip_prefix("Preparing to unpack ")?.strip_suffix(" ...")?)
}

fn package_of_archive(archive: &str) -> Option<&str> {
    let (folder, file) = archive.rsplit_once('/')?;
    let name = file.split('_').next()?;
    // In apt's temporary folder the file's name begins with its turn: `003-foo_1.2_amd64.deb`. dpkg may cut the folder short.
    let numbered = folder == "..." || folder.contains("apt-dpkg-install");
    match name.split_once('-') {
        Some((turn, rest)) if numbered && turn.bytes().all(|b| b.is_ascii_digit()) => Some(rest),
        _ => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::apt::inventory::Inventory;

    fn inventory() -> Inventory {
        Inventory { architecture: "amd64".into(), packages: BTreeMap::new(), unreadable: Vec::new() }
    }

    #[test]
    fn lines_belong_to_the_package_that_dpkg_is_busy_with() {
        let mut transcript = Transcript::default();
        let output = include_str!("testdata/apply-failing-postinst.txt");
        let steps: Vec<_> = output.lines().filter_map(|line| transcript.take(&inventory(), line)).collect();
        assert!(steps.contains(&("deb/beta".into(), Step::Configure)), "{steps:?}");
        assert!(transcript.has_failed(&"deb/beta".into()) && !transcript.has_failed(&"deb/alpha".into()));
        let about = transcript.about(&"deb/beta".into()).unwrap().join("\n");
        assert!(about.contains("beta: the database does not answer"), "{about}");
        assert!(about.contains("post-installation script subprocess returned error exit status 3"), "{about}");
    }

    #[test]
    fn an_archive_that_fails_names_its_package() {
        let line = "dpkg: error processing archive /tmp/apt-dpkg-install-x/003-foo-bar_1.2_all.deb (--unpack):";
        assert_eq!(failing_package(line), Some("foo-bar"));
        let line = "dpkg: error processing archive /var/cache/apt/archives/7zip_1.2_all.deb (--unpack):";
        assert_eq!(failing_package(line), Some("7zip"));
        let line = "Preparing to unpack .../003-foo-bar_1.2_all.deb ...";
        assert_eq!(prepared_package(line), Some("foo-bar"));
    }
}
