//! The first token: without it nobody could make others.

use crate::{
    shell::{Shell, TellError},
    tls::write_private,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Actor, Bearer, Input, Scope, State, TokenId, TokenRecord};
use sha2::{Digest as _, Sha256};
use smol_str::SmolStr;
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

/// How long it lasts: as long as a token may.
const LASTS: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How long before its end another one is made.
const RENEW: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Why there is no first token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its file can't be written.
    #[error("the first token can't be written to {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no random numbers.
    #[error("no token could be made: {0}")]
    Random(getrandom::Error),
    /// The log did not take it.
    #[error("the first token could not be logged: {0}")]
    Tell(#[from] TellError),
}

/// A new secret. The beginning makes it easy to find where it does not belong.
pub fn secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes)?;
    Ok(format!("refit_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// SHA-256 of a secret, in hexadecimal: what is kept of it.
pub fn hash(secret: &str) -> SmolStr {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// Makes a token that may do everything, unless there is one that will last; writes it to `path`, for its owner only. Whoever
/// can write to the data folder may do everything anyway.
pub async fn first(shell: &Shell, path: &Path) -> Result<(), TokenError> {
    let now = shell.now();
    // An empty file asks for a new one: a log that was restored elsewhere has tokens that nobody has here.
    let asked = std::fs::metadata(path).is_ok_and(|file| file.len() == 0);
    if !asked && has_admin(&shell.view().state, now) {
        return Ok(());
    }
    let secret = secret().map_err(TokenError::Random)?;
    // First the file: a token that is in the log and that nobody knows would be of no use.
    write_private(path, format!("{secret}\n").as_bytes())
        .map_err(|source| TokenError::File { path: path.to_owned(), source })?;
    let record = TokenRecord {
        hash: hash(&secret),
        name: "first".into(),
        owner: "admin".into(),
        bearer: Bearer::Person,
        scopes: Scope::ALL.into_iter().collect(),
        expires: now.checked_add(LASTS).unwrap_or(Timestamp::MAX),
        roles: BTreeSet::new(),
        requests_per_minute: None,
    };
    let token = TokenId::new(uuid::Uuid::now_v7().to_string());
    shell.tell(&Actor::server(), Input::CreateToken { token, record }, None).await?;
    tracing::info!(file = %path.display(), "a token that may do everything was made");
    Ok(())
}

fn has_admin(state: &State, now: Timestamp) -> bool {
    let lasts = |token: &TokenRecord| token.expires.duration_since(now) > RENEW;
    state.tokens.values().any(|token| token.scopes.contains(&Scope::Admin) && lasts(token))
}
