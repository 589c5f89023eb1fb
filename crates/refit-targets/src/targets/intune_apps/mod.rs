//! Microsoft Intune: applications on Windows, which it takes from the Microsoft Store by WinGet.
//!
//! One app for each title. It is assigned to a group for each ring and due time, and only to those that have opened: that the Store brings a
//! new version to those who have the app is nobody's to hold back. Which product of the Store a title is says the target's document,
//! since Intune knows none of the names of the public WinGet repository.

mod matrix;
pub mod time;

use crate::{
    api::{
        self, Api,
        verify::{Sample, Sampling},
    },
    cost::Cost,
    intent::Intent,
    object::{Identity, MARKER, Object, Source, fingerprint, word},
    stated::Subject,
    target::{Answer, Awaiting, Desired, Document, Input, Said, Target, held},
    targets::graph::{self, GROUP, Graph, Place, group, to_group},
    terms::Terms,
    time::{Time, forced},
};
use jiff::{SignedDuration, civil::DateTime, tz::TimeZone};
use refit_core::{
    cohorts::Cohort,
    engine::{Goal, Hold},
    policy::{
        document::{
            policy::RestartMode,
            title::{System, TitleKind},
        },
        repository::Policy,
    },
};
use refit_model::TitleId;
use roaring::RoaringBitmap;
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Applications in Microsoft Intune.
#[derive(Clone, Copy, Debug)]
pub struct IntuneApps;

/// What an app is.
const APP: &str = "app";

/// The setting that says which product of the Store a title is: `apps: { google-chrome: XPFCC4CD725961 }`.
const SETTING_APPS: &str = "apps";

static GRAPH: Graph = Graph {
    places: &[Place {
        kind: APP,
        path: "/beta/deviceAppManagement/mobileApps",
        of_type: "#microsoft.graph.winGetApp",
        is_shared: true,
        assigned_as: "mobileAppAssignments",
        assignment: "#microsoft.graph.mobileAppAssignment",
        // "The app cannot be assigned unless the app is published" (intune-apps-wingetapp).
        ready: Some(("/publishingState", "published")),
        fixed: &["packageIdentifier"],
        because: |record, ours| {
            let same = ours.iter().any(|our| our["packageIdentifier"] == record["packageIdentifier"]);
            same.then_some("the same product is assigned there too, with another time and other notices")
        },
        // It is there twice, and each assignment counts for whom it is for.
        is_same: false,
        note: |_| None,
    }],
    order: &[GROUP, APP],
    settings: &[SETTING_APPS],
    permissions: "the application permissions DeviceManagementApps.ReadWrite.All, DeviceManagementConfiguration.ReadWrite.All, \
                  DeviceManagementManagedDevices.Read.All, Device.Read.All and Group.ReadWrite.All",
    samples,
};

/// What is tried where the target's document names no product: Microsoft's own Company Portal, which every tenant may have.
const TRIED_PRODUCT: &str = "9WZDNCRFJ3PZ";

/// An app for nobody, to try on a live tenant. The time of its assignment is far from now.
fn samples(sampling: &Sampling<'_>) -> Vec<Sample> {
    let Sampling { mark, name, now, settings, .. } = *sampling;
    let named = settings.get(SETTING_APPS).and_then(Value::as_object);
    let product = named.and_then(|apps| apps.values().find_map(Value::as_str)).unwrap_or(TRIED_PRODUCT);
    let at = TimeZone::UTC.to_datetime(now).saturating_add(TRIED_AHEAD);
    let assignment = json!({
        "intent": "required",
        "settings": {
            "@odata.type": "#microsoft.graph.winGetAppAssignmentSettings",
            "installTimeSettings": { "deadlineDateTime": time::written(at), "useLocalTime": true },
            "notifications": "showReboot",
        },
        "target": to_group(name),
    });
    let app = Object::new(Identity::new(APP, name.to_owned()), String::new())
        .with("@odata.type", "#microsoft.graph.winGetApp")
        .with("assignments", json!([assignment]))
        .with("description", mark)
        .with("displayName", name)
        .with("installExperience", json!({ "runAsAccount": "system" }))
        .with("packageIdentifier", product)
        .with("publisher", "Refit");
    vec![Sample::new(app, "publisher", "Refit (changed)")]
}

/// How far ahead the time of a sample's assignment is.
const TRIED_AHEAD: SignedDuration = SignedDuration::from_hours(24 * 30);

impl Target for IntuneApps {
    fn kind(&self) -> &'static str {
        "intune-apps"
    }

    fn name(&self) -> &'static str {
        "Microsoft Intune (apps from the Microsoft Store)"
    }

    fn about(&self) -> &'static str {
        "Applications on Windows that Intune takes from the Microsoft Store by WinGet (`winGetApp`), assigned to groups of devices with a time \
         by which they are installed (`installTimeSettings`). `settings: { apps: { google-chrome: XPFCC4CD725961 } }` says which product \
         of the Store a title is. Apps and their assignments are in Microsoft Graph's beta, which Microsoft may change."
    }

    fn reach(&self) -> &'static str {
        "A change takes up to eight hours to arrive at a device that is on. A stop takes an assignment away: what has been installed stays, and \
         the Store goes on to bring new versions."
    }

    fn tried(&self) -> &'static str {
        "There is no document of Graph's beta at hand that objects could be held against; Microsoft's pages were read. A double that keeps \
         what it is given, and refuses what these pages say that Graph refuses, was asked and changed by \
         `refit compile --systems --apply`. Nothing has been sent to a tenant yet."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        let mark = api::mark(&input.repository.organization, &input.target.name);
        let mut apps: BTreeMap<SmolStr, BTreeMap<Key, Group<'_>>> = BTreeMap::new();
        for cohort in &input.cohorts.titles {
            gather(input, cohort, &mut apps, &mut desired);
        }
        for (title, groups) in apps {
            write(input, &title, groups, &mark, &mut desired);
        }
        desired
    }

    fn document(&self, object: &Object) -> Document {
        graph::document(object)
    }

    fn api(&self) -> Option<&dyn Api> {
        Some(&GRAPH)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        graph::cost(desired)
    }
}

/// Who is asked for the same by the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    policy: SmolStr,
    rollout: Option<SmolStr>,
    ring: Option<SmolStr>,
    at: Option<DateTime>,
    /// Whether it goes.
    goes: bool,
}

struct Group<'a> {
    policy: &'a Policy,
    said: Said,
    devices: RoaringBitmap,
}

fn gather<'a>(
    input: &Input<'a>,
    cohort: &Cohort,
    apps: &mut BTreeMap<SmolStr, BTreeMap<Key, Group<'a>>>,
    desired: &mut Desired,
) {
    let devices = &cohort.devices & input.devices;
    if devices.is_empty() || cohort.place.platform.as_deref() != Some("windows") {
        return;
    }
    let Some(title) = input.repository.titles.get(&cohort.slot.title) else { return };
    // What nobody packs for Windows is none of Intune's.
    if title.document.kind == TitleKind::Os || !title.document.identifiers.contains_key(&System::Winget) {
        return;
    }
    let outcome = &cohort.outcome;
    let Some(policy) = outcome.policy.as_ref().and_then(|name| input.repository.policy(name)) else { return };
    // What is assigned is installed: there is nothing that only tells.
    if !desired.writes(&IntuneApps, policy) {
        return;
    }
    let terms = Terms::of_cohort(input.repository, policy, cohort);
    let said = Said::of(&IntuneApps, input.repository, policy, Subject::Slot(&cohort.slot), &cohort.place, &terms);
    if !said.goes_on(desired) {
        return;
    }
    let goes = outcome.goal == Some(Goal::Absent) && cohort.installed.is_some();
    if outcome.admitted.is_none() && !goes {
        return desired.waits(policy, cohort, devices.len());
    }
    if let Some(because) = held(cohort) {
        return desired.withhold(&policy.name, &cohort.slot.title, because, devices.len());
    }
    let relaunch = policy.experience.relaunch.as_ref().map(|relaunch| relaunch.mode);
    let dated = goes || relaunch == Some(RestartMode::AtDue);
    let at = outcome.due.filter(|_| dated).and_then(|due| {
        let freezes = cohort.place.freezes.iter().filter_map(|number| input.repository.freezes.get(*number));
        let by_freeze = outcome.holds.contains(&Hold::Freeze);
        let forced = forced(due, &cohort.zone, input.cohorts.now, &terms, freezes, by_freeze);
        time::local(Time::Instant(forced.at), &cohort.zone)
    });
    let key =
        Key { policy: policy.name.clone(), rollout: outcome.rollout.clone(), ring: outcome.ring.clone(), at, goes };
    let nobody = || Group { policy, said: Said::default(), devices: RoaringBitmap::new() };
    let groups = apps.entry(cohort.slot.title.as_str().into()).or_default();
    let group = groups.entry(key).or_insert_with(nobody);
    group.devices |= devices;
    group.said.losses.extend(said.losses);
}

fn write(input: &Input<'_>, title: &SmolStr, groups: BTreeMap<Key, Group<'_>>, mark: &str, desired: &mut Desired) {
    let product = input.target.settings.get(SETTING_APPS).and_then(|apps| apps[title.as_str()].as_str());
    let Some(product) = product else {
        for (key, group) in groups {
            desired.awaiting.push(Awaiting {
                policy: key.policy,
                title: title.as_str().into(),
                missing: format!(
                    "nobody says which product of the Microsoft Store it is (`settings: {{ apps: {{ {title}: ID }} }}`)"
                ),
                owner: input.target.owner.as_deref().unwrap_or("whoever looks after Intune").to_owned(),
                devices: group.devices.len(),
            });
        }
        return;
    };
    let named = input.repository.titles.get(&TitleId::new(title));
    let name = format!("{MARKER}-{}-{}", word(title, 24), fingerprint([title.as_str(), product], 8));
    let about = format!("{title}: product {product} of the Microsoft Store");
    let mut app = Object::new(Identity::new(APP, name.clone()), about)
        .with("@odata.type", "#microsoft.graph.winGetApp")
        .with("description", mark)
        .with("displayName", name)
        .with("installExperience", json!({ "runAsAccount": "system" }))
        .with("packageIdentifier", product)
        .with("publisher", named.and_then(|title| title.document.vendor.clone()).unwrap_or_else(|| title.to_string()));
    let mut assignments = Vec::new();
    for (key, of) in groups {
        let (rollout, ring) = (key.rollout.as_deref().unwrap_or("-"), key.ring.as_deref().unwrap_or("-"));
        let at = key.at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let what = if key.goes { "goes" } else { "comes" };
        let texts = [key.policy.as_str(), title.as_str(), rollout, ring, at.as_str(), what];
        let ring = key.ring.as_deref().map_or_else(|| "all".to_owned(), |ring| word(ring, 16));
        let name = format!("{MARKER}-{}-{ring}-{}", word(title, 24), fingerprint(texts, 8));
        let by =
            key.at.map_or(String::new(), |at| format!(" by {} on the device's clock", at.strftime("%-d %b %Y %H:%M")));
        let who = match (&key.ring, &key.rollout) {
            (Some(ring), Some(rollout)) => format!("ring {ring} of {rollout}"),
            _ => "everybody".to_owned(),
        };
        let mut members = group(&name, format!("{title} {what}{by}, {who}"), mark);
        for object in [&mut members, &mut app] {
            object.devices |= &of.devices;
            object.from.insert(Source::from(of.policy));
            object.losses.extend(of.said.losses.iter().cloned());
        }
        desired.add(members);
        assignments.push(assignment(&key, of.policy, &name));
    }
    // As they are found: in the order of what they are assigned to.
    assignments.sort_by_key(|assignment| assignment["target"].to_string());
    app.fields.insert("assignments".to_owned(), Value::Array(assignments));
    app.moves.insert(title.as_str().into());
    desired.add(app);
}

fn assignment(key: &Key, policy: &Policy, group: &str) -> Value {
    let is_told = policy.experience.notify.is_some();
    let mut settings = json!({
        "@odata.type": "#microsoft.graph.winGetAppAssignmentSettings",
        "notifications": if is_told { "showAll" } else { "showReboot" },
    });
    if let Some(at) = key.at {
        settings["installTimeSettings"] = json!({ "deadlineDateTime": time::written(at), "useLocalTime": true });
    }
    let intent = if key.goes { "uninstall" } else { "required" };
    json!({ "intent": intent, "settings": settings, "target": to_group(group) })
}
