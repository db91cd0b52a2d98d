//! What a draw writes into its public log. The log is the one of `fairness`: a draw is a line of one lane, whose
//! entries join, whose rights are calls, of which `claimed` are bought and `missed` lapsed or left.

use super::{Sale, Terms};
use contract::DrawId;
use fairness::{
    Actor, Chain, Commitment, Entry, Head, Leaf, Range, Revealed, Secret, Seed, Text, merkle, seed::seed,
};
use time::OffsetDateTime;

/// How a line begins that says which numbers left before the draw.
pub const WITHDRAWN_BEGINS: &str = "withdrawn ";
/// The room's epoch and its lane: a draw has one of each.
const EPOCH: u32 = 1;
const LANE: u8 = 0;
/// The index of the draw in its log.
const DRAW: u32 = 0;
/// Who takes a hand in a draw: names of people are nobody's business.
const ACTOR: &str = "shop";
/// Characters of numbers in one line; the log's own bound on a text is 400.
const NUMBERS_MAX_CHARS: usize = 380;

/// The log of a draw while lines are added to it.
#[derive(Debug, Clone)]
pub struct Book {
    chain: Chain,
    lines: Vec<String>,
}

/// Members who entered together: one line of the log.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// The number of the first, from 0.
    pub first: u64,
    /// What stands for each of them.
    pub leaves: &'a [Leaf],
}

/// The room that a draw's log is titled with.
pub fn log_room(draw: &DrawId) -> String {
    format!("draw-{draw}")
}

impl Book {
    /// The log that a draw begins with: the commitment to its secret, and what it is to be.
    pub fn begin(draw: &DrawId, at: OffsetDateTime, commitment: Commitment, terms: &Terms) -> Self {
        let mut book = Self::resume(Chain::new(&log_room(draw), EPOCH));
        book.push(&Entry::Commit {
            at: unix_ms(at),
            draw: DRAW,
            commitment,
            beacon: None,
        });
        book.terms(at, terms);
        book
    }

    /// A log that goes on after what `chain` stands for.
    pub fn resume(chain: Chain) -> Self {
        let lines = Vec::new();
        Self { chain, lines }
    }

    /// The title, which is the first line of the file and no line of the chain.
    pub fn title(draw: &DrawId) -> String {
        Chain::title(&log_room(draw), EPOCH)
    }

    /// The hash and the length, with what was added.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// What was added.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What the draw is to be from now on.
    pub fn terms(&mut self, at: OffsetDateTime, terms: &Terms) {
        let text = format!(
            "{} unit(s) of {}, entries from {} to {}, a right lasts {} s",
            terms.units,
            terms.product_id,
            unix_ms(terms.window.opens_at),
            unix_ms(terms.window.closes_at),
            terms.right_lasts.whole_seconds()
        );
        self.operator(at, &text);
    }

    /// The draw was called off.
    pub fn cancel(&mut self, at: OffsetDateTime) {
        self.operator(at, "cancelled");
    }

    /// A group entered.
    pub fn enter(&mut self, at: OffsetDateTime, group: &Group<'_>) {
        self.push(&Entry::Join {
            at: unix_ms(at),
            lane: LANE,
            first: group.first,
            count: u32::try_from(group.leaves.len()).unwrap_or(u32::MAX),
            root: merkle::root(group.leaves),
        });
    }

    /// All entries are drawn, those of the numbers `withdrawn` too, whose turns will be passed over.
    ///
    /// Answers the head that the order comes from.
    pub fn freeze(&mut self, at: OffsetDateTime, entries: u64, withdrawn: &[u64]) -> Head {
        let at = unix_ms(at);
        for text in withdrawn_texts(withdrawn) {
            self.push(&Entry::Edge {
                at,
                text: Text::new(&text),
            });
        }
        self.push(&Entry::Freeze {
            at,
            draw: DRAW,
            ranges: vec![range(entries)],
        });
        self.chain.head
    }

    /// The secret is told, and with it the order of all entries.
    pub fn reveal(&mut self, at: OffsetDateTime, secret: Secret, frozen: &Head, entries: u64) -> Seed {
        self.push(&Entry::Reveal {
            at: unix_ms(at),
            draw: DRAW,
            secret,
            beacon: Revealed::None,
        });
        seed(&secret, frozen, &range(entries), None)
    }

    /// How far the sale has come.
    pub fn call(&mut self, at: OffsetDateTime, sale: &Sale) {
        self.push(&Entry::Call {
            at: unix_ms(at),
            lane: LANE,
            called: sale.offered_below,
            claimed: sale.bought,
            missed: sale
                .offered_below
                .saturating_sub(sale.open.saturating_add(sale.bought)),
        });
    }

    fn operator(&mut self, at: OffsetDateTime, text: &str) {
        let text = Text::new(text);
        // A constant that is one.
        if let Some(actor) = Actor::parse(ACTOR) {
            let at = unix_ms(at);
            self.push(&Entry::Operator { at, actor, text });
        }
    }

    fn push(&mut self, entry: &Entry) {
        let line = entry.to_string();
        self.chain.extend(&line);
        self.lines.push(line);
    }
}

fn range(entries: u64) -> Range {
    Range {
        lane: LANE,
        from: 0,
        to: entries,
    }
}

/// All numbers, as many in a line as fit.
fn withdrawn_texts(numbers: &[u64]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for number in numbers {
        let number = number.to_string();
        match texts.last_mut() {
            Some(text) if text.len() + number.len() < NUMBERS_MAX_CHARS => {
                text.push(' ');
                text.push_str(&number);
            }
            _ => texts.push(format!("{WITHDRAWN_BEGINS}{number}")),
        }
    }
    texts
}

fn unix_ms(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Window;
    use fairness::{Audit, Permutation, Position, Receipt, Tree, commitment};
    use time::{Duration, macros::datetime};

    const NOW: OffsetDateTime = datetime!(2027-03-01 09:00 UTC);

    fn terms() -> Terms {
        Terms {
            product_id: "sneaker".parse().unwrap(),
            title: "Raffle".to_owned(),
            units: 2,
            window: Window {
                opens_at: NOW + Duration::HOUR,
                closes_at: NOW + Duration::DAY,
            },
            right_lasts: Duration::DAY,
        }
    }

    fn leaves(from: u32, count: u32) -> Vec<Leaf> {
        let leaf = |number: u32| {
            let mut id = [9; 12];
            id[..4].copy_from_slice(&number.to_be_bytes());
            id
        };
        (from..from + count).map(leaf).collect()
    }

    /// A draw of eight, one of whom leaves, and of whom the first two ranks get a right.
    fn log() -> (Seed, String) {
        let (draw, secret) = ("spring".parse().unwrap(), Secret([7; 32]));
        let mut book = Book::begin(&draw, NOW, commitment(&secret), &terms());
        for (first, count) in [(0, 5), (5, 3)] {
            book.enter(
                NOW,
                &Group {
                    first: first.into(),
                    leaves: &leaves(first, count),
                },
            );
        }
        let frozen = book.freeze(NOW, 8, &[3]);
        let seed = book.reveal(NOW, secret, &frozen, 8);
        let sale = Sale {
            units: 2,
            entries: 8,
            offered_below: 3,
            open: 1,
            bought: 1,
            lapsed: 0,
        };
        book.call(NOW, &sale);
        (
            seed,
            format!("{}\n{}\n", Book::title(&draw), book.lines().join("\n")),
        )
    }

    #[test]
    fn the_same_audit_as_that_of_a_room_finds_nothing_wrong() {
        let (seed, log) = log();
        let audit = Audit::of(&log);
        assert!(audit.is_clean(), "{log}{:?}", audit.problems);
        assert_eq!((audit.room.as_str(), audit.joins()), ("draw-spring", 8));
        let order = Permutation::new(&seed, 8);
        for number in 0..8 {
            let rank = order.apply(number);
            assert_eq!(audit.position(0, number), Position::Drawn { draw: 0, rank });
        }
        assert_eq!((audit.lanes[&0].called, audit.lanes[&0].missed), (3, 1));
        let members = leaves(5, 3);
        let receipt = Receipt::of(&Tree::new(&members), 0, 5, 3, 2);
        assert!(audit.includes(&receipt, &members[2]));
        assert!(!audit.includes(&receipt, &members[1]));
    }

    #[test]
    fn whatever_is_changed_shows() {
        let (_, log) = log();
        for (from, to) in [
            ("freeze 1803891600000 0 0:0:8", "freeze 1803891600000 0 0:0:7"),
            ("withdrawn 3", "withdrawn 4"),
            ("2 unit(s)", "3 unit(s)"),
        ] {
            assert!(log.contains(from), "{log}");
            let (own, other) = (Audit::of(&log), Audit::of(&log.replace(from, to)));
            let places = |audit: &Audit| (0..8).map(|number| audit.position(0, number)).collect::<Vec<_>>();
            assert!(!other.is_clean() || places(&own) != places(&other), "{from}");
        }
    }

    #[test]
    fn a_draw_of_nobody_is_in_order_too() {
        let (draw, secret) = ("none".parse().unwrap(), Secret([7; 32]));
        let mut book = Book::begin(&draw, NOW, commitment(&secret), &terms());
        let frozen = book.freeze(NOW, 0, &[]);
        book.reveal(NOW, secret, &frozen, 0);
        let audit = Audit::of(&format!("{}\n{}", Book::title(&draw), book.lines().join("\n")));
        assert!(audit.is_clean(), "{:?}", audit.problems);
    }

    #[test]
    fn a_log_that_goes_on_is_the_same_log() {
        let (draw, secret) = ("spring".parse().unwrap(), Secret([7; 32]));
        let mut whole = Book::begin(&draw, NOW, commitment(&secret), &terms());
        let mut rest = Book::resume(whole.chain());
        for book in [&mut whole, &mut rest] {
            book.cancel(NOW);
        }
        assert_eq!(whole.chain(), rest.chain());
        assert_eq!((whole.lines().len(), rest.lines().len()), (3, 1));
    }

    #[test]
    fn every_number_that_left_stands_in_the_log() {
        let numbers: Vec<u64> = (0..5_000).map(|number| number * 7 + 1_000_000).collect();
        let texts = withdrawn_texts(&numbers);
        let told: Vec<u64> = texts
            .iter()
            .flat_map(|text| text.strip_prefix(WITHDRAWN_BEGINS).unwrap().split(' '))
            .map(|number| number.parse().unwrap())
            .collect();
        assert_eq!(told, numbers);
        for text in texts {
            assert_eq!(
                Text::parse(&text).unwrap().as_str(),
                text,
                "it stays within its line"
            );
        }
    }
}
