//! The public log of a draw.

use super::{DrawStore, DrawStoreError, row::signed};
use catalog_domain::draw::Book;
use contract::DrawId;
use sqlx::PgConnection;

/// Lines in one read of the log.
const PAGE: i64 = 5_000;

/// Adds the book's new lines to the log of `draw`, whose row is locked and knew `length` lines before.
pub(super) async fn append(
    connection: &mut PgConnection,
    draw: &DrawId,
    length: u64,
    book: &Book,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO draw_log (draw_id, line_number, line)
         SELECT $1, $2 + number, line
           FROM unnest($3::text[]) WITH ORDINALITY AS added (line, number)",
    )
    .bind(draw.as_str())
    .bind(signed(length))
    .bind(book.lines())
    .execute(&mut *connection)
    .await?;
    let chain = book.chain();
    sqlx::query(
        "UPDATE draws
            SET log_head = $2, log_lines = $3, updated_at = clock_timestamp()
          WHERE id = $1",
    )
    .bind(draw.as_str())
    .bind(chain.head.0.as_slice())
    .bind(signed(chain.length))
    .execute(connection)
    .await?;
    Ok(())
}

impl DrawStore {
    /// The next lines of the log after the first `after`, without the title; none at its end.
    pub async fn log_page(&self, draw: &DrawId, after: u64) -> Result<Vec<String>, DrawStoreError> {
        let lines = sqlx::query_scalar(
            "SELECT line
               FROM draw_log
              WHERE draw_id = $1 AND line_number > $2
              ORDER BY line_number
              LIMIT $3",
        )
        .bind(draw.as_str())
        .bind(signed(after))
        .bind(PAGE)
        .fetch_all(&self.pool)
        .await?;
        Ok(lines)
    }
}
