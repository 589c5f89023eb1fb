//! Passphrases: from a file, or from somebody at a terminal who does not see them.

use crate::{Refused, terminal};
use anyhow::{Context, Result};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};
use zeroize::Zeroizing;

/// A passphrase, which is wiped from memory when it is dropped.
pub type Passphrase = Zeroizing<Vec<u8>>;

/// The longest passphrase, in bytes.
const LONGEST: usize = 4_096;

/// The passphrase of a key that is there: the first line of a file, or what somebody types.
pub fn passphrase(file: Option<&Path>, of: &Path) -> Result<Passphrase> {
    match file {
        Some(file) => of_file(file),
        None => typed(&format!("passphrase of {}: ", of.display())),
    }
}

/// A passphrase for a new key, typed twice; none where nothing is typed.
pub fn new_passphrase(file: Option<&Path>, without: bool) -> Result<Option<Passphrase>> {
    if without {
        return Ok(None);
    }
    if let Some(file) = file {
        return of_file(file).map(Some);
    }
    let first = typed("passphrase for the new keys: ")?;
    if first.is_empty() {
        return Err(Refused::usage(
            "an empty passphrase protects nothing: write `--no-passphrase` if the files are protected otherwise",
        ));
    }
    if typed("the same again: ")? != first {
        return Err(Refused::usage("these were two different passphrases"));
    }
    Ok(Some(first))
}

fn of_file(file: &Path) -> Result<Passphrase> {
    let text = File::open(file).with_context(|| format!("the passphrase in {} can't be read", file.display()))?;
    let line = first_line(text)?;
    if line.is_empty() {
        return Err(Refused::usage(format!("{} holds no passphrase in its first line", file.display())));
    }
    Ok(line)
}

fn typed(prompt: &str) -> Result<Passphrase> {
    let terminal = File::options().read(true).write(true).open("/dev/tty");
    let Ok(terminal) = terminal else {
        return Err(Refused::usage(
            "nobody can be asked for the passphrase here: give it with `--passphrase-file FILE`",
        ));
    };
    let before = tcgetattr(&terminal).context("the terminal can't be asked")?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    tcsetattr(&terminal, OptionalActions::Flush, &silent).context("the terminal can't be silenced")?;
    terminal::ask(prompt);
    let line = first_line(&terminal);
    tcsetattr(&terminal, OptionalActions::Now, &before).context("the terminal stays silent; type `reset`")?;
    line
}

/// The first line, without its end.
fn first_line(from: impl Read) -> Result<Passphrase> {
    // Room from the start: a buffer that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut reader = BufReader::with_capacity(1, from.take(LONGEST as u64));
    reader.read_until(b'\n', &mut line)?;
    while line.last().is_some_and(|end| matches!(end, b'\n' | b'\r')) {
        line.pop();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_the_first_line() {
        for text in ["correct horse\nbattery", "correct horse\r\n", "correct horse"] {
            assert_eq!(first_line(text.as_bytes()).unwrap().as_slice(), b"correct horse", "{text:?}");
        }
    }
}
