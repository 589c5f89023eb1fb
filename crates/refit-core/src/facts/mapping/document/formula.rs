//! Expressions as documents hold them.

use crate::policy::document::scalars;
use crate::policy::syntax::Format;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::LazyLock;

/// An expression over a record, as it is written; `mapping::expr` compiles it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Formula(pub String);

impl JsonSchema for Formula {
    fn schema_name() -> Cow<'static, str> {
        "Formula".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": "formula",
            "description": "An expression over the record, in CEL's syntax.",
            "examples": ["record.general.name"],
        })
    }
}

/// What the `format`s of the JSON Schema mean: those of policies, and expressions.
pub static FORMATS: LazyLock<Vec<Format>> = LazyLock::new(|| {
    let formula = Format {
        name: "formula",
        noun: "an expression",
        help: "write one such as `record.serial`, in quotes if it is `true` or a number",
        // What is wrong with it is for its compiler to say.
        check: |_| Ok(()),
    };
    scalars::FORMATS.iter().copied().chain([formula]).collect()
});
