//! Texts that no fact has: values that sources have given are held against those that conditions compare with.
//!
//! What refit.yaml and the maps of sources list is found when conditions are compiled; here, what sources have been seen to
//! give is added, and only what that tells beyond is reported.

use super::subject::Subject;
use crate::{
    policy::{
        diagnostic::Diagnostic,
        document::scalars::Expression,
        expr::{Compiler, ExprError},
        load::Written,
        syntax::Step,
    },
    steps,
};

pub(super) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    if subject.world.values.is_empty() {
        return;
    }
    let mut fields = subject.repository.fields.clone();
    for (field, values) in &subject.world.values {
        // A field that does not exist, or has no texts as values, can't be misspelt in a condition either.
        let _ = fields.add_values(field, values.iter().cloned());
    }
    let mut reader =
        Reader { subject, before: Compiler::new(&subject.repository.fields), after: Compiler::new(&fields), found };
    reader.organization();
    for written in &subject.documents.policies {
        reader.read(written, steps!["where"], written.document.condition.as_ref(), Scope::Device);
        for (index, entry) in written.document.deadline.iter().flatten().enumerate() {
            reader.read(written, steps!["deadline", index, "if"], entry.condition.as_ref(), Scope::Exposure);
        }
    }
    for written in &subject.documents.blocks {
        reader.read(written, steps!["where"], written.document.condition.as_ref(), Scope::Device);
    }
    for written in &subject.documents.exceptions {
        reader.read(written, steps!["where"], written.document.condition.as_ref(), Scope::Device);
        reader.read(written, steps!["unless"], written.document.unless.as_ref(), Scope::Exposure);
    }
    for written in &subject.documents.targets {
        reader.read(written, steps!["where"], written.document.condition.as_ref(), Scope::Device);
    }
    for written in &subject.documents.goals {
        reader.read(written, steps!["where"], written.document.condition.as_ref(), Scope::Device);
    }
    for written in &subject.documents.guarantees {
        reader.read(written, steps!["where"], written.document.condition.as_ref(), Scope::Device);
        reader.read(written, steps!["if"], written.document.exposure.as_ref(), Scope::Exposure);
    }
}

#[derive(Clone, Copy)]
enum Scope {
    Device,
    Exposure,
}

struct Reader<'s, 'a, 'f> {
    subject: &'s Subject<'a>,
    before: Compiler<'s>,
    after: Compiler<'f>,
    found: &'s mut Vec<Diagnostic>,
}

impl Reader<'_, '_, '_> {
    fn organization(&mut self) {
        let Some(written) = self.subject.organization else { return };
        for (name, rollout) in &written.document.rollouts {
            for (index, ring) in rollout.rings.iter().enumerate() {
                let path = steps!["rollouts", name, "rings", index, "where"];
                self.read(written, path, ring.condition.as_ref(), Scope::Device);
            }
        }
        for (index, freeze) in written.document.freezes.iter().enumerate() {
            self.read(written, steps!["freezes", index, "where"], freeze.condition.as_ref(), Scope::Device);
            self.read(written, steps!["freezes", index, "unless"], freeze.unless.as_ref(), Scope::Exposure);
        }
    }

    fn read<T>(&mut self, written: &Written<T>, path: &[Step<'_>], text: Option<&Expression>, scope: Scope) {
        let Some(text) = text else { return };
        let known = warnings(&mut self.before, &text.0, scope);
        for warning in warnings(&mut self.after, &text.0, scope) {
            if known.contains(&warning) || known.iter().any(|other| other.range == warning.range) {
                continue;
            }
            let place = written.place_within(path, warning.range.clone(), self.subject.files);
            let mut diagnostic = Diagnostic::warning(warning.code, warning.message).at(place).label(warning.label);
            diagnostic.help = warning.help;
            self.found.push(diagnostic);
        }
    }
}

fn warnings(compiler: &mut Compiler<'_>, text: &str, scope: Scope) -> Vec<ExprError> {
    let compiled = match scope {
        Scope::Device => compiler.device(text),
        Scope::Exposure => compiler.exposure(text),
    };
    compiled.map(|expr| expr.warnings().to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::{
        facts::FieldRef,
        policy::check::{
            CheckWorld,
            trial::{found, found_in},
        },
    };
    use insta::assert_snapshot;
    use std::collections::{BTreeMap, BTreeSet};

    const CODES: &[&str] = &["expr/unknown-value"];

    fn seen() -> CheckWorld {
        let departments = ["Finance", "IT", "Sales"].map(Into::into);
        let values = BTreeMap::from([(FieldRef::person("department"), BTreeSet::from(departments))]);
        CheckWorld { values, ..CheckWorld::default() }
    }

    const POLICY: &str = r#"
policy: browsers
where: person.department == "Finanse"
software: [firefox]
"#;

    #[test]
    fn a_department_that_no_fact_has_is_found() {
        assert_eq!(found(CODES, POLICY), "");
        assert_snapshot!(found_in(CODES, POLICY, &seen()), @r#"
warning[expr/unknown-value]: unknown value
  policy.yaml:3:29
    where: person.department == "Finanse"
                                ^^^^^^^^^ "Finanse" is no known value of `person.department`
  help: did you mean `Finance`?
"#);
    }

    #[test]
    fn a_department_that_no_list_and_no_map_has_is_found_once() {
        let text = format!(
            "organization: acme\nvalues: {{ person.department: [Finance, IT] }}\n---\nsource: okta\nmaps: {{ person.department: {{ \"Sales - EMEA\": Sales }} }}\n---{POLICY}"
        );
        assert_snapshot!(found(CODES, &text), @r#"
warning[expr/unknown-value]: unknown value
  policy.yaml:8:29
    where: person.department == "Finanse"
                                ^^^^^^^^^ "Finanse" is no known value of `person.department`
  help: did you mean `Finance`?
"#);
        assert_eq!(found_in(CODES, &text, &seen()), found(CODES, &text));
    }

    #[test]
    fn a_department_that_somebody_is_in_is_silent() {
        assert_eq!(found_in(CODES, &POLICY.replace("Finanse", "Sales"), &seen()), "");
    }
}
