//! A release that breaks one model of laptop, with canaries of all models and with canaries of one: then all of them are one result.

use super::{DAY, LOOKS, REPORTS, gate, time};
use jiff::SignedDuration;
use refit_core::{
    policy::document::test::GateAnswer,
    rollout::{Compared, Evidence, Measure, Tally, judge},
};
use refit_sim::Rng;

/// How many models a fleet has, as many devices of each.
const MODELS: u64 = 4;
/// Fleets, by the number of their devices.
const FLEETS: [u64; 3] = [80, 800, 8_000];
/// The shares of the devices of that model that it breaks.
const RATES: [f64; 3] = [0.05, 0.2, 1.0];

/// How many rings there are.
const RINGS: usize = 4;

/// Which models the canaries are.
#[derive(Clone, Copy, PartialEq)]
enum Canaries {
    /// All.
    All,
    /// The one that it breaks.
    Broken,
    /// Another one.
    Another,
}

/// What became of a release on its way through a fleet.
struct Ended {
    halted: bool,
    /// After which ring, from 0 on.
    ring: usize,
    /// The share of the fleet that has it, 0 to 1.
    reached: f64,
    /// Devices that it broke.
    broken: u64,
}

/// A line for each fleet, choice of canaries and break rate.
pub fn table() {
    println!("**It breaks one model of four, and says so at once**\n");
    println!(
        "| fleet | canaries are of | breaks of that model | halts | by its canaries | asks a person | has it by then, median | broken devices, 95 % |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for fleet in FLEETS {
        for (name, canaries) in
            [("all models", Canaries::All), ("that model", Canaries::Broken), ("another model", Canaries::Another)]
        {
            for rate in RATES {
                let runs = if fleet > 1_000 { 100 } else { 400 };
                let mut ended: Vec<Ended> = (0..runs).map(|run| journey(fleet, canaries, rate, run)).collect();
                let share = |which: &dyn Fn(&Ended) -> bool| {
                    ended.iter().filter(|it| which(it)).count() as f64 / runs as f64 * 100.0
                };
                let (halted, first) = (share(&|it| it.halted), share(&|it| it.halted && it.ring == 0));
                let asks = share(&|it| !it.halted && it.ring + 1 < RINGS);
                ended.sort_by(|a, b| a.reached.total_cmp(&b.reached));
                let reached = ended[ended.len() / 2].reached * 100.0;
                ended.sort_by_key(|it| it.broken);
                let broken = ended[ended.len() * 95 / 100].broken;
                println!(
                    "| {fleet} | {name} | {} % | {halted:.1} % | {first:.1} % | {asks:.1} % | {reached:.0} % | {broken} |",
                    rate * 100.0
                );
            }
        }
    }
    println!();
}

/// Canary (1 %, at least 8), early (10 %), broad (half) and the rest, which soak for one, two and two days. Where nothing is sure, a
/// person is asked after a week, and stops it.
fn journey(fleet: u64, canaries: Canaries, rate: f64, run: u64) -> Ended {
    let mut rng = Rng::stream(run * 1_000_003 + fleet * 11 + (rate * 1_000.0) as u64, "models");
    let canary = (fleet / 100).max(8);
    let sizes = [canary, fleet / 10, fleet / 2, fleet - canary - fleet / 10 - fleet / 2];
    let soaks = [1, 2, 2, 0];
    let gate = gate();
    let mut open: Vec<Vec<(i64, bool)>> = Vec::new();
    let (mut opens, mut last_opened) = (true, 0);
    let (mut given, mut broken) = (0, 0);
    for at in (0..60 * DAY).step_by(LOOKS as usize) {
        if opens && open.len() < sizes.len() {
            let chosen = if open.is_empty() { canaries } else { Canaries::All };
            let devices = (0..sizes[open.len()]).map(|_| {
                let of_model = match chosen {
                    Canaries::All => rng.below(MODELS) == 0,
                    Canaries::Broken => true,
                    Canaries::Another => false,
                };
                (at - ((1.0 - rng.unit()).ln() * REPORTS) as i64, rng.unit() < rate && of_model)
            });
            open.push(devices.collect());
            (opens, last_opened) = (false, at);
        }
        let count = |ring: &[(i64, bool)], until: i64| {
            let there = ring.iter().filter(|(given, _)| *given <= until);
            there.fold(Tally::default(), |tally, (_, broken)| tally.and(Tally::new(u64::from(*broken), 1)))
        };
        let all = open.iter().fold(Tally::default(), |tally, ring| tally.and(count(ring, at)));
        (given, broken) = (all.of, all.bad);
        let place = open.len() - 1;
        let here = count(&open[place], at);
        let later = fleet - open.iter().map(|ring| ring.len() as u64).sum::<u64>();
        let evidence = Evidence {
            first_result: open[place].iter().map(|(given, _)| *given).min().filter(|first| *first <= at).map(time),
            devices: open[place].len() as u64,
            reported: here.of,
            failed: here.bad,
            elsewhere: Tally::new(all.bad - here.bad, all.of - here.of),
            compared: vec![Compared {
                measure: Measure::Silence,
                reached: Tally::new(0, all.of),
                control: Tally::new(0, later),
                watched: Some(open.iter().map(|ring| count(ring, at - DAY).of).sum()),
            }],
            ..Evidence::default()
        };
        let ended = |halted| Ended { halted, ring: place, reached: given as f64 / fleet as f64, broken };
        match judge(&gate, SignedDuration::from_hours(24 * soaks[place]), &evidence, time(at)).answer() {
            GateAnswer::Halt => return ended(true),
            GateAnswer::Pass if open.len() < sizes.len() => opens = true,
            _ if at - last_opened > 7 * DAY => return ended(false),
            _ => {}
        }
    }
    Ended { halted: false, ring: open.len() - 1, reached: given as f64 / fleet as f64, broken }
}
