//! Disruption groups: a lease for the whole session, one member after the other.

mod health;
mod sessions;

use super::shell::{Shell, entry, person, time};
use jiff::SignedDuration;
use refit_core::{
    control::{
        Actor, AgentInput, EnrolmentRecord, Event, Input, Installs, LeaseInput, LeaseStep, Observation, PersonId,
        Plain, ReceiptResult, Refusal, Scope, SlotName, TokenId,
        disruption::{self, Said},
        document::{Frame, document},
    },
    decide::Hold,
    rollout::disruption::{Holder, Phase, Question},
};
use refit_model::{DeviceId, TitleId};
use refit_wire::protocol::{Standing, WaitsFor};
use std::collections::BTreeMap;

const POLICY: &str = "
organization: acme
defaults: { mode: enforce }
---
policy: servers
software: [deb/server]
deadline: [{ within: 7d }]
disruption: { group_by: device.cluster, max_unavailable: 1, settle: 30m }
";

/// A fleet whose devices have agents, of which each says what cluster it is in.
struct Fleet {
    shell: Shell,
    receipts: u32,
}

impl Fleet {
    fn new(devices: &[(&str, Option<&str>)], policy: &str) -> Fleet {
        let mut shell = Shell::new("2026-11-02T00:00:00Z");
        shell.tell(Input::Start { program: "1".into(), alive_until: None });
        let record = EnrolmentRecord {
            hash: "0".repeat(64).into(),
            name: "servers".into(),
            made: shell.now,
            expires: time("2026-11-20T00:00:00Z"),
            uses: 100,
            used: 0,
            revoked: None,
        };
        let enrolment = TokenId::new("e");
        shell.tell(Input::Agents(AgentInput::CreateEnrolment { enrolment: enrolment.clone(), record }));
        shell.release("deb/server", "1.0");
        for (device, cluster) in devices {
            shell.tell(Input::Agents(AgentInput::Join {
                enrolment: enrolment.clone(),
                device: DeviceId::new(device),
                machine: (*device).into(),
                name: None,
                agent: "0".into(),
                serial: "1".into(),
                until: time("2027-01-01T00:00:00Z"),
            }));
            let mut fleet = Fleet { shell, receipts: 0 };
            fleet.has(device, *cluster, "1.0");
            shell = fleet.shell;
        }
        shell.release("deb/server", "2.0");
        shell.apply(policy);
        let mut fleet = Fleet { shell, receipts: 0 };
        fleet.shell.settle();
        fleet
    }

    fn has(&mut self, device: &str, cluster: Option<&str>, version: &str) {
        let platform = Some(("device.platform".into(), Some(Plain::Text("linux".into()))));
        let cluster = cluster.map(|cluster| ("device.cluster".into(), Some(Plain::Text(cluster.into()))));
        self.shell.tell(Input::Observe(Observation {
            device: DeviceId::new(device),
            source: "agent".into(),
            observed: self.shell.now,
            facts: platform.into_iter().chain(cluster).collect::<BTreeMap<_, _>>(),
            installs: Some(Installs::All(vec![entry("deb/server", version)])),
            universe: None,
            check_in: None,
        }));
    }

    /// The device has two packages, is in a cluster and at a site.
    fn has_both(&mut self, device: &str, cluster: &str, site: &str, server: &str, other: &str) {
        let text = |field: &str, value: &str| (field.into(), Some(Plain::Text(value.into())));
        let facts = [text("device.platform", "linux"), text("device.cluster", cluster), text("device.site", site)];
        self.shell.tell(Input::Observe(Observation {
            device: DeviceId::new(device),
            source: "agent".into(),
            observed: self.shell.now,
            facts: BTreeMap::from(facts),
            installs: Some(Installs::All(vec![entry("deb/server", server), entry("deb/other", other)])),
            universe: None,
            check_in: None,
        }));
        self.shell.settle();
    }

    fn receipt(&mut self, device: &str, result: ReceiptResult, after: &str) {
        self.receipts += 1;
        self.shell.tell(Input::Receipt {
            device: DeviceId::new(device),
            receipt: format!("r{}", self.receipts).into(),
            slot: SlotName::of(TitleId::new("deb/server")),
            wanted: Some("2.0".into()),
            result,
            before: Some("1.0".into()),
            after: Some(after.into()),
            at: self.shell.now,
            duration_ms: 1,
            output: None,
        });
    }

    /// The device checks in, and holds what it was told last. The directives that it is told now.
    fn check_in(&mut self, device: &str) -> Vec<String> {
        self.check_in_standing(device, &[], true)
    }

    fn check_in_standing(&mut self, device: &str, standing: &[Standing], holds_told: bool) -> Vec<String> {
        let id = DeviceId::new(device);
        let index = self.shell.state.device(&id).unwrap().index;
        self.shell.state.note_seen(index, self.shell.now);
        let step = {
            let state = &self.shell.state;
            let record = state.device(&id).unwrap();
            let row = self.shell.board.row(&id).map(|row| &**row);
            disruption::consider(state, record, row, Said { standing, holds_told }, self.shell.now)
        };
        if let Some(step) = step {
            self.shell.tell(Input::Leases(LeaseInput::Device { device: id, step }));
        }
        self.told(device)
    }

    fn told(&self, device: &str) -> Vec<String> {
        let state = &self.shell.state;
        let record = state.device(&DeviceId::new(device)).unwrap();
        let row = self.shell.board.row(&record.id).map(|row| &**row);
        let document = document(state, record, row, &Frame { organization: "acme", sequence: 1 });
        document.directives.iter().map(|directive| directive.id.to_string()).collect()
    }

    fn minutes(&mut self, minutes: i64) {
        self.shell.now = self.shell.now.checked_add(SignedDuration::from_mins(minutes)).unwrap();
    }

    fn phase(&self, device: &str) -> Option<&'static str> {
        self.shell.state.leases.of_device(&DeviceId::new(device)).map(|lease| lease.phase.word())
    }

    fn holds(&self, device: &str) -> Vec<(Hold, String)> {
        let record = self.shell.state.device(&DeviceId::new(device)).unwrap();
        let holds = self.shell.state.server_holds(record, &SlotName::of(TitleId::new("deb/server")), true);
        holds.into_iter().map(|held| (held.hold, held.because.to_string())).collect()
    }

    fn give_back(&mut self, device: &str, why: &str) -> Result<Vec<Event>, Refusal> {
        let holder = Holder::Device(DeviceId::new(device));
        let input = Input::Leases(LeaseInput::GiveBack { holder, why: why.into() });
        self.shell.try_as(&person("olga", &[Scope::Rollouts]), input)
    }
}

const UPGRADE: &str = "upgrade deb/server 2.0";

fn stands(waits_for: WaitsFor, until: Option<jiff::Timestamp>) -> [Standing; 1] {
    [Standing { directive: UPGRADE.into(), waits_for, until }]
}

#[test]
fn one_of_a_cluster_after_the_other_and_each_for_its_whole_session() {
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db")), ("web-1", Some("web"))], POLICY);
    assert!(fleet.told("db-1").is_empty(), "nothing is told before a check-in asks");
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
    assert!(fleet.check_in("db-2").is_empty());
    assert_eq!(fleet.check_in("web-1"), [UPGRADE], "another cluster does not wait");
    let waits = "waits for db-1, which has the lease since 2026-11-02T00:00:00Z: device.cluster db";
    assert_eq!(fleet.holds("db-2"), [(Hold::Disruption, waits.to_owned())]);
    assert!(fleet.holds("db-1").is_empty());
    // It is installed, and waits for its restart.
    fleet.minutes(10);
    fleet.has("db-1", Some("db"), "2.0");
    fleet.receipt("db-1", ReceiptResult::RestartPending, "2.0");
    assert_eq!(fleet.check_in("db-1"), ["restart deb/server"]);
    assert!(fleet.holds("db-2")[0].1.contains("(deb/server waits for a restart)"), "{:?}", fleet.holds("db-2"));
    fleet.minutes(10);
    fleet.receipt("db-1", ReceiptResult::Succeeded, "2.0");
    fleet.check_in("db-1");
    assert_eq!(fleet.phase("db-1"), Some("settling"));
    fleet.minutes(29);
    fleet.check_in("db-1");
    assert!(fleet.check_in("db-2").is_empty(), "it has not settled");
    fleet.minutes(1);
    // It is given back by a check-in of its own.
    fleet.shell.tell(Input::Tick);
    assert!(fleet.check_in("db-2").is_empty());
    fleet.check_in_standing("db-1", &[], false);
    assert!(fleet.check_in("db-2").is_empty(), "what it holds is not what it was told");
    fleet.check_in("db-1");
    assert_eq!(fleet.phase("db-1"), None);
    assert_eq!(fleet.check_in("db-2"), [UPGRADE]);
    assert_eq!(
        fleet.shell.replayed().leases.of_device(&"db-2".into()),
        fleet.shell.state.leases.of_device(&"db-2".into())
    );
}

/// How the lease of a device goes on.
fn step(fleet: &Fleet, device: &str) -> Option<LeaseStep> {
    let record = fleet.shell.state.device(&device.into()).unwrap();
    let row = fleet.shell.board.row(&record.id).map(|row| &**row);
    let said = Said { standing: &[], holds_told: true };
    disruption::consider(&fleet.shell.state, record, row, said, fleet.shell.now)
}

#[test]
fn two_check_ins_at_the_same_moment_never_both_get_the_last_lease() {
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], POLICY);
    // Both doors looked before either told the writer.
    let steps: Vec<_> = ["db-1", "db-2"]
        .into_iter()
        .map(|device| {
            let record = fleet.shell.state.device(&device.into()).unwrap();
            let said = Said { standing: &[], holds_told: true };
            let step = disruption::consider(&fleet.shell.state, record, None, said, fleet.shell.now);
            (DeviceId::new(device), step.unwrap())
        })
        .collect();
    for (device, step) in steps {
        assert!(matches!(step, LeaseStep::Take(_)));
        fleet.shell.tell(Input::Leases(LeaseInput::Device { device, step }));
    }
    assert_eq!((fleet.phase("db-1"), fleet.phase("db-2")), (Some("session"), None));
}

#[test]
fn who_failed_or_fell_silent_keeps_the_lease_until_a_person_gives_it_back() {
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db")), ("db-3", Some("db"))], POLICY);
    fleet.check_in("db-1");
    fleet.minutes(5);
    fleet.receipt("db-1", ReceiptResult::Failed, "1.0");
    fleet.check_in("db-1");
    // A halt that takes the change away mends nothing.
    fleet.shell.apply(&format!("{POLICY}---\nblock: bad\ntitle: deb/server\nreleases: \"=2.0\"\nwhy: it breaks\n"));
    fleet.shell.settle();
    fleet.check_in("db-1");
    assert_eq!(fleet.phase("db-1"), Some("session"));
    fleet.shell.apply(&format!("{POLICY}# again\n"));
    fleet.shell.settle();
    assert!(fleet.holds("db-2")[0].1.contains("(deb/server has failed)"), "{:?}", fleet.holds("db-2"));
    // It falls silent, for days.
    for _ in 0..24 {
        fleet.minutes(120);
        assert!(fleet.check_in("db-2").is_empty() && fleet.check_in("db-3").is_empty());
        fleet.shell.tell(Input::Tick);
    }
    let program = Actor { scopes: [Scope::Facts].into(), ..Actor::server() };
    let input = LeaseInput::GiveBack { holder: Holder::Device("db-1".into()), why: "x".into() };
    assert!(matches!(fleet.shell.try_as(&program, Input::Leases(input)), Err(Refusal::Scope(Scope::Rollouts))));
    assert!(matches!(fleet.give_back("db-1", " "), Err(Refusal::Invalid(_))));
    fleet.give_back("db-1", "it is being repaired").unwrap();
    assert_eq!(fleet.phase("db-1"), None, "what it was told has run out long ago");
    // It is silent all the same, and counts as away.
    assert!(fleet.check_in("db-2").is_empty());
    assert!(fleet.holds("db-2")[0].1.contains("db-1, which has been silent since"), "{:?}", fleet.holds("db-2"));
    fleet.shell.tell(Input::Retire { device: "db-1".into() });
    assert_eq!(fleet.check_in("db-2"), [UPGRADE]);
}

#[test]
fn what_is_given_back_by_hand_frees_its_place_when_the_device_can_begin_nothing_any_more() {
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], POLICY);
    fleet.check_in("db-1");
    fleet.minutes(5);
    fleet.give_back("db-1", "db-2 first").unwrap();
    assert!(fleet.told("db-1").is_empty(), "the next it is told is nothing");
    fleet.minutes(74);
    fleet.shell.tell(Input::Tick);
    assert!(fleet.check_in("db-2").is_empty(), "it may not have heard of it");
    fleet.minutes(2);
    fleet.shell.tell(Input::Tick);
    assert_eq!(fleet.check_in("db-2"), [UPGRADE]);
}

#[test]
fn an_unknown_group_holds_and_an_empty_one_is_none() {
    let mut fleet = Fleet::new(&[("a", None), ("b", Some("")), ("c", Some(""))], POLICY);
    assert!(fleet.check_in("a").is_empty());
    assert!(fleet.holds("a")[0].1.contains("no source says what its device.cluster is"), "{:?}", fleet.holds("a"));
    assert_eq!((fleet.check_in("b").len(), fleet.check_in("c").len()), (1, 1));
}

#[test]
fn a_member_that_is_silent_on_its_own_is_away_and_nobody_is_while_the_server_is() {
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], POLICY);
    fleet.minutes(179);
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], POLICY);
    fleet.minutes(181);
    assert!(fleet.check_in("db-1").is_empty());
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], POLICY);
    fleet.minutes(300);
    fleet.shell.tell(Input::Start { program: "1".into(), alive_until: Some(time("2026-11-02T01:00:00Z")) });
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
}

#[test]
fn never_all_devices_of_a_person_at_once() {
    let policy = POLICY.replace("disruption: { group_by: device.cluster, max_unavailable: 1, settle: 30m }", "");
    let mut fleet = Fleet::new(&[("a", None), ("b", None), ("c", None), ("alone", None)], &policy);
    fleet.shell.department("anna", "it");
    fleet.shell.department("otto", "it");
    for device in ["a", "b", "c"] {
        fleet.shell.tell(Input::Assign { device: device.into(), person: Some(PersonId::new("anna")) });
    }
    fleet.shell.tell(Input::Assign { device: "alone".into(), person: Some(PersonId::new("otto")) });
    fleet.shell.settle();
    assert_eq!(fleet.told("alone"), [UPGRADE], "one that is alone needs no lease");
    assert_eq!((fleet.check_in("a").len(), fleet.check_in("b").len(), fleet.check_in("c").len()), (1, 1, 0));
    assert!(fleet.holds("c")[0].1.ends_with("the devices of anna"), "{:?}", fleet.holds("c"));
    fleet.has("a", None, "2.0");
    fleet.receipt("a", ReceiptResult::Succeeded, "2.0");
    fleet.check_in("a");
    fleet.check_in("a");
    assert_eq!(fleet.check_in("c").len(), 1);
    // What has no agent is nobody's place to work, as far as anybody knows.
    let mut fleet = Fleet::new(&[("a", None), ("b", None)], &policy);
    fleet.shell.enrol("inventory");
    fleet.shell.department("anna", "it");
    for device in ["a", "b", "inventory"] {
        fleet.shell.tell(Input::Assign { device: device.into(), person: Some(PersonId::new("anna")) });
    }
    fleet.shell.settle();
    assert_eq!((fleet.check_in("a").len(), fleet.check_in("b").len()), (1, 0));
    // Those that are silent are not there: the only one that is goes its way.
    let mut fleet = Fleet::new(&[("a", None), ("drawer", None)], &policy);
    fleet.shell.department("anna", "it");
    for device in ["a", "drawer"] {
        fleet.shell.tell(Input::Assign { device: device.into(), person: Some(PersonId::new("anna")) });
    }
    fleet.shell.settle();
    fleet.minutes(600);
    assert_eq!(fleet.check_in("a"), [UPGRADE]);
}

#[test]
fn hooks_have_to_agree_before_and_after_and_one_that_fails_grants_nothing() {
    let policy = POLICY.replace("settle: 30m", "settle: 30m, drain: lb, health: probe");
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], &policy);
    assert!(fleet.check_in("db-1").is_empty());
    assert_eq!(fleet.phase("db-1"), Some("draining"));
    assert!(fleet.check_in("db-2").is_empty(), "the place is taken");
    assert!(fleet.holds("db-1")[0].1.contains("of which this server knows no address"), "{:?}", fleet.holds("db-1"));
    let url = Some("https://lb.acme.example/drain".into());
    fleet.shell.tell(Input::Leases(LeaseInput::SetWebhook { name: "lb".into(), url: url.clone() }));
    assert!(!fleet.holds("db-1")[0].1.contains("no address"), "{:?}", fleet.holds("db-1"));
    let asked = disruption::questions(&fleet.shell.state);
    assert_eq!((asked.len(), asked[0].question, &asked[0].url), (1, Question::Drain, &url));
    let answer = |question, hook: &str, agrees, said: &str| {
        let holder = Holder::Device("db-1".into());
        Input::Leases(LeaseInput::Answer { holder, question, hook: hook.into(), agrees, said: said.into() })
    };
    assert_eq!(fleet.shell.tell(answer(Question::Drain, "lb", false, "503")).len(), 1);
    assert!(fleet.shell.tell(answer(Question::Drain, "lb", false, "503")).is_empty(), "the same is written down once");
    assert!(fleet.check_in("db-1").is_empty());
    assert!(fleet.holds("db-1")[0].1.ends_with("which said: 503"), "{:?}", fleet.holds("db-1"));
    let server = Actor::server();
    let early = fleet.shell.try_as(&server, answer(Question::Health, "probe", true, ""));
    assert!(matches!(early, Err(Refusal::Conflict(_))));
    fleet.shell.tell(answer(Question::Drain, "lb", true, ""));
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
    fleet.has("db-1", Some("db"), "2.0");
    fleet.receipt("db-1", ReceiptResult::Succeeded, "2.0");
    fleet.check_in("db-1");
    fleet.minutes(30);
    fleet.check_in("db-1");
    assert_eq!(fleet.phase("db-1"), Some("checking"));
    fleet.shell.tell(answer(Question::Health, "probe", false, "replication lags"));
    assert!(fleet.check_in("db-2").is_empty());
    // It was not through after all.
    fleet.receipt("db-1", ReceiptResult::Failed, "2.0");
    fleet.check_in("db-1");
    // The probe may have put it back: nothing goes on before it is drained again.
    assert_eq!(fleet.phase("db-1"), Some("draining"));
    assert!(fleet.check_in("db-1").is_empty());
    let asked = disruption::questions(&fleet.shell.state);
    assert_eq!((asked.len(), asked[0].question, asked[0].hook.as_str()), (1, Question::Drain, "lb"));
    fleet.shell.tell(answer(Question::Drain, "lb", true, ""));
    assert_eq!(fleet.phase("db-1"), Some("session"));
    fleet.receipt("db-1", ReceiptResult::Succeeded, "2.0");
    fleet.check_in("db-1");
    fleet.minutes(30);
    fleet.check_in("db-1");
    let events = fleet.shell.tell(answer(Question::Health, "probe", true, ""));
    assert!(matches!(&events[..], [Event::LeaseAnswered(_), Event::LeaseReturned(_)]));
    fleet.check_in("db-2");
    assert_eq!(fleet.phase("db-2"), Some("draining"));
}

#[test]
fn others_take_leases_of_the_same_groups() {
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], POLICY);
    let client = person("node", &[Scope::FleetLock]);
    let take =
        |client: &str, group: &str| Input::Leases(LeaseInput::Take { client: client.into(), group: group.into() });
    let through = |client: &str| Input::Leases(LeaseInput::Through { client: client.into() });
    assert_eq!(fleet.shell.try_as(&client, take("node-7", "db")).unwrap().len(), 1);
    assert!(
        fleet.shell.try_as(&client, take("node-7", "device.cluster.db")).unwrap().is_empty(),
        "again is granted again"
    );
    assert!(matches!(fleet.shell.try_as(&client, take("node-8", "db")), Err(Refusal::Busy(_))));
    assert!(fleet.check_in("db-1").is_empty());
    assert!(fleet.holds("db-1")[0].1.contains("waits for node-7"), "{:?}", fleet.holds("db-1"));
    assert!(fleet.shell.try_as(&client, through("node-8")).unwrap().is_empty(), "who has none has given it back");
    fleet.shell.try_as(&client, through("node-7")).unwrap();
    fleet.shell.tell(Input::Tick);
    assert!(fleet.check_in("db-1").is_empty(), "it settles");
    fleet.minutes(30);
    fleet.shell.tell(Input::Tick);
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
    assert!(matches!(fleet.shell.try_as(&client, take("node-7", "db")), Err(Refusal::Busy(_))));
    assert!(matches!(fleet.shell.try_as(&client, take("", "db")), Err(Refusal::Invalid(_))));
    let group = fleet.shell.state.leases.all().find(|(_, lease)| lease.phase == Phase::Session);
    assert!(group.is_some());
}

#[test]
fn a_client_keeps_the_terms_of_every_policy_and_all_their_hooks_are_asked() {
    let second = "---\npolicy: kernels\nsoftware: [deb/kernel]\ndisruption: { group_by: device.cluster, max_unavailable: 2, settle: 2h, drain: storage, health: probe }\n";
    let policy = POLICY.replace("settle: 30m", "settle: 30m, drain: lb") + second;
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], &policy);
    let client = person("node", &[Scope::FleetLock]);
    let take = |client: &str| Input::Leases(LeaseInput::Take { client: client.into(), group: "db".into() });
    fleet.shell.try_as(&client, take("node-7")).unwrap();
    let holder = Holder::Client("node-7".into());
    let phase = |fleet: &Fleet| fleet.shell.state.leases.of(&holder).map(|lease| lease.phase.word());
    let hooks = |fleet: &Fleet| {
        let asked = disruption::questions(&fleet.shell.state);
        assert!(asked.iter().all(|asked| asked.groups.len() == 1), "{asked:?}");
        asked.into_iter().map(|asked| asked.hook.to_string()).collect::<Vec<_>>()
    };
    let answer = |question, hook: &str| {
        let holder = Holder::Client("node-7".into());
        Input::Leases(LeaseInput::Answer { holder, question, hook: hook.into(), agrees: true, said: "".into() })
    };
    assert_eq!(hooks(&fleet), ["lb", "storage"]);
    fleet.shell.tell(answer(Question::Drain, "lb"));
    assert_eq!(phase(&fleet), Some("draining"));
    fleet.shell.tell(answer(Question::Drain, "storage"));
    assert_eq!(phase(&fleet), Some("session"));
    assert!(matches!(fleet.shell.try_as(&client, take("node-8")), Err(Refusal::Busy(_))), "one at a time is stricter");
    fleet.shell.try_as(&client, Input::Leases(LeaseInput::Through { client: "node-7".into() })).unwrap();
    fleet.minutes(119);
    fleet.shell.tell(Input::Tick);
    assert_eq!(phase(&fleet), Some("settling"), "two hours are longer");
    fleet.minutes(1);
    fleet.shell.tell(Input::Tick);
    assert_eq!((phase(&fleet), hooks(&fleet)), (Some("checking"), vec!["probe".to_owned()]));
    // Whoever begins anew before it is well is drained anew, by all of them.
    assert_eq!(fleet.shell.try_as(&client, take("node-7")).unwrap().len(), 1);
    assert_eq!((phase(&fleet), hooks(&fleet)), (Some("draining"), vec!["lb".to_owned(), "storage".to_owned()]));
    assert_eq!(fleet.shell.replayed().leases.of(&holder), fleet.shell.state.leases.of(&holder));
}

#[test]
fn addresses_of_webhooks_are_encrypted_or_of_this_machine() {
    let mut shell = Shell::new("2026-11-02T00:00:00Z");
    let server = Actor::server();
    let mut set = |url: &str| {
        let input = LeaseInput::SetWebhook { name: "lb".into(), url: Some(url.into()) };
        shell.try_as(&server, Input::Leases(input)).is_ok()
    };
    let good = ["https://lb.acme.example/x", "http://127.0.0.1:80/x", "http://[::1]/", "http://localhost"];
    let bad = ["http://lb.acme.example", "https://", "https://u:p@h/", "ftp://h/", "lb", "http://127.0.0.1@evil/"];
    assert!(good.iter().all(|url| set(url)));
    for url in bad {
        assert!(!set(url), "{url}");
    }
}

#[test]
fn a_log_from_a_backup_gives_no_leases_while_devices_may_act_on_what_it_has_forgotten() {
    let mut fleet = Fleet::new(&[("db-1", Some("db")), ("db-2", Some("db"))], POLICY);
    fleet.shell.tell(Input::Agents(AgentInput::Epoch(1_800_000_000)));
    fleet.minutes(74);
    assert!(fleet.check_in("db-1").is_empty());
    fleet.minutes(1);
    assert_eq!(fleet.check_in("db-1"), [UPGRADE]);
}
