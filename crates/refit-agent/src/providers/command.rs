//! Running a program of the package manager: its answer as a whole, or a typed error.

use rustix::fs::{MemfdFlags, memfd_create};
use std::{
    fs::File,
    io::Read,
    os::unix::{fs::FileExt, process::CommandExt},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

/// How long a question may take. The slowest one, a simulation with thousands of packages on a busy machine, takes seconds.
pub(super) const ASK_LIMIT: Duration = Duration::from_secs(120);

/// How long a program that has ended may keep its output open: a daemon that a maintainer script started inherits it.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// The pause between two looks at a program and at what it printed.
const PAUSE: Duration = Duration::from_millis(20);

/// Where programs are looked for; maintainer scripts need the `sbin` folders, whatever the caller's `PATH` says.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why the package manager gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The program is not on this machine.
    #[error(
        "`{program}` is not installed on this machine: Refit needs it to manage packages; install the package `{}`",
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
    #[error("`{command}` did not finish within {} and was stopped", seconds(*limit))]
    TimedOut {
        /// The command line.
        command: String,
        /// The time that it had.
        limit: Duration,
    },
    /// The program was stopped because a signal asked Refit to end.
    #[error("`{command}` was interrupted")]
    Interrupted {
        /// The command line.
        command: String,
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
    /// dpkg knows of no package at all, which can't be where dpkg itself runs.
    #[error(
        "dpkg lists no installed package, which can't be: its database (/var/lib/dpkg/status) is lost or empty. \
         Bring it back from /var/lib/dpkg/status-old or /var/backups/dpkg.status.*"
    )]
    NoPackages,
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
        let error =
            |line: &'_ str| line.strip_prefix("E: ").or_else(|| line.strip_prefix("Error: ")).map(str::to_owned);
        let errors: Vec<String> = self.stderr.lines().filter_map(error).collect();
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
    ask_unless(program, args, limit, &|| false)
}

/// [`ask_within`], for a question that may be given up at any time: it is when `stop` says so.
pub(super) fn ask_unless(
    program: &str,
    args: &[&str],
    limit: Duration,
    stop: &dyn Fn() -> bool,
) -> Result<Answer, CommandError> {
    let command = described(program, args);
    let failed = |source| io_error(program, &command, source);
    let mut child = prepared(program, args)
        // A key pressed at the terminal is for Refit, which decides what becomes of the programs that it runs.
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        forward(Stream::Out, pipe, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        forward(Stream::Err, pipe, sender.clone());
    }
    drop(sender);

    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let deadline = Instant::now() + limit;
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let mut open = true;
    let status = loop {
        if open {
            match receiver.recv_timeout(PAUSE) {
                Ok((Stream::Out, bytes)) => stdout.extend_from_slice(&bytes),
                Ok((Stream::Err, bytes)) => stderr.extend_from_slice(&bytes),
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
            Some((status, _)) if !open => break status,
            Some((status, since)) if since.elapsed() > DRAIN_LIMIT => break status,
            None if stop() => {
                end(&mut child);
                return Err(CommandError::Interrupted { command });
            }
            None if Instant::now() > deadline => {
                end(&mut child);
                return Err(CommandError::TimedOut { command, limit });
            }
            _ => {}
        }
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Answer { command, status, stdout: text(stdout), stderr: text(stderr) })
}

/// Runs a program that changes the machine, handing on each line of its output and of its errors as it appears, in the order
/// in which they were written. `on_pause` is called again and again meanwhile.
///
/// Once begun, such a program has to come to its end, whatever becomes of Refit: half a change leaves packages broken. It gets
/// a session of its own, so that no signal to Refit, its group or its terminal reaches it. And its output goes to `cat`, in a
/// session of its own as well, which writes it to memory: were Refit the reader, the program would die of the broken pipe
/// when Refit does. (A file on a disk would do as well until the disk is full, and then the output alone would make dpkg
/// fail. A file as the output itself would be cut short by scripts that open `/dev/stderr`.)
pub(super) fn follow(
    program: &str,
    args: &[&str],
    limit: Duration,
    on_pause: &mut dyn FnMut(),
    mut on_line: impl FnMut(&str),
) -> Result<ExitStatus, CommandError> {
    let command = described(program, args);
    let failed = |source| io_error(program, &command, source);
    let mut output = Output::new().map_err(failed)?;
    let mut keeper = apart("cat", &[])
        .stdin(output.reader.take().map_or_else(Stdio::null, Stdio::from))
        .stdout(output.memory.try_clone().map_err(failed)?)
        .stderr(Stdio::null())
        .spawn()
        .map_err(|source| io_error("setsid", &command, source))?;
    let started = output.writer.take().map(|writer| -> std::io::Result<Child> {
        apart(program, args).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).spawn()
    });
    let mut child = match started {
        Some(Ok(child)) => child,
        Some(Err(source)) => return Err(failed(source)),
        None => return Err(failed(std::io::ErrorKind::BrokenPipe.into())),
    };

    let deadline = Instant::now() + limit;
    let mut ended: Option<(ExitStatus, Instant)> = None;
    let outcome = loop {
        output.lines(&mut on_line).map_err(failed)?;
        if ended.is_none() {
            ended = child.try_wait().map_err(failed)?.map(|status| (status, Instant::now()));
        }
        match ended {
            Some((status, since)) if since.elapsed() > DRAIN_LIMIT || keeper.try_wait().map_err(failed)?.is_some() => {
                break Ok(status);
            }
            None if Instant::now() > deadline => {
                end(&mut child);
                break Err(CommandError::TimedOut { command: command.clone(), limit });
            }
            _ => {}
        }
        on_pause();
        thread::sleep(PAUSE);
    };
    // A daemon that a script started may keep the output open for ever; nobody reads on.
    let _ = keeper.kill();
    let _ = keeper.wait();
    output.lines(&mut on_line).map_err(failed)?;
    output.rest(&mut on_line);
    outcome
}

/// What a program prints, on its way to memory.
struct Output {
    reader: Option<std::io::PipeReader>,
    writer: Option<std::io::PipeWriter>,
    memory: File,
    read: u64,
    line: Vec<u8>,
}

impl Output {
    fn new() -> std::io::Result<Output> {
        let (reader, writer) = std::io::pipe()?;
        let memory = File::from(memfd_create("refit-output", MemfdFlags::CLOEXEC)?);
        Ok(Output { reader: Some(reader), writer: Some(writer), memory, read: 0, line: Vec::new() })
    }

    /// Hands on the lines that are new and whole.
    fn lines(&mut self, on_line: &mut impl FnMut(&str)) -> std::io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            // The position of the file is the writer's.
            let count = match self.memory.read_at(&mut buffer, self.read) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                count => count?,
            };
            if count == 0 {
                return Ok(());
            }
            self.read += count as u64;
            for &byte in buffer.iter().take(count) {
                if byte == b'\n' {
                    on_line(String::from_utf8_lossy(&self.line).trim_end_matches('\r'));
                    self.line.clear();
                } else {
                    self.line.push(byte);
                }
            }
        }
    }

    /// Hands on what is left without an end of line.
    fn rest(&mut self, on_line: &mut impl FnMut(&str)) {
        if !self.line.is_empty() {
            on_line(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

fn io_error(program: &str, command: &str, source: std::io::Error) -> CommandError {
    match source.kind() {
        std::io::ErrorKind::NotFound => CommandError::Missing { program: program.into() },
        _ => CommandError::Io { command: command.to_owned(), source },
    }
}

/// A program of the package manager: it reads nothing from a terminal, speaks English, and asks nothing.
fn prepared(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        .env("PYTHONUNBUFFERED", "1")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("DEBIAN_PRIORITY", "critical")
        .env("APT_LISTCHANGES_FRONTEND", "none")
        .env("APT_LISTBUGS_FRONTEND", "none")
        .env("NEEDRESTART_MODE", "l")
        .env("UCF_FORCE_CONFFOLD", "1")
        .stdin(Stdio::null());
    command
}

/// [`prepared`], in a session of its own: setsid(1) becomes the program.
fn apart(program: &str, args: &[&str]) -> Command {
    let mut words = vec![program];
    words.extend(args);
    prepared("setsid", &words)
}

/// Asks the program to end, and makes it end if it does not. apt passes the request on and leaves a state that the next
/// run can repair.
fn end(child: &mut Child) {
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

/// `1 second`, `2 seconds`.
pub(super) fn seconds(limit: Duration) -> String {
    match limit.as_secs() {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}

fn package_of(program: &str) -> &str {
    match program {
        "setsid" => "util-linux",
        "dnf" | "rpm" => program,
        _ if program.starts_with("dpkg") => "dpkg",
        _ => "apt",
    }
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
        follow("sh", &["-c", "printf 'a\\r\\nb\\nrest'"], ASK_LIMIT, &mut || {}, |line| lines.push(line.to_owned()))
            .unwrap();
        assert_eq!(lines, ["a", "b", "rest"]);
    }

    #[test]
    fn what_changes_the_machine_goes_on_when_its_reader_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let done = folder.path().join("done");
        let script = format!("echo begun; sleep 0.3; yes | head -c 1000000; echo done >{}", done.display());
        let reader =
            thread::spawn(move || follow("sh", &["-c", &script], ASK_LIMIT, &mut || {}, |_| panic!("the reader dies")));
        assert!(reader.join().is_err());
        let until = Instant::now() + Duration::from_secs(20);
        while !done.exists() {
            assert!(Instant::now() < until, "it did not come to its end");
            thread::sleep(PAUSE);
        }
    }

    #[test]
    fn what_changes_the_machine_has_a_session_of_its_own() {
        let mut lines = Vec::new();
        let script = "ps -o sid= -p $$; echo $$";
        follow("sh", &["-c", script], ASK_LIMIT, &mut || {}, |line| lines.push(line.trim().to_owned())).unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0], lines[1]);
    }

    #[test]
    fn a_question_is_given_up_when_asked_to() {
        let begun = Instant::now();
        let error = ask_unless("sleep", &["60"], ASK_LIMIT, &|| begun.elapsed() > Duration::from_millis(50));
        assert!(matches!(error, Err(CommandError::Interrupted { .. })), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_daemon_that_keeps_the_output_of_a_change_open_does_not_keep_refit_waiting() {
        let mut lines = Vec::new();
        let script = "tail -f /dev/null & echo $!; echo said";
        follow("sh", &["-c", script], ASK_LIMIT, &mut || {}, |line| lines.push(line.to_owned())).unwrap();
        assert!(Command::new("kill").arg(&lines[0]).status().unwrap().success());
        assert_eq!(lines[1], "said");
    }

    #[test]
    fn output_and_errors_keep_their_order() {
        let mut lines = Vec::new();
        let script = "for i in 1 2 3; do echo out $i; echo err $i >&2; done";
        follow("sh", &["-c", script], ASK_LIMIT, &mut || {}, |line| lines.push(line.to_owned())).unwrap();
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
