//! Assertions that a client signs with its own key (RFC 7523), in the form of RFC 7515 and RFC 7519.

use super::{AskError, Secret, Signature};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::{
    rand::{SecureRandom, SystemRandom},
    rsa, signature,
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Value, json};

/// How long an assertion counts, in seconds: it is used at once.
const COUNTS: i64 = 300;

/// What an assertion says.
pub(super) struct Claims<'a> {
    pub issuer: &'a str,
    pub subject: &'a str,
    /// Where tokens are given.
    pub audience: &'a str,
    /// What is asked for, where the assertion itself has to say it.
    pub scope: Option<&'a str>,
}

/// Signs an assertion. The key is PEM (PKCS#8, or PKCS#1 for RSA), a JWK, or the JSON file that Google gives for a service account.
pub(super) fn assertion(
    claims: &Claims<'_>,
    key: &Secret,
    algorithm: Signature,
    now: Timestamp,
) -> Result<String, AskError> {
    let key = Key::read(key.reveal(), algorithm).map_err(|why| AskError::Secret { name: "private key", why })?;
    let random = SystemRandom::new();
    let mut id = [0; 16];
    let no_random = |_| AskError::Secret { name: "private key", why: "the system gives no random numbers".to_owned() };
    random.fill(&mut id).map_err(no_random)?;
    let mut header = json!({ "alg": algorithm.name(), "typ": "JWT" });
    if let (Some(id), Some(header)) = (key.id, header.as_object_mut()) {
        header.insert("kid".to_owned(), Value::from(id));
    }
    let mut body = json!({
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.audience,
        "iat": now.as_second(),
        "exp": now.as_second() + COUNTS,
        "jti": URL_SAFE_NO_PAD.encode(id),
    });
    if let (Some(scope), Some(body)) = (claims.scope, body.as_object_mut()) {
        body.insert("scope".to_owned(), Value::from(scope));
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&body));
    let signature = match key.pair {
        Pair::Rsa(pair) => {
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&signature::RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).map_err(no_random)?;
            signature
        }
        Pair::Ec(pair) => pair.sign(&random, signed.as_bytes()).map_err(no_random)?.as_ref().to_vec(),
    };
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

struct Key {
    pair: Pair,
    /// Its name, by which the other side finds the public one.
    id: Option<String>,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ec(signature::EcdsaKeyPair),
}

const FORMS: &str = "it is none that is known here: give PEM (PKCS#8), a JWK, or the JSON file of a service account";

impl Key {
    fn read(text: &str, algorithm: Signature) -> Result<Key, String> {
        let json: Option<Value> = serde_json::from_str(text).ok();
        let Some(json) = json else { return Ok(Key { pair: pem(text, algorithm)?, id: None }) };
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let id = text("kid").or_else(|| text("private_key_id")).map(str::to_owned);
        let pair = match text("private_key") {
            Some(key) => pem(key, algorithm)?,
            None => jwk(&json, algorithm)?,
        };
        Ok(Key { pair, id })
    }
}

fn pem(text: &str, algorithm: Signature) -> Result<Pair, String> {
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| FORMS.to_owned())?;
    let another = |_| format!("it is no key for {}", algorithm.name());
    match (&key, algorithm) {
        (PrivateKeyDer::Pkcs8(key), Signature::RS256) => {
            rsa::KeyPair::from_pkcs8(key.secret_pkcs8_der()).map(Pair::Rsa).map_err(another)
        }
        (PrivateKeyDer::Pkcs1(key), Signature::RS256) => {
            rsa::KeyPair::from_der(key.secret_pkcs1_der()).map(Pair::Rsa).map_err(another)
        }
        (PrivateKeyDer::Pkcs8(key), Signature::ES256) => {
            let random = SystemRandom::new();
            let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            signature::EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der(), &random)
                .map(Pair::Ec)
                .map_err(another)
        }
        _ => Err(format!(
            "it is no PKCS#8 key for {}: `openssl pkcs8 -topk8 -nocrypt` makes one of it",
            algorithm.name()
        )),
    }
}

fn jwk(json: &Value, algorithm: Signature) -> Result<Pair, String> {
    let number = |name: &str| -> Result<Vec<u8>, String> {
        let text = json.get(name).and_then(Value::as_str).ok_or_else(|| format!("the JWK has no `{name}`"))?;
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| format!("`{name}` of the JWK is no base64url"))
    };
    let another = |_| format!("it is no key for {}", algorithm.name());
    match algorithm {
        Signature::RS256 => {
            let parts = rsa::KeyPairComponents {
                public_key: rsa::PublicKeyComponents { n: number("n")?, e: number("e")? },
                d: number("d")?,
                p: number("p")?,
                q: number("q")?,
                dP: number("dp")?,
                dQ: number("dq")?,
                qInv: number("qi")?,
            };
            rsa::KeyPair::from_components(&parts).map(Pair::Rsa).map_err(another)
        }
        Signature::ES256 => {
            let public = [vec![4], number("x")?, number("y")?].concat();
            let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let random = SystemRandom::new();
            signature::EcdsaKeyPair::from_private_key_and_public_key(algorithm, &number("d")?, &public, &random)
                .map(Pair::Ec)
                .map_err(another)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::KeyPair as _;

    const CLAIMS: Claims<'_> =
        Claims { issuer: "client", subject: "client", audience: "https://a.example/token", scope: Some("read") };

    fn part(text: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_says_who_asks_and_its_signature_holds() {
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let body = base64::engine::general_purpose::STANDARD.encode(pkcs8.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        let service_account = json!({ "private_key_id": "k1", "private_key": pem }).to_string();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let token = assertion(&CLAIMS, &Secret::new(service_account), Signature::ES256, now).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(part(parts[0]), json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" }));
        let body = part(parts[1]);
        assert_eq!(
            (&body["iss"], &body["aud"], &body["scope"]),
            (&json!("client"), &json!("https://a.example/token"), &json!("read"))
        );
        assert_eq!((&body["iat"], &body["exp"]), (&json!(1_800_000_000), &json!(1_800_000_300)));
        let public = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
        let signed = format!("{}.{}", parts[0], parts[1]);
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(parts[2]).unwrap()).unwrap();
    }

    /// OpenSSL makes the key: nothing here does.
    #[test]
    fn rsa_keys_are_read_in_every_form_that_they_come_in() {
        let openssl = |arguments: &[&str], input: &[u8]| -> Option<Vec<u8>> {
            use std::io::Write as _;
            let mut command = std::process::Command::new("openssl");
            command.args(arguments).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
            let mut child = command.stderr(std::process::Stdio::null()).spawn().ok()?;
            child.stdin.take()?.write_all(input).ok()?;
            child.wait_with_output().ok().filter(|output| output.status.success()).map(|output| output.stdout)
        };
        let Some(pkcs8) = openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], &[]) else {
            assert!(std::env::var_os("REFIT_NO_SKIP").is_none(), "openssl is needed");
            return println!("skipped: there is no openssl");
        };
        let pkcs1 = openssl(&["rsa", "-traditional"], &pkcs8).unwrap();
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for pem in [pkcs8, pkcs1] {
            let pem = String::from_utf8(pem).unwrap();
            let token = assertion(&CLAIMS, &Secret::new(pem.clone()), Signature::RS256, now).unwrap();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let Pair::Rsa(pair) = super::pem(&pem, Signature::RS256).unwrap() else { panic!("no RSA") };
            let public = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, pair.public());
            public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
            assert!(assertion(&CLAIMS, &Secret::new(pem), Signature::ES256, now).is_err());
        }
    }

    #[test]
    fn what_is_no_key_is_said_without_showing_it() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for key in [
            "swordfish",
            "{\"kty\":\"RSA\",\"n\":\"swordfish\"}",
            "-----BEGIN PRIVATE KEY-----\nc3dvcmRmaXNo\n-----END PRIVATE KEY-----",
        ] {
            for algorithm in [Signature::RS256, Signature::ES256] {
                let error = assertion(&CLAIMS, &Secret::new(key), algorithm, now).unwrap_err().to_string();
                assert!(error.starts_with("the secret private key: ") && !error.contains("swordfish"), "{error}");
            }
        }
    }
}
