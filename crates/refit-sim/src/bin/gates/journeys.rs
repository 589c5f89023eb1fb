//! Whole fleets, ring by ring: a release that works for three days.

use super::{DAY, LOOKS, RATES, REPORTS, gate, plot, time};
use jiff::SignedDuration;
use refit_core::{
    policy::document::test::GateAnswer,
    rollout::{Compared, Evidence, Measure, Tally, judge},
};
use refit_sim::Rng;

/// Whole fleets, through canary (1 %, at least 3), early (10 %), broad (half) and the rest, which soak for one, two and two days.
pub fn journeys() {
    println!("**It works for three days, and then people report it**\n");
    println!("| fleet | break rate | halted | has it by then, median | has it by then, 95 % | after, median |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut lines = Vec::new();
    for fleet in [80, 800, 8_000] {
        let mut line = Vec::new();
        for rate in RATES {
            let runs = if fleet > 1_000 { 100 } else { 400 };
            let mut ended: Vec<(u64, i64, bool)> = (0..runs).map(|run| journey(fleet, rate, run)).collect();
            let halted = ended.iter().filter(|(.., halted)| *halted).count() as f64 / runs as f64 * 100.0;
            ended.sort_unstable();
            let share = |place: usize| ended[place].0 as f64 / fleet as f64 * 100.0;
            let (median, most) = (share(ended.len() / 2), share(ended.len() * 95 / 100));
            let mut times: Vec<i64> = ended.iter().map(|(_, at, _)| *at).collect();
            times.sort_unstable();
            let days = times[times.len() / 2] as f64 / DAY as f64;
            println!("| {fleet} | {} % | {halted:.1} % | {median:.0} % | {most:.0} % | {days:.1} d |", rate * 100.0);
            line.push(median);
        }
        lines.push(line);
    }
    println!();
    plot("Has it when it is halted or through, median, of 100 devices", &lines);
}

/// How many devices have a release when it is halted, or two weeks after the last ring that opened; when that is, and whether it
/// was halted.
fn journey(fleet: u64, rate: f64, run: u64) -> (u64, i64, bool) {
    let mut rng = Rng::stream(run * 1_000_003 + fleet * 11 + (rate * 1_000.0) as u64, "journeys");
    let canary = (fleet / 100).max(3);
    let sizes = [canary, fleet / 10, fleet / 2, fleet - canary - fleet / 10 - fleet / 2];
    let soaks = [1, 2, 2, 0];
    let gate = gate();
    // The devices of each ring that has opened.
    let mut open: Vec<Vec<(i64, bool)>> = Vec::new();
    let (mut opens_at, mut last_opened, mut reached) = (Some(0), 0, 0);
    for at in (0..60 * DAY).step_by(LOOKS as usize) {
        if opens_at.is_some_and(|opens| opens <= at) && open.len() < sizes.len() {
            let ring = 0..sizes[open.len()];
            open.push(ring.map(|_| (at - ((1.0 - rng.unit()).ln() * REPORTS) as i64, rng.unit() < rate)).collect());
            (opens_at, last_opened) = (None, at);
        }
        let given =
            |ring: &Vec<(i64, bool)>, until: i64| ring.iter().filter(|(given, _)| *given <= until).count() as u64;
        let all: u64 = open.iter().map(|ring| given(ring, at)).sum();
        reached = all;
        let complain = open.iter().flatten().filter(|(given, broken)| *broken && at - given >= 3 * DAY).count() as u64;
        let Some(ring) = open.last() else { continue };
        let control = Tally::new(0, fleet - open.iter().map(|ring| ring.len() as u64).sum::<u64>());
        let reported = given(ring, at);
        let evidence = Evidence {
            first_result: ring.iter().map(|(given, _)| *given).min().filter(|first| *first <= at).map(time),
            devices: ring.len() as u64,
            reported,
            failed: 0,
            elsewhere: Tally::new(0, all - reported),
            compared: vec![
                Compared {
                    measure: Measure::Silence,
                    reached: Tally::new(0, all),
                    control,
                    watched: Some(open.iter().map(|ring| given(ring, at - DAY)).sum()),
                },
                Compared { measure: Measure::Reports, reached: Tally::new(complain, all), control, watched: None },
            ],
            ..Evidence::default()
        };
        let soak = SignedDuration::from_hours(24 * soaks[open.len() - 1]);
        match judge(&gate, soak, &evidence, time(at)).answer() {
            GateAnswer::Halt => return (all, at, true),
            GateAnswer::Pass if open.len() < sizes.len() => opens_at = opens_at.or(Some(at)),
            // Nothing comes any more: all have it, or a person has been asked for a week.
            _ if at - last_opened > 14 * DAY => return (all, at, false),
            _ => {}
        }
    }
    (reached, 60 * DAY, false)
}
