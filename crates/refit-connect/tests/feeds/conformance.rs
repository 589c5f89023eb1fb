//! The real data as a whole: every record parses, and there are as many as its description says.

use crate::store::synced;
use refit_connect::feeds::{FeedKind, FeedStore, parse_file};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The folder of the public data set; `None` where this machine does not have it.
pub fn shared_data() -> Option<PathBuf> {
    let named = std::env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
    let beside = || {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
        above.map(|folder| folder.join("../shared/data")).find(|folder| folder.is_dir())
    };
    named.or_else(beside).filter(|folder| folder.join("kev").is_dir())
}

#[test]
fn the_real_data_parses_and_counts() {
    let Some(folder) = shared_data() else {
        println!("skipped: the public data set is not here (set REFIT_SHARED_DATA)");
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let store: FeedStore = synced(data.path(), &folder);
    let counts: BTreeMap<_, _> =
        store.status().iter().filter(|s| s.records > 0).map(|s| (s.feed, (s.records, s.skipped))).collect();
    let expected = BTreeMap::from([
        ("kev", (1674, 0)),
        ("epss", (1556, 0)),
        // 2,512 lines, of which 37 repeat others.
        ("osv-almalinux", (2475, 0)),
        ("osv-bitnami", (2732, 0)),
        ("osv-psf", (132, 0)),
        // One line has a name in the place of its version.
        ("debian-dsa", (5406, 1)),
        ("debian-changelogs", (1195, 0)),
    ]);
    assert_eq!(counts, expected);
    assert!(store.verify().is_empty());
}

#[test]
fn every_sample_record_parses() {
    let Some(folder) = shared_data() else {
        println!("skipped: the public data set is not here (set REFIT_SHARED_DATA)");
        return;
    };
    let mut archive = zip::ZipWriter::new(tempfile::tempfile().unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let mut records = 0;
    for sample in std::fs::read_dir(folder.join("osv/samples")).unwrap() {
        let path = sample.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "debian_security_tracker_mock.json" {
            let gathered =
                parse_file(FeedKind::DebianTracker, File::open(&path).unwrap(), FeedKind::DebianTracker.limits());
            let gathered = gathered.unwrap();
            assert_eq!((gathered.records, gathered.skipped), (3, 0));
            continue;
        }
        archive.start_file(name, options).unwrap();
        archive.write_all(&std::fs::read(&path).unwrap()).unwrap();
        records += 1;
    }
    let archive = archive.finish().unwrap();
    let gathered = parse_file(FeedKind::OsvUbuntu, archive, FeedKind::OsvUbuntu.limits()).unwrap();
    assert_eq!((gathered.records, gathered.skipped), (records, 0));
}

#[test]
fn the_weekly_history_of_epss_ends_with_the_last_score() {
    let Some(folder) = shared_data() else {
        println!("skipped: the public data set is not here (set REFIT_SHARED_DATA)");
        return;
    };
    let file = File::open(folder.join("epss/kev_epss_weekly_2022-10_2026-08.csv.gz")).unwrap();
    let gathered = parse_file(FeedKind::Epss, file, FeedKind::Epss.limits()).unwrap();
    assert_eq!((gathered.records, gathered.skipped), (1566, 0));
}
