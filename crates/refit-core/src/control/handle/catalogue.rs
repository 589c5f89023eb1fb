//! Releases and advisories, rings and gates.

use super::super::{
    device_set::DeviceSet,
    entry::{AdvisoryEntry, ReleaseEntry},
    event::{AdvisoriesPublished, DistributionMatched, GateAnswered, ReleasesPublished, RingOpened},
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

pub(super) fn open_ring(state: &State, opened: RingOpened) -> Result<Outcome, Refusal> {
    let repository = repository(state)?;
    let RingOpened { title, version, rollout, ring, platform, members } = &opened;
    readable(state, title, version)?;
    let known =
        repository.rollouts.get(rollout).ok_or_else(|| Refusal::Missing { what: "rollout", id: rollout.clone() })?;
    let Some(place) = known.rings.iter().position(|known| known.name == *ring) else {
        return Err(Refusal::Missing { what: "ring", id: ring.clone() });
    };
    let platform = platform.as_deref();
    let record = state.rollouts.of(title).iter().find(|record| record.is_of(rollout, version, platform));
    let is_open = |name: &SmolStr| record.is_some_and(|record| record.ring(name).is_some());
    if is_open(ring) {
        return Ok(Outcome::default());
    }
    if let Some(before) = known.rings.iter().take(place).find(|before| !is_open(&before.name)) {
        return Err(Refusal::Conflict(format!("ring `{}` comes before `{ring}` and has not opened", before.name)));
    }
    if let Some(halt) = state.rollouts.halt(title, version, platform) {
        return Err(Refusal::Conflict(format!("{title} {version} is halted since {}: resume it first", halt.at)));
    }
    // Who belongs to the ring now stays in it; who comes later goes to the next.
    let members = members.clone().unwrap_or_else(|| {
        let inside = state.managed().filter(|device| {
            let published = device.published.values().find(|published| published.key.slot.title == *title);
            published.is_some_and(|published| {
                published.key.rollout.as_ref() == Some(rollout) && published.key.ring.as_ref() == Some(ring)
            })
        });
        let inside: DeviceSet = inside.map(|device| device.index).collect();
        platform.map_or_else(|| inside.clone(), |platform| inside.both(&state.found.on_platform(platform)))
    });
    Ok(one(RingOpened { members: Some(members), ..opened }))
}

pub(super) fn answer_gate(state: &State, answered: GateAnswered) -> Result<Outcome, Refusal> {
    readable(state, &answered.title, &answered.version)?;
    let repository = repository(state)?;
    let mut rings = repository.rollouts.values().flat_map(|rollout| &rollout.rings);
    if !rings.any(|ring| ring.name == answered.after) {
        return Err(Refusal::Missing { what: "ring", id: answered.after });
    }
    let known = state.rollouts.answers(&answered.title).iter().find(|known| {
        known.version == answered.version && known.after == answered.after && known.platform == answered.platform
    });
    // What was found is said once; what a person says again may have another end.
    let same = known.map(|known| known.answer) == answered.answer;
    let again = same && (answered.verdict.is_some() || known.is_none());
    Ok(if again { Outcome::default() } else { one(answered) })
}

fn readable(state: &State, title: &TitleId, version: &str) -> Result<(), Refusal> {
    Version::parse(scheme(state, title), version).map(drop).map_err(|error| Refusal::Invalid(error.to_string()))
}

fn repository(state: &State) -> Result<&Repository, Refusal> {
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
