//! Sets of devices under three-valued logic.

use roaring::RoaringBitmap;

/// Where something holds, and where that is unknown; it does not hold anywhere else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sets {
    /// Where it surely holds.
    pub holds: RoaringBitmap,
    /// Where it is unknown.
    pub unknown: RoaringBitmap,
}

impl Sets {
    /// Everywhere in `all`.
    pub fn everywhere(all: &RoaringBitmap) -> Sets {
        Sets { holds: all.clone(), unknown: RoaringBitmap::new() }
    }

    /// The opposite, in `all`.
    pub fn not(self, all: &RoaringBitmap) -> Sets {
        Sets { holds: (all - self.holds) - &self.unknown, unknown: self.unknown }
    }

    /// Where both hold; unknown where neither surely does not.
    pub fn and(self, other: &Sets) -> Sets {
        let possible = (&self.holds | &self.unknown) & (&other.holds | &other.unknown);
        let holds = self.holds & &other.holds;
        Sets { unknown: possible - &holds, holds }
    }

    /// Where one holds; unknown where neither surely does and one may.
    pub fn or(self, other: &Sets) -> Sets {
        let possible = self.unknown | &other.unknown;
        let holds = self.holds | &other.holds;
        Sets { unknown: possible - &holds, holds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::expr::Truth;

    fn sets(truths: &[Truth]) -> Sets {
        let mut sets = Sets::default();
        for (number, truth) in (0..).zip(truths) {
            match truth {
                Truth::True => drop(sets.holds.insert(number)),
                Truth::Unknown => drop(sets.unknown.insert(number)),
                Truth::False => {}
            }
        }
        sets
    }

    #[test]
    fn logic_on_sets_is_kleenes_in_every_place() {
        let values = [Truth::True, Truth::False, Truth::Unknown];
        let one: Vec<Truth> = values.iter().flat_map(|truth| [*truth; 3]).collect();
        let other: Vec<Truth> = values.repeat(3);
        let all = RoaringBitmap::from_iter(0..9);
        let both: Vec<Truth> = one.iter().zip(&other).map(|(a, b)| a.and(*b)).collect();
        let either: Vec<Truth> = one.iter().zip(&other).map(|(a, b)| !(!*a).and(!*b)).collect();
        let neither: Vec<Truth> = one.iter().map(|truth| !*truth).collect();
        assert_eq!(sets(&one).and(&sets(&other)), sets(&both));
        assert_eq!(sets(&one).or(&sets(&other)), sets(&either));
        assert_eq!(sets(&one).not(&all), sets(&neither));
    }
}
