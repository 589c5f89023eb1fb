//! Refit as a security events provider in Okta: made, drifted, known by other keys, and taken away.

use super::{
    hooks::{
        Company,
        double::{Okta, PROVIDERS},
    },
    kept::Do,
};
use serde_json::{Value, json};

const KIND: &str = "okta-shared-signals";
const SCOPES: &str = "okta.securityEventsProviders.read okta.securityEventsProviders.manage";
const NAME: &str = "refit-okta";

fn company() -> Company {
    Company::with(KIND, SCOPES, Vec::new(), "server: https://refit.acme.example")
}

fn provider(okta: &Okta) -> Value {
    okta.named(PROVIDERS, NAME)
}

#[test]
fn a_provider_is_made_drifts_changes_and_goes() {
    let company = company();
    company.ends(0, &["--apply"], "1 object written");
    let well_known = json!({ "well_known_url": "https://refit.acme.example/.well-known/ssf-configuration" });
    assert_eq!(provider(&company.okta())["settings"], well_known);
    company.writes();
    // What Okta reads at the address is nobody's change.
    company.ends(0, &["--apply"], "nothing to change");

    company.okta().by_hand(PROVIDERS, NAME, "/status", json!("INACTIVE"));
    company.ends(4, &["--drift", "--detailed-exitcode"], "~ status: \"ACTIVE\" → \"INACTIVE\"");
    company.ends(0, &["--apply", "--revert"], "1 object written");
    assert_eq!(company.writes(), [format!("POST security-events-providers/{NAME}/lifecycle/activate")]);

    company.settings(KIND, "server: https://refit.acme.example, known_by: issuer_and_keys");
    company.ends(0, &["--apply"], "+ settings.issuer");
    let keys = json!({ "issuer": "https://refit.acme.example", "jwks_url": "https://refit.acme.example/.well-known/jwks.json" });
    assert_eq!(provider(&company.okta())["settings"], keys);
    assert_eq!(company.writes(), [format!("PUT security-events-providers/{NAME}")]);

    company.settings(KIND, "server: https://refit.acme.example, known_by: heart");
    company.ends(1, &["--apply"], "`known_by` is `well_known_url`, `issuer_and_keys` or `nobody`");
    assert_eq!(company.writes(), Vec::<String>::new());

    company.settings(KIND, "server: https://refit.acme.example, known_by: nobody");
    company.ends(1, &["--apply"], "`--may-remove 1` permits it");
    company.ends(0, &["--apply", "--may-remove", "1"], "1 taken away");
    assert!(company.okta().names(PROVIDERS).is_empty());
}

#[test]
fn a_lost_answer_makes_no_second_provider_and_what_is_somebody_elses_stays() {
    let made = company();
    made.okta().kept.bad_day("GET", PROVIDERS, Do::Refuse(429, Some(1)));
    made.okta().kept.bad_day("POST", PROVIDERS, Do::LoseAnswer);
    made.ends(0, &["--apply"], "1 object written");
    assert_eq!(made.okta().names(PROVIDERS).len(), 1);

    let theirs = company();
    let record = json!({ "name": NAME, "type": "okta", "status": "ACTIVE", "settings": { "issuer": "theirs", "jwks_url": "https://t" } });
    theirs.okta().kept.add(PROVIDERS, record.as_object().unwrap().clone());
    theirs.ends(1, &["--apply", "--revert"], "has Refit's name, was not written by this target, and stays");
    assert_eq!(theirs.writes(), Vec::<String>::new());
}
