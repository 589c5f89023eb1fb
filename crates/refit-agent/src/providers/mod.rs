//! One module per package manager, one file per verb, behind one [`Provider`]. Parsing and running are separate functions,
//! so that the parsing is tested on what the real programs printed.
//!
//! The order in which a session uses a provider: [`Provider::refresh`], [`Provider::installs`], [`Provider::available`],
//! [`Provider::narrow`] (as much of a change as brings along only what is permitted), [`Provider::simulate`] (all that a change
//! would really do, and whose keys vouch for it), [`Provider::apply`] (exactly
//! that, or nothing), [`Provider::needs_restart`].

pub mod apt;
pub mod available;
pub mod command;
pub mod dnf;
pub mod faults;
pub mod installs;
pub mod locks;
pub mod machine;
mod manager;
pub mod narrow;
mod openpgp;
pub mod processes;
mod provider;
pub mod receipt;
pub mod simulated;
pub mod space;
pub mod transaction;

pub use manager::Manager;
pub use provider::{Provider, of_this_machine};
