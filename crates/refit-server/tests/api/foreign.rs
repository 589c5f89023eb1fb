//! What programs that were not written here make of what the server says: PyJWT of its tokens, and a validator of JSON Schema with Okta's own OpenAPI
//! document of its answers to inline hooks.
//!
//! The programs are in the target folder, where `cargo xtask test` installs them; Okta's document is public data in `$REFIT_SHARED_DATA`, or beside the
//! repository.

use refit_testbed::skip;
use serde_json::{Value, json};
use std::{
    env,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The Python that has the libraries.
fn python() -> Option<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let python = target.join("foreign/bin/python");
    if python.is_file() {
        return Some(python);
    }
    skip("the Python libraries for tokens and schemas are missing; `cargo xtask test` installs them");
    None
}

/// What the program says; `None` where it is not there.
fn ask(what: &str, question: &Value) -> Option<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/foreign.py");
    let mut command = Command::new(python()?);
    command.args([script, what]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The header and claims of a token for `audience`, as PyJWT reads them by these keys.
pub fn jwt(token: &str, keys: &Value, audience: &str) -> Option<Value> {
    let issuer = "https://refit.example:7443";
    ask("jwt", &json!({ "token": token, "keys": keys, "audience": audience, "issuer": issuer }))
}

/// Fails where the answer to an inline hook is not as Okta's document has it.
pub fn check_okta(hook: &str, answer: &Value) {
    let data = env::var_os("REFIT_SHARED_DATA").map(PathBuf::from);
    let data = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let document = data.join("schemas/openapi/okta.json");
    if !document.is_file() {
        // Not a part of the project, so that there is nothing to install.
        println!("skipped: Okta's OpenAPI document is not at hand");
        return;
    }
    if let Some(errors) = ask("okta", &json!({ "document": document, "hook": hook, "answer": answer })) {
        assert_eq!(errors, json!([]), "{answer}");
    }
}
