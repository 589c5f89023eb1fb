//! `refit key expedite`: a release need not wait for its rings, because somebody who signs says so.
//!
//! It is the mandate in force with one more line: nothing else of it changes, not even its end. So it needs no policy repository,
//! and it can be done at night by one person with a key.

use crate::{
    Exit, Refused,
    cli::{Cli, KeyExpediteArgs},
    commands::mandate::{publish, show_changes},
    keys::{self, Trusted},
    remote::connect,
};
use anyhow::Result;
use jiff::Timestamp;
use refit_model::TitleId;
use refit_wire::{Envelope, Mandate, mandate::Expedited, root::Role};

pub fn run(cli: &Cli, args: &KeyExpediteArgs) -> Result<Exit> {
    let client = connect(cli)?;
    let now = Timestamp::from_second(Timestamp::now().as_second())?;
    if args.until <= now {
        return Err(Refused::usage(format!("{} is over", args.until)));
    }
    if args.why.trim().is_empty() {
        return Err(Refused::usage("say why: it stands in the mandate, for everybody who reads it"));
    }
    let trusted = Trusted::read(&Trusted::file(args.sign.root.as_deref(), &args.sign.sign_with), Some(&client))?;
    let (before, number) = trusted.mandate(&client, args.sign.number)?;
    let Some(before) = before else {
        return Err(Refused::no("no mandate is in force that could be added to: sign one with `refit mandate sign`"));
    };
    let after = expedited(&before, args, number, now)?;
    show_changes(cli, Some(&before), &after)?;
    let key = keys::open(&args.sign.sign_with, args.sign.passphrase_file.as_deref())?;
    trusted.counts(Role::Policy, &key.public(), now)?;
    if !keys::agreed(&format!("sign mandate {number}?"), args.sign.yes)? {
        return Err(Refused::no("nothing was signed"));
    }
    publish(cli, &client, &trusted, &after, Envelope::sign(&after, &[&key])?)
}

fn expedited(before: &Mandate, args: &KeyExpediteArgs, number: u64, now: Timestamp) -> Result<Mandate> {
    let title = TitleId::new(&args.title);
    let named = before.titles.contains_key(&title);
    let part = title.package().is_some_and(|(namespace, name)| {
        before.distributions.iter().any(|permit| {
            permit.system.namespace() == namespace
                && permit.policies.iter().any(|policy| permit.covers(permit.system, policy, name))
        })
    });
    if !named && !part {
        return Err(Refused::no(format!("the mandate in force does not permit `{title}`, so it can't be expedited")));
    }
    let version = Some(args.version.as_str()).filter(|version| *version != "*").map(Into::into);
    let entry = Expedited { title, version, until: args.until, why: args.why.trim().into() };
    let mut after = before.clone();
    after.number = number;
    after.issued = now;
    after.expedited.retain(|other| other.until > now && (other.title != entry.title || other.version != entry.version));
    after.expedited.push(entry);
    Ok(after)
}
