//! Whether expressions can hold together, by looking for an example.
//!
//! Of all values that a field can have, the expressions tell only a few apart: those that they compare it with, those between,
//! and any other. [`witness`](super::witness) names one of each; the search tries them field by field, and turns back as soon
//! as what has been chosen decides against it. An example that is found is one: it has been evaluated. That there is none is
//! said only where the witnesses stand for all values.

use super::Truth;
use super::compiled::Expr;
use super::domain::Domain;
use super::evaluate::{Found, Source};
use super::node::Days;
use super::witness::Witnesses;
use crate::facts::{FieldRef, Fields, Value};
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Most evaluations of one search. Questions that people write take a few dozen; this many take about a tenth of a second.
pub const EVALUATIONS_MAX: u32 = 100_000;

/// Whether conditions can hold together.
#[derive(Clone, Debug, PartialEq)]
pub enum Satisfiability {
    /// They can, for instance so. Fields that do not matter are left out; of `has(x)` that has to be false, so is `x`.
    Yes {
        /// Values of the fields that matter.
        example: BTreeMap<FieldRef, Value>,
        /// The time at which it is so; it matters only where they say `since` or `until`.
        now: Timestamp,
    },
    /// They can't, whatever the facts.
    No,
    /// The search was too large, or asks what it can't enumerate (patterns, arithmetic).
    Unknown,
}

/// Whether there are facts for which each expression surely holds (`true`) or surely does not hold (`false`).
pub fn satisfiable(conditions: &[(&Expr, bool)], fields: &Fields) -> Satisfiability {
    let mut witnesses = Witnesses::collect(conditions.iter().map(|(expr, _)| *expr), fields);
    let names = witnesses.names().to_vec();
    let number = |field: &FieldRef| names.iter().position(|name| name == field).unwrap_or(usize::MAX);
    let conditions = conditions
        .iter()
        .map(|(expr, wanted)| Condition {
            expr,
            wanted: Truth::from(*wanted),
            numbers: expr.asked().iter().map(number).collect(),
        })
        .collect::<Vec<_>>();
    let mut evaluations = 0;
    let (instants, mut complete) = witnesses.instants();
    for now in instants {
        let domains = witnesses.domains(now);
        let chosen = vec![Chosen::Undecided; names.len()];
        let mut search = Search { conditions: &conditions, domains: &domains, chosen, now, evaluations };
        match search.run() {
            Outcome::Found => {
                let example = names.iter().zip(search.chosen).filter_map(|(name, chosen)| match chosen {
                    Chosen::Value(value) => Some((name.clone(), value)),
                    Chosen::Undecided | Chosen::Absent => None,
                });
                return Satisfiability::Yes { example: example.collect(), now };
            }
            Outcome::Refuted => {}
            Outcome::Open => complete = false,
        }
        evaluations = search.evaluations;
    }
    if complete { Satisfiability::No } else { Satisfiability::Unknown }
}

struct Condition<'e> {
    expr: &'e Expr,
    wanted: Truth,
    /// The number in the search of each of the expression's fields.
    numbers: Vec<usize>,
}

impl Condition<'_> {
    fn view<'v>(&'v self, chosen: &'v [Chosen]) -> View<'v> {
        View { days: self.expr.days.as_ref(), numbers: &self.numbers, chosen }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Chosen {
    Undecided,
    Absent,
    Value(Value),
}

enum Outcome {
    Found,
    /// There is none.
    Refuted,
    /// None was found, but not everything was tried.
    Open,
}

struct Search<'c> {
    conditions: &'c [Condition<'c>],
    domains: &'c [Domain],
    chosen: Vec<Chosen>,
    now: Timestamp,
    evaluations: u32,
}

/// What has been chosen, under the numbers of one expression.
struct View<'v> {
    days: Option<&'v Days>,
    numbers: &'v [usize],
    chosen: &'v [Chosen],
}

impl Source for View<'_> {
    fn field(&self, index: usize) -> Found<'_> {
        match self.numbers.get(index).and_then(|number| self.chosen.get(*number)) {
            Some(Chosen::Value(value)) => Found::Value(Cow::Borrowed(value)),
            Some(Chosen::Absent) => Found::Absent,
            Some(Chosen::Undecided) | None => Found::Undecided,
        }
    }

    fn days(&self) -> Option<&Days> {
        self.days
    }
}

impl Search<'_> {
    /// Goes on from what has been chosen. Depth is bounded by the number of fields.
    fn run(&mut self) -> Outcome {
        let mut open = Vec::new();
        for condition in self.conditions {
            self.evaluations += 1;
            if self.evaluations > EVALUATIONS_MAX {
                return Outcome::Open;
            }
            let view = condition.view(&self.chosen);
            match condition.expr.truth_of(&view, self.now) {
                truth if truth == condition.wanted => {}
                Truth::Unknown => open.push(condition),
                _ => return Outcome::Refuted,
            }
        }
        if open.is_empty() {
            return Outcome::Found;
        }
        let Some(next) = self.next(&open) else {
            // Nothing is left to choose: something can't be computed for this choice.
            return Outcome::Refuted;
        };
        let Some(domain) = self.domains.get(next) else { return Outcome::Open };
        let mut outcome = if domain.complete { Outcome::Refuted } else { Outcome::Open };
        for candidate in &domain.candidates {
            self.chosen[next] = candidate.clone();
            match self.run() {
                Outcome::Found => return Outcome::Found,
                Outcome::Refuted => {}
                Outcome::Open => outcome = Outcome::Open,
            }
            if self.evaluations > EVALUATIONS_MAX {
                break;
            }
        }
        self.chosen[next] = Chosen::Undecided;
        outcome
    }

    /// The field to choose next: one that matters, with complete witnesses if possible, and few.
    fn next(&self, open: &[&Condition<'_>]) -> Option<usize> {
        let mut best: Option<(bool, usize, usize)> = None;
        for condition in open {
            let view = condition.view(&self.chosen);
            for index in condition.expr.wanting(&view, self.now) {
                let Some(&number) = condition.numbers.get(index) else { continue };
                if self.chosen.get(number) != Some(&Chosen::Undecided) {
                    continue;
                }
                let Some(domain) = self.domains.get(number) else { continue };
                let rank = (!domain.complete, domain.candidates.len(), number);
                best = Some(best.map_or(rank, |best| best.min(rank)));
            }
        }
        best.map(|(_, _, number)| number)
    }
}
