//! `refit import`

use clap::{Args, Subcommand};
use jiff::civil::Date;
use std::path::PathBuf;

/// `refit import`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Print the days of a calendar (iCalendar) as freezes, to be put into `refit.yaml`.
    Calendar(ImportCalendarArgs),
    /// Print what a Munki repository asks of Macs as policy.
    Munki(ImportFolderArgs),
    /// Print Intune's update rings and feature update profiles as policy, as Microsoft Graph gives them.
    Intune(ImportFilesArgs),
    /// Print Jamf Pro's patch policies as policy, as its APIs give them.
    Jamf(ImportFilesArgs),
    /// Print the configuration of unattended-upgrades as policy.
    UnattendedUpgrades(ImportMachineArgs),
}

/// How documents are printed that come from another system.
#[derive(Debug, Args)]
pub struct ImportedArgs {
    /// Print a repository that is complete, of the organisation of this name; else what belongs into `refit.yaml` is a comment.
    #[arg(long, value_name = "NAME")]
    pub organization: Option<String>,
    /// A policy repository whose `title:` documents say what titles are called there [default: the catalog alone].
    #[arg(long, value_name = "DIR")]
    pub policy: Option<PathBuf>,
    /// The day from which on exceptions last whose date has passed [default: today, in UTC].
    #[arg(long, value_name = "DATE")]
    pub today: Option<Date>,
}

/// `refit import munki`
#[derive(Debug, Args)]
pub struct ImportFolderArgs {
    /// The folder of the repository, with `catalogs` (or `pkgsinfo`) and `manifests` in it.
    pub folder: PathBuf,
    #[command(flatten)]
    pub imported: ImportedArgs,
}

/// `refit import intune`, `refit import jamf`
#[derive(Debug, Args)]
pub struct ImportFilesArgs {
    /// Files with what the system's API answered: single objects or lists, in any order; `-` is standard input.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub imported: ImportedArgs,
}

/// `refit import unattended-upgrades`
#[derive(Debug, Args)]
pub struct ImportMachineArgs {
    /// The root of a machine (or of a copy of its files), its `/etc/apt`, or a folder of files as in `/etc/apt/apt.conf.d`.
    pub folder: PathBuf,
    /// Which devices have this configuration, such as `"web" in device.tags` [default: all of its distribution].
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    #[command(flatten)]
    pub imported: ImportedArgs,
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
