//! Page after page, in every way that systems have.

use super::server::{Answer, Asked, Server, json};
use refit_connect::systems::{AskError, Body, Client, Number, Paging, Question, Size, System};
use serde_json::{Value, json};
use std::io::Write as _;

const ALL: usize = 23;

/// The records of a page, and the answer around them.
fn page(from: usize, size: usize) -> Vec<Value> {
    (from..ALL.min(from + size)).map(|id| json!({ "id": id })).collect()
}

fn number(asked: &Asked, name: &str) -> usize {
    asked.query.get(name).map_or(0, |value| value.parse().unwrap())
}

/// Reads all and gives the ids in their order.
pub fn ids(server: &Server, paging: Paging) -> Result<Vec<u64>, AskError> {
    let question = Question {
        address: format!("{}/list", server.url),
        query: vec![("filter".into(), "a eq \"b&c\"".into())],
        body: Body::Nothing,
        paging,
    };
    read(&mut Client::new(System::default()), &question)
}

pub fn read(client: &mut Client, question: &Question) -> Result<Vec<u64>, AskError> {
    let mut ids = Vec::new();
    client.read(question, &mut |text| {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let list = json.pointer("/records").unwrap_or(&json).as_array().ok_or("no list")?.clone();
        ids.extend(list.iter().map(|record| record["id"].as_u64().unwrap()));
        Ok(list.len())
    })?;
    Ok(ids)
}

fn everything() -> Vec<u64> {
    (0..ALL as u64).collect()
}

#[test]
fn a_cursor() {
    let server = Server::start(|asked| {
        let from = number(asked, "after");
        let next = Some(from + 5).filter(|next| *next < ALL).map(|next| next.to_string());
        json(json!({ "records": page(from, 5), "next": { "after": next } }))
    });
    let paging = Paging::Cursor {
        next: "/next/after".into(),
        more: None,
        parameter: "after".into(),
        size: Some(Size { parameter: "limit".into(), records: 5 }),
    };
    assert_eq!(ids(&server, paging).unwrap(), everything());
    let asked = server.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked.iter().all(|asked| asked.query["limit"] == "5" && asked.query["filter"] == "a eq \"b&c\""));
}

#[test]
fn a_link_header_absolute_or_relative() {
    for absolute in [true, false] {
        let server = Server::start(move |asked| {
            let from = number(asked, "after");
            let base = if absolute { format!("http://{}", asked.headers["host"]) } else { String::new() };
            let mut headers = vec![("link", format!("<{base}/list?self>; rel=\"self\""))];
            if from + 5 < ALL {
                headers.push(("link", format!("<{base}/list?after={}&limit=5>; rel=\"next\"", from + 5)));
            }
            Answer::Whole(200, headers, Value::from(page(from, 5)).to_string())
        });
        let paging = Paging::LinkHeader { size: Some(Size { parameter: "limit".into(), records: 5 }) };
        assert_eq!(ids(&server, paging).unwrap(), everything());
    }
}

#[test]
fn the_number_of_a_page() {
    let server = Server::start(|asked| {
        let (at, size) = (number(asked, "page"), number(asked, "page-size"));
        json(json!({ "records": page((at - 1) * size, size), "total": ALL }))
    });
    let numbered = |total: Option<String>| {
        Paging::PageNumber(Number {
            parameter: "page".into(),
            first: 1,
            size_parameter: Some("page-size".into()),
            size: 10,
            total,
            more: None,
        })
    };
    assert_eq!(ids(&server, numbered(Some("/total".into()))).unwrap(), everything());
    assert_eq!(ids(&server, numbered(None)).unwrap(), everything());
}

#[test]
fn an_offset() {
    let server = Server::start(|asked| {
        let from = number(asked, "offset");
        // Systems give fewer than they are asked for, and say that there are more.
        let size = number(asked, "limit").min(4);
        json(json!({ "records": page(from, size), "more": from + size < ALL }))
    });
    let paging = Paging::Offset(Number {
        parameter: "offset".into(),
        first: 0,
        size_parameter: Some("limit".into()),
        size: 100,
        total: None,
        more: Some("/more".into()),
    });
    assert_eq!(ids(&server, paging).unwrap(), everything());
}

#[test]
fn an_address_in_the_answer() {
    let server = Server::start(|asked| {
        let from = number(asked, "$skiptoken");
        let mut answer = json!({ "records": page(from, 7) });
        if from + 7 < ALL {
            let next = format!("http://{}/list?$skiptoken={}", asked.headers["host"], from + 7);
            answer["@odata.nextLink"] = Value::from(next);
        }
        json(answer)
    });
    assert_eq!(ids(&server, Paging::NextLink { next: "/@odata.nextLink".into() }).unwrap(), everything());
    assert!(server.asked()[0].query.contains_key("filter") && !server.asked()[1].query.contains_key("filter"));
}

#[test]
fn the_next_page_is_never_fetched_from_another_host() {
    let other = Server::start(|_| json("[]"));
    let elsewhere = other.url.clone();
    let server = Server::start(move |_| json(json!({ "records": [], "next": format!("{elsewhere}/list") })));
    let error = ids(&server, Paging::NextLink { next: "/next".into() }).unwrap_err();
    assert!(matches!(error, AskError::Elsewhere { .. }), "{error}");
    assert!(other.paths().is_empty());
}

#[test]
fn pages_that_lead_in_a_circle_end() {
    let server = Server::start(|_| json(json!({ "records": [{ "id": 1 }], "next": "again" })));
    let paging = Paging::Cursor { next: "/next".into(), more: None, parameter: "after".into(), size: None };
    let error = ids(&server, paging).unwrap_err();
    assert!(error.to_string().contains("read already"), "{error}");
    assert_eq!(server.paths().len(), 2);
}

#[test]
fn a_system_that_gives_the_first_page_for_ever_is_no_endless_list() {
    let number = Number {
        parameter: "offset".into(),
        first: 0,
        size_parameter: None,
        size: 2,
        total: None,
        more: Some("/more".into()),
    };
    for paging in [Paging::Offset(number.clone()), Paging::PageNumber(number)] {
        let server = Server::start(|_| json(json!({ "records": [{ "id": 1 }, { "id": 2 }], "more": true })));
        let error = ids(&server, paging).unwrap_err();
        assert!(error.to_string().contains("read already: does the system know"), "{error}");
        assert_eq!(server.paths().len(), 2);
    }
}

#[test]
fn a_packed_answer_is_unpacked_and_a_cut_one_is_no_shorter_list() {
    let packed = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let headers = || vec![("content-encoding", "gzip".to_owned())];
    let server = Server::start(move |asked| {
        assert_eq!(asked.headers["accept-encoding"], "gzip");
        match number(asked, "after") {
            // Packed an empty list is longer than it is.
            5 => Answer::Bytes(headers(), packed("[]")),
            _ => {
                let mut headers = headers();
                headers.push(("link", "</list?after=5>; rel=\"next\"".to_owned()));
                Answer::Bytes(headers, packed(&Value::from(page(0, 5)).to_string()))
            }
        }
    });
    assert_eq!(ids(&server, Paging::LinkHeader { size: None }).unwrap(), [0, 1, 2, 3, 4]);
    for (coding, body, said) in [
        ("gzip", &packed(&Value::from(page(0, 5)).to_string())[..20], "can't be unpacked"),
        ("br", &b"[]"[..], "which was not asked for"),
    ] {
        let body = body.to_vec();
        let server = Server::start(move |_| Answer::Bytes(vec![("content-encoding", coding.to_owned())], body.clone()));
        let question = Question { address: format!("{}/list", server.url), ..Question::default() };
        let network = refit_connect::feeds::NetworkOptions { attempts: 1, ..System::default().network };
        let error = read(&mut Client::new(System { network, ..System::default() }), &question).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn an_answer_without_content_is_a_list_without_records() {
    let server = Server::start(|asked| match number(asked, "after") {
        0 => {
            let link = ("link", "</list?after=5>; rel=\"next\"".to_owned());
            Answer::Whole(200, vec![link], Value::from(page(0, 5)).to_string())
        }
        _ => Answer::Whole(204, Vec::new(), String::new()),
    });
    assert_eq!(ids(&server, Paging::LinkHeader { size: None }).unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn who_reads_the_pages_can_stop() {
    let server = Server::start(|_| json("<html>please sign in</html>"));
    let error = ids(&server, Paging::One).unwrap_err();
    assert!(matches!(error, AskError::Stopped { .. }), "{error}");
}

#[test]
fn a_body_makes_it_a_post() {
    let server = Server::start(|asked| {
        assert_eq!((asked.method.as_str(), asked.body.as_str()), ("POST", "{\"query\":\"{ a }\"}"));
        json("[]")
    });
    let question = Question {
        address: format!("{}/graphql", server.url),
        query: Vec::new(),
        body: Body::Json("{\"query\":\"{ a }\"}".into()),
        paging: Paging::One,
    };
    assert!(read(&mut Client::new(System::default()), &question).unwrap().is_empty());
}
