//! Being asked to end while packages change: by a key at the terminal, by the terminal's end, by a service manager.

use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Remembers the signal that asked this program to end, in place of ending at once.
#[derive(Clone, Default)]
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// From now on signals are remembered. What was ignored when this program was started (`nohup`) stays so.
    pub fn remembered() -> Result<Signals> {
        let signals = Signals::default();
        let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let number = usize::try_from(signal)?;
            if ignored & (1_u64 << (number - 1)) == 0 {
                signal_hook::flag::register_usize(signal, Arc::clone(&signals.0), number)?;
            }
        }
        Ok(signals)
    }

    /// Whether one has come.
    pub fn has_come(&self) -> bool {
        self.last().is_some()
    }

    /// The signal that came last.
    pub fn last(&self) -> Option<u8> {
        u8::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|signal| *signal > 0)
    }
}

/// The signals that are ignored, as bits, of a process's status as Linux shows it.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_status() {
        assert_eq!(ignored("Name:\trefit\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"), 0x1001);
        assert_eq!(ignored(""), 0);
    }
}
