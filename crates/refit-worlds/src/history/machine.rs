//! A device as far as a server sees it: it checks in, reports what is installed, and installs what it is given.

use super::{HistoryError, stage::Stage};
use crate::Rng;
use jiff::Timestamp;
use refit_core::control::{
    AgentInput, CheckIn, Head, Input, InstallEntry, Installs, Observation, Plain, ReceiptResult, ReleaseEntry,
    SlotName, UniverseReport, Wanted,
};
use refit_model::{BranchName, DeviceId, TitleId};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// An operating system of Acme's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Mac,
    Windows11,
    Windows10,
    Debian,
}

/// A time in which a device is switched off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    from: Timestamp,
    to: Timestamp,
}

impl Away {
    pub fn new(from: &str, to: &str) -> Option<Away> {
        Some(Away { from: from.parse().ok()?, to: to.parse().ok()? })
    }
}

/// A device.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub id: &'static str,
    pub system: System,
    pub person: Option<&'static str>,
    pub away: Vec<Away>,
    /// The minute at which it checks in.
    pub minute: i64,
    number: u64,
    tier: Option<&'static str>,
    cluster: Option<&'static str>,
    installs: BTreeMap<(SmolStr, Option<SmolStr>), SmolStr>,
    /// What is installed and waits for a restart.
    restarts: BTreeMap<SlotName, SmolStr>,
    /// What it has of the archive.
    offered: usize,
    /// What it has tried in vain, which it does not try again.
    failed: Vec<(SlotName, SmolStr)>,
    changes: u32,
    /// What it drew for each check-in, where it counts them; what the server said it has written down.
    counts: Option<(Vec<u32>, Option<Head>)>,
    reported: bool,
}

/// What a device does with what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It installs it.
    Does,
    /// It tries, and it does not run.
    Fails,
    /// Its person puts it off.
    PutsOff,
}

impl Machine {
    pub fn laptop(id: &'static str, system: System, number: u64, minute: i64) -> Machine {
        let mut machine = Machine {
            id,
            system,
            person: None,
            away: Vec::new(),
            minute,
            number,
            tier: None,
            cluster: None,
            installs: BTreeMap::new(),
            restarts: BTreeMap::new(),
            offered: 0,
            failed: Vec::new(),
            changes: 0,
            counts: None,
            reported: false,
        };
        machine.put("crowdstrike-falcon", None, "7.36.20704");
        if system != System::Debian {
            machine.put("google-chrome", None, "148.0.7778.215");
            machine.put("acme-vpn", None, "4.8.0");
        }
        match system {
            System::Mac => machine.put("macos", Some("26"), "26.5"),
            System::Windows11 => machine.put("windows-11", Some("25H2"), "10.0.26200.8457"),
            System::Windows10 => machine.put("windows-10", Some("22H2"), "10.0.19045.6456"),
            System::Debian => machine.put("deb/openssl", None, "3.0.19-1~deb12u2"),
        }
        machine
    }

    pub fn server(id: &'static str, tier: &'static str, cluster: &'static str, number: u64, minute: i64) -> Machine {
        let mut machine = Machine::laptop(id, System::Debian, number, minute);
        machine.put("deb/nginx", None, "1.22.1-9+deb12u7");
        machine.tier = Some(tier);
        machine.cluster = Some(cluster);
        machine
    }

    pub fn put(&mut self, title: &str, branch: Option<&str>, version: &str) {
        // A device runs one operating system.
        if branch.is_some() {
            self.installs.retain(|(known, _), _| known != title);
        }
        self.installs.insert((title.into(), branch.map(SmolStr::from)), version.into());
    }

    pub fn take(&mut self, title: &str) {
        self.installs.retain(|(known, _), _| known != title);
    }

    /// It counts its check-ins from now on, as agents do.
    pub fn counts(&mut self) {
        self.counts = Some((Vec::new(), None));
    }

    pub fn is_server(&self) -> bool {
        self.tier.is_some()
    }

    pub fn device(&self) -> DeviceId {
        DeviceId::new(self.id)
    }

    pub fn is_away(&self, now: Timestamp) -> bool {
        self.away.iter().any(|away| away.from <= now && now < away.to)
    }

    fn facts(&self) -> BTreeMap<SmolStr, Option<Plain>> {
        let (platform, os) = match self.system {
            System::Mac => ("macos", "macos"),
            System::Windows11 | System::Windows10 => ("windows", "windows"),
            System::Debian => ("linux", "debian"),
        };
        let kind = if self.is_server() { "server" } else { "laptop" };
        let zone = if self.is_server() { "Etc/UTC" } else { "Europe/Berlin" };
        let mut facts = BTreeMap::new();
        let mut says = |field: &'static str, value: &str| {
            facts.insert(SmolStr::new_static(field), Some(Plain::Text(value.into())));
        };
        says("device.platform", platform);
        says("device.os", os);
        says("device.kind", kind);
        says("device.timezone", zone);
        says("device.serial", &format!("ACME{:04}", self.number));
        if let Some(tier) = self.tier {
            says("device.tier", tier);
        }
        if let Some(cluster) = self.cluster {
            says("device.cluster", cluster);
        }
        facts.insert("device.tags".into(), Some(Plain::List(Vec::new())));
        facts
    }

    /// It checks in. What it is given is done in the way that `way` says; then it reports, where there is news.
    pub fn checks_in(
        &mut self,
        stage: &mut Stage,
        archive: &[ReleaseEntry],
        way: impl Fn(&SlotName, &str) -> Way,
    ) -> Result<(), HistoryError> {
        let mut news = !self.reported || self.counts.is_some();
        for (slot, version) in std::mem::take(&mut self.restarts) {
            self.receipt(stage, &slot, &version, ReceiptResult::Succeeded)?;
            let branch = slot.branch.as_ref().map(ToString::to_string);
            self.put(slot.title.as_str(), branch.as_deref(), &version);
            news = true;
        }
        for (slot, wanted) in self.given(stage) {
            news |= self.does(stage, slot, wanted, &way)?;
        }
        let has_archive = self.system == System::Debian;
        if news || (has_archive && archive.len() != self.offered) {
            self.offered = archive.len();
            return self.report(stage, archive);
        }
        // Without news it is a sign of life, and nothing else.
        let index = stage.state.device(&self.device()).map(|record| record.index);
        let seen = index.into_iter().collect();
        stage.tell("a check-in", Input::Agents(AgentInput::Seen(seen)))?;
        Ok(())
    }

    /// What it may install now: it was published for it, and nothing holds it.
    fn given(&self, stage: &mut Stage) -> Vec<(SlotName, Wanted)> {
        let record = stage.state.device(&self.device()).filter(|record| record.quarantined.is_none());
        let Some(record) = record.filter(|_| stage.state.brake.is_none()).cloned() else { return Vec::new() };
        let given = record.published.values().filter(|published| published.key.admitted != Wanted::Nothing);
        let given: Vec<_> =
            given.map(|published| (published.key.slot.clone(), published.key.admitted.clone())).collect();
        if given.is_empty() {
            return given;
        }
        // Windows open and close without a word: they are looked at when a device asks.
        let free = stage.free(&record);
        given.into_iter().filter(|(slot, _)| free.contains(slot)).collect()
    }

    /// Does what it is given for one slot, and says whether anything is otherwise than before.
    fn does(
        &mut self,
        stage: &mut Stage,
        slot: SlotName,
        wanted: Wanted,
        way: &impl Fn(&SlotName, &str) -> Way,
    ) -> Result<bool, HistoryError> {
        let name = (SmolStr::from(slot.title.as_str()), slot.branch.as_ref().map(|branch| branch.to_string().into()));
        let version = match wanted {
            Wanted::Nothing => return Ok(false),
            Wanted::Absent => {
                let before = self.installs.remove(&name);
                if let Some(before) = &before {
                    self.send(stage, &slot, None, ReceiptResult::Succeeded, Some(before), None)?;
                }
                return Ok(before.is_some());
            }
            Wanted::Release(version) => version,
        };
        let has = self.installs.get(&name) == Some(&version);
        if has || self.failed.contains(&(slot.clone(), version.clone())) {
            return Ok(false);
        }
        match way(&slot, &version) {
            Way::PutsOff => Ok(false),
            Way::Fails => {
                self.receipt(stage, &slot, &version, ReceiptResult::Failed)?;
                self.failed.push((slot, version));
                Ok(true)
            }
            Way::Does if slot.branch.is_some() => {
                self.receipt(stage, &slot, &version, ReceiptResult::RestartPending)?;
                self.restarts.insert(slot, version);
                Ok(false)
            }
            Way::Does => {
                self.receipt(stage, &slot, &version, ReceiptResult::Succeeded)?;
                let branch = name.1.as_deref().map(ToOwned::to_owned);
                self.put(&name.0, branch.as_deref(), &version);
                Ok(true)
            }
        }
    }

    fn receipt(
        &mut self,
        stage: &mut Stage,
        slot: &SlotName,
        version: &SmolStr,
        result: ReceiptResult,
    ) -> Result<(), HistoryError> {
        let branch = slot.branch.as_ref().map(|branch| SmolStr::from(branch.to_string()));
        let before = self.installs.get(&(slot.title.as_str().into(), branch)).cloned();
        let after = if result == ReceiptResult::Succeeded { Some(version.clone()) } else { before.clone() };
        self.send(stage, slot, Some(version.clone()), result, before.as_ref(), after)
    }

    fn send(
        &mut self,
        stage: &mut Stage,
        slot: &SlotName,
        wanted: Option<SmolStr>,
        result: ReceiptResult,
        before: Option<&SmolStr>,
        after: Option<SmolStr>,
    ) -> Result<(), HistoryError> {
        self.changes += 1;
        let took = Rng::stream(stage.seed, "took", self.number * 1_000 + u64::from(self.changes)).between(4, 90);
        let input = Input::Receipt {
            device: self.device(),
            receipt: format!("{}-{}", self.id, self.changes).into(),
            slot: slot.clone(),
            wanted,
            result,
            before: before.cloned(),
            after,
            at: stage.now,
            duration_ms: took as u64 * 1_000,
            output: None,
        };
        stage.tell("a receipt", input)?;
        Ok(())
    }

    /// It reports all that it is and has.
    pub fn report(&mut self, stage: &mut Stage, archive: &[ReleaseEntry]) -> Result<(), HistoryError> {
        self.reported = true;
        let entry = |((title, branch), version): (&(SmolStr, Option<SmolStr>), &SmolStr)| InstallEntry {
            title: TitleId::new(title),
            branch: branch.as_deref().map(BranchName::new),
            profile: None,
            version: version.clone(),
            state: None,
            source: None,
        };
        let installs = self.installs.iter().map(entry).collect();
        let universe = (self.system == System::Debian).then(|| UniverseReport {
            key: "debian-bookworm".into(),
            distribution: "debian/bookworm".into(),
            offers: archive.to_vec(),
        });
        let check_in = self.counts.as_mut().map(|(drawn, recorded)| {
            let number = drawn.len() as u64 + 1;
            drawn.push(Rng::stream(stage.seed, "check-in", self.number * 100_000 + number).next() as u32);
            let links = drawn.iter().rev().take(CheckIn::LINKS_MOST).copied().collect();
            CheckIn { sequence: number, links, recorded: *recorded }
        });
        let head = check_in.as_ref().and_then(CheckIn::head);
        let said = Observation {
            device: self.device(),
            source: "agent".into(),
            observed: stage.now,
            facts: self.facts(),
            installs: Some(Installs::All(installs)),
            universe,
            check_in,
        };
        let events = stage.tell("a report", Input::Observe(said))?;
        let recorded = events.iter().any(|event| matches!(event, refit_core::control::Event::DeviceObserved(_)));
        if let (Some((_, known)), true) = (&mut self.counts, recorded) {
            *known = head;
        }
        Ok(())
    }

    /// A copy of its disk in another machine: it goes on counting where the original is now, and draws numbers of its own.
    pub fn copied(&self) -> Machine {
        Machine { number: self.number + 500, ..self.clone() }
    }
}
