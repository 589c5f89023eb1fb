//! Making exactly the changes of a plan, as root.
//!
//! Nothing is touched before everything that can be known in advance has been checked and fetched. Afterwards the package
//! state is read again: that, and no exit status, says what has been done.

use super::{
    inventory::{Inventory, Package, apt_name, inventory},
    locks::{ALL_LOCKS, wait_for_locks},
    observe::results,
    preflight::shortage,
    records::sizes,
    refresh::faults_in,
    repair,
    restarts::needs_restart,
    simulate::{INSTALL, actions_for, argument},
    transcript::Transcript,
};
use crate::providers::{
    Manager,
    command::{CommandError, ask, ask_unless, follow},
    faults::FaultKind,
    receipt::{PackageOutcome, Receipt, Repair},
    transaction::{Action, ActionKind, ApplyError, ApplyOptions, Change, Progress, Transaction},
};
use jiff::Timestamp;
use refit_model::TitleId;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// Makes the changes of a transaction, all of them and no others, and says what came of each.
///
/// `stop` tells whether Refit was asked to end. Before packages are touched that ends it; afterwards what was begun is
/// finished first.
pub fn apply(
    plan: &Transaction,
    options: ApplyOptions,
    stop: &dyn Fn() -> bool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Receipt, ApplyError> {
    let (began, clock) = (Timestamp::now(), Instant::now());
    if !rustix::process::geteuid().is_root() {
        return Err(ApplyError::NotRoot);
    }
    wait_for_locks(&ALL_LOCKS, options.lock_limit, stop, |holder| {
        on_progress(Progress::WaitingForLock { holder: holder.clone() });
    })
    .map_err(|holder| match stop() {
        true => ApplyError::Interrupted { repairs: Vec::new() },
        false => ApplyError::Locked { holder, waited: options.lock_limit },
    })?;

    let before = inventory()?;
    let mut repairs = Vec::new();
    let ready = repair_first(plan, &before, options, &mut repairs, stop, on_progress)?;
    let todo = remaining_changes(plan, &ready);
    let mut transcript = Transcript::default();
    let mut problems = Vec::new();

    if !todo.is_empty() {
        let arguments =
            prepare(plan, &todo, &ready, options, stop, on_progress).map_err(|error| error.after(&repairs))?;
        install(&ready, &arguments, options, &mut transcript, &mut problems, stop, on_progress)?;
    }

    on_progress(Progress::Verifying);
    let mut after = inventory()?;
    if repair::is_needed(&after) {
        let (repair, repaired) = repair::configure(&after, options.install_limit, &mut || {})?;
        on_progress(Progress::Repaired { repair: repair.clone() });
        repairs.push(repair);
        after = repaired;
    }
    let packages = results(&before, &after, &plan.actions, &transcript);
    problems.extend(problems_left(&after, &transcript));
    let all_done = packages.iter().all(|package| package.outcome == PackageOutcome::Done);
    Ok(Receipt {
        succeeded: all_done && !repair::is_needed(&after),
        began,
        duration_ms: clock.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        packages,
        repairs,
        kept_conffiles: transcript.kept_conffiles(),
        needed: needs_restart(&after),
        problems,
        output_tail: transcript.tail(),
    })
}

/// Checks and fetches all that can be before packages are touched; what apt-get is to be asked for.
fn prepare(
    plan: &Transaction,
    todo: &[Change],
    ready: &Inventory,
    options: ApplyOptions,
    stop: &dyn Fn() -> bool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<Vec<String>, ApplyError> {
    let actions = actions_for(ready, todo)?;
    let differences = differences(plan, &actions, ready);
    if !differences.is_empty() {
        return Err(ApplyError::Drifted { manager: Manager::Apt, differences, repairs: Vec::new() });
    }
    let sizes = sizes(ready, &actions)?;
    if let Some(shortage) = shortage(&actions, sizes, options.margin_bytes) {
        return Err(ApplyError::NoSpace { manager: Manager::Apt, shortage, repairs: Vec::new() });
    }
    on_progress(Progress::Downloading { bytes: sizes.download_bytes });
    let arguments = arguments(todo, &actions, options);
    let fetched = download(&arguments, options.install_limit, stop);
    if stop() {
        return Err(ApplyError::Interrupted { repairs: Vec::new() });
    }
    fetched?;
    Ok(arguments)
}

/// Repairs what an earlier change has left behind. Packages that stay unfinished are no obstacle if the plan itself brings
/// another version of each of them: that is how a broken release is mended.
fn repair_first(
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
    let limit = options.install_limit;
    on_progress(Progress::Repairing { packages: repair::described(found.unfinished()) });
    let (done, mut state) = repair::configure(found, limit, &mut finishing(stop, on_progress))?;
    let mut output_tail = done.output_tail.clone();
    on_progress(Progress::Repaired { repair: done.clone() });
    repairs.push(done);
    if stop() {
        return Err(ApplyError::Interrupted { repairs: repairs.clone() });
    }
    if is_mended_by_plan(plan, &state) {
        return Ok(state);
    }
    let cannot =
        |problems, help: &str, output_tail| ApplyError::CannotRepair { problems, help: help.to_owned(), output_tail };
    let actions = repair::remaining(&state)?;
    if !actions.is_empty() {
        let tried = repair::fix_broken(&state, &actions, plan.permissions, limit, &mut finishing(stop, on_progress))?;
        match tried {
            Ok((done, repaired)) => {
                output_tail = done.output_tail.clone();
                on_progress(Progress::Repaired { repair: done.clone() });
                repairs.push(done);
                state = repaired;
            }
            Err(problems) => {
                let problems = [problems, vec!["only `dpkg --configure -a` was run".to_owned()]].concat();
                let help = "Look at what `apt-get -f install` would do, and run it by hand if that is right";
                return Err(cannot(problems, help, output_tail));
            }
        }
    }
    if is_mended_by_plan(plan, &state) {
        return Ok(state);
    }
    let help = "Mend what the messages below complain about, then run `dpkg --configure -a`; or plan and apply again when a version without the fault is out";
    Err(cannot(repair::described(state.unfinished()), help, output_tail))
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

/// Whether the plan brings another version of what is unfinished, or configures what waits for that.
fn is_mended_by_plan(plan: &Transaction, state: &Inventory) -> bool {
    let planned = |package: &Package| plan.actions.get(&package.title);
    let is_replaced = |package: &Package| planned(package).is_some_and(|action| action.to != package.version);
    let has_journal_only = state.unfinished().next().is_none();
    has_journal_only
        || (state.unfinished().all(|package| planned(package).is_some()) && state.unfinished().any(is_replaced))
}

/// The changes that are still to be made: a repair may have completed some.
fn remaining_changes(plan: &Transaction, state: &Inventory) -> Vec<Change> {
    let is_open = |change: &&Change| {
        let package = state.packages.get(&change.title);
        match &change.to {
            Some(version) => package.and_then(Package::well_version) != Some(version),
            None => package.is_some_and(Package::is_present),
        }
    };
    plan.changes.iter().filter(is_open).cloned().collect()
}

/// What apt would do now against what was planned, leaving aside what has been done already.
fn differences(plan: &Transaction, actions: &BTreeMap<TitleId, Action>, state: &Inventory) -> Vec<String> {
    let goal = |action: &Action| action.to.as_ref().map_or("removal".to_owned(), |version| version.to_string());
    let titles: BTreeSet<&TitleId> = plan.actions.keys().chain(actions.keys()).collect();
    titles
        .into_iter()
        .filter_map(|title| {
            let name = apt_name(title);
            let package = state.packages.get(title);
            match (plan.actions.get(title), actions.get(title)) {
                (Some(planned), Some(now)) if planned.to == now.to => None,
                (Some(planned), Some(now)) => Some(format!("{name}: planned {}, now {}", goal(planned), goal(now))),
                (Some(planned), None) => {
                    let done = match &planned.to {
                        Some(version) => package.and_then(Package::well_version) == Some(version),
                        None => !package.is_some_and(Package::is_present),
                    };
                    (!done).then(|| format!("{name}: planned {}, now left as it is", goal(planned)))
                }
                (None, Some(now)) if now.kind == ActionKind::Configure => None,
                (None, Some(now)) => Some(format!("{name}: not planned, now {}", goal(now))),
                (None, None) => None,
            }
        })
        .collect()
}

/// apt-get's arguments; [`INSTALL`] is shared with the simulation.
fn arguments(changes: &[Change], actions: &BTreeMap<TitleId, Action>, options: ApplyOptions) -> Vec<String> {
    let mut args = vec!["-y".to_owned()];
    if actions.values().all(|action| action.to.is_some()) {
        args.push("--no-remove".to_owned());
    }
    // Naming the version is the permission: a downgrade in the plan was asked for by name.
    if actions.values().any(|action| action.kind == ActionKind::Downgrade) {
        args.push("--allow-downgrades".to_owned());
    }
    let settings = [
        "Dpkg::Options::=--force-confdef".to_owned(),
        "Dpkg::Options::=--force-confold".to_owned(),
        "Dpkg::Use-Pty=0".to_owned(),
        format!("DPkg::Lock::Timeout={}", options.lock_limit.as_secs().max(1)),
    ];
    args.extend(settings.into_iter().flat_map(|setting| ["-o".to_owned(), setting]));
    args.extend(INSTALL.map(str::to_owned));
    args.extend(changes.iter().map(argument));
    args
}

fn download(arguments: &[String], limit: Duration, stop: &dyn Fn() -> bool) -> Result<(), ApplyError> {
    let args: Vec<&str> = ["--download-only"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    let answer = ask_unless("apt-get", &args, limit, stop)?;
    if answer.status.success() {
        return Ok(());
    }
    let faults = faults_in(&answer.stderr);
    let Some(first) = faults.first() else { return Err(answer.failure().into()) };
    let help = match first.kind {
        FaultKind::Gone => {
            "The archive has moved on since its lists were fetched: refresh them and make the plan again."
        }
        kind => kind.advice(Manager::Apt),
    };
    let message = faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join(" ");
    Err(ApplyError::Download { message, help: help.to_owned(), repairs: Vec::new() })
}

fn install(
    state: &Inventory,
    arguments: &[String],
    options: ApplyOptions,
    transcript: &mut Transcript,
    problems: &mut Vec<String>,
    stop: &dyn Fn() -> bool,
    on_progress: &mut dyn FnMut(Progress),
) -> Result<(), ApplyError> {
    let automatic = automatic()?;
    let args: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = std::cell::RefCell::new(on_progress);
    let tell = |progress| (told.borrow_mut())(progress);
    let mut tell_too = |progress| tell(progress);
    let mut pause = finishing(stop, &mut tell_too);
    let ended = follow("apt-get", &args, options.install_limit, &mut pause, |line| {
        if let Some((title, step)) = transcript.take(state, line) {
            tell(Progress::Package { title, step });
        }
        tell(Progress::Line { text: line.to_owned() });
    });
    // From here on packages may have changed: whatever went wrong is told in the receipt, after they have been looked at.
    match ended {
        Ok(status) if status.success() => {}
        Ok(_) if transcript.errors().is_empty() => {}
        Ok(_) => problems.push(format!("apt-get says: {}", transcript.errors().join("; "))),
        Err(error) => problems.push(error.to_string()),
    }
    if let Err(error) = keep_automatic(&automatic) {
        problems
            .push(format!("packages that were marked as installed automatically may be marked as manual now: {error}"));
    }
    Ok(())
}

/// The packages that nobody asked for by name: others needed them.
fn automatic() -> Result<BTreeSet<String>, CommandError> {
    Ok(ask("apt-mark", &["showauto"])?.success()?.lines().map(str::to_owned).collect())
}

/// Naming a package on apt-get's command line marks it as wanted for its own sake, which it need not be: undo that.
fn keep_automatic(before: &BTreeSet<String>) -> Result<(), CommandError> {
    let now = ask("apt-mark", &["showmanual"])?.success()?;
    let lost: Vec<&str> = now.lines().filter(|name| before.contains(*name)).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let args: Vec<&str> = ["auto", "--"].into_iter().chain(lost).collect();
    ask("apt-mark", &args)?.success().map(drop)
}

fn problems_left(after: &Inventory, transcript: &Transcript) -> Vec<String> {
    let mut problems = Vec::new();
    if transcript.disk_full() {
        problems.push(
            "the disk ran full: make room (`apt-get clean` helps), then run this again, which repairs first".to_owned(),
        );
    }
    let unfinished = repair::described(after.unfinished());
    if !unfinished.is_empty() {
        problems.push(format!(
            "{} stayed unfinished. Mend what the messages above complain about, then run `dpkg --configure -a`; or plan and apply again when a version without the fault is out. Until then nothing else can be changed",
            unfinished.join(", ")
        ));
    } else if repair::is_needed(after) {
        problems.push("dpkg's journal is left over: run `dpkg --configure -a`".to_owned());
    }
    problems
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
