//! What gates do with releases that break so many devices: `cargo run --release -p refit-sim --bin gates`.
//!
//! Prints the tables and plots of docs/concepts/gates.md. Devices of a ring are given a release and report some time later; the gate is asked
//! after every report, and every four hours. The same command gives the same tables. With the name of a part it prints that part alone.
#![allow(clippy::print_stdout, reason = "this is what it is for")]

mod journeys;
mod models;
mod noise;
mod outcome;
mod rings;
mod signals;

use jiff::Timestamp;
use refit_core::policy::repository::Gate;

/// The sizes of rings.
const RINGS: [u64; 4] = [8, 80, 800, 8_000];
/// The shares of devices that a release breaks.
const RATES: [f64; 7] = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 1.0];
/// How long a device takes to report, in minutes, on average: laptops are opened when people come to work.
const REPORTS: f64 = 8.0 * 60.0;
/// How often the gate is asked though nobody reports, in minutes.
const LOOKS: i64 = 240;
/// The gate's patience, in minutes: then a person is asked.
const PATIENCE: i64 = 7 * 24 * 60;
/// A day, in minutes.
const DAY: i64 = 24 * 60;

/// The parts, by name.
const PARTS: [(&str, fn()); 6] = [
    ("failures", || rings::table("It fails at once, and the device says so", rings::Breaks::AtOnce)),
    ("silence", || rings::table("It is installed, and the device falls silent", rings::Breaks::Silently)),
    ("journeys", journeys::journeys),
    ("noise", noise::tables),
    ("signals", signals::tables),
    ("models", models::table),
];

fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    for (_, part) in PARTS.iter().filter(|(name, _)| chosen.is_empty() || chosen.iter().any(|chosen| chosen == name)) {
        part();
    }
}

/// A line for each size, smallest first, over the break rates; as Mermaid's charts, which are drawn where Markdown is shown.
fn plot(title: &str, lines: &[Vec<f64>]) {
    let rates: Vec<String> = RATES.iter().map(|rate| format!("\"{} %\"", rate * 100.0)).collect();
    println!("```mermaid\nxychart-beta\n  title \"{title}\"");
    println!("  x-axis \"devices that it breaks\" [{}]\n  y-axis \"%\" 0 --> 100", rates.join(", "));
    for line in lines {
        let values: Vec<String> = line.iter().map(|value| format!("{value:.1}")).collect();
        println!("  line [{}]", values.join(", "));
    }
    println!("```\n");
}

fn time(minutes: i64) -> Timestamp {
    Timestamp::from_second(minutes * 60).unwrap_or(Timestamp::MAX)
}

/// The gate of the guide.
fn gate() -> Gate {
    Gate { enough: Some(0.9), silence: Some(0.01), reports: Some(0.01), ..Gate::named("default") }
}
