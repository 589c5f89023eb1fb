//! The small questions that everything else asks a million times: how two versions compare, whether an expression holds.
//!
//! `cargo bench -p refit-core --bench language` prints the least time of many rounds for each.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

use jiff::Timestamp;
use refit_core::{
    facts::{FieldRef, Fields, Value},
    policy::expr::{Scope, compile},
};
use refit_model::{Scheme, Version};
use std::{
    collections::BTreeMap,
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

const ROUNDS: usize = 200;

/// Versions of each scheme as they are really written, short and long.
const VERSIONS: [(Scheme, [&str; 6]); 7] = [
    (
        Scheme::Dpkg,
        [
            "2.36-9+deb12u10",
            "1:9.2p1-2+deb12u3",
            "3.0.15-1~deb12u1",
            "5.10.234-1",
            "1:2.39.5-0+deb12u2",
            "0~git20230101.abc-1",
        ],
    ),
    (
        Scheme::Rpm,
        ["1:3.0.7-27.el9", "5.14.0-503.11.1.el9_5", "2.34-125.el9_5.1", "4.4~rc1-1.fc41", "9.9p1-5^git1.el10", "1-1"],
    ),
    (Scheme::Semver, ["1.2.3", "1.2.3-rc.1", "10.0.0+build.5", "0.1.0-alpha", "22.11.0", "2.0.0-beta.11"]),
    (Scheme::Apple, ["14.2.1", "14.2.1 (a)", "15.1", "13.7.2", "26.0", "14.8.1"]),
    (
        Scheme::Windows,
        [
            "10.0.26100.2314",
            "10.0.22631.4460",
            "10.0.19045.5131",
            "10.0.26100.2161",
            "10.0.20348.2849",
            "10.0.17763.6532",
        ],
    ),
    (
        Scheme::Chrome,
        ["131.0.6778.86", "131.0.6778.109", "130.0.6723.116", "128.0.6613.137", "131.0.2903.63", "99.0.4844.51"],
    ),
    (Scheme::Generic, ["24.09", "3.0.21", "132.0.2", "17.0.13+11", "7.19.18913.0", "2024.10-beta2"]),
];

const EXPRESSIONS: [&str; 5] = [
    "exposure.kev",
    "exposure.cvss >= 9.0 || exposure.epss >= 0.5",
    "device.platform in [\"macos\", \"windows\", \"linux\"]",
    "person.department == \"IT\" || \"canary\" in device.tags",
    "device.os == \"debian\" && device.hostname.startsWith(\"web-\") && since(device.seen) < duration(\"72h\")",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<10} {:>10} {:>10}", "scheme", "read", "compare");
    for (scheme, texts) in VERSIONS {
        let versions = texts.iter().map(|text| Version::parse(scheme, text)).collect::<Result<Vec<_>, _>>()?;
        let read = least(texts.len(), || {
            for text in &texts {
                let _ = black_box(Version::parse(scheme, black_box(text)));
            }
        });
        let compare = least(versions.len() * versions.len(), || {
            for a in &versions {
                for b in &versions {
                    black_box(black_box(a).compare(black_box(b)));
                }
            }
        });
        println!("{:<10} {:>7.1} ns {:>7.1} ns", scheme.name(), nanos(read), nanos(compare));
    }

    let now: Timestamp = "2026-11-23T09:00:00Z".parse()?;
    let text = |value: &str| Value::Text(value.into());
    let facts = BTreeMap::from([
        (FieldRef::device("platform"), text("linux")),
        (FieldRef::device("os"), text("debian")),
        (FieldRef::device("hostname"), text("web-17")),
        (FieldRef::device("seen"), Value::Time(now)),
        (FieldRef::device("tags"), Value::List(vec!["lab".into(), "canary".into()])),
        (FieldRef::person("department"), text("Finance")),
        (FieldRef::exposure("kev"), Value::Bool(true)),
        (FieldRef::exposure("cvss"), Value::Float(7.5)),
        (FieldRef::exposure("epss"), Value::Float(0.6)),
    ]);
    let fields = Fields::builtin();
    let scope = Scope::exposure(&fields);
    println!("\n{:>10} {:>10}  expression", "compile", "evaluate");
    for source in EXPRESSIONS {
        let expr = compile(source, &scope).map_err(|errors| format!("{source}: {errors:?}"))?;
        let compiled = least(1, || drop(black_box(compile(black_box(source), &scope))));
        let evaluated = least(100, || {
            for _ in 0..100 {
                black_box(expr.truth(black_box(&facts), now));
            }
        });
        println!("{:>7.1} µs {:>7.3} µs  {source}", nanos(compiled) / 1e3, nanos(evaluated) / 1e3);
    }
    Ok(())
}

/// The least time of one of `count` things, of many rounds that each do a millisecond's worth or so.
fn least(count: usize, mut all: impl FnMut()) -> Duration {
    const REPEATS: u32 = 20;
    let mut round = || {
        let started = Instant::now();
        (0..REPEATS).for_each(|_| all());
        started.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    // Picoseconds would be lost in a Duration: a thousand of each are divided later.
    best * 1000 / REPEATS / u32::try_from(count).unwrap_or(u32::MAX)
}

/// Nanoseconds of one, from a thousand.
fn nanos(thousand: Duration) -> f64 {
    thousand.as_secs_f64() * 1e9 / 1000.0
}
