//! When time alone will change what an expression says.

use super::compiled::{Expr, Facts};
use super::evaluate::Run;
use super::node::{Node, Operation};
use crate::facts::{Lookup, Value};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Most instants that are tried one after the other; a text of the allowed length has far fewer comparisons unless it asks long
/// lists. What remains is answered early rather than late.
const TRIES_MAX: usize = 1000;

impl Expr {
    /// Whether the answer may be another one later though no fact changes.
    pub fn asks_the_time(&self) -> bool {
        self.root.depends_on_now()
    }

    /// The earliest time after `now` at which the answer differs from that of `now`, if no fact changes; `None`: never. Where
    /// more than a thousand instants would have to be tried, it may be earlier than that, never later.
    pub fn next_change(&self, facts: &dyn Lookup, now: Timestamp) -> Option<Timestamp> {
        if !self.root.depends_on_now() {
            return None;
        }
        let source = Facts { expr: self, facts };
        let mut crossings = Crossings { run: Run::new(&source, now), now, instants: BTreeSet::new() };
        crossings.of(&self.root);
        let present = self.truth_of(&source, now);
        let mut tries = 0;
        crossings.instants.into_iter().find(|instant| {
            tries += 1;
            tries > TRIES_MAX || self.truth_of(&source, *instant) != present
        })
    }
}

/// Collects the instants at which some comparison may change.
struct Crossings<'s> {
    run: Run<'s>,
    now: Timestamp,
    instants: BTreeSet<Timestamp>,
}

/// A time or duration that moves evenly: nanoseconds at `now`, and nanoseconds gained per nanosecond.
#[derive(Clone, Copy)]
struct Moving {
    nanos: i128,
    slope: i64,
}

impl<'s> Crossings<'s> {
    fn of(&mut self, node: &'s Node) {
        match node {
            Node::Quantified(_, parts) => {
                let [list, condition] = parts.as_ref();
                self.of(list);
                for element in self.run.elements_of(list).unwrap_or_default() {
                    self.run.push_element(element);
                    self.of(condition);
                    self.run.pop_element();
                }
                return;
            }
            Node::Compare(_, sides) if node.depends_on_now() => {
                let [left, right] = sides.as_ref();
                self.crossing(left, right);
            }
            Node::In(sides) if node.depends_on_now() => {
                let [needle, list] = sides.as_ref();
                if let Node::List(items) = list {
                    items.iter().for_each(|item| self.crossing(needle, item));
                }
            }
            _ => {}
        }
        node.children().into_iter().for_each(|child| self.of(child));
    }

    /// Where the two are equal, and right after.
    fn crossing(&mut self, left: &'s Node, right: &'s Node) {
        let (Some(left), Some(right)) = (self.moving(left, false), self.moving(right, false)) else { return };
        let slope = i128::from(left.slope) - i128::from(right.slope);
        let Some(distance) = right.nanos.checked_sub(left.nanos).filter(|_| slope != 0) else { return };
        let equal = self.now.as_nanosecond() + distance.div_euclid(slope);
        for nanos in [equal, equal + 1] {
            if let Ok(instant) = Timestamp::from_nanosecond(nanos)
                && instant > self.now
            {
                self.instants.insert(instant);
            }
        }
    }

    /// `None` where it is unknown, or neither a time nor a duration. `counted` is whether `since` or `until` count from it.
    fn moving(&mut self, node: &'s Node, counted: bool) -> Option<Moving> {
        let now = self.now.as_nanosecond();
        match node {
            Node::Since(time) => {
                let time = self.moving(time, true)?;
                Some(Moving { nanos: now - time.nanos, slope: 1 - time.slope })
            }
            Node::Until(time) => {
                let time = self.moving(time, true)?;
                Some(Moving { nanos: time.nanos - now, slope: time.slope - 1 })
            }
            Node::Negate(node) => {
                let moving = self.moving(node, counted)?;
                Some(Moving { nanos: -moving.nanos, slope: -moving.slope })
            }
            Node::Arithmetic(operation, sides) => {
                let [left, right] = sides.as_ref();
                let (left, right) = (self.moving(left, counted)?, self.moving(right, counted)?);
                let sign = match operation {
                    Operation::Add => 1,
                    Operation::Subtract => -1,
                    _ => return None,
                };
                let nanos = left.nanos + i128::from(sign) * right.nanos;
                Some(Moving { nanos, slope: left.slope + sign * right.slope })
            }
            // The checker lets no `?:` depend on now where it gives a time or duration.
            _ => match if counted { self.run.begun(node) } else { self.run.value(node) }?.as_ref() {
                Value::Time(time) => Some(Moving { nanos: time.as_nanosecond(), slope: 0 }),
                Value::Duration(duration) => Some(Moving { nanos: duration.as_nanos(), slope: 0 }),
                _ => None,
            },
        }
    }
}
