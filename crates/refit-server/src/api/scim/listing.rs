//! Lists of resources: users, groups, or both at once (RFC 7644, sections 3.4.2 and 3.4.3).

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
use serde_json::Value;
use smol_str::SmolStr;

/// A kind of resources.
#[derive(Clone, Copy)]
enum Kind {
    Users,
    Groups,
}

/// A resource by its id.
enum Which {
    User(PersonId),
    Group(SmolStr),
}

/// Lists the users that the query means.
pub(super) async fn users(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    listed(&api, asking, Wanted::of(&request)?, &[Kind::Users]).await
}

/// Lists the groups that the query means.
pub(super) async fn groups(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    listed(&api, asking, Wanted::of(&request)?, &[Kind::Groups]).await
}

/// As [`users()`], asked by a body.
pub(super) async fn among_users(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    searched(&api, asking, request, &[Kind::Users]).await
}

/// As [`groups()`], asked by a body.
pub(super) async fn among_groups(
    State(api): State<Api>,
    asking: Asking,
    request: Request,
) -> Result<Response, Refused> {
    searched(&api, asking, request, &[Kind::Groups]).await
}

/// Both, users first, asked by a body.
pub(super) async fn among_all(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Refused> {
    searched(&api, asking, request, &[Kind::Users, Kind::Groups]).await
}

async fn searched(api: &Api, asking: Asking, request: Request, kinds: &'static [Kind]) -> Result<Response, Refused> {
    let (_, wanted) = asked::read(request).await?;
    listed(api, asking, wanted, kinds).await
}

async fn listed(api: &Api, asking: Asking, wanted: Wanted, kinds: &'static [Kind]) -> Result<Response, Refused> {
    let filter = wanted.filter()?;
    let within = api.clone();
    let caller = asking.caller.clone();
    let body = api.reading(move |view| {
        let mut among = Vec::new();
        for kind in kinds {
            match kind {
                Kind::Users => {
                    among.extend(users::among(&within, view, &asking, filter.as_ref()).into_iter().map(Which::User));
                }
                Kind::Groups => {
                    among.extend(groups::among(view, &asking, filter.as_ref()).into_iter().map(Which::Group));
                }
            }
        }
        page(&wanted, filter.as_ref(), among, |which| match which {
            Which::User(person) => users::whole_of(view, &asking, &person),
            Which::Group(id) => groups::whole(&within, view, &asking, &id, wanted.members()),
        })
    });
    let body = body.await?;
    let resources = body["Resources"].as_array().into_iter().flatten().filter_map(Value::as_object);
    api.note(&caller, "GET /scim/{source}/v2", asked::shown(resources)).await?;
    Ok(answer(StatusCode::OK, &body))
}
