//! How a device stands, for whoever asks before somebody is let in: an identity provider at sign-in, a gateway, a support desk.
//!
//! [`Question::answer`] is a function of what is known of a device ([`Known`]), of what the organisation has written (`posture:` documents,
//! [`Posture`]) and of the time. It says whether to let in, why, what would put it right, and until when the answer holds. Decisions are not
//! made here: what is overdue is what the policies say.
//!
//! - `answer.rs` What is answered. `known.rs` What is known of a device, from the server's state.
//! - `weigh.rs` One title of a device. `words.rs` Reasons for people.

mod answer;
mod known;
#[cfg(test)]
mod tests;
mod weigh;
mod words;

pub use crate::policy::{document::posture::Access, repository::Posture};
pub use answer::{
    About, Answer, AnsweredBy, DeviceAnswer, Finding, Fix, FixAction, PolicyPlace, Reason, ReasonCode, Tolerated,
};
pub use known::{Decided, Known, Open, Undecided};

use crate::policy::{
    document::posture::HowMany,
    repository::{Repository, Strategy},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::PersonId;

/// For how long an answer other than `allow` may be kept at most, and one that is about to change: whoever has just put something right
/// does not wait longer to be let in.
pub const RECHECK: SignedDuration = SignedDuration::from_secs(60);
/// How many titles are listed of a device, overdue ones and others each; all of them count.
pub const FINDINGS_MOST: usize = 20;
/// How many devices are listed of a person; all of them count.
pub const DEVICES_MOST: usize = 20;

/// What is asked about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// No managed device is meant, or more than one.
    UnknownDevice {
        /// Why none is known, as a sentence.
        why: String,
    },
    /// Nobody who is known is meant, or more than one.
    UnknownPerson {
        /// Why nobody is known, as a sentence.
        why: String,
    },
    /// A device.
    Device(Known),
    /// A person, with all devices that are managed and theirs.
    Person {
        /// Who.
        person: PersonId,
        /// Their devices, by id.
        devices: Vec<Known>,
    },
}

/// A question, with all that the answer depends on.
#[derive(Clone, Debug)]
pub struct Question<'q> {
    /// What the organisation has written for whoever asks.
    pub posture: &'q Posture,
    /// The policy repository in force, for the places in it.
    pub repository: Option<&'q Repository>,
    /// The number of its revision; 0 where none is in force.
    pub revision: u64,
    /// What is asked about.
    pub subject: &'q Subject,
    /// Whether the server can write nothing, so that it hears nothing new.
    pub read_only: bool,
    /// Now.
    pub now: Timestamp,
}

/// Until when an answer holds.
#[derive(Clone, Copy, Debug, Default)]
struct Holds {
    /// When time alone may change it.
    change: Option<Timestamp>,
    /// Whether it may change at any moment.
    soon: bool,
    /// When the newest of what it goes by was decided.
    decided: Option<Timestamp>,
}

impl Holds {
    fn changes_at(&mut self, at: Option<Timestamp>, now: Timestamp) {
        self.change = self.change.into_iter().chain(at.filter(|at| *at > now)).min();
    }
}

impl Question<'_> {
    /// The answer. The same question gives the same bytes for as long as [`Answer::issued`] stays the same.
    pub fn answer(&self) -> Answer {
        let answers = &self.posture.answers;
        let mut holds = Holds::default();
        match self.subject {
            Subject::UnknownDevice { why } => {
                let about = About { device: None, person: None };
                self.nobody(about, Reason::new(ReasonCode::UnknownDevice, why.clone()), answers.unknown_device)
            }
            Subject::UnknownPerson { why } => {
                let about = About { device: None, person: None };
                self.nobody(about, Reason::new(ReasonCode::UnknownPerson, why.clone()), answers.unknown_person)
            }
            Subject::Person { person, devices } if devices.is_empty() => {
                let about = About { device: None, person: Some(person.to_string()) };
                let reason = Reason::new(ReasonCode::NoDevice, "this person has no managed device".to_owned());
                self.nobody(about, reason, answers.no_device)
            }
            Subject::Device(known) => {
                let device = self.device(known, &mut holds);
                let about = About { device: Some(device.device.clone()), person: None };
                let (access, compliant, reasons) = (device.access, device.compliant, device.reasons.clone());
                self.put_together(about, (access, compliant), reasons, vec![device], holds)
            }
            Subject::Person { person, devices } => {
                let about = About { device: None, person: Some(person.to_string()) };
                let mut devices: Vec<DeviceAnswer> =
                    devices.iter().map(|known| self.device(known, &mut holds)).collect();
                let (access, compliant) = self.of_several(&devices);
                devices.sort_by(|a, b| (b.access, &a.device).cmp(&(a.access, &b.device)));
                let reasons = match devices.as_slice() {
                    [only] => only.reasons.clone(),
                    _ => vec![words::several(&devices, self.posture.devices)],
                };
                self.put_together(about, (access, compliant), reasons, devices, holds)
            }
        }
    }

    /// The answer where no device is known.
    fn nobody(&self, about: About, reason: Reason, wanted: Access) -> Answer {
        // Where nobody knows the zone it is UTC.
        let (most, changes) = self.most(&TimeZone::UTC);
        let mut holds = Holds { soon: true, ..Holds::default() };
        holds.changes_at(changes, self.now);
        let mut reasons = vec![reason];
        reasons.extend(self.softened(wanted, most));
        self.put_together(about, (wanted.min(most), None), reasons, Vec::new(), holds)
    }

    fn of_several(&self, devices: &[DeviceAnswer]) -> (Access, Option<bool>) {
        let access = devices.iter().map(|device| device.access);
        let mut compliant = devices.iter().map(|device| device.compliant);
        match self.posture.devices {
            HowMany::All => {
                let known = !devices.iter().any(|device| device.compliant.is_none());
                let all = compliant.all(|compliant| compliant != Some(false));
                (access.max().unwrap_or(Access::Allow), if all { known.then_some(true) } else { Some(false) })
            }
            HowMany::Any => {
                let known = !devices.iter().any(|device| device.compliant.is_none());
                let any = compliant.any(|compliant| compliant == Some(true));
                (access.min().unwrap_or(Access::Allow), if any { Some(true) } else { known.then_some(false) })
            }
        }
    }

    fn put_together(
        &self,
        about: About,
        (access, compliant): (Access, Option<bool>),
        reasons: Vec<Reason>,
        mut devices: Vec<DeviceAnswer>,
        holds: Holds,
    ) -> Answer {
        let device_count = devices.len() as u64;
        devices.truncate(DEVICES_MOST);
        let (issued, until) = self.span(access, holds);
        let origin = self.posture.origin.as_ref();
        let by = AnsweredBy {
            posture: Some(self.posture.name.to_string()).filter(|name| !name.is_empty()),
            file: origin.map(|origin| origin.file.to_string()),
            line: origin.map(|origin| origin.line as u64),
            owner: self.posture.owner.as_ref().map(ToString::to_string),
            why: self.posture.why.as_ref().map(ToString::to_string),
            revision: self.revision,
        };
        Answer { access, compliant, reasons, about, devices, device_count, by, issued, until }
    }

    /// From when and until when it is so answered. Time is cut into pieces of the length for which answers are kept, and all answers of one piece
    /// hold to the end of the next: so they are the same bytes, and nobody is given one that is nearly over.
    fn span(&self, access: Access, holds: Holds) -> (Timestamp, Timestamp) {
        let keep = match access {
            Access::Allow if !holds.soon => self.posture.keep,
            _ => self.posture.keep.min(RECHECK),
        };
        let seconds = keep.as_secs().max(1);
        let begin = self.now.as_second().div_euclid(seconds) * seconds;
        let at = |second: i64| Timestamp::from_second(second).unwrap_or(self.now);
        let issued = holds.decided.map_or(at(begin), |decided| decided.max(at(begin))).min(self.now);
        let until = at(begin.saturating_add(2 * seconds));
        (issued, holds.change.map_or(until, |change| change.min(until)))
    }

    /// The harshest answer that the strategy has now, and when it gets harsher.
    fn most(&self, zone: &TimeZone) -> (Access, Option<Timestamp>) {
        match (self.posture.strategy, self.blocks_from(zone)) {
            (Strategy::Tell, _) => (Access::Allow, None),
            (_, None) => (Access::Warn, None),
            (_, Some(from)) if from <= self.now => (Access::Block, None),
            (_, from) => (Access::Warn, from),
        }
    }

    /// From when on the strategy blocks; `None` is never.
    fn blocks_from(&self, zone: &TimeZone) -> Option<Timestamp> {
        match self.posture.strategy {
            Strategy::Tell | Strategy::Warn => None,
            Strategy::WarnThenBlock(day) => Some(day.start_in(zone)),
            Strategy::Block => Some(Timestamp::MIN),
        }
    }

    /// That the strategy permits less than would follow.
    fn softened(&self, wanted: Access, most: Access) -> Option<Reason> {
        (wanted > most).then(|| words::softened(self.posture.strategy, most))
    }
}
