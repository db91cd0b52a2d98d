//! Making, changing and calling off draws.

use super::{
    DrawStore, DrawStoreError, StoredDraw,
    log::append,
    row::{lock, now, signed},
};
use catalog_domain::draw::{Book, Phase, Stage, Terms};
use contract::DrawId;
use database::{Failure, failure_of, transaction};
use fairness::Commitment;
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};
use time::OffsetDateTime;

/// What came of making or changing a draw.
#[derive(Debug)]
pub enum Arranged {
    /// It is new.
    Made(Box<StoredDraw>),
    /// It was there, and is now as asked for.
    Changed(Box<StoredDraw>),
    /// It has opened or was called off, and stays as it is.
    TooLate(Phase),
    /// There is no such product.
    UnknownProduct,
    /// The product has fewer units: this many.
    TooFewUnits(i64),
    /// Another draw has the product.
    ProductTaken,
    /// The window is to open at a time that is over by now.
    Over,
}

/// What came of calling a draw off.
#[derive(Debug)]
pub enum Cancelled {
    /// It is called off, perhaps since earlier.
    Done,
    /// It has opened, and takes its course.
    TooLate(Phase),
    /// There is no such draw.
    Unknown,
}

impl DrawStore {
    /// The database's clock.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> Result<OffsetDateTime, DrawStoreError> {
        Ok(now(&self.pool).await?)
    }

    /// Makes the draw, or changes it until it opens. A new draw is committed to `commitment`; one that is there keeps
    /// its own.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn arrange(
        &self,
        draw: &DrawId,
        terms: &Terms,
        commitment: Commitment,
    ) -> Result<Arranged, DrawStoreError> {
        let arranged = transaction("arrange_draw", || self.try_arrange(draw, terms, commitment)).await;
        match arranged {
            Err(DrawStoreError::Database(error)) if failure_of(&error) == Failure::Duplicate => {
                // Of the draw itself, which two asked for at once, or of its product.
                match self.draw(draw).await? {
                    Some(_) => {
                        transaction("arrange_draw", || self.try_arrange(draw, terms, commitment)).await
                    }
                    None => Ok(Arranged::ProductTaken),
                }
            }
            other => other,
        }
    }

    async fn try_arrange(
        &self,
        draw: &DrawId,
        terms: &Terms,
        commitment: Commitment,
    ) -> Result<Arranged, DrawStoreError> {
        let mut transaction = self.pool.begin().await?;
        let known = lock(&mut transaction, draw).await?;
        let (known, now) = match known {
            Some((known, now)) => (Some(known), now),
            None => (None, now(&mut *transaction).await?),
        };
        if let Some(phase) = known.as_ref().map(|known| known.phase(now))
            && phase != Phase::Scheduled
        {
            return Ok(Arranged::TooLate(phase));
        }
        if terms.window.opens_at <= now {
            return Ok(Arranged::Over);
        }
        if let Some(refused) = refused(&mut transaction, draw, terms).await? {
            return Ok(refused);
        }
        let is_new = known.is_none();
        match &known {
            Some(known) => change(&mut transaction, known, terms, now).await?,
            None => insert(&mut transaction, draw, terms, commitment, now).await?,
        }
        let stored = lock(&mut transaction, draw).await?;
        let (stored, _) = stored.ok_or(DrawStoreError::Unreadable("draws"))?;
        transaction.commit().await?;
        let stored = Box::new(stored);
        Ok(if is_new {
            Arranged::Made(stored)
        } else {
            Arranged::Changed(stored)
        })
    }

    /// Calls a draw off that has not opened.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn cancel(&self, draw: &DrawId) -> Result<Cancelled, DrawStoreError> {
        transaction("cancel_draw", || async {
            let mut transaction = self.pool.begin().await?;
            let Some((known, now)) = lock(&mut transaction, draw).await? else {
                return Ok(Cancelled::Unknown);
            };
            match known.phase(now) {
                Phase::Scheduled => {}
                Phase::Cancelled => return Ok(Cancelled::Done),
                phase => return Ok(Cancelled::TooLate(phase)),
            }
            let mut book = Book::resume(known.chain);
            book.cancel(now);
            append(&mut transaction, draw, known.chain.length, &book).await?;
            sqlx::query("UPDATE draws SET stage = $2 WHERE id = $1")
                .bind(draw.as_str())
                .bind(Stage::Cancelled.as_str())
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(Cancelled::Done)
        })
        .await
    }
}

/// Why the product cannot be drawn for.
async fn refused(
    connection: &mut PgConnection,
    draw: &DrawId,
    terms: &Terms,
) -> Result<Option<Arranged>, DrawStoreError> {
    let left: Option<i64> =
        sqlx::query_scalar("SELECT on_hand - held - sold FROM stock WHERE product_id = $1")
            .bind(terms.product_id.as_str())
            .fetch_optional(&mut *connection)
            .await?;
    let taken: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM draws
                         WHERE product_id = $1 AND id <> $2 AND stage NOT IN ('finished', 'cancelled'))",
    )
    .bind(terms.product_id.as_str())
    .bind(draw.as_str())
    .fetch_one(connection)
    .await?;
    Ok(match left {
        None => Some(Arranged::UnknownProduct),
        Some(_) if taken => Some(Arranged::ProductTaken),
        Some(left) if left < i64::from(terms.units) => Some(Arranged::TooFewUnits(left)),
        Some(_) => None,
    })
}

async fn insert(
    connection: &mut PgConnection,
    draw: &DrawId,
    terms: &Terms,
    commitment: Commitment,
    now: OffsetDateTime,
) -> Result<(), DrawStoreError> {
    let book = Book::begin(draw, now, commitment, terms);
    let insert = sqlx::query(
        "INSERT INTO draws (id, product_id, title, units, opens_at, closes_at, right_seconds, commitment, log_head,
                            log_lines)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    );
    with_terms(insert, draw, terms)
        .bind(commitment.0.as_slice())
        .bind(book.chain().head.0.as_slice())
        .bind(signed(book.chain().length))
        .execute(&mut *connection)
        .await?;
    Ok(append(connection, draw, 0, &book).await?)
}

async fn change(
    connection: &mut PgConnection,
    known: &StoredDraw,
    terms: &Terms,
    now: OffsetDateTime,
) -> Result<(), DrawStoreError> {
    if known.terms == *terms {
        return Ok(());
    }
    let update = sqlx::query(
        "UPDATE draws
            SET product_id = $2, title = $3, units = $4, opens_at = $5, closes_at = $6, right_seconds = $7
          WHERE id = $1",
    );
    with_terms(update, &known.id, terms)
        .execute(&mut *connection)
        .await?;
    let mut book = Book::resume(known.chain);
    book.terms(now, terms);
    Ok(append(connection, &known.id, known.chain.length, &book).await?)
}

/// `$1` to `$7`: the draw and its terms.
fn with_terms<'q>(
    query: Query<'q, Postgres, PgArguments>,
    draw: &'q DrawId,
    terms: &'q Terms,
) -> Query<'q, Postgres, PgArguments> {
    query
        .bind(draw.as_str())
        .bind(terms.product_id.as_str())
        .bind(&terms.title)
        .bind(i64::from(terms.units))
        .bind(terms.window.opens_at)
        .bind(terms.window.closes_at)
        .bind(right_seconds(terms))
}

fn right_seconds(terms: &Terms) -> i32 {
    i32::try_from(terms.right_lasts.whole_seconds()).unwrap_or(i32::MAX)
}
