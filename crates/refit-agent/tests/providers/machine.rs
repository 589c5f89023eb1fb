//! A device with the provider on it.

use crate::driver::{ANSWER, QUESTION};
use refit_testbed::{
    Running, differences,
    family::{AnyDevice, Family, Software},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub struct Machine {
    pub device: AnyDevice,
    pub family: Family,
}

/// What a question came to.
#[derive(Debug)]
pub struct Answer(pub Value);

impl Answer {
    #[track_caller]
    pub fn ok(&self) -> &Value {
        assert!(self.0.get("ok").is_some(), "{:#}", self.0);
        &self.0["ok"]
    }

    #[track_caller]
    pub fn error(&self) -> &str {
        self.0["error"].as_str().unwrap_or_else(|| panic!("expected an error: {:#}", self.0))
    }
}

impl Machine {
    pub fn new(family: Family, installed: impl IntoIterator<Item = Software>) -> Option<Machine> {
        Some(Machine::on(AnyDevice::new(family, installed)?))
    }

    pub fn on(mut device: AnyDevice) -> Machine {
        let this = std::env::current_exe().unwrap();
        device.root_mut().bind(this, "/usr/local/bin/driver");
        Machine { family: device.family(), device }
    }

    /// A change as questions have it; `None` for a removal.
    pub fn change(&self, name: &str, version: Option<&str>) -> Value {
        json!([self.family.title(name), version.map(|version| self.family.version(version))])
    }

    pub fn ask(&self, verb: &str, changes: &[Value]) -> Answer {
        self.ask_with(json!({ "verb": verb, "changes": changes }))
    }

    pub fn ask_with(&self, question: Value) -> Answer {
        let outcome = self.command(question).run().success();
        let line = outcome.stdout.lines().find_map(|line| line.strip_prefix(ANSWER));
        Answer(serde_json::from_str(line.unwrap_or_else(|| panic!("no answer: {outcome}"))).unwrap())
    }

    /// Starts it, to be watched and killed.
    pub fn start(&self, verb: &str, changes: &[Value]) -> Running {
        self.command(json!({ "verb": verb, "changes": changes })).start()
    }

    /// Asks while a web server serves the repository, which dnf then has to fetch from.
    pub fn ask_over_http(&self, verb: &str, changes: &[Value]) -> Answer {
        let serve = "cd /srv/repository; python3 -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 & server=$!; \
            until python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 8000))' 2>/dev/null; do sleep 0.1; done; \
            /usr/local/bin/driver --ignored --exact driver::driver --nocapture; kill $server";
        let question = json!({ "verb": verb, "changes": changes, "manager": self.family.name() });
        let outcome = self.device.root().command("sh").args(["-c", serve]).env(QUESTION, question.to_string()).run();
        let line = outcome.stdout.lines().find_map(|line| line.strip_prefix(ANSWER));
        Answer(serde_json::from_str(line.unwrap_or_else(|| panic!("no answer: {outcome}"))).unwrap())
    }

    fn command(&self, mut question: Value) -> refit_testbed::Command<'_> {
        question["manager"] = self.family.name().into();
        let command = self.device.root().command("/usr/local/bin/driver");
        command.args(["--ignored", "--exact", "driver::driver", "--nocapture"]).env(QUESTION, question.to_string())
    }

    /// What the package manager itself says that has changed while something was done, as `name: before -> after`.
    pub fn changed(&self, by: impl FnOnce()) -> Vec<String> {
        let before = self.device.database();
        by();
        let shown = |state: Option<&refit_testbed::Installed>| {
            state.map_or("none".to_owned(), |state| state.version.trim_end_matches("-1").replace("-1,", ","))
        };
        differences(&before, &self.device.database())
            .iter()
            .map(|(name, change)| {
                format!("{name}: {} -> {}", shown(change.before.as_ref()), shown(change.after.as_ref()))
            })
            .collect()
    }

    /// What the provider says of a package that is installed.
    #[track_caller]
    pub fn install(&self, name: &str) -> Value {
        self.ask("installs", &[]).ok()["packages"][self.family.title(name)].clone()
    }

    /// The kind of each fault of a refresh.
    pub fn faults(&self) -> Vec<String> {
        let answer = self.ask("refresh", &[]);
        let faults = answer.ok()["faults"].as_array().unwrap();
        faults.iter().map(|fault| fault["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// The versions on offer of a package, as the provider tells them.
    pub fn offered(&self, name: &str) -> Vec<String> {
        let answer = self.ask("available", &[]);
        let offers = answer.ok()["packages"][self.family.title(name)].as_array().cloned().unwrap_or_default();
        offers.iter().map(|offer| offer["version"].as_str().unwrap().trim_end_matches("-1").to_owned()).collect()
    }
}

/// The result of each package of a receipt, by the last part of its title.
pub fn results(receipt: &Value) -> BTreeMap<String, String> {
    let packages = receipt["packages"].as_array().unwrap();
    let name = |package: &Value| package["device_title"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    packages.iter().map(|package| (name(package), package["outcome"]["result"].as_str().unwrap().to_owned())).collect()
}
