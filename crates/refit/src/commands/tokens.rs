//! `refit tokens`: who may do what on a server.

use crate::{
    Exit, Refused,
    cli::{Cli, TokensCommand},
    remote::{self, connect},
    terminal,
};
use anyhow::{Context, Result};
use jiff::{Timestamp, ToSpan};
use refit_api::NewToken;
use refit_core::control::{Bearer, Scope};
use std::collections::BTreeSet;

pub fn run(cli: &Cli, command: &TokensCommand) -> Result<Exit> {
    let client = connect(cli)?;
    match command {
        TokensCommand::List => {
            let tokens = client.tokens()?;
            if cli.json {
                terminal::json(&serde_json::json!({ "tokens": tokens }))?;
            } else {
                terminal::print(&remote::tokens(&tokens))?;
            }
        }
        TokensCommand::Create { name, owner, person, scopes, days, per_minute } => {
            let hours = i64::from(*days) * 24;
            let expires = Timestamp::now().checked_add(hours.hours()).context("that is too far ahead")?;
            let token = NewToken {
                name: name.clone(),
                owner: Some(owner.clone()),
                bearer: if *person { Bearer::Person } else { Bearer::Program },
                scopes: read_scopes(scopes)?,
                expires,
                requests_per_minute: *per_minute,
            };
            let made = client.create_token(&token)?;
            if cli.json {
                terminal::json(&made)?;
            } else {
                terminal::note(format_args!("token {}; it is shown this once:", made.token.id));
                terminal::print(&format!("{}\n", made.secret.unwrap_or_default()))?;
            }
        }
        TokensCommand::Revoke { token } => {
            let written = client.revoke_token(token)?;
            if cli.json {
                terminal::json(&written)?;
            } else {
                terminal::print(&format!("token {token} no longer counts\n"))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn read_scopes(names: &[String]) -> Result<BTreeSet<Scope>> {
    let known = || Scope::ALL.map(Scope::name).join(", ");
    let mut scopes = BTreeSet::new();
    for name in names {
        match serde_json::from_value(serde_json::Value::String(name.clone())) {
            Ok(scope) => {
                scopes.insert(scope);
            }
            Err(_) => return Err(Refused::usage(format!("there is no scope `{name}`; there are {}", known()))),
        }
    }
    Ok(scopes)
}
