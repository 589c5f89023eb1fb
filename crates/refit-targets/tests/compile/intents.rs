//! Every cell of every matrix: a policy that says it, and what the compiler makes of that.

use crate::{
    company::{cohorts, devices, now, repository},
    jamf::JAMF,
};
use refit_core::{cohorts::Place, policy::repository::Repository, world::SlotKey};
use refit_model::TitleId;
use refit_targets::{Answer, Intent, Offered, Subject, Target, Terms, compile, registry, stated};
use std::collections::BTreeMap;

/// The title of a target, an old release that a block names, and a version above all.
fn subject(target: &dyn Target, intent: Intent) -> (&'static str, &'static str, &'static str) {
    match target.kind() {
        // What is lost of plans alone.
        "jamf-pro" if matches!(intent, Intent::Downgrade | Intent::FreezeUnless) => ("macos", "=25.0", "900"),
        "apple-declarative" | "okta-device-assurance" | "okta-hooks" | "okta-shared-signals" => {
            ("macos", "=25.0", "900")
        }
        "browser-policies" | "intune-apps" | "jamf-pro" | "munki" => ("google-chrome", "=1.0.0.0", "900.0.0.0"),
        "intune" => ("windows-11", "=10.0.1.1", "900.0.0.0"),
        "apt" => ("deb/openssl", "=1.0-1", "900"),
        "dnf" => ("rpm/openssl", "=1.0-1", "900"),
        other => panic!("say which title {other} moves"),
    }
}

/// A repository whose only policy says an intent, as far as documents can.
fn saying(intent: Intent, target: &dyn Target) -> Repository {
    let (title, release, above) = subject(target, intent);
    let exception = |says: &str| format!("---\nexception: e\nsoftware: [{title}]\n{says}\nuntil: 2026-12-31\n");
    let (mut organization, mut lines, mut more, mut deadline) = ("", "", String::new(), "[{ within: 14d }]");
    let range = format!("target: \"<{above}\"");
    let downgrade = format!("{range}\nallow_downgrade: true");
    match intent {
        Intent::Where | Intent::Undetermined => lines = "where: device.kind != \"phone\"",
        Intent::Required => lines = "presence: required",
        Intent::Forbidden => lines = "presence: forbidden",
        Intent::Provisioning => lines = "provisioning: true",
        Intent::Behind => lines = "target: latest-1",
        Intent::Range => lines = &range,
        Intent::Branch => lines = "target: { branch: latest, release: latest }",
        Intent::Accept => lines = "accept: [latest, latest-1]",
        Intent::Downgrade => lines = &downgrade,
        Intent::Block => more = format!("---\nblock: b\ntitle: {title}\nreleases: \"{release}\"\n"),
        Intent::HoldAt => more = exception(&format!("hold_at: \"<{above}\"")),
        Intent::Packages => lines = "packages: { install_new: true }",
        Intent::MinAge => lines = "min_age: 2d",
        Intent::DueByExposure => deadline = "[{ if: exposure.kev, within: 2d }, { within: 14d }]",
        Intent::PhaseIn => lines = "phase_in: 10d",
        Intent::AtDue => (lines, deadline) = ("rollout: standard", "[{ within: 14d, at_due: proceed }]"),
        Intent::ExceptionDue => more = exception("due: \"2026-12-10T18:00:00\""),
        Intent::Window => lines = "window: overnight",
        Intent::WindowYields => lines = "window: { use: overnight, after_due: run }",
        Intent::WindowWaits => lines = "window: { use: overnight, after_due: wait }",
        Intent::ExceptionWindow => more = exception("window: overnight"),
        Intent::ExceptionRestart => more = exception("restart: ask"),
        Intent::Freeze => organization = "freezes: [{ name: f, from: 2026-12-28, to: 2027-01-05 }]",
        Intent::FreezeUnless => {
            organization = "freezes: [{ name: f, from: 2026-12-28, to: 2027-01-05, unless: exposure.kev }]"
        }
        Intent::Rings | Intent::Gates | Intent::Snapshots => lines = "rollout: standard",
        Intent::Hurry => {
            (lines, deadline) =
                ("rollout: standard", "[{ if: exposure.kev, within: 2d, rollout: fast }, { within: 14d }]")
        }
        Intent::Budgets => organization = "budgets: [{ per: 24h, at_most: 20%, of: devices }]",
        Intent::Disruption => lines = "disruption: { group_by: device.cluster, max_unavailable: 1 }",
        Intent::Observe => lines = "mode: observe",
        Intent::NotifyOnly => lines = "mode: notify",
        Intent::Notice => lines = "experience: { notify: 24h }",
        Intent::Defer => lines = "experience: { defer: { times: 3, for: 8h } }",
        Intent::RelaunchAsk => lines = "experience: { relaunch: { mode: ask } }",
        Intent::RelaunchAtDue => lines = "experience: { relaunch: { mode: at_due } }",
        Intent::RelaunchNever => lines = "experience: { relaunch: { mode: never } }",
        Intent::Busy => lines = "experience: { relaunch: { mode: at_due, not_while: [call] } }",
        Intent::RebootAsk => lines = "experience: { reboot: { mode: ask } }",
        Intent::RebootAtDue => lines = "experience: { reboot: { mode: at_due } }",
        Intent::RebootNever => lines = "experience: { reboot: { mode: never } }",
        // Said by every policy with a deadline, or by no document.
        Intent::IfPresent
        | Intent::Latest
        | Intent::Named
        | Intent::Due
        | Intent::Grace
        | Intent::Brake
        | Intent::Observed
        | Intent::Profile => {}
    }
    if target.kind() == "jamf-pro" {
        more += JAMF;
    }
    let documents = format!("policy: p\nsoftware: [{title}]\ndeadline: {deadline}\n{lines}\n{more}");
    let mut repository = repository(organization, &documents);
    if intent == Intent::Snapshots {
        // Only packages have snapshots in documents; what a target makes of it counts for all.
        repository.policies[0].snapshot_every = Some(jiff::SignedDuration::from_hours(24));
    }
    repository
}

/// Whether a policy that says it may come to nothing at all: nobody is moved by it in this company.
fn may_be_empty(intent: Intent) -> bool {
    matches!(intent, Intent::Observe | Intent::NotifyOnly | Intent::Behind | Intent::Accept)
}

#[test]
fn every_cell_is_as_the_table_says() {
    let mut wrong = Vec::new();
    for target in registry() {
        let name = match target.kind() {
            "apple-declarative" => "macs",
            "browser-policies" => "browsers",
            "apt" => "debian",
            "okta-device-assurance" => "sign-in",
            "okta-hooks" => "okta",
            "okta-shared-signals" => "signals",
            "munki" => "munki",
            "intune" => "windows",
            "intune-apps" => "apps",
            "jamf-pro" => "jamf",
            _ => "fedora",
        };
        for intent in Intent::ALL {
            let repository = saying(*intent, *target);
            if *intent == Intent::Profile {
                let (policy, place) = (&repository.policies[0], Place::default());
                let slot =
                    SlotKey { profile: Some("ada".into()), ..SlotKey::of(TitleId::new(subject(*target, *intent).0)) };
                let said = stated(&repository, policy, Subject::Slot(&slot), &place, &Terms::own(policy, &place));
                assert!(said.iter().any(|it| it.intent == *intent));
                continue;
            }
            let cohorts = cohorts(&repository, &devices(), Some("rest"), now());
            let compiled = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
            let desired = &compiled.targets.iter().find(|plan| plan.name == name).unwrap().desired;
            let beside = desired.objects.values().flat_map(|object| &object.losses);
            let mut losses = beside.chain(desired.lost.iter().map(|lost| &lost.loss));
            let lost = losses.any(|loss| loss.intent == *intent);
            let refused = desired.refused.iter().any(|refusal| refusal.intent == *intent);
            let is_right = match target.answer(*intent) {
                Answer::Emitted(_) => !lost && !refused && (!desired.objects.is_empty() || may_be_empty(*intent)),
                Answer::Lossy(_) => lost && !refused,
                Answer::Refused(_) => refused && desired.objects.is_empty(),
            };
            if !is_right {
                wrong.push(format!(
                    "{}: {intent}: lost {lost}, refused {refused}, {} objects",
                    target.kind(),
                    desired.objects.len()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
