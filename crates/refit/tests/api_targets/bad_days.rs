//! Limits, failures, answers that are lost, runs that are broken off: nothing is made twice, and the next run goes on.

use super::{
    company::{Company, TARGET, WINDOWS},
    graph::{FEATURES, GROUPS, RINGS},
    kept::Do,
};
use std::{
    fs,
    time::{Duration, Instant},
};

fn all_there(company: &Company) {
    let graph = company.graph();
    assert_eq!([RINGS, FEATURES, GROUPS].map(|list| graph.kept.count(list)), [2, 1, 3]);
    for list in [RINGS, FEATURES] {
        assert!(graph.kept.all(list).all(|it| it["assignments"].as_array().unwrap().len() == 1));
    }
    assert!(graph.kept.all(GROUPS).all(|group| !graph.members[group["id"].as_str().unwrap()].is_empty()));
    drop(graph);
    company.apply("canary").says("nothing to change");
}

#[test]
fn who_asks_too_much_waits_as_long_as_is_asked() {
    let company = Company::new(WINDOWS, TARGET);
    let now = Instant::now();
    for (method, path) in [("GET", FEATURES), ("POST", GROUPS), ("POST", RINGS)] {
        company.graph().kept.bad_day(method, path, Do::Refuse(429, Some(1)));
    }
    company.apply("canary");
    assert!(now.elapsed() >= Duration::from_secs(3));
    assert!(company.graph().kept.troubles.is_empty());
    all_there(&company);
}

#[test]
fn what_was_made_and_not_answered_is_not_made_again() {
    let company = Company::new(WINDOWS, TARGET);
    company.graph().kept.bad_day("POST", GROUPS, Do::LoseAnswer);
    company.graph().kept.bad_day("POST", RINGS, Do::AnswerWith(500));
    // This one was not made.
    company.graph().kept.bad_day("POST", FEATURES, Do::Refuse(500, Some(0)));
    company.apply("canary");
    assert!(company.graph().kept.troubles.is_empty());
    all_there(&company);
}

#[test]
fn a_run_that_is_broken_off_is_carried_on_by_the_next_one() {
    let company = Company::new(WINDOWS, TARGET);
    // All groups and a ring are made; to whom it is assigned is not said any more.
    for _ in 0..20 {
        company.graph().kept.bad_day("POST", "/v1.0/deviceManagement/deviceConfigurations/", Do::Refuse(500, Some(0)));
    }
    let said = company.compile("canary", &["--apply"]).ends(3);
    let said = said.says("3 of 6 objects were written").says("it goes on from here").says("status 500");
    assert!(said.err.contains("update ring refit-windows-laptops-"), "{said:#?}");
    company.graph().kept.troubles.clear();
    assert_eq!(company.graph().kept.count(RINGS), 1);
    assert!(fs::read_to_string(company.record()).unwrap().contains("\"begun\""));
    company.writes();
    company
        .apply("canary")
        .says("the last run was broken off: 0 of 3 objects were written")
        .says_not("changed by hand");
    // The ring that is there is assigned, and not made again.
    let writes = company.writes();
    assert_eq!(
        writes.iter().filter(|write| *write == "POST /v1.0/deviceManagement/deviceConfigurations").count(),
        1,
        "{writes:?}"
    );
    assert!(!fs::read_to_string(company.record()).unwrap().contains("\"begun\""));
    all_there(&company);
}

#[test]
fn a_run_that_was_killed_before_it_could_say_so_is_carried_on() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("canary");
    // As if nothing had been remembered but what was to be done.
    let text = fs::read_to_string(company.record()).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut written = record["written"].take();
    for wrote in written.as_object_mut().unwrap().values_mut() {
        wrote.as_object_mut().unwrap().remove("remote");
    }
    record["written"] = serde_json::json!({});
    record["begun"] = written;
    fs::write(company.record(), record.to_string()).unwrap();
    company.writes();
    company.apply("canary").says("6 of 6 objects were written");
    assert_eq!(company.writes(), Vec::<String>::new());
    assert_eq!(fs::read_to_string(company.record()).unwrap(), text);
}

#[test]
fn a_twin_that_a_lost_answer_left_is_taken_away() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("canary");
    let mut twin = company.graph().named(RINGS, "refit-windows-laptops-canary-");
    twin["assignments"] = serde_json::json!([]);
    company.graph().kept.add(RINGS, twin.as_object().unwrap().clone());
    assert_eq!(company.graph().kept.count(RINGS), 3);
    company.apply("canary").says("- update ring refit-windows-laptops-canary-").says("1 taken away");
    all_there(&company);
}

#[test]
fn who_changes_something_meanwhile_is_not_overwritten() {
    let company = Company::new(WINDOWS, TARGET);
    company.graph().has_versions = true;
    company.apply("canary");
    company.graph().kept.bad_day(
        "PATCH",
        RINGS,
        Do::ChangeFirst(|kept| {
            kept.by_hand(RINGS, "refit-windows-laptops-rest-", "driversExcluded", true.into());
        }),
    );
    company
        .compile("rest", &["--apply"])
        .ends(3)
        .says("somebody has changed it since it was looked at: run the same command again");
    company.apply("rest").says("~ qualityUpdatesPaused: true → false");
    // What Refit does not write stays as it is.
    assert_eq!(company.graph().named(RINGS, "refit-windows-laptops-rest-")["driversExcluded"], true);
}

#[test]
fn a_record_that_is_damaged_changes_nothing() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("canary");
    fs::write(company.record(), "{ half").unwrap();
    company.writes();
    company.compile("rest", &["--apply"]).ends(3).says("is damaged").says("windows.json");
    assert_eq!(company.writes(), Vec::<String>::new());
}

#[test]
fn a_secret_that_is_refused_is_said() {
    let company = Company::new(WINDOWS, TARGET);
    fs::remove_file(company.home.path().join("secret")).unwrap();
    company.compile("canary", &[]).ends(2).says("secret");
    let output = company.compile("canary", &["--connect", "macs=https://acme.example"]);
    output.ends(2).says("`macs` is no target that is compiled now; there are windows");
}
