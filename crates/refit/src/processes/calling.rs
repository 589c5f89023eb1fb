//! Making the calls of a process.

use crate::sources::asking::{Asking, paging};
use anyhow::Result;
use jiff::SignedDuration;
use refit_connect::{
    feeds::NetworkOptions,
    systems::{AskError, CallError, Client, Method, Question, Request},
};
use refit_core::{
    facts::mapping::document::{ConnectorDocument, PayloadKind},
    policy::document::outside::SourceDocument,
    process::{Answer, Call, Ended, Process, Verb},
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who makes the calls of one process.
pub struct Caller {
    client: Client,
    base: String,
    /// What was said of the system, by setting.
    pub settings: BTreeMap<String, String>,
}

impl Caller {
    /// For a process of a name, with what its document and whoever runs this say.
    pub fn new(
        name: &str,
        process: &Process,
        built_in: bool,
        settings: &BTreeMap<String, Value>,
        connect: Option<&str>,
        secrets: BTreeMap<String, PathBuf>,
    ) -> Result<Caller> {
        let connector = connector(process);
        let source = SourceDocument {
            source: name.to_owned(),
            connector: None,
            owner: None,
            stale_after: None,
            shrink_limit: None,
            every: None,
            signals: BTreeMap::new(),
            settings: settings.clone(),
            maps: BTreeMap::new(),
        };
        let called = format!("the process `{name}`");
        let asking = Asking::called(called, &source, &connector, built_in, connect, secrets)?;
        let mut system = asking.system()?;
        // When something is tried again is for the machine to say.
        system.network = NetworkOptions {
            attempts: 1,
            longest_wait: Duration::ZERO,
            total_timeout: PATIENCE,
            ..NetworkOptions::default()
        };
        let base = asking.address().trim_end_matches('/').to_owned();
        Ok(Caller { client: Client::new(system), base, settings: asking.settings().clone() })
    }

    /// Makes a call. `reads` says what an answer, or a page of it, means.
    pub fn call(&mut self, call: &Call, reads: &dyn Fn(&Value) -> Result<Answer, String>) -> Ended {
        let address = format!("{}{}", self.base, call.path);
        match &call.paging {
            Some(document) => self.pages(call, &address, paging(document), reads),
            None => self.one(call, &address, reads),
        }
    }

    fn one(&mut self, call: &Call, address: &str, reads: &dyn Fn(&Value) -> Result<Answer, String>) -> Ended {
        let query: Vec<String> =
            call.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let address = if query.is_empty() { address.to_owned() } else { format!("{address}?{}", query.join("&")) };
        let body = call.body.as_ref().map(Value::to_string);
        let request = Request {
            method: method(call.verb),
            address: &address,
            body: body.as_deref().map(|body| ("application/json; charset=utf-8", body)),
            version: None,
            repeatable: call.repeatable,
        };
        match self.client.call(&request) {
            Ok(reply) => match read(&reply.body, reads) {
                Ok(answer) => Ended::Answered(answer),
                // It said yes, and nobody knows to what.
                Err(why) => Ended::Failed { why, wait: None, lost: !call.repeatable },
            },
            Err(error) => failed(call, error),
        }
    }

    /// Looks through a list, page after page, until the entry is found.
    fn pages(
        &mut self,
        call: &Call,
        address: &str,
        paging: refit_connect::systems::Paging,
        reads: &dyn Fn(&Value) -> Result<Answer, String>,
    ) -> Ended {
        let question =
            Question { address: address.to_owned(), query: call.query.clone(), paging, ..Question::default() };
        let mut found: Option<Answer> = None;
        let mut page = |text: &str| match read(text, reads)? {
            Answer::NotHere { entries } => Ok(entries),
            answer => {
                found = Some(answer);
                Err("it is found".to_owned())
            }
        };
        let asked_for = self.client.read(&question, &mut page);
        match (found, asked_for) {
            (Some(answer), _) => Ended::Answered(answer),
            (None, Ok(_)) => Ended::Answered(Answer::NotHere { entries: 0 }),
            (None, Err(error)) => asked(call, error, false),
        }
    }
}

/// The system of a process, as sources have it.
fn connector(process: &Process) -> ConnectorDocument {
    let document = &process.document;
    ConnectorDocument {
        connector: document.template.clone(),
        name: document.name.clone(),
        about: None,
        docs: Vec::new(),
        reads: PayloadKind::HttpJson,
        settings: document.settings.clone(),
        secrets: document.secrets.clone(),
        address: Some(document.address.clone()),
        authentication: document.authentication.clone(),
        headers: document.headers.clone(),
        limits: document.limits.clone(),
        lists: BTreeMap::new(),
        records: Vec::new(),
        ignored: Vec::new(),
        none: BTreeMap::new(),
        unused: BTreeMap::new(),
    }
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::Get,
        Verb::Post => Method::Post,
        Verb::Put => Method::Put,
        Verb::Patch => Method::Patch,
        Verb::Delete => Method::Delete,
    }
}

fn nothing() -> Ended {
    Ended::Answered(Answer::Says(Map::new()))
}

fn read(text: &str, reads: &dyn Fn(&Value) -> Result<Answer, String>) -> Result<Answer, String> {
    let json = match text.trim() {
        "" => Value::Null,
        text => serde_json::from_str(text).map_err(|error| format!("the answer is no JSON: {error}"))?,
    };
    reads(&json)
}

/// What it means that a call did not succeed.
fn failed(call: &Call, error: CallError) -> Ended {
    let why = error.to_string();
    match error {
        CallError::Gone { .. } if call.fine.contains(&404) => nothing(),
        CallError::Gone { .. } => Ended::Gone,
        CallError::NotTaken(error) => asked(call, error, false),
        CallError::Lost(error) => asked(call, error, true),
        CallError::NotAllowed { status, .. } => said(call, status, why),
        CallError::Changed { .. } | CallError::NotReady { .. } => Ended::Refused(why),
    }
}

/// What an answer without success means.
fn asked(call: &Call, error: AskError, lost: bool) -> Ended {
    let why = error.to_string();
    match error {
        AskError::ComeBackLater { wait, .. } => Ended::Failed { why, wait: SignedDuration::try_from(wait).ok(), lost },
        AskError::Refused { status, .. } if !lost => said(call, status, why),
        AskError::NotAllowed { status, .. } => said(call, status, why),
        _ => Ended::Failed { why, wait: None, lost },
    }
}

/// A status other than success says something of what was asked, of who asks, or of the system.
fn said(call: &Call, status: u16, why: String) -> Ended {
    match status {
        status if call.fine.contains(&status) => nothing(),
        404 | 410 => Ended::Gone,
        401 | 407 | 408 | 425 | 429 | 500..=599 => Ended::Failed { why, wait: None, lost: false },
        _ => Ended::Refused(why),
    }
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
