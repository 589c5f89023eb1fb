//! Roots and mandates, checked before they are published. Devices check them again, by what they trust themselves.

use super::{Agents, refused::Refused};
use crate::shell::{TellError, Told};
use refit_core::control::{Actor, AgentInput, Input, MandatePublished, RootPublished};
use refit_wire::{
    Digest, Envelope, Mandate, Role, Root,
    envelope::{Document, Rejected},
    root::RootError,
};

/// Why a root or a mandate is not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It is not signed as it has to be.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The root does not follow.
    #[error(transparent)]
    Root(#[from] RootError),
    /// It says what it must not say.
    #[error("{0}")]
    Invalid(String),
    /// There is no root yet.
    #[error("there is no root yet: publish one first")]
    NoRoot,
    /// It could not be written down.
    #[error(transparent)]
    Tell(#[from] TellError),
    /// What is published already can't be read.
    #[error("what is published can't be read: {0}")]
    Published(String),
}

impl Agents {
    /// The newest root.
    pub async fn root(&self) -> Result<Option<Root>, PublishError> {
        let view = self.shell().view();
        let Some((_, newest)) = view.state.agents.root() else { return Ok(None) };
        let broken = |what: String| PublishError::Published(what);
        let bytes = self.content(&newest.content).await.map_err(|refused: Refused| broken(refused.detail))?;
        let envelope = Envelope::parse::<Root>(&bytes)?;
        let fingerprint: Digest = newest.fingerprint.parse().map_err(|_| broken("its fingerprint is none".into()))?;
        Ok(Some(Root::pinned(&envelope, fingerprint)?))
    }

    /// Publishes a root: the first one, or the one that follows the newest. It has to list this server's key, since no device
    /// would believe a lease otherwise.
    pub async fn publish_root(&self, actor: &Actor, envelope: &Envelope) -> Result<(Root, Told), PublishError> {
        let envelope = parsed::<Root>(envelope)?;
        let newest = self.root().await?;
        let again = Root::pinned(&envelope, envelope.digest());
        let root = match newest {
            None => again?,
            Some(newest) if again.as_ref().is_ok_and(|again| again.version <= newest.version) => again?,
            Some(newest) => newest.next(&envelope)?,
        };
        let key = self.key().public().id();
        if !root.role(Role::Server).keys.contains_key(&key) {
            let what = format!("the root does not list this server's key {key}: no device would believe its leases");
            return Err(PublishError::Invalid(what));
        }
        let content = self.shell().put(envelope.to_bytes()).await?;
        let event = RootPublished {
            version: root.version,
            organization: root.organization.clone(),
            fingerprint: envelope.digest().to_string().into(),
            content: content.into(),
            expires: root.expires,
        };
        let told = self.shell().tell(actor, Input::Agents(AgentInput::PublishRoot(event)), None).await?;
        Ok((root, told))
    }

    /// Publishes a mandate, signed as the newest root asks.
    pub async fn publish_mandate(&self, actor: &Actor, envelope: &Envelope) -> Result<(Mandate, Told), PublishError> {
        let envelope = parsed::<Mandate>(envelope)?;
        let root = self.root().await?.ok_or(PublishError::NoRoot)?;
        let now = self.shell().now();
        let mandate: Mandate = root.open(&envelope, now)?;
        let invalid = |what: String| Err(PublishError::Invalid(what));
        if mandate.organization != root.organization {
            return invalid(format!(
                "the mandate is that of `{}`, not of `{}`",
                mandate.organization, root.organization
            ));
        }
        if mandate.expires <= now {
            return invalid(format!("the mandate expired at {}", mandate.expires));
        }
        let content = self.shell().put(envelope.to_bytes()).await?;
        let event = MandatePublished {
            number: mandate.number,
            digest: envelope.digest().to_string().into(),
            content: content.into(),
            policy: mandate.policy.clone(),
            expires: mandate.expires,
            lease_seconds: mandate.limits.lease_seconds,
        };
        let told = self.shell().tell(actor, Input::Agents(AgentInput::PublishMandate(event)), None).await?;
        Ok((mandate, told))
    }
}

/// The envelope within the limits that devices keep.
fn parsed<T: Document>(envelope: &Envelope) -> Result<Envelope, Rejected> {
    Envelope::parse::<T>(&envelope.to_bytes())
}
