//! The server's authority towards devices: it signs their certificates.
//!
//! A signing request only proves that whoever asks has the key. Who the device is, for how long, and what the certificate is
//! for, is the server's word; nothing of it is taken from the request.

use crate::tls::{self, TlsError};
use jiff::Timestamp;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use refit_model::DeviceId;
use refit_wire::Digest;
use rustls::pki_types::CertificateDer;
use smol_str::SmolStr;
use std::{path::Path, time::Duration};

/// How long a device's certificate lasts.
pub const LASTS: Duration = Duration::from_secs(30 * 24 * 3_600);
/// For how long before now it is valid: clocks differ.
const BEFORE: Duration = Duration::from_secs(3_600);
/// The largest signing request, in bytes.
const REQUEST_MOST: usize = 16 << 10;

/// The authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    certificate: CertificateDer<'static>,
}

/// A certificate that was made, and is not in the log yet.
pub struct Made {
    /// The certificate.
    pub pem: String,
    /// Its serial number, in hexadecimal.
    pub serial: SmolStr,
    /// When it ends.
    pub until: Timestamp,
}

/// Why a device gets no certificate.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request is none, or is not signed by the key in it.
    #[error("the signing request is none that counts: {0}")]
    Request(String),
    /// The certificate can't be made.
    #[error("no certificate could be made: {0}")]
    Make(String),
}

impl Authority {
    /// The authority in `DATA/tls`; made where there is none.
    pub fn open(folder: &Path, now: Timestamp) -> Result<Authority, TlsError> {
        let (params, key, pem) = tls::authority(folder, now)?;
        let certificate = tls::first_certificate(&folder.join("ca.pem"))?;
        Ok(Authority { issuer: Issuer::new(params, key), pem, certificate })
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// SHA-256 of its certificate.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.certificate)
    }

    /// A certificate for a device, for the key that signed the request.
    pub fn issue(&self, device: &DeviceId, request: &str, now: Timestamp) -> Result<Made, IssueError> {
        self.issue_until(device, request, now, LASTS)
    }

    /// As [`Authority::issue`], for another time; tests want it short.
    pub fn issue_until(
        &self,
        device: &DeviceId,
        request: &str,
        now: Timestamp,
        lasts: Duration,
    ) -> Result<Made, IssueError> {
        if request.len() > REQUEST_MOST {
            return Err(IssueError::Request(format!("it is larger than {REQUEST_MOST} bytes")));
        }
        let request = CertificateSigningRequestParams::from_pem(request);
        let request = request.map_err(|error| IssueError::Request(error.to_string()))?;
        let failed = |error: &dyn std::fmt::Display| IssueError::Make(error.to_string());
        let mut serial = [0_u8; 16];
        getrandom::fill(&mut serial).map_err(|error| failed(&error))?;
        // Positive, and of its full length: no reader shortens it.
        serial[0] = serial[0] & 0x3f | 0x40;
        let second = now.as_second();
        let (from, to) = (second.saturating_sub(seconds(BEFORE)), second.saturating_add(seconds(lasts)));
        let until = Timestamp::from_second(to).map_err(|error| failed(&error))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, device.as_str());
        let moment =
            |second: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(second).unwrap_or(0));
        params.not_before = moment(from);
        params.not_after = moment(to);
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&request.public_key, &self.issuer).map_err(|error| failed(&error))?;
        Ok(Made { pem: certificate.pem(), serial: hex(&serial), until })
    }
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> SmolStr {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
