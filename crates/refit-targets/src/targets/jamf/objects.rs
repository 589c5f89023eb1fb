//! The objects themselves, in Jamf Pro's own fields.

use super::{GROUP, INSTALLER, Key, PATCH, PLAN, SMART_GROUP, api::DATED, time};
use crate::{
    api::reference,
    object::{Identity, Object},
    render::counted,
    time::Time,
};
use jiff::civil::DateTime;
use refit_core::policy::{document::policy::Mode, repository::Policy};
use serde_json::json;

/// What the objects of a group of Macs are made of.
pub(super) struct Writing<'a> {
    /// Who they are for.
    pub key: &'a Key,
    /// What they are called.
    pub name: &'a str,
    /// What stands in them.
    pub mark: &'a str,
    /// The policy.
    pub policy: &'a Policy,
    /// What they name that the server has.
    pub content: &'a str,
    /// When it is installed whatever people choose; `None` where they choose.
    pub deadline: Option<Time>,
}

/// What the smart group of an App Installer is called, by the name of the ring's own.
pub(super) fn scope(name: &str) -> String {
    format!("{name}-scope")
}

impl Writing<'_> {
    fn who(&self) -> String {
        match (&self.key.ring, &self.key.rollout) {
            (Some(ring), Some(rollout)) => format!("ring {ring} of {rollout}"),
            _ => "everybody".to_owned(),
        }
    }

    /// What it does, in a line: `slack 4.41, 7 days after it is offered, ring early of standard`.
    fn about(&self, by: &str) -> String {
        let Key { title, version, .. } = self.key;
        format!("{title} {version}{by}, {}", self.who())
    }

    fn group_id(&self) -> Identity {
        Identity::new(GROUP, self.name.to_owned())
    }

    /// The Macs.
    pub fn group(&self) -> Object {
        Object::new(self.group_id(), format!("who gets {}", self.about("")))
            .with("description", self.mark)
            .with("name", self.name)
            .with("siteId", "-1")
    }

    /// What an App Installer is scoped to: who is in the group.
    pub fn smart_group(&self) -> Object {
        let id = self.smart_group_id();
        let name = id.name.clone();
        Object::new(id, format!("who gets {}, for an App Installer, which takes no static group", self.about("")))
            .with(
                "criteria",
                json!([{
                    "andOr": "and", "closingParen": false, "name": "Computer Group", "openingParen": false,
                    "priority": 0, "searchType": "member of", "value": self.name,
                }]),
            )
            .with("description", self.mark)
            .with("name", name)
            .with("siteId", "-1")
    }

    fn smart_group_id(&self) -> Identity {
        Identity::new(SMART_GROUP, scope(self.name))
    }

    /// A patch policy. Restarts, the least macOS and the programs that are closed are those of the definition.
    pub fn patch_policy(&self) -> Object {
        let days = self.deadline.and_then(time::days);
        let by = match days {
            None => ", as people choose".to_owned(),
            Some(0) => ", at once".to_owned(),
            Some(days) => format!(", {} after it is offered", counted(days.unsigned_abs(), "day")),
        };
        // What is due the same day is not offered first.
        let method = if days == Some(0) { "prompt" } else { "selfservice" };
        let deadlines = match days {
            None | Some(0) => json!({ "deadline_enabled": false }),
            Some(days) => json!({ "deadline_enabled": true, "deadline_period": days }),
        };
        let notifications = if self.tells() {
            json!({
                "notification_enabled": true, "notification_type": "Self Service",
                "reminders": {
                    "notification_reminder_frequency": time::TOLD_EVERY_DAYS, "notification_reminders_enabled": true,
                },
            })
        } else {
            json!({ "notification_enabled": false })
        };
        Object::new(Identity::new(PATCH, self.name.to_owned()), self.about(&by))
            .with(
                "general",
                json!({
                    "allow_downgrade": self.policy.allow_downgrade, "distribution_method": method, "enabled": true,
                    "incremental_updates": false, "name": self.name, "patch_unknown": false,
                    "target_version": self.key.version,
                }),
            )
            .with(
                "scope",
                json!({ "all_computers": false, "computer_groups": [{ "id": reference(&self.group_id()) }] }),
            )
            .with("software_title_configuration_id", self.content)
            .with(
                "user_interaction",
                json!({
                    "deadlines": deadlines, "grace_period": { "grace_period_duration": time::QUIT_MINUTES },
                    "notifications": notifications, "self_service_description": self.mark,
                }),
            )
    }

    /// A deployment of an App Installer.
    pub fn deployment(&self) -> Object {
        let hours = self.deadline.and_then(time::hours);
        let by = match hours {
            None => ", as people choose".to_owned(),
            Some(hours) => format!(", {} after it is offered", counted(hours.unsigned_abs(), "hour")),
        };
        let mut notices = json!({
            "notificationInterval": time::TOLD_EVERY_HOURS, "quitDelay": time::QUIT_MINUTES, "relaunch": true,
            "suppress": !self.tells(),
        });
        if let (Some(hours), Some(notices)) = (hours, notices.as_object_mut()) {
            notices.insert("deadline".to_owned(), json!(hours));
        }
        let how = if hours.is_some() { "INSTALL_AUTOMATICALLY" } else { "SELF_SERVICE" };
        Object::new(Identity::new(INSTALLER, self.name.to_owned()), self.about(&by))
            .with("appTitleId", self.content)
            .with("categoryId", "-1")
            .with("deploymentType", how)
            .with("enabled", true)
            .with("name", self.name)
            .with("notificationSettings", notices)
            .with("selectedVersion", self.key.version.as_str())
            .with("selfServiceSettings", json!({ "description": self.mark }))
            .with("siteId", "-1")
            .with("smartGroupId", reference(&self.smart_group_id()))
            .with("updateBehavior", "MANUAL")
    }

    /// A plan for each Mac of the group. It has no name: the group says that it is Refit's.
    pub fn plan(&self, at: DateTime) -> Object {
        let by = format!(" by {} on the Mac's clock", at.strftime("%-d %b %Y %H:%M"));
        Object::new(Identity::new(PLAN, self.name.to_owned()), self.about(&by)).with(
            "config",
            json!({
                "forceInstallLocalDateTime": time::written(at), "specificVersion": self.key.version,
                "updateAction": DATED, "versionType": "SPECIFIC_VERSION",
            }),
        )
    }

    /// Whether people are told before the time has come.
    fn tells(&self) -> bool {
        self.policy.mode == Mode::Notify || self.policy.experience.notify.is_some()
    }
}
