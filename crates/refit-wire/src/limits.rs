//! How large what comes over the wire may be. A reader stops at these before it has believed anything.

/// A root document in its envelope, in bytes.
pub const ROOT: usize = 64 << 10;
/// How many roots are followed in one go. An organisation that changes keys every week needs this many in twenty years.
pub const ROOTS: usize = 1_024;
/// A mandate in its envelope, in bytes.
pub const MANDATE: usize = 16 << 20;
/// A lease in its envelope, in bytes.
pub const LEASE: usize = 16 << 10;
/// A state document in its envelope, in bytes: some ten thousand packages.
pub const STATE: usize = 4 << 20;
/// Any other body that a server sends to an agent, in bytes.
pub const ANSWER: usize = 256 << 10;
/// A check-in, in bytes: all packages of a large machine, and what it is offered.
pub const CHECK_IN: usize = 16 << 20;
/// A receipt's output, in bytes; the beginning is cut off where there is more.
pub const OUTPUT: usize = 64 << 10;
/// Signatures on one envelope.
pub const SIGNATURES: usize = 64;
