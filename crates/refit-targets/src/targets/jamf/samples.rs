//! Objects for no Mac, to try on a live server: groups in which nobody is, and what is scoped to them, switched off.

use super::{GROUP, INSTALLER, PATCH, PLAN, SMART_GROUP, objects::scope, time};
use crate::{
    api::{
        MEMBERS, reference,
        verify::{NotTried, Sample, Samples, Sampling},
    },
    object::{Identity, Object},
};
use serde_json::{Value, json};

pub(super) fn samples(sampling: &Sampling<'_>) -> Samples {
    let Sampling { mark, name, offered, .. } = *sampling;
    let changed = format!("{mark} It was changed.");
    let no = |what: &str, because: &str| NotTried { what: what.to_owned(), because: because.to_owned() };
    let mut not_tried = vec![
        no("devices in groups", "no Mac is put into a group by a verification"),
        no(PLAN, "a plan needs a Mac, and no call takes it back"),
    ];
    let group = Identity::new(GROUP, name.to_owned());
    let smart = Identity::new(SMART_GROUP, scope(name));
    let patch = offered.jamf.iter().flat_map(|catalog| catalog.titles.values()).find_map(|title| {
        let (version, _) = title.versions.iter().find(|(_, package)| package.is_some())?;
        Some((title.id.as_str(), version.as_str()))
    });
    let app = offered.jamf.iter().flat_map(|catalog| catalog.apps.values()).next();
    let mut samples = vec![
        Sample::new(
            Object::new(group.clone(), String::new())
                .with("description", mark)
                .with("name", name)
                .with("siteId", "-1")
                .with(MEMBERS, json!([])),
            "description",
            changed.as_str(),
        ),
        Sample::new(
            Object::new(smart.clone(), String::new())
                .with(
                    "criteria",
                    json!([{
                        "andOr": "and", "closingParen": false, "name": "Computer Group", "openingParen": false,
                        "priority": 0, "searchType": "member of", "value": name,
                    }]),
                )
                .with("description", mark)
                .with("name", smart.name.as_str())
                .with("siteId", "-1"),
            "description",
            changed.as_str(),
        ),
    ];
    match patch {
        Some((title, version)) => samples.push(patch_policy(sampling, &group, title, version)),
        None => not_tried.push(no(PATCH, "no patch title of this server has a package")),
    }
    match app {
        Some(app) => {
            let notices = |interval: i64| {
                json!({
                    "deadline": 72, "notificationInterval": interval, "quitDelay": time::QUIT_MINUTES, "relaunch": true,
                    "suppress": false,
                })
            };
            let deployment = Object::new(Identity::new(INSTALLER, name.to_owned()), String::new())
                .with("appTitleId", app.id.as_str())
                .with("categoryId", "-1")
                .with("deploymentType", "INSTALL_AUTOMATICALLY")
                .with("enabled", false)
                .with("name", name)
                .with("notificationSettings", notices(time::TOLD_EVERY_HOURS))
                .with("selectedVersion", app.version.as_str())
                .with("selfServiceSettings", json!({ "description": mark }))
                .with("siteId", "-1")
                .with("smartGroupId", reference(&smart))
                .with("updateBehavior", "MANUAL");
            samples.push(Sample::new(deployment, "notificationSettings", notices(time::TOLD_EVERY_HOURS + 1)));
        }
        None => not_tried.push(no(INSTALLER, "this server has no App Catalog")),
    }
    Samples { samples, not_tried }
}

fn patch_policy(sampling: &Sampling<'_>, group: &Identity, title: &str, version: &str) -> Sample {
    let Sampling { mark, name, .. } = *sampling;
    let interaction = |days: i64| -> Value {
        json!({
            "deadlines": { "deadline_enabled": true, "deadline_period": days },
            "grace_period": { "grace_period_duration": time::QUIT_MINUTES },
            "notifications": {
                "notification_enabled": true, "notification_type": "Self Service",
                "reminders": {
                    "notification_reminder_frequency": time::TOLD_EVERY_DAYS, "notification_reminders_enabled": true,
                },
            },
            "self_service_description": mark,
        })
    };
    let policy = Object::new(Identity::new(PATCH, name.to_owned()), String::new())
        .with(
            "general",
            json!({
                "allow_downgrade": false, "distribution_method": "selfservice", "enabled": false,
                "incremental_updates": false, "name": name, "patch_unknown": false, "target_version": version,
            }),
        )
        .with("scope", json!({ "all_computers": false, "computer_groups": [{ "id": reference(group) }] }))
        .with("software_title_configuration_id", title)
        .with("user_interaction", interaction(7));
    Sample::new(policy, "user_interaction", interaction(8))
}
