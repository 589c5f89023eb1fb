//! The package manager's locks: who holds them, and waiting until nobody does. They are never deleted: the kernel releases
//! them with the process that holds them.

use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};
use serde::Serialize;
use std::{
    fs::File,
    thread,
    time::{Duration, Instant},
};

/// The program that holds one of the package manager's locks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockHolder {
    /// The lock's file.
    pub file: String,
    /// The process; `None` where it is not visible from here (another container).
    pub pid: Option<i32>,
    /// Its command line, as far as it can be read.
    pub command: Option<String>,
}

impl std::fmt::Display for LockHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.pid, &self.command) {
            (Some(pid), Some(command)) => write!(f, "process {pid} (`{command}`) holds {}", self.file),
            (Some(pid), None) => write!(f, "process {pid} holds {}", self.file),
            (None, _) => write!(f, "a process outside of this container holds {}", self.file),
        }
    }
}

/// Waits until `first_holder` finds none, calling `on_wait` with each new holder; the last holder where the limit passes.
///
/// It gives up early where `stop` says so, as if the limit had passed.
pub(super) fn wait_while_held(
    first_holder: &dyn Fn() -> Option<LockHolder>,
    limit: Duration,
    stop: &dyn Fn() -> bool,
    mut on_wait: impl FnMut(&LockHolder),
) -> Result<(), LockHolder> {
    /// A person does not notice it, and a lock that lasts minutes costs nothing to look at this often.
    const PAUSE: Duration = Duration::from_millis(250);
    let deadline = Instant::now() + limit;
    let mut announced = None;
    while let Some(holder) = first_holder() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stop() {
            return Err(holder);
        }
        if announced.as_ref() != Some(&holder) {
            on_wait(&holder);
            announced = Some(holder);
        }
        thread::sleep(PAUSE.min(left));
    }
    Ok(())
}

/// Who holds an fcntl record lock, as apt, dpkg and rpm use them. A file that can't be opened is not locked by anybody whom this process could wait
/// for; apt itself says what is wrong with it.
pub(super) fn record_lock_holder(file: &str) -> Option<LockHolder> {
    let question =
        Flock { start: 0, length: 0, pid: None, typ: FlockType::WriteLock, offset_type: FlockOffsetType::Set };
    let lock = fcntl_getlk(File::open(file).ok()?, &question).ok()??;
    let pid = lock.pid.map(|pid| pid.as_raw_nonzero().get());
    let command = pid.and_then(command_of);
    Some(LockHolder { file: file.to_owned(), pid, command })
}

/// The command line of a process, as far as it can be read and a person wants to see it.
pub(super) fn command_of(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> =
        text.split(|c: char| c == '\0' || c.is_whitespace()).filter(|word| !word.is_empty()).take(8).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::BufRead, io::Write, process::Stdio};

    /// A process of its own that holds a lock until it is dropped: a process never meets its own record locks.
    struct Locker(std::process::Child);

    impl Locker {
        fn hold(file: &std::path::Path) -> Option<Locker> {
            let script = "import fcntl,sys\nf=open(sys.argv[1],'w')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\nsys.stdin.read()";
            let mut command = std::process::Command::new("python3");
            let command = command.args(["-c", script]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child = command.spawn().ok()?;
            let mut line = String::new();
            std::io::BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
            (line == "held\n").then_some(Locker(child))
        }

        fn release(mut self) {
            self.0.stdin.take().unwrap().flush().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn the_holder_of_a_lock_is_named_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let Some(locker) = Locker::hold(&path) else { return println!("skipped: no python3") };
        let file = path.to_str().unwrap();
        let holder = wait_while_held(&|| record_lock_holder(file), Duration::ZERO, &|| false, |_| {}).unwrap_err();
        assert_eq!(holder.pid, i32::try_from(locker.0.id()).ok());
        assert!(holder.to_string().contains("python3 -c import fcntl"), "{holder}");
        let mut locker = Some(locker);
        let mut told = 0;
        wait_while_held(&|| record_lock_holder(file), Duration::from_secs(60), &|| false, |_| {
            told += 1;
            locker.take().unwrap().release();
        })
        .unwrap();
        assert_eq!((told, record_lock_holder(file)), (1, None));
        assert!(path.exists(), "the lock's file stays");
    }

    #[test]
    fn a_lock_that_does_not_exist_is_held_by_nobody() {
        assert_eq!(record_lock_holder("/nonexistent/lock"), None);
    }
}
