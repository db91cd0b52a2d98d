//! What is counted, and how well the rate was met.

use serde::Serialize;

const TICK_MS: u64 = 100;
const MINUTE_TICKS: usize = 600;
/// After the doors open and after anything that disturbs, a minute to settle and a minute to be measured.
const SETTLES_MS: u64 = 120_000;

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// How many shoppers there were.
    pub shoppers: u64,
    /// How many edges.
    pub edges: usize,
    /// How far the claims of a minute were from the rate at most, as a share of it; only minutes in which people
    /// waited, no session bound stopped them, and nothing disturbed. Nothing if there was no such minute.
    pub rate_error: Option<f64>,
    /// When that minute was over.
    pub rate_error_at_ms: u64,
    /// The minutes that were measured, one beginning each tick.
    pub minutes_measured: u64,
    /// Sessions and reserved places beyond the highest bound, while the store had forgotten nothing.
    pub overshoot: u64,
    /// Shoppers who held a ticket and were refused before their time was over.
    pub places_lost: u64,
    /// Numbers dealt twice.
    pub numbers_doubled: u64,
    /// Spearman's coefficient of arrival and rank in the draw of the pre-queue, as a z-score; nothing without a draw.
    pub shuffle_statistic: Option<f64>,
    /// The most polls of a second.
    pub polls_per_second_highest: u64,
    /// Polls a second, on average.
    pub polls_per_second_mean: f64,
    /// Everybody who came in.
    pub admitted: u64,
    /// Everybody who asked when told to, and yet learnt of the call only when the time was over.
    pub came_too_late: u64,
    /// Everybody who left without a word.
    pub walked_away: u64,
    /// Who still waited when the run ended.
    pub left_waiting: u64,
    /// Crashes, pauses, silences, losses of the store, and changes by operators.
    pub disturbances: u64,
    /// How long the drop took, in virtual seconds.
    pub virtual_seconds: u64,
    /// Replays it.
    pub seed: u64,
}

/// The counters behind a [`Report`].
pub(crate) struct Figures {
    claims: [u32; MINUTE_TICKS],
    claims_of_minute: u64,
    tick: usize,
    undisturbed_since: u64,
    pub(crate) rate_error: Option<f64>,
    pub(crate) rate_error_at_ms: u64,
    pub(crate) minutes_measured: u64,
    polls_of_second: u64,
    pub(crate) polls_highest: u64,
    pub(crate) polls: u64,
    pub(crate) admitted: u64,
    pub(crate) came_too_late: u64,
    pub(crate) walked_away: u64,
    pub(crate) disturbances: u64,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            claims: [0; MINUTE_TICKS],
            claims_of_minute: 0,
            tick: 0,
            undisturbed_since: 0,
            rate_error: None,
            rate_error_at_ms: 0,
            minutes_measured: 0,
            polls_of_second: 0,
            polls_highest: 0,
            polls: 0,
            admitted: 0,
            came_too_late: 0,
            walked_away: 0,
            disturbances: 0,
        }
    }

    pub(crate) fn poll(&mut self) {
        self.polls += 1;
        self.polls_of_second += 1;
    }

    pub(crate) fn claim(&mut self) {
        self.admitted += 1;
        self.claims_of_minute += 1;
        self.claims[self.tick] += 1;
    }

    /// Something happened after which the rate cannot be expected to be met at once.
    pub(crate) fn disturb(&mut self, now_ms: u64) {
        self.undisturbed_since = now_ms;
    }

    /// A tick is over in which so many a minute were to come in.
    pub(crate) fn tick(&mut self, now_ms: u64, users_per_minute: u32) {
        let error = self.minute_error(now_ms, users_per_minute);
        if let Some(error) = error {
            self.minutes_measured += 1;
            if self.rate_error.is_none_or(|worst| worst < error) {
                self.rate_error = Some(error);
                self.rate_error_at_ms = now_ms;
            }
        }
        self.tick = (self.tick + 1) % MINUTE_TICKS;
        self.claims_of_minute -= u64::from(std::mem::take(&mut self.claims[self.tick]));
        if now_ms.is_multiple_of(10 * TICK_MS) {
            self.polls_highest = self.polls_highest.max(self.polls_of_second);
            self.polls_of_second = 0;
        }
    }

    fn minute_error(&self, now_ms: u64, users_per_minute: u32) -> Option<f64> {
        let settled = now_ms >= self.undisturbed_since + SETTLES_MS;
        (settled && users_per_minute > 0).then(|| {
            let off = self.claims_of_minute.abs_diff(u64::from(users_per_minute));
            float(off) / f64::from(users_per_minute)
        })
    }

    pub(crate) fn claims_of_minute(&self) -> u64 {
        self.claims_of_minute
    }
}

pub(crate) fn float(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of people, far below 2^52")]
    let float = count as f64;
    float
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_measured_over_whole_minutes_that_nothing_disturbed() {
        let mut figures = Figures::new();
        for tick in 1..=1_500u64 {
            figures.claim();
            figures.tick(tick * TICK_MS, 600);
        }
        assert_eq!(
            figures.minutes_measured, 301,
            "from the end of the second minute on"
        );
        assert!(figures.rate_error.unwrap() < 0.01);
        for tick in 1_501..=1_800u64 {
            figures.claim();
            figures.claim();
            figures.tick(tick * TICK_MS, 600);
        }
        assert!((figures.rate_error.unwrap() - 0.5).abs() < 0.01);
        assert_eq!(figures.rate_error_at_ms, 180_000);
    }
}
