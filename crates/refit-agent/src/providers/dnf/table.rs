//! The table in which dnf shows what it would do, and its reasons for refusing.
//!
//! Each row has the name, the architecture, the version, the repository and the size of a package, and none of them holds
//! a blank. A row that is too wide for 80 columns goes on on the next line.

use crate::providers::command::CommandError;

/// What a part of the table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Install,
    Upgrade,
    Downgrade,
    Reinstall,
    Remove,
    /// Left as it is.
    Skip,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub part: Part,
    pub name: String,
    pub architecture: String,
    /// With an epoch that is not 0.
    pub version: String,
    /// `@REPOSITORY` for one that goes.
    pub repository: String,
    /// Packages that it takes the place of, as name with architecture, and version.
    pub replaces: Vec<(String, String)>,
}

pub(super) fn parse(text: &str) -> Result<Vec<Row>, CommandError> {
    let mut rows: Vec<Row> = Vec::new();
    let mut part = None;
    let mut words: Vec<&str> = Vec::new();
    let table =
        text.lines().skip_while(|line| !line.starts_with("====")).take_while(|line| *line != "Transaction Summary");
    for line in table {
        let odd = |why: &str| CommandError::unexpected("dnf history replay", why, line);
        if line.trim().is_empty() || line.starts_with("====") || line.starts_with(" Package ") || line.starts_with('(')
        {
            continue;
        }
        if !line.starts_with(' ') {
            part = Some(part_of(line).ok_or_else(|| odd("unknown part of the transaction"))?);
            continue;
        }
        let mut fields = line.split_whitespace();
        if words.is_empty() && line.trim_start().starts_with("replacing ") {
            let (Some(name), Some(version)) = (fields.nth(1), fields.next()) else {
                return Err(odd("expected a package"));
            };
            let row = rows.last_mut().ok_or_else(|| odd("expected a package before what it replaces"))?;
            row.replaces.push((name.to_owned(), version.to_owned()));
            continue;
        }
        words.extend(fields);
        // The size may have a unit.
        if let [name, architecture, version, repository, _] | [name, architecture, version, repository, _, _] =
            words.as_slice()
        {
            rows.push(Row {
                part: part.ok_or_else(|| odd("expected a heading"))?,
                name: (*name).to_owned(),
                architecture: (*architecture).to_owned(),
                version: (*version).to_owned(),
                repository: (*repository).to_owned(),
                replaces: Vec::new(),
            });
            words.clear();
        } else if words.len() > 6 {
            return Err(odd("expected a package in five columns"));
        }
    }
    match words.is_empty() {
        true => Ok(rows),
        false => Err(CommandError::unexpected("dnf history replay", "a row is incomplete", words.join(" "))),
    }
}

fn part_of(heading: &str) -> Option<Part> {
    Some(match heading.trim_end().strip_suffix(':')? {
        "Installing"
        | "Installing dependencies"
        | "Installing weak dependencies"
        | "Installing group/module packages" => Part::Install,
        "Upgrading" => Part::Upgrade,
        "Downgrading" => Part::Downgrade,
        "Reinstalling" => Part::Reinstall,
        "Removing" | "Removing dependent packages" | "Removing unused dependencies" => Part::Remove,
        skipped if skipped.starts_with("Skipping packages") => Part::Skip,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_go_on_and_replace_others() {
        let rows = parse(include_str!("testdata/table.txt")).unwrap();
        let shown: Vec<String> = rows
            .iter()
            .map(|row| {
                format!(
                    "{:?} {}.{} {} {} {:?}",
                    row.part, row.name, row.architecture, row.version, row.repository, row.replaces
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "Upgrade zeta.noarch 3.0-1 base [(\"omega.noarch\", \"2.0-1\")]",
                "Upgrade a-package-whose-name-is-longer-than-the-column-for-it.x86_64 1:2.0-1.el9_4.1 a-repository-with-a-long-name []",
                "Install library.noarch 1.0-1 base []",
                "Remove old.noarch 1.0-1 @base []",
            ]
        );
    }

    #[test]
    fn what_is_not_a_table_is_an_error() {
        let head = "====\n Package  Arch\n====\n";
        assert!(parse(&format!("{head}Enchanting:\n alpha noarch 1-1 base 5 k\n")).is_err());
        assert!(parse(&format!("{head}Upgrading:\n alpha noarch\n")).is_err());
        assert_eq!(parse("Nothing to do.\n").unwrap(), []);
    }
}
