//! What can go wrong, for people.

use crate::Problem;
use std::{fmt, path::PathBuf};

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server refused it.
    #[error("{}", Refused(.0))]
    Refused(Box<Problem>),
    /// The server was not reached, or the connection broke.
    #[error("{address}: {why}\n  help: {}", way_out(why))]
    Network {
        /// The address.
        address: String,
        /// What went wrong.
        why: String,
    },
    /// A file that says how to reach the server can't be read.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// How to reach the server is not known, or makes no sense.
    #[error("{0}")]
    Connection(String),
    /// The answer makes no sense.
    #[error("{0}")]
    Answer(String),
}

/// What to look at where the connection did not come about.
fn way_out(why: &str) -> &'static str {
    if why.contains("certificate") {
        "the server's certificate is none of an authority that is trusted here: `--ca FILE` names the server's own (`tls/ca.pem` in \
         its data folder)"
    } else {
        "is the server running? `refit up` starts one on this machine"
    }
}

impl ClientError {
    /// The problem's code, where the server refused: `not-found`.
    pub fn code(&self) -> Option<&str> {
        match self {
            ClientError::Refused(problem) => Some(problem.code()),
            _ => None,
        }
    }
}

/// A problem as people read it: what, where, and the way out.
struct Refused<'p>(&'p Problem);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused(problem) = self;
        f.write_str(&problem.detail)?;
        for finding in &problem.diagnostics {
            let place = match (&finding.file, finding.line, finding.column) {
                (Some(file), Some(line), Some(column)) => format!("{file}:{line}:{column}: "),
                (Some(file), ..) => format!("{file}: "),
                _ => String::new(),
            };
            write!(f, "\n  {place}{}", finding.message)?;
            if !finding.label.is_empty() {
                write!(f, ": {}", finding.label)?;
            }
        }
        if let Some(help) = &problem.help {
            write!(f, "\n  help: {help}")?;
        }
        if problem.status >= 500
            && let Some(request) = &problem.request
        {
            write!(f, "\n  request: {request}")?;
        }
        Ok(())
    }
}
