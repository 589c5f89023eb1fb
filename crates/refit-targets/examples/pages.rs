//! Writes `docs/targets/` into a folder: `cargo xtask generate` calls it.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a program that writes files, for whoever reads its message"
)]

use std::{fs, path::PathBuf};

fn main() {
    let to = std::env::args_os().nth(1).map(PathBuf::from).expect("give the folder to write");
    fs::create_dir_all(&to).expect("the folder can be made");
    for (name, text) in refit_targets::pages::pages() {
        fs::write(to.join(name), text).expect("a page can be written");
    }
}
