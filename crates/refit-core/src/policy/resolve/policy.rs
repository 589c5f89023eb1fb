//! Policies, with the terms of those that they extend.

use super::{Context, Resolver, Scope, terms::schemes};
use crate::policy::{
    diagnostic::Diagnostic,
    document::{
        self,
        policy::{AcceptDocument, BranchAndReleaseDocument, PolicyDocument, RolloutUseDocument, TargetDocument},
    },
    expr::{Compiler, Expr},
    load::Written,
    repository::{Accepted, Deadline, Policy, Repository, Selector, Wanted, WantedBranch, WantedRelease},
    syntax::{Mistakes, Step},
};
use crate::{
    facts::{FieldRef, Fields, Kind, Root},
    steps,
};
use jiff::SignedDuration;
use smol_str::SmolStr;
use std::{collections::BTreeSet, sync::Arc};

/// A policy with the terms of those that it extends.
pub(super) struct Extended {
    pub document: PolicyDocument,
    /// What could not be read, here or there.
    pub mistakes: Mistakes,
}

/// How long there has to be between two snapshots.
const SNAPSHOT_LEAST: SignedDuration = SignedDuration::from_mins(1);

impl Resolver<'_> {
    /// A policy with the terms of those that it extends, as far as they can be read, exist, and go in no circle.
    pub(super) fn extended(&mut self, written: &Written<PolicyDocument>, all: &[Written<PolicyDocument>]) -> Extended {
        let mut merged = written.document.clone();
        let mut mistakes = written.mistakes.clone();
        let mut seen = BTreeSet::from([written.document.policy.as_str()]);
        let mut next = written.document.extends.as_deref();
        while let Some(name) = next {
            let place = written.place(steps!["extends"]);
            let Some(parent) = all.iter().find(|other| other.document.policy == name) else {
                if !self.unread.contains(&(document::Kind::Policy, name.into())) {
                    let others = all.iter().map(|other| other.document.policy.as_str());
                    let known: Vec<&str> = others.filter(|other| *other != written.document.policy).collect();
                    self.unknown_name("policy", name, &known, place);
                }
                mistakes.fields.insert("".into());
                break;
            };
            if !seen.insert(name) {
                self.report(
                    Diagnostic::error("policy/extends-itself", "policy that extends itself")
                        .at(place)
                        .label(format!("comes back to `{name}`")),
                );
                // What the others say is looked over there.
                merged = written.document.clone();
                mistakes.fields.insert("".into());
                break;
            }
            merged = inherit(merged, &parent.document);
            mistakes.fields.extend(parent.mistakes.fields.iter().cloned());
            next = parent.document.extends.as_deref();
        }
        Extended { document: merged, mistakes }
    }

    pub(super) fn policy(
        &mut self,
        written: &Written<PolicyDocument>,
        Extended { document, mistakes }: &Extended,
        default_mode: super::document::policy::Mode,
        context: &mut Context<'_>,
        repository: &Repository,
    ) -> Policy {
        let software = match &document.software {
            Some(software) if !software.is_empty() => self.software(written, software, repository),
            // What was to be read from elsewhere, or is misspelt, is not missing.
            _ if mistakes.concern("software") => Vec::new(),
            _ => {
                self.report(
                    Diagnostic::error("policy/no-software", "policy without software")
                        .at(written.key_place(steps!["policy"]))
                        .label("it names no title")
                        .with_help("add `software: [google-chrome]`, or `software: [\"os/security\"]`"),
                );
                Vec::new()
            }
        };
        let presence = document.presence.unwrap_or_default();
        let named = software.len();
        let software = repository.with_vendor_packages(software);
        let meant = software[named..].iter().filter_map(|selector| match selector {
            Selector::Title(title) => Some(title.clone()),
            _ => None,
        });
        let meant = meant.collect();
        let schemes = schemes(&software, repository);
        let wildcard = software.iter().any(|selector| !matches!(selector, Selector::Title(_)));
        if wildcard && presence != super::document::policy::Presence::IfPresent {
            self.report(
                Diagnostic::error("policy/bad-presence", "presence of titles that are not named")
                    .at(written.place(steps!["presence"]))
                    .label("only titles that are named can be required or forbidden"),
            );
        }
        let condition = document.condition.as_ref().and_then(|text| {
            self.condition(written, steps!["where"], text, &mut context.compiler, Scope::Device).or_else(never)
        });
        let target = match &document.target {
            Some(TargetDocument::Release(text)) => Wanted {
                branch: WantedBranch::Installed,
                release: self.release(written, steps!["target"], text, &schemes),
            },
            Some(TargetDocument::BranchAndRelease(BranchAndReleaseDocument { branch, release })) => Wanted {
                branch: self.branch(branch),
                release: match release {
                    Some(text) => self.release(written, steps!["target", "release"], text, &schemes),
                    None => WantedRelease::Latest(0),
                },
            },
            None => Wanted { branch: WantedBranch::Installed, release: WantedRelease::Latest(0) },
        };
        let accept = document
            .accept
            .iter()
            .flatten()
            .enumerate()
            .map(|(index, accepted)| match accepted {
                AcceptDocument::Release(text) => Accepted {
                    wanted: Wanted {
                        branch: WantedBranch::Any,
                        release: self.release(written, steps!["accept", index], text, &schemes),
                    },
                    until: None,
                },
                AcceptDocument::Branch(entry) => Accepted {
                    wanted: Wanted {
                        branch: self.branch(&entry.branch),
                        release: match &entry.release {
                            Some(text) => self.release(written, steps!["accept", index, "release"], text, &schemes),
                            None => target.release.clone(),
                        },
                    },
                    until: entry.until,
                },
            })
            .collect();
        let (rollout, snapshot_every) = match &document.rollout {
            Some(RolloutUseDocument::Name(name)) => (Some((name, &["rollout"][..])), None),
            Some(RolloutUseDocument::Snapshot(snapshot)) => {
                (Some((&snapshot.name, &["rollout", "use"][..])), snapshot.every.map(|every| every.0))
            }
            None => (None, None),
        };
        if snapshot_every.is_some_and(|every| every < SNAPSHOT_LEAST) {
            self.report(
                Diagnostic::error("policy/snapshots-too-often", "snapshots that are taken too often")
                    .at(written.place(steps!["rollout", "every"]))
                    .label("at most one a minute is taken")
                    .with_help("leave `every` out to let each release go by itself"),
            );
        }
        let rollout = rollout.and_then(|(name, path)| {
            let path: Vec<Step<'_>> = path.iter().map(|key| Step::Key(key)).collect();
            self.rollout(written, &path, name, context)
        });
        let deadline = self.deadline(written, document, context);
        if let Some(disruption) = &document.disruption {
            let known = disruption.group_by.parse::<FieldRef>().ok().and_then(|field| repository.fields.get(&field));
            let place = || written.place(steps!["disruption", "group_by"]);
            match known {
                None => self.report(
                    Diagnostic::error("policy/unknown-field", "unknown field")
                        .at(place())
                        .label(format!("there is no field `{}`", disruption.group_by)),
                ),
                // What is personal is in no lease. A person's own devices are a group without being named.
                Some(field) if field.name.root != Root::Device || field.kind == Kind::List => self.report(
                    Diagnostic::error("policy/group-field", "field that tells no group")
                        .at(place())
                        .label("devices of a group share one value of a field of the device")
                        .with_help("group by a text such as `device.cluster`"),
                ),
                Some(_) => {}
            }
        }
        Policy {
            name: document.policy.as_str().into(),
            origin: written.origin(steps![], self.files),
            owner: document.owner.as_ref().map(SmolStr::new),
            why: document.why.as_ref().map(SmolStr::new),
            mode: document.mode.unwrap_or(default_mode),
            priority: document.priority.unwrap_or(0),
            condition,
            software,
            meant,
            presence,
            target,
            accept,
            allow_downgrade: document.allow_downgrade.unwrap_or(false),
            min_age: document.min_age.map_or(SignedDuration::ZERO, |age| age.0),
            deadline,
            phase_in: document.phase_in.map(|phase_in| phase_in.0),
            rollout,
            snapshot_every,
            window: document.window.as_ref().and_then(|window| self.window(written, steps!["window"], window, context)),
            experience: document.experience.clone().unwrap_or_default(),
            disruption: document.disruption.clone(),
            packages: document.packages.unwrap_or_default(),
            provisioning: document.provisioning.unwrap_or(false),
        }
    }

    pub(super) fn deadline(
        &mut self,
        written: &Written<PolicyDocument>,
        document: &PolicyDocument,
        context: &mut Context<'_>,
    ) -> Vec<Deadline> {
        let mut entries = Vec::new();
        for (index, entry) in document.deadline.iter().flatten().enumerate() {
            let condition = match &entry.condition {
                Some(text) => {
                    let at = steps!["deadline", index, "if"];
                    match self.condition(written, at, text, &mut context.compiler, Scope::Exposure) {
                        Some(condition) => Some(condition),
                        None => continue,
                    }
                }
                None => None,
            };
            let rollout = entry
                .rollout
                .as_ref()
                .and_then(|name| self.rollout(written, steps!["deadline", index, "rollout"], name, context));
            entries.push(Deadline {
                condition,
                within: entry.within.0,
                min_age: entry.min_age.map(|age| age.0),
                rollout,
                at_due: entry.at_due.unwrap_or_default(),
                text: serde_json::to_string(entry).unwrap_or_default().into(),
                origin: written.origin(steps!["deadline", index], self.files),
            });
        }
        entries
    }
}

/// A condition that can't be read makes its policy apply to nobody: the repository is refused anyway.
pub(super) fn never() -> Option<Arc<Expr>> {
    Compiler::new(&Fields::builtin()).device("false").ok()
}

/// What `child` says, and where it says nothing what `parent` says. Names are never inherited.
pub(super) fn inherit(child: PolicyDocument, parent: &PolicyDocument) -> PolicyDocument {
    let parent = parent.clone();
    PolicyDocument {
        policy: child.policy,
        extends: child.extends,
        owner: child.owner.or(parent.owner),
        why: child.why.or(parent.why),
        mode: child.mode.or(parent.mode),
        priority: child.priority.or(parent.priority),
        condition: child.condition.or(parent.condition),
        software: child.software.or(parent.software),
        presence: child.presence.or(parent.presence),
        target: child.target.or(parent.target),
        accept: child.accept.or(parent.accept),
        allow_downgrade: child.allow_downgrade.or(parent.allow_downgrade),
        min_age: child.min_age.or(parent.min_age),
        deadline: child.deadline.or(parent.deadline),
        phase_in: child.phase_in.or(parent.phase_in),
        rollout: child.rollout.or(parent.rollout),
        window: child.window.or(parent.window),
        experience: child.experience.or(parent.experience),
        disruption: child.disruption.or(parent.disruption),
        packages: child.packages.or(parent.packages),
        provisioning: child.provisioning.or(parent.provisioning),
    }
}
