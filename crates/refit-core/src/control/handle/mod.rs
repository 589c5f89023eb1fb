//! What comes of an input: events, or a refusal. Nothing here changes the state; [`State::apply`] does, once the events are
//! durable.

mod agents;
mod catalogue;
mod devices;
mod exceptions;
mod identity;
mod leases;
mod moves;
mod operations;
mod people;
mod plans;
mod questions;
mod reports;
mod rollouts;
mod sources;
mod targets;

use super::{
    event::{GateAnswered, GateAsked, PlanMade, ReceiptReceived, ReleaseExpedited, RingOpened},
    groups::GroupInput,
    input::{Input, Outcome, Refusal},
    state::State,
    subscription,
    token::{Actor, Scope},
};
use jiff::Timestamp;
use rollouts::Named;

/// What comes of an input from `actor` at `now`. Time never goes back: an earlier `now` counts as the newest time in the log.
pub fn handle(state: &State, actor: &Actor, input: Input, now: Timestamp) -> Result<Outcome, Refusal> {
    let now = now.max(state.clock);
    permitted(actor, &input)?;
    let (input, led) = identity::led(state, input);
    let outcome = handled(state, actor, input, now)?;
    Ok(Outcome { led, ..outcome })
}

fn handled(state: &State, actor: &Actor, input: Input, now: Timestamp) -> Result<Outcome, Refusal> {
    match input {
        Input::Start { program, alive_until } => Ok(operations::start(state, program, alive_until, now)),
        Input::Tick => Ok(operations::tick(state, now)),
        Input::End => Ok(operations::end(state, now)),
        Input::SetApprovals(approvals) => Ok(operations::set_approvals(state, approvals)),
        Input::Enrol { device, name } => devices::enrol(state, device, name),
        Input::Observe(observation) => devices::observe(state, observation, now),
        Input::Retire { device } => devices::retire(state, device),
        Input::LiftQuarantine { device, why } => devices::lift_quarantine(state, actor, device, why),
        Input::Receipt { device, receipt, slot, wanted, result, before, after, at, duration_ms, output } => {
            let at = at.min(now);
            let event =
                ReceiptReceived { device, receipt, slot, wanted, result, before, after, at, duration_ms, output };
            devices::receipt(state, event)
        }
        Input::ObservePerson { person, source, observed, values } => {
            people::observe(state, person, source, observed.min(now), values)
        }
        Input::Group(said) => people::group(state, GroupInput { observed: said.observed.min(now), ..said }),
        Input::Assign { device, person } => people::assign(state, device, person),
        Input::Identity(input) => identity::handle(state, input),
        Input::SourceRead(read) => Ok(sources::read(state, read)),
        Input::TargetObserved(observed) => Ok(targets::observed(state, observed)),
        Input::ErasePerson { person } => people::erase(state, person),
        Input::Releases { source, releases } => catalogue::releases(state, source, releases),
        Input::Advisories { source, advisories } => catalogue::advisories(state, source, advisories),
        Input::Matched { distribution, content, advisories } => {
            Ok(catalogue::matched(state, distribution, content, advisories))
        }
        Input::OpenRing { title, version, rollout, ring, platform, members, releases } => {
            rollouts::open_ring(state, RingOpened { title, version, rollout, ring, platform, members, releases })
        }
        Input::AnswerGate { title, version, rollout, after, platform, answer, until, why, found } => {
            let (verdict, evidence) = found.map(|found| *found).unzip();
            let event =
                GateAnswered { title, version, rollout, after, platform, answer, until, verdict, evidence, why };
            rollouts::answer_gate(state, event, now)
        }
        Input::AskPerson { title, version, rollout, after, platform, because, found } => {
            let (verdict, evidence) = found.map(|found| *found).unzip();
            questions::ask(state, GateAsked { title, version, rollout, after, platform, because, verdict, evidence })
        }
        Input::AnswerApproval(answered) => questions::approval(state, answered),
        Input::Signal { source, signal, at, whole, devices } => {
            rollouts::signal(state, source, signal, at.min(now), whole, &devices)
        }
        Input::HaltRelease { title, version, platform, why } => {
            rollouts::halt(state, Named { title, version, platform }, why, now)
        }
        Input::ResumeRelease { title, version, platform, why } => {
            rollouts::resume(state, Named { title, version, platform }, &why)
        }
        Input::ExpediteRelease { title, version, platform, why } => {
            rollouts::expedite(state, ReleaseExpedited { title, version, platform, why })
        }
        Input::MakePlan { plan, policy_hash, files, replaces, content, as_of } => {
            let author = actor.owner.clone();
            plans::make(
                state,
                PlanMade { plan, policy_hash, files, replaces, content, author, as_of: Some(as_of.min(now)) },
            )
        }
        Input::Approve { plan } => plans::approve(state, actor, plan),
        Input::Reject { plan, why } => plans::reject(state, plan, why),
        Input::Apply { plan, envelope } => plans::apply(state, plan, envelope),
        Input::Evaluated { plan, devices } => Ok(moves::evaluated(state, plan, devices, now)),
        Input::Stop { why } => Ok(operations::stop(state, why)),
        Input::GoOn { why } => Ok(operations::go_on(state, why)),
        Input::CreateToken { token, record } => operations::create_token(state, actor, token, record, now),
        Input::RevokeToken { token } => operations::revoke_token(state, token),
        Input::Agents(input) => agents::handle(state, input, now),
        Input::Leases(input) => leases::handle(state, input, now),
        Input::Subscriptions(input) => subscription::handle(state, actor, input, now),
        Input::Reports(input) => reports::handle(state, actor, input, now),
        Input::Exceptions(input) => exceptions::handle(state, actor, input, now),
    }
}

fn permitted(actor: &Actor, input: &Input) -> Result<(), Refusal> {
    let scope = match input {
        Input::Start { .. } | Input::Tick | Input::End | Input::SetApprovals(_) | Input::ErasePerson { .. } => {
            Scope::Admin
        }
        Input::CreateToken { .. } | Input::RevokeToken { .. } | Input::Evaluated { .. } | Input::Matched { .. } => {
            Scope::Admin
        }
        Input::Identity(_) | Input::SourceRead(_) | Input::TargetObserved(_) | Input::AnswerApproval(_) => Scope::Admin,
        Input::Enrol { .. }
        | Input::Observe(_)
        | Input::Retire { .. }
        | Input::Receipt { .. }
        | Input::ObservePerson { .. }
        | Input::Group(_)
        | Input::Assign { .. } => Scope::Facts,
        Input::Releases { .. } | Input::Advisories { .. } => Scope::Catalogue,
        Input::OpenRing { .. }
        | Input::AnswerGate { .. }
        | Input::AskPerson { .. }
        | Input::HaltRelease { .. }
        | Input::ResumeRelease { .. }
        | Input::ExpediteRelease { .. } => Scope::Rollouts,
        Input::Signal { .. } => Scope::Signals,
        Input::MakePlan { .. } => Scope::Plan,
        Input::Approve { .. } | Input::Reject { .. } | Input::LiftQuarantine { .. } => Scope::Approve,
        Input::Apply { .. } => Scope::Apply,
        Input::Stop { .. } | Input::GoOn { .. } => Scope::Brake,
        Input::Agents(input) => agents::scope(input),
        Input::Leases(input) => leases::scope(input),
        Input::Subscriptions(input) => subscription::scope(input),
        Input::Reports(input) => reports::scope(input),
        Input::Exceptions(input) => exceptions::scope(input),
    };
    if actor.may(scope) { Ok(()) } else { Err(Refusal::Scope(scope)) }
}
