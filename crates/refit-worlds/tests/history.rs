//! The stream of a seeded month of examples/acme, held against a file that people can read: `examples/history/stream.ndjson`.
//!
//! `UPDATE_HISTORY=1` writes it anew, with the table beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that fails is meant to panic, and it reads files"
)]

use refit_core::{
    business::{CloudEvent, Kind, Position},
    control::{Contents, Evaluator, Ground, State, Terms, decode},
    policy::{
        diagnostic::{Files, Severity},
        load::load,
        resolve::{Titles, resolve_titles},
        syntax::Limits,
    },
};
use refit_worlds::history::{ENDS, Entry, History};
use serde_json::Value;
use smol_str::SmolStr;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

/// The seed of the golden stream.
const SEED: u64 = 1;

static MONTH: LazyLock<(History, Vec<CloudEvent>)> = LazyLock::new(|| {
    let history = generate(SEED);
    let stream = history.stream().unwrap();
    (history, stream)
});

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The texts of a folder's YAML files and of those below it, by path.
fn texts(folder: &Path, under: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            texts(&entry, under, found);
        } else if entry.extension().is_some_and(|ending| ending == "yaml") {
            let name = entry.strip_prefix(under).unwrap().display().to_string();
            found.insert(name, fs::read_to_string(&entry).unwrap());
        }
    }
}

fn catalog() -> Titles {
    let mut read = BTreeMap::new();
    texts(&root().join("catalog"), &root().join("catalog"), &mut read);
    let mut files = Files::default();
    for (path, text) in &read {
        files.add(path.clone(), text.as_bytes(), &Limits::default()).unwrap();
    }
    let (documents, found) = load(&files, &Limits::default());
    assert!(found.iter().all(|found| found.severity != Severity::Error));
    resolve_titles(&documents, &files).0
}

fn generate(seed: u64) -> History {
    let mut files = BTreeMap::new();
    texts(&root().join("examples/acme"), &root().join("examples/acme"), &mut files);
    History::generate(files, &catalog(), seed).unwrap_or_else(|error| panic!("{error}"))
}

fn lines(stream: &[CloudEvent]) -> String {
    stream.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect()
}

fn golden(name: &str, now: &str) {
    let file = root().join("examples/history").join(name);
    if std::env::var_os("UPDATE_HISTORY").is_some() {
        fs::write(&file, now).unwrap();
    }
    let known = fs::read_to_string(&file).unwrap_or_default();
    if known != now {
        let differs = known.lines().zip(now.lines()).position(|(known, now)| known != now);
        let line = differs.unwrap_or_else(|| known.lines().count().min(now.lines().count()));
        panic!(
            "{} is not what comes out now (UPDATE_HISTORY=1 writes it anew); line {}:\n- {}\n+ {}",
            file.display(),
            line + 1,
            known.lines().nth(line).unwrap_or("(the end)"),
            now.lines().nth(line).unwrap_or("(the end)"),
        );
    }
}

/// What came how often, and what did not.
fn table(stream: &[CloudEvent]) -> String {
    let mut text = String::from(
        "# What happens in the month\n\nBusiness events of [`stream.ndjson`](stream.ndjson), by type; the [catalogue](../../docs/events/README.md) says what each means.\n\n| type | department | how many | first | last |\n| --- | --- | ---: | --- | --- |\n",
    );
    let mut missing = Vec::new();
    for kind in Kind::ALL {
        let of: Vec<&CloudEvent> = stream.iter().filter(|event| event.r#type == kind.name()).collect();
        let (Some(first), Some(last)) = (of.first(), of.last()) else {
            missing.push(kind.name());
            continue;
        };
        let time = |event: &CloudEvent| event.time.strftime("%d %H:%M").to_string();
        let department = kind.department().name();
        writeln!(text, "| `{}` | {department} | {} | {} | {} |", kind.name(), of.len(), time(first), time(last))
            .unwrap();
    }
    let known = Kind::ALL.len();
    writeln!(text, "\n{} of {known} types occur. Not among them:\n", known - missing.len()).unwrap();
    for kind in missing {
        writeln!(text, "- `{kind}`: {}", why_not(kind)).unwrap();
    }
    text
}

fn why_not(kind: &str) -> &'static str {
    match kind {
        "root.published" | "mandate.published" => {
            "they are signed with keys that an organisation keeps off its server; a key in this repository would be one that nobody may trust"
        }
        "device.unsupported" => {
            "nothing tells a server yet that a release will never be offered to a device; who decides about a device in a world file can say so"
        }
        _ => "nothing in the month leads to it yet",
    }
}

#[test]
fn the_same_seed_gives_the_same_stream_byte_for_byte() {
    let (history, stream) = &*MONTH;
    assert_eq!(history.ends.to_string(), ENDS);
    let text = lines(stream);
    assert_eq!(text, lines(&generate(SEED).stream().unwrap()));
    assert!(text.len() < 500_000, "{} bytes are too many to read", text.len());
    golden("stream.ndjson", &text);
    golden("types.md", &table(stream));
    let kinds: BTreeSet<&str> = stream.iter().map(|event| event.r#type.as_str()).collect();
    assert!(kinds.len() >= 25, "{kinds:?}");
}

#[test]
fn another_seed_gives_another_month_of_the_same_company() {
    let other = generate(SEED + 1);
    let (history, stream) = &*MONTH;
    assert_ne!(lines(stream), lines(&other.stream().unwrap()));
    let policies = |history: &History| history.entries.iter().filter(|entry| entry.kind == "policy.applied").count();
    assert_eq!(policies(history), policies(&other));
}

#[test]
fn every_event_is_as_its_schema_says() {
    let mut schemas: BTreeMap<&str, Value> = BTreeMap::new();
    for event in &MONTH.1 {
        let schema = schemas.entry(&event.r#type).or_insert_with(|| {
            let file = root().join(format!("schemas/events/{}.json", event.r#type));
            serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
        });
        let event = serde_json::to_value(event).unwrap();
        let mut wrong = Vec::new();
        check(schema, &event, "event", &mut wrong);
        assert!(wrong.is_empty(), "{wrong:?}\n{event}");
    }
    // The check can fail.
    let (event, schema) = (&MONTH.1[0], &schemas[MONTH.1[0].r#type.as_str()]);
    let mut broken = serde_json::to_value(event).unwrap();
    broken["specversion"] = Value::from("2.0");
    broken["time"] = Value::from(3);
    let mut wrong = Vec::new();
    check(schema, &broken, "event", &mut wrong);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}

/// As much of JSON Schema (2020-12) as the schemas of events use. A word that is not known here fails, so that nothing is passed over.
fn check(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let Some(words) = schema.as_object() else {
        return if schema == &Value::Bool(false) {
            wrong.push(format!("{at}: may not be"))
        };
    };
    for (word, says) in words {
        let holds = match word.as_str() {
            "$schema" | "$id" | "title" | "description" | "default" | "examples" | "x-department" | "x-trigger"
            | "x-cleared-by" | "x-version" => true,
            "type" => {
                let types: Vec<&str> = match says {
                    Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
                    one => one.as_str().into_iter().collect(),
                };
                types.iter().any(|kind| match *kind {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_u64() || value.is_i64(),
                    "number" => value.is_number(),
                    "null" => value.is_null(),
                    _ => false,
                })
            }
            "const" => value == says,
            "enum" => says.as_array().unwrap().contains(value),
            "anyOf" | "oneOf" => {
                let fits = |one: &&Value| {
                    let mut wrong = Vec::new();
                    check(one, value, at, &mut wrong);
                    wrong.is_empty()
                };
                let fitting = says.as_array().unwrap().iter().filter(fits).count();
                if word == "anyOf" { fitting > 0 } else { fitting == 1 }
            }
            "allOf" => {
                says.as_array().unwrap().iter().for_each(|one| check(one, value, at, wrong));
                true
            }
            "properties" => {
                for (name, schema) in says.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        check(schema, value, &format!("{at}.{name}"), wrong);
                    }
                }
                true
            }
            "required" => says.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "additionalProperties" => {
                let known = words.get("properties").and_then(Value::as_object);
                let unknown = |name: &String| known.is_none_or(|known| !known.contains_key(name));
                says != &Value::Bool(false) || value.as_object().is_none_or(|value| !value.keys().any(unknown))
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(says, item, &format!("{at}[{index}]"), wrong);
                }
                true
            }
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= says.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|number| number >= says.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= says.as_f64().unwrap()),
            "format" => match (says.as_str().unwrap(), value.as_str()) {
                ("date-time", Some(text)) => text.parse::<jiff::Timestamp>().is_ok(),
                _ => true,
            },
            "pattern" | "minLength" | "maxLength" => true,
            other => panic!("{at}: this test does not know `{other}` of JSON Schema"),
        };
        if !holds {
            wrong.push(format!("{at}: {word} {says}, and it is {value}"));
        }
    }
}

/// Of what an event says that it is so: the slot of a device, an exposure, a source, a release...
fn things(event: &CloudEvent) -> Vec<String> {
    let data = &event.data;
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let texts = |name: &str| -> Vec<String> {
        let list = data.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(ToOwned::to_owned).collect()
    };
    let slot = format!("{} {} {}", text("title"), text("branch"), text("profile"));
    let (group, _) = event.r#type.split_once('.').unwrap();
    match event.r#type.as_str() {
        "device.due"
        | "device.overdue"
        | "device.due_moved"
        | "device.compliant"
        | "device.unsupported"
        | "device.undetermined" => texts("devices").iter().map(|device| format!("{device} {slot}")).collect(),
        "device.unseen" | "device.seen" => texts("devices").iter().map(|device| format!("{device} seen")).collect(),
        _ if group == "exposure" => {
            let advisories = texts("advisories");
            let of = |device: String| advisories.iter().map(move |advisory| format!("{device} {advisory}"));
            texts("devices").into_iter().flat_map(of).collect()
        }
        _ => vec![format!("{group} {}", event.subject.clone().unwrap_or_default())],
    }
}

/// The states of which later events say whether they go on.
const STATES: [&[&str]; 8] = [
    &["device.due", "device.overdue", "device.unsupported", "device.undetermined", "device.compliant"],
    &["device.unseen", "device.seen"],
    &["exposure.opened", "exposure.closed"],
    &["device.quarantined", "device.quarantine_lifted"],
    &["source.failed", "source.shrank", "source.recovered"],
    &["fleet.stopped", "fleet.resumed"],
    &["person.joined", "person.left"],
    &["token.created", "token.revoked"],
];

/// What is open by the stream alone, by thing; and what was cleared that was never opened.
fn folded(stream: &[CloudEvent], states: &[&str]) -> (BTreeMap<String, String>, Vec<String>) {
    let opens = |name: &str| !Kind::from_name(name).unwrap().cleared_by().is_empty();
    let is_end = |name: &str| *states.last().unwrap() == name;
    let mut open: BTreeMap<String, String> = BTreeMap::new();
    let mut never_opened = Vec::new();
    for event in stream {
        if event.r#type == "device.retired" {
            let device = event.data["device"].as_str().unwrap();
            open.retain(|thing, _| thing.split(' ').next() != Some(device) && !thing.ends_with(device));
        }
        if event.r#type == "device.merged" {
            let other = event.data["other"].as_str().unwrap();
            open.retain(|thing, _| thing.split(' ').next() != Some(other));
        }
        if !states.contains(&event.r#type.as_str()) {
            continue;
        }
        for thing in things(event) {
            let was = open.remove(&thing);
            if let Some(was) = &was {
                // Another state of the same thing has to be one that clears it.
                let clears = Kind::from_name(was).unwrap().cleared_by();
                let now = Kind::from_name(&event.r#type).unwrap();
                let told = clears.contains(&now) || (*was != event.r#type && !is_end(&event.r#type));
                assert!(told, "{was} of {thing} is followed by {}, which does not clear it", event.r#type);
            }
            if is_end(&event.r#type) {
                if was.is_none() {
                    never_opened.push(format!("{} of {thing} at {}", event.r#type, event.time));
                }
            } else {
                assert!(opens(&event.r#type));
                open.insert(thing, event.r#type.clone());
            }
        }
    }
    (open, never_opened)
}

#[test]
fn what_was_cleared_was_open_and_what_is_open_is_so() {
    let (history, stream) = &*MONTH;
    let mut all = BTreeMap::new();
    for states in STATES {
        let (open, never_opened) = folded(stream, states);
        // Whoever was there when the month began has not joined in it.
        assert!(never_opened.is_empty() || states[0] == "person.joined", "{never_opened:#?}");
        all.extend(open);
    }
    // What the log adds up to says the same of every device.
    let state = replayed(history);
    let mut so = BTreeMap::new();
    for device in state.managed() {
        for (slot, standing) in &device.stands {
            let name = |part: Option<String>| part.unwrap_or_default();
            let (branch, profile) =
                (slot.branch.as_ref().map(ToString::to_string), slot.profile.as_ref().map(ToString::to_string));
            let thing = format!("{} {} {} {}", device.id, slot.title, name(branch), name(profile));
            use refit_core::decide::Compliance;
            let kind = match standing.compliance {
                Compliance::Due => "device.due",
                Compliance::Overdue => "device.overdue",
                Compliance::Unsupported => "device.unsupported",
                Compliance::Undetermined => "device.undetermined",
                _ => "",
            };
            if !kind.is_empty() {
                so.insert(thing, kind.to_owned());
            }
            for (advisory, _) in &standing.exposures {
                so.insert(format!("{} {advisory}", device.id), "exposure.opened".to_owned());
            }
        }
        if device.unseen {
            so.insert(format!("{} seen", device.id), "device.unseen".to_owned());
        }
    }
    let of_devices = |thing: &&String| state.managed().any(|device| thing.starts_with(&format!("{} ", device.id)));
    let told: BTreeMap<_, _> =
        all.iter().filter(|(thing, _)| of_devices(thing)).map(|(a, b)| (a.clone(), b.clone())).collect();
    let differs: Vec<_> = told.iter().filter(|(thing, kind)| so.get(*thing) != Some(kind)).collect();
    let missing: Vec<_> = so.iter().filter(|(thing, kind)| told.get(*thing) != Some(kind)).collect();
    assert!(differs.is_empty() && missing.is_empty(), "told and not so: {differs:#?}\nso and not told: {missing:#?}");
    assert!(so.len() > 10, "{so:#?}");
    let kinds: BTreeSet<&str> = so.values().map(String::as_str).collect();
    assert!(kinds.contains("device.overdue") && kinds.contains("device.unseen"), "{so:#?}");
}

/// The state that the log adds up to.
fn replayed(history: &History) -> State {
    struct Kept<'h>(&'h BTreeMap<SmolStr, Arc<[u8]>>);
    impl Contents for Kept<'_> {
        fn content(&self, sha256: &str) -> Option<Arc<[u8]>> {
            self.0.get(sha256).cloned()
        }
    }
    let (catalog, mut state) = (catalog(), State::default());
    for (reference, _, value) in &history.personal {
        state.personal.insert(reference.clone(), serde_json::from_slice(value).unwrap());
    }
    for Entry { seq, at, kind, version, body, .. } in &history.entries {
        let event = decode(kind, *version, body).unwrap();
        let ground = Ground { catalog: &catalog, contents: &Kept(&history.contents) };
        state.apply(*seq, *at, &event, &ground).unwrap();
    }
    state
}

#[test]
fn the_log_can_be_replayed_and_nothing_is_left_to_decide() {
    let history = &MONTH.0;
    let state = replayed(history);
    assert_eq!(state.seq, history.entries.len() as u64);
    // Who was seen between two entries is not in the log before it is written down: the end writes it down.
    let now = history.ends;
    let terms = Terms::in_force(&state).unwrap();
    let mut evaluator = Evaluator::default();
    let records: Vec<_> = state.managed().cloned().collect();
    let devices: Vec<_> = records.iter().map(|record| evaluator.evaluate(&state, &terms, record, now)).collect();
    let input = refit_core::control::Input::Evaluated { plan: "again".into(), devices };
    let outcome = refit_core::control::handle(&state, &refit_core::control::Actor::server(), input, now).unwrap();
    let kinds: Vec<&str> = outcome.events.iter().map(|event| event.kind()).collect();
    assert!(kinds.is_empty(), "{kinds:?}");
}

/// What a reader gets that goes on from a position, as `/api/v1/stream` gives it.
fn rest(stream: &[CloudEvent], after: Position) -> Vec<&CloudEvent> {
    stream.iter().filter(|event| position(event) > after).collect()
}

fn position(event: &CloudEvent) -> Position {
    let (seq, index) = event.sequence.split_once('.').unwrap();
    Position { seq: seq.parse().unwrap(), index: index.parse().unwrap() }
}

#[test]
fn positions_ascend_ids_differ_and_whoever_goes_on_from_any_gets_the_same_rest() {
    let stream = &MONTH.1;
    assert!(stream.is_sorted_by(|one, next| position(one) < position(next) && one.sequence < next.sequence));
    let ids: BTreeSet<&str> = stream.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), stream.len());
    for (index, event) in stream.iter().enumerate() {
        // The text of a cursor is what a reader keeps.
        let cursor: Position = position(event).to_string().parse().unwrap();
        let rest = rest(stream, cursor);
        assert_eq!(rest.len(), stream.len() - index - 1);
        assert_eq!(rest.first().map(|event| &event.id), stream.get(index + 1).map(|event| &event.id));
    }
    assert_eq!(rest(stream, Position::START).len(), stream.len());
}
