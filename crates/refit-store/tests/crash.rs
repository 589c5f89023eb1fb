//! `kill -9` at any moment: whatever was acknowledged is there, and the log is whole.
//!
//! The process that is killed is this test binary itself, started with `REFIT_STORE_WORK=FOLDER`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use proptest::prelude::RngExt as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use refit_store::{
    Answered, Batch, NewEvent, PersonalValue, Snapshot, Store,
    conformance::{at, lease},
    open_sqlite, verify,
};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const ROUNDS: u64 = 40;

/// Not a test by itself: the process that is killed.
#[tokio::test]
async fn work_until_killed() {
    let Ok(folder) = std::env::var("REFIT_STORE_WORK") else { return };
    let round: u64 = std::env::var("REFIT_STORE_ROUND").unwrap().parse().unwrap();
    let (store, opened) = open_sqlite(Path::new(&folder)).await.unwrap();
    say(&format!("opened {}", opened.head));
    let fence = lease(&store).await;
    let mut head = opened.head;
    loop {
        let events = 1 + (head * 7 + round) % 90;
        head = store.append(fence, head, batch(head, events, round)).await.unwrap();
        say(&format!("acknowledged {head}"));
        match head % 11 {
            0 => store
                .save_snapshot(Snapshot { seq: head, at: at(head), format: 1, body: vec![7; 5_000] })
                .await
                .unwrap(),
            1 => drop(store.erase_person("person/0").await.unwrap()),
            2 => drop(store.forget_answers(at(head.saturating_sub(200))).await.unwrap()),
            _ => {}
        }
    }
}

/// Past the test harness, which keeps what is printed.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{line}").and_then(|()| out.flush()).unwrap();
}

/// What a batch holds follows from where it begins. Some rounds write so much that checkpoints come often.
fn batch(head: u64, events: u64, round: u64) -> Batch {
    let bytes = if round.is_multiple_of(2) { 300 } else { 6_000 };
    Batch {
        events: (head + 1..=head + events).map(|seq| event(seq, bytes)).collect(),
        personal: vec![PersonalValue {
            reference: format!("value/{head}"),
            person: format!("person/{}", head % 3),
            value: head.to_string().into_bytes(),
        }],
        answers: vec![Answered {
            key: format!("key/{head}"),
            fingerprint: events.to_string(),
            status: 200,
            body: Vec::new(),
            at: at(head),
        }],
        blobs: Vec::new(),
    }
}

fn event(seq: u64, bytes: usize) -> NewEvent {
    NewEvent {
        at: at(seq),
        kind: "test.happened".into(),
        version: 1,
        actor: "test".into(),
        body: seq.to_string().repeat(bytes).into_bytes()[..bytes].to_vec(),
    }
}

#[tokio::test]
async fn a_killed_writer_loses_nothing_acknowledged() {
    let folder = TempDir::new().unwrap();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut head, mut in_flight, started) = (0, 0, Instant::now());
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "work_until_killed", "--nocapture"])
            .env("REFIT_STORE_WORK", folder.path())
            .env("REFIT_STORE_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let wait = Duration::from_millis(random.random_range(5..220));
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
        let last = |word: &str| lines.iter().rev().find_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok());
        let acknowledged = last("acknowledged").or(last("opened")).unwrap_or(head);

        let (store, opened) = open_sqlite(folder.path()).await.unwrap();
        assert_eq!(opened.lost, None, "round {round}: {opened}");
        assert!(opened.head >= acknowledged, "round {round}: {opened}, acknowledged {acknowledged}");
        assert!(opened.head <= acknowledged + 90, "round {round}: at most one batch more: {opened}");
        in_flight += u64::from(opened.head > acknowledged);
        // Every batch is there as a whole: its first event and its answer know the same length.
        let mut at = head;
        while at < opened.head {
            if let Some(answer) = store.answer(&format!("key/{at}")).await.unwrap() {
                at += answer.fingerprint.parse::<u64>().unwrap();
            } else {
                // Forgotten.
                at += 1 + (at * 7 + round) % 90;
            }
        }
        assert_eq!(at, opened.head, "round {round}: the last batch is whole");
        head = opened.head;
        store.close().await.unwrap();
        let report = verify(folder.path()).await.unwrap();
        assert!(report.is_good(), "round {round}: {report}");
    }
    assert!(head > 100, "the children have really worked: {head} events");
    println!(
        "{ROUNDS} kills, {head} events, {in_flight} batches committed but not acknowledged, {:?}",
        started.elapsed()
    );
}
