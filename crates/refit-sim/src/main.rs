//! Runs many simulations and says what came of them.

use anyhow::{Result, ensure};
use clap::Parser;
use refit_sim::{Config, Fault, Plant, Report, Summary, shrink, simulate};
use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

/// A sixth of a run would go to the allocator of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Fleets with releases on their way, instead of a handful of devices on which everything happens.
    #[arg(long)]
    rollouts: bool,
    /// Run as many seeds as it takes for so many device-days.
    #[arg(long)]
    device_days: Option<f64>,
    /// How many runs at the same time.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Devices at the beginning.
    #[arg(long)]
    devices: Option<usize>,
    /// Steps of each run.
    #[arg(long)]
    steps: Option<u64>,
    /// Days of each run.
    #[arg(long)]
    days: Option<i64>,
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

impl Arguments {
    fn config(&self, seed: u64) -> Config {
        let usual = match self.rollouts {
            true => Config::rollouts(seed),
            false => Config { steps: 600, ..Config::new(seed) },
        };
        Config {
            devices: self.devices.unwrap_or(usual.devices),
            steps: self.steps.unwrap_or(usual.steps),
            days: self.days.or(usual.days),
            faults: Fault::ALL.iter().copied().filter(|fault| !self.without.contains(fault)).collect::<BTreeSet<_>>(),
            plant: self.plant,
            ..usual
        }
    }
}

/// What has come of the runs so far.
#[derive(Default)]
struct Sum {
    summary: Summary,
    failed: u64,
    error: Option<anyhow::Error>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (first, end) = match (arguments.seed, arguments.device_days) {
        (Some(seed), _) => (seed, seed.saturating_add(1)),
        (None, Some(_)) => (arguments.from, u64::MAX),
        (None, None) => (arguments.from, arguments.from.saturating_add(arguments.seeds)),
    };
    let began = Instant::now();
    let (next, sum) = (AtomicU64::new(first), Mutex::new(Sum::default()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.threads.clamp(1, 64) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.min(u64::MAX / 2) {
                        break;
                    }
                    let report = simulate(arguments.config(seed));
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    if !took(&arguments, &mut sum, report) {
                        next.store(u64::MAX / 2, Ordering::Relaxed);
                        break;
                    }
                    if sum.summary.runs.is_multiple_of(10) && arguments.rollouts {
                        eprintln!(
                            "{:.0} device-days in {:.0} s",
                            sum.summary.device_days,
                            began.elapsed().as_secs_f64()
                        );
                    }
                }
            });
        }
    });
    let Sum { summary, failed, error } = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("\n{summary}in {:.1} s", began.elapsed().as_secs_f64());
    error.map_or(Ok(()), Err)?;
    ensure!(failed == 0, "{failed} of {} runs failed", summary.runs);
    Ok(())
}

/// Takes what came of a run. Whether there is more to do.
fn took(arguments: &Arguments, sum: &mut Sum, report: Report) -> bool {
    sum.summary.add(&report);
    if arguments.log {
        print!("{}", report.log);
    }
    if let Some(file) = &arguments.write_log {
        let written =
            report.store.as_lines().map_err(anyhow::Error::msg).and_then(|lines| Ok(std::fs::write(file, lines)?));
        sum.error = sum.error.take().or(written.err());
    }
    if report.failure.is_some() {
        sum.failed += 1;
        print!("{report}");
        if !arguments.no_shrink {
            print!("the smallest that fails alike:\n{}", shrink(report));
        }
        if !arguments.keep_going {
            return false;
        }
    }
    arguments.device_days.is_none_or(|days| sum.summary.device_days < days)
}
