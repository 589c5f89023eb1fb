//! What gates do with releases that break so many devices: `cargo run --release -p refit-sim --bin gates`.
//!
//! Prints the tables and plots of docs/concepts/gates.md. Devices of a ring are given a release and report some time later; the gate is asked
//! after every report, and every four hours. The same command gives the same tables.
#![allow(clippy::print_stdout, reason = "this is what it is for")]

use jiff::{SignedDuration, Timestamp};
use refit_core::{
    policy::{document::test::GateAnswer, repository::Gate},
    rollout::{Compared, Evidence, Measure, Tally, judge},
};
use refit_sim::Rng;

/// The sizes of rings.
const RINGS: [u64; 4] = [8, 80, 800, 8_000];
/// The shares of devices that a release breaks.
const RATES: [f64; 7] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0];
/// How long a device takes to report, in minutes, on average: laptops are opened when people come to work.
const REPORTS: f64 = 8.0 * 60.0;
/// How often the gate is asked though nobody reports, in minutes.
const LOOKS: i64 = 240;
/// The gate's patience, in minutes: then a person is asked.
const PATIENCE: i64 = 7 * 24 * 60;

/// How a release breaks a device.
#[derive(Clone, Copy, PartialEq)]
enum Breaks {
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

fn main() {
    table("It fails at once, and the device says so", Breaks::AtOnce);
    table("It is installed, and the device falls silent", Breaks::Silently);
    journeys();
}

fn table(title: &str, breaks: Breaks) {
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

/// A line for each size, smallest first, over the break rates; as Mermaid's charts, which are drawn where Markdown is shown.
fn plot(title: &str, lines: &[Vec<f64>]) {
    let rates: Vec<String> = RATES.iter().map(|rate| format!("\"{} %\"", rate * 100.0)).collect();
    println!("```mermaid\nxychart-beta\n  title \"{title}\"");
    println!("  x-axis \"devices that it breaks\" [{}]\n  y-axis \"%\" 0 --> 100", rates.join(", "));
    for line in lines {
        let values: Vec<String> = line.iter().map(|value| format!("{value:.1}")).collect();
        println!("  line [{}]", values.join(", "));
    }
    println!("```\n");
}

const DAY: i64 = 24 * 60;

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
        };
        let answer = judge(&gate, SignedDuration::from_hours(24), &evidence, time(at)).answer();
        if answer != GateAnswer::Inconclusive {
            return Ended { answer, at, broken: given.broken };
        }
    }
    Ended { answer: GateAnswer::Inconclusive, at: PATIENCE, broken: given.broken }
}

/// Whole fleets, through canary (1 %, at least 3), early (10 %), broad (half) and the rest, which soak for one, two and two days.
fn journeys() {
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

fn time(minutes: i64) -> Timestamp {
    Timestamp::from_second(minutes * 60).unwrap_or(Timestamp::MAX)
}

/// The gate of the guide.
fn gate() -> Gate {
    Gate { enough: Some(0.9), silence: Some(0.01), reports: Some(0.01), ..Gate::named("default") }
}
