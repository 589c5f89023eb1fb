//! Facts of devices and people: which fields there are, their typed values, and whom to believe.
//!
//! A [`Field`] is something that may be known of a device, a person or an exposure; a [`Value`] is what it is known to be. A
//! [`FactSet`] holds what several sources say, and decides what counts. Expressions ask through [`Lookup`], and never learn
//! where an answer comes from.

pub mod estate;
mod factset;
mod fields;
pub mod identity;
mod lookup;
pub mod mapping;
mod time;
mod value;
mod zones;

pub use factset::{
    Absent, Authority, DEVICE_STALE_AFTER, Fact, FactSet, FactView, PERSON_STALE_AFTER, Resolved, Staleness,
};
pub use fields::{Field, FieldError, FieldRef, Fields, Kind, Root};
pub use lookup::Lookup;
pub use time::{parse_duration, parse_time, write_duration};
pub use value::Value;
pub use zones::{Place, Zones, begins, zone_name};
