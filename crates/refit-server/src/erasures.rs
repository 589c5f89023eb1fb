//! Erasures that a restored log does not know of: whoever was erased after its backup was made is erased again.

use crate::shell::{Shell, TellError};
use refit_core::control::{Actor, Input, PersonId, Refusal};
use std::path::{Path, PathBuf};

/// The list in a data folder: one person's id a line. `refit restore` writes it, and so may somebody who restores elsewhere.
pub fn list(data: &Path) -> PathBuf {
    data.join("erase-again")
}

/// Erases who is on the list. It goes when all are erased: to erase somebody twice does no harm, to forget somebody does.
pub(crate) async fn erase_again(shell: &Shell, data: &Path) -> Result<(), TellError> {
    let path = list(data);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(TellError::Other(format!("{}: {error}", path.display()))),
    };
    let people: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    for person in &people {
        let input = Input::ErasePerson { person: PersonId::new(person) };
        match shell.tell(&Actor::server(), input, None).await {
            // The backup was made before anything was known of them.
            Ok(_) | Err(TellError::Refused(Refusal::Missing { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    std::fs::remove_file(&path).map_err(|error| TellError::Other(format!("{}: {error}", path.display())))?;
    tracing::info!(people = people.len(), "who was erased after the backup was made is erased again");
    Ok(())
}
