//! A signal of a monitoring system, which is bad on some devices whatever they have: on the same ones each time, or on others at each
//! look. The latter is the worst for a gate that is asked often, since every look is a new draw.

use super::{
    DAY, PATIENCE, REPORTS,
    outcome::{By, Ended, Until, median_hours, percent},
    time,
};
use jiff::SignedDuration;
use refit_core::{
    policy::{
        document::test::GateAnswer,
        repository::{Gate, Signal},
    },
    rollout::{Compared, Evidence, Measure, Tally, judge},
};
use refit_sim::Rng;

/// The sizes of rings, each with how often it is looked at, in minutes, and how many releases are tried; the control group is nine times
/// as large.
const RINGS: [(u64, i64, u64); 3] = [(8, 30, 400), (80, 30, 200), (800, 120, 50)];
/// The shares of devices on which it is bad whatever they have.
const USUAL: [f64; 3] = [0.0, 0.02, 0.2];
/// The shares of devices that the release adds to them.
const RATES: [f64; 4] = [0.0, 0.05, 0.2, 1.0];

/// A line for each ring, usual share and break rate.
pub fn tables() {
    for (title, chronic) in [
        ("A signal that is bad on the same devices each time", true),
        ("A signal that is bad on others at each look", false),
    ] {
        println!("**{title}**\n");
        println!(
            "| ring | looks | usually bad | release adds | passes | halts | asks a person | time until it ends, median |"
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
        for (ring, every, runs) in RINGS {
            for usual in USUAL {
                for rate in RATES {
                    let of = |run| simulate((ring, every), (usual, rate), chronic, Until::Answered, run);
                    let ended: Vec<Ended> = (0..runs).map(of).collect();
                    println!(
                        "| {ring} | {} | {} % | {} % | {:.1} % | {:.1} % | {:.1} % | {:.0} h |",
                        PATIENCE / every,
                        usual * 100.0,
                        rate * 100.0,
                        percent(&ended, |it| it.answer == GateAnswer::Pass),
                        percent(&ended, |it| it.by == Some(By::Signal)),
                        percent(&ended, |it| it.answer == GateAnswer::Inconclusive),
                        median_hours(&ended)
                    );
                }
            }
        }
        println!();
    }
    println!("**A good release that is looked at for a week, whatever it has passed**\n");
    println!("| ring | looks | usually bad | the same ones: halts | others at each look: halts |");
    println!("| --- | --- | --- | --- | --- |");
    for (ring, every, runs) in RINGS {
        for usual in USUAL {
            let [same, others] = [true, false].map(|chronic| {
                let of = |run| simulate((ring, every), (usual, 0.0), chronic, Until::Halted, run);
                percent(&(0..runs).map(of).collect::<Vec<_>>(), |it| it.answer == GateAnswer::Halt)
            });
            println!("| {ring} | {} | {} % | {same:.1} % | {others:.1} % |", PATIENCE / every, usual * 100.0);
        }
    }
    println!();
}

/// The gate of the guide, with a signal and without other measures.
fn gate() -> Gate {
    let crashes = Signal { name: "crashes".into(), source: "monitoring".into() };
    Gate { enough: Some(0.9), signals: vec![crashes], ..Gate::named("default") }
}

fn simulate((ring, every): (u64, i64), (usual, rate): (f64, f64), chronic: bool, until: Until, run: u64) -> Ended {
    let seed = run * 1_000_003 + ring * 7 + (usual * 100.0) as u64 * 101 + (rate * 100.0) as u64 * 10_007;
    let mut rng = Rng::stream(seed, if chronic { "chronic" } else { "flickering" });
    // When each device gets the release, whether it is bad whatever it has, and whether the release makes it so.
    let mut devices: Vec<(i64, bool, bool)> = (0..ring)
        .map(|_| ((-(1.0 - rng.unit()).ln() * REPORTS) as i64, rng.unit() < usual, rng.unit() < rate))
        .collect();
    devices.sort_unstable();
    let others = ring * 9;
    let bad_of_themselves = (0..others).filter(|_| rng.unit() < usual).count() as u64;
    let gate = gate();
    for at in (0..=PATIENCE).step_by(every as usize) {
        let have_it = devices.iter().filter(|(given, ..)| *given <= at);
        let of = have_it.clone().count() as u64;
        let bad = have_it
            .filter(|(_, itself, broken)| *broken || if chronic { *itself } else { usual > 0.0 && rng.unit() < usual });
        let reached = Tally::new(bad.count() as u64, of);
        let control = match chronic || usual == 0.0 {
            true => bad_of_themselves,
            false => (0..others).filter(|_| rng.unit() < usual).count() as u64,
        };
        let measure = Measure::Signal("crashes".into());
        let evidence = Evidence {
            first_result: devices.first().map(|(given, ..)| *given).filter(|first| *first <= at).map(time),
            devices: ring,
            reported: of,
            failed: 0,
            elsewhere: Tally::default(),
            compared: vec![Compared { measure, reached, control: Tally::new(control, others), watched: Some(of) }],
            ..Evidence::default()
        };
        let verdict = judge(&gate, SignedDuration::from_mins(DAY), &evidence, time(at));
        if let Some(ended) = Ended::of(&verdict, at).filter(|ended| until.is_over(ended)) {
            return ended;
        }
    }
    Ended::ASKS
}
