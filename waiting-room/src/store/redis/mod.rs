//! Redis: one line shared by every edge.
//!
//! A line is one hash of counters, and sorted sets that are bounded by the sessions and claim windows. Nothing is
//! kept for a shopper who waits. Numbers are exact up to 2^53, which is how far the scripts' arithmetic reaches.

mod address;
mod connection;
mod scripts;
mod sentinels;

pub use address::AddressError;

use super::{EdgeId, Fence, Known, LEASE, LineKey, LineStore, Observation, RECOVERY, StoreError};
use async_trait::async_trait;
use connection::Connection;
use contract::RoomId;
use redis::{Cmd, FromRedisValue};
use scripts::{Operation, Scripts};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tracing::warn;
use waiting_room_domain::{
    Advance, CallLog, Claim, ClaimOutcome, Control, ControlChange, Decision, JoinOutcome, Marks, Moment,
    Renewal, SessionId, SessionRule, Snapshot,
};

/// The store on Redis: a server, a master with its sentinels, or a cluster.
pub struct RedisStore {
    connection: Connection,
    namespace: String,
    lines: RwLock<HashMap<LineKey, Arc<Scripts>>>,
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

    fn scripts(&self, line: &LineKey) -> Arc<Scripts> {
        if let Some(scripts) = self
            .lines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(line)
        {
            return Arc::clone(scripts);
        }
        let scripts = Arc::new(Scripts::of(&self.namespace, line));
        self.lines
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(line.clone(), Arc::clone(&scripts));
        scripts
    }

    async fn call<T: FromRedisValue>(
        &self,
        scripts: &Scripts,
        operation: Operation,
        keys: &[&str],
        arguments: impl Fn(&mut Cmd),
    ) -> Result<T, StoreError> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(scripts.hash(operation)).arg(keys.len()).arg(keys);
        arguments(&mut command);
        let unavailable = |source: redis::RedisError| StoreError::Unavailable {
            operation: operation.name(),
            source: Box::new(source),
        };
        match self.connection.query(&command).await {
            Err(error) if error.code() == Some("NOSCRIPT") => {
                self.reload(scripts).await.map_err(unavailable)?;
                self.connection.query(&command).await.map_err(unavailable)
            }
            answered => answered.map_err(unavailable),
        }
    }

    /// Makes the line stand still, then loads its scripts.
    async fn reload(&self, scripts: &Scripts) -> redis::RedisResult<()> {
        warn!(
            state = scripts.keys.state,
            "the store has no scripts for this line: it is new or was restarted"
        );
        let state = &scripts.keys.state;
        let mut stand_still = redis::cmd("EVAL");
        stand_still
            .arg(scripts.restarted())
            .arg(1)
            .arg(state)
            .arg(millis(RECOVERY));
        self.connection.query::<i64>(&stand_still).await?;
        // The key leads to the server of a cluster that holds the line. If it holds it no more, nothing is loaded:
        // scripts of the line on any other server would hide that this one took over.
        let mut load = redis::pipe();
        load.atomic().cmd("EXISTS").arg(state).ignore();
        for operation in Operation::ALL {
            load.cmd("SCRIPT")
                .arg("LOAD")
                .arg(scripts.text(operation))
                .ignore();
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
    async fn join(&self, line: &LineKey, count: u32, known: Known) -> Result<JoinOutcome, StoreError> {
        let scripts = self.scripts(line);
        let arguments = |command: &mut Cmd| {
            command.arg(count).arg(known.incarnation).arg(known.issued);
        };
        let answer: Vec<String> = self
            .call(&scripts, Operation::Join, &[&scripts.keys.state], arguments)
            .await?;
        match answer.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["dealt", first] => Ok(JoinOutcome::Dealt {
                first: number(first, Operation::Join)?,
            }),
            ["resync"] => Ok(JoinOutcome::Resync),
            _ => Err(nonsense(Operation::Join)),
        }
    }

    async fn claim(
        &self,
        line: &LineKey,
        claim: Claim,
        rule: &SessionRule,
        incarnation: u64,
    ) -> Result<ClaimOutcome, StoreError> {
        let scripts = self.scripts(line);
        let keys = &scripts.keys;
        let arguments = |command: &mut Cmd| {
            let length = millis(rule.length.min(rule.hard_cap));
            command
                .arg(incarnation)
                .arg(claim.number)
                .arg(claim.session.to_string())
                .arg(length);
        };
        let touched = [&*keys.state, &keys.claims, &keys.active];
        let answer: Vec<String> = self.call(&scripts, Operation::Claim, &touched, arguments).await?;
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
        let scripts = self.scripts(line);
        let keys = &scripts.keys;
        let arguments = |command: &mut Cmd| {
            command.arg(millis(rule.length)).arg(millis(rule.hard_cap));
            for renewal in renewals {
                command
                    .arg(renewal.session.to_string())
                    .arg(renewal.since.unix_ms());
            }
        };
        let touched = [&*keys.state, &keys.active, &keys.ended];
        let answer: Vec<(String, String)> =
            self.call(&scripts, Operation::Renew, &touched, arguments).await?;
        let prolonged = answer.iter().map(|(session, until)| {
            Ok((
                session_id(session, Operation::Renew)?,
                moment(until, Operation::Renew)?,
            ))
        });
        prolonged.collect()
    }

    async fn end(&self, line: &LineKey, session: SessionId, keep: Duration) -> Result<bool, StoreError> {
        let scripts = self.scripts(line);
        let arguments = |command: &mut Cmd| {
            command.arg(session.to_string()).arg(millis(keep));
        };
        self.call(
            &scripts,
            Operation::End,
            &[&scripts.keys.active, &scripts.keys.ended],
            arguments,
        )
        .await
    }

    async fn observe(
        &self,
        line: &LineKey,
        edge: &EdgeId,
        marks: Marks,
        ended_since: Moment,
    ) -> Result<Observation, StoreError> {
        let scripts = self.scripts(line);
        let keys = &scripts.keys;
        // Any number that is hardly drawn twice; 52 bits, so that the scripts compare it exactly.
        let incarnation = u64::from_be_bytes(clock::random_bytes()) >> 12;
        let arguments = |command: &mut Cmd| {
            command
                .arg(&edge.0)
                .arg(millis(LEASE))
                .arg(incarnation)
                .arg(millis(RECOVERY));
            command
                .arg(marks.issued)
                .arg(marks.called)
                .arg(marks.settled_below)
                .arg(ended_since.unix_ms());
        };
        let touched = [
            &*keys.state,
            &keys.claims,
            &keys.active,
            &keys.ended,
            &keys.control,
            &keys.lease,
        ];
        let answer: Observed = self
            .call(&scripts, Operation::Observe, &touched, arguments)
            .await?;
        observation(answer)
    }

    async fn advance(
        &self,
        line: &LineKey,
        edge: &EdgeId,
        fence: Fence,
        revision: u64,
        decision: &Decision,
    ) -> Result<Advance, StoreError> {
        let scripts = self.scripts(line);
        let keys = &scripts.keys;
        let arguments = |command: &mut Cmd| {
            command.arg(format!("{} {}", edge.0, fence.0)).arg(revision);
            command
                .arg(decision.called)
                .arg(decision.settled_below)
                .arg(decision.credit);
            command
                .arg(decision.call_log.encode())
                .arg(u8::from(decision.full))
                .arg(decision.decided_at.unix_ms());
        };
        let touched = [
            &*keys.state,
            &keys.claims,
            &keys.active,
            &keys.control,
            &keys.lease,
        ];
        let written: bool = self
            .call(&scripts, Operation::Advance, &touched, arguments)
            .await?;
        Ok(if written { Advance::Written } else { Advance::Stale })
    }

    async fn change_control(&self, room: &RoomId, change: ControlChange) -> Result<(), StoreError> {
        let key = scripts::control_key(&self.namespace, room);
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        if let Some(paused) = change.paused {
            pipeline.hset(&key, "paused", u8::from(paused)).ignore();
        }
        if let Some(rate) = change.users_per_minute {
            pipeline.hset(&key, "users_per_minute", rate).ignore();
        }
        if let Some(max_active) = change.max_active {
            pipeline.hset(&key, "max_active", max_active).ignore();
        }
        pipeline.hincr(&key, "revision", 1).ignore();
        let done = self.connection.pipeline::<()>(&pipeline).await;
        let operation = "change a room's control";
        done.map_err(|source| StoreError::Unavailable {
            operation,
            source: Box::new(source),
        })
    }
}

/// What the script answers: now, fence, open claims, active, state fields, control fields, ended sessions.
type Observed = (
    u64,
    String,
    u64,
    u64,
    Vec<Option<String>>,
    Vec<Option<String>>,
    Vec<String>,
);

fn observation(answer: Observed) -> Result<Observation, StoreError> {
    let (now, fence, open_claims, active, state, control, ended) = answer;
    let operation = Operation::Observe;
    let count = |fields: &[Option<String>], at: usize| match fields.get(at) {
        Some(Some(text)) => number(text, operation),
        Some(None) => Ok(0),
        None => Err(nonsense(operation)),
    };
    let call_log = state.get(11).cloned().flatten().unwrap_or_default();
    let snapshot = Snapshot {
        taken_at: Moment::from_unix_ms(now),
        incarnation: count(&state, 0)?,
        recovering_until: Moment::from_unix_ms(count(&state, 1)?),
        issued: count(&state, 2)?,
        called: count(&state, 3)?,
        settled_below: count(&state, 4)?,
        claimed: count(&state, 5)?,
        missed: count(&state, 6)?,
        credit: count(&state, 7)?,
        ticked_at: Moment::from_unix_ms(count(&state, 8)?),
        // Both counters only grow, so their sum changes when either does.
        revision: count(&state, 9)? + count(&control, 3)?,
        full: count(&state, 10)? == 1,
        call_log: CallLog::decode(&call_log).map_err(|_| nonsense(operation))?,
        open_claims,
        active,
        control: Control {
            paused: count(&control, 0)? == 1,
            users_per_minute: optional(&control, 1, operation)?,
            max_active: optional(&control, 2, operation)?,
        },
    };
    let ended = ended
        .iter()
        .map(|session| session_id(session, operation))
        .collect::<Result<_, _>>()?;
    let fence = number(&fence, operation)?;
    Ok(Observation {
        snapshot,
        ended,
        lease: (fence > 0).then_some(Fence(fence)),
    })
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

fn optional(fields: &[Option<String>], at: usize, operation: Operation) -> Result<Option<u32>, StoreError> {
    let text = fields.get(at).ok_or_else(|| nonsense(operation))?;
    text.as_ref()
        .map(|text| text.parse().map_err(|_| nonsense(operation)))
        .transpose()
}
