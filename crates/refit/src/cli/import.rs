//! `refit import`

use clap::{Args, Subcommand};
use jiff::civil::Date;
use std::path::PathBuf;

/// `refit import`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Print the days of a calendar (iCalendar) as freezes, to be put into `refit.yaml`.
    Calendar(ImportCalendarArgs),
}

/// `refit import calendar`
#[derive(Debug, Args)]
pub struct ImportCalendarArgs {
    /// The calendar, such as `holidays.ics`; `-` reads it from the standard input.
    pub calendar: PathBuf,
    /// The first day that matters [default: today, in UTC].
    #[arg(long, value_name = "DATE")]
    pub from: Option<Date>,
    /// The last day that matters [default: a year after the first].
    #[arg(long, value_name = "DATE")]
    pub to: Option<Date>,
    /// Only events with this category, or with this text in their name; any of them where there are several.
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,
    /// Whom the freezes concern, such as `person.country == "DE"`.
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// What they yield to, such as `exposure.kev`.
    #[arg(long, value_name = "CONDITION")]
    pub unless: Option<String>,
}
