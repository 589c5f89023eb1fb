//! Files of sections with values, as dnf and systemd have them.

use crate::{files::NoFields, object::Fields};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// All values, as `section.name`. Of several with one name the last one counts; an empty one takes those before it away.
pub fn read(text: &str) -> Result<Fields, NoFields> {
    let mut fields = Fields::new();
    let (mut section, mut last) = (String::new(), None::<String>);
    for (number, line) in text.lines().enumerate() {
        match part(line) {
            Part::Nothing => {}
            Part::Section(name) => (section, last) = (name.to_owned(), None),
            Part::Value(name, value) => {
                let path = format!("{section}.{name}");
                fields.insert(path.clone(), Value::from(value));
                last = Some(path);
            }
            // A value may go on in lines that are indented.
            Part::More(more) => match last.as_ref().and_then(|path| fields.get_mut(path)) {
                Some(Value::String(value)) => {
                    value.push('\n');
                    value.push_str(more);
                }
                _ => return Err(NoFields(format!("line {} is neither a section nor a value", number + 1))),
            },
        }
    }
    Ok(fields)
}

/// A text with some values in it and others gone; all other lines stay as they are. A section goes with the last of its lines.
pub fn merged(text: &str, set: &Fields, unset: &BTreeSet<String>) -> String {
    let mut open: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, value) in set {
        open.insert(path, value.as_str().unwrap_or_default());
    }
    let mut lines: Vec<String> = Vec::new();
    let (mut section, mut dropping) = (String::new(), false);
    // Where the section begins, once something has gone from it.
    let (mut begins, mut emptied) = (0, None);
    for line in text.lines() {
        match part(line) {
            Part::Section(name) => {
                missing(&section, &mut open, &mut lines);
                drop_if_empty(emptied, &mut lines);
                (section, dropping) = (name.to_owned(), false);
                (begins, emptied) = (lines.len(), None);
                lines.push(line.to_owned());
            }
            Part::Value(name, _) => {
                let path = format!("{section}.{name}");
                dropping = unset.contains(&path) || set.contains_key(&path);
                if unset.contains(&path) {
                    emptied = Some(begins);
                }
                // Only the first of several with one name is kept, with the value that counts.
                if let Some((_, value)) = open.remove_entry(path.as_str()) {
                    lines.push(format!("{name} = {value}"));
                } else if !dropping {
                    lines.push(line.to_owned());
                }
            }
            Part::More(_) if dropping => {}
            Part::More(_) | Part::Nothing => lines.push(line.to_owned()),
        }
    }
    missing(&section, &mut open, &mut lines);
    if drop_if_empty(emptied, &mut lines) {
        let blank = lines.iter().rev().take_while(|line| line.trim().is_empty()).count();
        lines.truncate(lines.len() - blank);
    }
    while let Some(path) = open.keys().next().copied() {
        let (section, _) = parted(path);
        if lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(String::new());
        }
        lines.push(format!("[{section}]"));
        missing(section, &mut open, &mut lines);
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Writes what a section does not have yet at its end, before the blank lines that part it from the next one.
fn missing(section: &str, open: &mut BTreeMap<&str, &str>, lines: &mut Vec<String>) {
    let mut new = Vec::new();
    open.retain(|path, value| {
        let (of, name) = parted(path);
        if of == section {
            new.push(format!("{name} = {value}"));
        }
        of != section
    });
    let blank = lines.iter().rev().take_while(|line| line.trim().is_empty()).count();
    let at = lines.len() - blank;
    drop(lines.splice(at..at, new));
}

/// Takes a section away that begins there and has nothing in it.
fn drop_if_empty(begins: Option<usize>, lines: &mut Vec<String>) -> bool {
    let Some(begins) = begins else { return false };
    let is_empty = lines.iter().skip(begins + 1).all(|line| line.trim().is_empty());
    if is_empty {
        lines.truncate(begins);
    }
    is_empty
}

/// `commands.reboot` as section and name.
fn parted(path: &str) -> (&str, &str) {
    path.split_once('.').unwrap_or(("", path))
}

enum Part<'t> {
    Nothing,
    Section(&'t str),
    Value(&'t str, &'t str),
    More(&'t str),
}

fn part(line: &str) -> Part<'_> {
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
        return Part::Nothing;
    }
    if line.starts_with([' ', '\t']) {
        return Part::More(trimmed);
    }
    if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Part::Section(name.trim());
    }
    match trimmed.split_once('=') {
        Some((name, value)) => Part::Value(name.trim_end(), value.trim_start()),
        None => Part::More(trimmed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEIRS: &str = "# The machine's own.\n[commands]\nupgrade_type = default\nrandom_sleep = 0\n\n[emitters]\nemit_via = email\n\
                          email_to = root,\n  ops\n";

    fn fields(values: &[(&str, &str)]) -> Fields {
        values.iter().map(|(path, value)| ((*path).to_owned(), Value::from(*value))).collect()
    }

    #[test]
    fn values_are_read_with_their_sections() {
        let read = read(THEIRS).unwrap();
        assert_eq!(read["commands.upgrade_type"], "default");
        assert_eq!(read["emitters.email_to"], "root,\nops");
        assert_eq!(read.len(), 4);
    }

    #[test]
    fn what_others_wrote_stays() {
        let ours = fields(&[
            ("base.excludepkgs", "openssl"),
            ("commands.reboot", "never"),
            ("commands.upgrade_type", "security"),
        ]);
        let merged = merged(THEIRS, &ours, &BTreeSet::new());
        assert_eq!(
            merged,
            "# The machine's own.\n[commands]\nupgrade_type = security\nrandom_sleep = 0\nreboot = never\n\n[emitters]\n\
             emit_via = email\nemail_to = root,\n  ops\n\n[base]\nexcludepkgs = openssl\n"
        );
        assert_eq!(super::merged(&merged, &ours, &BTreeSet::new()), merged, "twice is once");
    }

    #[test]
    fn what_goes_takes_its_further_lines_along() {
        let merged = merged(THEIRS, &Fields::new(), &["emitters.email_to".to_owned()].into());
        assert!(!merged.contains("ops") && merged.contains("emit_via = email"), "{merged}");
    }

    #[test]
    fn a_line_that_is_nothing_is_said() {
        assert_eq!(read("[commands]\nnonsense\n").unwrap_err().0, "line 2 is neither a section nor a value");
    }
}
