//! What can be wrong with a log.

use std::fmt;

/// Something that an honest log does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which line of the file, from 1 (the title).
    pub line: usize,
    /// What kind of problem it is.
    pub code: Code,
    /// The same in words.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} ({})", self.line, self.what, self.code)
    }
}

/// The kinds of problems. All verifiers use the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The first line is not the title of a log.
    Title,
    /// The line cannot be read.
    Malformed,
    /// Numbers were left out: somebody may have been erased.
    JoinGap,
    /// Numbers were dealt twice.
    JoinTwice,
    /// A group of nobody, or of more than a line may stand for.
    JoinCount,
    /// Commits do not count up from 0.
    CommitOrder,
    /// Somebody of the draw had joined before its secret was committed to.
    CommitLate,
    /// A freeze without a commit, or out of order.
    FreezeOrder,
    /// What was frozen is not exactly what joined since the draw before.
    FreezeRange,
    /// The first draw leaves out a lane that was joined.
    FreezeLane,
    /// A reveal without a freeze, or a second one.
    RevealOrder,
    /// The secret is not the one that was committed to.
    Secret,
    /// The reveal uses a beacon where none was committed to, or none where one was.
    BeaconChanged,
    /// The beacon was left out: the operator had two orders to choose from.
    BeaconMissing,
    /// The beacon's round was already public when the joins were frozen.
    BeaconEarly,
    /// The beacon's network is not one that the verifier knows.
    BeaconUnknown,
    /// The beacon's signature is not genuine.
    BeaconSignature,
    /// A count of the calls went down.
    CallBack,
    /// Called before it was drawn.
    CallEarly,
    /// A draw passed over numbers as already called, and they were not.
    PassedOver,
    /// More came, or did not come, than were called.
    CallCount,
}

impl Code {
    /// The name that all verifiers print.
    pub fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Malformed => "malformed",
            Self::JoinGap => "join-gap",
            Self::JoinTwice => "join-twice",
            Self::JoinCount => "join-count",
            Self::CommitOrder => "commit-order",
            Self::CommitLate => "commit-late",
            Self::FreezeOrder => "freeze-order",
            Self::FreezeRange => "freeze-range",
            Self::FreezeLane => "freeze-lane",
            Self::RevealOrder => "reveal-order",
            Self::Secret => "secret",
            Self::BeaconChanged => "beacon-changed",
            Self::BeaconMissing => "beacon-missing",
            Self::BeaconEarly => "beacon-early",
            Self::BeaconUnknown => "beacon-unknown",
            Self::BeaconSignature => "beacon-signature",
            Self::CallBack => "call-back",
            Self::CallEarly => "call-early",
            Self::PassedOver => "passed-over",
            Self::CallCount => "call-count",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
