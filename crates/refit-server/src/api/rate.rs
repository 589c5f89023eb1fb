//! How often a token may ask: a bucket for each, which fills with time.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// How many buckets are kept; full ones are dropped first.
const BUCKETS_MOST: usize = 10_000;

/// The buckets.
pub struct Rates {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Rates {
    /// Buckets that hold `burst` requests, and get `per_second` of them back.
    pub fn new(per_second: f64, burst: f64) -> Rates {
        Rates { per_second, burst, buckets: Mutex::default() }
    }

    /// Takes one request; where there is none left, says in how many seconds there will be.
    pub fn take(&self, who: &str) -> Result<(), u64> {
        self.take_at(who, Instant::now())
    }

    fn take_at(&self, who: &str, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let filled = |(left, at): (f64, Instant)| {
            (left + now.saturating_duration_since(at).as_secs_f64() * self.per_second).min(self.burst)
        };
        if buckets.len() >= BUCKETS_MOST {
            buckets.retain(|_, bucket| filled(*bucket) < self.burst);
        }
        let left = buckets.get(who).map_or(self.burst, |bucket| filled(*bucket));
        let enough = left >= 1.0;
        buckets.insert(who.to_owned(), (if enough { left - 1.0 } else { left }, now));
        if enough { Ok(()) } else { Err(((1.0 - left) / self.per_second).ceil().clamp(1.0, 3_600.0) as u64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_empties_and_fills_by_itself() {
        let rates = Rates::new(2.0, 3.0);
        let now = Instant::now();
        for _ in 0..3 {
            assert_eq!(rates.take_at("a", now), Ok(()));
        }
        assert_eq!(rates.take_at("a", now), Err(1));
        assert_eq!(rates.take_at("b", now), Ok(()));
        assert_eq!(rates.take_at("a", now + Duration::from_millis(500)), Ok(()));
        assert_eq!(rates.take_at("a", now + Duration::from_millis(500)), Err(1));
    }
}
