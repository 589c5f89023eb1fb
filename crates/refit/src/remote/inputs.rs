//! What a mandate is made from besides the policies, as a server tells it: facts of devices, and versions.
//!
//! A stolen server may lie here. It can make a device a member of an early ring, or name a version before it is out: both shorten the
//! delay of rings and nothing else, and whoever signs is shown them.

use anyhow::{Result, bail};
use jiff::Timestamp;
use refit_api::{
    FactSaid,
    client::{Client, DeviceFilter},
};
use refit_core::{
    control::read_fact,
    facts::{Fact, FieldRef, Root},
    plan::mandate::{Members, members as members_of},
    policy::{
        document::policy::Mode,
        repository::{Repository, Selector},
    },
    world::Device,
};
use refit_model::{DeviceId, TitleId};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// How many versions of a title a mandate knows at most: the newest.
const VERSIONS_MOST: usize = 16;

/// Who is in rings that a condition chooses.
pub fn members(client: &Client, repository: &Repository, now: Timestamp) -> Result<Members> {
    let rings = repository.rollouts.values().flat_map(|rollout| &rollout.rings);
    let conditions: Vec<_> = rings.filter_map(|ring| ring.condition.as_ref()).collect();
    if conditions.is_empty() {
        return Ok(members_of(repository, [], now));
    }
    let of_people = conditions.iter().any(|expr| expr.fields().iter().any(|field| field.root == Root::Person));
    let people = if of_people { client.people()? } else { Vec::new() };
    let people: BTreeMap<String, Vec<FactSaid>> = people.into_iter().map(|person| (person.id, person.facts)).collect();
    let mut devices = Vec::new();
    for said in client.devices(&DeviceFilter { facts: true, ..DeviceFilter::default() })? {
        let mut device = Device::new(DeviceId::new(&said.id), said.seen);
        let Some(facts) = said.facts else {
            bail!("the server does not say the facts of devices: it is older than this program");
        };
        add(&mut device, Root::Device, &facts, repository);
        if let Some(person) = said.person.filter(|_| of_people) {
            add(&mut device, Root::Person, people.get(&person).map(Vec::as_slice).unwrap_or_default(), repository);
        }
        devices.push(device);
    }
    Ok(members_of(repository, &devices, now))
}

fn add(device: &mut Device, root: Root, facts: &[FactSaid], repository: &Repository) {
    for said in facts {
        let name = said.field.rsplit('.').next().unwrap_or_default();
        let field = FieldRef::new(root, name);
        let Some(kind) = repository.fields.get(&field).map(|field| field.kind) else { continue };
        // What may not be read, or is of another kind, is unknown: such a device waits.
        if let Some(value) = said.value.as_ref().and_then(|value| read_fact(value, kind)) {
            device
                .facts
                .insert(field, Fact { value, source: Some(said.source.as_str().into()), observed: said.observed });
        }
    }
}

/// The versions of titles that policies name.
pub fn offered(client: &Client, repository: &Repository) -> Result<BTreeMap<TitleId, BTreeSet<SmolStr>>> {
    let acting = repository.policies.iter().filter(|policy| policy.mode == Mode::Enforce);
    let titles: BTreeSet<&TitleId> = acting
        .flat_map(|policy| &policy.software)
        .filter_map(|selector| match selector {
            Selector::Title(title) => Some(title),
            _ => None,
        })
        .collect();
    let mut offered = BTreeMap::new();
    for title in titles {
        let mut releases = client.releases(title.as_str())?;
        releases.sort_by_key(|release| std::cmp::Reverse(release.0.published));
        let versions: BTreeSet<SmolStr> =
            releases.into_iter().take(VERSIONS_MOST).map(|release| release.0.version).collect();
        if !versions.is_empty() {
            offered.insert(title.clone(), versions);
        }
    }
    Ok(offered)
}
