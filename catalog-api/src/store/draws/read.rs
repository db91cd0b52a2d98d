//! Reading draws, and how members stand in them.

use super::{
    DrawStore, DrawStoreError, StoredDraw,
    row::{Row, now, signed, unsigned},
};
use catalog_domain::draw::{Claim, Entered, Right};
use contract::{DrawId, MemberId, OrderId};
use fairness::{Leaf, Receipt, Tree};
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

/// Draws that are over and still shown.
const OVER_MAX: i64 = 100;
/// Draws that are not: more than a shop can run.
const LIVE_MAX: i64 = 2_000;

/// The draws that are shown, as of one moment.
#[derive(Debug, Clone)]
pub struct Board {
    /// The database's time.
    pub now: OffsetDateTime,
    /// Those that open last first.
    pub draws: Vec<StoredDraw>,
}

/// A member's entry with all that belongs to it.
#[derive(Debug, Clone)]
pub struct Member {
    /// What stands for it in the log.
    pub entry_id: Leaf,
    /// How it stands.
    pub entered: Entered,
    /// The first number of those that entered in the same line of the log.
    group_first: i64,
}

#[derive(FromRow)]
struct MemberRow {
    number: i64,
    entry_id: Vec<u8>,
    group_first: i64,
    has_left: bool,
    right_state: Option<String>,
    lapses_at: Option<OffsetDateTime>,
    order_id: Option<Uuid>,
    claimed_at: Option<OffsetDateTime>,
}

impl DrawStore {
    /// The draws that are shown: all that are not over, and the latest of those that are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn board(&self) -> Result<Board, DrawStoreError> {
        let now = now(&self.pool).await?;
        let rows: Vec<Row> = sqlx::query_as(
            "(SELECT * FROM draws
               WHERE stage NOT IN ('finished', 'cancelled')
               ORDER BY opens_at DESC, id
               LIMIT $1)
             UNION ALL
             (SELECT * FROM draws
               WHERE stage IN ('finished', 'cancelled')
               ORDER BY opens_at DESC, id
               LIMIT $2)",
        )
        .bind(LIVE_MAX)
        .bind(OVER_MAX)
        .fetch_all(&self.pool)
        .await?;
        let draws = rows.into_iter().map(Row::read).collect::<Result<_, _>>()?;
        Ok(Board { now, draws })
    }

    /// One draw.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn draw(&self, draw: &DrawId) -> Result<Option<StoredDraw>, DrawStoreError> {
        let row: Option<Row> = sqlx::query_as("SELECT * FROM draws WHERE id = $1")
            .bind(draw.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.map(Row::read).transpose()
    }

    /// How a member stands in a draw; nothing if the member never entered. `of` is the draw as it was read before: a
    /// rank is computed if it says so.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn member(&self, of: &StoredDraw, member: MemberId) -> Result<Option<Member>, DrawStoreError> {
        let row: Option<MemberRow> = sqlx::query_as(
            "SELECT number, entry_id, group_first, left_at IS NOT NULL AS has_left,
                    rights.state AS right_state, lapses_at, order_id, claimed_at
               FROM draw_entries AS entries
               LEFT JOIN purchase_rights AS rights
                      ON rights.draw_id = entries.draw_id AND rights.member_id = entries.member_id
              WHERE entries.draw_id = $1 AND entries.member_id = $2",
        )
        .bind(of.id.as_str())
        .bind(member.as_uuid())
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| row.read(of).ok_or(DrawStoreError::Unreadable("draw_entries")))
            .transpose()
    }

    /// The proof that the log has a member's entry.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn receipt(&self, draw: &DrawId, member: &Member) -> Result<Receipt, DrawStoreError> {
        let unreadable = || DrawStoreError::Unreadable("draw_entries");
        let ids: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT entry_id
               FROM draw_entries
              WHERE draw_id = $1 AND group_first = $2 AND number BETWEEN $2 AND $2 + $3
              ORDER BY number",
        )
        .bind(draw.as_str())
        .bind(member.group_first)
        .bind(i64::from(fairness::receipt::GROUP_MAX))
        .fetch_all(&self.pool)
        .await?;
        let leaves: Option<Vec<Leaf>> = ids.into_iter().map(|id| id.try_into().ok()).collect();
        let leaves = leaves.ok_or_else(unreadable)?;
        let first = unsigned(member.group_first).ok_or_else(unreadable)?;
        let index = member.entered.number.checked_sub(first);
        let index = index
            .and_then(|index| u32::try_from(index).ok())
            .ok_or_else(unreadable)?;
        let count = u32::try_from(leaves.len()).map_err(|_| unreadable())?;
        Ok(Receipt::of(&Tree::new(&leaves), 0, first, count, index))
    }

    /// Draws that there may be something to do for, at most `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due(&self, limit: u64) -> Result<Vec<DrawId>, DrawStoreError> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT id
               FROM draws
              WHERE stage = 'taking' AND closes_at <= clock_timestamp() OR stage IN ('frozen', 'drawn', 'selling')
              ORDER BY closes_at
              LIMIT $1",
        )
        .bind(signed(limit))
        .fetch_all(&self.pool)
        .await?;
        let ids = ids.into_iter().map(|id| id.parse());
        ids.collect::<Result<_, _>>()
            .map_err(|_| DrawStoreError::Unreadable("draws"))
    }
}

impl MemberRow {
    fn read(self, of: &StoredDraw) -> Option<Member> {
        let number = unsigned(self.number)?;
        let right = match self.right_state {
            Some(state) => Some(Right {
                state: state.parse().ok()?,
                lapses_at: self.lapses_at?,
                claim: claim(self.order_id, self.claimed_at),
            }),
            None => None,
        };
        let entered = Entered {
            number,
            has_left: self.has_left,
            rank: of.order().map(|order| order.apply(number)),
            right,
        };
        Some(Member {
            entry_id: self.entry_id.try_into().ok()?,
            entered,
            group_first: self.group_first,
        })
    }
}

/// A claim as two columns have it.
pub(super) fn claim(order_id: Option<Uuid>, claimed_at: Option<OffsetDateTime>) -> Option<Claim> {
    let (order_id, claimed_at) = order_id.zip(claimed_at)?;
    Some(Claim {
        order_id: OrderId::from_uuid(order_id),
        claimed_at,
    })
}
