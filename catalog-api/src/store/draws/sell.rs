//! Selling: rights that are spent or over are settled, and as many as that makes room for are offered to the next.

use super::{
    DrawStore, DrawStoreError, Granted, Stepped, StoredDraw,
    log::append,
    row::{signed, unsigned},
    settle::settle,
    step::write_sale,
};
use catalog_domain::draw::{Book, Stage};
use contract::MemberId;
use mail::{OutboxError, Template};
use serde_json::json;
use sqlx::{FromRow, PgConnection};
use time::{OffsetDateTime, UtcOffset, macros::format_description};
use uuid::Uuid;

/// Ranks that are looked at in one transaction.
const RANKS: u64 = 1_000;

#[derive(FromRow)]
struct NextRow {
    member_id: Uuid,
    number: i64,
}

impl DrawStore {
    /// Settles what is to be settled and offers what is to be offered: both bounded, so that the draw is locked shortly.
    pub(super) async fn sell(
        &self,
        connection: &mut PgConnection,
        draw: &StoredDraw,
        now: OffsetDateTime,
    ) -> Result<Stepped, DrawStoreError> {
        let mut after = draw.clone();
        after.sale = settle(connection, draw, now).await?;
        let granted = offer(connection, &mut after, now).await?;
        insert_rights(connection, &granted, now).await?;
        self.write_to(connection, &granted).await?;
        let stage = if after.sale.is_over() {
            Stage::Finished
        } else {
            Stage::Selling
        };
        if after.sale == draw.sale && stage == draw.stage {
            return Ok(Stepped::Nothing);
        }
        // The log tells of each rank whose turn it is, and of how it ended.
        if after.sale.offered_below > draw.sale.offered_below || stage == Stage::Finished {
            let mut book = Book::resume(draw.chain);
            book.call(now, &after.sale);
            append(connection, &draw.id, draw.chain.length, &book).await?;
        }
        write_sale(connection, &after, stage).await?;
        Ok(Stepped::Moved(stage))
    }

    /// Owes a mail to everybody who was offered a right, in the same transaction.
    async fn write_to(
        &self,
        connection: &mut PgConnection,
        granted: &[Granted],
    ) -> Result<(), DrawStoreError> {
        for right in granted {
            let parameters = json!({
                "title": right.title,
                "place": right.rank + 1,
                "until": told_time(right.until),
                "url": format!("{}/draws/{}", self.public_url, right.draw),
            });
            let written = self
                .mails
                .write(connection, right.member, Template::DrawRight, &parameters);
            match written.await {
                // Whoever has erased the account since has a place in the draw and nobody to write to.
                Ok(()) | Err(OutboxError::NoMember) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// A moment as a mail says it.
fn told_time(moment: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    moment
        .to_offset(UtcOffset::UTC)
        .format(format)
        .unwrap_or_default()
}

/// The next ranks' members, without those who left; the books say so.
async fn offer(
    connection: &mut PgConnection,
    draw: &mut StoredDraw,
    now: OffsetDateTime,
) -> Result<Vec<Granted>, DrawStoreError> {
    let ranks = draw.sale.due().min(RANKS);
    if ranks == 0 {
        return Ok(Vec::new());
    }
    let order = draw.order().ok_or(DrawStoreError::Unreadable("draws"))?;
    let next = draw.sale.offered_below..draw.sale.offered_below + ranks;
    let numbers: Vec<i64> = next.map(|rank| signed(order.invert(rank))).collect();
    let rows: Vec<NextRow> = sqlx::query_as(
        "SELECT member_id, number
           FROM draw_entries
          WHERE draw_id = $1 AND number = ANY ($2) AND left_at IS NULL",
    )
    .bind(draw.id.as_str())
    .bind(&numbers)
    .fetch_all(connection)
    .await?;
    let granted = rows.into_iter().map(|row| {
        let number = unsigned(row.number)?;
        Some(Granted {
            member: MemberId::from_uuid(row.member_id),
            draw: draw.id.clone(),
            title: draw.terms.title.clone(),
            product: draw.terms.product_id.clone(),
            rank: order.apply(number),
            until: now + draw.terms.right_lasts,
        })
    });
    let granted: Option<Vec<Granted>> = granted.collect();
    let granted = granted.ok_or(DrawStoreError::Unreadable("draw_entries"))?;
    draw.sale = draw.sale.offered(ranks, granted.len() as u64);
    Ok(granted)
}

async fn insert_rights(
    connection: &mut PgConnection,
    granted: &[Granted],
    now: OffsetDateTime,
) -> Result<(), sqlx::Error> {
    let Some(first) = granted.first() else {
        return Ok(());
    };
    let ranks: Vec<i64> = granted.iter().map(|granted| signed(granted.rank)).collect();
    let members: Vec<Uuid> = granted.iter().map(|granted| granted.member.as_uuid()).collect();
    sqlx::query(
        "INSERT INTO purchase_rights (draw_id, rank, member_id, product_id, granted_at, lapses_at)
         SELECT $1, rank, member_id, $2, $3, $4
           FROM unnest($5::bigint[], $6::uuid[]) AS granted (rank, member_id)",
    )
    .bind(first.draw.as_str())
    .bind(first.product.as_str())
    .bind(now)
    .bind(first.until)
    .bind(&ranks)
    .bind(&members)
    .execute(connection)
    .await?;
    Ok(())
}
