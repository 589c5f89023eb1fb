//! A fleet as bytes: from the text of a world file, through the file of a snapshot, and what it takes merely to read as many.

use super::cpu;
use refit_core::{engine::Fleet, facts::Fields};
use refit_worlds::{Synthetic, WorldReader, WorldWriter};
use std::{
    error::Error,
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

/// How many devices are read from text.
const READ: u32 = 2_000;
/// A pass is measured on so many bytes, which no cache holds.
const PASS: usize = 256 << 20;
/// How often.
const ROUNDS: usize = 3;

/// How many devices a second are read from the lines of a world file, which is in memory, and put in.
pub fn from_text(synthetic: &Synthetic) -> Result<(), Box<dyn Error>> {
    let spec = synthetic.spec();
    let mut text = Vec::new();
    let mut writer = WorldWriter::new(&mut text, synthetic.world(), spec.now)?;
    for number in 0..spec.devices.min(READ) {
        writer.device(&synthetic.device(number))?;
    }
    writer.finish()?;
    // Titles and advisories come first, and are read once.
    let mut reader = WorldReader::new(text.as_slice(), Fields::builtin())?;
    let mut fleet = Fleet::new();
    let start = cpu();
    for device in reader.by_ref() {
        fleet.put(&device?);
    }
    println!("load: {:.0} devices/s from text", fleet.len() as f64 / (cpu() - start).as_secs_f64());
    Ok(())
}

/// A snapshot through a file, on the clock: the system may keep what was written in memory.
pub fn through_a_file(bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let file = std::env::temp_dir().join(format!("refit-bench-{}.snapshot", std::process::id()));
    let start = Instant::now();
    let done = fs::write(&file, bytes).and_then(|()| {
        let written = start.elapsed();
        let start = Instant::now();
        let read = fs::read(&file)?;
        Ok((written, start, read))
    });
    let _ = fs::remove_file(&file);
    let (written, start, read) = done?;
    black_box(Fleet::restore(&read)?.len());
    let (written, read) = (written.as_secs_f64(), start.elapsed().as_secs_f64());
    println!(
        "snapshot through a file: written in {written:.2} s, read and made a fleet again in {read:.2} s on the clock"
    );
    Ok(())
}

/// How long it takes to add up so many bytes, eight at a time.
pub fn one_pass(bytes: u64) -> Duration {
    let part = vec![1_u64; PASS / size_of::<u64>()];
    let pass = || {
        let start = cpu();
        black_box(black_box(&part).iter().fold(0_u64, |sum, number| sum.wrapping_add(*number)));
        cpu() - start
    };
    let best = (0..ROUNDS).map(|_| pass()).min().unwrap_or_default();
    best.mul_f64(bytes as f64 / PASS as f64)
}
