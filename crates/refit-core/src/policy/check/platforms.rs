//! Rings that are empty on a platform of which there are devices. Every platform goes through rings of its own, and an empty ring
//! passes nothing (docs/reference/rules.md, rule 9): where all canaries are Macs, each release for Windows asks a person.
//!
//! That takes knowing the devices ([`CheckWorld::count`]): of a mere number of them nobody can say where they are.

use super::{CheckWorld, rings, subject::Subject, subject::counted, subject::enumeration, subject::length};
use crate::{
    facts::{FieldRef, Lookup as _, Value},
    policy::{
        diagnostic::Diagnostic,
        expr::Truth,
        repository::{Policy, Repository, Rollout},
    },
    rollout::position,
    world::Device,
};
use jiff::Timestamp;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// How many devices are in each ring of a rollout, in their order, by rollout, policy and platform.
pub type RingCounts = BTreeMap<(SmolStr, SmolStr, SmolStr), Vec<u64>>;

impl CheckWorld {
    /// Counts a device: in how many there are, and in the ring where each policy that surely concerns it would put it, if none had
    /// opened yet. Which titles are installed is not asked: that changes, and rings are chosen for longer. Who has no known platform
    /// waits, and is in no ring.
    pub fn count(&mut self, repository: &Repository, device: &Device, now: Timestamp) {
        *self.devices.get_or_insert(0) += 1;
        let facts = device.facts.view(&repository.authority, &repository.staleness, now);
        let Some(platform) = facts.get(&FieldRef::device("platform")) else { return };
        let Value::Text(platform) = &*platform else { return };
        for policy in &repository.policies {
            if policy.condition.as_ref().is_some_and(|condition| !condition.truth(&facts, now).is_true()) {
                continue;
            }
            for name in rollouts_of(policy) {
                let Some(rollout) = repository.rollouts.get(name) else { continue };
                let at = position(&device.id, &policy.name);
                let truth = |ring: usize| {
                    let condition = rollout.rings.get(ring).and_then(|ring| ring.condition.as_ref());
                    condition.map_or(Truth::True, |condition| condition.truth(&facts, now))
                };
                let last = rollout.rings.len().saturating_sub(1);
                let ring = if device.identity_in_doubt { last } else { ring_of(rollout, at, truth) };
                let place = (rollout.name.clone(), policy.name.clone(), platform.clone());
                let sizes = self.platforms.entry(place).or_insert_with(|| vec![0; rollout.rings.len()]);
                if let Some(size) = sizes.get_mut(ring) {
                    *size += 1;
                }
            }
        }
    }
}

/// The rollouts that a policy may take, each once.
fn rollouts_of(policy: &Policy) -> BTreeSet<&SmolStr> {
    policy.rollout.iter().chain(policy.deadline.iter().filter_map(|entry| entry.rollout.as_ref())).collect()
}

/// The ring in which a device is that stands at a position (rule 8).
fn ring_of(rollout: &Rollout, at: f64, truth: impl Fn(usize) -> Truth) -> usize {
    let last = rollout.rings.len().saturating_sub(1);
    let mut cut = 0.0;
    for (index, ring) in rollout.rings.iter().enumerate() {
        // Sums of shares such as 10 % and 50 % are not exact in binary; positions are multiples of 1/65,536.
        let from = cut;
        cut += ring.share.map_or(0.0, |share| share.0);
        if ring.share.is_some() && !(from..cut).contains(&(at + 1e-9)) {
            continue;
        }
        match truth(index) {
            Truth::True => return index,
            Truth::Unknown => return last,
            Truth::False => {}
        }
    }
    last
}

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, rollout) in &subject.repository.rollouts {
        let Some(gate) = &rollout.gate else { continue };
        for (index, ring) in rollout.rings.iter().enumerate().take(rollout.rings.len().saturating_sub(1)) {
            // By platform: the policies under which nobody there is in the ring, with how many devices they concern.
            let mut empty: BTreeMap<&SmolStr, Vec<(u64, &SmolStr)>> = BTreeMap::new();
            for ((of, policy, platform), sizes) in &subject.world.platforms {
                let all: u64 = sizes.iter().sum();
                if of == name && all > 0 && sizes.get(index) == Some(&0) {
                    empty.entry(platform).or_default().push((all, policy));
                }
            }
            let Some(place) = rings::place(subject, name, ring, None).filter(|_| !empty.is_empty()) else { continue };
            let mut diagnostic =
                Diagnostic::warning("policy/ring-empty-on-platform", "ring that is empty on a platform")
                    .at(place)
                    .label(format!("no device of {} is in it", enumeration(empty.keys())));
            for (platform, policies) in &empty {
                let largest = policies.iter().map(|(all, _)| *all).max().unwrap_or(0);
                let names = policies.iter().map(|(_, policy)| format!("`{policy}`"));
                diagnostic = diagnostic.with_note(format!(
                    "{platform}: none of {} that {} concern{}",
                    counted(largest, "device"),
                    enumeration(names),
                    if policies.len() == 1 { "s" } else { "" },
                ));
            }
            let stays = match gate.patience {
                Some(patience) => format!("each release asks a person there after {}", length(patience)),
                None => "each release stays there until a person lets it go on".to_owned(),
            };
            found.push(
                diagnostic
                    .with_note(format!(
                        "each platform goes through rings of its own, and an empty one passes nothing: {stays}"
                    ))
                    .with_help("choose devices of every platform, or give platforms rollouts of their own"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::check::trial::{found_of, now};
    use insta::assert_snapshot;
    use refit_model::DeviceId;

    const CODES: &[&str] = &["policy/ring-empty-on-platform"];

    const REPOSITORY: &str = r#"
organization: acme
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '"canary" in device.tags', soak: 1d }
      - { name: half, share: 50%, soak: 1d }
      - { name: rest }
  free:
    rings:
      - { name: canary, where: '"canary" in device.tags', soak: 1d }
      - { name: rest }
gates: { default: { enough: 90%, patience: 7d } }
---
policy: browsers
software: [firefox, google-chrome]
rollout: standard
deadline: [{ within: 14d }]
---
policy: meetings
where: device.platform == "macos"
software: [zoom]
rollout: free
deadline: [{ if: exposure.kev, within: 9d, rollout: standard }, { within: 14d }]
"#;

    fn device(number: u32, platform: Option<&str>, canary: bool) -> Device {
        let mut device = Device::new(DeviceId::new(format!("d{number}")), now());
        if let Some(platform) = platform {
            device.facts.set(FieldRef::device("platform"), Value::Text(platform.into()));
        }
        let tags = canary.then(|| SmolStr::new("canary")).into_iter().collect();
        device.facts.set(FieldRef::device("tags"), Value::List(tags));
        device
    }

    /// Thirty devices; those with these numbers are canaries.
    fn company(canaries: &[u32]) -> Vec<Device> {
        let platform = |number| match number {
            0..12 => Some("macos"),
            12..29 => Some("windows"),
            _ => None,
        };
        (0..30).map(|number| device(number, platform(number), canaries.contains(&number))).collect()
    }

    #[test]
    fn canaries_that_are_all_macs_are_none_for_windows() {
        assert_snapshot!(found_of(CODES, &company(&[0, 3, 29]), REPOSITORY), @r#"
warning[policy/ring-empty-on-platform]: ring that is empty on a platform
  policy.yaml:7:17
          - { name: canary, where: '"canary" in device.tags', soak: 1d }
                    ^^^^^^ no device of windows is in it
  note: windows: none of 17 devices that `browsers` concerns
  note: each platform goes through rings of its own, and an empty one passes nothing: each release asks a person there after 7d
  help: choose devices of every platform, or give platforms rollouts of their own
"#);
    }

    #[test]
    fn a_canary_on_every_platform_is_enough_and_without_a_gate_nothing_stands_still() {
        assert_eq!(found_of(CODES, &company(&[0, 12]), REPOSITORY), "");
        // On Macs nobody is in the first ring of either policy, and only one of the rollouts has a gate.
        let shown = found_of(CODES, &company(&[12]), REPOSITORY);
        assert_eq!(shown.matches("warning[").count(), 1, "{shown}");
        assert!(shown.contains("macos: none of 12 devices that `browsers` and `meetings` concern\n"), "{shown}");
    }

    /// Devices are where the rules put them, who decide on one device after the other.
    #[test]
    fn devices_are_counted_in_the_rings_that_decisions_give_them() {
        let mut world = CheckWorld::default();
        let repository = crate::policy::check::trial::repository(REPOSITORY);
        company(&[0, 3]).iter().for_each(|device| world.count(&repository, device, now()));
        let sizes = |policy: &str, platform: &str| {
            world.platforms.get(&("standard".into(), policy.into(), platform.into())).cloned()
        };
        let half = |policy: &str, numbers: std::ops::Range<u32>, canaries: &[u32]| {
            let others = numbers.filter(|number| !canaries.contains(number));
            others.filter(|number| position(&DeviceId::new(format!("d{number}")), policy) < 0.5).count() as u64
        };
        let (macs, windows) = (half("browsers", 0..12, &[0, 3]), half("browsers", 12..29, &[]));
        assert_eq!(sizes("browsers", "macos"), Some(vec![2, macs, 10 - macs]));
        assert_eq!(sizes("browsers", "windows"), Some(vec![0, windows, 17 - windows]));
        assert_eq!((sizes("meetings", "windows"), world.devices), (None, Some(30)));
        assert_eq!(world.platforms.len(), 4, "{:?}", world.platforms);
    }
}
