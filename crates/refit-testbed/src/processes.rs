//! What the processes of a program take while they run: what runs in a root is a process of the machine too.

use std::{collections::BTreeMap, fs, time::Duration};

use nix::{time::ClockId, unistd::Pid};

/// A process of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number, as the machine sees it.
    pub pid: i32,
    /// What it was called with.
    pub arguments: Vec<String>,
}

/// What a process has in memory, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// All of its pages that are in memory (`VmRSS`).
    pub resident: u64,
    /// The most that there ever were (`VmHWM`).
    pub peak: u64,
    /// Its own pages: what would be free without it (`Private_*` of `smaps_rollup`).
    pub private: u64,
    /// Its part, where a page that several processes have is divided among them (`Pss`).
    pub part: u64,
}

impl Process {
    /// The processes of a program, by its name, that the calling one has started, directly or through others.
    pub fn of(program: &str) -> Vec<Process> {
        let mut parents = BTreeMap::new();
        let mut named = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
            // The name stands in brackets, and may have brackets and blanks in it; behind it come the state and the parent.
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let Some((head, rest)) = stat.rsplit_once(") ") else { continue };
            let Some(parent) = rest.split(' ').nth(1).and_then(|parent| parent.parse::<i32>().ok()) else { continue };
            parents.insert(pid, parent);
            if head.split_once('(').is_some_and(|(_, name)| name == program) {
                named.push(pid);
            }
        }
        let own = i32::try_from(std::process::id()).unwrap();
        let is_ours = |pid: &i32| {
            let mut above = std::iter::successors(Some(*pid), |pid| parents.get(pid).copied().filter(|pid| *pid > 0));
            above.any(|pid| pid == own)
        };
        named.into_iter().filter(is_ours).map(Process::read).collect()
    }

    fn read(pid: i32) -> Process {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        Process { pid, arguments: words.map(|word| String::from_utf8_lossy(word).into_owned()).collect() }
    }

    /// What it has in memory; `None` once it has ended.
    pub fn memory(&self) -> Option<Memory> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.pid)).ok();
        let (status, maps) = (read("status")?, read("smaps_rollup")?);
        let kib = |text: &str, name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        Some(Memory {
            resident: kib(&status, "VmRSS"),
            peak: kib(&status, "VmHWM"),
            private: kib(&maps, "Private_Clean") + kib(&maps, "Private_Dirty"),
            part: kib(&maps, "Pss"),
        })
    }

    /// The CPU time that it has used itself, all its threads; `None` once it has ended.
    pub fn cpu(&self) -> Option<Duration> {
        Some(ClockId::pid_cpu_clock_id(Pid::from_raw(self.pid)).ok()?.now().ok()?.into())
    }

    /// The CPU time of the programs that it has started and waited for, in steps of 10 ms.
    pub fn children_cpu(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let rest = stat.rsplit_once(") ")?.1;
        let ticks: u64 = rest.split(' ').skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Some(Duration::from_millis(ticks * 10))
    }

    /// The names of the programs that it has started and that run now.
    pub fn children(&self) -> Vec<String> {
        let mut names = Vec::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            names.extend(children.split_whitespace().filter_map(|pid| {
                fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
            }));
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_found_by_its_name_and_shows_what_it_takes() {
        let mut child = Command::new("sleep").arg("98765").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // Until it runs `sleep` it has this test's name.
        let found = std::iter::repeat_with(|| Process::of("sleep")).find(|found| !found.is_empty()).unwrap();
        let sleep = found.into_iter().find(|process| process.pid == pid).unwrap();
        assert_eq!(sleep.arguments, ["sleep", "98765"]);
        let memory = sleep.memory().unwrap();
        assert!(memory.peak >= memory.resident && memory.resident > memory.private, "{memory:?}");
        assert!(sleep.cpu().unwrap() < Duration::from_secs(1) && sleep.children().is_empty());
        assert_eq!(sleep.children_cpu(), Some(Duration::ZERO));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((sleep.memory(), sleep.cpu()), (None, None));
    }
}
