use super::*;

const LIST: &str = include_str!("testdata/history-list.txt");
const INFO: &str = include_str!("testdata/history-info.txt");

fn marks() -> Marks {
    Marks { entries: INFO.split("\n-----").filter_map(info).collect() }
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[test]
fn transactions_with_something_to_tell_are_asked_for() {
    assert_eq!(listed(LIST), [4, 3, 1]);
    let later = LIST.replace("     4 |", "     6 | x | x | Install | 1   \n     5 | x | x | Install | 1   \n     4 |");
    assert_eq!(listed(&later), [6, 5, 4, 3, 1]);
}

#[test]
fn a_failed_script_is_told_of_the_installation_that_it_belongs_to() {
    let marks = marks();
    let of = |installed| marks.script_failure("alpha-2.0-1.noarch", at(installed));
    let output = of("2026-11-25T12:58:40Z").unwrap();
    assert_eq!(output[0], "alpha: cannot migrate");
    // Installed again later.
    assert_eq!(of("2026-11-25T13:10:00Z"), None);
    assert_eq!(marks.script_failure("beta-2.0-1.noarch", at("2026-11-25T12:58:40Z")), None);
}

#[test]
fn what_a_transaction_brought_is_cut_short_if_it_never_ended() {
    let marks = marks();
    assert!(marks.was_cut_short("delta-2.0-1.noarch", at("2026-11-25T13:00:06Z")));
    assert!(!marks.was_cut_short("delta-1.0-1.noarch", at("2026-11-25T12:33:21Z")));
    assert!(!marks.was_cut_short("alpha-2.0-1.noarch", at("2026-11-25T12:58:40Z")));
    // Another one has come since, and has installed it again.
    let mut marks = marks;
    marks.entries.push(Entry {
        id: 5,
        began: at("2026-11-25T13:30:00Z"),
        ended: at("2026-11-25T13:30:02Z"),
        ..Entry::default()
    });
    assert!(marks.was_cut_short("delta-2.0-1.noarch", at("2026-11-25T13:00:06Z")));
    assert!(!marks.was_cut_short("delta-2.0-1.noarch", at("2026-11-25T13:30:01Z")));
}

#[test]
fn scripts_that_configure_are_told_from_those_of_what_goes() {
    let line = "warning: %post(alpha-2.0-1.noarch) scriptlet failed, exit status 3";
    assert_eq!(failing_script(line), Some(("post", "alpha-2.0-1.noarch")));
    let line = "error: %prein(epsilon-2.0-1.noarch) scriptlet failed, exit status 4";
    assert_eq!(failing_script(line), Some(("prein", "epsilon-2.0-1.noarch")));
    assert!(is_configuring("post") && !is_configuring("prein") && !is_configuring("postun"));
    assert_eq!(failing_script("hello"), None);
}
