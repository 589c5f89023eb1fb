//! Who is judged, and by what: the devices of one cell share all of a subject that counts.

use super::{
    ring::anything_halted,
    straight::Straight,
    trail::{ByVersion, Trail},
};
use crate::{
    engine::intern::Map,
    facts::{FieldRef, Lookup, Root},
    policy::{
        expr::{Expr, Truth},
        repository::{Block, Branch, Deadline, Exception, Policy, Repository, Selector},
    },
    rollout::{snapshot_policy, snapshot_title},
    world::{RememberedOffer, World},
};
use jiff::{Timestamp, tz::TimeZone};
use refit_model::{Advisory, BranchName, DeviceId, Offer, Release, TitleId, Version};
use smol_str::SmolStr;
use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

/// Which policies name a title, so that not all have to be asked for each.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    /// The places of policies that name titles, by title.
    named: Map<TitleId, Vec<usize>>,
    /// The places of those that mean titles otherwise too.
    others: Vec<usize>,
}

/// One title: everything about it that is not a device's.
pub(crate) struct Shelf<'w> {
    /// The title.
    pub title: &'w TitleId,
    /// The policies and what belongs to them.
    pub repository: &'w Repository,
    /// What is so.
    pub world: &'w World,
    /// The time.
    pub now: Timestamp,
    /// Its releases, oldest version first.
    pub releases: &'w [Release],
    /// Its advisories.
    pub advisories: &'w [Advisory],
    /// How far its releases have come, and what gates said of them.
    pub trail: Trail<'w>,
    /// How far snapshots have come, of whatever policy, by their titles.
    pub snapshots: Vec<(&'w TitleId, Trail<'w>)>,
    /// Its branches, where its document gives any.
    pub branches: &'w [Branch],
    /// The policies that include it, by name.
    pub policies: Vec<Candidate<'w>>,
    /// The blocks that speak of it.
    pub blocks: Vec<&'w Block>,
    /// The exceptions that speak of it, with their places in the repository.
    pub exceptions: Vec<(usize, &'w Exception)>,
    affected: Affected,
    /// What conditions that ask nothing of a device say of an advisory, by its place and the condition's address.
    pub said: RefCell<Map<(usize, usize), Said>>,
    /// Whether they hold now, likewise.
    pub hold: RefCell<Map<(usize, usize), bool>>,
    /// What the deadlines of the policies ask, by their places; worked out when somebody asks.
    terms: Vec<OnceCell<Terms>>,
    /// First publications, of all releases and of those of the security archive; likewise.
    straight: [OnceCell<Option<Straight>>; 2],
}

/// What the deadline of a policy asks.
pub(super) struct Terms {
    /// Entry by entry.
    pub entries: Vec<Term>,
    /// The conditions on exposures of which time alone changes what they say: of the policy, of freezes and of exceptions to the title.
    pub timed: Vec<Arc<Expr>>,
}

/// What of a title stays the same for as long as nothing is heard of its releases, advisories, rollouts and gates, for whoever looks at it
/// again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lasting {
    trail: ByVersion,
    affected: Affected,
}

/// Whether an advisory affects each of the releases, by their places.
type ByRelease = Box<[Option<bool>]>;

/// What each advisory affects; worked out when somebody asks.
#[derive(Clone, Debug, Default)]
struct Affected(Arc<[OnceLock<ByRelease>]>);

impl Affected {
    /// Nothing worked out yet.
    fn by(advisories: usize) -> Affected {
        Affected((0..advisories).map(|_| OnceLock::new()).collect())
    }
}

/// One entry of a deadline.
pub(super) struct Term {
    /// Whether it has a condition that asks about KEV.
    pub asks_kev: bool,
    /// Since when it has applied; `None`: for ever.
    pub applied: Option<Timestamp>,
}

/// What a condition says of an exposure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    /// When it first held.
    pub held: Option<Timestamp>,
    /// Whether it may hold now.
    pub may: bool,
}

/// A policy that includes a title.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'w> {
    /// The policy.
    pub policy: &'w Policy,
    /// Its place on the shelf.
    pub place: usize,
    /// Whether it speaks only of what the security archive offers.
    pub security_only: bool,
}

/// Which policy decides.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deciding {
    /// None; whether one may.
    Nobody { unknown: bool },
    /// One, by its place on the shelf, and no other has to be heard; whether one may apply that comes before it.
    One { place: usize, undetermined: bool },
    /// Several have to be heard.
    Several,
}

/// One slot of the devices of a cell.
pub(crate) struct Subject<'a> {
    /// What conditions on the device and its person say.
    pub ask: &'a dyn Fn(&Arc<Expr>) -> Truth,
    /// The facts that conditions on exposures ask besides.
    pub facts: &'a dyn Lookup,
    /// The platform.
    pub platform: Option<&'a str>,
    /// The zone.
    pub zone: &'a TimeZone,
    /// Whether two histories claim its identity.
    pub doubt: bool,
    /// Where it stands in the shares of a policy, of 65,536.
    pub point: &'a dyn Fn(&str) -> u32,
    /// Whether it is one of those.
    pub member: &'a dyn Fn(&BTreeSet<DeviceId>) -> bool,
    /// Whether a policy requires the title here, by this name.
    pub required: &'a dyn Fn(&Policy) -> bool,
    /// When it was first known.
    pub enrolled: Option<Timestamp>,
    /// Since when what is installed is there; it is asked only where spells make a difference.
    pub since: &'a dyn Fn() -> Option<Timestamp>,
    /// Whether it is looked at when the device's own spell began; else as if it had begun before anything that it is compared with.
    pub own_spell: bool,
    /// What its universe offers otherwise than published.
    pub offers: &'a [(Version, Offer)],
    /// When its spell began, where that was noted.
    pub spell: Option<Timestamp>,
    /// Offers that were noted.
    pub first_offers: &'a [RememberedOffer],
    /// What was admitted before; `None` also where the device stands for others, who remember something else.
    pub admitted_before: Option<&'a Version>,
    /// The policy that decided before; likewise.
    pub decided_before: Option<&'a SmolStr>,
}

/// What is installed in a slot.
#[derive(Clone, Copy)]
pub(crate) struct Installed<'a> {
    /// The branch.
    pub branch: &'a Option<BranchName>,
    /// The version.
    pub version: &'a Version,
}

/// A slot: what is there, and where its days end.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    /// What is installed.
    pub installed: Option<Installed<'a>>,
    /// The zone.
    pub zone: &'a TimeZone,
}

impl Spoken {
    /// What the policies of a repository name.
    pub fn new(repository: &Repository) -> Spoken {
        let (mut named, mut others): (Map<TitleId, Vec<usize>>, _) = (Map::default(), Vec::new());
        for (place, policy) in repository.policies.iter().enumerate() {
            let mut all_named = true;
            for selector in &policy.software {
                match selector {
                    Selector::Title(title) => {
                        let places = named.entry(title.clone()).or_default();
                        if places.last() != Some(&place) {
                            places.push(place);
                        }
                    }
                    _ => all_named = false,
                }
            }
            if !all_named {
                others.push(place);
            }
        }
        Spoken { named, others }
    }

    /// The places of the policies that may include a title, in order.
    fn of(&self, title: &TitleId) -> BTreeSet<usize> {
        let others = if title.package().is_some() { self.others.as_slice() } else { &[] };
        self.named.get(title).into_iter().flatten().chain(others).copied().collect()
    }
}

impl<'w> Shelf<'w> {
    /// What the world and the repository say of a title.
    pub fn new(
        repository: &'w Repository,
        spoken: &Spoken,
        world: &'w World,
        title: &'w TitleId,
        now: Timestamp,
    ) -> Self {
        let releases = world.releases(title);
        let secure = || releases.iter().any(|release| release.security && release.published <= now);
        let candidate = |policy: &'w Policy| {
            let selects = |selector: &Selector| selector.selects(title, secure);
            let security_only =
                !policy.software.iter().any(|selector| *selector != Selector::OsSecurity && selects(selector));
            policy.software.iter().any(selects).then_some((policy, security_only))
        };
        let policies = spoken.of(title).into_iter().filter_map(|place| repository.policies.get(place));
        let policies = policies.filter_map(candidate).collect();
        Self::with(repository, world, title, now, policies, Lasting::default())
    }

    /// The same where it is known which policies include it: their places, and whether they speak only of what the security archive offers.
    /// `lasting` is that of the shelf that the title had before, since when nothing has been heard of it.
    pub fn of(
        repository: &'w Repository,
        world: &'w World,
        title: &'w TitleId,
        now: Timestamp,
        policies: &[(usize, bool)],
        lasting: &Lasting,
    ) -> Self {
        let candidates = policies
            .iter()
            .filter_map(|(place, security_only)| Some((repository.policies.get(*place)?, *security_only)));
        Self::with(repository, world, title, now, candidates.collect(), lasting.clone())
    }

    fn with(
        repository: &'w Repository,
        world: &'w World,
        title: &'w TitleId,
        now: Timestamp,
        policies: Vec<(&'w Policy, bool)>,
        known: Lasting,
    ) -> Self {
        let policies: Vec<Candidate<'w>> = (policies.into_iter().enumerate())
            .map(|(place, (policy, security_only))| Candidate { policy, place, security_only })
            .collect();
        let releases = world.releases(title);
        let secure = || releases.iter().any(|release| release.security && release.published <= now);
        let selected =
            |exception: &Exception| exception.software.iter().any(|selector| selector.selects(title, secure));
        let exceptions = repository.exceptions.iter().enumerate();
        let advisories = world.advisories(title);
        let affected =
            if known.affected.0.len() == advisories.len() { known.affected } else { Affected::by(advisories.len()) };
        Shelf {
            title,
            repository,
            world,
            now,
            releases,
            advisories,
            trail: trail(world, title, known.trail),
            branches: repository.titles.get(title).map(|title| title.branches.as_slice()).unwrap_or_default(),
            snapshots: if policies.is_empty() { Vec::new() } else { snapshots(world) },
            blocks: repository.blocks.iter().filter(|block| block.title == *title).collect(),
            exceptions: exceptions.filter(|(_, exception)| selected(exception)).collect(),
            affected,
            said: RefCell::default(),
            hold: RefCell::default(),
            terms: policies.iter().map(|_| OnceCell::new()).collect(),
            straight: Default::default(),
            policies,
        }
    }

    /// The policies that include it, as [`Shelf::of`] takes them.
    pub fn places(&self) -> Vec<(usize, bool)> {
        let place = |policy: &Policy| self.repository.policies.iter().position(|known| std::ptr::eq(known, policy));
        let policies = self.policies.iter();
        policies.filter_map(|one| Some((place(one.policy)?, one.security_only))).collect()
    }

    /// What whoever looks at the title again need not work out, as [`Shelf::of`] takes it.
    pub fn lasting(&self) -> Lasting {
        Lasting { trail: self.trail.by_version(), affected: self.affected.clone() }
    }

    /// Whether any gate has said anything that can stop a release.
    pub fn anything_halts(&self) -> bool {
        !self.trail.gates.is_empty() || self.snapshots.iter().any(|(_, trail)| !trail.gates.is_empty())
    }

    /// Whether any gate has stopped a release, for whomever.
    pub fn anything_halted(&self) -> bool {
        self.anything_halts() && anything_halted(self)
    }

    /// Whether anything that rollouts or gates know is so on one platform only.
    pub fn tells_platforms(&self) -> bool {
        let tells = |trail: &Trail<'_>| {
            trail.rollouts.iter().any(|state| state.platform.is_some())
                || trail.gates.iter().any(|state| state.platform.is_some())
        };
        tells(&self.trail) || self.snapshots.iter().any(|(_, trail)| tells(trail))
    }

    /// The place of the first release of a version.
    pub fn place_of(&self, version: &Version) -> Option<usize> {
        let place = self.releases.partition_point(|release| release.version < *version);
        self.releases.get(place).filter(|release| release.version == *version).map(|_| place)
    }

    /// The place from which on releases are newer than a version.
    pub fn newer_than(&self, version: &Version) -> usize {
        self.releases.partition_point(|release| release.version <= *version)
    }

    /// The tables of first publications; `None` where they do not say everything.
    pub(super) fn straight(&self, security_only: bool) -> Option<&Straight> {
        self.straight.get(usize::from(security_only))?.get_or_init(|| Straight::new(self, security_only)).as_ref()
    }

    /// What the deadline of a policy asks.
    pub(super) fn terms(&self, candidate: Candidate<'_>) -> Option<&Terms> {
        Some(self.terms.get(candidate.place)?.get_or_init(|| self.work_out_terms(candidate.policy)))
    }

    fn work_out_terms(&self, policy: &Policy) -> Terms {
        let applied = &self.world.applied;
        let of_policy = applied.policies.get(&policy.name).copied().or(applied.all);
        let kev = FieldRef::exposure("kev");
        let term = |entry: &Deadline| {
            let of_entry = match applied.entries.is_empty() {
                true => None,
                false => applied.entries.get(&(policy.name.clone(), entry.text.clone())).copied(),
            };
            Term {
                asks_kev: entry.condition.as_ref().is_some_and(|condition| condition.fields().contains(&kev)),
                applied: of_policy.max(of_entry),
            }
        };
        let entries = policy.deadline.iter().filter_map(|entry| entry.condition.as_ref());
        let unless = self.repository.freezes.iter().filter_map(|freeze| freeze.unless.as_ref());
        let conditions = entries.chain(unless).chain(self.exceptions.iter().map(|(_, exception)| &exception.unless));
        Terms {
            entries: policy.deadline.iter().map(term).collect(),
            timed: conditions.filter(|condition| condition.depends_on_now()).cloned().collect(),
        }
    }

    /// Whether a condition asks something of a device.
    pub(super) fn asks_of_devices(condition: &Expr) -> bool {
        condition.fields().iter().any(|field| field.root != Root::Exposure)
    }

    /// Whether an advisory, by place, affects a release, by place.
    pub fn affects(&self, advisory: usize, release: usize) -> Option<bool> {
        let affects = || {
            let advisory = self.advisories.get(advisory);
            let affects = |release: &Release| advisory.and_then(|advisory| advisory.affects(&release.version));
            self.releases.iter().map(affects).collect()
        };
        *self.affected.0.get(advisory)?.get_or_init(affects).get(release)?
    }
}

fn trail<'w>(world: &'w World, title: &TitleId, places: ByVersion) -> Trail<'w> {
    let rollouts = world.rollouts.get(title).map(Vec::as_slice).unwrap_or_default();
    Trail::new(rollouts, world.gates.get(title).map(Vec::as_slice).unwrap_or_default(), places)
}

/// What is known of the snapshots of all policies.
fn snapshots(world: &World) -> Vec<(&TitleId, Trail<'_>)> {
    let first = snapshot_title("");
    let rollouts = world.rollouts.range(first.clone()..).map(|(title, _)| title);
    let gates = world.gates.range(first..).map(|(title, _)| title);
    let of_snapshot = |title: &&TitleId| snapshot_policy(title).is_some();
    let titles: BTreeSet<&TitleId> = rollouts.take_while(of_snapshot).chain(gates.take_while(of_snapshot)).collect();
    titles.into_iter().map(|title| (title, trail(world, title, ByVersion::default()))).collect()
}

impl Subject<'_> {
    /// Whether, and since when, its universe offers a release.
    pub fn offer(&self, release: &Release) -> Offer {
        let told = self.offers.iter().find(|(version, _)| *version == release.version);
        told.map_or(Offer::Since(release.published), |(_, offer)| *offer)
    }

    /// What a condition says; without one, that it holds.
    pub fn holds(&self, condition: Option<&Arc<Expr>>) -> Truth {
        condition.map_or(Truth::True, |condition| (self.ask)(condition))
    }
}
