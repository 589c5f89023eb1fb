//! A device with `refit` on it, and the transcript of what was done there.

use refit_testbed::{Device, Outcome, Root, Running};
use std::{cell::RefCell, fmt::Write};

/// All packages, to the newest version, within two weeks; only installed packages are upgraded.
pub const EVERYTHING: &str = "\
policy: everything
mode: enforce
software: [\"os/*\"]
deadline: [{ within: 14d }]
";

/// A device, and what was typed and answered there.
pub struct Machine {
    /// The device.
    pub device: Device,
    transcript: RefCell<String>,
}

impl Machine {
    /// Puts `refit` and a policy on the device.
    pub fn new(device: Device, policy: &str) -> Machine {
        let mut machine = Machine { device, transcript: RefCell::default() };
        equip(&mut machine.device.root);
        machine.set_policy(policy);
        machine
    }

    /// Replaces the policy.
    pub fn set_policy(&self, policy: &str) {
        self.root().write("/policy/patch.yaml", policy);
    }

    pub fn root(&self) -> &Root {
        &self.device.root
    }

    /// Runs `refit` with these words, and notes what a person sees: both streams as they come.
    pub fn refit(&self, words: &str) -> Outcome {
        self.typed(&format!("refit {words}"))
    }

    /// Runs a line of shell, and notes it.
    pub fn typed(&self, line: &str) -> Outcome {
        let outcome = self.root().run("sh", ["-c", &format!("({line}) 2>&1")]);
        self.note(line, &outcome);
        outcome
    }

    /// Starts `refit`, to be watched and killed.
    pub fn start(&self, words: &str) -> Running {
        self.root().command("sh").args(["-c", &format!("exec refit {words} 2>&1")]).start()
    }

    /// Notes a line and what came of it.
    pub fn note(&self, line: &str, outcome: &Outcome) {
        let mut text = self.transcript.borrow_mut();
        let _ = write!(text, "$ {line}\n{}", outcome.stdout);
        match outcome.code {
            Some(0) => text.push('\n'),
            Some(code) => drop(writeln!(text, "[exit status {code}]\n")),
            None => text.push_str("[killed]\n\n"),
        }
    }

    /// Notes something that happens besides.
    pub fn remark(&self, text: &str) {
        let _ = writeln!(self.transcript.borrow_mut(), "# {text}\n");
    }

    /// Plans everything and writes the plan to `plan.json`.
    pub fn plan(&self) -> Outcome {
        self.refit("plan policy --local --out plan.json").exit(0)
    }

    /// Carries out `plan.json`, which ends with this status.
    pub fn apply(&self, code: i32) -> Outcome {
        self.refit("apply plan.json").exit(code)
    }

    /// State and version of a package as dpkg has it: `ii 2.0`; `-` where it does not know it.
    pub fn state(&self, name: &str) -> String {
        let packages = self.root().dpkg();
        packages.get(name).map_or("-".to_owned(), |package| format!("{} {}", package.status, package.version))
    }

    /// Fails unless dpkg finds nothing wrong with any package.
    #[track_caller]
    pub fn is_consistent(&self) {
        let audit = self.root().run("dpkg", ["--audit"]).success();
        assert_eq!(audit.stdout, "", "{audit}");
        self.root().run("apt-get", ["check"]).success();
    }

    /// A plan that asks for nothing more.
    #[track_caller]
    pub fn has_nothing_left(&self) {
        self.root().run("refit", ["plan", "policy", "--local", "--detailed-exitcode"]).exit(0);
    }

    /// Holds the transcript against the one in `snapshots/`.
    pub fn tells(&self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.set_prepend_module_to_snapshot(false);
        settings.add_filter(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? [A-Z]+", "[time]");
        settings.add_filter(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+\w]+", "[time]");
        settings.add_filter(r"\((in )?(\d+ (d|h|min) ?)+\)", "($1[length])");
        settings.add_filter(r"invalid since (\d+\w+ ?)+", "invalid since [length]");
        settings.add_filter(r"NO_PUBKEY [0-9A-F]+", "NO_PUBKEY [key]");
        settings.add_filter(r"fetching \d+ k?B", "fetching [size]");
        settings.add_filter(r"\d+ MiB free", "[free] MiB free");
        settings.add_filter(r"process \d+", "process [pid]");
        settings.add_filter(r"/tmp/apt-dpkg-install-\w+/\d+-", "/tmp/apt-dpkg-install-[random]/");
        settings.add_filter(r"[0-9a-f]{64}", "[sha256]");
        settings.bind(|| insta::assert_snapshot!(name, self.transcript.borrow().as_str()));
    }
}

/// Puts `refit` and the frame of a policy repository on a root.
pub fn equip(root: &mut Root) {
    root.with_binary(env!("CARGO_BIN_EXE_refit"));
    root.write("/policy/refit.yaml", "organization: acme\n");
    root.write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
}
