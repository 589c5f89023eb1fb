//! What decisions read of the state: the world as a universe sees it, and one device.

use super::{
    entry::{AdvisoryEntry, ReleaseEntry, read},
    evaluate::{Terms, target},
    groups,
    publication::Wanted,
    rollouts::{RolloutRecord, evidence},
    state::{DeviceRecord, State},
};
use crate::{
    facts::{Fact, FactSet, FieldRef, Kind, Root, Value},
    policy::repository::Repository,
    rollout::snapshot_policy,
    world::{Absence, Device, GateFinding, GateNotes, GateState, Install, RememberedOffer, RolloutState, World},
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use refit_model::{Advisory, Offer, Release, TitleId, Version};
use smol_str::SmolStr;

/// Puts a world together.
pub(super) fn world(state: &State, terms: &Terms, record: &DeviceRecord) -> World {
    let repository = &terms.repository;
    let universe = record.universe.as_ref().and_then(|key| state.universes.get(key));
    let distribution = universe.and_then(|universe| state.distributions.get(&universe.distribution));
    let known = state.releases.values().flat_map(|list| list.iter());
    let mut releases: Vec<Release> = known.filter_map(|entry| release(repository, entry, entry.published)).collect();
    for entry in universe.iter().flat_map(|universe| universe.offers.values().flatten()) {
        // An archive's date moves on with every update of it; what counts is when the release was first seen there.
        let first = state.first_offered.get(&entry.title).and_then(|versions| versions.get(&entry.version));
        releases.extend(release(repository, entry, first.copied().unwrap_or(entry.published)));
    }
    let everywhere = state.advisories.values().flat_map(|list| list.values());
    let here = distribution.iter().flat_map(|distribution| distribution.advisories.iter());
    let advisories = everywhere.chain(here).filter_map(|entry| advisory(repository, entry)).collect();
    let mut world = World::new(releases, repository.with_vendor_advisories(advisories));
    for (title, list) in &state.rollouts.under_way {
        let scheme = repository.scheme(title);
        let states = list.iter().filter_map(|record| {
            let members = record.open.iter().filter_map(|open| {
                let members = open.members.as_ref()?.iter();
                let ids = members.filter_map(|index| state.by_index.get(index as usize).cloned());
                Some((open.ring.clone(), ids.collect()))
            });
            Some(RolloutState {
                rollout: record.rollout.clone(),
                version: Version::parse(scheme, &record.version).ok()?,
                releases: snapshot_policy(title).map(|_| record.releases.clone()),
                platform: record.platform.clone(),
                open: record.open.iter().map(|open| open.ring.clone()).collect(),
                members: members.collect(),
            })
        });
        world.rollouts.insert(title.clone(), states.collect());
    }
    for (title, list) in &state.rollouts.gates {
        let scheme = repository.scheme(title);
        let states = list.iter().filter_map(|record| {
            Some(GateState {
                version: Version::parse(scheme, &record.version).ok()?,
                rollout: record.rollout.clone(),
                after: record.after.clone(),
                platform: record.platform.clone(),
                finding: GateFinding::Answered(record.answer),
                notes: Some(Box::new(GateNotes {
                    at: Some(record.at),
                    until: record.until,
                    verdict: record.verdict.clone(),
                    evidence: record.evidence.clone(),
                    why: record.why.clone(),
                    asked: None,
                })),
            })
        });
        world.gates.insert(title.clone(), states.collect());
    }
    world.latches = state.latches.iter().map(|(key, since)| (key.clone(), *since)).collect();
    world.applied = terms.applied.clone();
    world
}

/// What gates of a title's releases go by that have not answered yet: an explanation says how far they are.
pub(super) fn heard(state: &State, repository: &Repository, title: &TitleId, now: Timestamp) -> Vec<GateState> {
    let one = |record: &RolloutRecord| {
        let rollout = repository.rollouts.get(&record.rollout)?;
        let (last, _) = record.furthest(rollout)?;
        let platform = record.platform.as_deref();
        if state.rollouts.answer(title, &record.version, platform, (&record.rollout, &last.ring)).is_some() {
            return None;
        }
        let evidence = evidence(state, title, record, &last.ring, rollout.gate.as_ref()?, now)?;
        let asked = state.rollouts.asks(title, record).map(|question| question.at).min();
        Some(GateState {
            version: Version::parse(repository.scheme(title), &record.version).ok()?,
            rollout: Some(record.rollout.clone()),
            after: last.ring.clone(),
            platform: record.platform.clone(),
            finding: GateFinding::Evidence(evidence),
            notes: asked.map(|asked| Box::new(GateNotes { asked: Some(asked), ..GateNotes::default() })),
        })
    };
    state.rollouts.of(title).iter().filter_map(one).collect()
}

fn release(repository: &Repository, entry: &ReleaseEntry, published: Timestamp) -> Option<Release> {
    let version = Version::parse(repository.scheme(&entry.title), &entry.version).ok()?;
    Some(Release {
        title: entry.title.clone(),
        branch: entry.branch.clone(),
        version,
        published,
        security: entry.security,
    })
}

/// What is known everywhere of an advisory for a title; for a package that only its vendor builds also what is of its title.
pub(super) fn known<'s>(
    state: &'s State,
    repository: &Repository,
    title: &TitleId,
    id: &str,
) -> Option<&'s AdvisoryEntry> {
    let of = |title: &TitleId| state.advisories.get(title).and_then(|list| list.get(id));
    of(title).or_else(|| repository.vendor_titles(title).find_map(of))
}

/// An advisory as decisions read it; `None` where a range makes no sense in the title's scheme.
pub(super) fn advisory(repository: &Repository, entry: &AdvisoryEntry) -> Option<Advisory> {
    entry.read(repository.scheme(&entry.title)).ok()
}

/// A device as decisions read it.
pub(super) fn device(state: &State, repository: &Repository, record: &DeviceRecord, now: Timestamp) -> Device {
    let mut device = Device::new(record.id.clone(), seen(state, record));
    device.unheard = state.not_listening(device.seen, now);
    device.seen_by = record.seen_by.clone();
    device.enrolled = Some(record.enrolled);
    device.facts = facts(state, repository, record, device.seen);
    let zone = device.facts.resolve(&FieldRef::device("timezone"), &repository.authority, &repository.staleness, now);
    device.timezone = match zone.value {
        Some(Value::Text(name)) => TimeZone::get(name).ok(),
        _ => None,
    };
    for (slot, installed) in record.installs.iter() {
        let scheme = repository.scheme(&slot.title);
        // What is not in order does not run, whatever its version says: it counts as a little older than that, so that nothing but the
        // same or a newer one is a way on. Nobody goes back because a script failed.
        let version = match installed.state {
            Some(_) => Version::parse(scheme, &installed.version).map(|it| it.unfinished().unwrap_or(it)),
            None => Version::parse(scheme, &installed.version),
        };
        let Ok(version) = version else { continue };
        device.installs.push(Install {
            title: slot.title.clone(),
            branch: slot.branch.clone(),
            profile: slot.profile.clone(),
            version,
            since: Some(installed.since),
        });
    }
    let universe = record.universe.as_ref().and_then(|key| state.universes.get(key));
    for entry in universe.iter().flat_map(|universe| universe.offers.values().flatten()).filter(|entry| entry.withheld)
    {
        if let Ok(version) = Version::parse(repository.scheme(&entry.title), &entry.version) {
            device.offers.entry(entry.title.clone()).or_default().push((version, Offer::Since(Timestamp::MAX)));
        }
    }
    device.absences = record
        .absences
        .iter()
        .map(|absence| Absence {
            away: absence.away,
            back: absence.back,
            used: SignedDuration::from_secs(absence.used_seconds),
        })
        .collect();
    device.spells = record.spells.iter().map(|(slot, since)| (slot.into(), *since)).collect();
    for (slot, noted) in record.offered.iter() {
        let installed = record.installs.get(slot).map(|installed| &installed.version);
        let counts = noted.values().filter(|first| {
            let target = repository.policy(&first.policy).map(target);
            target.as_ref() == Some(&first.target)
                && (first.installed.is_none() || first.installed.as_ref() == installed)
        });
        let remembered = counts.filter_map(|first| {
            let version = Version::parse(repository.scheme(&slot.title), &first.version).ok()?;
            let (policy, obligation) = (first.policy.clone(), first.obligation.clone());
            Some(RememberedOffer { policy, obligation, version, at: first.at, arose: first.arose })
        });
        device.first_offers.insert(slot.into(), remembered.collect());
    }
    for (slot, published) in record.published.iter() {
        device.decided_before.insert(slot.into(), published.key.policy.clone());
        // Where nothing was admitted, what is installed stays: or else an undetermined answer would differ from itself when it
        // is decided again.
        let admitted = match &published.key.admitted {
            Wanted::Release(version) => Some(version),
            _ => record.installs.get(slot).map(|installed| &installed.version),
        };
        if let Some(Ok(version)) = admitted.map(|version| Version::parse(repository.scheme(&slot.title), version)) {
            device.admitted_before.insert(slot.into(), version);
        }
    }
    device
}

/// When a device was seen last. Who checked in since the last quarter of an hour was written down has been seen now.
fn seen(state: &State, record: &DeviceRecord) -> Timestamp {
    state.heard_from(record.index).map_or(record.seen, |heard| heard.max(record.seen))
}

/// What is said of a device and its person, as decisions read it.
pub(super) fn facts_of(state: &State, repository: &Repository, record: &DeviceRecord) -> FactSet {
    facts(state, repository, record, seen(state, record))
}

/// What is said of a device and its person. What a source said is as old as its last report.
fn facts(state: &State, repository: &Repository, record: &DeviceRecord, seen: Timestamp) -> FactSet {
    let mut facts = FactSet::new();
    let text = |value: &str| Value::Text(value.into());
    facts.set(FieldRef::device("id"), text(record.id.as_str()));
    facts.set(FieldRef::device("enrolled"), Value::Time(record.enrolled));
    facts.set(FieldRef::device("seen"), Value::Time(seen));
    for (name, said) in &record.facts {
        let Ok(field) = name.parse::<FieldRef>() else { continue };
        let Some(kind) = repository.fields.get(&field).map(|field| field.kind) else { continue };
        for (source, value) in said {
            let Some(value) = read(value, kind) else { continue };
            let by_presence = (*source == record.seen_by).then_some(seen);
            let observed = record.reported.get(source).copied().max(by_presence);
            facts.insert(field.clone(), Fact { value, source: Some(source.clone()), observed });
        }
    }
    let person = record.person.as_ref().and_then(|id| state.people.get(id));
    for (name, said) in person.iter().flat_map(|person| &person.facts) {
        let field = FieldRef::new(Root::Person, name);
        let Some(kind) = repository.fields.get(&field).map(|field| field.kind) else { continue };
        for (source, reference) in said {
            // What was erased is unknown.
            let Some(value) = state.personal.get(reference).and_then(|value| read(value, kind)) else { continue };
            let observed = person.and_then(|person| person.reported.get(source).copied());
            facts.insert(field.clone(), Fact { value, source: Some(source.clone()), observed });
        }
    }
    let groups = FieldRef::new(Root::Person, groups::FIELD);
    for source in state.groups.keys() {
        let Some(names) = person.and_then(|person| state.groups_said(person, source)) else { continue };
        // What a source says of a person itself comes before what follows from its groups.
        if facts.said(&groups).iter().any(|fact| fact.source.as_ref() == Some(source)) {
            continue;
        }
        let observed = person.and_then(|person| person.reported.get(source).copied());
        facts.insert(groups.clone(), Fact { value: Value::List(names), source: Some(source.clone()), observed });
    }
    // A list that is absent is empty if one of its sources is fresh; where no source is named, Refit itself supplies it.
    for field in repository.fields.iter().filter(|field| field.kind == Kind::List && field.name.root != Root::Exposure)
    {
        if !facts.said(&field.name).is_empty() {
            continue;
        }
        let reported = |source: &SmolStr| match field.name.root {
            Root::Person => person?.reported.get(source).copied(),
            _ => record.reported.get(source).copied(),
        };
        match repository.authority.order.get(&field.name).filter(|sources| !sources.is_empty()) {
            None if field.name.root == Root::Device => facts.set(field.name.clone(), Value::List(Vec::new())),
            None => {}
            Some(sources) => {
                for source in sources {
                    let Some(at) = reported(source) else { continue };
                    let (value, source) = (Value::List(Vec::new()), Some(source.clone()));
                    facts.insert(field.name.clone(), Fact { value, source, observed: Some(at) });
                }
            }
        }
    }
    facts
}
