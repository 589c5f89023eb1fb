//! `refit login`, `refit logout`, `refit whoami`.

use crate::{
    Exit, Refused,
    cli::{Cli, LoginArgs},
    local::data_folder,
    remote::{SignedIn, connect, word},
    terminal,
};
use anyhow::Result;
use refit_api::{SignInProof, Token, client::Client};
use refit_connect::sign_in::{Provider, SignIn, SignInError};
use std::{
    io::IsTerminal as _,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long a person may take: as long as the server waits.
const PATIENCE: Duration = Duration::from_secs(600);

/// The server that is named: a person signs in at one, and is not the one who runs it.
fn server(cli: &Cli) -> Result<&str> {
    let server = cli.server.as_deref().filter(|url| !url.is_empty());
    server.ok_or_else(|| Refused::usage("name the server: `--server=URL`, or REFIT_SERVER"))
}

pub fn login(cli: &Cli, args: &LoginArgs) -> Result<Exit> {
    let server = server(cli)?;
    let data = data_folder(cli.data.as_deref())?;
    // What can't be kept is noticed before anybody signs in.
    let mut signed_in = SignedIn::read(&data)?;
    let client = Client::new(server, "", cli.ca.as_deref())?;
    let begun = client.begin_sign_in()?;
    let provider = Provider {
        issuer: &begun.issuer,
        authorization_endpoint: &begun.authorization_endpoint,
        token_endpoint: &begun.token_endpoint,
        client: &begun.client,
        scope: &begun.scope,
        nonce: &begun.nonce,
    };
    let sign_in = SignIn::begin(args.port.map(Into::into))?;
    let url = sign_in.url(&provider)?;
    terminal::note(format_args!("sign in here:\n{url}"));
    let code = code(&sign_in, &begun.issuer, &url, args.no_browser)?;
    let id_token = sign_in.exchange(&provider, &code)?;
    let made = client.finish_sign_in(&SignInProof { id: begun.id, id_token })?;
    let Some(secret) = made.secret else {
        return Err(Refused::no("the server gave no token: sign in again"));
    };
    signed_in.keep(server, secret, made.token.expires)?;
    shown(cli, &made.token)?;
    Ok(Exit::Done)
}

/// The code that the browser brings, or that somebody pastes.
fn code(sign_in: &SignIn, issuer: &str, url: &str, no_browser: bool) -> Result<String> {
    if !no_browser && open(url) {
        return Ok(sign_in.code(&sign_in.wait(PATIENCE)?, issuer)?);
    }
    if !std::io::stdin().is_terminal() {
        return Ok(sign_in.code(&sign_in.wait(PATIENCE)?, issuer)?);
    }
    terminal::note(format_args!(
        "where the browser is on another machine, it ends at a page that can't be shown: paste its address here"
    ));
    let (tell, told) = mpsc::channel();
    let pasted = tell.clone();
    // It waits for a line until the program ends.
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            let _ = pasted.send(Ok(line));
        }
    });
    thread::scope(|scope| {
        scope.spawn(move || tell.send(sign_in.wait(PATIENCE)));
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(Ok(came_back)) => match sign_in.code(&came_back, issuer) {
                    // Something else was pasted.
                    Err(SignInError::Foreign(why)) => {
                        terminal::note(format_args!("that is no answer to this sign-in: {why}"))
                    }
                    code => {
                        sign_in.stop();
                        return Ok(code?);
                    }
                },
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(SignInError::TooLate(PATIENCE).into()),
            }
        }
    })
}

/// Opens a browser; whether that could be begun.
fn open(url: &str) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    // Over a network nobody sees a browser of this machine.
    let seen =
        cfg!(target_os = "macos") || ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let quiet = || Stdio::null();
    seen && std::env::var_os("SSH_CONNECTION").is_none()
        && Command::new(program).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().is_ok()
}

pub fn logout(cli: &Cli) -> Result<Exit> {
    let server = server(cli)?;
    let mut signed_in = SignedIn::read(&data_folder(cli.data.as_deref())?)?;
    let Some((token, _)) = signed_in.token(server) else {
        return Err(Refused::no(format!("nobody is signed in at {server} here")));
    };
    let client = Client::new(server, token, cli.ca.as_deref())?;
    let revoked = client.end_session();
    // What no longer counts is over; where the server can't be asked, the token is kept, to be tried again.
    match revoked {
        Err(error) if error.code() != Some("unauthorized") => return Err(error.into()),
        _ => signed_in.forget(server)?,
    }
    if cli.json {
        terminal::json(&serde_json::json!({ "server": server, "signed_in": false }))?;
    } else {
        terminal::print(&format!("signed out at {server}\n"))?;
    }
    Ok(Exit::Done)
}

pub fn whoami(cli: &Cli) -> Result<Exit> {
    let token = connect(cli)?.session()?;
    shown(cli, &token)?;
    Ok(Exit::Done)
}

fn shown(cli: &Cli, token: &Token) -> Result<()> {
    if cli.json {
        return terminal::json(token);
    }
    let roles: Vec<String> = token.roles.iter().map(word).collect();
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
    let roles = if roles.is_empty() { format!("a {}'s token", word(&token.bearer)) } else { roles.join(", ") };
    terminal::print(&format!("{}: {roles}, until {:.0}\nmay: {}\n", token.owner, token.expires, scopes.join(", ")))
}
