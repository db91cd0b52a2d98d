//! Every step of an order's life fails once, at one of its writes or at its commit, and is taken once more than needed:
//! wherever it was, the books are in the end those of a life in which nothing went wrong.

use crate::{
    provider::Provider,
    shop::{PRICE, Shop, cancel, captured, place, send_back, started},
    webhooks::Partner,
};
use broker::DeadLetters;
use contract::{Command, MemberId, PlaceOrder, RequestReturn, ShopperId};
use futures::{StreamExt, stream};
use order_worker::{
    reconcilers::{Reconciler, SettleRefunds, TakeSteps},
    store::StoreError,
};
use sqlx::{AssertSqlSafe, query, query_scalar, raw_sql};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
};
use time::Duration;
use tokio::{sync::Notify, task::spawn_blocking};
use uuid::Uuid;

/// What happens to two orders: the first is kept, the second sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Hold,
    StartPayment,
    Capture,
    Ship,
    Deliver,
    SendBack,
    /// The first is confirmed; the second is back on the shelf, and its money is owed.
    Finish,
    Refund,
    /// Partners are told by webhooks.
    Tell,
}

/// Each step, with the tables that it writes.
const STEPS: [(Step, &[&str]); 9] = [
    (
        Step::Hold,
        &[
            "orders",
            "order_lines",
            "holds",
            "customer_units",
            "order_mails",
            "stock",
            "outbox",
            "webhook_deliveries",
        ],
    ),
    (Step::StartPayment, &["holds", "payments"]),
    (
        Step::Capture,
        &[
            "orders",
            "hold_resolutions",
            "holds",
            "payments",
            "payment_reports",
            "order_mails",
            "stock",
            "outbox",
        ],
    ),
    (Step::Ship, &["orders", "order_mails", "outbox"]),
    (Step::Deliver, &["orders", "order_mails", "outbox"]),
    (Step::SendBack, &["orders", "order_mails", "outbox"]),
    (
        Step::Finish,
        &[
            "orders",
            "restocks",
            "customer_units",
            "payments",
            "refunds",
            "order_mails",
            "stock",
            "outbox",
        ],
    ),
    (Step::Refund, &["refunds", "orders", "order_mails", "outbox"]),
    (Step::Tell, &["webhook_deliveries"]),
];

/// What goes wrong, the first time that a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The first row that is written to this table.
    Write(&'static str),
    /// The commit, of a transaction that writes to this table.
    Commit(&'static str),
    /// Whoever is told or asked.
    Others,
}

impl Fault {
    /// What goes wrong with a step in the life of this number: each time something else, until it begins again.
    fn of(step: Step, tables: &'static [&'static str], life: usize) -> Self {
        let writes = tables.iter().map(|table| Self::Write(table));
        let others = matches!(step, Step::Refund | Step::Tell).then_some(Self::Others);
        let faults: Vec<Self> = writes.chain([Self::Commit(tables[0])]).chain(others).collect();
        faults[life % faults.len()]
    }
}

/// A shop in which two orders live.
struct Life {
    shop: Shop,
    partner: Partner,
    provider: Arc<Provider>,
    /// Minutes that have passed between attempts.
    minutes: AtomicI64,
}

impl Life {
    async fn begin() -> Self {
        let shop = Shop::open(&[5]).await;
        query("UPDATE products SET per_customer = 2")
            .execute(&shop.pool)
            .await
            .unwrap();
        let partner = Partner::of(&shop).await;
        Self {
            shop,
            partner,
            provider: Arc::default(),
            minutes: AtomicI64::new(0),
        }
    }

    /// Takes a step; answers how much there was to do for whoever looks for what is due.
    async fn take(&self, step: Step) -> Result<usize, StoreError> {
        let units = [("p0", 1)];
        let both = |command: fn(u32) -> Command| [command(1), command(2)];
        match step {
            Step::Hold => {
                let orders = [place(1, &units), place(2, &units)];
                self.apply(&orders.map(by_member), 0).await
            }
            Step::StartPayment => {
                self.apply(&both(|order| started(order, &format!("payment-of-{order}"))), 0)
                    .await
            }
            Step::Capture => {
                self.apply(&both(|order| captured(order, &order.to_string(), PRICE)), 0)
                    .await
            }
            Step::Ship => self.days_pass(1).await,
            Step::Deliver => self.days_pass(2).await,
            Step::SendBack => self.apply(&[by_member(send_back(2))], 2).await,
            Step::Finish => self.days_pass(3).await,
            Step::Refund => self.refund().await,
            Step::Tell => {
                let later = self.minutes.fetch_add(10, SeqCst);
                let webhooks = self.shop.webhooks(Duration::minutes(later));
                webhooks.run().await.map(|done| done.count)
            }
        }
    }

    async fn apply(&self, commands: &[Command], days: i64) -> Result<usize, StoreError> {
        let store = self.shop.store().ahead(Duration::days(days));
        store.apply(commands).await.map(|_| commands.len())
    }

    async fn days_pass(&self, days: i64) -> Result<usize, StoreError> {
        let store = self.shop.store().ahead(Duration::days(days));
        let relay = Arc::new(Notify::new());
        TakeSteps { store, relay }.run().await.map(|done| done.count)
    }

    async fn refund(&self) -> Result<usize, StoreError> {
        query("UPDATE refunds SET next_attempt_at = now() WHERE refunded_at IS NULL")
            .execute(&self.shop.pool)
            .await?;
        let refunds = SettleRefunds {
            store: self.shop.store(),
            provider: Arc::<Provider>::clone(&self.provider),
            relay: Arc::new(Notify::new()),
        };
        refunds.run().await.map(|done| done.count)
    }

    /// Takes it as often as it takes, and once more.
    async fn take_for_good(&self, step: Step) {
        for _ in 0..2 {
            let taken = self.take(step).await;
            taken.unwrap_or_else(|error| panic!("{step:?}: {error}"));
        }
    }

    async fn fails(&self, step: Step, fault: Fault) {
        match fault {
            Fault::Others => {
                self.others_are_out(true);
                assert_eq!(self.take(step).await.unwrap(), 0, "{step:?} is not done");
                self.others_are_out(false);
            }
            Fault::Write(table) => self.fails_at(step, table, "NOT DEFERRABLE").await,
            Fault::Commit(table) => self.fails_at(step, table, "DEFERRABLE INITIALLY DEFERRED").await,
        }
    }

    fn others_are_out(&self, out: bool) {
        self.provider.is_out_of_order(out);
        self.partner.answers.store(if out { 500 } else { 204 }, SeqCst);
    }

    async fn fails_at(&self, step: Step, table: &str, when: &str) {
        let fault = format!(
            "DROP SEQUENCE IF EXISTS fault;
             CREATE SEQUENCE fault;
             CREATE OR REPLACE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN
                 IF nextval('fault') = 1 THEN RAISE EXCEPTION 'this fails once'; END IF;
                 RETURN NULL;
             END $$;
             CREATE CONSTRAINT TRIGGER fault AFTER INSERT OR UPDATE ON {table} {when}
             FOR EACH ROW EXECUTE FUNCTION fail_once()"
        );
        raw_sql(AssertSqlSafe(fault))
            .execute(&self.shop.pool)
            .await
            .unwrap();
        let told = match self.take(step).await {
            Ok(done) => format!("{done} done"),
            Err(error) => error.to_string(),
        };
        assert!(told.contains("this fails once"), "{step:?} at {table}: {told}");
        let mended = format!("DROP TRIGGER fault ON {table}");
        raw_sql(AssertSqlSafe(mended))
            .execute(&self.shop.pool)
            .await
            .unwrap();
    }

    /// Everything but moments and names that were drawn.
    async fn books(&self) -> Vec<String> {
        let mut books = Vec::new();
        for rows in [
            "SELECT id, shopper, state, version, refund_reason, refunded_minor, next_step_at IS NULL FROM orders",
            "SELECT order_id, product_id, quantity, unit_price_minor FROM order_lines",
            "SELECT order_id, attempt, open, extended FROM holds",
            "SELECT order_id, attempt, resolution FROM hold_resolutions",
            "SELECT order_id, reason FROM restocks",
            "SELECT on_hand, held, sold, version FROM stock",
            "SELECT order_id, payment_reference, state, captured_minor, owed_back_minor, ask_at IS NULL
               FROM payments",
            "SELECT event_id, outcome FROM payment_reports",
            "SELECT id, order_id, amount_minor, refunded_at IS NULL FROM refunds",
            "SELECT order_id, state FROM order_mails",
            "SELECT product_id, shopper, units FROM customer_units",
        ] {
            let rows = format!("SELECT row::text FROM ({rows}) AS row ORDER BY 1");
            let read = query_scalar(AssertSqlSafe(rows)).fetch_all(&self.shop.pool);
            books.extend(read.await.unwrap() as Vec<String>);
        }
        let made = self.provider.made();
        books.extend(made.iter().map(|refund| format!("the provider made {refund:?}")));
        books.extend(self.partner.steps());
        books
    }
}

/// Members are told by mail.
pub fn by_member(command: Command) -> Command {
    let shopper = ShopperId::of_member(MemberId::from_uuid(Uuid::from_u128(7)));
    match command {
        Command::PlaceOrder(place) => Command::PlaceOrder(PlaceOrder { shopper, ..place }),
        Command::RequestReturn(request) => Command::RequestReturn(RequestReturn { shopper, ..request }),
        other => other,
    }
}

impl Partner {
    /// What was told, however often.
    fn steps(&self) -> BTreeSet<String> {
        let taken = self.taken.lock().unwrap();
        let step = |told: &serde_json::Value| {
            let order = &told["data"]["order"];
            format!("told {} {} {}", told["type"], order["order_id"], order["version"])
        };
        taken.iter().map(|(_, told)| step(told)).collect()
    }
}

/// As many as let every step fail in every way.
const LIVES: usize = 9;

/// The books of a life in which every step fails once, in the way of its number, or of one in which nothing goes wrong.
async fn books_after(number: Option<usize>) -> Vec<String> {
    let life = Life::begin().await;
    for (step, tables) in STEPS {
        if let Some(number) = number {
            life.fails(step, Fault::of(step, tables, number)).await;
        }
        life.take_for_good(step).await;
    }
    assert_eq!(life.shop.store().mismatches().await.unwrap(), []);
    let books = life.books().await;
    // What it used is removed by waiting, which must not keep the other lives waiting.
    spawn_blocking(move || drop(life)).await.unwrap();
    books
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_once_and_is_repeated_the_books_are_the_same() {
    let undisturbed = books_after(None).await;
    for (said, lines) in [("told", 10), ("the provider made", 1)] {
        let found = undisturbed.iter().filter(|line| line.starts_with(said)).count();
        assert!(found >= lines, "{undisturbed:#?}");
    }
    assert!(STEPS.iter().all(|(_, tables)| tables.len() < LIVES));
    let lives = stream::iter(0..LIVES).map(|number| async move { (number, books_after(Some(number)).await) });
    let mut lives = lives.buffer_unordered(3);
    while let Some((number, books)) = lives.next().await {
        assert_eq!(books, undisturbed, "life {number}");
    }
}

/// The commit of each state that an order comes to, the first time that one does.
const FAILS_ONCE_A_STATE: &str = "
    CREATE FUNCTION fail_once_a_state() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('fault_' || NEW.state) = 1 THEN RAISE EXCEPTION 'this fails once'; END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER fault AFTER INSERT OR UPDATE ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION fail_once_a_state()";
const STATES: [&str; 8] = [
    "held",
    "paid",
    "shipped",
    "delivered",
    "confirmed",
    "refused",
    "cancelled",
    "refund_due",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_running_worker_gets_over_the_failure_of_every_step() {
    let shop = Shop::open(&[2]).await;
    for state in STATES {
        let sequence = format!("CREATE SEQUENCE fault_{state}");
        raw_sql(AssertSqlSafe(sequence))
            .execute(&shop.pool)
            .await
            .unwrap();
    }
    raw_sql(FAILS_ONCE_A_STATE).execute(&shop.pool).await.unwrap();
    let (worker, listen) = shop.worker_at(shop.namespace.url(), shop.database.url());
    let worker = worker.env("ORDER_WORKER_DAY_SECONDS", "1");
    let _worker = worker.ready_at(listen, "/readyz").start().await;
    for (command, number, state) in [
        (place(1, &[("p0", 1)]), 1, "held"),
        (place(2, &[("p0", 1)]), 2, "held"),
        (place(3, &[("p0", 1)]), 3, "refused"),
        (cancel(2), 2, "cancelled"),
        (captured(2, "2", PRICE), 2, "refund_due"),
        (captured(1, "1", PRICE), 1, "confirmed"),
    ] {
        // Twice, as when a confirm was lost.
        shop.send(command.clone()).await;
        shop.send(command).await;
        shop.until_state(number, state).await;
    }
    for state in STATES {
        let failed = format!("SELECT is_called FROM fault_{state}");
        let failed: bool = query_scalar(AssertSqlSafe(failed))
            .fetch_one(&shop.pool)
            .await
            .unwrap();
        assert!(failed, "{state} failed once");
    }
    assert_eq!(shop.units().await, (2, 0, 1));
    assert_eq!(shop.store().mismatches().await.unwrap(), []);
    let given_up = DeadLetters::new(&shop.broker()).list(10).await.unwrap();
    assert_eq!(given_up.len(), 0, "no command was to blame");
    shop.until_told().await;
}
