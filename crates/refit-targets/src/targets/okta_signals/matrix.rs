//! What a stream of Shared Signals makes of each intent.
//!
//! A token says of one device that it complies no longer, or does again: whether anything on it is overdue. It has no place for what holds something,
//! nor for how an organisation wants to answer that, so that more is told than `posture:` would keep out.

use crate::{
    intent::Intent,
    target::Answer::{self, Emitted, Lossy},
};

/// What changes a device, and is none of a stream's.
const NO_CHANGE: Answer = Emitted("A token changes no device.");
/// What is held.
const HELD: Answer =
    Lossy("What it holds is overdue at its due time all the same, and is told: a token has no place for why.");
/// What moves a due time.
const DUE_TIME: Answer = Emitted("It is part of the due time, at which the device is told.");
/// Which release it has to be.
const SATISFIES: Answer = Emitted("What does not satisfy is overdue at its due time, and is told.");

/// The answer for an intent.
pub(super) fn answer(intent: Intent) -> Answer {
    match intent {
        Intent::Where => Emitted("A token names the device, and its person where the stream may."),
        Intent::Undetermined => Emitted("Of a device of which it is unknown nothing is told."),
        Intent::IfPresent | Intent::Required | Intent::Forbidden => SATISFIES,
        Intent::Profile => Emitted("A copy in a profile counts as any other."),
        Intent::Provisioning => Emitted("A device is told when something on it is overdue, and not before."),
        Intent::Latest | Intent::Behind | Intent::Range | Intent::Branch | Intent::Accept => SATISFIES,
        Intent::Downgrade => Emitted("Who is above a pin is compliant, and is not told."),
        Intent::Block => HELD,
        Intent::HoldAt => Emitted("Who has to stay in a range is held to it, and is told by it."),
        Intent::Named | Intent::Packages => Emitted("All titles that policies speak of count, packages as well."),
        Intent::MinAge | Intent::Due | Intent::DueByExposure | Intent::PhaseIn | Intent::ExceptionDue => DUE_TIME,
        Intent::AtDue => HELD,
        Intent::Window | Intent::WindowYields | Intent::WindowWaits | Intent::ExceptionWindow => NO_CHANGE,
        Intent::ExceptionRestart => NO_CHANGE,
        Intent::Freeze => HELD,
        Intent::FreezeUnless => Emitted("Where a freeze yields it holds nobody."),
        Intent::Grace => HELD,
        Intent::Rings | Intent::Snapshots | Intent::Gates => HELD,
        Intent::Hurry => DUE_TIME,
        Intent::Budgets | Intent::Disruption | Intent::Brake => HELD,
        Intent::Observe => {
            Lossy("A device is told also for what is only observed: a token does not say of which policy.")
        }
        Intent::NotifyOnly => Emitted("What is overdue is told as under `enforce`."),
        Intent::Notice => Lossy("Okta acts when a device is late; people are told by nobody before."),
        Intent::Defer => Emitted("Putting off ends at the due time."),
        Intent::RelaunchAsk | Intent::RelaunchAtDue | Intent::RelaunchNever | Intent::Busy => NO_CHANGE,
        Intent::RebootAsk | Intent::RebootAtDue | Intent::RebootNever => NO_CHANGE,
        Intent::Observed => Emitted("What Refit saw itself counts."),
    }
}
