//! Parsers: one file per format. Each reads a whole feed and gathers what it says.

mod debian_changelogs;
mod debian_dsa;
mod debian_tracker;
mod epss;
mod kev;
mod osv;

use super::{
    content::{Content, TooLarge},
    kind::{FeedKind, Limits},
    statement::Gathered,
};
use std::{fs::File, io};

/// Why a file is not the feed that it should be.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// It can't be read, or its compression is broken.
    #[error("it can't be read: {0}")]
    Io(io::Error),
    /// It is larger than this feed may be.
    #[error("it unpacks to more than the {0} bytes that this feed may have")]
    TooLarge(u64),
    /// It is a web page, as proxies and login portals send them.
    #[error("it is a web page and not the feed: is there a proxy or a login portal in between?")]
    WebPage,
    /// Its end is missing.
    #[error("it is cut off in line {line}")]
    CutOff {
        /// The line, from 1.
        line: u64,
    },
    /// It is no JSON, or not of the feed's shape.
    #[error("it is not the JSON that this feed should be: {0}")]
    Json(serde_json::Error),
    /// It is no table, or not of the feed's shape.
    #[error("it is not the table that this feed should be: {0}")]
    Csv(csv::Error),
    /// It is no zip archive.
    #[error("it is no readable archive: {0}")]
    Zip(zip::result::ZipError),
    /// It says that it has more or fewer entries than it has.
    #[error("it announces {announced} entries and has {found}")]
    Count {
        /// What it says.
        announced: u64,
        /// What it has.
        found: u64,
    },
    /// A column is missing.
    #[error("it has no column `{0}`")]
    NoColumn(&'static str),
    /// It has nothing in it.
    #[error("it has no records")]
    Empty,
    /// Too much of it makes no sense.
    #[error("{skipped} of {records} records make no sense, the first: {first}")]
    Broken {
        /// Records that could not be understood.
        skipped: u64,
        /// All records.
        records: u64,
        /// What was wrong with the first.
        first: String,
    },
}

/// Reads `file` as the feed `kind`, and nothing beyond `limits.unpacked`.
///
/// Up to one record in a hundred may make no sense: it is left out and counted, so that one slip of a publisher does not
/// keep everything else away. More is an error.
pub fn parse_file(kind: FeedKind, file: File, limits: Limits) -> Result<Gathered, ParseError> {
    let mut content = Content::open(file, limits.unpacked)?;
    if let Content::Text(text) = &mut content {
        let start = text.fill_buf()?;
        let start = start.iter().find(|byte| !byte.is_ascii_whitespace());
        if start == Some(&b'<') {
            return Err(ParseError::WebPage);
        }
    }
    let mut gathering = Gathering::default();
    match (kind, content) {
        (FeedKind::Kev, Content::Text(text)) => kev::parse(text, &mut gathering)?,
        (FeedKind::Epss, Content::Text(text)) => epss::parse(text, &mut gathering)?,
        (FeedKind::DebianTracker, Content::Text(text)) => debian_tracker::parse(text, &mut gathering)?,
        (FeedKind::DebianDsa, Content::Text(text)) => debian_dsa::parse(text, &mut gathering)?,
        (FeedKind::DebianChangelogs, Content::Text(text)) => debian_changelogs::parse(text, &mut gathering)?,
        (
            FeedKind::OsvDebian
            | FeedKind::OsvUbuntu
            | FeedKind::OsvAlmaLinux
            | FeedKind::OsvRocky
            | FeedKind::OsvBitnami
            | FeedKind::OsvPypi
            | FeedKind::OsvPsf,
            content,
        ) => osv::parse(content, limits.unpacked, &mut gathering)?,
        (_, Content::Archive(_)) => {
            return Err(ParseError::Zip(zip::result::ZipError::InvalidArchive("this feed is no archive".into())));
        }
    }
    gathering.finish()
}

/// What is gathered, and what made no sense.
#[derive(Default)]
struct Gathering {
    gathered: Gathered,
    first_problem: Option<String>,
}

impl Gathering {
    /// Leaves a record out.
    fn skip(&mut self, why: impl FnOnce() -> String) {
        self.gathered.skipped += 1;
        self.first_problem.get_or_insert_with(why);
    }

    fn finish(self) -> Result<Gathered, ParseError> {
        let Gathered { records, skipped, .. } = self.gathered;
        match self.first_problem {
            Some(first) if skipped.saturating_mul(100) > records.saturating_add(skipped) => {
                Err(ParseError::Broken { skipped, records: records + skipped, first })
            }
            _ if records == 0 => Err(ParseError::Empty),
            first => Ok(Gathered { first_skipped: first, ..self.gathered }),
        }
    }
}

impl From<io::Error> for ParseError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<TooLarge>()) {
            Some(TooLarge(limit)) => ParseError::TooLarge(*limit),
            None => ParseError::Io(error),
        }
    }
}

impl From<serde_json::Error> for ParseError {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() { io::Error::from(error).into() } else { ParseError::Json(error) }
    }
}

impl From<csv::Error> for ParseError {
    fn from(error: csv::Error) -> Self {
        if !error.is_io_error() {
            return ParseError::Csv(error);
        }
        match error.into_kind() {
            csv::ErrorKind::Io(error) => error.into(),
            other => ParseError::Io(io::Error::other(format!("{other:?}"))),
        }
    }
}

impl From<zip::result::ZipError> for ParseError {
    fn from(error: zip::result::ZipError) -> Self {
        match error {
            zip::result::ZipError::Io(error) => error.into(),
            error => ParseError::Zip(error),
        }
    }
}

/// The position of a named column.
fn column(headers: &csv::StringRecord, name: &'static str) -> Result<usize, ParseError> {
    headers.iter().position(|header| header.trim() == name).ok_or(ParseError::NoColumn(name))
}

#[cfg(test)]
mod tests;
