//! What apt and dnf have in common: devices without the agent that take packages from their distribution by themselves.
//!
//! A machine has one timer and one list of what it takes. Where several policies speak of its packages, they are written together, and the
//! first of them, by priority, says when it runs and how it restarts.

use crate::{
    object::{Loss, MARKER, Source, fingerprint, word},
    target::{Desired, Input, Said, Target},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    cohorts::Packages,
    policy::{
        document::policy::{Mode, RestartMode},
        repository::{Block, Policy, Selector, UsedWindow},
    },
};
use roaring::RoaringBitmap;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Devices on which the same policies speak of packages.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The policies, the one that leads first.
    pub policies: Vec<&'a Policy>,
    /// The operating system.
    pub os: SmolStr,
    /// Why nothing is installed now.
    pub stopped: Option<String>,
    /// Whether its policies only notify.
    pub notifies: bool,
    /// What is lost.
    pub losses: BTreeSet<Loss>,
    /// Which devices.
    pub devices: RoaringBitmap,
}

/// The groups of devices of some operating systems, by the policies that speak of packages of a namespace.
pub fn groups<'a>(
    target: &dyn Target,
    input: &Input<'a>,
    systems: &[&str],
    namespace: &str,
    desired: &mut Desired,
) -> Vec<Group<'a>> {
    let mut by_os: BTreeMap<&str, Vec<Group<'a>>> = BTreeMap::new();
    for packages in &input.cohorts.packages {
        let devices = &packages.devices & input.devices;
        let os = packages.place.os.as_deref().filter(|os| systems.contains(os));
        let (Some(os), false) = (os, devices.is_empty()) else { continue };
        let Some(policy) = input.repository.policy(&packages.policy) else { continue };
        // A policy that names nothing here must not be written: a list of nothing means everything to the package manager.
        if policy.mode == Mode::Observe || taken([policy], namespace).is_empty() {
            continue;
        }
        let said = Said::of(target, input.repository, policy, None, &packages.place);
        if !said.goes_on(desired) {
            continue;
        }
        let stopped = stopped(input, packages);
        by_os.entry(os).or_default().push(Group {
            policies: vec![policy],
            os: os.into(),
            stopped,
            notifies: packages.mode == Mode::Notify,
            losses: said.losses,
            devices,
        });
    }
    by_os.into_values().flat_map(together).collect()
}

/// Why nothing is installed now on devices, whatever the policy.
fn stopped(input: &Input<'_>, packages: &Packages) -> Option<String> {
    if packages.unpublished {
        return Some("everything is halted".to_owned());
    }
    let zone = packages.place.zone.as_deref().and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let now = input.cohorts.now;
    let mut freezes = packages.place.freezes.iter().filter_map(|number| input.repository.freezes.get(*number));
    let freeze = freezes.find(|freeze| freeze.from.start_in(&zone) <= now && now < freeze.to.end_in(&zone))?;
    Some(format!("freeze {} until {}", freeze.name, freeze.to))
}

/// Divides devices by all that is said of them together.
fn together(groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let mut parts: Vec<Group<'_>> = Vec::new();
    for group in groups {
        let mut rest = group.devices.clone();
        let mut split = Vec::new();
        for part in parts {
            let both = &part.devices & &rest;
            let alone = &part.devices - &rest;
            rest -= &part.devices;
            if !both.is_empty() {
                split.push(match (part.notifies, group.notifies) {
                    // A policy that only notifies must not switch off what another one enforces on the same machine.
                    (true, false) => Group { devices: both, ..group.clone() },
                    (false, true) => Group { devices: both, ..part.clone() },
                    _ => {
                        let mut joined = Group { devices: both, ..part.clone() };
                        joined.policies.extend(&group.policies);
                        joined.losses.extend(group.losses.iter().cloned());
                        joined.stopped = joined.stopped.or_else(|| group.stopped.clone());
                        joined
                    }
                });
            }
            if !alone.is_empty() {
                split.push(Group { devices: alone, ..part });
            }
        }
        if !rest.is_empty() {
            split.push(Group { devices: rest, ..group });
        }
        parts = split;
    }
    // The same policies may be there in several places: they are one group again.
    let mut joined: BTreeMap<(Vec<SmolStr>, Option<String>), Group<'_>> = BTreeMap::new();
    for mut part in parts {
        part.policies.sort_by(|a, b| b.priority.cmp(&a.priority).then(a.name.cmp(&b.name)));
        part.policies.dedup_by(|a, b| a.name == b.name);
        if part.notifies {
            part.stopped = Some("the policy only notifies".to_owned());
        }
        let names = part.policies.iter().map(|policy| policy.name.clone()).collect();
        match joined.entry((names, part.stopped.clone())) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(part);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let known = place.get_mut();
                known.devices |= part.devices;
                known.losses.extend(part.losses);
            }
        }
    }
    joined.into_values().collect()
}

impl Group<'_> {
    /// A folder for its files: `refit-linux-laptops-debian-1a2b3c4d`.
    pub fn folder(&self) -> String {
        let names = self.policies.iter().map(|policy| policy.name.as_str());
        let texts: Vec<&str> = names.chain([self.os.as_str(), self.stopped.as_deref().unwrap_or_default()]).collect();
        let first = self.policies.first().map_or("", |policy| policy.name.as_str());
        format!("{MARKER}-{}-{}-{}", word(first, 24), word(&self.os, 12), fingerprint(texts, 8))
    }

    /// The policies, and where they are written.
    pub fn from(&self) -> BTreeSet<Source> {
        self.policies.iter().map(|policy| Source::from(*policy)).collect()
    }

    /// In words: who, and what stops it.
    pub fn words(&self) -> String {
        let names: Vec<&str> = self.policies.iter().map(|policy| policy.name.as_str()).collect();
        let stopped = self.stopped.as_ref().map_or(String::new(), |why| format!(", stopped: {why}"));
        format!("{} on {}{stopped}", names.join(", "), self.os)
    }

    /// The window that counts.
    pub fn window(&self) -> Option<&UsedWindow> {
        self.policies.first()?.window.as_ref()
    }

    /// Whether the machine is restarted by itself.
    pub fn restarts(&self) -> bool {
        let mode = self.policies.first().and_then(|policy| policy.experience.reboot.as_ref()).map(|reboot| reboot.mode);
        mode == Some(RestartMode::AtDue)
    }

    /// What is taken.
    pub fn taken(&self, namespace: &str) -> Taken {
        taken(self.policies.iter().copied(), namespace)
    }
}

/// What policies take of the packages of a namespace.
fn taken<'p>(policies: impl IntoIterator<Item = &'p Policy>, namespace: &str) -> Taken {
    let mut taken = Taken::default();
    for selector in policies.into_iter().flat_map(|policy| &policy.software) {
        match selector {
            Selector::OsAll => taken.everything = true,
            Selector::OsSecurity => taken.security = true,
            Selector::Packages { namespace: space, prefix } if space == namespace => {
                taken.prefixes.insert(prefix.to_string());
            }
            Selector::Title(title) => {
                let name = title.package().filter(|(space, _)| *space == namespace).map(|(_, name)| name.to_owned());
                taken.names.extend(name);
            }
            Selector::Packages { .. } => {}
        }
    }
    taken
}

/// What of a distribution's packages is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// All of them.
    pub everything: bool,
    /// What the security archive has.
    pub security: bool,
    /// Packages by name.
    pub names: BTreeSet<String>,
    /// Packages by the start of their names.
    pub prefixes: BTreeSet<String>,
}

impl Taken {
    /// Whether only what is named is taken.
    pub fn only_named(&self) -> bool {
        !self.everything && !self.security
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.only_named() && self.names.is_empty() && self.prefixes.is_empty()
    }

    /// The packages that are named besides what the security archive has. Those who take from that archive alone do not take them.
    pub fn besides_security(&self) -> Option<String> {
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let named: Vec<String> = self.names.iter().cloned().chain(prefixes).collect();
        (self.security && !self.everything && !named.is_empty()).then(|| named.join(", "))
    }
}

/// The packages of a namespace that blocks keep back at `now`, each with the one version that is meant, where it is one.
pub fn blocked<'b>(blocks: &'b [Block], namespace: &str, now: Timestamp) -> Vec<(&'b str, Option<&'b str>)> {
    // The last zone in which a day ends: nobody gets earlier what is blocked until then.
    let last = TimeZone::fixed(jiff::tz::offset(-12));
    let mut blocked: Vec<(&str, Option<&str>)> = blocks
        .iter()
        .filter(|block| block.until.is_none_or(|until| now < until.end_in(&last)))
        .filter_map(|block| {
            let (_, name) = block.title.package().filter(|(space, _)| *space == namespace)?;
            let range = block.releases.text.trim();
            let one = range.strip_prefix('=').map(str::trim).filter(|version| !version.contains([',', '|', ' ']));
            Some((name, one))
        })
        .collect();
    blocked.sort_unstable();
    blocked.dedup();
    blocked
}

/// A window as systemd's timers have it (`OnCalendar`, systemd.time(7)), on the machine's own clock, and for how long starts are spread in
/// it. `None` where the rule has no such form.
pub fn on_calendar(window: &UsedWindow) -> Option<(String, SignedDuration)> {
    let (mut hours, mut minute, mut days, mut frequency) = (None, "0", None, "");
    for part in window.window.text().split(';') {
        match part.split_once('=')? {
            ("FREQ", of @ ("DAILY" | "WEEKLY")) => frequency = of,
            ("INTERVAL", "1") | ("BYSECOND", "0") => {}
            ("BYHOUR", text) => hours = Some(text),
            ("BYMINUTE", text) => minute = text,
            ("BYDAY", text) => days = Some(text),
            _ => return None,
        }
    }
    let number = |text: &str| text.parse::<u8>().ok().map(|number| format!("{number:02}"));
    let hours: Vec<String> = hours?.split(',').map(number).collect::<Option<_>>()?;
    let minute = number(minute)?;
    let days = match (frequency, days) {
        ("DAILY" | "WEEKLY", Some(days)) => {
            let names: Vec<&str> = days.split(',').map(day).collect::<Option<_>>()?;
            format!("{} ", names.join(","))
        }
        ("DAILY", None) => String::new(),
        _ => return None,
    };
    // Half of the window is for starts, so that what starts last has the other half; an hour spreads a fleet enough.
    let spread = (window.window.lasts() / 2).min(SignedDuration::from_hours(1));
    Some((format!("{days}*-*-* {}:{minute}:00", hours.join(",")), spread))
}

fn day(name: &str) -> Option<&'static str> {
    const DAYS: [(&str, &str); 7] =
        [("MO", "Mon"), ("TU", "Tue"), ("WE", "Wed"), ("TH", "Thu"), ("FR", "Fri"), ("SA", "Sat"), ("SU", "Sun")];
    DAYS.into_iter().find(|(short, _)| *short == name).map(|(_, day)| day)
}

/// The drop-in of a timer: when it starts, and that it makes up for nothing outside of its window.
pub fn timer(window: &UsedWindow) -> Option<BTreeMap<String, String>> {
    let (calendar, spread) = on_calendar(window)?;
    Some(BTreeMap::from([
        ("OnCalendar".to_owned(), calendar),
        ("Persistent".to_owned(), "false".to_owned()),
        ("RandomizedDelaySec".to_owned(), format!("{}s", spread.as_secs())),
    ]))
}

/// The drop-in as a file.
pub fn timer_text(fields: &crate::object::Fields, head: &str) -> String {
    // An empty assignment takes away what the distribution's own unit has.
    let mut text = format!("{head}[Timer]\nOnCalendar=\n");
    for (name, value) in fields {
        text += &format!("{name}={}\n", value.as_str().unwrap_or_default());
    }
    text
}

/// The first lines of a file: whose it is.
pub fn head(comment: &str, object: &crate::object::Object) -> String {
    let from: Vec<String> = object.from.iter().map(ToString::to_string).collect();
    format!("{comment} Written by Refit: {}.\n", from.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_core::calendar::Window;

    fn calendar(rule: &str, minutes: i64) -> Option<(String, i64)> {
        let window = Window::parse(rule, SignedDuration::from_mins(minutes)).unwrap();
        let window = UsedWindow { name: "maintenance".into(), window, after_due: None };
        on_calendar(&window).map(|(calendar, spread)| (calendar, spread.as_mins()))
    }

    #[test]
    fn windows_become_times_of_timers() {
        assert_eq!(calendar("FREQ=DAILY;BYHOUR=1", 240), Some(("*-*-* 01:00:00".to_owned(), 60)));
        let weekly = calendar("FREQ=WEEKLY;BYDAY=TU,TH;BYHOUR=2,4;BYMINUTE=30", 60);
        assert_eq!(weekly, Some(("Tue,Thu *-*-* 02,04:30:00".to_owned(), 30)));
    }

    #[test]
    fn what_timers_cannot_say_is_none() {
        for rule in
            ["FREQ=MONTHLY;BYDAY=2TU;BYHOUR=2", "FREQ=WEEKLY;BYHOUR=2", "FREQ=DAILY;INTERVAL=3;BYHOUR=2", "FREQ=HOURLY"]
        {
            assert_eq!(calendar(rule, 60), None, "{rule}");
        }
    }
}
