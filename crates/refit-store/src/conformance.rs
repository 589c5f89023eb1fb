//! The laws that every store keeps. Each is a function that takes an empty store and panics where the store breaks the law.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken law is a panic in a test")]

use crate::{
    batch::{Answered, BODY_BYTES_MAX, Batch, Blob, NewEvent, PersonalValue, Seq},
    error::{AppendError, LeaseError, StoreError},
    lease::Fence,
    snapshot::Snapshot,
    store::Store,
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};

/// How long leases last here.
const TTL: Duration = Duration::from_secs(30);

/// Holds all laws against stores that `make` makes, each time an empty one.
pub async fn run_all<S: Store + 'static>(make: impl AsyncFn() -> S) {
    an_empty_log_has_nothing(&make().await).await;
    what_is_appended_is_read_back_exactly(&make().await).await;
    reading_goes_on_where_it_ended(&make().await).await;
    appends_have_to_know_the_end(&make().await).await;
    a_repeated_append_changes_nothing(&make().await).await;
    of_racing_appends_one_wins(Arc::new(make().await)).await;
    a_batch_is_appended_as_a_whole_or_not_at_all(&make().await).await;
    a_key_is_answered_once(&make().await).await;
    old_answers_are_forgotten(&make().await).await;
    blobs_are_named_by_their_content(&make().await).await;
    sizes_and_times_have_limits(&make().await).await;
    snapshots_are_found_by_time(&make().await).await;
    a_snapshot_does_not_run_ahead(&make().await).await;
    personal_values_are_erased_by_person(&make().await).await;
    one_holder_at_a_time(&make().await).await;
    an_old_fence_keeps_out(&make().await).await;
    a_restarted_holder_fences_its_earlier_self(&make().await).await;
    a_lease_is_renewed_until_somebody_takes_it(&make().await).await;
    a_lease_given_back_is_free(&make().await).await;
}

/// An event with everything that is hard to keep: nanoseconds, other scripts, a zero byte, an empty actor.
pub fn event(n: u64) -> NewEvent {
    NewEvent {
        at: at(n),
        kind: "device.seen".to_owned(),
        version: u16::try_from(n % 65_536).unwrap(),
        actor: if n.is_multiple_of(3) { String::new() } else { format!("gerät/{n}\u{0}") },
        body: format!(r#"{{"n":{n}}}"#).into_bytes(),
    }
}

/// A time: `n` seconds after some day in 2026, and a few nanoseconds.
pub fn at(n: u64) -> Timestamp {
    Timestamp::new(1_780_000_000 + i64::try_from(n).unwrap(), 123_456_789).unwrap()
}

fn answer(key: &str, fingerprint: &str, seconds: u64) -> Answered {
    Answered {
        key: key.to_owned(),
        fingerprint: fingerprint.to_owned(),
        status: 201,
        body: format!("answer to {fingerprint}").into_bytes(),
        at: at(seconds),
    }
}

fn value(reference: &str, person: &str, value: &str) -> PersonalValue {
    PersonalValue { reference: reference.to_owned(), person: person.to_owned(), value: value.as_bytes().to_vec() }
}

/// The lease of the only writer.
pub async fn lease(store: &impl Store) -> Fence {
    store.acquire_lease("conformance", at(0), TTL).await.expect("a free lease is given")
}

/// Appends events without anything beside them.
async fn append(store: &impl Store, fence: Fence, numbers: std::ops::RangeInclusive<u64>) {
    let expected = numbers.start() - 1;
    let last = *numbers.end();
    let head = store.append(fence, expected, Batch::of(numbers.map(event))).await;
    assert_eq!(head.expect("the append succeeds"), last);
}

async fn assert_nothing(store: &impl Store) {
    assert_eq!(store.head().await.unwrap(), 0);
    assert_eq!(store.read(0, 10).await.unwrap(), []);
    assert_eq!(store.answer("key").await.unwrap(), None);
    assert_eq!(store.personal().await.unwrap(), []);
    assert_eq!(store.snapshots().await.unwrap(), []);
    assert_eq!(store.latest_snapshot(None).await.unwrap(), None);
}

async fn an_empty_log_has_nothing(store: &impl Store) {
    assert_nothing(store).await;
    assert_eq!(store.read(7, 10).await.unwrap(), [], "after the end there is nothing");
    assert_eq!(store.blob(&"0".repeat(64)).await.unwrap(), None);
}

async fn what_is_appended_is_read_back_exactly(store: &impl Store) {
    let fence = lease(store).await;
    let mut events: Vec<NewEvent> = (1..=250).map(event).collect();
    events[17].body = (0..=255).collect();
    events[18].body = Vec::new();
    events[19].body = vec![7; 100_000];
    events[20].at = Timestamp::from_nanosecond(-1).unwrap();
    events[21].version = u16::MAX;
    let head = store.append(fence, 0, Batch::of(events.clone())).await.unwrap();
    assert_eq!(head, 250);
    assert_eq!(store.head().await.unwrap(), 250);
    let read = store.read(0, 1_000).await.unwrap();
    assert_eq!(read.len(), events.len());
    for ((seq, new), stored) in (1..).zip(&events).zip(&read) {
        assert_eq!(stored.seq, seq);
        assert_eq!(
            (new.at, &new.kind, new.version, &new.actor, &new.body),
            (stored.at, &stored.kind, stored.version, &stored.actor, &stored.body)
        );
    }
}

async fn reading_goes_on_where_it_ended(store: &impl Store) {
    let fence = lease(store).await;
    append(store, fence, 1..=10).await;
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let page = store.read(after, 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = last.seq;
        seen.extend(page.iter().map(|event| event.seq));
    }
    assert_eq!(seen, (1..=10).collect::<Vec<Seq>>());
    assert_eq!(store.read(4, 0).await.unwrap(), []);
    assert_eq!(store.read(10, usize::MAX).await.unwrap(), []);
    assert_eq!(store.read(Seq::MAX, usize::MAX).await.unwrap(), []);
    assert_eq!(store.read(0, usize::MAX).await.unwrap().len(), 10);
}

async fn appends_have_to_know_the_end(store: &impl Store) {
    let fence = lease(store).await;
    append(store, fence, 1..=3).await;
    for expected in [0, 2, 4, Seq::MAX] {
        let refused = store.append(fence, expected, Batch::of([event(9)])).await;
        assert!(matches!(refused, Err(AppendError::Moved { expected: e, head: 3 }) if e == expected), "{refused:?}");
    }
    assert_eq!(store.append(fence, 3, Batch::default()).await.unwrap(), 3, "nothing is appended by nothing");
    append(store, fence, 4..=4).await;
}

async fn a_repeated_append_changes_nothing(store: &impl Store) {
    let fence = lease(store).await;
    let batch = Batch::of([event(1), event(2)]);
    store.append(fence, 0, batch.clone()).await.unwrap();
    let repeated = store.append(fence, 0, batch).await;
    assert!(matches!(repeated, Err(AppendError::Moved { head: 2, .. })), "{repeated:?}");
    assert_eq!(store.read(0, 10).await.unwrap().len(), 2);
}

async fn of_racing_appends_one_wins<S: Store + 'static>(store: Arc<S>) {
    let fence = lease(&*store).await;
    for round in 0..10 {
        let racers = (0..4).map(|n| store.append(fence, round, Batch::of([event(n)])));
        let mut won = 0;
        for result in join_all(racers).await {
            match result {
                Ok(head) => {
                    assert_eq!(head, round + 1);
                    won += 1;
                }
                Err(AppendError::Moved { head, .. }) => assert_eq!(head, round + 1),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won, 1);
    }
    assert_eq!(store.read(0, 100).await.unwrap().len(), 10);
}

/// Polls all at once, in one task.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut waiting {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        match waiting.iter().all(|(_, output)| output.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, output)| output).collect()
}

async fn a_batch_is_appended_as_a_whole_or_not_at_all(store: &impl Store) {
    let fence = lease(store).await;
    let blob = Blob::new(b"output".to_vec());
    let batch = Batch {
        events: vec![event(1)],
        personal: vec![value("name/1", "anna", "Anna")],
        blobs: vec![blob.clone()],
        answers: vec![answer("key", "a", 1)],
    };
    store.append(fence, 0, batch).await.unwrap();
    assert_eq!(store.blob(blob.digest()).await.unwrap(), Some(blob));
    assert_eq!(store.answer("key").await.unwrap(), Some(answer("key", "a", 1)));
    assert_eq!(store.personal().await.unwrap(), [value("name/1", "anna", "Anna")]);

    // Each of these batches is refused for its last part only.
    let other = Blob::new(b"other".to_vec());
    let good = Batch {
        events: vec![event(2)],
        personal: vec![value("name/2", "ben", "Ben")],
        blobs: vec![other.clone()],
        answers: vec![answer("new", "n", 2)],
    };
    let mut taken = good.clone();
    taken.personal.push(value("name/1", "ben", "Anna"));
    let mut twice = good.clone();
    twice.personal.push(value("name/2", "ben", "Ben"));
    for (batch, wrong) in [(taken, "name/1"), (twice, "name/2")] {
        let refused = store.append(fence, 1, batch).await;
        assert!(
            matches!(&refused, Err(AppendError::ReferenceTaken { reference }) if reference == wrong),
            "{refused:?}"
        );
    }
    let mut answered = good.clone();
    answered.answers.push(answer("key", "a", 2));
    let refused = store.append(fence, 1, answered).await;
    assert!(matches!(&refused, Err(AppendError::AlreadyAnswered { key }) if key == "key"), "{refused:?}");

    assert_eq!(store.head().await.unwrap(), 1);
    assert_eq!(store.answer("new").await.unwrap(), None);
    assert_eq!(store.personal().await.unwrap().len(), 1);
    assert_eq!(store.blob(other.digest()).await.unwrap(), None);
    assert_eq!(store.append(fence, 1, good).await.unwrap(), 2, "nothing is left of the refused ones");
}

async fn a_key_is_answered_once(store: &impl Store) {
    let fence = lease(store).await;
    let batch = |n, answers| Batch { events: vec![event(n)], answers, ..Batch::default() };
    store.append(fence, 0, batch(1, vec![answer("k", "a", 1)])).await.unwrap();
    let same = store.append(fence, 1, batch(2, vec![answer("k", "a", 2)])).await;
    assert!(matches!(same, Err(AppendError::AlreadyAnswered { .. })), "{same:?}");
    let reused = store.append(fence, 1, batch(2, vec![answer("k", "b", 2)])).await;
    assert!(matches!(reused, Err(AppendError::KeyReused { .. })), "{reused:?}");
    let twice = store.append(fence, 1, batch(2, vec![answer("l", "a", 2), answer("l", "b", 2)])).await;
    assert!(matches!(twice, Err(AppendError::KeyReused { .. })), "{twice:?}");
    assert_eq!(store.answer("k").await.unwrap(), Some(answer("k", "a", 1)), "the first answer stays");
    assert_eq!(store.answer("l").await.unwrap(), None);
    assert_eq!(store.head().await.unwrap(), 1);
}

async fn old_answers_are_forgotten(store: &impl Store) {
    let fence = lease(store).await;
    let answers = (1..=4).map(|n| answer(&format!("k{n}"), "f", n)).collect();
    store.append(fence, 0, Batch { answers, ..Batch::default() }).await.unwrap();
    assert_eq!(store.head().await.unwrap(), 0, "answers are no events");
    assert_eq!(store.forget_answers(at(3)).await.unwrap(), 2);
    assert_eq!(store.forget_answers(at(3)).await.unwrap(), 0);
    assert_eq!(store.answer("k2").await.unwrap(), None);
    assert!(store.answer("k3").await.unwrap().is_some());
    let again = Batch { answers: vec![answer("k1", "other", 9)], ..Batch::default() };
    store.append(fence, 0, again).await.expect("a forgotten key is free");
}

async fn blobs_are_named_by_their_content(store: &impl Store) {
    let abc = Blob::new(b"abc".to_vec());
    assert_eq!(abc.digest(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "FIPS 180-2");
    store.put_blob(abc.clone()).await.unwrap();
    store.put_blob(abc.clone()).await.expect("a second time changes nothing");
    let empty = Blob::new(Vec::new());
    store.put_blob(empty.clone()).await.unwrap();
    assert_eq!(store.blob(abc.digest()).await.unwrap().as_ref(), Some(&abc));
    assert_eq!(store.blob(empty.digest()).await.unwrap().as_ref(), Some(&empty));
    let absent: Vec<String> = ["x", "y"].map(|text| Blob::new(text.into()).digest().to_owned()).into();
    let asked = [absent[1].clone(), abc.digest().to_owned(), absent[0].clone(), empty.digest().to_owned()];
    assert_eq!(store.blobs_missing(&asked).await.unwrap(), [absent[1].clone(), absent[0].clone()]);
    assert_eq!(store.blobs_missing(&[]).await.unwrap(), Vec::<String>::new());
}

async fn sizes_and_times_have_limits(store: &impl Store) {
    let fence = lease(store).await;
    let mut large = event(1);
    large.body = vec![0; BODY_BYTES_MAX + 1];
    let refused = store.append(fence, 0, Batch::of([large])).await;
    assert!(matches!(refused, Err(AppendError::TooLarge { what: "event", .. })), "{refused:?}");
    let refused = store.put_blob(Blob::new(vec![0; BODY_BYTES_MAX + 1])).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    let mut late = event(1);
    late.at = Timestamp::MAX;
    let refused = store.append(fence, 0, Batch::of([late])).await;
    assert!(matches!(refused, Err(AppendError::TimeOutOfRange(_))), "{refused:?}");
    let refused = store.acquire_lease("conformance", Timestamp::MAX, TTL).await;
    assert!(matches!(refused, Err(LeaseError::TimeOutOfRange { .. })), "{refused:?}");
    assert_nothing(store).await;
    let mut largest = event(1);
    largest.body = vec![0; BODY_BYTES_MAX];
    store.append(fence, 0, Batch::of([largest])).await.unwrap();
}

async fn snapshots_are_found_by_time(store: &impl Store) {
    let fence = lease(store).await;
    append(store, fence, 1..=9).await;
    let snapshot = |seq: Seq, text: &str| Snapshot { seq, at: at(seq), format: 2, body: text.as_bytes().to_vec() };
    for seq in [6, 3, 9] {
        store.save_snapshot(snapshot(seq, "state")).await.unwrap();
    }
    let found: Vec<Seq> = store.snapshots().await.unwrap().iter().map(|info| info.seq).collect();
    assert_eq!(found, [3, 6, 9], "oldest first");
    assert_eq!(store.snapshots().await.unwrap()[0], snapshot(3, "state").info());
    for (bound, expected) in [(None, Some(9)), (Some(8), Some(6)), (Some(6), Some(6)), (Some(2), None)] {
        let found = store.latest_snapshot(bound.map(at)).await.unwrap();
        assert_eq!(found.map(|snapshot| snapshot.seq), expected, "at {bound:?}");
    }
    store.save_snapshot(snapshot(6, "another state")).await.unwrap();
    assert_eq!(store.latest_snapshot(Some(at(8))).await.unwrap(), Some(snapshot(6, "another state")));
    store.drop_snapshot(9).await.unwrap();
    store.drop_snapshot(9).await.expect("what is gone can be dropped");
    assert_eq!(store.latest_snapshot(None).await.unwrap().map(|snapshot| snapshot.seq), Some(6));
}

async fn a_snapshot_does_not_run_ahead(store: &impl Store) {
    let fence = lease(store).await;
    append(store, fence, 1..=2).await;
    let snapshot = |seq| Snapshot { seq, at: at(seq), format: 1, body: vec![1] };
    let refused = store.save_snapshot(snapshot(3)).await;
    assert!(matches!(refused, Err(StoreError::SnapshotAhead { seq: 3, head: 2 })), "{refused:?}");
    assert_eq!(store.snapshots().await.unwrap(), []);
    store.save_snapshot(snapshot(0)).await.expect("the state before all events is a state");
    assert_eq!(store.latest_snapshot(None).await.unwrap(), Some(snapshot(0)));
}

async fn personal_values_are_erased_by_person(store: &impl Store) {
    let fence = lease(store).await;
    let personal = vec![value("z", "anna", "Anna"), value("a", "ben", "Ben"), value("m", "anna", "anna@example.org")];
    store.append(fence, 0, Batch { events: vec![event(1)], personal, ..Batch::default() }).await.unwrap();
    let references: Vec<String> = store.personal().await.unwrap().into_iter().map(|value| value.reference).collect();
    assert_eq!(references, ["a", "m", "z"], "sorted by reference");
    assert_eq!(store.erase_person("anna").await.unwrap(), 2);
    assert_eq!(store.erase_person("anna").await.unwrap(), 0);
    assert_eq!(store.personal().await.unwrap(), [value("a", "ben", "Ben")]);
    assert_eq!(store.read(0, 10).await.unwrap().len(), 1, "the log still reads");
    append(store, fence, 2..=2).await;
}

async fn one_holder_at_a_time(store: &impl Store) {
    let first = store.acquire_lease("one", at(0), TTL).await.unwrap();
    let refused = store.acquire_lease("two", at(29), TTL).await;
    let until = at(30);
    assert!(
        matches!(&refused, Err(LeaseError::HeldBy { holder, until: u }) if holder == "one" && *u == until),
        "{refused:?}"
    );
    append(store, first, 1..=1).await;
    let second = store.acquire_lease("two", at(30), TTL).await.expect("its time is over");
    assert!(second > first);
}

async fn an_old_fence_keeps_out(store: &impl Store) {
    let first = store.acquire_lease("one", at(0), TTL).await.unwrap();
    append(store, first, 1..=1).await;
    let second = store.acquire_lease("two", at(60), TTL).await.unwrap();
    for expected in [1, 0] {
        let refused = store.append(first, expected, Batch::of([event(2)])).await;
        assert!(matches!(refused, Err(AppendError::Fenced)), "{refused:?}");
    }
    let lost = store.renew_lease(first, at(60), TTL).await;
    assert!(matches!(lost, Err(LeaseError::Lost)), "{lost:?}");
    store.release_lease(first).await.expect("giving back what is lost does nothing");
    append(store, second, 2..=2).await;
}

async fn a_restarted_holder_fences_its_earlier_self(store: &impl Store) {
    let earlier = store.acquire_lease("one", at(0), TTL).await.unwrap();
    let now = store.acquire_lease("one", at(1), TTL).await.expect("the same holder need not wait");
    let refused = store.append(earlier, 0, Batch::of([event(1)])).await;
    assert!(matches!(refused, Err(AppendError::Fenced)), "{refused:?}");
    append(store, now, 1..=1).await;
}

async fn a_lease_is_renewed_until_somebody_takes_it(store: &impl Store) {
    let fence = store.acquire_lease("one", at(0), TTL).await.unwrap();
    store.renew_lease(fence, at(20), TTL).await.unwrap();
    assert!(store.acquire_lease("two", at(49), TTL).await.is_err(), "held until 50");
    append(store, fence, 1..=1).await;
    store.renew_lease(fence, at(90), TTL).await.expect("run out, and nobody took it");
    assert!(store.acquire_lease("two", at(100), TTL).await.is_err());
}

async fn a_lease_given_back_is_free(store: &impl Store) {
    let first = store.acquire_lease("one", at(0), TTL).await.unwrap();
    store.release_lease(first).await.unwrap();
    let refused = store.append(first, 0, Batch::of([event(1)])).await;
    assert!(matches!(refused, Err(AppendError::Fenced)), "{refused:?}");
    assert!(matches!(store.renew_lease(first, at(1), TTL).await, Err(LeaseError::Lost)));
    let second = store.acquire_lease("two", at(1), TTL).await.unwrap();
    assert!(second > first);
    append(store, second, 1..=1).await;
}
