//! What people on the machine ask the running agent: over a socket that everybody may use, since nothing can be done with it
//! that the person at the machine may not do.

use super::folders::Folders;
use crate::machine::{Complaint, PersonSaid, Status};
use anyhow::{Context, Result, bail};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Request {
    /// How the agent is.
    Status,
    /// Check in now.
    Once,
    /// Go ahead with what was announced.
    Now,
    /// Put it off.
    Later,
    /// Restart now.
    Restart,
    /// Something broke.
    Complain {
        /// What, where it is known.
        title: Option<SmolStr>,
        /// In words.
        text: String,
    },
}

impl Request {
    /// What the machine hears of it.
    pub fn said(&self) -> Option<PersonSaid> {
        match self {
            Request::Status | Request::Once => None,
            Request::Now => Some(PersonSaid::Now),
            Request::Later => Some(PersonSaid::Later),
            Request::Restart => Some(PersonSaid::RestartNow),
            Request::Complain { title, text } => {
                Some(PersonSaid::Complains(Complaint { title: title.clone(), text: text.clone() }))
            }
        }
    }

    /// Whether the device checks in because of it.
    fn checks_in(&self) -> bool {
        matches!(self, Request::Once | Request::Complain { .. })
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Root, who may do worse.
    Root,
    /// Anybody else on the machine.
    Anybody,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How the agent is.
    #[serde(flatten)]
    pub status: Status,
    /// Set where nothing was done, because check-ins were asked for too often: in how many seconds it may be asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_in_seconds: Option<u64>,
}

/// How often the device checks in because people ask for it: some times at once, and then at intervals. Who has no rights on the
/// machine can cost the server no more than that.
#[derive(Debug)]
pub struct Allowance {
    left: u32,
    counted: Duration,
}

/// How many check-ins people may ask for at once,
const CHECK_INS: u32 = 3;
/// and how long it takes until there is another one.
const EVERY: Duration = Duration::from_secs(60);

impl Allowance {
    /// A whole one.
    pub fn new(now: Duration) -> Allowance {
        Allowance { left: CHECK_INS, counted: now }
    }

    /// Takes what a request needs; otherwise how long it has to wait. `now` is on a clock that nobody sets.
    pub fn take(&mut self, request: &Request, asker: Asker, now: Duration) -> Result<(), Duration> {
        if asker == Asker::Root || !request.checks_in() {
            return Ok(());
        }
        while self.left < CHECK_INS && now.saturating_sub(self.counted) >= EVERY {
            self.left += 1;
            self.counted = self.counted.saturating_add(EVERY);
        }
        if self.left == CHECK_INS {
            self.counted = now;
        }
        let wait = EVERY.saturating_sub(now.saturating_sub(self.counted));
        self.left = self.left.checked_sub(1).ok_or(wait)?;
        Ok(())
    }
}

/// How many requests are answered at the same time.
const AT_ONCE: usize = 32;
/// The longest request, in bytes.
const REQUEST: u64 = 8 << 10;

/// Listens; each request is handed to `on_request` with where the answer goes.
pub fn listen(
    folders: &Folders,
    on_request: impl Fn(Request, Asker, mpsc::Sender<Answer>) + Clone + Send + 'static,
) -> Result<()> {
    let path = folders.control_socket();
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("{} can't be made", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    thread::spawn(move || {
        let asking = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().flatten() {
            // Everybody may ask, and nobody may use up the machine with it: who comes then hears that the agent is busy.
            // Whoever is in a container has no number here, and a user all the same.
            let is_roots = getsockopt(&stream, PeerCredentials).is_ok_and(|peer| peer.uid() == 0);
            let asker = if is_roots { Asker::Root } else { Asker::Anybody };
            if asking.load(Ordering::SeqCst) >= AT_ONCE && asker != Asker::Root {
                continue;
            }
            asking.fetch_add(1, Ordering::SeqCst);
            let (on_request, asked) = (on_request.clone(), asking.clone());
            let answering = thread::Builder::new().spawn(move || {
                answer(&stream, asker, on_request);
                asked.fetch_sub(1, Ordering::SeqCst);
            });
            if answering.is_err() {
                asking.fetch_sub(1, Ordering::SeqCst);
            }
        }
    });
    Ok(())
}

fn answer(mut stream: &UnixStream, asker: Asker, on_request: impl Fn(Request, Asker, mpsc::Sender<Answer>)) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
    let mut line = Vec::new();
    if BufReader::new(stream).take(REQUEST).read_until(b'\n', &mut line).is_err() {
        return;
    }
    let Ok(request) = serde_json::from_slice(&line) else { return };
    let (sender, receiver) = mpsc::channel();
    on_request(request, asker, sender);
    if let Ok(bytes) = receiver.recv_timeout(Duration::from_secs(30)).map(|answer| serde_json::to_vec(&answer)) {
        let _ = stream.write_all(&bytes.unwrap_or_default());
    }
}

/// Asks the running agent; `None` where none runs.
pub fn ask(folders: &Folders, request: &Request) -> Result<Option<Answer>> {
    let Ok(mut stream) = UnixStream::connect(folders.control_socket()) else { return Ok(None) };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut answer = Vec::new();
    let answered = stream.write_all(&line).and_then(|()| stream.read_to_end(&mut answer));
    if answered.is_err() || answer.is_empty() {
        bail!("the agent is busy and does not answer; try again");
    }
    Ok(Some(serde_json::from_slice(&answer).context("the agent's answer can't be read: is it of another version?")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_without_rights_make_a_device_check_in_a_few_times_and_then_once_a_minute() {
        let at = Duration::from_secs;
        let mut allowance = Allowance::new(at(1_000));
        let mut take = |request: &Request, asker, seconds| allowance.take(request, asker, at(seconds));
        let complain = Request::Complain { title: None, text: "slow".into() };
        assert_eq!(take(&Request::Once, Asker::Anybody, 5_000), Ok(()));
        assert_eq!(take(&complain, Asker::Anybody, 5_000), Ok(()));
        assert_eq!(take(&Request::Once, Asker::Anybody, 5_010), Ok(()));
        assert_eq!(take(&Request::Once, Asker::Anybody, 5_010), Err(at(50)));
        assert_eq!(take(&complain, Asker::Anybody, 5_059), Err(at(1)));
        // What makes no check-in is always answered, and root always is.
        for request in [Request::Status, Request::Now, Request::Later, Request::Restart] {
            assert_eq!(take(&request, Asker::Anybody, 5_059), Ok(()));
        }
        assert_eq!(take(&Request::Once, Asker::Root, 5_059), Ok(()));
        // One a minute, however often it is asked for.
        let gone = (5_060..5_660).filter(|seconds| take(&Request::Once, Asker::Anybody, *seconds).is_ok()).count();
        assert_eq!(gone, 10);
        // A pause gives back no more than there was.
        let gone = (0..10).filter(|_| take(&Request::Once, Asker::Anybody, 90_000).is_ok()).count();
        assert_eq!(gone, 3);
        assert_eq!(take(&Request::Once, Asker::Anybody, 90_000), Err(at(60)));
    }
}
