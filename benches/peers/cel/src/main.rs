//! Selectors over a made-up fleet with the interpreter of the crate `cel`: rows are built once, and handed out by a resolver.

use cel::{
    Context, Program, Value,
    common::value::{CowVal, Val},
    context::VariableResolver,
};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value as Json};
use std::{
    env,
    error::Error,
    fs::File,
    io::{BufRead, BufReader},
    time::Duration,
};

/// How often each selector is measured.
const ROUNDS: usize = 3;

/// The same as in the bench of the engine, but for what this interpreter can't say: versions compared, and times since now.
const SELECTORS: [&str; 4] = [
    r#"device.platform == "macos""#,
    r#"has(person.department) && person.department == "Finance""#,
    r#""canary" in device.tags || (has(person.vip) && person.vip)"#,
    r#"device.platform == "windows" && has(person.department) && person.department in ["Sales", "Support"] && !("kiosk" in device.tags)"#,
];

struct Row {
    device: Box<dyn Val>,
    person: Box<dyn Val>,
}

impl VariableResolver for Row {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match variable {
            "device" => Some(CowVal::Borrowed(&*self.device)),
            "person" => Some(CowVal::Borrowed(&*self.person)),
            _ => None,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args().nth(1).ok_or("usage: peer-cel WORLD")?;
    let mut rows = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let line = line?;
        if line.starts_with(r#"{"device""#) {
            rows.push(row(&serde_json::from_str(&line)?)?);
        }
    }
    println!("{} devices", rows.len());
    for text in SELECTORS {
        let program = Program::compile(text)?;
        // The standard functions are registered once.
        let root = Context::default();
        let (mut best, mut found) = (Duration::MAX, 0);
        for _ in 0..ROUNDS {
            let start = cpu();
            found = 0;
            for row in &rows {
                let mut context = root.new_inner_scope();
                context.set_variable_resolver(row);
                found += usize::from(program.execute(&context)? == Value::Bool(true));
            }
            best = best.min(cpu() - start);
        }
        println!("select: {:.0} ns a device ({found} hold): {text}", best.as_secs_f64() * 1e9 / rows.len() as f64);
    }
    Ok(())
}

/// What sources said of a device and its person; of several the last.
fn row(entry: &Json) -> Result<Row, Box<dyn Error>> {
    let (mut device, mut person) = (Map::new(), Map::new());
    for said in entry["facts"].as_array().into_iter().flatten() {
        for (field, value) in said["values"].as_object().into_iter().flatten() {
            match field.split_once('.') {
                Some(("device", name)) => device.insert(name.to_owned(), value.clone()),
                Some(("person", name)) => person.insert(name.to_owned(), value.clone()),
                _ => None,
            };
        }
    }
    device.entry("tags").or_insert_with(|| Json::Array(Vec::new()));
    let value = |map: Map<String, Json>| -> Result<Box<dyn Val>, Box<dyn Error>> {
        cel::to_value(Json::Object(map)).map_err(|error| error.to_string())?.try_into().map_err(|_| "no value".into())
    };
    Ok(Row { device: value(device)?, person: value(person)? })
}

/// CPU time of this thread: others who use the machine do not count.
fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
