//! The server's own logic, without IO: admission, plans and their approval, publishing, budgets, presence, what to wake up for.
//!
//! It is a state machine over the log. [`handle()`] takes the state, who asks, an [`Input`] and the time, and returns events or a
//! [`Refusal`]; [`State::apply`] takes events, one after the other, and is the only way in which the state changes. A shell
//! (the server, the simulator) makes events durable in between. Replaying the log gives the same state: outcomes are in the
//! log, and are never worked out again.
//!
//! Decisions are worked out beside the writer, on a state that does not change meanwhile ([`Evaluator`], [`Board`]), and come
//! back as an input. What was decided on something that has changed since is dropped and decided again.

pub mod account;
mod agents;
mod board;
mod budget;
mod codec;
mod cohorts;
mod device_index;
mod device_set;
pub mod disruption;
pub mod document;
mod entry;
mod evaluate;
mod event;
mod fleet_plan;
pub mod groups;
mod handle;
mod history;
mod holds;
mod input;
mod lookout;
mod parts;
mod publication;
mod reading;
pub mod report;
mod rollouts;
mod snapshot;
mod sorted;
pub mod sources;
mod state;
mod subscription;
mod token;
mod unread;
mod upcoming;

pub use agents::{AgentRecord, Agents, Certificate, Complained, EnrolmentRecord, MandateRecord, RootRecord};
pub use board::{Board, BoardRow, Failure};
pub use budget::{BudgetFigures, Budgets, Spent};
pub use codec::{DecodeError, decode, encode};
pub use cohorts::cohorts;
pub use device_index::DeviceIndex;
pub use device_set::DeviceSet;
pub use entry::read as read_fact;
pub use entry::{AdvisoryEntry, InstallEntry, PackageSource, Plain, ReceiptResult, ReleaseEntry, SlotName};
pub use evaluate::{Awaited, Evaluation, Evaluator, SlotOutcome, Terms};
pub use event::*;
pub use fleet_plan::{
    After, AtOnce, Before, ChangeMembers, Difference, EXAMPLES, FIELDS, FleetPlan, FleetSummary, Gathered, NO_RING,
    Permit, PlannedChange, UNKNOWN, Who, count, fleet_plan, fleet_plan_by,
};
pub(crate) use fleet_plan::{Pairing, Standing, Stood, key_of};
pub use handle::handle;
pub use history::{CheckIn, Continuation, Head, History};
pub use holds::ServerHold;
pub use input::{
    AgentInput, Effect, IdentityInput, Input, Installs, LeaseInput, LeaseStep, Observation, Outcome, Personal, Refusal,
    UniverseReport, Wish,
};
pub use lookout::Lookout;
pub use parts::{Encoded, encode_within};
pub use publication::{CohortKey, DueBy, DueCause, HeldBy, MoveCause, Wanted};
pub use refit_model::{PersonId, PlanId, TokenId};
pub use rollouts::{
    ApprovalRecord, AskedFor, Course, Director, Expedited, GateQuestion, GateRecord, Happened, KeptWaiting, Look,
    Moment, Reading, RingRecord, RolloutRecord, Rollouts, SIGNAL_STALE_AFTER, SignalRecord, Signals, Stage, Status,
    Trial, because, evidence,
};
pub use snapshot::{SnapshotError, read_snapshot, write_snapshot};
pub use sorted::Sorted;
pub use state::*;
pub use subscription::{
    ROTATION, SUBSCRIPTIONS_MOST, SignalStream, StreamStatus, SubscriptionInput, SubscriptionRecord, SubscriptionTerms,
    secret_text,
};
pub use token::{Actor, Bearer, Scope, TokenRecord};
pub use unread::{Unread, unread};
