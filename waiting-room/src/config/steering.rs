//! What the admission of a room follows besides the operator's limits: a ramp, the shop's signals, its stock.

use super::validate::Notes;
use serde::Deserialize;
use std::time::Duration;
use url::Url;
use waiting_room_domain::{AutopilotRule, Ramp, Targets};

/// Instances of a shop that are asked.
const URLS_MAX: usize = 16;

/// What the admission of a room follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SteeringConfig {
    /// How a drop begins.
    pub ramp: Option<Ramp>,
    /// How the rate follows the signals.
    pub autopilot: Option<AutopilotRule>,
    /// Where the shop says how it is.
    pub signals: Vec<Url>,
    /// What the room sells.
    pub stock: Option<StockConfig>,
}

/// What the room sells, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockConfig {
    /// Its name in the shop's signals.
    pub product: String,
    /// Whether the line closes to newcomers who can get nothing any more.
    pub closes_line: bool,
    /// The path where it is ordered, if the edge is to answer orders when nothing is left.
    pub orders: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRamp {
    seconds: u64,
    #[serde(default = "from_percent")]
    from_percent: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAutopilot {
    min_users_per_minute: u32,
    #[serde(default = "max_step_percent")]
    max_step_percent: u32,
    #[serde(default = "step_seconds")]
    step_seconds: u64,
    #[serde(default = "blind_seconds")]
    blind_seconds: u64,
    backlog_max: Option<u64>,
    oldest_age_ms_max: Option<u64>,
    decision_p90_ms_max: Option<u64>,
    origin_p90_ms_max: Option<u64>,
    origin_error_percent_max: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignals {
    urls: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStock {
    product: String,
    #[serde(default = "closes_line")]
    closes_line: bool,
    orders: Option<String>,
}

/// The parts of a room's table that this file is about.
#[derive(Debug, Default)]
pub(super) struct RawSteering {
    pub(super) ramp: Option<RawRamp>,
    pub(super) autopilot: Option<RawAutopilot>,
    pub(super) signals: Option<RawSignals>,
    pub(super) stock: Option<RawStock>,
}

/// What is meant. `place` is the room's, `users_per_minute` and `has_drops` are what is said of it elsewhere.
pub(super) fn read_steering(
    notes: &mut Notes,
    place: &str,
    raw: &RawSteering,
    users_per_minute: u32,
    has_drops: bool,
) -> SteeringConfig {
    let signals = raw
        .signals
        .as_ref()
        .map_or_else(Vec::new, |raw| read_urls(notes, place, raw));
    let is_deaf = raw.signals.is_none();
    if let Some(ramp) = &raw.ramp {
        check_ramp(notes, place, ramp, has_drops);
    }
    if let Some(autopilot) = &raw.autopilot {
        check_autopilot(notes, place, autopilot, users_per_minute, is_deaf);
    }
    notes.check(
        place,
        raw.stock.is_none() || !is_deaf,
        "stock needs signals.urls to hear of it",
    );
    let orders = raw.stock.as_ref().and_then(|stock| stock.orders.as_deref());
    notes.check(
        place,
        orders.is_none_or(|path| path.starts_with('/')),
        "stock.orders must be a path such as /orders",
    );
    SteeringConfig {
        ramp: raw.ramp.as_ref().map(RawRamp::rule),
        autopilot: raw.autopilot.as_ref().map(RawAutopilot::rule),
        signals,
        stock: raw.stock.as_ref().map(|raw| StockConfig {
            product: raw.product.clone(),
            closes_line: raw.closes_line,
            orders: raw.orders.clone(),
        }),
    }
}

fn read_urls(notes: &mut Notes, place: &str, raw: &RawSignals) -> Vec<Url> {
    notes.check(
        place,
        (1..=URLS_MAX).contains(&raw.urls.len()),
        "signals.urls must name from 1 to 16 addresses",
    );
    let urls = raw.urls.iter().filter_map(|text| {
        let url = Url::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"));
        let wrong = || format!("{text:?} is not an address such as http://127.0.0.1:3000/signals");
        notes.take(&format!("{place}, signals.urls"), url.ok_or_else(wrong))
    });
    urls.collect()
}

fn check_ramp(notes: &mut Notes, place: &str, raw: &RawRamp, has_drops: bool) {
    notes.check(
        place,
        (1..=86_400).contains(&raw.seconds),
        "ramp.seconds must be from 1 to 86400",
    );
    notes.check(
        place,
        raw.from_percent <= 100,
        "ramp.from_percent must be at most 100",
    );
    notes.check(
        place,
        has_drops,
        "a ramp begins with a drop, and the room has none",
    );
}

fn check_autopilot(notes: &mut Notes, place: &str, raw: &RawAutopilot, users_per_minute: u32, is_deaf: bool) {
    notes.check(
        place,
        (1..=users_per_minute).contains(&raw.min_users_per_minute),
        "autopilot.min_users_per_minute must be from 1 to users_per_minute",
    );
    notes.check(
        place,
        (1..=100).contains(&raw.max_step_percent),
        "autopilot.max_step_percent must be from 1 to 100",
    );
    notes.check(
        place,
        (1..=600).contains(&raw.step_seconds),
        "autopilot.step_seconds must be from 1 to 600",
    );
    notes.check(
        place,
        (5..=3_600).contains(&raw.blind_seconds),
        "autopilot.blind_seconds must be from 5 to 3600",
    );
    let of_shop = [raw.backlog_max, raw.oldest_age_ms_max, raw.decision_p90_ms_max];
    let asks_shop = of_shop.iter().any(Option::is_some);
    let asks_origin = raw.origin_p90_ms_max.is_some() || raw.origin_error_percent_max.is_some();
    notes.check(
        place,
        asks_shop || asks_origin,
        "autopilot needs at least one target",
    );
    notes.check(
        place,
        !asks_shop || !is_deaf,
        "autopilot has a target that the shop must tell of: signals.urls is needed",
    );
    notes.check(
        place,
        raw.origin_error_percent_max.is_none_or(|percent| percent < 100),
        "autopilot.origin_error_percent_max must be below 100",
    );
}

impl RawRamp {
    fn rule(&self) -> Ramp {
        Ramp {
            lasts: Duration::from_secs(self.seconds),
            from_percent: self.from_percent,
        }
    }
}

impl RawAutopilot {
    fn rule(&self) -> AutopilotRule {
        AutopilotRule {
            min_rate: self.min_users_per_minute,
            max_step_percent: self.max_step_percent,
            step_every: Duration::from_secs(self.step_seconds),
            blind_after: Duration::from_secs(self.blind_seconds),
            targets: Targets {
                backlog_max: self.backlog_max,
                oldest_age_max: self.oldest_age_ms_max.map(Duration::from_millis),
                decision_p90_max: self.decision_p90_ms_max.map(Duration::from_millis),
                origin_p90_max: self.origin_p90_ms_max.map(Duration::from_millis),
                origin_error_percent_max: self.origin_error_percent_max,
            },
        }
    }
}

fn from_percent() -> u32 {
    10
}

fn max_step_percent() -> u32 {
    20
}

fn step_seconds() -> u64 {
    5
}

fn blind_seconds() -> u64 {
    30
}

fn closes_line() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use std::time::Duration;

    const ROOM: &str = r#"
        [[origin]]
        name = "shop"
        addresses = ["http://127.0.0.1:3000"]
        [[room]]
        id = "demo"
        users_per_minute = 600
        max_active = 10
    "#;
    const DROP: &str = "
        [[room.drop]]
        doors_open = 2027-03-01T10:00:00Z
        doors_close = 2027-03-01T12:00:00Z
    ";

    #[test]
    fn a_room_without_any_of_it_follows_the_operator_alone() {
        let config = Config::from_toml(ROOM).unwrap();
        assert_eq!(config.rooms[0].steering, super::SteeringConfig::default());
    }

    #[test]
    fn everything_is_read() {
        let text = format!(
            r#"{ROOM}
            [room.ramp]
            seconds = 120
            [room.autopilot]
            min_users_per_minute = 60
            step_seconds = 2
            backlog_max = 2000
            origin_p90_ms_max = 500
            [room.signals]
            urls = ["http://127.0.0.1:17085/signals"]
            [room.stock]
            product = "demo-sneaker"
            orders = "/orders"
            {DROP}"#
        );
        let steering = Config::from_toml(&text).unwrap().rooms.remove(0).steering;
        assert_eq!(steering.ramp.unwrap().from_percent, 10);
        let rule = steering.autopilot.unwrap();
        assert_eq!((rule.min_rate, rule.max_step_percent), (60, 20));
        assert_eq!(
            (rule.step_every, rule.blind_after),
            (Duration::from_secs(2), Duration::from_secs(30))
        );
        assert_eq!(rule.targets.backlog_max, Some(2_000));
        assert_eq!(rule.targets.origin_p90_max, Some(Duration::from_millis(500)));
        assert_eq!(steering.signals[0].as_str(), "http://127.0.0.1:17085/signals");
        let stock = steering.stock.unwrap();
        assert_eq!(
            (stock.product.as_str(), stock.closes_line, stock.orders.as_deref()),
            ("demo-sneaker", true, Some("/orders"))
        );
    }

    #[test]
    fn every_mistake_is_reported_at_once() {
        let text = format!(
            r#"{ROOM}
            ramp = {{ seconds = 0, from_percent = 101 }}
            stock = {{ product = "x", orders = "orders" }}
            [room.autopilot]
            min_users_per_minute = 601
            max_step_percent = 0
            step_seconds = 0
            blind_seconds = 1
            oldest_age_ms_max = 5
            origin_error_percent_max = 100
            "#
        );
        let deaf = Config::from_toml(&text).unwrap_err().lines();
        let text = format!(
            "{ROOM}\nsignals = {{ urls = [\"ftp://x\", \"y\"] }}\n[room.autopilot]\nmin_users_per_minute = 1"
        );
        let other = Config::from_toml(&text).unwrap_err().lines();
        for expected in [
            "ramp.seconds",
            "ramp.from_percent",
            "has none",
            "stock needs",
            "stock.orders",
            "min_users_per_minute",
            "max_step_percent",
            "step_seconds",
            "blind_seconds",
            "signals.urls is needed",
            "origin_error_percent_max",
            "ftp://x",
            "\"y\"",
            "at least one target",
        ] {
            let found = deaf.iter().chain(&other).any(|line| line.contains(expected));
            assert!(found, "{expected} in {deaf:#?} {other:#?}");
        }
    }
}
