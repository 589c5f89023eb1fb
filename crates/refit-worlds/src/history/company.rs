//! Who works at Acme, and on what.

use super::machine::{Away, Machine, System};
use crate::Rng;
use jiff::Timestamp;

/// Somebody.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub id: &'static str,
    pub department: &'static str,
    pub site: &'static str,
    pub employment: &'static str,
    pub on_leave: bool,
    /// The first day, where HR says one.
    pub first_day: Option<&'static str>,
    pub last_day: Option<&'static str>,
}

const fn somebody(id: &'static str, department: &'static str, site: &'static str) -> Person {
    Person { id, department, site, employment: "active", on_leave: false, first_day: None, last_day: None }
}

/// Whoever works there when the month begins, and one who left long ago.
pub(super) fn people() -> Vec<Person> {
    let mut people = vec![
        somebody("p01", "IT", "Berlin"),
        somebody("p02", "IT", "Berlin"),
        somebody("p03", "IT", "Hannover"),
        somebody("p04", "Engineering", "Berlin"),
        somebody("p05", "Engineering", "Berlin"),
        somebody("p06", "Engineering", "Berlin"),
        somebody("p07", "Engineering", "Hannover"),
        somebody("p08", "Engineering", "Hannover"),
        somebody("p09", "Finance", "Berlin"),
        somebody("p10", "Finance", "Berlin"),
        somebody("p11", "Finance", "Hannover"),
        somebody("p12", "Finance", "Hannover"),
        somebody("p13", "Sales", "Hannover"),
        somebody("p14", "Sales", "Hannover"),
        somebody("p15", "Sales", "Berlin"),
        somebody("p16", "Sales", "Berlin"),
        somebody("p17", "People", "Berlin"),
        somebody("p18", "People", "Berlin"),
        somebody("p19", "Support", "Berlin"),
        somebody("p20", "Support", "Hannover"),
        somebody("p21", "Legal", "Berlin"),
        somebody("p22", "Security", "Berlin"),
        somebody("p23", "Security", "Berlin"),
    ];
    people.push(Person { employment: "left", ..somebody("p90", "Sales", "Berlin") });
    people
}

/// The devices that there are when the month begins.
pub(super) fn machines(seed: u64) -> Vec<Machine> {
    use System::{Debian, Mac, Windows10, Windows11};
    let laptops = [
        ("mac-01", Mac, "p01"),
        ("win-01", Windows11, "p02"),
        ("win-02", Windows11, "p03"),
        ("mac-02", Mac, "p04"),
        ("mac-03", Mac, "p05"),
        ("lin-01", Debian, "p06"),
        ("lin-02", Debian, "p07"),
        ("mac-04", Mac, "p08"),
        ("win-03", Windows11, "p09"),
        ("win-04", Windows11, "p10"),
        ("mac-05", Mac, "p11"),
        ("win-05", Windows10, "p12"),
        ("mac-06", Mac, "p13"),
        ("win-06", Windows11, "p14"),
        ("win-07", Windows11, "p15"),
        ("mac-07", Mac, "p16"),
        ("mac-08", Mac, "p17"),
        ("win-08", Windows11, "p18"),
        ("win-09", Windows11, "p19"),
        ("mac-09", Mac, "p20"),
        ("win-10", Windows11, "p21"),
        ("mac-10", Mac, "p22"),
        ("lin-03", Debian, "p23"),
        // A loan, which nobody has at present.
        ("win-11", Windows11, ""),
    ];
    let mut machines: Vec<Machine> = Vec::new();
    for (number, (id, system, person)) in (0..).zip(laptops) {
        let mut machine = Machine::laptop(id, system, number, minute(seed, number));
        machine.person = Some(person).filter(|person| !person.is_empty());
        machines.push(machine);
    }
    let servers = [
        ("srv-01", "staging", "web-staging"),
        ("srv-02", "staging", "db-staging"),
        ("srv-03", "production", "web"),
        ("srv-04", "production", "web"),
        ("srv-05", "production", "db"),
        ("srv-06", "production", "db"),
    ];
    for (number, (id, tier, cluster)) in (100..).zip(servers) {
        machines.push(Machine::server(id, tier, cluster, number, minute(seed, number)));
    }
    for machine in &mut machines {
        habits(machine);
    }
    machines
}

/// The minute of the hour at which a device checks in.
pub(super) fn minute(seed: u64, number: u64) -> i64 {
    Rng::stream(seed, "minute", number).between(2, 50) as i64
}

/// What sets a device apart.
fn habits(machine: &mut Machine) {
    let away = |from: &str, to: &str| Away::new(from, to);
    match machine.id {
        // At a fair, with the lid shut, just when a browser is exploited.
        "mac-06" => machine.away.extend(away("2026-06-09T12:00:00Z", "2026-06-15T06:00:00Z")),
        // In a drawer.
        "lin-02" => machine.away.extend(away("2026-06-03T18:00:00Z", "2026-06-24T06:00:00Z")),
        // Its person is on leave from the tenth on, and everything of theirs is shut.
        "mac-07" => machine.away.extend(away("2026-06-10T05:00:00Z", "2026-07-20T06:00:00Z")),
        "mac-08" => machine.away.extend(away("2026-06-22T05:00:00Z", "2026-07-06T06:00:00Z")),
        "win-09" | "mac-09" | "win-11" => machine.put("teamviewer", None, "15.58.4"),
        // Built in 2018: nothing newer than 14 runs on it.
        "mac-05" => machine.put("macos", Some("14"), "14.8.7"),
        _ => {}
    }
}

/// The laptop of somebody who joins.
pub(super) fn of_the_joiner(seed: u64) -> Machine {
    let mut machine = Machine::laptop("mac-11", System::Mac, 40, minute(seed, 40));
    machine.person = Some("p24");
    machine.take("crowdstrike-falcon");
    machine
}

/// Whether a time lies in an hour of work in Berlin, in summer: from eight in the morning to nine in the evening.
pub(super) fn is_office_hour(time: Timestamp) -> bool {
    let hour = time.to_zoned(jiff::tz::TimeZone::UTC).hour();
    (6..=18).contains(&hour) && hour % 2 == 0 || hour == 19
}
