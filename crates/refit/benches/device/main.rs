//! What the agent takes on a device, and what a small fleet takes with a server: real package managers in throw-away roots.
//!
//! `cargo bench -p refit --bench device -- PART...` prints the tables of docs/benchmarks.md. The parts:
//!
//! - `memory`: both processes after a check-in, idle, and at the most in a session of a hundred packages;
//! - `idle`: CPU time of a device on which nothing happens;
//! - `cold`: `refit-agent once` beyond the package manager's own time;
//! - `fleet`: 20 devices scanned and planned, beside apt alone, and beside Ansible where `ansible-playbook` is on the path
//!   (`apt-get install ansible-core`, or in an environment of Python's own).
//!
//! Nothing is changed on the machine, and no archive is asked.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

mod cold;
mod company;
mod fleet;
mod idle;
mod memory;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |part: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == part);
    for (part, run) in
        [("memory", memory::run as fn()), ("idle", idle::run), ("cold", cold::run), ("fleet", fleet::run)]
    {
        if wanted(part) {
            println!("\n{part}");
            run();
        }
    }
}
