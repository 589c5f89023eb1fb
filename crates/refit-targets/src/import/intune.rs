//! Update rings, feature update profiles and their assignments, as Microsoft Graph gives them.
//!
//! Windows Update for Business offers a quality update so many days after its publication as a ring defers it, and forces it so many days
//! after the device has found it as the ring's deadline says (learn.microsoft.com, *Enforcing compliance deadlines for updates*; Graph
//! `windowsUpdateForBusinessConfiguration`, `windowsFeatureUpdateProfile`). A feature update profile names the version that a device comes
//! to, and stays on.

use super::{
    Document, Freeze, Imported, Names, Window,
    conditions::{all, has_one_of, not},
    document::{day, visible},
    text_of,
};
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil, tz::TimeZone};
use refit_core::policy::{document::scalars::Duration, resolve::Titles};
use refit_model::TitleId;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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

/// The largest that such a number may be: Windows defers and forces within a year.
const LARGEST: i64 = 365;

/// An object of Graph's, with the devices that it is assigned to.
struct Assigned {
    object: Value,
    /// How people know it.
    from: String,
    /// The devices, besides that they run Windows; nothing where that is all of them.
    who: Vec<String>,
    /// Whether it is for everybody but some.
    everybody: bool,
}

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

fn unsaid(kind: &str) -> &'static str {
    match kind {
        "windowsQualityUpdateProfile" => {
            "that an update is hurried is the policy's to say: `deadline: [{ if: exposure.kev, within: 2d, min_age: 0h }]`"
        }
        "windowsQualityUpdatePolicy" => "whether updates need no restart (hotpatch) is not said by policies",
        "windowsDriverUpdateProfile" => "drivers are no titles",
        "winGetApp" | "win32LobApp" | "officeSuiteApp" | "macOSPkgApp" => "applications are not imported",
        _ => "it is not known what this does",
    }
}

/// The objects of a list response, or one by itself.
fn listed(value: &Value) -> Vec<&Value> {
    match (value, &value["value"]) {
        (Value::Array(objects), _) | (_, Value::Array(objects)) => objects.iter().collect(),
        (one, _) => vec![one],
    }
}

/// What an object is.
fn kind<'v>(object: &'v Value, context: &str) -> Option<&'v str> {
    let said = object["@odata.type"].as_str().map(|kind| kind.trim_start_matches("#microsoft.graph."));
    match said {
        Some(kind) if kind.ends_with("Assignment") => Some("assignment"),
        Some(kind) => Some(kind),
        None if object["target"]["@odata.type"].is_string() => Some("assignment"),
        // A list of one type does not repeat it.
        None if context.contains("windowsFeatureUpdateProfiles") || object["featureUpdateVersion"].is_string() => {
            object["id"].as_str().map(|_| FEATURE)
        }
        None => None,
    }
}

/// The id of the object that an assignment is of: its own id begins with it, or it was asked for by it.
fn policy_of(assignment: &Value, context: &str) -> Option<String> {
    let by_context = context.split_once("('").and_then(|(_, rest)| rest.split_once("')")).map(|(id, _)| id);
    let by_id = text_of(assignment, "id").and_then(|id| id.split_once('_')).map(|(id, _)| id);
    by_context.or(by_id).map(str::to_owned)
}

/// Who is meant by assignments, and whether that is everybody but some; `None` where it is nobody.
fn who(assignments: &[Value], from: &str, imported: &mut Imported) -> Option<(Vec<String>, bool)> {
    let (mut included, mut excluded) = (Vec::new(), Vec::new());
    let mut everybody = false;
    for assignment in assignments {
        let target = &assignment["target"];
        let group = || text_of(target, "groupId").map(str::to_owned);
        match target["@odata.type"].as_str().unwrap_or_default().trim_start_matches("#microsoft.graph.") {
            "allDevicesAssignmentTarget" => everybody = true,
            "allLicensedUsersAssignmentTarget" => {
                everybody = true;
                imported.leave_out(from, "assignments", "all users: devices that are nobody's are meant too");
            }
            "groupAssignmentTarget" => included.extend(group()),
            "exclusionGroupAssignmentTarget" => excluded.extend(group()),
            other => imported.leave_out(from, "assignments", format!("whom `{other}` means is not known")),
        }
        let filter = text_of(target, "deviceAndAppManagementAssignmentFilterId");
        if filter.is_some() && target["deviceAndAppManagementAssignmentFilterType"] != "none" {
            imported.leave_out(
                from,
                "assignments",
                "whom the assignment's filter lets through is not asked: write it into `where`",
            );
        }
    }
    if !everybody && included.is_empty() {
        return None;
    }
    for list in [&mut included, &mut excluded] {
        list.sort();
        list.dedup();
    }
    let mut who = Vec::new();
    if !everybody {
        who.push(has_one_of(FIELD, &included));
    }
    if !excluded.is_empty() {
        who.push(not(&has_one_of(FIELD, &excluded)));
    }
    if who.iter().any(|condition| condition.contains(FIELD)) {
        imported.field(FIELD, "list", "the ids of the Entra groups that the device, or its person, is a member of");
    }
    Some((who, everybody))
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

/// What a ring says of when, and of what people meet.
#[derive(Clone, Debug, Default)]
struct Terms {
    mode: Option<(&'static str, String)>,
    lines: Vec<(&'static str, Value, String)>,
}

impl Terms {
    fn read(ring: &Assigned, names: &mut Names<'_>, imported: &mut Imported) -> Terms {
        let Assigned { object, from, .. } = ring;
        let mut terms = Terms::default();
        let days = |key: &str| whole(object, key);
        let deferral = days("qualityUpdatesDeferralPeriodInDays").unwrap_or(0);
        let deadline = days("deadlineForQualityUpdatesInDays");
        if deferral > 0 {
            terms.lines.push(("min_age", length(deferral), format!("{from}: qualityUpdatesDeferralPeriodInDays")));
        }
        if let Some(deadline) = deadline {
            let within = if deadline == 0 {
                let why = "nothing is due in the moment in which it may be installed: an hour is left";
                imported.leave_out(from, "deadlineForQualityUpdatesInDays", why);
                json!(Duration(SignedDuration::from_hours(24 * deferral + 1)).to_string())
            } else {
                length(deferral + deadline)
            };
            let origin = format!("{from}: qualityUpdatesDeferralPeriodInDays + deadlineForQualityUpdatesInDays");
            terms.lines.push(("deadline", json!([{ "within": within }]), origin));
            terms.lines.push(("phase_in", json!("0h"), String::new()));
        }
        let mode = object["automaticUpdateMode"].as_str().unwrap_or_default();
        if mode == "notifyDownload" && deadline.is_none() {
            terms.mode = Some(("notify", format!("{from}: automaticUpdateMode")));
        }
        terms.window(ring, names, imported);
        let forced = deadline.is_some();
        if !forced && mode.starts_with("autoInstallAndReboot") {
            imported.leave_out(
                from,
                "automaticUpdateMode",
                "without a deadline there is no due time at which a restart could be forced",
            );
        }
        if forced && object["postponeRebootUntilAfterDeadline"] == false {
            let why = "before its due time a restart is asked for: Windows tries it outside of the active hours";
            imported.leave_out(from, "postponeRebootUntilAfterDeadline", why);
        }
        let mut experience = json!({ "reboot": { "mode": if forced { "at_due" } else { "ask" } } });
        if let Some(hours) = whole(object, "scheduleRestartWarningInHours").filter(|hours| *hours > 0) {
            experience["notify"] = json!(Duration(SignedDuration::from_hours(hours)).to_string());
        }
        terms.lines.push((
            "experience",
            experience,
            format!("{from}: the restart of a deadline, scheduleRestartWarningInHours"),
        ));
        terms
    }

    fn window(&mut self, ring: &Assigned, names: &mut Names<'_>, imported: &mut Imported) {
        let schedule = &ring.object["installationSchedule"];
        let origin = format!("{}: installationSchedule", ring.from);
        let time = |key: &str| schedule[key].as_str().and_then(|text| text.parse::<civil::Time>().ok());
        let window = match schedule["@odata.type"].as_str().map(|kind| kind.trim_start_matches("#microsoft.graph.")) {
            None => return,
            Some("windowsUpdateActiveHoursInstall") => match (time("activeHoursStart"), time("activeHoursEnd")) {
                (Some(start), Some(end)) => {
                    let minutes = |at: civil::Time| i64::from(at.hour()) * 60 + i64::from(at.minute());
                    let open = (minutes(start) - minutes(end)).rem_euclid(24 * 60);
                    (open >= 30).then(|| (daily("FREQ=DAILY", end), SignedDuration::from_mins(open)))
                }
                _ => None,
            },
            Some("windowsUpdateScheduledInstall") => time("scheduledInstallTime").and_then(|at| {
                let rule = match schedule["scheduledInstallDay"].as_str()? {
                    "everyday" => "FREQ=DAILY".to_owned(),
                    day @ ("monday" | "tuesday" | "wednesday" | "thursday" | "friday" | "saturday" | "sunday") => {
                        format!("FREQ=WEEKLY;BYDAY={}", day.get(..2)?.to_uppercase())
                    }
                    _ => return None,
                };
                Some((daily(&rule, at), SignedDuration::from_hours(1)))
            }),
            Some(_) => None,
        };
        let Some((rrule, lasts)) = window else {
            return imported.leave_out(&ring.from, "installationSchedule", "no window opens so");
        };
        let name = names.unused("window", &format!("intune-{}", crate::object::word(&ring.from, 40)));
        imported
            .windows
            .insert(name.clone(), Window { rrule, lasts: Duration(lasts).to_string(), from: origin.clone() });
        self.lines.push(("window", json!({ "use": name, "after_due": "run" }), origin));
    }

    /// Without what counts for quality updates alone.
    fn without_deadline(&self) -> Terms {
        let lines = self.lines.iter().filter(|(key, ..)| !matches!(*key, "deadline" | "phase_in"));
        Terms { mode: self.mode.clone(), lines: lines.cloned().collect() }
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

/// A number of days or hours; what is longer than a year of days is none.
fn whole(object: &Value, key: &str) -> Option<i64> {
    object[key].as_i64().filter(|number| (0..=LARGEST).contains(number))
}

fn length(days: i64) -> Value {
    json!(Duration(SignedDuration::from_hours(24 * days)).to_string())
}

fn daily(rule: &str, at: civil::Time) -> String {
    let minute = if at.minute() == 0 { String::new() } else { format!(";BYMINUTE={}", at.minute()) };
    format!("{rule};BYHOUR={}{minute}", at.hour())
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
