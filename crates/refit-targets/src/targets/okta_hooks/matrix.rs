//! What an answer to Okta's hooks makes of each intent.
//!
//! Refit answers itself, when Okta asks: by what the policies say of a person's devices at that moment, and by the `posture:` document of the token
//! that asks. So a policy is not written into Okta, and what it says holds as far as posture has it (`docs/guides/posture.md`).

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy},
};

/// What changes a device, and is none of a sign-in's.
const NO_CHANGE: Answer = Emitted("A sign-in changes no device.");
/// What is held.
const HELD: Answer = Emitted("What it holds is warned of or counts, as `held:` of the `posture:` document says.");
/// What moves a due time.
const DUE_TIME: Answer = Emitted("It is part of the due time, by which Refit answers.");
/// Which release it has to be.
const SATISFIES: Answer = Emitted("What does not satisfy is overdue at its due time, and is answered so.");

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Lossy(
            "Okta does not say on which device somebody signs in: a person's devices count together, all or any of them as `devices:` of the \
             `posture:` document says.",
        ),
        Intent::Undetermined => Emitted("What is answered then is `stale` of the `posture:` document."),
        Intent::IfPresent | Intent::Required | Intent::Forbidden => SATISFIES,
        Intent::Profile => Emitted("A copy in a profile counts as any other."),
        Intent::Provisioning => Emitted("Whoever is not overdue is let in."),
        Intent::Latest | Intent::Behind | Intent::Range | Intent::Branch | Intent::Accept => SATISFIES,
        Intent::Downgrade => Emitted("Who is above a pin is compliant, and is let in."),
        Intent::Block => HELD,
        Intent::HoldAt => Emitted("Who has to stay in a range is held to it, and is answered so."),
        Intent::Named | Intent::Packages => Emitted("All titles that policies speak of count, packages as well."),
        Intent::MinAge | Intent::Due | Intent::DueByExposure | Intent::PhaseIn | Intent::ExceptionDue => DUE_TIME,
        Intent::AtDue => HELD,
        Intent::Window | Intent::WindowYields | Intent::WindowWaits | Intent::ExceptionWindow => NO_CHANGE,
        Intent::ExceptionRestart => NO_CHANGE,
        Intent::Freeze | Intent::FreezeUnless => HELD,
        Intent::Grace => Emitted("Who is in grace is warned, whatever else is written."),
        Intent::Rings | Intent::Snapshots | Intent::Gates => HELD,
        Intent::Hurry => DUE_TIME,
        Intent::Budgets | Intent::Disruption | Intent::Brake => HELD,
        Intent::Observe => Emitted("It is listed, and keeps nobody out."),
        Intent::NotifyOnly => Emitted("What is overdue counts as under `enforce`; begin with `strategy: tell`."),
        Intent::Notice => Lossy("People read at a sign-in why they are kept out; Okta tells nobody before."),
        Intent::Defer => Emitted("Putting off ends at the due time."),
        Intent::RelaunchAsk | Intent::RelaunchAtDue | Intent::RelaunchNever | Intent::Busy => NO_CHANGE,
        Intent::RebootAsk | Intent::RebootAtDue | Intent::RebootNever => NO_CHANGE,
        Intent::Observed => Emitted("Refit answers by what it saw itself."),
    }
}
