//! Memory of the agent.

use super::company::{Company, behind, check_ins, configure, debian, journal, processes};
use refit_testbed::{Memory, Process};
use std::{thread, time::Duration};

pub fn run() {
    let Some(root) = behind() else { return };
    let company = Company::found(&debian());
    company.enrol([&root]);
    configure(&root, 10);
    let mut agent = root.command("refit-agent").arg("run").limit(Duration::from_secs(1_800)).start();
    let (executor, network) = processes();
    println!("{:<34} {:>9} {:>9} {:>9} {:>9}", "KiB", "resident", "peak", "private", "part");
    // The lease comes with the first answer, and changes begin with the second: the server has decided by then.
    agent.wait_until("checked in", || check_ins(&root) >= 1 && network.cpu().is_some_and(|cpu| !cpu.is_zero()));
    thread::sleep(Duration::from_secs(3));
    show("after the first check-in", &executor, &network);
    agent.wait_until("finished with a session", || {
        let journal = journal(&root);
        journal["sessions"].as_u64() > Some(0) && journal["session"].is_null()
    });
    println!("{} changes are left", company.changes());
    show("after the session", &executor, &network);
    let before = check_ins(&root);
    agent.wait_until("checked in again", || check_ins(&root) > before + 3);
    thread::sleep(Duration::from_secs(3));
    show("idle after that", &executor, &network);
    agent.kill();
    // Its memory of a session is not that of a machine that has only just started it.
    let mut agent = root.command("refit-agent").arg("run").start();
    let (executor, network) = processes();
    let before = check_ins(&root);
    agent.wait_until("checked in", || check_ins(&root) > before + 3);
    thread::sleep(Duration::from_secs(3));
    show("idle, started anew", &executor, &network);
    agent.kill();
}

fn show(when: &str, executor: &Process, network: &Process) {
    let (executor, network) = (executor.memory().unwrap_or_default(), network.memory().unwrap_or_default());
    println!("{when}");
    line("executor", executor);
    line("network process", network);
    line(
        "both",
        Memory {
            resident: executor.resident + network.resident,
            peak: executor.peak + network.peak,
            private: executor.private + network.private,
            part: executor.part + network.part,
        },
    );
}

fn line(name: &str, memory: Memory) {
    let Memory { resident, peak, private, part } = memory;
    println!("  {name:<32} {resident:>9} {peak:>9} {private:>9} {part:>9}");
}
