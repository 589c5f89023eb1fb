//! `refit versions compare`

use crate::{
    Exit,
    cli::{Cli, SchemeName, VersionsCompareArgs},
    terminal,
};
use anyhow::Result;
use refit_model::{
    Scheme,
    versions::{compare_text, sign},
};
use serde::Serialize;
use std::io::{BufRead, BufWriter, Write};

/// `refit versions compare --json`; with `--stdin`, a line for each pair.
#[derive(Serialize)]
struct Compared<'a> {
    a: &'a str,
    b: &'a str,
    /// `<`, `=`, `>`, or `?` where one of them is no version.
    order: char,
    error: Option<String>,
}

pub fn compare(cli: &Cli, args: &VersionsCompareArgs) -> Result<Exit> {
    let scheme = scheme(args.scheme);
    if args.stdin {
        return pairs(cli, scheme);
    }
    let (a, b) = (args.a.as_deref().unwrap_or_default(), args.b.as_deref().unwrap_or_default());
    let compared = Compared::of(scheme, a, b);
    match &compared.error {
        _ if cli.json => terminal::json(&compared)?,
        Some(error) => terminal::note(format_args!("{} {error}", terminal::paint(terminal::URGENT, "error:"))),
        None => terminal::print(&format!("{}\n", compared.order))?,
    }
    Ok(if compared.error.is_none() { Exit::Done } else { Exit::No })
}

/// One line for each line of standard input.
fn pairs(cli: &Cli, scheme: Scheme) -> Result<Exit> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
        let compared = match text.split_once('\t') {
            _ if std::str::from_utf8(&line).is_err() => Compared::no(&text, "not UTF-8"),
            Some((a, b)) => Compared::of(scheme, a, b),
            None => Compared::no(&text, "no pair: a tab has to stand between two versions"),
        };
        if cli.json {
            serde_json::to_writer(&mut out, &compared)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", compared.order)?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

impl<'a> Compared<'a> {
    fn of(scheme: Scheme, a: &'a str, b: &'a str) -> Self {
        let order = compare_text(scheme, a, b);
        let error = order.as_ref().err().map(ToString::to_string);
        Self { a, b, order: sign(order.ok()), error }
    }

    /// A line that is no pair of versions.
    fn no(line: &'a str, why: &str) -> Self {
        Self { a: line, b: "", order: sign(None), error: Some(why.to_owned()) }
    }
}

fn scheme(name: SchemeName) -> Scheme {
    match name {
        SchemeName::Dpkg => Scheme::Dpkg,
        SchemeName::Rpm => Scheme::Rpm,
        SchemeName::Semver => Scheme::Semver,
        SchemeName::Apple => Scheme::Apple,
        SchemeName::Windows => Scheme::Windows,
        SchemeName::Chrome => Scheme::Chrome,
        SchemeName::Generic => Scheme::Generic,
    }
}
