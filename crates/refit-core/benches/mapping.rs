//! What it costs to map what device management says of computers, each with 150 installs: Jamf Pro's pages through the connector that
//! comes with Refit.
//!
//! `cargo bench -p refit-core --bench mapping [-- DEVICES]` prints the CPU time of one thread. Reading the same pages as JSON, without
//! making anything of them, stands beside it. Making the pages up is not in either.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads a connector; the core that it measures does not")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what fails here is meant to stop")]

use nix::time::{ClockId, clock_gettime};
use refit_core::{
    facts::{
        Fields,
        mapping::{Connector, Maps, load, read},
    },
    policy::{diagnostic::Files, syntax::Limits},
};
use std::{fmt::Write as _, fs, hint::black_box, path::Path, time::Duration};

/// Of a computer.
const INSTALLS: usize = 150;
/// Different titles that computers have some of.
const TITLES: usize = 2_000;
/// Computers of a page, as the connector asks for them.
const PAGE: usize = 200;

fn connector() -> Connector {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../connectors/jamf-pro/connector.yaml");
    let (mut files, limits) = (Files::default(), Limits::default());
    let file = files.add("jamf-pro".to_owned(), &fs::read(path).unwrap(), &limits).unwrap();
    load(&files, file, &Fields::builtin(), &limits).0.unwrap()
}

/// A page of computers from this one on.
fn page(first: usize) -> String {
    let mut text = format!("{{\"totalCount\": {PAGE}, \"results\": [");
    for computer in first..first + PAGE {
        let comma = if computer == first { "" } else { "," };
        let _ = write!(
            text,
            r#"{comma}{{"id": "{computer}", "udid": "954F4D56-C574-E7D3-FC3A-{computer:012X}",
            "general": {{"name": "mac-{computer}", "managementId": "m{computer}", "reportDate": "2026-11-01T06:00:00Z",
            "lastContactTime": "2026-11-01T07:00:00Z", "lastEnrolledDate": "2025-02-03T07:00:00Z", "site": {{"name": "None"}}}},
            "hardware": {{"serialNumber": "C02X{computer:07}", "macAddress": "F0:18:98:00:{:02X}:{:02X}", "model": "MacBook Pro",
            "modelIdentifier": "Mac16,1", "processorArchitecture": "arm64"}}, "operatingSystem": {{"version": "15.1"}},
            "userAndLocation": {{"email": "p{computer}@acme.example", "username": "p{computer}", "realname": "Person {computer}"}},
            "groupMemberships": [{{"groupName": "All managed"}}, {{"groupName": "Canary"}}], "applications": ["#,
            computer / 256 % 256,
            computer % 256,
        );
        for install in 0..INSTALLS {
            // Another set on each, in another order.
            let title = (computer * 7 + install * 13) % TITLES;
            let comma = if install == 0 { "" } else { "," };
            let _ = write!(
                text,
                r#"{comma}{{"name": "Title {title}.app", "bundleId": "com.vendor{title}.title", "version": "{}.{install}.1",
                "path": "/Applications/Title {title}.app", "sizeMegabytes": 12, "macAppStore": false}}"#,
                title % 40
            );
        }
        text.push_str("]}");
    }
    text.push_str("]}");
    text
}

/// What something costs.
fn cost(work: impl FnOnce()) -> Duration {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let before = now();
    work();
    now() - before
}

fn main() {
    let devices = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(100_000_usize);
    let connector = connector();
    let (mut mapped, mut alone, mut bytes, mut installs) = (Duration::ZERO, Duration::ZERO, 0, 0);
    for first in (0..devices).step_by(PAGE) {
        let text = page(first);
        bytes += text.len();
        mapped += cost(|| {
            let reading = read(&connector, &text, &Maps::new()).unwrap();
            assert!(reading.quarantined.is_empty(), "{:?}", reading.quarantined.first());
            installs += reading.records.iter().map(|record| record.installs.len()).sum::<usize>();
            drop(black_box(reading));
        });
        alone += cost(|| drop(black_box(serde_json::from_str::<serde_json::Value>(&text).unwrap())));
    }
    let devices = devices.div_ceil(PAGE) * PAGE;
    assert_eq!(installs, devices * INSTALLS);
    let each = |time: Duration| format!("{:.1} µs a device", time.as_secs_f64() * 1e6 / devices as f64);
    println!("{devices} devices of {INSTALLS} installs, {} MB of JSON", bytes / 1_000_000);
    println!("mapped: {:.1} s, {}", mapped.as_secs_f64(), each(mapped));
    println!("read as JSON alone: {:.1} s, {}", alone.as_secs_f64(), each(alone));
    println!("a million devices: {:.1} minutes", mapped.as_secs_f64() * 1e6 / devices as f64 / 60.0);
}
