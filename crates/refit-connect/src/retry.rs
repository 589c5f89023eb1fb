//! When something is asked for again, and when that has no more sense.

use crate::feeds::NetworkOptions;
use std::time::{Duration, Instant};

/// Whether another attempt may succeed.
pub(crate) enum Again {
    /// It may not.
    Never,
    /// It may, after the usual wait.
    Soon,
    /// Not before this time, at the other side's word.
    After(Duration),
}

/// The attempts at one thing.
pub(crate) struct Attempts {
    started: Instant,
    made: u32,
    wait: Duration,
}

/// What follows from an attempt that failed.
pub(crate) enum Next {
    /// Another, after this time.
    Wait(Duration),
    /// None: it would not help, or there were enough.
    GiveUp,
    /// None: the other side wants a longer wait than is waited for.
    ComeBackLater(Duration),
    /// None: the time for all of them is over.
    TooSlow,
}

impl Attempts {
    /// None was made yet; their time began at `started`.
    pub fn new(network: &NetworkOptions, started: Instant) -> Attempts {
        Attempts { started, made: 0, wait: network.first_wait }
    }

    /// The time that is left for the next one; `None` where it is over.
    pub fn left(&self, network: &NetworkOptions) -> Option<Duration> {
        network.total_timeout.checked_sub(self.started.elapsed()).filter(|left| !left.is_zero())
    }

    /// Another one failed.
    pub fn failed(&mut self, network: &NetworkOptions, again: Again) -> Next {
        self.made += 1;
        if self.started.elapsed() >= network.total_timeout {
            return Next::TooSlow;
        }
        let pause = match again {
            Again::Never => return Next::GiveUp,
            Again::Soon => self.wait.min(network.longest_wait),
            Again::After(pause) if pause > network.longest_wait => return Next::ComeBackLater(pause),
            Again::After(pause) => pause,
        };
        if self.made >= network.attempts || self.started.elapsed() + pause >= network.total_timeout {
            return Next::GiveUp;
        }
        self.wait = self.wait.saturating_mul(2);
        Next::Wait(pause)
    }
}
