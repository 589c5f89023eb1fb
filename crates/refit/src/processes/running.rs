//! Running the machine of one process, with what is kept of it on the disk.

use super::calling::Caller;
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use refit_core::process::{Approval, Line, Next, Process};
use smol_str::SmolStr;
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// One process that runs.
pub struct Running {
    pub process: Process,
    pub caller: Caller,
    pub line: Line,
    /// Where it is kept; `None` where it is not.
    pub file: Option<PathBuf>,
}

/// What came of a turn.
pub struct Turn {
    /// What people answered.
    pub approvals: Vec<Approval>,
    /// When there is something to do again though nothing happens.
    pub next: Option<Timestamp>,
    /// How many calls were made.
    pub calls: usize,
}

impl Running {
    /// Makes calls until there is nothing to do, or so many were made.
    pub fn turn(&mut self, now: &dyn Fn() -> Timestamp, most: usize) -> Result<Turn> {
        let mut turn = Turn { approvals: Vec::new(), next: None, calls: 0 };
        while turn.calls < most {
            let settings = self.caller.settings.clone();
            match self.line.next(&self.process, &settings, now()) {
                Next::Nothing(next) => {
                    turn.next = next;
                    self.keep()?;
                    return Ok(turn);
                }
                Next::Call { key, doing, call } => {
                    turn.calls += 1;
                    // If this ends in the middle, what was sent may have been taken: that is known afterwards.
                    if doing.is_kept_before() {
                        self.keep()?;
                    }
                    let (line, process) = (&self.line, &self.process);
                    let reads = |answer: &serde_json::Value| line.reads(process, &settings, &key, answer);
                    let ended = self.caller.call(&call, &reads);
                    let answer = self.line.ended(&self.process, &settings, &key, ended, now());
                    turn.approvals.extend(answer);
                    self.keep()?;
                }
            }
        }
        turn.next = Some(now());
        Ok(turn)
    }

    /// Writes down how far it is: whole, or not at all.
    fn keep(&self) -> Result<()> {
        match &self.file {
            Some(file) => write(file, &serde_json::to_vec(&self.line)?).with_context(|| file.display().to_string()),
            None => Ok(()),
        }
    }
}

/// What is kept of a process; a new line where nothing is. What can't be read is an error: to begin anew would make everything again that
/// the system does not find.
pub fn kept(file: &Path, organization: &str, name: &str, process: &Process, now: Timestamp) -> Result<Line> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Line::new(organization, name)),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let mut line: Line = serde_json::from_slice(&bytes)
        .with_context(|| format!("{}: what is kept of the process `{name}` can't be read", file.display()))?;
    line.recover(process, now);
    Ok(line)
}

/// The file of a process in the data folder.
pub fn file(data: &Path, name: &SmolStr) -> PathBuf {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    data.join("processes").join(format!("{plain}.json"))
}

fn write(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // It names people: nobody else on this machine is to read it.
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(file).map_err(|error| error.error)?;
    Ok(())
}
