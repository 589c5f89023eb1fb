//! One throw-away device: an overlay on a base root.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};

use crate::base::BaseRoot;
use crate::command::{Command, Network, Outcome};
use crate::lan::Cable;
use crate::scratch::{Overlay, Scratch};

/// A device's `/`, laid over a base root in milliseconds; unmounted and deleted when dropped, also when a test panics.
///
/// `/run` and `/tmp` last as long as the root does, so that a marker which one command leaves is there for the next one;
/// [`Root::reboot`] empties them.
pub struct Root {
    overlay: Option<Overlay>,
    folder: PathBuf,
    /// Host path, path in the root, may it be written to.
    binds: Vec<(PathBuf, String, Access)>,
    network: Network,
    /// The network namespace of [`Root::plug_in`].
    namespace: Option<String>,
    has_small_disk: bool,
    _base: BaseRoot,
    _scratch: Arc<Scratch>,
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// Holds the space that [`Root::fill_disk`] takes away.
const BALLAST: &str = "/var/ballast";

impl Root {
    /// A new device whose disk is as large as the machine's.
    pub fn overlay(base: &BaseRoot) -> Root {
        Root::new(base, None)
    }

    /// A new device with room for this many bytes of changes, for [`Root::fill_disk`].
    pub fn with_disk(base: &BaseRoot, bytes: u64) -> Root {
        Root::new(base, Some(bytes))
    }

    fn new(base: &BaseRoot, disk: Option<u64>) -> Root {
        let scratch = Scratch::current().unwrap_or_else(|reason| panic!("no root can be made: {reason}"));
        let folder = scratch.subfolder("root");
        let overlay = Overlay::new(&folder, base.folder(), disk)
            .unwrap_or_else(|error| panic!("can't mount an overlay in {}: {error}", folder.display()));
        let root = Root {
            overlay: Some(overlay),
            folder,
            binds: Vec::new(),
            network: Network::None,
            namespace: None,
            has_small_disk: disk.is_some(),
            _base: base.clone(),
            _scratch: scratch,
        };
        root.make_volatile_folders();
        root
    }

    /// A program to be run in the root.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command<'_> {
        Command::new(self, program.as_ref())
    }

    /// Runs a program in the root to its end.
    pub fn run<S: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, args: impl IntoIterator<Item = S>) -> Outcome {
        self.command(program).args(args).run()
    }

    /// What makes a program of the machine run another one in the root: the words that stand before it.
    pub fn entrance(&self) -> Vec<std::ffi::OsString> {
        let bubblewrap = self.bubblewrap();
        let words = std::iter::once(bubblewrap.get_program()).chain(bubblewrap.get_args()).map(OsStr::to_owned);
        let environment = crate::command::ENVIRONMENT.iter().flat_map(|(name, value)| ["--setenv", name, value]);
        let isolation = self.isolation(self.network).into_iter().map(Into::into);
        words.chain(isolation).chain(environment.map(Into::into)).chain(["--".into()]).collect()
    }

    /// Runs a shell script in the root, ending at its first failing command.
    pub fn shell(&self, script: &str) -> Outcome {
        self.run("sh", ["-euc", script])
    }

    /// Runs apt-get as a script would: debconf asks nothing, dpkg keeps the configuration files that people edited.
    pub fn apt_get<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Outcome {
        self.command("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-o", "Dpkg::Options::=--force-confold", "-o", "Dpkg::Use-Pty=0"])
            .args(args)
            .run()
    }

    /// Shows a program of the host, such as the `refit` under test, as `/usr/local/bin/NAME` with its own name.
    pub fn with_binary(&mut self, program: impl AsRef<Path>) -> &mut Root {
        let program = program.as_ref();
        let name = program.file_name().unwrap_or_else(|| panic!("{} is no program", program.display()));
        self.bind(program, &format!("/usr/local/bin/{}", name.to_string_lossy()))
    }

    /// Shows a file or folder of the host at a path in the root, read-only.
    pub fn bind(&mut self, host: impl AsRef<Path>, path: &str) -> &mut Root {
        self.add_bind(host.as_ref(), path, Access::Read)
    }

    /// Shows a file or folder of the host at a path in the root; programs in the root may write to it.
    pub fn bind_writable(&mut self, host: impl AsRef<Path>, path: &str) -> &mut Root {
        self.add_bind(host.as_ref(), path, Access::Write)
    }

    fn add_bind(&mut self, host: &Path, path: &str, access: Access) -> &mut Root {
        assert!(host.exists(), "{} does not exist: it can't be shown in the root", host.display());
        assert!(path.starts_with('/'), "{path}: a path in the root starts with /");
        self.binds.push((host.to_owned(), path.to_owned(), access));
        self
    }

    /// From now on, what runs in the root uses the machine's network. Without it there is only an own loopback.
    pub fn share_network(&mut self) -> &mut Root {
        self.network = Network::Host;
        self
    }

    /// From now on, what runs in the root sees this place of a network, and nothing else.
    pub fn plug_in(&mut self, cable: &Cable) -> &mut Root {
        self.network = Network::Lan;
        self.namespace = Some(cable.namespace().to_owned());
        self
    }

    /// What a file in the root says, as UTF-8 text. Symbolic links are followed as they are from inside.
    pub fn read(&self, path: &str) -> String {
        self.try_read(path).unwrap_or_else(|error| panic!("can't read {path} in the root: {error}"))
    }

    /// As [`Root::read`], for files that may not be there.
    pub fn try_read(&self, path: &str) -> io::Result<String> {
        let mut text = String::new();
        self.open(path, OFlags::RDONLY)?.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Whether the path leads to something.
    pub fn exists(&self, path: &str) -> bool {
        self.open(path, OFlags::PATH).is_ok()
    }

    /// Writes a file, in place of one that is there, and makes the folders that it needs.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Root {
        self.try_write(path, content.as_ref())
            .unwrap_or_else(|error| panic!("can't write {path} in the root: {error}"));
        self
    }

    fn try_write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        let path = Path::new(path);
        self.make_folder(path.parent().unwrap_or(path))?;
        self.open(path, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)?.write_all(content)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        if self.open(path, OFlags::PATH).is_ok() {
            return Ok(());
        }
        self.make_folder(parent)?;
        Ok(rustix::fs::mkdirat(self.open(parent, OFlags::PATH)?, name, Mode::from_raw_mode(0o755))?)
    }

    /// Deletes a file; of a symbolic link, the link.
    pub fn remove(&self, path: &str) -> &Root {
        let deleted = || -> io::Result<()> {
            let path = Path::new(path);
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            Ok(rustix::fs::unlinkat(self.open(parent, OFlags::PATH)?, name, AtFlags::empty())?)
        };
        deleted().unwrap_or_else(|error| panic!("can't remove {path} in the root: {error}"));
        self
    }

    /// Does to the files what restarting the device does: `/run` and `/tmp` are empty again.
    pub fn reboot(&self) {
        for name in ["run", "tmp"] {
            fs::remove_dir_all(self.folder.join(name)).unwrap_or_else(|error| panic!("can't empty /{name}: {error}"));
        }
        self.make_volatile_folders();
    }

    /// Takes disk space away until this many bytes are left. Only for a root made [`Root::with_disk`].
    pub fn fill_disk(&self, leave: u64) {
        assert!(self.has_small_disk, "only a root made with_disk can be filled up");
        let disk = rustix::fs::statvfs(self.folder.join("disk")).expect("the disk is mounted");
        let free = disk.f_bavail * disk.f_frsize;
        let file = self.open(BALLAST, OFlags::WRONLY | OFlags::CREATE).expect("ballast can be made");
        let size = free.checked_sub(leave).unwrap_or_else(|| panic!("only {free} bytes are free, not {leave}"));
        rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, size).expect("tmpfs allocates");
    }

    /// Gives back what [`Root::fill_disk`] took.
    pub fn free_disk(&self) {
        self.remove(BALLAST);
    }

    /// The arguments that make bubblewrap run something in this root.
    pub(crate) fn isolation(&self, network: Network) -> Vec<String> {
        let mut args: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| args.extend(words.iter().map(|&word| word.to_owned()));
        let host = |path: &Path| path.display().to_string();
        add(&["--bind", &host(self.merged()), "/", "--proc", "/proc", "--dev", "/dev"]);
        add(&["--bind", &host(&self.folder.join("tmp")), "/tmp", "--bind", &host(&self.folder.join("run")), "/run"]);
        for (from, to, access) in &self.binds {
            add(&[if matches!(access, Access::Read) { "--ro-bind" } else { "--bind" }, &host(from), to]);
        }
        // No user namespace: packages have files of many users, and one would map root only.
        add(&["--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "testbed"]);
        match network {
            Network::None => add(&["--unshare-net"]),
            Network::Lan => {}
            Network::Host => {
                for file in ["/etc/resolv.conf", "/etc/hosts"] {
                    add(&["--ro-bind-try", file, file]);
                }
            }
        }
        add(&["--die-with-parent", "--new-session", "--chdir", "/", "--clearenv"]);
        args
    }

    pub(crate) fn network(&self) -> Network {
        self.network
    }

    /// The arguments that make systemd-nspawn show what was bound.
    pub(crate) fn nspawn_binds(&self) -> Vec<String> {
        let show = |(from, to, access): &(PathBuf, String, Access)| {
            let option = if matches!(access, Access::Read) { "bind-ro" } else { "bind" };
            format!("--{option}={}:{to}", from.display())
        };
        self.binds.iter().map(show).collect()
    }

    /// What starts bubblewrap: in the device's place of a network, where it has one.
    pub(crate) fn bubblewrap(&self) -> std::process::Command {
        let Some(namespace) = &self.namespace else { return std::process::Command::new("bwrap") };
        let mut command = std::process::Command::new("ip");
        command.args(["netns", "exec", namespace, "bwrap"]);
        command
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn merged(&self) -> &Path {
        &self.overlay.as_ref().expect("mounted until dropped").merged
    }

    /// The host folder that serves this path of the root, and the path below it.
    fn locate(&self, path: &Path) -> (PathBuf, PathBuf) {
        let path: PathBuf = path.components().filter(|part| *part != Component::RootDir).collect();
        for name in ["run", "tmp"] {
            if let Ok(below) = path.strip_prefix(name) {
                return (self.folder.join(name), below.to_owned());
            }
        }
        (self.merged().to_owned(), path)
    }

    /// Opens as a program inside would: an absolute link leads into the root, never out to the host.
    fn open(&self, path: impl AsRef<Path>, flags: OFlags) -> io::Result<File> {
        let (base, below) = self.locate(path.as_ref());
        let base = rustix::fs::open(base, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { &below };
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o644) } else { Mode::empty() };
        let file = rustix::fs::openat2(base, below, flags | OFlags::CLOEXEC, mode, ResolveFlags::IN_ROOT)?;
        Ok(File::from(file))
    }

    fn make_volatile_folders(&self) {
        for (name, mode) in [("run", 0o755), ("run/lock", 0o1777), ("tmp", 0o1777)] {
            let folder = self.folder.join(name);
            fs::create_dir(&folder)
                .and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)))
                .unwrap_or_else(|error| panic!("can't create {}: {error}", folder.display()));
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        drop(self.overlay.take());
        let gone = crate::scratch::mounts_below(&self.folder).is_ok_and(|mounts| mounts.is_empty());
        if gone {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_absolute_stays_in_the_root() {
        let Some(base) = BaseRoot::minimal() else { return };
        let root = Root::overlay(&base);
        root.shell("ln -s /etc/hostname-of-the-root /etc/pointer").success();
        root.write("/etc/pointer", "inside");
        assert_eq!(root.read("/etc/hostname-of-the-root"), "inside");
        assert!(!Path::new("/etc/hostname-of-the-root").exists());
    }

    #[test]
    fn a_test_that_panics_leaves_no_mount() {
        let Some(base) = BaseRoot::minimal() else { return };
        let folder = std::sync::Mutex::new(PathBuf::new());
        let failing = std::panic::AssertUnwindSafe(|| {
            let root = Root::with_disk(&base, 1 << 20);
            *folder.lock().unwrap() = root.folder().to_owned();
            root.run("false", [""; 0]).success();
        });
        assert!(std::panic::catch_unwind(failing).is_err());
        let folder = folder.into_inner().unwrap();
        assert!(folder.is_absolute() && !folder.exists());
        assert!(crate::scratch::mounts_below(&folder).unwrap().is_empty());
    }

    #[test]
    fn a_program_of_the_host_and_a_folder_of_it_can_be_shown_inside() {
        let Some(base) = BaseRoot::minimal() else { return };
        let host = tempfile::tempdir().unwrap();
        fs::write(host.path().join("policy"), "mode: enforce").unwrap();
        fs::write(host.path().join("refit"), "#!/bin/sh\ncat /srv/data/policy; ! touch /srv/data/x 2>/dev/null\n")
            .unwrap();
        fs::set_permissions(host.path().join("refit"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut root = Root::overlay(&base);
        root.with_binary(host.path().join("refit")).bind(host.path(), "/srv/data");
        assert_eq!(root.run("refit", [""; 0]).success().stdout, "mode: enforce");
        root.bind_writable(host.path(), "/srv/shared").shell("echo seen >/srv/shared/answer").success();
        assert_eq!(fs::read_to_string(host.path().join("answer")).unwrap(), "seen\n");
    }

    #[test]
    fn two_roots_on_one_base_do_not_see_each_other_and_leave_nothing_behind() {
        let Some(base) = BaseRoot::minimal() else { return };
        let (one, other) = (Root::overlay(&base), Root::overlay(&base));
        one.write("/etc/mine", "1");
        assert!(!other.exists("/etc/mine"));
        let folder = one.folder().to_owned();
        drop(one);
        assert!(!folder.exists());
        assert!(crate::scratch::mounts_below(&folder).unwrap().is_empty());
        assert!(!base.folder().join("etc/mine").exists());
    }

    #[test]
    fn the_run_folder_lasts_until_a_reboot() {
        let Some(base) = BaseRoot::minimal() else { return };
        let root = Root::overlay(&base);
        root.shell("touch /run/marker").success();
        assert!(root.exists("/run/marker") && root.run("test", ["-e", "/run/marker"]).ok());
        root.reboot();
        assert!(!root.exists("/run/marker"));
    }
}
