//! What every package manager can be asked, in the same words.

use super::{
    Manager,
    apt::Apt,
    available::Available,
    command::CommandError,
    dnf::Dnf,
    faults::Refresh,
    installs::Installs,
    locks::{LockHolder, wait_while_held},
    machine::{Machine, MachineError},
    narrow::{Narrowed, Settled},
    receipt::{Needed, Receipt},
    simulated::Simulated,
    transaction::{ApplyError, ApplyOptions, Change, Permissions, Progress, SimulateError, Transaction},
};
use jiff::Timestamp;
use refit_model::TitleId;
use std::{fs, path::Path, time::Duration};

/// A package manager.
///
/// Two rules hold for each. Its own answer is the truth: dependencies, pins and excludes are asked for, never worked out
/// again. And an exit status is never believed: what counts is the state that is read afterwards.
pub trait Provider {
    /// Which one it is.
    fn manager(&self) -> Manager;

    /// The machine itself.
    fn machine(&self) -> Result<Machine, MachineError>;

    /// Every package of which something is on the machine, with what holds it and whether it is well.
    fn installs(&self) -> Result<Installs, CommandError>;

    /// Fetches what the sources offer, as root, waiting up to `lock_limit` for another program that does the same.
    fn refresh(&self, lock_limit: Duration, on_wait: &mut dyn FnMut(&LockHolder)) -> Result<Refresh, CommandError>;

    /// What the sources offer of everything that is installed, and of `wanted` besides, as it was fetched last. `now`
    /// decides what has expired.
    fn available(&self, wanted: &[TitleId], now: Timestamp) -> Result<Available, CommandError>;

    /// All that making these changes, in one transaction, would do. It takes no lock and changes nothing. Refused where it
    /// would change a package that is held, also one that was named.
    fn simulate(&self, changes: &[Change], now: Timestamp) -> Result<Simulated, SimulateError>;

    /// As much of the wanted changes as brings along only what is permitted, on top of what is settled.
    ///
    /// What policies with different permissions want is asked for one after the other: what the settled changes lead to is
    /// permitted already, and all that comes on top is for the sake of `wanted`, under its permissions. Fails as
    /// [`Provider::simulate`] does where an earlier change was interrupted or the installed packages contradict one another:
    /// nothing can be said before that is repaired.
    fn narrow(&self, settled: &Settled, wanted: &[Change], permissions: Permissions)
    -> Result<Narrowed, SimulateError>;

    /// Makes the changes of a simulated transaction, as root: all of them and no others, or none. What an earlier change has
    /// left behind is repaired first. `stop` tells whether Refit was asked to end: before packages are touched that ends
    /// it, afterwards what was begun is finished.
    fn apply(
        &self,
        plan: &Transaction,
        options: ApplyOptions,
        stop: &dyn Fn() -> bool,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Receipt, ApplyError>;

    /// What does not run from the new files yet: services, and the machine as a whole.
    fn needs_restart(&self) -> Result<Needed, CommandError>;

    /// Who uses the package manager at this moment; `None` where nobody does.
    fn lock_holder(&self) -> Option<LockHolder>;

    /// Waits until nobody uses the package manager, calling `on_wait` with each new holder; the last holder where the limit
    /// passes, or `stop` says to give up.
    fn wait_until_free(
        &self,
        limit: Duration,
        stop: &dyn Fn() -> bool,
        on_wait: &mut dyn FnMut(&LockHolder),
    ) -> Result<(), LockHolder> {
        wait_while_held(&|| self.lock_holder(), limit, stop, on_wait)
    }
}

/// The provider for this machine's own packages; `None` where Refit has none.
pub fn of_this_machine() -> Option<Box<dyn Provider>> {
    let os_release = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| fs::read_to_string(path).ok());
    match manager_of(&os_release.unwrap_or_default(), &|path| Path::new(path).exists())? {
        Manager::Apt => Some(Box::new(Apt)),
        Manager::Dnf => Some(Box::new(Dnf::new())),
    }
}

/// What the system says that it is counts, since rpm can be installed on Debian and dpkg on Fedora; for systems that are
/// not known, the database that is there.
fn manager_of(os_release: &str, exists: &dyn Fn(&str) -> bool) -> Option<Manager> {
    let field = |name: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    let words = format!("{} {}", field("ID"), field("ID_LIKE"));
    let is = |names: &[&str]| words.split_whitespace().any(|word| names.contains(&word));
    match () {
        () if is(&["debian", "ubuntu"]) => Some(Manager::Apt),
        () if is(&["fedora", "rhel", "centos"]) => exists("/usr/bin/dnf").then_some(Manager::Dnf),
        () if exists("/var/lib/dpkg/status") => Some(Manager::Apt),
        () if exists("/usr/bin/dnf") => Some(Manager::Dnf),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_that_it_is_counts_more_than_what_is_installed() {
        let everything = |_: &str| true;
        assert_eq!(manager_of("ID=ubuntu\nID_LIKE=debian\n", &everything), Some(Manager::Apt));
        assert_eq!(manager_of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", &everything), Some(Manager::Dnf));
        assert_eq!(manager_of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", &|_| false), None);
        assert_eq!(manager_of("", &|path| path == "/usr/bin/dnf"), Some(Manager::Dnf));
    }
}
