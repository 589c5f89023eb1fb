//! A fleet as bytes, and back: what the engine keeps of devices, so that it need not hear everything again (docs/concepts/engine.md).
//!
//! What can be worked out from that, decisions above all, is not in it. The bytes are a header and frames. Each frame says what is in it and
//! how long it is, and has a checksum; the last one says how many there were. So damage is found, and so is an end that is missing.

mod code;
mod items;
mod restore;
mod values;

use super::Fleet;
use code::Out;
use std::convert::Infallible;
use thiserror::Error;

/// What every snapshot of a fleet begins with; the number of its version follows.
pub(super) const MAGIC: &[u8; 12] = b"refit fleet\n";

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u32 = 1;

/// A frame ends with the first item that makes it longer than this.
const FRAME: usize = 1 << 20;

/// Why bytes are no fleet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Something else.
    #[error("this is no snapshot of a fleet: it does not begin as one")]
    NotOne,
    /// One that another version of Refit wrote.
    #[error(
        "this snapshot of a fleet has version {found}, and version {VERSION} is read here: build the fleet from the log instead, or read it \
         with the Refit that wrote it"
    )]
    OtherVersion {
        /// Its version.
        found: u32,
    },
    /// Bytes have changed, or are missing.
    #[error(
        "this snapshot of a fleet is damaged: at byte {at}, {what}. Build the fleet from the log instead, or take an earlier snapshot"
    )]
    Damaged {
        /// Where the frame begins.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// What is in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Section {
    /// How many frames there were.
    End,
    Names,
    Fields,
    Values,
    Sets,
    Zones,
    Far,
    Present,
    Packages,
    Universes,
    Rows,
    Overlays,
    Holders,
}

impl Section {
    const ALL: [Section; 13] = [
        Section::End,
        Section::Names,
        Section::Fields,
        Section::Values,
        Section::Sets,
        Section::Zones,
        Section::Far,
        Section::Present,
        Section::Packages,
        Section::Universes,
        Section::Rows,
        Section::Overlays,
        Section::Holders,
    ];
}

impl Fleet {
    /// The fleet as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let done: Result<(), Infallible> = self.snapshot_to(&mut |part| {
            bytes.extend_from_slice(part);
            Ok(())
        });
        match done {
            Ok(()) => bytes,
        }
    }

    /// The same piece by piece, about a mebibyte each: a snapshot of a large fleet is as large as what it takes of memory. What `write`
    /// returns as an error ends it.
    pub fn snapshot_to<E>(&self, write: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        write(MAGIC)?;
        write(&VERSION.to_le_bytes())?;
        let mut frames = Frames { write, count: 0 };
        self.items(&mut frames)?;
        let mut end = Out::default();
        end.number(frames.count);
        frames.frame(Section::End, &end.bytes)
    }
}

/// Frames on their way out.
pub(super) struct Frames<'w, E> {
    write: &'w mut dyn FnMut(&[u8]) -> Result<(), E>,
    count: u32,
}

impl<E> Frames<'_, E> {
    /// Writes items, as many to a frame as fit.
    fn section<T>(
        &mut self,
        section: Section,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Out, T),
    ) -> Result<(), E> {
        let mut out = Out::default();
        for one in items {
            item(&mut out, one);
            if out.bytes.len() > FRAME {
                self.frame(section, &out.bytes)?;
                out.bytes.clear();
            }
        }
        if out.bytes.is_empty() { Ok(()) } else { self.frame(section, &out.bytes) }
    }

    fn frame(&mut self, section: Section, body: &[u8]) -> Result<(), E> {
        self.count += 1;
        let mut head = Out::default();
        head.byte(section as u8);
        head.number(body.len() as u32);
        head.number(checksum(section as u8, body));
        (self.write)(&head.bytes)?;
        (self.write)(body)
    }
}

/// CRC-32 of what a frame is and of what is in it.
pub(super) fn checksum(section: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[section]);
    hasher.update(&(body.len() as u32).to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}
