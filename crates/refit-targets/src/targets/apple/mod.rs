//! Apple declarative device management: operating systems of Macs, iPhones and iPads.
//!
//! One configuration for each group of devices that share a date ([`declarations::enforcement`]), one with settings for each ring, one
//! status subscription, and activations that make them count. A device is served those that it is among the `devices` of.

pub mod declarations;
mod matrix;
pub mod report;
pub mod serve;
pub mod time;
mod versions;

pub use versions::{Found, Versions, VersionsError};

use crate::{
    cost::{Cost, Load},
    files::{self, Files, NoFields},
    intent::Intent,
    object::{Fields, Identity, Object, Source},
    stated::Subject,
    target::{Answer, Awaiting, Desired, Document, Input, Said, Target, held},
    terms::Terms,
    time::{Time, earliest, forced},
};
use declarations::{Group, PLATFORMS, Platform};
use jiff::civil::DateTime;
use refit_core::{
    cohorts::Cohort,
    engine::Hold,
    policy::{
        document::policy::{Mode, RestartMode},
        repository::Policy,
    },
};
use refit_model::{Scheme, TitleId, Version};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// Apple declarative device management.
#[derive(Clone, Copy, Debug)]
pub struct Apple;

impl Target for Apple {
    fn kind(&self) -> &'static str {
        "apple-declarative"
    }

    fn name(&self) -> &'static str {
        "Apple declarative device management"
    }

    fn about(&self) -> &'static str {
        "Operating systems of Macs, iPhones and iPads, by declarations: the dates by which devices update themselves, what they do by \
         themselves before, and what they report. Schemas: `apple/device-management`, `declarative/declarations/`. Dates are enforced from \
         macOS 14 and iOS 17 on, on supervised devices; settings are taken from macOS 15 and iOS 18 on. Versions are held against what \
         Apple's lookup service lists (`gdmf.apple.com/v2/pmv`), since what it does not list is never installed."
    }

    fn reach(&self) -> &'static str {
        "A change, and a stop, arrive when a device syncs: within minutes where it is on and the push reaches it, else when it is on \
         again. An update that has begun to install goes on."
    }

    fn tried(&self) -> &'static str {
        "Every declaration, and what a server answers and hears, is held against Apple's schemas in tests, with a client of their own. No \
         live MDM and no device has been tried yet."
    }

    fn answer(&self, intent: Intent) -> Answer {
        matrix::answer(intent)
    }

    fn derived(&self) -> &'static [&'static str] {
        &["ServerToken"]
    }

    fn desired(&self, input: &Input<'_>) -> Desired {
        let mut desired = Desired::default();
        let mut writer = Writer {
            input,
            dates: BTreeMap::new(),
            settings: BTreeMap::new(),
            covered: BTreeMap::new(),
            decided: RoaringBitmap::new(),
        };
        for cohort in &input.cohorts.titles {
            writer.cohort(cohort, &mut desired);
        }
        writer.unknown();
        if input.offered.apple.is_none() && !writer.dates.is_empty() {
            desired.notes.insert(
                "nobody has said what Apple offers now: a version that it does not list is never installed \
                 (`--apple-versions FILE`)"
                    .to_owned(),
            );
        }
        writer.write(&mut desired);
        desired
    }

    fn document(&self, object: &Object) -> Document {
        Document::json(object)
    }

    fn files(&self) -> Option<&dyn Files> {
        Some(self)
    }

    fn cost(&self, desired: &Desired) -> Cost {
        // A device asks for the tokens, the list of items, and each of its declarations; it reports once. Sizes are means over devices.
        let devices = desired.objects.values().fold(RoaringBitmap::new(), |all, object| all | &object.devices).len();
        let Some(devices) = std::num::NonZeroU64::new(devices) else { return Cost::default() };
        let served: u64 = desired.objects.values().map(|object| object.devices.len()).sum();
        let bytes: u64 = desired.objects.values().map(|object| object.devices.len() * object.bytes()).sum();
        let items = served.div_ceil(devices.get());
        Cost {
            once: Load::default(),
            each: Load { calls: 3 + items, bytes: 300 + 120 * items + bytes.div_ceil(devices.get()) },
            ..Cost::default()
        }
    }
}

impl Files for Apple {
    fn identity(&self, path: &str) -> Option<Identity> {
        let name = path.strip_suffix(".json").filter(|name| !name.contains('/'))?;
        Some(Identity::new(declarations::KIND, name.to_owned())).filter(Identity::is_owned)
    }

    fn fields(&self, _kind: &str, text: &str) -> Result<Fields, NoFields> {
        files::json(text)
    }
}

/// What is known of a group's date: the version for some devices, and what is lost there.
type Dates = BTreeMap<(Group, DateTime), BTreeMap<String, Dated>>;

/// What one configuration is made of.
struct Dated {
    platform: Platform,
    object: Object,
}

struct Writer<'a> {
    input: &'a Input<'a>,
    dates: Dates,
    settings: BTreeMap<(Group, &'static str), Dated>,
    /// Whom anything is declared for, by platform.
    covered: BTreeMap<&'static str, (Platform, RoaringBitmap)>,
    /// Of whose operating system the policies say something.
    decided: RoaringBitmap,
}

impl Writer<'_> {
    fn cohort(&mut self, cohort: &Cohort, desired: &mut Desired) {
        let input = self.input;
        let repository = input.repository;
        let devices = &cohort.devices & input.devices;
        let platform = PLATFORMS.into_iter().find(|platform| Some(platform.name) == cohort.place.platform.as_deref());
        let (Some(platform), false) = (platform, devices.is_empty()) else { return };
        // The platform's own system, and nothing that runs on it.
        if cohort.slot.title.as_str() != platform.name {
            return;
        }
        self.decided |= &devices;
        let Some(policy) = cohort.outcome.policy.as_ref().and_then(|name| repository.policy(name)) else { return };
        if policy.mode == Mode::Notify {
            self.cover(platform, &devices);
            // Settings would hide updates and switch what people have switched; a date would restart.
            return desired.lose_notice(&Apple, policy);
        }
        let terms = Terms::of_cohort(repository, policy, cohort);
        let said = Said::of(&Apple, repository, policy, Subject::Slot(&cohort.slot), &cohort.place, &terms);
        if !said.goes_on(desired) {
            return;
        }
        self.cover(platform, &devices);
        let group = Group {
            policy: policy.name.clone(),
            title: cohort.slot.title.as_str().into(),
            branch: cohort.slot.branch.as_ref().map(|branch| branch.as_str().into()),
            rollout: cohort.outcome.rollout.clone(),
            ring: cohort.outcome.ring.clone(),
            automatic: true,
        };
        if policy.mode != Mode::Observe {
            self.settings(&group, platform, policy, cohort, &devices, &said, &terms);
        }
        self.date(group, platform, policy, cohort, devices, &said, &terms, desired);
    }

    /// Who has not said yet what runs is asked for it: the policies can say nothing of it before.
    fn unknown(&mut self) {
        let input = self.input;
        for platform in PLATFORMS {
            let title = TitleId::new(platform.name);
            let mut selectors = input.repository.policies.iter().flat_map(|policy| &policy.software);
            let Some(devices) = input.cohorts.platforms.get(platform.name) else { continue };
            let devices = (devices & input.devices) - &self.decided;
            if !devices.is_empty() && selectors.any(|selector| selector.selects(&title, || false)) {
                self.cover(platform, &devices);
            }
        }
    }

    /// What they report is asked of them.
    fn cover(&mut self, platform: Platform, devices: &RoaringBitmap) {
        let (_, covered) = self.covered.entry(platform.name).or_insert_with(|| (platform, RoaringBitmap::new()));
        *covered |= devices;
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of a cohort by then")]
    fn settings(
        &mut self,
        group: &Group,
        platform: Platform,
        policy: &Policy,
        cohort: &Cohort,
        devices: &RoaringBitmap,
        said: &Said,
        terms: &Terms<'_>,
    ) {
        if cohort.installed.as_ref().is_some_and(|installed| is_below(installed, platform.settings_from)) {
            return;
        }
        // Settings are the ring's, whatever branch is installed; only an exception's restart tells some of it apart.
        let automatic = terms.reboot != Some(RestartMode::Never);
        let group = Group { branch: None, automatic, ..group.clone() };
        let (rollout, ring) = (group.rollout.as_deref(), group.ring.as_deref());
        let wait = earliest(self.input.repository, policy.min_age, rollout, ring);
        let dated = self
            .settings
            .entry((group.clone(), platform.name))
            .or_insert_with(|| Dated { platform, object: declarations::settings(&group, platform, policy, wait) });
        put(&mut dated.object, policy, devices, said);
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of a cohort by then")]
    fn date(
        &mut self,
        group: Group,
        platform: Platform,
        policy: &Policy,
        cohort: &Cohort,
        devices: RoaringBitmap,
        said: &Said,
        terms: &Terms<'_>,
        desired: &mut Desired,
    ) {
        let title = &cohort.slot.title;
        let Some(version) = &cohort.outcome.admitted else { return desired.waits(policy, cohort, devices.len()) };
        let mut withhold = |because: String, devices: u64| desired.withhold(&policy.name, title, because, devices);
        if let Some(because) = held(cohort) {
            return withhold(because, devices.len());
        }
        match terms.reboot {
            Some(RestartMode::AtDue) => {}
            Some(RestartMode::Never) => return withhold("`reboot: never`: a date restarts".to_owned(), devices.len()),
            Some(RestartMode::Ask) | None => {
                return withhold("`reboot: ask`: a date restarts without asking".to_owned(), devices.len());
            }
        }
        if cohort.installed.as_ref().is_some_and(|installed| is_below(installed, platform.enforces_from)) {
            let because = format!("devices below {} {} enforce no dates", platform.name, platform.enforces_from);
            return withhold(because, devices.len());
        }
        if cohort
            .installed
            .as_ref()
            .and_then(|installed| version.compare(installed))
            .is_some_and(std::cmp::Ordering::is_lt)
        {
            return withhold("Apple's systems go back to no older release".to_owned(), devices.len());
        }
        let Some(due) = cohort.outcome.due else {
            return withhold("nothing is due, and a declaration needs a date".to_owned(), devices.len());
        };
        let freezes = cohort.place.freezes.iter().filter_map(|number| self.input.repository.freezes.get(*number));
        let by_freeze = cohort.outcome.holds.contains(&Hold::Freeze);
        let now = self.input.cohorts.now;
        let forced = forced(due, &cohort.zone, now, terms, freezes, by_freeze);
        let Some(at) = time::local(Time::Instant(forced.at), &cohort.zone) else { return };
        let devices = self.offered(platform, policy, cohort, version, at, devices, desired);
        if devices.is_empty() {
            return;
        }
        let by_version = self.dates.entry((group.clone(), at)).or_default();
        let dated = by_version
            .entry(version.as_str().to_owned())
            .or_insert_with(|| Dated { platform, object: declarations::enforcement(&group, version.as_str(), at, "") });
        put(&mut dated.object, policy, &devices, said);
        dated.object.moves.insert(title.clone());
    }

    /// Those of the devices to which Apple offers the version; the others are noted.
    #[expect(clippy::too_many_arguments, reason = "all that is known of a cohort by then")]
    fn offered(
        &self,
        platform: Platform,
        policy: &Policy,
        cohort: &Cohort,
        version: &Version,
        at: DateTime,
        devices: RoaringBitmap,
        desired: &mut Desired,
    ) -> RoaringBitmap {
        let Some(versions) = &self.input.offered.apple else { return devices };
        let mut awaiting = |missing: String, devices: u64| {
            if devices > 0 {
                desired.awaiting.push(Awaiting {
                    policy: policy.name.clone(),
                    title: cohort.slot.title.clone(),
                    missing,
                    owner: "Apple; whoever owns the policy may admit another release".to_owned(),
                    devices,
                });
            }
        };
        let (now, name) = (self.input.cohorts.now, platform.name);
        // What has expired by the enforced moment is not installed at it.
        let today = cohort.zone.to_datetime(now).date();
        match versions.find(name, version.as_str(), at.date().max(today)) {
            Found::Offered => {}
            Found::Expired(day) => {
                awaiting(format!("Apple offers {name} {version} only until {day}"), devices.len());
                return RoaringBitmap::new();
            }
            Found::Unlisted(newest) => {
                let newest = newest.map_or(String::new(), |newest| format!("; the newest that it lists is {newest}"));
                awaiting(format!("Apple does not list {name} {version}{newest}"), devices.len());
                return RoaringBitmap::new();
            }
        }
        let mut offered = devices;
        for (model, of_model) in &self.input.cohorts.models {
            if versions.supports(name, version.as_str(), model) == Some(false) {
                awaiting(
                    format!("Apple does not offer {name} {version} for {model}"),
                    offered.intersection_len(of_model),
                );
                offered -= of_model;
            }
        }
        offered
    }

    fn write(self, desired: &mut Desired) {
        for ((group, at), by_version) in self.dates {
            let several = by_version.len() > 1;
            for (version, Dated { platform, mut object }) in by_version {
                if several {
                    let apart = declarations::enforcement(&group, &version, at, &version);
                    (object.id, object.fields) = (apart.id, apart.fields);
                }
                activate(desired, platform, object);
            }
        }
        for Dated { platform, object } in self.settings.into_values() {
            activate(desired, platform, object);
        }
        for (platform, devices) in self.covered.into_values() {
            let mut object = declarations::subscriptions();
            object.devices = devices;
            activate(desired, platform, object);
        }
    }
}

/// Adds a configuration, and what makes it count.
fn activate(desired: &mut Desired, platform: Platform, object: Object) {
    let mut activation = declarations::activation(platform, &[&object]);
    activation.devices = object.devices.clone();
    activation.from = object.from.clone();
    desired.add(object);
    desired.add(activation);
}

fn put(object: &mut Object, policy: &Policy, devices: &RoaringBitmap, said: &Said) {
    object.devices |= devices;
    object.from.insert(Source::from(policy));
    object.losses.extend(said.losses.iter().cloned());
}

fn is_below(version: &Version, least: &str) -> bool {
    let least = Version::parse(Scheme::Apple, least).ok();
    least.and_then(|least| version.compare(&least)).is_some_and(std::cmp::Ordering::is_lt)
}
