//! `refit mandate`: what agents are permitted, shown, compared, signed.

use crate::{
    Exit, Refused,
    cli::{Cli, MandateCommand, MandateSignArgs, SignArgs},
    keys::{self, Trusted},
    remote::{connect, inputs},
    repository::{self, Read, counted},
    terminal::{self, ADD, CHANGE, FAINT, HEADING, REMOVE, paint},
};
use anyhow::Result;
use jiff::Timestamp;
use refit_api::{MandateEnvelope, Written, client::Client};
use refit_core::{
    plan::mandate::{Difference, Sign, Signing, difference, mandate, wider},
    policy::document::policy::Mode,
};
use refit_wire::{Envelope, Mandate, root::Role};
use std::path::Path;

pub fn run(cli: &Cli, command: &MandateCommand) -> Result<Exit> {
    match command {
        MandateCommand::Show { file } => show(cli, file.as_deref()),
        MandateCommand::Diff { policy, root, detailed_exitcode } => {
            let read = read(policy)?;
            let client = connect(cli)?;
            let trusted = Trusted::read(root, Some(&client))?;
            let (before, number) = trusted.mandate(&client, None)?;
            let after = build(&client, &read, before.as_ref(), number)?;
            let changes = show_changes(cli, before.as_ref(), &after)?;
            Ok(if *detailed_exitcode && changes { Exit::Changes } else { Exit::Done })
        }
        MandateCommand::Sign(args) => sign(cli, args),
    }
}

/// The mandate of a file, or the one in force. It is shown as it is, and need not be trusted.
fn show(cli: &Cli, file: Option<&Path>) -> Result<Exit> {
    let envelope = match file {
        Some(file) => keys::read::<Mandate>(file)?,
        None => match connect(cli)?.mandate()? {
            Some(said) => said.envelope,
            None => return Err(Refused::no("no mandate is published; sign one with `refit mandate sign`")),
        },
    };
    let mandate: Mandate = serde_json::from_slice(&envelope.payload)?;
    if cli.json {
        terminal::json(&mandate)?;
        return Ok(Exit::Done);
    }
    let mut text = heading(&mandate);
    text.push_str(&format!(
        "digest {}, signed by {}\n\n",
        envelope.digest(),
        counted(envelope.signatures.len(), "key")
    ));
    text.push_str(&listed(&difference(None, &mandate), false));
    terminal::print(&text)?;
    Ok(Exit::Done)
}

fn sign(cli: &Cli, args: &MandateSignArgs) -> Result<Exit> {
    let read = read(&args.policy)?;
    let client = connect(cli)?;
    let signed = prepare(cli, &client, &read, &args.sign, args.add_to.as_deref())?;
    let Some((trusted, mandate, envelope)) = signed else { return Err(Refused::no("nothing was signed")) };
    if let Some(out) = &args.out {
        keys::write(out, &envelope)?;
        if !cli.json {
            terminal::print(&format!(
                "mandate {} is signed in {}; nothing was published\n",
                mandate.number,
                out.display()
            ))?;
        }
        return Ok(Exit::Done);
    }
    publish(cli, &client, &trusted, &mandate, envelope)
}

/// What was signed, with the root under which it counts.
pub type Signed = (Trusted, Mandate, Envelope);

/// Makes the mandate of a repository, shows what it changes, asks, and signs; or adds a signature to one that somebody else has made,
/// if it is no wider than the repository. `None` where the answer is no.
pub fn prepare(
    cli: &Cli,
    client: &Client,
    read: &Read,
    args: &SignArgs,
    add_to: Option<&Path>,
) -> Result<Option<Signed>> {
    let now = Timestamp::now();
    let trusted = Trusted::read(&Trusted::file(args.root.as_deref(), &args.sign_with), Some(client))?;
    if read.repository.organization != trusted.root.organization {
        return Err(Refused::no(format!(
            "the policy repository is of the organisation `{}`, and the root of `{}`",
            read.repository.organization, trusted.root.organization
        )));
    }
    let (before, number) = trusted.mandate(client, args.number)?;
    let built = build(client, read, before.as_ref(), number)?;
    let (mandate, mut envelope) = match add_to {
        None => (built.clone(), Envelope::sign(&built, &[])?),
        Some(file) => {
            let envelope = keys::read::<Mandate>(file)?;
            let prepared: Mandate = serde_json::from_slice(&envelope.payload)?;
            let more = wider(&prepared, &built);
            if !more.is_empty() {
                return Err(Refused::no(format!(
                    "{} is wider than the policy repository:\n  {}",
                    file.display(),
                    more.join("\n  ")
                )));
            }
            (prepared, envelope)
        }
    };
    show_changes(cli, before.as_ref(), &mandate)?;
    let key = keys::open(&args.sign_with, args.passphrase_file.as_deref())?;
    trusted.counts(Role::Policy, &key.public(), now)?;
    if !keys::agreed(&format!("sign mandate {}?", mandate.number), args.yes)? {
        return Ok(None);
    }
    envelope.add_signature(&key);
    Ok(Some((trusted, mandate, envelope)))
}

/// Publishes a mandate, if it has all signatures, and says so.
pub fn publish(cli: &Cli, client: &Client, trusted: &Trusted, mandate: &Mandate, envelope: Envelope) -> Result<Exit> {
    let written = put_in_force(client, trusted, envelope)?;
    if cli.json {
        terminal::json(&written)?;
    } else {
        terminal::print(&in_force(mandate, written.id.as_deref()))?;
    }
    Ok(Exit::Done)
}

/// Publishes a mandate, if it has all signatures.
pub fn put_in_force(client: &Client, trusted: &Trusted, envelope: Envelope) -> Result<Written> {
    if let Err(why) = trusted.root.open::<Mandate>(&envelope, Timestamp::now()) {
        return Err(Refused::no(format!(
            "{why}: write it with `--out FILE`, and let the next one sign it with `--add-to FILE`"
        )));
    }
    Ok(client.publish_mandate(&MandateEnvelope { envelope })?)
}

/// That a mandate is in force, in words.
pub fn in_force(mandate: &Mandate, digest: Option<&str>) -> String {
    let digest = digest.map(|digest| format!("  digest {digest}\n")).unwrap_or_default();
    format!("mandate {} is in force until {}\n{digest}", mandate.number, mandate.expires)
}

/// A policy repository without mistakes. What is wrong may mean something else than was written: that is not signed.
pub fn read(folder: &Path) -> Result<Read> {
    repository::read_in_order(folder)
}

fn build(client: &Client, read: &Read, before: Option<&Mandate>, number: u64) -> Result<Mandate> {
    let repository = &read.repository;
    let bar = terminal::spinner("asking the server for devices and versions");
    let now = Timestamp::from_second(Timestamp::now().as_second())?;
    let members = inputs::members(client, repository, now)?;
    let offered = inputs::offered(client, repository)?;
    bar.finish_and_clear();
    if !repository.policies.iter().any(|policy| policy.mode == Mode::Enforce) {
        terminal::note("no policy is in mode `enforce`, so the mandate permits no change");
    }
    let signing = Signing {
        repository,
        policy_hash: &read.hash,
        members: &members,
        offered: &offered,
        previous: before,
        number,
        issued: now,
        expedited: &[],
    };
    mandate(&signing).map_err(|why| Refused::no(why.to_string()))
}

/// Shows what a mandate changes; says whether it changes anything.
pub fn show_changes(cli: &Cli, before: Option<&Mandate>, after: &Mandate) -> Result<bool> {
    let changes = difference(before, after);
    if cli.json {
        // One value goes to standard output: that of what comes of it. What is signed is told to whoever looks on.
        for line in listed(&changes, before.is_some()).lines() {
            terminal::note(line);
        }
        return Ok(!changes.is_empty());
    }
    let mut text = heading(after);
    match before {
        Some(before) => text.push_str(&format!("against mandate {}, which is in force:\n\n", before.number)),
        None => text.push_str("there is none in force:\n\n"),
    }
    text.push_str(&listed(&changes, before.is_some()));
    if changes.is_empty() {
        text.push_str("  nothing that it permits is another; it counts for longer\n");
    }
    text.push('\n');
    terminal::print(&text)?;
    Ok(!changes.is_empty())
}

fn heading(mandate: &Mandate) -> String {
    format!(
        "{} of {}, of policy {}, from {} until {}\n",
        paint(HEADING, format!("mandate {}", mandate.number)),
        mandate.organization,
        mandate.policy.get(..12).unwrap_or(&mandate.policy),
        mandate.issued,
        mandate.expires
    )
}

/// Differences as lines, one kind after the other.
fn listed(changes: &[Difference], with_signs: bool) -> String {
    let width = changes.iter().map(|change| change.what.len() + change.name.len() + 1).max().unwrap_or(0).min(48);
    let line = |change: &Difference| {
        let sign = match change.sign {
            _ if !with_signs => String::new(),
            Sign::Added => paint(ADD, "+ "),
            Sign::Changed => paint(CHANGE, "~ "),
            Sign::Removed => paint(REMOVE, "- "),
        };
        let name = format!("{} {}", change.what, change.name);
        format!("  {sign}{name:width$}  {}\n", paint(FAINT, &change.text))
    };
    changes.iter().map(line).collect()
}
