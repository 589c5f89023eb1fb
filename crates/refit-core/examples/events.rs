//! Writes the schemas of business events (`SCHEMAS/events/`, `SCHEMAS/asyncapi.json`) and their page into two folders: `cargo xtask generate`
//! calls it.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a program that writes files, for whoever reads its message"
)]

use refit_core::business::{Kind, asyncapi, event_schema, page};
use std::{fs, path::PathBuf};

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (schemas, docs) = (arguments.next(), arguments.next());
    let (schemas, docs) = schemas.zip(docs).expect("give the folder of the schemas and the folder of the page");
    let events = schemas.join("events");
    fs::create_dir_all(&events).expect("the folder of the schemas can be made");
    fs::create_dir_all(&docs).expect("the folder of the page can be made");
    let write = |path: PathBuf, value: &serde_json::Value| {
        let text = serde_json::to_string_pretty(value).expect("a schema is JSON");
        fs::write(path, text + "\n").expect("a schema can be written");
    };
    for kind in Kind::ALL {
        write(events.join(format!("{}.json", kind.name())), &event_schema(*kind));
    }
    write(schemas.join("asyncapi.json"), &asyncapi());
    fs::write(docs.join("README.md"), page()).expect("the page can be written");
}
