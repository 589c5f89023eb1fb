//! A quick look at the provider by hand.
use refit_agent::providers::apt::*;
use std::time::Instant;
fn main() {
    let t = Instant::now();
    let inv = inventory().unwrap();
    eprintln!("inventory {} in {:?}", inv.packages.len(), t.elapsed());
    for p in inv.unfinished() {
        eprintln!("unfinished {} {:?}", p.title, p.status);
    }
    let t = Instant::now();
    let off = offers(&inv, &[], jiff::Timestamp::now()).unwrap();
    eprintln!("offers {} in {:?}", off.packages.len(), t.elapsed());
    for s in &off.sources {
        eprintln!(
            "{}: {:?} date {:?} until {:?} security {}",
            s.description, s.health, s.date, s.valid_until, s.security
        );
    }
    let mut changes = Vec::new();
    for (title, o) in &off.packages {
        if let Some(p) = o.passed_over() {
            eprintln!("{title}: {p}");
        }
        if o.candidate.is_some() && o.candidate > o.installed {
            changes.push(Change { title: title.clone(), to: o.candidate.clone() });
        }
    }
    eprintln!("{} upgradable", changes.len());
    let t = Instant::now();
    let s = simulate(&inv, &changes);
    match s {
        Ok(s) => eprintln!("simulate {} actions {:?} in {:?}", s.actions.len(), s.sizes, t.elapsed()),
        Err(e) => eprintln!("simulate: {e}"),
    }
    let t = Instant::now();
    let flag = |f: &str| std::env::args().any(|a| a == f);
    let perms =
        Permissions { extra_upgrades: flag("upgrades"), installs: flag("installs"), removals: flag("removals") };
    let n = narrow(&inv, &changes, perms).unwrap();
    eprintln!(
        "narrow: {} kept, {} actions, {} simulations in {:?}",
        n.changes.len(),
        n.simulation.actions.len(),
        n.simulations,
        t.elapsed()
    );
    for d in &n.dropped {
        for o in &d.obstacles {
            eprintln!("  dropped {}: {o}", d.change.title);
        }
    }
    if flag("refresh") {
        println!("{}", serde_json::to_string_pretty(&refresh(std::time::Duration::from_secs(5)).unwrap()).unwrap());
    }
    if flag("machine") {
        println!("{}", serde_json::to_string_pretty(&machine().unwrap()).unwrap());
        println!("{}", serde_json::to_string(&needs_restart(&inv)).unwrap());
    }
    if flag("apply") {
        let plan = Transaction { changes: n.changes, actions: n.simulation.actions, permissions: perms };
        let options = ApplyOptions {
            lock_limit: std::time::Duration::from_secs(3),
            margin_bytes: if flag("nomargin") { 0 } else { 100 << 20 },
            ..Default::default()
        };
        match apply(&plan, options, &mut |p| {
            if !matches!(p, Progress::Line { .. }) {
                eprintln!("{}", serde_json::to_string(&p).unwrap())
            }
        }) {
            Ok(r) => println!("{}", serde_json::to_string_pretty(&r).unwrap()),
            Err(e) => println!("ERROR {e}"),
        }
    }
}
