//! Facts of devices and people: typed values with their source and the time of their observation.

mod value;

pub use value::Value;
