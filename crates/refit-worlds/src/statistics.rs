//! What a fleet is like: counted device by device, so that it need not be in memory.

use jiff::{SignedDuration, Timestamp};
use refit_core::{
    facts::{FieldRef, Value},
    world::{Device, World},
};
use refit_model::TitleId;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// How long a device has not been seen to count as unseen.
const UNSEEN: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long ago a device was enrolled at most to count as new.
const NEW: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Numbers of releases and days are counted up to here.
const COUNTED: usize = 2_000;
/// The ranks between which the exponent of popularity is measured: nearly everybody has what is more common, and what is rarer hardly
/// anybody.
const RANKS: std::ops::Range<usize> = 100..1_000;

/// Counts devices.
#[derive(Debug)]
pub struct Statistics<'w> {
    world: &'w World,
    now: Timestamp,
    devices: u64,
    laptops: Part,
    linux: Part,
    new: u64,
    unseen: u64,
    cloned: u64,
    with_person: u64,
    without_department: u64,
    zones: BTreeSet<String>,
    /// Devices that have an application.
    having: BTreeMap<TitleId, u64>,
    releases_behind: Vec<u64>,
    days_behind: Vec<u64>,
}

#[derive(Debug, Default)]
struct Part {
    devices: u64,
    installs: u64,
    least: usize,
    most: usize,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Devices.
    pub devices: u64,
    /// Of 100 devices so many are laptops.
    pub laptops_percent: f64,
    /// The fewest and the most titles of a laptop, and their mean.
    pub laptop_titles: (usize, usize, f64),
    /// Of 100 devices so many run Linux.
    pub linux_percent: f64,
    /// The fewest and the most packages of a Linux machine, and their mean.
    pub linux_packages: (usize, usize, f64),
    /// Of 100 devices that have a person so many have no department.
    pub without_department_percent: f64,
    /// Of 100 devices so many share their serial number with another.
    pub cloned_percent: f64,
    /// Of 100 devices so many have not been seen for two weeks.
    pub unseen_percent: f64,
    /// Of 100 devices so many were enrolled in the last seven days.
    pub new_percent: f64,
    /// Time zones.
    pub zones: usize,
    /// All installs.
    pub installs: u64,
    /// The exponent of the power law by which applications are common, measured from rank 100 to rank 1,000; `None` where there are
    /// fewer.
    pub popularity_exponent: Option<f64>,
    /// The median number of releases by which an application is behind, and the number that one in ten exceeds.
    pub releases_behind: (usize, usize),
    /// The same for the days since the first of those releases.
    pub days_behind: (usize, usize),
}

impl<'w> Statistics<'w> {
    /// Nothing counted yet.
    pub fn new(world: &'w World, now: Timestamp) -> Statistics<'w> {
        Statistics {
            world,
            now,
            devices: 0,
            laptops: Part::default(),
            linux: Part::default(),
            new: 0,
            unseen: 0,
            cloned: 0,
            with_person: 0,
            without_department: 0,
            zones: BTreeSet::new(),
            having: BTreeMap::new(),
            releases_behind: vec![0; COUNTED + 1],
            days_behind: vec![0; COUNTED + 1],
        }
    }

    /// Counts a device.
    pub fn count(&mut self, device: &Device) {
        self.devices += 1;
        self.new += u64::from(device.enrolled.is_some_and(|enrolled| self.now.duration_since(enrolled) < NEW));
        self.unseen += u64::from(self.now.duration_since(device.seen) > UNSEEN);
        self.cloned += u64::from(device.identity_in_doubt);
        let said = |field: FieldRef| device.facts.said(&field).first().map(|fact| &fact.value);
        let person = device.facts.fields().any(|field| field.root == refit_core::facts::Root::Person);
        self.with_person += u64::from(person);
        self.without_department += u64::from(person && said(FieldRef::person("department")).is_none());
        if let Some(zone) = device.timezone.as_ref().and_then(|zone| zone.iana_name())
            && !self.zones.contains(zone)
        {
            self.zones.insert(zone.to_owned());
        }
        if said(FieldRef::device("kind")) == Some(&Value::text("laptop")) {
            self.laptops.add(device.installs.len());
        }
        if said(FieldRef::device("platform")) == Some(&Value::text("linux")) {
            self.linux.add(device.installs.len());
        }
        let mut last = None;
        for install in &device.installs {
            if install.title.package().is_some() {
                continue;
            }
            if last != Some(&install.title) {
                match self.having.get_mut(&install.title) {
                    Some(having) => *having += 1,
                    None => drop(self.having.insert(install.title.clone(), 1)),
                }
            }
            last = Some(&install.title);
            let releases = self.world.releases(&install.title);
            let newer = releases.get(releases.partition_point(|release| release.version <= install.version)..);
            let newer = || newer.into_iter().flatten().filter(|release| release.branch == install.branch);
            let first = newer().map(|release| release.published).min();
            let days = first.map_or(0, |first| self.now.duration_since(first).as_hours().max(0) as usize / 24);
            one_more(&mut self.releases_behind, newer().count());
            one_more(&mut self.days_behind, days);
        }
    }

    /// What came out.
    pub fn figures(&self) -> Figures {
        let percent = |count: u64, of: u64| if of == 0 { 0.0 } else { 100.0 * count as f64 / of as f64 };
        Figures {
            devices: self.devices,
            laptops_percent: percent(self.laptops.devices, self.devices),
            laptop_titles: self.laptops.range(),
            linux_percent: percent(self.linux.devices, self.devices),
            linux_packages: self.linux.range(),
            without_department_percent: percent(self.without_department, self.with_person),
            cloned_percent: percent(self.cloned, self.devices),
            unseen_percent: percent(self.unseen, self.devices),
            new_percent: percent(self.new, self.devices),
            zones: self.zones.len(),
            installs: self.laptops.installs + self.linux.installs,
            popularity_exponent: self.exponent(),
            releases_behind: (quantile(&self.releases_behind, 0.5), quantile(&self.releases_behind, 0.9)),
            days_behind: (quantile(&self.days_behind, 0.5), quantile(&self.days_behind, 0.9)),
        }
    }

    /// Least squares of the logarithm of how many have it by the logarithm of the rank.
    fn exponent(&self) -> Option<f64> {
        let mut counts: Vec<u64> = self.having.values().copied().collect();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let ranked = counts.get(RANKS)?.iter().enumerate();
        let points: Vec<(f64, f64)> =
            ranked.map(|(place, count)| (((place + RANKS.start + 1) as f64).ln(), (*count as f64).ln())).collect();
        let of = points.len() as f64;
        let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / of, y + point.1 / of));
        let (mut up, mut down) = (0.0, 0.0);
        for point in &points {
            up += (point.0 - x) * (point.1 - y);
            down += (point.0 - x) * (point.0 - x);
        }
        Some(-up / down)
    }
}

impl Part {
    fn add(&mut self, installs: usize) {
        self.least = if self.devices == 0 { installs } else { self.least.min(installs) };
        self.most = self.most.max(installs);
        self.devices += 1;
        self.installs += installs as u64;
    }

    fn range(&self) -> (usize, usize, f64) {
        (self.least, self.most, self.installs as f64 / self.devices.max(1) as f64)
    }
}

fn one_more(counts: &mut [u64], at: usize) {
    if let Some(count) = counts.get_mut(at.min(COUNTED)) {
        *count += 1;
    }
}

/// The least number that so large a part does not exceed.
fn quantile(counts: &[u64], part: f64) -> usize {
    let wanted = (counts.iter().sum::<u64>() as f64 * part).ceil() as u64;
    let mut sum = 0;
    counts
        .iter()
        .position(|count| {
            sum += count;
            sum >= wanted
        })
        .unwrap_or(0)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most, mean) = self.laptop_titles;
        writeln!(f, "{} devices, {} installs", self.devices, self.installs)?;
        writeln!(f, "{:.1} % laptops with {least} to {most} titles, {mean:.0} on average", self.laptops_percent)?;
        let (least, most, mean) = self.linux_packages;
        writeln!(f, "{:.1} % Linux with {least} to {most} packages, {mean:.0} on average", self.linux_percent)?;
        writeln!(f, "{:.1} % of those with a person have no department", self.without_department_percent)?;
        writeln!(f, "{:.2} % share their serial number with another", self.cloned_percent)?;
        writeln!(
            f,
            "{:.1} % not seen for two weeks, {:.1} % enrolled this week",
            self.unseen_percent, self.new_percent
        )?;
        writeln!(f, "{} time zones", self.zones)?;
        if let Some(exponent) = self.popularity_exponent {
            writeln!(
                f,
                "popularity of applications: exponent {exponent:.2}, from rank {} to {}",
                RANKS.start, RANKS.end
            )?;
        }
        let (releases, days) = (self.releases_behind, self.days_behind);
        let counted = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
        let (releases, days) = ((counted(releases.0, "release"), releases.1), (counted(days.0, "day"), days.1));
        writeln!(f, "applications are {} behind (median; one in ten more than {})", releases.0, releases.1)?;
        write!(f, "and have been behind for {} (median; one in ten more than {})", days.0, days.1)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Figures, Spec, Statistics, Synthetic};

    fn figures(devices: u32, seed: u64) -> Figures {
        let spec = Spec { devices, seed, now: "2026-11-23T09:00:00Z".parse().unwrap() };
        let synthetic = Synthetic::new(spec);
        let mut statistics = Statistics::new(synthetic.world(), spec.now);
        synthetic.devices().for_each(|device| statistics.count(&device));
        statistics.figures()
    }

    #[test]
    fn a_fleet_is_in_the_proportions_that_are_promised() {
        let found = figures(6_000, 1);
        println!("{found}");
        let near =
            |figure: f64, promised: f64, by: f64| assert!((figure - promised).abs() < by, "{figure}, not {promised}");
        near(found.laptops_percent, 80.0, 1.5);
        near(found.linux_percent, 20.0, 1.5);
        near(found.without_department_percent, 3.0, 0.7);
        near(found.cloned_percent, 0.5, 0.3);
        near(found.unseen_percent, 8.0, 1.0);
        near(found.new_percent, 2.0, 0.6);
        assert_eq!(found.zones, 30);
        let within =
            |(least, most, _): (usize, usize, f64), from, to| assert!(from <= least && most <= to, "{least} to {most}");
        within(found.laptop_titles, 50, 201);
        within(found.linux_packages, 600, 1_000);
        near(found.popularity_exponent.unwrap(), crate::titles::POPULARITY, 0.2);
        assert!((1..=3).contains(&found.releases_behind.0), "{:?}", found.releases_behind);
        assert!((3..=60).contains(&found.days_behind.0), "{:?}", found.days_behind);
    }

    #[test]
    fn what_is_rare_is_rare_in_small_fleets_too() {
        assert_eq!(figures(1, 3).devices, 1);
        assert_eq!(figures(0, 3).laptops_percent, 0.0);
    }
}
