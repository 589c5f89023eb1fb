//! From text to CEL's tree, through the parser of the `cel` crate.

use super::error::{ExprError, SYNTAX};
use super::lexical::{self, Lexed, TokenKind};
use cel::common::ast::{Expr, IdedExpr, SourceInfo};
use cel::parser::ParseError;
use std::ops::Range;

/// The parser's own limit on nested expressions; [`lexical`] refuses first.
const RECURSION_MAX: u16 = 64;

/// A tree and where its parts stand.
pub(crate) struct Parsed<'t> {
    pub root: IdedExpr,
    text: &'t str,
    source: SourceInfo,
    lexed: Lexed,
}

/// Reads `text`. Macros (`exists`, `has`) stay calls, so that messages are about what was written.
pub(crate) fn parse(text: &str) -> Result<Parsed<'_>, Vec<ExprError>> {
    let lexed = lexical::lex(text)?;
    if lexed.tokens.is_empty() {
        let error = ExprError::error(SYNTAX, 0..text.len(), "it is empty");
        return Err(vec![error.help("write `true` for what always holds")]);
    }
    // An environment without the standard library has no macros to expand.
    let parser = cel::Env::default().parser().max_recursion_depth(RECURSION_MAX);
    match parser.parse_with_source_info(text) {
        Ok((root, source)) => Ok(Parsed { root, text, source, lexed }),
        Err(errors) => Err(vec![translate(text, &lexed, &errors.errors)]),
    }
}

impl Parsed<'_> {
    /// The bytes of `expr`, without brackets around it.
    pub fn range(&self, expr: &IdedExpr) -> Range<usize> {
        let mut range = self.token(expr);
        let mut include = |other: Range<usize>| {
            range.start = range.start.min(other.start);
            range.end = range.end.max(other.end);
        };
        match &expr.expr {
            Expr::Call(call) => {
                call.target.iter().for_each(|target| include(self.range(target)));
                call.args.iter().for_each(|arg| include(self.range(arg)));
                if call.func_name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    include(self.call_name(expr));
                }
            }
            Expr::Select(select) => {
                include(self.range(&select.operand));
                include(self.selected(expr));
            }
            _ => {}
        }
        if let Some(close) = self.lexed.closing.get(&self.token(expr).start) {
            range.end = range.end.max(close + 1);
        }
        range
    }

    /// The bytes of the token that the parser remembers for `expr`: its operator, its dot or opening bracket, or itself.
    pub fn token(&self, expr: &IdedExpr) -> Range<usize> {
        let (start, last) = self.source.offset_for(expr.id).unwrap_or_default();
        let start = floor(self.text, start as usize);
        start..ceil(self.text, (last as usize + 1).max(start))
    }

    /// The bytes of the name of a called function.
    pub fn call_name(&self, call: &IdedExpr) -> Range<usize> {
        let bracket = self.token(call).start;
        self.neighbour(|i, range| i > 0 && range.start == bracket, -1).unwrap_or(bracket..bracket)
    }

    /// The bytes of the name of a selected field.
    pub fn selected(&self, select: &IdedExpr) -> Range<usize> {
        let dot = self.token(select).start;
        self.neighbour(|_, range| range.start == dot, 1).unwrap_or(dot..dot)
    }

    fn neighbour(&self, is_it: impl Fn(usize, &Range<usize>) -> bool, step: isize) -> Option<Range<usize>> {
        let tokens = &self.lexed.tokens;
        let index = tokens.iter().enumerate().position(|(i, token)| is_it(i, &token.range))?;
        tokens.get(index.checked_add_signed(step)?).map(|token| token.range.clone())
    }

    /// The text of a range.
    pub fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }
}

/// One message of ours for the first of the parser's; the others follow from it.
fn translate(text: &str, lexed: &Lexed, errors: &[ParseError]) -> ExprError {
    // What the parser says of its own grammar ("Incomplete ...") follows from what it says of the text.
    let of_the_text = |error: &&ParseError| error.pos.0 > 0 && !error.msg.starts_with("Incomplete");
    let Some(first) = errors.iter().find(of_the_text) else {
        return ExprError::error(SYNTAX, 0..text.len(), "it can't be read");
    };
    let offset = offset(text, first.pos);
    let Some(token) = lexed.tokens.iter().find(|token| token.range.end > offset) else {
        return ExprError::error(SYNTAX, text.len()..text.len(), "it ends too early").help_if(
            lexed.tokens.last().map(|last| format!("something is missing after `{}`", &text[last.range.clone()])),
        );
    };
    let range = token.range.clone();
    let word = &text[range.clone()];
    let message = first.msg.as_str();
    if message.starts_with("invalid int") {
        return ExprError::error(SYNTAX, range, "this number is too large");
    }
    if message.starts_with("invalid double") {
        return ExprError::error(SYNTAX, range, "this number is too large");
    }
    if message.starts_with("reserved identifier") {
        return ExprError::error(SYNTAX, range, format!("CEL keeps the word `{word}` for itself"));
    }
    if token.kind == TokenKind::Text && (message.starts_with("invalid string") || message.contains("token recognition"))
    {
        return ExprError::error(SYNTAX, range, "this text has an escape that CEL does not know")
            .help("write `\\\\` for a backslash, or r\"...\" for a text without escapes");
    }
    if token.kind == TokenKind::Number && word.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return ExprError::error(SYNTAX, range, format!("`{word}` is no number"))
            .help(format!("write durations as `duration(\"{word}\")`"));
    }
    ExprError::error(SYNTAX, range, format!("`{word}` is not expected here")).help_if(expected(text, lexed, offset))
}

/// What was probably forgotten before the token at `offset`.
fn expected(text: &str, lexed: &Lexed, offset: usize) -> Option<String> {
    let index = lexed.tokens.iter().position(|token| token.range.end > offset)?;
    let (token, previous) = (lexed.tokens.get(index)?, lexed.tokens.get(index.checked_sub(1)?)?);
    let operand = |token: &lexical::Token| token.kind != TokenKind::Sign;
    let previous_word = &text[previous.range.clone()];
    if text.get(token.range.clone()) == Some(",") {
        return Some("a list is written in square brackets: `in [\"a\", \"b\"]`".to_owned());
    }
    if operand(token) && operand(previous) {
        return Some(format!("an operator such as `&&` or `==` is missing after `{previous_word}`"));
    }
    if !operand(token) && !operand(previous) {
        return Some(format!("a value is missing between `{previous_word}` and `{}`", &text[token.range.clone()]));
    }
    None
}

/// The byte at line and column of the parser, which count from 1; it counts bytes of the line in columns.
fn offset(text: &str, (line, column): (isize, isize)) -> usize {
    let lines = usize::try_from(line - 1).unwrap_or(0);
    let start: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let column = usize::try_from(column - 1).unwrap_or(0);
    // Columns count characters: find the byte.
    let rest = text.get(start..).unwrap_or_default();
    start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i)
}

fn floor(text: &str, mut i: usize) -> usize {
    i = i.min(text.len());
    while !text.is_char_boundary(i) {
        i -= 1;
    }
    i
}

fn ceil(text: &str, mut i: usize) -> usize {
    i = i.min(text.len());
    while !text.is_char_boundary(i) {
        i += 1;
    }
    i
}
