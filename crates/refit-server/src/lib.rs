//! The server: transport only. What is decided is decided in `refit_core::control`; what is kept is kept by `refit_store`.
//!
//! - [`shell`] One writer over the log, views for readers, decisions beside the writer.
//! - [`metrics`] What is counted and measured.

mod background;
pub mod metrics;
pub mod shell;
