//! What apt and dnf have in common: devices without the agent that take packages from their distribution by themselves.
//!
//! A machine has one timer and one list of what it takes. Where several policies speak of its packages, they are written together: the
//! first of them, by priority, says how it restarts, and the first that has a window says when it runs. Nothing runs outside a window:
//! one that no timer can say is refused, and so is a policy with another window than the one that counts. Where policies only notify,
//! nothing is written: what machines do by themselves goes on.

use crate::{
    files::{NoFields, Placed, Shared},
    intent::Intent,
    object::{Fields, Identity, Loss, MARKER, Object, Source, fingerprint, word},
    stated::Subject,
    target::{Desired, Input, Refusal, Said, Target},
    terms::Terms,
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_core::{
    cohorts::Packages,
    policy::{
        document::policy::RestartMode,
        repository::{Block, Policy, Selector, UsedWindow},
    },
};
use roaring::RoaringBitmap;
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Devices on which the same policies speak of packages.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The policies, the one that leads first.
    pub policies: Vec<Speaking<'a>>,
    /// The operating system.
    pub os: SmolStr,
    /// Why nothing is installed now.
    pub stopped: Option<String>,
    /// Which devices.
    pub devices: RoaringBitmap,
}

/// A policy that speaks of packages on some devices.
#[derive(Clone, Debug)]
pub struct Speaking<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The terms that count there.
    pub terms: Terms<'a>,
    /// What is lost.
    pub losses: BTreeSet<Loss>,
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
        if taken([policy], namespace).is_empty() || !desired.writes(target, policy) {
            continue;
        }
        let terms = match Terms::of_packages(input.repository, policy, &packages.place, namespace) {
            Ok(terms) => terms,
            Err(exception) => {
                let said = format!("exception {}: window", exception.name);
                let because = "a machine has one timer, and the exception speaks of some of the policy's packages only: let it speak of \
                               all of them, or use the agent";
                refuse(policy, Intent::ExceptionWindow, said, because, desired);
                continue;
            }
        };
        let said = Said::of(target, input.repository, policy, Subject::Packages(namespace), &packages.place, &terms);
        if !said.goes_on(desired) {
            continue;
        }
        if let Some(window) = terms.window.filter(|window| on_calendar(window).is_none()) {
            let said = format!("window: {} ({})", window.name, window.window.text());
            let because = "no timer of systemd can say it, and nothing may run outside it: let it open daily, or on days of the week, \
                           with `BYHOUR` (and one `BYMINUTE`), or use the agent";
            refuse(policy, Intent::Window, said, because, desired);
            continue;
        }
        by_os.entry(os).or_default().push(Group {
            policies: vec![Speaking { policy, terms, losses: said.losses }],
            os: os.into(),
            stopped: stopped(input, packages),
            devices,
        });
    }
    by_os.into_values().flat_map(|groups| together(groups, desired)).collect()
}

fn refuse(policy: &Policy, intent: Intent, said: String, because: &str, desired: &mut Desired) {
    desired.refused.insert(Refusal { from: Source::from(policy), intent, said, because: because.into() });
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
fn together<'a>(groups: Vec<Group<'a>>, desired: &mut Desired) -> Vec<Group<'a>> {
    let mut parts: Vec<Group<'a>> = Vec::new();
    for group in groups {
        let mut rest = group.devices.clone();
        let mut split = Vec::new();
        for part in parts {
            let both = &part.devices & &rest;
            let alone = &part.devices - &rest;
            rest -= &part.devices;
            if !both.is_empty() {
                let mut joined = Group { devices: both, ..part.clone() };
                joined.policies.extend(group.policies.iter().cloned());
                joined.stopped = joined.stopped.or_else(|| group.stopped.clone());
                split.push(joined);
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
    type Told = (Vec<(SmolStr, Option<SmolStr>)>, Option<String>);
    let mut joined: BTreeMap<Told, Group<'a>> = BTreeMap::new();
    for mut part in parts {
        let key = |one: &Speaking<'_>| (std::cmp::Reverse(one.policy.priority), one.policy.name.clone());
        part.policies.sort_by_key(key);
        part.policies.dedup_by(|a, b| a.policy.name == b.policy.name);
        one_timer(&mut part.policies, desired);
        let told = part.policies.iter().map(|one| (one.policy.name.clone(), one.terms.excepted.clone())).collect();
        match joined.entry((told, part.stopped.clone())) {
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(part);
            }
            std::collections::btree_map::Entry::Occupied(mut place) => {
                let known = place.get_mut();
                known.devices |= part.devices;
                for (known, more) in known.policies.iter_mut().zip(part.policies) {
                    known.losses.extend(more.losses);
                }
            }
        }
    }
    joined.into_values().collect()
}

/// Takes out policies with another window than the one that counts: a machine runs at one time, and theirs is another.
fn one_timer(policies: &mut Vec<Speaking<'_>>, desired: &mut Desired) {
    let counts = policies.iter().find_map(|one| Some((one.policy, one.terms.window?)));
    let Some((first, counts)) = counts else { return };
    policies.retain(|one| {
        let Some(window) = one.terms.window.filter(|window| !is_same(window, counts)) else { return true };
        let said = format!("window: {} ({})", window.name, window.window.text());
        let because = format!(
            "a machine has one timer, and {} has it in window {}: give both the same window, or use the agent",
            first.name, counts.name
        );
        refuse(one.policy, Intent::Window, said, &because, desired);
        false
    });
}

fn is_same(one: &UsedWindow, other: &UsedWindow) -> bool {
    one.window.text() == other.window.text() && one.window.lasts() == other.window.lasts()
}

impl Group<'_> {
    /// A folder for its files: `refit-linux-laptops-debian-1a2b3c4d`.
    pub fn folder(&self) -> String {
        let names = self.policies.iter().map(|one| one.policy.name.as_str());
        let excepted = self.policies.iter().filter_map(|one| one.terms.excepted.as_deref());
        let rest = [self.os.as_str(), self.stopped.as_deref().unwrap_or_default()];
        let texts: Vec<&str> = names.chain(rest).chain(excepted).collect();
        let first = self.policies.first().map_or("", |one| one.policy.name.as_str());
        format!("{MARKER}-{}-{}-{}", word(first, 24), word(&self.os, 12), fingerprint(texts, 8))
    }

    /// The policies, and where they are written.
    pub fn from(&self) -> BTreeSet<Source> {
        self.policies.iter().map(|one| Source::from(one.policy)).collect()
    }

    /// In words: who, and what stops it.
    pub fn words(&self) -> String {
        let names: Vec<String> = self
            .policies
            .iter()
            .map(|Speaking { policy, terms, .. }| match &terms.excepted {
                Some(excepted) => format!("{} ({excepted})", policy.name),
                None => policy.name.to_string(),
            })
            .collect();
        let stopped = self.stopped.as_ref().map_or(String::new(), |why| format!(", stopped: {why}"));
        format!("{} on {}{stopped}", names.join(", "), self.os)
    }

    /// The window that counts.
    pub fn window(&self) -> Option<&UsedWindow> {
        self.policies.iter().find_map(|one| one.terms.window)
    }

    /// Whether the machine is restarted by itself.
    pub fn restarts(&self) -> bool {
        self.policies.first().and_then(|one| one.terms.reboot) == Some(RestartMode::AtDue)
    }

    /// What is taken.
    pub fn taken(&self, namespace: &str) -> Taken {
        taken(self.policies.iter().map(|one| one.policy), namespace)
    }

    /// What is lost of any of the policies.
    pub fn losses(&self) -> BTreeSet<Loss> {
        self.policies.iter().flat_map(|one| one.losses.iter().cloned()).collect()
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
pub fn timer_text(fields: &Fields, head: &str) -> String {
    // An empty assignment takes away what the distribution's own unit has.
    let mut text = format!("{head}[Timer]\nOnCalendar=\n");
    for (name, value) in fields {
        text += &format!("{name}={}\n", value.as_str().unwrap_or_default());
    }
    text
}

/// The drop-in read back.
pub fn timer_fields(text: &str) -> Result<Fields, NoFields> {
    let own = |(path, value): (String, Value)| {
        (path.strip_prefix("Timer.").map_or_else(|| path.clone(), str::to_owned), value)
    };
    Ok(super::ini::read(text)?.into_iter().map(own).collect())
}

/// The object that a file in the folder of a group is: `refit-linux-laptops-debian-1a2b3c4d/etc/apt/preferences.d/refit`.
pub fn identity(path: &str, places: &[(&str, &str)]) -> Option<Identity> {
    let (folder, place) = path.split_at(path.find('/')?);
    let (kind, _) = places.iter().find(|(_, known)| *known == place)?;
    let is_ours = Identity::new("folder", folder.to_owned()).is_owned();
    is_ours.then(|| Identity::new(kind, path.to_owned()))
}

/// A file of a group as it stands in the root of one of its machines.
pub fn in_root(object: &Object, shared: Option<Shared>) -> Option<Placed> {
    let (_, place) = object.id.name.split_at(object.id.name.find('/')?);
    let mut object = object.clone();
    object.id.name = place.to_owned();
    Some(Placed { object, shared })
}

/// The first lines of a file: whose it is.
pub fn head(comment: &str, object: &Object) -> String {
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
