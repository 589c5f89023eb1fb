//! What a plan says of decisions that are not simply carried out.

use super::{Findings, Subject, build};
use crate::{
    decide::decide,
    policy::{
        diagnostic::{Files, Severity, render},
        document::policy::Mode,
        load::load,
        resolve::{Titles, resolve},
        syntax::Limits,
        testing::world,
    },
};
use jiff::tz::TimeZone;
use std::fmt::Write;

/// The plan of a world's first device under its own policies, as lines.
fn planned(policies: &str, device: &str) -> String {
    let test = format!(
        "test: a plan\nexpect: {{}}\nworld:\n  now: 2026-11-20T09:00:00Z\n  device: {{ id: d1, platform: macos }}\n  \
         releases: [{{ title: firefox, version: 132.0.2, published: 2026-11-14T13:00:00Z }}]\n{device}"
    );
    let mut files = Files::default();
    for (name, text) in [("titles.yaml", "title: firefox"), ("policies.yaml", policies), ("world.yaml", &test)] {
        files.add(name.to_owned(), text.as_bytes(), &Limits::default()).unwrap();
    }
    let (documents, mut found) = load(&files, &Limits::default());
    let (mut repository, resolved) = resolve(&documents, &files, &Titles::default());
    found.extend(resolved);
    repository.policies.iter_mut().for_each(|policy| policy.mode = Mode::Enforce);
    let built = world::build(&documents.tests[0], &repository, &files, &mut found);
    found.retain(|found| found.severity == Severity::Error);
    assert!(found.is_empty(), "{}", found.iter().map(|found| render(found, &files)).collect::<String>());
    let decisions = decide(&repository, &built.world, &built.devices[0], built.now);
    let subject = Subject {
        device: "d1".into(),
        hostname: "d1".into(),
        zone: TimeZone::UTC,
        policy_hash: String::new(),
        policy_folder: String::new(),
    };
    let plan = build(subject, &repository, &built.world, &decisions, Findings::default(), built.now);
    let mut text: String = plan.notes.iter().map(|note| format!("note: {note}\n")).collect();
    for group in &plan.groups {
        for (when, items) in [("now", &group.changes), ("later", &group.later)] {
            for item in items {
                let to = item.to.as_deref().unwrap_or("nothing");
                let because = item.because.as_deref().unwrap_or_default();
                writeln!(text, "{when}: {} {:?} to {to} ({}, {because})", item.title, item.action, group.policy)
                    .unwrap();
                item.not_now.iter().for_each(|why| writeln!(text, "  {why}").unwrap());
            }
        }
    }
    let summary = plan.summary;
    writeln!(text, "{} later, {} compliant, {} undetermined", summary.later, summary.compliant, summary.undetermined)
        .unwrap();
    text
}

#[test]
fn a_conflict_changes_nothing_and_names_the_policies() {
    let text = planned(
        "policy: macs\nsoftware: [firefox]\ndeadline: [{ within: 7d }]\n---\npolicy: engineers\nsoftware: [firefox]\ndeadline: [{ within: 3d }]",
        "  installed: [{ title: firefox, version: 132.0.1, since: 2026-11-01T10:00:00Z }]\n  \
           admitted_before: [{ title: firefox, version: 132.0.2 }]\n",
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_policy_that_may_apply_changes_nothing() {
    let text = planned(
        "policy: macs\nsoftware: [firefox]\ndeadline: [{ within: 7d }]\n---\npolicy: engineers\npriority: 1\nwhere: person.department == \"IT\"\nsoftware: [firefox]\ndeadline: [{ within: 3d }]",
        "  installed: [{ title: firefox, version: 132.0.1, since: 2026-11-01T10:00:00Z }]\n",
    );
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_undetermined_is_counted_with_the_fact_that_is_missing() {
    let text = planned(
        "policy: germany\nwhere: device.country == \"DE\"\nsoftware: [firefox]\ndeadline: [{ within: 7d }]",
        "  installed: [{ title: firefox, version: 132.0.1, since: 2026-11-01T10:00:00Z }]\n",
    );
    insta::assert_snapshot!(text);
}

#[test]
fn a_way_back_to_a_pin_is_not_because_of_a_newer_release() {
    let text = planned(
        "policy: pinned\nsoftware: [firefox]\ntarget: \"=132.0.2\"\nallow_downgrade: true\ndeadline: [{ within: 7d }]",
        "  installed: [{ title: firefox, version: 133.0, since: 2026-11-01T10:00:00Z }]\n",
    );
    insta::assert_snapshot!(text);
}
