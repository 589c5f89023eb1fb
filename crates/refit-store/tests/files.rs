//! The log among other processes, on a full disk, and what of it can be read by whom.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use refit_store::{
    AppendError, Batch, Blob, PersonalValue, Store, StoreError,
    conformance::{at, event, lease},
    open_sqlite, verify,
};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    task::Poll,
    time::Duration,
};
use tempfile::TempDir;

#[tokio::test]
async fn a_second_writer_is_kept_out() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open_sqlite(folder.path()).await.unwrap();
    let error = open_sqlite(folder.path()).await.unwrap_err();
    let pid = std::process::id();
    assert!(matches!(&error, StoreError::InUse { pid: Some(p), .. } if *p == pid), "{error}");
    assert!(error.to_string().contains(&format!("in use by another process ({pid}); stop it first")), "{error}");
    store.close().await.unwrap();
    open_sqlite(folder.path()).await.expect("the first has gone");
}

/// Not a test by itself: the other process.
#[tokio::test]
async fn hold_until_killed() {
    let Ok(folder) = std::env::var("REFIT_STORE_HOLD") else { return };
    let (store, _) = open_sqlite(Path::new(&folder)).await.unwrap();
    let fence = lease(&store).await;
    store.append(fence, 0, Batch::of([event(1)])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test]
async fn another_process_is_kept_out_until_it_ends() {
    let folder = TempDir::new().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_until_killed"])
        .env("REFIT_STORE_HOLD", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while fs::read_to_string(folder.path().join("log.head")).map_or(true, |text| text.is_empty()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let error = open_sqlite(folder.path()).await.unwrap_err();
    assert!(matches!(&error, StoreError::InUse { pid: Some(pid), .. } if *pid == other.id()), "{error}");
    let report = verify(folder.path()).await.expect("a check disturbs nobody");
    assert!(report.is_good() && report.head == 1, "{report}");
    other.kill().unwrap();
    other.wait().unwrap();
    let (_, opened) = open_sqlite(folder.path()).await.expect("a killed process holds nothing");
    assert_eq!((opened.head, opened.recovered), (1, true));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let (store, _) = open_sqlite(&data).await.unwrap();
    let fence = lease(&store).await;
    store.append(fence, 0, Batch::of([event(1)])).await.unwrap();
    store.save_snapshot(refit_store::Snapshot { seq: 1, at: at(1), format: 1, body: vec![1] }).await.unwrap();
    store.backup(&folder.path().join("backup")).await.unwrap();
    let mut waiting = vec![data, folder.path().join("backup")];
    let mut seen = 0;
    while let Some(path) = waiting.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{}", path.display());
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        seen += 1;
    }
    assert!(seen >= 12, "{seen}");
}

#[tokio::test]
async fn erased_values_are_in_no_file() {
    const SECRET: &[u8] = b"Annegret Musterfrau, Fasanenweg 7";
    let holds = |folder: &Path| {
        let mut names: Vec<String> = Vec::new();
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            if fs::read(&path).unwrap().windows(SECRET.len()).any(|bytes| bytes == SECRET) {
                names.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        names.sort();
        names
    };
    let folder = TempDir::new().unwrap();
    let (store, _) = open_sqlite(folder.path()).await.unwrap();
    let fence = lease(&store).await;
    let mut head = 0;
    // In small values and in large ones, which have pages of their own; among values of others; and with checkpoints
    // between, so that copies are in the main file, and in the -wal file.
    for round in 0..300_u64 {
        let anna = round.is_multiple_of(7);
        let value = if anna { SECRET.repeat(1 + usize::try_from(round).unwrap() * 3) } else { vec![b'x'; 400] };
        let person = if anna { "anna".to_owned() } else { format!("other/{}", round % 9) };
        let batch = Batch {
            events: (0..40).map(event).collect(),
            personal: vec![PersonalValue { reference: format!("value/{}", (round * 37) % 300), person, value }],
            ..Batch::default()
        };
        head = store.append(fence, head, batch).await.unwrap();
    }
    assert_eq!(
        holds(folder.path()),
        ["log.db", "log.db-wal"].map(String::from).to_vec(),
        "the test is worth something"
    );
    store.erase_person("other/3").await.unwrap();
    assert_eq!(store.erase_person("anna").await.unwrap(), 43);
    assert_eq!(holds(folder.path()), Vec::<String>::new(), "while the log is open");
    store.backup(&folder.path().join("backup")).await.unwrap();
    assert_eq!(holds(&folder.path().join("backup")), Vec::<String>::new());
    assert_eq!(store.read(0, usize::MAX).await.unwrap().len() as u64, head, "the log still reads");
    store.close().await.unwrap();
    assert_eq!(holds(folder.path()), Vec::<String>::new(), "after it was closed");
}

#[tokio::test]
async fn a_dropped_append_is_done_or_not_done() {
    let folder = TempDir::new().unwrap();
    let (store, _) = open_sqlite(folder.path()).await.unwrap();
    let fence = lease(&store).await;
    let (mut head, mut dropped) = (0, 0);
    for round in 0..120 {
        let batch = Batch::of((0..50).map(event));
        match polled(store.append(fence, head, batch), 1 + round % 12).await {
            Some(appended) => head = appended.unwrap(),
            None => {
                dropped += 1;
                // What is true is asked of the next append: `Moved` tells where the log really ends.
                match store.append(fence, head, Batch::of([event(1)])).await {
                    Ok(appended) => head = appended,
                    Err(AppendError::Moved { head: moved, .. }) => {
                        assert_eq!(moved, head + 50, "the whole batch");
                        head = moved;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    assert!(dropped > 10, "{dropped}");
    assert_eq!(store.head().await.unwrap(), head);
    store.close().await.unwrap();
    let report = verify(folder.path()).await.unwrap();
    assert!(report.is_good(), "{report}");
}

/// Polls so many times, and drops what is not ready then.
async fn polled<F: Future>(future: F, times: u32) -> Option<F::Output> {
    let (mut future, mut left) = (Box::pin(future), times);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left <= 1 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A small disk, unmounted when it is dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Result<Self, String> {
        let folder = TempDir::new().unwrap();
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(folder.path()).output();
        match done {
            Ok(output) if output.status.success() => Ok(Self(folder)),
            Ok(output) => Err(format!("a full disk needs a mount: {}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Err(format!("a full disk needs `mount`: {error}")),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_appends_and_harms_nothing() {
    let disk = match SmallDisk::new() {
        Ok(disk) => disk,
        Err(reason) => return refit_testbed::skip(&reason),
    };
    let folder = disk.0.path().join("data");
    let ballast = disk.0.path().join("ballast");
    let (store, _) = open_sqlite(&folder).await.unwrap();
    let fence = lease(&store).await;
    let mut head = 0;
    for space in [900_000, 500_000, 100_000] {
        // Everything but some space.
        let error = fs::write(&ballast, vec![0; 24 << 20]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        let file = fs::OpenOptions::new().write(true).open(&ballast).unwrap();
        file.set_len(file.metadata().unwrap().len().saturating_sub(space)).unwrap();
        drop(file);
        let full = loop {
            match store.append(fence, head, Batch::of((head + 1..=head + 100).map(event))).await {
                Ok(appended) => head = appended,
                Err(error) => break error,
            }
        };
        assert!(matches!(full, AppendError::Store(StoreError::Full { .. })), "{full:?}");
        assert!(full.to_string().contains("free some space"), "{full}");
        assert_eq!(store.head().await.unwrap(), head, "reading goes on");
        let blob = store.put_blob(Blob::new(vec![1; 2_000_000])).await.unwrap_err();
        assert!(matches!(blob, StoreError::Full { .. }), "{blob}");
        let backup = store.backup(&disk.0.path().join("backup")).await.unwrap_err();
        assert!(matches!(backup, StoreError::Full { .. }), "{backup}");
        assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 2, "half a backup is none");

        fs::remove_file(&ballast).unwrap();
        let appended = store.append(fence, head, Batch::of((head + 1..=head + 100).map(event))).await;
        head = appended.expect("there is space again");
    }
    store.close().await.unwrap();
    let report = verify(&folder).await.unwrap();
    assert!(report.is_good() && report.head == head, "{report}");
}
