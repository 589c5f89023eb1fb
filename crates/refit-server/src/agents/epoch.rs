//! The epoch: it grows when the server goes on from a log that may lack what devices have seen.

use crate::shell::{Shell, TellError};
use refit_core::control::{Actor, AgentInput, Input};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The file that asks for another epoch.
fn file(data: &Path) -> PathBuf {
    data.join("server.restored")
}

/// Notes, before a log is brought back from a backup, that the next start has to raise the epoch.
pub fn note_restored(data: &Path) -> io::Result<()> {
    std::fs::create_dir_all(data)?;
    std::fs::write(file(data), b"the next start raises the epoch\n")
}

/// Takes the note back: nothing was brought back after all.
pub fn forget_restored(data: &Path) {
    let _ = std::fs::remove_file(file(data));
}

/// Raises the epoch where that was asked for, or where the log has `lost` something; the first one is 1.
pub async fn raise(shell: &Shell, data: &Path, lost: bool) -> Result<(), TellError> {
    let known = shell.view().state.agents.epoch;
    let asked = file(data).exists();
    let epoch = match known {
        0 if !asked && !lost => 1,
        _ if asked || lost => {
            // A backup that is restored twice must not give the same epoch twice: time sets them apart.
            let seconds = u64::try_from(shell.now().as_second()).unwrap_or(0);
            let epoch = seconds.max(known.saturating_add(1));
            tracing::warn!(epoch, "the log came from a backup, or lost its end: devices are told by a new epoch");
            epoch
        }
        _ => return Ok(()),
    };
    shell.tell(&Actor::server(), Input::Agents(AgentInput::Epoch(epoch)), None).await?;
    // A crash before this raises it once more, which does no harm.
    let _ = std::fs::remove_file(file(data));
    Ok(())
}
