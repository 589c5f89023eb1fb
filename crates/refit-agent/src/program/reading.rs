//! Reading the machine, as seldom as possible: asking apt or dnf costs more than everything else that an idle agent does.

use super::packages::{names_of, package_name, restart_needs};
use crate::{
    inventory::{inventory, is_trusted},
    machine::{OfferedPackage, Reading},
    providers::{
        Provider,
        available::{Available, SourceHealth},
        faults::Fault,
        installs::Installs,
    },
};
use jiff::Timestamp;
use refit_model::TitleId;
use refit_wire::state::PackageName;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// What was read last, and of which files it came.
#[derive(Default)]
pub struct Reader {
    last: Option<Last>,
}

struct Last {
    files: Vec<FileState>,
    wanted: Vec<PackageName>,
    offered: Vec<OfferedPackage>,
    restart: crate::machine::RestartNeeds,
    restart_at: Instant,
}

/// A file or folder, when it was changed and how large it is; `None` where it is not there.
type FileState = (PathBuf, Option<(SystemTime, u64)>);

/// What changes when packages, sources or what they offer do. What dnf has fetched is [`FETCHED`].
const FILES: [&str; 11] = [
    "/var/lib/dpkg/status",
    "/var/lib/apt/lists",
    "/etc/apt",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/preferences.d",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite",
    "/etc/yum.repos.d",
    "/etc/dnf",
    "/etc/os-release",
];
/// Where dnf keeps what it has fetched, in a folder for each repository. The folder itself changes whenever dnf is only asked.
const FETCHED: &str = "/var/cache/dnf";
/// What of a repository's folder there changes when something else is offered.
const OFFERED: [&str; 2] = ["repodata", "repodata/repomd.xml"];
/// How often it is looked which programs run from old files, where nothing else has changed.
const RESTARTS: Duration = Duration::from_secs(3_600);

/// Of how many faults of sources it is told at once; they tend to have one cause.
const FAULTS_MOST: usize = 10;

impl Reader {
    /// Reads the machine; only what may have changed.
    pub fn read(
        &mut self,
        provider: &dyn Provider,
        refresh: bool,
        wanted: &[PackageName],
        restarting: &[PackageName],
        now: Timestamp,
    ) -> Result<Reading, String> {
        let (mut refreshed, mut faults) = (false, Vec::new());
        if refresh {
            // Where the lists can't be fetched, what is stored is read; the package manager itself says what has expired.
            match provider.refresh(Duration::from_secs(60), &mut |_| {}) {
                Ok(fetched) => {
                    refreshed = true;
                    faults = fetched.faults.iter().take(FAULTS_MOST).map(in_words).collect();
                }
                Err(error) => faults.push(error.to_string()),
            }
        }
        let files = states();
        if let Some(last) = self.last.as_mut().filter(|last| last.files == files && last.wanted == wanted) {
            if last.restart_at.elapsed() > RESTARTS || !restarting.is_empty() {
                last.restart = restart_needs(provider, restarting)?;
                last.restart_at = Instant::now();
            }
            let (offered, restart) = (last.offered.clone(), last.restart.clone());
            return Ok(Reading { inventory: None, offered, restart, refreshed, faults });
        }
        let machine = provider.machine().map_err(|error| error.to_string())?;
        let installs = provider.installs().map_err(|error| error.to_string())?;
        if !installs.unreadable.is_empty() {
            return Err(format!("packages whose version is none: {}", installs.unreadable.join("; ")));
        }
        let titles: Vec<TitleId> = names_of(wanted);
        let available = provider.available(&titles, now).map_err(|error| error.to_string())?;
        let offered = offered(&installs, &available);
        let restart = restart_needs(provider, restarting)?;
        let inventory = inventory(&machine, &installs, &available, now);
        self.last = Some(Last {
            files,
            wanted: wanted.to_vec(),
            offered: offered.clone(),
            restart: restart.clone(),
            restart_at: Instant::now(),
        });
        Ok(Reading { inventory: Some(inventory), offered, restart, refreshed, faults })
    }
}

/// What is wrong with a source, and what to do about it.
fn in_words(fault: &Fault) -> String {
    match fault.source.as_str() {
        "" => fault.to_string(),
        source => format!("{source}: {fault}"),
    }
}

/// Versions that trusted sources offer and that are not installed, with the keys of these sources.
fn offered(installs: &Installs, available: &Available) -> Vec<OfferedPackage> {
    let mut offered = Vec::new();
    for (title, offers) in &available.packages {
        let Some(package) = package_name(title) else { continue };
        let installed = installs.packages.get(title).map(|install| &install.version);
        for offer in offers.iter().filter(|offer| Some(&offer.version) != installed && is_trusted(offer, available)) {
            let repositories = offer.repositories.iter().filter_map(|place| available.repositories.get(*place));
            let good = repositories.filter(|repository| repository.health == SourceHealth::Good);
            let keys = good.flat_map(|repository| repository.keys.iter().map(|key| key.as_str().into())).collect();
            offered.push(OfferedPackage { package: package.clone(), version: offer.version.as_str().into(), keys });
        }
    }
    offered
}

fn states() -> Vec<FileState> {
    let state = |path: PathBuf| {
        let data = fs::metadata(&path).ok();
        (path, data.and_then(|data| Some((data.modified().ok()?, data.len()))))
    };
    let repositories = fs::read_dir(Path::new(FETCHED)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut offered: Vec<PathBuf> = repositories
        .flat_map(|repository| OFFERED.map(|name| repository.join(name)))
        .filter(|it| it.exists())
        .collect();
    offered.sort_unstable();
    FILES.into_iter().map(PathBuf::from).chain(offered).map(state).collect()
}
