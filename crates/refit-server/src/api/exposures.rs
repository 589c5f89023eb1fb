//! Exposures of the whole fleet: `/api/v1/exposures`.

use super::{
    Api,
    extract::{Caller, Query},
    page::Place,
    problem::Problem,
};
use crate::shell::View;
use axum::{extract::State, response::Response};
use refit_api::{Exposure, Page};
use refit_core::{
    control::{DeviceSet, Scope},
    decide::Compliance,
};
use refit_model::{AdvisoryId, TitleId};
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::IntoParams;

/// Which exposures.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Exposures {
    /// Only those of this title.
    title: Option<String>,
    /// Only those by this advisory.
    advisory: Option<String>,
    /// Only those that are known to be exploited, or that are not.
    kev: Option<bool>,
    /// Where the page begins: the `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
}

/// How many devices an exposure names.
const EXAMPLES: usize = 3;

/// Lists what is open on the fleet, as of the last decisions: by title and advisory, with the number of devices.
#[utoipa::path(
    get, path = "/api/v1/exposures", tag = "decisions", params(Exposures),
    responses((status = 200, description = "A page of exposures.", body = refit_api::ExposurePage)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Query(query): Query<Exposures>,
) -> Result<Response, Problem> {
    caller.needs(Scope::ReadExposures)?;
    let cursor = query.cursor.clone();
    api.listed(&caller, (cursor.as_deref(), query.limit), move |view, place| Ok(page(view, &query, place))).await
}

/// What is said of one title and one advisory: how the slots stand, whether it is exploited, and the devices.
type Said<'v> = Vec<(Compliance, bool, &'v DeviceSet)>;

fn page(view: &View, query: &Exposures, place: &Place) -> Page<Exposure> {
    let managed = view.state.found.managed();
    let mut open: BTreeMap<(&TitleId, &AdvisoryId), Said<'_>> = BTreeMap::new();
    for (outcome, devices) in view.board.cohorts() {
        let title = &outcome.slot.title;
        if query.title.as_ref().is_some_and(|wanted| title.as_str() != wanted) || devices.common(&managed) == 0 {
            continue;
        }
        for (advisory, kev) in &outcome.exposures {
            let wanted = query.advisory.as_ref().is_none_or(|wanted| advisory.as_str() == wanted)
                && query.kev.is_none_or(|wanted| *kev == wanted);
            if wanted {
                open.entry((title, advisory)).or_default().push((outcome.compliance, *kev, devices));
            }
        }
    }
    let mut open: Vec<_> = (open.into_iter())
        .map(|((title, advisory), said)| (format!("{title} {advisory}"), (title, advisory, said)))
        .collect();
    open.sort_by(|(a, _), (b, _)| a.cmp(b));
    // Devices are counted for the page alone.
    let Page { items, next } = place.page(open.into_iter());
    let items = items.into_iter().map(|(title, advisory, said)| exposure(view, &managed, title, advisory, &said));
    Page { items: items.collect(), next }
}

/// A title with several slots is one device's once, and overdue if any of them is.
fn exposure(view: &View, managed: &DeviceSet, title: &TitleId, advisory: &AdvisoryId, said: &Said<'_>) -> Exposure {
    let devices = |wanted: &dyn Fn(Compliance) -> bool| {
        let sets = said.iter().filter(|(compliance, ..)| wanted(*compliance)).map(|(.., devices)| *devices);
        DeviceSet::union(sets).both(managed)
    };
    let all = devices(&|_| true);
    let examples = view.state.first_of(&all, None, EXAMPLES);
    Exposure {
        advisory: advisory.to_string(),
        title: title.to_string(),
        kev: said.iter().any(|(_, kev, _)| *kev),
        cvss: view.state.advisories.get(title).and_then(|list| list.get(advisory)?.cvss),
        devices: all.len(),
        overdue: devices(&|compliance| compliance == Compliance::Overdue).len(),
        examples: examples.into_iter().map(|device| device.id.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::page::place;
    use super::*;
    use jiff::Timestamp;
    use refit_core::{
        control::{Board, DeviceRecord, Evaluation, SlotName, SlotOutcome, State},
        decide::Progress,
    };
    use refit_model::DeviceId;
    use std::sync::Arc;

    fn slot(title: &str, profile: Option<&str>, compliance: Compliance, open: &[(&str, bool)]) -> Arc<SlotOutcome> {
        Arc::new(SlotOutcome {
            slot: SlotName { profile: profile.map(Into::into), ..SlotName::of(TitleId::new(title)) },
            installed: None,
            key: None,
            compliance,
            due: None,
            due_by: None,
            progress: Progress::None,
            holds: Vec::new(),
            marks: Vec::new(),
            obligations: Vec::new(),
            exposures: open.iter().map(|(id, kev)| (AdvisoryId::new(id), *kev)).collect(),
            exceptions: Vec::new(),
            unsure_exceptions: Vec::new(),
            hurried: false,
            awaits: Vec::new(),
        })
    }

    fn view(devices: &[(&str, Vec<Arc<SlotOutcome>>)]) -> View {
        let (mut state, mut board) = (State::default(), Board::default());
        for (index, (id, slots)) in devices.iter().enumerate() {
            let (id, index) = (DeviceId::new(id), index as u32);
            let record = DeviceRecord::new(id.clone(), index, None, Timestamp::UNIX_EPOCH, 1);
            state.add(record);
            board.update(&[Evaluation {
                device: id,
                index,
                basis: 1,
                revision: 1,
                at: Timestamp::UNIX_EPOCH,
                slots: slots.clone(),
                latches: Vec::new(),
                began: Vec::new(),
                ended: Vec::new(),
                offered: Vec::new(),
                groups: BTreeMap::new(),
                next_change: None,
            }]);
        }
        View { state, board }
    }

    #[test]
    fn a_device_counts_once_for_an_advisory_whatever_the_number_of_its_slots() {
        let view = view(&[
            (
                "d1",
                vec![
                    slot("zoom", None, Compliance::Overdue, &[("CVE-1", true)]),
                    slot("zoom", Some("work"), Compliance::Due, &[("CVE-1", true), ("CVE-2", false)]),
                ],
            ),
            ("d2", vec![slot("zoom", None, Compliance::Due, &[("CVE-1", true)])]),
        ]);
        let place = place(None, None).unwrap();
        let open = page(&view, &Exposures::default(), &place).items;
        let found = &open[0];
        assert_eq!((found.title.as_str(), found.advisory.as_str()), ("zoom", "CVE-1"));
        assert_eq!((found.devices, found.overdue, found.kev), (2, 1, true));
        assert_eq!(found.examples, ["d1", "d2"]);
        assert_eq!((open[1].advisory.as_str(), open[1].devices), ("CVE-2", 1));
        let only = |query: Exposures| page(&view, &query, &place).items.len();
        assert_eq!(only(Exposures { kev: Some(false), ..Exposures::default() }), 1);
        assert_eq!(only(Exposures { advisory: Some("CVE-1".into()), ..Exposures::default() }), 1);
        assert_eq!(only(Exposures { title: Some("firefox".into()), ..Exposures::default() }), 0);
    }
}
