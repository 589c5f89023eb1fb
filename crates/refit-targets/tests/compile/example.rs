//! The policies of `examples/acme`, for a fleet that is made up.

use crate::company::{now, read, resolved, workspace};
use refit_core::{
    cohorts::{Cohorts, as_if_open},
    engine::Fleet,
};
use refit_targets::{
    Cost, Offered,
    api::verify::Sampling,
    compile,
    render::render,
    targets::jamf::{App, Catalog, PatchTitle},
};
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

#[test]
fn what_is_tried_on_a_live_system_has_every_field_that_a_company_writes() {
    let (repository, cohorts) = company(300);
    let compiled = compile(&repository, &cohorts, &Offered::default(), &BTreeMap::new());
    let title = PatchTitle { id: "7".to_owned(), versions: [("1".to_owned(), Some("a.pkg".to_owned()))].into() };
    let catalog = Catalog {
        titles: [("Slack".to_owned(), title)].into(),
        apps: [("Teams".to_owned(), App { id: "0AB".to_owned(), version: "2".to_owned() })].into(),
        macos: Vec::new(),
    };
    let offered = Offered { jamf: Some(catalog), ..Offered::default() };
    let settings = BTreeMap::new();
    let mut seen = 0;
    for plan in &compiled.targets {
        let Some(api) = plan.target.api() else { continue };
        let sampling =
            Sampling { mark: "mark", name: "refit-verification-x", now: now(), settings: &settings, offered: &offered };
        let samples = api.samples(&sampling).samples;
        for object in plan.desired.objects.values() {
            let of_kind: Vec<_> = samples.iter().filter(|sample| sample.id.kind == object.id.kind).collect();
            for field in object.fields.keys().filter(|_| !of_kind.is_empty()) {
                assert!(of_kind.iter().any(|sample| sample.fields.contains_key(field)), "{}: {field}", object.id);
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
}
