//! What it takes to write configuration: calls and bytes.

use serde::Serialize;

/// Calls and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Load {
    /// How many calls of the other system's API, or writes of files.
    pub calls: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What a target's objects cost: once, and for each device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// Whatever the number of devices is.
    pub once: Load,
    /// For each device.
    pub each: Load,
    /// For every thousand devices begun: lists come by pages.
    pub per_thousand: Load,
}

impl Cost {
    /// All of it for so many devices.
    pub fn of(&self, devices: u64) -> Load {
        let of = |amount: fn(&Load) -> u64| {
            let each = amount(&self.each).saturating_mul(devices);
            let pages = amount(&self.per_thousand).saturating_mul(devices.div_ceil(1_000));
            amount(&self.once).saturating_add(each).saturating_add(pages)
        };
        Load { calls: of(|load| load.calls), bytes: of(|load| load.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_grows_with_devices_where_it_does() {
        let cost = Cost { once: Load { calls: 3, bytes: 900 }, each: Load { calls: 2, bytes: 100 }, ..Cost::default() };
        assert_eq!(cost.of(1_000), Load { calls: 2_003, bytes: 100_900 });
        assert_eq!(cost.of(1_000_000), Load { calls: 2_000_003, bytes: 100_000_900 });
        let paged = Cost { per_thousand: Load { calls: 1, bytes: 10 }, ..Cost::default() };
        assert_eq!(paged.of(0), Load::default());
        assert_eq!(paged.of(1_001), Load { calls: 2, bytes: 20 });
    }
}
