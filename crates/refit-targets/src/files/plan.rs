//! What has to be done in a folder, and what is left alone there.

use super::{Memory, NoFields, Placed, Wrote};
use crate::{
    diff::{Change, FieldChange, Observed, diff, fields},
    object::{Fields, Identity, Object},
    removals::{Removals, is_stopped},
    target::Target,
};
use serde::Serialize;
use serde_json::Value;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// The texts of files by their paths; an error says why one can't be read as text.
pub type Texts = BTreeMap<String, Result<String, String>>;

/// What may be done about what is not as Refit left it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What was changed by hand is undone.
    pub revert: bool,
    /// Values that others set in files that they write into as well are taken over.
    pub take: bool,
}

/// What has to change in a folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FolderPlan {
    /// Objects and fields, what goes first.
    #[serde(skip)]
    pub changes: Vec<Change>,
    /// What was changed by hand since Refit wrote it.
    pub by_hand: Vec<ByHand>,
    /// Files that are not Refit's by what it remembers, though they have its name: they are left alone.
    pub not_written: Vec<String>,
    /// What is not written, since somebody else has set it.
    pub foreign: Vec<ForeignValue>,
    /// Files that can't be read well enough to be written into, and why.
    pub unreadable: Vec<(String, String)>,
    /// What a run that was broken off had come to.
    pub broken_off: Option<BrokenOff>,
    /// The files that have to be written and taken away, in the order of changes.
    #[serde(skip)]
    pub steps: Vec<Step>,
    /// What is remembered before anything is done.
    #[serde(skip)]
    pub memory: Memory,
}

/// One file to be written or taken away.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its path in the folder.
    pub path: String,
    /// Its text; `None` takes it away.
    pub text: Option<String>,
    /// Folders that go with it where nothing else is in them, the inner ones first.
    pub emptied: Vec<String>,
    /// What is remembered once it is done.
    wrote: Option<Wrote>,
}

/// A file that was changed by hand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ByHand {
    /// The object.
    pub id: Identity,
    /// What was done to it.
    #[serde(flatten)]
    pub hand: Hand,
    /// The fields that differ from what Refit wrote.
    pub fields: Vec<FieldChange>,
    /// Whether the plan undoes it; it is left alone where not.
    pub undone: bool,
}

/// What was done to a file by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "hand", content = "why")]
pub enum Hand {
    /// Fields were changed.
    Changed,
    /// It was made such that it can't be read any more: why.
    Damaged(String),
    /// It was taken away.
    TakenAway,
    /// It stands in the place of an object of Refit's, and Refit does not remember having written it.
    NotWritten,
}

/// A value that somebody else has set in a file that they write into as well.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ForeignValue {
    /// The object that is therefore not written.
    pub id: Identity,
    /// The field.
    pub field: String,
    /// What is there.
    pub there: Value,
    /// What the policies ask for.
    pub wanted: Value,
}

/// How far a run had come that was broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BrokenOff {
    /// So many files are as they were to be.
    pub done: usize,
    /// Of so many.
    pub of: usize,
}

impl FolderPlan {
    /// What is remembered while the steps are done.
    pub fn begun(&self) -> Memory {
        let mut memory = self.memory.clone();
        memory.begun = self.steps.iter().map(|step| (step.path.clone(), step.wrote.clone())).collect();
        memory
    }

    /// What is remembered when all steps are done.
    pub fn done(&self) -> Memory {
        let mut memory = self.memory.clone();
        for step in &self.steps {
            match &step.wrote {
                Some(wrote) => drop(memory.written.insert(step.path.clone(), wrote.clone())),
                None => drop(memory.written.remove(&step.path)),
            }
        }
        memory
    }

    /// What of that which Refit wrote before would go, without what goes because its policies are `stopped`.
    pub fn removals(&self, stopped: &BTreeSet<SmolStr>) -> Removals {
        let done = self.done();
        let stays = self.memory.written.values().filter(|wrote| is_stopped(&wrote.policies, stopped));
        let after = done.written.values().chain(stays).map(|wrote| &wrote.id);
        Removals::between(self.memory.written.values().map(|wrote| &wrote.id), after)
    }

    /// Whether something that the policies ask for is not brought about by the steps.
    pub fn leaves_something(&self) -> bool {
        !self.foreign.is_empty() || !self.unreadable.is_empty() || self.by_hand.iter().any(|it| !it.undone)
    }
}

/// One file as it was found.
struct Found<'t> {
    id: Identity,
    text: &'t str,
    fields: Result<Fields, String>,
}

/// What is done about one file.
enum Fate {
    /// It is as it should be, or nothing is there and nothing is wanted.
    Nothing,
    /// It is left as somebody else made it.
    Left,
    /// It is written.
    Write,
    /// It goes, or what Refit wrote into it does.
    Remove,
}

/// Holds what should be in a folder against what was found and what is remembered. Of `there` those files count that are Refit's by their
/// names, that should be there, or that are remembered.
pub fn plan(
    target: &dyn Target,
    laid: &BTreeMap<String, Placed>,
    mut memory: Memory,
    there: &Texts,
    rules: Rules,
) -> FolderPlan {
    let found = found(target, laid, &memory, there);
    let fields_of = |path: &str| found.get(path).map(|found| found.fields.as_ref().unwrap_or(&EMPTY));
    let broken_off = memory.settle(fields_of);
    let mut plan = FolderPlan { broken_off, ..FolderPlan::default() };
    let paths: BTreeSet<&str> =
        found.keys().copied().chain(laid.keys().chain(memory.written.keys()).map(String::as_str)).collect();
    let (mut wanted, mut observed, mut places) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut written = memory.written.clone();
    for path in paths {
        let (want, wrote, is) = (laid.get(path), memory.written.get(path), found.get(path));
        let id = match (want, wrote, is) {
            (Some(want), ..) => &want.object.id,
            (_, Some(wrote), _) => &wrote.id,
            (.., Some(is)) => &is.id,
            (None, None, None) => continue,
        };
        match fate(path, want, wrote, is, rules, &mut plan) {
            Fate::Left => continue,
            Fate::Nothing => {
                match want {
                    Some(want) => drop(written.insert(path.to_owned(), wrote_of(want, wrote, is))),
                    None => drop(written.remove(path)),
                }
                continue;
            }
            Fate::Write => {
                if let Some(want) = want {
                    wanted.insert(id.clone(), want.object.clone());
                }
            }
            // What others had there before is what should be there then.
            Fate::Remove => {
                if let Some(wrote) = wrote.filter(|wrote| wrote.shared.is_some()) {
                    if is.is_none_or(|is| ours(is, want, Some(wrote)) == wrote.displaced) {
                        written.remove(path);
                        continue;
                    }
                    let mut object = Object::new(id.clone(), "what others had set before".to_owned());
                    object.fields.clone_from(&wrote.displaced);
                    wanted.insert(id.clone(), object);
                }
            }
        }
        if let Some(is) = is {
            observed.insert(id.clone(), Observed { fields: ours(is, want, wrote) });
        }
        places.insert(id.clone(), path);
    }
    plan.changes = diff(&wanted, &observed, target.derived());
    for change in &plan.changes {
        let Some(path) = places.get(change.id()).copied() else { continue };
        match step(target, path, laid.get(path), memory.written.get(path), found.get(path)) {
            Ok(step) => plan.steps.push(step),
            Err(error) => plan.unreadable.push((path.to_owned(), error.0)),
        }
    }
    let unreadable: BTreeSet<&str> = plan.unreadable.iter().map(|(path, _)| path.as_str()).collect();
    plan.changes.retain(|change| places.get(change.id()).is_none_or(|path| !unreadable.contains(path)));
    plan.memory = Memory { written, ..Memory::default() };
    plan
}

static EMPTY: Fields = Fields::new();

fn found<'t>(
    target: &dyn Target,
    laid: &BTreeMap<String, Placed>,
    memory: &Memory,
    there: &'t Texts,
) -> BTreeMap<&'t str, Found<'t>> {
    let Some(files) = target.files() else { return BTreeMap::new() };
    let mut found = BTreeMap::new();
    for (path, text) in there {
        let (want, meant) = (laid.get(path), memory.meant(path));
        let known = want.map(|want| &want.object.id).or(meant.map(|wrote| &wrote.id)).cloned();
        let Some(id) = known.or_else(|| files.identity(path)) else { continue };
        let shared = want.and_then(|want| want.shared).or(meant.and_then(|wrote| wrote.shared));
        let fields = text.as_ref().map_err(Clone::clone).and_then(|text| {
            let read = match shared {
                Some(shared) => shared.read(text),
                None => files.fields(&id.kind, text),
            };
            read.map_err(|error| error.0)
        });
        found.insert(path.as_str(), Found { id, text: text.as_deref().unwrap_or_default(), fields });
    }
    found
}

/// The fields of a file that concern Refit: in one that others write into as well, those that it wrote or would write.
fn ours(is: &Found<'_>, want: Option<&Placed>, wrote: Option<&Wrote>) -> Fields {
    let fields = is.fields.as_ref().unwrap_or(&EMPTY);
    let shared = want.map_or_else(|| wrote.and_then(|wrote| wrote.shared), |want| want.shared);
    if shared.is_none() {
        return fields.clone();
    }
    let concerns = |name: &str| {
        want.is_some_and(|want| want.object.fields.contains_key(name))
            || wrote.is_some_and(|wrote| wrote.fields.contains_key(name))
    };
    fields.iter().filter(|(name, _)| concerns(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn fate(
    path: &str,
    want: Option<&Placed>,
    wrote: Option<&Wrote>,
    is: Option<&Found<'_>>,
    rules: Rules,
    plan: &mut FolderPlan,
) -> Fate {
    // A file that others write into as well, and that can't be read, is nobody's to write over.
    let shared = want.map_or_else(|| wrote.and_then(|wrote| wrote.shared), |want| want.shared);
    if let (Some(_), Some(Err(why))) = (shared, is.map(|is| &is.fields)) {
        plan.unreadable.push((path.to_owned(), why.clone()));
        return Fate::Left;
    }
    if is_as_wanted(want, wrote, is) {
        return Fate::Nothing;
    }
    let asked = if want.is_some() { Fate::Write } else { Fate::Remove };
    let hand = match (wrote, is) {
        (None, None) => return asked,
        (Some(wrote), Some(is)) if is.fields.as_ref().is_ok_and(|fields| wrote.stands_in(fields)) => {
            return not_foreign(want, Some(wrote), is, rules, plan, asked);
        }
        (None, Some(is)) if shared.is_some() => return not_foreign(want, None, is, rules, plan, asked),
        (None, Some(_)) if want.is_none() => {
            plan.not_written.push(path.to_owned());
            return Fate::Left;
        }
        (None, Some(_)) => Hand::NotWritten,
        (Some(_), None) if want.is_none() => return Fate::Nothing,
        (Some(_), None) => Hand::TakenAway,
        (Some(_), Some(is)) => match &is.fields {
            Ok(_) => Hand::Changed,
            Err(why) => Hand::Damaged(why.clone()),
        },
    };
    let before = wrote.map_or(&EMPTY, |wrote| &wrote.fields);
    let fields = match (&hand, is) {
        (Hand::Changed, Some(is)) => fields(before, &ours(is, None, wrote), &[]),
        _ => Vec::new(),
    };
    let id = want.map(|want| &want.object.id).or(wrote.map(|wrote| &wrote.id)).or(is.map(|is| &is.id));
    if let Some(id) = id {
        plan.by_hand.push(ByHand { id: id.clone(), hand, fields, undone: rules.revert });
    }
    if rules.revert { asked } else { Fate::Left }
}

fn is_as_wanted(want: Option<&Placed>, wrote: Option<&Wrote>, is: Option<&Found<'_>>) -> bool {
    let (Some(want), Some(Ok(there))) = (want, is.map(|is| &is.fields)) else { return false };
    match want.shared {
        None => want.object.fields == *there,
        Some(_) => {
            let all = want.object.fields.iter().all(|(name, value)| there.get(name) == Some(value));
            // What it wrote and is not asked for any more has to go.
            all && wrote.is_none_or(|wrote| wrote.fields.keys().all(|name| want.object.fields.contains_key(name)))
        }
    }
}

/// Whether nobody else has set what would be written into a file that others write into as well.
fn not_foreign(
    want: Option<&Placed>,
    wrote: Option<&Wrote>,
    is: &Found<'_>,
    rules: Rules,
    plan: &mut FolderPlan,
    asked: Fate,
) -> Fate {
    let (Some(want), Ok(there)) = (want.filter(|want| want.shared.is_some()), &is.fields) else { return asked };
    if rules.take {
        return asked;
    }
    let theirs =
        want.object.fields.iter().filter(|(name, _)| wrote.is_none_or(|wrote| !wrote.fields.contains_key(*name)));
    let mut foreign = Vec::new();
    for (field, wanted) in theirs {
        if let Some(value) = there.get(field).filter(|value| *value != wanted) {
            let (there, wanted) = (value.clone(), wanted.clone());
            foreign.push(ForeignValue { id: want.object.id.clone(), field: field.clone(), there, wanted });
        }
    }
    let is_free = foreign.is_empty();
    plan.foreign.extend(foreign);
    if is_free { asked } else { Fate::Left }
}

/// What is remembered of a file once it is as it should be.
fn wrote_of(want: &Placed, wrote: Option<&Wrote>, is: Option<&Found<'_>>) -> Wrote {
    let Placed { object, shared } = want;
    let mut displaced = Fields::new();
    if shared.is_some() {
        let there = is.and_then(|is| is.fields.as_ref().ok());
        for name in object.fields.keys() {
            let before = match wrote.filter(|wrote| wrote.fields.contains_key(name)) {
                Some(wrote) => wrote.displaced.get(name),
                None => there.and_then(|there| there.get(name)),
            };
            if let Some(before) = before {
                displaced.insert(name.clone(), before.clone());
            }
        }
    }
    let created = shared.is_some() && wrote.map_or(is.is_none(), |wrote| wrote.created);
    Wrote {
        id: object.id.clone(),
        fields: object.fields.clone(),
        policies: object.policies(),
        shared: *shared,
        displaced,
        created,
    }
}

fn step(
    target: &dyn Target,
    path: &str,
    want: Option<&Placed>,
    wrote: Option<&Wrote>,
    is: Option<&Found<'_>>,
) -> Result<Step, NoFields> {
    let written = |text: String, wrote: Option<Wrote>| Step {
        path: path.to_owned(),
        text: Some(text),
        emptied: Vec::new(),
        wrote,
    };
    let there = is.map_or("", |is| is.text);
    if let Some(want) = want {
        let after = wrote_of(want, wrote, is);
        let text = match want.shared {
            None => target.document(&want.object).text,
            Some(shared) => {
                let (mut set, mut unset) = (want.object.fields.clone(), BTreeSet::new());
                if let Some(wrote) = wrote {
                    put_back(wrote, &mut set, &mut unset);
                }
                shared.merged(there, &set, &unset)?
            }
        };
        return Ok(written(text, Some(after)));
    }
    let gone = Step { path: path.to_owned(), text: None, emptied: emptied(path), wrote: None };
    let Some((wrote, shared)) = wrote.and_then(|wrote| Some((wrote, wrote.shared?))) else { return Ok(gone) };
    let (mut set, mut unset) = (Fields::new(), BTreeSet::new());
    put_back(wrote, &mut set, &mut unset);
    let text = shared.merged(there, &set, &unset)?;
    let is_empty = shared.read(&text).is_ok_and(|fields| fields.is_empty());
    Ok(if wrote.created && is_empty { gone } else { written(text, None) })
}

/// What Refit wrote and is not set any more goes, or becomes again what others had set.
fn put_back(wrote: &Wrote, set: &mut Fields, unset: &mut BTreeSet<String>) {
    for name in wrote.fields.keys().filter(|name| !set.contains_key(*name)).cloned().collect::<Vec<_>>() {
        match wrote.displaced.get(&name) {
            Some(before) => {
                set.insert(name, before.clone());
            }
            None => {
                unset.insert(name);
            }
        }
    }
}

/// The folders above a file that are Refit's by their names, the inner ones first.
fn emptied(path: &str) -> Vec<String> {
    let is_ours = |folder: &str| Identity::new("folder", folder.to_owned()).is_owned();
    let folders = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
    let mut folders: Vec<String> = folders.filter(|folder| is_ours(folder)).map(str::to_owned).collect();
    folders.reverse();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_refit_go_with_what_was_in_them() {
        assert_eq!(emptied("refit-a/etc/apt/x"), ["refit-a/etc/apt", "refit-a/etc", "refit-a"]);
        assert_eq!(emptied("manifests/refit/x"), ["manifests/refit"]);
        assert!(emptied("etc/systemd/system/apt-daily-upgrade.timer.d/refit.conf").is_empty());
    }
}
