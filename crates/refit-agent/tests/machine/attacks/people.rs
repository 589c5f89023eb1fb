//! What people see and suffer: restarts, holds, messages, and silence.

use crate::rig::*;
use refit_agent::machine::{Failure, Telling};
use refit_model::{AdvisoryId, TitleId};
use refit_wire::Document as _;
use refit_wire::mandate::Limits;
use refit_wire::state::{Action, Message, RestartMode};
use refit_wire::{Envelope, State, limits};
use std::time::Duration;

#[test]
fn a_mass_restart_is_refused_where_nothing_waits_for_one() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::AtDue;
    let mut restart = directive("r", "deb/linux", Action::Restart);
    restart.due = Some(at("2026-11-01T00:00:00Z"));
    rig.publish([restart]);
    rig.check_in();
    assert_refused(&mut rig, "mandate", "nothing on this device waits for one");
    assert_eq!(rig.restarts, 0);
}

#[test]
fn restarts_keep_to_the_mandates_rate() {
    let mut rig = Rig::new();
    rig.state.terms[1].reboot = RestartMode::AtDue;
    let mut restart = directive("r", "deb/linux", Action::Restart);
    restart.due = Some(at("2026-11-01T00:00:00Z"));
    rig.publish([restart]);
    // One that did not help is not tried again for hours; whatever else wants one has to keep to it as well.
    for _ in 0..3 {
        rig.restart.machine = vec!["a kernel that never runs".into()];
        rig.check_in();
        rig.hours(7);
        rig.restart_agent();
    }
    assert_eq!(rig.restarts, 2);
    rig.check_in();
    rig.check_in();
    assert_reported(&rig, "limit", "the mandate allows 2 in a day");
}

#[test]
fn an_endless_hold_ends() {
    let hold =
        directive("h", "deb/openssl", Action::Hold { package: name("openssl"), until: at("2099-01-01T00:00:00Z") });
    let mut rig = Rig::with([hold.clone(), deb("openssl", "3.1-1")]);
    rig.state.expires = at("2027-12-25T00:00:00Z");
    rig.sign_mandate(|mandate| mandate.limits = Limits { hold_seconds: 86_400, ..Limits::default() });
    rig.check_in();
    assert_eq!(rig.standing(), ["openssl 3.1-1: Held"]);
    // To let go for a moment and to ask again does not begin it anew.
    rig.hours(12);
    rig.publish([]);
    rig.check_in();
    rig.publish([hold, deb("openssl", "3.1-1")]);
    rig.hours(13);
    assert_eq!(rig.version("openssl"), "3.1-1");
    assert_reported(&rig, "limit", "a hold until 2099-01-01T00:00:00Z is asked for");
}

#[test]
fn a_message_that_is_no_template_is_refused() {
    let mut rig = Rig::new();
    let state = serde_json::to_string(&State {
        directives: vec![directive("m", "deb/curl", Action::Notify { message: Message::Unsupported { by: None } })],
        sequence: 9,
        ..rig.state.clone()
    })
    .unwrap();
    let with_text = state.replace(r#""say":"unsupported""#, r#""say":"unsupported","text":"Call 555-0100 now""#);
    assert_ne!(state, with_text);
    let forged = sign_bytes::<State>(with_text.as_bytes());
    rig.server.state = Some(Ok(forged.to_bytes()));
    rig.server.state_digest = Some(forged.digest());
    rig.presence.attended = true;
    assert_refused(&mut rig, "signature", "the state is signed and can't be read");
    assert_eq!(rig.told, []);
}

#[test]
fn a_message_about_a_title_that_is_text_is_not_shown() {
    let message = Action::Notify { message: Message::Unsupported { by: None } };
    let mut rig =
        Rig::with([directive("m", "Call 555-0100 now", message.clone()), directive("n", "debian-12", message)]);
    rig.presence.attended = true;
    rig.pass(Duration::from_secs(1));
    assert_refused(&mut rig, "mandate", "a message about `Call 555-0100 now`");
    assert_eq!(rig.told, [Telling::Unsupported { title: TitleId::new("debian-12"), by: None }]);
}

#[test]
fn a_notice_shows_only_what_looks_like_an_advisory() {
    let mut upgrade = chrome("131.0-1");
    upgrade.closes = ["Call 555-0100 now", "CVE-2026-1111", "CVE-call me"].map(AdvisoryId::new).into();
    let mut rig = Rig::new();
    rig.state.terms[0].notify_seconds = 3_600;
    rig.presence.attended = true;
    rig.publish([upgrade]);
    rig.pass(Duration::from_secs(1));
    rig.check_in();
    let Some(Telling::Notice { items, .. }) = rig.told.first() else { panic!("{:?}", rig.told) };
    assert_eq!(items[0].closes, [AdvisoryId::new("CVE-2026-1111")]);
}

#[test]
fn a_withheld_state_is_told_to_people_and_to_the_log() {
    let mut rig = Rig::with([]);
    rig.check_in();
    // The server answers, and never gives the state that it names.
    rig.publish([chrome("131.0-1")]);
    rig.server.state = Some(Err(Failure::NotFound));
    rig.hours(6 * 24);
    assert_eq!(rig.told, []);
    rig.hours(25);
    assert_eq!(rig.told.len(), 1, "once a day: {:?}", rig.told);
    assert!(matches!(rig.told[0], Telling::Silence { .. }));
    assert!(rig.logged.iter().any(|line| line.starts_with("silence: no fresh state has come since")));
    assert_reported(&rig, "missing", "the server has no state");
}

#[test]
fn silence_is_noticed_also_when_the_clock_was_set_back() {
    let mut rig = Rig::with([]);
    rig.check_in();
    rig.server.unreachable = true;
    rig.wall = at("2026-11-01T00:00:00Z");
    rig.hours(8 * 24);
    assert!(rig.told.iter().any(|telling| matches!(telling, Telling::Silence { .. })));
}

/// A payload signed with the server's key, although no type of ours would write it.
fn sign_bytes<T: refit_wire::Document>(payload: &[u8]) -> Envelope {
    #[derive(serde::Serialize, serde::Deserialize)]
    #[serde(transparent)]
    struct Raw(serde_json::Value);
    impl refit_wire::Document for Raw {
        const TYPE: &'static str = State::TYPE;
        const NAME: &'static str = "raw";
        const LIMIT: usize = limits::STATE;
    }
    assert_eq!(T::TYPE, Raw::TYPE);
    Envelope::sign(&Raw(serde_json::from_slice(payload).unwrap()), &[&key(5)]).unwrap()
}
