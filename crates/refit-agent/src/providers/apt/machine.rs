//! The machine itself; dpkg names its architecture.

use crate::providers::{
    command::ask,
    machine::{Machine, MachineError, machine_of},
};

/// Asks the running system.
pub fn machine() -> Result<Machine, MachineError> {
    machine_of(ask("dpkg", &["--print-architecture"])?.success()?.trim())
}
