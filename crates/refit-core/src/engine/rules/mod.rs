//! The rules of decision for one cell: devices that share everything that the rules ask (docs/reference/rules.md).

mod admit;
mod clock;
mod duty;
mod judged;
mod moving;
mod next;
mod passage;
mod read;
mod ring;
mod straight;
mod subject;
mod track;
mod trail;

pub(crate) use clock::{Clocks, Regime, Spell, Turns};
pub(crate) use judged::{Alike, Memo};
pub(crate) use passage::Common;
pub(crate) use read::{Manner, Openings, Own};
pub(crate) use ring::end_of_shares;
pub(crate) use subject::{Installed, Lasting, Shelf, Spoken, Spot, Subject};

use super::outcome::{Compliance, Goal, Outcome};
use crate::policy::{
    document::{
        policy::{Mode, Presence, RestartMode},
        test::GateAnswer,
    },
    expr::Truth,
};
use admit::Admission;
use jiff::Timestamp;
use refit_model::Version;
use ring::{Rings, Stage};
use smol_str::SmolStr;
use std::sync::{Arc, LazyLock};
use subject::{Candidate, Deciding};

/// What the rules say of a cell: a decision but for what the time of day, absences and presence make of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ruling {
    /// The policy that decides.
    pub policy: Option<SmolStr>,
    /// What Refit does about it.
    pub mode: Mode,
    /// How it stands, where that depends on nothing else.
    pub standing: Standing,
    /// Where it has to go.
    pub goal: Option<Goal>,
    /// The due time of each obligation, and whether it is one by KEV.
    pub duties: Arc<[(Option<Timestamp>, bool)]>,
    /// How they follow from when a spell began.
    pub clocks: Arc<Clocks>,
    /// The earliest of them.
    pub due: Option<Timestamp>,
    /// Whether an entry that only may hold gives it.
    pub provisional: bool,
    /// Whether it is above what the policy asks for.
    pub above: bool,
    /// Whether another policy may apply.
    pub undetermined: bool,
    /// Whether policies contradict each other.
    pub conflict: bool,
    /// What may be installed.
    pub admitted: Option<Version>,
    /// The rollout that brings it.
    pub rollout: Option<SmolStr>,
    /// The ring.
    pub ring: Option<SmolStr>,
    /// The gate after the last open ring.
    pub gate: Option<GateAnswer>,
    /// What keeps releases back.
    pub kept: Kept,
    /// The freezes that yield to one of its open exposures, by their place in the repository: who reads says which concern the device.
    pub yielding: Arc<[usize]>,
    /// The window that it has to keep to.
    pub window: Option<WindowOf>,
    /// When the machine is restarted, where an exception says it.
    pub restart: Option<RestartMode>,
    /// Whether policies of one rank were held against each other, which looks at what only the device knows.
    pub contested: bool,
    /// Whether it goes by what was admitted before: where it is unsure which policy decides.
    pub consults: bool,
    /// Spells that began no later make no difference.
    pub spells_matter_after: Option<Timestamp>,
    /// When it may be otherwise for these devices by itself.
    pub until: Option<Timestamp>,
}

/// How a slot stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Standing {
    /// As this says.
    Is(Compliance),
    /// As its obligations say.
    Judged,
    /// As its obligations say, and nothing will ever help.
    Unsupported,
}

/// What keeps releases back.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Kept {
    /// A block or an exception's range.
    pub block: bool,
    /// A halt.
    pub failed_gate: bool,
    /// A ring, a gate or an age.
    pub waiting: bool,
}

/// Where a window is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowOf {
    /// In the policy that decides.
    Policy,
    /// In an exception, by its place in the repository.
    Exception(usize),
}

/// Nothing is to be done.
static NO_CLOCKS: LazyLock<Arc<Clocks>> = LazyLock::new(Arc::default);

impl Ruling {
    fn plain(standing: Compliance) -> Ruling {
        Ruling {
            policy: None,
            mode: Mode::default(),
            standing: Standing::Is(standing),
            goal: None,
            duties: Arc::default(),
            clocks: Arc::clone(&NO_CLOCKS),
            due: None,
            provisional: false,
            above: false,
            undetermined: false,
            conflict: false,
            admitted: None,
            rollout: None,
            ring: None,
            gate: None,
            kept: Kept::default(),
            yielding: Arc::default(),
            window: None,
            restart: None,
            contested: false,
            consults: false,
            spells_matter_after: None,
            until: None,
        }
    }

    /// Whether a device's answer is the same under both, but for the name of the policy, and for what a gate says: what is admitted tells
    /// what comes of that.
    fn same(&self, other: &Ruling, shelf: &Shelf<'_>, own: &Own<'_>) -> bool {
        let read =
            |ruling: &Ruling| Outcome { policy: None, gate: None, ..ruling.read(shelf.repository, own, shelf.now) };
        read(self) == read(other)
    }
}

/// Devices that nothing of their own tells apart in a slot: what they share is remembered, and what they remember themselves is passed over.
#[derive(Clone, Copy)]
pub(crate) struct Together<'m, 'a> {
    /// What obligations go by.
    pub alike: Alike,
    /// What was worked out of them, whatever they have installed.
    pub common: &'m Common<'a>,
}

/// Applies the rules to a cell. What its devices share with those of others is remembered, by `together` for devices that have nothing of
/// their own there.
pub(crate) fn rule<'a, 'o>(
    shelf: &'a Shelf<'a>,
    spot: Spot<'a>,
    subject: &Subject<'_>,
    own: &dyn Fn() -> Own<'o>,
    memo: &Memo<'a>,
    together: Option<Together<'_, 'a>>,
) -> Ruling {
    let deciding = match together {
        Some(Together { common, .. }) => *common.deciding.get_or_init(|| deciding(shelf, subject)),
        None => deciding(shelf, subject),
    };
    let under = |candidate: Candidate<'a>, conflict: bool, undetermined: bool| {
        Under { shelf, spot, subject, candidate, conflict, undetermined }.ruling(memo, together)
    };
    match deciding {
        Deciding::Nobody { unknown: true } => Ruling { undetermined: true, ..Ruling::plain(Compliance::Undetermined) },
        Deciding::Nobody { unknown: false } => Ruling::plain(Compliance::Unmanaged),
        Deciding::One { place, undetermined } => match shelf.policies.get(place) {
            Some(candidate) => under(*candidate, false, undetermined),
            None => Ruling::plain(Compliance::Unmanaged),
        },
        Deciding::Several => of_several(shelf, subject, &own(), under),
    }
}

fn rank(shelf: &Shelf<'_>, candidate: &Candidate<'_>) -> (i64, bool) {
    candidate.policy.rank(shelf.title)
}

fn deciding(shelf: &Shelf<'_>, subject: &Subject<'_>) -> Deciding {
    let truths = shelf.policies.iter().map(|one| (one, subject.holds(one.policy.condition.as_ref())));
    let truths: Vec<(&Candidate<'_>, Truth)> = truths.collect();
    let sure = || truths.iter().filter(|(_, truth)| truth.is_true()).map(|(one, _)| *one);
    let Some(top) = sure().map(|one| rank(shelf, one)).max() else {
        return Deciding::Nobody { unknown: truths.iter().any(|(_, truth)| truth.is_unknown()) };
    };
    let mut tied = sure().filter(|one| rank(shelf, one) == top);
    let unknown = || truths.iter().filter(|(_, truth)| truth.is_unknown()).map(|(one, _)| rank(shelf, one));
    match (tied.next(), tied.next()) {
        // What comes before it if it applies need not be heard: nothing counts but that it may.
        (Some(one), None) if unknown().all(|rank| rank != top) => {
            Deciding::One { place: one.place, undetermined: unknown().any(|rank| rank > top) }
        }
        _ => Deciding::Several,
    }
}

/// Where several policies have to be heard: those of the highest rank that hold, or may, are held against each other.
fn of_several<'a>(
    shelf: &'a Shelf<'a>,
    subject: &Subject<'_>,
    own: &Own<'_>,
    under: impl Fn(Candidate<'a>, bool, bool) -> Ruling,
) -> Ruling {
    let rank = |candidate: &Candidate<'_>| rank(shelf, candidate);
    let asked = |truth: Truth| {
        let applies = move |candidate: &&Candidate<'_>| subject.holds(candidate.policy.condition.as_ref()) == truth;
        shelf.policies.iter().filter(applies)
    };
    let sure: Vec<&Candidate<'a>> = asked(Truth::True).collect();
    let Some(top) = sure.iter().map(|candidate| rank(candidate)).max() else {
        return Ruling::plain(Compliance::Unmanaged);
    };
    let tied: Vec<&Candidate<'a>> = sure.iter().copied().filter(|candidate| rank(candidate) == top).collect();
    let Some(first) = tied.first() else { return Ruling::plain(Compliance::Unmanaged) };
    let (mut matter_after, mut considered) = (None, 0);
    let mut consider = |candidate: &Candidate<'a>| {
        let ruling = under(*candidate, false, false);
        considered += 1;
        matter_after = matter_after.into_iter().chain(ruling.spells_matter_after).min();
        ruling
    };
    let plain = consider(first);
    let conflict = tied.iter().skip(1).filter(|candidate| !consider(candidate).same(&plain, shelf, own)).count() > 0;
    let mut decides = **first;
    if conflict
        && let Some(before) = sure.iter().find(|candidate| Some(&candidate.policy.name) == subject.decided_before)
    {
        decides = **before;
    }
    let undetermined = asked(Truth::Unknown)
        .filter(|candidate| {
            rank(candidate) > top || (rank(candidate) == top && !consider(candidate).same(&plain, shelf, own))
        })
        .count()
        > 0;
    let mut ruling = if conflict || undetermined { under(decides, conflict, undetermined) } else { plain };
    ruling.spells_matter_after = matter_after.into_iter().chain(ruling.spells_matter_after).min();
    ruling.contested = considered > 1;
    ruling
}

/// A cell under one policy.
struct Under<'s, 'a> {
    shelf: &'a Shelf<'a>,
    spot: Spot<'a>,
    subject: &'s Subject<'s>,
    candidate: Candidate<'a>,
    conflict: bool,
    undetermined: bool,
}

impl<'a> Under<'_, 'a> {
    /// What the policy says.
    fn ruling(&self, memo: &Memo<'a>, together: Option<Together<'_, 'a>>) -> Ruling {
        let Under { shelf, spot, subject, candidate, conflict, undetermined } = *self;
        let policy = candidate.policy;
        let named = |standing| Ruling {
            policy: Some(policy.name.clone()),
            mode: policy.mode,
            conflict,
            undetermined,
            ..Ruling::plain(standing)
        };
        if spot.installed.is_none() {
            match policy.presence {
                Presence::IfPresent => return named(Compliance::NotApplicable),
                Presence::Forbidden => return named(Compliance::Compliant),
                Presence::Required if !(subject.required)(policy) => return named(Compliance::NotApplicable),
                Presence::Required => {}
            }
        }
        let common = together.map(|together| together.common);
        let judged = memo.judged(shelf, spot, subject, candidate, together.map(|together| together.alike));
        let clocks = &judged.clocks;
        let noted = subject.spell.map(Spell::Noted);
        let own = || noted.or_else(|| (subject.since)().max(subject.enrolled).map(Spell::Own));
        // Where a condition was latched before it was known what it is about, even the first moment of that is late.
        let spell = clocks.began(if subject.own_spell { own() } else { None });
        let settled = judged.settled(policy, spell, shelf.now);
        let regime = &settled.regime;
        let admission = Admission { shelf, spot, subject, candidate, judged: &judged, regime, conflict, undetermined };
        let admitted = admission.admit(common);
        Ruling {
            standing: if judged.unsupported { Standing::Unsupported } else { Standing::Judged },
            goal: judged.goal.clone(),
            due: settled.due,
            provisional: regime.provisional,
            above: judged.above,
            admitted: admitted.release,
            rollout: admitted.rollout,
            ring: admitted.ring,
            gate: admitted.gate,
            kept: admitted.kept,
            yielding: Arc::clone(&judged.yielding),
            window: judged.window,
            restart: judged.restart,
            consults: conflict || undetermined,
            spells_matter_after: judged.spells_matter_after,
            until: judged.until.into_iter().chain(settled.next).min(),
            duties: Arc::clone(&settled.duties),
            clocks: Arc::clone(clocks),
            ..named(Compliance::Compliant)
        }
    }
}
