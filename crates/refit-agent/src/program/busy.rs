//! What a desktop says of the person before it: that they don't want to be disturbed, that their screen is shared, that they have
//! an appointment.
//!
//! It is asked of the person's own session, with the person's own rights, by the programs that are made for it. The person is
//! the master of what answers there, so an answer is worth no more than it takes to hold a change back for as long as the
//! policy lets them; it may come late, never, or be nonsense, and the executor goes on. What can't be asked is not so. What no
//! policy respects is not asked.

use super::{
    calendar::{Answer, Appointment},
    person::Person,
};
use jiff::Timestamp;
use refit_wire::state::Busy;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::Arc,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// How long one question may take.
const QUESTION: Duration = Duration::from_secs(2);
/// How long the executor waits for everybody's answers to all questions.
const PATIENCE: Duration = Duration::from_secs(4);
/// An answer is good for this long.
const FRESH: Duration = Duration::from_secs(3);
/// Calendars are read as often as that: it takes more than all other questions, and appointments are made for later.
const CALENDARS: Duration = Duration::from_secs(300);
/// Whose desktop did not answer in time is left alone for this long.
const REST: Duration = Duration::from_secs(60);
/// No answer is longer; a graph of PipeWire with a hundred nodes has half a megabyte.
const LONGEST: u64 = 8 << 20;

/// Asks over D-Bus; part of systemd.
const BUSCTL: &str = "/usr/bin/busctl";
/// Reads settings as GNOME's programs do.
const GSETTINGS: &str = "/usr/bin/gsettings";
/// Shows the graph of PipeWire.
const PW_DUMP: &str = "/usr/bin/pw-dump";
/// Reads calendars; this program itself.
const CALENDAR: &str = "refit-agent calendar";

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// What some policy respects.
    pub respected: BTreeSet<Busy>,
    /// Calendars besides those that are where desktops keep them, as agent.json names them.
    pub calendars: Arc<[PathBuf]>,
}

/// Why something can't be asked. What a person's programs said is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
enum Unasked {
    #[error("there is no {0} (package {1})")]
    Missing(&'static str, &'static str),
    #[error("{0} does not answer in time")]
    Late(&'static str),
    #[error("{0} has no answer")]
    Failed(&'static str),
    #[error("the answer of {0} is not understood")]
    Unexpected(&'static str),
    #[error("the desktop has no way to tell")]
    NoWay,
    #[error("the session has no folder of its own in /run/user")]
    NoSession,
    #[error("the session does not answer in time")]
    Silent,
    #[error("there is no calendar where desktops keep them as files (`calendars` in agent.json names others)")]
    NoCalendars,
    #[error("some calendars can't be read; `refit-agent calendar`, run by the person, says which and why")]
    Partly,
}

/// What was heard of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Heard {
    busy: BTreeSet<Busy>,
    unasked: BTreeMap<&'static str, Unasked>,
    /// When they have appointments; `None` where that was not asked, or has no answer.
    appointments: Option<Vec<Appointment>>,
}

/// Asks a person's session.
fn ask(person: &Person, questions: &Questions) -> Heard {
    let wants = |busy| questions.respected.contains(&busy);
    let mut heard = Heard::default();
    thread::scope(|scope| {
        // Beside the others, so that all of them together take no longer than before.
        let calendars = wants(Busy::CalendarBusy).then(|| scope.spawn(|| calendars(person, &questions.calendars)));
        let mut hear = |busy, name, answer| match answer {
            Ok(true) => drop(heard.busy.insert(busy)),
            Ok(false) => {}
            Err(why) => drop(heard.unasked.insert(name, why)),
        };
        if wants(Busy::Focus) {
            hear(Busy::Focus, "do not disturb", focus(person));
        }
        if wants(Busy::ScreenShare) {
            hear(Busy::ScreenShare, "screen sharing", screen_share(person));
        }
        let Some(answer) = calendars.and_then(|calendars| calendars.join().ok()) else { return };
        match answer {
            Ok(answer) => {
                let lacks = match answer {
                    Answer { calendars: 0, unread: 0, .. } => Some(Unasked::NoCalendars),
                    Answer { unread: 0, .. } => None,
                    _ => Some(Unasked::Partly),
                };
                heard.unasked.extend(lacks.map(|why| ("all appointments", why)));
                heard.appointments = Some(answer.busy);
            }
            Err(why) => drop(heard.unasked.insert("appointments", why)),
        }
    });
    heard
}

/// What the person's calendars say. This program reads them, as the person: nothing of them is read as root, neither the files
/// nor the folders in which they are.
fn calendars(person: &Person, also: &[PathBuf]) -> Result<Answer, Unasked> {
    // Between its own upgrade and its restart the agent's file is no longer there.
    let program = std::env::current_exe().map_err(|_| Unasked::Failed(CALENDAR))?;
    let also = also.iter().flat_map(|path| [OsStr::new("--also"), path.as_os_str()]);
    let arguments: Vec<&OsStr> = [OsStr::new("calendar"), OsStr::new("--json")].into_iter().chain(also).collect();
    let answer = run(person, &program, CALENDAR, &arguments)?;
    serde_json::from_str(&answer).map_err(|_| Unasked::Unexpected(CALENDAR))
}

/// Whether the desktop was told not to disturb. Plasma and others say so where they take notifications; GNOME has a setting, and
/// it counts where GNOME runs: it stays as it was when a person changes the desktop.
fn focus(person: &Person) -> Result<bool, Unasked> {
    let (name, path) = ("org.freedesktop.Notifications", "/org/freedesktop/Notifications");
    match busctl(person, &["get-property", name, path, name, "Inhibited"]) {
        Err(Unasked::Failed(_)) => {}
        answer => return answer,
    }
    let (name, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
    if !busctl(person, &["call", name, path, name, "NameHasOwner", "s", "org.gnome.Shell"])? {
        return Err(Unasked::NoWay);
    }
    let arguments = ["get", "org.gnome.desktop.notifications", "show-banners"];
    match output(person, (GSETTINGS, "libglib2.0-bin"), &arguments)?.trim() {
        "true" => Ok(false),
        "false" => Ok(true),
        _ => Err(Unasked::Unexpected(GSETTINGS)),
    }
}

/// Asks the person's bus for a yes or a no. Nothing is started there to answer.
fn busctl(person: &Person, question: &[&str]) -> Result<bool, Unasked> {
    let arguments = [&["--user", "--auto-start=no"], question].concat();
    match output(person, (BUSCTL, "systemd"), &arguments)?.trim() {
        "b true" => Ok(true),
        "b false" => Ok(false),
        _ => Err(Unasked::Unexpected(BUSCTL)),
    }
}

/// Whether somebody looks at what a desktop gives away of its screen.
fn screen_share(person: &Person) -> Result<bool, Unasked> {
    if person.runtime_folder().join("pipewire-0").symlink_metadata().is_err() {
        // A desktop without PipeWire gives nothing away through it.
        return Err(Unasked::NoWay);
    }
    let graph = output(person, (PW_DUMP, "pipewire-bin"), &[])?;
    shared(&graph).ok_or(Unasked::Unexpected(PW_DUMP))
}

/// Runs a program of the system as the person: what it printed, if it succeeded in time.
fn output(
    person: &Person,
    (program, package): (&'static str, &'static str),
    arguments: &[&str],
) -> Result<String, Unasked> {
    if !Path::new(program).exists() {
        return Err(Unasked::Missing(program, package));
    }
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    run(person, Path::new(program), program, &arguments)
}

/// Runs a program as the person; `name` is what it is called where it fails.
fn run(person: &Person, program: &Path, name: &'static str, arguments: &[&OsStr]) -> Result<String, Unasked> {
    let mut command = person.command(program).ok_or(Unasked::NoSession)?;
    command.args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|_| Unasked::Failed(name))?;
    let answer = listen(&mut child, name, QUESTION);
    if answer.is_err() {
        let _ = child.kill();
    }
    let ended = child.wait();
    let text = answer?;
    if !ended.is_ok_and(|status| status.success()) {
        return Err(Unasked::Failed(name));
    }
    String::from_utf8(text).map_err(|_| Unasked::Unexpected(name))
}

/// What a program prints until it closes its output.
fn listen(child: &mut Child, program: &'static str, limit: Duration) -> Result<Vec<u8>, Unasked> {
    let Some(pipe) = child.stdout.take() else { return Err(Unasked::Failed(program)) };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = pipe.take(LONGEST + 1).read_to_end(&mut text);
        let _ = sender.send(read.map(|_| text));
    });
    match receiver.recv_timeout(limit) {
        Ok(Ok(text)) if text.len() as u64 > LONGEST => Err(Unasked::Unexpected(program)),
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => Err(Unasked::Failed(program)),
        Err(RecvTimeoutError::Timeout) => Err(Unasked::Late(program)),
    }
}

/// An object of PipeWire's graph, as pw-dump prints it; what is not named here is skipped. A property is whatever its text looks
/// like, a number or a yes.
#[derive(Deserialize)]
struct Object {
    id: u64,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    info: Option<Info>,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default)]
    state: Value,
    #[serde(default, rename = "output-node-id")]
    from: Option<u64>,
    #[serde(default, rename = "input-node-id")]
    to: Option<u64>,
    #[serde(default)]
    props: Option<Properties>,
}

#[derive(Default, Deserialize)]
struct Properties {
    #[serde(default, rename = "media.class")]
    class: Value,
    #[serde(default, rename = "media.name")]
    media: Value,
    #[serde(default, rename = "node.name")]
    node: Value,
}

/// Whether a desktop's picture of the screen is looked at: its stream runs, and is linked to a node that is not the desktop's
/// own (Plasma's panel shows small pictures of windows that way). `None` where the text is not a graph.
fn shared(graph: &str) -> Option<bool> {
    let objects: Vec<Object> = serde_json::from_str(graph).ok()?;
    let nodes: BTreeMap<u64, &Info> = objects
        .iter()
        .filter(|object| object.kind == "PipeWire:Interface:Node")
        .filter_map(|object| Some((object.id, object.info.as_ref()?)))
        .collect();
    let links = objects.iter().filter(|object| object.kind == "PipeWire:Interface:Link");
    let mut ends = links.filter_map(|link| link.info.as_ref().and_then(|info| Some((info.from?, info.to?))));
    Some(ends.any(|(from, to)| {
        let gives = nodes.get(&from).is_some_and(|node| node.state == "running" && node.is_of_screen());
        gives && !nodes.get(&to).is_some_and(|node| node.is_of_desktop())
    }))
}

impl Info {
    /// The screen's picture, and not a camera's, which is a `Video/Source` as well.
    fn is_of_screen(&self) -> bool {
        let Some(props) = &self.props else { return false };
        let gives_video = props.class == "Stream/Output/Video" || props.class == "Video/Source";
        gives_video && (props.media == "meta-screen-cast-src" || self.is_of_desktop())
    }

    fn is_of_desktop(&self) -> bool {
        let name = self.props.as_ref().and_then(|props| props.node.as_str()).unwrap_or_default();
        let desktops = ["gnome-shell", "kwin_wayland", "kwin_x11", "plasmashell", "cinnamon", "niri", "cosmic-comp"];
        desktops.contains(&name) || name.starts_with("xdg-desktop-portal")
    }
}

/// What was heard of everybody, and who is being asked.
#[derive(Debug, Default)]
pub struct Desktops {
    known: BTreeMap<u32, Known>,
}

#[derive(Debug)]
struct Known {
    /// When the last question began, and how long its answer is good for.
    asked: Instant,
    good_for: Duration,
    /// What it was about.
    about: BTreeSet<Busy>,
    heard: Heard,
    /// When the person has appointments, and when their calendars were read for that.
    appointments: Vec<Appointment>,
    read: Option<Instant>,
    /// The answer that has not come.
    pending: Option<Receiver<Heard>>,
    /// What the log was told.
    told: BTreeMap<&'static str, Unasked>,
}

impl Known {
    fn stranger(now: Instant) -> Known {
        Known {
            asked: now,
            good_for: Duration::ZERO,
            about: BTreeSet::new(),
            heard: Heard::default(),
            appointments: Vec::new(),
            read: None,
            pending: None,
            told: BTreeMap::new(),
        }
    }

    /// What has to be asked now; nothing while an answer is awaited, or good still.
    fn to_ask(&self, respected: &BTreeSet<Busy>) -> BTreeSet<Busy> {
        let is_good = self.asked.elapsed() < self.good_for && respected.is_subset(&self.about);
        if self.pending.is_some() || is_good {
            return BTreeSet::new();
        }
        let read = self.read.is_some_and(|read| read.elapsed() < CALENDARS);
        respected.iter().copied().filter(|busy| *busy != Busy::Call && !(read && *busy == Busy::CalendarBusy)).collect()
    }

    /// The answer to a question about `asked`.
    fn hear(&mut self, heard: Heard, asked: &BTreeSet<Busy>) {
        // Calendars are left alone for longer than that anyway.
        if heard.unasked.values().any(|why| matches!(why, Unasked::Late(name) if *name != CALENDAR)) {
            self.good_for = REST;
        }
        if asked.contains(&Busy::CalendarBusy) {
            self.appointments = heard.appointments.clone().unwrap_or_default();
            self.read = Some(Instant::now());
        }
        self.heard = heard;
    }
}

impl Desktops {
    /// What these people are busy with, and what the log has to be told: what can't be asked, once.
    pub fn busy(&mut self, people: &[Person], questions: &Questions) -> (BTreeSet<Busy>, Vec<String>) {
        self.busy_by(people, questions, Timestamp::now(), ask, PATIENCE)
    }

    fn busy_by(
        &mut self,
        people: &[Person],
        questions: &Questions,
        now: Timestamp,
        ask: fn(&Person, &Questions) -> Heard,
        patience: Duration,
    ) -> (BTreeSet<Busy>, Vec<String>) {
        // A question that hangs is not asked a second time, even of somebody who comes again.
        for known in self.known.values_mut() {
            known.pending.take_if(|pending| !matches!(pending.try_recv(), Err(mpsc::TryRecvError::Empty)));
        }
        self.known.retain(|uid, known| known.pending.is_some() || people.iter().any(|person| person.uid() == *uid));
        let begun = Instant::now();
        let mut waits = Vec::new();
        for person in people {
            let known = self.known.entry(person.uid()).or_insert_with(|| Known::stranger(begun));
            let respected = known.to_ask(&questions.respected);
            if respected.is_empty() {
                continue;
            }
            let (sender, receiver) = mpsc::channel();
            let asked = Questions { respected: respected.clone(), ..questions.clone() };
            let of = person.clone();
            thread::spawn(move || sender.send(ask(&of, &asked)));
            (known.asked, known.good_for, known.heard) = (begun, FRESH, Heard::default());
            known.about.clone_from(&questions.respected);
            known.pending = Some(receiver);
            waits.push((person.uid(), respected));
        }
        for (uid, asked) in waits {
            let Some(known) = self.known.get_mut(&uid) else { continue };
            let Some(pending) = known.pending.take() else { continue };
            match pending.recv_timeout(patience.saturating_sub(begun.elapsed())) {
                Ok(heard) => known.hear(heard, &asked),
                Err(error) => {
                    known.heard.unasked.insert("what they do", Unasked::Silent);
                    known.good_for = REST;
                    known.pending = (error == RecvTimeoutError::Timeout).then_some(pending);
                }
            }
            known.asked = Instant::now();
        }
        let mut lines = Vec::new();
        let mut busy = BTreeSet::new();
        for person in people {
            let Some(known) = self.known.get_mut(&person.uid()) else { continue };
            busy.extend(&known.heard.busy);
            if known.appointments.iter().any(|time| time.from <= now && now < time.to) {
                busy.insert(Busy::CalendarBusy);
            }
            for (what, why) in &known.heard.unasked {
                if known.told.insert(what, *why) != Some(*why) {
                    lines.push(format!("of the person with uid {} can't be asked: {what}: {why}", person.uid()));
                }
            }
        }
        (busy, lines)
    }
}

#[cfg(test)]
#[path = "busy_tests.rs"]
mod tests;
