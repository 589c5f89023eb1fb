//! Registration and user import inline hooks: whether somebody may have an account, and whose it is.
//!
//! Registration: whom some system knows by the address that they give, and has not let go, may; of anybody else it is what the `posture:` document of
//! the token says of `unknown_person`, and never harsher than its strategy.
//!
//! Import: where the employee's number, or an address that is somebody's own, says whose account a new one is, it is linked to the one that they
//! have. Where that is known and Okta would link it to somebody else's, it is made anew. Where nothing is known, Okta decides.

use super::{
    Asking,
    account::{Named, account_of},
    nothing, read, text,
};
use crate::api::{
    Api, answer,
    posture::{Meant, by_user, decide},
    problem::Problem,
};
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use refit_core::{
    control::{PersonId, Scope, account::Account},
    posture::Access,
};
use serde_json::{Value, json};
use smol_str::SmolStr;

/// Somebody wants to register.
pub(super) async fn registration(
    State(api): State<Api>,
    asking: Asking,
    request: Request,
) -> Result<Response, Problem> {
    asking.caller.needs(Scope::Hooks)?;
    let said: Value = read(request).await?;
    // Who has an account already, and says more of themselves, is no newcomer.
    if text(&said, "/requestType") == Some("progressive.profile") {
        return Ok(nothing());
    }
    let named = given(&said).map(str::to_owned);
    let view = api.shell().view();
    let meant = {
        // Who is called what is looked up in everybody after a start.
        let (there, view) = (api.clone(), view.clone());
        let look = move || named.map(|name| by_user(&there, &view.state, &name));
        api.beside(look).await?.unwrap_or_else(|| Meant::nobody("no address was given"))
    };
    let denied = match meant {
        Meant::Person(..) => None,
        meant => {
            let answer = decide(&api, &asking.caller, &view, meant).await.answer;
            (answer.access == Access::Block).then_some(answer)
        }
    };
    let command =
        |registration: &str| json!([{ "type": "com.okta.action.update", "value": { "registration": registration } }]);
    let Some(denied) = denied else {
        return Ok(answer::json(StatusCode::OK, &json!({ "commands": command("ALLOW") })));
    };
    let why = denied.reasons.first().map_or("nobody is known by this address", |reason| reason.text.as_str());
    let contact = denied.by.owner.as_deref().unwrap_or("your administrator");
    let cause = json!({
        "errorSummary": why, "reason": "UNKNOWN_PERSON", "locationType": "body", "location": "data.userProfile.email",
        "domain": "end-user",
    });
    let summary = format!("This registration is not permitted: {why}. Please ask {contact}.");
    let error = json!({ "errorSummary": summary, "errorCauses": [cause] });
    Ok(answer::json(StatusCode::OK, &json!({ "commands": command("DENY"), "error": error })))
}

/// The address that somebody gives; the name of their account counts where none is given.
fn given(said: &Value) -> Option<&str> {
    text(said, "/data/userProfile/email").or_else(|| text(said, "/data/userProfile/login"))
}

/// A user of an application is imported.
pub(super) async fn import(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Problem> {
    asking.caller.needs(Scope::Hooks)?;
    let said: Value = read(request).await?;
    let of_user = |field: &str| text(&said, &format!("/data/user/profile/{field}")).map(SmolStr::from);
    let of_either = |field: &str| {
        of_user(field).or_else(|| text(&said, &format!("/data/appUser/profile/{field}")).map(SmolStr::from))
    };
    let Some(address) = of_either("email").or_else(|| of_user("login")) else { return Ok(nothing()) };
    let new = Account { off: false, number: of_either("employeeNumber"), name: None };
    let matches = said.pointer("/data/context/matches").and_then(Value::as_array);
    let matches: Vec<SmolStr> = matches.into_iter().flatten().filter_map(|id| Some(id.as_str()?.into())).collect();
    let view = api.shell().view();
    let (there, source, seen) = (api.clone(), asking.source.clone(), view.clone());
    // Who has which address is looked up in everybody after a start.
    let whose = api.beside(move || {
        let people = there.inner.directory.with_address(&seen.state, &address);
        seen.state.whose(people, &address, &new).map(|person| seen.state.identity.person(&person).clone())
    });
    let Some(person) = whose.await? else { return Ok(nothing()) };
    let commands = match account_of(&view, &source, &person, &matches) {
        Some(id) => json!([
            { "type": "com.okta.action.update", "value": { "result": "LINK_USER" } },
            { "type": "com.okta.user.update", "value": { "id": id } },
        ]),
        // Okta would link it to an account that is known to be another's.
        None if matches.iter().any(|id| is_anothers(&api, &view, &source, id, &person)) => {
            json!([{ "type": "com.okta.action.update", "value": { "result": "CREATE_USER" } }])
        }
        None => return Ok(nothing()),
    };
    Ok(answer::json(StatusCode::OK, &json!({ "commands": commands })))
}

fn is_anothers(api: &Api, view: &crate::shell::View, source: &SmolStr, id: &SmolStr, person: &PersonId) -> bool {
    let account = Named { id: id.clone(), login: SmolStr::default() };
    account.person(api, view, source).is_some_and(|owner| owner != *person)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_account_counts_only_where_no_address_is_given() {
        let said = |profile: Value| json!({ "data": { "userProfile": profile } });
        let both = said(json!({ "email": "stranger@example.net", "login": "ada@example.com" }));
        assert_eq!(given(&both), Some("stranger@example.net"));
        assert_eq!(given(&said(json!({ "login": "ada@example.com" }))), Some("ada@example.com"));
        assert_eq!(given(&said(json!({}))), None);
    }
}
