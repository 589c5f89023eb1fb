//! A device's position between 0 and 1, by which shares are cut.

use crate::DeviceId;
use sha2::{Digest, Sha256};

/// The position of `device` among all devices for the policy of that name, in 0 (inclusive) to 1 (exclusive).
///
/// It is the first 16 bits of SHA-256 of the device's id, permuted by `x * multiplier + offset` modulo 2^16, where the
/// multiplier is the first 16 bits of SHA-256 of the policy's name made odd, and the offset the next 16 bits. An odd
/// multiplier makes this a permutation, so shares stay exact; different policies permute differently, so the same devices are
/// not the first of everything (docs/reference/rules.md, rule 8).
pub fn position(device: &DeviceId, policy: &str) -> f64 {
    let id = Sha256::digest(device.as_str().as_bytes());
    let name = Sha256::digest(policy.as_bytes());
    let x = u16::from_be_bytes([id[0], id[1]]);
    let multiplier = u16::from_be_bytes([name[0], name[1]]) | 1;
    let offset = u16::from_be_bytes([name[2], name[3]]);
    f64::from(x.wrapping_mul(multiplier).wrapping_add(offset)) / 65_536.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> impl Iterator<Item = DeviceId> {
        (0..20_000).map(|i| DeviceId::new(format!("device-{i}")))
    }

    #[test]
    fn a_share_takes_about_its_share() {
        let early = ids().filter(|id| position(id, "browsers") < 0.1).count();
        assert!((1_800..2_200).contains(&early), "{early}");
    }

    #[test]
    fn different_policies_choose_different_devices() {
        let both = ids().filter(|id| position(id, "browsers") < 0.1 && position(id, "macos") < 0.1).count();
        assert!(both < 400, "{both} of 20,000 are first for both, 200 would be chance");
    }
}
