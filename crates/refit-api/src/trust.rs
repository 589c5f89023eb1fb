//! What agents trust: roots, mandates, enrolments, certificates.

use jiff::Timestamp;
use refit_wire::{Digest, Envelope, KeyId, PublicKey, protocol::Standing};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the server knows of the organisation's keys, and its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trust {
    /// The organisation, as the newest root names it; without one, as the policy does.
    pub organization: String,
    /// The server's epoch: it grows when a server starts from a backup.
    pub epoch: u64,
    /// The key with which the server signs leases and states; a root has to list it among the server's.
    #[schemars(with = "String")]
    pub server_key: PublicKey,
    /// What documents call that key.
    #[schemars(with = "String")]
    pub server_key_id: KeyId,
    /// SHA-256 of the certificate (DER) of the authority that agents have to trust.
    #[schemars(with = "Option<String>")]
    pub authority: Option<Digest>,
    /// The newest root; null while nobody has published one.
    pub root: Option<RootSaid>,
    /// The mandate in force; null while nobody has published one.
    pub mandate: Option<MandateSaid>,
}

/// A root that is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RootSaid {
    /// Its number.
    pub version: u64,
    /// Its fingerprint: SHA-256 of the payload. Enrolment tokens carry it.
    #[schemars(with = "String")]
    pub fingerprint: Digest,
    /// When it was published.
    pub published: Timestamp,
    /// From when on nothing may be done on its word.
    pub expires: Timestamp,
}

/// A mandate that is published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MandateSaid {
    /// Its number.
    pub number: u64,
    /// SHA-256 of the payload.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// SHA-256 of the policy repository that it was made from.
    pub policy: String,
    /// When it was published.
    pub published: Timestamp,
    /// From when on nothing is changed on its word.
    pub expires: Timestamp,
}

/// A root that is to be published, or that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RootEnvelope {
    /// The signed root (DSSE).
    #[schemars(with = "serde_json::Value")]
    pub envelope: Envelope,
}

/// A mandate that is to be published, or that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MandateEnvelope {
    /// The signed mandate (DSSE).
    #[schemars(with = "serde_json::Value")]
    pub envelope: Envelope,
}

/// An enrolment token that is to be made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEnrolment {
    /// What it is for.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// From when on it no longer counts; at most in 90 days.
    pub expires: Timestamp,
    /// How many enrolments it permits.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub uses: u32,
    /// The address at which devices reach the server, where it is not the one that the server knows.
    #[serde(default)]
    #[schemars(length(min = 1, max = 512))]
    pub address: Option<String>,
}

/// What is known of an enrolment token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Enrolment {
    /// Its id, which is no secret.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub made: Timestamp,
    /// From when on it no longer counts.
    pub expires: Timestamp,
    /// How many enrolments it permits in all.
    pub uses: u32,
    /// How many there have been.
    pub used: u32,
    /// Since when it no longer counts, because somebody said so.
    pub revoked: Option<Timestamp>,
}

/// An enrolment token that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnrolmentMade {
    /// What is known of it.
    #[serde(flatten)]
    pub enrolment: Enrolment,
    /// The token: one line with the server's address, what to trust, and the secret. It is shown once, and not kept: a
    /// repeated request gets null.
    pub token: Option<String>,
}

/// What a device's agent says of its directives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSaid {
    /// The agent's version.
    pub version: String,
    /// When it enrolled last.
    pub joined: Timestamp,
    /// When the newest of its certificates ends; null while none counts.
    pub certificate_until: Option<Timestamp>,
    /// Where directives stand that are not done.
    pub standing: Vec<Standing>,
    /// What it refused or could not do.
    pub problems: Vec<ProblemSaid>,
}

/// Something that a device refused or could not do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProblemSaid {
    /// A stable code: `mandate`, `rollback`, `signature`, `expired`, `clock`, `mixed`, `limit`, `package_manager`, `package_source`.
    pub code: String,
    /// What it was, in words.
    pub what: String,
    /// When it was first noticed.
    pub since: Timestamp,
}

/// How far the kill switch has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BrakeReach {
    /// Devices with an agent.
    pub agents: u64,
    /// Of those, how many have said that they honour it.
    pub honour: u64,
    /// How long the slowest of them took to say so, in seconds; null while none has.
    pub slowest_seconds: Option<u64>,
    /// How long it took for half of all agents, in seconds; null while fewer have answered.
    pub half_seconds: Option<u64>,
    /// Devices that have not, up to a hundred, by id.
    pub silent: Vec<String>,
}
