//! Conditions of Munki (NSPredicate) in the words of policies, as far as they ask for what a policy can ask for.
//!
//! Facts: munki wiki, *Conditional Items*. Comparisons of texts heed case in both languages. Versions of macOS are texts to Munki, and
//! numbers to policies: only what means the same in both is taken over.

use super::super::{conditions::any, document::quoted};

/// The condition in the policy language, or why there is none.
pub(super) fn condition(text: &str) -> Result<String, String> {
    let words = words(text)?;
    let mut parser = Parser { words: &words, depth: 0 };
    let condition = parser.either()?;
    match parser.words.first() {
        None => Ok(condition),
        Some(word) => Err(format!("what `{}` means there is not known", word.text())),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Word {
    /// A name, an operator or a number.
    Plain(String),
    /// A text in quotes.
    Text(String),
}

impl Word {
    fn text(&self) -> &str {
        match self {
            Word::Plain(text) | Word::Text(text) => text,
        }
    }

    fn is(&self, words: &[&str]) -> bool {
        matches!(self, Word::Plain(text) if words.iter().any(|word| text.eq_ignore_ascii_case(word)))
    }
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => {
                let inner = &rest[1..];
                let end = inner.find(first).ok_or("a text has no end")?;
                if inner[..end].contains('\\') {
                    return Err("a text has an escape in it".to_owned());
                }
                words.push(Word::Text(inner[..end].to_owned()));
                rest = inner[end + 1..].trim_start();
                continue;
            }
            '(' | ')' => 1,
            '=' | '!' | '<' | '>' | '&' | '|' => rest.find(|c: char| !"=!<>&|".contains(c)).unwrap_or(rest.len()),
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || "_.[]".contains(c))).unwrap_or(rest.len())
            }
            other => return Err(format!("what `{other}` means there is not known")),
        };
        words.push(Word::Plain(rest[..length].to_owned()));
        rest = rest[length..].trim_start();
    }
    Ok(words)
}

/// So deep brackets may be.
const DEEPEST: usize = 20;

struct Parser<'w> {
    words: &'w [Word],
    depth: usize,
}

impl<'w> Parser<'w> {
    fn next(&mut self) -> Option<&'w Word> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(first)
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.words.first().is_some_and(|word| word.is(words));
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    fn either(&mut self) -> Result<String, String> {
        let mut parts = vec![self.both()?];
        while self.take(&["OR", "||"]) {
            parts.push(self.both()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { format!("({})", any(&parts)) })
    }

    fn both(&mut self) -> Result<String, String> {
        let mut text = self.one()?;
        while self.take(&["AND", "&&"]) {
            text = format!("{text} && {}", self.one()?);
        }
        Ok(text)
    }

    fn one(&mut self) -> Result<String, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
        let text = if self.take(&["NOT", "!"]) {
            format!("!({})", self.one()?)
        } else if self.take(&["("]) {
            let inner = self.either()?;
            if !self.take(&[")"]) {
                return Err("a bracket is not closed".to_owned());
            }
            format!("({inner})")
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(text)
    }

    fn comparison(&mut self) -> Result<String, String> {
        let (Some(fact), Some(sign), Some(value)) = (self.next(), self.next(), self.next()) else {
            return Err("a comparison is not complete".to_owned());
        };
        let whole = format!("{} {} {}", fact.text(), sign.text(), value.text());
        compared(fact.text(), &sign.text().to_ascii_uppercase(), value)
            .ok_or_else(|| format!("no policy can ask for `{whole}` as Munki does"))
    }
}

/// One comparison; `None` where a policy can't make it.
fn compared(fact: &str, sign: &str, value: &Word) -> Option<String> {
    let sign = if sign == "=" { "==" } else { sign };
    let text = value.text();
    match (fact, sign, value) {
        ("machine_type", "==" | "!=", Word::Text(kind)) if kind == "laptop" => {
            Some(format!("device.kind {sign} \"laptop\""))
        }
        // To Munki a Mac that is no laptop is a desktop.
        ("machine_type", "==", Word::Text(kind)) if kind == "desktop" => Some("device.kind != \"laptop\"".to_owned()),
        ("machine_type", "!=", Word::Text(kind)) if kind == "desktop" => Some("device.kind == \"laptop\"".to_owned()),
        ("arch", "==" | "!=", Word::Text(arch)) => {
            let arch = match arch.as_str() {
                "x86_64" => "amd64",
                "arm64" => "arm64",
                _ => return None,
            };
            Some(format!("device.arch {sign} \"{arch}\""))
        }
        ("hostname" | "serial_number" | "machine_model", _, Word::Text(_)) => {
            let field = match fact {
                "hostname" => "device.hostname",
                "serial_number" => "device.serial",
                _ => "device.model",
            };
            let text = quoted(text);
            match sign {
                "==" | "!=" => Some(format!("{field} {sign} {text}")),
                "BEGINSWITH" => Some(format!("{field}.startsWith({text})")),
                "ENDSWITH" => Some(format!("{field}.endsWith({text})")),
                "CONTAINS" => Some(format!("{field}.contains({text})")),
                _ => None,
            }
        }
        // A whole number: from 11 on it is the first part of the version.
        ("os_vers_major", _, Word::Plain(_)) => {
            let major: u32 = text.parse().ok().filter(|major| *major >= 11)?;
            let next = major + 1;
            Some(match sign {
                "==" => format!("device.os_version >= \"{major}\" && device.os_version < \"{next}\""),
                "!=" => format!("(device.os_version < \"{major}\" || device.os_version >= \"{next}\")"),
                ">=" => format!("device.os_version >= \"{major}\""),
                ">" => format!("device.os_version >= \"{next}\""),
                "<" => format!("device.os_version < \"{major}\""),
                "<=" => format!("device.os_version < \"{next}\""),
                _ => return None,
            })
        }
        // `BEGINSWITH "14."` is all of 14 but for a bare `14`, which Macs do not say.
        ("os_vers", "BEGINSWITH", Word::Text(start)) => {
            let major: u32 = start.strip_suffix('.')?.parse().ok().filter(|major| *major >= 11)?;
            Some(format!("device.os_version >= \"{major}\" && device.os_version < \"{}\"", major + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_policy_can_ask_for_is_taken_over() {
        for (munki, policy) in [
            ("machine_type == \"laptop\"", "device.kind == \"laptop\""),
            (
                "machine_type == 'desktop' AND arch == \"arm64\"",
                "device.kind != \"laptop\" && device.arch == \"arm64\"",
            ),
            (
                "NOT (hostname BEGINSWITH \"lab-\" OR serial_number == \"C02\")",
                "!(((device.hostname.startsWith(\"lab-\") || device.serial == \"C02\")))",
            ),
            ("os_vers_major >= 14", "device.os_version >= \"14\""),
            ("os_vers BEGINSWITH \"14.\"", "device.os_version >= \"14\" && device.os_version < \"15\""),
        ] {
            assert_eq!(condition(munki).as_deref(), Ok(policy), "{munki}");
        }
    }

    #[test]
    fn the_rest_is_said() {
        for munki in [
            "",
            "os_vers > \"10.9\"",
            "date > CAST(\"2026-03-02T00:00:00Z\", \"NSDate\")",
            "hostname ==[c] \"lab\"",
            "(arch == \"arm64\"",
            "arch == \"arm64\" machine_type == \"laptop\"",
            "munki_version LIKE \"*6.*\"",
            "hostname == \"lab",
            &"(".repeat(5_000),
        ] {
            assert!(condition(munki).is_err(), "{munki}");
        }
    }
}
