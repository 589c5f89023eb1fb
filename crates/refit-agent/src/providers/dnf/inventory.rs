//! What rpm knows of this machine, with what dnf's history says of how it went.

use super::{
    history::{Marks, marks},
    holds::Holds,
    run::Place,
};
use crate::providers::{
    Manager,
    command::CommandError,
    installs::{Install, Installs, Status},
};
use jiff::Timestamp;
use refit_model::{Scheme, TitleId, Version};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Every package, with the architecture of each version: what the verbs of this provider work on.
#[derive(Clone, Debug)]
pub(super) struct Inventory {
    pub installs: Installs,
    /// Older versions that should be gone: what an interrupted transaction leaves. By title, with the newest.
    pub duplicates: BTreeMap<TitleId, Vec<Version>>,
    /// What was installed for the first time, or again, when a transaction was broken off.
    pub cut_short: BTreeSet<TitleId>,
    /// The size of the files, in bytes.
    pub bytes: BTreeMap<TitleId, u64>,
}

const FORMAT: &str =
    "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\t%{LONGSIZE}\\t%{INSTALLTIME}\\n";

/// Packages of which several versions are meant to be installed side by side, by what they provide (dnf's own list).
const SIDE_BY_SIDE: [&str; 6] = [
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
];

/// Packages that dnf protects: it refuses to remove them, since the system does not work without them.
const ESSENTIAL: [&str; 5] = ["dnf", "glibc", "systemd", "rpm", "setup"];

impl Inventory {
    /// The title of a package of this architecture.
    pub fn title(&self, name: &str, architecture: &str) -> TitleId {
        title_of(&self.installs.architecture, name, architecture)
    }

    pub fn package(&self, title: &TitleId) -> Option<&Install> {
        self.installs.packages.get(title)
    }

    /// Whether this version is installed and well.
    pub fn has_well(&self, title: &TitleId, version: &Version) -> bool {
        self.package(title).is_some_and(|package| {
            package.well_version() == Some(version) || (package.is_well() && package.beside.contains(version))
        })
    }
}

/// `rpm/NAME` for the machine's own architecture and for `noarch`; `rpm/NAME:ARCH` for a foreign one.
pub(super) fn title_of(own: &str, name: &str, architecture: &str) -> TitleId {
    match architecture == own || architecture == "noarch" {
        true => TitleId::new(format!("rpm/{name}")),
        false => TitleId::new(format!("rpm/{name}:{architecture}")),
    }
}

/// Name and architecture of a title, where it has one.
pub(super) fn name_of(title: &TitleId) -> (&str, Option<&str>) {
    let text = Manager::Dnf.name_of(title);
    text.split_once(':').map_or((text, None), |(name, architecture)| (name, Some(architecture)))
}

/// A package as dnf names it in its transactions: without an epoch of 0.
pub(super) fn nevra(name: &str, version: &Version, architecture: &str) -> String {
    format!("{name}-{version}.{architecture}")
}

/// `1:2.0-3`, or `2.0-3` without an epoch.
pub(super) fn version_of(epoch: &str, rest: &str) -> Result<Version, refit_model::VersionError> {
    match epoch {
        "" | "0" | "(none)" => Version::parse(Scheme::Rpm, rest),
        epoch => Version::parse(Scheme::Rpm, &format!("{epoch}:{rest}")),
    }
}

/// Asks rpm for every package, and dnf how the last transactions went and what is held.
pub(super) fn inventory(place: &Place) -> Result<Inventory, CommandError> {
    let architecture = place.rpm(&["--eval", "%{_arch}"])?.success()?;
    let listing = place.rpm(&["-qa", "--qf", FORMAT])?.success()?;
    let mut provides = vec!["-q", "--qf", "%{NAME}\\n", "--whatprovides"];
    provides.extend(SIDE_BY_SIDE);
    // It fails where nothing provides one of them, and says so in between.
    let side_by_side = place.rpm(&provides)?.stdout;
    let side_by_side = side_by_side.lines().filter(|line| !line.contains(' ')).collect();
    let marks = marks(place)?;
    let mut found = parse(architecture.trim(), &listing, &side_by_side, &marks)?;
    let holds = Holds::read(place)?;
    for package in found.installs.packages.values_mut() {
        package.held = holds.of(&package.name);
    }
    Ok(found)
}

/// Adds from which repository each package came, as dnf has noted.
pub(super) fn add_origins(place: &Place, installs: &mut Installs) -> Result<(), CommandError> {
    const ORIGIN: &str = "%{name}\t%{evr}\t%{arch}\t%{from_repo}";
    let answer = place.dnf(&["-q", "--disablerepo=*", "repoquery", "--installed", "--qf", ORIGIN])?.success()?;
    let mut origins = BTreeMap::new();
    for line in answer.lines() {
        if let [name, version, architecture, origin] = line.split('\t').collect::<Vec<_>>().as_slice()
            && !origin.is_empty()
        {
            origins.insert(format!("{name}-{version}.{architecture}"), SmolStr::new(origin));
        }
    }
    for package in installs.packages.values_mut() {
        package.origin = origins.get(&nevra(&package.name, &package.version, &package.architecture)).cloned();
    }
    Ok(())
}

struct Line<'l> {
    name: &'l str,
    architecture: &'l str,
    version: Version,
    source: &'l str,
    bytes: u64,
    changed: Option<Timestamp>,
}

fn parse(
    architecture: &str,
    listing: &str,
    side_by_side: &BTreeSet<&str>,
    marks: &Marks,
) -> Result<Inventory, CommandError> {
    let mut unreadable = Vec::new();
    let mut by_title: BTreeMap<TitleId, Vec<Line>> = BTreeMap::new();
    for line in listing.lines() {
        let odd = |why: &str| CommandError::unexpected("rpm -qa", why, line);
        let fields: Vec<&str> = line.split('\t').collect();
        let &[name, epoch, version, arch, source, bytes, changed] = fields.as_slice() else {
            return Err(odd("expected 7 fields"));
        };
        // The keys that rpm trusts are in its database too.
        if name == "gpg-pubkey" {
            continue;
        }
        let version = match version_of(epoch, version) {
            Ok(version) => version,
            Err(error) => {
                unreadable.push(format!("{name} {version}: {}", error.why));
                continue;
            }
        };
        let bytes = bytes.parse().unwrap_or(0);
        let changed = changed.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let line = Line { name, architecture: arch, version, source, bytes, changed };
        by_title.entry(title_of(architecture, name, arch)).or_default().push(line);
    }
    let mut found = Inventory {
        installs: Installs {
            manager: Manager::Dnf,
            architecture: architecture.into(),
            packages: BTreeMap::new(),
            unreadable,
        },
        duplicates: BTreeMap::new(),
        cut_short: BTreeSet::new(),
        bytes: BTreeMap::new(),
    };
    for (title, mut lines) in by_title {
        lines.sort_by(|a, b| a.version.cmp(&b.version));
        let Some(newest) = lines.pop() else { continue };
        let older: Vec<Version> = lines.into_iter().map(|line| line.version).collect();
        let are_meant = side_by_side.contains(newest.name);
        let name = nevra(newest.name, &newest.version, newest.architecture);
        let cut_short = marks.was_cut_short(&name, newest.changed);
        let status = match () {
            () if !older.is_empty() && !are_meant => Status::HalfInstalled,
            () if cut_short => Status::HalfInstalled,
            () if marks.script_failure(&name, newest.changed).is_some() => Status::HalfConfigured,
            () => Status::Installed,
        };
        if cut_short {
            found.cut_short.insert(title.clone());
        }
        let (source, source_version) = source_of(newest.source);
        found.bytes.insert(title.clone(), newest.bytes);
        found.installs.packages.insert(
            title.clone(),
            Install {
                title: title.clone(),
                name: newest.name.into(),
                architecture: newest.architecture.into(),
                version: newest.version,
                beside: if are_meant { older.clone() } else { Vec::new() },
                source: source.unwrap_or_else(|| newest.name.into()),
                source_version,
                status,
                reinstall_required: false,
                essential: ESSENTIAL.contains(&newest.name),
                held: None,
                origin: None,
                changed: newest.changed,
            },
        );
        if !older.is_empty() && !are_meant {
            found.duplicates.insert(title, older);
        }
    }
    Ok(found)
}

/// Name and version of `openssl-3.0.7-24.el9.src.rpm`. The epoch is not part of a file's name.
fn source_of(file: &str) -> (Option<SmolStr>, Option<Version>) {
    let parts = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm")).and_then(|stem| {
        let (rest, release) = stem.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        Some((name, Version::parse(Scheme::Rpm, &format!("{version}-{release}")).ok()))
    });
    parts.map_or((None, None), |(name, version)| (Some(name.into()), version))
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
