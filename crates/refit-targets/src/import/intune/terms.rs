//! What an update ring says of when, and of what people meet.

use super::read::Assigned;
use crate::import::{Imported, Names, Window};
use jiff::{SignedDuration, civil};
use refit_core::policy::document::scalars::Duration;
use serde_json::{Value, json};

/// The largest that such a number may be: Windows defers and forces within a year.
pub(super) const LARGEST: i64 = 365;

/// What a ring says of when, and of what people meet.
#[derive(Clone, Debug, Default)]
pub(super) struct Terms {
    pub mode: Option<(&'static str, String)>,
    pub lines: Vec<(&'static str, Value, String)>,
}

impl Terms {
    pub(super) fn read(ring: &Assigned, names: &mut Names<'_>, imported: &mut Imported) -> Terms {
        let Assigned { object, from, .. } = ring;
        let mut terms = Terms::default();
        let days = |key: &str| whole(object, key);
        let deferral = days("qualityUpdatesDeferralPeriodInDays").unwrap_or(0);
        let deadline = days("deadlineForQualityUpdatesInDays");
        if deferral > 0 {
            terms.lines.push(("min_age", length(deferral), format!("{from}: qualityUpdatesDeferralPeriodInDays")));
        }
        if let Some(deadline) = deadline {
            let within = if deadline == 0 {
                let why = "nothing is due in the moment in which it may be installed: an hour is left";
                imported.leave_out(from, "deadlineForQualityUpdatesInDays", why);
                json!(Duration(SignedDuration::from_hours(24 * deferral + 1)).to_string())
            } else {
                length(deferral + deadline)
            };
            let origin = format!("{from}: qualityUpdatesDeferralPeriodInDays + deadlineForQualityUpdatesInDays");
            terms.lines.push(("deadline", json!([{ "within": within }]), origin));
            terms.lines.push(("phase_in", json!("0h"), String::new()));
        }
        let mode = object["automaticUpdateMode"].as_str().unwrap_or_default();
        if mode == "notifyDownload" && deadline.is_none() {
            terms.mode = Some(("notify", format!("{from}: automaticUpdateMode")));
        }
        terms.window(ring, names, imported);
        let forced = deadline.is_some();
        if !forced && mode.starts_with("autoInstallAndReboot") {
            imported.leave_out(
                from,
                "automaticUpdateMode",
                "without a deadline there is no due time at which a restart could be forced",
            );
        }
        if forced && object["postponeRebootUntilAfterDeadline"] == false {
            let why = "before its due time a restart is asked for: Windows tries it outside of the active hours";
            imported.leave_out(from, "postponeRebootUntilAfterDeadline", why);
        }
        let mut experience = json!({ "reboot": { "mode": if forced { "at_due" } else { "ask" } } });
        if let Some(hours) = whole(object, "scheduleRestartWarningInHours").filter(|hours| *hours > 0) {
            experience["notify"] = json!(Duration(SignedDuration::from_hours(hours)).to_string());
        }
        terms.lines.push((
            "experience",
            experience,
            format!("{from}: the restart of a deadline, scheduleRestartWarningInHours"),
        ));
        terms
    }

    fn window(&mut self, ring: &Assigned, names: &mut Names<'_>, imported: &mut Imported) {
        let schedule = &ring.object["installationSchedule"];
        let origin = format!("{}: installationSchedule", ring.from);
        let time = |key: &str| schedule[key].as_str().and_then(|text| text.parse::<civil::Time>().ok());
        let window = match schedule["@odata.type"].as_str().map(|kind| kind.trim_start_matches("#microsoft.graph.")) {
            None => return,
            Some("windowsUpdateActiveHoursInstall") => match (time("activeHoursStart"), time("activeHoursEnd")) {
                (Some(start), Some(end)) => {
                    let minutes = |at: civil::Time| i64::from(at.hour()) * 60 + i64::from(at.minute());
                    let open = (minutes(start) - minutes(end)).rem_euclid(24 * 60);
                    (open >= 30).then(|| (daily("FREQ=DAILY", end), SignedDuration::from_mins(open)))
                }
                _ => None,
            },
            Some("windowsUpdateScheduledInstall") => time("scheduledInstallTime").and_then(|at| {
                let rule = match schedule["scheduledInstallDay"].as_str()? {
                    "everyday" => "FREQ=DAILY".to_owned(),
                    day @ ("monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday") => {
                        format!("FREQ=WEEKLY;BYDAY={}", day.get(..2)?.to_uppercase())
                    }
                    _ => return None,
                };
                Some((daily(&rule, at), SignedDuration::from_hours(1)))
            }),
            Some(_) => None,
        };
        let Some((rrule, lasts)) = window else {
            return imported.leave_out(&ring.from, "installationSchedule", "no window opens so");
        };
        let name = names.unused("window", &format!("intune-{}", crate::object::word(&ring.from, 40)));
        imported
            .windows
            .insert(name.clone(), Window { rrule, lasts: Duration(lasts).to_string(), from: origin.clone() });
        self.lines.push(("window", json!({ "use": name, "after_due": "run" }), origin));
    }

    /// Without what counts for quality updates alone.
    pub(super) fn without_deadline(&self) -> Terms {
        let lines = self.lines.iter().filter(|(key, ..)| !matches!(*key, "deadline" | "phase_in"));
        Terms { mode: self.mode.clone(), lines: lines.cloned().collect() }
    }
}

/// A number of days or hours; what is longer than a year of days is none.
pub(super) fn whole(object: &Value, key: &str) -> Option<i64> {
    object[key].as_i64().filter(|number| (0..=LARGEST).contains(number))
}

fn length(days: i64) -> Value {
    json!(Duration(SignedDuration::from_hours(24 * days)).to_string())
}

fn daily(rule: &str, at: civil::Time) -> String {
    let minute = if at.minute() == 0 { String::new() } else { format!(";BYMINUTE={}", at.minute()) };
    format!("{rule};BYHOUR={}{minute}", at.hour())
}
