//! Laws of decisions, over worlds at random. The rules are those of docs/reference/rules.md.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a law that can't be tried is meant to panic")]

#[path = "laws/worlds.rs"]
mod worlds;

use jiff::{SignedDuration, Timestamp};
use proptest::{prelude::*, test_runner::RngSeed};
use refit_core::decide::{Cause, Compliance, Decision, Progress, decide, decide_title};
use refit_model::TitleId;
use std::collections::BTreeMap;
use worlds::{Adv, Entry, Rel, Spec, ago, decision, decision_under, now, spec, version};

/// The due time of each obligation; one without a time is due after all others.
fn dues(decision: &Decision) -> BTreeMap<String, Timestamp> {
    let due = |due: Option<Timestamp>| due.unwrap_or(Timestamp::MAX);
    let name = |cause: &Cause| match cause {
        Cause::Exposure { advisory, .. } => advisory.to_string(),
        other => format!("{other:?}"),
    };
    decision.derivation.obligations.iter().map(|obligation| (name(&obligation.cause), due(obligation.due))).collect()
}

/// No obligation that both know is due later in `after`.
fn never_later(before: &Decision, after: &Decision) -> Result<(), TestCaseError> {
    let before = dues(before);
    for (cause, after) in dues(after) {
        if let Some(before) = before.get(&cause) {
            prop_assert!(after <= *before, "{cause} was due {before}, and is now due {after}");
        }
    }
    Ok(())
}

/// Worlds in which one policy decides by its own terms alone, of a device that is seen.
fn plain() -> impl Strategy<Value = Spec> {
    spec().prop_map(|spec| Spec { exception: None, rival: None, seen: 0, ..spec })
}

/// The same with every score known: what is unknown makes an answer provisional, and what ends that may move it either way.
fn scored(mut spec: Spec) -> Spec {
    for advisory in &mut spec.advisories {
        advisory.cvss.get_or_insert(7.5);
        advisory.epss.get_or_insert(0.6);
    }
    spec
}

/// What a decision says, without the way to it.
fn outcome(decision: &Decision) -> Decision {
    Decision { derivation: Default::default(), ..decision.clone() }
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    // The same worlds each time: a change is judged by what it changes. PROPTEST_CASES asks for more, and PROPTEST_RNG_SEED for
    // others.
    let seed = match default.rng_seed {
        RngSeed::Random => RngSeed::Fixed(2026),
        given => given,
    };
    ProptestConfig { failure_persistence: None, max_global_rejects: 100_000, rng_seed: seed, ..default }
}

proptest! {
    #![proptest_config(config())]

    // Rule 5: a newer release changes what is installed, never when it was due.
    #[test]
    fn a_release_that_comes_out_moves_no_due_time_later(spec in plain(), branch in 1..=3u32, age in 0..3i64) {
        let repository = spec.built().repository;
        let before = decision_under(&repository, &spec);
        // Publications and offers that have been are older than this one.
        prop_assume!(spec.releases.iter().all(|release| release.published > age));
        let offered = |release: &Rel| release.offered.flatten().map(|later| release.published - later);
        prop_assume!(spec.releases.iter().filter_map(offered).all(|offered| offered < 0 || offered > age));
        let mut spec = spec;
        spec.releases.push(Rel { branch, number: 10, published: age, offered: None, open: 0, gate: None });
        let after = decision_under(&repository, &spec);
        // Who had to be replaced for want of a release, and gets one, begins anew.
        prop_assume!(before.compliance != Compliance::Unsupported || after.compliance == Compliance::Unsupported);
        never_later(&before, &after)?;
    }

    #[test]
    fn an_advisory_moves_no_other_due_time_later(spec in plain(), fixed in (1..=3u32, 1..=9u32), known in 0..900i64, kev in any::<bool>()) {
        let repository = spec.built().repository;
        let before = decision_under(&repository, &spec);
        let mut spec = spec;
        spec.advisories.push(Adv { id: 99, fixed, known, cvss: None, epss: Some(0.6), kev: kev.then_some(known) });
        never_later(&before, &decision_under(&repository, &spec))?;
    }

    #[test]
    fn a_listing_in_kev_moves_no_due_time_later(spec in plain(), which in any::<prop::sample::Index>(), listed in 0..900i64) {
        prop_assume!(!spec.advisories.is_empty());
        let repository = spec.built().repository;
        let before = decision_under(&repository, &spec);
        let mut spec = spec;
        let index = which.index(spec.advisories.len());
        let advisory = &mut spec.advisories[index];
        prop_assume!(advisory.kev.is_none_or(|kev| kev <= listed));
        advisory.kev = Some(listed);
        never_later(&before, &decision_under(&repository, &spec))?;
    }

    #[test]
    fn a_score_that_rises_moves_no_due_time_later(spec in plain(), which in any::<prop::sample::Index>(), by in 0.0..10.0f64) {
        prop_assume!(!spec.advisories.is_empty());
        let repository = spec.built().repository;
        let before = decision_under(&repository, &spec);
        let mut spec = spec;
        let index = which.index(spec.advisories.len());
        let advisory = &mut spec.advisories[index];
        advisory.cvss = advisory.cvss.map(|cvss| (cvss + by).min(10.0));
        advisory.epss = advisory.epss.map(|epss| (epss + by / 10.0).min(1.0));
        never_later(&before, &decision_under(&repository, &spec))?;
    }

    #[test]
    fn a_latch_moves_no_due_time_later(spec in plain(), advisory in 0..4u32, condition in 0..worlds::CONDITIONS.len(), at in 0..600i64) {
        let spec = scored(spec);
        let repository = spec.built().repository;
        let before = decision_under(&repository, &spec);
        let mut spec = spec;
        spec.latches.push((advisory, condition, at));
        never_later(&before, &decision_under(&repository, &spec))?;
    }

    #[test]
    fn an_earlier_offer_moves_no_due_time_later(spec in plain(), which in any::<prop::sample::Index>(), by in 1..400i64) {
        let repository = spec.built().repository;
        let before = decision_under(&repository, &spec);
        let mut spec = spec;
        let index = which.index(spec.releases.len());
        if let Some(Some(later)) = &mut spec.releases[index].offered {
            *later = (*later - by).max(0);
        }
        never_later(&before, &decision_under(&repository, &spec))?;
    }

    // Over one continuing obligation. It does not hold between two: where a branch ends, the installed release may be accepted again
    // for a while, as `latest-1`. It satisfied then, the obligation is over, and the next one, which has the same name and begins when
    // another branch or release comes, has a time of its own (rule 4, and decision 0040). What did not satisfy all the while is one
    // obligation, whatever branches do.
    #[test]
    fn time_that_goes_by_moves_no_due_time_later(spec in plain(), hours in 1..700i64) {
        let spec = scored(spec);
        let built = spec.built();
        let title = TitleId::new(worlds::TITLE);
        let at = |now| decide_title(&built.repository, &built.world, &built.device, &title, now).remove(0);
        let (before, mut after) = (at(ago(hours)), at(now()));
        prop_assume!(before.compliance != Compliance::Unsupported || after.compliance == Compliance::Unsupported);
        // What arose since, and was not there a second before, is another one.
        after.derivation.obligations.retain(|obligation| {
            let Some(arose) = obligation.arose.filter(|arose| *arose > ago(hours)) else { return true };
            let just_before = at(arose - SignedDuration::from_secs(1));
            just_before.derivation.obligations.iter().any(|known| known.cause == obligation.cause)
        });
        never_later(&before, &after)?;
    }

    #[test]
    fn a_stricter_deadline_is_never_due_later(spec in plain(), more in 24..700i64, condition in proptest::option::of(0..worlds::CONDITIONS.len()), which in any::<prop::sample::Index>(), shorter in 1..100i64) {
        let before = decision(&spec);
        let mut stricter = spec.clone();
        stricter.deadline.push(Entry { condition, within: more, min_age: None, rollout: None, at_due: None });
        never_later(&before, &decision(&stricter))?;
        let mut stricter = spec;
        let index = which.index(stricter.deadline.len());
        let entry = &mut stricter.deadline[index];
        entry.within = (entry.within - shorter).max(1);
        never_later(&before, &decision(&stricter))?;
    }

    // Rule 13: afterwards it is as if there had been none.
    #[test]
    fn an_exception_that_is_over_leaves_no_trace(spec in spec()) {
        let mut over = spec.clone();
        prop_assume!(over.exception.is_some());
        if let Some(exception) = &mut over.exception {
            exception["until"] = "2026-11-22".into();
        }
        let mut decided = decision(&over);
        let mut without = decision(&Spec { exception: None, ..spec });
        // That it was looked at is said.
        for decided in [&mut decided, &mut without] {
            decided.derivation.exceptions.clear();
            decided.derivation.facts.clear();
        }
        prop_assert_eq!(decided, without);
    }

    #[test]
    fn no_order_matters(spec in spec(), seed in any::<u64>()) {
        let built = spec.built();
        let expected = built.decide();
        let mixed = Spec {
            releases: shuffled(&spec.releases, seed),
            advisories: shuffled(&spec.advisories, seed),
            latches: shuffled(&spec.latches, seed),
            ..spec.clone()
        };
        let documents: Vec<_> = spec.documents().into_iter().enumerate().collect();
        let repository = mixed.repository(shuffled(&documents, seed));
        let mut device = mixed.device();
        device.facts = Default::default();
        for (field, fact) in shuffled(&mixed.facts(), seed) {
            device.facts.insert(field, fact);
        }
        prop_assert_eq!(decide(&repository, &mixed.world(), &device, now()), expected);
    }

    #[test]
    fn the_order_of_a_deadlines_entries_does_not_matter(spec in spec(), seed in any::<u64>()) {
        let mixed = Spec { deadline: shuffled(&spec.deadline, seed), ..spec.clone() };
        prop_assert_eq!(outcome(&decision(&mixed)), outcome(&decision(&spec)));
    }

    #[test]
    fn the_same_is_decided_twice_and_title_by_title(spec in spec()) {
        let built = spec.built();
        let decided = built.decide();
        prop_assert_eq!(&built.decide(), &decided);
        let title = TitleId::new(worlds::TITLE);
        prop_assert_eq!(decide_title(&built.repository, &built.world, &built.device, &title, now()), decided);
    }

    #[test]
    fn an_answer_agrees_with_itself(spec in spec()) {
        let built = spec.built();
        let decided = built.decide().remove(0);
        let obligations = &decided.derivation.obligations;
        prop_assert_eq!(decided.due, obligations.iter().filter_map(|obligation| obligation.due).min());
        let due = decided.due.is_some_and(|due| due <= now());
        match decided.compliance {
            Compliance::Overdue => prop_assert!(due),
            Compliance::Due => prop_assert!(!due && !obligations.is_empty()),
            Compliance::Unsupported => prop_assert!(!obligations.is_empty() && decided.goal.is_some()),
            Compliance::Unseen => prop_assert!(spec.seen > 300),
            _ => prop_assert!(obligations.is_empty() && decided.due.is_none()),
        }
        if obligations.is_empty() {
            prop_assert!(decided.holds.is_empty() && decided.progress == Progress::None);
        }
        if let Some(admitted) = &decided.admitted {
            let goal = decided.goal.as_ref().and_then(|goal| goal.version());
            prop_assert!(goal.is_some_and(|goal| admitted <= goal), "admitted beyond the goal");
            prop_assert!(decided.installed.as_ref() != Some(admitted), "admitted what is installed");
            prop_assert!(spec.block.map(version).as_ref() != Some(admitted), "admitted what is blocked");
            let release = spec.releases.iter().find(|release| version((release.branch, release.number)) == *admitted);
            let release = release.expect("what is admitted is a release");
            prop_assert!(release.gate != Some(refit_core::policy::document::test::GateAnswer::Halt), "admitted what is halted");
            let offered = match release.offered {
                None => true,
                Some(None) => false,
                Some(Some(later)) => ago(release.published - later) <= now(),
            };
            prop_assert!(offered, "admitted what is not offered");
        }
    }
}

/// A list in another order.
fn shuffled<T: Clone>(list: &[T], seed: u64) -> Vec<T> {
    let mut left = list.to_vec();
    let mut mixed = Vec::new();
    let mut seed = seed;
    while !left.is_empty() {
        mixed.push(left.remove((seed % left.len() as u64) as usize));
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 1;
    }
    mixed
}
