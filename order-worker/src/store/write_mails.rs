//! Noting which steps of orders their owners are told of by mail.

use super::StoreError;
use contract::OrderState;
use order_domain::{batch::Decisions, order::Order};
use sqlx::PgConnection;
use uuid::Uuid;

/// The steps of members' orders that they expect to be told of, each once. Who has no account has no address either.
pub(super) async fn note_mails(
    connection: &mut PgConnection,
    decisions: &Decisions,
) -> Result<(), StoreError> {
    let steps = decisions
        .placed
        .iter()
        .chain(&decisions.moved)
        .filter(|order| is_told(order));
    let (orders, states): (Vec<Uuid>, Vec<&str>) = steps
        .map(|order| (order.id.as_uuid(), order.state.word().as_str()))
        .unzip();
    if orders.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO order_mails (order_id, state)
         SELECT * FROM unnest($1::uuid[], $2::text[])
             ON CONFLICT DO NOTHING",
    )
    .bind(orders)
    .bind(states)
    .execute(connection)
    .await?;
    Ok(())
}

fn is_told(order: &Order) -> bool {
    let is_worth_it = !matches!(order.state.word(), OrderState::Pending | OrderState::Confirmed);
    is_worth_it && order.shopper.member().is_some()
}
