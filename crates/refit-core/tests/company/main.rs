//! A synthetic company, read through the connectors from six systems, with what goes wrong in real ones: who is one, and who is
//! not, is known beforehand and held against what Refit finds. `made.rs`, `defects.rs` and `payloads.rs` make the company and know
//! nothing of how it is found out.
//!
//! These are smaller forms; `cargo bench -p refit-core --bench company` is the whole one.

#![allow(clippy::disallowed_methods, reason = "the test reads connectors; the core that it tests does not")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

mod defects;
mod made;
mod measure;
mod payloads;
mod reading;

use made::{Company, Size};
use measure::score;
use reading::Reader;
use refit_core::facts::identity::Registry;

/// Reads the company, and again a month later: nobody is ever taken for somebody else, at least this share of the records is joined, and every id
/// leads to whom it led.
fn read(size: Size, least: f64) -> Company {
    let mut company = Company::new(size, 7);
    let (mut reader, mut registry) = (Reader::new(), Registry::default());
    reader.full(&company, &mut registry, 0);
    let first = score(&company, &registry);
    let ids = measure::ids(&company, &registry);
    company.a_month_later();
    reader.full(&company, &mut registry, 30);
    let second = score(&company, &registry);
    let lost = measure::lost(&company, &registry, &ids);
    println!("at first:\n{first}\na month later:\n{second}");
    for score in [&first, &second] {
        assert_eq!(score.wrong(), 0, "somebody is taken for somebody else:\n{score}");
        assert!(score.share() >= least, "too few are found:\n{score}");
    }
    assert!(lost.is_empty(), "ids lead to something else than before: {lost:?}");
    for (defect, row) in second.defects() {
        assert!(row.entities >= size.of_each_defect, "{defect:?} is there {} times only", row.entities);
    }
    company
}

#[test]
fn nobody_is_taken_for_somebody_else_and_most_are_found() {
    let company = read(Size { people: 2_500, devices: 3_750, of_each_defect: 25 }, 0.99);
    // The same records in another order are the same people and devices.
    let mut turned = Registry::default();
    Reader::new().turned(&company, &mut turned, 30);
    let mut once = Registry::default();
    Reader::new().full(&company, &mut once, 30);
    assert_eq!(measure::groups(&company, &turned), measure::groups(&company, &once));
}

/// A defect is three times as frequent here as in the whole company, of which 99 % have to be found.
#[test]
fn of_five_hundred_with_each_defect_nobody_is_taken_for_somebody_else() {
    read(Size { people: 25_000, devices: 37_500, of_each_defect: 500 }, 0.98);
}

/// Whoever makes the company has no way to know what Refit takes for one.
#[test]
fn who_makes_the_company_shares_nothing_with_who_finds_it_out() {
    for (name, source) in [
        ("defects.rs", include_str!("defects.rs")),
        ("made.rs", include_str!("made.rs")),
        ("payloads.rs", include_str!("payloads.rs")),
    ] {
        let mut uses = source.lines().filter(|line| line.trim_start().starts_with("use ") || line.contains("refit_"));
        let allowed = ["use super::made::", "use super::defects::", "use jiff::", "use serde_json::"];
        let other = uses.find(|line| !allowed.iter().any(|allowed| line.starts_with(allowed)));
        assert_eq!(other, None, "{name}");
    }
}
