//! Ready-made devices, each with one thing about to go wrong (or right) at its next upgrade.

use crate::base::BaseRoot;
use crate::device::Device;
use crate::package::{Package, Script};

/// `alpha` 2.0's postinst fails: the upgrade exits 100 and leaves `alpha` half-configured (`iF`) with the version 2.0.
pub fn failing_postinst(base: &BaseRoot) -> Device {
    let device = Device::new(base, [Package::new("alpha", "1.0")]);
    device.offer([Package::new("alpha", "2.0").script(Script::Postinst, "echo 'alpha: cannot migrate' >&2; exit 1")]);
    device
}
