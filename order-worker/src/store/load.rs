//! Reading what a batch is about, with the stock rows locked.

use super::StoreError;
use contract::{Command, Money, OrderId, OrderLine, OrderState, ProductId, ShopperId};
use order_domain::{
    batch::{Product, Snapshot},
    hold::Hold,
    order::{Order, Outcome, Purchase, State},
    sale::Sale,
    stock::Stock,
};
use sqlx::{FromRow, PgConnection};
use std::collections::HashMap;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// What a batch names.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    orders: Vec<Uuid>,
    products: Vec<String>,
    reports: Vec<String>,
    payments: bool,
}

impl Wanted {
    pub(super) fn by(commands: &[Command]) -> Self {
        let mut wanted = Self::default();
        for command in commands {
            wanted.orders.push(command.order_id().as_uuid());
            match command {
                Command::PlaceOrder(place) => {
                    wanted
                        .products
                        .extend(place.lines.iter().map(|line| line.product_id.to_string()));
                }
                Command::SettlePayment(settle) => {
                    wanted.reports.push(settle.event_id.clone());
                    wanted.payments = true;
                }
                Command::CancelOrder(_) => {}
            }
        }
        wanted.products.sort_unstable();
        wanted.products.dedup();
        wanted
    }

    pub(super) fn orders(orders: Vec<Uuid>) -> Self {
        Self {
            orders,
            ..Self::default()
        }
    }
}

/// The time, and everything there is of what is wanted.
///
/// The stock rows are locked first, in the order of their product ids; whoever moves an order's units does that.
/// What is read after the locks is therefore what the last one wrote.
pub(super) async fn load(
    connection: &mut PgConnection,
    wanted: &Wanted,
) -> Result<(OffsetDateTime, Snapshot), StoreError> {
    let products = lock_stock(connection, wanted).await?;
    let now = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&mut *connection)
        .await?;
    let orders = orders(connection, &wanted.orders).await?;
    let mut snapshot = Snapshot {
        products,
        orders,
        ..Snapshot::default()
    };
    if wanted.payments {
        read_payments(connection, wanted, &mut snapshot).await?;
    }
    if snapshot.is_complete() {
        Ok((now, snapshot))
    } else {
        Err(StoreError::Raced)
    }
}

#[derive(FromRow)]
struct ProductRow {
    id: String,
    name: String,
    price_minor: i64,
    currency: String,
    hold_seconds: i32,
    is_on_sale: bool,
    opens_at: Option<OffsetDateTime>,
    closes_at: Option<OffsetDateTime>,
    on_hand: i64,
    held: i64,
    sold: i64,
    version: i64,
}

impl ProductRow {
    fn read(self) -> Result<(ProductId, Product), StoreError> {
        let unreadable = || StoreError::Unreadable { table: "products" };
        let id = self.id.parse().map_err(|_| unreadable())?;
        let currency = self.currency.parse().map_err(|_| unreadable())?;
        let product = Product {
            name: self.name,
            price: Money::new(self.price_minor, currency),
            hold_lasts: Duration::seconds(self.hold_seconds.into()),
            sale: Sale {
                stopped: !self.is_on_sale,
                opens_at: self.opens_at,
                closes_at: self.closes_at,
            },
            stock: Stock {
                on_hand: self.on_hand,
                held: self.held,
                sold: self.sold,
                version: self.version,
            },
        };
        Ok((id, product))
    }
}

/// The products that the batch names and those of the orders it names, their stock locked.
async fn lock_stock(
    connection: &mut PgConnection,
    wanted: &Wanted,
) -> Result<HashMap<ProductId, Product>, StoreError> {
    let rows: Vec<ProductRow> = sqlx::query_as(
        "SELECT products.id, name, price_minor, currency, hold_seconds,
                state = 'on_sale' AS is_on_sale, opens_at, closes_at,
                on_hand, held, sold, stock.version
           FROM stock JOIN products ON products.id = stock.product_id
          WHERE stock.product_id IN (SELECT unnest($1::text[])
                                      UNION
                                     SELECT product_id FROM order_lines WHERE order_id = ANY ($2))
          ORDER BY stock.product_id
            FOR UPDATE OF stock",
    )
    .bind(&wanted.products)
    .bind(&wanted.orders)
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(ProductRow::read).collect()
}

#[derive(FromRow)]
struct OrderRow {
    id: Uuid,
    shopper: String,
    fingerprint: String,
    state: String,
    refusal: Option<String>,
    total_minor: Option<i64>,
    currency: Option<String>,
    version: i32,
    accepted_at: OffsetDateTime,
    decided_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    attempt: Option<i16>,
    held_since: Option<OffsetDateTime>,
    expires_at: Option<OffsetDateTime>,
}

#[derive(FromRow)]
struct LineRow {
    order_id: Uuid,
    product_id: String,
    name: String,
    quantity: i64,
    unit_price_minor: i64,
}

/// The orders among `ids` that are there, locked, with their lines and their last holds.
async fn orders(connection: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<OrderId, Order>, StoreError> {
    let rows: Vec<OrderRow> = sqlx::query_as(
        "SELECT id, shopper, fingerprint, state, refusal, total_minor, currency, version,
                accepted_at, decided_at, updated_at,
                last.attempt, last.created_at AS held_since, last.expires_at
           FROM orders
           LEFT JOIN LATERAL (SELECT attempt, created_at, expires_at
                                FROM holds
                               WHERE order_id = orders.id
                               ORDER BY attempt DESC
                               LIMIT 1) AS last ON true
          WHERE id = ANY ($1)
            FOR UPDATE OF orders",
    )
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let mut lines = lines(connection, ids).await?;
    rows.into_iter()
        .map(|row| {
            row.read(&mut lines)
                .ok_or(StoreError::Unreadable { table: "orders" })
        })
        .collect()
}

async fn lines(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<LineRow>>, StoreError> {
    let rows: Vec<LineRow> = sqlx::query_as(
        "SELECT order_id, product_id, name, quantity, unit_price_minor
           FROM order_lines
          WHERE order_id = ANY ($1)
          ORDER BY order_id, line_number",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let mut lines: HashMap<Uuid, Vec<LineRow>> = HashMap::new();
    rows.into_iter()
        .for_each(|row| lines.entry(row.order_id).or_default().push(row));
    Ok(lines)
}

impl OrderRow {
    /// Nothing when the row says what this version does not understand.
    fn read(self, lines: &mut HashMap<Uuid, Vec<LineRow>>) -> Option<(OrderId, Order)> {
        let id = OrderId::from_uuid(self.id);
        let order = Order {
            id,
            state: self.state(lines.remove(&self.id).unwrap_or_default())?,
            shopper: ShopperId::from_stored(self.shopper),
            fingerprint: self.fingerprint,
            accepted_at: self.accepted_at,
            decided_at: self.decided_at,
            updated_at: self.updated_at,
            version: self.version,
        };
        Some((id, order))
    }

    fn state(&self, lines: Vec<LineRow>) -> Option<State> {
        let state: OrderState = self.state.parse().ok()?;
        if state == OrderState::Refused {
            return Some(State::Refused(self.refusal.as_ref()?.parse().ok()?));
        }
        let purchase = self.purchase(lines)?;
        let attempt = self.attempt?;
        if state == OrderState::Held {
            let hold = Hold {
                attempt,
                created_at: self.held_since?,
                expires_at: self.expires_at?,
            };
            return Some(State::Held(purchase, hold));
        }
        Some(State::Resolved {
            purchase,
            outcome: Outcome::from_word(state)?,
            attempts: attempt,
        })
    }

    fn purchase(&self, lines: Vec<LineRow>) -> Option<Purchase> {
        let currency = self.currency.as_ref()?.parse().ok()?;
        let line = |row: LineRow| {
            Some(OrderLine {
                product_id: row.product_id.parse().ok()?,
                name: row.name,
                quantity: u32::try_from(row.quantity).ok()?,
                unit_price: Money::new(row.unit_price_minor, currency),
            })
        };
        let lines = lines.into_iter().map(line).collect::<Option<_>>()?;
        Some(Purchase {
            lines,
            total: Money::new(self.total_minor?, currency),
        })
    }
}

#[derive(FromRow)]
struct ReportRow {
    event_id: String,
    order_id: Uuid,
    payment_reference: String,
    captured: bool,
}

/// Which reports were acted on before, and which payments were captured for the orders.
async fn read_payments(
    connection: &mut PgConnection,
    wanted: &Wanted,
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    let rows: Vec<ReportRow> = sqlx::query_as(
        "SELECT event_id, order_id, payment_reference, outcome = 'captured' AS captured
           FROM payment_reports
          WHERE event_id = ANY ($1) OR order_id = ANY ($2)",
    )
    .bind(&wanted.reports)
    .bind(&wanted.orders)
    .fetch_all(connection)
    .await?;
    for row in rows {
        if row.captured {
            snapshot
                .captured
                .insert((OrderId::from_uuid(row.order_id), row.payment_reference));
        }
        snapshot.seen_reports.insert(row.event_id);
    }
    Ok(())
}
