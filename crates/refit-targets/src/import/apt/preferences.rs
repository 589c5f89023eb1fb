//! Pins (apt_preferences(5)): versions that are kept away, or kept to.

use super::super::{Document, File, Imported, Names};
use refit_model::{Scheme, Version};
use serde_json::json;

/// Above this an older version is installed too.
const DOWNGRADES: i64 = 1_000;

/// From this on a version wins over what an archive has.
const WINS: i64 = 500;

/// What pins of versions come to: blocks, and policies above the one that is named.
pub(super) fn import(files: &[File], above: &str, whom: &str, names: &mut Names<'_>, imported: &mut Imported) {
    let is_preferences = |path: &str| {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let read = name.rsplit_once('.').is_none_or(|(_, ending)| ending == "pref");
        (folder.ends_with("preferences.d") && plain && read) || (folder.ends_with("apt") && name == "preferences")
    };
    for file in files.iter().filter(|file| is_preferences(&file.path)) {
        for stanza in stanzas(&file.text) {
            let from = format!("{}:{}", file.path, stanza.line);
            if let Err(why) = one(&stanza, &from, above, whom, names, imported) {
                imported.leave_out(&from, &format!("Package: {}", stanza.package), why);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Stanza {
    line: usize,
    package: String,
    pin: String,
    priority: String,
}

fn stanzas(text: &str) -> Vec<Stanza> {
    let mut stanzas = Vec::new();
    let mut open = Stanza::default();
    for (number, line) in text.lines().chain([""]).enumerate() {
        if line.trim().is_empty() {
            if !open.package.is_empty() {
                stanzas.push(std::mem::take(&mut open));
            }
            open = Stanza::default();
            continue;
        }
        let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with('#')) else { continue };
        let place = match key.trim().to_ascii_lowercase().as_str() {
            "package" => {
                open.line = number + 1;
                &mut open.package
            }
            "pin" => &mut open.pin,
            "pin-priority" => &mut open.priority,
            _ => continue,
        };
        value.trim().clone_into(place);
    }
    stanzas
}

fn one(
    stanza: &Stanza,
    from: &str,
    above: &str,
    whom: &str,
    names: &mut Names<'_>,
    imported: &mut Imported,
) -> Result<(), String> {
    let priority: i64 = stanza.priority.parse().map_err(|_| format!("`{}` is no priority", stanza.priority))?;
    let version = match stanza.pin.split_once(char::is_whitespace) {
        Some(("version", version)) => version.trim(),
        _ => {
            return Err(format!(
                "which archive wins can't be said (`Pin: {}`): a policy takes the newest that is offered",
                stanza.pin
            ));
        }
    };
    let packages: Vec<&str> = stanza.package.split_whitespace().collect();
    let plain =
        |name: &&str| name.len() > 1 && name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '+' | '-' | '.'));
    if packages.is_empty() || !packages.iter().all(plain) {
        return Err("only packages by their whole names can be pinned".to_owned());
    }
    let software: Vec<String> = packages.iter().map(|name| format!("deb/{name}")).collect();
    if version == "*" && priority < 0 {
        let name = names.unused("policy", &format!("{above}: kept away {}", stanza.package));
        imported.documents.push(
            Document::new("policy", &name, "")
                .with("mode", json!("observe"), from)
                .with("priority", json!(2), "")
                .with("where", json!(whom), "")
                .with("software", json!(software), from),
        );
        return Ok(());
    }
    if version.contains('*') || Version::parse(Scheme::Dpkg, version).is_err() {
        return Err(format!("`{version}` is not one version"));
    }
    let range = format!("={version}");
    if priority < 0 {
        for title in software {
            let name = names.unused("block", &format!("{title} {version}"));
            imported.documents.push(
                Document::new("block", &name, "")
                    .with("title", json!(title), from)
                    .with("releases", json!(range), from)
                    .with("where", json!(whom), ""),
            );
        }
        return Ok(());
    }
    if priority < WINS {
        return Err(format!("a priority of {priority} only counts where nothing else is offered"));
    }
    let name = names.unused("policy", &format!("{above}: {} at {version}", stanza.package));
    let policy = Document::new("policy", &name, "")
        .with("extends", json!(above), "")
        .with("priority", json!(2), "")
        .with("software", json!(software), from)
        .with("target", json!(range), from)
        .with_some("allow_downgrade", (priority > DOWNGRADES).then(|| json!(true)), from);
    imported.documents.push(policy);
    Ok(())
}
