//! Memory: what the system says, and what it is for.

use refit_core::engine::Footprint;

fn told(file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

/// Bytes in memory.
pub fn resident() -> u64 {
    told("/proc/self/status", "VmRSS")
}

/// The most there were.
pub fn peak() -> u64 {
    told("/proc/self/status", "VmHWM")
}

/// Whether there is as much memory as something takes, as far as that is known; where there is not, that is said.
pub fn enough(what: &str, bytes: u64) -> bool {
    let available = told("/proc/meminfo", "MemAvailable");
    let enough = available > bytes;
    if !enough {
        let (available, bytes) = (mebibytes(available), mebibytes(bytes));
        println!("{what} is left out: it may take {bytes:.0} MiB, and {available:.0} MiB are there");
    }
    enough
}

/// As figures have them.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Prints what something takes, and what each part of it does; the rest is what the allocator needs, and what was not counted.
pub fn print(what: &str, devices: usize, bytes: u64, parts: &Footprint) {
    let each = |bytes: u64| bytes / devices.max(1) as u64;
    println!("{what}: {:.0} MiB, {} bytes a device", mebibytes(bytes), each(bytes));
    let counted: u64 = parts.iter().map(|(_, bytes)| *bytes as u64).sum();
    let rest = bytes.saturating_sub(counted);
    for (part, bytes) in parts.iter().map(|(part, bytes)| (*part, *bytes as u64)).chain([("the rest", rest)]) {
        println!("    {:>7.0} MiB {:>6} bytes a device  {part}", mebibytes(bytes), each(bytes));
    }
}
