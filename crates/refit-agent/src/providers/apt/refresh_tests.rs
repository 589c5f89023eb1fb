use super::*;

fn kinds(stdout: &str, stderr: &str) -> Vec<(FaultKind, String)> {
    parse(stdout, stderr).into_iter().map(|fault| (fault.kind, fault.source)).collect()
}

#[test]
fn every_source_that_failed_is_told_once_with_its_cause() {
    let faults = kinds(include_str!("testdata/update-faults.out"), include_str!("testdata/update-faults.err"));
    assert_eq!(
        faults,
        [
            (FaultKind::Gone, "file:/srv/repo/gone ./".to_owned()),
            (FaultKind::Unsigned, "file:/srv/repo/unsigned ./".to_owned()),
            (FaultKind::UnknownKey, "file:/srv/repo/otherkey ./".to_owned()),
            (FaultKind::Tampered, "file:/srv/repo/tampered ./ Packages".to_owned()),
        ]
    );
}

#[test]
fn what_was_changed_on_the_way_is_tampered_with() {
    let faults = parse("", include_str!("testdata/update-tampered.err"));
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].kind, FaultKind::Tampered);
    assert!(faults[0].to_string().contains("Do not install from this source"), "{}", faults[0]);
}

#[test]
fn an_expired_source_says_since_when() {
    let faults = parse("", include_str!("testdata/update-expired.err"));
    assert_eq!((faults.len(), faults[0].kind), (1, FaultKind::Expired));
    assert!(faults[0].message.contains("invalid since"), "{}", faults[0].message);
}

#[test]
fn a_server_that_refuses_is_unreachable() {
    let faults = parse("", include_str!("testdata/update-refused.err"));
    assert_eq!((faults.len(), faults[0].kind), (1, FaultKind::Unreachable));
    assert_eq!(faults[0].source, "http://127.0.0.1:9/x/./InRelease");
}

#[test]
fn an_unknown_key_hides_that_apt_calls_the_source_unsigned() {
    let faults = kinds("", include_str!("testdata/update-otherkey.err"));
    assert_eq!(faults, [(FaultKind::UnknownKey, "file:/srv/repo/otherkey ./".to_owned())]);
}

#[test]
fn a_warning_of_no_consequence_is_no_fault() {
    assert_eq!(
        parse("", "W: Target Packages (main/binary-amd64/Packages) is configured multiple times in a and b\n"),
        []
    );
}

#[test]
fn only_faults_of_keys_get_advice_about_keys() {
    let text = "W: GPG error: copy:/srv/repository bookworm InRelease: Couldn't create temporary file /tmp/apt.conf.1 for passing config to apt-key";
    let faults = faults_in(text);
    assert_eq!(faults.iter().map(|fault| fault.kind).collect::<Vec<_>>(), [FaultKind::Unverifiable]);
    assert!(!faults[0].to_string().contains("key by a trusted way"), "{}", faults[0]);
    let text = "W: GPG error: copy:/srv/repository bookworm InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 0123456789ABCDEF";
    assert_eq!(faults_in(text)[0].kind, FaultKind::UnknownKey);
}
