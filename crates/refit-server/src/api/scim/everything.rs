//! `/.search`: users and groups at once (RFC 7644, section 3.4.3).

use super::{
    super::Api,
    Asking, answer,
    asked::{self, Wanted, page},
    error::Refused,
    groups, users,
};
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use refit_model::PersonId;
use smol_str::SmolStr;

/// A resource by its id.
enum Which {
    User(PersonId),
    Group(SmolStr),
}

/// Lists those that a filter means: users first, then groups.
pub(super) async fn search(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    let (_, wanted) = asked::read::<Wanted>(request).await?;
    let filter = wanted.filter()?;
    let within = api.clone();
    let body = api.reading(move |view| {
        let users = users::among(&within, view, &asking, filter.as_ref()).into_iter().map(Which::User);
        let groups = groups::among(view, &asking, filter.as_ref()).into_iter().map(Which::Group);
        page(&wanted, filter.as_ref(), users.chain(groups).collect(), |which| match which {
            Which::User(person) => users::whole_of(view, &asking, &person),
            Which::Group(id) => groups::whole(&within, view, &asking, &id, wanted.members()),
        })
    });
    Ok(answer(StatusCode::OK, &body.await?))
}
