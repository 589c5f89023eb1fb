//! Fleets that are made up, in the proportions of real ones.
//!
//! Four devices of five are laptops with 50 to 200 titles, the others Linux machines with 600 to 1,000 packages. What people have follows
//! a power law; how far they are behind is spread around a median. 3 % have no department, 0.5 % share their serial number with
//! another, 8 % have not been seen for two weeks, 2 % were enrolled this week.

mod advisories;
mod laptop;
mod linux;
mod places;
mod said;

use crate::{
    rng::{Alias, Rng},
    titles::{Kind, Title, Titles},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::world::{Absence, Device, Install, SlotKey, World};
use refit_model::{DeviceId, Offer, Release, TitleId, Version};
use std::collections::BTreeMap;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How many devices.
    pub devices: u32,
    /// What tells this fleet from others of its size.
    pub seed: u64,
    /// The time at which the fleet is as it is.
    pub now: Timestamp,
}

/// A fleet that is made up. Its devices are made one by one, each a function of the seed and its number.
#[derive(Debug)]
pub struct Synthetic {
    spec: Spec,
    titles: Titles,
    world: World,
    universes: Universes,
    images: linux::Images,
    zones: Vec<TimeZone>,
    places: Alias,
}

/// Of a thousand devices so many are laptops.
const LAPTOPS: usize = 800;
/// So many have no department.
const WITHOUT_DEPARTMENT: usize = 30;
/// So many share their serial number with another.
const CLONED: usize = 5;
/// So many were not seen for two weeks.
const UNSEEN: usize = 80;
/// So many were enrolled this week.
const NEW: usize = 20;
/// So many have just come back after days.
const BACK: usize = 30;
/// So many have a spell of not complying that was noted.
const NOTED: usize = 10;

/// What mirrors offer later than it was published, by mirror; laptops have none.
type Universes = Vec<BTreeMap<TitleId, Vec<(Version, Offer)>>>;

/// What one device is, before it is filled.
struct Draft {
    number: u32,
    rng: Rng,
    laptop: bool,
    enrolled: Timestamp,
    seen: Timestamp,
}

impl Synthetic {
    /// Makes titles and advisories; devices are made when they are asked for.
    pub fn new(spec: Spec) -> Synthetic {
        let titles = Titles::new(spec.seed, spec.now);
        let releases: Vec<Release> = titles.iter().flat_map(|title| title.releases.iter().cloned()).collect();
        let world = World::new(releases, advisories::advisories(&titles, spec.seed, spec.now));
        let universes = universes(&titles);
        let images = linux::Images::new(&titles, spec.seed);
        let zones = places::PLACES.iter().map(|place| TimeZone::get(place.zone).unwrap_or(TimeZone::UTC)).collect();
        let places = Alias::new(&places::PLACES.map(|place| f64::from(place.share)));
        Synthetic { spec, titles, world, universes, images, zones, places }
    }

    /// What was asked for.
    pub fn spec(&self) -> Spec {
        self.spec
    }

    /// Releases and advisories.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// All titles, the most common of each kind first.
    pub fn titles(&self) -> impl Iterator<Item = &Title> {
        self.titles.iter()
    }

    /// All devices, in the order of their numbers.
    pub fn devices(&self) -> impl Iterator<Item = Device> {
        (0..self.spec.devices).map(|number| self.device(number))
    }

    /// The device of that number.
    pub fn device(&self, number: u32) -> Device {
        let mut draft = self.draft(number);
        let mut device = Device::new(DeviceId::new(format!("device-{number:07}")), draft.seen);
        device.enrolled = Some(draft.enrolled);
        device.seen_by = (if draft.laptop { "mdm" } else { "agent" }).into();
        let place = self.places.draw(&mut draft.rng);
        device.timezone = self.zones.get(place).cloned();
        let shape =
            if draft.laptop { self.laptop(&mut draft, &mut device) } else { self.linux(&mut draft, &mut device) };
        self.say(&mut draft, &mut device, place, &shape);
        self.remember(&mut draft, &mut device);
        device
    }

    fn draft(&self, number: u32) -> Draft {
        let mut rng = Rng::stream(self.spec.seed, "device", u64::from(number));
        let laptop = rng.permille(LAPTOPS);
        let life = rng.below(1000);
        let enrolled = match life {
            0..NEW => self.ago(6.9 * rng.unit()),
            // Devices come in batches: on a working day, within hours.
            _ => self.ago(7.5 + (rng.between(0, 1_400) as f64) + rng.unit() / 3.0),
        };
        let seen = match life {
            0..NEW => self.ago(rng.unit() * 0.9),
            _ if life < NEW + UNSEEN => self.ago(14.1 + rng.unit() * 80.0),
            _ => self.ago(rng.unit() * 0.9),
        };
        Draft { number, rng, laptop, enrolled: enrolled.min(seen), seen }
    }

    /// The number by which a device calls itself: two devices that follow each other may have the same.
    fn serial(&self, number: u32) -> (u32, bool) {
        let pair = number / 2;
        let cloned = Rng::stream(self.spec.seed, "clone", u64::from(pair)).permille(CLONED)
            && (pair * 2 + 1) < self.spec.devices;
        (if cloned { pair * 2 } else { number }, cloned)
    }

    fn remember(&self, draft: &mut Draft, device: &mut Device) {
        let recent = device.seen > self.ago(1.0);
        if recent && draft.rng.permille(BACK) {
            let (away, back) = (4.0 + draft.rng.unit() * 20.0, draft.rng.unit());
            let used = SignedDuration::from_secs((back * 30_000.0) as i64);
            device.absences.push(Absence { away: self.ago(away), back: self.ago(back), used });
        }
        if draft.rng.permille(NOTED) {
            let slot = device.installs.get(draft.rng.below(device.installs.len())).map(Install::slot);
            let since = self.ago(draft.rng.unit() * 40.0);
            device.spells.extend(slot.map(|slot: SlotKey| (slot, since)));
        }
    }

    fn ago(&self, days: f64) -> Timestamp {
        let seconds = (days * 86_400.0) as i64;
        self.spec.now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Mirrors are hours late with some packages: two of each kind, beside those that are not.
fn universes(titles: &Titles) -> Universes {
    let mut universes = Vec::new();
    for packages in [&titles.deb, &titles.rpm] {
        for late in [6, 30] {
            let moved = packages.iter().filter(|title| title.kind != Kind::System && title.releases.len() > 4).take(40);
            let offers = moved.map(|title| {
                let newest = title.releases.iter().rev().take(3);
                let later = newest.map(|release| {
                    let at = release.published.checked_add(SignedDuration::from_hours(late));
                    (release.version.clone(), Offer::Since(at.unwrap_or(release.published)))
                });
                (title.id.clone(), later.collect())
            });
            universes.push(offers.collect());
        }
    }
    universes
}

/// The newest of releases, which are in the order of their publication, that was out at a time.
fn newest(releases: &[Release], at: Timestamp) -> Option<&Release> {
    releases.get(releases.partition_point(|release| release.published <= at).checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_core::facts::FieldRef;

    #[test]
    fn the_same_seed_makes_the_same_device_and_another_another() {
        let spec = Spec { devices: 100, seed: 1, now: "2026-11-23T09:00:00Z".parse().unwrap() };
        let (one, again) = (Synthetic::new(spec), Synthetic::new(spec));
        let other = Synthetic::new(Spec { seed: 2, ..spec });
        for number in 0..20 {
            assert_eq!(format!("{:?}", one.device(number)), format!("{:?}", again.device(number)));
            assert_ne!(format!("{:?}", one.device(number)), format!("{:?}", other.device(number)));
        }
        // How many there are changes none of them, but for the last, which may have a double.
        let more = Synthetic::new(Spec { devices: 1_000, ..spec });
        assert_eq!(format!("{:?}", one.device(3)), format!("{:?}", more.device(3)));
    }

    #[test]
    fn one_of_two_hundred_shares_its_serial_number_and_whoever_does_is_in_doubt() {
        let spec = Spec { devices: 40_000, seed: 1, now: "2026-11-23T09:00:00Z".parse().unwrap() };
        let synthetic = Synthetic::new(spec);
        let mut holders: BTreeMap<u32, u32> = BTreeMap::new();
        (0..spec.devices).for_each(|number| *holders.entry(synthetic.serial(number).0).or_default() += 1);
        let (shared, own): (Vec<u32>, Vec<u32>) = (0..spec.devices).partition(|number| synthetic.serial(*number).1);
        assert!((140..=260).contains(&shared.len()), "{} of {}", shared.len(), spec.devices);
        assert!(shared.iter().all(|number| holders[&synthetic.serial(*number).0] == 2));
        assert!(own.iter().all(|number| holders[&synthetic.serial(*number).0] == 1));
        // And so the devices say it.
        let said = |number: u32| {
            let device = synthetic.device(number);
            let serial = device.facts.said(&FieldRef::device("serial"));
            (format!("{:?}", serial[0].value), device.identity_in_doubt)
        };
        let ((one, in_doubt), (other, too)) = (said(shared[0]), said(shared[1]));
        assert!(one.contains("S0") && one == other && in_doubt && too, "{one} {other}");
        assert!(!said(own[0]).1);
    }

    #[test]
    fn a_device_is_as_the_world_allows() {
        let spec = Spec { devices: 400, seed: 5, now: "2026-11-23T09:00:00Z".parse().unwrap() };
        let synthetic = Synthetic::new(spec);
        for device in synthetic.devices() {
            let mut slots: Vec<SlotKey> = device.installs.iter().map(Install::slot).collect();
            slots.sort();
            slots.dedup();
            assert_eq!(slots.len(), device.installs.len(), "{}", device.id);
            assert!(device.seen <= spec.now && device.enrolled.unwrap() <= device.seen);
            for install in &device.installs {
                let known = synthetic.world().releases(&install.title);
                let release = known.iter().find(|release| release.version == install.version).unwrap();
                assert_eq!(release.branch, install.branch);
                assert!(install.since.unwrap() >= device.enrolled.unwrap() && install.since.unwrap() <= spec.now);
            }
        }
    }
}
