//! Jamf Pro: applications on Macs by patch policies or App Installers, macOS by managed software update plans.
//!
//! For each ring of a policy there is a static group, and what is scoped to it: a patch policy; or a deployment of an App Installer, which
//! takes smart groups alone, and has one that asks who is in the static group; or an update plan. Names say which ring it is, not which
//! release: a patch policy goes on with the next one. A plan can be neither changed nor taken back by a call, so that each date and
//! release has one of its own.
//!
//! What is written in JSON is as the Jamf Pro API has it, and patch policies as the Classic API has them, which alone can write them.

mod api;
mod catalog;
mod matrix;
mod objects;
mod samples;
pub mod time;
mod xml;

pub use catalog::{App, Catalog, Missing, PatchTitle};

use crate::{
    api::{Api, mark, reference},
    cost::{Cost, Load},
    intent::Intent,
    object::{Identity, MARKER, Object, Source, fingerprint, word},
    stated::Subject,
    target::{Answer, Awaiting, Desired, Document, Input, Lost, Said, Target, held},
    terms::Terms,
    time::{Time, forced, left},
};
use jiff::civil::DateTime;
use objects::Writing;
use refit_core::{
    cohorts::Cohort,
    engine::Hold,
    policy::{
        document::{
            policy::{Mode, RestartMode},
            title::System,
        },
        repository::{Policy, TargetSystem},
    },
};
use refit_model::{Scheme, TitleId, Version};
use roaring::RoaringBitmap;
use serde::Deserialize;
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Jamf Pro.
#[derive(Clone, Copy, Debug)]
pub struct Jamf;

/// What sorts of objects there are.
const GROUP: &str = "static group";
const SMART_GROUP: &str = "smart group";
const PATCH: &str = "patch policy";
const INSTALLER: &str = "app installer";
const PLAN: &str = "update plan";

/// The system that is planned for.
const MACOS: &str = "macos";

/// The first macOS that enforces plans with a date.
const PLANS_FROM: &str = "14.0";

/// How a title is updated through Jamf Pro.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// By a patch policy of a patch title, with a package of the organisation's.
    PatchPolicy,
    /// By a deployment of an App Installer, from Jamf's App Catalog.
    AppInstaller,
    /// By a managed software update plan: macOS.
    UpdatePlan,
}

/// What a target's document says besides who the system is: `settings: { titles: { slack: patch_policy } }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Titles(Option<BTreeMap<TitleId, Way>>);

impl Titles {
    /// The name of the setting.
    pub const SETTING: &str = "titles";

    /// Reads it; without it all titles with a name of Jamf's are updated by patch policies, and macOS by update plans.
    pub fn of(target: &TargetSystem) -> Result<Titles, String> {
        let Some(setting) = target.settings.get(Titles::SETTING) else { return Ok(Titles::default()) };
        let named: BTreeMap<String, Way> = serde_json::from_value(setting.clone()).map_err(|error| {
            format!("{error}: it says how each title is updated, as in `{{ slack: patch_policy, zoom: app_installer, macos: update_plan }}`")
        })?;
        if let Some((title, _)) = named.iter().find(|(title, way)| (*title == MACOS) != (**way == Way::UpdatePlan)) {
            return Err(format!("`{title}`: macOS is updated by `update_plan`, and nothing else is"));
        }
        Ok(Titles(Some(named.into_iter().map(|(title, way)| (title.as_str().into(), way)).collect())))
    }

    fn way(&self, title: &TitleId) -> Option<Way> {
        match &self.0 {
            Some(named) => named.get(title).copied(),
            None if title.as_str() == MACOS => Some(Way::UpdatePlan),
            None => Some(Way::PatchPolicy),
        }
    }
}

impl Target for Jamf {
    fn kind(&self) -> &'static str {
        "jamf-pro"
    }

    fn name(&self) -> &'static str {
        "Jamf Pro"
    }

    fn about(&self) -> &'static str {
        "Macs under Jamf Pro: applications by patch policies, with packages of the organisation's, or by App Installers, with Jamf's; macOS by \
         managed software update plans; and the groups of each ring. `settings: { titles: { slack: patch_policy, zoom: app_installer, \
         macos: update_plan } }` says how which title is updated, and leaves all others alone; without it applications are by patch policies and macOS by \
         plans. A title is called there as its `identifiers: { jamf: [...] }` say. API: developer.jamf.com, *Jamf Pro API* (11.28 and later), and \
         *Classic API* for patch policies, which alone can write them. Mobile devices are not configured."
    }

    fn reach(&self) -> &'static str {
        "A patch policy, and its end, arrive at a Mac's next check-in, every 15 minutes as Jamf Pro comes; a deployment when its command \
         does, within six hours. An update plan is declared to the Mac when it is on; what was planned can't be taken back by a call, only by \
         hand in Jamf Pro."
    }

    fn tried(&self) -> &'static str {
        "Against a double in tests, which refuses what Jamf's documentation says that Jamf Pro refuses. Never on a Jamf Pro server."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        let titles = match Titles::of(input.target) {
            Ok(titles) => titles,
            Err(error) => {
                desired
                    .notes
                    .insert(format!("`settings: {{ titles }}` can't be read, and nothing is compiled: {error}"));
                return desired;
            }
        };
        let mut groups: BTreeMap<Key, Group<'_>> = BTreeMap::new();
        for cohort in &input.cohorts.titles {
            gather(input, &titles, cohort, &mut groups, &mut desired);
        }
        // Where those of one ring get different releases, the names say which.
        let mut releases: BTreeMap<Key, usize> = BTreeMap::new();
        for key in groups.keys() {
            *releases.entry(key.without_version()).or_default() += 1;
        }
        for (key, group) in groups {
            let apart = releases.get(&key.without_version()).is_some_and(|count| *count > 1);
            write(input, &key, group, apart, &mut desired);
        }
        if input.offered.jamf.is_none() && !desired.objects.is_empty() {
            desired.notes.insert(
                "nobody has looked what the server can install: what it has no package or definition of is shown as if it had"
                    .to_owned(),
            );
        }
        desired
    }

    fn document(&self, object: &Object) -> Document {
        let Object { id, fields, .. } = object;
        let folder = word(&id.kind, 24);
        if id.kind == PATCH {
            let value = Value::Object(fields.clone().into_iter().collect());
            return Document { path: format!("{folder}/{}.xml", id.name), text: xml::document("patch_policy", &value) };
        }
        let text = serde_json::to_string_pretty(fields).unwrap_or_default() + "\n";
        Document { path: format!("{folder}/{}.json", id.name), text }
    }

    fn api(&self) -> Option<&dyn Api> {
        Some(self)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        let objects = desired.objects.len() as u64;
        let bytes = desired.objects.values().map(Object::bytes).sum();
        // The token, the lists of each sort, and of what can be installed. An object is read and written. Computers are listed by pages of
        // 1,000, whose records have 700 bytes; the members of a group are written with it.
        Cost {
            once: Load { calls: 1 + 8 + 2 * objects, bytes },
            each: Load { calls: 0, bytes: 700 + 8 },
            per_thousand: Load { calls: 1, bytes: 0 },
        }
    }
}

/// Who shares an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    policy: SmolStr,
    title: SmolStr,
    way: Way,
    rollout: Option<SmolStr>,
    ring: Option<SmolStr>,
    /// Whether it is installed once the time has come, or offered for good.
    forced: bool,
    /// When a plan is forced.
    at: Option<DateTime>,
    version: String,
}

impl Key {
    fn without_version(&self) -> Key {
        Key { version: String::new(), ..self.clone() }
    }
}

struct Group<'a> {
    policy: &'a Policy,
    names: &'a [String],
    said: Said,
    devices: RoaringBitmap,
}

fn gather<'a>(
    input: &Input<'a>,
    titles: &Titles,
    cohort: &'a Cohort,
    groups: &mut BTreeMap<Key, Group<'a>>,
    desired: &mut Desired,
) {
    let devices = &cohort.devices & input.devices;
    if devices.is_empty() || cohort.place.platform.as_deref() != Some(MACOS) {
        return;
    }
    let id = &cohort.slot.title;
    let Some(title) = input.repository.titles.get(id) else { return };
    let names = title.document.identifiers.get(&System::Jamf).map(Vec::as_slice).unwrap_or_default();
    let Some(way) = titles.way(id).filter(|way| *way == Way::UpdatePlan || !names.is_empty()) else { return };
    let outcome = &cohort.outcome;
    let Some(policy) = outcome.policy.as_ref().and_then(|name| input.repository.policy(name)) else { return };
    if policy.mode == Mode::Observe {
        return;
    }
    if way == Way::UpdatePlan && policy.mode == Mode::Notify {
        return desired.lose_notice(&Jamf, policy);
    }
    let terms = Terms::of_cohort(input.repository, policy, cohort);
    let mut said = Said::of(&Jamf, input.repository, policy, Subject::Slot(&cohort.slot), &cohort.place, &terms);
    said.losses.retain(|loss| matrix::is_lost(loss.intent, way));
    if !said.goes_on(desired) {
        return;
    }
    let Some(version) = &outcome.admitted else { return desired.waits(policy, cohort, devices.len()) };
    let mut withhold = |because: String| desired.withhold(&policy.name, id, because, devices.len());
    if policy.mode == Mode::Enforce
        && let Some(because) = held(cohort)
    {
        return withhold(because);
    }
    let (mut forces, mut at) = (false, None);
    match way {
        Way::PatchPolicy | Way::AppInstaller => {
            if let Some(because) = impossible(way, cohort, version) {
                return withhold(because.to_owned());
            }
            let relaunch = policy.experience.relaunch.as_ref().map(|relaunch| relaunch.mode);
            let at_due = relaunch == Some(RestartMode::AtDue) && !policy.deadline.is_empty();
            forces = policy.mode == Mode::Enforce && at_due;
        }
        Way::UpdatePlan => match planned(input, cohort, version, &terms) {
            Ok(moment) => at = Some(moment),
            Err(because) => {
                withhold(because);
                let of = |loss| Lost { from: Source::from(policy), loss };
                return desired.lost.extend(said.losses.into_iter().map(of));
            }
        },
    }
    let key = Key {
        policy: policy.name.clone(),
        title: id.as_str().into(),
        way,
        rollout: outcome.rollout.clone(),
        ring: outcome.ring.clone(),
        forced: forces,
        at,
        version: version.as_str().to_owned(),
    };
    let nobody = || Group { policy, names, said: Said::default(), devices: RoaringBitmap::new() };
    let group = groups.entry(key).or_insert_with(nobody);
    group.devices |= devices;
    group.said.losses.extend(said.losses);
}

/// Why an application can't be brought to a release in a way; `None` where it can.
fn impossible(way: Way, cohort: &Cohort, version: &Version) -> Option<&'static str> {
    match &cohort.installed {
        None if way == Way::PatchPolicy => {
            Some("a patch policy brings nothing that is not there: an App Installer does")
        }
        Some(installed) if way == Way::AppInstaller && is_older(version, installed) => {
            Some("an App Installer goes back to no older release")
        }
        _ => None,
    }
}

/// When the plan for a Mac is forced, on its own clock; an error says why there is none.
fn planned(input: &Input<'_>, cohort: &Cohort, version: &Version, terms: &Terms<'_>) -> Result<DateTime, String> {
    match terms.reboot {
        Some(RestartMode::AtDue) => {}
        Some(RestartMode::Never) => return Err("`reboot: never`: a plan restarts".to_owned()),
        Some(RestartMode::Ask) | None => return Err("`reboot: ask`: a plan restarts without asking".to_owned()),
    }
    let least = Version::parse(Scheme::Apple, PLANS_FROM).ok();
    if let (Some(installed), Some(least)) = (&cohort.installed, least) {
        if is_older(installed, &least) {
            return Err(format!("Macs below macOS {PLANS_FROM} are forced by no date"));
        }
        if is_older(version, installed) {
            return Err("Apple's systems go back to no older release".to_owned());
        }
    }
    let due = cohort.outcome.due.ok_or("nothing is due, and a plan needs a date")?;
    let freezes = cohort.place.freezes.iter().filter_map(|number| input.repository.freezes.get(*number));
    let by_freeze = cohort.outcome.holds.contains(&Hold::Freeze);
    let forced = forced(due, &cohort.zone, input.cohorts.now, terms, freezes, by_freeze);
    time::local(Time::Instant(forced.at), &cohort.zone).ok_or_else(|| "its time can't be written".to_owned())
}

fn is_older(version: &Version, than: &Version) -> bool {
    version.compare(than).is_some_and(std::cmp::Ordering::is_lt)
}

fn write(input: &Input<'_>, key: &Key, group: Group<'_>, apart: bool, desired: &mut Desired) {
    let content = match content(input.offered.jamf.as_ref(), key, group.names) {
        Ok(content) => content,
        Err(Missing { what, owner }) => {
            let own = input.target.owner.as_deref().unwrap_or("whoever looks after Jamf Pro");
            let name = name(key, apart);
            let kinds = [GROUP, SMART_GROUP, PATCH, INSTALLER, PLAN];
            desired.keeps.extend(kinds.map(|kind| match kind {
                SMART_GROUP => Identity::new(kind, objects::scope(&name)),
                kind => Identity::new(kind, name.clone()),
            }));
            return desired.awaiting.push(Awaiting {
                policy: key.policy.clone(),
                title: key.title.as_str().into(),
                missing: what,
                owner: owner.unwrap_or(own).to_owned(),
                devices: group.devices.len(),
            });
        }
    };
    let name = name(key, apart);
    let mark = mark(&input.repository.organization, &input.target.name);
    let left = left(input.repository, group.policy, key.rollout.as_deref(), key.ring.as_deref());
    let deadline = left.filter(|_| key.forced).map(Time::AfterOffer);
    let writing = Writing { key, name: &name, mark: &mark, policy: group.policy, content: &content, deadline };
    let mut objects = vec![writing.group()];
    match key.way {
        Way::PatchPolicy => objects.push(writing.patch_policy()),
        Way::AppInstaller => objects.extend([writing.smart_group(), writing.deployment()]),
        Way::UpdatePlan => objects.extend(key.at.map(|at| writing.plan(at))),
    }
    for mut object in objects {
        object.devices.clone_from(&group.devices);
        object.from.insert(Source::from(group.policy));
        object.losses.clone_from(&group.said.losses);
        // Who is only told chooses what is installed.
        if group.policy.mode == Mode::Enforce && matches!(object.id.kind.as_str(), PATCH | INSTALLER | PLAN) {
            object.moves.insert(key.title.as_str().into());
        }
        desired.add(object);
    }
}

/// What an object names that the server has, by its id where that is known.
fn content(catalog: Option<&Catalog>, key: &Key, names: &[String]) -> Result<String, Missing> {
    let unknown = |kind: &str| reference(&Identity::new(kind, names.first().cloned().unwrap_or_default()));
    match (key.way, catalog) {
        (Way::PatchPolicy, Some(catalog)) => catalog.patch(names, &key.version).map(str::to_owned),
        (Way::AppInstaller, Some(catalog)) => catalog.app(names, &key.version).map(str::to_owned),
        (Way::UpdatePlan, Some(catalog)) => catalog.macos(&key.version).map(|()| key.version.clone()),
        (Way::PatchPolicy, None) => Ok(unknown("patch title")),
        (Way::AppInstaller, None) => Ok(unknown("app")),
        (Way::UpdatePlan, None) => Ok(key.version.clone()),
    }
}

/// `refit-slack-early-1a2b3c4d`.
fn name(key: &Key, apart: bool) -> String {
    let date = key.at.map_or_else(|| "-".to_owned(), time::written);
    // A plan can't be changed: with another release it is another one.
    let version = if apart || key.way == Way::UpdatePlan { key.version.as_str() } else { "" };
    let (rollout, ring) = (key.rollout.as_deref().unwrap_or("-"), key.ring.as_deref().unwrap_or("-"));
    let way = match key.way {
        Way::PatchPolicy => "patch policy",
        Way::AppInstaller => "app installer",
        Way::UpdatePlan => "update plan",
    };
    let how = if key.forced { "forced" } else { "offered" };
    let texts = [key.policy.as_str(), key.title.as_str(), way, rollout, ring, how, date.as_str(), version];
    let ring = key.ring.as_deref().map_or_else(|| "all".to_owned(), |ring| word(ring, 16));
    format!("{MARKER}-{}-{ring}-{}", word(&key.title, 24), fingerprint(texts, 8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_policy_goes_on_with_the_next_release_and_a_plan_is_another_one() {
        let key = |way, version: &str| Key {
            policy: "browsers".into(),
            title: "slack".into(),
            way,
            rollout: Some("standard".into()),
            ring: Some("early".into()),
            forced: true,
            at: None,
            version: version.to_owned(),
        };
        for way in [Way::PatchPolicy, Way::AppInstaller] {
            assert_eq!(name(&key(way, "1"), false), name(&key(way, "2"), false));
            // Where one ring gets two releases at once, their names say which.
            assert_ne!(name(&key(way, "1"), true), name(&key(way, "2"), true));
        }
        assert_ne!(name(&key(Way::UpdatePlan, "1"), false), name(&key(Way::UpdatePlan, "2"), false));
        assert!(name(&key(Way::PatchPolicy, "1"), false).starts_with("refit-slack-early-"));
    }
}
