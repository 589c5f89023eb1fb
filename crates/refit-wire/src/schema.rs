//! The JSON Schemas of what goes over the wire, made of the types.

use crate::{
    EnrolmentToken, Lease, Mandate, Root, State,
    protocol::{CertificateAnswer, CertificateRequest, CheckIn, CheckInAnswer, EnrolRequest, Enrolled, Refused},
};
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

/// One document with the schema of each body and of each signed payload under `$defs`.
pub fn schemas() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut add = |add: fn(&mut SchemaGenerator)| add(&mut generator);
    fn one<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    for body in [
        one::<EnrolRequest>,
        one::<Enrolled>,
        one::<CertificateRequest>,
        one::<CertificateAnswer>,
        one::<CheckIn>,
        one::<CheckInAnswer>,
        one::<Refused>,
        one::<EnrolmentToken>,
        one::<Root>,
        one::<Mandate>,
        one::<Lease>,
        one::<State>,
    ] {
        add(body);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What Refit's agents and servers say to each other, and what is signed",
        "$defs": generator.take_definitions(true),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_reference_leads_somewhere() {
        let schemas = super::schemas();
        let text = schemas.to_string();
        for part in text.split("\"#/$defs/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas["$defs"].get(name).is_some(), "{name}");
        }
        for name in ["CheckIn", "CheckInAnswer", "State", "Mandate", "Report"] {
            assert!(schemas["$defs"].get(name).is_some(), "{name}");
        }
    }
}
