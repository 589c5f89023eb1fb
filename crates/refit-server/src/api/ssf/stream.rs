//! What a receiver wants of a stream, and what it is shown of it.

use super::{signals, supported, wrong};
use crate::{
    api::{Api, extract::Caller, problem::Problem},
    shared_signals::{COMPLIANCE_CHANGE, VERIFY_EVERY},
};
use refit_core::control::{SignalStream, StreamStatus, SubscriptionRecord, SubscriptionTerms};
use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// Events are pushed (RFC 8935).
pub(super) const PUSH: &str = "urn:ietf:rfc:8935";
/// Events are fetched (RFC 8936).
pub(super) const POLL: &str = "urn:ietf:rfc:8936";
/// What a stream is called that nobody describes.
const NAMELESS: &str = "Shared Signals";
/// How many types of events a receiver asks for at most, and how long each is at most, in bytes.
const REQUESTED_MOST: (usize, usize) = (32, 256);

/// What a receiver wants of a stream.
#[derive(Deserialize)]
pub(super) struct Configuration {
    pub stream_id: Option<SmolStr>,
    iss: Option<String>,
    /// The standard has the transmitter say it. Whoever makes a stream for a receiver that can't make one says it here.
    aud: Option<SmolStr>,
    delivery: Option<Delivery>,
    events_requested: Option<BTreeSet<SmolStr>>,
    description: Option<SmolStr>,
}

#[derive(Deserialize)]
struct Delivery {
    method: String,
    endpoint_url: Option<SmolStr>,
    authorization_header: Option<String>,
}

impl Configuration {
    /// With what is so of a stream where nothing is said.
    pub fn or(self, before: &SubscriptionRecord) -> Configuration {
        let polled = before.stream.as_ref().is_none_or(|stream| stream.polled);
        let delivery = Delivery {
            method: if polled { POLL } else { PUSH }.to_owned(),
            endpoint_url: (!polled).then(|| before.url.clone()),
            authorization_header: None,
        };
        let requested = before.stream.as_ref().map(|stream| stream.requested.clone());
        Configuration {
            delivery: self.delivery.or(Some(delivery)),
            events_requested: self.events_requested.or(requested),
            description: self.description.or_else(|| Some(before.name.clone())),
            ..self
        }
    }

    /// What the log is told of it.
    pub fn terms(
        self,
        api: &Api,
        caller: &Caller,
        before: Option<&SubscriptionRecord>,
    ) -> Result<SubscriptionTerms, Problem> {
        if self.iss.as_ref().is_some_and(|issuer| *issuer != api.agents().options().address) {
            return Err(wrong("`iss` is not the issuer of this server's tokens"));
        }
        let (most, longest) = REQUESTED_MOST;
        let is_too_much =
            |wanted: &BTreeSet<SmolStr>| wanted.len() > most || wanted.iter().any(|kind| kind.len() > longest);
        if self.events_requested.as_ref().is_some_and(is_too_much) {
            return Err(wrong(format!("`events_requested` has at most {most} types of at most {longest} bytes each")));
        }
        let (polled, url) = match self.delivery {
            None => (true, SmolStr::default()),
            Some(delivery) if delivery.method == POLL => (true, SmolStr::default()),
            Some(Delivery { method, endpoint_url, authorization_header }) if method == PUSH => {
                if authorization_header.is_some() {
                    return Err(wrong(
                        "`authorization_header` is not kept here, and would be missing: tokens are signed, and need none",
                    ));
                }
                let url = endpoint_url.ok_or_else(|| wrong("`delivery` needs the `endpoint_url` to push to"))?;
                signals(api)?.check(&url).map_err(wrong)?;
                (false, url)
            }
            Some(delivery) => {
                let method: String = delivery.method.chars().take(100).flat_map(char::escape_debug).collect();
                return Err(wrong(format!("there is no delivery method `{method}`: there are {PUSH} and {POLL}")));
            }
        };
        let known = before.and_then(|record| record.stream.as_deref());
        if let (Some(known), Some(audience)) = (known, &self.aud)
            && known.audience != *audience
        {
            return Err(wrong("`aud` stays as it is: delete the stream, and make another"));
        }
        let audience = known.map(|known| known.audience.clone()).or(self.aud).unwrap_or_else(|| match origin(&url) {
            Some(origin) => origin,
            None => {
                let view = api.shell().view();
                view.state.tokens.get(&caller.token).map(|token| token.name.clone()).unwrap_or_default()
            }
        });
        let stream = SignalStream {
            audience,
            polled,
            requested: self.events_requested.unwrap_or_else(supported),
            status: known.map_or(StreamStatus::Enabled, |known| known.status),
            reason: known.and_then(|known| known.reason.clone()),
            without: known.map(|known| known.without.clone()).unwrap_or_default(),
        };
        let name = self.description.filter(|text| !text.trim().is_empty()).unwrap_or(SmolStr::new_static(NAMELESS));
        Ok(SubscriptionTerms { name, url, filter: SmolStr::default(), batch: false, stream: Some(Box::new(stream)) })
    }
}

/// `https://host` of an address.
fn origin(url: &str) -> Option<SmolStr> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    (!host.is_empty()).then(|| smol_str::format_smolstr!("{scheme}://{host}"))
}

/// What a receiver is shown of a stream.
pub(super) fn shown(api: &Api, id: &str, record: &SubscriptionRecord) -> Value {
    let address = &api.agents().options().address;
    let Some(stream) = &record.stream else { return Value::Null };
    let delivery = match stream.polled {
        true => json!({ "method": POLL, "endpoint_url": format!("{address}/ssf/poll/{id}") }),
        false => json!({ "method": PUSH, "endpoint_url": record.url }),
    };
    let delivered: Vec<&SmolStr> = stream.requested.iter().filter(|kind| *kind == COMPLIANCE_CHANGE).collect();
    json!({
        "stream_id": id,
        "iss": address,
        "aud": stream.audience,
        "delivery": delivery,
        "events_supported": supported(),
        "events_requested": stream.requested,
        "events_delivered": delivered,
        "min_verification_interval": VERIFY_EVERY.as_secs(),
        "description": record.name,
    })
}
