//! What an administrator reads, for one decision of each kind.

mod gates;

use super::{View, explain};
use crate::{
    decide::{Decision, decide_title},
    policy::{
        diagnostic::{Files, Severity, render},
        document::policy::Mode,
        load::load,
        resolve::{Titles, resolve},
        syntax::Limits,
        testing::world::build,
    },
    world::World,
};
use refit_model::TitleId;
use std::fmt::Write;

/// What all tests share.
const ORGANIZATION: &str = r#"
organization: acme
rollouts:
  standard:
    gate: default
    rings:
      - { name: canary, where: '"canary" in device.tags', soak: 2d }
      - { name: early, share: 10%, soak: 2d }
      - { name: rest }
  everyone: { rings: [{ name: everyone }] }
gates: { default: { failure_rate: 2%, confidence: 95%, enough: 90%, patience: 7d } }
windows: { overnight: { rrule: "FREQ=DAILY;BYHOUR=19", lasts: 10h } }
freezes:
  - { name: quarter close, from: 2026-12-28, to: 2027-01-05, where: person.department == "Finance", unless: exposure.kev }
"#;

/// The policy of most tests.
const BROWSERS: &str = r#"
policy: browsers
owner: endpoint@acme.example
why: Browsers are the most attacked software on the fleet.
software: [google-chrome]
min_age: 1d
rollout: standard
deadline:
  - { if: exposure.kev, within: 2d, min_age: 0h, rollout: everyone, at_due: proceed }
  - { if: exposure.cvss >= 9.0, within: 7d }
  - { within: 14d }
"#;

/// Without rings, for what has nothing to do with them.
const PLAIN: &str = "policy: browsers\nsoftware: [google-chrome]\ndeadline: [{ within: 14d }]";

/// The titles that the tests speak of.
const TITLES: &str = "title: google-chrome\nscheme: chrome\n---\ntitle: firefox\n---\ntitle: slack\n---\ntitle: vlc\n---\ntitle: macos\n---\n\
    title: anydesk\n---\ntitle: crowdstrike-falcon\n---\ntitle: temurin-jdk\n";

/// The decisions about a title of the world's first device.
fn decisions(policies: &str, world: &str, title: &str) -> (Vec<Decision>, View) {
    decisions_under(ORGANIZATION, policies, world, title, |_| {})
}

/// The same in another organisation, and where the log says more than a document can.
fn decisions_under(
    organization: &str,
    policies: &str,
    world: &str,
    title: &str,
    more: impl Fn(&mut World),
) -> (Vec<Decision>, View) {
    let mut test = String::from("test: an explanation\nexpect: {}\nworld:\n");
    for line in world.lines() {
        writeln!(test, "  {line}").unwrap();
    }
    let mut files = Files::default();
    let texts =
        [("refit.yaml", organization), ("titles.yaml", TITLES), ("policies.yaml", policies), ("world.yaml", &test)];
    for (name, text) in texts {
        files.add(name.to_owned(), text.trim_start().as_bytes(), &Limits::default()).unwrap();
    }
    let (documents, mut found) = load(&files, &Limits::default());
    let (mut repository, resolved) = resolve(&documents, &files, &Titles::default());
    found.extend(resolved);
    for policy in &mut repository.policies {
        policy.mode = if policies.contains("mode:") { policy.mode } else { Mode::Enforce };
    }
    let mut built = build(&documents.tests[0], &repository, &files, &mut found);
    more(&mut built.world);
    found.retain(|found| found.severity == Severity::Error);
    assert!(found.is_empty(), "{}", found.iter().map(|found| render(found, &files)).collect::<String>());
    let device = &built.devices[0];
    let decisions = decide_title(&repository, &built.world, device, &TitleId::new(title), built.now);
    (decisions, View { now: built.now, zone: device.zone() })
}

/// What is said of a title of the world's first device: lines without gaps.
fn told(policies: &str, world: &str, title: &str) -> String {
    told_under(ORGANIZATION, policies, world, title, |_| {})
}

fn told_under(organization: &str, policies: &str, world: &str, title: &str, more: impl Fn(&mut World)) -> String {
    let (decisions, view) = decisions_under(organization, policies, world, title, more);
    let text: String = decisions.iter().map(|decision| explain(decision, &view).to_string()).collect();
    for line in text.lines().map(str::trim_start) {
        for gap in ["  ", "..", " .", " ,", ": .", "()", "``", ": :"] {
            assert!(!line.contains(gap), "a gap in: {line}");
        }
    }
    text
}

macro_rules! reads {
    ($name:ident, $policies:expr, $title:expr, $world:expr) => {
        #[test]
        fn $name() {
            let text = told($policies, $world, $title);
            insta::assert_snapshot!(stringify!($name), text);
        }
    };
}

reads!(
    an_overdue_package_says_since_when_and_that_it_may_go,
    "policy: linux security updates\nowner: servers@acme.example\nsoftware: [\"os/*\"]\naccept: [\">=0\"]\ndeadline: [{ if: exposure.kev, within: 2d }, { within: 14d }]",
    "deb/openssl",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: web-1, platform: linux, os: debian, kind: server }
installed: [{ title: deb/openssl, version: 3.0.15-1~deb12u1, since: 2026-10-02T10:00:00Z }]
releases:
  - { title: deb/openssl, version: 3.0.15-1~deb12u1, published: 2026-10-01T20:00:00Z, security: true }
  - { title: deb/openssl, version: 3.0.17-1~deb12u2, published: 2026-11-06T10:00:00Z, security: true }
  - { title: deb/openssl, version: 3.0.17-1~deb12u3, published: 2026-11-20T10:00:00Z, security: true }
advisories:
  - { id: CVE-2026-9143, title: deb/openssl, affected: "<3.0.17-1~deb12u2", known_at: 2026-11-05T08:30:00Z, cvss: 7.5, epss: 0.021 }
  - { id: CVE-2026-9200, title: deb/openssl, affected: "<3.0.17-1~deb12u3", known_at: 2026-11-20T10:00:00Z, cvss: 5.3 }"#
);

reads!(
    a_browser_that_is_due_waits_for_its_gate_and_its_age,
    BROWSERS,
    "google-chrome",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos, timezone: Europe/Berlin, tags: [] }
installed: [{ title: google-chrome, version: 130.0.6723.117, since: 2026-11-06T10:00:00Z }]
releases:
  - { title: google-chrome, version: 131.0.6778.70, published: 2026-11-12T18:00:00Z }
  - { title: google-chrome, version: 131.0.6778.86, published: 2026-11-23T08:00:00Z, offered: 2026-11-25T08:00:00Z }
rollouts:
  - { title: google-chrome, version: 131.0.6778.70, rollout: standard, open: [canary] }
gates:
  - { title: google-chrome, version: 131.0.6778.70, after: canary, first_result: 2026-11-22T04:00:00Z, devices: 74, reported: 61, failed: 0 }"#
);

reads!(
    an_older_release_is_admitted_while_the_goal_has_to_wait,
    BROWSERS,
    "google-chrome",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos, tags: [canary] }
installed: [{ title: google-chrome, version: 130.0.6723.117, since: 2026-11-06T10:00:00Z }]
releases:
  - { title: google-chrome, version: 131.0.6778.70, published: 2026-11-12T18:00:00Z }
  - { title: google-chrome, version: 131.0.6778.86, published: 2026-11-23T08:00:00Z }
rollouts:
  - { title: google-chrome, version: 131.0.6778.70, rollout: standard, open: [canary] }"#
);

reads!(
    what_is_known_to_be_exploited_comes_first_and_passes_the_freeze,
    BROWSERS,
    "google-chrome",
    r#"
now: 2026-12-29T09:00:00Z
device: { id: d1, platform: macos, timezone: Europe/Berlin, tags: [] }
person: { department: Finance }
installed: [{ title: google-chrome, version: 131.0.6778.108, since: 2026-12-05T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.139, published: 2026-12-27T18:00:00Z }]
advisories:
  - { id: CVE-2026-9901, title: google-chrome, affected: "<131.0.6778.139", known_at: 2026-12-27T18:00:00Z, cvss: 8.8, epss: 0.1, kev: 2026-12-28T12:00:00Z, ransomware: true }
rollouts: [{ title: google-chrome, version: 131.0.6778.139, rollout: everyone, open: [everyone] }]"#
);

reads!(
    a_freeze_and_a_shut_window_hold_what_is_admitted,
    "policy: browsers\nsoftware: [google-chrome]\nwindow: { use: overnight, after_due: wait }\ndeadline: [{ within: 14d }]",
    "google-chrome",
    r#"
now: 2026-12-29T09:00:00Z
device: { id: d1, platform: macos, timezone: Europe/Berlin }
person: { department: { value: Finance, source: workday, observed: 2026-12-29T02:00:00Z } }
installed: [{ title: google-chrome, version: 131.0.6778.108, since: 2026-12-05T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.139, published: 2026-12-10T13:00:00Z }]"#
);

reads!(
    a_freeze_holds_as_long_as_the_department_is_unknown,
    PLAIN,
    "google-chrome",
    r#"
now: 2026-12-29T09:00:00Z
device: { id: d1, platform: macos }
person: { department: { value: Sales, source: workday, observed: 2026-12-20T02:00:00Z } }
installed: [{ title: google-chrome, version: 131.0.6778.108, since: 2026-12-05T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.139, published: 2026-12-20T13:00:00Z }]"#
);

reads!(
    what_is_installed_as_the_policy_wants_is_said_in_few_words,
    PLAIN,
    "google-chrome",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: google-chrome, version: 131.0.6778.86, since: 2026-11-20T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.86, published: 2026-11-19T18:00:00Z }]"#
);

reads!(
    a_compliant_slot_names_the_exposures_that_remain,
    PLAIN,
    "google-chrome",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: google-chrome, version: 131.0.6778.86, since: 2026-11-20T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.86, published: 2026-11-19T18:00:00Z }]
advisories:
  - { id: CVE-2026-7001, title: google-chrome, affected: "<=131.0.6778.86", known_at: 2026-11-22T18:00:00Z, cvss: 9.8, kev: 2026-11-22T20:00:00Z }"#
);

reads!(
    a_device_above_a_pin_is_compliant,
    "policy: chrome is pinned\nsoftware: [google-chrome]\ntarget: \"=130.0.6723.117\"\ndeadline: [{ within: 7d }]",
    "google-chrome",
    r#"
now: 2026-11-20T09:00:00Z
device: { id: d1, platform: windows }
installed: [{ title: google-chrome, version: 131.0.6778.70, since: 2026-11-13T10:00:00Z }]
releases:
  - { title: google-chrome, version: 130.0.6723.117, published: 2026-11-05T18:00:00Z }
  - { title: google-chrome, version: 131.0.6778.70, published: 2026-11-12T18:00:00Z }"#
);

reads!(
    what_is_not_there_and_need_not_be_is_not_applicable,
    PLAIN,
    "google-chrome",
    "\nnow: 2026-11-23T09:00:00Z\ndevice: { id: d1, platform: macos }"
);

reads!(
    an_unmanaged_title_tells_which_policies_do_not_apply_and_what_is_open,
    "policy: macs\nwhere: device.platform == \"macos\"\nsoftware: [vlc]\ndeadline: [{ within: 14d }]",
    "vlc",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: { value: windows, source: intune, observed: 2026-11-23T06:00:00Z } }
installed: [{ title: vlc, version: 3.0.20, since: 2026-02-01T10:00:00Z }]
releases: [{ title: vlc, version: 3.0.21, published: 2026-06-10T12:00:00Z }]
advisories:
  - { id: CVE-2026-4101, title: vlc, affected: "<3.0.21", known_at: 2026-06-10T12:00:00Z, cvss: 8.8, epss: 0.2, kev: 2026-10-01T12:00:00Z }
  - { id: CVE-2026-4102, title: vlc, affected: "<3.0.21", known_at: 2026-06-10T12:00:00Z }"#
);

reads!(
    an_undetermined_title_names_the_fact_that_is_wanting,
    "policy: engineers\nwhere: person.department == \"Engineering\"\nsoftware: [slack]\ndeadline: [{ within: 14d }]",
    "slack",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: slack, version: 4.41.97, since: 2026-11-01T10:00:00Z }]
releases: [{ title: slack, version: 4.41.98, published: 2026-11-14T12:00:00Z }]"#
);

reads!(
    a_policy_that_may_apply_leaves_everything_as_it_is,
    "policy: everybody\nsoftware: [slack]\nrollout: standard\ndeadline: [{ within: 14d }]\n---\npolicy: engineers\npriority: 10\nwhere: person.department == \"Engineering\"\nsoftware: [slack]\ndeadline: [{ within: 3d }]",
    "slack",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos, tags: [] }
installed: [{ title: slack, version: 4.41.97, since: 2026-11-01T10:00:00Z }]
releases: [{ title: slack, version: 4.41.98, published: 2026-11-14T12:00:00Z }]
rollouts: [{ title: slack, version: 4.41.98, rollout: standard, open: [canary] }]"#
);

reads!(
    what_was_admitted_stays_while_another_policy_may_apply,
    "policy: everybody\nsoftware: [slack]\ndeadline: [{ within: 14d }]\n---\npolicy: engineers\npriority: 10\nwhere: person.department == \"Engineering\"\nsoftware: [slack]\ndeadline: [{ within: 3d }]",
    "slack",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: slack, version: 4.41.97, since: 2026-11-01T10:00:00Z }]
releases:
  - { title: slack, version: 4.41.98, published: 2026-11-14T12:00:00Z }
  - { title: slack, version: 4.41.99, published: 2026-11-21T12:00:00Z }
admitted_before: [{ title: slack, version: 4.41.98 }]"#
);

reads!(
    two_policies_that_contradict_each_other_are_named,
    "policy: macs\nsoftware: [firefox]\ndeadline: [{ within: 7d }]\n---\npolicy: engineers\nsoftware: [firefox]\ndeadline: [{ within: 3d }]\n---\npolicy: everybody\npriority: -5\nsoftware: [firefox]\ndeadline: [{ within: 30d }]",
    "firefox",
    r#"
now: 2026-11-20T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: firefox, version: 132.0.1, since: 2026-11-06T10:00:00Z }]
releases: [{ title: firefox, version: 132.0.2, published: 2026-11-14T13:00:00Z }]"#
);

reads!(
    an_unseen_device_says_how_it_stood_when_it_was_last_seen,
    PLAIN,
    "google-chrome",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos, seen: 2026-10-31T07:12:00Z }
installed: [{ title: google-chrome, version: 130.0.6723.92, since: 2026-10-30T10:00:00Z }]
releases: [{ title: google-chrome, version: 130.0.6723.117, published: 2026-11-12T18:00:00Z }]"#
);

reads!(
    an_unsupported_device_has_to_be_replaced,
    "policy: macos\nsoftware: [macos]\ntarget: \">=14.7.1\"\ndeadline: [{ within: 30d }]",
    "macos",
    r#"
now: 2026-12-20T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: macos, branch: "13", version: 13.7.1, since: 2026-10-30T10:00:00Z }]
releases:
  - { title: macos, branch: "13", version: 13.7.2, published: 2026-12-11T18:00:00Z }
  - { title: macos, branch: "14", version: 14.7.1, published: 2026-10-28T17:00:00Z, offered: never }
  - { title: macos, branch: "14", version: 14.7.2, published: 2026-12-11T18:00:00Z, offered: never }"#
);

reads!(
    a_required_title_that_is_missing_has_to_be_installed,
    "policy: endpoint protection\nsoftware: [crowdstrike-falcon]\npresence: required\ndeadline: [{ if: exposure.kev, within: 1d }, { within: 3d }]",
    "crowdstrike-falcon",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: windows, enrolled: 2026-11-20T10:00:00Z }
releases: [{ title: crowdstrike-falcon, version: 7.19.18913.0, published: 2026-11-05T16:00:00Z }]"#
);

reads!(
    a_forbidden_title_has_to_go,
    "policy: no remote control tools\nsoftware: [anydesk]\npresence: forbidden\nmode: observe\ndeadline: [{ within: 1d }]",
    "anydesk",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: windows, enrolled: 2026-11-20T10:00:00Z }
installed: [{ title: anydesk, version: 8.1.0, since: 2026-11-22T15:30:00Z }]"#
);

reads!(
    a_forbidden_title_of_which_nobody_saw_the_beginning_is_overdue,
    "policy: no remote control tools\nsoftware: [anydesk]\npresence: forbidden\ndeadline: [{ within: 1d }]",
    "anydesk",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: windows }
installed: [{ title: anydesk, version: 8.1.0 }]"#
);

reads!(
    a_block_gives_its_reason_and_its_end,
    "policy: browsers\nsoftware: [firefox]\ndeadline: [{ within: 14d }]\n---\nblock: smart cards\ntitle: firefox\nreleases: \"=133.0\"\nwhere: device.platform == \"windows\"\nwhy: 133.0 loses the smart card reader on Windows.\nuntil: 2026-12-31",
    "firefox",
    r#"
now: 2026-11-27T09:00:00Z
device: { id: win, platform: windows, timezone: America/New_York }
installed: [{ title: firefox, version: 132.0.2, since: 2026-11-05T10:00:00Z }]
releases: [{ title: firefox, version: "133.0", published: 2026-11-25T13:00:00Z }]"#
);

reads!(
    an_exception_shows_the_due_time_without_it,
    "policy: browsers\nsoftware: [firefox]\ndeadline: [{ if: exposure.kev, within: 2d }, { within: 14d }]\n---\nexception: trade fair\nsoftware: [firefox]\ndue: 2026-12-07T12:00:00Z\nhold_at: \"<133\"\nuntil: 2026-12-06\nwhy: The booth machines have been tested as they are.",
    "firefox",
    r#"
now: 2026-11-27T09:00:00Z
device: { id: booth, platform: windows }
installed: [{ title: firefox, version: 132.0.1, since: 2026-11-05T10:00:00Z }]
releases:
  - { title: firefox, version: 132.0.2, published: 2026-11-11T13:00:00Z }
  - { title: firefox, version: "133.0", published: 2026-11-25T13:00:00Z }"#
);

reads!(
    a_halted_release_holds_until_the_next_one,
    BROWSERS,
    "google-chrome",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: windows, tags: [] }
installed: [{ title: google-chrome, version: 131.0.6778.70, since: 2026-11-13T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.86, published: 2026-11-19T18:00:00Z }]
rollouts: [{ title: google-chrome, version: 131.0.6778.86, rollout: standard, open: [canary] }]
gates:
  - { title: google-chrome, version: 131.0.6778.86, after: canary, first_result: 2026-11-21T09:00:00Z, devices: 200, reported: 100, failed: 50 }"#
);

reads!(
    an_unknown_score_makes_the_due_time_provisional,
    BROWSERS,
    "google-chrome",
    r#"
now: 2026-11-20T09:00:00Z
device: { id: d1, platform: windows, tags: [canary] }
installed: [{ title: google-chrome, version: 131.0.6778.70, since: 2026-11-13T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.86, published: 2026-11-19T18:00:00Z }]
advisories:
  - { id: CVE-2026-7100, title: google-chrome, affected: "<131.0.6778.86", known_at: 2026-11-19T18:00:00Z }
rollouts: [{ title: google-chrome, version: 131.0.6778.86, rollout: standard, open: [canary] }]"#
);

reads!(
    a_condition_that_no_longer_holds_still_counts_and_a_new_policy_is_phased_in,
    "policy: browsers\nsoftware: [firefox]\nphase_in: 10d\ndeadline: [{ if: exposure.epss >= 0.5, within: 7d }, { within: 30d }]",
    "firefox",
    r#"
now: 2026-10-15T09:00:00Z
applied: 2026-10-10T08:00:00Z
device: { id: d1, platform: windows }
installed: [{ title: firefox, version: 131.0.2, since: 2026-09-20T10:00:00Z }]
releases: [{ title: firefox, version: 131.0.3, published: 2026-10-02T12:00:00Z }]
advisories:
  - { id: CVE-2026-9680, title: firefox, affected: "<131.0.3", known_at: 2026-10-01T10:00:00Z, cvss: 8.1, epss: 0.31 }
latched:
  - { advisory: CVE-2026-9680, if: exposure.epss >= 0.5, since: 2026-10-09T06:00:00Z }"#
);

reads!(
    a_device_back_from_leave_has_its_grace,
    PLAIN,
    "google-chrome",
    r#"
now: 2026-12-01T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: google-chrome, version: 130.0.6723.92, since: 2026-10-30T10:00:00Z }]
releases: [{ title: google-chrome, version: 130.0.6723.117, published: 2026-11-12T18:00:00Z }]
presence: [{ away: 2026-11-20T17:00:00Z, back: 2026-12-01T08:00:00Z, used: 1h }]"#
);

reads!(
    two_branches_of_a_title_are_two_answers,
    "policy: java\nsoftware: [temurin-jdk]\ndeadline: [{ within: 30d }]",
    "temurin-jdk",
    r#"
now: 2026-11-10T09:00:00Z
device: { id: d1, platform: linux }
installed:
  - { title: temurin-jdk, branch: "17", version: 17.0.12+7, since: 2026-08-01T10:00:00Z }
  - { title: temurin-jdk, branch: "21", version: 21.0.5+11, since: 2026-10-24T10:00:00Z }
releases:
  - { title: temurin-jdk, branch: "17", version: 17.0.13+11, published: 2026-10-22T12:00:00Z }
  - { title: temurin-jdk, branch: "21", version: 21.0.5+11, published: 2026-10-22T12:00:00Z }"#
);

reads!(
    a_release_that_is_not_offered_yet_leaves_the_due_time_open,
    PLAIN,
    "google-chrome",
    r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: google-chrome, version: 130.0.6723.92, since: 2026-10-30T10:00:00Z }]
releases: [{ title: google-chrome, version: 130.0.6723.117, published: 2026-11-12T18:00:00Z, offered: 2026-11-25T08:00:00Z }]"#
);

#[test]
fn hundreds_of_exposures_are_told_in_a_few_lines() {
    let mut world = String::from(
        r#"
now: 2026-11-23T09:00:00Z
device: { id: web-1, platform: linux, os: debian }
installed: [{ title: deb/linux-image-amd64, version: 6.1.100-1, since: 2026-08-02T10:00:00Z }]
releases: [{ title: deb/linux-image-amd64, version: 6.1.119-1, published: 2026-11-20T10:00:00Z, security: true }]
advisories:
"#,
    );
    for number in 0..240 {
        let kev = if number % 80 == 7 { ", kev: 2026-11-21T12:00:00Z" } else { "" };
        writeln!(
            world,
            "  - {{ id: CVE-2026-{}, title: deb/linux-image-amd64, affected: \"<6.1.119-1\", known_at: 2026-11-{:02}T10:00:00Z, cvss: {:.1}{kev} }}",
            1000 + number,
            1 + number % 19,
            (number % 98) as f64 / 10.0,
        )
        .unwrap();
    }
    let policy = "policy: kernels\nsoftware: [deb/linux-image-amd64]\ndeadline: [{ if: exposure.kev, within: 2d }, { if: exposure.cvss >= 9.0, within: 7d }, { within: 30d }]";
    let text = told(policy, &world, "deb/linux-image-amd64");
    assert!(text.lines().count() < 45, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn lengths_of_time_have_two_units_and_the_right_number() {
    let said = |seconds: i64| super::words::rough(jiff::SignedDuration::from_secs(seconds));
    let cases = [
        (0, "less than a minute"),
        (60, "1 min"),
        (3_600, "1 h"),
        (3_660, "1 h 1 min"),
        (86_400, "1 day"),
        (90_000, "1 day 1 h"),
        (2 * 86_400 + 4 * 3_600 + 59, "2 days 4 h"),
        (7 * 86_400 + 3_600, "7 days"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(said(seconds), expected);
    }
}

#[test]
fn shares_are_written_without_needless_digits() {
    let cases = [(0.1, "10%"), (0.025, "2.5%"), (0.0004, "0.04%"), (1.0, "100%"), (0.0, "0%")];
    for (share, expected) in cases {
        assert_eq!(super::words::percent(share), expected);
    }
}

#[test]
fn a_decision_as_json() {
    let world = r#"
now: 2026-11-23T09:00:00Z
device: { id: d1, platform: windows, tags: [] }
installed: [{ title: google-chrome, version: 131.0.6778.70, since: 2026-11-13T10:00:00Z }]
releases: [{ title: google-chrome, version: 131.0.6778.86, published: 2026-11-19T18:00:00Z }]
advisories:
  - { id: CVE-2026-7100, title: google-chrome, affected: "<131.0.6778.86", known_at: 2026-11-19T18:00:00Z, cvss: 8.8 }
rollouts: [{ title: google-chrome, version: 131.0.6778.86, rollout: standard, open: [canary] }]
gates:
  - { title: google-chrome, version: 131.0.6778.86, after: canary, first_result: 2026-11-21T09:00:00Z, devices: 20, reported: 12, failed: 0 }"#;
    let (decisions, _) = decisions(BROWSERS, world, "google-chrome");
    let text = serde_json::to_string_pretty(&decisions[0]).unwrap();
    insta::assert_snapshot!(text);
}

reads!(
    a_conflict_keeps_what_the_last_good_decision_admitted,
    "policy: macs\nsoftware: [firefox]\ndeadline: [{ within: 7d }]\n---\npolicy: engineers\nsoftware: [firefox]\ndeadline: [{ within: 3d }]",
    "firefox",
    r#"
now: 2026-11-20T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: firefox, version: 132.0.1, since: 2026-11-06T10:00:00Z }]
releases: [{ title: firefox, version: 132.0.2, published: 2026-11-14T13:00:00Z }]
admitted_before: [{ title: firefox, version: 132.0.2 }]
decided_before: [{ title: firefox, policy: macs }]"#
);

reads!(
    the_clock_begins_with_the_first_release_that_accept_takes,
    "policy: browsers\nsoftware: [firefox]\naccept: [\">=132.0.5\"]\ndeadline: [{ within: 14d }]",
    "firefox",
    r#"
now: 2026-11-21T09:00:00Z
device: { id: d1, platform: macos }
installed: [{ title: firefox, version: 132.0.1, since: 2026-10-20T00:00:00Z }]
releases:
  - { title: firefox, version: 132.0.2, published: 2026-11-01T00:00:00Z }
  - { title: firefox, version: 132.0.5, published: 2026-11-18T00:00:00Z }"#
);
