//! Doubles of systems that processes tell of what happens: they keep what they are given, refuse what their vendors' documents refuse, and
//! have bad days.

use super::super::double::{Answer, Asked, Server, json, status};
use serde_json::{Value, json as object};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// What is wrong with a request's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    Fine,
    /// 429, with the wish for a second.
    Busy,
    /// 500, and nothing was taken.
    Fails,
    /// It is taken, and the connection is closed without an answer.
    LosesAnswer,
}

/// The days of requests, by how many there were before and what is asked.
pub type Days = fn(usize, &Asked) -> Day;

/// A double with its state.
pub struct Double<S> {
    pub server: Server,
    state: Arc<Mutex<S>>,
}

impl<S: Send + 'static> Double<S> {
    fn start(state: S, days: Days, answer: fn(&mut S, &Asked) -> Answer) -> Double<S> {
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let server = Server::start(move |asked| {
            let mut state = shared.lock().unwrap();
            match days(asked.before, asked) {
                Day::Fine => answer(&mut state, asked),
                Day::Busy => status(429, &[("retry-after", "1")]),
                Day::Fails => status(500, &[]),
                Day::LosesAnswer => {
                    answer(&mut state, asked);
                    Answer::Nothing
                }
            }
        });
        Double { server, state }
    }

    pub fn state(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap()
    }
}

fn body(asked: &Asked) -> Value {
    if asked.body.is_empty() { Value::Null } else { serde_json::from_str(&asked.body).unwrap() }
}

fn created(body: Value) -> Answer {
    Answer::Whole(201, vec![("content-type", "application/json".into())], body.to_string())
}

fn nothing() -> Answer {
    Answer::Whole(204, Vec::new(), String::new())
}

fn refused(status: u16, why: &str) -> Answer {
    Answer::Whole(
        status,
        vec![("content-type", "application/json".into())],
        object!({ "error": { "message": why } }).to_string(),
    )
}

fn is_basic(asked: &Asked) -> bool {
    asked.headers.get("authorization").is_some_and(|said| said.starts_with("Basic "))
}

/// ServiceNow's table of changes: <https://www.servicenow.com/docs/r/api-reference/rest-apis/c_TableAPI.html>, with the state model of normal
/// changes.
#[derive(Default)]
pub struct ServiceNow {
    pub changes: BTreeMap<String, BTreeMap<String, String>>,
    /// All states that each change was in.
    pub states: Vec<String>,
}

const KNOWN: [&str; 13] = [
    "type",
    "correlation_id",
    "correlation_display",
    "short_description",
    "description",
    "justification",
    "implementation_plan",
    "backout_plan",
    "assignment_group",
    "state",
    "close_code",
    "close_notes",
    "approval",
];

pub fn servicenow(days: Days) -> Double<ServiceNow> {
    Double::start(ServiceNow::default(), days, |now, asked| {
        if !is_basic(asked) {
            return refused(401, "User Not Authenticated");
        }
        let Some(rest) = asked.path.strip_prefix("/api/now/table/change_request") else {
            return refused(400, "Invalid table");
        };
        let id = rest.trim_start_matches('/').to_owned();
        let fields = asked.query.get("sysparm_fields").cloned().unwrap_or_default();
        let shown = |change: &BTreeMap<String, String>| {
            let wanted = |name: &str| fields.is_empty() || fields.split(',').any(|field| field == name);
            let shown: BTreeMap<&String, &String> = change.iter().filter(|(name, _)| wanted(name)).collect();
            object!(shown)
        };
        match (asked.method.as_str(), id.as_str()) {
            ("GET", "") => {
                let query = asked.query.get("sysparm_query").cloned().unwrap_or_default();
                let found: Vec<Value> = now
                    .changes
                    .values()
                    .filter(|change| {
                        query.split('^').all(|condition| match condition.split_once('=') {
                            Some(("active", _)) => !["3", "4"].contains(&change["state"].as_str()),
                            // What the instance does not know is passed over.
                            Some((name, value)) => change.get(name).is_none_or(|known| known == value),
                            None => true,
                        })
                    })
                    .map(shown)
                    .collect();
                json(object!({ "result": found }))
            }
            ("POST", "") => {
                let body = body(asked);
                let mut change: BTreeMap<String, String> = BTreeMap::from([
                    ("state".to_owned(), "-5".to_owned()),
                    ("approval".to_owned(), "not requested".to_owned()),
                ]);
                for (name, value) in body.as_object().unwrap() {
                    assert!(KNOWN.contains(&name.as_str()), "change_request has no field {name}");
                    change.insert(name.clone(), value.as_str().unwrap().to_owned());
                }
                assert!(change["correlation_id"].len() <= 100 && change["short_description"].len() <= 160);
                let number = now.changes.len() + 1;
                change.insert("number".to_owned(), format!("CHG{number:07}"));
                change.insert("sys_id".to_owned(), format!("{number:032x}"));
                now.states.push("-5".to_owned());
                now.changes.insert(format!("{number:032x}"), change.clone());
                created(object!({ "result": shown(&change) }))
            }
            (method, id) => {
                let Some(change) = now.changes.get_mut(id) else { return refused(404, "No Record found") };
                if method == "PATCH" {
                    let body = body(asked);
                    let mut after = change.clone();
                    for (name, value) in body.as_object().unwrap() {
                        assert!(KNOWN.contains(&name.as_str()), "change_request has no field {name}");
                        after.insert(name.clone(), value.as_str().unwrap().to_owned());
                    }
                    let (was, is) = (change["state"].clone(), after["state"].clone());
                    let follows = [("-5", "-4"), ("-4", "-3"), ("-3", "-2"), ("-2", "-1"), ("-1", "0"), ("0", "3")];
                    let may = was == is || is == "4" || follows.contains(&(was.as_str(), is.as_str()));
                    let approved = change["approval"] == "approved";
                    if !may || (is == "-1" && !approved) || ["3", "4"].contains(&was.as_str()) {
                        return refused(403, "Operation Failed: the state model does not permit this transition");
                    }
                    if is == "3" && (!after.contains_key("close_code") || !after.contains_key("close_notes")) {
                        return refused(403, "Data Policy Exception: Close code and close notes are mandatory");
                    }
                    if was == "-5" && is == "-4" {
                        after.insert("approval".to_owned(), "requested".to_owned());
                    }
                    if was != is {
                        now.states.push(is);
                    }
                    *change = after;
                }
                json(object!({ "result": shown(change) }))
            }
        }
    })
}

impl ServiceNow {
    /// The people who have to agree do.
    pub fn approve(&mut self) {
        for change in self.changes.values_mut() {
            change.insert("approval".to_owned(), "approved".to_owned());
            change.insert("state".to_owned(), "-2".to_owned());
        }
    }
}

/// A ticket of Jira's.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub fields: Value,
    pub done: bool,
    made: Instant,
}

/// Jira's issues: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/>. The search shows what was made a moment later.
#[derive(Default)]
pub struct Jira {
    pub tickets: BTreeMap<String, Ticket>,
    pub updates: usize,
}

const INDEXES_AFTER: Duration = Duration::from_millis(700);

fn right_fields(fields: &Value) -> Result<(), &'static str> {
    for (name, value) in fields.as_object().unwrap() {
        let right = match name.as_str() {
            "project" => value["key"] == "PATCH",
            "issuetype" => value["name"] == "Task",
            "labels" => value.as_array().unwrap().iter().all(|label| !label.as_str().unwrap().contains(' ')),
            "summary" => {
                value.as_str().is_some_and(|text| !text.is_empty() && text.len() <= 255 && !text.contains('\n'))
            }
            "duedate" => value.as_str().unwrap().parse::<jiff::civil::Date>().is_ok(),
            "assignee" => value["id"].is_string(),
            // A text in Atlassian's document format is never empty.
            "description" => {
                value["type"] == "doc" && value["version"] == 1 && !value.to_string().contains("\"text\":\"\"")
            }
            _ => false,
        };
        if !right {
            return Err("Field is not on the appropriate screen, unknown, or not as it has to be");
        }
    }
    Ok(())
}

pub fn jira(days: Days) -> Double<Jira> {
    Double::start(Jira::default(), days, |jira, asked| {
        if !is_basic(asked) {
            return refused(401, "Client must be authenticated to access this resource.");
        }
        let path = asked.path.strip_prefix("/rest/api/3/").unwrap();
        let parts: Vec<&str> = path.split('/').collect();
        let state = |done: bool| {
            let key = if done { "done" } else { "new" };
            object!({ "name": key, "statusCategory": { "key": key } })
        };
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["search", "jql"]) => {
                let jql = &asked.query["jql"];
                assert!(
                    jql.starts_with("project = \"PATCH\" AND labels = \"refit-")
                        && jql.ends_with("statusCategory != Done")
                );
                let label = jql.split('"').nth(3).unwrap();
                let found = jira.tickets.iter().filter(|(_, ticket)| {
                    let labels = ticket.fields["labels"].as_array().unwrap();
                    !ticket.done && labels.iter().any(|it| it == label) && ticket.made.elapsed() >= INDEXES_AFTER
                });
                let issues: Vec<Value> = found
                    .map(|(key, ticket)| object!({ "key": key, "fields": { "labels": ticket.fields["labels"], "status": state(false) } }))
                    .collect();
                json(object!({ "issues": issues, "isLast": true }))
            }
            ("GET", ["user", "search"]) => {
                let known = asked.query["query"] == "ada@acme.example";
                let user = object!({ "accountId": "5b10", "accountType": "atlassian", "active": true });
                json(if known { object!([user]) } else { object!([]) })
            }
            ("POST", ["issue"]) => {
                let fields = body(asked)["fields"].clone();
                if let Err(why) = right_fields(&fields) {
                    return refused(400, why);
                }
                let key = format!("PATCH-{}", jira.tickets.len() + 1);
                jira.tickets.insert(key.clone(), Ticket { fields, done: false, made: Instant::now() });
                created(
                    object!({ "id": "10000", "key": key, "self": "https://acme.atlassian.net/rest/api/3/issue/10000" }),
                )
            }
            (method, ["issue", key, rest @ ..]) => {
                let Some(ticket) = jira.tickets.get_mut(*key) else { return refused(404, "Issue does not exist") };
                match (method, rest) {
                    ("GET", []) => json(object!({ "key": key, "fields": { "status": state(ticket.done) } })),
                    ("PUT", []) => {
                        let fields = body(asked)["fields"].clone();
                        if let Err(why) = right_fields(&fields) {
                            return refused(400, why);
                        }
                        jira.updates += 1;
                        for (name, value) in fields.as_object().unwrap() {
                            ticket.fields[name] = value.clone();
                        }
                        nothing()
                    }
                    ("GET", ["transitions"]) => {
                        let all =
                            [object!({ "id": "11", "to": state(false) }), object!({ "id": "31", "to": state(true) })];
                        json(object!({ "transitions": all }))
                    }
                    ("POST", ["transitions"]) => {
                        if body(asked)["transition"]["id"] != "31" {
                            return refused(
                                400,
                                "It seems that you have tried to perform an illegal workflow operation.",
                            );
                        }
                        ticket.done = true;
                        nothing()
                    }
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    })
}

/// Comments and statuses of a repository: GitHub's <https://docs.github.com/en/rest/issues/comments> and
/// <https://docs.github.com/en/rest/commits/statuses>, GitLab's <https://docs.gitlab.com/api/notes/> and
/// <https://docs.gitlab.com/api/commits/>.
#[derive(Default)]
pub struct Forge {
    pub comments: Vec<String>,
    pub statuses: Vec<Value>,
}

impl Forge {
    fn page(&self, asked: &Asked) -> Answer {
        let number =
            |name: &str, otherwise: usize| asked.query.get(name).map_or(otherwise, |text| text.parse().unwrap());
        let (size, page) = (number("per_page", 30).min(100), number("page", 1));
        let all = self.comments.iter().enumerate().skip(size * (page - 1)).take(size);
        let page: Vec<Value> = all.map(|(index, text)| object!({ "id": index + 1, "body": text })).collect();
        json(Value::from(page))
    }

    fn write(&mut self, asked: &Asked, id: Option<&str>) -> Answer {
        let text = body(asked)["body"].as_str().unwrap().to_owned();
        if text.is_empty() || text.chars().count() > 65_536 {
            return refused(422, "Validation Failed");
        }
        match id {
            None => {
                self.comments.push(text);
                created(object!({ "id": self.comments.len() }))
            }
            Some(id) => {
                let place: usize = id.parse().unwrap();
                self.comments[place - 1] = text;
                json(object!({ "id": place }))
            }
        }
    }
}

/// With as many comments of others.
fn forge(others: usize) -> Forge {
    Forge { comments: (0..others).map(|number| format!("comment {number}")).collect(), statuses: Vec::new() }
}

pub fn github(others: usize, days: Days) -> Double<Forge> {
    Double::start(forge(others), days, |forge, asked| {
        if asked.headers.get("authorization").is_none_or(|said| said != "Bearer hush") {
            return refused(401, "Bad credentials");
        }
        let parts: Vec<&str> = asked.path.strip_prefix("/repos/acme/policy/").unwrap().split('/').collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["issues", "12", "comments"]) => forge.page(asked),
            ("POST", ["issues", "12", "comments"]) => forge.write(asked, None),
            ("PATCH", ["issues", "comments", id]) => forge.write(asked, Some(id)),
            ("POST", ["statuses", sha]) => {
                let mut status = body(asked);
                let state = status["state"].as_str().unwrap();
                if !["error", "failure", "pending", "success"].contains(&state) {
                    return refused(422, "state is not included in the list");
                }
                status["sha"] = (*sha).into();
                forge.statuses.push(status);
                created(object!({ "id": 1 }))
            }
            _ => refused(404, "Not Found"),
        }
    })
}

pub fn gitlab(others: usize, days: Days) -> Double<Forge> {
    Double::start(forge(others), days, |forge, asked| {
        if asked.headers.get("private-token").is_none_or(|said| said != "hush") {
            return refused(401, "401 Unauthorized");
        }
        let parts: Vec<&str> = asked.path.strip_prefix("/api/v4/projects/acme%2Fpolicy/").unwrap().split('/').collect();
        match (asked.method.as_str(), parts.as_slice()) {
            ("GET", ["merge_requests", "12", "notes"]) => forge.page(asked),
            ("POST", ["merge_requests", "12", "notes"]) => forge.write(asked, None),
            ("PUT", ["merge_requests", "12", "notes", id]) => forge.write(asked, Some(id)),
            ("POST", ["statuses", sha]) => {
                let mut status = body(asked);
                let state = status["state"].as_str().unwrap();
                assert!(["pending", "running", "success", "failed", "canceled"].contains(&state), "{state}");
                status["sha"] = (*sha).into();
                let same = |it: &&Value| {
                    (&it["sha"], &it["name"], &it["state"]) == (&status["sha"], &status["name"], &status["state"])
                };
                if forge.statuses.iter().any(|it| same(&it)) {
                    return refused(400, "Cannot transition status via :succeed from :success");
                }
                forge.statuses.push(status);
                created(object!({ "id": 1 }))
            }
            _ => refused(404, "404 Not found"),
        }
    })
}

/// Slack's Web API: <https://docs.slack.dev/apis/web-api/>. What is wrong is said with status 200.
#[derive(Default)]
pub struct Slack {
    pub messages: Vec<Value>,
}

pub fn slack(days: Days) -> Double<Slack> {
    Double::start(Slack::default(), days, |slack, asked| {
        let wrong = |why: &str| json(object!({ "ok": false, "error": why }));
        if asked.headers.get("authorization").is_none_or(|said| said != "Bearer hush") {
            return wrong("invalid_auth");
        }
        let said = body(asked);
        match asked.path.as_str() {
            "/api/users.lookupByEmail" if asked.query["email"] == "ada@acme.example" => {
                json(object!({ "ok": true, "user": { "id": "U1", "name": "ada" } }))
            }
            "/api/users.lookupByEmail" => wrong("users_not_found"),
            "/api/conversations.open" if said["users"] == "U1" => {
                json(object!({ "ok": true, "channel": { "id": "D1" } }))
            }
            "/api/conversations.open" => wrong("user_not_found"),
            "/api/conversations.history" => {
                assert_eq!(
                    (asked.query["channel"].as_str(), asked.query["include_all_metadata"].as_str()),
                    ("D1", "true")
                );
                json(object!({ "ok": true, "messages": slack.messages, "response_metadata": { "next_cursor": "" } }))
            }
            "/api/chat.postMessage" if said["channel"] == "D1" => {
                let ts = format!("17642{:05}.000100", slack.messages.len());
                let mut message = said.clone();
                message["ts"] = ts.as_str().into();
                slack.messages.push(message);
                json(object!({ "ok": true, "channel": "D1", "ts": ts }))
            }
            "/api/chat.update" => match slack.messages.iter_mut().find(|message| message["ts"] == said["ts"]) {
                None => wrong("message_not_found"),
                Some(message) => {
                    *message = said;
                    json(object!({ "ok": true }))
                }
            },
            _ => wrong("channel_not_found"),
        }
    })
}
