//! Both stores keep the same laws, and random work leaves them with the same content.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use jiff::Timestamp;
use proptest::prelude::*;
use refit_store::{
    Answered, AppendError, Batch, Blob, Fence, MemoryStore, PersonalValue, Snapshot, SqliteStore, Store,
    conformance::{at, event, lease, run_all},
    open_sqlite,
};
use std::time::Duration;
use tempfile::TempDir;

#[tokio::test]
async fn the_store_in_memory_keeps_the_laws() {
    run_all(async || MemoryStore::new()).await;
}

#[tokio::test]
async fn the_store_in_sqlite_keeps_the_laws() {
    let folders = TempDir::new().unwrap();
    let made = std::sync::atomic::AtomicU32::new(0);
    run_all(async || {
        let n = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (store, opened) = open_sqlite(&folders.path().join(n.to_string())).await.unwrap();
        assert!(opened.new);
        store
    })
    .await;
}

/// One step of random work. Small numbers, so that steps meet.
#[derive(Clone, Debug)]
enum Step {
    Append { behind: u64, events: u64, person: Option<u8>, key: Option<(u8, u8)>, blob: Option<u8>, old_fence: bool },
    Blob(u8),
    Snapshot { behind: u64, body: u8 },
    DropSnapshot(u64),
    Forget(u64),
    Erase(u8),
    Lease { holder: u8, now: u64 },
    Release,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let append = (
        prop_oneof![9 => Just(0_u64), 1 => 1_u64..3],
        0_u64..130,
        proptest::option::of(0_u8..4),
        proptest::option::of((0_u8..6, 0_u8..2)),
        proptest::option::of(0_u8..4),
        prop::bool::weighted(0.1),
    );
    prop_oneof![
        8 => append.prop_map(|(behind, events, person, key, blob, old_fence)| {
            Step::Append { behind, events, person, key, blob, old_fence }
        }),
        1 => (0_u8..6).prop_map(Step::Blob),
        2 => (0_u64..40, any::<u8>()).prop_map(|(behind, body)| Step::Snapshot { behind, body }),
        1 => (0_u64..200).prop_map(Step::DropSnapshot),
        1 => (0_u64..300).prop_map(Step::Forget),
        1 => (0_u8..4).prop_map(Step::Erase),
        1 => (0_u8..2, 0_u64..200).prop_map(|(holder, now)| Step::Lease { holder, now }),
        1 => Just(Step::Release),
        1 => Just(Step::Reopen),
    ]
}

/// What a store says to a step, in words; and the fences as they are after it.
async fn take(store: &dyn Store, step: &Step, fences: &mut Vec<Fence>) -> String {
    let head = store.head().await.unwrap();
    match step.clone() {
        Step::Append { behind, events, person, key, blob, old_fence } => {
            let batch = Batch {
                events: (head + 1..=head + events).map(event).collect(),
                personal: person.into_iter().map(|n| value(n, head)).collect(),
                blobs: blob.into_iter().map(|n| Blob::new(vec![n])).collect(),
                answers: key.into_iter().map(|(key, print)| answer(key, print, head)).collect(),
            };
            let fence = if old_fence { fences[0] } else { fences[fences.len() - 1] };
            match store.append(fence, head.saturating_sub(behind), batch).await {
                Err(AppendError::Store(error)) => panic!("{error}"),
                result => format!("{result:?}"),
            }
        }
        Step::Blob(n) => format!("{:?}", store.put_blob(Blob::new(vec![n])).await),
        Step::Snapshot { behind, body } => {
            let seq = head.saturating_sub(behind);
            format!("{:?}", store.save_snapshot(Snapshot { seq, at: at(seq), format: 1, body: vec![body; 9] }).await)
        }
        Step::DropSnapshot(seq) => format!("{:?}", store.drop_snapshot(seq).await),
        Step::Forget(before) => format!("{:?}", store.forget_answers(at(before)).await),
        Step::Erase(person) => format!("{:?}", store.erase_person(&format!("person/{person}")).await),
        Step::Lease { holder, now } => {
            let result = store.acquire_lease(&format!("holder/{holder}"), at(now), Duration::from_secs(60)).await;
            fences.extend(result.as_ref().ok());
            format!("{result:?}")
        }
        Step::Release => format!("{:?}", store.release_lease(fences[fences.len() - 1]).await),
        Step::Reopen => String::new(),
    }
}

fn value(person: u8, head: u64) -> PersonalValue {
    // References are used again after some time, so that some are refused.
    PersonalValue {
        reference: format!("value/{}", head % 50),
        person: format!("person/{person}"),
        value: head.to_string().into_bytes(),
    }
}

fn answer(key: u8, print: u8, head: u64) -> Answered {
    Answered {
        key: format!("key/{key}"),
        fingerprint: format!("print/{print}"),
        status: 200 + u16::from(print),
        body: vec![key; 40],
        at: at(head),
    }
}

/// Everything that a store tells.
async fn content(store: &dyn Store) -> String {
    let mut told = String::new();
    for event in store.read(0, usize::MAX).await.unwrap() {
        told += &format!("{event:?} {:?}\n", event.body);
    }
    for value in store.personal().await.unwrap() {
        told += &format!("{value:?} {:?}\n", value.value);
    }
    for key in 0..6 {
        told += &format!("{:?}\n", store.answer(&format!("key/{key}")).await.unwrap());
    }
    let blobs: Vec<String> = (0..6).map(|n| Blob::new(vec![n]).digest().to_owned()).collect();
    told += &format!("{:?}\n{:?}\n", store.blobs_missing(&blobs).await.unwrap(), store.snapshots().await.unwrap());
    for bound in [None, Some(at(30)), Some(at(120)), Some(Timestamp::UNIX_EPOCH)] {
        let latest = store.latest_snapshot(bound).await.unwrap();
        told += &format!("{:?}\n", latest.map(|snapshot| (snapshot.info(), snapshot.body)));
    }
    told
}

async fn open(folder: &TempDir) -> SqliteStore {
    open_sqlite(folder.path()).await.unwrap().0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_work_leaves_both_stores_the_same(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = TempDir::new().unwrap();
            let memory = MemoryStore::new();
            let mut sqlite = open(&folder).await;
            let mut fences = (vec![lease(&memory).await], vec![lease(&sqlite).await]);
            for step in &steps {
                if matches!(step, Step::Reopen) {
                    sqlite.close().await.unwrap();
                    sqlite = open(&folder).await;
                }
                let (ours, theirs) =
                    (take(&memory, step, &mut fences.0).await, take(&sqlite, step, &mut fences.1).await);
                assert_eq!(ours, theirs, "{step:?}");
            }
            assert_eq!(content(&memory).await, content(&sqlite).await);
        });
    }
}
