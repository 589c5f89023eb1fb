use super::*;
use crate::providers::{
    apt::inventory::{Package, Want},
    transaction::ActionKind,
};
use refit_model::{Scheme, Version};

fn version(text: &str) -> Version {
    Version::parse(Scheme::Dpkg, text).unwrap()
}

fn state(packages: &[(&str, &str, Status)]) -> Inventory {
    let packages = packages.iter().map(|(name, text, status)| {
        let package = Package {
            title: TitleId::new(format!("deb/{name}")),
            name: (*name).into(),
            architecture: "all".into(),
            version: Some(version(text)),
            source: (*name).into(),
            source_version: None,
            want: Want::Install,
            status: *status,
            reinstall_required: false,
            essential: false,
            installed_bytes: 0,
            changed: None,
        };
        (package.title.clone(), package)
    });
    Inventory { architecture: "amd64".into(), packages: packages.collect(), unreadable: Vec::new() }
}

fn upgrade(name: &str) -> (TitleId, Action) {
    let action =
        Action { kind: ActionKind::Upgrade, from: Some(version("1")), to: Some(version("2")), origins: Vec::new() };
    (TitleId::new(format!("deb/{name}")), action)
}

fn outcomes(before: &Inventory, after: &Inventory, expected: &[&str], output: &str) -> Vec<(String, PackageOutcome)> {
    let mut transcript = Transcript::default();
    output.lines().for_each(|line| drop(transcript.take(before, line)));
    let expected = expected.iter().map(|name| upgrade(name)).collect();
    let results = results(before, after, &expected, &transcript);
    results.into_iter().map(|result| (result.title.to_string(), result.outcome)).collect()
}

#[test]
fn a_half_configured_package_has_failed_although_its_version_is_new() {
    let before = state(&[("alpha", "1", Status::Installed), ("beta", "1", Status::Installed)]);
    let after = state(&[("alpha", "2", Status::Installed), ("beta", "2", Status::HalfConfigured)]);
    let output = include_str!("testdata/apply-failing-postinst.txt");
    let outcomes = outcomes(&before, &after, &["alpha", "beta"], output);
    assert_eq!(outcomes[0], ("deb/alpha".to_owned(), PackageOutcome::Done));
    let PackageOutcome::Failed { why, output } = &outcomes[1].1 else { panic!("{outcomes:?}") };
    assert!(why.starts_with("configuring it failed"), "{why}");
    assert!(output.iter().any(|line| line == "beta: the database does not answer"), "{output:?}");
}

#[test]
fn a_package_that_nothing_was_said_of_and_that_is_as_before_was_not_attempted() {
    let same = state(&[("alpha", "1", Status::Installed)]);
    assert_eq!(outcomes(&same, &same, &["alpha"], "")[0].1, PackageOutcome::NotAttempted);
}

#[test]
fn a_package_that_is_as_before_after_an_error_has_failed() {
    let same = state(&[("alpha", "1", Status::Installed)]);
    let output = "dpkg: error processing archive /var/cache/apt/archives/alpha_2_all.deb (--unpack):\n cannot copy extracted data: No space left on device\n";
    assert!(matches!(outcomes(&same, &same, &["alpha"], output)[0].1, PackageOutcome::Failed { .. }));
}

#[test]
fn what_changed_without_being_planned_is_told() {
    let before = state(&[("alpha", "1", Status::Installed), ("gone", "1", Status::Installed)]);
    let after = state(&[
        ("alpha", "2", Status::Installed),
        ("gone", "1", Status::ConfigFiles),
        ("new", "1", Status::Installed),
    ]);
    let outcomes = outcomes(&before, &after, &["alpha"], "");
    assert_eq!(
        outcomes,
        [
            ("deb/alpha".to_owned(), PackageOutcome::Done),
            ("deb/gone".to_owned(), PackageOutcome::Unplanned),
            ("deb/new".to_owned(), PackageOutcome::Unplanned),
        ]
    );
}

#[test]
fn a_package_that_was_repaired_on_the_way_is_no_unplanned_change() {
    let before = state(&[("alpha", "1", Status::Unpacked)]);
    let after = state(&[("alpha", "1", Status::Installed)]);
    assert_eq!(outcomes(&before, &after, &[], ""), []);
}

#[test]
fn another_version_than_the_planned_one_is_a_failure() {
    let before = state(&[("alpha", "1", Status::Installed)]);
    let after = state(&[("alpha", "3", Status::Installed)]);
    let outcomes = outcomes(&before, &after, &["alpha"], "");
    assert!(matches!(&outcomes[0].1, PackageOutcome::Failed { why, .. } if why == "it is installed in version 3"));
}
