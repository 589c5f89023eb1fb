//! The agent's machine, with an organisation, a server and a device around it ([`rig`]): sessions, restarts, what it remembers, and
//! what a stolen server tries.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that can't go on fails")]

mod attacks;
mod memory;
mod restarts;
mod rig;
mod sessions;
