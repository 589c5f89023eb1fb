//! The options of `refit key` and `refit mandate`.

use super::{number, time};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use std::path::PathBuf;

/// `refit key`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make an organisation's first root: offline root keys, a policy key, and the document that names them.
    Init(KeyInitArgs),
    /// Make one secret key, and print its public half.
    New {
        /// The file that is made.
        file: PathBuf,
        #[command(flatten)]
        passphrase: NewPassphraseArgs,
    },
    /// Propose the root that follows: other keys, other ends. It is signed with `refit key sign`.
    Root(KeyRootArgs),
    /// Add one person's signature to a proposed root.
    Sign(KeySignArgs),
    /// Show a key, a root, or what a server knows of them.
    Show {
        /// The file of a secret key or of a root; without it a server is asked.
        file: Option<PathBuf>,
    },
    /// Publish a root that has all its signatures.
    Publish {
        /// The root's file.
        root: PathBuf,
    },
    /// Sign that a release need not wait for its rings.
    Expedite(KeyExpediteArgs),
}

/// How new keys are protected.
#[derive(Debug, Args)]
pub struct NewPassphraseArgs {
    /// The passphrase is the first line of this file [default: ask for it].
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Write the keys in the clear; something else protects the files.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub no_passphrase: bool,
}

/// `refit key init`
#[derive(Debug, Args)]
pub struct KeyInitArgs {
    /// The folder that is made.
    pub folder: PathBuf,
    /// The organisation, as `organization:` of its refit.yaml names it.
    #[arg(long, value_name = "NAME")]
    pub organization: String,
    /// How many root keys there are.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    pub root_keys: u32,
    /// How many of them have to sign the next root.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub threshold: u32,
    /// The server's key [default: ask the server that `--server` names].
    #[arg(long, value_name = "KEY")]
    pub server_key: Option<String>,
    /// How many days the root counts.
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    pub days: u16,
    /// How many days the policy key counts.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub policy_days: u16,
    #[command(flatten)]
    pub passphrase: NewPassphraseArgs,
}

/// `refit key root`
#[derive(Debug, Args)]
pub struct KeyRootArgs {
    /// The root that it follows; with `--server` the newest that follows from it.
    #[arg(long, value_name = "FILE")]
    pub root: PathBuf,
    /// The file that is made.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// A root key besides: `ed25519:…`, or the file of a key.
    #[arg(long, value_name = "KEY")]
    pub add_root: Vec<String>,
    /// A policy key besides, or one that is there with a new end.
    #[arg(long, value_name = "KEY")]
    pub add_policy: Vec<String>,
    /// A server key besides.
    #[arg(long, value_name = "KEY")]
    pub add_server: Vec<String>,
    /// A key that no longer counts: `ed25519:…`, its file, or the beginning of its id.
    #[arg(long, value_name = "KEY")]
    pub remove: Vec<String>,
    /// How many root keys have to sign from now on.
    #[arg(long, value_name = "N")]
    pub threshold: Option<u32>,
    /// How many policy keys have to sign a mandate from now on.
    #[arg(long, value_name = "N")]
    pub policy_threshold: Option<u32>,
    /// How many days the root counts.
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    pub days: u16,
    /// How many days added policy keys count.
    #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..))]
    pub policy_days: u16,
}

/// `refit key sign`
#[derive(Debug, Args)]
pub struct KeySignArgs {
    /// The root's file; the signature goes into it.
    pub file: PathBuf,
    /// The file of the secret key.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The root before: what changes is shown against it.
    #[arg(long, value_name = "FILE")]
    pub after: Option<PathBuf>,
    /// The passphrase is the first line of this file [default: ask for it].
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Sign without being asked.
    #[arg(long)]
    pub yes: bool,
}

/// With what a mandate is signed.
#[derive(Clone, Debug, Args)]
pub struct SignArgs {
    /// The file of the secret policy key.
    #[arg(long, value_name = "FILE")]
    pub sign_with: PathBuf,
    /// The organisation's root [default: root.json beside the key].
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// The passphrase is the first line of this file [default: ask for it].
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// The mandate's number, where the one in force is not believed [default: the next].
    #[arg(long, value_name = "N", value_parser = number)]
    pub number: Option<u64>,
    /// Sign without being asked.
    #[arg(long)]
    pub yes: bool,
}

/// `refit key expedite`
#[derive(Debug, Args)]
pub struct KeyExpediteArgs {
    /// The title.
    pub title: String,
    /// The exact version of its package; `*` is every version above the floors.
    pub version: String,
    /// Until when, such as 2026-11-30.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Timestamp,
    /// Why; it stands in the mandate.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    #[command(flatten)]
    pub sign: SignArgs,
}

/// `refit mandate`
#[derive(Debug, Subcommand)]
pub enum MandateCommand {
    /// Show the mandate in force, or one in a file.
    Show {
        /// The file.
        file: Option<PathBuf>,
    },
    /// Show what the mandate of a policy repository would change; nothing is signed.
    Diff {
        /// The folder of the policy repository.
        policy: PathBuf,
        /// The organisation's root.
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
        /// Exit with 4 when there are changes.
        #[arg(long)]
        detailed_exitcode: bool,
    },
    /// Show what changes, sign it, and publish it.
    Sign(MandateSignArgs),
}

/// `refit mandate sign`
#[derive(Debug, Args)]
pub struct MandateSignArgs {
    /// The folder of the policy repository.
    pub policy: PathBuf,
    #[command(flatten)]
    pub sign: SignArgs,
    /// Sign what somebody else has made and signed, if it is no wider than the repository.
    #[arg(long, value_name = "FILE")]
    pub add_to: Option<PathBuf>,
    /// Write it into a file in place of publishing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}
