//! Who has read what is personal, and when: a record beside the log, which says nothing of what was read.
//!
//! Lines of JSON are appended to files in `DATA/audit/`, and never changed. An answer waits until the line about it is on the disk, so that nothing personal
//! leaves the server that is not written down; many answers wait for one write. What is kept has bounds: so many files of so many bytes, and 400 days; then
//! the oldest file goes. It is no part of the log: reading is no event of the fleet, and a log that grew with each question could be filled by asking.

use jiff::{SignedDuration, Timestamp};
use refit_api::AuditEntry;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tokio::sync::{mpsc, oneshot};

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How large a file grows, in bytes.
    pub file_bytes: u64,
    /// How many files.
    pub files: usize,
    /// How long.
    pub lasts: SignedDuration,
}

impl Default for Bounds {
    /// A GiB: about four million answers.
    fn default() -> Bounds {
        Bounds { file_bytes: 8 << 20, files: 128, lasts: SignedDuration::from_hours(400 * 24) }
    }
}

/// How many answers may wait to be written down.
const WAITING_MOST: usize = 1_024;
/// How many lines are looked at for one page.
const LOOKED_AT_MOST: usize = 50_000;
/// The end of the files' names; before it is the number of the first line, so that their names are in order.
const EXTENSION: &str = "jsonl";

/// Where it is written down. Clones share it.
#[derive(Clone, Debug)]
pub struct Audit {
    folder: Arc<PathBuf>,
    notes: mpsc::Sender<Note>,
    last: Arc<AtomicU64>,
}

struct Note {
    entry: AuditEntry,
    written: oneshot::Sender<Result<(), String>>,
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Entries after this number.
    pub after: u64,
    /// How many at most.
    pub limit: usize,
    /// Only those about this person.
    pub person: Option<String>,
    /// Only those by tokens of this owner.
    pub owner: Option<String>,
    /// Only those since then.
    pub since: Option<Timestamp>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Entries, the oldest first.
    pub entries: Vec<AuditEntry>,
    /// The last number that was looked at: where to go on.
    pub next: u64,
}

impl Audit {
    /// Goes on with what is in a folder. The last line is dropped where it was not written to its end.
    ///
    /// # Errors
    ///
    /// Where the folder can't be read or written.
    pub fn open(folder: PathBuf, bounds: Bounds) -> io::Result<Audit> {
        let writer = Writer::open(folder.clone(), bounds)?;
        let last = Arc::new(AtomicU64::new(writer.next - 1));
        let (notes, waiting) = mpsc::channel(WAITING_MOST);
        let told = last.clone();
        // Waiting for a disk is for a thread of its own. It ends with the last clone.
        thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(waiting, &told))?;
        Ok(Audit { folder: Arc::new(folder), notes, last })
    }

    /// Writes down that something is about to be read; its number is given here.
    ///
    /// # Errors
    ///
    /// Where that can't be done: then nothing may be read.
    pub async fn note(&self, entry: AuditEntry) -> Result<(), String> {
        let ended = || "its writer has ended".to_owned();
        let (written, answer) = oneshot::channel();
        self.notes.send(Note { entry, written }).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// The number of the last entry.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// What is written down. It reads files.
    ///
    /// # Errors
    ///
    /// Where they can't be read.
    pub fn read(&self, asked: &Asked) -> io::Result<Found> {
        let last = self.last();
        let mut found = Found { entries: Vec::new(), next: asked.after };
        let mut looked_at = 0;
        let files = files(&self.folder)?;
        for (place, (_, path)) in files.iter().enumerate() {
            // Whether all of it is before what is asked for shows in the name of the next.
            if files.get(place + 1).is_some_and(|(first, _)| *first <= asked.after.saturating_add(1)) {
                continue;
            }
            let file = match File::open(path) {
                Ok(file) => file,
                // It has gone since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for line in BufReader::new(file).lines() {
                let entry: AuditEntry = match serde_json::from_str(&line?) {
                    Ok(entry) => entry,
                    // It is being written now.
                    Err(_) if found.next >= last => return Ok(found),
                    Err(error) => return Err(io::Error::other(format!("{}: {error}", path.display()))),
                };
                if entry.seq <= asked.after {
                    continue;
                }
                // What comes after is being written now.
                if entry.seq > last || found.entries.len() == asked.limit || looked_at == LOOKED_AT_MOST {
                    return Ok(found);
                }
                looked_at += 1;
                found.next = entry.seq;
                if asked.wants(&entry) {
                    found.entries.push(entry);
                }
            }
        }
        Ok(found)
    }
}

impl Asked {
    fn wants(&self, entry: &AuditEntry) -> bool {
        self.person.as_ref().is_none_or(|person| entry.people.contains(person))
            && self.owner.as_ref().is_none_or(|owner| entry.owner == *owner)
            && self.since.is_none_or(|since| entry.at >= since)
    }
}

/// The files with the numbers of their first lines, in order.
fn files(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_one = path.extension().is_some_and(|extension| extension == EXTENSION);
        let first = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        files.extend(first.filter(|_| is_one).map(|first| (first, path.clone())));
    }
    files.sort();
    Ok(files)
}

/// Whoever writes.
struct Writer {
    folder: PathBuf,
    bounds: Bounds,
    /// The number of the next line.
    next: u64,
    /// The file that is written, and how large it is.
    file: Option<(File, u64)>,
    /// Whether a write has failed, so that it has to be looked up where the lines end.
    stale: bool,
}

impl Writer {
    fn open(folder: PathBuf, bounds: Bounds) -> io::Result<Writer> {
        fs::create_dir_all(&folder)?;
        #[cfg(unix)]
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let mut writer = Writer { folder, bounds, next: 1, file: None, stale: false };
        if let Some((first, path)) = files(&writer.folder)?.pop() {
            let mut file = OpenOptions::new().read(true).append(true).open(&path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if whole < bytes.len() {
                tracing::warn!(file = %path.display(), "the last line was not written to its end; nobody was answered by it");
                file.set_len(whole as u64)?;
                file.sync_all()?;
            }
            let lines = bytes.iter().take(whole).filter(|byte| **byte == b'\n').count() as u64;
            writer.next = first + lines;
            writer.file = Some((file, whole as u64));
        }
        Ok(writer)
    }

    fn run(mut self, mut waiting: mpsc::Receiver<Note>, last: &AtomicU64) {
        while let Some(first) = waiting.blocking_recv() {
            let mut notes = vec![first];
            while notes.len() < WAITING_MOST
                && let Ok(note) = waiting.try_recv()
            {
                notes.push(note);
            }
            let (entries, answers): (Vec<_>, Vec<_>) = notes.into_iter().map(|note| (note.entry, note.written)).unzip();
            let written = self.write(entries).map_err(|error| error.to_string());
            match &written {
                Ok(()) => last.store(self.next - 1, Ordering::Release),
                Err(error) => {
                    tracing::error!(%error, "who reads what is personal can't be written down: nobody is shown it");
                    self.stale = true;
                }
            }
            for answer in answers {
                let _ = answer.send(written.clone());
            }
        }
    }

    /// Appends lines in one write.
    fn write(&mut self, mut entries: Vec<AuditEntry>) -> io::Result<()> {
        if self.stale {
            *self = Writer::open(self.folder.clone(), self.bounds)?;
        }
        let mut text = Vec::new();
        for (entry, seq) in entries.iter_mut().zip(self.next..) {
            entry.seq = seq;
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        let (mut file, size) = match self.file.take() {
            Some((file, size)) if size < self.bounds.file_bytes => (file, size),
            _ => (self.begin()?, 0),
        };
        file.write_all(&text)?;
        file.sync_data()?;
        self.file = Some((file, size + text.len() as u64));
        self.next += entries.len() as u64;
        Ok(())
    }

    /// Begins a file, and lets go of what is beyond the bounds.
    fn begin(&self) -> io::Result<File> {
        let path = self.folder.join(format!("{:020}.{EXTENSION}", self.next));
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path)?;
        File::open(&self.folder)?.sync_all()?;
        let files = files(&self.folder)?;
        for (place, (_, path)) in files.iter().enumerate() {
            let Some((next, _)) = files.get(place + 1) else { break };
            let is_old = fs::metadata(path).and_then(|file| file.modified()).is_ok_and(|at| {
                at.elapsed().is_ok_and(|age| SignedDuration::try_from(age).is_ok_and(|age| age > self.bounds.lasts))
            });
            if !is_old && files.len() - place <= self.bounds.files {
                break;
            }
            tracing::warn!(until = next - 1, "the oldest entries of the audit are let go: they are beyond its bounds");
            fs::remove_file(path)?;
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(owner: &str, people: &[&str]) -> AuditEntry {
        AuditEntry {
            seq: 0,
            at: "2026-11-27T08:00:00Z".parse().unwrap(),
            token: "t1".to_owned(),
            owner: owner.to_owned(),
            origin: "192.0.2.1".to_owned(),
            request: None,
            operation: "GET /api/v1/people".to_owned(),
            people: people.iter().map(|id| (*id).to_owned()).collect(),
            fields: vec!["department".to_owned()],
            sensitive: false,
        }
    }

    fn all(audit: &Audit) -> Vec<u64> {
        let asked = Asked { limit: 10_000, ..Asked::default() };
        audit.read(&asked).unwrap().entries.iter().map(|entry| entry.seq).collect()
    }

    #[tokio::test]
    async fn what_is_noted_is_there_after_a_restart_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path().to_owned(), Bounds::default()).unwrap();
        audit.note(entry("anna", &["p1"])).await.unwrap();
        audit.note(entry("otto", &["p1", "p2"])).await.unwrap();
        assert_eq!(all(&audit), [1, 2]);
        let path = files(folder.path()).unwrap().remove(0).1;
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"seq\":3,\"at\":\"20");
        fs::write(&path, &bytes).unwrap();
        let audit = Audit::open(folder.path().to_owned(), Bounds::default()).unwrap();
        assert_eq!(all(&audit), [1, 2]);
        audit.note(entry("anna", &["p2"])).await.unwrap();
        assert_eq!(all(&audit), [1, 2, 3]);
        let read = |asked: Asked| {
            let found = audit.read(&Asked { limit: 10, ..asked }).unwrap();
            (found.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), found.next)
        };
        assert_eq!(read(Asked { person: Some("p2".into()), ..Asked::default() }), (vec![2, 3], 3));
        assert_eq!(read(Asked { owner: Some("anna".into()), after: 1, ..Asked::default() }), (vec![3], 3));
        assert_eq!(read(Asked { since: Some(Timestamp::MAX), ..Asked::default() }), (vec![], 3));
        assert_eq!(audit.read(&Asked { limit: 1, ..Asked::default() }).unwrap().next, 1);
    }

    #[tokio::test]
    async fn it_has_bounds_and_the_oldest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let bounds = Bounds { file_bytes: 600, files: 3, ..Bounds::default() };
        let audit = Audit::open(folder.path().to_owned(), bounds).unwrap();
        for _ in 0..40 {
            audit.note(entry("anna", &["p1"])).await.unwrap();
        }
        let kept = all(&audit);
        assert_eq!(files(folder.path()).unwrap().len(), 3);
        assert!(kept.len() < 15 && kept.last() == Some(&40), "{kept:?}");
        assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{kept:?}");
        // From the middle of what is kept.
        let asked = Asked { after: 38, limit: 10, ..Asked::default() };
        assert_eq!(audit.read(&asked).unwrap().entries.len(), 2);
    }

    #[tokio::test]
    async fn many_who_read_at_once_wait_for_few_writes() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path().to_owned(), Bounds::default()).unwrap();
        let notes = (0..500).map(|_| audit.note(entry("anna", &["p1"])));
        let written = futures_util::future::join_all(notes).await;
        assert!(written.iter().all(Result::is_ok));
        assert_eq!(all(&audit), (1..=500).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn what_can_not_be_written_down_is_refused_and_what_comes_later_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("audit");
        let bounds = Bounds { file_bytes: 1, ..Bounds::default() };
        let audit = Audit::open(place.clone(), bounds).unwrap();
        audit.note(entry("anna", &["p1"])).await.unwrap();
        fs::rename(&place, folder.path().join("elsewhere")).unwrap();
        fs::write(&place, "in the way").unwrap();
        assert!(audit.note(entry("anna", &["p1"])).await.is_err());
        fs::remove_file(&place).unwrap();
        fs::rename(folder.path().join("elsewhere"), &place).unwrap();
        // The first to try again finds the folder.
        assert!(audit.note(entry("anna", &["p1"])).await.is_ok());
        assert_eq!(all(&audit), [1, 2]);
    }
}
