//! What is installed on a device, as matching asks for it.

use super::space::EcosystemName;
use refit_model::{Scheme, TitleId, Version};
use smol_str::SmolStr;

/// A package that a distribution's package manager has installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledPackage {
    /// The binary package: `libssl3`.
    pub name: SmolStr,
    /// The version that is installed.
    pub build: Build,
    /// The source package that it is built from: `openssl`. Not used for RPMs, whose advisories name binary packages.
    pub source: SmolStr,
    /// Its architecture; one package may be installed for several.
    pub architecture: SmolStr,
    /// Where it came from.
    pub origin: Origin,
    /// The module stream of a modular RPM, `nodejs:20`; `None` where it is not modular or nobody has asked.
    pub module: Option<SmolStr>,
    /// Other versions of it that the device's sources offer. They make the affected range exact where a package's version
    /// is not its source's.
    pub offered: Vec<Build>,
}

/// A version of a binary package and the version of the source that it was built from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Of the binary package.
    pub version: SmolStr,
    /// Of the source.
    pub source_version: SmolStr,
}

/// Where an installed package came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// From the distribution: its feeds speak of it.
    #[default]
    Distribution,
    /// From somebody else's repository, of this name.
    ThirdParty(SmolStr),
    /// From no repository that the device knows.
    Unknown,
}

/// Software that is no package, and the names under which feeds may know it.
#[derive(Clone, Debug, PartialEq)]
pub struct TitleQuery {
    /// The title that the advisories will be about.
    pub title: TitleId,
    /// The scheme of its versions.
    pub scheme: Scheme,
    /// Ecosystems and names, for instance from its package URLs ([`EcosystemName::from_purl`]).
    pub names: Vec<(EcosystemName, SmolStr)>,
    /// The version that is installed: what does not affect it is left out. `None` asks for everything.
    pub installed: Option<Version>,
}

impl InstalledPackage {
    /// A package of the distribution whose source has the same name and version; change what differs.
    pub fn new(name: &str, version: &str, architecture: &str) -> Self {
        let build = Build { version: version.into(), source_version: version.into() };
        let (source, architecture) = (name.into(), architecture.into());
        let name = name.into();
        Self { name, build, source, architecture, origin: Origin::Distribution, module: None, offered: Vec::new() }
    }

    /// The same, built from `version` of the source package `source`.
    #[must_use]
    pub fn built_from(mut self, source: &str, version: &str) -> Self {
        self.source = source.into();
        self.build.source_version = version.into();
        self
    }
}

/// Under which source feeds speak of a package, and how its versions relate to that source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lineage {
    /// Its own source.
    Own,
    /// A signed copy of what another source built, under the version which that had: `linux-image-*` of `linux-signed-*`.
    Signed {
        /// The source that feeds speak of.
        source: &'static str,
        /// What stands before the other source's version in the binary's.
        prefix: &'static str,
    },
}

impl Lineage {
    /// Debian's signed packages are made from a source of their own, of which no feed speaks.
    pub fn of(source: &str) -> Lineage {
        if source.starts_with("linux-signed-") {
            Lineage::Signed { source: "linux", prefix: "" }
        } else if source.starts_with("grub-efi-") && source.ends_with("-signed") {
            Lineage::Signed { source: "grub2", prefix: "1+" }
        } else {
            Lineage::Own
        }
    }

    /// The source's version of a build; `None` where the build does not look as expected.
    pub fn source_version<'a>(&self, build: &'a Build) -> Option<&'a str> {
        match self {
            Lineage::Own => Some(&build.source_version),
            Lineage::Signed { prefix, .. } => build.version.strip_prefix(prefix),
        }
    }
}
