//! Writing a world, one line after the other.

use super::{
    FORMAT, VERSION,
    line::{
        AdvisoryLine, DeviceLine, Head, InstallLine, ReleaseLine, SaidLine, SlotLine, TitleLine, UniverseLine,
        ValueLine,
    },
};
use jiff::Timestamp;
use refit_core::world::{Device, World};
use refit_model::{Offer, TitleId};
use serde::Serialize;
use smol_str::{SmolStr, ToSmolStr};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

/// Writes a world: first what is so of titles, then devices one by one.
///
/// Releases, advisories and devices are written, with absences and spells. What rollouts have come to and what was decided before is
/// not: whoever decides with a file decides as on the first day.
pub struct WorldWriter<'w, W: Write> {
    out: W,
    world: &'w World,
    /// The number of each title's first release.
    first: BTreeMap<&'w TitleId, u32>,
    /// Universes as they were written, with their numbers.
    universes: BTreeMap<String, u32>,
    written: Written,
}

/// How much was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Titles.
    pub titles: u64,
    /// Their releases.
    pub releases: u64,
    /// Advisories.
    pub advisories: u64,
    /// Devices.
    pub devices: u64,
}

impl<'w, W: Write> WorldWriter<'w, W> {
    /// Writes what is so of titles. `out` should gather what is written: lines are short.
    pub fn new(mut out: W, world: &'w World, now: Timestamp) -> io::Result<Self> {
        line(&mut out, &Head { format: FORMAT.into(), version: VERSION, now })?;
        let (mut first, mut number, mut written) = (BTreeMap::new(), 0, Written::default());
        for title in world.titles() {
            let releases = world.releases(title);
            let Some(scheme) = releases.first().map(|release| release.version.scheme()) else { continue };
            first.insert(title, number);
            number += releases.len() as u32;
            let releases = releases.iter().map(|release| ReleaseLine {
                version: release.version.as_str().into(),
                published: release.published,
                branch: release.branch.clone(),
                security: release.security,
            });
            let releases: Vec<ReleaseLine> = releases.collect();
            written.titles += 1;
            written.releases += releases.len() as u64;
            line(&mut out, &TitleLine { title: title.clone(), scheme, releases })?;
        }
        for title in world.titles() {
            for advisory in world.advisories(title) {
                let Some(scheme) = advisory.affected.first().map(|range| range.scheme()) else { continue };
                written.advisories += 1;
                let upstream = advisory.upstream.clone();
                line(&mut out, &AdvisoryLine { advisory: advisory.into(), upstream, scheme })?;
            }
        }
        Ok(Self { out, world, first, universes: BTreeMap::new(), written })
    }

    /// Writes a device.
    pub fn device(&mut self, device: &Device) -> io::Result<()> {
        let universe = self.universe(device)?;
        let (mut installs, mut also): (BTreeMap<Option<i64>, Vec<u32>>, Vec<InstallLine>) =
            (BTreeMap::new(), Vec::new());
        for install in &device.installs {
            let whole = install.since.is_none_or(|since| since.subsec_nanosecond() == 0);
            let releases = self.world.releases(&install.title);
            let from = releases.partition_point(|release| release.version < install.version);
            let same = releases.iter().skip(from).take_while(|release| release.version == install.version);
            let known = same.enumerate().find(|(_, release)| {
                release.branch == install.branch && release.version.as_str() == install.version.as_str()
            });
            match (known, self.first.get(&install.title)) {
                (Some((beyond, _)), Some(first)) if whole && install.profile.is_none() => {
                    let since = install.since.map(Timestamp::as_second);
                    installs.entry(since).or_default().push(first + (from + beyond) as u32);
                }
                _ => also.push(InstallLine {
                    title: install.title.clone(),
                    branch: install.branch.clone(),
                    profile: install.profile.clone(),
                    version: install.version.as_str().into(),
                    scheme: install.version.scheme(),
                    since: install.since,
                }),
            }
        }
        let absences = device.absences.iter().map(|absence| (absence.away, absence.back, absence.used));
        let spells = device.spells.iter().map(|(slot, since)| {
            let slot =
                SlotLine { title: slot.title.clone(), branch: slot.branch.clone(), profile: slot.profile.clone() };
            (slot, *since)
        });
        let zone = device.timezone.as_ref().and_then(|zone| zone.iana_name());
        let written = DeviceLine {
            device: device.id.clone(),
            seen: device.seen,
            seen_by: device.seen_by.clone(),
            enrolled: device.enrolled,
            zone: zone.map(SmolStr::new),
            identity_in_doubt: device.identity_in_doubt,
            facts: said(device),
            universe,
            installs: installs.into_iter().collect(),
            also,
            absences: absences.collect(),
            spells: spells.collect(),
        };
        self.written.devices += 1;
        line(&mut self.out, &written)
    }

    /// The number of what a device is offered; written where it is new.
    fn universe(&mut self, device: &Device) -> io::Result<u32> {
        if device.offers.is_empty() {
            return Ok(0);
        }
        let universe = device.offers.iter().map(|(title, list)| {
            let list = list.iter().map(|(version, offer)| {
                let since = match offer {
                    Offer::Since(since) => Some(*since),
                    Offer::Never => None,
                };
                (version.as_str().into(), version.scheme(), since)
            });
            (title.clone(), list.collect())
        });
        let universe = serde_json::to_string(&UniverseLine { universe: universe.collect() })?;
        if let Some(number) = self.universes.get(&universe) {
            return Ok(*number);
        }
        writeln!(self.out, "{universe}")?;
        let number = self.universes.len() as u32 + 1;
        self.universes.insert(universe, number);
        Ok(number)
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<Written> {
        self.out.flush()?;
        Ok(self.written)
    }
}

fn said(device: &Device) -> Vec<SaidLine> {
    let mut together: BTreeMap<_, BTreeMap<SmolStr, ValueLine>> = BTreeMap::new();
    for field in device.facts.fields() {
        for fact in device.facts.said(field) {
            if let Some(value) = ValueLine::of(&fact.value) {
                together.entry((&fact.source, fact.observed)).or_default().insert(field.to_smolstr(), value);
            }
        }
    }
    let lines = together.into_iter();
    lines.map(|((source, observed), values)| SaidLine { source: source.clone(), observed, values }).collect()
}

fn line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
