//! Reports have an owner, are answered, and count in gates until somebody says that it was no update.

use super::{POLICY, direct, joined, made, made_under, name, update};
use crate::shell::{Shell, person};
use refit_core::{
    control::{
        AgentInput, ComplaintReceived, Event, Input, PersonId, Refusal, ReportInput, ReportOutcome, ReportStatus,
        Scope, block_patch, report_id, report_owner, suspects,
    },
    policy::document::test::GateAnswer,
};
use refit_model::{DeviceId, TitleId};

const SUPPORT: &[Scope] = &[Scope::Read, Scope::Reports, Scope::Rollouts];

fn opens(shell: &mut Shell, id: &str, device: &str, title: Option<&str>) -> Vec<Event> {
    let input = ReportInput::Open {
        report: id.into(),
        device: DeviceId::new(device),
        person: None,
        at: shell.now,
        title: title.map(Into::into),
        text: "0".repeat(64).into(),
    };
    shell.try_as(&person("sam", SUPPORT), Input::Reports(input)).unwrap()
}

fn closes(
    shell: &mut Shell,
    id: &str,
    outcome: ReportOutcome,
    release: Option<(&str, &str)>,
) -> Result<Vec<Event>, Refusal> {
    let (title, version) = release.map(|(title, version)| (TitleId::new(title), version.into())).unzip();
    let input = ReportInput::Close { report: id.into(), outcome, title, version, why: "looked into".into() };
    shell.try_as(&person("sam", SUPPORT), Input::Reports(input))
}

fn blamed(shell: &Shell, version: &str) -> u64 {
    let trial = shell.state.rollouts.trial(&TitleId::new("editor"), version);
    trial.map_or(0, |trial| trial.complained.len())
}

/// Canaries that have the release since an hour.
fn canaries(of: usize, canaries: usize) -> Shell {
    let mut shell = made(of, canaries, joined);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    assert_eq!(update(&mut shell, "1.1.0"), canaries);
    shell.wait(1);
    shell
}

#[test]
fn reports_through_the_api_halt_a_release_as_those_of_devices_do() {
    let mut shell = made(100, 12, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    update(&mut shell, "1.1.0");
    shell.wait(1);
    for index in 0..8 {
        opens(&mut shell, &format!("r{index}"), &name(index), None);
    }
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
    assert_eq!(shell.replayed().reports, shell.state.reports);
}

#[test]
fn what_was_no_update_counts_no_more_and_what_others_say_does() {
    let mut shell = canaries(30, 3);
    opens(&mut shell, "r1", "d000", None);
    opens(&mut shell, "r2", "d000", Some("editor"));
    opens(&mut shell, "r3", "d001", None);
    assert_eq!(blamed(&shell, "1.1.0"), 2);
    closes(&mut shell, "r1", ReportOutcome::NotUs, None).unwrap();
    assert_eq!(blamed(&shell, "1.1.0"), 2, "the same device says it in another report");
    closes(&mut shell, "r2", ReportOutcome::NotUs, None).unwrap();
    assert_eq!(blamed(&shell, "1.1.0"), 1);
    closes(&mut shell, "r3", ReportOutcome::Fix, Some(("editor", "1.1.1"))).unwrap();
    assert_eq!(blamed(&shell, "1.1.0"), 1, "it was an update, and that it is mended does not undo it");
    assert_eq!(shell.replayed().rollouts, shell.state.rollouts);
}

#[test]
fn devices_without_the_release_of_which_people_say_the_same_speak_for_it() {
    let mut shell = made(200, 12, |shell, id| shell.enrol(id));
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    update(&mut shell, "1.1.0");
    shell.wait(1);
    for index in 0..8 {
        opens(&mut shell, &format!("r{index}"), &name(index), None);
    }
    // The network is down everywhere.
    for index in 12..150 {
        opens(&mut shell, &format!("r{index}"), &name(index), None);
    }
    assert_eq!(direct(&mut shell), [""; 0]);
    // It was the network there, and something else here.
    for index in 12..150 {
        closes(&mut shell, &format!("r{index}"), ReportOutcome::NotUs, None).unwrap();
    }
    assert_eq!(direct(&mut shell), ["editor 1.1.0: Halt after canary"]);
}

#[test]
fn the_likeliest_cause_is_what_the_words_name_and_then_what_others_report_too() {
    let mut shell = canaries(30, 12);
    shell.wait(3);
    // Another title came later, and nobody else reports it.
    let slot = refit_core::control::SlotName::of(TitleId::new("browser"));
    shell.tell(Input::Receipt {
        device: DeviceId::new("d000"),
        receipt: "browser".into(),
        slot,
        wanted: Some("9".into()),
        result: refit_core::control::ReceiptResult::Succeeded,
        before: None,
        after: Some("9".into()),
        at: shell.now,
        duration_ms: 1,
        output: None,
    });
    shell.wait(2);
    let says = |shell: &Shell, id: &str| {
        let record = shell.state.reports.get(id).unwrap();
        suspects(&shell.state, record).into_iter().map(|suspect| suspect.says).collect::<Vec<_>>()
    };
    opens(&mut shell, "r1", "d000", None);
    assert_eq!(
        says(&shell, "r1"),
        [
            "browser 9 came 2 h before; no other device with it reports anything",
            "editor 1.1.0 came 6 h before; none of the 11 other devices with it reports anything",
        ],
        "the newest"
    );
    opens(&mut shell, "r2", "d001", None);
    opens(&mut shell, "r3", "d002", Some("editor"));
    assert_eq!(
        says(&shell, "r1")[0],
        "editor 1.1.0 came 6 h before; 2 of the 11 other devices with it report something too"
    );
    opens(&mut shell, "r4", "d000", Some("browser"));
    assert_eq!(
        says(&shell, "r4")[0],
        "browser 9, which the report names, came 2 h before; no other device with it reports anything"
    );
    // What came more than 72 hours before is none.
    shell.wait(72);
    opens(&mut shell, "r5", "d003", None);
    assert!(says(&shell, "r5").is_empty());
}

#[test]
fn whoever_answers_for_the_policy_answers_for_its_reports() {
    let owned = POLICY.replace("software: [editor]", "owner: desk@acme.example\nsoftware: [editor]");
    let mut shell = made_under(&owned, 30, 3, joined);
    shell.release("editor", "1.1.0");
    direct(&mut shell);
    update(&mut shell, "1.1.0");
    opens(&mut shell, "r1", "d000", None);
    opens(&mut shell, "r2", "d000", Some("browser"));
    let owner = |id: &str| {
        let record = shell.state.reports.get(id).unwrap();
        report_owner(&shell.state, record, &suspects(&shell.state, record))
    };
    assert_eq!((owner("r1").as_deref(), owner("r2")), (Some("desk@acme.example"), None));
}

#[test]
fn a_report_is_taken_closed_and_shown() {
    let mut shell = canaries(30, 3);
    let said = ComplaintReceived {
        device: DeviceId::new("d000"),
        complaint: "c1".into(),
        at: shell.now,
        title: None,
        text: "0".repeat(64).into(),
    };
    shell.tell(Input::Agents(AgentInput::Complaint(said)));
    let id = report_id(&DeviceId::new("d000"), "c1");
    let status = |shell: &Shell| shell.state.reports.get(&id).unwrap().status();
    assert_eq!(status(&shell), ReportStatus::Open);
    let take = Input::Reports(ReportInput::Acknowledge { report: id.clone() });
    assert_eq!(shell.try_as(&person("sam", SUPPORT), take.clone()).unwrap().len(), 1);
    assert_eq!(shell.try_as(&person("pat", SUPPORT), take).unwrap(), []);
    assert_eq!(status(&shell), ReportStatus::Acknowledged);
    assert_eq!(shell.state.reports.unshown(&DeviceId::new("d000")), []);
    // The release that is to blame is found, and halted at once.
    let events = closes(&mut shell, &id, ReportOutcome::Block, None).unwrap();
    assert_eq!(events.len(), 2);
    assert!(
        matches!(&events[1], Event::GateAnswered(halt) if halt.answer == Some(GateAnswer::Halt) && halt.version == "1.1.0")
    );
    assert_eq!(status(&shell), ReportStatus::Closed);
    assert_eq!(closes(&mut shell, &id, ReportOutcome::Block, None).unwrap(), [], "it was so before");
    assert!(matches!(closes(&mut shell, &id, ReportOutcome::NotUs, None), Err(Refusal::Conflict(_))));
    let unshown = shell.state.reports.unshown(&DeviceId::new("d000"));
    assert_eq!(unshown, [("c1".into(), ReportOutcome::Block)]);
    let shown = |complaint: &str| {
        Input::Agents(AgentInput::Answered { device: DeviceId::new("d000"), complaints: vec![complaint.into()] })
    };
    assert_eq!(shell.tell(shown("c2")), [], "nobody said that here");
    assert_eq!(shell.tell(shown("c1")).len(), 1);
    assert_eq!(shell.tell(shown("c1")), [], "once");
    assert_eq!(shell.state.reports.unshown(&DeviceId::new("d000")), []);
    let record = shell.state.reports.get(&id).unwrap();
    let (path, text) = block_patch(&id, record, |path| path == "blocks/editor-1.1.0.yaml").unwrap();
    assert_eq!(path, "blocks/editor-1.1.0-2.yaml", "there is one of that name");
    // It is a block that the policy takes.
    shell.plan_as(&refit_core::control::Actor::server(), &format!("{POLICY}---\n{text}"));
    assert_eq!(shell.replayed().reports, shell.state.reports);
}

#[test]
fn what_can_not_be_reported_or_closed_is_refused() {
    let mut shell = canaries(30, 3);
    let open = |device: &str, person: Option<&str>| {
        Input::Reports(ReportInput::Open {
            report: "r1".into(),
            device: DeviceId::new(device),
            person: person.map(PersonId::new),
            at: shell.now,
            title: None,
            text: "0".repeat(64).into(),
        })
    };
    let (nowhere, nobody, fine) = (open("d999", None), open("d000", Some("p1")), open("d020", None));
    let sam = person("sam", SUPPORT);
    assert!(matches!(shell.try_as(&sam, nowhere), Err(Refusal::Missing { what: "device", .. })));
    assert!(matches!(shell.try_as(&sam, nobody), Err(Refusal::Missing { what: "person", .. })));
    assert!(matches!(shell.try_as(&person("ron", &[Scope::Read]), fine.clone()), Err(Refusal::Scope(Scope::Reports))));
    shell.try_as(&sam, fine.clone()).unwrap();
    assert!(matches!(shell.try_as(&sam, fine), Err(Refusal::Exists { .. })));
    // Nothing was changed on that device: what would be blocked has to be named.
    assert!(matches!(closes(&mut shell, "r1", ReportOutcome::Block, None), Err(Refusal::Invalid(_))));
    assert!(matches!(closes(&mut shell, "r1", ReportOutcome::NotUs, Some(("editor", "1"))), Err(Refusal::Invalid(_))));
    assert!(matches!(closes(&mut shell, "r9", ReportOutcome::Fix, None), Err(Refusal::Missing { .. })));
    let close = ReportInput::Close {
        report: "r1".into(),
        outcome: ReportOutcome::Fix,
        title: None,
        version: None,
        why: "x".into(),
    };
    let program = person("ron", &[Scope::Read, Scope::Reports]);
    assert!(matches!(shell.try_as(&program, Input::Reports(close)), Err(Refusal::Scope(Scope::Rollouts))));
}

#[test]
fn of_one_device_no_more_is_kept_than_it_may_mean() {
    let mut shell = canaries(30, 3);
    opens(&mut shell, "closed", "d000", None);
    closes(&mut shell, "closed", ReportOutcome::Fix, None).unwrap();
    for index in 0..70 {
        opens(&mut shell, &format!("r{index:02}"), "d000", None);
    }
    let kept: Vec<_> = shell.state.reports.of(&DeviceId::new("d000")).map(|(id, _)| id.clone()).collect();
    assert_eq!((kept.len(), kept[0].as_str()), (64, "r06"));
    assert!(shell.state.reports.get("closed").is_none());
}
