//! Exceptions that are asked for: what the rules permit, who decides, how they act and end.

use super::{
    rollouts::exploited,
    shell::{Shell, person},
};
use proptest::prelude::*;
use refit_core::{
    control::{
        Actor, AtOnce, Bearer, Concerned, Event, ExceptionInput, ExceptionStatus, ExceptionTerms, Input, PolicyFiles,
        Refusal, Scope, concerned, fleet_plan_by, judge, patch_of,
    },
    policy::{
        document::{
            rules::{Decided, ExceptionTerm},
            scalars::Day,
        },
        load::load,
        repository::{ExceptionRule, Origin, Repository, Selector},
        resolve::{Titles, resolve},
        syntax::Limits,
    },
};
use refit_model::DeviceId;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
exceptions: { longest: 60d }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
software: [editor]
deadline: [{ within: 7d }]
---
exception_rules: short
longest: 7d
devices_most: 2
decided: at_once
terms: [due]
---
exception_rules: long
askers: ['*@acme.example']
longest: 30d
approvers: ['*@security.acme.example']
";

/// Three devices whose editor is due on the 8th of November.
fn fleet() -> Shell {
    let mut shell = Shell::new("2026-11-01T00:00:00Z");
    shell.tell(Input::Start { program: "1".into(), alive_until: None });
    for device in ["d0", "d1", "d2"] {
        shell.enrol(device);
        shell.installs(device, &[("editor", "1.0.0")]);
    }
    shell.release("editor", "1.0.0");
    shell.apply(POLICY);
    shell.settle();
    shell.wait(1);
    shell.release("editor", "1.1.0");
    shell.settle();
    shell
}

fn asker(owner: &str) -> Actor {
    person(owner, &[Scope::Read, Scope::Plan])
}

fn approver(owner: &str) -> Actor {
    person(owner, &[Scope::Read, Scope::Approve])
}

fn terms(devices: &[&str], until: &str) -> ExceptionTerms {
    let ids: Vec<String> = devices.iter().map(|id| format!("\"{id}\"")).collect();
    ExceptionTerms {
        software: vec!["editor".into()],
        condition: (!devices.is_empty()).then(|| format!("device.id in [{}]", ids.join(", "))),
        due: Some("2026-11-20T12:00:00Z".into()),
        hold_at: None,
        restart: None,
        until: until.into(),
        exploited_too: false,
        why: "a trade fair: \"do not touch\"".into(),
    }
}

fn request(shell: &mut Shell, by: &Actor, name: &str, terms: ExceptionTerms) -> Result<Vec<Event>, Refusal> {
    let concerned = concerned(&shell.state, name, &terms, shell.now).map_err(Refusal::Invalid)?;
    shell.try_as(by, Input::Exceptions(ExceptionInput::Request { exception: name.into(), terms, concerned }))
}

fn approve(shell: &mut Shell, by: &Actor, name: &str) -> Result<Vec<Event>, Refusal> {
    let terms = shell.state.exceptions.get(name).unwrap().terms.clone();
    let concerned = concerned(&shell.state, name, &terms, shell.now).unwrap();
    shell.try_as(by, Input::Exceptions(ExceptionInput::Approve { exception: name.into(), concerned }))
}

fn status(shell: &Shell, name: &str) -> ExceptionStatus {
    shell.state.exceptions.get(name).unwrap().status
}

/// When the editor is due on each device.
fn due(shell: &Shell) -> Vec<String> {
    let due = shell.state.managed().map(|device| {
        let published = device.published.values().next().unwrap();
        published.due.unwrap().strftime("%d").to_string()
    });
    due.collect()
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

/// What time alone brings to exceptions.
fn ticks(shell: &mut Shell) -> Vec<&'static str> {
    let events = shell.tell(Input::Tick);
    kinds(&events).into_iter().filter(|kind| kind.starts_with("exception.")).collect()
}

fn forbidden(result: Result<Vec<Event>, Refusal>) -> String {
    match result {
        Err(Refusal::Forbidden(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_a_rule_grants_at_once_acts_at_once_and_is_over_by_itself() {
    let mut shell = fleet();
    assert_eq!(due(&shell), ["08", "08", "08"]);
    let events = request(&mut shell, &asker("olga"), "fair", terms(&["d0"], "2026-11-07")).unwrap();
    assert_eq!(kinds(&events), ["exception.requested", "exception.granted"]);
    shell.settle();
    assert_eq!(due(&shell), ["20", "08", "08"]);
    let row = shell.board.row(&DeviceId::new("d0")).unwrap();
    assert_eq!(row.slots[0].exceptions, ["fair"]);
    // Notice is given three days before the end of the last day, once; and it ends once it is over everywhere.
    assert_eq!(ticks(&mut shell), [""; 0]);
    shell.wait(24 * 4);
    assert_eq!(ticks(&mut shell), ["exception.expiring"]);
    assert_eq!(ticks(&mut shell), [""; 0]);
    assert!(status(&shell, "fair").acts());
    shell.wait(24 * 3);
    shell.settle();
    assert_eq!(due(&shell), ["08", "08", "08"], "its last day is over here");
    assert_eq!(ticks(&mut shell), [""; 0], "and not yet in Honolulu");
    shell.wait(12);
    assert_eq!(ticks(&mut shell), ["exception.expired"]);
    assert_eq!(status(&shell, "fair"), ExceptionStatus::Expired);
    assert!(shell.state.policy.as_ref().unwrap().repository.exceptions.is_empty());
    assert_eq!(shell.replayed().exceptions, shell.state.exceptions);
    // The name is free again.
    request(&mut shell, &asker("olga"), "fair", terms(&["d0"], "2026-11-12")).unwrap();
}

#[test]
fn what_is_longer_needs_somebody_else_whom_the_rule_names() {
    let mut shell = fleet();
    let olga = asker("olga@acme.example");
    let events = request(&mut shell, &olga, "fair", terms(&["d0"], "2026-11-25")).unwrap();
    assert_eq!(kinds(&events), ["exception.requested"]);
    shell.settle();
    assert_eq!(due(&shell), ["08", "08", "08"], "nobody has agreed");
    let theirs = approver("olga@acme.example");
    assert!(forbidden(approve(&mut shell, &theirs, "fair")).contains("is not among them"));
    let program = Actor { bearer: Bearer::Program, ..approver("bot@security.acme.example") };
    assert!(forbidden(approve(&mut shell, &program, "fair")).contains("a person has to"));
    assert!(matches!(approve(&mut shell, &olga, "fair"), Err(Refusal::Scope(Scope::Approve))));
    let events = approve(&mut shell, &approver("otto@security.acme.example"), "fair").unwrap();
    assert_eq!(kinds(&events), ["exception.approved", "exception.granted"]);
    shell.settle();
    assert_eq!(due(&shell), ["20", "08", "08"]);
    assert!(matches!(approve(&mut shell, &approver("eve@security.acme.example"), "fair"), Err(Refusal::Conflict(_))));
    // It is taken back by who asked for it.
    let withdraw =
        |name: &str| Input::Exceptions(ExceptionInput::Withdraw { exception: name.into(), why: "it is over".into() });
    assert!(forbidden(shell.try_as(&asker("mallory"), withdraw("fair"))).contains("can take it back"));
    shell.try_as(&olga, withdraw("fair")).unwrap();
    shell.settle();
    assert_eq!(due(&shell), ["08", "08", "08"]);
    assert_eq!(shell.replayed().exceptions, shell.state.exceptions);
}

#[test]
fn nobody_grants_their_own_even_where_the_rule_names_them() {
    let mut shell = fleet();
    let otto = "otto@security.acme.example";
    shell.apply(&POLICY.replace("askers: ['*@acme.example']", "askers: ['*acme.example']"));
    request(&mut shell, &asker(otto), "fair", terms(&["d0"], "2026-11-25")).unwrap();
    assert!(forbidden(approve(&mut shell, &approver(otto), "fair")).contains("nobody grants their own"));
    approve(&mut shell, &approver("eve@security.acme.example"), "fair").unwrap();
    assert_eq!(status(&shell, "fair"), ExceptionStatus::Granted);
}

#[test]
fn two_people_decide_on_what_is_known_to_be_exploited() {
    let mut shell = fleet();
    exploited(&mut shell);
    shell.settle();
    // At once it would have been granted else.
    let olga = asker("olga@acme.example");
    let events = request(&mut shell, &olga, "fair", terms(&["d0"], "2026-11-07")).unwrap();
    assert_eq!(kinds(&events), ["exception.requested"]);
    assert_eq!(shell.state.exceptions.get("fair").unwrap().rule, "long");
    let otto = approver("otto@security.acme.example");
    assert_eq!(kinds(&approve(&mut shell, &otto, "fair").unwrap()), ["exception.approved"]);
    assert_eq!(kinds(&approve(&mut shell, &otto, "fair").unwrap()), [""; 0], "twice by one is once");
    let eve = approver("eve@security.acme.example");
    assert_eq!(kinds(&approve(&mut shell, &eve, "fair").unwrap()), ["exception.approved", "exception.granted"]);
    assert!(shell.state.exceptions.get("fair").unwrap().kev);
    // What is exploited keeps its own due time all the same, since nobody asked for that.
    shell.settle();
    assert_eq!(due(&shell)[1], due(&shell)[2]);
    let mut terms = terms(&["d1"], "2026-11-07");
    terms.exploited_too = true;
    let why = forbidden(request(&mut shell, &asker("sam"), "also", terms));
    assert!(why.contains("two people decide") && why.contains("sam may not ask by it"), "{why}");
}

#[test]
fn what_becomes_exploited_while_it_waits_needs_the_second_person() {
    let mut shell = fleet();
    request(&mut shell, &asker("olga@acme.example"), "fair", terms(&["d0"], "2026-11-25")).unwrap();
    exploited(&mut shell);
    shell.settle();
    let events = approve(&mut shell, &approver("otto@security.acme.example"), "fair").unwrap();
    assert_eq!(kinds(&events), ["exception.approved"], "one would have been enough an hour ago");
}

#[test]
fn what_no_rule_permits_is_refused_with_all_reasons() {
    let mut shell = fleet();
    let sam = asker("sam");
    let why = forbidden(request(&mut shell, &sam, "fair", terms(&[], "2026-11-07")));
    assert_eq!(
        why,
        "no rule permits this exception: `long`: sam may not ask by it; `short`: it is for 2 devices at most, and 3 are concerned"
    );
    let why = forbidden(request(&mut shell, &sam, "fair", terms(&["d0"], "2026-11-09")));
    assert!(why.contains("`short`: 2026-11-09 is too late: 2026-11-08 is the last day that it permits today"), "{why}");
    let mut hold = terms(&["d0"], "2026-11-07");
    hold.hold_at = Some("<1.1.0".into());
    assert!(forbidden(request(&mut shell, &sam, "fair", hold)).contains("it lets nobody change `hold_at`"));
    let invalid = |shell: &mut Shell, change: &dyn Fn(&mut ExceptionTerms)| {
        let mut terms = terms(&["d0"], "2026-11-07");
        change(&mut terms);
        match request(shell, &sam, "fair", terms) {
            Err(Refusal::Invalid(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(invalid(&mut shell, &|it| it.until = "2026-10-30".into()), "2026-10-30 is over");
    assert!(invalid(&mut shell, &|it| it.until = "soon".into()).contains("is no day"));
    assert!(invalid(&mut shell, &|it| it.software = vec!["edtior".into()]).contains("unknown title"));
    assert!(invalid(&mut shell, &|it| it.condition = Some("device.sit == \"x\"".into())).contains("site"));
    assert!(invalid(&mut shell, &|it| it.due = None).contains("it changes nothing"));
    assert!(
        invalid(&mut shell, &|it| it.due = Some("tomorrow\nuntil: 2099-01-01".into())).contains("no point in time")
    );
    for name in ["", "A", "a b", "../x", &"x".repeat(65)] {
        assert!(matches!(request(&mut shell, &sam, name, terms(&["d0"], "2026-11-07")), Err(Refusal::Invalid(_))));
    }
    request(&mut shell, &sam, "fair", terms(&["d0"], "2026-11-07")).unwrap();
    assert!(matches!(request(&mut shell, &sam, "fair", terms(&["d1"], "2026-11-07")), Err(Refusal::Exists { .. })));
    let mut other = terms(&["d0", "d1"], "2026-11-06");
    other.due = Some("2026-11-30T12:00:00Z".into());
    match request(&mut shell, &sam, "other", other) {
        Err(Refusal::Invalid(why)) => assert!(why.contains("`fair` changes the same otherwise on d0"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// The files of a policy, as the server reads a plan.
fn repository(yaml: &str) -> Arc<Repository> {
    let files = PolicyFiles(BTreeMap::from([("refit.yaml".to_owned(), yaml.to_owned())])).files();
    let (documents, found) = load(&files, &Limits::default());
    assert!(found.is_empty(), "{found:?}");
    Arc::new(resolve(&documents, &files, &Titles::default()).0)
}

#[test]
fn the_engine_and_the_plain_decision_see_what_was_granted_alike_and_a_new_revision_keeps_it() {
    let mut shell = fleet();
    request(&mut shell, &asker("olga"), "fair", terms(&["d0"], "2026-11-07")).unwrap();
    shell.settle();
    let longer = POLICY.replace("within: 7d", "within: 9d");
    let next = shell.state.exceptions.granted_into(repository(&longer));
    assert_eq!(next.exceptions.len(), 1);
    let plan_by = |at_once| {
        let go_on = |_, _| ControlFlow::Continue(());
        fleet_plan_by(at_once, &shell.state, next.clone(), "x", shell.now, go_on).unwrap()
    };
    let plain = plan_by(AtOnce::NOBODY);
    assert_eq!(plan_by(AtOnce { from: 1, most: 1_000 }), plain);
    let touched: u64 = plain.changes.iter().map(|change| change.devices).sum();
    assert!(touched <= 3, "{touched}");
    shell.apply(&longer);
    shell.settle();
    assert_eq!(due(&shell), ["20", "10", "10"]);
    // A snapshot reads the policy anew, and knows what acts.
    let (format, bytes) = refit_core::control::write_snapshot(&shell.state).unwrap();
    let titles = Titles::default();
    let ground = refit_core::control::Ground { catalog: &titles, contents: &shell.contents };
    let read = refit_core::control::read_snapshot(format, &bytes, &ground).unwrap();
    let names = |repository: &Repository| -> Vec<String> {
        repository.exceptions.iter().map(|exception| exception.name.to_string()).collect()
    };
    assert_eq!(names(&read.policy.unwrap().repository), ["fair"]);
}

#[test]
fn once_the_repository_has_it_the_repositorys_own_goes_before() {
    let mut shell = fleet();
    request(&mut shell, &asker("olga"), "fair", terms(&["d0"], "2026-11-07")).unwrap();
    let asked = shell.state.exceptions.get("fair").unwrap().clone();
    let document = shell.state.exception_document("fair", &asked);
    assert!(document.starts_with("# Asked for by olga through the API, granted by its rule.\nexception: \"fair\"\n"));
    let patch = patch_of("exceptions/fair.yaml", &document);
    assert_eq!(patch.lines().filter(|line| line.starts_with('+')).count(), document.lines().count() + 1);
    shell.apply(&format!("{POLICY}---\n{document}"));
    let repository = shell.state.policy.as_ref().unwrap().repository.clone();
    let names: Vec<_> = repository.exceptions.iter().map(|it| (it.name.as_str(), it.origin.is_granted())).collect();
    assert_eq!(names, [("fair", false)]);
    shell.settle();
    assert_eq!(due(&shell), ["20", "08", "08"]);
    // Somebody changes it there: that is what counts.
    shell.apply(&format!("{POLICY}---\n{}", document.replace("2026-11-20T", "2026-11-22T")));
    shell.settle();
    assert_eq!(due(&shell), ["22", "08", "08"]);
}

fn rule(name: &str, (days, decided, approvers): (i64, bool, usize), askers: Option<Vec<usize>>) -> ExceptionRule {
    let people = |numbers: Vec<usize>| numbers.into_iter().map(|n| format!("p{n}").into()).collect();
    ExceptionRule {
        name: name.into(),
        origin: Origin::default(),
        owner: None,
        askers: askers.map(people),
        software: None,
        terms: ExceptionTerm::ALL.into_iter().collect(),
        longest: jiff::SignedDuration::from_hours(days * 24),
        devices_most: None,
        decided: if decided { Decided::AtOnce } else { Decided::ByApprover },
        approvers: people((0..approvers).collect()),
        notice: jiff::SignedDuration::from_hours(24),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// However rules are written and whoever asks and agrees in whatever order: nothing is granted for longer than its rule and the
    /// organisation permit, nothing by who asked for it, and nothing that is known to be exploited by fewer than two.
    #[test]
    fn nothing_is_granted_that_the_rules_do_not_permit(
        rules in prop::collection::vec(
            ((1_i64..40, any::<bool>(), 0_usize..4), prop::option::of(prop::collection::vec(0_usize..4, 1..3))), 0..4),
        limit in prop::option::of(1_i64..40),
        ahead in 0_i64..60,
        asks in 0_usize..4,
        agree in prop::collection::vec((0_usize..5, any::<bool>()), 0..6),
        exploited_too in any::<bool>(),
    ) {
        let mut shell = fleet();
        let mut repository = (*shell.state.policy.as_ref().unwrap().repository).clone();
        repository.exceptions_longest = limit.map(|days| jiff::SignedDuration::from_hours(days * 24));
        repository.exception_rules =
            rules.iter().enumerate().map(|(n, (terms, askers))| rule(&format!("r{n}"), *terms, askers.clone())).collect();
        Arc::make_mut(shell.state.policy.as_mut().unwrap()).repository = Arc::new(repository.clone());
        let day = |days: i64| (shell.now + jiff::SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%d").to_string();
        let mut terms = terms(&["d0"], &day(ahead));
        terms.exploited_too = exploited_too;
        let name = format!("p{asks}");
        let concerned = Concerned { devices: 1, ..Concerned::default() };
        let asked = shell.try_as(
            &asker(&name),
            Input::Exceptions(ExceptionInput::Request {
                exception: "x".into(), terms: terms.clone(), concerned: concerned.clone(),
            }),
        );
        prop_assert_eq!(asked.is_ok(), judge(&repository, &name, &terms, &concerned, shell.now).is_ok());
        if asked.is_err() {
            prop_assert!(shell.state.exceptions.get("x").is_none());
            return Ok(());
        }
        let mut kev = exploited_too;
        for (who, exploited) in agree {
            kev |= exploited;
            let mut found = concerned.clone();
            if kev {
                found.exploited.insert("CVE-2026-1".into());
            }
            let approve = ExceptionInput::Approve { exception: "x".into(), concerned: found };
            let before = status(&shell, "x");
            let said = shell.try_as(&approver(&format!("p{who}")), Input::Exceptions(approve));
            if said.is_ok_and(|events| kinds(&events).contains(&"exception.granted")) {
                prop_assert_eq!(before, ExceptionStatus::Requested);
                let granted = shell.state.exceptions.get("x").unwrap();
                prop_assert!(!kev || granted.approvals.len() >= 2);
            }
        }
        let asked = shell.state.exceptions.get("x").unwrap();
        prop_assert!(!asked.approvals.contains_key(name.as_str()));
        if asked.status == ExceptionStatus::Granted {
            let rule = repository.exception_rules.iter().find(|rule| rule.name == asked.rule).unwrap();
            let longest = limit.map_or(rule.longest, |days| rule.longest.min(jiff::SignedDuration::from_hours(days * 24)));
            let last = Day::parse(&(shell.now + longest).strftime("%Y-%m-%d").to_string()).unwrap();
            prop_assert!(Day::parse(&asked.terms.until).unwrap() <= last);
            prop_assert!(rule.askers.as_ref().is_none_or(|askers| ExceptionRule::names(askers, &name)));
            prop_assert!(asked.approvals.keys().all(|who| ExceptionRule::names(&rule.approvers, who)));
            prop_assert!(!asked.kev || asked.approvals.len() >= 2);
            prop_assert!(!exploited_too || asked.kev);
            prop_assert!(!asked.approvals.is_empty() || rule.decided == Decided::AtOnce);
        }
    }
}

#[test]
fn a_rule_for_some_titles_permits_those_and_what_they_mean() {
    let mut repository = Repository::default();
    let judged = |repository: &Repository, line: &str| {
        let mut terms = terms(&[], "2026-11-03");
        terms.software = vec![line.into()];
        judge(repository, "olga", &terms, &Concerned::default(), super::shell::time("2026-11-01T00:00:00Z")).is_ok()
    };
    assert!(!judged(&repository, "firefox"), "without a rule nobody may ask");
    let mut only = rule("r", (7, true, 0), None);
    only.software = Some(vec![Selector::parse("firefox"), Selector::parse("deb/linux-*")]);
    repository.exception_rules = vec![only];
    assert!(judged(&repository, "firefox") && judged(&repository, "deb/linux-image-amd64"));
    assert!(judged(&repository, "deb/linux-image-*"));
    for other in ["chrome", "deb/openssl", "deb/*", "os/*", "os/security", "rpm/linux-x"] {
        assert!(!judged(&repository, other), "{other}");
    }
    repository.exception_rules[0].software = Some(vec![Selector::OsAll]);
    assert!(
        judged(&repository, "os/security") && judged(&repository, "deb/openssl") && !judged(&repository, "firefox")
    );
}
