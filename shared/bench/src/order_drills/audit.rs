//! What the database and the provider say when everything is over, compared with what shoppers were told.

use super::{
    ledger::{Ledger, Told},
    stage::Stage,
};
use crate::{http, http::Connection, report::say};
use anyhow::Context;
use broker::DeadLetters;
use serde::Deserialize;
use sqlx::PgPool;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// How long the last holds, payments and refunds may take to end: the provider is asked about a silent payment after a
/// minute, and again half a minute later.
const SETTLED_WITHIN: Duration = Duration::from_secs(150);
/// How soon it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Dead letters that are looked at.
const LETTERS: usize = 100;

/// What is wrong; all of it should be nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Orders that were taken and have no decision.
    pub lost: u64,
    /// Keys with more than one order, orders that nobody was told of, orders sold twice.
    pub duplicated: u64,
    /// Units promised beyond those that there are.
    pub oversold: u64,
    /// Holds that have not ended, or of which it is not said how.
    pub holds_unresolved: u64,
    /// Orders of which provider and books do not agree, or for which too much or too little is kept.
    pub money_wrong: u64,
    /// Stock rows that are not the sum of their holds.
    pub unbalanced: u64,
    /// Orders that are not what their shopper was told.
    pub told_wrong: u64,
    /// Commands that were set aside.
    pub dead_letters: u64,
}

/// What there is, for the record.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Orders in the books, by state.
    pub states: BTreeMap<String, i64>,
    /// Holds that expired.
    pub expired: u64,
    /// Payments that the provider took.
    pub captured: u64,
    /// Refunds that it made.
    pub refunded: u64,
}

#[derive(sqlx::FromRow)]
struct OrderRow {
    id: Uuid,
    state: String,
    total_minor: Option<i64>,
    kept_minor: i64,
}

#[derive(Deserialize)]
struct Payment {
    order_id: Uuid,
    amount: Amount,
    state: String,
    refunds: Vec<Refund>,
}

#[derive(Deserialize)]
struct Refund {
    amount: Amount,
}

#[derive(Deserialize)]
struct Amount {
    minor: i64,
}

/// Waits until nothing is under way any more, and looks at everything.
pub async fn audit(stage: &Stage, ledger: &Ledger) -> anyhow::Result<(Findings, Counts)> {
    let pool = stage.postgres.pool();
    let entries = ledger.entries();
    let deadline = Instant::now() + SETTLED_WITHIN;
    let (mut findings, counts) = loop {
        let settled = is_settled(&pool, &entries).await?;
        let (findings, counts) = look(stage, ledger, &entries, &pool).await?;
        let is_over = settled && findings == Findings::default();
        if is_over || Instant::now() >= deadline {
            break (findings, counts);
        }
        sleep(LOOK_AGAIN).await;
    };
    pool.close().await;
    let letters = DeadLetters::new(&stage.broker()?).list(LETTERS).await;
    let letters = letters.context("look for dead letters")?;
    for letter in &letters {
        say(&format!(
            "set aside: {} {}",
            letter.reason,
            String::from_utf8_lossy(&letter.body)
        ));
    }
    findings.dead_letters = letters.len() as u64;
    Ok((findings, counts))
}

async fn look(
    stage: &Stage,
    ledger: &Ledger,
    entries: &[Told],
    pool: &PgPool,
) -> anyhow::Result<(Findings, Counts)> {
    let orders = orders(pool).await?;
    let payments = payments(stage, ledger, pool).await?;
    let accepted = entries.iter().filter_map(accepted_id);
    let findings = Findings {
        lost: count(accepted.filter(|id| !orders.contains_key(id))),
        duplicated: duplicated(entries, &orders) + number(pool, SECOND_SALES).await?,
        oversold: number(pool, OVERSOLD).await?,
        holds_unresolved: number(pool, UNRESOLVED).await?,
        money_wrong: money_wrong(&orders, &payments),
        unbalanced: number(pool, UNBALANCED).await?,
        told_wrong: told_wrong(pool, entries, &orders).await?,
        dead_letters: 0,
    };
    let captured = payments.iter().filter(|payment| payment.state == "captured");
    let mut counts = Counts {
        expired: number(pool, EXPIRED).await?,
        captured: count(captured),
        refunded: payments.iter().map(|payment| payment.refunds.len() as u64).sum(),
        ..Counts::default()
    };
    for order in orders.values() {
        *counts.states.entry(order.state.clone()).or_default() += 1;
    }
    Ok((findings, counts))
}

fn accepted_id(told: &Told) -> Option<Uuid> {
    told.is_accepted.then(|| told.ids.first().copied()).flatten()
}

/// Whether every order is decided, no hold is open, and no refund and no event is owed. (A payment that was started and
/// left alone is asked about for a week; what matters of payments is whether the money is right.)
async fn is_settled(pool: &PgPool, entries: &[Told]) -> anyhow::Result<bool> {
    let accepted: Vec<Uuid> = entries.iter().filter_map(accepted_id).collect();
    let settled = sqlx::query_scalar(
        "SELECT NOT EXISTS (SELECT FROM holds WHERE open)
            AND NOT EXISTS (SELECT FROM refunds WHERE refunded_at IS NULL)
            AND NOT EXISTS (SELECT FROM orders WHERE state = 'refund_due')
            AND NOT EXISTS (SELECT FROM outbox)
            AND NOT EXISTS (SELECT FROM unnest($1::uuid[]) AS id WHERE id NOT IN (SELECT id FROM orders))",
    );
    Ok(settled.bind(accepted).fetch_one(pool).await?)
}

async fn orders(pool: &PgPool) -> anyhow::Result<HashMap<Uuid, OrderRow>> {
    let rows: Vec<OrderRow> = sqlx::query_as(
        "SELECT id, state, total_minor,
                (SELECT coalesce(sum(captured_minor - owed_back_minor), 0)::bigint
                   FROM payments WHERE order_id = orders.id) AS kept_minor
           FROM orders",
    )
    .fetch_all(pool)
    .await
    .context("read the orders")?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// Those that shoppers were sent to, and those that the books know of.
async fn payments(stage: &Stage, ledger: &Ledger, pool: &PgPool) -> anyhow::Result<Vec<Payment>> {
    let booked: Vec<String> = sqlx::query_scalar("SELECT payment_reference FROM payments")
        .fetch_all(pool)
        .await?;
    let names: BTreeSet<String> = ledger.payments().into_iter().chain(booked).collect();
    let mut connection = Connection::open(stage.provider).await?;
    let mut payments = Vec::new();
    for name in names {
        let request = http::request("GET", stage.provider, &format!("/v1/payments/{name}"), &[], "");
        let answer = connection.exchange(&request).await?;
        payments.push(answer.json(&[200]).context("ask the provider about a payment")?);
    }
    Ok(payments)
}

/// A key has one order. One of which nobody was told can only be that of a request without an answer, which was
/// refused when it was sent again.
fn duplicated(entries: &[Told], orders: &HashMap<Uuid, OrderRow>) -> u64 {
    let second_ids: usize = entries.iter().map(|told| told.ids.len().saturating_sub(1)).sum();
    let told: BTreeSet<Uuid> = entries.iter().flat_map(|told| told.ids.iter().copied()).collect();
    let untold = orders.keys().filter(|id| !told.contains(id)).count();
    let explained = entries
        .iter()
        .filter(|told| told.is_doubtful && told.ids.is_empty());
    (second_ids + untold.saturating_sub(explained.count())) as u64
}

/// Of a sale the price is kept, of anything else nothing; and both sides say so.
fn money_wrong(orders: &HashMap<Uuid, OrderRow>, payments: &[Payment]) -> u64 {
    let mut by_provider: HashMap<Uuid, i64> = HashMap::new();
    for payment in payments {
        let taken = if payment.state == "captured" {
            payment.amount.minor
        } else {
            0
        };
        let back: i64 = payment.refunds.iter().map(|refund| refund.amount.minor).sum();
        *by_provider.entry(payment.order_id).or_default() += taken - back;
    }
    let unknown = by_provider.keys().filter(|id| !orders.contains_key(*id));
    let is_wrong = |order: &&OrderRow| {
        let sold = matches!(
            order.state.as_str(),
            "paid" | "shipped" | "delivered" | "confirmed"
        );
        let due = if sold { order.total_minor.unwrap_or(0) } else { 0 };
        let provider = by_provider.get(&order.id).copied().unwrap_or(0);
        order.kept_minor != due || provider != due
    };
    count(unknown) + count(orders.values().filter(is_wrong))
}

/// Who was told that units are held has an order that held them; and what was ordered is what was asked for.
async fn told_wrong(
    pool: &PgPool,
    entries: &[Told],
    orders: &HashMap<Uuid, OrderRow>,
) -> anyhow::Result<u64> {
    let rows: Vec<(Uuid, String, i64)> =
        sqlx::query_as("SELECT order_id, product_id, quantity FROM order_lines")
            .fetch_all(pool)
            .await?;
    let mut lines: HashMap<Uuid, BTreeMap<String, i64>> = HashMap::new();
    for (order, product, quantity) in rows {
        lines.entry(order).or_default().insert(product, quantity);
    }
    let is_wrong = |told: &&Told| {
        let order = accepted_id(told).and_then(|id| orders.get(&id));
        let Some(order) = order else { return false };
        let refused = order.state == "refused";
        (refused && told.held_at.is_some()) || (!refused && lines.get(&order.id) != Some(&told.lines))
    };
    Ok(count(entries.iter().filter(is_wrong)))
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.count() as u64
}

async fn number(pool: &PgPool, question: &'static str) -> anyhow::Result<u64> {
    let number: i64 = sqlx::query_scalar(question).fetch_one(pool).await?;
    Ok(u64::try_from(number)?)
}

const EXPIRED: &str = "SELECT count(*) FROM hold_resolutions WHERE resolution = 'expired'";

const SECOND_SALES: &str = "
    SELECT coalesce(sum(sales - 1), 0)::bigint
      FROM (SELECT count(*) AS sales FROM hold_resolutions WHERE resolution = 'posted' GROUP BY order_id) AS by_order";

const UNRESOLVED: &str = "
    SELECT count(*) FROM holds LEFT JOIN hold_resolutions USING (order_id, attempt)
     WHERE open OR resolution IS NULL";

const OVERSOLD: &str = "
    WITH promised AS (
        SELECT product_id, sum(quantity)::bigint AS units
          FROM holds JOIN order_lines USING (order_id)
          LEFT JOIN hold_resolutions USING (order_id, attempt)
          LEFT JOIN restocks USING (order_id)
         WHERE open OR (resolution = 'posted' AND restocked_at IS NULL)
         GROUP BY product_id)
    SELECT coalesce(sum(greatest(greatest(held + sold, coalesce(units, 0)) - on_hand, 0)), 0)::bigint
      FROM stock LEFT JOIN promised USING (product_id)";

const UNBALANCED: &str = "
    WITH holds_of AS (
        SELECT product_id,
               coalesce(sum(quantity) FILTER (WHERE open), 0) AS open_units,
               coalesce(sum(quantity) FILTER (WHERE resolution = 'posted' AND restocked_at IS NULL), 0) AS sold_units
          FROM holds JOIN order_lines USING (order_id)
          LEFT JOIN hold_resolutions USING (order_id, attempt)
          LEFT JOIN restocks USING (order_id)
         GROUP BY product_id)
    SELECT count(*)
      FROM stock LEFT JOIN holds_of USING (product_id)
     WHERE held <> coalesce(open_units, 0) OR sold <> coalesce(sold_units, 0)";

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: u128, state: &str, kept_minor: i64) -> OrderRow {
        OrderRow {
            id: Uuid::from_u128(id),
            state: state.to_owned(),
            total_minor: Some(500),
            kept_minor,
        }
    }

    fn payment(order: u128, state: &str, back: i64) -> Payment {
        let refunds = (back > 0).then_some(Refund {
            amount: Amount { minor: back },
        });
        Payment {
            order_id: Uuid::from_u128(order),
            amount: Amount { minor: 500 },
            state: state.to_owned(),
            refunds: refunds.into_iter().collect(),
        }
    }

    #[test]
    fn money_is_where_it_belongs_or_it_is_not() {
        for (state, kept, provider, back, wrong) in [
            ("paid", 500, "captured", 0, 0),
            ("paid", 500, "open", 0, 1),
            ("paid", 0, "captured", 0, 1),
            ("refunded", 0, "captured", 500, 0),
            ("refunded", 0, "captured", 499, 1),
            ("expired", 0, "failed", 0, 0),
            ("expired", 0, "captured", 0, 1),
        ] {
            let orders = HashMap::from([(Uuid::from_u128(1), order(1, state, kept))]);
            let found = money_wrong(&orders, &[payment(1, provider, back)]);
            assert_eq!(found, wrong, "{state} {kept} {provider} {back}");
        }
        assert_eq!(
            money_wrong(&HashMap::new(), &[payment(1, "captured", 0)]),
            1,
            "of no order"
        );
    }

    #[test]
    fn a_key_has_one_order_and_somebody_knows_of_each() {
        let orders = |ids: &[u128]| {
            ids.iter()
                .map(|id| (Uuid::from_u128(*id), order(*id, "held", 0)))
                .collect()
        };
        let told = |ids: &[u128], is_doubtful: bool| Told {
            ids: ids.iter().map(|id| Uuid::from_u128(*id)).collect(),
            is_doubtful,
            ..Told::new(BTreeMap::new())
        };
        assert_eq!(duplicated(&[told(&[1], false)], &orders(&[1])), 0);
        assert_eq!(duplicated(&[told(&[1, 2], false)], &orders(&[1, 2])), 1);
        assert_eq!(duplicated(&[told(&[1], false)], &orders(&[1, 2])), 1);
        assert_eq!(
            duplicated(&[told(&[1], false), told(&[], true)], &orders(&[1, 2])),
            0
        );
    }
}
