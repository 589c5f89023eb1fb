//! The systems that this server may talk to, by the names that the policy repository has for them.
//!
//! The policy names a source or a hook; where it is, and with which secret it is asked, says whoever runs the server. So nobody who
//! writes policy can make the server send a secret elsewhere, or ask what only the server can reach.

use smol_str::SmolStr;
use std::{collections::BTreeMap, path::PathBuf};

/// The systems that this server may talk to, by name.
#[derive(Clone, Debug, Default)]
pub struct Connections(pub BTreeMap<SmolStr, Connection>);

/// A system that this server may talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its address: `https://prometheus.example`.
    pub address: String,
    /// The file of the secret with which it is asked; it is read each time, so that a new secret takes no restart.
    pub secret: Option<PathBuf>,
}

impl Connections {
    /// The system of a name.
    pub fn get(&self, name: &str) -> Result<&Connection, String> {
        self.0
            .get(name)
            .ok_or_else(|| format!("this server has no connection `{name}`: start it with `--connect {name}=URL`"))
    }
}

impl Connection {
    /// The secret, where there is one.
    pub fn secret(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.secret else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let text = text.trim();
        if text.is_empty() || text.contains(char::is_control) {
            return Err(format!("{}: a secret is one line of text", path.display()));
        }
        Ok(Some(text.to_owned()))
    }
}
