//! The built-in table: software that most organisations have, how often it is released, and how its versions are written.
//!
//! Ids and schemes are those of the catalog; titles that have branches there are left out. The pace of each is a round number of what its releases of 2025 and 2026 were
//! (endoflife.date, vendors' release notes); what is made of it are not their releases.

use super::{Platforms, Style};
use Platforms::{Both, Windows};

/// One line of the table.
pub(super) struct Row {
    pub title: &'static str,
    pub platforms: Platforms,
    pub style: Style,
    /// Days between two releases.
    pub pace: f64,
}

const fn row(title: &'static str, platforms: Platforms, style: Style, pace: f64) -> Row {
    Row { title, platforms, style, pace }
}

/// Applications, the most common first.
pub(super) const APPLICATIONS: [Row; 32] = [
    row("google-chrome", Both, Style::Chrome, 7.0),
    row("microsoft-edge", Both, Style::Chrome, 8.0),
    row("microsoft-office", Both, Style::Numbers, 14.0),
    row("microsoft-teams", Both, Style::Numbers, 14.0),
    row("zoom", Both, Style::Numbers, 14.0),
    row("slack", Both, Style::Numbers, 10.0),
    row("onedrive", Both, Style::Numbers, 14.0),
    row("crowdstrike-falcon", Both, Style::Numbers, 30.0),
    row("okta-verify", Both, Style::Numbers, 30.0),
    row("adobe-acrobat-reader", Both, Style::Numbers, 20.0),
    row("1password", Both, Style::Semver, 12.0),
    row("visual-studio-code", Both, Style::Semver, 12.0),
    row("git", Both, Style::Numbers, 45.0),
    row("docker-desktop", Both, Style::Semver, 14.0),
    row("7-zip", Windows, Style::Numbers, 90.0),
    row("notepad-plus-plus", Windows, Style::Numbers, 45.0),
    row("vlc", Both, Style::Numbers, 150.0),
    row("brave", Both, Style::Numbers, 7.0),
    row("postman", Both, Style::Numbers, 10.0),
    row("intellij-idea", Both, Style::Numbers, 25.0),
    row("thunderbird", Both, Style::Numbers, 14.0),
    row("keepassxc", Both, Style::Numbers, 90.0),
    row("filezilla", Both, Style::Numbers, 40.0),
    row("putty", Windows, Style::Numbers, 120.0),
    row("winscp", Windows, Style::Numbers, 60.0),
    row("gimp", Both, Style::Numbers, 90.0),
    row("inkscape", Both, Style::Numbers, 150.0),
    row("bitwarden", Both, Style::Numbers, 14.0),
    row("tailscale", Both, Style::Semver, 14.0),
    row("pycharm", Both, Style::Numbers, 25.0),
    row("anydesk", Both, Style::Numbers, 30.0),
    row("teamviewer", Both, Style::Numbers, 30.0),
];

/// Packages that are on nearly every machine of a distribution, with what they are to the rest: `openssl` moves, `tzdata` moves often,
/// `bash` hardly.
pub(super) const PACKAGES: [(&str, f64); 24] = [
    ("libc6", 90.0),
    ("openssl", 60.0),
    ("linux-image-amd64", 25.0),
    ("systemd", 90.0),
    ("curl", 60.0),
    ("sudo", 200.0),
    ("openssh-server", 120.0),
    ("bash", 900.0),
    ("coreutils", 900.0),
    ("tzdata", 60.0),
    ("ca-certificates", 300.0),
    ("python3", 120.0),
    ("perl", 200.0),
    ("glib2", 150.0),
    ("gnutls", 120.0),
    ("krb5", 150.0),
    ("bind9-libs", 60.0),
    ("vim", 120.0),
    ("git", 120.0),
    ("nginx", 150.0),
    ("postgresql", 90.0),
    ("libxml2", 120.0),
    ("expat", 120.0),
    ("zlib1g", 900.0),
];
