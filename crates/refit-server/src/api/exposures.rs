//! Exposures of the whole fleet: `/api/v1/exposures`.

use super::{
    Api, answer,
    extract::{Caller, Query},
    page::place,
    problem::Problem,
};
use crate::shell::View;
use axum::{extract::State, http::StatusCode, response::Response};
use refit_api::Exposure;
use refit_core::{control::Scope, decide::Compliance};
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
    caller.needs(Scope::Read)?;
    let place = place(query.cursor.as_deref(), query.limit)?;
    let page = api.reading(move |view| {
        let mut open: Vec<_> = exposures(view, &query)
            .into_iter()
            .map(|((title, advisory), exposure)| (format!("{title} {advisory}"), exposure))
            .collect();
        open.sort_by(|(a, _), (b, _)| a.cmp(b));
        place.page(open.into_iter())
    });
    Ok(answer::json(StatusCode::OK, &page.await?))
}

fn exposures<'v>(view: &'v View, query: &Exposures) -> BTreeMap<(&'v TitleId, &'v AdvisoryId), Exposure> {
    let mut open: BTreeMap<(&TitleId, &AdvisoryId), Exposure> = BTreeMap::new();
    for (device, row) in view.board.rows().filter(|(device, _)| view.state.device(device).is_some()) {
        // A title with several slots is one device's once, and overdue if any of them is.
        let mut here: BTreeMap<(&TitleId, &AdvisoryId), (bool, bool)> = BTreeMap::new();
        for slot in &row.slots {
            let title = &slot.slot.title;
            if query.title.as_ref().is_some_and(|wanted| title.as_str() != wanted) {
                continue;
            }
            for (advisory, kev) in &slot.exposures {
                let wanted = query.advisory.as_ref().is_none_or(|wanted| advisory.as_str() == wanted)
                    && query.kev.is_none_or(|wanted| *kev == wanted);
                if wanted {
                    let (is_kev, overdue) = here.entry((title, advisory)).or_default();
                    *is_kev |= kev;
                    *overdue |= slot.compliance == Compliance::Overdue;
                }
            }
        }
        for ((title, advisory), (kev, overdue)) in here {
            let exposure = open.entry((title, advisory)).or_insert_with(|| Exposure {
                advisory: advisory.to_string(),
                title: title.to_string(),
                kev: false,
                cvss: view.state.advisories.get(title).and_then(|list| list.get(advisory)?.cvss),
                devices: 0,
                overdue: 0,
                examples: Vec::new(),
            });
            exposure.kev |= kev;
            exposure.devices += 1;
            exposure.overdue += u64::from(overdue);
            if exposure.examples.len() < EXAMPLES {
                exposure.examples.push(device.to_string());
            }
        }
    }
    open
}
