//! A network of its own for a few devices: one bridge, and a network namespace with one cable for each device.
//!
//! Nothing of it reaches the machine's network. A cable can be pulled and plugged in again. What is left behind by a
//! process that was killed is swept away by the next one.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::needs::{available, skip};

/// What the names of all namespaces begin with; the process's id and a word follow.
const PREFIX: &str = "refit-testbed-";

/// The network: devices are plugged in with [`Lan::plug_in`]. It goes when the last cable does.
#[derive(Clone)]
pub struct Lan(Arc<Switch>);

struct Switch {
    namespace: String,
    plugged: AtomicU8,
}

/// One device's place in the network. Its namespace goes when it is dropped.
pub struct Cable {
    namespace: String,
    number: u8,
    switch: Arc<Switch>,
}

impl Lan {
    /// An empty network; `None` after `skipped:` was printed, where none can be made.
    pub fn new() -> Option<Lan> {
        static COUNT: AtomicU8 = AtomicU8::new(0);
        available().inspect_err(|reason| skip(reason)).ok()?;
        sweep();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("{PREFIX}{}-{number}", std::process::id());
        if let Err(reason) = try_ip(["netns", "add", &namespace]) {
            skip(&format!("network namespaces can't be had here ({reason})"));
            return None;
        }
        ip(["-n", &namespace, "link", "add", "name", "bridge", "type", "bridge"]);
        ip(["-n", &namespace, "link", "set", "bridge", "up"]);
        Some(Lan(Arc::new(Switch { namespace, plugged: AtomicU8::new(0) })))
    }

    /// A new place in the network, with an address of its own.
    pub fn plug_in(&self) -> Cable {
        let number = self.0.plugged.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(number < 250, "a network has room for 249 devices");
        let switch = &self.0.namespace;
        let namespace = format!("{switch}-{number}");
        let (port, address) = (format!("port{number}"), format!("{}/24", address(number)));
        ip(["netns", "add", &namespace]);
        let cable = Cable { namespace, number, switch: self.0.clone() };
        let host = &cable.namespace;
        ip(["-n", switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", host]);
        ip(["-n", switch, "link", "set", &port, "master", "bridge", "up"]);
        ip(["-n", host, "address", "add", &address, "dev", "eth0"]);
        ip(["-n", host, "link", "set", "lo", "up"]);
        ip(["-n", host, "link", "set", "eth0", "up"]);
        cable
    }
}

impl Cable {
    /// The device's address.
    pub fn address(&self) -> Ipv4Addr {
        address(self.number)
    }

    /// Lets the network reach a server of the machine under this device's address and `port`, as long as the process lives.
    ///
    /// What is accepted is passed on by threads outside of the network, which see the machine's own.
    pub fn show(&self, port: u16, server: SocketAddr) {
        let namespace = File::open(Path::new("/run/netns").join(&self.namespace)).expect("the namespace is there");
        let address = self.address();
        let (accepted, outside) = mpsc::channel::<TcpStream>();
        let (ready, is_ready) = mpsc::channel();
        thread::spawn(move || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).expect("root may enter a network");
            let listener = TcpListener::bind((address, port)).expect("nobody listens there yet");
            ready.send(()).expect("somebody waits");
            listener.incoming().flatten().try_for_each(|stream| accepted.send(stream))
        });
        thread::spawn(move || {
            for inside in outside {
                let Ok(outside) = TcpStream::connect(server) else { continue };
                for (mut from, mut to) in [(inside.try_clone(), outside.try_clone()), (Ok(outside), Ok(inside))]
                    .into_iter()
                    .filter_map(|(from, to)| Some((from.ok()?, to.ok()?)))
                {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        is_ready.recv().expect("the network can be entered");
    }

    /// Pulls the cable: nothing arrives and nothing is refused, as when a link goes down.
    pub fn pull(&self) {
        ip(["-n", &self.switch.namespace, "link", "set", &format!("port{}", self.number), "down"]);
    }

    /// Plugs it in again.
    pub fn plug(&self) {
        ip(["-n", &self.switch.namespace, "link", "set", &format!("port{}", self.number), "up"]);
    }

    /// A program of the machine that sees this device's network only.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]).arg(program);
        command
    }

    /// From now on, the calling thread, and what it starts, sees this place of the network and nothing else: for a test that
    /// is somebody at one of the network's machines. Threads that are there already stay where they are.
    pub fn sit_down(&self) {
        let namespace = std::fs::File::open(format!("/run/netns/{}", self.namespace)).expect("there until dropped");
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may go there");
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let _ = try_ip(["-n", &self.switch.namespace, "link", "delete", &format!("port{}", self.number)]);
        let _ = try_ip(["netns", "delete", &self.namespace]);
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = try_ip(["netns", "delete", &self.namespace]);
    }
}

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, number)
}

fn ip<const N: usize>(args: [&str; N]) {
    try_ip(args).unwrap_or_else(|reason| panic!("`ip {}`: {reason}", args.join(" ")));
}

fn try_ip<const N: usize>(args: [&str; N]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

/// Deletes the namespaces of processes that are no more.
fn sweep() {
    let Ok(namespaces) = std::fs::read_dir("/run/netns") else { return };
    for name in namespaces.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|process| !std::path::Path::new(&format!("/proc/{process}")).exists()) {
            let _ = try_ip(["netns", "delete", &name]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BaseRoot, Root};
    use std::time::Duration;

    #[test]
    fn devices_reach_each_other_until_a_cable_is_pulled() {
        let Some(base) = BaseRoot::minimal() else { return };
        let Some(lan) = Lan::new() else { return };
        let (one, other) = (lan.plug_in(), lan.plug_in());
        let mut root = Root::overlay(&base);
        root.plug_in(&one);
        let ask = || {
            root.shell(&format!(
                "perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => \"{}:7777\", Timeout => 2)'",
                other.address()
            ))
        };
        let script = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 7777, Listen => 5, ReuseAddr => 1) or die $!; open my $f, '>', $ARGV[0]; close $f; while (my $c = $s->accept) { close $c }";
        let ready = tempfile::tempdir().unwrap();
        let ready = ready.path().join("ready");
        let mut server = other.command("perl").args(["-e", script]).arg(&ready).spawn().unwrap();
        while !ready.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(ask().ok());
        other.pull();
        assert!(!ask().ok());
        other.plug();
        assert!(ask().ok());
        server.kill().unwrap();
        server.wait().unwrap();
    }

    #[test]
    fn nothing_reaches_the_machine_and_nothing_stays() {
        let Some(lan) = Lan::new() else { return };
        let cable = lan.plug_in();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
        let reached = cable.command("bash").args(["-c", &connect]).output().unwrap();
        assert!(!reached.status.success());
        let there = std::thread::scope(|scope| {
            let guest = scope.spawn(|| {
                cable.sit_down();
                TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            guest.join().unwrap()
        });
        assert!(!there && TcpStream::connect(("127.0.0.1", port)).is_ok(), "only that thread is elsewhere");
        let namespaces = [cable.namespace().to_owned(), lan.0.namespace.clone()];
        drop((cable, lan));
        assert!(namespaces.iter().all(|name| !std::path::Path::new("/run/netns").join(name).exists()));
    }
}
