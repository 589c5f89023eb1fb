//! Restarts, and logs that come from a backup.

use super::server::{Running, debian, root, signed_root};
use refit_api::RootEnvelope;
use refit_server::agents::note_restored;
use refit_store::{Existing, backup, restore};
use refit_wire::{
    Lease,
    protocol::{CheckInAnswer, Want},
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
