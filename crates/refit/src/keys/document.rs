//! Signed documents in files.

use anyhow::{Context, Result};
use refit_wire::{Envelope, envelope::Document};
use std::{fs::File, io::Read, path::Path};

/// Reads an envelope that is to hold a `T`. Nothing in it is believed yet.
pub fn read<T: Document>(path: &Path) -> Result<Envelope> {
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| format!("the {} {} can't be read", T::NAME, path.display()))?;
    file.take(T::LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Envelope::parse::<T>(&bytes).with_context(|| path.display().to_string())
}

/// Writes an envelope: the file is the new one or the old one, and never half of either.
pub fn write(path: &Path, envelope: &Envelope) -> Result<()> {
    let context = || format!("{} can't be written", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(context)?;
    std::io::Write::write_all(&mut file, &envelope.to_bytes())?;
    file.as_file().sync_all().with_context(context)?;
    // Public, unlike keys.
    rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644))?;
    file.persist(path).with_context(context)?;
    Ok(())
}
