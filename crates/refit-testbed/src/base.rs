//! Base roots: made once with mmdebstrap, cached, never written to again.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::mirror::Mirror;
use crate::needs::{available, skip};
use crate::scratch;

mod behind;
mod rpm;

/// A root that overlays are laid on. Clones are the same root.
///
/// It lies in the cache folder (`REFIT_TEST_CACHE`, else `refit-testbed` in the user's cache folder) under a name made
/// from its recipe. Test processes that want it at the same time build it once; one that is incomplete or was
/// written to is built anew.
#[derive(Clone)]
pub struct BaseRoot(Arc<Cached>);

struct Cached {
    folder: PathBuf,
    /// Held shared for as long as the root is in use: nobody rebuilds it under a mounted overlay.
    _in_use: File,
}

impl BaseRoot {
    /// Debian 12 with the essential packages and apt, for devices whose packages come from a [`crate::Repository`].
    ///
    /// `None` after `skipped:` was printed, where no root can be had.
    pub fn minimal() -> Option<BaseRoot> {
        static ROOT: OnceLock<Result<BaseRoot, String>> = OnceLock::new();
        or_skip(ROOT.get_or_init(|| BaseRoot::cached(Recipe::minimal)))
    }

    /// Debian 12 with systemd and a message bus, for devices that are booted ([`crate::Booted`]).
    ///
    /// `None` after `skipped:` was printed, where no root can be had.
    pub fn booting() -> Option<BaseRoot> {
        static ROOT: OnceLock<Result<BaseRoot, String>> = OnceLock::new();
        or_skip(ROOT.get_or_init(|| BaseRoot::cached(Recipe::booting)))
    }

    /// Debian 12 with a message bus, `notify-send`, and Python's bindings to write a desktop's side of it.
    ///
    /// `None` after `skipped:` was printed, where no root can be had.
    pub fn desktop() -> Option<BaseRoot> {
        static ROOT: OnceLock<Result<BaseRoot, String>> = OnceLock::new();
        or_skip(ROOT.get_or_init(|| BaseRoot::cached(Recipe::desktop)))
    }

    /// Debian 12 with Prometheus, to be run from its folder.
    ///
    /// `None` after `skipped:` was printed, where no root can be had.
    pub fn monitoring() -> Option<BaseRoot> {
        static ROOT: OnceLock<Result<BaseRoot, String>> = OnceLock::new();
        or_skip(ROOT.get_or_init(|| BaseRoot::cached(Recipe::monitoring)))
    }

    /// Debian 12 from its real archive with more than a hundred updates waiting, `linux-image-amd64`, `libc6` and
    /// `openssl` among them.
    ///
    /// Package lists are in place and the waiting packages are in apt's cache: upgrading needs no network. `apt-get update`
    /// does; see [`crate::Root::share_network`]. `None` after `skipped:` was printed, where no root can be had.
    pub fn behind() -> Option<BaseRoot> {
        static ROOT: OnceLock<Result<BaseRoot, String>> = OnceLock::new();
        or_skip(ROOT.get_or_init(|| BaseRoot::cached(behind::recipe)))
    }

    /// Debian 12 with rpm and dnf 4.14, whose rpm database is empty: rpm and dnf work on `/`, beside dpkg and without
    /// knowing of it. For devices whose packages come from a [`crate::rpm::RpmRepository`].
    pub fn rpm() -> Option<BaseRoot> {
        static ROOT: OnceLock<Result<BaseRoot, String>> = OnceLock::new();
        or_skip(ROOT.get_or_init(|| {
            crate::needs::rpm_tools()?;
            BaseRoot::cached(rpm::recipe)
        }))
    }

    /// The folder that holds the root's `/`. Never write to it.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    fn cached(recipe: impl FnOnce(&Mirror) -> Recipe) -> Result<BaseRoot, String> {
        available()?;
        let recipe = recipe(&Mirror::configured()?);
        recipe.get(&cache_folder()?, |partial| recipe.build(partial))
    }
}

fn or_skip(root: &Result<BaseRoot, String>) -> Option<BaseRoot> {
    root.as_ref().inspect_err(|reason| skip(reason)).ok().cloned()
}

fn cache_folder() -> Result<PathBuf, String> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("REFIT_TEST_CACHE")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("refit-testbed")))
        .or_else(|| Some(folder("HOME")?.join(".cache/refit-testbed")))
        .ok_or_else(|| "neither REFIT_TEST_CACHE nor HOME says where to cache base roots".to_owned())
}

/// How a base root is made: everything that decides its content, since the cache is keyed by it.
struct Recipe {
    name: &'static str,
    /// What mmdebstrap is called with, apart from the suite, the target and the sources.
    options: Vec<String>,
    sources: Vec<String>,
}

impl Recipe {
    fn minimal(mirror: &Mirror) -> Recipe {
        Recipe {
            name: "minimal",
            options: mmdebstrap_options(mirror),
            sources: vec![format!("deb {} bookworm main", mirror.archive)],
        }
    }

    fn booting(mirror: &Mirror) -> Recipe {
        let mut recipe = Recipe::minimal(mirror);
        recipe.name = "booting";
        recipe.options.push("--include=systemd-sysv,dbus,iproute2,needrestart,perl".to_owned());
        recipe
    }

    fn desktop(mirror: &Mirror) -> Recipe {
        let mut recipe = Recipe::minimal(mirror);
        recipe.name = "desktop";
        let told = "dbus-daemon,libnotify-bin,python3-dbus,python3-gi";
        // busctl, GNOME's settings and where they are kept, and pictures of the screen.
        let asked = "systemd,libglib2.0-bin,dconf-gsettings-backend,gsettings-desktop-schemas,pipewire";
        recipe.options.push(format!("--include={told},{asked}"));
        recipe
    }

    fn monitoring(mirror: &Mirror) -> Recipe {
        let mut recipe = Recipe::minimal(mirror);
        recipe.name = "monitoring";
        recipe.options.push("--include=prometheus".to_owned());
        recipe
    }

    /// The cached root, built where there is none or a damaged one; `build` makes the folder `root` in the folder it gets.
    fn get(&self, cache: &Path, build: impl Fn(&Path) -> Result<(), String>) -> Result<BaseRoot, String> {
        fs::create_dir_all(cache).map_err(|error| format!("can't create {}: {error}", cache.display()))?;
        let entry = cache.join(format!("{}-{}", self.name, self.key()));
        let lock_path = entry.with_extension("lock");
        let failed = |error| format!("can't lock {}: {error}", lock_path.display());
        let lock = OpenOptions::new().create(true).append(true).open(&lock_path).map_err(failed)?;
        loop {
            lock.lock_shared().map_err(failed)?;
            if is_intact(&entry) {
                return Ok(BaseRoot(Arc::new(Cached { folder: entry.join("root"), _in_use: lock })));
            }
            lock.unlock().map_err(failed)?;
            lock.lock().map_err(failed)?;
            // Somebody else may have built it while this process waited.
            if !is_intact(&entry) {
                eprintln!("building the base root `{}` in {} (once)", self.name, entry.display());
                replace(&entry, &build)?;
            }
            lock.unlock().map_err(failed)?;
        }
    }

    fn build(&self, partial: &Path) -> Result<(), String> {
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap.args(&self.options).arg("bookworm").arg(partial.join("root")).args(&self.sources);
        run(&mut mmdebstrap)
    }

    fn key(&self) -> String {
        let mut text = String::new();
        for line in self.options.iter().chain(&self.sources) {
            let _ = writeln!(text, "{line}");
        }
        hex(&Sha256::digest(text))[..12].to_owned()
    }
}

/// Builds beside the entry and renames at the end: an entry is there completely or not at all.
fn replace(entry: &Path, build: impl Fn(&Path) -> Result<(), String>) -> Result<(), String> {
    let failed = |what: &str, path: &Path, error: std::io::Error| format!("can't {what} {}: {error}", path.display());
    let partial = entry.with_extension("partial");
    for leftover in [entry, &partial] {
        if leftover.exists() {
            scratch::remove(leftover).map_err(|error| failed("remove", leftover, error))?;
        }
    }
    fs::create_dir(&partial).map_err(|error| failed("create", &partial, error))?;
    build(&partial)?;
    let stamp = stamp(&partial.join("root")).ok_or("the new base root has no dpkg")?;
    fs::write(partial.join("stamp"), stamp).map_err(|error| failed("write the stamp in", &partial, error))?;
    fs::rename(&partial, entry).map_err(|error| failed("rename", &partial, error))
}

/// Options that all recipes share.
fn mmdebstrap_options(mirror: &Mirror) -> Vec<String> {
    let mut options = vec!["--quiet".to_owned(), "--mode=root".to_owned(), "--variant=minbase".to_owned()];
    if let Some(proxy) = &mirror.proxy {
        options.push(format!("--aptopt=Acquire::http::Proxy \"{proxy}\""));
    }
    options
}

/// Whether the entry is as it was when it was built, as far as dpkg's own database tells.
fn is_intact(entry: &Path) -> bool {
    let built = fs::read_to_string(entry.join("stamp")).ok();
    built.is_some() && built == stamp(&entry.join("root"))
}

fn stamp(root: &Path) -> Option<String> {
    let status = fs::read(root.join("var/lib/dpkg/status")).ok()?;
    root.join("usr/bin/dpkg").is_file().then(|| hex(&Sha256::digest(status)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("can't run {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    let end = lines[lines.len().saturating_sub(12)..].join("\n  ");
    Err(format!("no base root could be made: {program} ended with {}:\n  {end}", output.status))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const RECIPE: Recipe = Recipe { name: "fake", options: Vec::new(), sources: Vec::new() };

    fn fake(partial: &Path) -> Result<(), String> {
        fs::create_dir_all(partial.join("root/var/lib/dpkg")).unwrap();
        fs::create_dir_all(partial.join("root/usr/bin")).unwrap();
        fs::write(partial.join("root/usr/bin/dpkg"), "").unwrap();
        fs::write(partial.join("root/var/lib/dpkg/status"), "as built").unwrap();
        Ok(())
    }

    #[test]
    fn those_who_want_a_root_at_the_same_time_build_it_once() {
        let cache = tempfile::tempdir().unwrap();
        let built = AtomicUsize::new(0);
        let build = |partial: &Path| {
            built.fetch_add(1, Ordering::Relaxed);
            fake(partial)
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| RECIPE.get(cache.path(), build).unwrap());
            }
        });
        assert_eq!(built.into_inner(), 1);
    }

    #[test]
    fn a_root_that_was_written_to_is_built_anew() {
        let cache = tempfile::tempdir().unwrap();
        let status = RECIPE.get(cache.path(), fake).unwrap().folder().join("var/lib/dpkg/status");
        fs::write(&status, "changed").unwrap();
        RECIPE.get(cache.path(), fake).unwrap();
        assert_eq!(fs::read_to_string(status).unwrap(), "as built");
    }

    #[test]
    fn a_build_that_was_broken_off_is_begun_anew() {
        let cache = tempfile::tempdir().unwrap();
        let broken_off = |partial: &Path| fake(partial).and(Err("no network".to_owned()));
        assert_eq!(RECIPE.get(cache.path(), broken_off).err().as_deref(), Some("no network"));
        let root = RECIPE.get(cache.path(), fake).unwrap();
        assert!(root.folder().join("usr/bin/dpkg").exists());
    }

    #[test]
    fn another_recipe_has_another_place() {
        let other = Recipe { name: "fake", options: vec!["--include=more".to_owned()], sources: Vec::new() };
        assert_ne!(RECIPE.key(), other.key());
    }
}
