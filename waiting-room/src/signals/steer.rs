//! From what was heard to the rate in force, and what is written into the line for every edge to read.

use crate::config::SteeringConfig;
use std::time::Duration;
use waiting_room_domain::{Autopilot, Moment, Reason, Signals, Steering, Stock, StockSeen};

/// Steers a room as its config says.
#[derive(Debug, Clone, Copy)]
pub struct Steerer<'a> {
    /// The config.
    pub config: &'a SteeringConfig,
    /// The operator's rate, in users a minute.
    pub users_per_minute: u32,
    /// When the doors of this drop opened or open; nothing if the room is always open.
    pub doors_open: Option<Moment>,
}

/// What is known when a step is made.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The time, by the store's clock.
    pub now: Moment,
    /// How many had their turn since the line began: they came in, or let it pass.
    pub turns: u64,
    /// The line's word on the autopilot.
    pub autopilot: &'a str,
    /// The line's word on the stock.
    pub stock: &'a str,
    /// The signals.
    pub signals: &'a Signals,
    /// What was heard of the stock, and how long ago.
    pub heard: Option<(Stock, Duration)>,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steered {
    /// Users a minute, from now on.
    pub users_per_minute: u32,
    /// The line's new word on the autopilot.
    pub autopilot: String,
    /// The line's new word on the stock.
    pub stock: String,
    /// The rates before and after, when a step changed the rate, and why.
    pub change: Option<(u32, u32, Reason)>,
}

impl Steerer<'_> {
    /// The rate in force by the line's last word: what every edge goes by, whoever decides.
    pub fn rate(&self, now: Moment, autopilot: &str) -> u32 {
        let ceiling = self.ceiling(now);
        match (self.autopilot(), autopilot.parse::<Steering>()) {
            (Some(pilot), Ok(steering)) => pilot.rate(ceiling, &steering.state),
            _ => ceiling,
        }
    }

    /// The next step, for the edge that decides.
    pub fn step(&self, told: &Told<'_>) -> Steered {
        let ceiling = self.ceiling(told.now);
        let stock = self.stock(told);
        let Some(pilot) = self.autopilot() else {
            return Steered {
                users_per_minute: ceiling,
                autopilot: String::new(),
                stock,
                change: None,
            };
        };
        // Words of another version, or of a room that had no autopilot: begin anew.
        let before = told.autopilot.parse::<Steering>().ok();
        let before = before.map(|steering| steering.state);
        let step = pilot.step(ceiling, told.signals, before.as_ref(), told.now);
        let rate = before.map_or(ceiling, |state| pilot.rate(ceiling, &state));
        Steered {
            users_per_minute: step.rate,
            autopilot: Steering::of(&step, told.signals).to_string(),
            stock,
            change: (rate != step.rate).then_some((rate, step.rate, step.reason)),
        }
    }

    /// The operator's rate, or as much of it as a drop begins with.
    fn ceiling(&self, now: Moment) -> u32 {
        match (self.config.ramp, self.doors_open) {
            (Some(ramp), Some(opened)) => ramp.limit(self.users_per_minute, opened, now),
            _ => self.users_per_minute,
        }
    }

    fn autopilot(&self) -> Option<Autopilot> {
        self.config.autopilot.map(|rule| Autopilot { rule })
    }

    fn stock(&self, told: &Told<'_>) -> String {
        if self.config.stock.is_none() {
            return String::new();
        }
        let before = told.stock.parse::<StockSeen>().ok();
        let heard = told.heard.map(|(stock, age)| (stock, told.now.before(age)));
        match heard {
            // Another edge may have heard later than this one, which has only begun to decide.
            Some((stock, at)) if before.is_none_or(|before| before.seen_at < at) => {
                StockSeen::next(before.as_ref(), stock, told.turns, at).to_string()
            }
            _ => told.stock.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waiting_room_domain::{AutopilotRule, Ramp, Reading, Targets};

    const OPENED: Moment = Moment::from_unix_ms(1_000_000);

    fn config() -> SteeringConfig {
        let second = Duration::from_secs(1);
        SteeringConfig {
            ramp: Some(Ramp {
                lasts: second * 100,
                from_percent: 50,
            }),
            autopilot: Some(AutopilotRule {
                min_rate: 60,
                max_step_percent: 20,
                step_every: second * 5,
                blind_after: second * 30,
                targets: Targets {
                    backlog_max: Some(100),
                    ..Targets::default()
                },
            }),
            stock: Some(crate::config::StockConfig {
                product: "boot".to_owned(),
                closes_line: true,
                orders: None,
            }),
            ..SteeringConfig::default()
        }
    }

    fn backlog(value: u64) -> Signals {
        let age = Duration::ZERO;
        Signals {
            backlog: Some(Reading { value, age }),
            ..Signals::default()
        }
    }

    fn steerer(config: &SteeringConfig) -> Steerer<'_> {
        Steerer {
            config,
            users_per_minute: 600,
            doors_open: Some(OPENED),
        }
    }

    #[test]
    fn the_autopilot_steers_below_the_ramp_and_every_edge_knows() {
        let config = config();
        let steerer = steerer(&config);
        let signals = backlog(500);
        let told = Told {
            now: OPENED,
            turns: 0,
            autopilot: "",
            stock: "",
            signals: &signals,
            heard: None,
        };
        let first = steerer.step(&told);
        assert_eq!(first.users_per_minute, 240);
        let (before, after, reason) = first.change.unwrap();
        assert_eq!(
            (before, after, reason.to_string().as_str()),
            (300, 240, "backlog 500 over 100")
        );
        let later = OPENED.plus(Duration::from_secs(50));
        assert_eq!(steerer.rate(later, &first.autopilot), 240, "whoever decides");
        assert_eq!(steerer.rate(later, ""), 450, "without a word it is the ramp's");
        assert_eq!(steerer.rate(later, "what?"), 450);
        let calm = backlog(0);
        let up = steerer.step(&Told {
            now: later,
            autopilot: &first.autopilot,
            signals: &calm,
            ..told
        });
        assert_eq!(
            (up.users_per_minute, up.change.map(|(_, to, _)| to)),
            (262, Some(262))
        );
        let between = steerer.step(&Told {
            now: later.plus(Duration::from_secs(1)),
            autopilot: &up.autopilot,
            signals: &calm,
            ..told
        });
        assert_eq!(between.change, None);
    }

    #[test]
    fn a_room_that_follows_nothing_has_the_operators_rate() {
        let config = SteeringConfig::default();
        let steerer = steerer(&config);
        let signals = backlog(500);
        let told = Told {
            now: OPENED,
            turns: 0,
            autopilot: "1 60 1 1 clear;60;- - - - -",
            stock: "1 0 0 5 1000000 0 0",
            signals: &signals,
            heard: Some((Stock::default(), Duration::ZERO)),
        };
        let steered = steerer.step(&told);
        assert_eq!(steered.users_per_minute, 600);
        assert_eq!((steered.autopilot.as_str(), steered.stock.as_str()), ("", ""));
        assert_eq!(steerer.rate(OPENED, told.autopilot), 600);
    }

    #[test]
    fn the_newest_word_on_the_stock_is_kept() {
        let config = config();
        let steerer = steerer(&config);
        let signals = backlog(0);
        let stock = Stock {
            left: 5,
            held: 1,
            sold: 2,
        };
        let told = Told {
            now: OPENED,
            turns: 9,
            autopilot: "",
            stock: "",
            signals: &signals,
            heard: Some((stock, Duration::from_secs(2))),
        };
        let first = steerer.step(&told).stock;
        let seen: StockSeen = first.parse().unwrap();
        assert_eq!((seen.stock, seen.seen_at), (stock, Moment::from_unix_ms(998_000)));
        let older = Told {
            stock: &first,
            heard: Some((Stock::default(), Duration::from_secs(3))),
            ..told
        };
        assert_eq!(steerer.step(&older).stock, first, "older news changes nothing");
        let none = Told {
            stock: &first,
            heard: None,
            ..told
        };
        assert_eq!(steerer.step(&none).stock, first);
    }
}
