//! From files to typed documents, each with its tree, so that later checks can still point at the text.

use super::{
    diagnostic::{Diagnostic, Files, Place},
    document::{
        Kind,
        mandate::MandateDocument,
        organization::OrganizationDocument,
        outside::{
            GoalDocument, GuaranteeDocument, IdentitiesDocument, ProcessDocument, SourceDocument, TargetSystemDocument,
        },
        policy::{BlockDocument, ExceptionDocument, PolicyDocument},
        posture::PostureDocument,
        rules::ExceptionRulesDocument,
        scalars::FORMATS,
        test::TestDocument,
        title::TitleDocument,
    },
    repository::Origin,
    syntax::{self, Decoded, Limits, Mistakes, Node, Shape, Step},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;
use std::{collections::BTreeSet, ops::Range, sync::LazyLock};

/// A document with its tree.
#[derive(Clone, Debug)]
pub struct Written<T> {
    /// What it says.
    pub document: T,
    /// Index of its file.
    pub file: usize,
    /// Where each part of it is.
    pub node: Node,
    /// The line that it starts on, from 1; `None` where it was not counted.
    pub line: Option<usize>,
    /// What of it could not be read: such a document is looked over as far as it goes, and is no part of the repository.
    pub mistakes: Mistakes,
}

/// What a file holds that has one document and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Alone {
    /// The code of what is said where it has none, or several.
    pub code: &'static str,
    /// What it is: `connector`.
    pub what: &'static str,
}

impl Alone {
    /// Reads the only document of a file, and all that is wrong with it; `None` where nothing can be looked over.
    pub fn read<T: DeserializeOwned + JsonSchema>(
        self,
        files: &Files,
        file: usize,
        limits: &Limits,
        shape: &Shape<T>,
    ) -> (Option<Written<T>>, Vec<Diagnostic>) {
        let Some(source) = files.0.get(file) else { return (None, Vec::new()) };
        let Alone { code, what } = self;
        let (mut nodes, mut found) = syntax::parse(file, &source.text, limits);
        if nodes.len() != 1 {
            if found.is_empty() {
                let span = nodes.get(1).map_or(0..source.text.len().min(1), |node| node.span.clone());
                found.push(
                    Diagnostic::error(code, format!("a {what} is one document"))
                        .at(Place { file, span })
                        .label(if nodes.is_empty() { "there is none in this file" } else { "this is a second one" })
                        .with_help(format!("write each {what} into a folder of its own")),
                );
            }
            return (None, found);
        }
        let Some(node) = nodes.pop() else { return (None, found) };
        let Decoded { value, found: wrong, mistakes, node: of_value } = shape.decode_what_is_right(&node, file);
        found.extend(wrong);
        let node = of_value.unwrap_or(node);
        (value.map(|document| Written { document, file, node, line: None, mistakes }), found)
    }
}

/// All documents of a repository, by kind, in the order of the files.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// `organization:`
    pub organizations: Vec<Written<OrganizationDocument>>,
    /// `policy:`
    pub policies: Vec<Written<PolicyDocument>>,
    /// `block:`
    pub blocks: Vec<Written<BlockDocument>>,
    /// `exception:`
    pub exceptions: Vec<Written<ExceptionDocument>>,
    /// `title:`
    pub titles: Vec<Written<TitleDocument>>,
    /// `source:`
    pub sources: Vec<Written<SourceDocument>>,
    /// `target:`
    pub targets: Vec<Written<TargetSystemDocument>>,
    /// `identities:`
    pub identities: Vec<Written<IdentitiesDocument>>,
    /// `goal:`
    pub goals: Vec<Written<GoalDocument>>,
    /// `guarantee:`
    pub guarantees: Vec<Written<GuaranteeDocument>>,
    /// `mandate:`
    pub mandates: Vec<Written<MandateDocument>>,
    /// `posture:`
    pub postures: Vec<Written<PostureDocument>>,
    /// `exception_rules:`
    pub exception_rules: Vec<Written<ExceptionRulesDocument>>,
    /// `process:`
    pub processes: Vec<Written<ProcessDocument>>,
    /// `test:`
    pub tests: Vec<Written<TestDocument>>,
    /// Kind and name of documents that are there and have mistakes: what others say of them is not wrong for that.
    pub unread: BTreeSet<(Kind, SmolStr)>,
    /// Whether a file could not be read as far as that its documents are known.
    pub broken_file: bool,
}

/// Reads the documents of all files. What can be understood is returned, with everything that is wrong with the rest.
pub fn load(files: &Files, limits: &Limits) -> (Documents, Vec<Diagnostic>) {
    load_readable(files, &BTreeSet::new(), limits)
}

/// As [`load`], without the files that could not be read as text, by index.
pub fn load_readable(files: &Files, unreadable: &BTreeSet<usize>, limits: &Limits) -> (Documents, Vec<Diagnostic>) {
    let mut documents = Documents { broken_file: !unreadable.is_empty(), ..Documents::default() };
    let mut diagnostics = Vec::new();
    for (file, source) in files.0.iter().enumerate().filter(|(file, _)| !unreadable.contains(file)) {
        let (nodes, found) = syntax::parse(file, &source.text, limits);
        documents.broken_file |= !found.is_empty();
        diagnostics.extend(found);
        // Lines are counted once from document to document, not for each from the start of the file.
        let (mut line, mut counted) = (1, 0);
        for node in nodes {
            line += line_breaks(&source.text, counted..node.span.start);
            counted = counted.max(node.span.start);
            documents.add_at(node, file, Some(line), &mut diagnostics);
        }
    }
    (documents, diagnostics)
}

impl Documents {
    /// Decodes one document and puts it with its kind.
    pub fn add(&mut self, node: Node, file: usize, diagnostics: &mut Vec<Diagnostic>) {
        self.add_at(node, file, None, diagnostics);
    }

    fn add_at(&mut self, node: Node, file: usize, line: Option<usize>, diagnostics: &mut Vec<Diagnostic>) {
        let at = (file, line);
        // A connector or a template of the organisation's own lies beside the policies, and says nothing of them.
        if node.first_key().is_some_and(|key| [CONNECTOR, TEMPLATE].contains(&key)) {
            return;
        }
        let Some(kind) = kind_of(&node, file, diagnostics) else { return };
        let name = SmolStr::from(node.entries().first().and_then(|(_, name)| name.text()).unwrap_or_default());
        let read = match kind {
            Kind::Organization => decode(&mut self.organizations, &SHAPES.organization, node, at, diagnostics),
            Kind::Policy => decode(&mut self.policies, &SHAPES.policy, node, at, diagnostics),
            Kind::Block => decode(&mut self.blocks, &SHAPES.block, node, at, diagnostics),
            Kind::Exception => decode(&mut self.exceptions, &SHAPES.exception, node, at, diagnostics),
            Kind::Title => decode(&mut self.titles, &SHAPES.title, node, at, diagnostics),
            Kind::Source => decode(&mut self.sources, &SHAPES.source, node, at, diagnostics),
            Kind::Target => decode(&mut self.targets, &SHAPES.target, node, at, diagnostics),
            Kind::Identities => decode(&mut self.identities, &SHAPES.identities, node, at, diagnostics),
            Kind::Goal => decode(&mut self.goals, &SHAPES.goal, node, at, diagnostics),
            Kind::Guarantee => decode(&mut self.guarantees, &SHAPES.guarantee, node, at, diagnostics),
            Kind::Mandate => decode(&mut self.mandates, &SHAPES.mandate, node, at, diagnostics),
            Kind::Posture => decode(&mut self.postures, &SHAPES.posture, node, at, diagnostics),
            Kind::ExceptionRules => decode(&mut self.exception_rules, &SHAPES.exception_rules, node, at, diagnostics),
            Kind::Process => decode(&mut self.processes, &SHAPES.process, node, at, diagnostics),
            Kind::Test => {
                // Half a world proves nothing.
                let read = decode(&mut self.tests, &SHAPES.test, node, at, diagnostics);
                read && self.tests.pop_if(|test| !test.mistakes.is_empty()).is_none()
            }
        };
        if !read {
            self.unread.insert((kind, name));
        }
    }

    /// Whether it is unclear what a field of the `organization:` document says: it could not be read, or there may be such a document
    /// in a file that could not.
    pub fn organization_unclear(&self, field: &str) -> bool {
        match self.organizations.first() {
            Some(written) => written.mistakes.concern(field),
            None => self.broken_file || self.unread.iter().any(|(kind, _)| *kind == Kind::Organization),
        }
    }
}

/// The first key of a connector's document, which [`crate::facts::mapping::load()`] reads.
const CONNECTOR: &str = "connector";
/// That of a process's template, which [`crate::process::load()`] reads.
const TEMPLATE: &str = "template";

fn kind_of(node: &Node, file: usize, diagnostics: &mut Vec<Diagnostic>) -> Option<Kind> {
    let keys = || Kind::ALL.map(|kind| format!("`{}:`", kind.key())).join(", ");
    let Some(key) = node.first_key() else {
        diagnostics.push(
            Diagnostic::error("policy/not-a-document", "not a document")
                .at(Place { file, span: node.span.clone() })
                .label("a document is a list of keys and values")
                .with_help(format!("start it with one of {}", keys())),
        );
        return None;
    };
    let kind = Kind::of_key(key);
    if kind.is_none() {
        let place = node.entries().first().map_or(node.span.clone(), |(key, _)| key.span.clone());
        let known = node.entries().iter().filter_map(|(key, _)| key.text()).find_map(Kind::of_key);
        let help = match known {
            Some(kind) => format!("the first key decides the kind: move `{}:` to the top", kind.key()),
            None => match near_kind(node) {
                Some((0, near)) => format!("did you mean `{near}:`?"),
                Some((_, near)) => format!("the first key decides the kind: is this a `{near}:`? Move that to the top"),
                None => format!("start it with one of {}", keys()),
            },
        };
        diagnostics.push(
            Diagnostic::error("policy/unknown-kind", "unknown kind of document")
                .at(Place { file, span: place })
                .label(format!("no document starts with `{key}:`"))
                .with_help(help),
        );
    }
    kind
}

/// The first key that is nearly that of a kind, by index, with the key that was probably meant.
fn near_kind(node: &Node) -> Option<(usize, &'static str)> {
    let kinds = || Kind::ALL.iter().map(|kind| kind.key());
    node.entries().iter().enumerate().find_map(|(index, (key, _))| {
        let near = super::diagnostic::did_you_mean(key.text()?, kinds())?;
        kinds().find(|kind| *kind == near).map(|near| (index, near))
    })
}

/// Whether the document could be read, if not all of it; then it is with its kind.
fn decode<T: DeserializeOwned + JsonSchema>(
    into: &mut Vec<Written<T>>,
    shape: &Shape<T>,
    node: Node,
    (file, line): (usize, Option<usize>),
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let Decoded { value, found, mistakes, node: of_value } = shape.decode_what_is_right(&node, file);
    diagnostics.extend(found);
    let read = value.is_some();
    let node = of_value.unwrap_or(node);
    into.extend(value.map(|document| Written { document, file, node, line, mistakes }));
    read
}

/// The shape of each kind, made once from its type.
static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes {
    organization: Shape::new(FORMATS),
    policy: Shape::new(FORMATS),
    block: Shape::new(FORMATS),
    exception: Shape::new(FORMATS),
    title: Shape::new(FORMATS),
    source: Shape::new(FORMATS),
    target: Shape::new(FORMATS),
    identities: Shape::new(FORMATS),
    goal: Shape::new(FORMATS),
    guarantee: Shape::new(FORMATS),
    mandate: Shape::new(FORMATS),
    posture: Shape::new(FORMATS),
    exception_rules: Shape::new(FORMATS),
    process: Shape::new(&crate::facts::mapping::document::FORMATS),
    test: Shape::new(FORMATS),
});

struct Shapes {
    organization: Shape<OrganizationDocument>,
    policy: Shape<PolicyDocument>,
    block: Shape<BlockDocument>,
    exception: Shape<ExceptionDocument>,
    title: Shape<TitleDocument>,
    source: Shape<SourceDocument>,
    target: Shape<TargetSystemDocument>,
    identities: Shape<IdentitiesDocument>,
    goal: Shape<GoalDocument>,
    guarantee: Shape<GuaranteeDocument>,
    mandate: Shape<MandateDocument>,
    posture: Shape<PostureDocument>,
    exception_rules: Shape<ExceptionRulesDocument>,
    process: Shape<ProcessDocument>,
    test: Shape<TestDocument>,
}

impl<T> Written<T> {
    /// The place of a part of the document, or of the nearest part on the way to it that exists.
    pub fn place(&self, path: &[Step<'_>]) -> Place {
        Place { file: self.file, span: self.node.nearest(path).span.clone() }
    }

    /// The place of a key, where the field as a whole is meant.
    pub fn key_place(&self, path: &[Step<'_>]) -> Place {
        let node = self.node.key_at(path).unwrap_or_else(|| self.node.nearest(path));
        Place { file: self.file, span: node.span.clone() }
    }

    /// The place of some bytes of the text of a part.
    pub fn place_within(&self, path: &[Step<'_>], range: Range<usize>, files: &Files) -> Place {
        let node = self.node.nearest(path);
        let text = files.0.get(self.file).map_or("", |file| file.text.as_str());
        node.place_within(self.file, text, range)
    }

    /// Whether something stands in for the value of a part, which could not be read.
    pub fn is_replaced(&self, path: &[Step<'_>]) -> bool {
        self.mistakes.replaced.contains(&self.node.nearest(path).span)
    }

    /// File and line of a part.
    pub fn origin(&self, path: &[Step<'_>], files: &Files) -> Origin {
        let Some(file) = files.0.get(self.file) else { return Origin::default() };
        let at = self.node.nearest(path).span.start;
        let (from, before) = self.line.map_or((0, 1), |line| (self.node.span.start, line));
        let line = before + line_breaks(&file.text, from..at);
        Origin { file: file.path.as_str().into(), line }
    }
}

fn line_breaks(text: &str, range: Range<usize>) -> usize {
    text.as_bytes().get(range).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}
