//! Telling members by mail how their orders go on.

use crate::store::{StoredOrder, orders_of};
use contract::OrderView;
use mail::{Outbox, OutboxError, Template};
use payments::amount_text;
use serde_json::json;
use sqlx::{FromRow, PgConnection, PgPool};
use std::{collections::HashMap, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

/// How often we look for steps to tell of.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Mails written in one transaction.
const BATCH: i32 = 50;

/// Turns steps of orders into mails.
#[derive(Debug, Clone)]
pub struct OrderMails {
    /// The database.
    pub pool: PgPool,
    /// Where mails are written to.
    pub outbox: Outbox,
    /// The shop as browsers see it.
    pub public_url: String,
}

#[derive(FromRow)]
struct Step {
    order_id: Uuid,
    state: String,
}

/// Why no mails were written; they are tried again.
#[derive(Debug, thiserror::Error)]
enum MailError {
    #[error("read or note the steps of orders: {0}")]
    Database(#[from] sqlx::Error),
    #[error("write a mail")]
    Outbox(#[from] OutboxError),
}

impl OrderMails {
    /// Writes mails until it is asked to stop. Several instances may do so at once.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        while let Some(written) = stop.run_until_cancelled(self.write()).await {
            match written {
                Ok(count) if count == BATCH.unsigned_abs() as usize => continue,
                Ok(_) => {}
                Err(error) => warn!(%error, "cannot tell members of their orders; trying again"),
            }
            stop.run_until_cancelled(sleep(LOOK_EVERY)).await;
        }
        Ok(())
    }

    /// Writes a batch; answers how many.
    async fn write(&self) -> Result<usize, MailError> {
        let mut transaction = self.pool.begin().await?;
        let steps = take(&mut transaction).await?;
        let ids: Vec<Uuid> = steps.iter().map(|step| step.order_id).collect();
        let orders = orders_of(&mut transaction, &ids).await?;
        let orders: HashMap<Uuid, StoredOrder> = orders
            .into_iter()
            .map(|order| (order.view.order_id.as_uuid(), order))
            .collect();
        for step in &steps {
            if let Some(order) = orders.get(&step.order_id) {
                self.write_one(&mut transaction, order, &step.state).await?;
            }
        }
        note(&mut transaction, &steps).await?;
        transaction.commit().await?;
        Ok(steps.len())
    }

    async fn write_one(
        &self,
        transaction: &mut PgConnection,
        order: &StoredOrder,
        state: &str,
    ) -> Result<(), MailError> {
        let Some(member) = order.shopper.member() else {
            return Ok(());
        };
        let view = &order.view;
        let parameters = json!({
            "state": state,
            "items": items(view),
            "total": view.total.map(amount_text).unwrap_or_default(),
            "url": format!("{}/orders/{}", self.public_url, view.order_id),
        });
        match self
            .outbox
            .write(transaction, member, Template::OrderStep, &parameters)
            .await
        {
            // Whoever has erased the account wants no mail of it.
            Err(OutboxError::NoMember) => Ok(()),
            written => Ok(written?),
        }
    }
}

async fn take(transaction: &mut PgConnection) -> Result<Vec<Step>, sqlx::Error> {
    sqlx::query_as(
        "SELECT order_id, state
           FROM order_mails
          WHERE mailed_at IS NULL
          ORDER BY created_at
          LIMIT $1
            FOR UPDATE SKIP LOCKED",
    )
    .bind(BATCH)
    .fetch_all(transaction)
    .await
}

async fn note(transaction: &mut PgConnection, steps: &[Step]) -> Result<(), sqlx::Error> {
    let orders: Vec<Uuid> = steps.iter().map(|step| step.order_id).collect();
    let states: Vec<&str> = steps.iter().map(|step| step.state.as_str()).collect();
    sqlx::query(
        "UPDATE order_mails
            SET mailed_at = now()
           FROM unnest($1::uuid[], $2::text[]) AS told (order_id, state)
          WHERE order_mails.order_id = told.order_id AND order_mails.state = told.state",
    )
    .bind(orders)
    .bind(states)
    .execute(transaction)
    .await?;
    Ok(())
}

fn items(order: &OrderView) -> String {
    let lines = order
        .lines
        .iter()
        .map(|line| format!("{} × {}", line.quantity, line.name));
    lines.collect::<Vec<_>>().join(", ")
}
