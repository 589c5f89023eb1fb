//! What other systems were configured to do, as policy: the same targets and due times.
//!
//! Beside each importer stands a small model of the old tool, written from its vendor's rules and sharing no code with the importer. For
//! two hundred devices that are made up, it and the plain decision under the imported policies have to say the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail"
)]

mod apt;
mod intune;
mod jamf;
mod munki;
mod shadow;
mod support;
