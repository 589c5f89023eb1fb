//! The bodies of the agent protocol, as JSON. Paths, statuses and the order of calls are in `docs/protocols/agent.md`.
//!
//! Nothing here is signed: a device acts on envelopes only. Readers ignore fields that they do not know, so that agents and
//! servers of different ages understand each other.

use crate::{Digest, envelope::Envelope};
use jiff::Timestamp;
use refit_model::{
    DeviceId,
    entry::{InstallEntry, Plain, ReceiptResult, ReleaseEntry, SlotName},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The paths of the protocol, below the server's address.
pub mod path {
    /// `GET` the certificate (PEM) of the authority that signs the server's certificate; without a client certificate. Whoever
    /// asks compares its fingerprint with the enrolment token, so that the connection itself need not be believed.
    pub const AUTHORITY: &str = "/agent/v1/authority";
    /// `POST` an [`super::EnrolRequest`]; without a client certificate.
    pub const ENROL: &str = "/agent/v1/enrol";
    /// `GET` the root of a number; without a client certificate. 404 where there is none yet.
    pub const ROOTS: &str = "/agent/v1/roots/{version}";
    /// `POST` a [`super::CheckIn`].
    pub const CHECK_IN: &str = "/agent/v1/check-in";
    /// `GET` the mandate of a digest.
    pub const MANDATES: &str = "/agent/v1/mandates/{digest}";
    /// `GET` the state of the device that asks.
    pub const STATE: &str = "/agent/v1/state";
    /// `POST` a [`super::CertificateRequest`].
    pub const CERTIFICATE: &str = "/agent/v1/certificate";
}

/// A device asks to be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnrolRequest {
    /// The secret of the enrolment token.
    pub secret: String,
    /// A certificate signing request (PKCS #10, PEM) for the device's own key.
    pub request: String,
    /// SHA-256 of the machine's own id and the organisation, so that enrolling a machine again finds its device.
    #[schemars(with = "String")]
    pub machine: Digest,
    /// What people call it.
    #[schemars(with = "String")]
    pub name: SmolStr,
    /// The agent's version.
    #[schemars(with = "String")]
    pub agent: SmolStr,
}

/// The device is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Enrolled {
    /// Its id.
    #[schemars(with = "String")]
    pub device: DeviceId,
    /// Its certificate (PEM), and what is between it and the server's authority.
    pub certificate: String,
}

/// A device asks for its next certificate, with the present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateRequest {
    /// A certificate signing request (PKCS #10, PEM); its key may be a new one.
    pub request: String,
}

/// The next certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CertificateAnswer {
    /// The certificate (PEM).
    pub certificate: String,
}

/// A device says how it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckIn {
    /// The agent's version.
    #[schemars(with = "String")]
    pub agent: SmolStr,
    /// A number that grows with each check-in and is kept on disk before it is sent. Two devices that share one certificate
    /// can't both be ahead of what the server has seen.
    pub counter: u64,
    /// A random number that is drawn at each start of the agent, in hexadecimal: who repeats a counter with another one is a
    /// clone.
    #[schemars(with = "String")]
    pub run: SmolStr,
    /// Which history of check-ins it continues. An agent that has told one once always does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// The device's own time.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What is installed and so on: what has changed, or that nothing has.
    pub report: Report,
    /// What the device trusts and holds.
    pub holds: Holds,
    /// What came of directives, until the server has confirmed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// Where each directive of the state stands that is not done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub standing: Vec<Standing>,
    /// What the device refused or could not do, since the last check-in that the server confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What people said of this device, until the server has confirmed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub complaints: Vec<Complaint>,
    /// What was said ([`Complaint::id`]) and of which the person was shown by now what came of it, until the server names it no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub answered: Vec<SmolStr>,
    /// How long the device has been in use since it started to count after its last absence, in seconds.
    #[serde(default)]
    pub used_seconds: u64,
}

/// What a check-in says of those before it: two devices that share one certificate have two histories, and the server's log has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// How many check-ins there have been, this one among them. One that is not answered is done again under its number.
    pub sequence: u64,
    /// What the device drew at random for this check-in and for those before it, newest first: as many as there are, up to 32.
    pub links: Vec<u32>,
    /// The last check-in of which an answer said that it was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<HistoryHead>,
}

impl History {
    /// The most links that a check-in carries.
    pub const LINKS_MOST: usize = 32;
}

/// One check-in of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryHead {
    /// Its number, from 1.
    pub sequence: u64,
    /// What the device drew for it.
    pub link: u32,
}

/// What a device says of itself, against what both sides agreed upon last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Report {
    /// Nothing has changed since the report of this digest.
    Same {
        /// What both sides are to have.
        #[schemars(with = "String")]
        digest: Digest,
    },
    /// What has changed.
    Changes {
        /// What it stands on.
        #[schemars(with = "String")]
        base: Digest,
        /// What comes out.
        #[schemars(with = "String")]
        digest: Digest,
        /// Facts that differ; null is: no longer said.
        #[serde(default)]
        #[schemars(with = "BTreeMap<String, Option<Plain>>")]
        facts: BTreeMap<SmolStr, Option<Plain>>,
        /// Installs that are new or differ.
        #[serde(default)]
        present: Vec<InstallEntry>,
        /// Slots that are empty now.
        #[serde(default)]
        gone: Vec<SlotName>,
        /// What it can get from, where that differs.
        #[serde(default)]
        universe: Option<Universe>,
    },
    /// All of it.
    All {
        /// The whole.
        inventory: Inventory,
    },
}

/// All that a device says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// Facts by field (`device.platform`).
    #[schemars(with = "BTreeMap<String, Plain>")]
    pub facts: BTreeMap<SmolStr, Plain>,
    /// What is installed; a list in JSON.
    #[serde(serialize_with = "write_installs", deserialize_with = "read_installs")]
    #[schemars(with = "Vec<InstallEntry>")]
    pub installs: BTreeMap<SlotName, InstallEntry>,
    /// What it can get from.
    pub universe: Universe,
}

/// What a device can get from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Universe {
    /// SHA-256 of what decides on the offers: equal for devices that are offered the same.
    #[schemars(with = "String")]
    pub key: SmolStr,
    /// The distribution: `debian/bookworm`.
    #[schemars(with = "String")]
    pub distribution: SmolStr,
    /// What it offers. Left out where the server knows this universe already: it asks for it otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offers: Vec<ReleaseEntry>,
}

/// What a device trusts and holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holds {
    /// The number of the root that it trusts.
    pub root: u64,
    /// The mandate that it has.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub mandate: Option<Digest>,
    /// The payload of the state that it has.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub state: Option<Digest>,
    /// Whether the kill switch is in force on it.
    #[serde(default)]
    pub stopped: bool,
}

/// The server answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckInAnswer {
    /// The lease, in its envelope.
    #[schemars(with = "serde_json::Value")]
    pub lease: Envelope,
    /// The number of the newest root.
    pub root: u64,
    /// The mandate in force; null while nobody has signed one.
    #[schemars(with = "Option<String>")]
    pub mandate: Option<Digest>,
    /// The payload's digest of the device's state.
    #[schemars(with = "String")]
    pub state: Digest,
    /// What the server wants of the report.
    pub want: Want,
    /// The receipts that are in the log by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub receipts: Vec<SmolStr>,
    /// The complaints that are in the log by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub complaints: Vec<SmolStr>,
    /// What came of what people said on this device, until the device says that it was shown. Agents that do not know it leave it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<ReportAnswer>,
    /// When to check in next, in seconds from now; the device adds up to a tenth at random.
    pub next_seconds: u64,
    /// Whether the device should ask for its next certificate.
    #[serde(default)]
    pub renew: bool,
    /// Whether this check-in is the last of the device's history in the log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recorded: bool,
}

/// What the server wants of the next report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// Both sides agree.
    Nothing,
    /// All of it: the server's view differs from what the report stands on.
    All,
    /// What the universe offers.
    Offers,
}

/// What came of a directive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Its own name, drawn at random by the device: the same one counts once.
    #[schemars(with = "String")]
    pub id: SmolStr,
    /// The directive.
    #[schemars(with = "String")]
    pub directive: SmolStr,
    /// The slot.
    pub slot: SlotName,
    /// What came of it.
    pub result: ReceiptResult,
    /// The version before, as observed.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub before: Option<SmolStr>,
    /// The version afterwards, as observed.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub after: Option<SmolStr>,
    /// When it ended.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The end of what the package manager printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// Where a directive stands on the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// The directive.
    #[schemars(with = "String")]
    pub directive: SmolStr,
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// Until when at the most, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
}

/// What a directive waits for on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// The kill switch is in force.
    KillSwitch,
    /// The mandate does not permit it, or there is none.
    Mandate,
    /// The mandate does not permit it yet.
    MandateTime,
    /// No fresh lease, or no valid time.
    Lease,
    /// A freeze.
    Freeze,
    /// Grace after an absence.
    Grace,
    /// A window.
    Window,
    /// The person was told, and has time until then.
    Notice,
    /// The person put it off.
    Deferral,
    /// The person is busy.
    Busy,
    /// A hold of the package manager, or of a directive.
    Held,
    /// The package manager can't do it now.
    PackageManager,
    /// A restart.
    Restart,
    /// Nothing: it is being done, or is next.
    Nothing,
}

/// Something that a device refused or could not do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// A stable code: `mandate`, `rollback`, `signature`, `expired`, `clock`, `mixed`, `limit`, `withheld`, `package_manager`, `package_source`.
    #[schemars(with = "String")]
    pub code: SmolStr,
    /// What it was, in words.
    pub what: String,
    /// When it was first noticed.
    #[schemars(with = "String")]
    pub since: Timestamp,
}

/// What a person said of the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Complaint {
    /// Its own name, drawn at random by the device.
    #[schemars(with = "String")]
    pub id: SmolStr,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What is broken, where the person named it.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub title: Option<SmolStr>,
    /// In the person's words; at most 500 characters.
    pub text: String,
}

/// What came of what a person said of the device. It has no words: those are the agent's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportAnswer {
    /// The complaint, by the name that the device drew: it shows answers to its own alone.
    #[schemars(with = "String")]
    pub complaint: SmolStr,
    /// What came of it.
    pub outcome: ReportOutcome,
}

/// What comes of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportOutcome {
    /// An update was to blame, and is stopped.
    Block,
    /// It is mended.
    Fix,
    /// No update was the cause.
    NotUs,
    /// Something that this program does not know yet.
    #[serde(other)]
    Other,
}

/// Why a call was refused (RFC 9457, with a stable code).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// A stable code.
    #[schemars(with = "String")]
    pub code: SmolStr,
    /// What was wrong, for people.
    pub detail: String,
}

impl Inventory {
    /// What both sides compare: SHA-256 of facts, installs and the universe's key as JSON, each sorted. Offers do not count, nor
    /// does what packages were built from, which their versions settle.
    pub fn digest(&self) -> Digest {
        let installs: Vec<_> =
            self.installs.values().map(|install| InstallEntry { source: None, ..install.clone() }).collect();
        let bytes = serde_json::to_vec(&(&self.facts, installs, &self.universe.key, &self.universe.distribution));
        // Strings, numbers and lists only: it can't fail.
        Digest::of(&bytes.unwrap_or_default())
    }

    /// What has to be said to somebody who has `base`.
    pub fn since(&self, base: &Inventory) -> Report {
        let digest = self.digest();
        let base_digest = base.digest();
        if digest == base_digest {
            return Report::Same { digest };
        }
        let mut facts: BTreeMap<SmolStr, Option<Plain>> = self
            .facts
            .iter()
            .filter(|(field, value)| base.facts.get(*field) != Some(value))
            .map(|(field, value)| (field.clone(), Some(value.clone())))
            .collect();
        let unsaid = base.facts.keys().filter(|field| !self.facts.contains_key(*field));
        facts.extend(unsaid.map(|field| (field.clone(), None)));
        let present = self.installs.iter().filter(|(slot, install)| base.installs.get(*slot) != Some(install));
        let gone = base.installs.keys().filter(|slot| !self.installs.contains_key(*slot));
        let same_universe =
            self.universe.key == base.universe.key && self.universe.distribution == base.universe.distribution;
        Report::Changes {
            base: base_digest,
            digest,
            facts,
            present: present.map(|(_, install)| install.clone()).collect(),
            gone: gone.cloned().collect(),
            universe: (!same_universe).then(|| self.universe.clone()),
        }
    }
}

fn write_installs<S: Serializer>(
    installs: &BTreeMap<SlotName, InstallEntry>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(installs.values())
}

fn read_installs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<SlotName, InstallEntry>, D::Error> {
    let installs = Vec::<InstallEntry>::deserialize(deserializer)?;
    Ok(installs.into_iter().map(|install| (install.slot(), install)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_model::TitleId;

    fn install(title: &str, version: &str) -> (SlotName, InstallEntry) {
        let entry: InstallEntry =
            serde_json::from_value(serde_json::json!({ "title": title, "version": version })).unwrap();
        (SlotName::of(TitleId::new(title)), entry)
    }

    fn inventory() -> Inventory {
        Inventory {
            facts: [("device.platform".into(), Plain::Text("linux".into()))].into(),
            installs: [install("deb/curl", "8.0-1"), install("deb/openssl", "3.0-1")].into(),
            universe: Universe { key: "k".into(), distribution: "debian/bookworm".into(), offers: Vec::new() },
        }
    }

    #[test]
    fn what_is_the_same_is_not_said_again() {
        let mut other = inventory();
        other.universe.offers.push(
            serde_json::from_value(serde_json::json!({
                "title": "deb/curl", "version": "8.1-1", "published": "2026-11-01T00:00:00Z"
            }))
            .unwrap(),
        );
        assert_eq!(other.since(&inventory()), Report::Same { digest: inventory().digest() });
    }

    #[test]
    fn an_inventory_is_read_as_it_was_written() {
        let text = serde_json::to_string(&inventory()).unwrap();
        assert_eq!(serde_json::from_str::<Inventory>(&text).unwrap(), inventory());
    }

    #[test]
    fn only_what_has_changed_is_said() {
        let mut now = inventory();
        now.installs.remove(&SlotName::of(TitleId::new("deb/curl")));
        now.installs.extend([install("deb/openssl", "3.1-1")]);
        now.facts = [("device.os".into(), Plain::Text("debian".into()))].into();
        let Report::Changes { base, digest, facts, present, gone, universe } = now.since(&inventory()) else {
            panic!("something has changed")
        };
        assert_eq!((base, digest), (inventory().digest(), now.digest()));
        assert_eq!(facts.len(), 2);
        assert_eq!(facts["device.platform"], None);
        assert_eq!(present, [install("deb/openssl", "3.1-1").1]);
        assert_eq!(gone, [SlotName::of(TitleId::new("deb/curl"))]);
        assert_eq!(universe, None);
    }
}
