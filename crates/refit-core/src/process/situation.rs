//! One thing that an object of another system is about, as it is now.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use smol_str::SmolStr;

/// One thing, as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Situation {
    /// What it is: `firefox@128.0/standard/macos`. There is one object for it.
    pub key: SmolStr,
    /// Whether it is over, so that its object is closed.
    pub over: bool,
    /// What there is to say of it; `subject` in expressions, with `key`, `mark` and `over`.
    pub facts: Value,
}

impl Situation {
    /// What expressions read of it. `mark` is by what its object is found again in the other system: the same for the same organisation,
    /// process and thing, and short enough for a label.
    pub(super) fn subject(&self, organization: &str, process: &str) -> Value {
        let mut subject = self.facts.clone();
        if let Some(fields) = subject.as_object_mut() {
            fields.insert("key".to_owned(), self.key.as_str().into());
            fields.insert("mark".to_owned(), mark(organization, process, &self.key).into());
            fields.insert("over".to_owned(), self.over.into());
            fields.insert("organization".to_owned(), organization.into());
        }
        subject
    }
}

fn mark(organization: &str, process: &str, key: &str) -> String {
    let mut hasher = Sha256::new();
    for part in [organization, process, key] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    let hex: String = digest.iter().take(10).map(|byte| format!("{byte:02x}")).collect();
    format!("refit-{hex}")
}
