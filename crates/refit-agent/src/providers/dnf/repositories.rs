//! The repositories that are configured and in use, and the keys with which this machine checks them.

use super::run::Place;
use crate::providers::{
    available::{Repository, SourceHealth},
    command::CommandError,
    openpgp::{Key, keys},
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// A repository, with what this provider needs besides.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub repository: Repository,
    /// The keys that may sign its packages, with their subkeys.
    pub keys: Vec<Key>,
    /// Those of its key files that are on this machine, as dnf is to be given them; `None` where all are.
    pub local_keys: Option<String>,
}

/// All repositories that are in use, sorted.
pub(super) fn sources(place: &Place) -> Result<Vec<Source>, CommandError> {
    let told = place.dnf(&["-v", "--setopt=*.skip_if_unavailable=1", "repolist", "--enabled"])?.success()?;
    let told = details(&told);
    let files = Files::read(place);
    // Of a repository of which nothing is stored dnf says nothing.
    let configured = files
        .sections
        .iter()
        .filter(|(id, section)| *id != "main" && section.get("enabled").is_none_or(|value| is_true(value)));
    let ids: BTreeSet<&String> = told.keys().chain(configured.map(|(id, _)| id)).collect();
    let trusted = trusted_keys(place)?;
    Ok(ids.into_iter().map(|id| source(place, id, told.get(id), &files, &trusted)).collect())
}

/// Whether the configuration hides packages from dnf.
pub(super) fn has_excludes(place: &Place) -> bool {
    let hides = |section: &BTreeMap<String, String>| {
        ["exclude", "excludepkgs", "includepkgs"].iter().any(|name| section.get(*name).is_some_and(|v| !v.is_empty()))
    };
    Files::configured(place).sections.values().any(hides)
}

fn source(place: &Place, id: &str, told: Option<&BTreeMap<String, String>>, files: &Files, trusted: &[Key]) -> Source {
    let told = |name: &str| told.and_then(|fields| fields.get(name)).map(String::as_str);
    let section = files.sections.get(id);
    let setting = |name: &str| section.and_then(|section| section.get(name)).map(String::as_str);
    let own = |name: &str| setting(name).or_else(|| files.sections.get("main")?.get(name).map(String::as_str));
    let is_set = |name: &str| own(name).is_some_and(is_true);

    let addresses: Vec<String> = setting("gpgkey")
        .unwrap_or_default()
        .split([' ', ',', '\n', '\t'])
        .filter(|word| !word.is_empty())
        .map(|word| files.substituted(word))
        .collect();
    let local: Vec<&String> = addresses.iter().filter(|address| local_path(address).is_some()).collect();
    let mut found: BTreeSet<Key> = BTreeSet::new();
    for path in local.iter().filter_map(|address| local_path(address)) {
        found.extend(fs::read(place.path(path)).map(|bytes| keys(&bytes)).unwrap_or_default());
    }
    // Without a key of its own on this machine, rpm takes any that it trusts already.
    if found.is_empty() {
        found.extend(trusted.iter().cloned());
    }
    let local_keys = (local.len() < addresses.len())
        .then(|| local.iter().map(|address| address.as_str()).collect::<Vec<_>>().join(" "));
    let date = told("Repo-updated").and_then(date);
    let health = match told("Repo-pkgs") {
        None => SourceHealth::Missing,
        Some(_) if found.is_empty() => SourceHealth::Unsigned,
        Some(_) => SourceHealth::Good,
    };
    let address = told("Repo-baseurl").or(told("Repo-metalink")).or(told("Repo-mirrors")).unwrap_or_default();
    let address = match address.split(" (").next().unwrap_or_default() {
        "" => {
            files.substituted(setting("baseurl").or(setting("metalink")).or(setting("mirrorlist")).unwrap_or_default())
        }
        told => told.to_owned(),
    };
    Source {
        repository: Repository {
            id: id.to_owned(),
            address,
            publisher: None,
            security: false,
            keys: found.iter().map(|key| key.fingerprint.clone()).collect::<BTreeSet<_>>().into_iter().collect(),
            list_is_signed: is_set("repo_gpgcheck"),
            date,
            valid_until: None,
            configured_in: told("Repo-filename").map_or_else(|| files.file_of(id), str::to_owned),
            health,
        },
        keys: found.into_iter().collect(),
        local_keys,
    }
}

fn is_true(value: &str) -> bool {
    ["1", "true", "yes", "on", "enabled"].contains(&value.to_ascii_lowercase().as_str())
}

/// The path of a key's address, where it is on this machine.
fn local_path(address: &str) -> Option<&str> {
    let path = address.strip_prefix("file://").unwrap_or(address);
    path.starts_with('/').then_some(path)
}

/// The blocks of `dnf repolist -v`, by repository.
fn details(text: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim(), value.trim());
        if name == "Repo-id" {
            current = Some(value.to_owned());
        }
        if let Some(id) = current.as_ref().filter(|_| name.starts_with("Repo-")) {
            found.entry(id.clone()).or_default().insert(name.to_owned(), value.to_owned());
        }
    }
    found
}

/// `Wed Nov 25 12:32:22 2026`, which dnf prints in the machine's own zone; a day more or less decides nothing here.
fn date(text: &str) -> Option<Timestamp> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let moment = DateTime::strptime("%a %b %d %H:%M:%S %Y", text).ok()?;
    Some(moment.to_zoned(TimeZone::system()).or_else(|_| moment.to_zoned(TimeZone::UTC)).ok()?.timestamp())
}

/// The keys that rpm trusts: each stands in its database as a package.
fn trusted_keys(place: &Place) -> Result<Vec<Key>, CommandError> {
    let answer = place.rpm(&["-q", "gpg-pubkey", "--qf", "%{DESCRIPTION}\n"])?;
    Ok(if answer.status.success() { keys(answer.stdout.as_bytes()) } else { Vec::new() })
}

/// dnf's configuration files, section by section.
#[derive(Debug, Default)]
struct Files {
    sections: BTreeMap<String, BTreeMap<String, String>>,
    places: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl Files {
    fn read(place: &Place) -> Files {
        Files { variables: variables(place), ..Files::configured(place) }
    }

    fn configured(place: &Place) -> Files {
        let mut files = Files::default();
        for folder in ["/etc/yum.repos.d", "/etc/distro.repos.d", "/etc/yum/repos.d"] {
            let entries = fs::read_dir(place.path(folder)).into_iter().flatten().flatten();
            let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
            paths.retain(|path| path.extension().is_some_and(|ending| ending == "repo"));
            paths.sort();
            for path in paths {
                files.take(&path.to_string_lossy(), &fs::read_to_string(&path).unwrap_or_default());
            }
        }
        let main = place.path("/etc/dnf/dnf.conf");
        files.take(&main.to_string_lossy(), &fs::read_to_string(&main).unwrap_or_default());
        files
    }

    fn take(&mut self, path: &str, text: &str) {
        let mut section = String::new();
        let mut last: Option<String> = None;
        for line in text.lines() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            } else if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
                self.places.entry(section.clone()).or_insert_with(|| path.to_owned());
                last = None;
            } else if let (true, Some(name)) = (line.starts_with([' ', '\t']), &last) {
                if let Some(value) = self.sections.entry(section.clone()).or_default().get_mut(name) {
                    value.push(' ');
                    value.push_str(trimmed);
                }
            } else if let Some((name, value)) = trimmed.split_once('=') {
                let name = name.trim().to_owned();
                self.sections.entry(section.clone()).or_default().insert(name.clone(), value.trim().to_owned());
                last = Some(name);
            }
        }
    }

    fn file_of(&self, id: &str) -> String {
        self.places.get(id).cloned().unwrap_or_default()
    }

    /// The text with dnf's variables (`$basearch`, `$releasever`, those in `/etc/dnf/vars`) replaced.
    fn substituted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in self.variables.iter().rev() {
            text = text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
        }
        text
    }
}

fn variables(place: &Place) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let answer = |args: &[&str]| {
        let answer = place.rpm(args).ok().filter(|answer| answer.status.success());
        answer.and_then(|answer| answer.stdout.lines().next().map(|line| line.trim().to_owned()))
    };
    found.extend(answer(&["--eval", "%{_arch}"]).map(|arch| ("basearch".to_owned(), arch.clone())));
    found.extend(answer(&["--eval", "%{_arch}"]).map(|arch| ("arch".to_owned(), arch)));
    let release = ["system-release(releasever)", "system-release", "redhat-release"];
    let version = release.iter().find_map(|name| answer(&["-q", "--qf", "%{VERSION}\n", "--whatprovides", name]));
    found.extend(version.map(|version| ("releasever".to_owned(), version)));
    for folder in ["/etc/yum/vars", "/etc/dnf/vars"] {
        for entry in fs::read_dir(place.path(folder)).into_iter().flatten().flatten() {
            if let Ok(text) = fs::read_to_string(entry.path()) {
                let value = text.lines().next().unwrap_or_default().trim().to_owned();
                found.insert(entry.file_name().to_string_lossy().into_owned(), value);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_section_by_section() {
        let mut files = Files::default();
        files.take(
            "/etc/yum.repos.d/x.repo",
            "# x\n[base]\nname = Base\ngpgkey=file:///a\n  https://b.example/key\n\n[more]\nrepo_gpgcheck=1\n",
        );
        assert_eq!(files.sections["base"]["gpgkey"], "file:///a https://b.example/key");
        assert_eq!(files.sections["more"]["repo_gpgcheck"], "1");
        assert_eq!(files.file_of("more"), "/etc/yum.repos.d/x.repo");
        files.variables = BTreeMap::from([("releasever".to_owned(), "9".to_owned())]);
        assert_eq!(files.substituted("file:///key-$releasever-${releasever}"), "file:///key-9-9");
    }

    #[test]
    fn a_key_of_the_network_is_not_a_local_one() {
        assert_eq!(local_path("file:///etc/key"), Some("/etc/key"));
        assert_eq!(local_path("https://example.org/key"), None);
    }

    #[test]
    fn what_dnf_tells_is_sorted_by_repository() {
        let text = "Repo-id            : base\nRepo-updated       : Wed Nov 25 12:32:22 2026\nRepo-baseurl       : file:///srv\n\nRepo-id            : more\nRepo-pkgs          : 5\nTotal packages: 5\n";
        let found = details(text);
        assert_eq!(found["base"]["Repo-baseurl"], "file:///srv");
        assert_eq!(found["more"]["Repo-pkgs"], "5");
        assert!(date(&found["base"]["Repo-updated"]).is_some());
    }
}
