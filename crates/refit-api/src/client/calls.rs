//! The calls.

use super::{Client, ClientError, PLAN_PATIENCE, escaped, key};
use crate::*;
use jiff::Timestamp;
use refit_core::{
    control::{PlanStatus, ReportStatus},
    decide::{Compliance, Hold},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, time::Duration};
use ureq::http::Method;

/// Which devices are listed.
#[derive(Clone, Debug, Default)]
pub struct DeviceFilter {
    /// Only those on this platform.
    pub platform: Option<String>,
    /// Only those that stand so.
    pub compliance: Option<Compliance>,
    /// Only those that are held so.
    pub hold: Option<Hold>,
    /// Only those that have this title.
    pub title: Option<String>,
    /// Only those whose name or id begins so.
    pub name: Option<String>,
    /// Whether to say what sources say of each.
    pub facts: bool,
}

/// Which exposures are listed.
#[derive(Clone, Debug, Default)]
pub struct ExposureFilter {
    /// Only those of this title.
    pub title: Option<String>,
    /// Only those by this advisory.
    pub advisory: Option<String>,
    /// Only those that are known to be exploited, or that are not.
    pub kev: Option<bool>,
}

/// How an enumeration is written.
fn word(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

impl Client {
    /// All pages of a list.
    fn all<T: DeserializeOwned>(&self, path: &str, query: &[(&str, Option<String>)]) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut cursor = None;
        loop {
            let mut query = query.to_vec();
            query.push(("limit", Some("1000".to_owned())));
            query.push(("cursor", cursor));
            let page: Page<T> = self.get(path, &query)?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    }

    /// How a device, or a person's devices, stand, for whoever asks before somebody is let in.
    pub fn posture(&self, about: &AskPosture) -> Result<PostureSaid, ClientError> {
        self.post("/api/v1/posture", Some(about))
    }

    /// How the server is.
    pub fn health(&self) -> Result<Health, ClientError> {
        self.get("/readyz", &[])
    }

    /// All devices that fit.
    pub fn devices(&self, filter: &DeviceFilter) -> Result<Vec<DeviceSummary>, ClientError> {
        let query = [
            ("platform", filter.platform.clone()),
            ("compliance", filter.compliance.as_ref().and_then(word)),
            ("hold", filter.hold.as_ref().and_then(word)),
            ("title", filter.title.clone()),
            ("name", filter.name.clone()),
            ("facts", filter.facts.then(|| "true".to_owned())),
        ];
        self.all("/api/v1/devices", &query)
    }

    /// One device.
    pub fn device(&self, id: &str) -> Result<Device, ClientError> {
        self.get(&format!("/api/v1/devices/{}", escaped(id)), &[])
    }

    /// Makes a device known.
    pub fn enrol(&self, device: &Enrol) -> Result<Written, ClientError> {
        self.post("/api/v1/devices", Some(device))
    }

    /// Says what a source observes of a device.
    pub fn observe(&self, id: &str, observation: &NewObservation) -> Result<Observed, ClientError> {
        self.post(&format!("/api/v1/devices/{}/observations", escaped(id)), Some(observation))
    }

    /// Says that a device is no longer managed.
    pub fn retire(&self, id: &str) -> Result<Written, ClientError> {
        self.delete(&format!("/api/v1/devices/{}", escaped(id)))
    }

    /// Says that a device of which there were two is one again.
    pub fn lift_quarantine(&self, id: &str, why: &str) -> Result<Written, ClientError> {
        self.post(&format!("/api/v1/devices/{}/quarantine/lift", escaped(id)), Some(&Why { why: why.to_owned() }))
    }

    /// What the policies say of a device.
    pub fn decisions(&self, id: &str) -> Result<DeviceDecisions, ClientError> {
        self.get(&format!("/api/v1/devices/{}/decisions", escaped(id)), &[])
    }

    /// Why a title stands on a device as it does, now or at an earlier time.
    pub fn explanation(&self, id: &str, title: &str, at: Option<Timestamp>) -> Result<Explanation, ClientError> {
        let query = [("title", Some(title.to_owned())), ("at", at.map(|at| at.to_string()))];
        let path = format!("/api/v1/devices/{}/explanation", escaped(id));
        self.send(Method::GET, &path, &query, None::<&()>, None, PLAN_PATIENCE)
    }

    /// What is published for a device.
    pub fn directives(&self, id: &str) -> Result<DeviceDirectives, ClientError> {
        self.get(&format!("/api/v1/devices/{}/directives", escaped(id)), &[])
    }

    /// What is declared to an Apple device.
    pub fn declarations(&self, id: &str) -> Result<DeviceDeclarations, ClientError> {
        self.get(&format!("/api/v1/devices/{}/declarations", escaped(id)), &[])
    }

    /// Reports what came of a directive.
    pub fn receipt(&self, id: &str, receipt: &NewReceipt) -> Result<Written, ClientError> {
        self.post(&format!("/api/v1/devices/{}/receipts", escaped(id)), Some(receipt))
    }

    /// Gives a device to a person, or to nobody.
    pub fn assign(&self, id: &str, person: Option<&str>) -> Result<Written, ClientError> {
        let body = Assignment { person: person.map(str::to_owned) };
        self.put(&format!("/api/v1/devices/{}/assignment", escaped(id)), &body)
    }

    /// All people, by id.
    pub fn people(&self) -> Result<Vec<Person>, ClientError> {
        self.all("/api/v1/people", &[])
    }

    /// A person.
    pub fn person(&self, id: &str) -> Result<Person, ClientError> {
        self.get(&format!("/api/v1/people/{}", escaped(id)), &[])
    }

    /// Says what a source observes of a person.
    pub fn observe_person(&self, id: &str, observation: &NewPersonObservation) -> Result<Observed, ClientError> {
        self.put(&format!("/api/v1/people/{}", escaped(id)), observation)
    }

    /// Erases all personal values of a person.
    pub fn erase_person(&self, id: &str) -> Result<Written, ClientError> {
        self.delete(&format!("/api/v1/people/{}", escaped(id)))
    }

    /// What is open on the fleet.
    pub fn exposures(&self, filter: &ExposureFilter) -> Result<Vec<Exposure>, ClientError> {
        let query = [
            ("title", filter.title.clone()),
            ("advisory", filter.advisory.clone()),
            ("kev", filter.kev.map(|kev| kev.to_string())),
        ];
        self.all("/api/v1/exposures", &query)
    }

    /// All titles that the server knows of.
    pub fn titles(&self) -> Result<Vec<TitleSummary>, ClientError> {
        self.all("/api/v1/titles", &[])
    }

    /// The releases of a title that are known outside of universes, oldest first.
    pub fn releases(&self, title: &str) -> Result<Vec<ReleaseSaid>, ClientError> {
        self.all("/api/v1/releases", &[("title", Some(title.to_owned()))])
    }

    /// Says that releases are known.
    pub fn publish_releases(&self, releases: &NewReleases) -> Result<Written, ClientError> {
        self.post("/api/v1/releases", Some(releases))
    }

    /// Whether any advisory is known that somebody told the server.
    pub fn knows_an_advisory(&self) -> Result<bool, ClientError> {
        let page: Page<AdvisorySaid> = self.get("/api/v1/advisories", &[("limit", Some("1".to_owned()))])?;
        Ok(!page.items.is_empty())
    }

    /// Says that advisories are known.
    pub fn publish_advisories(&self, advisories: &NewAdvisories) -> Result<Written, ClientError> {
        self.post("/api/v1/advisories", Some(advisories))
    }

    /// The policy in force; `None` where none is.
    pub fn policy(&self) -> Result<Option<PolicyInForce>, ClientError> {
        match self.get("/api/v1/policy", &[]) {
            Err(error) if error.code() == Some("not-found") => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The policies in force.
    pub fn policies(&self) -> Result<Vec<PolicySummary>, ClientError> {
        self.get::<Page<_>>("/api/v1/policies", &[]).map(|page| page.items)
    }

    /// Works out what a policy repository would change: its files by path.
    pub fn preview_plan(&self, files: BTreeMap<String, String>) -> Result<PlanPreview, ClientError> {
        let body = NewPlan { files };
        self.send(Method::POST, "/api/v1/plans/preview", &[], Some(&body), None, PLAN_PATIENCE)
    }

    /// Makes a plan, which stays until it is applied, rejected or replaced.
    pub fn make_plan(&self, files: BTreeMap<String, String>) -> Result<Plan, ClientError> {
        let body = NewPlan { files };
        self.send(Method::POST, "/api/v1/plans", &[], Some(&body), Some(&key()), PLAN_PATIENCE)
    }

    /// The plans that have come so far.
    pub fn plans(&self, status: Option<PlanStatus>) -> Result<Vec<PlanSummary>, ClientError> {
        self.all("/api/v1/plans", &[("status", status.as_ref().and_then(word))])
    }

    /// One plan.
    pub fn plan(&self, id: &str) -> Result<Plan, ClientError> {
        self.get(&format!("/api/v1/plans/{}", escaped(id)), &[])
    }

    /// Approves a plan.
    pub fn approve_plan(&self, id: &str) -> Result<PlanChanged, ClientError> {
        self.post(&format!("/api/v1/plans/{}/approve", escaped(id)), None::<&()>)
    }

    /// Rejects a plan.
    pub fn reject_plan(&self, id: &str, why: &str) -> Result<PlanChanged, ClientError> {
        self.post(&format!("/api/v1/plans/{}/reject", escaped(id)), Some(&Why { why: why.to_owned() }))
    }

    /// Applies a plan.
    pub fn apply_plan(&self, id: &str) -> Result<Applied, ClientError> {
        let path = format!("/api/v1/plans/{}/apply", escaped(id));
        self.send(Method::POST, &path, &[], None::<&()>, Some(&key()), PLAN_PATIENCE)
    }

    /// A part of the log: what is after a position, of some kinds. Waits so long where there is nothing yet.
    pub fn events(&self, after: u64, kind: Option<&str>, wait: Duration) -> Result<EventPage, ClientError> {
        let query = [
            ("after", Some(after.to_string())),
            ("kind", kind.map(str::to_owned)),
            ("limit", Some("1000".to_owned())),
            ("wait", Some(wait.as_secs().min(60).to_string())),
        ];
        let patience = super::PATIENCE + wait;
        self.send(Method::GET, "/api/v1/events", &query, None::<&()>, None, patience)
    }

    /// Follows the log: an iterator without an end.
    pub fn follow(&self, after: u64, kind: Option<&str>) -> Follow<'_> {
        Follow { client: self, after, kind: kind.map(str::to_owned), ready: Vec::new().into_iter() }
    }

    /// Rollouts that have begun.
    pub fn rollouts(&self) -> Result<Vec<RolloutSaid>, ClientError> {
        self.get::<Page<_>>("/api/v1/rollouts", &[]).map(|page| page.items)
    }

    /// Those of them that move releases of a title, by themselves or with others; also a snapshot by its own title.
    pub fn rollouts_of(&self, title: &str) -> Result<Vec<RolloutSaid>, ClientError> {
        self.get::<Page<_>>("/api/v1/rollouts", &[("title", Some(title.to_owned()))]).map(|page| page.items)
    }

    /// What has happened to a title's releases, oldest first.
    pub fn timeline(&self, title: &str, version: Option<&str>) -> Result<Vec<MomentSaid>, ClientError> {
        let query = [("title", Some(title.to_owned())), ("version", version.map(str::to_owned))];
        self.get::<Page<_>>("/api/v1/rollouts/timeline", &query).map(|page| page.items)
    }

    /// Disruption groups, with those who are away.
    pub fn groups(&self) -> Result<Vec<GroupSaid>, ClientError> {
        self.get::<Page<_>>("/api/v1/groups", &[]).map(|page| page.items)
    }

    /// What people say is broken; of one status, or all.
    pub fn reports(&self, status: Option<ReportStatus>, title: Option<&str>) -> Result<Vec<ReportSaid>, ClientError> {
        let query = [("status", status.as_ref().and_then(word)), ("title", title.map(str::to_owned))];
        self.all("/api/v1/reports", &query)
    }

    /// A report, with its words where the token may read them.
    pub fn report(&self, id: &str) -> Result<ReportSaid, ClientError> {
        self.get(&format!("/api/v1/reports/{}", escaped(id)), &[])
    }

    /// Says that something is broken.
    pub fn open_report(&self, report: &NewReport) -> Result<Written, ClientError> {
        self.post("/api/v1/reports", Some(report))
    }

    /// Says that one looks at a report.
    pub fn acknowledge_report(&self, id: &str) -> Result<Written, ClientError> {
        self.post(&format!("/api/v1/reports/{}/acknowledge", escaped(id)), None::<&()>)
    }

    /// Answers a report.
    pub fn close_report(&self, id: &str, close: &CloseReport) -> Result<ReportIsClosed, ClientError> {
        self.post(&format!("/api/v1/reports/{}/close", escaped(id)), Some(close))
    }

    /// The block of what a report was closed with, as a change of the policy repository.
    pub fn report_patch(&self, id: &str) -> Result<Patch, ClientError> {
        self.get(&format!("/api/v1/reports/{}/patch", escaped(id)), &[])
    }

    /// Exceptions of the policy in force, and those that were asked for.
    pub fn exceptions(&self) -> Result<Vec<ExceptionSaid>, ClientError> {
        self.get::<Page<_>>("/api/v1/exceptions", &[]).map(|page| page.items)
    }

    /// One of them.
    pub fn exception(&self, name: &str) -> Result<ExceptionSaid, ClientError> {
        self.get(&format!("/api/v1/exceptions/{}", escaped(name)), &[])
    }

    /// Asks for an exception.
    pub fn request_exception(&self, exception: &NewException) -> Result<ExceptionChanged, ClientError> {
        self.post("/api/v1/exceptions", Some(exception))
    }

    /// Agrees to an exception.
    pub fn approve_exception(&self, name: &str) -> Result<ExceptionChanged, ClientError> {
        self.post(&format!("/api/v1/exceptions/{}/approve", escaped(name)), None::<&()>)
    }

    /// Refuses an exception.
    pub fn refuse_exception(&self, name: &str, why: &str) -> Result<Written, ClientError> {
        self.post(&format!("/api/v1/exceptions/{}/refuse", escaped(name)), Some(&Why { why: why.to_owned() }))
    }

    /// Takes an exception back.
    pub fn withdraw_exception(&self, name: &str, why: &str) -> Result<Written, ClientError> {
        self.post(&format!("/api/v1/exceptions/{}/withdraw", escaped(name)), Some(&Why { why: why.to_owned() }))
    }

    /// An exception as a change of the policy repository.
    pub fn exception_patch(&self, name: &str) -> Result<Patch, ClientError> {
        self.get(&format!("/api/v1/exceptions/{}/patch", escaped(name)), &[])
    }

    /// Gives a lease of a disruption group back by hand.
    pub fn give_back(&self, lease: &GiveBack) -> Result<Written, ClientError> {
        self.post("/api/v1/groups/give-back", Some(lease))
    }

    /// Answers in the place of a webhook.
    pub fn answer_webhook(&self, answer: &WebhookAnswer) -> Result<Written, ClientError> {
        self.post("/api/v1/groups/answers", Some(answer))
    }

    /// The webhooks that policies may name.
    pub fn webhooks(&self) -> Result<Vec<Webhook>, ClientError> {
        self.get::<Page<_>>("/api/v1/settings/webhooks", &[]).map(|page| page.items)
    }

    /// Binds the name of a webhook to an address, or to none.
    pub fn set_webhook(&self, name: &str, url: Option<&str>) -> Result<Written, ClientError> {
        let path = format!("/api/v1/settings/webhooks/{}", escaped(name));
        self.put(&path, &WebhookAddress { url: url.map(str::to_owned) })
    }

    /// Halts a release for three days.
    pub fn halt(&self, release: &ReleaseAndWhy) -> Result<Written, ClientError> {
        self.post("/api/v1/rollouts/halt", Some(release))
    }

    /// Lets a halted release go on.
    pub fn resume(&self, release: &ReleaseAndWhy) -> Result<Written, ClientError> {
        self.post("/api/v1/rollouts/resume", Some(release))
    }

    /// Lets a release wait for no gate.
    pub fn expedite(&self, release: &ReleaseAndWhy) -> Result<Written, ClientError> {
        self.post("/api/v1/rollouts/expedite", Some(release))
    }

    /// The signals that gates listen to.
    pub fn signals(&self) -> Result<Vec<SignalSaid>, ClientError> {
        self.get::<Page<_>>("/api/v1/signals", &[]).map(|page| page.items)
    }

    /// The sources that the server reads.
    pub fn sources(&self) -> Result<Vec<SourceSaid>, ClientError> {
        self.get::<Page<_>>("/api/v1/sources", &[]).map(|page| page.items)
    }

    /// The targets that the server looks at.
    pub fn targets(&self) -> Result<Vec<TargetSaid>, ClientError> {
        self.get::<Page<_>>("/api/v1/targets", &[]).map(|page| page.items)
    }

    /// Says what a monitoring system says of devices.
    pub fn tell_signal(&self, signal: &NewSignal) -> Result<Written, ClientError> {
        self.post("/api/v1/signals", Some(signal))
    }

    /// Opens a ring by hand.
    pub fn open_ring(&self, ring: &OpenRing) -> Result<Written, ClientError> {
        self.post("/api/v1/rollouts/rings", Some(ring))
    }

    /// Answers a gate by hand.
    pub fn answer_gate(&self, gate: &GateAnswered) -> Result<Written, ClientError> {
        self.post("/api/v1/rollouts/gates", Some(gate))
    }

    /// Whether everything is stopped.
    pub fn brake(&self) -> Result<Brake, ClientError> {
        self.get("/api/v1/brake", &[])
    }

    /// Stops everything.
    pub fn stop(&self, why: &str) -> Result<Written, ClientError> {
        self.post("/api/v1/brake/stop", Some(&Why { why: why.to_owned() }))
    }

    /// Lets everything go on.
    pub fn go_on(&self, why: &str) -> Result<Written, ClientError> {
        self.post("/api/v1/brake/go-on", Some(&Why { why: why.to_owned() }))
    }

    /// Begins a sign-in; this needs no token.
    pub fn begin_sign_in(&self) -> Result<SignInBegun, ClientError> {
        self.post("/api/v1/sign-in/begin", None::<&()>)
    }

    /// Finishes a sign-in: gives a token; this needs none.
    pub fn finish_sign_in(&self, proof: &SignInProof) -> Result<TokenMade, ClientError> {
        self.post("/api/v1/sign-in", Some(proof))
    }

    /// What is known of the token that this client asks with.
    pub fn session(&self) -> Result<Token, ClientError> {
        self.get("/api/v1/session", &[])
    }

    /// Signs out: the token that this client asks with no longer counts.
    pub fn end_session(&self) -> Result<Written, ClientError> {
        self.delete("/api/v1/session")
    }

    /// All tokens.
    pub fn tokens(&self) -> Result<Vec<Token>, ClientError> {
        self.get::<Page<_>>("/api/v1/tokens", &[]).map(|page| page.items)
    }

    /// Makes a token.
    pub fn create_token(&self, token: &NewToken) -> Result<TokenMade, ClientError> {
        self.post("/api/v1/tokens", Some(token))
    }

    /// Revokes a token.
    pub fn revoke_token(&self, id: &str) -> Result<Written, ClientError> {
        self.delete(&format!("/api/v1/tokens/{}", escaped(id)))
    }

    /// What the server knows of the organisation's keys, and its own.
    pub fn trust(&self) -> Result<Trust, ClientError> {
        self.get("/api/v1/trust", &[])
    }

    /// Publishes a root: the first one, or the one that follows the newest.
    pub fn publish_root(&self, root: &RootEnvelope) -> Result<Written, ClientError> {
        self.post("/api/v1/roots", Some(root))
    }

    /// The root of a number; `None` where it is not published.
    pub fn root(&self, version: u64) -> Result<Option<RootEnvelope>, ClientError> {
        match self.get(&format!("/api/v1/roots/{version}"), &[]) {
            Err(error) if error.code() == Some("not-found") => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Publishes a mandate.
    pub fn publish_mandate(&self, mandate: &MandateEnvelope) -> Result<Written, ClientError> {
        self.post("/api/v1/mandates", Some(mandate))
    }

    /// The mandate in force; `None` where there is none.
    pub fn mandate(&self) -> Result<Option<MandateEnvelope>, ClientError> {
        match self.get("/api/v1/mandates/current", &[]) {
            Err(error) if error.code() == Some("not-found") => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// All enrolment tokens.
    pub fn enrolments(&self) -> Result<Vec<Enrolment>, ClientError> {
        self.get::<Page<_>>("/api/v1/enrolments", &[]).map(|page| page.items)
    }

    /// Makes an enrolment token.
    pub fn create_enrolment(&self, enrolment: &NewEnrolment) -> Result<EnrolmentMade, ClientError> {
        self.post("/api/v1/enrolments", Some(enrolment))
    }

    /// Revokes an enrolment token. Devices that it has enrolled stay.
    pub fn revoke_enrolment(&self, id: &str) -> Result<Written, ClientError> {
        self.delete(&format!("/api/v1/enrolments/{}", escaped(id)))
    }

    /// Revokes the certificates of a device: it has to enrol again.
    pub fn revoke_certificates(&self, device: &str, why: &str) -> Result<Written, ClientError> {
        let path = format!("/api/v1/devices/{}/certificates/revoke", escaped(device));
        self.post(&path, Some(&Why { why: why.to_owned() }))
    }

    /// What the budgets say now.
    pub fn budgets(&self) -> Result<Vec<BudgetSaid>, ClientError> {
        self.get::<Page<_>>("/api/v1/budgets", &[]).map(|page| page.items)
    }

    /// How many people have to approve a plan.
    pub fn set_approvals(&self, approvals: u32) -> Result<Written, ClientError> {
        self.put("/api/v1/settings/approvals", &Settings { approvals })
    }
}

/// How long one request for events waits.
const WAIT: Duration = Duration::from_secs(30);

/// Events as they come. After an error it may be asked again, and goes on where it was.
#[derive(Debug)]
pub struct Follow<'c> {
    client: &'c Client,
    after: u64,
    kind: Option<String>,
    ready: std::vec::IntoIter<Event>,
}

impl Iterator for Follow<'_> {
    type Item = Result<Event, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.ready.next() {
                return Some(Ok(event));
            }
            match self.client.events(self.after, self.kind.as_deref(), WAIT) {
                Ok(page) => {
                    self.after = page.next;
                    self.ready = page.items.into_iter();
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
