//! The tree: what was written, and where.

use smol_str::SmolStr;
use std::ops::Range;

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Bytes of the file's text, quotes and brackets included. Empty, but in place, where nothing was written.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text, number, boolean or nothing.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values in the order of the file. Keys are scalars, and no two of them have the same text.
    Mapping(Vec<(Node, Node)>),
    /// Something that has been reported already (an alias, a tag): fits everywhere, so that it is not reported twice.
    Invalid,
}

/// A value without parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text after quotes, escapes and folding; numbers as they were written. Empty where nothing was written.
    pub text: SmolStr,
    /// How it was written.
    pub style: Style,
    /// Bytes of the file that the text came from, without quotes.
    pub text_span: Range<usize>,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes: may also be a number, a boolean or nothing.
    Plain,
    /// In single or double quotes: always a text.
    Quoted,
    /// As a block after `|` or `>`: always a text.
    Block,
}

/// One step from a node to a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The value of a key.
    Key(&'a str),
    /// The entry of a list, from 0.
    Index(usize),
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(key: &'a str) -> Self {
        Self::Key(key)
    }
}

impl<'a> From<&'a String> for Step<'a> {
    fn from(key: &'a String) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Step<'_> {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// The steps of a path, from texts and numbers: `steps!["rings", 2, "where"]`.
#[macro_export]
macro_rules! steps {
    ($($step:expr),* $(,)?) => { &[$($crate::policy::syntax::Step::from($step)),*][..] };
}

impl Node {
    /// The part that `path` leads to, if there is one.
    pub fn at(&self, path: &[Step<'_>]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| node.step(*step))
    }

    /// The part that `path` leads to, or the last part on the way that exists.
    ///
    /// A step that does not lead anywhere is left out: a path may also name the variant of an enum.
    pub fn nearest(&self, path: &[Step<'_>]) -> &Node {
        path.iter().fold(self, |node, step| node.step(*step).unwrap_or(node))
    }

    /// The key that `path` ends with, as it was written: where to point if the field as a whole is wrong.
    pub fn key_at(&self, path: &[Step<'_>]) -> Option<&Node> {
        let (Step::Key(last), parents) = path.split_last()? else { return None };
        self.at(parents)?.entries().iter().find(|(key, _)| key.text() == Some(last)).map(|(key, _)| key)
    }

    /// The value of a field of this mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(found, _)| found.text() == Some(key)).map(|(_, value)| value)
    }

    /// The text of the first key, which decides the kind of a document; `None` where this is no mapping or empty.
    pub fn first_key(&self) -> Option<&str> {
        self.entries().first().and_then(|(key, _)| key.text())
    }

    /// Keys and values; none where this is no mapping.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.kind {
            Kind::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Entries of the list; none where this is no list.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar, whatever it stands for.
    pub fn text(&self) -> Option<&str> {
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    /// The scalar, where it is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    fn step(&self, step: Step<'_>) -> Option<&Node> {
        match step {
            Step::Key(key) => self.get(key),
            Step::Index(index) => self.items().get(index),
        }
    }
}
