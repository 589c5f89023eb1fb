//! `refit source`

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `refit source`
#[derive(Debug, Subcommand)]
pub enum SourceCommand {
    /// Show what a connector makes of a payload: the facts, and what of it did not fit.
    Test(SourceTestArgs),
    /// Write the first draft of a connector, from a payload or for a made-up one.
    New(SourceNewArgs),
}

/// `refit source new`
#[derive(Debug, Args)]
pub struct SourceNewArgs {
    /// The folder to make for it, such as `acme/shelf`; its last part is the connector's name.
    pub folder: PathBuf,
    /// A payload as the system answers it, or its OpenAPI document; where records are, what identifies them and which fields they have is guessed
    /// from it.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The list to read of an OpenAPI document, by its path (`/users`), where `--from` is one.
    #[arg(long, value_name = "PATH", requires = "from")]
    pub operation: Option<String>,
    /// In what form the system gives its records [default: as the payload looks, else http-json].
    #[arg(long, value_name = "KIND")]
    pub reads: Option<SourceKind>,
}

/// In what form a system gives its records.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum SourceKind {
    /// JSON over HTTP.
    HttpJson,
    /// GraphQL.
    Graphql,
    /// A file of values separated by commas, semicolons or tabs.
    Csv,
    /// A JSON file.
    Json,
    /// A file with one JSON object in each line.
    Ndjson,
    /// A property list of Apple's.
    Plist,
    /// Rows of a query.
    Sql,
}

/// `refit source test`
#[derive(Debug, Args)]
pub struct SourceTestArgs {
    /// The connector: its name (`jamf-pro`), or a folder with a connector.yaml.
    pub connector: String,
    /// A file as the system answered it; `-` is standard input.
    pub payload: PathBuf,
    /// A policy repository, for its own fields and for the names that its `source:` documents map values to.
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// The `source:` document whose names are used [default: all of this connector].
    #[arg(long, value_name = "NAME", requires = "policy")]
    pub source: Option<String>,
    /// Show every record, also where there are many.
    #[arg(long)]
    pub all: bool,
}
