//! What the policies of titles look at: classes that differ in nothing else are one group for all titles of a scope.

use super::class::{Class, Classes, kind, phase, platform};
use crate::{
    facts::FieldRef,
    policy::{
        expr::{Expr, Truth},
        repository::{Policy, Repository, Rollout},
    },
};
use refit_model::TitleId;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::super::{
    intern::Map,
    rules::{Shelf, end_of_shares},
};

/// What tells scopes apart: titles that have the same share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ScopeKey {
    /// The policies that include the title, by place, each with its rank there.
    policies: Vec<(usize, (i64, bool))>,
    /// The blocks that speak of it, by place.
    blocks: Vec<usize>,
    /// The exceptions that speak of it, by place.
    exceptions: Vec<usize>,
    /// Whether anything about it ends with a day, which ends at other times in other zones.
    pub days: bool,
}

/// What the titles of a scope see of classes.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    key: ScopeKey,
    known: Map<Vec<u32>, u32>,
    /// For each class, its place in `kinds`.
    seen: Vec<u32>,
    kinds: Vec<Seen>,
}

/// How the devices of classes that look alike are told apart further: by shares of rings.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    cuts: Vec<Cuts>,
    /// Whether there are too many cuts to be told by a number, so that each device is looked at by itself.
    pub too_many: bool,
}

/// Where one policy cuts its rings.
#[derive(Clone, Debug)]
struct Cuts {
    permutation: Permutation,
    /// The points at which rings with shares end, in order.
    ends: Vec<u32>,
}

/// How a policy permutes positions (docs/reference/rules.md, rule 8).
#[derive(Clone, Copy, Debug)]
pub(super) struct Permutation {
    multiplier: u16,
    offset: u16,
}

impl Permutation {
    pub fn of(policy: &str) -> Permutation {
        let digest = Sha256::digest(policy.as_bytes());
        Permutation {
            multiplier: u16::from_be_bytes([digest[0], digest[1]]) | 1,
            offset: u16::from_be_bytes([digest[2], digest[3]]),
        }
    }

    /// Where a device with such a point stands.
    pub fn point(self, point: u16) -> u16 {
        point.wrapping_mul(self.multiplier).wrapping_add(self.offset)
    }
}

impl ScopeKey {
    pub fn new(shelf: &Shelf<'_>, title: &TitleId) -> ScopeKey {
        let repository = shelf.repository;
        let policies = shelf.policies.iter().filter_map(|candidate| {
            let place = repository.policies.iter().position(|policy| std::ptr::eq(policy, candidate.policy))?;
            Some((place, candidate.policy.rank(title)))
        });
        let blocks = repository.blocks.iter().enumerate().filter(|(_, block)| block.title == *title);
        let exceptions = repository.exceptions.iter().enumerate();
        let exceptions = exceptions.filter(|(_, exception)| shelf.selected(&exception.software));
        let branches = repository.titles.get(title).into_iter().flat_map(|title| &title.branches);
        let (blocks, exceptions): (Vec<usize>, Vec<usize>) =
            (blocks.map(|(place, _)| place).collect(), exceptions.map(|(place, _)| place).collect());
        let accepted = shelf.policies.iter().flat_map(|candidate| &candidate.policy.accept);
        let days = accepted.into_iter().any(|accepted| accepted.until.is_some())
            || branches.into_iter().any(|branch| branch.supported_until.is_some())
            || blocks.iter().any(|place| repository.blocks.get(*place).is_some_and(|block| block.until.is_some()))
            || !exceptions.is_empty();
        ScopeKey { policies: policies.collect(), blocks, exceptions, days }
    }
}

/// What decides in a class.
enum Decides {
    /// Nothing can, or nothing does: this says it all.
    Nothing(u32),
    /// One policy, and no other has to be heard.
    One(usize),
    /// Several have to be heard.
    Several,
}

impl Scope {
    /// What the titles of a scope see of all classes.
    pub fn new(key: &ScopeKey, repository: &Repository, classes: &Classes) -> Scope {
        let (seen, kinds, known) = (Vec::with_capacity(classes.len()), Vec::new(), Map::default());
        let mut scope = Scope { key: key.clone(), known, seen, kinds };
        scope.extend(repository, classes);
        scope
    }

    /// A scope that is asked for nothing.
    pub fn nothing_seen(key: &ScopeKey) -> Scope {
        Scope { key: key.clone(), known: Map::default(), seen: Vec::new(), kinds: Vec::new() }
    }

    /// Looks at classes that have come since.
    pub fn extend(&mut self, repository: &Repository, classes: &Classes) {
        let Scope { key, known, seen, kinds } = self;
        let mut looks: BTreeMap<Option<usize>, Look<'_>> = BTreeMap::new();
        let mut words = Vec::new();
        for number in seen.len() as u32..classes.len() as u32 {
            let Some(class) = classes.get(number) else { continue };
            words.clear();
            let decides = decides(key, repository, &class);
            let only = match decides {
                Decides::Nothing(word) => {
                    words.push(word);
                    None
                }
                Decides::One(policy) => Some(Some(policy)),
                Decides::Several => Some(None),
            };
            if let Some(only) = only {
                words.push(2 + only.map_or(0, |policy| 1 + policy as u32));
                let look = looks.entry(only).or_insert_with(|| Look::new(key, repository, only));
                look.at(&class, &mut words);
            }
            let place = match known.get(&words) {
                Some(place) => *place,
                None => {
                    let place = kinds.len() as u32;
                    let look = only.and_then(|only| looks.get(&only));
                    let cuts = look.map(|look| look.cuts.clone()).unwrap_or_default();
                    let all = cuts.iter().try_fold(1u64, |all, cuts| all.checked_mul(cuts.ends.len() as u64 + 1));
                    kinds.push(Seen { cuts, too_many: all.is_none() });
                    known.insert(words.clone(), place);
                    place
                }
            };
            seen.push(place);
        }
    }

    /// Whether the zone matters.
    pub fn days(&self) -> bool {
        self.key.days
    }

    /// The place of what is seen of a class.
    pub fn seen(&self, class: u32) -> u32 {
        self.seen.get(class as usize).copied().unwrap_or(0)
    }

    /// What is seen.
    pub fn kind(&self, seen: u32) -> Option<&Seen> {
        self.kinds.get(seen as usize)
    }
}

impl Seen {
    /// In which parts of shares a device is.
    pub fn cut(&self, point: u16) -> u64 {
        self.cuts.iter().fold(0, |cut, cuts| {
            let point = u32::from(cuts.permutation.point(point));
            let place = cuts.ends.iter().take_while(|end| point >= **end).count() as u64;
            cut.wrapping_mul(cuts.ends.len() as u64 + 1).wrapping_add(place)
        })
    }
}

fn decides(key: &ScopeKey, repository: &Repository, class: &Class<'_>) -> Decides {
    let truths = key.policies.iter().filter_map(|(place, rank)| {
        let policy = repository.policies.get(*place)?;
        Some((*place, *rank, policy.condition.as_ref().map_or(Truth::True, |condition| class.truth(condition))))
    });
    let truths: Vec<(usize, (i64, bool), Truth)> = truths.collect();
    let sure = || truths.iter().filter(|(_, _, truth)| truth.is_true());
    let Some(top) = sure().map(|(_, rank, _)| *rank).max() else {
        return Decides::Nothing(u32::from(truths.iter().any(|(_, _, truth)| truth.is_unknown())));
    };
    let mut tied = sure().filter(|(_, rank, _)| *rank == top);
    let unknown = truths.iter().any(|(_, rank, truth)| truth.is_unknown() && *rank >= top);
    match (tied.next(), tied.next()) {
        (Some((place, _, _)), None) if !unknown => Decides::One(*place),
        _ => Decides::Several,
    }
}

/// What has to be known of a class where one policy decides, or where all have to be heard.
struct Look<'r> {
    conditions: Vec<&'r Arc<Expr>>,
    fields: Vec<FieldRef>,
    cuts: Vec<Cuts>,
}

impl<'r> Look<'r> {
    fn new(key: &ScopeKey, repository: &'r Repository, only: Option<usize>) -> Look<'r> {
        let places =
            key.policies.iter().map(|(place, _)| *place).filter(|place| only.is_none_or(|only| only == *place));
        let policies: Vec<&Policy> = places.filter_map(|place| repository.policies.get(place)).collect();
        let blocks = key.blocks.iter().filter_map(|place| repository.blocks.get(*place));
        let exceptions = || key.exceptions.iter().filter_map(|place| repository.exceptions.get(*place));
        let mut conditions: BTreeMap<&SmolStr, &'r Arc<Expr>> = BTreeMap::new();
        let (mut fields, mut cuts) = (BTreeSet::from([platform(), kind(), phase()]), Vec::new());
        let mut ask = |condition: &'r Option<Arc<Expr>>| {
            conditions.extend(condition.iter().map(|condition| (condition.text(), condition)));
        };
        for policy in &policies {
            // Where one decides its condition holds.
            if only.is_none() {
                ask(&policy.condition);
            }
            let rollouts = rollouts_of(policy, repository);
            rollouts.iter().flat_map(|rollout| &rollout.rings).for_each(|ring| ask(&ring.condition));
            let ends: BTreeSet<u32> = rollouts.iter().flat_map(|rollout| ends(rollout)).collect();
            if !ends.is_empty() {
                let ends = ends.into_iter().collect();
                cuts.push(Cuts { permutation: Permutation::of(&policy.name), ends });
            }
        }
        blocks.for_each(|block| ask(&block.condition));
        repository.freezes.iter().for_each(|freeze| ask(&freeze.condition));
        exceptions().for_each(|exception| ask(&exception.condition));
        let entries = policies.iter().flat_map(|policy| &policy.deadline).filter_map(|entry| entry.condition.as_ref());
        let unless = repository.freezes.iter().filter_map(|freeze| freeze.unless.as_ref());
        let on_exposures = entries.chain(unless).chain(exceptions().map(|exception| &exception.unless));
        fields.extend(on_exposures.flat_map(|condition| condition.fields().iter().cloned()));
        Look { conditions: conditions.into_values().collect(), fields: fields.into_iter().collect(), cuts }
    }

    fn at(&self, class: &Class<'_>, words: &mut Vec<u32>) {
        words.extend(self.conditions.iter().map(|condition| class.truth(condition) as u32));
        words.extend(self.fields.iter().map(|field| class.code(field)));
        words.extend([u32::from(class.doubt()), class.enrolled()]);
    }
}

/// The rollouts that a policy may take.
fn rollouts_of<'r>(policy: &Policy, repository: &'r Repository) -> Vec<&'r Rollout> {
    let entries = policy.deadline.iter().filter_map(|entry| entry.rollout.as_ref());
    let names: BTreeSet<&SmolStr> = policy.rollout.iter().chain(entries).collect();
    names.into_iter().filter_map(|name| repository.rollouts.get(name)).collect()
}

/// The points at which the shares of a rollout end, of 65,536.
fn ends(rollout: &Rollout) -> Vec<u32> {
    let mut sum = 0.0;
    let shares = rollout.rings.iter().filter_map(|ring| ring.share);
    shares
        .map(|share| {
            sum += share.0;
            end_of_shares(sum)
        })
        .collect()
}
