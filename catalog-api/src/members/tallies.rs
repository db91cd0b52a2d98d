//! Counting what makes one wait.

use super::{MemberError, Members, PgTransaction};
use catalog_domain::member::{Counted, Gate, Rule, Tally, admit, rules};
use contract::MemberId;
use sqlx::PgConnection;
use std::{collections::BTreeMap, net::IpAddr, time::Duration};
use time::OffsetDateTime;

type Key = [u8; 32];

/// What one try to sign in is counted under.
#[derive(Debug, Clone)]
pub struct Tried {
    device: Option<Key>,
    pair: Key,
    address: Key,
    account: Key,
}

impl Members {
    /// What a try is counted under. The account need not exist.
    pub(super) fn tried(
        &self,
        account: &[u8; 32],
        address: IpAddr,
        device: Option<(MemberId, [u8; 16])>,
    ) -> Tried {
        let (index, network) = (&self.sealer.index, network(address));
        Tried {
            device: device.map(|(member, device)| {
                index.of(
                    "tally-device",
                    &[member.as_uuid().as_bytes(), &device[..]].concat(),
                )
            }),
            pair: index.of("tally-pair", &[account, &network[..]].concat()),
            address: index.of("tally-address", &network),
            account: index.of("tally-account", account),
        }
    }

    /// Counts a try as a failure before the password is looked at, so that tries at once are counted, too.
    pub(super) async fn charge(&self, tried: &Tried) -> Result<Gate, MemberError> {
        let now = self.clock.unix_ms();
        let mut transaction = self.pool.begin().await?;
        let mut tallies = lock(&mut transaction, &tried.keys(), now).await?;
        let gate = admit(&tried.counted(&tallies), now);
        if matches!(gate, Gate::Wait(_)) {
            return Ok(gate);
        }
        for (key, rule) in tried.rules() {
            let tally = tallies.entry(key).or_default();
            *tally = tally.failed(now, rule);
        }
        write(&mut transaction, &tallies).await?;
        transaction.commit().await?;
        Ok(gate)
    }

    /// The password was right: the pair or the device is clean, and what else was counted is as it was before.
    pub(super) async fn refund(
        &self,
        connection: &mut PgTransaction,
        tried: &Tried,
    ) -> Result<(), MemberError> {
        let now = self.clock.unix_ms();
        let mut tallies = lock(connection, &tried.keys(), now).await?;
        for (key, _) in tried.rules() {
            let own = Some(key) == tried.device || key == tried.pair;
            let tally = tallies.entry(key).or_default();
            tally.failures = if own { 0 } else { tally.failures.saturating_sub(1) };
        }
        write(connection, &tallies).await
    }

    /// Counts something that an address begins.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) async fn begin_from(&self, address: IpAddr) -> Result<(), MemberError> {
        let key = self.sealer.index.of("tally-beginnings", &network(address));
        let mut transaction = self.pool.begin().await?;
        let wait = self.count(&mut transaction, key, rules::BEGINNINGS).await?;
        transaction.commit().await?;
        if wait > Duration::ZERO {
            Err(MemberError::Wait(wait))
        } else {
            Ok(())
        }
    }

    /// Whether another mail that was not asked for, perhaps, may go to this recipient; counts it if so.
    pub(super) async fn may_mail(
        &self,
        connection: &mut PgConnection,
        email_index: &[u8],
    ) -> Result<bool, MemberError> {
        let key = self.sealer.index.of("tally-mails", email_index);
        Ok(self.count(connection, key, rules::MAILS).await? == Duration::ZERO)
    }

    async fn count(
        &self,
        connection: &mut PgConnection,
        key: Key,
        rule: Rule,
    ) -> Result<Duration, MemberError> {
        let now = self.clock.unix_ms();
        let mut tallies = lock(connection, &[key], now).await?;
        let tally = tallies.entry(key).or_default();
        let wait = tally.wait(now, rule);
        if wait == Duration::ZERO {
            *tally = tally.failed(now, rule);
            write(connection, &tallies).await?;
        }
        Ok(wait)
    }
}

impl Tried {
    fn keys(&self) -> Vec<Key> {
        self.device
            .into_iter()
            .chain([self.pair, self.address, self.account])
            .collect()
    }

    /// A known device is counted for itself alone.
    fn rules(&self) -> Vec<(Key, Rule)> {
        match self.device {
            Some(device) => vec![(device, rules::DEVICE)],
            None => vec![
                (self.pair, rules::PAIR),
                (self.address, rules::ADDRESS),
                (self.account, rules::ACCOUNT),
            ],
        }
    }

    fn counted(&self, tallies: &BTreeMap<Key, Tally>) -> Counted {
        let of = |key: &Key| tallies.get(key).copied().unwrap_or_default();
        Counted {
            device: self.device.as_ref().map(of),
            pair: of(&self.pair),
            address: of(&self.address),
            account: of(&self.account),
        }
    }
}

/// Of IPv6 the network that a household is given.
fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets()[..8].to_vec(),
    }
}

/// The tallies as they stand, locked in the order of their keys, so that two tries never wait for each other.
async fn lock(
    connection: &mut PgConnection,
    keys: &[Key],
    now_unix_ms: u64,
) -> Result<BTreeMap<Key, Tally>, MemberError> {
    let mut keys: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
    keys.sort_unstable();
    sqlx::query(
        "INSERT INTO tallies (key, failures, last_at)
         SELECT key, 0, $2 FROM unnest($1) AS key
         ON CONFLICT (key) DO NOTHING",
    )
    .bind(&keys)
    .bind(moment(now_unix_ms))
    .execute(&mut *connection)
    .await?;
    let rows: Vec<(Vec<u8>, i32, OffsetDateTime)> = sqlx::query_as(
        "SELECT key, failures, last_at FROM tallies WHERE key = ANY($1) ORDER BY key FOR UPDATE",
    )
    .bind(&keys)
    .fetch_all(connection)
    .await?;
    let tallies = rows.into_iter().filter_map(|(key, failures, last)| {
        let tally = Tally {
            failures: u32::try_from(failures).unwrap_or(0),
            last_unix_ms: unix_ms(last),
        };
        Some((key.try_into().ok()?, tally))
    });
    Ok(tallies.collect())
}

async fn write(connection: &mut PgConnection, tallies: &BTreeMap<Key, Tally>) -> Result<(), MemberError> {
    let keys: Vec<Vec<u8>> = tallies.keys().map(|key| key.to_vec()).collect();
    let failures: Vec<i32> = tallies
        .values()
        .map(|tally| i32::try_from(tally.failures).unwrap_or(i32::MAX))
        .collect();
    let last: Vec<OffsetDateTime> = tallies.values().map(|tally| moment(tally.last_unix_ms)).collect();
    sqlx::query(
        "UPDATE tallies
         SET failures = news.failures, last_at = news.last_at
         FROM unnest($1::bytea[], $2::integer[], $3::timestamptz[]) AS news (key, failures, last_at)
         WHERE tallies.key = news.key",
    )
    .bind(keys)
    .bind(failures)
    .bind(last)
    .execute(connection)
    .await?;
    Ok(())
}

/// A moment as PostgreSQL takes it.
pub(super) fn moment(unix_ms: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A moment of PostgreSQL's.
pub(super) fn unix_ms(at: OffsetDateTime) -> u64 {
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}
