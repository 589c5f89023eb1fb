//! Policies of Chrome, Edge and Firefox: software that moves itself, held by its own vendor's keys.
//!
//! One group for each ring of a policy on a platform. Its pin is the release that the ring may have; without an admitted release it is what
//! its devices have, so that nobody runs ahead of the rings.

pub mod known;
mod matrix;
pub mod settings;
pub mod text;
pub mod time;

use crate::{
    cost::{Cost, Load},
    files::{self, Files, NoFields, Placed, Shared},
    intent::Intent,
    object::{Fields, Identity, MARKER, Object, Source, fingerprint, word},
    stated::Subject,
    target::{Answer, Desired, Document, Input, Said, Target, held},
    terms::Terms,
};
use known::{BROWSERS, Browser, Family};
use refit_core::{
    cohorts::Cohort,
    engine::{Compliance, Mark},
    policy::{
        document::policy::{Mode, RestartMode},
        repository::{Policy, WantedRelease},
    },
};
use refit_model::Version;
use roaring::RoaringBitmap;
use serde_json::{Value, json};
use settings::{Relaunch, Settings};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Policies of browsers.
#[derive(Clone, Copy, Debug)]
pub struct Browsers;

/// What sorts of objects there are.
const REGISTRY: &str = "registry policies";
const PREFERENCES: &str = "managed preferences";
const FILE: &str = "policy file";

impl Target for Browsers {
    fn kind(&self) -> &'static str {
        "browser-policies"
    }

    fn name(&self) -> &'static str {
        "Policies of Chrome, Edge and Firefox"
    }

    fn about(&self) -> &'static str {
        "Which version a browser may have, and when it starts anew with it: registry values on Windows, managed preferences on macOS, JSON \
         on Linux (where the package manager moves it, and only the new start is configured). Whatever manages the devices brings the \
         files there. The updaters of Chrome and Edge obey on Windows only where a computer is joined to a domain or managed."
    }

    fn reach(&self) -> &'static str {
        "As long as device management takes, and then until the updater looks again: Chrome and Edge every few hours, Firefox twice a day. \
         A pin that is taken back stops who does not have the release yet. Pins do not end by themselves: while nobody moves them, \
         browsers stay where they are."
    }

    fn tried(&self) -> &'static str {
        "Files are read back in tests. No browser has read them yet."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        let mut groups: BTreeMap<Key, Group<'_>> = BTreeMap::new();
        for cohort in &input.cohorts.titles {
            gather(input, cohort, &mut groups, &mut desired);
        }
        for (key, group) in groups {
            write(input, &key, group, &mut desired);
        }
        desired
    }

    fn document(&self, object: &Object) -> Document {
        let name = flat(&object.id.name);
        match object.id.kind.as_str() {
            REGISTRY => Document { path: format!("{name}.reg"), text: text::registry(&object.fields) },
            PREFERENCES => Document { path: format!("{name}.plist"), text: super::plist::write(&object.fields) },
            _ => Document {
                path: format!("{name}.json"),
                text: serde_json::to_string_pretty(&object.fields).unwrap_or_default() + "\n",
            },
        }
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        let bytes = desired.objects.values().map(Object::bytes).sum();
        Cost { once: Load { calls: desired.objects.len() as u64, bytes }, each: Load::default(), ..Cost::default() }
    }
}

impl Files for Browsers {
    fn identity(&self, path: &str) -> Option<Identity> {
        let (stem, ending) = path.rsplit_once('.').filter(|(stem, _)| !stem.contains('/'))?;
        let id = match ending {
            "reg" => Identity::new(REGISTRY, stem.to_owned()),
            "plist" => Identity::new(PREFERENCES, stem.to_owned()),
            "json" => {
                let of =
                    |browser: Browser| Some(format!("{}{}", browser.file, stem.strip_prefix(&flat(browser.file))?));
                Identity::new(FILE, BROWSERS.into_iter().find_map(of)?)
            }
            _ => return None,
        };
        Some(id).filter(Identity::is_owned)
    }

    fn fields(&self, kind: &str, text: &str) -> Result<Fields, NoFields> {
        match kind {
            REGISTRY => text::read_registry(text),
            PREFERENCES => files::plist(text),
            _ => files::json(text),
        }
    }

    /// Chrome and Edge read all files of a folder; Firefox reads one, and others write into it as well.
    fn in_root(&self, object: &Object) -> Option<Placed> {
        let browser = BROWSERS.into_iter().find(|browser| {
            object.id.kind == FILE
                && object.id.name.strip_prefix(browser.file).is_some_and(|rest| rest.starts_with('.'))
        })?;
        let mut object = object.clone();
        browser.file.clone_into(&mut object.id.name);
        let shared = (browser.family == Family::Firefox).then_some(Shared::Json);
        if let Some(Value::Object(policies)) = shared.and_then(|_| object.fields.remove("policies")) {
            object.fields.extend(policies.into_iter().map(|(name, value)| (format!("policies.{name}"), value)));
        }
        Some(Placed { object, shared })
    }
}

/// A path as one name.
fn flat(path: &str) -> String {
    path.trim_start_matches('/').replace(['/', '\\'], "_")
}

/// Who is told the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    policy: SmolStr,
    browser: &'static str,
    /// Lines of releases are pinned each by itself.
    branch: Option<SmolStr>,
    platform: &'static str,
    rollout: Option<SmolStr>,
    ring: Option<SmolStr>,
    /// What a block, an exception or a freeze keeps apart from the ring.
    apart: Option<SmolStr>,
    /// The exception that gives these devices another window.
    window: Option<SmolStr>,
}

struct Group<'a> {
    policy: &'a Policy,
    terms: Terms<'a>,
    browser: Browser,
    said: Said,
    devices: RoaringBitmap,
    /// Admitted releases, newest last.
    admitted: Vec<Version>,
    /// What those have to whom nothing is admitted.
    installed: Vec<Version>,
}

fn gather<'a>(input: &Input<'a>, cohort: &'a Cohort, groups: &mut BTreeMap<Key, Group<'a>>, desired: &mut Desired) {
    let devices = &cohort.devices & input.devices;
    let title = cohort.slot.title.as_str();
    let Some(browser) = BROWSERS.into_iter().find(|browser| browser.title == title) else { return };
    let platforms = ["linux", "macos", "windows"];
    let platform = platforms.into_iter().find(|name| Some(*name) == cohort.place.platform.as_deref());
    let (Some(platform), false) = (platform, devices.is_empty()) else { return };
    let Some(policy) = cohort.outcome.policy.as_ref().and_then(|name| input.repository.policy(name)) else { return };
    if policy.mode == Mode::Observe {
        return;
    }
    let terms = Terms::of_cohort(input.repository, policy, cohort);
    let said = Said::of(&Browsers, input.repository, policy, Subject::Slot(&cohort.slot), &cohort.place, &terms);
    if !said.goes_on(desired) {
        return;
    }
    // What holds a change keeps the pin where it is; the rest of the ring moves on.
    let apart = if policy.mode == Mode::Enforce { held(cohort) } else { None };
    if let Some(because) = &apart
        && cohort.outcome.admitted.is_some()
    {
        desired.withhold(&policy.name, &cohort.slot.title, because.clone(), devices.len());
    }
    let key = Key {
        policy: policy.name.clone(),
        browser: browser.title,
        branch: cohort.slot.branch.as_ref().map(|branch| branch.as_str().into()),
        platform,
        rollout: cohort.outcome.rollout.clone(),
        ring: cohort.outcome.ring.clone(),
        apart: apart.as_deref().map(SmolStr::from),
        window: terms.excepted_window.clone(),
    };
    let group = groups.entry(key).or_insert_with(|| Group {
        policy,
        terms,
        browser,
        said: Said::default(),
        devices: RoaringBitmap::new(),
        admitted: Vec::new(),
        installed: Vec::new(),
    });
    group.devices |= devices;
    group.said.losses.extend(said.losses);
    let outcome = &cohort.outcome;
    if apart.is_none() {
        group.admitted.extend(outcome.admitted.clone());
    }
    // Of those nobody knows where they should be.
    let unsure = matches!(outcome.compliance, Compliance::Unseen | Compliance::Undetermined)
        || outcome.marks.contains(&Mark::AboveTarget);
    if (outcome.admitted.is_none() || apart.is_some()) && !unsure {
        group.installed.extend(cohort.installed.clone());
    }
}

/// The version that a group stays at or goes to. `None` where the policy leaves it to the vendor.
fn pin(policy: &Policy, group: &Group<'_>, apart: bool) -> Option<String> {
    let free = policy.rollout.is_none()
        && policy.min_age.is_zero()
        && policy.target.release == WantedRelease::Latest(0)
        && !apart;
    if policy.mode != Mode::Enforce || free {
        return None;
    }
    // The least of what is there: who has run ahead of the ring keeps what it has.
    let pin = group.admitted.iter().max().or_else(|| group.installed.iter().min())?;
    Some(pin.as_str().to_owned())
}

fn write(input: &Input<'_>, key: &Key, group: Group<'_>, desired: &mut Desired) {
    let Group { policy, browser, .. } = group;
    let pin = pin(policy, &group, key.apart.is_some());
    let relaunch = policy.experience.relaunch.as_ref().map(|relaunch| relaunch.mode);
    let enforces = policy.mode == Mode::Enforce;
    let relaunch = match relaunch {
        Some(RestartMode::Never) => None,
        // Who is only told is told, whatever the policy says of how.
        _ if !enforces => Some(Relaunch::Recommended),
        Some(RestartMode::Ask) => Some(Relaunch::Recommended),
        Some(RestartMode::AtDue) => Some(Relaunch::Required),
        None => None,
    };
    let settings = Settings {
        pin,
        // Back to what the ring may have; never to the oldest that somebody in it has.
        back: policy.allow_downgrade && !group.admitted.is_empty(),
        relaunch,
        period: crate::time::left(input.repository, policy, key.rollout.as_deref(), key.ring.as_deref()),
        window: group.terms.window.and_then(time::daily),
    };
    let ring = key.ring.as_deref().map_or_else(|| "all".to_owned(), |ring| word(ring, 16));
    let apart = key.apart.as_deref().unwrap_or_default();
    let texts = [
        key.policy.as_str(),
        key.platform,
        key.branch.as_deref().unwrap_or("-"),
        key.rollout.as_deref().unwrap_or("-"),
        key.ring.as_deref().unwrap_or("-"),
        apart,
    ];
    let texts = texts.into_iter().chain(key.window.as_deref());
    let name = format!("{MARKER}.{}.{}.{ring}.{}", browser.title, key.platform, fingerprint(texts, 8));
    let about = words(key, &settings);
    // Where people are only told, updaters are what they are.
    let updated_here = enforces && key.platform != "linux";
    let own = settings::of_browser(&browser, &settings, updated_here);
    let mut objects: Vec<Object> = Vec::new();
    match key.platform {
        "windows" => {
            let mut fields = Fields::new();
            settings::in_registry(browser.registry, browser.family, &own, &mut fields);
            if let Family::Chromium { updater, guid, .. } = browser.family
                && updated_here
            {
                let values = settings::of_updater_on_windows(guid, &settings);
                settings::in_registry(updater, browser.family, &values, &mut fields);
            }
            if !fields.is_empty() {
                let mut object = Object::new(Identity::new(REGISTRY, name), about);
                object.fields = fields;
                objects.push(object);
            }
        }
        "macos" => {
            let mut fields: Fields = own.into_iter().collect();
            if browser.family == Family::Firefox && !fields.is_empty() {
                fields.insert("EnterprisePoliciesEnabled".to_owned(), json!(true));
            }
            if !fields.is_empty() {
                let id = Identity::new(PREFERENCES, format!("{}.{name}", browser.domain));
                let mut object = Object::new(id, about.clone());
                object.fields = fields;
                objects.push(object);
            }
            if let Family::Chromium { updater_domain, bundle, .. } = browser.family
                && updated_here
            {
                let id = Identity::new(PREFERENCES, format!("{updater_domain}.{name}"));
                let mut object = Object::new(id, about);
                object.fields = settings::of_updater_on_macos(bundle, &settings).into_iter().collect();
                objects.push(object);
            }
        }
        _ => {
            if own.is_empty() {
                return;
            }
            let mut object = Object::new(Identity::new(FILE, format!("{}.{name}", browser.file)), about);
            object.fields = match browser.family {
                Family::Firefox => [("policies".to_owned(), Value::Object(own))].into(),
                Family::Chromium { .. } => own.into_iter().collect(),
            };
            objects.push(object);
        }
    }
    for mut object in objects {
        object.devices = group.devices.clone();
        object.from.insert(Source::from(policy));
        object.losses = group.said.losses.clone();
        if updated_here {
            object.moves.insert(browser.title.into());
        }
        desired.add(object);
    }
}

/// What a group is told, in a line.
fn words(key: &Key, settings: &Settings) -> String {
    let who = match (&key.ring, &key.rollout) {
        (Some(ring), Some(rollout)) => format!("ring {ring} of {rollout}"),
        _ => "everybody".to_owned(),
    };
    let who = key.window.iter().chain(&key.apart).fold(who, |who, more| format!("{who}, {more}"));
    let version = settings.pin.as_ref().map_or_else(|| "whatever its vendor has".to_owned(), |pin| format!("at {pin}"));
    let branch = key.branch.as_ref().map_or(String::new(), |branch| format!(" {branch}"));
    format!("{}{branch} on {}, {version}, {who}", key.browser, key.platform)
}
