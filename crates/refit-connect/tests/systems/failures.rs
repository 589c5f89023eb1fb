//! What goes wrong on the way: limits, failures that pass, and those that do not.

use super::pages::{ids, read};
use super::server::{Answer, Asked, Server, json, status};
use refit_connect::{
    feeds::NetworkOptions,
    systems::{AskError, Body, Client, Limits, Number, Paging, Question, Reset, System},
};
use serde_json::json;
use std::time::{Duration, Instant};

/// Impatient, so that tests are short.
fn hasty() -> NetworkOptions {
    NetworkOptions {
        first_wait: Duration::from_millis(10),
        stall_timeout: Duration::from_millis(400),
        longest_wait: Duration::from_secs(2),
        total_timeout: Duration::from_secs(20),
        attempts: 4,
        ..NetworkOptions::default()
    }
}

fn ask(server: &Server, limits: Limits, network: NetworkOptions) -> (Result<Vec<u64>, AskError>, Duration) {
    let paging = Paging::PageNumber(Number {
        parameter: "page".into(),
        first: 0,
        size_parameter: None,
        size: 2,
        total: None,
        more: None,
    });
    let question = Question { address: format!("{}/list", server.url), query: Vec::new(), body: Body::Nothing, paging };
    let started = Instant::now();
    (read(&mut Client::new(System { limits, network, ..System::default() }), &question), started.elapsed())
}

/// Two records on each of three pages.
fn page(asked: &Asked) -> Answer {
    let at: u64 = asked.query["page"].parse().unwrap();
    json(if at < 3 { json!([{ "id": 2 * at }, { "id": 2 * at + 1 }]) } else { json!([]) })
}

#[test]
fn failures_that_pass_are_passed_over() {
    let server = Server::start(|asked| match asked.before {
        1 => status(500, &[]),
        2 => Answer::Cut("[{\"id\": 2}, {\"id\": 3}]".into()),
        3 => Answer::Nothing,
        5 => status(503, &[]),
        6 => Answer::Late(Duration::from_millis(900), "[{\"id\": 4}, {\"id\": 5}]".into()),
        _ => page(asked),
    });
    let (read, _) = ask(&server, Limits::default(), hasty());
    assert_eq!(read.unwrap(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_fails_again_and_again_is_an_error_and_no_shorter_list() {
    let server = Server::start(|asked| if asked.before < 1 { page(asked) } else { status(502, &[]) });
    let (read, _) = ask(&server, Limits::default(), hasty());
    assert!(matches!(read, Err(AskError::Refused { status: 502, .. })), "{read:?}");
    assert_eq!(server.paths().len(), 5);
}

#[test]
fn what_we_may_not_read_is_asked_for_once() {
    for wrong in [400, 403, 404] {
        let server = Server::start(move |_| status(wrong, &[]));
        assert!(ask(&server, Limits::default(), hasty()).0.is_err());
        assert_eq!(server.paths().len(), 1);
    }
}

#[test]
fn a_system_that_says_when_is_asked_then() {
    let server =
        Server::start(|asked| if asked.before == 1 { status(429, &[("retry-after", "1")]) } else { page(asked) });
    let (read, took) = ask(&server, Limits::default(), hasty());
    assert_eq!(read.unwrap().len(), 6);
    assert!(took >= Duration::from_secs(1), "{took:?}");

    let server = Server::start(|_| status(429, &[("retry-after", "3600")]));
    let (read, _) = ask(&server, Limits::default(), hasty());
    assert!(matches!(read, Err(AskError::ComeBackLater { .. })), "{read:?}");
}

#[test]
fn a_limit_that_is_used_up_is_waited_for() {
    let limits = |reset| Limits {
        remaining_header: Some("x-rate-limit-remaining".into()),
        reset_header: Some("x-rate-limit-reset".into()),
        reset,
        ..Limits::default()
    };
    for reset in [Reset::Seconds, Reset::UnixTime] {
        let server = Server::start(move |asked| {
            let at = match reset {
                Reset::Seconds => 1,
                Reset::UnixTime => jiff::Timestamp::now().as_second() + 2,
            };
            let left = if asked.before == 0 { 0 } else { 50 };
            let headers = vec![("x-rate-limit-remaining", left.to_string()), ("x-rate-limit-reset", at.to_string())];
            match page(asked) {
                Answer::Whole(status, _, body) => Answer::Whole(status, headers, body),
                other => other,
            }
        });
        let (read, took) = ask(&server, limits(reset), hasty());
        assert_eq!(read.unwrap().len(), 6);
        assert!(took >= Duration::from_millis(950) && took < Duration::from_secs(5), "{took:?}");
        assert_eq!(server.paths().len(), 4, "nothing was asked in vain");
    }
}

#[test]
fn no_more_is_asked_in_a_minute_than_is_allowed() {
    let server = Server::start(page);
    let (read, took) = ask(&server, Limits { per_minute: Some(300), ..Limits::default() }, hasty());
    assert_eq!(read.unwrap().len(), 6);
    assert!(took >= Duration::from_millis(600), "{took:?}");
}

#[test]
fn a_system_that_never_answers_ends() {
    let server = Server::start(|_| Answer::Late(Duration::from_secs(60), "[]".into()));
    let network = NetworkOptions { total_timeout: Duration::from_secs(1), ..hasty() };
    let (read, took) = ask(&server, Limits::default(), network);
    assert!(read.is_err());
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn redirects_are_not_followed() {
    let other = Server::start(|_| json("[]"));
    let to = other.url.clone();
    let server = Server::start(move |_| Answer::Whole(302, vec![("location", to.clone())], String::new()));
    assert!(matches!(ids(&server, Paging::One), Err(AskError::Refused { status: 302, .. })));
    assert!(other.paths().is_empty());
}
