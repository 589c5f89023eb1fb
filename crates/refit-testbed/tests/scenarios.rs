//! The scenarios do what they promise: shown with apt-get and dpkg alone.

use refit_testbed::{BaseRoot, scenarios};

#[test]
fn a_failing_postinst_leaves_the_new_version_half_configured() {
    let Some(base) = BaseRoot::minimal() else { return };
    let device = scenarios::failing_postinst(&base);
    device.root.apt_get(["-y", "dist-upgrade"]).exit(100).says("alpha: cannot migrate");
    let alpha = &device.root.dpkg()["alpha"];
    assert_eq!((alpha.version.as_str(), alpha.status.as_str()), ("2.0", "iF"));
}
