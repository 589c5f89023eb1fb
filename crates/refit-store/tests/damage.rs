//! What happens to files that are not as they were: found, told, and never believed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use refit_store::{
    Answered, Batch, Blob, PersonalValue, Snapshot, SqliteStore, Store, StoreError,
    conformance::{at, event, lease},
    open_sqlite, verify,
};
use std::{fs, path::Path};
use tempfile::TempDir;

/// A log of a few hundred events with something of everything, appended ten at a time, copied as a kill would have left it.
async fn killed(folder: &Path, copy: &Path, events: u64) {
    let (store, _) = open_sqlite(folder).await.unwrap();
    let fence = lease(&store).await;
    for head in (0..events).step_by(10) {
        store.append(fence, head, batch(head)).await.unwrap();
    }
    store.save_snapshot(Snapshot { seq: events, at: at(events), format: 1, body: vec![3; 900] }).await.unwrap();
    copy_folder(folder, copy);
    store.close().await.unwrap();
}

fn batch(head: u64) -> Batch {
    Batch {
        events: (head + 1..=head + 10).map(event).collect(),
        personal: vec![PersonalValue { reference: format!("value/{head}"), person: "anna".into(), value: vec![9; 40] }],
        blobs: vec![Blob::new(vec![5; 500 + usize::try_from(head).unwrap()])],
        answers: vec![Answered {
            key: format!("key/{head}"),
            fingerprint: "f".into(),
            status: 200,
            body: vec![1; 60],
            at: at(head),
        }],
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        // The shared memory belongs to running processes only; SQLite makes it anew.
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()));
        } else if entry.file_name() != "log.db-shm" {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Everything that a store tells, and the first error if it tells one.
async fn content(store: &SqliteStore, events: u64) -> Result<String, StoreError> {
    let mut told = String::new();
    for event in store.read(0, usize::MAX).await? {
        told += &format!("{event:?} {:?}\n", event.body);
    }
    for value in store.personal().await? {
        told += &format!("{value:?} {:?}\n", value.value);
    }
    for head in (0..events).step_by(10) {
        told += &format!("{:?}\n", store.answer(&format!("key/{head}")).await?);
        told += &format!("{:?}\n", store.blob(batch(head).blobs[0].digest()).await?);
    }
    Ok(told)
}

#[tokio::test]
async fn a_cut_wal_recovers_to_what_is_there_and_says_what_is_lost() {
    let folder = TempDir::new().unwrap();
    let base = folder.path().join("base");
    killed(&folder.path().join("live"), &base, 300).await;
    let whole = fs::metadata(base.join("log.db-wal")).unwrap().len();
    assert!(whole > 300_000, "{whole}");
    let (mut last, mut heads) = (300, 0);
    // From the whole file down, at many lengths: at frames, in headers, in pages; and none at all.
    let lengths = (0..=60).map(|n| whole - whole * n / 60).chain([32, 31, 1]);
    for (n, length) in lengths.chain([0]).enumerate() {
        let case = folder.path().join(n.to_string());
        copy_folder(&base, &case);
        let wal = fs::OpenOptions::new().write(true).open(case.join("log.db-wal")).unwrap();
        wal.set_len(length).unwrap();
        let (store, opened) = open_sqlite(&case).await.unwrap();
        assert!(opened.head <= last && opened.head.is_multiple_of(10), "{length} bytes: {opened}");
        heads += u64::from(opened.head != last);
        last = opened.head;
        assert_eq!(opened.lost, (opened.head < 300).then(|| opened.head + 1..=300), "{length} bytes: {opened}");
        assert_eq!(store.read(0, 1_000).await.unwrap().len() as u64, opened.head);
        let snapshot = store.latest_snapshot(None).await.unwrap();
        assert_eq!(snapshot.is_some(), opened.head == 300, "a snapshot of lost events is none");

        // And on it goes, to other events than those that were lost.
        let fence = lease(&store).await;
        let head = store.append(fence, opened.head, Batch::of((0..300).map(event))).await.unwrap();
        assert_eq!(head, opened.head + 300);
        let snapshot = store.latest_snapshot(None).await.unwrap();
        assert_eq!(snapshot.is_some(), opened.head == 300, "nor is it one of those that followed");
        store.close().await.unwrap();
        let (_, opened) = open_sqlite(&case).await.unwrap();
        assert_eq!(opened.lost, None, "told until something new was appended");
        fs::remove_dir_all(&case).unwrap();
    }
    assert_eq!(last, 0, "nothing was in the main file yet");
    assert!(heads > 20, "the cuts were at different commits: {heads}");
}

#[tokio::test]
async fn a_missing_wal_says_what_is_lost() {
    let folder = TempDir::new().unwrap();
    let base = folder.path().join("base");
    killed(&folder.path().join("live"), &base, 1_500).await;
    fs::remove_file(base.join("log.db-wal")).unwrap();
    let (store, opened) = open_sqlite(&base).await.unwrap();
    assert!(!opened.recovered);
    assert_eq!(opened.lost, (opened.head < 1_500).then(|| opened.head + 1..=1_500), "{opened}");
    assert_eq!(store.read(0, 10_000).await.unwrap().len() as u64, opened.head);
}

/// A kill right after SQLite has moved the -wal file into the main file, and before it begins anew, leaves both with
/// everything. If the -wal file is cut then, its old pages must not win over the newer ones of the main file.
#[tokio::test]
async fn a_cut_wal_never_brings_old_pages_back() {
    let folder = TempDir::new().unwrap();
    let base = folder.path().join("base");
    killed(&folder.path().join("live"), &base, 700).await;
    let wal = fs::read(base.join("log.db-wal")).unwrap();
    let (store, _) = open_sqlite(&base).await.unwrap();
    let expected = content(&store, 700).await.unwrap();
    store.close().await.unwrap();
    let mut set_aside = 0;
    for n in 0..40 {
        let case = folder.path().join(n.to_string());
        copy_folder(&base, &case);
        fs::write(case.join("log.db-wal"), &wal[..wal.len() * n / 40]).unwrap();
        match open_sqlite(&case).await {
            Ok((store, opened)) => {
                assert_eq!((opened.head, &opened.lost), (700, &None), "cut to {n}/40: {opened}");
                set_aside += u32::from(opened.set_aside.is_some_and(|path| path.is_file()));
                assert!(content(&store, 700).await.unwrap() == expected, "cut to {n}/40");
                store.close().await.unwrap();
                let report = verify(&case).await.unwrap();
                assert!(report.is_good(), "cut to {n}/40: {report}");
            }
            // Where the end of the log comes out of the main file, and older pages stand before it.
            Err(StoreError::Damaged { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        fs::remove_dir_all(&case).unwrap();
    }
    assert!(set_aside > 20, "{set_aside}");
}

#[tokio::test]
async fn a_flipped_byte_is_found_or_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let live = folder.path().join("live");
    killed(&live, &folder.path().join("unused"), 300).await;
    let (store, _) = open_sqlite(&live).await.unwrap();
    let expected = content(&store, 300).await.unwrap();
    store.close().await.unwrap();
    let file = fs::read(live.join("log.db")).unwrap();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut at_open, mut at_verify, mut harmless) = (0, 0, 0);
    for n in 0..250 {
        let place = if n < 100 { n } else { random.random_range(0..file.len()) };
        let mut flipped = file.clone();
        flipped[place] ^= 1 << random.random_range(0..8);
        fs::write(live.join("log.db"), &flipped).unwrap();
        let report = verify(&live).await;
        let found = !report.as_ref().is_ok_and(refit_store::Report::is_good);
        match open_sqlite(&live).await {
            Err(StoreError::Damaged { .. } | StoreError::Database { .. } | StoreError::Newer { .. }) => at_open += 1,
            Err(other) => panic!("byte {place}: {other}"),
            Ok((store, _)) => {
                match content(&store, 300).await {
                    Ok(told) if found => drop(told),
                    Ok(told) => assert!(told == expected, "byte {place} changes what is told, and nobody says so"),
                    Err(error) => assert!(found, "byte {place}: only reading found {error}"),
                }
                if found {
                    at_verify += 1
                } else {
                    harmless += 1
                }
                store.close().await.unwrap();
            }
        }
        for name in ["log.db-wal", "log.db-shm"] {
            let _ = fs::remove_file(live.join(name));
        }
    }
    println!("found at open: {at_open}, by verify: {at_verify}, harmless: {harmless}");
    assert!(at_open > 50, "{at_open}");
}

#[tokio::test]
async fn an_altered_event_is_named() {
    let folder = TempDir::new().unwrap();
    let live = folder.path().join("live");
    killed(&live, &folder.path().join("unused"), 100).await;
    let file = fs::read(live.join("log.db")).unwrap();
    let body = br#"{"n":57}"#;
    let place = file.windows(body.len()).position(|bytes| bytes == body).unwrap();
    let mut altered = file;
    altered[place + 5] = b'6';
    fs::write(live.join("log.db"), altered).unwrap();
    let report = verify(&live).await.unwrap();
    assert_eq!(report.problems, ["event 57 is not as it was written"]);
    let error = open_sqlite(&live).await.unwrap_err().to_string();
    assert!(error.contains("event 57 is not as it was written") && error.contains("`refit restore`"), "{error}");
}

#[tokio::test]
async fn a_truncated_missing_or_foreign_main_file_is_found() {
    let folder = TempDir::new().unwrap();
    let live = folder.path().join("live");
    killed(&live, &folder.path().join("unused"), 300).await;
    let path = live.join("log.db");
    let file = fs::read(&path).unwrap();
    let cases: [(&str, &[u8]); 4] = [
        ("half of it", &file[..file.len() / 2]),
        ("one page less", &file[..file.len() - 4096]),
        ("nothing", b""),
        ("something else", b"# my notes about the log\n"),
    ];
    for (name, bytes) in cases {
        fs::write(&path, bytes).unwrap();
        let error = open_sqlite(&live).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{name}: {error}");
        assert!(error.to_string().contains("`refit restore`"), "{name}: {error}");
    }
    fs::remove_file(&path).unwrap();
    let error = open_sqlite(&live).await.unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    fs::write(&path, file).unwrap();
    open_sqlite(&live).await.expect("nothing was written over it");
}

#[tokio::test]
async fn a_damaged_snapshot_does_not_count() {
    let folder = TempDir::new().unwrap();
    let live = folder.path().join("live");
    killed(&live, &folder.path().join("unused"), 100).await;
    let (store, _) = open_sqlite(&live).await.unwrap();
    store.save_snapshot(Snapshot { seq: 50, at: at(50), format: 1, body: vec![4] }).await.unwrap();
    let newest = live.join("snapshots").join(format!("{:020}.snapshot", 100));
    let mut bytes = fs::read(&newest).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&newest, bytes).unwrap();
    assert_eq!(store.latest_snapshot(None).await.unwrap().map(|snapshot| snapshot.seq), Some(50));
    let report = verify(&live).await.unwrap();
    assert_eq!(report.problems, ["the snapshot after event 100 is not as it was written"]);
}
