//! The server's certificates: its own certificate authority, made at the first start, or certificates that were given.
//!
//! In `DATA/tls`, readable for the owner only: `ca.key` and `ca.pem` (ten years), `server.key` and `server.pem` (90 days, made
//! anew 30 days before they end or when the machine has another name), `server.json` (what is in `server.pem`). The authority
//! signs the certificates of devices too, also where the server's own was given.

use jiff::{Timestamp, ToSpan as _, Zoned, civil::Date, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    server::{ProducesTickets, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// How long the authority lasts.
const AUTHORITY_YEARS: i64 = 10;
/// How long the server's certificate lasts.
const CERTIFICATE_DAYS: i64 = 90;
/// How long before its end it is made anew.
const RENEW_DAYS: i64 = 30;

/// Where the certificates come from.
#[derive(Clone, Debug)]
pub enum Certificates {
    /// From the server's own authority, in this folder.
    Own {
        /// `DATA/tls`.
        folder: PathBuf,
        /// The names that the certificate is for, besides `localhost` and the addresses of this machine to itself.
        names: Vec<String>,
    },
    /// From these files.
    Given {
        /// The certificate and those between it and its authority, as PEM.
        cert: PathBuf,
        /// Its key, as PEM.
        key: PathBuf,
    },
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A certificate can't be made.
    #[error("no certificate could be made: {0}")]
    Make(#[from] rcgen::Error),
    /// A certificate can't be used.
    #[error("the certificate can't be used: {0}")]
    Use(#[from] rustls::Error),
}

/// What is in `server.pem`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    names: Vec<String>,
    until: Date,
    /// SHA-256 of the authority's key.
    authority: String,
}

impl Certificates {
    /// The file of the authority that clients have to trust; `None` where certificates were given.
    pub fn authority(&self) -> Option<PathBuf> {
        match self {
            Certificates::Own { folder, .. } => Some(folder.join("ca.pem")),
            Certificates::Given { .. } => None,
        }
    }

    /// What the server needs to listen. Makes and renews what is its own.
    pub fn config(&self, clients: &Clients, now: &Zoned) -> Result<Arc<ServerConfig>, TlsError> {
        let (cert, key) = match self {
            Certificates::Own { folder, names } => {
                make(folder, names, now.with_time_zone(TimeZone::UTC).date())?;
                (folder.join("server.pem"), folder.join("server.key"))
            }
            Certificates::Given { cert, key } => (cert.clone(), key.clone()),
        };
        let chain = CertificateDer::pem_slice_iter(&read(&cert)?).collect::<Result<Vec<_>, _>>();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| content(&cert, "there is no certificate in it (PEM)"))?;
        let private = PrivateKeyDer::from_pem_slice(&read(&key)?)
            .map_err(|_| content(&key, "there is no private key in it (PEM, not encrypted)"))?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients.verifier.clone())
            .with_single_cert(chain, private)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = clients.tickets.clone();
        // A client of ours uses one at a time, and each carries the client's certificate.
        config.send_tls13_tickets = 1;
        Ok(Arc::new(config))
    }
}

/// What the server asks of clients' certificates: none is needed, and one that is given has to be the authority's. It outlives
/// renewals of the server's own certificate, so that sessions go on being resumed.
#[derive(Clone)]
pub struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    tickets: Arc<dyn ProducesTickets>,
}

impl Clients {
    /// Certificates of this authority count.
    pub fn of(authority: &CertificateDer<'static>) -> Result<Clients, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .allow_unauthenticated()
            .build()
            .map_err(|error| TlsError::Use(rustls::Error::General(error.to_string())))?;
        Ok(Clients { verifier, tickets: rustls::crypto::ring::Ticketer::new()? })
    }
}

/// Whether a certificate is one for clients that this authority has signed, and its time has come and is not over. TLS asks the same of who
/// connects; this is for one that somebody else was shown and hands on.
pub fn is_clients(authority: &CertificateDer<'static>, certificate: &CertificateDer<'_>, now: Timestamp) -> bool {
    let mut roots = RootCertStore::empty();
    let verifier = match roots.add(authority.clone()) {
        Ok(()) => WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build(),
        Err(_) => return false,
    };
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    verifier.is_ok_and(|verifier| verifier.verify_client_cert(certificate, &[], now).is_ok())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The authority in a folder, made where there is none: what is in its certificate, its key, and its certificate as PEM.
pub(crate) fn authority(folder: &Path, now: Timestamp) -> Result<(CertificateParams, KeyPair, String), TlsError> {
    private_folder(folder)?;
    let key = key(&folder.join("ca.key"))?;
    let hash: String = Sha256::digest(key.subject_public_key_info()).iter().map(|b| format!("{b:02x}")).collect();
    let params = authority_params(&hash, now.to_zoned(TimeZone::UTC).date());
    let path = folder.join("ca.pem");
    if !path.exists() {
        write(&path, params.self_signed(&key)?.pem().as_bytes())?;
    }
    let pem = String::from_utf8(read(&path)?).map_err(|_| content(&path, "it is no PEM"))?;
    Ok((params, key, pem))
}

/// The first certificate of a PEM file.
pub(crate) fn first_certificate(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(&read(path)?).map_err(|_| content(path, "there is no certificate in it (PEM)"))
}

/// Makes what is missing or near its end.
fn make(folder: &Path, names: &[String], today: Date) -> Result<(), TlsError> {
    let midnight = today.to_zoned(TimeZone::UTC).map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
    let (params, key, _) = authority(folder, midnight)?;
    let authority: String = Sha256::digest(key.subject_public_key_info()).iter().map(|b| format!("{b:02x}")).collect();
    let mut wanted: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    wanted.extend(names.iter().filter(|name| !name.is_empty()).cloned());
    wanted.sort();
    wanted.dedup();
    let note = folder.join("server.json");
    let made: Option<Made> = std::fs::read(&note).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let lasts = made.is_some_and(|made| {
        made.names == wanted
            && made.authority == authority
            && made.until > later(today, RENEW_DAYS)
            && made.until <= later(today, CERTIFICATE_DAYS)
    });
    if lasts && folder.join("server.pem").exists() && folder.join("server.key").exists() {
        return Ok(());
    }
    let until = later(today, CERTIFICATE_DAYS);
    let mut server = CertificateParams::new(wanted.clone())?;
    server.distinguished_name = DistinguishedName::new();
    server.distinguished_name.push(DnType::CommonName, "Refit server");
    valid(&mut server, later(today, -1), until);
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    server.use_authority_key_identifier_extension = true;
    let server_key = KeyPair::generate()?;
    let cert = server.signed_by(&server_key, &Issuer::from_params(&params, &key))?;
    // The note comes last: without it everything is made again.
    let _ = std::fs::remove_file(&note);
    write(&folder.join("server.key"), server_key.serialize_pem().as_bytes())?;
    write(&folder.join("server.pem"), cert.pem().as_bytes())?;
    let made = serde_json::to_vec_pretty(&Made { names: wanted, until, authority });
    write(&note, &made.map_err(|error| content(&note, &error.to_string()))?)?;
    tracing::info!(%until, "a certificate for the server was made");
    Ok(())
}

/// The authority, which its key alone decides.
fn authority_params(key_hash: &str, today: Date) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let short = key_hash.get(..12).unwrap_or(key_hash);
    params.distinguished_name.push(DnType::CommonName, format!("Refit authority {short}"));
    valid(&mut params, later(today, -1), later(today, AUTHORITY_YEARS * 365));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A key from its file; a new one where there is none.
fn key(path: &Path) -> Result<KeyPair, TlsError> {
    match std::fs::read_to_string(path) {
        Ok(pem) => KeyPair::from_pem(&pem).map_err(|error| content(path, &format!("it holds no key ({error})"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            write(path, key.serialize_pem().as_bytes())?;
            // A certificate of an earlier key would be of no use.
            let _ = std::fs::remove_file(path.with_extension("pem"));
            Ok(key)
        }
        Err(source) => Err(TlsError::File { path: path.to_owned(), source }),
    }
}

fn later(day: Date, days: i64) -> Date {
    day.saturating_add(days.days())
}

/// From the beginning of one day to that of another.
fn valid(params: &mut CertificateParams, from: Date, until: Date) {
    let number = |part: i8| part.unsigned_abs();
    params.not_before = rcgen::date_time_ymd(from.year().into(), number(from.month()), number(from.day()));
    params.not_after = rcgen::date_time_ymd(until.year().into(), number(until.month()), number(until.day()));
}

fn private_folder(folder: &Path) -> Result<(), TlsError> {
    let failed = |source| TlsError::File { path: folder.to_owned(), source };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(failed)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), TlsError> {
    write_private(path, bytes).map_err(|source| TlsError::File { path: path.to_owned(), source })
}

fn content(path: &Path, what: &str) -> TlsError {
    TlsError::Content { path: path.to_owned(), what: what.to_owned() }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension(format!("partial.{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let _ = std::fs::remove_file(&unfinished);
        let mut file = options.open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&unfinished, path)
    };
    write().inspect_err(|_| {
        let _ = std::fs::remove_file(&unfinished);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Zoned {
        text.parse().unwrap()
    }

    fn clients(folder: &Path) -> Clients {
        authority(folder, "2026-11-25T08:00:00Z".parse().unwrap()).unwrap();
        Clients::of(&first_certificate(&folder.join("ca.pem")).unwrap()).unwrap()
    }

    #[test]
    fn the_authority_stays_and_the_certificate_is_renewed_before_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let own = Certificates::Own { folder: folder.path().join("tls"), names: vec!["host.example".into()] };
        let pem = |name: &str| std::fs::read_to_string(folder.path().join("tls").join(name)).unwrap();
        let tls = folder.path().join("tls");
        let clients = clients(&tls);
        own.config(&clients, &at("2026-11-25T08:00[UTC]")).unwrap();
        let (ca, first) = (pem("ca.pem"), pem("server.pem"));
        own.config(&clients, &at("2027-01-20T08:00[UTC]")).unwrap();
        assert_eq!(pem("server.pem"), first);
        own.config(&clients, &at("2027-02-01T08:00[UTC]")).unwrap();
        assert_ne!(pem("server.pem"), first);
        assert_eq!(pem("ca.pem"), ca);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_keys() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let tls = folder.path().join("tls");
        let own = Certificates::Own { folder: tls.clone(), names: Vec::new() };
        own.config(&clients(&tls), &at("2026-11-25T08:00[UTC]")).unwrap();
        assert_eq!(std::fs::metadata(&tls).unwrap().permissions().mode() & 0o777, 0o700);
        for entry in std::fs::read_dir(&tls).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
        }
    }

    #[test]
    fn what_is_no_certificate_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("a.pem"), folder.path().join("a.key"));
        std::fs::write(&cert, "nothing").unwrap();
        let given = Certificates::Given { cert: cert.clone(), key };
        let error =
            given.config(&clients(&folder.path().join("tls")), &at("2026-11-25T08:00[UTC]")).unwrap_err().to_string();
        assert_eq!(error, format!("{}: there is no certificate in it (PEM)", cert.display()));
    }
}
