//! Products as administrators see and change them.

use super::product_row::{Kept, ProductRow, products_where, undecodable};
use catalog_domain::{Adjustment, NewProduct, Offer, OfferChange, OfferError};
use contract::{Event, ProductId, StockChanged};
use database::Retry;
use sqlx::{PgConnection, PgPool, Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

/// Why an offer was not written.
#[derive(Debug, thiserror::Error)]
pub enum OfferWriteError {
    /// There is a product of that name.
    #[error("there is such a product already")]
    Exists,
    /// There is none.
    #[error("there is no such product")]
    Unknown,
    /// Somebody changed it in the meantime.
    #[error("the product is not the one that was seen")]
    Stale,
    /// What would become of it is not valid.
    #[error("the product would not be valid")]
    Invalid(OfferError),
    /// So many units are held or sold that so few cannot be left.
    #[error("units that are held or sold cannot be taken away")]
    UnitsNeeded,
    /// Under this name another adjustment was made.
    #[error("the key was used for another adjustment")]
    KeyReused,
    /// The database did not do it.
    #[error("the database did not write it")]
    Database(#[from] sqlx::Error),
}

impl Retry for OfferWriteError {
    fn may_retry(&self) -> bool {
        matches!(self, Self::Database(error) if error.may_retry())
    }
}

/// Puts a new product into the shop, with its first stock.
pub async fn create(pool: &PgPool, new: &NewProduct) -> Result<Kept, OfferWriteError> {
    database::transaction("create product", || async {
        let mut transaction = pool.begin().await?;
        if !insert(&mut transaction, &new.id, &new.offer).await? {
            return Err(OfferWriteError::Exists);
        }
        sqlx::query("INSERT INTO stock (product_id, on_hand) VALUES ($1, $2)")
            .bind(new.id.as_str())
            .bind(new.on_hand)
            .execute(&mut *transaction)
            .await?;
        let kept = read(&mut transaction, &new.id).await?;
        transaction.commit().await?;
        kept.ok_or(OfferWriteError::Unknown)
    })
    .await
}

/// The product as it stands.
pub async fn find(pool: &PgPool, id: &ProductId) -> Result<Option<Kept>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    read(&mut connection, id).await
}

/// Changes the product that was seen at `version`.
pub async fn change(
    pool: &PgPool,
    id: &ProductId,
    version: i64,
    change: &OfferChange,
) -> Result<Kept, OfferWriteError> {
    database::transaction("change product", || async {
        let mut transaction = pool.begin().await?;
        lock(&mut transaction, id).await?;
        let kept = read(&mut transaction, id)
            .await?
            .ok_or(OfferWriteError::Unknown)?;
        if kept.version != version {
            return Err(OfferWriteError::Stale);
        }
        let offer = change.applied_to(kept.offer).map_err(OfferWriteError::Invalid)?;
        update(&mut transaction, id, &offer).await?;
        transaction.commit().await?;
        Ok(Kept {
            offer,
            version: version + 1,
            ..kept
        })
    })
    .await
}

/// Adds units or takes some away, once for each `key`; answers the stock afterwards.
///
/// The stock row is locked as the order worker locks it, so orders are decided before or after this and never in
/// between; the version grows and the change is told through the same outbox. Held and sold units are the worker's and
/// stay as they are: what would leave too few for them is refused, here and by the table's own constraint.
pub async fn adjust(
    pool: &PgPool,
    id: &ProductId,
    key: Uuid,
    adjustment: &Adjustment,
    actor: &str,
) -> Result<StockChanged, OfferWriteError> {
    database::transaction("adjust stock", || async {
        let mut transaction = pool.begin().await?;
        lock_stock(&mut transaction, id).await?;
        if note(&mut transaction, id, key, adjustment, actor).await? {
            move_units(&mut transaction, id, adjustment.units).await?;
        }
        let kept = read(&mut transaction, id)
            .await?
            .ok_or(OfferWriteError::Unknown)?;
        transaction.commit().await?;
        Ok(kept.stock)
    })
    .await
}

async fn insert(connection: &mut PgConnection, id: &ProductId, offer: &Offer) -> Result<bool, sqlx::Error> {
    let insert = sqlx::query(
        "INSERT INTO products (id, name, description, category, kind, images, price_minor, currency,
                               hold_seconds, state, opens_at, closes_at, per_customer)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (id) DO NOTHING",
    );
    let done = with_offer(insert, id, offer).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

/// Not against those who only name the product, as the worker does while it has the stock: another limit for customers
/// waits for that stock (`products_limit_changed`).
async fn lock(connection: &mut PgConnection, id: &ProductId) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT FROM products WHERE id = $1 FOR NO KEY UPDATE")
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

async fn lock_stock(connection: &mut PgConnection, id: &ProductId) -> Result<(), OfferWriteError> {
    let locked = sqlx::query("SELECT FROM stock WHERE product_id = $1 FOR UPDATE")
        .bind(id.as_str())
        .execute(connection)
        .await?;
    if locked.rows_affected() == 1 {
        Ok(())
    } else {
        Err(OfferWriteError::Unknown)
    }
}

async fn update(connection: &mut PgConnection, id: &ProductId, offer: &Offer) -> Result<(), sqlx::Error> {
    let update = sqlx::query(
        "UPDATE products
            SET name = $2, description = $3, category = $4, kind = $5, images = $6, price_minor = $7,
                currency = $8, hold_seconds = $9, state = $10, opens_at = $11, closes_at = $12,
                per_customer = $13, version = version + 1, updated_at = clock_timestamp()
          WHERE id = $1",
    );
    with_offer(update, id, offer).execute(connection).await?;
    Ok(())
}

/// `$1` to `$13`: the product, and everything that is said of it.
fn with_offer<'q>(
    query: Query<'q, Postgres, PgArguments>,
    id: &'q ProductId,
    offer: &'q Offer,
) -> Query<'q, Postgres, PgArguments> {
    query
        .bind(id.as_str())
        .bind(&offer.name)
        .bind(&offer.description)
        .bind(offer.category.as_ref().map(|category| category.as_str()))
        .bind(offer.kind.as_str())
        .bind(&offer.images)
        .bind(offer.price.minor)
        .bind(offer.price.currency.as_str())
        .bind(offer.hold_seconds)
        .bind(offer.state.as_str())
        .bind(offer.opens_at)
        .bind(offer.closes_at)
        .bind(offer.per_customer)
}

async fn read(connection: &mut PgConnection, id: &ProductId) -> Result<Option<Kept>, sqlx::Error> {
    let row: Option<ProductRow> = sqlx::query_as(products_where!("id = $1"))
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.map(Kept::try_from).transpose()
}

/// Writes the adjustment down; false when it was made before.
async fn note(
    connection: &mut PgConnection,
    id: &ProductId,
    key: Uuid,
    adjustment: &Adjustment,
    actor: &str,
) -> Result<bool, OfferWriteError> {
    let done = sqlx::query(
        "INSERT INTO stock_adjustments (id, product_id, units, reason, actor)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(key)
    .bind(id.as_str())
    .bind(adjustment.units)
    .bind(&adjustment.reason)
    .bind(actor)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(true);
    }
    let same: bool = sqlx::query_scalar(
        "SELECT product_id = $2 AND units = $3 AND reason = $4 FROM stock_adjustments WHERE id = $1",
    )
    .bind(key)
    .bind(id.as_str())
    .bind(adjustment.units)
    .bind(&adjustment.reason)
    .fetch_one(connection)
    .await?;
    if same {
        Ok(false)
    } else {
        Err(OfferWriteError::KeyReused)
    }
}

async fn move_units(
    connection: &mut PgConnection,
    id: &ProductId,
    units: i64,
) -> Result<(), OfferWriteError> {
    let moved = sqlx::query(
        "UPDATE stock
            SET on_hand = on_hand + $2, version = version + 1, updated_at = clock_timestamp()
          WHERE product_id = $1 AND on_hand + $2 >= held + sold",
    )
    .bind(id.as_str())
    .bind(units)
    .execute(&mut *connection)
    .await?;
    if moved.rows_affected() == 0 {
        return Err(OfferWriteError::UnitsNeeded);
    }
    let stock = read(connection, id).await?.ok_or(OfferWriteError::Unknown)?.stock;
    let event = Event::StockChanged(stock);
    sqlx::query("INSERT INTO outbox (routing_key, payload) VALUES ($1, $2)")
        .bind(event.routing_key())
        .bind(serde_json::to_string(&event).map_err(undecodable)?)
        .execute(connection)
        .await?;
    Ok(())
}
