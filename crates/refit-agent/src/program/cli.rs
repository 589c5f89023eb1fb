//! What people type.

use super::{
    calendar,
    control::{self, Answer, Request},
    enrol::enrol,
    executor::{self, Network, Until},
    folders::{Config, Folders, USER},
    network, person, words,
};
use crate::machine::Status;
use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use std::{path::PathBuf, process::ExitCode, thread, time::Duration};

/// Refit on this device: it does what your organisation signed, and nothing else.
#[derive(Parser)]
#[command(name = "refit-agent", version)]
struct Cli {
    /// The folder of the configuration
    #[arg(long, global = true, value_name = "DIR", default_value = "/etc/refit-agent", env = "REFIT_AGENT_CONFIG")]
    config_folder: PathBuf,
    /// The folder of what the agent remembers
    #[arg(long, global = true, value_name = "DIR", default_value = "/var/lib/refit-agent", env = "REFIT_AGENT_STATE")]
    state_folder: PathBuf,
    /// The folder of the sockets
    #[arg(long, global = true, value_name = "DIR", default_value = "/run/refit-agent", env = "REFIT_AGENT_RUN")]
    run_folder: PathBuf,
    /// The user that the network process runs as
    #[arg(long, global = true, value_name = "NAME", default_value = USER, env = "REFIT_AGENT_USER", hide = true)]
    network_user: String,
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Enrol this device with a token, as `refit enrolment create` prints it
    Enroll {
        /// The token; `-` reads it from standard input, so that it is in no list of processes
        token: String,
        /// Put this enrolment in the place of an old one
        #[arg(long)]
        again: bool,
        /// A proxy, instead of the one that the environment names
        #[arg(long, value_name = "URL")]
        proxy: Option<String>,
    },
    /// Run the agent
    Run {
        /// Start no network process: it is a unit of its own
        #[arg(long, hide = true)]
        network_apart: bool,
    },
    /// Check in now, and do what may be done now
    Once {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// How the agent is, and what each change waits for
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Put off what was announced, or answer otherwise
    Defer {
        /// Do it now instead
        #[arg(long)]
        now: bool,
        /// Restart now, if a restart is waited for
        #[arg(long, conflicts_with = "now")]
        restart: bool,
    },
    /// Say that something broke
    Report {
        /// What happened, in a sentence
        text: String,
        /// What is broken: `google-chrome`
        #[arg(long)]
        title: Option<String>,
    },
    /// Show which of your calendars are read, and when you are busy by them
    Calendar {
        /// When you are busy, as JSON
        #[arg(long)]
        json: bool,
        /// A calendar, or a folder of them, besides yours [default: what agent.json names]
        #[arg(long, value_name = "PATH")]
        also: Vec<PathBuf>,
    },
    /// Talk to the network for the executor
    #[command(hide = true)]
    Network,
}

/// Done: 0. The answer is no: 1. Usage: 2. Something broke: 3.
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { config_folder, state_folder, run_folder, network_user, command } = cli;
    let folders = Folders { config: config_folder, state: state_folder, run: run_folder, user: network_user };
    match command {
        Verb::Enroll { token, again, proxy } => {
            let token = if token == "-" { std::io::read_to_string(std::io::stdin())? } else { token };
            if control::ask(&folders, &Request::Status)?.is_some() {
                bail!("the agent runs, and would go on as what it was: stop it first (`systemctl stop refit-agent`)");
            }
            let config = enrol(&folders, &token, proxy.as_deref(), again, Timestamp::now())?;
            println!("enrolled as {} at {}", config.device, config.address);
            if std::path::Path::new("/run/systemd/system").exists() {
                println!("start the agent: systemctl start refit-agent");
            }
        }
        Verb::Run { network_apart } => {
            let network = if network_apart { Network::Apart } else { Network::Child };
            executor::run(&folders, Until::Stopped, network)?;
        }
        Verb::Calendar { json, also } => {
            let named = || Config::read(&folders.config_file()).map(|config| config.calendars).unwrap_or_default();
            calendar::run(&if also.is_empty() { named() } else { also }, json)?;
        }
        Verb::Network => network::run(&folders)?,
        Verb::Once { json } => {
            let status = match control::ask(&folders, &Request::Once)? {
                Some(answer) if answer.again_in_seconds.is_some() => {
                    print_status(&answer.status, json)?;
                    eprintln!("{}", not_yet(&answer));
                    return Ok(ExitCode::from(1));
                }
                Some(answer) => until_settled(&folders, answer.status)?,
                None => executor::run(&folders, Until::Settled, Network::Child)?,
            };
            print_status(&status, json)?;
            // As for every command of Refit: something broke, or the answer is no.
            return Ok(ExitCode::from(match status.unreached {
                Some(_) => 3,
                None => u8::from(status.is_no()),
            }));
        }
        Verb::Status { json } => print_status(&asked(&folders, &Request::Status)?.status, json)?,
        Verb::Defer { now, restart } => {
            let request = match (now, restart) {
                (true, _) => Request::Now,
                (_, true) => Request::Restart,
                _ => Request::Later,
            };
            print_status(&asked(&folders, &request)?.status, false)?;
        }
        Verb::Report { text, title } => {
            let request = Request::Complain { title: title.map(Into::into), text };
            let answer = asked(&folders, &request)?;
            if answer.again_in_seconds.is_some() {
                eprintln!("{}", not_yet(&answer));
                return Ok(ExitCode::from(1));
            }
            println!("thank you: your organisation is told at the next check-in");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn asked(folders: &Folders, request: &Request) -> Result<Answer> {
    if !folders.config_file().exists() {
        bail!(
            "this device is not enrolled: there is no {}. `refit-agent enroll TOKEN` does that",
            folders.config_file().display()
        );
    }
    control::ask(folders, request)?.context("the agent does not run (`systemctl start refit-agent`)")
}

/// Why nothing was done that makes the device check in, and when it will be.
fn not_yet(answer: &Answer) -> String {
    let seconds = answer.again_in_seconds.unwrap_or_default();
    let by_itself = match answer.status.next_check_in {
        Some(at) => format!("; the device checks in by itself at {}", at.strftime("%FT%TZ")),
        None => String::new(),
    };
    format!(
        "refused: this device was made to check in several times just now. Ask again in {seconds} seconds, or as \
         root{by_itself}"
    )
}

/// Waits until a check-in and what follows from it are done.
fn until_settled(folders: &Folders, mut status: Status) -> Result<Status> {
    let mut waited = Duration::ZERO;
    while status.talking || status.in_session {
        if waited > Duration::from_secs(3 * 3_600) {
            bail!("the agent is still at work; `refit-agent status` shows how far it is");
        }
        thread::sleep(Duration::from_millis(500));
        waited += Duration::from_millis(500);
        status = asked(folders, &Request::Status)?.status;
    }
    Ok(status)
}

fn print_status(status: &Status, json: bool) -> Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(status)?);
        return Ok(());
    }
    println!("device        {} of {}", status.device, status.organization);
    let number = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    println!("trusts        root {}, mandate {}", status.root, number(status.mandate));
    match status.state {
        Some((epoch, sequence)) => {
            println!("state         {sequence} of epoch {epoch}, confirmed {}", status.confirmed)
        }
        None => println!("state         none yet"),
    }
    if let Some(brake) = &status.brake {
        println!("stopped       since {}; the server says: {}", brake.since, one_line(&brake.why));
    }
    if let Some(why) = &status.unreached {
        println!("server        not reached: {}", one_line(why));
    }
    if let Some(at) = status.next_check_in {
        println!("checks in     {} at the latest", at.strftime("%FT%TZ"));
    }
    if let Some(waits_for) = status.waits_for {
        println!("waits for     {}", words::waits_for(waits_for));
    }
    for reason in &status.restart {
        println!("restart       {}", one_line(reason));
    }
    for standing in &status.standing {
        let until = standing.until.map_or_else(String::new, |until| format!(", until {until} at the latest"));
        println!("change        {}: {}{until}", one_line(&standing.directive), words::waits_for(standing.waits_for));
    }
    for problem in &status.problems {
        println!("problem       {}: {} (since {})", problem.code, one_line(&problem.what), problem.since);
    }
    if status.receipts_unconfirmed > 0 {
        println!("receipts      {} not yet confirmed by the server", status.receipts_unconfirmed);
    }
    println!("note          {}", person::NOT_DETECTED);
    Ok(())
}

/// What others wrote can't move the cursor or forge a line.
pub fn one_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(400).collect()
}
