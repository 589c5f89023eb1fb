//! `refit process`

use super::serve::named;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `refit process`
#[derive(Debug, Subcommand)]
pub enum ProcessCommand {
    /// Show which calls a process would make, one situation after the other. Nothing is sent.
    Test(ProcessTestArgs),
    /// Tell another system of one situation, once: for a pipeline that puts a plan into a pull request.
    Run(ProcessRunArgs),
}

/// `refit process test`
#[derive(Debug, Args)]
pub struct ProcessTestArgs {
    /// The template: its name (`servicenow-change`), or a folder with a template.yaml.
    pub template: String,
    /// A situation as JSON, or a list of them in the order of time; `-` is standard input. Each has `key`, `facts`, perhaps `over: true`, and in
    /// `answers` what the system answers, by the name under which it is remembered.
    pub situations: PathBuf,
    /// A setting of the template; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub set: Vec<(String, String)>,
}

/// `refit process run`
#[derive(Debug, Args)]
pub struct ProcessRunArgs {
    /// The template: its name (`github-plan`), or a folder with a template.yaml.
    pub template: String,
    /// The situation: an object with `key` and `facts`, or any other as the facts themselves, such as what `refit plan --json` prints. `-` is
    /// standard input.
    pub situation: PathBuf,
    /// What it is about, where the file does not say: one object is kept for each [default: the template's name].
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// A further fact, such as `result=success`; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub fact: Vec<(String, String)>,
    /// A file whose text is the fact `text`.
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// A setting of the template; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = named)]
    pub set: Vec<(String, String)>,
    /// Where the system is, such as `https://api.github.com`. No other host is told its secrets.
    #[arg(long, value_name = "URL")]
    pub connect: Option<String>,
    /// The file of a secret of the template, such as `token=github.token`.
    #[arg(long, value_name = "NAME=FILE", value_parser = named)]
    pub secret: Vec<(String, String)>,
}
