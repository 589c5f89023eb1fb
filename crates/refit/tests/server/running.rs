//! A server as a process, for tests.

use refit_api::client::{Client, Connection};
use std::{
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server that listens.
pub struct Running {
    pub child: Child,
    pub client: Client,
}

/// The command that starts a server on a data folder.
pub fn command(data: &Path) -> Command {
    command_at(SocketAddr::from(([127, 0, 0, 1], 0)), data)
}

fn command_at(address: SocketAddr, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
    command.args(["serve", "--approvals", "0", "--listen", &address.to_string(), "--data"]).arg(data);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts a server and waits until it listens.
pub fn start(data: &Path) -> Running {
    listening(command(data), data)
}

/// As [`start`], at an address at which devices reach it too.
pub fn start_at(address: SocketAddr, data: &Path) -> Running {
    let mut command = command_at(address, data);
    command.arg(format!("--public=https://{address}"));
    listening(command, data)
}

fn listening(mut command: Command, data: &Path) -> Running {
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server does not listen");
        assert!(child.try_wait().unwrap().is_none(), "the server has ended");
        let text = std::fs::read_to_string(data.join("server.json")).unwrap_or_default();
        let address: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if address["pid"] == child.id() {
            let client = Client::find(&Connection { data: Some(data.to_owned()), ..Connection::default() }).unwrap();
            if client.health().is_ok() {
                return Running { child, client };
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal.
pub fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}
