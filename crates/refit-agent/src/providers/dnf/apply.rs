//! Making exactly the changes of a plan, as root.
//!
//! Nothing is touched before everything that can be known in advance has been checked and fetched. Afterwards the state is read
//! again: that, and no exit status, says what has been done.

use super::{
    history::is_configuring,
    inventory::{Inventory, inventory, nevra},
    locks::lock_holder,
    observe::{missing_files, results},
    offers::Build,
    refresh::{classify, key_setting},
    repair,
    replay::{Item, TransactionFile},
    repositories::Source,
    restarts::needs_restart,
    run::{Network, Place},
    simulate::{Detailed, is_open, item, simulate_on},
    transcript::Transcript,
};
use crate::providers::{
    Manager,
    command::{CommandError, follow},
    faults::FaultKind,
    locks::wait_while_held,
    receipt::{PackageOutcome, Receipt, Repair},
    simulated::Simulated,
    space::{Shortage, first_short},
    transaction::{ActionKind, ApplyError, ApplyOptions, Change, Progress, Transaction},
};
use jiff::Timestamp;
use refit_model::TitleId;
use std::{collections::BTreeSet, fs, path::PathBuf, time::Instant};

/// Makes the changes of a transaction, all of them and no others, and says what came of each.
pub(super) fn apply(
    place: &Place,
    plan: &Transaction,
    options: ApplyOptions,
    stop: &dyn Fn() -> bool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Receipt, ApplyError> {
    let (began, clock) = (Timestamp::now(), Instant::now());
    if !rustix::process::geteuid().is_root() {
        return Err(ApplyError::NotRoot);
    }
    wait_while_held(&|| lock_holder(place), options.lock_limit, stop, |holder| {
        on_progress(Progress::WaitingForLock { holder: holder.clone() });
    })
    .map_err(|holder| match stop() {
        true => ApplyError::Interrupted { repairs: Vec::new() },
        false => ApplyError::Locked { holder, waited: options.lock_limit },
    })?;

    let before = inventory(place)?;
    let mut repairs = Vec::new();
    let ready = repair_first(place, plan, &before, options, &mut repairs, stop, on_progress)?;
    let todo: Vec<Change> = plan.changes.iter().filter(|change| is_open(&ready, change)).cloned().collect();
    let mut transcript = Transcript::default();
    let mut problems = Vec::new();
    if !todo.is_empty() {
        let file =
            prepare(place, plan, &todo, &ready, options, stop, on_progress).map_err(|error| error.after(&repairs))?;
        install(place, &ready, &file, options, &mut transcript, &mut problems, stop, on_progress);
    }

    on_progress(Progress::Verifying);
    let after = inventory(place)?;
    let missing = missing_files(place, &after, &plan.actions)?;
    let packages = results(&before, &after, &plan.actions, &missing, &transcript);
    problems.extend(problems_left(&after, &transcript));
    let all_done = packages.iter().all(|package| package.outcome == PackageOutcome::Done);
    Ok(Receipt {
        succeeded: all_done && after.duplicates.is_empty(),
        began,
        duration_ms: clock.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        packages,
        repairs,
        kept_conffiles: transcript.kept_conffiles(),
        needed: needs_restart(place, &after),
        problems,
        output_tail: transcript.tail(),
    })
}

/// Repairs what a transaction has left behind that was broken off.
fn repair_first(
    place: &Place,
    plan: &Transaction,
    found: &Inventory,
    options: ApplyOptions,
    repairs: &mut Vec<Repair>,
    stop: &dyn Fn() -> bool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Inventory, ApplyError> {
    if !repair::is_needed(found) {
        return Ok(found.clone());
    }
    on_progress(Progress::Repairing { packages: repair::left(found) });
    let mut state = found.clone();
    if !state.duplicates.is_empty() {
        let mut pause = finishing(stop, on_progress);
        let tried = repair::remove_duplicates(place, &state, options.install_limit, &mut pause)?;
        drop(pause);
        let (done, repaired) = tried.map_err(|problems| ApplyError::CannotRepair {
            problems: [repair::left(&state), problems].concat(),
            help: "Look at what `dnf remove --duplicates` would do, and run it by hand if that is right".to_owned(),
            output_tail: Vec::new(),
        })?;
        on_progress(Progress::Repaired { repair: done.clone() });
        repairs.push(done);
        state = repaired;
    }
    if stop() {
        return Err(ApplyError::Interrupted { repairs: repairs.clone() });
    }
    // Nothing waits for a package of which it is only unknown whether its scripts ran: what can't be mended now is told, and
    // the plan goes on.
    let is_replaced = |title: &TitleId| {
        let planned = plan.actions.get(title).and_then(|action| action.to.as_ref());
        planned.is_some_and(|to| state.package(title).is_some_and(|package| package.version != *to))
    };
    let open: Vec<TitleId> = state.cut_short.iter().filter(|title| !is_replaced(title)).cloned().collect();
    if !open.is_empty() {
        let mut pause = finishing(stop, on_progress);
        let (done, repaired) = repair::reinstall(place, &state, &open, options.install_limit, &mut pause)?;
        drop(pause);
        on_progress(Progress::Repaired { repair: done.clone() });
        repairs.push(done);
        state = repaired;
    }
    if stop() {
        return Err(ApplyError::Interrupted { repairs: repairs.clone() });
    }
    if !state.duplicates.is_empty() {
        return Err(ApplyError::CannotRepair {
            problems: repair::left(&state),
            help: "Mend what the messages below complain about, then run `dnf remove --duplicates`".to_owned(),
            output_tail: repairs.last().map(|repair| repair.output_tail.clone()).unwrap_or_default(),
        });
    }
    Ok(state)
}

/// Says once that what was begun is finished first, when Refit is asked to end.
fn finishing<'a>(stop: &'a dyn Fn() -> bool, on_progress: &'a mut dyn FnMut(Progress)) -> impl FnMut() + 'a {
    let mut told = false;
    move || {
        if !told && stop() {
            told = true;
            on_progress(Progress::Finishing);
        }
    }
}

/// Checks and fetches all that can be before packages are touched; the transaction that dnf is to replay.
fn prepare(
    place: &Place,
    plan: &Transaction,
    todo: &[Change],
    ready: &Inventory,
    options: ApplyOptions,
    stop: &dyn Fn() -> bool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Prepared, ApplyError> {
    let Detailed { simulated: now, sources, builds } = simulate_on(place, ready, todo)?;
    let differences = differences(plan, &now, ready);
    if !differences.is_empty() {
        return Err(ApplyError::Drifted { manager: Manager::Dnf, differences, repairs: Vec::new() });
    }
    if let Some(shortage) = shortage(place, &now, options.margin_bytes) {
        return Err(ApplyError::NoSpace { manager: Manager::Dnf, shortage, repairs: Vec::new() });
    }
    on_progress(Progress::Downloading { bytes: now.sizes.download_bytes });
    let items = items(ready, &now);
    let failed = |source| CommandError::Io { command: "dnf history replay".to_owned(), source };
    let prepared = Prepared {
        file: TransactionFile::new(&items).map_err(failed)?,
        settings: sources.iter().filter_map(key_setting).collect(),
    };
    download(place, &prepared, options, stop)?;
    let strangers = signed_by_strangers(place, &now, &sources, &builds)?;
    if !strangers.is_empty() {
        return Err(ApplyError::Download {
            message: format!("{}.", strangers.join("; ")),
            help: FaultKind::UnknownKey.advice(Manager::Dnf).to_owned(),
            repairs: Vec::new(),
        });
    }
    Ok(prepared)
}

/// A transaction that dnf is to replay, and the settings that go with it.
struct Prepared {
    file: TransactionFile,
    settings: Vec<String>,
}

impl Prepared {
    fn words(&self, place: &Place, network: Network, more: &[&str]) -> Vec<String> {
        let path = self.file.path();
        let mut args = vec!["-y", "--setopt=*.skip_if_unavailable=1"];
        args.extend(self.settings.iter().map(String::as_str));
        args.extend(more);
        // Without `--ignore-extras`: whatever is not in the file makes dnf refuse.
        args.extend(["history", "replay", "--ignore-installed", &path]);
        place.words(network, &args)
    }
}

/// The transaction as dnf replays it: every package by its exact name, from the repository that the simulation named.
fn items(ready: &Inventory, now: &Simulated) -> Vec<Item> {
    let mut items = Vec::new();
    for (title, package) in &now.packages {
        let repository = now.repositories_of(title).next().map_or("", |repository| repository.id.as_str());
        let name = |version| nevra(&package.name, version, &package.architecture);
        match (&package.to, package.kind) {
            (Some(version), ActionKind::Install) => {
                let reason = if package.named { "user" } else { "dependency" };
                items.push(Item { reason, ..item("Install", name(version), repository) });
            }
            (Some(version), ActionKind::Downgrade) => items.push(item("Downgrade", name(version), repository)),
            (Some(version), ActionKind::Reinstall) => items.push(item("Reinstall", name(version), repository)),
            (Some(version), _) => items.push(item("Upgrade", name(version), repository)),
            (None, _) => {
                let installed = ready.package(title);
                let versions =
                    installed.into_iter().flat_map(|package| package.beside.iter().chain([&package.version]));
                items.extend(versions.map(|version| item("Removed", name(version), "")));
            }
        }
    }
    items
}

/// What dnf would do now against what was planned, leaving aside what has been done already.
fn differences(plan: &Transaction, now: &Simulated, state: &Inventory) -> Vec<String> {
    let goal = |to: Option<&refit_model::Version>| to.map_or("removal".to_owned(), ToString::to_string);
    let titles: BTreeSet<&TitleId> = plan.actions.keys().chain(now.packages.keys()).collect();
    titles
        .into_iter()
        .filter_map(|title| {
            let name = Manager::Dnf.name_of(title);
            match (plan.actions.get(title), now.packages.get(title)) {
                (Some(planned), Some(now)) if planned.to == now.to => None,
                (Some(planned), Some(now)) => {
                    let (planned, now) = (goal(planned.to.as_ref()), goal(now.to.as_ref()));
                    Some(format!("{name}: planned {planned}, now {now}"))
                }
                (Some(planned), None) => {
                    let done = !is_open(state, &Change { title: title.clone(), to: planned.to.clone() });
                    (!done).then(|| format!("{name}: planned {}, now left as it is", goal(planned.to.as_ref())))
                }
                (None, Some(now)) => Some(format!("{name}: not planned, now {}", goal(now.to.as_ref()))),
                (None, None) => None,
            }
        })
        .collect()
}

/// The first file system that has not enough room.
fn shortage(place: &Place, now: &Simulated, margin_bytes: u64) -> Option<Shortage> {
    let files = u64::try_from(now.sizes.growth_bytes).unwrap_or(0).saturating_add(now.sizes.largest_bytes);
    let paths = ["/var/cache/dnf", "/usr", "/var/lib"].map(|path| place.path(path).to_string_lossy().into_owned());
    let bytes = [now.sizes.download_bytes, files, 0];
    first_short(paths.iter().map(String::as_str).zip(bytes), margin_bytes)
}

/// Fetches all packages, and lets dnf check their hashes and signatures.
fn download(
    place: &Place,
    prepared: &Prepared,
    options: ApplyOptions,
    stop: &dyn Fn() -> bool,
) -> Result<(), ApplyError> {
    let words = prepared.words(place, Network::Packages, &["--downloadonly"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = crate::providers::command::ask_unless("dnf", &words, options.install_limit, stop);
    if stop() {
        return Err(ApplyError::Interrupted { repairs: Vec::new() });
    }
    let answer = answer?;
    if answer.status.success() {
        return Ok(());
    }
    let text = format!("{}\n{}", answer.stdout, answer.stderr);
    let differences: Vec<String> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("was pulled into the transaction") || line.starts_with("Cannot find rpm nevra"))
        .map(str::to_owned)
        .collect();
    if !differences.is_empty() {
        return Err(ApplyError::Drifted { manager: Manager::Dnf, differences, repairs: Vec::new() });
    }
    let kind = classify(&text);
    if kind == FaultKind::Other {
        return Err(answer.failure().into());
    }
    let said = text.lines().filter(|line| {
        line.starts_with("Error: ")
            || line.contains("checksum")
            || line.contains("is not signed")
            || line.contains("Failing package")
    });
    let mut said: Vec<&str> =
        said.map(|line| line.trim_start_matches("Error: ").trim().trim_end_matches('.')).collect();
    said.dedup();
    let help = match kind {
        FaultKind::Gone => {
            "The repository has moved on since its lists were fetched: refresh them and make the plan again."
        }
        kind => kind.advice(Manager::Dnf),
    };
    Err(ApplyError::Download { message: format!("{}.", said.join("; ")), help: help.to_owned(), repairs: Vec::new() })
}

/// Packages that are signed with a key that is not one of their repository's. rpm has one set of keys for all: to dnf a
/// package of one repository may be signed with another's.
fn signed_by_strangers(
    place: &Place,
    now: &Simulated,
    sources: &[Source],
    builds: &[Build],
) -> Result<Vec<String>, CommandError> {
    let mut strangers = Vec::new();
    for (title, package) in &now.packages {
        let Some(repository) = now.repositories_of(title).next() else { continue };
        let of_it = |build: &&Build| {
            build.title == *title && Some(&build.version) == package.to.as_ref() && build.repository == repository.id
        };
        let source = sources.iter().find(|source| source.repository.id == repository.id);
        let (Some(build), Some(source)) = (builds.iter().find(of_it), source) else { continue };
        let Some(file) = stored(place, build, source) else {
            strangers.push(format!("the file of {} was not found after it had been fetched", package.name));
            continue;
        };
        const SIGNATURES: &str = "%{RSAHEADER:pgpsig}\n%{DSAHEADER:pgpsig}\n";
        let answer = place.rpm(&["-qp", "--nosignature", "--qf", SIGNATURES, &file.to_string_lossy()])?.success()?;
        let signers: Vec<&str> =
            answer.lines().filter_map(|line| line.rsplit_once("Key ID ")).map(|(_, id)| id.trim()).collect();
        let is_known = |id: &&str| source.keys.iter().any(|key| key.is_named_by(id));
        if signers.is_empty() || !signers.iter().all(is_known) {
            let signers = if signers.is_empty() { "nobody".to_owned() } else { signers.join(", ") };
            strangers.push(format!(
                "{} is signed by {signers}, which is no key of the repository {}",
                nevra(&build.name, &build.version, &build.architecture),
                repository.id
            ));
        }
    }
    Ok(strangers)
}

/// Where dnf keeps the file of a package: in its cache, or where it is if the repository is a folder.
fn stored(place: &Place, build: &Build, source: &Source) -> Option<PathBuf> {
    if let Some(folder) = source.repository.address.strip_prefix("file://") {
        let path = PathBuf::from(folder.trim_end_matches('/')).join(&build.file);
        return path.exists().then_some(path);
    }
    let name = build.file.rsplit('/').next()?;
    let folders = fs::read_dir(place.path("/var/cache/dnf")).ok()?.flatten();
    let of_repository = |name: &str| {
        name.strip_prefix(&build.repository)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|hash| hash.len() == 16)
    };
    let mut folders = folders.filter(|entry| of_repository(&entry.file_name().to_string_lossy()));
    folders.find_map(|entry| Some(entry.path().join("packages").join(name)).filter(|path| path.exists()))
}

#[allow(clippy::too_many_arguments)]
fn install(
    place: &Place,
    state: &Inventory,
    prepared: &Prepared,
    options: ApplyOptions,
    transcript: &mut Transcript,
    problems: &mut Vec<String>,
    stop: &dyn Fn() -> bool,
    on_progress: &mut dyn FnMut(Progress),
) {
    // All has been fetched and checked: nothing else can come in now.
    let words = prepared.words(place, Network::Never, &[]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let told = std::cell::RefCell::new(on_progress);
    let tell = |progress| (told.borrow_mut())(progress);
    let mut tell_too = |progress| tell(progress);
    let mut pause = finishing(stop, &mut tell_too);
    let ended = follow("dnf", &words, options.install_limit, &mut pause, |line| {
        if let Some((title, step)) = transcript.take(state, line) {
            tell(Progress::Package { title, step });
        }
        tell(Progress::Line { text: line.to_owned() });
    });
    match ended {
        Ok(status) if status.success() => {}
        Ok(_) if transcript.errors().is_empty() => problems.push("dnf failed without saying why".to_owned()),
        Ok(_) => problems.push(format!("dnf says: {}", transcript.errors().join("; "))),
        Err(error) => problems.push(error.to_string()),
    }
    if !transcript.was_running() {
        problems.push("dnf refused the transaction before it changed anything".to_owned());
    }
}

fn problems_left(after: &Inventory, transcript: &Transcript) -> Vec<String> {
    let mut problems = Vec::new();
    if transcript.disk_full() {
        problems.push("the disk ran full: make room (`dnf clean packages` helps), then run this again".to_owned());
    }
    for (package, script) in transcript.failed_scripts().filter(|(_, script)| !is_configuring(script)) {
        problems.push(format!("the script %{script} of {package} failed"));
    }
    for file in transcript.replaced_conffiles() {
        problems.push(format!(
            "{file} was edited here, and its package has replaced it; what it said is in {file}.rpmsave"
        ));
    }
    let left = repair::left(after);
    if !left.is_empty() {
        problems.push(format!("{} stayed unfinished: a transaction that brought it was broken off. The next change tries to repair that first", left.join(", ")));
    }
    problems
}
