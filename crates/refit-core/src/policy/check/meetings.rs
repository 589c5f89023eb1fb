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

/// Pairs of policies, exceptions and blocks that may meet on a device.
pub(super) struct Meetings {
    /// Two of them, the smaller first, with the titles that both name.
    pub pairs: BTreeMap<(Item, Item), Vec<Selector>>,
    /// Whether there were too many to look at all of them.
    pub cut: bool,
    by_key: BTreeMap<Key, Vec<Item>>,
    with: BTreeMap<Item, Vec<Item>>,
}

/// Most pairs that are looked at: the policies of a repository that has more could not be told apart by people either.
const PAIRS_MAX: usize = 200_000;
/// Most pairs that are passed over by a glance at their confinements.
const GLANCES_MAX: usize = 5_000_000;
/// Groups up to this size are not divided further.
const SMALL: usize = 8;

impl Meetings {
    /// Finds the pairs of items, each with its `software` and its `where` (`None` is everywhere).
    pub fn find<'a>(items: impl IntoIterator<Item = (Item, &'a [Selector], Option<&'a Expr>)>) -> Meetings {
        let mut by_key: BTreeMap<Key, Vec<Item>> = BTreeMap::new();
        let mut selectors: BTreeMap<Key, &Selector> = BTreeMap::new();
        let mut confined: BTreeMap<Item, Confinement> = BTreeMap::new();
        for (item, software, condition) in items {
            confined.insert(item, condition.map_or_else(Confinement::new, Expr::confinement));
            for selector in software {
                by_key.entry(Key::of(selector)).or_default().push(item);
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
        let mut with = BTreeMap::<Item, Vec<Item>>::new();
        for (one, other) in search.pairs.keys() {
            with.entry(*one).or_default().push(*other);
            with.entry(*other).or_default().push(*one);
        }
        Meetings { pairs: search.pairs, cut: search.cut, by_key, with }
    }

    /// What an item may meet.
    pub fn with(&self, item: Item) -> &[Item] {
        self.with.get(&item).map_or(&[], Vec::as_slice)
    }

    /// Whether a policy names a title that `selector` selects too, for whatever devices.
    pub fn named_by_a_policy(&self, selector: &Selector) -> bool {
        let key = Key::of(selector);
        let policy = |items: &Vec<Item>| items.iter().any(|item| matches!(item, Item::Policy(_)));
        let of = |key: &Key| self.by_key.get(key).is_some_and(policy);
        of(&key)
            || key.wider().iter().any(of)
            || (!matches!(selector, Selector::Title(_))
                && self.by_key.iter().any(|(other, items)| other.wider().contains(&key) && policy(items)))
    }
}

/// A policy, exception or block, by its index in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Policy(usize),
    Exception(usize),
    Block(usize),
}

struct Search<'c> {
    confined: &'c BTreeMap<Item, Confinement>,
    pairs: BTreeMap<(Item, Item), Vec<Selector>>,
    cut: bool,
    glances: usize,
}

impl Search<'_> {
    /// The pairs within a group. `used` are the fields by which it has been divided.
    fn divide(&mut self, group: &[Item], used: &mut BTreeSet<FieldRef>, meet: &mut Vec<(Item, Item)>) {
        let mut counts: BTreeMap<&FieldRef, usize> = BTreeMap::new();
        for member in group {
            for field in self.confined.get(member).into_iter().flat_map(BTreeMap::keys) {
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
        let mut buckets: BTreeMap<&SmolStr, Vec<Item>> = BTreeMap::new();
        let (mut bound, mut free) = (Vec::new(), Vec::new());
        for member in group {
            match self.confined.get(member).and_then(|confined| confined.get(&field)) {
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
    fn cross(&mut self, group: &[Item], others: &[Item], meet: &mut Vec<(Item, Item)>) {
        for one in group {
            for other in others {
                if self.glances >= GLANCES_MAX || self.pairs.len() + meet.len() >= PAIRS_MAX {
                    self.cut = true;
                    return;
                }
                self.glances += 1;
                let (Some(mine), Some(theirs)) = (self.confined.get(one), self.confined.get(other)) else { continue };
                if one != other && !apart(mine, theirs) {
                    meet.push((*one.min(other), *one.max(other)));
                }
            }
        }
    }

    fn add(&mut self, mut meet: Vec<(Item, Item)>, selector: &Selector) {
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
            let items = [Item::Policy(0), Item::Exception(0)].into_iter().zip(&software);
            let found = Meetings::find(items.map(|(item, lines)| (item, &lines[..], None)));
            let meets = found.pairs.contains_key(&(Item::Policy(0), Item::Exception(0)));
            assert_eq!(found.named_by_a_policy(&software[1][0]), meets, "{a} {b}");
            assert_eq!(found.with(Item::Exception(0)).len(), usize::from(meets));
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
