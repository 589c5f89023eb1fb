//! Relations between packages (Debian Policy 4.6, chapter 7): enough to say which package asks for which.
//!
//! This never decides what is installed; apt does. It only finds who is to blame for what apt decided.

use super::{inventory::apt_name, records::Record};
use refit_model::{Scheme, TitleId, Version};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Alternatives, one of which has to hold: `a | b (>= 2)`.
pub(super) type Clause = Vec<Relation>;

/// A package, and the versions of it that are meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Relation {
    pub name: SmolStr,
    /// `any`, or an architecture; `None` where the architecture of the package that asks is meant.
    pub architecture: Option<SmolStr>,
    pub range: Option<(Op, Version)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Earlier,
    AtMost,
    Exactly,
    AtLeast,
    Later,
}

impl Relation {
    fn admits(&self, version: &Version) -> bool {
        match &self.range {
            None => true,
            Some((Op::Earlier, limit)) => version < limit,
            Some((Op::AtMost, limit)) => version <= limit,
            Some((Op::Exactly, limit)) => version == limit,
            Some((Op::AtLeast, limit)) => version >= limit,
            Some((Op::Later, limit)) => version > limit,
        }
    }

    /// Whether that package, or something that it provides, is what this relation, stated by `asker`, means.
    pub fn is_met_by(&self, asker: &Record, record: &Record) -> bool {
        let architecture_fits = match self.architecture.as_deref() {
            Some("any") => true,
            Some(architecture) => record.architecture == architecture,
            None => {
                record.multi_arch_foreign
                    || record.architecture == asker.architecture
                    || record.architecture == "all"
                    || asker.architecture == "all"
            }
        };
        if !architecture_fits {
            return false;
        }
        let by_name = record.name == self.name && self.admits(&record.version);
        by_name
            || record.provides.iter().any(|(name, version)| {
                *name == self.name
                    && match version {
                        Some(version) => self.admits(version),
                        None => self.range.is_none(),
                    }
            })
    }
}

/// The packages of one moment: all that are installed, before or after a change.
pub(super) struct Moment<'a> {
    by_name: BTreeMap<&'a str, Vec<&'a Record>>,
}

impl<'a> Moment<'a> {
    pub fn new(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut by_name: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in records {
            by_name.entry(&record.name).or_default().push(record);
            for (name, _) in &record.provides {
                by_name.entry(name).or_default().push(record);
            }
        }
        Moment { by_name }
    }

    /// Whether a clause that `asker` states holds, not counting the packages that `without` names.
    pub fn meets(&self, asker: &Record, clause: &Clause, without: Option<&TitleId>) -> bool {
        clause.iter().any(|relation| {
            self.by_name.get(relation.name.as_str()).is_some_and(|records| {
                records.iter().any(|record| Some(&record.title) != without && relation.is_met_by(asker, record))
            })
        })
    }
}

/// The clauses of a `Depends`-like field. What can't be read is left out: it blames nobody.
pub(super) fn parse_clauses(field: &str) -> Vec<Clause> {
    field
        .split(',')
        .map(|clause| clause.split('|').filter_map(parse_relation).collect::<Clause>())
        .filter(|clause| !clause.is_empty())
        .collect()
}

/// The names in a `Provides` field, with their versions.
pub(super) fn parse_provides(field: &str) -> Vec<(SmolStr, Option<Version>)> {
    let relations = parse_clauses(field).into_iter().flatten();
    relations.map(|relation| (relation.name, relation.range.map(|(_, version)| version))).collect()
}

fn parse_relation(text: &str) -> Option<Relation> {
    let (name, range) = match text.split_once('(') {
        Some((name, range)) => (name, Some(parse_range(range.split_once(')')?.0)?)),
        None => (text, None),
    };
    let name = name.trim();
    let (name, architecture) = match name.split_once(':') {
        Some((name, architecture)) => (name, Some(SmolStr::new(architecture))),
        None => (name, None),
    };
    (!name.is_empty()).then(|| Relation { name: name.into(), architecture, range })
}

fn parse_range(text: &str) -> Option<(Op, Version)> {
    let text = text.trim();
    let (op, rest) = [
        ("<<", Op::Earlier),
        ("<=", Op::AtMost),
        (">=", Op::AtLeast),
        (">>", Op::Later),
        ("=", Op::Exactly),
        // Deprecated forms that old packages still carry, with the meaning that dpkg gives them.
        ("<", Op::AtMost),
        (">", Op::AtLeast),
    ]
    .iter()
    .find_map(|(sign, op)| Some((*op, text.strip_prefix(sign)?)))?;
    Some((op, Version::parse(Scheme::Dpkg, rest.trim()).ok()?))
}

/// The release of a kernel whose image a package holds: `6.1.0-56-amd64` of `linux-image-6.1.0-56-amd64`, as `uname -r`
/// prints it. New releases come as new packages; the metapackages that pull them in have none.
pub(super) fn kernel_release(title: &TitleId) -> Option<&str> {
    let release = apt_name(title).strip_prefix("linux-image-")?;
    let release = release.strip_prefix("unsigned-").unwrap_or(release);
    release.starts_with(|c: char| c.is_ascii_digit()).then_some(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, version: &str, provides: &str) -> Record {
        let mut record =
            Record::blank(TitleId::new(format!("deb/{name}")), Version::parse(Scheme::Dpkg, version).unwrap());
        record.provides = parse_provides(provides);
        record
    }

    fn holds(clause: &str, records: &[Record]) -> bool {
        let clauses = parse_clauses(clause);
        let asker = record("asker", "1", "");
        clauses.iter().all(|clause| Moment::new(records).meets(&asker, clause, None))
    }

    #[test]
    fn a_range_admits_its_versions_only() {
        let installed = [record("libc6", "36", "")];
        assert!(holds("libc6", &installed) && holds("libc6 (>= 36)", &installed) && holds("libc6 (= 36)", &installed));
        assert!(!holds("libc6 (>> 36)", &installed) && !holds("libc6 (<< 36)", &installed));
        assert!(holds("libc6 (>= 35), libc6 (<< 37)", &installed));
    }

    #[test]
    fn one_alternative_is_enough() {
        assert!(holds("debconf (>= 5) | debconf-2.0", &[record("cdebconf", "1", "debconf-2.0")]));
        assert!(!holds("debconf (>= 5) | debconf-2.0", &[record("debconf", "4", "")]));
    }

    #[test]
    fn a_provided_name_without_a_version_meets_no_range() {
        let installed = [record("exim4", "4", "mail-transport-agent"), record("perl", "5", "libtest (= 2)")];
        assert!(holds("mail-transport-agent", &installed) && !holds("mail-transport-agent (>= 1)", &installed));
        assert!(holds("libtest (>= 2)", &installed) && !holds("libtest (>= 3)", &installed));
    }

    #[test]
    fn a_kernel_image_is_told_from_its_metapackage() {
        let release = |name: &str| kernel_release(&TitleId::new(format!("deb/{name}"))).map(str::to_owned);
        assert_eq!(release("linux-image-6.1.0-56-cloud-amd64").as_deref(), Some("6.1.0-56-cloud-amd64"));
        assert_eq!(release("linux-image-unsigned-6.8.0-40-generic").as_deref(), Some("6.8.0-40-generic"));
        assert_eq!((release("linux-image-amd64"), release("linux-headers-6.1.0-56-amd64")), (None, None));
    }
}
