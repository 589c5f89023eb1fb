//! Invariants of devices. They know what was really signed, answered and changed, and nothing of the agent's machine but its journal.

use crate::{agent::Agent, keys};
use jiff::Timestamp;
use refit_agent::machine::Journal;
use refit_model::{Scheme, TitleId, Version};
use refit_wire::{Digest, Envelope, State, mandate::check::Step, state::Action};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the server answered to a check-in.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmed {
    /// The state that it named.
    pub state: Digest,
    /// When its lease was issued.
    pub issued: Timestamp,
    /// Until when that lasts.
    pub until: Timestamp,
    /// Whether everything was stopped.
    pub stopped: bool,
}

/// An answer, and what the clocks said when it came.
#[derive(Clone, Debug)]
struct Answer {
    confirmed: Confirmed,
    wall: Timestamp,
    at: Timestamp,
}

/// What really happened on a device. It is part of an image: who is put back to one has not done what came later.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The last answers of this life of the agent.
    answers: VecDeque<Answer>,
    /// The highest numbers that were on the disk: root, mandate, state.
    highest: (u64, u64, (u64, u64)),
    /// Changes that a directive named, by title, and the receipt that tells of each.
    changes: Vec<(TitleId, Option<SmolStr>)>,
    /// Receipts that were on the disk.
    receipts: BTreeSet<SmolStr>,
    /// The highest version of each package that an agent installed.
    floors: BTreeMap<SmolStr, SmolStr>,
    /// Packages that changed and that the agent has not looked at since, with what was known of them before.
    unseen: BTreeMap<SmolStr, Unseen>,
    /// When it was restarted by the agent.
    restarts: Vec<Timestamp>,
    /// What came to the device as a state asked for it, and was not changed by anybody since.
    came: BTreeMap<SmolStr, SmolStr>,
    /// What the person was told of.
    told: BTreeSet<(TitleId, Option<SmolStr>)>,
    /// What the person said may go ahead.
    agreed: BTreeSet<(TitleId, Option<SmolStr>)>,
    /// An older disk, for a deliberate mistake.
    pub old: Option<(Option<Journal>, BTreeMap<Digest, Envelope>)>,
}

/// What was known of a package before a change that the agent has not seen: if somebody takes the change back before it looks, that is
/// all it can know.
#[derive(Clone, Debug, Default)]
struct Unseen {
    floor: Option<SmolStr>,
    told: Option<(TitleId, Option<SmolStr>)>,
    agreed: Option<(TitleId, Option<SmolStr>)>,
}

/// How many answers are remembered.
const ANSWERS_MOST: usize = 8;

impl Ledger {
    /// The agent starts: what was answered to an earlier life counts for nothing.
    pub fn starts(&mut self) {
        self.answers.clear();
    }

    /// The device is enrolled again: it forgets what it knew, what it had not told yet, and when it was restarted.
    pub fn enrolled(&mut self) {
        *self = Ledger::default();
    }

    /// A check-in was answered.
    pub fn answered(&mut self, confirmed: Confirmed, wall: Timestamp, at: Timestamp) {
        self.answers.push_back(Answer { confirmed, wall, at });
        if self.answers.len() > ANSWERS_MOST {
            self.answers.pop_front();
        }
    }

    /// The journal was written.
    pub fn saved(&mut self, journal: &Journal) {
        let waiting = journal.restart.iter().flat_map(|pending| &pending.waiting);
        for receipt in journal.receipts.iter().chain(waiting) {
            if !self.receipts.insert(receipt.id.clone()) {
                continue;
            }
            let open = self.changes.iter_mut().find(|(title, id)| *title == receipt.slot.title && id.is_none());
            if let Some((_, id)) = open {
                *id = Some(receipt.id.clone());
            }
        }
        let order = journal.state.as_ref().map_or((0, 0), |held| held.order);
        let mandate = journal.mandate.as_ref().map_or(0, |held| held.order);
        let seen = |package: &SmolStr| {
            let mut floors = journal.floors.iter().filter(|(of, _)| of.name == *package);
            let version = self.floors.get(package);
            version.is_none_or(|version| floors.any(|(_, floor)| !is_lower(floor, version)))
        };
        self.unseen.retain(|package, _| !seen(package));
        self.highest = (self.highest.0.max(journal.root.order), self.highest.1.max(mandate), self.highest.2.max(order));
    }

    /// The package manager has changed something.
    pub fn changed(&mut self, states: &BTreeMap<Digest, State>, step: &Step) {
        let named = self.answers.iter().rev().filter_map(|answer| states.get(&answer.confirmed.state));
        let directives = named.flat_map(|state| &state.directives);
        let title = directives.clone().find(|it| it.action.package().as_ref() == Some(&step.package));
        let (mut told, mut agreed) = (None, None);
        if let Some(directive) = title {
            let of = directive.title.clone();
            let came = (of.clone(), step.after.clone());
            agreed = self.agreed.take(&came);
            told = self.told.take(&came);
            self.changes.push((of, None));
            match &step.after {
                Some(after) => drop(self.came.insert(step.package.name.clone(), after.clone())),
                None => drop(self.came.remove(&step.package.name)),
            }
        } else {
            self.came.remove(&step.package.name);
        }
        let floor = match &step.after {
            Some(after) => self.floors.insert(step.package.name.clone(), after.clone()),
            None => self.floors.remove(&step.package.name),
        };
        self.unseen.entry(step.package.name.clone()).or_insert(Unseen { floor, told, agreed });
    }

    /// A change of which no receipt tells, or one that nobody has counted although it is told no more.
    pub fn untold(&self, journal: Option<&Journal>, counted: impl Fn(&SmolStr) -> bool) -> Option<String> {
        let waits = |id: &SmolStr| {
            journal.is_some_and(|journal| {
                let waiting = journal.restart.iter().flat_map(|pending| &pending.waiting);
                journal.receipts.iter().chain(waiting).any(|receipt| receipt.id == *id)
            })
        };
        self.changes.iter().find_map(|(title, id)| match id {
            None => Some(format!("{title} was changed, and no receipt tells of it")),
            Some(id) if !counted(id) && !waits(id) => Some(format!("receipt {id} of {title} was never counted")),
            Some(_) => None,
        })
    }

    /// The states that answers named whose leases last by the device's clock.
    pub fn lasting(&self, wall: Timestamp) -> impl Iterator<Item = &Digest> {
        let lasting = self.answers.iter().filter(move |answer| wall < answer.confirmed.until);
        lasting.map(|answer| &answer.confirmed.state)
    }

    /// When the last answer came.
    pub fn heard_last(&self) -> Option<Timestamp> {
        self.answers.back().map(|answer| answer.at)
    }

    /// The person is told of changes.
    pub fn told(&mut self, changes: impl Iterator<Item = (TitleId, Option<SmolStr>)>) {
        self.told.extend(changes);
    }

    /// The person says that they may go ahead.
    pub fn agrees(&mut self) {
        self.agreed.extend(self.told.iter().cloned());
    }

    /// Whether the person said that a change may go ahead.
    pub fn agreed(&self, title: &TitleId, version: Option<&SmolStr>) -> bool {
        self.agreed.contains(&(title.clone(), version.cloned()))
    }

    /// The version of a package that came to the device, where nobody has changed it since.
    pub fn came(&self, package: &str) -> Option<&SmolStr> {
        self.came.get(package)
    }

    /// Somebody else changed a package.
    pub fn put_back(&mut self, package: &str) {
        self.came.remove(package);
        // What nobody has seen before it was changed again is told by nobody.
        self.changes.retain(|(title, receipt)| title.as_str() != package || receipt.is_some());
        let Some(Unseen { floor, told, agreed }) = self.unseen.remove(package) else { return };
        self.told.extend(told);
        self.agreed.extend(agreed);
        match floor {
            Some(floor) => drop(self.floors.insert(package.into(), floor)),
            None => drop(self.floors.remove(package)),
        }
    }

    /// The state that the last answer named.
    pub fn last(&self) -> Option<Digest> {
        self.answers.back().map(|answer| answer.confirmed.state)
    }
}

/// Nothing changes on a device that a state did not name which the server has signed for it, and which an answer confirmed together
/// with a lease that lasts; but what the mandate permits besides.
pub fn only_what_was_named(
    agent: &Agent,
    states: &BTreeMap<Digest, State>,
    steps: &[Step],
    wall: Timestamp,
) -> Option<String> {
    let lasting = agent.image.ledger.answers.iter().filter(|answer| wall < answer.confirmed.until);
    let named = lasting.filter_map(|answer| states.get(&answer.confirmed.state));
    let named: Vec<&State> = named.filter(|state| state.device == agent.device).collect();
    let asked = |step: &Step| {
        named.iter().flat_map(|state| &state.directives).any(|directive| match &directive.action {
            Action::Upgrade(package) | Action::Install(package) => {
                package.name == step.package.name && Some(&package.version) == step.after.as_ref()
            }
            Action::Remove(package) => *package == step.package && step.after.is_none(),
            _ => false,
        })
    };
    let beside = |step: &Step| step.package.name == "libc" || step.package.name == "toolbar";
    if named.is_empty() {
        return Some(format!("{}: {steps:?}, and no lease lasts at {wall}", agent.device));
    }
    let other = steps.iter().find(|step| !asked(step) && !beside(step));
    other.map(|step| format!("{}: nobody asked for {step:?}", agent.device))
}

/// Nothing that the mandate refuses is done.
pub fn mandate_holds(steps: &[Step]) -> Option<String> {
    let permitted = |step: &Step| {
        let name = step.package.name.as_str();
        let key = match name {
            "editor" | "browser" | "guard" => keys::VENDOR,
            "curl" | "libc" => keys::DISTRIBUTION,
            _ => return false,
        };
        let from_there = step.after.is_none() || step.keys.iter().all(|known| known == key) && !step.keys.is_empty();
        let may = match (&step.before, &step.after) {
            (_, None) => name == "guard",
            (None, Some(_)) => name != "libc",
            _ => true,
        };
        from_there && may
    };
    let wrong = steps.iter().find(|step| !permitted(step))?;
    Some(format!("the mandate does not permit {wrong:?}"))
}

/// No package goes below what is there or what an agent has brought it to.
pub fn never_below_floors(ledger: &Ledger, steps: &[Step]) -> Option<String> {
    let below = |step: &&Step| {
        let Some(after) = &step.after else { return false };
        let floors = step.before.iter().chain(ledger.floors.get(&step.package.name).filter(|_| step.before.is_some()));
        floors.into_iter().any(|floor| is_lower(after, floor))
    };
    steps.iter().find(below).map(|step| format!("{step:?} goes below {:?}", ledger.floors.get(&step.package.name)))
}

fn is_lower(a: &str, b: &str) -> bool {
    let read = |text: &str| Version::parse(Scheme::Dpkg, text).ok();
    read(a).zip(read(b)).is_some_and(|(a, b)| a.compare(&b).is_some_and(std::cmp::Ordering::is_lt))
}

/// Nothing is begun while the device's clock is not what the server's was, give or take ten minutes at the answer and since.
pub fn valid_time(ledger: &Ledger, wall: Timestamp, now: Timestamp) -> Option<String> {
    let valid = ledger.answers.iter().any(|answer| {
        let then = answer.wall.duration_since(answer.confirmed.issued).as_secs().abs();
        let since = wall.duration_since(answer.wall).as_secs() - now.duration_since(answer.at).as_secs();
        then <= TOLERANCE && since.abs() <= TOLERANCE
    });
    (!valid).then(|| format!("the clock says {wall}, and it is {now}; {:?}", ledger.answers.back()))
}

/// What the machine permits, and a minute for seconds that are rounded.
const TOLERANCE: i64 = 660;

/// (Epoch, sequence) of the state, and the numbers of root and mandate, never go down on a disk.
pub fn order_never_goes_down(agent: &Agent, journal: &Journal) -> Option<String> {
    let highest = agent.image.ledger.highest;
    let now = (
        journal.root.order,
        journal.mandate.as_ref().map_or(0, |held| held.order),
        journal.state.as_ref().map_or((0, 0), |held| held.order),
    );
    let down = now.0 < highest.0 || now.1 < highest.1 || now.2 < highest.2;
    down.then(|| format!("{}: root, mandate and state were {highest:?} and are {now:?}", agent.device))
}

/// After an answer that says that everything is stopped nothing is begun until one says that it is not.
pub fn brake_is_honoured(ledger: &Ledger, what: &str) -> Option<String> {
    let stopped = ledger.answers.back().is_some_and(|answer| answer.confirmed.stopped);
    stopped.then(|| format!("{what}, although the last answer said that everything is stopped"))
}

/// No machine restarts more often than the mandate permits.
pub fn restarts_within_limit(ledger: &mut Ledger, now: Timestamp) -> Option<String> {
    ledger.restarts.push(now);
    // Clocks that are within their tolerance may count a day somewhat shorter.
    let lately = ledger.restarts.iter().filter(|at| now.duration_since(**at).as_secs() < 22 * 3_600).count();
    let most = usize::try_from(keys::RESTARTS_PER_DAY).unwrap_or(usize::MAX);
    (lately > most).then(|| format!("{lately} restarts within 22 hours: {:?}, and it is {now}", ledger.restarts))
}
