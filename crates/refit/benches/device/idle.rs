//! CPU time of a device on which nothing happens: between check-ins, for a check-in that has nothing to tell, and for one
//! before which the machine has to be read anew.

use super::company::{Company, behind, check_ins, configure, debian, processes};
use refit_testbed::{Process, Root};
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long each part is watched.
const WATCHED: Duration = Duration::from_secs(60);

pub fn run() {
    let Some(root) = behind() else { return };
    let company = Company::found(&debian());
    company.enrol([&root]);
    configure(&root, 3_600);
    // So that nothing is to do.
    company.client.stop("a bench").unwrap();
    root.run("refit-agent", ["once"]);
    company.settle();
    root.run("refit-agent", ["once"]);

    println!("{:<44} {:>8} {:>9} {:>10} {:>10}", "over a minute", "times", "executor", "network", "children");
    let hour = watched(&root, 3_600, "nothing", |_| {});
    let quiet = watched(&root, 5, "check-ins without news, every 5 s", |_| {});
    // As after packages were changed, or lists fetched, by somebody else.
    let reading = watched(&root, 5, "the same, read anew each time", |root| {
        root.shell("touch /etc/apt/sources.list.d").success();
    });
    let seconds = |cost: &Cost| (cost.executor + cost.network).as_secs_f64();
    let each = |cost: &Cost| (seconds(cost) - seconds(&hour)).max(0.0) / cost.times.max(1) as f64;
    println!(
        "an hour, scaled: {:.3} s of nothing, {:.3} s a check-in without news, {:.3} s one that reads anew",
        seconds(&hour) * 60.0,
        each(&quiet),
        each(&reading)
    );
}

struct Cost {
    times: u64,
    executor: Duration,
    network: Duration,
}

fn watched(root: &Root, interval: u64, what: &str, between: impl Fn(&Root)) -> Cost {
    configure(root, interval);
    let first = check_ins(root);
    let mut agent = root.command("refit-agent").arg("run").start();
    let (executor, network) = processes();
    // What a start costs is not counted.
    agent.wait_until("checked in", || check_ins(root) > first);
    thread::sleep(Duration::from_secs(4));
    let used = |process: &Process| process.cpu().unwrap();
    let (begun, before) = (Instant::now(), check_ins(root));
    let (executor_before, network_before) = (used(&executor), used(&network));
    let children_before = executor.children_cpu().unwrap();
    let mut seen = before;
    while begun.elapsed() < WATCHED {
        thread::sleep(Duration::from_millis(500));
        let now = check_ins(root);
        if now > seen {
            seen = now;
            thread::sleep(Duration::from_millis(1_000));
            between(root);
        }
    }
    let cost = Cost {
        times: check_ins(root) - before,
        executor: used(&executor) - executor_before,
        network: used(&network) - network_before,
    };
    let children = executor.children_cpu().unwrap() - children_before;
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!(
        "{what:<44} {:>8} {:>6.1} ms {:>7.1} ms {:>7.0} ms",
        cost.times,
        ms(cost.executor),
        ms(cost.network),
        ms(children)
    );
    agent.kill();
    cost
}
