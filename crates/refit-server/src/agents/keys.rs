//! The key with which the server signs leases and states: `DATA/keys/server.key`, the base64 of 32 random bytes.
//!
//! It is not in the log: whoever has only a backup can't speak to devices. A root of the organisation lists its public half.

use crate::tls::write_private;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use refit_wire::SigningKey;
use std::{io, path::Path};

/// The server's key; a new one where there is none.
pub fn open_key(folder: &Path) -> io::Result<SigningKey> {
    let path = folder.join("server.key");
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, format!("{}: it holds no key", path.display()));
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let bytes = STANDARD.decode(text.trim()).map_err(|_| wrong())?;
            let seed: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
            Ok(SigningKey::from_seed(&seed))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder)?;
            let mut seed = [0_u8; 32];
            getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
            write_private(&path, format!("{}\n", STANDARD.encode(seed)).as_bytes())?;
            let key = SigningKey::from_seed(&seed);
            tracing::info!(file = %path.display(), key = %key.public(), "a key for leases and states was made");
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_and_what_is_none_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let first = open_key(&keys).unwrap().public();
        assert_eq!(open_key(&keys).unwrap().public(), first);
        std::fs::write(keys.join("server.key"), "nothing").unwrap();
        assert!(open_key(&keys).unwrap_err().to_string().contains("it holds no key"));
    }
}
