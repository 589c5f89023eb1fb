//! Where unattended-upgrades takes updates from.

use super::{
    super::{Imported, conditions::one_of},
    conf::Options,
};
use std::collections::BTreeSet;

/// The system of a machine, and where it is said.
#[derive(Debug)]
pub(super) struct System {
    pub os: String,
    pub from: String,
}

/// What is taken, in the words of policies.
#[derive(Debug, Default)]
pub(super) struct Origins {
    pub software: Vec<String>,
    /// Where the patterns stand.
    pub from: String,
    /// Where the system is said.
    pub system_from: String,
    systems: Vec<String>,
    codenames: Vec<String>,
}

/// One archive of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Archive {
    Security,
    Base,
    Updates,
    Everything,
}

impl Origins {
    pub fn read(options: &Options, system: Option<System>, imported: &mut Imported) -> Origins {
        let allowed = options.list("Unattended-Upgrade::Allowed-Origins");
        let patterns = options.list("Unattended-Upgrade::Origins-Pattern");
        let entries = allowed.iter().map(|entry| (*entry, legacy(&entry.text)));
        let entries = entries.chain(patterns.iter().map(|entry| (*entry, pattern(&entry.text))));
        let mut origins = Origins::default();
        let mut archives = BTreeSet::new();
        let mut systems = BTreeSet::new();
        let mut files = BTreeSet::new();
        for (entry, tokens) in entries {
            let read = tokens.and_then(|tokens| origins.one(&tokens, system.as_ref(), &mut systems));
            match read {
                Ok(archive) => {
                    archives.insert(archive);
                    files.insert(entry.from.as_str());
                }
                Err(why) => imported.leave_out(&entry.from, &entry.text, why),
            }
        }
        match system {
            Some(System { os, from }) => {
                origins.systems = vec![os];
                origins.system_from = from;
            }
            None => {
                // Without a machine the origins say which system it is for.
                origins.systems = systems.into_iter().collect();
                if origins.systems.is_empty() {
                    origins.systems = vec!["debian".to_owned(), "ubuntu".to_owned()];
                }
                "the origins say for which system it is".clone_into(&mut origins.system_from);
            }
        }
        origins.codenames.sort();
        origins.codenames.dedup();
        origins.from = files.into_iter().collect::<Vec<_>>().join(", ");
        origins.choose(&archives, imported);
        origins
    }

    /// Which devices they are for.
    pub fn conditions(&self) -> Vec<String> {
        let mut conditions = vec![one_of("device.os", &self.systems)];
        if !self.codenames.is_empty() {
            conditions.push(one_of("device.codename", &self.codenames));
        }
        conditions
    }

    /// The archive that a pattern means.
    fn one(
        &mut self,
        tokens: &[(String, String)],
        system: Option<&System>,
        systems: &mut BTreeSet<String>,
    ) -> Result<Archive, String> {
        let (mut origin, mut label, mut archive) = (None, None, None);
        for (key, value) in tokens {
            let place = match key.as_str() {
                "o" | "origin" => &mut origin,
                "l" | "label" => &mut label,
                "a" | "suite" | "archive" | "n" | "codename" => &mut archive,
                "c" | "component" if value == "*" => continue,
                "c" | "component" => {
                    return Err(
                        "that only a part of an archive is taken can't be said: write which packages".to_owned()
                    );
                }
                "site" => {
                    return Err(
                        "from which site a package comes can't be said: name the packages (`software: [deb/NAME]`)"
                            .to_owned(),
                    );
                }
                other => return Err(format!("unattended-upgrades knows no `{other}`")),
            };
            if place.replace(value.as_str()).is_some_and(|earlier| earlier != value) {
                return Err("it says one thing twice".to_owned());
            }
        }
        let everything = |value: Option<&str>| matches!(value, None | Some("*"));
        if everything(origin) && everything(label) && everything(archive) {
            return Ok(Archive::Everything);
        }
        let distribution = match origin {
            None | Some("*") => label.map(|label| label.trim_end_matches("-Security")),
            Some(origin) => Some(origin),
        };
        let extended =
            distribution.is_some_and(|name| name.starts_with("UbuntuESM") || name.starts_with("${distro_id}ESM"));
        let distribution = match distribution {
            Some("${distro_id}") => None,
            Some(_) if extended => Some("ubuntu".to_owned()),
            Some(name @ ("Debian" | "Ubuntu")) => Some(name.to_ascii_lowercase()),
            Some(other) => {
                return Err(format!(
                    "{other} is no archive of Debian or Ubuntu: name its packages (`software: [deb/NAME]`)"
                ));
            }
            None => return Err("it says nothing of where a package comes from that a policy can say".to_owned()),
        };
        if let (Some(name), Some(system)) = (&distribution, system)
            && *name != system.os
        {
            return Err(format!("the machine is {}", system.os));
        }
        systems.extend(distribution);
        if extended {
            return Ok(Archive::Security);
        }
        let Some(archive) = archive else {
            return Ok(if label == Some("Debian-Security") { Archive::Security } else { Archive::Everything });
        };
        let own = ["${distro_codename}", "stable", "oldstable"];
        let (name, rest) = match archive.split_once('-') {
            Some((name, rest)) => (name, Some(rest)),
            None => (archive, None),
        };
        if name.contains(['*', '?', '[']) {
            return Err("which archives a pattern means can't be told: write each".to_owned());
        }
        if !own.contains(&name) {
            self.codenames.push(name.to_owned());
        }
        match (rest, label) {
            (Some("security"), _) | (None, Some("Debian-Security")) => Ok(Archive::Security),
            (Some("updates"), _) => Ok(Archive::Updates),
            (None, _) => Ok(Archive::Base),
            (Some(rest), _) => {
                if !own.contains(&name) {
                    self.codenames.pop();
                }
                Err(format!(
                    "that updates come from `{rest}` can't be said: a policy takes what the machine is offered"
                ))
            }
        }
    }

    /// What policies can say of archives: what the security archive has, or everything.
    fn choose(&mut self, archives: &BTreeSet<Archive>, imported: &mut Imported) {
        let has = |archive| archives.contains(&archive);
        let ubuntu = self.systems == ["ubuntu"];
        // Ubuntu's base archive never changes; Debian's has point releases.
        let all = has(Archive::Everything) || has(Archive::Updates) || (has(Archive::Base) && !ubuntu);
        if archives.is_empty() {
            return;
        }
        if !all {
            self.software = vec!["os/security".to_owned()];
            let why = "of a package that the security archive has, a policy takes the newest that the machine is offered, whichever archive has it";
            return imported.leave_out(&self.from, "", why);
        }
        self.software = vec!["os/*".to_owned()];
        if has(Archive::Everything) {
            return;
        }
        for (archive, name) in [(Archive::Security, "security updates"), (Archive::Updates, "the archive `-updates`")] {
            if !has(archive) {
                let why = format!(
                    "{name} are not taken by it; a policy that takes the base archive takes all that the machine is offered"
                );
                imported.leave_out(&self.from, "", why);
            }
        }
        let why = "packages of other vendors, and backports, are not taken by it; a policy takes all that the machine is offered";
        imported.leave_out(&self.from, "", why);
    }
}

/// `origin=Debian,codename=${distro_codename}`.
fn pattern(text: &str) -> Result<Vec<(String, String)>, String> {
    let tokens = text.split(',').map(|token| {
        let (key, value) = token.split_once('=').ok_or_else(|| format!("`{token}` is no keyword with a value"))?;
        Ok((key.trim().to_owned(), value.trim().to_owned()))
    });
    tokens.collect()
}

/// `Debian:stable`, or with a blank.
fn legacy(text: &str) -> Result<Vec<(String, String)>, String> {
    let parts = text.split_once(':').or_else(|| text.split_once(' '));
    let (origin, archive) = parts.ok_or_else(|| format!("`{text}` is no origin and archive"))?;
    Ok(vec![("o".to_owned(), origin.trim().to_owned()), ("a".to_owned(), archive.trim().to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str, entries: &[&str]) -> (Origins, Imported) {
        let mut options = Options::default();
        let quoted: String = entries.iter().map(|entry| format!("\"{entry}\";")).collect();
        options.add("50", &format!("Unattended-Upgrade::{list} {{ {quoted} }};")).unwrap();
        let mut imported = Imported::default();
        (Origins::read(&options, None, &mut imported), imported)
    }

    #[test]
    fn what_distributions_ship_is_understood() {
        let debian = [
            "origin=Debian,codename=${distro_codename},label=Debian",
            "origin=Debian,codename=${distro_codename},label=Debian-Security",
            "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
        ];
        let (origins, _) = read("Origins-Pattern", &debian);
        assert_eq!((origins.software, origins.systems), (vec!["os/*".to_owned()], vec!["debian".to_owned()]));
        let (origins, _) = read("Origins-Pattern", &debian[1..]);
        assert_eq!(origins.software, ["os/security"]);
        let ubuntu = [
            "${distro_id}:${distro_codename}",
            "${distro_id}:${distro_codename}-security",
            "${distro_id}ESMApps:${distro_codename}-apps-security",
            "${distro_id}ESM:${distro_codename}-infra-security",
        ];
        let (origins, _) = read("Allowed-Origins", &ubuntu);
        assert_eq!((origins.software, origins.systems), (vec!["os/security".to_owned()], vec!["ubuntu".to_owned()]));
    }

    #[test]
    fn a_codename_is_a_condition_and_the_rest_is_said() {
        let (origins, imported) = read(
            "Origins-Pattern",
            &[
                "origin=Debian,codename=bookworm-security",
                "origin=Docker",
                "site=nginx.org",
                "o=Debian,a=bookworm-backports",
                "x",
            ],
        );
        assert_eq!(origins.conditions(), ["device.os == \"debian\"", "device.codename == \"bookworm\""]);
        assert_eq!(origins.software, ["os/security"]);
        // Four that can't be said, and what `os/security` means.
        assert_eq!(imported.left_out.len(), 5, "{:?}", imported.left_out);
    }
}
