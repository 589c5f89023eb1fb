//! Signed apt repositories in a folder, and everything that can be wrong with one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::package::Package;
use crate::root::Root;
use crate::scratch::Scratch;

/// Where a root sees the repository that is attached to it.
const MOUNT: &str = "/srv/repository";
/// The key that a root with an attached repository trusts.
const KEYRING: &str = "/etc/apt/keyrings/testbed.asc";
/// The source list of the attached repository.
const SOURCES: &str = "/etc/apt/sources.list.d/testbed.list";

/// A distribution of a repository: what its release file says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// The folder below `dists`, and the code name.
    pub codename: String,
    /// For example `Debian`.
    pub origin: String,
    /// For example `Debian-Security`.
    pub label: String,
    /// How long after its publication apt accepts it; negative is expired. `None` is for ever.
    pub valid_for: Option<SignedDuration>,
}

impl Suite {
    /// Like Debian 12's main archive.
    pub fn archive() -> Suite {
        Suite { codename: "bookworm".into(), origin: "Debian".into(), label: "Debian".into(), valid_for: None }
    }

    /// Like Debian 12's security archive.
    pub fn security() -> Suite {
        Suite { codename: "bookworm-security".into(), label: "Debian-Security".into(), ..Suite::archive() }
    }
}

/// A repository in a folder, signed with a key of its own. It is published anew with every call of
/// [`Repository::publish`]; roots that it is attached to see that with their next `apt-get update`.
pub struct Repository {
    folder: PathBuf,
    suites: Vec<Suite>,
    key: Key,
    _scratch: Arc<Scratch>,
}

impl Repository {
    /// A repository with these suites, empty as yet.
    pub fn new(suites: impl IntoIterator<Item = Suite>) -> Repository {
        let scratch = Scratch::current().unwrap_or_else(|reason| panic!("no repository can be made: {reason}"));
        let folder = scratch.subfolder("repository");
        let key = Key::generate(&folder.join("key"));
        let repository = Repository { folder, suites: suites.into_iter().collect(), key, _scratch: scratch };
        for suite in &repository.suites {
            create_folders(&repository.pool(&suite.codename));
            create_folders(&repository.packages_folder(&suite.codename));
        }
        repository
    }

    /// Builds the packages into a suite, beside those that are there, and signs the suite's new state.
    pub fn publish(&self, codename: &str, packages: impl IntoIterator<Item = Package>) {
        for package in packages {
            package.build(&self.pool(codename));
        }
        self.release(self.suite(codename), &self.key);
    }

    /// Takes one version of a package out of a suite, and signs the suite's new state.
    pub fn withdraw(&self, codename: &str, package: &Package) {
        let path = self.pool(codename).join(package.file_name());
        fs::remove_file(&path).unwrap_or_else(|error| panic!("{} is not published: {error}", path.display()));
        self.release(self.suite(codename), &self.key);
    }

    /// The fingerprint of the key that signs it, in upper case.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint()
    }

    /// Makes this the root's only source of packages, trusted by its key.
    pub fn attach(&self, root: &mut Root) {
        for suite in &self.suites {
            // What nothing was published in yet is there too, and empty.
            if !self.suite_folder(&suite.codename).join("Release").exists() {
                self.release(suite, &self.key);
            }
        }
        root.shell("rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*").success();
        root.bind(self.served(), MOUNT);
        root.write(KEYRING, fs::read(&self.key.public).expect("exported when it was made"));
        root.write(SOURCES, self.sources(&format!("copy:{MOUNT}")));
    }

    /// Lets apt in the root look for the repository where a server is that does not answer.
    ///
    /// `apt-get update` then warns, keeps the lists that it had, and exits 0.
    pub fn attach_to_dead_server(&self, root: &Root) {
        root.write(SOURCES, self.sources("http://127.0.0.1:9/debian"));
    }

    /// Lets apt in the root look for the repository in a place where there is none. `apt-get update` then exits 100.
    pub fn attach_to_wrong_path(&self, root: &Root) {
        root.write(SOURCES, self.sources("copy:/srv/moved-away"));
    }

    /// Publishes a suite's present state as one that was valid until yesterday.
    pub fn expire(&self, codename: &str) {
        let valid_for = Some(SignedDuration::from_hours(-24));
        self.release(&Suite { valid_for, ..self.suite(codename).clone() }, &self.key);
    }

    /// Takes the signed release file away; the unsigned one stays.
    pub fn unsign(&self, codename: &str) {
        let path = self.suite_folder(codename).join("InRelease");
        fs::remove_file(&path).unwrap_or_else(|error| panic!("can't remove {}: {error}", path.display()));
    }

    /// Signs a suite's present state with a key that nobody trusts.
    pub fn sign_with_stranger_key(&self, codename: &str) {
        let stranger = Key::generate(&self.folder.join("stranger"));
        self.release(self.suite(codename), &stranger);
    }

    /// Changes the list of packages after it was signed: the hash in the release file is no longer its own.
    pub fn tamper_with_list(&self, codename: &str) {
        let path = self.packages_folder(codename).join("Packages");
        let list = fs::read_to_string(&path).expect("published");
        assert!(list.contains("for tests"), "{codename} has no package whose entry could be changed");
        // Of the same size, or apt would find that first.
        fs::write(&path, list.replacen("for tests", "for pests", 1)).expect("the repository can be written to");
    }

    /// Changes a package after its list was signed, keeping its size: only its hash tells.
    pub fn tamper_with_package(&self, codename: &str, package: &Package) {
        let path = self.pool(codename).join(package.file_name());
        let mut content =
            fs::read(&path).unwrap_or_else(|error| panic!("{} is not published: {error}", path.display()));
        let last = content.last_mut().expect("a package is not empty");
        *last ^= 0xff;
        fs::write(&path, content).expect("the repository can be written to");
    }

    fn sources(&self, address: &str) -> String {
        let line = |suite: &Suite| format!("deb [signed-by={KEYRING}] {address} {} main\n", suite.codename);
        self.suites.iter().map(line).collect()
    }

    fn suite(&self, codename: &str) -> &Suite {
        let found = self.suites.iter().find(|suite| suite.codename == codename);
        found.unwrap_or_else(|| panic!("the repository has no suite {codename}"))
    }

    fn served(&self) -> PathBuf {
        self.folder.join("served")
    }

    fn pool(&self, codename: &str) -> PathBuf {
        self.served().join("pool").join(codename)
    }

    fn suite_folder(&self, codename: &str) -> PathBuf {
        self.served().join("dists").join(codename)
    }

    fn packages_folder(&self, codename: &str) -> PathBuf {
        self.suite_folder(codename).join("main/binary-all")
    }

    /// Writes list, release file and signatures of a suite. The release file is written last, elsewhere, and moved:
    /// it would hash itself.
    fn release(&self, suite: &Suite, key: &Key) {
        let folder = self.suite_folder(&suite.codename);
        for name in ["InRelease", "Release"] {
            let _ = fs::remove_file(folder.join(name));
        }
        let pool = format!("pool/{}", suite.codename);
        let list = run(Command::new("apt-ftparchive").args(["packages", &pool]).current_dir(self.served()));
        fs::write(self.packages_folder(&suite.codename).join("Packages"), list)
            .expect("the repository can be written to");
        let mut release = Command::new("apt-ftparchive");
        let mut field = |name: &str, value: &str| {
            release.arg("-o").arg(format!("APT::FTPArchive::Release::{name}={value}"));
        };
        field("Origin", &suite.origin);
        field("Label", &suite.label);
        field("Suite", &suite.codename);
        field("Codename", &suite.codename);
        field("Components", "main");
        // amd64 too, or apt warns that the suite does not support the device.
        field("Architectures", &format!("all {}", architecture()));
        if let Some(valid_for) = suite.valid_for {
            field("ValidTime", &valid_for.as_secs().to_string());
        }
        let text = run(release.arg("release").arg(&folder));
        let unsigned = self.folder.join("Release");
        fs::write(&unsigned, text).expect("the repository can be written to");
        key.sign(&unsigned, &folder.join("InRelease"));
        fs::rename(&unsigned, folder.join("Release")).expect("the same file system");
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A throw-away signing key in a folder of its own.
pub(crate) struct Key {
    pub(crate) home: PathBuf,
    pub(crate) public: PathBuf,
}

impl Key {
    fn generate(home: &Path) -> Key {
        Key::generate_as(home, "ed25519")
    }

    pub(crate) fn generate_as(home: &Path, algorithm: &str) -> Key {
        create_folders(home);
        fs::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("just made");
        let key = Key { home: home.to_owned(), public: home.join("public.asc") };
        let person = "Testbed <testbed@example.org>";
        run(key.gpg().args(["--passphrase", "", "--quick-generate-key", person, algorithm, "sign", "never"]));
        run(key.gpg().args(["--armor", "--output"]).arg(&key.public).arg("--export"));
        key
    }

    /// In upper case, as gpg prints it.
    pub(crate) fn fingerprint(&self) -> String {
        let listed = run(self.gpg().args(["--list-keys", "--with-colons"]));
        let listed = String::from_utf8_lossy(&listed);
        let line = listed.lines().find_map(|line| line.strip_prefix("fpr:")).expect("gpg made a key");
        line.trim_matches(':').to_owned()
    }

    fn sign(&self, file: &Path, signed: &Path) {
        run(self.gpg().arg("--clear-sign").arg("--output").arg(signed).arg(file));
    }

    pub(crate) fn gpg(&self) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--homedir"]).arg(&self.home);
        gpg
    }
}

impl Drop for Key {
    /// gpg leaves an agent running. One that is forgotten here ends by itself once its folder is swept away.
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(&self.home).args(["--kill", "all"]).output();
    }
}

/// Runs a program of the host; panics with its errors when it fails. Returns its output.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

pub(crate) fn create_folders(folder: &Path) {
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("can't create {}: {error}", folder.display()));
}

/// What dpkg calls the architecture of this machine, and so of the roots.
fn architecture() -> String {
    String::from_utf8_lossy(&run(Command::new("dpkg").arg("--print-architecture"))).trim().to_owned()
}
