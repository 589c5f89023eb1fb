//! Plain decisions per second on one core: 1,000 devices of 200 titles, each decision with its whole derivation.
//!
//! `cargo bench -p refit-core --bench decisions` prints the CPU time of a decision, the best and the middle of many rounds. With
//! `-- once` it decides once and says nothing, for a profiler that counts instructions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

mod fleet;

use fleet::Fleet;
use nix::time::{ClockId, clock_gettime};
use refit_core::decide::{Compliance, decide};
use std::{collections::BTreeMap, error::Error, hint::black_box, time::Duration};

/// How many devices one round decides, each of them another one.
const DEVICES_PER_ROUND: usize = 100;
const ROUNDS: usize = 30;

fn main() -> Result<(), Box<dyn Error>> {
    let fleet = Fleet::new(DEVICES_PER_ROUND)?;
    if std::env::args().any(|argument| argument == "once") {
        black_box(round(&fleet));
        return Ok(());
    }
    describe(&fleet);
    let mut rounds: Vec<(Duration, usize)> = Vec::new();
    for _ in 0..ROUNDS {
        let started = cpu()?;
        let decisions = round(&fleet);
        rounds.push((cpu()?.saturating_sub(started), decisions));
    }
    rounds.sort();
    for (name, index) in [("best", 0), ("middle", ROUNDS / 2)] {
        let (took, decisions) = rounds[index];
        let each = took.as_secs_f64() / decisions as f64;
        println!(
            "{name} of {ROUNDS} rounds: {:.2} µs of CPU time a decision, {:.0} decisions/s",
            each * 1e6,
            1.0 / each
        );
        println!("  1,000 devices of 200 titles: {:.2} s", each * 200_000.0);
    }
    Ok(())
}

/// CPU time of this process: others who use the machine do not count.
fn cpu() -> nix::Result<Duration> {
    Ok(Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?))
}

/// Decides every slot of every device, and throws the answers away, which is counted too.
fn round(fleet: &Fleet) -> usize {
    fleet.devices.iter().map(|device| black_box(decide(&fleet.repository, &fleet.world, device, fleet.now)).len()).sum()
}

/// Shows that the fleet is a mixed one: what is not decided costs nothing.
fn describe(fleet: &Fleet) {
    let mut compliance: BTreeMap<Compliance, usize> = BTreeMap::new();
    let (mut decisions, mut obligations, mut releases, mut holds, mut admitted) = (0, 0, 0, 0, 0);
    for device in &fleet.devices {
        for decision in decide(&fleet.repository, &fleet.world, device, fleet.now) {
            decisions += 1;
            *compliance.entry(decision.compliance).or_default() += 1;
            obligations += decision.derivation.obligations.len();
            releases += decision.derivation.releases.len();
            holds += usize::from(!decision.holds.is_empty());
            admitted += usize::from(decision.admitted.is_some());
        }
    }
    println!("{} devices, {decisions} decisions: {compliance:?}", fleet.devices.len());
    println!("{obligations} obligations, {releases} releases considered, {admitted} admitted, {holds} held");
}
