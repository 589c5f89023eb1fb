//! One title: from the devices that have a release of it to cells.

use super::{
    super::{
        fleet::{Fleet, Overlay, Presence},
        rules::{Installed, Ruling, Shelf, Subject, rule},
        select::{Combination, Selection},
    },
    UTC,
    class::{Class, Classes, kind, phase, platform, text},
    own,
};
use crate::{
    facts::{FieldRef, Value},
    policy::{
        document::policy::Presence::Required,
        expr::Expr,
        repository::{Policy, Repository, Rollout, Selector},
    },
    world::{SlotKey, World},
};
use jiff::Timestamp;
use refit_model::{DeviceId, Offer, TitleId, Version};
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Splits the devices of one title.
pub(super) struct Split<'a> {
    fleet: &'a Fleet,
    classes: &'a Classes,
    selection: &'a Selection<'a>,
    shelf: Shelf<'a>,
    title: &'a TitleId,
    /// For each class, what the title's policies see of it.
    seen: Vec<u32>,
    /// How the policies permute positions, and the rollouts with shares that they use.
    shares: Vec<(SmolStr, Permutation, Vec<&'a Rollout>)>,
    /// Devices that were named when rings opened.
    members: Vec<(&'a BTreeSet<DeviceId>, RoaringBitmap)>,
}

/// How a policy permutes positions (docs/reference/rules.md, rule 8).
#[derive(Clone, Copy)]
struct Permutation {
    multiplier: u16,
    offset: u16,
}

impl Permutation {
    fn of(policy: &str) -> Permutation {
        let digest = Sha256::digest(policy.as_bytes());
        Permutation {
            multiplier: u16::from_be_bytes([digest[0], digest[1]]) | 1,
            offset: u16::from_be_bytes([digest[2], digest[3]]),
        }
    }

    fn position(self, point: u16) -> f64 {
        f64::from(point.wrapping_mul(self.multiplier).wrapping_add(self.offset)) / 65_536.0
    }
}

/// What tells the devices of one release apart, besides what only they have.
type Key = (u32, u64, Vec<u64>);

impl<'a> Split<'a> {
    pub fn new(
        fleet: &'a Fleet,
        repository: &'a Repository,
        world: &'a World,
        classes: &'a Classes,
        selection: &'a Selection<'a>,
        title: &'a TitleId,
        now: Timestamp,
    ) -> Split<'a> {
        let shelf = Shelf::new(repository, world, title, now);
        let rollouts = |policy: &'a crate::policy::repository::Policy| {
            let entries = policy.deadline.iter().filter_map(|entry| entry.rollout.as_ref());
            let names: BTreeSet<&SmolStr> = policy.rollout.iter().chain(entries).collect();
            names.into_iter().filter_map(|name| repository.rollouts.get(name)).collect::<Vec<_>>()
        };
        let mut shares = Vec::new();
        let mut rings: BTreeMap<&SmolStr, &'a Rollout> = BTreeMap::new();
        for candidate in &shelf.policies {
            let used = rollouts(candidate.policy);
            rings.extend(used.iter().map(|rollout| (&rollout.name, *rollout)));
            let with_shares: Vec<&'a Rollout> =
                used.into_iter().filter(|rollout| rollout.rings.iter().any(|ring| ring.share.is_some())).collect();
            if !with_shares.is_empty() {
                shares.push((candidate.policy.name.clone(), Permutation::of(&candidate.policy.name), with_shares));
            }
        }
        let named = shelf.rollouts.iter().flat_map(|state| state.members.values());
        let members = named
            .map(|members| (members, members.iter().filter_map(|member| fleet.number(member)).collect()))
            .collect();
        let mut split = Split { fleet, classes, selection, shelf, title, seen: Vec::new(), shares, members };
        split.seen = split.project(&rings);
        split
    }

    /// Puts classes together that differ in nothing that matters for this title.
    fn project(&self, rings: &BTreeMap<&SmolStr, &'a Rollout>) -> Vec<u32> {
        let shelf = &self.shelf;
        let repository = shelf.repository;
        let exceptions: Vec<_> =
            repository.exceptions.iter().filter(|exception| shelf.selected(&exception.software)).collect();
        let blocks = repository.blocks.iter().filter(|block| block.title == *self.title);
        let policies = shelf.policies.iter().map(|candidate| candidate.policy);
        let mut on_devices: BTreeMap<&SmolStr, &Arc<Expr>> = BTreeMap::new();
        let conditions = policies
            .clone()
            .filter_map(|policy| policy.condition.as_ref())
            .chain(rings.values().flat_map(|rollout| &rollout.rings).filter_map(|ring| ring.condition.as_ref()))
            .chain(blocks.clone().filter_map(|block| block.condition.as_ref()))
            .chain(repository.freezes.iter().filter_map(|freeze| freeze.condition.as_ref()))
            .chain(exceptions.iter().filter_map(|exception| exception.condition.as_ref()));
        on_devices.extend(conditions.map(|condition| (condition.text(), condition)));
        let on_exposures = policies
            .clone()
            .flat_map(|policy| &policy.deadline)
            .filter_map(|entry| entry.condition.as_ref())
            .chain(repository.freezes.iter().filter_map(|freeze| freeze.unless.as_ref()))
            .chain(exceptions.iter().map(|exception| &exception.unless));
        let fields: BTreeSet<FieldRef> = on_exposures
            .flat_map(|condition| condition.fields().iter().cloned())
            .chain([platform(), kind(), phase()])
            .collect();
        let branches = repository.titles.get(self.title).into_iter().flat_map(|title| &title.branches);
        let days = policies.flat_map(|policy| &policy.accept).any(|accepted| accepted.until.is_some())
            || branches.into_iter().any(|branch| branch.supported_until.is_some())
            || blocks.into_iter().any(|block| block.until.is_some())
            || !exceptions.is_empty();
        let mut known: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
        let mut offers: BTreeMap<String, u32> = BTreeMap::new();
        let managed = !shelf.policies.is_empty();
        (0..self.classes.len() as u32)
            .filter_map(|number| self.classes.get(number))
            .map(|class| {
                let mut words = Vec::new();
                if managed {
                    words.extend(on_devices.values().map(|condition| class.truth(condition) as u32));
                    words.extend(fields.iter().map(|field| class.code(field)));
                    let next = offers.len() as u32;
                    let told = format!("{:?}", self.offers(class.universe()));
                    words.push(*offers.entry(told).or_insert(next));
                    words.push(u32::from(class.doubt()));
                    words.push(class.enrolled());
                    words.push(if days { class.zone() } else { 0 });
                }
                let next = known.len() as u32;
                *known.entry(words).or_insert(next)
            })
            .collect()
    }

    fn offers(&self, universe: u32) -> &'a [(Version, Offer)] {
        self.fleet.universe(universe).and_then(|offers| offers.get(self.title)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The cells of the devices that have a release, or of those that have none.
    pub fn cells(&self, present: Option<(u32, &Presence)>, devices: &RoaringBitmap) -> Vec<(Ruling, RoaringBitmap)> {
        let slot = present.map_or_else(|| SlotKey::of(self.title.clone()), |(_, present)| present.slot());
        let mut groups: BTreeMap<Key, Vec<u32>> = BTreeMap::new();
        let mut cells = Vec::new();
        if present.is_none() && self.by_package() {
            for device in devices.iter().filter(|device| self.has_slot(*device)) {
                add(&mut cells, self.rule(present, &slot, device), device);
            }
            return cells;
        }
        for device in devices {
            if self.fleet.overlay(device).concerns(&slot) {
                cells.push((self.rule(present, &slot, device), RoaringBitmap::from_iter([device])));
                continue;
            }
            groups.entry(self.key(device)).or_default().push(device);
        }
        for group in groups.into_values() {
            let Some(&first) = group.first() else { continue };
            let ruling = self.rule(present, &slot, first);
            if ruling.contested {
                // What the policies say is held against each other device by device.
                for device in group {
                    add(&mut cells, self.rule(present, &slot, device), device);
                }
                continue;
            }
            let Some(matter_after) = ruling.spells_matter_after else {
                cells.push((ruling, bitmap(group)));
                continue;
            };
            // Devices whose spell began later than anything that it is compared with.
            let mut by_spell: BTreeMap<Option<Timestamp>, Vec<u32>> = BTreeMap::new();
            for device in group {
                let spell = self.spell(present, device).filter(|spell| *spell > matter_after);
                by_spell.entry(spell).or_default().push(device);
            }
            for devices in by_spell.into_values() {
                let Some(&one) = devices.first() else { continue };
                let ruling = if one == first { ruling.clone() } else { self.rule(present, &slot, one) };
                cells.push((ruling, bitmap(devices)));
            }
        }
        cells
    }

    /// Whether a policy requires the title, or a package that only its vendor builds: under which name depends on what else a device
    /// has.
    fn by_package(&self) -> bool {
        let repository = self.shelf.repository;
        self.shelf.policies.iter().map(|candidate| candidate.policy).any(|policy| {
            policy.presence == Required
                && (policy.meant.contains(self.title) || !repository.vendor_packages(self.title).is_empty())
        })
    }

    /// Whether a device that does not have the title has a slot for it.
    fn has_slot(&self, device: u32) -> bool {
        let named = |policy: &Policy| {
            let names = |selector: &Selector| matches!(selector, Selector::Title(title) if title == self.title);
            policy.software.iter().any(names) && !policy.meant.contains(self.title)
        };
        let policies = self.shelf.policies.iter().map(|candidate| candidate.policy);
        let mut policies = policies.filter(|policy| named(policy) || self.required(policy, device));
        policies.next().is_some()
    }

    fn required(&self, policy: &Policy, device: u32) -> bool {
        let titles: Vec<&TitleId> =
            self.fleet.row(device).into_iter().flat_map(|row| self.fleet.titles_on(row)).collect();
        let mut spaces = titles.iter().filter_map(|title| Some(title.package()?.0));
        let first = spaces.next();
        let manager = first.filter(|first| spaces.all(|space| space == *first));
        self.shelf.repository.requires(policy, self.title, manager, |title| titles.contains(&title))
    }

    fn spell(&self, present: Option<(u32, &Presence)>, device: u32) -> Option<Timestamp> {
        let row = self.fleet.row(device)?;
        let since = present.and_then(|(number, _)| self.fleet.since(row, number));
        since.max(row.enrolled)
    }

    fn key(&self, device: u32) -> Key {
        let class = self.seen.get(self.classes.of(device) as usize).copied().unwrap_or(0);
        let point = self.fleet.row(device).map_or(0, |row| row.point);
        let mut cut = 0u64;
        for (_, permutation, rollouts) in &self.shares {
            let position = permutation.position(point);
            for rollout in rollouts {
                let (mut place, mut from) = (0u64, 0.0);
                for share in rollout.rings.iter().filter_map(|ring| ring.share) {
                    if position < from + share.0 {
                        break;
                    }
                    from += share.0;
                    place += 1;
                }
                cut = cut.wrapping_mul(rollout.rings.len() as u64 + 1).wrapping_add(place);
            }
        }
        let mut member = vec![0u64; self.members.len().div_ceil(64)];
        for (place, (_, members)) in self.members.iter().enumerate() {
            if members.contains(device)
                && let Some(word) = member.get_mut(place / 64)
            {
                *word |= 1 << (place % 64);
            }
        }
        (class, cut, member)
    }

    /// Applies the rules to a slot of a device, which stands for its cell.
    fn rule(&self, present: Option<(u32, &Presence)>, slot: &SlotKey, device: u32) -> Ruling {
        let overlay: &Overlay = self.fleet.overlay(device);
        let row = self.fleet.row(device);
        let number = self.classes.of(device);
        let class = self.classes.get(number);
        let class = class.as_ref();
        let value = |field: &FieldRef| {
            let column = self.selection.columns.get(field)?;
            column.value(class.map_or(0, |class| class.code(field)))
        };
        let fields = self.classes.fields();
        let values: Vec<Option<&Value>> = fields.iter().map(value).collect();
        let ask = |condition: &Arc<Expr>| {
            class.map_or(crate::policy::expr::Truth::Unknown, |class: &Class<'_>| class.truth(condition))
        };
        let point = row.map_or(0, |row| row.point);
        let position = |policy: &str| {
            let known = self.shares.iter().find(|(name, _, _)| name == policy);
            known.map_or_else(|| Permutation::of(policy), |(_, permutation, _)| *permutation).position(point)
        };
        let member = |members: &BTreeSet<DeviceId>| {
            let known = self.members.iter().find(|(known, _)| std::ptr::eq(*known, members));
            known.is_some_and(|(_, members)| members.contains(device))
        };
        let platform = text(value(&platform()));
        let may_be_server = match text(value(&kind())) {
            Some(kind) => kind == "server",
            None => !matches!(platform, Some("macos" | "ios" | "ipados" | "android" | "chromeos")),
        };
        let zone = row.and_then(|row| self.fleet.zone(row.zone?)).unwrap_or(&UTC);
        let installed = present.map(|(number, present)| Installed {
            branch: &present.branch,
            version: &present.version,
            since: row.and_then(|row| self.fleet.since(row, number)),
        });
        let subject = Subject {
            ask: &ask,
            facts: &Combination { fields, values },
            platform,
            may_be_server,
            provisioning: text(value(&phase())) == Some("provisioning"),
            zone,
            doubt: overlay.identity_in_doubt,
            position: &position,
            member: &member,
            required: &|policy| self.required(policy, device),
            enrolled: row.and_then(|row| row.enrolled),
            installed,
            offers: row.map_or(&[][..], |row| self.offers(row.universe)),
            spell: overlay.spells.get(slot).copied(),
            first_offers: overlay.first_offers.get(slot).map(Vec::as_slice).unwrap_or_default(),
            admitted_before: overlay.admitted_before.get(slot),
            decided_before: overlay.decided_before.get(slot),
        };
        rule(&self.shelf, &subject, &own(self.fleet, self.shelf.repository, device, self.shelf.now))
    }
}

/// Puts a device to those with the same ruling.
fn add(cells: &mut Vec<(Ruling, RoaringBitmap)>, ruling: Ruling, device: u32) {
    match cells.iter_mut().find(|(known, _)| *known == ruling) {
        Some((_, devices)) => {
            devices.insert(device);
        }
        None => cells.push((ruling, RoaringBitmap::from_iter([device]))),
    }
}

fn bitmap(devices: Vec<u32>) -> RoaringBitmap {
    RoaringBitmap::from_sorted_iter(devices).unwrap_or_default()
}
