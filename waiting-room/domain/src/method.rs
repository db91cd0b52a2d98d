//! How a room lines people up.

use std::{fmt, str::FromStr};

/// Who comes before whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// First come, first served, from the pre-queue on.
    Fifo,
    /// Who is there when the doors open is drawn in random order; who comes later stands behind, first come, first
    /// served.
    #[default]
    Shuffle,
    /// Always by draw, round after round: who waits is drawn in random order, who comes meanwhile is in the next
    /// round. So nobody gains by being fast, and nobody waits for ever.
    Random,
    /// No line: everybody comes in, whatever the limits say.
    Passthrough,
    /// No line: nobody comes in.
    Reject,
}

/// No such method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("method must be one of fifo, shuffle, random, passthrough, reject")]
pub struct NoSuchMethod;

impl Method {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Fifo, "fifo"),
        (Self::Shuffle, "shuffle"),
        (Self::Random, "random"),
        (Self::Passthrough, "passthrough"),
        (Self::Reject, "reject"),
    ];

    /// The word for it in config, JSON and log.
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(method, _)| *method == self)
            .map_or("", |(_, word)| word)
    }

    /// Whether chance has a part in it, so that there is something to commit to.
    pub fn draws(self) -> bool {
        matches!(self, Self::Shuffle | Self::Random)
    }

    /// Whether there is a line at all.
    pub fn lines_up(self) -> bool {
        !matches!(self, Self::Passthrough | Self::Reject)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = NoSuchMethod;

    fn from_str(text: &str) -> Result<Self, NoSuchMethod> {
        let found = Self::ALL.iter().find(|(_, word)| *word == text);
        found.map(|(method, _)| *method).ok_or(NoSuchMethod)
    }
}
