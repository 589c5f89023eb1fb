//! What a gate says of a release after one ring.
//!
//! The question is about the release, not about the ring: would more than `failure_rate` of all devices fail? And do devices
//! that have it fall silent, or people complain, or a signal look worse, more than where it has not come yet? The bounds are
//! those of `bounds.rs`.

use super::bounds::{Tally, results_to_exclude};
use crate::policy::{document::test::GateAnswer, repository::Gate};
use jiff::{SignedDuration, Timestamp};
use refit_wire::protocol::WaitsFor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What a gate has to go by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// When the first device of the ring reported; `None` while nobody has.
    #[schemars(with = "Option<String>")]
    pub first_result: Option<Timestamp>,
    /// Devices due in the ring.
    pub devices: u64,
    /// Devices of the ring that have reported.
    pub reported: u64,
    /// Devices of the ring on which it failed.
    pub failed: u64,
    /// Devices due in the ring that have not reported, and of which nothing is heard.
    #[serde(default, skip_serializing_if = "nothing")]
    pub silent: u64,
    /// Devices due in the ring that have not reported, and say what they wait for: by that, how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<WaitsFor, u64>,
    /// Results of the release on devices of the platform that are not in the ring, whatever moved them.
    #[serde(default, skip_serializing_if = "nothing")]
    pub elsewhere: Tally,
    /// What is held against devices that the release has not reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
}

/// A measure on devices that were given the release, and on others of their kind that were not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// What is measured.
    pub measure: Measure,
    /// Where the release has come.
    pub reached: Tally,
    /// The control group.
    pub control: Tally,
    /// Devices that it has reached and of which something bad would have shown by now; `None` where it shows at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<u64>,
}

impl Compared {
    /// How many are bad of those that it has reached and of which it would have shown by now.
    pub fn shown(&self) -> Tally {
        let of = self.watched.map_or(self.reached.of, |watched| watched.max(self.reached.bad));
        Tally { of, bad: self.reached.bad }
    }
}

/// What is measured besides failures.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Devices that no longer check in.
    Silence,
    /// Devices of which people say that something broke.
    Reports,
    /// Devices of which a signal of this name says something bad.
    Signal(#[schemars(with = "String")] SmolStr),
}

/// What a gate says, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The release may go on.
    Passes(PassedBy),
    /// The release must not go on.
    Halts(HaltedBy),
    /// Nothing is proven; what is wanting.
    Waits(Wants),
}

/// Why a gate passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassedBy {
    /// The failure rate is surely below the threshold.
    Bound,
    /// Enough of the ring have reported, and none failed.
    Enough,
}

/// Why a gate halts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HaltedBy {
    /// The failure rate is surely above the threshold.
    Failures,
    /// A measure is surely worse than the control group's, by more than is permitted.
    Measure(Measure),
}

/// What a gate that waits is in want of: the first that is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// Devices: the ring is empty.
    Devices,
    /// A first result.
    FirstResult,
    /// Time: it soaks until then.
    Soak(#[schemars(with = "String")] Timestamp),
    /// That a measure looks no worse than the control group's, and that somebody who has the release is fine by it.
    Measure(Measure),
    /// That enough devices have been watched for long enough for a measure to show.
    Watching(Measure),
    /// Results.
    Results,
}

impl Evidence {
    /// Results of the release, wherever.
    pub fn results(&self) -> Tally {
        Tally::new(self.failed, self.reported).and(self.elsewhere)
    }
}

impl Verdict {
    /// Pass, halt or inconclusive.
    pub fn answer(&self) -> GateAnswer {
        match self {
            Verdict::Passes(_) => GateAnswer::Pass,
            Verdict::Halts(_) => GateAnswer::Halt,
            Verdict::Waits(_) => GateAnswer::Inconclusive,
        }
    }
}

/// What `gate` says of `evidence` at `now`, for a ring that has to soak for `soak`.
///
/// Halts at once where the lower bound of the failure rate is above the threshold, or that of a measure above the control
/// group's upper bound by more than is permitted. Passes, never before the ring has soaked from its first result and never
/// while a measure looks worse than is permitted or everybody is bad by it, where the upper bound of the failure rate is below the
/// threshold, or where enough of the ring have reported and none failed; of a measure that takes time to show, as many have to have
/// been watched for that long. A ring without devices passes nothing.
pub fn judge(gate: &Gate, soak: SignedDuration, evidence: &Evidence, now: Timestamp) -> Verdict {
    let results = evidence.results();
    let certain = results.excludes(gate.failure_rate, gate.alpha());
    if certain && results.rate() > gate.failure_rate {
        return Verdict::Halts(HaltedBy::Failures);
    }
    let (mut worse, mut unwatched) = (None, None);
    for compared in &evidence.compared {
        let Some(permitted) = gate.permitted(&compared.measure) else { continue };
        let alpha = gate.alpha_of_measures(evidence.compared.len());
        if compared.reached.lower_bound(alpha) > compared.control.upper_bound(alpha) + permitted {
            return Verdict::Halts(HaltedBy::Measure(compared.measure.clone()));
        }
        // To pass, what is bad is held against those of which it would have shown; the others are no good sign. Where all are bad
        // nothing passes, however bad the others are: a release that breaks everybody would look the same.
        let shown = compared.shown();
        if shown.rate() > compared.control.rate() + permitted || (shown.of > 0 && shown.bad == shown.of) {
            worse = worse.or(Some(compared.measure.clone()));
        }
        // What can't have shown yet is no good sign.
        if compared.watched.is_some_and(|watched| watched < watched_needed(gate, evidence.devices)) {
            unwatched = unwatched.or(Some(compared.measure.clone()));
        }
    }
    if evidence.devices == 0 {
        return Verdict::Waits(Wants::Devices);
    }
    let Some(first) = evidence.first_result.filter(|_| evidence.reported > 0) else {
        return Verdict::Waits(Wants::FirstResult);
    };
    if now.duration_since(first) < soak {
        return Verdict::Waits(Wants::Soak(first.checked_add(soak).unwrap_or(Timestamp::MAX)));
    }
    if let Some(measure) = worse {
        return Verdict::Waits(Wants::Measure(measure));
    }
    let enough = |share| results.bad == 0 && evidence.reported >= share_of_ring(share, evidence.devices);
    let by = match () {
        () if certain && results.rate() < gate.failure_rate => PassedBy::Bound,
        () if gate.enough.is_some_and(enough) => PassedBy::Enough,
        () => return Verdict::Waits(Wants::Results),
    };
    match unwatched {
        Some(measure) => Verdict::Waits(Wants::Watching(measure)),
        None => Verdict::Passes(by),
    }
}

/// How many results without a failure a gate needs to be sure; `None` where no number suffices.
pub fn results_needed(gate: &Gate) -> Option<u64> {
    results_to_exclude(gate.failure_rate, gate.alpha())
}

/// Of how many devices a measure that takes time has to have had that time before a gate passes, for a ring of `devices`: as many
/// as have to report.
pub fn watched_needed(gate: &Gate, devices: u64) -> u64 {
    let by_share = share_of_ring(gate.enough.unwrap_or(1.0), devices);
    results_needed(gate).map_or(by_share, |results| results.min(by_share))
}

/// How many devices a share of a ring is, rounded up.
fn share_of_ring(share: f64, devices: u64) -> u64 {
    // A product such as 55 % of 100 is not exact in binary.
    (share * devices as f64 - 1e-6).ceil() as u64
}

/// What halts a release by a measure, if everybody who has it is bad and nobody of the control group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Devices that have the release, all of them bad.
    pub bad: u64,
    /// Devices of the control group, none of them bad.
    pub control: u64,
}

/// The least that halts by a measure of which `permitted` is no reason to: what it takes where `bad` devices have the release and
/// all are bad, or the fewest of them that can prove it at all. `None` where no control group is large enough.
///
/// Anybody of the control group who is bad too makes it take more.
pub fn control_needed(gate: &Gate, permitted: f64, bad: Option<u64>) -> Option<Proof> {
    let alpha = gate.alpha_of_measures(gate.measures().count());
    // The control group's upper bound comes as near to nothing as one likes.
    let provable = |bad: u64| Tally::new(bad, bad).lower_bound(alpha) > permitted;
    let bad = match bad {
        Some(bad) => Some(bad).filter(|bad| provable(*bad))?,
        None => (1..=MOST_TRIED).find(|bad| provable(*bad))?,
    };
    let room = Tally::new(bad, bad).lower_bound(alpha) - permitted;
    Some(Proof { bad, control: results_to_exclude(room, alpha)? })
}

/// How many bad devices are tried at the most: a gate that a thousand can't make sure permits nearly everything.
const MOST_TRIED: u64 = 1_000;

impl Gate {
    /// How long a ring takes at the least that soaks for `soak`: no less than silence takes to show, where the gate asks for it.
    pub fn takes(&self, soak: SignedDuration) -> SignedDuration {
        if self.silence.is_some() { soak.max(self.silent_after) } else { soak }
    }

    /// What it asks besides failures, and by how much each may be worse than the control group's, 0 to 1.
    pub fn measures(&self) -> impl Iterator<Item = (Measure, f64)> {
        let silence = self.silence.map(|permitted| (Measure::Silence, permitted));
        let reports = self.reports.map(|permitted| (Measure::Reports, permitted));
        let signals = self.signals.iter().map(|signal| (Measure::Signal(signal.name.clone()), 0.0));
        silence.into_iter().chain(reports).chain(signals)
    }

    /// The part of the doubt that each of so many measures has: all together are as sure as the failure rate is by itself, and each
    /// has two bounds.
    fn alpha_of_measures(&self, measures: usize) -> f64 {
        self.alpha() / (2.0 * measures.max(1) as f64)
    }

    /// The probability with which a bound may be wrong, over all looks together.
    fn alpha(&self) -> f64 {
        1.0 - self.confidence
    }

    /// By how much a measure may be worse than the control group's; `None` where the gate does not ask.
    pub fn permitted(&self, measure: &Measure) -> Option<f64> {
        match measure {
            Measure::Silence => self.silence,
            Measure::Reports => self.reports,
            Measure::Signal(name) => self.signals.iter().any(|signal| signal.name == *name).then_some(0.0),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn nothing<T: Default + PartialEq>(figure: &T) -> bool {
    *figure == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate { enough: Some(0.9), silence: Some(0.01), reports: Some(0.01), ..Gate::named("default") }
    }

    fn first() -> Timestamp {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    fn evidence(devices: u64, reported: u64, failed: u64) -> Evidence {
        Evidence { first_result: Some(first()), devices, reported, failed, ..Evidence::default() }
    }

    fn judged(evidence: &Evidence, hours: i64) -> Verdict {
        judge(&gate(), SignedDuration::from_hours(24), evidence, first() + SignedDuration::from_hours(hours))
    }

    fn says(devices: u64, reported: u64, failed: u64, hours: i64) -> GateAnswer {
        judged(&evidence(devices, reported, failed), hours).answer()
    }

    #[test]
    fn few_without_a_failure_pass_once_enough_have_reported_and_soaked() {
        assert_eq!(says(3, 3, 0, 24), GateAnswer::Pass);
        assert_eq!(says(3, 3, 0, 23), GateAnswer::Inconclusive);
        assert_eq!(says(3, 2, 0, 48), GateAnswer::Inconclusive);
        assert_eq!(says(3, 3, 1, 48), GateAnswer::Inconclusive);
    }

    #[test]
    fn many_failures_halt_at_once() {
        assert_eq!(says(200, 100, 50, 1), GateAnswer::Halt);
        assert_eq!(says(200, 5, 5, 0), GateAnswer::Halt);
        assert_eq!(says(200, 1, 1, 0), GateAnswer::Halt);
    }

    #[test]
    fn one_failure_in_fifty_is_no_proof_of_more_than_two_percent() {
        assert_eq!(says(200, 50, 1, 1), GateAnswer::Inconclusive);
    }

    #[test]
    fn many_results_pass_without_waiting_for_the_whole_ring() {
        let needed = results_needed(&gate()).unwrap();
        assert_eq!(says(8_000, needed, 0, 24), GateAnswer::Pass);
        assert_eq!(says(8_000, needed - 1, 0, 24), GateAnswer::Inconclusive);
        assert_eq!(says(8_000, needed, 0, 23), GateAnswer::Inconclusive);
    }

    #[test]
    fn an_empty_ring_passes_nothing() {
        assert_eq!(says(0, 0, 0, 99), GateAnswer::Inconclusive);
        assert_eq!(judged(&evidence(0, 0, 0), 99), Verdict::Waits(Wants::Devices));
    }

    #[test]
    fn results_from_elsewhere_speak_of_the_release_and_not_of_the_ring() {
        // A ring in which nobody has reported, of a release that fails elsewhere.
        let failing = Evidence { elsewhere: Tally::new(20, 40), first_result: None, ..evidence(10, 0, 0) };
        assert_eq!(judged(&failing, 0), Verdict::Halts(HaltedBy::Failures));
        // Good results elsewhere make the bound, but the ring has to begin and to soak all the same.
        let fine = Evidence { elsewhere: Tally::new(0, 4_000), ..evidence(1_000, 1, 0) };
        assert_eq!(judged(&fine, 24), Verdict::Passes(PassedBy::Bound));
        assert_eq!(judged(&fine, 23), Verdict::Waits(Wants::Soak(first() + SignedDuration::from_hours(24))));
        let unheard = Evidence { first_result: None, reported: 0, ..fine.clone() };
        assert_eq!(judged(&unheard, 48), Verdict::Waits(Wants::FirstResult));
        // What the ring's first result said no longer counts: it has to begin once more.
        let taken_back = Evidence { reported: 0, ..fine };
        assert_eq!(judged(&taken_back, 48), Verdict::Waits(Wants::FirstResult));
        // A failure elsewhere is none in the ring, and `enough` says that none failed at all.
        let one = Evidence { elsewhere: Tally::new(1, 30), ..evidence(3, 3, 0) };
        assert_eq!(judged(&one, 48), Verdict::Waits(Wants::Results));
    }

    fn silent(reached: Tally, control: Tally) -> Evidence {
        let compared = vec![Compared { measure: Measure::Silence, reached, control, watched: Some(reached.of) }];
        Evidence { compared, ..evidence(8, 8, 0) }
    }

    #[test]
    fn devices_that_fall_silent_halt_a_release_that_never_failed() {
        let halted = Verdict::Halts(HaltedBy::Measure(Measure::Silence));
        assert_eq!(judged(&silent(Tally::new(8, 8), Tally::new(0, 22)), 1), halted);
        // Nobody has reported: they went silent before they could.
        let nobody = Evidence { reported: 0, first_result: None, ..silent(Tally::new(8, 8), Tally::new(0, 22)) };
        assert_eq!(judged(&nobody, 1), halted);
    }

    /// All measures of a gate together are as sure as its failure rate: with more of them each has to be surer.
    #[test]
    fn each_measure_has_its_part_of_the_doubt() {
        let fine =
            |measure| Compared { measure, reached: Tally::new(0, 40), control: Tally::new(0, 400), watched: None };
        let mut differs = 0;
        for (bad, others) in (1..20).flat_map(|bad| [2, 5, 10, 20, 40, 80].map(|others| (bad, others))) {
            let (reached, control) = (Tally::new(bad, 20), Tally::new(0, others));
            let halts = |measures: u32| {
                let mut said = silent(reached, control);
                said.compared.extend((1..measures).map(|_| fine(Measure::Reports)));
                matches!(judged(&said, 1), Verdict::Halts(HaltedBy::Measure(_)))
            };
            let sure = |alpha: f64| reached.lower_bound(alpha) > control.upper_bound(alpha) + 0.01;
            for (measures, alpha) in [(1, 0.025), (2, 0.0125), (5, 0.005)] {
                assert_eq!(halts(measures), sure(alpha), "{bad} of 20, 0 of {others}, {measures} measures");
            }
            differs += u32::from(halts(1) && !halts(5));
        }
        assert!(differs > 2, "{differs}");
    }

    /// What is said to halt does, and nothing less.
    #[test]
    fn a_control_group_is_as_large_as_a_halt_needs_and_no_larger() {
        let halts = |bad: u64, control: u64| {
            let mut said = silent(Tally::new(bad, bad), Tally::new(0, control));
            said.compared.push(Compared {
                measure: Measure::Reports,
                reached: Tally::new(0, bad),
                control: Tally::new(0, control),
                watched: None,
            });
            matches!(judged(&said, 1), Verdict::Halts(HaltedBy::Measure(Measure::Silence)))
        };
        for bad in [2, 3, 8, 80] {
            let proof = control_needed(&gate(), 0.01, Some(bad)).unwrap();
            assert_eq!(proof.bad, bad);
            assert!(halts(bad, proof.control) && !halts(bad, proof.control - 1), "{proof:?}");
        }
        let fewest = control_needed(&gate(), 0.01, None).unwrap();
        assert_eq!((fewest.bad, control_needed(&gate(), 0.01, Some(1))), (2, None));
        assert_eq!(Some(fewest), control_needed(&gate(), 0.01, Some(2)));
        // What three bad devices just reach is no more than is permitted, however large the control group.
        let permitted = Tally::new(3, 3).lower_bound(gate().alpha_of_measures(2));
        assert_eq!(control_needed(&gate(), permitted, Some(3)), None);
        assert_eq!(control_needed(&gate(), permitted, None).map(|proof| proof.bad), Some(4));
        let certain = Gate { confidence: 1.0, ..gate() };
        assert_eq!((control_needed(&certain, 0.01, None), control_needed(&certain, 0.01, Some(8))), (None, None));
    }

    #[test]
    fn just_as_much_worse_as_is_permitted_is_not_worse() {
        let mut said = silent(Tally::new(1, 100), Tally::new(0, 100));
        (said.devices, said.reported) = (100, 100);
        assert_eq!(judged(&said, 48).answer(), GateAnswer::Pass);
        said.compared[0].reached = Tally::new(2, 100);
        assert_eq!(judged(&said, 48), Verdict::Waits(Wants::Measure(Measure::Silence)));
    }

    #[test]
    fn what_is_surely_as_much_worse_as_is_permitted_and_no_more_does_not_halt() {
        let mut exact = 0;
        for (bad, others) in (2..20).flat_map(|bad| [20, 40, 80, 160].map(|others| (bad, others))) {
            let (reached, control) = (Tally::new(bad, bad), Tally::new(0, others));
            let alpha = gate().alpha_of_measures(1);
            let (least, most) = (reached.lower_bound(alpha), control.upper_bound(alpha));
            let halts = |permitted: f64| {
                let gate = Gate { silence: Some(permitted), ..gate() };
                let said = judge(&gate, SignedDuration::ZERO, &silent(reached, control), first());
                said.answer() == GateAnswer::Halt
            };
            // The difference of two numbers, added to the one, is not always the other.
            if least > most && most + (least - most) == least {
                exact += 1;
                assert!(!halts(least - most) && halts(least - most - 1e-9), "{bad} of {bad}, 0 of {others}");
            }
        }
        assert!(exact > 4, "{exact}");
    }

    #[test]
    fn a_weekend_is_not_the_releases_fault() {
        let weekend = silent(Tally::new(5, 8), Tally::new(14, 22));
        assert_eq!(judged(&weekend, 48), Verdict::Passes(PassedBy::Enough));
    }

    /// Where nearly everybody is bad without the release, everybody being bad with it proves nothing, and lets nothing pass.
    #[test]
    fn a_release_that_is_bad_on_all_never_passes_however_bad_the_others_are() {
        for (bad, others) in [(94, 95), (95, 95), (0, 0)] {
            let gate = Gate { silence: Some(0.05), ..gate() };
            let everybody = silent(Tally::new(8, 8), Tally::new(bad, others));
            let says = |evidence: &Evidence| judge(&gate, SignedDuration::ZERO, evidence, first());
            assert_eq!(says(&everybody), Verdict::Waits(Wants::Measure(Measure::Silence)), "{bad} of {others}");
            // One that is fine again is a sign, where the others are not.
            let but_one = silent(Tally::new(7, 8), Tally::new(bad, others));
            assert_eq!(says(&but_one).answer() == GateAnswer::Pass, others > 0, "{bad} of {others}");
        }
    }

    /// Who has had the release since this morning, and can't be silent yet, is no good sign.
    #[test]
    fn all_are_bad_where_all_are_of_which_it_would_have_shown() {
        let mut three_of_eight = silent(Tally::new(3, 8), Tally::new(95, 95));
        three_of_eight.compared[0].watched = Some(3);
        assert_eq!(judged(&three_of_eight, 48), Verdict::Waits(Wants::Measure(Measure::Silence)));
        three_of_eight.compared[0].watched = Some(4);
        assert_eq!(judged(&three_of_eight, 48), Verdict::Waits(Wants::Watching(Measure::Silence)), "one is not");
    }

    #[test]
    fn where_nobody_is_measured_not_all_are_bad() {
        // Of nobody who has it does the monitoring system say anything; it says nothing bad either.
        let mut nobody = silent(Tally::new(0, 0), Tally::new(0, 22));
        nobody.compared[0].watched = None;
        assert_eq!(judged(&nobody, 48), Verdict::Passes(PassedBy::Enough));
        // Nobody has been watched for long enough: it waits for that, and for nothing to become better.
        let mut unwatched = silent(Tally::new(0, 8), Tally::new(0, 22));
        unwatched.compared[0].watched = Some(0);
        assert_eq!(judged(&unwatched, 48), Verdict::Waits(Wants::Watching(Measure::Silence)));
    }

    #[test]
    fn what_looks_worse_and_is_not_proven_passes_nothing() {
        let one = silent(Tally::new(1, 8), Tally::new(0, 22));
        assert_eq!(judged(&one, 48), Verdict::Waits(Wants::Measure(Measure::Silence)));
    }

    #[test]
    fn nothing_passes_before_silence_could_have_shown() {
        let mut early = silent(Tally::new(0, 8), Tally::new(0, 22));
        early.compared[0].watched = Some(7);
        assert_eq!(judged(&early, 48), Verdict::Waits(Wants::Watching(Measure::Silence)));
        early.compared[0].watched = Some(8);
        assert_eq!(judged(&early, 48), Verdict::Passes(PassedBy::Enough));
        // Two of ten that would have shown are many, however many more have the release since this morning.
        let compared = vec![Compared {
            measure: Measure::Silence,
            reached: Tally::new(20, 8_000),
            control: Tally::new(0, 20_000),
            watched: Some(1_000),
        }];
        let bad = Evidence { compared, ..evidence(8_000, 7_980, 0) };
        assert_eq!(judged(&bad, 48), Verdict::Waits(Wants::Measure(Measure::Silence)));
        // A large ring needs no more of them than it needs results.
        let needed = results_needed(&gate()).unwrap();
        let compared = vec![Compared {
            measure: Measure::Silence,
            reached: Tally::new(0, 2_000),
            control: Tally::new(0, 20_000),
            watched: Some(needed - 1),
        }];
        let mut large = Evidence { compared, ..evidence(8_000, 2_000, 0) };
        assert_eq!(judged(&large, 48), Verdict::Waits(Wants::Watching(Measure::Silence)));
        large.compared[0].watched = Some(needed);
        assert_eq!(judged(&large, 48), Verdict::Passes(PassedBy::Bound));
    }

    #[test]
    fn a_ring_takes_as_long_as_it_soaks_and_as_silence_takes_to_show_where_the_gate_asks() {
        let hours = SignedDuration::from_hours;
        let silence = Gate { silence: Some(0.01), silent_after: hours(5), ..Gate::named("default") };
        assert_eq!((silence.takes(hours(2)), silence.takes(hours(8))), (hours(5), hours(8)));
        let unheard = Gate { silence: None, ..silence };
        assert_eq!((unheard.takes(hours(2)), unheard.takes(hours(8))), (hours(2), hours(8)));
    }

    /// The log keeps what every gate went by for ever.
    #[test]
    fn what_there_is_none_of_is_not_written_down() {
        let written = |evidence: &Evidence| {
            let json = serde_json::to_value(evidence).unwrap();
            assert_eq!(serde_json::from_value::<Evidence>(json.clone()).unwrap(), *evidence);
            let mut written: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
            written.sort();
            written
        };
        let always = ["devices", "failed", "first_result", "reported"];
        assert_eq!(written(&evidence(0, 0, 0)), always);
        let more = Evidence { silent: 1, elsewhere: Tally::new(0, 1), ..evidence(8, 7, 0) };
        assert_eq!(written(&more), ["devices", "elsewhere", "failed", "first_result", "reported", "silent"]);
    }

    #[test]
    fn what_a_gate_does_not_ask_counts_for_nothing() {
        let compared = vec![Compared {
            measure: Measure::Signal("crashes".into()),
            reached: Tally::new(8, 8),
            control: Tally::new(0, 800),
            watched: None,
        }];
        let evidence = Evidence { compared, ..evidence(8, 8, 0) };
        assert_eq!(judged(&evidence, 48), Verdict::Passes(PassedBy::Enough));
    }
}
