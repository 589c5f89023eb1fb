//! The browsers, and where each looks for its policies.
//!
//! Chrome: `SOFTWARE\Policies\Google\Chrome` and `…\Google\Update`, `com.google.Chrome` and `com.google.Keystone`
//! (support.google.com/chrome/a/answer/6350036, 7591084, 7679871). Edge: the same by Microsoft's names (learn.microsoft.com/deployedge,
//! *microsoft-edge-update-policies*, *edge-learnmore-edgeupdater-for-macos*). Firefox: `SOFTWARE\Policies\Mozilla\Firefox`,
//! `org.mozilla.firefox`, `policies.json` (github.com/mozilla/policy-templates).

/// A browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Browser {
    /// The title.
    pub title: &'static str,
    /// How it is moved and configured.
    pub family: Family,
    /// The key of its policies on Windows, below `HKEY_LOCAL_MACHINE`.
    pub registry: &'static str,
    /// The domain of its managed preferences on macOS.
    pub domain: &'static str,
    /// The file of its policies on Linux.
    pub file: &'static str,
}

/// How a browser is moved and configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// By an updater of its own with policies of its own.
    Chromium {
        /// The key of the updater's policies on Windows.
        updater: &'static str,
        /// What the updater calls the browser on Windows.
        guid: &'static str,
        /// The domain of the updater's managed preferences on macOS.
        updater_domain: &'static str,
        /// What the updater calls the browser on macOS.
        bundle: &'static str,
    },
    /// By itself.
    Firefox,
}

/// All of them, in the order of titles.
pub const BROWSERS: [Browser; 3] = [
    Browser {
        title: "firefox",
        family: Family::Firefox,
        registry: r"SOFTWARE\Policies\Mozilla\Firefox",
        domain: "org.mozilla.firefox",
        file: "/etc/firefox/policies/policies.json",
    },
    Browser {
        title: "google-chrome",
        family: Family::Chromium {
            updater: r"SOFTWARE\Policies\Google\Update",
            guid: "{8A69D345-D564-463C-AFF1-A69D9E530F96}",
            updater_domain: "com.google.Keystone",
            bundle: "com.google.Chrome",
        },
        registry: r"SOFTWARE\Policies\Google\Chrome",
        domain: "com.google.Chrome",
        file: "/etc/opt/chrome/policies/managed/refit.json",
    },
    Browser {
        title: "microsoft-edge",
        family: Family::Chromium {
            updater: r"SOFTWARE\Policies\Microsoft\EdgeUpdate",
            guid: "{56EB18F8-B008-4CBD-B6D2-8C97FE7E9062}",
            updater_domain: "com.microsoft.EdgeUpdater",
            bundle: "com.microsoft.edgemac",
        },
        registry: r"SOFTWARE\Policies\Microsoft\Edge",
        domain: "com.microsoft.Edge",
        file: "/etc/opt/edge/policies/managed/refit.json",
    },
];
