//! What is asked of classes, and what they look like to those who ask the same: as many titles do.

use super::{
    super::{
        super::{intern::Map, rules::end_of_shares},
        class::{Asked, Class, Classes, kind, phase, platform},
    },
    ScopeKey,
};
use crate::{
    facts::FieldRef,
    policy::{
        expr::{Expr, Truth},
        repository::{Policy, Repository, Rollout},
    },
};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Where one policy cuts its rings.
#[derive(Clone, Debug)]
pub(super) struct Cuts {
    pub permutation: Permutation,
    /// The points at which rings with shares end, in order.
    pub ends: Vec<u32>,
}

/// How a policy permutes positions (docs/reference/rules.md, rule 8).
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Permutation {
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

/// Of more parts than this nobody works out which are alike.
const MOST_PARTS: u32 = 1_024;

/// How many parts cuts make, if so many can be counted.
pub(super) fn parts(cuts: &[Cuts]) -> Option<u32> {
    cuts.iter().try_fold(1u32, |all, cuts| all.checked_mul(cuts.ends.len() as u32 + 1))
}

/// For each policy that cuts its rings a point, permuted, of those in a part.
fn points(cuts: &[Cuts], part: u32) -> Vec<u32> {
    let mut rest = part;
    let mut points: Vec<u32> = Vec::with_capacity(cuts.len());
    for cuts in cuts.iter().rev() {
        let width = cuts.ends.len() as u32 + 1;
        let place = rest % width;
        points.push(place.checked_sub(1).and_then(|before| cuts.ends.get(before as usize)).copied().unwrap_or(0));
        rest /= width;
    }
    points.reverse();
    points
}

/// What has to be known of a class where one policy decides, or where all have to be heard.
pub(super) struct Look {
    conditions: Vec<Asked>,
    fields: Vec<Option<usize>>,
    pub cuts: Arc<[Cuts]>,
    /// Of those, what obligations go by.
    obliging: (Vec<Asked>, Vec<Option<usize>>),
    /// The conditions that rulings go by, but for those of rings and blocks.
    ruling: Vec<Asked>,
    /// Those of blocks: what may hold does.
    blocking: Vec<Asked>,
    /// The rollouts that policies may take.
    rollouts: Vec<Taken>,
    /// The field of the platform, where rulings go by it.
    platform: Option<usize>,
    /// Whether a doubt about the identity is more than a place in the last rings.
    doubts: bool,
}

/// A rollout that a policy may take.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Taken {
    /// The place of the policy among those that cut their rings.
    cuts: Option<usize>,
    rings: Vec<Joins>,
}

/// Who joins a ring: the points from and up to which its share goes, and its condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Joins {
    share: Option<(u32, u32)>,
    condition: Option<Asked>,
}

impl Look {
    /// Of a policy, or of all of a scope. Where it is unsure that the policy decides, devices are in the last rings, unless they were members.
    pub fn new(key: &ScopeKey, repository: &Repository, classes: &Classes, only: Option<usize>, unsure: bool) -> Look {
        let places =
            key.policies.iter().map(|(place, _)| *place).filter(|place| only.is_none_or(|only| only == *place));
        let policies: Vec<&Policy> = places.filter_map(|place| repository.policies.get(place)).collect();
        let blocks = key.blocks.iter().filter_map(|place| repository.blocks.get(*place));
        let exceptions = || key.exceptions.iter().filter_map(|place| repository.exceptions.get(*place));
        let (mut fields, mut cuts) = (BTreeSet::from([platform(), kind(), phase()]), Vec::new());
        let (mut ruling, mut blocking): (BTreeSet<Asked>, BTreeSet<Asked>) = Default::default();
        let ask = |asked: &mut BTreeSet<Asked>, condition: &Option<Arc<Expr>>| {
            asked.extend(condition.iter().map(|condition| classes.asked(condition)));
        };
        let mut taken = Vec::new();
        for policy in &policies {
            // Where one decides its condition holds.
            if only.is_none() {
                ask(&mut ruling, &policy.condition);
            }
            let rollouts = if unsure { Vec::new() } else { rollouts_of(policy, repository) };
            let ends: BTreeSet<u32> = rollouts.iter().flat_map(|rollout| ends(rollout)).collect();
            let place = (!ends.is_empty()).then_some(cuts.len());
            if !ends.is_empty() {
                let ends = ends.into_iter().collect();
                cuts.push(Cuts { permutation: Permutation::of(&policy.name), ends });
            }
            taken.extend(rollouts.iter().map(|rollout| Taken { cuts: place, rings: joins(rollout, classes) }));
        }
        blocks.for_each(|block| ask(&mut blocking, &block.condition));
        exceptions().for_each(|exception| ask(&mut ruling, &exception.condition));
        let entries = policies.iter().flat_map(|policy| &policy.deadline).filter_map(|entry| entry.condition.as_ref());
        let unless = repository.freezes.iter().filter_map(|freeze| freeze.unless.as_ref());
        let on_exposures = entries.chain(unless).chain(exceptions().map(|exception| &exception.unless));
        let on_exposures: BTreeSet<FieldRef> =
            on_exposures.flat_map(|condition| condition.asked().iter().cloned()).collect();
        fields.extend(on_exposures.iter().cloned());
        let excepting = exceptions().filter_map(|exception| exception.condition.as_ref());
        let excepting = excepting.map(|condition| classes.asked(condition)).collect();
        let place = |field: FieldRef| classes.place(&field);
        let of_rings = taken.iter().flat_map(|taken| &taken.rings).filter_map(|joins| joins.condition);
        let conditions: BTreeSet<Asked> = ruling.iter().chain(&blocking).copied().chain(of_rings).collect();
        Look {
            conditions: conditions.into_iter().collect(),
            ruling: ruling.into_iter().collect(),
            blocking: blocking.into_iter().collect(),
            rollouts: taken,
            platform: classes.place(&platform()).filter(|_| key.platforms),
            doubts: key.halted,
            fields: fields.into_iter().map(place).collect(),
            cuts: cuts.into(),
            obliging: (excepting, on_exposures.into_iter().map(place).collect()),
        }
    }

    /// What obligations go by: exceptions, what conditions on exposures ask, and what applied before the device was there.
    fn obliging(&self, class: &Class<'_>, words: &mut Vec<u32>) {
        let (conditions, fields) = &self.obliging;
        words.extend(conditions.iter().map(|condition| class.says(*condition) as u32));
        words.extend(fields.iter().map(|field| class.code_at(*field)));
        words.push(class.enrolled());
    }

    /// What rulings go by besides who decides, in a part of which points are given, where nobody was a member of a ring. What only reading an
    /// answer asks, as freezes do, is not in it.
    fn ruled(&self, class: &Class<'_>, points: &[u32], own: &mut Vec<u32>) {
        own.extend(self.ruling.iter().map(|condition| class.says(*condition) as u32));
        own.extend(self.blocking.iter().map(|condition| u32::from(!class.says(*condition).is_false())));
        own.extend(self.obliging.1.iter().map(|field| class.code_at(*field)));
        own.extend([class.code_at(self.platform), class.enrolled(), u32::from(self.doubts && class.doubt())]);
        own.extend(self.rollouts.iter().map(|taken| match class.doubt() && !self.doubts {
            true => taken.last(),
            false => {
                let point = taken.cuts.and_then(|place| points.get(place)).copied().unwrap_or(0);
                taken.ring(class, point)
            }
        }));
    }

    fn at(&self, class: &Class<'_>, words: &mut Vec<u32>) {
        words.extend(self.conditions.iter().map(|condition| class.says(*condition) as u32));
        words.extend(self.fields.iter().map(|field| class.code_at(*field)));
        words.extend([u32::from(class.doubt()), class.enrolled()]);
    }
}

/// What classes look like to those who ask the same of them, however many scopes that are.
#[derive(Clone, Debug, Default)]
pub(super) struct Views {
    numbers: BTreeMap<Questions, usize>,
    pub all: Vec<View>,
}

/// All that a look asks, apart from where devices stand in the shares of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Questions {
    conditions: Vec<Asked>,
    fields: Vec<Option<usize>>,
    obliging: (Vec<Asked>, Vec<Option<usize>>),
    ruling: Vec<Asked>,
    blocking: Vec<Asked>,
    rollouts: Vec<Taken>,
    platform: Option<usize>,
    doubts: bool,
    ends: Vec<Vec<u32>>,
}

/// What some who ask the same see of classes.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// By number of class, one more than that of its kind; 0 where nobody has looked.
    of: Vec<u32>,
    known: Map<Vec<u32>, u32>,
    kinds: Vec<Kind>,
    duties: Map<Vec<u32>, u32>,
    rulings: Map<Vec<u32>, u32>,
}

/// Classes that look alike, with numbers for what that comes down to.
#[derive(Clone, Debug)]
pub(super) struct Kind {
    /// What obligations go by.
    pub duties: u32,
    /// What rulings go by besides who decides, for each part of shares; empty where there are too many parts.
    pub rulings: Vec<u32>,
}

impl Views {
    /// The number of the view of whoever asks the same.
    pub fn number(&mut self, look: &Look) -> usize {
        let Look { conditions, fields, obliging, ruling, blocking, rollouts, platform, doubts, cuts } = look;
        let questions = Questions {
            conditions: conditions.clone(),
            fields: fields.clone(),
            obliging: obliging.clone(),
            ruling: ruling.clone(),
            blocking: blocking.clone(),
            rollouts: rollouts.clone(),
            platform: *platform,
            doubts: *doubts,
            ends: cuts.iter().map(|cuts| cuts.ends.clone()).collect(),
        };
        let next = self.all.len();
        let number = *self.numbers.entry(questions).or_insert(next);
        if number == next {
            self.all.push(View::default());
        }
        number
    }
}

impl View {
    /// The kind of a class, with its number.
    pub fn kind(&mut self, look: &Look, number: u32, class: &Class<'_>) -> Option<(u32, &Kind)> {
        let View { of, known, kinds, duties, rulings } = self;
        let place = number as usize;
        if of.len() <= place {
            of.resize(place + 1, 0);
        }
        let kind = of.get_mut(place)?;
        if *kind == 0 {
            let mut words = Vec::with_capacity(look.conditions.len() + look.fields.len() + 2);
            look.at(class, &mut words);
            let next = kinds.len() as u32 + 1;
            *kind = *known.entry(words).or_insert(next);
            if *kind == next {
                let mut own = Vec::new();
                look.obliging(class, &mut own);
                let next = duties.len() as u32;
                let duties = *duties.entry(own).or_insert(next);
                let parts = parts(&look.cuts).filter(|parts| *parts <= MOST_PARTS).unwrap_or(0);
                let of_part = |part: u32| {
                    let mut own = Vec::new();
                    look.ruled(class, &points(&look.cuts, part), &mut own);
                    let next = rulings.len() as u32;
                    *rulings.entry(own).or_insert(next)
                };
                kinds.push(Kind { duties, rulings: (0..parts).map(of_part).collect() });
            }
        }
        Some((*kind, kinds.get(*kind as usize - 1)?))
    }
}

impl Taken {
    /// The last ring.
    fn last(&self) -> u32 {
        self.rings.len().saturating_sub(1) as u32
    }

    /// The ring that devices of a class join who stand at a point.
    fn ring(&self, class: &Class<'_>, point: u32) -> u32 {
        let last = self.last();
        for (place, ring) in (0..).zip(&self.rings) {
            let inside = ring.share.is_none_or(|(from, until)| (from..until).contains(&point));
            let holds = ring.condition.map_or(Truth::True, |condition| class.says(condition));
            match Truth::from(inside).and(holds) {
                Truth::True => return place,
                Truth::Unknown => return last,
                Truth::False => {}
            }
        }
        last
    }
}

fn joins(rollout: &Rollout, classes: &Classes) -> Vec<Joins> {
    let (mut sum, mut from) = (0.0, 0);
    let rings = rollout.rings.iter().map(|ring| {
        let share = ring.share.map(|share| {
            sum += share.0;
            let until = end_of_shares(sum);
            (std::mem::replace(&mut from, until), until)
        });
        Joins { share, condition: ring.condition.as_ref().map(|condition| classes.asked(condition)) }
    });
    rings.collect()
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
