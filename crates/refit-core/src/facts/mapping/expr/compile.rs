//! From CEL's tree to the compiled form, and every mistake on the way.

use super::evaluate::{Fault, Run, Scope};
use super::functions::{self, Function};
use super::item::Item;
use super::node::{Call, Comparison, Constant, Node, Operation, Quantifier};
use super::times::TimeFormat;
use crate::policy::diagnostic::did_you_mean;
use crate::policy::expr::{ExprError, Parsed, finding, parse};
use cel::common::ast::{CallExpr, Expr as Cel, IdedExpr, LiteralValue, operators};
use smol_str::SmolStr;
use std::ops::Range;

/// The names that an expression may use, by their place in a [`Scope`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names(&'static [&'static str]);

impl Names {
    /// What a record of a payload is: `record`, what it is part of: `parent`, and all of it: `payload`.
    pub const RECORD: Names = Names(&["record", "parent", "", "payload"]);
    /// These, and `item`: the entry of a list in the record.
    pub const ITEM: Names = Names(&["record", "parent", "item", "payload"]);

    /// What a process tells other systems of: `subject`, what is remembered of the `object` there, its `answer`, and `settings`.
    pub const PROCESS: Names = Names(&["subject", "object", "answer", "settings"]);

    /// The name of a place.
    pub fn name(index: usize) -> &'static str {
        Names::ITEM.0.get(index).copied().unwrap_or_default()
    }
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expr {
    text: SmolStr,
    root: Node,
    sensitive: bool,
}

impl Expr {
    /// Reads a text. On failure all mistakes are returned at once.
    pub fn compile(text: &str, names: Names) -> Result<Expr, Vec<ExprError>> {
        let parsed = parse(text)?;
        let mut compiler = Compiler { parsed: &parsed, names, errors: Vec::new(), variables: Vec::new() };
        match compiler.node(&parsed.root) {
            Some(root) if compiler.errors.is_empty() => Ok(Expr { text: text.into(), root, sensitive: false }),
            _ => Err(compiler.errors),
        }
    }

    /// The text as it was written.
    pub fn text(&self) -> &SmolStr {
        &self.text
    }

    /// What it is for a record.
    pub fn value<'a>(&'a self, scope: &Scope<'a>) -> Result<Item<'a>, Fault> {
        Run { scope, elements: Vec::new(), steps: 0 }.value(&self.root).map_err(|fault| self.marked(fault))
    }

    /// Whether it holds; what is missing or null does not.
    pub fn holds<'a>(&'a self, scope: &Scope<'a>) -> Result<bool, Fault> {
        Run { scope, elements: Vec::new(), steps: 0 }.truth(&self.root).map_err(|fault| self.marked(fault))
    }

    /// That its value is not what is needed.
    pub fn fault(&self, why: impl Into<String>) -> Fault {
        Fault { why: why.into(), path: self.path(), sensitive: self.sensitive }
    }

    fn marked(&self, fault: Fault) -> Fault {
        Fault { sensitive: self.sensitive, ..fault }
    }

    /// It reads something sensitive: what is wrong with it may tell what that is.
    pub fn mark_sensitive(&mut self) {
        self.sensitive = true;
    }

    /// Whether it reads something sensitive.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// The place that it names, where it does nothing else: index of the name, and JSON pointer from there.
    pub fn place(&self) -> Option<(usize, String)> {
        self.root.path()
    }

    /// Every place that it reads.
    pub fn reads(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        self.root.reads(&mut found);
        found
    }

    /// Whether what is in one of these places, or a part of it, may be its value.
    pub fn hands_on(&self, places: &dyn Fn(&(usize, String)) -> bool) -> bool {
        self.root.hands_on(places)
    }

    /// Where in the scope its value is taken from: index of the name, and JSON pointer from there.
    pub fn path(&self) -> Option<(usize, String)> {
        self.root.first_path()
    }
}

struct Compiler<'c> {
    parsed: &'c Parsed<'c>,
    names: Names,
    errors: Vec<ExprError>,
    variables: Vec<String>,
}

impl Compiler<'_> {
    fn fail<T>(&mut self, error: ExprError) -> Option<T> {
        self.errors.push(error);
        None
    }

    fn node(&mut self, expr: &IdedExpr) -> Option<Node> {
        let range = self.parsed.range(expr);
        match &expr.expr {
            Cel::Literal(literal) => self.literal(literal, range),
            Cel::Ident(name) => self.name(name, range),
            Cel::Select(select) => {
                let operand = self.node(&select.operand)?;
                Some(Node::Select(Box::new(operand), select.field.as_str().into()))
            }
            Cel::List(list) => {
                let nodes: Vec<_> = list.elements.iter().map(|element| self.node(element)).collect();
                nodes.into_iter().collect::<Option<_>>().map(Node::List)
            }
            Cel::Call(call) => self.call(expr, call, range),
            Cel::Map(_) | Cel::Struct(_) => {
                let error = ExprError::error(finding::UNSUPPORTED, range, "mappings build no objects");
                self.fail(error.help("put one value into another's place with `values:`"))
            }
            Cel::Comprehension(_) | Cel::Unspecified => {
                self.fail(ExprError::error(finding::SYNTAX, range, "this can't be read"))
            }
        }
    }

    fn literal(&mut self, literal: &LiteralValue, range: Range<usize>) -> Option<Node> {
        Some(match literal {
            LiteralValue::Null => Node::Null,
            LiteralValue::Boolean(truth) => Node::Bool(*truth.inner()),
            LiteralValue::Int(number) => Node::Int(*number.inner()),
            LiteralValue::Double(number) => Node::Float(*number.inner()),
            LiteralValue::String(text) => Node::Text(text.inner().into()),
            LiteralValue::UInt(_) | LiteralValue::Bytes(_) => {
                let label = "mappings have no unsigned numbers and no bytes";
                return self.fail(ExprError::error(finding::UNSUPPORTED, range, label));
            }
        })
    }

    fn name(&mut self, name: &str, range: Range<usize>) -> Option<Node> {
        if let Some(index) = self.variables.iter().rposition(|known| known == name) {
            return Some(Node::Element(index));
        }
        if let Some(index) = self.names.0.iter().position(|known| *known == name && !known.is_empty()) {
            return Some(Node::Name(index));
        }
        if name == "missing" {
            return Some(Node::Missing);
        }
        let known: Vec<&str> = self
            .names
            .0
            .iter()
            .copied()
            .chain(self.variables.iter().map(String::as_str))
            .filter(|name| !name.is_empty())
            .collect();
        let help = match did_you_mean(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if name == "item" => {
                "`item` is the entry of a list: it has a meaning where `each:` names one".to_owned()
            }
            None => format!("the keys of a record are written `record.{name}`"),
        };
        let label = format!(
            "there is no `{name}`; there are {}",
            known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        );
        self.fail(ExprError::error(finding::UNKNOWN_NAME, range, label).help(help))
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr, range: Range<usize>) -> Option<Node> {
        let name = call.func_name.as_str();
        let comparison = match name {
            operators::EQUALS => Some(Comparison::Equal),
            operators::NOT_EQUALS => Some(Comparison::NotEqual),
            operators::LESS => Some(Comparison::Less),
            operators::LESS_EQUALS => Some(Comparison::LessOrEqual),
            operators::GREATER => Some(Comparison::Greater),
            operators::GREATER_EQUALS => Some(Comparison::GreaterOrEqual),
            _ => None,
        };
        if let Some(comparison) = comparison {
            return Some(Node::Compare(comparison, Box::new(self.two(call)?)));
        }
        let operation = match name {
            operators::ADD => Some(Operation::Add),
            operators::SUBSTRACT => Some(Operation::Subtract),
            operators::MULTIPLY => Some(Operation::Multiply),
            operators::DIVIDE => Some(Operation::Divide),
            operators::MODULO => Some(Operation::Remainder),
            _ => None,
        };
        if let Some(operation) = operation {
            return Some(Node::Arithmetic(operation, Box::new(self.two(call)?)));
        }
        match name {
            operators::LOGICAL_AND => Some(Node::And(Box::new(self.two(call)?))),
            operators::LOGICAL_OR => Some(Node::Or(Box::new(self.two(call)?))),
            operators::IN => Some(Node::In(Box::new(self.two(call)?))),
            operators::INDEX => Some(Node::Index(Box::new(self.two(call)?))),
            operators::LOGICAL_NOT => Some(Node::Not(Box::new(self.node(call.args.first()?)?))),
            operators::NEGATE => Some(Node::Negate(Box::new(self.node(call.args.first()?)?))),
            operators::CONDITIONAL => {
                let nodes = [self.node(call.args.first()?), self.node(call.args.get(1)?), self.node(call.args.get(2)?)];
                let [Some(condition), Some(then), Some(otherwise)] = nodes else { return None };
                Some(Node::If(Box::new([condition, then, otherwise])))
            }
            operators::OPT_INDEX | operators::OPT_SELECT => {
                let error = ExprError::error(finding::UNSUPPORTED, range, "there is no need for `?`");
                self.fail(error.help("write `record.a.b`: what is not there is missing, and no mistake"))
            }
            operators::HAS => self.has(expr, call),
            operators::EXISTS => self.quantified(expr, call, Quantifier::Exists),
            operators::ALL => self.quantified(expr, call, Quantifier::All),
            operators::EXISTS_ONE => self.quantified(expr, call, Quantifier::ExistsOne),
            operators::FILTER => self.quantified(expr, call, Quantifier::Filter),
            operators::MAP => self.quantified(expr, call, Quantifier::Map),
            _ => self.function(expr, call, range),
        }
    }

    fn two(&mut self, call: &CallExpr) -> Option<[Node; 2]> {
        let nodes = [call.args.first().and_then(|arg| self.node(arg)), call.args.get(1).and_then(|arg| self.node(arg))];
        let [Some(a), Some(b)] = nodes else { return None };
        Some([a, b])
    }

    fn has(&mut self, expr: &IdedExpr, call: &CallExpr) -> Option<Node> {
        if let [IdedExpr { expr: Cel::Select(select), .. }] = call.args.as_slice()
            && call.target.is_none()
        {
            return Some(Node::Has(Box::new(self.node(&select.operand)?), select.field.as_str().into()));
        }
        let range = self.parsed.range(expr);
        let error = ExprError::error(finding::ARGUMENTS, range, "`has` asks for one key, such as `has(record.serial)`");
        self.fail(error.help("for keys that are no names, write `\"Serial Number\" in record`"))
    }

    fn quantified(&mut self, expr: &IdedExpr, call: &CallExpr, quantifier: Quantifier) -> Option<Node> {
        let (Some(list), [IdedExpr { expr: Cel::Ident(variable), .. }, part]) = (&call.target, call.args.as_slice())
        else {
            let name = &call.func_name;
            let label = format!("`{name}` is written `list.{name}(x, ...)`");
            let range = self.parsed.range(expr);
            return self.fail(ExprError::error(finding::ARGUMENTS, range, label));
        };
        let list = self.node(list);
        self.variables.push(variable.clone());
        let part = self.node(part);
        self.variables.pop();
        Some(Node::Quantified(quantifier, Box::new([list?, part?])))
    }

    fn function(&mut self, expr: &IdedExpr, call: &CallExpr, range: Range<usize>) -> Option<Node> {
        let written = self.parsed.call_name(expr);
        let Some(row) = functions::named(&call.func_name) else {
            let label = format!("there is no function `{}`", call.func_name);
            let error = ExprError::error(finding::UNKNOWN_FUNCTION, written, label);
            let help = did_you_mean(&call.func_name, functions::names()).map(|near| format!("did you mean `{near}`?"));
            return self.fail(error.help_if(help));
        };
        let given: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        if given.len() < row.least || given.len() > row.most {
            let label = format!("it is written `{}`", row.usage);
            return self.fail(ExprError::error(finding::ARGUMENTS, range, label));
        }
        let constant = self.constant(row.function, given.get(1).copied())?;
        let args: Vec<_> = given.iter().map(|arg| self.node(arg)).collect();
        let args = args.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Node::Call(Box::new(Call { function: row.function, args, constant })))
    }

    /// What an argument that has to be a constant is compiled to; `None` where it is wrong.
    fn constant(&mut self, function: Function, arg: Option<&IdedExpr>) -> Option<Constant> {
        let wanted = match function {
            Function::Matches | Function::Extract => "a regular expression",
            Function::Bytes => "a unit",
            Function::Time if arg.is_some() => "a format",
            _ => return Some(Constant::None),
        };
        let arg = arg?;
        let range = self.parsed.range(arg);
        let Cel::Literal(LiteralValue::String(text)) = &arg.expr else {
            let label = format!("{wanted} is written out, as a text in quotes");
            return self.fail(ExprError::error(finding::ARGUMENTS, range, label));
        };
        let read = match function {
            Function::Bytes => functions::unit(text.inner())
                .map(Constant::Unit)
                .ok_or_else(|| "the units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB".to_owned()),
            Function::Time => TimeFormat::parse(text.inner()).map(Constant::Time),
            _ => regex::RegexBuilder::new(text.inner())
                .size_limit(1 << 20)
                .build()
                .map(Constant::Regex)
                .map_err(|error| error.to_string().lines().last().unwrap_or_default().to_owned()),
        };
        match read {
            Ok(constant) => Some(constant),
            Err(why) => self.fail(ExprError::error(finding::BAD_CONSTANT, range, why)),
        }
    }
}
