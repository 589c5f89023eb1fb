//! Every template of `processes/`: it is in order, and for the situations of its examples it makes the calls that `expected/` has.
//!
//! `UPDATE_PROCESSES=1` writes the expected calls anew; read them afterwards with the vendor's documents beside.

#![allow(clippy::disallowed_methods, reason = "the test reads folders; the core that it tests does not")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails is meant to panic")]

use jiff::{SignedDuration, Timestamp};
use refit_core::{
    policy::{
        diagnostic::{Files, Renderer},
        syntax::Limits,
    },
    process::{Answer, Doing, Ended, Line, Next, Process, Situation, load},
};
use serde_json::{Map, Value};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn templates() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../processes");
    sorted(&all).into_iter().filter(|path| path.is_dir()).collect()
}

fn template(folder: &Path) -> Process {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let (mut files, limits) = (Files::default(), Limits::default());
    let text = fs::read(folder.join("template.yaml")).unwrap();
    let file = files.add(format!("processes/{name}/template.yaml"), &text, &limits).unwrap();
    let (process, found) = load(&files, file, &limits);
    assert!(found.is_empty(), "{}", Renderer::new(&files).render_all(&found));
    let process = process.unwrap();
    assert_eq!(process.document.template, name);
    assert!(!process.document.docs.is_empty(), "{name}: the vendor's pages are named");
    process
}

/// The calls for the situations of a file, one after the other, with what it says that the system answers.
fn calls(process: &Process, situations: &Value) -> String {
    let given: BTreeMap<String, String> = (process.document.settings.iter())
        .map(|(name, setting)| (name.clone(), setting.default.clone().unwrap_or_else(|| name.to_uppercase())))
        .collect();
    let mut now: Timestamp = "2026-11-27T08:00:00Z".parse().unwrap();
    let (mut line, mut said) = (Line::new("Acme", process.document.template.as_str()), String::new());
    for situation in situations.as_array().unwrap() {
        now += SignedDuration::from_hours(1);
        let (key, over) = (situation["key"].as_str().unwrap(), situation["over"] == true);
        let wanted = Situation { key: key.into(), over, facts: situation["facts"].clone() };
        line.want(process, None, vec![wanted], now);
        writeln!(said, "# {key}{}", if over { ", which is over" } else { "" }).unwrap();
        for _ in 0..50 {
            let Next::Call { key, doing, call } = line.next(process, &given, now) else { break };
            writeln!(said, "{doing:?}: {call}").unwrap();
            let names = line.remembers(process, &key);
            let answers: Map<String, Value> = names
                .into_iter()
                .map(|name| {
                    let value = situation["answers"].get(&name).cloned();
                    (name.clone(), value.unwrap_or_else(|| name.into()))
                })
                .collect();
            // Nothing is there; what is asked before it is looked for is answered.
            let is_search = doing == Doing::Find && answers.contains_key("id");
            let answer = if is_search { Answer::NotHere { entries: 0 } } else { Answer::Says(answers) };
            if let Some(approval) = line.ended(process, &given, &key, Ended::Answered(answer), now) {
                writeln!(said, "# people {}: {}", if approval.agrees { "agree" } else { "refuse" }, approval.says)
                    .unwrap();
            }
        }
        for object in line.objects().values() {
            assert_eq!(object.why, None, "{said}");
        }
    }
    said
}

#[test]
fn every_template_makes_the_calls_that_are_expected_of_it() {
    let update = std::env::var_os("UPDATE_PROCESSES").is_some();
    let mut all = 0;
    for folder in templates() {
        let process = template(&folder);
        for example in sorted(&folder.join("examples")) {
            let situations: Value = serde_json::from_str(&fs::read_to_string(&example).unwrap()).unwrap();
            let said = calls(&process, &situations);
            let expected = folder.join("expected").join(example.file_stem().unwrap()).with_extension("txt");
            if update {
                fs::create_dir_all(expected.parent().unwrap()).unwrap();
                fs::write(&expected, &said).unwrap();
            }
            let known = fs::read_to_string(&expected).unwrap_or_default();
            assert_eq!(said, known, "{}", expected.display());
            all += 1;
        }
    }
    assert!(all >= 7);
}

#[test]
fn every_call_of_a_template_can_be_lost_and_nothing_is_made_twice() {
    for folder in templates() {
        let process = template(&folder);
        // What makes something is the only call that may not be sent twice: all others have to say so.
        let makes = |calls: &[refit_core::process::document::CallDocument]| {
            let unsafe_ones = calls
                .iter()
                .filter(|call| (call.post.is_some() || call.patch.is_some()) && call.repeatable != Some(true));
            unsafe_ones.map(|call| call.remember.contains_key("id")).collect::<Vec<_>>()
        };
        let document = &process.document;
        assert_eq!(makes(&document.create), [true], "{}: one call makes the object", document.template);
        for calls in [&document.find, &document.update, &document.close] {
            assert!(makes(calls).is_empty(), "{}: {calls:?}", document.template);
        }
    }
}
