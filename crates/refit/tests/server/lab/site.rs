//! The hosts, their agents and their server, and what a scenario does with them.

use super::{
    super::{
        agent::{found, receipts_by_device},
        commands::{Session, settle, undecided},
        hosts::Hosts,
        running::{Running, start_at},
    },
    cluster,
    policy::Policy,
    report::Report,
    size::{RINGS, Size},
};
use jiff::Timestamp;
use refit_api::{MomentSaid, NewObservation, RolloutSaid};
use refit_core::control::Stage;
use refit_testbed::{
    Host, Running as Program,
    family::{Family, Software},
};
use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

/// How often agents come, in seconds.
pub const CHECK_IN_SECONDS: u64 = 2;
/// How long something may take before the lab gives up; a machine may be busy.
const LIMIT: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(250);
/// Where packages' scripts write down that they ran, on each host.
pub const DIARY: &str = "/var/log/lab";

/// The hosts, their agents and their server.
pub struct Lab<'f> {
    pub hosts: Hosts<'f>,
    pub size: Size,
    /// The devices' ids, in the order of the hosts.
    pub ids: Vec<String>,
    pub server: Running,
    pub policy: Policy,
    pub report: Report,
    /// The agents that run on hosts that are not booted.
    agents: BTreeMap<String, Program>,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

/// A line of a host's diary.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub at: Timestamp,
    pub name: String,
    pub version: String,
}

/// The next version of a package. Its script writes a line into the host's diary, and does what else it is to do.
pub fn release(name: &str, version: &str, script: &str) -> Software {
    Software::new(name, version).after(&format!("echo \"$(date +%s.%N) {name} {version}\" >>{DIARY}\n{script}"))
}

impl<'f> Lab<'f> {
    /// An organisation with a server, all hosts enrolled, and an agent that runs on each.
    pub fn found(hosts: Hosts<'f>, size: Size, address: Ipv4Addr, report: Report) -> Lab<'f> {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy::new(hosts.fleet, size);
        let address = SocketAddr::from((address, 8443));
        let server = start_at(address, &folder.path().join("data"));
        let token = found(folder.path(), &policy.text());
        let ids = hosts.enroll(&token);
        let mut lab = Lab { hosts, size, ids, server, policy, report, agents: BTreeMap::new(), folder, address };
        for (host, id) in lab.hosts.fleet.hosts().iter().zip(&lab.ids) {
            let mut facts = serde_json::json!({ "device.tags": size.tags(host) });
            if cluster::is_member(&lab, host) {
                facts["device.cluster"] = cluster::CLUSTER.into();
            }
            let observation = serde_json::json!({ "source": "lab", "facts": facts });
            let observation: NewObservation = serde_json::from_value(observation).unwrap();
            lab.server.client.observe(id, &observation).unwrap();
        }
        for host in lab.hosts.fleet.hosts() {
            let config = "/etc/refit-agent/agent.json";
            let mut settings: serde_json::Value = serde_json::from_str(&host.device.root().read(config)).unwrap();
            settings["least_interval_seconds"] = 1.into();
            settings["most_interval_seconds"] = CHECK_IN_SECONDS.into();
            // The lab plays the system's timer.
            settings["fetch_lists"] = false.into();
            host.device.root().write(config, settings.to_string());
            lab.start_agent(host);
        }
        lab.report.note("all are enrolled, and an agent runs on each");
        lab.until("all hosts are known with their packages", |lab| {
            let known = lab.server.client.devices(&Default::default()).unwrap();
            known.iter().all(|device| device.installs > 0)
        });
        settle(&lab.server);
        lab.report.note("the server knows what is installed");
        lab
    }

    /// Starts the agent of a host.
    pub fn start_agent(&mut self, host: &Host) {
        if self.hosts.is_booted(host) {
            self.hosts.booted().shell("systemctl start refit-agent");
            return;
        }
        let agent = host.device.root().command("refit-agent").arg("run").start();
        self.agents.insert(host.name.clone(), agent);
    }

    /// Kills the agent of a host, and whatever it has started, as a power cut would, and starts it again.
    pub fn kill_agent(&mut self, host: &Host) {
        if self.hosts.is_booted(host) {
            // systemd starts it again.
            self.hosts.booted().shell("systemctl kill --signal=KILL refit-agent");
            return;
        }
        self.stop_agent(host);
        self.start_agent(host);
    }

    /// Kills the agent of a host that is not booted.
    pub fn stop_agent(&mut self, host: &Host) {
        let agent = self.agents.remove(&host.name);
        drop(agent.expect("it runs").kill());
    }

    /// Kills the server, and starts it again.
    pub fn kill_server(&mut self) {
        self.server.child.kill().unwrap();
        self.server.child.wait().unwrap();
        self.server = start_at(self.address, &self.folder.path().join("data"));
    }

    /// The hosts that are so, by name.
    pub fn names(&self, is_so: impl Fn(&Host) -> bool) -> Vec<String> {
        self.hosts.fleet.hosts().iter().filter(|host| is_so(host)).map(|host| host.name.clone()).collect()
    }

    /// Waits for so many check-ins of every agent.
    pub fn check_ins(&self, count: u32) {
        std::thread::sleep(count * Duration::from_secs(CHECK_IN_SECONDS + 1));
    }

    /// Somebody publishes that a release before this one of a package is exploited.
    pub fn exploited(&mut self, name: &str, fixed: &str) {
        let advisory = |family: Family| {
            serde_json::json!({
                "id": format!("CVE-2026-{}", 1000 + name.len() + family.name().len()),
                "title": family.title(name),
                "affected": [format!("<{}", family.version(fixed))],
                "known_at": Timestamp::now(),
                "kev": Timestamp::now(),
            })
        };
        let advisories = [Family::Apt, Family::Dnf].map(advisory);
        let advisories = serde_json::json!({ "source": "lab", "advisories": advisories });
        self.server.client.publish_advisories(&serde_json::from_value(advisories).unwrap()).unwrap();
        self.report.did("advisory", &format!("what is before {name} {fixed} is known to be exploited (KEV)"));
    }

    /// The data folder's parent, where a person of the organisation types.
    pub fn session(&self) -> Session<'_> {
        Session { folder: self.folder.path(), text: String::new() }
    }

    /// Puts the policy in force, signed.
    pub fn apply(&mut self) {
        fs::write(self.folder.path().join("policy/refit.yaml"), self.policy.text()).unwrap();
        let mut session = self.session();
        session.types("refit plan policy --server --out plan.json");
        session.types("refit apply plan.json --server --sign-with keys/policy-1.key --yes");
        assert!(!session.text.contains("exit status"), "{}", session.text);
        self.report.did("policy", "a new revision is in force, and its mandate is signed");
        // What is published before a host has been decided under it would move it beyond what the plan showed, and wait for a person.
        // Devices that patch themselves meanwhile have news again and again.
        self.until("all hosts are decided", |lab| undecided(&lab.server).is_empty());
    }

    /// Publishes packages in both repositories, and lets all hosts learn of them.
    pub fn publish(&mut self, packages: impl IntoIterator<Item = Software>) {
        let packages: Vec<Software> = packages.into_iter().collect();
        let names: Vec<String> = packages.iter().map(|it| format!("{} {}", it.name(), it.version())).collect();
        self.hosts.fleet.publish(packages);
        self.hosts.fleet.each(|host| host.device.update_lists());
        self.report.did("repository", &format!("publishes {}, and all hosts have the new lists", names.join(", ")));
    }

    /// Waits until something is so.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn(&Lab<'_>) -> bool) {
        let began = Instant::now();
        while !is_so(self) {
            if began.elapsed() >= LIMIT {
                panic!("not so after {LIMIT:?}: {what}\n{}", self.state());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// What can be told of everything, for a failure.
    fn state(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        let rollouts = self.server.client.rollouts().unwrap_or_default();
        lines.extend(rollouts.iter().map(|it| format!("{} {} {}: {}", it.title, it.version, it.rollout, it.says)));
        for host in self.hosts.fleet.hosts() {
            lines.push(format!("{}: {}", host.name, self.hosts.agent(host, "status").1));
        }
        lines.join("\n")
    }

    /// The rollouts of a package's release, for both kinds.
    pub fn rollouts(&self, name: &str, version: &str) -> Vec<RolloutSaid> {
        let is_it = |rollout: &RolloutSaid| {
            let of = |family: Family| rollout.title == family.title(name) && rollout.version == family.version(version);
            of(Family::Apt) || of(Family::Dnf)
        };
        self.server.client.rollouts().unwrap().into_iter().filter(is_it).collect()
    }

    /// Waits until a release is through all rings, for both kinds.
    #[track_caller]
    pub fn until_complete(&self, name: &str, version: &str) {
        self.until(&format!("{name} {version} is through all rings"), |lab| {
            let rollouts = lab.rollouts(name, version);
            rollouts.len() == 2 && rollouts.iter().all(|rollout| rollout.stage == Stage::Complete)
        });
    }

    /// Waits until the script of a version has run on these hosts.
    #[track_caller]
    pub fn until_installed(&self, name: &str, version: &str, wanted: impl Fn(&Host) -> bool) {
        self.until(&format!("{name} {version} is installed"), |lab| {
            lab.hosts
                .fleet
                .hosts()
                .iter()
                .zip(lab.diary(name))
                .all(|(host, entries)| !wanted(host) || entries.iter().any(|entry| entry.version == version))
        });
    }

    /// The version of a package on each host, as dpkg and rpm say.
    pub fn versions(&self, name: &str) -> Vec<String> {
        self.hosts.fleet.each(|host| host.device.database()[name].version.clone())
    }

    /// What the hosts' diaries say of a package, by host.
    pub fn diary(&self, name: &str) -> Vec<Vec<Entry>> {
        let entry = |line: &str| {
            let mut words = line.split(' ');
            let seconds: f64 = words.next()?.parse().ok()?;
            let at = Timestamp::from_microsecond((seconds * 1e6) as i64).ok()?;
            Some(Entry { at, name: words.next()?.to_owned(), version: words.next()?.to_owned() })
        };
        let read = |host: &Host| {
            let text = host.device.root().try_read(DIARY).unwrap_or_default();
            text.lines().filter_map(entry).filter(|entry| entry.name == name).collect()
        };
        self.hosts.fleet.hosts().iter().map(read).collect()
    }

    /// The receipts of a package's changes, by host, as `1.0 -> 1.1, succeeded`.
    pub fn receipts(&self, name: &str) -> Vec<Vec<String>> {
        let all = receipts_by_device(&self.server);
        let of = |host: &Host, id: &String| {
            let title = format!("{}: ", host.device.family().title(name));
            let lines = all.iter().filter(|(device, _)| device == id);
            lines.filter_map(|(_, line)| Some(line.strip_prefix(&title)?.to_owned())).collect()
        };
        self.hosts.fleet.hosts().iter().zip(&self.ids).map(|(host, id)| of(host, id)).collect()
    }

    /// What the server says happened to a package's releases, by title.
    pub fn timelines(&self, name: &str) -> Vec<(Family, Vec<MomentSaid>)> {
        let timeline = |family: Family| (family, self.server.client.timeline(&family.title(name), None).unwrap());
        [Family::Apt, Family::Dnf].map(timeline).into()
    }

    /// Puts what the server and the hosts say of a package's releases into the report.
    pub fn tell(&mut self, name: &str, versions: &[&str]) {
        let diary = self.diary(name);
        for (family, moments) in self.timelines(name) {
            self.report.timeline(&family.title(name), &moments);
            for version in versions {
                let mut rings = vec![Vec::new(); RINGS.len()];
                for (host, entries) in self.hosts.fleet.hosts().iter().zip(&diary) {
                    if host.device.family() == family {
                        let times = entries.iter().filter(|entry| entry.version == *version).map(|entry| entry.at);
                        rings[self.size.ring(host)].extend(times);
                    }
                }
                self.report.changes(&family.title(name), &family.version(version), &rings);
            }
        }
    }

    /// Takes back what a scenario that has failed may have left in the way of the others.
    pub fn recover(&mut self) {
        self.report.failed();
        self.policy.freeze = false;
        if let Err(error) = self.server.client.go_on("the scenario has failed") {
            println!("nothing was stopped, or the server does not answer: {error}");
        }
    }

    /// Ends everything, and writes the report.
    pub fn end(self) {
        let Lab { hosts, mut server, report, agents, .. } = self;
        drop(agents);
        drop(hosts);
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        report.write();
    }
}
