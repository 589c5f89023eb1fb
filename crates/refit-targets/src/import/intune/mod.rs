//! Update rings, feature update profiles and their assignments, as Microsoft Graph gives them.
//!
//! Windows Update for Business offers a quality update so many days after its publication as a ring defers it, and forces it so many days
//! after the device has found it as the ring's deadline says (learn.microsoft.com, *Enforcing compliance deadlines for updates*; Graph
//! `windowsUpdateForBusinessConfiguration`, `windowsFeatureUpdateProfile`). A feature update profile names the version that a device comes
//! to, and stays on.

mod read;
mod terms;

use super::{
    Document, Freeze, Imported, Names,
    conditions::all,
    document::{day, visible},
    text_of,
};
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil, tz::TimeZone};
use read::{Assigned, kind, listed, policy_of, unsaid, who};
use refit_core::policy::resolve::Titles;
use refit_model::TitleId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use terms::{LARGEST, Terms, whole};

/// The field that says which groups a device is in.
const FIELD: &str = "device.entra_groups";

/// How long the exception lasts that has the date of a feature update: exceptions have to end.
const LASTS: i64 = 90;

const RING: &str = "windowsUpdateForBusinessConfiguration";
const FEATURE: &str = "windowsFeatureUpdateProfile";

/// Fields of rings that say what an object is, or how something is shown, fetched or undone: no target and no due time depends on them.
const WITHOUT_BEARING: [&str; 22] = [
    "assignments",
    "autoRestartNotificationDismissal",
    "createdDateTime",
    "deliveryOptimizationMode",
    "description",
    "displayName",
    "engagedRestartSnoozeScheduleInDays",
    "featureUpdatesPauseStartDate",
    "featureUpdatesRollbackStartDateTime",
    "featureUpdatesRollbackWindowInDays",
    "id",
    "lastModifiedDateTime",
    "qualityUpdatesPauseExpiryDateTime",
    "qualityUpdatesPauseStartDate",
    "qualityUpdatesRollbackStartDateTime",
    "roleScopeTagIds",
    "scheduleImminentRestartWarningInMinutes",
    "skipChecksBeforeRestart",
    "supportsScopeTags",
    "updateNotificationLevel",
    "userWindowsUpdateScanAccess",
    "version",
];

/// Fields of rings that are read.
const READ: [&str; 13] = [
    "automaticUpdateMode",
    "deadlineForFeatureUpdatesInDays",
    "deadlineForQualityUpdatesInDays",
    "deadlineGracePeriodInDays",
    "featureUpdatesDeferralPeriodInDays",
    "featureUpdatesPaused",
    "featureUpdatesPauseExpiryDateTime",
    "installationSchedule",
    "postponeRebootUntilAfterDeadline",
    "qualityUpdatesDeferralPeriodInDays",
    "qualityUpdatesPaused",
    "scheduleRestartWarningInHours",
    "updateWeeks",
];

/// Those that are numbers of days or hours.
const NUMBERS: [&str; 6] = [
    "deadlineForFeatureUpdatesInDays",
    "deadlineForQualityUpdatesInDays",
    "deadlineGracePeriodInDays",
    "featureUpdatesDeferralPeriodInDays",
    "qualityUpdatesDeferralPeriodInDays",
    "scheduleRestartWarningInHours",
];

/// The documents that objects of Graph's come to: single ones, lists, and the assignments of each by themselves. `today` is when exceptions
/// are counted from whose date has passed.
pub fn import(values: &[(String, Value)], titles: &Titles, today: civil::Date) -> Imported {
    let mut imported = Imported::default();
    let mut objects: BTreeMap<String, (String, Value)> = BTreeMap::new();
    let mut assignments: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (path, value) in values {
        let context = value["@odata.context"].as_str().unwrap_or_default();
        if value["@odata.nextLink"].is_string() {
            imported.leave_out(
                path,
                "@odata.nextLink",
                "it is a part of a list: there are more pages, hand them in too",
            );
        }
        for (number, object) in listed(value).into_iter().enumerate() {
            match kind(object, context) {
                Some("assignment") => match policy_of(object, context) {
                    Some(policy) => assignments.entry(policy).or_default().push(object.clone()),
                    None => {
                        imported.leave_out(path, "assignments", "of which object this is an assignment is not said")
                    }
                },
                Some(_) => {
                    let id = text_of(object, "id").map_or_else(|| format!("{path} {number}"), str::to_owned);
                    objects.insert(id, (path.clone(), object.clone()));
                }
                None if object["error"].is_object() => imported.leave_out(path, "", "Graph has answered with an error"),
                None => imported.leave_out(path, "", "it is no object of Graph's that says what it is (`@odata.type`)"),
            }
        }
    }
    let (mut rings, mut pins) = (Vec::new(), Vec::new());
    for (id, (path, object)) in objects {
        let kind = kind(&object, "").unwrap_or_default().to_owned();
        let from = text_of(&object, "displayName").map_or_else(|| path.clone(), |name| format!("{kind} {name}"));
        if kind != RING && kind != FEATURE {
            imported.leave_out(&from, "", unsaid(&kind));
            continue;
        }
        let all: Vec<Value> = object["assignments"].as_array().cloned().unwrap_or_default();
        let all = [all, assignments.remove(&id).unwrap_or_default()].concat();
        let Some((who, everybody)) = who(&all, &from, &mut imported) else {
            imported.leave_out(&from, "assignments", "it is assigned to nobody");
            continue;
        };
        let assigned = Assigned { object, from, who, everybody };
        if kind == RING { rings.push(assigned) } else { pins.push(assigned) }
    }
    if assignments.values().any(|list| !list.is_empty()) {
        imported.leave_out("assignments", "", "some belong to objects that were not handed in");
    }
    // Those for groups come before those for everybody, and else names decide: what is handed in first does not matter.
    let order = |one: &Assigned| (one.everybody, one.from.clone());
    rings.sort_by_key(order);
    pins.sort_by_key(order);
    Writer { titles, today, names: Names::new(titles), priority: priorities(&rings, &pins), imported }
        .write(&rings, &pins)
}

/// How many policies at most have to be told apart.
fn priorities(rings: &[Assigned], pins: &[Assigned]) -> i64 {
    let number = (rings.len() + 1) * (2 * pins.len() + 1);
    i64::try_from(number).unwrap_or(i64::MAX)
}

struct Writer<'t> {
    titles: &'t Titles,
    today: civil::Date,
    names: Names<'t>,
    /// The next policy's: of several that mean a device, the first counts.
    priority: i64,
    imported: Imported,
}

/// What a feature update profile pins.
struct Pin {
    title: TitleId,
    branch: String,
    /// The first version of the branch, where the catalog knows it.
    first: Option<String>,
}

impl Writer<'_> {
    fn write(mut self, rings: &[Assigned], pins: &[Assigned]) -> Imported {
        let mut read: Vec<(&Assigned, Pin)> = Vec::new();
        for pin in pins {
            if let Some(known) = self.pin(pin) {
                read.push((pin, known));
            }
        }
        if rings.len() > 1 {
            let why = "of several rings that a device is in Intune reports a conflict: here one for a group counts before one for everybody, then the first by name";
            self.imported.leave_out("update rings", "assignments", why);
        }
        for ring in rings {
            self.of_ring(ring);
            let terms = Terms::read(ring, &mut self.names, &mut self.imported);
            for (pin, known) in &read {
                self.pinned(Some((ring, &terms)), pin, known);
            }
            let software = ["windows-10", "windows-11"];
            let name = format!("intune: {}", ring.from);
            self.policy(&name, &[ring], json!(software), "the ring is for Windows 10 and 11", None, Some(&terms), &[]);
            if read.is_empty() || rings.len() > 1 || !read.iter().any(|(pin, _)| pin.who.is_empty()) {
                let days = whole(&ring.object, "featureUpdatesDeferralPeriodInDays").unwrap_or(0);
                let why = format!(
                    "without a profile Windows comes to a new version {days} days after its release; this policy stays on the installed one \
                     as long as that is supported (else: `target: {{ branch: latest }}`)"
                );
                self.imported.leave_out(&ring.from, "featureUpdatesDeferralPeriodInDays", why);
            }
        }
        for (pin, known) in &read {
            self.pinned(None, pin, known);
        }
        self.imported.settle(self.titles)
    }

    fn priority(&mut self) -> i64 {
        self.priority -= 1;
        self.priority
    }

    /// What of a ring is said nowhere.
    fn of_ring(&mut self, ring: &Assigned) {
        let Assigned { object, from, .. } = ring;
        let imported = &mut self.imported;
        let why = "Windows counts for each update from when the device finds it, Refit from when the first was published that is missing: \
                   one who was away has a grace instead";
        imported.leave_out(from, "deadlineForQualityUpdatesInDays", why);
        for key in NUMBERS {
            let value = &object[key];
            if !value.is_null() && whole(object, key).is_none() {
                let why = format!("`{value}` is no whole number from 0 to {LARGEST}: it is not taken over");
                imported.leave_out(from, key, why);
            }
        }
        for (key, value) in object.as_object().into_iter().flatten() {
            let said = match value {
                Value::Null => false,
                Value::Bool(truth) => *truth,
                Value::Number(number) => number.as_i64() != Some(0),
                Value::String(text) => {
                    !matches!(text.as_str(), "" | "userDefined" | "windowsDefault" | "notConfigured" | "disabled")
                }
                Value::Array(list) => !list.is_empty(),
                Value::Object(_) => true,
            };
            if !said
                || key.starts_with("@odata")
                || WITHOUT_BEARING.contains(&key.as_str())
                || READ.contains(&key.as_str())
            {
                continue;
            }
            let why = match key.as_str() {
                "allowWindows11Upgrade" => {
                    "Windows 11 is another title: a policy moves nobody from one title to another"
                }
                "businessReadyUpdatesOnly" if value == "all" || value == "businessReadyOnly" => continue,
                "businessReadyUpdatesOnly" => "previews are no releases that policies know",
                "driversExcluded" => "drivers are no titles",
                "microsoftUpdateServiceAllowed" => "other products of Microsoft's are titles of their own",
                "userPauseAccess" => {
                    "people may pause updates there; by a policy they put them off (`experience: { defer }`)"
                }
                "engagedRestartDeadlineInDays" | "engagedRestartTransitionScheduleInDays" => {
                    "the deadline's own restart counts"
                }
                _ => "it is not known what this does",
            };
            imported.leave_out(from, key, why);
        }
        if object["driversExcluded"] == false {
            imported.leave_out(from, "driversExcluded", "drivers are no titles: nothing is said of them");
        }
        if object["updateWeeks"].is_string()
            && object["updateWeeks"] != "userDefined"
            && object["updateWeeks"] != "everyWeek"
        {
            imported.leave_out(
                from,
                "updateWeeks",
                "which weeks of a month is not taken over: write it into the window's `rrule`",
            );
        }
        if object["featureUpdatesPaused"] == true {
            imported.leave_out(
                from,
                "featureUpdatesPaused",
                "a freeze holds everything: feature updates alone are not paused",
            );
        }
        if let Some(days) = whole(object, "deadlineGracePeriodInDays").filter(|days| *days > 0) {
            let why = format!(
                "Windows leaves {days} days for the restart of what was installed late; a policy's due time is for the restart too"
            );
            imported.leave_out(from, "deadlineGracePeriodInDays", why);
        }
        if object["qualityUpdatesPaused"] != true {
            return;
        }
        let date = |key: &str| text_of(object, key).and_then(date);
        match (date("qualityUpdatesPauseStartDate"), date("qualityUpdatesPauseExpiryDateTime")) {
            (None, None) => imported.leave_out(
                from,
                "qualityUpdatesPaused",
                "since when it is paused is not said: write a freeze for it",
            ),
            (start, end) => {
                // A pause lasts 35 days.
                let start = start.or_else(|| end?.checked_sub(35.days()).ok());
                let end = end.or_else(|| start?.checked_add(35.days()).ok());
                if let (Some(from_day), Some(to)) = (start, end) {
                    let condition = Some(condition(&[ring], &[]));
                    let origin = format!("{from}: qualityUpdatesPaused");
                    imported.freezes.push(Freeze {
                        name: format!("paused: {}", visible(from)),
                        from: from_day,
                        to,
                        condition,
                        origin,
                    });
                }
            }
        }
    }

    fn pin(&mut self, pin: &Assigned) -> Option<Pin> {
        let Assigned { object, from, .. } = pin;
        let version = text_of(object, "featureUpdateVersion").unwrap_or_default();
        let known = [("Windows 11, version ", "windows-11"), ("Windows 10, version ", "windows-10")];
        let branch = known.iter().find_map(|(start, title)| Some((TitleId::new(title), version.strip_prefix(start)?)));
        let Some((title, branch)) = branch else {
            self.imported.leave_out(from, "featureUpdateVersion", format!("which version `{version}` is is not known"));
            return None;
        };
        if object["installFeatureUpdatesOptional"] == true {
            self.imported.leave_out(
                from,
                "installFeatureUpdatesOptional",
                "people choose it: a policy says what has to be, and no more",
            );
            return None;
        }
        let branches = self.titles.get(&title).map(|title| title.branches.as_slice()).unwrap_or_default();
        let Some(of_catalog) = branches.iter().find(|known| known.name.as_str() == branch) else {
            let why = format!("the catalog knows no {branch} of {title}: write a `title:` document with this branch");
            self.imported.leave_out(from, "featureUpdateVersion", why);
            return None;
        };
        if object["rolloutSettings"].is_object() {
            let why = "that it is offered bit by bit is the business of rings (`rollout:`)";
            self.imported.leave_out(from, "rolloutSettings", why);
        }
        if object["installLatestWindows10OnWindows11IneligibleDevice"] == true {
            let why = "who can't have Windows 11 stays under the ring's own policy";
            self.imported.leave_out(from, "installLatestWindows10OnWindows11IneligibleDevice", why);
        }
        if title.as_str() == "windows-11" {
            let why = "devices on Windows 10 have another title, and are not brought to Windows 11 by a policy";
            self.imported.leave_out(from, "featureUpdateVersion", why);
        }
        // `>=10.0.26100, <10.0.26101`
        let range = of_catalog.versions.as_ref().map(ToString::to_string);
        let first = range.and_then(|range| {
            let low = range.split(',').find_map(|part| part.trim().strip_prefix(">="))?;
            Some(low.trim().to_owned())
        });
        Some(Pin { title, branch: branch.to_owned(), first })
    }

    /// The policies of a pinned version: for who has still to come there, and for who is there.
    fn pinned(&mut self, ring: Option<(&Assigned, &Terms)>, pin: &Assigned, known: &Pin) {
        let who: Vec<&Assigned> = ring.map(|(ring, _)| ring).into_iter().chain([pin]).collect();
        let names = who.iter().map(|one| one.from.as_str()).collect::<Vec<_>>().join(", ");
        let target = json!({ "branch": known.branch });
        let software = json!([known.title.as_str()]);
        let from = format!("{}: featureUpdateVersion", pin.from);
        let terms = ring.map(|(_, terms)| terms);
        if let Some(first) = &known.first {
            let below = [format!("device.os_version < \"{first}\"")];
            let name = format!("intune: to {}, {names}", known.branch);
            let terms = terms.map(Terms::without_deadline);
            self.policy(
                &name,
                &who,
                software.clone(),
                &from,
                Some((target.clone(), from.as_str())),
                terms.as_ref(),
                &below,
            );
            self.feature_deadline(ring.map(|(ring, _)| ring), pin, known, &who, &below);
        }
        let name = format!("intune: {}, {names}", known.branch);
        self.policy(&name, &who, software, &from, Some((target, from.as_str())), terms, &[]);
    }

    /// By when who is below a pinned version has to be there: so many days after the profile came, as an exception has it.
    fn feature_deadline(
        &mut self,
        ring: Option<&Assigned>,
        pin: &Assigned,
        known: &Pin,
        who: &[&Assigned],
        below: &[String],
    ) {
        let days = ring.and_then(|ring| Some((ring, whole(&ring.object, "deadlineForFeatureUpdatesInDays")?)));
        let Some((ring, days)) = days else { return };
        let from = format!("{}: deadlineForFeatureUpdatesInDays, {}: createdDateTime", ring.from, pin.from);
        let created = text_of(&pin.object, "createdDateTime").and_then(|text| text.parse::<Timestamp>().ok());
        let due = created.and_then(|created| {
            created.checked_add(SignedDuration::from_hours(24).checked_mul(i32::try_from(days).ok()?)?).ok()
        });
        let Some(due) = due else {
            return self.imported.leave_out(
                &pin.from,
                "createdDateTime",
                "from when on the deadline of the feature update counts is not said",
            );
        };
        let until = TimeZone::UTC.to_datetime(due).date().max(self.today).saturating_add(LASTS.days());
        let name = self.names.unused("exception", &format!("intune: to {} by {}", known.branch, pin.from));
        self.imported.documents.push(
            Document::new("exception", &name, "")
                .with("software", json!([known.title.as_str()]), "")
                .with("where", json!(condition(who, below)), "")
                .with("due", json!(due.to_string()), from)
                .with("until", day(until), ""),
        );
        let why = format!("the date is an exception's, and exceptions end: it counts until {until}");
        self.imported.leave_out(&pin.from, "createdDateTime", why);
    }

    #[expect(clippy::too_many_arguments, reason = "each is another line of the document")]
    fn policy(
        &mut self,
        name: &str,
        who: &[&Assigned],
        software: Value,
        software_from: &str,
        target: Option<(Value, &str)>,
        terms: Option<&Terms>,
        besides: &[String],
    ) {
        let assigned = who.iter().map(|one| format!("{}: assignments", one.from)).collect::<Vec<_>>().join(", ");
        let mut policy = Document::new("policy", &self.names.unused("policy", name), "");
        if let Some((mode, from)) = terms.and_then(|terms| terms.mode.as_ref()) {
            policy = policy.with("mode", json!(mode), from.as_str());
        }
        let priority = self.priority();
        policy = policy
            .with_some(
                "priority",
                (priority > 0).then(|| json!(priority)),
                "of several that mean a device the first counts",
            )
            .with("where", json!(condition(who, besides)), assigned)
            .with("software", software, software_from);
        if let Some((target, from)) = target {
            policy = policy.with("target", target, from);
        }
        for &(key, ref value, ref from) in terms.map(|terms| terms.lines.as_slice()).unwrap_or_default() {
            policy = policy.with(key, value.clone(), from.as_str());
        }
        self.imported.documents.push(policy);
    }
}

/// Who is assigned all of some objects, with what is asked besides.
fn condition(who: &[&Assigned], besides: &[String]) -> String {
    let mut parts = vec!["device.platform == \"windows\"".to_owned()];
    parts.extend(who.iter().flat_map(|one| one.who.iter().cloned()));
    parts.extend(besides.iter().cloned());
    parts.dedup();
    all(&parts)
}

fn date(text: &str) -> Option<civil::Date> {
    text.get(..10)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_list_is_said_to_be_one() {
        let page = json!({ "value": [], "@odata.nextLink": "https://graph.example/next" });
        let imported = import(&[("p.json".to_owned(), page)], &Titles::default(), civil::date(2026, 11, 24));
        assert!(imported.left_out.iter().any(|left| left.field == "@odata.nextLink"), "{:?}", imported.left_out);
    }

    #[test]
    fn what_is_no_number_of_days_is_none() {
        for (value, number) in [(json!(7), Some(7)), (json!(-3), None), (json!("7"), None), (json!(366), None)] {
            assert_eq!(whole(&json!({ "days": value }), "days"), number);
        }
    }
}
