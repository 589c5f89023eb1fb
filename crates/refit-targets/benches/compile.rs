//! What it takes to compile 1,000 policies for all targets: `cargo bench -p refit-targets --bench compile`, for 1,000 devices, or for as
//! many as are named (`-- 10000`). Times are CPU times of one thread, the least of three rounds.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench that can't be set up is meant to panic")]

use nix::time::{ClockId, clock_gettime};
use refit_core::{
    cohorts::{Cohorts, as_if_open},
    engine::Fleet,
    facts::{Fact, FieldRef, Value},
    policy::{
        diagnostic::Files,
        load::load,
        repository::Repository,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_targets::{Offered, compile};
use refit_worlds::{Spec, Synthetic};
use std::{collections::BTreeMap, hint::black_box, time::Duration};

const POLICIES: usize = 1_000;
const ROUNDS: usize = 3;

const HEAD: &str = "organization: acme
defaults: { mode: enforce }
rollouts:
  standard:
    rings:
      - { name: canary, share: 10%, soak: 1d }
      - { name: rest }
windows: { overnight: { rrule: \"FREQ=DAILY;BYHOUR=19\", lasts: 11h } }
---
title: macos
scheme: apple
moved_by: { macos: target }
kind: os
---
title: google-chrome
scheme: chrome
moved_by: { macos: vendor, windows: vendor }
identifiers: { munki: [GoogleChrome], jamf: [Google Chrome], winget: [Google.Chrome] }
---
title: windows-11
scheme: windows
moved_by: { windows: target }
kind: os
---
target: macs
kind: apple-declarative
---
target: browsers
kind: browser-policies
where: device.platform == \"windows\"
---
target: munki
kind: munki
---
target: debian
kind: apt
---
target: fedora
kind: dnf
---
target: windows
kind: intune
---
target: windows apps
kind: intune-apps
settings: { apps: { google-chrome: XPFCC4CD725961 } }
---
target: jamf
kind: jamf-pro
---
target: sign-in
kind: okta-device-assurance
";

fn repository() -> Repository {
    let mut text = HEAD.to_owned();
    for number in 0..POLICIES {
        let software = ["macos", "google-chrome", "\"os/security\"", "windows-11"][number % 4];
        text += &format!(
            "---\npolicy: p{number}\nwhere: '\"t{number}\" in device.tags'\npriority: {number}\nsoftware: [{software}]\nrollout: standard\n\
             window: overnight\ndeadline: [{{ within: 14d }}]\nexperience: {{ relaunch: {{ mode: at_due }}, reboot: {{ mode: at_due }} }}\n"
        );
    }
    let mut files = Files::default();
    files.add("refit.yaml".to_owned(), text.as_bytes(), &Limits::default()).expect("it is a text");
    let (documents, _) = load(&files, &Limits::default());
    resolve(&documents, &files, &Titles::default()).0
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

fn main() {
    let devices: u32 = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(1_000);
    let repository = repository();
    assert_eq!(repository.policies.len(), POLICIES);
    let now = "2026-11-23T09:00:00Z".parse().unwrap();
    let synthetic = Synthetic::new(Spec { devices, seed: 7, now });
    let mut world = synthetic.world().clone();
    as_if_open(&mut world, &repository, "rest", now);
    let mut fleet = Fleet::new();
    for (number, mut device) in synthetic.devices().enumerate() {
        let tag = Value::list([format!("t{}", number % POLICIES)]);
        device.facts.insert(FieldRef::device("tags"), Fact { value: tag, source: None, observed: None });
        fleet.put(&device);
    }
    let (mut decided, mut compiled) = (Duration::MAX, Duration::MAX);
    let mut objects = 0;
    for _ in 0..ROUNDS {
        let start = cpu();
        let cohorts = Cohorts::of_fleet(&fleet, &repository, &world, now);
        let between = cpu();
        let plan = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
        compiled = compiled.min(cpu() - between);
        decided = decided.min(between - start);
        objects = plan.targets.iter().map(|plan| plan.desired.objects.len()).sum();
        black_box(plan);
    }
    println!(
        "{POLICIES} policies, {devices} devices, {} targets: decided in {decided:.2?}, compiled into {objects} objects in {compiled:.2?}",
        repository.targets.len()
    );
}
