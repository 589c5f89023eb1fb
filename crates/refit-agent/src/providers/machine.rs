//! What else there is to know of the machine itself: system, kernel, name, place in time.

use super::command::CommandError;
use serde::Serialize;
use smol_str::SmolStr;
use std::{fs, path::Path};

/// The machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// A stable id, derived from the machine's own secret one (machine-id(5)), which it does not reveal; `None` where
    /// there is none yet.
    pub id: Option<String>,
    /// Its name.
    pub hostname: String,
    /// The package manager's name for its architecture: `amd64` for dpkg, `x86_64` for rpm.
    pub architecture: SmolStr,
    /// `ID` of os-release(5): `debian`.
    pub os: SmolStr,
    /// Systems that it is like (`ID_LIKE`): `debian`.
    pub os_like: Vec<SmolStr>,
    /// `VERSION_ID`: `12`; `None` where the release has no number (Debian testing).
    pub os_version: Option<SmolStr>,
    /// `VERSION_CODENAME`: `bookworm`.
    pub os_codename: Option<SmolStr>,
    /// The running kernel: `6.1.0-41-amd64`.
    pub kernel: String,
    /// Its time zone, by its IANA name; `None` where it can't be known, which is to be read as UTC.
    pub timezone: Option<String>,
    /// What contains it; `None` for a machine of its own.
    pub container: Option<Container>,
}

/// What a system runs in, where it is not a machine of its own: then its kernel is somebody else's affair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// A container, by the name that its manager gives itself: `docker`, `lxc`, `systemd-nspawn`.
    Named(String),
    /// A changed root, or a container that does not say what it is.
    Unnamed,
}

/// Why the machine can't be described.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The package manager could not be asked.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The system does not say what it is.
    #[error("/etc/os-release does not say which system this is: {0}")]
    OsRelease(String),
}

/// Asks the running system for everything but its architecture, for which each package manager has a name of its own.
pub(super) fn machine_of(architecture: &str) -> Result<Machine, MachineError> {
    let os_release = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| fs::read_to_string(path).ok());
    let os_release = os_release.ok_or_else(|| MachineError::OsRelease("there is no such file".into()))?;
    let field = |name: &str| os_release_field(&os_release, name);
    let names = rustix::system::uname();
    Ok(Machine {
        id: fs::read_to_string("/etc/machine-id").ok().and_then(|text| stable_id(&text)),
        hostname: names.nodename().to_string_lossy().into_owned(),
        architecture: architecture.trim().into(),
        os: field("ID").ok_or_else(|| MachineError::OsRelease("it has no ID".into()))?.into(),
        os_like: field("ID_LIKE").unwrap_or_default().split_whitespace().map(SmolStr::new).collect(),
        os_version: field("VERSION_ID").map(SmolStr::new),
        os_codename: field("VERSION_CODENAME").map(SmolStr::new),
        kernel: names.release().to_string_lossy().into_owned(),
        timezone: timezone(),
        container: container(),
    })
}

fn os_release_field(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    let value = value.trim();
    let bare = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote)).unwrap_or(value);
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// machine-id(5) asks that the id be kept secret, and that programs show a keyed hash of it instead.
fn stable_id(machine_id: &str) -> Option<String> {
    use sha2::{Digest, Sha256};
    let machine_id = machine_id.trim();
    let valid = machine_id.len() == 32 && machine_id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = Sha256::new().chain_update("refit device id\n").chain_update(machine_id).finalize();
    valid.then(|| hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn timezone() -> Option<String> {
    let linked = fs::read_link("/etc/localtime").ok().and_then(|path| zone_of(&path));
    linked
        .or_else(|| fs::read_to_string("/etc/timezone").ok().map(|text| text.trim().to_owned()))
        .filter(|zone| !zone.is_empty())
}

fn zone_of(link: &Path) -> Option<String> {
    link.to_str()?.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned())
}

fn container() -> Option<Container> {
    // systemd(1), "CONTAINER INTERFACE"; Docker and Podman leave files of their own.
    let named = fs::read_to_string("/run/systemd/container").ok().map(|text| text.trim().to_owned());
    let named = named.filter(|name| !name.is_empty()).or_else(|| {
        let has = |path: &str| Path::new(path).exists();
        match () {
            () if has("/.dockerenv") => Some("docker".to_owned()),
            () if has("/run/.containerenv") => Some("podman".to_owned()),
            () => None,
        }
    });
    match named {
        Some(name) => Some(Container::Named(name)),
        None => is_changed_root().then_some(Container::Unnamed),
    }
}

/// Whether the root folder is another one than that of the first process, or the first process is not an init system.
fn is_changed_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |path: &str| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    let init = fs::read_to_string("/proc/1/comm").unwrap_or_default();
    let known = ["systemd", "init", "runit", "s6-svscan", "openrc-init", "dinit"].contains(&init.trim());
    let other_root = inode("/proc/1/root/.").is_some_and(|root| inode("/").is_some_and(|own| own != root));
    other_root || !known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_values_lose_their_quotes() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\nID_LIKE=\"a b\"\nEMPTY=\"\"\n";
        assert_eq!(os_release_field(text, "ID").as_deref(), Some("debian"));
        assert_eq!(os_release_field(text, "VERSION_ID").as_deref(), Some("12"));
        assert_eq!(os_release_field(text, "EMPTY"), None);
    }

    #[test]
    fn the_id_is_stable_and_does_not_reveal_the_machine_id() {
        let secret = "0123456789abcdef0123456789abcdef";
        let id = stable_id(&format!("{secret}\n")).unwrap();
        assert_eq!(Some(&id), stable_id(secret).as_ref());
        assert_eq!(id.len(), 32);
        assert!(!secret.contains(&id[..8]));
        assert_eq!(stable_id("uninitialized\n"), None);
    }

    #[test]
    fn the_zone_is_the_name_that_localtime_points_to() {
        assert_eq!(zone_of(Path::new("/usr/share/zoneinfo/Europe/Berlin")).as_deref(), Some("Europe/Berlin"));
        assert_eq!(zone_of(Path::new("../usr/share/zoneinfo/Etc/UTC")).as_deref(), Some("Etc/UTC"));
    }
}
