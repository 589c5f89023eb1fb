//! What the repositories offer, as dnf sees it.

use super::{
    inventory::{Inventory, name_of, title_of, version_of},
    repositories::Source,
    run::Place,
};
use crate::providers::{
    available::{Available, Offer},
    command::CommandError,
};
use refit_model::{TitleId, Version};
use std::collections::{BTreeMap, BTreeSet};

/// How many names one call is given, which keeps the command line below the system's limit.
const NAMES_PER_CALL: usize = 4000;

/// One version of one package in one repository.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Build {
    pub title: TitleId,
    pub name: String,
    pub version: Version,
    pub architecture: String,
    pub repository: String,
    pub download_bytes: u64,
    pub installed_bytes: u64,
    /// The file's name in its repository, with folders.
    pub file: String,
}

const FORMAT: &str =
    "%{name}\t%{epoch}\t%{version}-%{release}\t%{arch}\t%{repoid}\t%{downloadsize}\t%{installsize}\t%{relativepath}";

/// All builds of these packages that the repositories have; of `names` each is a name, or a name with a version.
pub(super) fn builds(
    place: &Place,
    own: &str,
    names: &[String],
    with_excluded: bool,
) -> Result<Vec<Build>, CommandError> {
    let mut found = Vec::new();
    for names in names.chunks(NAMES_PER_CALL) {
        let mut args = vec!["-q", "--setopt=*.skip_if_unavailable=1"];
        if with_excluded {
            args.push("--disableexcludes=all");
        }
        args.extend(["repoquery", "--available", "--qf", FORMAT, "--"]);
        args.extend(names.iter().map(String::as_str));
        found.extend(parse(own, &place.dnf(&args)?.success()?)?);
    }
    Ok(found)
}

fn parse(own: &str, text: &str) -> Result<Vec<Build>, CommandError> {
    let build = |line: &str| {
        let odd = |why: &str| CommandError::unexpected("dnf repoquery", why, line);
        let fields: Vec<&str> = line.split('\t').collect();
        let &[name, epoch, version, architecture, repository, download, installed, file] = fields.as_slice() else {
            return Err(odd("expected 8 fields"));
        };
        Ok(Build {
            title: title_of(own, name, architecture),
            name: name.to_owned(),
            version: version_of(epoch, version).map_err(|error| odd(&error.why))?,
            architecture: architecture.to_owned(),
            repository: repository.to_owned(),
            download_bytes: download.parse().unwrap_or(0),
            installed_bytes: installed.parse().unwrap_or(0),
            file: file.to_owned(),
        })
    };
    text.lines().filter(|line| !line.trim().is_empty() && !line.ends_with(".src")).map(build).collect()
}

/// What there is of everything that is installed, and of `wanted`.
pub(super) fn available(
    place: &Place,
    inventory: &Inventory,
    sources: &[Source],
    wanted: &[TitleId],
) -> Result<Available, CommandError> {
    let of_manager = |title: &&TitleId| title.package().is_some_and(|(namespace, _)| namespace == "rpm");
    let wanted = wanted.iter().filter(of_manager);
    let titles: BTreeSet<&TitleId> = inventory.installs.packages.keys().chain(wanted).collect();
    let names: BTreeSet<String> = titles.iter().map(|title| name_of(title).0.to_owned()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let own = &inventory.installs.architecture;
    let all = if names.is_empty() { Vec::new() } else { builds(place, own, &names, true)? };
    let shown = if names.is_empty() { Vec::new() } else { builds(place, own, &names, false)? };
    let security = security(place)?;
    let mut packages: BTreeMap<TitleId, BTreeMap<Version, Offer>> = BTreeMap::new();
    for build in &all {
        let Some(position) = sources.iter().position(|source| source.repository.id == build.repository) else {
            continue;
        };
        if !titles.contains(&build.title) || build.architecture == "src" {
            continue;
        }
        let held = inventory.package(&build.title).and_then(|package| package.held.clone());
        let is_excluded = || !shown.iter().any(|other| other.title == build.title && other.version == build.version);
        let is_newer = inventory.package(&build.title).is_none_or(|package| build.version > package.version);
        let withheld =
            held.or_else(|| is_excluded().then(|| "dnf's configuration excludes it (`excludepkgs`)".to_owned()));
        let offer = packages.entry(build.title.clone()).or_default().entry(build.version.clone()).or_insert(Offer {
            version: build.version.clone(),
            candidate: false,
            security: security.contains(&super::inventory::nevra(&build.name, &build.version, &build.architecture)),
            withheld: withheld.filter(|_| is_newer),
            on_demand: false,
            repositories: Vec::new(),
        });
        offer.repositories.push(position);
    }
    let packages = packages.into_iter().map(|(title, versions)| {
        let mut offers: Vec<Offer> = versions.into_values().rev().collect();
        if let Some(candidate) = offers.iter_mut().find(|offer| offer.withheld.is_none()) {
            candidate.candidate = true;
        }
        (title, offers)
    });
    let repositories = sources.iter().map(|source| source.repository.clone()).collect();
    Ok(Available { repositories, packages: packages.collect() })
}

/// The packages, as dnf names them, that security advisories of the repositories bring.
fn security(place: &Place) -> Result<BTreeSet<String>, CommandError> {
    let args = ["-q", "--setopt=*.skip_if_unavailable=1", "updateinfo", "list", "--all", "--security"];
    let answer = place.dnf(&args)?;
    if !answer.status.success() {
        return Ok(BTreeSet::new());
    }
    Ok(answer.stdout.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_have_their_repository_and_the_architecture_is_part_of_a_foreign_title() {
        let text = "alpha\t0\t2.0-1\tnoarch\tbase\t6475\t15\tpool/alpha-2.0-1.noarch.rpm\nglibc\t1\t2.34-60\ti686\tbaseos\t9\t10\tglibc.rpm\n";
        let builds = parse("x86_64", text).unwrap();
        assert_eq!((builds[0].title.as_str(), builds[0].repository.as_str()), ("rpm/alpha", "base"));
        assert_eq!((builds[1].title.as_str(), builds[1].version.as_str()), ("rpm/glibc:i686", "1:2.34-60"));
        assert!(parse("x86_64", "alpha\t0\n").is_err());
    }
}
