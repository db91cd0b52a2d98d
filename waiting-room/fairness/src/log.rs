//! The lines of the public log: what happened to a line, one plain text line each, hashed as the bytes it is.
//!
//! | line | when |
//! |---|---|
//! | `commit <at> <draw> <SHA-256 of the secret> <beacon>` | before anybody of that draw joins |
//! | `join <at> <lane> <first> <count> <root>` | a group got numbers |
//! | `freeze <at> <draw> <lane>:<from>:<to>[,…]` | these numbers are drawn now |
//! | `reveal <at> <draw> <secret> <signature, none or missing>` | the draw is done |
//! | `call <at> <lane> <called> <claimed> <missed>` | the line moved; counts since the line began |
//! | `operator <at> <actor> <text>` | somebody took a hand in it |
//! | `edge <at> <text>` | something happened that shoppers may ask about |
//!
//! Times are Unix milliseconds by the store's clock, bytes are lower case hexadecimal, every value has one spelling.

mod read;
mod write;

use crate::{Commitment, Root, Secret, text::decimal};
use read::Words;
use std::str::FromStr;

/// More text than anybody reads in a line.
const TEXT_MAX: usize = 400;
const ACTOR_MAX: usize = 32;
/// A compressed signature is 48 or 96 bytes.
const SIGNATURE_MAX: usize = 96;

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The secret of a draw can no longer be chosen, nor the beacon's round.
    Commit {
        /// When.
        at: u64,
        /// Which draw of this line, from 0.
        draw: u32,
        /// The secret's hash.
        commitment: Commitment,
        /// The beacon that will be mixed in.
        beacon: Option<Beacon>,
    },
    /// A group got the numbers `first..first + count` of a lane.
    Join {
        /// When.
        at: u64,
        /// Which lane.
        lane: u8,
        /// Their first number.
        first: u64,
        /// How many.
        count: u32,
        /// The hash tree of their tickets.
        root: Root,
    },
    /// These numbers are drawn; who joins from now on is not among them.
    Freeze {
        /// When.
        at: u64,
        /// Which draw.
        draw: u32,
        /// One for each lane.
        ranges: Vec<Range>,
    },
    /// What the draw came from: from now on everybody can compute it.
    Reveal {
        /// When.
        at: u64,
        /// Which draw.
        draw: u32,
        /// What was committed to.
        secret: Secret,
        /// What the beacon said.
        beacon: Revealed,
    },
    /// How far the line has moved.
    Call {
        /// When.
        at: u64,
        /// Which lane.
        lane: u8,
        /// Ranks below this have been called.
        called: u64,
        /// How many came.
        claimed: u64,
        /// How many did not.
        missed: u64,
    },
    /// Somebody who runs the room did something.
    Operator {
        /// When.
        at: u64,
        /// Who.
        actor: Actor,
        /// What.
        text: Text,
    },
    /// Something else that shoppers may ask about.
    Edge {
        /// When.
        at: u64,
        /// What.
        text: Text,
    },
}

/// The numbers `from..to` of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Which lane.
    pub lane: u8,
    /// The first number.
    pub from: u64,
    /// The number after the last.
    pub to: u64,
}

/// A round of a drand beacon. Written `drand:<chain hash>:<round>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// Which network, by the hash of its description.
    pub chain: [u8; 32],
    /// Which round.
    pub round: u64,
}

/// What a reveal says of the beacon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revealed {
    /// There was none to wait for.
    None,
    /// It could not be had, and the draw was done without.
    Missing,
    /// Its signature of the round.
    Signature(Vec<u8>),
}

impl Revealed {
    /// The signature, if there is one.
    pub fn signature(&self) -> Option<&[u8]> {
        match self {
            Self::Signature(signature) => Some(signature),
            Self::None | Self::Missing => None,
        }
    }
}

/// Who did it: 1 to 32 of `a-z`, `0-9`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// The actor with this name, if it may be one.
    pub fn parse(name: &str) -> Option<Self> {
        let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let fits = (1..=ACTOR_MAX).contains(&name.len()) && name.bytes().all(allowed);
        fits.then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that stays within its line: 1 to 400 printable ASCII characters, no space at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// `text` as far as it fits: what is not printable ASCII becomes `?`, what is too long is cut off.
    pub fn new(text: &str) -> Self {
        let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
        let cut: String = text.trim().chars().take(TEXT_MAX).map(printable).collect();
        let cut = cut.trim_end();
        Self(if cut.is_empty() { "?" } else { cut }.to_owned())
    }

    /// `text`, if it stays as it is.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self::new(text)).filter(|same| same.0 == text)
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a line is not one of the log's. Names what is wrong with it, by field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The first word is none of ours.
    #[error("no such kind of line")]
    Kind,
    /// Fewer or more words than this kind of line has.
    #[error("a field is missing or too much")]
    Fields,
    /// This one does not say what it must.
    #[error("the {0} is malformed")]
    Malformed(&'static str),
}

impl Entry {
    /// When it was written, in Unix milliseconds.
    pub fn at(&self) -> u64 {
        match self {
            Self::Commit { at, .. }
            | Self::Join { at, .. }
            | Self::Freeze { at, .. }
            | Self::Reveal { at, .. }
            | Self::Call { at, .. }
            | Self::Operator { at, .. }
            | Self::Edge { at, .. } => *at,
        }
    }

    /// The entry that `line` is, without the character that ended it.
    ///
    /// # Errors
    /// [`LineError`], for anything else: only what [`Display`](std::fmt::Display) writes is read. Never panics.
    pub fn parse(line: &str) -> Result<Self, LineError> {
        let mut words = Words(Some(line));
        let kind = words.word()?;
        let read = match kind {
            "commit" => Words::commit,
            "join" => Words::join,
            "freeze" => Words::freeze,
            "reveal" => Words::reveal,
            "call" => Words::call,
            "operator" => Words::operator,
            "edge" => Words::edge,
            _ => return Err(LineError::Kind),
        };
        let at = words.read("time", decimal)?;
        let entry = read(&mut words, at)?;
        if words.0.is_none() {
            Ok(entry)
        } else {
            Err(LineError::Fields)
        }
    }
}

impl FromStr for Entry {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        Self::parse(line)
    }
}

#[cfg(test)]
mod tests;
