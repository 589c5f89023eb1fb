//! Where a package name means something: a release of a distribution, or an ecosystem of packages.

use refit_model::Scheme;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use std::fmt;

/// A release of a distribution (`debian/bookworm`, `almalinux/9`) or an ecosystem of OSV (`Bitnami`, `PyPI`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EcosystemName(SmolStr);

/// What a device runs, as its `os-release` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Universe {
    /// `ID`: `debian`, `ubuntu`, `almalinux`.
    pub distribution: SmolStr,
    /// `VERSION_CODENAME`: `bookworm`; empty where the distribution has none.
    pub codename: SmolStr,
    /// `VERSION_ID`: `12`, `22.04`, `9.4`; empty on Debian's testing and unstable.
    pub version: SmolStr,
}

/// Debian's releases, which OSV numbers and the tracker names.
const DEBIAN: [(&str, &str); 13] = [
    ("2.2", "potato"),
    ("3.0", "woody"),
    ("3.1", "sarge"),
    ("4.0", "etch"),
    ("5.0", "lenny"),
    ("6.0", "squeeze"),
    ("7", "wheezy"),
    ("8", "jessie"),
    ("9", "stretch"),
    ("10", "buster"),
    ("11", "bullseye"),
    ("12", "bookworm"),
    ("13", "trixie"),
];

impl EcosystemName {
    /// The name as it is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A release of Debian by its codename.
    pub fn debian(codename: &str) -> Self {
        Self(format_smolstr!("debian/{codename}"))
    }

    /// From an ecosystem as OSV writes it: `Debian:12`, `Ubuntu:22.04:LTS`, `AlmaLinux:9`, `PyPI`.
    ///
    /// What only Ubuntu Pro receives (`Ubuntu:Pro:…`) is an ecosystem of its own: its fixes are not offered to everybody.
    pub fn from_osv(ecosystem: &str) -> Self {
        let parts: Vec<&str> = ecosystem.split(':').collect();
        match parts.as_slice() {
            ["Debian", number] => {
                Self::debian(DEBIAN.iter().find(|(known, _)| known == number).map_or(*number, |(_, name)| name))
            }
            ["Ubuntu", "Pro", version, ..] => Self(format_smolstr!("ubuntu-pro/{version}")),
            ["Ubuntu", version, ..] => Self(format_smolstr!("ubuntu/{version}")),
            ["AlmaLinux", major] => Self(format_smolstr!("almalinux/{major}")),
            ["Rocky Linux", major] => Self(format_smolstr!("rocky/{major}")),
            _ => Self(ecosystem.into()),
        }
    }

    /// Ecosystem and name of a package URL's type, as far as OSV has an ecosystem for it: `pkg:bitnami/nginx`, `pkg:pypi/pip`.
    ///
    /// Version, qualifiers and subpath are left out; `None` for a type that is none of OSV's.
    pub fn from_purl(purl: &str) -> Option<(EcosystemName, SmolStr)> {
        let rest = purl.strip_prefix("pkg:")?;
        let rest = rest.split(['?', '#']).next()?;
        let (kind, path) = rest.split_once('/')?;
        let path = path.trim_matches('/');
        // A version follows the last `@`; a scope (`@babel/core`, written `%40babel`) comes at the beginning.
        let path = path.rsplit_once('@').map_or(path, |(name, _)| if name.is_empty() { path } else { name });
        let name = percent_decoded(path)?;
        let (ecosystem, name) = match kind.to_ascii_lowercase().as_str() {
            "bitnami" => ("Bitnami", name),
            "pypi" => ("PyPI", name),
            "npm" => ("npm", name),
            "cargo" => ("crates.io", name),
            "golang" => ("Go", name),
            "gem" => ("RubyGems", name),
            "nuget" => ("NuGet", name),
            "composer" => ("Packagist", name),
            "maven" => ("Maven", name.replacen('/', ":", 1)),
            _ => return None,
        };
        let ecosystem = Self(ecosystem.into());
        let name = ecosystem.normal(&name);
        (!name.is_empty()).then_some((ecosystem, name))
    }

    /// A package's name as the ecosystem compares names (PEP 503 for PyPI).
    pub fn normal(&self, name: &str) -> SmolStr {
        if self.as_str() != "PyPI" {
            return name.into();
        }
        let mut normal = String::with_capacity(name.len());
        for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
            if !normal.is_empty() {
                normal.push('-');
            }
            normal.push_str(&part.to_ascii_lowercase());
        }
        normal.into()
    }

    /// How its versions compare; generic for what is no distribution and not said to be semantic.
    pub fn scheme(&self) -> Scheme {
        match self.0.split_once('/').map_or(self.as_str(), |(distribution, _)| distribution) {
            "debian" | "ubuntu" | "ubuntu-pro" => Scheme::Dpkg,
            "almalinux" | "rocky" => Scheme::Rpm,
            "npm" | "crates.io" | "Go" => Scheme::Semver,
            _ => Scheme::Generic,
        }
    }

    /// Whether errata list the CVEs that they fix as `related`, and not as aliases.
    pub(crate) fn lists_fixes_as_related(&self) -> bool {
        self.0.starts_with("almalinux/") || self.0.starts_with("rocky/")
    }
}

impl Universe {
    /// A release of Debian by its codename.
    pub fn debian(codename: &str) -> Self {
        Self { distribution: "debian".into(), codename: codename.into(), version: SmolStr::default() }
    }

    /// Its ecosystem; `None` for a distribution that no feed speaks of, derivatives included: what Debian says of its
    /// packages is not true of a derivative's.
    pub fn ecosystem(&self) -> Option<EcosystemName> {
        let major = self.version.split('.').next().unwrap_or_default();
        match self.distribution.as_str() {
            "debian" if !self.codename.is_empty() => Some(EcosystemName::debian(&self.codename)),
            "debian" => {
                let release = DEBIAN.iter().find(|(number, _)| *number == major || *number == self.version)?;
                Some(EcosystemName::debian(release.1))
            }
            "ubuntu" if !self.version.is_empty() => Some(EcosystemName(format_smolstr!("ubuntu/{}", self.version))),
            "almalinux" | "rocky" if !major.is_empty() => {
                Some(EcosystemName(format_smolstr!("{}/{major}", self.distribution)))
            }
            _ => None,
        }
    }
}

impl fmt::Display for EcosystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Universe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let release = if self.codename.is_empty() { &self.version } else { &self.codename };
        match (self.distribution.as_str(), release.as_str()) {
            ("", _) => f.write_str("an unknown distribution"),
            (distribution, "") => f.write_str(distribution),
            (distribution, release) => write!(f, "{distribution} {release}"),
        }
    }
}

/// Text in which `%40` and its kin are replaced; `None` where that is no UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digit: u8| char::from(digit).to_digit(16);
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(u8::try_from(hex(*high)? * 16 + hex(*low)?).ok()?);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn osv_and_the_tracker_name_the_same_release() {
        assert_eq!(EcosystemName::from_osv("Debian:12"), EcosystemName::debian("bookworm"));
        assert_eq!(EcosystemName::from_osv("Ubuntu:22.04:LTS").as_str(), "ubuntu/22.04");
        assert_eq!(EcosystemName::from_osv("Ubuntu:Pro:22.04:LTS").as_str(), "ubuntu-pro/22.04");
        assert_eq!(EcosystemName::from_osv("AlmaLinux:9").as_str(), "almalinux/9");
        assert_eq!(EcosystemName::from_osv("Bitnami").as_str(), "Bitnami");
    }

    #[test]
    fn a_universe_without_a_codename_is_found_by_its_number() {
        let universe = Universe { distribution: "debian".into(), codename: "".into(), version: "12".into() };
        assert_eq!(universe.ecosystem(), Some(EcosystemName::debian("bookworm")));
        let universe = Universe { distribution: "almalinux".into(), codename: "".into(), version: "9.4".into() };
        assert_eq!(universe.ecosystem().map(|e| e.to_string()), Some("almalinux/9".into()));
    }

    #[test]
    fn a_derivative_is_not_its_parent() {
        let universe = Universe { distribution: "linuxmint".into(), codename: "faye".into(), version: "6".into() };
        assert_eq!(universe.ecosystem(), None);
    }

    #[test]
    fn package_urls_give_ecosystem_and_name() {
        let read = |purl| EcosystemName::from_purl(purl).map(|(e, n)| format!("{e} {n}"));
        assert_eq!(read("pkg:bitnami/apache"), Some("Bitnami apache".into()));
        assert_eq!(read("pkg:pypi/Foo_Bar.baz@1.0"), Some("PyPI foo-bar-baz".into()));
        assert_eq!(read("pkg:npm/%40babel/core@7.0.0?x=y"), Some("npm @babel/core".into()));
        assert_eq!(read("pkg:maven/org.apache/log4j"), Some("Maven org.apache:log4j".into()));
        assert_eq!(read("pkg:deb/debian/curl"), None);
        assert_eq!(read("curl"), None);
    }
}
