use super::*;

fn inventory() -> Inventory {
    Inventory { architecture: "amd64".into(), packages: BTreeMap::new(), unreadable: Vec::new() }
}

fn read(text: &str) -> BTreeMap<TitleId, Action> {
    parse(&inventory(), text).unwrap()
}

fn refused(stdout: &str, stderr: &str) -> Refusal {
    parse_refusal(&inventory(), stdout, stderr).unwrap()
}

#[test]
fn a_new_kernel_comes_as_an_install_beside_the_upgrades() {
    let actions = read(include_str!("testdata/simulate-widened.txt"));
    let kinds: Vec<(&str, ActionKind)> = actions.iter().map(|(title, action)| (title.as_str(), action.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("deb/libbrotli1", ActionKind::Upgrade),
            ("deb/libperl5.36", ActionKind::Upgrade),
            ("deb/linux-image-6.1.0-56-cloud-amd64", ActionKind::Install),
            ("deb/linux-image-cloud-amd64", ActionKind::Upgrade),
            ("deb/perl", ActionKind::Upgrade),
            ("deb/perl-base", ActionKind::Upgrade),
            ("deb/perl-modules-5.36", ActionKind::Upgrade),
        ]
    );
    let perl = actions.get(&TitleId::from("deb/perl")).unwrap();
    assert_eq!(perl.from.as_ref().unwrap().as_str(), "5.36.0-7+deb12u3");
    assert_eq!(perl.to.as_ref().unwrap().as_str(), "5.36.0-7+deb12u4");
    assert_eq!(perl.origins, ["Debian-Security:12/oldstable-security"]);
}

#[test]
fn a_removal_and_what_is_only_configured_are_told_apart() {
    let actions = read(include_str!("testdata/simulate-removal.txt"));
    assert_eq!(actions.get(&TitleId::from("deb/curl")).map(|a| a.kind), Some(ActionKind::Remove));
    let actions = read(include_str!("testdata/simulate-configure.txt"));
    assert!(actions.len() == 2 && actions.values().all(|action| action.kind == ActionKind::Configure));
}

#[test]
fn a_downgrade_and_two_origins_are_read() {
    let actions = read("Inst x:i386 [2] (1 Debian:12/stable, Local:stable [i386]) [y:amd64 ]\n");
    let x = actions.get(&TitleId::from("deb/x:i386")).unwrap();
    assert_eq!((x.kind, x.origins.len()), (ActionKind::Downgrade, 2));
}

#[test]
fn a_line_that_lacks_its_version_is_an_error() {
    assert!(parse(&inventory(), "Inst x [1]\n").is_err());
    assert!(parse(&inventory(), "Inst x [1 (2 A)\n").is_err());
}

#[test]
fn an_unmet_dependency_names_its_package() {
    let refusal = refused(include_str!("testdata/simulate-unmet.out"), include_str!("testdata/simulate-unmet.err"));
    assert_eq!(
        refusal.to_string(),
        "apt can't do this: perl Depends: perl-base (= 5.36.0-7+deb12u4) but 5.36.0-7+deb12u3 is to be installed"
    );
}

#[test]
fn a_missing_version_and_a_missing_package_are_named() {
    let refusal = refused(include_str!("testdata/simulate-missing.out"), include_str!("testdata/simulate-missing.err"));
    assert_eq!(refusal.not_found, [TitleId::from("deb/bash"), TitleId::from("deb/nothing")]);
}

#[test]
fn an_interrupted_dpkg_says_what_to_do() {
    let stderr = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. \n";
    assert!(refused("", stderr).to_string().contains("`dpkg --configure -a`"));
}

#[test]
fn a_failure_of_another_kind_is_no_refusal() {
    assert_eq!(parse_refusal(&inventory(), "", "E: Could not open file /var/lib/dpkg/status\n"), None);
}

#[test]
fn an_alternative_is_shown_whole() {
    let stdout = "The following packages have unmet dependencies:\n \
        alpha : Depends: liba (>= 2) but it is not installable or\n                  libb (>= 2) but it is not going to be installed or\n                  libc2 but it is not installable\n         Depends: libd but it is not installable\n";
    let inventory = Inventory { architecture: "amd64".into(), packages: BTreeMap::new(), unreadable: Vec::new() };
    let refusal =
        parse_refusal(&inventory, stdout, "E: Unable to correct problems, you have held broken packages.\n").unwrap();
    let unmet: Vec<&str> = refusal.unmet.iter().map(|unmet| unmet.dependency.as_str()).collect();
    assert_eq!(
        unmet,
        [
            "Depends: liba (>= 2) but it is not installable or libb (>= 2) but it is not going to be installed or libc2 but it is not installable",
            "Depends: libd but it is not installable",
        ]
    );
}
