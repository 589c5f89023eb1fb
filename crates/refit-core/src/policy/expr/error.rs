//! What is wrong with an expression.

use crate::policy::diagnostic::Severity;
use std::ops::Range;

/// One finding in the text of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// [`Severity::Error`] where the expression can't be used; [`Severity::Warning`] where it is probably not meant so.
    pub severity: Severity,
    /// Bytes of the expression's text. Empty, at its end, where something is missing.
    pub range: Range<usize>,
    /// A stable code that programs read: `expr/unknown-field`.
    pub code: &'static str,
    /// What is wrong, in few words that are the same each time.
    pub message: &'static str,
    /// The particulars, shown under the marked text.
    pub label: String,
    /// The way out.
    pub help: Option<String>,
}

/// A kind of finding: its code and its message.
pub(crate) type Finding = (&'static str, &'static str);

pub(crate) const SYNTAX: Finding = ("expr/syntax", "this is not an expression");
pub(crate) const TOO_COMPLEX: Finding = ("expr/too-complex", "the expression is too complex");
pub(crate) const UNKNOWN_NAME: Finding = ("expr/unknown-name", "unknown name");
pub(crate) const UNKNOWN_FIELD: Finding = ("expr/unknown-field", "unknown field");
pub(crate) const UNKNOWN_FUNCTION: Finding = ("expr/unknown-function", "unknown function");
pub(crate) const OUT_OF_SCOPE: Finding = ("expr/out-of-scope", "not available here");
pub(crate) const TYPE: Finding = ("expr/type", "wrong type");
pub(crate) const ARGUMENTS: Finding = ("expr/arguments", "wrong arguments");
pub(crate) const BAD_CONSTANT: Finding = ("expr/bad-constant", "the constant can't be read");
pub(crate) const DIVISION: Finding = ("expr/division-by-zero", "division by zero");
pub(crate) const UNSUPPORTED: Finding = ("expr/unsupported", "not supported");
pub(crate) const UNKNOWN_VALUE: Finding = ("expr/unknown-value", "unknown value");
pub(crate) const TEXT_ORDER: Finding = ("expr/text-order", "compared letter by letter");

/// The kinds of findings, for other languages that are read in the same way.
pub(crate) mod finding {
    pub(crate) use super::{ARGUMENTS, BAD_CONSTANT, SYNTAX, UNKNOWN_FUNCTION, UNKNOWN_NAME, UNSUPPORTED};
}

impl ExprError {
    pub(crate) fn error((code, message): Finding, range: Range<usize>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Error, range, code, message, label: label.into(), help: None }
    }

    pub(super) fn warning(finding: Finding, range: Range<usize>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(finding, range, label) }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn help_if(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// Whether the expression can't be used because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The candidate that somebody who wrote `wrong` probably meant; `None` where nothing is close.
pub(super) fn closest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in three letters, and at least one: `os` is not `id`, `platfrom` is `platform`. A swap counts as one slip.
    let folded = fold(wrong);
    let slips_max = (folded.chars().count() / 3).max(1);
    let mut best = None;
    for candidate in candidates {
        let other = fold(candidate);
        // `win` is `windows`: a beginning of three letters or more is as good as one slip.
        let begins = folded.len() >= 3 && other.starts_with(&folded);
        let slips = if begins { usize::from(folded != other) } else { strsim::osa_distance(&folded, &other) };
        let shares_a_letter = slips < other.chars().count().max(folded.chars().count());
        if slips <= slips_max && shares_a_letter && best.is_none_or(|(least, _)| slips < least) {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn fold(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// `did you mean ...?`, or nothing.
pub(super) fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(wrong, candidates).map(|meant| format!("did you mean `{meant}`?"))
}
