//! Webhooks: what the core says has to be asked is asked here, and the answers are told.
//!
//! A question stays until it is answered, by the webhook or by somebody in its place: what failed is asked again, and a
//! server that has just started asks anew. The body is signed with the server's key, as the header `refit-signature` says.

use crate::{agents::Agents, shell::Shell};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use refit_api::WebhookQuestion;
use refit_connect::webhook;
use refit_core::control::{
    Actor, Input, LeaseInput,
    disruption::{Asked, questions},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::time::MissedTickBehavior;

/// How often to look whether something has to be asked.
const LOOK: Duration = Duration::from_secs(2);
/// How long to wait before something is asked again; twice as long after each other time.
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_MOST: Duration = Duration::from_secs(60);
/// How many are asked at the same time.
const AT_ONCE: usize = 16;
/// The header of the signature: `KEY-ID:BASE64`, Ed25519 over the body.
const SIGNATURE: &str = "refit-signature";

/// Asks what has to be asked, again and again.
pub(crate) async fn run(shell: Shell, agents: Agents) {
    let mut every = tokio::time::interval(LOOK);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waits: BTreeMap<Asked, (Instant, Duration)> = BTreeMap::new();
    loop {
        every.tick().await;
        let view = shell.view();
        let mut due = questions(&view.state);
        waits.retain(|asked, _| due.contains(asked));
        let now = Instant::now();
        due.retain(|asked| asked.url.is_some() && waits.get(asked).is_none_or(|(again, _)| *again <= now));
        due.truncate(AT_ONCE);
        let answers = join_all(due.into_iter().map(|asked| one(&shell, &agents, asked))).await;
        for (asked, said) in answers {
            if said.is_err() {
                let wait = waits.get(&asked).map_or(AGAIN, |(_, wait)| wait.saturating_mul(2).min(AGAIN_MOST));
                waits.insert(asked.clone(), (Instant::now() + wait, wait));
            }
            tell(&shell, asked, said).await;
        }
    }
}

/// Asks one webhook.
async fn one(shell: &Shell, agents: &Agents, asked: Asked) -> (Asked, Result<(), String>) {
    let Some(url) = asked.url.clone() else { return (asked, Err("it has no address".into())) };
    let view = shell.view();
    let device = asked.holder.device().map(ToString::to_string);
    let question = WebhookQuestion {
        question: asked.question,
        webhook: asked.hook.to_string(),
        client: device.is_none().then(|| asked.holder.as_str().to_owned()),
        device,
        name: view.state.called(&asked.holder).into(),
        groups: asked.groups.iter().map(ToString::to_string).collect(),
        at: shell.now(),
    };
    let body = match serde_json::to_vec(&question) {
        Ok(body) => body,
        Err(error) => return (asked, Err(error.to_string())),
    };
    let key = agents.key();
    let signature = format!("{}:{}", key.public().id(), STANDARD.encode(key.sign(&body)));
    let work = move || webhook::ask(&url, &body, &[(SIGNATURE, &signature)]).map_err(|error| error.to_string());
    let said = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()));
    (asked, said)
}

/// Tells what came of it. Somebody may have answered meanwhile.
async fn tell(shell: &Shell, asked: Asked, said: Result<(), String>) {
    let Asked { holder, question, hook, .. } = asked;
    if let Err(why) = &said {
        tracing::warn!(webhook = %hook, holder = %holder.as_str(), %why, "a webhook does not agree");
    }
    let (agrees, said) = (said.is_ok(), said.err().unwrap_or_default().into());
    let input = Input::Leases(LeaseInput::Answer { holder, question, hook, agrees, said });
    if let Err(error) = shell.tell(&Actor::server(), input, None).await {
        tracing::debug!(%error, "the answer of a webhook came too late");
    }
}
