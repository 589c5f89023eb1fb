//! Identifiers. Each knows what it identifies, so that a device id can't be passed for a title.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(transparent)]
        pub struct $name(#[schemars(with = "String")] SmolStr);

        impl $name {
            /// Wraps a name that has already been checked, or that needs no check.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(SmolStr::new(text.as_ref()))
            }

            /// The id as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// Software as people know it: `google-chrome`, `debian-12`; a distribution's package has a namespace: `deb/openssl`.
    TitleId
);
id!(
    /// A managed endpoint. Opaque; it survives re-imaging and merges.
    DeviceId
);
id!(
    /// A line of releases of one title that is supported by itself: `15` of macOS, `esr-128` of Firefox.
    BranchName
);
id!(
    /// A published vulnerability or advisory: `CVE-2026-1111`, `DSA-5432-1`, `ALSA-2026:1234`.
    AdvisoryId
);
id!(
    /// A person. Opaque: it says nothing of who it is.
    PersonId
);
id!(
    /// A plan of a server.
    PlanId
);
id!(
    /// A token of a server; its id is no secret.
    TokenId
);

impl TitleId {
    /// Namespace and name of a distribution's package: `("deb", "openssl")` for `deb/openssl`; `None` for other titles.
    pub fn package(&self) -> Option<(&str, &str)> {
        self.as_str().split_once('/')
    }
}
