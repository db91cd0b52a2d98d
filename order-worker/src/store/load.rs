//! Reading what a batch is about, with the stock rows locked.

use super::{
    Store, StoreError,
    load_customers::read_customers,
    load_money::{read_money, read_reports},
};
use contract::{Command, Money, OrderId, OrderLine, OrderState, PlaceOrder, ProductId, ShopperId};
use order_domain::{
    batch::{Product, Snapshot},
    hold::Hold,
    order::{Order, Outcome, Purchase, Stage, State},
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
    buyers: Vec<(ProductId, ShopperId)>,
    reports: Vec<String>,
    money: bool,
}

impl Wanted {
    pub(super) fn by(commands: &[Command]) -> Self {
        let mut wanted = Self::default();
        for command in commands {
            wanted.orders.push(command.order_id().as_uuid());
            match command {
                Command::PlaceOrder(place) => wanted.products_of(place),
                Command::SettlePayment(settle) => {
                    wanted.reports.push(settle.event_id.clone());
                    wanted.money = true;
                }
                Command::StartPayment(_) | Command::CancelOrder(_) | Command::RefundOrder(_) => {
                    wanted.money = true;
                }
                Command::RequestReturn(_) => {}
            }
        }
        wanted.products.sort_unstable();
        wanted.products.dedup();
        wanted
    }

    /// Orders, with what is known of their units.
    pub(super) fn orders(orders: Vec<Uuid>) -> Self {
        Self {
            orders,
            ..Self::default()
        }
    }

    /// Orders, with what is known of their units and of their money.
    pub(super) fn orders_and_money(orders: Vec<Uuid>) -> Self {
        Self {
            money: true,
            ..Self::orders(orders)
        }
    }

    fn products_of(&mut self, place: &PlaceOrder) {
        for line in &place.lines {
            self.products.push(line.product_id.to_string());
            self.buyers.push((line.product_id.clone(), place.shopper.clone()));
        }
    }
}

impl Store {
    /// The time, and everything there is of what is wanted.
    ///
    /// The stock rows are locked first, in the order of their product ids; whoever moves an order's units does that.
    /// What is read after the locks is therefore what the last one wrote.
    pub(super) async fn load(
        &self,
        connection: &mut PgConnection,
        wanted: &Wanted,
    ) -> Result<(OffsetDateTime, Snapshot), StoreError> {
        let products = lock_stock(connection, wanted).await?;
        let now: OffsetDateTime = sqlx::query_scalar("SELECT clock_timestamp()")
            .fetch_one(&mut *connection)
            .await?;
        let orders = orders(connection, &wanted.orders).await?;
        let mut snapshot = Snapshot {
            products,
            orders,
            ..Snapshot::default()
        };
        read_customers(connection, &wanted.buyers, &mut snapshot).await?;
        read_rights(connection, &wanted.orders, &mut snapshot).await?;
        if wanted.money {
            read_reports(connection, &wanted.reports, &mut snapshot).await?;
            read_money(connection, &wanted.orders, &mut snapshot).await?;
        }
        if snapshot.is_complete() {
            Ok((now + self.ahead, snapshot))
        } else {
            Err(StoreError::Raced)
        }
    }
}

#[derive(FromRow)]
struct ProductRow {
    id: String,
    name: String,
    price_minor: i64,
    currency: String,
    hold_seconds: i32,
    per_customer: Option<i32>,
    by_draw: bool,
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
            per_customer: self.per_customer.and_then(|units| u32::try_from(units).ok()),
            by_draw: self.by_draw,
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
        "SELECT products.id, name, price_minor, currency, hold_seconds, per_customer,
                state = 'on_sale' AS is_on_sale, opens_at, closes_at,
                on_hand, held, sold, stock.version,
                EXISTS (SELECT FROM draws
                         WHERE draws.product_id = products.id
                           AND draws.stage NOT IN ('finished', 'cancelled')) AS by_draw
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
    next_step_at: Option<OffsetDateTime>,
    refund_reason: Option<String>,
    refunded_minor: i64,
    accepted_at: OffsetDateTime,
    decided_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    attempt: Option<i16>,
    held_since: Option<OffsetDateTime>,
    expires_at: Option<OffsetDateTime>,
    extended: Option<bool>,
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
                next_step_at, refund_reason, refunded_minor, accepted_at, decided_at, updated_at,
                last.attempt, last.created_at AS held_since, last.expires_at, last.extended
           FROM orders
           LEFT JOIN LATERAL (SELECT attempt, created_at, expires_at, extended
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
            refunded: self.refunded_minor,
        };
        Some((id, order))
    }

    fn state(&self, lines: Vec<LineRow>) -> Option<State> {
        let state: OrderState = self.state.parse().ok()?;
        if state == OrderState::Refused {
            return Some(State::Refused(self.refusal.as_ref()?.parse().ok()?));
        }
        let purchase = self.purchase(lines)?;
        let attempts = self.attempt?;
        if state == OrderState::Held {
            let hold = Hold {
                attempt: attempts,
                created_at: self.held_since?,
                expires_at: self.expires_at?,
                extended: self.extended?,
            };
            return Some(State::Held(purchase, hold));
        }
        if let Some(stage) = Stage::from_row(state, self.next_step_at) {
            return Some(State::Sold {
                purchase,
                stage,
                attempts,
            });
        }
        let reason = self.refund_reason.as_ref().map(|word| word.parse()).transpose();
        Some(State::Closed {
            purchase,
            outcome: Outcome::from_row(state, reason.ok()?)?,
            attempts,
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

/// Which of the orders have rights to what is sold by draw. They are locked, so that no right is taken from its order
/// while that is decided.
async fn read_rights(
    connection: &mut PgConnection,
    orders: &[Uuid],
    snapshot: &mut Snapshot,
) -> Result<(), StoreError> {
    if !snapshot.products.values().any(|product| product.by_draw) {
        return Ok(());
    }
    let rows: Vec<(Uuid, String)> = sqlx::query_as(
        "SELECT order_id, product_id
           FROM purchase_rights
          WHERE order_id = ANY ($1) AND state = 'open'
            FOR SHARE",
    )
    .bind(orders)
    .fetch_all(connection)
    .await?;
    for (order, product) in rows {
        let unreadable = |_| StoreError::Unreadable {
            table: "purchase_rights",
        };
        let product = product.parse().map_err(unreadable)?;
        snapshot.rights.insert((OrderId::from_uuid(order), product));
    }
    Ok(())
}
