//! unattended-upgrades on Debian and Ubuntu: what is taken, what is kept back, when, and whether the machine restarts.
//!
//! Read as `unattended-upgrade` and `apt.systemd.daily` do: options of apt.conf(5) over all files, origins by pattern, names that are kept
//! back by regular expressions that have to match from the first letter on, runs by the timer `apt-daily-upgrade` once the last is as many
//! days ago as `APT::Periodic::Unattended-Upgrade` says, and pins of apt_preferences(5).

mod conf;
mod origins;
mod preferences;
mod timer;

use super::{Document, File, Imported, Names, Window, conditions::all};
use conf::Options;
use jiff::SignedDuration;
use origins::{Origins, System};
use refit_core::policy::{document::scalars::Duration, resolve::Titles};
use serde_json::json;
use std::collections::BTreeSet;
use timer::Timer;

/// The window that the timer is.
const WINDOW: &str = "apt-daily-upgrade";

/// The policy of all that is taken.
const POLICY: &str = "unattended-upgrades";

/// The shortest window that policies may have: a session may take as long.
const SHORTEST: SignedDuration = SignedDuration::from_mins(30);

/// Options that say how, and not what or when, or whom they write to: nothing is lost where they say something.
const WITHOUT_BEARING: [&str; 19] = [
    "allow-apt-mark-fallback",
    "autofixinterrupteddpkg",
    "debug",
    "devrelease",
    "dpkg-options",
    "ignoreappsrequirerestart",
    "keep-debs-after-install",
    "lock-timeout",
    "logdir",
    "mail",
    "mailonlyonerror",
    "mailreport",
    "minimalsteps",
    "remove-new-unused-dependencies",
    "remove-unused-kernel-packages",
    "sender",
    "syslogenable",
    "syslogfacility",
    "verbose",
];

/// Options that are read.
const READ: [&str; 9] = [
    "allowed-origins",
    "automatic-reboot",
    "automatic-reboot-time",
    "automatic-reboot-withusers",
    "origins-pattern",
    "package-blacklist",
    "package-whitelist",
    "package-whitelist-strict",
    "update-days",
];

/// The documents that the configuration of a machine comes to, or of many that have the same. `condition` says which, besides their system.
pub fn import(files: &[File], titles: &Titles, condition: Option<&str>) -> Imported {
    let mut imported = Imported::default();
    let options = options(files, &mut imported);
    let origins = Origins::read(&options, system(files), &mut imported);
    if origins.software.is_empty() {
        imported.leave_out(
            "Unattended-Upgrade::Origins-Pattern",
            "",
            "it names nothing that a policy can: nothing is upgraded by it",
        );
        return imported;
    }
    let mut names = Names::new(titles);
    let mut conditions = origins.conditions();
    conditions.extend(condition.map(|condition| format!("({condition})")));
    let whom = all(&conditions);
    let timer = Timer::read(files, &mut imported).on(&options.list("Unattended-Upgrade::Update-Days"), &mut imported);
    let interval = match timer.masked {
        true => Err(format!("the timer is masked: {}", timer.from)),
        false => interval(&options, &mut imported),
    };
    let policy = Document::new("policy", &names.unused("policy", POLICY), "")
        .with("where", json!(whom), origins.system_from.as_str())
        .with("software", json!(software(&options, &origins, &mut imported)), origins.from.as_str());
    let (days, from) = match interval {
        Ok(known) => known,
        // The old tool does nothing: nor does the policy, whatever others do.
        Err(from) => {
            imported.documents.push(policy.with("mode", json!("observe"), from));
            kept_back(&options, &whom, &mut names, &mut imported);
            return imported;
        }
    };
    let within = timer.longest_gap(days).saturating_add(timer.delay);
    let lasts = timer.delay.max(SHORTEST);
    if timer.delay < SHORTEST {
        let why = format!(
            "a run begins within {} of the timer: a window is open for half an hour at the least",
            Duration(timer.delay)
        );
        imported.leave_out(&timer.from, "RandomizedDelaySec", why);
    }
    imported.windows.insert(
        WINDOW.to_owned(),
        Window { rrule: timer.rule(), lasts: Duration(lasts).to_string(), from: timer.from.clone() },
    );
    let due = format!("{from}, {}: the latest run after an update is offered", timer.from);
    let (reboot, reboot_from) = restart(&options, &mut imported);
    imported.documents.push(
        policy
            .with("deadline", json!([{ "within": Duration(within).to_string() }]), due)
            .with("phase_in", json!("0h"), "")
            .with("window", json!({ "use": WINDOW, "after_due": "wait" }), timer.from.as_str())
            .with(
                "packages",
                json!({ "install_new": true, "upgrade_others": true }),
                "unattended-upgrades brings what upgrades depend on",
            )
            .with("experience", json!({ "reboot": { "mode": reboot } }), reboot_from),
    );
    if days > 1 {
        let why =
            format!("it runs every {days} days, counted from its last run: the window opens at every run of the timer");
        imported.leave_out(&from, "", why);
    }
    kept_back(&options, &whom, &mut names, &mut imported);
    preferences::import(files, POLICY, &whom, &mut names, &mut imported);
    unread(&options, &mut imported);
    imported.settle(titles)
}

/// The options of all files, in the order in which apt reads them: the folder by names, then `apt.conf`.
fn options(files: &[File], imported: &mut Imported) -> Options {
    let mut options = Options::default();
    let mut known: Vec<(bool, &str, &File)> = files
        .iter()
        .filter_map(|file| {
            let (folder, name) = file.path.rsplit_once('/').unwrap_or(("apt.conf.d", &file.path));
            match (folder.ends_with("apt.conf.d"), name) {
                (true, name) => Some((false, name, file)),
                (false, "apt.conf") => Some((true, name, file)),
                _ => None,
            }
        })
        .collect();
    known.sort();
    for (_, name, file) in known {
        // apt reads files without an ending, or with `.conf`, and silently none else.
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !plain || name.rsplit_once('.').is_some_and(|(_, ending)| ending != "conf") {
            imported.leave_out(&file.path, "", "apt does not read it, because of its name");
            continue;
        }
        for why in options.add(&file.path, &file.text).err().into_iter().flatten() {
            imported.leave_out(&file.path, "", why);
        }
    }
    options
}

/// The system of the machine that the files are from.
fn system(files: &[File]) -> Option<System> {
    let file =
        files.iter().find(|file| file.path.ends_with("etc/os-release") || file.path.ends_with("usr/lib/os-release"))?;
    let value = |key: &str| {
        let line = file.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches(['"', '\'']).to_owned())
    };
    Some(System { os: value("ID")?, from: file.path.clone() })
}

/// Every how many days it runs, and where that is said; an error is that it does not.
fn interval(options: &Options, imported: &mut Imported) -> Result<(i64, String), String> {
    const NAME: &str = "APT::Periodic::Unattended-Upgrade";
    let said = |name: &str| options.value(name).map(|value| format!("{}: {name}", value.from));
    if !options.is_on("APT::Periodic::Enable", true) {
        return Err(said("APT::Periodic::Enable").unwrap_or_default());
    }
    let lists = options.value("APT::Periodic::Update-Package-Lists").map_or("0", |value| value.text.as_str());
    if matches!(lists, "0" | "") {
        let why = "apt refreshes no lists by itself: it upgrades to what somebody else has fetched, and Refit fetches";
        imported.leave_out("APT::Periodic::Update-Package-Lists", "", why);
    }
    let Some(value) = options.value(NAME) else { return Err(not_set(options, NAME)) };
    let from = format!("{}: {NAME}", value.from);
    let text = value.text.trim();
    if text == "always" {
        return Ok((1, from));
    }
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "d"),
    };
    let days = match (number.parse::<i64>(), unit) {
        (Ok(0), _) => return Err(from),
        (Ok(days), "d") if days <= 365 => days,
        // Midnights are compared: what is shorter than a day has passed on the next.
        (Ok(_), "s" | "m" | "h") => 1,
        _ => {
            imported.leave_out(&value.from, NAME, format!("`{text}` is no number of days: one is taken"));
            1
        }
    };
    Ok((days, from))
}

/// What of all that the origins have is taken.
fn software(options: &Options, origins: &Origins, imported: &mut Imported) -> Vec<String> {
    let list = options.list("Unattended-Upgrade::Package-Whitelist");
    if list.is_empty() {
        return origins.software.clone();
    }
    let mut software = BTreeSet::new();
    for entry in list {
        match package(&entry.text) {
            Ok(package) => drop(software.insert(package)),
            Err(why) => imported.leave_out(&entry.from, &format!("Package-Whitelist: {}", entry.text), why),
        }
    }
    if !origins.software.iter().any(|software| software == "os/*") {
        let why =
            "packages by name come from any archive of the machine: only security updates of them can't be asked for";
        imported.leave_out("Unattended-Upgrade::Package-Whitelist", "", why);
    }
    if !options.is_on("Unattended-Upgrade::Package-Whitelist-Strict", false) {
        let why = "what these packages depend on is upgraded as they need it";
        imported.leave_out("Unattended-Upgrade::Package-Whitelist-Strict", "", why);
    }
    software.into_iter().collect()
}

/// Packages that are kept back: a policy above the other, by which nothing is moved.
fn kept_back(options: &Options, whom: &str, names: &mut Names<'_>, imported: &mut Imported) {
    const NAME: &str = "Unattended-Upgrade::Package-Blacklist";
    let mut software = BTreeSet::new();
    let mut from = BTreeSet::new();
    for entry in options.list(NAME) {
        match package(&entry.text) {
            Ok(package) => {
                software.insert(package);
                from.insert(entry.from.as_str());
            }
            Err(why) => imported.leave_out(&entry.from, &format!("Package-Blacklist: {}", entry.text), why),
        }
    }
    if software.is_empty() {
        return;
    }
    let from = format!("{}: {NAME}", from.into_iter().collect::<Vec<_>>().join(", "));
    let name = names.unused("policy", &format!("{POLICY}: kept back"));
    imported.documents.push(
        Document::new("policy", &name, "")
            .with("mode", json!("observe"), from.as_str())
            .with("priority", json!(1), "")
            .with("where", json!(whom), "")
            .with("software", json!(software), from.as_str()),
    );
}

/// Packages as a regular expression of Python's chooses them, which matches from the first letter on.
fn package(expression: &str) -> Result<String, String> {
    let text = expression.strip_prefix('^').unwrap_or(expression);
    let (text, exact) = match text.strip_suffix('$') {
        Some(text) => (text, true),
        None => (text.strip_suffix(".*").unwrap_or(text), false),
    };
    let mut name = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped @ ('.' | '+' | '-')) => name.push(escaped),
                _ => {
                    return Err(
                        "only names and starts of names can be kept back: write a policy for what it means".to_owned()
                    );
                }
            },
            'a'..='z' | '0'..='9' | '-' => name.push(letter),
            _ => {
                return Err(
                    "only names and starts of names can be kept back: write a policy for what it means".to_owned()
                );
            }
        }
    }
    match name.as_str() {
        "" => Err("it matches every package".to_owned()),
        name if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) => {
            Err("no package has such a name".to_owned())
        }
        name if exact && (name.len() < 2 || name.ends_with('-')) => Err("no package has such a name".to_owned()),
        name if exact => Ok(format!("deb/{name}")),
        name => Ok(format!("deb/{name}*")),
    }
}

/// That an option is not set, as far as that is known.
fn not_set(options: &Options, name: &str) -> String {
    if options.incomplete {
        format!("whether {name} is set is not known: a file was not read whole")
    } else {
        format!("{name} is not set")
    }
}

/// When the machine restarts, and where that is said.
fn restart(options: &Options, imported: &mut Imported) -> (&'static str, String) {
    let from = |name: &str| options.value(name).map(|value| format!("{}: {name}", value.from));
    const NAME: &str = "Unattended-Upgrade::Automatic-Reboot";
    if !options.is_on(NAME, false) {
        return ("never", from(NAME).unwrap_or_else(|| not_set(options, NAME)));
    }
    let time = options.value("Unattended-Upgrade::Automatic-Reboot-Time");
    if let Some(time) = time.filter(|time| time.text != "now") {
        let why = format!("the restart at {} is made in the window, as soon as it is due", time.text);
        imported.leave_out(&time.from, "Unattended-Upgrade::Automatic-Reboot-Time", why);
    }
    if !options.is_on("Unattended-Upgrade::Automatic-Reboot-WithUsers", true) {
        let why = "a restart does not wait until nobody is logged in";
        imported.leave_out("Unattended-Upgrade::Automatic-Reboot-WithUsers", "", why);
    }
    ("at_due", from(NAME).unwrap_or_default())
}

/// Options that say something, and that nothing came of.
fn unread(options: &Options, imported: &mut Imported) {
    for setting in options.below("Unattended-Upgrade") {
        let mut parts = setting.name.split("::").skip(1);
        let option = parts.next().unwrap_or_default().to_ascii_lowercase();
        if WITHOUT_BEARING.contains(&option.as_str()) || READ.contains(&option.as_str()) {
            continue;
        }
        let first = setting.value.iter().chain(&setting.entries).next();
        let Some(first) = first else { continue };
        let off = matches!(first.text.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off");
        if off && setting.entries.is_empty() {
            continue;
        }
        let why = match option.as_str() {
            "remove-unused-dependencies" => "what nothing needs any more is left in place",
            "installonshutdown" => "nothing is installed while a machine shuts down: updates come in the window",
            "postpone-for-days" | "postpone-wait-time" => {
                "people put a change off a number of times (`experience: { defer }`), not for days"
            }
            "onlyonacpower" => "whether a machine runs on its battery is not asked",
            "skip-updates-on-metered-connections" => "whether a connection is metered is not asked",
            "allow-downgrade" => "nothing goes to an older version unless a policy pins it",
            _ => "it is not known what this does",
        };
        imported.leave_out(&first.from, &setting.name, why);
    }
}

#[cfg(test)]
mod tests {
    use super::package;

    #[test]
    fn names_are_matched_from_the_first_letter_on() {
        for (expression, software) in [
            ("linux-", "deb/linux-*"),
            ("^linux-image.*", "deb/linux-image*"),
            ("libc6$", "deb/libc6"),
            ("libstdc\\+\\+6$", "deb/libstdc++6"),
            ("nginx", "deb/nginx*"),
        ] {
            assert_eq!(package(expression).as_deref(), Ok(software), "{expression}");
        }
        for expression in ["(lib)?xen(store)?", "linux-image-*", ".*", "$", "[a-z]+", "a|b", "x$", "lib.x"] {
            assert!(package(expression).is_err(), "{expression}");
        }
    }
}
