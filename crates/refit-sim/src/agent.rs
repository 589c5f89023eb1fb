//! A simple agent: what is really installed on a device, its clock, what it has to do, and what it has not got rid of yet.

use super::rng::Rng;
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{
    CheckIn, Head, InstallEntry, Installs, Observation, PackageSource, Plain, ReceiptResult, ReleaseEntry, SlotName,
    UniverseReport, Wanted,
};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// One agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its number; cloned devices share an id and not this.
    pub number: usize,
    /// The device that it believes to be.
    pub device: DeviceId,
    /// What is really installed.
    pub installed: BTreeMap<TitleId, SmolStr>,
    /// What the server is known to know.
    acknowledged: Option<BTreeMap<TitleId, SmolStr>>,
    /// How far its clock is ahead, in seconds.
    pub ahead: i64,
    /// How much its clock gains a day, in seconds.
    pub gains: i64,
    /// When its clock was last right but for `ahead`.
    pub since: Timestamp,
    /// What it was told to do.
    pub directives: BTreeMap<SlotName, Wanted>,
    /// Reports that the server has not acknowledged.
    pub receipts: Vec<Report>,
    /// How many reports it has made.
    pub reports: u64,
    /// How many times it has checked in.
    pub check_ins: u64,
    /// What it can get from, where it is a distribution's device.
    pub universe: Option<SmolStr>,
    /// Whether it is known to the server.
    pub enrolled: bool,
    /// What it drew for each of its check-ins, oldest first.
    drawn: Vec<u32>,
    /// Whether the newest of them has not been answered.
    unanswered: bool,
    /// The last check-in that the server said it has written down.
    recorded: Option<Head>,
}

/// A report of what came of a directive.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its id.
    pub id: SmolStr,
    /// The slot.
    pub slot: SlotName,
    /// What came of it.
    pub result: ReceiptResult,
    /// The version before.
    pub before: Option<SmolStr>,
    /// The version afterwards.
    pub after: Option<SmolStr>,
    /// When, by its own clock.
    pub at: Timestamp,
}

impl Agent {
    /// An agent on a device with some installs.
    pub fn new(number: usize, device: DeviceId, rng: &mut Rng, now: Timestamp) -> Agent {
        let mut installed = BTreeMap::new();
        installed.insert(TitleId::new("editor"), SmolStr::from("1.0.0"));
        if rng.permille(700) {
            installed.insert(TitleId::new("browser"), SmolStr::from(format!("1.{}.0", rng.below(2))));
        }
        let universe = rng.permille(500).then(|| SmolStr::from(format!("debian-{}", rng.below(2))));
        if universe.is_some() {
            installed.insert(TitleId::new("deb/curl"), SmolStr::from("7.1-1"));
        }
        Agent {
            number,
            device,
            installed,
            acknowledged: None,
            ahead: 0,
            gains: 0,
            since: now,
            directives: BTreeMap::new(),
            receipts: Vec::new(),
            reports: 0,
            check_ins: 0,
            universe,
            enrolled: false,
            drawn: Vec::new(),
            unanswered: false,
            recorded: None,
        }
    }

    /// A device made of a copy of another's disk.
    pub fn copy_of(number: usize, other: &Agent) -> Agent {
        let (directives, receipts) = (BTreeMap::new(), Vec::new());
        Agent { number, directives, receipts, reports: 0, ..other.clone() }
    }

    /// What its clock says.
    pub fn clock(&self, now: Timestamp) -> Timestamp {
        let elapsed = now.duration_since(self.since).as_secs();
        let gained = elapsed.saturating_mul(self.gains) / 86_400;
        now.checked_add(SignedDuration::from_secs(self.ahead.saturating_add(gained))).unwrap_or(now)
    }

    /// What it says when it checks in.
    pub fn observation(&mut self, rng: &mut Rng, now: Timestamp, offers: Vec<ReleaseEntry>) -> Observation {
        self.check_ins += 1;
        let whole = self.check_ins.is_multiple_of(5);
        let known = self.acknowledged.as_ref().filter(|_| !whole);
        let installs = match known {
            None => Installs::All(self.installed.iter().map(install).collect()),
            Some(known) => Installs::Changes {
                present: self
                    .installed
                    .iter()
                    .filter(|(title, it)| known.get(*title) != Some(it))
                    .map(install)
                    .collect(),
                gone: known
                    .keys()
                    .filter(|title| !self.installed.contains_key(*title))
                    .map(|title| SlotName::of(title.clone()))
                    .collect(),
            },
        };
        let mut facts = BTreeMap::from([
            ("device.platform".into(), Some(Plain::Text("linux".into()))),
            ("device.timezone".into(), Some(Plain::Text("Europe/Berlin".into()))),
        ]);
        if rng.permille(100) {
            let tags = if rng.permille(500) { vec!["canary".into()] } else { Vec::new() };
            facts.insert("device.tags".into(), Some(Plain::List(tags)));
        }
        let universe =
            self.universe.clone().map(|key| UniverseReport { key, distribution: "debian/bookworm".into(), offers });
        // Until the server has answered, nobody knows what it knows.
        self.acknowledged = None;
        Observation {
            device: self.device.clone(),
            source: "agent".into(),
            observed: self.clock(now),
            facts,
            installs: Some(installs),
            universe,
            check_in: Some(self.check_in(rng)),
        }
    }

    fn check_in(&mut self, rng: &mut Rng) -> CheckIn {
        let drawn = rng.next() as u32;
        if !self.unanswered {
            self.drawn.push(drawn);
            self.unanswered = true;
        }
        let links = self.drawn.iter().rev().take(CheckIn::LINKS_MOST).copied().collect();
        CheckIn { sequence: self.drawn.len() as u64, links, recorded: self.recorded }
    }

    /// The server has answered a check-in, and perhaps written it down.
    pub fn answered(&mut self, head: Head, recorded: bool) {
        if head.sequence == self.drawn.len() as u64 {
            self.unanswered = false;
        }
        if recorded && self.recorded.is_none_or(|recorded| recorded.sequence < head.sequence) {
            self.recorded = Some(head);
        }
    }

    /// The server has taken these reports, and what was installed at a check-in; only the newest says what it knows.
    pub fn acknowledge(&mut self, check_in: u64, installed: BTreeMap<TitleId, SmolStr>, reports: &[Report]) {
        if check_in == self.check_ins {
            self.acknowledged = Some(installed);
        }
        self.receipts.retain(|report| !reports.iter().any(|known| known.id == report.id));
    }

    /// Carries out one directive; `true` if there was any.
    pub fn carry_out(&mut self, fails: bool, restart: bool, now: Timestamp) -> bool {
        let Some((slot, wanted)) = self.directives.pop_first() else { return false };
        let before = self.installed.get(&slot.title).cloned();
        let after = match &wanted {
            Wanted::Nothing => return true,
            _ if fails || restart => before.clone(),
            Wanted::Absent => {
                self.installed.remove(&slot.title);
                None
            }
            Wanted::Release(version) => {
                self.installed.insert(slot.title.clone(), version.clone());
                Some(version.clone())
            }
        };
        let result = match (fails, restart) {
            (true, _) => ReceiptResult::Failed,
            (_, true) => ReceiptResult::RestartPending,
            _ => ReceiptResult::Succeeded,
        };
        self.reports += 1;
        let id = format!("r{}-{}", self.number, self.reports);
        self.receipts.push(Report { id: id.into(), slot, result, before, after, at: self.clock(now) });
        true
    }
}

fn install((title, version): (&TitleId, &SmolStr)) -> InstallEntry {
    let (title, version) = (title.clone(), version.clone());
    // What comes from a distribution says what it was built from.
    let source = title.package().map(|(_, name)| PackageSource { name: name.into(), version: None });
    InstallEntry { title, branch: None, profile: None, version, state: None, source }
}
