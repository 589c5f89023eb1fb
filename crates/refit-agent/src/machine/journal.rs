//! What the machine remembers across its own death and the device's.

use crate::machine::session::Session;
use jiff::Timestamp;
use refit_model::DeviceId;
use refit_wire::{
    Digest, Envelope, Root,
    lease::Brake,
    mandate::check::Floors,
    protocol::{History, HistoryHead, Receipt, ReportOutcome},
    state::{PackageName, Terms},
};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// All that the machine remembers. Documents lie beside it, by their digests.
///
/// It is on disk before anything happens that depends on it ([`super::Effect::Save`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The form of this record.
    pub form: u32,
    /// The device's id, from its enrolment.
    pub device: DeviceId,
    /// The newest root that is trusted.
    pub root: Held<u64>,
    /// The mandate, with its number.
    pub mandate: Option<Held<u64>>,
    /// The state, with its epoch and sequence.
    pub state: Option<Held<(u64, u64)>>,
    /// The highest epoch that the server's key has signed.
    pub epoch: u64,
    /// When the newest lease was issued.
    pub lease: Option<Timestamp>,
    /// The newest time that a believed document names; the clock may not be below it.
    pub newest_signed: Timestamp,
    /// When the server last confirmed a state; the time of enrolment before it ever did.
    pub confirmed: Timestamp,
    /// When the silence was last spoken of.
    pub silence_told: Option<Timestamp>,
    /// Set while the kill switch is in force.
    pub brake: Option<Brake>,
    /// When the last kill switch was pulled that is in force no more.
    #[serde(default)]
    pub brake_released: Option<Timestamp>,
    /// The number of the last check-in.
    pub counter: u64,
    /// The check-ins so far, as the server's log can tell them from a copy's.
    #[serde(default)]
    pub history: CheckIns,
    /// The digest of the inventory that both sides agreed upon last.
    pub agreed: Option<Digest>,
    /// When package lists were fetched last.
    pub refreshed: Option<Timestamp>,
    /// When versions were first offered, and by sources of which keys.
    pub first_seen: FirstSeen,
    /// The highest versions that have run, of packages that the agent has changed, or that somebody else has brought down.
    #[serde(with = "pairs")]
    pub floors: Floors,
    /// Holds that a state asked for, by package.
    #[serde(with = "pairs")]
    pub holds: BTreeMap<PackageName, HoldSeen>,
    /// What is known of directives that are not done.
    pub directives: BTreeMap<SmolStr, Progress>,
    /// What the universe offers, as it was said last to a server that took it.
    #[serde(default)]
    pub offers: Option<Digest>,
    /// The number of the last session.
    pub sessions: u64,
    /// The session that is under way.
    pub session: Option<Session>,
    /// What packages were before a change that was begun and is not finished.
    #[serde(default, with = "pairs")]
    pub unfinished: BTreeMap<PackageName, SmolStr>,
    /// The restart that is waited for.
    pub restart: Option<PendingRestart>,
    /// Restarts that a state has asked for and of which the agent remembers nothing, by their directives: what waits for them is looked
    /// for once.
    #[serde(default)]
    pub restarts_found: BTreeSet<SmolStr>,
    /// When the machine was restarted by the agent, in the last day.
    pub restarts: Vec<Timestamp>,
    /// The boot in which the agent ran last.
    pub boot: SmolStr,
    /// How the device is used.
    pub usage: Usage,
    /// Receipts that the server has not confirmed.
    pub receipts: Vec<Receipt>,
    /// Complaints that the server has not confirmed.
    pub complaints: Vec<refit_wire::protocol::Complaint>,
    /// What people said here lately, to know what is answered to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<SaidHere>,
    /// What was refused or could not be done.
    pub problems: Vec<KnownProblem>,
    /// Messages that have been shown, by directive.
    pub shown: BTreeSet<SmolStr>,
}

/// The form of the journal that this program writes.
pub const FORM: u32 = 1;

/// A document that is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held<O> {
    /// Its payload's digest.
    pub digest: Digest,
    /// Its place among others of its kind: a later one is larger.
    pub order: O,
    /// From when on too few of the keys that signed it count.
    pub keys_until: Option<Timestamp>,
}

/// The check-ins of this device that were answered, and the one that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckIns {
    /// How many there have been.
    pub sequence: u64,
    /// What was drawn for the last ones, newest first.
    pub links: Vec<u32>,
    /// Whether the newest has no answer yet: it is done again under its number.
    pub unanswered: bool,
    /// The last one of which an answer said that it was written down.
    pub recorded: Option<HistoryHead>,
}

impl CheckIns {
    /// The next check-in, for which `link` was drawn, or once more the one that has no answer.
    pub(super) fn next(&mut self, link: u32) -> History {
        if !self.unanswered {
            self.sequence += 1;
            self.links.insert(0, link);
            self.links.truncate(History::LINKS_MOST);
            self.unanswered = true;
        }
        History { sequence: self.sequence, links: self.links.clone(), recorded: self.recorded }
    }

    /// The newest has been answered.
    pub(super) fn answered(&mut self, recorded: bool) {
        self.unanswered = false;
        if let (true, Some(link)) = (recorded, self.links.first()) {
            self.recorded = Some(HistoryHead { sequence: self.sequence, link: *link });
        }
    }
}

/// When versions were first offered: by package, version and key.
pub type FirstSeen = BTreeMap<SmolStr, BTreeMap<SmolStr, BTreeMap<SmolStr, Timestamp>>>;

/// A hold that a state asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldSeen {
    /// When a state first asked for it.
    pub first: Timestamp,
    /// When a state last asked for it.
    pub last: Timestamp,
}

/// What is known of a directive that is not done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// When the person was told.
    pub told: Option<Timestamp>,
    /// Whether the person said to go ahead.
    pub agreed: bool,
    /// How often the person has put it off.
    pub deferred: u32,
    /// Until when it is put off.
    pub deferred_until: Option<Timestamp>,
    /// The due time whose grace has run out.
    pub grace_spent: Option<Timestamp>,
    /// How often it was tried in vain.
    pub failures: u32,
    /// Not again before then.
    pub retry: Option<Timestamp>,
    /// Whether it is the package manager that has to let go first.
    pub blocked: Option<Blocked>,
}

/// What was in the way when it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// What the package manager would do for it is more than the mandate permits.
    Mandate,
    /// Somebody holds the package.
    Held,
    /// The package manager can't do it.
    PackageManager,
}

/// A restart that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingRestart {
    /// Since when.
    pub since: Timestamp,
    /// Receipts that follow once the new files run.
    pub waiting: Vec<Receipt>,
    /// The packages of these, in the same order.
    pub packages: Vec<PackageName>,
    /// The terms under which it happens: the strictest of what was changed, or those of the state.
    pub terms: Terms,
    /// By when it has to happen.
    pub due: Option<Timestamp>,
    /// When the person was told.
    pub told: Option<Timestamp>,
    /// Whether the person said yes.
    pub agreed: bool,
    /// When the machine was restarted for it, which did not help where it still waits.
    #[serde(default)]
    pub restarted: Option<Timestamp>,
}

/// How the device is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// When it was last in use.
    pub last: Option<Timestamp>,
    /// When it came back from an absence of three days or more.
    pub returned: Option<Timestamp>,
    /// How long it has been in use since then, in seconds.
    pub seconds: u64,
}

/// What a person said, and how far the answer to it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidHere {
    /// The name of the complaint.
    pub id: SmolStr,
    /// When it was said.
    pub at: Timestamp,
    /// What was broken, where the person named it.
    pub title: Option<SmolStr>,
    /// What came of it, by the server.
    #[serde(default)]
    pub outcome: Option<ReportOutcome>,
    /// Whether a person was shown that.
    #[serde(default)]
    pub shown: bool,
}

/// Something that was refused or could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownProblem {
    /// The stable code.
    pub code: SmolStr,
    /// In words.
    pub what: String,
    /// When it was first noticed.
    pub since: Timestamp,
    /// When it was last noticed.
    pub last: Timestamp,
    /// Whether the server knows.
    pub told: bool,
}

impl Journal {
    /// The journal of a device that has just enrolled, with the root that its enrolment token names.
    pub fn enrolled(device: DeviceId, root: &Root, envelope: &Envelope, now: Timestamp) -> Journal {
        Journal {
            form: FORM,
            device,
            root: Held { digest: envelope.digest(), order: root.version, keys_until: None },
            mandate: None,
            state: None,
            epoch: 0,
            lease: None,
            newest_signed: root.issued.min(now),
            confirmed: now,
            silence_told: None,
            brake: None,
            brake_released: None,
            counter: 0,
            history: CheckIns::default(),
            agreed: None,
            refreshed: None,
            first_seen: FirstSeen::new(),
            floors: Floors::new(),
            holds: BTreeMap::new(),
            directives: BTreeMap::new(),
            offers: None,
            sessions: 0,
            session: None,
            unfinished: BTreeMap::new(),
            restart: None,
            restarts_found: BTreeSet::new(),
            restarts: Vec::new(),
            boot: SmolStr::default(),
            usage: Usage::default(),
            receipts: Vec::new(),
            complaints: Vec::new(),
            said: Vec::new(),
            problems: Vec::new(),
            shown: BTreeSet::new(),
        }
    }

    /// Goes on from an earlier enrolment of the same machine.
    ///
    /// How often the machine was restarted is so whoever manages it. Where it is the same device to the server as well, what it
    /// has not told yet is told, what it had begun is looked after, and nothing begins anew that has a limit: deferrals, holds, grace,
    /// versions that may not come back. Whom it believes, and how far, begins with the token.
    #[must_use]
    pub fn after(self, old: Journal) -> Journal {
        if old.form != FORM {
            return self;
        }
        if old.device != self.device {
            return Journal { restarts: old.restarts, ..self };
        }
        Journal {
            form: self.form,
            device: self.device,
            root: self.root,
            mandate: self.mandate,
            state: self.state,
            epoch: self.epoch,
            lease: self.lease,
            newest_signed: self.newest_signed,
            confirmed: self.confirmed,
            silence_told: self.silence_told,
            brake: self.brake,
            brake_released: self.brake_released,
            counter: self.counter,
            history: self.history,
            agreed: self.agreed,
            offers: self.offers,
            ..old
        }
    }

    /// The digests of the documents that it names.
    pub fn documents(&self) -> BTreeSet<Digest> {
        let mandate = self.mandate.iter().map(|held| held.digest);
        let state = self.state.iter().map(|held| held.digest);
        std::iter::once(self.root.digest).chain(mandate).chain(state).collect()
    }
}

/// Maps whose keys are no texts, as lists of pairs.
mod pairs {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
