//! How much a policy file may ask for, and files that ask for too much.

use crate::policy::diagnostic::{Diagnostic, Files, Place, SourceFile};

/// Bounds on one file, so that a hostile one ends in a message and not in an exhausted machine.
///
/// The defaults are far above what people and generators write: the largest real repositories have some thousand
/// documents of a few kilobytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file. A caller that reads from a disk should look at the size first: see [`Files::add_too_large`].
    pub file_bytes: usize,
    /// How deep lists and mappings may be nested in each other.
    pub depth: usize,
    /// Keys, values and list entries of a file, together.
    pub nodes: usize,
    /// Bytes of one value.
    pub scalar_bytes: usize,
    /// Mistakes that are reported of one file when it is parsed, and of one document when it is decoded. People fix the
    /// first; a file that is wrong in thousands of places is usually not a policy at all.
    pub mistakes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 4 << 20, depth: 64, nodes: 200_000, scalar_bytes: 64 << 10, mistakes: 100 }
    }
}

impl Files {
    /// Adds a file as it was read from a disk, and returns its index; the text must be UTF-8 and not larger than allowed.
    ///
    /// A byte-order mark at the start is dropped. Where the bytes can't be used, the file is added all the same, with its
    /// text up to the end of the bad line, so that the diagnostic can show it; it must then not be parsed.
    ///
    /// # Errors
    /// The diagnostic, placed at the first bad byte.
    pub fn add(&mut self, path: impl Into<String>, bytes: &[u8], limits: &Limits) -> Result<usize, Box<Diagnostic>> {
        let path = path.into();
        if bytes.len() > limits.file_bytes {
            return Err(Box::new(self.add_too_large(path, bytes.len() as u64, limits)));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let bad = match std::str::from_utf8(bytes) {
            Ok(text) => match text.find('\0') {
                None => return Ok(self.push(path, text.to_owned())),
                Some(at) => at,
            },
            Err(error) => error.valid_up_to(),
        };
        let line_end = bytes.iter().skip(bad + 1).position(|byte| *byte == b'\n').map_or(bytes.len(), |n| bad + 1 + n);
        let shown = String::from_utf8_lossy(bytes.get(..line_end).unwrap_or(bytes)).into_owned();
        let marked = shown.get(bad..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let byte = bytes.get(bad).copied().unwrap_or(0);
        let file = self.push(path, shown);
        let place = Place { file, span: bad..bad + marked };
        let diagnostic = if byte == 0 {
            Diagnostic::error("policy/encoding", "not a text file")
                .at(place)
                .label("a NUL byte")
                .with_help("save the file as UTF-8; if it is not a policy document, give it another extension")
        } else if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            Diagnostic::error("policy/encoding", "not UTF-8")
                .at(place)
                .label("the file is UTF-16, as some Windows programs write it")
                .with_help("save the file as UTF-8")
        } else {
            Diagnostic::error("policy/encoding", "not UTF-8")
                .at(place)
                .label(format!("byte 0x{byte:02x} can't stand here in UTF-8"))
                .with_help("save the file as UTF-8")
        };
        Err(Box::new(diagnostic))
    }

    /// Adds, without its text, a file that is larger than `limits` allow, and returns what to tell people.
    ///
    /// `size` is in bytes.
    pub fn add_too_large(&mut self, path: impl Into<String>, size: u64, limits: &Limits) -> Diagnostic {
        let file = self.push(path.into(), String::new());
        too_large(file, size, limits)
    }

    /// Adds, without its text, a file that can't be read for the reason given, and returns what to tell people.
    pub fn add_unreadable(&mut self, path: impl Into<String>, why: impl Into<String>) -> Diagnostic {
        let file = self.push(path.into(), String::new());
        Diagnostic::error("policy/unreadable", "file that can't be read")
            .at(Place { file, span: 0..0 })
            .label(why)
            .with_help(
                "every .yaml, .yml and .json file of the folder is read, except those whose name begins with a dot",
            )
    }

    fn push(&mut self, path: String, text: String) -> usize {
        self.0.push(SourceFile { path, text });
        self.0.len() - 1
    }
}

/// What to tell people about a file that is larger than allowed.
pub(super) fn too_large(file: usize, size: u64, limits: &Limits) -> Diagnostic {
    Diagnostic::error("policy/limit", "file too large")
        .at(Place { file, span: 0..0 })
        .label(format!("{} are more than the {} allowed", mebibytes(size), mebibytes(limits.file_bytes as u64)))
        .with_help("split it into several files; data that no policy needs belongs elsewhere")
}

fn mebibytes(bytes: u64) -> String {
    if bytes < 1 << 20 { format!("{bytes} bytes") } else { format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)) }
}
