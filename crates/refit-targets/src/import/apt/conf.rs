//! The configuration of apt (apt.conf(5)): options in scopes, lists, comments, over several files.

use std::collections::BTreeMap;

/// All options, as they stand after the last file.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// By their names in small letters: apt heeds no case.
    options: BTreeMap<String, Setting>,
    /// Whether something of a file could not be read: what is not here may be set all the same.
    pub incomplete: bool,
}

/// An option: its value, or the entries of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Setting {
    /// The name as it was written last.
    pub name: String,
    /// Its own value.
    pub value: Option<Value>,
    /// What was added to it as to a list.
    pub entries: Vec<Value>,
}

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub text: String,
    pub from: String,
}

impl Options {
    /// Adds a file; what a later one sets takes the place of what was there, and lists add up. What can't be read
    /// is an error with its line; after it, reading goes on behind the next `;`.
    pub fn add(&mut self, path: &str, text: &str) -> Result<(), Vec<String>> {
        let (words, broken) = words(text);
        let mut errors: Vec<String> = Vec::new();
        let mut scopes: Vec<String> = Vec::new();
        // What was read since the last `;` or brace.
        let mut said: Vec<&Word> = Vec::new();
        for word in &words {
            // A directive without its `;` ends with its line: what follows is a statement of its own.
            if let Some(directive) = said.first().filter(|first| is_unended(first, word)) {
                errors.push(format!("line {}: `{}` is not followed", directive.line, directive.text));
                said.clear();
            }
            match word.kind {
                Kind::Opens => {
                    match said.first() {
                        None => errors.push(format!("line {}: a list without a name", word.line)),
                        // What is not followed has no end, and took the name of the list.
                        Some(name) if name.kind == Kind::Name && name.text.starts_with('#') => {
                            errors.push(format!("line {}: `{}` is not followed", name.line, name.text));
                        }
                        Some(_) => {}
                    }
                    scopes.push(said.first().map_or_else(String::new, |name| name.text.clone()));
                    said.clear();
                }
                Kind::Closes => {
                    errors.extend(self.say(path, &scopes, &said).err());
                    said.clear();
                    if scopes.pop().is_none() {
                        errors.push(format!("line {}: a `}}` too many", word.line));
                    }
                }
                Kind::Ends => {
                    errors.extend(self.say(path, &scopes, &said).err());
                    said.clear();
                }
                Kind::Name | Kind::Quoted => said.push(word),
            }
        }
        let open = said.first().copied().or_else(|| words.last().filter(|_| !scopes.is_empty()));
        match (broken, open) {
            (Some(why), _) => errors.push(format!("{why}: nothing after it was read")),
            (None, Some(word)) => errors.push(format!("line {}: it has no end", word.line)),
            (None, None) => {}
        }
        self.incomplete |= !errors.is_empty();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn say(&mut self, path: &str, scopes: &[String], said: &[&Word]) -> Result<(), String> {
        let from = |line: usize| format!("{path}:{line}");
        let named = |name: &str| {
            let parts = scopes.iter().map(String::as_str).chain([name]);
            parts.collect::<Vec<_>>().join("::")
        };
        match said {
            [] => {}
            [directive, rest @ ..] if directive.kind == Kind::Name && directive.text == "#clear" => {
                for name in rest {
                    self.clear(&named(&name.text));
                }
            }
            [directive, ..] if directive.kind == Kind::Name && directive.text.starts_with('#') => {
                return Err(format!("line {}: `{}` is not followed", directive.line, directive.text));
            }
            // A text by itself is an entry of the list that it stands in.
            [word] if word.kind == Kind::Quoted => {
                let list = scopes.join("::");
                self.entry(&list, Value { text: word.text.clone(), from: from(word.line) });
            }
            [name, value] => {
                let value = Value { text: value.text.clone(), from: from(value.line) };
                match name.text.strip_suffix("::") {
                    Some(list) => self.entry(&named(list), value),
                    None => {
                        let name = named(&name.text);
                        let setting = self.options.entry(name.to_ascii_lowercase()).or_default();
                        setting.name = name;
                        setting.value = Some(value);
                    }
                }
            }
            // A name without a value is set to nothing.
            [name] => {
                let value = Value { text: String::new(), from: from(name.line) };
                let name = named(&name.text);
                let setting = self.options.entry(name.to_ascii_lowercase()).or_default();
                setting.name = name;
                setting.value = Some(value);
            }
            [first, ..] => return Err(format!("line {}: more than one value, or a `;` is missing", first.line)),
        }
        Ok(())
    }

    fn entry(&mut self, list: &str, value: Value) {
        let setting = self.options.entry(list.to_ascii_lowercase()).or_default();
        setting.name = list.to_owned();
        setting.entries.push(value);
    }

    fn clear(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        let below = format!("{name}::");
        self.options.retain(|option, _| *option != name && !option.starts_with(&below));
    }

    /// The value of an option.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.options.get(&name.to_ascii_lowercase())?.value.as_ref()
    }

    /// The entries of a list, also those with names of their own.
    pub fn list(&self, name: &str) -> Vec<&Value> {
        let name = name.to_ascii_lowercase();
        let below = format!("{name}::");
        let own = self.options.get(&name).into_iter().flat_map(|setting| &setting.entries);
        let named = self.options.iter().filter(|(option, _)| option.starts_with(&below));
        own.chain(named.filter_map(|(_, setting)| setting.value.as_ref())).collect()
    }

    /// Whether an option is said, as apt reads truth.
    pub fn is_on(&self, name: &str, otherwise: bool) -> bool {
        match self.value(name).map(|value| value.text.to_ascii_lowercase()) {
            None => otherwise,
            Some(text) => match text.as_str() {
                "yes" | "true" | "with" | "on" | "enable" => true,
                "no" | "false" | "without" | "off" | "disable" => false,
                number => number.parse::<i64>().map_or(otherwise, |number| number != 0),
            },
        }
    }

    /// Everything below a scope.
    pub fn below<'o>(&'o self, scope: &str) -> impl Iterator<Item = &'o Setting> + use<'o> {
        let below = format!("{}::", scope.to_ascii_lowercase());
        self.options.iter().filter(move |(name, _)| name.starts_with(&below)).map(|(_, setting)| setting)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Name,
    Quoted,
    Opens,
    Closes,
    Ends,
}

#[derive(Debug)]
struct Word {
    kind: Kind,
    text: String,
    line: usize,
}

/// Names, texts in quotes, braces and semicolons. `//` and `#` begin comments to the end of the line, but for the directives `#clear` and
/// `#include`; `/* */` are comments as well. Beside them, why the rest is not read.
fn words(text: &str) -> (Vec<Word>, Option<String>) {
    let mut words = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kind, length, text) = match first {
            '\n' => {
                line += 1;
                rest = &rest[1..];
                continue;
            }
            c if c.is_whitespace() => {
                rest = &rest[c.len_utf8()..];
                continue;
            }
            '{' => (Kind::Opens, 1, String::new()),
            '}' => (Kind::Closes, 1, String::new()),
            ';' => (Kind::Ends, 1, String::new()),
            '"' => {
                let Some(end) = rest[1..].find('"') else {
                    return (words, Some(format!("line {line}: a text has no end")));
                };
                (Kind::Quoted, end + 2, rest[1..=end].to_owned())
            }
            '/' if rest.starts_with("/*") => {
                let Some(end) = rest.find("*/") else {
                    return (words, Some(format!("line {line}: a comment has no end")));
                };
                line += rest[..end].matches('\n').count();
                rest = &rest[end + 2..];
                continue;
            }
            '/' | '#' if rest.starts_with("//") || (first == '#' && !is_directive(rest)) => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
                (Kind::Name, end, rest[..end].to_owned())
            }
        };
        words.push(Word { kind, text, line });
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    (words, None)
}

/// Whether a word stands on a line after that of a directive that names a file.
fn is_unended(first: &Word, word: &Word) -> bool {
    first.kind == Kind::Name && first.text == "#include" && word.line > first.line && word.kind != Kind::Ends
}

fn is_directive(text: &str) -> bool {
    ["#clear", "#include"]
        .iter()
        .any(|directive| text.strip_prefix(directive).is_some_and(|rest| rest.starts_with(|c: char| c.is_whitespace())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[&str]) -> Options {
        let mut options = Options::default();
        for (number, text) in files.iter().enumerate() {
            options.add(&format!("{number}"), text).unwrap();
        }
        options
    }

    fn entries(options: &Options, list: &str) -> Vec<String> {
        options.list(list).iter().map(|value| format!("{} ({})", value.text, value.from)).collect()
    }

    #[test]
    fn scopes_lists_and_comments_are_read_as_apt_does() {
        let options = read(&[
            "// of Debian\nUnattended-Upgrade::Origins-Pattern {\n  \"origin=Debian\"; # one\n/* \"no\"; */  \"label=Debian\";\n};\n\
             APT { Periodic { Enable \"0\"; }; };\n",
            "apt::periodic::enable \"1\";\nUnattended-Upgrade::Origins-Pattern:: \"site=a\";\n",
        ]);
        assert_eq!(
            entries(&options, "Unattended-Upgrade::Origins-Pattern"),
            ["origin=Debian (0:3)", "label=Debian (0:4)", "site=a (1:2)"]
        );
        assert!(options.is_on("APT::Periodic::Enable", false));
        assert_eq!(options.below("apt::periodic").count(), 1);
    }

    #[test]
    fn clear_takes_away_what_stood_before() {
        let options = read(&["A::B { \"x\"; C \"1\"; };", "#clear A::B;\nA::B { \"y\"; };"]);
        assert_eq!(entries(&options, "A::B"), ["y (1:2)"]);
    }

    #[test]
    fn what_can_not_be_read_is_said_with_its_line() {
        for (text, why) in [
            ("A \"1\"", "line 1: it has no end"),
            ("\nA {\n \"x\";\n", "line 3: it has no end"),
            ("};", "line 1: a `}` too many"),
            ("\nA \"x", "line 2: a text has no end: nothing after it was read"),
            ("{ };", "line 1: a list without a name"),
            ("#include \"other\";", "line 1: `#include` is not followed"),
            ("A \"1\" \"2\";", "line 1: more than one value, or a `;` is missing"),
        ] {
            assert_eq!(Options::default().add("a", text).unwrap_err(), [why], "{text}");
        }
    }

    #[test]
    fn after_what_can_not_be_read_it_goes_on() {
        let mut options = Options::default();
        let text = "#include \"other\";\nA { \"o=Foo, l=\\\"x\\\"\"; \"o=Bar\"; };\nB \"true\";\n";
        assert_eq!(
            options.add("a", text).unwrap_err(),
            ["line 1: `#include` is not followed", "line 2: more than one value, or a `;` is missing"]
        );
        assert!(options.incomplete);
        assert!(options.is_on("B", false));
        assert_eq!(entries(&options, "A"), ["o=Bar (a:2)"]);
    }

    #[test]
    fn a_directive_without_its_end_swallows_nothing() {
        let mut options = Options::default();
        let text = "#include \"/etc/apt/other\"\nA \"1\";\nB { \"x\"; };\n#include /etc/apt/more\nC { \"y\"; };\n";
        let errors = options.add("a", text).unwrap_err();
        assert_eq!(errors, ["line 1: `#include` is not followed", "line 4: `#include` is not followed"]);
        assert!(options.is_on("A", false) && options.incomplete);
        assert_eq!(
            (entries(&options, "B"), entries(&options, "C")),
            (vec!["x (a:3)".to_owned()], vec!["y (a:5)".to_owned()])
        );
    }
}
