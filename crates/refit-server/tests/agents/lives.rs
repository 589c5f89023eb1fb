//! Restarts, and logs that come from a backup.

use super::server::{Running, debian, root, signed_root};
use refit_api::RootEnvelope;
use refit_server::agents::note_restored;
use refit_store::{Existing, backup, restore};
use refit_wire::{
    Lease,
    protocol::{CheckInAnswer, History, HistoryHead, Report, Want},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let key = server.agents.key().public();
    let envelope = signed_root(&root(1, key.clone()));
    server.ask(move |admin| admin.publish_root(&RootEnvelope { envelope })).await.unwrap();
    let mut device = server.device("a").await;
    device.say_all(debian("3.0.1-1")).await;
    server.stop().await;
    for _ in 0..2 {
        let server = Running::start(folder.path()).await;
        device.wire.address = server.address;
        let check_in = device.same();
        let answer: CheckInAnswer = device.send(&check_in).await.ok();
        let lease: Lease = answer.lease.open(&[&key], 1).unwrap();
        assert_eq!((lease.epoch, answer.root, answer.want), (1, 1, Want::Nothing));
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_from_a_backup_has_another_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Running::start(&data).await;
    let key = server.agents.key().public();
    let mut device = server.device("a").await;
    device.say_all(debian("3.0.1-1")).await;
    server.stop().await;
    let copy = folder.path().join("backup");
    backup(&data, &copy).await.unwrap();
    let server = Running::start(&data).await;
    device.wire.address = server.address;
    device.say(debian("3.0.2-1")).await;
    server.stop().await;
    let mut epochs = vec![1];
    for _ in 0..2 {
        note_restored(&data).unwrap();
        restore(&copy, &data, Existing::ReplaceGood).await.unwrap();
        let server = Running::start(&data).await;
        device.wire.address = server.address;
        let check_in = device.same();
        let answer: CheckInAnswer = device.send(&check_in).await.ok();
        let lease: Lease = answer.lease.open(&[&key], 1).unwrap();
        // What the device said since the backup is gone here: it is asked for all of it.
        assert_eq!(answer.want, Want::All);
        epochs.push(lease.epoch);
        device.say_all(debian("3.0.2-1")).await;
        server.stop().await;
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    }
    assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_told_after_a_restart_too_and_both_are_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    let history = |links: &[u32], recorded: Option<u64>| {
        let link = |sequence: u64| links[links.len() - usize::try_from(sequence).unwrap()];
        let recorded = recorded.map(|sequence| HistoryHead { sequence, link: link(sequence) });
        Some(History { sequence: links.len() as u64, links: links.to_vec(), recorded })
    };
    let mut check_in = device.next(Report::All { inventory: debian("3.0.1-1") });
    device.said = debian("3.0.1-1");
    check_in.history = history(&[11], None);
    assert!(device.send(&check_in).await.ok::<CheckInAnswer>().recorded);
    // Without news nothing is written down, also where an answer was lost.
    let head = *server.shell.head().borrow();
    check_in = device.same();
    check_in.history = history(&[12, 11], Some(1));
    assert!(!device.send(&check_in).await.ok::<CheckInAnswer>().recorded);
    check_in = device.same();
    check_in.history = history(&[13, 12, 11], Some(1));
    assert!(!device.send(&check_in).await.ok::<CheckInAnswer>().recorded);
    assert_eq!(*server.shell.head().borrow(), head);
    // The disk is copied here. The original has news.
    check_in = device.next(debian("3.0.2-1").since(&device.said));
    device.said = debian("3.0.2-1");
    check_in.history = history(&[14, 13, 12, 11], Some(1));
    assert!(device.send(&check_in).await.ok::<CheckInAnswer>().recorded);
    server.stop().await;
    let server = Running::start(folder.path()).await;
    device.wire.address = server.address;
    device.run = "the copy".into();
    let mut copy = device.next(Report::Same { digest: debian("3.0.1-1").digest() });
    copy.history = history(&[24, 13, 12, 11], Some(1));
    device.send(&copy).await.refused(403, "quarantined");
    device.run = "the original".into();
    check_in = device.same();
    check_in.history = history(&[15, 14, 13, 12, 11], Some(4));
    device.send(&check_in).await.refused(403, "quarantined");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_counted_goes_on_counting_unless_enrolled_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    let mut device = server.device("a").await;
    let begin = |device: &mut super::client::Device| {
        let mut check_in = device.next(Report::All { inventory: debian("3.0.1-1") });
        check_in.history = Some(History { sequence: 1, links: vec![7], recorded: None });
        device.said = debian("3.0.1-1");
        check_in
    };
    let check_in = begin(&mut device);
    device.send(&check_in).await.ok::<CheckInAnswer>();
    // The same machine is enrolled again: it has forgotten everything, and begins anew.
    let mut again = server.device("a").await;
    assert_eq!(again.id, device.id);
    (again.counter, again.run) = (device.counter, "anew".into());
    let check_in = begin(&mut again);
    assert!(again.send(&check_in).await.ok::<CheckInAnswer>().recorded);
    let check_in = again.same();
    again.send(&check_in).await.refused(403, "quarantined");
    server.stop().await;
}
