//! One device at one moment, with what expressions need to know of it.

use crate::{
    calendar::Window,
    facts::{FieldRef, Lookup, Root, Value},
    policy::{
        expr::{Expr, Truth},
        repository::{Policy, Repository},
    },
    rollout::position,
    world::{Device, World},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::Advisory;
use smol_str::SmolStr;
use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
};

/// One device at one moment.
pub(super) struct Case<'a> {
    pub repository: &'a Repository,
    pub world: &'a World,
    pub device: &'a Device,
    pub now: Timestamp,
    pub zone: TimeZone,
    known: BTreeMap<FieldRef, Value>,
    /// Whether each policy's `where` holds: asked again for every title of the device.
    applies: Vec<OnceCell<Truth>>,
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
        let known = device
            .facts
            .fields()
            .filter_map(|field| {
                let resolved = device.facts.resolve(field, &repository.authority, &repository.staleness, now);
                resolved.value.map(|value| (field.clone(), value.clone()))
            })
            .collect();
        let applies = repository.policies.iter().map(|_| OnceCell::new()).collect();
        let (positions, openings) = (RefCell::default(), RefCell::default());
        Case { repository, world, device, now, zone: device.zone(), known, applies, positions, openings }
    }

    /// Whether the `where` of the policy at `index` holds.
    pub fn applies(&self, index: usize, policy: &Policy) -> Truth {
        match self.applies.get(index) {
            Some(cell) => *cell.get_or_init(|| self.truth(policy.condition.as_deref())),
            None => self.truth(policy.condition.as_deref()),
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
        condition.map_or(Truth::True, |condition| condition.truth(&self.known, self.now))
    }

    /// Whether a condition on an exposure holds, as the exposure is known at `at`.
    pub fn exposure_truth(&self, condition: &Expr, advisory: &Advisory, at: Timestamp) -> Truth {
        condition.truth(&WithExposure { known: &self.known, advisory, at }, at)
    }

    /// The facts for want of which a condition is unknown.
    pub fn wanting(&self, condition: Option<&Expr>) -> Vec<FieldRef> {
        condition.map_or_else(Vec::new, |condition| condition.explain(&self.known, self.now).wanting)
    }

    /// The facts for want of which a condition on an exposure is unknown.
    pub fn exposure_wanting(&self, condition: &Expr, advisory: &Advisory) -> Vec<FieldRef> {
        condition.explain(&WithExposure { known: &self.known, advisory, at: self.now }, self.now).wanting
    }

    /// When time alone will change a condition on an exposure next after `at`.
    pub fn exposure_change(&self, condition: &Expr, advisory: &Advisory, at: Timestamp) -> Option<Timestamp> {
        condition.next_change(&WithExposure { known: &self.known, advisory, at }, at)
    }

    /// The text that a field of the device is known to have.
    pub fn device_text(&self, field: &str) -> Option<&str> {
        match self.known.get(&FieldRef::device(field))? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The facts of the device, and one exposure as it is known at a time.
struct WithExposure<'a> {
    known: &'a BTreeMap<FieldRef, Value>,
    advisory: &'a Advisory,
    at: Timestamp,
}

impl Lookup for WithExposure<'_> {
    fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        if field.root != Root::Exposure {
            return self.known.get(field).map(Cow::Borrowed);
        }
        let listed = self.advisory.kev.is_some_and(|kev| kev <= self.at);
        Some(Cow::Owned(match field.name.as_str() {
            "id" => Value::Text(self.advisory.id.as_str().into()),
            "kev" => Value::Bool(listed),
            "ransomware" => Value::Bool(listed && self.advisory.ransomware),
            "cvss" => Value::Float(self.advisory.cvss?),
            "epss" => Value::Float(self.advisory.epss?),
            "known_at" => Value::Time(self.advisory.known_at),
            _ => return None,
        }))
    }
}
