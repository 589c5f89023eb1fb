//! What people settled of who is who: names that can be read, and that do not contradict each other.

use super::Resolver;
use crate::facts::{
    identity::{Named, NamedError, Settled},
    mapping::document::Subject,
};
use crate::policy::{diagnostic::Diagnostic, document::outside::IdentitiesDocument, load::Written, syntax::Step};
use crate::steps;
use std::collections::BTreeMap;

impl Resolver<'_> {
    pub(super) fn identities(&mut self, documents: &[Written<IdentitiesDocument>]) -> Settled {
        // Pairs that are said to be one, with where that is written.
        let mut same: BTreeMap<(Named, Named), String> = BTreeMap::new();
        let mut differ = Vec::new();
        for written in documents {
            for (list, lists) in [("same", &written.document.same), ("different", &written.document.different)] {
                for (at, names) in lists.iter().enumerate() {
                    let read = self.names(written, list, at, names);
                    let mut pairs = Vec::new();
                    for (first, one) in read.iter().enumerate() {
                        pairs.extend(
                            read.iter().skip(first + 1).map(|other| (one.min(other).clone(), one.max(other).clone())),
                        );
                    }
                    let origin = written.origin(steps![list, at], self.files);
                    match list {
                        "same" => same
                            .extend(pairs.into_iter().map(|pair| (pair, format!("{}:{}", origin.file, origin.line)))),
                        _ => differ.extend(pairs.into_iter().map(|pair| (pair, written.place(steps![list, at])))),
                    }
                }
            }
        }
        for ((one, other), place) in differ {
            if let Some(origin) = same.get(&(one.clone(), other.clone())) {
                self.report(
                    Diagnostic::error("identities/contradiction", "settled in both ways")
                        .at(place)
                        .label(format!("`{one}` and `{other}` differ here, and are the same in {origin}"))
                        .with_help("leave one of the two out"),
                );
            }
        }
        Settled::of(documents.iter().map(|written| &written.document))
    }

    /// The names of one list, as far as they can be read.
    fn names(&mut self, written: &Written<IdentitiesDocument>, list: &str, at: usize, names: &[String]) -> Vec<Named> {
        if names.len() < 2 {
            self.report(
                Diagnostic::error("identities/one-name", "one name is nothing to compare")
                    .at(written.place(steps![list, at]))
                    .label("a list of two or more is needed")
                    .with_help(format!("write `{list}: [[\"serial:C02XK1\", \"id:jamf-pro/123\"]]`")),
            );
        }
        let (mut read, mut of): (Vec<Named>, Option<(Subject, &str)>) = (Vec::new(), None);
        for (index, name) in names.iter().enumerate() {
            let path = [Step::from(list), Step::from(at), Step::from(index)];
            match name.parse::<Named>() {
                Ok(named) => {
                    if let Named::Key(kind, _) = &named {
                        let subject = if kind.is_of(Subject::Person) { Subject::Person } else { Subject::Device };
                        match of {
                            Some((known, before)) if known != subject => self.report(
                                Diagnostic::error("identities/mixed", "a device and a person")
                                    .at(written.place(&path))
                                    .label(format!("`{name}` and `{before}` can't be compared"))
                                    .with_help("write devices and people into lists of their own"),
                            ),
                            _ => of = Some((subject, name)),
                        }
                    }
                    read.push(named);
                }
                Err(error) => {
                    let message = match &error {
                        NamedError::Value { .. } => "no such value",
                        _ => "no name of records",
                    };
                    self.report(
                        Diagnostic::error("identities/unknown-name", message)
                            .at(written.place(&path))
                            .label(error.to_string())
                            .with_help("names are those that `refit conflicts` shows"),
                    );
                }
            }
        }
        read
    }
}
