//! The lab: real hosts that move from one release to the next in rings, and what stops them.
//!
//! `cargo xtask lab` runs it with 24 hosts, `cargo test` with twelve ([`size::Size`]) and some of the scenarios. Time is scaled: rings soak for seconds, and agents
//! come every two. What Refit says is held against what dpkg and rpm say, and against what the packages' own scripts wrote down.

mod absence;
mod chaos;
mod cluster;
mod halts;
mod policy;
mod report;
mod rings;
mod signals;
mod site;
mod size;
mod snapshots;

use super::{agent::program, hosts::Hosts, package::package};
use refit_testbed::{Fleet, Lan, family::Software};
use report::Report;
use site::Lab;
use size::Size;
use std::panic::AssertUnwindSafe;

/// A scenario: its name for `REFIT_LAB_ONLY`, whether it is one of the few that tests run, the packages that it needs, and what it does.
struct Scenario {
    name: &'static str,
    small: bool,
    packages: &'static [&'static str],
    run: fn(&mut Lab<'_>),
}

/// In this order.
const SCENARIOS: [Scenario; 12] = [
    Scenario { name: "good", small: false, packages: &["good"], run: rings::good },
    Scenario { name: "failing", small: true, packages: &["printer"], run: halts::failing },
    Scenario { name: "silent", small: false, packages: &["modem"], run: halts::silent },
    Scenario { name: "kev", small: true, packages: &["browser"], run: halts::exploited },
    Scenario { name: "freeze", small: false, packages: &["ledger", "vault"], run: halts::frozen },
    Scenario { name: "killed", small: false, packages: &["mailer"], run: chaos::killed },
    Scenario { name: "stopped", small: true, packages: &["shell-extras"], run: halts::stopped },
    Scenario { name: "changed", small: false, packages: &["editor"], run: halts::changed },
    Scenario { name: "back", small: false, packages: &["archiver"], run: absence::back },
    Scenario { name: "cluster", small: false, packages: &["database"], run: cluster::turns },
    Scenario { name: "snapshot", small: false, packages: &["canvas", "brush"], run: snapshots::snapshots },
    Scenario { name: "signal", small: false, packages: &["service"], run: signals::failing_later },
];

#[test]
fn the_lab() {
    let Some(lan) = Lan::new() else { return };
    // What cargo takes to build them is not the lab's time.
    let _ = (program(), package());
    let (size, only) = (Size::wanted(), std::env::var("REFIT_LAB_ONLY").unwrap_or_else(|_| "small".into()));
    let wanted = |scenario: &&Scenario| match only.as_str() {
        "all" => true,
        "small" => scenario.small,
        names => names.split(',').any(|name| name == scenario.name),
    };
    let scenarios: Vec<&Scenario> = SCENARIOS.iter().filter(wanted).collect();
    assert!(!scenarios.is_empty(), "REFIT_LAB_ONLY={only}: no scenario is called so");
    let report = Report::new(size);
    let place = lan.plug_in();
    let packages = scenarios.iter().flat_map(|scenario| scenario.packages);
    let software: Vec<Software> = packages.map(|name| Software::new(name, "1.0")).collect();
    let Some(mut fleet) = Fleet::new(&lan, &size.hosts(), &software, |_, _| true) else { return };
    report.note(&format!("{} hosts are made", fleet.hosts().len()));
    Hosts::equip(&mut fleet, size::BOOTED);
    let hosts = Hosts::boot(&fleet, size::BOOTED);
    report.note("one of them is booted, and all have the agent");

    // From here on this thread is at the server's machine, and whatever it starts: nothing goes by the machine's own network.
    place.sit_down();
    let mut lab = Lab::found(hosts, size, place.address(), report);
    // One that fails does not hide what the others would have shown.
    let mut failed = Vec::new();
    for scenario in scenarios {
        if std::panic::catch_unwind(AssertUnwindSafe(|| (scenario.run)(&mut lab))).is_err() {
            failed.push(scenario.name);
            lab.recover();
        }
    }
    lab.end();
    assert!(failed.is_empty(), "these scenarios have failed: {}", failed.join(", "));
}
