//! Groups as people ask for them.

use super::silent_since;
use crate::{
    control::{document::SILENT_AFTER, state::State},
    rollout::disruption::{Group, Holder, Lease, Leases as _, Phase},
};
use jiff::Timestamp;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// A group, and who of it is away.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupStatus {
    /// The group.
    pub group: Group,
    /// How many devices belong to it.
    pub devices: u64,
    /// How many may be away at a time by the strictest policy; `None` is all but one.
    pub most: Option<u32>,
    /// Those who are.
    pub away: Vec<MemberStatus>,
}

/// Somebody who is away.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberStatus {
    /// Who.
    pub who: Holder,
    /// Since when.
    pub since: Timestamp,
    /// How far its session is; `silent` where it has none.
    pub is: &'static str,
    /// When that is over at the earliest, where that is known.
    pub until: Option<Timestamp>,
    /// The webhooks that have to agree first.
    pub hooks: BTreeSet<SmolStr>,
    /// What keeps it from being over, in words.
    pub because: Option<String>,
}

/// All groups that policies name, and persons of whose devices one has a lease, sorted.
pub fn groups(state: &State, now: Timestamp) -> Vec<GroupStatus> {
    let grouping = state.grouping();
    let said = state.leases.groups().into_iter().map(|group| {
        let terms = grouping.get(group.field.as_str()).into_iter().flatten();
        let strictest = terms.clone().map(|terms| terms.max_unavailable).min();
        let silent_after = terms.filter_map(|terms| terms.silent_after).map(|after| after.0).min();
        let members = match group.is_of_a_person() {
            true => state.found.of_person(&group.value.as_str().into()).both(&state.found.managed()),
            false => state.leases.members(group),
        };
        let mut away: Vec<MemberStatus> =
            state.leases.of_group(group).map(|(who, lease)| member(state, who, lease)).collect();
        for record in members.iter().filter_map(|index| state.at_index(index)) {
            let who = Holder::Device(record.id.clone());
            let counts = state.agents.devices.contains_key(&record.id) && !group.is_of_a_person();
            let since = silent_since(state, record, silent_after.unwrap_or(SILENT_AFTER), now).filter(|_| counts);
            if let Some(since) = since.filter(|_| away.iter().all(|away| away.who != who)) {
                let (until, hooks, because) = Default::default();
                away.push(MemberStatus { who, since, is: "silent", until, hooks, because });
            }
        }
        away.sort_by(|a, b| (a.since, &a.who).cmp(&(b.since, &b.who)));
        GroupStatus { group: group.clone(), devices: members.len(), most: strictest, away }
    });
    said.collect()
}

fn member(state: &State, who: &Holder, lease: &Lease) -> MemberStatus {
    let until = match &lease.phase {
        Phase::Settling { until } | Phase::Withdrawn { until, .. } => Some(*until),
        Phase::Draining { .. } | Phase::Session | Phase::Checking { .. } => None,
    };
    MemberStatus {
        who: who.clone(),
        since: lease.since,
        is: lease.phase.word(),
        until,
        hooks: lease.asks().map(|(_, yet)| yet.clone()).unwrap_or_default(),
        because: state.stuck(who),
    }
}
