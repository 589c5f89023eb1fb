//! What is remembered of one stream: which devices its receiver takes for what, and what it has not been sent yet.

use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::{DeviceRecord, DeviceSet, State},
    decide::Compliance,
    delivery::{PATIENCE, delay},
};
use refit_model::DeviceId;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::collections::{BTreeSet, VecDeque};

/// How many tokens wait at most. What else has changed is remembered as devices to look at, and costs next to nothing.
const WAITING_MOST: usize = 1_000;
/// How many refusals are kept; the oldest go first.
const REFUSED_MOST: usize = 100;
/// How long a receiver waits between two verifications.
pub(crate) const VERIFY_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// One stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The entry of the log up to which was looked.
    pub after: u64,
    /// When that last changed how any device stands.
    changed: Timestamp,
    /// The devices that the receiver takes for not compliant.
    failing: DeviceSet,
    /// Devices that may stand otherwise than the receiver was told.
    look: DeviceSet,
    /// Devices of which something was given up: what the receiver takes them for is not known, and it is told once they are looked at again.
    #[serde(default)]
    lost: DeviceSet,
    /// How often something was given up: what is said again has another id.
    #[serde(default)]
    losses: u64,
    /// What it has not taken yet, in order.
    waiting: VecDeque<Waiting>,
    /// How many attempts in a row have failed.
    failures: u32,
    /// When it may be tried again.
    next: Option<Timestamp>,
    /// What it did not take for good.
    refused: VecDeque<Refused>,
    /// When it was last verified, and how often.
    verified: Option<(Timestamp, u64)>,
    /// Whether attempts are under way. Whoever starts anew knows of none.
    #[serde(skip)]
    busy: bool,
}

/// A token that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// Its id: receivers take each once.
    pub jti: SmolStr,
    /// When what it says happened.
    pub at: Timestamp,
    /// When it was first tried.
    pub first: Option<Timestamp>,
    /// What it says.
    pub said: Said,
    /// The place of the device of which it says that.
    #[serde(default)]
    pub index: Option<u32>,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// A device complies, or does so no longer.
    Complies(DeviceId, bool),
    /// What the receiver asked for to see that the stream works.
    Verification(Option<String>),
}

/// A token that was not taken for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub jti: SmolStr,
    pub at: Timestamp,
    pub why: SmolStr,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was taken.
    Taken,
    /// It will never be taken.
    Refused(SmolStr),
    /// It may be taken later.
    Failed(SmolStr, Option<SignedDuration>),
}

/// Whether anything is overdue on a device, as it was noted last.
fn fails(record: &DeviceRecord) -> bool {
    record.stands.iter().any(|(_, stands)| stands.compliance == Compliance::Overdue)
}

impl Line {
    /// A stream that begins now: what is so already is not told.
    pub fn new(state: &State) -> Line {
        Line {
            after: state.seq,
            changed: state.clock,
            failing: state.managed().filter(|record| fails(record)).map(|record| record.index).collect(),
            look: DeviceSet::default(),
            lost: DeviceSet::default(),
            losses: 0,
            waiting: VecDeque::new(),
            failures: 0,
            next: None,
            refused: VecDeque::new(),
            verified: None,
            busy: false,
        }
    }

    /// The log ends at `head`: what was looked at beyond it is of a log that is no more, and each device may stand otherwise.
    pub fn rewind(&mut self, state: &State, head: u64) {
        if self.after > head {
            self.after = head;
            self.look = state.managed().map(|record| record.index).collect();
        }
    }

    /// Notes devices that may stand otherwise, up to an entry of the log.
    pub fn note(&mut self, devices: &DeviceSet, changed: Option<Timestamp>, after: u64) {
        self.look = DeviceSet::union([&self.look, devices].into_iter());
        self.changed = changed.unwrap_or(self.changed).max(self.changed);
        self.after = self.after.max(after);
    }

    /// Holds what was noted against what the receiver was told, as far as there is room. `wanted` says of whom it is told at all. Whether anything is
    /// new.
    pub fn fill(&mut self, state: &State, wanted: impl Fn(&DeviceRecord) -> bool) -> bool {
        let before = self.waiting.len();
        while self.waiting.len() < WAITING_MOST {
            let Some(index) = self.look.iter().next() else { break };
            self.look.remove(index);
            let was_lost = self.lost.contains(index);
            self.lost.remove(index);
            let record = state.by_index.get(index as usize).and_then(|id| state.device_now(id));
            let Some(record) = record.filter(|record| record.index == index) else {
                // It is managed no longer: nobody knows, and the receiver forgets it in its own time.
                self.failing.remove(index);
                continue;
            };
            let fails = fails(record);
            if fails == self.failing.contains(index) && !was_lost {
                continue;
            }
            match fails {
                true => self.failing.insert(index),
                false => self.failing.remove(index),
            }
            if wanted(record) {
                // The number of an entry is given again after a backup came back, and its time is not.
                let jti = match self.losses {
                    0 => format_smolstr!("{}-{index}-{:x}", self.after, self.changed.as_nanosecond()),
                    losses => format_smolstr!("{}-{index}-{:x}-{losses}", self.after, self.changed.as_nanosecond()),
                };
                let said = Said::Complies(record.id.clone(), !fails);
                self.waiting.push_back(Waiting { jti, at: self.changed, first: None, said, index: Some(index) });
            }
        }
        self.waiting.len() > before
    }

    /// Whether there is more to look at, and room for it.
    pub fn has_more(&self) -> bool {
        !self.look.is_empty() && self.waiting.len() < WAITING_MOST
    }

    /// Nothing is sent of what has been so far: the stream is off.
    pub fn skip(&mut self, head: u64) -> bool {
        let changes = self.after != head || !self.waiting.is_empty() || !self.look.is_empty();
        self.after = head;
        for gone in std::mem::take(&mut self.waiting) {
            self.lose(&gone);
        }
        // What changes meanwhile is not told; what the receiver takes a device for is looked at when it changes the next time.
        self.look = DeviceSet::default();
        changes
    }

    /// The receiver wants to see that the stream works; how long it has to wait, where it asks too often.
    pub fn verify(&mut self, state: Option<String>, now: Timestamp) -> Result<(), SignedDuration> {
        let again = self.verified.map(|(last, _)| VERIFY_EVERY - now.duration_since(last));
        if let Some(wait) = again.filter(|wait| wait.is_positive()) {
            return Err(wait);
        }
        let number = self.verified.map_or(1, |(_, number)| number + 1);
        self.verified = Some((now, number));
        let jti = format_smolstr!("verification-{number}-{:x}", now.as_nanosecond());
        // It is answered once: who asks again waits for the last.
        self.waiting.retain(|waiting| !matches!(waiting.said, Said::Verification(_)));
        self.waiting.push_back(Waiting { jti, at: now, first: None, said: Said::Verification(state), index: None });
        Ok(())
    }

    /// What waits, in order, at most so much.
    pub fn waiting(&self, most: usize) -> Vec<Waiting> {
        self.waiting.iter().take(most).cloned().collect()
    }

    /// How much waits.
    pub fn waits(&self) -> usize {
        self.waiting.len()
    }

    /// Failures in a row, and what was refused for good.
    pub fn troubles(&self) -> (u32, &VecDeque<Refused>) {
        (self.failures, &self.refused)
    }

    /// What to push now, at most so much: in order, and of each device one. It is under way until [`Line::ended`] says how that went.
    pub fn due(&mut self, now: Timestamp, most: usize) -> Vec<Waiting> {
        if self.busy || self.next.is_some_and(|next| next > now) {
            return Vec::new();
        }
        let mut devices = BTreeSet::new();
        let mut due = Vec::new();
        // One that fails is alone the next time.
        let most = if self.failures > 0 { 1 } else { most };
        for waiting in &mut self.waiting {
            let is_next = match &waiting.said {
                Said::Complies(device, _) => devices.insert(device.clone()),
                Said::Verification(_) => true,
            };
            if due.len() == most || !is_next {
                break;
            }
            waiting.first.get_or_insert(now);
            due.push(waiting.clone());
        }
        self.busy = !due.is_empty();
        due
    }

    /// When there is something to push, where nothing happens.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        (!self.busy && !self.waiting.is_empty()).then(|| self.next.unwrap_or(now))
    }

    /// Takes how attempts ended. `name` is the stream's.
    pub fn ended(&mut self, name: &str, ended: Vec<(SmolStr, Ended)>, now: Timestamp) {
        self.busy = false;
        let mut failed = None;
        for (jti, ended) in ended {
            match ended {
                Ended::Taken => self.waiting.retain(|waiting| waiting.jti != jti),
                Ended::Refused(why) => self.refuse(&jti, why, now),
                Ended::Failed(why, wait) => {
                    let first =
                        self.waiting.iter().find(|waiting| waiting.jti == jti).and_then(|waiting| waiting.first);
                    if first.is_some_and(|first| now.duration_since(first) > PATIENCE) {
                        self.refuse(&jti, format_smolstr!("it was given up after three days: {why}"), now);
                    }
                    failed = Some((jti, wait.unwrap_or_default()));
                }
            }
        }
        let Some((jti, wait)) = failed else {
            (self.failures, self.next) = (0, None);
            return;
        };
        self.failures = self.failures.saturating_add(1);
        self.next = now.checked_add(delay(name, &jti, self.failures).max(wait)).ok();
    }

    /// The receiver has taken these.
    pub fn taken(&mut self, jtis: &BTreeSet<SmolStr>) {
        self.waiting.retain(|waiting| !jtis.contains(&waiting.jti));
    }

    /// The receiver will never take this one.
    pub fn refuse(&mut self, jti: &SmolStr, why: SmolStr, now: Timestamp) {
        let place = self.waiting.iter().position(|waiting| waiting.jti == *jti);
        let Some(gone) = place.and_then(|place| self.waiting.remove(place)) else { return };
        // Where more waits of the device, its receiver hears how it stands all the same.
        if !self.waiting.iter().any(|waiting| waiting.index == gone.index) {
            self.lose(&gone);
        }
        self.refused.push_back(Refused { jti: jti.clone(), at: now, why });
        while self.refused.len() > REFUSED_MOST {
            self.refused.pop_front();
        }
    }

    /// Something is given up. It is not said again at once, or what is refused once would be sent for ever.
    fn lose(&mut self, gone: &Waiting) {
        if let Some(index) = gone.index {
            self.lost.insert(index);
            self.losses += 1;
        }
    }

    /// Another receiver, or one that is there again: it is tried at once, and told again what was given up.
    pub fn resume(&mut self) {
        self.look = DeviceSet::union([&self.look, &self.lost].into_iter());
        (self.failures, self.next) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + seconds).unwrap()
    }

    /// A stream on which a verification waits.
    fn line() -> (Line, SmolStr) {
        let mut line = Line::new(&State::default());
        line.verify(Some("x".into()), at(0)).unwrap();
        let jti = line.waiting(9)[0].jti.clone();
        (line, jti)
    }

    #[test]
    fn what_fails_is_tried_again_later_and_later_and_given_up_after_three_days() {
        let (mut line, jti) = line();
        let mut now = at(0);
        let mut tries = 0;
        while line.waits() > 0 {
            now = now.max(line.next(now).unwrap());
            assert_eq!(line.due(now, 8).len(), 1);
            assert!(line.due(now, 8).is_empty() && line.next(now).is_none(), "it is under way");
            line.ended("s", vec![(jti.clone(), Ended::Failed("status 503".into(), None))], now);
            assert!(line.due(now, 8).is_empty(), "not at once");
            tries += 1;
        }
        assert!((20..60).contains(&tries), "{tries}");
        let (failures, refused) = line.troubles();
        assert_eq!(failures, tries);
        assert!(refused[0].why.contains("three days"), "{}", refused[0].why);
        assert!(now.duration_since(at(0)) > PATIENCE && now.duration_since(at(0)) < PATIENCE * 2);
    }

    #[test]
    fn a_receiver_that_asks_for_more_time_gets_it_and_what_it_refuses_is_not_sent_again() {
        let (mut line, jti) = line();
        line.due(at(0), 8);
        let wait = SignedDuration::from_hours(3);
        line.ended("s", vec![(jti.clone(), Ended::Failed("status 429".into(), Some(wait)))], at(0));
        assert_eq!(line.next(at(1)), Some(at(3 * 3_600)));
        line.resume();
        assert_eq!(line.due(at(1), 8).len(), 1);
        line.ended("s", vec![(jti.clone(), Ended::Refused("status 400".into()))], at(2));
        assert_eq!((line.waits(), line.troubles().0), (0, 0));
        assert_eq!(line.troubles().1[0].jti, jti);
        // What is said again of it is of nothing that waits.
        line.refuse(&jti, "again".into(), at(3));
        assert_eq!(line.troubles().1.len(), 1);
    }

    #[test]
    fn of_verifications_the_last_waits_alone() {
        let (mut line, first) = line();
        assert!(line.verify(None, at(1)).is_err() && line.waits() == 1);
        line.verify(None, at(60)).unwrap();
        assert_eq!(line.waits(), 1);
        assert_ne!(line.waiting(9)[0].jti, first);
    }

    #[test]
    fn what_is_given_up_is_looked_at_again_when_the_stream_is_changed() {
        let (mut line, _) = line();
        for (jti, index) in [("a", 3), ("b", 3), ("c", 4)] {
            let said = Said::Complies(jti.into(), false);
            line.waiting.push_back(Waiting { jti: jti.into(), at: at(0), first: None, said, index: Some(index) });
        }
        line.refuse(&"a".into(), "no".into(), at(1));
        assert!(!line.lost.contains(3), "more of it waits");
        line.refuse(&"b".into(), "no".into(), at(1));
        assert!(line.lost.contains(3) && !line.look.contains(3), "not at once");
        assert!(line.skip(7) && line.lost.contains(4) && line.losses == 2);
        line.resume();
        assert!(line.look.contains(3) && line.look.contains(4));
        line.skip(8);
        line.resume();
        assert!(line.look.contains(3), "while the stream is off it is not forgotten");
    }

    #[test]
    fn of_one_device_one_token_is_under_way_and_what_was_written_down_is_read_again() {
        let (mut line, _) = line();
        for (n, device) in ["d1", "d2", "d1", "d3"].into_iter().enumerate() {
            let said = Said::Complies(device.into(), n > 1);
            line.waiting.push_back(Waiting {
                jti: format_smolstr!("{n}"),
                at: at(n as i64),
                first: None,
                said,
                index: None,
            });
        }
        let due =
            |line: &mut Line| -> Vec<SmolStr> { line.due(at(9), 8).into_iter().map(|it| it.jti).skip(1).collect() };
        let read: Line = serde_json::from_slice(&serde_json::to_vec(&line).unwrap()).unwrap();
        assert_eq!(due(&mut line), ["0", "1"]);
        let mut read = Line { look: DeviceSet::default(), ..read };
        assert_eq!(due(&mut read), ["0", "1"], "whoever starts anew knows of nothing that is under way");
        let all: BTreeSet<SmolStr> = read.waiting(9).into_iter().map(|it| it.jti).collect();
        read.taken(&all);
        assert_eq!(read.waits(), 0);
        assert!(read.skip(7) && !read.skip(7));
    }
}
