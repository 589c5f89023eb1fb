//! The machine against receivers that fail, hang, lie and come back, with restarts, in simulated time. What it promises is counted by the
//! receiver: every event at least once, those of one device in order, and nothing that is neither delivered, nor pending, nor dead.

mod batches;

use super::*;
use crate::business::Position;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

fn start() -> Timestamp {
    "2026-11-27T08:00:00Z".parse().unwrap()
}

fn at(n: u64) -> Position {
    Position { seq: n, index: 0 }
}

fn failed() -> Ended {
    Ended::Failed { why: "status 500".into(), wait: None }
}

fn device(name: &str) -> Keys {
    Keys::Some(vec![name.into()])
}

/// How large events are, where that is beside the point.
const SMALL: usize = 600;

fn later(now: Timestamp, wait: SignedDuration) -> Timestamp {
    now.checked_add(wait).unwrap()
}

#[test]
fn what_fails_is_tried_again_for_three_days_and_is_then_a_dead_letter() {
    let mut machine = Machine::new("s1", Position::START);
    let mut now = start();
    machine.offer(at(1), device("d1"), SMALL, now);
    let mut attempts = Vec::new();
    while let Some(next) = machine.next(now) {
        now = now.max(next);
        for attempt in machine.due(now, IN_FLIGHT_MOST) {
            attempts.push(now.duration_since(start()));
            assert_eq!(attempt.number as usize, attempts.len());
            machine.ended(&attempt.positions, failed(), now);
        }
    }
    assert!(attempts.len() > 15 && attempts.len() < 40, "{attempts:?}");
    assert!(attempts[1] >= SignedDuration::from_secs(5) && attempts[1] <= SignedDuration::from_secs(6));
    let last = *attempts.last().unwrap();
    assert!(last <= PATIENCE && last >= SignedDuration::from_hours(66), "{last:?}");
    assert_eq!((machine.pending().len(), machine.dead().len()), (0, 1));
    assert_eq!(machine.dead()[&at(1)].failures as usize, attempts.len());

    // Somebody sends it again.
    machine.resume(now);
    assert!(machine.replay(at(1), now) && !machine.replay(at(1), now));
    let again = machine.due(now, IN_FLIGHT_MOST);
    assert_eq!(again, [Attempt { positions: vec![at(1)], number: 1 }]);
    machine.ended(&[at(1)], Ended::Delivered, now);
    assert!(machine.pending().is_empty() && machine.dead().is_empty());
}

#[test]
fn one_device_waits_for_its_own_events_and_for_nobody_elses() {
    let mut machine = Machine::new("s1", Position::START);
    let now = start();
    machine.offer(at(1), device("d1"), SMALL, now);
    machine.offer(at(2), device("d1"), SMALL, now);
    machine.offer(at(3), device("d2"), SMALL, now);
    machine.offer(at(4), Keys::All, SMALL, now);
    machine.offer(at(5), device("d3"), SMALL, now);
    let positions = |attempts: Vec<Attempt>| attempts.iter().map(|it| it.positions[0].seq).collect::<Vec<_>>();
    assert_eq!(positions(machine.due(now, IN_FLIGHT_MOST)), [1, 3]);
    machine.ended(&[at(3)], Ended::Delivered, now);
    machine.ended(&[at(1)], failed(), now);
    assert_eq!(positions(machine.due(now, IN_FLIGHT_MOST)), Vec::<u64>::new());
    let now = later(now, SignedDuration::from_secs(10));
    assert_eq!(positions(machine.due(now, IN_FLIGHT_MOST)), [1]);
    machine.ended(&[at(1)], Ended::Delivered, now);
    assert_eq!(positions(machine.due(now, IN_FLIGHT_MOST)), [2]);
    machine.ended(&[at(2)], Ended::Delivered, now);
    // What may be about anything waits for all, and all wait for it.
    assert_eq!(positions(machine.due(now, IN_FLIGHT_MOST)), [4]);
    machine.ended(&[at(4)], Ended::Delivered, now);
    assert_eq!(positions(machine.due(now, IN_FLIGHT_MOST)), [5]);
}

#[test]
fn an_open_circuit_asks_one_at_a_time_and_closes_by_itself() {
    let mut machine = Machine::new("s1", Position::START);
    let mut now = start();
    for n in 1..=20 {
        machine.offer(at(n), device(&format!("d{n}")), SMALL, now);
    }
    for attempt in machine.due(now, IN_FLIGHT_MOST) {
        machine.ended(&attempt.positions, failed(), now);
    }
    assert!(machine.is_open());
    assert!(machine.due(now, IN_FLIGHT_MOST).is_empty());
    now = later(now, SignedDuration::from_hours(2));
    let probe = machine.due(now, IN_FLIGHT_MOST);
    assert_eq!(probe.len(), 1);
    assert!(machine.due(now, IN_FLIGHT_MOST).is_empty());
    machine.ended(&probe[0].positions, Ended::Delivered, now);
    assert!(!machine.is_open());
    assert_eq!(machine.due(now, IN_FLIGHT_MOST).len(), IN_FLIGHT_MOST);
}

#[test]
fn a_receiver_that_is_gone_gets_nothing_until_somebody_says_that_it_is_there() {
    let mut machine = Machine::new("s1", Position::START);
    let now = start();
    machine.offer(at(1), device("d1"), SMALL, now);
    let attempt = machine.due(now, IN_FLIGHT_MOST).remove(0);
    machine.ended(&attempt.positions, Ended::Gone, now);
    assert_eq!((machine.gone(), machine.room(), machine.next(now)), (Some(now), 0, None));
    assert!(machine.due(later(now, SignedDuration::from_hours(99)), IN_FLIGHT_MOST).is_empty());
    machine.resume(now);
    assert_eq!(machine.due(now, IN_FLIGHT_MOST).len(), 1);
}

#[test]
fn what_is_wanted_no_longer_goes_and_says_nothing_of_the_receiver() {
    let mut machine = Machine::new("s1", Position::START);
    let mut now = start();
    for n in 1..=20 {
        machine.offer(at(n), device(&format!("d{n}")), SMALL, now);
    }
    for attempt in machine.due(now, IN_FLIGHT_MOST) {
        machine.ended(&attempt.positions, failed(), now);
    }
    let failures = machine.failures();
    now = later(now, SignedDuration::from_hours(2));
    let probe = machine.due(now, IN_FLIGHT_MOST).remove(0);
    machine.ended(&probe.positions, Ended::Unwanted, now);
    assert!(!machine.pending().contains_key(&probe.positions[0]) && machine.dead().is_empty());
    assert!(machine.is_open() && machine.failures() == failures);
    // Another one asks whether the receiver is there, at once.
    assert_eq!(machine.next(now), Some(now));
    assert_eq!(machine.due(now, IN_FLIGHT_MOST).len(), 1);
}

#[test]
fn what_the_receiver_asks_for_is_honoured_up_to_the_longest_step() {
    let wait = |asked: i64| {
        let mut machine = Machine::new("s1", Position::START);
        machine.offer(at(1), device("d1"), SMALL, start());
        machine.due(start(), IN_FLIGHT_MOST);
        let wait = Some(SignedDuration::from_secs(asked));
        machine.ended(&[at(1)], Ended::Failed { why: "status 429".into(), wait }, start());
        machine.next(start()).unwrap().duration_since(start()).as_secs()
    };
    assert!(wait(0) >= 5 && wait(0) <= 6);
    assert_eq!(wait(600), 600);
    assert_eq!(wait(1_000_000), 4 * 3600);
}

/// A receiver and what lies between.
#[derive(Clone, Copy, Debug)]
enum Behaves {
    Takes,
    Fails,
    /// It takes the event, and its answer is lost.
    TakesAndHangs,
    Hangs,
}

fn behaves() -> impl Strategy<Value = Behaves> {
    prop_oneof![
        4 => Just(Behaves::Takes),
        2 => Just(Behaves::Fails),
        1 => Just(Behaves::TakesAndHangs),
        1 => Just(Behaves::Hangs),
    ]
}

fn packing() -> impl Strategy<Value = Packing> {
    prop_oneof![Just(Packing::One), Just(Packing::Batch)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_each_device_hears_in_order(
        // What each event is about, and how large it is.
        events in prop::collection::vec((0_u8..6, prop_oneof![4 => 300_usize..3_000, 1 => 100_000_usize..700_000]), 1..80),
        packing in packing(),
        // How the receiver behaves, for how many minutes.
        phases in prop::collection::vec((behaves(), 1_i64..300), 1..12),
        // After how many steps the server ends, how many steps old what it remembers is then, and how events are sent from then on.
        restarts in prop::collection::vec((1_usize..60, 0_usize..10, packing()), 0..6),
    ) {
        let keys = |which: u8| if which == 5 { Keys::All } else { device(&format!("d{which}")) };
        let mut now = start();
        let mut machine = Machine::new("s1", Position::START);
        let mut packing = packing;
        machine.pack(packing);
        let mut remembered: VecDeque<Machine> = VecDeque::from([machine.clone()]);
        let mut restarts: VecDeque<(usize, usize, Packing)> = restarts.into();
        let mut phases: VecDeque<(Behaves, Timestamp)> = phases
            .into_iter()
            .scan(start(), |until, (behaves, minutes)| {
                *until = later(*until, SignedDuration::from_mins(minutes));
                Some((behaves, *until))
            })
            .collect();
        let mut seen: BTreeMap<Position, usize> = BTreeMap::new();
        let mut order: Vec<Position> = Vec::new();
        let mut under_way: Vec<(Timestamp, Vec<Position>, Ended)> = Vec::new();
        let mut steps = 0;
        let mut since_restart = 0;
        loop {
            steps += 1;
            since_restart += 1;
            prop_assert!(steps < 20_000, "it never comes to an end");
            // What is not offered yet is offered from where the machine is.
            while machine.room() > 0 && (machine.cursor().seq as usize) < events.len() {
                let next = machine.cursor().seq + 1;
                let (which, bytes) = events[next as usize - 1];
                machine.offer(at(next), keys(which), bytes, now);
            }
            if let Some((after, age, other)) = restarts.front().copied()
                && since_restart >= after
            {
                restarts.pop_front();
                since_restart = 0;
                under_way.clear();
                let index = remembered.len().saturating_sub(1 + age);
                // What is remembered goes through bytes.
                let bytes = serde_json::to_vec(&remembered[index]).unwrap();
                machine = serde_json::from_slice(&bytes).unwrap();
                packing = other;
                machine.pack(packing);
                remembered = VecDeque::from([machine.clone()]);
                continue;
            }
            let attempts = machine.due(now, IN_FLIGHT_MOST);
            prop_assert!(attempts.len() + under_way.len() <= IN_FLIGHT_MOST);
            for attempt in attempts {
                let bytes: usize = attempt.positions.iter().map(|it| events[it.seq as usize - 1].1 + 1).sum();
                prop_assert!(attempt.positions.len() == 1 || (packing == Packing::Batch && bytes < BATCH_BYTES_MOST));
                let behaves = phases.iter().find(|(_, until)| *until > now).map_or(Behaves::Takes, |(it, _)| *it);
                if matches!(behaves, Behaves::Takes | Behaves::TakesAndHangs) {
                    for position in &attempt.positions {
                        *seen.entry(*position).or_default() += 1;
                        order.push(*position);
                    }
                }
                let (wait, ended) = match behaves {
                    Behaves::Takes => (1, Ended::Delivered),
                    Behaves::Fails => (1, failed()),
                    Behaves::TakesAndHangs | Behaves::Hangs => (20, failed()),
                };
                under_way.push((later(now, SignedDuration::from_secs(wait)), attempt.positions, ended));
            }
            remembered.push_back(machine.clone());
            if remembered.len() > 20 {
                remembered.pop_front();
            }
            under_way.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
            let next_end = under_way.first().map(|(when, ..)| *when);
            let next_due = machine.next(now).filter(|next| *next > now);
            match (next_end, next_due) {
                (None, None) if machine.pending().is_empty() => break,
                (None, None) => prop_assert!(false, "it waits for nothing: {machine:?}"),
                (end, due) => {
                    now = [end, due].into_iter().flatten().min().unwrap_or(now).max(now);
                    while under_way.first().is_some_and(|(when, ..)| *when <= now) {
                        let (_, positions, ended) = under_way.remove(0);
                        machine.ended(&positions, ended, now);
                    }
                }
            }
            while phases.front().is_some_and(|(_, until)| *until <= now) {
                phases.pop_front();
            }
        }
        // The receiver is there again before the patience is over, so that nothing is given up.
        prop_assert!(machine.dead().is_empty());
        for n in 1..=events.len() as u64 {
            prop_assert!(seen.contains_key(&at(n)), "{n} is lost");
        }
        // In order for each device, by when each was first heard; what is about anything is in order with everything.
        let mut had: BTreeSet<Position> = BTreeSet::new();
        let first: Vec<Position> = order.into_iter().filter(|position| had.insert(*position)).collect();
        for (place, earlier) in first.iter().enumerate() {
            for after in &first[place + 1..] {
                let (one, other) = (events[earlier.seq as usize - 1].0, events[after.seq as usize - 1].0);
                if one == other || one == 5 || other == 5 {
                    prop_assert!(earlier < after, "{after} came after {earlier}");
                }
            }
        }
    }
}
