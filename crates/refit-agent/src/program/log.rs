//! The system's log: a datagram to `/dev/log` (RFC 3164, as syslog(3) writes it), and standard error for whoever watches.

use crate::machine::Severity;
use std::{os::unix::net::UnixDatagram, path::Path};

/// The log.
pub struct Log {
    socket: Option<UnixDatagram>,
}

impl Log {
    /// Opens the log; where there is none, standard error is all.
    pub fn open() -> Log {
        Log::at(Path::new("/dev/log"))
    }

    fn at(path: &Path) -> Log {
        let socket = UnixDatagram::unbound().ok().filter(|socket| socket.connect(path).is_ok());
        Log { socket }
    }

    /// Writes one line.
    pub fn write(&self, severity: Severity, line: &str) {
        // Under systemd standard error is the log already.
        let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
        if let Some(socket) = self.socket.as_ref().filter(|_| !under_systemd) {
            let _ = socket.send(message(severity, std::process::id(), line).as_bytes());
        }
        let level = if under_systemd { format!("<{}>", level(severity)) } else { String::new() };
        eprintln!("{level}{line}");
    }
}

fn level(severity: Severity) -> u8 {
    match severity {
        Severity::Warning => 4,
        Severity::Notice => 5,
    }
}

/// Facility 3 is that of daemons. A line stays one line.
fn message(severity: Severity, pid: u32, line: &str) -> String {
    let line: String = line.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(900).collect();
    format!("<{}>refit-agent[{pid}]: {line}", 3 * 8 + level(severity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_log_hears_of_it_without_systemd() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let syslog = UnixDatagram::bind(&path).unwrap();
        let what = "silence: no fresh state has come since 2026-11-25T12:00:00Z";
        Log::at(&path).write(Severity::Warning, what);
        if std::env::var_os("JOURNAL_STREAM").is_none() {
            let mut bytes = [0; 200];
            let length = syslog.recv(&mut bytes).unwrap();
            let line = std::str::from_utf8(&bytes[..length]).unwrap();
            assert_eq!(line, format!("<28>refit-agent[{}]: {what}", std::process::id()));
        }
    }

    #[test]
    fn a_line_can_not_forge_another() {
        assert_eq!(message(Severity::Warning, 7, "a\nb: c"), "<28>refit-agent[7]: a b: c");
    }
}
