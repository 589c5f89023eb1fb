//! Feeds: from public lists of vulnerabilities to [`Advisory`](refit_model::Advisory) values for the software of one device.
//!
//! The way of a feed: [`sync`](sync()) downloads it (or reads it from a folder), parses and checks it, and puts it into the
//! data folder as one immutable, indexed file with a small manifest beside it. [`FeedStore`] opens those files and reads
//! only the pages that a question needs; [`FeedStore::match_packages`] and [`FeedStore::match_titles`] answer.
//!
//! A new feed is a variant of [`FeedKind`] and a parser in `parse/`.

mod content;
mod fetch;
mod folder;
mod index;
mod installed;
mod kind;
mod matching;
mod parse;
mod space;
mod statement;
mod store;
mod sync;

pub use fetch::{FetchError, NetworkOptions, ProxyChoice};
pub(crate) use fetch::{agent, is_unknown_name, retry_after, tls, worth_another};
pub use folder::passed_over;
pub use index::IndexError;
pub use installed::{Build, InstalledPackage, Origin, TitleQuery};
pub use kind::{FeedKind, Limits};
pub use matching::{CveFacts, MatchReport, Note, OpenAdvisory, Undetermined, Unimportant, UnknownPackage, WhyUnknown};
pub use parse::{ParseError, parse_file};
pub use space::{EcosystemName, Universe};
pub use statement::{Gathered, WhyOpen};
pub use store::{FeedState, FeedStatus, FeedStore, StoreError};
pub use sync::{Change, FeedError, FeedOutcome, Progress, SyncFrom, SyncOptions, sync};
