//! Writing a line: the one spelling that is read again.

use super::{Beacon, Entry, Range, Revealed};
use crate::hex::Hex;
use std::fmt;

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit {
                at,
                draw,
                commitment,
                beacon,
            } => match beacon {
                None => write!(f, "commit {at} {draw} {commitment} none"),
                Some(beacon) => write!(f, "commit {at} {draw} {commitment} {beacon}"),
            },
            Self::Join {
                at,
                lane,
                first,
                count,
                root,
            } => {
                write!(f, "join {at} {lane} {first} {count} {root}")
            }
            Self::Freeze { at, draw, ranges } => {
                write!(f, "freeze {at} {draw} ")?;
                for (index, range) in ranges.iter().enumerate() {
                    write!(f, "{}{range}", if index == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Reveal {
                at,
                draw,
                secret,
                beacon,
            } => write!(f, "reveal {at} {draw} {secret} {beacon}"),
            Self::Call {
                at,
                lane,
                called,
                claimed,
                missed,
            } => {
                write!(f, "call {at} {lane} {called} {claimed} {missed}")
            }
            Self::Operator { at, actor, text } => write!(f, "operator {at} {} {}", actor.0, text.0),
            Self::Edge { at, text } => write!(f, "edge {at} {}", text.0),
        }
    }
}

impl fmt::Display for Beacon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drand:{}:{}", Hex(&self.chain), self.round)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.lane, self.from, self.to)
    }
}

impl fmt::Display for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Missing => f.write_str("missing"),
            Self::Signature(signature) => Hex(signature).fmt(f),
        }
    }
}
