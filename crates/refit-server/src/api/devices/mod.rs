//! Devices: `/api/v1/devices`.

mod assignment;
mod decisions;
mod directives;
mod enrol;
mod explanation;
mod get;
mod list;
mod observe;
mod quarantine;
mod receipt;
mod retire;

pub(super) use assignment::*;
pub(super) use decisions::*;
pub(super) use directives::*;
pub(super) use enrol::*;
pub(super) use explanation::*;
pub(super) use get::*;
pub(super) use list::*;
pub(super) use observe::*;
pub(super) use quarantine::*;
pub(super) use receipt::*;
pub(super) use retire::*;

use super::problem::Problem;
use refit_core::control::{DeviceRecord, State};
use refit_model::DeviceId;
use std::sync::Arc;

/// A device that is managed: of this id, or the one that has it since they were merged.
fn managed<'s>(state: &'s State, id: &str) -> Result<&'s Arc<DeviceRecord>, Problem> {
    state.device_now(&DeviceId::new(id)).ok_or_else(|| Problem::missing("device", id))
}
