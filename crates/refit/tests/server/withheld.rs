//! What a policy keeps back does not come with something else either: a block on a package that the upgrade of another one
//! needs, with real package managers.

use super::{
    agent::{device, organization, receipts, until_done},
    commands::Session,
};
use refit_testbed::family::{AnyDevice, Family, Software};
use std::fs;

fn policy(device: &AnyDevice) -> String {
    let system = match device.family() {
        Family::Apt => "deb",
        Family::Dnf => "rpm",
    };
    format!(
        "organization: acme
defaults: {{ mode: enforce }}
---
policy: all updates
software: [\"os/*\"]
packages: {{ upgrade_others: true }}
deadline: [{{ within: 14d }}]
---
mandate: acme
sources:
  testbed: {{ system: {system}, keys: [{}], titles: [\"os/*\"] }}
",
        device.fingerprint()
    )
}

fn is_not_brought_along(family: Family) {
    let software = ["alpha", "library", "other"].map(|name| Software::new(name, "1.0"));
    let Some(device) = device(family, software) else { return };
    let needs = match family {
        Family::Apt => "library (>= 2.0)",
        Family::Dnf => "library >= 2.0",
    };
    device.offer([
        Software::new("alpha", "2.0").needs(needs),
        Software::new("library", "2.0"),
        Software::new("other", "2.0"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let free = policy(&device);
    let title = device.family().title("library");
    let blocked =
        format!("{free}---\nblock: this library\ntitle: {title}\nreleases: \">=2\"\nwhy: It loses what it prints.\n");
    let (mut server, token) = organization(folder.path(), &blocked);
    device.root().command("refit-agent").args(["enroll", "-"]).input(&*token).run().success();

    // The rest goes, and it is told why the one does not.
    device.root().run("refit-agent", ["once"]);
    super::commands::settle(&server);
    let said = device.root().run("refit-agent", ["once"]).exit(1);
    let version = |name: &str| device.database()[name].version.clone();
    let is = |version: &str| family.version(version);
    assert_eq!([version("alpha"), version("library"), version("other")], [is("1.0"), is("1.0"), is("2.0")], "{said}");
    let why = format!("withheld: library {} would be brought along, and the policy keeps it back here", is("2.0"));
    assert!(said.stdout.contains(&why), "{said}");
    assert_eq!(receipts(&server), [format!("{}: {} -> {}, succeeded", family.title("other"), is("1.0"), is("2.0"))]);

    // Once nobody keeps it back any more, both go.
    fs::write(folder.path().join("policy/refit.yaml"), free).unwrap();
    let mut session = Session { folder: folder.path(), text: String::new() };
    session.types("refit plan policy --server --out plan.json");
    session.types("refit apply plan.json --server --sign-with keys/policy-1.key --yes");
    until_done(&server, &device);
    assert_eq!([version("alpha"), version("library")], [is("2.0"), is("2.0")], "{}", session.text);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

#[test]
fn a_blocked_version_is_not_brought_along_by_apt() {
    is_not_brought_along(Family::Apt);
}

#[test]
fn a_blocked_version_is_not_brought_along_by_dnf() {
    is_not_brought_along(Family::Dnf);
}
