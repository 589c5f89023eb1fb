//! Reading one source and taking in what it says. The command `refit sources sync` and a server do it in the same way.

use super::{
    asking::Asking,
    data::Stored,
    reading::{self, Answer, Wanted},
};
use crate::{Refused, connectors};
use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use refit_core::{
    control::report,
    facts::{
        FieldRef, Fields,
        estate::{Estate, Incoming, REFIT, SHRINK_LIMIT, UncoveredValue},
        identity::{Change, RecordId},
        mapping::{Connector, Maps, Quarantined, SetAside, document::PayloadKind},
    },
    policy::{
        diagnostic::{Files, Renderer},
        document::outside::SourceDocument,
        load::Documents,
    },
};
use serde::Serialize;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

/// Where systems, their secrets and files are: whoever runs Refit says that, and nobody who writes policy.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Addresses, by source.
    pub connect: Vec<(String, String)>,
    /// Files of secrets, by source and secret: `okta.private_key`.
    pub secret: Vec<(String, String)>,
    /// Files that are a source, by source.
    pub file: Vec<(String, String)>,
    /// The folder of the files that sources name by `path:`, without links in it ([`folder`]).
    pub folder: Option<PathBuf>,
}

impl Places {
    /// Where a system is.
    pub fn address(&self, name: &str) -> Option<&str> {
        self.connect.iter().find(|(named, _)| named == name).map(|(_, address)| address.as_str())
    }

    /// The files of the secrets of a system, by the name of each.
    pub fn secrets(&self, name: &str) -> Result<BTreeMap<String, PathBuf>> {
        let mut secrets = BTreeMap::new();
        for (named, file) in &self.secret {
            match named.split_once('.') {
                Some((of, secret)) if of == name => {
                    secrets.insert(secret.to_owned(), PathBuf::from(file));
                }
                None if named == name => {
                    return Err(Refused::usage(format!(
                        "`--secret {named}=…`: say which secret, `{named}.SECRET=FILE`"
                    )));
                }
                _ => {}
            }
        }
        Ok(secrets)
    }
}

/// What a policy repository says that reading its sources needs.
#[derive(Clone, Copy)]
pub struct Policy<'p> {
    /// Its files: an organisation's own connectors are among them.
    pub files: &'p Files,
    /// The fields that there are.
    pub fields: &'p Fields,
    /// The time zone of the organisation itself, which says which day it is when a system is asked for a day.
    pub zone: Option<&'p SmolStr>,
    /// Its folder, where it is one on this machine.
    pub folder: Option<&'p Path>,
}

/// How a source is to be read.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// What of it is wanted.
    pub wanted: Wanted,
    /// Whether it is believed however much is missing.
    pub believe: bool,
}

/// One source as it was read; `refit sources sync --json`.
#[derive(Serialize)]
pub struct Synced {
    pub source: SmolStr,
    /// `read`, `failed`, `not_believed`, or `resting`: it was read so lately that it is not asked yet.
    pub result: &'static str,
    pub records: usize,
    pub whole: bool,
    pub requests: u32,
    pub quarantined: Vec<Quarantined>,
    pub uncovered: Vec<UncoveredValue>,
    pub changes: Vec<Change>,
    /// What is to be known of how it was read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Whether it was never read before.
    #[serde(skip)]
    pub never: bool,
}

impl Synced {
    /// Nothing was read, for this reason.
    pub fn without(name: &str, result: &'static str, why: String) -> Synced {
        Synced {
            source: name.into(),
            result,
            records: 0,
            whole: false,
            requests: 0,
            quarantined: Vec::new(),
            uncovered: Vec::new(),
            changes: Vec::new(),
            notes: Vec::new(),
            why: Some(why),
            never: false,
        }
    }

    /// Whether the source keeps its last good state.
    pub fn raises_alarm(&self) -> bool {
        matches!(self.result, "failed" | "not_believed")
    }
}

/// In place of the connector of a source that tells a server by itself what it knows.
const TELLS_BY_ITSELF: &str = "scim";

/// The sources of a policy repository that are systems to read. A monitoring system that gates listen to is asked for signals alone; of agents and
/// of Refit itself it is only said how long their word counts.
pub fn sources(documents: &Documents) -> impl Iterator<Item = &SourceDocument> {
    let sources = documents.sources.iter().map(|written| &written.document);
    sources.filter(|source| match &source.connector {
        Some(_) => !tells_by_itself(source),
        None => source.signals.is_empty() && ![report::SOURCE, REFIT].contains(&source.source.as_str()),
    })
}

/// Whether a source tells a server by itself what it knows, so that there is nothing to read.
pub fn tells_by_itself(source: &SourceDocument) -> bool {
    source.connector.as_deref() == Some(TELLS_BY_ITSELF)
}

/// Since when a source need not be asked, and for how much longer: it was read less than its `every` ago. One that is not believed
/// does not rest.
pub fn rests(source: &SourceDocument, kept: &Stored, now: Timestamp) -> Option<(SignedDuration, SignedDuration)> {
    let every = source.every?.0;
    let read = kept.source.read.filter(|_| kept.source.alarm.is_none())?;
    let ago = now.duration_since(read);
    (ago < every).then(|| (ago, every - ago))
}

/// Reads a source, and takes in what it says: into `estate` who is who and what is known, into `kept` where the next reading begins.
///
/// # Errors
///
/// Where whoever runs this has to say something else first: nothing is the source's fault, and nothing has changed.
pub fn sync(
    source: &SourceDocument,
    policy: Policy<'_>,
    places: &Places,
    how: How,
    estate: &mut Estate,
    kept: &mut Stored,
    now: Timestamp,
) -> Result<Synced> {
    let name = source.source.as_str();
    let synced = match read(source, policy, places, how.wanted, kept, now) {
        Err(error) if error.is::<Refused>() => return Err(error),
        Err(error) => failed(name, format!("{error:#}"), estate, kept, now),
        Ok(answer) if !answer.is_file && answer.asked.is_empty() => {
            let why = "each of its lists was asked so lately that it is not asked yet";
            Synced::without(name, "resting", why.to_owned())
        }
        Ok(answer) => take(source, how.believe, answer, estate, kept, now),
    };
    kept.source = estate.sources.get(name).cloned().unwrap_or_default();
    Ok(synced)
}

/// Notes that a source could not be read.
pub fn failed(name: &str, why: String, estate: &mut Estate, kept: &mut Stored, now: Timestamp) -> Synced {
    estate.fail(name, now, why.clone());
    kept.source = estate.sources.get(name).cloned().unwrap_or_default();
    Synced { never: kept.source.read.is_none(), ..Synced::without(name, "failed", why) }
}

fn read(
    source: &SourceDocument,
    policy: Policy<'_>,
    places: &Places,
    wanted: Wanted,
    kept: &Stored,
    now: Timestamp,
) -> Result<Answer> {
    let name = source.source.as_str();
    let (connector, built_in) = connector(source, policy)?;
    let maps = maps(source)?;
    let asking = Asking::new(source, &connector.document, built_in, places.address(name), places.secrets(name)?)?;
    let asking = asking.in_zone(policy.zone);
    // A server has the policy's documents, and no other file of its folder.
    let given = places.file.iter().find(|(named, _)| named == name).map(|(_, file)| file);
    let file = match (given, asking.file(), places.folder.as_deref().or(policy.folder)) {
        (Some(path), _, _) => Some(PathBuf::from(path)),
        (None, Some(path), Some(folder)) => Some(within(folder, name, path)?),
        (None, _, _) => None,
    };
    let no_file = || {
        let folder = asking.file().map(|path| format!(", or `--files FOLDER` in which its `path: {path}` is"));
        let folder = folder.unwrap_or_default();
        Refused::usage(format!("say which file the source `{name}` is: `--file {name}=FILE`{folder}"))
    };
    let answer = if connector.document.reads == PayloadKind::Sql {
        if file.is_none() && connector.document.address.is_none() {
            return Err(no_file());
        }
        reading::database(&connector, &asking, file, &maps, kept, wanted, now)
    } else if reading::is_file(&connector) {
        reading::file(&connector, &file.ok_or_else(no_file)?, &maps)
    } else {
        reading::system(&connector, &asking, &maps, kept, wanted, now)
    };
    Ok(Answer { purposes: connector.purposes(), unlisted: connector.unlisted(), ..answer? })
}

/// The folder that files are named in, with all links followed.
///
/// # Errors
///
/// Where it is none, or can't be read.
pub fn folder(path: &Path) -> Result<PathBuf> {
    let wrong = |why: String| Refused::usage(format!("`--files {}`: {why}", path.display()));
    let real = path.canonicalize().map_err(|error| wrong(error.to_string()))?;
    if real.is_dir() { Ok(real) } else { Err(wrong("it is no folder".to_owned())) }
}

/// The file that a policy names by `path:`. Whoever writes policy chooses among the files of one folder, and reads no other that this program may
/// read: neither by `..` nor by a link. What is given has no links in it, so that one that is changed now leads nowhere else.
fn within(folder: &Path, source: &str, path: &str) -> Result<PathBuf> {
    let inside = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let file = folder.join(path);
    let real = match inside {
        true => Some(file.canonicalize().with_context(|| file.display().to_string())?),
        false => None,
    };
    match real.filter(|real| real.starts_with(folder)) {
        None => Err(Refused::usage(format!(
            "`path: {path}` leads out of {}; give the file with `--file {source}=FILE`",
            folder.display()
        ))),
        // Reading a pipe would wait for ever.
        Some(real) if !real.is_file() => Err(Refused::usage(format!("`path: {path}` is no file"))),
        Some(real) => Ok(real),
    }
}

/// A source's connector, and whether it is one that comes with Refit.
pub fn connector(source: &SourceDocument, policy: Policy<'_>) -> Result<(Connector, bool)> {
    let name = source.connector.as_deref().unwrap_or(&source.source);
    let built_in = connectors::names().contains(&name);
    // A connector of the organisation's own lies beside its policies.
    let path = format!("{name}/connector.yaml");
    let own = policy.files.0.iter().find(|file| !built_in && file.path == path);
    let read = match own {
        Some(file) => connectors::parsed(file.path.clone(), file.text.as_bytes(), policy.fields),
        None => connectors::read(name, policy.fields)?,
    };
    match read.connector {
        Some(connector) => Ok((connector, built_in)),
        None => {
            let renderer = Renderer::new(&read.files);
            let mut why = format!("the connector `{name}` can't be used");
            for found in &read.diagnostics {
                why += &format!("\n{}", renderer.render(found));
            }
            Err(Refused::no(why))
        }
    }
}

fn maps(source: &SourceDocument) -> Result<Maps> {
    let mut maps = Maps::new();
    for (field, names) in &source.maps {
        let field = field.parse::<FieldRef>().map_err(|error| Refused::no(format!("{}: {error}", source.source)))?;
        maps.entry(field).or_default().extend(names.clone());
    }
    Ok(maps)
}

fn take(
    source: &SourceDocument,
    believe: bool,
    answer: Answer,
    estate: &mut Estate,
    kept: &mut Stored,
    now: Timestamp,
) -> Synced {
    let name = SmolStr::from(source.source.as_str());
    let limit = source.shrink_limit.map_or(SHRINK_LIMIT, |share| share.0);
    let shrink_limit = (!believe).then_some(limit);
    let Answer { records, quarantined, uncovered, whole, partial, resting, .. } = answer;
    let Answer { marks, unmarked, is_file, asked, notes, requests, purposes, refused, mut unlisted, mut unfit, .. } =
        answer;
    let (count, all) = (records.len(), is_file || asked.values().all(|whole| *whole));
    let unread = quarantined.iter().filter(|aside| aside.what == SetAside::Record).count();
    let incoming = Incoming { source: &name, records, whole, partial, resting, at: now, unread, shrink_limit };
    // A list that is not there names nobody, and so says nothing of the others.
    unlisted.retain(|_, unlisted| !refused.contains(&unlisted.records));
    estate.sources.entry(name.clone()).or_default().unlisted = unlisted;
    match estate.take(incoming, RecordId::mint) {
        Err(alarm) => {
            Synced { records: count, quarantined, ..Synced::without(&name, "not_believed", alarm.to_string()) }
        }
        Ok(changes) => {
            let state = estate.sources.entry(name.clone()).or_default();
            state.purposes = purposes;
            let lists = if is_file { BTreeMap::from([(SmolStr::default(), true)]) } else { asked.clone() };
            for (list, whole) in &lists {
                state.note_unfit(list, unfit.remove(list).unwrap_or_default(), *whole);
            }
            kept.marks.retain(|list, _| !unmarked.contains(list));
            kept.marks.extend(marks);
            if is_file {
                kept.whole = Some(now);
            } else {
                kept.asked(asked, now);
            }
            let uncovered = uncovered.into_iter();
            Synced {
                source: name,
                result: "read",
                records: count,
                whole: all,
                requests,
                quarantined,
                uncovered: uncovered
                    .map(|((field, value), records)| UncoveredValue { field: field.into(), value, records })
                    .collect(),
                changes,
                notes,
                why: None,
                never: false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_path_leads_to_files_of_the_folder_alone() {
        let home = tempfile::tempdir().unwrap();
        let files = home.path().join("files");
        fs::create_dir_all(files.join("hr")).unwrap();
        fs::write(files.join("hr/people.csv"), "a").unwrap();
        fs::write(home.path().join("shadow"), "secret").unwrap();
        let files = folder(&files).unwrap();
        let found = |path: &str| within(&files, "hr", path).map_err(|error| format!("{error:#}"));
        let people = files.join("hr/people.csv");
        assert_eq!(found("hr/people.csv"), Ok(people.clone()));
        assert_eq!(found("./hr/people.csv"), Ok(people.clone()));
        let outside = home.path().join("shadow").display().to_string();
        for path in ["../shadow", "hr/../../shadow", "hr/../hr/people.csv", outside.as_str()] {
            let refused = found(path).unwrap_err();
            assert!(refused.contains("leads out of") && refused.contains("`--file hr=FILE`"), "{path}: {refused}");
        }
        assert!(found("hr").unwrap_err().contains("is no file"));
        assert!(found("").unwrap_err().contains("is no file"));
        assert!(found("none.csv").unwrap_err().contains("none.csv"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink("hr/people.csv", files.join("link.csv")).unwrap();
            assert_eq!(found("link.csv"), Ok(people), "a link within the folder leads to the file itself");
            symlink(home.path(), files.join("up")).unwrap();
            symlink(home.path().join("shadow"), files.join("out.csv")).unwrap();
            for path in ["up/shadow", "out.csv"] {
                assert!(found(path).unwrap_err().contains("leads out of"), "{path}");
            }
        }
        assert!(folder(&files.join("hr/people.csv")).unwrap_err().to_string().contains("it is no folder"));
    }
}
