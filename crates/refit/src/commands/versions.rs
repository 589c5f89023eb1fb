//! `refit versions compare`

use crate::{
    Exit,
    cli::{SchemeName, VersionsCompareArgs},
    terminal,
};
use anyhow::Result;
use refit_model::{
    Scheme,
    versions::{compare_text, sign},
};
use std::io::{BufRead, BufWriter, Write};

pub fn compare(args: &VersionsCompareArgs) -> Result<Exit> {
    let scheme = scheme(args.scheme);
    if args.stdin {
        return pairs(scheme);
    }
    let (a, b) = (args.a.as_deref().unwrap_or_default(), args.b.as_deref().unwrap_or_default());
    match compare_text(scheme, a, b) {
        Ok(order) => {
            terminal::print(&format!("{}\n", sign(Some(order))))?;
            Ok(Exit::Done)
        }
        Err(error) => {
            terminal::note(format_args!("{} {error}", terminal::paint(terminal::URGENT, "error:")));
            Ok(Exit::No)
        }
    }
}

/// One sign for each line of standard input; what is no pair of versions is `?`.
fn pairs(scheme: Scheme) -> Result<Exit> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line?;
        let order = std::str::from_utf8(&line)
            .ok()
            .and_then(|line| line.strip_suffix('\r').unwrap_or(line).split_once('\t'))
            .and_then(|(a, b)| compare_text(scheme, a, b).ok());
        writeln!(out, "{}", sign(order))?;
    }
    out.flush()?;
    Ok(Exit::Done)
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
