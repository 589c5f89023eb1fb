//! The JSON Schema of every type, and its name for OpenAPI.
//!
//! Schemas are made by `schemars` alone, also those of the core's types that are part of answers, so that one derive says what
//! is so. utoipa is given references; [`schemas`] is what they refer to.

use crate::*;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema},
};

/// Names types for utoipa, and collects their schemas.
macro_rules! wire {
    ($($name:ident),* $(,)?; $($item:ident),* $(,)?) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    reference::<$name>()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    <$name as JsonSchema>::schema_name()
                }
            }
        )*

        fn collect(generator: &mut SchemaGenerator) {
            $(generator.subschema_for::<$name>();)*
            $(generator.subschema_for::<Page<$item>>();)*
        }
    };
}

fn reference<T: JsonSchema>() -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name(T::schema_name()))
}

impl<T: JsonSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        reference::<Page<T>>()
    }
}

impl<T: JsonSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        <Page<T> as JsonSchema>::schema_name()
    }
}

wire! {
    Applied, AskPosture, Assignment, AuditPage, Brake, CloseReport, DeclarativeManagement, Device, DeviceDecisions, DeviceDeclarations, DeviceDirectives, DeviceSummary, Enrol, EnrolmentMade, Event, EventPage, ExceptionChanged, ExceptionSaid, Explanation, GateAnswered, GiveBack, Health, KeySet, MandateEnvelope, NewAdvisories, NewEnrolment, NewException, NewObservation, NewPersonObservation, NewPlan, NewReceipt, NewReleases, NewReport, NewSignal, NewSubscription, NewToken, Observed, OpenRing, Patch, Person, Plan, PlanChanged, PlanPreview, PolicyInForce, PostureSaid, Problem, ReleaseAndWhy, Replay, Replayed, ReportIsClosed, ReportSaid, RootEnvelope, Settings, SignInBegun, SignInProof, StreamPage, Subscription, SubscriptionMade, Token, TokenMade, Trust, WebhookAddress, WebhookAnswer, WebhookQuestion, Why, Written;
    AdvisorySaid, BudgetSaid, DeadLetter, DeliverySaid, DeviceSummary, Enrolment, Event, ExceptionSaid, Exposure, GroupSaid, MomentSaid, Person, PlanSummary, PolicySummary, ReleaseSaid, ReportSaid, RolloutSaid, SignalSaid, SourceSaid, Subscription, TargetSaid,
    TitleSummary, Token, Webhook,
}

/// The schemas of all types, by name, as `components.schemas` of an OpenAPI document holds them.
pub fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    collect(&mut generator);
    generator.take_definitions(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        let schemas = schemas();
        let text = serde_json::to_string(&schemas).unwrap();
        let mut count = 0;
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name}");
            count += 1;
        }
        assert!(count > 20, "{count}");
        assert!(schemas.contains_key("PageOfDeviceSummary"));
    }
}
