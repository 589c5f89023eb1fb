//! `refit check` on repositories of 1,000 and of 10,000 documents.
//!
//! `cargo bench -p refit --bench check` prints the table of docs/benchmarks.md.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and one that can't be set up is meant to panic"
)]

mod documents;

use refit_testbed::cost::{head, least, line, run};
use std::{error::Error, process::Command, time::Duration};

const RUNS: usize = 7;
const LIMIT: Duration = Duration::from_secs(300);

fn main() -> Result<(), Box<dyn Error>> {
    let work = tempfile::tempdir()?;
    let mut head_is_printed = false;
    for count in [100, 1_000, 2_000, 5_000, 10_000] {
        let folder = work.path().join(count.to_string());
        let bytes = documents::write(&folder, count)?;
        let check = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
            command.arg("check").arg(&folder);
            command
        };
        if !head_is_printed {
            let said = check().output()?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            println!("{}", said.lines().last().unwrap_or_default());
            println!("{}", head());
            head_is_printed = true;
        }
        let costs = (0..RUNS).map(|_| run(&mut check(), LIMIT)).collect::<Result<Vec<_>, _>>()?;
        let name = format!("refit check, {count} documents, {} kB", bytes / 1000);
        println!("{}", least(&costs).map(|cost| line(&name, &cost)).unwrap_or_default());
    }
    Ok(())
}
