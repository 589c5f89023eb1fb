//! What is written, as JSON has it, where no type says what is expected.

use super::{
    node::{Kind, Node},
    scalar::Meaning,
};
use serde_json::{Number, Value};

impl Node {
    /// As JSON has it. What is not read (an alias, a tag) is null, and so are numbers that JSON has none of.
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => Value::Null,
                Meaning::Boolean(truth) => Value::Bool(truth),
                Meaning::Integer(number) => i64::try_from(number)
                    .map(Value::from)
                    .or_else(|_| u64::try_from(number).map(Value::from))
                    .unwrap_or(Value::Null),
                Meaning::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
                Meaning::Text(text) => Value::from(text),
            },
            Kind::Sequence(items) => items.iter().map(Node::value).collect(),
            Kind::Mapping(entries) => {
                entries.iter().filter_map(|(key, value)| Some((key.text()?.to_owned(), value.value()))).collect()
            }
            Kind::Invalid => Value::Null,
        }
    }
}
