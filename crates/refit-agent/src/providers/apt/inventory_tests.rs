use super::*;

/// A root in which configuring `beta` had failed, `openssl` was held and `unzip` removed.
const LISTING: &str = include_str!("testdata/dpkg-query.txt");

fn listed() -> Inventory {
    parse("amd64", LISTING).unwrap()
}

fn package(inventory: &Inventory, title: &str) -> Package {
    inventory.packages.get(&TitleId::from(title)).unwrap().clone()
}

#[test]
fn an_installed_package_is_read_with_its_source() {
    let bash = package(&listed(), "deb/bash");
    assert!(bash.is_well() && bash.is_present() && bash.essential && !bash.is_held());
    assert_eq!(bash.version.unwrap().as_str(), "5.2.15-2+b13");
    assert_eq!((bash.source.as_str(), bash.source_version.unwrap().as_str()), ("bash", "5.2.15-2"));
    assert_eq!(bash.installed_bytes, 7164 * 1024);
    assert_eq!(package(&listed(), "deb/libc6").source, "glibc");
}

#[test]
fn a_half_configured_package_is_not_well_although_its_version_is_the_new_one() {
    let inventory = listed();
    let beta = package(&inventory, "deb/beta");
    assert_eq!(beta.status, Status::HalfConfigured);
    assert_eq!(beta.version.as_ref().unwrap().as_str(), "2");
    assert_eq!((beta.is_well(), beta.well_version()), (false, None));
    let unfinished: Vec<&str> = inventory.unfinished().map(|package| package.title.as_str()).collect();
    assert_eq!(unfinished, ["deb/beta", "deb/gamma"]);
}

#[test]
fn a_held_package_is_well_and_held() {
    let openssl = package(&listed(), "deb/openssl");
    assert!(openssl.is_held() && openssl.is_well());
}

#[test]
fn a_removed_package_whose_configuration_is_left_is_not_present() {
    let unzip = package(&listed(), "deb/unzip");
    assert_eq!((unzip.status, unzip.is_present(), unzip.is_unfinished()), (Status::ConfigFiles, false, false));
}

#[test]
fn a_foreign_architecture_is_in_the_title() {
    let line = "libc6\ti386\t2.36-9\tglibc\t2.36-9\tinstall\tinstalled\tok\tno\t1\t\n";
    let inventory = parse("amd64", &format!("{LISTING}{line}")).unwrap();
    assert_eq!(package(&inventory, "deb/libc6:i386").architecture, "i386");
    assert_eq!(package(&inventory, "deb/libc6").architecture, "amd64");
    assert_eq!(inventory.title("libc6:amd64"), TitleId::from("deb/libc6"));
    assert_eq!(apt_name(&inventory.title("libc6:i386")), "libc6:i386");
}

#[test]
fn a_damaged_package_is_not_well() {
    let line = "x\tall\t1\tx\t1\tinstall\tinstalled\treinstreq\tno\t1\t\n";
    let x = package(&parse("amd64", line).unwrap(), "deb/x");
    assert!(!x.is_well() && x.is_unfinished());
}

#[test]
fn a_line_of_another_shape_is_an_error_and_no_partial_answer() {
    let error = parse("amd64", &format!("{LISTING}half a line\n")).unwrap_err();
    assert_eq!(error.to_string(), "`dpkg-query -W` printed something unexpected: expected 11 fields: `half a line`");
    let odd = "x\tall\t1\tx\t1\tinstall\tmelted\tok\tno\t1\t\n";
    assert!(parse("amd64", odd).unwrap_err().to_string().contains("unknown status"));
}

#[test]
fn a_version_that_is_none_is_told_apart() {
    let inventory = parse("amd64", "x\tall\tnone\tx\t1\tinstall\tinstalled\tok\tno\t1\t\n").unwrap();
    assert!(inventory.packages.is_empty());
    assert_eq!(inventory.unreadable.len(), 1);
}
