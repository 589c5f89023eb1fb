//! What the document of a target says of hooks: where Refit is, which hooks there are to be, and which secret each carries.

use crate::object::{fingerprint, word};
use refit_core::policy::repository::TargetSystem;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The settings that are this target's own.
pub(in crate::targets) const SERVER: &str = "server";
const SOURCE: &str = "source";
const EVENTS: &str = "events";
const INLINE: &str = "inline";

/// All of them.
pub(super) const OWN: [&str; 4] = [SERVER, SOURCE, EVENTS, INLINE];

/// The source in whose name Okta speaks, where nothing else is written.
const SOURCE_DEFAULT: &str = "okta";

/// The events that are subscribed to where nothing else is written: all that Refit makes something of.
pub(super) const EVENT_TYPES: [&str; 8] = [
    "user.account.update_profile",
    "user.lifecycle.activate",
    "user.lifecycle.create",
    "user.lifecycle.deactivate",
    "user.lifecycle.delete.initiated",
    "user.lifecycle.reactivate",
    "user.lifecycle.suspend",
    "user.lifecycle.unsuspend",
];

/// The longest name of a target that stands in names as it is.
const NAME_MOST: usize = 40;

/// How many digits tell names apart that are alike once they are shortened.
const DIGITS: usize = 6;

/// The longest name of a secret.
const SECRET_MOST: usize = 64;

/// What Okta asks before it goes on, and by which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Inline {
    /// How the devices of whoever signs in stand, for an OAuth token.
    Token,
    /// The same for a SAML assertion.
    Saml,
    /// Whether somebody may register.
    Registration,
    /// Whose an imported account is.
    Import,
}

impl Inline {
    pub(super) const ALL: [Inline; 4] = [Inline::Token, Inline::Saml, Inline::Registration, Inline::Import];

    /// Its name, in settings, in the name of the object, and in the path at Refit's server.
    pub(super) fn key(self) -> &'static str {
        match self {
            Inline::Token => "token",
            Inline::Saml => "saml",
            Inline::Registration => "registration",
            Inline::Import => "import",
        }
    }

    /// Okta's name for it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Inline::Token => "com.okta.oauth2.tokens.transform",
            Inline::Saml => "com.okta.saml.tokens.transform",
            Inline::Registration => "com.okta.user.pre-registration",
            Inline::Import => "com.okta.import.transform",
        }
    }
}

/// The settings, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// Where Okta finds Refit's server, without a slash at the end.
    pub server: String,
    /// The source in whose name inline hooks speak.
    pub source: String,
    /// The event hook.
    pub events: Option<Events>,
    /// The secrets of inline hooks, by hook.
    pub inline: BTreeMap<Inline, String>,
}

/// The event hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Events {
    /// The name of the secret that it carries.
    pub secret: String,
    /// The source in whose name it speaks.
    pub source: String,
    /// The events that are subscribed to.
    pub types: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsWritten {
    secret: String,
    source: Option<String>,
    types: Option<BTreeSet<String>>,
}

impl Settings {
    /// Reads them; `Err` says what is wrong, for people.
    pub(super) fn of(target: &TargetSystem) -> Result<Settings, String> {
        let server = server(target)?;
        let source = match target.settings.get(SOURCE) {
            None => SOURCE_DEFAULT.to_owned(),
            Some(Value::String(name)) => source_named(name)?,
            Some(_) => return Err(format!("`{SOURCE}` is the name of a source")),
        };
        let written = target.settings.get(EVENTS).map(EventsWritten::deserialize).transpose();
        let written = written.map_err(|error| format!("`{EVENTS}`: {error}: write `{EVENTS}: {{ secret: NAME }}`"))?;
        let events = match written {
            None => None,
            Some(EventsWritten { secret, source: own, types }) => {
                let types = types.unwrap_or_else(|| EVENT_TYPES.map(str::to_owned).into());
                if types.is_empty() {
                    return Err(format!(
                        "`{EVENTS}: {{ types }}` is empty: leave it out for all that Refit understands"
                    ));
                }
                let is_type = |name: &String| {
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
                };
                if let Some(name) = types.iter().find(|name| !is_type(name)) {
                    return Err(format!("`{EVENTS}: {{ types }}`: `{name}` is no type of an event of Okta's"));
                }
                let source = own.map_or_else(|| Ok(source.clone()), |name| source_named(&name))?;
                Some(Events { secret: secret_named(secret)?, source, types })
            }
        };
        let inline = target.settings.get(INLINE).map(BTreeMap::<Inline, String>::deserialize).transpose();
        let inline = inline.map_err(|error| {
            format!("`{INLINE}`: {error}: it says which secret each hook carries, as in `{INLINE}: {{ token: NAME, import: NAME }}`")
        })?;
        let mut named = BTreeMap::new();
        for (hook, secret) in inline.unwrap_or_default() {
            named.insert(hook, secret_named(secret)?);
        }
        // Who wants none writes that.
        if !target.settings.contains_key(EVENTS) && !target.settings.contains_key(INLINE) {
            return Err(format!(
                "neither `{EVENTS}` nor `{INLINE}` is there: say which hooks there are to be, and `{INLINE}: {{}}` if none"
            ));
        }
        Ok(Settings { server, source, events, inline: named })
    }

    /// The names of all secrets.
    pub(super) fn secrets(&self) -> BTreeSet<String> {
        self.inline.values().chain(self.events.iter().map(|events| &events.secret)).cloned().collect()
    }
}

/// Where Okta finds Refit's server.
pub(in crate::targets) fn server(target: &TargetSystem) -> Result<String, String> {
    let example = format!("`{SERVER}: https://refit.acme.example`, which is what `refit serve --public` says");
    let Some(server) = target.settings.get(SERVER) else {
        return Err(format!("`{SERVER}` is missing: it says where Okta finds Refit: {example}"));
    };
    let server = server.as_str().unwrap_or_default().trim_end_matches('/');
    // Okta's document: an address begins with https:// and has no white space.
    let host = server.strip_prefix("https://").unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic() && !"?#@[]\\\"<>".contains(c);
    if host.is_empty() || host.starts_with('/') || !host.chars().all(is_plain) {
        return Err(format!(
            "`{SERVER}` is an address that begins with https://, without user, query and fragment: {example}"
        ));
    }
    Ok(server.to_owned())
}

/// As the server takes it in its paths.
fn source_named(name: &str) -> Result<String, String> {
    let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if (1..=64).contains(&name.len()) && name.bytes().all(is_fine) {
        return Ok(name.to_owned());
    }
    Err(format!("`{name}`: a source is named with up to 64 small letters, digits, `-`, `_` and `.`"))
}

fn secret_named(name: String) -> Result<String, String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (1..=SECRET_MOST).contains(&name.len()) && name.bytes().all(is_fine) {
        return Ok(name);
    }
    // Whoever has written the secret itself here does not want to read it in a log.
    Err("the name of a secret has letters, digits, `-` and `_`: say what it is called, and not what it is".to_owned())
}

/// What a target is called in the names of its objects: no two targets are called the same.
pub(in crate::targets) fn short(target: &str) -> String {
    let short = word(target, NAME_MOST);
    if short == target { short } else { format!("{short}-{}", fingerprint([target], DIGITS)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refit_core::policy::repository::Origin;
    use serde_json::json;

    fn read(settings: Value) -> Result<Settings, String> {
        let Value::Object(settings) = settings else { panic!("{settings}") };
        Settings::of(&TargetSystem {
            name: "okta".into(),
            kind: "okta-hooks".into(),
            owner: None,
            condition: None,
            drift: None,
            settings: settings.into_iter().collect(),
            origin: Origin { file: "targets.yaml".into(), line: 1 },
        })
    }

    #[test]
    fn what_is_written_is_read_with_its_defaults() {
        let settings = read(json!({
            "server": "https://refit.acme.example/", "events": { "secret": "e" }, "inline": { "token": "p", "saml": "p" }
        }));
        let settings = settings.unwrap();
        assert_eq!((settings.server.as_str(), settings.source.as_str()), ("https://refit.acme.example", "okta"));
        assert_eq!(settings.secrets(), ["e".to_owned(), "p".to_owned()].into());
        let events = settings.events.unwrap();
        assert_eq!((events.source.as_str(), events.types.len()), ("okta", EVENT_TYPES.len()));
    }

    #[test]
    fn what_is_wrong_is_said_and_a_secret_is_not_repeated() {
        let server = "https://refit.acme.example";
        for (bad, says) in [
            (json!({ "events": { "secret": "e" } }), "`server` is missing"),
            (json!({ "server": "http://refit.acme.example", "events": { "secret": "e" } }), "begins with https://"),
            (json!({ "server": "https://", "events": { "secret": "e" } }), "begins with https://"),
            (json!({ "server": "https://a@b", "events": { "secret": "e" } }), "begins with https://"),
            (json!({ "server": server }), "say which hooks"),
            (json!({ "server": server, "events": {} }), "missing field `secret`"),
            (json!({ "server": server, "events": { "secret": "e", "types": [] } }), "is empty"),
            (
                json!({ "server": server, "events": { "secret": "e", "types": ["user lifecycle"] } }),
                "no type of an event",
            ),
            (json!({ "server": server, "events": { "secret": "e", "source": "Okta" } }), "small letters"),
            (json!({ "server": server, "inline": { "telephony": "p" } }), "unknown variant"),
            (json!({ "server": server, "inline": { "token": "Bearer refit_hush" } }), "and not what it is"),
        ] {
            let said = read(bad.clone()).unwrap_err();
            assert!(said.contains(says) && !said.contains("hush"), "{bad}: {said}");
        }
    }

    #[test]
    fn no_two_targets_have_objects_of_one_name() {
        assert_eq!(short("okta"), "okta");
        assert_ne!(short("okta hooks"), short("okta-hooks"));
        assert_ne!(short(&"a".repeat(50)), short(&"a".repeat(51)));
    }
}
