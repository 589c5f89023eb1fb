//! Many events in one post.

use super::*;

fn batches() -> Machine {
    let mut machine = Machine::new("s1", Position::START);
    machine.pack(Packing::Batch);
    machine
}

fn range(from: u64, to: u64) -> Vec<Position> {
    (from..=to).map(at).collect()
}

/// What is due now, without saying how it ended.
fn due(machine: &mut Machine, now: Timestamp) -> Vec<Vec<Position>> {
    machine.due(now, IN_FLIGHT_MOST).into_iter().map(|attempt| attempt.positions).collect()
}

/// Sends until nothing is left to send: each post with when it was sent.
fn send_all(
    machine: &mut Machine,
    now: &mut Timestamp,
    answer: impl Fn(&[Position]) -> Ended,
) -> Vec<(Timestamp, Vec<Position>)> {
    let mut posts = Vec::new();
    while let Some(next) = machine.next(*now) {
        *now = (*now).max(next);
        let attempts = machine.due(*now, IN_FLIGHT_MOST);
        assert!(!attempts.is_empty(), "it waits for nothing: {machine:?}");
        for attempt in attempts {
            machine.ended(&attempt.positions, answer(&attempt.positions), *now);
            posts.push((*now, attempt.positions));
        }
    }
    posts
}

#[test]
fn what_waits_goes_in_one_post_and_what_comes_meanwhile_in_the_next() {
    let mut machine = batches();
    let now = start();
    machine.offer(at(1), device("d1"), SMALL, now);
    machine.offer(at(2), Keys::All, SMALL, now);
    // It waits a moment for others.
    assert!(due(&mut machine, now).is_empty());
    assert_eq!(machine.next(now), Some(later(now, BATCH_WAIT)));
    let now = later(now, BATCH_WAIT);
    machine.offer(at(3), device("d1"), SMALL, now);
    assert_eq!(due(&mut machine, now), [range(1, 3)]);

    machine.offer(at(4), device("d1"), SMALL, now);
    machine.offer(at(5), device("d2"), SMALL, now);
    let now = later(now, BATCH_WAIT);
    assert!(due(&mut machine, now).is_empty(), "what is about anything is under way");
    machine.ended(&range(1, 3), Ended::Delivered, now);
    assert_eq!(due(&mut machine, now), [range(4, 5)]);
    machine.ended(&range(4, 5), Ended::Delivered, now);
    assert_eq!((machine.pending().len(), machine.next(now)), (0, None));
}

#[test]
fn a_batch_is_bounded_and_the_next_goes_beside_it_where_it_is_about_others() {
    let now = start();
    let then = later(now, BATCH_WAIT);
    let many = BATCH_EVENTS_MOST as u64;
    let offered = |keys: &dyn Fn(u64) -> Keys, bytes: &dyn Fn(u64) -> usize, many: u64| {
        let mut machine = batches();
        (1..=many).for_each(|n| machine.offer(at(n), keys(n), bytes(n), now));
        machine
    };
    let apart = |n: u64| device(&format!("d{n}"));
    let mut machine = offered(&apart, &|_| SMALL, many + 3);
    assert_eq!(due(&mut machine, then), [range(1, many), range(many + 1, many + 3)]);
    let mut machine = offered(&|_| device("d1"), &|_| SMALL, many + 3);
    assert_eq!(due(&mut machine, then), [range(1, many)]);
    machine.ended(&range(1, many), Ended::Delivered, then);
    assert_eq!(due(&mut machine, then), [range(many + 1, many + 3)]);

    // Brackets and commas count; what is too large alone goes alone.
    let half = BATCH_BYTES_MOST / 2;
    let mut machine = offered(&apart, &|n| [half - 2, half - 1][n as usize - 1], 2);
    assert_eq!(due(&mut machine, then), [range(1, 2)]);
    let mut machine = offered(&apart, &|n| [half - 1, half - 1][n as usize - 1], 2);
    assert_eq!(due(&mut machine, then), [range(1, 1), range(2, 2)]);
    let mut machine = offered(&apart, &|n| [SMALL, 2 * BATCH_BYTES_MOST, SMALL][n as usize - 1], 3);
    assert_eq!(due(&mut machine, then), [range(1, 1), range(2, 2), range(3, 3)]);
}

#[test]
fn a_policy_change_on_a_million_devices_is_a_hundred_posts() {
    // One event for each 64 devices, each with their ids; a receiver that answers at once.
    const EVENTS: u64 = 1_000_000 / 64;
    const BYTES: usize = 64 * 39 + 700;
    let mut machine = batches();
    let mut now = start();
    let mut heard = Vec::new();
    let mut posts = 0;
    while machine.cursor() < at(EVENTS) || !machine.pending().is_empty() {
        while machine.room() > 0 && machine.cursor() < at(EVENTS) {
            machine.offer(at(machine.cursor().seq + 1), Keys::All, BYTES, now);
        }
        now = machine.next(now).unwrap();
        for attempt in machine.due(now, IN_FLIGHT_MOST) {
            machine.ended(&attempt.positions, Ended::Delivered, now);
            heard.extend(attempt.positions);
            posts += 1;
        }
    }
    assert_eq!(heard, range(1, EVENTS));
    assert!(posts <= 110, "{posts}");
}

#[test]
fn what_a_receiver_refuses_is_found_by_quarters_and_given_up_alone() {
    let mut machine = batches();
    let mut now = start();
    (1..=100).for_each(|n| machine.offer(at(n), device(&format!("d{n}")), SMALL, now));
    let refused = |positions: &[Position]| if positions.contains(&at(7)) { failed() } else { Ended::Delivered };
    let posts = send_all(&mut machine, &mut now, refused);
    assert_eq!(machine.dead().keys().copied().collect::<Vec<_>>(), range(7, 7));
    let taken: Vec<_> = posts.iter().filter(|(_, positions)| !positions.contains(&at(7))).collect();
    let mut heard: Vec<Position> = taken.iter().flat_map(|(_, positions)| positions.iter().copied()).collect();
    heard.sort();
    assert_eq!(heard, [range(1, 6), range(8, 100)].concat(), "each is taken once");
    let last = taken.iter().map(|(when, _)| when.duration_since(start())).max().unwrap();
    assert!(last < SignedDuration::from_mins(20), "{last:?}");
    assert!(taken.len() <= 20, "{}", taken.len());

    // Once it takes that too, it is sent again.
    machine.resume(now);
    assert!(machine.replay(at(7), now));
    assert_eq!(due(&mut machine, now), [range(7, 7)]);
}

#[test]
fn a_post_that_fails_is_one_failure_and_an_open_circuit_asks_with_one_event() {
    let mut machine = batches();
    let mut now = start();
    (1..=1_000).for_each(|n| machine.offer(at(n), Keys::All, SMALL, now));
    for failures in 1..=FAILURES_MOST {
        now = machine.next(now).unwrap();
        let attempts = machine.due(now, IN_FLIGHT_MOST);
        assert_eq!(attempts.len(), 1);
        machine.ended(&attempts[0].positions, failed(), now);
        assert_eq!(machine.failures(), failures);
    }
    assert!(machine.is_open());
    for _ in 0..3 {
        now = machine.next(now).unwrap();
        assert_eq!(due(&mut machine, now), [range(1, 1)]);
        machine.ended(&range(1, 1), failed(), now);
    }
    // It is there again: what has waited goes in few posts.
    let posts = send_all(&mut machine, &mut now, |_| Ended::Delivered);
    assert_eq!(posts.iter().flat_map(|(_, positions)| positions.clone()).collect::<Vec<_>>(), range(1, 1_000));
    assert!(posts.len() < 30, "{}", posts.len());
}

#[test]
fn of_a_batch_what_is_wanted_no_longer_goes_and_the_rest_ends_by_itself() {
    let mut machine = batches();
    let now = start();
    (1..=3).for_each(|n| machine.offer(at(n), device("d1"), SMALL, now));
    let now = later(now, BATCH_WAIT);
    assert_eq!(due(&mut machine, now), [range(1, 3)]);
    machine.ended(&range(1, 1), Ended::Unwanted, now);
    machine.ended(&range(2, 3), failed(), now);
    assert_eq!(machine.pending().keys().copied().collect::<Vec<_>>(), range(2, 3));
    assert_eq!((machine.failures(), machine.dead().len()), (1, 0));
    // A late word changes nothing, but that what was delivered is.
    machine.ended(&range(2, 3), failed(), now);
    assert_eq!(machine.failures(), 1);
    machine.ended(&range(1, 3), Ended::Delivered, now);
    assert!(machine.pending().is_empty());
}

#[test]
fn what_was_remembered_without_sizes_goes_alone() {
    let mut machine = Machine::new("s1", Position::START);
    (1..=3).for_each(|n| machine.offer(at(n), device(&format!("d{n}")), SMALL, start()));
    let mut remembered = serde_json::to_value(&machine).unwrap();
    remembered.as_object_mut().unwrap().remove("packing");
    for pending in remembered["pending"].as_object_mut().unwrap().values_mut() {
        for field in ["bytes", "most"] {
            assert!(pending.as_object_mut().unwrap().remove(field).is_some());
        }
    }
    let mut machine: Machine = serde_json::from_value(remembered).unwrap();
    machine.pack(Packing::Batch);
    assert_eq!(due(&mut machine, start()), [range(1, 1), range(2, 2), range(3, 3)]);
}

#[test]
fn a_message_has_the_id_of_its_event_or_one_of_all_of_them() {
    assert_eq!(message_id(&["7-0-a"]), "7-0-a");
    let both = message_id(&["7-0-a", "7-1-a"]);
    assert_eq!(both, message_id(&["7-0-a", "7-1-a"]));
    assert!(both.starts_with("batch-") && !both.contains('.'), "{both}");
    for others in [&["7-1-a", "7-0-a"][..], &["7-0", "-a7-1-a"], &["7-0-a", "7-1-a", "7-2-a"]] {
        assert_ne!(message_id(others), both);
    }
}
