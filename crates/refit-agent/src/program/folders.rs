//! Where things lie, and what is configured.

use anyhow::{Context, Result};
use refit_model::DeviceId;
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The user that the network process runs as.
pub const USER: &str = "refit-agent";

/// Where things lie.
#[derive(Clone, Debug)]
pub struct Folders {
    /// What is configured: `/etc/refit-agent`.
    pub config: PathBuf,
    /// What is remembered: `/var/lib/refit-agent`.
    pub state: PathBuf,
    /// Sockets: `/run/refit-agent`.
    pub run: PathBuf,
    /// The user that the network process runs as.
    pub user: String,
}

impl Folders {
    pub fn config_file(&self) -> PathBuf {
        self.config.join("agent.json")
    }

    pub fn journal(&self) -> PathBuf {
        self.state.join("journal.json")
    }

    pub fn documents(&self) -> PathBuf {
        self.state.join("documents")
    }

    /// Key and certificate; the network process's own.
    pub fn network(&self) -> PathBuf {
        self.state.join("network")
    }

    pub fn key(&self) -> PathBuf {
        self.network().join("key.pem")
    }

    pub fn certificate(&self) -> PathBuf {
        self.network().join("certificate.pem")
    }

    pub fn executor_socket(&self) -> PathBuf {
        self.run.join("executor.sock")
    }

    pub fn control_socket(&self) -> PathBuf {
        self.run.join("control.sock")
    }
}

/// What is configured on the device. It is written at enrolment, and may be edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The server's address.
    pub address: String,
    /// The authority that signed the server's certificate (PEM); absent is: the machine's own list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The device's id.
    pub device: DeviceId,
    /// A proxy (`http://proxy.example:3128`); absent is: what the environment says (`HTTPS_PROXY`, `NO_PROXY`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// The shortest time between two check-ins, in seconds, whatever the server says.
    #[serde(default = "least_interval")]
    pub least_interval_seconds: u64,
    /// The longest time between two check-ins, in seconds, whatever the server says.
    #[serde(default = "most_interval")]
    pub most_interval_seconds: u64,
    /// Whether the agent fetches package lists when they are old; false where the system's own timers do.
    #[serde(default = "yes")]
    pub fetch_lists: bool,
    /// Calendars (`.ics`, or folders of them) that are read for everybody at the machine, besides those that are where desktops keep
    /// them; `~/` is the person's own folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<PathBuf>,
}

pub fn yes() -> bool {
    true
}

pub fn least_interval() -> u64 {
    10
}

pub fn most_interval() -> u64 {
    3_600
}

impl Config {
    pub fn read(path: &Path) -> Result<Config> {
        let text = fs::read(path).with_context(|| {
            format!("{} can't be read; a device is enrolled with `refit-agent enroll TOKEN`", path.display())
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no configuration of refit-agent", path.display()))
    }
}

/// The numbers of a user and its group, from /etc/passwd; `None` where there is no such user.
pub fn user_ids(name: &str) -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
