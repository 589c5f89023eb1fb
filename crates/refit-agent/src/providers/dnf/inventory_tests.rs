use super::*;

const LISTING: &str = "shell\t0\t1.0-1\tnoarch\tshell-1.0-1.src.rpm\t15\t1795609943\n\
    glibc\t0\t2.34-60.el9\tx86_64\tglibc-2.34-60.el9.src.rpm\t100\t1795609943\n\
    glibc\t0\t2.34-60.el9\ti686\tglibc-2.34-60.el9.src.rpm\t100\t1795609943\n\
    openssl-libs\t1\t3.0.7-24.el9\tx86_64\topenssl-3.0.7-24.el9.src.rpm\t100\t1795609943\n\
    kernel-core\t0\t5.14.0-1\tx86_64\tkernel-5.14.0-1.src.rpm\t100\t1795609943\n\
    kernel-core\t0\t5.14.0-10\tx86_64\tkernel-5.14.0-10.src.rpm\t100\t1795609943\n\
    delta\t0\t2.0-1\tnoarch\tdelta-2.0-1.src.rpm\t1\t1795610006\n\
    delta\t0\t1.0-1\tnoarch\tdelta-1.0-1.src.rpm\t1\t1795609943\n\
    gpg-pubkey\t0\t9d41c944-6b06d52c\t(none)\t(none)\t0\t1795609943\n";

fn inventory() -> Inventory {
    parse("x86_64", LISTING, &BTreeSet::from(["kernel-core"]), &Marks::default()).unwrap()
}

#[test]
fn keys_are_no_packages_and_a_foreign_architecture_is_part_of_the_title() {
    let found = inventory();
    let titles: Vec<&str> = found.installs.packages.keys().map(TitleId::as_str).collect();
    assert_eq!(
        titles,
        ["rpm/delta", "rpm/glibc", "rpm/glibc:i686", "rpm/kernel-core", "rpm/openssl-libs", "rpm/shell"]
    );
}

#[test]
fn the_epoch_is_part_of_a_version_unless_it_is_zero() {
    let found = inventory();
    let package = found.package(&"rpm/openssl-libs".into()).unwrap();
    assert_eq!((package.version.as_str(), package.source.as_str()), ("1:3.0.7-24.el9", "openssl"));
    assert_eq!(package.source_version.as_ref().unwrap().as_str(), "3.0.7-24.el9");
    assert_eq!(found.package(&"rpm/shell".into()).unwrap().version.as_str(), "1.0-1");
}

#[test]
fn kernels_stand_side_by_side_and_other_packages_do_not() {
    let found = inventory();
    let kernel = found.package(&"rpm/kernel-core".into()).unwrap();
    assert_eq!((kernel.version.as_str(), kernel.beside.len(), kernel.is_well()), ("5.14.0-10", 1, true));
    let delta = found.package(&"rpm/delta".into()).unwrap();
    assert_eq!((delta.version.as_str(), delta.status), ("2.0-1", Status::HalfInstalled));
    assert_eq!(found.duplicates.len(), 1);
}

#[test]
fn a_name_of_dnf_has_no_epoch_of_zero() {
    let version = version_of("0", "1.0-1").unwrap();
    assert_eq!(nevra("alpha", &version, "noarch"), "alpha-1.0-1.noarch");
    assert_eq!(nevra("alpha", &version_of("2", "1.0-1").unwrap(), "noarch"), "alpha-2:1.0-1.noarch");
}
