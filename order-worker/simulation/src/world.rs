//! The world: who does what, and the clock that they all live by.

mod doings;
mod reconciling;

use crate::{
    Crash, Happening, Verdict, audit, books::Books, ledger::Ledger, ledger::Sold, promise,
    provider::Provider, queue::Queue, rows::RefundRow,
};
use contract::{Command, Money, OrderId, OrderView, PlaceOrder, ProductId, ShopperId};
use order_domain::{
    batch::{self, Decisions, Product, Verdict as Decided},
    sale::Sale,
    stock::Stock,
    terms::Terms,
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use serde::Serialize;
use std::collections::BTreeMap;
use time::{Duration, OffsetDateTime};

/// Queues that commands are dealt to, by product.
const QUEUES: usize = 2;
/// The longest batch.
const BATCH_MAX: usize = 6;
/// Rounds of cleaning up after which everything is at rest.
const ROUNDS_MAX: usize = 60;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, step {step} ({happening}): {what}")]
pub struct Violation {
    /// The seed of the run.
    pub seed: u64,
    /// How many things had happened.
    pub step: u32,
    /// What happened then.
    pub happening: String,
    /// What was found.
    pub what: String,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The seed of the run.
    pub seed: u64,
    /// How many things happened.
    pub steps: u32,
    /// Orders that were placed.
    pub orders: usize,
    /// Of those, the refused.
    pub refused: usize,
    /// Payments that were captured.
    pub captured: usize,
    /// Refunds that were made.
    pub refunds: usize,
    /// Orders whose units went back after they were sold.
    pub restocked: usize,
    /// Processes that died in the middle of something.
    pub crashes: u32,
    /// Reports that were lost for ever.
    pub reports_lost: u32,
    /// Commands that were set aside.
    pub dead_letters: u32,
}

/// Everything there is.
pub struct World {
    pub(crate) books: Books,
    pub(crate) ledger: Ledger,
    pub(crate) provider: Provider,
    /// What the intake confirmed.
    pub(crate) placed: Vec<PlaceOrder>,
    /// The newest that was told of each order.
    pub(crate) heard: BTreeMap<OrderId, OrderView>,
    seed: u64,
    rng: Xoshiro256PlusPlus,
    now: OffsetDateTime,
    terms: Terms,
    queues: Vec<Queue>,
    dead: Vec<Command>,
    due_refunds: Vec<RefundRow>,
    silent: Vec<(OrderId, String)>,
    people: u8,
    had: BTreeMap<(ProductId, ShopperId), i64>,
    report: Report,
}

impl World {
    /// A shop with a few products and people, all drawn from the seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let people = rng.random_range(1..5);
        let products = rng.random_range(1..4);
        let mut world = Self {
            books: Books::default(),
            ledger: Ledger::default(),
            provider: Provider::default(),
            placed: Vec::new(),
            heard: BTreeMap::new(),
            seed,
            rng,
            now: OffsetDateTime::UNIX_EPOCH + Duration::days(20_000),
            terms: Terms::default(),
            queues: (0..QUEUES).map(|_| Queue::default()).collect(),
            dead: Vec::new(),
            due_refunds: Vec::new(),
            silent: Vec::new(),
            people,
            had: BTreeMap::new(),
            report: Report {
                seed,
                ..Report::default()
            },
        };
        for number in 0..products {
            world.put_up(number);
        }
        world
    }

    fn put_up(&mut self, number: u8) {
        let on_hand = self.rng.random_range(0..9);
        let minutes = self.rng.random_range(5..60);
        let limit: Option<u32> = self.chance(40).then(|| self.rng.random_range(1..4));
        let price = self.rng.random_range(1..20) * 100;
        let (id, held) = (product_id(number), Duration::minutes(minutes));
        let stock = Stock {
            on_hand,
            held: 0,
            sold: 0,
            version: 0,
        };
        let product = Product {
            name: format!("Product {number}"),
            price: krw(price),
            hold_lasts: held,
            per_customer: limit,
            sale: Sale::default(),
            stock,
        };
        let sold = Sold {
            units: on_hand,
            price,
            held,
            limit: limit.map(i64::from),
        };
        self.books.products.insert(id.clone(), product);
        self.ledger.products.insert(id, sold);
    }

    /// Lets so many things happen, and then everything come to rest.
    ///
    /// # Errors
    /// [`Violation`] at the first promise that is broken.
    pub fn run(&mut self, steps: u32) -> Result<Report, Violation> {
        for _ in 0..steps {
            let happening = self.draw();
            self.report.steps += 1;
            let verdict = self.happen(happening).and_then(|()| audit::always(self));
            self.blame(verdict, || format!("{happening:?}"))?;
        }
        let verdict = self.come_to_rest();
        self.blame(verdict, || "coming to rest".to_owned())?;
        Ok(self.summary())
    }

    fn blame(&self, verdict: Verdict, happening: impl FnOnce() -> String) -> Result<(), Violation> {
        verdict.map_err(|what| Violation {
            seed: self.seed,
            step: self.report.steps,
            happening: happening(),
            what,
        })
    }

    fn draw(&mut self) -> Happening {
        use Happening::*;
        let crash = self.crash();
        match self.rng.random_range(0..100) {
            0..12 => Place,
            12..15 => PublishAgain,
            15..24 => Pay(crash),
            24..33 => Confirm,
            33..34 => RoguePayment,
            34..44 => Report,
            44..48 => Cancel,
            48..51 => SendBack,
            51..53 => RefundByHand,
            53..70 => Work(crash),
            70..72 => Swap,
            72..73 => Replay,
            73..77 => Expire(crash),
            77..82 => Step(crash),
            82..84 => ReadRefunds,
            84..87 => MakeRefund(crash),
            87..89 => ReadSilent,
            89..91 => Ask(crash),
            91..94 => Relay(crash),
            94..95 => ChangeLimit,
            _ => Wait {
                seconds: self.rng.random_range(1..60_000),
            },
        }
    }

    fn crash(&mut self) -> Crash {
        match self.rng.random_range(0..10) {
            0 => Crash::Before,
            1 => Crash::After,
            _ => Crash::No,
        }
    }

    fn happen(&mut self, happening: Happening) -> Verdict {
        use Happening::*;
        match happening {
            Place => self.place(),
            PublishAgain => self.publish_again(),
            Pay(crash) => self.pay(crash),
            Confirm => self.confirm(),
            RoguePayment => self.rogue_payment(),
            Report => self.report_arrives(),
            Cancel => self.cancel(),
            SendBack => self.send_back(),
            RefundByHand => self.refund_by_hand(),
            Work(crash) => {
                let (queue, size) = (
                    self.rng.random_range(0..QUEUES),
                    self.rng.random_range(1..=BATCH_MAX),
                );
                return self.work(queue, size, crash);
            }
            Swap => {
                let queue = &mut self.queues[self.rng.random_range(0..QUEUES)];
                let length = queue.length().max(1);
                queue.swap(self.rng.random_range(0..length), self.rng.random_range(0..length));
            }
            Replay => self.replay(),
            Expire(crash) => return self.expire(crash),
            Step(crash) => return self.step(crash),
            ReadRefunds => self.read_refunds(),
            MakeRefund(crash) => return self.make_refund(crash),
            ReadSilent => self.read_silent(),
            Ask(crash) => return self.ask(crash),
            Relay(crash) => self.relay(crash),
            ChangeLimit => self.change_limit(),
            Wait { seconds } => self.now += Duration::seconds(seconds),
        }
        Ok(())
    }

    /// A worker takes a batch: reads, decides, commits, acknowledges.
    fn work(&mut self, queue: usize, size: usize, crash: Crash) -> Verdict {
        let commands = self.queues[queue].batch(size);
        if commands.is_empty() || self.died(crash == Crash::Before) {
            return Ok(());
        }
        let snapshot = self.books.for_commands(&commands);
        promise(snapshot.is_complete(), || {
            "a product of an order was not read".to_owned()
        })?;
        let decisions = batch::decide(self.now, &self.terms, snapshot, &commands);
        self.books.commit(&decisions)?;
        for command in &commands {
            self.ledger.decide(command, self.now);
        }
        self.decided_again(&commands, &decisions.verdicts)?;
        if self.died(crash == Crash::After) {
            return Ok(());
        }
        for (command, verdict) in commands.iter().zip(&decisions.verdicts) {
            if matches!(verdict, Decided::GivenUp(_)) {
                self.report.dead_letters += 1;
                self.dead.push(command.clone());
            }
        }
        self.queues[queue].acknowledge(commands.len());
        Ok(())
    }

    /// The same batch once more would change nothing: but for what could not be done the first time, that is what makes
    /// a crash before the acknowledgement harmless.
    fn decided_again(&self, commands: &[Command], verdicts: &[Decided]) -> Verdict {
        let lasting = |(command, verdict): &(&Command, &Decided)| {
            let may_come_late = matches!(command, Command::RequestReturn(_) | Command::RefundOrder(_));
            !may_come_late && !matches!(verdict, Decided::GivenUp(_))
        };
        let commands = commands.iter().zip(verdicts).filter(lasting);
        let commands: Vec<Command> = commands.map(|(command, _)| command.clone()).collect();
        let snapshot = self.books.for_commands(&commands);
        let again = batch::decide(self.now, &self.terms, snapshot, &commands);
        promise(again.changes_nothing(), || {
            format!("{commands:?} again: {again:?}")
        })
    }

    /// Trouble ends: what is on its way arrives, a week passes, and the reconcilers do their work.
    fn come_to_rest(&mut self) -> Verdict {
        for _ in 0..ROUNDS_MAX {
            while !self.provider.reports.is_empty() {
                self.report_arrives();
            }
            for queue in 0..QUEUES {
                while self.queues[queue].length() > 0 {
                    self.work(queue, BATCH_MAX, Crash::No)?;
                }
            }
            self.reconcile()?;
            audit::always(self)?;
            self.now += Duration::hours(6);
        }
        audit::at_rest(self)
    }

    // --- small things

    /// Everybody.
    pub(crate) fn shoppers(&self) -> Vec<ShopperId> {
        (0..self.people).map(shopper).collect()
    }

    /// What somebody had of a product when its limit was changed last.
    pub(crate) fn had_when_limited(&self, product: &ProductId, shopper: &ShopperId) -> i64 {
        let had = self.had.get(&(product.clone(), shopper.clone()));
        had.copied().unwrap_or(0)
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn any(&mut self, length: usize) -> Option<usize> {
        (length > 0).then(|| self.rng.random_range(0..length))
    }

    fn died(&mut self, it_did: bool) -> bool {
        self.report.crashes += u32::from(it_did);
        it_did
    }

    fn commit(&mut self, decisions: &Decisions) -> Verdict {
        self.books.commit(decisions)
    }

    fn summary(&self) -> Report {
        let is_refused = |view: &&OrderView| view.refusal.is_some();
        Report {
            orders: self.books.orders.len(),
            refused: self.heard.values().filter(is_refused).count(),
            captured: self
                .books
                .payments
                .values()
                .filter(|payment| payment.is_captured())
                .count(),
            refunds: self.books.refunds.len(),
            restocked: self.books.restocks.len(),
            ..self.report.clone()
        }
    }
}

fn product_id(number: u8) -> ProductId {
    let name = format!("product-{number}");
    name.parse()
        .unwrap_or_else(|_| unreachable!("{name} is a product's name"))
}

fn shopper(number: u8) -> ShopperId {
    ShopperId::of_session(&number.to_string())
}

fn krw(minor: i64) -> Money {
    let currency = "KRW".parse();
    Money::new(
        minor,
        currency.unwrap_or_else(|_| unreachable!("KRW is a currency")),
    )
}
