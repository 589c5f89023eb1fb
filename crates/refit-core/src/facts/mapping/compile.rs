//! From the document to what payloads are read with: expressions compiled, fields looked up, and what is wrong with either.

mod asking;
mod sensitive;

use super::document::{
    AssignmentDocument, ConnectorDocument, DetailedSourceDocument, Formula, InstallsDocument, KeySourceDocument,
    RecordsDocument, RelationDocument, RelationKind, SourceDocument, Subject,
};
use super::expr::{Expr, Names, TimeFormat};
use super::keys::{KeyKind, Strength};
use super::reading::Unlisted;
use crate::facts::{Field, FieldRef, Fields, Kind, Root};
use crate::policy::diagnostic::{Diagnostic, Files, did_you_mean};
use crate::policy::load::Written;
use crate::policy::syntax::Step;
use sensitive::Mark;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// A connector, ready to read payloads.
#[derive(Clone, Debug)]
pub struct Connector {
    /// As it was written.
    pub document: ConnectorDocument,
    pub(super) records: Vec<Records>,
    pub(super) ignored: Vec<Expr>,
}

/// A kind of records.
#[derive(Clone, Debug)]
pub(super) struct Records {
    pub name: SmolStr,
    pub of: Subject,
    pub from: Vec<String>,
    pub when: Option<Expr>,
    pub each: Option<Expr>,
    pub id: Expr,
    pub observed: Option<Source>,
    pub deleted: Option<Expr>,
    pub keys: Vec<KeySource>,
    pub fields: Vec<(FieldRef, Source)>,
    pub unlisted: Vec<(FieldRef, bool)>,
    pub installs: Vec<Installs>,
    pub relations: Vec<Relations>,
}

/// Where a value comes from, and what it has to be.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub expr: Expr,
    /// By the system's value, and by the same in small letters.
    pub values: BTreeMap<String, Option<SmolStr>>,
    pub otherwise: Option<SmolStr>,
    pub time: TimeFormat,
    pub never: Vec<String>,
    pub kind: Kind,
    /// All values that it can have; empty where it can have any.
    pub only: Vec<SmolStr>,
    /// Where what it reads is sensitive: what its answer is kept for.
    pub purpose: Option<SmolStr>,
    /// Whether a value that no map covers is none, since it is what the system writes of something sensitive.
    pub only_mapped: bool,
}

#[derive(Clone, Debug)]
pub(super) struct KeySource {
    pub kind: KeyKind,
    pub expr: Expr,
    pub strong_if: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(super) struct Installs {
    pub each: Option<Expr>,
    pub when: Option<Expr>,
    pub bundle_id: Option<Expr>,
    pub package: Option<Expr>,
    pub product_code: Option<Expr>,
    pub name: Option<Expr>,
    pub publisher: Option<Expr>,
    pub version: Option<Expr>,
    pub path: Option<Expr>,
    pub complete: bool,
    pub complete_if: Option<Expr>,
}

#[derive(Clone, Debug)]
pub(super) struct Relations {
    pub relation: RelationKind,
    pub each: Option<Expr>,
    pub when: Option<Expr>,
    pub assignment: Assignment,
    pub keys: Vec<KeySource>,
}

#[derive(Clone, Debug)]
pub(super) enum Assignment {
    Unsaid,
    Always(SmolStr),
    Said(Box<Source>),
}

impl Connector {
    /// The fields of which the connector keeps an answer alone, since what they are read from is sensitive, and what for.
    pub fn purposes(&self) -> BTreeMap<FieldRef, SmolStr> {
        let mut purposes = BTreeMap::new();
        for (field, source) in self.records.iter().flat_map(|records| &records.fields) {
            if let Some(purpose) = &source.purpose {
                purposes.entry(field.clone()).or_insert_with(|| purpose.clone());
            }
        }
        purposes
    }

    /// What holds of whom a list does not name, by field.
    pub fn unlisted(&self) -> BTreeMap<FieldRef, Unlisted> {
        let mut unlisted = BTreeMap::new();
        for records in &self.records {
            for (field, value) in &records.unlisted {
                let said = Unlisted { records: records.name.clone(), value: *value };
                unlisted.entry(field.clone()).or_insert(said);
            }
        }
        unlisted
    }

    /// What the answer of a field is kept for in a kind of records; `None` where it is not sensitive there.
    pub(super) fn purpose(&self, records: &str, field: &str) -> Option<&SmolStr> {
        let kind = self.records.iter().find(|kind| kind.name == records)?;
        kind.fields.iter().find(|(name, _)| name.to_string() == field)?.1.purpose.as_ref()
    }
}

/// Compiles what is right, and says what is not. A part that is wrong is left out.
pub(super) fn compile(
    written: &Written<ConnectorDocument>,
    files: &Files,
    fields: &Fields,
) -> (Connector, Vec<Diagnostic>) {
    let document = &written.document;
    let mut compiler = Compiler { written, files, fields, found: Vec::new(), marks: Vec::new() };
    let mut records: Vec<Records> = Vec::new();
    for (index, kind) in document.records.iter().enumerate() {
        let at = [Step::Key("records"), Step::Index(index)];
        if document.records.iter().take(index).any(|known| known.records == kind.records) {
            let path = join(&at, "records");
            compiler.report(
                "connector/twice",
                "the same name twice",
                &path,
                format!("there are `{}` already", kind.records),
            );
        }
        records.extend(compiler.records(kind, &at));
    }
    compiler.marks.clear();
    let ignored = document.ignored.iter().enumerate().filter_map(|(index, condition)| {
        compiler.expr(condition, Names::RECORD, &[Step::Key("ignored"), Step::Index(index)])
    });
    let ignored = ignored.collect();
    compiler.names();
    (Connector { document: document.clone(), records, ignored }, compiler.found)
}

type Path<'p> = Vec<Step<'p>>;

fn join<'p>(path: &[Step<'p>], step: impl Into<Step<'p>>) -> Path<'p> {
    let mut path = path.to_vec();
    path.push(step.into());
    path
}

struct Compiler<'c> {
    written: &'c Written<ConnectorDocument>,
    files: &'c Files,
    fields: &'c Fields,
    found: Vec<Diagnostic>,
    /// What is sensitive of the records that are looked at.
    marks: Vec<Mark>,
}

impl<'c> Compiler<'c> {
    fn report(&mut self, code: &'static str, message: &str, path: &[Step<'_>], label: String) -> &mut Diagnostic {
        let place = self.written.place(path);
        self.push(Diagnostic::error(code, message).at(place).label(label))
    }

    /// As [`Compiler::report`], about the key that the path ends with.
    fn report_key(&mut self, code: &'static str, message: &str, path: &[Step<'_>], label: String) -> &mut Diagnostic {
        let place = self.written.key_place(path);
        self.push(Diagnostic::error(code, message).at(place).label(label))
    }

    fn push(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        let index = self.found.len();
        self.found.push(diagnostic);
        &mut self.found[index]
    }

    fn expr(&mut self, formula: &Formula, names: Names, path: &[Step<'_>]) -> Option<Expr> {
        match Expr::compile(&formula.0, names) {
            Ok(mut expr) => {
                if self.touched(&expr).is_some() {
                    expr.mark_sensitive();
                }
                Some(expr)
            }
            Err(errors) => {
                for error in errors {
                    let mut diagnostic = Diagnostic::error(error.code, error.message)
                        .at(self.written.place_within(path, error.range, self.files))
                        .label(error.label);
                    diagnostic.help = error.help;
                    self.found.push(diagnostic);
                }
                None
            }
        }
    }

    fn optional(&mut self, formula: Option<&Formula>, names: Names, path: &[Step<'_>]) -> Option<Expr> {
        formula.and_then(|formula| self.expr(formula, names, path))
    }

    fn records(&mut self, kind: &'c RecordsDocument, at: &[Step<'c>]) -> Option<Records> {
        let names = Names::RECORD;
        for (index, pointer) in kind.from.iter().enumerate() {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                let path = join(&join(at, "from"), index);
                let label = "a JSON pointer begins with `/`; the payload itself is `\"\"`".to_owned();
                self.report("connector/pointer", "this is no JSON pointer", &path, label).help =
                    Some(format!("write `/{pointer}`"));
            }
        }
        self.marks.clear();
        let mut when = self.optional(kind.when.as_ref(), names, &join(at, "when"));
        let mut each = self.optional(kind.each.as_ref(), names, &join(at, "each"));
        self.note_sensitive(kind, each.as_ref(), at);
        if !self.marks.is_empty() {
            // They see the records from outside, by other names.
            [&mut when, &mut each].into_iter().flatten().for_each(Expr::mark_sensitive);
        }
        let id = self.expr(&kind.id, names, &join(at, "id"));
        self.keeps_nothing_sensitive(id.as_ref(), &join(at, "id"));
        let observed = kind
            .observed
            .as_ref()
            .and_then(|source| self.source(source, Kind::Time, None, names, &join(at, "observed")));
        let deleted = self.optional(kind.deleted.as_ref(), names, &join(at, "deleted"));
        let keys = self.keys(&kind.keys, Some(kind.of), names, &join(at, "keys"));
        let mut fields = Vec::new();
        for (name, source) in &kind.fields {
            let path = join(&join(at, "fields"), name.as_str());
            let Some(field) = self.field(name, Some(kind.of), &path) else { continue };
            let compiled = self.source(source, field.kind, Some(field), names, &path);
            fields.extend(compiled.map(|source| (field.name.clone(), source)));
        }
        let unlisted = self.unlisted(kind, at);
        let installs: Vec<_> = kind
            .installs
            .iter()
            .enumerate()
            .map(|(index, installs)| self.installs(installs, &join(&join(at, "installs"), index)))
            .collect();
        if kind.of == Subject::Person && !kind.installs.is_empty() {
            let label = "only devices have something installed".to_owned();
            self.report_key("connector/installs", "installs of a person", &join(at, "installs"), label);
        }
        let relations: Vec<_> = kind
            .relations
            .iter()
            .enumerate()
            .map(|(index, relation)| self.relation(relation, kind.of, &join(&join(at, "relations"), index)))
            .collect();
        Some(Records {
            name: kind.records.as_str().into(),
            of: kind.of,
            from: kind.from.clone(),
            when,
            each,
            id: id?,
            observed,
            deleted,
            keys,
            fields,
            unlisted,
            installs,
            relations,
        })
    }

    /// What holds of whom a list does not name.
    fn unlisted(&mut self, kind: &RecordsDocument, at: &[Step<'_>]) -> Vec<(FieldRef, bool)> {
        let mut unlisted = Vec::new();
        for (name, value) in &kind.unlisted {
            let path = join(&join(at, "unlisted"), name.as_str());
            let Some(field) = self.field(name, Some(kind.of), &path) else { continue };
            if field.kind != Kind::Bool {
                let label = format!("the field is {}", field.kind.described());
                self.report_key("connector/unlisted", "this is neither true nor false", &path, label);
                continue;
            }
            if !kind.fields.contains_key(name) {
                let label = "no record says it of whom the list names".to_owned();
                self.report_key("connector/unlisted", "a field that the records do not say", &path, label).help =
                    Some(format!("say under `fields:` where `{name}` is read from"));
                continue;
            }
            unlisted.push((field.name.clone(), *value));
        }
        unlisted
    }

    /// The field of a name, which has to be one of the subject's.
    fn field(&mut self, name: &str, of: Option<Subject>, path: &[Step<'_>]) -> Option<&'c Field> {
        let root = of.map(|of| match of {
            Subject::Device => Root::Device,
            Subject::Person => Root::Person,
        });
        let fields = self.fields;
        let field = name.parse::<FieldRef>().ok().and_then(|name| fields.get(&name));
        let field = field.filter(|field| field.name.root != Root::Exposure);
        match field {
            Some(field) if root.is_none_or(|root| field.name.root == root) => return Some(field),
            Some(field) => {
                let label = format!("these records are about a {}", root.map_or("", Root::name));
                let help = format!("say it in records of a {}, or leave it out", field.name.root.name());
                self.report_key("connector/field-of-another", "a field of something else", path, label).help =
                    Some(help);
            }
            None => {
                let known: Vec<String> = fields
                    .iter()
                    .filter(|field| root.map_or(field.name.root != Root::Exposure, |root| field.name.root == root))
                    .map(|field| field.name.to_string())
                    .collect();
                let help = match did_you_mean(name, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        "docs/reference/expressions.md lists the fields; an organisation adds its own in refit.yaml"
                            .to_owned()
                    }
                };
                let label = format!("there is no field `{name}`");
                self.report_key("connector/unknown-field", "unknown field", path, label).help = Some(help);
            }
        }
        None
    }

    fn source(
        &mut self,
        source: &SourceDocument,
        kind: Kind,
        field: Option<&Field>,
        names: Names,
        path: &[Step<'_>],
    ) -> Option<Source> {
        let at = match source {
            SourceDocument::From(_) => path.to_vec(),
            SourceDocument::Detailed(_) => join(path, "from"),
        };
        self.detailed(&source.detailed(), kind, field, names, path, &at)
    }

    fn detailed(
        &mut self,
        source: &DetailedSourceDocument,
        kind: Kind,
        field: Option<&Field>,
        names: Names,
        path: &[Step<'_>],
        from: &[Step<'_>],
    ) -> Option<Source> {
        let mut expr = self.expr(&source.from, names, from);
        let only = field.filter(|field| field.closed).map(|field| field.values.clone()).unwrap_or_default();
        self.values(source, &only, path);
        let time = match source.time.as_deref().map(TimeFormat::parse) {
            None => TimeFormat::Plain,
            Some(Ok(format)) => format,
            Some(Err(why)) => {
                let help = "write `unix`, `unix_ms`, `windows`, or a format such as `%d/%m/%Y`".to_owned();
                self.report("connector/time", "this is no format of times", &join(path, "time"), why).help = Some(help);
                TimeFormat::Plain
            }
        };
        if source.time.is_some() && kind != Kind::Time {
            let label = format!("the field is {}", kind.described());
            self.report_key("connector/time", "a format of times for what is no time", &join(path, "time"), label);
        }
        let mut values = BTreeMap::new();
        for (theirs, ours) in &source.values {
            let ours = ours.as_deref().map(SmolStr::new);
            values.entry(theirs.trim().to_lowercase()).or_insert_with(|| ours.clone());
            values.insert(theirs.clone(), ours);
        }
        let otherwise = source.otherwise.as_deref().map(SmolStr::new);
        let mapped = !values.is_empty() || !only.is_empty();
        let (purpose, only_mapped) = self.purpose(source, expr.as_mut(), kind, mapped, path, from);
        let never = source.never.clone();
        Some(Source { expr: expr?, values, otherwise, time, never, kind, only, purpose, only_mapped })
    }

    /// What values are mapped to has to be among those that the field can have.
    fn values(&mut self, source: &DetailedSourceDocument, only: &[SmolStr], path: &[Step<'_>]) {
        if only.is_empty() {
            return;
        }
        let mapped = source
            .values
            .iter()
            .filter_map(|(theirs, ours)| Some((join(&join(path, "values"), theirs.as_str()), ours.as_deref()?)));
        let otherwise = source.otherwise.as_deref().map(|ours| (join(path, "otherwise"), ours));
        let wrong: Vec<_> =
            mapped.chain(otherwise).filter(|(_, ours)| !only.iter().any(|known| known == ours)).collect();
        for (path, ours) in wrong {
            let help = match did_you_mean(ours, only.iter().map(SmolStr::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it can be {}", only.join(", ")),
            };
            let label = format!("the field is never `{ours}`");
            self.report("connector/unknown-value", "unknown value", &path, label).help = Some(help);
        }
    }

    fn keys(
        &mut self,
        keys: &BTreeMap<String, KeySourceDocument>,
        of: Option<Subject>,
        names: Names,
        at: &[Step<'_>],
    ) -> Vec<KeySource> {
        let mut compiled = Vec::new();
        for (name, source) in keys {
            let path = join(at, name.as_str());
            let fits = |kind: &KeyKind| of.is_none_or(|of| kind.is_of(of));
            let Some(kind) = KeyKind::named(name).filter(fits) else {
                let known: Vec<&str> = KeyKind::ALL.into_iter().filter(fits).map(KeyKind::name).collect();
                let help = match did_you_mean(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys are {}", known.join(", ")),
                };
                let label = format!("there is no key `{name}` here");
                self.report_key("connector/unknown-key", "unknown key", &path, label).help = Some(help);
                continue;
            };
            let (from, strong_if, at) = match source {
                KeySourceDocument::From(from) => (from, None, path.clone()),
                KeySourceDocument::Detailed(detailed) => {
                    (&detailed.from, detailed.strong_if.as_ref(), join(&path, "from"))
                }
            };
            let condition = join(&path, "strong_if");
            if strong_if.is_some() && kind.strength() == Strength::Weak {
                let label = format!("`{name}` is a weak key whatever the record says");
                self.report_key("connector/weak-key", "a weak key", &condition, label);
            }
            let expr = self.expr(from, names, &at);
            self.keeps_nothing_sensitive(expr.as_ref(), &at);
            let strong_if = self.optional(strong_if, names, &condition);
            compiled.extend(expr.map(|expr| KeySource { kind, expr, strong_if }));
        }
        compiled
    }

    fn installs(&mut self, installs: &InstallsDocument, at: &[Step<'_>]) -> Installs {
        let names = Names::ITEM;
        let title = &installs.title;
        let of_title = join(at, "title");
        let each = self.optional(installs.each.as_ref(), Names::RECORD, &join(at, "each"));
        let complete_if = self.optional(installs.complete_if.as_ref(), Names::RECORD, &join(at, "complete_if"));
        let outside = self.within(each.as_ref());
        let mut kept = |formula: &Option<Formula>, path: Path<'_>| {
            let expr = self.optional(formula.as_ref(), names, &path);
            self.keeps_nothing_sensitive(expr.as_ref(), &path);
            expr
        };
        let version = kept(&installs.version, join(at, "version"));
        let path = kept(&installs.path, join(at, "path"));
        let mut named = |formula: &Option<Formula>, key: &'static str| kept(formula, join(&of_title, key));
        let bundle_id = named(&title.bundle_id, "bundle_id");
        let package = named(&title.package, "package");
        let product_code = named(&title.product_code, "product_code");
        let name = named(&title.name, "name");
        let publisher = named(&title.publisher, "publisher");
        if [&title.bundle_id, &title.package, &title.product_code, &title.name].into_iter().all(Option::is_none) {
            let label = "nothing says which title it is".to_owned();
            self.report_key("connector/no-title", "installs without a title", &of_title, label).help =
                Some("add `bundle_id:`, `package:`, `product_code:` or `name:`".to_owned());
        }
        let when = self.optional(installs.when.as_ref(), names, &join(at, "when"));
        self.marks.truncate(outside);
        let complete = installs.complete;
        Installs { each, when, bundle_id, package, product_code, name, publisher, version, path, complete, complete_if }
    }

    fn relation(&mut self, relation: &RelationDocument, of: Subject, at: &[Step<'_>]) -> Relations {
        let names = if relation.each.is_some() { Names::ITEM } else { Names::RECORD };
        let other = match (relation.relation, of) {
            (RelationKind::Assigned, Subject::Device) | (RelationKind::Manager, _) => Some(Subject::Person),
            (RelationKind::Assigned, Subject::Person) => Some(Subject::Device),
            (RelationKind::Department | RelationKind::Site, _) => None,
        };
        if relation.relation == RelationKind::Manager && of == Subject::Device {
            let label = "these records are about a device".to_owned();
            self.report("connector/relation", "only people have managers", &join(at, "relation"), label);
        }
        let each = self.optional(relation.each.as_ref(), Names::RECORD, &join(at, "each"));
        let outside = self.within(each.as_ref());
        let path = join(at, "assignment");
        let kinds = self.fields.get(&FieldRef::device("assignment"));
        let assignment = match &relation.assignment {
            None => Assignment::Unsaid,
            Some(AssignmentDocument::Always(kind)) => Assignment::Always(SmolStr::new_static(kind.name())),
            Some(AssignmentDocument::Detailed(source)) => self
                .detailed(source, Kind::Text, kinds, names, &path, &join(&path, "from"))
                .map_or(Assignment::Unsaid, |source| Assignment::Said(Box::new(source))),
        };
        if relation.assignment.is_some() && relation.relation != RelationKind::Assigned {
            let label = "only `assigned` says how a device is assigned".to_owned();
            self.report_key("connector/relation", "an assignment of something else", &path, label);
        }
        let when = self.optional(relation.when.as_ref(), names, &join(at, "when"));
        let keys = self.keys(&relation.keys, other, names, &join(at, "keys"));
        self.marks.truncate(outside);
        Relations { relation: relation.relation, each, when, assignment, keys }
    }
}
