//! The root that is trusted on this machine, and what follows from it.

use super::document;
use crate::{Refused, terminal};
use anyhow::{Context, Result};
use jiff::Timestamp;
use refit_api::client::Client;
use refit_wire::{Mandate, PublicKey, Root, limits, root::Role};
use std::path::{Path, PathBuf};

/// The newest root that follows from the one in a file.
pub struct Trusted {
    /// It.
    pub root: Root,
}

impl Trusted {
    /// The root in a file: `--root`, or `root.json` beside the key.
    pub fn file(given: Option<&Path>, key: &Path) -> PathBuf {
        given.map_or_else(|| key.with_file_name("root.json"), Path::to_owned)
    }

    /// Reads the root of a file, and follows what a server has after it.
    pub fn read(file: &Path, client: Option<&Client>) -> Result<Trusted> {
        let envelope = document::read::<Root>(file).context(
            "what a server hands out is held against the organisation's root: name its file with `--root FILE`",
        )?;
        let mut root = Root::pinned(&envelope, envelope.digest()).with_context(|| file.display().to_string())?;
        let Some(client) = client else { return Ok(Trusted { root }) };
        let first = root.version;
        for _ in 0..limits::ROOTS {
            let Some(next) = client.root(root.version + 1)? else { break };
            root = root.next(&next.envelope).with_context(|| format!("the server's root {}", root.version + 1))?;
        }
        if root.version > first {
            terminal::note(format_args!(
                "{} is root {first}; the server has root {}, which follows from it",
                file.display(),
                root.version
            ));
        }
        Ok(Trusted { root })
    }

    /// Refuses a key that does not count for a role.
    pub fn counts(&self, role: Role, key: &PublicKey, now: Timestamp) -> Result<()> {
        let (name, keys) = match role {
            Role::Root => ("root", &self.root.root),
            Role::Policy => ("policy", &self.root.policy),
            Role::Server => ("server", &self.root.server),
        };
        match keys.keys.get(&key.id()) {
            None => Err(Refused::no(format!("{key} is no {name} key of root {}", self.root.version))),
            Some(Some(until)) if *until <= now => {
                Err(Refused::no(format!("{key} has counted until {until}; delegate a new one with `refit key root`")))
            }
            Some(_) if self.root.expires <= now => Err(Refused::no(format!(
                "root {} has ended on {}; make the next one with `refit key root`",
                self.root.version, self.root.expires
            ))),
            Some(_) => Ok(()),
        }
    }

    /// The mandate in force, and the number of the next one.
    ///
    /// `number` is what somebody said that the next one has: needed where the one in force can't be believed, because its number can't
    /// be either. A number too large would leave no room for others.
    pub fn mandate(&self, client: &Client, number: Option<u64>) -> Result<(Option<Mandate>, u64)> {
        let Some(said) = client.mandate()? else { return Ok((None, number.unwrap_or(1))) };
        let opened = self.root.open::<Mandate>(&said.envelope, Timestamp::now());
        match opened {
            Ok(mandate) if mandate.organization == self.root.organization => {
                let next = mandate.number.saturating_add(1);
                Ok((Some(mandate), number.unwrap_or(next).max(next)))
            }
            Ok(mandate) => {
                Err(Refused::no(format!("the mandate in force is of the organisation `{}`", mandate.organization)))
            }
            Err(why) => match number {
                Some(number) => {
                    terminal::note(format_args!(
                        "the mandate in force is not believed ({why}); what follows is shown as if there were none"
                    ));
                    Ok((None, number))
                }
                None => Err(Refused::no(format!(
                    "the mandate in force is not believed: {why}. Its keys may have ended since, or somebody else has published \
                     it. To sign one that goes on from nothing, give its number with `--number N`, larger than all before"
                ))),
            },
        }
    }
}
