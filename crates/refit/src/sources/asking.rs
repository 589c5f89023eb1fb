//! From a connector's document, and what a policy repository and the command line add to it, to questions.

use super::data::Mark;
use crate::Refused;
use anyhow::Result;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_connect::systems::{
    Authentication, Body, ClientPlace, Database, Grant, Limits, Number, Paging, Place, Question, Reset, Secret,
    Signature, Size, System,
};
use refit_core::{
    facts::mapping::document::{
        self as written, AuthenticationDocument, ChangesDocument, ConnectorDocument, ListDocument, PagingDocument,
    },
    policy::document::{outside::SourceDocument, scalars::Duration},
};
use serde_json::Value;
use smol_str::SmolStr;
use std::{collections::BTreeMap, path::PathBuf};

/// How far back a reading of changes goes once more where the connector does not say: clocks differ, and records come late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// A source with all that is needed to ask it.
pub struct Asking<'d> {
    /// What it is for people: the source `okta`.
    called: String,
    name: &'d str,
    connector: &'d ConnectorDocument,
    settings: BTreeMap<String, String>,
    /// Files of secrets, by the name that the connector has for each.
    secrets: BTreeMap<String, PathBuf>,
    /// The hosts that may be told a secret.
    hosts: Vec<String>,
    /// In which zone it is today.
    zone: TimeZone,
}

/// What is asked for a list, and how its answers are to be taken.
pub struct Asked {
    pub question: Question,
    /// What is asked first, so that the next reading can be one of what changes from now on; its records are not read.
    pub begins: Option<Question>,
    /// Whether all of it is asked for.
    pub whole: bool,
    /// Whether records then say only what has changed of them.
    pub partial: bool,
    /// Where in the last page the address of the next reading is.
    pub delta: Option<String>,
    /// What is asked first, where it says which records of the list have changed.
    pub listed: Option<Listed>,
}

/// A list of the ids of what has changed.
pub struct Listed {
    pub question: Question,
    /// Where in its answer the ids are.
    pub ids: String,
    /// The parameter by which the records are asked for.
    pub by: String,
    /// How many at once.
    pub at_once: usize,
}

impl<'d> Asking<'d> {
    /// A source. `built_in` is whether the connector comes with Refit, so that hosts that it names are those of its vendor.
    pub fn new(
        source: &'d SourceDocument,
        connector: &'d ConnectorDocument,
        built_in: bool,
        connect: Option<&str>,
        secrets: BTreeMap<String, PathBuf>,
    ) -> Result<Asking<'d>> {
        Asking::called(format!("the source `{}`", source.source), source, connector, built_in, connect, secrets)
    }

    /// The same for whatever is asked like a source, under the name that people have for it.
    pub fn called(
        called: String,
        source: &'d SourceDocument,
        connector: &'d ConnectorDocument,
        built_in: bool,
        connect: Option<&str>,
        secrets: BTreeMap<String, PathBuf>,
    ) -> Result<Asking<'d>> {
        let name = source.source.as_str();
        let refuse = |why: String| Err(Refused::usage(format!("{called}: {why}")));
        let mut settings = BTreeMap::new();
        for (setting, value) in &source.settings {
            let text = match value {
                serde_json::Value::String(text) => text.clone(),
                serde_json::Value::Number(number) => number.to_string(),
                serde_json::Value::Bool(truth) => truth.to_string(),
                _ => return refuse(format!("its setting `{setting}` is no text")),
            };
            if !connector.settings.contains_key(setting) {
                let known: Vec<&str> = connector.settings.keys().map(String::as_str).collect();
                return refuse(format!("the connector has no setting `{setting}`; it has {}", known.join(", ")));
            }
            settings.insert(setting.clone(), text);
        }
        if let Some(why) = connect.and_then(|url| unfit(url, !connector.secrets.is_empty())) {
            return refuse(why);
        }
        if let Some(url) = connect.filter(|_| connector.settings.contains_key("url")) {
            settings.insert("url".to_owned(), url.trim_end_matches('/').to_owned());
        }
        for (setting, document) in &connector.settings {
            if settings.contains_key(setting) {
                continue;
            }
            match &document.default {
                Some(default) => {
                    settings.insert(setting.clone(), default.clone());
                }
                None if setting == "path" => {}
                None if setting == "url" => return refuse(format!("say where the system is: `--connect {name}=URL`")),
                None => return refuse(format!("its `settings:` lack `{setting}`: {}", document.about)),
            }
        }
        if let Some(secret) = secrets.keys().find(|secret| !connector.secrets.contains_key(*secret)) {
            return refuse(format!("the connector has no secret `{secret}`"));
        }
        // Whoever writes policy must not lead a secret elsewhere: where the system is says whoever runs this, or the connector's vendor.
        let mut hosts: Vec<String> = connect.map(str::to_owned).into_iter().collect();
        for template in connector.address.iter().chain(token_address(connector)) {
            let vendors = if built_in { vendors_host(template, &settings) } else { None };
            match vendors {
                Some(host) => hosts.push(host),
                None if connect.is_none() && !connector.secrets.is_empty() => {
                    return refuse(format!("say where the system is: `--connect {name}=https://HOST`"));
                }
                None => {}
            }
        }
        Ok(Asking { called, name, connector, settings, secrets, hosts, zone: TimeZone::UTC })
    }

    /// The same, where it is the day of this zone when the system is asked for a day; else that of UTC.
    pub fn in_zone(self, zone: Option<&SmolStr>) -> Asking<'d> {
        Asking { zone: zone.and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC), ..self }
    }

    /// The system, with its secrets read.
    pub fn system(&self) -> Result<System> {
        let authentication = match &self.connector.authentication {
            None => Authentication::None,
            Some(document) => self.authentication(document)?,
        };
        let mut headers = Vec::new();
        for (name, value) in &self.connector.headers {
            headers.push((name.clone(), self.filled(value)));
        }
        let limits = self.connector.limits.as_ref().map(limits).unwrap_or_default();
        Ok(System { authentication, headers, limits, hosts: self.hosts.clone(), ..System::default() })
    }

    /// What is asked for a list at this time. `mark` is where the reading before ended; without one, or with `full`, all is asked for. `id`
    /// is that of the record for which it is asked.
    pub fn list(
        &self,
        list: &ListDocument,
        mark: Option<&Mark>,
        full: bool,
        id: Option<&str>,
        now: Timestamp,
    ) -> Asked {
        let with = |text: &str, id: Option<&str>| {
            let mut settings = self.settings.clone();
            settings.extend(id.map(|id| ("id".to_owned(), id.to_owned())));
            settings.entry("today".to_owned()).or_insert_with(|| self.zone.to_datetime(now).date().to_string());
            filled(text, &settings)
        };
        let fill = |text: &str| with(text, id);
        // In an address an id may not be taken for more than a part of the path.
        let address = |text: &str| with(text, id.map(encoded).as_deref());
        let base = address(self.connector.address.as_deref().unwrap_or_default());
        let body = match (&list.graphql, &list.body) {
            (Some(graphql), _) => {
                let variables = graphql.variables.iter().map(|(name, value)| (name.clone(), filled_in(value, &fill)));
                Body::Graphql { query: graphql.query.clone(), variables: variables.collect() }
            }
            (None, Some(body)) => Body::Json(with(body, id.map(in_json).as_deref())),
            (None, None) => Body::Nothing,
        };
        let mut query = BTreeMap::new();
        for (name, value) in &list.query {
            query.insert(name.clone(), fill(value));
        }
        let mut asked = Asked {
            question: Question {
                address: format!("{base}{}", address(&list.get)),
                query: Vec::new(),
                body,
                paging: list.paging.as_ref().map(paging).unwrap_or_default(),
            },
            begins: None,
            whole: true,
            partial: false,
            delta: None,
            listed: None,
        };
        match (&list.changes, mark.filter(|_| !full)) {
            // A setting may say that the system has no such parameter.
            (Some(ChangesDocument::Since(since)), _) if fill(&since.parameter).is_empty() => {}
            (Some(ChangesDocument::Since(since)), Some(Mark::Since(last))) => {
                let value = since.value.replace("{since}", &from(since.overlap, *last).to_string());
                let parameter = fill(&since.parameter);
                match &mut asked.question.body {
                    Body::Graphql { variables, .. } => {
                        variables.insert(parameter, Value::from(value));
                    }
                    // The same parameter may hold what is asked for otherwise: then both have to hold only if the vendor says so; it
                    // replaces.
                    Body::Nothing | Body::Json(_) => {
                        query.insert(parameter, value);
                    }
                }
                asked.whole = false;
            }
            (Some(ChangesDocument::Listed(listed)), Some(Mark::Since(last))) => {
                let value = listed.value.replace("{since}", &from(listed.overlap, *last).to_string());
                asked.listed = Some(Listed {
                    question: Question {
                        address: format!("{base}{}", address(&listed.get)),
                        query: vec![(listed.parameter.clone(), value)],
                        ..Question::default()
                    },
                    ids: listed.ids.clone(),
                    by: listed.by.clone(),
                    at_once: usize::try_from(listed.at_once).unwrap_or(usize::MAX).max(1),
                });
                asked.whole = false;
            }
            (Some(ChangesDocument::Delta(delta)), Some(Mark::Delta(address))) => {
                asked.question.address.clone_from(address);
                query.clear();
                asked.delta = Some(delta.next.clone());
                (asked.whole, asked.partial) = (false, true);
            }
            (Some(ChangesDocument::Delta(delta)), _) => {
                // Asked before the list itself, so that what changes meanwhile is told twice and not never.
                let address = format!("{base}{}", address(&delta.start));
                asked.begins = Some(Question { address, query: Vec::new(), ..asked.question.clone() });
                asked.delta = Some(delta.next.clone());
            }
            _ => {}
        }
        asked.question.query = query.into_iter().collect();
        asked
    }

    /// From when on the rows of a query are asked for: the beginning of time for all of them.
    pub fn since(&self, list: &ListDocument, mark: Option<&Mark>, full: bool) -> (Timestamp, bool) {
        match (&list.changes, mark.filter(|_| !full)) {
            (Some(ChangesDocument::Since(since)), Some(Mark::Since(last))) => (from(since.overlap, *last), false),
            _ => (Timestamp::UNIX_EPOCH, true),
        }
    }

    /// The database that the source is: a file, or a server.
    pub fn database(&self, file: Option<PathBuf>) -> Result<Database> {
        if let Some(file) = file {
            return Ok(Database::new(Place::Sqlite(file)));
        }
        let (user, password) = match &self.connector.authentication {
            Some(AuthenticationDocument::Basic(it)) => {
                let password = it.password.as_deref().map(|name| self.secret(name)).transpose()?;
                (Some(self.filled(&it.user)), password)
            }
            Some(_) => {
                let why = "a database is told a user and a password: write `authentication: { basic: … }`";
                return Err(Refused::no(format!("the connector of {}: {why}", self.called)));
            }
            None => (None, None),
        };
        // Also without a password: the environment of whoever runs this may have one.
        if self.hosts.is_empty() {
            let name = self.name;
            return Err(Refused::usage(format!(
                "say where the database is: `--connect {name}=postgres://HOST/DATABASE`"
            )));
        }
        let address = self.address();
        Ok(Database::new(Place::Postgres { address, user, password, hosts: self.hosts.clone() }))
    }

    /// What was said of it, with what is so where nobody did.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// The address that paths of the system are appended to.
    pub fn address(&self) -> String {
        self.filled(self.connector.address.as_deref().unwrap_or_default())
    }

    /// The file that the source is.
    pub fn file(&self) -> Option<&str> {
        self.settings.get("path").map(String::as_str)
    }

    /// A text of the connector with the settings in it.
    fn filled(&self, text: &str) -> String {
        filled(text, &self.settings)
    }

    fn secret(&self, name: &str) -> Result<Secret> {
        let source = self.name;
        let Some(path) = self.secrets.get(name) else {
            let about = self.connector.secrets.get(name).map_or("", String::as_str);
            return Err(Refused::usage(format!(
                "{} needs a secret: `--secret {source}.{name}=FILE` ({about})",
                self.called
            )));
        };
        let text =
            std::fs::read_to_string(path).map_err(|error| Refused::usage(format!("{}: {error}", path.display())))?;
        if text.trim().is_empty() {
            return Err(Refused::usage(format!("{}: the file is empty", path.display())));
        }
        Ok(Secret::new(text.trim()))
    }

    /// A name, or the secret that holds it as `secret:NAME`.
    fn name_or_secret(&self, text: &str) -> Result<Secret> {
        match text.strip_prefix("secret:") {
            Some(name) => self.secret(name),
            None => Ok(Secret::new(self.filled(text))),
        }
    }

    fn authentication(&self, document: &AuthenticationDocument) -> Result<Authentication> {
        Ok(match document {
            AuthenticationDocument::Bearer(it) => Authentication::Bearer {
                scheme: it.scheme.clone().unwrap_or_else(|| "Bearer".to_owned()),
                token: self.secret(&it.token)?,
            },
            AuthenticationDocument::Basic(it) => Authentication::Basic {
                user: self.name_or_secret(&it.user)?,
                // Some vendors want a key as the name, and any text as the password.
                password: it.password.as_deref().map_or_else(|| Ok(Secret::new("x")), |name| self.secret(name))?,
            },
            AuthenticationDocument::ApiKey(it) => {
                let key = self.secret(&it.key)?;
                match (&it.header, &it.parameter) {
                    (None, Some(parameter)) => Authentication::ParameterKey { parameter: parameter.clone(), key },
                    (header, _) => Authentication::HeaderKey {
                        header: header.clone().unwrap_or_else(|| "authorization".to_owned()),
                        prefix: it.prefix.clone().unwrap_or_default(),
                        key,
                    },
                }
            }
            AuthenticationDocument::ClientCredentials(it) => Authentication::ClientCredentials {
                token_address: self.filled(&it.token_address),
                client_id: self.filled(&it.client_id),
                client_secret: self.secret(&it.client_secret)?,
                scopes: it.scopes.clone(),
                place: match it.client_in {
                    written::ClientPlace::Body => ClientPlace::Body,
                    written::ClientPlace::Header => ClientPlace::Header,
                },
            },
            AuthenticationDocument::PrivateKeyJwt(it) => {
                let issuer = self.filled(&it.issuer);
                let subject = it.subject.as_deref().map(|subject| self.filled(subject));
                Authentication::PrivateKeyJwt {
                    token_address: self.filled(&it.token_address),
                    subject: subject.unwrap_or_else(|| issuer.clone()),
                    issuer,
                    key: self.secret(&it.key)?,
                    signature: match it.algorithm {
                        written::JwtAlgorithm::RS256 => Signature::RS256,
                        written::JwtAlgorithm::ES256 => Signature::ES256,
                    },
                    scopes: it.scopes.clone(),
                    grant: match it.grant {
                        written::JwtGrant::ClientAssertion => Grant::ClientAssertion,
                        written::JwtGrant::JwtBearer => Grant::JwtBearer,
                    },
                }
            }
            AuthenticationDocument::TokenEndpoint(it) => Authentication::TokenEndpoint {
                token_address: self.filled(&it.token_address),
                user: self.name_or_secret(&it.user)?,
                password: self.secret(&it.password)?,
                token: it.token.clone(),
                expires: it.expires.clone(),
            },
        })
    }
}

fn token_address(connector: &ConnectorDocument) -> Option<&String> {
    match connector.authentication.as_ref()? {
        AuthenticationDocument::ClientCredentials(it) => Some(&it.token_address),
        AuthenticationDocument::PrivateKeyJwt(it) => Some(&it.token_address),
        AuthenticationDocument::TokenEndpoint(it) => Some(&it.token_address),
        _ => None,
    }
}

/// From when on changes are asked for, where the last reading began at that time.
fn from(overlap: Option<Duration>, last: Timestamp) -> Timestamp {
    let overlap = overlap.map_or(OVERLAP, |overlap| overlap.0);
    let from = last.checked_sub(overlap).unwrap_or(last);
    from.round(jiff::Unit::Second).unwrap_or(from)
}

/// A variable, with settings filled into its texts.
fn filled_in(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::from(fill(text)),
        Value::Array(items) => items.iter().map(|item| filled_in(item, fill)).collect(),
        Value::Object(entries) => entries.iter().map(|(name, value)| (name.clone(), filled_in(value, fill))).collect(),
        other => other.clone(),
    }
}

/// A text with settings in it, `{name}`. Braces around anything else stay: JSON and filters have some.
fn filled(text: &str, settings: &BTreeMap<String, String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        filled += before;
        match after.split_once('}').and_then(|(name, after)| Some((settings.get(name)?, after))) {
            Some((value, after)) => {
                filled += value;
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

/// The host of an address that a connector names itself; `None` where a setting says it. A setting may be a part of the host's name
/// (`{company}.bamboohr.com`) and no more than that.
fn vendors_host(template: &str, settings: &BTreeMap<String, String>) -> Option<String> {
    let (scheme, rest) = template.split_once("://").filter(|(scheme, _)| !scheme.contains('{'))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let parts: BTreeMap<String, String> = settings
        .iter()
        .filter(|(_, value)| value.chars().all(plain))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let host = filled(authority, &parts);
    // A name that is all a setting's would be anybody's.
    let own = authority.rsplit_once('}').map_or(authority, |(_, own)| own);
    (own.contains('.') && host.chars().all(plain)).then(|| format!("{scheme}://{host}"))
}

fn limits(document: &written::LimitsDocument) -> Limits {
    Limits {
        per_minute: document.per_minute,
        remaining_header: document.remaining_header.clone(),
        reset_header: document.reset_header.clone(),
        reset: match document.reset {
            written::ResetKind::UnixTime => Reset::UnixTime,
            written::ResetKind::Seconds => Reset::Seconds,
        },
    }
}

pub fn paging(document: &PagingDocument) -> Paging {
    let size =
        |parameter: &Option<String>, size: Option<u32>| Some(Size { parameter: parameter.clone()?, records: size? });
    let number = |it: &written::NumberPagingDocument| Number {
        parameter: it.parameter.clone(),
        first: it.first,
        size_parameter: it.size_parameter.clone(),
        size: it.size,
        total: it.total.clone(),
        more: it.more.clone(),
    };
    match document {
        PagingDocument::Cursor(it) => Paging::Cursor {
            next: it.next.clone(),
            more: it.more.clone(),
            parameter: it.parameter.clone(),
            size: size(&it.size_parameter, it.size),
        },
        PagingDocument::LinkHeader(it) => Paging::LinkHeader { size: size(&it.size_parameter, it.size) },
        PagingDocument::PageNumber(it) => Paging::PageNumber(number(it)),
        PagingDocument::Offset(it) => Paging::Offset(number(it)),
        PagingDocument::NextLink(it) => Paging::NextLink { next: it.next.clone() },
    }
}

/// A text as a part of a path may have it.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A text as it stands within a text of JSON.
fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map_or_else(String::new, str::to_owned)
}

/// Where the next reading of changes begins that was asked so at this time.
pub fn mark(list: &ListDocument, asked: &Asked, last_page: &str, began: Timestamp) -> Option<Mark> {
    match list.changes.as_ref()? {
        ChangesDocument::Since(_) | ChangesDocument::Listed(_) => Some(Mark::Since(began)),
        ChangesDocument::Delta(_) => {
            let json: serde_json::Value = serde_json::from_str(last_page).ok()?;
            let address = json.pointer(asked.delta.as_ref()?)?.as_str()?;
            Some(Mark::Delta(address.to_owned()))
        }
    }
}

/// Why a system can't be asked at an address that somebody gave; `None` where it can.
fn unfit(url: &str, with_secrets: bool) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let is_own = name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    (scheme.eq_ignore_ascii_case("http") && with_secrets && !is_own).then(|| {
        format!("at `{url}` everybody on the way could read the secret that it is asked with: write `https://{host}`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vendors_host_is_named_by_a_connector() {
        let settings = |company: &str| BTreeMap::from([("company".to_owned(), company.to_owned())]);
        let host = |template: &str, company: &str| vendors_host(template, &settings(company));
        let bamboo = "https://{company}.bamboohr.com/api/v1";
        assert_eq!(host(bamboo, "acme").as_deref(), Some("https://acme.bamboohr.com"));
        for evil in ["evil.example/", "evil.example#", "me@evil.example?", "evil.example:80/", ""] {
            let found = host(bamboo, evil);
            assert!(found.is_none() || found.as_deref() == Some("https://.bamboohr.com"), "{evil}: {found:?}");
        }
        assert_eq!(host("https://graph.microsoft.com/v1.0", "").as_deref(), Some("https://graph.microsoft.com"));
        assert_eq!(host("{company}", "https://evil.example"), None);
        assert_eq!(host("https://{company}/api", "evil.example"), None);
    }

    #[test]
    fn bamboohr_is_asked_for_who_is_out_today_and_not_for_who_will_be() {
        let connector = crate::connectors::read("bamboohr", &refit_core::facts::Fields::builtin()).unwrap();
        let connector = connector.connector.unwrap();
        let source = serde_json::json!({ "source": "bamboohr", "settings": { "company": "acme" } });
        let source: SourceDocument = serde_json::from_value(source).unwrap();
        let asking = Asking::new(&source, &connector.document, true, None, BTreeMap::new()).unwrap();
        let late = "2026-11-27T23:59:59Z".parse().unwrap();
        let question = asking.list(&connector.document.lists["whos_out"], None, true, None, late).question;
        let asked: Vec<String> = question.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(asked, ["end=2026-11-27", "filter=off", "start=2026-11-27"]);
        assert_eq!(question.address, "https://acme.bamboohr.com/api/v1/time_off/whos_out");
        // Elsewhere it is another day: that of the organisation counts.
        for (zone, day) in
            [("Pacific/Auckland", "2026-11-28"), ("America/Los_Angeles", "2026-11-27"), ("none", "2026-11-27")]
        {
            let asking = Asking::new(&source, &connector.document, true, None, BTreeMap::new()).unwrap();
            let question =
                asking.in_zone(Some(&zone.into())).list(&connector.document.lists["whos_out"], None, true, None, late);
            assert!(question.question.query.contains(&("start".to_owned(), day.to_owned())), "{zone}");
        }
    }

    #[test]
    fn an_id_is_written_as_its_place_wants_it() {
        let text = "connector: a\nname: A\nreads: http_json\naddress: \"https://a.example\"\nlists:\n  all:\n    get: \"/users/{id}/apps\"\n    \
            query: { of: \"{id}\" }\n    body: '{\"of\": \"{id}\"}'\n    gives: [a]\n";
        let limits = refit_core::policy::syntax::Limits::default();
        let mut files = refit_core::policy::diagnostic::Files::default();
        let text = format!("{text}records:\n  - {{ records: a, of: device, id: record.id }}\n");
        let file = files.add("connector.yaml".to_owned(), text.as_bytes(), &limits).unwrap();
        let fields = refit_core::facts::Fields::builtin();
        let connector = refit_core::facts::mapping::load(&files, file, &fields, &limits).0.unwrap();
        let source: SourceDocument = serde_json::from_value(serde_json::json!({ "source": "a" })).unwrap();
        let asking = Asking::new(&source, &connector.document, false, None, BTreeMap::new()).unwrap();
        let now = "2026-11-27T23:59:59Z".parse().unwrap();
        let question = asking.list(&connector.document.lists["all"], None, true, Some("../a\"{b}"), now).question;
        assert_eq!(question.address, "https://a.example/users/..%2Fa%22%7Bb%7D/apps");
        assert_eq!(question.query, [("of".to_owned(), "../a\"{b}".to_owned())]);
        assert_eq!(question.body, Body::Json(r#"{"of": "../a\"{b}"}"#.to_owned()));
    }

    #[test]
    fn braces_that_are_no_settings_stay() {
        let settings = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(filled(r#"{"query": "{ x(id: {a}) }"} {since}"#, &settings), r#"{"query": "{ x(id: 1) }"} {since}"#);
    }
}

#[cfg(test)]
mod address_tests {
    use super::unfit;

    #[test]
    fn a_secret_goes_nowhere_in_the_clear() {
        for fine in
            ["https://acme.example", "http://127.0.0.1:80", "http://[::1]:80/x", "http://localhost", "postgres://db"]
        {
            assert_eq!(unfit(fine, true), None, "{fine}");
        }
        assert_eq!(unfit("http://10.0.0.1", false), None);
        for not in ["http://10.0.0.1", "HTTP://acme.example/x", "http://127.0.0.1.evil.example/", "http://a@127.0.0.1"]
        {
            assert!(unfit(not, true).is_some(), "{not}");
        }
    }
}
