//! unattended-upgrades: Debian's and Ubuntu's own files, and an unattended-upgrades of our own that follows its source and
//! `apt.systemd.daily` (apt 2.6, unattended-upgrades 2.9).

use crate::support::{
    Answer, DEVICES, catalog, decided, device, files, install, left_out, now, release, repository, zones,
};
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use refit_core::{
    decide::decide_title,
    policy::{document::policy::Mode, repository::Repository},
    world::World,
};
use refit_model::{Scheme, TitleId};
use refit_targets::import::{Imported, apt::import};
use refit_worlds::Rng;

/// Where a version comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Archive {
    Base,
    Security,
}

/// A package, with its versions from the oldest on, the archive of each, and when it came out.
type Package = (&'static str, &'static [(&'static str, Archive, &'static str)]);

const PACKAGES: [Package; 7] = [
    (
        "openssl",
        &[("3.0.14-1", Archive::Base, "2026-02-01T10:00:00Z"), ("3.0.15-1", Archive::Security, "2026-11-20T14:30:00Z")],
    ),
    (
        "curl",
        &[("7.88.1-9", Archive::Base, "2026-02-01T10:00:00Z"), ("7.88.1-10", Archive::Base, "2026-11-14T09:00:00Z")],
    ),
    (
        "linux-image-amd64",
        &[("6.1.1-1", Archive::Base, "2026-02-01T10:00:00Z"), ("6.1.2-1", Archive::Security, "2026-11-21T06:10:00Z")],
    ),
    (
        "libc6",
        &[("2.36-8", Archive::Base, "2026-02-01T10:00:00Z"), ("2.36-9", Archive::Security, "2026-11-22T23:59:00Z")],
    ),
    (
        "libc6-dev",
        &[("2.36-8", Archive::Base, "2026-02-01T10:00:00Z"), ("2.36-9", Archive::Security, "2026-11-22T23:59:00Z")],
    ),
    (
        "cups",
        &[
            ("2.4.2-3+deb12u8", Archive::Security, "2026-02-01T10:00:00Z"),
            ("2.4.2-3+deb12u9", Archive::Security, "2026-11-23T12:00:00Z"),
        ],
    ),
    (
        "nginx",
        &[
            ("1.22.1-8", Archive::Base, "2026-02-01T10:00:00Z"),
            ("1.22.1-9", Archive::Security, "2026-09-01T10:00:00Z"),
            ("1.22.1-10", Archive::Security, "2026-11-18T10:00:00Z"),
        ],
    ),
];

/// What a machine's files say, as a person reads them.
struct Configuration {
    security_only: bool,
    /// Kept back: as `re.match` finds it, from the first letter on.
    blacklist: &'static [&'static str],
    /// Versions that are never taken, and such as win over everything.
    never: &'static [(&'static str, &'static str)],
    always: &'static [(&'static str, &'static str)],
    /// Every how many days, and at which minute of the day at the earliest and at the latest.
    days: i64,
    from: i64,
    to: i64,
}

const DEBIAN: Configuration = Configuration {
    security_only: false,
    blacklist: &["linux-", "libc6$", "(lib)?xen(store)?"],
    never: &[("cups", "2.4.2-3+deb12u9")],
    always: &[("nginx", "1.22.1-9")],
    days: 2,
    from: 2 * 60 + 15,
    to: 3 * 60,
};

const UBUNTU: Configuration =
    Configuration { security_only: true, blacklist: &[], never: &[], always: &[], days: 1, from: 6 * 60, to: 7 * 60 };

/// `re.match`, for the expressions that these files have.
fn is_match(expression: &str, name: &str) -> bool {
    match expression {
        "(lib)?xen(store)?" => name.trim_start_matches("lib").starts_with("xen"),
        text => match text.strip_suffix('$') {
            Some(text) => name == text,
            None => name.starts_with(text),
        },
    }
}

impl Configuration {
    /// The version that a package is upgraded to: apt's candidate, where it comes from an allowed origin. And since when there has been
    /// something to upgrade to: a machine that runs would have had the first version that it lacks by then.
    fn goes_to(&self, name: &str, installed: usize) -> Option<(&'static str, Timestamp)> {
        let (_, versions) = PACKAGES.iter().find(|(package, _)| *package == name)?;
        if self.blacklist.iter().any(|expression| is_match(expression, name)) {
            return None;
        }
        let pinned = self.always.iter().find(|(package, _)| *package == name);
        let allowed = |archive: Archive| !self.security_only || archive == Archive::Security;
        let candidate = versions.iter().enumerate().rev().find(|(_, (version, archive, _))| {
            !self.never.contains(&(name, version))
                && allowed(*archive)
                && pinned.is_none_or(|(_, pinned)| pinned == version)
        })?;
        let (number, (version, _, published)) = candidate;
        let lacks = |(place, (version, archive, _)): &(usize, &(&str, Archive, &str))| {
            *place > installed && allowed(*archive) && pinned.is_none_or(|(_, pinned)| pinned == version)
        };
        let first = versions.iter().enumerate().find(lacks).map_or(published, |(_, (_, _, published))| published);
        // A priority above 1000 goes down as well.
        let moves = if pinned.is_some() { number != installed } else { number > installed };
        moves.then(|| (*version, first.parse().unwrap()))
    }

    /// How long an update may have been offered at the most when it is installed, whenever it came and whenever the last run was: looked
    /// for minute by minute. The timer fires once a day within its delay, and midnights are counted.
    fn longest(&self) -> SignedDuration {
        let day = 24 * 60;
        let mut longest = 0;
        for offered in 0..day {
            for last_run in [self.from, self.to] {
                // An update that came before a run was a part of it; after it, the next run is so many days later, at the latest moment.
                let waits = if offered < last_run { last_run - offered } else { self.days * day + self.to - offered };
                longest = longest.max(waits);
            }
        }
        SignedDuration::from_mins(longest)
    }

    /// The first run of a machine after `at`, and not too long ago there was one before it: at which minute is up to `rng`.
    fn run_after(&self, at: Timestamp, zone: &TimeZone, rng: &mut Rng) -> Timestamp {
        let mut on = |date: Date| {
            let minute = self.from + rng.between(0, (self.to - self.from) as usize) as i64;
            let wall = date.at(0, 0, 0, 0).checked_add(minute.minutes()).unwrap();
            zone.to_ambiguous_timestamp(wall).compatible().unwrap()
        };
        let date = zone.to_datetime(at).date();
        let last = if on(date) <= at { date } else { date.yesterday().unwrap() };
        let mut next = last.checked_add(self.days.days()).unwrap();
        loop {
            let run = on(next);
            if run > at {
                return run;
            }
            next = next.checked_add(self.days.days()).unwrap();
        }
    }
}

fn debian() -> Imported {
    import(&files("debian"), &catalog(), None)
}

fn ubuntu() -> Imported {
    import(&files("ubuntu"), &catalog(), Some("device.kind == \"server\""))
}

fn compare(repository: &Repository, configuration: &Configuration, os: &str) {
    let releases = PACKAGES.iter().flat_map(|(name, versions)| {
        versions.iter().map(move |(version, archive, published)| {
            release(&format!("deb/{name}"), Scheme::Dpkg, None, version, published, *archive == Archive::Security)
        })
    });
    let world = World::new(releases.collect(), Vec::new());
    let longest = configuration.longest();
    let zones = zones();
    let (mut moved, mut kept) = (0, 0);
    for number in 0..DEVICES {
        let mut rng = Rng::stream(11, os, number);
        let zone = &zones[rng.below(zones.len())];
        let facts = [("device.platform", "linux"), ("device.os", os), ("device.kind", "server")];
        let mut device = device(&format!("{os}-{number}"), zone, &facts, &[]);
        let mut has = Vec::new();
        for (name, versions) in PACKAGES {
            if rng.permille(800) {
                let installed = rng.below(versions.len());
                has.push((name, installed));
                device.installs.push(install(&format!("deb/{name}"), Scheme::Dpkg, None, versions[installed].0));
            }
        }
        for (name, installed) in has {
            let title = format!("deb/{name}");
            let decision = decide_title(repository, &world, &device, &TitleId::new(&title), now()).remove(0);
            let expected = configuration.goes_to(name, installed);
            if decision.policy.is_none() || decision.mode != Mode::Enforce {
                assert_eq!(expected, None, "{name} on {}", device.id);
                kept += 1;
                continue;
            }
            // Where a pin leads down, or a version is kept away, nothing was offered later than the version itself.
            let blocked = configuration.never.iter().any(|(package, _)| *package == name);
            let answer = decided(repository, &world, &device, &title, now());
            if blocked {
                // The goal stays what it is without the block; what is admitted is what apt takes.
                assert_eq!(
                    decision.admitted.as_ref().map(|version| version.as_str()),
                    expected.map(|(version, _)| version)
                );
                continue;
            }
            let expected = expected.map(|(version, offered)| {
                let due = offered.checked_add(longest).unwrap();
                (Answer { version: Some(version.to_owned()), due: Some(due) }, offered)
            });
            assert_eq!(answer, expected.as_ref().map(|(answer, _)| answer.clone()), "{name} on {}", device.id);
            let Some((answer, offered)) = expected else { continue };
            moved += 1;
            // The machine itself: its run lies in the window that the policy has, and not behind the due time.
            let run = configuration.run_after(offered, zone, &mut rng);
            let policy =
                repository.policies.iter().find(|policy| Some(&policy.name) == decision.policy.as_ref()).unwrap();
            let window = &policy.window.as_ref().unwrap().window;
            let just_inside = run.checked_sub(SignedDuration::from_secs(1)).unwrap();
            assert!(window.open_until(zone, run).or(window.open_until(zone, just_inside)).is_some(), "{run} {zone:?}");
            assert!(run <= answer.due.unwrap(), "{run} {answer:?}");
        }
    }
    assert!(moved > 100, "{moved} {kept}: the test shows little");
}

#[test]
fn two_hundred_machines_of_debian_are_upgraded_to_the_same() {
    compare(&repository(&debian(), &[]), &DEBIAN, "debian");
}

#[test]
fn two_hundred_servers_of_ubuntu_are_upgraded_to_the_same() {
    compare(&repository(&ubuntu(), &[]), &UBUNTU, "ubuntu");
}

#[test]
fn what_unattended_upgrades_does_and_policies_do_not_is_listed() {
    let left_out = left_out(&debian());
    for line in [
        "etc/apt/apt.conf.d/50unattended-upgrades.dpkg-old | ",
        "etc/apt/apt.conf.d/52local:4 | Package-Blacklist: (lib)?xen(store)?",
        "etc/apt/apt.conf.d/52local:7 | Unattended-Upgrade::Automatic-Reboot-Time",
        "etc/apt/apt.conf.d/52local:9 | Unattended-Upgrade::Remove-Unused-Dependencies",
        "etc/apt/preferences.d/local:10 | Package: *",
    ] {
        assert!(left_out.iter().any(|it| it == line), "{line}\n{left_out:#?}");
    }
    assert!(!left_out.iter().any(|it| it.contains("Mail")), "{left_out:#?}");
}

#[test]
fn what_is_switched_off_moves_nothing() {
    for (name, text) in [
        ("20auto-upgrades", "APT::Periodic::Unattended-Upgrade \"0\";"),
        ("99off", "APT::Periodic::Enable \"0\";"),
        ("99clear", "#clear APT::Periodic::Unattended-Upgrade;"),
    ] {
        let mut files = files("ubuntu");
        let path = format!("apt.conf.d/{name}");
        files.retain(|file| file.path != path);
        files.push(refit_targets::import::File { path, text: text.to_owned() });
        let repository = repository(&import(&files, &catalog(), None), &[]);
        assert!(repository.policies.iter().all(|policy| policy.mode == Mode::Observe), "{name}");
    }
}
