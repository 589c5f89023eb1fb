//! dnf in the words that all package managers share.

use super::{
    apply::apply,
    inventory::{add_origins, inventory},
    locks::lock_holder,
    narrow::narrow,
    offers::available,
    refresh::refresh,
    repositories::sources,
    restarts::needs_restart,
    run::Place,
    simulate::simulate,
};
use crate::providers::{
    Manager, Provider,
    available::Available,
    command::CommandError,
    faults::Refresh,
    installs::Installs,
    locks::LockHolder,
    machine::{Machine, MachineError, machine_of},
    narrow::{Narrowed, Settled},
    receipt::{Needed, Receipt},
    simulated::Simulated,
    transaction::{ApplyError, ApplyOptions, Change, Permissions, Progress, SimulateError, Transaction},
};
use jiff::Timestamp;
use refit_model::TitleId;
use std::{path::PathBuf, time::Duration};

/// dnf 4 with rpm, on this machine or in a root of its own.
#[derive(Clone, Debug)]
pub struct Dnf {
    place: Place,
}

impl Default for Dnf {
    fn default() -> Self {
        Dnf::new()
    }
}

impl Dnf {
    /// The machine itself.
    pub fn new() -> Dnf {
        Dnf::in_root("/")
    }

    /// A folder that is the `/` of another system (`--installroot`).
    pub fn in_root(root: impl Into<PathBuf>) -> Dnf {
        Dnf { place: Place { root: root.into(), history: Default::default() } }
    }
}

impl Provider for Dnf {
    fn manager(&self) -> Manager {
        Manager::Dnf
    }

    fn machine(&self) -> Result<Machine, MachineError> {
        machine_of(self.place.rpm(&["--eval", "%{_arch}"])?.success()?.trim())
    }

    fn installs(&self) -> Result<Installs, CommandError> {
        let mut installs = inventory(&self.place)?.installs;
        add_origins(&self.place, &mut installs)?;
        Ok(installs)
    }

    fn refresh(&self, lock_limit: Duration, on_wait: &mut dyn FnMut(&LockHolder)) -> Result<Refresh, CommandError> {
        refresh(&self.place, lock_limit, on_wait)
    }

    fn available(&self, wanted: &[TitleId], _now: Timestamp) -> Result<Available, CommandError> {
        let inventory = inventory(&self.place)?;
        available(&self.place, &inventory, &sources(&self.place)?, wanted)
    }

    fn simulate(&self, changes: &[Change], _now: Timestamp) -> Result<Simulated, SimulateError> {
        simulate(&self.place, changes)
    }

    fn narrow(
        &self,
        settled: &Settled,
        wanted: &[Change],
        permissions: Permissions,
    ) -> Result<Narrowed, SimulateError> {
        narrow(&self.place, settled, wanted, permissions)
    }

    fn apply(
        &self,
        plan: &Transaction,
        options: ApplyOptions,
        stop: &dyn Fn() -> bool,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<Receipt, ApplyError> {
        apply(&self.place, plan, options, stop, on_progress)
    }

    fn needs_restart(&self) -> Result<Needed, CommandError> {
        Ok(needs_restart(&self.place, &inventory(&self.place)?))
    }

    fn lock_holder(&self) -> Option<LockHolder> {
        lock_holder(&self.place)
    }
}
