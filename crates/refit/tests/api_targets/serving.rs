//! A server looks at its targets by itself: what was changed by hand is shown, and undone where the target's document says so.

use super::{
    company::{Company, TARGET, WINDOWS},
    graph::{FEATURES, GROUPS, RINGS},
};
use refit_api::{Enrol, NewInstalls, NewObservation, NewReleases, TargetSaid};
use refit_core::control::{DriftHand, Plain};
use running::{Running, command, wait_for};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../server/running.rs"]
mod running;

fn serve(company: &Company) -> Running {
    let data = company.home.path().join("data");
    let mut serve = command(&data);
    serve.args(["--connect", &format!("windows={}", company.server.url)]);
    serve.arg("--secret").arg(format!("windows.client_secret={}", company.home.path().join("secret").display()));
    serve.env("NO_PROXY", "*");
    wait_for(serve, &data)
}

/// Puts the company's policies in force.
fn apply(company: &Company, running: &Running) {
    let names = ["refit.yaml", "policies.yaml", "targets.yaml", "intune-double/connector.yaml"];
    let text = |name: &str| fs::read_to_string(company.home.path().join("acme").join(name)).unwrap();
    let files = names.map(|name| (name.to_owned(), text(name)));
    let plan = running.client.make_plan(files.into()).unwrap();
    running.client.apply_plan(&plan.summary.id).unwrap();
}

/// Waits until the target stands so.
fn until(running: &Running, what: &str, is_so: impl Fn(&TargetSaid) -> bool) -> TargetSaid {
    let begun = Instant::now();
    loop {
        let targets = running.client.targets().unwrap();
        if let Some(found) = targets.iter().find(|target| is_so(target)) {
            return found.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {targets:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// One laptop of the canaries, which has the newest Windows.
fn has_a_laptop(running: &Running) {
    let release = |version: &str, published: &str| json!({ "title": "windows-11", "branch": "25H2", "version": version, "published": published });
    let releases = json!({ "source": "vendor", "releases": [
        release("10.0.26200.2314", "2026-10-14T17:00:00Z"), release("10.0.26200.2605", "2026-11-10T17:00:00Z"),
    ] });
    running.client.publish_releases(&serde_json::from_value::<NewReleases>(releases).unwrap()).unwrap();
    running.client.enrol(&Enrol { id: Some("win-1".to_owned()), name: None }).unwrap();
    let text = |text: &str| Some(Plain::Text(text.into()));
    let facts = [
        ("device.platform", text("windows")),
        ("device.os", text("windows")),
        ("device.kind", text("laptop")),
        ("device.serial", text("s-1")),
        ("device.tags", serde_json::from_value(json!(["canary"])).unwrap()),
    ];
    let install = json!([{ "title": "windows-11", "branch": "25H2", "version": "10.0.26200.2605" }]);
    let observation = NewObservation {
        source: "mdm".into(),
        observed: None,
        facts: facts.into_iter().map(|(field, value)| (field.to_owned(), value)).collect::<BTreeMap<_, _>>(),
        installs: Some(NewInstalls::All(serde_json::from_value(install).unwrap())),
        universe: None,
        check_in: None,
    };
    running.client.observe("win-1", &observation).unwrap();
}

#[test]
fn what_was_changed_by_hand_is_shown_and_undone_within_what_may_go() {
    let company = Company::new(WINDOWS, TARGET);
    company.apply("canary");
    let running = serve(&company);
    company.graph().kept.by_hand(RINGS, "refit-windows-laptops-canary-", "deadlineGracePeriodInDays", 7.into());
    company.writes();
    apply(&company, &running);
    let said = until(&running, "the drift is not seen", |target| !target.drifted.is_empty());
    assert_eq!((said.target.as_str(), said.kind.as_str(), said.trouble), ("windows", "intune", None));
    assert_eq!(said.drifted.len(), 1, "{:?}", said.drifted);
    assert!(said.drifted[0].object.starts_with("update ring refit-windows-laptops-canary-"));
    assert_eq!(
        (said.drifted[0].hand, &said.drifted[0].fields[..]),
        (DriftHand::Changed, &["deadlineGracePeriodInDays".to_owned()][..])
    );
    assert_eq!(company.writes(), Vec::<String>::new());

    // It is to be undone now. The server knows no device yet: all would go, and nothing is done.
    company.write("targets.yaml", &format!("{TARGET}drift: revert\n"));
    apply(&company, &running);
    let said = until(&running, "nothing is said of what would go", |target| target.trouble.is_some());
    let trouble = said.trouble.unwrap();
    assert!(trouble.contains("would go") && trouble.contains("Nothing was undone"), "{trouble}");
    assert_eq!((company.writes(), said.drifted.len()), (Vec::<String>::new(), 1));

    // With a laptop there is something to bring it back to.
    has_a_laptop(&running);
    company.write("policies.yaml", &format!("# again\n{WINDOWS}"));
    apply(&company, &running);
    until(&running, "it is not undone", |target| target.drifted.is_empty() && target.trouble.is_none());
    let ring = company.graph().named(RINGS, "refit-windows-laptops-canary-");
    assert_eq!(ring["deadlineGracePeriodInDays"], 1);
    let undone = running.client.events(0, Some("target.observed"), Duration::ZERO).unwrap();
    let last = undone.items.last().unwrap();
    assert_eq!(last.body["undone"][0]["fields"], json!(["deadlineGracePeriodInDays"]));
    assert_eq!([FEATURES, GROUPS].map(|list| company.graph().kept.count(list)), [1, 2]);
}

#[test]
fn a_target_that_was_never_written_to_is_told_so_and_one_without_a_secret_is_nobodys() {
    let company = Company::new(WINDOWS, &format!("{TARGET}---\n{}", TARGET.replace("target: windows", "target: lab")));
    let running = serve(&company);
    apply(&company, &running);
    let said = until(&running, "nothing is said of it", |target| target.trouble.is_some());
    assert!(said.trouble.unwrap().contains("nothing was written from this data folder yet"));
    assert_eq!(running.client.targets().unwrap().len(), 1);
    assert!(company.server.asked().is_empty());
}
