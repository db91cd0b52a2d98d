//! Where a draw stands: what was done to it, and what the clock makes of that.

use contract::UnknownWord;
use serde::Serialize;
use std::{fmt, str::FromStr};
use time::OffsetDateTime;

/// What was done to a draw, as stored. Each is reached from the one before it and from nowhere else; only one that
/// takes entries can be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It takes entries while its window is open.
    Taking,
    /// Who is in it is fixed, and written in the log.
    Frozen,
    /// Its secret is revealed: everybody can compute every rank.
    Drawn,
    /// Rights are being offered, rank by rank.
    Selling,
    /// Every unit is bought, or nobody is left who could buy one.
    Finished,
    /// It was called off before it opened.
    Cancelled,
}

/// When members may enter: from the first moment until the second, without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From here on.
    pub opens_at: OffsetDateTime,
    /// Until here.
    pub closes_at: OffsetDateTime,
}

/// Where a draw stands, as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The window is not open yet.
    Scheduled,
    /// Members may enter and leave.
    Open,
    /// The window is over, and the draw comes next.
    Closed,
    /// Who is in it is fixed.
    Frozen,
    /// Everybody has a rank.
    Drawn,
    /// Rights are being offered.
    Selling,
    /// It is over.
    Finished,
    /// It was called off.
    Cancelled,
}

/// What is to be done to a draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing, for now or for good.
    Nothing,
    /// Fix who is in it.
    Freeze,
    /// Reveal the secret.
    Reveal,
    /// Settle rights and offer the next.
    Sell,
}

impl Stage {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Taking, "taking"),
        (Self::Frozen, "frozen"),
        (Self::Drawn, "drawn"),
        (Self::Selling, "selling"),
        (Self::Finished, "finished"),
        (Self::Cancelled, "cancelled"),
    ];

    /// The word used in rows.
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(stage, _)| *stage == self);
        found.map_or("taking", |(_, word)| word)
    }

    /// What the clock makes of it.
    pub fn phase(self, window: Window, now: OffsetDateTime) -> Phase {
        match self {
            Self::Taking if now < window.opens_at => Phase::Scheduled,
            Self::Taking if now < window.closes_at => Phase::Open,
            Self::Taking => Phase::Closed,
            Self::Frozen => Phase::Frozen,
            Self::Drawn => Phase::Drawn,
            Self::Selling => Phase::Selling,
            Self::Finished => Phase::Finished,
            Self::Cancelled => Phase::Cancelled,
        }
    }

    /// What is to be done to it now.
    pub fn due(self, window: Window, now: OffsetDateTime) -> Due {
        match self.phase(window, now) {
            Phase::Closed => Due::Freeze,
            Phase::Frozen => Due::Reveal,
            Phase::Drawn | Phase::Selling => Due::Sell,
            Phase::Scheduled | Phase::Open | Phase::Finished | Phase::Cancelled => Due::Nothing,
        }
    }
}

impl FromStr for Stage {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let found = Self::ALL.iter().find(|(_, word)| *word == text);
        found.map(|(stage, _)| *stage).ok_or(UnknownWord)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Phase {
    /// Whether every rank can be computed.
    pub fn is_drawn(self) -> bool {
        matches!(self, Self::Drawn | Self::Selling | Self::Finished)
    }

    /// Whether its product is sold to whoever holds a right, and to nobody else.
    pub fn keeps_the_product(self) -> bool {
        !matches!(self, Self::Finished | Self::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds)
    }

    #[test]
    fn the_clock_moves_only_a_draw_that_takes_entries() {
        let window = Window {
            opens_at: at(10),
            closes_at: at(20),
        };
        for (now, phase, due) in [
            (9, Phase::Scheduled, Due::Nothing),
            (10, Phase::Open, Due::Nothing),
            (19, Phase::Open, Due::Nothing),
            (20, Phase::Closed, Due::Freeze),
        ] {
            assert_eq!(Stage::Taking.phase(window, at(now)), phase, "at {now}");
            assert_eq!(Stage::Taking.due(window, at(now)), due, "at {now}");
        }
        for (stage, phase, due) in [
            (Stage::Frozen, Phase::Frozen, Due::Reveal),
            (Stage::Drawn, Phase::Drawn, Due::Sell),
            (Stage::Selling, Phase::Selling, Due::Sell),
            (Stage::Finished, Phase::Finished, Due::Nothing),
            (Stage::Cancelled, Phase::Cancelled, Due::Nothing),
        ] {
            for now in [0, 15, 99] {
                assert_eq!(stage.phase(window, at(now)), phase);
                assert_eq!(stage.due(window, at(now)), due);
            }
        }
    }

    #[test]
    fn stored_words_are_read_again() {
        for (stage, word) in Stage::ALL {
            assert_eq!(word.parse(), Ok(stage));
            assert_eq!(stage.to_string(), word);
        }
        assert_eq!("open".parse::<Stage>(), Err(UnknownWord));
    }
}
