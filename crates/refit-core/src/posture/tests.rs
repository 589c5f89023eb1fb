use super::*;
use crate::{
    control::{CohortKey, DueBy, Quarantine, SlotName, SlotOutcome, Wanted},
    decide::{Compliance, Hold, Progress},
    policy::{
        diagnostic::Files,
        document::{
            policy::Mode,
            posture::{AccessOrKnown, HeldUpdates},
            scalars::Day,
        },
        load::load,
        repository::Answers,
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_model::DeviceId;
use std::sync::Arc;

const REPOSITORY: &str = "\
organization: acme
defaults: { mode: enforce }
---
title: firefox
---
title: zoom
---
policy: browsers
owner: endpoint@acme.example
why: Browsers are the most attacked software on the fleet.
software: [firefox, zoom]
deadline: [{ within: 7d }]
---
posture: sign-in
owner: identity@acme.example
why: Nobody works with known holes.
callers: [okta]
strategy: block
tolerate: 1d
";

fn repository() -> Repository {
    let mut files = Files::default();
    files.add("refit.yaml", REPOSITORY.as_bytes(), &Limits::default()).unwrap();
    let (documents, found) = load(&files, &Limits::default());
    assert!(found.is_empty(), "{found:?}");
    let (repository, found) = resolve(&documents, &files, &Titles::default());
    assert!(found.is_empty(), "{found:?}");
    repository
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    time("2026-11-25T08:00:30Z")
}

/// A title with an update that is due then.
fn due(title: &str, compliance: Compliance, due: Option<&str>) -> SlotOutcome {
    let slot = SlotName { title: title.into(), branch: None, profile: None };
    let release = || Wanted::Release("131.0".into());
    SlotOutcome {
        slot: slot.clone(),
        installed: Some("130.0".into()),
        key: Some(CohortKey {
            slot,
            policy: "browsers".into(),
            mode: Mode::Enforce,
            goal: release(),
            admitted: release(),
            rollout: None,
            ring: None,
        }),
        compliance,
        due: due.map(time),
        due_by: due.map(|_| DueBy {
            obligation: "CVE-2026-1".into(),
            provisional: false,
            exception: None,
            release: None,
        }),
        progress: Progress::Scheduled,
        holds: Vec::new(),
        marks: Vec::new(),
        obligations: vec![("CVE-2026-1".into(), due.map(time))],
        exposures: vec![("CVE-2026-1".into(), true)],
        exceptions: Vec::new(),
        unsure_exceptions: Vec::new(),
        hurried: false,
        awaits: Vec::new(),
    }
}

fn overdue() -> SlotOutcome {
    due("firefox", Compliance::Overdue, Some("2026-11-20T08:00:00Z"))
}

fn known(outcomes: Vec<SlotOutcome>) -> Known {
    let open = outcomes.into_iter().map(|outcome| {
        let (progress, holds) = (outcome.progress, outcome.holds.clone());
        Open { outcome: Arc::new(outcome), progress, holds }
    });
    Known {
        device: "d1".into(),
        name: Some("ada's laptop".into()),
        zone: TimeZone::UTC,
        quarantined: None,
        decided: Ok(Decided {
            at: time("2026-11-25T07:00:00Z"),
            behind: false,
            next_change: None,
            open: open.collect(),
        }),
    }
}

fn device(outcomes: Vec<SlotOutcome>) -> Subject {
    Subject::Device(known(outcomes))
}

fn strict() -> Posture {
    Posture { strategy: Strategy::Block, ..Posture::default() }
}

fn asked(posture: &Posture, subject: &Subject) -> Answer {
    asked_at(posture, subject, now())
}

fn asked_at(posture: &Posture, subject: &Subject, now: Timestamp) -> Answer {
    Question { posture, repository: None, revision: 1, subject, read_only: false, now }.answer()
}

fn codes(reasons: &[Reason]) -> Vec<ReasonCode> {
    reasons.iter().map(|reason| reason.code).collect()
}

/// Every strategy, with the harshest answer that it has now.
fn strategies() -> [(Strategy, Access); 5] {
    let from = |day: &str| Strategy::WarnThenBlock(Day::parse(day).unwrap());
    [
        (Strategy::Tell, Access::Allow),
        (Strategy::Warn, Access::Warn),
        (from("2026-11-26"), Access::Warn),
        (from("2026-11-25"), Access::Block),
        (Strategy::Block, Access::Block),
    ]
}

const ACCESSES: [Access; 3] = [Access::Allow, Access::Warn, Access::Block];

/// A row of the matrix: what is so, and how its cell is written.
struct Row {
    reason: ReasonCode,
    subject: fn() -> Subject,
    read_only: bool,
    set: fn(&mut Answers, Access),
    /// What is answered where nothing is written.
    default: Access,
}

fn or_known(access: Access) -> AccessOrKnown {
    match access {
        Access::Allow => AccessOrKnown::Allow,
        Access::Warn => AccessOrKnown::Warn,
        Access::Block => AccessOrKnown::Block,
    }
}

fn nobody() -> Subject {
    Subject::Person { person: "p1".into(), devices: Vec::new() }
}

fn undecided(why: Undecided) -> Subject {
    Subject::Device(Known { decided: Err(why), ..known(Vec::new()) })
}

fn quarantined(outcomes: Vec<SlotOutcome>) -> Subject {
    let quarantine = Quarantine { since: time("2026-11-24T08:00:00Z"), because: "two histories".into() };
    Subject::Device(Known { quarantined: Some(quarantine), ..known(outcomes) })
}

fn unseen() -> Subject {
    device(vec![due("firefox", Compliance::Unseen, None)])
}

fn matrix() -> [Row; 9] {
    let row = |reason, subject: fn() -> Subject, set: fn(&mut Answers, Access), default| Row {
        reason,
        subject,
        read_only: false,
        set,
        default,
    };
    [
        row(
            ReasonCode::UnknownDevice,
            || Subject::UnknownDevice { why: "no device has this serial number".into() },
            |answers, access| answers.unknown_device = access,
            Access::Block,
        ),
        row(
            ReasonCode::UnknownPerson,
            || Subject::UnknownPerson { why: "nobody has this address".into() },
            |answers, access| answers.unknown_person = access,
            Access::Block,
        ),
        row(ReasonCode::NoDevice, nobody, |answers, access| answers.no_device = access, Access::Warn),
        row(
            ReasonCode::Starting,
            || undecided(Undecided::NotYet),
            |answers, access| answers.starting = access,
            Access::Allow,
        ),
        row(
            ReasonCode::Starting,
            || undecided(Undecided::Failed),
            |answers, access| answers.starting = access,
            Access::Allow,
        ),
        row(
            ReasonCode::Quarantined,
            || quarantined(Vec::new()),
            |answers, access| answers.quarantined = or_known(access),
            Access::Block,
        ),
        row(ReasonCode::Stale, unseen, |answers, access| answers.stale = or_known(access), Access::Warn),
        row(
            ReasonCode::Stale,
            || device(vec![due("firefox", Compliance::Undetermined, None)]),
            |answers, access| answers.stale = or_known(access),
            Access::Warn,
        ),
        Row {
            reason: ReasonCode::ReadOnly,
            subject: || device(Vec::new()),
            read_only: true,
            set: |answers, access| answers.read_only = or_known(access),
            default: Access::Allow,
        },
    ]
}

#[test]
fn every_cell_is_answered_as_it_is_written_and_never_harsher_than_the_strategy() {
    for row in matrix() {
        for (strategy, most) in strategies() {
            let ask = |answers: Answers| {
                let posture = Posture { strategy, answers, ..Posture::default() };
                let subject = (row.subject)();
                let read_only = row.read_only;
                let asked = Question {
                    posture: &posture,
                    repository: None,
                    revision: 1,
                    subject: &subject,
                    read_only,
                    now: now(),
                };
                asked.answer()
            };
            for access in ACCESSES {
                let mut answers = Answers::default();
                (row.set)(&mut answers, access);
                let answer = ask(answers);
                assert_eq!(answer.access, access.min(most), "{:?} {strategy:?} {access:?}", row.reason);
                assert_eq!(answer.reasons.first().map(|reason| reason.code), Some(row.reason));
                let softened = codes(&answer.reasons).contains(&ReasonCode::Strategy);
                assert_eq!(softened, access > most, "{:?} {strategy:?} {access:?}", row.reason);
            }
            let answer = ask(Answers::default());
            assert_eq!(answer.access, row.default.min(most), "{:?} {strategy:?}", row.reason);
        }
    }
}

#[test]
fn whether_a_device_complies_is_said_only_where_it_is_known() {
    for row in matrix() {
        let (posture, subject, read_only) = (strict(), (row.subject)(), row.read_only);
        let question =
            Question { posture: &posture, repository: None, revision: 1, subject: &subject, read_only, now: now() };
        // What was known before the server could write no more is known still.
        let known = (row.reason == ReasonCode::ReadOnly).then_some(true);
        assert_eq!(question.answer().compliant, known, "{:?}", row.reason);
    }
    assert_eq!(asked(&strict(), &device(vec![overdue()])).compliant, Some(false));
    assert_eq!(asked(&strict(), &device(Vec::new())).compliant, Some(true));
    // What is surely overdue is, whatever is not known besides.
    let both = device(vec![overdue(), due("zoom", Compliance::Unseen, None)]);
    assert_eq!(asked(&strict(), &both).compliant, Some(false));
}

#[test]
fn what_is_known_decides_where_the_cell_says_so() {
    let answers = Answers {
        quarantined: AccessOrKnown::AsKnown,
        stale: AccessOrKnown::AsKnown,
        read_only: AccessOrKnown::AsKnown,
        ..Answers::default()
    };
    let posture = Posture { answers, ..strict() };
    assert_eq!(asked(&posture, &quarantined(vec![overdue()])).access, Access::Block);
    assert_eq!(asked(&posture, &quarantined(Vec::new())).access, Access::Allow);
    let last_known = |at: Option<&str>| device(vec![due("firefox", Compliance::Unseen, at)]);
    assert_eq!(asked(&posture, &last_known(Some("2026-11-20T08:00:00Z"))).access, Access::Block);
    assert_eq!(asked(&posture, &last_known(Some("2026-11-28T08:00:00Z"))).access, Access::Allow);
    let read_only = |subject: &Subject| {
        Question { posture: &posture, repository: None, revision: 1, subject, read_only: true, now: now() }.answer()
    };
    let answer = read_only(&device(vec![overdue()]));
    assert_eq!((answer.access, answer.compliant), (Access::Block, Some(false)));
    assert_eq!(codes(&answer.reasons), [ReasonCode::ReadOnly, ReasonCode::Overdue]);
}

#[test]
fn a_cell_for_what_is_not_known_lets_nothing_through_that_is() {
    let posture = Posture { answers: Answers { stale: AccessOrKnown::Allow, ..Answers::default() }, ..strict() };
    let both = device(vec![overdue(), due("zoom", Compliance::Undetermined, None)]);
    assert_eq!(asked(&posture, &both).access, Access::Block);
    // Nor does it keep out for what is only listed.
    let posture = Posture { answers: Answers { stale: AccessOrKnown::Warn, ..Answers::default() }, ..strict() };
    let old = device(vec![due("firefox", Compliance::Unseen, Some("2026-11-20T08:00:00Z"))]);
    let answer = asked(&posture, &old);
    assert_eq!((answer.access, answer.compliant), (Access::Warn, None));
    assert_eq!((answer.devices[0].overdue.len(), answer.devices[0].tolerated_until), (1, None));
}

#[test]
fn a_quarantine_counts_before_a_server_that_can_write_nothing() {
    let answers = Answers { read_only: AccessOrKnown::Allow, ..Answers::default() };
    let (posture, subject) = (Posture { answers, ..strict() }, quarantined(Vec::new()));
    let question =
        Question { posture: &posture, repository: None, revision: 1, subject: &subject, read_only: true, now: now() };
    assert_eq!(question.answer().access, Access::Block);
}

#[test]
fn each_strategy_does_what_it_says_with_what_is_overdue() {
    for (strategy, most) in strategies() {
        let posture = Posture { strategy, ..Posture::default() };
        let answer = asked(&posture, &device(vec![overdue()]));
        assert_eq!((answer.access, answer.compliant), (most, Some(false)), "{strategy:?}");
        assert_eq!(asked(&posture, &device(Vec::new())).access, Access::Allow, "{strategy:?}");
        let later = device(vec![due("firefox", Compliance::Due, Some("2026-11-28T08:00:00Z"))]);
        let answer = asked(&posture, &later);
        assert_eq!((answer.access, answer.compliant), (Access::Allow, Some(true)), "{strategy:?}");
        assert_eq!(answer.devices[0].due.len(), 1);
    }
}

#[test]
fn blocking_begins_on_its_day_where_the_device_is() {
    let strategy = Strategy::WarnThenBlock(Day::parse("2026-11-26").unwrap());
    let posture = Posture { strategy, ..Posture::default() };
    let at = |zone: &str, at: &str| {
        let known = Known { zone: TimeZone::get(zone).unwrap(), ..known(vec![overdue()]) };
        asked_at(&posture, &Subject::Device(known), time(at))
    };
    let before = at("UTC", "2026-11-25T23:59:59Z");
    assert_eq!((before.access, codes(&before.reasons)), (Access::Warn, vec![ReasonCode::Tolerated]));
    assert_eq!(before.devices[0].tolerated_until, Some(time("2026-11-26T00:00:00Z")));
    assert_eq!(before.until, time("2026-11-26T00:00:00Z"), "an answer does not outlive the day");
    assert_eq!(at("UTC", "2026-11-26T00:00:00Z").access, Access::Block);
    assert_eq!(at("Asia/Tokyo", "2026-11-25T14:59:59Z").access, Access::Warn);
    assert_eq!(at("Asia/Tokyo", "2026-11-25T15:00:00Z").access, Access::Block);
}

#[test]
fn what_is_tolerated_for_a_time_blocks_when_that_is_over() {
    let posture = Posture { tolerate: SignedDuration::from_hours(24), ..strict() };
    let subject = device(vec![due("firefox", Compliance::Overdue, Some("2026-11-25T08:00:00Z"))]);
    let answer = asked(&posture, &subject);
    let until = Some(time("2026-11-26T08:00:00Z"));
    assert_eq!((answer.access, answer.compliant), (Access::Warn, Some(false)));
    assert_eq!(answer.devices[0].tolerated_until, until);
    assert_eq!(answer.devices[0].overdue[0].tolerated, Some(Tolerated::Time));
    let answer = asked_at(&posture, &subject, time("2026-11-26T08:00:00Z"));
    assert_eq!((answer.access, answer.devices[0].tolerated_until), (Access::Block, None));
    // Of what is not overdue it is said from when on it would block.
    let later = device(vec![due("firefox", Compliance::Due, Some("2026-11-28T08:00:00Z"))]);
    assert_eq!(asked(&posture, &later).devices[0].tolerated_until, Some(time("2026-11-29T08:00:00Z")));
}

#[test]
fn what_nobody_at_the_device_can_change_does_not_block() {
    let held = |hold: Option<Hold>, progress: Progress| {
        device(vec![SlotOutcome { holds: hold.into_iter().collect(), progress, ..overdue() }])
    };
    let counting = Posture { held: HeldUpdates::Count, ..strict() };
    for (hold, progress, tolerated) in [
        (Some(Hold::Freeze), Progress::Scheduled, Tolerated::Held),
        (Some(Hold::KillSwitch), Progress::Scheduled, Tolerated::Held),
        (None, Progress::Waiting, Tolerated::Held),
        (None, Progress::AwaitingContent, Tolerated::Held),
        (Some(Hold::Grace), Progress::Scheduled, Tolerated::Grace),
    ] {
        let answer = asked(&strict(), &held(hold, progress));
        let finding = &answer.devices[0].overdue[0];
        assert_eq!((answer.access, answer.compliant), (Access::Warn, Some(false)));
        assert_eq!((finding.tolerated, finding.tolerated_until), (Some(tolerated), None));
        // The grace after an absence counts whatever is written (rule 11).
        let (answer, is_grace) = (asked(&counting, &held(hold, progress)), tolerated == Tolerated::Grace);
        assert_eq!(answer.access, if is_grace { Access::Warn } else { Access::Block });
    }
    assert_eq!(asked(&strict(), &held(None, Progress::Failed)).access, Access::Block);
}

#[test]
fn what_a_policy_only_observes_keeps_nobody_out() {
    let mut outcome = overdue();
    outcome.key = outcome.key.map(|key| CohortKey { mode: Mode::Observe, ..key });
    let answer = asked(&strict(), &device(vec![outcome.clone()]));
    assert_eq!((answer.access, answer.compliant), (Access::Allow, Some(true)));
    assert_eq!(answer.devices[0].overdue[0].tolerated, Some(Tolerated::Observed));
    assert_eq!(codes(&answer.reasons), [ReasonCode::Compliant]);
    outcome.key = outcome.key.map(|key| CohortKey { mode: Mode::Notify, ..key });
    assert_eq!(asked(&strict(), &device(vec![outcome])).access, Access::Block);
}

#[test]
fn a_due_time_counts_from_its_second_on_though_nobody_has_decided_anew() {
    let subject = device(vec![due("firefox", Compliance::Due, Some("2026-11-25T08:01:00Z"))]);
    assert_eq!(asked(&strict(), &subject).until, time("2026-11-25T08:01:00Z"), "an answer does not outlive it");
    let answer = asked_at(&strict(), &subject, time("2026-11-25T08:01:00Z"));
    assert_eq!((answer.access, answer.compliant), (Access::Block, Some(false)));
}

#[test]
fn a_device_that_can_never_comply_is_kept_out_from_its_due_time_on() {
    let at = |due_at| asked(&strict(), &device(vec![due("macos", Compliance::Unsupported, due_at)]));
    assert_eq!(at(Some("2026-11-20T08:00:00Z")).access, Access::Block);
    assert_eq!(at(Some("2026-12-20T08:00:00Z")).access, Access::Allow);
    assert_eq!(at(None).access, Access::Allow);
    assert_eq!(at(None).devices[0].due[0].fix.action, FixAction::Replace);
}

#[test]
fn without_a_policy_nothing_is_overdue_and_nothing_is_known() {
    let answer = asked(&strict(), &undecided(Undecided::NoPolicy));
    assert_eq!((answer.access, answer.compliant), (Access::Allow, None));
}

fn of_person(outcomes: [Vec<SlotOutcome>; 2]) -> Subject {
    let mut devices: Vec<Known> = outcomes.into_iter().map(known).collect();
    devices[1].device = "d2".into();
    Subject::Person { person: "p1".into(), devices }
}

#[test]
fn of_several_devices_the_worst_counts_or_the_best() {
    let any = Posture { devices: HowMany::Any, ..strict() };
    let one = of_person([Vec::new(), vec![overdue()]]);
    let answer = asked(&strict(), &one);
    assert_eq!((answer.access, answer.compliant), (Access::Block, Some(false)));
    assert_eq!(answer.devices[0].device, "d2", "the worst comes first");
    let answer = asked(&any, &one);
    assert_eq!((answer.access, answer.compliant), (Access::Allow, Some(true)));
    let unknown = of_person([vec![due("firefox", Compliance::Unseen, None)], vec![overdue()]]);
    assert_eq!(asked(&strict(), &unknown).compliant, Some(false));
    assert_eq!((asked(&any, &unknown).access, asked(&any, &unknown).compliant), (Access::Warn, None));
    let unknown = of_person([vec![due("firefox", Compliance::Unseen, None)], Vec::new()]);
    assert_eq!(asked(&strict(), &unknown).compliant, None);
    assert_eq!(asked(&any, &unknown).compliant, Some(true));
}

#[test]
fn all_count_though_few_are_listed() {
    let many = (0..30).map(|n| due(&format!("deb/p{n:02}"), Compliance::Overdue, Some("2026-11-20T08:00:00Z")));
    let answer = asked(&strict(), &device(many.collect()));
    assert_eq!((answer.devices[0].overdue.len(), answer.devices[0].overdue_count), (FINDINGS_MOST, 30));
    let devices = (0..30).map(|n| Known { device: DeviceId::new(format!("d{n:02}")), ..known(vec![overdue()]) });
    let answer = asked(&strict(), &Subject::Person { person: "p1".into(), devices: devices.collect() });
    assert_eq!((answer.devices.len(), answer.device_count), (DEVICES_MOST, 30));
}

#[test]
fn an_answer_is_the_same_for_a_while_and_holds_for_longer() {
    let posture = strict();
    let fine = device(Vec::new());
    let at = |subject: &Subject, at: &str| asked_at(&posture, subject, time(at));
    // Five minutes for `allow`: those of one piece are the same.
    let first = at(&fine, "2026-11-25T08:00:00Z");
    assert_eq!((first.issued, first.until), (time("2026-11-25T08:00:00Z"), time("2026-11-25T08:10:00Z")));
    assert_eq!(first, at(&fine, "2026-11-25T08:04:59Z"));
    assert_eq!(at(&fine, "2026-11-25T08:05:00Z").until, time("2026-11-25T08:15:00Z"));
    // A minute for what somebody is putting right meanwhile.
    let wrong = device(vec![overdue()]);
    assert_eq!(at(&wrong, "2026-11-25T08:00:59Z").until, time("2026-11-25T08:02:00Z"));
    assert_eq!(at(&wrong, "2026-11-25T08:00:00Z"), at(&wrong, "2026-11-25T08:00:59Z"));
    // And where it is about to change.
    assert_eq!(at(&undecided(Undecided::NotYet), "2026-11-25T08:00:59Z").until, time("2026-11-25T08:02:00Z"));
}

#[test]
fn an_answer_is_as_new_as_what_it_goes_by_and_ends_when_that_changes() {
    let mut known = known(Vec::new());
    known.decided = Ok(Decided {
        at: time("2026-11-25T08:03:00Z"),
        behind: false,
        next_change: Some(time("2026-11-25T08:07:00Z")),
        open: Vec::new(),
    });
    let answer = asked_at(&strict(), &Subject::Device(known), time("2026-11-25T08:04:00Z"));
    assert_eq!((answer.issued, answer.until), (time("2026-11-25T08:03:00Z"), time("2026-11-25T08:07:00Z")));
}

#[test]
fn what_puts_a_title_right_is_said() {
    let fix = |change: fn(&mut SlotOutcome)| {
        let mut outcome = overdue();
        change(&mut outcome);
        asked(&strict(), &device(vec![outcome])).devices[0].overdue[0].fix.clone()
    };
    assert_eq!(fix(|_| {}).text, "update firefox to 131.0");
    assert_eq!(fix(|outcome| outcome.installed = None).text, "install firefox 131.0");
    assert_eq!(fix(|outcome| outcome.progress = Progress::RestartPending).action, FixAction::Restart);
    let waits = fix(|outcome| {
        outcome.key = outcome.key.take().map(|key| CohortKey { admitted: Wanted::Nothing, ..key });
    });
    assert_eq!((waits.action, waits.version.as_deref()), (FixAction::Wait, Some("131.0")));
    let gone = fix(|outcome| {
        outcome.key = outcome.key.take().map(|key| CohortKey { goal: Wanted::Absent, ..key });
    });
    assert_eq!(gone.text, "remove firefox");
}

#[test]
fn a_link_leads_to_the_title_whatever_is_in_its_name() {
    let subject = device(vec![due("deb/libstdc++6", Compliance::Overdue, Some("2026-11-20T08:00:00Z"))]);
    let answer = asked(&strict(), &subject);
    let explanation = &answer.devices[0].overdue[0].explanation;
    assert_eq!(explanation, "/api/v1/devices/d1/explanation?title=deb/libstdc%2B%2B6");
}

/// As it is sent.
fn sent(caller: &str, subject: &Subject) -> Answer {
    let repository = repository();
    let plain = Posture::default();
    let posture = repository.posture(caller).unwrap_or(&plain);
    Question { posture, repository: Some(&repository), revision: 7, subject, read_only: false, now: now() }.answer()
}

#[test]
fn an_overdue_device_in_json() {
    let later = due("zoom", Compliance::Due, Some("2026-12-01T08:00:00Z"));
    insta::assert_json_snapshot!(sent("okta", &device(vec![overdue(), later])));
}

#[test]
fn a_person_with_two_devices_in_json() {
    let held = SlotOutcome { holds: vec![Hold::Freeze], ..overdue() };
    insta::assert_json_snapshot!(sent("okta", &of_person([vec![held], Vec::new()])));
}

#[test]
fn an_unknown_device_in_json() {
    let subject = Subject::UnknownDevice { why: "no managed device has this serial number".to_owned() };
    insta::assert_json_snapshot!(sent("okta", &subject));
}

#[test]
fn whoever_is_named_nowhere_is_told_in_json() {
    insta::assert_json_snapshot!(sent("vpn", &device(vec![overdue()])));
}
