//! Exceptions that are asked for, agreed to, refused, and that end.

use super::{
    super::{
        event::{
            Event, ExceptionApproved, ExceptionExpired, ExceptionExpiring, ExceptionGranted, ExceptionRefused,
            ExceptionRequested, ExceptionWithdrawn,
        },
        exceptions::{
            AskedException, Concerned, ExceptionInput, ExceptionStatus, ExceptionTerms, NAME_LONGEST, Ruling,
            document_of, judge,
        },
        input::{Outcome, Refusal},
        state::State,
        token::{Actor, Bearer, Scope},
    },
    operations::one,
};
use crate::policy::repository::{ExceptionRule, Repository};
use jiff::Timestamp;
use smol_str::SmolStr;
use std::sync::Arc;

/// How many exceptions may wait for a person at a time.
const WAITING_MOST: usize = 1_000;
/// The longest list of titles.
const SOFTWARE_MOST: usize = 100;
/// The longest condition or reason, in bytes.
const TEXT_LONGEST: usize = 64 << 10;

/// What is needed for it: who may propose a policy may ask for an exception, and who may approve one may grant it, where the rules of the
/// repository say so too.
pub(super) fn scope(input: &ExceptionInput) -> Scope {
    match input {
        ExceptionInput::Request { .. } => Scope::Plan,
        // Who asked for it may ask, and who decides on it may approve: which of them it is says the exception.
        ExceptionInput::Withdraw { .. } => Scope::ReadFleet,
        ExceptionInput::Approve { .. } | ExceptionInput::Refuse { .. } => Scope::Approve,
    }
}

pub(super) fn handle(state: &State, actor: &Actor, input: ExceptionInput, now: Timestamp) -> Result<Outcome, Refusal> {
    match input {
        ExceptionInput::Request { exception, terms, concerned } => {
            request(state, actor, exception, terms, &concerned, now)
        }
        ExceptionInput::Approve { exception, concerned } => approve(state, actor, exception, &concerned, now),
        ExceptionInput::Refuse { exception, why } => {
            let asked = find(state, &exception)?;
            if asked.status != ExceptionStatus::Requested {
                return Err(over(&exception, asked));
            }
            // Whoever asked may think better of it, but that is another thing.
            may_decide(repository(state)?, actor, &exception, asked)?;
            Ok(one(ExceptionRefused { exception, by: actor.owner.clone(), why }))
        }
        ExceptionInput::Withdraw { exception, why } => {
            let asked = find(state, &exception)?;
            if asked.status.is_over() {
                return Err(over(&exception, asked));
            }
            if actor.owner == asked.by {
                if !actor.may(Scope::Plan) && !actor.may(Scope::Approve) {
                    return Err(Refusal::Scope(Scope::Plan));
                }
            } else {
                if !actor.may(Scope::Approve) {
                    return Err(Refusal::Forbidden(format!(
                        "{} asked for `{exception}`: they can take it back, or who may approve it",
                        asked.by
                    )));
                }
                may_decide(repository(state)?, actor, &exception, asked)?;
            }
            Ok(one(ExceptionWithdrawn { exception, by: actor.owner.clone(), why }))
        }
    }
}

fn request(
    state: &State,
    actor: &Actor,
    exception: SmolStr,
    terms: ExceptionTerms,
    concerned: &Concerned,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let repository = repository(state)?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if exception.is_empty() || exception.len() > NAME_LONGEST || !exception.chars().all(fits) {
        return Err(Refusal::Invalid(format!(
            "the name of an exception has 1 to {NAME_LONGEST} small letters, digits and hyphens"
        )));
    }
    if state.exceptions.get(&exception).is_some_and(|known| !known.status.is_over())
        || repository.exceptions.iter().any(|known| known.name == exception)
    {
        return Err(Refusal::Exists { what: "exception", id: exception });
    }
    if let Some(mistake) = terms.mistake(now) {
        return Err(Refusal::Invalid(mistake));
    }
    let long = terms.condition.iter().map(String::len).chain([terms.why.len()]).any(|length| length > TEXT_LONGEST);
    if long || terms.software.len() > SOFTWARE_MOST {
        return Err(Refusal::Invalid(format!(
            "at most {SOFTWARE_MOST} titles, and {TEXT_LONGEST} bytes of condition and of reason"
        )));
    }
    let waiting = state.exceptions.all().filter(|(_, asked)| asked.status == ExceptionStatus::Requested).count();
    if waiting >= WAITING_MOST {
        return Err(Refusal::Busy(format!("{waiting} exceptions wait for a person already")));
    }
    let ruling = judge(repository, &actor.owner, &terms, concerned, now).map_err(forbidden)?;
    let by = actor.owner.clone();
    let document = document_of(&exception, &terms, &by, &[]);
    let mut outcome = one(ExceptionRequested { exception: exception.clone(), terms, by, rule: ruling.rule.clone() });
    if ruling.approvals == 0 {
        outcome.events.push(ExceptionGranted { exception, document: document.into(), kev: ruling.kev }.into());
    }
    Ok(outcome)
}

fn approve(
    state: &State,
    actor: &Actor,
    exception: SmolStr,
    concerned: &Concerned,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let repository = repository(state)?;
    let asked = find(state, &exception)?;
    if asked.status != ExceptionStatus::Requested {
        return Err(over(&exception, asked));
    }
    may_decide(repository, actor, &exception, asked)?;
    // An address is the same however it is written.
    if actor.owner.eq_ignore_ascii_case(&asked.by) {
        return Err(Refusal::Forbidden(format!(
            "{} asked for this exception, and nobody grants their own: somebody else has to",
            actor.owner
        )));
    }
    // The rules may be others by now, and so may be what is open.
    let ruling = ruling(repository, asked, concerned, now)?;
    if asked.approvals.keys().any(|who| who.eq_ignore_ascii_case(&actor.owner)) {
        return Ok(Outcome::default());
    }
    let by = actor.owner.clone();
    let mut outcome = one(ExceptionApproved { exception: exception.clone(), by: by.clone() });
    // Who may not decide any more does not count, though they agreed when they might.
    let rule = repository.exception_rules.iter().find(|rule| rule.name == asked.rule);
    let still = |who: &&SmolStr| rule.is_some_and(|rule| ExceptionRule::names(&rule.approvers, who));
    let mut agreed: Vec<SmolStr> = asked.approvals.keys().filter(still).cloned().collect();
    agreed.push(by);
    if agreed.len() >= ruling.approvals {
        let document = document_of(&exception, &asked.terms, &asked.by, &agreed).into();
        outcome.events.push(ExceptionGranted { exception, document, kev: ruling.kev }.into());
    }
    Ok(outcome)
}

/// What the rule under which it was asked for says of it today.
fn ruling(
    repository: &Repository,
    asked: &AskedException,
    concerned: &Concerned,
    now: Timestamp,
) -> Result<Ruling, Refusal> {
    let rules = repository.exception_rules.iter().filter(|rule| rule.name == asked.rule).cloned().collect();
    let by_it = Repository {
        exception_rules: rules,
        exceptions_longest: repository.exceptions_longest,
        ..Repository::default()
    };
    judge(&by_it, &asked.by, &asked.terms, concerned, now).map_err(|why| {
        Refusal::Conflict(format!("the rules do not permit it any more: {}. Refuse it, or withdraw it", why.join("; ")))
    })
}

/// Whether somebody is one of those whom the rule names, and a person.
fn may_decide(
    repository: &Repository,
    actor: &Actor,
    exception: &SmolStr,
    asked: &AskedException,
) -> Result<(), Refusal> {
    if actor.bearer != Bearer::Person {
        return Err(Refusal::Forbidden(
            "a program can't decide on an exception: a person has to, with a token of their own".into(),
        ));
    }
    let rule = repository.exception_rules.iter().find(|rule| rule.name == asked.rule).ok_or_else(|| {
        Refusal::Conflict(format!("the rule `{}`, under which `{exception}` was asked for, is no more", asked.rule))
    })?;
    if ExceptionRule::names(&rule.approvers, &actor.owner) {
        return Ok(());
    }
    Err(Refusal::Forbidden(format!(
        "{} decides on what is asked for under the rule `{}`, and {} is not among them",
        if rule.approvers.is_empty() { "nobody".to_owned() } else { rule.approvers.join(", ") },
        rule.name,
        actor.owner
    )))
}

/// What ends soon, and what has ended.
pub(super) fn tick(state: &State, now: Timestamp) -> Vec<Event> {
    let mut events = Vec::new();
    for (name, asked) in state.exceptions.all().filter(|(_, asked)| !asked.status.is_over()) {
        if asked.over_at() <= now {
            events.push(ExceptionExpired { exception: name.clone() }.into());
        } else if asked.status == ExceptionStatus::Granted && asked.expires_soon_at(state.notice_of(asked)) <= now {
            events.push(ExceptionExpiring { exception: name.clone(), until: asked.terms.until.clone() }.into());
        }
    }
    events
}

fn find<'s>(state: &'s State, name: &SmolStr) -> Result<&'s Arc<AskedException>, Refusal> {
    state
        .exceptions
        .get(name)
        .ok_or_else(|| Refusal::Missing { what: "exception that was asked for", id: name.clone() })
}

fn repository(state: &State) -> Result<&Repository, Refusal> {
    let policy = state.policy.as_ref();
    policy.map(|policy| policy.repository.as_ref()).ok_or_else(|| Refusal::Conflict("no policy is in force".into()))
}

fn forbidden(why: Vec<String>) -> Refusal {
    Refusal::Forbidden(format!("no rule permits this exception: {}", why.join("; ")))
}

fn over(name: &SmolStr, asked: &AskedException) -> Refusal {
    let how = match asked.status {
        ExceptionStatus::Requested => "waits for a person",
        ExceptionStatus::Granted | ExceptionStatus::Expiring => "is granted",
        ExceptionStatus::Refused => "was refused",
        ExceptionStatus::Expired => "has ended",
        ExceptionStatus::Withdrawn => "was withdrawn",
    };
    Refusal::Conflict(format!("the exception `{name}` {how} already"))
}
