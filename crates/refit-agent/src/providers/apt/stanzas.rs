//! Debian's control files: stanzas of `Field: value`, separated by empty lines (deb-control(5), `Release` files, the
//! output of `apt-cache show` and `apt-get indextargets`).

use std::collections::BTreeMap;

/// One stanza. Field names are compared without regard to case; a value on several lines is joined with spaces.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Stanza(BTreeMap<String, String>);

impl Stanza {
    /// The value of a field; `None` where the stanza lacks the field or leaves it empty.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(&field.to_ascii_lowercase()).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// The stanzas of a text, in its order. Lines that are neither a field nor a continuation (the armour of a signature) are
/// passed over.
pub(super) fn stanzas(text: &str) -> Vec<Stanza> {
    let mut all = Vec::new();
    let mut current = Stanza::default();
    let mut field: Option<String> = None;
    for line in text.lines() {
        if line.trim().is_empty() {
            if !current.0.is_empty() {
                all.push(std::mem::take(&mut current));
            }
            field = None;
        } else if line.starts_with([' ', '\t']) {
            if let Some(value) = field.as_ref().and_then(|name| current.0.get_mut(name)) {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.to_ascii_lowercase();
            current.0.insert(name.clone(), value.trim().to_owned());
            field = Some(name);
        }
    }
    if !current.0.is_empty() {
        all.push(current);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_end_at_empty_lines_and_fields_have_no_case() {
        let text = "Package: a\nDescription: first\n more\n .\nversion: 1\n\n\nPackage: b\n";
        let all = stanzas(text);
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].get("package"), all[0].get("Version")), (Some("a"), Some("1")));
        assert_eq!(all[0].get("description"), Some("first more ."));
        assert_eq!(all[1].get("Version"), None);
    }

    #[test]
    fn the_armour_of_a_signed_release_is_passed_over() {
        let text = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nSHA256:\n abc 1 x\n-----BEGIN PGP SIGNATURE-----\n";
        let all = stanzas(text);
        assert_eq!(all[1].get("origin"), Some("Debian"));
    }
}
