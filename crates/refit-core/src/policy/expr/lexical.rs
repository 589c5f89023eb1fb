//! A look at the words of an expression before CEL's parser sees it.
//!
//! Two reasons: the parser recurses, so what is nested too deeply must not reach it; and of the mistakes that people make most
//! (`=`, `and`, a missing bracket or quote) it says little that they would understand. Where brackets open and close is kept,
//! because the parser's tree knows only the place of operators.

use super::error::{ExprError, SYNTAX, TOO_COMPLEX};
use std::collections::BTreeMap;
use std::ops::Range;

/// Longest text of an expression, in bytes. Longer lists of values belong into facts: a tag, a group, a field of one's own.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Deepest nesting: brackets, and chains of operators that CEL nests (`a + b + c`). The parser's stack frames are large; at this
/// depth it uses a small part of the 2 MiB that a thread has by default, also without optimisation.
const DEPTH_MAX: usize = 48;

/// Most findings of one kind that are worth reading at once.
const FINDINGS_MAX: usize = 8;

/// What the look found out.
pub(super) struct Lexed {
    /// Where each opening bracket closes (both as byte offsets).
    pub closing: BTreeMap<usize, usize>,
    /// The tokens, for messages about what stands where.
    pub tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub range: Range<usize>,
    pub kind: TokenKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Number,
    Text,
    Sign,
}

/// Splits `text` into tokens; errors where it can't be given to the parser.
pub(super) fn lex(text: &str) -> Result<Lexed, Vec<ExprError>> {
    if text.len() > TEXT_BYTES_MAX {
        let label = format!("it has {} bytes; {TEXT_BYTES_MAX} are allowed", text.len());
        let error = ExprError::error(TOO_COMPLEX, 0..text.len(), label);
        return Err(vec![error.help("move long lists of values into facts: a tag, a group, or a field of your own")]);
    }
    let mut errors = Vec::new();
    let tokens = tokens(text, &mut errors);
    words_of_other_languages(text, &tokens, &mut errors);
    let closing = brackets(text, &tokens, &mut errors);
    if errors.is_empty() {
        depth(text, &tokens, &mut errors);
    }
    if errors.is_empty() {
        return Ok(Lexed { closing, tokens });
    }
    errors.sort_by_key(|error| error.range.start);
    errors.truncate(FINDINGS_MAX);
    Err(errors)
}

fn tokens(text: &str, errors: &mut Vec<ExprError>) -> Vec<Token> {
    let bytes = text.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let start = i;
        let byte = at(i);
        let kind = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0c => {
                i += 1;
                continue;
            }
            b'/' if at(i + 1) == b'/' => {
                while i < bytes.len() && at(i) != b'\n' {
                    i += 1;
                }
                continue;
            }
            b'"' | b'\'' => {
                i = end_of_text(bytes, i, false);
                TokenKind::Text
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                while at(i).is_ascii_alphanumeric() || at(i) == b'_' {
                    i += 1;
                }
                let prefix = text.get(start..i).unwrap_or_default();
                let raw = prefix.contains(['r', 'R']);
                if matches!(at(i), b'"' | b'\'')
                    && matches!(prefix.to_ascii_lowercase().as_str(), "r" | "b" | "br" | "rb")
                {
                    i = end_of_text(bytes, i, raw);
                    TokenKind::Text
                } else {
                    TokenKind::Word
                }
            }
            b'0'..=b'9' => {
                while at(i).is_ascii_alphanumeric() || (at(i) == b'.' && at(i + 1).is_ascii_digit()) {
                    let exponent = matches!(at(i), b'e' | b'E') && matches!(at(i + 1), b'+' | b'-');
                    i += if exponent && !text[start..i].starts_with("0x") { 2 } else { 1 };
                }
                TokenKind::Number
            }
            b'=' | b'!' | b'<' | b'>' if at(i + 1) == b'=' => {
                i += if at(i + 2) == b'=' { 3 } else { 2 };
                TokenKind::Sign
            }
            b'&' | b'|' if at(i + 1) == byte => {
                i += 2;
                TokenKind::Sign
            }
            b'=' | b'&' | b'|' => {
                i += 1;
                TokenKind::Sign
            }
            b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'.' | b',' | b':' | b'?' | b'!' | b'<' | b'>' | b'+' | b'-'
            | b'*' | b'/' | b'%' => {
                i += 1;
                TokenKind::Sign
            }
            _ => {
                let mut letters = text[start..].chars();
                let letter = letters.next().unwrap_or(' ');
                i += letter.len_utf8();
                if letter.is_alphabetic() {
                    // The rest of the word is part of the same mistake.
                    i += letters.take_while(|c| c.is_alphanumeric()).map(char::len_utf8).sum::<usize>();
                }
                errors.push(unexpected(start..i, letter, &text[start..i]));
                continue;
            }
        };
        if kind == TokenKind::Text && i > bytes.len() {
            i = bytes.len();
            errors.push(
                ExprError::error(SYNTAX, start..i, "this text has no end")
                    .help("close it with the quote that it begins with"),
            );
        }
        tokens.push(Token { range: start..i, kind });
    }
    tokens
}

/// The offset after the closing quote; beyond the end where there is none.
fn end_of_text(bytes: &[u8], start: usize, raw: bool) -> usize {
    let quote = bytes[start];
    let triple = bytes.get(start + 1) == Some(&quote) && bytes.get(start + 2) == Some(&quote);
    let mut i = start + if triple { 3 } else { 1 };
    while let Some(&byte) = bytes.get(i) {
        if byte == b'\\' && !raw {
            i += 2;
        } else if byte == quote && !triple {
            return i + 1;
        } else if byte == quote && bytes.get(i + 1) == Some(&quote) && bytes.get(i + 2) == Some(&quote) {
            return i + 3;
        } else if byte == b'\n' && !triple {
            break;
        } else {
            i += 1;
        }
    }
    bytes.len() + 1
}

fn unexpected(range: Range<usize>, letter: char, word: &str) -> ExprError {
    let help = match letter {
        '“' | '”' | '„' | '‘' | '’' | '«' | '»' => {
            Some("write texts in straight quotes: \"IT\"".to_owned())
        }
        '≥' | '≤' | '≠' => Some("write `>=`, `<=` or `!=`".to_owned()),
        '`' => Some("write names as they are, without backticks".to_owned()),
        _ if letter.is_alphabetic() => Some("write texts in quotes; names have only the letters a to z".to_owned()),
        _ => None,
    };
    ExprError::error(SYNTAX, range, format!("`{}` has no meaning here", word.escape_debug())).help_if(help)
}

/// `=`, `===`, `&`, `|`, `and`, `or`, `not`, `<>`: what people write who come from SQL, Python or Excel.
fn words_of_other_languages(text: &str, tokens: &[Token], errors: &mut Vec<ExprError>) {
    for (i, token) in tokens.iter().enumerate() {
        let previous = i.checked_sub(1).and_then(|i| tokens.get(i));
        let next = tokens.get(i + 1);
        let sign = |token: Option<&Token>| token.filter(|t| t.kind == TokenKind::Sign).map(|t| &text[t.range.clone()]);
        let operator = |t: &Token| matches!(&text[t.range.clone()], "and" | "AND" | "or" | "OR" | "in");
        let ends_operand = previous.is_some_and(|t| match sign(Some(t)) {
            Some(sign) => matches!(sign, ")" | "]" | "}"),
            None => !operator(t),
        });
        let begins_operand = next.is_some_and(|t| match sign(Some(t)) {
            Some(sign) => matches!(sign, "(" | "!" | "[" | "-"),
            None => !operator(t),
        });
        let instead = match &text[token.range.clone()] {
            "=" | "===" => "==",
            "!==" => "!=",
            "&" => "&&",
            "|" => "||",
            "and" | "AND" if ends_operand && begins_operand => "&&",
            "or" | "OR" if ends_operand && begins_operand => "||",
            "not" | "NOT" if !ends_operand && begins_operand && sign(next) != Some("(") => "!",
            ">" if sign(previous) == Some("<") => "!=",
            _ => continue,
        };
        let word = &text[token.range.clone()];
        let (word, range) = match (word, previous) {
            (">", Some(less)) => ("<>", less.range.start..token.range.end),
            _ => (word, token.range.clone()),
        };
        errors.push(
            ExprError::error(SYNTAX, range, format!("`{word}` is no operator")).help(format!("write `{instead}`")),
        );
    }
}

/// Pairs brackets.
fn brackets(text: &str, tokens: &[Token], errors: &mut Vec<ExprError>) -> BTreeMap<usize, usize> {
    let mut closing = BTreeMap::new();
    let mut open: Vec<(&str, Range<usize>)> = Vec::new();
    for token in tokens.iter().filter(|token| token.kind == TokenKind::Sign) {
        let sign = &text[token.range.clone()];
        match sign {
            "(" | "[" | "{" => open.push((sign, token.range.clone())),
            ")" | "]" | "}" => match open.pop() {
                Some((opening, range)) if closes(opening) == sign => {
                    closing.insert(range.start, token.range.start);
                }
                Some((opening, range)) => {
                    let label = format!(
                        "`{}` is missing before this, for the `{opening}` in column {}",
                        closes(opening),
                        range.start + 1
                    );
                    errors.push(ExprError::error(SYNTAX, token.range.clone(), label));
                    return closing;
                }
                None => {
                    errors.push(ExprError::error(SYNTAX, token.range.clone(), format!("this `{sign}` closes nothing")));
                    return closing;
                }
            },
            _ => {}
        }
    }
    if let Some((opening, range)) = open.pop() {
        errors.push(ExprError::error(SYNTAX, range, format!("this `{opening}` is never closed")));
    }
    closing
}

fn closes(opening: &str) -> &'static str {
    match opening {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// Depth of one pair of brackets, part by part.
#[derive(Default)]
struct Level {
    /// Operators of the present part that nest.
    chain: usize,
    /// Deepest pair of brackets in the present part.
    child: usize,
    /// Deepest part so far.
    deepest: usize,
    /// `?`, each of which nests all that follows.
    choices: usize,
}

impl Level {
    fn end_part(&mut self) {
        self.deepest = self.deepest.max(self.chain + self.child);
        (self.chain, self.child) = (0, 0);
    }

    fn depth(mut self) -> usize {
        self.end_part();
        self.deepest + self.choices + 1
    }
}

/// Refuses what would nest too deeply in the parser's tree. It counts rather too much than too little.
fn depth(text: &str, tokens: &[Token], errors: &mut Vec<ExprError>) {
    let mut levels = vec![Level::default()];
    let mut follows_operand = false;
    for token in tokens {
        let word = &text[token.range.clone()];
        let Some(level) = levels.last_mut() else { return };
        match (token.kind, word) {
            (TokenKind::Sign, "(" | "[" | "{") => {
                // `a[0][1]` nests like a chain of operators.
                level.chain += usize::from(follows_operand && word == "[");
                levels.push(Level::default());
            }
            (TokenKind::Sign, ")" | "]" | "}") => {
                let depth = levels.pop().map_or(0, Level::depth);
                if let Some(outer) = levels.last_mut() {
                    outer.child = outer.child.max(depth);
                }
            }
            (TokenKind::Sign, "&&" | "||" | ",") => level.end_part(),
            (TokenKind::Sign, "?") => {
                level.end_part();
                level.choices += 1;
            }
            (TokenKind::Sign, ":") => level.end_part(),
            // The parser counts signs in front of an operand; they don't nest.
            (TokenKind::Sign, "!") => {}
            (TokenKind::Sign, "-") if !follows_operand => {}
            (TokenKind::Sign, _) => level.chain += 1,
            (TokenKind::Word, "in") => level.chain += 1,
            _ => {}
        }
        follows_operand = token.kind != TokenKind::Sign || matches!(word, ")" | "]" | "}");
        if levels.len() > DEPTH_MAX + 1 {
            break;
        }
    }
    let open = levels.len() - 1;
    let depth = levels.into_iter().map(Level::depth).max().unwrap_or(0).max(open);
    if depth > DEPTH_MAX {
        let label = format!("it is nested more than {DEPTH_MAX} deep");
        let error = ExprError::error(TOO_COMPLEX, 0..text.len(), label);
        errors
            .push(error.help("write lists with `in [...]`, and split it into several policies or a field of your own"));
    }
}
