//! The person at the machine: whether there is one, what can be seen of what they do, and how they are told.
//!
//! On Linux this is what logind says (a session with a seat that is active and not idle), and PipeWire or PulseAudio's record
//! streams, by the microphones that are open in `/proc/asound`, and cameras in use by `/proc/*/fd`. What the desktop has to be
//! asked for is in [`busy`](super::busy), what their calendars say in [`calendar`](super::calendar).

use super::{
    busy::{Desktops, Questions},
    words,
};
use crate::machine::{PersonSaid, Presence, Telling};
use jiff::tz::TimeZone;
use refit_wire::state::Busy;
use std::{
    ffi::OsStr,
    fs,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

/// What is not detected here, for people.
pub const NOT_DETECTED: &str =
    "appointments are seen where a calendar is a file; `refit-agent calendar` shows which are";

/// A person who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    uid: u32,
    idle: bool,
}

impl Person {
    /// The person's number.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Where the sockets of the person's session are.
    pub fn runtime_folder(&self) -> PathBuf {
        format!("/run/user/{}", self.uid).into()
    }

    /// A program that will run with the person's own rights, on the message bus of their session, and with nothing of the
    /// agent's environment. `None` where there is no such session.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Option<Command> {
        let folder = self.runtime_folder();
        // logind makes the folder for the person and their group, also where neither is in /etc/passwd.
        let of = fs::symlink_metadata(&folder).ok().filter(|of| of.is_dir() && of.uid() == self.uid)?;
        let mut command = Command::new(program);
        command.uid(self.uid).gid(of.gid()).current_dir("/").env_clear();
        command.env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("NO_COLOR", "1");
        command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}/bus", folder.display()));
        command.env("XDG_RUNTIME_DIR", folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Some(command)
    }
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

/// How the machine is used now, and what the log has to be told about it.
pub fn presence(desktops: &mut Desktops, questions: &Questions) -> (Presence, Vec<String>) {
    let people = people(Path::new("/run/systemd/sessions"));
    // Where nobody sits, running is being in use.
    let in_use = people.is_empty() || people.iter().any(|person| !person.idle);
    let attended = !people.is_empty();
    let calling = attended && (microphone_open(Path::new("/proc/asound")) || camera_open());
    let (mut busy, unasked) = desktops.busy(&people, questions);
    if calling {
        busy.insert(Busy::Call);
    }
    (Presence { in_use, attended, busy }, unasked)
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
        let (answers, title, text, on_answer) = (telling.answers(), title.clone(), text.clone(), on_answer.clone());
        // It waits until the person answers or closes the message.
        thread::spawn(move || {
            let Some(mut command) = person.command(NOTIFY) else { return };
            command.args(["--app-name=Refit", "--urgency=critical"]);
            for said in &answers {
                let (name, label) = words::answer(said);
                command.arg(format!("--action={name}={label}"));
            }
            command.args(["--", &title, &text]).stdout(Stdio::piped());
            let Ok(output) = command.output() else { return };
            let pressed = String::from_utf8_lossy(&output.stdout);
            if let Some(said) = answers.into_iter().find(|said| words::answer(said).0 == pressed.trim()) {
                on_answer(said);
            }
        });
    }
    Ok(())
}

/// Somebody, for tests.
#[cfg(test)]
pub fn person(uid: u32) -> Person {
    Person { uid, idle: false }
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
