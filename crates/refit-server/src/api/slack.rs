//! What people press in messages of Slack, under `/slack/PROCESS/actions` (<https://docs.slack.dev/interactivity/handling-user-interaction/>).
//!
//! Slack signs what it sends (<https://docs.slack.dev/authentication/verifying-requests-from-slack/>): `v0=` and HMAC-SHA256 in hexadecimal digits over
//! `v0:TIME:BODY`, with the signing secret of the app. What is older than five minutes is somebody's copy, and refused. A press that comes twice
//! counts once.

use super::{
    Api, body, layers,
    problem::{Code, Problem},
};
use axum::{
    Router,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Actor, AgentInput, ComplaintReceived, Input};
use refit_model::DeviceId;
use ring::hmac;
use serde::Deserialize;
use smol_str::{SmolStr, format_smolstr};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// How old what Slack sends may be.
const REPLAYED_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// The action of the button that says that something is broken; its value is the device.
const BROKE: &str = "refit_broke";
/// How many actions are taken of one request.
const ACTIONS_MOST: usize = 10;

/// Files of signing secrets, by process.
#[derive(Clone, Debug, Default)]
pub struct SigningSecrets(pub Arc<BTreeMap<SmolStr, PathBuf>>);

/// What Slack sends of a press.
#[derive(Deserialize)]
struct Payload {
    r#type: String,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    action_ts: String,
    #[serde(default)]
    value: String,
}

/// The paths.
pub(super) fn router() -> Router<Api> {
    Router::new().route("/slack/{process}/actions", post(actions).fallback(layers::method_not_allowed))
}

/// Takes what somebody pressed. Slack wants an answer within three seconds, and shows the person what is wrong otherwise.
async fn actions(
    State(api): State<Api>,
    Path(process): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<StatusCode, Problem> {
    let unsigned = || Problem::new(Code::Unauthorized, "this is not signed by Slack for this process");
    let secret = api.options().signing_secrets.0.get(process.as_str()).ok_or_else(unsigned)?;
    let secret = std::fs::read_to_string(secret).map_err(|error| {
        tracing::error!(%process, %error, "the signing secret can't be read");
        unsigned()
    })?;
    let (_, bytes) = body::read(request).await?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = api.shell().now();
    if !is_signed(secret.trim(), header("x-slack-request-timestamp"), header("x-slack-signature"), &bytes, now) {
        return Err(unsigned());
    }
    let malformed = || Problem::new(Code::Malformed, "this is not what Slack sends when somebody presses a button");
    let payload = form_value(&bytes, "payload").ok_or_else(malformed)?;
    let payload: Payload = serde_json::from_str(&payload).map_err(|_| malformed())?;
    if payload.r#type != "block_actions" {
        return Ok(StatusCode::OK);
    }
    for action in payload.actions.into_iter().take(ACTIONS_MOST).filter(|action| action.action_id == BROKE) {
        broke(&api, &process, action).await?;
    }
    Ok(StatusCode::OK)
}

/// Somebody says that something is broken on their device: what the device's own agent could have said for them. The one place where presses
/// become something here.
async fn broke(api: &Api, process: &str, action: Action) -> Result<(), Problem> {
    let text = api.shell().put(format!("said by a button in Slack ({process})").into_bytes()).await?;
    let complaint = ComplaintReceived {
        device: DeviceId::new(&action.value),
        // The same press, however often it is sent.
        complaint: format_smolstr!("slack-{}-{}", process, action.action_ts),
        at: api.shell().now(),
        title: None,
        text: text.into(),
    };
    api.shell().tell(&Actor::server(), Input::Agents(AgentInput::Complaint(complaint)), None).await?;
    Ok(())
}

/// Whether Slack signed this, not long ago.
fn is_signed(secret: &str, at: &str, signature: &str, body: &[u8], now: Timestamp) -> bool {
    let Some(seconds) = at.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok()) else { return false };
    let Some(tag) = signature.strip_prefix("v0=").and_then(from_hex) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = [b"v0:", at.as_bytes(), b":", body].concat();
    !secret.is_empty()
        && now.duration_since(seconds).abs() <= REPLAYED_AFTER
        && hmac::verify(&key, &signed, &tag).is_ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|it| it.len() == 2)?, 16).ok()).collect()
}

/// A value of a form.
fn form_value(bytes: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let value = text.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let (mut decoded, mut rest) = (Vec::new(), value.bytes());
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Slack's own page.
    #[test]
    fn what_slack_signs_is_known_and_nothing_else() {
        let secret = "8f742231b10e8888abcd99yyyzzz85a5";
        let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
        let at = Timestamp::from_second(1_531_420_618).unwrap();
        let is_signed = |secret: &str, signature: &str, body: &[u8], now: Timestamp| {
            super::is_signed(secret, "1531420618", signature, body, now)
        };
        let minutes = |minutes| at + SignedDuration::from_mins(minutes);
        assert!(is_signed(secret, signature, body, at));
        assert!(is_signed(secret, signature, body, minutes(5)));
        assert!(!is_signed(secret, signature, body, minutes(6)), "a copy");
        assert!(!is_signed(secret, signature, body, minutes(-6)), "from the future");
        assert!(!is_signed("other", signature, body, at));
        assert!(!is_signed("", signature, body, at));
        assert!(!is_signed(secret, signature, b"token=other", at));
        for wrong in [
            "",
            "v0=",
            "v0=a2",
            "v1=a2114d57",
            "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "v0=é1",
        ] {
            assert!(!is_signed(secret, wrong, body, at), "{wrong}");
        }
        assert!(!super::is_signed(secret, "yesterday", signature, body, at));
    }

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        assert_eq!(form_value(b"a=1&payload=%7B%22a%22%3A+1%7D", "payload").as_deref(), Some("{\"a\": 1}"));
        for wrong in ["", "payload", "payloads=1", "payload=%7", "payload=%zz", "payload=%ff"] {
            assert_eq!(form_value(wrong.as_bytes(), "payload"), None, "{wrong}");
        }
    }
}
