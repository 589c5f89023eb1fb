//! A set of devices, as a bitmap of their indexes.

use base64::{Engine, engine::general_purpose::STANDARD};
use roaring::{MultiOps as _, RoaringBitmap};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use std::borrow::Cow;

/// A set of devices by index. In the log it is the portable format of Roaring bitmaps in base64
/// (<https://github.com/RoaringBitmap/RoaringFormatSpec>).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceSet(pub RoaringBitmap);

impl DeviceSet {
    /// The indexes, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a device is in it.
    pub fn contains(&self, index: u32) -> bool {
        self.0.contains(index)
    }

    /// How many are in both.
    pub fn common(&self, other: &DeviceSet) -> u64 {
        self.0.intersection_len(&other.0)
    }

    /// What is in both.
    pub fn both(&self, other: &DeviceSet) -> DeviceSet {
        DeviceSet(&self.0 & &other.0)
    }

    /// All that is in any of the sets.
    pub fn union<'s>(sets: impl Iterator<Item = &'s DeviceSet>) -> DeviceSet {
        DeviceSet(sets.map(|set| &set.0).union())
    }

    /// Adds a device.
    pub fn insert(&mut self, index: u32) {
        self.0.insert(index);
    }

    /// Takes a device out.
    pub fn remove(&mut self, index: u32) {
        self.0.remove(index);
    }

    /// Takes devices out: these, or all.
    pub fn take_out(&mut self, devices: Option<&DeviceSet>) {
        match devices {
            Some(devices) => self.0 -= &devices.0,
            None => self.0.clear(),
        }
    }
}

impl FromIterator<u32> for DeviceSet {
    fn from_iter<I: IntoIterator<Item = u32>>(indexes: I) -> DeviceSet {
        DeviceSet(indexes.into_iter().collect())
    }
}

impl Serialize for DeviceSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(self.0.serialized_size());
        self.0.serialize_into(&mut bytes).map_err(S::Error::custom)?;
        serializer.serialize_str(&STANDARD.encode(bytes))
    }
}

impl JsonSchema for DeviceSet {
    fn schema_name() -> Cow<'static, str> {
        "DeviceSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A set of devices by their places from 0 on: a Roaring bitmap in its portable format \
                (https://github.com/RoaringBitmap/RoaringFormatSpec), in base64.",
            "type": "string",
            "contentEncoding": "base64",
        })
    }
}

impl<'de> Deserialize<'de> for DeviceSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DeviceSet, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        RoaringBitmap::deserialize_from(bytes.as_slice()).map(DeviceSet).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_read_as_it_was_written() {
        for indexes in [vec![], vec![0], vec![1, 5, 70_000, u32::MAX], (0..100_000).collect()] {
            let set: DeviceSet = indexes.iter().copied().collect();
            let text = serde_json::to_string(&set).unwrap();
            assert_eq!(serde_json::from_str::<DeviceSet>(&text).unwrap(), set);
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for text in ["\"\"", "\"!\"", "\"AAAA\"", "[1]", "7"] {
            assert!(serde_json::from_str::<DeviceSet>(text).is_err(), "{text}");
        }
    }
}
