//! What a device's agent is told, and the rules of enrolments, roots and mandates.

use super::shell::{Shell, time};
use refit_core::control::{
    Actor, AgentInput, Bearer, CertificateIssued, DeviceSet, DeviceStands, EnrolmentRecord, Event, Input,
    MandatePublished, ReceiptResult, Refusal, RootPublished, Scope, SlotName, TokenId,
    document::{Frame, document, expires, names, sequence},
};
use refit_core::decide::Hold;
use refit_model::{DeviceId, TitleId};
use refit_wire::protocol::{Problem, Standing, WaitsFor};
use refit_wire::{
    State as Document,
    state::{Action, AfterDue, RestartMode, System},
};

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
windows: { night: { rrule: \"FREQ=DAILY;BYHOUR=22\", lasts: 6h } }
freezes:
  - { name: here, from: 2026-12-20, to: 2026-12-26 }
  - { name: elsewhere, from: 2026-12-01, to: 2026-12-02, where: 'device.platform == \"macos\"' }
exceptions: { longest: 90d }
---
title: editor
name: Editor
scheme: semver
identifiers: { deb: [editor-classic, editor], rpm: [editor-rpm] }
---
policy: editors
software: [editor]
deadline: [{ if: exposure.kev, within: 2d }, { within: 7d }]
window: night
experience:
  notify: 24h
  relaunch: { mode: at_due, not_while: [call], wait_up_to: 4h }
";

fn fleet(packages: &[(&str, &str)]) -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    shell.enrol("d1");
    let mut installs = vec![("editor", "1.0.0")];
    installs.extend(packages);
    shell.installs("d1", &installs);
    shell.release("editor", "1.0.0");
    shell.release("editor", "1.1.0");
    shell
}

fn told(shell: &Shell) -> Document {
    let record = shell.state.device(&DeviceId::new("d1")).unwrap();
    let row = shell.board.row(&record.id).map(|row| &**row);
    document(&shell.state, record, row, &Frame { organization: "acme", sequence: shell.state.seq })
}

#[test]
fn a_title_is_the_package_that_the_catalog_names_for_the_devices_package_manager() {
    for (packages, system, name) in [
        (vec![("deb/bash", "5.2-1")], System::Deb, "editor-classic"),
        // Of several names the one that is there.
        (vec![("deb/bash", "5.2-1"), ("deb/editor", "1.0.0-1")], System::Deb, "editor"),
        (vec![("rpm/bash", "5.2-1")], System::Rpm, "editor-rpm"),
    ] {
        let mut shell = fleet(&packages);
        shell.apply(POLICY);
        shell.settle();
        let document = told(&shell);
        let [directive] = &document.directives[..] else { panic!("{:?}", document.directives) };
        let Action::Upgrade(package) = &directive.action else { panic!("{directive:?}") };
        assert_eq!((package.system, &*package.name, &*package.version), (system, name, "1.1.0"));
        let terms = document.terms(directive).unwrap();
        assert_eq!(
            (terms.notify_seconds, terms.relaunch.wait_seconds, terms.reboot),
            (86_400, 14_400, RestartMode::Ask)
        );
        // A Linux machine of unknown kind may be a server: what is overdue waits for its window.
        assert_eq!(terms.window.as_ref().unwrap().after_due, AfterDue::Wait);
        assert_eq!(terms.freezes.len(), 1);
        assert_eq!(terms.freezes[0].from, time("2026-12-20T00:00:00Z"));
        assert_eq!(terms.freezes[0].to, time("2026-12-27T00:00:00Z"));
    }
    // Nobody knows what it would be called there: nothing is said of it.
    let mut shell = fleet(&[]);
    shell.apply(POLICY);
    shell.settle();
    assert!(told(&shell).directives.is_empty());
}

/// Decisions 0075 and 0038: the package that only the vendor builds follows its title's policy, block and exception.
#[test]
fn a_package_that_only_its_vendor_builds_is_what_its_title_means() {
    let titles = "
organization: acme
defaults: { mode: enforce }
exceptions: { longest: 90d }
---
title: google-chrome
scheme: chrome
identifiers: { deb: [google-chrome-stable], rpm: [google-chrome-stable] }
vendor_packages: [deb/google-chrome-stable, rpm/google-chrome-stable]
---
policy: browsers
software: [google-chrome]
deadline: [{ within: 7d }]
---
policy: everything
software: [\"os/*\"]
deadline: [{ within: 30d }]
";
    let told_of = |namespace: &str, more: &str| {
        let title = format!("{namespace}/google-chrome-stable");
        let mut shell = Shell::new("2026-11-01T00:00:00Z");
        shell.tell(Input::Start { program: "1".into(), alive_until: None });
        shell.enrol("d1");
        shell.installs("d1", &[(title.as_str(), "130.0.6723.58-1")]);
        shell.release(&title, "130.0.6723.58-1");
        shell.release(&title, "130.0.6723.69-1");
        shell.apply(&format!("{titles}{more}"));
        shell.settle();
        told(&shell)
    };
    for (namespace, system) in [("deb", System::Deb), ("rpm", System::Rpm)] {
        let document = told_of(namespace, "");
        let [directive] = &document.directives[..] else { panic!("{:?}", document.directives) };
        let Action::Upgrade(package) = &directive.action else { panic!("{directive:?}") };
        let named = (package.system, &*package.name, &*package.version);
        assert_eq!(named, (system, "google-chrome-stable", "130.0.6723.69-1"));
        assert_eq!(document.terms(directive).unwrap().policy, "browsers", "and not the policy for everything");
        assert_eq!(document.withheld, []);

        // A block of the title's own version is one of the package's, whatever its revision.
        let block = "---\nblock: it crashes\ntitle: google-chrome\nreleases: \"=130.0.6723.69\"\n";
        let document = told_of(namespace, block);
        assert!(document.directives.is_empty(), "{:?}", document.directives);
        let [withheld] = &document.withheld[..] else { panic!("{:?}", document.withheld) };
        assert_eq!((withheld.package.system, &*withheld.package.name), (system, "google-chrome-stable"));
        assert!(withheld.keeps_back("130.0.6723.69-1") && !withheld.keeps_back("130.0.6723.58-1"));
        assert!(!withheld.keeps_back("130.0.6723.70-1"));

        // So is an exception.
        let exception =
            "---\nexception: a fair\nsoftware: [google-chrome]\nhold_at: \"<=130.0.6723.58\"\nuntil: 2026-12-01\n";
        let document = told_of(namespace, exception);
        assert!(document.directives.is_empty(), "{:?}", document.directives);
        let [withheld] = &document.withheld[..] else { panic!("{:?}", document.withheld) };
        assert!(withheld.keeps_back("130.0.6723.69-1") && !withheld.keeps_back("130.0.6723.58-1"));
    }
}

/// Rule 13: an obligation for which `unless` holds keeps all its entries, the window and the restart too.
#[test]
fn what_is_exploited_keeps_the_policys_window_in_spite_of_an_exception() {
    let exception = "---\nexception: month end\nsoftware: [editor]\nuntil: 2026-12-01\nrestart: never\nwindow: { use: weekend, after_due: wait }\n";
    let windows = "weekend: { rrule: \"FREQ=WEEKLY;BYDAY=SA;BYHOUR=1\", lasts: 20h }, night:";
    let mut shell = fleet(&[("deb/editor", "1.0.0")]);
    shell.platform("d1", "linux");
    shell.apply(&format!("{}{exception}", POLICY.replace("night:", windows)));
    shell.settle();
    let terms = |shell: &Shell| {
        let document = told(shell);
        let terms = document.terms(&document.directives[0]).unwrap();
        (terms.window.as_ref().unwrap().rrule.clone(), terms.reboot)
    };
    assert_eq!(terms(&shell), ("FREQ=WEEKLY;BYDAY=SA;BYHOUR=1".into(), RestartMode::Never));
    super::rollouts::exploited(&mut shell);
    shell.settle();
    assert_eq!(terms(&shell), ("FREQ=DAILY;BYHOUR=22".into(), RestartMode::default()));
}

/// Rule 12: whether the exception acts is unknown, and so it holds.
#[test]
fn an_exception_that_may_act_holds_a_package_where_it_is() {
    let exception = "---\nexception: a fair\nsoftware: [deb/editor]\nwhere: 'device.site == \"hall 3\"'\nhold_at: \"<=1.0.0\"\nuntil: 2026-12-01\n";
    let policy = "---\npolicy: packages\nsoftware: [deb/editor]\ndeadline: [{ within: 30d }]\n";
    let mut shell = fleet(&[("deb/editor", "1.0.0")]);
    shell.release("deb/editor", "1.0.0");
    shell.release("deb/editor", "1.1.0");
    shell.apply(&format!("{POLICY}{policy}{exception}"));
    shell.settle();
    let document = told(&shell);
    let [withheld] = &document.withheld[..] else { panic!("{:?}", document.withheld) };
    assert!(withheld.keeps_back("1.1.0") && !withheld.keeps_back("1.0.0"));
}

const CHROME: &str = "
organization: acme
defaults: { mode: enforce }
---
title: google-chrome
scheme: chrome
identifiers: { deb: [google-chrome-stable], rpm: [google-chrome-stable] }
vendor_packages: [deb/google-chrome-stable, rpm/google-chrome-stable]
---
policy: browsers
software: [google-chrome]
deadline: [{ if: exposure.kev, within: 2d }, { within: 30d }]
";

/// What is known of a title is known of the package that only its vendor builds, and of no other.
#[test]
fn an_advisory_of_a_title_is_one_of_its_vendors_package() {
    let package = "deb/google-chrome-stable";
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    shell.enrol("d1");
    shell.installs("d1", &[(package, "1:130.0.6723.58-1"), ("deb/chromium", "130.0.6723.58-1")]);
    shell.release(package, "1:130.0.6723.69-1");
    shell.apply(CHROME);
    shell.settle();
    assert_eq!(told(&shell).directives[0].closes, []);
    let due = told(&shell).directives[0].due.unwrap();
    let mut advisory = serde_json::json!({
        "id": "CVE-2026-1", "title": "google-chrome", "affected": ["<130.0.6723.69"],
        "known_at": "2026-11-01T00:00:00Z", "kev": "2026-11-01T00:00:00Z"
    });
    let told_of = |shell: &mut Shell, advisory: &serde_json::Value| {
        let advisories = vec![serde_json::from_value(advisory.clone()).unwrap()];
        shell.tell(Input::Advisories { source: "feed".into(), advisories });
        shell.settle()
    };
    told_of(&mut shell, &advisory);
    let document = told(&shell);
    let [directive] = &document.directives[..] else { panic!("{:?}", document.directives) };
    assert_eq!((directive.grace_seconds, directive.closes[0].as_str()), (4 * 3_600, "CVE-2026-1"));
    assert!(directive.due.unwrap() < due);
    assert_eq!(shell.replayed().devices, shell.state.devices);

    // It is withdrawn, and the due time moves back with that cause.
    shell.wait(1);
    advisory["withdrawn"] = shell.now.to_string().into();
    let events = told_of(&mut shell, &advisory);
    assert_eq!(told(&shell).directives[0].due, Some(due));
    let said = format!("{events:?}");
    assert!(said.contains("AdvisoryWithdrawn"), "{said}");
}

/// A title is required as the package that it is there.
#[test]
fn a_required_title_is_installed_as_its_vendors_package() {
    let required = CHROME.replace("software: [google-chrome]", "software: [google-chrome]\npresence: required");
    for (namespace, system) in [("deb", System::Deb), ("rpm", System::Rpm)] {
        let mut shell = Shell::new("2026-11-01T00:00:00Z");
        shell.tell(Input::Start { program: "1".into(), alive_until: None });
        shell.enrol("d1");
        shell.installs("d1", &[(&format!("{namespace}/bash"), "5.2-1")]);
        for namespace in ["deb", "rpm"] {
            shell.release(&format!("{namespace}/google-chrome-stable"), "130.0.6723.69-1");
        }
        shell.apply(&required);
        shell.settle();
        let document = told(&shell);
        let [directive] = &document.directives[..] else { panic!("{:?}", document.directives) };
        let Action::Install(package) = &directive.action else { panic!("{directive:?}") };
        assert_eq!((package.system, &*package.name), (system, "google-chrome-stable"));
    }
}

#[test]
fn a_halt_counts_before_devices_are_decided_anew() {
    let mut shell = fleet(&[("deb/bash", "5.2-1")]);
    let rollouts = "rollouts: { standard: { rings: [{ name: all }] } }\nexceptions:";
    shell.apply(&POLICY.replace("exceptions:", rollouts));
    shell.settle();
    let halt = |version: &str| Input::HaltRelease {
        title: TitleId::new("editor"),
        version: version.into(),
        platform: None,
        why: "it breaks".into(),
    };
    shell.tell(halt("1.0.0"));
    assert_eq!(told(&shell).directives.len(), 1, "another release is halted");
    shell.tell(halt("1.1.0"));
    assert!(told(&shell).directives.is_empty(), "nobody has decided anything yet");
    shell.settle();
    assert!(told(&shell).directives.is_empty());
}

/// A device that has lost its memory, or never had it, is told when the restart that it waits for is due.
#[test]
fn a_restart_is_due_when_its_change_was() {
    let mut shell = fleet(&[("deb/editor", "1.0.0-1")]);
    shell.apply(POLICY);
    shell.settle();
    let due = told(&shell).directives[0].due.unwrap();
    shell.wait(1);
    shell.installs("d1", &[("editor", "1.1.0"), ("deb/editor", "1.0.0-1")]);
    let receipt = |shell: &Shell, name: &str, result| Input::Receipt {
        device: DeviceId::new("d1"),
        receipt: name.into(),
        slot: SlotName::of(TitleId::new("editor")),
        wanted: Some("1.1.0".into()),
        result,
        before: Some("1.0.0".into()),
        after: Some("1.1.0".into()),
        at: shell.now,
        duration_ms: 1,
        output: None,
    };
    shell.tell(receipt(&shell, "r1", ReceiptResult::RestartPending));
    shell.settle();
    let restart = |shell: &Shell| {
        let directives = told(shell).directives.into_iter();
        directives.filter(|told| told.action == Action::Restart).map(|told| (told.id, told.due)).collect::<Vec<_>>()
    };
    assert_eq!(restart(&shell), [("restart editor".into(), Some(due))]);
    assert_eq!(shell.replayed().devices, shell.state.devices);
    // What comes later makes it due no later.
    shell.wait(24);
    shell.release("editor", "1.2.0");
    shell.settle();
    assert_eq!(restart(&shell), [("restart editor".into(), Some(due))]);
    shell.tell(receipt(&shell, "r2", ReceiptResult::Succeeded));
    assert_eq!(restart(&shell), []);
}

#[test]
fn what_is_known_to_be_exploited_has_the_short_grace_and_is_named() {
    let mut shell = fleet(&[("deb/bash", "5.2-1")]);
    shell.apply(POLICY);
    shell.settle();
    assert_eq!(told(&shell).directives[0].grace_seconds, 24 * 3_600);
    let advisory = serde_json::json!({
        "id": "CVE-2026-1", "title": "editor", "affected": ["<1.1.0"], "known_at": "2026-11-01T00:00:00Z",
        "kev": "2026-11-01T00:00:00Z"
    });
    let advisories = vec![serde_json::from_value(advisory).unwrap()];
    shell.tell(Input::Advisories { source: "feed".into(), advisories });
    shell.settle();
    let document = told(&shell);
    let directive = &document.directives[0];
    assert_eq!((directive.grace_seconds, directive.closes[0].as_str()), (4 * 3_600, "CVE-2026-1"));
}

#[test]
fn equal_states_give_equal_documents_and_their_end_moves_once_a_week() {
    let mut shell = fleet(&[("deb/bash", "5.2-1")]);
    shell.apply(POLICY);
    shell.settle();
    assert_eq!(told(&shell), told(&shell));
    let clock = shell.state.clock;
    let mut ends: Vec<_> = (0..24 * 14)
        .map(|hour| expires(7, clock.checked_add(jiff::SignedDuration::from_hours(hour)).unwrap()))
        .collect();
    let least = ends[0].duration_since(clock).as_hours();
    assert!((23 * 24..=30 * 24).contains(&least), "{least}");
    ends.dedup();
    assert_eq!(ends.len(), 3);
    let at_once = (0..1_000).map(|index| expires(index, clock)).collect::<std::collections::BTreeSet<_>>();
    assert!(at_once.len() > 990, "{} of 1,000 devices end at a time of their own", at_once.len());
}

fn agents(input: AgentInput) -> Input {
    Input::Agents(input)
}

fn join(device: &str, machine: &str, serial: &str) -> Input {
    agents(AgentInput::Join {
        enrolment: TokenId::new("e"),
        device: DeviceId::new(device),
        machine: machine.into(),
        name: None,
        agent: "0".into(),
        serial: serial.into(),
        until: time("2026-12-01T00:00:00Z"),
    })
}

fn enrolment(uses: u32, expires: &str) -> Input {
    let record = EnrolmentRecord {
        hash: "0".repeat(64).into(),
        name: "laptops".into(),
        made: time("2026-11-01T00:00:00Z"),
        expires: time(expires),
        uses,
        used: 0,
        revoked: None,
    };
    agents(AgentInput::CreateEnrolment { enrolment: TokenId::new("e"), record })
}

#[test]
fn a_machine_is_one_device_and_a_token_is_used_up() {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(enrolment(3, "2026-11-02T00:00:00Z"));
    let server = Actor::server();
    shell.tell(join("a", "machine", "1"));
    // Another id for the same machine would split it in two.
    assert!(matches!(shell.try_as(&server, join("b", "machine", "2")), Err(Refusal::Conflict(_))));
    let again = shell.tell(join("a", "machine", "2"));
    assert!(!again.iter().any(|event| matches!(event, Event::DeviceEnrolled(_))));
    let device = DeviceId::new("a");
    assert!(shell.state.agents.certificate(&device, "1", shell.now).is_none());
    assert!(shell.state.agents.certificate(&device, "2", shell.now).is_some());
    shell.tell(Input::Retire { device });
    shell.tell(join("c", "machine", "3"));
    assert!(matches!(shell.try_as(&server, join("d", "other", "4")), Err(Refusal::Forbidden(_))));
    shell.wait(48);
    assert!(matches!(shell.try_as(&server, enrolment(1, "2026-11-02T00:00:00Z")), Err(Refusal::Exists { .. })));
}

#[test]
fn certificates_end_and_at_most_two_count() {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(enrolment(3, "2026-11-02T00:00:00Z"));
    shell.tell(join("a", "machine", "1"));
    let device = DeviceId::new("a");
    let issue = |beside: &str, serial: &str| {
        agents(AgentInput::Issue {
            device: DeviceId::new("a"),
            beside: beside.into(),
            serial: serial.into(),
            until: time("2026-12-20T00:00:00Z"),
        })
    };
    assert!(matches!(&shell.tell(issue("1", "2"))[..], [Event::CertificateIssued(CertificateIssued { .. })]));
    shell.tell(issue("1", "3"));
    let counts = |shell: &Shell, serial| shell.state.agents.certificate(&device, serial, shell.now).is_some();
    assert_eq!(["1", "2", "3"].map(|serial| counts(&shell, serial)), [true, false, true]);
    shell.wait(24 * 31);
    assert_eq!(["1", "3"].map(|serial| counts(&shell, serial)), [false, true]);
    shell.tell(agents(AgentInput::Revoke { device: device.clone(), why: "lost".into() }));
    assert!(!counts(&shell, "3"));
}

#[test]
fn roots_are_numbered_one_after_the_other_and_mandates_grow() {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    let server = Actor::server();
    let root = |version: u64, text: &str| {
        agents(AgentInput::PublishRoot(RootPublished {
            version,
            organization: "acme".into(),
            fingerprint: text.into(),
            content: text.into(),
            expires: time("2027-11-01T00:00:00Z"),
        }))
    };
    shell.tell(root(3, "a"));
    assert!(shell.tell(root(3, "a")).is_empty());
    for wrong in [root(3, "b"), root(5, "c"), root(2, "d")] {
        assert!(matches!(shell.try_as(&server, wrong), Err(Refusal::Conflict(_))));
    }
    shell.tell(root(4, "e"));
    let mandate = |number: u64, text: &str| {
        agents(AgentInput::PublishMandate(MandatePublished {
            number,
            digest: text.into(),
            content: text.into(),
            policy: "p".into(),
            expires: time("2027-11-01T00:00:00Z"),
            lease_seconds: 3_600,
        }))
    };
    shell.tell(mandate(1, "a"));
    shell.tell(mandate(7, "b"));
    assert!(shell.tell(mandate(7, "b")).is_empty());
    for wrong in [mandate(7, "c"), mandate(6, "d")] {
        assert!(matches!(shell.try_as(&server, wrong), Err(Refusal::Conflict(_))));
    }
    // A device may say how it is, and nothing else.
    let device = Actor {
        name: "device:a".into(),
        owner: "device:a".into(),
        bearer: Bearer::Program,
        scopes: [Scope::Facts].into(),
        origin: Actor::LOCAL,
    };
    assert!(matches!(shell.try_as(&device, root(5, "f")), Err(Refusal::Scope(Scope::Admin))));
    assert!(matches!(shell.try_as(&device, mandate(8, "f")), Err(Refusal::Scope(Scope::Apply))));
}

#[test]
fn who_honours_the_brake_is_counted_once_and_only_for_the_brake_that_is_pulled() {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.enrol("a");
    shell.enrol("b");
    let braked = |since, seconds, devices: &[u32]| {
        let after = vec![(seconds, devices.iter().copied().collect::<DeviceSet>())];
        agents(AgentInput::Braked { since, after })
    };
    let before = shell.now;
    assert!(shell.tell(braked(before, 5, &[0])).is_empty());
    shell.wait(1);
    shell.tell(Input::Stop { why: "x".into() });
    let since = shell.state.brake.clone().unwrap().1;
    assert!(shell.tell(braked(before, 5, &[0])).is_empty());
    assert_eq!(shell.tell(braked(since, 5, &[0])).len(), 1);
    assert!(shell.tell(braked(since, 9, &[0, 99])).is_empty());
    shell.tell(braked(since, 9, &[0, 1]));
    let reached: Vec<_> = shell.state.agents.honour.iter().map(|(seconds, who)| (*seconds, who.len())).collect();
    assert_eq!(reached, [(5, 1), (9, 1)]);
    shell.tell(Input::GoOn { why: "y".into() });
    shell.tell(Input::Stop { why: "z".into() });
    assert!(shell.state.agents.honour.is_empty());
}

#[test]
fn what_a_device_refuses_by_the_mandate_is_a_hold_of_its_slot() {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    shell.tell(enrolment(1, "2026-11-02T00:00:00Z"));
    shell.tell(join("d1", "machine", "1"));
    shell.installs("d1", &[("editor", "1.0.0"), ("deb/editor", "1.0.0")]);
    shell.release("editor", "1.1.0");
    shell.apply(POLICY);
    shell.settle();
    let directive = told(&shell).directives[0].id.clone();
    assert_eq!(directive, "upgrade editor 1.1.0");
    let slot = SlotName::of("editor".into());
    let held = |shell: &Shell, outstanding| {
        let record = shell.state.device(&DeviceId::new("d1")).unwrap();
        shell.state.server_holds(record, &slot, outstanding)
    };
    let stands = |waits_for, until: Option<&str>, what: &[&str]| {
        let problem =
            |what: &&str| Problem { code: "mandate".into(), what: (*what).into(), since: time("2026-11-01T01:00:00Z") };
        agents(AgentInput::Stands(DeviceStands {
            device: DeviceId::new("d1"),
            agent: "1".into(),
            standing: vec![Standing { directive: directive.clone(), waits_for, until: until.map(time) }],
            problems: what.iter().map(problem).collect(),
        }))
    };
    assert!(held(&shell, true).is_empty() && shell.state.refusing_devices().is_empty());

    shell.tell(stands(WaitsFor::Mandate, None, &["libeditor: no", "editor: the mandate does not name it"]));
    let found = held(&shell, true);
    assert_eq!((found.len(), found[0].hold), (1, Hold::Mandate));
    assert_eq!(found[0].because, "the device refuses it: editor: the mandate does not name it");
    assert_eq!(found[0].since, Some(time("2026-11-01T01:00:00Z")));
    assert!(found[0].lifted_by().unwrap().starts_with("refit mandate sign "));
    // Nothing outstanding is held by nothing; and another slot is not this one.
    assert!(held(&shell, false).is_empty());
    assert_eq!(shell.state.refusing_devices().len(), 1);
    let record = shell.state.device(&DeviceId::new("d1")).unwrap();
    assert!(shell.state.server_holds(record, &SlotName::of("deb/bash".into()), true).is_empty());

    shell.tell(stands(WaitsFor::MandateTime, Some("2026-11-04T00:00:00Z"), &[]));
    assert_eq!(held(&shell, true)[0].because, "the mandate permits it from 2026-11-04T00:00:00Z on");
    // What is stopped names both, in the order of precedence.
    shell.tell(Input::Stop { why: "a fire".into() });
    assert_eq!(held(&shell, true).iter().map(|it| it.hold).collect::<Vec<_>>(), [Hold::KillSwitch, Hold::Mandate]);
    shell.tell(stands(WaitsFor::Window, None, &[]));
    assert!(shell.state.refusing_devices().is_empty());
}

#[test]
fn the_name_of_a_directive_says_whose_it_is() {
    let plain = SlotName::of("editor".into());
    let own = SlotName { profile: Some("work".into()), ..plain.clone() };
    for (directive, names_plain, names_own) in [
        ("upgrade editor 1.1.0", true, false),
        ("upgrade editor (work) 1.1.0", false, true),
        ("remove editor", true, false),
        ("remove editor (work)", false, true),
        ("restart editor", true, false),
        ("upgrade editor2 1.1.0", false, false),
        ("", false, false),
    ] {
        assert_eq!((names(directive, &plain), names(directive, &own)), (names_plain, names_own), "{directive}");
    }
}

#[test]
fn numbers_that_no_event_gave_stay_below_those_after_a_restart() {
    let first = sequence(75, None);
    // Time passes, and two states follow without an event.
    let second = sequence(75, Some(first));
    let third = sequence(75, Some(second));
    assert!(first < second && second < third);
    // A start writes an event, and remembers nothing of what was told.
    assert!(sequence(76, None) > third);
}
