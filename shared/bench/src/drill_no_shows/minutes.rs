//! Claims, minute by minute, against the rate that was in force.

use super::watch::Sample;
use crate::report::rounded;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// At first everybody is believed to come: so long it takes to learn better.
const LEARNS: Duration = Duration::from_secs(60);

/// What was asked for, and when.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// When the doors opened.
    pub began: Instant,
    /// How long a minute is: shorter in a quick run.
    pub minute: Duration,
    /// How many there are.
    pub minutes: u32,
    /// From when on which rate was asked for; the first from the beginning on.
    pub rates: Vec<(Instant, u32)>,
    /// While `max_active`, not the rate, decided.
    pub lowered: (Instant, Instant),
}

/// What one minute was like.
#[derive(Debug, Clone, PartialEq)]
pub struct Minute {
    /// The rate asked for; the mean if it was changed within.
    pub rate: f64,
    /// Claims in it, a minute.
    pub claims: f64,
    /// Places called in it, a minute.
    pub calls: f64,
    /// Whether it counts: it is after the first sixty seconds, and the rate decided all the time.
    pub counts: bool,
}

impl Minute {
    /// How far off the rate it was.
    pub fn error(&self) -> f64 {
        (self.claims / self.rate - 1.0).abs()
    }

    /// As it is printed.
    pub fn told(&self) -> Value {
        json!({
            "rate": rounded(self.rate, 1),
            "claims": rounded(self.claims, 0),
            "calls": rounded(self.calls, 0),
            "counts": self.counts,
        })
    }
}

impl Timeline {
    /// When the run is over.
    pub fn ends(&self) -> Instant {
        self.began + self.minute * self.minutes
    }

    /// Every minute of the run.
    pub fn minutes(&self, claims: &[Instant], samples: &[Sample]) -> Vec<Minute> {
        let minute = |index| {
            let (from, to) = self.span(index);
            let came = claims.iter().filter(|at| (from..to).contains(*at)).count();
            let calls = called_by(samples, to).saturating_sub(called_by(samples, from));
            let (lowered, raised) = self.lowered;
            Minute {
                rate: self.mean_rate(from, to),
                claims: self.a_minute(came as u64),
                calls: self.a_minute(calls),
                counts: from >= self.began + LEARNS && (to <= lowered || from >= raised),
            }
        };
        (0..self.minutes).map(minute).collect()
    }

    fn span(&self, index: u32) -> (Instant, Instant) {
        let from = self.began + self.minute * index;
        (from, from + self.minute)
    }

    fn mean_rate(&self, from: Instant, to: Instant) -> f64 {
        let ends = self.rates.iter().skip(1).map(|(at, _)| *at).chain([to]);
        let weighted = self.rates.iter().zip(ends).map(|((began, rate), ended)| {
            let (began, ended) = ((*began).max(from), ended.min(to));
            f64::from(*rate) * ended.saturating_duration_since(began).as_secs_f64()
        });
        weighted.sum::<f64>() / (to - from).as_secs_f64()
    }

    #[expect(clippy::cast_precision_loss, reason = "people of a minute")]
    fn a_minute(&self, count: u64) -> f64 {
        count as f64 * 60.0 / self.minute.as_secs_f64()
    }
}

/// How far had been called by then.
fn called_by(samples: &[Sample], at: Instant) -> u64 {
    let after = samples.partition_point(|sample| sample.at <= at);
    let last = after.checked_sub(1).and_then(|last| samples.get(last));
    last.map_or(0, |sample| sample.called)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Timeline {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        Timeline {
            began,
            minute: Duration::from_secs(60),
            minutes: 5,
            rates: vec![(began, 60), (at(150), 120)],
            lowered: (at(190), at(200)),
        }
    }

    #[test]
    fn a_minute_in_which_the_rate_was_changed_counts_by_parts() {
        let timeline = timeline();
        let minutes = timeline.minutes(&[], &[]);
        let rates: Vec<f64> = minutes.iter().map(|minute| minute.rate.round()).collect();
        assert_eq!(rates, [60.0, 60.0, 90.0, 120.0, 120.0]);
        let counts: Vec<bool> = minutes.iter().map(|minute| minute.counts).collect();
        assert_eq!(counts, [false, true, true, false, true]);
    }

    #[test]
    fn claims_are_held_against_the_rate() {
        let timeline = timeline();
        let in_second_minute = (60..117).map(|second| timeline.began + Duration::from_secs(second));
        let minutes = timeline.minutes(&in_second_minute.collect::<Vec<_>>(), &[]);
        assert!((minutes[1].error() - 0.05).abs() < 1e-9, "{:?}", minutes[1]);
        assert!((minutes[2].error() - 1.0).abs() < 1e-9);
    }
}
