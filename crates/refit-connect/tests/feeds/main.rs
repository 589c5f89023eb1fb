//! Feeds from end to end: synced from a server that misbehaves or from a folder, kept, and matched.

mod conformance;
mod debsecan;
mod http;
mod matching;
mod server;
mod store;
