//! Targets whose configuration is kept by a system with an API: asked what is there, and called to change it.
//!
//! `carried.rs` Secrets that objects carry to the system.

mod carried;

use self::carried::Carried;
use super::Left;
use crate::{
    Refused,
    cli::{Cli, CompileArgs},
    local::data_folder,
    repository,
    sources::{
        asking::Asking,
        syncing::{Places, Policy, connector},
    },
    terminal,
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
        repository::TargetSystem,
    },
};
use refit_targets::{
    Compiled, Identity, Offered, TargetPlan,
    api::{self, Answers, Api, Ask, Body, Call, FORMAT, Memory, Names, Pages, Rules, Step, SystemPlan, Todo},
    render::counted,
};
use serde_json::Value;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

/// The setting that names another connector than the one that the kind of the target has.
const CONNECTOR: &str = "connector";

/// The setting that says whose part of a system is meant, where all have one address.
const TENANT: &str = "tenant";

/// By what besides its id in Refit a device is found again in a system, the surest first.
const KNOWN_BY: [&str; 3] = ["device.serial", "device.hardware_uuid", "device.hostname"];

/// How often something is made again whose answer was lost, and which is not there when it is looked for.
const MAKE_MOST: u32 = 3;
/// How long is waited before it is looked for: systems show what was made a moment later. It is doubled each time.
const MAKE_WAIT: Duration = Duration::from_secs(1);

/// A system that was asked.
pub struct Asked {
    target: SmolStr,
    system: System,
    record: Record,
    /// What was remembered of it, as it was read.
    remembered: Memory,
    /// Held until it is written, where it is to be.
    lock: Option<Lock>,
}

/// A system, and how one talks to it.
struct System {
    client: Client,
    /// What paths are appended to.
    base: String,
    /// Which it is: its address, and the tenant where many have one address.
    place: String,
    /// The text in what this target has written.
    mark: String,
    /// The secrets that its objects carry.
    carried: Carried,
}

/// Asks the systems of all targets that have one what is there, and says in each plan what has to change.
pub fn look(
    cli: &Cli,
    compiled: &mut Compiled,
    read: &repository::Read,
    (fleet, cohorts, offered): (&Fleet, &Cohorts, &Offered),
    args: &CompileArgs,
) -> Result<Vec<Asked>> {
    let data = data_folder(cli.data.as_deref())?;
    let places = Places { connect: args.connect.clone(), secret: args.secret.clone(), ..Places::default() };
    named(&places, compiled)?;
    let mut asked = Vec::new();
    for plan in &mut compiled.targets {
        let Some(system) = read.repository.targets.iter().find(|system| system.name == plan.name) else { continue };
        let Some(api) = plan.target.api() else { continue };
        let told = format!("target {} ({}:{})", plan.name, plan.origin.file, plan.origin.line);
        let record = Record::new(&data, &plan.name);
        // Two that plan at once would both be wrong when the first has written.
        let lock = args.apply.then(|| record.lock()).transpose().context(told.clone())?;
        let mut remembered = memory(&record).context(told.clone())?;
        let mut it = System {
            mark: api::mark(&read.repository.organization, &plan.name),
            ..reached(api, system, read, &places)?
        };
        let about = format!("target {} of {} at {}", plan.name, read.repository.organization, it.place);
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
        let bar = terminal::spinner("asking what is there");
        let answers = it.observe(api).context(told.clone())?;
        bar.finish_and_clear();
        let mut offered = offered.clone();
        if api.offers(&answers, &mut offered).context(told.clone())? {
            plan.compile_again(&read.repository, cohorts, &offered);
        }
        let mut found = api.found(&it.mark, &answers).context(told)?;
        found.notes.extend(others_now.into_iter().map(|name| {
            format!("the secret `{name}` is another one than was written: what carries it is written again")
        }));
        let id = |number| fleet.id(number).map(ToString::to_string);
        let devices = cohorts.targets.get(&plan.name);
        let mut wanted = api::wanted(
            api,
            &plan.desired,
            devices,
            &found,
            Names { id: &id, others: &|number| others(fleet, number) },
        );
        api::number_secrets(&mut wanted, &numbers);
        let rules = Rules { revert: args.revert || system.drift == Some(DriftResponse::Revert) };
        let found = api::plan(plan.target, api, &wanted, noted, found, rules);
        plan.changes.clone_from(&found.changes);
        plan.desired.objects = wanted.objects;
        plan.system = Some(found);
        asked.push(Asked { target: plan.name.clone(), system: it, record, remembered, lock });
    }
    Ok(asked)
}

/// Refuses addresses and secrets of targets that there are not: they would be given for nothing.
fn named(places: &Places, compiled: &Compiled) -> Result<()> {
    let names: Vec<&str> = compiled.targets.iter().map(|plan| plan.name.as_str()).collect();
    let of_secrets = places.secret.iter().map(|(name, _)| name.split_once('.').map_or(name.as_str(), |(name, _)| name));
    let of_addresses = places.connect.iter().map(|(name, _)| name.as_str());
    match of_secrets.chain(of_addresses).find(|name| !names.contains(name)) {
        None => Ok(()),
        Some(name) => {
            Err(Refused::usage(format!("`{name}` is no target that is compiled now; there are {}", names.join(", "))))
        }
    }
}

/// What else a device is known by.
fn others(fleet: &Fleet, number: u32) -> Vec<String> {
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
fn reached(api: &dyn Api, system: &TargetSystem, read: &repository::Read, places: &Places) -> Result<System> {
    let called = format!("target {} ({}:{})", system.name, system.origin.file, system.origin.line);
    let mut settings = system.settings.clone();
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
    let policy = Policy { files: &read.files, fields: &read.repository.fields, folder: Some(&read.folder) };
    let (connector, built_in) = connector(&document, policy)?;
    let name = system.name.as_str();
    let (address, mut secrets) = (places.address(name), places.secrets(name)?);
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
    Ok(System { client: Client::new(system), base, place, mark: String::new(), carried })
}

/// What is remembered of a target.
fn memory(record: &Record) -> Result<Memory> {
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
    /// Asks until the target knows enough.
    fn observe(&mut self, api: &dyn Api) -> Result<Answers> {
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
        match read {
            Ok(_) => Ok(pages),
            Err(AskError::Refused { status: 404, .. }) if ask.optional => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Does all steps, one after the other. Gives how many were done, the ids of what was made, and what stopped it.
    fn carry_out(
        &mut self,
        api: &dyn Api,
        plan: &SystemPlan,
    ) -> (usize, BTreeMap<Identity, String>, Option<anyhow::Error>) {
        let (mut known, mut made) = (plan.known.clone(), BTreeMap::new());
        for (number, step) in plan.steps.iter().enumerate() {
            match self.one(api, step, &known) {
                Ok(Some(remote)) => {
                    known.insert(step.id.clone(), remote.clone());
                    made.insert(step.id.clone(), remote);
                }
                Ok(None) if step.todo == Todo::TakeAway => drop(known.remove(&step.id)),
                Ok(None) => {}
                Err(error) => {
                    let error = self.carried.without_secrets(error);
                    return (number, made, Some(error.context(step.id.to_string())));
                }
            }
        }
        (plan.steps.len(), made, None)
    }

    /// Does one step; gives the id of what it made.
    fn one(&mut self, api: &dyn Api, step: &Step, known: &BTreeMap<Identity, String>) -> Result<Option<String>> {
        let (mut own, mut made) = (step.remote.clone(), None);
        for call in &step.calls {
            let call = call.resolved(&self.base, own.as_deref(), known, self.carried.texts())?;
            if call.makes {
                let remote = self.make(api, step, &call, known)?;
                own = Some(remote.clone());
                made = Some(remote);
                continue;
            }
            match self.call(&call) {
                Err(CallError::Gone { .. }) if call.gone => {}
                // What was made a moment ago is not known everywhere yet.
                Err(CallError::Gone { .. }) if made.is_some() => self.call_when_known(&call)?,
                Err(error) => return Err(error.into()),
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
    fn make(&mut self, api: &dyn Api, step: &Step, call: &Call, known: &BTreeMap<Identity, String>) -> Result<String> {
        // Ids are those of a kind: another kind may have the same.
        let before = known.get(&step.id);
        let (mut tries, mut wait) = (0, MAKE_WAIT);
        loop {
            tries += 1;
            let lost = match self.call(call) {
                Ok(reply) => match api.made(&step.id.kind, &reply.body) {
                    Some(remote) => return Ok(remote),
                    None => anyhow!("the answer does not say the id of what was made"),
                },
                Err(CallError::Lost(error)) => anyhow::Error::new(error),
                Err(error) => return Err(error.into()),
            };
            thread::sleep(wait);
            wait = wait.saturating_mul(2);
            let answers = self.observe(api)?;
            let found = api.found(&self.mark, &answers)?;
            let is_it = |there: &&api::There| there.id == step.id && before != Some(&there.remote);
            if let Some(there) = found.objects.iter().find(is_it) {
                return Ok(there.remote.clone());
            }
            if tries >= MAKE_MOST {
                return Err(lost);
            }
        }
    }

    fn call(&mut self, call: &Call) -> Result<Reply, CallError> {
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

/// Calls what the plans say, and remembers what was done.
pub fn apply(compiled: &Compiled, asked: Vec<Asked>) -> Result<Left> {
    let mut left = Left::Nothing;
    for mut it in asked {
        let Some(plan) = compiled.targets.iter().find(|plan| plan.name == it.target) else { continue };
        let (Some(found), Some(api)) = (&plan.system, plan.target.api()) else { continue };
        if found.leaves_something() {
            left = Left::Something;
        }
        write(&mut it, plan, found, api).with_context(|| format!("target {}", it.target))?;
    }
    Ok(left)
}

fn write(asked: &mut Asked, plan: &TargetPlan, found: &SystemPlan, api: &dyn Api) -> Result<()> {
    let Asked { target, system, record, remembered, lock } = asked;
    let Some(lock) = lock else { return Ok(()) };
    let text = |memory: &Memory| serde_json::to_string_pretty(memory).map(|text| text + "\n");
    let none = BTreeMap::new();
    let of = found.steps.len();
    if of == 0 {
        let done = found.after(0, &none);
        if done != *remembered {
            record.write(lock, &text(&done)?)?;
        }
        terminal::note(format_args!("{target}: nothing to write"));
        return Ok(());
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
    terminal::note(format_args!(
        "{target}: {} written and {gone} taken away in {}",
        counted((of - gone) as u64, "object"),
        plan.target.name()
    ));
    Ok(())
}
