//! What each operation needs: one table, from which the OpenAPI document says it and by which callers are held to it before anything of a request is
//! read. An operation that is not in the table is answered to nobody.
//!
//! Handlers and the core ask again for the scope of what they do: two locks, of which this one is the readable.

use super::{
    extract::Caller,
    problem::{Code, Problem},
};
use refit_core::control::Scope;
use serde_json::{Value, json};

/// An operation, and the scopes that are all needed for it. None is: any token.
type Rule = (&'static str, &'static str, &'static [Scope]);

use Scope::{
    Admin, Apply, Approve, Audit, Brake, Catalogue, Facts, Plan, Posture, Read, ReadExposures, ReadFleet, Reports,
    Rollouts, Signals,
};

/// In the order of paths.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    ("get", "/api/v1/advisories", &[ReadFleet, ReadExposures]),
    ("post", "/api/v1/advisories", &[Catalogue]),
    ("get", "/api/v1/audit", &[Audit]),
    ("get", "/api/v1/brake", &[ReadFleet]),
    ("post", "/api/v1/brake/go-on", &[Brake]),
    ("post", "/api/v1/brake/stop", &[Brake]),
    ("get", "/api/v1/budgets", &[ReadFleet]),
    ("get", "/api/v1/declarative-management", &[ReadFleet]),
    ("get", "/api/v1/devices", &[ReadFleet]),
    ("post", "/api/v1/devices", &[Facts]),
    ("get", "/api/v1/devices/{id}", &[ReadFleet]),
    ("delete", "/api/v1/devices/{id}", &[Facts]),
    ("get", "/api/v1/devices/{id}/assignment", &[ReadFleet]),
    ("put", "/api/v1/devices/{id}/assignment", &[Facts]),
    ("post", "/api/v1/devices/{id}/certificates/revoke", &[Admin]),
    ("get", "/api/v1/devices/{id}/decisions", &[ReadFleet]),
    ("get", "/api/v1/devices/{id}/declarations", &[ReadFleet]),
    ("get", "/api/v1/devices/{id}/directives", &[ReadFleet]),
    // A derivation speaks of exposures throughout.
    ("get", "/api/v1/devices/{id}/explanation", &[ReadFleet, ReadExposures]),
    ("post", "/api/v1/devices/{id}/observations", &[Facts]),
    ("get", "/api/v1/devices/{id}/posture", &[Posture]),
    ("post", "/api/v1/devices/{id}/quarantine/lift", &[Approve]),
    ("post", "/api/v1/devices/{id}/receipts", &[Facts]),
    ("get", "/api/v1/enrolments", &[Admin]),
    ("post", "/api/v1/enrolments", &[Admin]),
    ("delete", "/api/v1/enrolments/{id}", &[Admin]),
    // The log has all that was ever said of advisories.
    ("get", "/api/v1/events", &[Read]),
    ("get", "/api/v1/exceptions", &[ReadFleet]),
    ("post", "/api/v1/exceptions", &[Plan]),
    ("get", "/api/v1/exceptions/{id}", &[ReadFleet]),
    ("post", "/api/v1/exceptions/{id}/approve", &[Approve]),
    ("get", "/api/v1/exceptions/{id}/patch", &[ReadFleet]),
    ("post", "/api/v1/exceptions/{id}/refuse", &[Approve]),
    ("post", "/api/v1/exceptions/{id}/withdraw", &[ReadFleet]),
    ("get", "/api/v1/exposures", &[ReadFleet, ReadExposures]),
    ("get", "/api/v1/groups", &[ReadFleet]),
    ("post", "/api/v1/groups/answers", &[Signals]),
    ("post", "/api/v1/groups/give-back", &[Rollouts]),
    ("post", "/api/v1/mandates", &[Apply]),
    ("get", "/api/v1/mandates/current", &[ReadFleet]),
    ("get", "/api/v1/people", &[ReadFleet]),
    ("get", "/api/v1/people/{id}", &[ReadFleet]),
    ("put", "/api/v1/people/{id}", &[Facts]),
    ("delete", "/api/v1/people/{id}", &[Admin]),
    ("get", "/api/v1/people/{id}/posture", &[Posture]),
    ("get", "/api/v1/plans", &[ReadFleet]),
    ("post", "/api/v1/plans", &[Plan]),
    ("post", "/api/v1/plans/preview", &[Plan]),
    ("get", "/api/v1/plans/{id}", &[ReadFleet]),
    ("post", "/api/v1/plans/{id}/apply", &[Apply]),
    ("post", "/api/v1/plans/{id}/approve", &[Approve]),
    ("post", "/api/v1/plans/{id}/reject", &[Approve]),
    ("get", "/api/v1/policies", &[ReadFleet]),
    ("get", "/api/v1/policy", &[ReadFleet]),
    ("post", "/api/v1/posture", &[Posture]),
    ("get", "/api/v1/releases", &[ReadFleet]),
    ("post", "/api/v1/releases", &[Catalogue]),
    ("get", "/api/v1/reports", &[ReadFleet]),
    ("post", "/api/v1/reports", &[Reports]),
    ("get", "/api/v1/reports/{id}", &[ReadFleet]),
    ("post", "/api/v1/reports/{id}/acknowledge", &[Reports]),
    ("post", "/api/v1/reports/{id}/close", &[Rollouts]),
    ("get", "/api/v1/reports/{id}/patch", &[ReadFleet]),
    ("get", "/api/v1/rollouts", &[ReadFleet]),
    ("post", "/api/v1/rollouts/expedite", &[Rollouts]),
    ("post", "/api/v1/rollouts/gates", &[Rollouts]),
    ("post", "/api/v1/rollouts/halt", &[Rollouts]),
    ("post", "/api/v1/rollouts/resume", &[Rollouts]),
    ("post", "/api/v1/rollouts/rings", &[Rollouts]),
    ("get", "/api/v1/rollouts/timeline", &[ReadFleet]),
    ("post", "/api/v1/roots", &[Admin]),
    ("get", "/api/v1/roots/{version}", &[ReadFleet]),
    ("get", "/api/v1/session", &[]),
    ("delete", "/api/v1/session", &[]),
    ("get", "/api/v1/settings/approvals", &[ReadFleet]),
    ("put", "/api/v1/settings/approvals", &[Admin]),
    ("get", "/api/v1/settings/webhooks", &[ReadFleet]),
    ("put", "/api/v1/settings/webhooks/{name}", &[Admin]),
    ("get", "/api/v1/signals", &[ReadFleet]),
    ("post", "/api/v1/signals", &[Signals]),
    ("get", "/api/v1/sources", &[ReadFleet]),
    ("get", "/api/v1/stream", &[ReadFleet]),
    ("get", "/api/v1/subscriptions", &[Admin]),
    ("post", "/api/v1/subscriptions", &[Admin]),
    ("get", "/api/v1/subscriptions/{id}", &[Admin]),
    ("put", "/api/v1/subscriptions/{id}", &[Admin]),
    ("delete", "/api/v1/subscriptions/{id}", &[Admin]),
    ("get", "/api/v1/subscriptions/{id}/dead-letters", &[Admin]),
    ("get", "/api/v1/subscriptions/{id}/deliveries", &[Admin]),
    ("post", "/api/v1/subscriptions/{id}/replay", &[Admin]),
    ("post", "/api/v1/subscriptions/{id}/resume", &[Admin]),
    ("post", "/api/v1/subscriptions/{id}/secret", &[Admin]),
    ("get", "/api/v1/targets", &[ReadFleet]),
    ("get", "/api/v1/titles", &[ReadFleet]),
    ("get", "/api/v1/tokens", &[Admin]),
    ("post", "/api/v1/tokens", &[Admin]),
    ("delete", "/api/v1/tokens/{id}", &[Admin]),
    ("get", "/api/v1/trust", &[ReadFleet]),
    ("get", "/metrics", &[ReadFleet]),
];

/// The scopes that an operation needs; `None` where nobody has said it. `HEAD` is answered where `GET` is.
pub fn needed(method: &str, path: &str) -> Option<&'static [Scope]> {
    let method = if method.eq_ignore_ascii_case("head") { "get" } else { method };
    RULES.iter().find(|(is, at, _)| is.eq_ignore_ascii_case(method) && *at == path).map(|(.., scopes)| *scopes)
}

/// Refuses what a caller's token does not permit. What is asked for is a route and one of its methods; a method that the route does not know is none of
/// its operations, and is refused by the route.
pub fn permit(caller: &Caller, method: &str, path: &str) -> Result<(), Problem> {
    match needed(method, path) {
        Some(scopes) => scopes.iter().try_for_each(|scope| caller.needs(*scope)),
        None if RULES.iter().any(|(_, at, _)| *at == path) => Ok(()),
        None => {
            tracing::error!(method, path, "nobody has said which scope this operation needs: it is answered to nobody");
            Err(Problem::new(
                Code::Forbidden,
                "nobody has said which scope this operation needs, so that nobody is answered",
            ))
        }
    }
}

/// What the OpenAPI document says of an operation: role names of the token, of which all are needed (OpenAPI 3.1, Security Requirement Object).
pub fn security(scopes: &[Scope]) -> Value {
    json!([{ "token": scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>() }])
}
