//! Which pairs of policies name a common title: by title, and within a title by what their conditions confine, so that
//! thousands of policies for one browser, one for each site, are not compared each with each.

use super::subject::apart;
use crate::{
    facts::FieldRef,
    policy::{
        expr::{Confinement, Expr},
        repository::Selector,
    },
};
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Pairs of policies (or of exceptions) that may meet on a device.
pub(super) struct Meetings {
    /// The indices of two of them, the smaller first, with the titles that both name.
    pub pairs: BTreeMap<(usize, usize), Vec<Selector>>,
    /// Whether there were too many to look at all of them.
    pub cut: bool,
    by_key: BTreeMap<Key, Vec<usize>>,
}

/// Most pairs that are looked at: the policies of a repository that has more could not be told apart by people either.
const PAIRS_MAX: usize = 200_000;
/// Most pairs that are passed over by a glance at their confinements.
const GLANCES_MAX: usize = 5_000_000;
/// Groups up to this size are not divided further.
const SMALL: usize = 8;

impl Meetings {
    /// Finds the pairs of what has `software` and a `where` (`None` is everywhere).
    pub fn find<'a>(items: impl IntoIterator<Item = (&'a [Selector], Option<&'a Expr>)>) -> Meetings {
        let mut by_key: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        let mut selectors: BTreeMap<Key, &Selector> = BTreeMap::new();
        let mut confined: Vec<Confinement> = Vec::new();
        for (index, (software, condition)) in items.into_iter().enumerate() {
            confined.push(condition.map_or_else(Confinement::new, Expr::confinement));
            for selector in software {
                by_key.entry(Key::of(selector)).or_default().push(index);
                selectors.insert(Key::of(selector), selector);
            }
        }
        let mut search = Search { confined: &confined, pairs: BTreeMap::new(), cut: false, glances: 0 };
        for (key, selector) in selectors {
            let own = by_key.get(&key).map_or(&[][..], Vec::as_slice);
            let mut meet = Vec::new();
            search.divide(own, &mut BTreeSet::new(), &mut meet);
            for wider in key.wider().iter().filter_map(|wider| by_key.get(wider)) {
                search.cross(own, wider, &mut meet);
            }
            search.add(meet, selector);
        }
        Meetings { pairs: search.pairs, cut: search.cut, by_key }
    }

    /// The indices of those that name a title that `selector` selects too, in no particular order, each once.
    pub fn naming(&self, selector: &Selector) -> BTreeSet<usize> {
        let key = Key::of(selector);
        let of = |key: &Key| self.by_key.get(key).into_iter().flatten().copied();
        let mut naming: BTreeSet<usize> = of(&key).collect();
        naming.extend(key.wider().iter().flat_map(of));
        if !matches!(selector, Selector::Title(_)) {
            let narrower = self.by_key.iter().filter(|(other, _)| other.wider().contains(&key));
            naming.extend(narrower.flat_map(|(_, indices)| indices.iter().copied()));
        }
        naming
    }
}

struct Search<'c> {
    confined: &'c [Confinement],
    pairs: BTreeMap<(usize, usize), Vec<Selector>>,
    cut: bool,
    glances: usize,
}

impl Search<'_> {
    /// The pairs within a group. `used` are the fields by which it has been divided.
    fn divide(&mut self, group: &[usize], used: &mut BTreeSet<FieldRef>, meet: &mut Vec<(usize, usize)>) {
        let mut counts: BTreeMap<&FieldRef, usize> = BTreeMap::new();
        for member in group {
            for field in self.confined.get(*member).into_iter().flat_map(BTreeMap::keys) {
                *counts.entry(field).or_default() += 1;
            }
        }
        let best = counts.into_iter().filter(|(field, _)| !used.contains(*field)).max_by_key(|(_, count)| *count);
        let field = match best {
            Some((field, count)) if group.len() > SMALL && count > 1 => field.clone(),
            _ => {
                for (position, one) in group.iter().enumerate() {
                    self.cross(&[*one], group.get(position + 1..).unwrap_or_default(), meet);
                }
                return;
            }
        };
        let mut buckets: BTreeMap<&SmolStr, Vec<usize>> = BTreeMap::new();
        let (mut bound, mut free) = (Vec::new(), Vec::new());
        for member in group {
            match self.confined.get(*member).and_then(|confined| confined.get(&field)) {
                Some(texts) => {
                    bound.push(*member);
                    texts.iter().for_each(|text| buckets.entry(text).or_default().push(*member));
                }
                None => free.push(*member),
            }
        }
        used.insert(field.clone());
        for bucket in buckets.values() {
            self.divide(bucket, used, meet);
        }
        self.divide(&free, used, meet);
        self.cross(&bound, &free, meet);
        used.remove(&field);
    }

    /// The pairs of one member of each group.
    fn cross(&mut self, group: &[usize], others: &[usize], meet: &mut Vec<(usize, usize)>) {
        for one in group {
            for other in others {
                if self.glances >= GLANCES_MAX || self.pairs.len() + meet.len() >= PAIRS_MAX {
                    self.cut = true;
                    return;
                }
                self.glances += 1;
                let (Some(mine), Some(theirs)) = (self.confined.get(*one), self.confined.get(*other)) else { continue };
                if one != other && !apart(mine, theirs) {
                    meet.push((*one.min(other), *one.max(other)));
                }
            }
        }
    }

    fn add(&mut self, mut meet: Vec<(usize, usize)>, selector: &Selector) {
        meet.sort_unstable();
        meet.dedup();
        for pair in meet {
            self.pairs.entry(pair).or_default().push(selector.clone());
        }
    }
}

/// A line of `software`, so that it can be looked up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Title(SmolStr),
    Packages(SmolStr, SmolStr),
    OsSecurity,
    OsAll,
}

impl Key {
    fn of(selector: &Selector) -> Key {
        match selector {
            Selector::Title(title) => Key::Title(title.as_str().into()),
            Selector::Packages { namespace, prefix } => Key::Packages(namespace.clone(), prefix.clone()),
            Selector::OsSecurity => Key::OsSecurity,
            Selector::OsAll => Key::OsAll,
        }
    }

    /// The other lines that select a title of this one too. Of two that overlap, one of them is among the wider ones of the
    /// other.
    fn wider(&self) -> Vec<Key> {
        let (namespace, name) = match self {
            Key::OsAll => return Vec::new(),
            Key::OsSecurity => return vec![Key::OsAll],
            Key::Title(title) => match title.split_once('/') {
                Some((namespace, name)) => (namespace, format!("{name}\0")),
                None => return Vec::new(),
            },
            Key::Packages(namespace, prefix) => (namespace.as_str(), prefix.to_string()),
        };
        let mut wider = vec![Key::OsAll, Key::OsSecurity];
        let prefixes = name.char_indices().map(|(end, _)| &name[..end]);
        wider.extend(prefixes.map(|prefix| Key::Packages(namespace.into(), prefix.into())));
        wider
    }
}

/// Whether every title that `narrow` selects is selected by `wide`.
pub(super) fn covers(wide: &Selector, narrow: &Selector) -> bool {
    wide == narrow || Key::of(narrow).wider().iter().any(|key| *key != Key::OsSecurity && *key == Key::of(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_software_meet_where_a_title_is_selected_by_both() {
        let meets = |a: &str, b: &str| {
            let software = [[Selector::parse(a)], [Selector::parse(b)]];
            let found = Meetings::find(software.iter().map(|lines| (&lines[..], None)));
            let meets = found.pairs.contains_key(&(0, 1));
            assert_eq!(found.naming(&software[0][0]).contains(&1), meets, "{a} {b}");
            assert_eq!(found.naming(&software[1][0]).contains(&0), meets, "{a} {b}");
            meets
        };
        for (a, b) in [
            ("firefox", "firefox"),
            ("deb/nginx", "os/*"),
            ("deb/nginx", "os/security"),
            ("deb/nginx", "deb/ngi*"),
            ("deb/nginx", "deb/nginx*"),
            ("deb/linux-*", "deb/linux-image-*"),
            ("os/*", "os/security"),
            ("rpm/*", "os/*"),
        ] {
            assert!(meets(a, b), "{a} {b}");
        }
        for (a, b) in
            [("firefox", "google-chrome"), ("firefox", "os/*"), ("deb/nginx", "rpm/nginx*"), ("deb/a*", "deb/b*")]
        {
            assert!(!meets(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_line_covers_another_where_it_selects_every_title_of_it() {
        let covers = |a: &str, b: &str| covers(&Selector::parse(a), &Selector::parse(b));
        assert!(covers("os/*", "os/security") && covers("os/*", "deb/x") && covers("deb/x*", "deb/x"));
        assert!(covers("firefox", "firefox") && covers("deb/*", "deb/x*"));
        assert!(!covers("os/security", "deb/x") && !covers("deb/x", "deb/x*") && !covers("os/security", "os/*"));
    }
}
