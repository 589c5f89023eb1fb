//! Server and agents are killed at random.

use super::{
    rings::STANDARD,
    site::{Lab, release},
};
use refit_core::control::Stage;
use std::time::Duration;

/// How often something is killed, at most.
const KILLS: u32 = 12;
/// How often the same agent is, at most. One that dies three times in one change has failed at it, and that halts the release: on a
/// slow machine one change lasts for several kills.
const OF_ONE: u32 = 2;

/// Numbers that look random, and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }
}

/// Server and agents are killed at random during a rollout.
pub fn killed(lab: &mut Lab<'_>) {
    let seed = std::env::var("REFIT_LAB_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::try_from(jiff::Timestamp::now().as_second()).unwrap());
    lab.report.begin(
        "Server and agents are killed at random",
        &format!(
            "During a rollout the server, or an agent with all that it has started, is killed with SIGKILL and started again, {KILLS} times at most. \
             No agent more than {OF_ONE} times. The script takes a second, so that some are in it. Seed {seed}."
        ),
    );
    let mut dice = Dice(seed);
    lab.policy.of("mailer", STANDARD);
    lab.apply();
    lab.publish([release("mailer", "1.1", "sleep 1")]);
    let fleet = lab.hosts.fleet;
    let mut kills = 0;
    let mut of_host = vec![0; fleet.hosts().len()];
    while kills < KILLS {
        std::thread::sleep(Duration::from_millis(1_000 + dice.below(4_000) as u64));
        let rollouts = lab.rollouts("mailer", "1.1");
        let open: Vec<&str> = rollouts.iter().flat_map(|it| &it.open).map(|ring| ring.ring.as_str()).collect();
        if rollouts.len() == 2 && rollouts.iter().all(|rollout| rollout.stage == Stage::Complete) {
            break;
        }
        if dice.below(3) == 0 {
            kills += 1;
            lab.kill_server();
            lab.report.did("lab", "kills the server");
            continue;
        }
        // One that may be at work, rather than one that waits for its ring.
        let hosts = fleet.hosts().iter().enumerate().filter(|(number, _)| of_host[*number] < OF_ONE);
        let busy: Vec<_> = hosts.filter(|(_, host)| open.contains(&super::size::RINGS[lab.size.ring(host)])).collect();
        if busy.is_empty() {
            continue;
        }
        kills += 1;
        let (number, host) = busy[dice.below(busy.len())];
        of_host[number] += 1;
        lab.kill_agent(host);
        lab.report.did("lab", &format!("kills the agent of {}", host.name));
    }
    lab.until_installed("mailer", "1.1", |_| true);
    lab.until_complete("mailer", "1.1");
    lab.until("all have told of mailer", |lab| lab.receipts("mailer").iter().all(|told| !told.is_empty()));
    lab.check_ins(3);
    let (versions, receipts) = (lab.versions("mailer"), lab.receipts("mailer"));
    for (number, host) in fleet.hosts().iter().enumerate() {
        let family = host.device.family();
        assert_eq!(versions[number], family.version("1.1"), "{}", host.name);
        // What a kill has left half-done has no version in order before it is finished.
        let done = format!("-> {}, succeeded", family.version("1.1"));
        assert!(
            receipts[number].len() == 1 && receipts[number][0].ends_with(&done),
            "{}: {:?}",
            host.name,
            receipts[number]
        );
        assert_eq!(host.device.database()["mailer"].status, if family.name() == "apt" { "ii" } else { "one" });
    }
    lab.tell("mailer", &["1.1"]);
    lab.report.found("all hosts have 1.1 in order, as dpkg and rpm say, and the log has one receipt of each change");
    lab.report.end();
}
