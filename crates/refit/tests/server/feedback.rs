//! `docs/guides/feedback-and-exceptions.sh`, run as it stands there against a server of its own.

use super::running::start;
use std::{path::Path, process::Command};

#[test]
fn the_guide_comes_to_its_decisions_and_to_others_with_other_facts() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/feedback-and-exceptions.sh");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let running = start(&data);
    let programs = Path::new(env!("CARGO_BIN_EXE_refit")).parent().unwrap();
    let output = Command::new("bash")
        .arg(guide)
        .env_clear()
        .env("HOME", folder.path())
        .env("REFIT_DATA", &data)
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", programs.display()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for line in [
        "for desk@acme.example about editor on laptop-7",
        "editor 1.1.0, which the report names, came ",
        "releases: \"=1.1.0\"",
        "why: \"1.1.0 loses files on slow disks\"",
        "nothing was changed in the 72 hours before",
        "trade-fair is granted: 1 device",
        "exception: \"trade-fair\"",
        "long-fair is asked for: 1 device",
        "may be granted by *@security.acme.example",
        "2 exceptions",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let reports = running.client.reports(None, None).unwrap();
    assert_eq!(reports.iter().filter(|report| report.closed.is_some()).count(), 2);
    let exceptions = running.client.exceptions().unwrap();
    let granted: Vec<_> =
        exceptions.iter().filter(|it| it.request.as_ref().is_some_and(|it| it.decided.is_some())).collect();
    assert_eq!(granted.len(), 1);
    // Who looks for one that there is not is told so.
    assert_eq!(running.client.exception("none").unwrap_err().code(), Some("not-found"));
}
