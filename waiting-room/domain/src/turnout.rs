//! Turnout: how many of those who are called come, and how soon.
//!
//! People leave without a word. So that the configured rate is met in *claims*, more are called than are wanted in:
//! a call costs as much of the rate as the share of those who come. That share is learnt from the calls of the last
//! minutes, by how old they are; until a call is old enough to tell, whoever has not come is believed to be on the way.

use crate::{CallLog, Moment, moment::millis};
use std::{fmt::Write, time::Duration};

/// How many ages of a call are told apart.
pub const DELAYS: usize = 11;

/// Where one age ends and the next begins, in milliseconds after the call. Finer where most people come.
const AGE_ENDS_MS: [u64; DELAYS] = [
    500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
];

/// Nobody who has not come by then is believed to be on the way, whatever the claim window.
const ON_THE_WAY_MS: u64 = 15_000;
/// After how many calls of that age what is seen counts as much as what was believed.
const BELIEVED_CALLS: f64 = 20.0;
/// What was seen this long ago counts half.
const HALF_LIFE_MS: f64 = 120_000.0;
/// Fewer are never expected: so many are not called at once that a sudden crowd of the faithful overruns the shop.
const TURNOUT_MIN: f64 = 0.1;

/// Which age a claim has that came so long after its call.
pub fn delay_index(delay: Duration) -> usize {
    let delay = millis(delay);
    AGE_ENDS_MS
        .iter()
        .position(|end| delay < *end)
        .unwrap_or(DELAYS - 1)
}

/// What was seen of calls and claims lately. Kept in the store, so that a new leader goes on where the last one was.
#[derive(Debug, Clone, PartialEq)]
pub struct Turnout {
    /// Places that were called and have grown out of each age, the older ones fading.
    aged: [f64; DELAYS],
    /// Claims at each age, likewise.
    claimed: [f64; DELAYS],
    /// All claims at each age when they were last counted.
    counted: [u64; DELAYS],
    /// Calls of up to this second tell nothing: they are places of which nobody knows any more when they were called.
    unknown_until: Moment,
}

/// A stored turnout that this version does not understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the turnout is malformed")]
pub struct TurnoutError;

impl Default for Turnout {
    fn default() -> Self {
        Self {
            aged: [0.0; DELAYS],
            claimed: [0.0; DELAYS],
            counted: [0; DELAYS],
            unknown_until: Moment::default(),
        }
    }
}

impl Turnout {
    /// The store has forgotten when whom was called: what is put on record `at` this moment are places called long
    /// ago, of which many have been claimed.
    pub(crate) fn forget_calls(&mut self, at: Moment) {
        self.unknown_until = at;
    }

    /// Lets `by` not count, as [`CallLog::stand_still`].
    pub(crate) fn stand_still(&mut self, by: Duration) {
        if self.unknown_until > Moment::default() {
            self.unknown_until = self.unknown_until.plus(by);
        }
    }

    /// Whether a call on record was one of that moment. The log keeps one entry for each second later.
    fn tells(&self, at: Moment) -> bool {
        at.unix_seconds() > self.unknown_until.unix_seconds()
    }

    /// Takes in what happened between two looks: `claims_by_delay` counts all claims ever, by [`delay_index`]. Calls
    /// may be claimed for `window`.
    pub fn learn<'a>(
        &mut self,
        claims_by_delay: &[u64; DELAYS],
        calls: impl Iterator<Item = (&'a CallLog, u64)>,
        window: Duration,
        before: Moment,
        now: Moment,
    ) {
        #[expect(clippy::cast_precision_loss, reason = "counts of people, far below 2^52")]
        let float = |count: u64| count as f64;
        let faded = 0.5f64.powf(float(millis(now.since(before))) / HALF_LIFE_MS);
        for (index, claims) in claims_by_delay.iter().enumerate() {
            let new = claims.saturating_sub(self.counted[index]);
            self.claimed[index] = self.claimed[index] * faded + float(new);
            self.aged[index] *= faded;
        }
        self.counted = *claims_by_delay;
        let ends = age_ends_within(window);
        for (log, settled_below) in calls {
            for (count, at) in log.calls(settled_below) {
                if !self.tells(at) {
                    continue;
                }
                for (aged, end) in self.aged.iter_mut().zip(ends) {
                    let grown_out = at.plus(Duration::from_millis(end));
                    if before < grown_out && grown_out <= now {
                        *aged += float(count);
                    }
                }
            }
        }
    }

    /// The share of those called who were seen to claim at each age.
    fn seen(&self) -> [f64; DELAYS] {
        let mut left = 1.0f64;
        std::array::from_fn(|index| {
            let (aged, claimed) = (self.aged[index], self.claimed[index]);
            // Claims come before their calls have grown out of the age.
            let share = claimed / aged.max(claimed).max(f64::MIN_POSITIVE);
            let share = share.min(left);
            left -= share;
            share
        })
    }

    /// The share of those called who come at all, in a room with this claim window.
    pub fn share(&self, window: Duration) -> f64 {
        let seen: f64 = self.seen().iter().sum();
        let until = millis(window).min(ON_THE_WAY_MS);
        let last = age_ends_within(window).iter().position(|end| *end >= until);
        let aged = self.aged[last.unwrap_or(DELAYS - 1)];
        let on_the_way = (1.0 - seen) * BELIEVED_CALLS / (aged + BELIEVED_CALLS);
        (seen + on_the_way).clamp(TURNOUT_MIN, 1.0)
    }

    /// How many claims were to be expected between two moments, of the calls on record.
    pub(crate) fn expected<'a>(
        &self,
        calls: impl Iterator<Item = (&'a CallLog, u64)>,
        window: Duration,
        before: Moment,
        now: Moment,
    ) -> f64 {
        let (seen, ends) = (self.seen(), age_ends_within(window));
        let mut expected = 0.0;
        for (log, settled_below) in calls {
            for (count, at) in log.calls(settled_below).filter(|(_, at)| self.tells(*at)) {
                #[expect(clippy::cast_precision_loss, reason = "counts of people, far below 2^52")]
                let count = count as f64;
                // Nobody comes before the call.
                let by_now = come_by(&seen, &ends, millis(now.since(at)));
                expected += count * (by_now - come_by(&seen, &ends, millis(before.since(at))));
            }
        }
        expected
    }

    /// The turnout as one short text.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(DELAYS * 24);
        for index in 0..DELAYS {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "{comma}{:.3}:{:.3}:{}",
                self.aged[index], self.claimed[index], self.counted[index]
            );
        }
        if self.unknown_until > Moment::default() {
            let _ = write!(text, ";{}", self.unknown_until.unix_ms());
        }
        text
    }

    /// The turnout that [`Self::encode`] wrote; nothing learnt yet, of an empty text.
    ///
    /// # Errors
    /// [`TurnoutError`] if anything else did.
    pub fn decode(text: &str) -> Result<Self, TurnoutError> {
        let mut turnout = Self::default();
        if text.is_empty() {
            return Ok(turnout);
        }
        let (text, unknown_until) = text.split_once(';').unwrap_or((text, "0"));
        let unknown_until = unknown_until.parse().map_err(|_| TurnoutError)?;
        turnout.unknown_until = Moment::from_unix_ms(unknown_until);
        let ages: Vec<&str> = text.split(',').collect();
        if ages.len() != DELAYS {
            return Err(TurnoutError);
        }
        for (index, age) in ages.into_iter().enumerate() {
            let fields: Vec<&str> = age.split(':').collect();
            let [aged, claimed, counted] = fields[..] else {
                return Err(TurnoutError);
            };
            turnout.aged[index] = share_of(aged)?;
            turnout.claimed[index] = share_of(claimed)?;
            turnout.counted[index] = counted.parse().map_err(|_| TurnoutError)?;
        }
        Ok(turnout)
    }
}

fn share_of(text: &str) -> Result<f64, TurnoutError> {
    let number: f64 = text.parse().map_err(|_| TurnoutError)?;
    (number.is_finite() && number >= 0.0)
        .then_some(number)
        .ok_or(TurnoutError)
}

/// Where the ages end in a room with this claim window: a call is forgotten when it ends, however young.
fn age_ends_within(window: Duration) -> [u64; DELAYS] {
    AGE_ENDS_MS.map(|end| end.min(millis(window)))
}

/// The share of the places called `age_ms` ago whose claim was to be expected by now.
fn come_by(shares: &[f64; DELAYS], ends: &[u64; DELAYS], age_ms: u64) -> f64 {
    let mut begins = 0;
    let mut come = 0.0;
    for (share, end) in shares.iter().zip(*ends) {
        // Ages beyond the claim window have no length.
        if age_ms <= begins || end <= begins {
            break;
        }
        let gone = age_ms.min(end) - begins;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of minutes")]
        let part = gone as f64 / (end - begins) as f64;
        come += share * part;
        begins = end;
    }
    come
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn at(ms: u64) -> Moment {
        Moment::from_unix_ms(ms)
    }

    /// A room that calls ten places a second, of whom this share claims a second later.
    fn after_a_while(share_percent: u64, seconds: u64) -> Turnout {
        let (mut turnout, mut log, mut claims) = (Turnout::default(), CallLog::default(), [0; DELAYS]);
        let mut settled = 0;
        for second in 1..=seconds {
            log.record(second * 10, at(second * 1_000));
            claims[delay_index(Duration::from_millis(900))] += share_percent / 10;
            turnout.learn(
                &claims,
                [(&log, settled)].into_iter(),
                WINDOW,
                at((second - 1) * 1_000),
                at(second * 1_000),
            );
            settled = log.expire(settled, at(second * 1_000), WINDOW);
        }
        turnout
    }

    #[test]
    fn the_share_of_those_who_come_is_learnt() {
        assert!(
            Turnout::default().share(WINDOW) > 0.95,
            "at first everybody is expected"
        );
        for share_percent in [20, 40, 100] {
            let learnt = after_a_while(share_percent, 200).share(WINDOW) * 100.0;
            let off = (learnt - f64::from(u32::try_from(share_percent).unwrap())).abs();
            assert!(off < 5.0, "{share_percent} % come, {learnt} % learnt");
        }
        assert!(after_a_while(0, 400).share(WINDOW) >= TURNOUT_MIN, "never nobody");
    }

    #[test]
    fn claims_are_expected_when_they_usually_come() {
        let turnout = after_a_while(40, 200);
        let mut log = CallLog::default();
        log.record(100, at(1_000_000));
        let expected = |from_ms: u64, to_ms: u64| {
            let calls = [(&log, 0)].into_iter();
            turnout.expected(calls, WINDOW, at(1_000_000 + from_ms), at(1_000_000 + to_ms))
        };
        assert!(
            (expected(0, 60_000) - 40.0).abs() < 1.0,
            "{}",
            expected(0, 60_000)
        );
        assert!((expected(500, 1_000) - 40.0).abs() < 1.0, "as in the test's room");
        assert!(expected(2_000, 60_000) < 1.0);
        assert!(expected(0, 0).abs() < 1e-9);
    }

    #[test]
    fn whoever_may_be_on_the_way_is_reckoned_with() {
        let mut turnout = Turnout::default();
        let mut log = CallLog::default();
        log.record(1_000, at(1_000));
        let calls = || [(&log, 0)].into_iter();
        turnout.learn(&[0; DELAYS], calls(), WINDOW, at(0), at(15_000));
        assert!(turnout.share(WINDOW) > 0.99, "most come soon, and they still can");
        turnout.learn(&[0; DELAYS], calls(), WINDOW, at(15_000), at(17_000));
        assert!(turnout.share(WINDOW) < 0.11, "hardly now");
    }

    #[test]
    fn nonsense_is_no_turnout() {
        for bad in ["1", "1:2:3", "a:b:c,", "NaN:0:0", &["-1:0:0"; DELAYS].join(",")] {
            assert_eq!(Turnout::decode(bad), Err(TurnoutError), "{bad}");
        }
        assert_eq!(Turnout::decode(""), Ok(Turnout::default()));
    }

    proptest! {
        #[test]
        fn it_survives_its_encoding(share in 0u64..100, seconds in 0u64..50) {
            let mut turnout = after_a_while(share, seconds);
            let read = Turnout::decode(&turnout.encode()).unwrap();
            prop_assert!((read.share(WINDOW) - turnout.share(WINDOW)).abs() < 0.01);
            turnout.forget_calls(at(seconds));
            prop_assert_eq!(Turnout::decode(&turnout.encode()).unwrap().unknown_until, at(seconds));
        }

        #[test]
        fn shares_are_shares(claims in proptest::array::uniform11(0u64..1_000_000), seconds in 1u64..100) {
            let mut turnout = after_a_while(50, seconds);
            turnout.learn(&claims, std::iter::empty(), WINDOW, at(0), at(1));
            let share = turnout.share(WINDOW);
            prop_assert!((TURNOUT_MIN..=1.0).contains(&share), "{share}");
        }
    }
}
