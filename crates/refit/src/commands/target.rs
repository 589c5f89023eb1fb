//! `refit target verify`: a target on its live system, with objects that are for nobody, and the record of it.
//!
//! What is made is remembered before it is made, so that a run that was broken off is cleaned up by the next one.

use crate::{
    Exit, Refused,
    cli::{Cli, TargetVerifyArgs},
    local::data_folder,
    repository,
    sources::syncing::{Places, Policy},
    targets::{System, memory, reached},
    terminal,
};
use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use refit_connect::targets::{Lock, Record as Remembered};
use refit_core::policy::diagnostic::did_you_mean;
use refit_targets::{
    Identity, Offered,
    api::{
        Api, Found, There,
        verify::{
            self, Called, Done, FORMAT, LeftBehind, NotTried, Otherwise, Record, Sample, Samples, Sampling, StepKind,
            Verdict,
        },
    },
    registry,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
    time::Duration,
};

/// How long is waited, again and again, for what was made to be shown, and for what was taken away not to be: systems show it a moment later.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

pub fn verify(cli: &Cli, args: &TargetVerifyArgs) -> Result<Exit> {
    let folder = repository::given_or_here(args.policy.as_deref())?;
    let read = repository::read_in_order(&folder)?;
    let name = args.target.as_str();
    let Some(system) = read.repository.targets.iter().find(|system| system.name == name) else {
        let names = read.repository.targets.iter().map(|system| system.name.as_str());
        let help = did_you_mean(name, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(Refused::usage(format!("no `target:` document is named `{name}`{help}")));
    };
    let target = registry().iter().find(|target| target.kind() == system.kind.as_str());
    let Some(api) = target.and_then(|target| target.api()) else {
        return Err(Refused::usage(format!(
            "target {name} is of kind `{}`, which has no API that could be tried",
            system.kind
        )));
    };
    let data = data_folder(cli.data.as_deref())?;
    let organization = &read.repository.organization;
    let remembered = Remembered::new(&data, &format!("{name} (verification)"));
    let lock = remembered.lock()?;
    let known = memory(&Remembered::new(&data, name))?.system;
    let places = Places { connect: args.connect.clone(), secret: args.secret.clone(), ..Places::default() };
    let policy = Policy { files: &read.files, fields: &read.repository.fields, zone: None, folder: Some(&read.folder) };
    let reached = reached(api, system, policy, organization, &places, known.as_deref())?;
    let now = args.now.unwrap_or_else(Timestamp::now);
    let host = verify::host(&reached.base);
    let mark = verify::mark(organization, name);
    let trial = Trial {
        api,
        system: reached.with_mark(mark.clone()),
        known: BTreeMap::new(),
        steps: Vec::new(),
        not_tried: Vec::new(),
        remembered: &remembered,
        lock: &lock,
    };
    let bar = terminal::spinner("trying it");
    let sampled = verify::name(organization, name, now);
    let tried = trial.run(&|offered| {
        api.samples(&Sampling { mark: &mark, name: &sampled, now, settings: &system.settings, offered })
    })?;
    bar.finish_and_clear();
    let record = Record {
        format: FORMAT,
        kind: system.kind.clone(),
        host,
        at: now,
        refit: env!("CARGO_PKG_VERSION").to_owned(),
        verdict: Verdict::AsWritten,
        steps: tried.steps,
        not_tried: tried.not_tried,
        left: tried.left,
    }
    .judged();
    if let Some(out) = &args.out {
        let text = serde_json::to_string_pretty(&record)? + "\n";
        fs::write(out, text).with_context(|| format!("{} can't be written", out.display()))?;
    }
    if cli.json {
        terminal::json(&record)?;
    } else {
        terminal::print(&record.text())?;
    }
    match record.verdict {
        Verdict::AsWritten => Ok(Exit::Done),
        Verdict::Differs | Verdict::Failed | Verdict::NothingTried => Ok(Exit::No),
        Verdict::LeftBehind => bail!(
            "something is still there, as listed above: it is for nobody. The same command takes it away before it begins anew; or take it \
             away there by hand"
        ),
    }
}

/// A verification that is going on.
struct Trial<'a> {
    api: &'a dyn Api,
    system: System,
    /// The ids of what was made.
    known: BTreeMap<Identity, String>,
    steps: Vec<Done>,
    not_tried: Vec<NotTried>,
    /// Where it is remembered what may be there.
    remembered: &'a Remembered,
    lock: &'a Lock,
}

/// What came of it.
struct Tried {
    steps: Vec<Done>,
    not_tried: Vec<NotTried>,
    left: Vec<LeftBehind>,
}

impl Trial<'_> {
    /// Does all of it. What can't be done is in the record, and keeps nothing from being taken away again.
    fn run(mut self, samples: &dyn Fn(&Offered) -> Samples) -> Result<Tried> {
        let stale = self.recall()?;
        let mut offered = Offered::default();
        let looked = self.look(&mut offered);
        let found = match looked {
            Ok(found) => found,
            Err(error) => {
                self.note(StepKind::Look, None, Vec::new(), Some(format!("{error:#}")));
                return Ok(Tried { steps: self.steps, not_tried: self.not_tried, left: stale });
            }
        };
        self.note(StepKind::Look, None, Vec::new(), None);
        let is_stale = |there: &&There| there.is_marked || stale.iter().any(|left| left.id == there.id);
        let before: Vec<There> = found.objects.iter().filter(is_stale).cloned().collect();
        self.take_away(StepKind::CleanUp, &before);

        let Samples { samples, not_tried } = samples(&offered);
        self.not_tried = not_tried;
        // What an earlier run left is looked for once more at the end.
        let mut all: Vec<LeftBehind> = before
            .iter()
            .map(|there| LeftBehind { id: there.id.clone(), remote: Some(there.remote.clone()) })
            .collect();
        all.extend(samples.iter().map(|sample| LeftBehind { id: sample.id.clone(), remote: None }));
        self.remember(&all)?;

        let mut made: Vec<&Sample> = Vec::new();
        for sample in &samples {
            let calls = self.api.create(&sample.id, &sample.fields);
            let done = self.system.one(self.api, &sample.id, None, &calls, &self.known);
            if let Ok(Some(remote)) = &done {
                self.known.insert(sample.id.clone(), remote.clone());
                made.push(sample);
            }
            self.note(StepKind::Make, Some(&sample.id), Vec::new(), failed(done));
        }
        self.compare(StepKind::Compare, &made);
        let changed = self.change(&made);
        self.compare(StepKind::CompareAgain, &changed);

        let ids: BTreeSet<&Identity> = all.iter().map(|left| &left.id).collect();
        let mut there = match self.look(&mut Offered::default()) {
            Ok(found) => found.objects,
            // What was made is known all the same.
            Err(_) => {
                let made = self.known.iter().map(|(id, remote)| There {
                    id: id.clone(),
                    remote: remote.clone(),
                    fields: BTreeMap::new(),
                    is_marked: true,
                    version: None,
                });
                made.collect()
            }
        };
        there.retain(|there| ids.contains(&there.id));
        let gone = self.take_away(StepKind::TakeAway, &there);
        let left = match self.look_until(&|found| !found.objects.iter().any(|there| ids.contains(&there.id))) {
            Ok(found) => {
                let still = found.objects.iter().filter(|there| ids.contains(&there.id));
                let still: Vec<LeftBehind> = still.map(left).collect();
                self.note(StepKind::Gone, None, Vec::new(), None);
                still
            }
            Err(error) => {
                self.note(StepKind::Gone, None, Vec::new(), Some(format!("{error:#}")));
                there.iter().filter(|there| !gone.contains(&there.id)).map(left).collect()
            }
        };
        self.remember(&left)?;
        Ok(Tried { steps: self.steps, not_tried: self.not_tried, left })
    }

    /// What an earlier run may have left.
    fn recall(&self) -> Result<Vec<LeftBehind>> {
        let Some(text) = self.remembered.read()? else { return Ok(Vec::new()) };
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is damaged; it names what an earlier verification may have left. Look in the system for what begins with \
                 refit-verification-, take it away, and delete the file",
                self.remembered.path().display()
            )
        })
    }

    fn remember(&self, left: &[LeftBehind]) -> Result<()> {
        let text = serde_json::to_string_pretty(left)? + "\n";
        Ok(self.remembered.write(self.lock, &text)?)
    }

    /// Writes down what was done, with what was called for it. What is asked again and again is told once.
    fn note(&mut self, step: StepKind, object: Option<&Identity>, otherwise: Vec<Otherwise>, failed: Option<String>) {
        let ids: BTreeSet<String> = self.known.values().cloned().collect();
        let mut calls: Vec<Called> = Vec::new();
        for called in std::mem::take(&mut self.system.called) {
            let called = Called { path: verify::pattern(&called.path, &ids), ..called };
            if called.method != "GET" || !calls.contains(&called) {
                calls.push(called);
            }
        }
        self.steps.push(Done { step, object: object.map(|id| id.kind.clone()), calls, otherwise, failed });
    }

    fn look(&mut self, offered: &mut Offered) -> Result<Found> {
        let answers = self.system.observe(self.api)?;
        self.api.offers(&answers, offered)?;
        Ok(self.api.found(&self.system.mark, &answers)?)
    }

    /// Looks until it is so, or enough has been waited.
    fn look_until(&mut self, is_so: &dyn Fn(&Found) -> bool) -> Result<Found> {
        let mut found = self.look(&mut Offered::default())?;
        for wait in WAITS {
            if is_so(&found) {
                break;
            }
            thread::sleep(wait);
            found = self.look(&mut Offered::default())?;
        }
        Ok(found)
    }

    /// Holds what is there against what was written.
    fn compare(&mut self, step: StepKind, samples: &[&Sample]) {
        if samples.is_empty() {
            return;
        }
        let wrote = |sample: &Sample| match step {
            StepKind::CompareAgain => sample.changed.clone(),
            _ => sample.fields.clone(),
        };
        let known = self.known.clone();
        let of = |found: &Found, sample: &Sample| {
            let remote = known.get(&sample.id);
            found.objects.iter().find(|there| there.id == sample.id && Some(&there.remote) == remote).cloned()
        };
        // What was changed is shown a moment later too.
        let is_so = |found: &Found| {
            samples.iter().all(|sample| {
                let there = of(found, sample);
                there.is_some_and(|there| {
                    step == StepKind::Compare
                        || verify::differences(&wrote(sample), &there, self.api.unseen()).is_empty()
                })
            })
        };
        match self.look_until(&is_so) {
            Err(error) => self.note(step, None, Vec::new(), Some(format!("{error:#}"))),
            Ok(found) => {
                for sample in samples {
                    let (otherwise, failed) = match of(&found, sample) {
                        Some(there) => (verify::differences(&wrote(sample), &there, self.api.unseen()), None),
                        None => (Vec::new(), Some("it was made, and is not there when it is looked for".to_owned())),
                    };
                    self.note(step, Some(&sample.id), otherwise, failed);
                }
            }
        }
    }

    /// Changes a field of each; gives those that were changed.
    fn change<'s>(&mut self, samples: &[&'s Sample]) -> Vec<&'s Sample> {
        let mut changed = Vec::new();
        if samples.is_empty() {
            return changed;
        }
        let found = match self.look(&mut Offered::default()) {
            Ok(found) => found,
            Err(error) => {
                self.note(StepKind::Change, None, Vec::new(), Some(format!("{error:#}")));
                return changed;
            }
        };
        for sample in samples {
            let Some(there) = found.objects.iter().find(|there| there.id == sample.id) else { continue };
            let calls = self.api.update(there, &sample.fields, &sample.changed);
            let done = self.system.one(self.api, &sample.id, Some(&there.remote), &calls, &self.known);
            if done.is_ok() {
                changed.push(*sample);
            }
            self.note(StepKind::Change, Some(&sample.id), Vec::new(), failed(done));
        }
        changed
    }

    /// Takes objects away, those that others name last; gives those of which that was taken.
    fn take_away(&mut self, step: StepKind, objects: &[There]) -> BTreeSet<Identity> {
        let order = self.api.order();
        let mut objects: Vec<&There> = objects.iter().collect();
        objects.sort_by_key(|there| std::cmp::Reverse(order.iter().position(|kind| *kind == there.id.kind)));
        let mut gone = BTreeSet::new();
        for there in objects {
            let calls = self.api.delete(there);
            let done = self.system.one(self.api, &there.id, Some(&there.remote), &calls, &self.known);
            if done.is_ok() {
                gone.insert(there.id.clone());
            }
            self.note(step, Some(&there.id), Vec::new(), failed(done));
        }
        gone
    }
}

fn failed(done: Result<Option<String>>) -> Option<String> {
    done.err().map(|error| format!("{error:#}"))
}

fn left(there: &There) -> LeftBehind {
    LeftBehind { id: there.id.clone(), remote: Some(there.remote.clone()) }
}
