//! Verifying ID tokens: OpenID Connect Core 1.0, 3.1.3.7, with what RFC 8725 adds for JSON Web Tokens. Nothing here asks anybody.
//!
//! What signs is RSA, ECDSA or Ed25519 with a public key of the issuer. A secret that both sides know (`HS256`) and no signature at all (`none`) are no
//! algorithms here, whatever a token's header says.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

/// By how much clocks may differ, in seconds.
pub const LEEWAY: i64 = 60;
/// The largest token that is looked at, in bytes. Groups of thousands fit.
pub const LARGEST: usize = 64 << 10;
/// How many keys of an issuer are kept.
const KEYS_MOST: usize = 64;

/// What an ID token has to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'e> {
    /// Who gave it.
    pub issuer: &'e str,
    /// For which client.
    pub client: &'e str,
    /// For whom it is: the client, where nothing else was agreed.
    pub audience: &'e str,
    /// The nonce of the sign-in.
    pub nonce: &'e str,
    /// When the sign-in began.
    pub began: Timestamp,
}

/// An ID token that was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct IdToken {
    /// Who it is about: never another person's at this issuer.
    pub subject: String,
    /// Until when it counts.
    pub expires: Timestamp,
    /// What else it says.
    pub claims: Map<String, Value>,
}

/// Why an ID token does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is none.
    #[error("it is no signed JSON Web Token: {0}")]
    Form(String),
    /// An algorithm that is not allowed, `none` among them.
    #[error("it is signed by `{0}`, which is not among {ALGORITHMS}")]
    Algorithm(String),
    /// Its key is not among the issuer's.
    #[error("the issuer has no key {0} for it by now")]
    Key(String),
    /// The signature is not the key's.
    #[error("its signature is not the issuer's")]
    Signature,
    /// Another issuer's.
    #[error("it was given by `{given}`, and not by `{wanted}`")]
    Issuer {
        /// The token's.
        given: String,
        /// The server's.
        wanted: String,
    },
    /// For somebody else.
    #[error("it is for {given}, and not for `{wanted}` alone")]
    Audience {
        /// The token's.
        given: String,
        /// The server's.
        wanted: String,
    },
    /// It was given to another client.
    #[error("it was given to the client `{0}`")]
    Party(String),
    /// Its time is over.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// Its time has not come.
    #[error("it counts from {0} on")]
    NotYet(Timestamp),
    /// It was given before the sign-in began.
    #[error("it was given at {0}, before this sign-in began")]
    Before(Timestamp),
    /// Another sign-in's.
    #[error("its nonce is not the one of this sign-in")]
    Nonce,
}

/// The algorithms that count, for people.
const ALGORITHMS: &str = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA";

/// How a signature is checked.
#[derive(Clone, Copy)]
enum Check {
    Rsa(&'static RsaParameters),
    Ec(Curve, &'static dyn VerificationAlgorithm),
    Ed25519,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

fn check(algorithm: &str) -> Option<Check> {
    Some(match algorithm {
        "RS256" => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Check::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        "PS384" => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        "PS512" => Check::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        "ES256" => Check::Ec(Curve::P256, &signature::ECDSA_P256_SHA256_FIXED),
        "ES384" => Check::Ec(Curve::P384, &signature::ECDSA_P384_SHA384_FIXED),
        "EdDSA" => Check::Ed25519,
        _ => return None,
    })
}

/// The public keys of an issuer (RFC 7517).
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    bytes: Bytes,
}

#[derive(Clone, Debug)]
enum Bytes {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: Curve, point: Vec<u8> },
    Ed25519(Vec<u8>),
}

impl Keys {
    /// Reads a key set. Keys of other kinds, and those that sign nothing, are passed over.
    pub fn read(document: &[u8]) -> Result<Keys, String> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(document).map_err(|error| format!("it is no set of keys: {error}"))?;
        Ok(Keys(set.keys.iter().filter_map(Key::read).take(KEYS_MOST).collect()))
    }

    /// Whether one of them may have signed a token with such a header.
    pub fn know(&self, token: &str) -> bool {
        let Ok((header, check)) = header(token) else { return true };
        self.fitting(&header, check).next().is_some()
    }

    fn fitting<'k>(&'k self, header: &'k Header, check: Check) -> impl Iterator<Item = &'k Key> {
        self.0.iter().filter(move |key| {
            let fits = match (&key.bytes, check) {
                (Bytes::Rsa { .. }, Check::Rsa(_)) | (Bytes::Ed25519(_), Check::Ed25519) => true,
                (Bytes::Ec { curve, .. }, Check::Ec(wanted, _)) => *curve == wanted,
                _ => false,
            };
            fits && header.kid.as_ref().is_none_or(|kid| key.id.as_ref() == Some(kid))
                && key.algorithm.as_ref().is_none_or(|algorithm| *algorithm == header.alg)
        })
    }
}

impl Key {
    fn read(jwk: &Value) -> Option<Key> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|is_for| is_for != "sig") {
            return None;
        }
        let number = |name: &str| bytes(name).map(|bytes| bytes.into_iter().skip_while(|byte| *byte == 0).collect());
        let bytes = match (text("kty")?, text("crv")) {
            ("RSA", _) => Bytes::Rsa { n: number("n")?, e: number("e")? },
            ("EC", Some("P-256")) => {
                Bytes::Ec { curve: Curve::P256, point: [vec![4], bytes("x")?, bytes("y")?].concat() }
            }
            ("EC", Some("P-384")) => {
                Bytes::Ec { curve: Curve::P384, point: [vec![4], bytes("x")?, bytes("y")?].concat() }
            }
            ("OKP", Some("Ed25519")) => Bytes::Ed25519(bytes("x")?),
            _ => return None,
        };
        Some(Key { id: text("kid").map(str::to_owned), algorithm: text("alg").map(str::to_owned), bytes })
    }

    fn verifies(&self, check: Check, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.bytes, check) {
            (Bytes::Rsa { n, e }, Check::Rsa(parameters)) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }
            (Bytes::Ec { point, .. }, Check::Ec(_, algorithm)) => {
                UnparsedPublicKey::new(algorithm, point).verify(signed, signature).is_ok()
            }
            (Bytes::Ed25519(key), Check::Ed25519) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    #[serde(default)]
    azp: Option<String>,
    exp: serde_json::Number,
    iat: serde_json::Number,
    #[serde(default)]
    nbf: Option<serde_json::Number>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

fn form(why: impl ToString) -> Refused {
    Refused::Form(why.to_string())
}

/// The header, and how it says that the signature is checked.
fn header(token: &str) -> Result<(Header, Check), Refused> {
    if token.len() > LARGEST {
        return Err(form(format!("it is larger than {} KiB", LARGEST >> 10)));
    }
    let header = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| form("its header is no base64url"))?;
    let header: Header = serde_json::from_slice(&header).map_err(|error| form(format!("its header: {error}")))?;
    let check = check(&header.alg).ok_or_else(|| Refused::Algorithm(shown(&header.alg)))?;
    if header.crit.is_some() {
        return Err(form("its header has `crit`, of which nothing is understood"));
    }
    // A token for another purpose (`at+jwt`, `logout+jwt`) is signed by the same keys.
    if header.typ.as_ref().is_some_and(|typ| !typ.eq_ignore_ascii_case("jwt")) {
        return Err(form("its type is that of another kind of token"));
    }
    Ok((header, check))
}

/// Verifies an ID token.
pub fn verify(token: &str, keys: &Keys, expected: &Expected<'_>, now: Timestamp) -> Result<IdToken, Refused> {
    let (header, check) = header(token)?;
    let (signed, signature) = token.rsplit_once('.').ok_or_else(|| form("it has no parts"))?;
    let (_, payload) = signed.split_once('.').ok_or_else(|| form("it has two parts"))?;
    if payload.contains('.') {
        return Err(form("it has more than three parts"));
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| form("its signature is no base64url"))?;
    let mut fitting = keys.fitting(&header, check);
    let named = header.kid.as_ref().map_or_else(String::new, |kid| format!("`{}`", shown(kid)));
    let key = fitting.next().ok_or_else(|| Refused::Key(named.clone()))?;
    // Which of several it is has to be said (OpenID Connect Core, 10.1).
    if header.kid.is_none() && fitting.next().is_some() {
        return Err(form("it does not say which of the issuer's keys has signed it"));
    }
    if !key.verifies(check, signed.as_bytes(), &signature) {
        return Err(Refused::Signature);
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| form("its claims are no base64url"))?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|error| form(format!("its claims: {error}")))?;
    hold(claims, expected, now)
}

/// Holds claims against what they have to be.
fn hold(claims: Claims, expected: &Expected<'_>, now: Timestamp) -> Result<IdToken, Refused> {
    let Expected { issuer, client, audience, nonce, began } = *expected;
    if claims.iss != issuer {
        return Err(Refused::Issuer { given: shown(&claims.iss), wanted: issuer.to_owned() });
    }
    let audiences = match claims.aud {
        Audience::One(one) => vec![one],
        Audience::Several(several) => several,
    };
    // Nobody else is trusted to have it.
    if !audiences.iter().any(|one| one == audience) || audiences.iter().any(|one| one != audience && one != client) {
        let given: Vec<String> = audiences.iter().take(8).map(|one| format!("`{}`", shown(one))).collect();
        let given = if given.is_empty() { "nobody".to_owned() } else { given.join(", ") };
        return Err(Refused::Audience { given, wanted: audience.to_owned() });
    }
    match &claims.azp {
        Some(party) if party != client => return Err(Refused::Party(shown(party))),
        None if audiences.len() > 1 => return Err(Refused::Party("nobody says which".to_owned())),
        _ => {}
    }
    let expires = instant(&claims.exp, "exp")?;
    if now.as_second() - LEEWAY >= expires.as_second() {
        return Err(Refused::Expired(expires));
    }
    let issued = instant(&claims.iat, "iat")?;
    let not_before = claims.nbf.as_ref().map_or(Ok(issued), |nbf| instant(nbf, "nbf"))?.max(issued);
    if not_before.as_second() > now.as_second() + LEEWAY {
        return Err(Refused::NotYet(not_before));
    }
    if issued.as_second() + LEEWAY < began.as_second() {
        return Err(Refused::Before(issued));
    }
    let given = claims.nonce.unwrap_or_default();
    if !bool::from(given.as_bytes().ct_eq(nonce.as_bytes())) {
        return Err(Refused::Nonce);
    }
    if claims.sub.trim().is_empty() || claims.sub.len() > 255 {
        return Err(form("its subject has 1 to 255 bytes"));
    }
    let mut rest = claims.rest;
    rest.insert("sub".to_owned(), Value::String(claims.sub.clone()));
    Ok(IdToken { subject: claims.sub, expires, claims: rest })
}

/// A time, in seconds since 1970, perhaps with a part of one.
fn instant(number: &serde_json::Number, name: &str) -> Result<Timestamp, Refused> {
    let seconds = number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds.floor() as i64));
    let instant = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    instant.ok_or_else(|| form(format!("`{name}` is no time")))
}

fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::{
        rand::SystemRandom,
        signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
    };
    use serde_json::json;

    const NOW: i64 = 1_800_000_000;

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Signer {
            let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
            Signer(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &SystemRandom::new()).unwrap())
        }

        fn jwk(&self, kid: &str) -> Value {
            let point = self.0.public_key().as_ref();
            let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
            json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": part(1), "y": part(33) })
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            let signed = format!("{}.{}", part(header), part(claims));
            let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
        }
    }

    fn keys(jwks: &[Value]) -> Keys {
        Keys::read(json!({ "keys": jwks }).to_string().as_bytes()).unwrap()
    }

    fn claims() -> Value {
        json!({
            "iss": "https://id.example", "sub": "00u1", "aud": "refit", "exp": NOW + 3_600, "iat": NOW - 5, "nonce": "n1",
            "email": "a@acme.example",
        })
    }

    fn with(changes: &Value) -> Value {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value.clone(),
            }
        }
        claims
    }

    fn verified(token: &str, keys: &Keys) -> Result<IdToken, Refused> {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let expected = Expected {
            issuer: "https://id.example",
            client: "refit",
            audience: "refit",
            nonce: "n1",
            began: at(NOW - 30),
        };
        verify(token, keys, &expected, at(NOW))
    }

    const HEADER: &str = r#"{"alg":"ES256","kid":"k1"}"#;

    #[test]
    fn claims_are_held_against_what_they_have_to_be() {
        let signer = Signer::new();
        let keys = keys(&[signer.jwk("k1")]);
        let header: Value = serde_json::from_str(HEADER).unwrap();
        let token = verified(&signer.sign(&header, &claims()), &keys).unwrap();
        assert_eq!((token.subject.as_str(), token.claims["email"].as_str()), ("00u1", Some("a@acme.example")));
        assert_eq!(token.expires.as_second(), NOW + 3_600);
        for fine in [
            json!({ "aud": ["refit"] }),
            json!({ "azp": "refit" }),
            json!({ "exp": NOW - 59 }),
            json!({ "iat": NOW + 60 }),
            json!({ "nbf": NOW + 60 }),
            json!({ "exp": NOW as f64 + 0.5 }),
            json!({ "iat": NOW - 89 }),
        ] {
            assert!(verified(&signer.sign(&header, &with(&fine)), &keys).is_ok(), "{fine}");
        }
        for (wrong, why) in [
            (json!({ "iss": "https://id.example/" }), "given by"),
            (json!({ "iss": null }), "missing field `iss`"),
            (json!({ "aud": "other" }), "for `other`"),
            (json!({ "aud": [] }), "for nobody"),
            (json!({ "aud": ["refit", "other"], "azp": "refit" }), "for `refit`, `other`"),
            (json!({ "aud": ["refit", "refit"] }), "nobody says which"),
            (json!({ "azp": "other" }), "client `other`"),
            (json!({ "exp": NOW - 60 }), "expired"),
            (json!({ "exp": null }), "missing field `exp`"),
            (json!({ "exp": "later" }), "its claims"),
            (json!({ "exp": 1e300 }), "`exp` is no time"),
            (json!({ "iat": NOW + 61 }), "counts from"),
            (json!({ "iat": null }), "missing field `iat`"),
            (json!({ "nbf": NOW + 61 }), "counts from"),
            (json!({ "iat": NOW - 91 }), "before this sign-in"),
            (json!({ "nonce": "n2" }), "nonce"),
            (json!({ "nonce": null }), "nonce"),
            (json!({ "sub": " " }), "subject"),
        ] {
            let refused = verified(&signer.sign(&header, &with(&wrong)), &keys).unwrap_err().to_string();
            assert!(refused.contains(why), "{wrong}: {refused}");
        }
    }

    #[test]
    fn only_a_key_of_the_issuer_signs_and_only_by_its_own_algorithm() {
        let (signer, other) = (Signer::new(), Signer::new());
        let set = keys(&[signer.jwk("k1")]);
        let sign = |by: &Signer, header: Value| verified(&by.sign(&header, &claims()), &set).map(drop);
        assert_eq!(sign(&signer, json!({ "alg": "ES256", "kid": "k1" })), Ok(()));
        // Without a name there is only one that it can be.
        assert_eq!(sign(&signer, json!({ "alg": "ES256", "typ": "jwt" })), Ok(()));
        assert_eq!(sign(&other, json!({ "alg": "ES256", "kid": "k1" })), Err(Refused::Signature));
        assert_eq!(sign(&other, json!({ "alg": "ES256", "kid": "k2" })), Err(Refused::Key("`k2`".to_owned())));
        for alg in ["none", "HS256", "None", "RS1", "", "ES256K"] {
            assert_eq!(sign(&signer, json!({ "alg": alg, "kid": "k1" })), Err(Refused::Algorithm(alg.to_owned())));
        }
        // The algorithm of another kind of key.
        assert_eq!(sign(&signer, json!({ "alg": "RS256", "kid": "k1" })), Err(Refused::Key("`k1`".to_owned())));
        assert_eq!(sign(&signer, json!({ "alg": "ES384", "kid": "k1" })), Err(Refused::Key("`k1`".to_owned())));
        for header in
            [json!({ "alg": "ES256", "kid": "k1", "crit": ["b64"] }), json!({ "alg": "ES256", "typ": "at+jwt" })]
        {
            assert!(matches!(sign(&signer, header), Err(Refused::Form(_))));
        }
        let two = keys(&[signer.jwk("k1"), other.jwk("k2")]);
        let unnamed = signer.sign(&json!({ "alg": "ES256" }), &claims());
        assert!(verified(&unnamed, &two).unwrap_err().to_string().contains("which of the issuer's keys"));
        let mut encrypts = signer.jwk("k1");
        encrypts["use"] = json!("enc");
        let mut narrower = signer.jwk("k1");
        narrower["alg"] = json!("ES512");
        for jwk in [encrypts, narrower, json!({ "kty": "oct", "k": "AAAA", "kid": "k1" })] {
            let token = signer.sign(&json!({ "alg": "ES256", "kid": "k1" }), &claims());
            assert!(matches!(verified(&token, &keys(&[jwk])), Err(Refused::Key(_))));
        }
    }

    #[test]
    fn ed25519_signs_too() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()) });
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", part(r#"{"alg":"EdDSA"}"#), part(&claims().to_string()));
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes())));
        assert!(verified(&token, &keys(&[jwk])).is_ok());
    }

    #[test]
    fn what_was_changed_or_is_no_token_is_refused() {
        let signer = Signer::new();
        let keys = keys(&[signer.jwk("k1")]);
        let header: Value = serde_json::from_str(HEADER).unwrap();
        let token = signer.sign(&header, &claims());
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(verified(&String::from_utf8(changed).unwrap(), &keys).is_err(), "{at}");
        }
        let unsigned = token.rsplit_once('.').unwrap().0;
        for text in [
            "",
            ".",
            "..",
            "a.b.c",
            "e30.e30.",
            unsigned,
            &format!("{unsigned}."),
            &format!("{token}.x"),
            &format!("{token}\n"),
        ] {
            assert!(verified(text, &keys).is_err(), "{text}");
        }
        assert!(verified(&"a".repeat(LARGEST + 1), &keys).is_err());
        // Who says something twice says nothing.
        let twice = claims().to_string().replacen('{', r#"{"nonce":"n1","#, 1);
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(twice));
        let signature = signer.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
        assert!(verified(&token, &keys).unwrap_err().to_string().contains("duplicate field `nonce`"));
    }

    #[test]
    fn a_set_of_keys_is_read_as_far_as_it_is_understood() {
        assert!(Keys::read(b"[]").is_err());
        let strange =
            json!({ "keys": [{ "kty": "RSA" }, 5, { "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }] });
        assert_eq!(Keys::read(strange.to_string().as_bytes()).unwrap().0.len(), 0);
    }
}
