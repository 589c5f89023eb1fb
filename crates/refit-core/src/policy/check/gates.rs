//! Gates: what each needs to pass, beside the size of its ring; and those that can't pass (docs/reference/rules.md, rule 9).

use super::{
    CheckWorld, measures, rings,
    subject::{Subject, counted, length},
};
use crate::{
    policy::{
        diagnostic::{Diagnostic, Place},
        document::scalars::Share,
        repository::{Gate, Repository, Ring, Rollout},
    },
    rollout::{Measure, Proof, control_needed, results_needed},
    steps,
};
use jiff::SignedDuration;
use serde::Serialize;
use smol_str::SmolStr;
use std::collections::BTreeSet;

/// What the gate after one ring needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateNeeds {
    /// The rollout.
    pub rollout: SmolStr,
    /// The ring.
    pub ring: SmolStr,
    /// The gate.
    pub gate: SmolStr,
    /// How long the ring has to soak, at least.
    #[serde(serialize_with = "as_written")]
    pub soak: SignedDuration,
    /// How long it takes at the least: as long as it soaks, and as silence takes to show where the gate asks for that.
    #[serde(serialize_with = "as_written")]
    pub takes: SignedDuration,
    /// How many results without a failure make the gate sure; `None` where no number does.
    pub results: Option<u64>,
    /// How many results without a failure are `enough` of this ring; `None` where `enough` is not set or the size not known.
    pub enough: Option<u64>,
    /// The devices in the ring.
    pub size: RingSize,
    /// What halts by each measure, where all devices of the ring are bad; of a ring whose size is not known, the fewest devices
    /// that can prove anything.
    pub measures: Vec<MeasureNeeds>,
}

/// What it takes to halt by a measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasureNeeds {
    /// What is measured.
    pub measure: Measure,
    /// Bad devices that have the release, and good ones that it has not reached; `None` where nothing is proof enough.
    pub proof: Option<Proof>,
}

/// How many devices are in a ring.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RingSize {
    /// Somebody has counted them.
    Counted(u64),
    /// So many at most: the ring takes a share of the devices that a policy concerns, or those of them that match.
    AtMost(u64),
    /// Nobody has said.
    Unknown,
}

impl RingSize {
    /// The number that it can't exceed; `None` where nobody has said.
    pub fn most(self) -> Option<u64> {
        match self {
            RingSize::Counted(size) | RingSize::AtMost(size) => Some(size),
            RingSize::Unknown => None,
        }
    }
}

/// What every gate of a repository needs, ring by ring, in the order of the rollouts' names. The last ring of a rollout has no
/// gate after it.
pub fn gate_needs(repository: &Repository, world: &CheckWorld) -> Vec<GateNeeds> {
    let mut needs = Vec::new();
    for rollout in repository.rollouts.values() {
        let Some(gate) = &rollout.gate else { continue };
        let results = results_needed(gate);
        for (index, ring) in rollout.rings.iter().enumerate().take(rollout.rings.len().saturating_sub(1)) {
            let size = size(rollout, index, ring, world);
            let enough = size.most().zip(gate.enough).map(|(size, share)| reports(share, size));
            let known = size.most().filter(|_| is_known(ring, size));
            let proof = |(measure, permitted)| MeasureNeeds { measure, proof: control_needed(gate, permitted, known) };
            needs.push(GateNeeds {
                rollout: rollout.name.clone(),
                ring: ring.name.clone(),
                gate: gate.name.clone(),
                soak: ring.soak,
                takes: gate.takes(ring.soak),
                results,
                enough,
                size,
                measures: gate.measures().map(proof).collect(),
            });
        }
    }
    needs
}

/// Whether a ring has about so many devices, and not only so many at the most.
pub(super) fn is_known(ring: &Ring, size: RingSize) -> bool {
    match size {
        RingSize::Counted(_) => true,
        RingSize::AtMost(_) => ring.share.is_some() && ring.condition.is_none(),
        RingSize::Unknown => false,
    }
}

fn as_written<S: serde::Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&length(*duration))
}

/// The least number of reports that is at least a share of a ring, and at least one.
fn reports(share: f64, size: u64) -> u64 {
    // Without the tiny part, 90% of 10 would be 10 in binary.
    ((share * size as f64 - 1e-9).ceil() as u64).max(1)
}

fn size(rollout: &Rollout, index: usize, ring: &Ring, world: &CheckWorld) -> RingSize {
    if let Some(size) = world.rings.get(&(rollout.name.clone(), ring.name.clone())) {
        return RingSize::Counted(*size);
    }
    let Some(devices) = world.devices.filter(|devices| *devices > 0) else { return RingSize::Unknown };
    let part = |share: f64| RingSize::AtMost((share * devices as f64).round() as u64);
    let before = rollout.rings.get(..index).unwrap_or_default();
    match ring.share {
        Some(share) => part(share.0),
        None => {
            // What rings without a condition have cut away is not left for this one.
            let cut = before.iter().filter(|ring| ring.condition.is_none()).filter_map(|ring| ring.share);
            part((1.0 - cut.map(|share| share.0).sum::<f64>()).max(0.0))
        }
    }
}

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut judged = BTreeSet::new();
    for rollout in subject.repository.rollouts.values() {
        let Some(gate) = &rollout.gate else { continue };
        if rollout.rings.len() > 1 && judged.insert(&gate.name) {
            found.extend(judge_gate(subject, gate));
        }
    }
    let needs = gate_needs(subject.repository, subject.world);
    for (name, rollout) in &subject.repository.rollouts {
        let Some(gate) = &rollout.gate else { continue };
        let own: Vec<&GateNeeds> = needs.iter().filter(|needs| needs.rollout == *name).collect();
        for needs in &own {
            if let Some(ring) = rollout.rings.iter().find(|ring| ring.name == needs.ring)
                && let Some(place) = rings::place(subject, name, ring, None)
            {
                found.extend(judge_ring(gate, ring, needs, subject.world, place));
            }
        }
        found.extend(tell(subject, rollout, gate, &own));
    }
}

/// What is wrong with a gate whatever its ring.
fn judge_gate(subject: &Subject<'_>, gate: &Gate) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let Some(organization) = subject.organization else { return found };
    let at = |key: &str| organization.place(steps!["gates", gate.name.as_str(), key]);
    let none = results_needed(gate).is_none();
    if none && gate.enough.is_none() {
        let (key, why) = if gate.failure_rate <= 0.0 {
            ("failure_rate", "no number of results proves that nothing ever fails")
        } else {
            ("confidence", "no number of results makes anybody that sure")
        };
        found.push(
            Diagnostic::error("policy/gate-never-passes", "gate that can't pass")
                .at(at(key))
                .label(why)
                .with_help("add `enough: 90%`, which lets it pass when so much of a ring has reported and none failed"),
        );
    }
    if gate.confidence >= 1.0 || gate.failure_rate >= 1.0 {
        let key = if gate.confidence >= 1.0 { "confidence" } else { "failure_rate" };
        found.push(
            Diagnostic::error("policy/gate-never-halts", "gate that can't halt")
                .at(at(key))
                .label("no number of failures would be proof enough")
                .with_help("usual are `failure_rate: 2%` and `confidence: 95%`"),
        );
    }
    found
}

/// What is wrong with a gate after a ring of this size.
fn judge_ring(gate: &Gate, ring: &Ring, needs: &GateNeeds, world: &CheckWorld, place: Place) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let at_most = if matches!(needs.size, RingSize::AtMost(_)) { "at most " } else { "" };
    let all = world.devices.map_or_else(String::new, |devices| format!(" of {devices}"));
    match (needs.size.most(), gate.enough, needs.results) {
        (Some(0), _, _) => found.push(
            Diagnostic::error("policy/gate-never-passes", "gate that can't pass")
                .at(place.clone())
                .label(format!("the ring is empty: {} is less than one device", share_of(ring, world)))
                .with_help("make the share larger, or name the devices with `where`"),
        ),
        (Some(size), None, Some(results)) if size < results => found.push(
            Diagnostic::error("policy/gate-never-passes", "gate that can't pass")
                .at(place.clone())
                .label(format!(
                    "gate `{}` needs {} without a failure; the ring has {at_most}{size}{all} devices",
                    gate.name,
                    counted(results, "result"),
                ))
                .with_note(format!(
                    "so many it takes to be {} sure of less than {} failures, however large the ring",
                    Share(gate.confidence),
                    Share(gate.failure_rate)
                ))
                .with_help("add `enough: 90%` to the gate, which lets small rings pass when none failed"),
        ),
        _ => {}
    }
    if let Some(patience) = gate.patience.filter(|patience| *patience < needs.takes) {
        let (takes, longer) = match needs.takes > ring.soak {
            true => ("takes", "`silent_after`"),
            false => ("soaks", "the soak"),
        };
        found.push(
            Diagnostic::warning("policy/patience-before-soak", "patience that ends before the ring has soaked")
                .at(place)
                .label(format!(
                    "{takes} {}, and gate `{}` asks a person after {}",
                    length(needs.takes),
                    gate.name,
                    length(patience)
                ))
                .with_help(format!("make the gate's `patience` longer than {longer}, or somebody is asked every time")),
        );
    }
    found
}

fn share_of(ring: &Ring, world: &CheckWorld) -> String {
    match (ring.share, world.devices) {
        (Some(share), Some(devices)) => format!("{share} of {}", counted(devices, "device")),
        _ => "it".to_owned(),
    }
}

/// What the gates of one rollout need: a note, for whoever wonders when the next ring opens.
fn tell(subject: &Subject<'_>, rollout: &Rollout, gate: &Gate, needs: &[&GateNeeds]) -> Option<Diagnostic> {
    let organization = subject.organization?;
    let (first, _) = needs.split_first()?;
    let by_results = first.results.map(|results| format!("after {} without a failure", counted(results, "result")));
    let by_enough =
        gate.enough.map(|enough| format!("when {} of the ring have reported and none failed", Share(enough)));
    let ways: Vec<String> = by_results.into_iter().chain(by_enough).collect();
    if ways.is_empty() {
        return None;
    }
    let mut diagnostic = Diagnostic::note("policy/gate-needs", "what the gates of this rollout need")
        .at(organization.key_place(steps!["rollouts", rollout.name.as_str()]))
        .label(format!("gate `{}` passes {}", gate.name, ways.join(", or ")));
    for needs in needs {
        let ring = rollout.rings.iter().find(|ring| ring.name == needs.ring)?;
        diagnostic = diagnostic.with_note(format!("{}: {}", ring.name, tell_ring(gate, ring, needs)));
    }
    if subject.world.devices.is_some() && subject.world.platforms.is_empty() {
        diagnostic = diagnostic.with_note(
            "these are the devices of all platforms, and each goes through rings of its own: `--world FILE` counts them",
        );
    }
    for said in measures::tell(gate, rollout, needs, subject.world.devices) {
        diagnostic = diagnostic.with_note(said);
    }
    // What is written can be read.
    if gate.patience.is_none() {
        let longer = length(Gate::patience_after(Some(gate), SignedDuration::ZERO));
        diagnostic = diagnostic.with_note(format!(
            "a gate that has not answered {longer} after its ring could have soaked asks a person; `patience` says otherwise"
        ));
    }
    Some(diagnostic)
}

fn tell_ring(gate: &Gate, ring: &Ring, needs: &GateNeeds) -> String {
    let size = match needs.size {
        RingSize::Counted(size) => counted(size, "device"),
        RingSize::AtMost(size) => format!("at most {size}"),
        RingSize::Unknown => String::new(),
    };
    let who = match (ring.share, &ring.condition) {
        (Some(share), None) => format!("{share} of the devices"),
        (Some(share), Some(_)) => format!("{share} of the devices, as far as they match"),
        (None, Some(_)) => "the devices that match".to_owned(),
        (None, None) => "everybody who is left".to_owned(),
    };
    let who = if size.is_empty() { who } else { format!("{who}, {size}") };
    let up_to = if matches!(needs.size, RingSize::AtMost(_)) { "up to " } else { "" };
    let by_enough = |reports: u64| format!("{up_to}{} without a failure", counted(reports, "result"));
    let how = match (needs.enough, needs.results, needs.size.most()) {
        (Some(enough), Some(results), Some(_)) if enough <= results => by_enough(enough),
        (_, Some(results), Some(size)) if results <= size => {
            format!("{} without a failure", counted(results, "result"))
        }
        (Some(enough), _, Some(_)) => by_enough(enough),
        (_, None, None) => "it goes by `enough`, whatever their number".to_owned(),
        (_, Some(results), None) => match (ring.share, gate.enough) {
            (Some(share), Some(enough)) if share.0 * enough > 0.0 => format!(
                "it goes by `enough` in a fleet below {} devices, by {results} results above",
                (results as f64 / (share.0 * enough)).ceil()
            ),
            (_, Some(enough)) => format!(
                "it goes by `enough` below {} devices, by {results} results above",
                (results as f64 / enough.max(0.01)).ceil()
            ),
            (_, None) => format!("it needs at least {}", counted(results, "device")),
        },
        _ => return format!("{who}; it can't pass"),
    };
    let soak = match (needs.takes > ring.soak, ring.soak.is_zero()) {
        (true, _) => format!(", {} after the changes", length(needs.takes)),
        (false, true) => String::new(),
        (false, false) => format!(", {} after the first result", length(ring.soak)),
    };
    format!("{who}; {how}{soak}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::check::trial::{found, found_with};
    use insta::assert_snapshot;

    const CODES: &[&str] =
        &["policy/gate-never-passes", "policy/gate-never-halts", "policy/patience-before-soak", "policy/gate-needs"];

    fn rollout(gate: &str) -> String {
        format!(
            r#"
organization: acme
rollouts:
  standard:
    gate: default
    rings:
      - {{ name: canary, where: person.department == "IT", soak: 1d }}
      - {{ name: early, share: 10%, soak: 2d }}
      - {{ name: broad, share: 50%, soak: 2d }}
      - {{ name: rest }}
gates:
  default: {gate}
"#
        )
    }

    #[test]
    fn a_company_of_thirty_devices_works() {
        assert_snapshot!(found_with(CODES, 30, &rollout("{ failure_rate: 2%, confidence: 95%, enough: 90% }")), @r#"
note[policy/gate-needs]: what the gates of this rollout need
  policy.yaml:4:3
      standard:
      ^^^^^^^^ gate `default` passes after 320 results without a failure, or when 90% of the ring have reported and none failed
  note: canary: the devices that match, at most 30; up to 27 results without a failure, 1d after the first result
  note: early: 10% of the devices, at most 3; up to 3 results without a failure, 2d after the first result
  note: broad: 50% of the devices, at most 15; up to 14 results without a failure, 2d after the first result
  note: these are the devices of all platforms, and each goes through rings of its own: `--world FILE` counts them
  note: a gate that has not answered 7d after its ring could have soaked asks a person; `patience` says otherwise
"#);
    }

    #[test]
    fn measures_need_time_words_and_others() {
        let gate = "{ enough: 90%, silence: 1%, reports: 1%, signals: [{ name: crashes, from: prometheus, no_worse_than: control }] }";
        let sources = "---\nsource: prometheus\nconnector: prometheus\nsignals:\n  crashes: { query: 'crashes > bool 0', device: instance }\n";
        let shown = |devices, soak: &str| {
            let text = rollout(gate).replace("share: 10%, soak: 2d", &format!("share: 10%, soak: {soak}"));
            found_with(CODES, devices, &(text + sources))
        };
        assert_snapshot!(shown(30, "2h"), @r#"
note[policy/gate-needs]: what the gates of this rollout need
  policy.yaml:4:3
      standard:
      ^^^^^^^^ gate `default` passes after 320 results without a failure, or when 90% of the ring have reported and none failed
  note: canary: the devices that match, at most 30; up to 27 results without a failure, 1d after the first result
  note: early: 10% of the devices, at most 3; up to 3 results without a failure, 1d after the changes
  note: broad: 50% of the devices, at most 15; up to 14 results without a failure, 2d after the first result
  note: these are the devices of all platforms, and each goes through rings of its own: `--world FILE` counts them
  note: `silence`: as many devices as have to report have to be seen 1d (`silent_after`) after the change, so no ring takes less
  note: `crashes`: as many devices as have to report have to be spoken of after the change
  note: to halt by `silence` or `reports` takes devices of the platform that have the title and not the release, none of them bad; where all that have it are bad: early takes 54 and there are at most 27, so that it asks a person, broad takes 7, 2 devices take 169, and more take fewer
  note: to halt by `crashes` takes devices of the platform that have the title and not the release, none of them bad; where all that have it are bad: early takes 50 and there are at most 27, so that it asks a person, broad takes 7, 1 device takes 2206, and more take fewer
  note: a gate that has not answered 7d after its ring could have soaked asks a person; `patience` says otherwise
"#);
        assert_snapshot!(shown(3_000, "2d"), @r#"
note[policy/gate-needs]: what the gates of this rollout need
  policy.yaml:4:3
      standard:
      ^^^^^^^^ gate `default` passes after 320 results without a failure, or when 90% of the ring have reported and none failed
  note: canary: the devices that match, at most 3000; 320 results without a failure, 1d after the first result
  note: early: 10% of the devices, at most 300; up to 270 results without a failure, 2d after the first result
  note: broad: 50% of the devices, at most 1500; 320 results without a failure, 2d after the first result
  note: these are the devices of all platforms, and each goes through rings of its own: `--world FILE` counts them
  note: `silence`: as many devices as have to report have to be seen 1d (`silent_after`) after the change, so no ring takes less
  note: `crashes`: as many devices as have to report have to be spoken of after the change
  note: to halt by `silence` or `reports` takes devices of the platform that have the title and not the release, none of them bad; where all that have it are bad: early takes 2, broad takes 2, 2 devices take 169, and more take fewer
  note: to halt by `crashes` takes devices of the platform that have the title and not the release, none of them bad; where all that have it are bad: early takes 2, broad takes 2, 1 device takes 2206, and more take fewer
  note: a gate that has not answered 7d after its ring could have soaked asks a person; `patience` says otherwise
"#);
        assert_snapshot!(found(CODES, &rollout("{ silence: 1%, silent_after: 3d, patience: 60h }")), @r#"
note[policy/gate-needs]: what the gates of this rollout need
  policy.yaml:4:3
      standard:
      ^^^^^^^^ gate `default` passes after 320 results without a failure
  note: canary: the devices that match; it needs at least 320 devices, 3d after the changes
  note: early: 10% of the devices; it needs at least 320 devices, 3d after the changes
  note: broad: 50% of the devices; it needs at least 320 devices, 3d after the changes
  note: `silence`: as many devices as have to report have to be seen 3d (`silent_after`) after the change, so no ring takes less
  note: to halt by `silence` takes devices of the platform that have the title and not the release, none of them bad; where all that have it are bad: 1 device takes 3323, and more take fewer

warning[policy/patience-before-soak]: patience that ends before the ring has soaked
  policy.yaml:7:17
          - { name: canary, where: person.department == "IT", soak: 1d }
                    ^^^^^^ takes 3d, and gate `default` asks a person after 2d12h
  help: make the gate's `patience` longer than `silent_after`, or somebody is asked every time

warning[policy/patience-before-soak]: patience that ends before the ring has soaked
  policy.yaml:8:17
          - { name: early, share: 10%, soak: 2d }
                    ^^^^^ takes 3d, and gate `default` asks a person after 2d12h
  help: make the gate's `patience` longer than `silent_after`, or somebody is asked every time

warning[policy/patience-before-soak]: patience that ends before the ring has soaked
  policy.yaml:9:17
          - { name: broad, share: 50%, soak: 2d }
                    ^^^^^ takes 3d, and gate `default` asks a person after 2d12h
  help: make the gate's `patience` longer than `silent_after`, or somebody is asked every time
"#);
    }

    #[test]
    fn without_enough_a_small_ring_can_not_pass() {
        assert_snapshot!(found_with(CODES, 1000, &rollout("{ failure_rate: 2%, confidence: 95% }")), @r#"
note[policy/gate-needs]: what the gates of this rollout need
  policy.yaml:4:3
      standard:
      ^^^^^^^^ gate `default` passes after 320 results without a failure
  note: canary: the devices that match, at most 1000; 320 results without a failure, 1d after the first result
  note: early: 10% of the devices, at most 100; it can't pass
  note: broad: 50% of the devices, at most 500; 320 results without a failure, 2d after the first result
  note: these are the devices of all platforms, and each goes through rings of its own: `--world FILE` counts them
  note: a gate that has not answered 7d after its ring could have soaked asks a person; `patience` says otherwise

error[policy/gate-never-passes]: gate that can't pass
  policy.yaml:8:17
          - { name: early, share: 10%, soak: 2d }
                    ^^^^^ gate `default` needs 320 results without a failure; the ring has at most 100 of 1000 devices
  note: so many it takes to be 95% sure of less than 2% failures, however large the ring
  help: add `enough: 90%` to the gate, which lets small rings pass when none failed
"#);
    }

    #[test]
    fn a_large_fleet_passes_by_its_number_of_results() {
        let shown = found_with(CODES, 100_000, &rollout("{ failure_rate: 2%, confidence: 95% }"));
        assert!(!shown.contains("error"), "{shown}");
    }

    #[test]
    fn without_a_number_of_devices_it_says_what_is_needed() {
        assert_snapshot!(found(CODES, &rollout("{ failure_rate: 2%, confidence: 95%, enough: 90%, patience: 7d }")), @r#"
note[policy/gate-needs]: what the gates of this rollout need
  policy.yaml:4:3
      standard:
      ^^^^^^^^ gate `default` passes after 320 results without a failure, or when 90% of the ring have reported and none failed
  note: canary: the devices that match; it goes by `enough` below 356 devices, by 320 results above, 1d after the first result
  note: early: 10% of the devices; it goes by `enough` in a fleet below 3556 devices, by 320 results above, 2d after the first result
  note: broad: 50% of the devices; it goes by `enough` in a fleet below 712 devices, by 320 results above, 2d after the first result
"#);
    }

    #[test]
    fn certainty_can_not_be_had() {
        assert_snapshot!(found(CODES, &rollout("{ failure_rate: 0% }")), @r#"
error[policy/gate-never-passes]: gate that can't pass
  policy.yaml:12:28
      default: { failure_rate: 0% }
                               ^^ no number of results proves that nothing ever fails
  help: add `enough: 90%`, which lets it pass when so much of a ring has reported and none failed
"#);
        assert_snapshot!(found(CODES, &rollout("{ confidence: 100%, enough: 100% }")), @r#"
note[policy/gate-needs]: what the gates of this rollout need
  policy.yaml:4:3
      standard:
      ^^^^^^^^ gate `default` passes when 100% of the ring have reported and none failed
  note: canary: the devices that match; it goes by `enough`, whatever their number, 1d after the first result
  note: early: 10% of the devices; it goes by `enough`, whatever their number, 2d after the first result
  note: broad: 50% of the devices; it goes by `enough`, whatever their number, 2d after the first result
  note: a gate that has not answered 7d after its ring could have soaked asks a person; `patience` says otherwise

error[policy/gate-never-halts]: gate that can't halt
  policy.yaml:12:26
      default: { confidence: 100%, enough: 100% }
                             ^^^^ no number of failures would be proof enough
  help: usual are `failure_rate: 2%` and `confidence: 95%`
"#);
    }

    #[test]
    fn the_first_failure_may_halt_where_enough_lets_it_pass() {
        let shown = found(CODES, &rollout("{ failure_rate: 0%, enough: 90% }"));
        assert!(!shown.contains("error"), "{shown}");
    }

    #[test]
    fn patience_is_longer_than_the_soak() {
        let shown = found(CODES, &rollout("{ enough: 90%, patience: 36h }"));
        assert!(shown.contains("soaks 2d, and gate `default` asks a person after 1d12h"), "{shown}");
        assert_eq!(shown.matches("warning[").count(), 2, "{shown}");
    }

    #[test]
    fn a_share_of_less_than_a_device_is_an_empty_ring() {
        let shown = found_with(CODES, 4, &rollout("{ enough: 90% }"));
        assert!(shown.contains("10% of 4 devices is less than one device"), "{shown}");
    }

    #[test]
    fn reports_are_counted_in_whole_devices() {
        assert_eq!([reports(0.9, 10), reports(0.9, 3), reports(0.9, 1), reports(0.0, 5)], [9, 3, 1, 1]);
    }
}
