//! What Refit remembers of this machine between two commands: since when policies apply, when releases were first offered, when
//! spells of not complying began.

use crate::Refused;
use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use refit_core::{
    decide::{Compliance, Decision},
    world::SlotKey,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

/// The version of the file's format.
const FORMAT: u32 = 1;

/// What is remembered of this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    format: u32,
    /// When this machine was first looked at.
    pub enrolled: Timestamp,
    /// When policies first applied, by name.
    #[serde(default)]
    pub policies: BTreeMap<String, Timestamp>,
    /// When entries of deadlines first applied, by policy and text.
    #[serde(default)]
    pub entries: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// When releases were published as far as was known when they were first seen, by title and version.
    #[serde(default)]
    pub published: BTreeMap<String, BTreeMap<String, Timestamp>>,
    /// When spells of not complying began, by slot: `title@branch (profile)`. Files of before have the title alone.
    #[serde(default)]
    pub spells: BTreeMap<String, Timestamp>,
    /// When conditions on advisories first held, by advisory and text.
    #[serde(default)]
    pub latches: BTreeMap<String, BTreeMap<String, Timestamp>>,
}

impl Memory {
    /// What was remembered in the data folder; a fresh memory where there is none.
    pub fn read(data: &Path, now: Timestamp) -> Result<Memory> {
        let path = path(data);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Memory::fresh(now)),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let memory: Memory = serde_json::from_str(&text).with_context(|| {
            format!("{} is damaged. Due times were counted from it; move it away to begin anew", path.display())
        })?;
        if memory.format != FORMAT {
            bail!("{} has format {}, and this program reads {FORMAT}", path.display(), memory.format);
        }
        Ok(memory)
    }

    /// When the spell of a slot began.
    pub fn spell(&self, slot: &SlotKey) -> Option<Timestamp> {
        self.spells.get(&slot.to_string()).or_else(|| self.spells.get(slot.title.as_str())).copied()
    }

    /// Notes when spells of not complying began, and ends those of slots that are seen to comply: what is merely gone for a while,
    /// or spoken of by no policy, ends none.
    pub fn remember_spells(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            let slot = decision.slot.to_string();
            match decision.derivation.obligations.first() {
                None if decision.compliance == Compliance::Compliant => {
                    self.spells.remove(&slot);
                }
                None => {}
                Some(obligation) => {
                    if let Some(since) = obligation.spell {
                        self.spells.entry(slot).or_insert(since);
                    }
                }
            }
        }
        // What was noted by title is noted by slot from now on.
        for slot in
            decisions.iter().map(|decision| &decision.slot).filter(|slot| slot.to_string() != slot.title.as_str())
        {
            self.spells.remove(slot.title.as_str());
        }
    }

    fn fresh(now: Timestamp) -> Memory {
        Memory {
            format: FORMAT,
            enrolled: now,
            policies: BTreeMap::new(),
            entries: BTreeMap::new(),
            published: BTreeMap::new(),
            spells: BTreeMap::new(),
            latches: BTreeMap::new(),
        }
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, data: &Path) -> Result<()> {
        let path = path(data);
        let folder = path.parent().unwrap_or(data);
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let unfinished = path.with_extension(format!("json.{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&unfinished)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        write().map_err(|error| {
            let _ = std::fs::remove_file(&unfinished);
            anyhow::Error::new(error).context(format!("{} can't be written", path.display()))
        })
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("local").join("memory.json")
}

/// The data folder: as it is given, or the usual place. What is no folder is refused.
pub fn data_folder(given: Option<&Path>) -> Result<PathBuf> {
    let folder = given.map_or_else(usual_folder, Path::to_owned);
    // A part of the path that is a file is found as soon as something in it is asked for.
    match std::fs::metadata(folder.join(".")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
            Err(Refused::usage(format!("the data folder {} can't be used: it is no folder", folder.display())))
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(anyhow!(
            "permission denied: the data folder {} is another user's\n  help: run this as that user (`sudo -u USER refit …`), or name \
             another folder with `--data DIR`; a server answers who has a token of their own (`--server=URL --ca FILE --token-file FILE`)",
            folder.display()
        )),
        _ => Ok(folder),
    }
}

fn usual_folder() -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    // Root's data is the machine's, whoever became root and however.
    let (false, Some(home)) = (rustix::process::geteuid().is_root(), home) else {
        return PathBuf::from("/var/lib/refit");
    };
    match std::env::var_os("XDG_DATA_HOME") {
        Some(share) if !share.is_empty() => PathBuf::from(share).join("refit"),
        _ => Path::new(&home).join(".local/share/refit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let data = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let mut memory = Memory::read(data.path(), now).unwrap();
        memory.policies.insert("browsers".into(), now);
        memory.write(data.path()).unwrap();
        let later = "2027-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(Memory::read(data.path(), later).unwrap(), memory);
        assert_eq!(std::fs::read_dir(data.path().join("local")).unwrap().count(), 1);
    }

    fn decided(policies: &str, installed: &str, memory: &mut Memory, now: &str) -> Vec<Decision> {
        use refit_core::{
            decide::decide,
            policy::{
                diagnostic::{Files, SourceFile},
                load::load,
                resolve::{Titles, resolve},
                syntax::Limits,
            },
            world::{Device, Install, World},
        };
        use refit_model::{DeviceId, Release, Scheme, TitleId, Version};
        let files = Files(vec![SourceFile { path: "p.yaml".into(), text: policies.into() }]);
        let (documents, found) = load(&files, &Limits::default());
        assert!(found.is_empty(), "{found:?}");
        let (repository, found) = resolve(&documents, &files, &Titles::default());
        assert!(found.is_empty(), "{found:?}");
        let now: Timestamp = now.parse().unwrap();
        let title = TitleId::new("deb/hello");
        let version = |text: &str| Version::parse(Scheme::Dpkg, text).unwrap();
        let published = "2026-11-01T00:00:00Z".parse().unwrap();
        let release = Release { title: title.clone(), branch: None, version: version("2"), published, security: false };
        let mut device = Device::new(DeviceId::new("d1"), now);
        if !installed.is_empty() {
            let (title, version) = (title.clone(), version(installed));
            device.installs.push(Install { title, branch: None, profile: None, version, since: Some(now) });
        }
        if let Some(since) = memory.spell(&SlotKey::of(title.clone())) {
            device.spells.insert(SlotKey::of(title), since);
        }
        let decisions = decide(&repository, &World::new(vec![release], Vec::new()), &device, now);
        memory.remember_spells(&decisions);
        decisions
    }

    #[test]
    fn only_complying_ends_a_spell() {
        const POLICY: &str = "policy: p\nsoftware: [deb/hello]\ndeadline: [{ within: 7d }]";
        let mut memory = Memory::fresh(Timestamp::UNIX_EPOCH);
        decided(POLICY, "1", &mut memory, "2026-11-02T00:00:00Z");
        let began = memory.spells.clone();
        assert_eq!(began.len(), 1);
        // Removed, spoken of by nobody, and installed again: the same spell.
        decided(POLICY, "", &mut memory, "2026-11-03T00:00:00Z");
        decided("policy: p\nsoftware: [deb/other]", "1", &mut memory, "2026-11-04T00:00:00Z");
        assert_eq!(memory.spells, began);
        let again = decided(POLICY, "1", &mut memory, "2026-11-05T00:00:00Z");
        assert_eq!(again[0].due, Some("2026-11-09T00:00:00Z".parse().unwrap()));
        decided(POLICY, "2", &mut memory, "2026-11-06T00:00:00Z");
        assert!(memory.spells.is_empty());
    }

    #[test]
    fn a_spell_that_was_noted_by_title_is_that_of_its_slots() {
        let mut memory = Memory::fresh(Timestamp::UNIX_EPOCH);
        let since = "2026-11-02T00:00:00Z".parse().unwrap();
        memory.spells.insert("temurin-jdk".into(), since);
        let slot = SlotKey { branch: Some("21".into()), ..SlotKey::of("temurin-jdk".into()) };
        assert_eq!(memory.spell(&slot), Some(since));
        assert_eq!(memory.spell(&SlotKey::of("firefox".into())), None);
    }

    #[test]
    fn a_damaged_memory_is_no_fresh_one() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(data.path().join("local")).unwrap();
        for text in ["", "{", "[]", r#"{"format": 99, "enrolled": "2026-11-23T09:00:00Z"}"#] {
            std::fs::write(path(data.path()), text).unwrap();
            assert!(Memory::read(data.path(), Timestamp::UNIX_EPOCH).is_err(), "{text}");
        }
    }
}
