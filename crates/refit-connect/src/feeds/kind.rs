//! Which feeds there are, where they come from, and how large they may be.

use super::space::{EcosystemName, Universe};
use std::fmt;

/// A feed that Refit knows how to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedKind {
    /// CISA's catalogue of vulnerabilities that are known to be exploited.
    Kev,
    /// FIRST's probabilities of exploitation.
    Epss,
    /// The Debian security tracker: for each release, which version of a source package fixes what.
    DebianTracker,
    /// Debian's list of security advisories, with their dates.
    DebianDsa,
    /// What the changelogs of Debian 12's packages say that they fix. It is derived, not published: it comes from a folder.
    DebianChangelogs,
    /// OSV's records of Debian.
    OsvDebian,
    /// OSV's records of Ubuntu.
    OsvUbuntu,
    /// OSV's records of AlmaLinux.
    OsvAlmaLinux,
    /// OSV's records of Rocky Linux.
    OsvRocky,
    /// OSV's records of server applications as Bitnami packages them; they name upstream versions.
    OsvBitnami,
    /// OSV's records of Python packages.
    OsvPypi,
    /// The Python Software Foundation's records of CPython and pip. They name commits, so they give facts and no ranges.
    OsvPsf,
}

/// How much of a feed is read before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes as they arrive.
    pub downloaded: u64,
    /// Bytes after decompression.
    pub unpacked: u64,
}

/// How much of a distribution a feed speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coverage {
    /// All of its packages: silence means that nothing is known against a package.
    Complete,
    /// Some of its packages or vulnerabilities: silence means nothing.
    Partial,
}

const MIB: u64 = 1 << 20;

impl FeedKind {
    /// All feeds, in the order in which they are listed.
    pub const ALL: [FeedKind; 12] = [
        FeedKind::Kev,
        FeedKind::Epss,
        FeedKind::DebianTracker,
        FeedKind::DebianDsa,
        FeedKind::DebianChangelogs,
        FeedKind::OsvDebian,
        FeedKind::OsvUbuntu,
        FeedKind::OsvAlmaLinux,
        FeedKind::OsvRocky,
        FeedKind::OsvBitnami,
        FeedKind::OsvPypi,
        FeedKind::OsvPsf,
    ];

    /// The name under which people write it, and under which advisories say who said so.
    pub fn name(self) -> &'static str {
        match self {
            FeedKind::Kev => "kev",
            FeedKind::Epss => "epss",
            FeedKind::DebianTracker => "debian-tracker",
            FeedKind::DebianDsa => "debian-dsa",
            FeedKind::DebianChangelogs => "debian-changelogs",
            FeedKind::OsvDebian => "osv-debian",
            FeedKind::OsvUbuntu => "osv-ubuntu",
            FeedKind::OsvAlmaLinux => "osv-almalinux",
            FeedKind::OsvRocky => "osv-rocky",
            FeedKind::OsvBitnami => "osv-bitnami",
            FeedKind::OsvPypi => "osv-pypi",
            FeedKind::OsvPsf => "osv-psf",
        }
    }

    /// The feed of that name.
    pub fn from_name(name: &str) -> Option<FeedKind> {
        FeedKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The feeds that a device of this universe needs, those of facts first. Bitnami's are for titles that are no packages.
    pub fn for_universe(universe: &Universe) -> Vec<FeedKind> {
        let mut kinds = vec![FeedKind::Kev, FeedKind::Epss];
        kinds.extend(match universe.distribution.as_str() {
            "debian" => [FeedKind::DebianTracker, FeedKind::DebianDsa].as_slice(),
            "ubuntu" => &[FeedKind::OsvUbuntu],
            "almalinux" => &[FeedKind::OsvAlmaLinux],
            "rocky" => &[FeedKind::OsvRocky],
            _ => &[],
        });
        kinds.push(FeedKind::OsvBitnami);
        kinds
    }

    /// Where it is published; `None` where nobody publishes it in one file.
    ///
    /// OSV publishes one `all.zip` per ecosystem, with one JSON document per record, and the releases of a distribution
    /// together.
    pub fn default_url(self) -> Option<&'static str> {
        match self {
            FeedKind::Kev => {
                Some("https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json")
            }
            FeedKind::Epss => Some("https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"),
            FeedKind::DebianTracker => Some("https://security-tracker.debian.org/tracker/data/json"),
            FeedKind::DebianDsa => {
                Some("https://salsa.debian.org/security-tracker-team/security-tracker/-/raw/master/data/DSA/list")
            }
            FeedKind::OsvDebian => Some("https://osv-vulnerabilities.storage.googleapis.com/Debian/all.zip"),
            FeedKind::OsvUbuntu => Some("https://osv-vulnerabilities.storage.googleapis.com/Ubuntu/all.zip"),
            FeedKind::OsvAlmaLinux => Some("https://osv-vulnerabilities.storage.googleapis.com/AlmaLinux/all.zip"),
            FeedKind::OsvRocky => Some("https://osv-vulnerabilities.storage.googleapis.com/Rocky%20Linux/all.zip"),
            FeedKind::OsvBitnami => Some("https://osv-vulnerabilities.storage.googleapis.com/Bitnami/all.zip"),
            FeedKind::OsvPypi => Some("https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip"),
            FeedKind::DebianChangelogs | FeedKind::OsvPsf => None,
        }
    }

    /// How large it may be: several times of what it is today, so that growth is no fault and a flood is.
    pub fn limits(self) -> Limits {
        let (downloaded, unpacked) = match self {
            FeedKind::Kev => (32, 64),
            FeedKind::Epss => (64, 256),
            FeedKind::DebianTracker => (512, 512),
            FeedKind::DebianDsa | FeedKind::DebianChangelogs => (32, 64),
            FeedKind::OsvUbuntu => (1024, 8192),
            FeedKind::OsvDebian | FeedKind::OsvRocky | FeedKind::OsvPypi => (512, 2048),
            FeedKind::OsvAlmaLinux | FeedKind::OsvBitnami | FeedKind::OsvPsf => (256, 1024),
        };
        Limits { downloaded: downloaded * MIB, unpacked: unpacked * MIB }
    }

    /// Files of a folder that is laid out like the public data that Refit ships a snapshot of, the best first; `*` stands
    /// for a date or a version, of which the newest is taken.
    pub(crate) fn files(self) -> &'static [&'static str] {
        match self {
            FeedKind::Kev => &["kev/known_exploited_vulnerabilities.json"],
            FeedKind::Epss => &["epss/epss_scores-*.csv", "epss/kev_epss_2*.csv", "epss/kev_epss_weekly_*.csv"],
            FeedKind::DebianTracker => &["osv/debian_security_tracker.json", "osv/debian_security_tracker_2*.json"],
            FeedKind::DebianDsa => &["osv/debian_DSA_list_*.txt", "osv/debian_DSA_list.txt"],
            FeedKind::DebianChangelogs => &["releases/debian_changelog_security_uploads.csv"],
            FeedKind::OsvDebian => &["osv/debian.jsonl", "osv/Debian/all.zip"],
            FeedKind::OsvUbuntu => &["osv/ubuntu.jsonl", "osv/Ubuntu/all.zip"],
            FeedKind::OsvAlmaLinux => &["osv/almalinux.jsonl", "osv/AlmaLinux/all.zip"],
            FeedKind::OsvRocky => &["osv/rocky.jsonl", "osv/Rocky Linux/all.zip"],
            FeedKind::OsvBitnami => &["osv/bitnami.jsonl", "osv/Bitnami/all.zip"],
            FeedKind::OsvPypi => &["osv/pypi.jsonl", "osv/PyPI/all.zip"],
            FeedKind::OsvPsf => &["osv/psf.jsonl"],
        }
    }

    /// How much it says of an ecosystem; `None` where it says nothing of it.
    pub(crate) fn coverage(self, ecosystem: &EcosystemName) -> Option<Coverage> {
        let distribution = ecosystem.as_str().split('/').next().unwrap_or_default();
        match (self, distribution) {
            (FeedKind::DebianTracker | FeedKind::OsvDebian, "debian")
            | (FeedKind::OsvUbuntu, "ubuntu")
            | (FeedKind::OsvAlmaLinux, "almalinux")
            | (FeedKind::OsvRocky, "rocky") => Some(Coverage::Complete),
            (FeedKind::DebianDsa, "debian") => Some(Coverage::Partial),
            (FeedKind::DebianChangelogs, "debian") => {
                (ecosystem == &EcosystemName::debian("bookworm")).then_some(Coverage::Partial)
            }
            _ => None,
        }
    }

    /// Whom to believe of two feeds that speak of the same package: the lower. The tracker is what the others are made from.
    pub(crate) fn rank(self) -> u8 {
        match self {
            FeedKind::DebianTracker => 0,
            FeedKind::DebianDsa => 2,
            FeedKind::DebianChangelogs => 3,
            _ => 1,
        }
    }
}

impl fmt::Display for FeedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
