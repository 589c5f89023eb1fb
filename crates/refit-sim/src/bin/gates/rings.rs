//! One ring, with which nothing else is wrong: a release that fails at once, or that silences devices.

use super::{DAY, LOOKS, PATIENCE, RATES, REPORTS, RINGS, gate, plot, time};
use jiff::SignedDuration;
use refit_core::{
    policy::document::test::GateAnswer,
    rollout::{Compared, Evidence, Measure, Tally, judge},
};
use refit_sim::Rng;

/// How a release breaks a device.
#[derive(Clone, Copy, PartialEq)]
pub enum Breaks {
    /// It can't be installed: the device says so.
    AtOnce,
    /// It is installed, and the device is never heard of again.
    Silently,
}

/// What became of a release.
#[derive(Clone, Copy)]
struct Ended {
    answer: GateAnswer,
    /// When, in minutes after the ring opened.
    at: i64,
    /// Devices that it had broken by then.
    broken: u64,
}

/// A line for each ring and break rate.
pub fn table(title: &str, breaks: Breaks) {
    println!("**{title}**\n");
    println!(
        "| ring | break rate | passes | halts | asks a person | time until it ends, median | devices broken in the ring, 95 % |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let (mut passed, mut halted) = (Vec::new(), Vec::new());
    for ring in RINGS {
        let (mut pass_line, mut halt_line) = (Vec::new(), Vec::new());
        for rate in RATES {
            let runs = if ring > 1_000 { 200 } else { 1_000 };
            let mut ended: Vec<Ended> = (0..runs).map(|run| simulate(ring, rate, breaks, run)).collect();
            let share = |answer| ended.iter().filter(|it| it.answer == answer).count() as f64 / runs as f64 * 100.0;
            let (passes, halts, asks) =
                (share(GateAnswer::Pass), share(GateAnswer::Halt), share(GateAnswer::Inconclusive));
            ended.sort_by_key(|it| it.at);
            let median = ended[ended.len() / 2].at as f64 / 60.0;
            ended.sort_by_key(|it| it.broken);
            let broken = ended[ended.len() * 95 / 100].broken;
            println!(
                "| {ring} | {} % | {passes:.1} % | {halts:.1} % | {asks:.1} % | {median:.0} h | {broken} |",
                rate * 100.0
            );
            pass_line.push(passes);
            halt_line.push(halts);
        }
        passed.push(pass_line);
        halted.push(halt_line);
    }
    println!();
    plot("Passes, of 100 releases", &passed);
    plot("Halts, of 100 releases", &halted);
}

fn simulate(ring: u64, rate: f64, breaks: Breaks, run: u64) -> Ended {
    let mut rng = Rng::stream(run * 1_000_003 + ring * 7 + (rate * 1_000.0) as u64, "gates");
    // When each device has the release, and whether that breaks it.
    let mut devices: Vec<(i64, bool)> =
        (0..ring).map(|_| ((-(1.0 - rng.unit()).ln() * REPORTS) as i64, rng.unit() < rate)).collect();
    devices.sort_unstable();
    let mut looks: Vec<i64> = devices.iter().map(|(at, _)| *at).collect();
    looks.extend((0..=PATIENCE / LOOKS).map(|look| look * LOOKS));
    looks.sort_unstable();
    looks.dedup();
    let gate = gate();
    let (mut given, mut day_given) = (Counted::default(), Counted::default());
    let mut first = None;
    for at in looks {
        given.up_to(&devices, at);
        day_given.up_to(&devices, at - DAY);
        let heard = if breaks == Breaks::Silently { given.all - given.broken } else { given.all };
        if heard > 0 {
            first = first.or(Some(at));
        }
        let failed = if breaks == Breaks::AtOnce { given.broken } else { 0 };
        let silent = if breaks == Breaks::Silently { day_given.broken } else { 0 };
        // The control group is nine times as large, and nothing is wrong with it.
        let control = Tally::new(0, ring * 9);
        let compared = vec![Compared {
            measure: Measure::Silence,
            reached: Tally::new(silent, given.all),
            control,
            watched: Some(day_given.all),
        }];
        let evidence = Evidence {
            first_result: first.map(time),
            devices: ring,
            reported: heard,
            failed,
            elsewhere: Tally::default(),
            compared,
            ..Evidence::default()
        };
        let answer = judge(&gate, SignedDuration::from_hours(24), &evidence, time(at)).answer();
        if answer != GateAnswer::Inconclusive {
            return Ended { answer, at, broken: given.broken };
        }
    }
    Ended { answer: GateAnswer::Inconclusive, at: PATIENCE, broken: given.broken }
}

/// How many devices have a release, and how many of them it breaks.
#[derive(Default)]
struct Counted {
    all: u64,
    broken: u64,
}

impl Counted {
    fn up_to(&mut self, devices: &[(i64, bool)], at: i64) {
        while let Some((_, broken)) = devices.get(self.all as usize).filter(|(given, _)| *given <= at) {
            self.all += 1;
            self.broken += u64::from(*broken);
        }
    }
}
