//! `refit schema`

use crate::{
    Exit, Refused,
    cli::{Cli, SchemaArgs},
    terminal,
};
use anyhow::{Context, Result};
use refit_core::{
    facts::mapping::document::ConnectorDocument,
    plan::{Plan, world::WorldPlan},
    policy::{diagnostic::did_you_mean, document::Kind},
    process::document::TemplateDocument,
};
use serde_json::{Value, json};

pub fn run(_: &Cli, args: &SchemaArgs) -> Result<Exit> {
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for name in names() {
            let Some(schema) = schema(name) else { continue };
            let path = folder.join(format!("{name}.json"));
            std::fs::write(&path, serde_json::to_string_pretty(&schema)? + "\n")
                .with_context(|| path.display().to_string())?;
        }
        return Ok(Exit::Done);
    }
    let name = args.kind.as_deref().unwrap_or("document");
    let Some(schema) = schema(name) else {
        let known: Vec<&str> = names().collect();
        let help = did_you_mean(name, known.iter().copied())
            .map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
        return Err(Refused::usage(format!("there is no schema `{name}`; {help}")));
    };
    terminal::json(&schema)?;
    Ok(Exit::Done)
}

/// `document` is any document of a policy repository; the others are one kind each, a connector, a process's template, or an output.
fn names() -> impl Iterator<Item = &'static str> {
    ["document"].into_iter().chain(Kind::ALL.into_iter().map(Kind::key)).chain([
        "connector",
        "template",
        "plan",
        "world-plan",
    ])
}

fn schema(name: &str) -> Option<Value> {
    if name == "document" {
        return Some(any());
    }
    if name == "connector" {
        let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
        return serde_json::to_value(generator.into_root_schema_for::<ConnectorDocument>()).ok();
    }
    if name == "template" {
        let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
        return serde_json::to_value(generator.into_root_schema_for::<TemplateDocument>()).ok();
    }
    if name == "plan" {
        return serde_json::to_value(schemars::schema_for!(Plan)).ok();
    }
    if name == "world-plan" {
        return serde_json::to_value(schemars::schema_for!(WorldPlan)).ok();
    }
    Kind::of_key(name).and_then(|kind| serde_json::to_value(kind.schema()).ok())
}

/// One schema for every document, for editors: the kind is told by the key that only documents of that kind have.
fn any() -> Value {
    let mut definitions = serde_json::Map::new();
    let mut choices = Vec::new();
    for kind in Kind::ALL {
        let Ok(Value::Object(mut schema)) = serde_json::to_value(kind.schema()) else { continue };
        schema.remove("$schema");
        if let Some(Value::Object(own)) = schema.remove("$defs") {
            definitions.extend(own);
        }
        definitions.insert(format!("{}-document", kind.key()), Value::Object(schema));
        choices.push(json!({ "$ref": format!("#/$defs/{}-document", kind.key()) }));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A document of a Refit policy repository",
        "anyOf": choices,
        "$defs": definitions,
    })
}
