//! What the autopilot must remember from one step to the next: a few numbers, kept in the line's store, so that it
//! goes on where it was when another edge leads.

use super::Reason;
use crate::Moment;
use std::{fmt, str::FromStr};

/// Begins the text, so that a later version can tell.
const VERSION: &str = "1";
/// Instead of a rate when nothing is held back.
const FREE: &str = "-";

/// The state of the autopilot of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutopilotState {
    /// Users a minute that it holds the room to; nothing while the operator's rate is in force as it is.
    pub held_to: Option<u32>,
    /// When it last made a step, even if that changed nothing.
    pub stepped_at: Moment,
    /// When it last heard of every signal.
    pub sighted_at: Moment,
    /// What the last step was made for.
    pub reason: Reason,
}

/// A stored state that this version does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a state of the autopilot")]
pub struct NotAState;

impl AutopilotState {
    /// A line without a past: nothing is held back, and the first step may be made at once.
    pub fn new(now: Moment) -> Self {
        Self {
            held_to: None,
            stepped_at: Moment::default(),
            sighted_at: now,
            reason: Reason::Clear,
        }
    }
}

impl fmt::Display for AutopilotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION} ")?;
        match self.held_to {
            Some(rate) => write!(f, "{rate}")?,
            None => f.write_str(FREE)?,
        }
        let (stepped, sighted) = (self.stepped_at.unix_ms(), self.sighted_at.unix_ms());
        write!(f, " {stepped} {sighted} {}", self.reason.as_str())?;
        if let Some(signal) = self.reason.signal() {
            write!(f, " {signal}")?;
        }
        match self.reason {
            Reason::Clear | Reason::Recovering => Ok(()),
            Reason::Over { value, target, .. } | Reason::Near { value, target, .. } => {
                write!(f, " {value} {target}")
            }
            Reason::Easing { value, was, .. } => write!(f, " {value} {was}"),
            Reason::Blind { seconds, .. } | Reason::BlindTooLong { seconds, .. } => write!(f, " {seconds}"),
        }
    }
}

impl FromStr for AutopilotState {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        let mut words = text.split(' ');
        if words.next() != Some(VERSION) {
            return Err(NotAState);
        }
        let held_to = match words.next() {
            Some(FREE) => None,
            word => Some(read(word)?),
        };
        let stepped_at = Moment::from_unix_ms(read(words.next())?);
        let sighted_at = Moment::from_unix_ms(read(words.next())?);
        let reason = read_reason(&mut words)?;
        if words.next().is_some() {
            return Err(NotAState);
        }
        Ok(Self {
            held_to,
            stepped_at,
            sighted_at,
            reason,
        })
    }
}

fn read<T: FromStr>(word: Option<&str>) -> Result<T, NotAState> {
    word.and_then(|word| word.parse().ok()).ok_or(NotAState)
}

fn read_reason<'a>(words: &mut impl Iterator<Item = &'a str>) -> Result<Reason, NotAState> {
    let word = words.next().ok_or(NotAState)?;
    match word {
        "clear" => return Ok(Reason::Clear),
        "recovering" => return Ok(Reason::Recovering),
        _ => {}
    }
    let signal = read(words.next())?;
    let first = read(words.next())?;
    Ok(match word {
        "over" => Reason::Over {
            signal,
            value: first,
            target: read(words.next())?,
        },
        "near" => Reason::Near {
            signal,
            value: first,
            target: read(words.next())?,
        },
        "easing" => Reason::Easing {
            signal,
            value: first,
            was: read(words.next())?,
        },
        "blind" => Reason::Blind {
            signal,
            seconds: first,
        },
        "blind_too_long" => Reason::BlindTooLong {
            signal,
            seconds: first,
        },
        _ => return Err(NotAState),
    })
}
