//! What packages say of themselves: relations and sizes. Of the installed ones dpkg knows it, of new ones apt.

use super::{
    inventory::{Inventory, apt_name},
    relations::{Clause, parse_clauses, parse_provides},
    stanzas::{Stanza, stanzas},
};
use crate::providers::{
    command::{CommandError, ask},
    transaction::{Action, ActionKind, Sizes},
};
use refit_model::{Scheme, TitleId, Version};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// What one version of a package asks of others, and how big it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub title: TitleId,
    pub name: SmolStr,
    pub architecture: SmolStr,
    pub version: Version,
    pub multi_arch_foreign: bool,
    /// `Depends` and `Pre-Depends`.
    pub depends: Vec<Clause>,
    /// `Conflicts` and `Breaks`.
    pub conflicts: Vec<Clause>,
    pub provides: Vec<(SmolStr, Option<Version>)>,
    pub archive_bytes: u64,
    pub installed_bytes: u64,
}

/// The records of the new versions that a change brings, in one call.
pub(super) fn new_records(
    inventory: &Inventory,
    actions: &BTreeMap<TitleId, Action>,
) -> Result<BTreeMap<TitleId, Record>, CommandError> {
    let names: Vec<String> = actions
        .iter()
        .filter_map(|(title, action)| Some(format!("{}={}", apt_name(title), action.to.as_ref()?)))
        .collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let args: Vec<&str> = ["show", "--"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let records = parse(inventory, "apt-cache show", &ask("apt-cache", &args)?.success()?)?;
    for (title, action) in actions {
        let known = records.get(title).map(|record| &record.version);
        if action.to.is_some() && known != action.to.as_ref() {
            return Err(CommandError::unexpected(
                "apt-cache show",
                "a package is missing from the answer",
                title.as_str(),
            ));
        }
    }
    Ok(records)
}

/// The records of all packages of which something is installed, in one call.
pub(super) fn installed_records(inventory: &Inventory) -> Result<BTreeMap<TitleId, Record>, CommandError> {
    const FORMAT: &str = "Package: ${Package}\\nArchitecture: ${Architecture}\\nVersion: ${Version}\\nMulti-Arch: ${Multi-Arch}\\n\
        Depends: ${Depends}\\nPre-Depends: ${Pre-Depends}\\nConflicts: ${Conflicts}\\nBreaks: ${Breaks}\\nProvides: ${Provides}\\n\
        Installed-Size: ${Installed-Size}\\n\\n";
    let mut records = parse(inventory, "dpkg-query -W", &ask("dpkg-query", &["-W", "-f", FORMAT])?.success()?)?;
    records.retain(|title, _| inventory.packages.get(title).is_some_and(|package| package.is_present()));
    Ok(records)
}

/// What a change fetches and takes.
pub(super) fn sizes(inventory: &Inventory, actions: &BTreeMap<TitleId, Action>) -> Result<Sizes, CommandError> {
    Ok(sizes_of(inventory, actions, &new_records(inventory, actions)?))
}

/// [`sizes`], from records that are known already.
pub(super) fn sizes_of(
    inventory: &Inventory,
    actions: &BTreeMap<TitleId, Action>,
    new: &BTreeMap<TitleId, Record>,
) -> Sizes {
    let mut sizes = Sizes::default();
    for (title, action) in actions.iter().filter(|(_, action)| action.kind != ActionKind::Configure) {
        let before = inventory.packages.get(title).filter(|package| package.is_present());
        let before = before.map_or(0, |package| package.installed_bytes);
        let (archive, after) = match (&action.to, new.get(title)) {
            (Some(_), Some(record)) => (record.archive_bytes, record.installed_bytes),
            _ => (0, 0),
        };
        sizes.download_bytes += archive;
        sizes.growth_bytes += i64::try_from(after).unwrap_or(i64::MAX) - i64::try_from(before).unwrap_or(0);
        sizes.largest_bytes = sizes.largest_bytes.max(after);
    }
    sizes
}

fn parse(inventory: &Inventory, command: &str, text: &str) -> Result<BTreeMap<TitleId, Record>, CommandError> {
    let mut records = BTreeMap::new();
    for stanza in stanzas(text) {
        let odd = |why: String| CommandError::unexpected(command, why, format!("{stanza:?}"));
        let field = |name: &str| stanza.get(name).ok_or_else(|| odd(format!("no field {name}")));
        let name = field("Package")?;
        // What dpkg only remembers, without a version, has no relations.
        let (Some(version), Some(architecture)) = (stanza.get("Version"), stanza.get("Architecture")) else { continue };
        let version = Version::parse(Scheme::Dpkg, version).map_err(|error| odd(error.why.to_string()))?;
        let own = architecture == "all" || architecture == inventory.architecture;
        let title = TitleId::new(if own { format!("deb/{name}") } else { format!("deb/{name}:{architecture}") });
        let number = |name: &str| stanza.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        records.insert(
            title.clone(),
            Record {
                title,
                name: name.into(),
                architecture: architecture.into(),
                version,
                multi_arch_foreign: stanza.get("Multi-Arch") == Some("foreign"),
                depends: both(&stanza, ["Pre-Depends", "Depends"]),
                conflicts: both(&stanza, ["Conflicts", "Breaks"]),
                provides: stanza.get("Provides").map(parse_provides).unwrap_or_default(),
                archive_bytes: number("Size"),
                installed_bytes: number("Installed-Size").saturating_mul(1024),
            },
        );
    }
    Ok(records)
}

fn both(stanza: &Stanza, fields: [&str; 2]) -> Vec<Clause> {
    fields.into_iter().filter_map(|field| stanza.get(field)).flat_map(parse_clauses).collect()
}

#[cfg(test)]
impl Record {
    /// A package of the machine's own architecture that asks for nothing.
    pub fn blank(title: TitleId, version: Version) -> Record {
        Record {
            name: apt_name(&title).into(),
            architecture: "amd64".into(),
            title,
            version,
            multi_arch_foreign: false,
            depends: Vec::new(),
            conflicts: Vec::new(),
            provides: Vec::new(),
            archive_bytes: 0,
            installed_bytes: 0,
        }
    }
}
