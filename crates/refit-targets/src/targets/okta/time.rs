//! Times as Okta wants them, in the one place where they are made.
//!
//! A grace is a duration as in ISO 8601 (`TimeDuration`), from when a device was first found wanting at a sign-in; a floor counts from when
//! it is written.

/// How long who is found to be late may still sign in: the grace after a return (rule 11), which sign-in tolerates as long.
pub const GRACE: &str = "P1D";
