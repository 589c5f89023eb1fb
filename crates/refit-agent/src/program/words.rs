//! What people read. The words are here, and nowhere else: no server writes a sentence that a person sees as the agent's.

use crate::machine::{NoticeItem, PersonSaid, Telling};
use jiff::{Timestamp, tz::TimeZone};
use refit_wire::protocol::{ReportOutcome, WaitsFor};

/// The title and the text of a message.
pub fn telling(telling: &Telling, zone: &TimeZone) -> (String, String) {
    let time = |at: &Timestamp| at.to_zoned(zone.clone()).strftime("%A %H:%M").to_string();
    match telling {
        Telling::Notice { items, at, deferrals_left, .. } => {
            let mut text: Vec<String> = items.iter().take(8).map(item).collect();
            if items.len() > 8 {
                text.push(format!("and {} more", items.len() - 8));
            }
            text.push(format!("It happens on {} at the latest.", time(at)));
            if *deferrals_left > 0 {
                let times = if *deferrals_left == 1 { "once".into() } else { format!("{deferrals_left} times") };
                text.push(format!("You can put it off {times}."));
            }
            ("Software on this machine will be updated".into(), text.join("\n"))
        }
        Telling::RestartNeeded { at, .. } => {
            let when = at.as_ref().map_or_else(
                || "It does not restart by itself.".to_owned(),
                |at| format!("It restarts by itself on {}.", time(at)),
            );
            ("This machine has to restart".into(), format!("Updates are installed and do not run yet. {when}"))
        }
        Telling::Restarting => {
            ("This machine restarts now".into(), "Updates are installed and do not run yet. Save your work.".into())
        }
        Telling::Unsupported { title, by } => {
            let by = by.as_ref().map_or_else(String::new, |by| format!(" It has to be replaced by {}.", time(by)));
            (format!("{title} is no longer supported"), format!("This machine can get no supported release of it.{by}"))
        }
        Telling::Answer { title, said, outcome } => {
            let about = title.as_ref().map_or_else(String::new, |title| format!(" about {title}"));
            let came = match outcome {
                ReportOutcome::Block => "An update was the cause. It is stopped, and given to nobody any more.",
                ReportOutcome::Fix => "It is mended. If it still happens, report it again.",
                ReportOutcome::NotUs | ReportOutcome::Other => {
                    "It was looked into, and no update was the cause. Your IT department can tell you more."
                }
            };
            ("Your report was answered".into(), format!("On {} you reported a problem{about}. {came}", time(said)))
        }
        Telling::Silence { since } => (
            "This machine gets no updates".into(),
            format!(
                "Nothing has been heard from your organisation's server since {}. Tell your IT department.",
                time(since)
            ),
        ),
    }
}

fn item(item: &NoticeItem) -> String {
    let closes = if item.closes.is_empty() {
        String::new()
    } else {
        let names: Vec<&str> = item.closes.iter().map(|id| id.as_str()).collect();
        format!(" (closes {})", names.join(", "))
    };
    match &item.version {
        Some(version) => format!("{} {version}{closes}", item.title),
        None => format!("{} is removed", item.title),
    }
}

/// The word on a button, and its name.
pub fn answer(said: &PersonSaid) -> (&'static str, &'static str) {
    match said {
        PersonSaid::Now => ("now", "Now"),
        PersonSaid::Later => ("later", "Later"),
        PersonSaid::RestartNow => ("restart", "Restart now"),
        PersonSaid::Complains(_) => ("complain", "Something broke"),
    }
}

/// Why the server is not reached, from what TLS or the network says.
pub fn unreachable(said: &str) -> String {
    let alert = said.contains("received fatal alert");
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let means = if alert && has(&["CertificateExpired"]) {
        "this device's certificate has expired, or the server's clock is wrong. If it has, enrol the device again with a \
         new token (`refit-agent enroll --again TOKEN`)"
    } else if alert && has(&["CertificateUnknown", "BadCertificate", "UnknownCA", "CertificateRevoked", "DecryptError"])
    {
        "the server does not take this device's certificate. Enrol the device again with a new token \
         (`refit-agent enroll --again TOKEN`)"
    } else if has(&["certificate expired", "Expired"]) {
        "by this device's clock the server's certificate has expired. If the clock is right, the server has to get a new one"
    } else if has(&["certificate not valid yet", "NotValidYet"]) {
        "by this device's clock the server's certificate is not valid yet: the clock is probably behind"
    } else if has(&["Broken pipe", "Connection reset"]) {
        // With TLS 1.3 the alert may come after the request was begun, and is lost then.
        "the server ended the connection, as it does where this device's certificate has expired or was revoked. If it goes on, \
         enrol the device again with a new token (`refit-agent enroll --again TOKEN`)"
    } else {
        return said.to_owned();
    };
    format!("{means} ({said})")
}

/// What a directive waits for.
pub fn waits_for(waits_for: WaitsFor) -> &'static str {
    match waits_for {
        WaitsFor::KillSwitch => "everything is stopped",
        WaitsFor::Mandate => "the mandate does not permit it",
        WaitsFor::MandateTime => "the mandate does not permit it yet",
        WaitsFor::Lease => "no fresh word from the server",
        WaitsFor::Freeze => "a freeze",
        WaitsFor::Grace => "grace after an absence",
        WaitsFor::Window => "a window",
        WaitsFor::Notice => "you were told, and have time until then",
        WaitsFor::Deferral => "you put it off",
        WaitsFor::Busy => "you are busy",
        WaitsFor::Held => "the package is held",
        WaitsFor::PackageManager => "the package manager can't do it now",
        WaitsFor::Restart => "a restart",
        WaitsFor::Nothing => "nothing: it is next",
    }
}
