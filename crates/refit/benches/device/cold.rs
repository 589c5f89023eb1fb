//! One cold run of the agent: how long it takes beyond the package manager's own time.

use super::company::{Company, Small, behind, configure, debian};
use refit_testbed::{BaseRoot, Process, Root};
use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

const RUNS: usize = 5;

pub fn run() {
    println!(
        "{:<40} {:>10} {:>16} {:>10} {:>10}",
        "least of five runs", "wall", "package manager", "beyond", "own CPU"
    );
    let Some(root) = behind() else { return };
    let company = Company::found(&debian());
    company.enrol([&root]);
    configure(&root, 3_600);
    company.client.stop("a bench").unwrap();
    root.run("refit-agent", ["once"]);
    company.settle();
    once(&root);
    show("357 packages, nothing to do", |_| once(&root));
    let leaves = ["xdg-dbus-proxy", "jq", "expat", "parted", "tidy-nothing", "rsync"];
    show("357 packages, one fewer than before", |run| {
        root.run("dpkg", ["--purge", "--force-depends", leaves[run % leaves.len()]]);
        once(&root)
    });

    let Some(base) = BaseRoot::minimal() else { return };
    let small = Small::new(&base, 1);
    let company = Company::found(&small.keys());
    company.enrol(small.roots());
    let root = &small.devices[0].root;
    configure(root, 3_600);
    root.run("refit-agent", ["once"]).success();
    let mut version = 1;
    show("ten packages upgraded", |_| {
        version += 1;
        small.publish(&format!("{version}.0"));
        root.apt_get(["update"]).success();
        root.run("refit-agent", ["once"]).success();
        company.settle();
        assert_eq!(company.changes(), 10);
        let spent = once(root);
        assert_eq!(root.dpkg()["alpha"].version, format!("{version}.0"));
        spent
    });
}

/// What one run took.
#[derive(Clone, Copy)]
struct Spent {
    wall: Duration,
    manager: Duration,
    cpu: Duration,
}

fn show(what: &str, mut run: impl FnMut(usize) -> Spent) {
    let runs: Vec<Spent> = (0..RUNS).map(&mut run).collect();
    // The whole of one run: the one with the least beyond the package manager.
    let least = runs.iter().min_by_key(|spent| spent.wall - spent.manager).unwrap();
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "{what:<40} {:>7.0} ms {:>13.0} ms {:>7.0} ms {:>7.0} ms",
        ms(least.wall),
        ms(least.manager),
        ms(least.wall - least.manager),
        ms(runs.iter().map(|spent| spent.cpu).min().unwrap())
    );
}

/// Runs `refit-agent once`, and looks every half millisecond whether a program that it started runs.
fn once(root: &Root) -> Spent {
    let mut running = root.command("refit-agent").arg("once").start();
    let executor = loop {
        if let Some(process) = Process::of("refit-agent").into_iter().find(|process| !process.arguments.is_empty()) {
            break process;
        }
        assert!(!running.has_ended(), "it has ended at once");
    };
    let (begun, mut last, mut manager) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut cpu = BTreeMap::new();
    while let Some(used) = executor.cpu() {
        cpu.insert(executor.pid, used);
        let others = executor.children();
        // The network process has the agent's own name.
        let busy = others.iter().any(|name| name != "refit-agent");
        let now = Instant::now();
        if busy {
            manager += now - last;
        }
        last = now;
        if others.iter().any(|name| name == "refit-agent") && cpu.len() < 2 {
            for network in Process::of("refit-agent").into_iter().filter(|process| process.pid != executor.pid) {
                cpu.insert(network.pid, Duration::ZERO);
            }
        }
        for (pid, used) in &mut cpu {
            let process = Process { pid: *pid, arguments: Vec::new() };
            *used = process.cpu().unwrap_or(*used);
        }
        thread::sleep(Duration::from_micros(500));
    }
    let wall = begun.elapsed();
    running.wait();
    Spent { wall, manager, cpu: cpu.values().sum() }
}
