//! `refit query --world FILE 'EXPRESSION'`

use super::table::Table;
use crate::{
    Exit, Refused,
    cli::{Cli, QueryArgs, Which},
    repository::{self, counted},
    terminal::{self, CHANGE, FAINT, HEADING, paint},
    worlds::{Kept, Loaded, load, named},
};
use anyhow::Result;
use refit_core::{
    engine::{Selection, Sets},
    facts::{FieldRef, Fields, Root, Value},
    policy::{
        diagnostic::{Diagnostic, Files, Place, Renderer, SourceFile, did_you_mean},
        expr::{Expr, ExprError, Scope, compile},
        repository::Repository,
    },
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// How many devices are named as examples.
const EXAMPLES: usize = 3;

/// How many values of a field are shown without `--all`.
const SHOWN: usize = 30;

/// `refit query --json`
#[derive(Serialize)]
struct Report {
    expression: String,
    now: jiff::Timestamp,
    devices: u64,
    #[serde(flatten)]
    counts: Counts,
    examples: Counted<Vec<String>>,
    /// Of the devices on which it is unknown, how many lack each field.
    for_want_of: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    by: BTreeMap<String, Vec<ByValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<Vec<String>>,
}

/// One value of a field; null is not known.
#[derive(Serialize)]
struct ByValue {
    value: Option<String>,
    #[serde(flatten)]
    counts: Counts,
}

type Counts = Counted<u64>;

/// Something for each answer.
#[derive(Serialize)]
struct Counted<T> {
    r#true: T,
    unknown: T,
    r#false: T,
}

pub fn run(cli: &Cli, args: &QueryArgs) -> Result<Exit> {
    let repository = match &args.policy {
        Some(folder) => repository::read_in_order(folder)?.repository,
        None => Repository::default(),
    };
    // A repository that nobody wrote has no fields, not even Refit's own.
    let fields = if args.policy.is_some() { repository.fields.clone() } else { Fields::builtin() };
    // What is wrong with what was typed is said before anything that takes time.
    let condition = compiled(&args.expression, &fields)?;
    let by: Vec<FieldRef> = args.by.iter().map(|name| field(name, &fields)).collect::<Result<_>>()?;
    let Loaded { fleet, now, .. } = load(&args.world, &fields, Kept::Facts)?;
    let mut selection = Selection::new(&fleet, &repository, now);
    let found = selection.select(&condition);
    for note in unheard_of(&mut selection, &condition, &args.world) {
        terminal::note(format_args!("{} {note}", paint(CHANGE, "note:")));
    }
    let answers = Answers { all: fleet.len() as u64, found: &found };
    let ids = |which: Which, most: usize| -> Vec<String> {
        let holds = |device: &u32| match which {
            Which::True => found.holds.contains(*device),
            Which::Unknown => found.unknown.contains(*device),
            Which::False => !found.holds.contains(*device) && !found.unknown.contains(*device),
        };
        let devices = fleet.numbers().iter().filter(holds).take(most);
        devices.filter_map(|device| Some(fleet.id(device)?.to_string())).collect()
    };
    if let Some(which) = args.list.filter(|_| !cli.json) {
        let listed = ids(which, usize::MAX);
        if !listed.is_empty() {
            terminal::print(&(listed.join("\n") + "\n"))?;
        }
        return Ok(Exit::Done);
    }
    let lacking: Vec<(FieldRef, u64)> =
        selection.lacking(&condition, &found).into_iter().map(|(field, devices)| (field, devices.len())).collect();
    let examples = Counted {
        r#true: ids(Which::True, EXAMPLES),
        unknown: ids(Which::Unknown, EXAMPLES),
        r#false: ids(Which::False, EXAMPLES),
    };
    let mut divided: Vec<(FieldRef, Vec<ByValue>)> = Vec::new();
    for field in by {
        let values = selection.values(&field).into_iter().map(|(value, devices)| {
            let (holds, unknown) = (found.holds.intersection_len(&devices), found.unknown.intersection_len(&devices));
            let counts = Counted { r#true: holds, unknown, r#false: devices.len() - holds - unknown };
            ByValue { value: value.as_ref().map(plain), counts }
        });
        divided.push((field, values.collect()));
    }
    if cli.json {
        terminal::json(&Report {
            expression: args.expression.clone(),
            now,
            devices: answers.all,
            counts: answers.counts(),
            examples,
            for_want_of: lacking.iter().map(|(field, devices)| (field.to_string(), *devices)).collect(),
            by: divided.into_iter().map(|(field, values)| (field.to_string(), values)).collect(),
            listed: args.list.map(|which| ids(which, usize::MAX)),
        })?;
        return Ok(Exit::Done);
    }
    let mut text = format!(
        "{} in {}, as at {now:.0}\n\n{}",
        paint(HEADING, counted(fleet.len(), "device")),
        named(&args.world),
        answers.text(&examples)
    );
    if !lacking.is_empty() {
        let wants: Vec<String> = lacking
            .iter()
            .map(|(field, devices)| format!("{field} on {}", counted(*devices as usize, "device")))
            .collect();
        text += &format!("\nUnknown for want of {}\n", wants.join(", "));
    }
    for (field, values) in divided {
        text += &format!("\n{}", by_value(&field, &values, if args.all { usize::MAX } else { SHOWN }));
    }
    terminal::print(&text)?;
    Ok(Exit::Done)
}

/// How many devices each answer has.
struct Answers<'a> {
    all: u64,
    found: &'a Sets,
}

impl Answers<'_> {
    fn counts(&self) -> Counts {
        let (holds, unknown) = (self.found.holds.len(), self.found.unknown.len());
        Counted { r#true: holds, unknown, r#false: self.all - holds - unknown }
    }

    fn text(&self, examples: &Counted<Vec<String>>) -> String {
        let Counted { r#true, unknown, r#false } = self.counts();
        let rows = [
            ("true", r#true, &examples.r#true),
            ("unknown", unknown, &examples.unknown),
            ("false", r#false, &examples.r#false),
        ];
        let width = self.all.to_string().len();
        let mut text = String::new();
        for (answer, devices, examples) in rows {
            let share = if self.all == 0 { 0.0 } else { 100.0 * devices as f64 / self.all as f64 };
            let more = if devices > examples.len() as u64 { ", …" } else { "" };
            let line = format!(
                "  {answer:<7}  {devices:>width$}  {share:>5.1} %  {}",
                paint(FAINT, format!("{}{more}", examples.join(", ")))
            );
            text += &format!("{}\n", line.trim_end());
        }
        text
    }
}

fn by_value(field: &FieldRef, values: &[ByValue], most: usize) -> String {
    let mut table = Table::new(["true", "unknown", "false"]);
    for ByValue { value, counts } in values.iter().take(most) {
        let name = value.clone().unwrap_or_else(|| "(unknown)".to_owned());
        table.row(name, [counts.r#true, counts.unknown, counts.r#false]);
    }
    let mut text = table.text(&field.to_string());
    if let Some(more) = values.len().checked_sub(most).filter(|more| *more > 0) {
        text += &format!("  … and {} more; `--all` lists them\n", counted(more, "value"));
    }
    text
}

/// A value as people write it: a text without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::List(items) if items.is_empty() => "(none)".to_owned(),
        Value::List(items) => items.join(", "),
        other => other.to_string(),
    }
}

/// The condition, or what is wrong with it and where.
fn compiled(text: &str, fields: &Fields) -> Result<Expr> {
    let files = Files(vec![SourceFile { path: "expression".to_owned(), text: text.to_owned() }]);
    let tell = |found: &ExprError| {
        let place = Place { file: 0, span: found.range.clone() };
        let told = match found.is_error() {
            true => Diagnostic::error(found.code, found.message),
            false => Diagnostic::warning(found.code, found.message),
        };
        let mut told = told.at(place).label(found.label.clone());
        told.help.clone_from(&found.help);
        terminal::note(repository::paint(&Renderer::new(&files), &told));
    };
    match compile(text, &Scope::device(fields)) {
        Ok(condition) => {
            condition.warnings().iter().for_each(tell);
            Ok(condition)
        }
        Err(found) => {
            found.iter().for_each(tell);
            let errors = found.iter().filter(|found| found.is_error()).count();
            let first = found.iter().find(|found| found.is_error());
            let why = first.map_or_else(String::new, |first| format!(": {}: {}", first.message, first.label));
            let why = if errors == 1 { why } else { String::new() };
            Err(Refused::usage(format!("the expression has {}{why}", counted(errors, "error"))))
        }
    }
}

/// What the condition asks for and nobody has, with what is near: who mistypes the name of a department is told of no mistake otherwise.
fn unheard_of(selection: &mut Selection<'_>, condition: &Expr, world: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    for (field, text) in condition.compared_texts() {
        let mut known: BTreeSet<String> = BTreeSet::new();
        for (value, _) in selection.values(field) {
            match value {
                Some(Value::Text(text)) => drop(known.insert(text.to_string())),
                Some(Value::List(items)) => known.extend(items.iter().map(ToString::to_string)),
                _ => {}
            }
        }
        // What the field never says was told already, and where nobody says anything, that is why it is unknown.
        let told = condition.warnings().iter().any(|found| found.label.contains(&format!("{text:?}")));
        if told || known.is_empty() || known.contains(text) {
            continue;
        }
        let near = did_you_mean(text, known.iter().map(String::as_str));
        let help = near.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        let note = format!("no device in {} has {text:?} as `{field}`{help}", named(world));
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

/// The field of that name; the root may be left out where one of device and person has it.
fn field(name: &str, fields: &Fields) -> Result<FieldRef> {
    let known: Vec<&FieldRef> =
        fields.iter().map(|field| &field.name).filter(|name| name.root != Root::Exposure).collect();
    let full: Option<FieldRef> = name.parse().ok();
    if let Some(found) = known.iter().find(|known| full.as_ref() == Some(**known)) {
        return Ok((*found).clone());
    }
    let of_name: Vec<&FieldRef> = known.iter().copied().filter(|known| known.name == name).collect();
    match of_name.as_slice() {
        [one] => return Ok((*one).clone()),
        [one, other, ..] => {
            return Err(Refused::usage(format!("`--by {name}`: write `{one}` or `{other}`")));
        }
        [] => {}
    }
    let names: Vec<String> = known.iter().flat_map(|known| [known.to_string(), known.name.to_string()]).collect();
    let near = did_you_mean(name, names.iter().map(String::as_str));
    let help = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Err(Refused::usage(format!("`--by {name}`: there is no field `{name}` of devices or people{help}")))
}
