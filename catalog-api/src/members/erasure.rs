//! Taking one's data along, and having it erased.

use super::{Ending, MemberError, Members, PgTransaction, Profile, Sealer, StoredAddress, order_addresses};
use catalog_domain::member::Address;
use contract::{MemberId, ShopperId};
use mail::{Template, To};
use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// More orders than anybody has placed.
const ORDERS_MAX: i64 = 10_000;

/// All that is known of a member.
#[derive(Debug, Serialize)]
pub struct Export {
    profile: Profile,
    addresses: Vec<StoredAddress>,
    sign_ins: Vec<ExportedSignIn>,
    orders: Vec<ExportedOrder>,
}

#[derive(Debug, Serialize, FromRow)]
struct ExportedSignIn {
    #[serde(with = "time::serde::rfc3339")]
    began_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    is_open: bool,
}

#[derive(Debug, Serialize)]
struct ExportedOrder {
    #[serde(flatten)]
    row: OrderRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Address>,
}

#[derive(Debug, Serialize, FromRow)]
struct OrderRow {
    order_id: Uuid,
    state: String,
    total_minor: Option<i64>,
    currency: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    placed_at: OffsetDateTime,
    #[serde(skip)]
    address: Option<Vec<u8>>,
}

impl ExportedOrder {
    fn open(mut row: OrderRow, sealer: &Sealer) -> Result<Self, MemberError> {
        let open = |sealed: Vec<u8>| order_addresses::open(sealer, row.order_id, &sealed);
        let address = row.address.take().map(open).transpose()?;
        Ok(Self { row, address })
    }
}

impl Members {
    /// All that is known of a member.
    ///
    /// # Errors
    /// [`MemberError`].
    pub async fn export(&self, member: MemberId) -> Result<Export, MemberError> {
        let sign_ins = sqlx::query_as(
            "SELECT created_at AS began_at, renewed_at AS last_used_at,
                    ended_at IS NULL AND expires_at > now() AS is_open
             FROM sign_ins
             WHERE member_id = $1
             ORDER BY created_at",
        )
        .bind(member.as_uuid());
        let orders = sqlx::query_as(
            "SELECT id AS order_id, state, total_minor, currency, accepted_at AS placed_at, details AS address
             FROM orders LEFT JOIN order_addresses USING (id)
             WHERE shopper = $1
             ORDER BY accepted_at
             LIMIT $2",
        )
        .bind(ShopperId::of_member(member).as_str().to_owned())
        .bind(ORDERS_MAX);
        let orders: Vec<OrderRow> = orders.fetch_all(&self.pool).await?;
        let orders = orders
            .into_iter()
            .map(|row| ExportedOrder::open(row, &self.sealer));
        Ok(Export {
            profile: self.profile(member).await?,
            addresses: self.addresses(member).await?,
            sign_ins: sign_ins.fetch_all(&self.pool).await?,
            orders: orders.collect::<Result<_, _>>()?,
        })
    }

    /// Erases all that is known of a member who shows the password. Orders stay, with a name that leads to nobody.
    ///
    /// # Errors
    /// `Credentials` when it is not the password.
    pub async fn erase(&self, member: MemberId, password: String, from: IpAddr) -> Result<(), MemberError> {
        self.prove_password(member, password, from).await?;
        let profile = self.profile(member).await?;
        let mut transaction = self.pool.begin().await?;
        self.end_sign_ins(&mut transaction, member, Ending::All).await?;
        forget(&mut transaction, member).await?;
        let to = To::Address {
            address: &profile.email,
            language: profile.language,
        };
        self.outbox
            .write(&mut transaction, to, Template::Erased, &json!({}))
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn forget(transaction: &mut PgTransaction, member: MemberId) -> Result<(), MemberError> {
    let member = member.as_uuid();
    for statement in [
        "DELETE FROM addresses WHERE member_id = $1",
        "DELETE FROM member_codes WHERE member_id = $1",
        "DELETE FROM sign_ins WHERE member_id = $1",
        "DELETE FROM mails WHERE member_id = $1",
        "UPDATE members
         SET role = 'user', email = NULL, email_index = NULL, name = NULL, phone = NULL, phone_index = NULL,
             password = NULL, erased_at = now(), updated_at = now()
         WHERE id = $1",
        // After the account: an order that is decided meanwhile waits for it, or is done and seen here.
        "DELETE FROM order_addresses WHERE member_id = $1",
        "DELETE FROM carts WHERE owner = 'member:' || $1::text",
    ] {
        sqlx::query(statement)
            .bind(member)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}
