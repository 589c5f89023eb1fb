//! What a policy says for some devices, as intents: what losses and refusals are told by.

use crate::{intent::Intent, terms::Terms};
use refit_core::{
    cohorts::Place,
    policy::{
        document::policy::{AfterDue, AtDue, Mode, Presence, RestartMode},
        repository::{Policy, Repository, Selector, Wanted, WantedBranch, WantedRelease},
    },
    world::SlotKey,
};
use refit_model::TitleId;

/// One thing that a policy says, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stated {
    /// What it is.
    pub intent: Intent,
    /// As it is written.
    pub said: String,
}

/// What something is said of.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A slot.
    Slot(&'a SlotKey),
    /// The packages of a namespace.
    Packages(&'a str),
}

impl Subject<'_> {
    fn is(self, title: &TitleId) -> bool {
        match self {
            Subject::Slot(slot) => slot.title == *title,
            Subject::Packages(namespace) => title.package().is_some_and(|(space, _)| space == namespace),
        }
    }
}

/// What is said of a subject, for devices in one place under some terms. In the order of intents, each once.
pub fn stated(
    repository: &Repository,
    policy: &Policy,
    subject: Subject<'_>,
    place: &Place,
    terms: &Terms<'_>,
) -> Vec<Stated> {
    let mut says = Says(Vec::new());
    says.whom(policy, subject, terms);
    says.which(repository, policy, subject);
    says.when(repository, policy, place, terms);
    says.how(repository, policy);
    says.people(policy, terms);
    says.if_(true, Intent::Observed, || "done means observed".to_owned());
    let mut stated = says.0;
    stated.sort();
    stated.dedup_by_key(|stated| stated.intent);
    stated
}

struct Says(Vec<Stated>);

impl Says {
    fn if_(&mut self, holds: bool, intent: Intent, said: impl FnOnce() -> String) {
        if holds {
            self.0.push(Stated { intent, said: said() });
        }
    }

    fn whom(&mut self, policy: &Policy, subject: Subject<'_>, terms: &Terms<'_>) {
        use Intent::{Forbidden, IfPresent, NotifyOnly, Observe, Profile, Provisioning, Required, Undetermined, Where};
        self.if_(policy.condition.is_some(), Where, || "where".to_owned());
        self.if_(policy.condition.is_some(), Undetermined, || "where".to_owned());
        let presence = match policy.presence {
            Presence::IfPresent => IfPresent,
            Presence::Required => Required,
            Presence::Forbidden => Forbidden,
        };
        self.if_(true, presence, || presence.key().to_owned());
        let profile = match subject {
            Subject::Slot(slot) => slot.profile.as_ref(),
            Subject::Packages(_) => None,
        };
        self.if_(profile.is_some(), Profile, || {
            format!("in the profile of {}", profile.map_or("", |name| name.as_str()))
        });
        self.if_(policy.provisioning, Provisioning, || "provisioning: true".to_owned());
        self.if_(policy.mode == Mode::Observe, Observe, || Observe.key().to_owned());
        self.if_(policy.mode == Mode::Notify, NotifyOnly, || NotifyOnly.key().to_owned());
        for exception in &terms.exceptions {
            let name = &exception.name;
            self.if_(exception.due.is_some(), Intent::ExceptionDue, || format!("exception {name}: due"));
            self.if_(exception.hold_at.is_some(), Intent::HoldAt, || format!("exception {name}: hold_at"));
            self.if_(exception.window.is_some(), Intent::ExceptionWindow, || format!("exception {name}: window"));
            self.if_(exception.restart.is_some(), Intent::ExceptionRestart, || format!("exception {name}: restart"));
        }
    }

    fn which(&mut self, repository: &Repository, policy: &Policy, subject: Subject<'_>) {
        let by_name = policy.software.iter().filter(|selector| match (selector, subject) {
            (Selector::Title(title), subject) => subject.is(title),
            (Selector::Packages { namespace, .. }, Subject::Packages(space)) => namespace == space,
            _ => false,
        });
        let by_name: Vec<String> = by_name.map(ToString::to_string).collect();
        let named = !by_name.is_empty() && !policy.software.contains(&Selector::OsAll);
        self.if_(named, Intent::Named, || format!("software: {}", by_name.join(", ")));
        let Wanted { branch, release } = &policy.target;
        let intent = match release {
            WantedRelease::Latest(0) => Intent::Latest,
            WantedRelease::Latest(_) => Intent::Behind,
            WantedRelease::Range(_) => Intent::Range,
        };
        if policy.presence != Presence::Forbidden {
            self.if_(true, intent, || format!("target: {}", policy.target));
            let other = matches!(branch, WantedBranch::Named(_) | WantedBranch::Latest(_));
            self.if_(other, Intent::Branch, || format!("target: {}", policy.target));
        }
        self.if_(!policy.accept.is_empty(), Intent::Accept, || {
            let accept: Vec<String> = policy.accept.iter().map(|accepted| accepted.wanted.to_string()).collect();
            format!("accept: {}", accept.join(", "))
        });
        self.if_(policy.allow_downgrade, Intent::Downgrade, || "allow_downgrade: true".to_owned());
        for block in &repository.blocks {
            self.if_(subject.is(&block.title), Intent::Block, || {
                format!("block {}: {}", block.name, block.releases.text)
            });
        }
        let packages = policy.packages;
        let more = packages.install_new || packages.upgrade_others || packages.remove;
        self.if_(more, Intent::Packages, || "packages".to_owned());
    }

    fn when(&mut self, repository: &Repository, policy: &Policy, place: &Place, terms: &Terms<'_>) {
        let minutes = policy.min_age.as_mins();
        self.if_(minutes > 0, Intent::MinAge, || format!("min_age: {}", hours(policy.min_age)));
        for entry in &policy.deadline {
            let intent = if entry.condition.is_some() { Intent::DueByExposure } else { Intent::Due };
            self.if_(true, intent, || format!("within: {}", hours(entry.within)));
            self.if_(entry.at_due != AtDue::Ask, Intent::AtDue, || {
                format!("at_due: {}", if entry.at_due == AtDue::Proceed { "proceed" } else { "wait" })
            });
            self.if_(entry.rollout.is_some(), Intent::Hurry, || {
                format!("rollout: {}", entry.rollout.as_deref().unwrap_or_default())
            });
        }
        self.if_(policy.phase_in.is_some(), Intent::PhaseIn, || {
            format!("phase_in: {}", policy.phase_in.map(hours).unwrap_or_default())
        });
        if let Some(window) = terms.window {
            let rule = window.window.text();
            self.if_(true, Intent::Window, || format!("window: {} ({rule})", window.name));
            let (after, word) = match terms.after_due {
                AfterDue::Wait => (Intent::WindowWaits, "wait"),
                AfterDue::Run => (Intent::WindowYields, "run"),
            };
            // Where the policy does not say it, what the devices are says it.
            let default = if window.after_due.is_none() { ", by default here" } else { "" };
            self.if_(true, after, || format!("window: {}, after_due: {word}{default}", window.name));
        }
        for freeze in place.freezes.iter().filter_map(|number| repository.freezes.get(*number)) {
            self.if_(true, Intent::Freeze, || format!("freeze {}: {} to {}", freeze.name, freeze.from, freeze.to));
            self.if_(freeze.unless.is_some(), Intent::FreezeUnless, || format!("freeze {}: unless", freeze.name));
        }
        self.if_(!policy.deadline.is_empty(), Intent::Grace, || "a day of use after a return".to_owned());
    }

    fn how(&mut self, repository: &Repository, policy: &Policy) {
        if let Some(name) = &policy.rollout {
            self.if_(true, Intent::Rings, || format!("rollout: {name}"));
            let every = policy.snapshot_every;
            self.if_(every.is_some(), Intent::Snapshots, || format!("every: {}", every.map(hours).unwrap_or_default()));
            let gate = repository.rollouts.get(name).and_then(|rollout| rollout.gate.as_ref());
            let gate_name = gate.map(|gate| gate.name.clone()).unwrap_or_default();
            self.if_(gate.is_some(), Intent::Gates, || format!("gate: {gate_name}"));
        }
        self.if_(!repository.budgets.is_empty(), Intent::Budgets, || "budgets".to_owned());
        self.if_(policy.disruption.is_some(), Intent::Disruption, || {
            policy
                .disruption
                .as_ref()
                .map_or_else(String::new, |it| format!("disruption: {} of {} at once", it.max_unavailable, it.group_by))
        });
        self.if_(true, Intent::Brake, || "refit halt".to_owned());
    }

    fn people(&mut self, policy: &Policy, terms: &Terms<'_>) {
        let experience = &policy.experience;
        self.if_(experience.notify.is_some(), Intent::Notice, || {
            format!("notify: {}", experience.notify.map(|notify| notify.to_string()).unwrap_or_default())
        });
        self.if_(experience.defer.is_some(), Intent::Defer, || {
            experience.defer.as_ref().map_or_else(String::new, |it| format!("defer: {} × {}", it.times, it.length))
        });
        if let Some(relaunch) = &experience.relaunch {
            let intent = match relaunch.mode {
                RestartMode::Ask => Intent::RelaunchAsk,
                RestartMode::AtDue => Intent::RelaunchAtDue,
                RestartMode::Never => Intent::RelaunchNever,
            };
            self.if_(true, intent, || intent.key().to_owned());
            self.if_(!relaunch.not_while.is_empty(), Intent::Busy, || "not_while".to_owned());
        }
        if let Some(reboot) = terms.reboot {
            let intent = match reboot {
                RestartMode::Ask => Intent::RebootAsk,
                RestartMode::AtDue => Intent::RebootAtDue,
                RestartMode::Never => Intent::RebootNever,
            };
            self.if_(true, intent, || intent.key().to_owned());
        }
    }
}

/// A length of time as policies write it.
fn hours(length: jiff::SignedDuration) -> String {
    refit_core::policy::document::scalars::Duration(length).to_string()
}
