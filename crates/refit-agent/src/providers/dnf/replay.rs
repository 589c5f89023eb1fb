//! The transaction file that dnf replays (`dnf history store` writes such files): every package with its exact version and
//! repository. dnf refuses to make a transaction in which there is anything else.

use rustix::fs::{MemfdFlags, memfd_create};
use serde::Serialize;
use std::{fs::File, io::Write, os::fd::AsRawFd};

/// One package of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Item {
    /// `Install`, `Upgrade`, `Downgrade`, `Reinstall` or `Removed`.
    pub action: &'static str,
    /// The package as dnf names it.
    pub nevra: String,
    /// Why it is there. dnf keeps the reason that an installed package has unless this one is stronger.
    pub reason: &'static str,
    /// Where it comes from; empty for one that goes.
    pub repo_id: String,
}

#[derive(Serialize)]
struct Document<'i> {
    version: &'static str,
    rpms: &'i [Item],
}

/// A transaction file in memory, for as long as this lives: a full disk is no reason not to ask.
pub(super) struct TransactionFile {
    file: File,
}

impl TransactionFile {
    pub fn new(items: &[Item]) -> std::io::Result<TransactionFile> {
        let mut file = File::from(memfd_create("refit-transaction", MemfdFlags::CLOEXEC)?);
        file.write_all(&serde_json::to_vec(&Document { version: "0.0", rpms: items })?)?;
        Ok(TransactionFile { file })
    }

    /// Where another process finds it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }
}
