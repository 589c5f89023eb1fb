//! The machine of one process: all its objects, and which call comes next.
//!
//! One call is under way at a time. What may have been made and was not heard of is looked for, after the time that the system needs to find
//! it, before anything is made again: so there is one object for each thing, whatever is lost. Whoever runs the machine keeps it on the disk
//! before a call for which [`Doing::is_kept_before`] and after each answer; [`Line::recover`] is for after a restart.

use super::{
    call::{About, Answer, Call, Read, Step, settings},
    compile::{Process, holds},
    object::{Object, Stands, Work},
    situation::Situation,
};
use crate::{delivery::delay, facts::mapping::expr::Expr};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// How many failures of the system in a row let everything rest for a while.
const FAILURES_MOST: u32 = 5;
/// The longest rest that is taken without the system's asking for it.
const REST_MOST: SignedDuration = SignedDuration::from_hours(1);
/// The longest that a system may ask for.
const ASKED_MOST: SignedDuration = SignedDuration::from_hours(4);

/// All objects of one process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The organisation, by which marks differ.
    organization: SmolStr,
    /// The process's name in the policy repository.
    name: SmolStr,
    /// By what they are about.
    objects: BTreeMap<SmolStr, Object>,
    /// Failures of the system in a row.
    failures: u32,
    /// Until when nothing is asked of the system.
    rests: Option<Timestamp>,
    /// How many things have no object because too many are open.
    #[serde(default)]
    left_out: usize,
}

/// What is being done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// It is looked for.
    Find,
    /// It is made.
    Create,
    /// It is brought up to date.
    Update,
    /// It is closed.
    Close,
    /// It is asked for people's answer.
    Look,
}

impl Doing {
    /// Whether it has to be on the disk that such a call is about to be made: what it does can't be seen from what is kept otherwise.
    pub fn is_kept_before(self) -> bool {
        matches!(self, Doing::Create | Doing::Close)
    }
}

/// Until when there is nothing to do though nothing happens; `None` is: not before something changes.
pub type RestsUntil = Option<Timestamp>;

/// What comes next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// A call; it is under way from here on, until [`Line::ended`] says how it ended.
    Call {
        /// What its object is about.
        key: SmolStr,
        /// What for.
        doing: Doing,
        /// The call.
        call: Box<Call>,
    },
    /// Nothing.
    Nothing(RestsUntil),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended {
    /// It was answered; of a list that goes on over pages, when the entry was found or there are no more.
    Answered(Answer),
    /// The system does not want it so. Nothing was changed.
    Refused(String),
    /// What it is about is not there.
    Gone,
    /// The system can't be reached, does not let us, or has no time.
    Failed {
        /// Why, in words.
        why: String,
        /// How long the system asks to wait.
        wait: Option<SignedDuration>,
        /// Whether it may have been taken all the same.
        lost: bool,
    },
}

/// What people answered of a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// What the object is about.
    pub key: SmolStr,
    /// Whether they agree.
    pub agrees: bool,
    /// What is written down of it.
    pub says: String,
}

impl Line {
    /// No objects yet.
    pub fn new(organization: impl Into<SmolStr>, name: impl Into<SmolStr>) -> Line {
        let (organization, name) = (organization.into(), name.into());
        Line { organization, name, objects: BTreeMap::new(), failures: 0, rests: None, left_out: 0 }
    }

    /// The objects, by what they are about.
    pub fn objects(&self) -> &BTreeMap<SmolStr, Object> {
        &self.objects
    }

    /// How many things have no object because too many are open.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Until when the system is left alone, because it failed or asked for it.
    pub fn rests(&self, now: Timestamp) -> Option<Timestamp> {
        self.rests.filter(|until| *until > now)
    }

    /// Whoever ran this before has ended, perhaps in the middle of a call: what was sent may have been taken.
    pub fn recover(&mut self, process: &Process, now: Timestamp) {
        for object in self.objects.values_mut() {
            let Some(work) = &mut object.work else { continue };
            let (sent, doing) = (std::mem::take(&mut work.sent), work.doing);
            if !sent {
                continue;
            }
            match doing {
                Doing::Create if !object.has_id() => object.forget(later(now, process.settle())),
                Doing::Create => {}
                // It may be closed by now, and wanted again: whether it is open has to be seen.
                Doing::Close => object.forget(later(now, process.settle())),
                // They do no more than once.
                _ => object.work = None,
            }
        }
    }

    /// What is so now: all things that there should be an object of, or was. What is not among them is over.
    pub fn want(&mut self, process: &Process, condition: Option<&Expr>, situations: Vec<Situation>, now: Timestamp) {
        let mut seen: BTreeSet<SmolStr> = BTreeSet::new();
        self.left_out = 0;
        let mut open = self.objects.values().filter(|object| object.is_open()).count();
        for situation in situations {
            let known = self.objects.get_mut(&situation.key);
            let meant = || condition.is_none_or(|it| holds(it, &situation.facts).unwrap_or(false));
            match known {
                // What was begun is brought to its end, also where it is no longer meant.
                Some(object) => {
                    seen.insert(situation.key.clone());
                    object.wanted = situation;
                }
                None if situation.over || !meant() => {}
                None if open >= process.at_most() => self.left_out += 1,
                None => {
                    open += 1;
                    seen.insert(situation.key.clone());
                    self.objects.insert(situation.key.clone(), Object::new(situation, now));
                }
            }
        }
        for (key, object) in &mut self.objects {
            if !seen.contains(key) {
                object.wanted.over = true;
            }
        }
        let settle = process.settle();
        self.objects.retain(|_, object| match object.closed {
            Some(closed) if !object.wanted.over => {
                // Somebody else must not take the closed one for it.
                object.forget(later(closed, settle));
                true
            }
            Some(closed) => now < later(closed, settle),
            None => true,
        });
    }

    /// The next call, where there is one.
    pub fn next(&mut self, process: &Process, given: &BTreeMap<String, String>, now: Timestamp) -> Next {
        if let Some(until) = self.rests(now) {
            return Next::Nothing(Some(until));
        }
        let given = settings(given);
        // Whoever has waited longest comes first; of each object no more is asked than it takes to know what comes next.
        let mut order: Vec<(Timestamp, SmolStr)> = Vec::new();
        let mut wake: RestsUntil = None;
        for (key, object) in &self.objects {
            match self.when(process, object, &given) {
                Some(at) if at <= now => order.push((at, key.clone())),
                Some(at) => wake = Some(wake.map_or(at, |wake| wake.min(at))),
                None => {}
            }
        }
        order.sort();
        for (_, key) in order {
            match self.turn(process, &key, &given, now) {
                Some(Ok((doing, call))) => return Next::Call { key, doing, call: Box::new(call) },
                Some(Err(why)) => self.object_failed(&key, why, now),
                None => {}
            }
        }
        let left = self.objects.values().filter_map(|object| self.when(process, object, &given)).min();
        Next::Nothing(left.map(|at| at.max(now)).or(wake))
    }

    /// When there is something to do for an object; `None`: nothing before something changes.
    fn when(&self, process: &Process, object: &Object, given: &Value) -> Option<Timestamp> {
        if object.work.as_ref().is_some_and(|work| work.sent) {
            return None;
        }
        let looks = object.stands == Stands::There && !object.wanted.over && object.work.is_none();
        let look = process.look.as_ref().filter(|_| looks);
        let look = look.map(|look| object.looked.map_or(object.next, |looked| later(looked, look.every)));
        let other = match (object.stands, &object.work) {
            (_, Some(_)) | (Stands::Unknown | Stands::Absent, None) => true,
            (Stands::There, None) => {
                object.wanted.over || self.told(process, object, &object.wanted, given) != object.told
            }
            (Stands::Closed, None) => false,
        };
        [other.then_some(object.next), look].into_iter().flatten().min()
    }

    /// What is done next for an object: a call, or why there is none; `None`: nothing now.
    fn turn(
        &mut self,
        process: &Process,
        key: &SmolStr,
        given: &Value,
        now: Timestamp,
    ) -> Option<Result<(Doing, Call), String>> {
        let object = self.objects.get(key)?;
        if object.work.is_none() {
            let doing = self.begins(process, object, given, now)?;
            let Some(doing) = doing else {
                // Nothing was ever made of what is over already.
                self.objects.remove(key);
                return None;
            };
            let object = self.objects.get_mut(key)?;
            object.work = Some(Work { doing, step: 0, by: object.wanted.clone(), sent: false });
        }
        let object = self.objects.get(key)?;
        let work = object.work.clone()?;
        let subject = work.by.subject(&self.organization, &self.name);
        let steps = steps(process, work.doing);
        let about = About { subject: &subject, object: &object.remembered, settings: given };
        for (index, step) in steps.iter().enumerate().skip(work.step) {
            let call = match step.call(&about) {
                Ok(call) => call,
                Err(why) => return Some(Err(why)),
            };
            if let Some(call) = call {
                let object = self.objects.get_mut(key)?;
                object.work = Some(Work { step: index, sent: true, ..work });
                return Some(Ok((work.doing, call)));
            }
        }
        // No call is left.
        self.done(process, key, given, now);
        self.turn(process, key, given, now)
    }

    /// What is begun for an object at which nothing is being done: `None` is nothing now, and `Some(None)` that it may be forgotten.
    fn begins(&self, process: &Process, object: &Object, given: &Value, now: Timestamp) -> Option<Option<Doing>> {
        let may = object.next <= now;
        match object.stands {
            Stands::Unknown => may.then_some(Some(Doing::Find)),
            Stands::Absent if object.wanted.over => Some(None),
            Stands::Absent => may.then_some(Some(Doing::Create)),
            Stands::There if object.wanted.over => may.then_some(Some(Doing::Close)),
            Stands::There => {
                let looks = process
                    .look
                    .as_ref()
                    .is_some_and(|look| object.looked.is_none_or(|at| later(at, look.every) <= now));
                if looks {
                    return Some(Some(Doing::Look));
                }
                let other = self.told(process, object, &object.wanted, given) != object.told;
                (other && may).then_some(Some(Doing::Update))
            }
            Stands::Closed => None,
        }
    }

    /// What an object is told by the calls that bring it up to date, as a digest; `None` where they can't be made.
    fn told(&self, process: &Process, object: &Object, by: &Situation, given: &Value) -> Option<String> {
        let subject = by.subject(&self.organization, &self.name);
        let about = About { subject: &subject, object: &object.remembered, settings: given };
        let mut hasher = Sha256::new();
        for step in &process.update {
            // What can't be said now is tried, and told as a failure.
            let call = step.call(&about).ok()?;
            let text = serde_json::to_vec(&call).unwrap_or_default();
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        }
        Some(hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// All calls of what was being done are made.
    fn done(&mut self, process: &Process, key: &SmolStr, given: &Value, now: Timestamp) -> Option<Approval> {
        let object = self.objects.get(key)?;
        let Work { doing, by, .. } = object.work.clone()?;
        let told = self.told(process, object, &by, given);
        let organization = self.organization.clone();
        let name = self.name.clone();
        let object = self.objects.get_mut(key)?;
        object.work = None;
        let mut answer = None;
        match doing {
            Doing::Find if object.has_id() => {
                object.stands = Stands::There;
                // What was found may have been left half made: what follows the call that makes it is done, and does no harm twice.
                let made = process.create.iter().position(|step| step.remember.iter().any(|(name, _)| name == "id"));
                let step = made.map_or(0, |made| made + 1);
                object.work = (step < process.create.len()).then(|| Work {
                    doing: Doing::Create,
                    step,
                    by: object.wanted.clone(),
                    sent: false,
                });
                if object.work.is_some() {
                    object.told = None;
                }
            }
            Doing::Find => object.stands = Stands::Absent,
            // What was found says of itself what it was told last, and that is not known.
            Doing::Create if object.stands == Stands::There => {}
            // No call was to be made, or none answered with an id: it is looked at again later.
            Doing::Create if !object.has_id() => {
                object.failures = object.failures.saturating_add(1);
                object.next = later(now, delay(&name, key, object.failures));
                object.why = Some("none of the calls made anything: what it needs is missing".into());
                return None;
            }
            Doing::Create => {
                object.stands = Stands::There;
                object.told = told;
            }
            Doing::Update => object.told = told,
            Doing::Close => {
                object.stands = Stands::Closed;
                object.closed = Some(now);
            }
            Doing::Look => {
                object.looked = Some(now);
                answer = process.look.as_ref().and_then(|look| {
                    let subject = by.subject(&organization, &name);
                    let about = About { subject: &subject, object: &object.remembered, settings: given };
                    let read = Read::new(&about, &Value::Null);
                    let asks = |expr: &Expr| read.with(|scope| expr.holds(scope)).unwrap_or(false);
                    let agrees = match (asks(&look.approved), look.refused.as_ref().is_some_and(asks)) {
                        (_, true) => Some(false),
                        (true, false) => Some(true),
                        // What was agreed to is no longer: it counts as it would if nobody had.
                        (false, false) => object.agreed.then_some(false),
                    }?;
                    let says =
                        look.says.as_ref().and_then(|says| read.with(|scope| says.filled(scope, str::to_owned)).ok());
                    Some(Approval { key: key.clone(), agrees, says: says.unwrap_or_default() })
                });
                if let Some(Approval { agrees, .. }) = &answer {
                    object.agreed = *agrees;
                }
            }
        }
        object.failures = 0;
        object.why = None;
        answer
    }

    /// Under which names something is remembered of the answer to the call that is under way.
    pub fn remembers(&self, process: &Process, key: &str) -> Vec<String> {
        let work = self.objects.get(key).and_then(|object| object.work.as_ref());
        let step = work.and_then(|work| steps(process, work.doing).get(work.step));
        step.map_or_else(Vec::new, |step| step.remember.iter().map(|(name, _)| name.clone()).collect())
    }

    /// What the answer to the call that is under way says. Of a list that goes on over pages each page is asked by itself.
    pub fn reads(
        &self,
        process: &Process,
        given: &BTreeMap<String, String>,
        key: &str,
        answer: &Value,
    ) -> Result<Answer, String> {
        let found = self.objects.get(key).and_then(|object| Some((object, object.work.as_ref()?)));
        let Some((object, work)) = found else { return Ok(Answer::Says(Map::new())) };
        let Some(step) = steps(process, work.doing).get(work.step) else { return Ok(Answer::Says(Map::new())) };
        let subject = work.by.subject(&self.organization, &self.name);
        step.answer(&About { subject: &subject, object: &object.remembered, settings: &settings(given) }, answer)
    }

    /// Takes how the call that was under way ended, and returns what people answered, where it was asked for that.
    pub fn ended(
        &mut self,
        process: &Process,
        given: &BTreeMap<String, String>,
        key: &SmolStr,
        ended: Ended,
        now: Timestamp,
    ) -> Option<Approval> {
        let object = self.objects.get_mut(key)?;
        let work = object.work.as_mut().filter(|work| work.sent)?;
        work.sent = false;
        let doing = work.doing;
        let required = steps(process, doing).get(work.step).is_some_and(|step| step.required);
        match ended {
            Ended::Answered(Answer::NotHere { .. }) if required => {
                self.failures = 0;
                self.object_failed(key, "the answer does not list what is needed".to_owned(), now);
            }
            Ended::Answered(answer @ (Answer::Says(_) | Answer::NotHere { .. })) => {
                if let Answer::Says(remembered) = answer {
                    object.remembered.extend(remembered);
                }
                work.step += 1;
                let whole = work.step >= steps(process, doing).len();
                self.failures = 0;
                self.rests = None;
                // It said yes, and not what it made.
                if doing == Doing::Create && whole && !object.has_id() {
                    self.object_failed(key, "the answer does not have the id of what was made".to_owned(), now);
                    self.objects.get_mut(key)?.forget(later(now, process.settle()));
                    return None;
                }
                if whole {
                    return self.done(process, key, &settings(given), now);
                }
            }
            Ended::Answered(Answer::Refuses(why)) | Ended::Refused(why) => {
                self.failures = 0;
                self.object_failed(key, why, now);
            }
            Ended::Gone => match doing {
                // Somebody has deleted it: that ends what was to be closed, and else there is to be another one.
                Doing::Close => {
                    object.work = None;
                    object.stands = Stands::Closed;
                    object.closed = Some(now);
                }
                Doing::Update | Doing::Look if object.has_id() => {
                    object.forget(later(now, process.settle()));
                    object.why = Some("it was not there any more".into());
                }
                _ => self.object_failed(key, "there is nothing at this address".to_owned(), now),
            },
            Ended::Failed { why, wait, lost } => {
                self.failures = self.failures.saturating_add(1);
                let asked = wait.map(|wait| wait.min(ASKED_MOST));
                let own = (self.failures >= FAILURES_MOST)
                    .then(|| delay(&self.name, "rest", self.failures - FAILURES_MOST + 1).min(REST_MOST));
                if let Some(wait) = asked.max(own) {
                    self.rests = Some(later(now, wait));
                }
                let unmade = !object.has_id();
                self.object_failed(key, why, now);
                // What was closed, perhaps, may be wanted again: whether it is open has to be seen.
                if lost && (doing == Doing::Close || (doing == Doing::Create && unmade)) {
                    self.objects.get_mut(key)?.forget(later(now, process.settle()));
                }
            }
        }
        None
    }

    /// What was being done to an object is tried again later.
    fn object_failed(&mut self, key: &SmolStr, why: String, now: Timestamp) {
        let Some(object) = self.objects.get_mut(key) else { return };
        object.failures = object.failures.saturating_add(1);
        object.why = Some(why.into());
        let doing = object.work.as_ref().map(|work| work.doing);
        if doing == Some(Doing::Look) {
            // It is asked again at its time; what else there is to do does not wait for that.
            object.looked = Some(now);
            object.work = None;
            return;
        }
        object.next = later(now, delay(&self.name, key, object.failures));
        // A thing that was half made is gone on with; all else is begun anew, by what is so then.
        if doing != Some(Doing::Create) || !object.has_id() {
            object.work = None;
        }
    }

    /// A person says that the system is there again: everything may be tried at once.
    pub fn resume(&mut self, now: Timestamp) {
        self.failures = 0;
        self.rests = None;
        for object in self.objects.values_mut().filter(|object| object.failures > 0) {
            object.next = object.next.min(now);
        }
    }
}

fn steps(process: &Process, doing: Doing) -> &[Step] {
    match doing {
        Doing::Find => &process.find,
        Doing::Create => &process.create,
        Doing::Update => &process.update,
        Doing::Close => &process.close,
        Doing::Look => process.look.as_ref().map_or(&[], |look| &look.calls),
    }
}

fn later(at: Timestamp, wait: SignedDuration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}
