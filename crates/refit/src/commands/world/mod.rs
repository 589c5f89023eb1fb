//! What is asked of a fleet in a file (`--world`): how many devices a condition selects, what a policy would change on it and why a
//! title stands as it does on one device.

pub mod explain;
pub mod plan;
pub mod query;
mod render;
pub mod saved;
mod table;
