//! The catalog, as it is compiled into the program.

use anyhow::{Result, ensure};
use include_dir::{Dir, include_dir};
use refit_core::policy::{
    diagnostic::{Files, render},
    load::load,
    resolve::{Titles, resolve_titles},
    syntax::Limits,
};

static CATALOG: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalog");

/// The titles of the catalog.
pub fn titles() -> Result<Titles> {
    let limits = Limits::default();
    let mut files = Files::default();
    let mut folders = vec![&CATALOG];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files().filter(|file| file.path().extension().is_some_and(|ending| ending == "yaml")) {
            let added = files.add(file.path().display().to_string(), file.contents(), &limits);
            if let Err(found) = added {
                anyhow::bail!("the catalog is damaged: {}", render(&found, &files));
            }
        }
    }
    files.0.sort_by(|a, b| a.path.cmp(&b.path));
    let (documents, mut found) = load(&files, &limits);
    let (titles, more) = resolve_titles(&documents, &files);
    found.extend(more);
    let text: String = found.iter().map(|found| render(found, &files)).collect();
    ensure!(found.is_empty(), "the catalog is damaged:\n{text}");
    Ok(titles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_in_order_and_has_at_least_forty_titles_besides_systems() {
        let titles = titles().unwrap();
        let (systems, software): (Vec<_>, Vec<_>) = titles
            .values()
            .partition(|title| title.document.kind == refit_core::policy::document::title::TitleKind::Os);
        assert!(software.len() >= 40, "{}", software.len());
        assert!(systems.len() >= 10, "{}", systems.len());
        for title in software {
            let systems = title.document.identifiers.len();
            assert!(systems >= 4, "{} is known in {systems} systems", title.document.title);
        }
    }
}
