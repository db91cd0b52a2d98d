//! What every store promises, asked of the memory store and of real Redis alike. Each promise is put to two edges
//! that share the store: to the memory store as two handles, to Redis as two connections.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    unreachable_pub,
    reason = "every suite of tests takes what it needs"
)]

pub mod edge;

mod dealing;
mod deciding;
mod live;
mod logs;
mod sessions;

pub use {dealing::*, deciding::*, live::*, logs::*, sessions::*};

use clock::SystemClock;
use futures::future::join_all;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use testbed::{RedisNamespace, eventually, eventually_some};
use waiting_room::store::{
    EdgeId, Fence, Known, LineKey, LineStore, LiveStore, Look, MemoryStore, Note, Observation, RedisStore,
};
use waiting_room_domain::{
    Advance, Claim, ClaimOutcome, ControlChange, Decision, Doors, Epoch, Holder, HolderJoin, JoinGroup,
    JoinOutcome, LaneId, LaneMarks, Limits, Marks, Method, Moment, Policy, Renewal, Rounds, SessionId,
    SessionRule, Switch, decide,
};

pub const SOON: Duration = Duration::from_secs(10);
pub const WINDOW: Duration = Duration::from_secs(60);
pub const RULE: SessionRule = SessionRule {
    length: Duration::from_secs(300),
    sliding: true,
    hard_cap: Duration::from_secs(900),
};

pub struct Fixture {
    pub edges: [Arc<dyn LineStore>; 2],
    /// The same stores, as they keep what operators change.
    pub live: [Arc<dyn LiveStore>; 2],
    pub redis: Option<RedisNamespace>,
}

impl Fixture {
    pub fn memory() -> Self {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock), 7));
        Self {
            edges: [Arc::clone(&store) as _, Arc::clone(&store) as _],
            live: [Arc::clone(&store) as _, store],
            redis: None,
        }
    }

    pub fn redis() -> Self {
        let redis = RedisNamespace::fresh();
        let (url, prefix) = (redis.url().to_owned(), redis.prefix().to_owned());
        Self {
            redis: Some(redis),
            ..Self::at(&url, &prefix)
        }
    }

    /// Two edges on the Redis at `url`, under keys of their own.
    pub fn at(url: &str, namespace: &str) -> Self {
        let connect = || Arc::new(RedisStore::new(url, namespace).unwrap());
        let [one, two] = [connect(), connect()];
        Self {
            edges: [Arc::clone(&one) as _, Arc::clone(&two) as _],
            live: [one, two],
            redis: None,
        }
    }

    /// What edge `index` sees.
    pub async fn look(&self, index: usize) -> Observation {
        self.tell(index, &marks(0, 0, 0)).await
    }

    pub async fn tell(&self, index: usize, marks: &Marks) -> Observation {
        self.observe(index, &line(), marks).await
    }

    pub async fn observe(&self, index: usize, line: &LineKey, marks: &Marks) -> Observation {
        let look = Look {
            edge: &edge(index),
            marks,
            ended_since: Moment::from_unix_ms(0),
            report: "",
        };
        self.edges[index].observe(line, look).await.unwrap()
    }

    /// Waits until the line does not stand still any more; a new line does for a moment.
    pub async fn settled(&self) -> Observation {
        eventually_some(SOON, "the line goes on", async || {
            let seen = self.look(0).await;
            (!seen.snapshot.is_recovering()).then_some(seen)
        })
        .await
    }

    pub async fn join(&self, index: usize, count: u32) -> JoinOutcome {
        let known = Known {
            incarnation: self.look(index).await.snapshot.incarnation,
            issued: 0,
        };
        self.edges[index]
            .join(&line(), &group(count), known)
            .await
            .unwrap()
    }

    /// Joins, and answers the first number.
    pub async fn first_number(&self, index: usize, count: u32) -> u64 {
        match self.join(index, count).await {
            JoinOutcome::Dealt { first, .. } => first,
            other => panic!("{other:?}"),
        }
    }

    pub async fn claim(&self, number: u64) -> ClaimOutcome {
        let incarnation = self.look(1).await.snapshot.incarnation;
        self.edges[1]
            .claim(&line(), claim(number), &RULE, incarnation)
            .await
            .unwrap()
    }

    /// Edge 0 decides, waiting for the lease and for the rate to have earned something.
    pub async fn call(&self, limits: Limits, window: Duration) {
        let written = async || {
            let seen = self.look(0).await;
            let Some(fence) = seen.lease else { return false };
            let decision = decide(&seen.snapshot, &policy(limits, window));
            self.advance(0, fence, seen.snapshot.revision, &decision).await == Advance::Written
        };
        eventually(SOON, "a decision is written", written).await;
    }

    pub async fn call_up_to(&self, called: u64) {
        eventually(SOON, "places are called", async || {
            self.call(limits(6_000, 100), WINDOW).await;
            self.look(0).await.snapshot.lanes[0].called >= called
        })
        .await;
    }

    pub async fn advance(&self, index: usize, fence: Fence, revision: u64, decision: &Decision) -> Advance {
        self.edges[index]
            .advance(&line(), &edge(index), fence, revision, decision)
            .await
            .unwrap()
    }
}

pub fn line() -> LineKey {
    LineKey {
        room: "demo".parse().unwrap(),
        epoch: Epoch(1),
    }
}

pub fn edge(index: usize) -> EdgeId {
    EdgeId(format!("edge-{index}"))
}

pub fn limits(users_per_minute: u32, max_active: u32) -> Limits {
    Limits::new(users_per_minute, max_active).unwrap()
}

pub fn session(number: u64) -> SessionId {
    let mut id = [0; 12];
    id[4..].copy_from_slice(&number.to_be_bytes());
    SessionId::from(id)
}

pub const LANE: LaneId = LaneId(0);

pub fn claim(rank: u64) -> Claim {
    Claim {
        lane: LANE,
        rank,
        session: session(rank),
        delay_index: 0,
    }
}

pub fn group(count: u32) -> JoinGroup {
    JoinGroup {
        count,
        ..JoinGroup::default()
    }
}

/// What an edge remembers of a line with one lane.
pub fn marks(issued: u64, called: u64, settled_below: u64) -> Marks {
    Marks {
        lanes: vec![LaneMarks {
            issued,
            called,
            settled_below,
        }],
        ..Marks::default()
    }
}

/// What `actor` changes, with a word in the public log.
pub fn logged(actor: &str) -> Note {
    Note {
        in_log: true,
        ..Note::of(actor)
    }
}

pub fn policy(limits: Limits, claim_window: Duration) -> Policy<'static> {
    Policy {
        limits,
        weights: &[1],
        method: Method::Fifo,
        claim_window,
        doors: Doors::Open,
    }
}

/// Gives the names of all promises to a macro.
macro_rules! each_promise {
    ($then:ident) => {
        $then!(
            no_number_is_dealt_twice,
            an_edge_that_knows_another_life_is_told_to_look_again,
            a_called_ticket_is_one_session_however_often_it_claims,
            sessions_and_reserved_places_stay_within_the_limit,
            only_the_holder_of_the_lease_decides,
            a_decision_is_written_only_over_what_it_read,
            whoever_was_dealt_a_called_number_keeps_it,
            who_does_not_come_in_time_is_counted_as_missed,
            a_session_that_ends_is_free_at_once_and_known_everywhere,
            renewing_prolongs_what_is_on_and_nothing_else,
            a_change_of_control_is_seen_by_all_and_outlives_the_line,
            what_an_edge_remembers_counts_if_it_is_more,
            a_holder_has_one_place_wherever_they_ask,
            lanes_have_numbers_and_calls_of_their_own,
            a_draw_is_frozen_logged_and_revealed,
            a_log_that_was_lost_is_written_again_in_its_order,
            a_group_of_joins_is_a_line_of_the_log,
            what_can_be_used_once_is_used_once,
            a_config_is_written_over_the_version_that_was_read,
            of_many_who_change_the_config_at_once_one_does,
            versions_are_told_to_who_does_not_know_them,
            a_store_takes_the_config_from_an_edge_that_knows_more_and_from_no_other,
            the_oldest_versions_are_forgotten_first,
            who_changed_what_in_a_room_is_kept,
            the_oldest_changes_of_a_room_are_forgotten_first,
        );
    };
}
pub(crate) use each_promise;
