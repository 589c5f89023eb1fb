//! A device that is really booted: systemd runs as its first process, and with it units, users and restarts.
//!
//! `systemd-nspawn` boots it, without a system bus of the machine. It has its own network: a place in a [`Lan`](crate::Lan).

use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::lan::Cable;
use crate::root::Root;

/// How long booting or powering off may take.
const LIMIT: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);

/// A booted device; powered off the hard way when dropped.
pub struct Booted<'root> {
    nspawn: Child,
    leader: u32,
    _root: &'root Root,
}

impl<'root> Booted<'root> {
    /// Boots a root that has systemd in it ([`crate::BaseRoot::booting`]), and waits until all units have been started.
    pub fn boot(root: &'root Root, cable: &Cable) -> Booted<'root> {
        Booted::started(root, &[format!("--network-namespace-path=/run/netns/{}", cable.namespace())])
    }

    /// As [`Booted::boot`], with the machine's own network.
    pub fn boot_on_the_machines_network(root: &'root Root) -> Booted<'root> {
        Booted::started(root, &[])
    }

    fn started(root: &'root Root, network: &[String]) -> Booted<'root> {
        let console =
            std::fs::File::create(root.folder().join("console")).expect("the root's folder can be written to");
        let nspawn = Command::new("systemd-nspawn")
            .arg("-D")
            .arg(root.merged())
            .args(root.nspawn_binds())
            .args(["--boot", "--register=no", "--keep-unit", "--console=pipe"])
            .args(network)
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .stdin(Stdio::null())
            .stdout(console.try_clone().expect("a file can be shared"))
            .stderr(console)
            .spawn()
            .unwrap_or_else(|error| panic!("can't start systemd-nspawn: {error}"));
        let mut booted = Booted { nspawn, leader: 0, _root: root };
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if let Ok(Some(status)) = booted.nspawn.try_wait() {
                panic!("the device did not boot: {status}\n{}", booted.console());
            }
            booted.leader = booted.first_process().unwrap_or_default();
            if booted.leader != 0 && booted.is_up() {
                return booted;
            }
            std::thread::sleep(PAUSE);
        }
        panic!("the device did not boot within {LIMIT:?}\n{}", booted.console());
    }

    /// A program in the device, as root.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--all", "--target", &self.leader.to_string(), "--wd=/", "--", "env", "-i"]);
        command.args([
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
        ]);
        command.arg(program);
        command
    }

    /// What a shell script prints; panics when it fails.
    pub fn shell(&self, script: &str) -> String {
        let output = self.command("sh").args(["-euc", script]).output().expect("nsenter runs");
        assert!(output.status.success(), "`{script}`: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Whether the machine is up: it has booted, and nobody has powered it off or restarted it since.
    pub fn is_up(&self) -> bool {
        let mut command = self.command("systemctl");
        let asks = command.arg("is-system-running").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut asks) = asks.spawn() else { return false };
        let began = Instant::now();
        while matches!(asks.try_wait(), Ok(None)) {
            if began.elapsed() > LIMIT {
                let _killed = asks.kill();
            }
            // A machine that goes down stops all of its processes for a moment; nsenter stops with its own, and nobody would wake it.
            let pid = asks.id().try_into().ok().and_then(Pid::from_raw);
            let _woken = pid.is_some_and(|pid| rustix::process::kill_process(pid, Signal::CONT).is_ok());
            std::thread::sleep(PAUSE);
        }
        let said = asks.wait_with_output().map(|output| output.stdout).unwrap_or_default();
        ["running", "degraded"].contains(&String::from_utf8_lossy(&said).trim())
    }

    /// Waits until the device has powered itself off, or has asked for a restart; whether it was a restart.
    pub fn wait_for_end(mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            if let Ok(Some(status)) = self.nspawn.try_wait() {
                // systemd-nspawn(1): 133 where the container asked for a restart.
                return status.code() == Some(133);
            }
            std::thread::sleep(PAUSE);
        }
        panic!("the device did not end within {LIMIT:?}\n{}", self.console());
    }

    /// What it printed on its console.
    pub fn console(&self) -> String {
        std::fs::read_to_string(self._root.folder().join("console")).unwrap_or_default()
    }

    fn first_process(&self) -> Option<u32> {
        let outside = self.nspawn.id();
        let children = std::fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Booted<'_> {
    fn drop(&mut self) {
        if matches!(self.nspawn.try_wait(), Ok(Some(_))) {
            return;
        }
        let first = self.first_process().and_then(|pid| pid.try_into().ok()).and_then(Pid::from_raw);
        let killed = first.is_some_and(|first| rustix::process::kill_process(first, Signal::KILL).is_ok());
        if !killed {
            let _ = self.nspawn.kill();
        }
        let _ = self.nspawn.wait();
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BaseRoot, Lan};

    #[test]
    fn a_device_boots_runs_units_and_powers_off() {
        let Some(base) = BaseRoot::booting() else { return };
        let Some(lan) = Lan::new() else { return };
        let (root, cable) = (Root::overlay(&base), lan.plug_in());
        let device = Booted::boot(&root, &cable);
        device.shell("systemd-run --wait --quiet touch /etc/made-by-a-unit");
        assert!(root.exists("/etc/made-by-a-unit"));
        assert!(
            device.shell("ip -4 address show eth0 || cat /proc/net/fib_trie").contains(&cable.address().to_string())
        );
        device.shell("systemctl --no-block poweroff");
        assert!(!device.wait_for_end());
        let again = Booted::boot(&root, &cable);
        again.shell("systemctl --no-block reboot");
        assert!(again.wait_for_end());
    }
}
