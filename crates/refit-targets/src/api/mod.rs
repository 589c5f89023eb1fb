//! Targets whose configuration is kept by a system with an API: what is asked, what is there, and what has to be called.
//!
//! Whoever does IO asks what [`Api::ask`] wants, hands in the answers and what was remembered of the last run, and gets steps of calls back.
//! What is Refit's is known by three things together: its name ([`Identity::is_owned`]), and the mark that stands in it ([`mark`]) or
//! what is remembered of having made it ([`Memory`]). Whatever has not both a name and one of the others is never changed or taken away.
//!
//! - `answers.rs` What was answered. [`calls`] What is called. `memory.rs` What is remembered.
//! - `plan.rs` What is there held against what should be and what is remembered. `beside.rs` What of it is kept back where others have set the same.
//! - [`verify`] Trying a target on a live system, and the record of it.

mod answers;
mod beside;
pub mod calls;
mod memory;
mod plan;
pub mod verify;

pub use answers::{Answers, Ask, NotUnderstood, Pages};
pub use beside::KeptBack;
pub use calls::{BASE, Body, Call, Method, OWN, Until, reference, secret};
pub use memory::{FORMAT, Fingerprint, Memory, Wrote};
pub use plan::{ForeignSetting, Names, Rules, Step, SystemPlan, Todo, Wanted, plan, wanted};

use crate::{
    object::{Fields, Identity},
    target::Offered,
};
use refit_core::policy::repository::TargetSystem;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use verify::{Samples, Sampling};

/// The field that says which secret an object carries: its name, and how many there have been under it ([`secret_named`], [`number_secrets`]).
pub const SECRET: &str = "secret";

/// The field in which the devices of an object are, by their ids in the system, where [`Api::has_members`].
pub const MEMBERS: &str = "members";

/// The setting of a target's document that says what is done where others have set the same on a device: `foreign: beside` writes
/// Refit's all the same.
pub const FOREIGN: &str = "foreign";

/// Its one value.
pub const BESIDE: &str = "beside";

/// Whether a target's document permits that Refit's is written beside what others have set.
pub fn is_beside(settings: &BTreeMap<String, Value>) -> bool {
    settings.get(FOREIGN).and_then(Value::as_str) == Some(BESIDE)
}

/// How the objects of a target are read and written through the API of its system.
pub trait Api: Sync {
    /// The connector (`connectors/`) that says where the system is, how one shows who one is, and how often it may be asked. Its settings and
    /// secrets are those of the target's document.
    fn connector(&self) -> &'static str;

    /// What of the end of the connector's address the paths here have themselves: `/v1.0`.
    fn within(&self) -> &'static str {
        ""
    }

    /// The scopes of OAuth that are asked for in place of the connector's; none: the connector's.
    fn scopes(&self) -> &'static [&'static str] {
        &[]
    }

    /// What the secret has to be allowed in the system, to read and write what the target does: `the scope okta.deviceAssurance.manage`.
    fn permissions(&self) -> &'static str;

    /// Settings of the target's document that are its own and not the connector's.
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// The names of the secrets that objects of a target carry to the system, besides those of the connector; `Err` says what of its settings
    /// can't be read.
    fn secrets(&self, _target: &TargetSystem) -> Result<BTreeSet<String>, String> {
        Ok(BTreeSet::new())
    }

    /// Fields that the system never shows: what Refit wrote into them is there for as long as the object is.
    fn unseen(&self) -> &'static [&'static str] {
        &[]
    }

    /// Fields that the system changes by itself when others change: nobody's hand is in them.
    fn moved_by_others(&self) -> &'static [&'static str] {
        &[]
    }

    /// Fields that have to be changed before an object can be taken away.
    fn leaving(&self) -> &'static [&'static str] {
        &[]
    }

    /// What has to be asked, by what was answered so far. It is called with more answers until it wants nothing that was not asked yet. `mark` is
    /// the text that this target's objects have in them.
    fn ask(&self, mark: &str, answers: &Answers) -> Result<Vec<Ask>, NotUnderstood>;

    /// What is there.
    fn found(&self, mark: &str, answers: &Answers) -> Result<Found, NotUnderstood>;

    /// What the system can install, where what should be there depends on that: it is compiled again then. `false` where it does not.
    fn offers(&self, _answers: &Answers, _offered: &mut Offered) -> Result<bool, NotUnderstood> {
        Ok(false)
    }

    /// The kinds of objects, what others name first: made in this order, taken away in the reverse.
    fn order(&self) -> &'static [&'static str];

    /// Whether the devices of objects of a kind are their field [`MEMBERS`].
    fn has_members(&self, _kind: &str) -> bool {
        false
    }

    /// The calls that make an object. In one of them, [`Call::makes`].
    fn create(&self, id: &Identity, fields: &Fields) -> Vec<Call>;

    /// The calls that change what is there. `before` and `after` have only what Refit writes; what is not in `after` any more goes.
    fn update(&self, there: &There, before: &Fields, after: &Fields) -> Vec<Call>;

    /// The calls that take away what is there.
    fn delete(&self, there: &There) -> Vec<Call>;

    /// Whether objects of a kind come to an end by themselves: what is missing of them nobody has changed by hand, and it is made again.
    fn ends_by_itself(&self, _kind: &str) -> bool {
        false
    }

    /// Objects that do nothing to anybody, one of each kind at least, to try the target on a live system; and what can't be tried so.
    fn samples(&self, sampling: &Sampling<'_>) -> Samples;

    /// Why what is there can't be taken away by a call; `None` where it can.
    fn stays(&self, _there: &There) -> Option<String> {
        None
    }

    /// The id of what was made, from the answer to the call that [`Call::makes`] it.
    fn made(&self, kind: &str, answer: &str) -> Option<String>;

    /// What stands in the way of a change from `before` to `after` which the system does not take; `None` where it takes it.
    fn refuses(&self, _id: &Identity, _before: &Fields, _after: &Fields) -> Option<String> {
        None
    }
}

/// The field [`SECRET`] of an object that carries a secret. Its number is known when the secret has been held against what is remembered.
pub fn secret_named(name: &str) -> Value {
    json!({ "name": name })
}

/// Gives the secrets in objects their numbers.
pub fn number_secrets(wanted: &mut Wanted, numbers: &BTreeMap<String, u64>) {
    let fields = wanted.objects.values_mut().filter_map(|object| object.fields.get_mut(SECRET));
    for field in fields {
        let number = field["name"].as_str().and_then(|name| numbers.get(name)).copied();
        if let (Some(number), Some(field)) = (number, field.as_object_mut()) {
            field.insert("version".to_owned(), number.into());
        }
    }
}

/// The text that stands in what a target has written: that it is Refit's, and whose.
pub fn mark(organization: &str, target: &str) -> String {
    let of = if organization.is_empty() { String::new() } else { format!(" of {organization}") };
    format!("Written by Refit for target {target}{of}: change the policy instead.")
}

/// What is in a system, as far as it concerns Refit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// Objects whose names are Refit's. One name may be there twice.
    pub objects: Vec<There>,
    /// The ids of devices there, by all that they are known by, in small letters. What is the name of two is nobody's.
    pub devices: BTreeMap<String, String>,
    /// Settings of others that keep Refit's from counting.
    pub foreign: Vec<Foreign>,
    /// What else has to be known.
    pub notes: Vec<String>,
}

/// An object that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct There {
    /// Its kind and name.
    pub id: Identity,
    /// Its id in the system.
    pub remote: String,
    /// Its fields, as [`crate::Target::desired`] writes them; more of them do no harm.
    pub fields: Fields,
    /// Whether the target's mark stands in it.
    pub is_marked: bool,
    /// Its version, where the system refuses what was meant for another one (`If-Match`).
    pub version: Option<String>,
}

/// A setting of others on devices of the target.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// What it is.
    pub what: String,
    /// What comes of it.
    pub because: String,
    /// The devices there; `None` is all.
    pub devices: Option<BTreeSet<String>>,
    /// The kind of Refit's objects that set the same: none of them is written for these devices, unless the target's document permits it
    /// ([`BESIDE`]). `None` where it is only shown.
    pub same_as: Option<&'static str>,
}

/// Devices by all that they are known by; what is the name of two is nobody's.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    known: BTreeMap<String, Option<String>>,
}

impl Devices {
    /// A device is known by this name.
    pub fn name(&mut self, name: &str, remote: &str) {
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            return;
        }
        let known = self.known.entry(name).or_insert_with(|| Some(remote.to_owned()));
        if known.as_deref() != Some(remote) {
            *known = None;
        }
    }

    /// Those that are told apart.
    pub fn told_apart(self) -> BTreeMap<String, String> {
        self.known.into_iter().filter_map(|(name, remote)| Some((name, remote?))).collect()
    }
}

/// What stands in the place of an id in what is found: what refers to the object where it is one of Refit's, and else the id.
pub fn refer(objects: &[There], kind: &str, remote: &str) -> String {
    let named = objects.iter().find(|there| there.id.kind == kind && there.remote == remote);
    named.map_or_else(|| remote.to_owned(), |there| reference(&there.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_two_devices_is_nobodys() {
        let mut devices = Devices::default();
        for (name, remote) in [("PC-1", "1"), ("serial", "1"), ("pc-1", "2"), ("", "3"), ("serial", "1")] {
            devices.name(name, remote);
        }
        assert_eq!(devices.told_apart(), BTreeMap::from([("serial".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn the_mark_says_whose_it_is() {
        assert_ne!(mark("acme", "windows"), mark("acme", "windows-lab"));
        assert_ne!(mark("acme", "windows"), mark("", "windows"));
    }
}
