//! Signed documents: DSSE envelopes (<https://github.com/secure-systems-lab/dsse>, protocol 1.0.2) over Ed25519.
//!
//! The signature covers the type and the bytes of the payload, so that nothing is ever put into a canonical form, and a
//! document of one type can't pass for another. A payload is parsed only after its signatures have been checked.

use crate::{
    Digest,
    key::{KeyId, PublicKey, SigningKey},
    limits,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// A kind of document that is signed.
pub trait Document: Serialize + DeserializeOwned {
    /// Its media type, which the signature covers.
    const TYPE: &'static str;
    /// What people call it.
    const NAME: &'static str;
    /// How large it may be in its envelope, in bytes.
    const LIMIT: usize;
}

/// A payload with its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The media type of the payload.
    pub payload_type: SmolStr,
    /// The payload's bytes; base64 in JSON.
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    pub payload: Vec<u8>,
    /// The signatures.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// Whose it is said to be. It only says which key to try.
    pub keyid: KeyId,
    /// The signature's bytes; base64 in JSON.
    #[serde(serialize_with = "write_base64", deserialize_with = "read_base64")]
    pub sig: Vec<u8>,
}

/// Why a document is not believed. Whatever was trusted before stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// It is too large to be looked at.
    #[error("the {name} is larger than {limit} bytes")]
    TooLarge {
        /// What it is said to be.
        name: &'static str,
        /// How large it may be.
        limit: usize,
    },
    /// It is no envelope.
    #[error("the {name} is no signed envelope: {why}")]
    NoEnvelope {
        /// What it is said to be.
        name: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// It is a document of another type.
    #[error("the {name} is of the type `{found}`")]
    OtherType {
        /// What it is said to be.
        name: &'static str,
        /// The type that it has.
        found: SmolStr,
    },
    /// Too few of the keys that count have signed it.
    #[error("the {name} has {valid} of {needed} signatures that count")]
    NotSigned {
        /// What it is.
        name: &'static str,
        /// How many different keys that count have signed.
        valid: usize,
        /// How many are needed.
        needed: usize,
    },
    /// It is signed, and can't be read: it is of a newer form, or was signed by mistake.
    #[error("the {name} is signed and can't be read: {why}")]
    Unreadable {
        /// What it is.
        name: &'static str,
        /// Why not.
        why: String,
    },
}

/// DSSE's pre-authentication encoding: what is signed.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

impl Envelope {
    /// A document signed with `keys`.
    pub fn sign<T: Document>(document: &T, keys: &[&SigningKey]) -> serde_json::Result<Envelope> {
        let payload = serde_json::to_vec(document)?;
        let mut envelope = Envelope { payload_type: T::TYPE.into(), payload, signatures: Vec::new() };
        keys.iter().for_each(|key| envelope.add_signature(key));
        Ok(envelope)
    }

    /// Adds a key's signature; one that is there already is replaced.
    pub fn add_signature(&mut self, key: &SigningKey) {
        let keyid = key.public().id();
        let sig = key.sign(&pae(&self.payload_type, &self.payload)).to_vec();
        self.signatures.retain(|signature| signature.keyid != keyid);
        self.signatures.push(Signature { keyid, sig });
    }

    /// Reads an envelope that is to hold a `T`. Nothing in it is believed yet.
    pub fn parse<T: Document>(bytes: &[u8]) -> Result<Envelope, Rejected> {
        if bytes.len() > T::LIMIT {
            return Err(Rejected::TooLarge { name: T::NAME, limit: T::LIMIT });
        }
        let no_envelope = |why: String| Rejected::NoEnvelope { name: T::NAME, why };
        let envelope: Envelope = serde_json::from_slice(bytes).map_err(|error| no_envelope(error.to_string()))?;
        if envelope.payload_type != T::TYPE {
            return Err(Rejected::OtherType { name: T::NAME, found: shortened(&envelope.payload_type) });
        }
        if envelope.signatures.len() > limits::SIGNATURES {
            return Err(no_envelope(format!("it has more than {} signatures", limits::SIGNATURES)));
        }
        Ok(envelope)
    }

    /// The document, if at least `needed` different keys of `keys` have signed it.
    ///
    /// A key counts once, however often it has signed. No threshold below one is accepted.
    pub fn open<T: Document>(&self, keys: &[&PublicKey], needed: usize) -> Result<T, Rejected> {
        if self.payload_type != T::TYPE {
            return Err(Rejected::OtherType { name: T::NAME, found: shortened(&self.payload_type) });
        }
        let message = pae(&self.payload_type, &self.payload);
        let signed: BTreeSet<KeyId> = self
            .signatures
            .iter()
            .take(limits::SIGNATURES)
            .filter(|signature| {
                let key = keys.iter().find(|key| key.id() == signature.keyid);
                key.is_some_and(|key| key.verifies(&message, &signature.sig))
            })
            .map(|signature| signature.keyid)
            .collect();
        let needed = needed.max(1);
        if signed.len() < needed {
            return Err(Rejected::NotSigned { name: T::NAME, valid: signed.len(), needed });
        }
        serde_json::from_slice(&self.payload)
            .map_err(|error| Rejected::Unreadable { name: T::NAME, why: error.to_string() })
    }

    /// SHA-256 of the payload: what names this content.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.payload)
    }

    /// As it travels and is kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings, bytes and numbers only: it can't fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

fn shortened(text: &str) -> SmolStr {
    text.chars().take(80).collect()
}

fn write_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&base64::display::Base64Display::new(bytes, &STANDARD))
}

/// Both alphabets, as the specification of DSSE asks for.
fn read_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).or_else(|_| URL_SAFE.decode(text.as_bytes())).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        text: String,
    }

    impl Document for Note {
        const TYPE: &'static str = "application/vnd.refit.note+json";
        const NAME: &'static str = "note";
        const LIMIT: usize = 1_000;
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Other {
        text: String,
    }

    impl Document for Other {
        const TYPE: &'static str = "application/vnd.refit.other+json";
        const NAME: &'static str = "other";
        const LIMIT: usize = 1_000;
    }

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    fn note() -> Note {
        Note { text: "hello".into() }
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn what_enough_keys_have_signed_is_believed() {
        let envelope = Envelope::sign(&note(), &[&key(1), &key(2)]).unwrap();
        let read = Envelope::parse::<Note>(&envelope.to_bytes()).unwrap();
        assert_eq!(read.open::<Note>(&[&key(1).public(), &key(2).public(), &key(3).public()], 2), Ok(note()));
        let too_few = read.open::<Note>(&[&key(1).public(), &key(3).public()], 2);
        assert_eq!(too_few, Err(Rejected::NotSigned { name: "note", valid: 1, needed: 2 }));
    }

    /// The `tough` crate once counted a key that had signed twice as two (CVE-2020-15093).
    #[test]
    fn a_key_that_signs_twice_counts_once() {
        let mut envelope = Envelope::sign(&note(), &[&key(1)]).unwrap();
        envelope.signatures.push(envelope.signatures[0].clone());
        let (one, two) = (key(1).public(), key(2).public());
        let rejected = envelope.open::<Note>(&[&one, &one, &two], 2);
        assert_eq!(rejected, Err(Rejected::NotSigned { name: "note", valid: 1, needed: 2 }));
        // Nor does another name help: a name follows from the key.
        envelope.signatures[1].keyid = two.id();
        assert!(envelope.open::<Note>(&[&one, &two], 2).is_err());
    }

    #[test]
    fn a_threshold_of_nothing_is_one() {
        let envelope = Envelope::sign(&note(), &[]).unwrap();
        assert_eq!(envelope.open::<Note>(&[], 0), Err(Rejected::NotSigned { name: "note", valid: 0, needed: 1 }));
    }

    #[test]
    fn a_changed_byte_or_type_is_noticed() {
        let keys = [&key(1).public()];
        let envelope = Envelope::sign(&note(), &[&key(1)]).unwrap();
        for at in 0..envelope.payload.len() {
            let mut changed = envelope.clone();
            changed.payload[at] ^= 1;
            assert!(changed.open::<Note>(&keys, 1).is_err());
        }
        assert!(matches!(envelope.open::<Other>(&keys, 1), Err(Rejected::OtherType { .. })));
        let mut relabelled = envelope.clone();
        relabelled.payload_type = Other::TYPE.into();
        assert!(matches!(relabelled.open::<Other>(&keys, 1), Err(Rejected::NotSigned { .. })));
    }

    #[test]
    fn what_is_too_large_or_no_envelope_is_not_looked_at() {
        assert!(matches!(Envelope::parse::<Note>(&[b' '; 1_001]), Err(Rejected::TooLarge { .. })));
        for text in ["", "[]", "{}", r#"{"payloadType":"x","payload":"!","signatures":[]}"#] {
            assert!(matches!(Envelope::parse::<Note>(text.as_bytes()), Err(Rejected::NoEnvelope { .. })), "{text}");
        }
    }
}
