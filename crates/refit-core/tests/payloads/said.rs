//! What others wrote says what is expected: the payloads of `given/`, and the rest of the public ones where they are at hand, each read with
//! the connector of its vendor and held against `expected/VENDOR.txt`.
//!
//! `UPDATE_CONNECTORS=1` writes the expected facts anew, where all payloads are at hand; read them afterwards beside the payloads.

use super::{connector, public_payloads, workspace};
use refit_core::facts::mapping::{Connector, Install, Key, Maps, Reading, Record, Said, SetAside, Strength, read};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The folder of a vendor's payloads, and the connector that reads them.
const VENDORS: [(&str, &str); 7] = [
    ("bamboohr", "bamboohr"),
    ("entra", "entra-id"),
    ("intune", "intune"),
    ("jamf", "jamf-pro"),
    ("okta", "okta"),
    ("pagerduty", "pagerduty"),
    ("workday", "workday"),
];

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/payloads")
}

/// The payloads of a vendor by their names, and whether these are all that there are: some are in the repository.
fn payloads(vendor: &str) -> (BTreeMap<String, Vec<u8>>, bool) {
    let mut found = BTreeMap::new();
    for path in super::files(&here().join("given").join(vendor)) {
        found.insert(path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap());
    }
    let Some(public) = public_payloads() else { return (found, false) };
    let marker = format!("/payloads/{vendor}/");
    for (path, bytes) in public {
        let Some((_, name)) = path.to_str().unwrap().split_once(&marker) else { continue };
        if let Some(ours) = found.insert(name.to_owned(), bytes) {
            assert!(found[name] == ours, "{vendor}/{name} of the repository is not as it was published");
        }
    }
    (found, true)
}

/// What a payload says, a line for each thing; nothing where it speaks of no device and no person.
fn said(connector: &Connector, payload: &[u8]) -> String {
    let reading = match read(connector, payload, &Maps::new()) {
        Ok(reading) => reading,
        Err(why) if why.message.starts_with("this is no payload of") => return String::new(),
        Err(why) => return format!("  refused: {}: {}\n", why.message, why.label),
    };
    let Reading { records, quarantined, uncovered } = &reading;
    let mut text: String = records.iter().map(record).collect();
    // What is like no kind of records is the rest of the vendor's interface.
    for aside in quarantined.iter().filter(|aside| aside.records.is_some()) {
        let what = match &aside.what {
            SetAside::Record => "the record".to_owned(),
            SetAside::Key(kind) => format!("the key {kind}"),
            SetAside::Field(field) => field.to_string(),
            SetAside::Install => "an install".to_owned(),
            SetAside::Relation => "a relation".to_owned(),
            SetAside::Value => "a value".to_owned(),
        };
        let _ = writeln!(text, "  set aside {} {what}: {}", aside.at, aside.why);
    }
    for value in uncovered {
        let value_said = value.value.as_deref().unwrap_or("something sensitive");
        let _ = writeln!(text, "  no map covers {} {value_said:?} ({})", value.field, value.records);
    }
    text
}

fn record(record: &Record) -> String {
    let mut text = String::new();
    let gone = if record.deleted { " gone" } else { "" };
    let _ = writeln!(text, "  {} {}{gone}", record.records, record.id);
    if let Some(observed) = record.observed {
        let _ = writeln!(text, "    observed {observed}");
    }
    for key in &record.keys {
        let _ = writeln!(text, "    key {}", self::key(key));
    }
    for (field, said) in &record.facts {
        let value = match said {
            Said::Nothing => "none".to_owned(),
            Said::Value(_) => serde_json::to_string(said).unwrap(),
        };
        let _ = writeln!(text, "    {field} = {value}");
    }
    for relation in &record.relations {
        let keys: Vec<String> = relation.keys.iter().map(key).collect();
        let kind = relation.assignment.as_ref().map_or_else(String::new, |kind| format!(" {kind}"));
        let _ = writeln!(text, "    {}{kind}: {}", relation.relation.name(), keys.join(", "));
    }
    for install in &record.installs {
        let Install { bundle_id, name, plain_name, publisher, version, .. } = install;
        let names: Vec<&str> =
            [bundle_id, name, plain_name, publisher, version].into_iter().flatten().map(|it| it.as_str()).collect();
        let _ = writeln!(text, "    install {}", names.join(" | "));
    }
    text
}

fn key(key: &Key) -> String {
    let weak = if key.strength == Strength::Weak { " (weak)" } else { "" };
    format!("{} {}{weak}", key.kind.name(), key.value)
}

/// The sections of a file of expectations, by payload.
fn sections(text: &str) -> BTreeMap<String, String> {
    let sections = text.split("\n\n").filter(|section| !section.trim().is_empty());
    let named = sections.map(|section| {
        let (name, said) = section.split_once('\n').expect("a payload says something");
        (name.to_owned(), format!("{}\n", said.trim_end_matches('\n')))
    });
    named.collect()
}

#[test]
fn what_others_wrote_says_what_is_expected() {
    let update = std::env::var_os("UPDATE_CONNECTORS").is_some();
    let mut wrong = Vec::new();
    for (vendor, name) in VENDORS {
        let connector = connector(&workspace().join("connectors").join(name));
        let (payloads, all) = payloads(vendor);
        let mut now = BTreeMap::new();
        for (payload, bytes) in &payloads {
            let said = said(&connector, bytes);
            if !said.is_empty() {
                now.insert(payload.clone(), said);
            }
        }
        let path = here().join("expected").join(format!("{vendor}.txt"));
        if update && all && !now.is_empty() {
            let sections: Vec<String> = now.iter().map(|(payload, said)| format!("{payload}\n{said}")).collect();
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, sections.join("\n")).unwrap();
            continue;
        }
        let mut expected = sections(&fs::read_to_string(&path).unwrap_or_default());
        // What is not at hand can't be read.
        expected.retain(|payload, _| all || payloads.contains_key(payload));
        let names: BTreeSet<&String> = expected.keys().chain(now.keys()).collect();
        for payload in names {
            let (then, now) = (expected.get(payload), now.get(payload));
            if then != now {
                let now = now.map_or("nothing\n", String::as_str);
                wrong.push(format!("{vendor}/{payload} says now:\n{now}"));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_CONNECTORS=1 rewrites what is expected:\n{}", wrong.join("\n"));
}

/// What the repository has of them speaks for every vendor whose payloads may be copied, so that nothing above is held against nothing.
#[test]
fn something_is_expected_of_every_vendor() {
    for (vendor, _) in VENDORS.into_iter().filter(|(vendor, _)| *vendor != "entra") {
        let given = super::files(&here().join("given").join(vendor));
        assert!(!given.is_empty(), "{vendor} has no payload in the repository");
        let expected = sections(&fs::read_to_string(here().join("expected").join(format!("{vendor}.txt"))).unwrap());
        for path in given {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(expected.contains_key(name), "{vendor}/{name} is there for nothing");
        }
    }
}
