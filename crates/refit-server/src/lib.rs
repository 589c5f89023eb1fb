//! The server: transport only. What is decided is decided in `refit_core::control`; what is kept is kept by `refit_store`.
//!
//! - [`shell`] One writer over the log, views for readers, decisions beside the writer.
//! - [`start`] A server's life, from opening the log to a clean end.
//! - `jobs` What it does by itself.
//! - [`connections`] The systems that it may talk to.
//! - [`api`] What it answers, over HTTP.
//! - [`agents`] What devices ask.
//! - `stream`, [`deliveries`] Business events from the log, and sending them to subscriptions.
//! - [`shared_signals`] Receivers are told which devices comply no longer, as signed security event tokens.
//! - [`matching`] Which advisories concern a distribution's packages.
//! - [`made_up`] Data folders whose log is a made-up history.
//! - [`policy`] Applying a policy repository in one step.
//! - [`erasures`] Erasing again who was erased after a backup was made.
//! - [`sign_in`] Sign-in of people through an OpenID provider.
//! - [`audit`] Who has read what is personal.
//! - [`tls`], [`tokens`] Its certificates, and the first token.
//! - [`log`], [`metrics`] What it says of itself.

pub mod agents;
pub mod api;
pub mod audit;
mod background;
pub mod connections;
pub mod deliveries;
pub mod erasures;
mod jobs;
pub mod log;
pub mod made_up;
pub mod matching;
pub mod metrics;
pub mod policy;
pub mod shared_signals;
pub mod shell;
pub mod sign_in;
pub mod start;
mod stream;
pub mod tls;
pub mod tokens;
mod webhooks;
