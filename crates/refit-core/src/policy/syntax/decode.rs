//! From a tree to a value of a type.

use super::check::check;
use super::compile::compile;
use super::format::Format;
use super::limits::Limits;
use super::node::{Node, Step};
use super::schema::Schema;
use crate::policy::diagnostic::{Diagnostic, Place};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use std::collections::BTreeSet;
use std::marker::PhantomData;

/// What a type of documents expects, ready to decode many of them.
///
/// The type is the only source: its fields, names and limits are read from the JSON Schema that it generates, which is
/// also the one that editors use. Making a shape is slow (about a millisecond); decoding with it is not.
#[derive(Clone, Debug)]
pub struct Shape<T> {
    schema: Schema,
    unknown_formats: BTreeSet<String>,
    mistakes_max: usize,
    decodes: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + JsonSchema> Shape<T> {
    /// Reads the schema of the type; `formats` say what the named formats of its texts are.
    pub fn new(formats: &[Format]) -> Self {
        let schema = SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>();
        let (schema, unknown_formats) = compile(schema.as_value(), formats);
        Self { schema, unknown_formats, mistakes_max: Limits::default().mistakes, decodes: PhantomData }
    }

    /// Formats of texts that the type names and that were not among those given: these are not checked. A test should see
    /// that there are none.
    pub fn unknown_formats(&self) -> &BTreeSet<String> {
        &self.unknown_formats
    }

    /// Compares a document with the type, and builds the value if nothing is wrong.
    ///
    /// `None` without a diagnostic means that a part of the document has been reported when it was parsed.
    pub fn decode(&self, node: &Node, file: usize) -> (Option<T>, Vec<Diagnostic>) {
        let checked = check(&self.schema, node, file, self.mistakes_max);
        if !checked.found.is_empty() || !checked.whole {
            return (None, checked.found);
        }
        match serde_path_to_error::deserialize(checked.value) {
            Ok(value) => (Some(value), Vec::new()),
            Err(error) => (None, vec![remaining(&error, node, file)]),
        }
    }
}

/// What only the type itself could find: a value that its own constructor refuses.
fn remaining(error: &serde_path_to_error::Error<serde_json::Error>, node: &Node, file: usize) -> Diagnostic {
    let path: Vec<Step<'_>> = error
        .path()
        .iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key)),
            Segment::Enum { variant } => Some(Step::Key(variant)),
            Segment::Unknown => None,
        })
        .collect();
    let span = node.nearest(&path).span.clone();
    Diagnostic::error("policy/invalid-value", "invalid value").at(Place { file, span }).label(error.inner().to_string())
}
