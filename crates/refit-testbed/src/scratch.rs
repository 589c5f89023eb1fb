//! The folder in which one test process keeps its overlays and repositories.
//!
//! It holds a file that the process keeps locked while it lives. The kernel drops the lock however the process ends, so
//! whoever comes later can tell an abandoned folder from a live one, across pid namespaces too, and sweeps it away with
//! its mounts.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::mount::{MountFlags, UnmountFlags};

/// The scratch folder of this process; removed with the last [`Arc`] to it.
pub(crate) struct Scratch {
    folder: PathBuf,
    _alive: File,
}

static CURRENT: Mutex<Weak<Scratch>> = Mutex::new(Weak::new());

impl Scratch {
    /// The process's scratch folder, made if there is none at the moment.
    pub(crate) fn current() -> Result<Arc<Scratch>, String> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scratch) = current.upgrade() {
            return Ok(scratch);
        }
        let scratch = Arc::new(Scratch::create()?);
        *current = Arc::downgrade(&scratch);
        Ok(scratch)
    }

    /// A new folder in it, with a name that nothing in this process had before.
    pub(crate) fn subfolder(&self, name: &str) -> PathBuf {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = self.folder.join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("can't create {}: {error}", folder.display()));
        folder
    }

    /// Tries the usual places for temporary files until an overlay can be mounted in one: in a container `/tmp` is often
    /// on an overlay itself, which can't carry another one's writes.
    fn create() -> Result<Scratch, String> {
        let mut refusals = Vec::new();
        for place in [std::env::temp_dir(), PathBuf::from("/var/tmp"), PathBuf::from("/dev/shm")] {
            match Scratch::create_in(&place.join("refit-testbed")) {
                Ok(scratch) => return Ok(scratch),
                Err(error) => refusals.push(format!("{}: {error}", place.display())),
            }
        }
        Err(format!("no folder here takes an overlay mount ({})", refusals.join("; ")))
    }

    fn create_in(parent: &Path) -> io::Result<Scratch> {
        match DirBuilder::new().mode(0o755).create(parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let found = fs::symlink_metadata(parent)?;
        if !found.is_dir() || found.uid() != 0 {
            return Err(io::Error::other("refit-testbed there is not a folder of root's"));
        }
        // Under this lock nobody sweeps a folder that is there but not locked yet.
        let gate = OpenOptions::new().create(true).append(true).open(parent.join("lock"))?;
        gate.lock()?;
        sweep(parent);
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(parent)?.keep();
        fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let alive = File::create(folder.join("alive"))?;
        alive.lock()?;
        let scratch = Scratch { folder, _alive: alive };
        let trial = Overlay::new(&scratch.subfolder("trial"), Path::new("/etc"), None)?;
        drop(trial);
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = remove(&self.folder);
    }
}

/// A mounted overlay; unmounted when dropped.
pub(crate) struct Overlay {
    /// Where the overlay shows: the lower folder with all that was written since.
    pub(crate) merged: PathBuf,
    disk: Option<PathBuf>,
}

impl Overlay {
    /// Mounts an overlay over `lower`, keeping everything in `folder`; with `disk`, writes go to a file system of that many bytes.
    pub(crate) fn new(folder: &Path, lower: &Path, disk: Option<u64>) -> io::Result<Overlay> {
        let disk_folder = folder.join("disk");
        let merged = folder.join("merged");
        fs::create_dir(&disk_folder)?;
        fs::create_dir(&merged)?;
        let mut overlay = Overlay { merged, disk: None };
        if let Some(bytes) = disk {
            mount("tmpfs", &disk_folder, "tmpfs", &format!("size={bytes},mode=0755"))?;
            overlay.disk = Some(disk_folder.clone());
        }
        let (upper, work) = (disk_folder.join("upper"), disk_folder.join("work"));
        fs::create_dir(&upper)?;
        fs::create_dir(&work)?;
        let layers = format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        // `volatile` leaves out every sync: nothing here outlives the process. Kernels before 5.10 do not know it.
        mount("overlay", &overlay.merged, "overlay", &format!("{layers},volatile"))
            .or_else(|_| mount("overlay", &overlay.merged, "overlay", &layers))?;
        Ok(overlay)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.merged, UnmountFlags::DETACH);
        if let Some(disk) = &self.disk {
            let _ = rustix::mount::unmount(disk, UnmountFlags::DETACH);
        }
    }
}

fn mount(source: &str, target: &Path, kind: &str, options: &str) -> io::Result<()> {
    let options = std::ffi::CString::new(options)?;
    Ok(rustix::mount::mount(source, target, kind, MountFlags::empty(), options.as_c_str())?)
}

/// Removes the folders of processes that no longer live. Failures are left for the next sweep.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let abandoned = match File::open(entry.path().join("alive")) {
            Ok(alive) => alive.try_lock().is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if abandoned && entry.path().is_dir() {
            let _ = remove(&entry.path());
        }
    }
}

/// Unmounts all that is mounted below `folder`, innermost first, and deletes it. Where something stays mounted nothing
/// is deleted: it would be deleted through the mount.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    let mut mounts = mounts_below(folder)?;
    mounts.reverse();
    for mounted in mounts {
        rustix::mount::unmount(&mounted, UnmountFlags::DETACH)?;
    }
    fs::remove_dir_all(folder)
}

/// Mount points below `folder`, in the order in which they were mounted.
pub(crate) fn mounts_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|mounted| mounted.starts_with(folder))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_swept_and_what_a_live_one_holds_is_not() {
        if let Err(reason) = crate::available() {
            return crate::skip(&reason);
        }
        let scratch = Scratch::current().unwrap();
        let parent = scratch.subfolder("parent");
        let (dead, live) = (parent.join("run-dead"), parent.join("run-live"));
        for folder in [&dead, &live] {
            fs::create_dir(folder).unwrap();
        }
        let dead_lock = File::create(dead.join("alive")).unwrap();
        dead_lock.lock().unwrap();
        let left = Overlay::new(&dead, Path::new("/etc"), Some(1 << 20)).unwrap();
        std::mem::forget(left);
        let live_lock = File::create(live.join("alive")).unwrap();
        live_lock.lock().unwrap();

        sweep(&parent);
        assert_eq!(mounts_below(&dead).unwrap().len(), 2);
        drop(dead_lock);
        sweep(&parent);
        assert!(!dead.exists());
        assert!(mounts_below(&dead).unwrap().is_empty());
        assert!(live.exists());
    }
}
