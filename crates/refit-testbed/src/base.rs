//! Base roots: made once with mmdebstrap, cached, never written to again.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::mirror::Mirror;
use crate::needs::{available, skip};

mod behind;

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

    /// Debian 12 from its real archive with more than a hundred updates waiting, `linux-image-amd64`, `libc6` and
    /// `openssl` among them.
    ///
    /// Package lists are in place and the waiting packages are in apt's cache: upgrading needs no network. `apt-get update`
    /// does; see [`crate::Root::share_network`]. `None` after `skipped:` was printed, where no root can be had.
    pub fn behind() -> Option<BaseRoot> {
        static ROOT: OnceLock<Result<BaseRoot, String>> = OnceLock::new();
        or_skip(ROOT.get_or_init(|| BaseRoot::cached(behind::recipe)))
    }

    /// The folder that holds the root's `/`. Never write to it.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    fn cached(recipe: impl FnOnce(&Mirror) -> Recipe) -> Result<BaseRoot, String> {
        available()?;
        let recipe = recipe(&Mirror::configured()?);
        recipe.get(&cache_folder()?)
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

    fn get(&self, cache: &Path) -> Result<BaseRoot, String> {
        let io = |what: &str, path: &Path| {
            let what = format!("can't {what} {}", path.display());
            move |error: std::io::Error| format!("{what}: {error}")
        };
        fs::create_dir_all(cache).map_err(io("create", cache))?;
        let entry = cache.join(format!("{}-{}", self.name, self.key()));
        let lock_path = entry.with_extension("lock");
        let lock = OpenOptions::new().create(true).append(true).open(&lock_path).map_err(io("open", &lock_path))?;
        loop {
            lock.lock_shared().map_err(io("lock", &lock_path))?;
            if is_intact(&entry) {
                return Ok(BaseRoot(Arc::new(Cached { folder: entry.join("root"), _in_use: lock })));
            }
            lock.unlock().map_err(io("unlock", &lock_path))?;
            lock.lock().map_err(io("lock", &lock_path))?;
            // Somebody else may have built it while this process waited.
            if !is_intact(&entry) {
                self.build(&entry)?;
            }
            lock.unlock().map_err(io("unlock", &lock_path))?;
        }
    }

    /// Builds beside the entry and renames at the end: an entry is there completely or not at all.
    fn build(&self, entry: &Path) -> Result<(), String> {
        let partial = entry.with_extension("partial");
        for leftover in [entry, &partial] {
            if leftover.exists() {
                fs::remove_dir_all(leftover)
                    .map_err(|error| format!("can't remove {}: {error}", leftover.display()))?;
            }
        }
        let root = partial.join("root");
        fs::create_dir_all(&partial).map_err(|error| format!("can't create {}: {error}", partial.display()))?;
        eprintln!("building the base root `{}` in {} (once)", self.name, entry.display());
        let mut mmdebstrap = Command::new("mmdebstrap");
        mmdebstrap.args(&self.options).arg("bookworm").arg(&root).args(&self.sources);
        run(&mut mmdebstrap)?;
        let stamp = stamp(&root).ok_or("mmdebstrap left no dpkg status file")?;
        fs::write(partial.join("stamp"), stamp).map_err(|error| format!("can't write the stamp: {error}"))?;
        fs::rename(&partial, entry).map_err(|error| format!("can't rename {}: {error}", partial.display()))
    }

    fn key(&self) -> String {
        let mut text = String::new();
        for line in self.options.iter().chain(&self.sources) {
            let _ = writeln!(text, "{line}");
        }
        hex(&Sha256::digest(text))[..12].to_owned()
    }
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
