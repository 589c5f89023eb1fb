//! Okta device assurance: who may sign in, by the version of the device's operating system.
//!
//! One policy for each platform. Its floor is the lowest version of anybody who is not overdue, or is held: so it never keeps out who did
//! what was asked, and rises by itself as the fleet moves. What a floor can't see (browsers, packages, which of two branches is late) is
//! said, and carried by other means.

mod api;
mod matrix;
pub mod time;

use crate::{
    api::Api,
    cost::{Cost, Load},
    intent::Intent,
    object::{Identity, MARKER, Object, Source},
    stated::Subject,
    target::{Answer, Desired, Document, Input, Said, Target, held},
    terms::Terms,
};
use refit_core::{cohorts::Cohort, engine::Compliance};
use refit_model::Version;
use roaring::RoaringBitmap;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Okta device assurance.
#[derive(Clone, Copy, Debug)]
pub struct Okta;

/// What sort of object there is.
const KIND: &str = "device assurance policy";

/// The systems that are known, by title: Okta's platform, on Windows the major version, and how many parts a version has there.
const SYSTEMS: [(&str, &str, Option<&str>, usize); 5] = [
    ("ios", "IOS", None, 3),
    ("ipados", "IOS", None, 3),
    ("macos", "MACOS", None, 3),
    ("windows-10", "WINDOWS", Some("WINDOWS_10"), 4),
    ("windows-11", "WINDOWS", Some("WINDOWS_11"), 4),
];

impl Target for Okta {
    fn kind(&self) -> &'static str {
        "okta-device-assurance"
    }

    fn name(&self) -> &'static str {
        "Okta device assurance"
    }

    fn about(&self) -> &'static str {
        "The lowest version of the operating system with which people may sign in, one policy for each platform \
         (`/api/v1/device-assurances`). A policy of Refit's has to be named in the rules of an authentication policy by hand, once."
    }

    fn reach(&self) -> &'static str {
        "A change counts at the next sign-in, as far as the device has reported since. Who is signed in stays so. A stop is the same change \
         back."
    }

    fn tried(&self) -> &'static str {
        "Every object is held against the types of Okta's own OpenAPI document in tests. A double that keeps policies, and refuses what that \
         document says that Okta refuses, was asked and changed by `refit compile --systems --apply`. Nothing has been sent to a tenant yet."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        let mut floors: BTreeMap<(&'static str, Option<&'static str>), Floor> = BTreeMap::new();
        for cohort in &input.cohorts.titles {
            gather(input, cohort, &mut floors, &mut desired);
        }
        let mut platforms: BTreeMap<&str, Vec<(Option<&str>, Floor)>> = BTreeMap::new();
        for ((platform, major), floor) in floors {
            platforms.entry(platform).or_default().push((major, floor));
        }
        for (platform, floors) in platforms {
            desired.objects.extend(write(platform, floors).map(|object| (object.id.clone(), object)));
        }
        desired
    }

    fn document(&self, object: &Object) -> Document {
        Document::json(object)
    }

    fn api(&self) -> Option<&dyn Api> {
        Some(self)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        let bytes = desired.objects.values().map(Object::bytes).sum();
        // The list is read first, so that what is there is changed and not made again.
        Cost { once: Load { calls: 1 + desired.objects.len() as u64, bytes }, each: Load::default(), ..Cost::default() }
    }
}

/// What is known of a platform.
struct Floor {
    parts: usize,
    /// The lowest version of somebody who may sign in.
    lowest: Option<Version>,
    /// Who is kept out.
    late: RoaringBitmap,
    object: Object,
}

fn gather<'a>(
    input: &Input<'a>,
    cohort: &Cohort,
    floors: &mut BTreeMap<(&'static str, Option<&'static str>), Floor>,
    desired: &mut Desired,
) {
    let devices = &cohort.devices & input.devices;
    let system = SYSTEMS.into_iter().find(|(title, ..)| *title == cohort.slot.title.as_str());
    let (Some((_, platform, major, parts)), false) = (system, devices.is_empty()) else { return };
    let Some(policy) = cohort.outcome.policy.as_ref().and_then(|name| input.repository.policy(name)) else { return };
    if !desired.writes(&Okta, policy) {
        return;
    }
    let terms = Terms::of_cohort(input.repository, policy, cohort);
    let said = Said::of(&Okta, input.repository, policy, Subject::Slot(&cohort.slot), &cohort.place, &terms);
    if !said.goes_on(desired) {
        return;
    }
    let floor = floors.entry((platform, major)).or_insert_with(|| {
        let name = format!("{MARKER}-{}", platform.to_ascii_lowercase());
        Floor {
            parts,
            lowest: None,
            late: RoaringBitmap::new(),
            object: Object::new(Identity::new(KIND, name), String::new()),
        }
    });
    floor.object.from.insert(Source::from(policy));
    floor.object.losses.extend(said.losses);
    floor.object.devices |= &devices;
    // Who is unsupported has a time too, by which the device has to be replaced; and of who was not seen for long that time stays: a
    // device that is lost must not keep the floor down for ever.
    let past = cohort.outcome.due.is_some_and(|due| due <= input.cohorts.now);
    let is_late = match cohort.outcome.compliance {
        Compliance::Overdue => true,
        Compliance::Unsupported | Compliance::Unseen => past,
        _ => false,
    };
    if is_late && held(cohort).is_none() {
        floor.late |= devices;
        return;
    }
    let Some(installed) = &cohort.installed else { return };
    if floor.lowest.as_ref().is_none_or(|lowest| installed < lowest) {
        floor.lowest = Some(installed.clone());
    }
}

fn write(platform: &str, floors: Vec<(Option<&str>, Floor)>) -> Option<Object> {
    let mut constraints = Vec::new();
    let mut minimum = None;
    let mut joined: Option<Object> = None;
    let mut late = RoaringBitmap::new();
    for (major, floor) in floors {
        // Where everybody is late the floor would keep all of them out; what they should have is not known to be had by anybody.
        let Some(version) = floor.lowest.as_ref().map(|lowest| shortened(lowest, floor.parts)) else { continue };
        late |= &floor.late;
        match major {
            Some(major) => constraints.push(json!({ "majorVersionConstraint": major, "minimum": version })),
            None => minimum = Some(version),
        }
        match &mut joined {
            None => joined = Some(floor.object),
            Some(known) => {
                known.devices |= floor.object.devices;
                known.from.extend(floor.object.from);
                known.losses.extend(floor.object.losses);
            }
        }
    }
    let mut object = joined?;
    let what = match &minimum {
        Some(minimum) => minimum.clone(),
        None => constraints.iter().filter_map(|it| it["minimum"].as_str()).collect::<Vec<_>>().join(" and "),
    };
    object.about =
        format!("who signs in has at least {what}; keeps out {} now", crate::render::counted(late.len(), "device"));
    let name = object.id.name.clone();
    object = object
        .with("displayRemediationMode", "SHOW")
        .with("gracePeriod", json!({ "expiry": time::GRACE, "type": "BY_DURATION" }))
        .with("name", name)
        .with("platform", platform);
    if let Some(minimum) = minimum {
        object = object.with("osVersion", json!({ "minimum": minimum }));
    }
    if !constraints.is_empty() {
        object = object.with("osVersionConstraints", Value::Array(constraints));
    }
    Some(object)
}

/// A version with as many parts as Okta takes: what is cut off lowers the floor.
fn shortened(version: &Version, parts: usize) -> String {
    let numbers: Vec<&str> = version.as_str().split('.').take(parts).collect();
    let plain = |part: &&str| part.chars().take_while(char::is_ascii_digit).collect::<String>();
    numbers.iter().map(plain).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_model::Scheme;

    #[test]
    fn versions_have_as_many_parts_as_okta_takes() {
        let version = |scheme, text| Version::parse(scheme, text).unwrap();
        assert_eq!(shortened(&version(Scheme::Apple, "15.7.1 (a)"), 3), "15.7.1");
        assert_eq!(shortened(&version(Scheme::Apple, "26.1"), 3), "26.1");
        assert_eq!(shortened(&version(Scheme::Windows, "10.0.26100.2314"), 4), "10.0.26100.2314");
    }
}
