//! A store in memory: the log, contents, personal values, a snapshot and a backup. What is here survives a crash of the server.

use jiff::Timestamp;
use refit_core::{
    control::{Actor, Contents, Event, Ground, PersonId, Plain, State, decode, encode, read_snapshot, write_snapshot},
    policy::resolve::Titles,
};
use sha2::{Digest, Sha256};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

/// One entry of the log, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its position.
    pub seq: u64,
    /// When it was written, by the server's clock.
    pub at: Timestamp,
    /// Who asked.
    pub actor: SmolStr,
    /// Its kind.
    pub kind: &'static str,
    /// Its version.
    pub version: u16,
    /// Its payload.
    pub body: Vec<u8>,
}

/// All that is durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    /// The log.
    pub entries: Vec<Entry>,
    /// Contents by their SHA-256.
    pub contents: BTreeMap<SmolStr, Arc<[u8]>>,
    /// Personal values by reference.
    pub personal: BTreeMap<SmolStr, (PersonId, Plain)>,
    /// The newest snapshot.
    pub snapshot: Option<(u32, Vec<u8>)>,
    /// When the server last said that it listens.
    pub lease: Option<Timestamp>,
}

/// Why an append did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Nothing was written.
    Failed,
    /// The caller can't know whether anything was written.
    Unknown,
}

/// What is to go wrong with an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// Nothing.
    None,
    /// It fails.
    Fails,
    /// It succeeds, and says that it did not.
    AckLost,
}

/// There is no catalog in the simulation: policies bring their titles.
pub static TITLES: LazyLock<Titles> = LazyLock::new(Titles::default);

/// An entry of an event, and the event as it is read back.
pub fn entry(seq: u64, at: Timestamp, actor: &Actor, event: &Event) -> Result<(Entry, Event), String> {
    let (kind, version, body) = encode(event, &actor.origin).map_err(|error| error.to_string())?;
    let read = decode(kind, version, &body).map_err(|error| error.to_string())?;
    Ok((Entry { seq, at, actor: actor.name.clone(), kind, version, body }, read))
}

impl Entry {
    /// The event.
    pub fn event(&self) -> Result<Event, String> {
        decode(self.kind, self.version, &self.body).map_err(|error| error.to_string())
    }
}

impl Store {
    /// The log and the contents that it names as JSON lines: how logs are kept for the test that reads old ones.
    pub fn as_lines(&self) -> Result<String, String> {
        let mut lines = String::new();
        for (sha256, bytes) in &self.contents {
            let text = String::from_utf8_lossy(bytes);
            let named = self.entries.iter().any(|entry| String::from_utf8_lossy(&entry.body).contains(sha256.as_str()));
            if named {
                lines.push_str(&serde_json::json!({ "content": sha256, "text": text }).to_string());
                lines.push('\n');
            }
        }
        for entry in &self.entries {
            let body: serde_json::Value = serde_json::from_slice(&entry.body).map_err(|error| error.to_string())?;
            let line = serde_json::json!({
                "seq": entry.seq,
                "at": entry.at,
                "actor": entry.actor,
                "kind": entry.kind,
                "version": entry.version,
                "body": body,
            });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        Ok(lines)
    }

    /// What events are read against.
    pub fn ground(&self) -> Ground<'_> {
        Ground { catalog: &TITLES, contents: &self.contents as &dyn Contents }
    }

    /// The last position.
    pub fn last(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.seq)
    }

    /// Keeps content; its SHA-256.
    pub fn put(&mut self, bytes: Vec<u8>) -> SmolStr {
        let hash: SmolStr = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
        self.contents.insert(hash.clone(), bytes.into());
        hash
    }

    /// Appends all or nothing, if the log ends where the caller believes.
    pub fn append(&mut self, expected: u64, batch: Vec<Entry>, fault: AppendFault) -> Result<(), AppendError> {
        if self.last() != expected || fault == AppendFault::Fails {
            return Err(AppendError::Failed);
        }
        self.entries.extend(batch);
        if fault == AppendFault::AckLost { Err(AppendError::Unknown) } else { Ok(()) }
    }

    /// Applies what the log has beyond a state.
    pub fn catch_up(&self, state: &mut State) -> Result<(), String> {
        let known = self.entries.partition_point(|entry| entry.seq <= state.seq);
        for entry in self.entries.iter().skip(known) {
            state.apply(entry.seq, entry.at, &entry.event()?, &self.ground()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// A state of nothing but the personal values.
    pub fn empty_state(&self) -> State {
        State { personal: self.personal_values(), ..State::default() }
    }

    fn personal_values(&self) -> imbl::OrdMap<SmolStr, Plain> {
        self.personal.iter().map(|(reference, (_, value))| (reference.clone(), value.clone())).collect()
    }

    /// The state as a start finds it: the newest snapshot, and the log from there.
    pub fn open(&self) -> Result<State, String> {
        let mut state = match &self.snapshot {
            Some((format, bytes)) => {
                let state = read_snapshot(*format, bytes, &self.ground()).map_err(|error| error.to_string())?;
                State { personal: self.personal_values(), ..state }
            }
            None => self.empty_state(),
        };
        self.catch_up(&mut state)?;
        Ok(state)
    }

    /// Keeps a snapshot.
    pub fn snapshot(&mut self, state: &State) -> Result<(), String> {
        self.snapshot = Some(write_snapshot(state).map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Erases personal values that no event names any more: what an erasure or a write without its event left behind.
    pub fn sweep(&mut self, state: &mut State) {
        let named: BTreeSet<&SmolStr> =
            state.people.values().flat_map(|person| person.facts.values()).flat_map(|said| said.values()).collect();
        let orphans: Vec<SmolStr> =
            self.personal.keys().filter(|reference| !named.contains(reference)).cloned().collect();
        for reference in orphans {
            self.personal.remove(&reference);
            state.personal.remove(&reference);
        }
    }
}
