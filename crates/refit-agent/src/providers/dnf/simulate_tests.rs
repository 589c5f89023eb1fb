use super::*;
use crate::providers::installs::Installs;

fn inventory() -> Inventory {
    Inventory {
        installs: Installs {
            manager: Manager::Dnf,
            architecture: "x86_64".into(),
            packages: BTreeMap::new(),
            unreadable: Vec::new(),
        },
        duplicates: BTreeMap::new(),
        cut_short: Default::default(),
        bytes: BTreeMap::new(),
    }
}

#[test]
fn a_conflict_names_the_package_that_has_it() {
    let text = "Error: \n Problem: problem with installed package omega-2.0-1.noarch\n  - package zeta-2.0-1.noarch conflicts with omega provided by omega-2.0-1.noarch\n  - conflicting requests\n(try to add '--allowerasing' to command line to replace conflicting packages or '--skip-broken' to skip uninstallable packages)\n";
    let refusal = parse_refusal(&inventory(), text).unwrap();
    assert_eq!(refusal.unmet[0].title.as_str(), "rpm/zeta");
    assert_eq!(refusal.to_string(), "dnf can't do this: zeta conflicts with omega provided by omega-2.0-1.noarch");
}

#[test]
fn a_dependency_that_nothing_provides_belongs_to_the_package_that_needs_it() {
    let text = "Error: \n Problem: conflicting requests\n  - nothing provides nowhere needed by zeta-4.0-1.noarch\n(try to add '--skip-broken' to skip uninstallable packages)\n";
    let refusal = parse_refusal(&inventory(), text).unwrap();
    assert_eq!(refusal.to_string(), "dnf can't do this: zeta nothing provides nowhere");
}

#[test]
fn a_version_that_is_not_there_is_not_found_and_other_failures_are_no_refusals() {
    let text = "Error: The following problems occurred while replaying the transaction from file \"/x\":\n  Cannot find rpm nevra \"zeta-5.0-1.noarch\".\n";
    assert_eq!(parse_refusal(&inventory(), text).unwrap().not_found, [TitleId::from("rpm/zeta")]);
    assert_eq!(parse_refusal(&inventory(), "Error: Cache-only enabled but no cache for 'base'\n"), None);
}
