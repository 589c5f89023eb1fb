//! What people and programs see: colours, JSON, progress, errors.

use crate::cli::Cli;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::{io::IsTerminal, time::Duration};

/// What is added.
pub const ADD: Style = AnsiColor::Green.on_default();
/// What is changed.
pub const CHANGE: Style = AnsiColor::Yellow.on_default();
/// What is removed, and errors.
pub const REMOVE: Style = AnsiColor::Red.on_default();
/// What is urgent.
pub const URGENT: Style = AnsiColor::Red.on_default().bold();
/// Headings.
pub const HEADING: Style = Style::new().bold();
/// What matters less.
pub const FAINT: Style = Style::new().dimmed();

/// Text in a style. The stream that it is printed to drops the style where it is no terminal, or `NO_COLOR` is set.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints a value as JSON, indented, with a final line end.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    use std::io::Write;
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    let mut out = std::io::stdout().lock();
    unless_closed(out.write_all(&text).and_then(|()| out.flush()))
}

/// Prints a value as JSON on one line: for what goes on and on.
pub fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    use std::io::Write;
    let mut text = serde_json::to_vec(value)?;
    text.push(b'\n');
    let mut out = std::io::stdout().lock();
    // Whoever has read enough ends the command, or it would follow for ever.
    Ok(out.write_all(&text).and_then(|()| out.flush())?)
}

/// Prints text to standard output.
pub fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    unless_closed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Whoever has read enough closes the pipe (`refit … | head`). The command goes on without it: its exit status is the answer.
fn unless_closed(written: std::io::Result<()>) -> anyhow::Result<()> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Prints a line to standard error. Where nobody can read it, there is nobody to be told that either.
pub fn note(text: impl std::fmt::Display) {
    use std::io::Write;
    let _ = anstream::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Prints a question to standard error; the answer goes on its line.
pub fn ask(text: &str) {
    use std::io::Write;
    let mut out = anstream::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Work that may take long: a line that moves on a terminal, and nothing elsewhere.
pub fn spinner(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Whether somebody has stopped reading what is printed (`refit … | head`).
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}

/// What is wrong with the command line, as every other error is told to programs; people are told besides.
pub fn usage_as_json(error: &clap::Error) {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    let why = words.join(" ");
    let _ = json(&serde_json::json!({ "error": why.strip_prefix("error: ").unwrap_or(&why) }));
}

/// Says what broke, or why it is not done.
pub fn report(cli: &Cli, error: &anyhow::Error) {
    let told = told(error);
    if cli.json {
        // That standard output takes nothing may be what is to be told; standard error says it as well.
        let _ = json(&serde_json::json!({ "error": told }));
    }
    note(format_args!("{} {told}", paint(URGENT, "error:")));
}

/// An error with its causes. Some name their cause themselves: it is not said twice.
fn told(error: &anyhow::Error) -> String {
    let mut told = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !told.contains(&format!(": {cause}")) {
            told.push_str(": ");
            told.push_str(&cause);
        }
    }
    told
}
