//! When something is tried again, and for how long.

use jiff::SignedDuration;
use sha2::{Digest, Sha256};

/// How long to wait after the first failures; after more of them the last counts each time. The first are short, because most failures are a
/// restart; the last is such that a receiver that is down over night gets everything the next morning.
pub const STEPS: [SignedDuration; 8] = [
    SignedDuration::from_secs(5),
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(10),
    SignedDuration::from_mins(30),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(2),
    SignedDuration::from_hours(4),
];

/// For how long something is tried, from its first attempt: over a weekend.
pub const PATIENCE: SignedDuration = SignedDuration::from_hours(72);

/// How long to wait after so many failures (from 1 on): a step, and up to a fifth more, so that what failed together is not tried
/// together. The part is always the same for the same name, event and number.
pub fn delay(name: &str, event: &str, failures: u32) -> SignedDuration {
    let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX).min(STEPS.len() - 1);
    let step = STEPS[step];
    let mut hasher = Sha256::new();
    for part in [name.as_bytes(), event.as_bytes(), &failures.to_be_bytes()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let part = i64::from(u16::from_be_bytes([digest[0], digest[1]]));
    let fifth = i64::try_from(step.as_millis() / 5).unwrap_or(0);
    step.saturating_add(SignedDuration::from_millis(fifth * part / i64::from(u16::MAX)))
}
