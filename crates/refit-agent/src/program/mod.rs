//! The program around the machine: two processes, one of which talks to the network and may do nothing else.
//!
//! `refit-agent run` is the executor. It runs as root, holds the machine and the package manager, and believes only what the
//! machine has verified. `refit-agent network` runs as a user without rights, holds the key and certificate of the device, and
//! passes bytes between the executor and the server.

mod busy;
mod calendar;
pub mod cli;
mod control;
mod disk;
mod enrol;
mod executor;
mod folders;
mod frame;
mod log;
mod network;
mod packages;
mod person;
mod reading;
mod words;
