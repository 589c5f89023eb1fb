//! Releases and advisories.

use super::super::{
    entry::{AdvisoryEntry, ReleaseEntry},
    event::{AdvisoriesPublished, DistributionMatched, ReleasesPublished},
    input::{Outcome, Refusal},
    state::State,
};
use super::operations::one;
use crate::policy::repository::Repository;
use refit_model::{Scheme, TitleId, Version, VersionRange};
use smol_str::SmolStr;

/// The most releases or advisories that one input may bring.
const ENTRIES_MOST: usize = 10_000;

pub(super) fn releases(state: &State, source: SmolStr, mut releases: Vec<ReleaseEntry>) -> Result<Outcome, Refusal> {
    few(releases.len())?;
    for release in &releases {
        let scheme = scheme(state, &release.title);
        if let Err(error) = Version::parse(scheme, &release.version) {
            return Err(Refusal::Invalid(format!("{}: {error}", release.title)));
        }
        if release.withheld {
            return Err(Refusal::Invalid("only a universe's offers can be withheld".into()));
        }
    }
    for release in &mut releases {
        // What was published once was: a date that moves on would let due times slide.
        let known = state.releases.get(&release.title).into_iter().flat_map(|known| known.iter());
        let known = known.filter(|known| (&known.version, &known.branch) == (&release.version, &release.branch));
        release.published = known.map(|known| known.published).fold(release.published, jiff::Timestamp::min);
    }
    releases.retain(|release| {
        let known = state.releases.get(&release.title);
        !known.is_some_and(|known| known.contains(release))
    });
    Ok(if releases.is_empty() { Outcome::default() } else { one(ReleasesPublished { source, releases }) })
}

pub(super) fn advisories(
    state: &State,
    source: SmolStr,
    mut advisories: Vec<AdvisoryEntry>,
) -> Result<Outcome, Refusal> {
    few(advisories.len())?;
    for advisory in &advisories {
        let scheme = scheme(state, &advisory.title);
        for range in advisory.affected.iter().filter(|range| *range != "*") {
            if let Err(error) = VersionRange::parse(scheme, range) {
                return Err(Refusal::Invalid(format!("{} of {}: {error}", advisory.id, advisory.title)));
            }
        }
        let cvss = advisory.cvss.is_none_or(|score| (0.0..=10.0).contains(&score));
        let epss = advisory.epss.is_none_or(|score| (0.0..=1.0).contains(&score));
        if !cvss || !epss {
            return Err(Refusal::Invalid(format!(
                "{}: a CVSS score is 0 to 10, and an EPSS probability 0 to 1",
                advisory.id
            )));
        }
    }
    for advisory in &mut advisories {
        // What was known once was: new information moves a due time earlier, never later.
        let known = state.advisories.get(&advisory.title).and_then(|list| list.get(&advisory.id));
        advisory.known_at = known.map_or(advisory.known_at, |known| known.known_at.min(advisory.known_at));
    }
    advisories.retain(|advisory| {
        let known = state.advisories.get(&advisory.title).and_then(|list| list.get(&advisory.id));
        known != Some(advisory)
    });
    Ok(if advisories.is_empty() { Outcome::default() } else { one(AdvisoriesPublished { source, advisories }) })
}

pub(super) fn matched(state: &State, distribution: SmolStr, content: SmolStr, advisories: u64) -> Outcome {
    let known = state.distributions.get(&distribution).is_some_and(|known| known.content == content);
    if known { Outcome::default() } else { one(DistributionMatched { distribution, content, advisories }) }
}

pub(super) fn readable(state: &State, title: &TitleId, version: &str) -> Result<(), Refusal> {
    Version::parse(scheme(state, title), version).map(drop).map_err(|error| Refusal::Invalid(error.to_string()))
}

pub(super) fn repository(state: &State) -> Result<&Repository, Refusal> {
    let policy = state.policy.as_ref().map(|policy| policy.repository.as_ref());
    policy.ok_or_else(|| Refusal::Conflict("no policy is in force: apply one first".into()))
}

/// How versions of a title are written, by the policy in force.
pub(super) fn scheme(state: &State, title: &TitleId) -> Scheme {
    match &state.policy {
        Some(policy) => policy.repository.scheme(title),
        None => Repository::default().scheme(title),
    }
}

fn few(entries: usize) -> Result<(), Refusal> {
    if entries > ENTRIES_MOST {
        return Err(Refusal::Invalid(format!("at most {ENTRIES_MOST} at once")));
    }
    Ok(())
}
