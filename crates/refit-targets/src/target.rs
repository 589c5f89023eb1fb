//! What a target is: the one shape of all of them, and their registry.

use crate::{
    api::Api,
    cost::Cost,
    files::Files,
    intent::Intent,
    object::{Fields, Identity, Loss, Object, Source},
    stated::{Stated, Subject, stated},
    targets,
    terms::Terms,
};
use jiff::Timestamp;
use refit_core::{
    cohorts::{Cohort, Cohorts, Place},
    engine::{Hold, Mark, Outcome},
    policy::{
        document::policy::Mode,
        repository::{Policy, Repository, TargetSystem},
    },
};
use refit_model::{TitleId, Version};
use roaring::RoaringBitmap;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// What a system makes of one intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "answer", content = "how")]
pub enum Answer {
    /// It can be said there, or Refit carries it by what it publishes, when, and for whom.
    Emitted(&'static str),
    /// It becomes something else.
    Lossy(&'static str),
    /// A policy that says it is not compiled for this target.
    Refused(&'static str),
}

impl Answer {
    /// How, what becomes of it, or why not.
    pub fn text(self) -> &'static str {
        match self {
            Answer::Emitted(text) | Answer::Lossy(text) | Answer::Refused(text) => text,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Emitted(_) => "emitted",
            Answer::Lossy(_) => "lossy",
            Answer::Refused(_) => "refused",
        }
    }
}

/// A system that configuration is compiled for.
pub trait Target: Sync {
    /// The `kind` of its `target:` documents.
    fn kind(&self) -> &'static str;

    /// What people call it.
    fn name(&self) -> &'static str;

    /// What it is for, what is written, and where its schema stands: the head of its page.
    fn about(&self) -> &'static str;

    /// How long a change takes to arrive there, and how long a stop.
    fn reach(&self) -> &'static str;

    /// Where and how it was tried: nothing is said to work that nobody saw work.
    fn tried(&self) -> &'static str;

    /// What it makes of an intent.
    fn answer(&self, intent: Intent) -> Answer;

    /// What should be there.
    fn desired(&self, input: &Input<'_>) -> Desired;

    /// The object as the file or the body that is written, with the ending of its name.
    fn document(&self, object: &Object) -> Document;

    /// Fields that follow from the others, and are not shown where one of those has changed.
    fn derived(&self) -> &'static [&'static str] {
        &[]
    }

    /// How its files are found and read again; `None` where its configuration is no files.
    fn files(&self) -> Option<&dyn Files> {
        None
    }

    /// How its objects are read and written where a system with an API keeps them; `None` where none does.
    fn api(&self) -> Option<&dyn Api> {
        None
    }

    /// What it costs to bring objects to devices.
    fn cost(&self, desired: &Desired) -> Cost;
}

/// An object as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its path in a folder of documents.
    pub path: String,
    /// The text.
    pub text: String,
}

impl Document {
    /// The fields of an object as JSON, called by its name.
    pub(crate) fn json(object: &Object) -> Document {
        let text = serde_json::to_string_pretty(&object.fields).unwrap_or_default() + "\n";
        Document { path: format!("{}.json", object.id.name), text }
    }
}

/// All targets, in the order of their kinds.
pub fn registry() -> &'static [&'static dyn Target] {
    static ALL: [&dyn Target; 11] = [
        &targets::apple::Apple,
        &targets::apt::Apt,
        &targets::browsers::Browsers,
        &targets::dnf::Dnf,
        &targets::intune::Intune,
        &targets::intune_apps::IntuneApps,
        &targets::jamf::Jamf,
        &targets::munki::Munki,
        &targets::okta::Okta,
        &targets::okta_hooks::OktaHooks,
        &targets::okta_signals::OktaSignals,
    ];
    &ALL
}

/// What a target is compiled from.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The policies.
    pub repository: &'a Repository,
    /// Who shares what they say.
    pub cohorts: &'a Cohorts,
    /// The target's document.
    pub target: &'a TargetSystem,
    /// The devices that it is for.
    pub devices: &'a RoaringBitmap,
    /// What vendors say that they offer.
    pub offered: &'a Offered,
}

/// What vendors say that they offer now.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// Apple's releases; `None` where nobody has asked.
    pub apple: Option<targets::apple::Versions>,
    /// What is in a Munki repository; `None` where nobody has looked.
    pub munki: Option<targets::munki::Items>,
    /// What a Jamf Pro server can install; `None` where nobody has looked.
    pub jamf: Option<targets::jamf::Catalog>,
    /// When releases were published, by title and version, where a target needs the day to name one.
    pub published: BTreeMap<TitleId, BTreeMap<Version, Timestamp>>,
}

impl Offered {
    /// When a release was published.
    pub fn published(&self, title: &TitleId, version: &Version) -> Option<Timestamp> {
        self.published.get(title)?.get(version).copied()
    }
}

/// What should be in a system, and what of the policies is not.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Desired {
    /// The objects, by identity.
    #[serde(serialize_with = "values")]
    pub objects: BTreeMap<Identity, Object>,
    /// What is lost of policies of which nothing is written that it could stand beside.
    pub lost: BTreeSet<Lost>,
    /// What is not written now.
    pub withheld: BTreeSet<Withheld>,
    /// What is not written at all.
    pub refused: BTreeSet<Refusal>,
    /// What waits for content.
    pub awaiting: Vec<Awaiting>,
    /// What stays as it is, if it is there: its content for the next release is awaited.
    pub keeps: BTreeSet<Identity>,
    /// What else has to be known.
    pub notes: BTreeSet<String>,
}

/// What is lost of a policy of which nothing is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lost {
    /// Where it is written.
    pub from: Source,
    /// What is lost.
    pub loss: Loss,
}

/// A change that is not written now, because something holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Withheld {
    /// The policy.
    pub policy: SmolStr,
    /// The title.
    pub title: TitleId,
    /// Why.
    pub because: String,
    /// For how many devices.
    pub devices: u64,
}

/// A policy that a system can't carry out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Refusal {
    /// Where it is written.
    pub from: Source,
    /// What it says.
    pub intent: Intent,
    /// As it is written.
    pub said: String,
    /// Why it can't be.
    pub because: SmolStr,
}

/// A change for which the content is not there.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Awaiting {
    /// The policy.
    pub policy: SmolStr,
    /// The title.
    pub title: TitleId,
    /// What is missing.
    pub missing: String,
    /// Who has to bring it.
    pub owner: String,
    /// For how many devices. Their clocks run.
    pub devices: u64,
}

/// What is said for devices of a cohort, and what the system makes of it.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// What is lost.
    pub losses: BTreeSet<Loss>,
    /// What is refused.
    pub refused: Vec<Refusal>,
}

impl Said {
    /// Holds what a policy says against the matrix of a target.
    pub fn of(
        target: &dyn Target,
        repository: &Repository,
        policy: &Policy,
        subject: Subject<'_>,
        place: &Place,
        terms: &Terms<'_>,
    ) -> Said {
        let mut said = Said::default();
        for Stated { intent, said: text } in stated(repository, policy, subject, place, terms) {
            match target.answer(intent) {
                Answer::Emitted(_) => {}
                Answer::Lossy(becomes) => {
                    said.losses.insert(Loss { intent, said: text, becomes: becomes.into() });
                }
                Answer::Refused(because) => {
                    let from = Source::from(policy);
                    said.refused.push(Refusal { from, intent, said: text, because: because.into() });
                }
            }
        }
        said
    }

    /// Whether there is anything left to compile. What is refused is written down.
    pub fn goes_on(&self, desired: &mut Desired) -> bool {
        desired.refused.extend(self.refused.iter().cloned());
        self.refused.is_empty()
    }
}

impl Desired {
    /// Adds an object for devices; where it is there, its devices, losses and policies are joined. Fields of one identity are equal.
    pub fn add(&mut self, object: Object) {
        match self.objects.get_mut(&object.id) {
            None => drop(self.objects.insert(object.id.clone(), object)),
            Some(known) => {
                known.devices |= object.devices;
                known.losses.extend(object.losses);
                known.from.extend(object.from);
                known.moves.extend(object.moves);
            }
        }
    }

    /// Takes all of another in.
    pub fn join(&mut self, other: Desired) {
        let Desired { objects, lost, withheld, refused, awaiting, keeps, notes } = other;
        objects.into_values().for_each(|object| self.add(object));
        self.lost.extend(lost);
        for Withheld { policy, title, because, devices } in withheld {
            self.withhold(&policy, &title, because, devices);
        }
        self.refused.extend(refused);
        self.awaiting.extend(awaiting);
        self.keeps.extend(keeps);
        self.notes.extend(notes);
    }

    /// Notes that something is not written now for the devices of a cohort.
    pub fn withhold(&mut self, policy: &SmolStr, title: &TitleId, because: String, devices: u64) {
        if devices == 0 {
            return;
        }
        let known = self.withheld.iter().find(|it| it.policy == *policy && it.title == *title && it.because == because);
        let before = known.cloned();
        let devices = devices + before.as_ref().map_or(0, |before| before.devices);
        if let Some(before) = before {
            self.withheld.remove(&before);
        }
        self.withheld.insert(Withheld { policy: policy.clone(), title: title.clone(), because, devices });
    }

    /// Notes what keeps an outstanding change of devices from being admitted, where something does.
    pub fn waits(&mut self, policy: &Policy, cohort: &Cohort, devices: u64) {
        if policy.mode == Mode::Enforce
            && !cohort.outcome.holds.is_empty()
            && let Some(because) = held(cohort)
        {
            self.withhold(&policy.name, &cohort.slot.title, because, devices);
        }
    }

    /// Whether something is written of a policy where a target can't tell anybody: of one that only observes nothing is, nor of one that only
    /// notifies, which is noted.
    pub fn writes(&mut self, target: &dyn Target, policy: &Policy) -> bool {
        if policy.mode == Mode::Notify {
            self.lose_notice(target, policy);
        }
        policy.mode == Mode::Enforce
    }

    /// Notes that nothing is written of a policy that only notifies, and what becomes of that here.
    pub fn lose_notice(&mut self, target: &dyn Target, policy: &Policy) {
        let (intent, becomes) = (Intent::NotifyOnly, target.answer(Intent::NotifyOnly).text());
        let loss = Loss { intent, said: intent.key().to_owned(), becomes: becomes.into() };
        self.lost.insert(Lost { from: Source::from(policy), loss });
    }

    /// The fields of all objects, by identity.
    pub fn fields(&self) -> BTreeMap<Identity, Fields> {
        self.objects.iter().map(|(id, object)| (id.clone(), object.fields.clone())).collect()
    }
}

/// Why a change that is admitted must not be written now; `None` where it may.
pub fn held(cohort: &Cohort) -> Option<String> {
    let outcome = &cohort.outcome;
    match outcome.mode {
        Mode::Observe => return Some("the policy only observes".to_owned()),
        Mode::Notify => return Some("the policy only notifies".to_owned()),
        Mode::Enforce => {}
    }
    if cohort.unpublished {
        return Some("the server has not published it: a budget, the plan's envelope or a halt holds it".to_owned());
    }
    if outcome.marks.contains(&Mark::Conflict) {
        return Some("two policies contradict each other here".to_owned());
    }
    if outcome.marks.contains(&Mark::Undetermined) {
        return Some("it is unknown whether the policy applies".to_owned());
    }
    let words: Vec<&str> = outcome.holds.iter().filter_map(|hold| holding(*hold)).collect();
    (!words.is_empty()).then(|| format!("held by {}", words.join(", ")))
}

/// What somebody does so that nothing goes on.
const STOPS: [Hold; 3] = [Hold::Block, Hold::FailedGate, Hold::Freeze];

/// The policies of which something is held or halted on devices of a target. What they have written goes because of that, and not because
/// somebody lost a list of devices or a policy.
pub fn stopped(cohorts: &Cohorts, devices: &RoaringBitmap) -> BTreeSet<SmolStr> {
    let is_here = |of: &RoaringBitmap| !of.is_disjoint(devices);
    let titles = cohorts.titles.iter().filter(|cohort| {
        let Outcome { mode, holds, .. } = &cohort.outcome;
        let is_stopped = cohort.unpublished || STOPS.iter().any(|stop| holds.contains(stop));
        *mode == Mode::Enforce && is_stopped && is_here(&cohort.devices)
    });
    let titles = titles.filter_map(|cohort| cohort.outcome.policy.clone());
    let packages = cohorts
        .packages
        .iter()
        .filter(|packages| packages.mode == Mode::Enforce && packages.unpublished && is_here(&packages.devices));
    titles.chain(packages.map(|packages| packages.policy.clone())).collect()
}

/// What holds a change also where another system would make it; a window that is shut is a matter of the time that is written.
fn holding(hold: Hold) -> Option<&'static str> {
    match hold {
        Hold::Block => Some("a block"),
        Hold::FailedGate => Some("a halt of the release"),
        Hold::Freeze => Some("a freeze"),
        Hold::Provisioning => Some("its setting up"),
        Hold::Grace => Some("the grace after a return"),
        Hold::Window => None,
    }
}

fn values<S: serde::Serializer>(objects: &BTreeMap<Identity, Object>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(objects.values())
}
