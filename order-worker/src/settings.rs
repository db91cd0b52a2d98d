//! The command line and the environment.

use clap::{Args, Parser, Subcommand, ValueEnum};
use order_domain::{
    calendar::{Calendar, CivilDays},
    limits::MAX_BATCH,
    terms::Terms,
};
use std::{net::SocketAddr, time::Duration};
use time::{
    Date, OffsetDateTime, UtcOffset, Weekday, format_description::well_known::Rfc3339,
    macros::format_description,
};
use uuid::Uuid;

/// Takes orders from RabbitMQ in sequence and writes them to PostgreSQL in batches.
#[derive(Debug, Clone, Parser)]
#[command(name = "order-worker", version)]
pub struct Settings {
    /// Where RabbitMQ is.
    #[command(flatten)]
    pub broker: BrokerSettings,
    /// How to run, when no command is given.
    #[command(flatten)]
    pub run: RunSettings,
    /// What to do instead of running.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// RabbitMQ.
#[derive(Debug, Clone, Args)]
pub struct BrokerSettings {
    /// RabbitMQ, e.g. amqp://user:password@host:5672/vhost; of a cluster all nodes, with commas between them
    #[arg(
        long,
        env = "AMQP_URL",
        hide_env_values = true,
        global = true,
        default_value = ""
    )]
    pub amqp_url: String,
    /// What the names of exchanges and queues begin with
    #[arg(long, env = "BROKER_PREFIX", global = true, default_value = "")]
    pub broker_prefix: String,
}

/// The service.
#[derive(Debug, Clone, Args)]
pub struct RunSettings {
    /// PostgreSQL, e.g. postgres:///shop?host=/run/postgresql
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "")]
    pub database_url: String,
    /// Where /livez, /readyz and /metrics are answered
    #[arg(long, env = "ORDER_WORKER_LISTEN", default_value = "127.0.0.1:17083")]
    pub listen: SocketAddr,
    /// The payment provider; without it, refunds stay due
    #[arg(long, env = "ORDER_WORKER_PAYMENTS_URL")]
    pub payments_url: Option<String>,
    /// Commands decided in one transaction at most
    #[arg(long, env = "ORDER_WORKER_BATCH_SIZE", default_value_t = 256)]
    pub batch_size: usize,
    /// How many milliseconds the first command of a batch waits for others
    #[arg(long, env = "ORDER_WORKER_BATCH_AGE_MS", default_value_t = 2)]
    pub batch_age_ms: u64,
    /// Minutes east of UTC where the days of shipping and returns begin, e.g. 540 for Seoul
    #[arg(
        long,
        env = "ORDER_WORKER_UTC_OFFSET_MINUTES",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub utc_offset_minutes: i16,
    /// Weekdays on which nothing is shipped or taken back, e.g. sat,sun
    #[arg(long, env = "ORDER_WORKER_SHUT_WEEKDAYS", value_delimiter = ',')]
    pub shut_weekdays: Vec<ShutWeekday>,
    /// Dates on which nothing is shipped or taken back, e.g. 2026-12-25,2027-01-01
    #[arg(long, env = "ORDER_WORKER_HOLIDAYS", value_delimiter = ',', value_parser = parse_date)]
    pub holidays: Vec<Date>,
    /// For demos and drills: a day of shipping and returns lasts so many seconds
    #[arg(long, env = "ORDER_WORKER_DAY_SECONDS")]
    pub day_seconds: Option<u32>,
}

/// A weekday on which the shop is shut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShutWeekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// What to do instead of running.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// The commands that could not be acted on
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Who is told of orders, by Standard Webhooks
    #[command(subcommand)]
    Webhooks(WebhookCommand),
}

/// What to do with the endpoints that are told of orders.
#[derive(Debug, Clone, Subcommand)]
pub enum WebhookCommand {
    /// Tells another one from now on; prints its name and its secret
    Add {
        /// Where, e.g. `https://partner.example/hooks`
        #[arg(value_parser = parse_endpoint)]
        url: String,
    },
    /// Shows all of them, how they are, and how much waits for them
    List,
    /// Prints the secret of one
    Secret {
        /// Its name, as `list` says it
        id: Uuid,
    },
    /// Tells one no more
    Remove {
        /// Its name, as `list` says it
        id: Uuid,
    },
    /// Tells one everything again that happened since, and begins again with one that was given up
    Replay {
        /// Its name, as `list` says it
        id: Uuid,
        /// Since when, e.g. 2026-11-21T00:00:00Z
        #[arg(long, value_parser = parse_moment)]
        since: OffsetDateTime,
    },
}

/// What to do with dead letters.
#[derive(Debug, Clone, Subcommand)]
pub enum DeadCommand {
    /// Shows the oldest ones with their reasons; they stay
    List {
        /// How many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Shows one in full
    Show {
        /// Its name, as `list` says it
        name: String,
    },
    /// Gives one, or the oldest ones, back to the orders
    Replay(DeadChoice),
    /// Drops one, or the oldest ones, for ever
    Drop(DeadChoice),
}

/// Which dead letters are meant.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[group(required = true, multiple = false)]
pub struct DeadChoice {
    /// The one of this name, as `list` says it
    pub name: Option<String>,
    /// The oldest ones, at most so many
    #[arg(long)]
    pub oldest: Option<usize>,
}

/// How much a batch gathers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Commands in a transaction, at most.
    pub size: usize,
    /// How long the first one waits for others.
    pub age: Duration,
}

/// The longest that a command may be made to wait for others.
const MAX_BATCH_AGE_MS: u64 = 1_000;

const _: () = assert!(
    MAX_BATCH * 2 <= u16::MAX as usize,
    "two batches fit a prefetch count"
);

impl Settings {
    /// Every mistake, each with what to do.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |right: bool, what: String| {
            if !right {
                mistakes.push(what);
            }
        };
        let needs_broker = !matches!(self.command, Some(Command::Webhooks(_)));
        check(
            !needs_broker || !self.broker.amqp_url.is_empty(),
            "AMQP_URL is not set: where is RabbitMQ?".to_owned(),
        );
        if matches!(self.command, Some(Command::Webhooks(_))) {
            check(
                !self.run.database_url.is_empty(),
                "DATABASE_URL is not set: where is PostgreSQL?".to_owned(),
            );
        }
        if self.command.is_none() {
            let run = &self.run;
            check(
                !run.database_url.is_empty(),
                "DATABASE_URL is not set: where is PostgreSQL?".to_owned(),
            );
            check(
                (1..=MAX_BATCH).contains(&run.batch_size),
                format!("--batch-size must be between 1 and {MAX_BATCH}"),
            );
            check(
                run.batch_age_ms <= MAX_BATCH_AGE_MS,
                format!("--batch-age-ms must be at most {MAX_BATCH_AGE_MS}"),
            );
            check(
                run.calendar().is_some(),
                "the shop's days: at most a day from UTC, and at least one weekday open".to_owned(),
            );
            check(
                run.day_seconds != Some(0),
                "--day-seconds must be at least 1".to_owned(),
            );
        }
        mistakes
    }
}

impl RunSettings {
    /// How much a batch gathers.
    pub fn batch(&self) -> BatchLimits {
        BatchLimits {
            size: self.batch_size,
            age: Duration::from_millis(self.batch_age_ms),
        }
    }

    /// The shop's terms, once there are no mistakes.
    pub fn terms(&self) -> Terms {
        Terms {
            calendar: self.calendar().unwrap_or_default(),
            ..Terms::default()
        }
    }

    fn calendar(&self) -> Option<Calendar> {
        if let Some(seconds) = self.day_seconds {
            return Some(Calendar::Every(time::Duration::seconds(seconds.into())));
        }
        let offset = UtcOffset::from_whole_seconds(i32::from(self.utc_offset_minutes) * 60).ok()?;
        let shut: Vec<Weekday> = self.shut_weekdays.iter().map(|day| (*day).into()).collect();
        let holidays = self.holidays.iter().copied().collect();
        CivilDays::new(offset, &shut, holidays).ok().map(Calendar::Civil)
    }
}

impl From<ShutWeekday> for Weekday {
    fn from(day: ShutWeekday) -> Self {
        match day {
            ShutWeekday::Mon => Self::Monday,
            ShutWeekday::Tue => Self::Tuesday,
            ShutWeekday::Wed => Self::Wednesday,
            ShutWeekday::Thu => Self::Thursday,
            ShutWeekday::Fri => Self::Friday,
            ShutWeekday::Sat => Self::Saturday,
            ShutWeekday::Sun => Self::Sunday,
        }
    }
}

fn parse_endpoint(text: &str) -> Result<String, String> {
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    if is_http && text.len() <= 2_000 {
        Ok(text.to_owned())
    } else {
        Err("an endpoint begins with http:// or https:// and has at most 2000 characters".to_owned())
    }
}

fn parse_moment(text: &str) -> Result<OffsetDateTime, time::error::Parse> {
    OffsetDateTime::parse(text, &Rfc3339)
}

fn parse_date(text: &str) -> Result<Date, time::error::Parse> {
    Date::parse(text, format_description!("[year]-[month]-[day]"))
}

impl BatchLimits {
    /// Messages that a queue may have delivered ahead: one batch in work, one gathering.
    pub fn prefetch(self) -> u16 {
        u16::try_from(self.size * 2).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        Settings::parse_from([&["order-worker"], arguments].concat())
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let settings = settings(&[
            "--amqp-url=",
            "--database-url=",
            "--batch-size=0",
            "--batch-age-ms=1001",
        ]);
        assert_eq!(settings.mistakes().len(), 4);
    }

    #[test]
    fn the_shops_days_are_as_set() {
        let weekend = [
            "--utc-offset-minutes=540",
            "--shut-weekdays=sat,sun",
            "--holidays=2026-12-25",
        ];
        let friday = time::macros::datetime!(2026-11-20 10:00 UTC);
        let calendar = settings(&weekend).run.terms().calendar;
        assert_eq!(
            calendar.after(friday, 1),
            time::macros::datetime!(2026-11-22 15:00 UTC)
        );
        let quick = settings(&["--day-seconds=2"]).run.terms().calendar;
        assert_eq!(quick.after(friday, 3), friday + time::Duration::seconds(6));
        for wrong in [
            "--utc-offset-minutes=2000",
            "--day-seconds=0",
            "--shut-weekdays=mon,tue,wed,thu,fri,sat,sun",
        ] {
            let wrong = settings(&["--amqp-url=a", "--database-url=d", wrong]);
            assert_eq!(wrong.mistakes().len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn looking_at_dead_letters_needs_only_the_broker() {
        let settings = settings(&["dead", "list", "--amqp-url=amqp://h", "--broker-prefix=drill."]);
        assert_eq!(settings.mistakes(), [""; 0]);
        assert_eq!(settings.broker.broker_prefix, "drill.");
    }
}
