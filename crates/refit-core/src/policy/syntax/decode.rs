//! From a tree to a value of a type.

use super::check::{Checked, Mistakes, check};
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
        let decoded = self.decode_what_is_right(node, file);
        (decoded.value.filter(|_| decoded.mistakes.is_empty()), decoded.found)
    }

    /// As [`Shape::decode`], and builds the value also where something is wrong, without that, so that what else is wrong can be
    /// said too. `mistakes` tells what is missing.
    pub fn decode_what_is_right(&self, node: &Node, file: usize) -> Decoded<T> {
        let Checked { value, mut found, whole, node: pruned, mut mistakes } =
            check(&self.schema, node, file, self.mistakes_max);
        let value = match value.map(serde_path_to_error::deserialize) {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) if found.is_empty() && whole => {
                found.push(remaining(&error, node, file));
                mistakes.fields.insert(Default::default());
                None
            }
            _ => None,
        };
        Decoded { value, found, mistakes, node: pruned }
    }
}

/// What came of decoding a document.
#[derive(Clone, Debug)]
pub struct Decoded<T> {
    /// The value, without what is wrong; `None` where too much is.
    pub value: Option<T>,
    /// What is wrong.
    pub found: Vec<Diagnostic>,
    /// Which parts of the value are not what was written.
    pub mistakes: Mistakes,
    /// The tree that belongs to the value, where that lacks entries of lists.
    pub node: Option<Node>,
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
