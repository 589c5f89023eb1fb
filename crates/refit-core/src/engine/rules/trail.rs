//! How far what goes by one title has come, and what gates said of it: found by version.

use crate::{
    engine::intern::Map,
    policy::{document::test::GateAnswer, repository::Rollout},
    rollout::judge,
    world::{GateFinding, GateState, RolloutState},
};
use jiff::Timestamp;
use refit_model::Version;
use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

/// What is known of a title, or of the snapshots of a policy, on their way through rings.
pub(crate) struct Trail<'w> {
    /// How far each has come.
    pub rollouts: &'w [RolloutState],
    /// What gates said of each.
    pub gates: &'w [GateState],
    /// Places of both by version.
    places: ByVersion,
    /// What evidence amounts to, by place of the gate and address of the rollout: that is worked out once.
    answers: RefCell<Map<(usize, usize), GateAnswer>>,
}

/// Places of what is known of a title by version, in their order; made when somebody asks, and kept as long as that is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByVersion(Arc<OnceLock<Map<Version, Places>>>);

#[derive(Debug, Default)]
struct Places {
    rollouts: Vec<usize>,
    gates: Vec<usize>,
}

impl<'w> Trail<'w> {
    /// Of what is known, with its places as far as somebody keeps them.
    pub fn new(rollouts: &'w [RolloutState], gates: &'w [GateState], places: ByVersion) -> Self {
        Trail { rollouts, gates, places, answers: RefCell::default() }
    }

    /// The places, for whoever looks at the same again.
    pub fn by_version(&self) -> ByVersion {
        self.places.clone()
    }

    fn places(&self, version: &Version) -> Option<&Places> {
        if self.rollouts.is_empty() && self.gates.is_empty() {
            return None;
        }
        let places = self.places.0.get_or_init(|| {
            let mut places: Map<Version, Places> = Map::default();
            for (place, state) in self.rollouts.iter().enumerate() {
                places.entry(state.version.clone()).or_default().rollouts.push(place);
            }
            for (place, state) in self.gates.iter().enumerate() {
                places.entry(state.version.clone()).or_default().gates.push(place);
            }
            places
        });
        places.get(version)
    }

    /// How far a version has come, in every rollout and on every platform.
    pub fn states(&self, version: &Version) -> impl Iterator<Item = &'w RolloutState> {
        let places = self.places(version).into_iter().flat_map(|places| &places.rollouts);
        places.filter_map(|place| self.rollouts.get(*place))
    }

    /// What gates know of a version, with their places.
    pub fn gates(&self, version: &Version) -> impl Iterator<Item = (usize, &'w GateState)> {
        let places = self.places(version).into_iter().flat_map(|places| &places.gates);
        places.filter_map(|place| Some((*place, self.gates.get(*place)?)))
    }

    /// What a gate, by its place, says in a rollout.
    pub fn answer(&self, place: usize, state: &GateState, rollout: &Rollout, now: Timestamp) -> GateAnswer {
        let evidence = match &state.finding {
            GateFinding::Answered(answer) => return *answer,
            GateFinding::Evidence(evidence) => evidence,
        };
        let key = (place, std::ptr::from_ref(rollout).addr());
        if let Some(known) = self.answers.borrow().get(&key) {
            return *known;
        }
        let ring = rollout.rings.iter().find(|ring| ring.name == state.after);
        let answer = match rollout.gate.as_ref().zip(ring) {
            Some((gate, ring)) => judge(gate, ring.soak, evidence, now).answer(),
            None => GateAnswer::Inconclusive,
        };
        self.answers.borrow_mut().insert(key, answer);
        answer
    }
}
