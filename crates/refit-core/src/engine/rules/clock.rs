//! Due times as functions of when a spell began: devices that differ in nothing else share what the rules say of them.

use crate::policy::{document::policy::AtDue, repository::Policy};
use jiff::{SignedDuration, Timestamp};

/// When a spell of a device began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Spell {
    /// Then, as somebody noted.
    Noted(Timestamp),
    /// Nobody noted it: its install, or the device itself, is there since then.
    Own(Timestamp),
}

/// How the due times of a slot follow from its spell.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Clocks {
    /// What there is to do.
    pub duties: Vec<Clocked>,
    /// When the first of it arose: no spell begins earlier that nobody noted.
    pub arose: Option<Timestamp>,
}

/// The clocks of one thing to do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Clocked {
    /// The due time that an exception gives it, whatever else.
    pub excepted: Option<Timestamp>,
    /// Whether KEV obliges.
    pub by_kev: bool,
    /// The entries of the deadline that count.
    pub counts: Vec<Counted>,
}

/// One entry of the deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Counted {
    /// Its place in the deadline.
    pub entry: usize,
    /// Whether it surely counts.
    pub sure: bool,
    /// The latest of what a clock waits for besides the spell; `None` as long as nothing that helps is offered.
    pub base: Option<Timestamp>,
    /// Before then nothing is due by it.
    pub floor: Option<Timestamp>,
}

/// Where something else may follow from the due times of spells that began later.
pub(crate) struct Turns(Vec<Timestamp>);

impl Turns {
    /// The number of the stretch in which a spell began: of all that began in one the same follows.
    pub fn stretch(&self, began: Timestamp) -> usize {
        // A turn is a stretch of its own.
        match self.0.binary_search(&began) {
            Ok(turn) => 2 * turn + 1,
            Err(after) => 2 * after,
        }
    }

    /// How many stretches there are.
    pub fn stretches(&self) -> usize {
        2 * self.0.len() + 1
    }
}

/// What follows from due times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Regime {
    /// Whether an entry that only may count gives the due time.
    pub provisional: bool,
    /// The entry whose rollout counts.
    pub rollout: Option<usize>,
    /// The entry whose `min_age` counts.
    pub min_age: Option<usize>,
    /// Whether an entry whose time has come says that the device goes ahead.
    pub proceeds: bool,
}

impl Counted {
    /// When it is due for a spell.
    pub fn due(&self, policy: &Policy, spell: Option<Timestamp>) -> Option<Timestamp> {
        let base = self.base?;
        let clock = spell.map_or(base, |spell| spell.max(base));
        let within = policy.deadline.get(self.entry)?.within;
        let due = clock.checked_add(within).unwrap_or(Timestamp::MAX);
        Some(self.floor.map_or(due, |floor| due.max(floor)))
    }
}

impl Clocks {
    /// Whether a spell gives other due times than one that began before anything does; `matter_after` is the earliest of what clocks wait for
    /// besides. What was noted may have begun before anything obliged.
    pub fn differs(&self, spell: Spell, matter_after: Timestamp) -> bool {
        match spell {
            Spell::Own(at) => at > matter_after,
            Spell::Noted(at) => at > matter_after || self.arose > Some(matter_after),
        }
    }

    /// When a spell began here; `None` is one that began before anything.
    pub fn began(&self, spell: Option<Spell>) -> Option<Timestamp> {
        match spell {
            Some(Spell::Noted(at)) => Some(at),
            Some(Spell::Own(at)) => Some(at).max(self.arose),
            None => self.arose,
        }
    }

    /// The due time of each thing to do, and whether KEV obliges, for a spell that began then.
    pub fn duties(&self, policy: &Policy, spell: Option<Timestamp>) -> Vec<(Option<Timestamp>, bool)> {
        let due = |duty: &Clocked| {
            duty.excepted.or_else(|| duty.counts.iter().filter_map(|count| count.due(policy, spell)).min())
        };
        self.duties.iter().map(|duty| (due(duty), duty.by_kev)).collect()
    }

    /// What follows from the due times of a spell, at a time.
    pub fn regime(&self, policy: &Policy, spell: Option<Timestamp>, now: Timestamp) -> Regime {
        let due = |count: &Counted| count.due(policy, spell);
        let earliest =
            self.duties.iter().filter_map(|duty| duty.excepted.or_else(|| duty.counts.iter().filter_map(due).min()));
        let earliest = earliest.min();
        let gives = |duty: &Clocked| match duty.excepted {
            Some(excepted) => (Some(excepted) == earliest).then_some(false),
            None => {
                let mut giving = duty.counts.iter().filter(|count| due(count) == earliest).peekable();
                giving.peek().is_some().then(|| giving.all(|count| !count.sure))
            }
        };
        let provisional = earliest.is_some() && self.duties.iter().filter_map(gives).all(|only_may| only_may);
        let sure = || {
            let counts = self.duties.iter().filter(|duty| duty.excepted.is_none()).flat_map(|duty| &duty.counts);
            counts.filter(|count| count.sure)
        };
        // What is due first counts; of two the shorter entry.
        let first = |names: &dyn Fn(&crate::policy::repository::Deadline) -> bool| {
            let named = sure().filter_map(|count| Some((count, policy.deadline.get(count.entry)?)));
            let named = named.filter(|(_, entry)| names(entry));
            let order =
                named.min_by_key(|(count, entry)| (due(count).unwrap_or(Timestamp::MAX), entry.within, &entry.text));
            order.map(|(count, _)| count.entry)
        };
        let goes_ahead = |count: &Counted| {
            let entry = policy.deadline.get(count.entry);
            entry.is_some_and(|entry| entry.at_due == AtDue::Proceed) && due(count).is_some_and(|due| due <= now)
        };
        Regime {
            provisional,
            rollout: first(&|entry| entry.rollout.is_some()),
            min_age: first(&|entry| entry.min_age.is_some()),
            proceeds: sure().any(goes_ahead),
        }
    }

    /// The times between which spells may begin at any time without anything else following from their due times, in order: an entry is
    /// due at a time that the spell does not move, or `within` after it began, so that one comes before the other, or before `now`, from some
    /// beginning on.
    pub fn turns(&self, policy: &Policy, now: Timestamp) -> Turns {
        let mut withins: Vec<SignedDuration> = Vec::new();
        let mut fixed = vec![now, Timestamp::MAX];
        for duty in &self.duties {
            fixed.extend(duty.excepted);
            for count in &duty.counts {
                let within = policy.deadline.get(count.entry).map(|entry| entry.within);
                let (Some(base), Some(within)) = (count.base, within) else { continue };
                fixed.push(base.checked_add(within).unwrap_or(Timestamp::MAX));
                fixed.extend(count.floor);
                if !withins.contains(&within) {
                    withins.push(within);
                }
            }
        }
        fixed.sort_unstable();
        fixed.dedup();
        let turns = fixed.iter().flat_map(|time| withins.iter().filter_map(|within| time.checked_sub(*within).ok()));
        let mut turns: Vec<Timestamp> = turns.collect();
        turns.sort_unstable();
        turns.dedup();
        Turns(turns)
    }

    /// The first time after `now` at which a due time lets a device with such a spell go ahead.
    pub fn next(&self, policy: &Policy, spell: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let counts = self.duties.iter().filter(|duty| duty.excepted.is_none()).flat_map(|duty| &duty.counts);
        let goes_ahead = |count: &&Counted| {
            count.sure && policy.deadline.get(count.entry).is_some_and(|entry| entry.at_due == AtDue::Proceed)
        };
        counts.filter(goes_ahead).filter_map(|count| count.due(policy, spell)).filter(|due| *due > now).min()
    }
}
