//! What other systems were configured to do, as policy.
//!
//! Each module reads the configuration of one tool and writes documents that give devices the target and the due time that they have by
//! it. Beside every line stands the object and field that it comes from; what the language has no words for is listed ([`LeftOut`]), and
//! nothing is left out silently: settings that a module does not know are listed too.
//!
//! Who belongs to what is a fact that only the old system knows (its groups, its manifests). Conditions ask for it by a field of the
//! organisation's own, which is declared with them ([`Imported::fields`]).

pub mod apt;
mod conditions;
mod document;
pub mod intune;
pub mod jamf;
pub mod munki;

pub use document::{Document, Entry};

use document::{flow, visible};
use jiff::{Timestamp, civil::Date};
use refit_core::policy::{
    check::{CheckWorld, check},
    diagnostic::{Files, Place},
    document::title::System,
    load::load,
    repository::Title,
    resolve::{Titles, resolve},
    syntax::Limits,
};
use refit_model::{Scheme, TitleId, Version, VersionRange};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A file of an old configuration: its path, as people know it, and its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Its path, below the folder that was named.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What an old configuration comes to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Imported {
    /// Fields of the organisation's own that conditions ask for.
    pub fields: BTreeMap<String, Field>,
    /// Windows that policies use.
    pub windows: BTreeMap<String, Window>,
    /// When nothing may be changed.
    pub freezes: Vec<Freeze>,
    /// Policies, exceptions, blocks and titles.
    pub documents: Vec<Document>,
    /// What the language has no words for.
    pub left_out: BTreeSet<LeftOut>,
}

/// A field of the organisation's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its type: `text` or `list`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What a source has to say in it.
    pub what: &'static str,
}

/// A window, as `refit.yaml` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// When it opens.
    pub rrule: String,
    /// How long it is open.
    pub lasts: String,
    /// The object and field that it comes from.
    pub from: String,
}

/// A freeze, as `refit.yaml` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// Its name.
    pub name: String,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// Whom it concerns.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The object and field that it comes from.
    pub origin: String,
}

/// What could not be represented.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// The object: a file, a policy of the other system.
    pub object: String,
    /// The field; empty where it is all of it.
    pub field: String,
    /// Why, and what to do.
    pub why: String,
}

impl Imported {
    fn leave_out(&mut self, object: &str, field: &str, why: impl Into<String>) {
        self.left_out.insert(LeftOut { object: visible(object), field: visible(field), why: visible(&why.into()) });
    }

    fn field(&mut self, name: &str, kind: &'static str, what: &'static str) {
        self.fields.insert(name.to_owned(), Field { kind, what });
    }

    /// Takes out what never counts: two of the other system's objects may be for the same devices, and there only the first does anything.
    fn settle(mut self, titles: &Titles) -> Imported {
        // Each round takes out one layer; what is left after that is for `refit check` to say.
        for _ in 0..4 {
            let idle = self.idle(titles);
            if idle.is_empty() {
                break;
            }
            let mut index = 0;
            let mut names = Vec::new();
            self.documents.retain(|document| {
                let stays = !idle.contains(&index);
                index += 1;
                if !stays {
                    names.push(document.name().to_owned());
                }
                stays
            });
            for name in names {
                self.leave_out(&name, "", "others come before it wherever it applies: it would change nothing");
            }
        }
        self
    }

    /// The places of documents that change nothing, as `refit check` finds them.
    fn idle(&self, titles: &Titles) -> BTreeSet<usize> {
        const CODES: [&str; 2] = ["policy/never-decides", "policy/changes-nothing"];
        let limits = Limits::default();
        let mut files = Files::default();
        let text = self.yaml(Some("imported"));
        if files.add("imported.yaml", text.as_bytes(), &limits).is_err() {
            return BTreeSet::new();
        }
        let (documents, _) = load(&files, &limits);
        let (repository, _) = resolve(&documents, &files, titles);
        // Nothing that is asked here depends on the time.
        let found = check(&documents, &files, &repository, &CheckWorld::default(), Timestamp::UNIX_EPOCH);
        let places = found.iter().filter(|it| CODES.contains(&it.code)).filter_map(|it| it.place.as_ref());
        // The organisation is the first document.
        let number = |place: &Place| text.get(..place.span.start)?.matches("\n---\n").count().checked_sub(1);
        places.filter_map(number).collect()
    }

    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// What belongs into `refit.yaml`: one document of an organisation.
    fn organization(&self, name: &str) -> String {
        let mut text = format!("organization: {}\n", flow(&json!(name)));
        if !self.fields.is_empty() {
            text += "fields:\n";
        }
        for (field, Field { kind, what }) in &self.fields {
            text += &format!("  {field}: {kind}  # {what}\n");
        }
        if !self.windows.is_empty() {
            text += "windows:\n";
        }
        for (name, Window { rrule, lasts, from }) in &self.windows {
            let (name, rrule, lasts) = (flow(&json!(name)), flow(&json!(rrule)), flow(&json!(lasts)));
            text += &format!("  {name}: {{ rrule: {rrule}, lasts: {lasts} }}  # {}\n", visible(from));
        }
        if !self.freezes.is_empty() {
            text += "freezes:\n";
        }
        for Freeze { name, from, to, condition, origin } in &self.freezes {
            let mut entry = format!("name: {}, from: {from}, to: {to}", flow(&json!(name)));
            if let Some(condition) = condition {
                entry += &format!(", where: {}", flow(&json!(condition)));
            }
            text += &format!("  - {{ {entry} }}  # {}\n", visible(origin));
        }
        text
    }

    /// The documents as YAML. With the name of an organisation they are a repository of their own; else what belongs into `refit.yaml`
    /// stands above them as a comment.
    pub fn yaml(&self, organization: Option<&str>) -> String {
        let mut parts = Vec::new();
        match organization {
            Some(name) => parts.push(self.organization(name)),
            None if self.fields.is_empty() && self.windows.is_empty() && self.freezes.is_empty() => {}
            None => {
                let whole = self.organization("");
                let below = whole.split_once('\n').map_or("", |(_, below)| below);
                let commented: String = below.lines().map(|line| format!("# {line}\n")).collect();
                parts.push(format!("# To be put into refit.yaml:\n#\n{commented}"));
            }
        }
        let split = parts.len();
        parts.extend(self.documents.iter().map(Document::yaml));
        // A comment is no document: what follows it needs no line between.
        if organization.is_none() && split == 1 && parts.len() > 1 {
            let head = parts.remove(0);
            if let Some(first) = parts.first_mut() {
                *first = format!("{head}\n{first}");
            }
        }
        parts.join("---\n")
    }
}

/// Titles by what other systems call them, and names that were given already.
struct Names<'t> {
    titles: &'t Titles,
    known: BTreeMap<String, TitleId>,
    used: BTreeSet<String>,
}

impl<'t> Names<'t> {
    fn new(titles: &'t Titles) -> Names<'t> {
        Names { titles, known: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// The title of the catalog that another system calls so.
    fn known(&self, system: System, name: &str) -> Option<(&'t TitleId, &'t Title)> {
        self.titles.iter().find(|(_, title)| {
            title.document.identifiers.get(&system).is_some_and(|names| names.iter().any(|known| known == name))
        })
    }

    /// The title that another system calls so: the catalog's, where its identifiers or its own names have it, else one of its own, whose
    /// document is added.
    fn title(&mut self, system: (System, &'static str), name: &str, shown: &str, imported: &mut Imported) -> TitleId {
        if let Some((id, _)) = self.known(system.0, name) {
            return id.clone();
        }
        if let Some(id) = self.known.get(name) {
            return id.clone();
        }
        let short = crate::object::word(name, 60);
        let short = if short.is_empty() { "item".to_owned() } else { short };
        let is_named = |id: &TitleId, title: &Title| {
            let called = title.document.name.as_deref().unwrap_or_default();
            id.as_str() == short || called.eq_ignore_ascii_case(name) || called.eq_ignore_ascii_case(shown)
        };
        if let Some((id, _)) = self.titles.iter().find(|(id, title)| is_named(id, title)) {
            self.known.insert(name.to_owned(), id.clone());
            let why = format!(
                "it is taken for the title {id}, by its name: if it is other software, write a `title:` document with \
                 `identifiers: {{ {}: [{name}] }}`",
                system.1
            );
            imported.leave_out(name, "name", why);
            return id.clone();
        }
        let mut id = short.clone();
        let mut number = 1;
        while !self.used.insert(format!("title {id}")) {
            number += 1;
            id = format!("{short}-{number}");
        }
        let document = Document::new("title", &id, &format!("the catalog has no title that {} calls {name}", system.1))
            .with("name", json!(shown), "")
            .with("identifiers", json!({ (system.1): [name] }), "")
            .with("moved_by", json!({ "macos": "target" }), "");
        imported.documents.push(document);
        let id = TitleId::new(&id);
        self.known.insert(name.to_owned(), id.clone());
        id
    }

    /// The target that is one version: of the branch that has it, where the title has several.
    fn pinned(&self, title: &TitleId, version: &str) -> Option<Value> {
        let known = self.titles.get(title);
        let scheme = known.map_or(Scheme::Generic, |title| title.document.scheme);
        let range = format!("={version}");
        VersionRange::parse(scheme, &range).ok()?;
        let parsed = Version::parse(scheme, version).ok()?;
        Some(match known.and_then(|title| title.branch_of(&parsed)) {
            Some(branch) => json!({ "branch": branch.name.as_str(), "release": range }),
            None => json!(range),
        })
    }

    /// A name that no other document of the kind has.
    fn unused(&mut self, kind: &str, name: &str) -> String {
        let name = visible(name);
        let mut unused = name.clone();
        let mut number = 1;
        while !self.used.insert(format!("{kind} {unused}")) {
            number += 1;
            unused = format!("{name} ({number})");
        }
        unused
    }
}

/// A text, of what may be one.
fn text_of<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value[key].as_str().filter(|text| !text.is_empty())
}
