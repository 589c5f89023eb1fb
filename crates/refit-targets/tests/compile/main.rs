//! Policies compiled for other systems, from documents and devices to objects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail"
)]

mod apple;
mod browsers;
mod company;
mod example;
mod files;
mod intents;
mod intune;
mod jamf;
mod linux;
mod munki;
mod okta;
mod okta_hooks;
mod schema;
