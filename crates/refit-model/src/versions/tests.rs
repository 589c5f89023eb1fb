//! Tables of ordered versions, one per scheme, and the laws that every scheme's order keeps.

use super::*;
use std::cmp::Ordering;

/// Checks lines such as `1.0 < 1.0.1 = 1.0.1.0 < 2`.
fn check(scheme: Scheme, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(" < ").flat_map(|part| part.split(" = ")).collect();
        let mut rest = line;
        for pair in words.windows(2) {
            rest = &rest[pair[0].len() + 1..];
            let expected = rest.chars().next().unwrap();
            rest = &rest[2..];
            let compare = |a, b| sign(compare_text(scheme, a, b).map_or_else(|error| panic!("{error}"), Some));
            assert_eq!(compare(pair[0], pair[1]), expected, "{} against {} in {}", pair[0], pair[1], scheme.name());
            let reverse = match expected {
                '<' => '>',
                sign => sign,
            };
            assert_eq!(compare(pair[1], pair[0]), reverse, "{} against {} in {}", pair[1], pair[0], scheme.name());
        }
    }
}

#[test]
fn generic_versions_order_as_people_read_them() {
    check(
        Scheme::Generic,
        "1.0~1 < 1.0-dev < 1.0-alpha < 1.0-alpha.2 < 1.0b1 < 1.0-M2 < 1.0-preview.3 < 1.0rc1 < 1.0-rc2 < 1.0 < 1.0 (12) < 1.0+7 < 1.0-1 < 1.0p1 < 1.0.1",
    );
    let _ = Ordering::Equal;
}
