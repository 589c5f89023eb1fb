//! The options of signing in, and of letting people sign in.

use clap::Args;
use std::{collections::BTreeMap, num::NonZeroU16};

/// `refit login`
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Open no browser. The address is printed either way; where the browser is on another machine, paste the address that it ends at.
    #[arg(long)]
    pub no_browser: bool,
    /// The port of this machine that the browser comes back to [default: any].
    #[arg(long, value_name = "PORT")]
    pub port: Option<NonZeroU16>,
}

/// How people sign in at a server.
#[derive(Debug, Args)]
pub struct SignInArgs {
    /// The OpenID provider through which people sign in, exactly as its tokens name it, such as `https://acme.okta.com`.
    #[arg(long = "sign-in", value_name = "ISSUER", requires = "client")]
    pub issuer: Option<String>,
    /// The client that Refit is there: a public one, with PKCE and the redirect `http://127.0.0.1/callback` with any port.
    #[arg(long = "sign-in-client", value_name = "ID", requires = "issuer")]
    pub client: Option<String>,
    /// For whom ID tokens are [default: the client].
    #[arg(long = "sign-in-audience", value_name = "AUDIENCE", requires = "issuer")]
    pub audience: Option<String>,
    /// A scope that is asked for besides `openid`; may be given several times [default: email, profile].
    #[arg(long = "sign-in-scope", value_name = "SCOPE", requires = "issuer")]
    pub scopes: Vec<String>,
    /// The claim that says who somebody is in plans and approvals.
    #[arg(long = "sign-in-owner", value_name = "CLAIM", default_value = "email")]
    pub owner: String,
    /// The claim that lists groups.
    #[arg(long = "sign-in-groups", value_name = "CLAIM", default_value = "groups")]
    pub groups: String,
    /// The role of a group, such as `it-security=security`: security, identity, people_operations, finance, compliance, support, engineering,
    /// administrator. May be given several times, also for one group.
    #[arg(long = "sign-in-role", value_name = "GROUP=ROLE", value_parser = group_and_role, requires = "issuer")]
    pub roles: Vec<(String, refit_core::control::Role)>,
}

fn group_and_role(text: &str) -> Result<(String, refit_core::control::Role), String> {
    use refit_core::control::Role;
    // Names of groups have all sorts of characters in them.
    let Some((group, role)) = text.rsplit_once('=').filter(|(group, _)| !group.is_empty()) else {
        return Err("write GROUP=ROLE, such as `it-security=security`".to_owned());
    };
    let found = Role::from_name(role);
    found
        .map(|role| (group.to_owned(), role))
        .ok_or_else(|| format!("there is no role `{role}`; there are {}", Role::ALL.map(Role::name).join(", ")))
}

impl SignInArgs {
    /// As the server takes it; `None` where nobody signs in.
    pub fn options(&self) -> Result<Option<refit_server::sign_in::Options>, String> {
        let (Some(issuer), Some(client)) = (&self.issuer, &self.client) else { return Ok(None) };
        let mut roles: BTreeMap<String, std::collections::BTreeSet<_>> = BTreeMap::new();
        for (group, role) in &self.roles {
            roles.entry(group.clone()).or_default().insert(*role);
        }
        let usual = ["email", "profile"].map(str::to_owned).to_vec();
        let asked = if self.scopes.is_empty() { usual } else { self.scopes.clone() };
        let mut scopes = vec!["openid".to_owned()];
        scopes.extend(asked.into_iter().filter(|scope| scope != "openid"));
        let options = refit_server::sign_in::Options {
            issuer: issuer.clone(),
            client: client.clone(),
            audience: self.audience.clone(),
            scopes,
            owner: self.owner.clone(),
            groups: self.groups.clone(),
            roles,
        };
        options.check().map_err(|why| format!("`--sign-in`: {why}"))?;
        Ok(Some(options))
    }
}

#[cfg(test)]
mod tests {
    use super::group_and_role;
    use refit_core::control::Role;

    #[test]
    fn a_group_has_any_name_and_a_role_one_of_refits() {
        assert_eq!(group_and_role("cn=IT, ou=x=security"), Ok(("cn=IT, ou=x".to_owned(), Role::Security)));
        for (text, why) in
            [("security", "write GROUP=ROLE"), ("=security", "write GROUP=ROLE"), ("a=root", "there are security, ")]
        {
            assert!(group_and_role(text).unwrap_err().contains(why), "{text}");
        }
    }
}
