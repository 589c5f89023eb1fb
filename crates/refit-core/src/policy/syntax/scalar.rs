//! What a plain scalar stands for: the core schema of YAML 1.2.2, section 10.3.2.

use super::node::{Scalar, Style};

/// The meaning of a scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning<'a> {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i128),
    /// Another number; infinite for `.inf`, and for whole numbers beyond all bounds.
    Float(f64),
    /// Everything else, and all that is quoted.
    Text(&'a str),
}

impl Scalar {
    /// What the scalar stands for.
    pub(super) fn meaning(&self) -> Meaning<'_> {
        if self.style == Style::Plain { plain(&self.text) } else { Meaning::Text(&self.text) }
    }
}

fn plain(text: &str) -> Meaning<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "true" | "True" | "TRUE" => return Meaning::Boolean(true),
        "false" | "False" | "FALSE" => return Meaning::Boolean(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Meaning::Text(text);
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let digits = text.strip_prefix('+').unwrap_or(text);
        return digits.parse().map_or(Meaning::Float(f64::INFINITY), Meaning::Integer);
    }
    let radix =
        text.strip_prefix("0x").map(|digits| (digits, 16)).or(text.strip_prefix("0o").map(|digits| (digits, 8)));
    if let Some((digits, radix)) = radix
        && !digits.is_empty()
        && digits.chars().all(|c| c.is_digit(radix))
    {
        return i128::from_str_radix(digits, radix).map_or(Meaning::Float(f64::INFINITY), Meaning::Integer);
    }
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Meaning::Float(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Meaning::Float(f64::INFINITY),
        _ => {}
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Meaning::Float(f64::NAN);
    }
    // What is left are decimal numbers; Rust reads no others that start with a digit or a dot.
    match text.parse() {
        Ok(number) if text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) => {
            Meaning::Float(number)
        }
        _ => Meaning::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, meaning) in [
            ("", Meaning::Null),
            ("~", Meaning::Null),
            ("null", Meaning::Null),
            ("nUll", Meaning::Text("nUll")),
            ("true", Meaning::Boolean(true)),
            ("FALSE", Meaning::Boolean(false)),
            ("yes", Meaning::Text("yes")),
            ("on", Meaning::Text("on")),
            ("12", Meaning::Integer(12)),
            ("-3", Meaning::Integer(-3)),
            ("+3", Meaning::Integer(3)),
            ("007", Meaning::Integer(7)),
            ("0x1F", Meaning::Integer(31)),
            ("0o17", Meaning::Integer(15)),
            ("0x", Meaning::Text("0x")),
            ("0xfg", Meaning::Text("0xfg")),
            ("1.5", Meaning::Float(1.5)),
            (".5", Meaning::Float(0.5)),
            ("5.", Meaning::Float(5.0)),
            ("1e3", Meaning::Float(1000.0)),
            ("-.inf", Meaning::Float(f64::NEG_INFINITY)),
            ("15.10", Meaning::Float(15.1)),
            ("1.2.3", Meaning::Text("1.2.3")),
            ("2026-12-28", Meaning::Text("2026-12-28")),
            ("10%", Meaning::Text("10%")),
            ("1_000", Meaning::Text("1_000")),
            ("inf", Meaning::Text("inf")),
            (".", Meaning::Text(".")),
            ("-", Meaning::Text("-")),
        ] {
            assert_eq!(plain(text), meaning, "{text:?}");
        }
    }
}
