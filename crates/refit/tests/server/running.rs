//! A server as a process, for tests.

use refit_api::client::{Client, Connection};
use std::{
    net::SocketAddr,
    ops::{Deref, DerefMut},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server that listens.
pub struct Running {
    pub child: Process,
    pub client: Client,
}

/// A process that ends with whoever started it, also where a test fails.
pub struct Process(Child);

impl Process {
    pub fn new(child: Child) -> Process {
        Process(child)
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; then both do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command that starts a server on a data folder.
pub fn command(data: &Path) -> Command {
    command_on("127.0.0.1:0", data)
}

/// The same, on this address.
pub fn command_on(listen: &str, data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
    command.args(["serve", "--listen", listen, "--approvals", "0", "--data"]).arg(data);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Starts a server and waits until it listens.
pub fn start(data: &Path) -> Running {
    wait_for(command(data), data)
}

/// Starts a server at an address at which devices reach it too, and waits until it listens.
pub fn start_at(address: SocketAddr, data: &Path) -> Running {
    let mut command = command_on(&address.to_string(), data);
    command.arg(format!("--public=https://{address}"));
    wait_for(command, data)
}

/// Starts a server where another was that has ended: devices find it.
pub fn start_again(ended: &Running, data: &Path) -> Running {
    let listen = ended.client.address().trim_start_matches("https://").to_owned();
    wait_for(command_on(&listen, data), data)
}

/// Starts a server and waits until it listens.
pub fn wait_for(mut command: Command, data: &Path) -> Running {
    let mut child = Process(command.stderr(Stdio::null()).spawn().unwrap());
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

#[test]
fn a_server_ends_with_the_test_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let pid = std::panic::catch_unwind(|| {
        let running = start(folder.path());
        std::panic::panic_any(running.child.id());
    });
    let pid = *pid.unwrap_err().downcast::<u32>().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

/// Sends a signal.
pub fn signal(child: &Child, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}
