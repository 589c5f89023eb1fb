//! Just enough of OpenPGP (RFC 9580) to say which keys a keyring has, and which of them a signature names. Nothing is verified
//! here: apt, dnf and rpm do that.

use sha1::{Digest, Sha1};
use sha2::Sha256;

/// A key of a keyring.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The fingerprint of the primary key, in upper case: that is what people publish and compare.
    pub fingerprint: String,
    /// The fingerprints of its subkeys, one of which may have signed.
    pub subkeys: Vec<String>,
}

impl Key {
    /// Whether a fingerprint or a key id (its last 16 digits; of newer keys the first) means this key or one of its subkeys.
    pub fn is_named_by(&self, id: &str) -> bool {
        let id = id.to_ascii_uppercase();
        let named = |known: &str| known == id || (id.len() == 16 && (known.ends_with(&id) || known.starts_with(&id)));
        named(&self.fingerprint) || self.subkeys.iter().any(|subkey| named(subkey))
    }
}

/// The public keys in a keyring, armoured or not.
pub(super) fn keys(data: &[u8]) -> Vec<Key> {
    let mut found: Vec<Key> = Vec::new();
    for (tag, body) in binary(data).iter().flat_map(|data| packets(data)) {
        match (tag, fingerprint(body)) {
            (6, Some(fingerprint)) => found.push(Key { fingerprint, subkeys: Vec::new() }),
            (14, Some(subkey)) => {
                if let Some(key) = found.last_mut() {
                    key.subkeys.push(subkey);
                }
            }
            _ => {}
        }
    }
    found
}

/// The keys that the signatures in a file name as theirs, by fingerprint or key id: of a detached signature, or of a text
/// that is signed in clear.
pub(super) fn issuers(data: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for (tag, body) in binary(data).iter().flat_map(|data| packets(data)) {
        if tag == 2 {
            found.extend(issuer(body));
        }
    }
    found
}

/// The packets as bytes: of each armoured block, or the whole where nothing is armoured.
fn binary(data: &[u8]) -> Vec<Vec<u8>> {
    const KINDS: [&str; 2] = ["PUBLIC KEY BLOCK", "SIGNATURE"];
    if data.first().is_some_and(|byte| byte & 0x80 != 0) {
        return vec![data.to_vec()];
    }
    let text = String::from_utf8_lossy(data);
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    let mut in_head = false;
    for line in text.lines().map(str::trim) {
        let is = |what: &str| KINDS.iter().any(|kind| line == format!("-----{what} PGP {kind}-----"));
        if is("BEGIN") {
            (block, in_head) = (Some(String::new()), true);
        } else if is("END") {
            blocks.extend(block.take().map(|text| base64(&text)));
        } else if in_head && line.is_empty() {
            in_head = false;
        } else if in_head && line.contains(": ") {
        } else if let Some(block) = block.as_mut().filter(|_| !line.starts_with('=')) {
            in_head = false;
            block.push_str(line);
        }
    }
    blocks
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len() * 3 / 4), 0_u32, 0);
    for value in text.bytes().filter_map(digit) {
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

/// Tag and body of each packet; it ends at the first that is damaged.
fn packets(data: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    let mut rest = data;
    while let Some((tag, body, after)) = packet(rest) {
        found.push((tag, body));
        rest = after;
    }
    found
}

fn packet(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&head, rest) = data.split_first()?;
    let (tag, length, rest) = match head {
        0xc0.. => {
            let (length, rest) = length(rest)?;
            (head & 0x3f, length, rest)
        }
        0x80..0xc0 => {
            let width = match head & 3 {
                0 => 1,
                1 => 2,
                2 => 4,
                _ => return None,
            };
            let (number, rest) = rest.split_at_checked(width)?;
            ((head >> 2) & 0xf, big_endian(number), rest)
        }
        _ => return None,
    };
    let (body, after) = rest.split_at_checked(length)?;
    Some((tag, body, after))
}

/// A length of one, two or five bytes, as packets and signature subpackets have it.
fn length(data: &[u8]) -> Option<(usize, &[u8])> {
    let (&first, rest) = data.split_first()?;
    match first {
        0..192 => Some((first.into(), rest)),
        192..224 => {
            let (&second, rest) = rest.split_first()?;
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        255 => {
            let (number, rest) = rest.split_at_checked(4)?;
            Some((big_endian(number), rest))
        }
        // Of partial lengths no key and no signature consists.
        _ => None,
    }
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

fn fingerprint(body: &[u8]) -> Option<String> {
    match body.first()? {
        4 => {
            let length = u16::try_from(body.len()).ok()?.to_be_bytes();
            Some(hex(Sha1::new().chain_update([0x99]).chain_update(length).chain_update(body).finalize()))
        }
        6 => {
            let length = u32::try_from(body.len()).ok()?.to_be_bytes();
            Some(hex(Sha256::new().chain_update([0x9b]).chain_update(length).chain_update(body).finalize()))
        }
        _ => None,
    }
}

/// The fingerprint that a signature names; of older ones the key id.
fn issuer(body: &[u8]) -> Option<String> {
    let version = *body.first()?;
    if version == 3 {
        return body.get(7..15).map(hex);
    }
    let width = if version == 6 { 4 } else { 2 };
    let mut rest = body.get(4..)?;
    let mut key_id = None;
    for _ in 0..2 {
        let (number, after) = rest.split_at_checked(width)?;
        let (mut area, after) = after.split_at_checked(big_endian(number))?;
        while let Some((size, inner)) = length(area) {
            let (subpacket, next) = inner.split_at_checked(size)?;
            match subpacket.split_first() {
                Some((kind, data)) if kind & 0x7f == 33 => return data.get(1..).map(hex),
                Some((kind, data)) if kind & 0x7f == 16 => key_id = Some(hex(data)),
                _ => {}
            }
            area = next;
        }
        rest = after;
    }
    key_id
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As gpg lists them.
    const PRIMARY: &str = "23656B62FB161A1A5366DE5E0185BDC5E20AE8CE";
    const SUBKEY: &str = "7BD02F2B147A54933AF8C91A2C43C5682F9BEA4F";

    #[test]
    fn a_keyring_says_the_same_armoured_and_not() {
        let key = Key { fingerprint: PRIMARY.into(), subkeys: vec![SUBKEY.into()] };
        let expected = vec![key];
        assert_eq!(keys(include_bytes!("testdata/key.gpg")), expected);
        assert_eq!(keys(include_bytes!("testdata/key.asc")), expected);
    }

    #[test]
    fn a_signature_by_a_subkey_names_its_primary_key() {
        let signers = issuers(include_bytes!("testdata/signed.txt"));
        assert_eq!(signers, [SUBKEY]);
        let keys = keys(include_bytes!("testdata/key.asc"));
        assert!(keys[0].is_named_by(&signers[0]) && keys[0].is_named_by(&SUBKEY[24..]));
        assert!(!keys[0].is_named_by("0000000000000000"));
    }

    #[test]
    fn what_is_damaged_has_no_keys() {
        let whole = include_bytes!("testdata/key.gpg");
        for end in 0..whole.len() {
            assert!(keys(&whole[..end]).len() <= 1);
            issuers(&whole[..end]);
        }
        assert_eq!(keys(b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"), []);
    }
}
