//! Devices at random, for what a fleet keeps of them and whom conditions select.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proptest::prelude::*;
use refit_core::{
    facts::{Fact, FieldRef, Value},
    world::{Absence, Device, Install, RememberedOffer, SlotKey},
};
use refit_model::{BranchName, DeviceId, Offer, Scheme, TitleId, Version};

pub fn now() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

pub fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn generic(text: &str) -> Version {
    Version::parse(Scheme::Generic, text).unwrap()
}

fn value() -> impl Strategy<Value = (FieldRef, Value)> {
    let text = |name: &'static str, values: &'static [&'static str]| {
        proptest::sample::select(values).prop_map(move |value| (name.parse().unwrap(), Value::text(value)))
    };
    prop_oneof![
        text("device.platform", &["macos", "windows", "linux"]),
        text("device.os_version", &["14.0", "14", "15.1", "none"]),
        text("device.kind", &["laptop", "server"]),
        text("person.department", &["IT", "Finance", "Sales"]),
        proptest::sample::subsequence(vec!["canary", "kiosk", "vip"], 0..=3)
            .prop_map(|tags| (FieldRef::device("tags"), Value::list(tags))),
        any::<bool>().prop_map(|vip| (FieldRef::person("vip"), Value::Bool(vip))),
        (0..900i64).prop_map(|hours| (FieldRef::device("enrolled"), Value::Time(ago(hours)))),
        (-300..300i64).prop_map(|hours| (FieldRef::person("first_day"), Value::Time(ago(hours)))),
        // Nine hours ago it was midnight: days, near to when they begin somewhere.
        (-3..3i64).prop_map(|days| (FieldRef::person("first_day"), Value::Time(ago(9 + 24 * days)))),
        text("person.timezone", &["Pacific/Auckland", "America/Los_Angeles", "Europe/Berlin"]),
    ]
}

fn fact() -> impl Strategy<Value = (FieldRef, Fact)> {
    let source = proptest::option::of(proptest::sample::select(&["workday", "okta", "jamf"][..]));
    let observed = proptest::option::weighted(0.8, 0..600i64);
    (value(), source, observed).prop_map(|((field, value), source, observed)| {
        (field, Fact { value, source: source.map(Into::into), observed: observed.map(ago) })
    })
}

fn install() -> impl Strategy<Value = Install> {
    let versions = proptest::sample::select(&["1.0", "1.0-0", "1.1", "2.0", "2.3"][..]);
    let titles = proptest::sample::select(&["firefox", "deb/openssl", "jdk"][..]);
    (titles, proptest::option::of(1..=2u32), versions, proptest::option::of(0..900i64)).prop_map(
        |(title, branch, version, since)| {
            let scheme = if title.starts_with("deb/") { Scheme::Dpkg } else { Scheme::Generic };
            Install {
                title: title.into(),
                branch: branch.map(|branch| BranchName::new(branch.to_string())),
                profile: None,
                version: Version::parse(scheme, version).unwrap(),
                since: since.map(ago),
            }
        },
    )
}

/// Any device of that id.
pub fn device(id: &'static str) -> impl Strategy<Value = Device> {
    let zone = proptest::option::of(proptest::sample::select(&["Europe/Berlin", "Asia/Tokyo"][..]));
    let own = (
        proptest::bool::weighted(0.1),
        proptest::option::weighted(0.2, (100..300i64, 0..90i64)),
        proptest::option::weighted(0.2, 0..900i64),
        proptest::bool::weighted(0.2),
        proptest::option::weighted(0.3, proptest::option::of(0..300i64)),
    );
    (
        proptest::collection::vec(fact(), 0..8),
        proptest::collection::vec(install(), 0..5),
        zone,
        (proptest::option::of(0..900i64), 0..400i64),
        own,
    )
        .prop_map(move |(facts, installs, zone, (enrolled, seen), own)| {
            let (identity_in_doubt, absence, spell, remembered, offer) = own;
            let mut device = Device::new(DeviceId::new(id), ago(seen));
            facts.into_iter().for_each(|(field, fact)| device.facts.insert(field, fact));
            for install in installs {
                if device.installs.iter().all(|known| known.slot() != install.slot()) {
                    device.installs.push(install);
                }
            }
            device.installs.sort_by_key(Install::slot);
            device.timezone = zone.map(|zone| TimeZone::get(zone).unwrap());
            device.enrolled = enrolled.map(ago);
            device.identity_in_doubt = identity_in_doubt;
            device.absences.extend(absence.map(|(away, back)| Absence {
                away: ago(away),
                back: ago(back),
                used: SignedDuration::from_hours(3),
            }));
            let slot = device.installs.first().map_or_else(|| SlotKey::of(TitleId::new("jdk")), Install::slot);
            device.spells.extend(spell.map(|spell| (slot.clone(), ago(spell))));
            if remembered {
                let (policy, obligation) = ("p".into(), "stale".into());
                let offer =
                    RememberedOffer { policy, obligation, version: generic("2.0"), at: ago(50), arose: Some(ago(60)) };
                device.first_offers.insert(slot.clone(), vec![offer]);
                device.admitted_before.insert(slot.clone(), generic("2.0"));
                device.decided_before.insert(slot, "p".into());
            }
            if let Some(offer) = offer {
                let offer = offer.map_or(Offer::Never, |hours| Offer::Since(ago(hours)));
                device.offers.insert(TitleId::new("firefox"), vec![(generic("2.3"), offer)]);
            }
            device
        })
}

/// Some devices.
pub fn devices() -> impl Strategy<Value = [Device; 8]> {
    ["d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8"].map(device)
}
