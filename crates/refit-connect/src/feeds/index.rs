//! The index: an immutable file of sorted keys and values, of which a question reads a few pages.
//!
//! ```text
//! magic "refitidx" | format u32 | directory offset u64 | directory length u32 | its CRC-32 u32 | CRC-32 of this header u32
//! page page page …                          each at least one entry: key length u32 | value length u32 | key | value
//! directory                                  for each page: offset u64 | length u32 | CRC-32 u32 | key length u32 | first key
//! ```
//!
//! Numbers are little-endian. Keys ascend and are unique. Every part has a checksum, so that a damaged file is an error
//! when, and only when, somebody reads the damaged part; nothing is believed before its checksum holds.

use flate2::Crc;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

const MAGIC: &[u8; 8] = b"refitidx";
/// Raised when the layout, or the encoding of the values, changes; a file of another format has to be synced again.
const FORMAT: u32 = 1;
const HEADER: usize = 32;
/// A page ends with the entry that reaches this size: small enough to read for one key, large enough for a small directory.
const PAGE: usize = 4 << 10;

/// Why an index can't be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The operating system would not.
    #[error("can't read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file is not as it was written.
    #[error("{} is damaged ({what}): run `refit feeds sync` to fetch it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which part.
        what: &'static str,
    },
    /// The file was written by another version of Refit.
    #[error("{} has format {found}, this version of Refit reads {FORMAT}: run `refit feeds sync` to fetch it again", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The format it says it has.
        found: u32,
    },
}

/// An opened index.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    pages: Vec<Page>,
    reader: Mutex<Reader>,
}

#[derive(Debug)]
struct Page {
    first: Box<[u8]>,
    offset: u64,
    length: u32,
    crc: u32,
}

/// The file and the page that was read last: questions come in the order of their keys.
#[derive(Debug)]
struct Reader {
    file: File,
    page: Option<usize>,
    bytes: Vec<u8>,
}

impl Index {
    /// Opens the index at `path`, reading its header and directory.
    pub fn open(path: &Path) -> Result<Index, IndexError> {
        let io = |source| IndexError::Io { path: path.to_owned(), source };
        let damaged = |what| IndexError::Damaged { path: path.to_owned(), what };
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        let mut header = [0; HEADER];
        if size < HEADER as u64 {
            return Err(damaged("it is too short"));
        }
        file.read_exact(&mut header).map_err(io)?;
        let mut fields = Fields(&header);
        if fields.bytes(8) != Some(MAGIC.as_slice()) {
            return Err(damaged("it does not begin like an index"));
        }
        let format = fields.u32().unwrap_or_default();
        if format != FORMAT {
            return Err(IndexError::Format { path: path.to_owned(), found: format });
        }
        let (Some(offset), Some(length), Some(directory_crc), Some(header_crc)) =
            (fields.u64(), fields.u32(), fields.u32(), fields.u32())
        else {
            return Err(damaged("its header"));
        };
        if crc(header.get(..HEADER - 4).unwrap_or_default()) != header_crc
            || offset.checked_add(u64::from(length)) != Some(size)
        {
            return Err(damaged("its header, or it is cut off"));
        }
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        let mut directory = vec![0; length as usize];
        file.read_exact(&mut directory).map_err(io)?;
        if crc(&directory) != directory_crc {
            return Err(damaged("its directory"));
        }
        let mut fields = Fields(&directory);
        let mut pages = Vec::new();
        while !fields.0.is_empty() {
            let page = (|| {
                let (offset, length, crc, key) = (fields.u64()?, fields.u32()?, fields.u32()?, fields.u32()?);
                Some(Page { first: fields.bytes(key as usize)?.into(), offset, length, crc })
            })();
            match page {
                Some(page) if page.offset.checked_add(u64::from(page.length)).is_some_and(|end| end <= offset) => {
                    pages.push(page);
                }
                _ => return Err(damaged("its directory")),
            }
        }
        let reader = Mutex::new(Reader { file, page: None, bytes: Vec::new() });
        Ok(Index { path: path.to_owned(), pages, reader })
    }

    /// The value of `key`; `None` where there is none.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, IndexError> {
        let after = self.pages.partition_point(|page| page.first.as_ref() <= key);
        let Some(number) = after.checked_sub(1) else { return Ok(None) };
        // A panic elsewhere leaves at worst a page that is read again.
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        self.load(&mut reader, number)?;
        let mut fields = Fields(&reader.bytes);
        while let Some((known, value)) = fields.entry() {
            if known == key {
                return Ok(Some(value.to_vec()));
            }
            if known > key {
                break;
            }
        }
        Ok(None)
    }

    /// Reads everything, in order: each key and value, until `each` says that it has seen enough.
    pub fn each(&self, mut each: impl FnMut(&[u8], &[u8])) -> Result<(), IndexError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 0..self.pages.len() {
            self.load(&mut reader, number)?;
            let mut fields = Fields(&reader.bytes);
            while let Some((key, value)) = fields.entry() {
                each(key, value);
            }
        }
        Ok(())
    }

    /// What to say where a value, though its page is whole, can't be read.
    pub fn damaged(&self, what: &'static str) -> IndexError {
        IndexError::Damaged { path: self.path.clone(), what }
    }

    fn load(&self, reader: &mut Reader, number: usize) -> Result<(), IndexError> {
        let io = |source| IndexError::Io { path: self.path.clone(), source };
        if reader.page == Some(number) {
            return Ok(());
        }
        let Some(page) = self.pages.get(number) else { return Err(self.damaged("its directory")) };
        reader.page = None;
        reader.file.seek(SeekFrom::Start(page.offset)).map_err(io)?;
        reader.bytes.clear();
        reader.bytes.resize(page.length as usize, 0);
        reader.file.read_exact(&mut reader.bytes).map_err(io)?;
        if crc(&reader.bytes) != page.crc {
            return Err(self.damaged("one of its pages"));
        }
        reader.page = Some(number);
        Ok(())
    }
}

/// Writes an index of `entries`, whose keys must ascend.
pub(crate) fn write<'a>(
    out: &mut (impl Write + Seek),
    entries: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> io::Result<()> {
    fn flush(out: &mut impl Write, first: &[u8], page: &[u8], at: &mut u64, directory: &mut Vec<u8>) -> io::Result<()> {
        out.write_all(page)?;
        directory.extend(at.to_le_bytes());
        directory.extend(length(page)?.to_le_bytes());
        directory.extend(crc(page).to_le_bytes());
        directory.extend(length(first)?.to_le_bytes());
        directory.extend(first);
        *at += page.len() as u64;
        Ok(())
    }
    out.write_all(&[0; HEADER])?;
    let (mut directory, mut page, mut first): (Vec<u8>, Vec<u8>, Vec<u8>) = Default::default();
    let mut at = HEADER as u64;
    for (key, value) in entries {
        if page.is_empty() {
            first = key.to_vec();
        }
        page.extend(length(key)?.to_le_bytes());
        page.extend(length(value)?.to_le_bytes());
        page.extend(key);
        page.extend(value);
        if page.len() >= PAGE {
            flush(out, &first, &page, &mut at, &mut directory)?;
            page.clear();
        }
    }
    if !page.is_empty() {
        flush(out, &first, &page, &mut at, &mut directory)?;
    }
    out.write_all(&directory)?;
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC);
    header.extend(FORMAT.to_le_bytes());
    header.extend(at.to_le_bytes());
    header.extend(length(&directory)?.to_le_bytes());
    header.extend(crc(&directory).to_le_bytes());
    header.extend(crc(&header).to_le_bytes());
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&header)
}

/// Numbers and texts from the front of a byte string; `None` once it is too short.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes(8)?.try_into().ok().map(u64::from_le_bytes)
    }

    fn entry(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (key, value) = (self.u32()?, self.u32()?);
        Some((self.bytes(key as usize)?, self.bytes(value as usize)?))
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn length(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, "an entry is larger than 4 GiB"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeMap, io::Cursor};

    fn file(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        write(&mut out, entries.iter().map(|(k, v)| (k.as_slice(), v.as_slice()))).unwrap();
        out.into_inner()
    }

    fn open(bytes: &[u8]) -> Result<Index, IndexError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        Index::open(file.path())
    }

    fn many() -> BTreeMap<Vec<u8>, Vec<u8>> {
        (0..3000u32).map(|n| (format!("key{n:05}").into_bytes(), n.to_le_bytes().repeat(5))).collect()
    }

    #[test]
    fn an_empty_index_has_no_keys() {
        assert_eq!(open(&file(&BTreeMap::new())).unwrap().get(b"a").unwrap(), None);
    }

    #[test]
    fn every_key_is_found_and_no_other() {
        let entries = many();
        let index = open(&file(&entries)).unwrap();
        assert!(index.pages.len() > 3);
        for (key, value) in &entries {
            assert_eq!(index.get(key).unwrap().as_ref(), Some(value));
        }
        for absent in [b"".as_slice(), b"key", b"key00001x", b"zzz"] {
            assert_eq!(index.get(absent).unwrap(), None);
        }
        let mut read = BTreeMap::new();
        index.each(|key, value| _ = read.insert(key.to_vec(), value.to_vec())).unwrap();
        assert_eq!(read, entries);
    }

    #[test]
    fn a_file_of_a_later_format_says_so() {
        let mut bytes = file(&many());
        bytes[8] = 9;
        assert!(matches!(open(&bytes), Err(IndexError::Format { found: 9, .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_damaged_file_is_an_error_or_still_tells_the_truth(cut in 0usize..40_000, flips in prop::collection::vec((0usize..200_000, 1u8..=255), 0..4)) {
            let entries = many();
            let mut bytes = file(&entries);
            for (at, mask) in &flips {
                let at = at % bytes.len();
                bytes[at] ^= mask;
            }
            let cut = cut.saturating_sub(20_000).min(bytes.len());
            bytes.truncate(bytes.len() - cut);
            if let Ok(index) = open(&bytes) {
                for (key, value) in &entries {
                    if let Ok(found) = index.get(key) {
                        prop_assert_eq!(found.as_ref(), Some(value));
                    }
                }
            }
        }

        #[test]
        fn random_bytes_are_no_index(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert!(open(&bytes).is_err());
        }
    }
}
