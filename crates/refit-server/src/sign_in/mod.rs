//! Sign-in of people through an OpenID provider: which provider, who becomes what there, and whether an ID token counts.
//!
//! The server begins a sign-in and so knows its nonce; a program on the person's machine gets the ID token from the provider
//! ([`refit_connect::sign_in`]) and hands it over; the server verifies it and gives a token of its own, which ends when the ID token does.
//! Which group has which role stands in the server's own configuration, and not in the policy repository: else whoever may change policy could make
//! themselves an administrator (decision 0201).
//!
//! - `id_token.rs` Verifying ID tokens.
//! - `issuer.rs` What the provider publishes: where it is asked, and its keys.

mod id_token;
mod issuer;

pub use id_token::Refused;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use id_token::{Expected, IdToken, LEEWAY};
use issuer::Issuer;
use jiff::{SignedDuration, Timestamp};
use refit_core::control::{Role, Scope};
use ring::hmac;
use serde_json::Value;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// How long a person may take to sign in.
pub const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// The longest that a token of a sign-in lasts, whatever the provider says.
pub const LASTS_MOST: SignedDuration = SignedDuration::from_hours(12);
/// How many groups of a person are shown to them.
const GROUPS_SHOWN: usize = 20;

/// Through which provider people sign in, and who becomes what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The issuer, exactly as its tokens name it: `https://acme.okta.com`.
    pub issuer: String,
    /// The client that Refit is there.
    pub client: String,
    /// For whom ID tokens are: the client, where nothing else was agreed.
    pub audience: Option<String>,
    /// The scopes that are asked for, `openid` among them.
    pub scopes: Vec<String>,
    /// The claim that says who somebody is in plans and approvals: `email`, `sub`.
    pub owner: String,
    /// The claim that lists groups.
    pub groups: String,
    /// The roles of each group.
    pub roles: BTreeMap<String, BTreeSet<Role>>,
}

/// Sign-in at one provider. Clones share it.
#[derive(Clone, Debug)]
pub struct SignIn {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    issuer: Issuer,
    /// Of this process: what was begun before a restart is begun again.
    key: hmac::Key,
    /// Sign-ins that have ended in a token, with when they began.
    used: Mutex<HashMap<String, Timestamp>>,
}

/// A sign-in that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its id.
    pub id: String,
    /// What the provider has to repeat in the ID token.
    pub nonce: String,
    /// Until when it can be finished.
    pub until: Timestamp,
    /// Where people sign in.
    pub authorization_endpoint: String,
    /// Where the code is exchanged.
    pub token_endpoint: String,
}

/// Who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Who it is, as plans and approvals name them.
    pub owner: SmolStr,
    /// Their roles.
    pub roles: BTreeSet<Role>,
    /// What those permit.
    pub scopes: BTreeSet<Scope>,
    /// Until when it counts.
    pub expires: Timestamp,
}

/// Why nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The provider can't be asked.
    #[error("the identity provider {issuer} can't be asked: {why}")]
    Issuer {
        /// The issuer.
        issuer: String,
        /// What went wrong.
        why: String,
    },
    /// There is no such sign-in, or no longer.
    #[error("this sign-in {0}")]
    Over(&'static str),
    /// The ID token does not count.
    #[error("the ID token does not count: {0}")]
    Token(#[from] Refused),
    /// The ID token does not say what is needed.
    #[error("the ID token has no claim `{claim}` that says {what}")]
    Claim {
        /// The claim.
        claim: String,
        /// What it has to say.
        what: &'static str,
    },
    /// The provider has not verified the address.
    #[error("the identity provider has not verified the address {0}")]
    Unverified(String),
    /// No group gives a role.
    #[error("no group of {owner} has a role here: {groups}")]
    NoRole {
        /// Who it is.
        owner: String,
        /// The groups.
        groups: String,
    },
}

impl Options {
    /// Refuses what can't be meant.
    pub fn check(&self) -> Result<(), String> {
        if !refit_connect::sign_in::is_fit(&self.issuer) {
            return Err(format!("`{}` is no issuer: it begins with `https://`", self.issuer));
        }
        if self.client.trim().is_empty() {
            return Err("a client has to be named".to_owned());
        }
        if self.roles.is_empty() {
            return Err("no group has a role, so that nobody could sign in".to_owned());
        }
        Ok(())
    }

    fn audience(&self) -> &str {
        self.audience.as_deref().unwrap_or(&self.client)
    }

    /// Who an ID token says has signed in.
    fn person(&self, token: &IdToken, now: Timestamp) -> Result<SignedIn, SignInError> {
        let text = |claim: &str| token.claims.get(claim).and_then(Value::as_str).map(str::trim);
        let owner = text(&self.owner).filter(|owner| !owner.is_empty() && owner.len() <= 256);
        let owner = owner.ok_or_else(|| SignInError::Claim { claim: self.owner.clone(), what: "who somebody is" })?;
        // Approvals are counted by owner: an address that anybody can write into their profile would make two people of one.
        if self.owner == "email" && token.claims.get("email_verified").is_some_and(is_no) {
            return Err(SignInError::Unverified(owner.to_owned()));
        }
        // Addresses are the same however they are written; what else there is (`sub`) is not.
        let owner = if owner.contains('@') && self.owner != "sub" { owner.to_lowercase() } else { owner.to_owned() };
        let groups: Vec<&str> = match token.claims.get(&self.groups) {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(one)) => vec![one],
            _ => return Err(SignInError::Claim { claim: self.groups.clone(), what: "which groups somebody is in" }),
        };
        let roles: BTreeSet<Role> =
            groups.iter().filter_map(|group| self.roles.get(*group)).flatten().copied().collect();
        if roles.is_empty() {
            let mut shown: Vec<String> = (groups.iter().take(GROUPS_SHOWN))
                .map(|group| group.chars().take(100).flat_map(char::escape_debug).collect())
                .collect();
            shown.extend((groups.len() > GROUPS_SHOWN).then(|| "…".to_owned()));
            let groups = if shown.is_empty() { "they are in none".to_owned() } else { shown.join(", ") };
            return Err(SignInError::NoRole { owner, groups });
        }
        let scopes = roles.iter().flat_map(|role| role.scopes()).collect();
        let most = now.checked_add(LASTS_MOST).unwrap_or(token.expires);
        Ok(SignedIn { owner: owner.into(), roles, scopes, expires: token.expires.min(most) })
    }
}

/// Whether a claim says no: some providers write it as a text.
fn is_no(claim: &Value) -> bool {
    claim.as_bool() == Some(false) || claim.as_str().is_some_and(|text| text.eq_ignore_ascii_case("false"))
}

impl SignIn {
    /// Sign-in at a provider. It is asked when somebody signs in, and not before.
    ///
    /// # Errors
    ///
    /// Where the system gives no random numbers.
    pub fn new(options: Options) -> Result<SignIn, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        let issuer = Issuer::new(options.issuer.clone());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
        Ok(SignIn { inner: Arc::new(Inner { options, issuer, key, used: Mutex::default() }) })
    }

    /// How it is set up.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// Begins one.
    pub async fn begin(&self, now: Timestamp) -> Result<Begun, SignInError> {
        let discovered = self.inner.issuer.discovered(now).await?;
        let mut id = [0; 24];
        let (random, began) = id.split_at_mut(16);
        let none = |_| self.inner.issuer.failed("this machine gives no random numbers");
        getrandom::fill(random).map_err(none)?;
        began.copy_from_slice(&now.as_second().to_be_bytes());
        let id = URL_SAFE_NO_PAD.encode(id);
        Ok(Begun {
            nonce: self.nonce(&id),
            id,
            until: now.checked_add(PATIENCE).unwrap_or(now),
            authorization_endpoint: discovered.authorization_endpoint.clone(),
            token_endpoint: discovered.token_endpoint.clone(),
        })
    }

    /// The nonce of a sign-in: nobody can work it out but this server, which therefore need not remember what it has begun.
    fn nonce(&self, id: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.inner.key, id.as_bytes()))
    }

    /// Who has signed in; each sign-in counts once.
    pub async fn finish(&self, id: &str, token: &str, now: Timestamp) -> Result<SignedIn, SignInError> {
        let began = began(id).ok_or(SignInError::Over("was not begun here"))?;
        let age = now.as_second() - began.as_second();
        if !(-LEEWAY..=PATIENCE.as_secs()).contains(&age) {
            return Err(SignInError::Over("took too long"));
        }
        let keys = self.inner.issuer.keys(token, now).await?;
        let options = &self.inner.options;
        let expected = Expected {
            issuer: &options.issuer,
            client: &options.client,
            audience: options.audience(),
            nonce: &self.nonce(id),
            began,
        };
        let verified = id_token::verify(token, &keys, &expected, now)?;
        let person = options.person(&verified, now)?;
        if person.expires <= now {
            return Err(Refused::Expired(verified.expires).into());
        }
        let mut used = self.inner.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, began| now.as_second() - began.as_second() <= PATIENCE.as_secs() + LEEWAY);
        match used.insert(id.to_owned(), began) {
            None => Ok(person),
            Some(_) => Err(SignInError::Over("has ended in a token already")),
        }
    }
}

/// When a sign-in began, as its id says.
fn began(id: &str) -> Option<Timestamp> {
    let bytes = URL_SAFE_NO_PAD.decode(id).ok()?;
    let (_, began) = bytes.split_at_checked(16)?;
    Timestamp::from_second(i64::from_be_bytes(began.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options() -> Options {
        let roles = [("security", Role::Security), ("people", Role::PeopleOperations)];
        Options {
            issuer: "https://id.example".to_owned(),
            client: "refit".to_owned(),
            audience: None,
            scopes: vec!["openid".to_owned()],
            owner: "email".to_owned(),
            groups: "groups".to_owned(),
            roles: roles.map(|(group, role)| (group.to_owned(), [role].into())).into(),
        }
    }

    fn person(claims: Value) -> Result<SignedIn, SignInError> {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let expires = Timestamp::from_second(1_800_003_600).unwrap();
        let claims = claims.as_object().unwrap().clone();
        options().person(&IdToken { subject: "00u1".to_owned(), expires, claims }, now)
    }

    #[test]
    fn groups_become_roles_and_roles_scopes() {
        let both = person(json!({ "email": "Anna@Acme.example", "groups": ["security", "people", "all"] })).unwrap();
        assert_eq!((both.owner.as_str(), both.roles.len()), ("anna@acme.example", 2));
        assert!(both.scopes.contains(&Scope::ReadSensitive) && both.scopes.contains(&Scope::Brake));
        let one = person(json!({ "email": "o@acme.example", "groups": "people" })).unwrap();
        assert!(!Scope::ReadExposures.is_in(&one.scopes) && Scope::ReadSensitive.is_in(&one.scopes));
        assert_eq!(one.expires.as_second(), 1_800_003_600);
        for (claims, why) in [
            (json!({ "groups": ["security"] }), "no claim `email`"),
            (json!({ "email": "", "groups": ["security"] }), "no claim `email`"),
            (json!({ "email": "a@b" }), "no claim `groups`"),
            (json!({ "email": "a@b", "groups": { "security": true } }), "no claim `groups`"),
            (json!({ "email": "a@b", "groups": [] }), "they are in none"),
            (json!({ "email": "a@b", "groups": ["Security", 1] }), "no group of a@b has a role here: Security"),
            (json!({ "email": "a@b", "email_verified": false, "groups": ["security"] }), "has not verified"),
            (json!({ "email": "a@b", "email_verified": "false", "groups": ["security"] }), "has not verified"),
        ] {
            let refused = person(claims.clone()).unwrap_err().to_string();
            assert!(refused.contains(why), "{claims}: {refused}");
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused_at_the_start() {
        assert_eq!(options().check(), Ok(()));
        let wrong = |change: fn(&mut Options)| {
            let mut options = options();
            change(&mut options);
            options.check().unwrap_err()
        };
        assert!(wrong(|options| options.issuer = "http://id.example".to_owned()).contains("no issuer"));
        assert!(wrong(|options| options.client = " ".to_owned()).contains("client"));
        assert!(wrong(|options| options.roles.clear()).contains("nobody could sign in"));
    }

    #[test]
    fn an_id_says_when_its_sign_in_began() {
        let id = URL_SAFE_NO_PAD.encode([[7; 16].as_slice(), &1_800_000_000_i64.to_be_bytes()].concat());
        assert_eq!(began(&id).unwrap().as_second(), 1_800_000_000);
        for id in ["", "x", "AAAA", &"A".repeat(36), &format!("{id}A")] {
            assert!(began(id).is_none_or(|began| began.as_second() != 1_800_000_000), "{id}");
        }
    }
}
