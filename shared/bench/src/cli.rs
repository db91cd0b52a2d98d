//! What can be measured, and how much.

use crate::drills::Drill;
use clap::{Args, Parser, Subcommand};
use std::{net::SocketAddr, path::PathBuf};

/// Measures the product on this machine, against a reference that runs in turn with it.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub struct Cli {
    #[command(subcommand)]
    pub measurement: Measurement,
}

#[derive(Debug, Subcommand)]
pub enum Measurement {
    /// A waiting shopper's poll, against nginx answering as many bytes.
    Poll(PollPlan),
    /// A request with a pass to what stands behind the edge, against nginx in front of the same.
    Proxy(ProxyPlan),
    /// What idle connections and listeners cost an edge, and how soon very many listeners are told of a change.
    Idle(IdlePlan),
    /// A part of `idle`: listens with many tickets at one edge.
    #[command(hide = true)]
    Listen(ListenPlan),
    /// Joins over HTTP with Redis behind the edge, against plain INCR of the same Redis.
    Join(JoinPlan),
    /// A million in line: what they cost Redis, and the polls that they are asked for.
    Million(MillionPlan),
    /// Reads of what is left through the edge, against nginx answering as many bytes, and 270,000 of them in a minute.
    Stock(StockPlan),
    /// Reads of the product list and of one product, of very many, with the edge's cache and without.
    Catalog(CatalogPlan),
    /// Polls while very many sign in, against polls while nobody does.
    SignIn(SignInPlan),
    /// Orders over HTTP until they are decided in PostgreSQL, against the naive transaction by pgbench.
    Orders(OrdersPlan),
    /// Very many holds that expire in the same moment, while people order.
    Expiry(ExpiryPlan),
    /// A draw of very many entries, from its closing until every winner has a right, against `ORDER BY random()`.
    Draw(DrawPlan),
    /// Ten thousand shoppers at one hundred units, by k6, and what the database says afterwards.
    DropDay(DropDayPlan),
    /// Whether fewer are let in while the order worker stands still, and as many as before afterwards.
    DrillAutopilot(DrillAutopilotPlan),
    /// Whether nobody in line loses by it when something breaks.
    Drill(DrillPlan),
    /// Whether an order, a unit or money goes astray when programs and servers are killed at random moments.
    DrillKills(KillsPlan),
    /// Whether orders go on, and none is lost, when a cluster of three RabbitMQ nodes loses one after the other.
    DrillBrokerNodes(NodesPlan),
    /// Whether orders are refused clearly, and none is lost, while the disk of PostgreSQL or RabbitMQ is full; as root.
    DrillDiskFull(DiskPlan),
    /// Whether the rate is met in claims, and no limit overstepped, when most of those called never come.
    DrillNoShows(NoShowsPlan),
}

#[derive(Debug, Args)]
pub struct PollPlan {
    /// How often each side is measured, in turn.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// How long each side is loaded in a round.
    #[arg(long, default_value_t = 8)]
    pub seconds: u32,
    /// Connections kept open.
    #[arg(long, default_value_t = 128)]
    pub connections: u32,
    /// How many shoppers wait and poll in turn.
    #[arg(long, default_value_t = 10_000)]
    pub shoppers: u32,
}

#[derive(Debug, Args)]
pub struct SignInPlan {
    /// How often each is measured, in turn.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// How long the polls last in a round.
    #[arg(long, default_value_t = 8)]
    pub seconds: u32,
    /// Connections of those who poll.
    #[arg(long, default_value_t = 128)]
    pub connections: u32,
    /// How many shoppers wait and poll in turn.
    #[arg(long, default_value_t = 10_000)]
    pub shoppers: u32,
    /// How many try passwords at once, each as fast as it is answered.
    #[arg(long, default_value_t = 64)]
    pub guessers: u32,
}

#[derive(Debug, Args)]
pub struct ProxyPlan {
    /// How often each side is measured, in turn.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// How long each side is loaded in a round.
    #[arg(long, default_value_t = 8)]
    pub seconds: u32,
    /// Connections kept open.
    #[arg(long, default_value_t = 128)]
    pub connections: u32,
    /// How many shoppers were let in and ask in turn.
    #[arg(long, default_value_t = 1_000)]
    pub shoppers: u32,
}

#[derive(Debug, Args)]
pub struct IdlePlan {
    /// How many connections of each kind are kept.
    #[arg(long, default_value_t = 10_000)]
    pub connections: u32,
    /// How many listen when the operator says something.
    #[arg(long, default_value_t = 50_000)]
    pub listeners: u32,
}

#[derive(Debug, Args)]
pub struct ListenPlan {
    /// Where shoppers come in.
    pub edge: SocketAddr,
    /// A file with a ticket a line.
    pub tickets: PathBuf,
    /// How many listen in other processes before these.
    #[arg(long, default_value_t = 0)]
    pub first: usize,
}

#[derive(Debug, Args)]
pub struct JoinPlan {
    /// How often each side is measured, in turn.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// How many shoppers join over all rounds.
    #[arg(long, default_value_t = 1_000_000)]
    pub shoppers: u32,
    /// Connections kept open.
    #[arg(long, default_value_t = 256)]
    pub connections: u32,
}

#[derive(Debug, Args)]
pub struct MillionPlan {
    /// How many join each of the two lines.
    #[arg(long, default_value_t = 1_000_000)]
    pub shoppers: u32,
    /// How many of them, spread over the line, poll to see when they are to ask again.
    #[arg(long, default_value_t = 2_000)]
    pub sample: u32,
    /// Connections kept open while they join.
    #[arg(long, default_value_t = 256)]
    pub connections: u32,
}

#[derive(Debug, Args)]
pub struct StockPlan {
    /// How often each side is measured, in turn.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// How long each side is loaded in a round.
    #[arg(long, default_value_t = 8)]
    pub seconds: u32,
    /// Connections kept open.
    #[arg(long, default_value_t = 128)]
    pub connections: u32,
    /// How many shoppers were let in and read in turn.
    #[arg(long, default_value_t = 1_000)]
    pub shoppers: u32,
    /// How many reads come at a set rate afterwards.
    #[arg(long, default_value_t = 270_000)]
    pub reads: u32,
    /// Over how many seconds.
    #[arg(long, default_value_t = 60)]
    pub pace_seconds: u32,
}

#[derive(Debug, Args)]
pub struct CatalogPlan {
    /// How often each side is measured, in turn.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// How long each side is loaded in a round.
    #[arg(long, default_value_t = 5)]
    pub seconds: u32,
    /// Connections kept open.
    #[arg(long, default_value_t = 64)]
    pub connections: u32,
    /// How many shoppers were let in and read in turn.
    #[arg(long, default_value_t = 500)]
    pub shoppers: u32,
    /// How many products there are.
    #[arg(long, default_value_t = 100_000)]
    pub products: u32,
}

#[derive(Debug, Args)]
pub struct OrdersPlan {
    /// How often each side is measured, in turn.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// How long each side is loaded in a round.
    #[arg(long, default_value_t = 10)]
    pub seconds: u32,
    /// How many orders are in flight: each waits for its decision before its connection sends the next.
    #[arg(long, default_value_t = 512)]
    pub in_flight: u32,
    /// How many shoppers were let in and order in turn.
    #[arg(long, default_value_t = 2_000)]
    pub shoppers: u32,
    /// How many products are ordered, one by each order.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub products: u32,
    /// After the rounds, fill the tables with so many past orders and measure again.
    #[arg(long, default_value_t = 0)]
    pub past_orders: u64,
}

#[derive(Debug, Args)]
pub struct ExpiryPlan {
    /// How many holds expire.
    #[arg(long, default_value_t = 100_000)]
    pub holds: u32,
    /// How long orders are measured before.
    #[arg(long, default_value_t = 8)]
    pub seconds: u32,
    /// How many orders are in flight.
    #[arg(long, default_value_t = 128)]
    pub in_flight: u32,
    /// How many shoppers were let in and order in turn.
    #[arg(long, default_value_t = 2_000)]
    pub shoppers: u32,
}

#[derive(Debug, Args)]
pub struct DrawPlan {
    /// How many have entered.
    #[arg(long, default_value_t = 1_000_000)]
    pub entries: u32,
    /// How many units there are.
    #[arg(long, default_value_t = 10_000)]
    pub units: u32,
    /// How many of a thousand have left again.
    #[arg(long, default_value_t = 20)]
    pub left_permille: u32,
}

#[derive(Debug, Args)]
pub struct DropDayPlan {
    /// How many come.
    #[arg(long, default_value_t = 10_000)]
    pub shoppers: u32,
    /// How many units there are.
    #[arg(long, default_value_t = 100)]
    pub stock: u32,
    /// How many are let in a minute once everybody stands in line.
    #[arg(long, default_value_t = 4_000)]
    pub users_per_minute: u32,
    /// How many are in the shop at once.
    #[arg(long, default_value_t = 500)]
    pub max_active: u32,
    /// The folder with the k6 scripts; by default the checkout's.
    #[arg(long)]
    pub scripts: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DrillAutopilotPlan {
    /// How many stand in line; more than come in during the drill.
    #[arg(long, default_value_t = 4_000)]
    pub shoppers: u32,
    /// How many are let in a minute while all is well.
    #[arg(long, default_value_t = 1_200)]
    pub users_per_minute: u32,
    /// How long all is well at first.
    #[arg(long, default_value_t = 10)]
    pub calm_seconds: u32,
    /// How long the worker stands still.
    #[arg(long, default_value_t = 20)]
    pub stop_seconds: u32,
}

#[derive(Debug, Clone, Args)]
pub struct DrillPlan {
    /// What breaks.
    pub drill: Drill,
    /// How many stand in line.
    #[arg(long, default_value_t = 100_000)]
    pub shoppers: u32,
    /// How many at the front of it come in when they are called.
    #[arg(long, default_value_t = 4_000)]
    pub front: u32,
    /// How many of the others poll.
    #[arg(long, default_value_t = 1_000)]
    pub sample: u32,
    /// How many are let in a minute.
    #[arg(long, default_value_t = 1_200)]
    pub users_per_minute: u32,
    /// How many are in at once: fewer than would come at that rate, so that it is met all the time.
    #[arg(long, default_value_t = 300)]
    pub max_active: u32,
    /// How long a session lasts.
    #[arg(long, default_value_t = 20)]
    pub session_seconds: u32,
    /// Polls a second.
    #[arg(long, default_value_t = 300.0)]
    pub polls_per_second: f64,
    /// Newcomers a second.
    #[arg(long, default_value_t = 50.0)]
    pub joins_per_second: f64,
    /// Requests with passes a second.
    #[arg(long, default_value_t = 100.0)]
    pub visits_per_second: f64,
    /// Requests a second that must not get through.
    #[arg(long, default_value_t = 50.0)]
    pub intrusions_per_second: f64,
}

/// Who orders while something breaks.
#[derive(Debug, Clone, Args)]
pub struct OrderersPlan {
    /// How many order at the same time, each again and again.
    #[arg(long, default_value_t = 24)]
    pub shoppers: u32,
    /// What shoppers do and when something breaks follows from this number; by default another one each time.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Of a hundred reports of the payment provider, how many it never sends. The worker asks about those after a minute.
    #[arg(long, default_value_t = 5)]
    pub lost_reports_percent: u8,
}

#[derive(Debug, Clone, Args)]
pub struct KillsPlan {
    /// How many kills, shared by the worker, the shop, RabbitMQ and PostgreSQL.
    #[arg(long, default_value_t = 100)]
    pub kills: u32,
    /// In how many seconds each of the four is killed once.
    #[arg(long, default_value_t = 11)]
    pub window_seconds: u32,
    #[command(flatten)]
    pub orderers: OrderersPlan,
}

#[derive(Debug, Clone, Args)]
pub struct NodesPlan {
    /// How many kills, each of the next node.
    #[arg(long, default_value_t = 6)]
    pub kills: u32,
    #[command(flatten)]
    pub orderers: OrderersPlan,
}

#[derive(Debug, Clone, Args)]
pub struct DiskPlan {
    /// How long each disk is full.
    #[arg(long, default_value_t = 15)]
    pub full_seconds: u32,
    #[command(flatten)]
    pub orderers: OrderersPlan,
}

#[derive(Debug, Clone, Args)]
pub struct NoShowsPlan {
    /// How many stand in line at any time: who is called makes room for another.
    #[arg(long, default_value_t = 3_000)]
    pub shoppers: u32,
    /// How many of a hundred never come when they are called.
    #[arg(long, default_value_t = 60)]
    pub no_shows_percent: u32,
    /// How many are let in a minute.
    #[arg(long, default_value_t = 1_200)]
    pub users_per_minute: u32,
    /// How many from the fourth minute on.
    #[arg(long, default_value_t = 1_800)]
    pub then_users_per_minute: u32,
    /// How many are in at once, counting those called; by default somewhat more than the higher rate needs.
    #[arg(long)]
    pub max_active: Option<u32>,
    /// How long a session lasts; every other shopper leaves before.
    #[arg(long, default_value_t = 60)]
    pub session_seconds: u64,
    /// How long a called ticket may be claimed.
    #[arg(long, default_value_t = 30)]
    pub claim_window_seconds: u64,
    /// How many minutes it takes.
    #[arg(long, default_value_t = 6)]
    pub minutes: u32,
    /// How long a minute is.
    #[arg(long, default_value_t = 60)]
    pub minute_seconds: u64,
    /// A minute of twenty seconds, and all else to match: to see that it works.
    #[arg(long)]
    pub quick: bool,
}

impl NoShowsPlan {
    /// The plan with what `--quick` makes of it.
    #[must_use]
    pub fn in_effect(&self) -> Self {
        if !self.quick {
            return self.clone();
        }
        Self {
            shoppers: self.shoppers.min(1_000),
            session_seconds: 10,
            claim_window_seconds: 15,
            minute_seconds: 20,
            ..self.clone()
        }
    }

    /// Those who stay, and the places kept for those who will not come, at the higher rate; and a sixth more.
    pub fn max_active(&self) -> u32 {
        let percent = u64::from(self.no_shows_percent);
        let kept_in_vain = self.claim_window_seconds * percent / (100 - percent.min(99));
        let rate = u64::from(self.users_per_minute.max(self.then_users_per_minute));
        let needed = rate * (self.session_seconds + kept_in_vain) / 60;
        let more = u32::try_from(needed + needed / 6).unwrap_or(u32::MAX);
        self.max_active.unwrap_or(more.max(1))
    }
}
