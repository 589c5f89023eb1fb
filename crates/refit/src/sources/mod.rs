//! The systems that facts come from: what a policy repository says of them, how they are asked, and what of their answers is kept.
//!
//! `asking.rs` makes questions of a connector's document; `reading.rs` asks them and reads the answers; `data.rs` keeps what came of
//! it in the data folder; `syncing.rs` does all that for one source; `owners.rs` says whom it is for where they contradict each other. `serving.rs` is what a server does: it reads sources by itself, and tells the
//! log what they say.

pub mod asking;
pub mod data;
pub mod owners;
pub mod reading;
pub mod serving;
pub mod syncing;
