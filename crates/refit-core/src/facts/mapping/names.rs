//! Display names of titles, written in one way, so that one title is not many.

/// A display name without what differs from one release or machine to the next: its version, architecture, language, the account that
/// it was installed for, the ending of its file. In small letters.
pub fn plain_name(name: &str, version: Option<&str>) -> String {
    let mut text = name.trim().to_lowercase();
    for ending in [".app", ".exe", ".msi"] {
        if let Some(rest) = text.strip_suffix(ending) {
            text = rest.to_owned();
        }
    }
    let mut words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > WORDS_MOST {
        return words.join(" ");
    }
    let version = version.map(|version| version.trim().to_lowercase());
    while words.len() > 1 {
        let Some(last) = words.last() else { break };
        let bare = last.trim_matches(['(', ')', '[', ']', ',', '-']);
        let bracketed = *last != bare;
        let number = bare.trim_start_matches('v');
        let is_version = version.as_deref() == Some(number)
            || number.contains('.')
                && number.starts_with(|c: char| c.is_ascii_digit())
                && number.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
        let word = ARCHITECTURES.contains(&bare)
            || bare.is_empty()
            || bracketed && ENVIRONMENTS.contains(&bare)
            || bracketed && is_language(bare);
        if !word && !is_version {
            break;
        }
        words.pop();
    }
    words.join(" ")
}

const WORDS_MOST: usize = 64;
const ARCHITECTURES: [&str; 10] =
    ["x64", "x86", "x86_64", "amd64", "arm64", "64-bit", "32-bit", "64bit", "32bit", "universal"];
const ENVIRONMENTS: [&str; 4] = ["user", "machine", "all", "users"];

/// `en-US`, as in brackets.
fn is_language(word: &str) -> bool {
    let mut parts = word.split('-');
    let short =
        |part: Option<&str>| part.is_some_and(|part| part.len() == 2 && part.chars().all(|c| c.is_ascii_alphabetic()));
    short(parts.next()) && short(parts.next()) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_title_has_one_name() {
        for (name, version, plain) in [
            ("Google Chrome.app", None, "google chrome"),
            ("7-Zip 23.01 (x64)", Some("23.01"), "7-zip"),
            ("Cursor (User)", Some("0.45.14"), "cursor"),
            ("Mozilla Firefox (x64 en-US)", None, "mozilla firefox"),
            ("Notepad++ (64-bit x64)", None, "notepad++"),
            ("Python 3.12.4 (64-bit)", None, "python"),
            ("  Visual   Studio Code ", None, "visual studio code"),
            ("Office 2019", None, "office 2019"),
            ("1.2.3", None, "1.2.3"),
            (
                "Microsoft Visual C++ 2015-2022 Redistributable (x64) - 14.38.33130",
                None,
                "microsoft visual c++ 2015-2022 redistributable",
            ),
        ] {
            assert_eq!(plain_name(name, version), plain, "{name}");
        }
    }
}
