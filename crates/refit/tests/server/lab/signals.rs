//! What a monitoring system says.

use super::site::{Lab, release};
use refit_core::control::Stage;
use refit_testbed::{Host, family::Family};
use std::{cell::Cell, time::Instant};

/// How long after the change the service fails, in seconds.
const WORKS_SECONDS: u64 = 5;
/// What is there where the service has failed.
const FAILED: &str = "/var/lib/service-failed";

/// A release whose service fails after a while.
pub fn failing_later(lab: &mut Lab<'_>) {
    lab.report.begin(
        "A service fails after a while",
        &format!(
            "Release 1.1 is installed without a mistake. {WORKS_SECONDS} s later its service fails on hosts with apt; on those with dnf it goes on. A \
             monitoring system posts every few seconds of each host whether the service runs; the gate is sure with {}.",
            lab.size.confidence()
        ),
    );
    lab.policy.of("service", "rollout: listening\ndeadline: [{ within: 14d }]");
    lab.apply();
    let later = format!("setsid sh -c 'sleep {WORKS_SECONDS}; touch {FAILED}' </dev/null >/dev/null 2>&1 &");
    lab.publish([release("service", "1.1", &format!("if ! grep -q almalinux /etc/os-release; then {later} fi"))]);
    let posted = Cell::new(None::<Instant>);
    let stage = |lab: &Lab<'_>, family: Family| {
        if posted.get().is_none_or(|at| at.elapsed().as_secs() >= 2) {
            monitor(lab);
            posted.set(Some(Instant::now()));
        }
        let rollouts = lab.rollouts("service", "1.1");
        rollouts.iter().find(|rollout| rollout.title == family.title("service")).map(|rollout| rollout.stage)
    };
    lab.until("service is halted on hosts with apt", |lab| stage(lab, Family::Apt) == Some(Stage::Halted));
    let timeline = lab.timelines("service").remove(0).1;
    let halt = timeline.iter().find(|moment| moment.says.starts_with("halted")).unwrap();
    assert!(halt.says.contains("signal runs"), "{}", halt.says);
    lab.until("service is through on hosts with dnf", |lab| stage(lab, Family::Dnf) == Some(Stage::Complete));
    lab.until_installed("service", "1.1", |host| host.device.family() == Family::Dnf);
    assert_eq!(stage(lab, Family::Apt), Some(Stage::Halted));
    let pilot = |lab: &Lab<'_>, host: &Host| lab.size.is_pilot(host);
    super::halts::untouched(lab, "service", "1.0", |lab, host| {
        host.device.family() == Family::Apt && !pilot(lab, host)
    });
    let failures = lab.receipts("service").iter().flatten().filter(|told| !told.ends_with("succeeded")).count();
    assert_eq!(failures, 0);
    lab.tell("service", &["1.1"]);
    lab.report.found("the halt is by the signal alone: every receipt says that it succeeded");
    lab.report.found("on hosts with dnf, where the service goes on, the same gate has let it through");
    lab.report.end();
}

/// The monitoring system looks at every host, and posts what it sees.
fn monitor(lab: &Lab<'_>) {
    let hosts = lab.hosts.fleet.hosts().iter().zip(&lab.ids);
    let devices = hosts.map(|(host, id)| (id.clone(), host.device.root().exists(FAILED))).collect();
    let said = refit_api::NewSignal {
        source: "monitoring".to_owned(),
        signal: "runs".to_owned(),
        at: None,
        complete: true,
        devices,
    };
    lab.server.client.tell_signal(&said).unwrap();
}
