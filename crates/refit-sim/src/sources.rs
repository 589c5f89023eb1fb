//! Simple sources: a vendor that publishes, distributions that offer, feeds that publish, change and withdraw advisories, and
//! an HR system that renames, lies, repeats itself and falls silent.

use super::{
    config::{Config, Form},
    faults::Fault,
    plant::Plant,
    policies::{DEPARTMENTS, PACKAGE, TITLES},
    quality::Quality,
    rng::Rng,
    run::{Run, Stop, Task},
    watch::Truth,
};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Actor, AdvisoryEntry, Input, PersonId, Plain, ReleaseEntry};
use refit_model::{AdvisoryId, TitleId};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What sources know, and what they have said.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    rng: Rng,
    /// The newest minor version of each title.
    minors: BTreeMap<&'static str, i64>,
    /// What each universe offers.
    offers: BTreeMap<SmolStr, Vec<ReleaseEntry>>,
    advisories: Vec<AdvisoryEntry>,
    /// Packages' advisories, which the distribution's matcher lists.
    matched: Vec<AdvisoryEntry>,
    /// People, with what is said of them by reference.
    people: BTreeMap<PersonId, Vec<SmolStr>>,
    departments: BTreeMap<PersonId, usize>,
    silent_until: Timestamp,
    last: Option<Input>,
    told: u64,
}

impl Sources {
    pub fn new(seed: u64, now: Timestamp, form: Form) -> Sources {
        let first = |version: &str| ReleaseEntry {
            title: TitleId::new(PACKAGE),
            branch: None,
            version: version.into(),
            published: now,
            security: false,
            withheld: false,
        };
        let offers = BTreeMap::from([
            (SmolStr::from("debian-0"), vec![first("7.1-1")]),
            (SmolStr::from("debian-1"), vec![first("7.1-1")]),
        ]);
        Sources {
            rng: Rng::stream(seed, "sources"),
            // In a fleet nobody publishes what is there from the beginning.
            minors: TITLES.iter().map(|title| (*title, if form == Form::Rollouts { 1 } else { -1 })).collect(),
            offers,
            advisories: Vec::new(),
            matched: Vec::new(),
            people: BTreeMap::new(),
            departments: BTreeMap::new(),
            silent_until: now,
            last: None,
            told: 0,
        }
    }

    /// What a universe offers.
    pub fn offers(&self, universe: &SmolStr) -> Vec<ReleaseEntry> {
        self.offers.get(universe).cloned().unwrap_or_default()
    }

    /// The versions that a vendor offers.
    pub fn versions(&self, title: &str) -> Vec<SmolStr> {
        let newest = self.minors.get(title).copied().unwrap_or(-1);
        (newest.saturating_sub(3).max(0)..=newest).map(|minor| format!("1.{minor}.0").into()).collect()
    }

    /// People that HR knows.
    pub fn people(&self) -> Vec<PersonId> {
        self.people.keys().cloned().collect()
    }

    /// What is said again of a person is no longer erased.
    fn says(&mut self, person: &PersonId, values: &BTreeMap<SmolStr, Option<(SmolStr, Plain)>>, truth: &mut Truth) {
        let references = self.people.entry(person.clone()).or_default();
        for (reference, value) in values.values().flatten() {
            truth.erased.remove(&value.to_string());
            references.push(reference.clone());
        }
    }

    /// A person was erased: what was said of them must be found nowhere.
    pub fn erased(&mut self, person: &PersonId, truth: &mut Truth) {
        for reference in self.people.insert(person.clone(), Vec::new()).unwrap_or_default() {
            // A department belongs to others too.
            let value = truth.values.get(&reference).filter(|value| value.starts_with("name-"));
            truth.erased.extend(value.cloned());
        }
    }
}

impl Run {
    /// A source speaks.
    pub fn source(&mut self) -> Result<(), Stop> {
        let again = self.sources.rng.between(900, 24_000);
        self.after(again, Task::Source);
        let most = if self.config.form == Form::Rollouts { 8 } else { 12 };
        let input = match self.sources.rng.below(most) {
            0..3 => Some(self.release()),
            10 | 11 => self.offer(),
            3 | 4 => Some(self.advisory()),
            5 => Some(self.matching()),
            _ => self.human_resources(),
        };
        let repeats = self.fault(Fault::SourceRepeats, 80, |run| &mut run.sources.rng);
        let Some(input) = (if repeats { self.sources.last.clone() } else { input }) else { return Ok(()) };
        if let Input::ObservePerson { person, values, .. } = &input {
            self.sources.says(person, values, &mut self.watch.truth);
        }
        self.sources.last = Some(input.clone());
        self.give(vec![(Actor::server(), input)])?;
        Ok(())
    }

    fn release(&mut self) -> Input {
        let lies = self.fault(Fault::SourceLies, 60, |run| &mut run.sources.rng);
        let (now, sources) = (self.now, &mut self.sources);
        let title = sources.rng.pick(&TITLES).copied().unwrap_or("editor");
        let minor = sources.minors.entry(title).or_insert(-1);
        // Who lies says of an old release that it came out today, or of a new one that it is old.
        let version = if lies && *minor > 0 { *minor - 1 } else { *minor + 1 };
        *minor = (*minor).max(version);
        if self.config.form == Form::Rollouts {
            let release = |minor: i64| (TitleId::new(title), SmolStr::from(format!("1.{minor}.0")));
            let (before, new) = (release(version - 1), release(version));
            let mends = self.watch.fold.releases.was_halted(&before.0, &before.1);
            // What follows a halted release is mended.
            let quality = Quality::draw(&mut sources.rng).filter(|_| !mends);
            if let Some(quality) = quality.filter(|_| version == *minor) {
                self.watch.truth.qualities.entry(new).or_insert(quality);
            }
        }
        let ago = sources.rng.between(0, 40 * 3_600);
        let release = ReleaseEntry {
            title: TitleId::new(title),
            branch: None,
            version: format!("1.{version}.0").into(),
            published: now.checked_sub(SignedDuration::from_secs(ago)).unwrap_or(now),
            security: sources.rng.permille(300),
            withheld: false,
        };
        Input::Releases { source: "vendor".into(), releases: vec![release] }
    }

    /// A distribution publishes; devices report it with their next check-in.
    fn offer(&mut self) -> Option<Input> {
        let (now, sources) = (self.now, &mut self.sources);
        let revision = 1 + sources.rng.below(9);
        for offers in sources.offers.values_mut() {
            if sources.rng.permille(600) {
                let ago = sources.rng.between(0, 20 * 3_600);
                offers.retain(|offer| offer.version != format!("7.1-{revision}"));
                offers.push(ReleaseEntry {
                    title: TitleId::new(PACKAGE),
                    branch: None,
                    version: format!("7.1-{revision}").into(),
                    published: now.checked_sub(SignedDuration::from_secs(ago)).unwrap_or(now),
                    security: sources.rng.permille(500),
                    // A pin is set, or a source is distrusted for a while.
                    withheld: sources.rng.permille(200),
                });
            }
        }
        None
    }

    fn advisory(&mut self) -> Input {
        let lies = self.fault(Fault::SourceLies, 60, |run| &mut run.sources.rng);
        let (now, sources) = (self.now, &mut self.sources);
        let index = sources.rng.below(sources.advisories.len() as u64) as usize;
        let old = sources.rng.permille(500);
        let advisory = match sources.advisories.get_mut(index).filter(|_| old) {
            Some(advisory) => {
                change(&mut sources.rng, advisory, now, lies);
                advisory.clone()
            }
            None => {
                let title = sources.rng.pick(&TITLES).copied().unwrap_or("editor");
                let minor = sources.minors.get(title).copied().unwrap_or(0).max(0);
                let advisory =
                    new_advisory(&mut sources.rng, sources.advisories.len(), title, &format!("<1.{minor}.0"), now);
                sources.advisories.push(advisory.clone());
                advisory
            }
        };
        Input::Advisories { source: "feed".into(), advisories: vec![advisory] }
    }

    /// The distribution's matcher lists what concerns its packages.
    fn matching(&mut self) -> Input {
        let (now, sources) = (self.now, &mut self.sources);
        let index = sources.rng.below(sources.matched.len() as u64 + 1) as usize;
        match sources.matched.get_mut(index) {
            Some(advisory) => change(&mut sources.rng, advisory, now, false),
            None => {
                let fixed = format!("<7.1-{}", 1 + sources.rng.below(9));
                let advisory = new_advisory(&mut sources.rng, 1_000 + index, PACKAGE, &fixed, now);
                sources.matched.push(advisory);
            }
        }
        let advisories = sources.matched.len() as u64;
        let content = serde_json::to_vec(&sources.matched).unwrap_or_default();
        Input::Matched { distribution: "debian/bookworm".into(), content: self.store.put(content), advisories }
    }

    /// People that HR speaks of before anything else happens.
    pub fn first_people(&mut self) {
        for number in 0..people(&self.config) {
            self.sources.people.entry(PersonId::new(format!("p{number}"))).or_default();
        }
    }

    fn human_resources(&mut self) -> Option<Input> {
        let people = people(&self.config);
        if self.now < self.sources.silent_until {
            self.lately.insert(Fault::SourceSilent);
            return None;
        }
        if self.fault(Fault::SourceSilent, 15, |run| &mut run.sources.rng) {
            let hours = self.sources.rng.between(48, 24 * 12);
            self.sources.silent_until = self.now.checked_add(SignedDuration::from_hours(hours)).unwrap_or(self.now);
            return None;
        }
        let lies = self.fault(Fault::SourceLies, 60, |run| &mut run.sources.rng);
        let leaks = self.config.plant == Some(Plant::ValuesInReferences);
        let now = self.server_now();
        let sources = &mut self.sources;
        let person = PersonId::new(format!("p{}", sources.rng.below(people)));
        let department = sources.departments.entry(person.clone()).or_insert(0);
        if lies || sources.rng.permille(200) {
            *department = sources.rng.below(DEPARTMENTS.len() as u64) as usize;
        }
        let department = DEPARTMENTS.get(*department).copied().unwrap_or_default();
        // Each person is known to one source, so that the invariants need no rule of precedence.
        let source = if person.as_str().ends_with('7') { "directory" } else { "hr" };
        sources.told += 1;
        let told = sources.told;
        let mut values = BTreeMap::new();
        for (field, value) in [("department", department.to_owned()), ("name", format!("name-{person}-{}", told / 7))] {
            if sources.rng.permille(30) {
                values.insert(SmolStr::from(field), None);
                continue;
            }
            let reference = if leaks { format!("{value}-{told}") } else { format!("ref{told}{}", field.len()) };
            let reference = SmolStr::from(reference);
            self.watch.truth.values.insert(reference.clone(), value.clone());
            values.insert(field.into(), Some((reference, Plain::Text(value.into()))));
        }
        Some(Input::ObservePerson { person, source: source.into(), observed: now, values })
    }
}

/// How many people there are.
fn people(config: &Config) -> u64 {
    match config.form {
        Form::Everything => 8,
        Form::Rollouts => config.devices as u64 / 4 + 8,
    }
}

fn new_advisory(rng: &mut Rng, number: usize, title: &str, affected: &str, now: Timestamp) -> AdvisoryEntry {
    AdvisoryEntry {
        id: AdvisoryId::new(format!("CVE-2026-{number:04}")),
        title: TitleId::new(title),
        affected: vec![affected.into()],
        known_at: now.checked_sub(SignedDuration::from_secs(rng.between(0, 100_000))).unwrap_or(now),
        cvss: rng.permille(700).then(|| (rng.unit() * 100.0).round() / 10.0),
        epss: rng.permille(700).then(|| rng.unit()),
        kev: None,
        ransomware: false,
        withdrawn: None,
        said_by: vec!["feed".into()],
    }
}

fn change(rng: &mut Rng, advisory: &mut AdvisoryEntry, now: Timestamp, lies: bool) {
    if lies {
        let later = now.checked_sub(SignedDuration::from_secs(rng.between(0, 50_000))).unwrap_or(now);
        advisory.known_at = later;
        advisory.kev = advisory.kev.map(|_| later);
        return;
    }
    match rng.below(6) {
        0 => advisory.epss = Some(rng.unit()),
        1 => advisory.cvss = Some((rng.unit() * 100.0).round() / 10.0),
        2 => advisory.kev = Some(now),
        3 => advisory.kev = None,
        4 => advisory.withdrawn = if advisory.withdrawn.is_some() { None } else { Some(now) },
        _ => advisory.ransomware = !advisory.ransomware,
    }
}
