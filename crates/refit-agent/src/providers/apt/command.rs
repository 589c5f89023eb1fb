//! Running a program of the package manager: its answer as a whole, or a typed error.

use std::{
    io::Read,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// How long a question may take. The slowest one, a simulation with thousands of packages on a busy machine, takes seconds.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(120);

/// How long a program that has ended may keep its output open: a daemon that a maintainer script started inherits it.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// Where programs are looked for; maintainer scripts need the `sbin` folders, whatever the caller's `PATH` says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why the package manager gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program is not on this machine.
    #[error(
        "`{program}` is not installed on this machine: Refit needs it to manage Debian packages; install the package `{}`",
        package_of(program)
    )]
    Missing {
        /// The program's name.
        program: String,
    },
    /// The program could not be started or read.
    #[error("could not run `{command}`")]
    Io {
        /// The command line.
        command: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The program did not finish in time and was stopped.
    #[error("`{command}` did not finish within {} seconds and was stopped", limit.as_secs())]
    TimedOut {
        /// The command line.
        command: String,
        /// The time that it had.
        limit: Duration,
    },
    /// The program ended with a failure.
    #[error("`{command}` failed ({status}): {message}")]
    Failed {
        /// The command line.
        command: String,
        /// How it ended, in words: `exit status: 100`.
        status: String,
        /// What it printed to say why.
        message: String,
    },
    /// The program printed something that Refit does not understand; no part of the answer is used.
    #[error("`{command}` printed something unexpected: {why}: `{line}`")]
    Unexpected {
        /// The command line.
        command: String,
        /// What was expected there.
        why: String,
        /// The line, as printed.
        line: String,
    },
}

impl CommandError {
    /// An answer that does not have the expected shape.
    pub(super) fn unexpected(command: &str, why: impl Into<String>, line: impl Into<String>) -> Self {
        CommandError::Unexpected { command: command.into(), why: why.into(), line: line.into() }
    }
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub(super) struct Answer {
    pub command: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// The answer's standard output, if the program says that it succeeded.
    pub fn success(self) -> Result<String, CommandError> {
        if self.status.success() { Ok(self.stdout) } else { Err(self.failure()) }
    }

    /// The error that says that the program failed, with the lines that say why.
    pub fn failure(self) -> CommandError {
        let errors: Vec<&str> = self.stderr.lines().filter_map(|line| line.strip_prefix("E: ")).collect();
        let message = match errors.is_empty() {
            true => self.stderr.trim().to_owned(),
            false => errors.join("; "),
        };
        let message = if message.is_empty() { "it did not say why".into() } else { message };
        CommandError::Failed { command: self.command, status: self.status.to_string(), message }
    }
}

/// Runs a program to its end and returns all that it printed.
///
/// It reads nothing from a terminal, speaks English, and asks nothing. Bytes that are not UTF-8 are replaced.
pub(super) fn ask(program: &str, args: &[&str]) -> Result<Answer, CommandError> {
    ask_within(program, args, ASK_LIMIT)
}

/// [`ask`] with another limit.
pub(super) fn ask_within(program: &str, args: &[&str], limit: Duration) -> Result<Answer, CommandError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (command, status) = run(program, args, limit, Streams::Apart, |stream, bytes| match stream {
        Stream::Out => stdout.extend_from_slice(bytes),
        Stream::Err => stderr.extend_from_slice(bytes),
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Answer { command, status, stdout: text(stdout), stderr: text(stderr) })
}

/// Runs a program that changes the machine, handing on each line of its output and of its errors as it appears, in the order
/// in which they were written.
pub(super) fn follow(
    program: &str,
    args: &[&str],
    limit: Duration,
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus, CommandError> {
    let mut buffer = Vec::new();
    let (_, status) = run(program, args, limit, Streams::Together, |_, bytes| {
        for &byte in bytes {
            if byte == b'\n' {
                on_line(String::from_utf8_lossy(&buffer).trim_end_matches('\r'));
                buffer.clear();
            } else {
                buffer.push(byte);
            }
        }
    })?;
    if !buffer.is_empty() {
        on_line(&String::from_utf8_lossy(&buffer));
    }
    Ok(status)
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// Whether a program's errors are told from its output, or what it writes keeps its order.
#[derive(Clone, Copy, PartialEq)]
enum Streams {
    Apart,
    Together,
}

fn run(
    program: &str,
    args: &[&str],
    limit: Duration,
    streams: Streams,
    mut on_bytes: impl FnMut(Stream, &[u8]),
) -> Result<(String, ExitStatus), CommandError> {
    let command = described(program, args);
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => CommandError::Missing { program: program.into() },
        _ => CommandError::Io { command: command.clone(), source },
    };
    let (mut together, stdout, stderr) = match streams {
        Streams::Apart => (None, Stdio::piped(), Stdio::piped()),
        Streams::Together => {
            let (reader, writer) = std::io::pipe().map_err(failed)?;
            (Some(reader), writer.try_clone().map_err(failed)?.into(), writer.into())
        }
    };
    let mut child = Command::new(program)
        .args(args)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBIAN_PRIORITY", "critical")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("APT_LISTBUGS_FRONTEND", "none")
        .env("NEEDRESTART_MODE", "l")
        .env("UCF_FORCE_CONFFOLD", "1")
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(failed)?;

    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        forward(Stream::Out, pipe, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        forward(Stream::Err, pipe, sender.clone());
    }
    if let Some(pipe) = together.take() {
        forward(Stream::Out, pipe, sender.clone());
    }
    drop(sender);

    let deadline = Instant::now() + limit;
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let mut open = true;
    loop {
        if open {
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok((stream, bytes)) => on_bytes(stream, &bytes),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        } else if ended.is_none() {
            thread::sleep(Duration::from_millis(2));
        }
        if ended.is_none() {
            ended = child.try_wait().map_err(failed)?.map(|status| (status, Instant::now()));
        }
        match ended {
            Some((status, _)) if !open => return Ok((command, status)),
            Some((status, since)) if since.elapsed() > DRAIN_LIMIT => return Ok((command, status)),
            None if Instant::now() > deadline => {
                stop(&mut child);
                return Err(CommandError::TimedOut { command, limit });
            }
            _ => {}
        }
    }
}

/// Asks the program to end, and makes it end if it does not. apt passes the request on and leaves a state that the next
/// run can repair.
fn stop(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself in between, which is as good.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn forward(stream: Stream, mut pipe: impl Read + Send + 'static, sender: mpsc::Sender<(Stream, Vec<u8>)>) {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    if sender.send((stream, buffer[..count].to_vec())).is_err() {
                        return;
                    }
                }
            }
        }
    });
}

/// The command line as a person would read it: long lists of packages are cut.
fn described(program: &str, args: &[&str]) -> String {
    const SHOWN: usize = 12;
    let mut text = program.to_owned();
    for arg in args.iter().take(SHOWN) {
        text.push(' ');
        text.push_str(arg.lines().next().unwrap_or_default());
    }
    if args.len() > SHOWN {
        text.push_str(&format!(" … ({} more)", args.len() - SHOWN));
    }
    text
}

fn package_of(program: &str) -> &str {
    if program.starts_with("dpkg") { "dpkg" } else { "apt" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_the_package_that_has_it() {
        let error = ask("dpkg-query-of-nowhere", &[]).unwrap_err();
        assert!(error.to_string().contains("install the package `dpkg`"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_stopped_and_the_answer_is_an_error() {
        let error =
            ask_within("sh", &["-c", "echo begun; exec tail -f /dev/null"], Duration::from_millis(100)).unwrap_err();
        assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn a_daemon_that_keeps_the_output_open_does_not_keep_refit_waiting() {
        let script = "tail -f /dev/null & echo $!; echo said";
        let answer = ask("sh", &["-c", script]).unwrap();
        let (pid, rest) = answer.stdout.split_once('\n').unwrap();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
        assert_eq!(rest, "said\n");
    }

    #[test]
    fn output_of_a_megabyte_arrives_whole() {
        let answer = ask("sh", &["-c", "head -c 1000000 /dev/zero | tr '\\0' x; echo >&2 done"]).unwrap();
        assert_eq!((answer.stdout.len(), answer.stderr.as_str()), (1_000_000, "done\n"));
    }

    #[test]
    fn lines_are_handed_on_without_their_ends() {
        let mut lines = Vec::new();
        follow("sh", &["-c", "printf 'a\\r\\nb\\nrest'"], ASK_LIMIT, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["a", "b", "rest"]);
    }

    #[test]
    fn output_and_errors_keep_their_order() {
        let mut lines = Vec::new();
        let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done";
        follow("sh", &["-c", script], ASK_LIMIT, |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["out 1", "err 1", "out 2", "err 2", "out 3", "err 3"]);
    }

    #[test]
    fn a_failure_says_what_apt_said() {
        let answer = ask("sh", &["-c", "echo 'W: something' >&2; echo 'E: no such package' >&2; exit 100"]).unwrap();
        assert_eq!(
            answer.failure().to_string(),
            "`sh -c echo 'W: something' >&2; echo 'E: no such package' >&2; exit 100` failed (exit status: 100): no such package"
        );
    }
}
