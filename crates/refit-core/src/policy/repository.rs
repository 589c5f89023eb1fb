//! The policy repository once every name is resolved and every expression compiled: what decisions read.

use super::{
    document::{
        organization::BudgetDocument,
        outside::DriftResponse,
        policy::{
            AfterDue, AtDue, DisruptionDocument, ExperienceDocument, Mode, PackagesDocument, Presence, RestartMode,
        },
        posture::{Access, AccessOrKnown, HeldUpdates, HowMany},
        rules::{Decided, ExceptionTerm},
        scalars::{Day, Share, When},
        title::{System as Names, TitleDocument, TitleKind},
    },
    expr::Expr,
};
use crate::{
    calendar::Window,
    facts::{Authority, Fields, Staleness, Zones, identity::Settled},
};
use jiff::SignedDuration;
use refit_model::{BranchName, Scheme, TitleId, Version, VersionRange};
use refit_wire::{mandate::Limits, state::System};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

pub use super::ranges::RangeText;

/// A checked policy repository.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// The organisation's name; empty where no document gives one.
    pub organization: SmolStr,
    /// The fields of the model, with the organisation's own.
    pub fields: Fields,
    /// Whom to believe.
    pub authority: Authority,
    /// From when on a fact is too old.
    pub staleness: Staleness,
    /// Which time zone places are in.
    pub zones: Zones,
    /// Which records people have said are one, and which are not.
    pub identities: Settled,
    /// Rollouts by name.
    pub rollouts: BTreeMap<SmolStr, Rollout>,
    /// Monitoring systems that gates listen to, by the name of the source.
    pub monitoring: BTreeMap<SmolStr, Monitoring>,
    /// Freezes, in the order in which they are written.
    pub freezes: Vec<Freeze>,
    /// Budgets.
    pub budgets: Vec<BudgetDocument>,
    /// Policies by name.
    pub policies: Vec<Policy>,
    /// Blocks by name.
    pub blocks: Vec<Block>,
    /// Exceptions by name.
    pub exceptions: Vec<Exception>,
    /// What the organisation signs besides; `None` where no document says it.
    pub mandate: Option<MandateTerms>,
    /// What whoever asks before somebody is let in is answered, by name.
    pub postures: Vec<Posture>,
    /// Who may ask the server for which exceptions, by name.
    pub exception_rules: Vec<ExceptionRule>,
    /// For how long exceptions last at most, from today; `None` where the organisation does not say.
    pub exceptions_longest: Option<SignedDuration>,
    /// Systems that configuration is written to, by name.
    pub targets: Vec<TargetSystem>,
    /// Titles by id: the catalog's and the repository's own.
    pub titles: Arc<BTreeMap<TitleId, Title>>,
}

/// A system that configuration is written to.
#[derive(Clone, Debug)]
pub struct TargetSystem {
    /// Its name.
    pub name: SmolStr,
    /// What kind of system it is.
    pub kind: SmolStr,
    /// Who answers for it.
    pub owner: Option<SmolStr>,
    /// The devices that it is written for; `None` is all.
    pub condition: Option<Arc<Expr>>,
    /// What happens to changes that were made by hand; `None` where nobody has said.
    pub drift: Option<DriftResponse>,
    /// Its settings, as they are written.
    pub settings: BTreeMap<String, serde_json::Value>,
    /// Where it is written.
    pub origin: Origin,
}

/// What whoever asks how a device stands, before somebody is let in, is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Posture {
    /// Its name; empty where the repository has none for whoever asks.
    pub name: SmolStr,
    /// Where it is written; `None` where it is not.
    pub origin: Option<Origin>,
    /// Who answers for it.
    pub owner: Option<SmolStr>,
    /// Why it is as it is.
    pub why: Option<SmolStr>,
    /// The tokens whose questions it answers, by name; empty is those that no other one names.
    pub callers: BTreeSet<SmolStr>,
    /// What becomes of what is overdue.
    pub strategy: Strategy,
    /// For how long after its due time an update is warned of and does not block.
    pub tolerate: SignedDuration,
    /// What becomes of an overdue update that something keeps from being made.
    pub held: HeldUpdates,
    /// How many of a person's devices have to be in order.
    pub devices: HowMany,
    /// For how long an answer may be kept.
    pub keep: SignedDuration,
    /// What is answered where it is not known how a device stands.
    pub answers: Answers,
}

/// What becomes of what is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// It is told, and everybody is let in.
    Tell,
    /// People are warned, and let in.
    Warn,
    /// People are warned, and not let in from this day on, where the device is.
    WarnThenBlock(Day),
    /// Nobody is let in with it.
    Block,
}

/// What is answered where it is not known how a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// No managed device is meant, or more than one.
    pub unknown_device: Access,
    /// Nobody who is known is meant, or more than one.
    pub unknown_person: Access,
    /// A person who has no managed device.
    pub no_device: Access,
    /// Nothing has been decided of the device yet.
    pub starting: Access,
    /// Two machines report as this device.
    pub quarantined: AccessOrKnown,
    /// What policies go by is too old, or missing.
    pub stale: AccessOrKnown,
    /// The server can write nothing.
    pub read_only: AccessOrKnown,
}

impl Default for Answers {
    fn default() -> Answers {
        Answers {
            // Of what is not managed nobody can say that it is patched.
            unknown_device: Access::Block,
            unknown_person: Access::Block,
            // Who has just joined has none yet.
            no_device: Access::Warn,
            // That is the server's fault, and soon over.
            starting: Access::Allow,
            quarantined: AccessOrKnown::Block,
            // Who is back from a long absence has to be let in to get the updates.
            stale: AccessOrKnown::Warn,
            read_only: AccessOrKnown::AsKnown,
        }
    }
}

impl Default for Posture {
    /// What is answered where nothing is written.
    fn default() -> Posture {
        Posture {
            name: SmolStr::default(),
            origin: None,
            owner: None,
            why: None,
            callers: BTreeSet::new(),
            strategy: Strategy::Tell,
            tolerate: SignedDuration::ZERO,
            held: HeldUpdates::default(),
            devices: HowMany::default(),
            keep: SignedDuration::from_mins(5),
            answers: Answers::default(),
        }
    }
}

/// What the organisation signs besides its policies.
#[derive(Clone, Debug)]
pub struct MandateTerms {
    /// Where it is written.
    pub origin: Origin,
    /// How long a mandate counts from its signature on.
    pub lasts: SignedDuration,
    /// Package sources by name.
    pub sources: BTreeMap<SmolStr, PackageSource>,
    /// Rollouts that the server may choose by itself for what is urgent.
    pub urgent: BTreeSet<SmolStr>,
    /// Whether it may use the shorter minimum ages of deadline entries.
    pub urgent_min_age: bool,
    /// The lowest versions of titles.
    pub floors: BTreeMap<TitleId, BTreeMap<System, SmolStr>>,
    /// Limits on what is no package.
    pub limits: Limits,
}

/// A package source.
#[derive(Clone, Debug)]
pub struct PackageSource {
    /// The package manager that reads it.
    pub system: System,
    /// The fingerprints of the keys that sign it.
    pub keys: BTreeSet<SmolStr>,
    /// What may come from it.
    pub titles: Vec<Selector>,
}

/// Where something is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// The file, relative to the repository.
    #[schemars(with = "String")]
    pub file: SmolStr,
    /// The line, from 1.
    pub line: usize,
}

impl Origin {
    /// Where an exception is written that the server granted and that is in no repository yet.
    const GRANTED: SmolStr = SmolStr::new_static("granted through the API");

    /// The origin of what the server granted.
    pub fn granted() -> Origin {
        Origin { file: Origin::GRANTED, line: 1 }
    }

    /// Whether the server granted it, and no repository has it.
    pub fn is_granted(&self) -> bool {
        self.file == Origin::GRANTED
    }
}

/// A permission to ask the server for exceptions.
#[derive(Clone, Debug, PartialEq)]
pub struct ExceptionRule {
    /// Its name.
    pub name: SmolStr,
    /// Where it is written.
    pub origin: Origin,
    /// Who answers for it.
    pub owner: Option<SmolStr>,
    /// Who may ask; `None` is everybody.
    pub askers: Option<Vec<SmolStr>>,
    /// For which titles; `None` is all.
    pub software: Option<Vec<Selector>>,
    /// Which terms may be changed.
    pub terms: BTreeSet<ExceptionTerm>,
    /// For how long at most.
    pub longest: SignedDuration,
    /// For how many devices at most; `None` is any number.
    pub devices_most: Option<u64>,
    /// Who decides.
    pub decided: Decided,
    /// Who may grant and refuse.
    pub approvers: Vec<SmolStr>,
    /// How long before its end notice is given.
    pub notice: SignedDuration,
}

impl ExceptionRule {
    /// Whether a name is among those that are written: as it is, or by its end where `*` stands at the beginning;
    /// small and large letters are the same, as in addresses.
    pub fn names(written: &[SmolStr], name: &str) -> bool {
        let is = |written: &SmolStr| match written.strip_prefix('*') {
            Some(end) => name.to_ascii_lowercase().ends_with(&end.to_ascii_lowercase()) && !name.is_empty(),
            None => written.eq_ignore_ascii_case(name),
        };
        written.iter().any(is)
    }
}

/// A title, as far as decisions need it.
#[derive(Clone, Debug)]
pub struct Title {
    /// The document.
    pub document: Arc<TitleDocument>,
    /// Branches with the end of their support, where the document gives branches.
    pub branches: Vec<Branch>,
}

/// A line of releases that is supported by itself.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its name.
    pub name: BranchName,
    /// The versions that belong to it.
    pub versions: Option<VersionRange>,
    /// Its last day of support; `None` where nobody has said.
    pub supported_until: Option<Day>,
}

/// A policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: SmolStr,
    /// Where it is written.
    pub origin: Origin,
    /// Who answers for it.
    pub owner: Option<SmolStr>,
    /// Why it is as it is.
    pub why: Option<SmolStr>,
    /// What Refit does about it.
    pub mode: Mode,
    /// Of several policies for one title, the highest decides.
    pub priority: i64,
    /// Which devices it concerns; `None` is all.
    pub condition: Option<Arc<Expr>>,
    /// The titles.
    pub software: Vec<Selector>,
    /// Those of the titles that are packages which a named title means.
    pub meant: BTreeSet<TitleId>,
    /// Whether they have to be, may be, or must not be there.
    pub presence: Presence,
    /// Where to go.
    pub target: Wanted,
    /// What is tolerated; empty is: the target.
    pub accept: Vec<Accepted>,
    /// Whether a device above a pin is brought down to it.
    pub allow_downgrade: bool,
    /// How long a release must have been out to be admitted.
    pub min_age: SignedDuration,
    /// By when.
    pub deadline: Vec<Deadline>,
    /// Nothing is due earlier than this after the policy first obliged; `None` is an entry's `within`.
    pub phase_in: Option<SignedDuration>,
    /// How releases are introduced.
    pub rollout: Option<SmolStr>,
    /// How often a dated snapshot of an archive starts through the rings.
    pub snapshot_every: Option<SignedDuration>,
    /// When changes may be made.
    pub window: Option<UsedWindow>,
    /// What the person at the keyboard meets.
    pub experience: ExperienceDocument,
    /// How many devices of a group may be away at once.
    pub disruption: Option<DisruptionDocument>,
    /// What a package manager may change beyond the planned packages.
    pub packages: PackagesDocument,
    /// Whether it is carried out while a device is being set up.
    pub provisioning: bool,
}

/// What a line of `software` selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// One title.
    Title(TitleId),
    /// `os/security`: distribution packages that the security archive offers.
    OsSecurity,
    /// `os/*`: every distribution package.
    OsAll,
    /// `deb/linux-image-*`: the packages of a namespace whose name starts so.
    Packages {
        /// The namespace.
        namespace: SmolStr,
        /// The start of the name; empty is all.
        prefix: SmolStr,
    },
}

/// A branch and a release of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The branch.
    pub branch: WantedBranch,
    /// The release.
    pub release: WantedRelease,
}

/// Which branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WantedBranch {
    /// The one that is installed.
    Installed,
    /// The newest but so many.
    Latest(usize),
    /// The one of that name.
    Named(BranchName),
    /// Any (only for what is accepted).
    Any,
}

/// Which release of the branch.
#[derive(Clone, Debug, PartialEq)]
pub enum WantedRelease {
    /// The newest but so many.
    Latest(usize),
    /// Those in a range.
    Range(RangeText),
}

/// What is tolerated.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// Branch and release.
    pub wanted: Wanted,
    /// The last day; `None` is for good.
    pub until: Option<Day>,
}

/// One entry of a deadline.
#[derive(Clone, Debug)]
pub struct Deadline {
    /// The exposures that it counts for; `None` is every obligation.
    pub condition: Option<Arc<Expr>>,
    /// How long after the clock has started.
    pub within: SignedDuration,
    /// Replaces the policy's `min_age`.
    pub min_age: Option<SignedDuration>,
    /// Replaces the policy's rollout.
    pub rollout: Option<SmolStr>,
    /// What happens at the due time where a gate is inconclusive.
    pub at_due: AtDue,
    /// The entry as text: what "a changed entry counts as new" compares.
    pub text: SmolStr,
    /// Where it is written.
    pub origin: Origin,
}

/// A window, and what the due time does to it.
#[derive(Clone, Debug)]
pub struct UsedWindow {
    /// The window's name.
    pub name: SmolStr,
    /// When it is open.
    pub window: Window,
    /// After the due time; `None` is `run` on people's devices and `wait` on servers.
    pub after_due: Option<AfterDue>,
}

impl UsedWindow {
    /// What the due time does to it on a device, by whether that may be a server (decision 0033).
    pub fn after_due(&self, may_be_server: bool) -> AfterDue {
        self.after_due.unwrap_or(if may_be_server { AfterDue::Wait } else { AfterDue::Run })
    }
}

/// A staged introduction.
#[derive(Clone, Debug)]
pub struct Rollout {
    /// Its name.
    pub name: SmolStr,
    /// The gate between its rings.
    pub gate: Option<Gate>,
    /// The rings, in the order in which they open.
    pub rings: Vec<Ring>,
}

/// One ring of a rollout.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Its name.
    pub name: SmolStr,
    /// Who belongs to it.
    pub condition: Option<Arc<Expr>>,
    /// The share of all devices that belongs to it.
    pub share: Option<Share>,
    /// How long a release has to be in use here before the gate can pass.
    pub soak: SignedDuration,
    /// The process in which people have to agree before it opens.
    pub approval: Option<SmolStr>,
}

/// What has to be true between two rings.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Its name.
    pub name: SmolStr,
    /// The failure rate that divides halt from pass, 0 to 1.
    pub failure_rate: f64,
    /// How sure the bounds are, over all looks together, 0 to 1.
    pub confidence: f64,
    /// The share of the ring whose reports without a failure suffice, 0 to 1; `None` where that is no way to pass.
    pub enough: Option<f64>,
    /// The share of devices that may stop checking in, beyond the control group's, 0 to 1; `None` where nobody asks.
    pub silence: Option<f64>,
    /// How long a device has to have been unseen to count as silent.
    pub silent_after: SignedDuration,
    /// The share of devices of which people may say that something broke, beyond the control group's, 0 to 1.
    pub reports: Option<f64>,
    /// Inconclusive for longer asks a person; `None` where the policy does not say ([`Gate::patience_after`]).
    pub patience: Option<SignedDuration>,
    /// Measurements that must be no worse than the control group's.
    pub signals: Vec<Signal>,
}

impl Gate {
    /// A gate of which nothing is written but its name. 2 % is what people expect of a bad release, well above the noise of
    /// installers; a laptop that was closed for a night is not silent.
    pub fn named(name: &str) -> Gate {
        Gate {
            name: name.into(),
            failure_rate: 0.02,
            confidence: 0.95,
            enough: None,
            silence: None,
            silent_after: SignedDuration::from_hours(24),
            reports: None,
            patience: None,
            signals: Vec::new(),
        }
    }

    /// For how long it may be inconclusive, from the opening of a ring that has to soak for `soak`, before a person is asked. Where the
    /// policy does not say, or there is no gate and nobody reports, a week more than the soak: a gate can say nothing good before that,
    /// and within a week everybody who is at work at all was at work.
    pub fn patience_after(gate: Option<&Gate>, soak: SignedDuration) -> SignedDuration {
        let patience = gate.and_then(|gate| gate.patience);
        patience.unwrap_or_else(|| soak.saturating_add(SignedDuration::from_hours(7 * 24)))
    }
}

/// A measurement that a gate looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: SmolStr,
    /// The source that gives it.
    pub source: SmolStr,
}

/// A monitoring system that is asked for signals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// How often.
    pub every: SignedDuration,
    /// What it is asked, by the name of the signal.
    pub signals: BTreeMap<SmolStr, SignalQuery>,
}

/// What a monitoring system is asked for a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalQuery {
    /// The query, in PromQL.
    pub query: String,
    /// The label that names the device.
    pub device: SmolStr,
}

/// When changes may not be made.
#[derive(Clone, Debug)]
pub struct Freeze {
    /// Its name.
    pub name: SmolStr,
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// Whom it concerns; `None` is everybody.
    pub condition: Option<Arc<Expr>>,
    /// It yields to a title with an open exposure for which this holds.
    pub unless: Option<Arc<Expr>>,
    /// Where it is written.
    pub origin: Origin,
}

/// Not this release, here.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its name.
    pub name: SmolStr,
    /// The title.
    pub title: TitleId,
    /// The releases.
    pub releases: RangeText,
    /// Where; `None` is everywhere.
    pub condition: Option<Arc<Expr>>,
    /// Why.
    pub why: Option<SmolStr>,
    /// The last day; `None` is for good.
    pub until: Option<Day>,
    /// Where it is written.
    pub origin: Origin,
}

/// Other terms for some devices, for a time.
#[derive(Clone, Debug)]
pub struct Exception {
    /// Its name.
    pub name: SmolStr,
    /// The titles that it concerns.
    pub software: Vec<Selector>,
    /// The devices that it concerns; `None` is all.
    pub condition: Option<Arc<Expr>>,
    /// Replaces the due time.
    pub due: Option<When>,
    /// The releases to stay in.
    pub hold_at: Option<RangeText>,
    /// Replaces the window.
    pub window: Option<UsedWindow>,
    /// Replaces when the machine is restarted.
    pub restart: Option<RestartMode>,
    /// The last day.
    pub until: Day,
    /// Obligations for which this holds keep their terms.
    pub unless: Arc<Expr>,
    /// Who asked for it, and why.
    pub why: Option<SmolStr>,
    /// Where it is written.
    pub origin: Origin,
}

impl Repository {
    /// The signals that somebody listens to, each as its source and its name: gates of rollouts, and groups whose devices have to be
    /// well before the next may begin.
    pub fn listened(&self) -> BTreeSet<(&str, &str)> {
        let gates = self.rollouts.values().flat_map(|rollout| rollout.gate.iter().flat_map(|gate| &gate.signals));
        let gates = gates.map(|signal| (signal.source.as_str(), signal.name.as_str()));
        let groups = self.policies.iter().filter_map(|policy| policy.disruption.as_ref()?.signal());
        gates.chain(groups.map(|signal| (signal.from.as_str(), signal.signal.as_str()))).collect()
    }

    /// How the versions of a title are written: as its document says, by its namespace, else generic.
    pub fn scheme(&self, title: &TitleId) -> Scheme {
        match title.package() {
            Some(("deb", _)) => Scheme::Dpkg,
            Some(("rpm", _)) => Scheme::Rpm,
            _ => self.titles.get(title).map_or(Scheme::Generic, |title| title.document.scheme),
        }
    }

    /// Whether a title is an operating system.
    pub fn is_system(&self, title: &TitleId) -> bool {
        self.titles.get(title).is_some_and(|title| title.document.kind == TitleKind::Os)
    }

    /// The packages that carry a title of the catalog or of a `title:` document, by its names in package managers. A package carries
    /// itself alone.
    ///
    /// The name does not say whose build it is: devices report packages, and policies speak of them by their own names.
    pub fn carriers(&self, title: &TitleId) -> Vec<TitleId> {
        if title.package().is_some() {
            return vec![title.clone()];
        }
        let Some(known) = self.titles.get(title) else { return Vec::new() };
        let mut carriers = Vec::new();
        for (names, namespace) in [(Names::Deb, "deb"), (Names::Rpm, "rpm")] {
            let listed = known.document.identifiers.get(&names).into_iter().flatten();
            carriers.extend(listed.map(|name| TitleId::new(format!("{namespace}/{name}"))));
        }
        carriers
    }

    /// That a title is on a device as a package, of which policies speak by another name; `None` where it is not so.
    pub fn carried_in_words(&self, title: &TitleId, has: impl Fn(&TitleId) -> bool) -> Option<String> {
        if has(title) {
            return None;
        }
        let package = self.carriers(title).into_iter().find(&has)?;
        if self.vendor_packages(title).contains(&package) {
            return Some(format!(
                "Here it is the package {package}, which is the vendor's own build: decisions speak of it as `{package}`."
            ));
        }
        Some(format!(
            "Here it is the package {package}: whose build that is, its name does not say, and policies speak of it as `{package}`."
        ))
    }

    /// What a token of this name is answered: what names it, or what names nobody; `None` where neither is written.
    pub fn posture(&self, caller: &str) -> Option<&Posture> {
        let named = self.postures.iter().find(|posture| posture.callers.contains(caller));
        named.or_else(|| self.postures.iter().find(|posture| posture.callers.is_empty()))
    }

    /// The policy of that name.
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|policy| policy.name == name)
    }
}

impl Policy {
    /// Its rank among the policies that include a title: the highest decides. Who names what a package is comes before who means it
    /// among all packages.
    pub fn rank(&self, title: &TitleId) -> (i64, bool) {
        (self.priority, self.meant.contains(title))
    }
}

impl Selector {
    /// Reads a line of `software`.
    pub fn parse(text: &str) -> Selector {
        match text.split_once('/') {
            Some(("os", "security")) => Selector::OsSecurity,
            Some(("os", "*")) => Selector::OsAll,
            Some((namespace, pattern)) if pattern.ends_with('*') => {
                Selector::Packages { namespace: namespace.into(), prefix: pattern[..pattern.len() - 1].into() }
            }
            _ => Selector::Title(TitleId::new(text)),
        }
    }

    /// What two lines both select among the packages of a namespace; a title of the catalog only by its name. What a security archive
    /// offers is told from the rest by its source, not by name: `os/security` meets all packages.
    pub fn common(&self, other: &Selector, namespace: &str) -> Option<Selector> {
        if let (Selector::Title(one), Selector::Title(two)) = (self, other) {
            return (one == two).then(|| self.clone());
        }
        let start = |selector: &Selector| match selector {
            Selector::OsAll | Selector::OsSecurity => Some(SmolStr::default()),
            Selector::Packages { namespace: space, prefix } if space == namespace => Some(prefix.clone()),
            Selector::Packages { .. } | Selector::Title(_) => None,
        };
        if let (title @ Selector::Title(named), others) | (others, title @ Selector::Title(named)) = (self, other) {
            let (space, name) = named.package()?;
            return (space == namespace && name.starts_with(start(others)?.as_str())).then(|| title.clone());
        }
        let (one, two) = (start(self)?, start(other)?);
        let prefix = if one.len() >= two.len() { one.clone() } else { two.clone() };
        let nested = one.starts_with(two.as_str()) || two.starts_with(one.as_str());
        nested.then(|| Selector::Packages { namespace: namespace.into(), prefix })
    }

    /// Whether it selects a title; `in_security_archive` tells whether the device's security archive offers it.
    pub fn selects(&self, title: &TitleId, in_security_archive: impl FnOnce() -> bool) -> bool {
        match self {
            Selector::Title(named) => named == title,
            Selector::OsAll => title.package().is_some(),
            Selector::OsSecurity => title.package().is_some() && in_security_archive(),
            Selector::Packages { namespace, prefix } => title
                .package()
                .is_some_and(|(space, name)| space == namespace.as_str() && name.starts_with(prefix.as_str())),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Title(title) => title.fmt(f),
            Selector::OsSecurity => f.write_str("os/security"),
            Selector::OsAll => f.write_str("os/*"),
            Selector::Packages { namespace, prefix } => write!(f, "{namespace}/{prefix}*"),
        }
    }
}

/// As it is written in a policy: `latest`, `>=14.7.1`, `latest-1 of branch esr-128`.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.release.fmt(f)?;
        match &self.branch {
            WantedBranch::Installed | WantedBranch::Any => Ok(()),
            WantedBranch::Latest(0) => f.write_str(" of the latest branch"),
            WantedBranch::Latest(back) => write!(f, " of branch latest-{back}"),
            WantedBranch::Named(name) => write!(f, " of branch {name}"),
        }
    }
}

impl fmt::Display for WantedRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WantedRelease::Latest(0) => f.write_str("latest"),
            WantedRelease::Latest(back) => write!(f, "latest-{back}"),
            WantedRelease::Range(range) => f.write_str(&range.text),
        }
    }
}

impl Title {
    /// The branch that a version belongs to, where the title's document divides its versions.
    pub fn branch_of(&self, version: &Version) -> Option<&Branch> {
        self.branches
            .iter()
            .find(|branch| branch.versions.as_ref().is_some_and(|versions| versions.contains(version) == Some(true)))
    }
}
