//! Syncing over HTTP from a server that misbehaves: a broken download never replaces a good copy.

use crate::server::{Answer, Server, announce, respond};
use jiff::Timestamp;
use refit_connect::feeds::{
    Change, FeedError, FeedKind, FeedStore, FetchError, Limits, NetworkOptions, ParseError, Progress, ProxyChoice,
    SyncFrom, SyncOptions, sync,
};
use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

/// A catalogue of `count` entries.
fn kev(count: usize) -> Vec<u8> {
    let entry =
        |n: usize| format!(r#"{{"cveID":"CVE-2024-{:05}","dateAdded":"2024-01-02","dueDate":"2024-01-23"}}"#, n + 1000);
    let entries: Vec<_> = (0..count).map(entry).collect();
    let text = format!(
        r#"{{"dateReleased":"2026-11-20T10:00:00.0Z","count":{count},"vulnerabilities":[{}]}}"#,
        entries.join(",")
    );
    text.into_bytes()
}

fn options(server: &Server) -> SyncOptions {
    let network = NetworkOptions {
        connect_timeout: Duration::from_secs(2),
        stall_timeout: Duration::from_millis(300),
        total_timeout: Duration::from_secs(20),
        attempts: 3,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(50),
        proxy: ProxyChoice::Direct,
    };
    SyncOptions {
        from: SyncFrom::Network { urls: BTreeMap::from([(FeedKind::Kev, server.url.clone())]), network },
        now: now(),
        force: false,
        limits: BTreeMap::from([(FeedKind::Kev, Limits { downloaded: 1 << 20, unpacked: 1 << 20 })]),
    }
}

fn run(data: &Path, options: &SyncOptions) -> Result<Change, FeedError> {
    let store = FeedStore::open(data);
    sync(&store, &[FeedKind::Kev], options, &mut |_| {}).pop().unwrap().result
}

/// Syncs a good copy, then from a server that gives `answers`, and says what came of that; the good copy must be untouched.
fn after_a_good_copy(answers: Vec<Answer>) -> (FeedError, Vec<String>) {
    let data = tempfile::tempdir().unwrap();
    let good = Server::start(vec![respond("200 OK", "", &kev(10))]);
    run(data.path(), &options(&good)).unwrap();
    let files = listing(data.path());
    let bad = Server::start(answers);
    let error = run(data.path(), &options(&bad)).unwrap_err();
    assert_eq!(listing(data.path()), files, "the good copy has changed");
    let store = FeedStore::open(data.path());
    assert_eq!(store.status()[0].records, 10);
    assert!(store.facts("CVE-2024-01003").kev.is_some());
    assert!(store.verify().is_empty());
    (error, bad.requests())
}

/// Names and contents of everything in the store.
fn listing(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(data.join("feeds")).unwrap();
    files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()))
        .collect()
}

#[test]
fn a_body_that_is_cut_off_is_asked_for_again() {
    let body = kev(10);
    let half = announce(body.len(), &body[..body.len() / 2]);
    let server = Server::start(vec![Answer::Send(half.clone()), Answer::Send(half), respond("200 OK", "", &body)]);
    let data = tempfile::tempdir().unwrap();
    let mut again = 0;
    let store = FeedStore::open(data.path());
    let outcome = sync(&store, &[FeedKind::Kev], &options(&server), &mut |progress| {
        again += u32::from(matches!(progress, Progress::Again { .. }));
    });
    assert_eq!(
        outcome[0].result.as_ref().unwrap(),
        &Change::Replaced { before: None, records: 10, skipped: 0, first_skipped: None }
    );
    assert_eq!(again, 2);
}

#[test]
fn a_body_that_stays_cut_off_is_refused() {
    let body = kev(10);
    let (error, requests) = after_a_good_copy(vec![Answer::Send(announce(body.len() + 7, &body))]);
    assert!(matches!(error, FeedError::Fetch(_)), "{error}");
    assert_eq!(requests.len(), 3);
}

#[test]
fn a_chunked_body_that_is_cut_off_is_refused() {
    let head =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n10\r\n{\"count\":0,\"vuln\r\n";
    let (error, _) = after_a_good_copy(vec![Answer::Send(head.to_vec())]);
    assert!(matches!(error, FeedError::Fetch(_)), "{error}");
}

#[test]
fn a_server_error_is_asked_again_and_a_missing_page_is_not() {
    let server =
        Server::start(vec![respond("500 Oh", "", b""), respond("503 Busy", "", b""), respond("200 OK", "", &kev(3))]);
    let data = tempfile::tempdir().unwrap();
    assert!(run(data.path(), &options(&server)).is_ok());
    assert_eq!(server.requests().len(), 3);
    let (error, requests) = after_a_good_copy(vec![respond("404 Not Found", "", b"gone")]);
    assert!(matches!(error, FeedError::Fetch(FetchError::Status { status: 404, .. })), "{error}");
    assert_eq!(requests.len(), 1);
}

#[test]
fn a_connection_that_is_closed_at_once_is_made_again() {
    let server = Server::start(vec![Answer::Send(Vec::new()), respond("200 OK", "", &kev(3))]);
    let data = tempfile::tempdir().unwrap();
    assert!(run(data.path(), &options(&server)).is_ok());
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let headers = "etag: \"abc\"\r\nlast-modified: Fri, 20 Nov 2026 10:00:00 GMT\r\n";
    let server = Server::start(vec![respond("200 OK", headers, &kev(4)), respond("304 Not Modified", "", b"")]);
    let data = tempfile::tempdir().unwrap();
    let mut options = options(&server);
    run(data.path(), &options).unwrap();
    let before = FeedStore::open(data.path()).status().swap_remove(0);
    options.now = "2026-11-24T10:00:00Z".parse().unwrap();
    assert_eq!(run(data.path(), &options).unwrap(), Change::UpToDate { records: 4 });
    let requests = server.requests();
    assert!(!requests[0].contains("if-none-match"));
    assert!(requests[1].contains("if-none-match: \"abc\"\r\n"), "{}", requests[1]);
    assert!(requests[1].contains("if-modified-since: Fri, 20 Nov 2026 10:00:00 GMT\r\n"), "{}", requests[1]);
    let after = FeedStore::open(data.path()).status().swap_remove(0);
    assert_eq!((after.sha256, after.fetched_at), (before.sha256, before.fetched_at));
    assert_eq!(after.current_at, Some(options.now));
}

#[test]
fn a_damaged_copy_is_fetched_whole_though_the_server_has_nothing_newer() {
    let server = Server::start(vec![respond("200 OK", "etag: \"abc\"\r\n", &kev(4))]);
    let data = tempfile::tempdir().unwrap();
    run(data.path(), &options(&server)).unwrap();
    let index = std::fs::read_dir(data.path().join("feeds")).unwrap().map(|file| file.unwrap().path());
    let index = index.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "idx")).unwrap();
    let mut bytes = std::fs::read(&index).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&index, bytes).unwrap();
    assert_eq!(FeedStore::open(data.path()).verify().len(), 1);
    run(data.path(), &options(&server)).unwrap();
    assert!(!server.requests()[1].contains("if-none-match"));
    assert!(FeedStore::open(data.path()).verify().is_empty());
}

#[test]
fn nothing_new_without_having_asked_is_an_error() {
    let (error, _) = after_a_good_copy(vec![respond("304 Not Modified", "", b"")]);
    assert!(matches!(error, FeedError::Fetch(FetchError::Status { status: 304, .. })), "{error}");
}

#[test]
fn a_server_may_ask_for_patience_but_not_for_an_hour() {
    let server =
        Server::start(vec![respond("429 Slow down", "retry-after: 0\r\n", b""), respond("200 OK", "", &kev(3))]);
    let data = tempfile::tempdir().unwrap();
    assert!(run(data.path(), &options(&server)).is_ok());
    let (error, requests) = after_a_good_copy(vec![respond("429 Slow down", "retry-after: 3600\r\n", b"")]);
    assert!(
        matches!(error, FeedError::Fetch(FetchError::ComeBackLater { wait, .. }) if wait.as_secs() == 3600),
        "{error}"
    );
    assert_eq!(requests.len(), 1);
}

#[test]
fn a_redirect_loop_ends() {
    let (error, requests) = after_a_good_copy(vec![respond("302 Found", "location: /feed\r\n", b"")]);
    assert!(matches!(error, FeedError::Fetch(_)), "{error}");
    assert!(requests.len() <= 10, "{}", requests.len());
}

#[test]
fn a_server_without_tls_is_not_trusted_where_tls_is_asked_for() {
    let plain = Server::start(vec![respond("200 OK", "", &kev(3))]);
    let secure = plain.url.replace("http:", "HTTPS:");
    let data = tempfile::tempdir().unwrap();
    let mut asking = options(&plain);
    let SyncFrom::Network { urls, .. } = &mut asking.from else { unreachable!() };
    urls.insert(FeedKind::Kev, secure.clone());
    assert!(matches!(run(data.path(), &asking), Err(FeedError::Fetch(_))));
    // Neither where a plain address leads to it.
    let leading = Server::start(vec![respond("302 Found", &format!("location: {secure}\r\n"), b"")]);
    assert!(matches!(run(data.path(), &options(&leading)), Err(FeedError::Fetch(_))));
}

#[test]
fn a_body_without_end_is_refused_at_its_limit() {
    let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
    let (error, requests) = after_a_good_copy(vec![Answer::Endless(head)]);
    assert!(matches!(error, FeedError::Fetch(FetchError::TooLarge { limit: 1_048_576, .. })), "{error}");
    assert_eq!(requests.len(), 1);
    let (error, _) = after_a_good_copy(vec![Answer::Stall(announce(1 << 40, b"{"))]);
    assert!(matches!(error, FeedError::Fetch(FetchError::TooLarge { .. })), "{error}");
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let started = Instant::now();
    let (error, _) = after_a_good_copy(vec![Answer::Stall(announce(100_000, b"{\"count\""))]);
    assert!(matches!(error, FeedError::Fetch(_)), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_server_that_drips_is_given_up_after_the_whole_time() {
    let server = Server::start(vec![Answer::Drip(announce(100_000, b"{"))]);
    let mut options = options(&server);
    if let SyncFrom::Network { network, .. } = &mut options.from {
        network.total_timeout = Duration::from_millis(400);
    }
    let data = tempfile::tempdir().unwrap();
    let error = run(data.path(), &options).unwrap_err();
    assert!(matches!(error, FeedError::Fetch(FetchError::TooSlow { .. })), "{error}");
}

#[test]
fn what_is_not_the_feed_is_refused_though_the_status_is_200() {
    let (error, _) = after_a_good_copy(vec![respond("200 OK", "", b"{\"vulnerabilities\": nonsense")]);
    assert!(matches!(error, FeedError::Parse { source: ParseError::Json(_), .. }), "{error}");
    let (error, _) = after_a_good_copy(vec![respond("200 OK", "", b"<html><body>Please sign in</body></html>")]);
    assert!(matches!(error, FeedError::Parse { source: ParseError::WebPage, .. }), "{error}");
    let (error, _) = after_a_good_copy(vec![respond("200 OK", "", b"")]);
    assert!(matches!(error, FeedError::Parse { .. }), "{error}");
}

#[test]
fn a_gzip_bomb_is_refused() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..256 {
        bomb.write_all(&[b' '; 1 << 20]).unwrap();
    }
    let (error, _) = after_a_good_copy(vec![respond("200 OK", "content-encoding: gzip\r\n", &bomb.finish().unwrap())]);
    assert!(matches!(error, FeedError::Parse { source: ParseError::TooLarge(1_048_576), .. }), "{error}");
}

#[test]
fn a_packed_answer_is_unpacked() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&kev(5)).unwrap();
    let server = Server::start(vec![respond("200 OK", "content-encoding: gzip\r\n", &packed.finish().unwrap())]);
    let data = tempfile::tempdir().unwrap();
    assert_eq!(
        run(data.path(), &options(&server)).unwrap(),
        Change::Replaced { before: None, records: 5, skipped: 0, first_skipped: None }
    );
    assert!(server.requests()[0].contains("accept-encoding: gzip"));
}

#[test]
fn a_feed_that_lost_more_than_half_is_refused_unless_forced() {
    let (error, _) = after_a_good_copy(vec![respond("200 OK", "", &kev(4))]);
    assert!(matches!(error, FeedError::Shrunk { before: 10, now: 4, .. }), "{error}");
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(vec![respond("200 OK", "", &kev(10)), respond("200 OK", "", &kev(4))]);
    let mut options = options(&server);
    run(data.path(), &options).unwrap();
    options.force = true;
    assert_eq!(
        run(data.path(), &options).unwrap(),
        Change::Replaced { before: Some(10), records: 4, skipped: 0, first_skipped: None }
    );
}

#[test]
fn one_feed_that_fails_keeps_no_other_away() {
    let kev_server = Server::start(vec![respond("404 Not Found", "", b"")]);
    let epss_server = Server::start(vec![respond("200 OK", "", b"cve,epss\nCVE-2024-01000,0.5\n")]);
    let mut options = options(&kev_server);
    if let SyncFrom::Network { urls, .. } = &mut options.from {
        urls.insert(FeedKind::Epss, epss_server.url.clone());
    }
    let data = tempfile::tempdir().unwrap();
    let store = FeedStore::open(data.path());
    let kinds = [FeedKind::Kev, FeedKind::DebianChangelogs, FeedKind::Epss];
    let outcomes = sync(&store, &kinds, &options, &mut |_| {});
    assert!(outcomes[0].result.is_err());
    assert!(matches!(outcomes[1].result, Err(FeedError::NoUrl(_))));
    assert!(outcomes[2].result.is_ok());
    assert_eq!(FeedStore::open(data.path()).facts("CVE-2024-01000").epss, Some(0.5));
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    // The environment belongs to the process: a second one, this same test, asks through the proxy that the first serves.
    const CHILD: &str = "REFIT_TEST_ASKS_THROUGH_PROXY";
    if std::env::var_os(CHILD).is_some() {
        let server = Server::start(vec![Answer::Send(Vec::new())]);
        let mut options = options(&server);
        let SyncFrom::Network { urls, network } = &mut options.from else { unreachable!() };
        urls.insert(FeedKind::Kev, "http://feeds.invalid/kev.json".into());
        network.proxy = ProxyChoice::Environment;
        let data = tempfile::tempdir().unwrap();
        let _ = run(data.path(), &options);
        return;
    }
    let proxy = Server::start(vec![respond("502 Bad Gateway", "", b"")]);
    let address = proxy.url.trim_end_matches("/feed");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "http::the_proxy_of_the_environment_is_used"]).env(CHILD, "1");
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, address);
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    assert!(child.output().unwrap().status.success());
    assert!(proxy.requests().first().is_some_and(|head| head.contains("feeds.invalid")), "{:?}", proxy.requests());
}
