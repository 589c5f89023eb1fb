//! Fleets in which something is always wrong: laptops are shut by night, over the weekend and on leave, and people complain whatever
//! is installed. Silence and reports are held against a control group in which it is just the same.

use super::{
    DAY, LOOKS, PATIENCE, REPORTS, gate,
    outcome::{By, Ended, Until, median_hours, percent},
    time,
};
use jiff::SignedDuration;
use refit_core::{
    policy::document::test::GateAnswer,
    rollout::{Compared, Evidence, Measure, Tally, judge},
};
use refit_sim::Rng;

/// The sizes of rings, each with how many releases are tried; the control group is nine times as large.
const RINGS: [(u64, u64); 3] = [(8, 1_000), (80, 400), (800, 100)];
/// What a release does: how many of its devices it silences, and how many of their people it makes complain.
const RELEASES: [(&str, f64, f64); 5] = [
    ("good", 0.0, 0.0),
    ("silences 20 %", 0.2, 0.0),
    ("silences all", 1.0, 0.0),
    ("annoys 20 %", 0.0, 0.2),
    ("annoys all", 0.0, 1.0),
];
/// How many people complain of the title on a day, whatever they have.
const COMPLAINTS: [f64; 3] = [0.0, 0.002, 0.02];
/// After how long a complaint is no longer taken to be of a change, in minutes.
const OURS: i64 = 3 * DAY;

/// When a device is used.
struct Usage {
    /// From and to, in minutes of a day; a server never rests.
    hours: (i64, i64),
    weekends: bool,
    /// Days on leave, from and to.
    leave: (i64, i64),
    /// The day of the week on which the ring opened, from Monday on.
    weekday: i64,
}

impl Usage {
    /// One in ten works at weekends, and about one in eight goes on leave for up to two weeks at some time around the release.
    fn draw(rng: &mut Rng, weekday: i64) -> Usage {
        let begins = rng.between(-14, 40);
        let leave = if rng.permille(130) { (begins, begins + rng.between(2, 14)) } else { (i64::MAX, i64::MAX) };
        Usage {
            hours: (rng.between(7 * 60, 10 * 60), rng.between(16 * 60, 20 * 60)),
            weekends: rng.permille(100),
            leave,
            weekday,
        }
    }

    fn is_used_on(&self, day: i64) -> bool {
        let weekend = (day + self.weekday).rem_euclid(7) >= 5;
        (self.weekends || !weekend) && !(self.leave.0..self.leave.1).contains(&day)
    }

    /// When it was last in use, up to a moment in minutes since the ring opened, at midnight.
    fn heard(&self, at: i64) -> i64 {
        let today = at.div_euclid(DAY);
        let days = (0..30).map(|back| today - back).filter(|day| self.is_used_on(*day));
        let mut last = days.filter_map(|day| {
            let (from, to) = (day * DAY + self.hours.0, day * DAY + self.hours.1);
            (from <= at).then_some(to.min(at))
        });
        last.next().unwrap_or(-30 * DAY)
    }

    /// When it is in use next, from a moment on.
    fn next(&self, at: i64) -> i64 {
        let today = at.div_euclid(DAY);
        let mut days = (today..today + 60).filter(|day| self.is_used_on(*day));
        let found = days.find_map(|day| {
            let (from, to) = (day * DAY + self.hours.0, day * DAY + self.hours.1);
            (at <= to).then_some(from.max(at))
        });
        found.unwrap_or(i64::MAX / 2)
    }
}

struct Device {
    usage: Usage,
    /// When it gets the release; never in the control group.
    given: Option<i64>,
    /// Whether it is never heard again from then on.
    silenced: bool,
    /// When its person first complains after the ring opened.
    complains: Option<i64>,
}

impl Device {
    fn heard(&self, at: i64) -> i64 {
        let until = if self.silenced { self.given.map_or(at, |given| given.min(at)) } else { at };
        self.usage.heard(until)
    }

    fn has_it(&self, at: i64) -> bool {
        self.given.is_some_and(|given| given <= at)
    }
}

/// Silence, and what people say, in fleets that are never quiet.
pub fn tables() {
    println!("**The fleet is never quiet**\n");
    println!(
        "| ring | complain a day | release | passes | halts by silence | halts by reports | asks a person | time until it ends, median |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (ring, runs) in RINGS {
        for usual in COMPLAINTS {
            for (name, silences, annoys) in RELEASES {
                let ended: Vec<Ended> =
                    (0..runs).map(|run| simulate(ring, usual, (silences, annoys), Until::Answered, run)).collect();
                println!(
                    "| {ring} | {} % | {name} | {:.1} % | {:.1} % | {:.1} % | {:.1} % | {:.0} h |",
                    usual * 100.0,
                    percent(&ended, |it| it.answer == GateAnswer::Pass),
                    percent(&ended, |it| it.by == Some(By::Silence)),
                    percent(&ended, |it| it.by == Some(By::Reports)),
                    percent(&ended, |it| it.answer == GateAnswer::Inconclusive),
                    median_hours(&ended)
                );
            }
        }
    }
    println!();
    println!("**A good release in such a fleet, looked at for a week whatever it has passed**\n");
    println!("| ring | complain a day | halts by silence | halts by reports |");
    println!("| --- | --- | --- | --- |");
    for (ring, runs) in RINGS {
        for usual in COMPLAINTS {
            let of = |run| simulate(ring, usual, (0.0, 0.0), Until::Halted, run);
            let ended: Vec<Ended> = (0..runs).map(of).collect();
            let halts = |by| percent(&ended, |it| it.by == Some(by));
            let (silence, reports) = (halts(By::Silence), halts(By::Reports));
            println!("| {ring} | {} % | {silence:.1} % | {reports:.1} % |", usual * 100.0);
        }
    }
    println!();
}

fn simulate(ring: u64, usual: f64, (silences, annoys): (f64, f64), until: Until, run: u64) -> Ended {
    let seed = run * 1_000_003 + ring * 7 + (usual * 10_000.0) as u64 * 101 + (silences * 10.0 + annoys * 100.0) as u64;
    let mut rng = Rng::stream(seed, "noise");
    let (weekday, opened) = (rng.between(0, 6), rng.between(0, DAY));
    let draw = |rng: &mut Rng| -> i64 { (-(1.0 - rng.unit()).ln() * REPORTS) as i64 };
    let mut devices: Vec<Device> = (0..ring * 10)
        .map(|number| {
            let usage = Usage::draw(&mut rng, weekday);
            let given = usage.next(opened + draw(&mut rng));
            // A day on average passes until somebody who is annoyed says so.
            let annoyed = (rng.unit() < annoys).then_some(given + draw(&mut rng) * 3);
            let of_itself = (usual > 0.0).then(|| opened + (-(1.0 - rng.unit()).ln() / usual * DAY as f64) as i64);
            let reached = number < ring;
            let complains = annoyed.filter(|_| reached).into_iter().chain(of_itself).min();
            let silenced = reached && rng.unit() < silences;
            Device { complains: complains.map(|at| usage.next(at)), usage, given: reached.then_some(given), silenced }
        })
        .collect();
    let others = devices.split_off(ring as usize);
    let mut looks: Vec<i64> = devices.iter().filter_map(|device| device.given).collect();
    looks.extend((0..=PATIENCE / LOOKS).map(|look| opened + look * LOOKS));
    looks.retain(|at| *at <= opened + PATIENCE);
    looks.sort_unstable();
    looks.dedup();
    // In a large ring it is asked once in a while, not at each of hundreds of results.
    let mut last = i64::MIN / 2;
    looks.retain(|at| {
        let asked = *at - last >= (ring as i64 / 8).min(60);
        last = if asked { *at } else { last };
        asked
    });
    let gate = gate();
    for at in looks {
        let evidence = evidence(&devices, &others, opened, at);
        let verdict = judge(&gate, SignedDuration::from_hours(24), &evidence, time(at));
        if let Some(ended) = Ended::of(&verdict, at - opened).filter(|ended| until.is_over(ended)) {
            return ended;
        }
    }
    Ended::ASKS
}

fn evidence(devices: &[Device], others: &[Device], opened: i64, at: i64) -> Evidence {
    let is_silent = |heard: i64| at - heard >= DAY;
    // Of those that were heard since the ring opened: others could not be given it.
    let silence = |devices: &[Device]| {
        let there = devices.iter().map(|device| device.heard(at)).filter(|heard| *heard >= opened);
        there.fold(Tally::default(), |tally, heard| tally.and(Tally::new(u64::from(is_silent(heard)), 1)))
    };
    let watched = devices.iter().filter(|device| {
        let (heard, since) = (device.heard(at), device.given.unwrap_or(i64::MAX / 2));
        (heard >= opened && is_silent(heard)) || heard >= since + DAY
    });
    let watched = watched.count() as u64;
    // A device that it silences says nothing of having it.
    let results = devices.iter().filter(|device| device.has_it(at) && !device.silenced);
    let reported = results.clone().count() as u64;
    let complained = results.clone().filter(|device| {
        let since = device.given.unwrap_or(0);
        device.complains.is_some_and(|complains| since <= complains && complains <= at.min(since + OURS))
    });
    let complained = Tally::new(complained.count() as u64, reported);
    let complain = others.iter().filter(|device| device.complains.is_some_and(|complains| complains <= at));
    Evidence {
        first_result: results.filter_map(|device| device.given).min().map(time),
        devices: devices.len() as u64,
        reported,
        failed: 0,
        elsewhere: Tally::default(),
        compared: vec![
            Compared {
                measure: Measure::Silence,
                reached: silence(devices),
                control: silence(others),
                watched: Some(watched),
            },
            Compared {
                measure: Measure::Reports,
                reached: complained,
                control: Tally::new(complain.count() as u64, others.len() as u64),
                watched: None,
            },
        ],
        ..Evidence::default()
    }
}
