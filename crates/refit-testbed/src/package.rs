//! Small Debian packages, described in a few words.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Debian package to be built: architecture `all`, and unless said otherwise one file, `/usr/share/NAME/version`.
#[derive(Clone, Debug)]
pub struct Package {
    name: String,
    version: String,
    fields: Vec<(String, String)>,
    files: Vec<(String, Vec<u8>)>,
    conffiles: Vec<String>,
    scripts: Vec<(Script, String)>,
}

/// A maintainer script, named by when dpkg runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Before unpacking.
    Preinst,
    /// When configuring.
    Postinst,
    /// Before removal, and of the old version before an upgrade.
    Prerm,
    /// After removal, and of the old version after the new one is unpacked.
    Postrm,
}

impl Script {
    fn file_name(self) -> &'static str {
        match self {
            Script::Preinst => "preinst",
            Script::Postinst => "postinst",
            Script::Prerm => "prerm",
            Script::Postrm => "postrm",
        }
    }
}

impl Package {
    /// A package that does nothing but be there.
    pub fn new(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            fields: Vec::new(),
            files: vec![(format!("/usr/share/{name}/version"), format!("{version}\n").into_bytes())],
            conffiles: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A field of the control file, such as `Source`, `Section`, `Essential`, `Breaks`, `Replaces`, `Provides`.
    pub fn field(mut self, name: &str, value: &str) -> Package {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What it depends on, as in a control file: `beta (>= 2), gamma`.
    pub fn depends(self, packages: &str) -> Package {
        self.field("Depends", packages)
    }

    /// What it can't be installed together with.
    pub fn conflicts(self, packages: &str) -> Package {
        self.field("Conflicts", packages)
    }

    /// A file that it installs.
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Package {
        self.files.push((path.to_owned(), content.into()));
        self
    }

    /// A configuration file: dpkg keeps what people change in it.
    pub fn conffile(mut self, path: &str, content: &str) -> Package {
        self.conffiles.push(path.to_owned());
        self.file(path, content)
    }

    /// A maintainer script in shell, run with `-e`.
    pub fn script(mut self, script: Script, body: &str) -> Package {
        self.scripts.push((script, format!("#!/bin/sh\nset -e\n{body}\n")));
        self
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}_{}_all.deb", self.name, self.version.replace(':', "%3a"))
    }

    /// Builds the package into a folder and returns its path.
    pub(crate) fn build(&self, folder: &Path) -> PathBuf {
        let tree = tempfile::tempdir_in(folder).expect("the repository's folder can be written to");
        let write = |path: &str, content: &[u8], mode: u32| {
            let path = tree.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().expect("below the tree"))
                .and_then(|()| fs::write(&path, content))
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
                .unwrap_or_else(|error| panic!("can't write {}: {error}", path.display()));
        };
        for (path, content) in &self.files {
            write(path, content, 0o644);
        }
        for (script, body) in &self.scripts {
            write(&format!("DEBIAN/{}", script.file_name()), body.as_bytes(), 0o755);
        }
        write("DEBIAN/control", self.control().as_bytes(), 0o644);
        if !self.conffiles.is_empty() {
            write("DEBIAN/conffiles", (self.conffiles.join("\n") + "\n").as_bytes(), 0o644);
        }
        fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).expect("the tree is ours");
        let built = folder.join(self.file_name());
        crate::repository::run(
            Command::new("dpkg-deb")
                .args(["--root-owner-group", "-Zgzip", "-z1", "--build"])
                .arg(tree.path())
                .arg(&built),
        );
        built
    }

    fn control(&self) -> String {
        let size: usize = self.files.iter().map(|(_, content)| content.len().div_ceil(1024)).sum();
        let mut lines = vec![
            format!("Package: {}", self.name),
            format!("Version: {}", self.version),
            "Architecture: all".to_owned(),
            "Maintainer: Testbed <testbed@example.org>".to_owned(),
            format!("Installed-Size: {size}"),
        ];
        lines.extend(self.fields.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push(format!("Description: {} for tests\n", self.name));
        lines.join("\n")
    }
}
