//! Microsoft Intune: Windows Update for Business, by update rings, pins of the feature version, and groups.
//!
//! One update ring and one group for each ring of a policy; one pin and one group for each branch of it. Where devices of a ring must not get
//! what others may (a halt, a block, a freeze), they are in a ring of their own that is paused. Bodies are those of Microsoft Graph;
//! what is assigned to a group names it, since its id is known when it is there.

mod besides;
mod matrix;
mod places;
mod samples;
pub mod time;

use crate::{
    api::{self, Api},
    cost::Cost,
    intent::Intent,
    object::{Identity, MARKER, Object, Source, fingerprint, word},
    stated::Subject,
    target::{Answer, Desired, Document, Input, Said, Target, held},
    targets::graph::{self, group, to_group},
    terms::Terms,
    time::{Time, earliest, left},
};
use refit_core::{
    cohorts::Cohort,
    engine::{Goal, Progress},
    policy::{document::policy::RestartMode, repository::Policy},
};
use refit_model::{TitleId, Version};
use roaring::RoaringBitmap;
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Microsoft Intune.
#[derive(Clone, Copy, Debug)]
pub struct Intune;

/// What sorts of objects there are.
const RING: &str = "update ring";
const FEATURE: &str = "feature update policy";
const EXPEDITED: &str = "expedited update";
const DRIVERS: &str = "driver update policy";

/// The setting with which drivers go by the rings too.
const SETTING_DRIVERS: &str = "drivers";

/// The systems that are known, by title: what a feature version begins with.
pub const SYSTEMS: [(&str, &str); 2] = [("windows-10", "Windows 10, version"), ("windows-11", "Windows 11, version")];

impl Target for Intune {
    fn kind(&self) -> &'static str {
        "intune"
    }

    fn name(&self) -> &'static str {
        "Microsoft Intune (Windows updates)"
    }

    fn about(&self) -> &'static str {
        "Windows 10 and 11 by Windows Update for Business: update rings (`windowsUpdateForBusinessConfiguration`), pins of the feature \
         version (`windowsFeatureUpdateProfile`), expedited updates (`windowsQualityUpdateProfile`), drivers \
         (`windowsDriverUpdateProfile`, with `settings: { drivers: true }`), and the groups that they are assigned to, with their \
         devices. Update rings and groups are in Microsoft Graph v1.0; all else is in its beta, which Microsoft may change. Applications \
         are the kind `intune-apps`."
    }

    fn reach(&self) -> &'static str {
        "A change, and a pause, take up to eight hours to arrive at a device that is on. A pause ends by itself after 35 days. What has been \
         downloaded by then is installed."
    }

    fn tried(&self) -> &'static str {
        "Update rings and groups are held against Graph's own types in tests; for what is in Graph's beta there is no such document at \
         hand, and Microsoft's pages were read. A double that keeps what it is given, and refuses what these pages say that Graph \
         refuses, was asked and changed by `refit compile --systems --apply`. Nothing has been sent to a tenant yet."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        let mark = api::mark(&input.repository.organization, &input.target.name);
        let mut rings: BTreeMap<Key, Ring<'_>> = BTreeMap::new();
        let mut pins: BTreeMap<(Key, String), Ring<'_>> = BTreeMap::new();
        for cohort in &input.cohorts.titles {
            gather(input, cohort, &mut rings, &mut pins, &mut desired);
        }
        for (key, ring) in rings {
            write_ring(input, &key, &ring, &mark, &mut desired);
        }
        for ((key, version), pin) in pins {
            write_pin(&key, &version, &pin, &mark, &mut desired);
        }
        desired
    }

    fn document(&self, object: &Object) -> Document {
        graph::document(object)
    }

    fn api(&self) -> Option<&dyn Api> {
        Some(&places::GRAPH)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        graph::cost(desired)
    }
}

/// Who shares a ring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    policy: SmolStr,
    rollout: Option<SmolStr>,
    ring: Option<SmolStr>,
    /// What holds these devices, and not the rest of the ring.
    apart: Option<SmolStr>,
    /// What exceptions make of window and restart for these devices.
    excepted: Option<SmolStr>,
}

struct Ring<'a> {
    policy: &'a Policy,
    terms: Terms<'a>,
    said: Said,
    devices: RoaringBitmap,
    titles: Vec<&'static str>,
    /// The releases that somebody may have by now.
    admitted: BTreeSet<(TitleId, Version)>,
    /// Whether somebody may have something, and whether somebody waits for it.
    goes: bool,
    waits: bool,
}

fn gather<'a>(
    input: &Input<'a>,
    cohort: &Cohort,
    rings: &mut BTreeMap<Key, Ring<'a>>,
    pins: &mut BTreeMap<(Key, String), Ring<'a>>,
    desired: &mut Desired,
) {
    let devices = &cohort.devices & input.devices;
    let system = SYSTEMS.into_iter().find(|(title, _)| *title == cohort.slot.title.as_str());
    let (Some((title, prefix)), false) = (system, devices.is_empty()) else { return };
    let outcome = &cohort.outcome;
    let Some(policy) = outcome.policy.as_ref().and_then(|name| input.repository.policy(name)) else { return };
    // A ring would defer, pause or pin what Windows does by itself, and there is none that only tells.
    if !desired.writes(&Intune, policy) {
        return;
    }
    let terms = Terms::of_cohort(input.repository, policy, cohort);
    let said = Said::of(&Intune, input.repository, policy, Subject::Slot(&cohort.slot), &cohort.place, &terms);
    if !said.goes_on(desired) {
        return;
    }
    let apart = held(cohort);
    if let Some(because) = &apart
        && outcome.admitted.is_some()
    {
        desired.withhold(&policy.name, &cohort.slot.title, because.clone(), devices.len());
    }
    let key = Key {
        policy: policy.name.clone(),
        rollout: outcome.rollout.clone(),
        ring: outcome.ring.clone(),
        apart: apart.map(SmolStr::from),
        excepted: terms.excepted.clone(),
    };
    let nobody = || Ring {
        policy,
        terms: terms.clone(),
        said: Said::default(),
        devices: RoaringBitmap::new(),
        titles: Vec::new(),
        admitted: BTreeSet::new(),
        goes: false,
        waits: false,
    };
    // Another branch is for who may have it by now: whoever is pinned to it gets it at once, whatever their ring's deferral is.
    let may_go = key.apart.is_none() && outcome.admitted.is_some();
    let branch = match &outcome.goal {
        Some(Goal::Release { branch: Some(branch), .. }) if may_go => Some(branch),
        // Where nobody says which branch is installed, its version does: without a pin Windows would take the newest.
        _ => cohort.slot.branch.as_ref().or_else(|| {
            let title = input.repository.titles.get(&cohort.slot.title)?;
            title.branch_of(cohort.installed.as_ref()?).map(|branch| &branch.name)
        }),
    };
    if let Some(branch) = branch {
        // Pins are the policy's: rings differ in when a device comes to another one.
        let key = Key { policy: policy.name.clone(), rollout: None, ring: None, apart: None, excepted: None };
        let pin = pins.entry((key, format!("{prefix} {branch}"))).or_insert_with(nobody);
        pin.devices |= &devices;
        pin.said.losses.extend(said.losses.iter().cloned());
        pin.titles.push(title);
    }
    let ring = rings.entry(key).or_insert_with(nobody);
    ring.devices |= devices;
    ring.said.losses.extend(said.losses);
    ring.titles.push(title);
    ring.goes |= outcome.admitted.is_some();
    ring.admitted.extend(outcome.admitted.iter().map(|version| (cohort.slot.title.clone(), version.clone())));
    ring.waits |= outcome.progress == Progress::Waiting;
}

fn write_ring(input: &Input<'_>, key: &Key, ring: &Ring<'_>, mark: &str, desired: &mut Desired) {
    let policy = ring.policy;
    let name = name(key, "ring");
    let (rollout, of) = (key.rollout.as_deref(), key.ring.as_deref());
    let paused = key.apart.is_some() || (ring.waits && !ring.goes);
    let forced = ring.terms.reboot == Some(RestartMode::AtDue);
    let mode = if forced { "autoInstallAndRebootAtMaintenanceTime" } else { "autoInstallAtMaintenanceTime" };
    let wait = earliest(input.repository, policy.min_age, rollout, of);
    let days = left(input.repository, policy, rollout, of).and_then(|left| time::deadline(Time::AfterOffer(left)));
    let state = if paused { ", paused" } else { "" };
    let about = format!("Windows updates of {}{state}", words(key));
    let mut object = Object::new(Identity::new(RING, name.clone()), about)
        .with("@odata.type", "#microsoft.graph.windowsUpdateForBusinessConfiguration")
        .with("allowWindows11Upgrade", false)
        .with("assignments", assigned(&name))
        .with("automaticUpdateMode", mode)
        .with("description", mark)
        .with("displayName", name.as_str())
        .with("featureUpdatesDeferralPeriodInDays", 0)
        .with("featureUpdatesPaused", paused)
        .with("microsoftUpdateServiceAllowed", true)
        .with("qualityUpdatesDeferralPeriodInDays", time::deferral(wait))
        .with("qualityUpdatesPaused", paused)
        .with("updateNotificationLevel", "defaultNotifications")
        .with("userPauseAccess", "disabled")
        .with("userWindowsUpdateScanAccess", "enabled");
    if let Some(days) = days.filter(|_| forced) {
        object = object
            .with("deadlineForFeatureUpdatesInDays", days)
            .with("deadlineForQualityUpdatesInDays", days)
            .with("deadlineGracePeriodInDays", time::GRACE_DAYS)
            .with("postponeRebootUntilAfterDeadline", true);
    }
    if let Some((start, end)) = ring.terms.window.and_then(time::active_hours) {
        let hours = json!({
            "@odata.type": "#microsoft.graph.windowsUpdateActiveHoursInstall", "activeHoursEnd": end, "activeHoursStart": start,
        });
        object = object.with("installationSchedule", hours);
    }
    if let Some(notify) = policy.experience.notify {
        let hours = [24, 12, 8, 4, 2].into_iter().find(|hours| *hours <= notify.0.as_hours()).unwrap_or(2);
        object = object.with("scheduleRestartWarningInHours", hours);
    }
    put(object, ring, !paused, desired);
    put(group(&name, format!("who is under {}", words(key)), mark), ring, false, desired);
    if !paused {
        besides::write_expedited(input, key, ring, &name, mark, desired);
        if input.target.settings.get(SETTING_DRIVERS).and_then(Value::as_bool) == Some(true) {
            besides::write_drivers(input, key, ring, &name, mark, desired);
        }
    }
}

fn write_pin(key: &Key, version: &str, pin: &Ring<'_>, mark: &str, desired: &mut Desired) {
    let name = name(key, &word(version, 24));
    let object =
        Object::new(Identity::new(FEATURE, name.clone()), format!("{version} for devices under {}", key.policy))
            .with("@odata.type", "#microsoft.graph.windowsFeatureUpdateProfile")
            .with("assignments", assigned(&name))
            .with("description", mark)
            .with("displayName", name.as_str())
            .with("featureUpdateVersion", version)
            .with("installFeatureUpdatesOptional", false);
    put(object, pin, false, desired);
    put(group(&name, format!("who is under {}", words(key)), mark), pin, false, desired);
}

/// `refit-windows-laptops-early-1a2b3c4d`.
fn name(key: &Key, what: &str) -> String {
    let (rollout, ring) = (key.rollout.as_deref().unwrap_or("-"), key.ring.as_deref().unwrap_or("-"));
    let texts = [key.policy.as_str(), rollout, ring, key.apart.as_deref().unwrap_or("-"), what];
    let texts = texts.into_iter().chain(key.excepted.as_deref());
    let ring = key.ring.as_deref().map_or_else(|| what.to_owned(), |ring| word(ring, 16));
    format!("{MARKER}-{}-{ring}-{}", word(&key.policy, 24), fingerprint(texts, 8))
}

fn words(key: &Key) -> String {
    let who = match (&key.ring, &key.rollout) {
        (Some(ring), Some(rollout)) => format!("{}, ring {ring} of {rollout}", key.policy),
        _ => key.policy.to_string(),
    };
    let more = key.excepted.iter().chain(&key.apart);
    more.fold(who, |who, more| format!("{who}, {more}"))
}

/// The assignment to a group.
fn assigned(group: &str) -> Value {
    json!([{ "target": to_group(group) }])
}

fn put(mut object: Object, ring: &Ring<'_>, moves: bool, desired: &mut Desired) {
    object.devices.clone_from(&ring.devices);
    object.from.insert(Source::from(ring.policy));
    object.losses.clone_from(&ring.said.losses);
    if moves {
        object.moves.extend(ring.titles.iter().map(TitleId::new));
    }
    desired.add(object);
}
