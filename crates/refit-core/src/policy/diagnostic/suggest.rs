//! "Did you mean": the candidate that a misspelt name is close to.

use strsim::damerau_levenshtein;

/// Longer names are not compared: the time grows with the square of the length, and nobody mistypes one of them.
const LENGTH_MAX: usize = 64;

/// The candidate closest to `name`, if it is close enough to be what was meant.
///
/// Close means: the same but for case and for `-`, `_` and spaces; or up to one mistake (a letter missing, added, wrong,
/// or two exchanged) for each three letters of the name. Ties go to the candidate that comes first in the alphabet.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = plain(name);
    let length = plain.chars().count();
    if length == 0 || length > LENGTH_MAX {
        return None;
    }
    let mistakes_max = if length <= 2 { 0 } else { (length / 3).clamp(1, 4) };
    let near = |candidate: &'a str| {
        if candidate == name || candidate.len() > 4 * LENGTH_MAX {
            return None;
        }
        let other = self::plain(candidate);
        if other.chars().count().abs_diff(length) > mistakes_max {
            return None;
        }
        let distance = damerau_levenshtein(&plain, &other);
        // In two letters, any mistake makes another word; two that changed places don't.
        let exchanged = length == 2 && distance == 1 && plain.chars().rev().eq(other.chars());
        (distance <= mistakes_max || exchanged).then_some((distance, candidate))
    };
    candidates.into_iter().filter_map(near).min().map(|(_, candidate)| candidate)
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_close_names_are_suggested() {
        let fields = ["where", "deadline", "min_age", "rollout", "mode", "why", "software"];
        for (written, meant) in [
            ("wehre", Some("where")),
            ("deadlines", Some("deadline")),
            ("minAge", Some("min_age")),
            ("min-age", Some("min_age")),
            ("Mode", Some("mode")),
            ("mod", Some("mode")),
            ("sofware", Some("software")),
            ("owner", None),
            ("x", None),
            ("", None),
            ("mode", None),
        ] {
            assert_eq!(did_you_mean(written, fields), meant, "{written}");
        }
    }

    #[test]
    fn two_letters_may_have_changed_places() {
        assert_eq!(did_you_mean("fi", ["if", "of"]), Some("if"));
        assert_eq!(did_you_mean("in", ["if", "of"]), None);
    }

    #[test]
    fn a_tie_goes_to_the_first_in_the_alphabet_whatever_the_order() {
        assert_eq!(did_you_mean("ring3", ["ring2", "ring1"]), Some("ring1"));
        assert_eq!(did_you_mean("ring3", ["ring1", "ring2"]), Some("ring1"));
    }

    #[test]
    fn a_hostile_name_is_not_compared() {
        let long = "a".repeat(1 << 20);
        assert_eq!(did_you_mean(&long, ["where"]), None);
        assert_eq!(did_you_mean("where", [long.as_str()]), None);
    }
}
