//! Runs many simulations and says what came of them.

use anyhow::{Result, ensure};
use clap::Parser;
use refit_sim::{Config, Fault, Plant, Summary, shrink, simulate};
use std::{collections::BTreeSet, time::Instant};

/// Runs Refit's control logic in a simulator.
#[derive(Parser)]
struct Arguments {
    /// Run this seed only.
    #[arg(long)]
    seed: Option<u64>,
    /// Run so many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Devices at the beginning.
    #[arg(long, default_value_t = 6)]
    devices: usize,
    /// Steps of each run.
    #[arg(long, default_value_t = 600)]
    steps: u64,
    /// Kinds of faults to leave out.
    #[arg(long, value_delimiter = ',')]
    without: Vec<Fault>,
    /// A deliberate mistake, which has to be found.
    #[arg(long)]
    plant: Option<Plant>,
    /// Print the log of each run.
    #[arg(long)]
    log: bool,
    /// Write the log of the last run, with the contents that it names, as JSON lines.
    #[arg(long, value_name = "FILE")]
    write_log: Option<std::path::PathBuf>,
    /// Do not make a failure smaller.
    #[arg(long)]
    no_shrink: bool,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let seeds = match arguments.seed {
        Some(seed) => seed..seed.saturating_add(1),
        None => arguments.from..arguments.from.saturating_add(arguments.seeds),
    };
    let faults: BTreeSet<Fault> =
        Fault::ALL.iter().copied().filter(|fault| !arguments.without.contains(fault)).collect();
    let (began, mut summary, mut failed) = (Instant::now(), Summary::default(), 0);
    for seed in seeds {
        let config = Config {
            devices: arguments.devices,
            steps: arguments.steps,
            faults: faults.clone(),
            plant: arguments.plant,
            ..Config::new(seed)
        };
        let report = simulate(config);
        summary.add(&report);
        if arguments.log {
            print!("{}", report.log);
        }
        if let Some(file) = &arguments.write_log {
            std::fs::write(file, report.store.as_lines().map_err(anyhow::Error::msg)?)?;
        }
        if report.failure.is_some() {
            failed += 1;
            print!("{report}");
            if !arguments.no_shrink {
                print!("the smallest that fails alike:\n{}", shrink(report));
            }
            if !arguments.keep_going {
                break;
            }
        }
    }
    println!("\n{summary}in {:.1} s", began.elapsed().as_secs_f64());
    ensure!(failed == 0, "{failed} of {} runs failed", summary.runs);
    Ok(())
}
