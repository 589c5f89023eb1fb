//! Twenty devices: scanned, and planned through the server; beside apt alone, and Ansible.
//!
//! Everybody does the same with the same twenty roots: fetch the package lists of a signed archive in the local file system, and
//! find out what would be upgraded. Nobody pays for a network: Ansible reaches its hosts through `bwrap` in the place of `ssh`.

use super::company::{Company, Small};
use refit_testbed::{BaseRoot, Root};
use std::{
    fmt::Write as _, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, sync::Mutex, thread,
    time::Instant,
};

const DEVICES: usize = 20;
const AT_ONCE: usize = 5;

pub fn run() {
    let Some(base) = BaseRoot::behind() else { return };
    let small = Small::new(&base, DEVICES);
    small.publish("2.0");
    let apt = |root: &Root| {
        forget(root);
        let said = root.shell("apt-get -qq update && apt-get -s dist-upgrade").success().stdout;
        assert!(said.contains("10 upgraded"), "{said}");
    };
    show("apt alone, one device after the other", || each(1, &small, apt));
    show("apt alone, five at once", || each(AT_ONCE, &small, apt));
    for (how, at_once) in [("one device after the other", 1), ("five at once", AT_ONCE)] {
        // Devices that have just been enrolled fetch lists and tell everything, to a server that knows nothing.
        let company = Company::found(&small.keys());
        for root in small.roots() {
            forget(root);
            root.shell("rm -rf /etc/refit-agent /var/lib/refit-agent").success();
        }
        company.enrol(small.roots());
        show(&format!("Refit, {how}"), || {
            each(at_once, &small, |root| drop(root.run("refit-agent", ["once"]).success()));
            company.settle();
        });
        assert_eq!(company.changes(), DEVICES * 10);
    }
    ansible(&small);
}

/// As if the lists had never been fetched.
fn forget(root: &Root) {
    root.shell("rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin").success();
}

fn each(at_once: usize, small: &Small, work: impl Fn(&Root) + Sync) {
    let roots = Mutex::new(small.roots());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let next = roots.lock().unwrap().next();
                    let Some(root) = next else { return };
                    work(root);
                }
            });
        }
    });
}

fn show(what: &str, work: impl FnOnce()) {
    let begun = Instant::now();
    work();
    println!("{what:<44} {:>6.1} s", begun.elapsed().as_secs_f64());
}

const PLAYBOOK: &str = "
- hosts: all
  tasks:
    - apt: { update_cache: true }
    - apt: { upgrade: dist }
      check_mode: true
      register: upgrade
    - assert: { that: upgrade is changed }
";

fn ansible(small: &Small) {
    let version = Command::new("ansible-playbook").arg("--version").output();
    let Ok(version) = version else {
        println!("Ansible: skipped, `apt-get install ansible-core` brings it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut inventory = String::new();
    for (number, root) in small.roots().enumerate() {
        forget(root);
        let words = root.entrance();
        let words: Vec<String> = words.iter().map(|word| format!("'{}'", word.to_string_lossy())).collect();
        write(&folder.join(format!("enter-device{number}")), &format!("exec {} sh -c \"$1\"\n", words.join(" ")));
        let _ = writeln!(inventory, "device{number}");
    }
    // The host and the command are the last two words that Ansible calls ssh with.
    write(
        &folder.join("ssh"),
        "for word; do host=$command; command=$word; done\nexec \"${0%/*}/enter-$host\" \"$command\"\n",
    );
    fs::write(folder.join("inventory"), inventory).unwrap();
    fs::write(folder.join("playbook.yaml"), PLAYBOOK).unwrap();
    let said = String::from_utf8_lossy(&version.stdout).into_owned();
    show(&format!("{}, {AT_ONCE} forks", said.lines().next().unwrap_or_default()), || {
        let output = Command::new("ansible-playbook")
            .args(["-i", "inventory", "--forks", &AT_ONCE.to_string(), "playbook.yaml"])
            .current_dir(folder)
            .env("HOME", folder)
            .env("ANSIBLE_SSH_EXECUTABLE", folder.join("ssh"))
            .env("ANSIBLE_SSH_ARGS", "")
            .env("ANSIBLE_PIPELINING", "true")
            .env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    });
}

fn write(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
