//! How a payment will go: chosen by the card, or by the amount when no card is named.

use contract::Money;

/// How a payment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Captured and reported at once.
    Paid,
    /// Declined and reported at once.
    Declined,
    /// The shopper walks away: nothing is ever reported.
    Abandoned,
    /// Captured and reported some seconds later.
    Slow,
    /// Captured, and the same report is sent twice.
    SentTwice,
}

/// A card of the checkout page.
#[derive(Debug, Clone, Copy)]
pub struct TestCard {
    /// Its number, in groups of four.
    pub number: &'static str,
    /// What it does.
    pub outcome: Outcome,
    /// The same in words.
    pub meaning: &'static str,
}

/// The cards that the sandbox knows.
pub const TEST_CARDS: [TestCard; 5] = [
    TestCard {
        number: "4242 4242 4242 4242",
        outcome: Outcome::Paid,
        meaning: "is paid",
    },
    TestCard {
        number: "4000 0000 0000 0002",
        outcome: Outcome::Declined,
        meaning: "is declined",
    },
    TestCard {
        number: "4000 0000 0000 0010",
        outcome: Outcome::Abandoned,
        meaning: "is abandoned: nothing is ever reported",
    },
    TestCard {
        number: "4000 0000 0000 0028",
        outcome: Outcome::Slow,
        meaning: "is slow: paid, but reported some seconds later",
    },
    TestCard {
        number: "4000 0000 0000 0036",
        outcome: Outcome::SentTwice,
        meaning: "is paid, and reported twice",
    },
];

// === impl Outcome ===

impl Outcome {
    /// What a card does; spaces and dashes in its number do not matter.
    pub fn of_card(number: &str) -> Option<Self> {
        let digits = |text: &str| {
            text.chars()
                .filter(|c| !matches!(c, ' ' | '-'))
                .collect::<String>()
        };
        let asked = digits(number);
        TEST_CARDS
            .iter()
            .find(|card| digits(card.number) == asked)
            .map(|card| card.outcome)
    }

    /// What an amount does: its last two digits decide.
    pub fn of_amount(amount: Money) -> Self {
        match amount.minor % 100 {
            2 => Self::Declined,
            10 => Self::Abandoned,
            28 => Self::Slow,
            36 => Self::SentTwice,
            _ => Self::Paid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_known_by_its_digits() {
        for card in TEST_CARDS {
            assert_eq!(Outcome::of_card(card.number), Some(card.outcome));
            assert_eq!(
                Outcome::of_card(&card.number.replace(' ', "")),
                Some(card.outcome)
            );
            assert_eq!(
                Outcome::of_card(&card.number.replace(' ', "-")),
                Some(card.outcome)
            );
        }
        for unknown in ["", "4242", "4111 1111 1111 1111", "４２４２"] {
            assert_eq!(Outcome::of_card(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn an_amount_does_what_the_card_with_the_same_ending_does() {
        let krw = "KRW".parse().unwrap();
        for card in TEST_CARDS {
            let ending: i64 = card.number[card.number.len() - 2..].parse().unwrap();
            assert_eq!(
                Outcome::of_amount(Money::new(129_000 + ending, krw)),
                card.outcome,
                "{ending}"
            );
        }
        assert_eq!(Outcome::of_amount(Money::new(129_000, krw)), Outcome::Paid);
    }
}
