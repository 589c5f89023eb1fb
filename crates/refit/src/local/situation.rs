//! From what this machine says of itself to the world and the device that decisions read.

use super::{Gathered, Memory, machine::present};
use crate::{Refused, terminal};
use anyhow::Result;
use jiff::{Timestamp, tz::TimeZone};
use refit_agent::inventory::{self, offered};
use refit_core::{
    control::read_fact as as_value,
    facts::{Fact, FieldRef, Fields, Kind, Root, Value},
    policy::{diagnostic::did_you_mean, document::policy::Mode, repository::Repository},
    world::{Device, Install, SlotKey, World},
};
use refit_model::{Advisory, DeviceId, Offer, Release, TitleId, Version, VersionRange};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// A world with this machine in it.
pub struct Situation {
    pub world: World,
    pub device: Device,
    /// Versions that the package manager would not take, with the reason, by title.
    pub pinned: BTreeMap<TitleId, String>,
}

/// Puts world and device together. Releases that are seen for the first time are noted in `memory`.
pub fn situation(
    gathered: &Gathered,
    repository: &Repository,
    memory: &mut Memory,
    facts: &[String],
    now: Timestamp,
) -> Result<Situation> {
    let advisories = advisories(gathered);
    let mut device = Device::new(DeviceId::new(inventory::id(&gathered.machine)), now);
    let (mut releases, mut pinned) = (Vec::new(), BTreeMap::new());
    for title in gathered.available.packages.keys() {
        for here in offered(&gathered.available, title) {
            let offer = here.offer;
            releases.push(Release {
                title: title.clone(),
                branch: None,
                version: offer.version.clone(),
                published: first_seen(memory, title, &offer.version, here.archive, now),
                security: offer.security,
            });
            if here.is_withheld() {
                let never = (offer.version.clone(), Offer::Since(Timestamp::MAX));
                device.offers.entry(title.clone()).or_default().push(never);
            }
            let distrusted = here.distrusted.map(|why| format!("{} is offered only by {why}", offer.version));
            if let Some(why) = distrusted.or_else(|| offer.withheld.clone()) {
                pinned.entry(title.clone()).or_insert(why);
            }
        }
    }
    releases.extend(begun(gathered, memory, now));
    describe(&mut device, gathered, memory);
    given_facts(&mut device, repository, facts)?;
    own_lists(&mut device, repository);
    for package in present(&gathered.installs) {
        device.installs.push(Install {
            title: package.title.clone(),
            branch: None,
            profile: None,
            // What is half-configured does not run, whatever its version says. What decisions say of it is shown with the version and the
            // state that the package really has.
            version: package.version.unfinished().filter(|_| !package.is_well()).unwrap_or(package.version.clone()),
            since: None,
        });
    }
    let slots: Vec<_> = device.installs.iter().map(Install::slot).collect();
    for slot in slots {
        if let Some(since) = memory.spell(&slot) {
            device.spells.insert(slot, since);
        }
    }
    // What is gone for a while goes on where it was.
    for (text, since) in &memory.spells {
        let slot = SlotKey::of(TitleId::new(text));
        if device.installs.iter().all(|install| install.title != slot.title) {
            device.spells.insert(slot, *since);
        }
    }
    let mut world = World::new(releases, repository.with_vendor_advisories(advisories));
    applied(&mut world, repository, memory, now);
    for (advisory, texts) in &memory.latches {
        for (text, since) in texts {
            world.latches.insert((advisory.as_str().into(), text.as_str().into()), *since);
        }
    }
    Ok(Situation { world, device, pinned })
}

/// What is begun and offered by nobody, as releases: the policies may ask to finish it.
fn begun(gathered: &Gathered, memory: &mut Memory, now: Timestamp) -> Vec<Release> {
    inventory::begun(&gathered.installs, &gathered.available)
        .map(|(title, version)| Release {
            title: title.clone(),
            branch: None,
            version: version.clone(),
            published: first_seen(memory, title, version, None, now),
            security: false,
        })
        .collect()
}

/// Advisories for the titles of this machine; what has no fix affects every version.
fn advisories(gathered: &Gathered) -> Vec<Advisory> {
    let (report, manager) = (&gathered.report, gathered.installs.manager);
    let scheme = manager.scheme();
    let open = report.open_without_fix.iter().map(|open| {
        let mut advisory = open.advisory.clone();
        if advisory.affected.is_empty() {
            advisory.affected = vec![VersionRange::between(scheme, None, None)];
        }
        advisory
    });
    let mut all: Vec<Advisory> = report.advisories.iter().cloned().chain(open).collect();
    // Feeds speak of a package whatever its architecture; a foreign one is a title of its own.
    let foreign: Vec<(&TitleId, TitleId)> = present(&gathered.installs)
        .filter(|package| package.title.as_str().contains(':'))
        .map(|package| (&package.title, TitleId::new(format!("{}/{}", manager.namespace(), package.name))))
        .collect();
    for (title, native) in foreign {
        let copies: Vec<Advisory> = all
            .iter()
            .filter(|advisory| advisory.title == native)
            .map(|advisory| Advisory { title: title.clone(), ..advisory.clone() })
            .collect();
        all.extend(copies);
    }
    all
}

/// When a release was published, as far as this machine can tell: the earlier of when a version was first seen here and the date of
/// its archive. (The dates of the vulnerabilities that it fixes say nothing: many are known, and exploited, years before their fix.)
fn first_seen(
    memory: &mut Memory,
    title: &TitleId,
    version: &Version,
    archive: Option<Timestamp>,
    now: Timestamp,
) -> Timestamp {
    let remembered = memory.published.get(title.as_str()).and_then(|versions| versions.get(version.as_str()));
    let published = [archive, remembered.copied()].into_iter().flatten().min().unwrap_or(now).min(now);
    memory.published.entry(title.as_str().to_owned()).or_default().insert(version.as_str().to_owned(), published);
    published
}

/// What is known of the machine, as facts.
fn describe(device: &mut Device, gathered: &Gathered, memory: &Memory) {
    let machine = &gathered.machine;
    device.enrolled = Some(memory.enrolled);
    device.timezone = machine.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
    let own = [
        ("id", Value::Text(device.id.as_str().into())),
        ("enrolled", Value::Time(memory.enrolled)),
        ("seen", Value::Time(device.seen)),
    ];
    for (name, value) in own {
        device.facts.set(FieldRef::device(name), value);
    }
    let fields = Fields::builtin();
    for (name, plain) in inventory::facts(machine) {
        let Ok(field) = name.parse::<FieldRef>() else { continue };
        if let Some(value) = fields.get(&field).and_then(|known| as_value(&plain, known.kind)) {
            device.facts.set(field, value);
        }
    }
}

/// Takes facts that were given by hand in the place of what the machine says itself.
fn given_facts(device: &mut Device, repository: &Repository, given: &[String]) -> Result<()> {
    for (field, value) in read_facts(repository, given)? {
        let known = device.facts.said(&field).first().map(|fact| fact.value.clone());
        if let Some(known) = known.filter(|known| *known != value && *known != Value::List(Vec::new())) {
            terminal::note(format_args!(
                "{} `--fact {field}` takes the place of what this machine says itself: {known}",
                terminal::paint(terminal::CHANGE, "warning:")
            ));
        }
        if let (true, Value::Text(name)) = (field == FieldRef::device("timezone"), &value) {
            device.timezone = TimeZone::get(name).ok();
        }
        device.facts.insert(field, Fact { value, source: None, observed: None });
    }
    Ok(())
}

/// Reads facts that were given by hand: `device.tags=canary,lab`. What can't be is refused, and so is what contradicts itself.
pub fn read_facts(repository: &Repository, given: &[String]) -> Result<Vec<(FieldRef, Value)>> {
    let mut facts: Vec<(FieldRef, Value, &str)> = Vec::new();
    for line in given {
        let (field, value) = read_fact(repository, line)?;
        let Some((_, known, before)) = facts.iter().find(|(known, ..)| *known == field) else {
            facts.push((field, value, line));
            continue;
        };
        if *known != value {
            let list = matches!(value, Value::List(_));
            let help = if list { ": write the values of a list with commas, in one `--fact`" } else { "" };
            return Err(Refused::usage(format!("`--fact {before}` and `--fact {line}` contradict each other{help}")));
        }
    }
    Ok(facts.into_iter().map(|(field, value, _)| (field, value)).collect())
}

fn read_fact(repository: &Repository, line: &str) -> Result<(FieldRef, Value)> {
    let wrong = |why: String| Refused::usage(format!("`--fact {line}`: {why}"));
    let Some((name, text)) = line.split_once('=') else {
        return Err(wrong("write a field and a value, such as `device.tags=canary,lab`".to_owned()));
    };
    let (name, text) = (name.trim(), text.trim());
    let Ok(field) = name.parse::<FieldRef>() else {
        return Err(wrong(format!("`{name}` is no field; fields are written `device.site` or `person.department`")));
    };
    if field.root == Root::Exposure {
        return Err(wrong("what is known of exposures comes from feeds".to_owned()));
    }
    let Some(known) = repository.fields.get(&field) else {
        let names: Vec<String> = repository.fields.iter().map(|field| field.name.to_string()).collect();
        let near = did_you_mean(name, names.iter().map(String::as_str));
        let help = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        return Err(wrong(format!("there is no field `{field}`{help}")));
    };
    let value = match known.kind {
        Kind::List => {
            Some(Value::List(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect()))
        }
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Int => text.parse().ok().map(Value::Int),
        Kind::Float => text.parse().ok().map(Value::Float),
        kind => Value::Text(text.into()).into_kind(kind).filter(|_| !text.is_empty()),
    };
    let Some(value) = value else {
        return Err(wrong(format!("`{field}` is {}", known.kind.described())));
    };
    let odd = match &value {
        Value::Text(text) => Some(text).filter(|text| !known.values.contains(*text)),
        Value::List(items) => items.iter().find(|item| !known.values.contains(*item)),
        _ => None,
    };
    if let Some(odd) = odd.filter(|_| known.closed) {
        let near = did_you_mean(odd, known.values.iter().map(SmolStr::as_str));
        let help = near.map_or_else(
            || format!("it is one of {}", known.values.join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(wrong(format!("`{field}` can't be `{odd}`; {help}")));
    }
    if field == FieldRef::device("timezone") && TimeZone::get(text).is_err() {
        return Err(wrong(format!("there is no time zone `{text}`; they are written like `Europe/Berlin`")));
    }
    Ok((field, value))
}

/// Lists that nobody has given are empty, because who sits here gives them; but for those for which refit.yaml names a source.
fn own_lists(device: &mut Device, repository: &Repository) {
    let lists = repository.fields.iter().filter(|field| field.kind == Kind::List && field.name.root == Root::Device);
    for field in lists {
        let sourced = repository.authority.order.get(&field.name).is_some_and(|sources| !sources.is_empty());
        if !sourced && device.facts.said(&field.name).is_empty() {
            device.facts.set(field.name.clone(), Value::List(Vec::new()));
        }
    }
}

/// Since when policies apply here: as remembered; what was never applied would begin now.
fn applied(world: &mut World, repository: &Repository, memory: &Memory, now: Timestamp) {
    for policy in
        repository.policies.iter().filter(|policy| policy.mode != Mode::Observe || !policy.deadline.is_empty())
    {
        let since = memory.policies.get(policy.name.as_str()).copied().unwrap_or(now);
        world.applied.policies.insert(policy.name.clone(), since);
        for entry in &policy.deadline {
            let known = memory.entries.get(policy.name.as_str()).and_then(|texts| texts.get(entry.text.as_str()));
            let since = known.copied().unwrap_or(now);
            world.applied.entries.insert((policy.name.clone(), entry.text.clone()), since);
        }
    }
}
