//! Entering a draw, many at once, and leaving it.

use super::{
    DrawStore, DrawStoreError, StoredDraw,
    log::append,
    row::{lock, signed, unsigned},
};
use catalog_domain::{
    draw::{Book, Group, Phase},
    limits::DRAW_ENTRIES_MAX,
};
use contract::{DrawId, MemberId};
use database::transaction;
use fairness::{Leaf, Receipt, Tree};
use sqlx::{FromRow, PgConnection};
use std::collections::{HashMap, HashSet};
use time::OffsetDateTime;
use uuid::Uuid;

/// Somebody who wants to enter.
#[derive(Debug, Clone, Copy)]
pub struct Entrant {
    /// Who.
    pub member: MemberId,
    /// What stands for the entry in the log, if the member has none yet: random bytes.
    pub entry_id: Leaf,
}

/// A member's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 0.
    pub number: u64,
    /// What stands for it in the log.
    pub entry_id: Leaf,
    /// The proof that the log has it; for an entry that is new.
    pub receipt: Option<Receipt>,
}

/// Why nobody could enter or leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotTaken {
    /// There is no such draw.
    Unknown,
    /// The draw is not open.
    NotOpen(Phase),
    /// It has as many entries as it can have.
    Full,
}

#[derive(FromRow)]
struct KnownRow {
    member_id: Uuid,
    number: i64,
    entry_id: Vec<u8>,
}

impl DrawStore {
    /// Enters all of them in one line of the log: each member once, however often they ask. One who had left is in
    /// again, with the same number.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn enter(
        &self,
        draw: &DrawId,
        entrants: &[Entrant],
    ) -> Result<Result<HashMap<MemberId, Entry>, NotTaken>, DrawStoreError> {
        transaction("enter_draw", || async {
            let mut transaction = self.pool.begin().await?;
            let (open, now) = match open(&mut transaction, draw).await? {
                Ok(found) => found,
                Err(refusal) => return Ok(Err(refusal)),
            };
            let mut entries = come_back(&mut transaction, draw, entrants).await?;
            let fresh = fresh(entrants, &entries);
            if open.sale.entries + fresh.len() as u64 > DRAW_ENTRIES_MAX {
                return Ok(Err(NotTaken::Full));
            }
            if !fresh.is_empty() {
                entries.extend(add(&mut transaction, &open, now, &fresh).await?);
            }
            transaction.commit().await?;
            Ok(Ok(entries))
        })
        .await
    }

    /// Takes the member out of the draw; one who is not in it stays out.
    ///
    /// # Errors
    /// When the database does not take it.
    pub async fn leave(
        &self,
        draw: &DrawId,
        member: MemberId,
    ) -> Result<Result<(), NotTaken>, DrawStoreError> {
        transaction("leave_draw", || async {
            let mut transaction = self.pool.begin().await?;
            let now = match open(&mut transaction, draw).await? {
                Ok((_, now)) => now,
                Err(refusal) => return Ok(Err(refusal)),
            };
            sqlx::query(
                "UPDATE draw_entries
                    SET left_at = $3
                  WHERE draw_id = $1 AND member_id = $2 AND left_at IS NULL",
            )
            .bind(draw.as_str())
            .bind(member.as_uuid())
            .bind(now)
            .execute(&mut *transaction)
            .await?;
            transaction.commit().await?;
            Ok(Ok(()))
        })
        .await
    }
}

/// The draw, locked, if its window is open.
async fn open(
    connection: &mut PgConnection,
    draw: &DrawId,
) -> Result<Result<(StoredDraw, OffsetDateTime), NotTaken>, DrawStoreError> {
    let Some((stored, now)) = lock(connection, draw).await? else {
        return Ok(Err(NotTaken::Unknown));
    };
    Ok(match stored.phase(now) {
        Phase::Open => Ok((stored, now)),
        phase => Err(NotTaken::NotOpen(phase)),
    })
}

/// Those of the members who have an entry, which they have again if they had left.
async fn come_back(
    connection: &mut PgConnection,
    draw: &DrawId,
    entrants: &[Entrant],
) -> Result<HashMap<MemberId, Entry>, DrawStoreError> {
    let members: Vec<Uuid> = entrants.iter().map(|entrant| entrant.member.as_uuid()).collect();
    let rows: Vec<KnownRow> = sqlx::query_as(
        "WITH back AS (
             UPDATE draw_entries
                SET left_at = NULL
              WHERE draw_id = $1 AND member_id = ANY ($2) AND left_at IS NOT NULL
         )
         SELECT member_id, number, entry_id
           FROM draw_entries
          WHERE draw_id = $1 AND member_id = ANY ($2)",
    )
    .bind(draw.as_str())
    .bind(&members)
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| row.read().ok_or(DrawStoreError::Unreadable("draw_entries")))
        .collect()
}

impl KnownRow {
    fn read(self) -> Option<(MemberId, Entry)> {
        let entry = Entry {
            number: unsigned(self.number)?,
            entry_id: self.entry_id.try_into().ok()?,
            receipt: None,
        };
        Some((MemberId::from_uuid(self.member_id), entry))
    }
}

/// Those who have no entry yet, each once.
fn fresh(entrants: &[Entrant], known: &HashMap<MemberId, Entry>) -> Vec<Entrant> {
    let mut seen = HashSet::new();
    let new = |entrant: &&Entrant| !known.contains_key(&entrant.member) && seen.insert(entrant.member);
    entrants.iter().filter(new).copied().collect()
}

/// Gives them the next numbers, and the log a line.
async fn add(
    connection: &mut PgConnection,
    draw: &StoredDraw,
    now: OffsetDateTime,
    fresh: &[Entrant],
) -> Result<Vec<(MemberId, Entry)>, DrawStoreError> {
    let first = draw.sale.entries;
    let leaves: Vec<Leaf> = fresh.iter().map(|entrant| entrant.entry_id).collect();
    let members: Vec<Uuid> = fresh.iter().map(|entrant| entrant.member.as_uuid()).collect();
    let ids: Vec<&[u8]> = leaves.iter().map(Leaf::as_slice).collect();
    sqlx::query(
        "WITH added AS (
             INSERT INTO draw_entries (draw_id, number, member_id, entry_id, group_first, entered_at)
             SELECT $1, $2 + place - 1, member_id, entry_id, $2, $3
               FROM unnest($4::uuid[], $5::bytea[]) WITH ORDINALITY AS entrant (member_id, entry_id, place)
         )
         UPDATE draws SET entries = $2 + $6 WHERE id = $1",
    )
    .bind(draw.id.as_str())
    .bind(signed(first))
    .bind(now)
    .bind(&members)
    .bind(&ids)
    .bind(signed(fresh.len() as u64))
    .execute(&mut *connection)
    .await?;
    let mut book = Book::resume(draw.chain);
    let group = Group {
        first,
        leaves: &leaves,
    };
    book.enter(now, &group);
    append(connection, &draw.id, draw.chain.length, &book).await?;
    let tree = Tree::new(&leaves);
    let count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
    let entry = |(index, entrant): (u32, &Entrant)| {
        let entry = Entry {
            number: first + u64::from(index),
            entry_id: entrant.entry_id,
            receipt: Some(Receipt::of(&tree, 0, first, count, index)),
        };
        (entrant.member, entry)
    };
    Ok((0u32..).zip(fresh).map(entry).collect())
}
