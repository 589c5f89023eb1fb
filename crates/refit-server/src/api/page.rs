//! Pages: a cursor says after which item the next page begins, so that what is added meanwhile moves nothing.

use super::{Api, answer, extract::Caller, problem::Problem};
use crate::shell::View;
use axum::{http::StatusCode, response::Response};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use refit_api::Page;
use refit_core::control::Scope;
use serde::Serialize;

/// How many items a page has where nobody says.
const LIMIT: usize = 100;
/// How many items a page has at most.
pub const LIMIT_MOST: usize = 1_000;

/// Where a page begins, and how long it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The key of the last item of the page before.
    pub after: Option<String>,
    /// How many items.
    pub limit: usize,
}

/// Reads cursor and limit of a query.
pub fn place(cursor: Option<&str>, limit: Option<u32>) -> Result<Place, Problem> {
    let limit = limit.map_or(LIMIT, |limit| limit as usize);
    if limit == 0 || limit > LIMIT_MOST {
        return Err(Problem::field("limit", format!("a page has 1 to {LIMIT_MOST} items")));
    }
    let read = |cursor: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        String::from_utf8(bytes).ok()?.strip_prefix("after:").map(str::to_owned)
    };
    let after = match cursor {
        None => None,
        Some(cursor) => {
            let problem = || Problem::field("cursor", "this is no cursor: give the `next` of the page before");
            Some(read(cursor).ok_or_else(problem)?)
        }
    };
    Ok(Place { after, limit })
}

/// The cursor after an item.
pub fn cursor(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("after:{key}"))
}

impl Api {
    /// Answers a list: one page of it, beside those who answer quickly.
    pub(super) async fn listed<T: Serialize + Send + 'static>(
        &self,
        caller: &Caller,
        (cursor, limit): (Option<&str>, Option<u32>),
        page: impl FnOnce(&View, &Place) -> Result<Page<T>, Problem> + Send + 'static,
    ) -> Result<Response, Problem> {
        caller.needs(Scope::ReadFleet)?;
        let place = place(cursor, limit)?;
        let page = self.reading(move |view| page(view, &place)).await??;
        Ok(answer::json(StatusCode::OK, &page))
    }
}

impl Place {
    /// The page of items that come sorted by key, beginning after the cursor.
    pub fn page<T>(&self, items: impl Iterator<Item = (String, T)>) -> Page<T> {
        let mut items = items.filter(|(key, _)| self.after.as_ref().is_none_or(|after| key > after));
        self.page_after(&mut items)
    }

    /// As [`Place::page`], of items that come after the cursor.
    pub fn page_after<T>(&self, items: impl Iterator<Item = (String, T)>) -> Page<T> {
        let mut page = Page { items: Vec::new(), next: None };
        let mut last = None;
        for (key, item) in items {
            if page.items.len() == self.limit {
                page.next = last.as_deref().map(cursor);
                break;
            }
            page.items.push(item);
            last = Some(key);
        }
        page
    }
}
