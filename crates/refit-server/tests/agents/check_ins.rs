//! A device says how it is.

use super::{
    client::{answer, exchange},
    server::{Running, debian},
};
use refit_api::CloseReport;
use refit_core::control::Event;
use refit_model::{
    TitleId,
    entry::{ReceiptResult, SlotName},
};
use refit_wire::{
    Lease,
    protocol::{
        CheckInAnswer, Complaint, Problem, Receipt, Report, ReportAnswer, ReportOutcome, Standing, WaitsFor, Want,
    },
};
use tokio::io::AsyncWriteExt as _;

/// What has been logged of a kind.
async fn events(server: &Running, kind: &str) -> usize {
    let kind = kind.to_owned();
    server.ask(move |admin| admin.events(0, Some(&kind), std::time::Duration::ZERO)).await.unwrap().items.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_agree_by_deltas_and_what_is_the_same_reaches_no_writer() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    assert_eq!(device.say_all(debian("3.0.1-1")).await.want, Want::Nothing);
    let check_in = device.same();
    assert_eq!(device.send(&check_in).await.ok::<CheckInAnswer>().want, Want::Nothing);
    let head = *server.shell.head().borrow();
    for _ in 0..3 {
        let check_in = device.same();
        let answer: CheckInAnswer = device.send(&check_in).await.ok();
        let lease: Lease = answer.lease.open(&[&server.agents.key().public()], 1).unwrap();
        assert!(lease.brake.is_none() && lease.epoch == 1);
    }
    assert_eq!(*server.shell.head().borrow(), head);
    let mut upgraded = debian("3.0.2-1");
    upgraded.facts.insert("device.site".into(), refit_model::entry::Plain::Text("berlin".into()));
    device.say(upgraded.clone()).await;
    let check_in = device.same();
    assert_eq!(device.send(&check_in).await.ok::<CheckInAnswer>().want, Want::Nothing);
    upgraded.facts.remove("device.site");
    upgraded.installs.remove(&SlotName::of(TitleId::new("deb/curl")));
    device.say(upgraded).await;
    let check_in = device.same();
    assert_eq!(device.send(&check_in).await.ok::<CheckInAnswer>().want, Want::Nothing);
    // Who was here is written down in bulk.
    server.agents.flush().await;
    let view = server.shell.view();
    assert!(view.state.seen_since.contains(view.state.device(&device.id.as_str().into()).unwrap().index));
    drop(view);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disagreement_asks_for_everything() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    device.say_all(debian("3.0.1-1")).await;
    // The device believes that the server has something else.
    device.said = debian("2.9");
    let check_in = device.same();
    assert_eq!(device.send(&check_in).await.ok::<CheckInAnswer>().want, Want::All);
    assert_eq!(device.say(debian("3.0.2-1")).await.want, Want::All);
    assert_eq!(device.say_all(debian("3.0.2-1")).await.want, Want::Nothing);
    let check_in = device.same();
    assert_eq!(device.send(&check_in).await.ok::<CheckInAnswer>().want, Want::Nothing);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_universe_offers_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let (mut first, mut second) = (server.device("a").await, server.device("b").await);
    let mut short = debian("3.0.1-1");
    short.universe.offers.clear();
    assert_eq!(first.say_all(short.clone()).await.want, Want::Offers);
    let universe = Some(debian("3.0.1-1").universe);
    let digest = first.said.digest();
    let report = Report::Changes {
        base: digest,
        digest,
        facts: Default::default(),
        present: Vec::new(),
        gone: Vec::new(),
        universe,
    };
    let check_in = first.next(report);
    assert_eq!(first.send(&check_in).await.ok::<CheckInAnswer>().want, Want::Nothing);
    assert_eq!(second.say_all(short).await.want, Want::Nothing);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_and_complaints_are_acknowledged_and_count_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    device.say_all(debian("3.0.1-1")).await;
    let receipt = Receipt {
        id: "r1".into(),
        directive: "upgrade deb/openssl 3.0.2-1".into(),
        slot: SlotName::of(TitleId::new("deb/openssl")),
        result: ReceiptResult::Succeeded,
        before: Some("3.0.1-1".into()),
        after: Some("3.0.2-1".into()),
        at: jiff::Timestamp::now(),
        duration_ms: 1_200,
        output: "Setting up openssl".into(),
    };
    let complaint =
        Complaint { id: "c1".into(), at: jiff::Timestamp::now(), title: None, text: "the printer is gone".into() };
    for _ in 0..3 {
        let mut check_in = device.same();
        check_in.receipts = vec![receipt.clone()];
        check_in.complaints = vec![complaint.clone()];
        let answer: CheckInAnswer = device.send(&check_in).await.ok();
        assert_eq!((answer.receipts, answer.complaints), (vec!["r1".into()], vec!["c1".into()]));
    }
    assert_eq!(events(&server, "receipt.received").await, 1);
    assert_eq!(events(&server, "complaint.received").await, 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_of_a_report_is_answered_until_the_device_has_shown_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    device.say_all(debian("3.0.1-1")).await;
    let mut check_in = device.same();
    check_in.complaints =
        vec![Complaint { id: "c1".into(), at: jiff::Timestamp::now(), title: None, text: "it is slow".into() }];
    let answer: CheckInAnswer = device.send(&check_in).await.ok();
    assert_eq!(answer.answers, []);
    let report = server
        .ask(|admin| {
            let report = admin.reports(None, None)?.remove(0);
            assert_eq!(admin.report(&report.report)?.words.as_deref(), Some("it is slow"));
            let close = CloseReport {
                outcome: refit_core::control::ReportOutcome::Fix,
                title: None,
                version: None,
                why: "a full disk was emptied".into(),
            };
            assert!(admin.close_report(&report.report, &close)?.changed);
            Ok::<_, refit_api::client::ClientError>(report.report)
        })
        .await
        .unwrap();
    let told = vec![ReportAnswer { complaint: "c1".into(), outcome: ReportOutcome::Fix }];
    for _ in 0..2 {
        let check_in = device.same();
        let answer: CheckInAnswer = device.send(&check_in).await.ok();
        assert_eq!(answer.answers, told, "until it was shown");
    }
    let mut check_in = device.same();
    check_in.answered = vec!["c1".into(), "c2".into()];
    let answer: CheckInAnswer = device.send(&check_in).await.ok();
    assert_eq!(answer.answers, []);
    let mut check_in = device.same();
    check_in.answered = vec!["c1".into()];
    let _: CheckInAnswer = device.send(&check_in).await.ok();
    assert_eq!(events(&server, "report.shown").await, 1);
    let shown = server.ask(move |admin| admin.report(&report)).await.unwrap().shown;
    assert!(shown.is_some());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_directives_stand_is_written_down_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    device.say_all(debian("3.0.1-1")).await;
    let before = events(&server, "device.stands").await;
    for waits_for in [WaitsFor::Window, WaitsFor::Window, WaitsFor::Mandate] {
        let mut check_in = device.same();
        check_in.standing = vec![Standing { directive: "d".into(), waits_for, until: Some(jiff::Timestamp::now()) }];
        device.send(&check_in).await.ok::<CheckInAnswer>();
    }
    assert_eq!(events(&server, "device.stands").await, before + 2);
    let mut check_in = device.same();
    let problem = Problem { code: "rollback".into(), what: "an older state".into(), since: jiff::Timestamp::now() };
    check_in.problems = vec![problem.clone()];
    device.send(&check_in).await.ok::<CheckInAnswer>();
    let id = device.id.clone();
    let agent = server.ask(move |admin| admin.device(&id)).await.unwrap().agent.unwrap();
    assert_eq!((agent.problems.len(), &*agent.problems[0].code), (1, "rollback"));
    assert!(agent.standing.is_empty() && agent.certificate_until.is_some());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_message_is_refused_and_a_copy_locks_both_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    let old = device.same();
    assert_eq!(device.send(&old).await.status, 200);
    // Its answer was lost.
    assert_eq!(device.send(&old).await.status, 200);
    let newer = device.same();
    assert_eq!(device.send(&newer).await.status, 200);
    device.send(&old).await.refused(409, "replayed");
    // The agent restarts: another run, and it counts on.
    device.run = "another".into();
    let check_in = device.same();
    assert_eq!(device.send(&check_in).await.status, 200);
    let mut copy = device.same();
    copy.run = "the copy".into();
    copy.counter -= 1;
    device.send(&copy).await.refused(403, "cloned");
    let check_in = device.same();
    device.send(&check_in).await.refused(401, "certificate");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_and_malformed_bodies_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let device = server.device("a").await;
    device.wire.call("POST", "/agent/v1/check-in", b"nothing").await.refused(400, "malformed");
    device.wire.call("POST", "/agent/v1/check-in", b"{}").await.refused(400, "malformed");
    let mut stream = device.wire.connect().await.unwrap();
    let declared = "POST /agent/v1/check-in HTTP/1.1\r\nhost: refit\r\ncontent-length: 99999999999\r\n\r\n";
    stream.write_all(declared.as_bytes()).await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().0, 413);
    // One that says nothing of its length ends when it is too long.
    let mut stream = device.wire.connect().await.unwrap();
    let head = "POST /agent/v1/certificate HTTP/1.1\r\nhost: refit\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut sent = 0;
    while sent < 64 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 1;
    }
    assert!(answer(&mut stream).await.map_or(true, |(status, _)| status == 413));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_carries_many_check_ins() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    let mut stream = device.wire.connect().await.unwrap();
    for _ in 0..20 {
        let body = serde_json::to_vec(&device.same()).unwrap();
        let answer = exchange(&mut stream, "POST", "/agent/v1/check-in", &body, "keep-alive").await.unwrap();
        assert_eq!(answer.status, 200);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_switch_reaches_devices_with_the_lease_and_its_way_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let (mut quick, silent) = (server.device("a").await, server.device("b").await);
    server.ask(|admin| admin.stop("a bad update")).await.unwrap();
    let check_in = quick.same();
    let answer: CheckInAnswer = quick.send(&check_in).await.ok();
    let lease: Lease = answer.lease.open(&[&server.agents.key().public()], 1).unwrap();
    assert_eq!(lease.brake.unwrap().why, "a bad update");
    quick.holds.stopped = true;
    for _ in 0..2 {
        let check_in = quick.same();
        quick.send(&check_in).await.ok::<CheckInAnswer>();
    }
    server.agents.flush().await;
    assert_eq!(events(&server, "brake.reached").await, 1);
    let reach = server.ask(|admin| admin.brake()).await.unwrap().reach.unwrap();
    assert_eq!((reach.agents, reach.honour), (2, 1));
    assert_eq!(reach.silent, [silent.id]);
    assert!(reach.slowest_seconds.unwrap() < 30);
    server.ask(|admin| admin.go_on("it was taken back")).await.unwrap();
    let check_in = quick.same();
    let answer: CheckInAnswer = quick.send(&check_in).await.ok();
    let lease: Lease = answer.lease.open(&[&server.agents.key().public()], 1).unwrap();
    assert_eq!(lease.brake, None);
    assert!(matches!(Event::KINDS.iter().find(|(kind, _)| *kind == "brake.reached"), Some((_, 1))));
    server.stop().await;
}
