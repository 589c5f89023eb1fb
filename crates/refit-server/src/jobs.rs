//! What the server does by itself: ticks, its lease, snapshots, matching advisories, forgetting old answers.

mod monitoring;
#[cfg(test)]
mod tests;

pub use monitoring::Troubles;
pub(crate) use monitoring::monitoring;

use crate::{
    agents::Agents,
    matching::{self, Packages},
    shell::Shell,
    tls::{Certificates, Clients, write_private},
};
use axum_server::tls_rustls::RustlsConfig;
use jiff::{SignedDuration, Timestamp, Zoned};
use refit_core::control::{Actor, Input};
use refit_store::LeaseError;
use smol_str::SmolStr;
use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::time::MissedTickBehavior;

/// How long a lease lasts unless it is renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// How often things are done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// How often the lease is renewed, time is told to have passed, and feeds are looked at.
    tick: Duration,
    /// How long to wait for more before advisories are matched.
    gather: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { tick: Duration::from_secs(10), gather: Duration::from_secs(2) }
    }
}

/// How often to look whether a snapshot is due.
const SNAPSHOT: Duration = Duration::from_secs(60);
/// How often to do what need not be done often.
const SELDOM: Duration = Duration::from_secs(3_600);
/// How long the answers to requests with an idempotency key are kept.
const ANSWERS: SignedDuration = SignedDuration::from_hours(24);

/// The file that says until when the server was known to listen.
pub(crate) fn alive_file(data: &Path) -> PathBuf {
    data.join("server.alive")
}

/// Until when a server listened here, as far as that was noted.
pub(crate) fn alive_until(data: &Path, now: Timestamp) -> Option<Timestamp> {
    let text = std::fs::read_to_string(alive_file(data)).ok()?;
    text.trim().parse().ok().filter(|until| *until <= now)
}

/// Tells the writer that time passes, and keeps the lease.
pub(crate) async fn tick(shell: Shell, data: PathBuf, pace: Pace) {
    let mut every = tokio::time::interval(pace.tick);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let now = shell.now();
        match shell.store().renew_lease(shell.fence(), now, LEASE).await {
            Ok(()) => {
                // It only says since when nobody listened; without it the last event does.
                let _ = write_private(&alive_file(&data), format!("{now}\n").as_bytes());
            }
            Err(LeaseError::Lost) => {
                tracing::error!("the lease on the log is lost: another server has taken over");
                shell.close("another server has taken over").await;
                return;
            }
            Err(error) => tracing::warn!(%error, "the lease could not be renewed; it is tried again"),
        }
        if let Err(error) = shell.tell(&Actor::server(), Input::Tick, None).await {
            tracing::warn!(%error, "a tick was not taken");
        }
    }
}

/// Makes snapshots.
pub(crate) async fn snapshots(shell: Shell) {
    let mut every = tokio::time::interval(SNAPSHOT);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Err(error) = shell.snapshot_if_due().await {
            tracing::warn!(%error, "no snapshot was made; the log has everything");
        }
    }
}

/// Matches advisories where somebody asked for it, and everywhere when feeds have been synced.
pub(crate) async fn matching(shell: Shell, packages: Packages, data: PathBuf, pace: Pace) {
    let mut known = feeds(&data);
    // What is in force was matched with what was there then.
    let mut last = remembered(&data);
    loop {
        tokio::select! {
            () = shell.effects().added.notified() => tokio::time::sleep(pace.gather).await,
            () = tokio::time::sleep(pace.tick) => {}
        }
        let now = feeds(&data);
        if now != known || last.as_ref().is_some_and(|last| *last != now) {
            let distributions: Vec<SmolStr> = shell.view().state.distributions.keys().cloned().collect();
            distributions.into_iter().for_each(|distribution| shell.effects().ask_to_match(distribution));
            (known, last) = (now, None);
        }
        for distribution in shell.effects().take_matching() {
            let found = matching::rematch(&shell, &packages, &data, distribution.clone()).await;
            match found {
                Ok(()) => remember(&data, &known),
                Err(error) => {
                    tracing::warn!(%distribution, %error, "advisories could not be matched; it is tried again");
                    shell.effects().ask_to_match(distribution);
                    tokio::time::sleep(pace.tick).await;
                }
            }
        }
    }
}

/// What can be seen of the feeds from outside: names, sizes, times.
fn feeds(data: &Path) -> String {
    let Ok(entries) = std::fs::read_dir(data.join("feeds")) else { return String::new() };
    let mut lines: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            let changed = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            Some(format!("{} {} {}\n", entry.file_name().display(), metadata.len(), changed.as_micros()))
        })
        .collect();
    lines.sort();
    lines.concat()
}

/// The feeds that were last matched.
fn remembered(data: &Path) -> Option<String> {
    std::fs::read_to_string(data.join("server.feeds")).ok()
}

fn remember(data: &Path, feeds: &str) {
    // Without it they are matched once more.
    let _ = write_private(&data.join("server.feeds"), feeds.as_bytes());
}

/// Writes down who checked in.
pub(crate) async fn flush(agents: Agents, pace: Pace) {
    let mut every = tokio::time::interval(pace.tick);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        agents.flush().await;
    }
}

/// Forgets old answers, and renews the certificate.
pub(crate) async fn seldom(shell: Shell, tls: Option<(Certificates, Clients, RustlsConfig)>) {
    let mut every = tokio::time::interval(SELDOM);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if let Ok(before) = shell.now().checked_sub(ANSWERS)
            && let Err(error) = shell.store().forget_answers(before).await
        {
            tracing::warn!(%error, "old answers could not be forgotten");
        }
        if let Some((certificates, clients, listening)) = &tls {
            match certificates.config(clients, &Zoned::now()) {
                Ok(config) => listening.reload_from_config(config),
                Err(error) => tracing::error!(%error, "the certificate could not be renewed"),
            }
        }
    }
}
