//! The base root that is a real archive's, and far behind.

use super::{Recipe, mmdebstrap_options};
use crate::mirror::Mirror;

/// What a small server with a web application has, chosen because much of it has had updates; nothing large.
const PACKAGES: &str = "apache2-utils,bind9-dnsutils,ca-certificates,curl,expat,ghostscript,git,gnupg,imagemagick,jq,\
    libarchive-tools,libnginx-mod-http-geoip,libnginx-mod-mail,libsasl2-modules,libxml2-utils,linux-image-amd64,locales,\
    nginx-light,openssh-server,openssl,parted,php8.2-bcmath,php8.2-bz2,php8.2-cli,php8.2-curl,php8.2-gd,php8.2-gmp,\
    php8.2-intl,php8.2-ldap,php8.2-mbstring,php8.2-pgsql,php8.2-soap,php8.2-sqlite3,php8.2-tidy,php8.2-xml,php8.2-zip,\
    poppler-utils,postgresql-client-15,python3,redis-server,rsync,rsyslog,strongswan,sudo,systemd-sysv,\
    unattended-upgrades,vim-tiny,wget,xdg-dbus-proxy,xz-utils";

/// What no test looks at and what takes the most space and time: the kernel's modules make its initramfs slow.
const LEFT_OUT: [&str; 4] = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/lib/modules/*/kernel/*"];

/// Prefers, of every package, the oldest version that the archive still has: the main archive is often behind the
/// security archive, and after a point release it is the other way round (libc6). Versions are not named here, so
/// that the recipe outlives the next point release.
const PREFER_OLDEST: &str = r#"--setup-hook=
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
apt-get update --quiet --quiet
apt-cache pkgnames | LC_ALL=C sort | xargs apt-cache madison | grep 'Packages$' |
awk -F ' *[|] *' '
    { gsub(/ /, "", $1); if (!($1 in newest)) newest[$1] = $2; oldest[$1] = $2 }
    END {
        for (name in newest) if (newest[name] != oldest[name])
            printf "Package: %s\nPin: version %s\nPin-Priority: 990\n\n", name, oldest[name]
    }' >"$1/etc/apt/preferences.d/oldest""#;

/// Forgets the preference, and fetches what is now waiting, so that devices can upgrade without a network. Recommended
/// packages too, as apt on a device does, but mmdebstrap's apt does not.
const FETCH_WAITING: &str = r#"--customize-hook=
rm "$1/etc/apt/preferences.d/oldest"
chroot "$1" apt-get --quiet --quiet clean
chroot "$1" apt-get --quiet --quiet --yes --download-only -o APT::Install-Recommends=true dist-upgrade"#;

pub(super) fn recipe(mirror: &Mirror) -> Recipe {
    let Mirror { archive, security, .. } = mirror;
    let mut options = mmdebstrap_options(mirror);
    options.push(format!("--include={}", PACKAGES.replace(' ', "")));
    options.extend(LEFT_OUT.map(|pattern| format!("--dpkgopt=path-exclude={pattern}")));
    options.extend([PREFER_OLDEST, FETCH_WAITING, "--skip=cleanup/apt"].map(str::to_owned));
    let sources = vec![
        format!("deb {archive} bookworm main"),
        format!("deb {archive} bookworm-updates main"),
        format!("deb {security} bookworm-security main"),
    ];
    Recipe { name: "behind", options, sources }
}
