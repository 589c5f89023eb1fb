//! How far deliveries are, in files.

use crate::tls::write_private;
use jiff::Timestamp;
use refit_core::{business::Position, delivery::Machine};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use smol_str::SmolStr;
use std::{collections::VecDeque, io, path::PathBuf};

/// How many attempts the delivery log of a subscription holds.
const LOG_MOST: usize = 200;

/// What is remembered of the deliveries to one subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// How far they are.
    pub machine: Machine,
    /// The last attempts, oldest first.
    pub log: VecDeque<Delivery>,
}

/// An attempt that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The id of the message: the event's, or the batch's.
    pub id: String,
    /// The event's position; of a batch the first one's.
    pub position: Position,
    /// How many events it had.
    #[serde(default = "one")]
    pub events: u64,
    /// The position of the last of them, where there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Position>,
    /// Which attempt it was, from 1.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The status of the answer; `None` where none came.
    pub status: Option<u16>,
    /// Why it failed.
    pub why: Option<SmolStr>,
}

fn one() -> u64 {
    1
}

impl Kept {
    /// What is remembered before anything was sent.
    pub fn new(machine: Machine) -> Kept {
        Kept { machine, log: VecDeque::new() }
    }

    /// Notes an attempt.
    pub(super) fn note(&mut self, delivery: Delivery) {
        self.log.push_back(delivery);
        while self.log.len() > LOG_MOST {
            self.log.pop_front();
        }
    }
}

/// The folder of the files, one for each subscription. Ids of subscriptions are minted by the server, and are names of files.
#[derive(Clone, Debug)]
pub(crate) struct Shelf(PathBuf);

impl Shelf {
    pub(crate) fn new(folder: PathBuf) -> Shelf {
        Shelf(folder)
    }

    fn file(&self, subscription: &str) -> PathBuf {
        self.0.join(format!("{subscription}.json"))
    }

    /// What is remembered of a subscription; `None` where there is nothing, or nothing that can be read: then everything is sent again.
    pub(crate) fn read<T: DeserializeOwned>(&self, subscription: &str) -> Option<T> {
        let path = self.file(subscription);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "how far deliveries are can't be read: all is sent again");
                return None;
            }
        };
        let read = serde_json::from_slice(&bytes);
        read.inspect_err(|error| {
            tracing::error!(file = %path.display(), %error, "how far deliveries are can't be read: all is sent again");
        })
        .ok()
    }

    pub(crate) fn keep<T: Serialize>(&self, subscription: &str, kept: &T) -> io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        write_private(&self.file(subscription), &serde_json::to_vec(kept).map_err(io::Error::other)?)
    }

    /// Writes several down, beside what else goes on; gives those that could not be.
    pub(crate) async fn keep_all<T: Serialize + Send + 'static>(&self, changed: Vec<(SmolStr, T)>) -> Vec<SmolStr> {
        if changed.is_empty() {
            return Vec::new();
        }
        let (shelf, ids) = (self.clone(), changed.iter().map(|(id, _)| id.clone()).collect());
        let work = move || {
            let failed = changed.into_iter().filter_map(|(id, kept)| {
                let error = shelf.keep(&id, &kept).err()?;
                tracing::error!(subscription = %id, %error, "how far it is could not be written down; it is tried again");
                Some(id)
            });
            failed.collect()
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
            tracing::error!(%error, "how far subscriptions are could not be written down; it is tried again");
            ids
        })
    }

    pub(crate) fn forget(&self, subscription: &str) {
        let _ = std::fs::remove_file(self.file(subscription));
    }
}
