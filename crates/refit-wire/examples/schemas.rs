//! Writes the JSON Schemas of the agent protocol into a file: `cargo xtask generate` calls it.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a program that writes one file, for whoever reads its message"
)]

fn main() {
    let path = std::env::args_os().nth(1).expect("give the file to write");
    let mut text = serde_json::to_string_pretty(&refit_wire::schemas()).expect("a schema is JSON");
    text.push('\n');
    std::fs::write(path, text).expect("the file can be written");
}
