//! Roots in words.

use crate::terminal::{FAINT, HEADING, paint};
use refit_wire::{Envelope, KeyId, PublicKey, Root, root::RoleKeys};
use std::{collections::BTreeSet, fmt::Write as _};

/// What a root says, and who has signed it.
pub fn root(root: &Root, envelope: &Envelope) -> String {
    let mut text = format!("{} of {}\n", paint(HEADING, format!("root {}", root.version)), root.organization);
    let _ = writeln!(text, "  fingerprint   {}", envelope.digest());
    let _ = writeln!(text, "  made          {}", root.issued);
    let _ = writeln!(text, "  counts until  {}", root.expires);
    let signed: BTreeSet<KeyId> = signers(root, envelope).map(|key| key.id()).collect();
    for (name, role) in [("root", &root.root), ("policy", &root.policy), ("server", &root.server)] {
        let _ = writeln!(text, "  {name} keys, {} of {} {}:", role.threshold, role.keys.len(), what_signs(name));
        for (id, until) in &role.keys {
            let Some(key) = root.keys.get(id) else { continue };
            let until = until.map(|until| format!("  until {until}")).unwrap_or_default();
            let has = if name == "root" && signed.contains(id) { "  has signed this" } else { "" };
            let _ = writeln!(text, "    {key}{}", paint(FAINT, format!("{until}{has}")));
        }
    }
    text
}

fn what_signs(role: &str) -> &'static str {
    match role {
        "root" => "sign roots",
        "policy" => "sign mandates",
        _ => "sign leases and states",
    }
}

/// The root keys of a root that have signed an envelope.
pub fn signers<'r>(root: &'r Root, envelope: &Envelope) -> impl Iterator<Item = &'r PublicKey> {
    let alone = |key: &PublicKey| envelope.open::<Root>(&[key], 1).is_ok();
    let keys: Vec<&PublicKey> = root.root.keys.keys().filter_map(|id| root.keys.get(id)).collect();
    keys.into_iter().filter(move |key| alone(key)).collect::<Vec<_>>().into_iter()
}

/// How many signatures are missing from the root keys of `root` under `envelope`, in words; `None` where there are enough.
pub fn missing(root: &Root, envelope: &Envelope) -> Option<String> {
    let needed = usize::try_from(root.root.threshold).unwrap_or(usize::MAX);
    let has = signers(root, envelope).count();
    (has < needed).then(|| format!("{has} of {needed} signatures by the root keys of root {}", root.version))
}

/// What a root changes, in lines with a sign before each.
pub fn changes(before: &Root, after: &Root) -> String {
    let mut text = String::new();
    for (name, had, has) in [
        ("root", &before.root, &after.root),
        ("policy", &before.policy, &after.policy),
        ("server", &before.server, &after.server),
    ] {
        if had.threshold != has.threshold {
            let _ = writeln!(text, "  ~ {name}: {} have to sign, and it was {}", has.threshold, had.threshold);
        }
        role(&mut text, name, (before, had), (after, has));
    }
    if before.expires != after.expires {
        let _ = writeln!(text, "  ~ counts until {}, and it was {}", after.expires, before.expires);
    }
    text
}

fn role(text: &mut String, name: &str, (before, had): (&Root, &RoleKeys), (after, has): (&Root, &RoleKeys)) {
    let until = |until: &Option<jiff::Timestamp>| until.map(|until| format!(" until {until}")).unwrap_or_default();
    for (id, end) in &has.keys {
        let Some(key) = after.keys.get(id) else { continue };
        match had.keys.get(id) {
            None => drop(writeln!(text, "  + {name} key {key}{}", until(end))),
            Some(before) if before != end => drop(writeln!(text, "  ~ {name} key {key}{}", until(end))),
            Some(_) => {}
        }
    }
    for id in had.keys.keys().filter(|id| !has.keys.contains_key(id)) {
        if let Some(key) = before.keys.get(id) {
            let _ = writeln!(text, "  - {name} key {key}");
        }
    }
}
