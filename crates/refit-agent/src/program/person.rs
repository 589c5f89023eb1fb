//! The person at the machine: whether there is one, what can be seen of what they do, and how they are told.
//!
//! On Linux this is what logind says (a session with a seat that is active and not idle), and PipeWire or PulseAudio's record
//! streams, by the microphones that are open in `/proc/asound`, and cameras in use by `/proc/*/fd`. Sharing of a screen, focus
//! modes and calendars are not seen: a desktop offers no way to ask for them that is not its own. `refit-agent status` says so.

use super::words;
use crate::machine::{PersonSaid, Presence, Telling};
use jiff::tz::TimeZone;
use refit_wire::state::Busy;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// What is not detected here, for people.
pub const NOT_DETECTED: &str = "screen sharing, focus modes and calendars are not detected on Linux";

/// A person who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    uid: u32,
    idle: bool,
}

/// Everybody who is logged in at the machine itself, as logind writes it down.
fn people(sessions: &Path) -> Vec<Person> {
    let mut people: Vec<Person> = Vec::new();
    for entry in fs::read_dir(sessions).into_iter().flatten().flatten() {
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let graphical = matches!(field("TYPE"), Some("x11" | "wayland" | "mir"));
        let of_person = field("CLASS") == Some("user") && field("ACTIVE") == Some("1") && graphical;
        let Some(uid) = field("UID").filter(|_| of_person).and_then(|uid| uid.parse().ok()) else { continue };
        let idle = field("IDLE_HINT") == Some("1");
        if !people.iter().any(|person| person.uid == uid) {
            people.push(Person { uid, idle });
        }
    }
    people
}

/// How the machine is used now.
pub fn presence() -> Presence {
    let people = people(Path::new("/run/systemd/sessions"));
    // Where nobody sits, running is being in use.
    let in_use = people.is_empty() || people.iter().any(|person| !person.idle);
    let attended = !people.is_empty();
    let calling = attended && (microphone_open(Path::new("/proc/asound")) || camera_open());
    Presence { in_use, attended, busy: if calling { BTreeSet::from([Busy::Call]) } else { BTreeSet::new() } }
}

/// Whether something records: ALSA writes `state: RUNNING` for each capture stream that is open.
fn microphone_open(asound: &Path) -> bool {
    let cards = fs::read_dir(asound).into_iter().flatten().flatten().map(|entry| entry.path());
    let captures = cards
        .flat_map(|card| fs::read_dir(card).into_iter().flatten().flatten())
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with("pcm") && name.ends_with('c')));
    let mut streams = captures.flat_map(|capture| fs::read_dir(capture.path()).into_iter().flatten().flatten());
    streams.any(|stream| {
        let status = fs::read_to_string(stream.path().join("status")).unwrap_or_default();
        status.lines().any(|line| line.trim() == "state: RUNNING")
    })
}

/// Whether a process has a camera open. Only where there is one is anybody's list of files looked at.
fn camera_open() -> bool {
    if !Path::new("/dev/video0").exists() {
        return false;
    }
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut files =
        processes.flat_map(|process| fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten());
    files.any(|file| {
        let target = fs::read_link(file.path()).unwrap_or_default();
        target.to_str().is_some_and(|path| path.starts_with("/dev/video"))
    })
}

/// Shows messages on the desktop, with buttons, and prints which one was pressed.
const NOTIFY: &str = "/usr/bin/notify-send";

/// Tells everybody who is logged in; `on_answer` hears what they press. It returns at once; an error says why nobody is told.
pub fn tell(telling: &Telling, on_answer: impl Fn(PersonSaid) + Clone + Send + 'static) -> Result<(), String> {
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let (title, text) = words::telling(telling, &zone);
    let people = people(Path::new("/run/systemd/sessions"));
    if !people.is_empty() && !Path::new(NOTIFY).exists() {
        return Err(format!("nobody can be told anything: there is no {NOTIFY} (package libnotify-bin)"));
    }
    for person in people {
        let answers = telling.answers();
        let mut command = Command::new(NOTIFY);
        command.args(["--app-name=Refit", "--urgency=critical"]);
        for said in &answers {
            let (name, label) = words::answer(said);
            command.arg(format!("--action={name}={label}"));
        }
        command.args(["--", &title, &text]);
        // The message bus of the person, and the person's own rights.
        let gid = fs::read_to_string("/etc/passwd").ok().and_then(|passwd| {
            let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&person.uid.to_string()))?;
            line.split(':').nth(3)?.parse().ok()
        });
        let Some(gid) = gid else { continue };
        command.uid(person.uid).gid(gid).env_clear();
        command.env("PATH", "/usr/bin:/bin");
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path=/run/user/{}/bus", person.uid));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let on_answer = on_answer.clone();
        // It waits until the person answers or closes the message.
        thread::spawn(move || {
            let Ok(output) = command.output() else { return };
            let pressed = String::from_utf8_lossy(&output.stdout);
            if let Some(said) = answers.into_iter().find(|said| words::answer(said).0 == pressed.trim()) {
                on_answer(said);
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_those_with_an_active_graphical_session() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("1", "UID=1000\nCLASS=user\nACTIVE=1\nTYPE=wayland\nIDLE_HINT=1\n");
        write("2", "UID=0\nCLASS=user\nACTIVE=1\nTYPE=tty\n");
        write("3", "UID=120\nCLASS=greeter\nACTIVE=1\nTYPE=wayland\n");
        write("4", "UID=1001\nCLASS=user\nACTIVE=0\nTYPE=x11\n");
        assert_eq!(people(folder.path()), [Person { uid: 1000, idle: true }]);
    }

    #[test]
    fn a_microphone_that_records_is_a_call() {
        let folder = tempfile::tempdir().unwrap();
        let stream = folder.path().join("card0/pcm0c/sub0");
        fs::create_dir_all(&stream).unwrap();
        fs::write(stream.join("status"), "closed\n").unwrap();
        assert!(!microphone_open(folder.path()));
        fs::write(stream.join("status"), "state: RUNNING\nowner_pid   : 7\n").unwrap();
        assert!(microphone_open(folder.path()));
    }
}
