//! The machine against a system that loses answers, forgets to index, and is asked by somebody who dies in the middle.

use super::*;
use crate::policy::{
    diagnostic::{Files, Renderer},
    syntax::Limits,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::BTreeMap;

const TEMPLATE: &str = r#"
template: tickets
name: Tickets
one_for: rollout
address: https://tickets.example
parts:
  text: "${subject.title}: ${subject.text}"
find:
  - get: /search
    query: { label: "${subject.mark}" }
    list: /found
    is: answer.label == subject.mark
    remember: { id: answer.id }
create:
  - post: /tickets
    body: { label: "${subject.mark}", text: { part: text }, empty: "${subject.none}", of: { nobody: "${subject.none}" } }
    remember: { id: answer.id }
  - put: /tickets/${object.id}/asks
    remember: { asked: answer.asked }
update:
  - put: /tickets/${object.id}
    body: { text: { part: text } }
close:
  - post: /tickets/${object.id}/close
    repeatable: true
look:
  every: 1m
  calls:
    - get: /tickets/${object.id}
      remember: { approval: answer.approval }
  approved: object.approval == "yes"
  refused: object.approval == "no"
  says: "${object.id} says ${object.approval}"
"#;

fn loaded(text: &str) -> (Option<Process>, String) {
    let (mut files, limits) = (Files::default(), Limits::default());
    let file = files.add("template.yaml".to_owned(), text.as_bytes(), &limits).unwrap();
    let (process, found) = load(&files, file, &limits);
    let said = Renderer::new(&files).render_all(&found);
    (process, said)
}

fn process() -> Process {
    let (process, said) = loaded(TEMPLATE);
    process.unwrap_or_else(|| panic!("{said}"))
}

fn start() -> Timestamp {
    "2026-11-27T08:00:00Z".parse().unwrap()
}

fn situation(key: &str, text: &str, over: bool) -> Situation {
    Situation { key: key.into(), over, facts: json!({ "title": key, "text": text }) }
}

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

/// A ticket in the other system.
#[derive(Clone, Debug)]
struct Ticket {
    label: String,
    text: String,
    open: bool,
    asks: bool,
    made: Timestamp,
}

/// The other system. What was made is found some time later.
#[derive(Default)]
struct System {
    tickets: BTreeMap<u64, Ticket>,
    approval: &'static str,
    calls: usize,
}

impl System {
    const INDEXES_AFTER: SignedDuration = SignedDuration::from_secs(20);

    fn answer(&mut self, call: &Call, now: Timestamp) -> Option<Value> {
        self.calls += 1;
        let parts: Vec<&str> = call.path.split('/').skip(1).collect();
        let text = |name: &str| call.body.as_ref().and_then(|body| body[name].as_str()).unwrap_or_default().to_owned();
        Some(match (call.verb, parts.as_slice()) {
            (Verb::Get, ["search"]) => {
                let label = &call.query[0].1;
                let found = self.tickets.iter().filter(|(_, ticket)| {
                    ticket.open && ticket.label == *label && now.duration_since(ticket.made) >= System::INDEXES_AFTER
                });
                let found: Vec<Value> = found.map(|(id, ticket)| json!({ "id": id, "label": ticket.label })).collect();
                json!({ "found": found })
            }
            (Verb::Post, ["tickets"]) => {
                let body = call.body.as_ref().unwrap();
                assert!(body.get("empty").is_none() && body.get("of").is_none(), "what is missing is left out: {body}");
                let id = self.tickets.len() as u64 + 1;
                let ticket = Ticket { label: text("label"), text: text("text"), open: true, asks: false, made: now };
                self.tickets.insert(id, ticket);
                json!({ "id": id })
            }
            (Verb::Put, ["tickets", id, "asks"]) => {
                self.tickets.get_mut(&id.parse().unwrap())?.asks = true;
                json!({ "asked": true })
            }
            (Verb::Put, ["tickets", id]) => {
                self.tickets.get_mut(&id.parse().unwrap())?.text = text("text");
                Value::Null
            }
            (Verb::Post, ["tickets", id, "close"]) => {
                self.tickets.get_mut(&id.parse().unwrap())?.open = false;
                Value::Null
            }
            (Verb::Get, ["tickets", id]) => {
                self.tickets.get(&id.parse().unwrap())?;
                json!({ "approval": self.approval })
            }
            other => panic!("{other:?}"),
        })
    }
}

/// How a call goes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Fine,
    /// It is taken, and the answer is lost.
    Lost,
    /// It is not taken, and nobody knows.
    NeverCame,
    /// The system has no time.
    Busy,
    /// Whoever asks dies before the call.
    DiesBefore,
    /// Whoever asks dies after the call was taken.
    DiesAfter,
}

/// Whoever asks, with what is on the disk.
struct Rig {
    process: Process,
    line: Line,
    disk: Vec<u8>,
    system: System,
    now: Timestamp,
    approvals: Vec<Approval>,
}

impl Rig {
    fn new() -> Rig {
        Rig::of(process())
    }

    fn of(process: Process) -> Rig {
        let line = Line::new("Acme", "tickets");
        let disk = serde_json::to_vec(&line).unwrap();
        Rig { process, line, disk, system: System::default(), now: start(), approvals: Vec::new() }
    }

    fn keep(&mut self) {
        self.disk = serde_json::to_vec(&self.line).unwrap();
    }

    fn dies(&mut self) {
        self.line = serde_json::from_slice(&self.disk).unwrap();
        self.line.recover(&self.process, self.now);
    }

    fn want(&mut self, situations: Vec<Situation>) {
        self.line.want(&self.process, None, situations, self.now);
    }

    /// One call, if there is one; else when there is something to do.
    fn step(&mut self, fate: Fate) -> Result<(), Option<Timestamp>> {
        let (key, doing, call) = match self.line.next(&self.process, &none(), self.now) {
            Next::Call { key, doing, call } => (key, doing, call),
            Next::Nothing(next) => {
                self.keep();
                return Err(next);
            }
        };
        if doing.is_kept_before() {
            self.keep();
        }
        let lost = |lost| Ended::Failed { why: "cut".to_owned(), wait: None, lost };
        let ended = match fate {
            Fate::DiesBefore => {
                self.dies();
                return Ok(());
            }
            Fate::DiesAfter => {
                self.system.answer(&call, self.now);
                self.dies();
                return Ok(());
            }
            Fate::NeverCame => lost(true),
            Fate::Lost => {
                self.system.answer(&call, self.now);
                lost(true)
            }
            Fate::Busy => {
                let wait = Some(SignedDuration::from_secs(30));
                Ended::Failed { why: "429".to_owned(), wait, lost: false }
            }
            Fate::Fine => match self.system.answer(&call, self.now) {
                None => Ended::Gone,
                Some(answer) => Ended::Answered(self.line.reads(&self.process, &none(), &key, &answer).unwrap()),
            },
        };
        self.approvals.extend(self.line.ended(&self.process, &none(), &key, ended, self.now));
        self.keep();
        Ok(())
    }

    /// Until there is nothing to do for as long as nothing happens; looks apart, which never end.
    fn settle(&mut self) {
        let end = self.now + SignedDuration::from_hours(12);
        while self.now < end {
            match self.step(Fate::Fine) {
                Ok(()) => self.now += SignedDuration::from_secs(1),
                Err(Some(next)) => self.now = next.max(self.now + SignedDuration::from_secs(1)),
                Err(None) => break,
            }
        }
    }

    fn open(&self, text: &str) -> Vec<(u64, String)> {
        let open = self.system.tickets.iter().filter(|(_, ticket)| ticket.open && ticket.text.starts_with(text));
        open.map(|(id, ticket)| (*id, ticket.text.clone())).collect()
    }
}

#[test]
fn an_object_is_made_brought_up_to_date_and_closed() {
    let mut rig = Rig::new();
    rig.want(vec![situation("a", "one", false)]);
    rig.settle();
    assert_eq!(rig.open("a"), [(1, "a: one".to_owned())]);
    assert!(rig.system.tickets[&1].asks, "all calls that make it are made");
    rig.want(vec![situation("a", "two", false)]);
    rig.settle();
    assert_eq!(rig.open("a"), [(1, "a: two".to_owned())]);
    // The same again is told nobody.
    rig.want(vec![situation("a", "two", false)]);
    let Next::Call { doing, .. } = rig.line.next(&rig.process, &none(), rig.now) else {
        panic!("people may have answered")
    };
    assert_eq!(doing, Doing::Look);
    rig.dies();
    // What is no longer among the things is over.
    rig.want(Vec::new());
    rig.settle();
    assert!(rig.open("a").is_empty());
    // Again: another one.
    rig.want(vec![situation("a", "three", false)]);
    rig.settle();
    assert_eq!(rig.open("a"), [(2, "a: three".to_owned())]);
}

#[test]
fn what_is_over_before_anybody_was_told_is_told_nobody() {
    let mut rig = Rig::new();
    rig.want(vec![situation("a", "one", true)]);
    rig.settle();
    assert!(rig.system.tickets.is_empty() && rig.line.objects().is_empty());
    rig.want(vec![situation("b", "one", false)]);
    rig.want(vec![situation("b", "one", true)]);
    rig.settle();
    assert!(rig.system.tickets.is_empty() && rig.line.objects().is_empty());
}

#[test]
fn an_object_that_was_made_and_not_heard_of_is_found_and_gone_on_with() {
    for fate in [Fate::Lost, Fate::DiesAfter] {
        let mut rig = Rig::new();
        rig.want(vec![situation("a", "one", false)]);
        rig.step(Fate::Fine).unwrap();
        rig.step(fate).unwrap();
        assert_eq!(rig.system.tickets.len(), 1);
        assert!(!rig.system.tickets[&1].asks);
        rig.settle();
        assert_eq!(rig.open("a"), [(1, "a: one".to_owned())], "{fate:?}");
        assert!(rig.system.tickets[&1].asks, "{fate:?}: what comes after making it is done");
    }
}

#[test]
fn an_object_that_was_closed_and_not_heard_of_is_not_taken_for_open() {
    for fate in [Fate::Lost, Fate::DiesAfter] {
        let mut rig = Rig::new();
        rig.want(vec![situation("a", "one", false)]);
        rig.settle();
        rig.want(Vec::new());
        while rig.open("a").len() == 1 {
            rig.step(fate).unwrap();
        }
        // The same is wanted again.
        rig.want(vec![situation("a", "one", false)]);
        rig.settle();
        assert_eq!(rig.open("a"), [(2, "a: one".to_owned())], "{fate:?}");
    }
}

#[test]
fn an_object_that_somebody_has_deleted_is_made_again_unless_it_is_over() {
    let mut rig = Rig::new();
    rig.want(vec![situation("a", "one", false)]);
    rig.settle();
    rig.system.tickets.remove(&1);
    // Ids are used once.
    rig.system
        .tickets
        .insert(7, Ticket { label: String::new(), text: String::new(), open: false, asks: false, made: rig.now });
    rig.want(vec![situation("a", "two", false)]);
    rig.settle();
    assert_eq!(rig.open("a").len(), 1);
    rig.system.tickets.retain(|_, ticket| !ticket.open);
    rig.want(Vec::new());
    rig.settle();
    rig.now += SignedDuration::from_mins(1);
    rig.want(Vec::new());
    assert!(rig.open("a").is_empty() && rig.line.objects().is_empty());
}

#[test]
fn peoples_answer_is_asked_for_again_and_again() {
    let mut rig = Rig::new();
    rig.want(vec![situation("a", "one", false)]);
    rig.settle();
    assert!(rig.approvals.is_empty());
    // What was agreed to and is asked for again is agreed to no more.
    for (approval, agrees) in [("yes", true), ("no", false), ("yes", true), ("", false)] {
        rig.system.approval = approval;
        rig.settle();
        let last = rig.approvals.last().unwrap();
        assert_eq!(
            (last.key.as_str(), last.agrees, last.says.as_str()),
            ("a", agrees, format!("1 says {approval}").as_str())
        );
    }
}

#[test]
fn no_more_objects_are_opened_than_the_template_permits() {
    let (process, _) = loaded(&TEMPLATE.replace("one_for: rollout", "one_for: rollout\nat_most: 2"));
    let mut rig = Rig::of(process.unwrap());
    let all = |over: bool| (0..5).map(|number| situation(&format!("k{number}"), "x", over && number < 2)).collect();
    rig.want(all(false));
    rig.settle();
    assert_eq!((rig.open("k").len(), rig.line.left_out()), (2, 3));
    rig.want(all(true));
    rig.settle();
    rig.want(all(true));
    rig.settle();
    assert_eq!((rig.open("k").len(), rig.line.left_out()), (2, 1));
}

#[test]
fn a_system_that_fails_is_left_alone_and_one_that_asks_for_time_gets_it() {
    let mut rig = Rig::new();
    rig.want((0..20).map(|number| situation(&format!("k{number}"), "x", false)).collect());
    rig.step(Fate::Busy).unwrap();
    assert_eq!(rig.line.rests(rig.now), Some(rig.now + SignedDuration::from_secs(30)));
    assert_eq!(rig.step(Fate::Fine), Err(Some(rig.now + SignedDuration::from_secs(30))));
    rig.now += SignedDuration::from_secs(30);
    for _ in 0..4 {
        rig.step(Fate::NeverCame).unwrap();
    }
    assert!(rig.line.rests(rig.now).is_some(), "five failures in a row");
    rig.settle();
    assert_eq!(rig.open("k").len(), 20);
}

#[test]
fn every_mistake_of_a_template_is_shown_with_a_way_out() {
    let text = r#"
template: wrong
name: Wrong
one_for: campaign
address: https://tickets.example
find: []
create:
  - post: tickets
    body: { text: { part: txt }, of: "${subjct.title}" }
    is: answer.id == 1
  - get: /x
    put: /y
update:
  - get: /${object.id
    body: { a: 1 }
look:
  every: 1m
  calls: []
  approved: answer ==
"#;
    let (process, said) = loaded(text);
    assert!(process.is_none());
    for wanted in [
        "process/no-id",
        "process/path",
        "process/unknown-part",
        "did you mean `subject`?",
        "process/no-list",
        "process/one-call",
        "process/open-expression",
        "process/no-answer",
        "expr/syntax",
    ] {
        assert!(said.contains(wanted), "{wanted} is missing in:\n{said}");
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Fine),
        1 => Just(Fate::Lost),
        1 => Just(Fate::NeverCame),
        1 => Just(Fate::Busy),
        1 => Just(Fate::DiesBefore),
        1 => Just(Fate::DiesAfter),
    ]
}

/// What happens: calls with their fates, time that passes, things that change, begin and end.
#[derive(Clone, Debug)]
enum Happens {
    Call(Fate),
    Passes(i64),
    Becomes(usize, u8),
    Ends(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => fate().prop_map(Happens::Call),
        2 => (1..90_i64).prop_map(Happens::Passes),
        2 => (0..3_usize, any::<u8>()).prop_map(|(key, text)| Happens::Becomes(key, text)),
        1 => (0..3_usize).prop_map(Happens::Ends),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever is lost, and whoever dies: in the end there is one open object for each thing, with what is so, and none for what is over; and
    /// there never were two open ones.
    #[test]
    fn there_is_one_object_for_each_thing(all in prop::collection::vec(happens(), 1..80)) {
        // Looks never end, and say nothing here.
        let mut rig = Rig::of(loaded(TEMPLATE.split("look:").next().unwrap()).0.unwrap());
        let mut so: BTreeMap<SmolStr, String> = BTreeMap::new();
        let never_two = |rig: &Rig| {
            for key in ["k0", "k1", "k2"] {
                prop_assert!(rig.open(key).len() <= 1, "two of {}: {:?}", key, rig.system.tickets);
            }
            Ok(())
        };
        for it in all {
            match it {
                Happens::Call(fate) => drop(rig.step(fate)),
                Happens::Passes(secs) => rig.now += SignedDuration::from_secs(secs),
                Happens::Becomes(key, text) => drop(so.insert(format!("k{key}").into(), text.to_string())),
                Happens::Ends(key) => drop(so.remove(format!("k{key}").as_str())),
            }
            rig.want(so.iter().map(|(key, text)| situation(key, text, false)).collect());
            never_two(&rig)?;
        }
        rig.settle();
        rig.want(so.iter().map(|(key, text)| situation(key, text, false)).collect());
        rig.settle();
        never_two(&rig)?;
        for key in ["k0", "k1", "k2"] {
            let texts: Vec<String> = rig.open(key).into_iter().map(|(_, text)| text).collect();
            let wanted: Vec<String> = so.get(key).map(|text| format!("{key}: {text}")).into_iter().collect();
            prop_assert_eq!(texts, wanted);
        }
    }
}
