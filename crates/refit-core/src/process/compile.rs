//! From the document to what is done: expressions compiled, and what is wrong with them.

use super::{
    call::{About, Read, Step, Verb},
    document::{CallDocument, LookDocument, Subject, TemplateDocument},
    text::{Mistake, Place, Text, Tree, Wrong},
};
use crate::{
    facts::mapping::{
        document::Formula,
        expr::{Expr, Names},
    },
    policy::{
        diagnostic::{Diagnostic, Files, did_you_mean},
        expr::ExprError,
        load::Written,
        syntax::{self},
    },
};
use jiff::SignedDuration;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How many objects are open at the same time where a template does not say.
const AT_MOST: usize = 500;
/// How long a system may take to find what it has made, where a template does not say.
const SETTLE: SignedDuration = SignedDuration::from_secs(30);

/// A process, ready to run.
#[derive(Clone, Debug)]
pub struct Process {
    /// As it was written.
    pub document: TemplateDocument,
    pub(super) find: Vec<Step>,
    pub(super) create: Vec<Step>,
    pub(super) update: Vec<Step>,
    pub(super) close: Vec<Step>,
    pub(super) look: Option<Look>,
}

/// How an object is asked for people's answer.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub every: SignedDuration,
    pub calls: Vec<Step>,
    pub approved: Expr,
    pub refused: Option<Expr>,
    pub says: Option<Text>,
}

impl Process {
    /// How many objects are open at the same time at most.
    pub fn at_most(&self) -> usize {
        self.document.at_most.and_then(|most| usize::try_from(most).ok()).unwrap_or(AT_MOST)
    }

    /// How long after a lost answer the system surely finds what it had made.
    pub fn settle(&self) -> SignedDuration {
        self.document.settle.map_or(SETTLE, |settle| settle.0)
    }
}

/// Reads a condition of a `process:` document on what it is about. On failure all mistakes.
pub fn compile_condition(text: &str) -> Result<Expr, Vec<ExprError>> {
    Expr::compile(text, Names::PROCESS)
}

/// Whether a condition holds of a thing.
pub(super) fn holds(condition: &Expr, subject: &Value) -> Result<bool, String> {
    let (object, settings) = (Map::new(), Value::Null);
    let about = About { subject, object: &object, settings: &settings };
    Read::new(&about, &Value::Null).with(|scope| condition.holds(scope))
}

pub(super) fn compile(written: &Written<TemplateDocument>, files: &Files) -> (Process, Vec<Diagnostic>) {
    let mut compiler = Compiler { written, files, found: Vec::new(), parts: BTreeMap::new() };
    let document = &written.document;
    for (name, part) in &document.parts {
        // A part has no parts: the order of names would matter.
        let tree = compiler.tree(part, &[Place::Key("parts".into()), Place::Key(name.clone())], &BTreeMap::new());
        compiler.parts.insert(name.clone(), tree);
    }
    let steps = |compiler: &mut Compiler<'_>, calls: &[CallDocument], key: &str| {
        compiler.steps(calls, &[Place::Key(key.into())])
    };
    let find = steps(&mut compiler, &document.find, "find");
    let create = steps(&mut compiler, &document.create, "create");
    let update = steps(&mut compiler, &document.update, "update");
    let close = steps(&mut compiler, &document.close, "close");
    let look = document.look.as_ref().and_then(|look| compiler.look(look));
    compiler.remembers_id(&document.find, "find");
    compiler.remembers_id(&document.create, "create");
    if document.look.is_some() && document.one_for != Subject::Rollout {
        compiler
            .report(
                &[Place::Key("look".into())],
                "process/no-answer",
                "an answer to nothing",
                "only rollouts wait for people's answer",
            )
            .help = Some("leave `look:` out".to_owned());
    }
    (Process { document: document.clone(), find, create, update, close, look }, compiler.found)
}

struct Compiler<'c> {
    written: &'c Written<TemplateDocument>,
    files: &'c Files,
    found: Vec<Diagnostic>,
    parts: BTreeMap<String, Tree>,
}

fn join(path: &[Place], key: &str) -> Vec<Place> {
    path.iter().cloned().chain([Place::Key(key.to_owned())]).collect()
}

fn as_steps(path: &[Place]) -> Vec<syntax::Step<'_>> {
    path.iter()
        .map(|place| match place {
            Place::Key(key) => syntax::Step::Key(key),
            Place::Index(index) => syntax::Step::Index(*index),
        })
        .collect()
}

impl Compiler<'_> {
    fn report(
        &mut self,
        path: &[Place],
        code: &'static str,
        message: &'static str,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        let diagnostic = Diagnostic::error(code, message).at(self.written.key_place(&as_steps(path))).label(label);
        self.found.push(diagnostic);
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    fn wrong(&mut self, path: &[Place], mistakes: Vec<Mistake>) {
        for Mistake { at, error } in mistakes {
            let range = |from: usize, to: usize| self.written.place_within(&as_steps(path), from..to, self.files);
            let diagnostic = match error {
                None => Diagnostic::error("process/open-expression", "expression without an end")
                    .at(range(at, at + 2))
                    .label("it begins here")
                    .with_help("end it with `}`"),
                Some(error) => {
                    let place = range(at + error.range.start, at + error.range.end);
                    let mut diagnostic = Diagnostic::error(error.code, error.message).at(place).label(error.label);
                    diagnostic.help = error.help;
                    diagnostic
                }
            };
            self.found.push(diagnostic);
        }
    }

    fn text(&mut self, text: &str, path: &[Place]) -> Option<Text> {
        Text::compile(text).map_err(|mistakes| self.wrong(path, mistakes)).ok()
    }

    fn expr(&mut self, formula: &Formula, path: &[Place]) -> Option<Expr> {
        let compiled = Expr::compile(&formula.0, Names::PROCESS);
        let wrong =
            |errors: Vec<ExprError>| errors.into_iter().map(|error| Mistake { at: 0, error: Some(error) }).collect();
        compiled.map_err(|errors| self.wrong(path, wrong(errors))).ok()
    }

    fn optional(&mut self, formula: Option<&Formula>, path: &[Place]) -> Option<Expr> {
        formula.and_then(|formula| self.expr(formula, path))
    }

    fn steps(&mut self, calls: &[CallDocument], path: &[Place]) -> Vec<Step> {
        let mut steps = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let path: Vec<Place> = path.iter().cloned().chain([Place::Index(index)]).collect();
            steps.extend(self.step(call, &path));
        }
        steps
    }

    fn step(&mut self, call: &CallDocument, path: &[Place]) -> Option<Step> {
        let verbs = [
            (Verb::Get, "get", &call.get),
            (Verb::Post, "post", &call.post),
            (Verb::Put, "put", &call.put),
            (Verb::Patch, "patch", &call.patch),
            (Verb::Delete, "delete", &call.delete),
        ];
        let named: Vec<_> = verbs.iter().filter_map(|(verb, key, path)| Some((*verb, *key, path.as_ref()?))).collect();
        let [(verb, key, address)] = named.as_slice() else {
            let label = if named.is_empty() { "nothing says what is called" } else { "these are several calls" };
            self.report(path, "process/one-call", "not one call", label).help =
                Some("write one of `get:`, `post:`, `put:`, `patch:`, `delete:` with a path".to_owned());
            return None;
        };
        let at = join(path, key);
        if !address.is_empty() && !address.starts_with('/') {
            let label = "a path begins with `/`, or is empty: it follows the template's address";
            self.report(&at, "process/path", "not a path", label);
        }
        if call.body.is_some() && matches!(verb, Verb::Get | Verb::Delete) {
            self.report(&join(path, "body"), "process/body", "a body that is not sent", format!("`{key}` sends none"));
        }
        if call.list.is_none() && (call.is.is_some() || call.paging.is_some() || call.required) {
            self.report(
                path,
                "process/no-list",
                "an entry of no list",
                "`is`, `required` and `paging` are about the entries of a list",
            )
            .help = Some("say where in the answer it is: `list: /result`".to_owned());
        }
        let address = self.text(address, &at);
        let mut query = Vec::new();
        for (name, text) in &call.query {
            query.extend(self.text(text, &join(&join(path, "query"), name)).map(|text| (name.clone(), text)));
        }
        let body = call.body.as_ref().map(|body| {
            let parts = std::mem::take(&mut self.parts);
            let tree = self.tree(body, &join(path, "body"), &parts);
            self.parts = parts;
            tree
        });
        let mut remember = Vec::new();
        for (name, formula) in &call.remember {
            let expr = self.expr(formula, &join(&join(path, "remember"), name));
            remember.extend(expr.map(|expr| (name.clone(), expr)));
        }
        Some(Step {
            verb: *verb,
            path: address?,
            query,
            body,
            when: self.optional(call.when.as_ref(), &join(path, "when")),
            list: call.list.clone(),
            is: self.optional(call.is.as_ref(), &join(path, "is")),
            required: call.required,
            paging: call.paging.clone(),
            fails: self.optional(call.fails.as_ref(), &join(path, "fails")),
            why: self.optional(call.why.as_ref(), &join(path, "why")),
            fine: call.fine.clone(),
            repeatable: call.repeatable.unwrap_or(!matches!(verb, Verb::Post | Verb::Patch)),
            remember,
        })
    }

    fn tree(&mut self, body: &Value, path: &[Place], parts: &BTreeMap<String, Tree>) -> Tree {
        let mut wrong = Vec::new();
        let tree =
            Tree::compile(body, parts, &mut path.to_vec(), &mut |path, found| wrong.push((path.to_vec(), found)));
        for (path, found) in wrong {
            match found {
                Wrong::Text(mistakes) => self.wrong(&path, mistakes),
                Wrong::Part(name) => {
                    let known: Vec<&str> = parts.keys().map(String::as_str).collect();
                    let help = match did_you_mean(&name, known.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!(
                            "`parts:` has {}",
                            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                        ),
                    };
                    let label = format!("there is no part `{name}`");
                    self.report(&path, "process/unknown-part", "unknown part", label).help = Some(help);
                }
            }
        }
        tree
    }

    fn look(&mut self, look: &LookDocument) -> Option<Look> {
        let path = [Place::Key("look".to_owned())];
        let calls = self.steps(&look.calls, &join(&path, "calls"));
        let refused = self.optional(look.refused.as_ref(), &join(&path, "refused"));
        let says = look.says.as_ref().and_then(|says| self.text(says, &join(&path, "says")));
        let approved = self.expr(&look.approved, &join(&path, "approved"))?;
        Some(Look { every: look.every.0, calls, approved, refused, says })
    }

    fn remembers_id(&mut self, calls: &[CallDocument], key: &str) {
        if !calls.iter().any(|call| call.remember.contains_key("id")) {
            let label = "none of its calls remembers the object's `id`";
            self.report(&[Place::Key(key.to_owned())], "process/no-id", "an object without an id", label).help =
                Some("add `remember: { id: answer.… }` to the call that answers with it".to_owned());
        }
    }
}
