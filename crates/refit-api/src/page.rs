//! Lists, in pages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct Page<T> {
    /// What is listed.
    pub items: Vec<T>,
    /// Give this as `cursor` for what comes after; absent where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that is whole.
    pub fn whole(items: Vec<T>) -> Page<T> {
        Page { items, next: None }
    }
}

/// Devices.
pub type DevicePage = Page<crate::DeviceSummary>;
/// People.
pub type PersonPage = Page<crate::Person>;
/// Titles.
pub type TitlePage = Page<crate::TitleSummary>;
/// Releases.
pub type ReleasePage = Page<crate::ReleaseSaid>;
/// Advisories.
pub type AdvisoryPage = Page<crate::AdvisorySaid>;
/// Exposures.
pub type ExposurePage = Page<crate::Exposure>;
/// Policies.
pub type PolicyPage = Page<crate::PolicySummary>;
/// Exceptions.
pub type ExceptionPage = Page<crate::ExceptionSaid>;
/// Reports.
pub type ReportPage = Page<crate::ReportSaid>;
/// Plans.
pub type PlanPage = Page<crate::PlanSummary>;
/// What has happened to releases.
pub type TimelinePage = Page<crate::MomentSaid>;
/// Rollouts.
pub type RolloutPage = Page<crate::RolloutSaid>;
/// A page of signals.
pub type SignalPage = Page<crate::SignalSaid>;
/// Sources.
pub type SourcePage = Page<crate::SourceSaid>;
/// Targets.
pub type TargetPage = Page<crate::TargetSaid>;
/// Subscriptions.
pub type SubscriptionPage = Page<crate::Subscription>;
/// Attempts to deliver events.
pub type DeliveryPage = Page<crate::DeliverySaid>;
/// Events that were given up.
pub type DeadLetterPage = Page<crate::DeadLetter>;
/// Disruption groups.
pub type GroupPage = Page<crate::GroupSaid>;
/// Webhooks.
pub type WebhookPage = Page<crate::Webhook>;
/// Tokens.
pub type TokenPage = Page<crate::Token>;
/// Enrolment tokens.
pub type EnrolmentPage = Page<crate::Enrolment>;
/// Budgets.
pub type BudgetPage = Page<crate::BudgetSaid>;
