//! Munki: applications on Macs, from an existing repository.
//!
//! Items of the repository are left alone. For each group of Macs that share a release and a date there is a copy of the item, in a catalog
//! of the group's own, and a manifest that asks for it from there: Macs come into a group by including its manifest. What an item requires
//! is copied into that catalog too, since Munki looks for it nowhere else. After items have changed, `makecatalogs` has to run: clients
//! read catalogs only.

mod items;
mod matrix;
pub mod time;

pub(crate) use items::split;
pub use items::{Items, ItemsError, Missing};

use crate::{
    cost::{Cost, Load},
    files::{self, Files, NoFields},
    intent::Intent,
    object::{Fields, Identity, MARKER, Object, Source, fingerprint, word},
    stated::Subject,
    target::{Answer, Awaiting, Desired, Document, Input, Said, Target, held},
    terms::Terms,
    time::{Time, forced},
};
use jiff::civil::DateTime;
use refit_core::{
    cohorts::Cohort,
    engine::{Goal, Hold},
    policy::{
        document::{
            policy::{Mode, Presence, RestartMode},
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

/// Munki.
#[derive(Clone, Copy, Debug)]
pub struct Munki;

/// What sorts of objects there are.
const ITEM: &str = "pkginfo";
const MANIFEST: &str = "manifest";

/// What stands in the notes of items that Refit wrote.
pub const NOTE: &str = "Written by Refit from an item of this repository: change the policy instead.";

impl Target for Munki {
    fn kind(&self) -> &'static str {
        "munki"
    }

    fn name(&self) -> &'static str {
        "Munki"
    }

    fn about(&self) -> &'static str {
        "Applications on Macs, from an existing Munki repository: copies of its items, each in a catalog of a group of Macs, and manifests that \
         ask for them. Keys: the wiki of munki/munki, *Supported Pkginfo Keys* and *Manifests*. What the repository has is read from its \
         `catalogs/all`; what it does not have is awaited."
    }

    fn reach(&self) -> &'static str {
        "A Mac asks every hour or so while it is on. A stop arrives then; what was downloaded is installed."
    }

    fn tried(&self) -> &'static str {
        "Items are made of a real catalog's in tests, and read back. No Munki client has read them yet."
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
        // Where those of one ring and date get different releases, the names say which.
        let mut releases: BTreeMap<Key, usize> = BTreeMap::new();
        for key in groups.keys() {
            *releases.entry(key.without_version()).or_default() += 1;
        }
        for (key, group) in groups {
            let apart = releases.get(&key.without_version()).is_some_and(|count| *count > 1);
            write(input, &key, group, apart, &mut desired);
        }
        if input.offered.munki.is_none() && !desired.objects.is_empty() {
            desired.notes.insert(
                "nobody has looked what the repository has: items without their content are shown (`--munki-repo DIR`)"
                    .to_owned(),
            );
        }
        desired
    }

    fn document(&self, object: &Object) -> Document {
        Document { path: object.id.name.clone(), text: super::plist::write(&object.fields) }
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        let bytes = desired.objects.values().map(Object::bytes).sum();
        Cost {
            once: Load { calls: desired.objects.len() as u64, bytes },
            each: Load { calls: 1, bytes: 500 },
            ..Cost::default()
        }
    }
}

impl Files for Munki {
    fn identity(&self, path: &str) -> Option<Identity> {
        let (folder, name) = path.split_once('/')?;
        let kind = match folder {
            "pkgsinfo" if path.ends_with(".plist") => ITEM,
            "manifests" => MANIFEST,
            _ => return None,
        };
        let below = name.strip_prefix(MARKER)?.strip_prefix('/')?;
        (!below.contains('/')).then(|| Identity::new(kind, path.to_owned()))
    }

    fn fields(&self, _kind: &str, text: &str) -> Result<Fields, NoFields> {
        files::plist(text)
    }

    fn below(&self) -> &'static [&'static str] {
        &["manifests", "pkgsinfo"]
    }

    fn is_of_others(&self) -> bool {
        true
    }

    fn afterwards(&self) -> Option<&'static str> {
        Some("run `makecatalogs`: clients read catalogs only")
    }
}

/// Who is asked for the same by the same time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    policy: SmolStr,
    title: SmolStr,
    rollout: Option<SmolStr>,
    ring: Option<SmolStr>,
    at: Option<DateTime>,
    /// `None` is that it goes.
    version: Option<String>,
}

impl Key {
    fn without_version(&self) -> Key {
        Key { version: None, ..self.clone() }
    }
}

struct Group<'a> {
    policy: &'a Policy,
    names: &'a [String],
    said: Said,
    devices: RoaringBitmap,
}

fn gather<'a>(input: &Input<'a>, cohort: &'a Cohort, groups: &mut BTreeMap<Key, Group<'a>>, desired: &mut Desired) {
    let devices = &cohort.devices & input.devices;
    if devices.is_empty() || cohort.place.platform.as_deref() != Some("macos") {
        return;
    }
    let Some(title) = input.repository.titles.get(&cohort.slot.title) else { return };
    let names = title.document.identifiers.get(&System::Munki).map(Vec::as_slice).unwrap_or_default();
    if names.is_empty() || title.document.kind == TitleKind::Os {
        return;
    }
    let outcome = &cohort.outcome;
    let Some(policy) = outcome.policy.as_ref().and_then(|name| input.repository.policy(name)) else { return };
    if policy.mode == Mode::Observe {
        return;
    }
    let terms = Terms::of_cohort(input.repository, policy, cohort);
    let said = Said::of(&Munki, input.repository, policy, Subject::Slot(&cohort.slot), &cohort.place, &terms);
    if !said.goes_on(desired) {
        return;
    }
    let goes = outcome.goal == Some(Goal::Absent) && cohort.installed.is_some();
    if outcome.admitted.is_none() && !goes {
        return desired.waits(policy, cohort, devices.len());
    }
    if goes && policy.mode == Mode::Notify {
        return desired.lose_notice(&Munki, policy);
    }
    if policy.mode == Mode::Enforce
        && let Some(because) = held(cohort)
    {
        return desired.withhold(&policy.name, &cohort.slot.title, because, devices.len());
    }
    let relaunch = policy.experience.relaunch.as_ref().map(|relaunch| relaunch.mode);
    let dated = policy.mode == Mode::Enforce && (goes || relaunch == Some(RestartMode::AtDue));
    let at = outcome.due.filter(|_| dated).and_then(|due| {
        let freezes = cohort.place.freezes.iter().filter_map(|number| input.repository.freezes.get(*number));
        let by_freeze = outcome.holds.contains(&Hold::Freeze);
        let forced = forced(due, &cohort.zone, input.cohorts.now, &terms, freezes, by_freeze);
        time::local(Time::Instant(forced.at), &cohort.zone)
    });
    let key = Key {
        policy: policy.name.clone(),
        title: cohort.slot.title.as_str().into(),
        rollout: outcome.rollout.clone(),
        ring: outcome.ring.clone(),
        at,
        version: outcome.admitted.as_ref().filter(|_| !goes).map(|version| version.as_str().to_owned()),
    };
    let nobody = || Group { policy, names, said: Said::default(), devices: RoaringBitmap::new() };
    let group = groups.entry(key).or_insert_with(nobody);
    group.devices |= devices;
    group.said.losses.extend(said.losses);
}

fn write(input: &Input<'_>, key: &Key, group: Group<'_>, apart: bool, desired: &mut Desired) {
    let Some(first) = group.names.first() else { return };
    let date = key.at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let version = key.version.as_deref().filter(|_| apart).unwrap_or_default();
    let (rollout, ring) = (key.rollout.as_deref().unwrap_or("-"), key.ring.as_deref().unwrap_or("-"));
    let texts = [key.policy.as_str(), key.title.as_str(), rollout, ring, date.as_str(), version];
    let ring = key.ring.as_deref().map_or_else(|| "all".to_owned(), |ring| word(ring, 16));
    let name = format!("{MARKER}-{}-{ring}-{}", word(&key.title, 24), fingerprint(texts, 8));
    let who = match (&key.ring, &key.rollout) {
        (Some(ring), Some(rollout)) => format!("ring {ring} of {rollout}"),
        _ => "everybody".to_owned(),
    };
    let by = key.at.map_or(String::new(), |at| format!(" by {} on the Mac's clock", at.strftime("%-d %b %Y %H:%M")));
    let enforces = group.policy.mode == Mode::Enforce;
    let mut item_name = first.clone();
    let mut objects = Vec::new();
    if let Some(version) = &key.version {
        let (found, required) = match &input.offered.munki {
            None => (None, Vec::new()),
            Some(items) => match content(items, group.names, version) {
                Ok((item, required)) => (Some(item), required),
                Err(missing) => {
                    for missing in missing {
                        desired.awaiting.push(Awaiting {
                            policy: key.policy.clone(),
                            title: key.title.as_str().into(),
                            missing,
                            owner: input.target.owner.as_deref().unwrap_or("whoever fills the repository").to_owned(),
                            devices: group.devices.len(),
                        });
                    }
                    return;
                }
            },
        };
        if let Some(found) = found.and_then(|item| item["name"].as_str()) {
            found.clone_into(&mut item_name);
        }
        let id = Identity::new(ITEM, format!("pkgsinfo/{MARKER}/{name}.plist"));
        let about = format!("{} {version}{by}, {who}", key.title);
        let mut object = copied(id, about, found, &name, enforces)
            .with("name", item_name.as_str())
            .with("version", version.as_str());
        if let Some(at) = key.at {
            object.fields.insert("force_install_after_date".to_owned(), time::written(at));
        }
        // Who is only told chooses what is installed.
        if enforces {
            object.moves.insert(key.title.as_str().into());
        }
        objects.push(object);
        for item in required {
            let (of, version) =
                (item["name"].as_str().unwrap_or_default(), item["version"].as_str().unwrap_or_default());
            let apart = fingerprint([of, version, items::conditions(item).as_str()], 8);
            let id = Identity::new(ITEM, format!("pkgsinfo/{MARKER}/{name}-{}-{apart}.plist", word(of, 24)));
            let about = format!("{of} {version}, which {item_name} requires, {who}");
            let mut object = copied(id, about, Some(item), &name, enforces);
            if enforces {
                object.moves.extend(titles(input, of));
            }
            objects.push(object);
        }
    }
    let list = match (&key.version, group.policy.presence) {
        (None, _) => "managed_uninstalls",
        // What is managed is installed when nobody is logged in, whoever was told.
        (Some(_), _) if !enforces => "optional_installs",
        (Some(_), Presence::Required) => "managed_installs",
        (Some(_), _) => "managed_updates",
    };
    let what = key.version.as_deref().unwrap_or("none at all");
    let id = Identity::new(MANIFEST, format!("manifests/{MARKER}/{name}"));
    let mut manifest = Object::new(id, format!("{}: {what}{by}, {who}", key.title)).with(list, json!([item_name]));
    if key.version.is_some() {
        manifest = manifest.with("catalogs", json!([name]));
    }
    // Without catalogs of its own, what goes is looked up in those of the Mac's manifest: a catalog of the group would hold no item.
    objects.push(manifest);
    for mut object in objects {
        object.devices.clone_from(&group.devices);
        object.from.insert(Source::from(group.policy));
        object.losses.clone_from(&group.said.losses);
        desired.add(object);
    }
}

/// The item of a release, and the items that it requires; an error says what the repository does not have of them.
fn content<'i>(items: &'i Items, names: &[String], version: &str) -> Result<(&'i Value, Vec<&'i Value>), Vec<String>> {
    let Some(item) = items.find(names, version) else {
        return Err(vec![format!("the repository has no item {} {version}", names.join(" or "))]);
    };
    let required = items.required(item).map_err(|missing| {
        let of =
            |Missing { reference, by }: Missing| format!("the repository has no item {reference}, which {by} requires");
        missing.into_iter().map(of).collect::<Vec<String>>()
    })?;
    Ok((item, required))
}

/// A copy of an item, in the catalog of a group.
fn copied(id: Identity, about: String, item: Option<&Value>, catalog: &str, unattended: bool) -> Object {
    let mut object = Object::new(id, about);
    object.fields =
        item.and_then(Value::as_object).into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    object.fields.remove("force_install_after_date");
    object
        .with("catalogs", json!([catalog]))
        .with("notes", NOTE)
        // Munki leaves out what requires an item that has to be attended to.
        .with("unattended_install", unattended)
}

/// The titles that an item moves.
fn titles(input: &Input<'_>, name: &str) -> impl Iterator<Item = TitleId> {
    let named = input.repository.titles.iter().filter(move |(_, title)| {
        title.document.identifiers.get(&System::Munki).is_some_and(|names| names.iter().any(|it| it == name))
    });
    named.map(|(title, _)| title.clone())
}
