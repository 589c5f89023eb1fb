//! What dpkg knows of this machine: one call of `dpkg-query`.

use crate::providers::{
    command::{CommandError, ask},
    installs::Status,
};
use jiff::Timestamp;
use refit_model::{Scheme, TitleId, Version};
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Every package that dpkg knows, installed or not.
#[derive(Clone, Debug, Serialize)]
pub struct Inventory {
    /// The machine's own architecture: `amd64`.
    pub architecture: SmolStr,
    /// All packages, by title.
    pub packages: BTreeMap<TitleId, Package>,
    /// Packages whose version is not one by dpkg's rules, as `name version: why`. They are not in `packages`; an inventory
    /// with any of them is not whole.
    pub unreadable: Vec<String>,
}

/// One package as dpkg's status database has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Package {
    /// `deb/NAME` for the machine's own architecture and for `all`; `deb/NAME:ARCH` for a foreign one.
    pub title: TitleId,
    /// The package's name.
    pub name: SmolStr,
    /// Its architecture, or `all`.
    pub architecture: SmolStr,
    /// The version that was unpacked last, which is what dpkg shows even where it was never configured; `None` where
    /// nothing of the package is left.
    pub version: Option<Version>,
    /// The source package that it was built from.
    pub source: SmolStr,
    /// The version of the source package, which security trackers speak of.
    pub source_version: Option<Version>,
    /// What was asked of dpkg.
    pub want: Want,
    /// How far dpkg got.
    pub status: Status,
    /// The files on disk are suspect: the package must be installed again.
    pub reinstall_required: bool,
    /// The system does not work without it.
    pub essential: bool,
    /// The space that it takes, as its maintainer says, in bytes.
    pub installed_bytes: u64,
    /// When its list of files last changed, which is when this version was unpacked; `None` where dpkg does not say.
    pub changed: Option<Timestamp>,
}

/// What was asked of dpkg (the first letter of `dpkg -l`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// Nothing.
    Unknown,
    /// To have it.
    Install,
    /// To have it, and to leave it as it is: somebody has set a hold.
    Hold,
    /// To remove it, without its configuration.
    Deinstall,
    /// To remove it with its configuration.
    Purge,
}

impl Package {
    /// Installed, configured and not damaged: the version is what the machine runs from.
    pub fn is_well(&self) -> bool {
        self.status == Status::Installed && !self.reinstall_required
    }

    /// dpkg has begun something with it that it has not finished.
    pub fn is_unfinished(&self) -> bool {
        let settled = matches!(self.status, Status::Installed | Status::NotInstalled | Status::ConfigFiles);
        !settled || self.reinstall_required
    }

    /// Something of its files is on the machine, well or not.
    pub fn is_present(&self) -> bool {
        !matches!(self.status, Status::NotInstalled | Status::ConfigFiles)
    }

    /// Somebody has asked dpkg to leave it as it is.
    pub fn is_held(&self) -> bool {
        self.want == Want::Hold
    }

    /// The version, if the package is well.
    pub fn well_version(&self) -> Option<&Version> {
        self.version.as_ref().filter(|_| self.is_well())
    }
}

impl Inventory {
    /// The packages that dpkg has begun to change and has not finished.
    pub fn unfinished(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.is_unfinished())
    }

    /// The packages of which something is installed.
    pub fn present(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.is_present())
    }

    /// The title under which apt's name for a package is known here: `libc6` and `libc6:amd64` are `deb/libc6` on amd64.
    pub fn title(&self, apt_name: &str) -> TitleId {
        let name = apt_name.strip_suffix(self.architecture.as_str()).and_then(|name| name.strip_suffix(':'));
        TitleId::new(format!("deb/{}", name.unwrap_or(apt_name)))
    }
}

/// The name by which apt knows a title: `libc6`, or `libc6:i386` where the architecture is foreign.
pub(super) fn apt_name(title: &TitleId) -> &str {
    title.as_str().strip_prefix("deb/").unwrap_or(title.as_str())
}

/// Asks dpkg for every package that it knows.
pub fn inventory() -> Result<Inventory, CommandError> {
    let architecture = ask("dpkg", &["--print-architecture"])?.success()?;
    let listing = ask("dpkg-query", &["-W", "-f", FORMAT])?;
    // dpkg-query takes a database that is not there for an empty one, which no machine's is.
    if listing.stdout.trim().is_empty() && (listing.status.success() || listing.stderr.contains("no packages found")) {
        return Err(CommandError::NoPackages);
    }
    let found = parse(architecture.trim(), &listing.success()?)?;
    if found.present().next().is_none() && found.unreadable.is_empty() {
        return Err(CommandError::NoPackages);
    }
    Ok(found)
}

const FORMAT: &str = "${Package}\\t${Architecture}\\t${Version}\\t${source:Package}\\t${source:Version}\\t${db:Status-Want}\\t\
    ${db:Status-Status}\\t${db:Status-Eflag}\\t${Essential}\\t${Installed-Size}\\t${db-fsys:Last-Modified}\\n";

fn parse(architecture: &str, listing: &str) -> Result<Inventory, CommandError> {
    let mut found = Inventory { architecture: architecture.into(), packages: BTreeMap::new(), unreadable: Vec::new() };
    for line in listing.lines() {
        let odd = |why: &str| CommandError::unexpected("dpkg-query -W", why, line);
        let fields: Vec<&str> = line.split('\t').collect();
        let &[name, arch, version, source, source_version, want, status, flag, essential, kib, changed] =
            fields.as_slice()
        else {
            return Err(odd("expected 11 fields"));
        };
        let status = parse_status(status).ok_or_else(|| odd("unknown status"))?;
        let want = parse_want(want).ok_or_else(|| odd("unknown selection"))?;
        let (version, source_version) = match (optional_version(version), optional_version(source_version)) {
            (Ok(version), Ok(source_version)) => (version, source_version),
            (Err(error), _) | (_, Err(error)) => {
                found.unreadable.push(format!("{name} {version}: {}", error.why));
                continue;
            }
        };
        let own = arch.is_empty() || arch == "all" || arch == architecture;
        let title = TitleId::new(if own { format!("deb/{name}") } else { format!("deb/{name}:{arch}") });
        let package = Package {
            title: title.clone(),
            name: name.into(),
            architecture: arch.into(),
            version,
            source: source.into(),
            source_version,
            want,
            status,
            reinstall_required: match flag {
                "ok" => false,
                "reinstreq" => true,
                _ => return Err(odd("unknown error flag")),
            },
            essential: essential == "yes",
            installed_bytes: kib.parse::<u64>().unwrap_or(0).saturating_mul(1024),
            changed: changed.parse::<i64>().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()),
        };
        // Where `all` and the own architecture are both known, the one that is present counts.
        if found.packages.get(&title).is_none_or(|other| !other.is_present()) {
            found.packages.insert(title, package);
        }
    }
    Ok(found)
}

fn optional_version(text: &str) -> Result<Option<Version>, refit_model::VersionError> {
    if text.is_empty() { Ok(None) } else { Version::parse(Scheme::Dpkg, text).map(Some) }
}

fn parse_want(text: &str) -> Option<Want> {
    Some(match text {
        "unknown" => Want::Unknown,
        "install" => Want::Install,
        "hold" => Want::Hold,
        "deinstall" => Want::Deinstall,
        "purge" => Want::Purge,
        _ => return None,
    })
}

fn parse_status(text: &str) -> Option<Status> {
    Some(match text {
        "not-installed" => Status::NotInstalled,
        "config-files" => Status::ConfigFiles,
        "half-installed" => Status::HalfInstalled,
        "unpacked" => Status::Unpacked,
        "half-configured" => Status::HalfConfigured,
        "triggers-awaited" => Status::TriggersAwaited,
        "triggers-pending" => Status::TriggersPending,
        "installed" => Status::Installed,
        _ => return None,
    })
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
