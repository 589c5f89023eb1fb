//! Secret keys in files: mode 0600, encrypted with a passphrase unless somebody wants it otherwise.
//!
//! The passphrase becomes a key by Argon2id (RFC 9106, its second recommended option: 64 MiB, three passes), and that encrypts the seed
//! with ChaCha20-Poly1305 (RFC 8439), to which the public key is bound.

use super::passphrase::{Passphrase, passphrase};
use crate::Refused;
use anyhow::{Context, Result, anyhow};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use refit_wire::{PublicKey, SigningKey};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};
use zeroize::{Zeroize as _, Zeroizing};

/// The largest file of a key, in bytes.
const LARGEST: u64 = 4_096;
/// Argon2id's memory in KiB, passes and lanes.
const COST: (u32, u32, u32) = (65_536, 3, 4);
/// The most memory and passes that a file may ask for: it could be somebody else's.
const COST_MOST: (u32, u32, u32) = (1 << 20, 64, 16);

/// A secret key as it stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    /// What this file is, for whoever finds it.
    refit: Kind,
    /// The public half.
    public: PublicKey,
    /// The secret half in the clear: base64 of 32 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// The secret half under a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encrypted: Option<Encrypted>,
}

#[derive(Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "secret key")]
    SecretKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encrypted {
    argon2id: Argon2id,
    /// ChaCha20-Poly1305 under the key that Argon2id gives, with a nonce of zeros: each salt is used once.
    chacha20poly1305: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Argon2id {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

/// Makes a key and writes it into a new file that only its owner reads.
pub fn create(path: &Path, passphrase: Option<&Passphrase>) -> Result<SigningKey> {
    let mut seed = Zeroizing::new([0_u8; 32]);
    getrandom::fill(seed.as_mut()).map_err(|error| anyhow!("this machine gives no random numbers: {error}"))?;
    let key = SigningKey::from_seed(&seed);
    let mut file = SecretFile { refit: Kind::SecretKey, public: key.public(), secret: None, encrypted: None };
    match passphrase {
        Some(passphrase) => file.encrypted = Some(encrypt(&seed, passphrase, &file.public)?),
        None => file.secret = Some(STANDARD.encode(seed.as_ref())),
    }
    let mut text = Zeroizing::new(serde_json::to_vec_pretty(&file)?);
    text.push(b'\n');
    file.secret.zeroize();
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).mode(0o600).open(path).and_then(|mut made| {
        made.write_all(&text)?;
        made.sync_all()
    });
    match made {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Refused::no(format!("{} is there already, and a key is never overwritten", path.display())))
        }
        made => {
            made.with_context(|| format!("the key can't be written to {}", path.display()))?;
            Ok(key)
        }
    }
}

/// Reads a secret key; asks for its passphrase if it has one.
pub fn open(path: &Path, passphrase_file: Option<&Path>) -> Result<SigningKey> {
    let file = parse(path)?;
    let wrong = |why: &str| Refused::no(format!("{} {why}", path.display()));
    let seed = match (&file.secret, &file.encrypted) {
        (Some(secret), None) => Zeroizing::new(STANDARD.decode(secret).map_err(|_| wrong("holds no key in base64"))?),
        (None, Some(encrypted)) => {
            let passphrase = passphrase(passphrase_file, path)?;
            decrypt(encrypted, &passphrase, &file.public)
                .ok_or_else(|| wrong("does not open with this passphrase, or was damaged"))?
        }
        _ => return Err(wrong("holds no secret key")),
    };
    let seed: &[u8; 32] = seed.as_slice().try_into().map_err(|_| wrong("holds no key of 32 bytes"))?;
    let key = SigningKey::from_seed(seed);
    if key.public() != file.public {
        return Err(wrong("names another public key than its secret has: it was damaged"));
    }
    Ok(key)
}

/// The public half of the key in a file; `None` where it is no file of a key.
pub fn public(path: &Path) -> Option<(PublicKey, bool)> {
    let file = parse(path).ok()?;
    Some((file.public.clone(), file.encrypted.is_some()))
}

fn parse(path: &Path) -> Result<SecretFile> {
    let file = File::open(path).with_context(|| format!("the key {} can't be read", path.display()))?;
    let mode = file.metadata()?.mode() & 0o7777;
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(LARGEST)?));
    file.take(LARGEST).read_to_end(&mut text)?;
    let read: SecretFile = serde_json::from_slice(&text)
        .map_err(|error| Refused::usage(format!("{} is no file of a secret key: {error}", path.display())))?;
    if mode & 0o077 != 0 {
        return Err(Refused::no(format!(
            "{} can be read by others (mode {mode:04o}): `chmod 600 {}`, and ask yourself who has read it",
            path.display(),
            path.display()
        )));
    }
    Ok(read)
}

impl Drop for SecretFile {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

fn encrypt(seed: &[u8; 32], passphrase: &Passphrase, public: &PublicKey) -> Result<Encrypted> {
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|error| anyhow!("this machine gives no random numbers: {error}"))?;
    let (memory_kib, passes, lanes) = COST;
    let argon2id = Argon2id { memory_kib, passes, lanes, salt: STANDARD.encode(salt) };
    let key = derived(&argon2id, passphrase).context("the passphrase can't be turned into a key")?;
    let mut sealed = Zeroizing::new(seed.to_vec());
    sealed.reserve_exact(CHACHA20_POLY1305.tag_len());
    let aad = Aad::from(public.to_string());
    key.seal_in_place_append_tag(nonce(), aad, &mut *sealed).map_err(|_| anyhow!("the key can't be encrypted"))?;
    Ok(Encrypted { argon2id, chacha20poly1305: STANDARD.encode(sealed.as_slice()) })
}

fn decrypt(encrypted: &Encrypted, passphrase: &Passphrase, public: &PublicKey) -> Option<Zeroizing<Vec<u8>>> {
    let key = derived(&encrypted.argon2id, passphrase)?;
    let mut sealed = Zeroizing::new(STANDARD.decode(&encrypted.chacha20poly1305).ok()?);
    let length = key.open_in_place(nonce(), Aad::from(public.to_string()), &mut sealed).ok()?.len();
    sealed.truncate(length);
    Some(sealed)
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// The key that a passphrase becomes; `None` where a file asks for something absurd.
fn derived(with: &Argon2id, passphrase: &Passphrase) -> Option<LessSafeKey> {
    let (memory, passes, lanes) = COST_MOST;
    if with.memory_kib > memory || with.passes > passes || with.lanes > lanes {
        return None;
    }
    let params = Params::new(with.memory_kib, with.passes, with.lanes, Some(32)).ok()?;
    let salt = STANDARD.decode(&with.salt).ok()?;
    let mut key = Zeroizing::new([0_u8; 32]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(passphrase, &salt, key.as_mut()).ok()?;
    Some(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key.as_ref()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};

    fn phrase(text: &str) -> Passphrase {
        Zeroizing::new(text.as_bytes().to_vec())
    }

    fn file(folder: &Path, text: &str) -> std::path::PathBuf {
        let path = folder.join("phrase");
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_key_opens_as_it_was_made_and_only_with_its_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let (open_file, shut) = (folder.path().join("open"), folder.path().join("shut"));
        let key = create(&open_file, None).unwrap();
        assert_eq!(open(&open_file, None).unwrap().public(), key.public());
        let key = create(&shut, Some(&phrase("correct horse"))).unwrap();
        assert!(!fs::read_to_string(&shut).unwrap().contains(&STANDARD.encode(key.seed())));
        assert_eq!(open(&shut, Some(&file(folder.path(), "correct horse\n"))).unwrap().public(), key.public());
        let refused = open(&shut, Some(&file(folder.path(), "battery staple"))).unwrap_err();
        assert!(refused.to_string().ends_with("does not open with this passphrase, or was damaged"), "{refused}");
    }

    #[test]
    fn a_key_is_its_owners_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let before = fs::read(&path).unwrap();
        assert!(create(&path, None).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = open(&path, None).unwrap_err().to_string();
        assert!(refused.contains("can be read by others (mode 0640)"), "{refused}");
    }

    #[test]
    fn a_file_that_was_changed_does_not_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, Some(&phrase("x"))).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let other = SigningKey::from_seed(&[7; 32]).public().to_string();
        let own = public(&path).unwrap().0.to_string();
        let pass = file(folder.path(), "x");
        for changed in [
            text.replace(&own, &other),
            text.replace("65536", "4294967295"),
            text.replace("\"passes\": 3", "\"passes\": 2"),
            text.replace("\"encrypted\"", "\"extra\""),
        ] {
            assert_ne!(changed, text);
            fs::write(&path, changed).unwrap();
            assert!(open(&path, Some(&pass)).is_err());
        }
    }
}
