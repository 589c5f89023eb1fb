//! The documents of a policy repository, as they are written.
//!
//! These types are the single source: the JSON Schemas that editors use, the checks of a document's shape, and the
//! deserialisation all come from them. What a document means once names are resolved is `policy::repository`.

pub mod mandate;
pub mod organization;
pub mod outside;
pub mod policy;
pub mod posture;
pub mod rules;
pub mod scalars;
pub mod test;
pub mod title;

use schemars::{JsonSchema, Schema};

/// Every kind of document, with the key that it starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`organization::OrganizationDocument`]
    Organization,
    /// [`policy::PolicyDocument`]
    Policy,
    /// [`policy::BlockDocument`]
    Block,
    /// [`policy::ExceptionDocument`]
    Exception,
    /// [`title::TitleDocument`]
    Title,
    /// [`outside::SourceDocument`]
    Source,
    /// [`outside::TargetSystemDocument`]
    Target,
    /// [`outside::IdentitiesDocument`]
    Identities,
    /// [`outside::GoalDocument`]
    Goal,
    /// [`outside::GuaranteeDocument`]
    Guarantee,
    /// [`mandate::MandateDocument`]
    Mandate,
    /// [`posture::PostureDocument`]
    Posture,
    /// [`rules::ExceptionRulesDocument`]
    ExceptionRules,
    /// [`outside::ProcessDocument`]
    Process,
    /// [`test::TestDocument`]
    Test,
}

impl Kind {
    /// All kinds, in the order in which help texts list them.
    pub const ALL: [Kind; 15] = [
        Kind::Organization,
        Kind::Policy,
        Kind::Block,
        Kind::Exception,
        Kind::Title,
        Kind::Source,
        Kind::Target,
        Kind::Identities,
        Kind::Goal,
        Kind::Guarantee,
        Kind::Mandate,
        Kind::Posture,
        Kind::ExceptionRules,
        Kind::Process,
        Kind::Test,
    ];

    /// The key that a document of this kind starts with.
    pub fn key(self) -> &'static str {
        match self {
            Kind::Organization => "organization",
            Kind::Policy => "policy",
            Kind::Block => "block",
            Kind::Exception => "exception",
            Kind::Title => "title",
            Kind::Source => "source",
            Kind::Target => "target",
            Kind::Identities => "identities",
            Kind::Goal => "goal",
            Kind::Guarantee => "guarantee",
            Kind::Mandate => "mandate",
            Kind::Posture => "posture",
            Kind::ExceptionRules => "exception_rules",
            Kind::Process => "process",
            Kind::Test => "test",
        }
    }

    /// The kind of a document that starts with `key`.
    pub fn of_key(key: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.key() == key)
    }

    /// The JSON Schema of the kind.
    pub fn schema(self) -> Schema {
        fn of<T: JsonSchema>() -> Schema {
            schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>()
        }
        match self {
            Kind::Organization => of::<organization::OrganizationDocument>(),
            Kind::Policy => of::<policy::PolicyDocument>(),
            Kind::Block => of::<policy::BlockDocument>(),
            Kind::Exception => of::<policy::ExceptionDocument>(),
            Kind::Title => of::<title::TitleDocument>(),
            Kind::Source => of::<outside::SourceDocument>(),
            Kind::Target => of::<outside::TargetSystemDocument>(),
            Kind::Identities => of::<outside::IdentitiesDocument>(),
            Kind::Goal => of::<outside::GoalDocument>(),
            Kind::Guarantee => of::<outside::GuaranteeDocument>(),
            Kind::Mandate => of::<mandate::MandateDocument>(),
            Kind::Posture => of::<posture::PostureDocument>(),
            Kind::ExceptionRules => of::<rules::ExceptionRulesDocument>(),
            Kind::Process => of::<outside::ProcessDocument>(),
            Kind::Test => of::<test::TestDocument>(),
        }
    }
}
