//! Signed rpm repositories in a folder, and everything that can be wrong with one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::repository::{Key, create_folders, run};
use crate::root::Root;
use crate::rpm::package::RpmPackage;
use crate::scratch::Scratch;

/// Where a root sees the repository that is attached to it.
const MOUNT: &str = "/srv/repository";
/// The configuration of the attached repository.
const SOURCES: &str = "/etc/yum.repos.d/testbed.repo";
/// The key that a root with an attached repository trusts.
const KEY: &str = "/etc/pki/rpm-gpg/testbed.asc";

/// A repository in a folder, its list and its packages signed with a key of its own.
pub struct RpmRepository {
    folder: PathBuf,
    key: Key,
    _scratch: Arc<Scratch>,
}

impl RpmRepository {
    /// An empty repository.
    pub fn new() -> RpmRepository {
        let scratch = Scratch::current().unwrap_or_else(|reason| panic!("no repository can be made: {reason}"));
        let folder = scratch.subfolder("rpm-repository");
        // rpm's own reader of signatures knows RSA everywhere.
        let key = Key::generate_as(&folder.join("key"), "rsa2048");
        let repository = RpmRepository { folder, key, _scratch: scratch };
        create_folders(&repository.pool());
        repository.release(&repository.key);
        repository
    }

    /// Builds and signs packages beside those that are there, and signs the repository's new state.
    pub fn publish(&self, packages: impl IntoIterator<Item = RpmPackage>) {
        for package in packages {
            sign_package(&self.key, &package.build(&self.pool()));
        }
        self.release(&self.key);
    }

    /// Takes one version of a package away, and signs the repository's new state.
    pub fn withdraw(&self, package: &RpmPackage) {
        let path = self.pool().join(package.file_name());
        fs::remove_file(&path).unwrap_or_else(|error| panic!("{} is not published: {error}", path.display()));
        self.release(&self.key);
    }

    /// The fingerprint of the key that signs it, in upper case.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint()
    }

    /// Makes this the root's only repository, trusted by its key.
    pub fn attach(&self, root: &mut Root) {
        root.shell("rm -rf /etc/yum.repos.d/* /var/cache/dnf/*").success();
        root.bind(self.served(), MOUNT);
        root.write(KEY, fs::read(&self.key.public).expect("exported when it was made"));
        root.write(SOURCES, sources(&format!("file://{MOUNT}")));
    }

    /// Lets dnf in the root look for the repository where a server is that does not answer.
    pub fn attach_to_dead_server(&self, root: &Root) {
        root.write(SOURCES, sources("http://127.0.0.1:9/repository"));
    }

    /// Lets dnf in the root look for the repository in a place where there is none.
    pub fn attach_to_wrong_path(&self, root: &Root) {
        root.write(SOURCES, sources("file:///srv/moved-away"));
    }

    /// Takes the signature of the list away.
    pub fn unsign(&self) {
        fs::remove_file(self.list().with_extension("xml.asc")).expect("published");
    }

    /// Signs the present list with a key that nobody trusts.
    pub fn sign_with_stranger_key(&self) {
        self.release(&self.stranger());
    }

    /// Signs a package with a key that is not the repository's, and lists it all the same; the key.
    pub fn sign_package_with_stranger_key(&self, package: &RpmPackage) -> Vec<u8> {
        let stranger = self.stranger();
        sign_package(&stranger, &self.pool().join(package.file_name()));
        self.release(&self.key);
        fs::read(&stranger.public).expect("exported when it was made")
    }

    /// Changes the list after it was signed.
    pub fn tamper_with_list(&self) {
        let list = fs::read_to_string(self.list()).expect("published");
        fs::write(self.list(), list.replacen("<revision>", "<revision>1", 1))
            .expect("the repository can be written to");
    }

    /// Changes a package after its list was signed, keeping its size.
    pub fn tamper_with_package(&self, package: &RpmPackage) {
        let path = self.pool().join(package.file_name());
        let mut content =
            fs::read(&path).unwrap_or_else(|error| panic!("{} is not published: {error}", path.display()));
        let last = content.last_mut().expect("a package is not empty");
        *last ^= 0xff;
        fs::write(&path, content).expect("the repository can be written to");
    }

    fn stranger(&self) -> Key {
        Key::generate_as(&self.folder.join("stranger"), "rsa2048")
    }

    fn served(&self) -> PathBuf {
        self.folder.join("served")
    }

    fn pool(&self) -> PathBuf {
        self.served().join("pool")
    }

    fn list(&self) -> PathBuf {
        self.served().join("repodata/repomd.xml")
    }

    fn release(&self, key: &Key) {
        run(Command::new("createrepo_c").arg("--quiet").arg(self.served()));
        let signature = self.list().with_extension("xml.asc");
        let _ = fs::remove_file(&signature);
        run(key.gpg().args(["--armor", "--detach-sign", "--output"]).arg(signature).arg(self.list()));
    }
}

impl Default for RpmRepository {
    fn default() -> Self {
        RpmRepository::new()
    }
}

impl Drop for RpmRepository {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn sources(address: &str) -> String {
    format!("[testbed]\nname=Testbed\nbaseurl={address}\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://{KEY}\n")
}

fn sign_package(key: &Key, package: &Path) {
    let mut rpmsign = Command::new("rpmsign");
    let define = |name: &str, value: &str| ["--define".to_owned(), format!("{name} {value}")];
    rpmsign.args(define("__gpg", "/usr/bin/gpg")).args(define("_gpg_name", "Testbed"));
    rpmsign.args(define("_gpg_path", &key.home.display().to_string())).arg("--resign").arg(package);
    run(&mut rpmsign);
}
