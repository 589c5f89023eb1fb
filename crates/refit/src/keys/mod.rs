//! The organisation's keys on the machine of whoever signs: secret keys in files, signed documents in files, and the root that
//! is trusted here.
//!
//! Nothing that a server says is believed before it is held against a root from a file: a stolen server must not get a
//! signature by handing out documents of its own.

mod document;
mod passphrase;
mod secret;
mod trusted;
pub mod words;

pub use document::{read, write};
pub use passphrase::new_passphrase;
pub use secret::{create, open, public};
pub use trusted::Trusted;

use crate::{Refused, terminal};
use anyhow::Result;
use std::io::{BufRead, IsTerminal};

/// Asks whether to go on; without a terminal only `--yes` does.
pub fn agreed(question: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Refused::usage("nobody can be asked here: add `--yes` once you have read it"));
    }
    terminal::ask(&format!("{question} [y/N] "));
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
