//! Writing down what was decided: a few statements, whatever the size of the batch.

use super::{StoreError, write_mails::note_mails, write_money::write_money};
use broker::EventMessage;
use contract::Event;
use order_domain::{
    batch::{CustomerUnits, Decisions, Restock},
    hold::{Hold, ResolvedHold},
    order::{Order, Purchase},
    stock::Stock,
};
use sqlx::PgConnection;
use uuid::Uuid;

/// Writes all of it.
pub(super) async fn write(connection: &mut PgConnection, decisions: &Decisions) -> Result<(), StoreError> {
    insert_orders(connection, decisions).await?;
    super::write_addresses::keep_addresses(connection, &decisions.addresses).await?;
    move_orders(connection, &decisions.moved).await?;
    extend_holds(connection, &decisions.extensions).await?;
    resolve_holds(connection, &decisions.resolutions).await?;
    insert_restocks(connection, &decisions.restocks).await?;
    write_customers(connection, &decisions.customers).await?;
    write_money(connection, decisions).await?;
    note_mails(connection, decisions).await?;
    update_stock(connection, &decisions.stock).await?;
    insert_events(connection, &decisions.events).await
}

/// New orders with their lines, and new holds, in one round trip: this is what nearly every batch writes.
async fn insert_orders(connection: &mut PgConnection, decisions: &Decisions) -> Result<(), StoreError> {
    let Decisions { placed, holds, .. } = decisions;
    if placed.is_empty() && holds.is_empty() {
        return Ok(());
    }
    let numbered: Vec<_> = placed.iter().flat_map(numbered_lines).collect();
    let (order, line, made) = (Columns(placed), Columns(&numbered), Columns(holds));
    sqlx::query(
        "WITH placed AS (
             INSERT INTO orders (id, shopper, fingerprint, state, refusal, total_minor, currency, version,
                                 accepted_at, decided_at, updated_at, next_step_at, refund_reason)
             SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                                  $7::text[], $8::integer[], $9::timestamptz[], $10::timestamptz[],
                                  $11::timestamptz[], $23::timestamptz[], $24::text[])
         ), lines AS (
             INSERT INTO order_lines (order_id, line_number, product_id, name, quantity, unit_price_minor)
             SELECT * FROM unnest($12::uuid[], $13::smallint[], $14::text[], $15::text[], $16::bigint[],
                                  $17::bigint[])
         )
         INSERT INTO holds (order_id, attempt, created_at, expires_at, open, extended)
         SELECT * FROM unnest($18::uuid[], $19::smallint[], $20::timestamptz[], $21::timestamptz[],
                              $22::boolean[], $25::boolean[])",
    )
    .bind(order.of(id))
    .bind(order.of(|order| order.shopper.as_str()))
    .bind(order.of(|order| order.fingerprint.as_str()))
    .bind(order.of(|order| order.state.word().as_str()))
    .bind(order.of(|order| order.state.refusal().map(contract::Refusal::as_str)))
    .bind(order.of(|order| order.purchase().map(|purchase| purchase.total.minor)))
    .bind(order.of(|order| order.purchase().map(|purchase| purchase.total.currency.as_str())))
    .bind(order.of(|order| order.version))
    .bind(order.of(|order| order.accepted_at))
    .bind(order.of(|order| order.decided_at))
    .bind(order.of(|order| order.updated_at))
    .bind(line.of(|(order, _, _)| *order))
    .bind(line.of(|(_, number, _)| *number))
    .bind(line.of(|(_, _, line)| line.product_id.as_str()))
    .bind(line.of(|(_, _, line)| line.name.as_str()))
    .bind(line.of(|(_, _, line)| i64::from(line.quantity)))
    .bind(line.of(|(_, _, line)| line.unit_price.minor))
    .bind(made.of(|made| made.order_id.as_uuid()))
    .bind(made.of(|made| made.hold.attempt))
    .bind(made.of(|made| made.hold.created_at))
    .bind(made.of(|made| made.hold.expires_at))
    .bind(made.of(|made| made.open))
    .bind(order.of(|order| order.state.next_step_at()))
    .bind(order.of(refund_reason))
    .bind(made.of(|made| made.hold.extended))
    .execute(connection)
    .await?;
    Ok(())
}

async fn move_orders(connection: &mut PgConnection, orders: &[Order]) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    let column = Columns(orders);
    sqlx::query(
        "UPDATE orders
            SET state = moved.state, version = moved.version, updated_at = moved.updated_at,
                next_step_at = moved.next_step_at, refund_reason = moved.refund_reason,
                refunded_minor = moved.refunded_minor
           FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::timestamptz[], $5::timestamptz[], $6::text[],
                       $7::bigint[])
                AS moved (id, state, version, updated_at, next_step_at, refund_reason, refunded_minor)
          WHERE orders.id = moved.id",
    )
    .bind(column.of(id))
    .bind(column.of(|order| order.state.word().as_str()))
    .bind(column.of(|order| order.version))
    .bind(column.of(|order| order.updated_at))
    .bind(column.of(|order| order.state.next_step_at()))
    .bind(column.of(refund_reason))
    .bind(column.of(|order| order.refunded))
    .execute(connection)
    .await?;
    Ok(())
}

async fn extend_holds(
    connection: &mut PgConnection,
    extensions: &[(contract::OrderId, Hold)],
) -> Result<(), StoreError> {
    if extensions.is_empty() {
        return Ok(());
    }
    let column = Columns(extensions);
    sqlx::query(
        "UPDATE holds
            SET expires_at = longer.expires_at, extended = true
           FROM unnest($1::uuid[], $2::smallint[], $3::timestamptz[]) AS longer (order_id, attempt, expires_at)
          WHERE holds.order_id = longer.order_id AND holds.attempt = longer.attempt
            AND holds.open AND NOT holds.extended",
    )
    .bind(column.of(|(order, _)| order.as_uuid()))
    .bind(column.of(|(_, hold)| hold.attempt))
    .bind(column.of(|(_, hold)| hold.expires_at))
    .execute(connection)
    .await?;
    Ok(())
}

/// The primary key of the resolutions is what makes a hold end once: a second one fails the transaction.
async fn resolve_holds(
    connection: &mut PgConnection,
    resolutions: &[(contract::OrderId, ResolvedHold)],
) -> Result<(), StoreError> {
    if resolutions.is_empty() {
        return Ok(());
    }
    let column = Columns(resolutions);
    sqlx::query(
        "WITH resolved AS (
             INSERT INTO hold_resolutions (order_id, attempt, resolution, resolved_at)
             SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::timestamptz[])
             RETURNING order_id, attempt
         )
         UPDATE holds
            SET open = false
           FROM resolved
          WHERE holds.order_id = resolved.order_id AND holds.attempt = resolved.attempt AND holds.open",
    )
    .bind(column.of(|(order, _)| order.as_uuid()))
    .bind(column.of(|(_, hold)| hold.attempt))
    .bind(column.of(|(_, hold)| hold.resolution.as_str()))
    .bind(column.of(|(_, hold)| hold.resolved_at))
    .execute(connection)
    .await?;
    Ok(())
}

/// The primary key is what puts the units of an order back once: a second time fails the transaction.
async fn insert_restocks(connection: &mut PgConnection, restocks: &[Restock]) -> Result<(), StoreError> {
    if restocks.is_empty() {
        return Ok(());
    }
    let column = Columns(restocks);
    sqlx::query(
        "INSERT INTO restocks (order_id, reason, restocked_at)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[])",
    )
    .bind(column.of(|restock| restock.order_id.as_uuid()))
    .bind(column.of(|restock| restock.reason.as_str()))
    .bind(column.of(|restock| restock.at))
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_customers(
    connection: &mut PgConnection,
    customers: &[CustomerUnits],
) -> Result<(), StoreError> {
    if customers.is_empty() {
        return Ok(());
    }
    let column = Columns(customers);
    sqlx::query(
        "INSERT INTO customer_units (product_id, shopper, units, at_most)
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
             ON CONFLICT (product_id, shopper)
             DO UPDATE SET units = excluded.units, at_most = excluded.at_most",
    )
    .bind(column.of(|customer| customer.product_id.as_str()))
    .bind(column.of(|customer| customer.shopper.as_str()))
    .bind(column.of(|customer| customer.units))
    .bind(column.of(|customer| customer.at_most))
    .execute(connection)
    .await?;
    Ok(())
}

async fn update_stock(
    connection: &mut PgConnection,
    stock: &[(contract::ProductId, Stock)],
) -> Result<(), StoreError> {
    if stock.is_empty() {
        return Ok(());
    }
    let column = Columns(stock);
    sqlx::query(
        "UPDATE stock
            SET held = changed.held, sold = changed.sold, version = changed.version, updated_at = clock_timestamp()
           FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[])
                AS changed (product_id, held, sold, version)
          WHERE stock.product_id = changed.product_id",
    )
    .bind(column.of(|(product, _)| product.as_str()))
    .bind(column.of(|(_, stock)| stock.held))
    .bind(column.of(|(_, stock)| stock.sold))
    .bind(column.of(|(_, stock)| stock.version))
    .execute(connection)
    .await?;
    Ok(())
}

/// Into the outbox, in their sequence and packed as they will travel: a row for each event would cost the database more
/// than the order itself. What orders do is also to be told to every endpoint.
async fn insert_events(connection: &mut PgConnection, events: &[Event]) -> Result<(), StoreError> {
    if events.is_empty() {
        return Ok(());
    }
    let messages = EventMessage::pack(events)?;
    let column = Columns(&messages);
    sqlx::query(
        "WITH message AS (
             SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS message (routing_key, lines, number)
         ), told AS (
             INSERT INTO webhook_deliveries (endpoint_id, kind, data)
             SELECT webhook_endpoints.id, routing_key, line::json
               FROM webhook_endpoints
              CROSS JOIN message
              CROSS JOIN string_to_table(lines, E'\\n') WITH ORDINALITY AS event (line, place)
              WHERE disabled_at IS NULL AND routing_key LIKE 'order.%'
              ORDER BY number, place
         )
         INSERT INTO outbox (routing_key, payload)
         SELECT routing_key, lines
           FROM message
          ORDER BY number",
    )
    .bind(column.of(|message| message.routing_key.as_str()))
    .bind(column.of(|message| message.lines.as_str()))
    .execute(connection)
    .await?;
    Ok(())
}

/// Rows, to be bound column by column.
pub(super) struct Columns<'a, Row>(pub(super) &'a [Row]);

impl<'a, Row> Columns<'a, Row> {
    pub(super) fn of<Value>(&self, value: impl Fn(&'a Row) -> Value) -> Vec<Value> {
        self.0.iter().map(value).collect()
    }
}

fn id(order: &Order) -> Uuid {
    order.id.as_uuid()
}

fn refund_reason(order: &Order) -> Option<&'static str> {
    order.state.refund_reason().map(contract::RefundReason::as_str)
}

fn numbered_lines(order: &Order) -> impl Iterator<Item = (Uuid, i16, &contract::OrderLine)> {
    let lines = order
        .purchase()
        .map(|purchase: &Purchase| purchase.lines.as_slice())
        .unwrap_or_default();
    (1..)
        .zip(lines)
        .map(|(number, line)| (order.id.as_uuid(), number, line))
}
