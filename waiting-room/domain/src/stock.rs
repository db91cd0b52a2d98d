//! What is left to buy, and whether that reaches as far as a place in line.
//!
//! To say "sold out" to somebody who could still have bought is worse than to let somebody wait in vain, so a place
//! is only called out of reach when nothing can come back, or when it is as good as certain by what was seen.

/// Units of what the room sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    /// Units that an order could still get.
    pub left: u64,
    /// Units kept for orders that are not paid yet: they may come back.
    pub held: u64,
    /// Units sold.
    pub sold: u64,
}

/// What those who had their turn did so far: how much of what is ahead can be expected to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Shoppers who had their turn since counting began: they came in, or let it pass.
    pub turns: u64,
    /// Units sold since then.
    pub units: u64,
}

/// Whether the stock reaches as far as a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// If it goes on as it did, something is left.
    Likely,
    /// If it goes on as it did, nothing is left; but it may come otherwise.
    Unlikely,
    /// Nothing is left, and nothing can come back; or those ahead are as good as certain to take all there is.
    Beyond,
}

/// Fewer turns than this say nothing about how many buy.
const TURNS_MIN: u64 = 50;
/// How many standard deviations of a normal distribution leave one in a thousand outside.
const DEVIATIONS: f64 = 3.290_527;

impl Stock {
    /// Everything that those ahead, or their holds when they expire, could still leave.
    pub fn obtainable(&self) -> u64 {
        self.left.saturating_add(self.held)
    }
}

impl Reach {
    /// The word for it in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Likely => "likely",
            Self::Unlikely => "unlikely",
            Self::Beyond => "beyond",
        }
    }
}

impl Taken {
    /// Units that somebody takes, at most one; nothing while too few had their turn.
    fn rate(self) -> Option<f64> {
        (self.turns >= TURNS_MIN).then(|| self.units.min(self.turns) as f64 / self.turns as f64)
    }

    /// How many units `people` take at the least, with 99.9 % certainty: the lower end of Wilson's interval for the
    /// rate, and from what is expected by it once more as far down as chance may lead.
    fn at_least(self, people: u64) -> f64 {
        let Some(rate) = self.rate() else { return 0.0 };
        let (turns, people) = (self.turns as f64, people as f64);
        let square = DEVIATIONS * DEVIATIONS;
        let centre = rate + square / (2.0 * turns);
        let margin = DEVIATIONS * (rate * (1.0 - rate) / turns + square / (4.0 * turns * turns)).sqrt();
        let lowest = ((centre - margin) / (1.0 + square / turns)).clamp(0.0, 1.0);
        let chance = DEVIATIONS * (people * lowest * (1.0 - lowest)).sqrt();
        (people * lowest - chance).max(0.0)
    }
}

/// Whether something is left for somebody with `ahead` people in front, called ones who may still come included.
///
/// It holds for this moment only: what comes back (a hold that expires, units put up later) makes it reach further.
pub fn reach(stock: Stock, ahead: u64, taken: Taken) -> Reach {
    let obtainable = stock.obtainable();
    if obtainable == 0 || taken.at_least(ahead) >= obtainable as f64 {
        return Reach::Beyond;
    }
    let expected = taken.rate().unwrap_or(0.0) * ahead as f64;
    if stock.left == 0 || expected >= stock.left as f64 {
        return Reach::Unlikely;
    }
    Reach::Likely
}

/// Whether the line is closed to newcomers: the place that the next one would get is out of reach. `ahead` is
/// everybody who waits or was called and may still come. It opens again by itself when stock comes back.
pub fn closes_to_newcomers(stock: Stock, ahead: u64, taken: Taken) -> bool {
    reach(stock, ahead, taken) == Reach::Beyond
}

#[cfg(test)]
mod tests {
    use super::{Reach::*, *};
    use proptest::prelude::*;

    const fn stock(left: u64, held: u64) -> Stock {
        Stock { left, held, sold: 0 }
    }

    const fn taken(turns: u64, units: u64) -> Taken {
        Taken { turns, units }
    }

    const PLACES: [(Stock, u64, Taken, Reach, &str); 15] = [
        (
            stock(0, 0),
            0,
            taken(0, 0),
            Beyond,
            "nothing is left, nothing comes back",
        ),
        (stock(0, 1), 0, taken(0, 0), Unlikely, "one hold may expire"),
        (
            stock(0, 1),
            1_000_000,
            taken(49, 49),
            Unlikely,
            "too few had their turn to say more",
        ),
        (stock(10, 0), 5, taken(0, 0), Likely, "something is left"),
        (
            stock(10, 0),
            1_000_000,
            taken(49, 49),
            Likely,
            "and too few had their turn to say otherwise",
        ),
        (
            stock(10, 0),
            10,
            taken(50, 50),
            Unlikely,
            "everybody bought so far, and ten are ahead",
        ),
        (stock(10, 0), 9, taken(50, 50), Likely, "one unit for the tenth"),
        (
            stock(10, 0),
            40,
            taken(50, 50),
            Beyond,
            "four times as many as units",
        ),
        (
            stock(10, 40),
            40,
            taken(50, 50),
            Unlikely,
            "but what is held may come back",
        ),
        (
            stock(10, 0),
            100,
            taken(1_000, 100),
            Unlikely,
            "a tenth buys: just as many as units",
        ),
        (stock(10, 0), 99, taken(1_000, 100), Likely, "one fewer"),
        (
            stock(10, 0),
            300,
            taken(1_000, 100),
            Unlikely,
            "three times as many, but chance plays",
        ),
        (
            stock(10, 0),
            600,
            taken(1_000, 100),
            Beyond,
            "six times as many: as good as certain",
        ),
        (
            stock(10, 0),
            u64::MAX,
            taken(1_000, 0),
            Likely,
            "nobody bought so far",
        ),
        (
            stock(10, 0),
            100,
            taken(50, 200),
            Beyond,
            "several units each count as one each",
        ),
    ];

    #[test]
    fn a_place_is_within_reach_or_not() {
        for (stock, ahead, taken, expected, why) in PLACES {
            assert_eq!(reach(stock, ahead, taken), expected, "{why}");
        }
    }

    #[test]
    fn the_line_closes_and_opens_again_when_stock_comes_back() {
        let seen = taken(200, 100);
        assert!(closes_to_newcomers(stock(0, 0), 0, seen));
        assert!(!closes_to_newcomers(stock(1, 0), 0, seen));
        assert!(!closes_to_newcomers(stock(0, 1), 0, seen));
        assert!(closes_to_newcomers(stock(5, 0), 500, seen));
        assert!(!closes_to_newcomers(stock(500, 0), 500, seen));
    }

    proptest! {
        /// Whoever stands further back never has better prospects, and more stock never makes them worse.
        #[test]
        fn prospects_get_worse_with_the_distance_and_better_with_stock(
            left in 0u64..10_000,
            held in 0u64..10_000,
            more in 0u64..10_000,
            ahead in 0u64..100_000,
            further in 0u64..100_000,
            turns in 0u64..10_000,
            units in 0u64..10_000,
        ) {
            let seen = taken(turns, units);
            let here = reach(stock(left, held), ahead, seen);
            prop_assert!(here <= reach(stock(left, held), ahead + further, seen));
            prop_assert!(here >= reach(stock(left + more, held), ahead, seen));
            prop_assert!(here >= reach(stock(left, held + more), ahead, seen));
        }

        /// Nobody is told that a place is out of reach while there is a unit for everybody ahead and one more.
        #[test]
        fn a_unit_for_everybody_is_never_beyond(
            ahead in 0u64..100_000,
            turns in 0u64..10_000,
            units in 0u64..10_000,
        ) {
            prop_assert_eq!(reach(stock(ahead + 1, 0), ahead, taken(turns, units)), Likely);
        }
    }
}
