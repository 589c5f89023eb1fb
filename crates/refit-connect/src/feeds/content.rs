//! What is in a downloaded file: text, gzip, or a zip of JSON documents; never more of it than a limit.

use super::parse::ParseError;
use flate2::bufread::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
};

/// The longest line of a feed in lines; an OSV record of Ubuntu has a few hundred kilobytes.
const LONGEST_LINE: u64 = 64 << 20;

/// An opened feed.
pub(crate) enum Content {
    /// One text.
    Text(Box<dyn BufRead>),
    /// A zip archive.
    Archive(Box<zip::ZipArchive<BufReader<File>>>),
}

/// More came out of a compressed file than is allowed.
#[derive(Debug, thiserror::Error)]
#[error("it unpacks to more than {0} bytes")]
pub(crate) struct TooLarge(pub u64);

impl Content {
    /// Opens `file`, which may be packed (also twice: a `.gz` that a server packs again); `unpacked` bounds what comes out.
    pub fn open(mut file: File, unpacked: u64) -> Result<Content, ParseError> {
        file.seek(SeekFrom::Start(0))?;
        let mut magic = [0; 4];
        let mut filled = 0;
        while filled < magic.len() {
            match file.read(magic.get_mut(filled..).unwrap_or_default())? {
                0 => break,
                n => filled += n,
            }
        }
        file.seek(SeekFrom::Start(0))?;
        let file = BufReader::with_capacity(1 << 16, file);
        if magic == *b"PK\x03\x04" || magic == *b"PK\x05\x06" {
            return Ok(Content::Archive(Box::new(zip::ZipArchive::new(file)?)));
        }
        let mut text: Box<dyn BufRead> = Box::new(file);
        for _ in 0..2 {
            if !text.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
                break;
            }
            let bounded = Bounded { inner: MultiGzDecoder::new(text), left: unpacked, limit: unpacked };
            text = Box::new(BufReader::with_capacity(1 << 16, bounded));
        }
        Ok(Content::Text(Box::new(BufReader::new(Bounded { inner: text, left: unpacked, limit: unpacked }))))
    }
}

/// A reader that fails, rather than ends, at its limit.
struct Bounded<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, TooLarge(self.limit)))?;
        Ok(read)
    }
}

/// Calls `each` with the number (from 1) and text of every line; a last line without its end is a file that was cut off.
pub(crate) fn each_line(
    mut text: impl BufRead,
    mut each: impl FnMut(u64, &[u8]) -> Result<(), ParseError>,
) -> Result<(), ParseError> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if text.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match line.pop() {
            Some(b'\n') => {}
            _ => return Err(ParseError::CutOff { line: number }),
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        each(number, &line)?;
    }
    Ok(())
}

/// A text that has to end with a line's end, which tells one that was cut off from a whole one.
pub(crate) struct WholeLines<R> {
    inner: R,
    last: u8,
    lines: u64,
}

impl<R: BufRead> WholeLines<R> {
    /// Watches what is read from `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner, last: b'\n', lines: 0 }
    }

    /// After everything was read: whether the last line was whole.
    pub fn check(&self) -> Result<(), ParseError> {
        if self.last == b'\n' { Ok(()) } else { Err(ParseError::CutOff { line: self.lines + 1 }) }
    }
}

impl<R: BufRead> Read for WholeLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.last = bytes.last().copied().unwrap_or(self.last);
        Ok(read)
    }
}
