//! Between the machine and the package manager: the machine's words into the provider's, and back.

use crate::{
    inventory::is_there,
    machine::{CannotDo, Change, Observed, RestartNeeds},
    providers::{
        Provider,
        installs::{Installs, Status},
        receipt::{PackageOutcome, Receipt},
        simulated::Simulated,
        transaction::{self, ActionKind, ApplyError, ApplyOptions, Permissions, Progress, SimulateError},
    },
};
use jiff::Timestamp;
use refit_model::{TitleId, Version};
use refit_wire::{
    limits,
    mandate::check::Step,
    state::{PackageName, System},
};
use smol_str::{SmolStr, format_smolstr};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

/// `deb/openssl` as a package.
pub fn package_name(title: &TitleId) -> Option<PackageName> {
    let (namespace, name) = title.package()?;
    Some(PackageName { system: System::from_namespace(namespace)?, name: name.into() })
}

/// A package as a title.
pub fn title(package: &PackageName) -> TitleId {
    TitleId::new(format_smolstr!("{}/{}", package.system.namespace(), package.name))
}

/// Packages as titles.
pub fn names_of(packages: &[PackageName]) -> Vec<TitleId> {
    packages.iter().map(title).collect()
}

/// What the package manager would do, for the machine to judge.
pub fn simulate(
    provider: &dyn Provider,
    changes: &[Change],
    now: Timestamp,
) -> Result<(Simulated, Vec<Step>), CannotDo> {
    let changes = changes.iter().map(wish).collect::<Result<Vec<_>, _>>()?;
    let simulated = provider.simulate(&changes, now).map_err(|error| match error {
        SimulateError::Command(error) => CannotDo { passing: true, held: false, why: error.to_string() },
        SimulateError::Refused(refusal) => {
            CannotDo { passing: false, held: !refusal.held.is_empty(), why: refusal.to_string() }
        }
    })?;
    let steps = steps(&simulated);
    Ok((simulated, steps))
}

fn wish(change: &Change) -> Result<transaction::Change, CannotDo> {
    Ok(match change {
        Change::To(package) => {
            let name = PackageName { system: package.system, name: package.name.clone() };
            let version = Version::parse(package.system.scheme(), &package.version).map_err(|error| CannotDo {
                passing: false,
                held: false,
                why: error.to_string(),
            })?;
            transaction::Change { title: title(&name), to: Some(version) }
        }
        Change::Gone(package) => transaction::Change { title: title(package), to: None },
    })
}

/// Every step of a simulation. Where a version can be had from several sources, each of them has to be permitted: there is a
/// step for each set of keys.
pub fn steps(simulated: &Simulated) -> Vec<Step> {
    let mut steps = Vec::new();
    for (title, package) in &simulated.packages {
        // To configure what is unpacked brings nothing new.
        if package.kind == ActionKind::Configure {
            continue;
        }
        let Some(name) = package_name(title) else { continue };
        let sources: BTreeSet<BTreeSet<_>> = simulated
            .repositories_of(title)
            .map(|repository| repository.keys.iter().map(|key| key.as_str().into()).collect())
            .collect();
        let sources = if sources.is_empty() { [BTreeSet::new()].into() } else { sources };
        steps.extend(sources.into_iter().map(|keys| Step {
            package: name.clone(),
            before: package.from.as_ref().map(|version| version.as_str().into()),
            after: package.to.as_ref().map(|version| version.as_str().into()),
            keys,
        }));
    }
    steps
}

/// Makes exactly the changes that were judged. What was begun is finished, whatever `stop` says by then.
pub fn apply(
    provider: &dyn Provider,
    changes: &[Change],
    permitted: &[Step],
    now: Timestamp,
    stop: &dyn Fn() -> bool,
) -> Result<Observed, CannotDo> {
    let (simulated, steps) = simulate(provider, changes, now)?;
    if steps != permitted {
        let why = "the package manager would by now do something else than what was judged".to_owned();
        return Err(CannotDo { passing: true, held: false, why });
    }
    let plan = simulated.transaction(Permissions::default());
    let receipt = provider.apply(&plan, ApplyOptions::default(), stop, &mut |_: Progress| {}).map_err(cannot)?;
    Ok(observed(&receipt, permitted))
}

fn cannot(error: ApplyError) -> CannotDo {
    let passing = match &error {
        ApplyError::Locked { .. }
        | ApplyError::Interrupted { .. }
        | ApplyError::Drifted { .. }
        | ApplyError::Download { .. }
        | ApplyError::Command(_) => true,
        ApplyError::NotRoot
        | ApplyError::CannotRepair { .. }
        | ApplyError::NoSpace { .. }
        | ApplyError::Refused { .. } => false,
    };
    let held = matches!(&error, ApplyError::Refused { refusal, .. } if !refusal.held.is_empty());
    CannotDo { passing, held, why: error.to_string() }
}

fn observed(receipt: &Receipt, permitted: &[Step]) -> Observed {
    let mut observed = Observed { duration_ms: receipt.duration_ms, ..Observed::default() };
    for result in &receipt.packages {
        let Some(package) = package_name(&result.title) else { continue };
        let well = result.status == Some(Status::Installed) && !matches!(result.outcome, PackageOutcome::Failed { .. });
        let version = result.after.as_ref().filter(|_| well).map(|version| version.as_str().into());
        if let PackageOutcome::Failed { why, output } = &result.outcome {
            let text = format!("{why}\n{}", output.join("\n"));
            observed.output.insert(package.clone(), end_of(text));
        }
        if let Some(version) = result.after.as_ref().filter(|_| !well) {
            observed.broken.insert(package.clone(), version.as_str().into());
        }
        observed.versions.insert(package, version);
    }
    observed.problems = receipt.problems.clone();
    let packages: Vec<PackageName> = permitted.iter().map(|step| step.package.clone()).collect();
    observed.restart = needs(&receipt.needed, &packages);
    observed
}

/// The end of an output, within the limit of a receipt.
fn end_of(text: String) -> String {
    let from = text.len().saturating_sub(limits::OUTPUT);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    if from == 0 { text } else { text[from..].to_owned() }
}

/// What is there of some packages, without having changed anything: after a death in the middle.
pub fn observe(provider: &dyn Provider, packages: &[PackageName]) -> Result<Observed, CannotDo> {
    let installs: Installs =
        provider.installs().map_err(|error| CannotDo { passing: true, held: false, why: error.to_string() })?;
    let version = |package: &PackageName| {
        let install = installs.packages.get(&title(package))?;
        install.well_version().map(|version| version.as_str().into())
    };
    let versions: BTreeMap<_, _> = packages.iter().map(|package| (package.clone(), version(package))).collect();
    let broken = broken(&installs, packages);
    let restart = restart_needs(provider, packages).map_err(|why| CannotDo { passing: true, held: false, why })?;
    Ok(Observed { versions, broken, restart, ..Observed::default() })
}

/// The versions of packages whose files are there, and that are not well. A removed package may leave its configuration, and is gone.
fn broken(installs: &Installs, packages: &[PackageName]) -> BTreeMap<PackageName, SmolStr> {
    let version = |package: &PackageName| {
        let install =
            installs.packages.get(&title(package)).filter(|install| is_there(install) && !install.is_well())?;
        Some((package.clone(), install.version.as_str().into()))
    };
    packages.iter().filter_map(version).collect()
}

/// What does not run from its new files, and which of `packages` are concerned. Where that can't be read nothing follows: least of all that
/// nothing waits for a restart.
pub fn restart_needs(provider: &dyn Provider, packages: &[PackageName]) -> Result<RestartNeeds, String> {
    let needed =
        provider.needs_restart().map_err(|error| format!("what runs from old files can't be read: {error}"))?;
    Ok(needs(&needed, packages))
}

fn needs(needed: &crate::providers::receipt::Needed, packages: &[PackageName]) -> RestartNeeds {
    let old: BTreeSet<&str> = needed.restarts.iter().flat_map(|restart| &restart.files).map(String::as_str).collect();
    let concerned = packages.iter().filter(|package| {
        let name = package.name.split(':').next().unwrap_or_default();
        let named = needed.reboot.iter().any(|reason| {
            let words = reason.split(|letter: char| letter.is_whitespace() || letter == ',');
            words.into_iter().any(|word| word == name)
        });
        let kernel = name.starts_with("linux-image") || name == "kernel" || name.starts_with("kernel-core");
        named || (kernel && !needed.reboot.is_empty()) || (!old.is_empty() && owns_any(package, &old))
    });
    RestartNeeds { machine: needed.reboot.iter().map(Into::into).collect(), packages: concerned.cloned().collect() }
}

/// Whether one of some files is the package's.
fn owns_any(package: &PackageName, files: &BTreeSet<&str>) -> bool {
    let list = match package.system {
        System::Deb => dpkg_list(Path::new("/var/lib/dpkg/info"), &package.name),
        System::Rpm => {
            let asked = Command::new("rpm").args(["-ql", "--", package.name.as_str()]).output();
            asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
        }
    };
    // `/lib` is a link to `/usr/lib` on merged systems; dpkg writes either.
    list.lines().any(|file| files.contains(file) || files.contains(format!("/usr{file}").as_str()))
}

/// The files of a package: in `NAME.list`, or `NAME:ARCH.list` where several architectures may be installed together.
fn dpkg_list(info: &Path, name: &str) -> String {
    if let Ok(list) = fs::read_to_string(info.join(format!("{name}.list"))) {
        return list;
    }
    let entries = fs::read_dir(info).into_iter().flatten().flatten();
    let of_name = entries.filter(|entry| {
        let file = entry.file_name();
        let file = file.to_str().and_then(|file| file.strip_suffix(".list"));
        file.and_then(|file| file.split_once(':')).is_some_and(|(of, _)| of == name)
    });
    of_name.filter_map(|entry| fs::read_to_string(entry.path()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{Manager, installs::Install};
    use refit_model::Scheme;

    #[test]
    fn what_was_removed_and_left_its_configuration_has_no_version() {
        let install = |name: &str, status: Status| {
            let install = Install {
                title: TitleId::new(format!("deb/{name}")),
                name: name.into(),
                architecture: "amd64".into(),
                version: Version::parse(Scheme::Dpkg, "1.0").unwrap(),
                beside: Vec::new(),
                source: name.into(),
                source_version: None,
                status,
                reinstall_required: false,
                essential: false,
                held: None,
                origin: None,
                changed: None,
            };
            (install.title.clone(), install)
        };
        let states = [("gone", Status::ConfigFiles), ("half", Status::HalfConfigured), ("well", Status::Installed)];
        let installs = Installs {
            manager: Manager::Apt,
            architecture: "amd64".into(),
            packages: states.into_iter().map(|(name, status)| install(name, status)).collect(),
            unreadable: Vec::new(),
        };
        let package = |name: &str| PackageName { system: System::Deb, name: name.into() };
        let found = broken(&installs, &["gone", "half", "well"].map(package));
        assert_eq!(found, [(package("half"), "1.0".into())].into());
    }
}
