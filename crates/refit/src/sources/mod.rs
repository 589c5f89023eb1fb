//! The systems that facts come from: what a policy repository says of them, how they are asked, and what of their answers is kept.
//!
//! `asking.rs` makes questions of a connector's document; `reading.rs` asks them and reads the answers; `data.rs` keeps what came of
//! it in the data folder.

pub mod asking;
pub mod data;
pub mod reading;
