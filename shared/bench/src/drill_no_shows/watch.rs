//! The line as Redis has it, ten times a second, and whether ever more were in than allowed.

use super::tally::Tally;
use crate::edge::ROOM;
use anyhow::Context;
use clock::{Clock, SystemClock};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use std::time::Duration;
use testbed::RedisNamespace;
use tokio::time::{Instant, MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_millis(100);
/// A machine under load may be late; how late the samples were is told.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// The line of a room without a schedule.
const EPOCH: u32 = 1;

/// One consistent look.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// When it was taken.
    pub at: Instant,
    /// Numbers that were dealt and called.
    pub called: u64,
    /// People who were not called yet.
    pub waiting: u64,
    /// Sessions by Redis.
    pub active: u64,
    /// Sessions, and places called whose holders may still claim.
    pub reserved: u64,
    /// Sessions by what the shoppers know of their claims, ends and expiries.
    pub alive: u64,
    /// Claims ever, by Redis.
    pub claimed: u64,
    /// How many may be in, as Redis has it at this moment.
    pub max_active: u64,
}

/// Reads the line of one room.
pub struct Watch {
    connection: MultiplexedConnection,
    line: String,
    control: String,
    configured_max_active: u64,
}

impl Watch {
    /// Connects. `configured_max_active` counts until an operator says otherwise.
    pub async fn at(redis: &RedisNamespace, configured_max_active: u32) -> anyhow::Result<Self> {
        let client = redis::Client::open(redis.url())?;
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWERED_WITHIN));
        Ok(Self {
            connection: client
                .get_multiplexed_async_connection_with_config(&patient)
                .await?,
            line: format!("{}{{{ROOM}}}:{EPOCH}", redis.prefix()),
            control: format!("{}{{{ROOM}}}:control", redis.prefix()),
            configured_max_active: u64::from(configured_max_active),
        })
    }

    /// Adds samples until this is dropped.
    pub async fn sample(mut self, tally: &Tally, samples: &mut Vec<Sample>) -> anyhow::Result<()> {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            samples.push(self.look(tally).await.context("look at the line in Redis")?);
        }
    }

    async fn look(&mut self, tally: &Tally) -> anyhow::Result<Sample> {
        let line = &self.line;
        let now = format!("({}", SystemClock.unix_ms());
        let mut pipe = redis::pipe();
        pipe.atomic();
        pipe.cmd("HMGET").arg(format!("{line}:state"));
        pipe.arg(&[
            "incarnation",
            "issued:0",
            "called:0",
            "settled_below:0",
            "claimed",
        ]);
        pipe.zcard(format!("{line}:claims:0"));
        pipe.zcount(format!("{line}:active"), now, "+inf");
        pipe.hget(&self.control, "max_active");
        type Told = ([Option<u64>; 5], u64, u64, Option<u64>);
        let (counters, open_claims, active, max_active): Told =
            pipe.query_async(&mut self.connection).await?;
        // A line that an edge has looked at has one: else these are not its keys.
        counters[0].context("there is no line")?;
        let [_, issued, called, settled_below, claimed] = counters.map(Option::unwrap_or_default);
        let outstanding = called.saturating_sub(settled_below).saturating_sub(open_claims);
        Ok(Sample {
            at: Instant::now(),
            called: called.min(issued),
            waiting: issued.saturating_sub(called),
            active,
            reserved: active + outstanding,
            alive: tally.alive(),
            claimed,
            max_active: max_active.unwrap_or(self.configured_max_active),
        })
    }
}

/// In how many samples more were in than allowed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Exceeded {
    /// Sessions, by Redis or by the shoppers.
    pub sessions: usize,
    /// Sessions and places called.
    pub reserved: usize,
}

/// Holds every sample against what was allowed.
///
/// That is `max_active`. When that is lowered, nobody is thrown out: whoever was in or called by then may be in, but
/// from then on their number may only fall, until it is what was asked for.
pub fn exceeded(samples: &[Sample]) -> Exceeded {
    let mut exceeded = Exceeded::default();
    let mut allowed = 0;
    let mut before: Option<&Sample> = None;
    for sample in samples {
        let falling = match before {
            Some(before) if before.max_active == sample.max_active => before.reserved.min(allowed),
            _ => sample.reserved,
        };
        allowed = falling.max(sample.max_active);
        exceeded.sessions += usize::from(sample.active.max(sample.alive) > allowed);
        exceeded.reserved += usize::from(sample.reserved > allowed);
        before = Some(sample);
    }
    exceeded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(active: u64, reserved: u64, max_active: u64) -> Sample {
        Sample {
            at: Instant::now(),
            called: 0,
            waiting: 1,
            active,
            reserved,
            alive: active,
            claimed: 0,
            max_active,
        }
    }

    #[test]
    fn a_lowered_maximum_lets_nobody_new_in() {
        /// What it is, (active, reserved, `max_active`) of each sample, sessions and places that are too many.
        type Row = (&'static str, &'static [(u64, u64, u64)], usize, usize);
        let table: [Row; 5] = [
            ("within", &[(5, 10, 10), (10, 10, 10)], 0, 0),
            ("too many places", &[(5, 10, 10), (5, 11, 10)], 0, 1),
            (
                "called before it was lowered",
                &[(5, 10, 10), (5, 9, 4), (7, 9, 4), (4, 4, 4)],
                0,
                0,
            ),
            (
                "called after it",
                &[(5, 10, 10), (5, 8, 4), (5, 6, 4), (7, 7, 4)],
                1,
                1,
            ),
            (
                "raised again",
                &[(5, 9, 4), (3, 3, 4), (4, 4, 4), (9, 10, 10)],
                0,
                0,
            ),
        ];
        for (what, samples, sessions, reserved) in table {
            let samples: Vec<Sample> = samples
                .iter()
                .map(|(active, reserved, max)| sample(*active, *reserved, *max))
                .collect();
            assert_eq!(exceeded(&samples), Exceeded { sessions, reserved }, "{what}");
        }
    }

    #[test]
    fn what_the_shoppers_know_counts_too() {
        let more = Sample {
            alive: 11,
            ..sample(10, 10, 10)
        };
        assert_eq!(exceeded(&[sample(1, 1, 10), more]).sessions, 1);
    }
}
