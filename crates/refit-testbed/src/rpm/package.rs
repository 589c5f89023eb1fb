//! Small rpm packages, described in a few words.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An rpm package to be built: release 1, architecture `noarch`, and unless said otherwise one file,
/// `/usr/share/NAME/version`.
#[derive(Clone, Debug)]
pub struct RpmPackage {
    name: String,
    version: String,
    tags: Vec<(String, String)>,
    files: Vec<(String, String, String)>,
    scripts: Vec<(Scriptlet, String)>,
}

/// A script of a package, named by when rpm runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scriptlet {
    /// Before the files are there: where it fails, the package is not installed.
    Pre,
    /// After the files are there: where it fails, rpm counts the package as installed all the same, and dnf exits 0.
    Post,
    /// Before removal, and of the old version when an upgrade is cleaned up.
    Preun,
    /// After removal.
    Postun,
}

impl Scriptlet {
    fn section(self) -> &'static str {
        match self {
            Scriptlet::Pre => "%pre",
            Scriptlet::Post => "%post",
            Scriptlet::Preun => "%preun",
            Scriptlet::Postun => "%postun",
        }
    }
}

impl RpmPackage {
    /// A package that does nothing but be there.
    pub fn new(name: &str, version: &str) -> RpmPackage {
        RpmPackage::without_files(name, version).file(&format!("/usr/share/{name}/version"), &format!("{version}\n"))
    }

    /// The same without that one file.
    pub fn without_files(name: &str, version: &str) -> RpmPackage {
        RpmPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            tags: Vec::new(),
            files: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// What makes a device's scripts run: rpm's database does not know that the root has a shell.
    pub fn shell() -> RpmPackage {
        RpmPackage::new("shell", "1.0").tag("Provides", "/bin/sh")
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A tag of the spec file, such as `Requires`, `Conflicts`, `Obsoletes`, `Provides`.
    pub fn tag(mut self, name: &str, value: &str) -> RpmPackage {
        self.tags.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file that it installs.
    pub fn file(mut self, path: &str, content: &str) -> RpmPackage {
        self.files.push((path.to_owned(), content.to_owned(), String::new()));
        self
    }

    /// A configuration file that rpm keeps where people have edited it.
    pub fn config(mut self, path: &str, content: &str) -> RpmPackage {
        self.files.push((path.to_owned(), content.to_owned(), "%config(noreplace) ".to_owned()));
        self
    }

    /// A script in shell, run with `-e`.
    pub fn script(mut self, script: Scriptlet, body: &str) -> RpmPackage {
        self.scripts.push((script, format!("set -e\n{body}\n")));
        self
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}-1.noarch.rpm", self.name, self.version)
    }

    /// Builds the package into a folder and returns its path.
    pub(crate) fn build(&self, folder: &Path) -> PathBuf {
        let work = tempfile::tempdir_in(folder).expect("the repository's folder can be written to");
        for (number, (_, content, _)) in self.files.iter().enumerate() {
            fs::write(work.path().join(format!("file-{number}")), content).expect("the folder can be written to");
        }
        let spec = work.path().join("package.spec");
        fs::write(&spec, self.spec(work.path())).expect("the folder can be written to");
        let define = |name: &str, value: &str| ["--define".to_owned(), format!("{name} {value}")];
        let place = |name: &str| work.path().join(name).display().to_string();
        let mut rpmbuild = Command::new("rpmbuild");
        rpmbuild.args(["-bb", "--quiet"]);
        rpmbuild.args(define("_topdir", &place("build"))).args(define("_rpmdir", &place("built")));
        rpmbuild.args(define("_rpmfilename", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"));
        rpmbuild.args(define("_dbpath", &place("database"))).arg(&spec);
        crate::repository::run(&mut rpmbuild);
        let built = folder.join(self.file_name());
        fs::rename(work.path().join("built").join(self.file_name()), &built).expect("rpmbuild made it");
        built
    }

    fn spec(&self, sources: &Path) -> String {
        let RpmPackage { name, version, .. } = self;
        let mut lines = vec![
            format!("Name: {name}"),
            format!("Version: {version}"),
            "Release: 1".to_owned(),
            format!("Summary: {name} for tests"),
            "License: none".to_owned(),
            "BuildArch: noarch".to_owned(),
        ];
        lines.extend(self.tags.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.push(format!("%description\n{name} for tests\n%install"));
        for (number, (path, _, _)) in self.files.iter().enumerate() {
            let source = sources.join(format!("file-{number}"));
            lines.push(format!("install -D -m 0644 {} %{{buildroot}}{path}", source.display()));
        }
        for (script, body) in &self.scripts {
            lines.push(format!("{}\n{body}", script.section()));
        }
        lines.push("%files".to_owned());
        lines.extend(self.files.iter().map(|(path, _, kind)| format!("{kind}{path}")));
        lines.join("\n") + "\n"
    }
}
