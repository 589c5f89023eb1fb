//! What is signed for programs that are not Refit's: JSON Web Signatures (RFC 7515) in their compact form with Ed25519 (`EdDSA`, RFC 8037), or with
//! whatever another key of the server signs, and the keys that check them (RFC 7517). Libraries for both exist in every language.
//!
//! Documents between agents and servers are [`crate::Envelope`]s. The same key signs both: what is signed here begins with the base64 of a JSON
//! object, and what is signed there with `DSSEv1`, so that neither can pass for the other.

use crate::key::{PublicKey, SigningKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The largest token that is looked at, in bytes.
const LIMIT: usize = 1 << 20;

/// The header.
#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

const ALGORITHM: &str = "EdDSA";

/// A public key, as a JSON Web Key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Jwk {
    /// The type of key: `OKP`, `RSA`.
    pub kty: String,
    /// The curve of an `OKP`: `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The bytes of an `OKP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The modulus of an `RSA` key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The exponent of an `RSA` key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// What signatures call it.
    pub kid: String,
    /// What it is used with: `EdDSA`, `RS256`.
    pub alg: String,
    /// What it is for: `sig`.
    pub r#use: String,
}

impl Jwk {
    /// A key.
    pub fn of(key: &PublicKey) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: Some("Ed25519".to_owned()),
            x: Some(URL_SAFE_NO_PAD.encode(key.to_bytes())),
            n: None,
            e: None,
            kid: key.id().to_string(),
            alg: ALGORITHM.to_owned(),
            r#use: "sig".to_owned(),
        }
    }

    /// An RSA key that signs as `RS256`, by its modulus and exponent. It is called by its thumbprint (RFC 7638): `name` makes it of the text that says
    /// what the key is.
    pub fn rsa(modulus: &[u8], exponent: &[u8], name: impl FnOnce(&str) -> String) -> Jwk {
        let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
        let kid = name(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        Jwk {
            kty: "RSA".to_owned(),
            crv: None,
            x: None,
            n: Some(n),
            e: Some(e),
            kid,
            alg: "RS256".to_owned(),
            r#use: "sig".to_owned(),
        }
    }
}

/// Signs claims. `typ` says what they are, so that a token for one purpose does not serve another (RFC 8725, 3.11).
pub fn sign<T: Serialize>(claims: &T, typ: &str, key: &SigningKey) -> serde_json::Result<String> {
    let header = Header { alg: ALGORITHM.to_owned(), typ: typ.to_owned(), kid: key.public().id().to_string() };
    Ok(compact(&serde_json::to_vec(&header)?, &serde_json::to_vec(claims)?, |signed| key.sign(signed)))
}

/// As [`sign`], with another key of which this is what checks it. `None` where it signs nothing.
pub fn sign_by<T: Serialize>(
    claims: &T,
    typ: &str,
    public: &Jwk,
    sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> serde_json::Result<Option<String>> {
    let header = Header { alg: public.alg.clone(), typ: typ.to_owned(), kid: public.kid.clone() };
    let mut is_signed = true;
    let token = compact(&serde_json::to_vec(&header)?, &serde_json::to_vec(claims)?, |signed| {
        sign(signed).unwrap_or_else(|| {
            is_signed = false;
            Vec::new()
        })
    });
    Ok(is_signed.then_some(token))
}

fn compact<S: AsRef<[u8]>>(header: &[u8], payload: &[u8], sign: impl FnOnce(&[u8]) -> S) -> String {
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

/// The claims of a token of this type that the key has signed; `None` where it is none. Whether its time is over is for the caller to say.
pub fn open<T: DeserializeOwned>(token: &str, typ: &str, key: &PublicKey) -> Option<T> {
    if token.len() > LIMIT {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    let names_it = header.alg == ALGORITHM && header.typ == typ && header.kid == key.id().to_string();
    let is_signed = names_it && key.verifies(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?);
    is_signed.then(|| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    /// RFC 8037, appendix A.4.
    #[test]
    fn signatures_and_keys_are_those_of_the_standard() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_seed(&seed.try_into().unwrap());
        assert_eq!(Jwk::of(&key.public()).x.unwrap(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let token = compact(br#"{"alg":"EdDSA"}"#, b"Example of Ed25519 signing", |signed| key.sign(signed));
        let wanted = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
            hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(token, wanted);
    }

    #[test]
    fn what_was_signed_is_read_again_and_nothing_else_is() {
        let claims = json!({ "sub": "d1", "access": "allow" });
        let token = sign(&claims, "refit-posture+jwt", &key(1)).unwrap();
        let open = |token: &str, typ: &str, seed: u8| open::<Value>(token, typ, &key(seed).public());
        assert_eq!(open(&token, "refit-posture+jwt", 1), Some(claims));
        assert_eq!(open(&token, "jwt", 1), None, "another purpose");
        assert_eq!(open(&token, "refit-posture+jwt", 2), None, "another key");
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            // The last character of a part has bits that say nothing; a reader that is strict refuses them.
            assert_eq!(open(&String::from_utf8(changed).unwrap(), "refit-posture+jwt", 1), None, "{at}");
        }
        for text in ["", ".", "..", "a.b.c", "e30.e30."] {
            assert_eq!(open(text, "refit-posture+jwt", 1), None, "{text}");
        }
    }

    #[test]
    fn no_algorithm_but_ours_counts() {
        let body = URL_SAFE_NO_PAD.encode("{}");
        for alg in ["none", "HS256", "eddsa"] {
            let header = json!({ "alg": alg, "typ": "t", "kid": key(1).public().id().to_string() }).to_string();
            let token = compact(header.as_bytes(), b"{}", |signed| key(1).sign(signed));
            assert_eq!(open::<Value>(&token, "t", &key(1).public()), None);
            let unsigned = format!("{}.{body}.", URL_SAFE_NO_PAD.encode(header));
            assert_eq!(open::<Value>(&unsigned, "t", &key(1).public()), None);
        }
    }
}
