//! A Munki repository: what its manifests ask for, at the versions that its catalogs have.
//!
//! A Mac has one manifest of its own; what that includes counts as if it stood in it. Lists are looked at in the order in which Munki
//! does (installs, removals, updates); of what is named twice, the first counts. An item comes from the first catalog of the manifest
//! that has one which the Mac may install, and there it is the newest (munki wiki: *Manifests*, *Conditional Items*, *Supported Pkginfo
//! Keys*; `updatecheck/manifestutils` and `catalogs` of munki's own source).

mod predicate;
mod repository;

use super::{
    Document, File, Imported, Names,
    conditions::{all, not, one_of},
    document::day,
};
use crate::targets::{munki::split, plist::DATE};
use jiff::{ToSpan as _, civil};
use refit_core::policy::{document::title::System, resolve::Titles};
use repository::{Item, Manifest, Repository};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The field that says which manifest is a Mac's own.
const FIELD: &str = "device.munki_manifest";

/// How many days after a date of Munki's the exception that has it ends: exceptions have to end.
const LASTS: i64 = 90;

/// So deep manifests may include one another.
const DEEPEST: usize = 50;

/// So many manifests, each as often as it is included, one may be made of.
const PARTS_MOST: usize = 20_000;

/// The lists of a manifest that move software, in the order in which Munki looks at them.
const LISTS: [List; 3] = [List::Installs, List::Uninstalls, List::Updates];

/// Keys of manifests that are read, and such as move nothing.
const MANIFEST_KEYS: [&str; 12] = [
    "_metadata",
    "admin_notes",
    "catalogs",
    "condition",
    "conditional_items",
    "display_name",
    "included_manifests",
    "managed_installs",
    "managed_uninstalls",
    "managed_updates",
    "notes",
    "user",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum List {
    Installs,
    Uninstalls,
    Updates,
}

impl List {
    fn key(self) -> &'static str {
        match self {
            List::Installs => "managed_installs",
            List::Uninstalls => "managed_uninstalls",
            List::Updates => "managed_updates",
        }
    }

    fn presence(self) -> &'static str {
        match self {
            List::Installs => "required",
            List::Uninstalls => "forbidden",
            List::Updates => "if_present",
        }
    }
}

/// What a manifest asks for: a reference in one of its lists, with the catalogs and conditions that hold there.
#[derive(Clone, Debug)]
struct Asked {
    reference: String,
    list: List,
    catalogs: Vec<String>,
    conditions: Vec<String>,
    from: String,
}

/// What becomes of an item on Macs for which some conditions hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Choice {
    conditions: Vec<String>,
    list: List,
    version: Option<String>,
    at: Option<civil::DateTime>,
    unattended: bool,
    restarts: bool,
    /// Where it is asked for, and the item.
    asked_by: String,
    item: String,
}

/// The documents that a repository comes to. `today` is when exceptions are counted from whose date has passed.
pub fn import(files: &[File], titles: &Titles, today: civil::Date) -> Imported {
    let mut imported = Imported::default();
    let repository = Repository::read(files, &mut imported);
    let mut groups: BTreeMap<(String, Vec<Choice>), Vec<String>> = BTreeMap::new();
    for name in repository.own_manifests() {
        for (item, choices) in choices(&repository, &name, &mut imported) {
            // Macs of several manifests share documents where the same list asks for the same.
            groups.entry((item, choices)).or_default().push(name.clone());
        }
    }
    let mut names = Names::new(titles);
    for ((item, choices), manifests) in &groups {
        write(&repository, item, choices, manifests, today, &mut names, &mut imported);
    }
    what_comes_along(&repository, groups.keys().map(|(item, _)| item.as_str()).collect(), &mut imported);
    if !groups.is_empty() {
        imported.field(
            FIELD,
            "text",
            "the name of the Mac's own manifest, as ManagedInstallReport.plist has it (ManifestName)",
        );
    }
    imported.settle(titles)
}

/// What one manifest comes to, by item: the first choice whose conditions hold is the Mac's.
fn choices(repository: &Repository, name: &str, imported: &mut Imported) -> BTreeMap<String, Vec<Choice>> {
    let mut choices: BTreeMap<String, Vec<Choice>> = BTreeMap::new();
    let Some(manifest) = repository.manifests.get(name) else { return choices };
    for list in LISTS {
        let mut walk = Walk { repository, list, found: Vec::new(), within: vec![name.to_owned()], parts: 0 };
        walk.manifest(&manifest.fields, &format!("manifests/{name}"), &[], &[], imported);
        for asked in walk.found {
            let (item, version) = split(&asked.reference);
            let known = choices.entry(item.to_owned()).or_default();
            // What comes after one that holds for every Mac is never looked at.
            if known.last().is_some_and(|last| last.conditions.is_empty()) {
                continue;
            }
            for choice in candidates(repository, item, version, &asked, imported) {
                let ends = choice.conditions.is_empty();
                if !known.iter().any(|earlier| earlier.conditions == choice.conditions) {
                    known.push(choice);
                }
                if ends {
                    break;
                }
            }
        }
    }
    choices.retain(|_, choices| !choices.is_empty());
    choices
}

/// What a reference may come to, the first first.
fn candidates(
    repository: &Repository,
    name: &str,
    version: Option<&str>,
    asked: &Asked,
    imported: &mut Imported,
) -> Vec<Choice> {
    let items = repository.offered(name, version, &asked.catalogs);
    let found: Vec<&Item> = items.collect();
    let field = format!("{}: {}", asked.list.key(), asked.reference);
    if found.is_empty() {
        let catalogs = asked.catalogs.join(", ");
        let missing = repository.missing(&asked.catalogs).join(", ");
        let why = match missing.is_empty() {
            true => format!("no item of this name is in its catalogs ({catalogs}): Munki skips it"),
            false => {
                format!("no item of this name is in what was read of its catalogs ({catalogs}; not read: {missing})")
            }
        };
        imported.leave_out(&asked.from, &field, why);
        return Vec::new();
    }
    let choice = |item: &Item, conditions: Vec<String>| Choice {
        conditions,
        list: asked.list,
        version: Some(item.version.clone()),
        at: item.date(),
        unattended: item.fields["unattended_install"] == true,
        restarts: ["RequireRestart", "RecommendRestart"].iter().any(|action| item.fields["RestartAction"] == *action),
        asked_by: format!("{}: {}", asked.from, asked.list.key()),
        item: item.from.clone(),
    };
    if asked.list == List::Uninstalls {
        let Some(item) = found.iter().find(|item| item.fields["uninstallable"] == true) else {
            imported.leave_out(&asked.from, &field, "no such item is `uninstallable`: Munki leaves it in place");
            return Vec::new();
        };
        return vec![Choice { version: None, at: None, restarts: false, ..choice(item, asked.conditions.clone()) }];
    }
    let mut choices = Vec::new();
    for item in found {
        match item.conditions() {
            Ok(of_item) => choices.push(choice(item, [asked.conditions.clone(), of_item].concat())),
            Err((key, why)) => {
                imported.leave_out(&item.from, key, format!("{why}: the item is passed over for {}", asked.from));
            }
        }
    }
    choices
}

/// A manifest with all that it includes, for one of its lists.
struct Walk<'r> {
    repository: &'r Repository,
    list: List,
    found: Vec<Asked>,
    /// The manifests that it is in, to end where one includes itself.
    within: Vec<String>,
    /// How many were looked at.
    parts: usize,
}

impl Walk<'_> {
    fn manifest(
        &mut self,
        fields: &Value,
        from: &str,
        catalogs: &[String],
        conditions: &[String],
        imported: &mut Imported,
    ) {
        self.parts += 1;
        if self.parts > PARTS_MOST || self.within.len() > DEEPEST {
            return imported.leave_out(
                from,
                "included_manifests",
                "manifests include one another too often: what is behind this is not read",
            );
        }
        let own = texts(fields, "catalogs");
        let catalogs = if own.is_empty() { catalogs.to_vec() } else { own };
        if catalogs.is_empty() {
            return imported.leave_out(
                from,
                "catalogs",
                "it has none, and is included by none that has: Munki skips it",
            );
        }
        for missing in self.repository.missing(&catalogs) {
            let why = format!("there is no catalog {missing} that can be read: what it has is not known");
            imported.leave_out(from, "catalogs", why);
        }
        for included in texts(fields, "included_manifests") {
            if self.within.contains(&included) {
                imported.leave_out(from, "included_manifests", format!("{included} includes itself"));
                continue;
            }
            let Some(Manifest { fields }) = self.repository.manifests.get(&included) else {
                imported.leave_out(from, "included_manifests", format!("there is no manifest {included}"));
                continue;
            };
            self.within.push(included.clone());
            self.manifest(fields, &format!("manifests/{included}"), &catalogs, conditions, imported);
            self.within.pop();
        }
        for item in fields["conditional_items"].as_array().into_iter().flatten() {
            let text = item["condition"].as_str().unwrap_or_default();
            match predicate::condition(text) {
                Ok(condition) => {
                    let conditions = [conditions, &[condition]].concat();
                    // What is in it may have conditions again.
                    self.within.push(String::new());
                    self.manifest(item, from, &catalogs, &conditions, imported);
                    self.within.pop();
                }
                Err(why) => imported.leave_out(from, &format!("conditional_items: {text}"), why),
            }
        }
        for reference in texts(fields, self.list.key()) {
            self.found.push(Asked {
                reference,
                list: self.list,
                catalogs: catalogs.clone(),
                conditions: conditions.to_vec(),
                from: from.to_owned(),
            });
        }
        if let Value::Object(entries) = fields {
            for key in entries.keys().filter(|key| !MANIFEST_KEYS.contains(&key.as_str())) {
                let why = match key.as_str() {
                    "optional_installs" | "featured_items" => {
                        "people choose these: a policy says what has to be, and no more"
                    }
                    "default_installs" => "they are installed once, and people may take them away: no policy says that",
                    _ => "it is not known what this does",
                };
                imported.leave_out(from, key, why);
            }
        }
    }
}

/// The documents of one item for the Macs of some manifests.
fn write(
    repository: &Repository,
    name: &str,
    choices: &[Choice],
    manifests: &[String],
    today: civil::Date,
    names: &mut Names<'_>,
    imported: &mut Imported,
) {
    let shown = repository.display_name(name);
    let title = names.title((System::Munki, "munki"), name, shown, imported);
    let mut earlier: Vec<String> = Vec::new();
    for choice in choices {
        let own = all(&choice.conditions);
        let mut conditions = vec!["device.platform == \"macos\"".to_owned(), one_of(FIELD, manifests)];
        conditions.extend(choice.conditions.iter().cloned());
        conditions.extend(earlier.iter().map(|earlier| not(earlier)));
        earlier.push(own);
        let condition = all(&conditions);
        let target = choice.version.as_deref().map(|version| (version, names.pinned(&title, version)));
        if let Some((version, None)) = target {
            imported.leave_out(&choice.item, "version", format!("`{version}` is no version as {title} has them"));
            continue;
        }
        let target = target.and_then(|(_, target)| target);
        let who = manifests.join(", ");
        let label = match &choice.version {
            Some(version) => format!("munki: {name} {version} for {who}"),
            None => format!("munki: no {name} for {who}"),
        };
        let label = names.unused("policy", &shortened(&label));
        let relaunch = match (choice.at, choice.unattended) {
            _ if choice.list == List::Uninstalls => None,
            (Some(_), _) => Some(("at_due", "force_install_after_date")),
            (None, false) => Some(("ask", "unattended_install")),
            (None, true) => None,
        };
        let reboot = choice.restarts.then(|| if choice.at.is_some() { "at_due" } else { "ask" });
        let mut experience = json!({});
        if let Some((mode, _)) = relaunch {
            experience["relaunch"] = json!({ "mode": mode });
        }
        if let Some(mode) = reboot {
            experience["reboot"] = json!({ "mode": mode });
        }
        let because: Vec<&str> =
            relaunch.map(|(_, key)| key).into_iter().chain(reboot.map(|_| "RestartAction")).collect();
        let policy = Document::new("policy", &label, "")
            .with("where", json!(condition), format!("manifests: {who}"))
            .with("software", json!([title.as_str()]), choice.asked_by.as_str())
            .with("presence", json!(choice.list.presence()), choice.asked_by.as_str())
            .with_some("target", target, choice.item.as_str());
        let policy = match because.as_slice() {
            [] => policy,
            keys => policy.with("experience", experience, format!("{}: {}", choice.item, keys.join(", "))),
        };
        imported.documents.push(policy);
        let Some(at) = choice.at else { continue };
        let from = format!("{}: force_install_after_date", choice.item);
        let until = at.date().max(today).saturating_add(LASTS.days());
        let label = names.unused("exception", &shortened(&format!("munki date: {label}")));
        let exception = Document::new("exception", &label, "")
            .with("software", json!([title.as_str()]), choice.asked_by.as_str())
            .with("where", json!(condition), format!("manifests: {who}"))
            .with("due", json!(at.to_string()), from.as_str())
            .with("until", day(until), "");
        imported.documents.push(exception);
        imported.leave_out(
            &choice.item,
            "force_install_after_date",
            format!("the date is an exception's, and exceptions end: it counts until {until}"),
        );
    }
}

/// What Munki brings besides what manifests name.
fn what_comes_along(repository: &Repository, named: BTreeSet<&str>, imported: &mut Imported) {
    for item in &repository.items {
        for base in texts(&item.fields, "update_for") {
            let (name, _) = split(&base);
            if named.contains(name) && !named.contains(item.name.as_str()) {
                let why = format!("Munki brings it wherever {name} is managed: name it in a policy of its own");
                imported.leave_out(&item.from, "update_for", why);
            }
        }
        if !named.contains(item.name.as_str()) {
            continue;
        }
        for (key, why) in item.unsaid() {
            imported.leave_out(&item.from, key, why);
        }
    }
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= 100 {
        return label.to_owned();
    }
    label.chars().take(97).collect::<String>() + "..."
}

fn texts(fields: &Value, key: &str) -> Vec<String> {
    fields[key].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What a date of a property list shows on the wall: Munki reads it so, whatever stands behind it.
fn wall(value: &Value) -> Option<civil::DateTime> {
    let text = value[DATE].as_str()?;
    let at: civil::DateTime = text.trim_end_matches('Z').parse().ok()?;
    at.with().subsec_nanosecond(0).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(catalog: &str, named: &str) -> Vec<String> {
        let file = |path: &str, text: String| File { path: path.to_owned(), text };
        let manifest = format!(
            "<plist version=\"1.0\"><dict><key>catalogs</key><array><string>{named}</string></array>\
             <key>managed_installs</key><array><string>Other</string></array></dict></plist>"
        );
        let items = "<plist version=\"1.0\"><array><dict><key>name</key><string>Zoom</string>\
                     <key>version</key><string>6.2</string></dict></array></plist>";
        let files = [file(&format!("catalogs/{catalog}"), items.to_owned()), file("manifests/mac", manifest)];
        let imported = import(&files, &Titles::default(), civil::date(2026, 11, 24));
        imported.left_out.into_iter().map(|left| left.why).collect()
    }

    #[test]
    fn of_a_catalog_that_is_not_there_nothing_is_claimed() {
        for named in ["production", "all"] {
            assert_eq!(
                left_out("production", named),
                [format!("no item of this name is in its catalogs ({named}): Munki skips it")]
            );
        }
        let whys = left_out("production", "testing");
        assert_eq!(whys.len(), 2, "{whys:?}");
        assert!(!whys.iter().any(|why| why.contains("Munki skips it")), "{whys:?}");
    }
}
