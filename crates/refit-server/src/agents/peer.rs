//! Who asks: the device of a client certificate, which has to be one that counts by the log.
//!
//! TLS has checked the chain and the time when the connection, or the session that it resumes, began. What has happened
//! since (revoked, replaced, retired) is in the log, so that is asked each time.

use super::{
    Agents,
    authority::hex,
    refused::{Code, Refused},
};
use crate::{api::auth::origin, shell::View, tls::is_clients};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use axum_server::tls::TlsInfo;
use jiff::Timestamp;
use refit_core::control::{Actor, Bearer, DeviceRecord, Scope};
use refit_model::DeviceId;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde::de::DeserializeOwned;
use smol_str::{SmolStr, format_smolstr};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What a client certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The device.
    pub device: DeviceId,
    /// The certificate's serial number, in hexadecimal.
    pub serial: SmolStr,
}

/// A device that may ask.
pub(super) struct Asking {
    /// What readers see.
    pub view: Arc<View>,
    /// The device.
    pub record: Arc<DeviceRecord>,
    /// The certificate's serial number.
    pub serial: SmolStr,
    /// Whether the certificate should be replaced by now.
    pub renew: bool,
    /// Now.
    pub now: Timestamp,
    /// From where it asks.
    pub origin: SmolStr,
}

/// A device that asks from `origin`, as the log names it.
pub(super) fn actor(device: &DeviceId, origin: SmolStr) -> Actor {
    let name = format_smolstr!("device:{device}");
    Actor { owner: name.clone(), name, bearer: Bearer::Program, scopes: [Scope::Facts].into(), origin }
}

impl Peer {
    fn read(certificate: &[u8]) -> Option<Peer> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
        Some(Peer { device: DeviceId::new(name), serial: hex(certificate.raw_serial()) })
    }
}

impl Agents {
    /// The device of a certificate (PEM) that somebody was shown and hands on. The error says why it is none that counts.
    ///
    /// Who hands it on has to have seen that the other end has the key: nothing here can.
    pub(crate) fn device_of(&self, view: &View, pem: &str, now: Timestamp) -> Result<Arc<DeviceRecord>, &'static str> {
        let given = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| "this is no certificate (PEM)")?;
        if !is_clients(self.inner.authority.certificate(), &given, now) {
            return Err("this certificate is none of this server's for devices, or its time is over");
        }
        let peer = Peer::read(&given).ok_or("the certificate names no device")?;
        let device = view.state.identity.device(&peer.device);
        let record = view.state.device(device).ok_or("the device of this certificate is not managed")?;
        match view.state.agents.certificate(device, &peer.serial, now) {
            Some(_) => Ok(record.clone()),
            None => Err("this certificate was revoked or replaced"),
        }
    }
}

impl FromRequestParts<Agents> for Asking {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, agents: &Agents) -> Result<Asking, Refused> {
        let tls = parts.extensions.get::<Arc<TlsInfo>>();
        let Some(given) = tls.and_then(|tls| tls.peer_certificates.first()) else {
            return Err(Refused::new(Code::NoCertificate, "this call needs the device's certificate"));
        };
        let peer = Peer::read(given);
        let peer = peer.ok_or_else(|| Refused::new(Code::Certificate, "the certificate names no device"))?;
        asking(agents, &peer, origin(&parts.extensions))
    }
}

fn asking(agents: &Agents, peer: &Peer, origin: SmolStr) -> Result<Asking, Refused> {
    let (view, now) = (agents.shell().view(), agents.shell().now());
    // Its certificate names the device that it enrolled as, which may have been merged into another since.
    let device = view.state.identity.device(&peer.device);
    let Some(record) = view.state.device(device).cloned() else {
        let retired = view.state.devices.contains_key(&peer.device);
        let code = if retired { Code::Retired } else { Code::Certificate };
        return Err(Refused::new(code, "this device is not managed"));
    };
    let Some(certificate) = view.state.agents.certificate(device, &peer.serial, now) else {
        let what = "this certificate does not count: it was revoked or replaced, or its time is over; enrol again";
        return Err(Refused::new(Code::Certificate, what));
    };
    let third = certificate.until.duration_since(certificate.issued) / 3;
    let renew = certificate.until.duration_since(now) < third;
    Ok(Asking { record, serial: peer.serial.clone(), renew, now, origin, view })
}

/// A body of limited size, as JSON.
pub(super) async fn body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: axum::body::Body,
    most: usize,
) -> Result<T, Refused> {
    let too_large = || Refused::new(Code::TooLarge, format!("the body is larger than {most} bytes"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let bytes = axum::body::to_bytes(body, most).await.map_err(|error| {
        let mut source: Option<&dyn std::error::Error> = Some(&error);
        while let Some(inner) = source {
            if inner.to_string().contains("length limit exceeded") {
                return too_large();
            }
            source = inner.source();
        }
        Refused::new(Code::Malformed, "the body could not be read to its end")
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Refused::new(Code::Malformed, format!("the body is not as it has to be: {error}")))
}
