//! Which devices have to be decided, found by what has changed: a look costs what it finds, however many devices there are.
//!
//! [`Board::due`] says the same by looking at every device. It is what this is held to.

use super::{board::Board, device_set::DeviceSet, state::State};
use jiff::Timestamp;
use refit_model::DeviceId;

/// Looks out for devices that have to be decided, again and again.
#[derive(Clone, Debug, Default)]
pub struct Lookout {
    /// The last event and the policy revision up to which changes were gathered.
    looked: Option<(u64, u64)>,
    /// Devices that may have to be decided. One leaves when it turns out not to.
    open: DeviceSet,
    /// The last device that was found: the next look begins after it.
    last: Option<u32>,
    examined: u64,
}

impl Lookout {
    /// The devices that have to be decided (anew), at most so many; whoever asks again and again is told of each once before any
    /// comes twice.
    pub fn due(&mut self, board: &mut Board, state: &State, now: Timestamp, most: usize) -> Vec<DeviceId> {
        if state.policy.is_none() {
            return Vec::new();
        }
        self.gather(board, state, now);
        let (mut due, mut settled) = (Vec::new(), DeviceSet::default());
        let for_all = state.revised_for_all();
        let mut last = self.last;
        for index in State::round(&self.open, self.last) {
            self.examined += 1;
            match state.at_index(index).filter(|device| board.is_due(state, device, for_all, now)) {
                Some(device) => {
                    due.push(device.id.clone());
                    last = Some(index);
                }
                None => settled.insert(index),
            }
            if due.len() >= most {
                break;
            }
        }
        self.last = last;
        self.open.0 -= settled.0;
        due
    }

    /// How many devices were looked at so far.
    pub fn examined(&self) -> u64 {
        self.examined
    }

    fn gather(&mut self, board: &mut Board, state: &State, now: Timestamp) {
        let before = self.looked.replace((state.seq, state.revision()));
        match before {
            Some((seq, revision)) if revision == state.revision() && state.revised_for_all() <= seq => {
                if state.seq > seq {
                    self.open.0 |= state.revised_since(seq).0;
                }
            }
            _ => self.open = state.found.managed(),
        }
        for device in board.woken(state, now) {
            self.open.insert(device);
        }
    }
}
