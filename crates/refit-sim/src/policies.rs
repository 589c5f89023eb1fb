//! Policy repositories that operators come up with: texts, and what the invariants have to know of them.

use super::rng::Rng;
use jiff::civil::Date;
use refit_model::TitleId;
use refit_wire::state::Busy;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// The departments. They are words that stand nowhere else, so that the log can be searched for them.
pub const DEPARTMENTS: [&str; 4] = ["dept-quartz-it", "dept-basalt-sales", "dept-marble-finance", "dept-gneiss-build"];
/// The titles that vendors publish for.
pub const TITLES: [&str; 3] = ["editor", "browser", "guard"];
/// The package of a distribution.
pub const PACKAGE: &str = "deb/curl";
/// The policy of each title.
pub const SOFTWARE: [(&str, &str); 4] =
    [(TITLES[0], "editors"), (TITLES[1], "browsers"), (TITLES[2], "guards"), (PACKAGE, "packages")];
/// The rollouts. Both have rings of the same names: what a gate said in one is said of that one alone.
pub const ROLLOUTS: [&str; 2] = ["staged", "steady"];
/// The rings of each rollout, in their order, where nobody has changed them.
pub const RINGS: [&str; 3] = ["canary", "early", "rest"];
/// Rings as policies change them while releases are on their way: one is added before one that may be open, one is removed, the first
/// is renamed. The last ring stays: everybody else is in it.
const CHANGED: [&[&str]; 3] =
    [&["canary", "pilot", "early", "rest"], &["canary", "rest"], &["vanguard", "early", "rest"]];

/// A policy repository.
#[derive(Clone, Debug, Default)]
pub struct PolicySpec {
    /// Its only file.
    pub yaml: String,
    /// How long each policy forces nobody, in days.
    pub phase_in_days: BTreeMap<String, i64>,
    /// The rolling budgets.
    pub budgets: Vec<BudgetSpec>,
    /// Whether it has exceptions.
    pub has_exceptions: bool,
    /// Its rollouts.
    pub rollouts: BTreeMap<SmolStr, RolloutSpec>,
    /// What each policy says of the time of changes.
    pub terms: BTreeMap<String, TermsSpec>,
    /// Days without changes: the first, the last, and whether what is known to be exploited is closed all the same.
    pub freezes: Vec<(Date, Date, bool)>,
    /// A release that it blocks.
    pub block: Option<(TitleId, SmolStr)>,
    /// The policies that disruption groups limit.
    pub limited: BTreeSet<String>,
}

/// A rollout.
#[derive(Clone, Debug, Default)]
pub struct RolloutSpec {
    /// Whether a gate stands between its rings.
    pub gated: bool,
    /// What that gate asks besides failures.
    pub asks: Asks,
    /// The names of its rings.
    pub names: Vec<&'static str>,
    /// Its rings: each with its share, where it has one, and how long it soaks, in hours.
    pub rings: Vec<(Option<f64>, i64)>,
}

/// What a gate asks besides failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Whether devices fall silent.
    pub silence: bool,
    /// What people report.
    pub reports: bool,
    /// What monitoring says.
    pub signal: bool,
}

/// What a policy says of the time of changes.
#[derive(Clone, Debug, Default)]
pub struct TermsSpec {
    /// The rollout that it goes through.
    pub rollout: Option<&'static str>,
    /// Whether a due time may carry devices past a gate that is inconclusive.
    pub proceeds: bool,
    /// Whether it only says what it would do.
    pub observes: bool,
    /// The window.
    pub window: Option<WindowSpec>,
    /// What people must not be disturbed at, and for how many hours after the due time.
    pub not_while: Option<(Vec<Busy>, i64)>,
}

/// A window: on some days, it opens at these times of the day and lasts for so long.
#[derive(Clone, Copy, Debug)]
pub struct WindowSpec {
    /// When it opens, in local time: hours and minutes.
    pub starts: &'static [(i8, i8)],
    /// For how many minutes.
    pub minutes: i64,
    /// The days on which it opens.
    pub days: Days,
    /// Whether what is overdue waits for it.
    pub waits: bool,
}

/// Days on which a window opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Days {
    /// All.
    Every,
    /// From Monday to Friday.
    Weekdays,
    /// Saturdays.
    Saturdays,
    /// The Wednesday and the Saturday of every other week, beginning with the first of 2020.
    Fortnightly,
}

/// A window as policies write it.
struct Rule {
    name: &'static str,
    rule: &'static str,
    window: WindowSpec,
}

/// The windows. In that of the small hours clocks are set, in those that open often sessions begin at their very end.
const WINDOWS: [Rule; 6] = [
    Rule {
        name: "overnight",
        rule: "FREQ=DAILY;BYHOUR=19",
        window: WindowSpec { starts: &[(19, 0)], minutes: 600, days: Days::Every, waits: false },
    },
    Rule {
        name: "saturday",
        rule: "FREQ=WEEKLY;BYDAY=SA;BYHOUR=2",
        window: WindowSpec { starts: &[(2, 0)], minutes: 1_200, days: Days::Saturdays, waits: false },
    },
    Rule {
        name: "small hours",
        rule: "FREQ=DAILY;BYHOUR=2;BYMINUTE=30",
        window: WindowSpec { starts: &[(2, 30)], minutes: 150, days: Days::Every, waits: false },
    },
    Rule {
        name: "breaks",
        rule: "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7,12,18",
        window: WindowSpec { starts: &[(7, 0), (12, 0), (18, 0)], minutes: 90, days: Days::Weekdays, waits: false },
    },
    Rule {
        name: "fortnightly",
        rule: "FREQ=WEEKLY;INTERVAL=2;BYDAY=WE,SA;BYHOUR=1",
        window: WindowSpec { starts: &[(1, 0)], minutes: 1_380, days: Days::Fortnightly, waits: false },
    },
    Rule {
        name: "quarters",
        rule: "FREQ=HOURLY;INTERVAL=6;BYMINUTE=10,40",
        window: WindowSpec {
            starts: &[(0, 10), (0, 40), (6, 10), (6, 40), (12, 10), (12, 40), (18, 10), (18, 40)],
            minutes: 45,
            days: Days::Every,
            waits: false,
        },
    },
];

impl PolicySpec {
    /// The rollout that releases of a title go through.
    pub fn rollout_of(&self, title: &str) -> Option<&RolloutSpec> {
        let (_, policy) = SOFTWARE.iter().find(|(known, _)| title == *known)?;
        self.rollouts.get(self.terms.get(*policy)?.rollout?)
    }

    /// Whether every policy that may decide on a title is limited by disruption groups.
    pub fn limits(&self, title: &str) -> bool {
        let of = |name: &str| match name {
            "editors" | "special" => title == TITLES[0],
            "browsers" => title == TITLES[1],
            "guards" => title == TITLES[2],
            "packages" => title == PACKAGE,
            _ => false,
        };
        let mut policies = self.phase_in_days.keys().filter(|name| of(name)).peekable();
        policies.peek().is_some() && policies.all(|name| self.limited.contains(name))
    }
}

/// A rolling budget: at most so many percent in so many hours.
#[derive(Clone, Copy, Debug)]
pub struct BudgetSpec {
    /// Its rolling time.
    pub hours: i64,
    /// Its share.
    pub percent: u64,
    /// Whether it is divided by department.
    pub by_department: bool,
}

/// A policy repository as somebody might write it at a time; `today` is a local day.
pub fn policy(rng: &mut Rng, today: jiff::civil::Date) -> PolicySpec {
    let mut yaml = String::new();
    let mut spec = PolicySpec::default();
    let mode = if rng.permille(900) { "enforce" } else { "observe" };
    let _ = writeln!(yaml, "organization: acme\ndefaults: {{ mode: {mode} }}");
    let _ = writeln!(yaml, "authority: {{ person.department: [hr, directory] }}");
    if rng.permille(700) {
        spec.budgets.push(BudgetSpec {
            hours: *rng.pick(&[6, 24, 72]).unwrap_or(&24),
            percent: *rng.pick(&[15, 25, 40]).unwrap_or(&25),
            by_department: false,
        });
    }
    if rng.permille(400) {
        spec.budgets.push(BudgetSpec {
            hours: *rng.pick(&[12, 48]).unwrap_or(&48),
            percent: *rng.pick(&[20, 50]).unwrap_or(&50),
            by_department: true,
        });
    }
    if !spec.budgets.is_empty() {
        yaml.push_str("budgets:\n");
        for BudgetSpec { hours, percent, by_department } in &spec.budgets {
            let by = if *by_department { ", by: person.department" } else { "" };
            let _ = writeln!(yaml, "  - {{ per: {hours}h, at_most: {percent}%, of: devices{by} }}");
        }
    }
    let canary = rng.pick(&DEPARTMENTS).copied().unwrap_or_default();
    let share = *rng.pick(&[20, 40]).unwrap_or(&20);
    let mut gates = String::new();
    yaml.push_str("rollouts:\n");
    for (name, soak) in ROLLOUTS.into_iter().zip([24, 6]) {
        let mut rollout = RolloutSpec { gated: rng.permille(700), ..RolloutSpec::default() };
        if rollout.gated {
            let asks = rng.permille(500);
            let measures = match asks {
                true => ", silence: 5%, reports: 5%",
                false => ", signals: [{ name: crashes, from: monitoring, no_worse_than: control }]",
            };
            rollout.asks = Asks { silence: asks, reports: asks, signal: !asks };
            let _ = writeln!(gates, "  {name}: {{ enough: 60%, patience: 4d{measures} }}");
        }
        begin_rollout(&mut yaml, name, rollout.gated);
        let _ = writeln!(
            yaml,
            "      - {{ name: canary, where: 'person.department == \"{canary}\"', soak: {soak}h }}\n      - {{ name: early, share: {share}%, soak: {soak}h }}\n      - {{ name: rest }}"
        );
        rollout.names = RINGS.to_vec();
        rollout.rings = vec![(None, soak), (Some(share as f64 / 100.0), soak), (None, 0)];
        spec.rollouts.insert(name.into(), rollout);
    }
    if !gates.is_empty() {
        let _ = write!(yaml, "gates:\n{gates}");
    }
    windows(&mut yaml);
    if rng.permille(250) {
        freeze(rng, &mut yaml, &mut spec, today, 10);
    }
    titles(&mut yaml);
    for (title, name) in SOFTWARE {
        if rng.permille(850) {
            one_policy(rng, &mut yaml, &mut spec, name, title, "");
        }
    }
    if rng.permille(300) {
        let department = rng.pick(&DEPARTMENTS).copied().unwrap_or_default();
        let condition = format!("priority: 5\nwhere: 'person.department == \"{department}\"'\n");
        one_policy(rng, &mut yaml, &mut spec, "special", TITLES[0], &condition);
    }
    if rng.permille(250) {
        let until = today.checked_add(jiff::Span::new().days(rng.between(2, 30))).unwrap_or(today);
        let minor = rng.between(0, 8);
        let _ = writeln!(
            yaml,
            "---\nblock: it breaks\ntitle: {}\nreleases: \"=1.{minor}.0\"\nwhy: it breaks\nuntil: {until}",
            TITLES[0]
        );
    }
    if rng.permille(250) {
        spec.has_exceptions = true;
        let until = today.checked_add(jiff::Span::new().days(rng.between(2, 40))).unwrap_or(today);
        let department = rng.pick(&DEPARTMENTS).copied().unwrap_or_default();
        let terms = if rng.permille(500) { format!("due: {until}T12:00:00") } else { "hold_at: \"<1.4.0\"".to_owned() };
        let _ = writeln!(
            yaml,
            "---\nexception: the fair\nsoftware: [{}]\nwhere: 'person.department == \"{department}\"'\nowner: sales@acme.example\nwhy: a fair\n{terms}\nuntil: {until}",
            TITLES[1]
        );
    }
    let observes = mode == "observe";
    spec.terms.values_mut().for_each(|terms| terms.observes = observes);
    spec.yaml = yaml;
    spec
}

/// A policy repository of an organisation that lets releases move through rings; `fleet` is how many devices it has, and `block` a
/// release that it blocks.
pub fn rollouts(rng: &mut Rng, today: Date, fleet: usize, block: Option<(TitleId, SmolStr)>) -> PolicySpec {
    let mut yaml = String::new();
    let mut spec = PolicySpec::default();
    let _ = writeln!(yaml, "organization: acme\ndefaults: {{ mode: enforce }}");
    let _ = writeln!(yaml, "authority: {{ person.department: [hr, directory] }}");
    if rng.permille(400) {
        let (hours, percent) = *rng.pick(&[(24, 60), (12, 40), (72, 80)]).unwrap_or(&(24, 60));
        spec.budgets.push(BudgetSpec { hours, percent, by_department: false });
        let _ = writeln!(yaml, "budgets:\n  - {{ per: {hours}h, at_most: {percent}%, of: devices }}");
    }
    let mut gates = String::new();
    yaml.push_str("rollouts:\n");
    for name in ROLLOUTS {
        let mut rollout = RolloutSpec { gated: rng.permille(930), ..RolloutSpec::default() };
        if rollout.gated {
            // What only monitoring sees is seldom sure in a small fleet: more of their gates ask for it.
            let signal = rng.permille(if fleet > 200 { 400 } else { 800 });
            rollout.asks = Asks { silence: rng.permille(800), reports: rng.permille(800), signal };
            let _ = writeln!(gates, "  {name}: {{ {} }}", gate(rng, fleet, rollout.asks));
        }
        begin_rollout(&mut yaml, name, rollout.gated);
        let changed = rng.permille(300).then(|| rng.pick(&CHANGED).copied()).flatten();
        rollout.names = changed.unwrap_or(&RINGS).to_vec();
        for (name, share) in rollout.names.iter().zip(shares_of(&rollout.names, fleet)) {
            let soak = *rng.pick(&[12, 24, 36]).unwrap_or(&24);
            rollout.rings.push((share, if share.is_some() { soak } else { 0 }));
            let _ = match share {
                Some(share) => writeln!(yaml, "      - {{ name: {name}, share: {}%, soak: {soak}h }}", share * 100.0),
                None => writeln!(yaml, "      - {{ name: {name} }}"),
            };
        }
        spec.rollouts.insert(name.into(), rollout);
    }
    if !gates.is_empty() {
        let _ = write!(yaml, "gates:\n{gates}");
    }
    windows(&mut yaml);
    if rng.permille(400) {
        freeze(rng, &mut yaml, &mut spec, today, 6);
    }
    titles(&mut yaml);
    for (title, name) in SOFTWARE {
        one_policy(rng, &mut yaml, &mut spec, name, title, "priority: 1\n");
    }
    if rng.permille(250) {
        // One department looks first at what would happen to it.
        let department = rng.pick(&DEPARTMENTS).copied().unwrap_or_default();
        let condition = format!("priority: 5\nmode: observe\nwhere: 'person.department == \"{department}\"'\n");
        one_policy(rng, &mut yaml, &mut spec, "observed", TITLES[0], &condition);
        spec.terms.entry("observed".to_owned()).and_modify(|terms| terms.observes = true);
    }
    if let Some((title, version)) = &block {
        let until = today.checked_add(jiff::Span::new().days(30)).unwrap_or(today);
        let _ = writeln!(
            yaml,
            "---\nblock: it breaks\ntitle: {title}\nreleases: \"={version}\"\nwhy: it breaks\nuntil: {until}"
        );
    }
    spec.yaml = yaml;
    spec.block = block;
    spec
}

fn begin_rollout(yaml: &mut String, name: &str, gated: bool) {
    let gate = if gated { format!("    gate: {name}\n") } else { String::new() };
    let _ = writeln!(yaml, "  {name}:\n{gate}    rings:");
}

/// What a gate of a fleet asks.
fn gate(rng: &mut Rng, fleet: usize, asks: Asks) -> String {
    let silence = if asks.silence { ", silence: 1%, silent_after: 16h" } else { "" };
    let reports = if asks.reports { ", reports: 2%" } else { "" };
    let signals =
        if asks.signal { ", signals: [{ name: crashes, from: monitoring, no_worse_than: control }]" } else { "" };
    // Few devices are sure of little.
    let rates = if fleet > 200 {
        [("2%", "90%"), ("5%", "90%"), ("10%", "90%")]
    } else {
        [("5%", "90%"), ("20%", "80%"), ("20%", "80%")]
    };
    let (rate, confidence) = *rng.pick(&rates).unwrap_or(&rates[0]);
    let enough = if fleet > 200 && rng.permille(250) { "" } else { ", enough: 80%" };
    format!("failure_rate: {rate}, confidence: {confidence}{enough}, patience: 3d{silence}{reports}{signals}")
}

/// The shares of the rings in a fleet: a canary ring of some ten devices, and the rest without a share.
pub fn shares(fleet: usize) -> [Option<f64>; 3] {
    if fleet > 200 { [Some(0.02), Some(0.25), None] } else { [Some(0.2), Some(0.3), None] }
}

/// The shares of rings of these names: the first is the same in all, and the one that is added takes a part of the next.
fn shares_of(names: &[&str], fleet: usize) -> Vec<Option<f64>> {
    let [first, second, last] = shares(fleet);
    match names.len() {
        2 => vec![first, last],
        4 => vec![first, second.map(|share| share / 4.0), second.map(|share| share * 3.0 / 4.0), last],
        _ => vec![first, second, last],
    }
}

fn titles(yaml: &mut String) {
    for title in TITLES {
        let _ = writeln!(yaml, "---\ntitle: {title}\nname: {title}\nscheme: semver\nidentifiers: {{ deb: [{title}] }}");
    }
}

fn windows(yaml: &mut String) {
    yaml.push_str("windows:\n");
    for Rule { name, rule, window } in &WINDOWS {
        let _ = writeln!(yaml, "  {name}: {{ rrule: \"{rule}\", lasts: {}m }}", window.minutes);
    }
}

fn freeze(rng: &mut Rng, yaml: &mut String, spec: &mut PolicySpec, today: Date, within: i64) {
    let from = today.checked_add(jiff::Span::new().days(rng.between(0, within))).unwrap_or(today);
    let to = from.checked_add(jiff::Span::new().days(rng.between(1, 5))).unwrap_or(from);
    let yields = rng.permille(500);
    spec.freezes.push((from, to, yields));
    let unless = if yields { ", unless: exposure.kev" } else { "" };
    let _ = writeln!(yaml, "freezes:\n  - {{ name: busy days, from: {from}, to: {to}{unless} }}");
}

fn one_policy(rng: &mut Rng, yaml: &mut String, spec: &mut PolicySpec, name: &str, title: &str, condition: &str) {
    let phase_in = *rng.pick(&[0, 3, 14, 30]).unwrap_or(&14);
    spec.phase_in_days.insert(name.to_owned(), phase_in);
    let _ = write!(yaml, "---\npolicy: {name}\nowner: ops@acme.example\nwhy: it has to be new\n{condition}");
    let _ = writeln!(yaml, "software: [\"{title}\"]\nphase_in: {phase_in}d");
    let mut terms = TermsSpec::default();
    // A policy of an organisation that lives by rollouts names one, nearly always.
    let by_rollouts = condition.starts_with("priority: 1\n");
    // The mandate names the rollout of some.
    let free = !["editors", "browsers"].contains(&name);
    let which = if name == "special" || (free && rng.permille(500)) { ROLLOUTS[1] } else { ROLLOUTS[0] };
    terms.rollout = rng.permille(if by_rollouts { 950 } else { 500 }).then_some(which);
    if terms.rollout.is_some() {
        // A distribution's packages move in snapshots, and sometimes what a vendor publishes.
        let in_snapshots = by_rollouts && rng.permille(if title == PACKAGE { 700 } else { 200 });
        let every = *rng.pick(&["12h", "1d", "2d"]).unwrap_or(&"1d");
        let _ = match in_snapshots {
            true => writeln!(yaml, "rollout: {{ use: {which}, every: {every} }}"),
            false => writeln!(yaml, "rollout: {which}"),
        };
    }
    if rng.permille(if by_rollouts { 100 } else { 400 }) {
        let _ = writeln!(yaml, "min_age: {}d", rng.between(1, 4));
    }
    if rng.permille(350) {
        let chosen = if rng.permille(400) { 0 } else { rng.below(WINDOWS.len() as u64) as usize };
        let waits = rng.permille(500);
        let Rule { name, window, .. } = &WINDOWS[chosen];
        terms.window = Some(WindowSpec { waits, ..*window });
        let after = if waits { "wait" } else { "run" };
        let _ = writeln!(yaml, "window: {{ use: {name}, after_due: {after} }}");
    }
    if title == TITLES[2] && rng.permille(500) {
        yaml.push_str(if rng.permille(600) { "presence: required\n" } else { "presence: forbidden\n" });
    }
    if rng.permille(500) {
        let reboot = if rng.permille(700) { "at_due" } else { "ask" };
        let mut relaunch = String::new();
        if rng.permille(600) {
            let hours = rng.between(1, 6);
            terms.not_while = Some((vec![Busy::Call, Busy::Focus], hours));
            let _ = write!(relaunch, ", relaunch: {{ mode: at_due, not_while: [call, focus], wait_up_to: {hours}h }}");
        }
        let _ = writeln!(
            yaml,
            "experience: {{ notify: {}h, defer: {{ times: 2, for: 8h }}, reboot: {{ mode: {reboot} }}{relaunch} }}",
            rng.between(1, 8)
        );
    }
    if rng.permille(if by_rollouts { 150 } else { 600 }) {
        spec.limited.insert(name.to_owned());
        let (most, settle) = (rng.between(1, 3), rng.between(0, 90));
        let drain = if rng.permille(100) { ", drain: lb" } else { "" };
        let health = if rng.permille(300) { ", health: lb" } else { "" };
        let _ = writeln!(
            yaml,
            "disruption: {{ group_by: device.cluster, max_unavailable: {most}, settle: {settle}m, silent_after: 2d{drain}{health} }}"
        );
    }
    yaml.push_str("deadline:\n");
    let ahead = terms.rollout.is_some() && rng.permille(250);
    terms.proceeds = ahead;
    let ahead = if ahead { ", at_due: proceed" } else { "" };
    if rng.permille(500) {
        let _ = writeln!(yaml, "  - {{ if: exposure.kev, within: 2d, min_age: 0h{ahead} }}");
    }
    if rng.permille(500) {
        yaml.push_str("  - { if: exposure.cvss >= 9.0 || exposure.epss >= 0.5, within: 7d }\n");
    }
    if rng.permille(200) {
        yaml.push_str("  - { if: 'since(exposure.known_at) > duration(\"5d\")', within: 6d }\n");
    }
    let _ = writeln!(yaml, "  - {{ within: {}d{ahead} }}", rng.between(10, 21));
    spec.terms.insert(name.to_owned(), terms);
}
