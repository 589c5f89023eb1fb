//! What devices fetch: the authority, roots, mandates, and their state.

use super::{
    Agents, organization,
    peer::Asking,
    refused::{Code, Refused},
    seen::{Memory, Stamp, Told},
};
use crate::shell::View;
use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use refit_core::control::{
    DeviceRecord,
    document::{self, Frame},
};
use refit_wire::{Digest, Envelope};
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Contents that many devices fetch, by SHA-256. They never change.
#[derive(Default)]
pub(super) struct Contents(Mutex<BTreeMap<SmolStr, Bytes>>);

/// How many are kept.
const CONTENTS_MOST: usize = 32;

fn json(bytes: impl Into<Bytes>) -> Response {
    let mut response = bytes.into().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Agents {
    /// A content that the log names.
    pub(super) async fn content(&self, sha256: &str) -> Result<Bytes, Refused> {
        let known = || self.inner.contents.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = known().get(sha256) {
            return Ok(bytes.clone());
        }
        let blob = self.shell().store().blob(sha256).await;
        let blob = blob.map_err(|error| Refused::new(Code::Unavailable, error.to_string()))?;
        let blob = blob.ok_or_else(|| Refused::new(Code::Internal, "a content is missing in the data folder"))?;
        let bytes = Bytes::from(blob.into_body());
        let mut known = known();
        if known.len() >= CONTENTS_MOST {
            known.pop_first();
        }
        known.insert(sha256.into(), bytes.clone());
        Ok(bytes)
    }

    /// Makes sure that what is remembered of a device's state is what it is told now.
    pub(super) fn refresh(&self, view: &View, record: &DeviceRecord, memory: &mut Memory) -> Result<Told, Refused> {
        let row = view.board.row(&record.id).map(|row| &**row);
        if !document::ready(&view.state, record, row) {
            return Err(Refused::new(Code::Unavailable, "the server has just started, and is still deciding"));
        }
        let stamp = stamp(view, record);
        if let Some(told) = memory.state.as_mut().filter(|told| told.stamp == stamp) {
            return Ok(told.clone());
        }
        let content = Digest::of(&payload(view, record, 0)?);
        let before = memory.state.take();
        let told = match before {
            Some(told) if told.content == content => Told { stamp, ..told },
            before => {
                // Another content has another number, also where no event says why it differs (time has passed).
                let sequence = document::sequence(view.state.seq, before.map(|before| before.sequence));
                Told { stamp, content, sequence, digest: Digest::of(&payload(view, record, sequence)?) }
            }
        };
        memory.state = Some(told.clone());
        Ok(told)
    }
}

fn payload(view: &View, record: &DeviceRecord, sequence: u64) -> Result<Vec<u8>, Refused> {
    let failed = |error: serde_json::Error| Refused::new(Code::Internal, error.to_string());
    serde_json::to_vec(&made(view, record, sequence)).map_err(failed)
}

fn made(view: &View, record: &DeviceRecord, sequence: u64) -> refit_wire::State {
    let organization = organization(view);
    let row = view.board.row(&record.id).map(|row| &**row);
    document::document(&view.state, record, row, &Frame { organization: &organization, sequence })
}

fn stamp(view: &View, record: &DeviceRecord) -> Stamp {
    let state = &view.state;
    let person = record.person.as_ref().and_then(|id| state.people.get(id));
    Stamp {
        revised: record.revised,
        person: person.map_or(0, |person| person.revised),
        published: (
            record.published.len(),
            record.published.values().fold(0, |sum, published| sum.wrapping_add(published.by_event)),
        ),
        rollouts: newest(view, record),
        policy: state.policy.as_ref().map_or(0, |policy| policy.by_event).max(state.exceptions.revised),
        mandate: state.agents.mandate().map_or(0, |(_, mandate)| mandate.by_event),
        lease: (
            state.leases.of_device(&record.id).map_or(0, |lease| lease.revised),
            document::shared_with(state, record).map_or(0, |(_, devices)| devices),
        ),
        epoch: state.agents.epoch,
        root: state.agents.root().map_or(0, |(version, _)| version),
        expires: document::expires(record.index, state.clock),
        decided: view.board.row(&record.id).map(|row| (row.basis, row.at)),
    }
}

/// The newest event of a rollout of any title of which something is published for a device.
fn newest(view: &View, record: &DeviceRecord) -> u64 {
    let timelines = &view.state.rollouts.timelines;
    let moments = record.published.keys().filter_map(|slot| timelines.get(&slot.title)?.last());
    moments.map(|moment| moment.seq).max().unwrap_or(0)
}

/// The certificate of the authority that signs the server's certificate.
pub(super) async fn authority(State(agents): State<Agents>) -> Result<Response, Refused> {
    if !agents.options().own_certificate {
        return Err(Refused::new(Code::NotFound, "the server's certificate is from another authority"));
    }
    let mut response = agents.inner.authority.pem().to_owned().into_response();
    let pem = HeaderValue::from_static("application/pem-certificate-chain");
    response.headers_mut().insert(header::CONTENT_TYPE, pem);
    Ok(response)
}

/// A root by its number.
pub(super) async fn root(State(agents): State<Agents>, Path(version): Path<String>) -> Result<Response, Refused> {
    let view = agents.shell().view();
    let found = version.parse::<u64>().ok().and_then(|version| view.state.agents.roots.get(&version).cloned());
    let found = found.ok_or_else(|| Refused::new(Code::NotFound, "there is no root of this number"))?;
    agents.content(&found.content).await.map(json)
}

/// A mandate by its digest.
pub(super) async fn mandate(
    State(agents): State<Agents>,
    asking: Asking,
    Path(digest): Path<String>,
) -> Result<Response, Refused> {
    let found = asking.view.state.agents.mandates.values().rev().find(|mandate| mandate.digest == digest).cloned();
    let found = found.ok_or_else(|| Refused::new(Code::NotFound, "there is no mandate of this digest any more"))?;
    agents.content(&found.content).await.map(json)
}

/// What the device that asks is to do.
pub(super) async fn state(State(agents): State<Agents>, asking: Asking) -> Result<Response, Refused> {
    let entry = agents.inner.seen.entry(asking.view.state.identity.agents_id(&asking.record.id));
    let mut memory = entry.lock().await;
    let told = agents.refresh(&asking.view, &asking.record, &mut memory)?;
    let document = made(&asking.view, &asking.record, told.sequence);
    let failed = |error: serde_json::Error| Refused::new(Code::Internal, error.to_string());
    let envelope = Envelope::sign(&document, &[agents.key()]).map_err(failed)?;
    if envelope.digest() != told.digest {
        // It was made from another state of decisions than what is remembered: once more, with a number of its own.
        memory.state = Some(Told { content: Digest::of(b""), ..told });
        return Err(Refused::new(Code::Unavailable, "the state has just changed: check in again"));
    }
    Ok(json(envelope.to_bytes()))
}
