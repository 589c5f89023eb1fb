//! What the policies of titles look at: classes that differ in nothing else are one group for all titles of a scope.

use super::class::{Asked, Class, Classes, kind, phase, platform};
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

/// All scopes, by numbers that stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Scopes {
    numbers: BTreeMap<ScopeKey, usize>,
    all: Vec<Scope>,
    views: Views,
}

impl Scopes {
    /// The number of a scope, which has seen all classes.
    pub fn number(&mut self, key: ScopeKey, repository: &Repository, classes: &Classes) -> usize {
        match self.numbers.get(&key).copied() {
            Some(number) => {
                self.seen_by(number, repository, classes);
                number
            }
            None => {
                let mut scope = Scope::nothing_seen(&key);
                scope.extend(repository, classes, &mut self.views);
                self.all.push(scope);
                self.numbers.insert(key, self.all.len() - 1);
                self.all.len() - 1
            }
        }
    }

    /// The scope of a number, which has seen all classes.
    pub fn seen_by(&mut self, number: usize, repository: &Repository, classes: &Classes) -> Option<&Scope> {
        let scope = self.all.get_mut(number)?;
        scope.extend(repository, classes, &mut self.views);
        Some(scope)
    }

    /// A scope, as far as it has looked.
    pub fn get(&self, key: &ScopeKey) -> Option<&Scope> {
        self.all.get(*self.numbers.get(key)?)
    }
}

/// What the titles of a scope see of classes.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    key: ScopeKey,
    /// Places in `kinds`, by what decides and what is seen of the class.
    known: Map<(u32, u32), u32>,
    /// What is seen where several policies have to be heard.
    heard: View,
    /// For each class, its place in `kinds`.
    seen: Vec<u32>,
    kinds: Vec<Seen>,
    /// Numbers for what obligations go by, by who decides and the number that the view has for it.
    duties: Map<(u32, u32), u32>,
    /// Numbers for what rulings go by, where nobody was a member of a ring; likewise.
    rulings: Map<(u32, u32), u32>,
}

/// How the devices of classes that look alike are told apart further: by shares of rings.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    cuts: Vec<Cuts>,
    /// The least number of a part of those shares, over all that is seen.
    first: u32,
    /// For each part a number for what rulings go by: parts and kinds that come into the same rings have the same. Empty where there are too
    /// many parts.
    alike: Vec<u32>,
    /// A number for what obligations go by: it is the same where only rings, blocks and freezes differ.
    pub duties: u32,
    /// Whether there are too many cuts to be told by a number, so that each device is looked at by itself.
    pub too_many: bool,
}

/// Numbers of parts are told from those of rulings by this bit.
const FINE: u32 = 1 << 31;

/// Of more parts than this nobody works out which are alike.
const MOST_PARTS: u32 = 1_024;

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
        let exceptions = shelf.exceptions.iter().map(|(place, _)| *place);
        let branches = repository.titles.get(title).into_iter().flat_map(|title| &title.branches);
        let (blocks, exceptions): (Vec<usize>, Vec<usize>) =
            (blocks.map(|(place, _)| place).collect(), exceptions.collect());
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
    /// One policy, by its place among the candidates, and no other has to be heard.
    One(usize),
    /// Several have to be heard.
    Several,
}

impl Scope {
    /// What the titles of a scope see of all classes.
    pub fn new(key: &ScopeKey, repository: &Repository, classes: &Classes) -> Scope {
        let mut scope = Scope::nothing_seen(key);
        scope.extend(repository, classes, &mut Views::default());
        scope
    }

    /// A scope that is asked for nothing.
    pub fn nothing_seen(key: &ScopeKey) -> Scope {
        Scope {
            key: key.clone(),
            known: Map::default(),
            heard: View::default(),
            seen: Vec::new(),
            kinds: Vec::new(),
            duties: Map::default(),
            rulings: Map::default(),
        }
    }

    /// Looks at classes that have come since. What is asked of them where one policy decides is asked by many scopes, which share the answers.
    fn extend(&mut self, repository: &Repository, classes: &Classes, views: &mut Views) {
        if self.seen.len() == classes.len() {
            return;
        }
        let key = self.key.clone();
        let candidates = candidates(&key, repository, classes);
        // By place among the candidates; the last is for where several have to be heard.
        let mut looks: Vec<Option<(Look, usize)>> = (0..=candidates.len()).map(|_| None).collect();
        self.seen.reserve(classes.len() - self.seen.len());
        for number in self.seen.len() as u32..classes.len() as u32 {
            let Some(class) = classes.get(number) else { continue };
            let (decider, candidate) = match decides(&candidates, &class) {
                Decides::Nothing(word) => (word, None),
                Decides::One(candidate) => {
                    let policy = candidates.get(candidate).map_or(0, |candidate| candidate.place);
                    (3 + policy as u32, Some(candidate))
                }
                Decides::Several => (2, Some(candidates.len())),
            };
            let next = self.kinds.len() as u32;
            let Some(candidate) = candidate else {
                let place = *self.known.entry((decider, 0)).or_insert(next);
                if place == next {
                    self.add(decider, Vec::new(), &Kind { duties: 0, rulings: vec![0] });
                }
                self.seen.push(place);
                continue;
            };
            let Some(look) = looks.get_mut(candidate) else { continue };
            let (look, view) = look.get_or_insert_with(|| {
                let only = candidates.get(candidate).map(|candidate| candidate.place);
                let look = Look::new(&key, repository, classes, only);
                let view = only.map_or(0, |_| views.number(&look));
                (look, view)
            });
            let view = if decider == 2 { Some(&mut self.heard) } else { views.all.get_mut(*view) };
            let Some((number, kind)) = view.and_then(|view| view.kind(look, number, &class)) else { continue };
            let place = *self.known.entry((decider, number)).or_insert(next);
            if place == next {
                let kind = kind.clone();
                self.add(decider, look.cuts.clone(), &kind);
            }
            self.seen.push(place);
        }
    }

    /// Adds what is seen of a class that looks like none before.
    fn add(&mut self, decider: u32, cuts: Vec<Cuts>, of_view: &Kind) {
        let Scope { kinds, duties, rulings, .. } = self;
        let next = duties.len() as u32;
        let duties = *duties.entry((decider, of_view.duties)).or_insert(next);
        let first = kinds.last().map_or(Some(0), |last| last.first.checked_add(last.parts()));
        let last = first.zip(parts(&cuts)).and_then(|(first, parts)| first.checked_add(parts));
        let too_many = last.is_none_or(|last| last > FINE);
        let cuts = if too_many { Vec::new() } else { cuts };
        let mut kind = Seen { cuts, first: first.unwrap_or(FINE), alike: Vec::new(), duties, too_many };
        if !too_many {
            for ruling in &of_view.rulings {
                let next = rulings.len() as u32;
                kind.alike.push(*rulings.entry((decider, *ruling)).or_insert(next));
            }
        }
        kinds.push(kind);
    }

    /// Whether the zone matters.
    pub fn days(&self) -> bool {
        self.key.days
    }

    /// What is seen of a class.
    pub fn seen(&self, class: u32) -> Option<&Seen> {
        self.kinds.get(*self.seen.get(class as usize)? as usize)
    }

    /// How many numbers there are for what rulings go by.
    pub fn rulings(&self) -> usize {
        self.rulings.len()
    }
}

impl Seen {
    fn within(&self, point: u16) -> u32 {
        self.cuts.iter().fold(0u32, |part, cuts| {
            let point = u32::from(cuts.permutation.point(point));
            let place = cuts.ends.iter().map(|end| u32::from(point >= *end)).sum::<u32>();
            part.wrapping_mul(cuts.ends.len() as u32 + 1).wrapping_add(place)
        })
    }

    /// In which part of shares a device is, as a number that no other part of anything that a scope sees has.
    pub fn part(&self, point: u16) -> u32 {
        FINE | self.first.wrapping_add(self.within(point))
    }

    /// A number for what rulings go by where nobody was a member of a ring; else that of the part.
    pub fn ruling(&self, point: u16) -> u32 {
        self.alike.get(self.within(point) as usize).copied().unwrap_or_else(|| self.part(point))
    }

    /// How many parts there are.
    fn parts(&self) -> u32 {
        self.cuts.iter().map(|cuts| cuts.ends.len() as u32 + 1).product()
    }
}

/// How many parts cuts make, if so many can be counted.
fn parts(cuts: &[Cuts]) -> Option<u32> {
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

/// A policy of a scope.
struct Candidate {
    place: usize,
    rank: (i64, bool),
    condition: Option<Asked>,
}

fn candidates(key: &ScopeKey, repository: &Repository, classes: &Classes) -> Vec<Candidate> {
    let policies =
        key.policies.iter().filter_map(|(place, rank)| Some((*place, *rank, repository.policies.get(*place)?)));
    let candidate = |(place, rank, policy): (usize, (i64, bool), &Policy)| Candidate {
        place,
        rank,
        condition: policy.condition.as_ref().map(|condition| classes.asked(condition)),
    };
    policies.map(candidate).collect()
}

fn decides(candidates: &[Candidate], class: &Class<'_>) -> Decides {
    let truth = |candidate: &Candidate| candidate.condition.map_or(Truth::True, |condition| class.says(condition));
    let Some(top) = candidates.iter().filter(|one| truth(one).is_true()).map(|one| one.rank).max() else {
        return Decides::Nothing(u32::from(candidates.iter().any(|one| truth(one).is_unknown())));
    };
    let mut tied = candidates.iter().enumerate().filter(|(_, one)| one.rank == top && truth(one).is_true());
    let unknown = candidates.iter().any(|one| one.rank >= top && truth(one).is_unknown());
    match (tied.next(), tied.next()) {
        (Some((one, _)), None) if !unknown => Decides::One(one),
        _ => Decides::Several,
    }
}

/// What has to be known of a class where one policy decides, or where all have to be heard.
struct Look {
    conditions: Vec<Asked>,
    fields: Vec<Option<usize>>,
    cuts: Vec<Cuts>,
    /// Of those, what obligations go by.
    obliging: (Vec<Asked>, Vec<Option<usize>>),
    /// The conditions that rulings go by, but for those of rings.
    ruling: Vec<Asked>,
    /// The rollouts that policies may take.
    rollouts: Vec<Taken>,
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
    fn new(key: &ScopeKey, repository: &Repository, classes: &Classes, only: Option<usize>) -> Look {
        let places =
            key.policies.iter().map(|(place, _)| *place).filter(|place| only.is_none_or(|only| only == *place));
        let policies: Vec<&Policy> = places.filter_map(|place| repository.policies.get(place)).collect();
        let blocks = key.blocks.iter().filter_map(|place| repository.blocks.get(*place));
        let exceptions = || key.exceptions.iter().filter_map(|place| repository.exceptions.get(*place));
        let (mut fields, mut cuts) = (BTreeSet::from([platform(), kind(), phase()]), Vec::new());
        let mut ruling: BTreeSet<Asked> = BTreeSet::new();
        let mut ask = |condition: &Option<Arc<Expr>>| {
            ruling.extend(condition.iter().map(|condition| classes.asked(condition)));
        };
        let mut taken = Vec::new();
        for policy in &policies {
            // Where one decides its condition holds.
            if only.is_none() {
                ask(&policy.condition);
            }
            let rollouts = rollouts_of(policy, repository);
            let ends: BTreeSet<u32> = rollouts.iter().flat_map(|rollout| ends(rollout)).collect();
            let place = (!ends.is_empty()).then_some(cuts.len());
            if !ends.is_empty() {
                let ends = ends.into_iter().collect();
                cuts.push(Cuts { permutation: Permutation::of(&policy.name), ends });
            }
            taken.extend(rollouts.iter().map(|rollout| Taken { cuts: place, rings: joins(rollout, classes) }));
        }
        blocks.for_each(|block| ask(&block.condition));
        repository.freezes.iter().for_each(|freeze| ask(&freeze.condition));
        exceptions().for_each(|exception| ask(&exception.condition));
        let entries = policies.iter().flat_map(|policy| &policy.deadline).filter_map(|entry| entry.condition.as_ref());
        let unless = repository.freezes.iter().filter_map(|freeze| freeze.unless.as_ref());
        let on_exposures = entries.chain(unless).chain(exceptions().map(|exception| &exception.unless));
        let on_exposures: BTreeSet<FieldRef> =
            on_exposures.flat_map(|condition| condition.fields().iter().cloned()).collect();
        fields.extend(on_exposures.iter().cloned());
        let excepting = exceptions().filter_map(|exception| exception.condition.as_ref());
        let excepting = excepting.map(|condition| classes.asked(condition)).collect();
        let place = |field: FieldRef| classes.place(&field);
        let of_rings = taken.iter().flat_map(|taken| &taken.rings).filter_map(|joins| joins.condition);
        let conditions: BTreeSet<Asked> = ruling.iter().copied().chain(of_rings).collect();
        Look {
            conditions: conditions.into_iter().collect(),
            ruling: ruling.into_iter().collect(),
            rollouts: taken,
            fields: fields.into_iter().map(place).collect(),
            cuts,
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

    /// What rulings go by besides who decides, in a part of which points are given, where nobody was a member of a ring.
    fn ruled(&self, class: &Class<'_>, points: &[u32], own: &mut Vec<u32>) {
        own.extend(self.ruling.iter().map(|condition| class.says(*condition) as u32));
        own.extend(self.fields.iter().map(|field| class.code_at(*field)));
        own.extend([u32::from(class.doubt()), class.enrolled()]);
        own.extend(self.rollouts.iter().map(|taken| {
            let point = taken.cuts.and_then(|place| points.get(place)).copied().unwrap_or(0);
            taken.ring(class, point)
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
struct Views {
    numbers: BTreeMap<Questions, usize>,
    all: Vec<View>,
}

/// All that a look asks, apart from where devices stand in the shares of a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Questions {
    conditions: Vec<Asked>,
    fields: Vec<Option<usize>>,
    obliging: (Vec<Asked>, Vec<Option<usize>>),
    ruling: Vec<Asked>,
    rollouts: Vec<Taken>,
    ends: Vec<Vec<u32>>,
}

/// What some who ask the same see of classes.
#[derive(Clone, Debug, Default)]
struct View {
    /// By number of class, one more than that of its kind; 0 where nobody has looked.
    of: Vec<u32>,
    known: Map<Vec<u32>, u32>,
    kinds: Vec<Kind>,
    duties: Map<Vec<u32>, u32>,
    rulings: Map<Vec<u32>, u32>,
}

/// Classes that look alike, with numbers for what that comes down to.
#[derive(Clone, Debug)]
struct Kind {
    /// What obligations go by.
    duties: u32,
    /// What rulings go by besides who decides, for each part of shares; empty where there are too many parts.
    rulings: Vec<u32>,
}

impl Views {
    fn number(&mut self, look: &Look) -> usize {
        let Look { conditions, fields, obliging, ruling, rollouts, cuts } = look;
        let questions = Questions {
            conditions: conditions.clone(),
            fields: fields.clone(),
            obliging: obliging.clone(),
            ruling: ruling.clone(),
            rollouts: rollouts.clone(),
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
    fn kind(&mut self, look: &Look, number: u32, class: &Class<'_>) -> Option<(u32, &Kind)> {
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
    /// The ring that devices of a class join who stand at a point.
    fn ring(&self, class: &Class<'_>, point: u32) -> u32 {
        let last = self.rings.len().saturating_sub(1) as u32;
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
