//! What is installed in a root, as dpkg itself tells it: the measure for Refit's plans, taken without Refit.

use std::collections::BTreeMap;

use crate::root::Root;

/// The state of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The version that dpkg's database names. Of a package that is not `ii` this says little.
    pub version: String,
    /// What is wanted and what is, as `dpkg -l` abbreviates it: `ii` installed, `iU` unpacked, `iF` half-configured,
    /// `iH` half-installed, `hi` held, `rc` removed; a third letter `R` where it must be reinstalled.
    pub status: String,
}

/// How one package differs between two states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `None` where it was not there.
    pub before: Option<Installed>,
    /// `None` where it is no longer there.
    pub after: Option<Installed>,
}

impl Root {
    /// All packages that dpkg knows of by name, those of a foreign architecture as `name:architecture`.
    pub fn dpkg(&self) -> BTreeMap<String, Installed> {
        let native = self.run("dpkg", ["--print-architecture"]).success().stdout;
        let format = "${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n";
        let listed = self.run("dpkg-query", ["-W", "-f", format]).success();
        parse(&listed.stdout, native.trim())
    }
}

/// What differs between two states of the same root, by package.
pub fn differences(
    before: &BTreeMap<String, Installed>,
    after: &BTreeMap<String, Installed>,
) -> BTreeMap<String, Change> {
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| (name.clone(), Change { before: before.get(name).cloned(), after: after.get(name).cloned() }))
        .collect()
}

fn parse(listed: &str, native: &str) -> BTreeMap<String, Installed> {
    let entry = |line: &str| {
        let mut columns = line.split('\t');
        let status = columns.next()?.trim_end().to_owned();
        let (name, architecture) = (columns.next()?, columns.next()?);
        let version = columns.next()?.to_owned();
        let own = architecture == native || architecture == "all" || architecture.is_empty();
        let name = if own { name.to_owned() } else { format!("{name}:{architecture}") };
        // Known only because somebody asked for it or another package mentions it.
        (!status.starts_with("un")).then_some((name, Installed { version, status }))
    };
    listed.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(packages: &[(&str, &str, &str)]) -> BTreeMap<String, Installed> {
        let entry = |&(name, version, status): &(&str, &str, &str)| {
            (name.to_owned(), Installed { version: version.to_owned(), status: status.to_owned() })
        };
        packages.iter().map(entry).collect()
    }

    #[test]
    fn a_foreign_architecture_is_part_of_the_name() {
        let listed =
            "ii \tlibc6\tamd64\t2.36\nii \tlibc6\ti386\t2.36\niF \talpha\tall\t2\nun \tghost\t\t\niHR\tbeta\tall\t1\n";
        let expected =
            state(&[("libc6", "2.36", "ii"), ("libc6:i386", "2.36", "ii"), ("alpha", "2", "iF"), ("beta", "1", "iHR")]);
        assert_eq!(parse(listed, "amd64"), expected);
    }

    #[test]
    fn a_difference_names_what_came_went_or_changed() {
        let before = state(&[("same", "1", "ii"), ("up", "1", "ii"), ("gone", "1", "ii"), ("broken", "1", "ii")]);
        let after = state(&[("same", "1", "ii"), ("up", "2", "ii"), ("new", "1", "ii"), ("broken", "1", "iF")]);
        let changes = differences(&before, &after);
        assert_eq!(changes.keys().collect::<Vec<_>>(), ["broken", "gone", "new", "up"]);
        assert_eq!(changes["gone"].after, None);
        assert_eq!(changes["new"].before, None);
        assert_eq!(changes["broken"].after.as_ref().unwrap().status, "iF");
    }
}
