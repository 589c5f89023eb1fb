//! Secrets that objects carry to a system, such as the token with which it calls Refit.
//!
//! The policy repository names them, whoever runs Refit says in which file each is. They are read here, sent in the place of their names, and
//! written down nowhere: what is remembered is a fingerprint, since no system shows them again, and a number, which is what people are shown.

use crate::Refused;
use anyhow::{Result, anyhow};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use refit_targets::api::Memory;
use ring::pbkdf2;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

/// How often the function of a fingerprint is run. Nobody guesses a token of Refit's; a word that somebody thought of could be guessed from a record
/// that somebody else reads, and this is what each guess costs them. It is a tenth of a second at most for whoever runs Refit.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(100_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};

/// How many random bytes a salt has.
const SALT_BYTES: usize = 16;

/// What stands in the place of a secret in what a system says of it.
const HIDDEN: &str = "…";

/// So many letters of the beginning of a secret are one as well: what a system says is cut off somewhere.
const BEGINNING: usize = 8;

/// The secrets that objects of a target carry, by their names.
#[derive(Default)]
pub struct Carried(BTreeMap<String, String>);

impl Carried {
    /// Reads those that are named; they are taken out of `files`, which leaves those of the connector. `called` is what people call the target.
    pub fn read(
        called: &str,
        target: &str,
        names: &BTreeSet<String>,
        files: &mut BTreeMap<String, PathBuf>,
    ) -> Result<Carried> {
        let mut texts = BTreeMap::new();
        for name in names {
            let Some(path) = files.remove(name) else {
                let what = "it is named in its `settings`, and written into the system";
                return Err(Refused::usage(format!(
                    "{called} needs a secret: `--secret {target}.{name}=FILE` ({what})"
                )));
            };
            texts.insert(name.clone(), text(&path)?);
        }
        Ok(Carried(texts))
    }

    /// The texts.
    pub fn texts(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The number of each, and the names of those that are others than were known.
    pub fn numbered(&self, memory: &mut Memory) -> Result<(BTreeMap<String, u64>, Vec<String>)> {
        let (mut numbers, mut others) = (BTreeMap::new(), Vec::new());
        for (name, secret) in &self.0 {
            let mut salt = [0; SALT_BYTES];
            getrandom::fill(&mut salt).map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
            let (number, is_other) = memory.secret(name, STANDARD.encode(salt), &|salt| print(salt, secret));
            numbers.insert(name.clone(), number);
            others.extend(is_other.then(|| name.clone()));
        }
        Ok((numbers, others))
    }

    /// An error, without secrets that a system has repeated in it.
    pub fn without_secrets(&self, error: anyhow::Error) -> anyhow::Error {
        let text = format!("{error:#}");
        let clean = self.0.values().fold(text.clone(), |text, secret| hidden(&text, secret));
        if clean == text { error } else { anyhow!(clean) }
    }
}

/// A text without a secret, and without its beginning.
fn hidden(text: &str, secret: &str) -> String {
    let lengths = (BEGINNING.min(secret.len())..=secret.len()).rev();
    let shown = lengths.filter_map(|length| secret.get(..length)).find(|beginning| text.contains(beginning));
    shown.map_or_else(|| text.to_owned(), |beginning| text.replace(beginning, HIDDEN))
}

fn text(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).map_err(|error| Refused::usage(format!("{}: {error}", path.display())))?;
    let text = text.trim();
    // It goes into a header.
    let why = match text {
        "" => "the file is empty",
        text if text.chars().any(|c| c.is_control() || !c.is_ascii()) => "a secret is one line of ASCII",
        text => return Ok(text.to_owned()),
    };
    Err(Refused::usage(format!("{}: {why}", path.display())))
}

/// The fingerprint of a secret.
fn print(salt: &str, secret: &str) -> String {
    let mut print = [0; 32];
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, salt.as_bytes(), secret.as_bytes(), &mut print);
    STANDARD.encode(print)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_does_not_repeat_a_secret() {
        let carried = Carried([("token".to_owned(), "refit_hush".to_owned())].into());
        let error = anyhow!("the value `Bearer refit_hush` is too long").context("event hook refit-okta-events");
        assert_eq!(
            carried.without_secrets(error).to_string(),
            "event hook refit-okta-events: the value `Bearer …` is too long"
        );
        assert_eq!(carried.without_secrets(anyhow!("it is full")).to_string(), "it is full");
        assert_eq!(carried.without_secrets(anyhow!("the value `Bearer refit_hus")).to_string(), "the value `Bearer …");
    }

    #[test]
    fn a_secret_is_known_again_by_its_fingerprint_and_by_nothing_else() {
        let (mut memory, name) = (Memory::default(), "token".to_owned());
        let note = |memory: &mut Memory, text: &str| {
            Carried([(name.clone(), text.to_owned())].into()).numbered(memory).unwrap()
        };
        assert_eq!(note(&mut memory, "one"), ([(name.clone(), 1)].into(), Vec::new()));
        assert_eq!(note(&mut memory, "one"), ([(name.clone(), 1)].into(), Vec::new()));
        assert_eq!(note(&mut memory, "two"), ([(name.clone(), 2)].into(), vec![name.clone()]));
        assert!(!serde_json::to_string(&memory).unwrap().contains("two"));
    }
}
