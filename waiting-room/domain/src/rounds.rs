//! The draws of a lane: which numbers were put into random order together.
//!
//! A draw is two writes: numbers `from..to` are *frozen*, then a seed is *revealed* that nobody could know before.
//! From then on a number's rank among them is a permutation of the seed. Nothing is kept for any shopper, so ten
//! million are drawn as quickly as ten.

use crate::Method;
use fairness::{Permutation, Seed};
use std::fmt::Write;

/// Rounds that can be open at once: those whose places were all called and settled are dropped.
const ROUNDS_MAX: usize = 64;

/// The numbers `from..to`, drawn together.
#[derive(Debug, Clone, PartialEq)]
struct Round {
    from: u64,
    to: u64,
    /// Nothing until the seed is revealed.
    drawn: Option<(Seed, Permutation)>,
}

/// A lane's rounds, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rounds {
    rounds: Vec<Round>,
    /// Every number below was in some round, or was called before the first; nothing if none was ever frozen.
    frozen_below: Option<u64>,
}

/// A stored list of rounds that this version does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rounds are malformed")]
pub struct RoundsError;

impl Rounds {
    /// The place of `number` in its lane, counted from 0: nothing while it is still to be drawn. `called` is how far
    /// the lane was called.
    pub fn rank(&self, method: Method, called: u64, number: u64) -> Option<u64> {
        let round = self
            .rounds
            .iter()
            .find(|round| (round.from..round.to).contains(&number));
        if let Some(round) = round {
            let (_, permutation) = round.drawn.as_ref()?;
            return Some(round.from + permutation.apply(number - round.from));
        }
        // What is below was settled, or walked in when nobody waited.
        let ranked = self.ranked_below(method, called);
        (ranked == u64::MAX || number < ranked).then_some(number)
    }

    /// Below this, numbers that are in no round stand in their own order.
    fn ranked_below(&self, method: Method, called: u64) -> u64 {
        let frozen_below = self.frozen_below.unwrap_or(0);
        match method {
            Method::Shuffle if self.frozen_below.is_none() => called,
            Method::Random => frozen_below.max(called),
            _ => u64::MAX,
        }
    }

    /// Nobody at or beyond this rank can be called yet, of a lane that has dealt `issued` numbers.
    pub(crate) fn callable_below(&self, method: Method, called: u64, issued: u64) -> u64 {
        if let Some(undrawn) = self.rounds.iter().find(|round| round.drawn.is_none()) {
            return undrawn.from;
        }
        let ranked = self.ranked_below(method, called);
        // When nobody waits for a draw, newcomers need none.
        if method == Method::Random && issued <= ranked {
            u64::MAX
        } else {
            ranked
        }
    }

    /// Whether the people who wait undrawn are to be drawn now.
    pub(crate) fn wants_draw(&self, method: Method, called: u64, issued: u64) -> bool {
        match method {
            Method::Shuffle => self.frozen_below.is_none(),
            Method::Random => {
                let drawn_have_been_called = self.frozen_below.unwrap_or(0) <= called;
                let has_room = self.rounds.len() < ROUNDS_MAX;
                issued > called && drawn_have_been_called && !self.is_pending() && has_room
            }
            Method::Fifo | Method::Passthrough | Method::Reject => false,
        }
    }

    /// The first number of the draw that `number` takes part in.
    pub(crate) fn first_undrawn(&self, called: u64, number: u64) -> u64 {
        let round = self
            .rounds
            .iter()
            .find(|round| (round.from..round.to).contains(&number));
        round.map_or_else(|| self.frozen_below.unwrap_or(0).max(called), |round| round.from)
    }

    /// Whether a round is frozen and its seed not revealed.
    pub fn is_pending(&self) -> bool {
        self.rounds.iter().any(|round| round.drawn.is_none())
    }

    /// The numbers of the round that waits for its seed.
    pub fn pending(&self) -> Option<(u64, u64)> {
        let round = self.rounds.iter().find(|round| round.drawn.is_none())?;
        Some((round.from, round.to))
    }

    /// Puts everybody who waits undrawn into a round, and answers which numbers that are.
    pub fn freeze(&mut self, called: u64, issued: u64) -> (u64, u64) {
        let from = self.frozen_below.unwrap_or(0).max(called.min(issued)).min(issued);
        if from < issued {
            self.rounds.push(Round {
                from,
                to: issued,
                drawn: None,
            });
        }
        self.frozen_below = Some(issued.max(self.frozen_below.unwrap_or(0)));
        (from, issued)
    }

    /// Draws the round that waits for its seed.
    pub fn reveal(&mut self, seed: Seed) {
        if let Some(round) = self.rounds.iter_mut().find(|round| round.drawn.is_none()) {
            let permutation = Permutation::new(&seed, round.to - round.from);
            round.drawn = Some((seed, permutation));
        }
    }

    /// Forgets the rounds of which every place has had its chance.
    pub fn forget(&mut self, settled_below: u64) {
        self.rounds.retain(|round| round.to > settled_below);
    }

    /// The rounds as one short text: `frozen below;from:to:seed,…`, with `-` for a seed that is not revealed.
    pub fn encode(&self) -> String {
        let Some(frozen_below) = self.frozen_below else {
            return String::new();
        };
        let mut text = format!("{frozen_below};");
        for (index, round) in self.rounds.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let seed = round
                .drawn
                .as_ref()
                .map_or_else(|| "-".to_owned(), |(seed, _)| seed.to_string());
            // Writing to a String cannot fail.
            let _ = write!(text, "{comma}{}:{}:{seed}", round.from, round.to);
        }
        text
    }

    /// The rounds that [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`RoundsError`] if anything else did.
    pub fn decode(text: &str) -> Result<Self, RoundsError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let (frozen_below, rounds) = text.split_once(';').ok_or(RoundsError)?;
        let rounds = rounds.split(',').filter(|round| !round.is_empty());
        Ok(Self {
            rounds: rounds.map(decode_round).collect::<Result<_, _>>()?,
            frozen_below: Some(number(frozen_below)?),
        })
    }
}

fn decode_round(text: &str) -> Result<Round, RoundsError> {
    let mut fields = text.split(':');
    let mut field = || fields.next().ok_or(RoundsError);
    let (from, to, seed) = (number(field()?)?, number(field()?)?, field()?);
    if from >= to || fields.next().is_some() {
        return Err(RoundsError);
    }
    let drawn = match seed {
        "-" => None,
        seed => {
            let seed = Seed::parse(seed).ok_or(RoundsError)?;
            let permutation = Permutation::new(&seed, to - from);
            Some((seed, permutation))
        }
    };
    Ok(Round { from, to, drawn })
}

fn number(text: &str) -> Result<u64, RoundsError> {
    text.parse().map_err(|_| RoundsError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn seed(byte: u8) -> Seed {
        Seed([byte; 32])
    }

    #[test]
    fn the_pre_queue_is_drawn_and_later_arrivals_stand_behind() {
        let mut rounds = Rounds::default();
        let rank = |rounds: &Rounds, number| rounds.rank(Method::Shuffle, 0, number);
        assert_eq!(rank(&rounds, 3), None, "nobody has a rank before the draw");
        assert!(rounds.wants_draw(Method::Shuffle, 0, 100));
        assert_eq!(rounds.freeze(0, 100), (0, 100));
        assert_eq!(rank(&rounds, 3), None, "nor before the seed is revealed");
        assert_eq!(rank(&rounds, 100), Some(100), "who comes later stands behind");
        assert_eq!(rounds.callable_below(Method::Shuffle, 0, 120), 0);
        rounds.reveal(seed(1));
        let ranks: HashSet<_> = (0..100).filter_map(|number| rank(&rounds, number)).collect();
        assert_eq!(ranks, (0..100).collect(), "everybody has one, nobody shares one");
        assert_eq!(rounds.callable_below(Method::Shuffle, 0, 120), u64::MAX);
        assert!(!rounds.wants_draw(Method::Shuffle, 50, 120), "once only");
    }

    #[test]
    fn a_random_room_draws_round_after_round() {
        let mut rounds = Rounds::default();
        assert!(!rounds.wants_draw(Method::Random, 10, 10), "nobody waits");
        assert_eq!(
            rounds.callable_below(Method::Random, 10, 10),
            u64::MAX,
            "newcomers walk in"
        );
        assert!(rounds.wants_draw(Method::Random, 10, 30));
        assert_eq!(rounds.callable_below(Method::Random, 10, 30), 10);
        assert_eq!(rounds.freeze(10, 30), (10, 30));
        rounds.reveal(seed(2));
        assert_eq!(rounds.callable_below(Method::Random, 10, 50), 30);
        assert!(!rounds.wants_draw(Method::Random, 29, 50), "the round goes first");
        assert!(rounds.wants_draw(Method::Random, 30, 50));
        assert_eq!(rounds.freeze(30, 50), (30, 50));
        assert_eq!(rounds.rank(Method::Random, 30, 40), None);
        rounds.forget(30);
        assert_eq!(
            rounds.rank(Method::Random, 30, 20),
            Some(20),
            "settled, whatever it was"
        );
    }

    #[test]
    fn first_come_first_served_draws_nobody() {
        let rounds = Rounds::default();
        assert!(!rounds.wants_draw(Method::Fifo, 0, 10));
        assert_eq!(rounds.rank(Method::Fifo, 0, 7), Some(7));
        assert_eq!(rounds.callable_below(Method::Fifo, 0, 10), u64::MAX);
    }

    #[test]
    fn an_empty_pre_queue_is_drawn_all_the_same() {
        let mut rounds = Rounds::default();
        rounds.freeze(0, 0);
        assert!(!rounds.is_pending());
        assert_eq!(rounds.rank(Method::Shuffle, 0, 0), Some(0));
        assert_eq!(Rounds::decode(&rounds.encode()), Ok(rounds));
    }

    #[test]
    fn nonsense_is_no_list_of_rounds() {
        for bad in [
            "1",
            "x;",
            "5;1",
            "5;1:2",
            "5;2:2:-",
            "5;1:2:zz",
            "5;1:2:-:3",
            "5;1:2:-,x",
        ] {
            assert_eq!(Rounds::decode(bad), Err(RoundsError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn rounds_survive_their_encoding(steps in proptest::collection::vec((1u64..1_000, any::<u8>()), 0..20)) {
            let (mut rounds, mut issued) = (Rounds::default(), 0);
            for (more, byte) in steps {
                let called = issued;
                issued += more;
                rounds.freeze(called, issued);
                prop_assert_eq!(Rounds::decode(&rounds.encode()), Ok(rounds.clone()));
                rounds.reveal(seed(byte));
            }
            prop_assert_eq!(Rounds::decode(&rounds.encode()), Ok(rounds));
        }
    }
}
