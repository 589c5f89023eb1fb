//! The base root with rpm and dnf.

use super::{Recipe, mmdebstrap_options};
use crate::mirror::Mirror;

/// Debian's rpm keeps its database in the user's home; here it is where every other distribution has it. Debian's dnf has a
/// plugin in use that others do not install, and makes its own repository of what was fetched. gpg needs no agent to
/// check a signature, and one that stays would keep the root busy.
const CONFIGURE: &str = r#"--customize-hook=
mkdir -p "$1/etc/rpm" "$1/etc/gnupg" "$1/etc/dnf/vars" "$1/etc/yum.repos.d"
echo '%_dbpath /var/lib/rpm' >"$1/etc/rpm/macros"
echo no-autostart >"$1/etc/gnupg/gpg.conf"
echo 1 >"$1/etc/dnf/vars/releasever"
printf '[main]\nenabled=0\n' >"$1/etc/dnf/plugins/local.conf""#;

pub(super) fn recipe(mirror: &Mirror) -> Recipe {
    let mut options = mmdebstrap_options(mirror);
    options.push("--include=dnf,dnf-plugins-core,rpm".to_owned());
    options.push(CONFIGURE.to_owned());
    Recipe { name: "rpm", options, sources: vec![format!("deb {} bookworm main", mirror.archive)] }
}
