//! Names of distribution packages: what can be none selects nothing, and would do so silently.

/// Why `name` is the name of no package of a namespace, and what to write instead; `None` where it may be one.
pub(super) fn mistake(namespace: &str, name: &str) -> Option<(String, String)> {
    if let Some(star) = name.find('*') {
        let help = match &name[..star] {
            "" => format!("name the packages, or write `{namespace}/NAME-*` for those whose names start so"),
            start => format!("write `{namespace}/{start}*`, or each name by itself"),
        };
        return Some(("a `*` may only stand at the end of a name".to_owned(), help));
    }
    let (bare, arch) = match name.split_once(':') {
        Some((bare, arch)) if namespace == "deb" => (bare, Some(arch)),
        _ => (name, None),
    };
    if let Some(arch) = arch.filter(|arch| !ARCHITECTURES.contains(arch)) {
        let near = crate::policy::diagnostic::did_you_mean(arch, ARCHITECTURES.iter().copied());
        let help = near.map_or_else(
            || format!("write `{namespace}/{bare}`; an architecture is only needed where it is foreign"),
            |near| format!("did you mean `{namespace}/{bare}:{near}`?"),
        );
        return Some((format!("Debian has no architecture `{arch}`"), help));
    }
    start_mistake(namespace, bare).or_else(|| {
        let what = if namespace == "deb" { "Debian" } else { "rpm" };
        if bare.ends_with('-') {
            let bare = bare.trim_end_matches('-');
            let help = format!("write `{namespace}/{bare}`, or `{namespace}/{bare}-*` for several");
            return Some((format!("no {what} package has a name that ends with `-`"), help));
        }
        (namespace == "deb" && bare.len() < 2)
            .then(|| ("a Debian package's name has at least two characters".to_owned(), format!("write `deb/{bare}*`")))
    })
}

/// Why no name of a package starts with `start`, and what to write instead.
pub(super) fn start_mistake(namespace: &str, start: &str) -> Option<(String, String)> {
    if start.contains('*') {
        return mistake(namespace, start);
    }
    let deb = namespace == "deb";
    let what = if deb { "Debian" } else { "rpm" };
    // Debian policy 5.6.1; for rpm what its own checks of names let through.
    let fits = |c: char| match c {
        'a'..='z' | '0'..='9' | '+' | '-' | '.' => true,
        'A'..='Z' | '_' => !deb,
        _ => false,
    };
    if let Some(wrong) = start.chars().find(|c| !fits(*c)) {
        let lower = start.to_lowercase();
        let help = match wrong {
            'A'..='Z' if lower.chars().all(fits) => format!("write `{namespace}/{lower}`"),
            _ if deb => "names have lower-case letters, digits, `+`, `-` and `.`".to_owned(),
            _ => "names have letters, digits, `+`, `-`, `.` and `_`".to_owned(),
        };
        return Some((format!("no {what} package has `{}` in its name", wrong.escape_default()), help));
    }
    let first = start.chars().next()?;
    let begins = first.is_ascii_alphanumeric() || (!deb && first == '_');
    (!begins).then(|| {
        (
            format!("no {what} package has a name that starts with `{first}`"),
            "start with a letter or a digit".to_owned(),
        )
    })
}

/// Debian's architectures: a package of a foreign one is named with it, `libc6:i386`.
const ARCHITECTURES: [&str; 23] = [
    "all",
    "alpha",
    "amd64",
    "arm64",
    "armel",
    "armhf",
    "hppa",
    "hurd-amd64",
    "hurd-i386",
    "i386",
    "ia64",
    "loong64",
    "m68k",
    "mips64el",
    "mipsel",
    "powerpc",
    "ppc64",
    "ppc64el",
    "riscv64",
    "s390x",
    "sh4",
    "sparc64",
    "x32",
];

#[cfg(test)]
mod tests {
    use super::{mistake, start_mistake};

    #[test]
    fn names_that_packages_have_are_no_mistakes() {
        for name in ["openssl", "g++", "libstdc++6", "libc6:i386", "0ad", "python3.11", "linux-image-6.1.0-28-amd64"] {
            assert_eq!(mistake("deb", name), None, "{name}");
        }
        for name in ["ImageMagick", "openssl-libs", "python3.11", "texlive-collection_x", "_x"] {
            assert_eq!(mistake("rpm", name), None, "{name}");
        }
        for start in ["", "l", "linux-image-", "g+"] {
            assert_eq!(start_mistake("deb", start), None, "{start}");
        }
    }

    #[test]
    fn names_that_no_package_has() {
        for name in [
            "lib*ssl",
            "*ssl",
            "*",
            "Openssl",
            "a b",
            "openssl:arm65",
            "openssl-",
            "x",
            "-x",
            "+x",
            "o_o",
            "é",
            "a:b:c",
        ] {
            assert!(mistake("deb", name).is_some(), "{name}");
        }
        for name in ["a b", "openssl:amd64", "lib*ssl", "openssl-", ".x"] {
            assert!(mistake("rpm", name).is_some(), "{name}");
        }
        for start in ["*", "a*", "A", "a b", "-"] {
            assert!(start_mistake("deb", start).is_some(), "{start}");
        }
    }
}
