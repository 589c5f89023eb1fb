//! The system's log: a datagram to `/dev/log` (RFC 3164, as syslog(3) writes it), and standard error for whoever watches.

use crate::machine::Severity;
use std::os::unix::net::UnixDatagram;

/// The log.
pub struct Log {
    socket: Option<UnixDatagram>,
}

impl Log {
    /// Opens the log; where there is none, standard error is all.
    pub fn open() -> Log {
        let socket = UnixDatagram::unbound().ok().filter(|socket| socket.connect("/dev/log").is_ok());
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
    fn a_line_can_not_forge_another() {
        assert_eq!(message(Severity::Warning, 7, "a\nb: c"), "<28>refit-agent[7]: a b: c");
    }
}
