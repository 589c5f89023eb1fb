//! schemathesis against a real server on loopback: no server error, and no answer that is not documented.
//!
//! `SCHEMATHESIS` names the program; without it, it is looked for in the virtual environment that `cargo xtask test` makes in
//! the target folder, and in `PATH`. Where there is none, this is skipped.

use crate::server::Server;
use refit_server::api::Options;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Failures are the same with the same seed.
const SEED: &str = "20261125";
/// Examples for each operation; `SCHEMATHESIS_EXAMPLES` asks for more.
const EXAMPLES: &str = "12";

fn program() -> Option<PathBuf> {
    if let Some(given) = env::var_os("SCHEMATHESIS") {
        return Some(given.into());
    }
    let target = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let paths = env::var_os("PATH").unwrap_or_default();
    let folders = [target.join("schemathesis/bin")].into_iter().chain(env::split_paths(&paths));
    folders.map(|folder| folder.join("schemathesis")).find(|program| program.is_file())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_server_error_and_no_answer_that_is_not_documented() {
    let Some(program) = program() else {
        let reason = "schemathesis is missing; `cargo xtask test` installs it, or run: pip install schemathesis";
        assert!(env::var_os("REFIT_NO_SKIP").is_none_or(|value| value != "1"), "may not be skipped here: {reason}");
        println!("skipped: {reason}");
        return;
    };
    let longest_wait = std::time::Duration::from_millis(100);
    let options = Options { requests_per_second: 1e6, burst: 1e6, longest_wait, ..Options::default() };
    // Its examples have addresses of strangers.
    let server = Server::subscribing(options).await;
    let plan = server.fleet().await;
    server.call(&server.admin, "POST", &format!("/api/v1/plans/{plan}/apply"), &[], None).await.ok();
    server.put("/api/v1/people/p1", serde_json::json!({ "source": "hr", "values": { "department": "IT" } })).await.ok();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = server.router.clone();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(folder.path())
        .args(["run", &format!("http://{address}/api/v1/openapi.json")])
        .args(["--header", &format!("Authorization: Bearer {}", server.admin)])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing"])
        // What revokes tokens, that of the test among them, would end it.
        .args(["--exclude-path-regex", "^/api/v1/(tokens/|session$)"])
        .args(["--max-examples", &env::var("SCHEMATHESIS_EXAMPLES").unwrap_or_else(|_| EXAMPLES.into())])
        .args(["--seed", SEED, "--workers", "2", "--request-timeout", "70", "--no-color"])
        .args(["--generation-database", "none"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    serving.abort();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "schemathesis found something (see above)");
}
