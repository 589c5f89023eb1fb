//! What people on the machine ask the running agent: over a socket that everybody may use, since nothing can be done with it
//! that the person at the machine may not do.

use super::folders::Folders;
use crate::machine::{Complaint, PersonSaid, Status};
use anyhow::{Context, Result, bail};
use rustix::net::sockopt::socket_peercred;
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
}

/// How many requests are answered at the same time.
const AT_ONCE: usize = 32;
/// The longest request, in bytes.
const REQUEST: u64 = 8 << 10;

/// Listens; each request is handed to `on_request` with where the answer goes.
pub fn listen(
    folders: &Folders,
    on_request: impl Fn(Request, mpsc::Sender<Status>) + Clone + Send + 'static,
) -> Result<()> {
    let path = folders.control_socket();
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| format!("{} can't be made", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    thread::spawn(move || {
        let asking = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().flatten() {
            // Everybody may ask, and nobody may use up the machine with it: who comes then hears that the agent is busy.
            let is_roots = socket_peercred(&stream).is_ok_and(|peer| peer.uid.is_root());
            if asking.load(Ordering::SeqCst) >= AT_ONCE && !is_roots {
                continue;
            }
            asking.fetch_add(1, Ordering::SeqCst);
            let (on_request, asked) = (on_request.clone(), asking.clone());
            let answering = thread::Builder::new().spawn(move || {
                answer(&stream, on_request);
                asked.fetch_sub(1, Ordering::SeqCst);
            });
            if answering.is_err() {
                asking.fetch_sub(1, Ordering::SeqCst);
            }
        }
    });
    Ok(())
}

fn answer(mut stream: &UnixStream, on_request: impl Fn(Request, mpsc::Sender<Status>)) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
    let mut line = Vec::new();
    if BufReader::new(stream).take(REQUEST).read_until(b'\n', &mut line).is_err() {
        return;
    }
    let Ok(request) = serde_json::from_slice(&line) else { return };
    let (sender, receiver) = mpsc::channel();
    on_request(request, sender);
    if let Ok(bytes) = receiver.recv_timeout(Duration::from_secs(30)).map(|status| serde_json::to_vec(&status)) {
        let _ = stream.write_all(&bytes.unwrap_or_default());
    }
}

/// Asks the running agent; `None` where none runs.
pub fn ask(folders: &Folders, request: &Request) -> Result<Option<Status>> {
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
