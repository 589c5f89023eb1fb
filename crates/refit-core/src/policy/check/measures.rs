//! What the measures of a gate need besides results: time in which silence shows, devices that monitoring speaks of, and others
//! that the release has not reached, without which none of them halts anything.

use super::{
    gates::{GateNeeds, is_known},
    subject::{counted, enumeration, length},
};
use crate::{
    policy::repository::{Gate, Ring, Rollout},
    rollout::{Measure, Proof},
};

/// What measures need: time, somebody to speak of, and others to be held against.
pub(super) fn tell(gate: &Gate, rollout: &Rollout, needs: &[&GateNeeds], devices: Option<u64>) -> Vec<String> {
    let mut said = Vec::new();
    if gate.silence.is_some() {
        said.push(format!(
            "`silence`: as many devices as have to report have to be seen {} (`silent_after`) after the change, so no ring takes less",
            length(gate.silent_after)
        ));
    }
    if !gate.signals.is_empty() {
        let names = gate.signals.iter().map(|signal| format!("`{}`", signal.name));
        said.push(format!(
            "{}: as many devices as have to report have to be spoken of after the change",
            enumeration(names)
        ));
    }
    // Measures that need the same are told of together.
    let mut alike: Vec<(Vec<String>, Vec<Option<Proof>>)> = Vec::new();
    for (index, (measure, _)) in gate.measures().enumerate() {
        let of = |needs: &&GateNeeds| needs.measures.get(index).and_then(|it| it.proof);
        let proofs: Vec<_> = needs.iter().map(of).collect();
        match alike.iter_mut().find(|(_, known)| *known == proofs) {
            Some((names, _)) => names.push(named(&measure)),
            None => alike.push((vec![named(&measure)], proofs)),
        }
    }
    for (names, proofs) in alike {
        let rings = needs.iter().zip(&proofs).filter_map(|(needs, proof)| {
            let ring = rollout.rings.iter().find(|ring| ring.name == needs.ring)?;
            tell_proof(ring, needs, *proof, devices)
        });
        let mut rings: Vec<String> = rings.collect();
        let sizes_are_known = rings.len() == needs.len();
        if !sizes_are_known {
            let indefinite = needs.iter().zip(&proofs).find(|(needs, _)| {
                rollout.rings.iter().any(|ring| ring.name == needs.ring && !is_known(ring, needs.size))
            });
            rings.push(match indefinite.and_then(|(_, proof)| *proof) {
                Some(Proof { bad, control }) => format!("{} {control}, and more take fewer", bad_devices(bad)),
                None => "no number of devices is proof enough".to_owned(),
            });
        }
        said.push(format!(
            "to halt by {} takes devices of the platform that have the title and not the release, none of them bad; where all that have it are bad: {}",
            names.join(" or "),
            rings.join(", ")
        ));
    }
    said
}

fn bad_devices(bad: u64) -> String {
    format!("{} {}", counted(bad, "device"), if bad == 1 { "takes" } else { "take" })
}

/// What it takes in a ring whose size is known.
fn tell_proof(ring: &Ring, needs: &GateNeeds, proof: Option<Proof>, devices: Option<u64>) -> Option<String> {
    let size = needs.size.most().filter(|_| is_known(ring, needs.size))?;
    let others = devices.map(|devices| devices.saturating_sub(size));
    Some(match (proof, others) {
        (None, _) => format!("{} can't", ring.name),
        (Some(proof), Some(others)) if others < proof.control => {
            format!("{} takes {} and there are at most {others}, so that it asks a person", ring.name, proof.control)
        }
        (Some(proof), _) => format!("{} takes {}", ring.name, proof.control),
    })
}

fn named(measure: &Measure) -> String {
    match measure {
        Measure::Silence => "`silence`".to_owned(),
        Measure::Reports => "`reports`".to_owned(),
        Measure::Signal(name) => format!("`{name}`"),
    }
}
