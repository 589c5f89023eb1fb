//! What a command costs: on the clock, by itself, and by the programs that it starts.

use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    time::ClockId,
    unistd::Pid,
};
use std::{
    error::Error,
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What one run of a command cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// On the clock.
    pub wall: Duration,
    /// CPU time of the process itself, all its threads, without the programs that it started.
    pub own_cpu: Duration,
    /// CPU time of the programs that it started and waited for.
    pub children_cpu: Duration,
    /// The largest memory of the process itself, looked up every millisecond.
    pub peak_kib: u64,
    /// Whether it had to be stopped, because it took too long.
    pub stopped: bool,
    /// Whether it ended without success, of its own accord.
    pub failed: bool,
}

/// Runs a command to its end, or until `limit` has passed. Its output is thrown away.
pub fn run(command: &mut Command, limit: Duration) -> Result<Cost, Box<dyn Error>> {
    let children_before = children()?;
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let (mut peak_kib, mut stopped) = (0, false);
    // A process that has ended, and that nobody has waited for, still has its clock: it tells what it alone has used.
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    while waitid(Id::Pid(pid), flags)? == WaitStatus::StillAlive {
        peak_kib = peak_kib.max(peak(pid).unwrap_or(0));
        if started.elapsed() > limit && !stopped {
            stopped = true;
            child.kill()?;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let wall = started.elapsed();
    let own_cpu = Duration::from(ClockId::pid_cpu_clock_id(pid)?.now()?);
    let status = child.wait()?;
    let children_cpu = (children()? - children_before).saturating_sub(own_cpu);
    Ok(Cost { wall, own_cpu, children_cpu, peak_kib, stopped, failed: !stopped && !status.success() })
}

/// CPU time of all processes that were waited for, with those that they waited for.
fn children() -> nix::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let duration = |time: TimeVal| {
        Duration::from_secs(time.tv_sec().unsigned_abs()) + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn peak(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}

/// The cheapest of several runs, figure by figure: others use the machine too, and take time but never give any.
pub fn least(costs: &[Cost]) -> Option<Cost> {
    let first = *costs.first()?;
    Some(costs.iter().fold(first, |least, cost| Cost {
        wall: least.wall.min(cost.wall),
        own_cpu: least.own_cpu.min(cost.own_cpu),
        children_cpu: least.children_cpu.min(cost.children_cpu),
        peak_kib: least.peak_kib.max(cost.peak_kib),
        stopped: least.stopped || cost.stopped,
        failed: least.failed || cost.failed,
    }))
}

/// One line of a table.
pub fn line(name: &str, cost: &Cost) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    format!(
        "{name:<44} {:>9.0} ms {:>9.1} ms {:>9.0} ms {:>7.1} MiB{}",
        ms(cost.wall),
        ms(cost.own_cpu),
        ms(cost.children_cpu),
        cost.peak_kib as f64 / 1024.0,
        match cost {
            Cost { stopped: true, .. } => "  (stopped: too long)",
            Cost { failed: true, .. } => "  (failed)",
            _ => "",
        }
    )
}

/// The head of the table.
pub fn head() -> String {
    format!("{:<44} {:>12} {:>12} {:>12} {:>11}", "least of several runs", "wall", "own CPU", "children", "peak")
}
