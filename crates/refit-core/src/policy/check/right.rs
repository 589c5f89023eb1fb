//! What is left of a repository that has mistakes, once they are taken out.

use super::Needs;
use crate::policy::{
    diagnostic::{Diagnostic, Severity},
    document::{Kind, policy::PolicyDocument},
    load::{Documents, Written},
    repository::Repository,
};
use std::collections::{BTreeMap, BTreeSet};

/// The documents that have no mistakes, and what they resolved to.
pub(super) struct Right {
    pub documents: Documents,
    pub repository: Repository,
    /// Whether all of refit.yaml is right, or there is none.
    organization: bool,
    /// Whether all titles and sources are.
    titles: bool,
}

impl Right {
    pub fn of(documents: &Documents, repository: &Repository, before: &[Diagnostic]) -> Right {
        let mut wrong: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in
            before.iter().filter(|found| found.severity == Severity::Error).filter_map(|found| found.place.as_ref())
        {
            wrong.entry(place.file).or_default().push(place.span.start);
        }
        wrong.values_mut().for_each(|starts| starts.sort_unstable());
        let mut right = Right {
            documents: Documents { broken_file: documents.broken_file, ..Documents::default() },
            repository: repository.clone(),
            organization: false,
            titles: false,
        };
        let kept = &mut right.documents;
        kept.organizations = keep(&documents.organizations, &wrong);
        kept.policies = with_their_parents(keep(&documents.policies, &wrong));
        kept.blocks = keep(&documents.blocks, &wrong);
        kept.exceptions = keep(&documents.exceptions, &wrong);
        kept.titles = keep(&documents.titles, &wrong);
        kept.sources = keep(&documents.sources, &wrong);
        kept.targets = keep(&documents.targets, &wrong);
        kept.identities = keep(&documents.identities, &wrong);
        kept.goals = keep(&documents.goals, &wrong);
        kept.guarantees = keep(&documents.guarantees, &wrong);
        kept.mandates = keep(&documents.mandates, &wrong);
        kept.postures = keep(&documents.postures, &wrong);
        kept.exception_rules = keep(&documents.exception_rules, &wrong);
        kept.processes = keep(&documents.processes, &wrong);
        let unread = |kind: Kind| documents.unread.iter().any(|(unread, _)| *unread == kind);
        let all = |kept: usize, of: usize, kind: Kind| kept == of && !unread(kind) && !documents.broken_file;
        right.organization = kept.organizations.len() == documents.organizations.len()
            && !unread(Kind::Organization)
            && !(documents.broken_file && documents.organizations.is_empty());
        right.titles = all(kept.titles.len(), documents.titles.len(), Kind::Title)
            && all(kept.sources.len(), documents.sources.len(), Kind::Source);

        let repository = &mut right.repository;
        let policies: BTreeSet<&str> = kept.policies.iter().map(|written| written.document.policy.as_str()).collect();
        repository.policies.retain(|policy| policies.contains(policy.name.as_str()));
        let blocks: BTreeSet<&str> = kept.blocks.iter().map(|written| written.document.block.as_str()).collect();
        repository.blocks.retain(|block| blocks.contains(block.name.as_str()));
        let exceptions: BTreeSet<&str> =
            kept.exceptions.iter().map(|written| written.document.exception.as_str()).collect();
        repository.exceptions.retain(|exception| exceptions.contains(exception.name.as_str()));
        if kept.mandates.len() != documents.mandates.len() {
            repository.mandate = None;
        }
        if !right.organization {
            // Half a rollout would be another one.
            kept.organizations.clear();
            repository.mandate = None;
            repository.rollouts.clear();
            repository.freezes.clear();
            for policy in &mut repository.policies {
                policy.rollout = None;
                policy.window = None;
                policy.deadline.iter_mut().for_each(|entry| entry.rollout = None);
            }
            repository.exceptions.iter_mut().for_each(|exception| exception.window = None);
        }
        right
    }

    /// Whether nothing was taken out of what a check needs.
    pub fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Itself => true,
            Needs::Titles => self.titles,
            Needs::Organization => self.organization && self.titles,
            Needs::All => false,
        }
    }
}

/// The documents in which nothing is wrong.
fn keep<T: Clone>(documents: &[Written<T>], wrong: &BTreeMap<usize, Vec<usize>>) -> Vec<Written<T>> {
    let is_right = |written: &&Written<T>| {
        let span = &written.node.span;
        let inside = wrong.get(&written.file).is_some_and(|starts| {
            let first = starts.partition_point(|start| *start < span.start);
            starts.get(first).is_some_and(|start| *start < span.end.max(span.start + 1))
        });
        written.mistakes.is_empty() && !inside
    };
    documents.iter().filter(is_right).cloned().collect()
}

/// Policies all of whose parents are there.
fn with_their_parents(policies: Vec<Written<PolicyDocument>>) -> Vec<Written<PolicyDocument>> {
    let parents: BTreeMap<&str, Option<&str>> = policies
        .iter()
        .map(|written| (written.document.policy.as_str(), written.document.extends.as_deref()))
        .collect();
    let whole = |written: &Written<PolicyDocument>| {
        let mut next = written.document.extends.as_deref();
        // Circles were reported, and are not here; a chain is no longer than there are policies.
        for _ in 0..=parents.len() {
            match next.map(|name| parents.get(name)) {
                None => return true,
                Some(None) => return false,
                Some(Some(parent)) => next = *parent,
            }
        }
        false
    };
    let whole: Vec<bool> = policies.iter().map(whole).collect();
    policies.into_iter().zip(whole).filter(|(_, whole)| *whole).map(|(written, _)| written).collect()
}

#[cfg(test)]
mod tests {
    use crate::policy::{
        check::{CheckWorld, check_what_is_right, trial::now},
        diagnostic::Files,
        load::load,
        resolve::{Titles, resolve},
        syntax::Limits,
    };

    /// The codes of what is found in some files, before and by the checks.
    fn codes(files: &[(&str, &str)]) -> (Vec<&'static str>, Vec<&'static str>) {
        let mut read = Files::default();
        for (name, text) in files {
            read.add((*name).to_owned(), text.as_bytes(), &Limits::default()).unwrap();
        }
        let (documents, mut before) = load(&read, &Limits::default());
        let (repository, found) = resolve(&documents, &read, &Titles::default());
        before.extend(found);
        let world = CheckWorld::default();
        let found = check_what_is_right(&documents, &read, &repository, &world, now(), &before);
        let codes = |found: &[crate::policy::diagnostic::Diagnostic]| found.iter().map(|found| found.code).collect();
        (codes(&before), codes(&found))
    }

    const ORGANIZATION: &str =
        "organization: acme\ndefaults: { mode: enforce }\nrollouts: { standard: { rings: [{ name: rest }] } }";
    const CONTRADICTION: &str = "title: slack\n---\npolicy: a\nsoftware: [slack]\ndeadline: [{ within: 7d }]\n---\npolicy: b\nsoftware: [slack]\ndeadline: [{ within: 3d }]";

    #[test]
    fn a_broken_file_hides_no_contradiction_and_makes_nothing_unused() {
        let files = [("refit.yaml", ORGANIZATION), ("policies.yaml", CONTRADICTION)];
        assert_eq!(codes(&files), (vec![], vec!["policy/conflict", "policy/unused"]));
        let broken = ("broken.yaml", "policy: c\nsoftware: [slack\nrollout: standard");
        let files = [files[0], files[1], broken];
        assert_eq!(codes(&files), (vec!["policy/syntax"], vec!["policy/conflict"]));
    }

    #[test]
    fn what_is_wrong_takes_no_part() {
        let wrong = CONTRADICTION.replace("policy: b", "policy: b\nrollout: standart");
        let files = [("refit.yaml", ORGANIZATION), ("policies.yaml", wrong.as_str())];
        assert_eq!(codes(&files), (vec!["policy/unknown-name"], vec![]));
        let child =
            format!("{CONTRADICTION}\n---\npolicy: c\nextends: d\nsoftware: [slack]\n---\npolicy: d\nmin_age: soon");
        let files = [("refit.yaml", ORGANIZATION), ("policies.yaml", child.as_str())];
        assert_eq!(codes(&files), (vec!["policy/invalid-value", "policy/no-software"], vec!["policy/conflict"]));
    }

    #[test]
    fn a_mistake_in_the_organization_silences_what_depends_on_that_part_only() {
        let organization = format!("{ORGANIZATION}\nfreezes: [{{ name: x, from: soon, to: 2027-01-05 }}]");
        let policies = format!("{CONTRADICTION}\n---\npolicy: c\nsoftware: [deb/x1]\nrollout: standart");
        let files = [("refit.yaml", organization.as_str()), ("policies.yaml", policies.as_str())];
        let (before, found) = codes(&files);
        assert_eq!(before, ["policy/invalid-value", "policy/unknown-name"]);
        assert_eq!(found, ["policy/conflict"]);
        let organization = ORGANIZATION.replace("name: rest", "name: rest, soak: long");
        let files = [("refit.yaml", organization.as_str()), ("policies.yaml", policies.as_str())];
        assert_eq!(codes(&files).0, ["policy/invalid-value"]);
    }
}
