//! Rings that open, gates that answer, and releases that people halt, resume or expedite.

use super::super::{
    device_set::DeviceSet,
    event::{GateAnswered, ReleaseExpedited, RingOpened, SignalRead},
    input::{Outcome, Refusal},
    rollouts::{GateRecord, RolloutRecord, because},
    state::State,
};
use super::{
    catalogue::{readable, repository, scheme},
    operations::one,
};
use crate::{
    policy::{
        diagnostic::did_you_mean,
        document::{policy::Mode, test::GateAnswer},
        repository::{Policy, Repository},
    },
    rollout::{commands::about_release, snapshot_policy},
};
use jiff::{SignedDuration, Timestamp};
use refit_model::{DeviceId, TitleId, Version};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// How long a halt by a person lasts: a block in the policy repository is what lasts.
const HALT: SignedDuration = SignedDuration::from_hours(72);

/// The release that somebody speaks of.
pub(super) struct Named {
    pub title: TitleId,
    pub version: SmolStr,
    pub platform: Option<SmolStr>,
}

/// Opens a ring; without a platform on each on which devices have the title.
pub(super) fn open_ring(state: &State, opened: RingOpened) -> Result<Outcome, Refusal> {
    let parts = state.rollouts.parts(&opened.title, &opened.version);
    let has: Vec<DeviceSet> = parts.iter().map(|(title, _)| state.found.with_title(title)).collect();
    let has = DeviceSet::union(has.iter());
    let here = |platform: &&SmolStr| state.found.on_platform(platform).common(&has) > 0;
    let platforms: Vec<&SmolStr> = state.found.platforms().filter(here).collect();
    if opened.platform.is_some() || platforms.is_empty() {
        return open_ring_on(state, opened);
    }
    let mut outcome = Outcome::default();
    for platform in platforms {
        let opened = RingOpened { platform: Some(platform.clone()), ..opened.clone() };
        outcome.events.extend(open_ring_on(state, opened)?.events);
    }
    Ok(outcome)
}

fn open_ring_on(state: &State, opened: RingOpened) -> Result<Outcome, Refusal> {
    let repository = repository(state)?;
    let RingOpened { title, version, rollout, ring, platform, members, releases } = &opened;
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
    not_stopped(state)?;
    not_halted(state, title, version, platform)?;
    // What moves as one is fixed when it begins.
    let releases = record.map_or_else(|| releases.clone(), |record| record.releases.iter().cloned().collect());
    let snapshot = snapshot_policy(title);
    if let Some(policy) = snapshot.filter(|_| releases.is_empty()) {
        return Err(Refusal::Conflict(format!("no snapshot of `{policy}` is under way: it begins by itself")));
    }
    // Who belongs to the ring now stays in it; who comes later goes to the next, and who is only observed belongs to none.
    let members = members.clone().unwrap_or_else(|| {
        let inside = state.managed().filter(|device| {
            let keys = device.published.values().map(|published| &published.key);
            let mut ours = keys.filter(|key| match snapshot {
                Some(policy) => key.policy == policy,
                None => key.slot.title == *title,
            });
            ours.any(|key| {
                key.mode != Mode::Observe && key.rollout.as_ref() == Some(rollout) && key.ring.as_ref() == Some(ring)
            })
        });
        let inside: DeviceSet = inside.map(|device| device.index).collect();
        platform.map_or_else(|| inside.clone(), |platform| inside.both(&state.found.on_platform(platform)))
    });
    Ok(one(RingOpened { members: Some(members), releases, ..opened }))
}

/// Nobody opens a ring or lets anything pass while everything is stopped, whoever decided so before.
fn not_stopped(state: &State) -> Result<(), Refusal> {
    match &state.brake {
        Some((why, _)) => Err(Refusal::Stopped { why: why.clone() }),
        None => Ok(()),
    }
}

/// Nobody opens a ring of what is halted, by itself or with the snapshot that it moves with.
fn not_halted(state: &State, title: &TitleId, version: &str, platform: Option<&str>) -> Result<(), Refusal> {
    let mut halts = state.rollouts.halts_of(title, version);
    let Some((halted, halt)) = halts.find(|(_, halt)| halt.speaks_of(&halt.version, platform)) else { return Ok(()) };
    let (with, what) = match halted == *title {
        true => (String::new(), "it"),
        false => (format!(" with `{halted}` {}", halt.version), "that"),
    };
    let resume = about_release("resume", halted.as_str(), &halt.version, halt.platform.as_deref());
    Err(Refusal::Conflict(format!(
        "{title} {version} is halted{with} since {:.0}: `{resume}` lets {what} go on",
        halt.at
    )))
}

pub(super) fn answer_gate(state: &State, answered: GateAnswered, now: Timestamp) -> Result<Outcome, Refusal> {
    let gates = state.rollouts.answers(&answered.title).iter();
    let gives_way: Vec<&GateRecord> = gates.filter(|known| known.gives_way_to(&answered)).collect();
    let known = gives_way.first();
    let by_person = answered.verdict.is_none();
    let halt = gives_way.iter().find(|known| known.answer == GateAnswer::Halt);
    // A halt whose time is over is taken back as everything else is.
    let is_over = gives_way.iter().any(|known| known.until.is_some_and(|until| until <= now));
    // What halts a release goes by more than this gate, and only who resumes it excuses what came of it.
    if by_person
        && answered.answer != Some(GateAnswer::Halt)
        && let Some(halt) = halt.filter(|_| !is_over)
    {
        let (title, version, platform) = (&answered.title, &answered.version, halt.platform.as_deref());
        let on = platform.map_or_else(String::new, |platform| format!(" on {platform}"));
        return Err(Refusal::Conflict(format!(
            "{title} {version} is halted{on} since {:.0}: `{}` lets it go on",
            halt.at,
            about_release("resume", title.as_str(), version, platform)
        )));
    }
    // What was said can be taken back whatever the policy says by now.
    if answered.answer.is_none() && known.is_some() {
        return Ok(one(answered));
    }
    readable(state, &answered.title, &answered.version)?;
    let repository = repository(state)?;
    if by_person && answered.answer.is_some() {
        let GateAnswered { title, version, platform, .. } = &answered;
        let release = Named { title: title.clone(), version: version.clone(), platform: platform.clone() };
        release.known(state)?;
        let by_itself = state.rollouts.of(title).iter().any(|record| record.version == *version);
        if answered.answer != Some(GateAnswer::Halt)
            && !by_itself
            && let Some(snapshot) = moves_with(state, repository, &release)
        {
            return Err(Refusal::Conflict(format!("{title} {version} moves with {snapshot}: answer for that")));
        }
    }
    let named = |name: &SmolStr| answered.rollout.as_ref().is_none_or(|rollout| rollout == name);
    let mut rollouts = repository.rollouts.iter().filter(|(name, _)| named(name)).peekable();
    if let Some(rollout) = answered.rollout.as_ref().filter(|_| rollouts.peek().is_none()) {
        return Err(Refusal::Missing { what: "rollout", id: rollout.clone() });
    }
    if !rollouts.any(|(_, rollout)| rollout.rings.iter().any(|ring| ring.name == answered.after)) {
        return Err(Refusal::Missing { what: "ring", id: answered.after });
    }
    // What was found is said once, and again where it takes the place of what would end; what a person says again may have another end.
    let same = known.map(|known| known.answer) == answered.answer;
    let lasts = known.and_then(|known| known.until).is_some_and(|end| answered.until.is_none_or(|until| until > end));
    let again = same && (known.is_none() || (answered.verdict.is_some() && !lasts));
    if again {
        return Ok(Outcome::default());
    }
    if answered.answer == Some(GateAnswer::Pass) {
        not_stopped(state)?;
    }
    Ok(one(answered))
}

pub(super) fn halt(state: &State, release: Named, why: SmolStr, now: Timestamp) -> Result<Outcome, Refusal> {
    let repository = repository(state)?;
    release.known(state)?;
    let records =
        state.rollouts.of(&release.title).iter().filter(|record| release.is(&record.version, &record.platform));
    let last = records.filter_map(|record| record.open.last()).max_by_key(|open| open.at).map(|open| open.ring.clone());
    let first = || repository.rollouts.values().find_map(|rollout| rollout.rings.first()).map(|ring| ring.name.clone());
    let after = last
        .or_else(first)
        .ok_or_else(|| Refusal::Conflict("the policy has no rollouts: block the release in it".into()))?;
    let Named { title, version, platform } = release;
    let mut halt = GateAnswered {
        title,
        version,
        rollout: None,
        after,
        platform,
        answer: Some(GateAnswer::Halt),
        until: now.checked_add(HALT).ok(),
        verdict: None,
        evidence: None,
        why: Some(why),
    };
    // What was halted for good stays so: a person adds the reason, and no end.
    let gates = state.rollouts.answers(&halt.title).iter();
    let mut lasting = gates.filter(|known| known.answer == GateAnswer::Halt && known.until.is_none());
    if let Some(known) = lasting.find(|known| known.gives_way_to(&halt)) {
        (halt.until, halt.rollout) = (None, known.rollout.clone());
        (halt.verdict, halt.evidence) = (known.verdict.clone(), known.evidence.clone());
    }
    Ok(one(halt))
}

pub(super) fn resume(state: &State, release: Named, why: &SmolStr) -> Result<Outcome, Refusal> {
    let Named { title, version, platform } = &release;
    let halts = |gate: &&GateRecord| gate.answer == GateAnswer::Halt && release.is(&gate.version, &gate.platform);
    let halted: Vec<&GateRecord> = state.rollouts.answers(title).iter().filter(halts).collect();
    // What is halted on every platform goes on on none of them, whatever else is lifted there.
    if let Some(platform) = platform
        && let Some(halt) = state
            .rollouts
            .answers(title)
            .iter()
            .find(|gate| gate.answer == GateAnswer::Halt && gate.version == *version && gate.platform.is_none())
    {
        return Err(Refusal::Conflict(format!(
            "{title} {version} is halted on every platform since {:.0} ({}): `{}` lets it go on, on {platform} and everywhere else",
            halt.at,
            because(halt),
            about_release("resume", title.as_str(), version, None)
        )));
    }
    if halted.is_empty() {
        release.known(state)?;
        let on = platform.as_ref().map_or_else(String::new, |platform| format!(" on {platform}"));
        let with = state
            .rollouts
            .halts_of(title, version)
            .find(|(_, halt)| platform.is_none() || halt.platform.is_none() || halt.platform == *platform);
        return Err(Refusal::Conflict(match with {
            None => format!("{title} {version} is not halted{on}"),
            Some((snapshot, halt)) => format!(
                "{title} {version} is halted with `{snapshot}` {} since {:.0}: `{}` lets that go on",
                halt.version,
                halt.at,
                about_release("resume", snapshot.as_str(), &halt.version, halt.platform.as_deref())
            ),
        }));
    }
    let events = halted.into_iter().map(|gate| {
        let event = GateAnswered {
            title: release.title.clone(),
            version: gate.version.clone(),
            rollout: gate.rollout.clone(),
            after: gate.after.clone(),
            platform: gate.platform.clone(),
            answer: None,
            until: None,
            verdict: None,
            evidence: None,
            why: Some(why.clone()),
        };
        event.into()
    });
    Ok(Outcome { events: events.collect(), ..Outcome::default() })
}

pub(super) fn expedite(state: &State, release: ReleaseExpedited) -> Result<Outcome, Refusal> {
    not_stopped(state)?;
    let repository = repository(state)?;
    let ReleaseExpedited { title, version, platform, .. } = &release;
    let named = Named { title: title.clone(), version: version.clone(), platform: platform.clone() };
    named.known(state)?;
    if let Some(snapshot) = moves_with(state, repository, &named) {
        return Err(Refusal::Conflict(format!(
            "{title} {version} moves with {snapshot}: expedite that, or name a rollout in an entry of the policy's `deadline`, \
             which takes it along by itself"
        )));
    }
    // A person's word that it is not clear comes before everything but a halt: nobody is to overrule it without knowing.
    if let Some(gate) = kept_waiting(state, repository, &named) {
        let why = gate.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        return Err(Refusal::Conflict(format!(
            "{title} {version} would wait all the same, because a person said at {:.0} that it is not clear after ring {}{why}. `{}` takes \
             that back",
            gate.at,
            gate.after,
            gate.named(title).back()
        )));
    }
    let known = state.rollouts.is_expedited(title, version, platform.as_deref());
    Ok(if known { Outcome::default() } else { one(release) })
}

/// The snapshot that a release moves with, in words: the one that has begun, or the next one of a policy that takes snapshots of it. Where
/// some devices are given it by itself, it has a way of its own, and none.
fn moves_with(state: &State, repository: &Repository, release: &Named) -> Option<String> {
    let Named { title, version, .. } = release;
    let begun = state.rollouts.trial(title, version).and_then(|trial| trial.snapshots.last().cloned());
    begun.map(|(snapshot, of)| format!("`{snapshot}` {of}")).or_else(|| {
        let policy = next_snapshot_of(state, repository, release)?;
        Some(format!("the next snapshot of `{}`, which has not begun", policy.name))
    })
}

/// The policy with whose next snapshot a release moves, by what decides on all devices that have its title.
fn next_snapshot_of<'s>(state: &State, repository: &'s Repository, release: &Named) -> Option<&'s Policy> {
    let Named { title, version, platform } = release;
    if state.rollouts.of(title).iter().any(|record| record.version == *version) {
        return None;
    }
    let has = state.found.with_title(title);
    let here = platform.as_ref().map_or_else(|| has.clone(), |platform| has.both(&state.found.on_platform(platform)));
    let devices = state.managed().filter(|device| here.contains(device.index));
    let keys = devices.flat_map(|device| device.published.values().map(|published| &published.key));
    // What goes by no rollout waits for none.
    let keys = keys.filter(|key| key.slot.title == *title && key.mode != Mode::Observe && key.rollout.is_some());
    let mut policies = keys.map(|key| {
        let policy = repository.policy(&key.policy)?;
        // Whom an entry of the deadline has brought into another rollout waits for no snapshot.
        let waits = policy.snapshot_every.is_some_and(|every| every.is_positive()) && key.rollout == policy.rollout;
        waits.then_some(policy)
    });
    let first = policies.next()??;
    policies.all(|other| other.is_some()).then_some(first)
}

/// The answer by which a person keeps a release waiting on its way, or will where it has not begun.
fn kept_waiting<'s>(state: &'s State, repository: &Repository, release: &Named) -> Option<&'s GateRecord> {
    let Named { title, version, platform } = release;
    let rollouts = &state.rollouts;
    let waits = |gate: &&GateRecord| gate.answer == GateAnswer::Inconclusive;
    let here = |on: &Option<SmolStr>| platform.is_none() || on.is_none() || on == platform;
    let records = rollouts.of(title).iter().filter(|record| record.version == *version && here(&record.platform));
    let begun: Vec<&RolloutRecord> = records.collect();
    if begun.is_empty() {
        let mut gates = rollouts.answers(title).iter().filter(waits);
        return gates.find(|gate| gate.version == *version && here(&gate.platform));
    }
    begun.into_iter().find_map(|record| {
        let rollout = repository.rollouts.get(&record.rollout)?;
        let (_, furthest) = record.furthest(rollout)?;
        // Nothing waits for the gate after the last ring.
        let (_, before_last) = rollout.rings.split_last()?;
        let mut ahead = before_last.iter().skip_while(|ring| ring.name != furthest.name);
        ahead.find_map(|ring| {
            let gate = (record.rollout.as_str(), ring.name.as_str());
            rollouts.answer(title, version, record.platform.as_deref(), gate).filter(waits)
        })
    })
}

/// What a monitoring system says counts where a gate listens to it, of devices that are managed.
pub(super) fn signal(
    state: &State,
    source: SmolStr,
    signal: SmolStr,
    at: Timestamp,
    whole: bool,
    devices: &BTreeMap<DeviceId, bool>,
) -> Result<Outcome, Refusal> {
    let listened = repository(state)?.listened();
    if !listened.contains(&(source.as_str(), signal.as_str())) {
        let known: Vec<String> = listened.iter().map(|(source, name)| format!("`{name}` from `{source}`")).collect();
        let near = did_you_mean(&signal, listened.iter().filter(|(from, _)| *from == source).map(|(_, name)| *name));
        return Err(Refusal::Invalid(match near {
            Some(near) => format!("no gate listens to signal `{signal}` from `{source}`: did you mean `{near}`?"),
            None if known.is_empty() => "no gate of a rollout listens to any signal: add `signals:` to a gate".into(),
            None => {
                format!("no gate listens to signal `{signal}` from `{source}`: they listen to {}", known.join(", "))
            }
        }));
    }
    let (mut bad, mut fine) = (DeviceSet::default(), DeviceSet::default());
    for (id, is_bad) in devices {
        let Some(device) = state.device(id) else {
            return Err(Refusal::Missing { what: "device", id: id.as_str().into() });
        };
        if *is_bad { bad.insert(device.index) } else { fine.insert(device.index) }
    }
    if devices.is_empty() && !whole {
        return Ok(Outcome::default());
    }
    Ok(one(SignalRead { source, signal, at, whole, bad, fine }))
}

/// How many releases are named where the one that is meant is not there.
const NEWEST: usize = 5;

impl Named {
    /// Refuses what nobody has heard of: whoever stops a release in a hurry has to be told of a slip.
    fn known(&self, state: &State) -> Result<(), Refusal> {
        let Named { title, version, platform } = self;
        let read = readable(state, title, version);
        let published = state.releases.get(title).into_iter().flat_map(|list| list.iter()).map(|entry| &entry.version);
        let offered = state.first_offered.get(title).into_iter().flat_map(|versions| versions.keys());
        let begun = state.rollouts.of(title).iter().map(|record| &record.version);
        let versions: BTreeSet<&SmolStr> = published.chain(offered).chain(begun).collect();
        if versions.is_empty() {
            if let Some(policy) = snapshot_policy(title) {
                return Err(Refusal::Invalid(format!(
                    "no snapshot of `{policy}` is under way: `refit rollouts` shows those that are"
                )));
            }
            let named = state.policy.iter().flat_map(|policy| policy.repository.titles.keys());
            let titles: Vec<&str> =
                state.releases.keys().chain(state.first_offered.keys()).chain(named).map(TitleId::as_str).collect();
            let is_title = titles.contains(&title.as_str()) || !state.found.with_title(title).is_empty();
            return Err(Refusal::Invalid(match did_you_mean(title.as_str(), titles.iter().copied()) {
                _ if is_title => format!("no release of {title} is known"),
                Some(like) => format!("there is no title `{title}`: did you mean `{like}`?"),
                None => format!("there is no title `{title}`"),
            }));
        }
        read?;
        if !versions.contains(version) {
            let parsed = versions.iter().filter_map(|version| Version::parse(scheme(state, title), version).ok());
            let mut newest: Vec<Version> = parsed.collect();
            newest.sort_by(|a, b| b.cmp(a));
            let newest: Vec<&str> = newest.iter().take(NEWEST).map(Version::as_str).collect();
            let newest = newest.join(", ");
            return Err(Refusal::Invalid(format!(
                "there is no release `{version}` of {title}: the newest are {newest}"
            )));
        }
        if let Some(platform) = platform
            && !state.found.platforms().any(|known| known == platform)
        {
            let known: Vec<&str> = state.found.platforms().map(SmolStr::as_str).collect();
            let known = known.join(", ");
            return Err(Refusal::Invalid(format!("no device is on platform `{platform}`: there are {known}")));
        }
        Ok(())
    }

    /// Whether it is meant; without a platform every platform is.
    fn is(&self, version: &SmolStr, platform: &Option<SmolStr>) -> bool {
        self.version == *version && (self.platform.is_none() || self.platform == *platform)
    }
}
