//! How early a device may change something, worked out by the device itself.

use super::{Mandate, PolicyPermit, Ring};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, TitleId, position};

/// A release, and the way by which the server wants it on the device.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The title.
    pub title: &'a TitleId,
    /// The version.
    pub version: &'a str,
    /// The policy that asks for it.
    pub policy: &'a str,
    /// The rollout that brings it, as the server says.
    pub rollout: Option<&'a str>,
}

/// Why a release may not be installed yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooEarly {
    /// The mandate knows no such policy.
    #[error("the mandate knows no policy `{0}`")]
    UnknownPolicy(String),
    /// The rings before the device's own have not had their time.
    #[error("the mandate lets this device have it from {from} on: {because}")]
    Until {
        /// From when on it may.
        from: Timestamp,
        /// What has to pass, in words.
        because: String,
    },
}

impl Mandate {
    /// Since when a release may be installed on a device that has first seen it offered at `seen`; an error while it may not.
    ///
    /// The time of a release is the earlier of two: when the device first saw it offered by a source that it trusts, and when
    /// somebody who signs mandates knew it ([`Mandate::known`]). Nothing that the server says moves it. From there the rings
    /// before the device's own have to soak, and the policy's minimum age has to pass; an expedited release waits for neither.
    pub fn permits_now(
        &self,
        device: &DeviceId,
        wish: Wish<'_>,
        seen: Timestamp,
        now: Timestamp,
    ) -> Result<(), TooEarly> {
        let policy = self
            .policies
            .get(wish.policy)
            .ok_or_else(|| TooEarly::UnknownPolicy(wish.policy.chars().take(80).collect()))?;
        if self.is_expedited(wish, now) {
            return Ok(());
        }
        let known = self.known.get(wish.title).and_then(|versions| versions.get(wish.version)).copied();
        let since = known.map_or(seen, |known| known.min(seen));
        let (wait, because) = self.wait(device, policy, wish);
        let from = since.checked_add(wait).unwrap_or(Timestamp::MAX);
        if now < from { Err(TooEarly::Until { from, because }) } else { Ok(()) }
    }

    /// Whether somebody who signs mandates said that a release need not wait.
    pub fn is_expedited(&self, wish: Wish<'_>, now: Timestamp) -> bool {
        self.expedited.iter().any(|expedited| {
            expedited.title == *wish.title
                && now < expedited.until
                && expedited.version.as_ref().is_none_or(|version| version == wish.version)
        })
    }

    /// How long a release waits before this device's ring, and for what.
    fn wait(&self, device: &DeviceId, policy: &PolicyPermit, wish: Wish<'_>) -> (SignedDuration, String) {
        let urgent = wish.rollout.is_some_and(|rollout| policy.urgent.contains(rollout));
        let rollout = if urgent { wish.rollout } else { policy.rollout.as_deref() };
        let age = if urgent { 0 } else { policy.min_age_seconds };
        let rings = rollout.and_then(|name| self.rollouts.get(name)).map(Vec::as_slice).unwrap_or_default();
        let before = &rings[..ring(rings, device, wish.policy)];
        let soak = before.iter().fold(0_u64, |sum, ring| sum.saturating_add(ring.soak_seconds));
        if soak >= age {
            let names: Vec<&str> = before.iter().map(|ring| ring.name.as_str()).collect();
            (seconds(soak), format!("the rings before its own have to soak ({})", names.join(", ")))
        } else {
            (seconds(age), "it has to have been out for a while".into())
        }
    }
}

/// The place of the device's ring: the first that lists it, or whose share has its position; the last otherwise.
fn ring(rings: &[Ring], device: &DeviceId, policy: &str) -> usize {
    let at = position(device, policy);
    let mut from = 0.0;
    for (place, ring) in rings.iter().enumerate() {
        if ring.members.as_ref().is_some_and(|members| members.contains(device)) {
            return place;
        }
        if let Some(share) = ring.share.filter(|share| (0.0..=1.0).contains(share)) {
            if ring.members.is_none() && (from..from + share).contains(&at) {
                return place;
            }
            from += share;
        }
    }
    rings.len().saturating_sub(1)
}

fn seconds(count: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::mandate, *};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// A device whose position for the policy is in `from..to`.
    fn device(from: f64, to: f64) -> DeviceId {
        let ids = (0..10_000).map(|n| DeviceId::new(format!("d{n}")));
        ids.into_iter().find(|id| (from..to).contains(&position(id, "browsers"))).unwrap()
    }

    fn wish<'a>(title: &'a TitleId, rollout: &'a str) -> Wish<'a> {
        Wish { title, version: "130.0-1", policy: "browsers", rollout: Some(rollout) }
    }

    fn from(result: Result<(), TooEarly>) -> Timestamp {
        match result {
            Err(TooEarly::Until { from, .. }) => from,
            other => panic!("{other:?}"),
        }
    }

    const SEEN: &str = "2026-11-20T00:00:00Z";

    #[test]
    fn each_ring_waits_for_those_before_it() {
        let (mandate, title) = (mandate(), TitleId::new("google-chrome"));
        let ask = |device: &DeviceId, now| mandate.permits_now(device, wish(&title, "standard"), at(SEEN), at(now));
        assert_eq!(ask(&DeviceId::new("canary-1"), SEEN), Ok(()));
        let (early, rest) = (device(0.0, 0.1), device(0.2, 1.0));
        assert_eq!(from(ask(&early, SEEN)), at("2026-11-21T00:00:00Z"));
        assert_eq!(from(ask(&rest, "2026-11-22T23:59:59Z")), at("2026-11-23T00:00:00Z"));
        assert_eq!(ask(&rest, "2026-11-23T00:00:00Z"), Ok(()));
    }

    #[test]
    fn the_server_chooses_no_faster_rollout_unless_the_mandate_lets_it() {
        let (mut mandate, title) = (mandate(), TitleId::new("google-chrome"));
        let rest = device(0.2, 1.0);
        let ask = |mandate: &Mandate| mandate.permits_now(&rest, wish(&title, "fast"), at(SEEN), at(SEEN));
        assert_eq!(from(ask(&mandate)), at("2026-11-23T00:00:00Z"));
        mandate.policies.get_mut("browsers").unwrap().urgent.insert("fast".into());
        assert_eq!(from(ask(&mandate)), at("2026-11-20T02:00:00Z"));
    }

    #[test]
    fn what_is_expedited_waits_for_nothing_while_that_lasts() {
        let (mut mandate, title) = (mandate(), TitleId::new("google-chrome"));
        mandate.expedited.push(super::super::Expedited {
            title: title.clone(),
            version: Some("130.0-1".into()),
            until: at("2026-11-21T00:00:00Z"),
            why: "exploited".into(),
        });
        let rest = device(0.2, 1.0);
        let ask = |now| mandate.permits_now(&rest, wish(&title, "standard"), at(SEEN), at(now));
        assert_eq!(ask(SEEN), Ok(()));
        assert!(ask("2026-11-21T00:00:00Z").is_err());
        let other = Wish { version: "131.0-1", ..wish(&title, "standard") };
        assert!(mandate.permits_now(&rest, other, at(SEEN), at(SEEN)).is_err());
    }

    #[test]
    fn a_new_device_counts_from_when_the_signer_knew_the_version() {
        let (mut mandate, title) = (mandate(), TitleId::new("google-chrome"));
        mandate.known.entry(title.clone()).or_default().insert("130.0-1".into(), at("2026-11-01T00:00:00Z"));
        assert_eq!(mandate.permits_now(&device(0.2, 1.0), wish(&title, "standard"), at(SEEN), at(SEEN)), Ok(()));
    }

    #[test]
    fn an_age_counts_beside_the_rings() {
        let (mut mandate, title) = (mandate(), TitleId::new("google-chrome"));
        mandate.policies.get_mut("browsers").unwrap().min_age_seconds = 10 * 86_400;
        let canary = DeviceId::new("canary-1");
        let asked = mandate.permits_now(&canary, wish(&title, "standard"), at(SEEN), at(SEEN));
        assert_eq!(from(asked), at("2026-11-30T00:00:00Z"));
    }

    #[test]
    fn a_policy_that_nobody_signed_permits_nothing() {
        let (mandate, title) = (mandate(), TitleId::new("google-chrome"));
        let wish = Wish { policy: "evil", ..wish(&title, "standard") };
        let asked = mandate.permits_now(&DeviceId::new("canary-1"), wish, at(SEEN), at("2030-01-01T00:00:00Z"));
        assert_eq!(asked, Err(TooEarly::UnknownPolicy("evil".into())));
    }
}
