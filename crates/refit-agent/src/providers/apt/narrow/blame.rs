//! Which of the wanted changes cause what is not permitted, by the packages' own relations.

use crate::providers::{
    apt::{
        records::Record,
        relations::{Clause, Moment},
    },
    narrow::{Actions, Blame, Violations, Wanted},
    transaction::{ActionKind, Change},
};
use refit_model::TitleId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

type Records = BTreeMap<TitleId, Record>;

/// Follows each violation back to the wanted changes behind it. A wanted change that needs a blamed one is to blame itself.
/// A violation that nothing explains blames nobody.
pub(super) fn blame(
    actions: &Actions,
    wanted: &Wanted,
    violations: &Violations,
    old: &Records,
    new: &Records,
) -> Blame {
    let view = View::new(actions, old, new);
    let mut blame = Blame::default();
    for (violation, obstacle) in violations {
        let mut seen = BTreeSet::from([violation]);
        let mut queue = VecDeque::from([(violation, false)]);
        while let Some((title, unsure)) = queue.pop_front() {
            if wanted.contains_key(title) {
                blame.causes.entry(title.clone()).or_default().insert(obstacle.clone());
                if unsure {
                    blame.doubtful.insert(title.clone());
                }
            }
            for (cause, has_alternative) in view.causes(title) {
                if seen.insert(cause) {
                    queue.push_back((cause, unsure || has_alternative));
                }
            }
        }
    }
    blame
}

/// For each action that nobody asked for, the changes that lead to it: those that the shortest way meets first.
pub(super) fn needed_by(
    actions: &Actions,
    asked: &[Change],
    old: &Records,
    new: &Records,
) -> BTreeMap<TitleId, BTreeSet<TitleId>> {
    let view = View::new(actions, old, new);
    let asked: BTreeSet<&TitleId> = asked.iter().map(|change| &change.title).collect();
    let extras = actions.keys().filter(|title| !asked.contains(title));
    extras
        .map(|extra| {
            let mut seen = BTreeSet::from([extra]);
            let (mut ring, mut found) = (vec![extra], BTreeSet::new());
            while found.is_empty() && !ring.is_empty() {
                ring = ring.into_iter().flat_map(|title| view.causes(title)).map(|(cause, _)| cause).collect();
                ring.retain(|cause| seen.insert(cause));
                found.extend(ring.iter().filter(|cause| asked.contains(*cause)).map(|cause| (*cause).clone()));
            }
            (extra.clone(), found)
        })
        .collect()
}

struct View<'a> {
    /// What changes, with its records before and after.
    changing: Vec<(&'a TitleId, Option<&'a Record>, Option<&'a Record>)>,
    before: Moment<'a>,
    after: Moment<'a>,
}

impl<'a> View<'a> {
    fn new(actions: &'a Actions, old: &'a Records, new: &'a Records) -> View<'a> {
        let after = old.iter().filter(|(title, _)| !actions.contains_key(*title)).map(|(_, record)| record);
        View {
            changing: actions
                .iter()
                .filter(|(_, action)| action.kind != ActionKind::Configure)
                .map(|(title, _)| (title, old.get(title), new.get(title)))
                .collect(),
            before: Moment::new(old.values()),
            after: Moment::new(after.chain(new.values())),
        }
    }

    /// The changes that make `title` change, and whether each could have been content with another package.
    fn causes(&self, title: &TitleId) -> Vec<(&'a TitleId, bool)> {
        let Some(&(_, old, new)) = self.changing.iter().find(|(other, ..)| *other == title) else { return Vec::new() };
        let others = self.changing.iter().filter(|(other, ..)| *other != title);
        others
            .filter_map(|&(other, other_old, other_new)| {
                let asked = new.zip(other_new).and_then(|(new, asker)| self.asks_for(asker, new));
                let forced = old.is_some_and(|old| {
                    other_new.is_some_and(|other| excludes(other, old))
                        || other_new.is_some_and(|other| excludes(old, other))
                        || other_old.is_some_and(|before| self.is_deserted(old, before, other_new))
                });
                match (asked, forced) {
                    (_, true) => Some((other, false)),
                    (Some(has_alternative), false) => Some((other, has_alternative)),
                    (None, false) => None,
                }
            })
            .collect()
    }

    /// Whether `asker` depends on something that only the change of `new` brings; if so, whether it names alternatives.
    fn asks_for(&self, asker: &Record, new: &Record) -> Option<bool> {
        let mut clauses = asker.depends.iter().filter(|clause| {
            clause.iter().any(|relation| relation.is_met_by(asker, new)) && !self.before.meets(asker, clause, None)
        });
        clauses.next().map(|first| first.len() > 1 && clauses.all(|clause| clause.len() > 1))
    }

    /// Whether `old`, as it is installed, depends on `before`, which turns into `after` and no longer meets that.
    fn is_deserted(&self, old: &Record, before: &Record, after: Option<&Record>) -> bool {
        let met_by = |clause: &Clause, record: &Record| clause.iter().any(|relation| relation.is_met_by(old, record));
        old.depends.iter().any(|clause| {
            met_by(clause, before)
                && !after.is_some_and(|after| met_by(clause, after))
                && !self.after.meets(old, clause, None)
        })
    }
}

/// Whether `record` conflicts with `other`, or breaks it.
fn excludes(record: &Record, other: &Record) -> bool {
    record.title != other.title && record.conflicts.iter().flatten().any(|relation| relation.is_met_by(record, other))
}
