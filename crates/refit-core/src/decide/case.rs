//! One device at one moment, with what expressions need to know of it.

use crate::{
    calendar::Window,
    facts::{FieldRef, Lookup, Resolved, Value},
    policy::{
        expr::{Explanation, Expr, Text, Truth},
        repository::{Policy, Repository},
    },
    rollout::position,
    world::{Device, ExposureView, World},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::Advisory;
use smol_str::SmolStr;
use std::{borrow::Cow, cell::RefCell, collections::BTreeMap};

/// One device at one moment.
pub(super) struct Case<'a> {
    pub repository: &'a Repository,
    pub world: &'a World,
    pub device: &'a Device,
    pub now: Timestamp,
    pub zone: TimeZone,
    /// The device's package manager.
    pub manager: Option<&'a str>,
    known: Known<'a>,
    /// What each condition on device and person says, by its text: they are asked again for every title of the device.
    answers: RefCell<BTreeMap<Text, Explanation>>,
    /// The device's position for each policy that was asked about: a hash of its own for each.
    positions: RefCell<BTreeMap<SmolStr, f64>>,
    /// Each window that was asked about, by its rule and length: recurrence rules are slow to expand.
    openings: RefCell<BTreeMap<(SmolStr, SignedDuration), Opening>>,
}

/// Whether a window is open at the moment of the case.
#[derive(Clone, Copy)]
pub(super) enum Opening {
    /// It is.
    Open,
    /// It is shut, until then; `None` where it never opens again.
    Shut(Option<Timestamp>),
}

impl<'a> Case<'a> {
    pub fn new(repository: &'a Repository, world: &'a World, device: &'a Device, now: Timestamp) -> Case<'a> {
        let resolve = |field| device.facts.resolve(field, &repository.authority, &repository.staleness, now);
        let known = Known(device.facts.fields().map(|field| (field, resolve(field))).collect());
        let (answers, positions, openings) = (RefCell::default(), RefCell::default(), RefCell::default());
        Case {
            repository,
            world,
            device,
            now,
            zone: device.zone(),
            manager: device.manager(),
            known,
            answers,
            positions,
            openings,
        }
    }

    /// What a field of the device or its person is.
    pub fn resolved(&self, field: &FieldRef) -> Resolved<'a> {
        let (repository, facts) = (self.repository, &self.device.facts);
        match self.known.0.get(field) {
            Some(resolved) => resolved.clone(),
            None => facts.resolve(field, &repository.authority, &repository.staleness, self.now),
        }
    }

    /// The device's position among all devices for a policy.
    pub fn position(&self, policy: &Policy) -> f64 {
        if let Some(known) = self.positions.borrow().get(&policy.name) {
            return *known;
        }
        let position = position(&self.device.id, &policy.name);
        self.positions.borrow_mut().insert(policy.name.clone(), position);
        position
    }

    /// Whether a window is open now, where the device is.
    pub fn opening(&self, window: &Window) -> Opening {
        let key = (window.text().clone(), window.lasts());
        if let Some(known) = self.openings.borrow().get(&key) {
            return *known;
        }
        let opening = match window.open_until(&self.zone, self.now) {
            Some(_) => Opening::Open,
            None => Opening::Shut(window.next_opening(&self.zone, self.now)),
        };
        self.openings.borrow_mut().insert(key, opening);
        opening
    }

    /// Whether a condition on device and person holds; what is left out holds.
    pub fn truth(&self, condition: Option<&Expr>) -> Truth {
        condition.map_or(Truth::True, |condition| self.answer(condition, |answer| answer.truth))
    }

    /// Whether a condition on an exposure holds, as the exposure is known at `at`.
    pub fn exposure_truth(&self, condition: &Expr, advisory: &Advisory, at: Timestamp) -> Truth {
        condition.truth(&ExposureView { known: &self.known, advisory, at }, at)
    }

    /// The facts for want of which a condition is unknown.
    pub fn wanting(&self, condition: Option<&Expr>) -> Vec<FieldRef> {
        condition.map_or_else(Vec::new, |condition| self.answer(condition, |answer| answer.wanting.clone()))
    }

    /// Something of what a condition on device and person says.
    fn answer<T>(&self, condition: &Expr, of: impl FnOnce(&Explanation) -> T) -> T {
        if let Some(known) = self.answers.borrow().get(condition.text()) {
            return of(known);
        }
        let answer = condition.explain(&self.known, self.now);
        let found = of(&answer);
        self.answers.borrow_mut().insert(condition.text().clone(), answer);
        found
    }

    /// The facts for want of which a condition on an exposure is unknown.
    pub fn exposure_wanting(&self, condition: &Expr, advisory: &Advisory) -> Vec<FieldRef> {
        condition.explain(&ExposureView { known: &self.known, advisory, at: self.now }, self.now).wanting
    }

    /// When time alone will change a condition on an exposure next after `at`.
    pub fn exposure_change(&self, condition: &Expr, advisory: &Advisory, at: Timestamp) -> Option<Timestamp> {
        condition.next_change(&ExposureView { known: &self.known, advisory, at }, at)
    }

    /// The text that a field of the device is known to have.
    pub fn device_text(&self, field: &str) -> Option<&str> {
        match self.known.value(&FieldRef::device(field))? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The fields of the device and its person of which anything was said.
struct Known<'a>(BTreeMap<&'a FieldRef, Resolved<'a>>);

impl<'a> Known<'a> {
    fn value(&self, field: &FieldRef) -> Option<&'a Value> {
        self.0.get(field)?.value
    }
}

impl Lookup for Known<'_> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        self.value(field).map(Cow::Borrowed)
    }
}
