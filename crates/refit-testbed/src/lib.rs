//! Real Debian devices for Refit's tests: throw-away roots, signed local repositories, planted faults.
//!
//! A test takes a base root, lays an overlay on it, and runs real `apt` and `dpkg` inside, isolated by bubblewrap:
//!
//! ```no_run
//! use refit_testbed::{BaseRoot, Device, Package};
//!
//! # fn a_newer_version_is_installed() {
//! let Some(base) = BaseRoot::minimal() else { return }; // printed "skipped: ..." and why
//! let device = Device::new(&base, [Package::new("alpha", "1.0")]);
//! device.publish([Package::new("alpha", "2.0")]);
//! device.root.apt_get(["update"]).success();
//! device.root.apt_get(["-y", "dist-upgrade"]).success();
//! assert_eq!(device.root.dpkg()["alpha"].version, "2.0");
//! # }
//! ```
//!
//! Everything here panics with a full account when something is not as it should be, as tests want it: a harness that
//! fails is a test that fails. What is only *missing* (root, a program, the network for the first base root) makes
//! [`BaseRoot::minimal`] and [`BaseRoot::behind`] print `skipped:` and return `None`; with `REFIT_NO_SKIP=1`, as in CI,
//! that is a failure too.
//!
//! - `needs`: what must be installed, and whether it is
//! - `base`, `mirror`: base roots, built once from the mirror of this machine and cached
//! - `root`, `command`: one device as an overlay, and programs run in it
//! - `booted`: a device that is really booted, with systemd
//! - `lan`: a network of its own for several devices
//! - `fleet`: many hosts of both kinds in one network
//! - `package`, `repository`: packages and signed repositories, with faults
//! - `device`, `scenarios`: both together, and the ready-made cases
//! - `rpm`: the same for rpm and dnf
//! - `family`: devices of either kind, described once, for what all package managers have to do alike
//! - `dpkg`: what is installed, read independently of Refit
//! - `feeds`: advisories and scores in the amount of the real ones, for benches
//! - `cost`: what a command costs, for benches
//! - `processes`: what the processes of a program take while they run
//! - `scratch`: the folder that all of this lives in, and how it is swept
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test harness: its failure is the test's failure.

mod base;
mod booted;
mod command;
pub mod cost;
mod device;
mod dpkg;
pub mod family;
pub mod feeds;
mod fleet;
mod lan;
mod mirror;
mod needs;
mod package;
mod processes;
mod repository;
mod root;
pub mod rpm;
pub mod scenarios;
mod scratch;

pub use base::BaseRoot;
pub use booted::Booted;
pub use command::{Command, Network, Outcome, Running};
pub use device::Device;
pub use dpkg::{Change, Installed, differences};
pub use fleet::{Fleet, Host, Making};
pub use lan::{Cable, Lan};
pub use needs::{PACKAGES, available, missing_packages, skip};
pub use package::{Package, Script};
pub use processes::{Memory, Process};
pub use repository::{Repository, Suite};
pub use root::Root;
