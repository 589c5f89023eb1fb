//! What the log says of agents: enrolments, certificates, roots, mandates, what devices say of their directives.
//!
//! It is apart from [`super::DeviceRecord`]: decisions read nothing of it.

use super::{
    device_set::DeviceSet,
    event::{ComplaintReceived, DeviceStands, Event},
};
use imbl::OrdMap;
use jiff::Timestamp;
use refit_model::{DeviceId, TokenId};
use refit_wire::protocol::{Problem, Standing};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::sync::Arc;

/// All that the log says of agents.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Agents {
    /// The server's epoch.
    pub epoch: u64,
    /// Since when.
    #[serde(default)]
    pub epoch_since: Option<Timestamp>,
    /// Enrolment tokens by id.
    pub enrolments: OrdMap<TokenId, Arc<EnrolmentRecord>>,
    /// Machines by the digest of their own id.
    pub machines: OrdMap<SmolStr, DeviceId>,
    /// Devices that have an agent.
    pub devices: OrdMap<DeviceId, Arc<AgentRecord>>,
    /// Published roots by number.
    pub roots: OrdMap<u64, Arc<RootRecord>>,
    /// Published mandates by number.
    pub mandates: OrdMap<u64, Arc<MandateRecord>>,
    /// Devices that honour the brake that was pulled last, by how many seconds it took.
    pub honour: OrdMap<u64, DeviceSet>,
}

/// What is kept of an enrolment token. The secret is not among it, only its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolmentRecord {
    /// SHA-256 of the secret, in hexadecimal.
    pub hash: SmolStr,
    /// What it is for.
    pub name: SmolStr,
    /// When it was made.
    pub made: Timestamp,
    /// From when on it no longer counts.
    pub expires: Timestamp,
    /// How many enrolments it permits.
    pub uses: u32,
    /// How many there have been.
    #[serde(default)]
    pub used: u32,
    /// Since when it no longer counts, because somebody said so.
    #[serde(default)]
    pub revoked: Option<Timestamp>,
}

/// What the log says of a device's agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentRecord {
    /// SHA-256 of the machine's own id and the organisation.
    pub machine: SmolStr,
    /// When it enrolled last.
    pub joined: Timestamp,
    /// The agent's version.
    pub agent: SmolStr,
    /// The certificates that count, oldest first: one, or two while a new one is on its way.
    pub certificates: Vec<Certificate>,
    /// Where directives stand.
    pub standing: Vec<Standing>,
    /// What it refused or could not do.
    pub problems: Vec<Problem>,
    /// The complaints that counted last, oldest first.
    pub complaints: Vec<Complained>,
}

/// A complaint that counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complained {
    /// Its id.
    pub id: SmolStr,
    /// When it came.
    pub at: Timestamp,
    /// The title that is broken, where the person named it.
    pub title: Option<SmolStr>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its serial number, in hexadecimal.
    pub serial: SmolStr,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// A published root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootRecord {
    /// The organisation.
    pub organization: SmolStr,
    /// SHA-256 of its payload.
    pub fingerprint: SmolStr,
    /// SHA-256 of the content that holds it in its envelope.
    pub content: SmolStr,
    /// When it was published.
    pub published: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
}

/// A published mandate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MandateRecord {
    /// SHA-256 of its payload.
    pub digest: SmolStr,
    /// SHA-256 of the content that holds it in its envelope.
    pub content: SmolStr,
    /// SHA-256 of the policy repository that it was made from.
    pub policy: SmolStr,
    /// When it was published.
    pub published: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// The longest lease that it permits, in seconds.
    pub lease_seconds: u64,
    /// The event that published it.
    pub by_event: u64,
}

/// Mandates that are kept: a device that fetches an earlier one has just been told of it.
const MANDATES_MOST: usize = 8;
/// How many ids of complaints are kept of one device, so that the same one counts once.
const COMPLAINTS_MOST: usize = 64;

impl Agents {
    /// The newest root and its number.
    pub fn root(&self) -> Option<(u64, &Arc<RootRecord>)> {
        self.roots.get_max().map(|(version, record)| (*version, record))
    }

    /// The mandate in force and its number.
    pub fn mandate(&self) -> Option<(u64, &Arc<MandateRecord>)> {
        self.mandates.get_max().map(|(number, record)| (*number, record))
    }

    /// The certificate of a device, where it counts at `now`.
    pub fn certificate(&self, device: &DeviceId, serial: &str, now: Timestamp) -> Option<&Certificate> {
        let certificates = &self.devices.get(device)?.certificates;
        certificates.iter().find(|certificate| certificate.serial == serial && now < certificate.until)
    }

    /// The event is one of those that speak of agents.
    pub(super) fn apply(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match event {
            Event::EpochRaised(raised) => {
                self.epoch = self.epoch.max(raised.epoch);
                self.epoch_since = Some(at);
            }
            Event::EnrolmentCreated(created) => {
                self.enrolments.insert(created.enrolment.clone(), Arc::new(created.record.clone()));
            }
            Event::EnrolmentRevoked(revoked) => {
                if let Some(record) = self.enrolments.get_mut(&revoked.enrolment) {
                    Arc::make_mut(record).revoked = Some(at);
                }
            }
            Event::DeviceJoined(joined) => {
                if let Some(record) = self.enrolments.get_mut(&joined.enrolment) {
                    let record = Arc::make_mut(record);
                    record.used = record.used.saturating_add(1);
                }
                self.machines.insert(joined.machine.clone(), joined.device.clone());
                let record = AgentRecord {
                    machine: joined.machine.clone(),
                    joined: at,
                    agent: joined.agent.clone(),
                    certificates: Vec::new(),
                    standing: Vec::new(),
                    problems: Vec::new(),
                    complaints: Vec::new(),
                };
                self.devices.insert(joined.device.clone(), Arc::new(record));
            }
            Event::CertificateIssued(issued) => self.change(&issued.device, |agent| {
                let (serial, until) = (issued.serial.clone(), issued.until);
                // One whose answer was lost was never used, and must not push out the one that is.
                agent.certificates.retain(|known| Some(&known.serial) == issued.beside.as_ref());
                agent.certificates.push(Certificate { serial, issued: at, until });
            }),
            Event::CertificateRevoked(revoked) => self.change(&revoked.device, |agent| agent.certificates.clear()),
            Event::RootPublished(root) => {
                let record = RootRecord {
                    organization: root.organization.clone(),
                    fingerprint: root.fingerprint.clone(),
                    content: root.content.clone(),
                    published: at,
                    expires: root.expires,
                };
                self.roots.insert(root.version, Arc::new(record));
            }
            Event::MandatePublished(mandate) => {
                let record = MandateRecord {
                    digest: mandate.digest.clone(),
                    content: mandate.content.clone(),
                    policy: mandate.policy.clone(),
                    published: at,
                    expires: mandate.expires,
                    lease_seconds: mandate.lease_seconds,
                    by_event: seq,
                };
                self.mandates.insert(mandate.number, Arc::new(record));
                while self.mandates.len() > MANDATES_MOST {
                    self.mandates = self.mandates.without_min().1;
                }
            }
            Event::DeviceStands(DeviceStands { device, agent: version, standing, problems }) => {
                self.change(device, |agent| {
                    agent.agent = version.clone();
                    agent.standing = standing.clone();
                    agent.problems = problems.clone();
                });
            }
            Event::ComplaintReceived(ComplaintReceived { device, complaint, title, .. }) => {
                self.change(device, |agent| {
                    agent.complaints.push(Complained { id: complaint.clone(), at, title: title.clone() });
                    let surplus = agent.complaints.len().saturating_sub(COMPLAINTS_MOST);
                    agent.complaints.drain(..surplus);
                })
            }
            Event::BrakeReached(reached) => {
                for (seconds, devices) in &reached.after {
                    self.honour.entry(*seconds).or_default().0 |= &devices.0;
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, device: &DeviceId, change: impl FnOnce(&mut AgentRecord)) {
        if let Some(record) = self.devices.get_mut(device) {
            change(Arc::make_mut(record));
        }
    }
}

impl EnrolmentRecord {
    /// Why it does not count at `now`; `None` where it does.
    pub fn spent(&self, now: Timestamp) -> Option<&'static str> {
        if self.revoked.is_some() {
            Some("the enrolment token was revoked")
        } else if now >= self.expires {
            Some("the enrolment token has expired")
        } else if self.used >= self.uses {
            Some("the enrolment token has been used as often as it may be")
        } else {
            None
        }
    }
}
