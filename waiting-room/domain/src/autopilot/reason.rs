//! Why the rate is as it is, in words for operators.

use std::{fmt, str::FromStr};

/// Which signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignalName {
    /// Orders accepted and not decided yet.
    Backlog,
    /// How long the oldest of them waits.
    OldestAge,
    /// How long decisions take.
    DecisionP90,
    /// How soon the origin answers.
    OriginP90,
    /// How often the origin fails.
    OriginErrors,
}

impl SignalName {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Backlog,
        Self::OldestAge,
        Self::DecisionP90,
        Self::OriginP90,
        Self::OriginErrors,
    ];

    const WORDS: [(Self, &'static str); 5] = [
        (Self::Backlog, "backlog"),
        (Self::OldestAge, "oldest_age_ms"),
        (Self::DecisionP90, "decision_p90_ms"),
        (Self::OriginP90, "origin_p90_ms"),
        (Self::OriginErrors, "origin_errors_percent"),
    ];

    /// The word for it in JSON, metrics and logs.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(name, _)| *name == self)
            .map_or("", |(_, word)| word)
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No word for a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a signal")]
pub struct NotASignal;

impl FromStr for SignalName {
    type Err = NotASignal;

    fn from_str(text: &str) -> Result<Self, NotASignal> {
        let found = Self::WORDS.iter().find(|(_, word)| *word == text);
        found.map(|(name, _)| *name).ok_or(NotASignal)
    }
}

/// Why the rate is as it is, with the numbers that decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is held back.
    Clear,
    /// Cut: a signal is over its target.
    Over {
        /// Which.
        signal: SignalName,
        /// What it says.
        value: u64,
        /// What it should not exceed.
        target: u64,
    },
    /// Kept: a signal is over its target but falls.
    Easing {
        /// Which.
        signal: SignalName,
        /// What it says.
        value: u64,
        /// What it said a step ago.
        was: u64,
    },
    /// Kept: a signal is not well under its target.
    Near {
        /// Which.
        signal: SignalName,
        /// What it says.
        value: u64,
        /// What it should not exceed.
        target: u64,
    },
    /// Raised: every signal is well under its target.
    Recovering,
    /// Kept: a signal was not heard of.
    Blind {
        /// Which.
        signal: SignalName,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// Cut: a signal was not heard of for too long.
    BlindTooLong {
        /// Which.
        signal: SignalName,
        /// For how long, in seconds.
        seconds: u64,
    },
}

impl Reason {
    /// One word of a few, for metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Over { .. } => "over",
            Self::Easing { .. } => "easing",
            Self::Near { .. } => "near",
            Self::Recovering => "recovering",
            Self::Blind { .. } => "blind",
            Self::BlindTooLong { .. } => "blind_too_long",
        }
    }

    /// The signal that decided, if it was one.
    pub fn signal(&self) -> Option<SignalName> {
        match *self {
            Self::Clear | Self::Recovering => None,
            Self::Over { signal, .. }
            | Self::Easing { signal, .. }
            | Self::Near { signal, .. }
            | Self::Blind { signal, .. }
            | Self::BlindTooLong { signal, .. } => Some(signal),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clear => f.write_str("nothing is held back"),
            Self::Over {
                signal,
                value,
                target,
            } => write!(f, "{signal} {value} over {target}"),
            Self::Easing { signal, value, was } => write!(f, "{signal} {value} falls from {was}"),
            Self::Near {
                signal,
                value,
                target,
            } => write!(f, "{signal} {value} near {target}"),
            Self::Recovering => f.write_str("every signal is well under its target"),
            Self::Blind { signal, seconds } => write!(f, "{signal} not heard of for {seconds} s, holding"),
            Self::BlindTooLong { signal, seconds } => {
                write!(f, "{signal} not heard of for {seconds} s, going down")
            }
        }
    }
}
