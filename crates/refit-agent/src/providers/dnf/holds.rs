//! What holds packages: dnf's versionlock plugin, and the excludes of its configuration.

use super::{repositories::has_excludes, run::Place};
use crate::providers::command::CommandError;
use std::{collections::BTreeSet, fs};

/// What holds which packages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Holds {
    /// Names (with `*` and `?`) that the versionlock plugin has a lock for.
    locked: Vec<String>,
    /// Names of installed packages of which excludes hide every offered version.
    excluded: BTreeSet<String>,
}

impl Holds {
    pub fn read(place: &Place) -> Result<Holds, CommandError> {
        Ok(Holds { locked: locked(place), excluded: excluded(place)? })
    }

    /// What holds a package, in words.
    pub fn of(&self, name: &str) -> Option<String> {
        if self.locked.iter().any(|pattern| matches(pattern, name)) {
            return Some("its version is locked (`dnf versionlock delete` releases it)".to_owned());
        }
        let excluded = self.excluded.contains(name);
        excluded.then(|| "dnf's configuration excludes it (`excludepkgs`)".to_owned())
    }
}

/// The plugin's list, where the plugin is installed and in use. dnf applies it while it resolves, and does not show it in
/// queries: so it is read here.
fn locked(place: &Place) -> Vec<String> {
    let Ok(settings) = fs::read_to_string(place.path("/etc/dnf/plugins/versionlock.conf")) else { return Vec::new() };
    let setting = |name: &str| {
        let line = settings.lines().find_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='));
        line.map(|value| value.trim().to_owned())
    };
    if setting("enabled").is_some_and(|value| ["0", "false", "no"].contains(&value.to_ascii_lowercase().as_str())) {
        return Vec::new();
    }
    let file = setting("locklist").unwrap_or_else(|| "/etc/dnf/plugins/versionlock.list".to_owned());
    let list = fs::read_to_string(place.path(&file)).unwrap_or_default();
    list.lines().map(str::trim).filter_map(locked_name).map(str::to_owned).collect()
}

/// `alpha` of `alpha-0:1.0-1.*`. What begins with `!` is a version that is refused, and holds nothing where it is.
fn locked_name(line: &str) -> Option<&str> {
    if line.is_empty() || line.starts_with(['#', '!']) {
        return None;
    }
    let (rest, _) = line.rsplit_once('-')?;
    let (name, _) = rest.rsplit_once('-')?;
    (!name.is_empty()).then_some(name)
}

/// Installed packages that dnf shows offers of only when it is told to forget its excludes.
fn excluded(place: &Place) -> Result<BTreeSet<String>, CommandError> {
    if !has_excludes(place) {
        return Ok(BTreeSet::new());
    }
    const NAME: &str = "%{name}";
    let upgrades = |more: &[&str]| -> Result<BTreeSet<String>, CommandError> {
        let mut args = vec!["-q"];
        args.extend(more);
        args.extend(["repoquery", "--upgrades", "--qf", NAME]);
        // Without any list, as before the first refresh, nothing is known to be excluded.
        let answer = place.dnf(&args)?;
        Ok(if answer.status.success() { answer.stdout.lines().map(str::to_owned).collect() } else { BTreeSet::new() })
    };
    let all = upgrades(&["--disableexcludes=all"])?;
    if all.is_empty() {
        return Ok(all);
    }
    let shown = upgrades(&[])?;
    Ok(all.difference(&shown).cloned().collect())
}

/// Whether a pattern of the shell's kind means a name.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pattern_chars = pattern.chars();
    match pattern_chars.next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pattern_chars.as_str();
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| matches(rest, &name[at..]))
        }
        Some(wanted) => {
            let mut letters = name.chars();
            letters.next().is_some_and(|letter| wanted == '?' || wanted == letter)
                && matches(pattern_chars.as_str(), letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_names_a_package() {
        assert_eq!(locked_name("zeta-0:1.0-1.*"), Some("zeta"));
        assert_eq!(locked_name("zeta-extra-0:1.0-1.el9.x86_64"), Some("zeta-extra"));
        assert_eq!(locked_name("!zeta-0:1.0-1.*"), None);
        assert_eq!(locked_name("# Added lock on Wed Nov 25 12:36:04 2026"), None);
    }

    #[test]
    fn locks_may_be_patterns() {
        let holds = Holds { locked: vec!["kernel*".into()], excluded: BTreeSet::from(["alpha".to_owned()]) };
        assert!(holds.of("kernel-core").is_some() && holds.of("alpha").is_some());
        assert_eq!(holds.of("alphabet"), None);
    }
}
