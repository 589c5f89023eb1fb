//! What the policies of titles look at: classes that differ in nothing else are one group for all titles of a scope.

mod look;

use super::{
    super::{intern::Map, rules::Shelf, size::table},
    class::{Asked, Class, Classes},
};
use crate::policy::{
    expr::Truth,
    repository::{Policy, Repository},
};
pub(super) use look::Permutation;
use look::{Cuts, Kind, Look, View, Views, parts};
use refit_model::TitleId;
use std::{collections::BTreeMap, sync::Arc};

/// What tells scopes apart: titles that have the same share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ScopeKey {
    /// The policies that include the title, by place, each with its rank there.
    policies: Vec<(usize, Rank)>,
    /// The blocks that speak of it, by place.
    blocks: Vec<usize>,
    /// The exceptions that speak of it, by place.
    exceptions: Vec<usize>,
    /// Whether anything about it ends with a day, which ends at other times in other zones.
    pub days: bool,
    /// Whether anything that rollouts or gates know of it is so on one platform only.
    platforms: bool,
    /// Whether anything of it was halted: what comes next begins with the first ring.
    halted: bool,
}

/// All scopes, by numbers that stay.
#[derive(Clone, Debug, Default)]
pub(super) struct Scopes {
    numbers: BTreeMap<ScopeKey, usize>,
    all: Vec<Scope>,
    shared: Shared,
}

/// What scopes share: many ask the same.
#[derive(Clone, Debug, Default)]
struct Shared {
    views: Views,
    /// For each class what decides there, by ranks and conditions of the candidates.
    deciding: BTreeMap<Vec<(Rank, Option<Asked>)>, Vec<Decides>>,
}

/// The rank of a policy, as it stands among those that speak of a title.
type Rank = (i64, bool);

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
                scope.extend(repository, classes, &mut self.shared);
                self.all.push(scope);
                self.numbers.insert(key, self.all.len() - 1);
                self.all.len() - 1
            }
        }
    }

    /// The scope of a number, which has seen all classes.
    pub fn seen_by(&mut self, number: usize, repository: &Repository, classes: &Classes) -> Option<&Scope> {
        let scope = self.all.get_mut(number)?;
        scope.extend(repository, classes, &mut self.shared);
        Some(scope)
    }

    /// How much memory they take, but for what they share.
    pub fn bytes(&self) -> usize {
        self.all.iter().map(Scope::bytes).sum()
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
    /// Shared by all kinds that the same policy decides.
    cuts: Arc<[Cuts]>,
    /// The least number of a part of those shares, over all that is seen.
    first: u32,
    /// For each part a number for what rulings go by: parts and kinds that come into the same rings have the same. Empty where there are too
    /// many parts.
    alike: Vec<u32>,
    /// The one number that there is, where there is but one.
    only: Option<u32>,
    /// A number for what obligations go by: it is the same where only rings, blocks and freezes differ.
    pub duties: u32,
    /// Whether there are too many cuts to be told by a number, so that each device is looked at by itself.
    pub too_many: bool,
}

/// Numbers of parts are told from those of rulings by this bit.
const FINE: u32 = 1 << 31;

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
        ScopeKey {
            policies: policies.collect(),
            blocks,
            exceptions,
            days,
            platforms: shelf.tells_platforms(),
            halted: shelf.anything_halted(),
        }
    }
}

/// What decides in a class.
#[derive(Clone, Copy, Debug)]
enum Decides {
    /// Nothing can, or nothing does: this says it all.
    Nothing(u32),
    /// One policy, by its place among the candidates, and no other has to be heard; whether one may apply that comes before it.
    One(usize, bool),
    /// Several have to be heard.
    Several,
}

impl Scope {
    /// What the titles of a scope see of all classes.
    pub fn new(key: &ScopeKey, repository: &Repository, classes: &Classes) -> Scope {
        let mut scope = Scope::nothing_seen(key);
        scope.extend(repository, classes, &mut Shared::default());
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
    fn extend(&mut self, repository: &Repository, classes: &Classes, shared: &mut Shared) {
        if self.seen.len() == classes.len() {
            return;
        }
        let key = self.key.clone();
        let candidates = candidates(&key, repository, classes);
        let asks = candidates.iter().map(|candidate| (candidate.rank, candidate.condition)).collect();
        let Shared { views, deciding } = shared;
        let deciding = deciding.entry(asks).or_default();
        let unheard = deciding.len() as u32..classes.len() as u32;
        let in_class = |number| classes.get(number).map_or(Decides::Nothing(0), |class| decides(&candidates, &class));
        deciding.extend(unheard.map(in_class));
        // Two for each candidate, where it surely decides and where another may; the last is for where several have to be heard.
        let mut looks: Vec<Option<Looking>> = (0..=2 * candidates.len()).map(|_| None).collect();
        self.seen.reserve(classes.len() - self.seen.len());
        for number in self.seen.len() as u32..classes.len() as u32 {
            let Some(decides) = deciding.get(number as usize) else { continue };
            let (decider, place) = match *decides {
                Decides::Nothing(word) => (word, None),
                Decides::One(candidate, unsure) => {
                    let policy = candidates.get(candidate).map_or(0, |candidate| candidate.place);
                    let unsure = usize::from(unsure);
                    (3 + (2 * policy + unsure) as u32, Some(2 * candidate + unsure))
                }
                Decides::Several => (2, Some(2 * candidates.len())),
            };
            let next = self.kinds.len() as u32;
            let Some(at) = place else {
                let place = *self.known.entry((decider, 0)).or_insert(next);
                if place == next {
                    self.add(decider, Arc::default(), &Kind { duties: 0, rulings: vec![0] });
                }
                self.seen.push(place);
                continue;
            };
            let Some(looking) = looks.get_mut(at) else { continue };
            let Looking { look, view, places } = looking.get_or_insert_with(|| {
                let only = candidates.get(at / 2).map(|candidate| candidate.place);
                let unsure = only.is_some() && at % 2 == 1;
                let look = Look::new(&key, repository, classes, only, unsure);
                let view = only.map_or(0, |_| views.number(&look));
                Looking { look, view, places: Vec::new() }
            });
            let view = if decider == 2 { Some(&mut self.heard) } else { views.all.get_mut(*view) };
            let Some(class) = classes.get(number) else { continue };
            let Some((number, kind)) = view.and_then(|view| view.kind(look, number, &class)) else { continue };
            if places.len() <= number as usize {
                places.resize(number as usize + 1, None);
            }
            let Some(place) = places.get_mut(number as usize) else { continue };
            let at = match *place {
                Some(at) => at,
                None => {
                    let at = *place.insert(*self.known.entry((decider, number)).or_insert(next));
                    if at == next {
                        let kind = kind.clone();
                        self.add(decider, Arc::clone(&look.cuts), &kind);
                    }
                    at
                }
            };
            self.seen.push(at);
        }
    }

    /// Adds what is seen of a class that looks like none before.
    fn add(&mut self, decider: u32, cuts: Arc<[Cuts]>, of_view: &Kind) {
        let Scope { kinds, duties, rulings, .. } = self;
        let next = duties.len() as u32;
        let duties = *duties.entry((decider, of_view.duties)).or_insert(next);
        let first = kinds.last().map_or(Some(0), |last| last.first.checked_add(last.parts()));
        let last = first.zip(parts(&cuts)).and_then(|(first, parts)| first.checked_add(parts));
        let too_many = last.is_none_or(|last| last > FINE);
        let cuts = if too_many { Arc::default() } else { cuts };
        let mut kind = Seen { cuts, first: first.unwrap_or(FINE), alike: Vec::new(), only: None, duties, too_many };
        if !too_many {
            for ruling in &of_view.rulings {
                let next = rulings.len() as u32;
                kind.alike.push(*rulings.entry((decider, *ruling)).or_insert(next));
            }
            let first = kind.alike.first().copied();
            kind.only = first.filter(|first| kind.alike.iter().all(|other| other == first));
        }
        kinds.push(kind);
    }

    fn bytes(&self) -> usize {
        let parts = self.kinds.iter().map(|kind| kind.alike.capacity()).sum::<usize>();
        (self.seen.capacity() + parts) * size_of::<u32>()
            + self.kinds.capacity() * size_of::<Seen>()
            + [&self.known, &self.duties, &self.rulings].map(|map| table(map.capacity(), 12)).iter().sum::<usize>()
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
        if let Some(only) = self.only {
            return only;
        }
        self.alike.get(self.within(point) as usize).copied().unwrap_or_else(|| self.part(point))
    }

    /// How many parts there are.
    fn parts(&self) -> u32 {
        self.cuts.iter().map(|cuts| cuts.ends.len() as u32 + 1).product()
    }
}

/// How classes are looked at where one decides, and the places of their kinds by number in the view, as far as they came up.
struct Looking {
    look: Look,
    view: usize,
    places: Vec<Option<u32>>,
}

/// A policy of a scope.
struct Candidate {
    place: usize,
    rank: Rank,
    condition: Option<Asked>,
}

fn candidates(key: &ScopeKey, repository: &Repository, classes: &Classes) -> Vec<Candidate> {
    let policies =
        key.policies.iter().filter_map(|(place, rank)| Some((*place, *rank, repository.policies.get(*place)?)));
    let candidate = |(place, rank, policy): (usize, Rank, &Policy)| Candidate {
        place,
        rank,
        condition: policy.condition.as_ref().map(|condition| classes.asked(condition)),
    };
    policies.map(candidate).collect()
}

fn decides(candidates: &[Candidate], class: &Class<'_>) -> Decides {
    // The highest rank of those that surely hold, the first of it, and whether there are more; and that of those that may.
    let mut sure: Option<(Rank, usize, bool)> = None;
    let mut may: Option<Rank> = None;
    for (place, one) in candidates.iter().enumerate() {
        match one.condition.map_or(Truth::True, |condition| class.says(condition)) {
            Truth::True => match sure {
                Some((rank, _, _)) if rank > one.rank => {}
                Some((rank, first, _)) if rank == one.rank => sure = Some((rank, first, true)),
                _ => sure = Some((one.rank, place, false)),
            },
            Truth::Unknown => may = may.max(Some(one.rank)),
            Truth::False => {}
        }
    }
    let truth = |one: &Candidate| one.condition.map_or(Truth::True, |condition| class.says(condition));
    let beside = |rank| may >= Some(rank) && candidates.iter().any(|one| one.rank == rank && truth(one).is_unknown());
    match sure {
        None => Decides::Nothing(u32::from(may.is_some())),
        // What may apply and comes before it is not heard; what has its rank is.
        Some((rank, first, false)) if !beside(rank) => Decides::One(first, may > Some(rank)),
        Some(_) => Decides::Several,
    }
}
