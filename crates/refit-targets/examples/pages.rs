//! Writes `docs/targets/` into a folder: `cargo xtask generate` calls it.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a program that writes files, for whoever reads its message"
)]

use std::{fs, path::PathBuf};

fn main() {
    let to = std::env::args_os().nth(1).map(PathBuf::from).expect("give the folder to write");
    fs::create_dir_all(&to).expect("the folder can be made");
    // Records of targets that were tried on live systems.
    let verified = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/verified");
    let mut files: Vec<PathBuf> = fs::read_dir(verified)
        .expect("there is a folder of records")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let records: Vec<refit_targets::api::verify::Record> = files
        .iter()
        .map(|file| {
            let text = fs::read_to_string(file).expect("a record can be read");
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
        })
        .collect();
    for (name, text) in refit_targets::pages::pages(&records) {
        fs::write(to.join(name), text).expect("a page can be written");
    }
}
