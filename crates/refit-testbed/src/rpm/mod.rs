//! Devices whose packages are rpm's: packages, signed repositories with planted faults, and the device.

mod device;
mod package;
mod repository;

pub use device::RpmDevice;
pub use package::{RpmPackage, Scriptlet};
pub use repository::RpmRepository;
