//! The HTTP API, in one process with a log in memory.

mod client;
mod conditional;
mod description;
mod devices;
mod events;
mod fleet;
mod idempotency;
mod limits;
mod paging;
mod people;
mod plans;
mod schemathesis;
mod server;
mod tokens;
