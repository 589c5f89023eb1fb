//! The state document: everything that one device is to do, and how.
//!
//! It says what, exactly, and never why in terms of a policy: the device can't judge that. Terms that many directives share
//! are written once. Its order is (epoch, sequence).

use crate::{Digest, envelope::Document, limits};
use jiff::Timestamp;
use refit_model::{AdvisoryId, BranchName, DeviceId, Scheme, TitleId, Version, VersionRange};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// All directives of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The organisation.
    #[schemars(with = "String")]
    pub organization: SmolStr,
    /// The device: no other may act on it.
    #[schemars(with = "String")]
    pub device: DeviceId,
    /// The server's epoch.
    pub epoch: u64,
    /// Its number within the epoch: larger is later. Another content has another number.
    pub sequence: u64,
    /// SHA-256 of the policy repository that it carries out.
    #[schemars(with = "String")]
    pub policy: SmolStr,
    /// The digest of the mandate under which it was made; null while nobody has signed one.
    #[schemars(with = "Option<String>")]
    pub mandate: Option<Digest>,
    /// From when on it may not be acted upon, however fresh the lease.
    #[schemars(with = "String")]
    pub expires: Timestamp,
    /// The device's time zone by the server's facts (`Europe/Berlin`), for windows; UTC where nobody knows it.
    #[schemars(with = "String")]
    pub timezone: SmolStr,
    /// Terms that directives refer to by their place here.
    pub terms: Vec<Terms>,
    /// What to do, most urgent first.
    pub directives: Vec<Directive>,
    /// What no change may bring along, whatever it is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
}

/// Versions of a package that the policy keeps back on the device: the change of another package must not bring them along.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Withheld {
    /// The package.
    pub package: PackageName,
    /// Which.
    pub releases: Releases,
}

/// A range of versions, in the order of their package manager, that is permitted or is not: `>=2`, `<131`, `=3.0.2-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Releases {
    /// None of these.
    Not(#[schemars(with = "String")] SmolStr),
    /// These alone.
    Only(#[schemars(with = "String")] SmolStr),
}

impl Withheld {
    /// Whether it keeps a version of its package back. What can't be compared is kept back.
    pub fn keeps_back(&self, version: &str) -> bool {
        let scheme = self.package.system.scheme();
        let within = |range: &str| {
            let range = VersionRange::parse(scheme, range).ok()?;
            range.contains(&Version::parse(scheme, version).ok()?)
        };
        match &self.releases {
            Releases::Not(range) => within(range).unwrap_or(true),
            Releases::Only(range) => !within(range).unwrap_or(false),
        }
    }
}

impl Document for State {
    const TYPE: &'static str = "application/vnd.refit.state+json";
    const NAME: &'static str = "state";
    const LIMIT: usize = limits::STATE;
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Directive {
    /// Its name, which a receipt repeats: the same wish has the same name in every state.
    #[schemars(with = "String")]
    pub id: SmolStr,
    /// The title that it is about.
    #[schemars(with = "String")]
    pub title: TitleId,
    /// The title's branch, where it has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub branch: Option<BranchName>,
    /// What to do.
    pub action: Action,
    /// By when; null is: whenever it suits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub due: Option<Timestamp>,
    /// Vulnerabilities that it closes, for the notice; at most a handful.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub closes: Vec<AdvisoryId>,
    /// How much use of the device after a long absence passes before it is forced, in seconds.
    pub grace_seconds: u64,
    /// The place of its terms in [`State::terms`].
    pub terms: u32,
}

/// What a device can be told to do. There is no other: no script, no command, no package source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Bring an installed package to a version.
    Upgrade(Package),
    /// Install a package that is not there.
    Install(Package),
    /// Remove a package.
    Remove(PackageName),
    /// Leave a package where it is.
    Hold {
        /// The package.
        package: PackageName,
        /// Until when; a device lets go by itself.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// Restart the machine, because something that is installed does not run yet.
    Restart,
    /// Tell the person something.
    Notify {
        /// What.
        message: Message,
    },
}

/// A package in a package manager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageName {
    /// The package manager.
    pub system: System,
    /// Its exact name there, with the architecture where it is a foreign one (`libc6:i386`).
    #[schemars(with = "String")]
    pub name: SmolStr,
}

/// A version of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The package manager.
    pub system: System,
    /// Its exact name there.
    #[schemars(with = "String")]
    pub name: SmolStr,
    /// The exact version.
    #[schemars(with = "String")]
    pub version: SmolStr,
    /// Whether the policy itself asks for a version below the installed one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub downgrade: bool,
}

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// dpkg, through apt.
    Deb,
    /// rpm, through dnf.
    Rpm,
}

impl System {
    /// The namespace of its packages among titles: `deb`.
    pub fn namespace(self) -> &'static str {
        match self {
            System::Deb => "deb",
            System::Rpm => "rpm",
        }
    }

    /// How its versions are ordered.
    pub fn scheme(self) -> Scheme {
        match self {
            System::Deb => Scheme::Dpkg,
            System::Rpm => Scheme::Rpm,
        }
    }

    /// The package manager of a namespace.
    pub fn from_namespace(name: &str) -> Option<System> {
        [System::Deb, System::Rpm].into_iter().find(|system| system.namespace() == name)
    }
}

/// What the person is told: the words are the agent's, only these fields vary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "say")]
pub enum Message {
    /// This device can get no supported release of a title, and has to be replaced.
    Unsupported {
        /// By when.
        #[schemars(with = "Option<String>")]
        by: Option<Timestamp>,
    },
    /// A restart is waited for.
    RestartNeeded {
        /// Since when.
        #[schemars(with = "String")]
        since: Timestamp,
    },
}

/// How things are done that have these terms in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// The policy that asks for it.
    #[schemars(with = "String")]
    pub policy: SmolStr,
    /// The rollout that brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub rollout: Option<SmolStr>,
    /// The ring of that rollout that the server counts the device in. The device computes its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ring: Option<SmolStr>,
    /// When changes may be made; null is: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowTerms>,
    /// When they may not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freezes: Vec<Span>,
    /// How long before it is forced the person is told, in seconds.
    #[serde(default)]
    pub notify_seconds: u64,
    /// How often and for how long the person may put it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defer: Option<DeferTerms>,
    /// When programs that were changed are started anew.
    #[serde(default)]
    pub relaunch: RelaunchTerms,
    /// When the machine is restarted, if that is needed.
    #[serde(default)]
    pub reboot: RestartMode,
}

/// When changes may be made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowTerms {
    /// A recurrence rule (RFC 5545) in the device's wall time, as [`refit_model::Window`] reads it.
    #[schemars(with = "String")]
    pub rrule: SmolStr,
    /// How long it stays open, in seconds.
    pub lasts_seconds: u64,
    /// Whether what is overdue waits for it.
    pub after_due: AfterDue,
}

/// What a window is to something overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AfterDue {
    /// It no longer waits.
    Run,
    /// It waits all the same.
    Wait,
}

/// From one moment (inclusive) to another (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Its beginning.
    #[schemars(with = "String")]
    pub from: Timestamp,
    /// Its end.
    #[schemars(with = "String")]
    pub to: Timestamp,
}

/// How often and for how long something may be put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeferTerms {
    /// How often.
    pub times: u32,
    /// For how long each time, in seconds.
    pub for_seconds: u64,
}

/// When programs that were changed are started anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RelaunchTerms {
    /// When.
    #[serde(default)]
    pub mode: RestartMode,
    /// Never while the person does this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_while: Vec<Busy>,
    /// How long that is respected after the due time, in seconds.
    #[serde(default)]
    pub wait_seconds: u64,
}

/// When something that runs is restarted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestartMode {
    /// When the person agrees.
    #[default]
    Ask,
    /// When the person agrees, at the latest when it is due.
    AtDue,
    /// Never by Refit.
    Never,
}

/// What a person can be in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Busy {
    /// A call: microphone or camera in use.
    Call,
    /// Sharing the screen.
    ScreenShare,
    /// A focus or do-not-disturb mode.
    Focus,
    /// An appointment in the calendar.
    CalendarBusy,
}

impl Action {
    /// The package that it is about.
    pub fn package(&self) -> Option<PackageName> {
        match self {
            Action::Upgrade(package) | Action::Install(package) => {
                Some(PackageName { system: package.system, name: package.name.clone() })
            }
            Action::Remove(name) | Action::Hold { package: name, .. } => Some(name.clone()),
            Action::Restart | Action::Notify { .. } => None,
        }
    }

    /// Whether it changes what is installed.
    pub fn changes_packages(&self) -> bool {
        matches!(self, Action::Upgrade(_) | Action::Install(_) | Action::Remove(_))
    }
}

impl State {
    /// The terms of a directive; `None` where it refers to terms that are not there: such a directive is not carried out.
    pub fn terms(&self, directive: &Directive) -> Option<&Terms> {
        self.terms.get(usize::try_from(directive.terms).ok()?)
    }

    /// Its order among the states of a device.
    pub fn order(&self) -> (u64, u64) {
        (self.epoch, self.sequence)
    }
}
