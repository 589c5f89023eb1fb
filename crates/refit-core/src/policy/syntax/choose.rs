//! Which of several mappings, or lists, was meant.

use super::check::{Check, shorten};
use super::node::{Kind, Node};
use super::scalar::Meaning;
use super::schema::{Choice, Expected, List, Map, one_of};
use crate::policy::diagnostic::did_you_mean;

pub(super) enum Chosen<'a> {
    /// This one.
    Map(&'a Map),
    /// No mapping may stand here.
    None,
    /// It is not clear which was meant; said already.
    Reported,
}

impl<'a> Check<'a> {
    /// The alternative that the entries of a mapping were written for.
    pub(super) fn choose(&mut self, expected: &'a Expected, node: &'a Node, entries: &'a [(Node, Node)]) -> Chosen<'a> {
        let maps = &expected.maps;
        match (&expected.choice, maps.as_slice()) {
            (_, []) => Chosen::None,
            (_, [map]) => Chosen::Map(map),
            (Choice::Tag { field, values }, _) => self.choose_by_tag(field, values, maps, node, entries),
            (Choice::OnlyField, _) => self.choose_by_field(maps, node, entries),
            (Choice::Fit, [first, others @ ..]) => {
                let mut best = (self.fit(first, entries), first);
                for map in others {
                    let fit = self.fit(map, entries);
                    if fit > best.0 {
                        best = (fit, map);
                    }
                }
                Chosen::Map(best.1)
            }
        }
    }

    fn choose_by_tag(
        &mut self,
        field: &str,
        values: &'a [(String, usize)],
        maps: &'a [Map],
        node: &'a Node,
        entries: &'a [(Node, Node)],
    ) -> Chosen<'a> {
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        let Some(tag) = entries.iter().find(|(key, _)| key.text() == Some(field)).map(|(_, value)| value) else {
            let span = entries.first().map_or(node.span.clone(), |(key, _)| key.span.clone());
            let label = format!("{} needs a field `{field}`", self.subject());
            let help = format!("add `{field}:` with {}", one_of(&names));
            let diagnostic = self.error("policy/missing-field", "missing field", span).label(label).with_help(help);
            self.report(diagnostic);
            return Chosen::Reported;
        };
        if matches!(tag.kind, Kind::Invalid) {
            self.whole = false;
            return Chosen::Reported;
        }
        let text = tag.text().unwrap_or_default();
        if let Some(map) = values.iter().find(|(name, _)| name == text).and_then(|(_, n)| maps.get(*n)) {
            return Chosen::Map(map);
        }
        let help = match did_you_mean(text, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write {}", one_of(&names)),
        };
        let label = format!("`{}` is not one of the names that can stand here", shorten(text));
        let diagnostic =
            self.error("policy/unknown-value", "unknown value", tag.span.clone()).label(label).with_help(help);
        self.report(diagnostic);
        Chosen::Reported
    }

    fn choose_by_field(&mut self, maps: &'a [Map], node: &'a Node, entries: &'a [(Node, Node)]) -> Chosen<'a> {
        let known = |key: &Node| maps.iter().find(|map| key.text().is_some_and(|name| map.field(name).is_some()));
        let mut chosen = entries.iter().filter_map(|(key, _)| Some((key, known(key)?)));
        let names: Vec<&str> = maps.iter().flat_map(|map| &map.fields).map(|(name, _)| name.as_str()).collect();
        if let Some((_, map)) = chosen.next() {
            let Some((second, _)) = chosen.next() else { return Chosen::Map(map) };
            let label = format!("{} has one of these fields only", self.subject());
            let diagnostic = self
                .error("policy/unknown-field", "one field too many", second.span.clone())
                .label(label)
                .with_help(format!("keep one of {}", one_of(&names)));
            self.report(diagnostic);
            return Chosen::Reported;
        }
        let Some((key, _)) = entries.first() else {
            let label = format!("{} needs a field", self.subject());
            let diagnostic = self.error("policy/missing-field", "missing field", node.span.clone()).label(label);
            self.report(diagnostic.with_help(format!("write {}", one_of(&names))));
            return Chosen::Reported;
        };
        let name = key.text().unwrap_or_default();
        let label = format!("{} has no field `{}`", self.subject(), shorten(name));
        let near = did_you_mean(name, names.iter().copied());
        let help = near.map_or_else(|| format!("write {}", one_of(&names)), |near| format!("did you mean `{near}`?"));
        let error = self.error("policy/unknown-field", "unknown field", key.span.clone());
        self.report(error.label(label).with_help(help));
        Chosen::Reported
    }

    /// How well fields fit a mapping; the highest wins.
    fn fit(&self, map: &Map, entries: &[(Node, Node)]) -> i64 {
        let mut fit = 0;
        for (key, value) in entries {
            fit += match map.value(key.text().unwrap_or_default()) {
                Some(id) if accepts(self.schema.get(id), value) => 3,
                Some(_) => 1,
                None => -2,
            };
        }
        let missing = map.required.iter().filter(|name| !entries.iter().any(|(key, _)| key.text() == Some(name)));
        fit - missing.count() as i64
    }

    /// The first list whose entries have the types of these.
    pub(super) fn fitting_list(&self, expected: &'a Expected, items: &[Node]) -> Option<&'a List> {
        let fits = |list: &&List| {
            items.iter().enumerate().all(|(n, item)| {
                list.first.get(n).copied().or(list.rest).is_some_and(|id| accepts(self.schema.get(id), item))
            })
        };
        expected.lists.iter().find(fits)
    }
}

/// Whether a node has a type that is expected; not whether it is right.
fn accepts(expected: &Expected, node: &Node) -> bool {
    expected.any
        || match &node.kind {
            Kind::Invalid => true,
            Kind::Sequence(_) => !expected.lists.is_empty(),
            Kind::Mapping(_) => !expected.maps.is_empty(),
            Kind::Scalar(scalar) => match scalar.meaning() {
                Meaning::Null => expected.null,
                Meaning::Boolean(_) => expected.boolean,
                Meaning::Integer(_) | Meaning::Float(_) => !expected.numbers.is_empty() || !expected.texts.is_empty(),
                Meaning::Text(text) => expected
                    .texts
                    .iter()
                    .any(|wanted| wanted.allowed.as_ref().is_none_or(|names| names.iter().any(|name| name == text))),
            },
        }
}
