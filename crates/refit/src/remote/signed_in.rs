//! What signing in at servers gave: tokens, in a file of the data folder that is for its owner alone.

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

/// The file, in the data folder.
const FILE: &str = "signed-in.json";

/// Tokens, by the address of the server.
#[derive(Default, Deserialize, Serialize)]
pub struct SignedIn {
    servers: BTreeMap<String, Kept>,
    #[serde(skip)]
    path: PathBuf,
}

#[derive(Deserialize, Serialize)]
struct Kept {
    token: String,
    expires: Timestamp,
}

fn key(server: &str) -> String {
    server.trim_end_matches('/').to_ascii_lowercase()
}

impl SignedIn {
    /// What is in a data folder; nothing where there is no file.
    pub fn read(data: &Path) -> Result<SignedIn> {
        let path = data.join(FILE);
        let read = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} can't be read", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => SignedIn::default(),
            Err(error) => return Err(error).with_context(|| format!("{} can't be read", path.display())),
        };
        Ok(SignedIn { path, ..read })
    }

    /// The token for a server, and until when it counts.
    pub fn token(&self, server: &str) -> Option<(&str, Timestamp)> {
        self.servers.get(&key(server)).map(|kept| (kept.token.as_str(), kept.expires))
    }

    /// Keeps a token, and no longer those that are over.
    pub fn keep(&mut self, server: &str, token: String, expires: Timestamp) -> Result<()> {
        let now = Timestamp::now();
        self.servers.retain(|_, kept| kept.expires > now);
        self.servers.insert(key(server), Kept { token, expires });
        self.write()
    }

    /// Forgets the token for a server.
    pub fn forget(&mut self, server: &str) -> Result<()> {
        self.servers.remove(&key(server));
        self.write()
    }

    fn write(&self) -> Result<()> {
        let failed = || format!("{} can't be written", self.path.display());
        let folder = self.path.parent().with_context(failed)?;
        fs::create_dir_all(folder).with_context(failed)?;
        // A new file is for its owner alone, and takes the place of the old one at once.
        let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
        file.write_all(&serde_json::to_vec_pretty(self)?).with_context(failed)?;
        file.as_file().sync_all().with_context(failed)?;
        file.persist(&self.path).with_context(failed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_for_its_server_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new");
        let later = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(1)).unwrap();
        SignedIn::read(&data).unwrap().keep("https://Refit.example:7443/", "refit_a".to_owned(), later).unwrap();
        let mut signed_in = SignedIn::read(&data).unwrap();
        assert_eq!(signed_in.token("https://refit.example:7443").unwrap(), ("refit_a", later));
        assert!(signed_in.token("https://other.example").is_none());
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(data.join(FILE)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        signed_in.forget("https://refit.example:7443").unwrap();
        assert!(SignedIn::read(&data).unwrap().token("https://refit.example:7443").is_none());
    }
}
