//! Programs that run in a root, isolated by bubblewrap.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::root::Root;

/// How long a program may take unless told otherwise; beyond it something hangs, such as a prompt. Upgrading all of the
/// root that is behind takes a hundred seconds on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// What every program finds in its environment.
pub(crate) const ENVIRONMENT: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
];

/// The pause between two looks at a condition that nothing announces.
const PAUSE: Duration = Duration::from_millis(3);

/// What network a program in a root has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// A loopback of its own and nothing else.
    None,
    /// The machine's.
    Host,
    /// A place of [`crate::Lan`].
    Lan,
}

/// A program to be run in a root, with an environment of its own: `PATH`, `HOME` and `LC_ALL=C.UTF-8`, no input, and no
/// terminal.
pub struct Command<'root> {
    root: &'root Root,
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    input: Option<Vec<u8>>,
    network: Network,
    limit: Duration,
}

impl<'root> Command<'root> {
    pub(crate) fn new(root: &'root Root, program: &OsStr) -> Command<'root> {
        let mut command = Command {
            root,
            program: program.to_owned(),
            args: Vec::new(),
            env: ENVIRONMENT.map(|(name, value)| (name.into(), value.into())).into(),
            input: None,
            network: root.network(),
            limit: LIMIT,
        };
        if command.network == Network::Host {
            for name in ["http_proxy", "https_proxy", "no_proxy"] {
                command.env.extend(std::env::var_os(name).map(|value| (name.into(), value)));
            }
        }
        command
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// What the program reads from its standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// How long it may take; five minutes unless set.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end; panics when that does not come within the limit.
    pub fn run(self) -> Outcome {
        self.start().wait()
    }

    /// Starts it, to be watched and killed.
    ///
    /// The kernel kills it with the thread that started it: a test that panics leaves nothing running.
    pub fn start(self) -> Running {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let words: Vec<_> = [&self.program].into_iter().chain(&self.args).map(|word| word.to_string_lossy()).collect();
        let line = words.join(" ");
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| self.root.folder().join(format!("{kind}-{number}"));
        let create = |path: &PathBuf| File::create(path).expect("the root's folder can be written to");
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let stdin = match &self.input {
            None => Stdio::null(),
            Some(input) => {
                fs::write(file("stdin"), input).expect("the root's folder can be written to");
                File::open(file("stdin")).expect("written just now").into()
            }
        };
        let mut bwrap = self.root.bubblewrap();
        bwrap.args(self.root.isolation(self.network));
        for (name, value) in &self.env {
            bwrap.arg("--setenv").arg(name).arg(value);
        }
        bwrap.arg("--").arg(&self.program).args(&self.args);
        bwrap.stdin(stdin).stdout(create(&stdout)).stderr(create(&stderr));
        let child = bwrap.spawn().unwrap_or_else(|error| panic!("can't start bwrap for `{line}`: {error}"));
        Running { line, child: Some(child), stdout, stderr, started: Instant::now(), limit: self.limit }
    }
}

/// A program that runs in a root; killed with all that it started when dropped.
pub struct Running {
    line: String,
    child: Option<Child>,
    stdout: PathBuf,
    stderr: PathBuf,
    started: Instant,
    limit: Duration,
}

impl Running {
    /// Waits for its end; panics when that does not come within the command's limit.
    pub fn wait(mut self) -> Outcome {
        while self.started.elapsed() < self.limit {
            if let Some(status) = self.ended() {
                return self.outcome(status);
            }
            std::thread::sleep(PAUSE);
        }
        let outcome = self.stop();
        panic!("still running after {:?}: {outcome}", self.limit)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.ended().is_some()
    }

    /// Waits until a condition holds; panics when the program ends before, or does not get there within the limit.
    pub fn wait_until(&mut self, what: &str, condition: impl Fn() -> bool) {
        while !condition() {
            if let Some(status) = self.ended() {
                assert!(condition(), "ended before {what}: {}", self.outcome(status));
                return;
            }
            if self.started.elapsed() >= self.limit {
                let outcome = self.stop();
                panic!("not {what} after {:?}: {outcome}", self.limit);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Kills it and all that it started with SIGKILL at once, as a power cut would, and waits until they are gone.
    pub fn kill(mut self) -> Outcome {
        self.stop()
    }

    /// The file of the host that collects its standard output, to be looked into while it runs.
    pub fn stdout_path(&self) -> PathBuf {
        self.stdout.clone()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().expect("not waited for yet").try_wait().expect("a child can be waited for")
    }

    /// Kills the first process of the pid namespace, and with it the kernel kills all others there; bubblewrap outside
    /// ends when they are gone. Killed before it has made the namespace, it is just killed itself.
    fn stop(&mut self) -> Outcome {
        let mut child = self.child.take().expect("not waited for yet");
        let outside = child.id();
        let inside = fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).unwrap_or_default();
        let first = inside.split_whitespace().next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        let killed = first.is_some_and(|first| rustix::process::kill_process(first, Signal::KILL).is_ok());
        if !killed {
            let _ = child.kill();
        }
        let status = child.wait().expect("a child can be waited for");
        self.outcome(status)
    }

    fn outcome(&mut self, status: ExitStatus) -> Outcome {
        self.child = None;
        let text = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        Outcome {
            command: self.line.clone(),
            code: status.code(),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
            took: self.started.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.stop();
        }
    }
}

/// How a program ended, and what it printed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The program and its arguments.
    pub command: String,
    /// The exit status; 128 and the signal's number when a signal ended it, as in a shell. `None` when bubblewrap
    /// itself was killed.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// From start to end.
    pub took: Duration,
}

impl Outcome {
    /// Whether it ended with 0.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Panics, showing all, unless it ended with 0.
    #[track_caller]
    pub fn success(self) -> Outcome {
        self.exit(0)
    }

    /// Panics, showing all, unless it ended with this status.
    #[track_caller]
    pub fn exit(self, code: i32) -> Outcome {
        assert!(self.code == Some(code), "expected exit status {code} of {self}");
        self
    }

    /// Panics, showing all, unless the text is in its output or its errors.
    #[track_caller]
    pub fn says(self, text: &str) -> Outcome {
        assert!(self.stdout.contains(text) || self.stderr.contains(text), "expected {text:?} of {self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { command, code, stdout, stderr, took } = self;
        let code = code.map_or("none".to_owned(), |code| code.to_string());
        write!(f, "`{command}` (exit status {code}, {took:.1?})\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BaseRoot;

    #[test]
    fn a_kill_reaches_what_was_started_in_the_background() {
        let Some(base) = BaseRoot::minimal() else { return };
        let root = Root::overlay(&base);
        // The child keeps the lock of a folder for as long as it lives.
        let script = "mkfifo /run/never; (exec 9>/run/held; flock 9; echo up >/run/up; read x </run/never) & wait";
        let mut running = root.command("sh").args(["-c", script]).start();
        running.wait_until("started", || root.exists("/run/up"));
        let held = File::open(root.folder().join("run/held")).unwrap();
        assert!(held.try_lock().is_err());
        running.kill();
        assert!(held.try_lock().is_ok());
    }

    #[test]
    fn a_program_sees_a_clean_environment_and_no_network() {
        let Some(base) = BaseRoot::minimal() else { return };
        let root = Root::overlay(&base);
        let outcome =
            root.command("sh").args(["-c", "env; cat; tail -n +3 /proc/net/dev | cut -d: -f1"]).input("typed").run();
        let mut lines: Vec<&str> =
            outcome.stdout.lines().map(str::trim).filter(|line| !line.starts_with("PWD=")).collect();
        lines.sort_unstable();
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        assert_eq!(lines, ["HOME=/root", "LC_ALL=C.UTF-8", path, "typed    lo"], "{outcome}");
    }

    #[test]
    #[should_panic(expected = "still running after")]
    fn a_program_that_hangs_is_ended_at_the_limit() {
        let Some(base) = BaseRoot::minimal() else { panic!("still running after: skipped") };
        let root = Root::overlay(&base);
        root.command("sleep").arg("1000").limit(Duration::from_millis(50)).run();
    }
}
