//! What is kept: whole, sorted, the same for the same input, and honest about damage.

use jiff::Timestamp;
use refit_connect::feeds::{
    Change, FeedError, FeedKind, FeedState, FeedStore, InstalledPackage, Note, SyncFrom, SyncOptions, Universe, sync,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

pub fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data")
}

pub fn from(folder: &Path) -> SyncOptions {
    SyncOptions { from: SyncFrom::Folder(folder.to_owned()), now: now(), force: false, limits: BTreeMap::new() }
}

/// Syncs everything that `folder` has, and opens the store.
pub fn synced(data: &Path, folder: &Path) -> FeedStore {
    let outcomes = sync(&FeedStore::open(data), &FeedKind::ALL, &from(folder), &mut |_| {});
    for outcome in outcomes {
        match outcome.result {
            Ok(_) | Err(FeedError::NotInFolder { .. }) => {}
            Err(error) => panic!("{}: {error}", outcome.feed),
        }
    }
    FeedStore::open(data)
}

fn indexes(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(data.join("feeds")).unwrap().map(|file| file.unwrap().path());
    let indexes = files.filter(|path| path.extension().is_some_and(|ending| ending == "idx" || ending == "seen"));
    indexes.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn syncing_twice_gives_the_same_bytes() {
    let data = tempfile::tempdir().unwrap();
    synced(data.path(), &fixtures());
    let first = indexes(data.path());
    assert_eq!(first.keys().filter(|name| name.ends_with(".idx")).count(), 8);
    let mut later = from(&fixtures());
    later.now = "2026-12-24T10:00:00Z".parse().unwrap();
    for outcome in sync(&FeedStore::open(data.path()), &FeedKind::ALL, &later, &mut |_| {}) {
        assert!(matches!(outcome.result, Ok(Change::Same { .. }) | Err(FeedError::NotInFolder { .. })), "{outcome:?}");
    }
    assert_eq!(indexes(data.path()), first);
}

#[test]
fn the_list_shows_age_and_counts() {
    let data = tempfile::tempdir().unwrap();
    let store = synced(data.path(), &fixtures());
    let lines: Vec<_> = store
        .status()
        .iter()
        .filter(|status| status.state == FeedState::Ready)
        .map(|status| {
            let date = status.snapshot.map(|date| date.to_string()).unwrap_or("-".into());
            format!("{} {} {date}", status.feed, status.records)
        })
        .filter(|line| !line.starts_with("debian-tracker"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    kev 5 2026-08-21T17:46:43Z
    epss 5 2026-08-22T00:00:00Z
    debian-dsa 16 2023-03-29T00:00:00Z
    debian-changelogs 89 2026-11-11T00:00:00Z
    osv-almalinux 5 2026-04-15T07:58:05Z
    osv-bitnami 5 2026-02-26T09:13:58Z
    osv-psf 3 2023-09-18T22:37:04Z
    "#);
}

#[test]
fn a_damaged_feed_says_which_file_and_what_to_do_and_the_others_still_work() {
    let data = tempfile::tempdir().unwrap();
    synced(data.path(), &fixtures());
    let epss = indexes(data.path()).into_keys().find(|name| name.starts_with("epss-")).unwrap();
    fs::write(data.path().join("feeds").join(&epss), b"refitidx and then nonsense, longer than a header").unwrap();
    let store = FeedStore::open(data.path());
    let facts = store.facts("CVE-2021-44228");
    assert!(facts.kev.is_some() && facts.epss.is_none());
    let report = store.match_packages(&Universe::debian("bookworm"), &[], now());
    let said = report.notes.iter().find_map(|note| match note {
        Note::FeedDamaged { feed: "epss", error } => Some(error.as_str()),
        _ => None,
    });
    let said = said.unwrap();
    assert!(said.contains(&epss) && said.contains("refit feeds sync"), "{said}");
    let sync_again = sync(&store, &[FeedKind::Epss], &from(&fixtures()), &mut |_| {});
    assert!(sync_again[0].result.is_ok());
    assert!(FeedStore::open(data.path()).facts("CVE-2021-44228").epss.is_some());
}

#[test]
fn a_damaged_page_is_noted_when_it_is_read() {
    let data = tempfile::tempdir().unwrap();
    synced(data.path(), &fixtures());
    let name = indexes(data.path()).into_keys().find(|name| name.starts_with("debian-changelogs-")).unwrap();
    let path = data.path().join("feeds").join(name);
    let mut bytes = fs::read(&path).unwrap();
    for byte in &mut bytes[40..60] {
        *byte ^= 0x55;
    }
    fs::write(&path, bytes).unwrap();
    let store = FeedStore::open(data.path());
    let package = InstalledPackage::new("openssl", "3.0.9-1", "amd64");
    let report = store.match_packages(&Universe::debian("bookworm"), &[package], now());
    assert!(report.notes.iter().any(|note| matches!(note, Note::FeedDamaged { feed: "debian-changelogs", .. })));
    assert_eq!(store.verify().len(), 1);
}

#[test]
fn a_manifest_that_makes_no_sense_is_damage_and_names_no_other_folder() {
    let data = tempfile::tempdir().unwrap();
    synced(data.path(), &fixtures());
    let path = data.path().join("feeds/kev.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"file\": \"kev-", "\"file\": \"../feeds/kev-")).unwrap();
    assert!(matches!(FeedStore::open(data.path()).status()[0].state, FeedState::Damaged(_)));
    fs::write(&path, "{").unwrap();
    assert!(matches!(FeedStore::open(data.path()).status()[0].state, FeedState::Damaged(_)));
}

#[test]
fn a_sync_that_was_killed_leaves_the_old_copy_and_the_next_one_cleans_up() {
    let data = tempfile::tempdir().unwrap();
    synced(data.path(), &fixtures());
    let feeds = data.path().join("feeds");
    // Killed while writing an index, and killed after an index was renamed but before its manifest was.
    fs::write(feeds.join(".unfinished-abc"), b"half").unwrap();
    fs::write(feeds.join("kev-0123456789abcdef.idx"), b"whole, but nobody names it").unwrap();
    let store = FeedStore::open(data.path());
    assert!(store.verify().is_empty());
    assert!(store.facts("CVE-2021-44228").kev.is_some());
    synced(data.path(), &fixtures());
    assert!(!feeds.join(".unfinished-abc").exists());
    assert!(!feeds.join("kev-0123456789abcdef.idx").exists());
}

#[test]
fn a_second_sync_at_the_same_time_is_refused() {
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("feeds")).unwrap();
    let lock = fs::File::create(data.path().join("feeds/sync.lock")).unwrap();
    lock.lock().unwrap();
    let outcomes = sync(&FeedStore::open(data.path()), &[FeedKind::Kev], &from(&fixtures()), &mut |_| {});
    assert!(matches!(outcomes[0].result, Err(FeedError::Busy { .. })));
}

#[test]
fn readers_see_a_whole_copy_while_it_is_replaced() {
    let data = tempfile::tempdir().unwrap();
    let small = tempfile::tempdir().unwrap();
    fs::create_dir(small.path().join("epss")).unwrap();
    let write = |score: &str| {
        fs::write(small.path().join("epss/kev_epss_2026-01-01.csv"), format!("cve,epss\nCVE-2024-0001,{score}\n"))
            .unwrap();
        // A program that another test is just starting holds the lock until it runs.
        let once = || {
            let synced = sync(&FeedStore::open(data.path()), &[FeedKind::Epss], &from(small.path()), &mut |_| {});
            synced.into_iter().all(|synced| synced.result.is_ok())
        };
        assert!(
            (0..10_000).any(|_| once() || {
                std::thread::yield_now();
                false
            }),
            "{score} can't be synced"
        );
    };
    write("0.1");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The reader ends also where a write fails.
        let _end = End(&done);
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) || reads == 0 {
                let epss = FeedStore::open(data.path()).facts("CVE-2024-0001").epss;
                assert!(epss == Some(0.1) || epss == Some(0.2), "{epss:?}");
                reads += 1;
            }
        });
        for _ in 0..20 {
            write("0.2");
            write("0.1");
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
}

/// Says that it is over, whatever has happened.
struct End<'d>(&'d AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_full_disk_leaves_the_old_copy() {
    let disk = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=96k", "tmpfs"]).arg(disk.path()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a small file system needs root");
        return;
    }
    let unmount = Unmount(disk.path().to_owned());
    let source = tempfile::tempdir().unwrap();
    fs::create_dir(source.path().join("epss")).unwrap();
    let write = |count: usize| {
        let rows: String = (0..count).map(|n| format!("CVE-2024-{:06},0.{n}\n", n + 1000)).collect();
        fs::write(source.path().join("epss/kev_epss_2026-01-01.csv"), format!("cve,epss\n{rows}")).unwrap();
        sync(&FeedStore::open(disk.path()), &[FeedKind::Epss], &from(source.path()), &mut |_| {}).pop().unwrap().result
    };
    write(100).unwrap();
    assert!(matches!(write(100_000), Err(FeedError::Io { .. })));
    let store = FeedStore::open(disk.path());
    assert_eq!(store.facts("CVE-2024-001001").epss, Some(0.1));
    assert!(store.verify().is_empty());
    drop(unmount);
}

struct Unmount(PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn the_snapshot_that_ships_can_be_read() {
    let data = tempfile::tempdir().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshot");
    let store = synced(data.path(), &folder);
    let counts: Vec<_> = store.status().iter().filter(|s| s.records > 0).map(|s| (s.feed, s.records)).collect();
    assert_eq!(counts, [("kev", 1674), ("epss", 1556), ("debian-changelogs", 1195)]);
    let package = InstalledPackage::new("openssl", "3.0.11-1~deb12u1", "amd64");
    let report = store.match_packages(&Universe::debian("bookworm"), &[package], now());
    assert!(report.advisories.iter().any(|advisory| advisory.id.as_str() == "CVE-2023-5363"));
}
