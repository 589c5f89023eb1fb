//! The hosts of a fleet with the agent on each: the program, or on the one that is booted the Debian package.

use super::{
    agent::{equip, program},
    package::package,
};
use refit_testbed::{Booted, Fleet, Host};

/// Where the one that is booted finds the package.
const PACKAGE: &str = "/srv/refit-agent.deb";

/// Hosts with an agent, one of them booted.
pub struct Hosts<'f> {
    pub fleet: &'f Fleet,
    name: &'f str,
    booted: Booted<'f>,
}

impl<'f> Hosts<'f> {
    /// Gives every host the agent; `booted` is the name of the one that will be.
    pub fn equip(fleet: &mut Fleet, booted: &str) {
        for host in fleet.hosts_mut() {
            match host.name == booted {
                true => drop(host.device.root_mut().bind(package(), PACKAGE)),
                false => equip(&mut host.device),
            }
        }
        // Where the program is, it is built once.
        let _ = program();
    }

    /// Boots the one of this name, and installs the agent there.
    pub fn boot(fleet: &'f Fleet, name: &str) -> Hosts<'f> {
        let host = fleet.host(name);
        let booted = Booted::boot(host.device.root(), &host.cable);
        booted.shell(&format!("dpkg -i {PACKAGE}"));
        Hosts { fleet, name: &host.name, booted }
    }

    /// The one that is booted.
    pub fn booted(&self) -> &Booted<'f> {
        &self.booted
    }

    /// Whether it is this one.
    pub fn is_booted(&self, host: &Host) -> bool {
        host.name == self.name
    }

    /// The agent's program on a host; its exit status, and what it prints.
    pub fn agent(&self, host: &Host, words: &str) -> (Option<i32>, String) {
        let line = format!("refit-agent {words}");
        if self.is_booted(host) {
            let output = self.booted.command("sh").args(["-c", &line]).output().unwrap();
            return (output.status.code(), String::from_utf8(output.stdout).unwrap());
        }
        let outcome = host.device.root().shell(&line);
        (outcome.code, outcome.stdout)
    }

    /// Enrols every host; their ids, in the order of the hosts.
    pub fn enroll(&self, token: &str) -> Vec<String> {
        self.fleet.each(|host| {
            let (_, said) = self.agent(host, &format!("enroll '{token}'"));
            let id = said.split_once("enrolled as ").and_then(|(_, rest)| rest.split_whitespace().next());
            id.unwrap_or_else(|| panic!("{said}")).to_owned()
        })
    }
}
