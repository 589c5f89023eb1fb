//! Where calendars lie, and reading one of them.
//!
//! All of it happens with the rights of the person whose calendars they are. So a link leads to nothing that they could not read
//! themselves, and what they may not read is not read. What bounds there are keep one file from costing all others their turn.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// A calendar, or what holds calendars that are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// What a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file of iCalendar.
    File,
    /// A program's own database.
    Database,
    /// The folder has more than are looked through.
    Full,
}

/// Why a calendar is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("it is a database of its program's own: export or publish the calendar as a file (.ics)")]
    Database,
    #[error("it is larger than {} MiB", FILE_LONGEST >> 20)]
    TooLarge,
    #[error("all calendars together are larger than {} MiB", ALL_LONGEST >> 20)]
    TooMuch,
    #[error("there are more than {FILES_MOST} files")]
    TooMany,
    #[error("it is no file")]
    NoFile,
    #[error("it is not there")]
    NotThere,
    #[error("it may not be read")]
    Forbidden,
    #[error("it can't be read")]
    Broken,
    #[error("it has no calendar in it")]
    NoCalendar,
    #[error("there was no time left for it")]
    NoTime,
}

/// The longest calendar, in bytes: twenty years of appointments with their invitations are about half of that.
pub const FILE_LONGEST: u64 = 16 << 20;
/// All calendars of a person together, in bytes.
pub const ALL_LONGEST: u64 = 64 << 20;
/// The most files. Some programs keep each event in a file of its own.
pub const FILES_MOST: usize = 5_000;
/// How many names one folder is looked through for.
const NAMES_MOST: usize = 20_000;

/// Where desktops keep calendars as files, below the folder for data (`~/.local/share`); a star is any one folder.
const IN_DATA: [&str; 6] = [
    // GNOME, Evolution, and what else uses evolution-data-server.
    "evolution/calendar/*/calendar.ics",
    // KOrganizer, and the calendar that Akonadi made of it.
    "korganizer/std.ics",
    "apps/korganizer/std.ics",
    // Xfce.
    "orage/orage.ics",
    // vdirsyncer and khal.
    "calendars",
    "khal/calendars",
];
/// And below a person's own folder.
const AT_HOME: [&str; 1] = [".calendars"];
/// Databases, below the folder for data, that for caches, and a person's own.
const DATABASES_IN_DATA: [&str; 1] = ["akonadi/akonadi.db"];
const DATABASES_IN_CACHE: [&str; 1] = ["evolution/calendar/*/cache.db"];
const DATABASES_AT_HOME: [&str; 6] = [
    ".thunderbird/*/calendar-data/local.sqlite",
    ".thunderbird/*/calendar-data/cache.sqlite",
    ".var/app/org.mozilla.Thunderbird/.thunderbird/*/calendar-data/local.sqlite",
    ".var/app/org.mozilla.Thunderbird/.thunderbird/*/calendar-data/cache.sqlite",
    "snap/thunderbird/common/.thunderbird/*/calendar-data/local.sqlite",
    "snap/thunderbird/common/.thunderbird/*/calendar-data/cache.sqlite",
];

/// A person's folders.
#[derive(Clone, Debug)]
pub struct Home {
    /// Their own.
    pub home: PathBuf,
    /// `$XDG_DATA_HOME`
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME`
    pub cache: PathBuf,
}

impl Home {
    /// The folders of whoever runs this; `None` where they have none.
    pub fn of_this_person() -> Option<Home> {
        // Without HOME it asks who this person is, wherever people are known from.
        let home = std::env::home_dir().filter(|home| home.is_absolute())?;
        let folder = |name: &str, otherwise: &str| {
            let set = std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
            set.unwrap_or_else(|| home.join(otherwise))
        };
        let (data, cache) = (folder("XDG_DATA_HOME", ".local/share"), folder("XDG_CACHE_HOME", ".cache"));
        Some(Home { home, data, cache })
    }

    /// All calendars: those in `also` first, then where desktops keep them; each once, in the order of their names.
    pub fn calendars(&self, also: &[PathBuf]) -> Vec<Place> {
        let mut places = Vec::new();
        for path in also {
            // `~` is whoever's turn it is.
            let path = path.strip_prefix("~").map_or_else(|_| path.clone(), |rest| self.home.join(rest));
            if path.is_dir() {
                below(&path, DEPTH, &mut places);
            } else {
                places.push(Place { path, kind: Kind::File });
            }
        }
        let known = IN_DATA.iter().map(|place| self.data.join(place)).chain(AT_HOME.map(|place| self.home.join(place)));
        for path in known.flat_map(|pattern| matching(&pattern)) {
            if path.is_dir() {
                below(&path, DEPTH, &mut places);
            } else {
                places.push(Place { path, kind: Kind::File });
            }
        }
        let databases = DATABASES_IN_DATA.iter().map(|place| self.data.join(place));
        let databases = databases.chain(DATABASES_IN_CACHE.map(|place| self.cache.join(place)));
        let databases = databases.chain(DATABASES_AT_HOME.map(|place| self.home.join(place)));
        let found = databases.flat_map(|pattern| matching(&pattern));
        places.extend(found.map(|path| Place { path, kind: Kind::Database }));
        let mut seen = std::collections::BTreeSet::new();
        places.retain(|place| seen.insert(place.path.clone()));
        places
    }
}

/// How deep folders of calendars are: a collection in each, and the events in that.
const DEPTH: usize = 2;

/// The names in a folder, in their order, and whether these are all.
fn names(folder: &Path) -> (Vec<PathBuf>, bool) {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.by_ref().take(NAMES_MOST).map(|entry| entry.path()).collect();
    paths.sort_unstable();
    (paths, entries.next().is_none())
}

/// What there is of a path of which one part may be a star.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut paths = vec![PathBuf::new()];
    for part in pattern.components() {
        paths = if part.as_os_str() == "*" {
            paths.iter().flat_map(|path| names(path).0).filter(|path| path.is_dir()).collect()
        } else {
            paths.into_iter().map(|path| path.join(part)).collect()
        };
    }
    paths.retain(|path| path.symlink_metadata().is_ok());
    paths
}

/// The files of iCalendar below a folder.
fn below(folder: &Path, depth: usize, places: &mut Vec<Place>) {
    let (paths, all) = names(folder);
    for path in paths {
        if path.is_dir() {
            if depth > 0 {
                below(&path, depth - 1, places);
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("ics")) {
            places.push(Place { path, kind: Kind::File });
        }
    }
    if !all {
        places.push(Place { path: folder.to_owned(), kind: Kind::Full });
    }
}

/// Reads a calendar, of at most `most` bytes. Letters that are no UTF-8 are replaced: no time is written with them.
pub fn read(path: &Path, most: u64) -> Result<String, Unread> {
    let unread = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unread::NotThere,
        io::ErrorKind::PermissionDenied => Unread::Forbidden,
        _ => Unread::Broken,
    };
    // Who opens a pipe would wait for somebody to write into it.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unread)?;
    let is_file = file.metadata().map_err(unread)?.is_file();
    if !is_file {
        return Err(Unread::NoFile);
    }
    let longest = most.min(FILE_LONGEST);
    let mut bytes = Vec::new();
    file.take(longest + 1).read_to_end(&mut bytes).map_err(unread)?;
    if bytes.len() as u64 > longest {
        return Err(if longest < FILE_LONGEST { Unread::TooMuch } else { Unread::TooLarge });
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn home(folder: &Path) -> Home {
        Home { home: folder.to_owned(), data: folder.join(".local/share"), cache: folder.join(".cache") }
    }

    fn write(folder: &Path, path: &str) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "BEGIN:VCALENDAR\nEND:VCALENDAR\n").unwrap();
    }

    #[test]
    fn calendars_are_where_desktops_keep_them_and_where_somebody_says() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "shared/team.ics",
            "shared/deep/er/one.ICS",
            ".local/share/evolution/calendar/system/calendar.ics",
            ".local/share/evolution/calendar/7f3a/calendar.ics",
            ".local/share/orage/orage.ics",
            ".local/share/calendars/work/event-1.ics",
            ".calendars/home/event-2.ics",
            ".thunderbird/x.default/calendar-data/local.sqlite",
            ".cache/evolution/calendar/7f3a/cache.db",
        ];
        let others = [
            "shared/deep/er/than/that.ics",
            "shared/notes.txt",
            ".local/share/evolution/calendar/system/calendar.ics~",
            ".local/share/evolution/tasks/system/tasks.ics",
        ];
        files.iter().chain(&others).for_each(|path| write(folder.path(), path));
        let also = ["~/shared", "~/not-there.ics"].map(PathBuf::from);
        let found = home(folder.path()).calendars(&also);
        let paths = |kind: Kind| -> Vec<String> {
            let of_kind = found.iter().filter(|place| place.kind == kind);
            of_kind.map(|place| place.path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
        };
        assert_eq!(
            paths(Kind::File),
            [
                "shared/deep/er/one.ICS",
                "shared/team.ics",
                "not-there.ics",
                ".local/share/evolution/calendar/7f3a/calendar.ics",
                ".local/share/evolution/calendar/system/calendar.ics",
                ".local/share/orage/orage.ics",
                ".local/share/calendars/work/event-1.ics",
                ".calendars/home/event-2.ics",
            ]
        );
        assert_eq!(
            paths(Kind::Database),
            [".cache/evolution/calendar/7f3a/cache.db", ".thunderbird/x.default/calendar-data/local.sqlite"]
        );
    }

    #[test]
    fn what_is_read_has_bounds_and_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("long.ics"), vec![b'x'; 2_000]).unwrap();
        assert_eq!(read(&at("long.ics"), 2_000).unwrap().len(), 2_000);
        assert_eq!(read(&at("long.ics"), 1_999), Err(Unread::TooMuch));
        fs::File::create(at("vast.ics")).unwrap().set_len(FILE_LONGEST + 1).unwrap();
        assert_eq!(read(&at("vast.ics"), ALL_LONGEST), Err(Unread::TooLarge));
        assert_eq!(read(&at("none.ics"), ALL_LONGEST), Err(Unread::NotThere));
        assert_eq!(read(folder.path(), ALL_LONGEST), Err(Unread::NoFile));
        symlink(at("loop.ics"), at("loop.ics")).unwrap();
        assert_eq!(read(&at("loop.ics"), ALL_LONGEST), Err(Unread::Broken));
        // A pipe that nobody writes into, and a device that never ends.
        let made = std::process::Command::new("mkfifo").arg(at("pipe.ics")).status().unwrap();
        assert!(made.success());
        assert_eq!(read(&at("pipe.ics"), ALL_LONGEST), Err(Unread::NoFile));
        symlink("/dev/zero", at("zero.ics")).unwrap();
        assert_eq!(read(&at("zero.ics"), ALL_LONGEST), Err(Unread::NoFile));
        fs::write(at("latin.ics"), b"SUMMARY:Caf\xe9\n").unwrap();
        assert_eq!(read(&at("latin.ics"), ALL_LONGEST).unwrap(), "SUMMARY:Caf\u{fffd}\n");
    }

    #[test]
    fn folders_that_lead_in_a_circle_come_to_an_end() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a/one.ics");
        symlink(folder.path().join("a"), folder.path().join("a/again")).unwrap();
        let found = home(folder.path()).calendars(&[folder.path().join("a")]);
        assert_eq!(found.len(), DEPTH + 1);
    }
}
