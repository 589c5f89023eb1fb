//! When unattended-upgrades runs: the timer `apt-daily-upgrade` (systemd.timer(5), systemd.time(7)).

use super::{
    super::{File, Imported},
    conf::Value,
};
use jiff::SignedDuration;
use std::collections::BTreeSet;

/// Days as rules of recurrence write them, from Monday on, with how a list may begin a day's name.
const DAYS: [(&str, &str); 7] =
    [("MO", "mon"), ("TU", "tue"), ("WE", "wed"), ("TH", "thu"), ("FR", "fri"), ("SA", "sat"), ("SU", "sun")];

const UNIT: &str = "apt-daily-upgrade.timer";

/// When it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timer {
    /// Days of the week, from Monday on.
    days: BTreeSet<usize>,
    hours: Vec<u32>,
    minute: u32,
    /// How much later than that at the most.
    pub delay: SignedDuration,
    /// Whether it is switched off for good: its unit is empty, or a link to nothing.
    pub masked: bool,
    /// Where it is said.
    pub from: String,
}

impl Timer {
    /// The timer as Debian and Ubuntu ship it.
    fn shipped() -> Timer {
        Timer {
            days: (0..7).collect(),
            hours: vec![6],
            minute: 0,
            delay: SignedDuration::from_hours(1),
            masked: false,
            from: format!("{UNIT} as it is shipped"),
        }
    }

    /// The timer of a machine: its unit, and the drop-ins in the order of their names.
    pub fn read(files: &[File], imported: &mut Imported) -> Timer {
        let mut timer = Timer::shipped();
        let drop_in = format!("{UNIT}.d/");
        let mut known: Vec<&File> = files
            .iter()
            .filter(|file| {
                file.path.ends_with(&format!("/{UNIT}"))
                    || (file.path.contains(&drop_in) && file.path.ends_with(".conf"))
            })
            .collect();
        // A unit comes before its drop-ins.
        let rank =
            |file: &File| (file.path.contains(&drop_in), file.path.rsplit('/').next().unwrap_or_default().to_owned());
        known.sort_by_key(|file| rank(file));
        let mut unit_read = false;
        for file in known {
            if !file.path.contains(&drop_in) {
                // The administrator's unit takes the place of the distribution's, which comes after it.
                if std::mem::replace(&mut unit_read, true) {
                    continue;
                }
                timer.masked = file.text.trim().is_empty();
            }
            timer.add(file, imported);
        }
        timer
    }

    fn add(&mut self, file: &File, imported: &mut Imported) {
        let mut calendars = 0;
        let mut section = "";
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                section = line;
                continue;
            }
            let from = format!("{}:{}", file.path, number + 1);
            let Some((key, value)) = line.split_once('=').filter(|_| section == "[Timer]") else { continue };
            match (key.trim(), value.trim()) {
                ("OnCalendar", "") => calendars = 0,
                ("OnCalendar", text) => match calendar(text) {
                    Some((days, hours, minute)) if calendars == 0 => {
                        calendars += 1;
                        self.from.clone_from(&from);
                        (self.days, self.hours, self.minute) = (days, hours, minute);
                    }
                    Some(_) => imported.leave_out(&from, "OnCalendar", "a policy has one window: the first counts"),
                    None => imported.leave_out(
                        &from,
                        &format!("OnCalendar: {text}"),
                        "no window opens so: the time before it is taken",
                    ),
                },
                ("RandomizedDelaySec", text) => match span(text) {
                    Some(delay) => self.delay = delay,
                    None => {
                        imported.leave_out(&from, &format!("RandomizedDelaySec: {text}"), "it is no length of time")
                    }
                },
                ("Persistent", "true" | "yes" | "1" | "on") => {}
                ("Persistent", _) => {
                    imported.leave_out(
                        &from,
                        "Persistent",
                        "a run that was missed is not made up for; nor is a window that was",
                    );
                }
                ("AccuracySec" | "FixedRandomDelay" | "Unit" | "WakeSystem", _) => {}
                (key, _) => imported.leave_out(&from, key, "only times of the calendar become a window"),
            }
        }
    }

    /// The timer on those days alone that a list names, as `Unattended-Upgrade::Update-Days` does.
    pub fn on(mut self, list: &[&Value], imported: &mut Imported) -> Timer {
        let mut named = BTreeSet::new();
        for value in list {
            match day(&value.text) {
                Some(day) => drop(named.insert(day)),
                None => imported.leave_out(
                    &value.from,
                    &format!("Update-Days: {}", value.text),
                    "it is no day in English or by number",
                ),
            }
        }
        if named.is_empty() {
            return self;
        }
        let both: BTreeSet<usize> = self.days.intersection(&named).copied().collect();
        match (both.is_empty(), list.first()) {
            (true, Some(first)) => imported.leave_out(&first.from, "Update-Days", "the timer never runs on these days"),
            (false, Some(first)) => {
                self.from = format!("{}, {}: Update-Days", self.from, first.from);
                self.days = both;
            }
            (_, None) => {}
        }
        self
    }

    /// As a rule of recurrence.
    pub fn rule(&self) -> String {
        let mut rule = if self.days.len() == DAYS.len() {
            "FREQ=DAILY".to_owned()
        } else {
            let days: Vec<&str> = self.days.iter().filter_map(|day| DAYS.get(*day)).map(|(name, _)| *name).collect();
            format!("FREQ=WEEKLY;BYDAY={}", days.join(","))
        };
        let hours: Vec<String> = self.hours.iter().map(u32::to_string).collect();
        rule += &format!(";BYHOUR={}", hours.join(","));
        if self.minute != 0 {
            rule += &format!(";BYMINUTE={}", self.minute);
        }
        rule
    }

    /// The longest time between two runs, if one has to be `least` days after the last.
    pub fn longest_gap(&self, least: i64) -> SignedDuration {
        let days: Vec<i64> = self.days.iter().map(|day| *day as i64).collect();
        // The last day of one week and the first of the next are neighbours too.
        let next = days.iter().skip(1).copied().chain(days.first().map(|first| first + 7));
        let longest = days.iter().zip(next).map(|(day, next)| next - day).max().unwrap_or(7);
        // Midnights are compared: a run is made on the first of the timer's days on which enough have passed.
        let days = if longest == 1 { least.max(1) } else { (least.max(1) + longest - 1).max(longest) };
        SignedDuration::from_hours(24 * days)
    }
}

type Calendar = (BTreeSet<usize>, Vec<u32>, u32);

/// Days and times of a calendar expression, as far as a window can open so.
fn calendar(text: &str) -> Option<Calendar> {
    let every = || (0..7).collect::<BTreeSet<usize>>();
    match text.to_ascii_lowercase().as_str() {
        "daily" => return Some((every(), vec![0], 0)),
        "weekly" => return Some(([0].into(), vec![0], 0)),
        _ => {}
    }
    let mut days = every();
    let mut time = None;
    for (index, word) in text.split_whitespace().enumerate() {
        if index == 0 && word.starts_with(|c: char| c.is_ascii_alphabetic()) {
            days = list_of_days(word)?;
        } else if word == "*-*-*" {
        } else if time.is_none() && word.contains(':') {
            time = Some(word);
        } else {
            return None;
        }
    }
    let mut parts = time.unwrap_or("00:00").split(':');
    let hours: Vec<u32> =
        parts.next()?.split(',').map(|hour| hour.parse().ok().filter(|hour| *hour < 24)).collect::<Option<_>>()?;
    let minute: u32 = parts.next()?.parse().ok().filter(|minute| *minute < 60)?;
    match parts.next() {
        None | Some("00" | "0") => Some((days, hours, minute)),
        Some(_) => None,
    }
}

fn list_of_days(text: &str) -> Option<BTreeSet<usize>> {
    let mut days = BTreeSet::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        match part.split_once("..") {
            Some((from, to)) => {
                let (from, to) = (day(from)?, day(to)?);
                if from > to {
                    return None;
                }
                days.extend(from..=to);
            }
            None => drop(days.insert(day(part)?)),
        }
    }
    (!days.is_empty()).then_some(days)
}

/// A day by its English name, or by its number from Sunday on.
fn day(text: &str) -> Option<usize> {
    if let Ok(number) = text.parse::<usize>() {
        return (number < 7).then_some((number + 6) % 7);
    }
    const FULL: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let text = text.to_ascii_lowercase();
    (0..7).find(|day| text == FULL[*day] || text == DAYS[*day].1)
}

/// A length of time as systemd writes it: `60m`, `1h 30min`, `300`.
fn span(text: &str) -> Option<SignedDuration> {
    let mut seconds: i64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest[..end].parse().ok()?;
        let after = rest[end..].trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let unit = match &after[..end] {
            "" | "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => 60,
            "h" | "hr" | "hour" | "hours" => 3_600,
            "d" | "day" | "days" => 86_400,
            _ => return None,
        };
        seconds =
            number.checked_mul(unit).and_then(|part| seconds.checked_add(part)).filter(|sum| *sum <= 7 * 86_400)?;
        rest = after[end..].trim_start();
    }
    Some(SignedDuration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Timer, usize) {
        let mut imported = Imported::default();
        let path = format!("etc/systemd/system/{UNIT}.d/override.conf");
        let timer = Timer::read(&[File { path, text: format!("[Timer]\n{text}") }], &mut imported);
        (timer, imported.left_out.len())
    }

    #[test]
    fn times_of_the_calendar_become_a_rule() {
        for (text, rule) in [
            ("", "FREQ=DAILY;BYHOUR=6"),
            ("OnCalendar=\nOnCalendar=*-*-* 02:45\n", "FREQ=DAILY;BYHOUR=2;BYMINUTE=45"),
            ("OnCalendar=\nOnCalendar=Sun 19:00\n", "FREQ=WEEKLY;BYDAY=SU;BYHOUR=19"),
            ("OnCalendar=\nOnCalendar=Mon..Fri *-*-* 6,18:00:00\n", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=6,18"),
            ("OnCalendar=daily\n", "FREQ=DAILY;BYHOUR=0"),
        ] {
            let (timer, left_out) = read(text);
            assert_eq!((timer.rule().as_str(), left_out), (rule, 0), "{text}");
        }
        for text in [
            "OnCalendar=*-*-01 02:00\n",
            "OnCalendar=02:00 Asia/Tokyo\n",
            "OnBootSec=5m\n",
            "RandomizedDelaySec=soon\n",
        ] {
            assert_eq!(read(text).1, 1, "{text}");
        }
    }

    #[test]
    fn the_longest_time_between_two_runs() {
        let hours = |text: &str, days| read(text).0.longest_gap(days).as_hours() / 24;
        assert_eq!([hours("", 1), hours("", 3)], [1, 3]);
        assert_eq!([hours("OnCalendar=Sun 02:00", 1), hours("OnCalendar=Sat,Sun 02:00", 1)], [7, 6]);
        assert_eq!(span("1h 30min").unwrap().as_mins(), 90);
    }
}
