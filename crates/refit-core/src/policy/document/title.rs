//! `title:`: software, its names in every system, its branches.

use super::scalars::Day;
use refit_model::Scheme;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Software as people know it, and what it is called elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TitleDocument {
    /// Its id: `google-chrome`.
    pub title: String,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// Who makes it.
    #[serde(default)]
    pub vendor: Option<String>,
    /// What it is.
    #[serde(default)]
    pub kind: TitleKind,
    /// How its versions are written and ordered.
    #[serde(default = "generic")]
    pub scheme: Scheme,
    /// What it is called in other systems.
    #[serde(default)]
    pub identifiers: BTreeMap<System, Vec<String>>,
    /// Packages of this name are always the vendor's own build, since no distribution has one (`deb/google-chrome-stable`): a policy
    /// that names the title means them too.
    #[serde(default)]
    pub vendor_packages: Vec<String>,
    /// Where its dated releases come from.
    #[serde(default)]
    pub releases: Option<ReleasesDocument>,
    /// Its lines of releases that are supported by themselves; a single one where it is left out.
    #[serde(default)]
    pub branches: Vec<BranchDocument>,
    /// Where it can be present on a device.
    #[serde(default)]
    pub scopes: Vec<ScopeKind>,
    /// What moves it, on each platform that it exists on.
    #[serde(default)]
    pub moved_by: BTreeMap<String, Mover>,
    /// The processes that run the old version until they are started anew, on each platform.
    #[serde(default)]
    pub processes: BTreeMap<String, Vec<String>>,
    /// What has to be known about it.
    #[serde(default)]
    pub notes: Option<String>,
}

fn generic() -> Scheme {
    Scheme::Generic
}

/// What a title is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TitleKind {
    /// A program that people use.
    #[default]
    Application,
    /// An operating system.
    Os,
    /// What other programs run on.
    Runtime,
    /// A service.
    Server,
    /// A program for the command line, or for programmers.
    Tool,
}

/// A system that has names of its own for titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum System {
    /// Package names of Debian, Ubuntu, and vendors' repositories for them.
    Deb,
    /// Package names of RPM distributions and vendors' repositories for them.
    Rpm,
    /// Flatpak application ids.
    Flatpak,
    /// Snap names.
    Snap,
    /// Homebrew formulae and casks.
    Brew,
    /// WinGet package identifiers.
    Winget,
    /// Packages of the Windows Store and MSIX, with or without the hash of their publisher: `MSTeams`, `MSTeams_8wekyb3d8bbwe`.
    Msix,
    /// Product codes of Windows Installer, and other names under which Windows lists a program.
    ProductCode,
    /// Bundle identifiers of Apple's platforms.
    BundleId,
    /// Names in lists of programs, besides the title's own with or without its vendor. Versions, architectures and languages are left out.
    DisplayName,
    /// Munki item names.
    Munki,
    /// Jamf patch titles.
    Jamf,
    /// Fleet-maintained app slugs.
    Fleet,
    /// CPE 2.3 prefixes: part, vendor, product.
    Cpe,
    /// Package URLs.
    Purl,
    /// OSV ecosystem and name.
    Osv,
    /// Products of endoflife.date.
    Endoflife,
}

/// Where dated releases come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleasesDocument {
    /// The feed.
    pub from: ReleaseFeed,
    /// The product as it is named there.
    #[serde(default)]
    pub product: Option<String>,
}

/// A feed of dated releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseFeed {
    /// endoflife.date: life cycles with the latest release of each.
    Endoflife,
    /// endoflife.date's release data: every version with its day.
    ReleaseData,
    /// SOFA: Apple's releases.
    Sofa,
    /// Chrome for Testing: the day each channel moved.
    ChromeForTesting,
    /// Mozilla's advisories.
    Mozilla,
    /// Windows updates by KB.
    WindowsKb,
    /// The distribution's own archive.
    Debian,
    /// No public feed is known.
    None,
}

/// A line of releases that is supported by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BranchDocument {
    /// Its name: `15` of macOS, `esr-128` of Firefox.
    pub name: String,
    /// The versions that belong to it: a range.
    #[serde(default)]
    pub versions: Option<String>,
    /// The day of its first release.
    #[serde(default)]
    pub released: Option<Day>,
    /// Its last day of support.
    #[serde(default)]
    pub supported_until: Option<Day>,
}

/// Where a title can be present on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// Once for the machine.
    Machine,
    /// Once for each user's profile.
    Profile,
}

/// What moves a title from one release to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mover {
    /// Refit's own agent, through a package manager.
    Refit,
    /// It moves itself.
    Vendor,
    /// A system that configuration is written to.
    Target,
}
