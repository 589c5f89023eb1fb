//! Writes `docs/model/` into a folder, from the connectors in another: `cargo xtask generate` calls it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a program that reads and writes files, for whoever reads its message"
)]

use refit_core::{
    facts::{
        Fields,
        mapping::{load, model_pages},
    },
    policy::{
        diagnostic::{Files, render},
        syntax::Limits,
    },
};
use std::{fs, path::PathBuf};

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (from, to) = (arguments.next(), arguments.next());
    let (from, to) = from.zip(to).expect("give the folder of the connectors and the folder to write");
    let entries = fs::read_dir(&from).expect("the folder of the connectors can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    let (limits, fields) = (Limits::default(), Fields::builtin());
    let mut connectors = Vec::new();
    for path in paths.into_iter().filter(|path| path.is_dir()) {
        let file = path.join("connector.yaml");
        let text = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut files = Files::default();
        let index = files.add(file.display().to_string(), &text, &limits).expect("a connector is a text");
        let (connector, found) = load(&files, index, &fields, &limits);
        let shown: String = found.iter().map(|found| render(found, &files)).collect();
        connectors.push(connector.unwrap_or_else(|| panic!("{shown}")));
    }
    fs::create_dir_all(&to).expect("the folder can be made");
    for (name, text) in model_pages(&connectors.iter().collect::<Vec<_>>(), &fields) {
        fs::write(to.join(name), text).expect("a page can be written");
    }
}
