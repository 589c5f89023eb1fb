//! Token and SAML inline hooks: how the devices of whoever signs in stand, as `posture:` documents say it of the token that asks.
//!
//! What blocks refuses the token or the assertion, and says why and what puts it right; else the answer goes in as three claims. Programs that get
//! tokens for themselves have no devices, and are not held up.

use super::{Asking, account::Named, nothing, read};
use crate::api::{
    Api, answer,
    posture::{Meant, by_person, by_user, decide},
    problem::Problem,
};
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use refit_core::{
    control::Scope,
    posture::{Access, Answer},
};
use serde_json::{Value, json};

/// How many words on what puts it right are shown: it is read on a page of a browser.
const FIXES_MOST: usize = 3;

/// A claim, with its value.
type Claim = (&'static str, Value);

/// A token is to be made.
pub(super) async fn token(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Problem> {
    let said: Value = read(request).await?;
    let Some(answer) = posture(&api, &asking, &said).await? else { return Ok(nothing()) };
    if answer.access == Access::Block {
        return Ok(refused(&answer));
    }
    let value: Vec<Value> = claims(&answer)
        .into_iter()
        .map(|(name, value)| json!({ "op": "add", "path": format!("/claims/{name}"), "value": value }))
        .collect();
    // A command for a token that is not asked for is an error of ours.
    let wanted = [("/data/identity", "com.okta.identity.patch"), ("/data/access", "com.okta.access.patch")];
    let wanted = wanted.into_iter().filter(|(part, _)| said.pointer(part).is_some_and(Value::is_object));
    let commands: Vec<Value> = wanted.map(|(_, command)| json!({ "type": command, "value": value })).collect();
    Ok(answer::json(StatusCode::OK, &json!({ "commands": commands })))
}

/// An assertion is to be made.
pub(super) async fn saml(State(api): State<Api>, asking: Asking, request: Request) -> Result<Response, Problem> {
    let said: Value = read(request).await?;
    let Some(answer) = posture(&api, &asking, &said).await? else { return Ok(nothing()) };
    if answer.access == Access::Block {
        return Ok(refused(&answer));
    }
    let attribute = |(name, value): Claim| {
        let (kind, value) = match value {
            Value::Number(number) => ("xs:integer", number.to_string()),
            Value::String(text) => ("xs:string", text),
            other => ("xs:string", other.to_string()),
        };
        json!({
            "op": "add",
            "path": format!("/claims/{name}"),
            "value": {
                "attributes": { "NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:basic" },
                "attributeValues": [{ "attributes": { "xsi:type": kind }, "value": value }],
            },
        })
    };
    let value: Vec<Value> = claims(&answer).into_iter().map(attribute).collect();
    let commands = json!([{ "type": "com.okta.assertion.patch", "value": value }]);
    Ok(answer::json(StatusCode::OK, &json!({ "commands": commands })))
}

/// How the devices of whoever signs in stand; `None` where nobody does.
async fn posture(api: &Api, asking: &Asking, said: &Value) -> Result<Option<Answer>, Problem> {
    asking.caller.needs(Scope::Posture)?;
    let Some(account) = Named::of_context(said) else { return Ok(None) };
    let view = api.shell().view();
    let own = account.own_id(&asking.source);
    let meant = match by_person(&view.state, &own) {
        Some(meant) => meant,
        None if account.login.is_empty() => Meant::nobody("nobody is known by this account"),
        None => {
            // Who is called what is looked up in everybody after a start.
            let (there, view) = (api.clone(), view.clone());
            api.beside(move || by_user(&there, &view.state, &account.login)).await?
        }
    };
    Ok(Some(decide(api, &asking.caller, &view, meant).await.answer))
}

/// What goes into a token or an assertion. Each is a text or a number: Okta's commands take no others.
fn claims(answer: &Answer) -> [Claim; 3] {
    let access = match answer.access {
        Access::Allow => "allow",
        Access::Warn => "warn",
        Access::Block => "block",
    };
    // The words of CAEP.
    let compliance = match answer.compliant {
        Some(true) => "compliant",
        Some(false) => "not-compliant",
        None => "unknown",
    };
    [
        ("refit_access", json!(access)),
        ("refit_compliance", json!(compliance)),
        ("refit_until", json!(answer.until.as_second())),
    ]
}

/// Whoever signs in reads this, and what they can do.
fn refused(answer: &Answer) -> Response {
    let why = answer.reasons.first().map_or("this device may not be used", |reason| reason.text.as_str());
    let blocked = answer.devices.iter().filter(|device| device.access == Access::Block);
    let fixes = blocked.flat_map(|device| &device.overdue).filter(|finding| finding.access == Access::Block);
    let mut texts: Vec<&str> = fixes.map(|finding| finding.fix.text.as_str()).collect();
    texts.dedup();
    texts.truncate(FIXES_MOST);
    let summary = if texts.is_empty() { why.to_owned() } else { format!("{why}. To go on: {}", texts.join("; ")) };
    answer::json(StatusCode::OK, &json!({ "error": { "errorSummary": summary } }))
}
