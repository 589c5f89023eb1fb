//! The key with which security event tokens are signed: an RSA key where whoever runs the server gave one, else the server's own (Ed25519).
//!
//! The interoperability profile of CAEP asks for RS256, and receivers such as Okta's document it. The server makes no such key: `openssl genrsa` does.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use refit_wire::{
    SigningKey,
    jws::{self, Jwk},
};
use ring::{rand::SystemRandom, rsa, signature};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::{io, path::Path};

/// The name of the file, in the folder of the server's keys.
const FILE: &str = "shared-signals.pem";
/// The type of the tokens (RFC 8417).
const TYPE: &str = "secevent+jwt";

/// A key for RS256.
pub struct RsaKey {
    pair: rsa::KeyPair,
    public: Jwk,
}

impl std::fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RsaKey").field("kid", &self.public.kid).finish_non_exhaustive()
    }
}

impl RsaKey {
    /// The key in a folder of keys; `None` where nobody gave one.
    pub fn open(folder: &Path) -> io::Result<Option<RsaKey>> {
        let path = folder.join(FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {why}", path.display()));
        let key = PrivateKeyDer::from_pem_slice(&bytes);
        let key =
            key.map_err(|_| wrong("it holds no key as PEM; `openssl genrsa -out FILE 2048` makes one".to_owned()))?;
        let pair = match &key {
            PrivateKeyDer::Pkcs8(key) => rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => rsa::KeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(wrong("it is no RSA key".to_owned())),
        };
        let pair = pair.map_err(|error| wrong(format!("it is no RSA key of 2,048 bits or more: {error}")))?;
        let public = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
        let public = Jwk::rsa(&public.n, &public.e, |text| URL_SAFE_NO_PAD.encode(Sha256::digest(text)));
        Ok(Some(RsaKey { pair, public }))
    }

    /// What checks its signatures.
    pub fn public(&self) -> &Jwk {
        &self.public
    }

    fn sign(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let signed = self.pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature);
        signed.ok().map(|()| signature)
    }
}

/// A security event token with these claims.
pub(super) fn token<T: Serialize>(claims: &T, rsa: Option<&RsaKey>, key: &SigningKey) -> Result<String, String> {
    let Some(rsa) = rsa else { return jws::sign(claims, TYPE, key).map_err(|error| error.to_string()) };
    let signed = jws::sign_by(claims, TYPE, &rsa.public, |bytes| rsa.sign(bytes));
    signed.map_err(|error| error.to_string())?.ok_or_else(|| "the RSA key signs nothing".to_owned())
}
