//! The whole synthetic company: 100,000 people and 150,000 devices in six systems, with 600 of each defect. Prints who was found, and
//! the CPU time that a full reading and one of a hundredth takes. `cargo bench -p refit-core --bench company [-- PEOPLE]`.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads connectors")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails here is meant to stop")]

#[path = "../tests/company/defects.rs"]
mod defects;
#[path = "../tests/company/made.rs"]
mod made;
#[path = "../tests/company/measure.rs"]
#[allow(dead_code, reason = "the test has the rest")]
mod measure;
#[path = "../tests/company/payloads.rs"]
mod payloads;
#[path = "../tests/company/reading.rs"]
#[allow(dead_code, reason = "the test has the rest")]
mod reading;

use made::{Company, Size};
use nix::time::{ClockId, clock_gettime};
use reading::Reader;
use refit_core::facts::identity::{Registry, Settled};
use std::time::Duration;

fn main() {
    let people = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(100_000);
    let size = Size { people, devices: people * 3 / 2, of_each_defect: 600.min(people / 100) };
    let mut company = Company::new(size, 7);
    let (mut reader, mut registry) = (Reader::new(), Registry::default());
    let timed = |what: &str, work: &mut dyn FnMut() -> usize| {
        let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
        let before = now();
        let records = work();
        println!("{what}: {records} records in {:.2} s", (now() - before).as_secs_f64());
    };
    timed("first reading, payloads made and mapped", &mut || {
        reader.full(&company, &mut registry, 0);
        registry.nodes().len()
    });
    println!("{}", measure::score(&company, &registry));
    let ids = measure::ids(&company, &registry);
    company.a_month_later();
    timed("second reading, a month later", &mut || {
        reader.full(&company, &mut registry, 30);
        registry.nodes().len()
    });
    let score = measure::score(&company, &registry);
    println!("{score}");
    assert_eq!(score.wrong(), 0, "somebody is taken for somebody else");
    assert!(score.share() >= 0.99);
    for (defect, row) in score.defects() {
        assert!(row.entities >= size.of_each_defect, "{defect:?} is there {} times only", row.entities);
    }
    assert!(measure::lost(&company, &registry, &ids).is_empty());
    let (said, mut alone) = (reader.all(&company, 30), Registry::default());
    timed("who is who, from nothing", &mut || {
        reader.tell(&mut alone, said.clone(), 30);
        said.len()
    });
    let hundredth = reader.changed(&company, 31, 100);
    timed("who is who, a hundredth that says something else", &mut || {
        reader.tell(&mut registry, hundredth.clone(), 31);
        hundredth.len()
    });
    let nodes = registry.nodes().to_vec();
    timed("who is who, restored", &mut || Registry::restore(nodes.clone(), Settled::default()).nodes().len());
}
