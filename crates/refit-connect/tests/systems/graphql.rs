//! GraphQL: variables and cursors in the body, and errors in answers whose status says that all is well.

use super::server::{Answer, Asked, Server, json};
use refit_connect::{
    feeds::NetworkOptions,
    systems::{AskError, Authentication, Body, Client, Paging, Question, Secret, Size, System},
};
use serde_json::{Map, Value, json};
use std::time::Duration;

const QUERY: &str = "query ($after: String, $first: Int, $team: ID) { hosts(first: $first, after: $after, team: $team) { nodes { id } pageInfo { endCursor hasNextPage } } }";

fn question(server: &Server) -> Question {
    Question {
        address: format!("{}/graphql", server.url),
        query: Vec::new(),
        body: Body::Graphql {
            query: QUERY.to_owned(),
            variables: Map::from_iter([("team".to_owned(), Value::from("t-1"))]),
        },
        paging: Paging::Cursor {
            next: "/data/hosts/pageInfo/endCursor".into(),
            more: Some("/data/hosts/pageInfo/hasNextPage".into()),
            parameter: "after".into(),
            size: Some(Size { parameter: "first".into(), records: 2 }),
        },
    }
}

fn read(server: &Server, system: System) -> Result<Vec<u64>, AskError> {
    let mut ids = Vec::new();
    Client::new(system).read(&question(server), &mut |text| {
        let json: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let nodes = json.pointer("/data/hosts/nodes").and_then(Value::as_array).ok_or("no nodes")?.clone();
        ids.extend(nodes.iter().map(|node| node["id"].as_u64().unwrap()));
        Ok(nodes.len())
    })?;
    Ok(ids)
}

fn hasty() -> System {
    let network = NetworkOptions { first_wait: Duration::from_millis(10), attempts: 3, ..NetworkOptions::default() };
    System { network, ..System::default() }
}

/// Five hosts, two on a page; the last page has a cursor too.
fn page(asked: &Asked) -> Answer {
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(
        (asked.method.as_str(), &body["query"], &body["variables"]["team"]),
        ("POST", &json!(QUERY), &json!("t-1"))
    );
    assert!(asked.query.is_empty(), "{:?}", asked.query);
    let first = body["variables"]["first"].as_u64().expect("the size of a page is a number");
    let from = body["variables"]["after"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
    let nodes: Vec<Value> = (from..5.min(from + first)).map(|id| json!({ "id": id })).collect();
    let end = (from + first).min(5);
    json(
        json!({ "data": { "hosts": { "nodes": nodes, "pageInfo": { "endCursor": end.to_string(), "hasNextPage": end < 5 } } } }),
    )
}

#[test]
fn a_cursor_is_a_variable_and_the_last_page_says_that_it_is_the_last() {
    let server = Server::start(page);
    assert_eq!(read(&server, hasty()).unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(server.paths().len(), 3);
}

#[test]
fn an_error_beside_data_fails_the_reading() {
    let errors = json!([{ "message": "Cannot query field \"hostz\"", "path": ["hosts", 1] }]);
    let server = Server::start(move |asked| {
        if asked.before == 0 {
            return page(asked);
        }
        json(json!({ "data": { "hosts": { "nodes": [{ "id": 2 }, null] } }, "errors": errors }))
    });
    let error = read(&server, hasty()).unwrap_err();
    assert!(matches!(error, AskError::NotAnswered { .. }), "{error}");
    assert!(error.to_string().ends_with("the system says: Cannot query field \"hostz\" (at hosts.1)"), "{error}");
    assert_eq!(server.paths().len(), 2, "what is wrong stays wrong");
}

#[test]
fn a_limit_that_is_said_in_the_body_is_waited_for() {
    let throttled = json!({ "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }] });
    let server = Server::start(move |asked| if asked.before == 1 { json(&throttled) } else { page(asked) });
    assert_eq!(read(&server, hasty()).unwrap().len(), 5);
    assert_eq!(server.paths().len(), 4);
}

#[test]
fn a_token_that_is_refused_in_the_body_is_said_as_one_that_is_refused_by_status() {
    let body = json!({ "errors": [{ "message": "Bad token", "extensions": { "code": "UNAUTHENTICATED" } }] });
    let server = Server::start(move |_| json(&body));
    let token = Secret::new("t");
    let authentication = Authentication::Bearer { scheme: "Bearer".into(), token };
    let error = read(&server, System { authentication, ..hasty() }).unwrap_err();
    assert!(matches!(error, AskError::NotAllowed { .. }), "{error}");
    assert_eq!(server.paths().len(), 1);
}
