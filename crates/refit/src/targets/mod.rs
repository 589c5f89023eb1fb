//! The systems that targets are kept by: how one talks to them, for every command that does. `serving.rs` is what a server does: it looks
//! whether they are as Refit left them. `carried.rs` has the secrets that objects carry to the system.

mod carried;
pub mod serving;

use self::carried::Carried;
use crate::{
    Refused,
    sources::{
        asking::Asking,
        syncing::{Places, Policy, connector},
    },
};
use anyhow::{Context, Result, anyhow, ensure};
use refit_connect::{
    systems::{AskError, CallError, Client, Method, Number, Paging, Question, Reply, Request},
    targets::{Lock, Record},
};
use refit_core::{
    cohorts::Cohorts,
    engine::Fleet,
    facts::{FieldRef, Value as Known},
    policy::{
        document::outside::{DriftResponse, SourceDocument},
        repository::{Repository, TargetSystem},
    },
};
use refit_targets::{
    Identity, Offered, TargetPlan,
    api::{
        self, Answers, Api, Ask, BESIDE, Body, Call, FOREIGN, FORMAT, Memory, Names, Pages, Rules, Step, SystemPlan,
        Todo, is_beside, verify::Called,
    },
    render::counted,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

/// The setting that names another connector than the one that the kind of the target has.
const CONNECTOR: &str = "connector";

/// The setting that says where a system is.
const URL: &str = "url";

/// The setting that says as which client a system is asked.
const CLIENT: &str = "client_id";

/// The setting that says whose part of a system is meant, where all have one address.
const TENANT: &str = "tenant";

/// By what besides its id in Refit a device is found again in a system, the surest first.
pub const KNOWN_BY: [&str; 3] = ["device.serial", "device.hardware_uuid", "device.hostname"];

/// How often something is made again whose answer was lost, and which is not there when it is looked for.
const MAKE_MOST: u32 = 3;
/// How long is waited before it is looked for: systems show what was made a moment later. It is doubled each time.
const MAKE_WAIT: Duration = Duration::from_secs(1);

/// A system, and how one talks to it.
pub struct System {
    client: Client,
    /// What paths are appended to.
    pub base: String,
    /// Which it is: its address, and the tenant where many have one address.
    pub place: String,
    /// The text in what this target has written.
    pub mark: String,
    /// What was asked and called since somebody last took it away, one after the other.
    pub called: Vec<Called>,
    /// What the secret has to be allowed there.
    permissions: &'static str,
    /// The secrets that its objects carry.
    carried: Carried,
}

/// What a system is held against.
pub struct Look<'a> {
    /// The policies.
    pub repository: &'a Repository,
    /// What reading a connector needs of them.
    pub policy: Policy<'a>,
    /// Where systems and secrets are.
    pub places: &'a Places,
    /// Who shares what the policies say.
    pub cohorts: &'a Cohorts,
    /// What vendors offer.
    pub offered: &'a Offered,
    /// What devices are known by.
    pub names: Names<'a>,
    /// Whether what was changed by hand is undone, whatever documents say.
    pub revert: bool,
}

impl Look<'_> {
    /// Asks the system of a target what is there, and says in its plan what has to change. `remembered` is what `record` holds.
    pub fn at(
        &self,
        plan: &mut TargetPlan,
        system: &TargetSystem,
        api: &dyn Api,
        record: &Record,
        remembered: &mut Memory,
    ) -> Result<System> {
        let told = format!("target {} ({}:{})", plan.name, plan.origin.file, plan.origin.line);
        let organization = &self.repository.organization;
        let reached = reached(api, system, self.policy, organization, self.places, remembered.system.as_deref())?;
        let mut it = reached.with_mark(api::mark(organization, &plan.name));
        let about = about(&plan.name, organization, &it.place);
        if let Some(known) = remembered.system.as_ref().filter(|known| **known != about) {
            return Err(Refused::no(format!(
                "{told}: what is remembered in {} is about {known}, and this is {about}. Give this target another name, or another data \
                 folder (`--data`); if the system has only moved, write its new address under `system` there",
                record.path().display()
            )));
        }
        remembered.system = Some(about);
        let mut noted = remembered.clone();
        let (numbers, others_now) = it.carried.numbered(&mut noted)?;
        let answers = it.observe(api).context(told.clone())?;
        let mut offered = self.offered.clone();
        let is_again = api.offers(&answers, &mut offered).context(told.clone())?;
        let mut found = api.found(&it.mark, &answers).context(told)?;
        found.notes.extend(others_now.into_iter().map(|name| {
            format!("the secret `{name}` is another one than was written: what carries it is written again")
        }));
        if is_again {
            plan.compile_again(self.repository, self.cohorts, &offered);
        }
        let devices = self.cohorts.targets.get(&plan.name);
        let mut wanted = api::wanted(api, &plan.desired, devices, &found, self.names);
        api::number_secrets(&mut wanted, &numbers);
        let revert = self.revert || system.drift == Some(DriftResponse::Revert);
        let rules = Rules { revert, beside: is_beside(&system.settings) };
        let found = api::plan(plan.target, api, &wanted, noted, found, rules);
        plan.changes.clone_from(&found.changes);
        plan.desired.objects = wanted.objects;
        plan.system = Some(found);
        Ok(it)
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// How many objects were made or changed.
    pub written: usize,
    /// How many were taken away.
    pub gone: usize,
}

/// Calls what a plan says, and remembers what was done. `remembered` is what the record holds.
pub fn write(
    system: &mut System,
    api: &dyn Api,
    found: &SystemPlan,
    (record, lock): (&Record, &Lock),
    remembered: &Memory,
) -> Result<Written> {
    let text = |memory: &Memory| serde_json::to_string_pretty(memory).map(|text| text + "\n");
    let none = BTreeMap::new();
    let of = found.steps.len();
    if of == 0 {
        let done = found.after(0, &none);
        if done != *remembered {
            record.write(lock, &text(&done)?)?;
        }
        return Ok(Written::default());
    }
    record.write(lock, &text(&found.after(0, &none))?)?;
    let (done, made, stopped) = system.carry_out(api, found);
    let remembering = record.write(lock, &text(&found.after(done, &made))?);
    if let Some(error) = stopped {
        return Err(error.context(format!(
            "{done} of {} were written, and what is to be done is remembered: when that is mended, run the same command again; it goes on \
             from here",
            counted(of as u64, "object")
        )));
    }
    remembering?;
    let is_gone = |step: &&Step| matches!(step.todo, Todo::TakeAway | Todo::TakeAwayTwin);
    let gone = found.steps.iter().filter(is_gone).count();
    Ok(Written { written: of - gone, gone })
}

/// What else a device is known by.
pub fn others(fleet: &Fleet, number: u32) -> Vec<String> {
    let Some(device) = fleet.id(number).and_then(|id| fleet.device(id)) else { return Vec::new() };
    let fields = KNOWN_BY.iter().filter_map(|field| field.parse::<FieldRef>().ok());
    let said = fields.flat_map(|field| device.facts.said(&field).to_vec());
    said.filter_map(|fact| match fact.value {
        Known::Text(text) => Some(text.to_string()),
        _ => None,
    })
    .collect()
}

/// The client for the system of a target, by its connector, its settings, and where whoever runs this says that it is.
///
/// Whoever writes policy must not lead a secret elsewhere: where a system is whose connector does not know that says whoever holds the secret,
/// by `--connect`. What `known` says of it was told so before, and was written to: then the document's own `url` is enough.
pub fn reached(
    api: &dyn Api,
    system: &TargetSystem,
    policy: Policy<'_>,
    organization: &str,
    places: &Places,
    known: Option<&str>,
) -> Result<System> {
    let called = format!("target {} ({}:{})", system.name, system.origin.file, system.origin.line);
    let mut settings = system.settings.clone();
    if let Some(foreign) = settings.remove(FOREIGN)
        && foreign.as_str() != Some(BESIDE)
    {
        return Err(Refused::no(format!(
            "`settings` of {called}: `{FOREIGN}: {BESIDE}` permits to write beside what others have set, and there is no other value"
        )));
    }
    let own = settings.remove(CONNECTOR);
    let own = own.map(|name| {
        name.as_str()
            .map(str::to_owned)
            .ok_or_else(|| Refused::no(format!("`settings` of {called}: `{CONNECTOR}` is the name of a connector")))
    });
    let connector_name = own.transpose()?.unwrap_or_else(|| api.connector().to_owned());
    settings.retain(|name, _| !api.settings().contains(&name.as_str()));
    let own_secrets = api.secrets(system);
    let own_secrets = own_secrets.map_err(|why| Refused::no(format!("`settings` of {called}: {why}")))?;
    let document = SourceDocument {
        source: system.name.to_string(),
        connector: Some(connector_name),
        owner: None,
        stale_after: None,
        shrink_limit: None,
        every: None,
        signals: BTreeMap::new(),
        settings,
        maps: BTreeMap::new(),
    };
    let (mut connector, built_in) = connector(&document, policy)?;
    // What the connector says is for whoever only reads.
    for about in connector.document.secrets.values_mut() {
        *about = format!("{about} It needs {}.", api.permissions());
    }
    if let Some(setting) = connector.document.settings.get_mut(CLIENT) {
        setting.about = format!("The id of the client that Refit writes with. It needs {}.", api.permissions());
    }
    let name = system.name.as_str();
    let own = document.settings.get(URL).and_then(Value::as_str).map(|url| url.trim_end_matches('/').to_owned());
    let is_known = |url: &&String| known == Some(about(name, organization, url).as_str());
    let address = places.address(name).or_else(|| own.as_ref().filter(is_known).map(String::as_str));
    if let (None, Some(url)) = (address, &own)
        && connector.document.settings.contains_key(URL)
    {
        return Err(Refused::usage(format!(
            "{called}: its document says that the system is at {url}, and whoever holds the secret has to say so too: \
             `--connect {name}={url}`. Once something was written there, it is remembered"
        )));
    }
    let mut secrets = places.secrets(name)?;
    if let Some(name) = own_secrets.iter().find(|name| connector.document.secrets.contains_key(*name)) {
        let what = "is what the connector shows who it is with, and is written into nothing: give the other secret another name";
        return Err(Refused::no(format!("`settings` of {called}: `{name}` {what}")));
    }
    let carried = Carried::read(&called, name, &own_secrets, &mut secrets)?;
    let asking = Asking::called(called, &document, &connector.document, built_in, address, secrets)?;
    let mut system = asking.system()?;
    if !api.scopes().is_empty() {
        system.authentication = system.authentication.with_scopes(api.scopes());
    }
    let address = asking.address();
    let base = address.trim_end_matches('/');
    let base = base.strip_suffix(api.within()).unwrap_or(base).to_owned();
    let tenant = document.settings.get(TENANT).and_then(|tenant| tenant.as_str());
    let place = tenant.map_or_else(|| base.clone(), |tenant| format!("{base} ({tenant})"));
    Ok(System {
        client: Client::new(system),
        base,
        place,
        mark: String::new(),
        called: Vec::new(),
        permissions: api.permissions(),
        carried,
    })
}

/// What a record is about.
pub fn about(target: &str, organization: &str, place: &str) -> String {
    format!("target {target} of {organization} at {place}")
}

/// What is remembered of a target.
pub fn memory(record: &Record) -> Result<Memory> {
    let Some(text) = record.read()? else { return Ok(Memory::default()) };
    let memory: Memory = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is damaged (or a newer Refit has written it), and nothing is changed without it. Restore it from a backup, or move it away: \
             what stands there then counts as changed by hand",
            record.path().display()
        )
    })?;
    ensure!(memory.format == FORMAT, "{} was written by a newer Refit: use that one", record.path().display());
    Ok(memory)
}

impl System {
    /// With the text that stands in what is written.
    pub fn with_mark(self, mark: String) -> System {
        System { mark, ..self }
    }

    /// Asks until the target knows enough.
    pub fn observe(&mut self, api: &dyn Api) -> Result<Answers> {
        let mut answers = Answers::default();
        loop {
            let new: BTreeSet<Ask> =
                api.ask(&self.mark, &answers)?.into_iter().filter(|ask| !answers.has(ask)).collect();
            if new.is_empty() {
                return Ok(answers);
            }
            for ask in new {
                let pages = self.ask(&ask)?;
                answers.put(ask, pages);
            }
        }
    }

    fn ask(&mut self, ask: &Ask) -> Result<Vec<String>> {
        let question = Question {
            address: format!("{}{}", self.base, ask.path),
            query: ask.query.clone(),
            paging: paging(&ask.pages),
            ..Question::default()
        };
        let mut pages = Vec::new();
        let read = self.client.read(&question, &mut |page| {
            let records = records(&ask.pages, page)?;
            pages.push(page.to_owned());
            Ok(records)
        });
        let status = match &read {
            Ok(_) => Some(200),
            Err(error) => error.status(),
        };
        self.called.push(Called { method: "GET".into(), path: ask.path.clone(), status });
        match read {
            Ok(_) => Ok(pages),
            Err(AskError::Refused { status: 404, .. }) if ask.optional => Ok(Vec::new()),
            Err(error) => Err(self.explained(error.status(), error.into())),
        }
    }

    /// Does all steps, one after the other. Gives how many were done, the ids of what was made, and what stopped it.
    pub fn carry_out(
        &mut self,
        api: &dyn Api,
        plan: &SystemPlan,
    ) -> (usize, BTreeMap<Identity, String>, Option<anyhow::Error>) {
        let (mut known, mut made) = (plan.known.clone(), BTreeMap::new());
        for (number, step) in plan.steps.iter().enumerate() {
            match self.one(api, &step.id, step.remote.as_deref(), &step.calls, &known) {
                Ok(Some(remote)) => {
                    known.insert(step.id.clone(), remote.clone());
                    made.insert(step.id.clone(), remote);
                }
                Ok(None) if step.todo == Todo::TakeAway => drop(known.remove(&step.id)),
                Ok(None) => {}
                Err(error) => return (number, made, Some(error.context(step.id.to_string()))),
            }
        }
        (plan.steps.len(), made, None)
    }

    /// Does all calls about one object; gives the id of what they made. `remote` is its id where it is there, `known` has those of others.
    pub fn one(
        &mut self,
        api: &dyn Api,
        id: &Identity,
        remote: Option<&str>,
        calls: &[Call],
        known: &BTreeMap<Identity, String>,
    ) -> Result<Option<String>> {
        self.all(api, id, remote, calls, known).map_err(|error| self.carried.without_secrets(error))
    }

    fn all(
        &mut self,
        api: &dyn Api,
        id: &Identity,
        remote: Option<&str>,
        calls: &[Call],
        known: &BTreeMap<Identity, String>,
    ) -> Result<Option<String>> {
        let (mut own, mut made) = (remote.map(str::to_owned), None);
        for call in calls {
            let call = call.resolved(&self.base, own.as_deref(), known, self.carried.texts())?;
            if call.makes {
                let remote = self.make(api, id, &call, known)?;
                own = Some(remote.clone());
                made = Some(remote);
                continue;
            }
            match self.call(&call) {
                Err(CallError::Gone { .. }) if call.gone => {}
                // What was made a moment ago is not known everywhere yet.
                Err(CallError::Gone { .. }) if made.is_some() => self.call_when_known(&call)?,
                Err(error) => return Err(self.explained(error.status(), error.into())),
                Ok(_) => {}
            }
        }
        Ok(made)
    }

    /// Calls something about what was made a moment ago, until the system knows it.
    fn call_when_known(&mut self, call: &Call) -> Result<()> {
        let mut wait = MAKE_WAIT;
        for _ in 0..MAKE_MOST {
            thread::sleep(wait);
            wait = wait.saturating_mul(2);
            match self.call(call) {
                Err(CallError::Gone { .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(()),
            }
        }
        Ok(self.call(call).map(drop)?)
    }

    /// Makes an object. Where the answer is lost it is looked for before it is made again.
    fn make(
        &mut self,
        api: &dyn Api,
        id: &Identity,
        call: &Call,
        known: &BTreeMap<Identity, String>,
    ) -> Result<String> {
        // Ids are those of a kind: another kind may have the same.
        let before = known.get(id);
        let (mut tries, mut wait) = (0, MAKE_WAIT);
        loop {
            tries += 1;
            let lost = match self.call(call) {
                Ok(reply) => match api.made(&id.kind, &reply.body) {
                    Some(remote) => return Ok(remote),
                    None => anyhow!("the answer does not say the id of what was made"),
                },
                Err(CallError::Lost(error)) => anyhow::Error::new(error),
                Err(error) => return Err(self.explained(error.status(), error.into())),
            };
            thread::sleep(wait);
            wait = wait.saturating_mul(2);
            let answers = self.observe(api)?;
            let found = api.found(&self.mark, &answers)?;
            let is_it = |there: &&api::There| there.id == *id && before != Some(&there.remote);
            if let Some(there) = found.objects.iter().find(is_it) {
                return Ok(there.remote.clone());
            }
            if tries >= MAKE_MOST {
                return Err(lost);
            }
        }
    }

    /// What is not allowed is said with what the secret needs.
    fn explained(&self, status: Option<u16>, error: anyhow::Error) -> anyhow::Error {
        match status {
            Some(401 | 403) => anyhow!("{error}. To be written to, it needs {}", self.permissions),
            _ => error,
        }
    }

    fn call(&mut self, call: &Call) -> Result<Reply, CallError> {
        let answered = self.send(call);
        let status = match &answered {
            Ok(reply) => Some(reply.status),
            Err(error) => error.status(),
        };
        let method = match call.method {
            api::Method::Get => "GET",
            api::Method::Post => "POST",
            api::Method::Put => "PUT",
            api::Method::Patch => "PATCH",
            api::Method::Delete => "DELETE",
        };
        self.called.push(Called { method: method.into(), path: call.path.clone(), status });
        answered
    }

    fn send(&mut self, call: &Call) -> Result<Reply, CallError> {
        let address = format!("{}{}", self.base, call.path);
        if let Some(until) = &call.until {
            let is_ready = |body: &str| {
                let answer: Option<Value> = serde_json::from_str(body).ok();
                answer.is_some_and(|answer| answer.pointer(&until.pointer) == Some(&until.value))
            };
            return self.client.wait_for(&address, &is_ready);
        }
        let text;
        let body = match &call.body {
            Body::Nothing => None,
            Body::Json(value) => {
                text = value.to_string();
                Some(("application/json", text.as_str()))
            }
            Body::Xml(xml) => Some(("application/xml", xml.as_str())),
        };
        let method = match call.method {
            api::Method::Get => Method::Get,
            api::Method::Post => Method::Post,
            api::Method::Put => Method::Put,
            api::Method::Patch => Method::Patch,
            api::Method::Delete => Method::Delete,
        };
        self.client.call(&Request {
            method,
            address: &address,
            body,
            version: call.version.as_deref(),
            repeatable: !call.makes,
        })
    }
}

fn paging(pages: &Pages) -> Paging {
    match pages {
        Pages::One => Paging::One,
        Pages::NextLink(next) => Paging::NextLink { next: (*next).to_owned() },
        Pages::LinkHeader => Paging::LinkHeader { size: None },
        Pages::Numbered { parameter, first, size_parameter, size, total, .. } => Paging::PageNumber(Number {
            parameter: (*parameter).to_owned(),
            first: *first,
            size_parameter: Some((*size_parameter).to_owned()),
            size: *size,
            total: Some((*total).to_owned()),
            more: None,
        }),
    }
}

/// How many records a page has, where the next page depends on it.
fn records(pages: &Pages, page: &str) -> Result<usize, String> {
    let Pages::Numbered { records, .. } = pages else { return Ok(1) };
    let page: Value = serde_json::from_str(page).map_err(|error| format!("the answer is no JSON: {error}"))?;
    let records = page.pointer(records).and_then(Value::as_array);
    records.map(Vec::len).ok_or_else(|| "the answer has no list of records".to_owned())
}
