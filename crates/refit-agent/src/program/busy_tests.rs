use super::*;
use crate::program::person::person;
use serde_json::json;
use std::process::Command;

fn node(id: u64, state: &str, props: Value) -> Value {
    json!({
        "id": id, "type": "PipeWire:Interface:Node", "version": 3, "permissions": ["r", "w", "x", "m"],
        "info": { "n-output-ports": 1, "state": state, "error": null, "props": props, "params": { "EnumFormat": [], "Props": [] } },
    })
}

fn link(from: u64, to: u64) -> Value {
    json!({
        "id": 90, "type": "PipeWire:Interface:Link", "version": 3, "permissions": ["r", "w", "x", "m"],
        "info": {
            "output-node-id": from, "output-port-id": 1, "input-node-id": to, "input-port-id": 2, "state": "active",
            "error": null, "format": { "mediaType": "video" }, "props": { "link.output.node": from, "link.input.node": to },
        },
    })
}

fn is_shared(objects: &[Value]) -> bool {
    shared(&Value::from(objects.to_vec()).to_string()).unwrap()
}

/// Nodes as the desktops make them.
fn screens() -> [Value; 3] {
    [
        json!({ "media.class": "Stream/Output/Video", "media.name": "meta-screen-cast-src", "node.name": "gnome-shell", "stream.is-live": true }),
        json!({ "media.class": "Video/Source", "media.name": "xdpw-stream-MBBPOO", "node.name": "xdg-desktop-portal-wlr", "node.driver": true }),
        json!({ "media.class": "Stream/Output/Video", "media.name": "plasma-screencast-eDP-1", "node.name": "kwin_wayland", "object.serial": 2102 }),
    ]
}

#[test]
fn a_screen_that_somebody_looks_at_is_shared() {
    let looks =
        node(70, "running", json!({ "media.class": "Stream/Input/Video", "node.name": "webrtc-consume-stream" }));
    for screen in screens() {
        assert!(is_shared(&[node(69, "running", screen.clone()), looks.clone(), link(69, 70)]), "{screen}");
        assert!(!is_shared(&[node(69, "running", screen.clone()), looks.clone()]), "nobody is linked: {screen}");
        assert!(!is_shared(&[node(69, "suspended", screen.clone()), looks.clone(), link(69, 70)]), "{screen}");
        assert!(!is_shared(&[node(69, "running", screen.clone()), looks.clone(), link(70, 69)]), "{screen}");
    }
}

#[test]
fn neither_a_camera_nor_the_pictures_in_a_panel_are_a_shared_screen() {
    let camera =
        json!({ "media.class": "Video/Source", "node.name": "v4l2_input.pci-0000_00_14.0", "media.role": "Camera" });
    let looks = node(70, "running", json!({ "media.class": "Stream/Input/Video", "node.name": "cheese" }));
    assert!(!is_shared(&[node(69, "running", camera), looks, link(69, 70)]));
    let [.., kwin] = screens();
    let panel = node(70, "running", json!({ "media.class": "Stream/Input/Video", "node.name": "plasmashell" }));
    assert!(!is_shared(&[node(69, "running", kwin), panel, link(69, 70)]));
}

#[test]
fn what_is_not_a_graph_says_nothing() {
    for text in ["", "{", "{}", "[null]", "[{\"id\": -1}]", "[{\"id\": 1, \"info\": 7}]", &"[".repeat(100_000)] {
        assert_eq!(shared(text), None, "{}", text.chars().take(20).collect::<String>());
    }
    // Properties have the shape of their text, and objects have no state, or have gone.
    let odd = json!({ "media.class": 7, "node.name": true, "media.name": null });
    assert!(!is_shared(&[
        node(69, "running", odd),
        json!({ "id": 3, "info": null }),
        json!({ "id": 4 }),
        link(69, 70)
    ]));
}

fn heard(script: &str, limit: Duration) -> Result<Vec<u8>, Unasked> {
    let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let answer = listen(&mut child, "sh", limit);
    child.kill().unwrap();
    child.wait().unwrap();
    answer
}

#[test]
fn a_program_has_its_time_and_a_longest_answer() {
    let enough = Duration::from_secs(60);
    assert_eq!(heard("echo b true", enough).unwrap(), b"b true\n");
    assert_eq!(heard("echo b true; exec tail -f /dev/null", Duration::from_millis(100)), Err(Unasked::Late("sh")));
    assert_eq!(heard("exec yes", enough), Err(Unasked::Unexpected("sh")));
}

fn hangs(_: &Person, _: &Questions) -> Heard {
    thread::sleep(Duration::from_secs(1_000));
    Heard::default()
}

fn shares(person: &Person, _: &Questions) -> Heard {
    let unasked = BTreeMap::from([("do not disturb", Unasked::NoWay)]);
    let busy = if person.uid() == 1_001 { BTreeSet::from([Busy::ScreenShare]) } else { BTreeSet::new() };
    Heard { busy, unasked, appointments: None }
}

fn questions(respected: impl Into<BTreeSet<Busy>>) -> Questions {
    Questions { respected: respected.into(), calendars: [].into() }
}

/// At nine.
fn nine() -> Timestamp {
    "2026-11-26T09:00:00Z".parse().unwrap()
}

#[test]
fn who_does_not_answer_is_not_busy_and_is_waited_for_once() {
    let (mut desktops, people, short) = (Desktops::default(), [person(1_000)], Duration::from_millis(20));
    let all = questions([Busy::Focus, Busy::ScreenShare]);
    let (busy, lines) = desktops.busy_by(&people, &all, nine(), hangs, short);
    assert!(busy.is_empty());
    assert_eq!(
        lines,
        ["of the person with uid 1000 can't be asked: what they do: the session does not answer in time"]
    );
    // Neither a second question, nor a second line, nor for somebody who went away and came again.
    for people in [&people[..], &[], &people] {
        let begun = Instant::now();
        let asked = |_: &Person, _: &Questions| panic!("asked again");
        assert_eq!(desktops.busy_by(people, &all, nine(), asked, Duration::from_secs(60)), Default::default());
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    // Others are asked.
    let (busy, _) = desktops.busy_by(&[person(1_000), person(1_001)], &all, nine(), shares, Duration::from_secs(60));
    assert_eq!(busy, [Busy::ScreenShare].into());
}

#[test]
fn what_can_t_be_asked_is_said_once_for_each_person() {
    let (mut desktops, long) = (Desktops::default(), Duration::from_secs(60));
    let (people, all) = ([person(1_000), person(1_001)], questions([Busy::Focus, Busy::ScreenShare]));
    let (busy, lines) = desktops.busy_by(&people, &all, nine(), shares, long);
    assert_eq!(busy, [Busy::ScreenShare].into());
    assert_eq!(lines.len(), 2, "{lines:?}");
    desktops.known.values_mut().for_each(|known| known.good_for = Duration::ZERO);
    assert_eq!(desktops.busy_by(&people, &all, nine(), shares, long), (busy, Vec::new()));
    // Who has gone is busy with nothing.
    assert_eq!(desktops.busy_by(&people[..1], &all, nine(), shares, long), Default::default());
}

/// Whoever asks for a calendar is told of an appointment from nine to ten; who asks for something else, of nothing.
fn has_an_appointment(_: &Person, questions: &Questions) -> Heard {
    let at = |hour: i64| nine().checked_add(jiff::SignedDuration::from_hours(hour)).unwrap();
    let asked = questions.respected.contains(&Busy::CalendarBusy);
    let busy = questions.respected.iter().copied().filter(|busy| *busy != Busy::CalendarBusy).collect();
    Heard { busy, appointments: asked.then(|| vec![Appointment { from: at(0), to: at(1) }]), ..Heard::default() }
}

#[test]
fn an_appointment_counts_while_it_lasts_without_being_asked_for_again() {
    let (mut desktops, people, long) = (Desktops::default(), [person(1_000)], Duration::from_secs(60));
    let calendars = questions([Busy::CalendarBusy]);
    let never = |_: &Person, _: &Questions| panic!("asked again");
    let at = |minutes: i64| nine().checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
    let busy = BTreeSet::from([Busy::CalendarBusy]);
    assert_eq!(desktops.busy_by(&people, &calendars, at(-1), has_an_appointment, long), Default::default());
    desktops.known.values_mut().for_each(|known| known.good_for = Duration::ZERO);
    assert_eq!(desktops.busy_by(&people, &calendars, at(0), never, long), (busy.clone(), Vec::new()));
    assert_eq!(desktops.busy_by(&people, &calendars, at(59), never, long), (busy, Vec::new()));
    assert_eq!(desktops.busy_by(&people, &calendars, at(60), never, long), Default::default());
    // Other questions leave it as it is.
    desktops.known.values_mut().for_each(|known| known.good_for = Duration::ZERO);
    let both = questions([Busy::CalendarBusy, Busy::Focus]);
    let (heard, _) = desktops.busy_by(&people, &both, at(30), has_an_appointment, long);
    assert_eq!(heard, [Busy::CalendarBusy, Busy::Focus].into());
    // After five minutes the calendar is read again.
    let cancelled = |_: &Person, questions: &Questions| {
        assert!(questions.respected.contains(&Busy::CalendarBusy));
        Heard { appointments: Some(Vec::new()), ..Heard::default() }
    };
    let known = desktops.known.get_mut(&1_000).unwrap();
    (known.good_for, known.read) = (Duration::ZERO, Instant::now().checked_sub(CALENDARS));
    assert_eq!(desktops.busy_by(&people, &both, at(30), cancelled, long), Default::default());
}

#[test]
fn what_no_policy_respects_is_not_asked() {
    let (mut desktops, people, long) = (Desktops::default(), [person(1_000)], Duration::from_secs(60));
    let never = |_: &Person, _: &Questions| panic!("asked");
    for respected in [&[][..], &[Busy::Call]] {
        let questions = questions(respected.iter().copied().collect::<BTreeSet<_>>());
        assert_eq!(desktops.busy_by(&people, &questions, nine(), never, long), Default::default());
    }
    // What a policy comes to respect is asked at once, though something else was asked a moment ago.
    let focus = |_: &Person, questions: &Questions| Heard { busy: questions.respected.clone(), ..Heard::default() };
    let (busy, _) = desktops.busy_by(&people, &questions([Busy::Focus]), nine(), focus, long);
    assert_eq!(busy, [Busy::Focus].into());
    let both = [Busy::Focus, Busy::ScreenShare];
    assert_eq!(desktops.busy_by(&people, &questions(both), nine(), focus, long).0, both.into());
}
