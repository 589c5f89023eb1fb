//! The server: transport only. What is decided is decided in `refit_core::control`; what is kept is kept by `refit_store`.

pub mod api;
pub mod shell;
