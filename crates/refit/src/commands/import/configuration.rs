//! `refit import munki`, `intune`, `jamf` and `unattended-upgrades`: reading the files of another system, and printing what they come to.

use crate::{
    Exit, Refused, catalog,
    cli::{Cli, ImportFilesArgs, ImportFolderArgs, ImportMachineArgs, ImportedArgs},
    repository::{self, counted},
    terminal,
};
use anyhow::{Context, Result};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use refit_core::{
    facts::{
        Fields,
        mapping::{decoded, document::PayloadKind},
    },
    policy::{
        expr::{Scope, compile},
        resolve::Titles,
    },
};
use refit_targets::import::{self, File, Imported, LeftOut};
use serde::Serialize;
use serde_json::Value;
use std::{
    fs,
    io::{ErrorKind, Read as _},
    path::{Path, PathBuf},
};

/// So large a file may be: the catalog of ten thousand items is a tenth of it.
const LARGEST: u64 = 64 << 20;

/// So many files may be read: more is no configuration.
const FILES_MOST: usize = 100_000;

/// So deep folders may be.
const DEEPEST: usize = 16;

/// `refit import … --json`
#[derive(Serialize)]
struct Report<'i> {
    yaml: &'i str,
    #[serde(flatten)]
    imported: &'i Imported,
}

pub fn munki(cli: &Cli, args: &ImportFolderArgs) -> Result<Exit> {
    let folder = folder(&args.folder)?;
    let mut files = Vec::new();
    for part in ["catalogs", "manifests", "pkgsinfo"] {
        below(&folder, Path::new(part), DEEPEST, &mut files)?;
    }
    if !files.iter().any(|file| file.path.starts_with("manifests/")) {
        let why = format!(
            "{}: there is no `manifests` in it, or it is empty: give the folder of a Munki repository",
            folder.display()
        );
        return Err(Refused::usage(why));
    }
    let (titles, today) = (titles(&args.imported)?, today(&args.imported));
    print(cli, "Munki", &folder.display().to_string(), &import::munki::import(&files, &titles, today), &args.imported)
}

pub fn intune(cli: &Cli, args: &ImportFilesArgs) -> Result<Exit> {
    let parse = |text: &str| serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"));
    let values = values(&args.files, parse)?;
    let (titles, today) = (titles(&args.imported)?, today(&args.imported));
    print(cli, "Intune", &named(&args.files), &import::intune::import(&values, &titles, today), &args.imported)
}

pub fn jamf(cli: &Cli, args: &ImportFilesArgs) -> Result<Exit> {
    let values = values(&args.files, import::jamf::parse)?;
    print(
        cli,
        "Jamf Pro",
        &named(&args.files),
        &import::jamf::import(&values, &titles(&args.imported)?),
        &args.imported,
    )
}

pub fn unattended_upgrades(cli: &Cli, args: &ImportMachineArgs) -> Result<Exit> {
    let folder = folder(&args.folder)?;
    let mut files = Vec::new();
    let (root, apt) = (folder.join("etc/apt").is_dir(), folder.join("apt.conf.d").is_dir());
    if root {
        for part in ["etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/systemd/system/apt-daily-upgrade.timer.d"] {
            below(&folder, Path::new(part), 1, &mut files)?;
        }
        for part in [
            "etc/apt/apt.conf",
            "etc/apt/preferences",
            "etc/systemd/system/apt-daily-upgrade.timer",
            "usr/lib/systemd/system/apt-daily-upgrade.timer",
            "usr/lib/os-release",
        ] {
            one(&folder, Path::new(part), &mut files)?;
        }
        // In an image it may be a file of its own; on a machine it is a link to the other.
        if !files.iter().any(|file| file.path == "usr/lib/os-release") {
            one(&folder, Path::new("etc/os-release"), &mut files)?;
        }
    } else if apt {
        for part in ["apt.conf.d", "preferences.d"] {
            below(&folder, Path::new(part), 1, &mut files)?;
        }
        for part in ["apt.conf", "preferences"] {
            one(&folder, Path::new(part), &mut files)?;
        }
        // Pins are told by their folder.
        files.iter_mut().for_each(|file| file.path = format!("apt/{}", file.path));
    } else {
        below(&folder, Path::new(""), 1, &mut files)?;
    }
    if files.is_empty() {
        return Err(Refused::usage(format!("{}: there is no file of apt's in it", folder.display())));
    }
    let condition = args.condition.as_deref();
    condition.map_or(Ok(()), is_condition)?;
    let imported = import::apt::import(&files, &titles(&args.imported)?, condition);
    print(cli, "unattended-upgrades", &folder.display().to_string(), &imported, &args.imported)
}

fn print(cli: &Cli, system: &str, from: &str, imported: &Imported, args: &ImportedArgs) -> Result<Exit> {
    let yaml = yaml(system, from, imported, args);
    let exit = if imported.is_empty() { Exit::No } else { Exit::Done };
    if cli.json {
        terminal::json(&Report { yaml: &yaml, imported })?;
        return Ok(exit);
    }
    if imported.is_empty() {
        terminal::note(format!("{}  {from}: nothing in it is a policy", terminal::paint(terminal::URGENT, "nothing")));
    } else {
        terminal::print(&yaml)?;
    }
    let left_out = imported.left_out.len();
    if imported.is_empty() {
        for LeftOut { object, field, why } in &imported.left_out {
            let field = if field.is_empty() { String::new() } else { format!(" {field}") };
            terminal::note(format!("{}  {object}{field}: {why}", terminal::paint(terminal::URGENT, "left out")));
        }
    } else if left_out > 0 {
        let what = counted(left_out, "thing");
        terminal::note(format!(
            "{}  {what} that policies have no words for, or have others for: they are listed above the policies",
            terminal::paint(terminal::URGENT, "left out")
        ));
    }
    Ok(exit)
}

/// The documents, below what they leave out: whoever keeps the file keeps that too.
fn yaml(system: &str, from: &str, imported: &Imported, args: &ImportedArgs) -> String {
    let plain = |text: &str| text.replace(char::is_control, " ");
    let mut text = format!("# What {system} did by {}.\n#\n", plain(from));
    text += "# Policies here do not say `mode:` where it acts: they observe until refit.yaml says `defaults: { mode: enforce }`.\n";
    if !imported.left_out.is_empty() {
        text += "#\n# Left out, or not quite the same:\n";
    }
    for LeftOut { object, field, why } in &imported.left_out {
        let field = if field.is_empty() { String::new() } else { format!(" {field}") };
        text += &format!("# - {object}{field}: {why}\n");
    }
    text + "\n" + &imported.yaml(args.organization.as_deref())
}

/// Refuses what is no condition. Which fields of its own an organisation has is not known here: `refit check` says what is wrong with those.
pub(super) fn is_condition(text: &str) -> Result<()> {
    let found = compile(text, &Scope::device(&Fields::builtin())).err().unwrap_or_default();
    if found.iter().any(|found| found.code == "expr/unknown-field") {
        return Ok(());
    }
    let first = found.iter().find(|found| found.is_error());
    first.map_or(Ok(()), |first| Err(Refused::usage(format!("`{text}`: {}: {}", first.message, first.label))))
}

fn titles(args: &ImportedArgs) -> Result<Titles> {
    match &args.policy {
        Some(folder) => Ok(repository::read(folder)?.repository.titles),
        None => catalog::titles(),
    }
}

fn today(args: &ImportedArgs) -> Date {
    args.today.unwrap_or_else(|| TimeZone::UTC.to_datetime(Timestamp::now()).date())
}

fn named(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(", ")
}

fn folder(folder: &Path) -> Result<PathBuf> {
    match folder.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(folder.to_owned()),
        Ok(_) => Err(Refused::usage(format!("`{}` is no folder", folder.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Refused::usage(format!("there is no folder `{}`", folder.display())))
        }
        Err(error) => Err(error).with_context(|| folder.display().to_string()),
    }
}

/// The values of files that people named.
fn values(files: &[PathBuf], parse: impl Fn(&str) -> Result<Value, String>) -> Result<Vec<(String, Value)>> {
    let mut values = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let mut bytes = Vec::new();
        let read = if name == "-" {
            std::io::stdin().take(LARGEST + 1).read_to_end(&mut bytes)
        } else {
            match fs::File::open(file) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(Refused::usage(format!("there is no file `{name}`")));
                }
                opened => opened.with_context(|| name.clone())?.take(LARGEST + 1).read_to_end(&mut bytes),
            }
        };
        read.with_context(|| name.clone())?;
        let text = text(bytes, &name)?;
        let value = parse(&text).map_err(|why| Refused::no(format!("{name}: {why}")))?;
        values.push((name, value));
    }
    Ok(values)
}

/// All files of a folder, in the order of their names, and of those below it. What begins with a dot is passed over; links to files are
/// followed, links to folders are not, so that it ends.
fn below(root: &Path, part: &Path, depth: usize, files: &mut Vec<File>) -> Result<()> {
    let folder = root.join(part);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("{} can't be read", folder.display())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("{} can't be read", folder.display()))?;
        names.push((entry.file_name(), entry.file_type().with_context(|| entry.path().display().to_string())?));
    }
    names.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, kind) in names {
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = part.join(&name);
        if !kind.is_dir() {
            one(root, &path, files)?;
        } else if depth > 1 {
            below(root, &path, depth - 1, files)?;
        }
    }
    Ok(())
}

/// One file, where it is there. What is neither file nor link to one (a pipe, `/dev/null`) is empty.
fn one(root: &Path, part: &Path, files: &mut Vec<File>) -> Result<()> {
    let path = root.join(part);
    let name = || path.display().to_string();
    let metadata = match path.metadata() {
        Ok(metadata) if metadata.is_dir() => return Ok(()),
        Ok(metadata) => metadata,
        // A link to what is not here is followed by nobody.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(name),
    };
    if files.len() >= FILES_MOST {
        return Err(Refused::no(format!(
            "{}: there are more than {FILES_MOST} files, which no configuration has",
            root.display()
        )));
    }
    let mut bytes = Vec::new();
    if metadata.is_file() {
        let opened = fs::File::open(&path).with_context(name)?;
        opened.take(LARGEST + 1).read_to_end(&mut bytes).with_context(name)?;
    }
    let text = text(bytes, &name())?;
    files.push(File { path: part.to_string_lossy().replace('\\', "/"), text });
    Ok(())
}

fn text(bytes: Vec<u8>, name: &str) -> Result<String> {
    if bytes.len() as u64 > LARGEST {
        return Err(Refused::no(format!("{name}: it is larger than {} MiB, which no configuration is", LARGEST >> 20)));
    }
    Ok(decoded(PayloadKind::Json, &bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_condition_is_refused() {
        for (text, is) in [("\"web\" in device.tags", true), ("device.shop == \"a\"", true), ("device.os ==", false)] {
            assert_eq!(is_condition(text).is_ok(), is, "{text}");
        }
    }
}
