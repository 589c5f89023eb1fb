//! Business processes: what other systems are told of what happens here.
//!
//! `templates.rs` has those that come with Refit, and reads others; `calling.rs` makes the calls of one; `running.rs` runs the machine of one
//! process with what is kept of it on the disk. `serving.rs` is what a server does.

pub mod calling;
pub mod running;
pub mod serving;
pub mod templates;
