//! The policies of `examples/acme`, for a fleet that is made up.

use crate::company::{now, read, resolved, workspace};
use refit_core::{
    cohorts::{Cohorts, as_if_open},
    engine::Fleet,
};
use refit_targets::{Cost, Offered, compile, render::render};
use refit_worlds::{Spec, Synthetic};
use std::collections::BTreeMap;

fn company(devices: u32) -> (refit_core::policy::repository::Repository, Cohorts) {
    let repository = resolved(&read(&workspace().join("examples/acme")));
    let synthetic = Synthetic::new(Spec { devices, seed: 7, now: now() });
    let mut world = synthetic.world().clone();
    as_if_open(&mut world, &repository, "early", now());
    let mut fleet = Fleet::new();
    for number in 0..devices {
        fleet.put(&synthetic.device(number));
    }
    let cohorts = Cohorts::of_fleet(&fleet, &repository, &world, now());
    (repository, cohorts)
}

#[test]
fn a_company_as_people_read_it() {
    let (repository, cohorts) = company(300);
    let compiled = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    insta::assert_snapshot!(render(&compiled, false));
}

#[test]
fn the_same_company_gives_the_same_objects_and_applying_them_twice_changes_nothing() {
    let (repository, cohorts) = company(120);
    let compiled = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    let again = compile(&repository, &cohorts, &Offered::default(), &crate::company::written(&compiled));
    assert!(again.targets.iter().all(|plan| plan.changes.is_empty()));
    assert_ne!(again.targets.iter().map(|plan| plan.cost).collect::<Vec<Cost>>(), []);
}
