//! Policy repositories that operators come up with: texts, and what the invariants have to know of them.

use super::rng::Rng;
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
/// The rings of the rollout, in their order.
pub const RINGS: [&str; 3] = ["canary", "early", "rest"];

/// A policy repository.
#[derive(Clone, Debug)]
pub struct PolicySpec {
    /// Its only file.
    pub yaml: String,
    /// How long each policy forces nobody, in days.
    pub phase_in_days: BTreeMap<String, i64>,
    /// The rolling budgets.
    pub budgets: Vec<BudgetSpec>,
    /// Whether it has exceptions.
    pub has_exceptions: bool,
    /// Whether a gate stands between its rings.
    pub gated: bool,
    /// The policies that disruption groups limit.
    pub limited: BTreeSet<String>,
}

impl PolicySpec {
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
    let mut spec = PolicySpec {
        yaml: String::new(),
        phase_in_days: BTreeMap::new(),
        budgets: Vec::new(),
        has_exceptions: false,
        gated: rng.permille(700),
        limited: BTreeSet::new(),
    };
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
    let gate = if spec.gated { "    gate: careful\n" } else { "" };
    if spec.gated {
        let measures = if rng.permille(500) { ", silence: 5%, reports: 5%" } else { "" };
        let _ = writeln!(yaml, "gates: {{ careful: {{ enough: 60%, patience: 4d{measures} }} }}");
    }
    let _ = writeln!(
        yaml,
        "rollouts:\n  staged:\n{gate}    rings:\n      - {{ name: canary, where: 'person.department == \"{canary}\"', soak: 1d }}"
    );
    let _ = writeln!(yaml, "      - {{ name: early, share: {share}%, soak: 1d }}\n      - {{ name: rest }}");
    if rng.permille(250) {
        let from = today.checked_add(jiff::Span::new().days(rng.between(0, 10))).unwrap_or(today);
        let to = from.checked_add(jiff::Span::new().days(rng.between(1, 6))).unwrap_or(from);
        let unless = if rng.permille(500) { ", unless: exposure.kev" } else { "" };
        let _ = writeln!(yaml, "freezes:\n  - {{ name: busy days, from: {from}, to: {to}{unless} }}");
    }
    for title in TITLES {
        let _ = writeln!(yaml, "---\ntitle: {title}\nname: {title}\nscheme: semver\nidentifiers: {{ deb: [{title}] }}");
    }
    let software = [(TITLES[0], "editors"), (TITLES[1], "browsers"), (TITLES[2], "guards"), (PACKAGE, "packages")];
    for (title, name) in software {
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
    spec.yaml = yaml;
    spec
}

fn one_policy(rng: &mut Rng, yaml: &mut String, spec: &mut PolicySpec, name: &str, title: &str, condition: &str) {
    let phase_in = *rng.pick(&[0, 3, 14, 30]).unwrap_or(&14);
    spec.phase_in_days.insert(name.to_owned(), phase_in);
    let _ = write!(yaml, "---\npolicy: {name}\nowner: ops@acme.example\nwhy: it has to be new\n{condition}");
    let _ = writeln!(yaml, "software: [\"{title}\"]\nphase_in: {phase_in}d");
    if rng.permille(500) {
        yaml.push_str("rollout: staged\n");
    }
    if rng.permille(400) {
        let _ = writeln!(yaml, "min_age: {}d", rng.between(1, 4));
    }
    if title == TITLES[2] && rng.permille(500) {
        yaml.push_str(if rng.permille(600) { "presence: required\n" } else { "presence: forbidden\n" });
    }
    if rng.permille(400) {
        let reboot = if rng.permille(700) { "at_due" } else { "ask" };
        let _ = writeln!(yaml, "experience: {{ notify: {}h, reboot: {{ mode: {reboot} }} }}", rng.between(1, 8));
    }
    if rng.permille(600) {
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
    if rng.permille(500) {
        yaml.push_str("  - { if: exposure.kev, within: 2d, min_age: 0h }\n");
    }
    if rng.permille(500) {
        yaml.push_str("  - { if: exposure.cvss >= 9.0 || exposure.epss >= 0.5, within: 7d }\n");
    }
    if rng.permille(200) {
        yaml.push_str("  - { if: 'since(exposure.known_at) > duration(\"5d\")', within: 6d }\n");
    }
    let _ = writeln!(yaml, "  - {{ within: {}d }}", rng.between(10, 21));
}
