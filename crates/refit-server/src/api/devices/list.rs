use super::super::{
    Api,
    extract::{Caller, Query},
    page::Place,
    problem::Problem,
};
use crate::shell::View;
use axum::{extract::State, response::Response};
use refit_api::{DeviceSummary, Page};
use refit_core::{
    control::{DeviceRecord, DeviceSet, HeldBy, SlotName},
    decide::{Compliance, Hold},
    facts::{FieldRef, Fields},
};
use refit_model::{DeviceId, TitleId};
use serde::Deserialize;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};
use utoipa::IntoParams;

/// Which devices.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Devices {
    /// Where the page begins: the `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// Only those on this platform.
    platform: Option<String>,
    /// Only those of which some slot (of `title`, where that is given) stands so: `overdue`.
    #[param(value_type = Option<String>)]
    compliance: Option<Compliance>,
    /// Only those of which some slot (of `title`, where that is given) is held so: `budget`.
    #[param(value_type = Option<String>)]
    hold: Option<Hold>,
    /// Only those that have this title.
    title: Option<String>,
    /// Only those whose name or id begins so.
    name: Option<String>,
    /// Whether to say with each device what sources say of it.
    #[serde(default)]
    #[param(value_type = Option<bool>, default = false)]
    facts: bool,
}

/// Lists devices, by id.
#[utoipa::path(
    get, path = "/api/v1/devices", tag = "devices", params(Devices),
    responses((status = 200, description = "A page of devices.", body = refit_api::DevicePage)),
)]
pub(in super::super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Devices>,
) -> Result<Response, Problem> {
    let cursor = query.cursor.clone();
    api.listed(&caller, (cursor.as_deref(), query.limit), move |view, place| {
        query.known_platform(view)?;
        Ok(page(view, &query, place))
    })
    .await
}

/// How many platforms a problem lists.
const PLATFORMS_MOST: usize = 50;
/// How many devices are looked up at once.
const CHUNK: usize = 1_024;
/// Of how many devices one at most is looked up by name; where a name is more frequent, a page is soon full.
const FREQUENT: u64 = 64;

fn page(view: &View, query: &Devices, place: &Place) -> Page<DeviceSummary> {
    let mut after = place.after.as_deref().map(DeviceId::new);
    let shown = |record: &Arc<DeviceRecord>| {
        let facts = query.facts.then(|| super::get::facts(record, &view.state));
        (record.id.to_string(), DeviceSummary { facts, ..summary(view, record) })
    };
    let Some(among) = query.among(view) else {
        let devices =
            view.state.devices.range((after.map_or(Unbounded, Excluded), Unbounded)).map(|(_, record)| record);
        let wanted = devices.filter(|record| record.retired.is_none() && query.wants(view, record));
        return place.page_after(wanted.map(shown));
    };
    let mut ready = Vec::new().into_iter();
    let devices = std::iter::from_fn(|| {
        if ready.as_slice().is_empty() {
            let first = view.state.first_of(&among, after.as_ref(), CHUNK);
            after = first.last().map(|record| record.id.clone());
            ready = first.into_iter();
        }
        ready.next()
    });
    place.page_after(devices.filter(|record| query.wants(view, record)).map(shown))
}

impl Devices {
    /// Refuses a platform that there is not: neither by its name, nor because some device says so.
    fn known_platform(&self, view: &View) -> Result<(), Problem> {
        let Some(platform) = &self.platform else { return Ok(()) };
        let fields = Fields::builtin();
        let values = fields.get(&FieldRef::device("platform")).map(|field| field.values.as_slice()).unwrap_or_default();
        if values.iter().any(|value| value == platform) || view.state.found.platforms().any(|said| said == platform) {
            return Ok(());
        }
        let mut known: Vec<&str> = values.iter().chain(view.state.found.platforms()).map(SmolStr::as_str).collect();
        known.sort_unstable();
        known.dedup();
        known.truncate(PLATFORMS_MOST);
        Err(Problem::unknown("platform", "platform", platform, &known))
    }

    /// All that are wanted are among these; `None` where they may be any.
    fn among(&self, view: &View) -> Option<DeviceSet> {
        let found = &view.state.found;
        let standing = |compliance: &Compliance| {
            let cohorts = view.board.cohorts().filter(|(outcome, _)| {
                outcome.compliance == *compliance
                    && self.title.as_ref().is_none_or(|title| outcome.slot.title.as_str() == title)
            });
            DeviceSet::union(cohorts.map(|(_, devices)| devices))
        };
        let by_slot = match (&self.compliance, &self.title) {
            (Some(compliance), _) => Some(standing(compliance)),
            // What is held may be missing.
            (None, Some(title)) if self.hold.is_none() => Some(found.with_title(&TitleId::new(title))),
            (None, _) => None,
        };
        let by_hold = self.hold.map(|hold| held(view, hold));
        let by_platform = self.platform.as_ref().map(|platform| found.on_platform(platform));
        let few = usize::try_from(view.state.managed_count() / FREQUENT).unwrap_or(CHUNK).max(CHUNK);
        let by_name = self.name.as_ref().and_then(|begin| view.state.beginning(begin, few));
        let sets = [by_slot, by_hold, by_platform, by_name].into_iter().flatten();
        sets.reduce(|a, b| a.both(&b)).map(|set| set.both(&found.managed()))
    }

    fn wants(&self, view: &View, record: &DeviceRecord) -> bool {
        let named = |begin: &String| {
            record.id.as_str().starts_with(begin.as_str())
                || record.name.as_ref().is_some_and(|name| name.starts_with(begin.as_str()))
        };
        let has = |title: &String| record.installs.keys().any(|slot| slot.title.as_str() == title);
        let stands = |compliance: &Compliance| {
            view.board.row(&record.id).is_some_and(|row| {
                row.slots.iter().any(|slot| {
                    slot.compliance == *compliance
                        && self.title.as_ref().is_none_or(|title| slot.slot.title.as_str() == title)
                })
            })
        };
        let is_held = |hold: &Hold| {
            let concerned = |slot: &SlotName| self.title.as_ref().is_none_or(|title| slot.title.as_str() == title);
            holds(view, record).iter().any(|(slot, found)| found == hold && concerned(slot))
        };
        self.name.as_ref().is_none_or(named)
            // What a decision says of a title is also said where it is not installed.
            && (self.compliance.is_some() || self.hold.is_some() || self.title.as_ref().is_none_or(has))
            && self.compliance.as_ref().is_none_or(stands)
            && self.hold.as_ref().is_none_or(is_held)
            && self.platform.as_ref().is_none_or(|platform| {
                view.state.plain_fact(record, "device.platform").is_some_and(|said| said.as_str() == platform)
            })
    }
}

/// All devices that are held so are among these.
fn held(view: &View, hold: Hold) -> DeviceSet {
    let by_server = match hold {
        Hold::Budget => view.state.held_devices(HeldBy::Budget),
        Hold::Envelope => view.state.held_devices(HeldBy::Envelope),
        Hold::Mandate => view.state.refusing_devices(),
        Hold::Disruption => view.state.disrupted_devices(),
        _ => DeviceSet::default(),
    };
    let stopped = hold == Hold::KillSwitch && view.state.brake.is_some();
    let cohorts = view
        .board
        .cohorts()
        .filter(|(outcome, _)| outcome.holds.contains(&hold) || (stopped && !outcome.obligations.is_empty()));
    DeviceSet::union(cohorts.map(|(_, devices)| devices).chain([&by_server]))
}

/// What holds the slots of a device: what their decisions name, and what the server holds them by.
fn holds(view: &View, record: &DeviceRecord) -> Vec<(SlotName, Hold)> {
    let row = view.board.row(&record.id);
    let mut holds = Vec::new();
    for outcome in row.iter().flat_map(|row| &row.slots) {
        let by_server = view.state.server_holds(record, &outcome.slot, !outcome.obligations.is_empty());
        let all = by_server.iter().map(|held| held.hold).chain(outcome.holds.iter().copied());
        holds.extend(all.map(|hold| (outcome.slot.clone(), hold)));
    }
    // After a start nothing has been decided yet, and what waited still waits.
    for slot in record.held.keys().filter(|_| row.is_none()) {
        holds.extend(view.state.server_holds(record, slot, false).iter().map(|held| (slot.clone(), held.hold)));
    }
    holds
}

fn summary(view: &View, record: &DeviceRecord) -> DeviceSummary {
    let mut compliance: BTreeMap<Compliance, u64> = BTreeMap::new();
    for slot in view.board.row(&record.id).iter().flat_map(|row| &row.slots) {
        *compliance.entry(slot.compliance).or_default() += 1;
    }
    let mut by_hold: BTreeMap<Hold, u64> = BTreeMap::new();
    for (_, hold) in holds(view, record) {
        *by_hold.entry(hold).or_default() += 1;
    }
    DeviceSummary {
        id: record.id.to_string(),
        name: record.name.as_ref().map(ToString::to_string),
        platform: view.state.plain_fact(record, "device.platform").map(Into::into),
        person: record.person.as_ref().map(ToString::to_string),
        enrolled: record.enrolled,
        seen: record.seen,
        installs: record.installs.len() as u64,
        compliance,
        holds: by_hold,
        quarantined: record.quarantined.is_some(),
        facts: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::page::place;
    use super::*;
    use refit_core::control::{Board, Evaluation, SlotOutcome, State};
    use refit_core::decide::Progress;

    #[test]
    fn a_device_stands_as_its_slots_of_that_title_stand() {
        let id = DeviceId::new("d1");
        let record = DeviceRecord::new(id.clone(), 0, Some("laptop".into()), jiff::Timestamp::UNIX_EPOCH, 1);
        let mut state = State::default();
        state.add(record.clone());
        let slot = |title: &str, compliance| {
            Arc::new(SlotOutcome {
                slot: SlotName::of(TitleId::new(title)),
                installed: None,
                key: None,
                compliance,
                due: None,
                due_by: None,
                progress: Progress::None,
                holds: Vec::new(),
                marks: Vec::new(),
                obligations: Vec::new(),
                exposures: Vec::new(),
                exceptions: Vec::new(),
                unsure_exceptions: Vec::new(),
                hurried: false,
                awaits: Vec::new(),
            })
        };
        let mut board = Board::default();
        board.update(&[Evaluation {
            device: id,
            index: 0,
            basis: 1,
            revision: 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            slots: vec![slot("firefox", Compliance::Overdue), slot("zoom", Compliance::Compliant)],
            latches: Vec::new(),
            began: Vec::new(),
            ended: Vec::new(),
            offered: Vec::new(),
            groups: BTreeMap::new(),
            next_change: None,
        }]);
        let view = View { state, board };
        let query = |compliance, title: Option<&str>| Devices {
            compliance: Some(compliance),
            title: title.map(str::to_owned),
            ..Devices::default()
        };
        let listed = |query: &Devices| page(&view, query, &place(None, None).unwrap()).items.len();
        assert_eq!(listed(&query(Compliance::Overdue, Some("firefox"))), 1);
        assert_eq!(listed(&query(Compliance::Overdue, Some("zoom"))), 0);
        assert_eq!(listed(&Devices::default()), 1);
        assert!(query(Compliance::Overdue, None).wants(&view, &record));
        assert!(query(Compliance::Overdue, Some("firefox")).wants(&view, &record));
        assert!(!query(Compliance::Overdue, Some("zoom")).wants(&view, &record));
        assert!(!query(Compliance::Due, None).wants(&view, &record));
        let by_name = Devices { name: Some("lap".into()), ..Devices::default() };
        assert!(by_name.wants(&view, &record));
        assert_eq!(summary(&view, &record).compliance[&Compliance::Overdue], 1);
    }
}
