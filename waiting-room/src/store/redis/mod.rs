//! Redis: one line shared by every edge.
//!
//! A line is one hash of counters, and sorted sets that are bounded by the sessions and claim windows. For a shopper who
//! waits nothing is kept, but in rooms that give one place to an account or an invitation: there who holds which place is a
//! hash. A line with a public log has it as a list, with a line for each group of joins. Numbers are exact up to 2^53,
//! which is how far the scripts' arithmetic reaches.

mod address;
mod connection;
mod live;
mod observed;
mod scripts;
mod sentinels;

pub use address::AddressError;

use super::{
    CHANGES_MAX, EdgeId, Fence, Known, LEASE, LOG_LINES_AT_ONCE, LineKey, LineStore, Look, Note, Observation,
    RECOVERY, StoreError,
};
use async_trait::async_trait;
use connection::Connection;
use contract::RoomId;
use fairness::hex::Hex;
use redis::{Cmd, FromRedisValue};
use scripts::{Keys, Operation};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tracing::info;
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, ControlChange, DELAYS, Decision, Epoch, Held, Holder, JoinGroup,
    JoinOutcome, LaneId, Moment, Renewal, Rounds, SessionId, SessionRule, TicketId,
};

/// A drop's line is kept for so long after its last decision: its public log may still be asked for.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The store on Redis: a server, a master with its sentinels, or a cluster.
pub struct RedisStore {
    connection: Connection,
    namespace: String,
    lines: RwLock<HashMap<LineKey, Arc<Keys>>>,
}

impl RedisStore {
    /// The store at `address` (`redis://`, `rediss://`, `redis-sentinel://` or `redis-cluster://`), with every key
    /// beginning with `namespace`. Connects when first used, and again whenever the connection is lost.
    ///
    /// # Errors
    /// When `address` is none of these.
    pub fn new(address: &str, namespace: &str) -> Result<Self, AddressError> {
        Ok(Self {
            connection: Connection::to(address)?,
            namespace: namespace.to_owned(),
            lines: RwLock::default(),
        })
    }

    fn keys(&self, line: &LineKey) -> Arc<Keys> {
        if let Some(keys) = self
            .lines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(line)
        {
            return Arc::clone(keys);
        }
        let keys = Arc::new(Keys::of(&self.namespace, line));
        self.lines
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(line.clone(), Arc::clone(&keys));
        keys
    }

    async fn call<T: FromRedisValue>(
        &self,
        operation: Operation,
        keys: &[&str],
        arguments: impl Fn(&mut Cmd),
    ) -> Result<T, StoreError> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(operation.hash()).arg(keys.len()).arg(keys);
        arguments(&mut command);
        let unavailable = |source: redis::RedisError| StoreError::Unavailable {
            operation: operation.name(),
            source: Box::new(source),
        };
        match self.connection.query(&command).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                self.load_scripts(keys).await.map_err(unavailable)?;
                self.connection.query(&command).await.map_err(unavailable)
            }
            answered => answered.map_err(unavailable),
        }
    }

    /// Gives the scripts to the server that has these keys.
    async fn load_scripts(&self, keys: &[&str]) -> redis::RedisResult<()> {
        info!("the store has no scripts: it is new or was restarted");
        let mut load = redis::pipe();
        // A script has no key that would lead to the right server of a cluster; this does.
        load.cmd("EXISTS").arg(keys.first()).ignore();
        for operation in Operation::ALL {
            load.cmd("SCRIPT").arg("LOAD").arg(operation.text()).ignore();
        }
        self.connection.pipeline(&load).await
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

// === impl LineStore ===

#[async_trait]
impl LineStore for RedisStore {
    async fn join(&self, line: &LineKey, group: &JoinGroup, known: Known) -> Result<JoinOutcome, StoreError> {
        let keys = self.keys(line);
        let arguments = |command: &mut Cmd| {
            command.arg(known.incarnation).arg(group.lane.0).arg(group.count);
            command
                .arg(known.issued)
                .arg(group.root.as_deref().unwrap_or_default());
            for join in &group.holders {
                let instead_of = join.instead_of.as_ref().map(hex).unwrap_or_default();
                command
                    .arg(join.holder.to_string())
                    .arg(instead_of)
                    .arg(hex(&join.id));
            }
        };
        let touched = [&*keys.state, &keys.log, &keys.holders];
        let answer: Vec<String> = self.call(Operation::Join, &touched, arguments).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["dealt", first, at] => Ok(JoinOutcome::Dealt {
                first: number(first, Operation::Join)?,
                at: moment(at, Operation::Join)?,
            }),
            ["held"] => Ok(JoinOutcome::Held),
            ["resync"] => Ok(JoinOutcome::Resync),
            _ => Err(nonsense(Operation::Join)),
        }
    }

    async fn held_by(&self, line: &LineKey, holders: &[Holder]) -> Result<Vec<Option<Held>>, StoreError> {
        let keys = self.keys(line);
        let mut command = redis::cmd("HMGET");
        command.arg(&keys.holders);
        for holder in holders {
            command.arg(holder.to_string());
        }
        let operation = "look up the places of holders";
        let answer = self.connection.query(&command).await;
        let answer: Vec<Option<String>> = answer.map_err(|source| StoreError::Unavailable {
            operation,
            source: Box::new(source),
        })?;
        let held = answer.iter().map(|held| {
            let held = held.as_deref().map(read_held);
            held.map(|held| held.ok_or(StoreError::Nonsense { operation }))
                .transpose()
        });
        held.collect()
    }

    async fn spend(&self, room: &RoomId, what: &str, keep: Duration) -> Result<bool, StoreError> {
        let key = format!("{}{{{room}}}:spent:{what}", self.namespace);
        let arguments = |command: &mut Cmd| {
            command.arg(millis(keep).max(1));
        };
        self.call(Operation::Spend, &[&key], arguments).await
    }

    async fn claim(
        &self,
        line: &LineKey,
        claim: Claim,
        rule: &SessionRule,
        incarnation: u64,
    ) -> Result<ClaimOutcome, StoreError> {
        let keys = self.keys(line);
        let Some(claims) = keys.claims.get(claim.lane.index()) else {
            return Ok(ClaimOutcome::Missed);
        };
        let arguments = |command: &mut Cmd| {
            let length = millis(rule.length.min(rule.hard_cap));
            command.arg(incarnation).arg(claim.lane.0).arg(claim.rank);
            command
                .arg(claim.session.to_string())
                .arg(length)
                .arg(claim.delay_index);
        };
        let touched = [&*keys.state, claims, &keys.active];
        let answer: Vec<String> = self.call(Operation::Claim, &touched, arguments).await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["admitted", since, until] => Ok(ClaimOutcome::Admitted {
                since: moment(since, Operation::Claim)?,
                until: moment(until, Operation::Claim)?,
            }),
            ["not_called"] => Ok(ClaimOutcome::NotCalled),
            ["missed"] => Ok(ClaimOutcome::Missed),
            ["resync"] => Ok(ClaimOutcome::Resync),
            _ => Err(nonsense(Operation::Claim)),
        }
    }

    async fn renew(
        &self,
        line: &LineKey,
        renewals: &[Renewal],
        rule: &SessionRule,
    ) -> Result<Vec<(SessionId, Moment)>, StoreError> {
        let keys = self.keys(line);
        let arguments = |command: &mut Cmd| {
            command.arg(millis(rule.length)).arg(millis(rule.hard_cap));
            for renewal in renewals {
                command
                    .arg(renewal.session.to_string())
                    .arg(renewal.since.unix_ms());
            }
        };
        let touched = [&*keys.state, &keys.active, &keys.ended];
        let answer: Vec<(String, String)> = self.call(Operation::Renew, &touched, arguments).await?;
        let prolonged = answer.iter().map(|(session, until)| {
            Ok((
                session_id(session, Operation::Renew)?,
                moment(until, Operation::Renew)?,
            ))
        });
        prolonged.collect()
    }

    async fn end(&self, line: &LineKey, session: SessionId, keep: Duration) -> Result<bool, StoreError> {
        let keys = self.keys(line);
        let arguments = |command: &mut Cmd| {
            command.arg(session.to_string()).arg(millis(keep));
        };
        self.call(Operation::End, &[&keys.active, &keys.ended], arguments)
            .await
    }

    async fn observe(&self, line: &LineKey, look: Look<'_>) -> Result<Observation, StoreError> {
        let keys = self.keys(line);
        // Any number that is hardly drawn twice; 52 bits, so that the scripts compare it exactly.
        let incarnation = u64::from_be_bytes(clock::random_bytes()) >> 12;
        let marks = look.marks;
        let arguments = |command: &mut Cmd| {
            command.arg(&look.edge.0).arg(millis(LEASE));
            command.arg(incarnation).arg(millis(RECOVERY));
            command
                .arg(look.ended_since.unix_ms())
                .arg(DELAYS)
                .arg(look.report);
            command
                .arg(marks.log_length)
                .arg(LOG_LINES_AT_ONCE)
                .arg(marks.draw_step);
            for (lane, marks_of_lane) in marks.lanes.iter().enumerate() {
                let rounds = marks.rounds.get(lane).map(Rounds::encode).unwrap_or_default();
                command.arg(marks_of_lane.issued).arg(marks_of_lane.called);
                command.arg(marks_of_lane.settled_below).arg(rounds);
            }
        };
        let mut touched = vec![
            &*keys.state,
            &keys.active,
            &keys.ended,
            &keys.control,
            &keys.lease,
        ];
        touched.extend([&*keys.log, &keys.reports]);
        touched.extend(keys.claims.iter().take(marks.lanes.len()).map(String::as_str));
        let answer = self.call(Operation::Observe, &touched, arguments).await?;
        observed::observation(answer)
    }

    async fn advance(
        &self,
        line: &LineKey,
        edge: &EdgeId,
        fence: Fence,
        revision: u64,
        decision: &Decision,
    ) -> Result<Advance, StoreError> {
        let keys = self.keys(line);
        let arguments = |command: &mut Cmd| {
            command.arg(format!("{} {}", edge.0, fence.0)).arg(revision);
            command.arg(decision.decided_at.unix_ms()).arg(decision.credit);
            command
                .arg(decision.claims_counted)
                .arg(decision.turnout.encode());
            command
                .arg(u8::from(decision.full))
                .arg(&decision.autopilot)
                .arg(&decision.stock);
            command
                .arg(u8::from(decision.freeze))
                .arg(u8::from(decision.drawn.is_some()));
            command.arg(kept_seconds(line.epoch));
            for (index, lane) in decision.lanes.iter().enumerate() {
                let rounds = decision.drawn.as_ref().and_then(|drawn| drawn.get(index));
                command.arg(lane.called).arg(lane.settled_below).arg(lane.turn);
                command
                    .arg(lane.call_log.encode())
                    .arg(rounds.map(Rounds::encode).unwrap_or_default());
            }
            for entry in &decision.log {
                command.arg(entry);
            }
        };
        let mut touched = vec![&*keys.state, &keys.active, &keys.control, &keys.lease, &keys.log];
        touched.extend(keys.claims.iter().take(decision.lanes.len()).map(String::as_str));
        let written: bool = self.call(Operation::Advance, &touched, arguments).await?;
        Ok(if written { Advance::Written } else { Advance::Stale })
    }

    async fn change_control(
        &self,
        line: &LineKey,
        change: &ControlChange,
        note: &Note,
    ) -> Result<(), StoreError> {
        let keys = self.keys(line);
        let changes = self.changes_key(&line.room);
        let said = serde_json::to_string(note).map_err(|_| nonsense(Operation::Control))?;
        let limit = |limit: Option<u32>| limit.map_or_else(String::new, |limit| limit.to_string());
        let fields = [
            ("switch", change.switch.map(|switch| switch.to_string())),
            ("users_per_minute", change.users_per_minute.map(limit)),
            ("max_active", change.max_active.map(limit)),
            ("message", change.message.clone()),
        ];
        let arguments = |command: &mut Cmd| {
            let logged = note.in_log.then(|| format!("{} {change}", note.by.actor));
            command
                .arg(logged.unwrap_or_default())
                .arg(&said)
                .arg(CHANGES_MAX);
            for (field, value) in &fields {
                if let Some(value) = value {
                    command.arg(field).arg(value);
                }
            }
        };
        let touched = [&*keys.control, &keys.log, &changes];
        let done: bool = self.call(Operation::Control, &touched, arguments).await?;
        done.then_some(()).ok_or_else(|| nonsense(Operation::Control))
    }

    async fn restore_log(&self, line: &LineKey, at: u64, lines: &[String]) -> Result<bool, StoreError> {
        let keys = self.keys(line);
        let arguments = |command: &mut Cmd| {
            command.arg(at).arg(lines);
        };
        self.call(Operation::RestoreLog, &[&keys.log], arguments).await
    }
}

/// How long a line is kept after its last decision: 0, for ever, if it is the one line of a room without a schedule.
fn kept_seconds(epoch: Epoch) -> u64 {
    if epoch == Epoch::ALWAYS { 0 } else { KEPT.as_secs() }
}

fn hex(id: &TicketId) -> String {
    Hex(id).to_string()
}

/// `<lane> <number> <issued at> <ticket id>`
fn read_held(text: &str) -> Option<Held> {
    let mut fields = text.split(' ');
    let held = Held {
        lane: LaneId(fields.next()?.parse().ok()?),
        number: fields.next()?.parse().ok()?,
        issued_at: Moment::from_unix_ms(fields.next()?.parse().ok()?),
        id: fields.next()?.parse::<SessionId>().ok()?.ticket_id(),
    };
    fields.next().is_none().then_some(held)
}

fn nonsense(operation: Operation) -> StoreError {
    StoreError::Nonsense {
        operation: operation.name(),
    }
}

fn number(text: &str, operation: Operation) -> Result<u64, StoreError> {
    text.parse().map_err(|_| nonsense(operation))
}

fn moment(text: &str, operation: Operation) -> Result<Moment, StoreError> {
    number(text, operation).map(Moment::from_unix_ms)
}

fn session_id(text: &str, operation: Operation) -> Result<SessionId, StoreError> {
    text.parse().map_err(|_| nonsense(operation))
}
