//! Twelve hosts in a network of their own, each with an agent, against one server that they reach over that network: what a
//! company of them does under three policies, held against what dpkg and rpm say themselves.

use super::{
    agent::{changes, found, program, receipts_by_device},
    commands::{Session, settle},
    hosts::Hosts,
    package::package,
    running::{Running, start_at},
};
use refit_core::decide::{Compliance, Hold, Progress};
use refit_testbed::{
    Fleet, Installed, Lan, Making,
    family::{Family, Software},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    time::Instant,
};

/// Seven with apt, the first of them booted, and five with dnf.
const HOSTS: [Making; 12] = [
    Making::AptToBoot,
    Making::Apt,
    Making::Dnf,
    Making::Apt,
    Making::Dnf,
    Making::Apt,
    Making::Dnf,
    Making::Apt,
    Making::Dnf,
    Making::Apt,
    Making::Dnf,
    Making::Apt,
];

/// What every host has. Two kinds of packages: twice as many titles.
const EVERYWHERE: [&str; 13] = [
    "archiver",
    "backup",
    "browser",
    "calendar",
    "compiler",
    "editor",
    "library-fonts",
    "library-sound",
    "library-tls",
    "mailer",
    "player",
    "shell-extras",
    "viewer",
];
/// Held by policy at what it is.
const HELD: &str = "database";
/// Its script fails, on one host of each kind.
const FAILING: (&str, [&str; 2]) = ("printing", ["apt-2", "dnf-2"]);
/// It asks for a restart, on the booted host.
const RESTARTING: (&str, &str) = ("firmware", "apt-1");

fn has(host: &str, software: &Software) -> bool {
    match software.name() {
        name if name == FAILING.0 => fails(host),
        name if name == RESTARTING.0 => host == RESTARTING.1,
        _ => true,
    }
}

fn fails(host: &str) -> bool {
    FAILING.1.contains(&host)
}

fn names() -> impl Iterator<Item = &'static str> {
    EVERYWHERE.into_iter().chain([HELD, FAILING.0, RESTARTING.0])
}

/// The next version of everything.
fn next(name: &str) -> Software {
    let software = Software::new(name, "2.0");
    match name {
        name if name == FAILING.0 => software.after("echo 'printing: no spooler' >&2; exit 1"),
        name if name == RESTARTING.0 => {
            software.after("touch /run/reboot-required; echo firmware >>/run/reboot-required.pkgs")
        }
        _ => software,
    }
}

fn policy(fleet: &Fleet) -> String {
    format!(
        "organization: acme
defaults: {{ mode: enforce }}
windows:
  all day: {{ rrule: \"FREQ=DAILY;BYHOUR=0\", lasts: 1d }}
---
policy: all updates
software: [\"os/*\"]
deadline: [{{ within: 14d }}]
---
policy: libraries
priority: 10
software: [\"deb/library-*\", \"rpm/library-*\"]
window: {{ use: all day, after_due: wait }}
deadline: [{{ within: 2d }}]
---
policy: databases
priority: 20
why: The next version reads the old one's files no longer.
software: [deb/{HELD}, rpm/{HELD}]
deadline: [{{ within: 30d }}]
---
block: database migration with apt
title: deb/{HELD}
releases: \">=2\"
---
block: database migration with dnf
title: rpm/{HELD}
releases: \">=2\"
---
mandate: acme
sources:
  debian: {{ system: deb, keys: [{}], titles: [\"os/*\"] }}
  almalinux: {{ system: rpm, keys: [{}], titles: [\"os/*\"] }}
",
        fleet.fingerprint(Family::Apt),
        fleet.fingerprint(Family::Dnf)
    )
}

/// The hosts, and their server.
struct Company<'f> {
    hosts: Hosts<'f>,
    server: Running,
}

impl Company<'_> {
    /// Check-ins of every host until the server has decided on what they say and they have done it.
    fn until_done(&self) {
        for _ in 0..3 {
            self.hosts.fleet.each(|host| {
                let (status, said) = self.hosts.agent(host, "once");
                // 3 is that something broke, 1 that there is a problem to tell, as long as there is.
                let expected = status == Some(0) || fails(&host.name) && [Some(1), Some(3)].contains(&status);
                assert!(expected, "{}: {status:?}\n{said}", host.name);
            });
            settle(&self.server);
        }
    }

    fn databases(&self) -> Vec<BTreeMap<String, Installed>> {
        self.hosts.fleet.each(|host| host.device.database())
    }
}

#[test]
fn twelve_hosts_do_what_three_policies_say_and_nothing_else() {
    let Some(lan) = Lan::new() else { return };
    // What cargo takes to build them is not the lab's time.
    let _ = (program(), package());
    let began = Instant::now();
    let said = |what: &str| println!("{:>6.1} s {what}", began.elapsed().as_secs_f64());
    let place = lan.plug_in();
    let software: Vec<Software> = names().map(|name| Software::new(name, "1.0")).collect();
    let Some(mut fleet) = Fleet::new(&lan, &HOSTS, &software, has) else { return };
    said("twelve hosts are made");
    Hosts::equip(&mut fleet, RESTARTING.1);
    let hosts = Hosts::boot(&fleet, RESTARTING.1);
    said("one of them is booted, and all have the agent's program");

    // From here on this thread is at the server's machine, and whatever it starts: nothing goes by the machine's own network.
    place.sit_down();
    let folder = tempfile::tempdir().unwrap();
    let server = start_at(SocketAddr::from((place.address(), 8443)), &folder.path().join("data"));
    let token = found(folder.path(), &policy(&fleet));
    let company = Company { hosts, server };
    let before = company.databases();
    let titles: BTreeSet<String> = fleet
        .hosts()
        .iter()
        .zip(&before)
        .flat_map(|(host, database)| {
            names().filter(|name| database.contains_key(*name)).map(|name| host.device.family().title(name))
        })
        .collect();
    assert!(titles.len() >= 25, "{titles:?}");
    fleet.publish(names().map(next));
    let ids = company.hosts.enroll(&token);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 12, "{ids:?}");
    let booted = company.hosts.booted();
    booted.shell("systemctl start refit-agent");
    booted.shell("for i in $(seq 100); do if refit-agent once; then exit 0; fi; sleep 0.2; done; exit 1");
    said("all are enrolled");
    company.until_done();
    said("all have done what they were told");

    let Company { server, .. } = &company;
    let all = receipts_by_device(server);
    let after = company.databases();
    let stood = server.client.events(0, Some("device.stands"), std::time::Duration::ZERO).unwrap();
    let stood: Vec<_> = stood.items.into_iter().map(|event| event.body).collect();
    for ((host, id), (before, after)) in fleet.hosts().iter().zip(&ids).zip(before.iter().zip(&after)) {
        let family = host.device.family();
        let mut receipts: Vec<&str> =
            all.iter().filter(|(device, _)| device == id).map(|(_, receipt)| receipt.as_str()).collect();
        receipts.sort_unstable();
        // What the package manager's own database says, in the words of a receipt.
        let mut expected = changes(before, &host.device);
        for line in &mut expected {
            let title = line.split(':').next().unwrap_or_default().to_owned();
            if title == family.title(FAILING.0) {
                *line = line.replace("succeeded", "failed");
            } else if title == family.title(RESTARTING.0) {
                *line = line.replace("succeeded", "restart_pending");
            }
        }
        expected.sort_unstable();
        assert_eq!(receipts, expected, "{}", host.name);

        // Everything that it has has moved, but for what policy holds.
        let moved = names().filter(|name| after.get(*name) != before.get(*name)).collect::<BTreeSet<_>>();
        let present = names().filter(|name| before.contains_key(*name) && *name != HELD).collect::<BTreeSet<_>>();
        assert_eq!(moved, present, "{}", host.name);
        let decisions = server.client.decisions(id).unwrap();
        let slot = |name: &str| {
            let title = family.title(name);
            decisions.slots.iter().find(|slot| slot.slot.title.as_str() == title).unwrap()
        };
        assert_eq!(
            (slot(HELD).installed.as_deref(), slot(HELD).holds.contains(&Hold::Block)),
            (Some(&*family.version("1.0")), true),
            "{:?}",
            slot(HELD)
        );
        assert_eq!(slot("editor").compliance, Compliance::Compliant, "{:?}", slot("editor"));

        if fails(&host.name) {
            assert_eq!(slot(FAILING.0).progress, Progress::Failed, "{:?}", slot(FAILING.0));
        }
        if host.name == RESTARTING.1 {
            assert_eq!(slot(RESTARTING.0).progress, Progress::RestartPending, "{:?}", slot(RESTARTING.0));
        }
        // What stayed unfinished was told when it happened. dnf leaves nothing unfinished: only the receipt tells of it there.
        let told = stood.iter().any(|body| body["device"] == **id && body["problems"].to_string().contains("printing"));
        assert_eq!(told, fails(&host.name) && family == Family::Apt, "{}", host.name);
    }
    said("receipts are what dpkg and rpm say");

    // What is done is done: the policy changes nothing more, and neither does any host.
    let mut session = Session { folder: folder.path(), text: String::new() };
    assert!(
        session.types("refit plan policy --server --detailed-exitcode").contains("Nothing changes"),
        "{}",
        session.text
    );
    assert!(!session.text.contains("exit status"), "{}", session.text);
    company.until_done();
    assert_eq!(company.databases(), after);
    assert_eq!(receipts_by_device(server), all);
    said("once more changes nothing");
    let Company { mut server, hosts } = company;
    drop(hosts);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
}
