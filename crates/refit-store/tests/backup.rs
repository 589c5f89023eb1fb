//! Copies of a log in use, and back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use refit_store::{
    Batch, Existing, Fence, PersonalValue, Seq, Snapshot, SqliteStore, Store, StoreError,
    conformance::{at, event, lease},
    open_sqlite, restore, verify,
};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tempfile::TempDir;

async fn grow(store: &SqliteStore, fence: Fence, head: Seq) -> Seq {
    let batch = Batch {
        events: (head + 1..=head + 20).map(event).collect(),
        personal: vec![PersonalValue {
            reference: format!("value/{head}"),
            person: "anna".into(),
            value: vec![1, 2, 3],
        }],
        ..Batch::default()
    };
    store.append(fence, head, batch).await.unwrap()
}

async fn log(folder: &Path, events: u64) -> (SqliteStore, Fence) {
    let (store, _) = open_sqlite(folder).await.unwrap();
    let fence = lease(&store).await;
    let mut head = 0;
    while head < events {
        head = grow(&store, fence, head).await;
    }
    store.save_snapshot(Snapshot { seq: head, at: at(head), format: 3, body: vec![8; 2_000] }).await.unwrap();
    (store, fence)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_goes_on_elsewhere() {
    let folder = TempDir::new().unwrap();
    let (live, elsewhere) = (folder.path().join("live"), folder.path().join("elsewhere"));
    let (store, fence) = log(&live, 1_000).await;
    let (store, stop) = (Arc::new(store), Arc::new(AtomicBool::new(false)));
    let writer = tokio::spawn({
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            let mut head = store.head().await.unwrap();
            while !stop.load(Ordering::Relaxed) {
                head = grow(&store, fence, head).await;
            }
            head
        }
    });
    let mut last = 0;
    for n in 0..4 {
        let before = store.head().await.unwrap();
        let backup = folder.path().join(format!("backup-{n}"));
        let head = store.backup(&backup).await.unwrap();
        let after = store.head().await.unwrap();
        assert!(before <= head && head <= after, "{before} <= {head} <= {after}");
        assert!(head.is_multiple_of(20), "whole batches only: {head}");
        last = head;
    }
    stop.store(true, Ordering::Relaxed);
    let end = writer.await.unwrap();
    assert!(end > last, "appends went on");

    let restored = restore(&folder.path().join("backup-3"), &elsewhere, Existing::KeepGood).await.unwrap();
    assert_eq!((restored.head, &restored.aside, &restored.lost), (last, &None, &None));
    let (copy, opened) = open_sqlite(&elsewhere).await.unwrap();
    assert_eq!((opened.head, opened.new, &opened.lost), (last, false, &None));
    let count = usize::try_from(last).unwrap();
    assert_eq!(copy.read(0, usize::MAX).await.unwrap(), store.read(0, count).await.unwrap());
    assert_eq!(copy.latest_snapshot(None).await.unwrap(), store.latest_snapshot(None).await.unwrap());
    assert_eq!(copy.personal().await.unwrap().len() as u64, last / 20);
    let fence = copy.acquire_lease("another machine", at(500), std::time::Duration::from_secs(9)).await.unwrap();
    grow(&copy, fence, last).await;
}

#[tokio::test]
async fn a_good_log_is_replaced_only_when_told() {
    let folder = TempDir::new().unwrap();
    let (live, backup) = (folder.path().join("live"), folder.path().join("backup"));
    let (store, fence) = log(&live, 100).await;
    store.backup(&backup).await.unwrap();
    grow(&store, fence, 100).await;
    let error = restore(&backup, &live, Existing::ReplaceGood).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    store.close().await.unwrap();

    let error = restore(&backup, &live, Existing::KeepGood).await.unwrap_err();
    assert!(matches!(error, StoreError::WouldReplace { head: 120, .. }), "{error}");
    let (store, opened) = open_sqlite(&live).await.unwrap();
    assert_eq!(opened.head, 120, "nothing has changed");
    store.close().await.unwrap();

    let restored = restore(&backup, &live, Existing::ReplaceGood).await.unwrap();
    assert_eq!((restored.head, &restored.lost), (100, &Some(101..=120)));
    let report = verify(&restored.aside.unwrap()).await.unwrap();
    assert!(report.is_good() && report.head == 120, "the old log is kept: {report}");
    let (_, opened) = open_sqlite(&live).await.unwrap();
    assert_eq!((opened.head, opened.lost), (100, None));
}

#[tokio::test]
async fn a_damaged_log_is_replaced_and_kept_aside() {
    let folder = TempDir::new().unwrap();
    let (live, backup) = (folder.path().join("live"), folder.path().join("backup"));
    let (store, _) = log(&live, 400).await;
    store.backup(&backup).await.unwrap();
    store.close().await.unwrap();
    for (n, damage) in [&b"gone"[..], b""].iter().enumerate() {
        fs::write(live.join("log.db"), damage).unwrap();
        open_sqlite(&live).await.unwrap_err();
        let restored = restore(&backup, &live, Existing::KeepGood).await.unwrap();
        assert_eq!((restored.head, restored.lost), (400, None));
        assert_eq!(restored.aside, Some(live.join(format!("aside-{}", n + 1))));
        assert_eq!(fs::read(live.join(format!("aside-{}/log.db", n + 1))).unwrap(), *damage);
        let (store, opened) = open_sqlite(&live).await.unwrap();
        assert_eq!((opened.head, opened.lost), (400, None));
        assert!(store.latest_snapshot(None).await.unwrap().is_some());
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_never_used() {
    let folder = TempDir::new().unwrap();
    let (live, backup, to) = (folder.path().join("live"), folder.path().join("backup"), folder.path().join("to"));
    let (store, _) = log(&live, 100).await;
    store.backup(&backup).await.unwrap();
    let again = store.backup(&backup).await.unwrap_err();
    assert!(again.to_string().contains("choose a new one"), "{again}");

    let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
    let database = fs::read(backup.join("log.db")).unwrap();
    let mut flipped = database.clone();
    let body = br#"{"n":77}"#;
    let place = flipped.windows(body.len()).position(|bytes| bytes == body).unwrap();
    flipped[place] ^= 1;
    let digest = refit_store::Blob::new(flipped.clone()).digest().to_owned();
    let old = refit_store::Blob::new(database.clone()).digest().to_owned();
    let cases = [
        ("a flipped byte", manifest.clone(), flipped.clone(), "log.db is not as it was written"),
        (
            "another head",
            manifest.replace("\"head\": 100", "\"head\": 120"),
            database.clone(),
            "not the one that its manifest describes",
        ),
        ("a flipped byte, and its sum", manifest.replace(&old, &digest), flipped, "can't be used"),
        ("half a manifest", manifest[..40].to_owned(), database.clone(), "is not a manifest"),
        ("a newer format", manifest.replace("\"format\": 1", "\"format\": 2"), database, "newer version"),
    ];
    for (name, manifest, database, message) in cases {
        fs::write(backup.join("manifest.json"), manifest).unwrap();
        fs::write(backup.join("log.db"), database).unwrap();
        let error = restore(&backup, &to, Existing::ReplaceGood).await.unwrap_err().to_string();
        assert!(error.contains(message), "{name}: {error}");
        assert!(!to.exists(), "{name}: nothing was touched");
    }
    let error = restore(&folder.path().join("nowhere"), &to, Existing::KeepGood).await.unwrap_err().to_string();
    assert!(error.contains("manifest.json can't be read"), "{error}");
}
