//! What goes wrong: every kind of fault, so that each can be left out and counted.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// Declares the faults with their names.
macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[$doc])* $variant,)* }

        impl Fault {
            /// All kinds.
            pub const ALL: &'static [Fault] = &[$(Fault::$variant),*];

            /// Its name on the command line and in reports.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$variant => $name,)* }
            }
        }
    };
}

faults! {
    /// An append fails, and nothing is durable.
    AppendFails = "append-fails",
    /// An append is durable, and its caller is told that it failed.
    AckLost = "ack-lost",
    /// Every append fails for some hours.
    DiskFull = "disk-full",
    /// The server is killed after personal values are kept and before the events are.
    CrashBeforeAppend = "crash-before-append",
    /// The server is killed after the events are durable and before it knows.
    CrashAfterAppend = "crash-after-append",
    /// The server is killed before it does what follows from events.
    CrashBeforeEffects = "crash-before-effects",
    /// The server is killed while devices are being decided.
    CrashWhileDeciding = "crash-while-deciding",
    /// The server is down for days.
    LongDowntime = "long-downtime",
    /// The data folder is put back to an earlier copy, elsewhere.
    Restore = "restore",
    /// The server's clock is set forward or back.
    ServerClockSteps = "server-clock-steps",
    /// Other inputs arrive while devices are being decided.
    StaleDecision = "stale-decision",
    /// A message never arrives.
    MessageLost = "message-lost",
    /// A message arrives twice.
    MessageRepeated = "message-repeated",
    /// A message arrives late, after others that were sent later.
    MessageDelayed = "message-delayed",
    /// The server's answer never arrives.
    ReplyLost = "reply-lost",
    /// A device's clock runs fast or slow.
    ClockDrifts = "clock-drifts",
    /// A device's clock is set to something else.
    ClockJumps = "clock-jumps",
    /// Two devices have the same id.
    ClonedId = "cloned-id",
    /// A device is put back to an image that was made of it.
    ImageRestored = "image-restored",
    /// An agent, or its machine, is killed between two things that it does.
    AgentKilled = "agent-killed",
    /// An agent, or its machine, is killed while packages are changed.
    KilledWhileApplying = "killed-while-applying",
    /// A device's disk is full for hours.
    AgentDiskFull = "agent-disk-full",
    /// The package manager would change more than it is asked for.
    MorePackages = "more-packages",
    /// Packages would come from a source that nobody permitted.
    StrangeSource = "strange-source",
    /// What needs a restart needs one after it too.
    RestartNotEnough = "restart-not-enough",
    /// Somebody else uses the package manager.
    PackageManagerBusy = "package-manager-busy",
    /// A device sleeps for weeks.
    LongSleep = "long-sleep",
    /// What a device was asked to do fails.
    DirectiveFails = "directive-fails",
    /// A source says what is not so.
    SourceLies = "source-lies",
    /// A source says nothing for a long time.
    SourceSilent = "source-silent",
    /// A source says again what it said.
    SourceRepeats = "source-repeats",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Fault, String> {
        Fault::ALL
            .iter()
            .copied()
            .find(|fault| fault.name() == name)
            .ok_or_else(|| format!("no fault is called `{name}`"))
    }
}

/// How often each fault happened.
pub type FaultCounts = BTreeMap<Fault, u64>;
