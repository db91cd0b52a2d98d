//! What the edge that decides writes into the line for every edge to read: where the autopilot stands and what it
//! was told, and what is left of the stock. Short texts, so that a store need not understand them.

use crate::{AutopilotState, Moment, Reach, Reading, SignalName, Signals, Step, Stock, Taken, reach};
use std::{fmt, str::FromStr, time::Duration};

/// Stock that was heard of longer ago than this is not known any more.
const STOCK_FRESH: Duration = Duration::from_secs(10);
/// An order is refused only by what was heard at most so long ago.
const STOCK_NEWS: Duration = Duration::from_secs(2);
/// Begins the text of the stock, so that a later version can tell.
const VERSION: &str = "1";
/// Instead of a number that is not known.
const UNKNOWN: &str = "-";

/// Where the autopilot of a line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steering {
    /// Users a minute that it lets in.
    pub rate: u32,
    /// What it must remember.
    pub state: AutopilotState,
    /// What it was told last, in the order of [`SignalName::ALL`].
    pub heard: [Option<u64>; SignalName::ALL.len()],
}

/// What is left of the stock of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockSeen {
    /// The stock.
    pub stock: Stock,
    /// When it was heard of last.
    pub seen_at: Moment,
    /// How many had had their turn when it was first heard of.
    turns_before: u64,
    /// How many were sold by then.
    sold_before: u64,
}

/// A stored text that this version does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what an edge writes into a line")]
pub struct NotSteering;

// === impl Steering ===

impl Steering {
    /// What this step was, and what it was made by.
    pub fn of(step: &Step, signals: &Signals) -> Self {
        let value = |reading: Option<Reading>| reading.map(|reading| reading.value);
        Self {
            rate: step.rate,
            state: step.state,
            heard: SignalName::ALL.map(|name| value(signals.get(name))),
        }
    }
}

impl fmt::Display for Steering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{};", self.state, self.rate)?;
        for (index, value) in self.heard.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            match value {
                Some(value) => write!(f, "{space}{value}")?,
                None => write!(f, "{space}{UNKNOWN}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Steering {
    type Err = NotSteering;

    fn from_str(text: &str) -> Result<Self, NotSteering> {
        let parts: Vec<&str> = text.split(';').collect();
        let [state, rate, heard] = parts[..] else {
            return Err(NotSteering);
        };
        let values = heard.split(' ').map(|word| match word {
            UNKNOWN => Ok(None),
            word => word.parse().map(Some).map_err(|_| NotSteering),
        });
        let values: Vec<Option<u64>> = values.collect::<Result<_, _>>()?;
        Ok(Self {
            rate: rate.parse().map_err(|_| NotSteering)?,
            state: state.parse().map_err(|_| NotSteering)?,
            heard: values.try_into().map_err(|_| NotSteering)?,
        })
    }
}

// === impl StockSeen ===

impl StockSeen {
    /// The stock was heard of at `now`, when so many `turns` had been had since the line began. What they take is counted
    /// from the first time on, and anew when the count of what was sold begins anew.
    pub fn next(before: Option<&Self>, stock: Stock, turns: u64, now: Moment) -> Self {
        let goes_on = before.filter(|before| before.stock.sold <= stock.sold && before.turns_before <= turns);
        Self {
            stock,
            seen_at: now,
            turns_before: goes_on.map_or(turns, |before| before.turns_before),
            sold_before: goes_on.map_or(stock.sold, |before| before.sold_before),
        }
    }

    /// Whether an order can get nothing at `now`: nothing is left, and that is news.
    pub fn is_gone(&self, now: Moment) -> bool {
        self.stock.left == 0 && now.since(self.seen_at) <= STOCK_NEWS
    }

    /// Whether the stock reaches as far as a place with `ahead` people in front of it, when so many `turns` were had
    /// since the line began; nothing when that is not known at `now`.
    pub fn reach(&self, ahead: u64, turns: u64, now: Moment) -> Option<Reach> {
        let taken = Taken {
            turns: turns.saturating_sub(self.turns_before),
            units: self.stock.sold.saturating_sub(self.sold_before),
        };
        (now.since(self.seen_at) <= STOCK_FRESH).then(|| reach(self.stock, ahead, taken))
    }
}

impl fmt::Display for StockSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stock { left, held, sold } = self.stock;
        let (seen_at, turns, sold_before) = (self.seen_at.unix_ms(), self.turns_before, self.sold_before);
        write!(
            f,
            "{VERSION} {left} {held} {sold} {seen_at} {turns} {sold_before}"
        )
    }
}

impl FromStr for StockSeen {
    type Err = NotSteering;

    fn from_str(text: &str) -> Result<Self, NotSteering> {
        let words = text
            .strip_prefix(VERSION)
            .ok_or(NotSteering)?
            .trim_start()
            .split(' ');
        let numbers: Result<Vec<u64>, _> = words.map(str::parse).collect();
        match numbers.map_err(|_| NotSteering)?[..] {
            [left, held, sold, seen_at, turns_before, sold_before] => Ok(Self {
                stock: Stock { left, held, sold },
                seen_at: Moment::from_unix_ms(seen_at),
                turns_before,
                sold_before,
            }),
            _ => Err(NotSteering),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_unix_ms(1_000_000);

    fn stock(left: u64, held: u64, sold: u64) -> Stock {
        Stock { left, held, sold }
    }

    #[test]
    fn what_is_written_is_read() {
        let steering = Steering {
            rate: 480,
            state: AutopilotState::new(NOW),
            heard: [Some(5_200), None, Some(0), Some(u64::MAX), None],
        };
        assert_eq!(steering.to_string().parse(), Ok(steering));
        let seen = StockSeen::next(None, stock(3, 2, 1), 7, NOW);
        assert_eq!(seen.to_string().parse(), Ok(seen));
        for bad in [
            "",
            "1",
            "x;1;- - - - -",
            "1 - 1 1 clear;480;1 2 3",
            "1 - 1 1 clear;-1;- - - - -",
        ] {
            assert_eq!(bad.parse::<Steering>(), Err(NotSteering), "{bad}");
        }
        for bad in [
            "",
            "1",
            "1 1 2 3",
            "2 1 2 3 4 5 6",
            "1 1 2 3 4 5 6 7",
            "1 1 2 3 4 5 x",
        ] {
            assert_eq!(bad.parse::<StockSeen>(), Err(NotSteering), "{bad}");
        }
    }

    #[test]
    fn what_those_who_had_their_turn_take_is_counted_from_the_first_look() {
        let first = StockSeen::next(None, stock(100, 0, 900), 1_000, NOW);
        assert_eq!(
            first.reach(u64::MAX, 1_049, NOW),
            Some(Reach::Likely),
            "nothing was seen yet"
        );
        let later = StockSeen::next(Some(&first), stock(20, 0, 980), 1_100, NOW);
        assert_eq!(later.reach(500, 1_100, NOW), Some(Reach::Beyond), "80 of 100 buy");
        assert_eq!(later.reach(10, 1_100, NOW), Some(Reach::Likely));
        let anew = StockSeen::next(Some(&later), stock(20, 0, 0), 1_100, NOW);
        assert_eq!(
            anew.reach(500, 1_100, NOW),
            Some(Reach::Likely),
            "another product, or another year"
        );
    }

    #[test]
    fn old_news_is_no_news() {
        let sold_out = StockSeen::next(None, stock(0, 0, 5), 0, NOW);
        assert_eq!(
            sold_out.reach(0, 0, NOW.plus(Duration::from_secs(10))),
            Some(Reach::Beyond)
        );
        assert_eq!(
            sold_out.reach(0, 0, NOW.plus(Duration::from_millis(10_001))),
            None
        );
    }

    #[test]
    fn orders_are_refused_by_news_alone() {
        let after = |ms| NOW.plus(Duration::from_millis(ms));
        for (left, held, ms, gone) in [
            (0, 0, 0, true),
            (0, 7, 2_000, true),
            (1, 0, 0, false),
            (0, 0, 2_001, false),
        ] {
            let seen = StockSeen::next(None, stock(left, held, 5), 0, NOW);
            assert_eq!(
                seen.is_gone(after(ms)),
                gone,
                "{left} left, {held} held, after {ms} ms"
            );
        }
    }
}
